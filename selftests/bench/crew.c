// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads of a process that work side by side, and are there for all its runs, so
 * that a run does not pay for making them.  The caller is the first of them.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/syscall.h>

#include "bench.h"

static struct crew {
	unsigned int threads;			/* made so far, with the caller */
	unsigned int turn;			/* of a run; who waits for it sleeps on that */
	unsigned int busy;			/* who has not ended it */
	void (*work)(unsigned int thread, unsigned int n);
	unsigned int n;
} crew;

static void futex(unsigned int *word, int op, unsigned int value)
{
	syscall(SYS_futex, word, op | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
}

static void await_change(unsigned int *word, unsigned int from)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) == from)
		futex(word, FUTEX_WAIT, from);
}

static void *member(void *arg)
{
	unsigned int thread = (uintptr_t)arg, turn = 0;

	for (;;) {
		await_change(&crew.turn, turn);
		turn++;
		crew.work(thread, crew.n);
		if (!__atomic_sub_fetch(&crew.busy, 1, __ATOMIC_ACQ_REL))
			futex(&crew.busy, FUTEX_WAKE, 1);
	}
	return NULL;
}

static void hire(unsigned int threads)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 64 << 10);
	for (; crew.threads < threads; crew.threads++) {
		err = pthread_create(&thread, &attr, member, (void *)(uintptr_t)crew.threads);
		if (err)
			bench_fail("cannot make a thread: %s", strerror(err));
	}
	pthread_attr_destroy(&attr);
}

/**
 * bench_crew_run() - Let threads work at the same time
 * @threads: how many, the same in each call of a process
 * @work: what each does, with its number
 * @n: for @work
 *
 * Returns when all have ended.
 */
void bench_crew_run(unsigned int threads, void (*work)(unsigned int thread, unsigned int n),
		    unsigned int n)
{
	unsigned int left;

	if (threads == 1) {
		work(0, n);
		return;
	}
	if (!crew.threads) {
		crew.threads = 1;
		hire(threads);
	}
	crew.work = work;
	crew.n = n;
	__atomic_store_n(&crew.busy, threads - 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&crew.turn, 1, __ATOMIC_ACQ_REL);
	futex(&crew.turn, FUTEX_WAKE, INT_MAX);
	work(0, n);
	while ((left = __atomic_load_n(&crew.busy, __ATOMIC_ACQUIRE)))
		await_change(&crew.busy, left);
}
