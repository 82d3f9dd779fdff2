// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Writing and reading extent streams.  Owns the format and every check of one
 * stream on its own; whether the streams of an image fit together is the
 * engine's.
 *
 * An extent never leaves the buffer it begins in, so its length is put into
 * its record when it is known, and each full buffer goes to the next stream.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "extent.h"

static const uint8_t extent_magic[8] = "\x89VDX\r\n\x1a\n";

/* Bytes that may cross buffers. */
static int extent_put(struct extent_writer *writer, unsigned int index, const void *data,
		      size_t len)
{
	const struct extent_sink *sink = writer->sink;
	const uint8_t *p = data;

	while (len) {
		uint8_t *buf;
		size_t room;
		int ret = sink->reserve(sink->ctx, index, &buf, &room);

		if (ret)
			return ret;
		if (room > len)
			room = len;
		memcpy(buf, p, room);
		ret = sink->commit(sink->ctx, index, room);
		if (ret)
			return ret;
		writer->total[index] += room;
		p += room;
		len -= room;
	}
	return 0;
}

int extent_begin(struct extent_writer *writer, const struct extent_sink *sink, const char *engine,
		 uint64_t image_size)
{
	struct extent_header header = {
		.version = htole32(EXTENT_VERSION),
		.count = htole32(sink->count),
		.image_size = htole64(image_size),
	};
	unsigned int i;
	int ret;

	memset(writer, 0, sizeof(*writer));
	writer->sink = sink;
	memcpy(header.magic, extent_magic, sizeof(header.magic));
	strncpy(header.engine, engine, sizeof(header.engine) - 1);
	if (getrandom(header.id, sizeof(header.id), 0) != sizeof(header.id))
		return -EIO;
	for (i = 0; i < sink->count; i++) {
		header.index = htole32(i);
		ret = extent_put(writer, i, &header, sizeof(header));
		if (ret)
			return ret;
	}
	return 0;
}

/* Ends the open extent, if there is one, and gives its bytes to the stream. */
static int extent_close(struct extent_writer *writer)
{
	struct extent_record record = {
		.type = htole32(EXTENT_DATA),
		.length = htole32(writer->length),
		.offset = htole64(writer->start),
		.sequence = htole64(writer->extents),
	};
	unsigned int index = writer->index;

	if (!writer->record)
		return 0;
	memcpy(writer->record, &record, sizeof(record));
	writer->record = NULL;
	writer->extents++;
	writer->stream_extents[index]++;
	writer->bytes[index] += writer->length;
	writer->total[index] += sizeof(record) + writer->length;
	writer->index = (index + 1) % writer->sink->count;
	return writer->sink->commit(writer->sink->ctx, index, sizeof(record) + writer->length);
}

/* @len bytes of nothing, a multiple of a word */
static int extent_fill(struct extent_writer *writer, unsigned int index, size_t len)
{
	const uint32_t word[2] = { htole32(EXTENT_FILL) };
	int ret = 0;

	for (; !ret && len >= EXTENT_WORD; len -= EXTENT_WORD)
		ret = extent_put(writer, index, word, EXTENT_WORD);
	return ret;
}

/* The rest of a buffer too short for a record and data is filled. */
static int extent_open(struct extent_writer *writer, uint64_t offset)
{
	const struct extent_sink *sink = writer->sink;
	uint8_t *buf;
	size_t room;
	int ret;

	ret = sink->reserve(sink->ctx, writer->index, &buf, &room);
	if (!ret && room <= sizeof(struct extent_record)) {
		ret = extent_fill(writer, writer->index, room);
		if (!ret)
			ret = sink->reserve(sink->ctx, writer->index, &buf, &room);
	}
	if (ret)
		return ret;
	writer->record = buf;
	writer->data = buf + sizeof(struct extent_record);
	writer->room = room - sizeof(struct extent_record);
	writer->start = offset;
	writer->length = 0;
	return 0;
}

