// SPDX-License-Identifier: GPL-2.0-only
/*
 * One command's way through the ring of its device: submit, fetch, complete,
 * collect, and what the I/O-error state and an abort do to it (2.5, 3.11).
 *
 * All under set->lock: nothing here waits, wakes, allocates or copies to users;
 * that is in wait.c, round.c and exchange.c.  A command is a slot of the ring.
 * It belongs to the ring and never to a waiter, and user space names it by an
 * id with a generation.
 */
#include <linux/errno.h>
#include <linux/ktime.h>
#include <linux/nospec.h>

#include "area.h"
#include "command.h"
#include "device.h"
#include "main.h"
#include "set.h"
#include "state.h"
#include "trace.h"

static void vdi_fifo_push(struct vdi_device *dev, struct vdi_fifo *fifo,
			  u16 index)
{
	dev->slots[index].next = VDI_NO_SLOT;
	if (fifo->head == VDI_NO_SLOT)
		fifo->head = index;
	else
		dev->slots[fifo->tail].next = index;
	fifo->tail = index;
	fifo->count++;
}

static u16 vdi_fifo_pop(struct vdi_device *dev, struct vdi_fifo *fifo)
{
	u16 index = fifo->head;

	fifo->head = dev->slots[index].next;
	fifo->count--;
	return index;
}

/**
 * vdi_command_slot_free() - Put a slot among the free ones
 * @dev: the device
 * @index: the slot
 *
 * Context: set->lock held.
 */
void vdi_command_slot_free(struct vdi_device *dev, u16 index)
{
	dev->slots[index].state = VDI_SLOT_FREE;
	vdi_fifo_push(dev, &dev->free, index);
}

/* A slot's id: generation, device and slot; never 0 as generations begin at 1 */
static u64 vdi_command_id(const struct vdi_device *dev, u16 index)
{
	return (u64)dev->slots[index].generation << 32 | dev->index << 16 |
	       index;
}

static bool vdi_command_moves_data(u16 code)
{
	return code == VDI_CMD_READ || code == VDI_CMD_WRITE;
}

static bool vdi_command_has_position(u16 code)
{
	return code == VDI_CMD_GET_POSITION || code == VDI_CMD_SET_POSITION;
}

static int vdi_command_check(const struct vdi_device *dev,
			     const struct vdi_command *c)
{
	const struct vdi_config *config = &dev->set->config;

	if (c->kind || !c->code)
		return -EINVAL;
	if (!vdi_command_moves_data(c->code))
		return c->offset ? -EINVAL : 0;
	if (c->length <= 0 || c->length > config->max_transfer_size)
		return -EINVAL;
	if (!vdi_area_contains(&dev->set->area, c->offset, c->length,
			       config->prefix_zone_size))
		return -EINVAL;
	return 0;
}

/**
 * vdi_command_submit_locked() - SendCommand (4.10)
 * @dev: the device
 * @c: the command, a private copy
 *
 * Context: set->lock held.
 * Return: 0 or the errno of EXCHANGE.
 */
int vdi_command_submit_locked(struct vdi_device *dev,
			      const struct vdi_command *c)
{
	bool clear = c->code == VDI_CMD_CLEAR_ERROR;
	struct vdi_slot *slot;
	u16 index;
	int ret;

	lockdep_assert_held(&dev->set->lock);
	ret = vdi_state_device_op(dev, clear ? VDI_DEVICE_CLEAR :
					       VDI_DEVICE_SEND);
	if (ret)
		return ret;
	ret = vdi_command_check(dev, c);
	if (ret)
		return ret;
	if (clear && dev->clearing)
		return -EPROTO;
	if (!dev->free.count)
		return -EXFULL;

	index = vdi_fifo_pop(dev, &dev->free);
	slot = &dev->slots[index];
	slot->generation = slot->generation + 1 ?: 1;
	slot->cookie = c->id;
	slot->offset = c->offset;
	slot->position = c->position;
	slot->length = c->length;
	slot->code = c->code;
	slot->state = VDI_SLOT_QUEUED;
	vdi_fifo_push(dev, &dev->queued, index);
	dev->clearing |= clear;
	dev->commands++;
	this_cpu_inc(vdi_commands);
	trace_vdi_submit(dev->set->id, dev->index, index, c->code, c->length);
	return 0;
}

/**
 * vdi_command_fetch_locked() - GetCommand (3.9) of the next queued command
 * @dev: the device, and vdi_command_waits() for the client
 * @c: filled in
 *
 * Context: set->lock held.
 */
void vdi_command_fetch_locked(struct vdi_device *dev, struct vdi_command *c)
{
	struct vdi_set *set = dev->set;
	u16 index = vdi_fifo_pop(dev, &dev->queued);
	struct vdi_slot *slot = &dev->slots[index];

	lockdep_assert_held(&set->lock);
	slot->state = VDI_SLOT_TAKEN;
	dev->taken++;
	if (!set->taken++ && set->stall_ns)
		vdi_set_stall_start_locked(set);

	c->kind = VDI_KIND_COMMAND;
	c->device = dev->index;
	c->code = slot->code;
	c->length = slot->length;
	c->id = vdi_command_id(dev, index);
	c->offset = slot->offset;
	c->position = slot->position;
	trace_vdi_fetch(set->id, dev->index, index, slot->code, slot->length);
}

