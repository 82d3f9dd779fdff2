// SPDX-License-Identifier: GPL-2.0-only
/*
 * Wake-ups: none is lost and none is wasted.  Commands of one byte go round
 * rings of depth 1, with random pauses on both sides, in every way to wait; who
 * waits longer than the watchdog has lost one.  Some pairs do so at a time, so
 * that each is held up by others at any place, and no processor idles.  A sleep
 * is a voluntary context switch of the thread, which the kernel counts: one for
 * a command and a side, one for each waiter at an abort (R16).
 */
#include "link.h"
#include "sleeper.h"

#define WATCHDOG_NS	(5 * VT_SEC * vt_scale())
#define ASKED		100000U		/* round trips; VDI_WAKE_ROUNDS says otherwise */
#define LIMIT_S		10U		/* or as many as fit; VDI_WAKE_SECONDS */
#define EACH_WAY	250U		/* one way to wait, then the next */
#define PAIRS		4U		/* each on a set of its own */

static unsigned int number(const char *variable, unsigned int otherwise)
{
	const char *s = getenv(variable);

	return s && atoi(s) > 0 ? (unsigned int)atoi(s) : otherwise;
}

/* Ways to get the next record */
enum way { SLEEP, POLL, SPIN, WHOLE_SET, WAYS };

/**
 * struct side - One side of the trip
 * @fd: of its device, and of its set
 * @set_fd: likewise
 * @seed: for the pauses
 * @err: what went wrong, 0 if nothing did
 * @pauses: random, or none
 */
struct side {
	int fd;
	int set_fd;
	unsigned int seed;
	int err;
	bool pauses;
	unsigned char *byte;
	unsigned int rounds;
	atomic_uint done;
	long switches;
	pthread_t thread;
};

/* Long enough that the peer is asleep sometimes, and sometimes not yet. */
static void rest(struct side *s)
{
	unsigned int r = s->pauses ? rand_r(&s->seed) : 1;
	volatile unsigned int spin;

	if (!(r % 64))
		poll(NULL, 0, 1);
	else if (!(r % 7))
		sched_yield();
	else if (!(r % 2))
		for (spin = r >> 8 & 0xfff; spin; spin--)
			;
}

static long switches(void)
{
	struct rusage u;

	return getrusage(RUSAGE_THREAD, &u) ? -1 : u.ru_nvcsw;
}

/* Hands over @in if there is one, and gets the next record; 0 or the errno. */
static int next(struct side *s, enum way how, void *in, void *out)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	uint64_t deadline = vt_now() + WATCHDOG_NS;
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)in, .nr_in = !!in,
					.out = (uintptr_t)out, .nr_out = 1, .min = 1,
					.deadline_ns = deadline);
	int err;

	if (how == POLL) {
		x.nr_out = 0;
		x.min = 0;
		err = in ? vt_call(s->fd, VDI_IOC_EXCHANGE, &x) : 0;
		if (err || x.out_refused)
			return err ?: (int)x.out_refused;
		err = poll(&p, 1, WATCHDOG_NS / 1000000) == 1 ? 0 : ETIMEDOUT;
		if (err)
			return err;
		x.nr_in = 0;
		x.nr_out = 1;
		x.deadline_ns = 0;
	}
	if (how == SPIN)
		x.spin_us = 20;
	err = vt_call(how == WHOLE_SET ? s->set_fd : s->fd, VDI_IOC_EXCHANGE, &x);
	return err ?: x.out_refused ? (int)x.out_refused : x.out_delivered == 1 ? 0 : ETIMEDOUT;
}

static enum way way_of(const struct side *s, unsigned int round)
{
	return s->pauses ? round / EACH_WAY % WAYS : SLEEP;
}

/* The client: what it gets is in order and holds the byte that was sent. */
static void *client(void *arg)
{
	struct side *s = arg;
	struct vdi_completion d;
	struct vdi_command c;
	unsigned int i;
	long before = switches();

	for (i = 0; !s->err && i < s->rounds; i++) {
		s->err = next(s, way_of(s, i), i ? &d : NULL, &c);
		if (!s->err && (c.position != i || c.length != 1 || *s->byte != (i & 0xff)))
			s->err = -1;
		d = vt_answer(&c, 0);
		rest(s);
	}
	s->switches = switches() - before;
	if (!s->err)
		s->err = vt_put(s->fd, &d, 1, NULL);
	return NULL;
}

static void *server(void *arg)
{
	struct side *s = arg;
	struct vdi_completion d;
	struct vdi_command c;
	long before = switches();
	unsigned int i;

	for (i = 0; !s->err && i < s->rounds; i++) {
		*s->byte = i;
		c = (struct vdi_command){
			.code = VDI_CMD_WRITE, .length = 1, .id = i + 1000, .position = i,
		};
		s->err = next(s, way_of(s, i), &c, &d);
		if (!s->err && (d.id != i + 1000 || d.result != 1))
			s->err = -1;
		atomic_store(&s->done, i + 1);
		rest(s);
	}
	s->switches = switches() - before;
	return NULL;
}

/* A client and a server, and the set between them */
struct pair {
	struct vt_link l;
	struct side c;
	struct side s;
};

