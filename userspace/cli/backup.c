// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi backup and vdi restore: both sides of a set in one command, each in a
 * process of its own.  Owns the options and who does what in which order.
 */
#include <stdio.h>
#include <string.h>

#include "../engines/digests.h"
#include "../engines/engine.h"
#include "cli.h"
#include "pair.h"
#include "recv.h"
#include "report.h"
#include "send.h"
#include "session.h"
#include "watch.h"

enum { BACKUP_NAME = SESSION_OWN, BACKUP_ENGINE_USER, BACKUP_CLIENT_USER, BACKUP_DIGESTS,
	BACKUP_VERIFY };

struct backup {
	bool restore;
	struct session session;
	char name[VDI_NAME_SIZE];
	const struct engine_task *task;
	struct engine_job job;
	const char *file;		/* the target or the source */
	const char *digests;
	struct pair pair;
	const struct pair_sync *sync;
};

/* In the engine's process */

static int backup_engine_work(void *ctx)
{
	struct backup *backup = ctx;
	int ret = backup->task->prepare(&backup->job);

	if (!ret)
		ret = pair_say(backup->sync);
	if (!ret)
		ret = pair_hear(backup->sync);
	return ret ? ret : backup->task->run(&backup->job);
}

static bool backup_engine_interrupt(void *ctx, const char *signal)
{
	struct backup *backup = ctx;

	report_fail(0, "interrupted by %s", signal);
	if (backup->job.set)
		stream_abort(backup->job.set, "the engine was interrupted by %s", signal);
	return backup->job.set;
}

static bool backup_engine_dead(void *ctx)
{
	struct backup *backup = ctx;

	return backup->job.set && stream_dead(backup->job.set);
}

/* The set is aborted, and the database or a file system does not let go of us. */
static int backup_engine_stuck(void *ctx)
{
	struct backup *backup = ctx;

	if (!backup->task->give_up || backup->task->give_up(&backup->job)) {
		report_fail(0, "%s: given up, it hangs", backup->job.path);
		return EXIT_PEER;
	}
	return report_fail(EXIT_FAILED,
			   "%s: is being put in its place, which hangs: look at it and at %s.old",
			   backup->job.path, backup->job.path);
}

static int backup_engine(void *ctx, const struct pair_sync *sync)
{
	struct backup *backup = ctx;
	const struct watch watch = {
		.ctx = backup,
		.work = backup_engine_work,
		.interrupt = backup_engine_interrupt,
		.dead = backup_engine_dead,
		.stuck = backup_engine_stuck,
	};
	int ret;

	backup->sync = sync;
	watch_block_signals();
	ret = watch_run(&watch);
	backup->task->release(&backup->job);
	return ret;
}

/* In the client's process */

static void backup_created(void *ctx)
{
	struct backup *backup = ctx;

	pair_say(backup->sync);		/* if it is gone the set will tell */
}

static int backup_client_hear(void *ctx)
{
	const struct backup *backup = ctx;

	return pair_hear(backup->sync);
}

static int backup_client(void *ctx, const struct pair_sync *sync)
{
	struct backup *backup = ctx;
	struct target_options target = {
		.path = backup->file,
		.count = backup->session.count,
		.force = backup->session.force,
		.direct = backup->session.direct,
	};
	/* interrupted it just leaves: nothing has begun */
	const struct watch hear = { .ctx = backup, .work = backup_client_hear };
	struct client_options client;
	struct source *source;
	int ret;

	backup->sync = sync;
	session_client(&backup->session, backup->name, &client);
	client.peer_fd = sync->hear;
	client.over_fd = sync->over;
	if (backup->pair.shared) {
		client.mode = 0660;
		client.gid = backup->pair.set_gid;
		client.have_gid = true;
	}
	watch_block_signals();
	ret = watch_run(&hear);
	if (ret)
		return ret;
	if (!backup->restore)
		return recv_run(&client, &target, backup_created, backup);
	ret = source_open(&source, backup->file, backup->session.direct);
	if (ret)
		return ret;
	client.count = source_count(source);
	ret = send_verify(source);
	if (!ret)
		ret = send_run(&client, source, backup_created, backup);
	source_close(source);
	return ret;
}

static const char backup_help[] =
"Usage: vdi backup [OPTION]... sqlite:PATH TARGET\n"
"Backs up a database, also while it is written to.\n"
"\n"
"TARGET is a file, or with -n a directory; it gets its name when the backup is\n"
"whole and durable, until then it is TARGET.partial.\n"
"\n"
"  -n, --stripes N         devices, 1..64 (1): so many files, written at once\n"
"  --force                 replace TARGET, at the moment the new one is whole\n"
SESSION_HELP_DIRECT
"  --name NAME             of the set (default: one that nobody else has)\n"
"  --digests FILE          list SHA-256 and length of each stream as it was sent\n"
"  --engine-user USER      as root: the engine's side runs as USER (UID[:GID])\n"
"  --client-user USER      as root: the side that writes TARGET runs as USER\n"
SESSION_HELP_SERVER
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

