/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The objects behind the opaque handles, and their locks:
 *
 * client->lock		devices, area and ring_depth of a client
 * server->config_lock	one of begin_config, request_buffers, end_config and
 *			open_device at a time, also while the kernel makes
 *			memory; before server->lock
 * server->lock		everything else of a server; short, no call that waits
 * device->lock		blocks of a client's device; a leaf
 *
 * No lock is held while a callback runs or a call waits.
 */
#ifndef LIBVDI_SET_H
#define LIBVDI_SET_H

#include <pthread.h>
#include <stdbool.h>

#include "area.h"
#include "libvdi.h"
#include "node.h"
#include "pool.h"

/**
 * struct libvdi_gate - Who uses the descriptor of a device
 * @fd: the device handle, -1 when it has been closed
 * @users: calls that are inside; with %LIBVDI_GATE_SHUT it lets nobody in
 * @error: what those get that come later
 *
 * Close of a set closes the devices' descriptors while other threads may be in a
 * call or about to make one: the last to leave closes it, so a number that was
 * given to another file meanwhile is never used.
 */
struct libvdi_gate {
	int fd;
	unsigned int users;
	int error;
};

#define LIBVDI_GATE_SHUT	(1U << 31)

void libvdi_gate_init(struct libvdi_gate *gate, int fd);
void libvdi_gate_forked(struct libvdi_gate *gate);
int libvdi_gate_enter(struct libvdi_gate *gate);
void libvdi_gate_leave(struct libvdi_gate *gate);
void libvdi_gate_shut(struct libvdi_gate *gate, int error);
bool libvdi_gate_is_shut(const struct libvdi_gate *gate);
int libvdi_gate_ioctl(struct libvdi_gate *gate, unsigned long request, void *arg);
int libvdi_gate_exchange(struct libvdi_gate *gate, const void *in,
			 unsigned int nr_in, void *out, unsigned int nr_out,
			 int64_t timeout_ms, struct vdi_batch *batch);

/**
 * struct vdi_client - The client's side of a set
 * @fd: set handle (invariant)
 * @pid: the process that has made or adopted it: another one has a copy of the
 *	object, with the locks and the calls of threads that it has not
 * @lock: see above
 * @area: the buffer area
 * @ring_depth: commands that a device can hold, 0 if not known yet
 * @devices: all that were opened, also those of a set that was closed, until
 *	the next one is created
 */
struct vdi_client {
	int fd;
	pid_t pid;
	pthread_mutex_t lock;
	struct libvdi_area area;
	uint32_t ring_depth;
	struct vdi_client_device *devices;
};

/**
 * enum libvdi_server_state - What the library itself has to know
 * @LIBVDI_UNBOUND: new
 * @LIBVDI_CONNECTED: Open was called
 * @LIBVDI_CONFIGURED: EndConfiguration was called
 * @LIBVDI_CLOSED: Close was called
 */
enum libvdi_server_state {
	LIBVDI_UNBOUND,
	LIBVDI_CONNECTED,
	LIBVDI_CONFIGURED,
	LIBVDI_CLOSED,
};

/**
 * struct libvdi_sent - A command that is outstanding
 * @command: the server's, NULL if this entry is free
 * @buffer: the buffer that it has pinned, or NULL
 * @generation: raised at each use, so that an old id is known
 * @next: next free entry
 * @accepted: the kernel has it, so a completion will come
 */
struct libvdi_sent {
	struct vdi_server_command *command;
	void *buffer;
	uint32_t generation;
	uint32_t next;
	bool accepted;
};

/**
 * struct vdi_server - The server's side of a set
 * @fd: set handle (invariant)
 * @pid: as in struct vdi_client
 * @config_lock: see above
 * @lock: see above
 * @agent_ended: signalled when @agent_runs becomes false
 * @state: what the library has seen
 * @refs: the caller, and each call that may outlive it
 * @agent_runs: a thread calls the callbacks
 * @agent: that thread
 * @area: the buffer area
 * @wanted: buffers that are requested and not made yet (config_lock)
 * @pool: buffers that exist; its alignment and prefix are set once, before
 * @sent: commands that are outstanding
 * @nr_sent: entries of @sent, free or not
 * @outstanding: entries in use
 * @free_sent: first free entry, @nr_sent if there is none
 * @devices: all that were opened
 */
struct vdi_server {
	int fd;
	pid_t pid;
	pthread_mutex_t config_lock;
	pthread_mutex_t lock;
	pthread_cond_t agent_ended;
	enum libvdi_server_state state;
	unsigned int refs;
	bool agent_runs;
	pthread_t agent;
	struct libvdi_area area;
	struct libvdi_pool wanted;
	struct libvdi_pool pool;
	struct libvdi_sent *sent;
	uint32_t nr_sent;
	uint32_t outstanding;
	uint32_t free_sent;
	struct vdi_server_device *devices;
};

struct vdi_server_device {
	struct libvdi_gate gate;
	struct vdi_server *server;
	struct vdi_server_device *next;
	unsigned int index;
	bool worker;		/* adopted without its set: no agent is here */
};

/* Whether the command has a buffer, and a size in bytes. */
static inline bool libvdi_has_buffer(uint32_t code)
{
	return code == VDI_CMD_READ || code == VDI_CMD_WRITE;
}

/* set.c */
int libvdi_client_make(struct vdi_client **client, int fd);
int libvdi_server_make(struct vdi_server **server, int fd);
void libvdi_server_unmake(struct vdi_server *server);
int libvdi_server_state(struct vdi_server *server);
void libvdi_server_release(struct vdi_server *server);
void libvdi_server_get(struct vdi_server *server);
void libvdi_server_put(struct vdi_server *server);

/* device.c */
void libvdi_client_devices_shut(struct vdi_client *client);
void libvdi_client_devices_free(struct vdi_client *client);
int libvdi_client_add_device(struct vdi_client *client, int fd,
			     struct vdi_client_device **device);
struct vdi_client_device *libvdi_client_device_next(struct vdi_client_device *dev);
struct libvdi_gate *libvdi_client_device_gate(struct vdi_client_device *dev);
struct libvdi_area *libvdi_client_device_area(struct vdi_client_device *dev);
void libvdi_client_device_forked(struct vdi_client_device *dev);

/* buffer.c */
int libvdi_client_buffer(struct vdi_client *client, int fd, uint64_t offset,
			 void **buffer);

/* send.c */
void libvdi_server_devices_free(struct vdi_server *server);
int libvdi_server_add_device(struct vdi_server *server, int fd,
			     struct vdi_server_device **device);

/* agent.c */
int libvdi_sent_add(struct vdi_server *server, struct vdi_server_command *command,
		    void *buffer, uint64_t *id);
void libvdi_sent_accepted(struct vdi_server *server, uint64_t id);
void libvdi_sent_remove(struct vdi_server *server, uint64_t id);
void libvdi_agent_finish(struct vdi_server *server);

#endif /* LIBVDI_SET_H */
