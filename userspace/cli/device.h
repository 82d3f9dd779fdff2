/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_DEVICE_H
#define VDI_DEVICE_H

#include <stdbool.h>

#include "client.h"
#include "stripe.h"

struct medium;

/* VDI_FEAT_* of a device of this kind, without those of a backup's target */
unsigned int device_features(enum stripe_kind kind, bool removable);
/* The other way, in words: "pipe", "tape", "disk" */
const char *device_kind_name(unsigned int features);
bool device_kind_parse(const char *arg, enum stripe_kind *kind);

/*
 * One command that only the medium is needed for: *@answer, or -errno if the
 * medium failed.  Others are answered with %VDI_CODE_NOT_SUPPORTED.
 */
int device_command(struct medium *medium, const struct vdi_command *command, void *buffer,
		   struct client_answer *answer);

#endif /* VDI_DEVICE_H */
