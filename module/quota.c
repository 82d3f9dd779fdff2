// SPDX-License-Identifier: GPL-2.0-only
/*
 * What each user has of sets, handles and buffer bytes, and the sums over all
 * users.  Keyed by kuid: a user namespace alone gives nobody a second share;
 * who has been given subordinate ids has theirs as well.
 * The limits themselves are parameters in main.c.
 */
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "quota.h"

/**
 * struct vdi_user - What one user has
 * @node: in the list of users (all protected by the quota lock)
 * @uid: the user (invariant)
 * @charges: charges that hold the entry
 * @used: amounts, by kind
 */
struct vdi_user {
	struct list_head node;
	kuid_t uid;
	unsigned long charges;
	u64 used[VDI_QUOTA_KINDS];
};

static DEFINE_SPINLOCK(quota_lock);
static LIST_HEAD(quota_users);
static u64 quota_total[VDI_QUOTA_KINDS];
static unsigned int quota_nr_users;

static struct vdi_user *vdi_quota_find(kuid_t uid)
{
	struct vdi_user *user;

	lockdep_assert_held(&quota_lock);
	list_for_each_entry(user, &quota_users, node)
		if (uid_eq(user->uid, uid))
			return user;
	return NULL;
}

static bool vdi_quota_fits(u64 used, u64 n, u64 limit)
{
	return n <= limit && used <= limit - n;
}

/**
 * vdi_quota_charge() - Charge a user
 * @uid: the user
 * @kind: what for
 * @n: how much
 * @limit: most that one user may have
 * @total_limit: most that all users together may have
 * @total: set if it was the latter that failed
 *
 * CAP_SYS_RESOURCE is counted but not limited.
 *
 * Context: sleeps.
 * Return: what to pass to vdi_quota_uncharge(), ERR_PTR(-EDQUOT) or
 *	ERR_PTR(-ENOMEM).
 */
struct vdi_user *vdi_quota_charge(kuid_t uid, enum vdi_quota_kind kind, u64 n,
				  u64 limit, u64 total_limit, bool *total)
{
	struct vdi_user *user, *fresh;
	bool exempt = false;
	int ret;

	*total = false;
	fresh = kzalloc(sizeof(*fresh), GFP_KERNEL_ACCOUNT);
	if (!fresh)
		return ERR_PTR(-ENOMEM);
	fresh->uid = uid;
retry:
	ret = 0;
	spin_lock(&quota_lock);
	user = vdi_quota_find(uid);
	*total = !vdi_quota_fits(quota_total[kind], n, total_limit);
	if (!exempt && (*total ||
			!vdi_quota_fits(user ? user->used[kind] : 0, n, limit)))
		ret = -EDQUOT;
	if (!ret) {
		if (!user) {
			user = fresh;
			fresh = NULL;
			list_add(&user->node, &quota_users);
			quota_nr_users++;
		}
		user->charges++;
		user->used[kind] += n;
		quota_total[kind] += n;
	}
	spin_unlock(&quota_lock);

	/* Only who is over the limit is asked for the capability */
	if (ret && !exempt && capable(CAP_SYS_RESOURCE)) {
		exempt = true;
		goto retry;
	}
	kfree(fresh);
	return ret ? ERR_PTR(ret) : user;
}

/**
 * vdi_quota_uncharge() - Give back what vdi_quota_charge() took
 * @user: as returned there, or NULL
 * @kind: as given there
 * @n: as given there
 */
void vdi_quota_uncharge(struct vdi_user *user, enum vdi_quota_kind kind, u64 n)
{
	bool last;

	if (!user)
		return;
	spin_lock(&quota_lock);
	user->used[kind] -= n;
	quota_total[kind] -= n;
	last = !--user->charges;
	if (last) {
		list_del(&user->node);
		quota_nr_users--;
	}
	spin_unlock(&quota_lock);
	if (last)
		kfree(user);
}

/**
 * vdi_quota_total() - Sum over all users
 * @kind: of what
 *
 * Return: the sum.
 */
u64 vdi_quota_total(enum vdi_quota_kind kind)
{
	u64 n;

	spin_lock(&quota_lock);
	n = quota_total[kind];
	spin_unlock(&quota_lock);
	return n;
}

/**
 * vdi_quota_users() - How many users have anything
 *
 * Return: the number.
 */
unsigned int vdi_quota_users(void)
{
	return READ_ONCE(quota_nr_users);
}
