// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi selftest: drives a client program through what its features allow, and
 * reports what it does not do as the interface wants it.  Owns the options and
 * the choice of trials.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "option.h"
#include "report.h"
#include "session.h"
#include "trial.h"
#include "verdict.h"
#include "watch.h"

#define SELFTEST_ONLY	32		/* uses of --only */

enum {
	SELFTEST_BACKUP = SESSION_OWN, SELFTEST_RESTORE, SELFTEST_LIST, SELFTEST_SEED,
	SELFTEST_SIZE, SELFTEST_TIMEOUT, SELFTEST_IDLE, SELFTEST_PICK, SELFTEST_DIRECTORY,
};

struct selftest_run {
	struct selftest selftest;
	const char *only[SELFTEST_ONLY];
	unsigned int nr_only;
	const char *directory;
};

static const char selftest_help[] =
"Usage: vdi selftest [OPTION]... --backup COMMAND --restore COMMAND\n"
"       vdi selftest [OPTION]... -- COMMAND [ARGUMENT]...\n"
"       vdi selftest [OPTION]... NAME\n"
"Tests a client program: is the engine for it, in many backups and restores, and\n"
"checks each answer and each byte.  Prints TAP: a line for each check.\n"
"\n"
"A COMMAND is run once for each backup and each restore, to its end.  In it are\n"
"replaced, and in its environment it has:\n"
"  {}           VDI_SET        the name of the set that it must make\n"
"  {medium}     VDI_MEDIUM     a path that is free: what a backup leaves there\n"
"                              is all that its restore may need\n"
"  {n}          VDI_DEVICES    how many devices the set must have\n"
"  {direction}  VDI_DIRECTION  backup or restore\n"
"With NAME the clients are started by you, the first for a backup into the set\n"
"NAME, the second for its restore.\n"
"\n"
"  --backup COMMAND        a line for a shell\n"
"  --restore COMMAND       likewise\n"
"  -n, --devices N         devices of a set, 1..64 (with NAME: as it has; else 1)\n"
"  --size SIZE             data of a device in the longest trials (4M)\n"
"  --seed N                other data and other sizes; the same for the same N (1)\n"
"  --only NAME             only this trial, or this check; may be repeated\n"
"  --list                  show trials and checks, and end\n"
"  --timeout TIME          for each answer, and for the client's end (30s)\n"
"  --connect-timeout TIME  how long to wait for the client's set (30s)\n"
"  --idle TIME             of a device that has nothing to do (1s)\n"
"  --directory DIR         for the media; they are deleted (TMPDIR, or /tmp)\n"
"  --depth N               commands of a device that are on their way (4)\n"
"  --transfer-size SIZE    a multiple of 64K up to 64M (varies)\n"
"  --block-size SIZE       a power of two, 512..64K (varies)\n"
"  -q, --quiet             errors only, besides the report\n"
"  -v, --verbose           also show what the client prints\n"
"  -h, --help              this text\n";

static int selftest_list(void)
{
	unsigned int i, j;

	puts("Trials, and the checks in each:");
	for (i = 0; i < trial_count; i++) {
		printf("  %-16s %s\n                  ", trials[i].name, trials[i].text);
		for (j = 0; j < CHECK_COUNT; j++)
			if (checks_common() & CHECK_BIT(j) || trials[i].checks & CHECK_BIT(j))
				printf(" %s", check_name(j));
		putchar('\n');
	}
	puts("Checks:");
	for (i = 0; i < CHECK_COUNT; i++)
		printf("  %-16s %s\n", check_name(i), check_text(i));
	return report_stdout();
}

/* TRIAL, CHECK or TRIAL/CHECK: the checks that it means in this trial */
static uint64_t selftest_match(const struct trial *trial, const char *only)
{
	uint64_t all = trial->checks | checks_common();
	size_t len = strlen(trial->name);
	enum check which;

	if (!strcmp(only, trial->name))
		return ~0ULL;
	if (!strncmp(only, trial->name, len) && only[len] == '/')
		only += len + 1;
	which = check_named(only);
	return which == CHECK_COUNT ? 0 : all & CHECK_BIT(which);
}

