// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Trials that move data from the first byte to the last: what a client is for,
 * with errors, pauses, several media and hasty ends in between.
 */
#include <inttypes.h>
#include <stddef.h>
#include <time.h>

#include "trial.h"

#define UNKNOWN_CODE	200	/* no command has this number */

/* Half of the data, on a limit of blocks of any size */
static uint64_t trial_half(const struct selftest *selftest)
{
	return selftest->size / 2 / VDI_MAX_BLOCK_SIZE * VDI_MAX_BLOCK_SIZE;
}

static bool trial_restore(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_RESTORE);

	return exercise && flow_begin_read(exercise, selftest->size) &&
	       flow_restore(exercise, selftest->size) &&
	       exercise_close(exercise, false);
}

void trial_backup(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (exercise && flow_backup(exercise, selftest->size) &&
	    exercise_close(exercise, false))
		trial_restore(selftest);
}

static void trial_unknown_done(struct exercise *exercise, struct exercise_command *command)
{
	/* it came behind an end of the medium, and the client never saw it */
	if (exercise->devices[command->device].errored &&
	    command->answer == VDI_CODE_IO_DEVICE)
		return;
	exercise_check(exercise, CHECK_UNKNOWN, command->answer == VDI_CODE_NOT_SUPPORTED,
		       "device %s: a command of code %u was answered with %u instead of 50",
		       exercise->devices[command->device].name, command->code, command->answer);
}

static bool trial_send_unknown(struct exercise *exercise, unsigned int device, uint16_t code)
{
	const struct exercise_command command = {
		.device = device,
		.code = code,
		.size = 1,
		.finish = trial_unknown_done,
	};

	return exercise_send(exercise, &command);
}

/* After an unknown command among others: ClearError, and the data goes on. */
static bool trial_resume(struct exercise *exercise, unsigned int device)
{
	return exercise_drain(exercise, device) &&
	       exercise_check(exercise, CHECK_UNKNOWN, exercise->devices[device].errored,
			      "device %s: the command was not answered with an error",
			      exercise->devices[device].name) &&
	       flow_recover(exercise, device);
}

/* One by one: what no client knows, and what its features don't promise. */
static bool trial_each_unknown(struct exercise *exercise, unsigned int device)
{
	uint32_t features = exercise->config.features;
	const struct {
		uint16_t code;
		bool known;
	} codes[] = {
		{ UNKNOWN_CODE, false },
		{ UINT16_MAX, false },
		{ VDI_CMD_REWIND, features & VDI_FEAT_REWIND },
		{ VDI_CMD_WRITE_MARK, features & VDI_FEAT_FILE_MARKS },
		{ VDI_CMD_SKIP_MARKS, features & VDI_FEAT_FILE_MARKS },
		{ VDI_CMD_SKIP_BLOCKS, features & VDI_FEAT_SKIP_BLOCKS },
		{ VDI_CMD_LOAD, features & VDI_FEAT_REMOVABLE },
		{ VDI_CMD_GET_POSITION,
		  features & (VDI_FEAT_POSITION | VDI_FEAT_RANDOM_ACCESS) },
	};
	size_t i;

	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].known)
			continue;
		if (!trial_send_unknown(exercise, device, codes[i].code) ||
		    !trial_resume(exercise, device))
			return false;
	}
	return true;
}

/* In the middle of what is on its way: the client may have fetched some of it. */
static bool trial_among(struct exercise *exercise, unsigned int index,
			bool (*move)(struct exercise *, unsigned int, uint32_t))
{
	struct exercise_device *device = &exercise->devices[index];
	uint32_t few = 4 * exercise->spec.block_size;
	unsigned int i;

	/* not over the end of a medium */
	if (exercise->spec.read && device->limit - device->next < few &&
	    !flow_read(exercise, index, device->limit + few))
		return false;
	for (i = 0; i < 4; i++)
		if (!move(exercise, index, exercise->spec.block_size) ||
		    (i == 1 && !trial_send_unknown(exercise, index, UNKNOWN_CODE)))
			return false;
	return trial_resume(exercise, index);
}

static bool trial_errors_all(struct exercise *exercise,
			     bool (*move)(struct exercise *, unsigned int, uint32_t))
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++) {
		if (!trial_each_unknown(exercise, i) || !trial_among(exercise, i, move) ||
		    !trial_among(exercise, i, move))
			return false;
	}
	return true;
}

