/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The stream in which an engine sends the image of a file: a header, extents
 * (offset, length, data) and an end record.  With several devices each gets a
 * stream of its own; extents say where they belong, so a stream needs no other
 * to be read.
 */
#ifndef VDI_EXTENT_H
#define VDI_EXTENT_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stream.h"

#define EXTENT_VERSION		2	/* 1 had no fill records */
#define EXTENT_ID_SIZE		16

/* In the stream, little-endian, once, first */
struct extent_header {
	uint8_t magic[8];
	uint32_t version;
	uint32_t flags;			/* Must be 0 */
	uint8_t id[EXTENT_ID_SIZE];	/* the same in all streams of an image */
	uint32_t index;
	uint32_t count;
	char engine[16];		/* "sqlite" */
	uint64_t image_size;		/* bytes of the file, 0: not known in advance */
};

/*
 * All lengths are multiples of 8.  A fill is the first 8 bytes of a record: it
 * makes a transfer, and the whole stream, a multiple of the block size.
 */
enum { EXTENT_DATA = 0x41544144, EXTENT_END = 0x20444e45, EXTENT_FILL = 0x4c4c4946 };
#define EXTENT_WORD	8

struct extent_record {
	uint32_t type;			/* EXTENT_* */
	uint32_t length;		/* of what follows */
	uint64_t offset;		/* data: in the file; end: size of the file */
	uint64_t sequence;		/* data: running number over all streams; end: how many */
};

/* Follows the end record */
struct extent_end {
	uint64_t stream_bytes;		/* data in this stream */
	uint64_t stream_extents;
	uint8_t digest[STREAM_DIGEST_SIZE];	/* SHA-256 of this stream up to the end record */
};

_Static_assert(sizeof(struct extent_header) == 64, "layout in the stream");
_Static_assert(sizeof(struct extent_record) == 24, "layout in the stream");
_Static_assert(sizeof(struct extent_end) == 48, "layout in the stream");

/* Where a writer puts its bytes: device streams, or a test's memory. */
struct extent_sink {
	void *ctx;
	unsigned int count;
	/* room for at least one byte in the current buffer of a stream: 0 or an error */
	int (*reserve)(void *ctx, unsigned int index, uint8_t **buf, size_t *room);
	/* @len bytes there are done; a full buffer is sent */
	int (*commit)(void *ctx, unsigned int index, size_t len);
	/* the SHA-256 of all that was committed */
	int (*digest)(void *ctx, unsigned int index, uint8_t *digest);
};

struct extent_writer {
	const struct extent_sink *sink;
	unsigned int index;		/* the stream of the current extent */
	uint8_t *record;		/* its record in the buffer, NULL if none is open */
	uint8_t *data;			/* where its next byte goes */
	size_t room;
	uint64_t start;			/* its offset in the file */
	uint32_t length;
	uint64_t extents;
	uint64_t bytes[STREAM_MAX];
	uint64_t stream_extents[STREAM_MAX];
	uint64_t total[STREAM_MAX];	/* with records and fills */
};

/* All: 0 or what the sink's functions gave.  @image_size: 0 if not known. */
int extent_begin(struct extent_writer *writer, const struct extent_sink *sink, const char *engine,
		 uint64_t image_size);
int extent_write(struct extent_writer *writer, uint64_t offset, const void *data, size_t len);
/* Each stream then has a multiple of @block_size. */
int extent_finish(struct extent_writer *writer, uint64_t file_size, uint32_t block_size);

/* A stream that is read, byte by byte, whatever the size of the reads */
struct extent_reader {
	EVP_MD_CTX *md;			/* SHA-256 of all that was fed */
	struct extent_header header;	/* in the machine's order, as all here */
	bool have_header;
	struct extent_record record;	/* the current one */
	bool have_record;
	struct extent_end end;
	bool have_end;
	uint8_t partial[72];		/* an end record and what follows it */
	size_t have;			/* bytes in @partial, not yet in @md */
	uint64_t left;			/* data bytes of the current extent to come */
	uint64_t bytes;
	uint64_t extents;
	uint64_t next_sequence;		/* least number of the next extent */
	uint64_t total;			/* bytes fed */
};

struct extent_consumer {
	void *ctx;
	/* 0 or -errno */
	int (*data)(void *ctx, uint64_t offset, const void *data, size_t len);
	uint64_t max_size;		/* of the file */
};

int extent_reader_init(struct extent_reader *reader);
void extent_reader_free(struct extent_reader *reader);
void extent_reader_digest(struct extent_reader *reader, uint8_t *digest);

/*
 * NULL, or what is wrong with the stream; *@error is -errno if it was the
 * consumer that failed.
 */
const char *extent_feed(struct extent_reader *reader, const struct extent_consumer *consumer,
			const void *data, size_t len, int *error);

#endif /* VDI_EXTENT_H */
