/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_SHOW_H
#define VDI_SHOW_H

#include <linux/vdi.h>

#include "json.h"

#define SHOW_SCHEMA_VERSION	1

/* A set as a member of @json, or as lines for people on stdout. */
void show_set_json(struct json *json, const struct vdi_set_stat *stat);
void show_set_text(const struct vdi_set_stat *stat);

#endif /* VDI_SHOW_H */