static uint64_t selftest_mask(const struct selftest_run *run, const struct trial *trial)
{
	uint64_t mask = 0;
	unsigned int i;

	if (!run->nr_only)
		return run->selftest.set && strcmp(trial->name, "backup") ? 0 : ~0ULL;
	for (i = 0; i < run->nr_only; i++)
		mask |= selftest_match(trial, run->only[i]);
	return mask;
}

static int selftest_work(void *ctx)
{
	struct selftest_run *run = ctx;
	struct selftest *selftest = &run->selftest;
	unsigned int i;
	int ret;

	selftest->checks = checks_new();
	if (!selftest->checks)
		return report_fail(EXIT_FAILED, "out of memory");
	checks_note("seed %" PRIu64 ", %" PRIu64 " bytes a device", selftest->seed,
		    selftest->size);
	for (i = 0; i < trial_count && !watch_interrupted(); i++) {
		uint64_t mask = selftest_mask(run, &trials[i]);

		if (!mask)
			continue;
		checks_only(selftest->checks, mask);
		if (trial_run(selftest, &trials[i]) || selftest->known)
			continue;
		puts("Bail out! no set of the client could be served");
		break;
	}
	if (watch_interrupted())
		puts("Bail out! interrupted");
	ret = checks_finish(selftest->checks);
	checks_free(selftest->checks);
	return ret;
}

static bool selftest_interrupt(void *ctx, const char *signal)
{
	struct selftest_run *run = ctx;

	report_fail(0, "interrupted by %s", signal);
	trial_interrupt(&run->selftest, "vdi selftest was interrupted");
	return true;
}

static int selftest_stuck(void *ctx)
{
	(void)ctx;
	return EXIT_FAILED;
}

static bool selftest_seed(struct selftest_run *run, const char *arg)
{
	char *end;

	errno = 0;
	run->selftest.seed = strtoull(arg, &end, 10);
	if (arg[0] >= '0' && arg[0] <= '9' && !*end && !errno)
		return true;
	report_fail(0, "--seed %s: not a number", arg);
	return false;
}

static bool selftest_only(struct selftest_run *run, const char *arg)
{
	unsigned int i;

	if (run->nr_only == SELFTEST_ONLY) {
		report_fail(0, "--only %s: too many of them", arg);
		return false;
	}
	for (i = 0; i < trial_count; i++) {
		if (!selftest_match(&trials[i], arg))
			continue;
		run->only[run->nr_only++] = arg;
		return true;
	}
	report_fail(0, "--only %s: no such trial or check: see vdi selftest --list", arg);
	return false;
}

/* An option of this verb alone; -1 if it was taken, -2 if it is another. */
static int selftest_option(struct selftest_run *run, int option, const char *arg)
{
	struct selftest *selftest = &run->selftest;
	bool good = true;

	switch (option) {
	case SELFTEST_BACKUP:
		selftest->backup = arg;
		break;
	case SELFTEST_RESTORE:
		selftest->restore = arg;
		break;
	case SELFTEST_LIST:
		return selftest_list();
	case SELFTEST_SEED:
		good = selftest_seed(run, arg);
		break;
	case SELFTEST_SIZE:
		good = option_size("--size", arg, 1 << 20, 1ULL << 40, &selftest->size);
		break;
	case SELFTEST_TIMEOUT:
		good = option_time_ms("--timeout", arg, &selftest->timeout_ms);
		break;
	case SELFTEST_IDLE:
		good = option_time_ms("--idle", arg, &selftest->idle_ms);
		break;
	case SELFTEST_PICK:
		good = selftest_only(run, arg);
		break;
	case SELFTEST_DIRECTORY:
		run->directory = arg;
		break;
	default:
		return -2;
	}
	return good ? -1 : EXIT_USAGE;
}