int extent_write(struct extent_writer *writer, uint64_t offset, const void *data, size_t len)
{
	const uint8_t *p = data;
	int ret;

	if (len % EXTENT_WORD)
		return -EINVAL;
	while (len) {
		size_t part;

		if (writer->record &&
		    (!writer->room || offset != writer->start + writer->length)) {
			ret = extent_close(writer);
			if (ret)
				return ret;
		}
		if (!writer->record) {
			ret = extent_open(writer, offset);
			if (ret)
				return ret;
		}
		part = len < writer->room ? len : writer->room;
		memcpy(writer->data, p, part);
		writer->data += part;
		writer->room -= part;
		writer->length += part;
		offset += part;
		p += part;
		len -= part;
	}
	return 0;
}

int extent_finish(struct extent_writer *writer, uint64_t file_size, uint32_t block_size)
{
	const size_t end_size = sizeof(struct extent_record) + sizeof(struct extent_end);
	const struct extent_sink *sink = writer->sink;
	unsigned int i;
	int ret = extent_close(writer);

	for (i = 0; !ret && i < sink->count; i++) {
		struct extent_record record = {
			.type = htole32(EXTENT_END),
			.length = htole32(sizeof(struct extent_end)),
			.offset = htole64(file_size),
			.sequence = htole64(writer->extents),
		};
		struct extent_end end = {
			.stream_bytes = htole64(writer->bytes[i]),
			.stream_extents = htole64(writer->stream_extents[i]),
		};

		ret = extent_fill(writer, i, block_size - 1 -
				  (writer->total[i] + end_size - 1) % block_size);
		if (!ret)
			ret = sink->digest(sink->ctx, i, end.digest);
		if (!ret)
			ret = extent_put(writer, i, &record, sizeof(record));
		if (!ret)
			ret = extent_put(writer, i, &end, sizeof(end));
	}
	return ret;
}

/* Collects a fixed structure that may come in parts; true when it is whole. */
static bool extent_collect(struct extent_reader *reader, const uint8_t **p, size_t *len,
			   size_t want)
{
	size_t part = want - reader->have;

	if (part > *len)
		part = *len;
	memcpy(reader->partial + reader->have, *p, part);
	reader->have += part;
	*p += part;
	*len -= part;
	if (reader->have < want)
		return false;
	return true;
}

static const char *extent_take_header(struct extent_reader *reader)
{
	struct extent_header *header = &reader->header;

	memcpy(header, reader->partial, sizeof(*header));
	EVP_DigestUpdate(reader->md, reader->partial, reader->have);
	reader->have = 0;
	if (memcmp(header->magic, extent_magic, sizeof(header->magic)))
		return "is not a stream of this engine (its magic is wrong)";
	if (!header->version || le32toh(header->version) > EXTENT_VERSION || header->flags)
		return "has a version that this vdi does not know; use a newer vdi";
	header->index = le32toh(header->index);
	header->count = le32toh(header->count);
	header->image_size = le64toh(header->image_size);
	header->engine[sizeof(header->engine) - 1] = '\0';
	reader->have_header = true;
	return NULL;
}

/* The first word of a record, which may be all of it */
static void extent_take_fill(struct extent_reader *reader)
{
	uint32_t word[2];

	memcpy(word, reader->partial, sizeof(word));
	if (le32toh(word[0]) != EXTENT_FILL || word[1])
		return;
	EVP_DigestUpdate(reader->md, reader->partial, reader->have);
	reader->have = 0;
}

static const char *extent_take_record(struct extent_reader *reader,
				      const struct extent_consumer *consumer)
{
	struct extent_record *record = &reader->record;

	memcpy(record, reader->partial, sizeof(*record));
	record->type = le32toh(record->type);
	record->length = le32toh(record->length);
	record->offset = le64toh(record->offset);
	record->sequence = le64toh(record->sequence);
	reader->have_record = true;
	if (record->type == EXTENT_END)		/* not in the digest that follows it */
		return record->length == sizeof(struct extent_end) ? NULL :
		       "is malformed (its end record)";
	EVP_DigestUpdate(reader->md, reader->partial, reader->have);
	reader->have = 0;
	if (record->type != EXTENT_DATA)
		return "is malformed (a record of unknown type)";
	if (!record->length || record->offset > consumer->max_size ||
	    record->length > consumer->max_size - record->offset)
		return "is malformed (an extent out of range)";
	if (record->sequence < reader->next_sequence)
		return "is malformed (its extents are out of order)";
	reader->next_sequence = record->sequence + 1;
	reader->left = record->length;
	reader->extents++;
	reader->bytes += record->length;
	return NULL;
}

