// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The SQLite engine, restore.  Owns the new database file from PATH.partial to
 * its name, and the check that the streams are all of one image and cover it.
 * PATH changes only when the file is whole, and then at once.
 */
#include <errno.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cli/cli.h"
#include "../cli/publish.h"
#include "../cli/report.h"
#include "engine.h"
#include "extent.h"
#include "sqlite_files.h"

#define SQLITE_MAX_FILE	(INT64_MAX / 2)

struct sqlite_part {
	struct engine_job *job;
	unsigned int index;
	int fd;
	struct extent_reader reader;
	pthread_t tid;
	bool started;
	int code;
};

struct sqlite_restore {
	struct publish publish;
	bool claimed;
	struct sqlite_part *parts;
	unsigned int count;
	pthread_mutex_t lock;		/* of the progress */
	atomic_flag decided;		/* it gets its name, or is given up */
};

static int sqlite_restore_prepare(struct engine_job *job)
{
	struct sqlite_restore *restore = calloc(1, sizeof(*restore));
	int ret;

	if (!restore)
		return report_fail(EXIT_FAILED, "out of memory");
	job->private = restore;
	pthread_mutex_init(&restore->lock, NULL);
	if (job->check_only)
		return 0;
	ret = sqlite_files_check(job->path, job->force);
	if (ret)
		return ret;
	restore->claimed = true;
	return publish_open(&restore->publish, job->path, false, job->force, 0666);
}

static void sqlite_part_progress(const struct sqlite_part *part, size_t len)
{
	struct engine_job *job = part->job;
	struct sqlite_restore *restore = job->private;

	pthread_mutex_lock(&restore->lock);
	job->bytes += len;
	if (job->progress)
		job->progress(job->progress_ctx, job->bytes, part->reader.header.image_size);
	pthread_mutex_unlock(&restore->lock);
}

static int sqlite_part_data(void *ctx, uint64_t offset, const void *data, size_t len)
{
	const struct sqlite_part *part = ctx;
	const char *p = data;

	sqlite_part_progress(part, len);
	if (part->job->check_only)
		return 0;

	while (len) {
		ssize_t ret = pwrite(part->fd, p, len, offset);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		p += ret;
		offset += ret;
		len -= ret;
	}
	return 0;
}

static int sqlite_part_wrong(struct sqlite_part *part, const char *wrong, int error)
{
	struct engine_job *job = part->job;

	if (error) {
		stream_abort(job->set, "the new database: %s", strerror(-error));
		return report_fail(EXIT_FAILED, "%s.partial: %s%s", job->path, strerror(-error),
				   error == -ENOSPC ? ": make room, or choose another place" : "");
	}
	stream_abort(job->set, "stream %u %s", part->index + 1, wrong);
	return report_fail(EXIT_MISMATCH,
			   "stream %u %s: nothing is restored", part->index + 1, wrong);
}

/* One stream, from its first byte to its last. */
static void *sqlite_part_run(void *arg)
{
	struct sqlite_part *part = arg;
	const struct extent_consumer consumer = {
		.ctx = part,
		.data = sqlite_part_data,
		.max_size = SQLITE_MAX_FILE,
	};
	const uint8_t *buf;
	size_t len;

	/* on media other things may follow the end: not ours, not even the end of the data */
	while (!(part->reader.have_end && part->job->stream.media)) {
		const char *wrong;
		int error;

		part->code = stream_read(part->job->set, part->index, &buf, &len);
		if (part->code || !len)
			break;
		wrong = extent_feed(&part->reader, &consumer, buf, len, &error);
		if (wrong) {
			part->code = sqlite_part_wrong(part, wrong, error);
			break;
		}
	}
	if (!part->code && !part->reader.have_end)
		part->code = sqlite_part_wrong(part, "is cut off", 0);
	return NULL;
}

