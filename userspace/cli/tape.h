/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where things are on a tape.  Its data lies in one piece; what is not a block
 * of the full size, filemarks and short blocks, is in a table, the *breaks*.
 *
 * Each block, short or not, and each filemark takes one address; the first is 0.
 */
#ifndef VDI_TAPE_H
#define VDI_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tape_break {
	uint64_t address;
	uint64_t offset;		/* bytes of data before it */
	uint32_t bytes;			/* of a short block; 0 is a filemark */
};

struct tape {
	uint32_t block_size;
	uint64_t pos;			/* address where the next command begins */
	uint64_t end;			/* address behind the last block or mark */
	uint64_t length;		/* bytes of data */
	struct tape_break *breaks;	/* by address */
	size_t count;
	size_t room;
};

uint64_t tape_offset(const struct tape *tape);	/* bytes of data before @pos */

/* Writing in the middle: what is at @pos and behind it is no more. */
void tape_truncate(struct tape *tape);
/* At the end: @len bytes, or a filemark.  0 or -ENOMEM. */
int tape_append(struct tape *tape, size_t len);
int tape_append_mark(struct tape *tape);

/*
 * From a table that was read: the next break at @address.  False if it can't be
 * there; at last tape_load_end() with all bytes there are.
 */
bool tape_load(struct tape *tape, uint64_t address, uint32_t bytes);
bool tape_load_end(struct tape *tape, uint64_t length);

/*
 * Moves.  0, or the completion code that says where it stopped: behind a
 * filemark, or before it if it moved back; at one of the ends of the data.
 */
uint32_t tape_read(struct tape *tape, size_t room, size_t *len);
uint32_t tape_skip_blocks(struct tape *tape, int64_t blocks);
uint32_t tape_skip_marks(struct tape *tape, int64_t marks);

void tape_free(struct tape *tape);

#endif /* VDI_TAPE_H */
