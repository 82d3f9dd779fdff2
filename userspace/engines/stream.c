// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Streams over a set, the server's side: the set, its configuration and its
 * end, and the commands on their way.  What is in the commands is that of
 * stream_write.c and stream_read.c, what is in the streams the engine's.
 */
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "../cli/verdict.h"
#include "stream_private.h"

#define STREAM_COLLECT	16	/* completions in one call */
#define STREAM_OTHER	(~0ULL)	/* id of a command that has no slot */

bool stream_device_name(char *buf, const char *name, unsigned int index)
{
	int len = index ? snprintf(buf, VDI_NAME_SIZE, "%s.%u", name, index) :
		  snprintf(buf, VDI_NAME_SIZE, "%s", name);

	return len < VDI_NAME_SIZE;
}

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

uint64_t stream_bytes(const struct stream_set *set, unsigned int index)
{
	return set->streams[index].bytes;
}

int stream_hint(struct stream_set *set, uint64_t bytes)
{
	int ret = vdi_server_set_hint(set->server, bytes);

	return ret ? stream_failed(set, &set->streams[0], "the size hint", ret) : 0;
}

/* Takes the right to report; the first failure is the one that is told. */
static bool stream_fail_first(struct stream_set *set, int code)
{
	bool first;

	pthread_mutex_lock(&set->lock);
	first = !set->failed;
	if (first)
		set->failed = code;
	pthread_mutex_unlock(&set->lock);
	return first;
}

