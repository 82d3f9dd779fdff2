// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * One run of a client under test, from the server's side: finds the set, makes
 * the configuration, opens and closes the devices, watches how the client
 * ends.  The commands are exercise_command.c's.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../engines/stream.h"
#include "exercise_private.h"
#include "report.h"
#include "verdict.h"
#include "watch.h"

#define EXERCISE_PAUSE_MS	20	/* between two looks */
#define EXERCISE_OTHER		8	/* commands without a buffer that may be under way */

int64_t exercise_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Waits a moment; false if the client's process has ended, or we are to end. */
static bool exercise_pause(struct exercise *exercise)
{
	const struct timespec pause = { .tv_nsec = EXERCISE_PAUSE_MS * 1000000L };

	if (watch_interrupted())
		return false;
	if (exercise->subject)
		return !subject_ended(exercise->subject, EXERCISE_PAUSE_MS);
	nanosleep(&pause, NULL);
	return true;
}

bool exercise_check(struct exercise *exercise, enum check which, bool good, const char *fmt, ...)
{
	char text[256] = "";
	va_list ap;

	if (good) {
		if (!exercise->spec.tolerant)
			check(exercise->checks, which, true, "%s", text);
		return true;
	}
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (exercise->spec.tolerant) {
		if (!exercise->lost) {
			snprintf(exercise->refused, sizeof(exercise->refused), "%s", text);
			exercise->refused_by = which;
		}
	} else {
		check(exercise->checks, which, false, "%s run: %s",
		      exercise->spec.read ? "restore" : "backup", text);
	}
	exercise->lost = true;
	return false;
}

bool exercise_failed(struct exercise *exercise, const char *what, int ret)
{
	struct vdi_set_stat stat;
	char text[200];

	if (exercise->lost)
		return false;
	if (ret != -ECANCELED || vdi_server_stat(exercise->server, &stat, sizeof(stat)))
		return exercise_check(exercise, CHECK_ALIVE, false, "%s: %s", what,
				      vdi_strerror(ret));
	verdict_reason(&stat.reason, text, sizeof(text));
	/* a process that died is told with how it ended */
	if (exercise->subject && stat.reason.reason == VDI_REASON_CLIENT_DIED)
		subject_ended(exercise->subject, exercise->spec.timeout_ms);
	return exercise_check(exercise, CHECK_ALIVE, false, "%s: %s%s%s", what, text,
			      exercise->subject ? "; its process " : "",
			      exercise->subject ? subject_end(exercise->subject) : "");
}

struct exercise *exercise_new(const struct exercise_spec *spec, struct checks *checks,
			      struct subject *subject, const struct pattern *pattern)
{
	struct exercise *exercise = calloc(1, sizeof(*exercise));
	int ret;

	if (!exercise) {
		subject_free(subject);
		report_fail(0, "out of memory");
		return NULL;
	}
	exercise->spec = *spec;
	snprintf(exercise->name, sizeof(exercise->name), "%s", spec->name);
	exercise->spec.name = exercise->name;
	exercise->checks = checks;
	exercise->subject = subject;
	exercise->pattern = *pattern;
	exercise->random = pattern->seed + spec->read;
	ret = vdi_server_new(&exercise->server);
	if (ret) {
		verdict_node(ret);
		exercise_free(exercise);
		return NULL;
	}
	return exercise;
}

/* The kernel has refused what no set may have; here is what is left to look at. */
static bool exercise_look(struct exercise *exercise)
{
	const struct vdi_config *config = &exercise->config;
	uint32_t like = config->features & (VDI_FEAT_LIKE_TAPE | VDI_FEAT_LIKE_DISK);

	like &= ~VDI_FEAT_REMOVABLE;
	return exercise_check(exercise, CHECK_CONFIG, !like || like == VDI_FEAT_LIKE_DISK ||
			      like == (VDI_FEAT_LIKE_TAPE & ~VDI_FEAT_REMOVABLE),
			      "features 0x%x are neither those of a pipe, nor a tape, nor a disk",
			      config->features) &&
	       exercise_check(exercise, CHECK_CONFIG, !(config->features &
			      (VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA |
			       VDI_FEAT_COMPLETE_ENABLED)), "features 0x%x are the server's",
			      config->features) &&
	       exercise_check(exercise, CHECK_CONFIG, !exercise->pattern.devices ||
			      config->device_count == exercise->pattern.devices,
			      "the set has %u devices instead of %u", config->device_count,
			      exercise->pattern.devices);
}

