// SPDX-License-Identifier: GPL-2.0-only
/*
 * How EXCHANGE waits: deadlines, O_NONBLOCK, signals, spinning, and what `min`
 * means.  Aborts that end a wait are in abort_test.c.
 */
#include "link.h"
#include "sleeper.h"
#include "uring.h"

#define DEPTH	8U	/* of the ring here */

FIXTURE(wait) {
	struct vt_link l;
	int client;
	int server;
	struct vdi_command cmd[64];
	struct vdi_completion done[64];
	struct vt_sleeper s;
};

FIXTURE_SETUP(wait)
{
	vt_link_init(&self->l, 1);
	self->l.create.ring_depth = DEPTH;
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->client = self->l.cdev[0];
	self->server = self->l.sdev[0];
}

FIXTURE_TEARDOWN(wait)
{
	vt_baseline(_metadata);
}

/* Deadlines. */

TEST_F(wait, client_ETIMEDOUT_not_early)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->cmd,
					.nr_out = 4, .min = 1);

	x.deadline_ns = vt_in_ms(300);
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_LE(x.deadline_ns, vt_now());
}

TEST_F(wait, server_ETIMEDOUT_not_early)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->done,
					.nr_out = 4, .min = 1);

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	x.deadline_ns = vt_in_ms(300);
	EXPECT_ERRNO(ETIMEDOUT, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_LE(x.deadline_ns, vt_now());
	/* and the command is still there, once */
	EXPECT_EQ(1, vt_take(self->client, self->cmd, 4));
}

TEST_F(wait, spinning_ETIMEDOUT_not_early)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->cmd,
					.nr_out = 4, .min = 1, .spin_us = ~0U);

	x.deadline_ns = vt_in_ms(300);
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_LE(x.deadline_ns, vt_now());
}

TEST_F(wait, deadline_0_polls)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->cmd,
					.nr_out = 4, .min = 1);

	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_OK(self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(1, x.out_delivered);
}

/* A call that accepted something succeeds, whatever ended its wait. */
TEST_F(wait, deadline_after_acceptance_gives_0)
{
	struct vdi_command c = vt_flush(0, 1);
	struct vdi_exchange x;
	uint64_t deadline = vt_in_ms(100);

	ASSERT_EQ(0, vt_exchange(self->server, &x, &c, 1, self->done, 4, 1, deadline));
	EXPECT_LE(deadline, vt_now());
	EXPECT_EQ(1, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(0, x.out_refused);
}

TEST_F(wait, deadline_with_less_than_min_gives_0)
{
	struct vdi_exchange x;
	uint64_t deadline = vt_in_ms(100);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 0, NULL, 0));
	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, self->cmd, 4, 4, deadline));
	EXPECT_LE(deadline, vt_now());
	EXPECT_EQ(2, x.out_delivered);
	EXPECT_EQ(0, x.out_refused);
}

/* O_NONBLOCK. */

TEST_F(wait, nonblock_EAGAIN)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->cmd, .nr_out = 4,
					.min = 1, .deadline_ns = VDI_TIME_INFINITE);

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(1, vt_take(self->client, self->cmd, 1));
	ASSERT_EQ(0, fcntl(self->client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->server, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->l.client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->l.server, F_SETFL, O_NONBLOCK));
	EXPECT_ERRNO(EAGAIN, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EAGAIN, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EAGAIN, self->l.client, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EAGAIN, self->l.server, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

TEST_F(wait, nonblock_gives_what_there_is)
{
	struct vdi_exchange x;
	struct vdi_command c = vt_flush(0, 9);

	ASSERT_EQ(0, fcntl(self->client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->server, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, vt_exchange(self->server, &x, &c, 1, self->done, 4, 1, VDI_TIME_INFINITE));
	EXPECT_EQ(1, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, self->cmd, 4, 4,
				 VDI_TIME_INFINITE));
	EXPECT_EQ(1, x.out_delivered);
}

TEST_F(wait, open_device_nonblock_flag)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device,
					   .flags = VDI_OPEN_DEVICE_F_NONBLOCK);
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_configure(&l));
	vt_device_name(o.name, l.create.name, 0);
	ASSERT_OK(l.client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_EQ(O_NONBLOCK, fcntl(o.out_fd, F_GETFL) & O_NONBLOCK);
	EXPECT_EQ(EAGAIN, vt_get(o.out_fd, self->cmd, VDI_TIME_INFINITE));
}

/* min. */

static bool has_record(struct vt_sleeper *s)
{
	return s->err == 0 && s->x.out_delivered > 0;
}

