/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The stripe file: what one virtual device wrote, between a header and a
 * trailer.
 */
#ifndef VDI_STRIPE_H
#define VDI_STRIPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STRIPE_VERSION		1
#define STRIPE_ID_SIZE		16
#define STRIPE_DIGEST_SIZE	32
#define STRIPE_NAME_SIZE	256
#define STRIPE_HEADER_SIZE	4096	/* so the payload begins on a page */
#define STRIPE_TRAILER_SIZE	128

/* On disk, little-endian, at offset 0 of the file */
struct stripe_header {
	uint8_t magic[8];		/* STRIPE_HEADER_MAGIC */
	uint32_t version;		/* STRIPE_VERSION */
	uint32_t header_size;		/* STRIPE_HEADER_SIZE: where the payload begins */
	uint8_t backup_id[STRIPE_ID_SIZE];	/* the same in all stripes of a backup */
	uint32_t index;			/* 0 .. count - 1 */
	uint32_t count;
	uint32_t block_size;		/* of the device */
	uint32_t flags;			/* Must be 0 */
	uint64_t created_ns;		/* CLOCK_REALTIME */
	char device[STRIPE_NAME_SIZE];	/* name of the device, NUL-padded */
	uint8_t zero[STRIPE_HEADER_SIZE - 56 - STRIPE_NAME_SIZE - STRIPE_DIGEST_SIZE];
	uint8_t digest[STRIPE_DIGEST_SIZE];	/* SHA-256 of all before it */
};

/* On disk, little-endian, the last bytes of the file */
struct stripe_trailer {
	uint8_t magic[8];		/* STRIPE_TRAILER_MAGIC */
	uint32_t index;
	uint32_t count;
	uint8_t backup_id[STRIPE_ID_SIZE];
	uint64_t length;		/* bytes of payload */
	uint8_t payload_digest[STRIPE_DIGEST_SIZE];	/* SHA-256 of the payload */
	uint8_t zero[24];
	uint8_t digest[STRIPE_DIGEST_SIZE];	/* SHA-256 of all before it */
};

_Static_assert(sizeof(struct stripe_header) == STRIPE_HEADER_SIZE, "layout on disk");
_Static_assert(sizeof(struct stripe_trailer) == STRIPE_TRAILER_SIZE, "layout on disk");

/* What the header and the trailer say, in the machine's byte order */
struct stripe_info {
	uint8_t backup_id[STRIPE_ID_SIZE];
	uint32_t index;
	uint32_t count;
	uint32_t block_size;
	uint64_t created_ns;
	char device[STRIPE_NAME_SIZE];
	uint64_t length;
	uint8_t payload_digest[STRIPE_DIGEST_SIZE];
};

/* 0 or -errno */
int stripe_write_header(int fd, const struct stripe_info *info);
int stripe_write_trailer(int fd, const struct stripe_info *info);

/*
 * Reads and checks header, trailer and length.  NULL if they are in order,
 * else what is wrong, as the end of a sentence about the file.
 */
const char *stripe_read(int fd, struct stripe_info *info);

/*
 * Reads the whole payload and compares its digest; the same answer.  *@stop
 * becoming true ends it early, with an answer.
 */
const char *stripe_verify(int fd, const struct stripe_info *info, const volatile bool *stop);

#endif /* VDI_STRIPE_H */
