// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The trial of a disk: blocks written in any order, some of them twice, some
 * never; the length that Flush sets; positions from every origin; all of it
 * read in another order.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "report.h"
#include "trial.h"

#define DISK_HOLE	8	/* every so many'th piece is never written */
#define DISK_AGAIN	3	/* and every so many'th twice */
#define DISK_READS	4	/* Reads for each piece */

/* Origins of SetPosition */
#define DISK_BEGINNING	0
#define DISK_CURRENT	1
#define DISK_END	2

/* What was written, the same on all devices: of each block the version, 0 for none */
struct disk {
	uint32_t block;
	uint64_t blocks;
	uint64_t length;
	uint8_t *version;
	uint64_t *pieces;	/* where each begins; one more for the end */
	unsigned int *order;
	unsigned int nr;
};

static bool disk_layout(struct selftest *selftest, struct disk *disk)
{
	uint64_t random = selftest->pattern.seed, at = 0;
	unsigned int most = selftest->trial_transfer / selftest->trial_block, i;

	disk->block = selftest->trial_block;
	disk->blocks = selftest->size / disk->block;
	disk->length = disk->blocks * disk->block;
	disk->version = calloc(disk->blocks, 1);
	disk->pieces = calloc(disk->blocks + 1, sizeof(*disk->pieces));
	disk->order = calloc(disk->blocks, sizeof(*disk->order));
	if (!disk->version || !disk->pieces || !disk->order)
		return false;
	while (at < disk->blocks) {
		disk->order[disk->nr] = disk->nr;
		disk->pieces[disk->nr++] = at * disk->block;
		at += pattern_random(&random) % most + 1;
	}
	disk->pieces[disk->nr] = disk->length;
	/* the last piece stays the last: it is what sets the length */
	for (i = 0; i + 1 < disk->nr; i++) {
		unsigned int other = i + pattern_random(&random) % (disk->nr - 1 - i);
		unsigned int piece = disk->order[i];

		disk->order[i] = disk->order[other];
		disk->order[other] = piece;
	}
	return true;
}

static void disk_free(struct disk *disk)
{
	free(disk->version);
	free(disk->pieces);
	free(disk->order);
}

static bool disk_write_piece(struct exercise *exercise, struct disk *disk, unsigned int piece,
			     unsigned int version)
{
	uint64_t at = disk->pieces[piece], end = disk->pieces[piece + 1], block;
	unsigned int i;

	for (block = at / disk->block; block < end / disk->block; block++)
		disk->version[block] = version;
	for (i = 0; i < exercise->count; i++)
		if (!flow_write_at(exercise, i, at, version, end - at))
			return false;
	return true;
}

static bool disk_write(struct exercise *exercise, struct disk *disk)
{
	unsigned int i;

	for (i = 0; i + 1 < disk->nr; i++)
		if (disk->order[i] % DISK_HOLE != 1 &&
		    !disk_write_piece(exercise, disk, disk->order[i], 1))
			return false;
	/* no two Writes of one place are ever under way; a Flush would set the length here */
	if (!exercise_drain(exercise, EXERCISE_ALL))
		return false;
	for (i = 0; i + 1 < disk->nr; i++)
		if (disk->order[i] % DISK_HOLE != 1 && !(disk->order[i] % DISK_AGAIN) &&
		    !disk_write_piece(exercise, disk, disk->order[i], 2))
			return false;
	return exercise_drain(exercise, EXERCISE_ALL) &&
	       disk_write_piece(exercise, disk, disk->nr - 1, 1);
}

static bool disk_seek(struct exercise *exercise, unsigned int device, enum check which,
		      int32_t origin, int64_t by, uint64_t want)
{
	struct exercise_command answer;

	return exercise_do(exercise, which, device, VDI_CMD_SET_POSITION, origin, by, &answer) &&
	       exercise_check(exercise, which, answer.result == want,
			      "device %s: SetPosition by %" PRId64 " from origin %d gives %" PRIu64
			      " instead of %" PRIu64, exercise->devices[device].name, by, origin,
			      answer.result, want);
}

static bool disk_positions(struct exercise *exercise, const struct disk *disk, unsigned int device)
{
	uint64_t some = disk->blocks / 3 * disk->block, few = disk->block;
	struct exercise_command answer;

	return disk_seek(exercise, device, CHECK_SET_POSITION, DISK_BEGINNING, some, some) &&
	       disk_seek(exercise, device, CHECK_SET_POSITION, DISK_CURRENT, few, some + few) &&
	       disk_seek(exercise, device, CHECK_SET_POSITION, DISK_CURRENT, -2 * (int64_t)few,
			 some - few) &&
	       exercise_do(exercise, CHECK_GET_POSITION, device, VDI_CMD_GET_POSITION, 0, 0,
			   &answer) &&
	       exercise_check(exercise, CHECK_GET_POSITION, answer.result == some - few,
			      "device %s: GetPosition gives %" PRIu64 " instead of %" PRIu64,
			      exercise->devices[device].name, answer.result, some - few) &&
	       disk_seek(exercise, device, CHECK_SET_POSITION, DISK_END, -(int64_t)few,
			 disk->length - few) &&
	       disk_seek(exercise, device, CHECK_LENGTH, DISK_END, 0, disk->length);
}

