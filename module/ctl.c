// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files: both kinds of file operations, the tables of ioctls, the
 * dispatcher, and every copy from and to users but those of EXCHANGE's arrays
 * (exchange.c).  Handlers see kernel structures only.
 *
 * The dispatcher checks, in this order: whose handle it is, the structure,
 * unknown flags, reserved words; then the handler decides.
 */
#include <linux/cred.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/nospec.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "area.h"
#include "command.h"
#include "compat.h"
#include "config.h"
#include "ctl.h"
#include "name.h"
#include "owner.h"
#include "main.h"
#include "set.h"
#include "state.h"

/* Arguments up to this size are on the stack: EXCHANGE allocates nothing */
#define VDI_STACK_ARG	96

/**
 * struct vdi_ioctl - A row of a table of ioctls
 * @fn: handler
 * @size: sizeof the argument
 * @min_size: end of the last field of its first version
 * @flags: flags that are known
 * @reserved: offset of a reserved word, 0 if there is none
 * @out: offset of the first field of the answer, 0 if there is none
 */
struct vdi_ioctl {
	int (*fn)(struct vdi_call *call, void *p);
	u16 size;
	u16 min_size;
	u32 flags;
	u16 reserved;
	u16 out;
};

/* What vdi_set_stat was at first: it is the last field wherever it is */
#define VDI_SET_STAT_SIZE	offsetofend(struct vdi_set_stat, server_wait_ns)

#define VDI_OP(name, handler, type, last, flags, reserved_at, out_at)	  \
	VDI_OP_MIN(name, handler, type, offsetofend(struct type, last),	  \
		   flags, reserved_at, out_at)

