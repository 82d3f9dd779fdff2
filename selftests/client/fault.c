// SPDX-License-Identifier: GPL-2.0-only
/*
 * The faults of the test's client.  Each is one thing that is wrong at one
 * moment; all else stays right, so that a test can expect one check to fail.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

#define FAULT_WRITE	5	/* the Write that goes wrong */
#define FAULT_READ	3

bool fault_is(const struct station *station, enum fault fault)
{
	return station->client->fault == fault && !station->index;
}

static bool fault_write(struct station *station, enum fault fault)
{
	return fault_is(station, fault) && station->writes == FAULT_WRITE;
}

static bool fault_read(struct station *station, enum fault fault)
{
	return fault_is(station, fault) && station->reads == FAULT_READ;
}

/* The Writes that change what is stored: true if it was stored here. */
static bool fault_store(struct station *station, const struct vdi_client_command *command,
			struct answer *answer)
{
	struct medium *m = &station->medium;
	uint32_t block = m->block;
	uint8_t *buf = command->buffer, *copy;

	if (fault_write(station, FAULT_DROPS) ||
	    (fault_is(station, FAULT_LOSES_AFTER_ERROR) && station->error)) {
		station->error = false;
		answer->bytes = command->size;
		return true;
	}
	if (fault_is(station, FAULT_WARNS_EMPTY) && m->limit &&
	    m->units * block + command->size >= m->limit) {
		answer->bytes = command->size;
		answer->code = VDI_CODE_END_OF_MEDIA;
		return true;
	}
	if (!fault_is(station, FAULT_DISORDERS) && !fault_is(station, FAULT_CORRUPTS))
		return false;
	if ((uint32_t)command->size < 2 * block || station->writes < FAULT_WRITE)
		return false;
	copy = malloc(command->size);
	memcpy(copy, buf, command->size);
	if (fault_is(station, FAULT_CORRUPTS)) {
		copy[block + 1] ^= 0x10;
	} else {
		memcpy(copy, buf + block, block);
		memcpy(copy + block, buf, block);
	}
	answer->code = medium_write(m, command->position, copy, command->size, &answer->bytes);
	free(copy);
	return true;
}

static bool fault_before_write(struct station *station, const struct vdi_client_command *command,
			       struct answer *answer)
{
	station->writes++;
	if (fault_write(station, FAULT_HANGS)) {
		answer->none = true;
		return true;
	}
	if (fault_write(station, FAULT_CRASHES))
		abort();
	if (fault_write(station, FAULT_ABORTS))
		vdi_client_abort(station->client->client, 7, "no mood for it");
	if (fault_write(station, FAULT_CLOSES_EARLY)) {
		vdi_client_close(station->client->client);
		_exit(1);
	}
	if (fault_write(station, FAULT_WRITE_FAILS)) {
		answer->code = VDI_CODE_DISK_FULL;
		return true;
	}
	return fault_store(station, command, answer);
}

static bool fault_before_read(struct station *station, const struct vdi_client_command *command,
			      struct answer *answer)
{
	struct medium *m = &station->medium;

	station->reads++;
	if (fault_read(station, FAULT_READ_FAILS)) {
		answer->code = VDI_CODE_IO_DEVICE;
		return true;
	}
	if (fault_is(station, FAULT_ENDS_EARLY)) {
		m->units--;
		answer->code = medium_read(m, command->position, command->buffer, command->size,
					   &answer->bytes);
		m->units++;
		return true;
	}
	if (fault_read(station, FAULT_SHORT_READ) && (uint32_t)command->size >= 2 * m->block) {
		answer->code = medium_read(m, command->position, command->buffer, m->block,
					   &answer->bytes);
		return true;
	}
	if (fault_read(station, FAULT_SHORT_READ))
		station->reads--;
	if (fault_read(station, FAULT_FILLS_NOTHING)) {
		uint8_t *away = malloc(command->size);

		answer->code = medium_read(m, command->position, away, command->size,
					   &answer->bytes);
		free(away);
		return true;
	}
	return false;
}

static bool fault_before_move(struct station *station, const struct vdi_client_command *command,
			      struct answer *answer)
{
	struct medium *m = &station->medium;

	switch (command->code) {
	case VDI_CMD_WRITE_MARK:
		return fault_is(station, FAULT_LOSES_MARK) && ++station->marks == 2;
	case VDI_CMD_REWIND:
		return fault_is(station, FAULT_NO_REWIND);
	case VDI_CMD_SKIP_BLOCKS:
		if (!fault_is(station, FAULT_SKIPS_ONE_MORE))
			return false;
		answer->code = medium_skip_blocks(m, command->size + 1);
		return true;
	case VDI_CMD_SKIP_MARKS:
		if (!fault_is(station, FAULT_SKIPS_MARKS_BACK) || command->size > 0)
			return false;
		answer->code = medium_skip_marks(m, command->size);
		m->at++;
		return true;
	case VDI_CMD_LOAD:
		if (fault_is(station, FAULT_NO_LOAD))
			answer->code = VDI_CODE_NOT_SUPPORTED;
		if (fault_is(station, FAULT_SAME_MEDIUM) && !m->write)
			m->at = 0;
		return fault_is(station, FAULT_NO_LOAD) ||
		       (fault_is(station, FAULT_SAME_MEDIUM) && !m->write);
	case VDI_CMD_GET_POSITION:
		answer->position = 0;
		return fault_is(station, FAULT_FORGETS_POSITION);
	case VDI_CMD_DISCARD:
		return fault_is(station, FAULT_KEEPS_DISCARDED) && !medium_complete(m);
	default:
		return false;
	}
}

