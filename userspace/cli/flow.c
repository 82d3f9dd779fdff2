// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Sequences of Writes and Reads, and what their answers must be.
 *
 * Answers are looked at in the order in which the commands were sent, so that
 * a device's @stored is where the data of the next good answer belongs.  An
 * error ends a burst: what was sent behind it and never seen by the client
 * comes back with 1117 and is sent again, from @stored.
 */
#include <inttypes.h>
#include <string.h>

#include "flow.h"

bool flow_is_disk(const struct exercise *exercise)
{
	return exercise->config.features & VDI_FEAT_RANDOM_ACCESS;
}

static bool flow_is_end(uint32_t code)
{
	return code == VDI_CODE_HANDLE_EOF || code == VDI_CODE_NO_DATA_DETECTED;
}

uint32_t flow_size(struct exercise *exercise, unsigned int device)
{
	uint32_t block = exercise->spec.block_size, most = exercise->spec.transfer_size / block;
	uint64_t number = pattern_random(&exercise->devices[device].random);

	switch (number % 4) {
	case 0:
		return block;
	case 1:
		return most * block;
	default:
		return (number / 4 % most + 1) * block;
	}
}

static void flow_written(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];
	uint32_t size = command->size;
	size_t at;

	at = pattern_compare(&exercise->pattern, command->device, command->version, command->at,
			     command->buffer->data, size);
	if (!exercise_check(exercise, CHECK_WRITE_BUFFER, at == size,
			    "device %s: byte %zu of the data was changed in the buffer",
			    device->name, at))
		return;
	if (command->answer == VDI_CODE_IO_DEVICE && device->errored && !command->result)
		return;		/* the client never saw it, or will be asked again */
	if (command->answer == VDI_CODE_END_OF_MEDIA &&
	    exercise->config.features & VDI_FEAT_REMOVABLE) {
		device->full = true;
	} else if (!exercise_check(exercise, CHECK_WRITE, !command->answer,
				   "device %s: Write of %u bytes at %" PRIu64
				   " was answered with %u (%s) instead of 0", device->name, size,
				   command->at, command->answer, vdi_code_text(command->answer)) ||
		   !exercise_check(exercise, CHECK_WRITE_COUNT, command->result == size,
				   "device %s: Write of %u bytes at %" PRIu64
				   " succeeded with %" PRIu64 " bytes", device->name, size,
				   command->at, command->result)) {
		return;
	}
	if (command->at == device->stored)
		device->stored += command->result;
	else if (!flow_is_disk(exercise))
		exercise_check(exercise, CHECK_WRITE, false,
			       "device %s: the data at %" PRIu64
			       " was stored, that before it at %" PRIu64 " was not", device->name,
			       command->at, device->stored);
}

/* 8 bytes that are not the right ones: whose are they? */
static void flow_wrong(struct exercise *exercise, const struct exercise_command *command,
		       size_t at, unsigned int want)
{
	const char *name = exercise->devices[command->device].name;
	uint64_t offset = command->buffer->offset + (at & ~7ULL), position;
	const uint8_t *word = command->buffer->data + (at & ~7ULL);
	uint64_t place = command->at + (at & ~7ULL);
	unsigned int device, version;

	if (pattern_find(&exercise->pattern, word, &device, &version, &position))
		exercise_check(exercise, CHECK_ORDER, false,
			       "device %s: at %" PRIu64 " there is what was written at %" PRIu64
			       "%s%s%s", name, place, position,
			       device == command->device ? "" : " of device ",
			       device == command->device ? "" : exercise->devices[device].name,
			       version == want ? "" : ", another time");
	else if (pattern_guard_compare(word, offset, 8) == 8)
		exercise_check(exercise, CHECK_DATA, false,
			       "device %s: a Read succeeded, but nothing was put in its buffer for %"
			       PRIu64, name, command->at + at);
	else
		exercise_check(exercise, CHECK_DATA, false,
			       "device %s: the byte at %" PRIu64 " is not as written, but 0x%02x",
			       name, command->at + at, command->buffer->data[at]);
}

