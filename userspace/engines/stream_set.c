// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The set that streams are made of: found, configured as the options say, its
 * devices opened by their names, and closed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "../cli/verdict.h"
#include "stream_private.h"

bool stream_device_name(char *buf, const char *name, unsigned int index)
{
	int len = index ? snprintf(buf, VDI_NAME_SIZE, "%s.%u", name, index) :
		  snprintf(buf, VDI_NAME_SIZE, "%s", name);

	return len < VDI_NAME_SIZE;
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
		ret = vdi_server_open(set->server, set->options.instance, options->name);
		if (ret != -ENOENT)
			break;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (options->connect_timeout_ms &&
		    (now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 >=
		    options->connect_timeout_ms)
			break;
		nanosleep(&pause, NULL);
	}
	return ret;
}

/* Before there are streams.  An abort by the client has a reason to be told. */
static int stream_not_open(struct stream_set *set, enum stream_fault_kind kind, int ret,
			   const char *what, const char *name)
{
	struct stream_fault fault = { .kind = kind, .error = ret };
	struct vdi_set_stat stat;

	snprintf(fault.device, sizeof(fault.device), "%s", name);
	if (ret == -ECANCELED)
		fault.kind = STREAM_FAULT_ABORTED;
	else if (ret == -ENOMEM || ret == -EDQUOT)
		fault.kind = STREAM_FAULT_MEMORY;
	stream_fail_first(set, EXIT_FAILED, &fault);
	if (ret == -ECANCELED && !vdi_server_stat(set->server, &stat, sizeof(stat)))
		return verdict_aborted(&stat);
	vdi_server_abort(set->server, 0, vdi_strerror(ret));
	return verdict_error(ret, what, name);
}

static int stream_not_found(struct stream_set *set, int ret)
{
	const char *name = set->options.name;
	struct stream_fault fault = {
		.kind = ret == -ENOENT ? STREAM_FAULT_MISSING : STREAM_FAULT_OPEN,
		.error = ret,
	};

	snprintf(fault.device, sizeof(fault.device), "%s", name);
	stream_fail_first(set, EXIT_FAILED, &fault);
	/* or whoever opened a node of it is */
	if (ret == -EPROTO || ret == -EBUSY)
		return report_fail(EXIT_EXISTS,
				   "%s: the set has an engine already: see vdi stat %s",
				   name, name);
	if (ret == -ENOENT)
		return report_fail(EXIT_TIMEOUT,
				   "%s: there is no such set: start vdi recv or send first, or see vdi list",
				   name);
	return verdict_error(ret, "open", name);
}

/* The set has another number of devices than it should. */
static int stream_wrong_count(struct stream_set *set, const char *text)
{
	struct stream_fault fault = { .kind = STREAM_FAULT_CONFIG };

	snprintf(fault.device, sizeof(fault.device), "%s", set->options.name);
	stream_fail_first(set, EXIT_FAILED, &fault);
	vdi_server_abort(set->server, 0, text);
	return report_fail(EXIT_FAILED, "%s: %s", set->options.name, text);
}

static int stream_check_count(struct stream_set *set)
{
	unsigned int have = set->config.device_count, want = set->options.count;
	char text[VDI_TEXT_SIZE];

	if (set->options.max_count && have > set->options.max_count) {
		snprintf(text, sizeof(text),
			 "has %u devices, and this fills only one: use vdi recv or send with -n 1",
			 have);
		return stream_wrong_count(set, text);
	}
	if (!want || have == want)
		return 0;
	snprintf(text, sizeof(text), "the set has %u device%s, and the statement names %u", have,
		 have == 1 ? "" : "s", want);
	return stream_wrong_count(set, text);
}

/* Buffers of all devices; each needs one. */
static unsigned int stream_buffers(const struct stream_set *set)
{
	unsigned int count = set->config.device_count, buffers = set->options.buffers;

	if (!buffers)
		return set->options.depth * count;
	return buffers < count ? count : buffers;
}

