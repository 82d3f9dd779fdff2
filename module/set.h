/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sets and handles: the structures, who owns what, and the lock table.
 *
 * Locks, in the order in which they nest:
 *
 * ===================  =====================================================
 * handle->bind_lock    mutex; binding, unbinding and adoption of one handle
 * node->lock           mutex; all that a node has under way, see node.h; taken
 *                      by itself, and before mmap_lock
 * set->config_lock     mutex; END_CONFIG and GROW_AREA of one set: making pieces
 * set->lock            spinlock; state, rings, commands, counters of a set,
 *                      of its devices and of the handles that belong to it
 * owners lock          spinlock (owner.c); which handles hang on a mm
 * nodes lock           spinlock, leaf (node.c); whose a node is, its number
 * names lock           spinlock, leaf (name.c); (user ns, instance, name)
 * handle->lock         spinlock, leaf; the handle's set and owner: look, take
 *                      a reference, let go.  The set goes under set->lock too
 * quota lock           spinlock, leaf (quota.c); what each user has
 * ===================  =====================================================
 *
 * No user copy, allocation or fput under a spinlock.  Sleepers are woken under
 * set->lock: it keeps the handles that embed the wait queues alive.
 */
#ifndef VDI_SET_H
#define VDI_SET_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/uidgid.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include <linux/vdi.h>

#include "area.h"
#include "device.h"

struct file;
struct mm_struct;
struct pid;
struct user_namespace;
struct vdi_node_set;
struct vdi_owner;
struct vdi_user;

/**
 * enum vdi_side - The two sides of a set; index of everything kept twice
 * @VDI_CLIENT: the primary client and all secondary ones
 * @VDI_SERVER: the server
 * @VDI_SIDES: number of sides
 */
enum vdi_side {
	VDI_CLIENT,
	VDI_SERVER,
	VDI_SIDES,
};

/**
 * struct vdi_who - A process as it was when it bound a handle or acted
 * @pid: thread group; counted reference, NULL if there is none
 * @uid: effective user
 * @gid: effective group
 * @role: VDI_ROLE_*
 */
struct vdi_who {
	struct pid *pid;
	kuid_t uid;
	kgid_t gid;
	u32 role;
};

/**
 * struct vdi_cause - Why a set was aborted
 * @reason: VDI_REASON_*
 * @code: the number that ABORT was given
 * @who: who did it; vdi_set_abort() takes a reference of its own
 * @time_ns: when, CLOCK_MONOTONIC; filled in by vdi_set_abort()
 * @text: for people
 */
struct vdi_cause {
	u32 reason;
	u32 code;
	struct vdi_who who;
	u64 time_ns;
	char text[VDI_TEXT_SIZE];
};

/**
 * struct vdi_stats - Counters of a set
 * @exchanges: calls of EXCHANGE (all protected by the set's lock)
 * @wakeups: wake-ups sent to sleepers in EXCHANGE
 * @sleeps: sleeps in EXCHANGE
 * @wait_ns: time slept in EXCHANGE, by side
 * @spin_hits: spins in EXCHANGE that spared a sleep
 * @spin_misses: spins that did not
 */
struct vdi_stats {
	u64 exchanges;
	u64 wakeups;
	u64 sleeps;
	u64 wait_ns[VDI_SIDES];
	u64 spin_hits;
	u64 spin_misses;
};

