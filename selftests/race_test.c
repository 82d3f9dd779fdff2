// SPDX-License-Identifier: GPL-2.0-only
/*
 * Close, abort and death of descriptors against exchange, mmap, status and poll
 * in other threads of the same process.  Whoever wins: every call gives a
 * documented answer, nobody hangs, and each accepted command has exactly one
 * completion.
 */
#include <stdatomic.h>
#include <pthread.h>

#include "link.h"

/* By default; VDI_RACE_ROUNDS says otherwise */
#define ROUNDS	40

enum event {
	CLIENT_ABORTS, SERVER_ABORTS, CLIENT_CLOSES, SERVER_CLOSES, CLIENT_FD, CLIENT_DEVICE_FD,
	SERVER_FD,
};

/* One round: the threads, and what they count. */
struct round {
	struct vt_link l;
	atomic_uint accepted;
	atomic_uint collected;
	atomic_uint aborted;
	atomic_uint ready;	/* threads that have begun */
	atomic_uint moved;	/* records; the event comes after some */
	atomic_bool over;
	atomic_int strange;	/* an errno that nobody documents here */
};

/* Answers that a call may have once the event has happened; the last two are /dev/null's. */
static bool ended(int err)
{
	return err == ECANCELED || err == EPROTO || err == ESHUTDOWN || err == ENOTTY ||
	       err == ENODEV;
}

static bool go_on(struct round *r, int err)
{
	if (err && !ended(err) && err != EXFULL && err != ETIMEDOUT)
		atomic_store(&r->strange, err);
	return !ended(err) && !atomic_load(&r->over);
}

static void *sender(void *arg)
{
	struct round *r = arg;
	struct vdi_command c[6];
	struct vdi_exchange x;
	int err;

	atomic_fetch_add(&r->ready, 1);
	vt_flushes(c, 6, 0, 1);
	do {
		err = vt_exchange(r->l.sdev[0], &x, c, 6, NULL, 0, 0, 0);
		if (!err)
			atomic_fetch_add(&r->accepted, x.out_accepted);
		if (err == EXFULL)
			sched_yield();
	} while (go_on(r, err));
	return NULL;
}

static void *collector(void *arg)
{
	struct round *r = arg;
	struct vdi_completion c[5];
	struct vdi_exchange x;
	unsigned int i;
	int err;

	atomic_fetch_add(&r->ready, 1);
	do {
		err = vt_exchange(r->l.server, &x, NULL, 0, c, 5, 2, vt_in_ms(1000));
		for (i = 0; !err && i < x.out_delivered; i++) {
			atomic_fetch_add(&r->collected, 1);
			if (c[i].code == 995)
				atomic_fetch_add(&r->aborted, 1);
			else if (c[i].code)
				atomic_store(&r->strange, -2);
		}
	} while (go_on(r, err));
	return NULL;
}

static void *completer(void *arg)
{
	struct round *r = arg;
	struct vdi_completion d[4];
	struct vdi_command c[4];
	struct vdi_exchange x;
	unsigned int i, n = 0;
	int err;

	atomic_fetch_add(&r->ready, 1);
	do {
		err = vt_exchange(r->l.cdev[0], &x, d, n, c, 4, 1, vt_in_ms(1000));
		if (err)
			continue;
		if (x.out_accepted != n && !ended(x.out_refused))
			atomic_store(&r->strange, -3);
		for (i = n = 0; i < x.out_delivered; i++)
			d[n++] = vt_answer(&c[i], 0);
		atomic_fetch_add(&r->moved, n);
	} while (go_on(r, err));
	return NULL;
}

static void *mapper(void *arg)
{
	struct round *r = arg;
	volatile unsigned char *p;

	atomic_fetch_add(&r->ready, 1);
	while (!atomic_load(&r->over)) {
		p = vt_map(r->l.client, r->l.offset, r->l.size);
		if (!p) {
			if (!ended(errno))
				atomic_store(&r->strange, errno);
			sched_yield();
			continue;
		}
		p[0]++;
		p[r->l.size - 1]++;
		munmap((void *)p, r->l.size);
	}
	return NULL;
}

static void *watcher(void *arg)
{
	struct round *r = arg;
	struct vdi_status s;
	int err;

	atomic_fetch_add(&r->ready, 1);
	while (!atomic_load(&r->over)) {
		vt_poll(r->l.cdev[0]);
		vt_poll(r->l.server);
		err = vt_status(r->l.client, &s);
		if (err && !ended(err))
			atomic_store(&r->strange, err);
		err = vt_get_config(r->l.server, 0);
		if (err && !ended(err))
			atomic_store(&r->strange, err);
	}
	return NULL;
}

/* Nobody else may be given the descriptor's number while threads use it. */
static int close_fd(int fd)
{
	static int null = -1;

	if (null < 0)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return dup3(null, fd, O_CLOEXEC) == fd ? 0 : errno;
}

