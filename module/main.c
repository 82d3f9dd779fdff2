// SPDX-License-Identifier: GPL-2.0-only
/*
 * Module tags and parameters, init and exit, the misc device, the counters in
 * debugfs.
 */
#include <linux/cpumask.h>
#include <linux/debugfs.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include <linux/vdi.h>

#include "ctl.h"
#include "main.h"
#include "name.h"
#include "node.h"
#include "owner.h"
#include "quota.h"
#include "window.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static char *devname = "vdi";
module_param(devname, charp, 0444);
MODULE_PARM_DESC(devname, "name of the node; a ninth virtio disk is called vdi too");

static ushort mode = 0600;
module_param(mode, ushort, 0444);
MODULE_PARM_DESC(mode, "permissions of the node before udev sees it");

static uint max_sets = 64;
module_param(max_sets, uint, 0644);
MODULE_PARM_DESC(max_sets, "sets of one user");

static uint max_handles = 1024;
module_param(max_handles, uint, 0644);
MODULE_PARM_DESC(max_handles, "open files of one user");

static uint max_nodes = 1024;
module_param(max_nodes, uint, 0644);
MODULE_PARM_DESC(max_nodes, "nodes of all users");

static uint max_ring_depth = 256;
module_param(max_ring_depth, uint, 0644);
MODULE_PARM_DESC(max_ring_depth, "commands that one device may hold, at most 4096");

static unsigned long long max_area_bytes = 1ULL << 30;
module_param(max_area_bytes, ullong, 0644);
MODULE_PARM_DESC(max_area_bytes, "buffer area of one set");

static unsigned long long max_user_bytes = 4ULL << 30;
module_param(max_user_bytes, ullong, 0644);
MODULE_PARM_DESC(max_user_bytes, "buffer areas of one user");

static uint max_total_percent = 25;
module_param(max_total_percent, uint, 0644);
MODULE_PARM_DESC(max_total_percent, "buffer areas of all users, percent of memory");

static uint max_spin_us = 100;
module_param(max_spin_us, uint, 0644);
MODULE_PARM_DESC(max_spin_us, "longest spin before sleeping, microseconds");

static bool early_death = true;
module_param(early_death, bool, 0644);
MODULE_PARM_DESC(early_death, "see the death of a process before its memory is torn down");

atomic_long_t vdi_counters[VDI_COUNTERS];
DEFINE_PER_CPU(long, vdi_commands);

static struct dentry *debugfs_dir;

/**
 * vdi_main_max_area_bytes() - Limit
 *
 * Return: bytes of buffer area of one set.
 */
u64 vdi_main_max_area_bytes(void)
{
	return READ_ONCE(max_area_bytes);
}

/**
 * vdi_main_max_user_bytes() - Limit
 *
 * Return: bytes of the buffer areas of one user.
 */
u64 vdi_main_max_user_bytes(void)
{
	return READ_ONCE(max_user_bytes);
}

/**
 * vdi_main_max_total_bytes() - Limit
 *
 * Return: bytes of the buffer areas of all users.
 */
u64 vdi_main_max_total_bytes(void)
{
	return ((u64)totalram_pages() << PAGE_SHIFT) / 100 *
	       min(READ_ONCE(max_total_percent), 100u);
}

/**
 * vdi_main_max_sets() - Limit
 *
 * Return: sets of one user.
 */
unsigned int vdi_main_max_sets(void)
{
	return READ_ONCE(max_sets);
}

/**
 * vdi_main_max_handles() - Limit
 *
 * Return: handles of one user.
 */
unsigned int vdi_main_max_handles(void)
{
	return READ_ONCE(max_handles);
}

/**
 * vdi_main_max_nodes() - Limit
 *
 * Return: nodes of all users.
 */
unsigned int vdi_main_max_nodes(void)
{
	return READ_ONCE(max_nodes);
}

/**
 * vdi_main_max_ring_depth() - Limit
 *
 * Return: slots that CREATE may ask for, at most 4096.
 */
unsigned int vdi_main_max_ring_depth(void)
{
	return clamp(READ_ONCE(max_ring_depth), 1u, 4096u);
}

/**
 * vdi_main_ring_depth() - Default
 *
 * Return: slots when CREATE names none.
 */
unsigned int vdi_main_ring_depth(void)
{
	return min(64u, vdi_main_max_ring_depth());
}

/**
 * vdi_main_max_spin_us() - Limit
 *
 * Return: longest spin in microseconds.
 */
unsigned int vdi_main_max_spin_us(void)
{
	return min(READ_ONCE(max_spin_us), 10000u);
}

/**
 * vdi_main_spin_us() - How long a caller may spin
 * @us: how long it would like to
 *
 * Return: microseconds; 0 where nobody else could run meanwhile.
 */
unsigned int vdi_main_spin_us(unsigned int us)
{
	if (!us || num_online_cpus() == 1)
		return 0;
	return min(us, vdi_main_max_spin_us());
}

/**
 * vdi_main_early_death() - Are owners watched by an mmu notifier?
 *
 * Return: true if so.
 */
bool vdi_main_early_death(void)
{
	return READ_ONCE(early_death);
}

static int counters_show(struct seq_file *m, void *unused)
{
	static const char * const names[VDI_COUNTERS] = {
		[VDI_COUNT_SETS]		= "sets",
		[VDI_COUNT_HANDLES]		= "handles",
		[VDI_COUNT_OWNERS]		= "owners",
		[VDI_COUNT_NODES]		= "nodes",
		[VDI_COUNT_TOTAL_SETS]		= "total_sets",
		[VDI_COUNT_TOTAL_ABORTS]	= "total_aborts",
	};
	long commands = 0;
	int i;

	for_each_possible_cpu(i)
		commands += per_cpu(vdi_commands, i);
	seq_printf(m, "commands %ld\n", commands);
	for (i = 0; i < VDI_COUNTERS; i++)
		seq_printf(m, "%s %ld\n", names[i],
			   atomic_long_read(&vdi_counters[i]));
	seq_printf(m, "names %u\n", vdi_name_count());
	seq_printf(m, "users %u\n", vdi_quota_users());
	seq_printf(m, "bytes %llu\n", vdi_quota_total(VDI_QUOTA_BYTES));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static struct miscdevice vdi_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.fops	= &vdi_set_fops,
};

static int __init vdi_init(void)
{
	int ret;

	vdi_misc.name = devname;
	vdi_misc.mode = mode & 0666;
	ret = vdi_node_init();
	if (ret)
		return ret;
	debugfs_dir = debugfs_create_dir("vdi", NULL);
	debugfs_create_file("counters", 0400, debugfs_dir, NULL,
			    &counters_fops);
	vdi_window_init(debugfs_dir);
	ret = misc_register(&vdi_misc);
	if (ret) {
		debugfs_remove(debugfs_dir);
		vdi_node_exit();
	}
	return ret;
}
module_init(vdi_init);

static void __exit vdi_exit(void)
{
	misc_deregister(&vdi_misc);
	vdi_node_exit();
	debugfs_remove(debugfs_dir);
	/* No file is open, so no set is left; notifiers are freed later */
	WARN_ON(vdi_name_count());
	vdi_owner_synchronize();
}
module_exit(vdi_exit);

MODULE_DESCRIPTION("Virtual Device Interface: backup devices for database engines");
MODULE_LICENSE("GPL");
MODULE_VERSION(VDI_VERSION);
