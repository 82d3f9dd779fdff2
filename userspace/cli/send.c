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
#include "device.h"
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

static int send_created(void *ctx, int set_fd)
{
	struct send *send = ctx;

	(void)set_fd;
	if (send->created)
		send->created(send->created_ctx);
	return 0;
}

static int send_start(void *ctx, unsigned int index, const char *device,
		      const struct vdi_config *config)
{
	struct send *send = ctx;
	struct medium *medium = source_medium(send->source, index);

	if (config->features & VDI_FEAT_WRITE_MEDIA && !(config->features & VDI_FEAT_READ_MEDIA)) {
		report_fail(0, "%s: the engine wants to back up: use vdi recv", device);
		return -EOPNOTSUPP;
	}
	/* addresses on a tape are counted in blocks */
	if (medium && medium_info(medium)->kind == STRIPE_TAPE &&
	    medium_info(medium)->block_size != config->block_size) {
		report_fail(0, "%s: the tape has blocks of %u bytes, the engine's have %u", device,
			    medium_info(medium)->block_size, config->block_size);
		return -EOPNOTSUPP;
	}
	return 0;
}

static int send_bare(struct send *send, const struct vdi_command *command, void *buffer,
		     struct client_answer *answer)
{
	ssize_t ret;

	if (command->code != VDI_CMD_READ) {
		answer->code = VDI_CODE_NOT_SUPPORTED;
		return 0;
	}
	ret = source_read(send->source, buffer, command->length);
	if (ret < 0)
		return ret;
	answer->bytes = ret;
	answer->code = ret == command->length ? 0 : VDI_CODE_HANDLE_EOF;
	return 0;
}

/* As in a backup: one that is in and was not touched may be the one that is meant. */
static int send_load(struct send *send, unsigned int index, const struct vdi_command *command,
		     struct client_answer *answer)
{
	struct medium *medium = source_medium(send->source, index);
	int ret = 0;

	if (!medium || !medium_info(medium)->removable)
		answer->code = VDI_CODE_NOT_SUPPORTED;
	else if (command->length != 0 && command->length != 1)
		answer->code = VDI_CODE_INVALID_PARAMETER;
	else if (command->length == 1 || medium_used(medium))
		ret = source_load(send->source, index);
	if (ret != -ENOMEDIUM)
		return ret;
	answer->code = VDI_CODE_NO_MEDIA_IN_DRIVE;
	return 0;
}

static int send_carry_out(struct send *send, unsigned int index,
			  const struct vdi_command *command, void *buffer,
			  struct client_answer *answer)
{
	struct medium *medium = source_medium(send->source, index);
	int ret;

	if (command->code == VDI_CMD_FLUSH || command->code == VDI_CMD_COMPLETE)
		return 0;
	if (command->code == VDI_CMD_LOAD)
		return send_load(send, index, command, answer);
	if (!medium)
		return send_bare(send, command, buffer, answer);
	ret = device_command(medium, command, buffer, answer);
	/* is that still what was checked? */
	if (!ret && command->code == VDI_CMD_READ)
		ret = source_unchanged(send->source, index);
	return ret;
}

static void send_command(void *ctx, unsigned int index, const struct vdi_command *command,
			 void *buffer, struct client_answer *answer)
{
	struct send *send = ctx;
	int ret, none = 0;

	ret = send_carry_out(send, index, command, buffer, answer);
	if (!ret)
		return;
	if (atomic_compare_exchange_strong(&send->error, &none, ret))
		report_fail(0, "stripe %u: %s", index + 1, ret == -ESTALE || ret == -ENODATA ?
			    "was changed by somebody while it was read" :
			    ret == -EBADMSG ? "is damaged (its table of filemarks makes no sense)" :
			    strerror(-ret));
	*answer = (struct client_answer) { .code = VDI_CODE_IO_DEVICE, .failed = true };
}

/*
 * An engine may have read all it wanted before the end; but one that knows
 * nothing of media may take the end of the first for the end of the backup.
 */
static void send_warn_unread(const struct source *source)
{
	unsigned int i, media, left;

	for (i = 0; i < source_count(source); i++) {
		media = source_media(source, i, &left);
		if (left)
			report_warn("stripe %u: the engine has asked for %u of %u media only",
				    i + 1, media - left, media);
	}
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
	struct client_options options = *client;
	struct client_result result;
	int ret;

	options.features = device_features(source_kind(source), source_removable(source));
	ret = client_run(&options, &job, &result);
	if (result.ended && !atomic_load(&send.error))
		send_warn_unread(source);
	if (atomic_load(&send.error) && ret < EXIT_SIGNAL)
		ret = EXIT_FAILED;
	return ret;
}

static int send_check(void *ctx)
{
	struct send *send = ctx;

	return source_verify(send->source, &watch_stop);
}

static void send_check_show(void *ctx)
{
	(void)ctx;
	report_info("checking the whole backup before anything of it is restored");
}

static bool send_check_interrupt(void *ctx, const char *signal)
{
	(void)ctx;
	report_fail(0, "interrupted by %s", signal);
	return true;
}

int send_verify(struct source *source)
{
	struct send send = { .source = source };
	const struct watch watch = {
		.ctx = &send,
		.work = send_check,
		.show = send_check_show,
		.interrupt = send_check_interrupt,
	};

	return watch_run(&watch);
}

static const char send_help[] =
"Usage: vdi send [OPTION]... NAME SOURCE\n"
"Gives a backup back: makes the set NAME, waits for an engine that restores.\n"
"\n"
"SOURCE is what vdi recv or vdi backup wrote, a file or a directory, or - for a\n"
"bare stream on stdin.  It is read and checked completely before the first byte\n"
"is handed out.  The number of devices is that of its stripes, and they are what\n"
"those of the backup were: pipes, tapes or disks, with the same media.\n"
"\n"
SESSION_HELP_DIRECT
SESSION_HELP_NODES
SESSION_HELP_SET
SESSION_HELP_PROGRESS
SESSION_HELP_WAIT;

/* A tape is read with the blocks that it has. */
static int send_nodes(const struct source *source, struct nodes_options *nodes)
{
	struct medium *medium = source_medium(source, 0);
	unsigned int block;

	if (!nodes->wanted || !medium || medium_info(medium)->kind != STRIPE_TAPE)
		return 0;
	block = medium_info(medium)->block_size;
	if (nodes->block_size && nodes->block_size != block)
		return report_fail(EXIT_USAGE, "--block-size %u: the tape has blocks of %u bytes",
				   nodes->block_size, block);
	nodes->block_size = block;
	return 0;
}

int verb_send(int argc, char **argv)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_PROGRESS,
		{ "mode", required_argument, NULL, SESSION_MODE },
		{ "group", required_argument, NULL, SESSION_GROUP },
		SESSION_LONG_NODES, SESSION_LONG_DIRECT,
		{ }
	};
	struct client_options client;
	struct session session;
	struct source *source;
	int option, ret;

	session_init_client(&session);
	while ((option = getopt_long(argc, argv, SESSION_SHORT, options, NULL)) != -1) {
		ret = session_option(&session, option, argv, send_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 2, "NAME and SOURCE");
	if (ret)
		return ret;
	ret = source_open(&source, argv[optind + 1], session.direct);
	if (ret)
		return ret;
	session.count = source_count(source);
	session_client(&session, argv[optind], &client);
	ret = nodes_parse(&session, &client.nodes) ?: send_nodes(source, &client.nodes);
	watch_block_signals();
	if (!ret)
		ret = send_verify(source);
	if (!ret)
		ret = send_run(&client, source, NULL, NULL);
	source_close(source);
	return ret;
}
