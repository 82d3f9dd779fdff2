// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The list of trials, and what they have in common: a medium of their own,
 * sizes that differ from trial to trial, the start of a run.
 */
#include <ftw.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "report.h"
#include "trial.h"
#include "watch.h"

#define WRITING		(CHECK_BIT(CHECK_WRITE) | CHECK_BIT(CHECK_WRITE_COUNT) |	\
			 CHECK_BIT(CHECK_WRITE_BUFFER))
#define FINISHING	(WRITING | CHECK_BIT(CHECK_FLUSH) | CHECK_BIT(CHECK_COMPLETE))
#define READING		(CHECK_BIT(CHECK_READ) | CHECK_BIT(CHECK_READ_COUNT) |		\
			 CHECK_BIT(CHECK_DATA) | CHECK_BIT(CHECK_ORDER))
#define CLOSING		(CHECK_BIT(CHECK_ONCE) | CHECK_BIT(CHECK_AREA) | CHECK_BIT(CHECK_EXIT))
#define ROUND		(FINISHING | READING | CLOSING | CHECK_BIT(CHECK_END))
#define ERRORS		(CHECK_BIT(CHECK_UNKNOWN) | CHECK_BIT(CHECK_CLEAR_ERROR) |	\
			 CHECK_BIT(CHECK_RESUME))
#define ABORTED		(WRITING | CHECK_BIT(CHECK_ABORT_END) | CHECK_BIT(CHECK_ABORT_STATUS))
#define TAPE		(CHECK_BIT(CHECK_WRITE_MARK) | CHECK_BIT(CHECK_FILEMARK) |	\
			 CHECK_BIT(CHECK_REWIND) | CHECK_BIT(CHECK_SKIP_MARKS) |	\
			 CHECK_BIT(CHECK_SKIP_BLOCKS) | CHECK_BIT(CHECK_TAPE_POSITION) | \
			 CHECK_BIT(CHECK_CLEAR_ERROR))
#define DISK		(CHECK_BIT(CHECK_SET_POSITION) | CHECK_BIT(CHECK_GET_POSITION) | \
			 CHECK_BIT(CHECK_LENGTH) | CHECK_BIT(CHECK_HOLE) |		\
			 CHECK_BIT(CHECK_CLEAR_ERROR))

const struct trial trials[] = {
	{ "backup", "a backup, and its restore in other sizes", 0, ROUND, trial_backup },
	{ "errors", "commands that the client can't know, among others; ClearError", 0,
	  ROUND | ERRORS, trial_errors },
	{ "outstanding", "devices are closed while commands are outstanding", 0, ROUND,
	  trial_outstanding },
	{ "head", "a restore that reads only the beginning", 0,
	  FINISHING | READING | CLOSING, trial_head },
	{ "idle", "one device, then all of them, have nothing to do for some time", 0, ROUND,
	  trial_idle },
	{ "killed", "the client is killed when all is answered", TRIAL_OWN,
	  FINISHING | CHECK_BIT(CHECK_STAYS) | CHECK_BIT(CHECK_DURABLE), trial_killed },
	{ "flushed", "the client is killed when a Flush is answered", TRIAL_OWN,
	  WRITING | CHECK_BIT(CHECK_FLUSH) | CHECK_BIT(CHECK_DURABLE), trial_flushed },
	{ "aborted", "the server aborts a backup", TRIAL_OWN,
	  ABORTED | CHECK_BIT(CHECK_NO_BACKUP), trial_aborted },
	{ "abandoned", "the server closes a set whose devices are open", TRIAL_OWN,
	  ABORTED | CHECK_BIT(CHECK_NO_BACKUP), trial_abandoned },
	{ "server-dies", "the server's process is killed", TRIAL_OWN | TRIAL_FEATURES,
	  CHECK_BIT(CHECK_ABORT_END) | CHECK_BIT(CHECK_ABORT_STATUS) | CHECK_BIT(CHECK_NO_BACKUP),
	  trial_server_dies },
	{ "restore-aborted", "the server aborts a restore", TRIAL_OWN,
	  FINISHING | READING | CLOSING | CHECK_BIT(CHECK_ABORT_END) |
	  CHECK_BIT(CHECK_ABORT_STATUS), trial_restore_aborted },
	{ "discard", "the server throws a backup away", TRIAL_DISCARD | TRIAL_OWN,
	  WRITING | CHECK_BIT(CHECK_DISCARD) | CHECK_BIT(CHECK_NO_BACKUP), trial_discard },
	{ "load", "a backup and a restore over several media", TRIAL_REMOVABLE | TRIAL_SEQUENTIAL,
	  ROUND | CHECK_BIT(CHECK_LOAD) | CHECK_BIT(CHECK_END_OF_MEDIA) |
	  CHECK_BIT(CHECK_CLEAR_ERROR), trial_load },
	{ "tape", "filemarks, blocks and positions of a tape", TRIAL_TAPE, ROUND | TAPE,
	  trial_tape },
	{ "disk", "places, holes and the length of a disk", TRIAL_DISK,
	  (ROUND & ~CHECK_BIT(CHECK_END)) | DISK, trial_disk },
	{ "read-back", "a backup that is read while it is made", TRIAL_POSITION, ROUND,
	  trial_read_back },
};