/* What is to be tested: two lines, a command, or a set's name */
static int selftest_subject(struct selftest *selftest, int argc, char **argv)
{
	bool command = optind > 1 && optind < argc && !strcmp(argv[optind - 1], "--");

	if (selftest->backup || selftest->restore) {
		if (!selftest->backup || !selftest->restore)
			return report_fail(EXIT_USAGE,
					   "selftest: --backup and --restore go together: see vdi selftest --help");
		return session_arguments(argc, argv, 0, "");
	}
	if (command) {
		selftest->argv = argv + optind;
		return 0;
	}
	selftest->set = argv[optind];
	return session_arguments(argc, argv, 1, "NAME, or a COMMAND,");
}

static int selftest_directory(struct selftest_run *run)
{
	struct selftest *selftest = &run->selftest;
	const char *dir = run->directory;

	if (selftest->set)
		return 0;
	if (!dir)
		dir = getenv("TMPDIR");
	if (snprintf(selftest->directory, sizeof(selftest->directory), "%s/vdi-selftest-XXXXXX",
		     dir && *dir ? dir : "/tmp") >= PATH_MAX - 256)
		return report_fail(EXIT_USAGE, "--directory: the path is too long");
	if (!mkdtemp(selftest->directory))
		return report_fail(EXIT_FAILED, "%s: %s", selftest->directory, strerror(errno));
	return 0;
}

/* Is there a device at all?  Else every trial would say so. */
static int selftest_node(void)
{
	struct vdi_server *server;
	int ret = vdi_server_new(&server);

	if (ret)
		return verdict_node(ret);
	vdi_server_free(server);
	return 0;
}

static int selftest_run(struct selftest_run *run)
{
	const struct watch watch = {
		.ctx = run,
		.work = selftest_work,
		.interrupt = selftest_interrupt,
		.stuck = selftest_stuck,
	};
	int ret = selftest_node();

	if (!ret)
		ret = selftest_directory(run);
	if (ret)
		return ret;
	pthread_mutex_init(&run->selftest.lock, NULL);
	watch_block_signals();
	ret = watch_run(&watch);
	if (run->selftest.directory[0])
		trial_delete(&run->selftest);
	return ret;
}

int verb_selftest(int argc, char **argv)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "devices", required_argument, NULL, 'n' },
		{ "connect-timeout", required_argument, NULL, SESSION_CONNECT },
		SESSION_LONG_SERVER,
		{ "backup", required_argument, NULL, SELFTEST_BACKUP },
		{ "restore", required_argument, NULL, SELFTEST_RESTORE },
		{ "list", no_argument, NULL, SELFTEST_LIST },
		{ "seed", required_argument, NULL, SELFTEST_SEED },
		{ "size", required_argument, NULL, SELFTEST_SIZE },
		{ "timeout", required_argument, NULL, SELFTEST_TIMEOUT },
		{ "idle", required_argument, NULL, SELFTEST_IDLE },
		{ "only", required_argument, NULL, SELFTEST_PICK },
		{ "directory", required_argument, NULL, SELFTEST_DIRECTORY },
		{ }
	};
	static struct selftest_run run;
	struct selftest *selftest = &run.selftest;
	struct session session;
	int option, ret;

	session_init(&session);
	session.count = 0;
	session.block_size = 0;
	session.transfer_size = 0;
	session.connect_timeout_ms = 30000;
	selftest->seed = 1;
	selftest->size = 4 << 20;
	selftest->timeout_ms = 30000;
	selftest->idle_ms = 1000;
	while ((option = getopt_long(argc, argv, SESSION_SHORT_COUNT, options, NULL)) != -1) {
		ret = selftest_option(&run, option, optarg);
		if (ret == -2)
			ret = session_option(&session, option, argv, selftest_help);
		if (ret >= 0)
			return ret;
	}
	ret = selftest_subject(selftest, argc, argv);
	if (ret)
		return ret;
	selftest->devices = session.count ?: !selftest->set;
	selftest->depth = session.depth;
	selftest->block_size = session.block_size;
	selftest->transfer_size = session.transfer_size;
	selftest->connect_ms = session.connect_timeout_ms;
	selftest->size = selftest->size / VDI_MAX_BLOCK_SIZE * VDI_MAX_BLOCK_SIZE;
	if (!selftest->timeout_ms)
		selftest->timeout_ms = INT32_MAX;
	return selftest_run(&run);
}
