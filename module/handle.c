// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: an open file of either kind, what it is bound to, and whose it is.
 *
 * A handle belongs to the mm that bound it.  How another mm takes it over is in
 * adopt.c; what its close and its owner's death mean is in handle_end.c.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "command.h"
#include "compat.h"
#include "handle.h"
#include "main.h"
#include "name.h"
#include "node.h"
#include "owner.h"
#include "quota.h"
#include "set.h"
#include "state.h"

/**
 * vdi_handle_create() - Make an unbound handle
 * @is_device: for a device file
 *
 * Return: the handle, ERR_PTR(-EDQUOT) or ERR_PTR(-ENOMEM).
 */
struct vdi_handle *vdi_handle_create(bool is_device)
{
	struct vdi_handle *handle;
	struct vdi_user *user;
	bool total;

	handle = kzalloc(sizeof(*handle), GFP_KERNEL_ACCOUNT);
	if (!handle)
		return ERR_PTR(-ENOMEM);
	user = vdi_quota_charge(current_euid(), VDI_QUOTA_HANDLES, 1,
				vdi_main_max_handles(), U64_MAX, &total);
	if (IS_ERR(user)) {
		kfree(handle);
		return ERR_CAST(user);
	}
	handle->user = user;
	handle->is_device = is_device;
	mutex_init(&handle->bind_lock);
	spin_lock_init(&handle->lock);
	init_waitqueue_head(&handle->wq);
	INIT_LIST_HEAD(&handle->owner_node);
	INIT_LIST_HEAD(&handle->set_node);
	INIT_LIST_HEAD(&handle->claim_node);
	vdi_count(VDI_COUNT_HANDLES, 1);
	return handle;
}

/**
 * vdi_handle_destroy() - Free an unbound handle
 * @handle: the handle
 */
void vdi_handle_destroy(struct vdi_handle *handle)
{
	vdi_quota_uncharge(handle->user, VDI_QUOTA_HANDLES, 1);
	vdi_count(VDI_COUNT_HANDLES, -1);
	kfree(handle);
}

/**
 * vdi_handle_get_set() - The set that a handle is bound to
 * @handle: the handle
 * @mine: set to whether the handle is the current process's
 *
 * Context: any; takes handle->lock.
 * Return: the set with a reference, or NULL.
 */
struct vdi_set *vdi_handle_get_set(struct vdi_handle *handle, bool *mine)
{
	struct vdi_set *set;

	spin_lock(&handle->lock);
	set = handle->set;
	*mine = !set || handle->mm == current->mm;
	if (set)
		vdi_set_get(set);
	spin_unlock(&handle->lock);
	return set;
}

/**
 * vdi_handle_call_begin() - Begin a call on a handle
 * @handle: the handle
 * @file: its file
 * @call: filled in
 * @foreign_ok: for ADOPT and STATUS
 *
 * Return: 0, then vdi_handle_call_end() must follow; or -EIO if the handle
 *	belongs to another process.
 */
int vdi_handle_call_begin(struct vdi_handle *handle, struct file *file,
			  struct vdi_call *call, bool foreign_ok)
{
	bool mine = true, left = false;

	memset(call, 0, sizeof(*call));
	call->handle = handle;
	call->nonblock = file->f_flags & O_NONBLOCK;
	spin_lock(&handle->lock);
	call->set = handle->set;
	if (call->set) {
		mine = handle->mm == current->mm;
		/*
		 * The owner, its file table, but another mm: it has called exec
		 * and kept the descriptor.  Only where no notifier has seen it.
		 */
		left = !mine && !handle->owner && !handle->owner_gone &&
		       handle->files == current->files &&
		       handle->who.pid == task_tgid(current);
		if (left)
			WRITE_ONCE(handle->owner_gone, true);
		call->bindings = handle->bindings;
		call->role = handle->role;
		call->draining = handle->draining;
		vdi_set_get(call->set);
	}
	spin_unlock(&handle->lock);
	if (left) {
		vdi_set_get(call->set);
		vdi_handle_died(call);
	}
	call->foreign = !mine && foreign_ok;
	if (mine || call->foreign)
		return 0;
	vdi_set_put(call->set);
	return -EIO;
}

/**
 * vdi_handle_call_end() - End a call
 * @call: as filled in by vdi_handle_call_begin()
 */
void vdi_handle_call_end(struct vdi_call *call)
{
	if (call->set)
		vdi_set_put(call->set);
}

