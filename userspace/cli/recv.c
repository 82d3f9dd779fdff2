// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi recv: a backup, the client's side.  Owns what each command does to the
 * target, and which ends make a backup good.
 *
 * An engine believes its backup when Complete is answered on all devices.  So
 * target_finish() has made everything durable and given it its name before the
 * last of these answers goes out.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libvdi.h>

#include "cli.h"
#include "device.h"
#include "guard.h"
#include "option.h"
#include "recv.h"
#include "report.h"
#include "session.h"
#include "target.h"
#include "watch.h"

struct recv {
	struct target *target;
	struct guard guard;
	int over_fd;
	bool completes;			/* the engine sends Complete */
	bool discards;			/* it may send Discard */
	atomic_int error;		/* the first one, -errno; kept: all that follows fails */
	unsigned char finished[VDI_MAX_DEVICES];
	unsigned char unflushed[VDI_MAX_DEVICES];
	void (*created)(void *ctx);
	void *created_ctx;
};

static int recv_created(void *ctx, int set_fd)
{
	struct recv *recv = ctx;
	int ret = guard_start(&recv->guard, set_fd, recv->over_fd, recv->target);

	if (!ret && recv->created)
		recv->created(recv->created_ctx);
	return ret;
}

static void recv_over(void *ctx, bool ended)
{
	struct recv *recv = ctx;

	guard_tell(&recv->guard, ended);
}

/* Tells the first error; returns the completion code for it. */
static uint32_t recv_error(struct recv *recv, unsigned int index, int error)
{
	const char *path = target_path(recv->target);
	bool full = error == -ENOSPC || error == -EDQUOT || error == -EFBIG;
	int none = 0;

	if (!strcmp(path, "-"))
		path = "stdout";
	if (atomic_compare_exchange_strong(&recv->error, &none, error)) {
		if (full)
			report_fail(0,
				    "%s: stripe %u: no space left: make room, or choose another target",
				    path, index + 1);
		else if (error == -ENODATA)
			report_fail(0,
				    "%s: the stream is empty: that is no backup, unless --allow-empty is given",
				    path);
		else if (error == -ESTALE)
			report_fail(0, "%s: somebody has moved, removed or replaced its .partial",
				    path);
		else if (error == -EPIPE)
			report_fail(0, "%s: nobody reads it any more", path);
		else
			report_fail(0, "%s: stripe %u: %s", path, index + 1, strerror(-error));
	}
	return full ? VDI_CODE_DISK_FULL : VDI_CODE_IO_DEVICE;
}

static int recv_start(void *ctx, unsigned int index, const char *device,
		      const struct vdi_config *config)
{
	struct recv *recv = ctx;
	int ret;

	if (config->features & VDI_FEAT_READ_MEDIA && !(config->features & VDI_FEAT_WRITE_MEDIA)) {
		report_fail(0, "%s: the engine wants to restore: use vdi send", device);
		return -EOPNOTSUPP;
	}
	recv->completes = config->features & VDI_FEAT_COMPLETE_ENABLED;
	ret = target_begin(recv->target, index, device, config->block_size);
	if (ret)
		recv_error(recv, index, ret);
	return ret;
}

/* stdout, or nowhere: bytes in their order, and nothing else */
static int recv_write_bare(struct recv *recv, unsigned int index,
			   const struct vdi_command *command, const void *buffer,
			   struct client_answer *answer)
{
	int ret;

	if (command->code != VDI_CMD_WRITE) {
		answer->code = VDI_CODE_NOT_SUPPORTED;
		return 0;
	}
	ret = target_write(recv->target, index, buffer, command->length);
	if (!ret)
		answer->bytes = command->length;
	return ret;
}

/*
 * The next medium.  Without "eject" one that is in and was not touched is the
 * one that is meant: an engine may begin like that.
 */
static int recv_load(struct recv *recv, unsigned int index, const struct vdi_command *command,
		     struct client_answer *answer)
{
	struct medium *medium = target_medium(recv->target, index);

	if (!medium || !medium_info(medium)->removable)
		answer->code = VDI_CODE_NOT_SUPPORTED;
	else if (command->length != 0 && command->length != 1)
		answer->code = VDI_CODE_INVALID_PARAMETER;
	else if (command->length == 1 || medium_used(medium))
		return target_load(recv->target, index);
	return 0;
}

static int recv_complete(struct recv *recv, unsigned int index)
{
	int ret = target_finish(recv->target, index);

	recv->finished[index] = !ret;
	return ret;
}

