// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * One medium: its bytes in the file, positions, end, digest.  Owns what reads
 * and writes do to each kind; where things are on a tape is tape.c's, the
 * format of header and trailer stripe.c's.
 */
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <libvdi.h>

#include "direct.h"
#include "medium.h"
#include "tape.h"

#define MEDIUM_TABLE	256	/* entries of the table that are moved at once */

struct medium {
	int fd;
	int direct;			/* the same past the page cache, -1: none */
	off_t data;			/* where the payload begins in the file */
	struct stripe_info info;
	struct medium_limit limit;
	bool writing;
	bool used;
	struct tape tape;		/* of a tape */
	uint64_t pos;			/* of a pipe or disk, in bytes */
	uint64_t length;		/* likewise */
	uint64_t written;		/* of a disk: where the last Write ended */
	bool wrote;
	EVP_MD_CTX *digest;		/* of what was written in one go */
	uint64_t digested;		/* bytes in it */
	bool overwritten;		/* @digest is of no use */
};

static int medium_alloc(struct medium **out, int fd, off_t base, const struct stripe_info *info)
{
	struct medium *medium = calloc(1, sizeof(*medium));

	if (!medium)
		return -ENOMEM;
	medium->fd = fd;
	medium->direct = -1;
	medium->data = base + STRIPE_HEADER_SIZE;
	medium->info = *info;
	medium->tape.block_size = info->block_size;
	*out = medium;
	return 0;
}

int medium_create(struct medium **out, int fd, off_t base, const struct stripe_info *info,
		  const struct medium_limit *limit)
{
	struct medium *medium;
	int ret = medium_alloc(&medium, fd, base, info);

	if (ret)
		return ret;
	medium->writing = true;
	medium->limit = *limit;
	medium->digest = EVP_MD_CTX_new();
	ret = medium->digest && EVP_DigestInit_ex(medium->digest, EVP_sha256(), NULL) ? 0 : -ENOMEM;
	if (!ret)
		ret = stripe_write_header(fd, base, info);
	if (ret)
		medium_free(medium);
	else
		*out = medium;
	return ret;
}

static int medium_load_table(struct medium *medium)
{
	uint64_t left = medium->info.breaks;
	uint64_t data = medium->info.length - left * STRIPE_BREAK_SIZE;
	off_t pos = medium->data + data;

	while (left) {
		struct stripe_break table[MEDIUM_TABLE];
		size_t n = left < MEDIUM_TABLE ? left : MEDIUM_TABLE, i;
		int ret = stripe_pread(medium->fd, table, n * sizeof(table[0]), pos);

		if (ret)
			return ret;
		for (i = 0; i < n; i++)
			if (table[i].zero || !tape_load(&medium->tape, le64toh(table[i].address),
							le32toh(table[i].bytes)))
				return -EBADMSG;
		pos += n * sizeof(table[0]);
		left -= n;
	}
	return tape_load_end(&medium->tape, data) ? 0 : -EBADMSG;
}

int medium_open(struct medium **out, int fd, off_t base, const struct stripe_info *info)
{
	struct medium *medium;
	int ret = medium_alloc(&medium, fd, base, info);

	if (ret)
		return ret;
	medium->length = info->length;
	if (info->kind == STRIPE_TAPE)
		ret = medium_load_table(medium);
	if (ret)
		medium_free(medium);
	else
		*out = medium;
	return ret;
}

void medium_free(struct medium *medium)
{
	if (!medium)
		return;
	if (medium->direct >= 0)
		close(medium->direct);
	tape_free(&medium->tape);
	EVP_MD_CTX_free(medium->digest);
	free(medium);
}

void medium_set_direct(struct medium *medium, int direct)
{
	medium->direct = direct;
}

const struct stripe_info *medium_info(const struct medium *medium)
{
	return &medium->info;
}

uint64_t medium_length(const struct medium *medium)
{
	return medium->info.kind == STRIPE_TAPE ? medium->tape.length : medium->length;
}

bool medium_used(const struct medium *medium)
{
	return medium->used;
}

/* Both ends of a short read are one code: pipes and disks end like files. */
static uint32_t medium_read_range(struct medium *medium, size_t room, size_t *len)
{
	uint64_t left = medium->pos < medium->length ? medium->length - medium->pos : 0;

	*len = room < left ? room : left;
	medium->pos += *len;
	return *len < room ? VDI_CODE_HANDLE_EOF : 0;
}

