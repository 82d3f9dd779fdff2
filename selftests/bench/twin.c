// SPDX-License-Identifier: GPL-2.0-only
/*
 * A model of EXCHANGE in user space, for machines on which the module can't be
 * loaded: the same steps (hand over an array under a lock, wake the other side at most
 * once and only if it sleeps, spin, sleep, take an array under a lock) on rings in
 * memory that both processes can write.  It has none of what makes EXCHANGE safe.
 * Where EXCHANGE is one system call for all that, this is one to wake and one to
 * sleep; if it needs neither, the cheapest one stands for the way into the kernel.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "bench.h"

#define SPIN_NS		20000

/**
 * struct ring - One direction
 * @lock: a spinlock
 * @head: records taken
 * @tail: records put
 * @asleep: who takes sleeps, or is about to
 * @word: what it sleeps on; moves with each wake-up
 * @pad: so that who sleeps on @word does not share a line with who moves @tail
 * @pad_too: likewise
 * @slots: the records; the sender never has more than the depth outstanding
 */
struct ring {
	unsigned int lock;
	unsigned int head;
	unsigned int tail;
	unsigned int asleep;
	char pad[48];
	unsigned int word;
	char pad_too[60];
	struct bench_record slots[BENCH_MAX_DEPTH];
};

struct shared {
	struct ring down;	/* commands */
	struct ring up;		/* completions */
	struct bench_stat stat[2];
};

static struct shared *shared;
static struct bench_record records[BENCH_MAX_DEPTH];

static void create(const struct bench_case *c)
{
	(void)c;
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED)
		bench_fail("shared memory: %s", strerror(errno));
}

static void destroy(const struct bench_case *c)
{
	(void)c;
	munmap(shared, sizeof(*shared));
}

static void lock(struct ring *r)
{
	while (__atomic_exchange_n(&r->lock, 1, __ATOMIC_ACQUIRE))
		while (__atomic_load_n(&r->lock, __ATOMIC_RELAXED))
			__builtin_ia32_pause();
}

static void unlock(struct ring *r)
{
	__atomic_store_n(&r->lock, 0, __ATOMIC_RELEASE);
}

static void futex(unsigned int *word, int op, unsigned int value)
{
	bench_calls++;
	if (syscall(SYS_futex, word, op, value, NULL, NULL, 0) < 0 && errno != EAGAIN &&
	    errno != EINTR)
		bench_fail("futex: %s", strerror(errno));
}

/* Returns whether somebody was woken. */
static bool put(struct ring *r, unsigned int n, struct bench_stat *stat)
{
	unsigned int i;
	bool wake;

	lock(r);
	for (i = 0; i < n; i++)
		r->slots[(r->tail + i) % BENCH_MAX_DEPTH] = records[i];
	__atomic_store_n(&r->tail, r->tail + n, __ATOMIC_RELAXED);
	wake = n && r->asleep;
	if (wake)
		r->asleep = 0;
	unlock(r);
	if (!wake)
		return false;
	__atomic_add_fetch(&r->word, 1, __ATOMIC_RELEASE);
	futex(&r->word, FUTEX_WAKE, 1);
	stat->wakeups++;
	return true;
}

/* What is there; none makes who asks the one to be woken, by that value of the word. */
static unsigned int take(struct ring *r, unsigned int *word)
{
	unsigned int n, i;

	lock(r);
	n = r->tail - r->head;
	for (i = 0; i < n; i++)
		records[i] = r->slots[(r->head + i) % BENCH_MAX_DEPTH];
	r->head += n;
	r->asleep = !n;
	*word = __atomic_load_n(&r->word, __ATOMIC_ACQUIRE);
	unlock(r);
	return n;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static void spin(struct ring *r)
{
	uint64_t end = now_ns() + SPIN_NS;

	while (__atomic_load_n(&r->tail, __ATOMIC_RELAXED) == r->head && now_ns() < end)
		__builtin_ia32_pause();
}

/* As EXCHANGE with min of 1, or of 0 if nothing is wanted */
static unsigned int exchange(const struct bench_case *c, struct ring *to, struct ring *from,
			     unsigned int nr_in, bool wait, struct bench_stat *stat)
{
	bool entered = put(to, nr_in, stat);
	unsigned int n = 0, word;

	stat->calls++;
	if (wait && c->mech == &bench_twin_spin)
		spin(from);
	while (wait && !(n = take(from, &word))) {
		futex(&from->word, FUTEX_WAIT, word);
		stat->sleeps++;
		entered = true;
	}
	if (!entered) {
		bench_calls++;
		syscall(SYS_getppid);
	}
	return n;
}

static void server(const struct bench_case *c, unsigned int n)
{
	unsigned int sent = 0, done = 0, i, got;

	while (done < n) {
		for (i = 0; sent < n && sent - done < c->depth; i++)
			bench_fill(&records[i], ++sent, c->payload);
		got = exchange(c, &shared->down, &shared->up, i, true, &shared->stat[0]);
		for (i = 0; i < got; i++)
			bench_check(records[i].id, ++done);
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	unsigned int answered = 0, got = 0, i;

	while (answered < n) {
		bool last = answered + got == n;
		unsigned int more = exchange(c, &shared->up, &shared->down, got, !last,
					     &shared->stat[1]);

		answered += got;
		got = more;
		for (i = 0; i < got; i++)
			bench_check(records[i].id, answered + i + 1);
	}
}

static void read_stat(struct bench_stat *stat)
{
	unsigned int i;

	memset(stat, 0, sizeof(*stat));
	for (i = 0; i < 2; i++) {
		stat->calls += shared->stat[i].calls;
		stat->wakeups += shared->stat[i].wakeups;
		stat->sleeps += shared->stat[i].sleeps;
	}
}

const struct bench_mechanism bench_twin = {
	.name = "twin",
	.what = "a model of EXCHANGE in user space",
	.counts = true,
	.models = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
	.stat = read_stat,
};

const struct bench_mechanism bench_twin_spin = {
	.name = "twin-spin",
	.what = "the same, which spins for 20 us before it sleeps",
	.counts = true,
	.models = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
	.stat = read_stat,
};
