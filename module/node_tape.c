// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a node of a tape-like device does as a tape drive, the way the st driver
 * does it: blocks, filemarks, the end of the medium, and the operations of mtio.h.
 *
 * A block of the drive is a Write of that length, at most of the block size of
 * the set; to read one, a Read asks for the block size.  Where the client tells of
 * the end of the medium in time (5, EOMWarningSize), Writes are sent ahead;
 * where it does not, each is waited for, so that the one that failed is known.
 */
#include <linux/errno.h>
#include <linux/mtio.h>
#include <linux/uaccess.h>

#include "area.h"
#include "node.h"

#define VDI_EJECT	1	/* of Load (7.1): the medium goes out first */

/* All that was sent is stored in time even if a warning comes */
static bool vdi_node_may_send_ahead(const struct vdi_node *node)
{
	return node->call.set->config.eom_warning_size >=
	       (u64)node->depth * node->block;
}

static void vdi_node_at_block(struct vdi_node *node, s32 blkno)
{
	node->blkno = blkno;
	node->at_eof = false;
	node->at_eod = false;
}

static void vdi_node_at_file(struct vdi_node *node, s32 fileno)
{
	node->fileno = fileno < 0 ? -1 : fileno;
	vdi_node_at_block(node, fileno < 0 ? -1 : 0);
}

/*
 * A read that had something has met a filemark, which the next read is to tell.
 * For all else the tape stands before it (as the st driver has it).  Begun again
 * after a signal it would go back twice, so it may only be killed.
 */
static int vdi_node_before_mark(struct vdi_node *node)
{
	int ret;

	if (!node->mark_pending)
		return 0;
	ret = vdi_node_command(node, VDI_CMD_SKIP_MARKS, -1, 0,
			       VDI_NODE_KILLABLE);
	if (ret)
		return ret;
	node->mark_pending = false;
	return vdi_node_errno(node->command.answer);
}

/* One block; what was taken over is not doubled by a signal, so it may be killed */
static int vdi_node_write_block(struct vdi_node *node, struct iov_iter *from,
				size_t len, enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	int ret;

	ret = vdi_node_begin_fill(node, how);
	if (ret)
		return ret;
	/* The st driver: every other write, so that a trailer can be written */
	if (node->warned) {
		node->warned = false;
		node->filling = false;
		return -ENOSPC;
	}
	buffer = vdi_node_filling(node);
	if (vdi_area_from_iter(&node->call.set->area, buffer->offset, len,
			       from) != len) {
		node->filling = false;
		return -EFAULT;
	}
	node->fill = len;
	node->marking = true;
	node->written = true;
	ret = vdi_node_send(node);
	if (!ret && !vdi_node_may_send_ahead(node))
		ret = vdi_node_drain(node, VDI_NODE_KILLABLE);
	if (ret == -ENOSPC && !vdi_node_may_send_ahead(node)) {
		/* Only this one is not stored, and its writer knows */
		node->error = 0;
		node->count = 0;
		ret = vdi_node_clear(node, VDI_NODE_KILLABLE) ?: -ENOSPC;
	}
	if (!ret)
		vdi_node_at_block(node, node->blkno < 0 ? -1 : node->blkno + 1);
	return ret;
}

/**
 * vdi_node_write_tape() - write(2): one block, or several of a fixed size
 * @node: the node
 * @from: the data
 * @how: how to wait
 *
 * Return: bytes taken over, or -errno if there were none.
 */
ssize_t vdi_node_write_tape(struct vdi_node *node, struct iov_iter *from,
			    enum vdi_node_how how)
{
	size_t len = iov_iter_count(from), block = node->set_block, done = 0;
	int ret = 0;

	if (block ? len % block : len > node->block)
		return -EINVAL;
	if (!block)
		block = len;
	/* A Read that a signal has left */
	if (node->reading)
		ret = vdi_node_drop_reads(node, how);
	if (!ret)
		ret = vdi_node_before_mark(node);
	if (ret)
		return ret;
	node->reading = false;
	while (!ret && done < len) {
		ret = vdi_node_write_block(node, from, block, how);
		if (!ret)
			done += block;
	}
	return done ?: ret;
}

static int vdi_node_mark_answer(struct vdi_node *node)
{
	/* In the warning zone it is written */
	if (node->command.answer == VDI_CODE_END_OF_MEDIA)
		return 0;
	return vdi_node_errno(node->command.answer);
}

/**
 * vdi_node_write_mark() - WriteMark
 * @node: the node
 * @how: how to wait
 *
 * Return: 0 or -errno.
 */
