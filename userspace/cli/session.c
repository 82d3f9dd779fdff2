// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Options that several verbs share.  Owns their letters, ranges and defaults,
 * so that an option means the same everywhere.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"
#include "option.h"
#include "report.h"
#include "session.h"

#define SESSION_MAX_DEPTH	256

void session_init(struct session *session)
{
	memset(session, 0, sizeof(*session));
	session->count = 1;
	session->depth = 4;
	session->transfer_size = 1 << 20;
	session->block_size = 4096;
}

void session_init_client(struct session *session)
{
	session_init(session);
	session->depth = 0;
	session->transfer_size = 0;
	session->block_size = 0;
}

static bool session_transfer(struct session *session, const char *arg)
{
	uint64_t value;

	if (!option_size("--transfer-size", arg, VDI_TRANSFER_STEP, VDI_MAX_TRANSFER, &value))
		return false;
	if (value % VDI_TRANSFER_STEP) {
		report_fail(0, "--transfer-size %s: must be a multiple of 64K", arg);
		return false;
	}
	session->transfer_size = value;
	return true;
}

static bool session_block(struct session *session, const char *arg)
{
	uint64_t value;

	if (!option_size("--block-size", arg, VDI_MIN_BLOCK_SIZE, VDI_MAX_BLOCK_SIZE, &value))
		return false;
	if (value & (value - 1)) {
		report_fail(0, "--block-size %s: must be a power of two", arg);
		return false;
	}
	session->block_size = value;
	return true;
}

static bool session_value(struct session *session, int option, const char *arg, bool *known)
{
	switch (option) {
	case SESSION_INSTANCE:
		session->instance = arg;
		return true;
	case 'n':
		return option_count("-n", arg, 1, VDI_MAX_DEVICES, &session->count);
	case SESSION_PROGRESS:
		return progress_when_parse(arg, &session->progress);
	case SESSION_CONNECT:
		return option_time_ms("--connect-timeout", arg, &session->connect_timeout_ms);
	case SESSION_IDLE:
		return option_time_ms("--idle-timeout", arg, &session->idle_timeout_ms);
	case SESSION_MODE:
		return option_mode("--mode", arg, &session->mode);
	case SESSION_GROUP:
		session->have_gid = true;
		return option_group("--group", arg, &session->gid);
	case SESSION_DEPTH:
		return option_count("--depth", arg, 1, SESSION_MAX_DEPTH, &session->depth);
	case SESSION_TRANSFER:
		return session_transfer(session, arg);
	case SESSION_BLOCK:
		return session_block(session, arg);
	default:
		*known = false;
		return false;
	}
}

int session_option(struct session *session, int option, char **argv, const char *help)
{
	bool known = true;

	switch (option) {
	case 'h':
		fputs(help, stdout);
		return report_stdout();
	case 'q':
		report_level(-1);
		return -1;
	case 'v':
		report_level(1);
		return -1;
	case SESSION_NODES:
		session->nodes = true;
		return -1;
	case SESSION_FORCE:
		session->force = true;
		return -1;
	case SESSION_DIRECT:
		session->direct = true;
		return -1;
	case SESSION_EMPTY:
		session->allow_empty = true;
		return -1;
	case ':':
		return report_fail(EXIT_USAGE, "%s: %s needs a value: see vdi %s --help", argv[0],
				   argv[optind - 1], argv[0]);
	case '?':
		if (optopt && optopt < SESSION_HELP)
			return report_fail(EXIT_USAGE, "%s: unknown option -%c: see vdi %s --help",
					   argv[0], optopt, argv[0]);
		return report_fail(EXIT_USAGE, "%s: unknown option %s: see vdi %s --help", argv[0],
				   argv[optind - 1], argv[0]);
	}
	if (session_value(session, option, optarg, &known))
		return -1;
	if (!known)
		report_fail(0, "%s: unknown option: see vdi %s --help", argv[0], argv[0]);
	return EXIT_USAGE;
}

int session_arguments(int argc, char **argv, int count, const char *what)
{
	if (argc - optind < count)
		return report_fail(EXIT_USAGE, "%s: %s missing: see vdi %s --help", argv[0], what,
				   argv[0]);
	if (argc - optind > count)
		return report_fail(EXIT_USAGE, "%s: %s: one argument too many: see vdi %s --help",
				   argv[0], argv[optind + count], argv[0]);
	return 0;
}

void session_client(const struct session *session, const char *name,
		    struct client_options *options)
{
	*options = (struct client_options) {
		.name = name,
		.instance = session->instance,
		.count = session->count,
		.mode = session->mode,
		.gid = session->gid,
		.have_gid = session->have_gid,
		.connect_timeout_ms = session->connect_timeout_ms,
		.idle_timeout_ms = session->idle_timeout_ms,
		.progress = session->progress,
		.peer_fd = -1,
		.over_fd = -1,
	};
}
