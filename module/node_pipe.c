// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stream of a pipe-like node: read, write and poll.
 */
#include <linux/errno.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

#include "area.h"
#include "node.h"
#include "state.h"

/**
 * vdi_node_read_ahead() - Keep Reads of a pipe under way
 * @node: the node
 */
void vdi_node_read_ahead(struct vdi_node *node)
{
	while (!node->eof && !node->full && !node->errored &&
	       node->count < node->depth)
		if (vdi_node_send_read(node, node->transfer))
			break;
}

/**
 * vdi_node_write_pipe() - write(2)
 * @node: the node
 * @from: the data
 * @how: how to wait
 *
 * Return: bytes taken over, or -errno if there were none.
 */
ssize_t vdi_node_write_pipe(struct vdi_node *node, struct iov_iter *from,
			    enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	size_t done = 0, n;
	int ret = 0;

	while (!ret && iov_iter_count(from)) {
		ret = vdi_node_begin_fill(node, how);
		if (ret)
			break;
		buffer = vdi_node_filling(node);
		n = vdi_area_from_iter(&node->call.set->area,
				       buffer->offset + node->fill,
				       node->transfer - node->fill, from);
		if (!n)
			ret = -EFAULT;
		node->fill += n;
		done += n;
		if (node->fill == node->transfer)
			ret = vdi_node_send(node);
	}
	return done ?: ret;
}

/*
 * All of a medium was read.  A removable one may be followed by another: Load
 * says whether there is one.
 */
static int vdi_node_read_next(struct vdi_node *node, enum vdi_node_how how)
{
	u32 answer;
	int ret;

	ret = vdi_node_drop_reads(node, how);
	if (!ret && node->features & VDI_FEAT_REMOVABLE)
		ret = vdi_node_load_medium(node, how);
	if (ret)
		return ret;
	node->full = false;
	answer = node->command.answer;
	node->eof = answer || !(node->features & VDI_FEAT_REMOVABLE);
	if (node->eof && answer != VDI_CODE_SUCCESS &&
	    answer != VDI_CODE_NO_MEDIA_IN_DRIVE &&
	    answer != VDI_CODE_NO_DATA_DETECTED &&
	    answer != VDI_CODE_HANDLE_EOF)
		return vdi_node_fail(node, vdi_node_errno(answer));
	return 0;
}

/* The oldest Read is used up: what does its answer say? */
static int vdi_node_read_on(struct vdi_node *node,
			    const struct vdi_node_buffer *buffer)
{
	u32 code = buffer->code;

	node->full = code == VDI_CODE_HANDLE_EOF ||
		     code == VDI_CODE_NO_DATA_DETECTED;
	vdi_node_drop_head(node);
	return code && !node->full ? vdi_node_fail(node, vdi_node_errno(code)) :
				     0;
}

/**
 * vdi_node_read_pipe() - read(2)
 * @node: the node
 * @to: where to
 * @how: how to wait
 *
 * Does not wait for more when it has something.
 *
 * Return: bytes, 0 at the end, or -errno.
 */
ssize_t vdi_node_read_pipe(struct vdi_node *node, struct iov_iter *to,
			   enum vdi_node_how how)
{
	struct vdi_node_buffer *buffer;
	size_t done = 0, n;
	int ret = 0;

	while (!ret && iov_iter_count(to) && !node->eof) {
		if (node->full) {
			ret = vdi_node_read_next(node, done ?
						 VDI_NODE_NONBLOCK : how);
			continue;
		}
		vdi_node_read_ahead(node);
		if (!node->count)
			return done ?: -ECANCELED;
		ret = vdi_node_head(node, done ? VDI_NODE_NONBLOCK : how,
				    &buffer);
		if (ret)
			break;
		n = vdi_area_to_iter(&node->call.set->area,
				     buffer->offset + buffer->start,
				     buffer->result - buffer->start, to);
		if (!n && buffer->start < buffer->result)
			ret = -EFAULT;
		/* A client may answer with nothing for ever */
		if (!buffer->result && signal_pending(current))
			ret = -ERESTARTSYS;
		if (!buffer->result)
			cond_resched();
		buffer->start += n;
		done += n;
		if (!ret && buffer->start == buffer->result)
			ret = vdi_node_read_on(node, buffer);
		if (!ret && !buffer->result && !node->full &&
		    how == VDI_NODE_NONBLOCK)
			ret = -EAGAIN;
	}
	vdi_node_read_ahead(node);
	return done ?: ret;
}

/* Would a read or write go on, or tell of an error? */
static bool vdi_node_pipe_ready(struct vdi_node *node)
{
	bool command = node->command.code && !node->command.answered;

	if (node->error || node->phase)
		return true;
	/* Each call settles first what a signal has left */
	if (command && node->command.left)
		return false;
	/* Between two media */
	if (node->full && (!node->writable || vdi_node_wants_load(node)))
		return !command && vdi_node_all_answered(node);
	if (!node->writable)
		return node->eof ||
		       (node->count && vdi_node_at(node, 0)->answered);
	if (node->errored || node->again)
		return !command && vdi_node_all_answered(node);
	return node->filling || node->count < node->depth ||
	       vdi_node_at(node, 0)->answered;
}

/**
 * vdi_node_poll_pipe() - What poll says of a pipe
 * @node: the node; the caller has queued itself at its handle
 *
 * Return: EPOLL* mask.
 */
__poll_t vdi_node_poll_pipe(struct vdi_node *node)
{
	struct vdi_set *set = node->call.set;
	u64 bit = BIT_ULL(node->index);
	__poll_t mask = 0;
	bool answers;

	spin_lock(&set->lock);
	answers = set->ready[VDI_SERVER] & bit;
	if (vdi_state_aborted(set))
		mask = EPOLLERR | EPOLLHUP;
	spin_unlock(&set->lock);
	/* Who has the lock wakes those that have missed it */
	if (!mask && vdi_node_trylock(node)) {
		if (answers)
			vdi_node_collect(node);
		answers = vdi_node_pipe_ready(node);
		if (node->error)
			mask = EPOLLERR;
		vdi_node_unlock_polled(node);
	}
	if (mask || answers)
		mask |= node->writable ? EPOLLOUT | EPOLLWRNORM :
					 EPOLLIN | EPOLLRDNORM;
	return mask;
}
