/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The test's client: its options, and what a thread that serves a device has.
 */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include <libvdi.h>

#include "fault.h"
#include "medium.h"

struct client {
	enum medium_kind kind;
	uint32_t features;
	uint32_t prefix;
	unsigned int count;
	uint64_t limit;		/* bytes of a medium */
	bool shuffle;
	bool restore;
	const char *set;
	const char *dir;
	enum fault fault;
	struct vdi_client *client;
	struct vdi_config config;
	struct station *stations;
	atomic_bool failed;
	atomic_bool aborted;
};

struct answer {
	uint32_t code;
	uint32_t bytes;
	uint64_t position;
	bool none;		/* fault: it is never given */
};

struct station {
	struct client *client;
	unsigned int index;
	pthread_t tid;
	struct vdi_client_device *device;
	struct medium medium;
	/* of faults */
	unsigned int writes, reads, marks;
	bool error;
	uint8_t *given_back;	/* a buffer that is the server's again */
};

/* The right answer, and what it takes. */
void client_execute(struct station *station, const struct vdi_client_command *command,
		    struct answer *answer);

/* Is this the fault, and this the device that has it? */
bool fault_is(const struct station *station, enum fault fault);
/* Instead of client_execute(): true if nothing more is to be done for the answer. */
bool fault_before(struct station *station, const struct vdi_client_command *command,
		  struct answer *answer);
/* Spoils the answer, or what was done for it. */
void fault_after(struct station *station, const struct vdi_client_command *command,
		 struct answer *answer);
/* Around the completion itself. */
void fault_complete(struct station *station, const struct vdi_client_command *command,
		    const struct answer *answer);
void fault_completed(struct station *station, const struct vdi_client_command *command,
		     uint16_t code);

#endif /* CLIENT_CLIENT_H */
