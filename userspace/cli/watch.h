/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The main thread while others work: signals, progress, and the end.
 */
#ifndef VDI_WATCH_H
#define VDI_WATCH_H

#include <signal.h>
#include <stdbool.h>

struct watch {
	void *ctx;
	/* in a thread of its own: the work; its result is that of watch_run() */
	int (*work)(void *ctx);
	/* in the main thread, all of them; each may be NULL */
	void (*tick)(void *ctx);		/* a few times a second */
	void (*show)(void *ctx);		/* SIGUSR1 */
	/* SIGINT, SIGTERM, SIGHUP: make the work end; false if nothing is to end */
	bool (*interrupt)(void *ctx, const char *signal);
	/* is the other side gone, so that the work should end by itself? */
	bool (*dead)(void *ctx);
	/* what to say when the work does not end although it should; an exit code */
	int (*stuck)(void *ctx);
};

/*
 * The signals that are taken: SIGUSR1, and of those that ask for an end the ones that
 * this process was not started to ignore (nohup, a shell's background).
 */
void watch_signals(sigset_t *set);

/* To be called before any thread is made. */
void watch_block_signals(void);

/*
 * Runs the work to its end and returns its exit code, or 128 + the signal's
 * number if a signal ended it.
 */
int watch_run(const struct watch *watch);

/* In the thread of the work: has a signal come? */
bool watch_interrupted(void);
extern volatile bool watch_stop;

#endif /* VDI_WATCH_H */
