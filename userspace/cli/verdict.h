/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_VERDICT_H
#define VDI_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/vdi.h>

/* VDI_REASON_* without the prefix, for programs: "CLIENT_DIED". */
const char *verdict_reason_name(uint32_t reason);

/* Who ended a set and why, in words. */
void verdict_reason(const struct vdi_reason *reason, char *buf, size_t size);

/*
 * Have both sides agreed on the end?  All devices are closed in order, or all
 * were completed before something on the client's side ended the set: then the
 * engine gets these answers nevertheless.  An engine that ends the set itself
 * does not want what was completed.
 */
bool verdict_agreed(const struct vdi_set_stat *stat);

/* A line on stderr about an aborted set; returns EXIT_PEER. */
int verdict_aborted(const struct vdi_set_stat *stat);

/* A line on stderr about the node that can't be used; returns EXIT_NO_DEVICE. */
int verdict_node(int ret);

/*
 * A line on stderr about an error of libvdi (@ret is -errno) while doing @what
 * with @name, with advice; returns the exit code for it.
 */
int verdict_error(int ret, const char *what, const char *name);

#endif /* VDI_VERDICT_H */
