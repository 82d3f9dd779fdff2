/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Both sides of a set through libvdi, in one process: up to a state that the
 * test names, with a completion agent in a thread if it wants one.  Callbacks
 * are written down in a log.  Expectations are the tests' own.
 */
#ifndef VDI_TEST_LIBLINK_H
#define VDI_TEST_LIBLINK_H

#include <pthread.h>
#include <stdatomic.h>

#include <libvdi.h>

#include "child.h"

enum lib_state {
	LIB_DNE, LIB_CONNECTED, LIB_CONFIGURABLE, LIB_INITIALIZING, LIB_ACTIVE,
	LIB_TERMINATED, LIB_ABORTED,
};

/**
 * struct lib_link - Both sides of a set
 * @client: client's object
 * @server: server's
 * @name: of the set
 * @n: number of devices
 * @config: for Create; bend it before lib_link_to()
 * @begin: for BeginConfiguration
 * @buffers: how many of @begin's max_transfer_size to request
 * @cdev: devices of the client
 * @sdev: devices of the server
 * @agent: the agent's thread
 * @agent_tid: its id, 0 until it runs
 * @agent_runs: it was started and not yet joined
 * @agent_done: it has returned
 * @agent_ret: what it returned
 */
struct lib_link {
	struct vdi_client *client;
	struct vdi_server *server;
	char name[VDI_NAME_SIZE];
	int n;
	struct vdi_config config;
	struct vdi_config begin;
	unsigned int buffers;
	struct vdi_client_device *cdev[VDI_MAX_DEVICES];
	struct vdi_server_device *sdev[VDI_MAX_DEVICES];
	pthread_t agent;
	atomic_int agent_tid;
	bool agent_runs;
	atomic_bool agent_done;
	int agent_ret;
};

static inline void lib_link_init(struct lib_link *l, int devices)
{
	*l = (struct lib_link){ .n = devices, .buffers = 4 };
	vt_name(l->name);
	l->config.device_count = devices;
	l->begin.features = VDI_FEAT_WRITE_MEDIA;
	l->begin.max_transfer_size = VT_TRANSFER;
}

static inline int lib_open_devices(struct lib_link *l, bool client)
{
	char name[VDI_NAME_SIZE];
	int i, ret;

	for (i = 0; i < l->n; i++) {
		vt_device_name(name, l->name, i);
		ret = vdi_server_open_device(l->server, name, &l->sdev[i]);
		if (!ret && client)
			ret = vdi_client_open_device(l->client, name, &l->cdev[i]);
		if (ret)
			return ret;
	}
	return 0;
}

static inline int lib_configure(struct lib_link *l)
{
	return vdi_server_begin_config(l->server, &l->begin) ?:
	       vdi_server_request_buffers(l->server, l->begin.max_transfer_size, 0,
					  l->buffers) ?:
	       vdi_server_end_config(l->server);
}

/* Brings the set to a state; Active is without an agent.  0 or -errno. */
static inline int lib_link_to(struct lib_link *l, enum lib_state state)
{
	int i, ret = vdi_client_new(&l->client) ?: vdi_server_new(&l->server);

	if (ret || state == LIB_DNE)
		return ret;
	ret = vdi_client_create(l->client, l->name, &l->config) ?:
	      vdi_server_open(l->server, NULL, l->name);
	if (ret || state == LIB_CONNECTED)
		return ret;
	if (state == LIB_CONFIGURABLE)
		return vdi_server_begin_config(l->server, &l->begin);
	ret = lib_configure(l) ?: lib_open_devices(l, state != LIB_INITIALIZING);
	for (i = 0; !ret && state == LIB_TERMINATED && i < l->n; i++)
		ret = vdi_server_close_device(l->sdev[i]);
	if (!ret && state == LIB_ABORTED)
		ret = vdi_client_abort(l->client, 0, NULL);
	return ret;
}

static inline void *lib_agent(void *arg)
{
	struct lib_link *l = arg;

	atomic_store(&l->agent_tid, syscall(SYS_gettid));
	l->agent_ret = vdi_server_run_agent(l->server);
	atomic_store(&l->agent_done, true);
	return NULL;
}

/* Starts the agent and waits until it waits, or has returned. */
static inline bool lib_agent_start(struct lib_link *l)
{
	atomic_store(&l->agent_done, false);
	atomic_store(&l->agent_tid, 0);
	l->agent_ret = 1;
	l->agent_runs = !pthread_create(&l->agent, NULL, lib_agent, l);
	return l->agent_runs &&
	       VT_UNTIL(atomic_load(&l->agent_done) ||
			(atomic_load(&l->agent_tid) && vt_asleep_now(atomic_load(&l->agent_tid))));
}

/* Waits until the agent has returned by itself. */
static inline bool lib_agent_ends(struct lib_link *l)
{
	if (!l->agent_runs || !VT_UNTIL(atomic_load(&l->agent_done)))
		return false;
	pthread_join(l->agent, NULL);
	l->agent_runs = false;
	return true;
}

static inline void lib_link_down(struct lib_link *l)
{
	if (l->agent_runs) {
		vdi_server_abort(l->server, 0, NULL);
		lib_agent_ends(l);
	}
	vdi_client_free(l->client);
	vdi_server_free(l->server);
}

/**
 * struct lib_call - What the callback of one command saw
 * @calls: how often it was called
 * @thread: by whom
 * @code: completion code
 * @command: the command
 */
struct lib_call {
	atomic_int calls;
	pthread_t thread;
	uint32_t code;
	struct vdi_server_command command;
};

static inline void lib_done(struct vdi_server_command *command)
{
	struct lib_call *c = command->context;

	c->thread = pthread_self();
	c->code = command->completion_code;
	atomic_fetch_add(&c->calls, 1);
}

static inline struct vdi_server_command *lib_command(struct lib_call *c, uint32_t code)
{
	c->command = (struct vdi_server_command){ .code = code, .done = lib_done, .context = c };
	atomic_store(&c->calls, 0);
	return &c->command;
}

static inline int lib_send(struct lib_link *l, int device, struct lib_call *c, uint32_t code)
{
	return vdi_server_send_command(l->sdev[device], lib_command(c, code));
}

/* A command that was called back once; false if that does not happen. */
static inline bool lib_called(struct lib_call *c)
{
	return VT_UNTIL(atomic_load(&c->calls) == 1);
}

#endif /* VDI_TEST_LIBLINK_H */
