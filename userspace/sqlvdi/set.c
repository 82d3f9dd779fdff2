// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * ClientVirtualDeviceSet: makes sessions and ends them, and passes calls on.
 * What a result is in words is report.c's, and the state of a set the kernel's.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "class.h"
#include "report.h"
#include "session.h"
#include "vdierror.h"

#define CLASS	"ClientVirtualDeviceSet::"

/**
 * struct CVDS - What is behind a ClientVirtualDeviceSet
 * @lock: one of Create, OpenInSecondary and Close at a time
 * @session: the set that is open, or NULL
 * @past: those that were closed: the program may still have devices of them
 * @reported: see struct session; goes on from one to the next
 */
struct CVDS {
	pthread_mutex_t lock;
	struct session *session;
	struct session *past;
	int reported;
};

void set_construct(struct set_object *self)
{
	self->cvds = calloc(1, sizeof(*self->cvds));
	if (self->cvds)
		pthread_mutex_init(&self->cvds->lock, NULL);
}

void set_construct_base(struct set_object *self) SAME_AS("_ZN22ClientVirtualDeviceSetC1Ev");

static struct session *enter(struct set_object *self)
{
	struct CVDS *cvds = self ? self->cvds : NULL;
	struct session *s = cvds ? __atomic_load_n(&cvds->session, __ATOMIC_ACQUIRE) : NULL;

	return s && session_enter(s) ? s : NULL;
}

static int leave(struct session *s, const char *method, int err, const char *about)
{
	int result = report_result(s, method, err, about);

	session_leave(s);
	return result;
}

/* The device node, and what may be wrong with it. */
static int open_node(struct session *s, const char *method)
{
	int err = vdi_client_new(&s->client);

	switch (err) {
	case -ENOENT:
	case -ENODEV:
		report_line(method, VD_E_NOTOPEN, s->name, s->environment.instance,
			    "no device node of the vdi module: is the module loaded? see vdi(4)");
		return VD_E_NOTOPEN;
	case -EACCES:
	case -EPERM:
		report_line(method, VD_E_SECURITY, s->name, s->environment.instance,
			    "the device node is not for this user: the group of it may use it, see vdi(4)");
		return VD_E_SECURITY;
	default:
		return report_result(s, method, err, "the device node");
	}
}

/* Create, or with no @config OpenInSecondary, on a new session. */
static int bind_session(struct session *s, const char *method, const char *name,
			const struct VDConfig *config)
{
	const struct environment *e = &s->environment;
	struct vdi_config inputs = { 0 };
	char about[100] = "";
	char why[VDI_NAME_SIZE] = "";
	int result, err;

	result = environment_read(&s->environment, why, sizeof(why));
	if (result) {
		report_line(method, result, s->name, "", why);
		return result;
	}
	result = open_node(s, method);
	if (result)
		return result;
	if (config) {
		/* what the server decides is not looked at: it may be anything */
		inputs.device_count = config->deviceCount;
		inputs.features = config->features;
		inputs.prefix_zone_size = config->prefixZoneSize;
		inputs.alignment = config->alignment;
		inputs.soft_filemark_block_size = config->softFileMarkBlockSize;
		inputs.eom_warning_size = config->EOMWarningSize;
		inputs.server_timeout_ms = config->serverTimeOut;
		err = vdi_client_create_ex(s->client, e->instance, name, &inputs, &e->options);
	} else {
		err = vdi_client_open_secondary(s->client, e->instance, name);
	}
	if (err == -EOPNOTSUPP && config)
		snprintf(about, sizeof(about),
			 "deviceCount %u, features 0x%x, alignment %u, prefixZoneSize %u",
			 config->deviceCount, config->features, config->alignment,
			 config->prefixZoneSize);
	return report_result(s, method, err, about);
}

static int begin(struct set_object *self, const char *method, const char *name,
		 const struct VDConfig *config, bool secondary)
{
	struct CVDS *cvds = self ? self->cvds : NULL;
	struct session *s;
	int result;

	if (!cvds)
		return VD_E_MEMORY;
	pthread_mutex_lock(&cvds->lock);
	if (cvds->session) {
		result = VD_E_PROTOCOL;
	} else if (!name || (!config && !secondary)) {
		result = VD_E_INVALID;
	} else {
		s = session_new(name, secondary);
		if (s) {
			s->reported = cvds->reported;
			result = bind_session(s, method, name, config);
			cvds->reported = result ? s->reported : 0;
		} else {
			result = VD_E_MEMORY;
		}
		if (!result) {
			__atomic_store_n(&cvds->session, s, __ATOMIC_RELEASE);
		} else if (s) {
			session_shut(s);
			session_drop(s);
		}
	}
	pthread_mutex_unlock(&cvds->lock);
	return result;
}

int set_create(struct set_object *self, char *name, struct VDConfig *config)
{
	return begin(self, CLASS "Create", name, config, false);
}

int set_open_in_secondary(struct set_object *self, char *name)
{
	return begin(self, CLASS "OpenInSecondary", name, NULL, true);
}

