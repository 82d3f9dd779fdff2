// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's half of the interface for one node: commands, their answers, and
 * the ring of transfers.
 *
 * Transfers use the buffers of the node as a ring, in the order of the stream: a
 * buffer is given back when it and all before it are answered, so that what a
 * full medium has not taken can be sent again in that order.  At most one command
 * without data is under way, and no transfer with it.
 *
 * All under node->lock, a mutex: users' memory may be touched under it, and
 * whoever waits for it can be killed.  A function that cannot go on without
 * waiting and may not wait returns -EAGAIN, and is called again: each of them goes
 * on where it was.
 */
#include <linux/errno.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "area.h"
#include "command.h"
#include "node.h"
#include "state.h"

/* Words of the server's in a command: a buffer's number, or one of these */
#define VDI_NODE_ID_COMMAND	(~0ULL)

/**
 * vdi_node_errno() - What a program is told of a completion code
 * @code: completion code
 *
 * Return: -errno.
 */
int vdi_node_errno(u32 code)
{
	switch (code) {
	case VDI_CODE_SUCCESS:
		return 0;
	case VDI_CODE_WRITE_PROTECT:
		return -EROFS;
	case VDI_CODE_HANDLE_DISK_FULL:
	case VDI_CODE_DISK_FULL:
	case VDI_CODE_END_OF_MEDIA:
	case VDI_CODE_EOM_OVERFLOW:
		return -ENOSPC;
	case VDI_CODE_NOT_SUPPORTED:
		return -EOPNOTSUPP;
	case VDI_CODE_OPERATION_ABORTED:
		return -ECANCELED;
	case VDI_CODE_NO_MEDIA_IN_DRIVE:
		return -ENOMEDIUM;
	default:
		return -EIO;
	}
}

/**
 * vdi_node_lock() - Begin a call on an open node
 * @node: the node
 * @how: how to wait for another call, and for what a signal has left
 *
 * Return: 0, -EAGAIN, -ERESTARTSYS, or why nothing is possible any more.
 */
int vdi_node_lock(struct vdi_node *node, enum vdi_node_how how)
{
	bool nonblock = how == VDI_NODE_NONBLOCK;
	int ret;

	if (nonblock && !mutex_trylock(&node->lock))
		return -EAGAIN;
	if (!nonblock && mutex_lock_interruptible(&node->lock))
		return -ERESTARTSYS;
	ret = node->error;
	if (!ret && node->phase)
		ret = -ENXIO;
	/* Not only when a buffer is full, or all answers are read */
	if (!ret && vdi_state_aborted(node->call.set))
		ret = -ECANCELED;
	if (!ret)
		ret = vdi_node_settle_command(node, how);
	if (ret)
		mutex_unlock(&node->lock);
	return ret;
}

/**
 * vdi_node_unlock() - End a call on a node
 * @node: the node
 */
void vdi_node_unlock(struct vdi_node *node)
{
	struct vdi_handle *handle = node->handle;

	mutex_unlock(&node->lock);
	/* poll does not wait for the lock: it may have seen too little */
	if (handle && wq_has_sleeper(&handle->wq))
		wake_up_poll(&handle->wq, EPOLLIN | EPOLLRDNORM | EPOLLOUT |
					  EPOLLWRNORM);
}

/**
 * vdi_node_collect() - Take what the client has answered
 * @node: the node
 */
void vdi_node_collect(struct vdi_node *node)
{
	struct vdi_completion done[8];
	unsigned int n, i;

	do {
		n = vdi_command_take(&node->call, done, ARRAY_SIZE(done));
		for (i = 0; i < n; i++) {
			struct vdi_node_buffer *buffer;

			if (done[i].code)
				node->errored = true;
			if (done[i].id == VDI_NODE_ID_COMMAND) {
				node->command.answered = true;
				node->command.answer = done[i].code;
				node->command.result = done[i].result;
				if (node->command.code == VDI_CMD_CLEAR_ERROR &&
				    !done[i].code)
					node->errored = false;
				continue;
			}
			buffer = &node->buffers[done[i].id];
			buffer->answered = true;
			buffer->code = done[i].code;
			buffer->result = done[i].result;
		}
	} while (n == ARRAY_SIZE(done));
}

/**
 * vdi_node_wait() - Wait until the client has answered something
 * @node: the node
 * @how: how
 *
 * Return: 0, -EAGAIN, -ERESTARTSYS, or -ECANCELED if the set is aborted.
 */
