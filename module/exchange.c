// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXCHANGE: the user's arrays, a chunk at a time.  With ctl.c the only file
 * that touches user memory.
 *
 * A chunk is copied to the stack, taken under set->lock in one round, and the
 * other way round; nothing is allocated, nothing is shared between threads, and
 * no user memory is touched under a lock.  A fault before anything was taken
 * over is EFAULT and nothing more; afterwards it aborts the set, so that no
 * command is lost or given twice.
 */
#include <linux/errno.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "command.h"
#include "ctl.h"
#include "handle.h"
#include "main.h"
#include "set.h"
#include "state.h"

#define VDI_CHUNK	16

/**
 * union vdi_chunk - A chunk of either kind of record
 * @commands: by the server or for a client
 * @completions: by a client or for the server
 */
union vdi_chunk {
	struct vdi_command commands[VDI_CHUNK];
	struct vdi_completion completions[VDI_CHUNK];
};

static size_t vdi_exchange_in_size(const struct vdi_call *call)
{
	return call->role == VDI_ROLE_SERVER ? sizeof(struct vdi_command) :
					       sizeof(struct vdi_completion);
}

static size_t vdi_exchange_out_size(const struct vdi_call *call)
{
	return call->role == VDI_ROLE_SERVER ? sizeof(struct vdi_completion) :
					       sizeof(struct vdi_command);
}

/*
 * Memory that faults or stalls does so before work is taken over.  Every page
 * is written with what is there.
 */
static int vdi_exchange_touch(void __user *p, size_t size)
{
	unsigned long at = (unsigned long)p, end = at + size;
	u8 byte;

	if (!size)
		return 0;
	if (end < at)
		return -EFAULT;
	while (at < end) {
		u8 __user *u = (u8 __user *)at;

		if (get_user(byte, u) || put_user(byte, u))
			return -EFAULT;
		at = (at | ~PAGE_MASK) + 1;
		if (!at)
			break;
	}
	return 0;
}

/* Work was taken over and its memory is bad: the set cannot go on */
static int vdi_exchange_fault(struct vdi_call *call)
{
	struct vdi_cause cause = {
		.reason = VDI_REASON_FAULT,
		.text = "bad memory in EXCHANGE",
	};

	vdi_who_current(&cause.who, call->role);
	vdi_set_abort(call->set, &cause);
	vdi_who_put(&cause.who);
	return -EFAULT;
}

/*
 * Most calls move one record.  Where the length is a constant the kernel need
 * not check the object each time, and the copy is a few instructions.
 */
static bool vdi_exchange_copy_in(void *chunk, const void __user *from,
				 unsigned int n, size_t size)
{
	if (n > 1)
		return copy_from_user(chunk, from, n * size);
	if (size == sizeof(struct vdi_command))
		return copy_from_user(chunk, from, sizeof(struct vdi_command));
	return copy_from_user(chunk, from, sizeof(struct vdi_completion));
}

static bool vdi_exchange_copy_out(void __user *to, const void *chunk,
				  unsigned int n, size_t size)
{
	if (n > 1)
		return copy_to_user(to, chunk, n * size);
	if (size == sizeof(struct vdi_command))
		return copy_to_user(to, chunk, sizeof(struct vdi_command));
	return copy_to_user(to, chunk, sizeof(struct vdi_completion));
}

static int vdi_exchange_accept(struct vdi_call *call, struct vdi_exchange *x,
			       struct vdi_wait *wait, union vdi_chunk *chunk)
{
	size_t size = vdi_exchange_in_size(call);
	unsigned int n;

	x->out_accepted = 0;
	do {
		n = min_t(u32, x->nr_in - x->out_accepted, VDI_CHUNK);
		if (n && vdi_exchange_copy_in(chunk, u64_to_user_ptr(x->in) +
					      x->out_accepted * size, n,
					      size)) {
			if (x->out_accepted)
				return vdi_exchange_fault(call);
			return -EFAULT;
		}
		x->out_accepted +=
			vdi_command_accept(call, chunk, n,
					   x->out_accepted + n == x->nr_in,
					   wait);
	} while (x->out_accepted < x->nr_in && !wait->refused);
	x->out_refused = -wait->refused;
	return 0;
}

/* @n: records that are in the chunk already */
static int vdi_exchange_deliver(struct vdi_call *call, struct vdi_exchange *x,
				union vdi_chunk *chunk, unsigned int n)
{
	size_t size = vdi_exchange_out_size(call);

	x->out_delivered = 0;
	while (n) {
		if (vdi_exchange_copy_out(u64_to_user_ptr(x->out) +
					  x->out_delivered * size, chunk, n,
					  size))
			return vdi_exchange_fault(call);
		x->out_delivered += n;
		/* A chunk that is not full held the rest */
		if (n < VDI_CHUNK || x->out_delivered == x->nr_out)
			break;
		n = vdi_command_take(call, chunk,
				     min_t(u32, x->nr_out - x->out_delivered,
					   VDI_CHUNK));
	}
	return 0;
}

static int vdi_exchange_check(const struct vdi_exchange *x)
{
	if (x->nr_in > VDI_MAX_EXCHANGE || x->nr_out > VDI_MAX_EXCHANGE ||
	    x->min > x->nr_out)
		return -EINVAL;
	return 0;
}

/**
 * vdi_exchange_unwritten() - The answer could not be written
 * @call: the call
 * @x: what it did
 *
 * Return: -EFAULT, after aborting the set if anything was taken over.
 */
int vdi_exchange_unwritten(struct vdi_call *call, const struct vdi_exchange *x)
{
	if (x->out_accepted || x->out_delivered)
		return vdi_exchange_fault(call);
	return -EFAULT;
}

/**
 * vdi_ioc_exchange() - ioctl(VDI_IOC_EXCHANGE), on both kinds of handle
 * @call: the call
 * @p: struct vdi_exchange; its answer has been touched
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_exchange(struct vdi_call *call, void *p)
{
	struct vdi_exchange *x = p;
	struct vdi_wait wait = {
		.min = x->min,
		.max = min_t(u32, x->nr_out, VDI_CHUNK),
		.deadline_ns = x->deadline_ns,
		.spin_us = vdi_main_spin_us(x->spin_us),
		.nonblock = call->nonblock,
	};
	/* Only what was filled in is copied out */
	union vdi_chunk chunk __uninitialized;
	int ret;

	if (!call->set)
		return vdi_state_client_unbound(VDI_CLIENT_GET_COMMAND);
	ret = vdi_exchange_check(x);
	if (ret)
		return ret;
	ret = vdi_exchange_touch(u64_to_user_ptr(x->out),
				 x->nr_out * vdi_exchange_out_size(call));
	if (ret)
		return ret;
	ret = vdi_exchange_accept(call, x, &wait, &chunk);
	if (ret)
		return ret;
	if (!wait.over)
		vdi_command_wait(call, &chunk, &wait);
	ret = vdi_exchange_deliver(call, x, &chunk, wait.taken);
	if (ret)
		return ret;
	if (x->out_accepted || x->out_delivered)
		return 0;
	if (x->out_refused)
		return -(int)x->out_refused;
	if (wait.err == -ESHUTDOWN)
		vdi_command_note_closed(call);
	return wait.err;
}
