// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams that are read: Read commands ahead of what is wanted.  Owns the end
 * of a stream: the first Read that is answered with "end of file" is its last,
 * whatever was asked ahead behind it.
 */
#include <errno.h>

#include "stream_private.h"

static bool stream_code_eof(uint32_t code)
{
	return code == VDI_CODE_HANDLE_EOF || code == VDI_CODE_NO_DATA_DETECTED;
}

/* Asks ahead, as far as there are buffers. */
static int stream_ask(struct stream_set *set, struct stream *stream)
{
	while (!stream->eof && stream->head - stream->tail < set->options.depth) {
		struct stream_slot *slot = &stream->slots[stream->head % set->options.depth];
		int ret = stream_send_slot(set, stream, VDI_CMD_READ, slot,
					   set->options.transfer_size);

		/* the I/O-error state: the end, or an error, is among what is under way */
		if (ret == -EREMOTEIO && stream->head > stream->tail)
			return 0;
		if (ret)
			return ret;
		stream->head++;
	}
	return 0;
}

int stream_read(struct stream_set *set, unsigned int index, const uint8_t **buf, size_t *len)
{
	struct stream *stream = &set->streams[index];
	struct stream_slot *slot;
	int ret;

	*len = 0;
	if (stream->eof)
		return 0;
	ret = stream_ask(set, stream);
	slot = &stream->slots[stream->tail % set->options.depth];
	if (!ret)
		ret = stream_wait_slot(set, stream, slot);
	if (ret)
		return stream_failed(set, stream, "Read", ret);
	if (slot->code && !stream_code_eof(slot->code))
		return stream_refused(set, stream, "Read", slot->code);
	stream->eof = slot->code;
	/* a success that brings nothing would be asked for ever */
	if (!slot->code && !slot->result)
		return stream_refused(set, stream, "Read (no bytes, and no end)",
				      VDI_CODE_IO_DEVICE);
	stream->tail++;
	stream->bytes += slot->result;
	*buf = slot->buf;
	*len = slot->result;
	return 0;
}

int stream_done(struct stream_set *set)
{
	unsigned int i;

	for (i = 0; i < stream_count(set); i++) {
		int ret = stream_wait_all(set, &set->streams[i]);

		if (ret)
			return stream_failed(set, &set->streams[i], "Read", ret);
	}
	return stream_end(set);
}