static int make_happen(struct round *r, enum event what)
{
	switch (what) {
	case CLIENT_ABORTS:
		return vt_abort(r->l.client);
	case SERVER_ABORTS:
		return vt_abort(r->l.server);
	case CLIENT_CLOSES:
		return vt_close(r->l.client) == EBUSY ? 0 : -1;
	case SERVER_CLOSES:
		return vt_close(r->l.server) == EPROTO ? 0 : -1;
	case CLIENT_FD:
		return close_fd(r->l.client);
	case CLIENT_DEVICE_FD:
		return close_fd(r->l.cdev[0]);
	default:
		return close_fd(r->l.server);
	}
}

FIXTURE(race) {
	struct round r;
};

FIXTURE_VARIANT(race) {
	enum event event;
};

#define EVENT(e) FIXTURE_VARIANT_ADD(race, by_##e) { .event = e }

EVENT(CLIENT_ABORTS);
EVENT(SERVER_ABORTS);
EVENT(CLIENT_CLOSES);
EVENT(SERVER_CLOSES);
EVENT(CLIENT_FD);
EVENT(CLIENT_DEVICE_FD);
EVENT(SERVER_FD);

FIXTURE_SETUP(race)
{
}

FIXTURE_TEARDOWN(race)
{
	vt_baseline(_metadata);
}

/* What is left after the event, through the handle that the server still has. */
static unsigned int drain(struct round *r)
{
	struct vdi_completion c[16];
	unsigned int n = 0;
	int got;

	while ((got = vt_take(r->l.sdev[0], c, 16)) > 0)
		n += got;
	return n;
}

static void run_round(struct __test_metadata *_metadata, struct round *r, enum event what,
		      unsigned int after)
{
	static void *(*const work[])(void *) = { sender, collector, completer, mapper, watcher };
	pthread_t t[ARRAY_SIZE(work)];
	unsigned int i;

	memset(r, 0, sizeof(*r));
	vt_link_init(&r->l, 1);
	ASSERT_EQ(0, vt_link_up(&r->l));
	for (i = 0; i < ARRAY_SIZE(work); i++)
		ASSERT_EQ(0, pthread_create(&t[i], NULL, work[i], r));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&r->ready) == ARRAY_SIZE(work) &&
			     atomic_load(&r->moved) >= after));
	EXPECT_EQ(0, make_happen(r, what));
	/* these three end by themselves, because of the event */
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_join(t[i], NULL));
	atomic_store(&r->over, true);
	for (; i < ARRAY_SIZE(work); i++)
		ASSERT_EQ(0, pthread_join(t[i], NULL));
	EXPECT_EQ(0, atomic_load(&r->strange));
	EXPECT_EQ(atomic_load(&r->accepted), atomic_load(&r->collected) + drain(r));
	close(r->l.client);
	close(r->l.server);
	close(r->l.cdev[0]);
	close(r->l.sdev[0]);
}

TEST_F(race, every_command_is_completed_once)
{
	const char *rounds = getenv("VDI_RACE_ROUNDS");
	unsigned int i, n = rounds ? strtoul(rounds, NULL, 10) : ROUNDS;

	for (i = 0; i < n; i++)
		run_round(_metadata, &self->r, variant->event, i * 7 % 60);
}

/* CLOSE and CREATE of one handle in many threads: it stays whole. */

struct binder {
	int fd;
	const char *name;
	unsigned int rounds;
	unsigned int created;
	unsigned int closed;
	int strange;
};

static void *bind_and_close(void *arg)
{
	struct binder *b = arg;
	unsigned int i;
	int err;

	for (i = 0; i < b->rounds; i++) {
		err = vt_create(b->fd, b->name, 1);
		b->created += !err;
		if (err && err != EPROTO && err != EEXIST)
			b->strange = err;
		err = vt_close(b->fd);
		b->closed += !err;
		if (err && err != EPROTO)
			b->strange = err;
	}
	return NULL;
}

TEST(create_races_close)
{
	struct binder b[4];
	unsigned int i, created = 0, closed = 0;
	char name[VDI_NAME_SIZE];
	pthread_t t[4];
	int fd = vt_open_node();

	vt_name(name);
	for (i = 0; i < 4; i++) {
		b[i] = (struct binder){ .fd = fd, .name = name, .rounds = 500 };
		ASSERT_EQ(0, pthread_create(&t[i], NULL, bind_and_close, &b[i]));
	}
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(t[i], NULL));
		EXPECT_EQ(0, b[i].strange);
		created += b[i].created;
		closed += b[i].closed;
	}
	EXPECT_LT(0, created);
	EXPECT_EQ(created, closed);
	EXPECT_EQ(EPROTO, vt_close(fd));
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
