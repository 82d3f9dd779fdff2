// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams over a set, the server's side: the commands on their way, and how a
 * failure ends the set.  The set's beginning and end are in stream_set.c, what
 * is in the commands in stream_write.c, stream_read.c and stream_media.c, what
 * is in the streams is the engine's.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "../cli/verdict.h"
#include "stream_private.h"

#define STREAM_COLLECT	16	/* completions in one call */
#define STREAM_OTHER	(~0ULL)	/* id of a command that has no slot */

unsigned int stream_count(const struct stream_set *set)
{
	return set->config.device_count;
}

int stream_fd(const struct stream_set *set)
{
	return vdi_server_fd(set->server);
}

bool stream_dead(const struct stream_set *set)
{
	struct pollfd pfd = { .fd = stream_fd(set) };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLERR;
}

int stream_alive(struct stream_set *set)
{
	return stream_dead(set) ? stream_aborted(set) : 0;
}

uint64_t stream_bytes(const struct stream_set *set, unsigned int index)
{
	return set->streams[index].bytes;
}

int stream_hint(struct stream_set *set, uint64_t bytes)
{
	int ret = vdi_server_set_hint(set->server, bytes);

	return ret ? stream_failed(set, &set->streams[0], "the size hint", ret) : 0;
}

int stream_has_failed(struct stream_set *set)
{
	int code;

	pthread_mutex_lock(&set->lock);
	code = set->failed;
	pthread_mutex_unlock(&set->lock);
	return code;
}

bool stream_fail_first(struct stream_set *set, int code, const struct stream_fault *fault)
{
	bool first;

	pthread_mutex_lock(&set->lock);
	first = !set->failed;
	if (first) {
		set->failed = code;
		if (set->options.fault)
			*set->options.fault = *fault;
	}
	pthread_mutex_unlock(&set->lock);
	return first;
}