/* May this role come in? Enters the next state and notes the party if so */
static int vdi_handle_admit_locked(struct vdi_set *set,
				   const struct vdi_who *who)
{
	int ret;

	lockdep_assert_held(&set->lock);
	switch (who->role) {
	case VDI_ROLE_SERVER:
		ret = vdi_state_server(set, VDI_SERVER_OPEN);
		if (ret == -EPROTO && set->nodes && set->nodes->server)
			ret = -EBUSY;
		if (!ret)
			vdi_who_copy(&set->party[VDI_SERVER], who);
		return ret;
	case VDI_ROLE_SECONDARY:
		return vdi_state_client(set, VDI_CLIENT_JOIN);
	default:
		vdi_who_copy(&set->party[VDI_CLIENT], who);
		return 0;
	}
}

/* @mm and @files: the owner's, NULL for a handle that is the kernel's own */
static void vdi_handle_attach(struct vdi_handle *handle, struct vdi_set *set,
			      const struct vdi_who *who, struct mm_struct *mm,
			      void *files)
{
	vdi_set_get(set);
	if (mm)
		mmgrab(mm);
	spin_lock(&handle->lock);
	handle->who = *who;
	WRITE_ONCE(handle->bindings, handle->bindings + 1);
	WRITE_ONCE(handle->role, who->role);
	WRITE_ONCE(handle->draining, false);
	WRITE_ONCE(handle->owner_gone, false);
	handle->mm = mm;
	handle->files = files;
	/* Nobody has waited here yet: a spin is as long as the caller allows */
	handle->spin_shift = 0;
	WRITE_ONCE(handle->set, set);
	spin_unlock(&handle->lock);
}

/**
 * vdi_handle_bind() - Bind a set handle to a set for the current process
 * @handle: the handle, unbound
 * @set: the set; the handle takes a reference of its own
 * @role: VDI_ROLE_*
 *
 * Context: handle->bind_lock held; sleeps.
 * Return: 0, -ENOMEM, or what state.c says of this role.
 */
int vdi_handle_bind(struct vdi_handle *handle, struct vdi_set *set, u32 role)
{
	struct vdi_who who;
	int ret = vdi_owner_attach(handle);

	if (ret)
		return ret;
	vdi_who_current(&who, role);
	spin_lock(&set->lock);
	ret = vdi_handle_admit_locked(set, &who);
	if (!ret)
		list_add_tail(&handle->set_node, &set->handles);
	spin_unlock(&set->lock);
	if (ret) {
		vdi_who_put(&who);
		vdi_owner_detach(handle);
		return ret;
	}
	vdi_handle_attach(handle, set, &who, current->mm, current->files);
	return 0;
}

/**
 * vdi_handle_bind_device() - Bind a new device handle like its opener
 * @handle: the handle, which nobody else knows
 * @set: the set
 * @role: role of the opener
 *
 * It joins the handles of the set in vdi_device_open().
 *
 * Context: sleeps.
 * Return: 0 or -ENOMEM.
 */
int vdi_handle_bind_device(struct vdi_handle *handle, struct vdi_set *set,
			   u32 role)
{
	struct vdi_who who;
	int ret = vdi_owner_attach(handle);

	if (ret)
		return ret;
	vdi_who_current(&who, role);
	vdi_handle_attach(handle, set, &who, current->mm, current->files);
	return 0;
}

/**
 * vdi_handle_bind_kernel() - Bind a new device handle that has no owner
 * @handle: the handle, which nobody else knows
 * @set: the set
 *
 * For a node: nobody's death counts but by what node.c makes of it.  The handle
 * joins those of the set in vdi_device_open_node().
 */
void vdi_handle_bind_kernel(struct vdi_handle *handle, struct vdi_set *set)
{
	struct vdi_who who;

	vdi_who_current(&who, VDI_ROLE_SERVER);
	vdi_handle_attach(handle, set, &who, NULL, NULL);
}

/**
 * vdi_handle_set_who() - The current process uses a handle of the kernel's now
 * @handle: the handle
 */
void vdi_handle_set_who(struct vdi_handle *handle)
{
	struct vdi_who who, old;

	vdi_who_current(&who, VDI_ROLE_SERVER);
	spin_lock(&handle->set->lock);
	spin_lock(&handle->lock);
	old = handle->who;
	handle->who = who;
	spin_unlock(&handle->lock);
	spin_unlock(&handle->set->lock);
	vdi_who_put(&old);
}