int vdi_node_write_mark(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = vdi_node_push(node, how) ?:
		  vdi_node_command(node, VDI_CMD_WRITE_MARK, 0, 0, how);

	if (ret)
		return ret;
	node->marking = false;
	node->wrote = true;
	node->written = true;
	ret = vdi_node_mark_answer(node);
	vdi_node_at_file(node, ret || node->fileno < 0 ? -1 : node->fileno + 1);
	return ret;
}

/* A Read has not given a block: a filemark, the end, or an error */
static int vdi_node_no_block(struct vdi_node *node, u32 code)
{
	switch (code) {
	case VDI_CODE_FILEMARK_DETECTED:
		vdi_node_at_file(node, node->fileno < 0 ? -1 :
						  node->fileno + 1);
		node->at_eof = true;
		return 0;
	case VDI_CODE_HANDLE_EOF:
	case VDI_CODE_NO_DATA_DETECTED:
		/* The first time it is an end of file, then an error */
		if (node->at_eod)
			return -EIO;
		node->at_eod = true;
		return 0;
	default:
		node->blkno = -1;
		node->fileno = -1;
		return vdi_node_errno(code);
	}
}

/* One block into @to; 0 at a filemark, which is for the next call after @done */
static ssize_t vdi_node_read_block(struct vdi_node *node, struct iov_iter *to,
				   size_t room, size_t done,
				   enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	u32 len, code;
	size_t n;
	int ret;

	if (!node->count) {
		ret = vdi_node_clear(node, how);
		if (ret)
			return ret;
		node->next = 0;
		ret = vdi_node_send_read(node, node->block);
		if (ret)
			return ret;
	}
	/* One that a signal has interrupted is still under way */
	ret = vdi_node_head(node, how, &buffer);
	if (ret)
		return ret;
	len = buffer->result;
	code = buffer->code;
	n = 0;
	if (len && len <= room)
		n = vdi_area_to_iter(&node->call.set->area, buffer->offset,
				     len, to);
	vdi_node_drop_head(node);
	node->reading = false;
	if (!len && done && code == VDI_CODE_FILEMARK_DETECTED)
		node->mark_pending = true;
	/* Data first; to meet the end twice does no harm */
	if (!len && done && (code == VDI_CODE_FILEMARK_DETECTED ||
			     code == VDI_CODE_HANDLE_EOF ||
			     code == VDI_CODE_NO_DATA_DETECTED))
		return 0;
	if (!len)
		return code ? vdi_node_no_block(node, code) : -EIO;
	vdi_node_at_block(node, node->blkno < 0 ? -1 : node->blkno + 1);
	/* A filemark right behind it: for the next read */
	if (code == VDI_CODE_FILEMARK_DETECTED)
		node->mark_pending = true;
	else if (code && code != VDI_CODE_HANDLE_EOF &&
		 code != VDI_CODE_NO_DATA_DETECTED)
		return vdi_node_errno(code);
	if (len > room)
		return -ENOMEM;
	return n == len ? len : -EFAULT;
}

/* What was written comes before what is read or moved over */
static int vdi_node_end_writing(struct vdi_node *node, enum vdi_node_how how)
{
	int ret;

	if (node->reading)
		return 0;
	ret = vdi_node_push(node, how);
	if (!ret && node->marking)
		ret = vdi_node_write_mark(node, how);
	return ret;
}

/**
 * vdi_node_read_tape() - read(2): one block, or several of a fixed size
 * @node: the node
 * @to: where to
 * @how: how to wait
 *
 * Return: bytes, 0 at a filemark and once at the end of the data, or -errno.
 */
ssize_t vdi_node_read_tape(struct vdi_node *node, struct iov_iter *to,
			   enum vdi_node_how how)
{
	size_t room = iov_iter_count(to), block = node->set_block, done = 0;
	ssize_t ret;

	if (block && room % block)
		return -EINVAL;
	ret = vdi_node_end_writing(node, VDI_NODE_KILLABLE);
	if (ret)
		return ret;
	do {
		if (node->mark_pending) {
			if (done)
				break;
			node->mark_pending = false;
			return vdi_node_no_block(node,
						 VDI_CODE_FILEMARK_DETECTED);
		}
		node->reading = true;
		ret = vdi_node_read_block(node, to, block ?: room, done, how);
		if (ret > 0)
			done += ret;
	} while (block && ret == block && done < room);
	/* A signal leaves the Read for the next call; an error has moved the tape */
	if (done && (ret >= 0 || ret == -ERESTARTSYS))
		return done;
	return ret;
}

/*
 * A command that moves the tape; its answer may be one that is expected.  No
 * transfer is under way: whoever moves it has had all of them answered.
 */
