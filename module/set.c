// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device set: its life, its abort, the stall limit, and its statistics.
 * Names are in name.c, configuration in config.c, handles in handle.c.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/ktime.h>
#include <linux/pid.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>

#include "area.h"
#include "command.h"
#include "config.h"
#include "ctl.h"
#include "device.h"
#include "handle.h"
#include "main.h"
#include "name.h"
#include "node.h"
#include "quota.h"
#include "set.h"
#include "state.h"
#include "trace.h"

/**
 * vdi_who_current() - The current process
 * @who: filled in, with a reference
 * @role: VDI_ROLE_*
 */
void vdi_who_current(struct vdi_who *who, u32 role)
{
	who->pid = get_pid(task_tgid(current));
	who->uid = current_euid();
	who->gid = current_egid();
	who->role = role;
}

/**
 * vdi_who_copy() - Copy, with a reference of its own
 * @to: overwritten
 * @from: the process
 */
void vdi_who_copy(struct vdi_who *to, const struct vdi_who *from)
{
	*to = *from;
	get_pid(to->pid);
}

/**
 * vdi_who_put() - Drop the reference
 * @who: the process
 */
void vdi_who_put(struct vdi_who *who)
{
	put_pid(who->pid);
	who->pid = NULL;
}

static void vdi_who_show(const struct vdi_who *who, struct vdi_party *party)
{
	if (!who->pid)
		return;
	party->pid = pid_vnr(who->pid);
	party->uid = from_kuid_munged(current_user_ns(), who->uid);
	party->gid = from_kgid_munged(current_user_ns(), who->gid);
	party->role = who->role;
}

/* Of 32 bits a limit of weeks would be in the past */
static void vdi_set_stall_queue(struct vdi_set *set, u64 ns)
{
	u64 ticks = min_t(u64, nsecs_to_jiffies64(ns), MAX_JIFFY_OFFSET - 1);

	queue_delayed_work(system_wq, &set->stall_work, ticks + 1);
}

/*
 * The clock of the stall limit starts when a command is delivered while none
 * is, and again at each completion (5.1).
 */
static void vdi_set_stall_work(struct work_struct *work)
{
	struct vdi_set *set = container_of(to_delayed_work(work),
					   struct vdi_set, stall_work);
	struct vdi_cause cause = {
		.reason = VDI_REASON_STALLED,
		.text = "the client did not answer in time",
	};
	u64 waited;

	spin_lock(&set->lock);
	if (set->taken && vdi_state_alive(set)) {
		waited = ktime_get_ns() - set->stall_since;
		if (waited > set->stall_ns) {
			cause.who = set->party[VDI_CLIENT];
			vdi_set_abort_locked(set, &cause);
		} else {
			vdi_set_stall_queue(set, set->stall_ns - waited);
		}
	}
	spin_unlock(&set->lock);
}

/**
 * vdi_set_stall_start_locked() - The client has been given its first command
 * @set: the set, with a stall limit
 *
 * Context: set->lock held.
 */
void vdi_set_stall_start_locked(struct vdi_set *set)
{
	lockdep_assert_held(&set->lock);
	set->stall_since = ktime_get_ns();
	vdi_set_stall_queue(set, set->stall_ns);
}

static u64 vdi_set_stall_ns(const struct vdi_create *arg)
{
	u64 classic = 2 * (u64)arg->config.server_timeout_ms * NSEC_PER_MSEC;
	u64 own = (u64)arg->stall_limit_ms * NSEC_PER_MSEC;

	if (classic && own)
		return min(classic, own);
	return classic ?: own;
}

/**
 * vdi_set_create() - Make a set and take its name; nobody finds it yet
 * @arg: checked by config.c
 * @ns: user namespace of the name
 *
 * Return: the set with one reference; ERR_PTR(-EEXIST, -EDQUOT, -ENOMEM,
 *	-EINVAL or -EPERM).
 */
struct vdi_set *vdi_set_create(const struct vdi_create *arg,
			       struct user_namespace *ns)
{
	kgid_t gid = current_fsgid();
	struct vdi_set *set;
	unsigned int i;
	bool total;
	int ret;