bool exercise_connect(struct exercise *exercise)
{
	const struct exercise_spec *spec = &exercise->spec;
	int64_t start = exercise_now_ms();
	bool runs = true;
	int ret;

	for (;;) {
		ret = vdi_server_open(exercise->server, NULL, spec->name);
		/* by name, the set may still be that of the run before */
		if ((ret != -ENOENT && ret != -EPROTO) || !runs)
			break;
		if (spec->connect_ms && exercise_now_ms() - start >= spec->connect_ms)
			break;
		runs = exercise_pause(exercise);
	}
	if (ret == -ENOENT || ret == -EPROTO)
		return exercise_check(exercise, CHECK_CONNECT, false,
				      "no set %s to serve in %lld s: the client %s", spec->name,
				      (long long)(exercise_now_ms() - start) / 1000,
				      exercise->subject ? subject_end(exercise->subject) :
				      "has not come");
	if (ret)
		return exercise_check(exercise, CHECK_CONNECT, false, "open %s: %s", spec->name,
				      vdi_strerror(ret));
	exercise_check(exercise, CHECK_CONNECT, true, NULL);
	ret = vdi_server_get_config(exercise->server, &exercise->config);
	if (ret)
		return exercise_failed(exercise, "GetConfiguration", ret);
	return exercise_look(exercise);
}

static int exercise_configure(struct exercise *exercise)
{
	const struct exercise_spec *spec = &exercise->spec;
	struct vdi_config *config = &exercise->config;
	int ret;

	if (!spec->read || spec->read_back)
		config->features |= VDI_FEAT_WRITE_MEDIA;
	if (spec->read || spec->read_back)
		config->features |= VDI_FEAT_READ_MEDIA;
	if (config->features & VDI_FEAT_REQUEST_COMPLETE)
		config->features |= VDI_FEAT_COMPLETE_ENABLED;
	config->block_size = spec->block_size;
	if (config->alignment < spec->block_size)
		config->alignment = spec->block_size;
	config->max_transfer_size = spec->transfer_size;
	ret = vdi_server_begin_config(exercise->server, config);
	/* one more than are used: nobody may ever write to the last */
	if (!ret)
		ret = vdi_server_request_buffers(exercise->server, spec->transfer_size, 0,
						 spec->depth * exercise->count + 1);
	return ret ? ret : vdi_server_end_config(exercise->server);
}

static int exercise_prepare(struct exercise *exercise)
{
	unsigned int i, nr = (exercise->spec.depth + EXERCISE_OTHER) * exercise->count;
	int ret;

	exercise->nr_buffers = exercise->spec.depth * exercise->count + 1;
	exercise->devices = calloc(exercise->count, sizeof(*exercise->devices));
	exercise->buffers = calloc(exercise->nr_buffers, sizeof(*exercise->buffers));
	exercise->commands = calloc(nr, sizeof(*exercise->commands));
	if (!exercise->devices || !exercise->buffers || !exercise->commands)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		exercise->commands[i].next = exercise->free;
		exercise->free = &exercise->commands[i];
	}
	for (i = 0; i < exercise->nr_buffers; i++) {
		struct exercise_buffer *buffer = &exercise->buffers[i];
		void *data;

		ret = vdi_server_alloc_buffer(exercise->server, &data,
					      exercise->spec.transfer_size, 0);
		if (!ret)
			ret = vdi_server_buffer_offset(exercise->server, data, &buffer->offset);
		if (ret)
			return ret;
		buffer->data = data;
		pattern_guard(data, buffer->offset, exercise->spec.transfer_size);
		if (i < exercise->nr_buffers - 1) {
			struct exercise_device *device = &exercise->devices[i % exercise->count];

			buffer->next = device->free;
			device->free = buffer;
		}
	}
	return 0;
}

/* The devices are open on this side; until the client has opened them all. */
static bool exercise_wait_open(struct exercise *exercise)
{
	int64_t start = exercise_now_ms();
	unsigned int i = 0;

	while (i < exercise->count) {
		struct vdi_device_status status = { .size = sizeof(status) };
		struct exercise_device *device = &exercise->devices[i];

		if (vdi_server_device_status(device->device, &status))
			return exercise_failed(exercise, "OpenDevice", -ECANCELED);
		if (status.out_state == VDI_DEVICE_ACTIVE) {
			i++;
		} else if (status.out_state == VDI_DEVICE_ABORTED) {
			return exercise_failed(exercise, "while devices are opened", -ECANCELED);
		} else if (exercise_now_ms() - start >= exercise->spec.timeout_ms) {
			return exercise_check(exercise, CHECK_OPEN, false,
					      "device %s was not opened within %lld s",
					      device->name,
					      (long long)exercise->spec.timeout_ms / 1000);
		} else if (!exercise_pause(exercise)) {
			return exercise_check(exercise, CHECK_OPEN, false,
					      "device %s was not opened: the client %s",
					      device->name,
					      subject_end(exercise->subject));
		}
	}
	return exercise_check(exercise, CHECK_OPEN, true, NULL);
}