void stream_abort(struct stream_set *set, const char *fmt, ...)
{
	const struct stream_fault fault = { .kind = STREAM_FAULT_LOCAL };
	char text[VDI_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stream_fail_first(set, EXIT_FAILED, &fault);
	vdi_server_abort(set->server, 0, text);
}

void stream_cancel(struct stream_set *set, const char *fmt, ...)
{
	const struct stream_fault fault = { .kind = STREAM_FAULT_LOCAL };
	char text[VDI_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!stream_fail_first(set, EXIT_FAILED, &fault))
		return;
	if (set->options.soft && !set->options.read && stream_has(set, VDI_FEAT_DISCARD))
		set->soft_end = true;
	else
		vdi_server_abort(set->server, 0, text);
}

int stream_failed(struct stream_set *set, struct stream *stream, const char *what, int ret)
{
	int code = ret == -ECANCELED ? EXIT_PEER : ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;
	struct stream_fault fault = {
		.kind = ret == -ECANCELED ? STREAM_FAULT_ABORTED : STREAM_FAULT_OTHER,
		.error = ret,
	};
	struct vdi_set_stat stat;

	snprintf(fault.device, sizeof(fault.device), "%s", stream->name);
	snprintf(fault.what, sizeof(fault.what), "%s", what);
	if (!stream_fail_first(set, code, &fault))
		return stream_has_failed(set);
	if (ret == -ECANCELED && !vdi_server_stat(set->server, &stat, sizeof(stat)))
		return verdict_aborted(&stat);
	if (ret == -ETIMEDOUT)
		report_fail(0, "%s: the other side has answered nothing for %lld s: aborted",
			    stream->name, (long long)set->options.idle_timeout_ms / 1000);
	else
		report_fail(0, "%s: %s: %s", stream->name, what, vdi_strerror(ret));
	vdi_server_abort(set->server, 0, ret == -ETIMEDOUT ? "the engine waited too long" :
			 vdi_strerror(ret));
	return code;
}

int stream_aborted(struct stream_set *set)
{
	return stream_failed(set, &set->streams[0], "the set", -ECANCELED);
}

int stream_refused(struct stream_set *set, struct stream *stream, const char *what, uint32_t code)
{
	struct stream_fault fault = { .kind = STREAM_FAULT_CODE, .code = code };
	char text[VDI_TEXT_SIZE];

	/* 995 comes with an abort, whose reason says more */
	if (code == VDI_CODE_OPERATION_ABORTED && stream_dead(set))
		return stream_failed(set, stream, what, -ECANCELED);
	snprintf(fault.device, sizeof(fault.device), "%s", stream->name);
	snprintf(fault.what, sizeof(fault.what), "%s", what);
	if (!stream_fail_first(set, EXIT_FAILED, &fault))
		return stream_has_failed(set);
	snprintf(text, sizeof(text), "%s on %.40s was answered with %u: %s", what, stream->name,
		 code, vdi_code_text(code));
	report_fail(0, "%s", text);
	if (set->options.soft)
		set->soft_end = true;
	else
		vdi_server_abort(set->server, code, text);
	return EXIT_FAILED;
}

static void stream_collect(struct stream *stream, const struct vdi_completion *done)
{
	stream->outstanding--;
	if (done->code)
		stream->errored = true;
	if (done->id == STREAM_OTHER) {
		stream->other_code = done->code;
	} else {
		struct stream_slot *slot = &stream->slots[done->id];

		slot->code = done->code;
		slot->result = done->result;
		slot->sent = false;
	}
}

/*
 * Sends @cmd (may be NULL) and collects what is there; waits for a completion
 * if @wait.  A full ring is waited for.
 */
static int stream_exchange(struct stream_set *set, struct stream *stream,
			   const struct vdi_command *cmd, bool wait)
{
	int64_t timeout = set->options.idle_timeout_ms ? set->options.idle_timeout_ms : -1;
	struct vdi_completion done[STREAM_COLLECT];
	unsigned int i;

	for (;;) {
		struct vdi_batch batch = { .min = wait && stream->outstanding };
		int ret = vdi_server_device_exchange(stream->device, cmd, cmd ? 1 : 0, done,
						     STREAM_COLLECT, timeout, &batch);

		if (ret < 0 && !(ret == -EXFULL && stream->outstanding))
			return ret;
		for (i = 0; ret >= 0 && i < batch.delivered; i++)
			stream_collect(stream, &done[i]);
		if (ret >= 0 && batch.accepted)
			stream->outstanding++;
		if (!cmd || (ret >= 0 && batch.accepted))
			return 0;
		if (ret >= 0 && batch.refused != -EXFULL)
			return batch.refused;
		/* no room: a call that only waits, then again */
		ret = stream_exchange(set, stream, NULL, true);
		if (ret)
			return ret;
	}
}

int stream_send_slot(struct stream_set *set, struct stream *stream, uint16_t code,
		     struct stream_slot *slot, uint32_t len)
{
	struct vdi_command cmd = {
		.device = vdi_server_device_index(stream->device),
		.code = code,
		.length = len,
		.id = slot - stream->slots,
		.offset = slot->offset,
		.position = slot->position,
	};
	int ret;

	slot->len = len;
	slot->sent = true;
	ret = stream_exchange(set, stream, &cmd, false);
	if (ret) {
		slot->len = 0;
		slot->sent = false;
	}
	return ret;
}

int stream_send_other(struct stream_set *set, struct stream *stream, uint16_t code, int32_t arg)
{
	struct vdi_command cmd = {
		.device = vdi_server_device_index(stream->device),
		.code = code,
		.length = arg,
		.id = STREAM_OTHER,
	};

	stream->other_code = VDI_CODE_IO_DEVICE;
	return stream_exchange(set, stream, &cmd, false);
}

int stream_wait_slot(struct stream_set *set, struct stream *stream, const struct stream_slot *slot)
{
	int ret = 0;

	while (!ret && slot->sent)
		ret = stream_exchange(set, stream, NULL, true);
	return ret;
}

int stream_wait_all(struct stream_set *set, struct stream *stream)
{
	int ret = 0;

	while (!ret && stream->outstanding)
		ret = stream_exchange(set, stream, NULL, true);
	return ret;
}

/* The client has gone, or been ended, after it had promised the backup. */
static bool stream_promised(struct stream_set *set)
{
	struct vdi_set_stat stat;

	if (vdi_server_stat(set->server, &stat, sizeof(stat)) || !verdict_agreed(&stat))
		return false;
	report_info("%s: the client ended before its devices were closed, but has completed the backup",
		    set->options.name);
	return true;
}

int stream_end(struct stream_set *set, bool completed)
{
	unsigned int i;

	for (i = 0; i < set->config.device_count; i++) {
		int ret = vdi_server_close_device(set->streams[i].device);

		if (ret == -ECANCELED && completed && stream_promised(set))
			break;
		if (ret)
			return stream_failed(set, &set->streams[i], "CloseDevice", ret);
	}
	set->ended = true;
	return 0;
}