	if (arg->flags & VDI_CREATE_F_GID) {
		gid = make_kgid(current_user_ns(), arg->gid);
		if (!gid_valid(gid))
			return ERR_PTR(-EINVAL);
		if (!in_group_p(gid) && !capable(CAP_CHOWN))
			return ERR_PTR(-EPERM);
	}
	set = kvzalloc(struct_size(set, devices, arg->config.device_count),
		       GFP_KERNEL_ACCOUNT);
	if (!set)
		return ERR_PTR(-ENOMEM);
	kref_init(&set->kref);
	spin_lock_init(&set->lock);
	mutex_init(&set->config_lock);
	INIT_DELAYED_WORK(&set->stall_work, vdi_set_stall_work);
	INIT_LIST_HEAD(&set->name_node);
	INIT_LIST_HEAD(&set->handles);
	INIT_LIST_HEAD(&set->claims);
	strscpy(set->instance, arg->instance, sizeof(set->instance));
	strscpy(set->name, arg->name, sizeof(set->name));
	set->user_ns = get_user_ns(ns);
	set->uid = current_fsuid();
	set->gid = gid;
	set->mode = arg->mode ?: 0600;
	set->ring_depth = arg->ring_depth ?: vdi_main_ring_depth();
	set->stall_ns = vdi_set_stall_ns(arg);
	set->created_ns = ktime_get_ns();
	set->state = VDI_STATE_CONFIGURABLE;
	set->config = arg->config;
	for (i = 0; i < arg->config.device_count; i++)
		vdi_device_init(set, i);
	vdi_count(VDI_COUNT_SETS, 1);
	vdi_count(VDI_COUNT_TOTAL_SETS, 1);

	set->user = vdi_quota_charge(current_euid(), VDI_QUOTA_SETS, 1,
				     vdi_main_max_sets(), U64_MAX, &total);
	if (IS_ERR(set->user)) {
		ret = PTR_ERR(set->user);
		set->user = NULL;
		goto err_put_set;
	}
	ret = vdi_name_reserve(set);
	if (ret)
		goto err_put_set;
	return set;

err_put_set:
	vdi_set_put(set);
	return ERR_PTR(ret);
}

/**
 * vdi_set_get() - Take a reference
 * @set: a set that the caller knows to be referenced
 */
void vdi_set_get(struct vdi_set *set)
{
	kref_get(&set->kref);
}

static void vdi_set_destroy(struct kref *kref)
{
	struct vdi_set *set = container_of(kref, struct vdi_set, kref);
	struct vdi_device *dev;
	int side;

	vdi_name_remove(set);
	cancel_delayed_work_sync(&set->stall_work);
	/* What the server never collected */
	vdi_set_for_each_device(set, dev)
		if (dev->slots)
			this_cpu_sub(vdi_commands,
				     set->ring_depth - dev->free.count);
	kvfree(set->devices[0].slots);
	vdi_area_destroy(&set->area);
	kfree(set->nodes);
	vdi_set_uncharge(set);
	for (side = 0; side < VDI_SIDES; side++)
		vdi_who_put(&set->party[side]);
	vdi_who_put(&set->cause.who);
	put_user_ns(set->user_ns);
	vdi_count(VDI_COUNT_SETS, -1);
	kvfree(set);
}

/**
 * vdi_set_put() - Drop a reference
 * @set: the set
 *
 * Context: may sleep; no spinlock held.
 */
void vdi_set_put(struct vdi_set *set)
{
	might_sleep();
	kref_put(&set->kref, vdi_set_destroy);
}

/**
 * vdi_set_uncharge() - The primary client has left: who holds the set now is not it
 * @set: the set
 *
 * The others are limited by their handles.
 *
 * Context: by the handle that leaves; sleeps.
 */
void vdi_set_uncharge(struct vdi_set *set)
{
	vdi_quota_uncharge(set->user, VDI_QUOTA_SETS, 1);
	set->user = NULL;
}

/**
 * vdi_set_note_limit() - Remember which limit was met, for STATUS
 * @set: the set
 * @limit: VDI_LIMIT_*
 */
void vdi_set_note_limit(struct vdi_set *set, u32 limit)
{
	spin_lock(&set->lock);
	set->limit = limit;
	spin_unlock(&set->lock);
}