#define VDI_OP_MIN(name, handler, type, min, flag_mask, reserved_at, out_at) \
	[_IOC_NR(VDI_IOC_##name)] = {					  \
		.fn = handler,						  \
		.size = sizeof(struct type),				  \
		.min_size = min,					  \
		.flags = flag_mask,					  \
		.reserved = reserved_at,				  \
		.out = out_at,						  \
	}

/**
 * vdi_ctl_capabilities() - What of the optional parts is there
 *
 * Return: VDI_CAP_*.
 */
u64 vdi_ctl_capabilities(void)
{
	return VDI_CAP_NODES |
	       (vdi_owner_supported() && vdi_main_early_death() ?
			VDI_CAP_EARLY_DEATH : 0);
}

/* One entry of LIST; 1 if it was written, 0 if it is not for the caller */
static int vdi_ctl_list_one(struct vdi_set *set, struct vdi_list *arg,
			    struct vdi_set_stat *stat)
{
	void __user *to = u64_to_user_ptr(arg->sets) +
			  (u64)arg->out_sets * arg->entry_size;
	size_t size = min_t(size_t, arg->entry_size, sizeof(*stat));

	if (!vdi_name_may_see(set))
		return 0;
	if (!arg->sets || arg->out_sets == arg->nr_sets) {
		arg->out_more++;
		return 0;
	}
	memset(stat, 0, sizeof(*stat));
	vdi_set_stat(set, stat);
	if (copy_to_user(to, stat, size) ||
	    clear_user(to + size, arg->entry_size - size))
		return -EFAULT;
	arg->out_sets++;
	return 1;
}

static int vdi_ioc_list(struct vdi_call *call, void *p)
{
	struct vdi_list *arg = p;
	struct vdi_set_stat *stat;
	u64 after = arg->after;
	struct vdi_set *set;
	int ret = 0;

	if (call->set)
		return -EPROTO;
	if (arg->entry_size < VDI_SET_STAT_SIZE || arg->entry_size > PAGE_SIZE ||
	    arg->entry_size % 8)
		return -EINVAL;
	stat = kmalloc(sizeof(*stat), GFP_KERNEL_ACCOUNT);
	if (!stat)
		return -ENOMEM;
	arg->out_sets = 0;
	arg->out_more = 0;
	while (ret >= 0) {
		set = vdi_name_next_unless_dead(call->handle->name_ns, after);
		if (!set)
			break;
		after = set->id;
		ret = vdi_ctl_list_one(set, arg, stat);
		vdi_set_put(set);
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	kfree(stat);
	return min(ret, 0);
}

static const struct vdi_ioctl vdi_set_ioctls[] = {
	VDI_OP(GET_INFO, vdi_ioc_get_info, vdi_get_info, out_version, 0, 0,
	       offsetof(struct vdi_get_info, out_capabilities)),
	VDI_OP(CREATE, vdi_ioc_create, vdi_create, stall_limit_ms,
	       VDI_CREATE_F_ALL,
	       offsetof(struct vdi_create, config.__reserved), 0),
	VDI_OP(OPEN, vdi_ioc_open, vdi_open, instance, 0, 0, 0),
	VDI_OP(OPEN_SECONDARY, vdi_ioc_open_secondary, vdi_open_secondary,
	       instance, 0, 0, 0),
	VDI_OP(GET_CONFIG, vdi_ioc_get_config, vdi_get_config, __reserved, 0,
	       offsetof(struct vdi_get_config, __reserved),
	       offsetof(struct vdi_get_config, out_pieces)),
	VDI_OP(BEGIN_CONFIG, vdi_ioc_begin_config, vdi_begin_config,
	       __reserved, 0, offsetof(struct vdi_begin_config, __reserved), 0),
	VDI_OP(END_CONFIG, vdi_ioc_end_config, vdi_end_config, out_size, 0, 0,
	       offsetof(struct vdi_end_config, out_offset)),
	VDI_OP(GROW_AREA, vdi_ioc_grow_area, vdi_grow_area, out_size, 0, 0,
	       offsetof(struct vdi_grow_area, out_offset)),
	VDI_OP(OPEN_DEVICE, vdi_ioc_open_device, vdi_open_device, out_index,
	       VDI_OPEN_DEVICE_F_ALL, 0,
	       offsetof(struct vdi_open_device, out_fd)),
	VDI_OP_MIN(STATUS, vdi_ioc_status, vdi_status,
		   offsetof(struct vdi_status, out_stat) + VDI_SET_STAT_SIZE,
		   VDI_STATUS_F_ALL, 0,
		   offsetof(struct vdi_status, out_role)),
	VDI_OP(SET_HINT, vdi_ioc_set_hint, vdi_set_hint, bytes, 0, 0, 0),
	VDI_OP(EXCHANGE, vdi_ioc_exchange, vdi_exchange, __reserved, 0,
	       offsetof(struct vdi_exchange, __reserved),
	       offsetof(struct vdi_exchange, out_accepted)),
	VDI_OP(ABORT, vdi_ioc_abort, vdi_abort, text, 0,
	       offsetof(struct vdi_abort, __reserved), 0),
	VDI_OP(CLOSE, vdi_ioc_close, vdi_close, flags, 0, 0, 0),
	VDI_OP(ADOPT, vdi_ioc_adopt, vdi_adopt, flags, 0, 0, 0),
	VDI_OP(LIST, vdi_ioc_list, vdi_list, out_more, 0, 0,
	       offsetof(struct vdi_list, out_sets)),
	VDI_OP_MIN(STAT_NAME, vdi_ioc_stat_name, vdi_stat_name,
		   offsetof(struct vdi_stat_name, out_stat) + VDI_SET_STAT_SIZE,
		   0, 0, offsetof(struct vdi_stat_name, out_stat)),
	VDI_OP(ABORT_NAME, vdi_ioc_abort_name, vdi_abort_name, text, 0,
	       offsetof(struct vdi_abort_name, __reserved), 0),
};

static const struct vdi_ioctl vdi_device_ioctls[] = {
	VDI_OP(GET_CONFIG, vdi_ioc_get_config, vdi_get_config, __reserved, 0,
	       offsetof(struct vdi_get_config, __reserved),
	       offsetof(struct vdi_get_config, out_pieces)),
	VDI_OP_MIN(STATUS, vdi_ioc_status, vdi_status,
		   offsetof(struct vdi_status, out_stat) + VDI_SET_STAT_SIZE,
		   VDI_STATUS_F_ALL, 0,
		   offsetof(struct vdi_status, out_role)),
	VDI_OP(EXCHANGE, vdi_ioc_exchange, vdi_exchange, __reserved, 0,
	       offsetof(struct vdi_exchange, __reserved),
	       offsetof(struct vdi_exchange, out_accepted)),
	VDI_OP(ABORT, vdi_ioc_abort, vdi_abort, text, 0,
	       offsetof(struct vdi_abort, __reserved), 0),
	VDI_OP(ADOPT, vdi_ioc_adopt, vdi_adopt, flags, 0, 0, 0),
	VDI_OP(CLOSE_DEVICE, vdi_ioc_close_device, vdi_close_device, flags, 0,
	       0, 0),
	VDI_OP(DEVICE_STATUS, vdi_ioc_device_status, vdi_device_status,
	       out_name, 0, 0,
	       offsetof(struct vdi_device_status, out_index)),
};

/*
 * An argument in.  Where the length is a constant the kernel need not check the
 * object each time, and the copy is a few instructions: that of EXCHANGE is one.
 */
static int vdi_ctl_copy_in(void *arg, size_t size, const void __user *uarg,
			   size_t usize)
{
	if (usize == size && size == sizeof(struct vdi_exchange)) {
		if (copy_from_user(arg, uarg, sizeof(struct vdi_exchange)))
			return -EFAULT;
		return 0;
	}
	return copy_struct_from_user(arg, size, uarg, usize);
}

#define VDI_EXCHANGE_OUT	(sizeof(struct vdi_exchange) - \
				 offsetof(struct vdi_exchange, out_accepted))

/* An answer out, likewise */
static bool vdi_ctl_copy_out(void __user *to, const void *from, size_t size)
{
	if (size == VDI_EXCHANGE_OUT)
		return copy_to_user(to, from, VDI_EXCHANGE_OUT);
	return copy_to_user(to, from, size);
}

/* Can a byte of the argument be written?  It stays what it is */
static bool vdi_ctl_touch(void __user *uarg, const void *arg, size_t at)
{
	return put_user(*(u8 *)(arg + at), (u8 __user *)uarg + at);
}

/* Copy the argument in and check what is the same for every ioctl */
static int vdi_ctl_fetch(const struct vdi_ioctl *op, void *arg,
			 void __user *uarg, u32 *usize)
{
	u32 *words = arg;
	int ret;

	if (get_user(*usize, (u32 __user *)uarg))
		return -EFAULT;
	if (*usize > PAGE_SIZE)
		return -E2BIG;
	if (*usize < op->min_size)
		return -EINVAL;
	ret = vdi_ctl_copy_in(arg, op->size, uarg, *usize);
	if (ret)
		return ret;
	words[0] = *usize;	/* the size that was checked */
	if (words[1] & ~op->flags)
		return -EOPNOTSUPP;
	if (op->reserved && *(u32 *)(arg + op->reserved))
		return -EINVAL;
	/*
	 * An answer that cannot be written is refused before anything happens.
	 * It is smaller than a page: its two ends are on all pages that it is on.
	 */
	if (op->out && (vdi_ctl_touch(uarg, arg, op->out) ||
			vdi_ctl_touch(uarg, arg,
				      min_t(u32, *usize, op->size) - 1)))
		return -EFAULT;
	return 0;
}

/* Settle a call that succeeded: answer it, then publish what it made */
static int vdi_ctl_settle(const struct vdi_ioctl *op, struct vdi_call *call,
			  void *arg, void __user *uarg, u32 usize)
{
	size_t size = min_t(size_t, usize, op->size);

	if (op->out && vdi_ctl_copy_out(uarg + op->out, arg + op->out,
					size - op->out)) {
		if (op->fn == vdi_ioc_exchange)
			return vdi_exchange_unwritten(call, arg);
		/* ->release ends the set: nobody could serve the device */
		if (call->new_file) {
			fput(call->new_file);
			put_unused_fd(call->new_fd);
		}
		return -EFAULT;
	}
	/* Visible from here on, and nothing can fail any more */
	if (call->new_file)
		fd_install(call->new_fd, call->new_file);
	return 0;
}

/* The array of GET_CONFIG */
static int vdi_ctl_copy_pieces(struct vdi_call *call,
			       const struct vdi_get_config *arg)
{
	struct vdi_piece *pieces;
	unsigned int n;
	int ret = 0;

	if (!arg->nr_pieces)
		return 0;
	pieces = kcalloc(VDI_MAX_PIECES, sizeof(*pieces), GFP_KERNEL_ACCOUNT);
	if (!pieces)
		return -ENOMEM;
	n = min(vdi_area_pieces(&call->set->area, pieces, VDI_MAX_PIECES),
		arg->nr_pieces);
	if (copy_to_user(u64_to_user_ptr(arg->pieces), pieces,
			 n * sizeof(*pieces)))
		ret = -EFAULT;
	kfree(pieces);
	return ret;
}

static long vdi_ctl_run(const struct vdi_ioctl *op, struct vdi_call *call,
			void __user *uarg, void *arg)
{
	u32 usize;
	int ret;

	ret = vdi_ctl_fetch(op, arg, uarg, &usize);
	if (!ret)
		ret = op->fn(call, arg);
	if (!ret && op->fn == vdi_ioc_get_config)
		ret = vdi_ctl_copy_pieces(call, arg);
	if (!ret)
		ret = vdi_ctl_settle(op, call, arg, uarg, usize);
	return ret;
}

static long vdi_ctl_ioctl(struct file *file, unsigned int cmd,
			  unsigned long uarg, const struct vdi_ioctl *table,
			  unsigned int nr)
{
	u64 stack[VDI_STACK_ARG / sizeof(u64)] __uninitialized;
	const struct vdi_ioctl *op;
	struct vdi_call call;
	void *arg = stack;
	long ret;

	if (_IOC_TYPE(cmd) != VDI_IOC_TYPE || _IOC_NR(cmd) >= nr ||
	    cmd != _IO(VDI_IOC_TYPE, _IOC_NR(cmd)))
		return -ENOTTY;
	op = &table[array_index_nospec(_IOC_NR(cmd), nr)];
	if (!op->fn)
		return -ENOTTY;
	ret = vdi_handle_call_begin(file->private_data, file, &call,
				    op->fn == vdi_ioc_adopt ||
				    op->fn == vdi_ioc_status);
	if (ret)
		return ret;
	if (op->size > sizeof(stack)) {
		arg = kmalloc(op->size, GFP_KERNEL_ACCOUNT);
		if (!arg) {
			ret = -ENOMEM;
			goto end;
		}
	}
	ret = vdi_ctl_run(op, &call, (void __user *)uarg, arg);
	if (arg != stack)
		kfree(arg);
end:
	vdi_handle_call_end(&call);
	return ret;
}

static long vdi_set_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	return vdi_ctl_ioctl(file, cmd, arg, vdi_set_ioctls,
			     ARRAY_SIZE(vdi_set_ioctls));
}