static void vdi_command_done(struct vdi_device *dev, u16 index, u32 code,
			     u64 result)
{
	struct vdi_slot *slot = &dev->slots[index];

	slot->state = VDI_SLOT_DONE;
	slot->completion = code;
	slot->result = result;
	if (slot->code == VDI_CMD_CLEAR_ERROR)
		dev->clearing = false;
	vdi_fifo_push(dev, &dev->done, index);
}

/* What the client never sees is finished for it */
static void vdi_command_finish_queued(struct vdi_device *dev, u32 code)
{
	while (dev->queued.count)
		vdi_command_done(dev, vdi_fifo_pop(dev, &dev->queued), code, 0);
}

/* Device and slot of an id are checked against this one, then the generation */
static struct vdi_slot *vdi_command_taken(struct vdi_device *dev, u64 id,
					  u16 *index)
{
	struct vdi_slot *slot;
	u32 n = id & 0xffff;

	if (n >= dev->set->ring_depth)
		return NULL;
	n = array_index_nospec(n, dev->set->ring_depth);
	slot = &dev->slots[n];
	if (slot->state != VDI_SLOT_TAKEN || vdi_command_id(dev, n) != id)
		return NULL;
	*index = n;
	return slot;
}

/**
 * vdi_command_complete_locked() - CompleteCommand (3.10)
 * @dev: the device
 * @c: the completion, a private copy
 *
 * Context: set->lock held.
 * Return: 0 or the errno of EXCHANGE; then nothing has changed.
 */
int vdi_command_complete_locked(struct vdi_device *dev,
				const struct vdi_completion *c)
{
	struct vdi_set *set = dev->set;
	struct vdi_slot *slot;
	u64 result = 0;
	u16 index;
	int ret;

	lockdep_assert_held(&set->lock);
	ret = vdi_state_device_op(dev, VDI_DEVICE_COMPLETE);
	/* Counted, so that the server can find a client that answers twice */
	dev->refused += ret == -EPROTO;
	if (ret)
		return ret;
	if (c->kind || c->__reserved)
		return -EINVAL;
	slot = vdi_command_taken(dev, c->id, &index);
	if (!slot || (vdi_command_moves_data(slot->code) &&
		      c->result > slot->length)) {
		dev->refused++;
		return -EINVAL;
	}
	if (vdi_command_moves_data(slot->code)) {
		result = c->result;
		if (slot->code == VDI_CMD_READ)
			dev->bytes_read += result;
		else
			dev->bytes_written += result;
	} else if (vdi_command_has_position(slot->code)) {
		result = c->result;
	}

	dev->taken--;
	set->taken--;
	if (set->stall_ns)
		set->stall_since = ktime_get_ns();
	dev->completions++;
	vdi_command_done(dev, index, c->code, result);
	trace_vdi_complete(set->id, dev->index, index, c->code, result);

	if (slot->code == VDI_CMD_COMPLETE) {
		if (c->code)
			set->completed &= ~BIT_ULL(dev->index);
		else
			set->completed |= BIT_ULL(dev->index);
	}

	/* The I/O-error state (2.5) */
	if (c->code) {
		dev->errors++;
		/* In that state already, only a ClearError is queued: it stays */
		if (!dev->errored)
			vdi_command_finish_queued(dev, VDI_CODE_IO_DEVICE);
		dev->errored = true;
	} else if (slot->code == VDI_CMD_CLEAR_ERROR) {
		dev->errored = false;
	}
	vdi_device_settle_locked(dev);
	return 0;
}

/**
 * vdi_command_collect_locked() - Give the server one completion
 * @dev: the device, with a completion
 * @c: filled in
 *
 * The slot is free afterwards.
 *
 * Context: set->lock held.
 */
void vdi_command_collect_locked(struct vdi_device *dev,
				struct vdi_completion *c)
{
	u16 index = vdi_fifo_pop(dev, &dev->done);
	struct vdi_slot *slot = &dev->slots[index];

	lockdep_assert_held(&dev->set->lock);
	c->kind = VDI_KIND_COMPLETION;
	c->device = dev->index;
	c->__reserved = 0;
	c->code = slot->completion;
	c->id = slot->cookie;
	c->result = slot->result;
	trace_vdi_collect(dev->set->id, dev->index, index, c->code, c->result);
	vdi_command_slot_free(dev, index);
	this_cpu_dec(vdi_commands);
}

/**
 * vdi_command_abort_locked() - Finish what is outstanding with 995 (3.11)
 * @dev: the device
 *
 * Context: set->lock held.
 */
void vdi_command_abort_locked(struct vdi_device *dev)
{
	unsigned int i;

	lockdep_assert_held(&dev->set->lock);
	for (i = 0; dev->taken; i++) {
		if (dev->slots[i].state != VDI_SLOT_TAKEN)
			continue;
		dev->taken--;
		dev->set->taken--;
		vdi_command_done(dev, i, VDI_CODE_OPERATION_ABORTED, 0);
	}
	vdi_command_finish_queued(dev, VDI_CODE_OPERATION_ABORTED);
	vdi_command_ready_locked(dev);
}

/**
 * vdi_command_ready_locked() - Note for which sides a device has records
 * @dev: the device, after any change
 *
 * Context: set->lock held.
 */
void vdi_command_ready_locked(struct vdi_device *dev)
{
	struct vdi_set *set = dev->set;
	u64 bit = BIT_ULL(dev->index);
	int side;

	lockdep_assert_held(&set->lock);
	for (side = 0; side < VDI_SIDES; side++) {
		if (vdi_command_waits(dev, side))
			set->ready[side] |= bit;
		else
			set->ready[side] &= ~bit;
	}
}