/**
 * vdi_set_wake_all_locked() - Wake every kind of sleeper of a set
 * @set: the set
 *
 * Context: set->lock held, which keeps the handles.
 */
void vdi_set_wake_all_locked(struct vdi_set *set)
{
	struct vdi_handle *handle;

	lockdep_assert_held(&set->lock);
	list_for_each_entry(handle, &set->handles, set_node)
		wake_up_all(&handle->wq);
}

/**
 * vdi_set_abort_locked() - The one way to end abnormally
 * @set: the set
 * @cause: why and who; the set takes references of its own
 *
 * Idempotent and bounded in time; the first cause stays.  Each queued or taken
 * command is completed with 995, everybody is woken, and the name is free.
 *
 * Context: set->lock held; does not sleep.
 * Return: true if this call aborted the set.
 */
bool vdi_set_abort_locked(struct vdi_set *set, const struct vdi_cause *cause)
{
	struct vdi_device *dev;

	lockdep_assert_held(&set->lock);
	if (!vdi_state_abort(set, cause->reason))
		return false;
	set->cause = *cause;
	vdi_who_copy(&set->cause.who, &cause->who);
	set->cause.time_ns = ktime_get_ns();
	vdi_set_for_each_device(set, dev)
		vdi_command_abort_locked(dev);
	vdi_name_unpublish(set);
	vdi_set_wake_all_locked(set);
	vdi_count(VDI_COUNT_TOTAL_ABORTS, 1);
	trace_vdi_abort(set->id, cause->reason, cause->code,
			cause->who.pid ? pid_nr(cause->who.pid) : 0,
			from_kuid_munged(&init_user_ns, cause->who.uid),
			cause->who.role, cause->text);
	return true;
}

/**
 * vdi_set_abort() - vdi_set_abort_locked() for who does not hold the lock
 * @set: the set
 * @cause: why and who
 *
 * Context: takes set->lock; does not sleep.
 * Return: true if this call aborted the set.
 */
bool vdi_set_abort(struct vdi_set *set, const struct vdi_cause *cause)
{
	bool ret;

	spin_lock(&set->lock);
	ret = vdi_set_abort_locked(set, cause);
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_set_stat() - State and counters, as the current process sees them
 * @set: the set
 * @stat: filled in, zeroed by the caller
 */
void vdi_set_stat(struct vdi_set *set, struct vdi_set_stat *stat)
{
	struct vdi_device *dev;

	strscpy(stat->name, set->name, sizeof(stat->name));
	strscpy(stat->instance, set->instance, sizeof(stat->instance));
	stat->id = set->id;
	stat->device_count = set->config.device_count;
	stat->mode = set->mode;
	stat->ring_depth = set->ring_depth;
	stat->created_ns = set->created_ns;

	spin_lock(&set->lock);
	stat->state = set->state;
	stat->features = set->config.features;
	vdi_who_show(&set->party[VDI_CLIENT], &stat->client);
	vdi_who_show(&set->party[VDI_SERVER], &stat->server);
	if (vdi_state_aborted(set)) {
		stat->reason.reason = set->cause.reason;
		stat->reason.code = set->cause.code;
		stat->reason.time_ns = set->cause.time_ns;
		memcpy(stat->reason.text, set->cause.text,
		       sizeof(stat->reason.text));
		vdi_who_show(&set->cause.who, &stat->reason.who);
	}
	stat->limit = set->limit;
	stat->client_devices = set->nr_open[VDI_CLIENT];
	stat->server_devices = set->nr_open[VDI_SERVER];
	stat->closed_devices = hweight64(set->closed);
	stat->completed_devices = hweight64(set->completed);
	stat->pieces = set->area.nr;
	stat->area_size = set->area.size;
	stat->hint_bytes = set->hint_bytes;
	vdi_set_for_each_device(set, dev) {
		stat->commands += dev->commands;
		stat->completions += dev->completions;
		stat->errors += dev->errors;
		stat->bytes_written += dev->bytes_written;
		stat->bytes_read += dev->bytes_read;
		stat->outstanding += dev->queued.count + dev->taken;
	}
	stat->exchanges = set->stats.exchanges;
	stat->wakeups = set->stats.wakeups;
	stat->sleeps = set->stats.sleeps;
	stat->client_wait_ns = set->stats.wait_ns[VDI_CLIENT];
	stat->server_wait_ns = set->stats.wait_ns[VDI_SERVER];
	stat->spin_hits = set->stats.spin_hits;
	stat->spin_misses = set->stats.spin_misses;
	stat->first_node = set->nodes && set->nodes->live ? set->nodes->first :
							    VDI_NODE_NONE;
	spin_unlock(&set->lock);
}

/* Somebody may have opened a node already: the set is dead for him */
static void vdi_set_create_failed(struct vdi_set *set)
{
	struct vdi_cause cause = {
		.reason = VDI_REASON_CLIENT_CLOSE,
		.text = "the set could not be created",
	};

	vdi_who_current(&cause.who, VDI_ROLE_CLIENT);
	vdi_set_abort(set, &cause);
	vdi_who_put(&cause.who);
	vdi_node_remove_all(set);
}

/**
 * vdi_ioc_create() - ioctl(VDI_IOC_CREATE)
 * @call: the call
 * @p: struct vdi_create
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_create(struct vdi_call *call, void *p)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_create *arg = p;
	struct vdi_set *set;
	int ret;

	/* Nobody sees it: only who is being killed */
	if (mutex_lock_killable(&handle->bind_lock))
		return -EINTR;
	if (handle->set) {
		ret = -EPROTO;
		goto unlock;
	}
	ret = vdi_state_client_unbound(VDI_CLIENT_CREATE);
	if (!ret)
		ret = vdi_config_check_create(arg);
	if (ret)
		goto unlock;
	set = vdi_set_create(arg, handle->name_ns);
	if (IS_ERR(set)) {
		ret = PTR_ERR(set);
		goto unlock;
	}
	ret = arg->flags & VDI_CREATE_F_NODES ? vdi_node_create_all(set, arg) :
						0;
	if (!ret)
		ret = vdi_handle_bind(handle, set, VDI_ROLE_CLIENT);
	if (ret) {
		vdi_set_create_failed(set);
	} else {
		vdi_name_publish(set);
		vdi_handle_check_owner(handle);
	}
	vdi_set_put(set);
unlock:
	mutex_unlock(&handle->bind_lock);
	return ret;
}

