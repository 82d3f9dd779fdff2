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
#include "recv.h"
#include "report.h"
#include "session.h"
#include "target.h"
#include "watch.h"

struct recv {
	struct target *target;
	bool completes;			/* the engine sends Complete */
	atomic_int error;		/* the first one, -errno; kept: all that follows fails */
	unsigned char finished[VDI_MAX_DEVICES];
	void (*created)(void *ctx);
	void *created_ctx;
};

static void recv_created(void *ctx)
{
	struct recv *recv = ctx;

	if (recv->created)
		recv->created(recv->created_ctx);
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

static uint32_t recv_command(void *ctx, unsigned int index, const struct vdi_command *command,
			     void *buffer, uint32_t *bytes)
{
	struct recv *recv = ctx;
	int ret = atomic_load(&recv->error);

	switch (command->code) {
	case VDI_CMD_WRITE:
		if (!ret)
			ret = recv->finished[index] ? -EPROTO :
			      target_write(recv->target, index, buffer, command->length);
		if (!ret)
			*bytes = command->length;
		break;
	case VDI_CMD_FLUSH:
		if (!ret)
			ret = target_flush(recv->target, index);
		break;
	case VDI_CMD_COMPLETE:
		if (!ret)
			ret = recv->finished[index] ? -EPROTO :
			      target_finish(recv->target, index);
		recv->finished[index] = !ret;
		break;
	default:
		return VDI_CODE_NOT_SUPPORTED;
	}
	return ret ? recv_error(recv, index, ret) : VDI_CODE_SUCCESS;
}

/* An engine that knows no Complete: its last Flush and the end of the set must do. */
static void recv_finish_late(struct recv *recv, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count && !atomic_load(&recv->error); i++) {
		int ret = target_finish(recv->target, i);

		if (ret)
			recv_error(recv, i, ret);
	}
}

int recv_run(const struct client_options *client, const struct target_options *target,
	     void (*created)(void *ctx), void *ctx)
{
	struct recv recv = { .created = created, .created_ctx = ctx };
	const struct client_job job = {
		.ctx = &recv,
		.created = recv_created,
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
	if (!ret && !recv.completes && !result.failed)
		recv_finish_late(&recv, client->count);
	keep = result.ended && target_committed(recv.target);
	if (!keep && !ret)
		ret = atomic_load(&recv.error) ? EXIT_FAILED :
		      report_fail(EXIT_PEER,
				  "%s: the engine ended without Complete: that is no backup",
				  client->name);
	left = target_close(recv.target, keep);
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
SESSION_HELP_SET
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

int verb_recv(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_PROGRESS, SESSION_LONG_CLIENT,
		{ "force", no_argument, NULL, SESSION_FORCE },
		{ "allow-empty", no_argument, NULL, SESSION_EMPTY },
		{ }
	};
	struct target_options target = { };
	struct client_options client;
	struct session session;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, SESSION_SHORT_COUNT, options, NULL)) != -1) {
		ret = session_option(&session, option, argv, recv_help);
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
	watch_block_signals();
	return recv_run(&client, &target, NULL, NULL);
}
