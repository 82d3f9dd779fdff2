// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The trial of a tape: files between filemarks, one of them empty, read over
 * each mark; then the ways to move about, each proved by a Read.
 *
 * After a mark was reported the tape is behind it.  SkipMarks forward leads
 * behind the last mark skipped, backward before it.
 */
#include <inttypes.h>
#include <stdio.h>

#include "trial.h"

#define TAPE_FILES	4
#define TAPE_SAVED	3	/* positions that are asked for and gone back to */

struct tape_saved {
	uint64_t at;		/* in the data */
	uint64_t position;	/* what GetPosition gave */
};

/* Where the files are in the data of each device; a mark behind each */
struct tape {
	uint64_t start[TAPE_FILES], end[TAPE_FILES];
	struct tape_saved saved[VDI_MAX_DEVICES][TAPE_SAVED];
};

static void tape_layout(const struct selftest *selftest, struct tape *tape)
{
	static const unsigned int parts[TAPE_FILES] = { 3, 4, 0, 5 };	/* of 12 */
	uint64_t blocks = selftest->size / selftest->trial_block / 12, at = 0;
	unsigned int i;

	for (i = 0; i < TAPE_FILES; i++) {
		tape->start[i] = at;
		at += parts[i] * blocks * selftest->trial_block;
		tape->end[i] = at;
	}
}

static bool tape_save(struct exercise *exercise, struct tape *tape, unsigned int device,
		      unsigned int n)
{
	struct exercise_command answer;

	if (!exercise_do(exercise, CHECK_TAPE_POSITION, device, VDI_CMD_GET_POSITION, 0, 0,
			 &answer))
		return false;
	tape->saved[device][n].at = exercise->devices[device].stored;
	tape->saved[device][n].position = answer.result;
	return true;
}

static bool tape_write(struct exercise *exercise, struct tape *tape)
{
	uint32_t block = exercise->spec.block_size;
	unsigned int file, i, n = 0;

	for (file = 0; file < TAPE_FILES; file++) {
		uint64_t half = tape->start[file] +
				(tape->end[file] - tape->start[file]) / block / 2 * block;
		bool save = tape->end[file] > tape->start[file];

		if (!flow_write(exercise, EXERCISE_ALL, half))
			return false;
		for (i = 0; save && i < exercise->count; i++)
			if (!tape_save(exercise, tape, i, n))
				return false;
		n += save;
		if (!flow_write(exercise, EXERCISE_ALL, tape->end[file]))
			return false;
		for (i = 0; i < exercise->count; i++)
			if (!exercise_do(exercise, CHECK_WRITE_MARK, i, VDI_CMD_WRITE_MARK, 0, 0,
					 NULL))
				return false;
	}
	return flow_finish(exercise);
}

/* Every file from its start over its mark, and the end of the data. */
static bool tape_read(struct exercise *exercise, const struct tape *tape, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];
	unsigned int file;

	for (file = 0; file <= TAPE_FILES; file++) {
		device->mark = file < TAPE_FILES;
		device->limit = tape->end[device->mark ? file : TAPE_FILES - 1];
		device->size = device->limit;
		device->ended = false;
		device->next = device->stored;
		if (device->limit - device->stored > exercise->spec.transfer_size &&
		    !flow_read(exercise, index, device->limit - exercise->spec.transfer_size))
			return false;
		if (!flow_read_end(exercise, index) || !exercise_clear_error(exercise, index))
			return false;
	}
	return true;
}

/* What the Read behind a move must find */
struct tape_expect {
	enum check check;
	const char *move;
	bool mark;		/* a filemark, not data */
};

static void tape_found(struct exercise *exercise, struct exercise_command *command)
{
	const struct tape_expect *expect = command->context;
	uint32_t block = exercise->spec.block_size;
	unsigned int device, version;
	uint64_t position;
	char found[96];

	if (!command->answer && command->result == block &&
	    pattern_find(&exercise->pattern, command->buffer->data, &device, &version, &position))
		snprintf(found, sizeof(found), "the data of %" PRIu64 "%s", position,
			 device == command->device ? "" : " of another device");
	else if (!command->answer)
		snprintf(found, sizeof(found), "%" PRIu64 " bytes that were never written",
			 command->result);
	else
		snprintf(found, sizeof(found), "%" PRIu64 " bytes and %u (%s)", command->result,
			 command->answer, vdi_code_text(command->answer));
	if (expect->mark)
		exercise_check(exercise, expect->check,
			       command->answer == VDI_CODE_FILEMARK_DETECTED && !command->result,
			       "device %s: after %s a Read must meet a filemark, but brings %s",
			       exercise->devices[command->device].name, expect->move, found);
	else
		exercise_check(exercise, expect->check,
			       !command->answer && command->result == block &&
			       pattern_compare(&exercise->pattern, command->device, 1, command->at,
					       command->buffer->data, block) == block,
			       "device %s: after %s a Read must bring the data of %" PRIu64
			       ", but brings %s", exercise->devices[command->device].name,
			       expect->move, command->at, found);
}