/**
 * struct vdi_set - A virtual device set
 * @kref: held by each bound set handle, each device handle and each call while
 *	it runs; nobody else.  The list of names and @handles hold none.
 * @lock: see the table above
 * @config_lock: see the table above
 * @id: unique number (invariant)
 * @user_ns: whose names; counted (invariant)
 * @instance: instance name (invariant)
 * @name: name of the set (invariant)
 * @uid: owner for @mode (invariant)
 * @gid: group for @mode (invariant)
 * @mode: who may open (invariant)
 * @user: whose quota the set is charged to (invariant)
 * @ring_depth: slots of each device (invariant)
 * @stall_ns: how long the client may take, 0 for ever (invariant)
 * @created_ns: when (invariant)
 * @name_node: in the list of sets (protected by the names lock)
 * @named: the name is this set's (protected by the names lock)
 * @published: lookups find the set, to open it while it is @named (protected by
 *	the names lock)
 * @state: VDI_STATE_*, changed by state.c only (protected by @lock)
 * @config: as known so far (protected by @lock)
 * @cause: why aborted, valid in that state (protected by @lock)
 * @party: who holds each side (protected by @lock)
 * @handles: all handles bound to the set (protected by @lock)
 * @claims: client device handles that wait for the server's name (protected
 *	by @lock)
 * @nr_claims: how many (protected by @lock)
 * @nr_named: devices that the server has named (protected by @lock)
 * @nr_open: devices open, by side; for the client without claims (protected by
 *	@lock)
 * @ready: devices that have records for a side, a bit each (protected by
 *	@lock)
 * @closed: devices that are closed in order (protected by @lock)
 * @told: devices of @closed of which a side has been told (protected by @lock)
 * @completed: devices whose Complete was answered with success (protected by
 *	@lock)
 * @taken: commands that clients hold (protected by @lock)
 * @stall_since: last completion, or when @taken left 0 (protected by @lock)
 * @stall_work: looks whether the client has stalled; holds no reference
 * @hint_bytes: what the server expects to move (protected by @lock)
 * @limit: VDI_LIMIT_* of the last EDQUOT (protected by @lock)
 * @stats: counters (protected by @lock)
 * @nodes: what a set with nodes has besides, else NULL (invariant once the set
 *	is published)
 * @area: the buffer area
 * @devices: the virtual devices, config.device_count of them
 */
struct vdi_set {
	struct kref kref;
	spinlock_t lock;		/* see the table above */
	struct mutex config_lock;	/* see the table above */

	u64 id;
	struct user_namespace *user_ns;
	char instance[VDI_NAME_SIZE];
	char name[VDI_NAME_SIZE];
	kuid_t uid;
	kgid_t gid;
	u32 mode;
	struct vdi_user *user;
	u32 ring_depth;
	u64 stall_ns;
	u64 created_ns;

	struct list_head name_node;
	bool named;
	bool published;

	u32 state;
	struct vdi_config config;
	struct vdi_cause cause;
	struct vdi_who party[VDI_SIDES];
	struct list_head handles;
	struct list_head claims;
	unsigned int nr_claims;
	unsigned int nr_named;
	unsigned int nr_open[VDI_SIDES];
	u64 ready[VDI_SIDES];
	u64 closed;
	u64 told[VDI_SIDES];
	u64 completed;
	u64 taken;
	u64 stall_since;
	struct delayed_work stall_work;
	u64 hint_bytes;
	u32 limit;
	struct vdi_stats stats;

	struct vdi_node_set *nodes;
	struct vdi_area area;
	struct vdi_device devices[];
};

