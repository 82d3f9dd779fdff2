// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a handle's use: what CLOSE, close(2) and its owner's death mean.
 *
 * Its owner's death is seen by the mmu notifier (owner.c), by ->flush when the
 * owner's last descriptor goes, and by ->release at the latest; whichever comes
 * first counts.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "area.h"
#include "command.h"
#include "compat.h"
#include "handle.h"
#include "name.h"
#include "node.h"
#include "owner.h"
#include "set.h"
#include "state.h"

/* What leaving a set gives back, outside the locks */
struct vdi_leave {
	struct vdi_set *set;
	bool last_server;
	struct mm_struct *mm;
	struct vdi_who who;
};

/*
 * Take a handle out of everything in its set, and the set out of the handle, in
 * one critical section: from here on no call finds one by the other.
 */
static void vdi_handle_leave_locked(struct vdi_handle *handle,
				    struct vdi_set *set,
				    struct vdi_leave *leave)
{
	struct vdi_handle *other;
	struct vdi_device *dev;
	int side;

	lockdep_assert_held(&set->lock);
	list_del_init(&handle->set_node);
	if (!list_empty(&handle->claim_node)) {
		list_del_init(&handle->claim_node);
		set->nr_claims--;
	}
	vdi_set_for_each_device(set, dev) {
		for (side = 0; side < VDI_SIDES; side++) {
			if (dev->handle[side] == handle)
				dev->handle[side] = NULL;
			if (dev->opener[side] == handle)
				dev->opener[side] = NULL;
		}
	}
	list_for_each_entry(other, &set->handles, set_node) {
		if (other->opener == handle) {
			other->opener = NULL;
			WRITE_ONCE(other->closed, true);
		}
	}
	handle->opener = NULL;
	handle->devices = 0;
	handle->told = 0;
	handle->sleepers = 0;
	handle->idle = false;
	handle->polled = false;

	/* Of a set that is not alive: none comes any more, nor does a node copy */
	leave->last_server = handle->role == VDI_ROLE_SERVER &&
			     !vdi_state_alive(set);
	list_for_each_entry(other, &set->handles, set_node)
		if (READ_ONCE(other->role) == VDI_ROLE_SERVER)
			leave->last_server = false;
	spin_lock(&handle->lock);
	leave->set = set;
	leave->mm = handle->mm;
	leave->who = handle->who;
	WRITE_ONCE(handle->set, NULL);
	WRITE_ONCE(handle->role, VDI_ROLE_NONE);
	WRITE_ONCE(handle->draining, false);
	handle->files = NULL;
	handle->mm = NULL;
	memset(&handle->who, 0, sizeof(handle->who));
	spin_unlock(&handle->lock);

	vdi_set_wake_all_locked(set);
	wake_up_all(&handle->wq);
}

/* The half of leaving that may sleep; @handle->bind_lock held, or in release */
static void vdi_handle_left(struct vdi_handle *handle, struct vdi_leave *leave)
{
	vdi_owner_detach(handle);
	/* The nodes go with the primary client */
	if (leave->who.role == VDI_ROLE_CLIENT && !handle->is_device) {
		vdi_node_remove_all(leave->set);
		vdi_set_uncharge(leave->set);
	}
	if (leave->last_server)
		vdi_area_release(leave->set);
	vdi_who_put(&leave->who);
	if (leave->mm)
		mmdrop(leave->mm);
	vdi_set_put(leave->set);
}

/**
 * vdi_handle_unbind_kernel() - Undo vdi_handle_bind_kernel(), free the handle
 * @handle: the handle
 */
void vdi_handle_unbind_kernel(struct vdi_handle *handle)
{
	struct vdi_set *set = handle->set;
	struct vdi_leave leave;

	spin_lock(&set->lock);
	vdi_handle_leave_locked(handle, set, &leave);
	spin_unlock(&set->lock);
	vdi_handle_left(handle, &leave);
	vdi_handle_destroy(handle);
}

/*
 * Devices that count as open for Close and death: for the server those that
 * are not closed in order, for a client those of which it was not told.
 */
static bool vdi_handle_has_open_locked(struct vdi_handle *handle,
				       struct vdi_set *set, enum vdi_side side)
{
	struct vdi_handle *claim;
	u64 done;

