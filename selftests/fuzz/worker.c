// SPDX-License-Identifier: GPL-2.0-only
/*
 * The processes of a program, and when each of their threads makes its calls: one
 * after the other, in the order of the program, but a call that takes long, or is
 * marked so, does not hold up the next one.  Not what a call does (call.c).
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define PAGE		4096UL
#define STEP_MS		4	/* how long a call may hold up the next one */
#define BEGIN_MS	40	/* how long one that has not begun may, of a thread that could */

static struct fz_self selves[FZ_THREADS];
static unsigned int begin_at;		/* of a process that was made by the program */

void fz_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1000, NULL, NULL, 0);
}

/* fz_wait() - Wait until *word is not @value; false if that took @ms */
bool fz_wait(atomic_uint *word, unsigned int value, unsigned int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	while (atomic_load(word) == value) {
		if (syscall(SYS_futex, word, FUTEX_WAIT, value, ms ? &ts : NULL, NULL, 0) &&
		    errno != EAGAIN)
			return errno != ETIMEDOUT;
	}
	return true;
}

static unsigned int nr_calls(const struct fz_shared *s)
{
	return s->program.n;
}

static bool mine(const struct fz_self *self, unsigned int i)
{
	const struct fz_call *c = &self->shared->program.call[i];

	return c->proc == self->p && c->thread == self->t;
}

/* The turn goes from call @from to the next one that somebody is there for. */
static void pass_on(struct fz_shared *s, unsigned int from)
{
	unsigned int to = from + 1;

	while (to < nr_calls(s) &&
	       !atomic_load(&s->proc[s->program.call[to].proc].here[s->program.call[to].thread]))
		to++;
	if (atomic_compare_exchange_strong(&s->turn, &from, to))
		fz_wake(&s->turn);
}

static void wait_turn(struct fz_shared *s, unsigned int i)
{
	const struct fz_call *c;
	unsigned int turn;
	bool busy;

	while ((turn = atomic_load(&s->turn)) < i) {
		c = &s->program.call[turn];
		busy = atomic_load(&s->proc[c->proc].busy[c->thread]);
		if (!fz_wait(&s->turn, turn, busy ? STEP_MS : BEGIN_MS))
			pass_on(s, turn);
	}
}

static void run_calls(struct fz_self *self, unsigned int from)
{
	struct fz_shared *s = self->shared;
	unsigned int i;

	for (i = from; i < nr_calls(s); i++) {
		if (!mine(self, i))
			continue;
		wait_turn(s, i);
		atomic_store(&self->proc->busy[self->t], true);
		/* from an exec nobody comes back */
		if (s->program.call[i].async ||
		    fz_ops[s->program.call[i].op].action == FZ_EXEC)
			pass_on(s, i);
		atomic_store(&s->result[i], fz_call(self, i));
		atomic_store(&self->proc->busy[self->t], false);
		pass_on(s, i);
	}
	atomic_store(&self->proc->here[self->t], false);
}

