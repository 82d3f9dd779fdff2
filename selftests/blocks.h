/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks of random bytes that say themselves whether they are whole: where they
 * belong, and a CRC32C at their end; and the SHA-256 of a stream of them.
 */
#ifndef VDI_TEST_BLOCKS_H
#define VDI_TEST_BLOCKS_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MIN	512U
#define BLOCK_MAX	(4U << 20)
#define BLOCK_SHA	32

struct block_end {
	uint64_t stream;	/* which one, of which set */
	uint64_t number;	/* in the stream, from 0 */
	uint32_t length;
	uint32_t crc;		/* of all before it */
};

struct block_stream {
	uint64_t name;
	uint64_t number;
	EVP_MD_CTX *sha;
};

static inline uint64_t block_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

__attribute__((target("sse4.2")))
static inline uint32_t block_crc_fast(const uint8_t *p, size_t len)
{
	uint64_t crc = ~0U;

	for (; len >= 8; len -= 8, p += 8)
		crc = __builtin_ia32_crc32di(crc, *(const uint64_t *)p);
	while (len--)
		crc = __builtin_ia32_crc32qi(crc, *p++);
	return ~crc;
}

static inline uint32_t block_crc_slow(const uint8_t *p, size_t len)
{
	static uint32_t table[256];
	uint32_t crc = ~0U;
	unsigned int i, bit;

	for (i = 0; i < 256 && !table[255]; i++) {
		uint32_t c = i;

		for (bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ 0x82f63b78 : c >> 1;
		table[i] = c;
	}
	while (len--)
		crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
	return ~crc;
}

/* CRC32C, by the processor if it can */
static inline uint32_t block_crc(const void *data, size_t len)
{
	return __builtin_cpu_supports("sse4.2") ? block_crc_fast(data, len) :
						  block_crc_slow(data, len);
}

/* Most are small, so that many are under way; one of 64 is of any size; of 8 bytes each. */
static inline uint32_t block_size(uint64_t *state, bool aligned)
{
	bool any = !(block_random(state) % 64);
	uint32_t top = BLOCK_MIN << (block_random(state) % (any ? 14 : 6));
	uint32_t size;

	if (top > BLOCK_MAX)
		top = BLOCK_MAX;
	if (aligned)
		return 4096 * (1 + block_random(state) % 8);
	size = (top + block_random(state) % (top + 1)) & ~7U;
	if (size > BLOCK_MAX)
		size = BLOCK_MAX;
	/* only the aligned ones look like it */
	return size % 4096 ? size : size - 8 >= BLOCK_MIN ? size - 8 : size + 8;
}

static inline bool block_stream_init(struct block_stream *stream, uint64_t name)
{
	*stream = (struct block_stream){ .name = name, .sha = EVP_MD_CTX_new() };
	return stream->sha && EVP_DigestInit_ex(stream->sha, EVP_sha256(), NULL);
}

static inline void block_stream_end(struct block_stream *stream, uint8_t *sha)
{
	EVP_DigestFinal_ex(stream->sha, sha, NULL);
	EVP_MD_CTX_free(stream->sha);
}

/* The next block of the stream */
static inline void block_fill(struct block_stream *stream, void *buf, uint32_t len)
{
	struct block_end end = { stream->name, stream->number++, len, 0 };
	uint64_t state = stream->name * 31 + end.number, *w = buf;
	uint32_t i;

	for (i = 0; i < len / 8; i++)
		w[i] = state += 0x9e3779b97f4a7c15ULL + (state << 7);
	memcpy((char *)buf + len - sizeof(end), &end, sizeof(end));
	end.crc = block_crc(buf, len - sizeof(end.crc));
	memcpy((char *)buf + len - sizeof(end), &end, sizeof(end));
	EVP_DigestUpdate(stream->sha, buf, len);
}

/* Is it the next block of the stream, and whole? */
static inline bool block_check(struct block_stream *stream, const void *buf, uint32_t len)
{
	struct block_end end;

	memcpy(&end, (const char *)buf + len - sizeof(end), sizeof(end));
	if (end.stream != stream->name || end.number != stream->number || end.length != len ||
	    end.crc != block_crc(buf, len - sizeof(end.crc)))
		return false;
	stream->number++;
	EVP_DigestUpdate(stream->sha, buf, len);
	return true;
}

#endif /* VDI_TEST_BLOCKS_H */