bool flow_compare(struct exercise *exercise, const struct exercise_command *command, size_t from,
		  size_t len, unsigned int version)
{
	size_t at = pattern_compare(&exercise->pattern, command->device, version,
				    command->at + from, command->buffer->data + from, len);

	if (at < len) {
		flow_wrong(exercise, command, from + at, version);
		return false;
	}
	return exercise_check(exercise, CHECK_DATA, true, NULL) &&
	       exercise_check(exercise, CHECK_ORDER, true, NULL);
}

/* The answer to a Read that met the end of the data, or a filemark. */
static void flow_met_end(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];
	bool mark = command->answer == VDI_CODE_FILEMARK_DETECTED;
	enum check which = mark || device->mark ? CHECK_FILEMARK : CHECK_END;

	if (device->ended)
		return;		/* sent ahead, behind the end */
	device->ended = true;
	if (!exercise->spec.any_end &&
	    (!exercise_check(exercise, which, device->stored == device->limit,
			     "device %s: the data ended at %" PRIu64 " with %u (%s), but %" PRIu64
			     " bytes were written", device->name, device->stored, command->answer,
			     vdi_code_text(command->answer), device->limit) ||
	     !exercise_check(exercise, which, mark == device->mark,
			     "device %s: the Read that met the %s at %" PRIu64
			     " was answered with %u (%s)", device->name,
			     device->mark ? "filemark" : "end", device->stored,
			     command->answer, vdi_code_text(command->answer))))
		return;
	exercise_check(exercise, which, true, NULL);
}

static void flow_read_done(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];
	uint64_t left = device->limit - device->stored, size = command->size;
	bool end = flow_is_end(command->answer) || command->answer == VDI_CODE_FILEMARK_DETECTED;

	/* short Reads move all that come after them */
	command->at = device->stored;
	if (command->answer == VDI_CODE_IO_DEVICE && device->errored && !command->result)
		return;
	if (command->answer && !end) {
		exercise_check(exercise, CHECK_READ, false,
			       "device %s: Read of %" PRIu64 " bytes at %" PRIu64
			       " was answered with %u (%s)", device->name, size, device->stored,
			       command->answer, vdi_code_text(command->answer));
		return;
	}
	if (!exercise_check(exercise, device->mark ? CHECK_FILEMARK : CHECK_END,
			    command->result <= left,
			    "device %s: Read at %" PRIu64 " gave %" PRIu64
			    " bytes, but there are %" PRIu64 " before the %s", device->name,
			    device->stored, command->result, left,
			    device->mark ? "filemark" : "end") ||
	    !flow_compare(exercise, command, 0, command->result, 1))
		return;
	device->stored += command->result;
	if (end) {
		flow_met_end(exercise, command);
		return;
	}
	exercise_check(exercise, CHECK_READ, true, NULL);
	if (exercise->spec.any_end)
		return;
	if (size <= left || command->result < left)
		exercise_check(exercise, CHECK_READ_COUNT, command->result == size,
			       "device %s: Read of %" PRIu64 " bytes at %" PRIu64
			       " succeeded with %" PRIu64 " bytes", device->name, size, command->at,
			       command->result);
	else
		exercise_check(exercise, device->mark ? CHECK_FILEMARK : CHECK_END,
			       command->result, "device %s: a Read at %" PRIu64
			       ", where the data ends, succeeded with 0 bytes", device->name,
			       device->stored);
}

bool flow_write_at(struct exercise *exercise, unsigned int device, uint64_t at,
		   unsigned int version, uint32_t size)
{
	struct exercise_command command = {
		.device = device,
		.code = VDI_CMD_WRITE,
		.size = size,
		.position = flow_is_disk(exercise) ? at : 0,
		.at = at,
		.version = version,
		.finish = flow_written,
	};

	command.buffer = exercise_take(exercise, device);
	if (!command.buffer)
		return false;
	pattern_fill(&exercise->pattern, device, version, at, command.buffer->data, size);
	return exercise_send(exercise, &command);
}