int set_get_configuration(struct set_object *self, time_t timeout, struct VDConfig *config)
{
	struct session *s = enter(self);
	struct vdi_config final;
	int err = -EINVAL;

	if (!s)
		return VD_E_PROTOCOL;
	if (config)
		err = vdi_client_get_config(s->client, environment_timeout(timeout), &final);
	if (!err)
		*config = (struct VDConfig){
			.deviceCount = final.device_count,
			.features = final.features,
			.prefixZoneSize = final.prefix_zone_size,
			.alignment = final.alignment,
			.softFileMarkBlockSize = final.soft_filemark_block_size,
			.EOMWarningSize = final.eom_warning_size,
			.serverTimeOut = final.server_timeout_ms,
			.blockSize = final.block_size,
			.maxIODepth = final.max_io_depth,
			.maxTransferSize = final.max_transfer_size,
			.bufferAreaSize = final.buffer_area_size,
		};
	return leave(s, CLASS "GetConfiguration", err, "");
}

/* Memory comes first: a device that was opened can't be given back. */
static int open_device(struct session *s, const char *name, struct device_object **device)
{
	struct device_object *object = malloc(sizeof(*object));
	struct CVD *cvd = calloc(1, sizeof(*cvd));
	int err = -ENOMEM;

	if (object && cvd)
		err = vdi_client_open_device(s->client, name, &cvd->device);
	if (err) {
		free(object);
		free(cvd);
		return err;
	}
	cvd->object = object;
	object->cvd = cvd;
	session_add(s, cvd);
	*device = object;
	return 0;
}

int set_open_device(struct set_object *self, char *name, struct device_object **device)
{
	struct session *s = enter(self);
	char about[VDI_NAME_SIZE + 8] = "";
	int err = -EINVAL;

	if (device)
		*device = NULL;
	if (!s)
		return VD_E_PROTOCOL;
	if (name && device)
		err = open_device(s, name, device);
	if (err && name)
		snprintf(about, sizeof(about), "device '%s'", name);
	return leave(s, CLASS "OpenDevice", err, about);
}

int set_signal_abort(struct set_object *self)
{
	struct session *s = enter(self);
	const char *code_name;
	char text[VDI_TEXT_SIZE];
	uint32_t code;
	int n;

	if (!s)
		return VD_E_PROTOCOL;
	code = __atomic_load_n(&s->last_code, __ATOMIC_RELAXED);
	n = snprintf(text, sizeof(text), "SignalAbort by %.40s", program_invocation_short_name);
	if (code) {
		code_name = vdi_code_name(code);
		snprintf(text + n, sizeof(text) - (size_t)n, ", after completion code %u%s%s", code,
			 *code_name ? " " : "", code_name);
	}
	return leave(s, CLASS "SignalAbort", vdi_client_abort(s->client, code, text), "");
}

/* By the holder of cvds->lock.  -EIO: it is another process's, nothing was done. */
static int close_session(struct CVDS *cvds)
{
	struct session *s = cvds->session;
	int result, err = vdi_client_close(s->client);

	result = report_result(s, CLASS "Close", err, "");
	if (err && err != -EBUSY)
		return result;
	if (err)
		report_line(CLASS "Close", result, s->name, s->environment.instance,
			    "devices are open, so this aborts the set");
	__atomic_store_n(&cvds->session, NULL, __ATOMIC_RELEASE);
	s->next = cvds->past;
	cvds->past = s;
	session_shut(s);
	return result;
}

int set_close(struct set_object *self)
{
	struct CVDS *cvds = self ? self->cvds : NULL;
	int result = VD_E_PROTOCOL;

	if (!cvds)
		return result;
	pthread_mutex_lock(&cvds->lock);
	if (cvds->session)
		result = close_session(cvds);
	pthread_mutex_unlock(&cvds->lock);
	return result;
}

/*
 * Without the lock: nobody else uses the object any more, but in a child after
 * fork() a thread that is not there may hold it.
 */
void set_destroy(struct set_object *self)
{
	struct CVDS *cvds = self->cvds;
	struct session *s;

	self->cvds = NULL;
	if (!cvds)
		return;
	if (cvds->session && cvds->session->pid == getpid())
		close_session(cvds);
	if (cvds->session) {
		session_shut(cvds->session);
		session_drop(cvds->session);
	}
	while ((s = cvds->past)) {
		cvds->past = s->next;
		session_drop(s);
	}
	free(cvds);
}

void set_destroy_base(struct set_object *self) SAME_AS("_ZN22ClientVirtualDeviceSetD1Ev");

int set_get_buffer_handle(struct set_object *self, uint8_t *buffer, unsigned int *handle)
{
	struct session *s = enter(self);
	int err;

	if (!s)
		return VD_E_PROTOCOL;
	err = vdi_client_get_buffer_handle(s->client, buffer, handle);
	return leave(s, CLASS "GetBufferHandle", err, "not the address of a buffer");
}

int set_map_buffer_handle(struct set_object *self, int handle, uint8_t **buffer)
{
	struct session *s = enter(self);
	void *address = NULL;
	int err = -EINVAL;

	if (buffer)
		*buffer = NULL;
	if (!s)
		return VD_E_PROTOCOL;
	if (buffer && handle > 0)
		err = vdi_client_map_buffer_handle(s->client, (uint32_t)handle, &address);
	if (!err)
		*buffer = address;
	return leave(s, CLASS "MapBufferHandle", err, "not the handle of a buffer");
}

void set_register_device_closed(struct set_object *self)
{
	(void)self;
}
