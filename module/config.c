// SPDX-License-Identifier: GPL-2.0-only
/*
 * Configuration of a set (5): what the client may ask for, what the server may
 * decide, and how both learn of it.
 */
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/string.h>

#include "area.h"
#include "command.h"
#include "config.h"
#include "ctl.h"
#include "device.h"
#include "handle.h"
#include "main.h"
#include "name.h"
#include "set.h"
#include "state.h"

#define VDI_FEAT_MEDIA	(VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA)
#define VDI_FEAT_SERVER	(VDI_FEAT_MEDIA | VDI_FEAT_COMPLETE_ENABLED)

/* What may be added to each of the kinds of device below */
#define VDI_FEAT_EXTRA	(VDI_FEAT_DISCARD | VDI_FEAT_SNAPSHOT_PREPARE | \
			 VDI_FEAT_REQUEST_COMPLETE)

/* Legal combinations (6.3): pipe-like, tape-like, disk-like */
static bool vdi_config_features_valid(u32 features)
{
	if (features & ~(VDI_FEAT_LIKE_TAPE | VDI_FEAT_LIKE_DISK |
			 VDI_FEAT_EXTRA))
		return false;
	features &= ~VDI_FEAT_EXTRA;
	if (features == VDI_FEAT_LIKE_TAPE)
		return true;
	features &= ~VDI_FEAT_REMOVABLE;
	return features == VDI_FEAT_LIKE_PIPE ||
	       features == VDI_FEAT_LIKE_DISK;
}

/* What the nodes are to configure, when one is opened */
static bool vdi_config_nodes_valid(const struct vdi_create *arg)
{
	u32 most = arg->ring_depth ?: vdi_main_ring_depth();

	if (!(arg->flags & VDI_CREATE_F_NODES))
		return !arg->node_block_size && !arg->node_transfer_size &&
		       !arg->node_depth;
	if (arg->node_block_size &&
	    (!is_power_of_2(arg->node_block_size) ||
	     arg->node_block_size < VDI_MIN_BLOCK_SIZE ||
	     arg->node_block_size > VDI_MAX_BLOCK_SIZE))
		return false;
	/* ".63" is the longest that is appended to it */
	if (arg->config.device_count > 1 &&
	    strlen(arg->name) + 3 >= VDI_NAME_SIZE)
		return false;
	return arg->node_transfer_size % VDI_TRANSFER_STEP == 0 &&
	       arg->node_transfer_size <= VDI_MAX_TRANSFER &&
	       arg->node_depth <= VDI_MAX_NODE_DEPTH && arg->node_depth <= most;
}

/**
 * vdi_config_check_create() - Are the arguments of CREATE in order?
 * @arg: the arguments
 *
 * Return: 0, -EINVAL, -ENXIO or -EOPNOTSUPP as documented at the ioctl.
 */
int vdi_config_check_create(const struct vdi_create *arg)
{
	const struct vdi_config *c = &arg->config;
	int ret;

	ret = vdi_name_check(arg->name) ?: vdi_name_check_instance(arg->instance);
	if (ret)
		return ret;
	if (arg->mode & ~0777 || arg->ring_depth > vdi_main_max_ring_depth())
		return -EINVAL;
	if (!(arg->flags & VDI_CREATE_F_GID) && arg->gid)
		return -EINVAL;
	if (!vdi_config_nodes_valid(arg))
		return -EINVAL;
	if (arg->__reserved || c->block_size || c->max_io_depth ||
	    c->max_transfer_size || c->buffer_area_size)
		return -EINVAL;

	if (!c->device_count || c->device_count > VDI_MAX_DEVICES)
		return -EOPNOTSUPP;
	if (!vdi_config_features_valid(c->features))
		return -EOPNOTSUPP;
	if (c->prefix_zone_size > VDI_MAX_PREFIX_ZONE)
		return -EOPNOTSUPP;
	if (c->alignment && (!is_power_of_2(c->alignment) ||
			     c->alignment > VDI_MAX_ALIGNMENT))
		return -EOPNOTSUPP;
	if (c->soft_filemark_block_size &&
	    !(c->features & VDI_FEAT_FILE_MARKS))
		return -EOPNOTSUPP;
	return 0;
}

