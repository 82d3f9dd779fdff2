// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The guard of a backup's target.  Whether an engine is told of success is
 * decided by the kernel at one moment; the target got its name before that.  Who
 * dies in between can't take the name away again, so another process does: it
 * has the set's descriptor too, with which it can only look, and the state of
 * the set says whether the engine was told.
 *
 * Owns the process and how it learns what happened; what is done then is the
 * target's.  If both processes are killed, as by a reset of the machine, nobody
 * is left to do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vdi.h>

#include "cli.h"
#include "guard.h"
#include "report.h"
#include "verdict.h"

#define GUARD_SETTLE_MS	200

enum { GUARD_KEEP = 'k', GUARD_WITHDRAW = 'w', GUARD_DONE = 'd' };

static int guard_compare(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

/* What else the other process has open must not stay open because of us. */
static void guard_close_all_but(int *keep, unsigned int count)
{
	unsigned int i;
	int next = 0;

	qsort(keep, count, sizeof(*keep), guard_compare);
	for (i = 0; i < count; i++) {
		if (keep[i] > next)
			close_range(next, keep[i] - 1, 0);
		next = keep[i] + 1;
	}
	close_range(next, ~0U, 0);
}

/*
 * The other process is dead, and so are its descriptors: a process closes all of
 * them before the pipe hears of one.  So the set is aborted, or it has ended; the
 * time is for one whose memory somebody else still held.
 */
static bool guard_agreed(int set_fd)
{
	struct vdi_status status = { .size = sizeof(status), .flags = VDI_STATUS_F_FOREIGN };
	struct pollfd pfd = { .fd = set_fd };

	poll(&pfd, 1, GUARD_SETTLE_MS);
	/* who can't know must not take away what may be a backup */
	return ioctl(set_fd, VDI_IOC_STATUS, &status) || verdict_agreed(&status.out_stat);
}

static void guard_run(int hear, int set_fd, struct target *target)
{
	char said = 0, byte;
	ssize_t ret;

	while ((ret = read(hear, &byte, 1)) != 0) {
		if (ret < 0 && errno != EINTR)
			break;
		if (ret > 0)
			said = byte;
	}
	if (said != GUARD_DONE)
		target_orphan(target, said ? said == GUARD_KEEP : guard_agreed(set_fd));
}

static void guard_child(int hear, int set_fd, int over_fd, struct target *target)
{
	int keep[4 + TARGET_ORPHAN_FDS] = { STDERR_FILENO, hear, set_fd };
	unsigned int nr = 3;

	/* an end asked for is the other process's to carry out */
	setsid();
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0);
	prctl(PR_SET_NAME, "vdi-guard");
	if (over_fd >= 0)
		keep[nr++] = over_fd;
	nr += target_orphan_fds(target, keep + nr);
	guard_close_all_but(keep, nr);
	guard_run(hear, set_fd, target);
	_exit(0);
}

int guard_start(struct guard *guard, int set_fd, int over_fd, struct target *target)
{
	int fds[2];

	guard->pid = 0;
	if (!target_on_disk(target))
		return 0;
	if (pipe2(fds, O_CLOEXEC))
		return report_fail(EXIT_FAILED, "pipe: %s", strerror(errno));
	guard->pid = fork();
	if (!guard->pid)
		guard_child(fds[0], set_fd, over_fd, target);
	close(fds[0]);
	guard->say = fds[1];
	if (guard->pid > 0)
		return 0;
	guard->pid = 0;
	close(fds[1]);
	return report_fail(EXIT_FAILED, "no memory for a process: %s", strerror(errno));
}

static void guard_say(struct guard *guard, char word)
{
	if (guard->pid && write(guard->say, &word, 1) != 1)
		report_warn("the guard of the target is gone: was it killed?");
}

void guard_tell(struct guard *guard, bool keep)
{
	guard_say(guard, keep ? GUARD_KEEP : GUARD_WITHDRAW);
}

void guard_end(struct guard *guard)
{
	if (!guard->pid)
		return;
	guard_say(guard, GUARD_DONE);
	close(guard->say);
	while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	guard->pid = 0;
}
