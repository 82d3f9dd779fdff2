// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a node's file: what a close, and the death of a program that has it
 * open, mean for the set.
 *
 * The end in order has phases, one after the other: data, filemark, Flush,
 * Complete, CloseDevice.  close(2) of the last descriptor goes through them and
 * returns what the client has answered.  The end of a process must not wait for a
 * client, so what it leaves is done in the background: each answer of the client
 * wakes the work that goes on with the next phase.  No thread waits meanwhile.
 *
 * Whoever ends badly while it has the file open aborts the set at once.
 */
#include <linux/ctype.h>
#include <linux/module.h>
#include <linux/sched/signal.h>

#include "command.h"
#include "device.h"
#include "main.h"
#include "node.h"
#include "state.h"

struct workqueue_struct *vdi_node_wq;

/* Somebody gives up: @who is the current process, or who had the file open last */
static void vdi_node_abort(struct vdi_node *node, u32 reason, bool current_is_who,
			   const char *text)
{
	struct vdi_handle *handle = node->handle;
	struct vdi_cause cause = { .reason = reason };

	strscpy(cause.text, text, sizeof(cause.text));
	if (current_is_who) {
		vdi_who_current(&cause.who, VDI_ROLE_SERVER);
	} else {
		spin_lock(&handle->lock);
		vdi_who_copy(&cause.who, &handle->who);
		spin_unlock(&handle->lock);
	}
	vdi_set_abort(node->call.set, &cause);
	vdi_who_put(&cause.who);
}

/* Names of programs are their own choice: only what may be shown is */
static void vdi_node_program(char *to, size_t size)
{
	char *c;

	strscpy(to, current->group_leader->comm, size);
	for (c = to; *c; c++)
		if (!isascii(*c) || !isprint(*c))
			*c = '?';
}

/**
 * vdi_node_holder_exits() - A process ends with a descriptor of the node
 * @node: the node
 *
 * One that was killed or exits with a status other than 0 has not done its work.
 *
 * Return: true if the set was aborted for it.
 */
bool vdi_node_holder_exits(struct vdi_node *node)
{
	char program[TASK_COMM_LEN], text[VDI_TEXT_SIZE];
	int code = current->signal->flags & SIGNAL_GROUP_EXIT ?
			   current->signal->group_exit_code :
			   current->exit_code;

	/* Of a device that has ended in order there is nothing to lose */
	if (!code || (node->last && READ_ONCE(node->phase) == VDI_NODE_PHASE_DONE))
		return false;
	vdi_node_program(program, sizeof(program));
	if (code & 0x7f)
		snprintf(text, sizeof(text), "%s was killed by signal %d with %s open",
			 program, code & 0x7f, dev_name(&node->dev));
	else
		snprintf(text, sizeof(text), "%s exited with status %d with %s open",
			 program, code >> 8 & 0xff, dev_name(&node->dev));
	vdi_node_abort(node, VDI_REASON_SERVER_DIED, true, text);
	return true;
}

/* One command of the end: what the client says to it */
static int vdi_node_end_command(struct vdi_node *node, u16 code,
				enum vdi_node_how how)
{
	int ret = vdi_node_command(node, code, 0, 0, how);

	return ret ?: vdi_node_errno(node->command.answer);
}

/* The last step; the client may have ended when it had promised all */
static int vdi_node_close_device(struct vdi_node *node)
{
	struct vdi_set *set = node->call.set;
	int ret = vdi_device_close(node->handle, set);

	if (ret != -ECANCELED || !node->written)
		return ret;
	spin_lock(&set->lock);
	if (vdi_state_promised(set))
		ret = 0;
	spin_unlock(&set->lock);
	return ret;
}

/* One phase; the next one follows if it returns 0 */
static int vdi_node_finish_phase(struct vdi_node *node, enum vdi_node_how how)
{
	bool ends_written = node->last && node->written;

	switch (node->phase) {
	case VDI_NODE_PHASE_DATA:
		return node->writable && !node->reading ?
			       vdi_node_push(node, how) : node->error;
	case VDI_NODE_PHASE_MARK:
		return node->marking ? vdi_node_write_mark(node, how) : 0;
	case VDI_NODE_PHASE_FLUSH:
		/* Also of a stream in which nothing is: the client is to know */
		node->wrote |= ends_written;
		return node->writable ? vdi_node_flush(node, how) : 0;
	case VDI_NODE_PHASE_COMPLETE:
		return ends_written &&
		       node->features & VDI_FEAT_COMPLETE_ENABLED ?
			       vdi_node_end_command(node, VDI_CMD_COMPLETE, how) :
			       0;
	case VDI_NODE_PHASE_CLOSE:
		return node->last ? vdi_node_close_device(node) : 0;
	case VDI_NODE_PHASE_DONE:
		break;
	}
	return 0;
}

