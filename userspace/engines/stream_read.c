// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams that are read: Read commands ahead of what is wanted.  Owns the end
 * of the data: the first Read that is answered with one of its codes is the
 * last of its medium, whatever was asked ahead behind it.
 *
 * A client may answer with fewer bytes than were asked for.  On a device
 * without positions the next Read goes on where that one ended; with random
 * access the reads ahead have their places already, so the rest is asked for
 * before anything behind it is given out.
 */
#include <errno.h>

#include "stream_private.h"

static bool stream_code_eof(uint32_t code)
{
	return code == VDI_CODE_HANDLE_EOF || code == VDI_CODE_NO_DATA_DETECTED ||
	       code == VDI_CODE_FILEMARK_DETECTED;
}

static struct stream_slot *stream_tail(const struct stream *stream)
{
	return &stream->slots[stream->tail % stream->depth];
}

/* The rest of the slot at the tail; its first part was given out. */
static int stream_ask_rest(struct stream_set *set, struct stream *stream)
{
	struct stream_slot *slot = stream_tail(stream);
	uint32_t rest = slot->len - slot->result;
	int ret;

	slot->position += slot->result;
	ret = stream_send_slot(set, stream, VDI_CMD_READ, slot, rest);
	if (ret == -EREMOTEIO) {
		/* one further on has met the end */
		ret = stream_wait_all(set, stream);
		if (ret)
			return ret;
		if (stream_clear(set, stream))
			return -EREMOTEIO;
		ret = stream_send_slot(set, stream, VDI_CMD_READ, slot, rest);
	}
	if (!ret)
		stream->hole = false;
	return ret;
}

/* Asks ahead, as far as there are buffers. */
static int stream_ask(struct stream_set *set, struct stream *stream)
{
	if (stream->hole)
		return stream_ask_rest(set, stream);
	while (stream->head - stream->tail < stream->depth) {
		struct stream_slot *slot = &stream->slots[stream->head % stream->depth];
		int ret;

		slot->position = stream->position;
		ret = stream_send_slot(set, stream, VDI_CMD_READ, slot,
				       set->options.transfer_size);
		/* the I/O-error state: the end, or an error, is among what is under way */
		if (ret == -EREMOTEIO && stream->head > stream->tail)
			return 0;
		if (ret)
			return ret;
		stream->head++;
		if (stream_has(set, VDI_FEAT_RANDOM_ACCESS))
			stream->position += set->options.transfer_size;
	}
	return 0;
}

/* The answer to the Read at the tail; 0 and no bytes: ask the next medium. */
static int stream_take_read(struct stream_set *set, struct stream *stream, const uint8_t **buf,
			    size_t *len)
{
	struct stream_slot *slot = stream_tail(stream);

	if (slot->code && !stream_code_eof(slot->code))
		return stream_refused(set, stream, "Read", slot->code);
	stream->eof = slot->code;
	stream->mark = slot->code == VDI_CODE_FILEMARK_DETECTED;
	/* a success that brings nothing would be asked for ever */
	if (!slot->code && !slot->result)
		return stream_refused(set, stream, "Read (no bytes, and no end)",
				      VDI_CODE_IO_DEVICE);
	stream->hole = !slot->code && slot->result < slot->len &&
		       stream_has(set, VDI_FEAT_RANDOM_ACCESS);
	if (!stream->hole)
		stream->tail++;
	stream->bytes += slot->result;
	*buf = slot->buf;
	*len = slot->result;
	return 0;
}

/* Has a Read further on met the end of the data? */
static bool stream_met_end(const struct stream *stream)
{
	uint64_t i;

	for (i = stream->tail + 1; i < stream->head; i++) {
		const struct stream_slot *slot = &stream->slots[i % stream->depth];

		if (!slot->sent && stream_code_eof(slot->code))
			return true;
	}
	return false;
}

/*
 * Waits for the Read at the tail.  What was left of it may have been queued
 * behind one that met the end, and so was never delivered: it is sent again.
 */
static int stream_wait_tail(struct stream_set *set, struct stream *stream)
{
	struct stream_slot *slot = stream_tail(stream);
	int ret = stream_wait_slot(set, stream, slot);

	if (ret || slot->code != VDI_CODE_IO_DEVICE || !stream_met_end(stream) ||
	    !stream_has(set, VDI_FEAT_RANDOM_ACCESS))
		return ret;
	ret = stream_wait_all(set, stream);
	if (ret)
		return ret;
	if (stream_clear(set, stream))
		return -EREMOTEIO;
	ret = stream_send_slot(set, stream, VDI_CMD_READ, slot, slot->len);
	return ret ? ret : stream_wait_slot(set, stream, slot);
}

int stream_read(struct stream_set *set, unsigned int index, const uint8_t **buf, size_t *len)
{
	struct stream *stream = &set->streams[index];
	int ret;

	*len = 0;
	for (;;) {
		ret = stream_has_failed(set);
		if (ret)
			return ret;
		if (stream->eof) {
			if (!stream_has(set, VDI_FEAT_REMOVABLE) || stream->over)
				return 0;
			/* who reads to the end takes a filemark for it */
			if (!set->options.media && stream->mark)
				return 0;
			ret = stream_read_again(set, stream);
			if (ret || stream->over)
				return ret;
		}
		ret = stream_ask(set, stream);
		if (!ret)
			ret = stream_wait_tail(set, stream);
		if (ret)
			return stream_failed(set, stream, "Read", ret);
		ret = stream_take_read(set, stream, buf, len);
		if (ret || *len)
			return ret;
	}
}

int stream_done(struct stream_set *set)
{
	unsigned int i;

	for (i = 0; i < stream_count(set); i++) {
		int ret = stream_wait_all(set, &set->streams[i]);

		if (ret)
			return stream_failed(set, &set->streams[i], "Read", ret);
	}
	return stream_end(set, false);
}
