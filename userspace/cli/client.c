// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The client's side: creates a set, gives each device to a thread, watches
 * over the whole and finds out how it ended.  What a command does is the
 * job's: recv.c, send.c.
 */
#include <errno.h>
#include <pthread.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <libvdi.h>

#include "../engines/stream.h"
#include "cli.h"
#include "client.h"
#include "report.h"
#include "verdict.h"
#include "watch.h"

#define CLIENT_COMMANDS		64	/* fetched at once */
#define CLIENT_FAILED_MS	30000	/* how long the engine may take to react to an error */

struct client {
	const struct client_options *options;
	const struct client_job *job;
	struct vdi_client *client;
	struct vdi_config config;
	struct progress progress;
	struct client_thread *threads;
	atomic_uint_least64_t bytes;
	atomic_int_least64_t active_ms;		/* when something last happened */
	atomic_uint in_hand;			/* commands that are being carried out */
	atomic_bool failed;			/* a command failed here */
	atomic_int code;			/* of the first error, 0 if there is none */
	atomic_bool configured;
	bool ended;
};

struct client_thread {
	struct client *client;
	pthread_t tid;
	bool started;
	unsigned int index;
	char name[VDI_NAME_SIZE];
	struct vdi_client_device *device;
};

static int64_t client_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

bool client_make_name(char *buf, size_t size)
{
	unsigned char id[12];
	unsigned int i;
	int len;

	if (getrandom(id, sizeof(id), 0) != sizeof(id))
		return false;
	len = snprintf(buf, size, "vdi-%d-", (int)getpid());
	for (i = 0; i < sizeof(id); i++)
		len += snprintf(buf + len, size - len, "%02x", id[i]);
	return len < (int)size;
}

/* The first error is the one that counts; true if this is it. */
static bool client_fail_first(struct client *client, int code)
{
	int none = 0;

	return atomic_compare_exchange_strong(&client->code, &none, code);
}

static int64_t client_wait_ms(const struct client *client)
{
	if (atomic_load(&client->failed))
		return CLIENT_FAILED_MS;
	return client->options->idle_timeout_ms ? client->options->idle_timeout_ms : -1;
}

/* Nothing came on this device; on the others?  An engine may wait for our answers. */
static bool client_idle(const struct client *client)
{
	int64_t wait = client_wait_ms(client);

	return wait >= 0 && !atomic_load(&client->in_hand) &&
	       client_now_ms() - atomic_load(&client->active_ms) >= wait;
}

/* The device is at its end, in order or not. */
static void client_device_end(struct client_thread *thread, int ret)
{
	struct client *client = thread->client;

	if (ret == -ESHUTDOWN || ret == -ECANCELED)
		return;		/* client_verdict() looks at the set */
	if (ret == -ETIMEDOUT) {
		if (client_fail_first(client, EXIT_TIMEOUT))
			report_fail(0, "%s: no command came for %lld s: aborted", thread->name,
				    (long long)client_wait_ms(client) / 1000);
		vdi_client_abort(client->client, 0, "no command came in time");
		return;
	}
	if (client_fail_first(client, EXIT_FAILED))
		report_fail(0, "%s: %s", thread->name, ret == -EINVAL ?
			    "the engine has no device of this name" : vdi_strerror(ret));
	vdi_client_abort(client->client, 0, vdi_strerror(ret));
}

static void client_command(struct client_thread *thread, const struct vdi_command *command,
			   struct vdi_completion *done)
{
	bool moves = command->code == VDI_CMD_READ || command->code == VDI_CMD_WRITE;
	struct client *client = thread->client;
	struct client_answer answer = { };
	void *buffer = NULL;

	*done = (struct vdi_completion) { .device = command->device, .id = command->id };
	if (command->code == VDI_CMD_CLEAR_ERROR)
		return;			/* after a failure the next command will fail again */
	if (moves && vdi_client_buffer(client->client, command->offset, &buffer)) {
		done->code = VDI_CODE_IO_DEVICE;
		return;
	}
	client->job->command(client->job->ctx, thread->index, command, buffer, &answer);
	if (command->code == (client->job->read ? VDI_CMD_READ : VDI_CMD_WRITE))
		atomic_fetch_add(&client->bytes, answer.bytes);
	if (answer.failed) {
		/* what the engine makes of it is no news */
		client_fail_first(client, EXIT_FAILED);
		atomic_store(&client->failed, true);
	}
	done->code = answer.code;
	done->result = moves ? answer.bytes : answer.position;
}

/*
 * How many commands are fetched at once.  One, where a command may stop before
 * its end, at a filemark or at the end of a medium: what was asked ahead must
 * not go on from there, and the kernel keeps what was not fetched.
 */
static unsigned int client_ahead(const struct client *client)
{
	const unsigned int stops = VDI_FEAT_REMOVABLE | VDI_FEAT_FILE_MARKS;

	return client->options->features & stops ? 1 : CLIENT_COMMANDS;
}

