// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi put and get: the server's side for programs that know nothing of it:
 * stdin, or what a command prints, to a device, a device to stdout.
 *
 * A set has one server, and stdin is one stream, so both want a set of one
 * device.  NAME:0 is the same as NAME.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../engines/stream.h"
#include "cli.h"
#include "producer.h"
#include "report.h"
#include "session.h"
#include "watch.h"

struct put {
	struct stream_options options;
	struct stream_set *volatile set;
	bool allow_empty;
	char **command;			/* --exec; NULL: stdin */
	struct producer producer;
	int in;
};

static int put_failed(struct put *put, const char *what, int error)
{
	stream_abort(put->set, "%s: %s", what, strerror(error));
	return report_fail(EXIT_FAILED, "%s: %s", what, strerror(error));
}

static const char *put_source(const struct put *put)
{
	return put->command ? put->command[0] : "stdin";
}

static int put_silent(struct put *put)
{
	long long seconds = put->options.idle_timeout_ms / 1000;

	stream_abort(put->set, "the engine's input was silent for %lld s", seconds);
	return report_fail(EXIT_TIMEOUT, "nothing came from %s for %lld s: the backup is aborted",
			   put_source(put), seconds);
}

/* The command has ended: only its status says whether what it printed is all. */
static int put_judge(struct put *put)
{
	char why[VDI_TEXT_SIZE];

	if (producer_good(&put->producer, why, sizeof(why)))
		return 0;
	stream_abort(put->set, "%s", why);
	return report_fail(EXIT_FAILED, "%s: the backup is aborted", why);
}

static int put_idle_ms(const struct put *put)
{
	int64_t ms = put->options.idle_timeout_ms;

	return !ms ? -1 : ms < INT_MAX ? ms : INT_MAX;
}

/*
 * Waits until @fd is ready, or the set is dead: a pipe may be silent for ever, the
 * end of the other side must be seen none the less.  So must a bad end of the
 * command, whatever of it is still there and has the pipe open.  With @fd -1 the
 * command's end is what is waited for.
 */
static int put_wait(struct put *put, int fd)
{
	struct pollfd pfds[3] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = stream_fd(put->set) },
		{ .fd = put->producer.pid ? put->producer.pidfd : -1, .events = POLLIN },
	};

	for (;;) {
		int ret = poll(pfds, 3, put_idle_ms(put));

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? put_failed(put, put_source(put), errno) : put_silent(put);
		if (pfds[1].revents)
			return 0;
		if (pfds[2].revents) {
			ret = put_judge(put);
			if (ret)
				return ret;
			pfds[2].fd = -1;
		}
		if (fd < 0 || pfds[0].revents)
			return 0;
	}
}

/* Straight into the buffers that the other side sees. */
static int put_copy(struct put *put)
{
	uint8_t *buf;
	size_t room;
	ssize_t len;
	int ret;

	for (;;) {
		ret = stream_reserve(put->set, 0, &buf, &room);
		if (ret)
			return ret;
		ret = put_wait(put, put->in);
		if (ret)
			return ret;
		if (stream_dead(put->set))
			return stream_aborted(put->set);
		len = read(put->in, buf, room);
		if (len < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (len < 0)
			return put_failed(put, put_source(put), errno);
		if (!len)
			break;
		ret = stream_commit(put->set, 0, len);
		if (ret)
			return ret;
	}
	/* the end of the bytes is no good end yet: the command may say that it failed */
	ret = put->producer.pid ? put_wait(put, -1) : 0;
	if (!ret && stream_dead(put->set))
		return stream_aborted(put->set);
	if (!ret)
		ret = stream_send(put->set, 0, NULL);
	if (!ret && !stream_bytes(put->set, 0) && !put->allow_empty) {
		const char *what = put->command ? "the output" : "stdin";

		stream_abort(put->set, "%s is empty", what);
		return report_fail(EXIT_FAILED,
				   "%s is empty: that is no backup, unless --allow-empty is given",
				   what);
	}
	return ret ? ret : stream_finish(put->set);
}

/* Who reads stdout may take his time, but not for a set that is dead. */
static int get_wait(struct put *put)
{
	struct pollfd pfds[2] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		{ .fd = stream_fd(put->set) },
	};

	while (poll(pfds, 2, -1) < 0)
		if (errno != EINTR)
			return put_failed(put, "stdout", errno);
	return stream_dead(put->set) ? stream_aborted(put->set) : 0;
}

static int get_write(struct put *put, const uint8_t *buf, size_t len)
{
	while (len) {
		ssize_t done = write(STDOUT_FILENO, buf, len);

		if (done < 0 && errno == EAGAIN) {
			int ret = get_wait(put);

			if (ret)
				return ret;
		} else if (done < 0 && errno != EINTR) {
			return put_failed(put, "stdout", errno);
		} else if (done > 0) {
			buf += done;
			len -= done;
		}
	}
	return 0;
}

/* What no write has said: space, quota and errors of what writes later. */
static int get_sync(struct put *put)
{
	int fd;

	if (!fsync(STDOUT_FILENO))
		return 0;
	if (errno == EINVAL || errno == EROFS) {
		/* nothing is kept there, or the close says what became of it */
		fd = dup(STDOUT_FILENO);
		if (fd >= 0 && !close(fd))
			return 0;
	}
	return put_failed(put, "stdout", errno);
}

