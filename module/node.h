/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes: the virtual devices of a set as character devices, for programs that
 * know nothing of the interface.  The kernel is the server of such a set.
 *
 * node.c has the devices, node_file.c their files, node_end.c what close and death
 * mean, node_command.c the commands, node_io.c the ring of transfers, node_pipe.c
 * streams, node_disk.c random access, node_tape.c what a tape drive can do.
 */
#ifndef VDI_NODE_H
#define VDI_NODE_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/mutex.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "handle.h"
#include "set.h"

#define VDI_NODE_MINORS		16384

/* Completion codes (7.5) that a node has to tell apart */
#define VDI_CODE_WRITE_PROTECT		19
#define VDI_CODE_HANDLE_EOF		38
#define VDI_CODE_HANDLE_DISK_FULL	39
#define VDI_CODE_NOT_SUPPORTED		50
#define VDI_CODE_DISK_FULL		112
#define VDI_CODE_END_OF_MEDIA		1100
#define VDI_CODE_FILEMARK_DETECTED	1101
#define VDI_CODE_BEGINNING_OF_MEDIA	1102
#define VDI_CODE_NO_DATA_DETECTED	1104
#define VDI_CODE_NO_MEDIA_IN_DRIVE	1112
#define VDI_CODE_EOM_OVERFLOW		1129

/**
 * enum vdi_node_how - How a function may wait
 * @VDI_NODE_INTERRUPTIBLE: any signal ends the wait, -ERESTARTSYS
 * @VDI_NODE_KILLABLE: a fatal one does, -ERESTARTSYS
 * @VDI_NODE_NONBLOCK: it may not, -EAGAIN; to be called again
 */
enum vdi_node_how {
	VDI_NODE_INTERRUPTIBLE,
	VDI_NODE_KILLABLE,
	VDI_NODE_NONBLOCK,
};

/**
 * enum vdi_node_phase - How far the end of a file has come
 * @VDI_NODE_PHASE_DATA: what was written is sent and answered
 * @VDI_NODE_PHASE_MARK: a tape that was written gets a filemark
 * @VDI_NODE_PHASE_FLUSH: Flush, after writing
 * @VDI_NODE_PHASE_COMPLETE: Complete, if the device ends after writing
 * @VDI_NODE_PHASE_CLOSE: CloseDevice, if the device ends
 * @VDI_NODE_PHASE_DONE: nothing is left to do
 */
enum vdi_node_phase {
	VDI_NODE_PHASE_DATA,
	VDI_NODE_PHASE_MARK,
	VDI_NODE_PHASE_FLUSH,
	VDI_NODE_PHASE_COMPLETE,
	VDI_NODE_PHASE_CLOSE,
	VDI_NODE_PHASE_DONE,
};

/**
 * struct vdi_node_buffer - One buffer in the area, and the transfer from or to it
 * @offset: in the area (invariant)
 * @position: of the transfer, in bytes
 * @start: bytes of it that are stored, or were read by the user, already
 * @length: bytes of the command
 * @result: bytes transferred, when it is answered
 * @code: completion code, likewise
 * @answered: the command has completed
 */
struct vdi_node_buffer {
	u64 offset;
	u64 position;
	u32 start;
	u32 length;
	u32 result;
	u32 code;
	bool answered;
};

/**
 * struct vdi_node_command - The one command without data that is under way
 * @code: VDI_CMD_*, 0 if there is none
 * @left: a signal has ended the call that sent it
 * @answered: it has completed
 * @answer: completion code
 * @result: position, or bytes of a Read into the spare buffer
 */
struct vdi_node_command {
	u16 code;
	bool left;
	bool answered;
	u32 answer;
	u64 result;
};

