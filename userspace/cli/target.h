/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where a backup goes: a file, a directory of stripe files, stdout, nowhere.
 *
 * A target has its final name only between target_finish() of the last stripe
 * and target_withdraw(); before and after it is called *.partial, or is gone.
 */
#ifndef VDI_TARGET_H
#define VDI_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "medium.h"

struct target;

struct target_options {
	const char *path;
	unsigned int count;		/* stripes */
	bool force;			/* replace what is there */
	bool allow_empty;
	bool direct;			/* past the page cache */
	enum stripe_kind kind;
	bool removable;
	struct medium_limit limit;	/* of each medium */
};

/* Claims the temporary name.  0, or an exit code after a line on stderr. */
int target_open(struct target **out, const struct target_options *options);

/* Of one stripe, by the one thread that serves it: 0 or -errno */
int target_begin(struct target *target, unsigned int index, const char *device,
		 unsigned int block_size);
int target_flush(struct target *target, unsigned int index);
/* The current medium is whole, and an empty one takes its place. */
int target_load(struct target *target, unsigned int index);

/*
 * The medium that is in now; NULL if the target has none, and takes no more than
 * bytes in their order: those of target_write().
 */
struct medium *target_medium(const struct target *target, unsigned int index);
int target_write(struct target *target, unsigned int index, const void *buf, size_t len);

/* From any thread: whatever comes now, this is no backup, and nothing is kept. */
void target_discard(struct target *target);
bool target_discarded(struct target *target);

/*
 * The stripe is whole: makes it durable.  When it was the last one: gives the
 * target its final name, durably.  -ENODATA if all streams were empty.
 */
int target_finish(struct target *target, unsigned int index);

bool target_committed(const struct target *target);
const char *target_path(const struct target *target);

bool target_on_disk(const struct target *target);	/* is it files? */

/*
 * For another process than the one that wrote the target: what it needs of the
 * descriptors of that, and what it does when that has died.  @keep: the engine
 * has ended in order.
 */
#define TARGET_ORPHAN_FDS	2
unsigned int target_orphan_fds(const struct target *target, int *fds);
void target_orphan(struct target *target, bool keep);

/*
 * After the last thread has ended.  @keep: the engine has ended in order, so
 * a committed target stays and what it replaced goes.  Otherwise a committed
 * target is withdrawn.  Returns whether a *.partial with data is left.
 */
bool target_close(struct target *target, bool keep);

#endif /* VDI_TARGET_H */