	lockdep_assert_held(&set->lock);
	if (!vdi_state_alive(set))
		return false;
	/* Of a device handle alone only the device matters, not who was told */
	if (side == VDI_SERVER || handle->is_device)
		done = set->closed;
	else
		done = set->told[VDI_CLIENT];
	if (handle->devices & ~done)
		return true;
	list_for_each_entry(claim, &set->claims, claim_node)
		if ((claim == handle || claim->opener == handle) &&
		    !claim->lost)
			return true;
	return false;
}

static void vdi_handle_cause(struct vdi_handle *handle, struct vdi_cause *cause,
			     u32 client_reason, u32 server_reason,
			     const char *text)
{
	memset(cause, 0, sizeof(*cause));
	cause->reason = handle->who.role == VDI_ROLE_SERVER ? server_reason :
							      client_reason;
	cause->who = handle->who;
	strscpy(cause->text, text, sizeof(cause->text));
}

/* The server has closed: the handle and its device handles can only collect */
static void vdi_handle_drain_locked(struct vdi_handle *handle,
				    struct vdi_set *set)
{
	struct vdi_handle *other;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(other, &set->handles, set_node) {
		if (other != handle && other->opener != handle)
			continue;
		spin_lock(&other->lock);
		WRITE_ONCE(other->draining, true);
		spin_unlock(&other->lock);
	}
	vdi_set_wake_all_locked(set);
}

/**
 * vdi_handle_close() - Close of a set handle (3.5, 4.13)
 * @call: the call
 *
 * Return: 0, -EPROTO or -EBUSY as the specification says.
 */
int vdi_handle_close(struct vdi_call *call)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	struct vdi_leave leave;
	enum vdi_side side;
	struct vdi_cause cause;
	bool open;
	int ret;

	if (!set)
		return vdi_state_client_unbound(VDI_CLIENT_CLOSE);
	side = vdi_role_side(call->role);
	if (mutex_lock_killable(&handle->bind_lock))
		return -EINTR;
	if (vdi_command_left(call)) {
		ret = vdi_command_left_errno(call);
		goto unlock;
	}
	if (handle->draining) {
		ret = vdi_state_server_unbound(VDI_SERVER_CLOSE);
		goto unlock;
	}
	vdi_handle_cause(handle, &cause, VDI_REASON_CLIENT_CLOSE,
			 VDI_REASON_SERVER_CLOSE, "closed before the end");

	spin_lock(&set->lock);
	ret = side == VDI_SERVER ? vdi_state_server(set, VDI_SERVER_CLOSE) :
				   vdi_state_client(set, VDI_CLIENT_CLOSE);
	open = vdi_handle_has_open_locked(handle, set, side);
	if (open || call->role != VDI_ROLE_SECONDARY)
		vdi_set_abort_locked(set, &cause);
	if (call->role == VDI_ROLE_CLIENT)
		vdi_name_unpublish(set);
	if (side == VDI_SERVER)
		vdi_handle_drain_locked(handle, set);
	else
		vdi_handle_leave_locked(handle, set, &leave);
	spin_unlock(&set->lock);

	if (side == VDI_CLIENT)
		vdi_handle_left(handle, &leave);
	if (open)
		ret = side == VDI_SERVER ? -EPROTO : -EBUSY;
unlock:
	mutex_unlock(&handle->bind_lock);
	return ret;
}

/**
 * vdi_handle_owner_dies() - Has the owner's death to be handled?
 * @handle: the handle
 * @files: the owner's file table, which has no descriptor any more; NULL if it
 *	is the owner that has gone
 * @call: filled in if so, for vdi_handle_died()
 *
 * By the table: another process may have adopted the handle meanwhile.
 *
 * Context: any; takes handle->lock.
 * Return: true once.
 */
bool vdi_handle_owner_dies(struct vdi_handle *handle, const void *files,
			   struct vdi_call *call)
{
	bool dies;

	memset(call, 0, sizeof(*call));
	spin_lock(&handle->lock);
	dies = handle->set && !handle->owner_gone &&
	       (!files || handle->files == files);
	if (dies) {
		WRITE_ONCE(handle->owner_gone, true);
		call->handle = handle;
		call->set = handle->set;
		call->role = handle->role;
		call->draining = handle->draining;
		vdi_set_get(call->set);
	}
	spin_unlock(&handle->lock);
	return dies;
}

