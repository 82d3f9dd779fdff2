// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The SQLite engine, backup.  Owns the read transaction that makes the image
 * of one moment, and the copy of its pages through the write-once VFS into
 * extent streams.
 *
 * The source is opened read-only and is never written, nor checkpointed.  The
 * transaction is held from prepare() to the end: in WAL mode writers go on,
 * and since the snapshot stays, the backup never starts again because of them.
 * In rollback mode writers wait for it, as for any reader.
 *
 * Memory: the caches of both connections have a fixed size; the pages
 * themselves go straight into the buffers of the set.
 */
#include <errno.h>
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "engine.h"
#include "extent.h"
#include "image_vfs.h"

#define SQLITE_BUSY_MS		30000
#define SQLITE_STEP_PAGES	512

struct sqlite_backup {
	struct engine_job *job;
	sqlite3 *source;
	sqlite3 *image_db;
	uint64_t pages;
	uint64_t page_size;
	struct image_vfs image;
	struct extent_sink sink;
	struct extent_writer writer;
};

static int sqlite_fail(const struct engine_job *job, sqlite3 *db, const char *what)
{
	const char *why = db ? sqlite3_errmsg(db) : "out of memory";
	int code = db ? sqlite3_errcode(db) : SQLITE_NOMEM;

	if (job->set)
		stream_cancel(job->set, "%s: %s", what, why);
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return report_fail(EXIT_EXISTS,
				   "%s: %s: %s: another program holds it; try again later",
				   job->path, what, why);
	return report_fail(EXIT_FAILED, "%s: %s: %s", job->path, what, why);
}

/* One number that a statement gives; false on any error. */
static bool sqlite_number(sqlite3 *db, const char *sql, uint64_t *out)
{
	sqlite3_stmt *stmt;
	bool ok;

	if (sqlite3_prepare_v2(db, sql, -1, &stmt, NULL))
		return false;
	ok = sqlite3_step(stmt) == SQLITE_ROW;
	if (ok)
		*out = sqlite3_column_int64(stmt, 0);
	return sqlite3_finalize(stmt) == SQLITE_OK && ok;
}

static int sqlite_open_source(struct engine_job *job, struct sqlite_backup *backup)
{
	char *name = NULL;
	uint64_t tables;
	int ret;

	/* never a URI: "file:x" is a file of that name here */
	if (asprintf(&name, "%s%s", job->path[0] == '/' ? "" : "./", job->path) < 0)
		return report_fail(EXIT_FAILED, "out of memory");
	ret = sqlite3_open_v2(name, &backup->source, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			      NULL);
	free(name);
	if (ret)
		return sqlite_fail(job, backup->source, "open");
	sqlite3_busy_timeout(backup->source, SQLITE_BUSY_MS);
	if (sqlite3_db_config(backup->source, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) ||
	    sqlite3_exec(backup->source, "PRAGMA cache_size=-2048; PRAGMA mmap_size=0; BEGIN",
			 NULL, NULL, NULL) ||
	    !sqlite_number(backup->source, "SELECT count(*) FROM sqlite_schema", &tables) ||
	    !sqlite_number(backup->source, "PRAGMA page_count", &backup->pages) ||
	    !sqlite_number(backup->source, "PRAGMA page_size", &backup->page_size))
		return sqlite_fail(job, backup->source, "read");
	return 0;
}

static int sqlite_reserve(void *ctx, unsigned int index, uint8_t **buf, size_t *room)
{
	return stream_reserve(ctx, index, buf, room);
}

static int sqlite_commit(void *ctx, unsigned int index, size_t len)
{
	return stream_commit(ctx, index, len);
}

static int sqlite_digest(void *ctx, unsigned int index, uint8_t *digest)
{
	return stream_digest(ctx, index, digest);
}

static int sqlite_page(void *ctx, uint64_t offset, const void *data, size_t len)
{
	struct sqlite_backup *backup = ctx;
	struct engine_job *job = backup->job;
	int ret = extent_write(&backup->writer, offset, data, len);

	job->bytes += len;
	if (!ret && job->progress)
		job->progress(job->progress_ctx, job->bytes, backup->pages * backup->page_size);
	return ret;
}

/*
 * A cache of a few pages that spills, so that the first page comes out as soon
 * as the copy begins (a client may have little patience), and nothing that would
 * make SQLite read back, write twice or keep a journal.
 */
static const char sqlite_image_setup[] =
	"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
	"PRAGMA cache_size=16; PRAGMA cache_spill=ON; PRAGMA temp_store=MEMORY";

