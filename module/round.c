// SPDX-License-Identifier: GPL-2.0-only
/*
 * One round of an EXCHANGE under the lock: records are taken in and given out.
 * Who waits for them and who is woken is in wait.c, what becomes of each record
 * in command.c.
 *
 * A device handle and a set handle differ only in vdi_handle.devices, the mask
 * of devices that they exchange with.
 */
#include <linux/bitops.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/poll.h>

#include "command.h"
#include "device.h"
#include "handle.h"
#include "set.h"
#include "state.h"
#include "wait.h"

/* One record of a client's or the server's array */
static int vdi_round_accept_one(struct vdi_call *call, const void *records,
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
	if (!ret)
		*touched |= BIT_ULL(index);
	return ret;
}

static int vdi_round_may_accept(struct vdi_call *call)
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

/* Takes records up to the first that is refused, which is its errno then */
static unsigned int vdi_round_accept_locked(struct vdi_call *call,
					    const void *records, unsigned int n,
					    int *refused, u64 *touched)
{
	struct vdi_set *set = call->set;
	unsigned int i = 0;
	int ret = 0;
	u64 mask;

	lockdep_assert_held(&set->lock);
	if (n)
		ret = vdi_round_may_accept(call);
	while (!ret && i < n) {
		ret = vdi_round_accept_one(call, records, i, touched);
		if (!ret)
			i++;
	}
	*refused = ret;
	if (i)
		call->handle->idle = false;
	for (mask = *touched; mask; mask &= mask - 1)
		vdi_command_ready_locked(&set->devices[__ffs64(mask)]);
	return i;
}

/* The other side has something on these devices; @told: it knows already */
static void vdi_round_wake_locked(struct vdi_call *call, u64 touched, u64 told,
				  bool sync)
{
	enum vdi_side peer = vdi_wait_peer(vdi_role_side(call->role));
	struct vdi_set *set = call->set;
	u64 errored = 0;
	int index;

	lockdep_assert_held(&set->lock);
	/* A second wake-up would be one for a second sleeper */
	vdi_wait_wake_side_locked(set, touched & ~told, peer, sync);
	if (peer == VDI_CLIENT)
		return;
	/* A completion may let a waiting ClearError through (2.5) */
	for (touched &= set->ready[VDI_CLIENT]; touched; touched &= touched - 1) {
		index = __ffs64(touched);
		if (set->devices[index].errored)
			errored |= BIT_ULL(index);
	}
	vdi_wait_wake_side_locked(set, errored, VDI_CLIENT, false);
}

static unsigned int vdi_round_take_device(struct vdi_device *dev, bool server,
					  void *records, unsigned int at,
					  unsigned int max)
{
	struct vdi_completion *done = records;
	struct vdi_command *cmd = records;
	enum vdi_side side = server ? VDI_SERVER : VDI_CLIENT;

	while (at < max && vdi_command_waits(dev, side)) {
		if (server)
			vdi_command_collect_locked(dev, &done[at++]);
		else
			vdi_command_fetch_locked(dev, &cmd[at++]);
	}
	vdi_command_ready_locked(dev);
	return at;
}

/* Collecting made room in the ring: somebody may poll to send */
static void vdi_round_wake_room_locked(struct vdi_device *dev)
{
	struct vdi_handle *handle = dev->handle[VDI_SERVER];

	if (handle && handle->polled)
		wake_up_poll(&handle->wq, EPOLLOUT | EPOLLWRNORM);
}

