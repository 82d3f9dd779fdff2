// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * A command whose standard output is the backup: its start, and the words for
 * its end.  A pipe does not say whether what was written to it is all; the
 * status of the process does.  What is done with the bytes is put.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "producer.h"

extern char **environ;

/* What main() and watch_block_signals() do is for this process; a command expects none of it. */
static int producer_spawn(pid_t *pid, char **command, int out)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, ignored;
	int ret;

	sigemptyset(&none);
	sigemptyset(&ignored);
	sigaddset(&ignored, SIGPIPE);
	sigaddset(&ignored, SIGXFSZ);
	ret = posix_spawn_file_actions_init(&actions);
	if (ret)
		return -ret;
	ret = posix_spawnattr_init(&attr);
	if (!ret) {
		posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
		posix_spawnattr_setsigmask(&attr, &none);
		posix_spawnattr_setsigdefault(&attr, &ignored);
		ret = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
		if (!ret)
			ret = posix_spawnp(pid, command[0], &actions, &attr, command, environ);
		posix_spawnattr_destroy(&attr);
	}
	posix_spawn_file_actions_destroy(&actions);
	return -ret;
}

int producer_start(struct producer *producer, char **command)
{
	int fds[2], ret;

	*producer = (struct producer) { .pidfd = -1, .out = -1, .name = command[0] };
	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	ret = producer_spawn(&producer->pid, command, fds[1]);
	close(fds[1]);
	producer->out = fds[0];
	if (!ret) {
		producer->pidfd = syscall(SYS_pidfd_open, producer->pid, 0);
		ret = producer->pidfd < 0 ? -errno : 0;
	} else {
		producer->pid = 0;
	}
	if (ret)
		producer_stop(producer);
	return ret;
}

bool producer_good(struct producer *producer, char *why, size_t size)
{
	int status;

	while (waitpid(producer->pid, &status, 0) < 0)
		if (errno != EINTR) {
			snprintf(why, size, "%s: its end can't be known: %s", producer->name,
				 strerror(errno));
			return false;
		}
	producer->pid = 0;
	if (WIFSIGNALED(status))
		snprintf(why, size, "%s was killed by signal %d", producer->name, WTERMSIG(status));
	else
		snprintf(why, size, "%s exited with status %d", producer->name,
			 WEXITSTATUS(status));
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

void producer_stop(struct producer *producer)
{
	if (producer->pid)
		kill(producer->pid, SIGTERM);
	if (producer->out >= 0)
		close(producer->out);
	if (producer->pidfd >= 0)
		close(producer->pidfd);
	*producer = (struct producer) { .pidfd = -1, .out = -1 };
}