/* NULL if the streams are those of one image, and all of it. */
static const char *sqlite_restore_check(const struct sqlite_restore *restore, unsigned int *bad)
{
	const struct extent_reader *first = &restore->parts[0].reader;
	uint64_t bytes = 0, extents = 0;
	unsigned int i;

	for (i = 0; i < restore->count; i++) {
		const struct extent_reader *reader = &restore->parts[i].reader;

		*bad = i;
		if (strcmp(reader->header.engine, "sqlite"))
			return "is that of another kind of database";
		if (memcmp(reader->header.id, first->header.id, EXTENT_ID_SIZE) ||
		    reader->header.count != restore->count)
			return "is foreign: it belongs to another backup than the others";
		if (reader->header.index != i)
			return "is on the wrong device";
		if (reader->record.offset != first->record.offset ||
		    reader->record.sequence != first->record.sequence)
			return "does not agree with the others about the end";
		bytes += reader->bytes;
		extents += reader->extents;
	}
	*bad = 0;
	if (bytes != first->record.offset || extents != first->record.sequence || !bytes)
		return "and the others do not cover the whole database";
	return NULL;
}

/* Who has aborted the set does not wait for the end of the check. */
static int sqlite_restore_unwanted(void *ctx)
{
	const struct engine_job *job = ctx;

	return !job->close_early && stream_dead(job->set);
}

/* As SQLite itself sees it; immutable: without a -wal or -shm beside it. */
static int sqlite_restore_verify(const struct engine_job *job, const char *path)
{
	const char *sql = job->verify == ENGINE_VERIFY_FULL ? "PRAGMA integrity_check(1)" :
			  "PRAGMA quick_check(1)";
	sqlite3_stmt *stmt = NULL;
	const char *answer = NULL;
	char *uri = NULL;
	sqlite3 *db = NULL;
	int ret = 0;

	if (job->verify == ENGINE_VERIFY_NONE)
		return 0;
	uri = sqlite_files_uri(path, "immutable=1");
	if (uri && !sqlite3_open_v2(uri, &db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL)) {
		sqlite3_progress_handler(db, 10000, sqlite_restore_unwanted, (void *)job);
		if (!sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) &&
		    sqlite3_step(stmt) == SQLITE_ROW)
			answer = (const char *)sqlite3_column_text(stmt, 0);
	}
	if (db && sqlite3_errcode(db) == SQLITE_INTERRUPT)
		ret = stream_alive(job->set);
	else if (!answer || strcmp(answer, "ok"))
		ret = report_fail(EXIT_MISMATCH, "%s: the restored database is damaged: %s", path,
				  answer ? answer : db ? sqlite3_errmsg(db) : "out of memory");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	free(uri);
	return ret;
}

/*
 * The last moment to leave all as it was: whoever has cancelled the restore finds
 * the old database, and nobody has opened that meanwhile.
 */
static int sqlite_restore_decide(struct engine_job *job, struct sqlite_restore *restore)
{
	int ret = job->force ? sqlite_files_in_use(job->path) : 0;

	if (!ret && atomic_flag_test_and_set(&restore->decided))
		ret = EXIT_PEER;
	if (!ret && !job->close_early)
		ret = stream_alive(job->set);
	return ret ? ret : sqlite_files_aside(job->path);
}

/* The file is whole: makes it durable, gives it its name. */
static int sqlite_restore_publish(struct engine_job *job, struct sqlite_restore *restore)
{
	uint64_t size = restore->parts[0].reader.record.offset;
	struct stat st;
	int ret;

	if (fstat(restore->publish.file_fd, &st) || (uint64_t)st.st_size != size)
		return report_fail(EXIT_MISMATCH, "%s: has %lld bytes instead of %" PRIu64,
				   restore->publish.partial, (long long)st.st_size, size);
	ret = sqlite_restore_verify(job, restore->publish.partial);
	if (ret)
		return ret;
	if (fsync(restore->publish.file_fd))
		return report_fail(EXIT_FAILED,
				   "%s: %s", restore->publish.partial, strerror(errno));
	ret = sqlite_restore_decide(job, restore);
	if (ret)
		return ret;
	ret = publish_commit(&restore->publish);
	if (ret) {
		sqlite_files_back(job->path);
		return report_fail(EXIT_FAILED, "%s: %s", job->path, ret == -ESTALE ?
				   "somebody has moved, removed or replaced its .partial" :
				   strerror(-ret));
	}
	restore->claimed = false;
	sqlite_files_drop(job->path);
	publish_settle(&restore->publish);
	return 0;
}

