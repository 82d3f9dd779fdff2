// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the ioctls do: those that the file of a noun does not do all of itself.
 * Kernel structures only; ctl.c has checked and copied them.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>

#include "ctl.h"
#include "device.h"
#include "name.h"
#include "set.h"
#include "state.h"

/**
 * vdi_ioc_open_device() - ioctl(VDI_IOC_OPEN_DEVICE)
 * @call: the call
 * @p: struct vdi_open_device; the file is installed by ctl.c
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_open_device(struct vdi_call *call, void *p)
{
	struct vdi_open_device *arg = p;
	struct vdi_handle *handle;
	struct file *file;
	int fd, ret;

	if (!call->set || call->draining)
		return vdi_state_client_unbound(VDI_CLIENT_OPEN_DEVICE);
	ret = vdi_name_check(arg->name);
	if (ret)
		return ret;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	handle = vdi_handle_create(true);
	if (IS_ERR(handle)) {
		ret = PTR_ERR(handle);
		if (ret == -EDQUOT)
			vdi_set_note_limit(call->set, VDI_LIMIT_HANDLES);
		goto err_put_fd;
	}
	strscpy(handle->name, arg->name, sizeof(handle->name));
	file = anon_inode_getfile("[vdi-device]", &vdi_device_fops, handle,
				  O_RDWR | (arg->flags &
					    VDI_OPEN_DEVICE_F_NONBLOCK ?
						    O_NONBLOCK : 0));
	if (IS_ERR(file)) {
		ret = PTR_ERR(file);
		vdi_handle_destroy(handle);
		goto err_put_fd;
	}
	/* From here on the file owns the handle: only ->release frees it */
	handle->file = file;
	ret = vdi_handle_bind_device(handle, call->set, call->role);
	if (!ret)
		ret = vdi_device_open(call, handle, &arg->out_index);
	if (ret)
		goto err_put_file;
	arg->out_fd = fd;
	call->new_file = file;
	call->new_fd = fd;
	return 0;

err_put_file:
	fput(file);
err_put_fd:
	put_unused_fd(fd);
	return ret;
}

/**
 * vdi_ioc_status() - ioctl(VDI_IOC_STATUS)
 * @call: the call
 * @p: struct vdi_status
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_status(struct vdi_call *call, void *p)
{
	struct vdi_status *arg = p;

	if (!call->set)
		return -EPROTO;
	if (call->foreign && !(arg->flags & VDI_STATUS_F_FOREIGN))
		return -EIO;
	arg->out_role = call->role;
	arg->out_draining = call->draining;
	memset(&arg->out_stat, 0, sizeof(arg->out_stat));
	vdi_set_stat(call->set, &arg->out_stat);
	return 0;
}

/**
 * vdi_ioc_abort() - ioctl(VDI_IOC_ABORT)
 * @call: the call
 * @p: struct vdi_abort
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_abort(struct vdi_call *call, void *p)
{
	struct vdi_abort *arg = p;
	struct vdi_set *set = call->set;
	struct vdi_cause cause = {
		.reason = VDI_REASON_SIGNALLED,
		.code = arg->code,
	};
	int ret;

	if (!set || call->draining || READ_ONCE(call->handle->closed))
		return vdi_state_client_unbound(VDI_CLIENT_ABORT);
	ret = vdi_name_check_text(arg->text);
	if (ret)
		return ret;
	strscpy(cause.text, arg->text, sizeof(cause.text));
	vdi_who_current(&cause.who, call->role);
	spin_lock(&set->lock);
	ret = call->role == VDI_ROLE_SERVER ?
		      vdi_state_server(set, VDI_SERVER_ABORT) :
		      vdi_state_client(set, VDI_CLIENT_ABORT);
	if (!ret)
		vdi_set_abort_locked(set, &cause);
	spin_unlock(&set->lock);
	vdi_who_put(&cause.who);
	return ret;
}

/**
 * vdi_ioc_adopt() - ioctl(VDI_IOC_ADOPT)
 * @call: the call
 * @p: struct vdi_adopt
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_adopt(struct vdi_call *call, void *p)
{
	if (!call->set)
		return -EPROTO;
	return call->foreign ? vdi_handle_adopt(call) : 0;
}

/**
 * vdi_ioc_close() - ioctl(VDI_IOC_CLOSE)
 * @call: the call
 * @p: struct vdi_close
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_close(struct vdi_call *call, void *p)
{
	return vdi_handle_close(call);
}

/* For STAT_NAME, which also finds who held the name last, and ABORT_NAME */
static struct vdi_set *vdi_ioc_lookup(struct vdi_call *call,
				      const char *instance, const char *name,
				      bool last)
{
	struct user_namespace *ns = call->handle->name_ns;
	struct vdi_set *set;
	int ret;

	if (call->set)
		return ERR_PTR(-EPROTO);
	ret = vdi_name_check(name) ?: vdi_name_check_instance(instance);
	if (ret)
		return ERR_PTR(ret);
	set = last ? vdi_name_get_last(ns, instance, name) :
		     vdi_name_get_unless_dead(ns, instance, name);
	if (!set)
		return ERR_PTR(-ENOENT);
	if (!vdi_name_may_see(set)) {
		vdi_set_put(set);
		return ERR_PTR(-EPERM);
	}
	return set;
}

/**
 * vdi_ioc_stat_name() - ioctl(VDI_IOC_STAT_NAME)
 * @call: the call
 * @p: struct vdi_stat_name
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_stat_name(struct vdi_call *call, void *p)
{
	struct vdi_stat_name *arg = p;
	struct vdi_set *set = vdi_ioc_lookup(call, arg->instance, arg->name,
					     true);

	if (IS_ERR(set))
		return PTR_ERR(set);
	memset(&arg->out_stat, 0, sizeof(arg->out_stat));
	vdi_set_stat(set, &arg->out_stat);
	vdi_set_put(set);
	return 0;
}

/**
 * vdi_ioc_abort_name() - ioctl(VDI_IOC_ABORT_NAME)
 * @call: the call
 * @p: struct vdi_abort_name
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_abort_name(struct vdi_call *call, void *p)
{
	struct vdi_abort_name *arg = p;
	struct vdi_cause cause = {
		.reason = VDI_REASON_ADMIN,
		.code = arg->code,
	};
	struct vdi_set *set;
	int ret = 0;

	if (!call->set && vdi_name_check_text(arg->text))
		return -EINVAL;
	set = vdi_ioc_lookup(call, arg->instance, arg->name, false);
	if (IS_ERR(set))
		return PTR_ERR(set);
	strscpy(cause.text, arg->text, sizeof(cause.text));
	vdi_who_current(&cause.who, VDI_ROLE_NONE);
	/* An ended set is aborted by a party only; an aborted one has no name */
	if (!vdi_set_abort(set, &cause))
		ret = -EPROTO;
	vdi_who_put(&cause.who);
	vdi_set_put(set);
	return ret;
}

/**
 * vdi_ioc_close_device() - ioctl(VDI_IOC_CLOSE_DEVICE)
 * @call: the call
 * @p: struct vdi_close_device
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_close_device(struct vdi_call *call, void *p)
{
	if (!vdi_ctl_is_server(call))
		return vdi_state_server_unbound(VDI_SERVER_CLOSE_DEVICE);
	return vdi_device_close(call->handle, call->set);
}

/**
 * vdi_ioc_device_status() - ioctl(VDI_IOC_DEVICE_STATUS)
 * @call: the call
 * @p: struct vdi_device_status
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_device_status(struct vdi_call *call, void *p)
{
	vdi_device_status(call->handle, call->set, p);
	return 0;
}
