// SPDX-License-Identifier: GPL-2.0-only
/*
 * ADOPT: a process that inherited or was passed a bound handle becomes its
 * owner.  From then on its death counts, and the former owner's no longer.
 *
 * The former owner's calls that are asleep on the handle end with EIO and take
 * nothing along, so no command is lost on the way.
 */
#include <linux/errno.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "handle.h"
#include "owner.h"
#include "set.h"

/* What the former owner leaves: to be given back outside the locks */
struct vdi_adopt_old {
	struct vdi_owner *owner;
	struct mm_struct *mm;
	struct vdi_who who;
};

/* Everything that says whose handle it is, in one critical section */
static int vdi_adopt_locked(struct vdi_handle *handle, struct vdi_set *set,
			    struct vdi_owner *owner, struct vdi_who *who,
			    struct vdi_adopt_old *old)
{
	lockdep_assert_held(&set->lock);
	spin_lock(&handle->lock);
	if (handle->owner_gone) {
		spin_unlock(&handle->lock);
		return -EOWNERDEAD;
	}
	old->owner = handle->owner;
	old->mm = handle->mm;
	old->who = handle->who;
	who->role = handle->role;
	handle->owner = owner;
	handle->mm = current->mm;
	handle->files = current->files;
	handle->who = *who;
	WRITE_ONCE(handle->bindings, handle->bindings + 1);
	spin_unlock(&handle->lock);

	if (!handle->is_device && who->role != VDI_ROLE_SECONDARY) {
		struct vdi_who *party = &set->party[vdi_role_side(who->role)];

		vdi_who_put(party);
		vdi_who_copy(party, who);
	}
	/* The former owner's sleepers see that they have left, and count no more */
	handle->sleepers = 0;
	wake_up_all(&handle->wq);
	return 0;
}

/**
 * vdi_handle_adopt() - Make the current process the owner of a handle
 * @call: the call, of a process that is not
 *
 * Of several that adopt at the same time the last one is the owner.
 *
 * Context: sleeps.
 * Return: 0, -EPROTO if the handle was closed meanwhile, -EOWNERDEAD if the
 *	owner's death came first, -ENOMEM.
 */
int vdi_handle_adopt(struct vdi_call *call)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	struct vdi_adopt_old old;
	struct vdi_owner *owner;
	struct vdi_who who;
	int ret;

	ret = vdi_owner_get(&owner);
	if (ret)
		return ret;
	vdi_who_current(&who, call->role);
	if (mutex_lock_killable(&handle->bind_lock)) {
		ret = -EINTR;
		goto put;
	}
	if (handle->set != set)
		ret = -EPROTO;
	/* Another thread of ours was quicker */
	if (ret || handle->mm == current->mm)
		goto unlock;
	/* Before the look at owner_gone: a death is seen there or not told */
	vdi_owner_unlist(handle);
	mmgrab(current->mm);
	spin_lock(&set->lock);
	ret = vdi_adopt_locked(handle, set, owner, &who, &old);
	spin_unlock(&set->lock);
	if (ret) {
		mmdrop(current->mm);
		goto unlock;
	}
	vdi_owner_list(handle);
	mutex_unlock(&handle->bind_lock);

	vdi_owner_put(old.owner);
	vdi_who_put(&old.who);
	mmdrop(old.mm);
	vdi_handle_check_owner(handle);
	return 0;

unlock:
	mutex_unlock(&handle->bind_lock);
put:
	vdi_who_put(&who);
	vdi_owner_put(owner);
	return ret;
}