/* For people: how many pages there are, of the size that the database's header says */
static void sqlite_restore_count(struct engine_job *job, const struct sqlite_restore *restore)
{
	uint8_t be[2];
	uint32_t size;

	if (pread(restore->publish.file_fd, be, sizeof(be), 16) != sizeof(be))
		return;
	size = be[0] << 8 | be[1];
	if (size)
		job->pages = job->bytes / (size == 1 ? 65536 : size);
}

static int sqlite_restore_streams(struct engine_job *job, struct sqlite_restore *restore)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < restore->count; i++) {
		struct sqlite_part *part = &restore->parts[i];

		part->job = job;
		part->index = i;
		part->fd = job->check_only ? -1 : restore->publish.file_fd;
		if (extent_reader_init(&part->reader))
			return report_fail(EXIT_FAILED, "out of memory");
	}
	for (i = 0; i < restore->count; i++) {
		struct sqlite_part *part = &restore->parts[i];

		part->started = !pthread_create(&part->tid, NULL, sqlite_part_run, part);
		if (part->started)
			continue;
		stream_abort(job->set, "no memory for a thread");
		ret = report_fail(EXIT_FAILED, "no memory for a thread");
		break;
	}
	for (i = 0; i < restore->count; i++) {
		struct sqlite_part *part = &restore->parts[i];

		if (part->started)
			pthread_join(part->tid, NULL);
		if (!ret)
			ret = part->code;
	}
	return ret;
}

static int sqlite_restore_run(struct engine_job *job)
{
	struct sqlite_restore *restore = job->private;
	uint8_t digest[STREAM_DIGEST_SIZE];
	struct stream_set *set;
	const char *wrong;
	unsigned int i, bad;
	int ret;

	job->stream.read = true;
	ret = stream_open(&set, &job->stream);
	if (ret)
		return ret;
	job->set = set;
	restore->count = stream_count(set);
	restore->parts = calloc(restore->count, sizeof(*restore->parts));
	if (!restore->parts)
		return report_fail(EXIT_FAILED, "out of memory");
	ret = sqlite_restore_streams(job, restore);
	for (i = 0; !ret && i < restore->count; i++) {
		extent_reader_digest(&restore->parts[i].reader, digest);
		engine_digest_line(job, i, digest, restore->parts[i].reader.total);
	}
	if (ret)
		return ret;
	wrong = sqlite_restore_check(restore, &bad);
	if (wrong)
		return sqlite_part_wrong(&restore->parts[bad], wrong, 0);
	if (job->check_only)
		return stream_done(set);
	sqlite_restore_count(job, restore);
	ret = job->close_early ? stream_done(set) : 0;
	if (!ret)
		ret = sqlite_restore_publish(job, restore);
	if (ret) {
		stream_abort(set, "the new database could not be made");
		return ret;
	}
	/* it is in its place, whatever the other side has come to meanwhile */
	if (!job->close_early && stream_done(set))
		report_info("%s is restored nevertheless", job->path);
	return 0;
}

static bool sqlite_restore_give_up(struct engine_job *job)
{
	struct sqlite_restore *restore = job->private;

	if (atomic_flag_test_and_set(&restore->decided))
		return false;
	if (restore->claimed)
		publish_discard(&restore->publish);
	return true;
}

static void sqlite_restore_release(struct engine_job *job)
{
	struct sqlite_restore *restore = job->private;
	unsigned int i;

	if (job->set)
		stream_close(job->set);
	if (!restore)
		return;
	for (i = 0; restore->parts && i < restore->count; i++)
		extent_reader_free(&restore->parts[i].reader);
	free(restore->parts);
	pthread_mutex_destroy(&restore->lock);
	if (restore->claimed)
		publish_discard(&restore->publish);
	if (restore->publish.path)
		publish_free(&restore->publish);
	free(restore);
}

const struct engine_task sqlite_restore_task = {
	.prepare = sqlite_restore_prepare,
	.run = sqlite_restore_run,
	.release = sqlite_restore_release,
	.give_up = sqlite_restore_give_up,
};