int vdi_node_wait(struct vdi_node *node, enum vdi_node_how how)
{
	struct vdi_handle *handle = node->handle;
	int status = vdi_command_status(&node->call, 1), ret = 0;

	/* Nobody saves a wake-up of a handle that is polled: see vdi_node_bind() */
	if (!status && how == VDI_NODE_NONBLOCK)
		return -EAGAIN;
	if (!status && how == VDI_NODE_KILLABLE)
		ret = vdi_command_sleep(handle->wq, VDI_TIME_INFINITE,
					VDI_TASK_KILLABLE,
					(status = vdi_command_status(&node->call, 1)));
	else if (!status)
		ret = vdi_command_sleep(handle->wq, VDI_TIME_INFINITE,
					VDI_TASK_INTERRUPTIBLE,
					(status = vdi_command_status(&node->call, 1)));
	/* Closed, or aborted and all is collected: nothing comes any more */
	if (status < 0)
		return -ECANCELED;
	if (status > 0)
		vdi_node_collect(node);
	return status ? 0 : ret;
}

/**
 * vdi_node_fail() - All further calls return this
 * @node: the node
 * @err: -errno
 *
 * Return: @err.
 */
int vdi_node_fail(struct vdi_node *node, int err)
{
	node->error = err;
	return err;
}

static int vdi_node_answer(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = 0;

	while (!ret && !node->command.answered)
		ret = vdi_node_wait(node, how);
	return ret;
}

/**
 * vdi_node_settle_command() - Have a command answered that a signal has left
 * @node: the node
 * @how: how to wait
 *
 * To be called before anything else is sent.
 *
 * Return: 0 or -errno.
 */
int vdi_node_settle_command(struct vdi_node *node, enum vdi_node_how how)
{
	struct vdi_node_command *command = &node->command;
	int ret;

	if (!command->code || !command->left)
		return 0;
	ret = vdi_node_answer(node, how);
	if (ret)
		return ret;
	if (command->answer && command->code == VDI_CMD_FLUSH)
		ret = vdi_node_fail(node, vdi_node_errno(command->answer));
	/* Loaded it is, whoever asked for it */
	if (!command->answer && command->code == VDI_CMD_LOAD)
		node->full = false;
	command->code = 0;
	return ret;
}

/**
 * vdi_node_command() - One command without data, or a Read of one block
 * @node: the node
 * @code: VDI_CMD_*; a Read is into the spare buffer
 * @arg: its size
 * @position: its position
 * @how: how to wait
 *
 * Transfers must have been answered.  The answer is in node->command.  After
 * -EAGAIN the same call goes on; what a signal has left is settled by the next
 * call on the node.
 *
 * Return: 0 if it is answered, with whatever code; else -errno.
 */
int vdi_node_command(struct vdi_node *node, u16 code, s32 arg, u64 position,
		     enum vdi_node_how how)
{
	struct vdi_node_command *command = &node->command;
	struct vdi_command c = {
		.device = node->index,
		.code = code,
		.length = arg,
		.id = VDI_NODE_ID_COMMAND,
		.offset = code == VDI_CMD_READ ? node->spare : 0,
		.position = position,
	};
	int ret;

	/* Only a pipe's are gone on with, and those of one code are all alike */
	if (command->code != code)
		command->left = true;
	ret = vdi_node_settle_command(node, how);
	if (ret)
		return ret;
	if (!command->code) {
		if (node->errored && code != VDI_CMD_CLEAR_ERROR) {
			ret = vdi_node_clear(node, how);
			if (ret)
				return ret;
		}
		ret = vdi_command_send(&node->call, &c);
		if (ret)
			return ret;
		command->code = code;
		command->answered = false;
		command->left = false;
	}
	ret = vdi_node_answer(node, how);
	if (!ret)
		command->code = 0;
	command->left = ret == -ERESTARTSYS;
	return ret;
}

/**
 * vdi_node_clear() - Leave the I/O-error state (2.5)
 * @node: the node; transfers must have been answered
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_clear(struct vdi_node *node, enum vdi_node_how how)
{
	const struct vdi_node_command *command = &node->command;
	int ret;

	if (!node->errored)
		return 0;
	/* Whoever has sent that one comes back for the answer, and sees the error */
	if (command->code && command->code != VDI_CMD_CLEAR_ERROR &&
	    !command->left)
		return 0;
	ret = vdi_node_command(node, VDI_CMD_CLEAR_ERROR, 0, 0, how);
	return ret ?: vdi_node_errno(command->answer);
}

