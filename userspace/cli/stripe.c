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

#include "stripe.h"

/* As in PNG: a byte above 127, CR LF and ^Z show what a text transfer did. */
static const uint8_t stripe_header_magic[8] = "\x89VDS\r\n\x1a\n";
static const uint8_t stripe_trailer_magic[8] = "\x89VDE\r\n\x1a\n";

static void stripe_digest(const void *data, size_t len, uint8_t *out)
{
	SHA256(data, len, out);
}

static int stripe_pwrite(int fd, const void *buf, size_t len, off_t pos)
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

static int stripe_pread(int fd, void *buf, size_t len, off_t pos)
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

int stripe_write_header(int fd, const struct stripe_info *info)
{
	struct stripe_header header = {
		.version = htole32(STRIPE_VERSION),
		.header_size = htole32(STRIPE_HEADER_SIZE),
		.index = htole32(info->index),
		.count = htole32(info->count),
		.block_size = htole32(info->block_size),
		.created_ns = htole64(info->created_ns),
	};

	memcpy(header.magic, stripe_header_magic, sizeof(header.magic));
	memcpy(header.backup_id, info->backup_id, sizeof(header.backup_id));
	memcpy(header.device, info->device, strnlen(info->device, sizeof(header.device) - 1));
	stripe_digest(&header, offsetof(struct stripe_header, digest), header.digest);
	return stripe_pwrite(fd, &header, sizeof(header), 0);
}

int stripe_write_trailer(int fd, const struct stripe_info *info)
{
	struct stripe_trailer trailer = {
		.index = htole32(info->index),
		.count = htole32(info->count),
		.length = htole64(info->length),
	};

	memcpy(trailer.magic, stripe_trailer_magic, sizeof(trailer.magic));
	memcpy(trailer.backup_id, info->backup_id, sizeof(trailer.backup_id));
	memcpy(trailer.payload_digest, info->payload_digest, sizeof(trailer.payload_digest));
	stripe_digest(&trailer, offsetof(struct stripe_trailer, digest), trailer.digest);
	return stripe_pwrite(fd, &trailer, sizeof(trailer), STRIPE_HEADER_SIZE + info->length);
}

static bool stripe_zero(const uint8_t *p, size_t len)
{
	while (len--)
		if (*p++)
			return false;
	return true;
}

static const char *stripe_check_header(const struct stripe_header *header, struct stripe_info *info)
{
	uint8_t digest[STRIPE_DIGEST_SIZE];

	if (memcmp(header->magic, stripe_header_magic, sizeof(header->magic)))
		return "is not a VDI stripe (its magic is wrong)";
	if (le32toh(header->version) != STRIPE_VERSION)
		return "has a format version that this vdi does not know; use a newer vdi";
	stripe_digest(header, offsetof(struct stripe_header, digest), digest);
	if (memcmp(header->digest, digest, sizeof(digest)))
		return "is damaged (the checksum of its header does not match)";
	if (le32toh(header->header_size) != STRIPE_HEADER_SIZE || header->flags ||
	    !stripe_zero(header->zero, sizeof(header->zero)))
		return "uses features that this vdi does not know; use a newer vdi";

	memcpy(info->backup_id, header->backup_id, sizeof(info->backup_id));
	info->index = le32toh(header->index);
	info->count = le32toh(header->count);
	info->block_size = le32toh(header->block_size);
	info->created_ns = le64toh(header->created_ns);
	memcpy(info->device, header->device, sizeof(info->device));
	if (info->count < 1 || info->count > VDI_MAX_DEVICES || info->index >= info->count)
		return "is malformed (its number is not one of its backup's stripes)";
	if (!info->device[0] || info->device[STRIPE_NAME_SIZE - 1])
		return "is malformed (the name of its device)";
	return NULL;
}

static const char *stripe_check_trailer(const struct stripe_trailer *trailer, uint64_t payload,
					struct stripe_info *info)
{
	uint8_t digest[STRIPE_DIGEST_SIZE];

	if (memcmp(trailer->magic, stripe_trailer_magic, sizeof(trailer->magic)))
		return "is truncated or was never finished (it has no trailer)";
	stripe_digest(trailer, offsetof(struct stripe_trailer, digest), digest);
	if (memcmp(trailer->digest, digest, sizeof(digest)))
		return "is damaged (the checksum of its trailer does not match)";
	if (memcmp(trailer->backup_id, info->backup_id, sizeof(info->backup_id)) ||
	    le32toh(trailer->index) != info->index || le32toh(trailer->count) != info->count)
		return "is damaged (its trailer is that of another stripe)";
	if (le64toh(trailer->length) != payload)
		return "is damaged (it is not as long as its trailer says)";
	info->length = payload;
	memcpy(info->payload_digest, trailer->payload_digest, sizeof(info->payload_digest));
	return NULL;
}

const char *stripe_read(int fd, struct stripe_info *info)
{
	struct stripe_trailer trailer;
	struct stripe_header header;
	const char *wrong;
	struct stat st;
	int ret;

	if (fstat(fd, &st))
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a regular file";
	ret = stripe_pread(fd, &header, sizeof(header), 0);
	if (ret == -ENODATA)
		return "is not a VDI stripe, or is truncated (it is too short)";
	if (ret)
		return strerror(-ret);
	wrong = stripe_check_header(&header, info);
	if (wrong)
		return wrong;
	if (st.st_size < (off_t)(sizeof(header) + sizeof(trailer)))
		return "is truncated or was never finished (it has no trailer)";
	ret = stripe_pread(fd, &trailer, sizeof(trailer), st.st_size - sizeof(trailer));
	if (ret)
		return ret == -ENODATA ? "is changing while it is read" : strerror(-ret);
	return stripe_check_trailer(&trailer, st.st_size - sizeof(header) - sizeof(trailer), info);
}

const char *stripe_verify(int fd, const struct stripe_info *info, const volatile bool *stop)
{
	const size_t chunk = 1 << 20;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t digest[STRIPE_DIGEST_SIZE];
	uint64_t pos = 0;
	const char *wrong = "cannot be checked: out of memory";
	void *buf = malloc(chunk);

	if (!buf || !ctx || !EVP_DigestInit_ex(ctx, EVP_sha256(), NULL))
		goto out_free;
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	while (pos < info->length) {
		size_t len = info->length - pos < chunk ? info->length - pos : chunk;
		int ret = stripe_pread(fd, buf, len, STRIPE_HEADER_SIZE + pos);

		wrong = ret == -ENODATA ? "is changing while it is read" : strerror(-ret);
		if (ret)
			goto out_free;
		wrong = "was not checked to its end: interrupted";
		if (*stop)
			goto out_free;
		EVP_DigestUpdate(ctx, buf, len);
		pos += len;
	}
	EVP_DigestFinal_ex(ctx, digest, NULL);
	wrong = memcmp(digest, info->payload_digest, sizeof(digest)) ?
		"is damaged (the checksum of its data does not match)" : NULL;
out_free:
	free(buf);
	EVP_MD_CTX_free(ctx);
	return wrong;
}
