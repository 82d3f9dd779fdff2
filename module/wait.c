// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who waits in EXCHANGE and for what, and who is woken.  The condition of the
 * wait and of poll is vdi_wait_status_locked().
 *
 * A side has up to two sleepers' queues for one device: the device handle's and
 * its opener's.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/hrtimer.h>
#include <linux/ktime.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "command.h"
#include "config.h"
#include "device.h"
#include "handle.h"
#include "set.h"
#include "state.h"
#include "wait.h"

#define VDI_POLL_MASK	(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM)

/**
 * vdi_wait_untold() - Devices whose close a handle has still to tell as a record
 * @set: the set
 * @handle: the handle
 * @side: its side
 *
 * Return: a mask of them.
 */
u64 vdi_wait_untold(const struct vdi_set *set, const struct vdi_handle *handle,
		    enum vdi_side side)
{
	if (handle->is_device)
		return 0;
	return handle->devices & set->closed & ~handle->told &
	       ~set->ready[side];
}

static bool vdi_wait_asleep(struct vdi_handle *handle)
{
	if (!handle || handle->sleepers || handle->idle)
		return handle;
	/* A node, which has no file, may look first and queue itself then */
	if (!handle->file)
		return handle->polled;
	/* Who polls has queued itself before ->poll took the lock: no barrier */
	return handle->polled && waitqueue_active(&handle->wq);
}

/*
 * Is it enough for a sleeper that wants @min?  min is for batching and no
 * condition of progress: a full ring, an error, a close, a peer that sleeps
 * itself, and a server that has nothing more outstanding end the wait too.
 */
static bool vdi_wait_enough_locked(struct vdi_set *set,
				   const struct vdi_handle *handle,
				   enum vdi_side side, unsigned int min)
{
	enum vdi_side peer = vdi_wait_peer(side);
	u64 ready = handle->devices & set->ready[side];
	unsigned int count = 0, outstanding = 0;
	struct vdi_device *dev;
	u64 mask;

	lockdep_assert_held(&set->lock);
	if (vdi_wait_untold(set, handle, side))
		return true;
	if (!ready || min <= 1)
		return ready;
	for (mask = handle->devices; mask; mask &= mask - 1) {
		dev = &set->devices[__ffs64(mask)];
		outstanding += dev->queued.count + dev->taken;
		if (!(ready & BIT_ULL(dev->index)))
			continue;
		count += side == VDI_CLIENT ? dev->queued.count :
					      dev->done.count;
		if (side == VDI_CLIENT &&
		    (!dev->free.count || dev->closing || dev->errored))
			return true;
		if (vdi_wait_asleep(dev->handle[peer]) ||
		    vdi_wait_asleep(dev->opener[peer]))
			return true;
	}
	return count >= min || (side == VDI_SERVER && !outstanding);
}

/*
 * The condition of EXCHANGE and of poll: 1 if there are records to deliver and
 * @min allows it, -errno if there will be none, 0 if the caller has to wait.
 * The server gets what is left before it learns of the abort.
 */
static int vdi_wait_status_locked(const struct vdi_call *call, unsigned int min)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	enum vdi_side side = vdi_role_side(call->role);
	u64 ready = handle->devices & set->ready[side];
	bool left;
	int ret;

	lockdep_assert_held(&set->lock);
	left = vdi_command_left(call);
	if (side == VDI_SERVER && left)
		return vdi_command_left_errno(call);
	if (side == VDI_CLIENT) {
		ret = vdi_state_client(set, VDI_CLIENT_GET_COMMAND);
		if (!ret && left)
			ret = vdi_command_left_errno(call);
		else if (!ret && handle->closed)
			ret = -EPROTO;
		else if (!ret && handle->lost)
			ret = -EINVAL;
	} else {
		ret = vdi_state_server(set, VDI_SERVER_COLLECT);
		if (ready)
			ret = 0;
	}
	if (ret)
		return ret;
	if (vdi_state_aborted(set))
		return 1;
	if (vdi_wait_enough_locked(set, handle, side, min))
		return 1;
	if (ready)
		return 0;
	if (handle->is_device)
		return handle->devices & set->closed ? -ESHUTDOWN : 0;
	return vdi_state_ended(set) ? -ESHUTDOWN : 0;
}

