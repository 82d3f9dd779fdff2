// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Commands without data, and what only some devices have: the I/O-error state
 * that can be left, media that end and are followed by others, tapes that are
 * positioned, backups that are thrown away.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stream_private.h"

/* One command on one device: its code, or -errno */
static int stream_one(struct stream_set *set, struct stream *stream, uint16_t code, int32_t arg,
		      uint32_t *answer)
{
	int ret = stream_send_other(set, stream, code, arg);

	if (!ret)
		ret = stream_wait_all(set, stream);
	*answer = stream->other_code;
	return ret;
}

static int stream_must(struct stream_set *set, struct stream *stream, uint16_t code, int32_t arg,
		       const char *what)
{
	uint32_t answer;
	int ret = stream_one(set, stream, code, arg, &answer);

	if (ret)
		return stream_failed(set, stream, what, ret);
	return answer ? stream_refused(set, stream, what, answer) : 0;
}

int stream_clear(struct stream_set *set, struct stream *stream)
{
	int ret = 0;

	if (stream->errored)
		ret = stream_must(set, stream, VDI_CMD_CLEAR_ERROR, 0, "ClearError");
	if (!ret)
		stream->errored = false;
	return ret;
}

/*
 * The answer to WriteMark.  A mark in the warning zone is written; where it does not
 * fit it goes to the next medium, as a Write would: all the data was taken.
 */
static int stream_marked(struct stream_set *set, struct stream *stream)
{
	uint32_t answer = stream->other_code;
	int ret = 0;

	if (answer == VDI_CODE_EOM_OVERFLOW && stream_has(set, VDI_FEAT_REMOVABLE)) {
		ret = stream_clear(set, stream);
		if (!ret)
			ret = stream_next_medium(set, stream);
		if (ret)
			return ret;
		ret = stream_one(set, stream, VDI_CMD_WRITE_MARK, 0, &answer);
	}
	if (ret)
		return stream_failed(set, stream, "WriteMark", ret);
	if (answer && answer != VDI_CODE_END_OF_MEDIA)
		return stream_refused(set, stream, "WriteMark", answer);
	return stream_clear(set, stream);
}

int stream_all(struct stream_set *set, uint16_t code, int32_t arg, const char *what)
{
	unsigned int i, count = stream_count(set);
	int ret;

	for (i = 0; i < count; i++) {
		ret = stream_send_other(set, &set->streams[i], code, arg);
		if (ret)
			return stream_failed(set, &set->streams[i], what, ret);
	}
	for (i = 0; i < count; i++) {
		struct stream *stream = &set->streams[i];

		ret = stream_wait_all(set, stream);
		if (ret)
			return stream_failed(set, stream, what, ret);
		if (code == VDI_CMD_WRITE_MARK)
			ret = stream_marked(set, stream);
		else if (stream->other_code)
			ret = stream_refused(set, stream, what, stream->other_code);
		if (ret)
			return ret;
	}
	return 0;
}

int stream_position(struct stream_set *set)
{
	int ret = 0;

	if (set->options.rewind && stream_has(set, VDI_FEAT_REWIND))
		ret = stream_all(set, VDI_CMD_REWIND, 0, "Rewind");
	if (!ret && set->options.file > 1)
		ret = stream_all(set, VDI_CMD_SKIP_MARKS, set->options.file - 1, "SkipMarks");
	return ret;
}

/* The next medium, positioned at its start; the last one is ejected. */
static int stream_load(struct stream_set *set, struct stream *stream)
{
	int ret = stream_must(set, stream, VDI_CMD_LOAD, 1, "Load");

	stream->position = 0;
	stream->stored = 0;
	return ret;
}

int stream_next_medium(struct stream_set *set, struct stream *stream)
{
	int ret = stream_must(set, stream, VDI_CMD_FLUSH, 0, "Flush");

	stream->full = false;
	return ret ? ret : stream_load(set, stream);
}

/*
 * What each Write has stored, oldest first: @rest[] is what it has not.  True
 * if what is not stored can go to the next medium: the medium was at its end,
 * and nothing that comes later in the stream is stored before it.
 */
