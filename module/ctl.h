/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_CTL_H
#define VDI_CTL_H

#include <linux/fs.h>

#include <linux/vdi.h>

#include "handle.h"

struct vdi_exchange;

extern const struct file_operations vdi_set_fops;
extern const struct file_operations vdi_device_fops;

u64 vdi_ctl_capabilities(void);

/**
 * vdi_ctl_is_server() - Is this a set handle of the server, not closed by it?
 * @call: the call
 *
 * Return: true if so.
 */
static inline bool vdi_ctl_is_server(const struct vdi_call *call)
{
	return call->role == VDI_ROLE_SERVER && !call->draining;
}

/* In the file of their noun, or in ioctl.c */
int vdi_ioc_get_info(struct vdi_call *call, void *p);
int vdi_ioc_create(struct vdi_call *call, void *p);
int vdi_ioc_open(struct vdi_call *call, void *p);
int vdi_ioc_open_secondary(struct vdi_call *call, void *p);
int vdi_ioc_get_config(struct vdi_call *call, void *p);
int vdi_ioc_begin_config(struct vdi_call *call, void *p);
int vdi_ioc_end_config(struct vdi_call *call, void *p);
int vdi_ioc_grow_area(struct vdi_call *call, void *p);
int vdi_ioc_set_hint(struct vdi_call *call, void *p);
int vdi_ioc_exchange(struct vdi_call *call, void *p);
int vdi_ioc_open_device(struct vdi_call *call, void *p);
int vdi_ioc_status(struct vdi_call *call, void *p);
int vdi_ioc_abort(struct vdi_call *call, void *p);
int vdi_ioc_adopt(struct vdi_call *call, void *p);
int vdi_ioc_close(struct vdi_call *call, void *p);
int vdi_ioc_close_device(struct vdi_call *call, void *p);
int vdi_ioc_device_status(struct vdi_call *call, void *p);
int vdi_ioc_stat_name(struct vdi_call *call, void *p);
int vdi_ioc_abort_name(struct vdi_call *call, void *p);
int vdi_exchange_unwritten(struct vdi_call *call, const struct vdi_exchange *x);

#endif /* VDI_CTL_H */
