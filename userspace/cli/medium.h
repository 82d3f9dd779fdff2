/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * One medium of a device: an image in a stripe file, that is written, or read
 * again.  What a pipe, a tape and a disk do with it differs in positions only.
 *
 * Functions return 0, a completion code (VDI_CODE_*), which is an answer like
 * any other, or -errno: then the medium can't be trusted any more.
 */
#ifndef VDI_MEDIUM_H
#define VDI_MEDIUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stripe.h"

struct medium;

struct medium_limit {
	uint64_t size;			/* bytes of payload; 0: as much as goes */
	uint64_t warning;		/* of these: the zone before the end */
};

/*
 * A new one at @base of @fd, with its header; or one that stripe_read() has
 * found there, for reading only.  -EBADMSG: its table makes no sense.
 */
int medium_create(struct medium **out, int fd, off_t base, const struct stripe_info *info,
		  const struct medium_limit *limit);
int medium_open(struct medium **out, int fd, off_t base, const struct stripe_info *info);
void medium_free(struct medium *medium);	/* @fd stays the caller's */
/* Past the page cache from now on, through @direct (see direct.h), which becomes its own */
void medium_set_direct(struct medium *medium, int direct);

const struct stripe_info *medium_info(const struct medium *medium);
uint64_t medium_length(const struct medium *medium);	/* bytes of data */
bool medium_used(const struct medium *medium);	/* has anything been done with it? */

/* @pos is for disks only. */
int medium_read(struct medium *medium, uint64_t pos, void *buf, size_t len, size_t *bytes);
int medium_write(struct medium *medium, uint64_t pos, const void *buf, size_t len,
		 size_t *bytes);
int medium_write_mark(struct medium *medium);
int medium_skip_marks(struct medium *medium, int64_t marks);
int medium_skip_blocks(struct medium *medium, int64_t blocks);
int medium_rewind(struct medium *medium);
/* A tape's block address, a disk's byte offset */
uint64_t medium_position(const struct medium *medium);
int medium_set_position(struct medium *medium, int64_t pos, unsigned int origin);

/* Durable; a disk ends where its last Write ended. */
int medium_flush(struct medium *medium);

/*
 * The medium is whole: table, digest, trailer, durable.  @more: another one
 * follows.  *@end is where the file then ends.
 */
int medium_finish(struct medium *medium, bool more, off_t *end);
/* No trailer any more, so that nobody takes it for a whole one: 0 or -errno */
int medium_spoil(struct medium *medium);

#endif /* VDI_MEDIUM_H */
