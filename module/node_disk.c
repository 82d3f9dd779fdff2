// SPDX-License-Identifier: GPL-2.0-only
/*
 * Random access on a node.  Programs write where and as much as they like, a
 * disk takes whole blocks: what is around the bytes of a write is read first.
 *
 * The buffer that is being filled, the window, begins at a block, and whenever a
 * call returns it can be sent as it is: it ends at a block as well, or where the
 * data of the disk ends.  So the end of a file never has to read anything.
 *
 * Flush makes the disk end where the last Write ended (7.4).  So the last block
 * is kept, and written once more before a Flush if another was written since.
 */
#include <linux/errno.h>
#include <linux/math.h>
#include <linux/string.h>

#include "area.h"
#include "node.h"

#define VDI_SEEK_END	2	/* VDC_End (7.1) */

/**
 * vdi_node_disk_size() - Learn where the data of a disk ends
 * @node: the node
 * @how: how to wait
 *
 * Return: 0, then it is in node->size; or -errno.
 */
int vdi_node_disk_size(struct vdi_node *node, enum vdi_node_how how)
{
	int ret;

	if (node->sized)
		return 0;
	ret = vdi_node_command(node, VDI_CMD_SET_POSITION, VDI_SEEK_END, 0,
			       how);
	if (!ret)
		ret = vdi_node_errno(node->command.answer);
	if (!ret && node->command.result > MAX_LFS_FILESIZE)
		ret = -EIO;
	if (ret)
		return ret;
	node->size = node->command.result;
	node->sized = true;
	return 0;
}

static void *vdi_node_scratch(struct vdi_node *node)
{
	return node->tail + node->block;
}

/* What the disk has at a block, zeros where it has nothing: in the scratch */
static int vdi_node_load_block(struct vdi_node *node, u64 at,
			       enum vdi_node_how how)
{
	void *scratch = vdi_node_scratch(node);
	u32 len;
	int ret;

	memset(scratch, 0, node->block);
	if (at >= node->size)
		return 0;
	if (node->tail_len && at == node->tail_pos) {
		memcpy(scratch, node->tail, node->tail_len);
		return 0;
	}
	len = min_t(u64, node->block, node->size - at);
	ret = vdi_node_drain(node, how) ?:
	      vdi_node_command(node, VDI_CMD_READ, len, at, how);
	if (ret)
		return ret;
	/* Shorter than it was: zeros behind that */
	if (node->command.answer &&
	    node->command.answer != VDI_CODE_HANDLE_EOF &&
	    node->command.answer != VDI_CODE_NO_DATA_DETECTED)
		return vdi_node_errno(node->command.answer);
	return vdi_area_to_kernel(&node->call.set->area, node->spare, scratch,
				  min_t(u64, node->command.result, len));
}

static void vdi_node_keep_tail(struct vdi_node *node, u64 pos, const void *data,
			       u32 len)
{
	node->tail_pos = pos;
	node->tail_len = len;
	if (data)
		memcpy(node->tail, data, len);
}

/**
 * vdi_node_disk_sent() - A Write is about to be sent
 * @node: the node
 * @buffer: its buffer
 */
void vdi_node_disk_sent(struct vdi_node *node,
			const struct vdi_node_buffer *buffer)
{
	u64 end = buffer->position + buffer->length, pos;

	node->ended = end;
	if (end < node->size)
		return;
	pos = round_down(end - 1, (u64)node->block);
	if (vdi_area_to_kernel(&node->call.set->area,
			       buffer->offset + (pos - buffer->position),
			       node->tail, end - pos))
		node->error = -EIO;
	vdi_node_keep_tail(node, pos, NULL, end - pos);
}

/**
 * vdi_node_disk_end() - Make the last Write the one at the end of the disk
 * @node: the node; all that was written is sent
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_disk_end(struct vdi_node *node, enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	int ret;

	if (node->wrote && node->ended != node->size) {
		ret = vdi_node_begin_fill(node, how);
		if (ret)
			return ret;
		buffer = vdi_node_filling(node);
		buffer->position = node->tail_pos;
		node->fill = node->tail_len;
		ret = vdi_area_from_kernel(&node->call.set->area,
					   buffer->offset, node->tail,
					   node->tail_len) ?:
		      vdi_node_send(node);
		if (ret)
			return ret;
	}
	return vdi_node_drain(node, how);
}

/* Does a window that begins here meet a Write that is not answered? */
static bool vdi_node_overlaps(const struct vdi_node *node, u64 begin)
{
	unsigned int i;

	for (i = 0; i < node->count; i++) {
		const struct vdi_node_buffer *buffer =
			&node->buffers[(node->head + i) % node->depth];

		if (buffer->position < begin + node->transfer &&
		    buffer->position + buffer->length > begin)
			return true;
	}
	return false;
}