static int get_copy(struct put *put)
{
	const uint8_t *buf;
	size_t len;
	int ret;

	do {
		ret = stream_read(put->set, 0, &buf, &len);
		if (!ret)
			ret = get_write(put, buf, len);
	} while (!ret && len);
	if (!ret)
		ret = get_sync(put);
	return ret ? ret : stream_done(put->set);
}

static int put_work(void *ctx)
{
	struct put *put = ctx;
	struct stream_set *set;
	int ret = stream_open(&set, &put->options);

	if (ret)
		return ret;
	put->set = set;
	if (put->options.read)
		return get_copy(put);
	if (!put->command)
		return put_copy(put);
	ret = producer_start(&put->producer, put->command);
	if (ret)
		return put_failed(put, put->command[0], -ret);
	put->in = put->producer.out;
	ret = put_copy(put);
	producer_stop(&put->producer);
	return ret;
}

static bool put_interrupt(void *ctx, const char *signal)
{
	struct put *put = ctx;

	report_fail(0, "interrupted by %s", signal);
	if (put->set)
		stream_abort(put->set, "interrupted by %s", signal);
	return put->set;
}

static bool put_dead(void *ctx)
{
	struct put *put = ctx;

	return put->set && stream_dead(put->set);
}

/* A write hangs: who should read stdout stands still. */
static int put_stuck(void *ctx)
{
	struct put *put = ctx;

	return stream_aborted(put->set);
}

static const char put_help[] =
"Usage: vdi put [OPTION]... NAME [--exec COMMAND [ARGUMENT]...]\n"
"Backs up stdin, or what COMMAND prints: serves the set NAME, which vdi recv or a\n"
"backup program made.\n"
"\n"
"NAME must be a set of one device; NAME:0 is the same.  Ends with success when\n"
"the other side has answered that the backup is durable.\n"
"\n"
"  --exec COMMAND...       run it, once the set is there, and abort the backup if it\n"
"                          fails; all that follows is the command's\n"
"  --allow-empty           an empty stdin is a backup too\n"
SESSION_HELP_SERVER
SESSION_HELP_WAIT;

static const char get_help[] =
"Usage: vdi get [OPTION]... NAME\n"
"Restores to stdout: serves the set NAME, which vdi send or a backup program made.\n"
"\n"
"NAME must be a set of one device; NAME:0 is the same.\n"
"\n"
SESSION_HELP_SERVER
SESSION_HELP_WAIT;

/* Cuts ":0" off; another number is a device that there can't be. */
static int put_name(char *name)
{
	char *colon = strrchr(name, ':');

	if (!colon || !colon[1] || colon[1 + strspn(colon + 1, "0123456789")])
		return 0;
	if (strcmp(colon, ":0"))
		return report_fail(EXIT_USAGE,
				   "%s: one stream fills a set of one device: only :0 is possible",
				   name);
	*colon = '\0';
	return 0;
}

/* What follows --exec is not ours to parse: cuts it off. */
static int put_command(int *argc, char **argv, struct put *put)
{
	int i;

	for (i = 1; i < *argc && strcmp(argv[i], "--"); i++) {
		if (strcmp(argv[i], "--exec"))
			continue;
		if (i + 1 == *argc)
			return report_fail(EXIT_USAGE,
					   "put: --exec needs a command: see vdi put --help");
		put->command = argv + i + 1;
		argv[i] = NULL;
		*argc = i;
	}
	return 0;
}

static int put_verb(int argc, char **argv, bool read)
{
	static const struct option options[] = {
		SESSION_LONG, SESSION_LONG_SERVER,
		{ "allow-empty", no_argument, NULL, SESSION_EMPTY },
		{ }
	};
	struct put put = { .in = STDIN_FILENO };
	const struct watch watch = {
		.ctx = &put,
		.work = put_work,
		.interrupt = put_interrupt,
		.dead = put_dead,
		.stuck = put_stuck,
	};
	struct session session;
	int option, ret;

	session_init(&session);
	session.connect_timeout_ms = 10000;
	ret = read ? 0 : put_command(&argc, argv, &put);
	if (ret)
		return ret;
	while ((option = getopt_long(argc, argv, SESSION_SHORT, options, NULL)) != -1) {
		if (option == SESSION_EMPTY && read)
			option = '?';
		ret = session_option(&session, option, argv, read ? get_help : put_help);
		if (ret >= 0)
			return ret;
	}
	ret = session_arguments(argc, argv, 1, "NAME");
	if (!ret)
		ret = put_name(argv[optind]);
	if (ret)
		return ret;
	if (!put.command && isatty(read ? STDOUT_FILENO : STDIN_FILENO))
		return report_fail(EXIT_USAGE, "%s is a terminal: redirect it",
				   read ? "stdout" : "stdin");
	put.allow_empty = session.allow_empty;
	put.options = (struct stream_options) {
		.name = argv[optind],
		.instance = session.instance,
		.read = read,
		.depth = session.depth,
		.transfer_size = session.transfer_size,
		.block_size = session.block_size,
		.connect_timeout_ms = session.connect_timeout_ms,
		.idle_timeout_ms = session.idle_timeout_ms,
		.max_count = 1,
	};
	watch_block_signals();
	ret = watch_run(&watch);
	if (put.set)
		stream_close(put.set);
	return ret;
}

int verb_put(int argc, char **argv)
{
	return put_verb(argc, argv, false);
}

int verb_get(int argc, char **argv)
{
	return put_verb(argc, argv, true);
}
