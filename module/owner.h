/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_OWNER_H
#define VDI_OWNER_H

#include <linux/err.h>
#include <linux/types.h>

struct vdi_handle;
struct vdi_owner;

#ifdef CONFIG_MMU_NOTIFIER
int vdi_owner_get(struct vdi_owner **owner);
void vdi_owner_put(struct vdi_owner *owner);
void vdi_owner_list(struct vdi_handle *handle);
void vdi_owner_unlist(struct vdi_handle *handle);
int vdi_owner_attach(struct vdi_handle *handle);
void vdi_owner_detach(struct vdi_handle *handle);
void vdi_owner_synchronize(void);
static inline bool vdi_owner_supported(void)
{
	return true;
}
#else
static inline int vdi_owner_get(struct vdi_owner **owner)
{
	*owner = NULL;
	return 0;
}

static inline void vdi_owner_put(struct vdi_owner *owner)
{
}

static inline void vdi_owner_list(struct vdi_handle *handle)
{
}

static inline void vdi_owner_unlist(struct vdi_handle *handle)
{
}

static inline int vdi_owner_attach(struct vdi_handle *handle)
{
	return 0;
}

static inline void vdi_owner_detach(struct vdi_handle *handle)
{
}

static inline void vdi_owner_synchronize(void)
{
}

static inline bool vdi_owner_supported(void)
{
	return false;
}
#endif

#endif /* VDI_OWNER_H */
