/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What an engine does: the server's side of a backup or a restore, for one
 * kind of database.
 */
#ifndef VDI_ENGINE_H
#define VDI_ENGINE_H

#include <stdbool.h>

#include "stream.h"

struct digests;

enum engine_verify { ENGINE_VERIFY_NONE, ENGINE_VERIFY_QUICK, ENGINE_VERIFY_FULL };

struct engine_job {
	const char *path;		/* of the database */
	struct stream_options stream;
	struct digests *digests;	/* where SHA-256 of each stream is listed; NULL: nowhere */
	bool force;			/* restore: replace what is there */
	enum engine_verify verify;	/* restore: check the database as well */
	bool check_only;		/* restore: read and check, write nothing; no @path */
	/*
	 * restore: the devices are closed as soon as all is read and checked, not
	 * when the database is in its place: a client may not have the patience
	 */
	bool close_early;
	/* from whatever thread, one at a time; @total is 0 if it is not known; may be NULL */
	void (*progress)(void *ctx, uint64_t done, uint64_t total);
	void *progress_ctx;
	uint64_t bytes;			/* out: of the database */
	uint64_t pages;			/* out: the same in its own unit */
	struct stream_set *set;		/* once it is open, for aborts from other threads */
	void *private;			/* the engine's, from prepare() to release() */
};

/* One direction of one engine; the functions are called in this order. */
struct engine_task {
	/*
	 * Before a set exists, so that nobody waits in vain: is the job possible?
	 * 0, or an exit code after a line on stderr.
	 */
	int (*prepare)(struct engine_job *job);
	/* The same, with a set of the name in @job->stream that waits for a server. */
	int (*run)(struct engine_job *job);
	/* Always, also after a failure of the others. */
	void (*release)(struct engine_job *job);
	/*
	 * Instead, from another thread, when the set is aborted and run() hangs: the
	 * process ends then.  False if run() can't be left any more.  May be NULL.
	 */
	bool (*give_up)(struct engine_job *job);
};

struct engine {
	const char *scheme;		/* "sqlite" in sqlite:PATH */
	const struct engine_task *backup;
	const struct engine_task *restore;
};

extern const struct engine_task sqlite_backup_task;
extern const struct engine_task sqlite_restore_task;

/* The engine of "sqlite:PATH", and where PATH begins; NULL after a line on stderr. */
const struct engine *engine_find(const char *spec, const char **path);

/* Of each stream, before the other side is told that it is whole; for @job->digests. */
void engine_digest_line(const struct engine_job *job, unsigned int index, const uint8_t *digest,
			uint64_t bytes);

#endif /* VDI_ENGINE_H */