static int vdi_node_move(struct vdi_node *node, u16 code, s32 arg, u64 position)
{
	node->mark_pending = false;
	node->marking = false;
	return vdi_node_command(node, code, arg, position, VDI_NODE_KILLABLE);
}

static int vdi_node_skip_marks(struct vdi_node *node, s32 count)
{
	int ret = vdi_node_move(node, VDI_CMD_SKIP_MARKS, count, 0);

	if (ret)
		return ret;
	if (node->command.answer) {
		bool end = node->command.answer == VDI_CODE_NO_DATA_DETECTED ||
			   node->command.answer == VDI_CODE_HANDLE_EOF;

		vdi_node_at_file(node, node->command.answer ==
					VDI_CODE_BEGINNING_OF_MEDIA ? 0 : -1);
		node->at_eod = end;
		return end ? -EIO : vdi_node_errno(node->command.answer);
	}
	vdi_node_at_file(node, node->fileno < 0 ? -1 : node->fileno + count);
	node->at_eof = count > 0;
	if (count < 0)
		node->blkno = -1;
	return 0;
}

static int vdi_node_skip_blocks(struct vdi_node *node, s32 count)
{
	int ret = vdi_node_move(node, VDI_CMD_SKIP_BLOCKS, count, 0);

	if (ret)
		return ret;
	if (node->command.answer) {
		/* Stopped at a filemark, or at an end: EIO, as the st driver */
		bool mark = node->command.answer == VDI_CODE_FILEMARK_DETECTED;

		if (mark && count > 0 && node->fileno >= 0)
			vdi_node_at_file(node, node->fileno + 1);
		else
			vdi_node_at_file(node, -1);
		node->at_eof = mark && count > 0;
		return mark ? -EIO : vdi_node_errno(node->command.answer);
	}
	vdi_node_at_block(node, node->blkno < 0 ? -1 : node->blkno + count);
	return 0;
}

static int vdi_node_rewind(struct vdi_node *node)
{
	int ret = vdi_node_move(node, VDI_CMD_REWIND, 0, 0);

	if (!ret)
		ret = vdi_node_errno(node->command.answer);
	vdi_node_at_file(node, ret ? -1 : 0);
	return ret;
}

/* To the end of the data: behind as many marks as there are */
static int vdi_node_to_end(struct vdi_node *node)
{
	int ret = vdi_node_move(node, VDI_CMD_SKIP_MARKS, S32_MAX, 0);

	if (ret)
		return ret;
	vdi_node_at_file(node, -1);
	node->at_eod = true;
	if (node->command.answer == VDI_CODE_NO_DATA_DETECTED ||
	    node->command.answer == VDI_CODE_HANDLE_EOF)
		return 0;
	return vdi_node_errno(node->command.answer);
}

static int vdi_node_seek(struct vdi_node *node, s32 block)
{
	int ret = vdi_node_move(node, VDI_CMD_SET_POSITION, 0, block);

	if (!ret)
		ret = vdi_node_errno(node->command.answer);
	vdi_node_at_file(node, block ? -1 : 0);
	return ret;
}

static int vdi_node_load(struct vdi_node *node)
{
	int ret;

	ret = vdi_node_flush(node, VDI_NODE_KILLABLE) ?:
	      vdi_node_move(node, VDI_CMD_LOAD, VDI_EJECT, 0);
	if (!ret)
		ret = vdi_node_errno(node->command.answer);
	if (!ret)
		node->warned = false;
	vdi_node_at_file(node, ret ? -1 : 0);
	return ret;
}

/* The end of the device: what the client says is the answer */
static int vdi_node_offline(struct vdi_node *node)
{
	node->last = true;
	return vdi_node_finish(node, VDI_NODE_KILLABLE);
}

static int vdi_node_marks(struct vdi_node *node, int count)
{
	int ret = vdi_node_push(node, VDI_NODE_KILLABLE);

	while (!ret && count-- > 0)
		ret = vdi_node_write_mark(node, VDI_NODE_KILLABLE);
	return ret;
}

static int vdi_node_set_block(struct vdi_node *node, int size)
{
	int ret = vdi_node_push(node, VDI_NODE_KILLABLE);

	if (size < 0 || size > node->block)
		return -EINVAL;
	if (!ret)
		node->set_block = size;
	return ret;
}

