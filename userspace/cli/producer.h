/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A command whose standard output is the backup.
 */
#ifndef VDI_PRODUCER_H
#define VDI_PRODUCER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct producer {
	pid_t pid;		/* 0: none, or its end has been seen */
	int pidfd;		/* readable when it has ended */
	int out;		/* where its output is read, -1: closed */
	const char *name;
};

/* 0 or -errno: it could not be started. */
int producer_start(struct producer *producer, char **command);

/* After producer->pidfd became readable: true if all went well, else why not. */
bool producer_good(struct producer *producer, char *why, size_t size);

/* Ends it if need be, without waiting, and lets go of it. */
void producer_stop(struct producer *producer);

#endif /* VDI_PRODUCER_H */
