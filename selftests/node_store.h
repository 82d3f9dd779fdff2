/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a client of nodes keeps, in memory that it shares with the test: a pipe,
 * a disk or a tape, and what each answers to a command.  The answers are those of
 * the specification and of vdi recv; who serves them is in node.h.
 */
#ifndef VDI_TEST_NODE_STORE_H
#define VDI_TEST_NODE_STORE_H

#include "vdi_test.h"

#define NODE_ROOM	(40U << 20)
#define NODE_BLOCKS	16384
#define NODE_VOLUMES	3
#define NODE_MARK_COST	16		/* bytes of a medium that a filemark takes */

/* Completion codes (7.5) */
#define NODE_WRITE_PROTECT	19
#define NODE_EOF		38
#define NODE_NOT_SUPPORTED	50
#define NODE_INVALID		87
#define NODE_DISK_FULL		112
#define NODE_NEGATIVE		131
#define NODE_WARNING		1100
#define NODE_FILEMARK		1101
#define NODE_BOM		1102
#define NODE_NO_DATA		1104
#define NODE_BLOCK_LENGTH	1106
#define NODE_NO_MEDIUM		1112
#define NODE_OVERFLOW		1129

struct node_block {
	uint32_t at;
	uint32_t length;		/* 0: a filemark */
};

struct node_volume {
	unsigned int count;
	uint64_t used;
	struct node_block blocks[NODE_BLOCKS];
};

/**
 * struct node_store - What one device keeps
 * @capacity: bytes until it is full, of each volume; 0 for as many as there is room;
 *	to be set for a pipe on removable media
 * @warning: bytes before that in which a tape warns
 * @chunk: most bytes that a pipe gives to a Read, with success; 0 for all
 * @block_size: as configured
 * @size: bytes there; of a tape the bytes of all its blocks ever written
 * @pos: of the pipe's reader, of the disk
 * @written: end of the last Write of a disk: Flush cuts there
 * @wrote: there was a Write since the last Flush
 * @taken: bytes of the medium in the drive that a pipe's reader has had
 * @volume: which is in the drive
 * @at: address of the tape
 */
struct node_store {
	uint64_t capacity;
	uint64_t warning;
	uint32_t chunk;
	uint32_t block_size;
	uint64_t size;
	uint64_t pos;
	uint64_t written;
	bool wrote;
	uint64_t taken;
	unsigned int volume;
	unsigned int at;
	struct node_volume volumes[NODE_VOLUMES];
	unsigned char data[NODE_ROOM];
};

static inline uint64_t node_capacity(const struct node_store *s)
{
	return s->capacity ?: NODE_ROOM;
}

static inline uint32_t node_give(struct node_store *s, uint64_t pos, void *buf, uint32_t len,
				 uint64_t *result)
{
	uint64_t left = pos < s->size ? s->size - pos : 0;

	*result = len < left ? len : left;
	memcpy(buf, s->data + pos, *result);
	return *result < len ? NODE_EOF : 0;
}

static inline uint32_t node_keep(struct node_store *s, uint64_t pos, const void *buf,
				 uint32_t len, uint64_t *result)
{
	if (pos > node_capacity(s) || len > node_capacity(s) - pos)
		return NODE_DISK_FULL;
	memcpy(s->data + pos, buf, len);
	if (s->size < pos + len)
		s->size = pos + len;
	*result = len;
	return 0;
}

static inline struct node_volume *node_volume(struct node_store *s)
{
	return &s->volumes[s->volume];
}

/* A pipe on removable media: what a medium has no room for is not taken. */
static inline uint32_t node_pipe_write(struct node_store *s, const void *buf, uint32_t len,
				       uint64_t *result)
{
	struct node_volume *v = node_volume(s);
	uint32_t room = s->capacity - v->used, code = 0;

	if (len > room) {
		len = room;
		code = NODE_WARNING;
	}
	memcpy(s->data + s->size, buf, len);
	s->size += len;
	v->used += len;
	*result = len;
	return code;
}

static inline uint32_t node_pipe_read(struct node_store *s, void *buf, uint32_t len,
				      uint64_t *result)
{
	uint64_t end = 0;
	unsigned int i;

	for (i = 0; i <= s->volume; i++)
		end += s->volumes[i].used;
	*result = len < end - s->pos ? len : end - s->pos;
	memcpy(buf, s->data + s->pos, *result);
	s->pos += *result;
	s->taken += *result;
	return *result < len ? NODE_EOF : 0;
}

