// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Signals and waiting.  The main thread takes all signals, synchronously, so
 * that no call of the working threads is ever interrupted half-way; an end
 * asked for is an abort of the set, which wakes them.
 *
 * A thread may also hang in something that is not ours: a pipe that nobody
 * reads, a file system that is gone.  Some time after it should have ended the
 * process leaves without it; the kernel then ends the set.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "report.h"
#include "watch.h"

#define WATCH_TICK_NS	200000000L
#define WATCH_GRACE_S	5

volatile bool watch_stop;

struct watch_thread {
	const struct watch *watch;
	pthread_t main;
	volatile bool done;
	int code;
};

void watch_signals(sigset_t *set)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action;
	size_t i;

	sigemptyset(set);
	sigaddset(set, SIGUSR1);
	/* blocked, a signal that is ignored would come all the same */
	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!sigaction(ends[i], NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(set, ends[i]);
}

/* With the one by which the thread of the work says that it is done */
static void watch_set(sigset_t *set)
{
	watch_signals(set);
	sigaddset(set, SIGUSR2);
}

void watch_block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	watch_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
}

bool watch_interrupted(void)
{
	return watch_stop;
}

static const char *watch_signal_name(int sig)
{
	return sig == SIGINT ? "SIGINT" : sig == SIGHUP ? "SIGHUP" : "SIGTERM";
}

static void *watch_thread(void *arg)
{
	struct watch_thread *thread = arg;

	thread->code = thread->watch->work(thread->watch->ctx);
	thread->done = true;
	pthread_kill(thread->main, SIGUSR2);
	return NULL;
}

/* A signal; true: leave at once. */
static bool watch_signal(const struct watch *watch, int sig, int *stop_sig)
{
	if (sig == SIGUSR1) {
		if (watch->show)
			watch->show(watch->ctx);
		return false;
	}
	if (*stop_sig)
		return true;	/* asked twice */
	*stop_sig = sig;
	watch_stop = true;
	return !watch->interrupt || !watch->interrupt(watch->ctx, watch_signal_name(sig));
}

int watch_run(const struct watch *watch)
{
	const struct timespec tick = { .tv_nsec = WATCH_TICK_NS };
	struct watch_thread thread = { .watch = watch, .main = pthread_self() };
	struct timespec now, since = { 0 };
	int stop_sig = 0;
	pthread_t tid;
	sigset_t set;

	watch_set(&set);
	if (pthread_create(&tid, NULL, watch_thread, &thread))
		return report_fail(EXIT_FAILED, "out of memory");
	while (!thread.done) {
		int sig = sigtimedwait(&set, NULL, &tick);

		if (sig == SIGUSR2 || thread.done)
			continue;
		if (sig > 0 && watch_signal(watch, sig, &stop_sig))
			_exit(EXIT_SIGNAL + stop_sig);
		if (sig < 0 && watch->tick)
			watch->tick(watch->ctx);
		if (!stop_sig && !(watch->dead && watch->dead(watch->ctx)))
			continue;
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!since.tv_sec)
			since = now;
		if (now.tv_sec - since.tv_sec >= WATCH_GRACE_S)
			_exit(stop_sig ? EXIT_SIGNAL + stop_sig :
			      watch->stuck ? watch->stuck(watch->ctx) : EXIT_FAILED);
	}
	pthread_join(tid, NULL);
	return stop_sig && thread.code ? EXIT_SIGNAL + stop_sig : thread.code;
}
