// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Trials that end before their time: the client is killed, the server aborts,
 * closes early or dies.  Owns what may be left of the data then.
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "trial.h"

#define END_STAYS_MS	300	/* how long a client must wait for a close */
#define END_SEEN_MS	5000	/* until a death is seen, at most */

static uint64_t trial_third(const struct selftest *selftest)
{
	return selftest->size / 3 / VDI_MAX_BLOCK_SIZE * VDI_MAX_BLOCK_SIZE;
}

/* All data is written and answered; some Writes more are on their way. */
static bool trial_busy(struct selftest *selftest, struct exercise *exercise)
{
	unsigned int i, device;

	if (!flow_write(exercise, EXERCISE_ALL, trial_third(selftest)))
		return false;
	for (device = 0; device < exercise->count; device++)
		for (i = 0; i < exercise->spec.depth; i++)
			if (!flow_write_one(exercise, device, exercise->spec.block_size))
				return false;
	return true;
}

/* It has nothing more to do, and must wait for the close of its devices. */
static bool trial_stays(struct exercise *exercise)
{
	struct vdi_set_stat stat;

	subject_ended(exercise->subject, END_STAYS_MS);
	if (vdi_server_stat(exercise->server, &stat, sizeof(stat)))
		return false;
	return exercise_check(exercise, CHECK_STAYS, stat.state != VDI_STATE_ABORTED,
			      "everything was answered, but no device closed yet: it has left the set");
}

/* Reads what there is, without judgement: did the client give all of @want? */
static bool trial_look(struct exercise *exercise, uint64_t want)
{
	unsigned int i;

	if (exercise->lost || !flow_begin_read(exercise, UINT64_MAX / 2))
		return false;
	for (i = 0; i < exercise->count; i++)
		if (!flow_read_rest(exercise, i) || exercise->devices[i].stored < want)
			return false;
	return true;
}

/* What was answered must be there for another process; nothing else is said of the rest. */
static void trial_durable(struct selftest *selftest, uint64_t want, bool may_refuse)
{
	struct exercise *exercise = trial_open(selftest, RUN_RESTORE | RUN_TOLERANT | RUN_ANY_END);
	struct checks *checks = selftest->checks;
	unsigned int i;

	if (!exercise)
		return;
	if (trial_look(exercise, want)) {
		check(checks, CHECK_DURABLE, true, "%s", "");
		return;
	}
	if (exercise->lost) {
		bool wrong = exercise->refused_by == CHECK_DATA ||
			     exercise->refused_by == CHECK_ORDER;

		if (may_refuse && !wrong)
			check_skip(checks, CHECK_DURABLE,
				   "the client restores nothing that has not ended in order");
		else
			check(checks, CHECK_DURABLE, false, "restore run: %s", exercise->refused);
		return;
	}
	for (i = 0; i < exercise->count; i++)
		check(checks, CHECK_DURABLE, exercise->devices[i].stored >= want,
		      "device %s: %" PRIu64 " bytes were answered, %" PRIu64 " are there",
		      exercise->devices[i].name, want, exercise->devices[i].stored);
}

/*
 * Its death is to end the set.  An end by us that comes before the kernel has seen
 * that would be the engine's, which takes back what it was told.
 */
static void trial_kill(struct exercise *exercise)
{
	struct pollfd pfd = { .fd = vdi_server_fd(exercise->server) };

	subject_kill(exercise->subject);
	poll(&pfd, 1, END_SEEN_MS);
}

void trial_killed(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (!exercise || !flow_backup(exercise, selftest->size) || !trial_stays(exercise))
		return;
	trial_kill(exercise);
	trial_durable(selftest, selftest->size, false);
}

void trial_flushed(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	uint64_t third = trial_third(selftest);

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, third) ||
	    !exercise_post_all(exercise, VDI_CMD_FLUSH))
		return;
	trial_kill(exercise);
	trial_durable(selftest, third,
		      exercise->config.features & VDI_FEAT_COMPLETE_ENABLED);
}

