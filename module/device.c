// SPDX-License-Identifier: GPL-2.0-only
/*
 * One virtual device: its names, opening on both sides, closing, its ring as
 * memory.  What goes through the ring is in command.c.
 *
 * The server's names are final.  A client that comes first with a name leaves a
 * claim: a device handle without a device, until the server gives that name,
 * or has named all devices without it (3.3).
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "command.h"
#include "device.h"
#include "handle.h"
#include "main.h"
#include "set.h"
#include "state.h"

/**
 * vdi_device_init() - Set up one device of a new set
 * @set: the set
 * @index: which
 */
void vdi_device_init(struct vdi_set *set, unsigned int index)
{
	struct vdi_device *dev = &set->devices[index];

	dev->set = set;
	dev->index = index;
	dev->free.head = VDI_NO_SLOT;
	dev->queued.head = VDI_NO_SLOT;
	dev->done.head = VDI_NO_SLOT;
	if (!index) {
		strscpy(dev->name, set->name, sizeof(dev->name));
		dev->named = true;
		set->nr_named = 1;
	}
}

/**
 * vdi_device_rings_create() - Allocate the rings of all devices
 * @set: the set
 *
 * Return: one array for all, to be freed with kvfree(), or NULL.
 */
struct vdi_slot *vdi_device_rings_create(struct vdi_set *set)
{
	/* As for the area: no memory is an answer, and kills nobody in its cgroup */
	return kvcalloc(set->config.device_count * set->ring_depth,
			sizeof(struct vdi_slot), GFP_KERNEL_ACCOUNT |
			__GFP_RETRY_MAYFAIL | __GFP_NOWARN);
}

/**
 * vdi_device_rings_publish_locked() - Give the devices their rings
 * @set: the set; it owns the rings from now on
 * @slots: as made by vdi_device_rings_create()
 *
 * Context: set->lock held.
 */
void vdi_device_rings_publish_locked(struct vdi_set *set,
				     struct vdi_slot *slots)
{
	struct vdi_device *dev;
	unsigned int i;

	lockdep_assert_held(&set->lock);
	vdi_set_for_each_device(set, dev) {
		dev->slots = slots + (size_t)dev->index * set->ring_depth;
		for (i = 0; i < set->ring_depth; i++)
			vdi_command_slot_free(dev, i);
	}
}

static struct vdi_device *vdi_device_find(struct vdi_set *set, const char *name)
{
	struct vdi_device *dev;

	vdi_set_for_each_device(set, dev)
		if (dev->named && !strcmp(dev->name, name))
			return dev;
	return NULL;
}

static struct vdi_handle *vdi_device_find_claim(struct vdi_set *set,
						const char *name)
{
	struct vdi_handle *claim;

	list_for_each_entry(claim, &set->claims, claim_node)
		if (!strcmp(claim->name, name))
			return claim;
	return NULL;
}

static bool vdi_device_all_named(const struct vdi_set *set)
{
	return set->nr_named == set->config.device_count;
}

/* A device handle and its set handle may now exchange with the device */
static void vdi_device_attach_locked(struct vdi_device *dev,
				     struct vdi_handle *handle,
				     enum vdi_side side)
{
	struct vdi_set *set = dev->set;

	lockdep_assert_held(&set->lock);
	dev->open[side] = true;
	dev->handle[side] = handle;
	dev->opener[side] = handle->opener;
	handle->devices = BIT_ULL(dev->index);
	if (handle->opener)
		handle->opener->devices |= BIT_ULL(dev->index);
	set->nr_open[side]++;
	/* Commands may be waiting for the client, or a close for both */
	vdi_command_ready_locked(dev);
	vdi_set_wake_all_locked(set);
}

/* The server has named a device: settle the claims that this decides */
static void vdi_device_named_locked(struct vdi_device *dev)
{
	struct vdi_set *set = dev->set;
	struct vdi_handle *claim = vdi_device_find_claim(set, dev->name);

	lockdep_assert_held(&set->lock);
	if (claim) {
		list_del_init(&claim->claim_node);
		set->nr_claims--;
		vdi_device_attach_locked(dev, claim, VDI_CLIENT);
	}
	if (!vdi_device_all_named(set))
		return;
	while (!list_empty(&set->claims)) {
		claim = list_first_entry(&set->claims, struct vdi_handle,
					 claim_node);
		list_del_init(&claim->claim_node);
		set->nr_claims--;
		claim->lost = true;
		wake_up_all(&claim->wq);
	}
}