/**
 * vdi_wait_wake_handle_locked() - Wake a sleeper of a handle, and who polls it
 * @set: the set
 * @handle: the handle, or NULL
 * @side: its side
 * @sync: the caller is about to sleep
 */
void vdi_wait_wake_handle_locked(struct vdi_set *set, struct vdi_handle *handle,
				 enum vdi_side side, bool sync)
{
	/* A sleeper is queued under the lock, a poller before it looked: no barrier */
	if (!handle || !waitqueue_active(&handle->wq))
		return;
	if (handle->sleepers) {
		if (!handle->polled &&
		    !vdi_wait_enough_locked(set, handle, side, handle->need))
			return;
		set->stats.wakeups++;
	}
	/*
	 * The first in the queue may want more than another that has enough, or
	 * be io_uring's poll, which takes an exclusive wake-up for itself.
	 */
	if (handle->mixed || (handle->sleepers && handle->polled))
		wake_up_all(&handle->wq);
	else if (sync)
		__wake_up_sync_key(&handle->wq, TASK_NORMAL,
				   poll_to_key(VDI_POLL_MASK));
	else
		wake_up_poll(&handle->wq, VDI_POLL_MASK);
}

/**
 * vdi_wait_wake_side_locked() - Wake who waits for one of these devices
 * @set: the set
 * @mask: the devices, a bit each
 * @side: the side of those who wait
 * @sync: the caller is about to sleep
 */
void vdi_wait_wake_side_locked(struct vdi_set *set, u64 mask,
			       enum vdi_side side, bool sync)
{
	struct vdi_handle *opener = NULL;
	struct vdi_device *dev;

	for (; mask; mask &= mask - 1) {
		dev = &set->devices[__ffs64(mask)];
		vdi_wait_wake_handle_locked(set, dev->handle[side], side, sync);
		/* Once for devices in a row: who takes a part wakes the next */
		if (dev->opener[side] == opener)
			continue;
		opener = dev->opener[side];
		vdi_wait_wake_handle_locked(set, opener, side, sync);
	}
}

/**
 * vdi_command_wake_device_locked() - A device is closed: wake all who wait on it
 * @dev: the device
 *
 * Context: set->lock held.
 */
void vdi_command_wake_device_locked(struct vdi_device *dev)
{
	int side;

	lockdep_assert_held(&dev->set->lock);
	for (side = 0; side < VDI_SIDES; side++) {
		if (dev->handle[side])
			wake_up_all(&dev->handle[side]->wq);
		if (dev->opener[side])
			wake_up_all(&dev->opener[side]->wq);
	}
}

/*
 * The caller goes to sleep: count it, and let a peer go on that waits for more.
 * Returns the devices for which a peer was told.
 */
static u64 vdi_wait_fall_asleep_locked(struct vdi_call *call,
				       struct vdi_wait *wait)
{
	enum vdi_side peer = vdi_wait_peer(vdi_role_side(call->role));
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	u64 told = handle->devices & set->ready[peer];

	if (handle->sleepers) {
		handle->mixed |= handle->need != wait->min;
		handle->need = min(handle->need, wait->min);
	} else {
		handle->mixed = false;
		handle->need = wait->min;
	}
	handle->sleepers++;
	set->stats.sleeps++;
	wait->asleep = true;
	wait->since = ktime_get_ns();
	if (!wait->spun_us)
		wait->began = wait->since;
	vdi_wait_wake_side_locked(set, told, peer, true);
	init_wait_entry(&wait->entry, WQ_FLAG_EXCLUSIVE);
	prepare_to_wait_exclusive(&handle->wq, &wait->entry,
				  VDI_TASK_INTERRUPTIBLE);
	return told;
}

/*
 * The caller leaves with nothing and has brought nothing.  It may come back for
 * ever and never sleep, so let a peer go on that waits for more.
 */
static void vdi_wait_idle_locked(struct vdi_call *call)
{
	enum vdi_side peer = vdi_wait_peer(vdi_role_side(call->role));
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;

	handle->idle = true;
	vdi_wait_wake_side_locked(set, handle->devices & set->ready[peer], peer,
				  false);
}

/* One wait in so many spins although spinning has not paid lately */
#define VDI_WAIT_PROBE	64

/*
 * Whether a spin pays is learned: each that was in vain halves the next one,
 * down to none at all; one that had its answer, or a sleep that was over within
 * what the caller allows, brings back all of it.  A sleep takes its own time, so
 * that an answer which a spin would have met may not show: now and then one is
 * tried.
 */