static int stream_configure(struct stream_set *set)
{
	const struct stream_options *options = &set->options;
	struct vdi_config *config = &set->config;
	int ret;

	ret = vdi_server_get_config(set->server, config);
	if (ret)
		return stream_not_open(set, STREAM_FAULT_OPEN, ret, "GetConfiguration of",
				       options->name);
	ret = stream_check_count(set);
	if (ret)
		return ret;
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
						 stream_buffers(set));
	if (!ret)
		ret = vdi_server_end_config(set->server);
	return ret ? stream_not_open(set, STREAM_FAULT_CONFIG, ret, "configure", options->name) :
	       0;
}

/* Its share of the buffers: the first devices get what is over. */
static int stream_open_slots(struct stream_set *set, struct stream *stream, unsigned int index)
{
	unsigned int count = set->config.device_count, buffers = stream_buffers(set), i;

	stream->depth = buffers / count + (index < buffers % count);
	stream->slots = calloc(stream->depth, sizeof(*stream->slots));
	if (!stream->slots)
		return -ENOMEM;
	for (i = 0; i < stream->depth; i++) {
		struct stream_slot *slot = &stream->slots[i];
		void *buf;
		int ret = vdi_server_alloc_buffer(set->server, &buf, set->options.transfer_size, 0);

		if (!ret)
			ret = vdi_server_buffer_offset(set->server, buf, &slot->offset);
		if (ret)
			return ret;
		slot->buf = buf;
	}
	return 0;
}

static int stream_open_device(struct stream_set *set, struct stream *stream, unsigned int index)
{
	const struct stream_options *options = &set->options;
	int ret;

	if (options->devices)
		snprintf(stream->name, sizeof(stream->name), "%s", options->devices[index]);
	else if (!stream_device_name(stream->name, options->name, index))
		return report_fail(EXIT_USAGE, "%s: the name is too long for this many devices",
				   options->name);
	ret = stream_open_slots(set, stream, index);
	if (!ret)
		ret = vdi_server_open_device(set->server, stream->name, &stream->device);
	if (ret)
		return stream_not_open(set, STREAM_FAULT_OPEN, ret, "open", stream->name);
	if (options->digest) {
		stream->md = EVP_MD_CTX_new();
		if (!stream->md || !EVP_DigestInit_ex(stream->md, EVP_sha256(), NULL))
			return report_fail(EXIT_FAILED, "out of memory");
	}
	return 0;
}

static int stream_open_all(struct stream_set *set)
{
	unsigned int i;
	int ret = 0;

	set->streams = calloc(set->config.device_count, sizeof(*set->streams));
	if (!set->streams)
		return report_fail(EXIT_FAILED, "out of memory");
	for (i = 0; !ret && i < set->config.device_count; i++)
		ret = stream_open_device(set, &set->streams[i], i);
	return ret ? ret : stream_position(set);
}

static int stream_no_node(struct stream_set *set, int ret)
{
	struct stream_fault fault = { .kind = STREAM_FAULT_OPEN, .error = ret };

	snprintf(fault.device, sizeof(fault.device), "%s", set->options.name);
	stream_fail_first(set, EXIT_FAILED, &fault);
	return verdict_node(ret);
}

int stream_open(struct stream_set **out, const struct stream_options *options)
{
	struct stream_set *set = calloc(1, sizeof(*set));
	int ret;

	if (!set)
		return report_fail(EXIT_FAILED, "out of memory");
	pthread_mutex_init(&set->lock, NULL);
	set->options = *options;
	ret = vdi_server_new(&set->server);
	if (ret) {
		ret = stream_no_node(set, ret);
	} else {
		ret = stream_connect(set);
		ret = ret ? stream_not_found(set, ret) : stream_configure(set);
	}
	if (!ret)
		ret = stream_open_all(set);
	if (ret)
		stream_close(set);
	else
		*out = set;
	return ret;
}

void stream_close(struct stream_set *set)
{
	unsigned int i;

	if (set->soft_end && !set->ended)
		stream_give_up(set);
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

int stream_refuse(const struct stream_options *options, const char *text)
{
	struct stream_set *set = calloc(1, sizeof(*set));
	int ret = -ENOMEM;

	if (!set)
		return ret;
	pthread_mutex_init(&set->lock, NULL);
	set->options = *options;
	ret = vdi_server_new(&set->server);
	if (!ret)
		ret = stream_connect(set);
	if (!ret)
		ret = vdi_server_abort(set->server, 0, text);
	stream_close(set);
	return ret;
}