static int vdi_node_tape_op(struct vdi_node *node, const struct mtop *op)
{
	int count = op->mt_count, ret = 0;

	if (node->reading && op->mt_op != MTOFFL && op->mt_op != MTUNLOAD) {
		ret = vdi_node_drop_reads(node, VDI_NODE_KILLABLE);
		if (ret)
			return ret;
		node->reading = false;
	}
	/* What needs no medium that stands at its place */
	switch (op->mt_op) {
	case MTWEOF:
	case MTWEOFI:
		if (!node->writable)
			return -EACCES;
		if (count < 0)
			return -EINVAL;
		return vdi_node_before_mark(node) ?:
		       vdi_node_marks(node, count);
	case MTSETBLK:
		return vdi_node_set_block(node, count);
	case MTOFFL:
	case MTUNLOAD:
		return vdi_node_offline(node);
	}
	if (count < 0 || count == INT_MAX)
		return -EINVAL;
	/* As the st driver: these write the mark of what was written before */
	switch (op->mt_op) {
	case MTBSF:
	case MTBSFM:
		/* and it does not count */
		count += node->marking;
		fallthrough;
	case MTREW:
	case MTRETEN:
	case MTSEEK:
	case MTLOAD:
		ret = vdi_node_end_writing(node, VDI_NODE_KILLABLE);
		break;
	default:
		ret = vdi_node_push(node, VDI_NODE_KILLABLE);
	}
	/* These go to a place that does not depend on where the tape is */
	if (!ret && op->mt_op != MTREW && op->mt_op != MTRETEN &&
	    op->mt_op != MTSEEK && op->mt_op != MTLOAD)
		ret = vdi_node_before_mark(node);
	if (ret)
		return ret;
	switch (op->mt_op) {
	case MTNOP:
	case MTRESET:
		return 0;
	case MTFSF:
		return count ? vdi_node_skip_marks(node, count) : 0;
	case MTBSF:
		return count ? vdi_node_skip_marks(node, -count) : 0;
	case MTFSFM:
		return vdi_node_skip_marks(node, count) ?:
		       vdi_node_skip_marks(node, -1);
	case MTBSFM:
		return vdi_node_skip_marks(node, -count) ?:
		       vdi_node_skip_marks(node, 1);
	case MTFSR:
		return count ? vdi_node_skip_blocks(node, count) : 0;
	case MTBSR:
		return count ? vdi_node_skip_blocks(node, -count) : 0;
	case MTREW:
	case MTRETEN:
		return vdi_node_rewind(node);
	case MTEOM:
		return vdi_node_to_end(node);
	case MTSEEK:
		return vdi_node_seek(node, count);
	case MTLOAD:
		return vdi_node_load(node);
	default:
		return -EOPNOTSUPP;
	}
}

static void vdi_node_tape_status(const struct vdi_node *node, struct mtget *get)
{
	get->mt_type = MT_ISSCSI2;
	get->mt_dsreg = node->set_block << MT_ST_BLKSIZE_SHIFT &
			MT_ST_BLKSIZE_MASK;
	get->mt_fileno = node->fileno;
	get->mt_blkno = node->blkno;
	get->mt_gstat = GMT_ONLINE(~0L);
	if (!node->fileno && !node->blkno)
		get->mt_gstat |= GMT_BOT(~0L);
	if (node->at_eof)
		get->mt_gstat |= GMT_EOF(~0L);
	if (node->at_eod)
		get->mt_gstat |= GMT_EOD(~0L);
	if (node->warned)
		get->mt_gstat |= GMT_EOT(~0L);
}

static int vdi_node_tell(struct vdi_node *node, struct mtpos *pos)
{
	int ret = node->reading ? vdi_node_drop_reads(node, VDI_NODE_KILLABLE) :
				  vdi_node_push(node, VDI_NODE_KILLABLE);

	if (!ret)
		ret = vdi_node_before_mark(node);
	if (!ret)
		ret = vdi_node_command(node, VDI_CMD_GET_POSITION, 0, 0,
				       VDI_NODE_KILLABLE);
	if (!ret)
		ret = vdi_node_errno(node->command.answer);
	pos->mt_blkno = node->command.result;
	return ret;
}

/**
 * vdi_node_tape_ioctl() - mtio.h
 * @node: the node of a tape
 * @cmd: MTIOC*
 * @arg: its argument
 *
 * Return: 0 or -errno.
 */
long vdi_node_tape_ioctl(struct vdi_node *node, unsigned int cmd,
			 void __user *arg)
{
	struct mtget get = {};
	struct mtpos pos = {};
	struct mtop op;
	int ret;

	switch (cmd) {
	case MTIOCTOP:
		if (copy_from_user(&op, arg, sizeof(op)))
			return -EFAULT;
		return vdi_node_tape_op(node, &op);
	case MTIOCGET:
	case MTIOCGET32:
		vdi_node_tape_status(node, &get);
		return put_user_mtget(arg, &get);
	case MTIOCPOS:
	case MTIOCPOS32:
		ret = vdi_node_tell(node, &pos);
		return ret ?: put_user_mtpos(arg, &pos);
	default:
		return -ENOTTY;
	}
}