static bool vdi_wait_may_spin_locked(struct vdi_handle *handle,
				     struct vdi_wait *wait)
{
	if (wait->spun_us || !wait->spin_us)
		return false;
	wait->spun_us = wait->spin_us >> handle->spin_shift;
	if (!wait->spun_us && !(++handle->spin_skipped % VDI_WAIT_PROBE))
		wait->spun_us = wait->spin_us;
	return wait->spun_us;
}

static void vdi_wait_learn_locked(struct vdi_handle *handle,
				  const struct vdi_wait *wait, bool pays)
{
	if (pays)
		handle->spin_shift = 0;
	else if (wait->spin_us >> handle->spin_shift)
		handle->spin_shift++;
}

/* The sleep is over: with @status, or with @err if there is nothing */
static void vdi_wait_wake_up_locked(struct vdi_call *call, struct vdi_wait *wait,
				    int status, int err)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	u64 allowed_ns = (u64)wait->spin_us * NSEC_PER_USEC;
	u64 now = ktime_get_ns();

	finish_wait(&handle->wq, &wait->entry);
	wait->asleep = false;
	set->stats.wait_ns[vdi_role_side(call->role)] += now - wait->since;
	/* Who has left is not counted any more: the handle may be in another set */
	if (vdi_command_left(call))
		return;
	handle->sleepers--;
	/* An error or a signal says nothing of how fast the peer is */
	if (wait->spin_us && (status > 0 || (!status && err == -ETIMEDOUT)))
		vdi_wait_learn_locked(handle, wait,
				      status && now - wait->began <= allowed_ns);
}

/* Worth looking again?  Without the lock; only a hint for the spinner */
static bool vdi_wait_hint(const struct vdi_call *call)
{
	const struct vdi_handle *handle = call->handle;
	const struct vdi_set *set = call->set;
	enum vdi_side side = vdi_role_side(call->role);

	/* A race on purpose: the status is decided under the lock afterwards */
	return data_race((READ_ONCE(set->ready[side]) |
			  (READ_ONCE(set->closed) & ~READ_ONCE(handle->told))) &
			 READ_ONCE(handle->devices)) ||
	       /* likewise */
	       data_race(vdi_state_aborted(set));
}

static void vdi_wait_spin(const struct vdi_call *call, struct vdi_wait *wait)
{
	u64 end;

	wait->began = ktime_get_ns();
	end = min(wait->began + (u64)wait->spun_us * NSEC_PER_USEC,
		  wait->deadline_ns);
	while (!vdi_wait_hint(call) && !need_resched() &&
	       !signal_pending(current) && ktime_get_ns() < end)
		cpu_relax();
}

/**
 * vdi_command_status() - vdi_wait_status_locked() for who does not hold the lock
 * @call: the call
 * @min: least number of records wanted
 *
 * Return: 1 if there is something, -errno if there will be nothing, 0 to wait.
 */
int vdi_command_status(const struct vdi_call *call, unsigned int min)
{
	int ret;

	spin_lock(&call->set->lock);
	ret = vdi_wait_status_locked(call, min);
	spin_unlock(&call->set->lock);
	return ret;
}

/**
 * vdi_wait_settle_locked() - Has a call to wait?
 * @call: the call
 * @wait: how; afterwards it is over, or the caller is asleep or has to spin
 *
 * Who has to sleep is in the queue and marked as asleep when the lock is let go
 * of.  All that changes the condition is done under the lock, and so are the
 * wake-ups: none is lost.
 *
 * Return: devices for which a peer was told, see vdi_wait_fall_asleep_locked().
 */
u64 vdi_wait_settle_locked(struct vdi_call *call, struct vdi_wait *wait)
{
	int status;

	lockdep_assert_held(&call->set->lock);
	status = vdi_wait_status_locked(call, wait->min);
	if (!status && wait->min && !wait->nonblock && wait->deadline_ns) {
		if (vdi_wait_may_spin_locked(call->handle, wait))
			return 0;
		return vdi_wait_fall_asleep_locked(call, wait);
	}
	wait->over = true;
	wait->err = min(status, 0);
	if (!status && wait->max && !wait->brought)
		vdi_wait_idle_locked(call);
	if (!status && wait->min)
		wait->err = wait->nonblock ? -EAGAIN : -ETIMEDOUT;
	return 0;
}