/* Look up, check rights and state, and bind: OPEN and OPEN_SECONDARY */
static int vdi_set_join(struct vdi_call *call, const char *instance,
			const char *name, u32 role)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set;
	int ret;

	ret = vdi_name_check(name) ?: vdi_name_check_instance(instance);
	if (ret)
		return ret;
	/* Nobody sees it: only who is being killed */
	if (mutex_lock_killable(&handle->bind_lock))
		return -EINTR;
	if (handle->set) {
		ret = -EPROTO;
		goto unlock;
	}
	set = vdi_name_get_unless_dead(handle->name_ns, instance, name);
	if (!set) {
		ret = -ENOENT;
		goto unlock;
	}
	if (role == VDI_ROLE_SERVER)
		ret = vdi_name_may_open(set);
	else if (!uid_eq(current_fsuid(), set->uid))
		ret = -EACCES;
	if (ret)
		goto put_set;
	ret = vdi_handle_bind(handle, set, role);
	if (!ret)
		vdi_handle_check_owner(handle);
put_set:
	vdi_set_put(set);
unlock:
	mutex_unlock(&handle->bind_lock);
	return ret;
}

/**
 * vdi_ioc_open() - ioctl(VDI_IOC_OPEN)
 * @call: the call
 * @p: struct vdi_open
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_open(struct vdi_call *call, void *p)
{
	struct vdi_open *arg = p;

	if (call->set)
		return -EPROTO;
	return vdi_set_join(call, arg->instance, arg->name, VDI_ROLE_SERVER);
}

/**
 * vdi_ioc_open_secondary() - ioctl(VDI_IOC_OPEN_SECONDARY)
 * @call: the call
 * @p: struct vdi_open_secondary
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_open_secondary(struct vdi_call *call, void *p)
{
	struct vdi_open_secondary *arg = p;

	if (call->set)
		return -EPROTO;
	return vdi_set_join(call, arg->instance, arg->name,
			    VDI_ROLE_SECONDARY);
}
