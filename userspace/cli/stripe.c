// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The stripe file's header and trailer on disk.  Owns the format and every
 * check of it; which files make a backup, and where they live, is target.c's
 * and source.c's.
 *
 * The header is written first and never again, the trailer last: a file that
 * was not finished has none, so it can't be taken for a good one.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vdi.h>

#include "direct.h"
#include "stripe.h"

#define STRIPE_BUFFER	(1 << 20)	/* read at once when a payload is checked */

/* As in PNG: a byte above 127, CR LF and ^Z show what a text transfer did. */
static const uint8_t stripe_header_magic[8] = "\x89VDS\r\n\x1a\n";
static const uint8_t stripe_trailer_magic[8] = "\x89VDE\r\n\x1a\n";

static void stripe_digest(const void *data, size_t len, uint8_t *out)
{
	SHA256(data, len, out);
}

int stripe_pwrite(int fd, const void *buf, size_t len, off_t pos)
{
	const char *p = buf;

	while (len) {
		ssize_t ret = pwrite(fd, p, len, pos);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		p += ret;
		pos += ret;
		len -= ret;
	}
	return 0;
}

int stripe_pread(int fd, void *buf, size_t len, off_t pos)
{
	char *p = buf;

	while (len) {
		ssize_t ret = pread(fd, p, len, pos);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -ENODATA;
		p += ret;
		pos += ret;
		len -= ret;
	}
	return 0;
}

/* What an older vdi can read is written so that it does. */
static bool stripe_is_plain(const struct stripe_info *info)
{
	return info->kind == STRIPE_PIPE && !info->removable;
}

int stripe_write_header(int fd, off_t base, const struct stripe_info *info)
{
	struct stripe_header header = {
		.version = htole32(stripe_is_plain(info) ? STRIPE_VERSION : STRIPE_VERSION_MEDIA),
		.header_size = htole32(STRIPE_HEADER_SIZE),
		.index = htole32(info->index),
		.count = htole32(info->count),
		.block_size = htole32(info->block_size),
		.flags = htole32(info->removable ? STRIPE_F_REMOVABLE : 0),
		.created_ns = htole64(info->created_ns),
		.kind = htole32(info->kind),
		.medium = htole32(info->medium),
	};

	memcpy(header.magic, stripe_header_magic, sizeof(header.magic));
	memcpy(header.backup_id, info->backup_id, sizeof(header.backup_id));
	memcpy(header.device, info->device, strnlen(info->device, sizeof(header.device) - 1));
	stripe_digest(&header, offsetof(struct stripe_header, digest), header.digest);
	return stripe_pwrite(fd, &header, sizeof(header), base);
}

int stripe_write_trailer(int fd, off_t base, const struct stripe_info *info)
{
	struct stripe_trailer trailer = {
		.index = htole32(info->index),
		.count = htole32(info->count),
		.length = htole64(info->length),
		.medium = htole32(info->medium),
		.flags = htole32(info->more ? STRIPE_F_MORE : 0),
		.breaks = htole64(info->breaks),
	};

	memcpy(trailer.magic, stripe_trailer_magic, sizeof(trailer.magic));
	memcpy(trailer.backup_id, info->backup_id, sizeof(trailer.backup_id));
	memcpy(trailer.payload_digest, info->payload_digest, sizeof(trailer.payload_digest));
	stripe_digest(&trailer, offsetof(struct stripe_trailer, digest), trailer.digest);
	return stripe_pwrite(fd, &trailer, sizeof(trailer),
			     base + STRIPE_HEADER_SIZE + info->length);
}

int stripe_cut(int fd)
{
	uint8_t magic[sizeof(stripe_trailer_magic)];
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return -errno;
	if (st.st_size < STRIPE_HEADER_SIZE + STRIPE_TRAILER_SIZE)
		return 0;
	st.st_size -= STRIPE_TRAILER_SIZE;
	ret = stripe_pread(fd, magic, sizeof(magic), st.st_size);
	if (!ret && !memcmp(magic, stripe_trailer_magic, sizeof(magic)) &&
	    ftruncate(fd, st.st_size))
		ret = -errno;
	return ret;
}

static bool stripe_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