static inline uint32_t node_load(struct node_store *s)
{
	if (s->volume + 1 == NODE_VOLUMES)
		return NODE_NO_MEDIUM;
	s->pos += node_volume(s)->used - s->taken;	/* a pipe: what of it was not read */
	s->taken = 0;
	s->volume++;
	s->at = 0;
	return 0;
}

static inline uint32_t node_pipe_media(struct node_store *s, const struct vdi_command *c, void *buf,
				       uint64_t *result)
{
	switch (c->code) {
	case VDI_CMD_WRITE:
		return node_pipe_write(s, buf, c->length, result);
	case VDI_CMD_READ:
		return node_pipe_read(s, buf, c->length, result);
	case VDI_CMD_LOAD:
		return node_load(s);
	}
	return NODE_NOT_SUPPORTED;
}

static inline uint32_t node_pipe(struct node_store *s, const struct vdi_command *c, void *buf,
				 uint64_t *result)
{
	uint32_t code, len = c->length;

	switch (c->code) {
	case VDI_CMD_WRITE:
		return node_keep(s, s->size, buf, len, result);
	case VDI_CMD_READ:
		if (s->chunk && s->chunk < len && s->pos + s->chunk < s->size)
			len = s->chunk;
		code = node_give(s, s->pos, buf, len, result);
		s->pos += *result;
		return code;
	}
	return NODE_NOT_SUPPORTED;
}

static inline uint32_t node_disk_seek(struct node_store *s, const struct vdi_command *c,
				      uint64_t *result)
{
	int64_t from = c->length == 1 ? s->pos : c->length == 2 ? s->size : 0;

	if (c->length < 0 || c->length > 2)
		return NODE_INVALID;
	if (from + (int64_t)c->position < 0)
		return NODE_NEGATIVE;
	s->pos = from + c->position;
	*result = s->pos;
	return 0;
}

static inline uint32_t node_disk(struct node_store *s, const struct vdi_command *c, void *buf,
				 uint64_t *result)
{
	uint32_t code;

	switch (c->code) {
	case VDI_CMD_WRITE:
		code = node_keep(s, c->position, buf, c->length, result);
		if (!code) {
			s->pos = c->position + c->length;
			s->written = s->pos;
			s->wrote = true;
		}
		return code;
	case VDI_CMD_READ:
		code = node_give(s, c->position, buf, c->length, result);
		s->pos = c->position + *result;
		return code;
	case VDI_CMD_GET_POSITION:
		*result = s->pos;
		return 0;
	case VDI_CMD_SET_POSITION:
		return node_disk_seek(s, c, result);
	case VDI_CMD_FLUSH:
		if (s->wrote && s->size > s->written) {
			memset(s->data + s->written, 0, s->size - s->written);
			s->size = s->written;
		}
		s->wrote = false;
		return 0;
	}
	return NODE_NOT_SUPPORTED;
}

static inline uint32_t node_tape_room(struct node_store *s, uint64_t cost)
{
	struct node_volume *v = node_volume(s);

	while (v->count > s->at)
		v->used -= v->blocks[--v->count].length ?: NODE_MARK_COST;
	if (v->used + cost > node_capacity(s) || v->count + 64 > NODE_BLOCKS)
		return NODE_OVERFLOW;
	v->used += cost;
	return v->used > node_capacity(s) - s->warning ? NODE_WARNING : 0;
}

static inline void node_tape_add(struct node_store *s, const void *buf, uint32_t len)
{
	struct node_volume *v = node_volume(s);

	memcpy(s->data + s->size, buf, len);
	v->blocks[v->count++] = (struct node_block){ .at = s->size, .length = len };
	s->size += len;
	s->at = v->count;
}

static inline uint32_t node_tape_write(struct node_store *s, unsigned char *buf, uint32_t len,
				       uint64_t *result)
{
	uint32_t code = node_tape_room(s, len), n;

	if (code == NODE_OVERFLOW || s->size + len > NODE_ROOM)
		return NODE_OVERFLOW;
	*result = len;
	for (; len; buf += n, len -= n) {
		n = len < s->block_size ? len : s->block_size;
		node_tape_add(s, buf, n);
	}
	return code;
}

