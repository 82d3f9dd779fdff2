// SPDX-License-Identifier: GPL-2.0-only
/*
 * The supervisor: gives a program to the processes, sees that it ends, and that
 * nothing of it is left in the module.  Ends only processes that it has started.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define COUNTERS	"/sys/kernel/debug/vdi/counters"
#define NUDGE_MS	15	/* how often a program that shall end is told so */
#define PATIENCE_MS	3000	/* then its processes are killed */
#define HANG_MS		30000	/* and that is a hang, at scale 1 */

static struct fz_shared *shared;
unsigned int fz_run_slow;		/* programs whose processes had to be killed */
static unsigned int scale = 1;
static char why[256];
/* who was started for a process, also while the program has put another in its place */
static pid_t pool[FZ_PROCS];
static bool used[FZ_PROCS], by_fork[FZ_PROCS];

const struct fz_shared *fz_run_state(void)
{
	return shared;
}

const char *fz_run_why(void)
{
	return why;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static int to_number(int fd, int number)
{
	if (fd < 0 || fd == number)
		return fd;
	if (dup2(fd, number) < 0)
		return -1;
	return close(fd);
}

static int make_sockets(void)
{
	int i, pair[2];

	for (i = 0; i < FZ_PROCS; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
			return -1;
		if (to_number(pair[1], FZ_FD_SOCKET + 2 * i + 1) < 0 ||
		    to_number(pair[0], FZ_FD_SOCKET + 2 * i) < 0)
			return -1;
	}
	return 0;
}

/* This program in memory: from where the guest's files are an exec takes ten times as long. */
static int copy_self(void)
{
	int from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int fd = memfd_create("fuzz-program", 0);
	char buf[65536];
	ssize_t n;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		if (write(fd, buf, n) != n)
			return -1;
	close(from);
	return n < 0 ? -1 : to_number(fd, FZ_FD_EXE);
}

static void child_ended(int sig)
{
	(void)sig;
}

/* fz_run_begin() - Make what all programs share: 0, or -1 and errno */
int fz_run_begin(void)
{
	struct sigaction sa = { .sa_handler = child_ended };
	const char *s = getenv("VDI_TEST_SCALE");
	int fd, i;

	scale = s && atoi(s) > 0 ? atoi(s) : 1;
	/* low numbers are taken, so that those we want to give are free for nobody else */
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd < FZ_FD_FIRST - 1);
	fd = memfd_create("fuzz", 0);
	if (to_number(fd, FZ_FD_SHARED) < 0 ||
	    ftruncate(FZ_FD_SHARED, sizeof(*shared)))
		return -1;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, FZ_FD_SHARED, 0);
	if (shared == MAP_FAILED || make_sockets() || fz_cover_begin() || copy_self() < 0)
		return -1;
	for (i = 0; i < FZ_PROCS; i++)
		memset((void *)shared->proc[i].fd, 0xff, sizeof(shared->proc[i].fd));
	sigaction(SIGCHLD, &sa, NULL);
	return 0;
}

static void reap(void)
{
	unsigned int i, t;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
		for (i = 0; i < FZ_PROCS; i++) {
			if (pool[i] == pid)
				pool[i] = 0;
			if (atomic_load(&shared->proc[i].pid) != pid)
				continue;
			atomic_store(&shared->proc[i].pid, 0);
			for (t = 0; t < FZ_THREADS; t++)
				atomic_store(&shared->proc[i].here[t], false);
		}
}

static int start_process(unsigned int p)
{
	struct fz_proc *proc = &shared->proc[p];
	unsigned int t;

	memset((void *)proc->fd, 0xff, sizeof(proc->fd));
	atomic_store(&proc->transient, false);
	atomic_store(&proc->forked, false);
	for (t = 0; t < FZ_THREADS; t++)
		atomic_store(&proc->go[t], atomic_load(&proc->idle[t]));
	pool[p] = fork();
	if (!pool[p]) {
		fz_worker_main(shared, p);
		_exit(0);
	}
	return pool[p] < 0 ? -1 : 0;
}

