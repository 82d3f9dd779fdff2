// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The commands of a run: sent, collected, given to who waits for them in the
 * order in which they were sent.  Owns the time limit of an answer and the
 * memory around the data of a command.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "exercise_private.h"

#define EXERCISE_COLLECT	64	/* completions in one call */

static bool exercise_moves_data(uint16_t code)
{
	return code == VDI_CMD_READ || code == VDI_CMD_WRITE;
}

/* The words for a command in a message */
static const char *exercise_words(const struct exercise *exercise,
				  const struct exercise_command *command, char *buf, size_t size)
{
	const char *device = exercise->devices[command->device].name;

	if (exercise_moves_data(command->code))
		snprintf(buf, size, "device %s: %s of %d bytes at %" PRIu64, device,
			 vdi_command_name(command->code), command->size, command->at);
	else
		snprintf(buf, size, "device %s: %s (%u, size %d)", device,
			 vdi_command_name(command->code), command->code, command->size);
	return buf;
}

static bool exercise_late(struct exercise *exercise)
{
	char words[160] = "nothing is outstanding";
	unsigned int i;

	for (i = 0; i < exercise->count; i++) {
		struct exercise_command *command = exercise->devices[i].head;

		while (command && command->done)
			command = command->next;
		if (!command)
			continue;
		exercise_words(exercise, command, words, sizeof(words));
		break;
	}
	return exercise_check(exercise, CHECK_ANSWER, false, "%s was not answered within %lld s",
			      words, (long long)exercise->spec.timeout_ms / 1000);
}

/* The rest of a buffer behind the data of its command */
static bool exercise_check_rest(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_buffer *buffer = command->buffer;
	size_t len = exercise->spec.transfer_size - command->size, at;
	char words[160];

	at = pattern_guard_compare(buffer->data + command->size, buffer->offset + command->size,
				   len);
	return exercise_check(exercise, CHECK_AREA, at == len,
			      "%s: byte %zu of the buffer was written to, behind its end",
			      exercise_words(exercise, command, words, sizeof(words)),
			      command->size + at);
}

static void exercise_finish(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];
	struct exercise_buffer *buffer = command->buffer;

	if (buffer && !exercise->lost)
		exercise_check_rest(exercise, command);
	if (command->finish && !exercise->lost)
		command->finish(exercise, command);
	if (command->answer)
		device->errored = true;	/* what is looked at from now on came behind it */
	if (buffer) {
		pattern_guard(buffer->data, buffer->offset, command->size);
		buffer->next = device->free;
		device->free = buffer;
	}
	command->next = exercise->free;
	exercise->free = command;
}

static void exercise_collected(struct exercise *exercise, const struct vdi_completion *done)
{
	struct exercise_command *command = &exercise->commands[done->id];
	struct exercise_device *device = &exercise->devices[command->device];

	exercise_check(exercise, CHECK_ANSWER, true, NULL);
	command->done = true;
	command->answer = done->code;
	command->result = done->result;
	while (device->head && device->head->done) {
		command = device->head;
		device->head = command->next;
		device->outstanding--;
		exercise_finish(exercise, command);
	}
}

/* Waits for at least one completion. */
static bool exercise_collect(struct exercise *exercise)
{
	int64_t end = exercise_now_ms() + exercise->spec.timeout_ms;
	struct vdi_completion done[EXERCISE_COLLECT];
	unsigned int i, seen = 0;

	while (!seen && !exercise->lost) {
		struct vdi_batch batch = { .min = 1 };
		int64_t left = end - exercise_now_ms();
		int ret = vdi_server_exchange(exercise->server, NULL, 0, done, EXERCISE_COLLECT,
					      left > 0 ? left : 0, &batch);

		if (ret == -ETIMEDOUT)
			return exercise_late(exercise);
		if (ret < 0)
			return exercise_failed(exercise, "while commands are outstanding", ret);
		for (i = 0; i < batch.delivered; i++) {
			if (done[i].kind != VDI_KIND_COMPLETION)
				continue;
			/* a set that is aborted gives all back with 995 */
			if (done[i].code == VDI_CODE_OPERATION_ABORTED) {
				struct vdi_set_stat stat;

				if (!vdi_server_stat(exercise->server, &stat, sizeof(stat)) &&
				    stat.state == VDI_STATE_ABORTED)
					exercise_failed(exercise, "while commands are outstanding",
							-ECANCELED);
			}
			exercise_collected(exercise, &done[i]);
			seen++;
		}
	}
	return !exercise->lost;
}

struct exercise_buffer *exercise_take(struct exercise *exercise, unsigned int index)
{
	struct exercise_device *device = &exercise->devices[index];
	struct exercise_buffer *buffer;
	size_t at;

	while (!exercise->lost && !device->free)
		if (!exercise_collect(exercise))
			return NULL;
	if (exercise->lost)
		return NULL;
	buffer = device->free;
	at = pattern_guard_compare(buffer->data, buffer->offset, exercise->spec.transfer_size);
	if (!exercise_check(exercise, CHECK_AREA, at == exercise->spec.transfer_size,
			    "byte %zu of a buffer that was not the client's was written to", at))
		return NULL;
	device->free = buffer->next;
	return buffer;
}