/* Version 1 has nothing but pipes; in version 2 a tape is always removable. */
static bool stripe_kind_known(const struct stripe_header *header)
{
	uint32_t flags = le32toh(header->flags);
	uint32_t kind = le32toh(header->kind);

	if (le32toh(header->version) == STRIPE_VERSION)
		return !flags && !kind && !header->medium;
	return !(flags & ~STRIPE_F_REMOVABLE) && kind <= STRIPE_DISK &&
	       (flags || (kind != STRIPE_TAPE && !header->medium));
}

static const char *stripe_check_header(const struct stripe_header *header, struct stripe_info *info)
{
	uint8_t digest[STRIPE_DIGEST_SIZE];
	uint32_t version = le32toh(header->version);

	if (memcmp(header->magic, stripe_header_magic, sizeof(header->magic)))
		return "is not a VDI stripe (its magic is wrong)";
	if (version != STRIPE_VERSION && version != STRIPE_VERSION_MEDIA)
		return "has a format version that this vdi does not know; use a newer vdi";
	stripe_digest(header, offsetof(struct stripe_header, digest), digest);
	if (memcmp(header->digest, digest, sizeof(digest)))
		return "is damaged (the checksum of its header does not match)";
	if (le32toh(header->header_size) != STRIPE_HEADER_SIZE || !stripe_kind_known(header) ||
	    !stripe_zero(header->zero, sizeof(header->zero)))
		return "uses features that this vdi does not know; use a newer vdi";

	memcpy(info->backup_id, header->backup_id, sizeof(info->backup_id));
	info->index = le32toh(header->index);
	info->count = le32toh(header->count);
	info->block_size = le32toh(header->block_size);
	info->created_ns = le64toh(header->created_ns);
	info->kind = le32toh(header->kind);
	info->removable = le32toh(header->flags) & STRIPE_F_REMOVABLE;
	info->medium = le32toh(header->medium);
	memcpy(info->device, header->device, sizeof(info->device));
	if (info->count < 1 || info->count > VDI_MAX_DEVICES || info->index >= info->count)
		return "is malformed (its number is not one of its backup's stripes)";
	if (!info->device[0] || info->device[STRIPE_NAME_SIZE - 1])
		return "is malformed (the name of its device)";
	if (info->kind == STRIPE_TAPE && (info->block_size < VDI_MIN_BLOCK_SIZE ||
					  info->block_size > VDI_MAX_BLOCK_SIZE))
		return "is malformed (its block size)";
	return NULL;
}

static const char *stripe_read_header(int fd, off_t base, struct stripe_info *info)
{
	struct stripe_header header;
	int ret = stripe_pread(fd, &header, sizeof(header), base);

	if (ret == -ENODATA)
		return "is not a VDI stripe, or is truncated (it is too short)";
	return ret ? strerror(-ret) : stripe_check_header(&header, info);
}

static const char *stripe_check_trailer(const struct stripe_trailer *trailer)
{
	uint8_t digest[STRIPE_DIGEST_SIZE];

	if (memcmp(trailer->magic, stripe_trailer_magic, sizeof(trailer->magic)))
		return "is truncated or was never finished (it has no trailer)";
	stripe_digest(trailer, offsetof(struct stripe_trailer, digest), digest);
	if (memcmp(trailer->digest, digest, sizeof(digest)))
		return "is damaged (the checksum of its trailer does not match)";
	return NULL;
}

/* Do header and trailer belong together? */
static const char *stripe_match(const struct stripe_trailer *trailer, struct stripe_info *info)
{
	uint64_t breaks = le64toh(trailer->breaks);
	uint32_t flags = le32toh(trailer->flags);

	if (memcmp(trailer->backup_id, info->backup_id, sizeof(info->backup_id)) ||
	    le32toh(trailer->index) != info->index || le32toh(trailer->count) != info->count ||
	    le32toh(trailer->medium) != info->medium)
		return "is damaged (its trailer is that of another stripe)";
	if (flags & ~STRIPE_F_MORE || (flags && !info->removable))
		return "uses features that this vdi does not know; use a newer vdi";
	info->length = le64toh(trailer->length);
	info->more = flags & STRIPE_F_MORE;
	info->breaks = breaks;
	if (breaks && (info->kind != STRIPE_TAPE || breaks > info->length / STRIPE_BREAK_SIZE))
		return "is malformed (its table of filemarks)";
	memcpy(info->payload_digest, trailer->payload_digest, sizeof(info->payload_digest));
	return NULL;
}

