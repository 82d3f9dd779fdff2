/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The stripe file: what one virtual device wrote, between a header and a
 * trailer.  One of removable media holds one such image for each medium, one
 * behind the other, or is one of several files that hold one medium each.
 */
#ifndef VDI_STRIPE_H
#define VDI_STRIPE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STRIPE_VERSION		1	/* one pipe-like medium, and that is all */
#define STRIPE_VERSION_MEDIA	2	/* any kind of device and its media */
#define STRIPE_ID_SIZE		16
#define STRIPE_DIGEST_SIZE	32
#define STRIPE_NAME_SIZE	256
#define STRIPE_HEADER_SIZE	4096	/* so the payload begins on a page */
#define STRIPE_TRAILER_SIZE	128
#define STRIPE_BREAK_SIZE	16
#define STRIPE_CHUNK		65536	/* of a disk's digest */

enum stripe_kind { STRIPE_PIPE, STRIPE_TAPE, STRIPE_DISK };

#define STRIPE_F_REMOVABLE	0x1	/* header: there may be more media */
#define STRIPE_F_MORE		0x1	/* trailer: the next medium belongs to it */

/* On disk, little-endian, at offset 0 of the file */
struct stripe_header {
	uint8_t magic[8];		/* STRIPE_HEADER_MAGIC */
	uint32_t version;		/* STRIPE_VERSION* */
	uint32_t header_size;		/* STRIPE_HEADER_SIZE: where the payload begins */
	uint8_t backup_id[STRIPE_ID_SIZE];	/* the same in all stripes of a backup */
	uint32_t index;			/* 0 .. count - 1 */
	uint32_t count;
	uint32_t block_size;		/* of the device */
	uint32_t flags;			/* STRIPE_F_REMOVABLE; 0 in version 1 */
	uint64_t created_ns;		/* CLOCK_REALTIME */
	char device[STRIPE_NAME_SIZE];	/* name of the device, NUL-padded */
	uint32_t kind;			/* enum stripe_kind; 0 in version 1 */
	uint32_t medium;		/* number of the medium, from 0; 0 in version 1 */
	uint8_t zero[STRIPE_HEADER_SIZE - 64 - STRIPE_NAME_SIZE - STRIPE_DIGEST_SIZE];
	uint8_t digest[STRIPE_DIGEST_SIZE];	/* SHA-256 of all before it */
};

/* On disk, little-endian, the last bytes of the file */
struct stripe_trailer {
	uint8_t magic[8];		/* STRIPE_TRAILER_MAGIC */
	uint32_t index;
	uint32_t count;
	uint8_t backup_id[STRIPE_ID_SIZE];
	uint64_t length;		/* bytes of payload, with the table of a tape */
	uint8_t payload_digest[STRIPE_DIGEST_SIZE];	/* see stripe_digest_payload() */
	uint32_t medium;
	uint32_t flags;			/* STRIPE_F_MORE */
	uint64_t breaks;		/* entries in the table at the end of a tape's payload */
	uint8_t zero[8];
	uint8_t digest[STRIPE_DIGEST_SIZE];	/* SHA-256 of all before it */
};

/*
 * On disk, little-endian: where the blocks of a tape do not simply follow each
 * other.  Filemarks and blocks that are shorter than the block size.
 */
struct stripe_break {
	uint64_t address;		/* blocks, filemarks and short blocks before it */
	uint32_t bytes;			/* of a short block; 0 is a filemark */
	uint32_t zero;
};

_Static_assert(sizeof(struct stripe_break) == STRIPE_BREAK_SIZE, "layout on disk");
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
	enum stripe_kind kind;
	bool removable;
	uint32_t medium;
	bool more;
	uint64_t length;
	uint64_t breaks;
	uint8_t payload_digest[STRIPE_DIGEST_SIZE];
};

/* Whole transfers at a place in a file: 0 or -errno; -ENODATA at its end. */
int stripe_pwrite(int fd, const void *buf, size_t len, off_t pos);
int stripe_pread(int fd, void *buf, size_t len, off_t pos);

/* Of the image that begins at @base: 0 or -errno */
int stripe_write_header(int fd, off_t base, const struct stripe_info *info);
int stripe_write_trailer(int fd, off_t base, const struct stripe_info *info);
/* The last trailer of a file that may have none goes: 0 or -errno */
int stripe_cut(int fd);

/*
 * Reads and checks header, trailer and length of the image that ends at @end,
 * which begins at *@base.  NULL if they are in order, else what is wrong, as
 * the end of a sentence about the file.
 */
const char *stripe_read(int fd, off_t end, off_t *base, struct stripe_info *info);

/*
 * SHA-256 of the payload; of a disk's: of its chunks of 64 KiB that are not all
 * zero, each with its offset (8 bytes) in front.  @direct: see direct.h.  NULL or what
 * is wrong; *@stop (may be NULL) becoming true ends it early, with an answer.
 */
const char *stripe_digest_payload(int fd, int direct, off_t base, const struct stripe_info *info,
				  const volatile bool *stop, uint8_t *digest);

/* Reads the whole payload and compares its digest; the same answer. */
const char *stripe_verify(int fd, int direct, off_t base, const struct stripe_info *info,
			  const volatile bool *stop);

#endif /* VDI_STRIPE_H */