/* All that the program made in this process goes. */
static void clean(struct fz_self *self)
{
	unsigned int i;

	mmap(self->maps, FZ_MAPS * FZ_MAP_SIZE, PROT_NONE,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	syscall(SYS_close_range, FZ_FD_FIRST, ~0U, 0);
	for (i = 0; i < FZ_SLOTS; i++)
		atomic_store(&self->proc->fd[i], -1);
}

/* The last of the process cleans up, when all calls are made. */
static void finish(struct fz_self *self, unsigned int number)
{
	struct fz_shared *s = self->shared;

	if (atomic_fetch_sub(&self->proc->running, 1) == 1) {
		wait_turn(s, nr_calls(s));
		clean(self);
		if (atomic_load(&self->proc->transient))
			_exit(0);
	}
	atomic_store(&self->proc->idle[self->t], number);
	atomic_fetch_add(&s->event, 1);
	fz_wake(&s->event);
}

static void begin_thread(struct fz_self *self)
{
	atomic_store(&self->proc->tid[self->t], gettid());
	fz_cover_thread(self);
}

static void *thread_main(void *arg)
{
	struct fz_self *self = arg;
	unsigned int number = atomic_load(&self->proc->idle[self->t]);

	begin_thread(self);
	for (;;) {
		fz_wait(&self->proc->go[self->t], number, 0);
		if (atomic_load(&self->proc->go[self->t]) == number)
			continue;
		number = atomic_load(&self->proc->go[self->t]);
		run_calls(self, 0);
		finish(self, number);
	}
	return NULL;
}

/* A thread of a process that is there for one program only. */
static void *transient_main(void *arg)
{
	struct fz_self *self = arg;

	begin_thread(self);
	run_calls(self, begin_at);
	finish(self, self->shared->number);
	for (;;)
		pause();
	return NULL;
}

static void nothing(int sig)
{
	(void)sig;
}

/* Calls of USR1 are interrupted, of USR2 begin again. */
static void set_signals(void)
{
	struct sigaction sa = { .sa_handler = nothing };

	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_flags = SA_RESTART;
	sigaction(SIGUSR2, &sa, NULL);
	sa.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* Limits are for those who are not above them; one process is a stranger. */
static void drop_rights(unsigned int p)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	gid_t group = 1001;

	prctl(PR_CAPBSET_DROP, CAP_SYS_RESOURCE);
	if (p == FZ_PROCS - 1) {
		if (setgroups(1, &group) || setresgid(1001, 1001, 1001) ||
		    setresuid(1001, 1001, 1001))
			_exit(100);
		prctl(PR_SET_DUMPABLE, 1);
		return;
	}
	if (syscall(SYS_capget, &h, d))
		_exit(100);
	d[0].effective &= ~(1U << CAP_SYS_RESOURCE);
	d[0].permitted &= ~(1U << CAP_SYS_RESOURCE);
	d[0].inheritable &= ~(1U << CAP_SYS_RESOURCE);
	if (syscall(SYS_capset, &h, d))
		_exit(100);
}

static void make_selves(struct fz_shared *shared, unsigned int p)
{
	unsigned int t;
	char *maps = mmap(NULL, FZ_MAPS * FZ_MAP_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (maps == MAP_FAILED)
		_exit(101);
	for (t = 0; t < FZ_THREADS; t++) {
		char *b = mmap(NULL, FZ_BUFFER + 3 * PAGE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (b == MAP_FAILED || mprotect(b + FZ_BUFFER, PAGE, PROT_NONE) ||
		    mprotect(b + FZ_BUFFER + 2 * PAGE, PAGE, PROT_READ))
			_exit(101);
		selves[t] = (struct fz_self){ shared, &shared->proc[p], p, t, maps, b };
	}
}

static void start_thread(struct fz_self *self, void *(*fn)(void *))
{
	pthread_attr_t attr;
	pthread_t id;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	if (pthread_create(&id, &attr, fn, self))
		_exit(102);
}

/* fz_worker_main() - A process that is there for many programs */
void fz_worker_main(struct fz_shared *shared, unsigned int p)
{
	set_signals();
	drop_rights(p);
	make_selves(shared, p);
	start_thread(&selves[1], thread_main);
	thread_main(&selves[0]);
}

/* Which threads of the process have something to do from call @from on. */
static unsigned int work_left(const struct fz_shared *s, unsigned int p, unsigned int from)
{
	unsigned int threads = 0, i;

	for (i = from; i < nr_calls(s); i++)
		if (s->program.call[i].proc == p)
			threads |= 1U << s->program.call[i].thread;
	return threads;
}

static void run_transient(struct fz_shared *s, unsigned int p, unsigned int t, unsigned int from)
{
	unsigned int threads = work_left(s, p, from) | 1U << t, i;

	begin_at = from;
	for (i = 0; i < FZ_THREADS; i++) {
		atomic_store(&s->proc[p].here[i], threads >> i & 1);
		atomic_store(&s->proc[p].busy[i], false);
	}
	atomic_store(&s->proc[p].running, __builtin_popcount(threads));
	if (threads >> !t & 1)
		start_thread(&selves[!t], transient_main);
	transient_main(&selves[t]);
}

/**
 * fz_worker_fork() - The fork of a program
 * @self: who forks
 * @to: process that the child plays
 * @from: the call after the fork
 *
 * Our descriptors, and nothing else, come along by number.  The child is one of the
 * supervisor's, so that its pid is not another's before the program is over.
 */
void fz_worker_fork(struct fz_self *self, unsigned int to, unsigned int from)
{
	struct fz_shared *s = self->shared;
	struct fz_proc *child = &s->proc[to];
	unsigned int i;
	bool no = false;

	if (!to || to == self->p || atomic_load(&child->pid) ||
	    !atomic_compare_exchange_strong(&child->forked, &no, true))
		return;
	atomic_store(&child->transient, true);
	for (i = 0; i < FZ_SLOTS; i++)
		atomic_store(&child->fd[i], atomic_load(&self->proc->fd[i]));
	atomic_store(&child->here[0], true);
	if (syscall(SYS_clone, CLONE_PARENT | CLONE_PARENT_SETTID | SIGCHLD, NULL, &child->pid,
		    NULL, 0))
		return;
	for (i = 0; i < FZ_THREADS; i++) {
		selves[i].proc = child;
		selves[i].p = to;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* the thread that forked is the only one, and plays the first */
	selves[0].t = 0;
	selves[1].t = 1;
	run_transient(s, to, 0, from);
}

/* fz_worker_exec() - The process execs this program again, for the rest of its calls */
void fz_worker_exec(struct fz_self *self, unsigned int from)
{
	static char who[3][12];
	char * const argv[] = { "fuzz", "--worker", who[0], who[1], who[2], NULL };
	char * const envp[] = { NULL };

	snprintf(who[0], sizeof(who[0]), "%u", self->p);
	snprintf(who[1], sizeof(who[1]), "%u", self->t);
	snprintf(who[2], sizeof(who[2]), "%u", from);
	atomic_store(&self->proc->transient, true);
	fexecve(FZ_FD_EXE, argv, envp);
}

void fz_worker_after_exec(struct fz_shared *shared, unsigned int p, unsigned int t,
			  unsigned int from)
{
	set_signals();
	make_selves(shared, p);
	run_transient(shared, p, t, from);
}

/* fz_worker_exit_thread() - This thread ends; the last one of a process stays */
void fz_worker_exit_thread(struct fz_self *self)
{
	unsigned int running = atomic_load(&self->proc->running);

	atomic_store(&self->proc->transient, true);
	while (running > 1)
		if (atomic_compare_exchange_strong(&self->proc->running, &running, running - 1)) {
			atomic_store(&self->proc->here[self->t], false);
			syscall(SYS_exit, 0);
		}
}