/* Whole blocks, up to a short one, a mark or the end */
static inline uint32_t node_tape_read(struct node_store *s, unsigned char *buf, uint32_t room,
				      uint64_t *result)
{
	struct node_volume *v = node_volume(s);
	struct node_block *b;

	for (*result = 0; *result < room; ) {
		if (s->at == v->count)
			return NODE_NO_DATA;
		b = &v->blocks[s->at];
		if (b->length > room - *result)
			return *result ? 0 : NODE_BLOCK_LENGTH;
		s->at++;
		if (!b->length)
			return NODE_FILEMARK;
		memcpy(buf + *result, s->data + b->at, b->length);
		*result += b->length;
		if (b->length < s->block_size)
			break;
	}
	return 0;
}

static inline uint32_t node_skip_blocks(struct node_store *s, int n)
{
	struct node_volume *v = node_volume(s);

	for (; n > 0; n--) {
		if (s->at == v->count)
			return NODE_NO_DATA;
		if (!v->blocks[s->at++].length)
			return NODE_FILEMARK;
	}
	for (; n < 0; n++) {
		if (!s->at)
			return NODE_BOM;
		if (!v->blocks[--s->at].length)
			return NODE_FILEMARK;
	}
	return 0;
}

static inline uint32_t node_skip_marks(struct node_store *s, int n)
{
	struct node_volume *v = node_volume(s);

	while (n > 0) {
		if (s->at == v->count)
			return NODE_NO_DATA;
		if (!v->blocks[s->at++].length)
			n--;
	}
	while (n < 0) {
		if (!s->at)
			return NODE_BOM;
		if (!v->blocks[--s->at].length)
			n++;
	}
	return 0;
}

static inline uint32_t node_tape_move(struct node_store *s, const struct vdi_command *c)
{
	switch (c->code) {
	case VDI_CMD_REWIND:
		s->at = 0;
		return 0;
	case VDI_CMD_SKIP_MARKS:
		return node_skip_marks(s, c->length);
	case VDI_CMD_SKIP_BLOCKS:
		return node_skip_blocks(s, c->length);
	case VDI_CMD_SET_POSITION:
		if (c->position > node_volume(s)->count)
			return NODE_INVALID;
		s->at = c->position;
		return 0;
	case VDI_CMD_LOAD:
		return node_load(s);
	}
	return NODE_NOT_SUPPORTED;
}

static inline uint32_t node_tape(struct node_store *s, const struct vdi_command *c, void *buf,
				 uint64_t *result)
{
	uint32_t code;

	switch (c->code) {
	case VDI_CMD_WRITE:
		return node_tape_write(s, buf, c->length, result);
	case VDI_CMD_READ:
		return node_tape_read(s, buf, c->length, result);
	case VDI_CMD_WRITE_MARK:
		code = node_tape_room(s, NODE_MARK_COST);
		if (code != NODE_OVERFLOW)
			node_tape_add(s, NULL, 0);
		return code;
	}
	code = node_tape_move(s, c);
	*result = s->at;
	return c->code == VDI_CMD_GET_POSITION ? 0 : code;
}

/* Carries out a command: its completion code. */
static inline uint32_t node_carry_out(struct node_store *s, unsigned int features,
				      const struct vdi_command *c, void *buf, uint64_t *result)
{
	uint32_t code;

	*result = 0;
	if (features & VDI_FEAT_FILE_MARKS)
		code = node_tape(s, c, buf, result);
	else if (features & VDI_FEAT_RANDOM_ACCESS)
		code = node_disk(s, c, buf, result);
	else if (features & VDI_FEAT_REMOVABLE)
		code = node_pipe_media(s, c, buf, result);
	else
		code = node_pipe(s, c, buf, result);
	if (code == NODE_NOT_SUPPORTED &&
	    (c->code == VDI_CMD_FLUSH || c->code == VDI_CMD_COMPLETE ||
	     c->code == VDI_CMD_CLEAR_ERROR))
		code = 0;
	return code;
}

/* The byte that belongs at an offset of a stream. */
static inline unsigned char node_byte(uint64_t at)
{
	return (uint32_t)(at * 0x9E3779B1U) >> 24 ^ at >> 13;
}

static inline void node_fill(unsigned char *to, uint64_t at, size_t len)
{
	while (len--)
		*to++ = node_byte(at++);
}

/* Whether that is the stream from @at on. */
static inline bool node_same(const unsigned char *p, uint64_t at, size_t len)
{
	while (len--)
		if (*p++ != node_byte(at++))
			return false;
	return true;
}

#endif /* VDI_TEST_NODE_STORE_H */