static const char *extent_take_end(struct extent_reader *reader)
{
	struct extent_end *end = &reader->end;
	uint8_t digest[STREAM_DIGEST_SIZE];

	extent_reader_digest(reader, digest);
	EVP_DigestUpdate(reader->md, reader->partial, reader->have);
	memcpy(end, reader->partial + sizeof(struct extent_record), sizeof(*end));
	reader->have = 0;
	if (memcmp(end->digest, digest, STREAM_DIGEST_SIZE))
		return "is damaged (its checksum does not match)";
	end->stream_bytes = le64toh(end->stream_bytes);
	end->stream_extents = le64toh(end->stream_extents);
	if (end->stream_bytes != reader->bytes || end->stream_extents != reader->extents)
		return "is damaged (extents are missing)";
	reader->have_end = true;
	return NULL;
}

int extent_reader_init(struct extent_reader *reader)
{
	memset(reader, 0, sizeof(*reader));
	reader->md = EVP_MD_CTX_new();
	return reader->md && EVP_DigestInit_ex(reader->md, EVP_sha256(), NULL) ? 0 : -ENOMEM;
}

void extent_reader_free(struct extent_reader *reader)
{
	EVP_MD_CTX_free(reader->md);
}

void extent_reader_digest(struct extent_reader *reader, uint8_t *digest)
{
	EVP_MD_CTX *copy = EVP_MD_CTX_new();

	memset(digest, 0, STREAM_DIGEST_SIZE);
	if (copy && EVP_MD_CTX_copy_ex(copy, reader->md))
		EVP_DigestFinal_ex(copy, digest, NULL);
	EVP_MD_CTX_free(copy);
}

/* Data of the current extent goes on to the consumer. */
static const char *extent_take_data(struct extent_reader *reader,
				    const struct extent_consumer *consumer, const uint8_t **p,
				    size_t *len, int *error)
{
	size_t part = reader->left < *len ? reader->left : *len;

	*error = consumer->data(consumer->ctx, reader->record.offset + reader->record.length -
				reader->left, *p, part);
	if (*error)
		return "cannot be written";
	EVP_DigestUpdate(reader->md, *p, part);
	reader->left -= part;
	*p += part;
	*len -= part;
	return NULL;
}

const char *extent_feed(struct extent_reader *reader, const struct extent_consumer *consumer,
			const void *data, size_t len, int *error)
{
	const size_t end_size = sizeof(struct extent_record) + sizeof(struct extent_end);
	const uint8_t *p = data;
	const char *wrong = NULL;

	*error = 0;
	reader->total += len;
	while (len && !wrong) {
		if (reader->have_end) {
			wrong = "has data after its end";
		} else if (!reader->have_header) {
			if (extent_collect(reader, &p, &len, sizeof(reader->header)))
				wrong = extent_take_header(reader);
		} else if (reader->left) {
			wrong = extent_take_data(reader, consumer, &p, &len, error);
		} else if (reader->have_record && reader->record.type == EXTENT_END) {
			if (extent_collect(reader, &p, &len, end_size))
				wrong = extent_take_end(reader);
		} else if (reader->have < EXTENT_WORD) {
			if (extent_collect(reader, &p, &len, EXTENT_WORD))
				extent_take_fill(reader);
		} else if (extent_collect(reader, &p, &len, sizeof(reader->record))) {
			wrong = extent_take_record(reader, consumer);
		}
	}
	return wrong;
}