/*
 * Each command is answered as soon as it is done; the next ones come with the
 * answer.
 */
static int client_serve(struct client_thread *thread)
{
	struct vdi_command commands[CLIENT_COMMANDS];
	struct client *client = thread->client;
	unsigned int ahead = client_ahead(client);
	struct vdi_completion done;
	unsigned int have = 0, next = 0, nr_done = 0;

	for (;;) {
		struct vdi_batch batch = { .min = have == next };
		int ret;

		/* room for new ones only when the old ones are finished */
		ret = vdi_client_device_exchange(thread->device, &done, nr_done, commands,
						 have == next ? ahead : 0,
						 client_wait_ms(client), &batch);
		if (ret == -ETIMEDOUT && !client_idle(client) && !nr_done)
			continue;
		if (ret < 0)
			return ret;
		if (batch.refused)
			return batch.refused;
		nr_done = 0;
		if (have == next) {
			have = batch.delivered;
			next = 0;
			if (!have)
				continue;
		}
		atomic_fetch_add(&client->in_hand, 1);
		client_command(thread, &commands[next++], &done);
		atomic_store(&client->active_ms, client_now_ms());
		atomic_fetch_sub(&client->in_hand, 1);
		nr_done = 1;
	}
}

static void *client_thread(void *arg)
{
	struct client_thread *thread = arg;
	struct client *client = thread->client;
	int ret;

	ret = client->job->start(client->job->ctx, thread->index, thread->name, &client->config);
	if (ret) {
		client_fail_first(client, EXIT_FAILED);
		vdi_client_abort(client->client, 0, strerror(-ret));
		return NULL;
	}
	client_device_end(thread, client_serve(thread));
	return NULL;
}

static int client_create(struct client *client)
{
	const struct client_options *options = client->options;
	const struct vdi_config config = {
		.device_count = options->count,
		.features = options->features | VDI_FEAT_REQUEST_COMPLETE,
		.eom_warning_size = options->eom_warning_size,
	};
	struct vdi_create_options create = {
		.size = sizeof(create),
		.flags = (options->have_gid ? VDI_CREATE_OPT_GID : 0) |
			 (options->nodes.wanted ? VDI_CREATE_OPT_NODES : 0),
		.mode = options->mode,
		.gid = options->gid,
		.node_block_size = options->nodes.block_size,
		.node_transfer_size = options->nodes.transfer_size,
		.node_depth = options->nodes.depth,
	};
	char last[VDI_NAME_SIZE];
	int ret;

	if (!stream_device_name(last, options->name, options->count - 1))
		return report_fail(EXIT_USAGE, "%s: the name is too long for %u devices",
				   options->name, options->count);
	ret = options->nodes.wanted ? nodes_available() : 0;
	if (ret)
		return ret;
	ret = vdi_client_new(&client->client);
	if (ret)
		return verdict_node(ret);
	ret = vdi_client_create_ex(client->client, options->instance, options->name, &config,
				   &create);
	if (ret == -EPERM && options->have_gid)
		return report_fail(EXIT_USAGE, "--group: you are not in group %u", options->gid);
	if (ret == -EPERM)
		return report_fail(EXIT_NO_DEVICE,
				   "--nodes: not permitted in a user namespace: use vdi put and get");
	return ret ? verdict_error(ret, "create", options->name) : 0;
}

/* From now on their writers or readers may come. */
static int client_show_nodes(struct client *client)
{
	struct vdi_set_stat stat;
	int ret = vdi_client_stat(client->client, &stat, sizeof(stat));

	if (ret)
		return verdict_error(ret, "look at", client->options->name);
	return nodes_print(client->options->nodes.out, &stat) ? 0 :
	       report_fail(EXIT_FAILED, "the paths of the nodes can't be written");
}

/* An end that the set itself knows about. */
static int client_verdict(struct client *client)
{
	struct vdi_set_stat stat;
	int ret = vdi_client_stat(client->client, &stat, sizeof(stat));

	if (ret)
		return verdict_error(ret, "look at", client->options->name);
	client->ended = verdict_agreed(&stat);
	if (stat.closed_devices == stat.device_count)
		return atomic_load(&client->code);
	if (client->ended && !atomic_load(&client->failed)) {
		report_info("%s: aborted when the engine had been told of success: what it knows stays",
			    stat.name);
		return 0;
	}
	if (stat.state != VDI_STATE_ABORTED)
		return report_fail(EXIT_FAILED, "%s: ended in state %s", stat.name,
				   vdi_state_name(stat.state));
	/* what we did ourselves has been told, or will be by the signal's sender */
	if (atomic_load(&client->code))
		return atomic_load(&client->code);
	if (watch_interrupted())
		return EXIT_FAILED;
	return verdict_aborted(&stat);
}