/**
 * vdi_node_at() - A buffer of the ring
 * @node: the node
 * @i: which, 0 is the oldest one in use
 *
 * Return: the buffer.
 */
struct vdi_node_buffer *vdi_node_at(struct vdi_node *node, unsigned int i)
{
	return &node->buffers[(node->head + i) % node->depth];
}

/**
 * vdi_node_filling() - The buffer that is being filled
 * @node: the node, with node->filling
 *
 * Return: the buffer.
 */
struct vdi_node_buffer *vdi_node_filling(struct vdi_node *node)
{
	return vdi_node_at(node, node->count);
}

/**
 * vdi_node_all_answered() - Is no transfer under way?
 * @node: the node
 *
 * Return: true if so.
 */
bool vdi_node_all_answered(struct vdi_node *node)
{
	unsigned int i;

	for (i = 0; i < node->count; i++)
		if (!vdi_node_at(node, i)->answered)
			return false;
	return true;
}

static int vdi_node_wait_all(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = 0;

	vdi_node_collect(node);
	while (!ret && !vdi_node_all_answered(node))
		ret = vdi_node_wait(node, how);
	return ret;
}

static bool vdi_node_stored(const struct vdi_node_buffer *buffer)
{
	return buffer->answered && !buffer->code &&
	       buffer->result == buffer->length;
}

/* A warning, or a medium that is full and may be followed by another one */
static bool vdi_node_is_warning(const struct vdi_node *node,
				const struct vdi_node_buffer *buffer)
{
	if (buffer->code != VDI_CODE_END_OF_MEDIA)
		return false;
	return buffer->result == buffer->length ||
	       (vdi_node_is_pipe(node) && node->features & VDI_FEAT_REMOVABLE);
}

/*
 * Writes have failed and all are answered: is there anything but the end of a
 * medium?  What each of them has still to store is left in @start.
 */
static int vdi_node_check_failed(struct vdi_node *node)
{
	bool end = false, gap = false;
	unsigned int i;

	for (i = 0; i < node->count; i++) {
		struct vdi_node_buffer *buffer = vdi_node_at(node, i);
		bool unseen = end && buffer->code == VDI_CODE_IO_DEVICE;
		bool warning = vdi_node_is_warning(node, buffer);

		if (buffer->code && !warning && !unseen)
			return vdi_node_errno(buffer->code);
		if (!buffer->code && buffer->result < buffer->length)
			return -EIO;
		/* Nothing that comes later may be stored before it */
		if (gap && !unseen && buffer->result)
			return -EIO;
		end |= warning;
		buffer->start += unseen ? 0 : buffer->result;
		buffer->length -= unseen ? 0 : buffer->result;
		gap |= buffer->length;
		/* Looked at: another look would count it twice */
		buffer->code = 0;
		buffer->result = 0;
	}
	return 0;
}

static int vdi_node_send_buffer(struct vdi_node *node,
				struct vdi_node_buffer *buffer, u16 code)
{
	struct vdi_command c = {
		.device = node->index,
		.code = code,
		.length = buffer->length,
		.id = buffer - node->buffers,
		.offset = buffer->offset +
			  (code == VDI_CMD_WRITE ? buffer->start : 0),
		.position = vdi_node_is_disk(node) ? buffer->position : 0,
	};
	int ret = vdi_command_send(&node->call, &c);

	if (!ret)
		buffer->answered = false;
	return ret;
}

/**
 * vdi_node_load_medium() - Ask for the next medium
 * @node: the node; transfers must have been answered
 * @how: how to wait
 *
 * One that a signal has left goes on: sent twice, it would skip a medium.
 *
 * Return: 0 if it is answered, with whatever code; else -errno.
 */
int vdi_node_load_medium(struct vdi_node *node, enum vdi_node_how how)
{
	if (node->command.code == VDI_CMD_LOAD)
		node->command.left = false;
	return vdi_node_command(node, VDI_CMD_LOAD, 1, 0, how);
}

