/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The server's side of one run of a client under test: the set, the commands
 * on their way, and the checks that hold for every command.
 *
 * Functions that return bool give false when the run can't go on; the check that
 * says why has failed then, and all later calls return false at once.
 */
#ifndef VDI_EXERCISE_H
#define VDI_EXERCISE_H

#include <stdbool.h>
#include <stdint.h>

#include <libvdi.h>

#include "checks.h"
#include "pattern.h"
#include "subject.h"

#define EXERCISE_ALL	(~0U)		/* every device */

struct exercise;
struct flow_media;

struct exercise_buffer {
	struct exercise_buffer *next;
	uint8_t *data;
	uint64_t offset;
};

struct exercise_command {
	struct exercise_command *next;
	unsigned int device;
	uint16_t code;
	int32_t size;
	uint64_t position;		/* in the command */
	uint64_t at;			/* where the data belongs */
	unsigned int version;
	struct exercise_buffer *buffer;
	void *context;
	bool done;
	uint32_t answer;
	uint64_t result;
	/* called in the order in which a device's commands were sent; may be NULL */
	void (*finish)(struct exercise *exercise, struct exercise_command *command);
};

struct exercise_device {
	struct vdi_server_device *device;
	char name[12];		/* for messages: its number */
	struct exercise_command *head, *tail;	/* outstanding, oldest first */
	unsigned int outstanding;
	struct exercise_buffer *free;
	bool errored;		/* an error was answered: ClearError comes next */
	bool closed;
	/* of sequences: see flow.c */
	uint64_t next;		/* what is sent next */
	uint64_t stored;	/* what is known to be stored, or was read */
	uint64_t size;		/* reading: of all media together */
	uint64_t limit;		/* reading: where this medium ends, or the file on it */
	unsigned int medium;
	bool mark;		/* reading: a filemark is there */
	bool ended;		/* reading: the end, or the mark, was reported */
	bool full;		/* writing: the end of the medium was reported */
	uint64_t random;
};

struct exercise_spec {
	const char *name;	/* of the set */
	bool read;
	bool read_back;		/* a backup that also reads */
	bool any_end;		/* the data may end anywhere */
	bool tolerant;		/* a client that refuses is no failure */
	unsigned int depth;
	unsigned int block_size;
	unsigned int transfer_size;
	int64_t connect_ms;	/* 0: for ever */
	int64_t timeout_ms;
};

struct exercise {
	struct exercise_spec spec;
	char name[VDI_NAME_SIZE];
	struct checks *checks;
	struct subject *subject;	/* NULL: somebody else has started it */
	struct pattern pattern;
	struct flow_media *media;	/* of each device; kept from run to run */
	struct vdi_server *server;
	struct vdi_config config;
	unsigned int count;
	struct exercise_device *devices;
	struct exercise_buffer *buffers;
	unsigned int nr_buffers;
	struct exercise_command *commands, *free;
	struct exercise_command last;	/* of exercise_call() */
	uint64_t random;
	bool lost;
	bool closed;
	/* tolerant: what was not as it should be, and the check that would have failed */
	char refused[256];
	enum check refused_by;
};

/* Serves the set; @subject and all else that is given belong to the exercise. */
struct exercise *exercise_new(const struct exercise_spec *spec, struct checks *checks,
			      struct subject *subject, const struct pattern *pattern);
/* Finds the set; gives its configuration by the client. */
bool exercise_connect(struct exercise *exercise);
/* Configures it with what is in @exercise->config and @spec, opens the devices. */
bool exercise_start(struct exercise *exercise);

/* A buffer for a command that moves data; waits for one. */
struct exercise_buffer *exercise_take(struct exercise *exercise, unsigned int device);
/*
 * Sends a copy of @command, with the buffer if it has one; waits for room.  A
 * device in the I/O-error state takes nothing: it is drained and @errored.
 */
bool exercise_send(struct exercise *exercise, const struct exercise_command *command);

/* Sends a command without data when nothing is outstanding, and waits. */
bool exercise_call(struct exercise *exercise, unsigned int device, uint16_t code, int32_t size,
		   uint64_t position, struct exercise_command *answer);
/* The same; the answer must be success. */
bool exercise_do(struct exercise *exercise, enum check which, unsigned int device, uint16_t code,
		 int32_t size, uint64_t position, struct exercise_command *answer);
/* Flush or Complete: sent behind what is outstanding; on all devices, and waited for. */
bool exercise_post(struct exercise *exercise, unsigned int device, uint16_t code);
bool exercise_post_all(struct exercise *exercise, uint16_t code);

/* Waits until all that was sent is answered. */
bool exercise_drain(struct exercise *exercise, unsigned int device);

/* Ends the I/O-error state. */
bool exercise_clear_error(struct exercise *exercise, unsigned int device);

/* Closes the devices, the last one first if @reverse, and waits for the client's end. */
bool exercise_close(struct exercise *exercise, bool reverse);
/* Waits for an end that must not be a success. */
bool exercise_ended_badly(struct exercise *exercise);

/* One look at a check, in words of this run; a bad one is the end of the run. */
bool exercise_check(struct exercise *exercise, enum check which, bool good, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Closes the set, whatever state it is in; kills the client if it still runs. */
void exercise_free(struct exercise *exercise);

#endif /* VDI_EXERCISE_H */
