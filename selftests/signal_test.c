// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: what an interrupted EXCHANGE gives, that a restart keeps its
 * deadline, and that a storm of signals loses and doubles nothing.
 */
#include "link.h"
#include "sleeper.h"

#include <sys/time.h>

#define RING	64U	/* commands that a device can hold */

static atomic_uint caught;

static void catch(int sig)
{
	(void)sig;
	atomic_fetch_add(&caught, 1);
}

static int handle_signal(int sig, int flags)
{
	struct sigaction sa = { .sa_handler = catch, .sa_flags = flags };

	return sigaction(sig, &sa, NULL);
}

TEST_F(queue, signal_EINTR)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VT_LONG);

	ASSERT_EQ(0, handle_signal(SIGUSR1, 0));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, pthread_kill(s.thread, SIGUSR1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EINTR, s.err);
	/* it took nothing with it */
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(1, vt_take(self->client, &c, 1));
}

TEST_F(queue, signal_server_EINTR)
{
	struct vdi_completion c;
	struct vt_sleeper s = vt_waiter(self->server, &c, 1, 1, VT_LONG);

	ASSERT_EQ(0, handle_signal(SIGUSR1, 0));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, pthread_kill(s.thread, SIGUSR1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EINTR, s.err);
}

TEST_F(queue, signal_get_config_EINTR)
{
	struct vt_sleeper s = { .call = vt_call_get_config };
	char name[VDI_NAME_SIZE];

	vt_name(name);
	s.fd = vt_open_node();
	ASSERT_EQ(0, vt_create(s.fd, name, 1));
	ASSERT_EQ(0, handle_signal(SIGUSR1, 0));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, pthread_kill(s.thread, SIGUSR1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EINTR, s.err);
}

/* With SA_RESTART the call goes on, and a record ends it as ever. */
TEST_F(queue, signal_restart)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VT_LONG);
	unsigned int i;

	ASSERT_EQ(0, handle_signal(SIGUSR1, SA_RESTART));
	ASSERT_TRUE(vt_sleep(&s));
	for (i = 1; i <= 5; i++) {
		ASSERT_EQ(0, pthread_kill(s.thread, SIGUSR1));
		ASSERT_TRUE(VT_UNTIL(atomic_load(&caught) == i));
		ASSERT_TRUE(vt_still_asleep(&s));
	}
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(1, s.x.out_delivered);
}

/* Deadlines are absolute: restarts do not start the time again. */
TEST_F(queue, signal_restart_keeps_the_deadline)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, vt_in_ms(1000));
	uint64_t give_up = VT_LONG;

	ASSERT_EQ(0, handle_signal(SIGUSR1, SA_RESTART));
	ASSERT_TRUE(vt_sleeper_start(&s));
	while (!atomic_load(&s.done) && vt_now() < give_up) {
		if (atomic_load(&s.tid))
			pthread_kill(s.thread, SIGUSR1);
		poll(NULL, 0, 20);
	}
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ETIMEDOUT, s.err);
	EXPECT_LE(s.x.deadline_ns, s.end_ns);
	EXPECT_GT(s.x.deadline_ns + VT_SOON_NS, s.end_ns);
	EXPECT_NE(0, atomic_load(&caught));
}

FIXTURE(restart) {
	struct vt_link l;
};

FIXTURE_VARIANT(restart) {
	int flags;
};

FIXTURE_VARIANT_ADD(restart, without) {
	.flags = 0,
};

FIXTURE_VARIANT_ADD(restart, with) {
	.flags = SA_RESTART,
};

FIXTURE_SETUP(restart)
{
	vt_link_init(&self->l, 1);
	ASSERT_EQ(0, vt_link_up(&self->l));
}

FIXTURE_TEARDOWN(restart)
{
	struct itimerval off = {};

	setitimer(ITIMER_REAL, &off, NULL);
	vt_baseline(_metadata);
}

/* What was accepted is reported, never taken a second time. */
TEST_F(restart, signal_after_acceptance_gives_0)
{
	struct vdi_command c = vt_flush(0, 1), got[2];
	struct vdi_completion done;
	struct vt_sleeper s = vt_waiter(self->l.sdev[0], &done, 1, 1, VT_LONG);

	s.x.in = (uintptr_t)&c;
	s.x.nr_in = 1;
	ASSERT_EQ(0, handle_signal(SIGUSR1, variant->flags));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, pthread_kill(s.thread, SIGUSR1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(1, s.x.out_accepted);
	EXPECT_EQ(0, s.x.out_delivered);
	EXPECT_EQ(0, s.x.out_refused);
	EXPECT_EQ(1, vt_take(self->l.cdev[0], got, 2));
}

struct worker {
	int fd;
	unsigned int total;
	unsigned int next;
	int err;
};

/* Completes all it gets; the ids must come in order, each once. */
static void *answer_all(void *arg)
{
	struct worker *w = arg;
	struct vdi_completion d[8];
	struct vdi_command c[8];
	unsigned int i, n = 0;
	struct vdi_exchange x;

	while (!w->err && (n || w->next < w->total)) {
		w->err = vt_exchange(w->fd, &x, d, n, c, 8, w->next < w->total, VT_LONG);
		if (w->err == EINTR) {
			w->err = 0;
			continue;
		}
		if (w->err)
			break;
		/* a call that only accepted is told so, and goes on with nothing in hand */
		if (x.out_refused || x.out_accepted != n)
			w->err = x.out_refused ? (int)x.out_refused : -1;
		n = x.out_delivered;
		for (i = 0; i < n; i++) {
			if (c[i].position != w->next++)
				w->err = -2;
			d[i] = vt_answer(&c[i], 0);
		}
	}
	return NULL;
}

/* The happy path under SIGALRM each millisecond, to whichever thread it hits. */
TEST_F(restart, storm_of_signals)
{
	struct itimerval each_ms = { { 0, 1000 }, { 0, 1000 } };
	struct worker w = { .fd = self->l.cdev[0], .total = 20000 };
	unsigned int sent = 0, done = 0, n, i;
	struct vdi_completion d[8];
	struct vdi_command c[8];
	struct vdi_exchange x;
	pthread_t t;
	int err;

	ASSERT_EQ(0, handle_signal(SIGALRM, variant->flags));
	ASSERT_EQ(0, pthread_create(&t, NULL, answer_all, &w));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &each_ms, NULL));
	while (done < w.total) {
		n = w.total - sent < 8 ? w.total - sent : 8;
		if (n > RING - (sent - done))
			n = RING - (sent - done);
		vt_flushes(c, n, 0, sent);
		for (i = 0; i < n; i++)
			c[i].position = sent + i;
		err = vt_exchange(self->l.sdev[0], &x, c, n, d, 8, 1, VT_LONG);
		if (err == EINTR)
			continue;
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, x.out_refused);
		for (i = 0; i < x.out_delivered; i++)
			ASSERT_EQ(done + i, d[i].id);
		sent += x.out_accepted;
		done += x.out_delivered;
	}
	ASSERT_EQ(0, pthread_join(t, NULL));
	EXPECT_EQ(0, w.err);
	EXPECT_EQ(w.total, w.next);
	EXPECT_LT(10, atomic_load(&caught));
}

TEST_HARNESS_MAIN