/**
 * struct vdi_node - One node (protected by @lock where nothing else is said)
 * @dev: the device; counts the references
 * @cdev: likewise
 * @set: its set, valid until vdi_node_remove_all() (protected by the nodes lock)
 * @busy: a file is open, or its end is under way (protected by the nodes lock)
 * @over: the device is closed: no further open (protected by the nodes lock)
 * @index: index of the device (invariant)
 * @uid: owner of the node (invariant)
 * @gid: its group (invariant)
 * @mode: its permissions (invariant)
 * @lock: mutex; taken before mmap_lock, and before the locks of the set
 * @missed: somebody who does not wait for @lock has not got it
 * @handle: device handle of the kernel's, from the first open to the end
 * @call: for the functions of command.h
 * @features: VDI_FEAT_* of the set
 * @block: block size
 * @transfer: size of a buffer
 * @depth: how many buffers
 * @writable: the open file may write
 * @last: this is the end of the device
 * @in_order: a process has closed a descriptor of the file, in order
 * @phase: how far the end of the file has come
 * @waiter: in the queue of @handle while the end is under way in the background
 * @work: its next step
 * @error: what all further calls return, 0 or -errno
 * @errored: the device is in the I/O-error state (2.5)
 * @again: Writes that were not stored are to be sent again
 * @full: the medium is, and nothing has been written to the next one yet
 * @written: it is what the device is for, or was done
 * @waiting: the end is under way in the background
 * @wrote: something was written since the last Flush
 * @buffers: @depth of them, used in a ring
 * @head: the oldest one in use
 * @count: how many are
 * @filling: the one after those is being filled
 * @fill: bytes in it
 * @spare: offset of a buffer of one block
 * @command: the command without data
 * @eof: nothing more can be read
 * @next: position of the next Read
 * @reading: disk and tape: the ring has Reads and not Writes
 * @sequential: disk: the last Read was used up
 * @sized: disk: @size is known
 * @size: disk: where its data ends
 * @pad: disk: valid bytes behind those in the buffer that is being filled
 * @ended: disk: where the last Write ended
 * @tail: disk: contents of the last block, and room for another one
 * @tail_pos: disk: position of the last block
 * @tail_len: disk: its length, 0 if it is not known
 * @set_block: tape: block size by MTSETBLK, 0 for variable
 * @marking: tape: the last thing was a write, so that close writes a mark
 * @mark_pending: tape: a filemark was met that the next read is to see
 * @warned: tape: the next write fails with ENOSPC
 * @at_eof: tape: behind a filemark that was just read
 * @at_eod: tape: at the end of the data
 * @fileno: tape: number of the file, -1 if unknown
 * @blkno: tape: number of the block in it, -1 if unknown
 */
struct vdi_node {
	struct device dev;
	struct cdev cdev;
	struct vdi_set *set;
	bool busy;
	bool over;
	unsigned int index;
	kuid_t uid;
	kgid_t gid;
	umode_t mode;

	struct mutex lock;		/* see above */
	bool missed;
	struct vdi_handle *handle;
	struct vdi_call call;
	u32 features;
	u32 block;
	u32 transfer;
	unsigned int depth;
	bool writable;
	bool last;
	bool in_order;
	enum vdi_node_phase phase;
	struct wait_queue_entry waiter;
	struct work_struct work;

	int error;
	bool errored;
	bool again;
	bool full;
	bool written;
	bool waiting;
	bool wrote;
	struct vdi_node_buffer *buffers;
	unsigned int head;
	unsigned int count;
	bool filling;
	u32 fill;
	u64 spare;
	struct vdi_node_command command;
	bool eof;
	u64 next;

	bool reading;
	bool sequential;
	bool sized;
	u64 size;
	u32 pad;
	u64 ended;
	void *tail;
	u64 tail_pos;
	u32 tail_len;

	u32 set_block;
	bool marking;
	bool mark_pending;
	bool warned;
	bool at_eof;
	bool at_eod;
	s32 fileno;
	s32 blkno;
};

/**
 * struct vdi_node_set - What a set with nodes has besides
 * @block: block size to configure (all invariant where nothing else is said)
 * @transfer: largest transfer to configure
 * @depth: buffers of each device
 * @first: number of the first node
 * @live: the nodes are there (protected by set->lock)
 * @server: the kernel is the set's server (protected by set->lock)
 * @nodes: one for each device
 */
struct vdi_node_set {
	u32 block;
	u32 transfer;
	unsigned int depth;
	unsigned int first;
	bool live;
	bool server;
	struct vdi_node *nodes[];
};

static inline bool vdi_node_is_tape(const struct vdi_node *node)
{
	return node->features & VDI_FEAT_FILE_MARKS;
}

static inline bool vdi_node_is_disk(const struct vdi_node *node)
{
	return node->features & VDI_FEAT_RANDOM_ACCESS;
}