/* Flush what the full medium has, and ask for the next one */
static int vdi_node_load_next(struct vdi_node *node, enum vdi_node_how how)
{
	int ret;

	if (node->wrote) {
		ret = vdi_node_command(node, VDI_CMD_FLUSH, 0, 0, how);
		if (!ret && node->command.answer)
			ret = vdi_node_errno(node->command.answer);
		if (ret)
			return ret;
		node->wrote = false;
	}
	ret = vdi_node_load_medium(node, how);
	if (!ret && node->command.answer)
		ret = vdi_node_errno(node->command.answer);
	if (!ret)
		node->full = false;
	return ret;
}

/**
 * vdi_node_wants_load() - Does what is written next need the next medium?
 * @node: the node
 *
 * Return: true if so.
 */
bool vdi_node_wants_load(const struct vdi_node *node)
{
	return node->full && vdi_node_is_pipe(node) &&
	       node->features & VDI_FEAT_REMOVABLE;
}

/*
 * The end of a medium: leave the error state, get the next medium if the stream
 * goes on there, and send what was not stored, in its order.
 */
static int vdi_node_send_again(struct vdi_node *node, enum vdi_node_how how)
{
	unsigned int left;
	int ret;

	ret = vdi_node_clear(node, how);
	if (ret)
		return ret;
	while (node->count && !vdi_node_at(node, 0)->length) {
		node->head = (node->head + 1) % node->depth;
		node->count--;
	}
	if (node->count && vdi_node_wants_load(node)) {
		ret = vdi_node_load_next(node, how);
		if (ret)
			return ret;
	}
	for (left = 0; left < node->count; left++) {
		ret = vdi_node_send_buffer(node, vdi_node_at(node, left),
					   VDI_CMD_WRITE);
		/* The first of them has met the next end: it is seen with it */
		if (ret == -EREMOTEIO && left) {
			vdi_node_at(node, left)->code = VDI_CODE_IO_DEVICE;
			vdi_node_at(node, left)->result = 0;
			continue;
		}
		if (ret)
			return ret;
		node->wrote = true;
	}
	return 0;
}

/**
 * vdi_node_may_go_on() - Is what came in between no fault of the device?
 * @err: -errno
 *
 * Return: true if it is only not yet; or if there is nothing to go on with, and
 * everybody is told so anyway.
 */
bool vdi_node_may_go_on(int err)
{
	return err == -EAGAIN || err == -ERESTARTSYS || err == -ECANCELED;
}

/* Give back the buffers whose Writes are stored; see to those that are not */
static int vdi_node_retire(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = 0;

	vdi_node_collect(node);
	for (;;) {
		while (node->count && vdi_node_stored(vdi_node_at(node, 0))) {
			node->head = (node->head + 1) % node->depth;
			node->count--;
		}
		if (!node->again && (!node->errored || !node->count))
			break;
		if (!node->again) {
			ret = vdi_node_wait_all(node, how);
			if (ret)
				return ret;
			ret = vdi_node_check_failed(node);
			if (ret)
				return vdi_node_fail(node, ret);
			node->again = true;
			node->full = true;
			node->warned = true;
		}
		ret = vdi_node_send_again(node, how);
		if (vdi_node_may_go_on(ret))
			return ret;
		if (ret)
			return vdi_node_fail(node, ret);
		node->again = false;
	}
	if (node->errored) {
		ret = vdi_node_clear(node, how);
		if (ret)
			return ret;
	}
	if (node->count && vdi_node_at(node, 0)->answered &&
	    !vdi_node_stored(vdi_node_at(node, 0)))
		return vdi_node_fail(node, -EIO);	/* short, and no reason */
	return 0;
}

/**
 * vdi_node_begin_fill() - Have a buffer that can be filled
 * @node: the node
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_begin_fill(struct vdi_node *node, enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	int ret;

	if (node->filling)
		return 0;
	for (;;) {
		ret = vdi_node_retire(node, how);
		if (ret)
			return ret;
		if (node->count < node->depth)
			break;
		ret = vdi_node_wait(node, how);
		if (ret)
			return ret;
	}
	if (vdi_node_wants_load(node)) {
		ret = vdi_node_wait_all(node, how) ?:
		      vdi_node_load_next(node, how);
		if (vdi_node_may_go_on(ret))
			return ret;
		if (ret)
			return vdi_node_fail(node, ret);
	}
	buffer = vdi_node_filling(node);
	buffer->start = 0;
	buffer->length = 0;
	buffer->code = 0;
	buffer->answered = false;
	node->filling = true;
	node->fill = 0;
	node->pad = 0;
	return 0;
}

/**
 * vdi_node_send() - Send the buffer that is being filled
 * @node: the node
 *
 * In the I/O-error state it is put behind those that are to be sent again.
 *
 * Return: 0 or -errno.
 */
