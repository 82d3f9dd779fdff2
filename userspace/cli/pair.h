/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The two sides of one command as two processes, so that each can die, or run
 * as another user, alone.
 */
#ifndef VDI_PAIR_H
#define VDI_PAIR_H

#include <stdbool.h>

/* In both processes: their ends of two pipes */
struct pair_sync {
	int say;		/* to the other side */
	int hear;		/* from it; hangs up when its process ends */
	int over;		/* who has it open has something left to do */
};

/* Both: 0 if the other side is there; else it has ended, and said why. */
int pair_say(const struct pair_sync *sync);
int pair_hear(const struct pair_sync *sync);

struct pair {
	void *ctx;
	const char *engine_user;	/* NULL: as this process */
	const char *client_user;
	/* each in a process of its own: an exit code */
	int (*engine)(void *ctx, const struct pair_sync *sync);
	int (*client)(void *ctx, const struct pair_sync *sync);
	bool client_decides;		/* if its code is 0, all is done: a backup */
	bool engine_decides;		/* the same of the engine: a restore */
	/* out, before the two begin: what the set needs for the two users */
	bool shared;
	unsigned int set_gid;
};

int pair_run(struct pair *pair);

#endif /* VDI_PAIR_H */
