// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The completion agent, and the table of commands that are outstanding: it sees
 * to it that each command that was accepted gets its callback exactly once.
 *
 * The kernel is given an index and a generation, never an address, so a
 * completion of a stranger's (of a batch call) can't be taken for a command.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "set.h"

#define AGENT_BATCH	64
#define FIRST_ENTRIES	64
#define MAX_ENTRIES	(1U << 30)

/* More free entries, when there is none; by the holder of server->lock. */
static int grow(struct vdi_server *server)
{
	uint32_t i, nr = server->nr_sent ? server->nr_sent * 2 : FIRST_ENTRIES;
	struct libvdi_sent *sent;

	if (nr > MAX_ENTRIES)
		return -ENOMEM;
	sent = reallocarray(server->sent, nr, sizeof(*sent));
	if (!sent)
		return -ENOMEM;
	for (i = server->nr_sent; i < nr; i++)
		sent[i] = (struct libvdi_sent){ .generation = 1, .next = i + 1 };
	server->free_sent = server->nr_sent;
	server->nr_sent = nr;
	server->sent = sent;
	return 0;
}

/* By the holder of server->lock. */
int libvdi_sent_add(struct vdi_server *server, struct vdi_server_command *command,
		    void *buffer, uint64_t *id)
{
	struct libvdi_sent *entry;
	int err;

	if (server->free_sent == server->nr_sent) {
		err = grow(server);
		if (err)
			return err;
	}
	entry = &server->sent[server->free_sent];
	*id = (uint64_t)entry->generation << 32 | server->free_sent;
	server->free_sent = entry->next;
	server->outstanding++;
	entry->command = command;
	entry->buffer = buffer;
	entry->accepted = false;
	return 0;
}

static struct libvdi_sent *find(struct vdi_server *server, uint64_t id)
{
	uint32_t index = (uint32_t)id;

	if (index >= server->nr_sent || !server->sent[index].command ||
	    server->sent[index].generation != id >> 32)
		return NULL;
	return &server->sent[index];
}

/* By the holder of server->lock.  The callback may have been called already. */
void libvdi_sent_accepted(struct vdi_server *server, uint64_t id)
{
	struct libvdi_sent *entry = find(server, id);

	if (entry)
		entry->accepted = true;
}

static struct vdi_server_command *take(struct vdi_server *server,
				       struct libvdi_sent *entry)
{
	struct vdi_server_command *command = entry->command;

	if (entry->buffer)
		libvdi_pool_unpin(&server->pool, entry->buffer);
	entry->command = NULL;
	entry->generation++;
	entry->next = server->free_sent;
	server->free_sent = (uint32_t)(entry - server->sent);
	server->outstanding--;
	return command;
}

/* By the holder of server->lock, for a command that was refused. */
void libvdi_sent_remove(struct vdi_server *server, uint64_t id)
{
	struct libvdi_sent *entry = find(server, id);

	if (entry)
		take(server, entry);
}

static void deliver(struct vdi_server *server, const struct vdi_completion *c)
{
	struct vdi_server_command *command = NULL;
	struct libvdi_sent *entry;

	if (c->kind != VDI_KIND_COMPLETION)
		return;
	pthread_mutex_lock(&server->lock);
	entry = find(server, c->id);
	if (entry)
		command = take(server, entry);
	pthread_mutex_unlock(&server->lock);
	if (!command)
		return;

	command->completion_code = c->code;
	switch (command->code) {
	case VDI_CMD_READ:
	case VDI_CMD_WRITE:
		command->bytes_transferred = (uint32_t)c->result;
		break;
	case VDI_CMD_GET_POSITION:
	case VDI_CMD_SET_POSITION:
		command->out_position = (int64_t)c->result;
		break;
	}
	command->done(command);
}

/*
 * Collects until there is nothing left to come.  The set's end, an abort and
 * Close all end the wait, after what is left was delivered.
 */
static int collect(struct vdi_server *server)
{
	struct vdi_completion done[AGENT_BATCH];
	struct pollfd ready = { .fd = server->fd, .events = POLLIN };
	struct vdi_batch batch = { .min = 1 };
	unsigned int i;
	int err;

	for (;;) {
		err = libvdi_exchange(server->fd, NULL, 0, done, AGENT_BATCH, -1,
				      &batch);
		/* It is O_NONBLOCK, as an event loop may want it */
		if (err == -EAGAIN) {
			poll(&ready, 1, -1);
			continue;
		}
		if (err)
			return err;
		for (i = 0; i < batch.delivered; i++)
			deliver(server, &done[i]);
	}
}

/*
 * Nothing more will come from the kernel.  Whatever it accepted has been
 * collected, so this finds a command only if somebody else took its completion.
 * One that is being sent at this moment gets its answer from the sender.
 */
static void sweep(struct vdi_server *server)
{
	struct vdi_completion c = {
		.kind = VDI_KIND_COMPLETION,
		.code = VDI_CODE_OPERATION_ABORTED,
	};
	uint32_t i;

	pthread_mutex_lock(&server->lock);
	for (i = 0; i < server->nr_sent; i++) {
		struct libvdi_sent *entry = &server->sent[i];

		if (!entry->command || !entry->accepted)
			continue;
		c.id = (uint64_t)entry->generation << 32 | i;
		pthread_mutex_unlock(&server->lock);
		deliver(server, &c);
		pthread_mutex_lock(&server->lock);
	}
	pthread_mutex_unlock(&server->lock);
}

/* By the holder of server->lock, which is let go meanwhile.  Gives collect()'s. */
static int run(struct vdi_server *server)
{
	int err;

	server->agent_runs = true;
	server->agent = pthread_self();
	pthread_mutex_unlock(&server->lock);

	err = collect(server);
	if (err == -ECANCELED || err == -ESHUTDOWN ||
	    __atomic_load_n(&server->state, __ATOMIC_RELAXED) == LIBVDI_CLOSED)
		sweep(server);

	pthread_mutex_lock(&server->lock);
	server->agent_runs = false;
	if (server->state == LIBVDI_CLOSED) {
		libvdi_server_release(server);
		if (err == -EPROTO)
			err = -ECANCELED;
	}
	pthread_cond_broadcast(&server->agent_ended);
	return err;
}

/*
 * After the kernel's CLOSE, by the holder of server->lock: all callbacks come
 * before it returns.  From inside a callback that can't be: then the agent does
 * the rest when it goes on.
 */
void libvdi_agent_finish(struct vdi_server *server)
{
	if (!server->agent_runs)
		run(server);
	else if (!pthread_equal(server->agent, pthread_self()))
		while (server->agent_runs)
			pthread_cond_wait(&server->agent_ended, &server->lock);
}

int vdi_server_run_agent(struct vdi_server *server)
{
	int err, state;

	if (!server)
		return -EINVAL;
	state = libvdi_server_state(server);
	if (state < 0)
		return state;

	pthread_mutex_lock(&server->lock);
	if (server->agent_runs || server->state != LIBVDI_CONFIGURED ||
	    state < VDI_STATE_INITIALIZING)
		err = -EPROTO;
	else if (state == VDI_STATE_ABORTED && !server->outstanding)
		err = -ECANCELED;
	else if (state == VDI_STATE_TERMINATED && !server->outstanding)
		err = -EPROTO;
	else
		err = 0;
	if (err) {
		pthread_mutex_unlock(&server->lock);
		return err;
	}
	/* A callback may close and free the server. */
	libvdi_server_get(server);
	err = run(server);
	pthread_mutex_unlock(&server->lock);
	libvdi_server_put(server);
	return err == -ESHUTDOWN || err == -ECANCELED ? 0 : err;
}