/* The last block is needed by vdi_node_disk_end() */
static int vdi_node_need_tail(struct vdi_node *node, enum vdi_node_how how)
{
	u64 pos;
	int ret;

	if (node->tail_len || !node->size)
		return 0;
	pos = round_down(node->size - 1, (u64)node->block);
	ret = vdi_node_load_block(node, pos, how);
	if (!ret)
		vdi_node_keep_tail(node, pos, vdi_node_scratch(node),
				   node->size - pos);
	return ret;
}

static bool vdi_node_window_at(struct vdi_node *node, u64 pos)
{
	return node->filling &&
	       vdi_node_filling(node)->position + node->fill == pos;
}

/* Have a window whose next byte is the one at @pos */
static int vdi_node_window(struct vdi_node *node, u64 pos,
			   enum vdi_node_how how)
{
	u64 begin = round_down(pos, (u64)node->block);
	u32 head = pos - begin;
	struct vdi_node_buffer *buffer;
	int ret;

	if (node->filling) {
		if (vdi_node_window_at(node, pos))
			return 0;
		ret = vdi_node_send(node);
		if (ret)
			return ret;
	}
	ret = vdi_node_overlaps(node, begin) ? vdi_node_drain(node, how) : 0;
	if (!ret)
		ret = vdi_node_need_tail(node, how);
	if (!ret && head)
		ret = vdi_node_load_block(node, begin, how);
	if (!ret)
		ret = vdi_node_begin_fill(node, how);
	if (ret)
		return ret;
	buffer = vdi_node_filling(node);
	buffer->position = begin;
	if (head)
		ret = vdi_area_from_kernel(&node->call.set->area,
					   buffer->offset,
					   vdi_node_scratch(node), head);
	if (ret)
		node->filling = false;
	else
		node->fill = head;
	return ret;
}

/* Let the window end at a block, or where the disk ends */
static int vdi_node_round_window(struct vdi_node *node)
{
	struct vdi_node_buffer *buffer = vdi_node_filling(node);
	u64 end = buffer->position + node->fill;
	u32 in_block = end & (node->block - 1);
	u32 pad = 0;
	int ret;

	if (in_block && end < node->size)
		pad = min_t(u64, node->block - in_block, node->size - end);
	if (node->pad == pad)
		return 0;
	ret = vdi_node_load_block(node, end - in_block, VDI_NODE_KILLABLE);
	if (!ret)
		ret = vdi_area_from_kernel(&node->call.set->area,
					   buffer->offset + node->fill,
					   vdi_node_scratch(node) + in_block,
					   pad);
	if (!ret)
		node->pad = pad;
	return ret;
}

static int vdi_node_stop_reading(struct vdi_node *node, enum vdi_node_how how)
{
	int ret;

	if (!node->reading)
		return 0;
	ret = vdi_node_drop_reads(node, how);
	if (!ret)
		node->reading = false;
	return ret;
}

/*
 * What could not be read or found is not written either.  Many programs close
 * before they exit with a status, so it is remembered: the end would look good.
 */
static int vdi_node_disk_unwritten(struct vdi_node *node, int err)
{
	return !err || vdi_node_may_go_on(node, err) ?
		       err : vdi_node_fail(node, err);
}

/**
 * vdi_node_write_disk() - write(2)
 * @node: the node
 * @iocb: position
 * @from: the data
 * @how: how to wait
 *
 * Return: bytes taken over, or -errno if there were none.
 */