void trial_errors(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	uint64_t half = trial_half(selftest);

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, half) ||
	    !trial_errors_all(exercise, flow_write_one) ||
	    !flow_write(exercise, EXERCISE_ALL, selftest->size) ||
	    !exercise_check(exercise, CHECK_RESUME, true, NULL) || !flow_finish(exercise) ||
	    !exercise_close(exercise, false))
		return;
	exercise = trial_open(selftest, RUN_RESTORE);
	if (exercise && flow_begin_read(exercise, selftest->size) &&
	    flow_read(exercise, EXERCISE_ALL, half) && trial_errors_all(exercise, flow_read_one) &&
	    flow_restore(exercise, selftest->size))
		exercise_close(exercise, false);
}

void trial_outstanding(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	uint64_t rest = 2ULL * VDI_MAX_BLOCK_SIZE;
	unsigned int i, device;

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, selftest->size - rest))
		return;
	for (device = 0; device < exercise->count; device++) {
		if (!selftest->media[device].count)
			continue;
		check_skip_rest(selftest->checks, "the client's media may end while it is closed");
		return;
	}
	for (device = 0; device < exercise->count; device++) {
		for (i = 0; i < 2; i++)
			if (!flow_write_one(exercise, device, rest / 2))
				return;
		if (!exercise_post(exercise, device, VDI_CMD_FLUSH) ||
		    (exercise->config.features & VDI_FEAT_COMPLETE_ENABLED &&
		     !exercise_post(exercise, device, VDI_CMD_COMPLETE)))
			return;
	}
	if (exercise_close(exercise, true))
		trial_restore(selftest);
}

/* As RESTORE HEADERONLY does. */
void trial_head(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);

	if (!exercise || !flow_backup(exercise, selftest->size) ||
	    !exercise_close(exercise, false))
		return;
	exercise = trial_open(selftest, RUN_RESTORE);
	if (exercise && flow_begin_read(exercise, selftest->size) &&
	    flow_read(exercise, EXERCISE_ALL, trial_half(selftest)))
		exercise_close(exercise, true);
}

/* The first device waits while the others work, then all wait. */
static bool trial_slow(struct selftest *selftest, struct exercise *exercise, uint64_t size,
		       bool (*move)(struct exercise *, unsigned int, uint64_t))
{
	const struct timespec pause = {
		.tv_sec = selftest->idle_ms / 1000,
		.tv_nsec = selftest->idle_ms % 1000 * 1000000,
	};
	unsigned int i;

	for (i = 1; i < exercise->count; i++)
		if (!move(exercise, i, size))
			return false;
	nanosleep(&pause, NULL);
	return move(exercise, 0, size);
}

void trial_idle(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	uint64_t half = trial_half(selftest);

	if (!exercise || !trial_slow(selftest, exercise, half, flow_write) ||
	    !flow_write(exercise, EXERCISE_ALL, selftest->size) || !flow_finish(exercise) ||
	    !exercise_close(exercise, true))
		return;
	exercise = trial_open(selftest, RUN_RESTORE);
	if (exercise && flow_begin_read(exercise, selftest->size) &&
	    trial_slow(selftest, exercise, half, flow_read) &&
	    flow_restore(exercise, selftest->size))
		exercise_close(exercise, true);
}

/* To the start of the data: by the command of a tape, by the position of a disk. */
static bool trial_to_start(struct exercise *exercise, uint64_t limit)
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++)
		if (!flow_is_disk(exercise) &&
		    !exercise_do(exercise, CHECK_REWIND, i, VDI_CMD_REWIND, 0, 0, NULL))
			return false;
	return flow_begin_read(exercise, limit);
}

void trial_read_back(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP | RUN_READ_BACK);
	uint64_t half = trial_half(selftest);
	unsigned int i;

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, half) ||
	    !exercise_post_all(exercise, VDI_CMD_FLUSH) || !trial_to_start(exercise, half) ||
	    !flow_read(exercise, EXERCISE_ALL, half))
		return;
	/* the reader is where the writer was: it goes on there */
	for (i = 0; i < exercise->count; i++)
		exercise->devices[i].next = exercise->devices[i].stored;
	if (flow_write(exercise, EXERCISE_ALL, selftest->size) && flow_finish(exercise) &&
	    exercise_close(exercise, false))
		trial_restore(selftest);
}

void trial_load(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	unsigned int i;

	if (!exercise || !flow_write(exercise, EXERCISE_ALL, trial_half(selftest)))
		return;
	for (i = 0; i < exercise->count; i++)
		if (!flow_load(exercise, i))
			return;
	if (!flow_write(exercise, EXERCISE_ALL, selftest->size) || !flow_finish(exercise) ||
	    !exercise_close(exercise, false) || !trial_restore(selftest))
		return;
	check_skip(selftest->checks, CHECK_END_OF_MEDIA, "no end of a medium was met");
}