static int recv_flush(struct recv *recv, unsigned int index)
{
	int ret = recv->finished[index] ? 0 : target_flush(recv->target, index);

	recv->unflushed[index] = ret;
	return ret;
}

/* After Complete the stripe is what it is: nothing may be added. */
static bool recv_too_late(const struct recv *recv, unsigned int index, uint16_t code)
{
	return recv->finished[index] && (code == VDI_CMD_WRITE || code == VDI_CMD_WRITE_MARK ||
					 code == VDI_CMD_LOAD || code == VDI_CMD_COMPLETE);
}

static int recv_carry_out(struct recv *recv, unsigned int index,
			  const struct vdi_command *command, void *buffer,
			  struct client_answer *answer)
{
	struct medium *medium = target_medium(recv->target, index);

	if (recv_too_late(recv, index, command->code))
		return -EPROTO;
	recv->unflushed[index] |= command->code == VDI_CMD_WRITE ||
				  command->code == VDI_CMD_WRITE_MARK;
	switch (command->code) {
	case VDI_CMD_FLUSH:
		return recv_flush(recv, index);
	case VDI_CMD_COMPLETE:
		return recv_complete(recv, index);
	case VDI_CMD_LOAD:
		return recv_load(recv, index, command, answer);
	}
	if (!medium)
		return recv_write_bare(recv, index, command, buffer, answer);
	return device_command(medium, command, buffer, answer);
}

static void recv_command(void *ctx, unsigned int index, const struct vdi_command *command,
			 void *buffer, struct client_answer *answer)
{
	struct recv *recv = ctx;
	int ret;

	if (command->code == VDI_CMD_DISCARD && recv->discards) {
		target_discard(recv->target);
		return;
	}
	if (target_discarded(recv->target)) {
		answer->code = VDI_CODE_IO_DEVICE;
		return;
	}
	ret = atomic_load(&recv->error);
	if (!ret)
		ret = recv_carry_out(recv, index, command, buffer, answer);
	if (ret) {
		*answer = (struct client_answer) {
			.code = recv_error(recv, index, ret),
			.failed = true,
		};
	}
}

/*
 * An engine that knows no Complete: then Flush is its last word on each device.
 * One that has given up closes its devices too, but without that.
 */
static void recv_finish_late(struct recv *recv, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (recv->unflushed[i])
			return;
	for (i = 0; i < count && !atomic_load(&recv->error); i++) {
		int ret = target_finish(recv->target, i);

		if (ret)
			recv_error(recv, i, ret);
	}
}

int recv_run(const struct client_options *client, const struct target_options *target,
	     void (*created)(void *ctx), void *ctx)
{
	struct recv recv = {
		.over_fd = client->over_fd,
		.discards = client->features & VDI_FEAT_DISCARD,
		.created = created,
		.created_ctx = ctx,
	};
	const struct client_job job = {
		.ctx = &recv,
		.created = recv_created,
		.over = recv_over,
		.start = recv_start,
		.command = recv_command,
	};
	struct client_result result;
	bool keep, left;
	int ret;

	ret = target_open(&recv.target, target);
	if (ret)
		return ret;
	ret = client_run(client, &job, &result);
	if (!ret && !recv.completes && !result.failed && !target_discarded(recv.target))
		recv_finish_late(&recv, client->count);
	keep = result.ended && target_committed(recv.target);
	if (target_discarded(recv.target) && !atomic_load(&recv.error))
		ret = report_fail(EXIT_PEER, "%s: the engine discarded its backup: nothing is kept",
				  client->name);
	else if (!keep && !ret)
		ret = atomic_load(&recv.error) ? EXIT_FAILED :
		      report_fail(EXIT_PEER,
				  "%s: the engine ended without %s: that is no backup",
				  client->name, recv.completes ? "Complete" : "Flush");
	left = target_close(recv.target, keep);
	guard_end(&recv.guard);
	if (atomic_load(&recv.error) && ret < EXIT_SIGNAL)
		ret = EXIT_FAILED;
	return ret == EXIT_FAILED && left ? EXIT_PARTIAL : ret;
}