const char *stripe_read(int fd, off_t end, off_t *base, struct stripe_info *info)
{
	const uint64_t least = STRIPE_HEADER_SIZE + STRIPE_TRAILER_SIZE;
	struct stripe_trailer trailer;
	const char *wrong;
	uint64_t length;
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	wrong = stripe_read_header(fd, 0, info);
	if (wrong)
		return wrong;
	if ((uint64_t)end < least)
		return "is truncated or was never finished (it has no trailer)";
	ret = stripe_pread(fd, &trailer, sizeof(trailer), end - sizeof(trailer));
	if (ret)
		return ret == -ENODATA ? "is changing while it is read" : strerror(-ret);
	wrong = stripe_check_trailer(&trailer);
	if (wrong)
		return wrong;
	length = le64toh(trailer.length);
	if (length > (uint64_t)end - least || (length < (uint64_t)end - least && !info->removable))
		return "is damaged (it is not as long as its trailer says)";
	*base = end - least - length;
	if (*base && stripe_read_header(fd, *base, info))
		return "is damaged (it is not as long as its trailer says)";
	return stripe_match(&trailer, info);
}

/* A disk's: chunk by chunk, and holes are passed over without being read. */
static const char *stripe_digest_disk(int fd, int direct, off_t begin, uint64_t length,
				      EVP_MD_CTX *ctx, uint8_t *buf, const volatile bool *stop)
{
	uint64_t pos = 0;

	while (pos < length) {
		uint64_t le = htole64(pos);
		size_t len = length - pos < STRIPE_CHUNK ? length - pos : STRIPE_CHUNK;
		int ret = direct_pread(direct, fd, buf, len, begin + pos);

		if (ret)
			return ret == -ENODATA ? "is changing while it is read" : strerror(-ret);
		if (stop && *stop)
			return "was not checked to its end: interrupted";
		if (!stripe_zero(buf, len)) {
			EVP_DigestUpdate(ctx, &le, sizeof(le));
			EVP_DigestUpdate(ctx, buf, len);
			pos += len;
		} else {
			off_t data = lseek(fd, begin + pos + len, SEEK_DATA);

			pos += len;
			if (data < 0 && errno == ENXIO)
				break;
			if (data > (off_t)(begin + pos))
				pos = (data - begin) / STRIPE_CHUNK * STRIPE_CHUNK;
		}
	}
	return NULL;
}

static const char *stripe_digest_stream(int fd, int direct, off_t begin, uint64_t length,
					EVP_MD_CTX *ctx, uint8_t *buf, const volatile bool *stop)
{
	uint64_t pos = 0;

	posix_fadvise(fd, begin, length, POSIX_FADV_SEQUENTIAL);
	while (pos < length) {
		size_t len = length - pos < STRIPE_BUFFER ? length - pos : STRIPE_BUFFER;
		int ret = direct_pread(direct, fd, buf, len, begin + pos);

		if (ret)
			return ret == -ENODATA ? "is changing while it is read" : strerror(-ret);
		if (stop && *stop)
			return "was not checked to its end: interrupted";
		EVP_DigestUpdate(ctx, buf, len);
		pos += len;
	}
	return NULL;
}

const char *stripe_digest_payload(int fd, int direct, off_t base, const struct stripe_info *info,
				  const volatile bool *stop, uint8_t *digest)
{
	const char *wrong = "cannot be checked: out of memory";
	off_t begin = base + STRIPE_HEADER_SIZE;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t *buf = aligned_alloc(DIRECT_ALIGN, STRIPE_BUFFER);

	if (buf && ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL)) {
		wrong = info->kind == STRIPE_DISK ?
			stripe_digest_disk(fd, direct, begin, info->length, ctx, buf, stop) :
			stripe_digest_stream(fd, direct, begin, info->length, ctx, buf, stop);
		if (!wrong)
			EVP_DigestFinal_ex(ctx, digest, NULL);
	}
	free(buf);
	EVP_MD_CTX_free(ctx);
	return wrong;
}

const char *stripe_verify(int fd, int direct, off_t base, const struct stripe_info *info,
			  const volatile bool *stop)
{
	uint8_t digest[STRIPE_DIGEST_SIZE];
	const char *wrong = stripe_digest_payload(fd, direct, base, info, stop, digest);

	if (wrong)
		return wrong;
	return memcmp(digest, info->payload_digest, sizeof(digest)) ?
	       "is damaged (the checksum of its data does not match)" : NULL;
}