TEST_F(wait, client_waits_for_min)
{
	self->s = vt_waiter(self->client, self->cmd, 8, 3, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 2));
	ASSERT_TRUE(vt_still_asleep(&self->s));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 3));
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(3, self->s.x.out_delivered);
}

TEST_F(wait, server_waits_for_min)
{
	unsigned int i;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 5, 0, self->cmd, 5));
	self->s = vt_waiter(self->server, self->done, 8, 3, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(vt_still_asleep(&self->s));
		ASSERT_EQ(0, vt_complete(self->client, 0, self->cmd[i].id, 0, 0));
	}
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(3, self->s.x.out_delivered);
}

/* The server never waits for more than it has outstanding. */
TEST_F(wait, server_min_is_capped_by_outstanding)
{
	unsigned int i;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 0, self->cmd, 2));
	self->s = vt_waiter(self->server, self->done, 8, 8, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_complete(self->client, 0, self->cmd[i].id, 0, 0));
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(2, self->s.x.out_delivered);
}

TEST_F(wait, client_min_ends_when_the_ring_is_full)
{
	unsigned int i;

	self->s = vt_waiter(self->client, self->cmd, 64, 64, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	for (i = 0; i < DEPTH; i++) {
		ASSERT_TRUE(vt_still_asleep(&self->s));
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, i));
	}
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(DEPTH, self->s.x.out_delivered);
}

/* The same if the ring was full before the wait began. */
TEST_F(wait, client_min_with_a_full_ring_does_not_wait)
{
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, DEPTH, 0, NULL, 0));
	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, self->cmd, 64, 64, VT_LONG));
	EXPECT_EQ(DEPTH, x.out_delivered);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

TEST_F(wait, client_min_ends_when_the_server_sleeps)
{
	struct vdi_exchange x;

	self->s = vt_waiter(self->client, self->cmd, 64, 64, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	vt_flushes(self->cmd + 32, 2, 0, 0);
	/* sends two and waits for their completions */
	ASSERT_EQ(0, vt_exchange(self->server, &x, self->cmd + 32, 2, self->done, 1, 1,
				 vt_in_ms(200)));
	EXPECT_EQ(2, x.out_accepted);
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(2, self->s.x.out_delivered);
}

TEST_F(wait, server_min_ends_when_the_client_sleeps)
{
	struct vdi_completion done;
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 4, 0, self->cmd, 4));
	self->s = vt_waiter(self->server, self->done, 64, 4, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	done = vt_answer(&self->cmd[2], 0);
	ASSERT_EQ(0, vt_exchange(self->client, &x, &done, 1, self->cmd, 1, 1, vt_in_ms(200)));
	EXPECT_EQ(1, x.out_accepted);
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(1, self->s.x.out_delivered);
	EXPECT_EQ(2, self->done[0].id);
}

/* A server that never sleeps: it asks, and asks again. */
static void client_min_ends(struct __test_metadata *_metadata, FIXTURE_DATA(wait) *self,
			    int (*ask)(int fd))
{
	struct vdi_exchange x;

	self->s = vt_waiter(self->client, self->cmd, 8, 4, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	vt_flushes(self->cmd + 32, 1, 0, 0);
	ASSERT_EQ(0, vt_exchange(self->server, &x, self->cmd + 32, 1, self->done, 1, 1, 0));
	ASSERT_EQ(1, x.out_accepted);
	/* who brings something may bring more */
	ASSERT_TRUE(vt_still_asleep(&self->s));
	EXPECT_EQ(0, ask(self->server));
	ASSERT_TRUE(vt_awake(&self->s));
	ASSERT_TRUE(has_record(&self->s));
	EXPECT_EQ(1, self->s.x.out_delivered);
}

static int ask_at_once(int fd)
{
	struct vdi_completion done;
	struct vdi_exchange x;

	return vt_exchange(fd, &x, NULL, 0, &done, 1, 1, 0) == ETIMEDOUT ? 0 : -1;
}

TEST_F(wait, client_min_ends_when_the_server_asks_at_once)
{
	client_min_ends(_metadata, self, ask_at_once);
}

static int ask_without_min(int fd)
{
	struct vdi_completion done;

	return vt_take(fd, &done, 1);
}

TEST_F(wait, client_min_ends_when_the_server_asks_without_min)
{
	client_min_ends(_metadata, self, ask_without_min);
}

static int ask_with_a_deadline(int fd)
{
	struct vdi_completion done;
	struct vdi_exchange x;

	return vt_exchange(fd, &x, NULL, 0, &done, 1, 1, vt_in_ms(1)) == ETIMEDOUT ? 0 : -1;
}

TEST_F(wait, client_min_ends_when_the_server_asks_for_a_moment)
{
	client_min_ends(_metadata, self, ask_with_a_deadline);
}

static int ask_by_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0);
}

