// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The client under test: started with what it has to know put into its
 * arguments and its environment, waited for, killed.  Judges nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "report.h"
#include "subject.h"

struct subject {
	pid_t pid;
	int pidfd;
	bool ended;
	int status;
	char end[64];
};

static const char *subject_word(const struct subject_spec *spec, const char *at, char *number,
				size_t *len)
{
	const struct {
		const char *key;
		const char *value;
	} words[] = {
		{ "{}", spec->set },
		{ "{medium}", spec->medium },
		{ "{n}", number },
		{ "{direction}", spec->direction },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*len = strlen(words[i].key);
		if (!strncmp(at, words[i].key, *len))
			return words[i].value;
	}
	return NULL;
}

/* @arg with its {words} replaced; NULL without memory. */
static char *subject_fill(const struct subject_spec *spec, const char *arg)
{
	char number[16], *text = NULL;
	size_t size, len;
	FILE *f = open_memstream(&text, &size);

	if (!f)
		return NULL;
	snprintf(number, sizeof(number), "%u", spec->devices);
	while (*arg) {
		const char *value = subject_word(spec, arg, number, &len);

		if (value) {
			fputs(value, f);
			arg += len;
		} else {
			putc(*arg++, f);
		}
	}
	return fclose(f) ? NULL : text;
}

static char **subject_argv(const struct subject_spec *spec)
{
	unsigned int n = 0, i;
	char **argv;

	if (!spec->argv) {
		argv = calloc(4, sizeof(*argv));
		if (!argv)
			return NULL;
		argv[0] = strdup("/bin/sh");
		argv[1] = strdup("-c");
		argv[2] = subject_fill(spec, spec->shell);
		return argv;
	}
	while (spec->argv[n])
		n++;
	argv = calloc(n + 1, sizeof(*argv));
	for (i = 0; argv && i < n; i++)
		argv[i] = subject_fill(spec, spec->argv[i]);
	return argv;
}

static void subject_env(const struct subject_spec *spec)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", spec->devices);
	setenv("VDI_SET", spec->set, 1);
	setenv("VDI_MEDIUM", spec->medium, 1);
	setenv("VDI_DEVICES", number, 1);
	setenv("VDI_DIRECTION", spec->direction, 1);
}

/* In the new process: does not return. */
static void subject_exec(const struct subject_spec *spec, pid_t parent)
{
	char **argv = subject_argv(spec);
	sigset_t none;
	int fd;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGXFSZ, SIG_DFL);
	subject_env(spec);
	fd = open("/dev/null", O_RDONLY);
	dup2(fd, STDIN_FILENO);
	fd = open(spec->log, O_WRONLY | O_CREAT | O_APPEND, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	if (fd > STDERR_FILENO)
		close(fd);
	if (argv) {
		execvp(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	}
	_exit(127);
}

struct subject *subject_start(const struct subject_spec *spec)
{
	struct subject *subject = calloc(1, sizeof(*subject));
	pid_t parent = getpid();

	if (!subject)
		goto err;
	fflush(NULL);
	subject->pid = fork();
	if (!subject->pid)
		subject_exec(spec, parent);
	if (subject->pid < 0)
		goto err;
	setpgid(subject->pid, subject->pid);	/* both do it: neither may be late */
	subject->pidfd = pidfd_open(subject->pid, 0);
	if (subject->pidfd < 0)
		report_fail(0, "pidfd_open: %s", strerror(errno));
	return subject;

err:
	report_fail(0, "no memory for a process: %s", strerror(errno));
	free(subject);
	return NULL;
}

bool subject_ended(struct subject *subject, int64_t timeout_ms)
{
	struct pollfd pfd = { .fd = subject->pidfd, .events = POLLIN };
	siginfo_t info = { };

	if (subject->ended)
		return true;
	while (poll(&pfd, 1, timeout_ms) < 0 && errno == EINTR)
		;
	/* it stays a zombie until subject_free(), so that its group is nobody else's */
	if (waitid(P_PID, subject->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;
	subject->ended = true;
	if (info.si_code == CLD_EXITED) {
		subject->status = info.si_status;
		snprintf(subject->end, sizeof(subject->end), "ended with status %d",
			 subject->status);
	} else {
		subject->status = 128 + info.si_status;
		snprintf(subject->end, sizeof(subject->end), "was killed by signal %d (%s)",
			 info.si_status, strsignal(info.si_status));
	}
	return true;
}

const char *subject_end(const struct subject *subject)
{
	return subject->ended ? subject->end : "still runs";
}

int subject_status(const struct subject *subject)
{
	return subject->status;
}

void subject_kill(struct subject *subject)
{
	/* by the group: what a shell has started as well */
	kill(-subject->pid, SIGKILL);
	subject_ended(subject, -1);
}

void subject_free(struct subject *subject)
{
	if (!subject)
		return;
	subject_kill(subject);
	waitpid(subject->pid, NULL, 0);
	if (subject->pidfd >= 0)
		close(subject->pidfd);
	free(subject);
}
