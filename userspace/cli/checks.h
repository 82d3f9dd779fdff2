/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The named checks of `vdi selftest` and their report, TAP on stdout.
 *
 * A check is a rule of the interface that a client keeps or breaks.  It is
 * looked at many times in one trial, and gets one line in the report of each
 * trial that has it: TRIAL/CHECK.
 */
#ifndef VDI_CHECKS_H
#define VDI_CHECKS_H

#include <stdbool.h>
#include <stdint.h>

enum check {
	/* of every run of a client */
	CHECK_CONNECT, CHECK_CONFIG, CHECK_OPEN, CHECK_ANSWER, CHECK_ALIVE,
	/* of a run that is closed in order */
	CHECK_ONCE, CHECK_AREA, CHECK_EXIT,
	/* writing */
	CHECK_WRITE, CHECK_WRITE_COUNT, CHECK_WRITE_BUFFER, CHECK_FLUSH, CHECK_COMPLETE,
	/* reading */
	CHECK_READ, CHECK_READ_COUNT, CHECK_DATA, CHECK_ORDER, CHECK_END,
	/* errors */
	CHECK_UNKNOWN, CHECK_CLEAR_ERROR, CHECK_RESUME,
	/* ends */
	CHECK_DURABLE, CHECK_STAYS, CHECK_ABORT_END, CHECK_ABORT_STATUS, CHECK_NO_BACKUP,
	CHECK_DISCARD,
	/* tapes */
	CHECK_WRITE_MARK, CHECK_FILEMARK, CHECK_REWIND, CHECK_SKIP_MARKS, CHECK_SKIP_BLOCKS,
	CHECK_TAPE_POSITION, CHECK_END_OF_MEDIA, CHECK_LOAD,
	/* disks */
	CHECK_SET_POSITION, CHECK_GET_POSITION, CHECK_LENGTH, CHECK_HOLE,
	CHECK_COUNT,
};

#define CHECK_BIT(check)	(1ULL << (check))

struct checks;

struct checks *checks_new(void);
void checks_free(struct checks *checks);

/* Those that every trial has */
uint64_t checks_common(void);
/* The check of this name; CHECK_COUNT if there is none. */
enum check check_named(const char *name);
const char *check_name(enum check check);
const char *check_text(enum check check);

/* Shows only lines of the checks of @mask, and failures. */
void checks_only(struct checks *checks, uint64_t mask);

/* A trial with the checks of @mask, those of every run among them. */
void checks_begin(struct checks *checks, const char *trial, uint64_t mask);
/* Prints its lines; true if none of them failed. */
bool checks_end(struct checks *checks);
/* One line for a trial that is not run */
void checks_skip_trial(struct checks *checks, const char *trial, const char *why);

/* One look: the first failure of a check stays and is told; returns @good. */
bool check(struct checks *checks, enum check which, bool good, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* What can't be looked at in this trial; a failure stays one. */
void check_skip(struct checks *checks, enum check which, const char *why);
void check_skip_rest(struct checks *checks, const char *why);
bool checks_failed(const struct checks *checks);

/* A diagnostic line: "# ..." */
void checks_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The plan and the sums; the command's exit code. */
int checks_finish(struct checks *checks);

#endif /* VDI_CHECKS_H */