TEST_F(wait, client_min_ends_when_the_server_looks_by_poll)
{
	client_min_ends(_metadata, self, ask_by_poll);
}

/* A poll of io_uring may wait exclusively, and then keeps the wake-up for itself. */
TEST_F(wait, exclusive_poll_takes_no_wakeup)
{
	struct io_uring_sqe *sqe;
	struct ring r;

	if (!ring_up(&r))
		SKIP(return, "this kernel has no io_uring");
	sqe = ring_add(&r, IORING_OP_POLL_ADD, self->client, NULL, IORING_POLL_ADD_MULTI);
	sqe->off = 0;
	sqe->poll32_events = POLLIN | EPOLLEXCLUSIVE;
	ASSERT_EQ(1, ring_enter(&r, 1, 0));
	self->s = vt_waiter(self->client, self->cmd, 1, 1, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_awake(&self->s));
	EXPECT_TRUE(has_record(&self->s));
	/* it keeps the file until it is cancelled; its user data is 0 */
	ring_add(&r, IORING_OP_POLL_REMOVE, -1, NULL, 0)->off = 0;
	EXPECT_EQ(1, ring_enter(&r, 1, 2));
	close(r.fd);
}

/* A client that slept first is not let down by a server that sleeps already. */
TEST_F(wait, client_min_with_a_sleeping_server)
{
	uint64_t deadline = VT_LONG;
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 3, 0, NULL, 0));
	self->s = vt_waiter(self->server, self->done, 64, 3, VT_LONG);
	ASSERT_TRUE(vt_sleep(&self->s));
	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, self->cmd, 64, 64, deadline));
	EXPECT_EQ(3, x.out_delivered);
	EXPECT_GT(deadline, vt_now());
	EXPECT_EQ(0, vt_abort(self->l.client));
	EXPECT_TRUE(vt_awake(&self->s));
}

struct pingpong {
	int fd;
	unsigned int total;
	unsigned int seed;
	unsigned int got;
	int err;
};

/* A client whose every call has another threshold. */
static void *pingpong_client(void *arg)
{
	struct pingpong *p = arg;
	struct vdi_command c[DEPTH * 2];
	struct vdi_completion d[DEPTH * 2];
	unsigned int i, n = 0, min;
	struct vdi_exchange x;
	uint64_t deadline;

	while (!p->err && p->got < p->total) {
		min = 1 + rand_r(&p->seed) % (DEPTH * 2);
		deadline = VT_LONG;
		p->err = vt_exchange(p->fd, &x, d, n, c, DEPTH * 2, min, deadline);
		if (p->err)
			break;
		if (x.out_refused || x.out_accepted != n || vt_now() >= deadline)
			p->err = x.out_refused ? (int)x.out_refused : -1;
		n = x.out_delivered;
		for (i = 0; i < n; i++)
			d[i] = vt_answer(&c[i], 0);
		p->got += n;
	}
	if (!p->err)
		p->err = vt_put(p->fd, d, n, NULL);
	return NULL;
}

/* Whatever the two sides wait for, they never wait for each other. */
TEST_F(wait, thresholds_never_wait_for_each_other)
{
	struct pingpong p = { .fd = self->client, .total = 3000, .seed = 1 };
	unsigned int sent = 0, done = 0, n, seed = 2;
	struct vdi_exchange x;
	uint64_t deadline;
	pthread_t t;

	ASSERT_EQ(0, pthread_create(&t, NULL, pingpong_client, &p));
	while (done < p.total) {
		n = 1 + rand_r(&seed) % DEPTH;
		if (n > DEPTH - (sent - done))
			n = DEPTH - (sent - done);
		if (n > p.total - sent)
			n = p.total - sent;
		vt_flushes(self->cmd, n, 0, sent);
		deadline = VT_LONG;
		ASSERT_EQ(0, vt_exchange(self->server, &x, self->cmd, n, self->done, DEPTH,
					 1 + rand_r(&seed) % DEPTH, deadline));
		ASSERT_GT(deadline, vt_now());
		ASSERT_EQ(n, x.out_accepted);
		ASSERT_NE(0, x.out_accepted + x.out_delivered);
		sent += n;
		done += x.out_delivered;
	}
	ASSERT_EQ(0, pthread_join(t, NULL));
	EXPECT_EQ(0, p.err);
	EXPECT_EQ(p.total, p.got);
}