/**
 * vdi_handle_died() - The owner of a handle has gone
 * @call: as filled in by vdi_handle_owner_dies(); its reference is dropped
 *
 * The handle itself may be released meanwhile: it is looked for in the set.
 *
 * Context: sleeps only to free the set.
 */
void vdi_handle_died(struct vdi_call *call)
{
	bool dying = call->dying || vdi_task_dying();
	enum vdi_side side = vdi_role_side(call->role);
	struct vdi_set *set = call->set;
	struct vdi_handle *handle;
	struct vdi_cause cause;
	bool counts = false;

	spin_lock(&set->lock);
	list_for_each_entry(handle, &set->handles, set_node) {
		/* owner_gone: not another one that is at the same address now */
		if (handle != call->handle || !READ_ONCE(handle->owner_gone))
			continue;
		/*
		 * The primary client and the server always count; a secondary,
		 * or a device handle alone, if it has a device open.
		 */
		if (handle->is_device || call->role == VDI_ROLE_SECONDARY)
			counts = vdi_handle_has_open_locked(handle, set, side);
		else
			counts = true;
		if (handle->is_device && !dying)
			vdi_handle_cause(handle, &cause,
					 VDI_REASON_CLIENT_CLOSE,
					 VDI_REASON_SERVER_CLOSE,
					 "device handle closed before the end");
		else
			vdi_handle_cause(handle, &cause,
					 VDI_REASON_CLIENT_DIED,
					 VDI_REASON_SERVER_DIED,
					 "ended before the end of the set");
		break;
	}
	if (counts)
		vdi_set_abort_locked(set, &cause);
	/* The name of an ended set is free when its client has gone */
	if (counts && call->role == VDI_ROLE_CLIENT && !call->handle->is_device)
		vdi_name_unpublish(set);
	spin_unlock(&set->lock);
	vdi_set_put(set);
}

static int vdi_handle_match(const void *file, struct file *other, unsigned int fd)
{
	return file == other;
}

/*
 * Has a table a descriptor of the file?  One that goes as a whole, with the last
 * task that had it, has none any more; since 6.13 they are still in there.
 */
static bool vdi_handle_in_table(struct files_struct *files, struct file *file)
{
	return atomic_read(&files->count) &&
	       iterate_fd(files, 0, vdi_handle_match, file);
}

/**
 * vdi_handle_check_owner() - Does the owner still have a descriptor?
 * @handle: the handle, just bound by the current process
 *
 * A thread may have closed the descriptor while another bound the handle: that
 * flush found nothing to do.
 */
void vdi_handle_check_owner(struct vdi_handle *handle)
{
	struct vdi_call call;

	if (!vdi_handle_in_table(current->files, handle->file) &&
	    vdi_handle_owner_dies(handle, current->files, &call))
		vdi_handle_died(&call);
}

/**
 * vdi_handle_flush() - A file table has closed a descriptor of the handle
 * @handle: the handle
 * @files: the table
 *
 * Means something only if it is the owner's table and its last descriptor.
 */
void vdi_handle_flush(struct vdi_handle *handle, void *files)
{
	struct vdi_call call;
	bool owners;

	spin_lock(&handle->lock);
	owners = handle->set && handle->files == files && !handle->owner_gone;
	spin_unlock(&handle->lock);
	if (!owners || vdi_handle_in_table(files, handle->file))
		return;
	if (vdi_handle_owner_dies(handle, files, &call))
		vdi_handle_died(&call);
}

/**
 * vdi_handle_release() - The last reference of the file has gone
 * @handle: the handle, freed here
 */
void vdi_handle_release(struct vdi_handle *handle)
{
	struct vdi_set *set = handle->set;
	struct vdi_leave leave;
	struct vdi_call call;

	if (set) {
		/*
		 * Also if the death was seen: who saw it may not have come to
		 * the abort yet, and will not find the handle any more.
		 */
		if (!vdi_handle_owner_dies(handle, NULL, &call)) {
			call = (struct vdi_call){
				.handle = handle,
				.set = set,
				.role = handle->role,
			};
			vdi_set_get(set);
		}
		vdi_handle_died(&call);
		spin_lock(&set->lock);
		vdi_handle_leave_locked(handle, set, &leave);
		spin_unlock(&set->lock);
		vdi_handle_left(handle, &leave);
	}
	vdi_handle_destroy(handle);
}