static void vdi_round_tell_closed(struct vdi_set *set,
				  struct vdi_handle *handle,
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

/* Gives records out; the devices in turn, beginning with handle->next */
static unsigned int vdi_round_take_locked(struct vdi_call *call, void *records,
					  unsigned int max)
{
	struct vdi_handle *handle = call->handle;
	struct vdi_set *set = call->set;
	enum vdi_side side = vdi_role_side(call->role);
	bool server = side == VDI_SERVER;
	unsigned int index, before, at = 0;
	u64 mask, ready, ahead;

	lockdep_assert_held(&set->lock);
	/* Nor does who has lost the handle, or an aborted or closed client */
	if (vdi_command_left(call) ||
	    (!server && (vdi_state_aborted(set) || handle->closed)))
		return 0;
	ready = handle->devices & set->ready[side];
	mask = ready;
	while (mask && at < max) {
		ahead = mask & ~(BIT_ULL(handle->next) - 1);
		index = __ffs64(ahead ?: mask);
		before = at;
		at = vdi_round_take_device(&set->devices[index], server,
					   records, at, max);
		if (server && at > before)
			vdi_round_wake_room_locked(&set->devices[index]);
		mask &= ~BIT_ULL(index);
		if (!handle->is_device && at == max)
			handle->next = (index + 1) % VDI_MAX_DEVICES;
	}
	mask = vdi_wait_untold(set, handle, side);
	for (; mask && at < max; mask &= mask - 1)
		vdi_round_tell_closed(set, handle, __ffs64(mask), server,
				      records, at++);

	if (at)
		handle->idle = false;
	/* The close of a device can be told when its last record is taken */
	vdi_wait_wake_side_locked(set, ready & ~set->ready[side] & set->closed,
				  side, false);
	/* Who waits for the rest must not miss it */
	if (at && handle->sleepers && handle->devices & set->ready[side])
		vdi_wait_wake_handle_locked(set, handle, side, false);
	return at;
}

/**
 * vdi_command_send() - Submit one command, for a node
 * @call: the call
 * @c: the command
 *
 * Return: 0 or the errno of EXCHANGE.
 */
int vdi_command_send(struct vdi_call *call, const struct vdi_command *c)
{
	struct vdi_set *set = call->set;
	u64 touched = 0;
	int ret;

	spin_lock(&set->lock);
	vdi_round_accept_locked(call, c, 1, &ret, &touched);
	vdi_round_wake_locked(call, touched, 0, false);
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_command_accept() - One round under the lock: take records in
 * @call: the call
 * @records: private copy of a chunk; if the wait is over afterwards, what is
 *	given out
 * @n: how many
 * @last: no chunk follows
 * @wait: how the call waits, and what it came to
 *
 * After the last chunk or a refusal it is decided whether the caller has to
 * wait; if not, records are given out in the same round.  The peer is woken
 * once, with a hint to the scheduler if the caller sleeps now.
 *
 * Return: how many records were taken.
 */
unsigned int vdi_command_accept(struct vdi_call *call, void *records,
				unsigned int n, bool last,
				struct vdi_wait *wait)
{
	struct vdi_set *set = call->set;
	u64 touched = 0, told = 0;

	spin_lock(&set->lock);
	n = vdi_round_accept_locked(call, records, n, &wait->refused, &touched);
	wait->brought |= n;
	/* After a refusal the call does not wait, but delivers what is there */
	if (wait->refused)
		wait->min = 0;
	if (last || wait->refused) {
		set->stats.exchanges++;
		told = vdi_wait_settle_locked(call, wait);
	}
	vdi_round_wake_locked(call, touched, told, wait->asleep);
	if (wait->over)
		wait->taken = vdi_round_take_locked(call, records, wait->max);
	spin_unlock(&set->lock);
	return n;
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
	unsigned int n;

	spin_lock(&call->set->lock);
	n = vdi_round_take_locked(call, records, max);
	spin_unlock(&call->set->lock);
	return n;
}

/**
 * vdi_command_wait() - Wait until records can be delivered
 * @call: the call
 * @records: filled in, a private chunk
 * @wait: as vdi_command_accept() has left it, not over; over afterwards
 */
void vdi_command_wait(struct vdi_call *call, void *records,
		      struct vdi_wait *wait)
{
	struct vdi_set *set = call->set;
	int err;

	while (!wait->over) {
		err = vdi_wait_pause(call, wait);
		spin_lock(&set->lock);
		vdi_wait_look_locked(call, wait, err);
		if (wait->over)
			wait->taken = vdi_round_take_locked(call, records,
							    wait->max);
		spin_unlock(&set->lock);
	}
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