static bool tape_expect(struct exercise *exercise, unsigned int device, enum check check,
			const char *move, bool mark, uint64_t at)
{
	struct tape_expect expect = { .check = check, .move = move, .mark = mark };
	struct exercise_command command = {
		.device = device,
		.code = VDI_CMD_READ,
		.size = exercise->spec.block_size,
		.at = at,
		.context = &expect,
		.finish = tape_found,
	};

	command.buffer = exercise_take(exercise, device);
	if (!command.buffer || !exercise_send(exercise, &command) ||
	    !exercise_drain(exercise, device))
		return false;
	return !mark || exercise_clear_error(exercise, device);
}

static bool tape_blocks(struct exercise *exercise, const struct tape *tape, unsigned int device)
{
	uint32_t block = exercise->spec.block_size;
	int most = (tape->end[0] - tape->start[0]) / block - 1, forth = most / 2, back = most / 3;

	/* after the first block was read; one more is read in between */
	return exercise_do(exercise, CHECK_REWIND, device, VDI_CMD_REWIND, 0, 0, NULL) &&
	       tape_expect(exercise, device, CHECK_REWIND, "Rewind", false, 0) &&
	       exercise_do(exercise, CHECK_SKIP_BLOCKS, device, VDI_CMD_SKIP_BLOCKS, forth, 0,
			   NULL) &&
	       tape_expect(exercise, device, CHECK_SKIP_BLOCKS, "SkipBlocks forward", false,
			   (1ULL + forth) * block) &&
	       exercise_do(exercise, CHECK_SKIP_BLOCKS, device, VDI_CMD_SKIP_BLOCKS, -back, 0,
			   NULL) &&
	       tape_expect(exercise, device, CHECK_SKIP_BLOCKS, "SkipBlocks backward", false,
			   (2ULL + forth - back) * block);
}

/* From the first file; the third is empty, so that two marks follow each other. */
static bool tape_marks(struct exercise *exercise, const struct tape *tape, unsigned int device)
{
	const struct {
		int skip;
		const char *move;
		bool mark;		/* what comes first is a mark, then */
		unsigned int file;	/* the start of this file */
	} moves[] = {
		{ 1, "SkipMarks(1)", false, 1 },
		{ 2, "SkipMarks(2)", false, 3 },
		{ -1, "SkipMarks(-1)", true, 3 },
		{ -3, "SkipMarks(-3)", true, 1 },
		{ -1, "SkipMarks(-1)", true, 1 },
		{ 2, "SkipMarks(2)", false, 3 },
	};
	unsigned int i;

	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++)
		if (!exercise_do(exercise, CHECK_SKIP_MARKS, device, VDI_CMD_SKIP_MARKS,
				 moves[i].skip, 0, NULL) ||
		    (moves[i].mark && !tape_expect(exercise, device, CHECK_SKIP_MARKS,
						   moves[i].move, true, 0)) ||
		    !tape_expect(exercise, device, CHECK_SKIP_MARKS, moves[i].move, false,
				 tape->start[moves[i].file]))
			return false;
	return true;
}

/* Back to where the backup asked for its position, in another order */
static bool tape_positions(struct exercise *exercise, const struct tape *tape, unsigned int device)
{
	const struct tape_saved *saved = tape->saved[device];
	struct exercise_command answer;
	unsigned int i;

	for (i = 0; i < TAPE_SAVED; i++) {
		unsigned int n = (i * 2 + 1) % TAPE_SAVED;

		if (!exercise_do(exercise, CHECK_TAPE_POSITION, device, VDI_CMD_SET_POSITION, 0,
				 saved[n].position, &answer) ||
		    !exercise_do(exercise, CHECK_TAPE_POSITION, device, VDI_CMD_GET_POSITION, 0, 0,
				 &answer) ||
		    !exercise_check(exercise, CHECK_TAPE_POSITION,
				    answer.result == saved[n].position,
				    "device %s: GetPosition gives %" PRIu64
				    " after SetPosition to %" PRIu64,
				    exercise->devices[device].name, answer.result,
				    saved[n].position) ||
		    !tape_expect(exercise, device, CHECK_TAPE_POSITION, "SetPosition", false,
				 saved[n].at))
			return false;
	}
	return true;
}

void trial_tape(struct selftest *selftest)
{
	struct exercise *exercise = trial_open(selftest, RUN_BACKUP);
	struct tape tape = { };
	unsigned int i;

	tape_layout(selftest, &tape);
	if (!exercise || !tape_write(exercise, &tape))
		return;
	if (selftest->media[0].count) {
		check_skip_rest(selftest->checks, "the client's media are too small for it");
		return;
	}
	if (!exercise_close(exercise, false))
		return;
	exercise = trial_open(selftest, RUN_RESTORE);
	for (i = 0; exercise && i < exercise->count; i++)
		if (!tape_read(exercise, &tape, i) || !tape_blocks(exercise, &tape, i) ||
		    !tape_marks(exercise, &tape, i) || !tape_positions(exercise, &tape, i))
			return;
	if (exercise)
		exercise_close(exercise, false);
}