int vdi_node_send(struct vdi_node *node)
{
	struct vdi_node_buffer *buffer = vdi_node_filling(node);
	int ret;

	if (!node->filling)
		return 0;
	node->filling = false;
	if (!node->fill)
		return 0;
	buffer->length = node->fill + node->pad;
	if (vdi_node_is_disk(node))
		vdi_node_disk_sent(node, buffer);
	ret = vdi_node_send_buffer(node, buffer, VDI_CMD_WRITE);
	if (ret == -EREMOTEIO) {
		/* As one that was sent and not delivered */
		buffer->answered = true;
		buffer->code = VDI_CODE_IO_DEVICE;
		buffer->result = 0;
		node->errored = true;
		ret = 0;
	}
	/* The write that filled it has taken data, and cannot say so itself */
	if (ret)
		return vdi_node_fail(node, ret);
	node->wrote = true;
	node->count++;
	return 0;
}

/**
 * vdi_node_drain() - Have all that was sent answered
 * @node: the node, writing
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_drain(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = node->error;

	while (!ret) {
		ret = vdi_node_retire(node, how);
		if (ret || !node->count)
			break;
		ret = vdi_node_wait(node, how);
	}
	return ret;
}

/**
 * vdi_node_push() - Send all that was written, and have it answered
 * @node: the node, writing
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_push(struct vdi_node *node, enum vdi_node_how how)
{
	return node->error ?: vdi_node_send(node) ?: vdi_node_drain(node, how);
}

/**
 * vdi_node_flush() - Make durable what was written
 * @node: the node
 * @how: how to wait
 *
 * Return: 0 or -errno; if the client has not stored something, all calls that
 *	follow fail.
 */
int vdi_node_flush(struct vdi_node *node, enum vdi_node_how how)
{
	int ret;

	/* A ring of Reads has nothing to store */
	ret = node->reading ? vdi_node_drop_reads(node, how) :
			      vdi_node_push(node, how);
	if (!ret)
		node->reading = false;
	if (!ret && vdi_node_is_disk(node))
		ret = vdi_node_disk_end(node, how);
	if (!ret && node->wrote) {
		ret = vdi_node_clear(node, how) ?:
		      vdi_node_command(node, VDI_CMD_FLUSH, 0, 0, how);
		if (!ret && node->command.answer)
			ret = vdi_node_fail(node,
					    vdi_node_errno(node->command.answer));
		if (!ret)
			node->wrote = false;
	}
	return ret;
}

/**
 * vdi_node_send_read() - Send the next Read, into the next buffer of the ring
 * @node: the node, with a buffer that is free
 * @length: bytes
 *
 * Return: 0 or -errno.
 */
int vdi_node_send_read(struct vdi_node *node, u32 length)
{
	struct vdi_node_buffer *buffer = vdi_node_at(node, node->count);
	int ret;

	buffer->start = 0;
	buffer->length = length;
	buffer->position = node->next;
	ret = vdi_node_send_buffer(node, buffer, VDI_CMD_READ);
	if (ret)
		return ret;
	node->next += length;
	node->count++;
	return 0;
}

/**
 * vdi_node_head() - Wait for the oldest Read
 * @node: the node, with a Read under way
 * @how: how to wait
 * @buffer: set to its buffer
 *
 * Return: 0 or -errno.
 */
int vdi_node_head(struct vdi_node *node, enum vdi_node_how how,
		  struct vdi_node_buffer **buffer)
{
	int ret = 0;

	*buffer = vdi_node_at(node, 0);
	vdi_node_collect(node);
	while (!ret && !(*buffer)->answered)
		ret = vdi_node_wait(node, how);
	return ret;
}

/**
 * vdi_node_drop_head() - Give the oldest buffer back
 * @node: the node
 */
void vdi_node_drop_head(struct vdi_node *node)
{
	node->head = (node->head + 1) % node->depth;
	node->count--;
}

/**
 * vdi_node_drop_reads() - Forget what was read ahead
 * @node: the node, reading
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_drop_reads(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = vdi_node_wait_all(node, how);

	if (!ret)
		node->count = 0;
	return ret;
}