const unsigned int trial_count = sizeof(trials) / sizeof(trials[0]);

/* Why the trial does not suit this client, or NULL. */
static const char *trial_unsuited(const struct selftest *selftest, const struct trial *trial)
{
	bool tape = selftest->features & VDI_FEAT_FILE_MARKS;
	bool disk = selftest->features & VDI_FEAT_RANDOM_ACCESS;

	if (trial->needs & TRIAL_TAPE && !tape)
		return "the client is no tape";
	if (trial->needs & TRIAL_DISK && !disk)
		return "the client is no disk";
	if (trial->needs & TRIAL_SEQUENTIAL && disk)
		return "how data goes on from disk to disk is not specified";
	if (trial->needs & TRIAL_POSITION && !tape && !disk)
		return "the client has no positions";
	if (trial->needs & TRIAL_REMOVABLE && !(selftest->features & VDI_FEAT_REMOVABLE))
		return "the client's media are not removable";
	if (trial->needs & TRIAL_DISCARD && !(selftest->features & VDI_FEAT_DISCARD))
		return "the client has no Discard";
	return NULL;
}

/* What the client has said, for who has to find out why */
static void trial_show_log(const struct selftest *selftest)
{
	char line[400];
	unsigned int n = 0;
	FILE *f = fopen(selftest->log, "r");

	if (!f)
		return;
	while (n++ < 20 && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		checks_note("the client says: %s", line);
	}
	fclose(f);
}

static void trial_prepare(struct selftest *selftest, const struct trial *trial, const char *medium)
{
	static const unsigned int blocks[] = { 4096, 512, 65536, 1024 };
	unsigned int number = trial - trials;
	uint64_t random = selftest->seed + number;

	selftest->trial_block = selftest->block_size ?: blocks[number % 4];
	selftest->trial_transfer = selftest->transfer_size ?: (2 + number % 3) * VDI_TRANSFER_STEP;
	selftest->pattern = (struct pattern) {
		.seed = pattern_random(&random),
		.devices = selftest->devices,
		.versions = 1,
		.size = 4 * selftest->size,
	};
	memset(selftest->media, 0, sizeof(selftest->media));
	if (selftest->set)
		return;
	snprintf(selftest->medium, sizeof(selftest->medium), "%.*s/%s", PATH_MAX - 64,
		 selftest->directory, medium);
	snprintf(selftest->log, sizeof(selftest->log), "%.*s/%s.log", PATH_MAX - 64,
		 selftest->directory, medium);
}

/*
 * What the client is must be known for some trials: it makes a set for nothing.
 * False if it is not known yet, and that is all right.
 */
static bool trial_greet(struct selftest *selftest, const struct trial *trial)
{
	if (!selftest->known && !selftest->set && trial->needs & ~TRIAL_OWN) {
		trial_prepare(selftest, trial, "greeting");
		trial_open(selftest, RUN_BACKUP);
		trial_close(selftest);
	}
	return selftest->known;
}

bool trial_run(struct selftest *selftest, const struct trial *trial)
{
	const char *why = NULL;
	bool good;

	checks_begin(selftest->checks, trial->name, trial->checks);
	if (trial->needs & TRIAL_OWN && selftest->set)
		why = "the client was started by somebody else";
	else if (trial_greet(selftest, trial))
		why = trial_unsuited(selftest, trial);
	if (why) {
		checks_skip_trial(selftest->checks, trial->name, why);
		return true;
	}
	checks_note("%s: %s", trial->name, trial->text);
	if (selftest->known && !(selftest->features & VDI_FEAT_REQUEST_COMPLETE))
		check_skip(selftest->checks, CHECK_COMPLETE, "the client wants no Complete");
	if (!checks_failed(selftest->checks)) {
		trial_prepare(selftest, trial, trial->name);
		trial->run(selftest);
	}
	trial_close(selftest);
	good = checks_end(selftest->checks);
	if (!good || report_verbosity() > 0)
		trial_show_log(selftest);
	return good;
}

