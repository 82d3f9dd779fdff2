// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ring of transfers of one node, and what becomes of those that fail.
 *
 * Transfers use the buffers of the node as a ring, in the order of the stream: a
 * buffer is given back when it and all before it are answered, so that what a
 * full medium has not taken can be sent again in that order.  At most one command
 * without data is under way, and no transfer with it.
 *
 * All under node->lock, as node_command.c says.
 */
#include <linux/errno.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "area.h"
#include "command.h"
#include "node.h"
#include "state.h"

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
 * @node: the node
 * @err: -errno
 *
 * A client can say "aborted" of one command, too: that one has failed.
 *
 * Return: true if it is only not yet; or if the set is aborted, so that there is
 * nothing to go on with and everybody is told so anyway.
 */
bool vdi_node_may_go_on(const struct vdi_node *node, int err)
{
	return err == -EAGAIN || err == -ERESTARTSYS ||
	       (err == -ECANCELED && vdi_state_aborted(node->call.set));
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
		if (vdi_node_may_go_on(node, ret))
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
		if (vdi_node_may_go_on(node, ret))
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
