// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes as devices: made with their set and gone with its client.  Their files
 * are in node_file.c.
 *
 * A node is bound to the set from its first open on, by a device handle that is
 * the kernel's own.  It stays bound until its device is closed or the client has
 * gone, and nobody uses it any more: vdi_node_settle().
 */
#include <linux/bitmap.h>
#include <linux/cred.h>
#include <linux/ctype.h>
#include <linux/err.h>
#include <linux/mtio.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/user_namespace.h>

#include "area.h"
#include "command.h"
#include "compat.h"
#include "config.h"
#include "device.h"
#include "main.h"
#include "node.h"
#include "state.h"

#define VDI_NODE_TRANSFER	(256 * 1024)
#define VDI_NODE_DEPTH		4

static DEFINE_SPINLOCK(nodes_lock);
static DECLARE_BITMAP(node_minors, VDI_NODE_MINORS);
static unsigned int nr_nodes;
static unsigned int next_minor;
static dev_t first_devt;
static DECLARE_WAIT_QUEUE_HEAD(node_freed);

static struct class vdi_node_class = {
	.name = "vdi",
};

static struct vdi_node *vdi_node_of(const struct device *dev)
{
	return container_of(dev, struct vdi_node, dev);
}

static struct vdi_set *vdi_node_get_set(struct vdi_node *node)
{
	struct vdi_set *set;

	spin_lock(&nodes_lock);
	set = node->set;
	if (set)
		vdi_set_get(set);
	spin_unlock(&nodes_lock);
	return set;
}

static ssize_t vdi_node_show(struct device *dev, char *buf, size_t at)
{
	struct vdi_set *set = vdi_node_get_set(vdi_node_of(dev));
	ssize_t ret;

	if (!set)
		return -ENODEV;
	ret = sysfs_emit(buf, "%s\n", (char *)set + at);
	vdi_set_put(set);
	return ret;
}

static ssize_t set_show(struct device *dev, struct device_attribute *attr,
			char *buf)
{
	return vdi_node_show(dev, buf, offsetof(struct vdi_set, name));
}
static DEVICE_ATTR_RO(set);

static ssize_t instance_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return vdi_node_show(dev, buf, offsetof(struct vdi_set, instance));
}
static DEVICE_ATTR_RO(instance);

static ssize_t index_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%u\n", vdi_node_of(dev)->index);
}
static DEVICE_ATTR_RO(index);

static struct attribute *vdi_node_attrs[] = {
	&dev_attr_set.attr,
	&dev_attr_instance.attr,
	&dev_attr_index.attr,
	NULL
};
ATTRIBUTE_GROUPS(vdi_node);

static char *vdi_node_devnode(vdi_node_const struct device *dev, umode_t *mode,
			      kuid_t *uid, kgid_t *gid)
{
	const struct vdi_node *node = vdi_node_of(dev);

	/* All three are NULL when the name alone is asked for */
	if (mode)
		*mode = node->mode;
	if (uid)
		*uid = node->uid;
	if (gid)
		*gid = node->gid;
	return NULL;
}

/* A name that is safe as a part of a path, and no other name becomes it */
static bool vdi_node_linkable(const struct vdi_set *set)
{
	const char *c;

	if (set->instance[0] || set->name[0] == '.')
		return false;
	for (c = set->name; *c; c++)
		if (!isascii(*c) || !(isalnum(*c) || strchr("._-", *c)))
			return false;
	return true;
}

/* For the links that udev makes */
static int vdi_node_uevent(vdi_node_const struct device *dev,
			   struct kobj_uevent_env *env)
{
	struct vdi_node *node = vdi_node_of(dev);
	struct vdi_set *set = vdi_node_get_set(node);
	int ret = 0;

	if (!set)
		return 0;
	if (vdi_node_linkable(set))
		ret = add_uevent_var(env, "VDI_SET=%s", set->name) ?:
		      add_uevent_var(env, "VDI_INDEX=%u", node->index);
	vdi_set_put(set);
	return ret;
}

static void vdi_node_free_minors(unsigned int first, unsigned int n)
{
	spin_lock(&nodes_lock);
	bitmap_clear(node_minors, first, n);
	nr_nodes -= n;
	spin_unlock(&nodes_lock);
	wake_up_all(&node_freed);
}