static int stream_rests(struct stream_set *set, struct stream *stream, uint32_t *rest)
{
	bool end = false, gap = false;
	unsigned int i;

	for (i = 0; i < stream->depth; i++) {
		struct stream_slot *slot = &stream->slots[(stream->head + i) % stream->depth];
		bool undelivered = end && slot->code == VDI_CODE_IO_DEVICE;
		bool medium = slot->code == VDI_CODE_END_OF_MEDIA &&
			      stream_has(set, VDI_FEAT_REMOVABLE);

		rest[i] = 0;
		if (!slot->len)
			continue;
		if (slot->code && !medium && !undelivered)
			return stream_refused(set, stream, "Write", slot->code);
		if (!slot->code && slot->result != slot->len)
			return stream_refused(set, stream, "Write (a part of it)",
					      VDI_CODE_IO_DEVICE);
		end = end || medium;
		rest[i] = slot->len - (undelivered ? 0 : slot->result);
		if (gap && rest[i] != slot->len)
			return stream_refused(set, stream, "Write (out of order)",
					      VDI_CODE_END_OF_MEDIA);
		gap = gap || rest[i];
		stream->stored += slot->len - rest[i];
	}
	if (!end)
		return stream_failed(set, stream, "Write", -EREMOTEIO);
	if (!stream->stored)
		return stream_refused(set, stream, "Write (nothing fits on the medium)",
				      VDI_CODE_END_OF_MEDIA);
	return 0;
}

/* One rest, on the new medium; that may be at its end again. */
static int stream_write_rest(struct stream_set *set, struct stream *stream,
			     struct stream_slot *slot, uint32_t rest)
{
	uint32_t done = slot->len - rest;
	int ret;

	slot->len = 0;
	if (!rest)
		return 0;
	memmove(slot->buf, slot->buf + done, rest);
	slot->position = stream->position;
	ret = stream_send_slot(set, stream, VDI_CMD_WRITE, slot, rest);
	if (ret == -EREMOTEIO) {
		/* as one that was sent and not delivered */
		slot->len = rest;
		slot->code = VDI_CODE_IO_DEVICE;
		slot->result = 0;
		return 0;
	}
	if (ret)
		return stream_failed(set, stream, "Write", ret);
	if (stream_has(set, VDI_FEAT_RANDOM_ACCESS))
		stream->position += rest;
	return 0;
}

int stream_write_again(struct stream_set *set, struct stream *stream)
{
	uint32_t *rest = calloc(stream->depth, sizeof(*rest));
	unsigned int i, first = stream->depth;
	int ret;

	if (!rest)
		return stream_failed(set, stream, "Write", -ENOMEM);
	ret = stream_wait_all(set, stream);
	ret = ret ? stream_failed(set, stream, "Write", ret) : stream_rests(set, stream, rest);
	if (!ret)
		ret = stream_clear(set, stream);
	for (i = stream->depth; i > 0; i--)
		if (rest[i - 1])
			first = i - 1;
	/* perhaps nothing comes any more: then no medium is needed */
	stream->full = first == stream->depth;
	if (!ret && !stream->full)
		ret = stream_next_medium(set, stream);
	for (i = 0; !ret && i < stream->depth; i++) {
		struct stream_slot *slot = &stream->slots[(stream->head + i) % stream->depth];

		ret = stream_write_rest(set, stream, slot, rest[i]);
	}
	free(rest);
	return ret;
}

/*
 * Whoever reads to the end learns from Load that there is no further medium.
 * Any other answer than that is a failure: the stream may have been cut short.
 */
static int stream_try_load(struct stream_set *set, struct stream *stream)
{
	uint32_t answer;
	int ret = stream_one(set, stream, VDI_CMD_LOAD, 1, &answer);

	if (ret)
		return stream_failed(set, stream, "Load", ret);
	stream->over = answer == VDI_CODE_NO_MEDIA_IN_DRIVE ||
		       answer == VDI_CODE_NO_DATA_DETECTED || answer == VDI_CODE_HANDLE_EOF;
	if (answer && !stream->over)
		return stream_refused(set, stream, "Load", answer);
	stream->position = 0;
	return 0;
}

int stream_read_again(struct stream_set *set, struct stream *stream)
{
	int ret = stream_wait_all(set, stream);

	if (ret)
		return stream_failed(set, stream, "Read", ret);
	ret = stream_clear(set, stream);
	if (!ret)
		ret = set->options.media ? stream_load(set, stream) : stream_try_load(set, stream);
	if (stream->over)
		return ret;
	/* what was asked ahead was behind the end */
	stream->tail = stream->head;
	stream->hole = false;
	stream->eof = false;
	return ret;
}

void stream_give_up(struct stream_set *set)
{
	unsigned int i;
	uint32_t answer;

	for (i = 0; i < stream_count(set); i++) {
		struct stream *stream = &set->streams[i];

		if (!stream->device || stream_wait_all(set, stream))
			return;
		if (set->options.read || !stream_has(set, VDI_FEAT_DISCARD))
			continue;
		if (stream_clear(set, stream) ||
		    stream_one(set, stream, VDI_CMD_DISCARD, 0, &answer))
			return;
	}
	stream_end(set, false);
}
