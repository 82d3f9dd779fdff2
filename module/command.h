/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_COMMAND_H
#define VDI_COMMAND_H

#include <linux/hrtimer.h>
#include <linux/types.h>
#include <linux/wait.h>

#include "compat.h"
#include "handle.h"
#include "set.h"

/**
 * struct vdi_wait - One EXCHANGE that may have to wait
 * @min: least number of records wanted; 0 after a refusal
 * @max: how many fit into the chunk at once
 * @deadline_ns: when to give up
 * @spin_us: longest spin before it sleeps
 * @spun_us: how long it spins, or has spun, at most; 0 if it has not
 * @brought: the call has brought records
 * @nonblock: do not wait
 * @over: nothing to wait for (any more)
 * @asleep: among the sleepers of the handle (protected by set->lock)
 * @began: when the spin began, or the sleep if there was none
 * @since: when it fell asleep
 * @entry: in the queue of the handle while @asleep
 * @refused: errno of the first record that was not taken, or 0
 * @taken: @over: records that were put into the chunk
 * @err: @over: -errno, or 0 if there was something or nothing was wanted
 */
struct vdi_wait {
	unsigned int min;
	unsigned int max;
	u64 deadline_ns;
	unsigned int spin_us;
	unsigned int spun_us;
	bool brought;
	bool nonblock;
	bool over;
	bool asleep;
	u64 began;
	u64 since;
	struct wait_queue_entry entry;
	int refused;
	unsigned int taken;
	int err;
};

/*
 * Sleep until @condition or an absolute deadline.  Freezable, interruptible or
 * killable by @state: no stock macro is all of it.
 */
#define vdi_command_sleep(wq, deadline, state, condition)		\
({									\
	u64 __deadline = (deadline);					\
	bool __timed = __deadline < KTIME_MAX;				\
	struct hrtimer_sleeper __t = { .task = current };		\
	int __err;							\
									\
	if (__timed) {							\
		vdi_hrtimer_setup_sleeper(&__t);			\
		hrtimer_set_expires_range_ns(&__t.timer,		\
					     ns_to_ktime(__deadline),	\
					     current->timer_slack_ns);	\
		hrtimer_sleeper_start_expires(&__t, HRTIMER_MODE_ABS);	\
	}								\
	__err = ___wait_event(wq, condition, state, 0, 0,		\
		if (!READ_ONCE(__t.task)) {				\
			__ret = -ETIMEDOUT;				\
			break;						\
		}							\
		schedule());						\
	if (__timed) {							\
		hrtimer_cancel(&__t.timer);				\
		destroy_hrtimer_on_stack(&__t.timer);			\
	}								\
	__err;								\
})

/**
 * vdi_command_left() - Has CLOSE taken the handle from the set, or ADOPT?
 * @call: the call
 *
 * Return: true if so.
 */
static inline bool vdi_command_left(const struct vdi_call *call)
{
	return READ_ONCE(call->handle->set) != call->set ||
	       READ_ONCE(call->handle->bindings) != call->bindings;
}

/**
 * vdi_command_left_errno() - What such a call returns
 * @call: the call
 *
 * Return: -EIO if the handle is another process's now, else -EPROTO.
 */
static inline int vdi_command_left_errno(const struct vdi_call *call)
{
	return READ_ONCE(call->handle->set) == call->set &&
	       READ_ONCE(call->handle->mm) != current->mm ? -EIO : -EPROTO;
}

/**
 * vdi_command_waits() - Is there a record for a side?
 * @dev: the device
 * @side: the side
 *
 * In the I/O-error state only ClearError can be queued, and it waits for the
 * commands that the client still has (2.5).
 *
 * Context: set->lock held.
 * Return: true if so.
 */
static inline bool vdi_command_waits(const struct vdi_device *dev,
				     enum vdi_side side)
{
	if (side == VDI_SERVER)
		return dev->done.count;
	return dev->queued.count && !(dev->errored && dev->taken);
}

void vdi_command_slot_free(struct vdi_device *dev, u16 index);
void vdi_command_ready_locked(struct vdi_device *dev);
void vdi_command_wake_device_locked(struct vdi_device *dev);
void vdi_command_abort_locked(struct vdi_device *dev);
int vdi_command_send(struct vdi_call *call, const struct vdi_command *c);
unsigned int vdi_command_accept(struct vdi_call *call, void *records,
				unsigned int n, bool last,
				struct vdi_wait *wait);
unsigned int vdi_command_take(struct vdi_call *call, void *records,
			      unsigned int max);
int vdi_command_status(const struct vdi_call *call, unsigned int min);
void vdi_command_wait(struct vdi_call *call, void *records,
		      struct vdi_wait *wait);
void vdi_command_note_closed(struct vdi_call *call);
__poll_t vdi_command_poll(struct vdi_handle *handle, struct vdi_set *set,
			  u32 role, bool configured);

int vdi_command_submit_locked(struct vdi_device *dev,
			      const struct vdi_command *c);
int vdi_command_complete_locked(struct vdi_device *dev,
				const struct vdi_completion *c);
void vdi_command_fetch_locked(struct vdi_device *dev, struct vdi_command *c);
void vdi_command_collect_locked(struct vdi_device *dev,
				struct vdi_completion *c);

#endif /* VDI_COMMAND_H */
