// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The write-once VFS.  Owns the proof that a backup through it is complete:
 * every page comes once, in ascending order, but for page 1, which SQLite
 * changes to the very end and which is kept here until then.  Anything else
 * that SQLite may do one day (an older page again, a read of what has gone) is
 * refused and fails the backup; it never makes a wrong image.
 *
 * The order follows from how the pager works: with journal_mode=OFF it writes
 * dirty pages when its cache of fixed size is full, oldest first, and the rest
 * at the end, sorted; the backup API makes them dirty in ascending order and
 * never looks back.  Knows nothing of streams and devices.
 */
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "image_vfs.h"

/* No page is kept where SQLite puts its lock bytes. */
#define IMAGE_LOCK_BYTE		0x40000000ULL

struct image_file {
	sqlite3_file base;
	struct image_vfs *image;
};

static struct image_vfs *image_current;
static sqlite3_vfs image_sqlite_vfs;

static int image_refuse(struct image_vfs *image, const char *what, int code)
{
	if (!image->refused)
		image->refused = what;
	return code;
}

static int image_close(sqlite3_file *file)
{
	(void)file;
	return SQLITE_OK;
}

/*
 * SQLite looks at the file when it opens it, while it is empty; page 1 is
 * still here.  It has no business with other pages.
 */
static int image_read(sqlite3_file *file, void *buf, int len, sqlite3_int64 offset)
{
	struct image_vfs *image = ((struct image_file *)file)->image;

	memset(buf, 0, len);
	if ((uint64_t)offset >= image->size)
		return SQLITE_IOERR_SHORT_READ;
	if (offset + len > (sqlite3_int64)image->page_size)
		return image_refuse(image, "read of a page that has gone", SQLITE_IOERR_READ);
	memcpy(buf, image->first + offset, len);
	return SQLITE_OK;
}

static int image_put(struct image_vfs *image, uint64_t offset, const void *data, size_t len)
{
	int ret = image->write(image->ctx, offset, data, len);

	if (ret && !image->error)
		image->error = ret;
	return ret ? SQLITE_IOERR_WRITE : SQLITE_OK;
}

/* The page with the lock bytes is not written by a backup: it is zeros. */
static int image_put_lock_page(struct image_vfs *image)
{
	static const unsigned char zeros[4096];
	uint32_t done, part;
	int ret = SQLITE_OK;

	for (done = 0; !ret && done < image->page_size; done += part) {
		part = image->page_size - done;
		if (part > sizeof(zeros))
			part = sizeof(zeros);
		ret = image_put(image, image->next + done, zeros, part);
	}
	image->next += image->page_size;
	return ret;
}

static int image_write(sqlite3_file *file, const void *data, int len, sqlite3_int64 offset)
{
	struct image_vfs *image = ((struct image_file *)file)->image;
	int ret;

	if (image->error)
		return SQLITE_IOERR_WRITE;
	if (!image->page_size) {
		if (len < 512 || len > (int)sizeof(image->first))
			return image_refuse(image, "write of no page", SQLITE_IOERR_WRITE);
		image->page_size = len;
		image->next = len;
	}
	if (len != (int)image->page_size)
		return image_refuse(image, "write of no page", SQLITE_IOERR_WRITE);
	if (image->size < (uint64_t)offset + len)
		image->size = offset + len;
	if (!offset) {
		memcpy(image->first, data, len);
		return SQLITE_OK;
	}
	if (image->next == IMAGE_LOCK_BYTE && (uint64_t)offset > IMAGE_LOCK_BYTE) {
		ret = image_put_lock_page(image);
		if (ret)
			return ret;
	}
	if ((uint64_t)offset != image->next)
		return image_refuse(image, "write of a page out of order", SQLITE_IOERR_WRITE);
	image->next += len;
	return image_put(image, offset, data, len);
}

static int image_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct image_vfs *image = ((struct image_file *)file)->image;

	if ((uint64_t)size != image->size)
		return image_refuse(image, "truncation", SQLITE_IOERR_TRUNCATE);
	return SQLITE_OK;
}

static int image_sync(sqlite3_file *file, int flags)
{
	(void)file;
	(void)flags;
	return SQLITE_OK;	/* what is durable is the other side's answer to Flush */
}

static int image_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	*size = ((struct image_file *)file)->image->size;
	return SQLITE_OK;
}

static int image_lock(sqlite3_file *file, int level)
{
	(void)file;
	(void)level;
	return SQLITE_OK;	/* nobody else can open this file */
}

static int image_check_reserved(sqlite3_file *file, int *out)
{
	(void)file;
	*out = 0;
	return SQLITE_OK;
}

static int image_control(sqlite3_file *file, int op, void *arg)
{
	(void)file;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

/* Not larger than the smallest page: the pager would write whole sectors. */
static int image_sector_size(sqlite3_file *file)
{
	(void)file;
	return 512;
}

static int image_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods image_methods = {
	.iVersion = 1,
	.xClose = image_close,
	.xRead = image_read,
	.xWrite = image_write,
	.xTruncate = image_truncate,
	.xSync = image_sync,
	.xFileSize = image_file_size,
	.xLock = image_lock,
	.xUnlock = image_lock,
	.xCheckReservedLock = image_check_reserved,
	.xFileControl = image_control,
	.xSectorSize = image_sector_size,
	.xDeviceCharacteristics = image_characteristics,
};

static int image_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
		      int *out_flags)
{
	struct image_file *image_file = (struct image_file *)file;

	(void)vfs;
	(void)name;
	file->pMethods = NULL;
	if (!(flags & SQLITE_OPEN_MAIN_DB)) {
		image_refuse(image_current, "journal or temporary file", SQLITE_CANTOPEN);
		return SQLITE_CANTOPEN;
	}
	image_file->image = image_current;
	file->pMethods = &image_methods;
	if (out_flags)
		*out_flags = flags;
	return SQLITE_OK;
}

static int image_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
	(void)vfs;
	(void)name;
	(void)sync_dir;
	return SQLITE_OK;	/* there are no journals to delete */
}

static int image_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	(void)name;
	(void)flags;
	*out = 0;		/* no hot journal, no write-ahead log */
	return SQLITE_OK;
}

static int image_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	(void)vfs;
	snprintf(out, size, "%s", name);
	return SQLITE_OK;
}

int image_vfs_register(struct image_vfs *image)
{
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	if (!system)
		return SQLITE_ERROR;
	/* random numbers, time and sleep are the system's; files are ours */
	image_sqlite_vfs = *system;
	image_sqlite_vfs.szOsFile = sizeof(struct image_file);
	image_sqlite_vfs.pNext = NULL;
	image_sqlite_vfs.zName = IMAGE_VFS_NAME;
	image_sqlite_vfs.xOpen = image_open;
	image_sqlite_vfs.xDelete = image_delete;
	image_sqlite_vfs.xAccess = image_access;
	image_sqlite_vfs.xFullPathname = image_full_pathname;
	image_current = image;
	return sqlite3_vfs_register(&image_sqlite_vfs, 0);
}

void image_vfs_unregister(void)
{
	sqlite3_vfs_unregister(&image_sqlite_vfs);
	image_current = NULL;
}

int image_vfs_finish(struct image_vfs *image)
{
	if (image->error || image->refused || !image->page_size)
		return image->error;
	if (image->next != image->size) {
		image_refuse(image, "file with a hole", SQLITE_IOERR_WRITE);
		return 0;
	}
	return image_put(image, 0, image->first, image->page_size) ? image->error : 0;
}
