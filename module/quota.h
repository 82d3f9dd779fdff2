/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_QUOTA_H
#define VDI_QUOTA_H

#include <linux/types.h>
#include <linux/uidgid.h>

struct vdi_user;

/**
 * enum vdi_quota_kind - What is limited per user
 * @VDI_QUOTA_SETS: sets created
 * @VDI_QUOTA_HANDLES: open files
 * @VDI_QUOTA_BYTES: bytes of buffer area
 * @VDI_QUOTA_KINDS: number of kinds
 */
enum vdi_quota_kind {
	VDI_QUOTA_SETS,
	VDI_QUOTA_HANDLES,
	VDI_QUOTA_BYTES,
	VDI_QUOTA_KINDS,
};

struct vdi_user *vdi_quota_charge(kuid_t uid, enum vdi_quota_kind kind, u64 n,
				  u64 limit, u64 total_limit, bool *total);
void vdi_quota_uncharge(struct vdi_user *user, enum vdi_quota_kind kind, u64 n);
u64 vdi_quota_total(enum vdi_quota_kind kind);
unsigned int vdi_quota_users(void);

#endif /* VDI_QUOTA_H */