/* Which process does what in this program. */
static int assign(void)
{
	const struct fz_program *p = &shared->program;
	unsigned int threads[FZ_PROCS] = { 0 }, i, t;

	memset(by_fork, 0, sizeof(by_fork));
	for (i = 0; i < p->n; i++) {
		const struct fz_call *c = &p->call[i];
		const struct fz_op *op = &fz_ops[c->op];

		threads[c->proc] |= 1U << c->thread;
		if (op->action == FZ_FORK && c->arg[0] % FZ_PROCS != c->proc)
			by_fork[c->arg[0] % FZ_PROCS] = true;
	}
	by_fork[0] = false;
	for (i = 0; i < FZ_PROCS; i++) {
		struct fz_proc *proc = &shared->proc[i];

		used[i] = threads[i] && !by_fork[i];
		atomic_store(&proc->forked, false);
		atomic_store(&proc->pid, 0);
		if (used[i] && !pool[i] && start_process(i))
			return -1;
		if (used[i])
			atomic_store(&proc->pid, pool[i]);
		for (t = 0; t < FZ_THREADS; t++) {
			atomic_store(&proc->here[t], used[i] && threads[i] >> t & 1);
			atomic_store(&proc->busy[t], false);
		}
		atomic_store(&proc->running, used[i] ? __builtin_popcount(threads[i]) : 0);
	}
	return 0;
}

static void go(void)
{
	unsigned int i, t;

	for (i = 0; i < FZ_PROCS; i++)
		for (t = 0; used[i] && t < FZ_THREADS; t++) {
			if (atomic_load(&shared->proc[i].here[t]))
				atomic_store(&shared->proc[i].go[t], shared->number);
		}
	for (i = 0; i < FZ_PROCS; i++)
		for (t = 0; used[i] && t < FZ_THREADS; t++)
			if (atomic_load(&shared->proc[i].go[t]) == shared->number)
				fz_wake(&shared->proc[i].go[t]);
}

static bool proc_done(unsigned int i)
{
	struct fz_proc *proc = &shared->proc[i];
	unsigned int t;

	if (!atomic_load(&proc->pid))
		return true;
	if (by_fork[i] || atomic_load(&proc->transient))
		return false;
	for (t = 0; t < FZ_THREADS; t++)
		if (atomic_load(&proc->go[t]) == shared->number &&
		    atomic_load(&proc->idle[t]) != shared->number)
			return false;
	return true;
}

static bool all_done(void)
{
	unsigned int i;

	reap();
	for (i = 0; i < FZ_PROCS; i++)
		if (!proc_done(i))
			return false;
	return true;
}

static void tell(int sig)
{
	unsigned int i, t;
	int pid;

	for (i = 0; i < FZ_PROCS; i++) {
		pid = atomic_load(&shared->proc[i].pid);
		if (pid <= 1 || proc_done(i))
			continue;
		if (sig == SIGKILL)
			kill(pid, SIGKILL);
		else
			kill(pid, SIGCONT);
		for (t = 0; sig != SIGKILL && t < FZ_THREADS; t++)
			syscall(SYS_tgkill, pid, atomic_load(&shared->proc[i].tid[t]), sig);
	}
}

/* Where a process is that does not die, for the report. */
static void describe(unsigned int i)
{
	char path[64], text[400];
	int fd, n;

	snprintf(path, sizeof(path), "/proc/%d/stack", atomic_load(&shared->proc[i].pid));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = 0;
	printf("# process %u does not end:\n%s", i, text);
	if (fd >= 0)
		close(fd);
}

static enum fz_verdict wait_end(void)
{
	uint64_t begin = now_ms(), told = begin, t;
	unsigned int event, turn = 0, i;
	bool killed = false;