int medium_read(struct medium *medium, uint64_t pos, void *buf, size_t len, size_t *bytes)
{
	bool tape = medium->info.kind == STRIPE_TAPE;
	uint64_t offset;
	uint32_t code;
	int ret;

	*bytes = 0;
	medium->used = true;
	if (medium->info.kind == STRIPE_PIPE && medium->writing)
		return VDI_CODE_NOT_SUPPORTED;
	if (medium->info.kind == STRIPE_DISK) {
		if (pos > INT64_MAX)
			return VDI_CODE_NEGATIVE_SEEK;
		medium->pos = pos;
	}
	offset = tape ? tape_offset(&medium->tape) : medium->pos;
	code = tape ? tape_read(&medium->tape, len, bytes) : medium_read_range(medium, len, bytes);
	ret = direct_pread(medium->direct, medium->fd, buf, *bytes, medium->data + offset);
	if (ret)
		*bytes = 0;
	return ret ? ret : (int)code;
}

static uint64_t medium_table_size(const struct medium *medium)
{
	return (uint64_t)medium->tape.count * STRIPE_BREAK_SIZE;
}

/*
 * Is the end to be announced when @used bytes are taken?  In the zone that was
 * asked for, and in any case where the next Write might not fit: then nothing of
 * that would be stored, and no engine goes on from there.
 */
static bool medium_near_end(const struct medium *medium, uint64_t used)
{
	const struct medium_limit *limit = &medium->limit;
	uint64_t zone = medium->info.block_size;

	if (medium->info.kind == STRIPE_TAPE)
		zone += STRIPE_BREAK_SIZE;
	if (zone < limit->warning)
		zone = limit->warning;
	return limit->size && limit->size - used < zone;
}

/*
 * How much of @len bytes at @offset fits before the end of the medium, in whole
 * blocks; 0 or the code for it.
 */
static uint32_t medium_fit(const struct medium *medium, uint64_t offset, size_t len, size_t *fits)
{
	uint64_t used = offset + medium_table_size(medium), left;
	size_t block = medium->info.block_size;
	size_t entry = medium->info.kind == STRIPE_TAPE && len % block ? STRIPE_BREAK_SIZE : 0;

	*fits = len;
	if (!medium->limit.size)
		return 0;
	left = used < medium->limit.size ? medium->limit.size - used : 0;
	if (len + entry > left) {
		*fits = (left < len ? left : len) / block * block;
		entry = 0;
	}
	if (!*fits)
		return VDI_CODE_EOM_OVERFLOW;
	return *fits < len || medium_near_end(medium, used + *fits + entry) ?
	       VDI_CODE_END_OF_MEDIA : 0;
}

static void medium_digest(struct medium *medium, uint64_t offset, const void *buf, size_t len)
{
	if (offset != medium->digested)
		medium->overwritten = true;
	if (medium->overwritten || medium->info.kind == STRIPE_DISK)
		return;
	EVP_DigestUpdate(medium->digest, buf, len);
	medium->digested += len;
}

static int medium_wrote(struct medium *medium, uint64_t offset, size_t len)
{
	if (medium->info.kind == STRIPE_TAPE)
		return tape_append(&medium->tape, len);
	medium->pos = offset + len;
	medium->written = medium->pos;
	medium->wrote = true;
	if (medium->length < medium->pos)
		medium->length = medium->pos;
	return 0;
}

/*
 * The data is in memory that the engine can write too: one that changes it
 * meanwhile spoils its own backup, and the checksum will say so.
 */
int medium_write(struct medium *medium, uint64_t pos, const void *buf, size_t len, size_t *bytes)
{
	uint64_t offset = medium->length;
	uint32_t code;
	size_t fits;
	int ret;

	*bytes = 0;
	medium->used = true;
	if (!medium->writing)
		return VDI_CODE_WRITE_PROTECT;
	if (medium->info.kind == STRIPE_DISK) {
		if (pos > INT64_MAX)
			return VDI_CODE_NEGATIVE_SEEK;
		offset = pos;
	} else if (medium->info.kind == STRIPE_TAPE) {
		tape_truncate(&medium->tape);
		offset = medium->tape.length;
	}
	if (offset > (uint64_t)INT64_MAX - medium->data - len)
		return -EFBIG;
	code = medium_fit(medium, offset, len, &fits);
	ret = direct_pwrite(medium->direct, medium->fd, buf, fits, medium->data + offset);
	if (ret)
		return ret;
	medium_digest(medium, offset, buf, fits);
	*bytes = fits;
	ret = fits ? medium_wrote(medium, offset, fits) : 0;
	return ret ? ret : (int)code;
}

