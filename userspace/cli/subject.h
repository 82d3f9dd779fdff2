/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The client under test as a process (with children, if it has some).
 */
#ifndef VDI_SUBJECT_H
#define VDI_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct subject_spec {
	char *const *argv;	/* a command; NULL: @shell */
	const char *shell;	/* a line for sh -c */
	const char *set;	/* {}		VDI_SET */
	const char *medium;	/* {medium}	VDI_MEDIUM */
	unsigned int devices;	/* {n}		VDI_DEVICES */
	const char *direction;	/* {direction}	VDI_DIRECTION */
	const char *log;	/* file for what it prints */
};

struct subject;

/* In a process group of its own.  NULL after a line on stderr. */
struct subject *subject_start(const struct subject_spec *spec);

/* Has it ended?  Waits up to @timeout_ms. */
bool subject_ended(struct subject *subject, int64_t timeout_ms);

/* How it ended, in words; its exit status, or 128 + the signal's number. */
const char *subject_end(const struct subject *subject);
int subject_status(const struct subject *subject);

/* The process and its children, at once; waits for the end. */
void subject_kill(struct subject *subject);

/* Kills it if it still runs. */
void subject_free(struct subject *subject);

#endif /* VDI_SUBJECT_H */
