// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi send: a restore, the client's side.  Owns what each command gives to the
 * engine; nothing is given before all stripes were read and found whole.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <libvdi.h>

#include "cli.h"
#include "report.h"
#include "send.h"
#include "session.h"
#include "watch.h"

struct send {
	struct source *source;
	atomic_int error;		/* the first one, -errno */
	void (*created)(void *ctx);
	void *created_ctx;
};

static void send_created(void *ctx)
{
	struct send *send = ctx;

	if (send->created)
		send->created(send->created_ctx);
}

static int send_start(void *ctx, unsigned int index, const char *device,
		      const struct vdi_config *config)
{
	(void)ctx;
	(void)index;
	if (config->features & VDI_FEAT_WRITE_MEDIA && !(config->features & VDI_FEAT_READ_MEDIA)) {
		report_fail(0, "%s: the engine wants to back up: use vdi recv", device);
		return -EOPNOTSUPP;
	}
	return 0;
}

static uint32_t send_command(void *ctx, unsigned int index, const struct vdi_command *command,
			     void *buffer, uint32_t *bytes)
{
	struct send *send = ctx;
	int none = 0;
	ssize_t ret;

	if (command->code == VDI_CMD_FLUSH || command->code == VDI_CMD_COMPLETE)
		return VDI_CODE_SUCCESS;
	if (command->code != VDI_CMD_READ)
		return VDI_CODE_NOT_SUPPORTED;
	ret = source_read(send->source, index, buffer, command->length);
	if (ret < 0) {
		if (atomic_compare_exchange_strong(&send->error, &none, (int)ret))
			report_fail(0,
				    "stripe %u: %s", index + 1, ret == -ESTALE || ret == -ENODATA ?
				    "was changed by somebody while it was read" : strerror(-ret));
		return VDI_CODE_IO_DEVICE;
	}
	*bytes = ret;
	return ret == command->length ? VDI_CODE_SUCCESS : VDI_CODE_HANDLE_EOF;
}

int send_run(const struct client_options *client, struct source *source,
	     void (*created)(void *ctx), void *ctx)
{
	struct send send = { .source = source, .created = created, .created_ctx = ctx };
	const struct client_job job = {
		.ctx = &send,
		.read = true,
		.total = source_total(source),
		.created = send_created,
		.start = send_start,
		.command = send_command,
	};
	struct client_result result;
	int ret;

	ret = client_run(client, &job, &result);
	if (atomic_load(&send.error) && ret < EXIT_SIGNAL)
		ret = EXIT_FAILED;
	return ret;
}

static const char send_help[] =
"Usage: vdi send [OPTION]... NAME SOURCE\n"
"Gives a backup back: makes the set NAME, waits for an engine that restores.\n"
"\n"
"SOURCE is what vdi recv or vdi backup wrote, a file or a directory, or - for a\n"
"bare stream on stdin.  It is read and checked completely before the first byte\n"
"is handed out.  The number of devices is that of its stripes.\n"
"\n"
SESSION_HELP_SET
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

int verb_send(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_PROGRESS,
		{ "mode", required_argument, NULL, SESSION_MODE },
		{ "group", required_argument, NULL, SESSION_GROUP },
		{ }
	};
	struct client_options client;
	struct session session;
	struct source *source;
	int option, ret;

	session_init(&session);
	while ((option = getopt_long(argc, argv, SESSION_SHORT, options, NULL)) != -1) {
		ret = session_option(&session, option, argv, send_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 2, "NAME and SOURCE");
	if (ret)
		return ret;
	ret = source_open(&source, argv[optind + 1]);
	if (ret)
		return ret;
	session.count = source_count(source);
	session_client(&session, argv[optind], &client);
	ret = source_verify(source, &watch_stop);
	watch_block_signals();
	if (!ret)
		ret = send_run(&client, source, NULL, NULL);
	source_close(source);
	return ret;
}