FIXTURE(wake) {
	struct pair pairs[PAIRS];
	struct pair *one;	/* of them */
};

static bool pair_up(struct pair *p, unsigned int seed)
{
	unsigned char *map;

	vt_link_init(&p->l, 1);
	p->l.create.ring_depth = 1;
	if (vt_link_up(&p->l))
		return false;
	map = vt_map(p->l.client, p->l.offset, p->l.size);
	p->c = (struct side){
		.fd = p->l.cdev[0], .set_fd = p->l.client, .byte = map, .seed = seed,
	};
	p->s = (struct side){
		.fd = p->l.sdev[0], .set_fd = p->l.server, .byte = map, .seed = seed + 1,
	};
	return map;
}

FIXTURE_SETUP(wake)
{
	unsigned int i;

	for (i = 0; i < PAIRS; i++)
		ASSERT_TRUE(pair_up(&self->pairs[i], 2 * i + 1));
	self->one = self->pairs;
}

FIXTURE_TEARDOWN(wake)
{
	vt_baseline(_metadata);
}

static void side_start(struct __test_metadata *_metadata, struct side *s,
		       void *(*what)(void *), unsigned int rounds, bool pauses)
{
	s->rounds = rounds;
	s->pauses = pauses;
	s->err = 0;
	ASSERT_EQ(0, pthread_create(&s->thread, NULL, what, s));
}

/* @n pairs at a time, @rounds each */
static void go_round(struct __test_metadata *_metadata, struct pair *pairs, unsigned int n,
		     unsigned int rounds, bool pauses)
{
	struct pair *p;

	for (p = pairs; p < pairs + n; p++) {
		side_start(_metadata, &p->c, client, rounds, pauses);
		side_start(_metadata, &p->s, server, rounds, pauses);
	}
	for (p = pairs; p < pairs + n; p++) {
		ASSERT_EQ(0, pthread_join(p->s.thread, NULL));
		ASSERT_EQ(0, pthread_join(p->c.thread, NULL));
		ASSERT_EQ(0, p->s.err) {
			TH_LOG("server: %s after %u", strerror(p->s.err),
			       atomic_load(&p->s.done));
		}
		ASSERT_EQ(0, p->c.err) {
			TH_LOG("client: %s", strerror(p->c.err));
		}
	}
}

TEST_F_TIMEOUT(wake, none_is_lost, 7200)
{
	uint64_t end = vt_now() + number("VDI_WAKE_SECONDS", LIMIT_S) * VT_SEC;
	unsigned int asked = number("VDI_WAKE_ROUNDS", ASKED), n = 0;

	while (n < asked && vt_now() < end) {
		/* a lap has all the ways; the first also if time is short */
		go_round(_metadata, self->pairs, PAIRS, EACH_WAY * WAYS, true);
		n += PAIRS * EACH_WAY * WAYS;
	}
	TH_LOG("F9: reached %u of %u asked round trips, none was lost", n, asked);
}

#define COMMANDS	2000U

/*
 * Both sides sleep for each command, once.  The slack is for what else a thread
 * waits for, which is not a matter of how many commands there are.
 */
TEST_F(wake, one_for_a_command_and_a_side)
{
	unsigned int slack = COMMANDS / 50;
	struct vdi_status before, after;

	ASSERT_EQ(0, vt_status(self->one->l.client, &before));
	go_round(_metadata, self->one, 1, COMMANDS, false);
	ASSERT_EQ(0, vt_status(self->one->l.client, &after));
	EXPECT_GE(COMMANDS + slack, self->one->c.switches);
	EXPECT_GE(COMMANDS + slack, self->one->s.switches);
	/* also counted: a wake-up of who was about to sleep and then did not */
	EXPECT_GE(2 * COMMANDS + COMMANDS / 4, after.out_stat.wakeups - before.out_stat.wakeups);
	TH_LOG("F10: reached %.2f and %.2f sleeps, %.2f wake-ups for a command, at most 1, 1 and 2",
	       (double)self->one->c.switches / COMMANDS,
	       (double)self->one->s.switches / COMMANDS,
	       (double)(after.out_stat.wakeups - before.out_stat.wakeups) / COMMANDS);
}

#define SLEEPERS	4U

/* One of several clients on one handle; the commands are told apart by their ids. */
static void *one_of_many(void *arg)
{
	struct vdi_completion d;
	struct side *s = arg;
	struct vdi_command c;
	bool had = false;
	long before;

	/* the memory of the call is there: no fault is counted as a sleep */
	memset(&c, 0, sizeof(c));
	before = switches();
	while (!s->err) {
		s->err = next(s, SLEEP, had ? &d : NULL, &c);
		/* the completion was taken, and there will be no more commands */
		if (s->err == ETIMEDOUT && had && vt_device_state(s->fd) == VDI_DEVICE_CLOSED)
			s->err = next(s, SLEEP, NULL, &c);
		d = vt_answer(&c, 0);
		had = true;
	}
	s->switches = switches() - before;
	return NULL;
}

