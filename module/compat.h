/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels we boot: 6.1 (Debian's), 6.12, 7.x and User
 * Mode Linux.  The only file that may know a kernel version.
 */
#ifndef VDI_COMPAT_H
#define VDI_COMPAT_H

#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/shmem_fs.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 1, 0)
#error "vdi needs Linux 6.1 or newer"
#endif

/* Sleep and let the freezer pass (R28, R30) */
#define VDI_TASK_INTERRUPTIBLE	(TASK_INTERRUPTIBLE | TASK_FREEZABLE)
#define VDI_TASK_KILLABLE	(TASK_KILLABLE | TASK_FREEZABLE)

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
static inline int vdi_call_mmap(struct file *file, struct vm_area_struct *vma)
{
	return vfs_mmap(file, vma);
}
#else
static inline int vdi_call_mmap(struct file *file, struct vm_area_struct *vma)
{
	return call_mmap(file, vma);
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
static inline void vdi_vm_flags_mod(struct vm_area_struct *vma,
				    unsigned long set, unsigned long clear)
{
	vm_flags_mod(vma, set, clear);
}
#else
static inline void vdi_vm_flags_mod(struct vm_area_struct *vma,
				    unsigned long set, unsigned long clear)
{
	vma->vm_flags = (vma->vm_flags | set) & ~clear;
}
#endif

/* Is the process ending, or giving its memory up in exec? */
static inline bool vdi_task_dying(void)
{
	return current->flags & PF_EXITING || current->in_execve;
}

/* A file that is accounted in full when it is made */
static inline struct file *vdi_shmem_file(const char *name, loff_t size)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return shmem_file_setup(name, size, EMPTY_VMA_FLAGS);
#else
	return shmem_file_setup(name, size, 0);
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define vdi_hrtimer_setup_sleeper(t) \
	hrtimer_setup_sleeper_on_stack(t, CLOCK_MONOTONIC, HRTIMER_MODE_ABS)
#else
#define vdi_hrtimer_setup_sleeper(t) \
	hrtimer_init_sleeper_on_stack(t, CLOCK_MONOTONIC, HRTIMER_MODE_ABS)
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define vdi_splice_read		copy_splice_read
#define vdi_node_const		const
#else
#define vdi_splice_read		generic_file_splice_read
#define vdi_node_const
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define VDI_FOPS_NO_LLSEEK
#else
#define VDI_FOPS_NO_LLSEEK	.llseek = no_llseek,
#endif

#endif /* VDI_COMPAT_H */
