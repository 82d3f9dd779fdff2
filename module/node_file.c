// SPDX-License-Identifier: GPL-2.0-only
/*
 * The file of a node: opened by whoever is to be the engine.  The first open
 * makes the kernel the set's server and opens the device.  What a close means is
 * in node_end.c.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/poll.h>
#include <linux/splice.h>

#include "area.h"
#include "command.h"
#include "compat.h"
#include "config.h"
#include "device.h"
#include "node.h"
#include "state.h"

/* The media that are asked for; how a pipe is opened says which way it goes */
static int vdi_node_media(u32 features, const struct file *file)
{
	bool writes = file->f_mode & FMODE_WRITE;
	bool reads = file->f_mode & FMODE_READ;

	if (features & VDI_FEAT_FILE_MARKS)
		return VDI_FEAT_READ_MEDIA | VDI_FEAT_WRITE_MEDIA;
	if (features & VDI_FEAT_RANDOM_ACCESS)
		return VDI_FEAT_READ_MEDIA |
		       (writes ? VDI_FEAT_WRITE_MEDIA : 0);
	if (writes && reads)
		return -EINVAL;
	return writes ? VDI_FEAT_WRITE_MEDIA : VDI_FEAT_READ_MEDIA;
}

/* Bytes from one buffer to the next, with room for the prefix zone before it */
static u64 vdi_node_stride(const struct vdi_config *config, u32 size)
{
	return size + (config->prefix_zone_size ? VDI_MAX_PREFIX_ZONE : 0);
}

static u64 vdi_node_device_bytes(const struct vdi_set *set)
{
	const struct vdi_node_set *nodes = set->nodes;

	return nodes->depth * vdi_node_stride(&set->config, nodes->transfer) +
	       vdi_node_stride(&set->config, VDI_MAX_BLOCK_SIZE);
}

/* The set gets the kernel as its server, and a configuration but for the area */
static int vdi_node_connect_locked(struct vdi_set *set, const struct file *file)
{
	struct vdi_node_set *nodes = set->nodes;
	struct vdi_begin_config arg = {
		.features = set->config.features,
		.block_size = nodes->block,
		.max_transfer_size = nodes->transfer,
	};
	int media = vdi_node_media(set->config.features, file);
	int ret;

	lockdep_assert_held(&set->lock);
	if (media < 0)
		return media;
	if (nodes->server)
		return media & ~set->config.features ? -EINVAL : 0;
	arg.features |= media;
	if (arg.features & VDI_FEAT_REQUEST_COMPLETE)
		arg.features |= VDI_FEAT_COMPLETE_ENABLED;
	ret = vdi_state_server(set, VDI_SERVER_OPEN);
	if (ret)
		return ret == -EPROTO ? -EBUSY : ret;
	vdi_who_current(&set->party[VDI_SERVER], VDI_ROLE_SERVER);
	nodes->server = true;
	ret = vdi_config_begin_locked(set, &arg);
	if (!ret)
		vdi_device_name_all_locked(set);
	return ret;
}

/* Make the kernel the server of the set, unless it is already */
static int vdi_node_serve(struct vdi_set *set, const struct file *file)
{
	u64 size;
	bool end;
	int ret;

	if (mutex_lock_killable(&set->config_lock))
		return -EINTR;
	spin_lock(&set->lock);
	ret = vdi_node_connect_locked(set, file);
	/* Also for who comes after one that found no memory */
	end = !ret && !vdi_state_server_peek(set, VDI_SERVER_END_CONFIG);
	spin_unlock(&set->lock);
	if (end)
		ret = vdi_config_end(set, set->config.device_count *
					  vdi_node_device_bytes(set), &size);
	mutex_unlock(&set->config_lock);
	return ret;
}