static void vdi_node_release_dev(struct device *dev)
{
	struct vdi_node *node = vdi_node_of(dev);
	unsigned int minor = MINOR(dev->devt) - MINOR(first_devt);

	kvfree(node->tail);
	kfree(node->buffers);
	kfree(node);
	vdi_count(VDI_COUNT_NODES, -1);
	/* The last thing: vdi_node_exit() waits for it */
	vdi_node_free_minors(minor, 1);
}

static const struct device_type vdi_node_type = {
	.name		= "vdi-node",
	.groups		= vdi_node_groups,
	.devnode	= vdi_node_devnode,
	.uevent		= vdi_node_uevent,
	.release	= vdi_node_release_dev,
};

static bool vdi_node_live(const struct vdi_node *node)
{
	lockdep_assert_held(&nodes_lock);
	return node->set;
}

/**
 * vdi_node_set_over() - The device of a node is closed: nobody can open it again
 * @node: the node
 */
void vdi_node_set_over(struct vdi_node *node)
{
	spin_lock(&nodes_lock);
	node->over = true;
	spin_unlock(&nodes_lock);
}

/**
 * vdi_node_take() - The one use of a node begins, by a file
 * @node: the node
 * @set: set to its set, with a reference
 *
 * Return: 0, -ENXIO if it has had its use or its client is gone, or -EBUSY.
 */
int vdi_node_take(struct vdi_node *node, struct vdi_set **set)
{
	int ret = 0;

	spin_lock(&nodes_lock);
	if (!vdi_node_live(node) || node->over) {
		ret = -ENXIO;
	} else if (node->busy) {
		ret = -EBUSY;
	} else {
		node->busy = true;
		*set = node->set;
		vdi_set_get(*set);
	}
	spin_unlock(&nodes_lock);
	return ret;
}

/**
 * vdi_node_settle() - Somebody has stopped to use a node
 * @node: the node, no longer busy after this call
 *
 * Context: sleeps; node->lock not held.
 */
void vdi_node_settle(struct vdi_node *node)
{
	struct vdi_handle *handle = NULL;

	spin_lock(&nodes_lock);
	node->busy = false;
	if (node->over || !vdi_node_live(node)) {
		handle = node->handle;
		node->handle = NULL;
	}
	spin_unlock(&nodes_lock);
	if (handle)
		vdi_handle_unbind_kernel(handle);
}

/* Numbers go round, so that one that was printed is not soon another's */
static int vdi_node_alloc_minors(unsigned int n, unsigned int *first)
{
	unsigned int at;

	spin_lock(&nodes_lock);
	if (nr_nodes + n > vdi_main_max_nodes()) {
		spin_unlock(&nodes_lock);
		return -EDQUOT;
	}
	at = bitmap_find_next_zero_area(node_minors, VDI_NODE_MINORS,
					next_minor, n, 0);
	if (at >= VDI_NODE_MINORS)
		at = bitmap_find_next_zero_area(node_minors, VDI_NODE_MINORS,
						0, n, 0);
	if (at < VDI_NODE_MINORS) {
		bitmap_set(node_minors, at, n);
		nr_nodes += n;
		next_minor = at + n;
	}
	spin_unlock(&nodes_lock);
	*first = at;
	return at < VDI_NODE_MINORS ? 0 : -EDQUOT;
}

/* It opens no more; who has it open settles it */
static void vdi_node_forget(struct vdi_node *node)
{
	bool idle;

	spin_lock(&nodes_lock);
	node->set = NULL;
	idle = !node->busy;
	spin_unlock(&nodes_lock);
	if (idle)
		vdi_node_settle(node);
	put_device(&node->dev);
}

static int vdi_node_create(struct vdi_set *set, unsigned int index,
			   unsigned int minor)
{
	struct vdi_node *node = kzalloc(sizeof(*node), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!node) {
		vdi_node_free_minors(minor, 1);
		return -ENOMEM;
	}
	vdi_count(VDI_COUNT_NODES, 1);
	node->set = set;
	node->index = index;
	node->uid = set->uid;
	node->gid = set->gid;
	node->mode = set->mode & 0666;
	mutex_init(&node->lock);
	vdi_node_init_end(node);
	device_initialize(&node->dev);
	node->dev.class = &vdi_node_class;
	node->dev.type = &vdi_node_type;
	node->dev.devt = MKDEV(MAJOR(first_devt), MINOR(first_devt) + minor);
	ret = dev_set_name(&node->dev, "vdi-%u", minor);
	if (!ret) {
		cdev_init(&node->cdev, &vdi_node_fops);
		node->cdev.owner = THIS_MODULE;
		ret = cdev_device_add(&node->cdev, &node->dev);
	}
	/* It may have been opened by its number before the device was refused */
	if (ret)
		vdi_node_forget(node);
	else
		set->nodes->nodes[index] = node;
	return ret;
}