static int vdi_device_open_server_locked(struct vdi_set *set,
					 struct vdi_handle *handle)
{
	struct vdi_device *dev = vdi_device_find(set, handle->name);
	int ret = vdi_state_server(set, VDI_SERVER_OPEN_DEVICE);

	lockdep_assert_held(&set->lock);
	if (ret)
		return ret;
	if (set->nr_open[VDI_SERVER] == set->config.device_count)
		return -EBUSY;
	if (dev && dev->open[VDI_SERVER])
		return -EINVAL;
	if (!dev) {
		/* The next one; the first is kept for the name of the set */
		dev = set->devices + 1;
		while (dev < set->devices + set->config.device_count &&
		       dev->named)
			dev++;
		if (dev == set->devices + set->config.device_count)
			return -EINVAL;
		strscpy(dev->name, handle->name, sizeof(dev->name));
		dev->named = true;
		set->nr_named++;
	}
	vdi_device_attach_locked(dev, handle, VDI_SERVER);
	vdi_device_named_locked(dev);
	return 0;
}

/* In the order of 2.6-b */
static int vdi_device_open_client_locked(struct vdi_set *set,
					 struct vdi_handle *handle)
{
	struct vdi_device *dev = vdi_device_find(set, handle->name);
	unsigned int open = set->nr_open[VDI_CLIENT];
	int ret = vdi_state_client(set, VDI_CLIENT_OPEN_DEVICE);

	lockdep_assert_held(&set->lock);
	if (ret)
		return ret;
	if (open == set->config.device_count)
		return -EBUSY;
	if (dev) {
		if (dev->open[VDI_CLIENT])
			return -EPROTO;
		vdi_device_attach_locked(dev, handle, VDI_CLIENT);
		return 0;
	}
	if (vdi_device_find_claim(set, handle->name))
		return -EPROTO;
	if (vdi_device_all_named(set))
		return -EINVAL;
	if (open + set->nr_claims >= set->config.device_count)
		return -EBUSY;
	list_add_tail(&handle->claim_node, &set->claims);
	set->nr_claims++;
	return 0;
}

/**
 * vdi_device_open() - OpenDevice (3.3, 4.8)
 * @call: on the set handle of the caller
 * @handle: new device handle, bound, with the name
 * @index: set to the index or %VDI_DEVICE_UNKNOWN
 *
 * Return: 0 or -errno as documented at the ioctl.
 */
