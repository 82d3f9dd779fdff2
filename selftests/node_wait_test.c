// SPDX-License-Identifier: GPL-2.0-only
/*
 * Waiting for a client that does not answer: close(2) waits for its answer and
 * ends with an abort from any side; the process can be killed in close and in
 * write; a signal ends other calls, and the call that follows finds what they left.
 * What else ends a stream is node_end's.
 */
#include <sys/mtio.h>

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

static void *poll_often(void *arg)
{
	struct pollfd p = { .fd = *(int *)arg, .events = POLLOUT };
	int i;

	for (i = 0; i < 20000; i++)
		if (poll(&p, 1, 5000) != 1)
			return arg;
	return NULL;
}

/* Who polls keeps nobody else who polls from seeing that there is room. */
TEST_F(node, pollers_do_not_miss)
{
	int fd = node_writer(self->s, 0), i;
	pthread_t thread[3];
	void *missed;

	ASSERT_LE(0, fd);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, poll_often, &fd));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], &missed));
		EXPECT_EQ(NULL, missed);
	}
	EXPECT_EQ(0, node_close(fd));
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
	self->s->create.config.server_timeout_ms = 100000;	/* the shorter one counts */
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

/* A call that a signal is to end while the client holds a command */
static int call_fsync(struct vt_sleeper *sleeper)
{
	return fsync(sleeper->fd) ? errno : 0;
}

static int call_read(struct vt_sleeper *sleeper)
{
	char buf[100];

	return read(sleeper->fd, buf, sizeof(buf)) < 0 ? errno : 0;
}

static int call_read_elsewhere(struct vt_sleeper *sleeper)
{
	char buf[100];

	return pread(sleeper->fd, buf, sizeof(buf), 50000) < 0 ? errno : 0;
}

static int call_write(struct vt_sleeper *sleeper)
{
	char buf[100] = "";

	return write(sleeper->fd, buf, sizeof(buf)) < 0 ? errno : 0;
}

static int call_rewind(struct vt_sleeper *sleeper)
{
	return ioctl(sleeper->fd, MTIOCTOP, &(struct mtop){ .mt_op = MTREW }) ? errno : 0;
}

/* A signal for a call that may not have come to its wait yet. */
static bool signalled(struct vt_sleeper *sleeper)
{
	if (!atomic_load(&sleeper->done))
		pthread_kill(sleeper->thread, SIGUSR1);
	return atomic_load(&sleeper->done);
}

/* What the call gives when a signal comes while the client holds what it is to hold. */
static int interrupt(struct node_set *s, int (*call)(struct vt_sleeper *sleeper), int fd)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct vt_sleeper sleeper = { .call = call, .fd = fd };

	sigaction(SIGUSR1, &sa, NULL);
	if (!vt_sleeper_start(&sleeper) ||
	    !VT_UNTIL(atomic_load(&s->holding) == atomic_load(&s->hold)))
		return -1;
	return VT_UNTIL(signalled(&sleeper)) && vt_awake(&sleeper) ? sleeper.err : -1;
}

static int held(struct node_set *s, unsigned int code, int flags)
{
	atomic_store(&s->hold, code);
	return node_up(s) ? -1 : node_open(s, 0, flags);
}

/* Nobody has seen the answer of a Flush that was left: the next call tells it. */
TEST_F(node, left_flush_fails)
{
	struct node_set *s = self->s;
	int fd;

	s->fail = VDI_CMD_FLUSH;
	s->fail_nth = 1;
	s->fail_answer = NODE_DISK_FULL;
	fd = held(s, VDI_CMD_FLUSH, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, 1000));
	EXPECT_EQ(EINTR, interrupt(s, call_fsync, fd));
	atomic_store(&s->hold, 0);
	EXPECT_EQ(ENOSPC, node_write(fd, self->buf, 1));
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

FIXTURE(left) {
	struct node_set *s;
	unsigned char buf[1000];
	int fd;
};

FIXTURE_VARIANT(left) {
	unsigned int features;
};

FIXTURE_VARIANT_ADD(left, disk) { .features = VDI_FEAT_LIKE_DISK };
FIXTURE_VARIANT_ADD(left, tape) { .features = VDI_FEAT_LIKE_TAPE };

