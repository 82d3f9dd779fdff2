/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a device of the test's client keeps: a pipe, a tape or a disk in memory,
 * which Flush writes to a file.
 */
#ifndef CLIENT_MEDIUM_H
#define CLIENT_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum medium_kind { MEDIUM_PIPE, MEDIUM_TAPE, MEDIUM_DISK };

struct medium {
	enum medium_kind kind;
	char dir[200];
	unsigned int device;
	unsigned int number;	/* of the medium that is in, from 0 */
	uint32_t block;
	bool write;
	uint64_t limit;		/* bytes of one medium, 0: none */
	/* pipe and tape: units of one block, each data or a filemark */
	uint8_t *marks;
	uint8_t *data;
	size_t units, room;
	size_t at;
	/* disk */
	uint64_t length, last, position;
};

/* 0 or -1 with errno.  To read, the first medium must be there. */
int medium_open(struct medium *m);
/* The next medium; this one is flushed. */
int medium_load(struct medium *m);
int medium_flush(struct medium *m);
void medium_free(struct medium *m);

/* Everything of this device; what was said to be whole is so no longer. */
void medium_discard(struct medium *m);
int medium_complete(struct medium *m);
bool medium_is_complete(const struct medium *m);

/* Each gives a completion code. */
uint32_t medium_write(struct medium *m, uint64_t position, const uint8_t *buf, uint32_t size,
		      uint32_t *bytes);
uint32_t medium_read(struct medium *m, uint64_t position, uint8_t *buf, uint32_t size,
		     uint32_t *bytes);
uint32_t medium_mark(struct medium *m);
uint32_t medium_skip_marks(struct medium *m, int32_t count);
uint32_t medium_skip_blocks(struct medium *m, int32_t count);
uint32_t medium_seek(struct medium *m, int32_t origin, uint64_t position, uint64_t *result);

#endif /* CLIENT_MEDIUM_H */