int vdi_device_open(struct vdi_call *call, struct vdi_handle *handle,
		    u32 *index)
{
	struct vdi_set *set = call->set;
	int ret;

	spin_lock(&set->lock);
	/* CLOSE or ADOPT may have come meanwhile */
	if (vdi_command_left(call)) {
		ret = vdi_command_left_errno(call);
		goto unlock;
	}
	if (call->handle->draining) {
		ret = -EPROTO;
		goto unlock;
	}
	handle->opener = call->handle;
	list_add_tail(&handle->set_node, &set->handles);
	ret = handle->role == VDI_ROLE_SERVER ?
		      vdi_device_open_server_locked(set, handle) :
		      vdi_device_open_client_locked(set, handle);
	if (ret) {
		list_del_init(&handle->set_node);
		handle->opener = NULL;
		goto unlock;
	}
	vdi_state_devices_changed(set);
	*index = handle->devices ? __ffs64(handle->devices) :
				   VDI_DEVICE_UNKNOWN;
unlock:
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_device_name_all_locked() - Name the devices of a set with nodes
 * @set: the set, being configured by the kernel; all names fit
 *
 * Context: set->lock held.
 */
void vdi_device_name_all_locked(struct vdi_set *set)
{
	struct vdi_device *dev;

	lockdep_assert_held(&set->lock);
	vdi_set_for_each_device(set, dev) {
		if (dev->named)
			continue;
		snprintf(dev->name, sizeof(dev->name), "%s.%u", set->name,
			 dev->index);
		dev->named = true;
		set->nr_named++;
	}
}

/**
 * vdi_device_open_node() - OpenDevice (4.8) by the kernel, for a node
 * @set: the set, configured by the kernel
 * @index: which device
 * @handle: new device handle, bound
 *
 * Return: 0, -EPROTO, -EBUSY or -ECANCELED.
 */
int vdi_device_open_node(struct vdi_set *set, unsigned int index,
			 struct vdi_handle *handle)
{
	struct vdi_device *dev = &set->devices[index];
	int ret;

	spin_lock(&set->lock);
	ret = vdi_state_server(set, VDI_SERVER_OPEN_DEVICE);
	if (!ret && dev->open[VDI_SERVER])
		ret = -EBUSY;
	if (!ret) {
		strscpy(handle->name, dev->name, sizeof(handle->name));
		list_add_tail(&handle->set_node, &set->handles);
		vdi_device_attach_locked(dev, handle, VDI_SERVER);
		vdi_state_devices_changed(set);
	}
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_device_settle_locked() - Has a closing device come to its end?
 * @dev: the device
 *
 * A device is closed in order when the server has closed it and its last
 * command is completed.
 *
 * Context: set->lock held.
 */
void vdi_device_settle_locked(struct vdi_device *dev)
{
	struct vdi_set *set = dev->set;

	lockdep_assert_held(&set->lock);
	if (!dev->closing || dev->queued.count || dev->taken ||
	    set->closed & BIT_ULL(dev->index) || vdi_state_aborted(set))
		return;
	set->closed |= BIT_ULL(dev->index);
	vdi_state_devices_changed(set);
	/* The last one ends the set: everybody has something to learn */
	if (vdi_state_ended(set))
		vdi_set_wake_all_locked(set);
	else
		vdi_command_wake_device_locked(dev);
}

/**
 * vdi_device_close() - CloseDevice by the server (4.11)
 * @handle: the device handle
 * @set: its set
 *
 * Return: 0 or -errno as documented at the ioctl.
 */
int vdi_device_close(struct vdi_handle *handle, struct vdi_set *set)
{
	struct vdi_device *dev;
	int ret;

	spin_lock(&set->lock);
	dev = &set->devices[__ffs64(handle->devices)];
	ret = vdi_state_device_op(dev, VDI_DEVICE_CLOSE);
	if (!ret) {
		dev->closing = true;
		vdi_device_settle_locked(dev);
		/* No more will come: who waits for a batch goes on with less */
		if (dev->queued.count)
			vdi_command_wake_device_locked(dev);
	}
	spin_unlock(&set->lock);
	return ret;
}

/**
 * vdi_device_status() - State and counters of the device of a handle
 * @handle: device handle
 * @set: its set
 * @arg: filled in
 */
void vdi_device_status(struct vdi_handle *handle, struct vdi_set *set,
		       struct vdi_device_status *arg)
{
	struct vdi_device *dev;

	memset(arg->out_name, 0, sizeof(arg->out_name));
	strscpy(arg->out_name, handle->name, sizeof(arg->out_name));
	spin_lock(&set->lock);
	if (!handle->devices) {
		arg->out_index = VDI_DEVICE_UNKNOWN;
		arg->out_state = vdi_state_aborted(set) ?
					 VDI_DEVICE_ABORTED :
					 VDI_DEVICE_OPENED_BY_CLIENT;
		spin_unlock(&set->lock);
		return;
	}
	dev = &set->devices[__ffs64(handle->devices)];
	arg->out_index = dev->index;
	arg->out_state = vdi_state_device(dev);
	arg->out_queued = dev->queued.count;
	arg->out_taken = dev->taken;
	arg->out_done = dev->done.count;
	arg->out_refused = dev->refused;
	arg->out_commands = dev->commands;
	arg->out_completions = dev->completions;
	arg->out_errors = dev->errors;
	arg->out_bytes_written = dev->bytes_written;
	arg->out_bytes_read = dev->bytes_read;
	spin_unlock(&set->lock);
}