/* Spinning changes nothing but the time. */
TEST_F(wait, spinning_gives_the_same)
{
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)self->cmd, .nr_out = 4,
					.min = 1, .spin_us = 50, .deadline_ns = VT_LONG);
	unsigned int i;

	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, i));
		ASSERT_OK(self->client, VDI_IOC_EXCHANGE, &x);
		ASSERT_EQ(1, x.out_delivered);
		ASSERT_EQ(0, vt_complete(self->client, 0, self->cmd[0].id, 0, 0));
		ASSERT_EQ(0, vt_collect(self->server, self->done, VT_LONG));
		EXPECT_EQ(i, self->done[0].id);
	}
	/* and a spinner sleeps in the end, and is woken */
	self->s = vt_waiter(self->client, self->cmd, 4, 1, VT_LONG);
	self->s.x.spin_us = ~0U;
	ASSERT_TRUE(vt_sleep(&self->s));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 7));
	ASSERT_TRUE(vt_awake(&self->s));
	EXPECT_TRUE(has_record(&self->s));
}

/* Several sleepers on one handle: as many wake as there are records. */
TEST_F(wait, each_record_goes_to_one_of_many_sleepers)
{
	struct vt_sleeper s[6];
	unsigned int i, n, awake;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = vt_waiter(self->client, &self->cmd[i], 1, 1, VT_LONG);
		ASSERT_TRUE(vt_sleep(&s[i]));
	}
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, i));
	ASSERT_TRUE(VT_UNTIL(({
		for (awake = 0, i = 0; i < ARRAY_SIZE(s); i++)
			awake += atomic_load(&s[i].done);
		awake == 3;
	})));
	EXPECT_EQ(0, vt_take(self->client, &self->cmd[10], 1));
	ASSERT_EQ(0, vt_close_device(self->server));
	/* the device is closed, and the others wake, with the last completion */
	for (n = 0, i = 0; i < ARRAY_SIZE(s); i++)
		if (atomic_load(&s[i].done))
			self->done[n++] = vt_answer(&self->cmd[i], 0);
	ASSERT_EQ(0, vt_put(self->client, self->done, n, NULL));
	for (awake = 0, i = 0; i < ARRAY_SIZE(s); i++) {
		ASSERT_TRUE(vt_awake(&s[i]));
		awake += s[i].err == ESHUTDOWN;
	}
	EXPECT_EQ(3, awake);
}

/* A sleeper that wants more does not keep the wake-up from one that wants less. */
TEST_F(wait, smallest_min_of_many_sleepers_counts)
{
	struct vt_sleeper s[3];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(s); i++) {
		s[i] = vt_waiter(self->client, &self->cmd[8 * i], 8, 5 - 2 * i, VT_LONG);
		ASSERT_TRUE(vt_sleep(&s[i]));
	}
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_awake(&s[2]));
	EXPECT_EQ(0, s[2].err);
	EXPECT_EQ(1, s[2].x.out_delivered);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_awake(&s[1]));
	EXPECT_EQ(3, s[1].x.out_delivered);
	ASSERT_TRUE(vt_still_asleep(&s[0]));
	ASSERT_EQ(0, vt_abort(self->l.client));
	EXPECT_TRUE(vt_awake(&s[0]));
}

/* A name that the server never gives: EXCHANGE waits until that is certain. */
TEST_F(wait, provisional_device_waits_then_EINVAL)
{
	struct vdi_command c[2];
	struct vt_sleeper good, bad;
	struct vt_link l;
	int dev[2];

	vt_link_init(&l, 3);
	ASSERT_EQ(0, vt_link_configure(&l));
	dev[0] = vt_open_device(l.client, "later");
	dev[1] = vt_open_device(l.client, "never");
	ASSERT_LE(0, dev[0]);
	ASSERT_LE(0, dev[1]);
	EXPECT_EQ(ETIMEDOUT, vt_get(dev[0], c, vt_in_ms(50)));
	good = vt_waiter(dev[0], &c[0], 1, 1, VT_LONG);
	bad = vt_waiter(dev[1], &c[1], 1, 1, VT_LONG);
	ASSERT_TRUE(vt_sleep(&good));
	ASSERT_TRUE(vt_sleep(&bad));
	ASSERT_LE(0, vt_open_device(l.server, l.create.name));
	l.sdev[1] = vt_open_device(l.server, "later");
	ASSERT_LE(0, l.sdev[1]);
	ASSERT_TRUE(vt_still_asleep(&bad));
	ASSERT_EQ(0, vt_send(l.sdev[1], 1, VDI_CMD_FLUSH, 5));
	ASSERT_TRUE(vt_awake(&good));
	EXPECT_EQ(0, good.err);
	EXPECT_EQ(1, c[0].device);
	ASSERT_LE(0, vt_open_device(l.server, "third"));
	ASSERT_TRUE(vt_awake(&bad));
	EXPECT_EQ(EINVAL, bad.err);
	EXPECT_NE(0, vt_poll(dev[1]) & POLLERR);
}

