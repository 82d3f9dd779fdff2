// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Carries out a batch.  Owns the server's side of one statement from its first
 * check to its last message; the data is moved by the engine, and how a failure
 * is worded is failure.c's.
 *
 * Whatever goes wrong once a statement has named a set, the client that waits
 * with it is told: by an abort with the cause, or as the engine ends a set.
 * What may take long, opening and locking the database, is done before the set
 * is opened, since a client may have little patience between two commands.
 */
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../cli/report.h"
#include "../cli/watch.h"
#include "../engines/engine.h"
#include "database.h"
#include "failure.h"
#include "run.h"
#include "statement.h"

#define RUN_TRANSFER	65536	/* without MAXTRANSFERSIZE */
#define RUN_BLOCK	512	/* without BLOCKSIZE */
#define RUN_DEPTH	4	/* buffers a device without BUFFERCOUNT */

struct run {
	const struct statement *statement;
	struct engine_job job;
	const struct engine_task *task;
	struct stream_fault fault;
	struct timespec start;
	unsigned int next_percent;
};

static struct run_options run_how;

static pthread_mutex_t run_lock = PTHREAD_MUTEX_INITIALIZER;
static struct run *run_current;		/* (protected by @run_lock) */

void run_setup(const struct run_options *options)
{
	run_how = *options;
}

static double run_seconds(const struct run *run)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec - run->start.tv_sec + (now.tv_nsec - run->start.tv_nsec) / 1e9;
}

bool run_interrupt(const char *why)
{
	bool there;

	pthread_mutex_lock(&run_lock);
	there = run_current && run_current->job.set;
	if (there) {
		report_fail(0, "%s", why);
		stream_abort(run_current->job.set, "%s", why);
	}
	pthread_mutex_unlock(&run_lock);
	return there;
}

void run_check_time(void)
{
	bool late;

	pthread_mutex_lock(&run_lock);
	late = run_how.timeout_ms && run_current &&
	       run_seconds(run_current) * 1000 > run_how.timeout_ms;
	pthread_mutex_unlock(&run_lock);
	if (late)
		run_interrupt("the query timeout has passed");
}

static void run_set_current(struct run *run)
{
	pthread_mutex_lock(&run_lock);
	run_current = run;
	pthread_mutex_unlock(&run_lock);
}

/* One line each time that another STATS percent are done; the last 100 is later. */
static void run_progress(void *ctx, uint64_t done, uint64_t total)
{
	struct run *run = ctx;
	unsigned int stats = run->statement->stats, percent;

	if (!stats || !total)
		return;
	percent = done * 100.0 / total;
	if (percent < run->next_percent || percent >= 100)
		return;
	message_info("%u percent processed.", percent);
	run->next_percent = (percent / stats + 1) * stats;
}

static void run_fill(struct run *run, const struct statement *statement, const char *path)
{
	bool read = statement->kind != STATEMENT_BACKUP;

	*run = (struct run) {
		.statement = statement,
		.task = read ? &sqlite_restore_task : &sqlite_backup_task,
		.next_percent = statement->stats,
		.job = {
			.path = path,
			.force = statement->replace,
			.verify = ENGINE_VERIFY_QUICK,
			.check_only = statement->kind == STATEMENT_VERIFY,
			.close_early = true,
			.progress = run_progress,
			.progress_ctx = run,
			.stream = {
				.name = statement->devices[0],
				.devices = (const char *const *)statement->devices,
				.count = statement->count,
				.soft = true,
				.rewind = read || statement->init,
				.file = statement->file,
				.media = read,
				.depth = RUN_DEPTH,
				.buffers = statement->buffers,
				.transfer_size = statement->transfer_size ?: RUN_TRANSFER,
				.block_size = statement->block_size ?: RUN_BLOCK,
				.connect_timeout_ms = run_how.wait_ms,
				.fault = &run->fault,
			},
		},
	};
	clock_gettime(CLOCK_MONOTONIC, &run->start);
}

