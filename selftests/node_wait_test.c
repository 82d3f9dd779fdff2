// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a client that does not answer: close(2) waits for its answer and
 * ends with an abort from any side; the process can be killed in close and in
 * write.  What else ends a stream is node_end's.
 */
#include "node.h"
#include "sleeper.h"

static int call_close(struct vt_sleeper *sleeper)
{
	return node_close(sleeper->fd);
}

/* Close waits for the answer, and for nothing but that, an abort or a kill. */
static void close_waits(struct __test_metadata *_metadata, struct node_set *s,
			struct vt_sleeper *closer)
{
	*closer = (struct vt_sleeper){ .call = call_close };
	atomic_store(&s->hold, VDI_CMD_FLUSH);
	closer->fd = node_writer(s, 0);
	ASSERT_LE(0, closer->fd);
	ASSERT_EQ(0, node_write(closer->fd, s->create.name, 100));
	ASSERT_TRUE(vt_sleeper_start(closer));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding) == VDI_CMD_FLUSH));
	poll(NULL, 0, 50);
	ASSERT_FALSE(atomic_load(&closer->done));
}

static void nothing(int sig)
{
	(void)sig;
}

TEST_F(node, close_waits_for_the_answer)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct node_set *s = self->s;
	struct vt_sleeper closer;

	sigaction(SIGUSR1, &sa, NULL);
	close_waits(_metadata, s, &closer);
	pthread_kill(closer.thread, SIGUSR1);
	poll(NULL, 0, 50);
	EXPECT_FALSE(atomic_load(&closer.done));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(vt_awake(&closer));
	EXPECT_EQ(0, closer.err);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

TEST_F(node, client_dies_while_close_waits)
{
	struct vt_sleeper closer;

	close_waits(_metadata, self->s, &closer);
	node_kill(self->s);
	EXPECT_TRUE(vt_awake(&closer));
	EXPECT_EQ(ECANCELED, closer.err);
}

TEST_F(node, client_aborts_while_close_waits)
{
	struct vt_sleeper closer;

	close_waits(_metadata, self->s, &closer);
	node_order(self->s, NODE_ABORT);
	EXPECT_TRUE(vt_awake(&closer));
	EXPECT_EQ(ECANCELED, closer.err);
	EXPECT_EQ(VDI_STATE_ABORTED, node_state(self->s));
}

TEST_F(node, stalled_client_ends_the_wait)
{
	struct vt_sleeper closer;
	struct vdi_set_stat stat;

	self->s->create.stall_limit_ms = 700;
	close_waits(_metadata, self->s, &closer);
	EXPECT_TRUE(vt_awake(&closer));
	EXPECT_EQ(ECANCELED, closer.err);
	ASSERT_EQ(0, node_stat(self->s, &stat));
	EXPECT_EQ(VDI_REASON_STALLED, stat.reason.reason);
}

TEST_F(node, aborted_by_name_while_close_waits)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name);
	struct vdi_set_stat stat;
	struct vt_sleeper closer;

	close_waits(_metadata, self->s, &closer);
	strcpy(a.name, self->s->create.name);
	ASSERT_OK(self->s->watch, VDI_IOC_ABORT_NAME, &a);
	EXPECT_TRUE(vt_awake(&closer));
	EXPECT_EQ(ECANCELED, closer.err);
	ASSERT_EQ(0, node_stat(self->s, &stat));
	EXPECT_EQ(VDI_REASON_ADMIN, stat.reason.reason);
}

struct waiter {
	struct node_set *s;
	bool closes;
};

/* Writes more than there is room for, or closes: either waits for ever. */
static int wait_for_ever(struct vt_child *me, void *arg)
{
	struct waiter *w = arg;
	static unsigned char buf[1 << 20];
	int fd = node_open(w->s, 0, O_WRONLY);

	prctl(PR_SET_NAME, "producer");
	if (fd < 0 || !vt_tell(me, 1))
		return 100;
	if (w->closes)
		return node_write(fd, buf, 1000) ?: node_close(fd);
	return node_write(fd, buf, sizeof(buf));
}

static void kill_the_waiter(struct __test_metadata *_metadata, struct node_set *s, bool closes)
{
	struct waiter w = { s, closes };
	struct vdi_set_stat stat;
	struct vt_child child;

	atomic_store(&s->hold, NODE_ANY);
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, wait_for_ever, &w));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding)));
	poll(NULL, 0, 50);
	kill(child.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	EXPECT_TRUE(VT_UNTIL(node_state(s) == VDI_STATE_ABORTED));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(node_ended(s, ECANCELED));
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_EQ(VDI_REASON_SERVER_DIED, stat.reason.reason);
	EXPECT_EQ(child.pid, stat.reason.who.pid);
	EXPECT_NE(NULL, strstr(stat.reason.text, "killed"));
}

TEST_F(node, waiting_write_is_killed)
{
	kill_the_waiter(_metadata, self->s, false);
}

TEST_F(node, waiting_close_is_killed)
{
	kill_the_waiter(_metadata, self->s, true);
}

TEST_HARNESS_MAIN