/* Spinning: how often, and for how long. */

#define SPIN_US	10000	/* as long as the module allows at all */

FIXTURE(spin) {
	struct vt_link l;
	long long old;
	pthread_t server;
	atomic_bool stop;
	int err;
};

FIXTURE_SETUP(spin)
{
	vt_link_init(&self->l, 1);
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->old = vt_parameter("max_spin_us");
	ASSERT_LE(0, self->old);
	/* Last: without a set-up there is no tear-down that sets it back */
	ASSERT_TRUE(vt_set_parameter("max_spin_us", SPIN_US));
}

FIXTURE_TEARDOWN(spin)
{
	EXPECT_TRUE(vt_set_parameter("max_spin_us", self->old));
	vt_baseline(_metadata);
}

static struct vdi_set_stat stat_of(int fd)
{
	struct vdi_status s;

	return vt_status(fd, &s) ? (struct vdi_set_stat){ .spin_hits = ~0ULL } : s.out_stat;
}

/* Nobody answers for three times as long. */
static int spin_in_vain(int fd)
{
	struct vdi_command c;
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)&c, .nr_out = 1, .min = 1,
					.spin_us = ~0U, .deadline_ns = vt_in_ms(30));

	return vt_call(fd, VDI_IOC_EXCHANGE, &x);
}

static void *send_until_told(void *arg)
{
	FIXTURE_DATA(spin) *self = arg;
	struct vdi_completion d;
	struct vdi_exchange x;
	struct vdi_command c;

	while (!self->err && !atomic_load(&self->stop)) {
		vt_flushes(&c, 1, 0, 0);
		self->err = vt_exchange(self->l.sdev[0], &x, &c, 1, &d, 1, 1, VT_LONG);
	}
	return NULL;
}

/*
 * Spins that do not pay get shorter, 10000, 5000, ... 1, and end, but for a try now and
 * then; those that would pay come back.  On one processor there is none.
 */
TEST_F(spin, as_long_as_it_pays)
{
	bool many = sysconf(_SC_NPROCESSORS_ONLN) > 1;
	int fd = self->l.cdev[0];
	struct vdi_command c;
	struct vdi_completion d;
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)&d,
					.out = (uintptr_t)&c, .nr_out = 1, .min = 1,
					.spin_us = ~0U, .deadline_ns = VT_LONG);
	struct vdi_set_stat s;
	unsigned int i;

	for (i = 0; i < 20; i++)
		ASSERT_EQ(ETIMEDOUT, spin_in_vain(fd));
	s = stat_of(fd);
	EXPECT_EQ(0, s.spin_hits);
	EXPECT_EQ(many ? 14 : 0, s.spin_misses);
	EXPECT_EQ(20, s.sleeps);
	/* 64 that did not spin: the last of them tried */
	for (; i < 14 + 63; i++)
		ASSERT_EQ(ETIMEDOUT, spin_in_vain(fd));
	EXPECT_EQ(many ? 14 : 0, stat_of(fd).spin_misses);
	ASSERT_EQ(ETIMEDOUT, spin_in_vain(fd));
	EXPECT_EQ(many ? 15 : 0, stat_of(fd).spin_misses);

	ASSERT_EQ(0, pthread_create(&self->server, NULL, send_until_told, self));
	for (i = 0; i < (many ? 20000 : 100); i++) {
		ASSERT_OK(fd, VDI_IOC_EXCHANGE, &x);
		ASSERT_EQ(1, x.out_delivered);
		d = vt_answer(&c, 0);
		x.nr_in = 1;
		s = stat_of(fd);
		if (s.spin_hits)
			break;
	}
	atomic_store(&self->stop, true);
	ASSERT_EQ(0, vt_put(fd, &d, 1, NULL));
	ASSERT_EQ(0, pthread_join(self->server, NULL));
	EXPECT_EQ(0, self->err);
	EXPECT_EQ(many, s.spin_hits);
	if (!many)
		EXPECT_EQ(0, s.spin_misses);
}

TEST_HARNESS_MAIN
