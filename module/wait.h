/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between wait.c and round.c: the condition, sleeping, and whom a round wakes.
 * All but vdi_wait_peer() and vdi_wait_pause() under set->lock.
 */
#ifndef VDI_WAIT_H
#define VDI_WAIT_H

#include <linux/types.h>

#include "handle.h"
#include "set.h"

struct vdi_wait;

static inline enum vdi_side vdi_wait_peer(enum vdi_side side)
{
	return side == VDI_CLIENT ? VDI_SERVER : VDI_CLIENT;
}

u64 vdi_wait_untold(const struct vdi_set *set, const struct vdi_handle *handle,
		    enum vdi_side side);
u64 vdi_wait_settle_locked(struct vdi_call *call, struct vdi_wait *wait);
void vdi_wait_look_locked(struct vdi_call *call, struct vdi_wait *wait,
			  int err);
int vdi_wait_pause(const struct vdi_call *call, struct vdi_wait *wait);
void vdi_wait_wake_handle_locked(struct vdi_set *set, struct vdi_handle *handle,
				 enum vdi_side side, bool sync);
void vdi_wait_wake_side_locked(struct vdi_set *set, u64 mask,
			       enum vdi_side side, bool sync);

#endif /* VDI_WAIT_H */