static long vdi_device_ioctl(struct file *file, unsigned int cmd,
			     unsigned long arg)
{
	return vdi_ctl_ioctl(file, cmd, arg, vdi_device_ioctls,
			     ARRAY_SIZE(vdi_device_ioctls));
}

/* Anybody may poll: aio and io_uring do it from other tasks */
static __poll_t vdi_ctl_poll(struct file *file, poll_table *wait)
{
	struct vdi_handle *handle = file->private_data;
	struct vdi_set *set;
	__poll_t mask;
	bool mine;
	u32 role;

	poll_wait(file, &handle->wq, wait);
	set = vdi_handle_get_set(handle, &mine);
	if (!set)
		return EPOLLHUP;
	role = READ_ONCE(handle->role);
	mask = vdi_command_poll(handle, set, role,
				!handle->is_device &&
				vdi_config_ready(set, role));
	vdi_set_put(set);
	return mask;
}

/* Under mmap_lock: takes no mutex of ours */
static int vdi_ctl_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct vdi_handle *handle = file->private_data;
	struct vdi_set *set;
	bool mine;
	int ret;

	set = vdi_handle_get_set(handle, &mine);
	if (!set)
		return -EPROTO;
	if (!mine)
		ret = -EIO;
	else if (READ_ONCE(handle->draining) || READ_ONCE(handle->closed))
		ret = -EPROTO;
	else
		ret = vdi_area_mmap(set, vma);
	vdi_set_put(set);
	return ret;
}