bool flow_write_one(struct exercise *exercise, unsigned int device, uint32_t size)
{
	if (!flow_write_at(exercise, device, exercise->devices[device].next, 1, size))
		return false;
	exercise->devices[device].next += size;
	return true;
}

bool flow_read_one(struct exercise *exercise, unsigned int index, uint32_t size)
{
	struct exercise_device *device = &exercise->devices[index];
	struct exercise_command command = {
		.device = index,
		.code = VDI_CMD_READ,
		.size = size,
		.position = flow_is_disk(exercise) ? device->next : 0,
		.at = device->next,
		.version = 1,
		.finish = flow_read_done,
	};

	command.buffer = exercise_take(exercise, index);
	if (!command.buffer || !exercise_send(exercise, &command))
		return false;
	device->next += size;
	return true;
}

bool flow_load(struct exercise *exercise, unsigned int index)
{
	struct flow_media *media = &exercise->media[index];

	if (!exercise_do(exercise, CHECK_FLUSH, index, VDI_CMD_FLUSH, 0, 0, NULL) ||
	    !exercise_do(exercise, CHECK_LOAD, index, VDI_CMD_LOAD, 1, 0, NULL) ||
	    !exercise_check(exercise, CHECK_LOAD, media->count < FLOW_MEDIA,
			    "device %s: more than %u media are needed: make them larger",
			    exercise->devices[index].name, FLOW_MEDIA))
		return false;
	media->ends[media->count++] = exercise->devices[index].stored;
	return true;
}

bool flow_recover(struct exercise *exercise, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];

	if (!exercise_drain(exercise, index) || !exercise_clear_error(exercise, index))
		return false;
	if (device->full) {
		device->full = false;
		if (!flow_load(exercise, index))
			return false;
		exercise_check(exercise, CHECK_END_OF_MEDIA, true, NULL);
	}
	device->next = device->stored;
	return true;
}

static void flow_set_limit(struct exercise *exercise, unsigned int index)
{
	const struct flow_media *media = &exercise->media[index];
	struct exercise_device *device = &exercise->devices[index];

	device->limit = device->medium < media->count ? media->ends[device->medium] : device->size;
}

bool flow_begin_read(struct exercise *exercise, uint64_t size)
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++) {
		struct exercise_device *device = &exercise->devices[i];

		device->next = 0;
		device->stored = 0;
		device->medium = 0;
		device->size = size;
		flow_set_limit(exercise, i);
	}
	return !exercise->lost;
}

/* Over the end of this medium, which must be where it was when it was written */
static bool flow_next_medium(struct exercise *exercise, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];

	if (!flow_read_end(exercise, index) || !exercise_clear_error(exercise, index) ||
	    !exercise_do(exercise, CHECK_LOAD, index, VDI_CMD_LOAD, 1, 0, NULL))
		return false;
	device->ended = false;
	device->next = device->stored;
	device->medium++;
	flow_set_limit(exercise, index);
	return true;
}

/* Does device @index take part, and is it not there yet? */
static bool flow_wants(const struct exercise *exercise, unsigned int index, unsigned int device,
		       uint64_t target)
{
	return (device == EXERCISE_ALL || device == index) &&
	       (exercise->devices[index].next < target || exercise->devices[index].errored);
}

/* One of those that are not there yet, by chance; EXERCISE_ALL if all are. */
static unsigned int flow_pick(struct exercise *exercise, unsigned int device, uint64_t target)
{
	unsigned int first = pattern_random(&exercise->random) % exercise->count, i;

	for (i = 0; i < exercise->count; i++) {
		unsigned int index = (first + i) % exercise->count;

		if (flow_wants(exercise, index, device, target))
			return index;
	}
	return EXERCISE_ALL;
}

/* One command of device @index, up to @target and not over the end of a medium */
static bool flow_step(struct exercise *exercise, unsigned int index, uint64_t target, bool write)
{
	struct exercise_device *device = &exercise->devices[index];
	uint32_t size = flow_size(exercise, index);

	if (!write && device->next == device->limit && device->limit < device->size)
		return flow_next_medium(exercise, index);
	if (!write && target > device->limit)
		target = device->limit;
	if (size > target - device->next)
		size = target - device->next;
	return write ? flow_write_one(exercise, index, size) :
	       flow_read_one(exercise, index, size);
}