static inline bool vdi_node_is_pipe(const struct vdi_node *node)
{
	return !vdi_node_is_tape(node) && !vdi_node_is_disk(node);
}

/* node.c */
int vdi_node_init(void);
void vdi_node_exit(void);
int vdi_node_create_all(struct vdi_set *set, const struct vdi_create *arg);
void vdi_node_remove_all(struct vdi_set *set);
int vdi_node_take(struct vdi_node *node, struct vdi_set **set);
void vdi_node_settle(struct vdi_node *node);
void vdi_node_set_over(struct vdi_node *node);

/* node_file.c */
extern const struct file_operations vdi_node_fops;

/* node_end.c */
extern struct workqueue_struct *vdi_node_wq;
int vdi_node_finish(struct vdi_node *node, enum vdi_node_how how);
void vdi_node_init_end(struct vdi_node *node);
void vdi_node_finish_later(struct vdi_node *node);
bool vdi_node_holder_exits(struct vdi_node *node);
int vdi_node_close(struct vdi_node *node);

/* node_command.c */
int vdi_node_errno(u32 code);
int vdi_node_lock(struct vdi_node *node, enum vdi_node_how how);
void vdi_node_unlock(struct vdi_node *node);
bool vdi_node_trylock(struct vdi_node *node);
void vdi_node_unlock_polled(struct vdi_node *node);
void vdi_node_collect(struct vdi_node *node);
int vdi_node_wait(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_fail(struct vdi_node *node, int err);
int vdi_node_settle_command(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_command(struct vdi_node *node, u16 code, s32 arg, u64 position,
		     enum vdi_node_how how);
int vdi_node_clear(struct vdi_node *node, enum vdi_node_how how);

/* node_io.c */
struct vdi_node_buffer *vdi_node_at(struct vdi_node *node, unsigned int i);
struct vdi_node_buffer *vdi_node_filling(struct vdi_node *node);
bool vdi_node_all_answered(struct vdi_node *node);
int vdi_node_load_medium(struct vdi_node *node, enum vdi_node_how how);
bool vdi_node_wants_load(const struct vdi_node *node);
bool vdi_node_may_go_on(const struct vdi_node *node, int err);
int vdi_node_begin_fill(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_send(struct vdi_node *node);
int vdi_node_drain(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_push(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_flush(struct vdi_node *node, enum vdi_node_how how);
int vdi_node_send_read(struct vdi_node *node, u32 length);
int vdi_node_head(struct vdi_node *node, enum vdi_node_how how,
		  struct vdi_node_buffer **buffer);
void vdi_node_drop_head(struct vdi_node *node);
int vdi_node_drop_reads(struct vdi_node *node, enum vdi_node_how how);

/* node_pipe.c */
void vdi_node_read_ahead(struct vdi_node *node);
ssize_t vdi_node_write_pipe(struct vdi_node *node, struct iov_iter *from,
			    enum vdi_node_how how);
ssize_t vdi_node_read_pipe(struct vdi_node *node, struct iov_iter *to,
			   enum vdi_node_how how);
__poll_t vdi_node_poll_pipe(struct vdi_node *node);

/* node_disk.c */
ssize_t vdi_node_write_disk(struct vdi_node *node, struct kiocb *iocb,
			    struct iov_iter *from, enum vdi_node_how how);
ssize_t vdi_node_read_disk(struct vdi_node *node, struct kiocb *iocb,
			   struct iov_iter *to, enum vdi_node_how how);
int vdi_node_disk_size(struct vdi_node *node, enum vdi_node_how how);
void vdi_node_disk_sent(struct vdi_node *node,
			const struct vdi_node_buffer *buffer);
int vdi_node_disk_end(struct vdi_node *node, enum vdi_node_how how);

/* node_tape.c */
ssize_t vdi_node_write_tape(struct vdi_node *node, struct iov_iter *from,
			    enum vdi_node_how how);
ssize_t vdi_node_read_tape(struct vdi_node *node, struct iov_iter *to,
			   enum vdi_node_how how);
int vdi_node_write_mark(struct vdi_node *node, enum vdi_node_how how);
long vdi_node_tape_ioctl(struct vdi_node *node, unsigned int cmd,
			 void __user *arg);

#endif /* VDI_NODE_H */
