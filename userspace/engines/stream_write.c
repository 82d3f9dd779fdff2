// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams that are written: Write commands at depth, then Flush and Complete.
 * Owns the order in which a backup becomes good: every Write is checked, then
 * every device is flushed, then every device completes, then all are closed.
 */
#include <errno.h>

#include "stream_private.h"

static int stream_check_write(struct stream_set *set, struct stream *stream,
			      struct stream_slot *slot)
{
	uint32_t len = slot->len;

	slot->len = 0;
	if (!len)
		return 0;
	if (slot->code)
		return stream_refused(set, stream, "Write", slot->code);
	if (slot->result != len)
		return stream_refused(set, stream, "Write (a part of it)", VDI_CODE_IO_DEVICE);
	return 0;
}

/* All that is on its way, oldest first, so that the first error is the one told. */
static int stream_drain(struct stream_set *set, struct stream *stream)
{
	unsigned int depth = set->options.depth, i;
	int ret = stream_wait_all(set, stream);

	if (ret)
		return stream_failed(set, stream, "Write", ret);
	for (i = 0; !ret && i < depth; i++)
		ret = stream_check_write(set, stream, &stream->slots[(stream->head + i) % depth]);
	return ret;
}

int stream_reserve(struct stream_set *set, unsigned int index, uint8_t **buf, size_t *room)
{
	struct stream *stream = &set->streams[index];
	struct stream_slot *slot = &stream->slots[stream->head % set->options.depth];
	int ret;

	if (!stream->fill) {
		ret = stream_wait_slot(set, stream, slot);
		if (ret)
			return stream_failed(set, stream, "Write", ret);
		ret = stream_check_write(set, stream, slot);
		if (ret)
			return ret;
	}
	*buf = slot->buf + stream->fill;
	*room = set->options.transfer_size - stream->fill;
	return 0;
}

int stream_commit(struct stream_set *set, unsigned int index, size_t len)
{
	struct stream *stream = &set->streams[index];

	stream->fill += len;
	return stream->fill == set->options.transfer_size ? stream_send(set, index, NULL) : 0;
}

static int stream_digest(struct stream *stream, uint8_t *digest)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	int ret = copy && EVP_MD_CTX_copy_ex(copy, stream->md) &&
		  EVP_DigestFinal_ex(copy, digest, NULL) ? 0 : -ENOMEM;

	EVP_MD_CTX_free(copy);
	return ret;
}

int stream_send(struct stream_set *set, unsigned int index, uint8_t *digest)
{
	struct stream *stream = &set->streams[index];
	struct stream_slot *slot = &stream->slots[stream->head % set->options.depth];
	int ret = 0;

	if (stream->fill) {
		if (stream->md)
			EVP_DigestUpdate(stream->md, slot->buf, stream->fill);
		ret = stream_send_slot(set, stream, VDI_CMD_WRITE, slot, stream->fill);
		if (ret == -EREMOTEIO) {
			/* an earlier Write failed: its completion says why */
			int code = stream_drain(set, stream);

			return code ? code : stream_failed(set, stream, "Write", ret);
		}
		stream->bytes += stream->fill;
		stream->fill = 0;
		stream->head++;
	}
	if (!ret && digest && stream->md)
		ret = stream_digest(stream, digest);
	return ret ? stream_failed(set, stream, "Write", ret) : 0;
}

/* One command on all devices at once; all answers are awaited. */
static int stream_all(struct stream_set *set, uint16_t code, const char *what)
{
	unsigned int i, count = stream_count(set);
	int ret;

	for (i = 0; i < count; i++) {
		ret = stream_send_other(set, &set->streams[i], code);
		if (ret)
			return stream_failed(set, &set->streams[i], what, ret);
	}
	for (i = 0; i < count; i++) {
		struct stream *stream = &set->streams[i];

		ret = stream_wait_all(set, stream);
		if (ret)
			return stream_failed(set, stream, what, ret);
		if (stream->other_code)
			return stream_refused(set, stream, what, stream->other_code);
	}
	return 0;
}

int stream_finish(struct stream_set *set)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < stream_count(set); i++)
		ret = stream_send(set, i, NULL);
	for (i = 0; !ret && i < stream_count(set); i++)
		ret = stream_drain(set, &set->streams[i]);
	if (!ret)
		ret = stream_all(set, VDI_CMD_FLUSH, "Flush");
	if (!ret && set->config.features & VDI_FEAT_COMPLETE_ENABLED)
		ret = stream_all(set, VDI_CMD_COMPLETE, "Complete");
	return ret ? ret : stream_end(set);
}
