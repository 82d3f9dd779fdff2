// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Arithmetic of a tape: addresses, bytes of data, filemarks.  Owns where a
 * read or a skip stops, and with which code; no data and no file is touched.
 */
#include <errno.h>
#include <stdlib.h>

#include <libvdi.h>

#include "tape.h"

#define TAPE_MAX_BREAKS		(1U << 24)	/* of a tape: a bound on memory */

/* How many breaks are before @address: the index of the first that is not. */
static size_t tape_find(const struct tape *tape, uint64_t address)
{
	size_t low = 0, high = tape->count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (tape->breaks[mid].address < address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* Bytes of data before @address, if @index breaks are before it */
static uint64_t tape_offset_at(const struct tape *tape, uint64_t address, size_t index)
{
	const struct tape_break *last;

	if (!index)
		return address * tape->block_size;
	last = &tape->breaks[index - 1];
	return last->offset + last->bytes + (address - last->address - 1) * tape->block_size;
}

uint64_t tape_offset(const struct tape *tape)
{
	return tape_offset_at(tape, tape->pos, tape_find(tape, tape->pos));
}

void tape_truncate(struct tape *tape)
{
	if (tape->pos == tape->end)
		return;
	tape->length = tape_offset(tape);
	tape->count = tape_find(tape, tape->pos);
	tape->end = tape->pos;
}

static int tape_add_break(struct tape *tape, uint32_t bytes)
{
	if (tape->count == TAPE_MAX_BREAKS)
		return -ENOMEM;
	if (tape->count == tape->room) {
		size_t room = tape->room ? tape->room * 2 : 64;
		struct tape_break *breaks = realloc(tape->breaks, room * sizeof(*breaks));

		if (!breaks)
			return -ENOMEM;
		tape->breaks = breaks;
		tape->room = room;
	}
	tape->breaks[tape->count++] = (struct tape_break) {
		.address = tape->end,
		.offset = tape->length,
		.bytes = bytes,
	};
	tape->end++;
	tape->length += bytes;
	return 0;
}

int tape_append(struct tape *tape, size_t len)
{
	uint64_t blocks = len / tape->block_size;
	uint32_t rest = len % tape->block_size;
	int ret = 0;

	tape->end += blocks;
	tape->length += blocks * tape->block_size;
	if (rest)
		ret = tape_add_break(tape, rest);
	tape->pos = tape->end;
	return ret;
}

int tape_append_mark(struct tape *tape)
{
	int ret = tape_add_break(tape, 0);

	tape->pos = tape->end;
	return ret;
}

bool tape_load(struct tape *tape, uint64_t address, uint32_t bytes)
{
	uint64_t blocks;

	if (address < tape->end || bytes >= tape->block_size)
		return false;
	blocks = address - tape->end;
	if (blocks > INT64_MAX / tape->block_size ||
	    tape->length > INT64_MAX - blocks * tape->block_size - bytes)
		return false;
	tape->length += blocks * tape->block_size;
	tape->end = address;
	return !tape_add_break(tape, bytes);
}

bool tape_load_end(struct tape *tape, uint64_t length)
{
	if (length < tape->length || (length - tape->length) % tape->block_size)
		return false;
	tape->end += (length - tape->length) / tape->block_size;
	tape->length = length;
	return true;
}

/*
 * Full blocks, as many as there is room for and as follow each other, and then a
 * short block or a filemark.  Nothing behind a short one: who asks for a block
 * gets one, and no part of the next.
 */
uint32_t tape_read(struct tape *tape, size_t room, size_t *len)
{
	size_t i = tape_find(tape, tape->pos);
	uint64_t next = i < tape->count ? tape->breaks[i].address : tape->end;
	uint64_t blocks = room / tape->block_size;
	uint32_t bytes;

	if (blocks > next - tape->pos)
		blocks = next - tape->pos;
	*len = blocks * tape->block_size;
	tape->pos += blocks;
	if (*len == room)
		return 0;
	if (tape->pos == next && i == tape->count)
		return VDI_CODE_NO_DATA_DETECTED;
	bytes = tape->pos < next ? tape->block_size : tape->breaks[i].bytes;
	if (bytes > room - *len)
		return *len ? 0 : VDI_CODE_INVALID_BLOCK_LENGTH;
	tape->pos++;
	*len += bytes;
	return bytes ? 0 : VDI_CODE_FILEMARK_DETECTED;
}

static uint32_t tape_skip_back(struct tape *tape, uint64_t blocks)
{
	bool beyond = blocks > tape->pos;
	uint64_t target = beyond ? 0 : tape->pos - blocks;
	size_t i = tape_find(tape, tape->pos);

	/* the nearest filemark on the way; short blocks are blocks */
	while (i && tape->breaks[i - 1].address >= target) {
		i--;
		if (!tape->breaks[i].bytes) {
			tape->pos = tape->breaks[i].address;
			return VDI_CODE_FILEMARK_DETECTED;
		}
	}
	tape->pos = target;
	return beyond ? VDI_CODE_BEGINNING_OF_MEDIA : 0;
}

uint32_t tape_skip_blocks(struct tape *tape, int64_t blocks)
{
	size_t i = tape_find(tape, tape->pos);
	uint64_t left = tape->end - tape->pos;

	if (blocks < 0)
		return tape_skip_back(tape, -(uint64_t)blocks);
	for (; i < tape->count && tape->breaks[i].address - tape->pos < (uint64_t)blocks; i++) {
		if (!tape->breaks[i].bytes) {
			tape->pos = tape->breaks[i].address + 1;
			return VDI_CODE_FILEMARK_DETECTED;
		}
	}
	if ((uint64_t)blocks > left) {
		tape->pos = tape->end;
		return VDI_CODE_NO_DATA_DETECTED;
	}
	tape->pos += blocks;
	return 0;
}

uint32_t tape_skip_marks(struct tape *tape, int64_t marks)
{
	size_t i = tape_find(tape, tape->pos);

	for (; marks > 0 && i < tape->count; i++) {
		if (tape->breaks[i].bytes)
			continue;
		tape->pos = tape->breaks[i].address + 1;
		marks--;
	}
	if (marks > 0) {
		tape->pos = tape->end;
		return VDI_CODE_NO_DATA_DETECTED;
	}
	while (marks < 0 && i) {
		i--;
		if (tape->breaks[i].bytes)
			continue;
		tape->pos = tape->breaks[i].address;
		marks++;
	}
	if (marks < 0) {
		tape->pos = 0;
		return VDI_CODE_BEGINNING_OF_MEDIA;
	}
	return 0;
}

void tape_free(struct tape *tape)
{
	free(tape->breaks);
	tape->breaks = NULL;
	tape->count = 0;
	tape->room = 0;
}
