/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_DEVICE_H
#define VDI_DEVICE_H

#include <linux/types.h>

#include <linux/vdi.h>

struct vdi_call;
struct vdi_handle;
struct vdi_set;

#define VDI_NO_SLOT	0xffff

/**
 * enum vdi_slot_state - Where a command is
 * @VDI_SLOT_FREE: nowhere
 * @VDI_SLOT_QUEUED: waits for the client
 * @VDI_SLOT_TAKEN: the client has it
 * @VDI_SLOT_DONE: its completion waits for the server
 */
enum vdi_slot_state {
	VDI_SLOT_FREE,
	VDI_SLOT_QUEUED,
	VDI_SLOT_TAKEN,
	VDI_SLOT_DONE,
};

/**
 * struct vdi_slot - One command in the ring of a device
 * @cookie: the server's word (all protected by the set's lock)
 * @offset: buffer, in the area
 * @position: as given, then free for the client
 * @result: as completed
 * @length: as given
 * @completion: completion code
 * @generation: raised at each use, so that an old id is known
 * @code: VDI_CMD_*
 * @next: next slot of the same list
 * @state: enum vdi_slot_state
 */
struct vdi_slot {
	u64 cookie;
	u64 offset;
	u64 position;
	u64 result;
	s32 length;
	u32 completion;
	u32 generation;
	u16 code;
	u16 next;
	u8 state;
};

/**
 * struct vdi_fifo - List of slots in order
 * @head: first slot or %VDI_NO_SLOT
 * @tail: last slot, valid if there is a first
 * @count: how many
 */
struct vdi_fifo {
	u16 head;
	u16 tail;
	unsigned int count;
};

/**
 * struct vdi_device - One virtual device of a set
 * @set: its set (invariant)
 * @index: its number (invariant)
 * @named: the server has named it; device 0 is named from the start (all
 *	others protected by set->lock)
 * @open: open, or opened once and closed since; by side
 * @closing: the server called CloseDevice
 * @errored: the I/O-error state (2.5)
 * @clearing: a ClearError is queued or taken
 * @handle: device handle of each side, NULL when it has gone
 * @opener: set handle of each side, NULL when it has gone
 * @slots: the ring, set->ring_depth of them
 * @free: slots that are free
 * @queued: commands that wait for the client
 * @done: completions that wait for the server
 * @taken: commands that the client has
 * @commands: counters, see struct vdi_set_stat
 * @completions: likewise
 * @errors: likewise
 * @bytes_written: likewise
 * @bytes_read: likewise
 * @refused: completions that were not accepted, see struct vdi_device_status
 * @name: its name
 */
struct vdi_device {
	struct vdi_set *set;
	unsigned int index;
	bool named;
	bool open[2];
	bool closing;
	bool errored;
	bool clearing;
	struct vdi_handle *handle[2];
	struct vdi_handle *opener[2];
	struct vdi_slot *slots;
	struct vdi_fifo free;
	struct vdi_fifo queued;
	struct vdi_fifo done;
	unsigned int taken;
	u64 commands;
	u64 completions;
	u64 errors;
	u64 bytes_written;
	u64 bytes_read;
	u32 refused;
	char name[VDI_NAME_SIZE];
};

void vdi_device_init(struct vdi_set *set, unsigned int index);
struct vdi_slot *vdi_device_rings_create(struct vdi_set *set);
void vdi_device_rings_publish_locked(struct vdi_set *set,
				     struct vdi_slot *slots);
int vdi_device_open(struct vdi_call *call, struct vdi_handle *handle,
		    u32 *index);
void vdi_device_name_all_locked(struct vdi_set *set);
int vdi_device_open_node(struct vdi_set *set, unsigned int index,
			 struct vdi_handle *handle);
int vdi_device_close(struct vdi_handle *handle, struct vdi_set *set);
void vdi_device_settle_locked(struct vdi_device *dev);
void vdi_device_status(struct vdi_handle *handle, struct vdi_set *set,
		       struct vdi_device_status *arg);

#endif /* VDI_DEVICE_H */