bool exercise_start(struct exercise *exercise)
{
	char name[VDI_NAME_SIZE];
	unsigned int i;
	int ret;

	exercise->count = exercise->config.device_count;
	exercise->pattern.devices = exercise->count;
	ret = exercise_configure(exercise);
	if (!ret)
		ret = exercise_prepare(exercise);
	for (i = 0; !ret && i < exercise->count; i++) {
		struct exercise_device *device = &exercise->devices[i];

		device->random = exercise->random + (i << 8);
		snprintf(device->name, sizeof(device->name), "%u", i);
		if (!stream_device_name(name, exercise->name, i))
			ret = -EINVAL;
		if (!ret)
			ret = vdi_server_open_device(exercise->server, name, &device->device);
	}
	if (ret)
		return exercise_failed(exercise, "configuration", ret);
	return exercise_wait_open(exercise);
}

/* Memory that no command gave to the client */
static bool exercise_check_area(struct exercise *exercise)
{
	unsigned int i, size = exercise->spec.transfer_size;

	for (i = 0; i < exercise->nr_buffers; i++) {
		struct exercise_buffer *buffer = &exercise->buffers[i];
		size_t at = pattern_guard_compare(buffer->data, buffer->offset, size);

		if (at < size)
			return exercise_check(exercise, CHECK_AREA, false,
					      "byte %zu of a buffer that was not the client's was written to",
					      at);
	}
	return exercise_check(exercise, CHECK_AREA, true, NULL);
}

static bool exercise_check_once(struct exercise *exercise)
{
	unsigned int i;

	for (i = 0; i < exercise->count; i++) {
		struct vdi_device_status status = { .size = sizeof(status) };
		struct exercise_device *device = &exercise->devices[i];
		int ret = vdi_server_device_status(device->device, &status);

		if (ret)
			return exercise_failed(exercise, "status", ret);
		if (!exercise_check(exercise, CHECK_ONCE, !status.out_refused,
				    "device %s: %u answers were not accepted: of a command that was answered already, or of more bytes than asked",
				    device->name, status.out_refused))
			return false;
	}
	return true;
}

static bool exercise_check_exit(struct exercise *exercise)
{
	if (!exercise->subject) {
		check_skip(exercise->checks, CHECK_EXIT, "the client was started by somebody else");
		return true;
	}
	return exercise_check(exercise, CHECK_EXIT,
			      subject_ended(exercise->subject, exercise->spec.timeout_ms),
			      "it has not ended %lld s after the close of its devices",
			      (long long)exercise->spec.timeout_ms / 1000) &&
	       exercise_check(exercise, CHECK_EXIT, !subject_status(exercise->subject),
			      "all devices were closed in order, but it %s",
			      subject_end(exercise->subject));
}

bool exercise_close(struct exercise *exercise, bool reverse)
{
	unsigned int i;

	for (i = 0; !exercise->lost && i < exercise->count; i++) {
		unsigned int n = reverse ? exercise->count - 1 - i : i;
		int ret = vdi_server_close_device(exercise->devices[n].device);

		if (ret)
			return exercise_failed(exercise, "CloseDevice", ret);
		exercise->devices[n].closed = true;
	}
	/* what is still outstanding is carried out, or else is lost */
	if (!exercise_drain(exercise, EXERCISE_ALL))
		return false;
	exercise->closed = true;
	/* a second answer to the last command comes after the first */
	return exercise_check_exit(exercise) && exercise_check_once(exercise) &&
	       exercise_check_area(exercise) && exercise_check(exercise, CHECK_ALIVE, true, NULL);
}

bool exercise_ended_badly(struct exercise *exercise)
{
	if (!exercise->subject) {
		check_skip(exercise->checks, CHECK_ABORT_END,
			   "the client was started by somebody else");
		return true;
	}
	return check(exercise->checks, CHECK_ABORT_END,
		     subject_ended(exercise->subject, exercise->spec.timeout_ms),
		     "%s run: it has not ended %lld s after that",
		     exercise->spec.read ? "restore" : "backup",
		     (long long)exercise->spec.timeout_ms / 1000) &&
	       check(exercise->checks, CHECK_ABORT_STATUS, subject_status(exercise->subject),
		     "%s run: it ended with status 0, as after a success",
		     exercise->spec.read ? "restore" : "backup");
}

void exercise_free(struct exercise *exercise)
{
	if (!exercise)
		return;
	if (exercise->server && !exercise->closed)
		vdi_server_abort(exercise->server, 0, "vdi selftest ends this run");
	if (exercise->server)
		vdi_server_close(exercise->server);
	subject_free(exercise->subject);
	vdi_server_free(exercise->server);
	free(exercise->devices);
	free(exercise->buffers);
	free(exercise->commands);
	free(exercise);
}