/* It did not end in order: nobody may take it for good */
static void vdi_node_end_badly(struct vdi_node *node, int err, bool current_is_who)
{
	char text[VDI_TEXT_SIZE];

	snprintf(text, sizeof(text), "%s: %s (error %d)", dev_name(&node->dev),
		 node->phase < VDI_NODE_PHASE_FLUSH ? "the data was not stored" :
						      "the end was refused",
		 -err);
	vdi_node_abort(node, VDI_REASON_SERVER_CLOSE, current_is_who, text);
}

/**
 * vdi_node_finish() - End the use of a node by a file in order
 * @node: the node; node->lock held
 * @how: how to wait
 *
 * A tape's device goes on, unless node->last is set, and so it does after an
 * error that leaves it usable.
 *
 * Return: 0, -errno, or -EAGAIN to be called again.
 */
int vdi_node_finish(struct vdi_node *node, enum vdi_node_how how)
{
	int ret = vdi_node_settle_command(node, how);

	if (ret == -EAGAIN || ret == -ERESTARTSYS)
		return ret;
	while (!ret && node->phase < VDI_NODE_PHASE_DONE) {
		ret = vdi_node_finish_phase(node, how);
		if (ret == -EAGAIN || ret == -ERESTARTSYS)
			return ret;
		if (!ret)
			node->phase++;
	}
	/* In the background nobody else learns of it */
	if (ret && (node->last || node->error || how == VDI_NODE_NONBLOCK))
		vdi_node_end_badly(node, ret, how != VDI_NODE_NONBLOCK);
	node->phase = VDI_NODE_PHASE_DONE;
	return ret;
}

/* No file has the node open any more, and nothing is to be done for one */
static void vdi_node_finished(struct vdi_node *node)
{
	if (node->last)
		vdi_node_set_over(node);
	vdi_node_settle(node);
}

static void vdi_node_work(struct work_struct *work)
{
	struct vdi_node *node = container_of(work, struct vdi_node, work);
	bool done = false;

	mutex_lock(&node->lock);
	if (node->waiting) {
		done = vdi_node_finish(node, VDI_NODE_NONBLOCK) != -EAGAIN;
		node->waiting = !done;
	}
	mutex_unlock(&node->lock);
	if (done) {
		remove_wait_queue(&node->handle->wq, &node->waiter);
		vdi_node_finished(node);
		put_device(&node->dev);
		/* vdi_node_exit() waits for the rest of this function */
		module_put(THIS_MODULE);
	}
	put_device(&node->dev);		/* of the one who queued the work */
}

static void vdi_node_queue(struct vdi_node *node)
{
	get_device(&node->dev);
	if (!queue_work(vdi_node_wq, &node->work))
		put_device(&node->dev);
}

/* Under the locks of the set and of the queue */
static int vdi_node_wake(struct wait_queue_entry *waiter, unsigned int mode,
			 int flags, void *key)
{
	vdi_node_queue(container_of(waiter, struct vdi_node, waiter));
	return 0;
}

/**
 * vdi_node_init_end() - Part of making a node
 * @node: the node
 */
void vdi_node_init_end(struct vdi_node *node)
{
	INIT_WORK(&node->work, vdi_node_work);
	init_waitqueue_func_entry(&node->waiter, vdi_node_wake);
}

/**
 * vdi_node_finish_later() - End the use of a node in the background
 * @node: the node; its file has been closed
 *
 * Does nothing but to settle the node if close(2) has done the rest.
 *
 * Context: must not wait for the client.
 */
void vdi_node_finish_later(struct vdi_node *node)
{
	bool done;

	mutex_lock(&node->lock);
	done = node->phase == VDI_NODE_PHASE_DONE;
	/* It had no descriptor, so nobody knows how its user ended */
	if (!done && !node->in_order)
		vdi_node_abort(node, VDI_REASON_SERVER_DIED, false,
			       "the node was released without a close");
	if (!done) {
		/* Held by the file until we return, so this cannot fail */
		__module_get(THIS_MODULE);
		get_device(&node->dev);
		node->waiting = true;
		add_wait_queue(&node->handle->wq, &node->waiter);
	}
	mutex_unlock(&node->lock);
	if (done)
		vdi_node_finished(node);
	else
		vdi_node_queue(node);
}

/**
 * vdi_node_close() - close(2) of the last descriptor by a running program
 * @node: the node
 *
 * Context: waits for the client; can be killed.
 * Return: 0 or what the program is to know.
 */
int vdi_node_close(struct vdi_node *node)
{
	int ret;

	if (mutex_lock_killable(&node->lock))
		return -EINTR;
	/* Ended by MTOFFL, or by a close that has failed */
	ret = node->phase == VDI_NODE_PHASE_DONE ? 0 :
		      vdi_node_finish(node, VDI_NODE_KILLABLE);
	/* Killed: the file is closed by that, and nobody waits for the rest */
	if (ret == -ERESTARTSYS) {
		vdi_node_abort(node, VDI_REASON_SERVER_DIED, true,
			       "killed while it closed the node");
		node->phase = VDI_NODE_PHASE_DONE;
		ret = -EINTR;
	}
	mutex_unlock(&node->lock);
	return ret;
}