/* A Read is under way that nobody waits for. */
FIXTURE_SETUP(left)
{
	struct node_store *store;

	self->s = node_new(variant->features, 1);
	ASSERT_NE(NULL, self->s);
	store = &self->s->store[0];
	node_fill(store->data, 0, 100000);
	store->size = 100000;
	if (variant->features & VDI_FEAT_FILE_MARKS) {
		store->size = 0;
		node_tape_add(store, store->data, 100);
		node_tape_add(store, store->data + 100, 100);
		store->at = 0;
	}
	self->fd = held(self->s, VDI_CMD_READ, O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(EINTR, interrupt(self->s, call_read, self->fd));
}

FIXTURE_TEARDOWN(left)
{
	atomic_store(&self->s->hold, 0);
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* The next read goes on with it: no block is skipped. */
TEST_F(left, read_goes_on)
{
	EXPECT_EQ(EINTR, interrupt(self->s, call_read, self->fd));
	atomic_store(&self->s->hold, 0);
	EXPECT_EQ(100, read(self->fd, self->buf, 100));
	EXPECT_TRUE(node_same(self->buf, 0, 100));
}

/* A write waits for it, and a signal ends that as well; nothing was written then. */
TEST_F(left, write_comes_after_it)
{
	EXPECT_EQ(EINTR, interrupt(self->s, call_write, self->fd));
	atomic_store(&self->s->hold, 0);
	EXPECT_EQ(0, node_count(self->s, VDI_CMD_WRITE));
	EXPECT_EQ(100, write(self->fd, self->buf, 100));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_LE(1, node_count(self->s, VDI_CMD_WRITE));
}

TEST_F(left, sync_comes_after_it)
{
	EXPECT_EQ(EINTR, interrupt(self->s, call_fsync, self->fd));
	atomic_store(&self->s->hold, 0);
	EXPECT_EQ(0, fsync(self->fd));
}

TEST_F(left, moving_comes_after_it)
{
	struct mtpos pos;

	if (!(variant->features & VDI_FEAT_FILE_MARKS)) {
		EXPECT_EQ(EINTR, interrupt(self->s, call_read_elsewhere, self->fd));
		atomic_store(&self->s->hold, 0);
		EXPECT_EQ(100, pread(self->fd, self->buf, 100, 50000));
		EXPECT_TRUE(node_same(self->buf, 50000, 100));
		return;
	}
	atomic_store(&self->s->hold, 0);
	/* the drive has read it, so it is behind it */
	EXPECT_EQ(0, ioctl(self->fd, MTIOCPOS, &pos));
	EXPECT_EQ(1, pos.mt_blkno);
	EXPECT_EQ(100, read(self->fd, self->buf, 100));
	EXPECT_TRUE(node_same(self->buf, 100, 100));
	EXPECT_EQ(0, call_rewind(&(struct vt_sleeper){ .fd = self->fd }));
	EXPECT_EQ(100, read(self->fd, self->buf, 100));
	EXPECT_TRUE(node_same(self->buf, 0, 100));
}

TEST_F(left, abort_ends_what_waits_for_it)
{
	struct vt_sleeper mover = { .call = call_rewind, .fd = self->fd };

	if (!(variant->features & VDI_FEAT_FILE_MARKS))
		mover.call = call_write;
	ASSERT_TRUE(vt_sleeper_start(&mover));
	poll(NULL, 0, 50);
	EXPECT_FALSE(atomic_load(&mover.done));
	node_order(self->s, NODE_ABORT);
	EXPECT_TRUE(vt_awake(&mover));
	EXPECT_EQ(ECANCELED, mover.err);
}

static int call_long_write(struct vt_sleeper *sleeper)
{
	static unsigned char buf[8 * NODE_TRANSFER];

	return node_write(sleeper->fd, buf, sizeof(buf));
}

/* Poll does not wait for a write that is under way: it is told when that is over. */
TEST_F(node, poll_is_woken_beside_a_write)
{
	struct vt_sleeper writer = { .call = call_long_write };
	struct vt_sleeper poller = { .call = vt_call_poll, .events = POLLOUT };
	struct node_set *s = self->s;

	atomic_store(&s->hold, NODE_ANY);
	writer.fd = node_writer(s, 0);
	poller.fd = writer.fd;
	ASSERT_LE(0, writer.fd);
	ASSERT_TRUE(vt_sleep(&writer));
	ASSERT_TRUE(vt_sleep(&poller));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(vt_awake(&writer));
	EXPECT_EQ(0, writer.err);
	EXPECT_TRUE(vt_awake(&poller));
	EXPECT_EQ(POLLOUT, poller.events);
	EXPECT_EQ(0, node_close(writer.fd));
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
