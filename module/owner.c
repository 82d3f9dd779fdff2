// SPDX-License-Identifier: GPL-2.0-only
/*
 * Early notice of a process's death.  A killed process tears its memory down
 * before it closes its files, which takes long if it has much; an mmu notifier
 * is called as the first step of that.  Only ->release is used: it flags and
 * wakes.  One notifier per process, shared by all its handles.
 *
 * ->flush and ->release of the file remain necessary: the notifier waits for
 * the last user of the mm, and a kernel may have none (CONFIG_MMU_NOTIFIER).
 */
#include <linux/mmu_notifier.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "handle.h"
#include "main.h"
#include "owner.h"
#include "set.h"

static DEFINE_SPINLOCK(owners_lock);

/**
 * struct vdi_owner - One process that owns handles
 * @mn: the notifier; counted by mmu_notifier_get() and _put()
 * @handles: its handles (protected by the owners lock)
 */
struct vdi_owner {
	struct mmu_notifier mn;
	struct list_head handles;
};

static struct mmu_notifier *vdi_owner_alloc(struct mm_struct *mm)
{
	struct vdi_owner *owner = kzalloc(sizeof(*owner), GFP_KERNEL_ACCOUNT);

	if (!owner)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&owner->handles);
	vdi_count(VDI_COUNT_OWNERS, 1);
	return &owner->mn;
}

static void vdi_owner_free(struct mmu_notifier *mn)
{
	kfree(container_of(mn, struct vdi_owner, mn));
	vdi_count(VDI_COUNT_OWNERS, -1);
}

static void vdi_owner_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct vdi_owner *owner = container_of(mn, struct vdi_owner, mn);
	struct vdi_handle *handle;
	struct vdi_call call;

again:
	spin_lock(&owners_lock);
	list_for_each_entry(handle, &owner->handles, owner_node) {
		/* Marks it, so that each handle is looked at once */
		if (!vdi_handle_owner_dies(handle, NULL, &call))
			continue;
		spin_unlock(&owners_lock);
		call.dying = true;
		vdi_handle_died(&call);
		goto again;
	}
	spin_unlock(&owners_lock);
}

static const struct mmu_notifier_ops vdi_owner_ops = {
	.release	= vdi_owner_release,
	.alloc_notifier	= vdi_owner_alloc,
	.free_notifier	= vdi_owner_free,
};

/**
 * vdi_owner_get() - Watch the current process
 * @owner: set to what watches it, or NULL if nobody wants that
 *
 * Context: sleeps, takes mmap_lock.
 * Return: 0, -ENOMEM, or -ERESTARTNOINTR, which no user sees.
 */
int vdi_owner_get(struct vdi_owner **owner)
{
	struct mmu_notifier *mn;
	sigset_t block, old;

	*owner = NULL;
	if (!vdi_main_early_death())
		return 0;
	/* The first one of a process gives up at any pending signal */
	sigfillset(&block);
	sigdelsetmask(&block, sigmask(SIGKILL) | sigmask(SIGSTOP));
	sigprocmask(SIG_BLOCK, &block, &old);
	mn = mmu_notifier_get(&vdi_owner_ops, current->mm);
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* Task work or the freezer count as a signal too: begin anew then */
	if (IS_ERR(mn))
		return PTR_ERR(mn) == -EINTR ? -ERESTARTNOINTR : PTR_ERR(mn);
	*owner = container_of(mn, struct vdi_owner, mn);
	return 0;
}

/**
 * vdi_owner_put() - Stop watching for one handle
 * @owner: as of vdi_owner_get(), may be NULL
 *
 * Context: sleeps.
 */
void vdi_owner_put(struct vdi_owner *owner)
{
	if (owner)
		mmu_notifier_put(&owner->mn);
}

/**
 * vdi_owner_list() - Begin to tell a handle of its owner's death
 * @handle: the handle, with its owner
 *
 * Context: handle->bind_lock held, or nobody else knows the handle.
 */
void vdi_owner_list(struct vdi_handle *handle)
{
	if (!handle->owner)
		return;
	spin_lock(&owners_lock);
	list_add(&handle->owner_node, &handle->owner->handles);
	spin_unlock(&owners_lock);
}

/**
 * vdi_owner_unlist() - Stop telling a handle of its owner's death
 * @handle: the handle
 *
 * A death that was told before has set handle->owner_gone when this returns.
 *
 * Context: as vdi_owner_list().
 */
void vdi_owner_unlist(struct vdi_handle *handle)
{
	spin_lock(&owners_lock);
	list_del_init(&handle->owner_node);
	spin_unlock(&owners_lock);
}

/**
 * vdi_owner_attach() - Watch the current process for a handle
 * @handle: the handle, about to be bound by it
 *
 * Context: handle->bind_lock held, or nobody else knows the handle; sleeps,
 *	takes mmap_lock.
 * Return: as vdi_owner_get().
 */
int vdi_owner_attach(struct vdi_handle *handle)
{
	int ret = vdi_owner_get(&handle->owner);

	if (!ret)
		vdi_owner_list(handle);
	return ret;
}

/**
 * vdi_owner_detach() - Stop watching; the handle is being unbound
 * @handle: the handle, still bound
 *
 * Context: as vdi_owner_attach().
 */
void vdi_owner_detach(struct vdi_handle *handle)
{
	vdi_owner_unlist(handle);
	vdi_owner_put(handle->owner);
	handle->owner = NULL;
}

/**
 * vdi_owner_synchronize() - Wait until all notifiers are freed
 *
 * mmu_notifier_synchronize() waits for those whose callback was queued on this
 * processor.  A callback that has counted itself off has still to return: it
 * runs with bottom halves disabled, for which synchronize_rcu() waits.
 */
void vdi_owner_synchronize(void)
{
	mmu_notifier_synchronize();
	while (atomic_long_read(&vdi_counters[VDI_COUNT_OWNERS]))
		schedule_timeout_uninterruptible(1);
	synchronize_rcu();
}