bool fault_before(struct station *station, const struct vdi_client_command *command,
		  struct answer *answer)
{
	switch (command->code) {
	case VDI_CMD_WRITE:
		return fault_before_write(station, command, answer);
	case VDI_CMD_READ:
		return fault_before_read(station, command, answer);
	case VDI_CMD_CLEAR_ERROR:
		station->error = true;
		answer->none = fault_is(station, FAULT_IGNORES_CLEAR);
		if (fault_is(station, FAULT_REFUSES_CLEAR))
			answer->code = VDI_CODE_NOT_SUPPORTED;
		return answer->none || answer->code;
	case VDI_CMD_FLUSH:
		if (fault_is(station, FAULT_FLUSH_FAILS))
			answer->code = VDI_CODE_IO_DEVICE;
		return answer->code || fault_is(station, FAULT_STORES_LATE);
	case VDI_CMD_COMPLETE:
		if (fault_is(station, FAULT_COMPLETE_FAILS))
			answer->code = VDI_CODE_IO_DEVICE;
		return answer->code || fault_is(station, FAULT_STORES_LATE);
	default:
		return fault_before_move(station, command, answer);
	}
}

/* A Read that goes on over a mark as if there was none */
static void fault_hide_mark(struct station *station, const struct vdi_client_command *command,
			    struct answer *answer)
{
	uint32_t more = 0;

	if (answer->code != VDI_CODE_FILEMARK_DETECTED)
		return;
	answer->code = medium_read(&station->medium, 0,
				   (uint8_t *)command->buffer + answer->bytes,
				   command->size - answer->bytes, &more);
	answer->bytes += more;
}

static void fault_after_read(struct station *station, const struct vdi_client_command *command,
			     struct answer *answer)
{
	struct medium *m = &station->medium;
	uint8_t *buf = command->buffer;

	if (fault_is(station, FAULT_HIDES_MARK))
		fault_hide_mark(station, command, answer);
	if (fault_is(station, FAULT_OVERRUNS) &&
	    (uint32_t)command->size < station->client->config.max_transfer_size)
		buf[command->size] = 0;
	if (fault_is(station, FAULT_NEVER_ENDS) && answer->code == VDI_CODE_HANDLE_EOF)
		answer->code = 0;
	if (fault_is(station, FAULT_WRONG_LENGTH) && answer->code == VDI_CODE_HANDLE_EOF) {
		answer->code = 0;
		answer->bytes = command->size;
	}
	/* a hole reads as what the first block has */
	if (fault_is(station, FAULT_FILLS_HOLES)) {
		uint32_t at;

		for (at = 0; at < answer->bytes; at += m->block)
			if (!buf[at] && !memcmp(buf + at, buf + at + 1, m->block - 1))
				memcpy(buf + at, m->data + m->length - m->block, m->block);
	}
}

void fault_after(struct station *station, const struct vdi_client_command *command,
		 struct answer *answer)
{
	if (command->code == VDI_CMD_READ)
		fault_after_read(station, command, answer);
	if (command->code == VDI_CMD_WRITE && fault_write(station, FAULT_SCRIBBLES))
		memset(command->buffer, 0, 16);
	if (command->code == VDI_CMD_WRITE && fault_write(station, FAULT_WRONG_COUNT))
		answer->bytes /= 2;
	if (command->code == VDI_CMD_SET_POSITION && fault_is(station, FAULT_WRONG_POSITION)) {
		station->medium.at++;
		answer->position += station->medium.kind == MEDIUM_DISK;
	}
	if (answer->code == VDI_CODE_NOT_SUPPORTED && command->code != VDI_CMD_CLEAR_ERROR &&
	    fault_is(station, FAULT_KNOWS_ALL))
		answer->code = 0;
}

void fault_complete(struct station *station, const struct vdi_client_command *command,
		    const struct answer *answer)
{
	if (command->code == VDI_CMD_WRITE && fault_write(station, FAULT_TOO_MANY_BYTES))
		vdi_client_complete_command(station->device, command, 0, command->size + 1, 0);
	if (command->code == VDI_CMD_WRITE && fault_write(station, FAULT_TOUCHES_LATER))
		station->given_back = command->buffer;
	(void)answer;
}

void fault_completed(struct station *station, const struct vdi_client_command *command,
		     uint16_t code)
{
	if (code == VDI_CMD_WRITE && fault_write(station, FAULT_ANSWERS_TWICE))
		vdi_client_complete_command(station->device, command, 0, 0, 0);
	if (code == VDI_CMD_COMPLETE && fault_is(station, FAULT_COMPLETES_TWICE))
		vdi_client_complete_command(station->device, command, 0, 0, 0);
	if (code == VDI_CMD_COMPLETE && fault_is(station, FAULT_LEAVES))
		_exit(0);
	if (station->given_back) {
		usleep(200000);		/* it may be in use again, or not */
		station->given_back[0] ^= 1;
		station->given_back = NULL;
	}
}