/* First open: the device, its handle and its buffers */
static int vdi_node_bind(struct vdi_node *node, struct vdi_set *set)
{
	u64 stride = vdi_node_stride(&set->config, set->nodes->transfer);
	u64 at = node->index * vdi_node_device_bytes(set);
	unsigned int depth = set->nodes->depth, i;
	struct vdi_handle *handle;
	int ret;

	if (!node->buffers)
		node->buffers = kcalloc(depth, sizeof(*node->buffers),
					GFP_KERNEL_ACCOUNT);
	if (!node->buffers)
		return -ENOMEM;
	if (set->config.prefix_zone_size)
		at += VDI_MAX_PREFIX_ZONE;
	for (i = 0; i < depth; i++)
		node->buffers[i].offset = at + i * stride;
	node->spare = at + depth * stride;
	node->depth = depth;
	node->features = set->config.features;
	node->block = set->config.block_size;
	node->transfer = set->config.max_transfer_size;
	if (vdi_node_is_disk(node) && !node->tail)
		node->tail = kvzalloc(2 * node->block, GFP_KERNEL_ACCOUNT);
	if (vdi_node_is_disk(node) && !node->tail)
		return -ENOMEM;

	handle = vdi_handle_create(true);
	if (IS_ERR(handle))
		return PTR_ERR(handle);
	vdi_handle_bind_kernel(handle, set);
	ret = vdi_device_open_node(set, node->index, handle);
	if (ret) {
		vdi_handle_unbind_kernel(handle);
		return ret;
	}
	spin_lock(&set->lock);
	handle->polled = true;
	spin_unlock(&set->lock);
	node->call = (struct vdi_call){
		.handle = handle,
		.set = set,
		.bindings = handle->bindings,
		.role = VDI_ROLE_SERVER,
	};
	node->handle = handle;
	return 0;
}

/* A dead set has no devices to open any more */
static int vdi_node_open_errno(int err)
{
	return err == -ECANCELED || err == -EPROTO || err == -ENOENT ? -ENXIO :
								      err;
}

static int vdi_node_alive(struct vdi_set *set)
{
	int ret;

	spin_lock(&set->lock);
	ret = vdi_state_aborted(set) || vdi_state_ended(set) ? -ENXIO : 0;
	spin_unlock(&set->lock);
	return ret;
}

static int vdi_node_open(struct inode *inode, struct file *file)
{
	struct vdi_node *node = container_of(inode->i_cdev, struct vdi_node,
					     cdev);
	struct vdi_set *set;
	int ret;

	ret = vdi_node_take(node, &set);
	if (ret)
		return ret;
	get_device(&node->dev);
	mutex_lock(&node->lock);
	ret = vdi_node_alive(set) ?: vdi_node_serve(set, file);
	if (!ret && node->handle)
		vdi_handle_set_who(node->handle);
	else if (!ret)
		ret = vdi_node_bind(node, set);
	if (!ret) {
		node->writable = file->f_mode & FMODE_WRITE;
		/* A pipe for nothing is one too; on a tape, what was done counts */
		if (node->writable && !vdi_node_is_tape(node))
			node->written = true;
		node->last = !vdi_node_is_tape(node);
		node->phase = VDI_NODE_PHASE_DATA;
		node->in_order = false;
		file->private_data = node;
		file->f_mode |= FMODE_CAN_ODIRECT;
		if (vdi_node_is_pipe(node))
			stream_open(inode, file);
		else if (vdi_node_is_tape(node))
			nonseekable_open(inode, file);
		if (vdi_node_is_pipe(node) && !node->writable)
			vdi_node_read_ahead(node);
	}
	mutex_unlock(&node->lock);
	vdi_set_put(set);
	if (ret) {
		vdi_node_settle(node);
		put_device(&node->dev);
	}
	return vdi_node_open_errno(ret);
}

/* A descriptor is closed: is it the last one, and in order? */
static int vdi_node_flush_file(struct file *file, fl_owner_t id)
{
	struct vdi_node *node = file->private_data;

	/* The end of a process never waits: ->release does what is left */
	if (current->flags & PF_EXITING) {
		if (!vdi_node_holder_exits(node))
			WRITE_ONCE(node->in_order, true);
		return 0;
	}
	WRITE_ONCE(node->in_order, true);
	/* Not the last one: what is known by now, no promise */
	if (file_count(file) > 1 && vdi_state_aborted(node->call.set))
		return -ECANCELED;
	if (file_count(file) > 1)
		return READ_ONCE(node->error);
	return vdi_node_close(node);
}

static int vdi_node_release(struct inode *inode, struct file *file)
{
	struct vdi_node *node = file->private_data;

	/* Also if two closed at the same time and neither was the last then */
	vdi_node_finish_later(node);
	put_device(&node->dev);
	return 0;
}

/* O_NONBLOCK means something where poll does: not for tapes and disks */
static enum vdi_node_how vdi_node_how(const struct vdi_node *node,
				      const struct kiocb *iocb)
{
	return vdi_node_is_pipe(node) &&
	       iocb->ki_filp->f_flags & O_NONBLOCK ? VDI_NODE_NONBLOCK :
						     VDI_NODE_INTERRUPTIBLE;
}

/*
 * io_uring tries what poll promises in the caller's context (since 6.12) and then
 * leaves it to a thread that may wait.  poll promises a byte, not all: a blocking
 * node would be done in part, or hold the caller up.
 */