static const char restore_help[] =
"Usage: vdi restore [OPTION]... SOURCE sqlite:PATH\n"
"Restores a database into a new file, which gets its name when it is whole.\n"
"\n"
"SOURCE is a file or a directory that vdi backup wrote.  It is checked completely\n"
"before the first byte is restored.\n"
"\n"
"  --force                 replace PATH, at the moment the new one is whole\n"
SESSION_HELP_DIRECT
"  --verify KIND           check the new database as well: quick or full\n"
"  --name NAME             of the set (default: one that nobody else has)\n"
"  --digests FILE          list SHA-256 and length of each stream as it came\n"
"  --engine-user USER      as root: the side that writes PATH runs as USER (UID[:GID])\n"
"  --client-user USER      as root: the side that reads SOURCE runs as USER\n"
SESSION_HELP_SERVER
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

static int backup_own_option(struct backup *backup, int option, char **argv)
{
	switch (option) {
	case BACKUP_NAME:
		if (!optarg[0] || strlen(optarg) >= sizeof(backup->name))
			return report_fail(EXIT_USAGE, "--name: a name has 1..255 bytes");
		strcpy(backup->name, optarg);
		return -1;
	case BACKUP_ENGINE_USER:
		backup->pair.engine_user = optarg;
		return -1;
	case BACKUP_CLIENT_USER:
		backup->pair.client_user = optarg;
		return -1;
	case BACKUP_DIGESTS:
		backup->digests = optarg;
		return -1;
	case BACKUP_VERIFY:
		if (!strcmp(optarg, "quick"))
			backup->job.verify = ENGINE_VERIFY_QUICK;
		else if (!strcmp(optarg, "full"))
			backup->job.verify = ENGINE_VERIFY_FULL;
		else
			return report_fail(EXIT_USAGE,
					   "--verify %s: must be quick or full", optarg);
		return -1;
	}
	return session_option(&backup->session, option, argv,
			      backup->restore ? restore_help : backup_help);
}

static int backup_options(struct backup *backup, int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_PROGRESS, SESSION_LONG_SERVER,
		{ "force", no_argument, NULL, SESSION_FORCE },
		SESSION_LONG_DIRECT,
		{ "name", required_argument, NULL, BACKUP_NAME },
		{ "digests", required_argument, NULL, BACKUP_DIGESTS },
		{ "engine-user", required_argument, NULL, BACKUP_ENGINE_USER },
		{ "client-user", required_argument, NULL, BACKUP_CLIENT_USER },
		{ "stripes", required_argument, NULL, 'n' },
		{ "verify", required_argument, NULL, BACKUP_VERIFY },
		{ }
	};
	int option, ret;

	while ((option = getopt_long(argc, argv, SESSION_SHORT_COUNT, options, NULL)) != -1) {
		if (option == (backup->restore ? 'n' : BACKUP_VERIFY))
			return report_fail(EXIT_USAGE, "%s: unknown option %s: see vdi %s --help",
					   argv[0], backup->restore ? "-n" : "--verify", argv[0]);
		ret = backup_own_option(backup, option, argv);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 2, backup->restore ? "SOURCE and sqlite:PATH" :
				"sqlite:PATH and TARGET");
	return ret ? ret : -1;
}

static int backup_verb(int argc, char **argv, bool restore)
{
	struct backup backup = { .restore = restore };
	const struct engine *engine;
	int ret;

	session_init(&backup.session);
	backup.session.connect_timeout_ms = 60000;
	ret = backup_options(&backup, argc, argv);
	if (ret >= 0)
		return ret;
	engine = engine_find(argv[optind + restore], &backup.job.path);
	if (!engine)
		return EXIT_USAGE;
	backup.task = restore ? engine->restore : engine->backup;
	backup.file = argv[optind + !restore];
	if (!strcmp(backup.file, "-") && restore)
		return report_fail(EXIT_USAGE,
				   "restore reads files: use vdi send and get for a pipe");
	if (!backup.name[0] && !client_make_name(backup.name, sizeof(backup.name)))
		return report_fail(EXIT_FAILED, "no random numbers");
	if (backup.digests) {
		ret = digests_open(&backup.job.digests, backup.digests);
		if (ret)
			return ret;
	}
	backup.job.force = backup.session.force;
	backup.job.stream = (struct stream_options) {
		.name = backup.name,
		.instance = backup.session.instance,
		.depth = backup.session.depth,
		.transfer_size = backup.session.transfer_size,
		.block_size = backup.session.block_size,
		.connect_timeout_ms = backup.session.connect_timeout_ms,
		.idle_timeout_ms = backup.session.idle_timeout_ms,
	};
	backup.pair.ctx = &backup;
	backup.pair.engine = backup_engine;
	backup.pair.client = backup_client;
	backup.pair.client_decides = !restore;
	backup.pair.engine_decides = restore;
	return digests_close(backup.job.digests, pair_run(&backup.pair),
			     restore ? "the database" : "the backup");
}

int verb_backup(int argc, char **argv)
{
	return backup_verb(argc, argv, false);
}

int verb_restore(int argc, char **argv)
{
	return backup_verb(argc, argv, true);
}