static void run_done(const struct run *run)
{
	const struct statement *statement = run->statement;
	const struct engine_job *job = &run->job;
	double seconds = run_seconds(run);

	if (statement->stats)
		message_info("100 percent processed.");
	if (statement->kind == STATEMENT_VERIFY) {
		message_info("The backup set on file %u is valid.", statement->file ?: 1);
		return;
	}
	if (seconds < 0.001)
		seconds = 0.001;
	message_info("Processed %llu pages for database '%s', file '%s' on file %u.",
		     (unsigned long long)job->pages, statement->name, statement->name,
		     statement->file ?: 1);
	message_info("%s successfully processed %llu pages in %.3f seconds (%.3f MB/sec).",
		     statement_verb(statement), (unsigned long long)job->pages, seconds,
		     job->bytes / 1048576.0 / seconds);
}

/* The client waits with the set that @statement names: tells it why in vain. */
static void run_refuse(const struct statement *statement, const char *text)
{
	const struct stream_options options = {
		.name = statement->count ? statement->devices[0] : "",
		.connect_timeout_ms = run_how.wait_ms,
	};

	if (statement->count && *options.name && !watch_interrupted())
		stream_refuse(&options, text);
}

static void run_transfer(const struct statement *statement, const char *path)
{
	struct run run;
	bool prepared;
	int ret;

	run_fill(&run, statement, path);
	failure_begin();
	run_set_current(&run);
	ret = run.task->prepare(&run.job);
	prepared = !ret;
	if (!ret)
		ret = run.task->run(&run.job);
	if (ret && run.job.set)
		stream_cancel(run.job.set, "%s", failure_text());
	run_set_current(NULL);
	run.task->release(&run.job);
	failure_end();
	if (!ret) {
		run_done(&run);
		return;
	}
	failure_tell(statement, &run.fault, ret);
	if (!prepared)
		run_refuse(statement, failure_text());
}

/* What can be said before anything is touched; @message->number 0: nothing */
static void run_check(const struct statement *statement, char path[PATH_MAX],
		      struct message *message)
{
	unsigned int line = statement->line;

	if (statement->problem.number) {
		*message = statement->problem;
	} else if (statement->kind == STATEMENT_VERIFY) {
		return;
	} else if (!database_path(statement->name, path) ||
		   (statement->kind == STATEMENT_BACKUP && !database_exists(statement->name))) {
		message_set(message, 911, 16, line,
			    "Database '%s' does not exist. Make sure that the name is entered correctly.",
			    statement->name);
	} else if (statement->log && statement->kind == STATEMENT_BACKUP) {
		message_set(message, 4208, 16, line,
			    "The statement BACKUP LOG is not allowed while the recovery model is SIMPLE, which it always is here: there is no log chain. Use BACKUP DATABASE.");
	} else if (statement->log) {
		message_set(message, 3117, 16, line,
			    "The log or differential backup cannot be restored because no files are ready to rollforward.");
	} else if (statement->kind == STATEMENT_RESTORE && !statement->replace &&
		   database_exists(statement->name)) {
		message_set(message, 3159, 16, line,
			    "The tail of the log for the database \"%s\" has not been backed up: the database exists. Use the WITH REPLACE clause of the RESTORE statement to overwrite it.",
			    statement->name);
	}
}

static void run_transfer_checked(const struct statement *statement)
{
	struct message message = { 0 };
	char path[PATH_MAX] = "";

	run_check(statement, path, &message);
	if (!message.number) {
		run_transfer(statement, path);
		return;
	}
	message_show(&message);
	message_error(3013, 16, statement->line, "%s is terminating abnormally.",
		      statement_verb(statement));
	run_refuse(statement, message.text);
}

static void run_use(const struct statement *statement)
{
	if (database_system(statement->name) || database_exists(statement->name))
		message_info("Changed database context to '%s'.", statement->name);
	else
		message_error(911, 16, statement->line,
			      "Database '%s' does not exist. Make sure that the name is entered correctly.",
			      statement->name);
}

static void run_statement(const struct statement *statement)
{
	switch (statement->kind) {
	case STATEMENT_USE:
		run_use(statement);
		break;
	case STATEMENT_PRINT:
		message_info("%s", statement->name);
		break;
	case STATEMENT_SET:
	case STATEMENT_REFUSE:
		break;
	default:
		run_transfer_checked(statement);
	}
}

void run_batch(const char *text, size_t len)
{
	const struct statement *statement;
	struct statement_list list;

	statement_parse(&list, text, len);
	if (list.error.number)
		message_show(&list.error);
	for (statement = list.first; statement && !watch_interrupted(); statement = statement->next)
		if (list.error.number)
			run_refuse(statement, list.error.text);
		else
			run_statement(statement);
	statement_free(&list);
}
