/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Windows for tests: in a module that is built with VDI_WINDOWS=1, each
 * spin_unlock() and mutex_unlock() of ours may be followed by a sleep, so that what
 * can happen between two critical sections does.  Kbuild includes this before each
 * file; no other build knows it.  Which windows there are, how often each was passed and
 * how many are in it is read from debugfs (vdi/windows), which of them open is
 * written there.
 */
#ifndef VDI_WINDOW_H
#define VDI_WINDOW_H

struct dentry;

#ifdef VDI_WINDOWS
/* Before these are redefined: the inline functions of headers are not ours */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <linux/llist.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/module.h>
#include <linux/mtio.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

/**
 * struct vdi_window - What follows one unlock in the source
 * @file: where it is
 * @line: where in @file
 * @known: it is in the list
 * @node: in the list of all that were passed once
 * @hits: times it was passed outside of any lock
 * @us: longest sleep in microseconds, 0 for none
 * @one_in: how many passages there are to one sleep
 * @inside: how many sleep there now
 */
struct vdi_window {
	const char *file;
	int line;
	atomic_t known;
	struct llist_node node;
	atomic_t hits;
	u32 us;
	u32 one_in;
	atomic_t inside;
};

void vdi_window_pass(struct vdi_window *window);
void vdi_window_init(struct dentry *dir);

static inline void vdi_window_unlock(spinlock_t *lock) __releases(lock)
{
	spin_unlock(lock);
}

static inline void vdi_window_mutex_unlock(struct mutex *lock)
{
	mutex_unlock(lock);
}

#define vdi_window_after(unlock, lock)					\
do {									\
	static struct vdi_window window_ = {				\
		.file = __FILE__, .line = __LINE__,			\
	};								\
									\
	unlock(lock);							\
	vdi_window_pass(&window_);					\
} while (0)

#define spin_unlock(lock)	vdi_window_after(vdi_window_unlock, lock)
#define mutex_unlock(lock)	vdi_window_after(vdi_window_mutex_unlock, lock)
#else
static inline void vdi_window_init(struct dentry *dir) { }
#endif

#endif /* VDI_WINDOW_H */