/**
 * vdi_ioc_get_info() - ioctl(VDI_IOC_GET_INFO)
 * @call: the call
 * @p: struct vdi_get_info
 *
 * Return: 0.
 */
int vdi_ioc_get_info(struct vdi_call *call, void *p)
{
	struct vdi_get_info *arg = p;

	arg->out_capabilities = vdi_ctl_capabilities();
	arg->out_features = VDI_FEAT_LIKE_TAPE | VDI_FEAT_LIKE_DISK |
			    VDI_FEAT_REMOVABLE | VDI_FEAT_EXTRA;
	arg->out_max_area_bytes = vdi_main_max_area_bytes();
	arg->out_max_user_bytes = vdi_main_max_user_bytes();
	arg->out_max_devices = VDI_MAX_DEVICES;
	arg->out_max_ring_depth = vdi_main_max_ring_depth();
	arg->out_ring_depth = vdi_main_ring_depth();
	arg->out_max_sets = vdi_main_max_sets();
	arg->out_max_handles = vdi_main_max_handles();
	arg->out_max_spin_us = vdi_main_max_spin_us();
	memset(arg->out_version, 0, sizeof(arg->out_version));
	strscpy(arg->out_version, VDI_VERSION, sizeof(arg->out_version));
	return 0;
}

/* The condition of GET_CONFIG, also what poll calls EPOLLOUT */
static int vdi_config_check_get(struct vdi_set *set, u32 role)
{
	int ret;

	spin_lock(&set->lock);
	ret = role == VDI_ROLE_SERVER ?
		      vdi_state_server(set, VDI_SERVER_GET_CONFIG) :
		      vdi_state_client(set, VDI_CLIENT_GET_CONFIG);
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_ioc_get_config() - ioctl(VDI_IOC_GET_CONFIG)
 * @call: the call
 * @p: struct vdi_get_config; the pieces are copied by ctl.c
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_get_config(struct vdi_call *call, void *p)
{
	struct vdi_get_config *arg = p;
	struct vdi_set *set = call->set;
	int ret;

	if (!set)
		return vdi_state_client_unbound(VDI_CLIENT_GET_CONFIG);
	if (call->draining || READ_ONCE(call->handle->closed))
		return vdi_state_server_unbound(VDI_SERVER_GET_CONFIG);
	if (arg->nr_pieces > VDI_MAX_PIECES)
		return -EINVAL;
	ret = vdi_config_check_get(set, call->role);
	if (ret == VDI_WAIT && call->nonblock)
		return -EAGAIN;
	if (ret == VDI_WAIT && !arg->deadline_ns)
		return -ETIMEDOUT;
	if (ret == VDI_WAIT) {
		int err = vdi_command_sleep(call->handle->wq, arg->deadline_ns,
			VDI_TASK_INTERRUPTIBLE,
			(ret = vdi_config_check_get(set, call->role)) != VDI_WAIT ||
			vdi_command_left(call));

		if (ret == VDI_WAIT)
			return err ?: vdi_command_left_errno(call);
	}
	if (ret)
		return ret;

	spin_lock(&set->lock);
	arg->out_config = set->config;
	arg->out_ring_depth = set->ring_depth;
	spin_unlock(&set->lock);
	arg->out_pieces = vdi_area_pieces(&set->area, NULL, 0);
	return 0;
}

/**
 * vdi_config_ready() - Would GET_CONFIG of this handle not wait?
 * @set: the set
 * @role: role of the handle
 *
 * Return: true if so.
 */
bool vdi_config_ready(struct vdi_set *set, u32 role)
{
	return vdi_config_check_get(set, role) != VDI_WAIT;
}

static int vdi_config_check_begin(const struct vdi_set *set,
				  struct vdi_begin_config *arg)
{
	u32 wanted = set->config.features;
	u32 media = arg->features & VDI_FEAT_MEDIA;
	u32 least;

	arg->block_size = arg->block_size ?: VDI_MIN_BLOCK_SIZE;
	arg->max_transfer_size = arg->max_transfer_size ?: VDI_TRANSFER_STEP;
	if (!is_power_of_2(arg->block_size) ||
	    arg->block_size < VDI_MIN_BLOCK_SIZE ||
	    arg->block_size > VDI_MAX_BLOCK_SIZE)
		return -EINVAL;
	least = max(set->config.alignment, arg->block_size);
	arg->alignment = arg->alignment ?: least;
	if (!is_power_of_2(arg->alignment) || arg->alignment < least ||
	    arg->alignment > VDI_MAX_ALIGNMENT)
		return -EINVAL;
	if (arg->max_transfer_size % VDI_TRANSFER_STEP ||
	    arg->max_transfer_size > VDI_MAX_TRANSFER)
		return -EINVAL;

	if ((arg->features & ~VDI_FEAT_SERVER) != wanted || !media)
		return -EINVAL;
	/* A tape or a disk may be read during a backup, a pipe may not */
	if (media == VDI_FEAT_MEDIA &&
	    !(wanted & (VDI_FEAT_POSITION | VDI_FEAT_RANDOM_ACCESS)))
		return -EINVAL;
	if (arg->features & VDI_FEAT_COMPLETE_ENABLED &&
	    !(wanted & VDI_FEAT_REQUEST_COMPLETE))
		return -EINVAL;
	return 0;
}

/**
 * vdi_config_begin_locked() - BeginConfiguration (4.3)
 * @set: the set
 * @arg: what the server has decided; defaults are filled in
 *
 * Context: set->lock held.
 * Return: 0 or -errno as documented at the ioctl.
 */
int vdi_config_begin_locked(struct vdi_set *set, struct vdi_begin_config *arg)
{
	struct vdi_config *c = &set->config;
	int ret;

	lockdep_assert_held(&set->lock);
	ret = vdi_state_server_peek(set, VDI_SERVER_BEGIN_CONFIG) ?:
	      vdi_config_check_begin(set, arg) ?:
	      vdi_state_server(set, VDI_SERVER_BEGIN_CONFIG);
	if (ret)
		return ret;
	c->features = arg->features;
	c->block_size = arg->block_size;
	c->alignment = arg->alignment;
	c->max_transfer_size = arg->max_transfer_size;
	c->max_io_depth = 4;
	c->buffer_area_size = min_t(u64, U32_MAX, 4ULL * c->max_transfer_size *
						  c->device_count);
	return 0;
}

/**
 * vdi_ioc_begin_config() - ioctl(VDI_IOC_BEGIN_CONFIG)
 * @call: the call
 * @p: struct vdi_begin_config
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_begin_config(struct vdi_call *call, void *p)
{
	struct vdi_begin_config *arg = p;
	struct vdi_set *set = call->set;
	int ret;

	if (!vdi_ctl_is_server(call))
		return vdi_state_server_unbound(VDI_SERVER_BEGIN_CONFIG);
	spin_lock(&set->lock);
	ret = vdi_config_begin_locked(set, arg);
	spin_unlock(&set->lock);
	return ret;
}

static int vdi_config_peek(struct vdi_set *set, enum vdi_server_op op)
{
	int ret;

	spin_lock(&set->lock);
	ret = vdi_state_server_peek(set, op);
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_config_end() - EndConfiguration (4.5): make the area and the rings
 * @set: the set
 * @size: bytes of the area
 * @out_size: set to what it became
 *
 * Context: set->config_lock held; sleeps.
 * Return: 0 or -errno as documented at the ioctl.
 */
int vdi_config_end(struct vdi_set *set, u64 size, u64 *out_size)
{
	struct vdi_area_piece piece = {};
	struct vdi_slot *slots;
	u32 limit = VDI_LIMIT_NONE;
	int ret;

	ret = vdi_config_peek(set, VDI_SERVER_END_CONFIG);
	if (ret)
		return ret;
	ret = vdi_area_piece_create(set, size, &piece, &limit);
	if (ret)
		goto note;
	slots = vdi_device_rings_create(set);
	if (!slots) {
		ret = -ENOMEM;
		goto err_destroy_piece;
	}

	/* An abort may have come meanwhile */
	spin_lock(&set->lock);
	ret = vdi_state_server(set, VDI_SERVER_END_CONFIG);
	if (!ret) {
		vdi_area_publish_locked(set, &piece);
		vdi_device_rings_publish_locked(set, slots);
		*out_size = piece.size;
		vdi_set_wake_all_locked(set);
	}
	spin_unlock(&set->lock);
	if (!ret)
		return 0;

	kvfree(slots);
err_destroy_piece:
	vdi_area_piece_destroy(&piece);
note:
	if (ret == -EDQUOT)
		vdi_set_note_limit(set, limit);
	return ret;
}

/**
 * vdi_ioc_end_config() - ioctl(VDI_IOC_END_CONFIG)
 * @call: the call
 * @p: struct vdi_end_config
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_end_config(struct vdi_call *call, void *p)
{
	struct vdi_end_config *arg = p;
	struct vdi_set *set = call->set;
	int ret;

	if (!vdi_ctl_is_server(call))
		return vdi_state_server_unbound(VDI_SERVER_END_CONFIG);
	if (mutex_lock_killable(&set->config_lock))
		return -EINTR;
	ret = vdi_config_end(set, arg->area_size, &arg->out_size);
	if (!ret)
		arg->out_offset = 0;
	mutex_unlock(&set->config_lock);
	return ret;
}

/**
 * vdi_ioc_grow_area() - ioctl(VDI_IOC_GROW_AREA)
 * @call: the call
 * @p: struct vdi_grow_area
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_grow_area(struct vdi_call *call, void *p)
{
	struct vdi_grow_area *arg = p;
	struct vdi_set *set = call->set;
	struct vdi_area_piece piece = {};
	u32 limit = VDI_LIMIT_NONE;
	int ret;

	if (!vdi_ctl_is_server(call))
		return vdi_state_server_unbound(VDI_SERVER_GROW_AREA);
	if (mutex_lock_killable(&set->config_lock))
		return -EINTR;
	ret = vdi_config_peek(set, VDI_SERVER_GROW_AREA);
	if (ret)
		goto unlock;
	ret = vdi_area_piece_create(set, arg->area_size, &piece, &limit);
	if (ret == -EDQUOT)
		vdi_set_note_limit(set, limit);
	if (ret)
		goto unlock;

	spin_lock(&set->lock);
	ret = vdi_state_server(set, VDI_SERVER_GROW_AREA);
	if (!ret) {
		arg->out_offset = set->area.size;
		arg->out_size = piece.size;
		vdi_area_publish_locked(set, &piece);
	}
	spin_unlock(&set->lock);
	if (ret)
		vdi_area_piece_destroy(&piece);
unlock:
	mutex_unlock(&set->config_lock);
	return ret;
}

/**
 * vdi_ioc_set_hint() - ioctl(VDI_IOC_SET_HINT)
 * @call: the call
 * @p: struct vdi_set_hint
 *
 * Return: 0 or -errno as documented there.
 */
int vdi_ioc_set_hint(struct vdi_call *call, void *p)
{
	struct vdi_set_hint *arg = p;
	struct vdi_set *set = call->set;
	int ret;

	if (!vdi_ctl_is_server(call))
		return vdi_state_server_unbound(VDI_SERVER_HINT);
	spin_lock(&set->lock);
	ret = vdi_state_server(set, VDI_SERVER_HINT);
	if (!ret)
		set->hint_bytes = arg->bytes;
	spin_unlock(&set->lock);
	return ret;
}