/**
 * vdi_node_create_all() - Make the nodes of a new set
 * @set: the set; set->nodes is freed with it
 * @arg: checked by config.c
 *
 * Return: 0, -ENOMEM, -EDQUOT, -EPERM, or what the driver core says.
 */
int vdi_node_create_all(struct vdi_set *set, const struct vdi_create *arg)
{
	unsigned int i, n = set->config.device_count;
	bool tape = set->config.features & VDI_FEAT_FILE_MARKS;
	struct vdi_node_set *nodes;
	unsigned int first;
	int ret;

	/* Nodes are everybody's, so whose they are has to be clear to all */
	if (set->user_ns != &init_user_ns)
		return -EPERM;
	nodes = kzalloc(struct_size(nodes, nodes, n), GFP_KERNEL_ACCOUNT);
	if (!nodes)
		return -ENOMEM;
	ret = vdi_node_alloc_minors(n, &first);
	if (ret) {
		kfree(nodes);
		return ret;
	}
	nodes->block = arg->node_block_size ?:
		       (tape ? VDI_MAX_BLOCK_SIZE : VDI_MIN_BLOCK_SIZE);
	nodes->transfer = arg->node_transfer_size ?: VDI_NODE_TRANSFER;
	nodes->depth = arg->node_depth ?: min_t(u32, VDI_NODE_DEPTH,
						set->ring_depth);
	nodes->first = first;
	nodes->live = true;
	set->nodes = nodes;
	for (i = 0; i < n; i++) {
		ret = vdi_node_create(set, i, first + i);
		if (!ret)
			continue;
		/* The caller removes those that are there */
		if (i + 1 < n)
			vdi_node_free_minors(first + i + 1, n - i - 1);
		return ret;
	}
	return 0;
}

/**
 * vdi_node_remove_all() - The nodes of a set go
 * @set: the set; one without nodes is left as it is
 *
 * Files that are open remain, and find that the set is dead.
 *
 * Context: sleeps; handle->bind_lock may be held.
 */
void vdi_node_remove_all(struct vdi_set *set)
{
	struct vdi_node_set *nodes = set->nodes;
	unsigned int i;

	if (!nodes)
		return;
	spin_lock(&set->lock);
	nodes->live = false;
	spin_unlock(&set->lock);
	for (i = 0; i < set->config.device_count; i++) {
		struct vdi_node *node = nodes->nodes[i];

		if (!node)
			continue;
		nodes->nodes[i] = NULL;
		cdev_device_del(&node->cdev, &node->dev);
		vdi_node_forget(node);
	}
}

/**
 * vdi_node_init() - Class, numbers and workqueue
 *
 * Return: 0 or -errno.
 */
int __init vdi_node_init(void)
{
	int ret;

	vdi_node_wq = alloc_workqueue("vdi_node", WQ_UNBOUND, 0);
	if (!vdi_node_wq)
		return -ENOMEM;
	ret = alloc_chrdev_region(&first_devt, 0, VDI_NODE_MINORS, "vdi-node");
	if (ret)
		goto err_destroy_wq;
	ret = class_register(&vdi_node_class);
	if (ret)
		goto err_unregister;
	return 0;

err_unregister:
	unregister_chrdev_region(first_devt, VDI_NODE_MINORS);
err_destroy_wq:
	destroy_workqueue(vdi_node_wq);
	return ret;
}

static unsigned int vdi_node_nr(void)
{
	return READ_ONCE(nr_nodes);
}

/**
 * vdi_node_exit() - Undo vdi_node_init(); no set is left
 */
void vdi_node_exit(void)
{
	destroy_workqueue(vdi_node_wq);
	/* Their release is code of this module */
	wait_event(node_freed, !vdi_node_nr());
	class_unregister(&vdi_node_class);
	unregister_chrdev_region(first_devt, VDI_NODE_MINORS);
}