int medium_write_mark(struct medium *medium)
{
	uint64_t size;
	int ret;

	medium->used = true;
	if (!medium->writing)
		return VDI_CODE_WRITE_PROTECT;
	tape_truncate(&medium->tape);
	size = medium->tape.length + medium_table_size(medium) + STRIPE_BREAK_SIZE;
	if (medium->limit.size && size > medium->limit.size)
		return VDI_CODE_EOM_OVERFLOW;
	ret = tape_append_mark(&medium->tape);
	if (ret)
		return ret;
	return medium_near_end(medium, size) ? VDI_CODE_END_OF_MEDIA : 0;
}

int medium_skip_marks(struct medium *medium, int64_t marks)
{
	medium->used = true;
	return tape_skip_marks(&medium->tape, marks);
}

int medium_skip_blocks(struct medium *medium, int64_t blocks)
{
	medium->used = true;
	return tape_skip_blocks(&medium->tape, blocks);
}

int medium_rewind(struct medium *medium)
{
	medium->used = true;
	medium->tape.pos = 0;
	return 0;
}

uint64_t medium_position(const struct medium *medium)
{
	return medium->info.kind == STRIPE_TAPE ? medium->tape.pos : medium->pos;
}

int medium_set_position(struct medium *medium, int64_t pos, unsigned int origin)
{
	int64_t from = origin == 1 ? medium->pos : origin == 2 ? medium->length : 0;

	medium->used = true;
	if (medium->info.kind == STRIPE_TAPE) {
		if (pos < 0 || (uint64_t)pos > medium->tape.end)
			return VDI_CODE_INVALID_PARAMETER;
		medium->tape.pos = pos;
		return 0;
	}
	if (origin > 2 || __builtin_add_overflow(from, pos, &from))
		return VDI_CODE_INVALID_PARAMETER;
	if (from < 0)
		return VDI_CODE_NEGATIVE_SEEK;
	medium->pos = from;
	return 0;
}

int medium_flush(struct medium *medium)
{
	if (!medium->writing)
		return 0;
	if (medium->info.kind == STRIPE_DISK && medium->wrote &&
	    medium->length != medium->written) {
		if (ftruncate(medium->fd, medium->data + medium->written))
			return -errno;
		medium->length = medium->written;
	}
	return fsync(medium->fd) ? -errno : 0;
}

/* The table of a tape, behind its data; *@length becomes that of both. */
static int medium_write_table(struct medium *medium, uint64_t *length)
{
	size_t next = 0;

	while (next < medium->tape.count) {
		struct stripe_break table[MEDIUM_TABLE] = { };
		size_t n = medium->tape.count - next, i;
		int ret;

		if (n > MEDIUM_TABLE)
			n = MEDIUM_TABLE;
		for (i = 0; i < n; i++) {
			table[i].address = htole64(medium->tape.breaks[next + i].address);
			table[i].bytes = htole32(medium->tape.breaks[next + i].bytes);
		}
		ret = stripe_pwrite(medium->fd, table, n * sizeof(table[0]),
				    medium->data + *length);
		if (ret)
			return ret;
		medium_digest(medium, *length, table, n * sizeof(table[0]));
		*length += n * sizeof(table[0]);
		next += n;
	}
	return 0;
}

int medium_finish(struct medium *medium, bool more, off_t *end)
{
	struct stripe_info *info = &medium->info;
	off_t base = medium->data - STRIPE_HEADER_SIZE;
	int ret;

	info->length = medium_length(medium);
	info->breaks = medium->tape.count;
	info->more = more;
	/* what a tape or a disk held beyond its end must not come back */
	if (ftruncate(medium->fd, medium->data + info->length))
		return -errno;
	ret = medium_write_table(medium, &info->length);
	if (ret)
		return ret;
	if (info->kind != STRIPE_DISK && medium->digested == info->length && !medium->overwritten)
		EVP_DigestFinal_ex(medium->digest, info->payload_digest, NULL);
	else if (stripe_digest_payload(medium->fd, medium->direct, base, info, NULL,
				       info->payload_digest))
		return -EIO;
	ret = stripe_write_trailer(medium->fd, base, info);
	if (ret)
		return ret;
	*end = medium->data + info->length + STRIPE_TRAILER_SIZE;
	return fsync(medium->fd) ? -errno : 0;
}

int medium_spoil(struct medium *medium)
{
	return ftruncate(medium->fd, medium->data + medium_length(medium)) ? -errno : 0;
}