void stream_abort(struct stream_set *set, const char *fmt, ...)
{
	char text[VDI_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	stream_fail_first(set, EXIT_FAILED);
	vdi_server_abort(set->server, 0, text);
}

int stream_failed(struct stream_set *set, struct stream *stream, const char *what, int ret)
{
	struct vdi_set_stat stat;
	int code = ret == -ECANCELED ? EXIT_PEER : ret == -ETIMEDOUT ? EXIT_TIMEOUT : EXIT_FAILED;

	if (!stream_fail_first(set, code))
		return set->failed;
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

int stream_refused(struct stream_set *set, struct stream *stream, const char *what, uint32_t code)
{
	char text[VDI_TEXT_SIZE];

	/* 995 comes with an abort, whose reason says more */
	if (code == VDI_CODE_OPERATION_ABORTED && stream_dead(set))
		return stream_failed(set, stream, what, -ECANCELED);
	if (!stream_fail_first(set, EXIT_FAILED))
		return set->failed;
	snprintf(text, sizeof(text), "%s on %.40s was answered with %u: %s", what, stream->name,
		 code, vdi_code_text(code));
	report_fail(0, "%s", text);
	vdi_server_abort(set->server, code, text);
	return EXIT_FAILED;
}

static void stream_collect(struct stream *stream, const struct vdi_completion *done)
{
	stream->outstanding--;
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

int stream_send_other(struct stream_set *set, struct stream *stream, uint16_t code)
{
	struct vdi_command cmd = {
		.device = vdi_server_device_index(stream->device),
		.code = code,
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

int stream_end(struct stream_set *set)
{
	unsigned int i;

	for (i = 0; i < set->config.device_count; i++) {
		int ret = vdi_server_close_device(set->streams[i].device);

		if (ret)
			return stream_failed(set, &set->streams[i], "CloseDevice", ret);
	}
	set->ended = true;
	return 0;
}

/* Waits for a set that may not be there yet. */
static int stream_connect(struct stream_set *set)
{
	const struct timespec pause = { .tv_nsec = 50000000 };
	const struct stream_options *options = &set->options;
	struct timespec start, now;
	int ret;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		ret = vdi_server_open(set->server, NULL, options->name);
		if (ret != -ENOENT)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (options->connect_timeout_ms &&
		    (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >=
		    options->connect_timeout_ms)
			break;
		nanosleep(&pause, NULL);
	}
	if (ret == -EPROTO)
		return report_fail(EXIT_EXISTS,
				   "%s: the set has an engine already: see vdi stat %s",
				   options->name, options->name);
	if (ret == -ENOENT)
		return report_fail(EXIT_TIMEOUT,
				   "%s: there is no such set: start vdi recv or send first, or see vdi list",
				   options->name);
	return ret ? verdict_error(ret, "open", options->name) : 0;
}

/* Before there are streams; an abort by the client has a reason to be told. */
static int stream_not_open(struct stream_set *set, int ret, const char *what, const char *name)
{
	struct vdi_set_stat stat;

	if (ret == -ECANCELED && !vdi_server_stat(set->server, &stat, sizeof(stat)))
		return verdict_aborted(&stat);
	return verdict_error(ret, what, name);
}

static int stream_configure(struct stream_set *set)
{
	const struct stream_options *options = &set->options;
	struct vdi_config *config = &set->config;
	int ret;

	ret = vdi_server_get_config(set->server, config);
	if (ret)
		return stream_not_open(set, ret, "GetConfiguration of", options->name);
	if (options->max_count && config->device_count > options->max_count)
		return report_fail(EXIT_FAILED,
				   "%s: has %u devices, and this fills only one: use vdi recv or send with -n 1",
				   options->name, config->device_count);
	config->features |= options->read ? VDI_FEAT_READ_MEDIA : VDI_FEAT_WRITE_MEDIA;
	if (config->features & VDI_FEAT_REQUEST_COMPLETE)
		config->features |= VDI_FEAT_COMPLETE_ENABLED;
	config->block_size = options->block_size;
	if (config->alignment < options->block_size)
		config->alignment = options->block_size;
	config->max_transfer_size = options->transfer_size;
	ret = vdi_server_begin_config(set->server, config);
	if (!ret)
		ret = vdi_server_request_buffers(set->server, options->transfer_size, 0,
						 options->depth * config->device_count);
	if (!ret)
		ret = vdi_server_end_config(set->server);
	return ret ? stream_not_open(set, ret, "configure", options->name) : 0;
}

static int stream_open_device(struct stream_set *set, struct stream *stream, unsigned int index)
{
	const struct stream_options *options = &set->options;
	unsigned int i;
	int ret = 0;

	if (!stream_device_name(stream->name, options->name, index))
		return report_fail(EXIT_USAGE, "%s: the name is too long for this many devices",
				   options->name);
	stream->slots = calloc(options->depth, sizeof(*stream->slots));
	if (!stream->slots)
		return report_fail(EXIT_FAILED, "out of memory");
	for (i = 0; !ret && i < options->depth; i++) {
		struct stream_slot *slot = &stream->slots[i];
		void *buf;

		ret = vdi_server_alloc_buffer(set->server, &buf, options->transfer_size, 0);
		if (ret)
			break;
		slot->buf = buf;
		ret = vdi_server_buffer_offset(set->server, buf, &slot->offset);
	}
	if (!ret)
		ret = vdi_server_open_device(set->server, stream->name, &stream->device);
	if (ret)
		return stream_not_open(set, ret, "open", stream->name);
	if (options->digest) {
		stream->md = EVP_MD_CTX_new();
		if (!stream->md || !EVP_DigestInit_ex(stream->md, EVP_sha256(), NULL))
			return report_fail(EXIT_FAILED, "out of memory");
	}
	return 0;
}

int stream_open(struct stream_set **out, const struct stream_options *options)
{
	struct stream_set *set = calloc(1, sizeof(*set));
	unsigned int i;
	int ret;

	if (!set)
		return report_fail(EXIT_FAILED, "out of memory");
	pthread_mutex_init(&set->lock, NULL);
	set->options = *options;
	ret = vdi_server_new(&set->server);
	ret = ret ? verdict_node(ret) : stream_connect(set);
	if (!ret)
		ret = stream_configure(set);
	if (!ret) {
		set->streams = calloc(set->config.device_count, sizeof(*set->streams));
		if (!set->streams)
			ret = report_fail(EXIT_FAILED, "out of memory");
	}
	for (i = 0; !ret && i < set->config.device_count; i++)
		ret = stream_open_device(set, &set->streams[i], i);
	if (ret)
		stream_close(set);
	else
		*out = set;
	return ret;
}

void stream_close(struct stream_set *set)
{
	unsigned int i;

	if (set->server)
		vdi_server_close(set->server);
	vdi_server_free(set->server);
	for (i = 0; set->streams && i < set->config.device_count; i++) {
		EVP_MD_CTX_free(set->streams[i].md);
		free(set->streams[i].slots);
	}
	free(set->streams);
	pthread_mutex_destroy(&set->lock);
	free(set);
}
