// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: what an interrupted EXCHANGE gives, that a restart keeps its
 * deadline, and that a storm of signals loses and doubles nothing.
 */
#include "sleeper.h"
#include "traffic.h"

#include <sys/time.h>

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

/*
 * Blocks that are checked, under SIGALRM each 100 us, to whichever thread it hits.
 * VDI_SIGNAL_COMMANDS says for how many of them.
 */
TEST_F_TIMEOUT(restart, storm_of_signals, 3600)
{
	const char *asked = getenv("VDI_SIGNAL_COMMANDS");
	struct itimerval often = { { 0, 100 }, { 0, 100 } };
	struct vt_traffic c = { .fd = self->l.cdev[0], .offset = self->l.offset };
	struct vt_traffic s = { .fd = self->l.sdev[0], .offset = self->l.offset };
	pthread_t t;

	c.total = asked && atoi(asked) > 0 ? atoi(asked) : 20000;
	s.total = c.total;
	c.map = vt_map(self->l.client, self->l.offset, self->l.size);
	s.map = vt_map(self->l.server, self->l.offset, self->l.size);
	ASSERT_TRUE(c.map && s.map);
	ASSERT_EQ(0, handle_signal(SIGALRM, variant->flags));
	ASSERT_EQ(0, pthread_create(&t, NULL, vt_traffic_client, &c));
	ASSERT_EQ(0, setitimer(ITIMER_REAL, &often, NULL));
	vt_traffic_server(&s);
	ASSERT_EQ(0, pthread_join(t, NULL));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(0, c.err);
	EXPECT_EQ(c.total, atomic_load(&c.done));
	EXPECT_EQ(s.total, atomic_load(&s.done));
	EXPECT_LT(10, atomic_load(&caught));
	if (variant->flags & SA_RESTART)
		EXPECT_EQ(0, c.interrupted + s.interrupted);
	TH_LOG("F12: reached %u commands %s SA_RESTART, %u signals, %u calls interrupted",
	       c.total, variant->flags ? "with" : "without", atomic_load(&caught),
	       c.interrupted + s.interrupted);
}

TEST_HARNESS_MAIN