static const char recv_help[] =
"Usage: vdi recv [OPTION]... NAME TARGET\n"
"Receives a backup: makes the set NAME, waits for an engine, writes to TARGET.\n"
"\n"
"TARGET is a file (one stripe), a directory (DIR/, or any with -n), - for the\n"
"bare stream on stdout, or null: to throw it away.  It gets its name when the\n"
"backup is whole and durable; until then it is TARGET.partial.\n"
"\n"
"  -n, --stripes N         devices, 1..64 (1): NAME, NAME.1, NAME.2 ...\n"
"  --force                 replace TARGET, at the moment the new one is whole\n"
"  --allow-empty           a stream without a byte is a backup too\n"
SESSION_HELP_DIRECT
"  --like KIND             what the devices are: pipe (default), tape or disk\n"
"  --removable             pipe, disk: with media that can be changed; tapes have them\n"
"  --media-size SIZE       a medium is full then (default: never)\n"
"  --eom-warning SIZE      the engine is warned so far before the end of a medium (a\n"
"                          sixteenth of it, 1M at most)\n"
SESSION_HELP_NODES
SESSION_HELP_SET
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

enum { RECV_LIKE = SESSION_OWN, RECV_REMOVABLE, RECV_MEDIA_SIZE, RECV_EOM_WARNING };

#define RECV_MIN_MEDIUM		65536
#define RECV_MAX_MEDIUM		(1ULL << 62)
#define RECV_NO_WARNING		UINT64_MAX	/* not given */

static int recv_option(struct target_options *target, int option)
{
	bool good = true;

	switch (option) {
	case RECV_LIKE:
		good = device_kind_parse(optarg, &target->kind);
		if (!good)
			report_fail(0, "--like %s: must be pipe, tape or disk", optarg);
		break;
	case RECV_REMOVABLE:
		target->removable = true;
		break;
	case RECV_MEDIA_SIZE:
		good = option_size("--media-size", optarg, RECV_MIN_MEDIUM, RECV_MAX_MEDIUM,
				   &target->limit.size);
		break;
	case RECV_EOM_WARNING:
		good = option_size("--eom-warning", optarg, 0, UINT32_MAX, &target->limit.warning);
		break;
	}
	return good ? 0 : EXIT_USAGE;
}

/* What the options mean together */
static int recv_kind(struct target_options *target, struct client_options *client)
{
	struct medium_limit *limit = &target->limit;

	if (target->kind == STRIPE_TAPE)
		target->removable = true;
	if (limit->size && !target->removable)
		return report_fail(EXIT_USAGE,
				   "--media-size is for media that can be changed: add --removable");
	if (limit->warning == RECV_NO_WARNING)
		limit->warning = limit->size / 16 < 1 << 20 ? limit->size / 16 : 1 << 20;
	else if (!limit->size || limit->warning > limit->size)
		return report_fail(EXIT_USAGE, "--eom-warning must be less than --media-size");
	client->features = device_features(target->kind, target->removable);
	if (client->features)
		client->features |= VDI_FEAT_DISCARD;
	client->eom_warning_size = limit->warning;
	return 0;
}

int verb_recv(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_PROGRESS, SESSION_LONG_CLIENT, SESSION_LONG_NODES,
		{ "force", no_argument, NULL, SESSION_FORCE },
		{ "allow-empty", no_argument, NULL, SESSION_EMPTY },
		SESSION_LONG_DIRECT,
		{ "like", required_argument, NULL, RECV_LIKE },
		{ "removable", no_argument, NULL, RECV_REMOVABLE },
		{ "media-size", required_argument, NULL, RECV_MEDIA_SIZE },
		{ "eom-warning", required_argument, NULL, RECV_EOM_WARNING },
		{ }
	};
	struct target_options target = { .limit.warning = RECV_NO_WARNING };
	struct client_options client;
	struct session session;
	int option, ret;

	session_init_client(&session);
	while ((option = getopt_long(argc, argv, SESSION_SHORT_COUNT, options, NULL)) != -1) {
		ret = option < SESSION_OWN ? session_option(&session, option, argv, recv_help) :
					     recv_option(&target, option) ?: -1;
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 2, "NAME and TARGET");
	if (ret)
		return ret;
	session_client(&session, argv[optind], &client);
	target.path = argv[optind + 1];
	target.count = session.count;
	target.force = session.force;
	target.allow_empty = session.allow_empty;
	target.direct = session.direct;
	ret = recv_kind(&target, &client) ?: nodes_parse(&session, &client.nodes);
	if (ret)
		return ret;
	/* stdout may be the backup */
	if (!strcmp(target.path, "-"))
		client.nodes.out = stderr;
	watch_block_signals();
	return recv_run(&client, &target, NULL, NULL);
}