	for (;;) {
		event = atomic_load(&shared->event);
		if (all_done())
			return FZ_PASSED;
		fz_wait(&shared->event, event, NUDGE_MS);
		t = now_ms();
		if (t - told < NUDGE_MS)
			continue;
		told = t;
		/* it goes on: no call is near its end only because it is told so */
		if (turn != atomic_load(&shared->turn) && t - begin < PATIENCE_MS) {
			turn = atomic_load(&shared->turn);
			continue;
		}
		if (t - begin < PATIENCE_MS) {
			tell(SIGUSR1);
			continue;
		}
		if (!killed)
			fz_run_slow++;
		killed = true;
		tell(SIGKILL);
		if (t - begin < PATIENCE_MS + (uint64_t)HANG_MS * scale)
			continue;
		for (i = 0; i < FZ_PROCS; i++)
			if (!proc_done(i))
				describe(i);
		snprintf(why, sizeof(why), "a process survives SIGKILL");
		return FZ_HANG;
	}
}

/* Descriptors that nobody has taken out. */
static void drain(void)
{
	char space[CMSG_SPACE(64)], byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m;
	int i, fd;

	for (i = 0; i < FZ_PROCS; i++)
		for (;;) {
			m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1, .msg_control = space,
					     .msg_controllen = sizeof(space) };
			if (recvmsg(FZ_FD_SOCKET + 2 * i + 1, &m, MSG_DONTWAIT) < 0)
				break;
			if (!CMSG_FIRSTHDR(&m))
				continue;
			memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
			close(fd);
		}
}

/* The first of the module's counters that is not 0. */
static bool left(void)
{
	char text[1024], *line, *save, name[64];
	int fd = open(COUNTERS, O_RDONLY | O_CLOEXEC), n, lines = 0;
	long long value;

	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	if (fd >= 0)
		close(fd);
	text[n > 0 ? n : 0] = 0;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%63s %lld", name, &value) != 2 || !strncmp(name, "total_", 6))
			continue;
		lines++;
		if (value) {
			snprintf(why, sizeof(why), "left in the module: %s=%lld", name, value);
			return true;
		}
	}
	if (!lines)
		snprintf(why, sizeof(why), "nothing to read in " COUNTERS);
	return !lines;
}

static enum fz_verdict look_left(void)
{
	uint64_t end = now_ms() + 10000ULL * scale;

	while (left()) {
		if (now_ms() > end)
			return FZ_LEFT;
		usleep(1000);
	}
	return FZ_PASSED;
}

/**
 * fz_run() - Run a program to its end
 * @p: the program
 *
 * Return: FZ_PASSED, or what is wrong: fz_run_why().
 */
enum fz_verdict fz_run(const struct fz_program *p)
{
	enum fz_verdict v;
	unsigned int i;

	why[0] = 0;
	shared->program = *p;
	shared->number++;
	atomic_store(&shared->nr_got, 0);
	atomic_store(&shared->nr_pieces, 0);
	memset(shared->got, 0, sizeof(shared->got));
	memset(shared->piece, 0, sizeof(shared->piece));
	for (i = 0; i < FZ_CALLS; i++)
		atomic_store(&shared->result[i], FZ_NOT_RUN);
	if (assign()) {
		snprintf(why, sizeof(why), "cannot fork: %s", strerror(errno));
		return FZ_BROKEN;
	}
	for (i = 0; i < p->n && !used[p->call[i].proc]; i++)
		;
	atomic_store(&shared->turn, i);
	fz_cover_reset();
	go();
	v = wait_end();
	if (v != FZ_PASSED)
		return v;
	drain();
	return look_left();
}

/* fz_run_end() - No process is left */
void fz_run_end(void)
{
	unsigned int i;

	for (i = 0; i < FZ_PROCS; i++)
		if (pool[i] > 0 && !kill(pool[i], SIGKILL))
			waitpid(pool[i], NULL, 0);
}