static bool vdi_node_only_tries(const struct kiocb *iocb,
				enum vdi_node_how how)
{
	return iocb->ki_flags & IOCB_NOWAIT && how != VDI_NODE_NONBLOCK;
}

static ssize_t vdi_node_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct vdi_node *node = iocb->ki_filp->private_data;
	enum vdi_node_how how = vdi_node_how(node, iocb);
	ssize_t ret;
	int err;

	if (!iov_iter_count(from))
		return 0;
	if (vdi_node_only_tries(iocb, how))
		return -EAGAIN;
	ret = vdi_node_lock(node, how);
	if (ret)
		return ret;
	if (vdi_node_is_tape(node))
		ret = vdi_node_write_tape(node, from, how);
	else if (vdi_node_is_disk(node))
		ret = vdi_node_write_disk(node, iocb, from, how);
	else
		ret = vdi_node_write_pipe(node, from, how);
	if (ret > 0 && iocb->ki_flags & IOCB_DSYNC) {
		err = vdi_node_flush(node, VDI_NODE_KILLABLE);
		ret = err ?: ret;
	}
	vdi_node_unlock(node);
	return ret;
}

static ssize_t vdi_node_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct vdi_node *node = iocb->ki_filp->private_data;
	enum vdi_node_how how = vdi_node_how(node, iocb);
	ssize_t ret;

	if (!iov_iter_count(to))
		return 0;
	if (vdi_node_only_tries(iocb, how))
		return -EAGAIN;
	ret = vdi_node_lock(node, how);
	if (ret)
		return ret;
	if (vdi_node_is_tape(node))
		ret = vdi_node_read_tape(node, to, how);
	else if (vdi_node_is_disk(node))
		ret = vdi_node_read_disk(node, iocb, to, how);
	else
		ret = vdi_node_read_pipe(node, to, how);
	vdi_node_unlock(node);
	return ret;
}

static int vdi_node_fsync(struct file *file, loff_t start, loff_t end,
			  int datasync)
{
	struct vdi_node *node = file->private_data;
	int ret;

	if (!(file->f_mode & FMODE_WRITE))
		return 0;
	ret = vdi_node_lock(node, VDI_NODE_INTERRUPTIBLE);
	if (ret)
		return ret;
	ret = vdi_node_flush(node, VDI_NODE_INTERRUPTIBLE);
	vdi_node_unlock(node);
	return ret;
}

/* Of a disk; the others are not seekable */
static loff_t vdi_node_llseek(struct file *file, loff_t offset, int whence)
{
	struct vdi_node *node = file->private_data;
	loff_t ret;

	ret = vdi_node_lock(node, VDI_NODE_INTERRUPTIBLE);
	if (ret)
		return ret;
	if (whence == SEEK_END)
		ret = vdi_node_disk_size(node, VDI_NODE_INTERRUPTIBLE);
	/* There are no holes that anybody knows of */
	if (!ret && whence != SEEK_SET && whence != SEEK_CUR &&
	    whence != SEEK_END)
		ret = -EINVAL;
	if (!ret)
		ret = generic_file_llseek_size(file, offset, whence,
					       MAX_LFS_FILESIZE, node->size);
	vdi_node_unlock(node);
	return ret;
}

static __poll_t vdi_node_poll(struct file *file, poll_table *wait)
{
	struct vdi_node *node = file->private_data;

	/* Like a regular file, and like the drivers of tape drives */
	if (!vdi_node_is_pipe(node))
		return EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM;
	poll_wait(file, &node->handle->wq, wait);
	return vdi_node_poll_pipe(node);
}

static long vdi_node_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct vdi_node *node = file->private_data;
	long ret;

	if (!vdi_node_is_tape(node))
		return -ENOTTY;
	ret = vdi_node_lock(node, VDI_NODE_INTERRUPTIBLE);
	if (ret)
		return ret;
	ret = vdi_node_tape_ioctl(node, cmd, (void __user *)arg);
	vdi_node_unlock(node);
	return ret;
}

const struct file_operations vdi_node_fops = {
	.owner		= THIS_MODULE,
	.open		= vdi_node_open,
	.flush		= vdi_node_flush_file,
	.release	= vdi_node_release,
	.write_iter	= vdi_node_write_iter,
	.read_iter	= vdi_node_read_iter,
	.splice_read	= vdi_splice_read,
	.splice_write	= iter_file_splice_write,
	.fsync		= vdi_node_fsync,
	.llseek		= vdi_node_llseek,
	.poll		= vdi_node_poll,
	.unlocked_ioctl	= vdi_node_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
};