ssize_t vdi_node_write_disk(struct vdi_node *node, struct kiocb *iocb,
			    struct iov_iter *from, enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	size_t done = 0, n;
	int ret, err = 0;
	bool goes_on;
	u64 pos;

	ret = vdi_node_stop_reading(node, how) ?:
	      vdi_node_disk_size(node, how);
	if (ret)
		return vdi_node_disk_unwritten(node, ret);
	pos = iocb->ki_flags & IOCB_APPEND ? node->size : iocb->ki_pos;
	if (iov_iter_count(from) > MAX_LFS_FILESIZE - pos)
		return -EFBIG;
	while (!ret && iov_iter_count(from)) {
		goes_on = vdi_node_window_at(node, pos);
		ret = vdi_node_window(node, pos, how);
		if (ret)
			break;
		buffer = vdi_node_filling(node);
		n = vdi_area_from_iter(&node->call.set->area,
				       buffer->offset + node->fill,
				       node->transfer - node->fill, from);
		if (!n) {
			ret = -EFAULT;
			/* Nothing of the user's is in it: not to be sent */
			node->filling = goes_on;
			break;
		}
		node->fill += n;
		node->pad -= min_t(size_t, node->pad, n);
		pos += n;
		done += n;
		node->size = max(node->size, pos);
		if (node->fill == node->transfer)
			ret = vdi_node_send(node);
	}
	if (node->filling)
		err = vdi_node_round_window(node);
	/* What was taken over already cannot be stored, nor is the call repeated */
	if (err)
		node->error = err == -ERESTARTSYS ? -EIO : err;
	iocb->ki_pos = pos;
	ret = ret == -EFAULT ? ret : vdi_node_disk_unwritten(node, ret);
	return done ?: ret;
}

/* The ring is to have Reads from @pos on; @want is how much is wanted now */
static int vdi_node_read_at(struct vdi_node *node, u64 pos, size_t want,
			    enum vdi_node_how how)
{
	struct vdi_node_buffer *head = &node->buffers[node->head];
	unsigned int ahead;
	u64 len;
	int ret;

	if (!node->reading) {
		ret = vdi_node_push(node, how);
		if (ret)
			return ret;
		node->reading = true;
		node->sequential = false;
	}
	if (node->count && (pos < head->position ||
			    pos >= head->position + head->length)) {
		ret = vdi_node_drop_reads(node, how);
		if (ret)
			return ret;
		node->sequential = false;
	}
	if (!node->count && (node->next != pos || !node->sequential)) {
		node->next = round_down(pos, (u64)node->block);
		node->sequential = false;
	}
	if (!node->count && node->errored) {
		ret = vdi_node_clear(node, how);
		if (ret)
			return ret;
	}
	ahead = node->sequential ? node->depth : 1;
	while (node->count < ahead && node->next < node->size &&
	       !node->errored) {
		len = min_t(u64, node->transfer, node->size - node->next);
		if (!node->sequential)
			len = min(len, round_up(pos + want - node->next,
						(u64)node->block));
		ret = vdi_node_send_read(node, len);
		if (ret)
			return ret == -EREMOTEIO && node->count ? 0 : ret;
	}
	return 0;
}

/**
 * vdi_node_read_disk() - read(2)
 * @node: the node
 * @iocb: position
 * @to: where to
 * @how: how to wait
 *
 * Return: bytes, 0 at the end, or -errno if there were none.
 */
ssize_t vdi_node_read_disk(struct vdi_node *node, struct kiocb *iocb,
			   struct iov_iter *to, enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	u64 pos = iocb->ki_pos, at;
	size_t done = 0, n;
	int ret;

	ret = vdi_node_disk_size(node, how);
	while (!ret && iov_iter_count(to) && pos < node->size) {
		ret = vdi_node_read_at(node, pos, iov_iter_count(to), how) ?:
		      vdi_node_head(node, how, &buffer);
		if (ret)
			break;
		at = pos - buffer->position;
		/* Shorter than it should be: the end, or an error */
		if (at >= buffer->result) {
			if (buffer->code != VDI_CODE_HANDLE_EOF &&
			    buffer->code != VDI_CODE_NO_DATA_DETECTED)
				ret = buffer->code ?
					      vdi_node_errno(buffer->code) :
					      -EIO;
			vdi_node_drop_head(node);
			/* Those behind it were not tried: that is no error */
			if (ret)
				vdi_node_drop_reads(node, how);
			break;
		}
		n = min_t(u64, buffer->result - at, node->size - pos);
		n = vdi_area_to_iter(&node->call.set->area,
				     buffer->offset + at, n, to);
		if (!n)
			ret = -EFAULT;
		pos += n;
		done += n;
		if (at + n == buffer->length) {
			vdi_node_drop_head(node);
			node->sequential = true;
		}
	}
	iocb->ki_pos = pos;
	return done ?: ret;
}