static int client_open_devices(struct client *client)
{
	unsigned int i;

	for (i = 0; i < client->options->count; i++) {
		struct client_thread *thread = &client->threads[i];
		int ret;

		thread->client = client;
		thread->index = i;
		stream_device_name(thread->name, client->options->name, i);
		ret = vdi_client_open_device(client->client, thread->name, &thread->device);
		if (ret == -ECANCELED)
			return client_verdict(client);
		if (ret)
			return verdict_error(ret, "open", thread->name);
	}
	return 0;
}

/* In a thread of its own: all but the signals. */
static int client_work(void *ctx)
{
	struct client *client = ctx;
	const struct client_options *options = client->options;
	unsigned int i;
	int ret;

	ret = vdi_client_get_config(client->client, options->connect_timeout_ms ?
				    options->connect_timeout_ms : -1, &client->config);
	if (ret == -ETIMEDOUT)
		vdi_client_abort(client->client, 0, "no engine came in time");
	if (ret == -ECANCELED)
		return client_verdict(client);
	if (ret)
		return verdict_error(ret, "wait for the engine of", options->name);
	ret = client_open_devices(client);
	if (ret)
		return ret;
	atomic_store(&client->active_ms, client_now_ms());
	atomic_store(&client->configured, true);
	for (i = 0; i < options->count; i++) {
		struct client_thread *thread = &client->threads[i];

		thread->started = !pthread_create(&thread->tid, NULL, client_thread, thread);
		if (thread->started)
			continue;
		if (client_fail_first(client, EXIT_FAILED))
			report_fail(0, "no memory for a thread");
		vdi_client_abort(client->client, 0, "no memory for a thread");
		break;
	}
	for (i = 0; i < options->count; i++)
		if (client->threads[i].started)
			pthread_join(client->threads[i].tid, NULL);
	return client_verdict(client);
}

static uint64_t client_total(struct client *client)
{
	struct vdi_set_stat stat;

	if (client->job->total)
		return client->job->total;
	if (vdi_client_stat(client->client, &stat, sizeof(stat)))
		return 0;
	return stat.hint_bytes;
}

static void client_tick(void *ctx)
{
	struct client *client = ctx;
	struct pollfd pfd = { .fd = client->options->peer_fd };

	/* it said why on stderr; the set will tell if it comes to that later */
	if (!atomic_load(&client->configured) && poll(&pfd, 1, 0) == 1 &&
	    client_fail_first(client, EXIT_PEER))
		vdi_client_abort(client->client, 0, "the engine's process has ended");
	if (atomic_load(&client->configured) && client->progress.when != PROGRESS_NEVER)
		progress_tick(&client->progress, atomic_load(&client->bytes), client_total(client));
}

static void client_show(void *ctx)
{
	struct client *client = ctx;

	progress_now(&client->progress, atomic_load(&client->bytes), client_total(client));
}

static bool client_interrupt(void *ctx, const char *signal)
{
	struct client *client = ctx;
	char text[64];

	snprintf(text, sizeof(text), "interrupted by %s", signal);
	report_fail(0, "%s: the set is aborted", text);
	vdi_client_abort(client->client, 0, text);
	return true;
}

static bool client_dead(void *ctx)
{
	struct client *client = ctx;
	struct pollfd pfd = { .fd = vdi_client_fd(client->client) };

	return poll(&pfd, 1, 0) == 1 && pfd.revents & POLLERR;
}

static int client_stuck(void *ctx)
{
	return client_verdict(ctx);
}

int client_run(const struct client_options *options, const struct client_job *job,
	       struct client_result *result)
{
	struct client client = { .options = options, .job = job };
	const struct watch watch = {
		.ctx = &client,
		.work = client_work,
		.tick = client_tick,
		.show = client_show,
		.interrupt = client_interrupt,
		.dead = client_dead,
		.stuck = client_stuck,
	};
	int ret;

	memset(result, 0, sizeof(*result));
	client.threads = calloc(options->count, sizeof(*client.threads));
	if (!client.threads)
		return report_fail(EXIT_FAILED, "out of memory");
	ret = client_create(&client);
	if (!ret && options->nodes.wanted)
		ret = client_show_nodes(&client);
	if (!ret && job->created)
		ret = job->created(job->ctx, vdi_client_fd(client.client));
	if (!ret) {
		progress_start(&client.progress, options->progress, options->count);
		ret = watch_run(&watch);
		if (client.ended && !ret)
			progress_finish(&client.progress, client.bytes, client_total(&client));
		else
			report_transient_end(true);
		result->ended = client.ended;
		result->failed = client.failed;
		result->bytes = client.bytes;
		if (job->over)
			job->over(job->ctx, client.ended);
		vdi_client_close(client.client);
	}
	if (client.client)
		vdi_client_free(client.client);
	free(client.threads);
	return ret;
}
