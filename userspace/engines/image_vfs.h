/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * An SQLite VFS whose only file is write-once: pages that SQLite writes go to
 * a sink and are forgotten.  The destination of an online backup.
 */
#ifndef VDI_IMAGE_VFS_H
#define VDI_IMAGE_VFS_H

#include <stddef.h>
#include <stdint.h>

#define IMAGE_VFS_NAME	"vdi-image"

struct image_vfs {
	void *ctx;
	int (*write)(void *ctx, uint64_t offset, const void *data, size_t len);
	int error;			/* what write() gave, kept */
	const char *refused;		/* what SQLite did that the file can't do */
	uint64_t size;			/* bytes up to the last page that was written */
	uint64_t next;			/* where the next page must go */
	uint32_t page_size;		/* known with the first write */
	unsigned char first[65536];	/* page 1, kept back until the end */
};

/* One at a time in a process: registers it for the next sqlite3_open_v2(). */
int image_vfs_register(struct image_vfs *image);
void image_vfs_unregister(void);

/* After the backup: writes page 1.  0, or what write() gave; see @refused. */
int image_vfs_finish(struct image_vfs *image);

#endif /* VDI_IMAGE_VFS_H */
