/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A set whose client is a program of the SDK, and whose server is libvdi, in one
 * process: up to a state that the test names.  Expectations are the tests' own.
 */
#ifndef VDI_TEST_SDKLINK_H
#define VDI_TEST_SDKLINK_H

#include <pthread.h>
#include <stdatomic.h>

#include <libvdi.h>

#include "child.h"
#include "sdk/glue.h"

#define SDK_DEVICES	2

/* The columns of the client's transition table (2.2) */
enum sdk_state {
	SDK_DNE, SDK_CONFIGURABLE, SDK_INITIALIZING, SDK_ACTIVE, SDK_TERMINATED, SDK_ABORT,
};

/**
 * struct sdk_link - Both sides
 * @set: the client's object
 * @server: the server's
 * @name: of the set and of its first device
 * @second: name of the second device
 * @config: for Create; bend it before sdk_link_to()
 * @dev: devices of the client
 * @sdev: devices of the server
 */
struct sdk_link {
	struct sdk_set *set;
	struct vdi_server *server;
	char name[VDI_NAME_SIZE];
	char second[VDI_NAME_SIZE];
	struct VDConfig config;
	struct sdk_device *dev[SDK_DEVICES];
	struct vdi_server_device *sdev[SDK_DEVICES];
};

static inline void sdk_link_init(struct sdk_link *l)
{
	*l = (struct sdk_link){ .config.deviceCount = SDK_DEVICES };
	vt_name(l->name);
	vt_device_name(l->second, l->name, 1);
	l->set = sdk_new();
}

/* The server configures the set and opens its devices.  0 or -errno. */
static inline int sdk_link_serve(struct sdk_link *l)
{
	struct vdi_config begin = {
		.features = VDI_FEAT_WRITE_MEDIA | (l->config.features & ~VDI_FEAT_WRITE_MEDIA),
		.max_transfer_size = VT_TRANSFER,
	};

	return vdi_server_new(&l->server) ?:
	       vdi_server_open(l->server, NULL, l->name) ?:
	       vdi_server_begin_config(l->server, &begin) ?:
	       vdi_server_request_buffers(l->server, VT_TRANSFER, 0, 4) ?:
	       vdi_server_end_config(l->server) ?:
	       vdi_server_open_device(l->server, l->name, &l->sdev[0]) ?:
	       vdi_server_open_device(l->server, l->second, &l->sdev[1]);
}

/* What the device's next GetCommand gives, whatever comes with it. */
static inline int sdk_next(struct sdk_link *l, int device)
{
	struct VDC_Command *c;

	return sdk_get_command(l->dev[device], 20000, &c);
}

/* Brings the set to a state; 0, or the result or -errno of what failed. */
static inline int sdk_link_to(struct sdk_link *l, enum sdk_state state)
{
	int i, ret;

	if (state == SDK_DNE)
		return 0;
	ret = sdk_create(l->set, l->name, &l->config);
	if (ret || state == SDK_CONFIGURABLE)
		return ret;
	ret = sdk_link_serve(l) ?:
	      sdk_get_configuration(l->set, 20000, &l->config) ?:
	      sdk_open_device(l->set, l->name, &l->dev[0]);
	if (ret || state == SDK_INITIALIZING)
		return ret;
	ret = sdk_open_device(l->set, l->second, &l->dev[1]);
	if (ret || state == SDK_ACTIVE)
		return ret;
	if (state == SDK_ABORT)
		return vdi_server_abort(l->server, 3013, "the test wants it");
	for (i = 0; i < SDK_DEVICES; i++)
		if (vdi_server_close_device(l->sdev[i]) || sdk_next(l, i) != VD_E_CLOSE)
			return 1;
	return 0;
}

static inline void sdk_link_down(struct sdk_link *l)
{
	sdk_delete(l->set);
	vdi_server_free(l->server);
}

/* A command without a buffer, or with the first one.  0 or -errno. */
static inline int sdk_send(struct sdk_link *l, int device, unsigned int code, int size)
{
	struct vdi_command c = { .code = code, .length = size, .device = device, .id = 7 };
	struct vdi_batch batch = { 0 };

	return vdi_server_device_exchange(l->sdev[device], &c, 1, NULL, 0, 0, &batch);
}

/* The completion that comes next from a device.  0 or -errno. */
static inline int sdk_collect(struct sdk_link *l, int device, struct vdi_completion *c)
{
	struct vdi_batch batch = { .min = 1 };

	return vdi_server_device_exchange(l->sdev[device], NULL, 0, c, 1, 20000, &batch);
}

/**
 * struct sdk_waiter - A thread in GetCommand
 * @device: of it
 * @timeout: its argument
 * @thread: the thread
 * @tid: its id, 0 until it runs
 * @done: it has returned
 * @result: what it gave
 */
struct sdk_waiter {
	struct sdk_device *device;
	time_t timeout;
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	int result;
};

static inline void *sdk_waiter_run(void *arg)
{
	struct sdk_waiter *w = arg;
	struct VDC_Command *command;

	atomic_store(&w->tid, syscall(SYS_gettid));
	w->result = sdk_get_command(w->device, w->timeout, &command);
	atomic_store(&w->done, true);
	return NULL;
}

/* Starts it and sees that it sleeps, or has returned. */
static inline bool sdk_wait(struct sdk_waiter *w, struct sdk_device *device, time_t timeout)
{
	*w = (struct sdk_waiter){ .device = device, .timeout = timeout };
	return !pthread_create(&w->thread, NULL, sdk_waiter_run, w) &&
	       VT_UNTIL(atomic_load(&w->done) ||
			(atomic_load(&w->tid) && vt_asleep_now(atomic_load(&w->tid))));
}

/* What it gave, or 1 if it does not return. */
static inline int sdk_waited(struct sdk_waiter *w)
{
	if (!VT_UNTIL(atomic_load(&w->done)))
		return 1;
	pthread_join(w->thread, NULL);
	return w->result;
}

#endif /* VDI_TEST_SDKLINK_H */