/**
 * struct vdi_handle - Private data of an open file of either kind
 * @file: the file, to compare only (invariant)
 * @is_device: a device handle (invariant)
 * @user: whose quota the handle is charged to (invariant)
 * @name_ns: whose names a set handle sees (the file's cred holds it)
 * @bind_lock: see the table above
 * @lock: see the table above
 * @set: what it is bound to; holds a reference (protected by @lock; cleared
 *	under set->lock too)
 * @bindings: raised each time it is bound or adopted (protected by @lock)
 * @role: VDI_ROLE_* (protected by @lock)
 * @draining: the server has closed it (protected by @lock)
 * @mm: whose handle it is, to compare only; mmgrab'ed (protected by @lock)
 * @files: its owner's file table, to compare only (protected by @lock)
 * @who: the owner (protected by @lock; changed under set->lock too)
 * @owner: early notice of the owner's death, or NULL (protected by @bind_lock;
 *	changed by ADOPT under @lock too)
 * @owner_node: in the list of @owner (protected by the owners lock)
 * @owner_gone: the owner's death has been handled (protected by @lock)
 * @wq: sleepers in EXCHANGE and GET_CONFIG, and pollers
 * @set_node: in set->handles (protected by set->lock)
 * @claim_node: in set->claims (protected by set->lock)
 * @opener: device handle: the set handle that opened it (protected by
 *	set->lock)
 * @devices: devices that it may exchange with, a bit each (protected by
 *	set->lock)
 * @told: set handle: devices of which it got the closed record (protected by
 *	set->lock)
 * @closed: device handle: its set handle was closed by CLOSE (protected by
 *	set->lock)
 * @lost: claim that the server has not named (protected by set->lock)
 * @next: device to look at first (protected by set->lock)
 * @sleepers: sleepers in EXCHANGE (protected by set->lock)
 * @need: least number of records that one of them wants (protected by
 *	set->lock)
 * @mixed: they want different numbers (protected by set->lock)
 * @spin_shift: halvings of the next spin, by what the last ones were good for
 *	(protected by set->lock; set to 0 while it is not bound)
 * @spin_skipped: waits that did not spin for it (protected by set->lock)
 * @idle: the last call on it brought nothing and found nothing: it may be called
 *	again and again instead of sleeping (protected by set->lock)
 * @polled: somebody polls this file: no wake-up may be saved (protected by
 *	set->lock)
 * @name: device handle: the name it was opened by (invariant)
 */
struct vdi_handle {
	struct file *file;
	bool is_device;
	struct vdi_user *user;
	struct user_namespace *name_ns;
	struct mutex bind_lock;		/* see the table above */
	spinlock_t lock;		/* see the table above */

	struct vdi_set *set;
	u64 bindings;
	u32 role;
	bool draining;
	struct mm_struct *mm;
	void *files;
	struct vdi_who who;
	struct vdi_owner *owner;
	struct list_head owner_node;
	bool owner_gone;

	wait_queue_head_t wq;
	struct list_head set_node;
	struct list_head claim_node;
	struct vdi_handle *opener;
	u64 devices;
	u64 told;
	bool closed;
	bool lost;
	unsigned int next;
	unsigned int sleepers;
	unsigned int need;
	bool mixed;
	unsigned int spin_shift;
	unsigned int spin_skipped;
	bool idle;
	bool polled;
	char name[VDI_NAME_SIZE];
};

#define vdi_set_for_each_device(set, dev) \
	for ((dev) = (set)->devices; \
	     (dev) < (set)->devices + (set)->config.device_count; (dev)++)

struct vdi_set *vdi_set_create(const struct vdi_create *arg,
			       struct user_namespace *ns);
void vdi_set_get(struct vdi_set *set);
void vdi_set_put(struct vdi_set *set);
bool vdi_set_abort(struct vdi_set *set, const struct vdi_cause *cause);
bool vdi_set_abort_locked(struct vdi_set *set, const struct vdi_cause *cause);
void vdi_set_wake_all_locked(struct vdi_set *set);
void vdi_set_stall_start_locked(struct vdi_set *set);
void vdi_set_uncharge(struct vdi_set *set);
void vdi_set_note_limit(struct vdi_set *set, u32 limit);
void vdi_set_stat(struct vdi_set *set, struct vdi_set_stat *stat);

void vdi_who_current(struct vdi_who *who, u32 role);
void vdi_who_copy(struct vdi_who *to, const struct vdi_who *from);
void vdi_who_put(struct vdi_who *who);

/**
 * vdi_role_side() - Which side a role is on
 * @role: VDI_ROLE_*, bound
 *
 * Return: the side.
 */
static inline enum vdi_side vdi_role_side(u32 role)
{
	return role == VDI_ROLE_SERVER ? VDI_SERVER : VDI_CLIENT;
}

#endif /* VDI_SET_H */
