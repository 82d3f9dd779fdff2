// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams that are written: Write commands at depth, then Flush and Complete.
 * Owns the order in which a backup becomes good: every Write is checked, then a
 * tape gets its filemark, then every device is flushed, then every device
 * completes, then all are closed.
 */
#include <errno.h>

#include "stream_private.h"

/* Waits until the slot is stored, on whatever medium, or it fails. */
static int stream_take_write(struct stream_set *set, struct stream *stream,
			     struct stream_slot *slot)
{
	for (;;) {
		int ret = stream_wait_slot(set, stream, slot);

		if (ret)
			return stream_failed(set, stream, "Write", ret);
		if (!slot->len)
			return 0;
		if (!slot->code && slot->result == slot->len) {
			stream->stored += slot->len;
			slot->len = 0;
			return 0;
		}
		ret = stream_write_again(set, stream);
		if (ret)
			return ret;
	}
}

/* All that is on its way, oldest first, so that the first error is the one told. */
static int stream_drain(struct stream_set *set, struct stream *stream)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < stream->depth; i++)
		ret = stream_take_write(set, stream,
					&stream->slots[(stream->head + i) % stream->depth]);
	return ret;
}

int stream_reserve(struct stream_set *set, unsigned int index, uint8_t **buf, size_t *room)
{
	struct stream *stream = &set->streams[index];
	struct stream_slot *slot = &stream->slots[stream->head % stream->depth];
	int ret;

	if (!stream->fill) {
		ret = stream_take_write(set, stream, slot);
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

/* What is in the buffer and not yet in the digest; it is not changed any more. */
static void stream_hash(struct stream *stream, const struct stream_slot *slot)
{
	if (stream->md && stream->fill > stream->hashed)
		EVP_DigestUpdate(stream->md, slot->buf + stream->hashed,
				 stream->fill - stream->hashed);
	stream->hashed = stream->fill;
}

int stream_digest(struct stream_set *set, unsigned int index, uint8_t *digest)
{
	struct stream *stream = &set->streams[index];
	EVP_MD_CTX *copy = EVP_MD_CTX_new();
	int ret = -ENOMEM;

	stream_hash(stream, &stream->slots[stream->head % stream->depth]);
	if (copy && EVP_MD_CTX_copy_ex(copy, stream->md) && EVP_DigestFinal_ex(copy, digest, NULL))
		ret = 0;
	EVP_MD_CTX_free(copy);
	return ret ? stream_failed(set, stream, "Write", ret) : 0;
}

int stream_send(struct stream_set *set, unsigned int index, uint8_t *digest)
{
	struct stream *stream = &set->streams[index];
	struct stream_slot *slot = &stream->slots[stream->head % stream->depth];
	size_t len = stream->fill;
	int ret;

	if (len) {
		stream_hash(stream, slot);
		for (;;) {
			ret = stream->full ? stream_next_medium(set, stream) : 0;
			if (ret)
				return ret;
			slot->position = stream->position;
			ret = stream_send_slot(set, stream, VDI_CMD_WRITE, slot, len);
			if (ret != -EREMOTEIO)
				break;
			/* an earlier Write was answered with an error */
			ret = stream_write_again(set, stream);
			if (ret)
				return ret;
		}
		if (ret)
			return stream_failed(set, stream, "Write", ret);
		if (stream_has(set, VDI_FEAT_RANDOM_ACCESS))
			stream->position += len;
		stream->bytes += len;
		stream->fill = 0;
		stream->hashed = 0;
		stream->head++;
	}
	return digest && stream->md ? stream_digest(set, index, digest) : 0;
}

int stream_finish(struct stream_set *set)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < stream_count(set); i++)
		ret = stream_send(set, i, NULL);
	for (i = 0; !ret && i < stream_count(set); i++)
		ret = stream_drain(set, &set->streams[i]);
	if (!ret && stream_has(set, VDI_FEAT_FILE_MARKS))
		ret = stream_all(set, VDI_CMD_WRITE_MARK, 0, "WriteMark");
	if (!ret)
		ret = stream_all(set, VDI_CMD_FLUSH, 0, "Flush");
	if (!ret && stream_has(set, VDI_FEAT_COMPLETE_ENABLED))
		ret = stream_all(set, VDI_CMD_COMPLETE, 0, "Complete");
	return ret ? ret : stream_end(set, stream_has(set, VDI_FEAT_COMPLETE_ENABLED));
}
