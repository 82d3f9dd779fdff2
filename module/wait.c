// SPDX-License-Identifier: GPL-2.0-only
/*
 * One EXCHANGE between the user's arrays: which records are taken and given,
 * who waits for what, and who is woken.  The condition of the wait and of poll
 * is vdi_wait_status_locked().
 *
 * A device handle and a set handle differ only in vdi_handle.devices, the mask
 * of devices that they exchange with.  A side has up to two sleepers' queues
 * for one device: the device handle's and its opener's.
 */
#include <linux/bitops.h>
#include <linux/cpumask.h>
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "command.h"
#include "config.h"
#include "device.h"
#include "handle.h"
#include "main.h"
#include "set.h"
#include "state.h"

#define VDI_POLL_MASK	(EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM)

static enum vdi_side vdi_wait_peer(enum vdi_side side)
{
	return side == VDI_CLIENT ? VDI_SERVER : VDI_CLIENT;
}

/* Devices whose close this handle has still to tell as a record */
static u64 vdi_wait_untold(const struct vdi_set *set,
			   const struct vdi_handle *handle, enum vdi_side side)
{
	if (handle->is_device)
		return 0;
	return handle->devices & set->closed & ~handle->told &
	       ~set->ready[side];
}

static bool vdi_wait_asleep(struct vdi_handle *handle)
{
	if (!handle || handle->sleepers)
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

	lockdep_assert_held(&set->lock);
	if (vdi_wait_untold(set, handle, side))
		return true;
	if (!ready || min <= 1)
		return ready;
	vdi_set_for_each_device(set, dev) {
		if (!(handle->devices & BIT_ULL(dev->index)))
			continue;
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

static void vdi_wait_wake_handle_locked(struct vdi_set *set,
					struct vdi_handle *handle,
					enum vdi_side side, bool sync)
{
	/* A sleeper queues itself before it looks under the lock, so no barrier */
	if (!handle || !waitqueue_active(&handle->wq))
		return;
	if (handle->sleepers) {
		if (!handle->polled &&
		    !vdi_wait_enough_locked(set, handle, side, handle->need))
			return;
		set->stats.wakeups++;
	}
	/* The first in the queue may want more than another that has enough */
	if (handle->mixed)
		wake_up_all(&handle->wq);
	else if (sync)
		__wake_up_sync_key(&handle->wq, TASK_NORMAL,
				   poll_to_key(VDI_POLL_MASK));
	else
		wake_up_poll(&handle->wq, VDI_POLL_MASK);
}

static void vdi_wait_wake_side_locked(struct vdi_device *dev,
				      enum vdi_side side, bool sync)
{
	vdi_wait_wake_handle_locked(dev->set, dev->handle[side], side, sync);
	vdi_wait_wake_handle_locked(dev->set, dev->opener[side], side, sync);
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
	u64 mask = told;

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
	for (; mask; mask &= mask - 1)
		vdi_wait_wake_side_locked(&set->devices[__ffs64(mask)], peer,
					  true);
	return told;
}

static void vdi_wait_wake_up_locked(struct vdi_call *call, struct vdi_wait *wait)
{
	struct vdi_set *set = call->set;

	/* Who has left is not counted any more: the handle may be in another set */
	if (!vdi_command_left(call))
		call->handle->sleepers--;
	wait->asleep = false;
	set->stats.wait_ns[vdi_role_side(call->role)] +=
		ktime_get_ns() - wait->since;
}

/* One record of a client's or the server's array */
static int vdi_wait_accept_one(struct vdi_call *call, const void *records,
			       unsigned int i, u64 *touched)
{
	const struct vdi_completion *done = records;
	const struct vdi_command *cmd = records;
	struct vdi_handle *handle = call->handle;
	bool server = call->role == VDI_ROLE_SERVER;
	struct vdi_set *set = call->set;
	unsigned int index = server ? cmd[i].device : done[i].device;
	struct vdi_device *dev;
	int ret;

	if (index >= set->config.device_count)
		return -EINVAL;
	index = array_index_nospec(index, set->config.device_count);
	dev = &set->devices[index];
	/* On a set handle a device that is not open; else not this device */
	if (!(handle->devices & BIT_ULL(index)))
		return server && !handle->is_device ? -EPROTO : -EINVAL;
	ret = server ? vdi_command_submit_locked(dev, &cmd[i]) :
		       vdi_command_complete_locked(dev, &done[i]);
	if (ret)
		return ret;
	vdi_command_ready_locked(dev);
	*touched |= BIT_ULL(index);
	return 0;
}

static void vdi_wait_count_locked(struct vdi_set *set, struct vdi_wait *wait)
{
	if (!wait->counted)
		set->stats.exchanges++;
	wait->counted = true;
}

static int vdi_wait_may_accept(struct vdi_call *call)
{
	struct vdi_handle *handle = call->handle;
	int ret;

	ret = call->role == VDI_ROLE_SERVER ?
		      vdi_state_server(call->set, VDI_SERVER_SEND) :
		      vdi_state_client(call->set, VDI_CLIENT_COMPLETE);
	if (!ret && vdi_command_left(call))
		ret = vdi_command_left_errno(call);
	if (!ret && call->role != VDI_ROLE_SERVER && handle->closed)
		ret = -EPROTO;
	if (!ret && handle->lost)
		ret = -EINVAL;
	return ret;
}

/**
 * vdi_command_accept() - One round under the lock: take records in
 * @call: the call
 * @records: private copy of a chunk
 * @n: how many
 * @wait: how the call will wait, or NULL if another chunk follows
 * @refused: set to the errno of the first record not taken, or 0
 * @status: after the last chunk what vdi_command_wait() would find
 *
 * The peer is woken at the end, with a hint to the scheduler if the caller is
 * about to sleep.
 *
 * Return: how many records were taken.
 */
unsigned int vdi_command_accept(struct vdi_call *call, const void *records,
				unsigned int n, struct vdi_wait *wait,
				int *refused, int *status)
{
	struct vdi_set *set = call->set;
	enum vdi_side peer = vdi_wait_peer(vdi_role_side(call->role));
	struct vdi_device *dev;
	bool sleep = false;
	unsigned int i = 0;
	u64 touched = 0;
	u64 told = 0;
	int ret;

	spin_lock(&set->lock);
	ret = vdi_wait_may_accept(call);
	while (!ret && i < n) {
		ret = vdi_wait_accept_one(call, records, i, &touched);
		if (!ret)
			i++;
	}
	*refused = ret;
	if (wait)
		vdi_wait_count_locked(set, wait);
	if (wait && !ret) {
		*status = vdi_wait_status_locked(call, wait->min);
		sleep = !*status && wait->min && wait->deadline_ns &&
			!wait->nonblock && !wait->spin_us;
	}
	if (sleep)
		told = vdi_wait_fall_asleep_locked(call, wait);
	for (; touched; touched &= touched - 1) {
		dev = &set->devices[__ffs64(touched)];
		/* A second wake-up would be one for a second sleeper */
		if (!(told & BIT_ULL(dev->index)))
			vdi_wait_wake_side_locked(dev, peer, sleep);
		/* A completion may let a waiting ClearError through (2.5) */
		if (dev->errored && peer == VDI_SERVER)
			vdi_wait_wake_side_locked(dev, VDI_CLIENT, false);
	}
	spin_unlock(&set->lock);
	return i;
}

static unsigned int vdi_wait_take_device(struct vdi_device *dev, bool server,
					 void *records, unsigned int at,
					 unsigned int max)
{
	struct vdi_completion *done = records;
	struct vdi_command *cmd = records;
	u64 bit = BIT_ULL(dev->index);
	enum vdi_side side = server ? VDI_SERVER : VDI_CLIENT;

	while (at < max && dev->set->ready[side] & bit) {
		if (server)
			vdi_command_collect_locked(dev, &done[at++]);
		else
			vdi_command_fetch_locked(dev, &cmd[at++]);
		vdi_command_ready_locked(dev);
	}
	return at;
}

/* Collecting made room in the ring: somebody may poll to send */
static void vdi_wait_wake_room_locked(struct vdi_device *dev)
{
	struct vdi_handle *handle = dev->handle[VDI_SERVER];

	if (handle && handle->polled)
		wake_up_poll(&handle->wq, EPOLLOUT | EPOLLWRNORM);
}

static void vdi_wait_tell_closed(struct vdi_set *set, struct vdi_handle *handle,
				 unsigned int index, bool server,
				 void *records, unsigned int at)
{
	struct vdi_completion *done = records;
	struct vdi_command *cmd = records;

	if (server)
		done[at] = (struct vdi_completion){
			.kind = VDI_KIND_CLOSED, .device = index,
		};
	else
		cmd[at] = (struct vdi_command){
			.kind = VDI_KIND_CLOSED, .device = index,
		};
	handle->told |= BIT_ULL(index);
	set->told[server ? VDI_SERVER : VDI_CLIENT] |= BIT_ULL(index);
}

/**
 * vdi_command_take() - One round under the lock: give records out
 * @call: the call
 * @records: filled in, a private chunk
 * @max: how many fit
 *
 * Return: how many there were.
 */
unsigned int vdi_command_take(struct vdi_call *call, void *records,
			      unsigned int max)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	enum vdi_side side = vdi_role_side(call->role);
	bool server = side == VDI_SERVER;
	unsigned int i, index, before, at = 0;
	u64 mask, ready;

	spin_lock(&set->lock);
	/* Nor does who has lost the handle, or an aborted or closed client */
	if (vdi_command_left(call) ||
	    (!server && (vdi_state_aborted(set) || handle->closed)))
		goto unlock;
	/* Begin after the device that was first last time: all get their turn */
	ready = handle->devices & set->ready[side];
	mask = ready;
	for (i = 0; mask && at < max && i < set->config.device_count; i++) {
		index = (handle->next + i) % set->config.device_count;
		if (!(mask & BIT_ULL(index)))
			continue;
		before = at;
		at = vdi_wait_take_device(&set->devices[index], server, records,
					  at, max);
		if (server && at > before)
			vdi_wait_wake_room_locked(&set->devices[index]);
		mask &= ~BIT_ULL(index);
		if (!handle->is_device && at == max)
			handle->next = index + 1;
	}
	mask = vdi_wait_untold(set, handle, side);
	for (; mask && at < max; mask &= mask - 1)
		vdi_wait_tell_closed(set, handle, __ffs64(mask), server,
				     records, at++);

	/* The close of a device can be told when its last record is taken */
	mask = ready & ~set->ready[side] & set->closed;
	for (; mask; mask &= mask - 1)
		vdi_wait_wake_side_locked(&set->devices[__ffs64(mask)], side,
					  false);
	/* Who waits for the rest must not miss it */
	if (handle->sleepers && handle->devices & set->ready[side])
		vdi_wait_wake_handle_locked(set, handle, side, false);
unlock:
	spin_unlock(&set->lock);
	return at;
}

/* Worth looking again?  Without the lock; only a hint for the spinner */
static bool vdi_wait_hint(const struct vdi_call *call)
{
	const struct vdi_set *set = call->set;
	enum vdi_side side = vdi_role_side(call->role);

	/* A race on purpose: the status is decided under the lock afterwards */
	return data_race((READ_ONCE(set->ready[side]) | READ_ONCE(set->closed)) &
			 READ_ONCE(call->handle->devices)) ||
	       /* likewise */
	       data_race(vdi_state_aborted(set));
}

static void vdi_wait_spin(const struct vdi_call *call, unsigned int us)
{
	u64 end;

	us = min(us, vdi_main_max_spin_us());
	if (!us || num_online_cpus() == 1)
		return;
	end = ktime_get_ns() + (u64)us * NSEC_PER_USEC;
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
 * vdi_command_wait() - Wait until records can be delivered
 * @call: the call
 * @wait: how; may be asleep already by vdi_command_accept()
 *
 * Return: 0 if there was something, else what EXCHANGE documents.
 */
int vdi_command_wait(struct vdi_call *call, struct vdi_wait *wait)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	int status = 0, ret = 0;

	if (!wait->asleep) {
		if (wait->spin_us && wait->min && !wait->nonblock)
			vdi_wait_spin(call, wait->spin_us);
		spin_lock(&set->lock);
		vdi_wait_count_locked(set, wait);
		status = vdi_wait_status_locked(call, wait->min);
		if (!status && wait->min && !wait->nonblock &&
		    wait->deadline_ns)
			vdi_wait_fall_asleep_locked(call, wait);
		spin_unlock(&set->lock);
		if (status)
			return min(status, 0);
		if (!wait->min)
			return 0;
		if (!wait->asleep)
			return wait->nonblock ? -EAGAIN : -ETIMEDOUT;
	}
	ret = vdi_command_sleep(handle->wq, wait->deadline_ns,
				VDI_TASK_INTERRUPTIBLE, 1,
				(status = vdi_command_status(call, wait->min)));

	spin_lock(&set->lock);
	vdi_wait_wake_up_locked(call, wait);
	/* Data and abort beat the signal and the deadline */
	if (ret)
		status = vdi_wait_status_locked(call, wait->min);
	/* This one leaves with nothing: the wake-up was for somebody else then */
	if (ret && !status && handle->sleepers)
		vdi_wait_wake_handle_locked(set, handle,
					    vdi_role_side(call->role), false);
	spin_unlock(&set->lock);
	if (status)
		return min(status, 0);
	return ret;
}

/**
 * vdi_command_note_closed() - A device handle has been told ESHUTDOWN
 * @call: the call
 */
void vdi_command_note_closed(struct vdi_call *call)
{
	struct vdi_set *set = call->set;

	if (!call->handle->is_device)
		return;
	spin_lock(&set->lock);
	set->told[vdi_role_side(call->role)] |= call->handle->devices &
						set->closed;
	spin_unlock(&set->lock);
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
	/* A poller may sleep now: a peer that waits for more must go on */
	if (!status) {
		enum vdi_side peer = vdi_wait_peer(vdi_role_side(role));
		u64 ready = handle->devices & set->ready[peer];

		for (; ready; ready &= ready - 1)
			vdi_wait_wake_side_locked(&set->devices[__ffs64(ready)],
						  peer, false);
	}
	spin_unlock(&set->lock);
	return mask;
}