static int sqlite_open_image(struct engine_job *job, struct sqlite_backup *backup)
{
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;

	backup->image.ctx = backup;
	backup->image.write = sqlite_page;
	if (image_vfs_register(&backup->image))
		return sqlite_fail(job, NULL, "register");
	if (sqlite3_open_v2("image", &backup->image_db, flags, IMAGE_VFS_NAME) ||
	    sqlite3_exec(backup->image_db, sqlite_image_setup, NULL, NULL, NULL))
		return sqlite_fail(job, backup->image_db, "open the image");
	return 0;
}

static int sqlite_backup_prepare(struct engine_job *job)
{
	struct sqlite_backup *backup;
	struct stat st;
	int ret;

	if (stat(job->path, &st))
		return report_fail(EXIT_FAILED, "%s: %s", job->path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return report_fail(EXIT_FAILED,
				   "%s: is not a file, so no SQLite database", job->path);
	backup = calloc(1, sizeof(*backup));
	if (!backup)
		return report_fail(EXIT_FAILED, "out of memory");
	backup->job = job;
	job->private = backup;
	ret = sqlite_open_source(job, backup);
	return ret ? ret : sqlite_open_image(job, backup);
}

/* The set has failed, SQLite has, or SQLite did what the image can't do. */
static int sqlite_copy_failed(struct engine_job *job, struct sqlite_backup *backup)
{
	if (backup->image.error)
		return backup->image.error;	/* told already */
	if (backup->image.refused) {
		stream_cancel(job->set, "SQLite: unexpected %s", backup->image.refused);
		return report_fail(EXIT_FAILED,
				   "%s: this SQLite (%s) does what no backup did before (%s): please report it",
				   job->path, sqlite3_libversion(), backup->image.refused);
	}
	return sqlite_fail(job, backup->image_db, "copy");
}

static int sqlite_copy(struct engine_job *job, struct sqlite_backup *backup)
{
	uint64_t size = backup->pages * backup->page_size;
	sqlite3_backup *copy;
	int ret;

	copy = sqlite3_backup_init(backup->image_db, "main", backup->source, "main");
	if (!copy)
		return sqlite_copy_failed(job, backup);
	do {
		ret = sqlite3_backup_step(copy, SQLITE_STEP_PAGES);
	} while (ret == SQLITE_OK);
	if (sqlite3_backup_finish(copy) || ret != SQLITE_DONE)
		return sqlite_copy_failed(job, backup);
	if (image_vfs_finish(&backup->image) || backup->image.refused)
		return sqlite_copy_failed(job, backup);
	/* the image is that of the moment when the transaction began, and whole */
	if (size && backup->image.size != size) {
		stream_cancel(job->set, "the image has the wrong size");
		return report_fail(EXIT_FAILED,
				   "%s: the image has %" PRIu64 " bytes instead of %" PRIu64,
				   job->path, backup->image.size, size);
	}
	return 0;
}

static int sqlite_backup_run(struct engine_job *job)
{
	struct sqlite_backup *backup = job->private;
	uint8_t digest[STREAM_DIGEST_SIZE];
	struct stream_set *set;
	unsigned int i;
	int ret;

	job->stream.digest = true;
	ret = stream_open(&set, &job->stream);
	if (ret)
		return ret;
	job->set = set;
	backup->sink = (struct extent_sink) {
		.ctx = set,
		.count = stream_count(set),
		.reserve = sqlite_reserve,
		.commit = sqlite_commit,
		.digest = sqlite_digest,
	};
	ret = stream_hint(set, backup->pages * backup->page_size);
	if (!ret)
		ret = extent_begin(&backup->writer, &backup->sink, "sqlite",
				   backup->pages * backup->page_size);
	if (!ret)
		ret = sqlite_copy(job, backup);
	if (!ret)
		ret = extent_finish(&backup->writer, backup->image.size, job->stream.block_size);
	job->pages = backup->page_size ? backup->image.size / backup->page_size : 0;
	for (i = 0; !ret && i < stream_count(set); i++) {
		ret = stream_send(set, i, digest);
		if (!ret)
			engine_digest_line(job, i, digest, stream_bytes(set, i));
	}
	return ret ? ret : stream_finish(set);
}

static void sqlite_backup_release(struct engine_job *job)
{
	struct sqlite_backup *backup = job->private;

	if (backup) {
		sqlite3_close(backup->image_db);
		if (backup->image.write)
			image_vfs_unregister();
		sqlite3_close(backup->source);
		free(backup);
	}
	if (job->set)
		stream_close(job->set);
}

const struct engine_task sqlite_backup_task = {
	.prepare = sqlite_backup_prepare,
	.run = sqlite_backup_run,
	.release = sqlite_backup_release,
};