/* A command is for one of them: the others sleep on. */
TEST_F(wake, one_of_many_sleepers)
{
	struct side c[SLEEPERS];
	struct vdi_completion d;
	struct vdi_command cmd;
	unsigned int i;
	long sum = 0;

	for (i = 0; i < SLEEPERS; i++) {
		c[i] = self->one->c;
		ASSERT_EQ(0, pthread_create(&c[i].thread, NULL, one_of_many, &c[i]));
	}
	for (i = 0; i < COMMANDS; i++) {
		/* all but the one that is at work, if that */
		ASSERT_TRUE(i || VT_UNTIL(vt_sleeps(self->one->l.client) == SLEEPERS));
		cmd = vt_flush(0, i);
		ASSERT_EQ(0, next(&self->one->s, SLEEP, &cmd, &d));
		EXPECT_EQ(i, d.id);
	}
	ASSERT_EQ(0, vt_close_device(self->one->l.sdev[0]));
	for (i = 0; i < SLEEPERS; i++) {
		ASSERT_EQ(0, pthread_join(c[i].thread, NULL));
		EXPECT_EQ(ESHUTDOWN, c[i].err);
		sum += c[i].switches;
	}
	EXPECT_GE(COMMANDS + COMMANDS / 50 + SLEEPERS, sum);
	TH_LOG("F10: reached %.2f sleeps for a command with %u sleepers, at most 1",
	       (double)sum / COMMANDS, SLEEPERS);
}

#define MANY		32U	/* threads on each device; VDI_WAKE_THREADS says otherwise */
#define STACK		(64 << 10)

struct waiter {
	int fd;
	int err;
	long switches;
	uint64_t end_ns;
	atomic_int tid;
	pthread_t thread;
};

static atomic_uint returned;

static void *wait_for_abort(void *arg)
{
	struct waiter *w = arg;
	struct vdi_command c = {};
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)&c, .nr_out = 1,
					.min = 1, .deadline_ns = VDI_TIME_INFINITE);
	long before = switches();

	atomic_store(&w->tid, syscall(SYS_gettid));
	w->err = ioctl(w->fd, VDI_IOC_EXCHANGE, &x) ? errno : 0;
	w->end_ns = vt_now();
	w->switches = switches() - before;
	atomic_fetch_add(&returned, 1);
	return NULL;
}

/* crowd: nothing is set up, but a slow machine may take its time over it. */
FIXTURE(crowd) {
};

FIXTURE_SETUP(crowd)
{
}

FIXTURE_TEARDOWN(crowd)
{
	vt_baseline(_metadata);
}

/* A debug kernel takes seconds for so many threads, whatever wakes them. */
static uint64_t crowd_ns(void)
{
	bool debug = !access("/sys/kernel/debug/kmemleak", F_OK) ||
		     !access("/sys/kernel/debug/kcsan", F_OK);

	return debug ? 5 * VT_SOON_NS : VT_SEC;
}

TEST_F_TIMEOUT(crowd, one_for_a_waiter_at_abort, 300)
{
	unsigned int each = number("VDI_WAKE_THREADS", MANY), n = 64 * each, i, late = 0;
	struct waiter *w = calloc(n, sizeof(*w));
	uint64_t aborted, last = 0;
	pthread_attr_t attr;
	struct vt_link l;
	char *stacks;
	long sum = 0;

	ASSERT_NE(NULL, w);
	atomic_store(&returned, 0);
	vt_link_init(&l, 64);
	ASSERT_EQ(0, vt_link_up(&l));
	pthread_attr_init(&attr);
	/* Under UML each mapping costs a multiple of the thread */
	stacks = mmap(NULL, (size_t)n * STACK, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ASSERT_NE(MAP_FAILED, stacks);
	for (i = 0; i < n; i++) {
		w[i].fd = l.cdev[i % 64];
		ASSERT_EQ(0, pthread_attr_setstack(&attr, stacks + i * STACK, STACK));
		ASSERT_EQ(0, pthread_create(&w[i].thread, &attr, wait_for_abort, &w[i]));
	}
	ASSERT_TRUE(VT_UNTIL(vt_sleeps(l.client) == n));
	for (i = 0; i < n; i++)
		ASSERT_TRUE(VT_UNTIL(vt_asleep_now(atomic_load(&w[i].tid))));
	aborted = vt_now();
	ASSERT_EQ(0, vt_abort(l.server));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&returned) == n)) {
		TH_LOG("%u of %u waiters are back", atomic_load(&returned), n);
	}
	for (i = 0; i < n; i++) {
		ASSERT_EQ(0, pthread_join(w[i].thread, NULL));
		EXPECT_EQ(ECANCELED, w[i].err);
		sum += w[i].switches;
		last = w[i].end_ns > last ? w[i].end_ns : last;
		late += w[i].end_ns > aborted + crowd_ns();
	}
	EXPECT_GE(n + 2, sum);
	EXPECT_EQ(0, late);
	TH_LOG("F10: reached %u of %u asked waiters at abort, %ld sleeps, back after %llu us", n,
	       64 * 32, sum, (unsigned long long)(last - aborted) / 1000);
	munmap(stacks, (size_t)n * STACK);
	free(w);
}

TEST_HARNESS_MAIN
