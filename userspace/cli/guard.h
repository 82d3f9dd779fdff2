/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A process that outlives the one that writes a backup, for the case that this
 * one is killed when the target has its name and the engine has not yet been
 * told, or has not yet closed its devices.
 */
#ifndef VDI_GUARD_H
#define VDI_GUARD_H

#include <stdbool.h>
#include <sys/types.h>

#include "target.h"

struct guard {
	pid_t pid;		/* 0: none, the target needs none */
	int say;
};

/*
 * @set_fd: the set, which tells how it ended.  @over_fd: -1, or kept open until the
 * guard has done its work.  While there is one thread only.
 * 0, or an exit code after a line on stderr.
 */
int guard_start(struct guard *guard, int set_fd, int over_fd, struct target *target);
/* Is it a backup?  For the time when the set can't be asked any more. */
void guard_tell(struct guard *guard, bool keep);
/* The target is as it should be: no guard is needed. */
void guard_end(struct guard *guard);

#endif /* VDI_GUARD_H */