static int vdi_set_file_open(struct inode *inode, struct file *file)
{
	struct vdi_handle *handle = vdi_handle_create(false);

	if (IS_ERR(handle))
		return PTR_ERR(handle);
	handle->file = file;
	handle->name_ns = file->f_cred->user_ns;
	file->private_data = handle;
	return nonseekable_open(inode, file);
}

static int vdi_ctl_flush(struct file *file, fl_owner_t id)
{
	vdi_handle_flush(file->private_data, id);
	return 0;
}

static int vdi_ctl_release(struct inode *inode, struct file *file)
{
	vdi_handle_release(file->private_data);
	return 0;
}

const struct file_operations vdi_set_fops = {
	.owner		= THIS_MODULE,
	.open		= vdi_set_file_open,
	.flush		= vdi_ctl_flush,
	.release	= vdi_ctl_release,
	.unlocked_ioctl	= vdi_set_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.poll		= vdi_ctl_poll,
	.mmap		= vdi_ctl_mmap,
	VDI_FOPS_NO_LLSEEK
};

const struct file_operations vdi_device_fops = {
	.owner		= THIS_MODULE,
	.flush		= vdi_ctl_flush,
	.release	= vdi_ctl_release,
	.unlocked_ioctl	= vdi_device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.poll		= vdi_ctl_poll,
	.mmap		= vdi_ctl_mmap,
	VDI_FOPS_NO_LLSEEK
};