/* The spin is over: was it any good? */
static void vdi_wait_spun_locked(struct vdi_call *call, struct vdi_wait *wait)
{
	struct vdi_stats *stats = &call->set->stats;

	vdi_wait_settle_locked(call, wait);
	if (!wait->over) {
		stats->spin_misses++;
	} else if (!wait->err) {
		stats->spin_hits++;
		vdi_wait_learn_locked(call->handle, wait, true);
	}
}

/**
 * vdi_wait_look_locked() - Look again after vdi_wait_pause()
 * @call: the call
 * @wait: its wait
 * @err: what vdi_wait_pause() has returned
 */
void vdi_wait_look_locked(struct vdi_call *call, struct vdi_wait *wait, int err)
{
	struct vdi_handle *handle = call->handle;
	int status;

	lockdep_assert_held(&call->set->lock);
	if (!wait->asleep) {
		vdi_wait_spun_locked(call, wait);
		return;
	}
	status = vdi_wait_status_locked(call, wait->min);
	if (!status && !err) {
		prepare_to_wait_exclusive(&handle->wq, &wait->entry,
					  VDI_TASK_INTERRUPTIBLE);
		return;
	}
	vdi_wait_wake_up_locked(call, wait, status, err);
	wait->over = true;
	/* Data and abort beat the signal and the deadline */
	wait->err = status ? min(status, 0) : err;
	if (!status)
		handle->idle = true;
	/* This one leaves with nothing: the wake-up was for somebody else then */
	if (!status && handle->sleepers)
		vdi_wait_wake_handle_locked(call->set, handle,
					    vdi_role_side(call->role), false);
}

/**
 * vdi_wait_pause() - Spin, or sleep until woken
 * @call: the call
 * @wait: how
 *
 * Context: without set->lock.
 * Return: 0, -ERESTARTSYS or -ETIMEDOUT.
 */
int vdi_wait_pause(const struct vdi_call *call, struct vdi_wait *wait)
{
	ktime_t deadline = ns_to_ktime(wait->deadline_ns);
	int ret = 0;

	if (!wait->asleep) {
		vdi_wait_spin(call, wait);
		return 0;
	}
	if (wait->deadline_ns >= KTIME_MAX)
		schedule();
	else if (!schedule_hrtimeout_range(&deadline, current->timer_slack_ns,
					   HRTIMER_MODE_ABS))
		ret = -ETIMEDOUT;
	return signal_pending(current) ? -ERESTARTSYS : ret;
}

/* Could the server send to one of these devices now? */
static bool vdi_wait_room_locked(struct vdi_set *set, struct vdi_handle *handle)
{
	struct vdi_device *dev;

	vdi_set_for_each_device(set, dev)
		if (handle->devices & BIT_ULL(dev->index) && dev->free.count &&
		    !vdi_state_device_op(dev, VDI_DEVICE_SEND))
			return true;
	return false;
}

/**
 * vdi_command_poll() - What poll says of a bound handle
 * @handle: the handle
 * @set: its set
 * @role: its role
 * @configured: GET_CONFIG would not wait
 *
 * Return: EPOLL* mask.
 */
__poll_t vdi_command_poll(struct vdi_handle *handle, struct vdi_set *set,
			  u32 role, bool configured)
{
	struct vdi_call call = {
		.handle = handle,
		.set = set,
		.bindings = READ_ONCE(handle->bindings),
		.role = role,
	};
	__poll_t mask = 0;
	bool room;
	int status;

	spin_lock(&set->lock);
	handle->polled = true;
	status = vdi_wait_status_locked(&call, 1);
	if (status > 0)
		mask |= EPOLLIN | EPOLLRDNORM;
	if (vdi_state_aborted(set))
		mask |= EPOLLERR | EPOLLHUP;
	else if (status == -ESHUTDOWN || handle->closed)
		mask |= EPOLLHUP;
	else if (handle->lost)
		mask |= EPOLLERR;
	if (!handle->is_device)
		room = configured && !vdi_state_aborted(set);
	else
		room = role == VDI_ROLE_SERVER &&
		       vdi_wait_room_locked(set, handle);
	if (room)
		mask |= EPOLLOUT | EPOLLWRNORM;
	if (!status)
		vdi_wait_idle_locked(&call);
	spin_unlock(&set->lock);
	return mask;
}