/* A backup that did not end in order: a restore must not look like a success. */
static void trial_no_backup(struct selftest *selftest)
{
	struct checks *checks = selftest->checks;
	struct exercise *exercise;
	bool whole;

	if (!(selftest->features & VDI_FEAT_REQUEST_COMPLETE)) {
		check_skip(checks, CHECK_NO_BACKUP,
			   "without Complete the client can't know which backup is whole");
		return;
	}
	exercise = trial_open(selftest, RUN_RESTORE | RUN_TOLERANT | RUN_ANY_END);
	if (!exercise)
		return;
	whole = trial_look(exercise, 1) && exercise_close(exercise, false);
	check(checks, CHECK_NO_BACKUP, !whole,
	      "restore run: %" PRIu64 " bytes and the end were read, and it ended with status 0",
	      exercise->count ? exercise->devices[0].stored : 0);
}

void trial_aborted(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (!exercise || !trial_busy(selftest, exercise))
		return;
	vdi_server_abort(exercise->server, 42, "vdi selftest: the server aborts");
	if (exercise_ended_badly(exercise))
		trial_no_backup(selftest);
}

void trial_abandoned(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (!exercise || !trial_busy(selftest, exercise))
		return;
	vdi_server_close(exercise->server);
	if (exercise_ended_badly(exercise))
		trial_no_backup(selftest);
}

void trial_restore_aborted(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (!exercise || !flow_backup(exercise, selftest->size) || !exercise_close(exercise, false))
		return;
	exercise = trial_open(selftest, RUN_RESTORE);
	if (!exercise || !flow_begin_read(exercise, selftest->size) ||
	    !flow_read(exercise, EXERCISE_ALL, trial_third(selftest)))
		return;
	vdi_server_abort(exercise->server, 42, "vdi selftest: the server aborts");
	exercise_ended_badly(exercise);
}

void trial_discard(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	unsigned int i;

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, trial_third(selftest)))
		return;
	for (i = 0; i < exercise->count; i++)
		if (!exercise_do(exercise, CHECK_DISCARD, i, VDI_CMD_DISCARD, 0, 0, NULL))
			return;
	for (i = 0; i < exercise->count; i++)
		vdi_server_close_device(exercise->devices[i].device);
	/* it was told to throw away what it has: what its status is then is its own affair */
	if (exercise_check(exercise, CHECK_EXIT,
			   subject_ended(exercise->subject, selftest->timeout_ms),
			   "it has not ended after Discard and the close of its devices"))
		trial_no_backup(selftest);
}

/* In a process of its own: serves until work is under way; does not return. */
static void trial_server(struct exercise *exercise)
{
	if (exercise_connect(exercise) && exercise_start(exercise) &&
	    flow_write(exercise, EXERCISE_ALL, 4ULL * VDI_MAX_BLOCK_SIZE) &&
	    flow_write_one(exercise, 0, exercise->spec.block_size))
		raise(SIGKILL);
	_exit(1);
}

void trial_server_dies(struct selftest *selftest)
{
	struct exercise *exercise = trial_prepare_run(selftest, RUN_BACKUP);
	enum check which;
	int status = 0;
	pid_t pid;

	if (!exercise)
		return;
	/* the set is the child's alone: nothing of it was opened here */
	pid = fork();
	if (!pid) {
		int ret = vdi_server_new(&exercise->server);

		if (!ret)
			trial_server(exercise);
		_exit(1);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status)) {
		exercise_check(exercise, CHECK_ALIVE, false,
			       "a server in a process of its own could not serve it: %s",
			       subject_ended(exercise->subject, 0) ?
			       subject_end(exercise->subject) : "see the other trials");
		return;
	}
	/* these stopped it, if they were not so */
	for (which = CHECK_CONNECT; which <= CHECK_ALIVE; which++)
		exercise_check(exercise, which, true, NULL);
	if (exercise_ended_badly(exercise))
		trial_no_backup(selftest);
}