/* A restore asks in other sizes than the backup gave. */
static unsigned int trial_transfer(const struct selftest *selftest, bool read)
{
	if (selftest->transfer_size || !read)
		return selftest->trial_transfer;
	return selftest->trial_transfer + VDI_TRANSFER_STEP;
}

static struct subject *trial_subject(struct selftest *selftest, const char *set, bool read)
{
	const struct subject_spec spec = {
		.argv = selftest->argv,
		.shell = read ? selftest->restore : selftest->backup,
		.set = set,
		.medium = selftest->medium,
		.devices = selftest->devices ?: 1,
		.direction = read ? "restore" : "backup",
		.log = selftest->log,
	};

	return subject_start(&spec);
}

/* The client is known now, and must stay what it is. */
static bool trial_meet(struct selftest *selftest, struct exercise *exercise)
{
	uint32_t mask = VDI_FEAT_LIKE_TAPE | VDI_FEAT_LIKE_DISK | VDI_FEAT_REQUEST_COMPLETE;
	const struct vdi_config *config = &exercise->config;

	if (!selftest->known) {
		selftest->known = true;
		selftest->features = config->features;
		selftest->count = config->device_count;
		if (!(config->features & VDI_FEAT_REQUEST_COMPLETE))
			check_skip(selftest->checks, CHECK_COMPLETE,
				   "the client wants no Complete");
	}
	return exercise_check(exercise, CHECK_CONFIG,
			      config->device_count == selftest->count,
			      "the set has %u devices, and had %u", config->device_count,
			      selftest->count) &&
	       exercise_check(exercise, CHECK_CONFIG, exercise->spec.read ||
			      !((config->features ^ selftest->features) & mask),
			      "features 0x%x, and they were 0x%x", config->features,
			      selftest->features);
}

struct exercise *trial_prepare_run(struct selftest *selftest, unsigned int kind)
{
	bool read = kind & RUN_RESTORE;
	char name[VDI_NAME_SIZE];
	const struct exercise_spec spec = {
		.name = selftest->set ?: name,
		.read = read,
		.read_back = kind & RUN_READ_BACK,
		.any_end = kind & RUN_ANY_END,
		.tolerant = kind & RUN_TOLERANT,
		.depth = selftest->depth,
		.block_size = selftest->trial_block,
		.transfer_size = trial_transfer(selftest, read),
		.connect_ms = selftest->connect_ms,
		.timeout_ms = selftest->timeout_ms,
	};
	struct subject *subject = NULL;
	struct exercise *exercise;

	trial_close(selftest);
	if (watch_interrupted())
		return NULL;
	if (!selftest->set) {
		if (!client_make_name(name, sizeof(name)))
			return NULL;
		subject = trial_subject(selftest, name, read);
		if (!subject)
			return NULL;
	}
	exercise = exercise_new(&spec, selftest->checks, subject, &selftest->pattern);
	if (!exercise)
		return NULL;
	exercise->media = selftest->media;
	pthread_mutex_lock(&selftest->lock);
	selftest->exercise = exercise;
	pthread_mutex_unlock(&selftest->lock);
	return exercise;
}

struct exercise *trial_open(struct selftest *selftest, unsigned int kind)
{
	struct exercise *exercise = trial_prepare_run(selftest, kind);

	if (!exercise)
		return NULL;
	if (exercise_connect(exercise) && trial_meet(selftest, exercise) &&
	    exercise_start(exercise))
		return exercise;
	/* who is tolerant wants to see how it was refused */
	return kind & RUN_TOLERANT ? exercise : NULL;
}

void trial_close(struct selftest *selftest)
{
	struct exercise *exercise = selftest->exercise;

	pthread_mutex_lock(&selftest->lock);
	selftest->exercise = NULL;
	pthread_mutex_unlock(&selftest->lock);
	exercise_free(exercise);
}

static int trial_delete_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

void trial_delete(const struct selftest *selftest)
{
	nftw(selftest->directory, trial_delete_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

void trial_interrupt(struct selftest *selftest, const char *text)
{
	pthread_mutex_lock(&selftest->lock);
	if (selftest->exercise)
		vdi_server_abort(selftest->exercise->server, 0, text);
	pthread_mutex_unlock(&selftest->lock);
}