static void exercise_queue(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];

	command->next = NULL;
	if (device->head)
		device->tail->next = command;
	else
		device->head = command;
	device->tail = command;
	device->outstanding++;
}

/* Puts back what could not be sent. */
static void exercise_unsent(struct exercise *exercise, struct exercise_command *command)
{
	struct exercise_device *device = &exercise->devices[command->device];

	if (command->buffer) {
		pattern_guard(command->buffer->data, command->buffer->offset, command->size);
		command->buffer->next = device->free;
		device->free = command->buffer;
	}
	command->next = exercise->free;
	exercise->free = command;
}

bool exercise_send(struct exercise *exercise, const struct exercise_command *template)
{
	struct exercise_command *command;
	struct vdi_command record;
	char words[160];
	int ret;

	while (!exercise->lost && !exercise->free)
		if (!exercise_collect(exercise))
			return false;
	if (exercise->lost)
		return false;
	command = exercise->free;
	exercise->free = command->next;
	*command = *template;
	command->done = false;
	record = (struct vdi_command) {
		.device = command->device,
		.code = command->code,
		.length = command->size,
		.id = command - exercise->commands,
		.offset = command->buffer ? command->buffer->offset : 0,
		.position = command->position,
	};
	for (;;) {
		struct vdi_batch batch = { };

		ret = vdi_server_exchange(exercise->server, &record, 1, NULL, 0, 0, &batch);
		if (!ret && batch.accepted) {
			exercise_queue(exercise, command);
			return true;
		}
		if (!ret)
			ret = batch.refused;
		if (ret != -EXFULL)
			break;
		if (!exercise_collect(exercise))
			break;
	}
	exercise_unsent(exercise, command);
	/* an error is among the answers that are to be collected: its handler knows */
	if (ret == -EREMOTEIO)
		return exercise_drain(exercise, template->device);
	return exercise_failed(exercise, exercise_words(exercise, template, words, sizeof(words)),
			       ret);
}

bool exercise_drain(struct exercise *exercise, unsigned int device)
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++)
		while (!exercise->lost && (device == EXERCISE_ALL || device == i) &&
		       exercise->devices[i].head)
			exercise_collect(exercise);
	return !exercise->lost && exercise_check(exercise, CHECK_ALIVE, true, NULL);
}

static void exercise_keep(struct exercise *exercise, struct exercise_command *command)
{
	exercise->last = *command;
}

bool exercise_call(struct exercise *exercise, unsigned int device, uint16_t code, int32_t size,
		   uint64_t position, struct exercise_command *answer)
{
	const struct exercise_command command = {
		.device = device,
		.code = code,
		.size = size,
		.position = position,
		.finish = exercise_keep,
	};

	/* stays if the device is in the I/O-error state */
	exercise->last = command;
	exercise->last.answer = VDI_CODE_IO_DEVICE;
	if (!exercise_drain(exercise, device) || !exercise_send(exercise, &command) ||
	    !exercise_drain(exercise, device))
		return false;
	*answer = exercise->last;
	return true;
}

static bool exercise_succeeded(struct exercise *exercise, enum check which,
			       const struct exercise_command *command)
{
	char words[160];

	return exercise_check(exercise, which, !command->answer,
			      "%s was answered with %u (%s) instead of 0",
			      exercise_words(exercise, command, words, sizeof(words)),
			      command->answer, vdi_code_text(command->answer));
}

bool exercise_do(struct exercise *exercise, enum check which, unsigned int device, uint16_t code,
		 int32_t size, uint64_t position, struct exercise_command *answer)
{
	struct exercise_command command;

	if (!exercise_call(exercise, device, code, size, position, &command) ||
	    !exercise_succeeded(exercise, which, &command))
		return false;
	if (answer)
		*answer = command;
	return true;
}

static void exercise_flushed(struct exercise *exercise, struct exercise_command *command)
{
	exercise_succeeded(exercise, CHECK_FLUSH, command);
}

static void exercise_completed(struct exercise *exercise, struct exercise_command *command)
{
	exercise_succeeded(exercise, CHECK_COMPLETE, command);
}

bool exercise_post(struct exercise *exercise, unsigned int device, uint16_t code)
{
	const struct exercise_command command = {
		.device = device,
		.code = code,
		.finish = code == VDI_CMD_FLUSH ? exercise_flushed : exercise_completed,
	};

	return exercise_send(exercise, &command);
}

bool exercise_post_all(struct exercise *exercise, uint16_t code)
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++)
		if (!exercise_post(exercise, i, code))
			return false;
	return exercise_drain(exercise, EXERCISE_ALL);
}

bool exercise_clear_error(struct exercise *exercise, unsigned int device)
{
	if (!exercise_do(exercise, CHECK_CLEAR_ERROR, device, VDI_CMD_CLEAR_ERROR, 0, 0, NULL))
		return false;
	exercise->devices[device].errored = false;
	return true;
}