/* A hole may read as anything but data: not that of another place, not what was in memory. */
static bool disk_check_hole(struct exercise *exercise, const struct exercise_command *command,
			    uint64_t from)
{
	const uint8_t *data = command->buffer->data + from;
	unsigned int device, version;
	uint64_t position = 0;
	bool found = pattern_find(&exercise->pattern, data, &device, &version, &position);

	return exercise_check(exercise, CHECK_HOLE, !found,
			      "device %s: at %" PRIu64
			      ", where nothing was written, there is what was written at %" PRIu64,
			      exercise->devices[command->device].name, command->at + from,
			      position) &&
	       exercise_check(exercise, CHECK_HOLE,
			      pattern_guard_compare(data, command->buffer->offset + from, 8) < 8,
			      "device %s: a Read succeeded, but nothing was put in its buffer for %"
			      PRIu64, exercise->devices[command->device].name, command->at + from);
}

static void disk_found(struct exercise *exercise, struct exercise_command *command)
{
	const char *name = exercise->devices[command->device].name;
	const struct disk *disk = command->context;
	uint64_t from, size = command->size;

	if (!exercise_check(exercise, CHECK_READ, !command->answer,
			    "device %s: Read of %" PRIu64 " bytes at %" PRIu64
			    " was answered with %u (%s)", name, size, command->at, command->answer,
			    vdi_code_text(command->answer)) ||
	    !exercise_check(exercise, CHECK_READ_COUNT, command->result == size,
			    "device %s: Read of %" PRIu64 " bytes at %" PRIu64 " succeeded with %"
			    PRIu64 " bytes", name, size, command->at, command->result))
		return;
	for (from = 0; from < size; from += disk->block) {
		unsigned int version = disk->version[(command->at + from) / disk->block];

		if (version ? !flow_compare(exercise, command, from, disk->block, version) :
			      !disk_check_hole(exercise, command, from))
			return;
	}
}

static bool disk_read(struct exercise *exercise, struct disk *disk)
{
	unsigned int n = DISK_READS * disk->nr, i;

	for (i = 0; i < n; i++) {
		struct exercise_command command = {
			.device = i % exercise->count,
			.code = VDI_CMD_READ,
			.context = disk,
			.finish = disk_found,
		};
		uint64_t left;

		command.at = pattern_random(&exercise->random) % disk->blocks * disk->block;
		left = disk->length - command.at;
		command.position = command.at;
		command.size = flow_size(exercise, command.device);
		if ((uint64_t)command.size > left)
			command.size = left;
		command.buffer = exercise_take(exercise, command.device);
		if (!command.buffer || !exercise_send(exercise, &command))
			return false;
	}
	return exercise_drain(exercise, EXERCISE_ALL);
}

static void disk_at_end(struct exercise *exercise, struct exercise_command *command)
{
	uint64_t there = *(const uint64_t *)command->context;
	bool end = command->answer == VDI_CODE_HANDLE_EOF ||
		   command->answer == VDI_CODE_NO_DATA_DETECTED;

	exercise_check(exercise, CHECK_LENGTH, (end || (there && !command->answer)) &&
		       command->result == there,
		       "device %s: a Read at %" PRIu64 ", %" PRIu64
		       " bytes before the end, brings %" PRIu64 " bytes and %u (%s)",
		       exercise->devices[command->device].name, command->at, there,
		       command->result, command->answer, vdi_code_text(command->answer));
}

/* A Read of the largest size, @there bytes before the end */
static bool disk_read_end(struct exercise *exercise, const struct disk *disk, unsigned int device,
			  uint64_t there)
{
	struct exercise_command command = {
		.device = device,
		.code = VDI_CMD_READ,
		.size = exercise->spec.transfer_size,
		.position = disk->length - there,
		.at = disk->length - there,
		.context = &there,
		.finish = disk_at_end,
	};

	command.buffer = exercise_take(exercise, device);
	if (!command.buffer || !exercise_send(exercise, &command) ||
	    !exercise_drain(exercise, device))
		return false;
	return !exercise->devices[device].errored || exercise_clear_error(exercise, device);
}

static bool disk_restore(struct exercise *exercise, struct disk *disk)
{
	unsigned int i;

	if (!disk_read(exercise, disk))
		return false;
	for (i = 0; i < exercise->count; i++)
		if (!disk_positions(exercise, disk, i) ||
		    !disk_read_end(exercise, disk, i, 0) ||
		    !disk_read_end(exercise, disk, i, disk->block))
			return false;
	/* the errors at the end have changed nothing */
	return disk_read(exercise, disk);
}

static bool disk_backup(struct exercise *exercise, struct disk *disk)
{
	unsigned int i;

	if (!disk_write(exercise, disk) || !exercise_post_all(exercise, VDI_CMD_FLUSH))
		return false;
	for (i = 0; i < exercise->count; i++)
		if (!disk_positions(exercise, disk, i))
			return false;
	return flow_finish(exercise) && exercise_close(exercise, false);
}

void trial_disk(struct selftest *selftest)
{
	struct exercise *exercise;
	struct disk disk = { };

	selftest->pattern.versions = 2;
	if (!disk_layout(selftest, &disk)) {
		report_fail(0, "out of memory");
		goto out;
	}
	exercise = trial_open(selftest, RUN_BACKUP);
	if (!exercise || !disk_backup(exercise, &disk))
		goto out;
	exercise = trial_open(selftest, RUN_RESTORE);
	if (exercise && disk_restore(exercise, &disk))
		exercise_close(exercise, false);
out:
	disk_free(&disk);
}
