/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_CONFIG_H
#define VDI_CONFIG_H

#include <linux/types.h>

struct vdi_begin_config;
struct vdi_create;
struct vdi_set;

int vdi_config_check_create(const struct vdi_create *arg);
int vdi_config_begin_locked(struct vdi_set *set, struct vdi_begin_config *arg);
int vdi_config_end(struct vdi_set *set, u64 size, u64 *out_size);
bool vdi_config_ready(struct vdi_set *set, u32 role);

#endif /* VDI_CONFIG_H */
