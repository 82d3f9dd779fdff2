// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's half of the interface for one node: commands, and their answers.
 *
 * All under node->lock, a mutex: users' memory may be touched under it, and
 * whoever waits for it can be killed.  A function that cannot go on without
 * waiting and may not wait returns -EAGAIN, and is called again: each of them goes
 * on where it was.
 */
#include <linux/errno.h>
#include <linux/poll.h>
#include <linux/sched/signal.h>

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

	if (nonblock && !vdi_node_trylock(node))
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
		vdi_node_unlock_polled(node);
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
 * vdi_node_trylock() - Get the lock if it is free
 * @node: the node
 *
 * Who does not get it is woken when it is free, by either kind of unlock.
 *
 * Return: true if so.
 */
bool vdi_node_trylock(struct vdi_node *node)
{
	if (mutex_trylock(&node->lock))
		return true;
	WRITE_ONCE(node->missed, true);
	/* Either this one gets it now, or the other one sees that it did not */
	smp_mb();
	return mutex_trylock(&node->lock);
}

/**
 * vdi_node_unlock_polled() - End of a look at a node that has changed nothing
 * @node: the node
 *
 * Pollers that woke one another each time would never come to an end.
 */
void vdi_node_unlock_polled(struct vdi_node *node)
{
	struct vdi_handle *handle = node->handle;

	mutex_unlock(&node->lock);
	/* Pairs with that of vdi_node_trylock() */
	smp_mb();
	if (!READ_ONCE(node->missed))
		return;
	WRITE_ONCE(node->missed, false);
	if (handle)
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