static bool flow_move(struct exercise *exercise, unsigned int device, uint64_t target, bool write)
{
	while (!exercise->lost) {
		unsigned int index = flow_pick(exercise, device, target);

		if (index == EXERCISE_ALL) {
			if (!exercise_drain(exercise, device))
				return false;
			if (flow_pick(exercise, device, target) == EXERCISE_ALL)
				return true;
			continue;
		}
		if (exercise->devices[index].errored) {
			/* who reads has nothing to recover from: the end came too early */
			if (!write)
				return exercise_drain(exercise, EXERCISE_ALL) &&
				       !exercise->devices[index].ended;
			if (!flow_recover(exercise, index))
				return false;
			continue;
		}
		if (!flow_step(exercise, index, target, write))
			return false;
	}
	return false;
}

bool flow_write(struct exercise *exercise, unsigned int device, uint64_t target)
{
	return flow_move(exercise, device, target, true);
}

bool flow_read(struct exercise *exercise, unsigned int device, uint64_t target)
{
	return flow_move(exercise, device, target, false);
}

/* Reads ahead as an engine does that doesn't know where the end is. */
bool flow_read_end(struct exercise *exercise, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];
	uint64_t start = device->stored;
	unsigned int empty = 0;

	while (!exercise->lost && !device->ended) {
		if (!flow_read_one(exercise, index, flow_size(exercise, index)))
			return false;
		if (device->outstanding < exercise->spec.depth && !device->mark)
			continue;
		if (!exercise_drain(exercise, index))
			return false;
		empty = device->stored > start ? 0 : empty + 1;
		start = device->stored;
		if (!exercise_check(exercise, CHECK_END, empty < 3,
				    "device %s: Reads at %" PRIu64 " bring no data and no end",
				    device->name, start))
			return false;
	}
	return exercise_drain(exercise, index);
}

bool flow_read_rest(struct exercise *exercise, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];

	while (!exercise->lost && device->limit < device->size)
		if (!flow_next_medium(exercise, index))
			return false;
	return flow_read_end(exercise, index);
}

bool flow_finish(struct exercise *exercise)
{
	if (!exercise_post_all(exercise, VDI_CMD_FLUSH))
		return false;
	return !(exercise->config.features & VDI_FEAT_COMPLETE_ENABLED) ||
	       exercise_post_all(exercise, VDI_CMD_COMPLETE);
}

bool flow_backup(struct exercise *exercise, uint64_t size)
{
	unsigned int part, i;

	/* the two extremes come first, whatever chance says */
	for (i = 0; i < exercise->count; i++) {
		if (size >= 2 * exercise->spec.transfer_size &&
		    (!flow_write_one(exercise, i, exercise->spec.transfer_size) ||
		     !flow_write_one(exercise, i, exercise->spec.block_size)))
			return false;
	}
	for (part = 1; part <= FLOW_FLUSHES; part++) {
		uint64_t blocks = size / exercise->spec.block_size * part / FLOW_FLUSHES;

		if (!flow_write(exercise, EXERCISE_ALL, blocks * exercise->spec.block_size) ||
		    (part < FLOW_FLUSHES && !exercise_post_all(exercise, VDI_CMD_FLUSH)))
			return false;
	}
	return flow_finish(exercise);
}

bool flow_restore(struct exercise *exercise, uint64_t size)
{
	unsigned int i;

	/* all together up to some way before the end, then each over it */
	if (size > 4ULL * exercise->spec.transfer_size &&
	    !flow_read(exercise, EXERCISE_ALL, size - 2ULL * exercise->spec.transfer_size))
		return false;
	for (i = 0; i < exercise->count; i++)
		if (!flow_read_rest(exercise, i))
			return false;
	return !exercise->lost;
}
