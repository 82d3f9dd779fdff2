// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a pipe-like node does with a stream: each byte once and in order, however
 * it is written and read, errors of earlier commands, O_NONBLOCK and poll,
 * signals.  Other ways than read and write are node_async's, how a stream ends is
 * node_end's, and who may open a node node_test's.
 */
#include <sys/time.h>
#include <sys/uio.h>

#include "node.h"
#include "sleeper.h"

#define DEPTH	4

FIXTURE(chunks) {
	struct node_set *s;
	unsigned char *buf;
};

FIXTURE_VARIANT(chunks) {
	size_t chunk, total;
	bool reverse;
};

#define CHUNKS(name, c, t, r)	\
	FIXTURE_VARIANT_ADD(chunks, name) { .chunk = c, .total = t, .reverse = r }
CHUNKS(of_1, 1, 5000, false);
CHUNKS(of_1000, 1000, 1000000, false);
CHUNKS(of_4096, 4096, 4 << 20, true);
CHUNKS(of_a_transfer, NODE_TRANSFER, 10 * NODE_TRANSFER, false);
CHUNKS(of_a_little_more, NODE_TRANSFER + 1, 20 * NODE_TRANSFER + 1, true);
CHUNKS(of_a_little_less, NODE_TRANSFER - 1, 20 * NODE_TRANSFER - 1, false);
CHUNKS(of_1M, 1 << 20, 9000001, true);
CHUNKS(of_8M, 8 << 20, 12345678, false);

FIXTURE_SETUP(chunks)
{
	self->s = node_new(VDI_FEAT_LIKE_PIPE, 1);
	ASSERT_NE(NULL, self->s);
	self->buf = malloc(NODE_ROOM);
	ASSERT_NE(NULL, self->buf);
	self->s->reverse = variant->reverse;
}

FIXTURE_TEARDOWN(chunks)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

TEST_F(chunks, written)
{
	size_t at, n, full = variant->total / NODE_TRANSFER;
	struct node_set *s = self->s;
	unsigned int i;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, variant->total);
	for (at = 0; at < variant->total; at += n) {
		n = variant->total - at < variant->chunk ? variant->total - at : variant->chunk;
		/* nothing interrupts it here, so that it takes all */
		ASSERT_EQ(n, write(fd, self->buf + at, n));
	}
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, variant->total));
	/* gathered into full transfers, the last one exact */
	EXPECT_EQ(full + !!(variant->total % NODE_TRANSFER), node_count(s, VDI_CMD_WRITE));
	for (i = 0; i < full; i++)
		EXPECT_EQ(NODE_TRANSFER, s->seen[i].length);
	if (variant->total % NODE_TRANSFER)
		EXPECT_EQ(variant->total % NODE_TRANSFER, s->seen[full].length);
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

TEST_F(chunks, read)
{
	struct node_set *s = self->s;
	int fd = node_reader(s, variant->total, 0);
	size_t done = 0;
	ssize_t n;

	ASSERT_LE(0, fd);
	while ((n = read(fd, self->buf + done, variant->chunk)) > 0)
		done += n;
	EXPECT_EQ(0, n);
	EXPECT_EQ(variant->total, done);
	EXPECT_TRUE(node_same(self->buf, 0, done));
	/* the end stays the end */
	EXPECT_EQ(0, read(fd, self->buf, 1));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH) + node_count(s, VDI_CMD_COMPLETE));
}

/* A client may give less than was asked for; only its code says that it was all. */
TEST_F(chunks, read_in_small_answers)
{
	int fd;

	self->s->store[0].chunk = 5001;
	fd = node_reader(self->s, variant->total, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(variant->total, node_read(fd, self->buf, NODE_ROOM));
	EXPECT_TRUE(node_same(self->buf, 0, variant->total));
}

TEST_F(node, nothing_is_a_stream_as_well)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, write(fd, self->buf, 0));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_WRITE));
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
}

TEST_F(node, empty_stream_is_read)
{
	int fd = node_reader(self->s, 0, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, read(fd, self->buf, 4096));
	EXPECT_EQ(0, node_close(fd));
}

TEST_F(node, takes_vectors)
{
	struct node_set *s = self->s;
	struct iovec v[1000];
	size_t at = 0, i;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, NODE_ROOM / 8);
	for (i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = (struct iovec){ self->buf + at, i * 7 % 1500 };
		at += v[i].iov_len;
	}
	ASSERT_EQ(at, writev(fd, v, ARRAY_SIZE(v)));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, at));
}

TEST_F(node, fsync_is_flush)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 300000);
	ASSERT_EQ(0, node_write(fd, self->buf, 100000));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_TRUE(node_stored(s, 100000));
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
	ASSERT_EQ(0, node_write(fd, self->buf + 100000, 200000));
	EXPECT_EQ(0, fdatasync(fd));
	EXPECT_TRUE(node_stored(s, 300000));
	EXPECT_EQ(2, node_count(s, VDI_CMD_FLUSH));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, 300000));
}

TEST_F(node, synchronous_writes_are_stored)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, O_DSYNC), i;

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 5000);
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(1000, write(fd, self->buf + i * 1000, 1000));
		EXPECT_TRUE(node_stored(s, (i + 1) * 1000));
		EXPECT_EQ(i + 1, node_count(s, VDI_CMD_FLUSH));
	}
}

TEST_F(node, has_no_positions)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, O_APPEND);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, pwrite(fd, self->buf, 1, 0));
	EXPECT_EQ(ESPIPE, errno);
	EXPECT_EQ(-1, fallocate(fd, 0, 0, 4096));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(-1, ftruncate(fd, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, 0));
}

FIXTURE(code) {
	struct node_set *s;
	unsigned char *buf;
};

FIXTURE_VARIANT(code) {
	unsigned int answer;
	int want;
};

#define CODE(a, w)	FIXTURE_VARIANT_ADD(code, of_##a) { .answer = a, .want = w }
CODE(112, ENOSPC);
CODE(39, ENOSPC);
CODE(1129, ENOSPC);
CODE(1100, ENOSPC);
CODE(19, EROFS);
CODE(50, EOPNOTSUPP);
CODE(995, ECANCELED);
CODE(1117, EIO);
CODE(5, EIO);

FIXTURE_SETUP(code)
{
	self->s = node_new(VDI_FEAT_LIKE_PIPE | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
	self->buf = calloc(1, 4 << 20);
	self->s->fail = VDI_CMD_WRITE;
	self->s->fail_nth = 3;
	self->s->fail_answer = variant->answer;
}

FIXTURE_TEARDOWN(code)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* Of a later write, and of all that follows; nothing is promised. */
TEST_F(code, surfaces_at_write)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(variant->want, node_write(fd, self->buf, 4 << 20));
	EXPECT_EQ(-1, write(fd, self->buf, 1));
	EXPECT_EQ(variant->want, errno);
	EXPECT_EQ(variant->want, fsync(fd) ? errno : 0);
	EXPECT_EQ(variant->want, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH) + node_count(s, VDI_CMD_COMPLETE));
}

TEST_F(code, surfaces_at_fsync)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	/* fits in the buffers: no write had to wait for an answer */
	ASSERT_EQ(0, node_write(fd, self->buf, 2 * NODE_TRANSFER + 1));
	EXPECT_EQ(variant->want, fsync(fd) ? errno : 0);
	EXPECT_EQ(variant->want, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(code, surfaces_at_close)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, 2 * NODE_TRANSFER + 1));
	EXPECT_EQ(variant->want, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH) + node_count(s, VDI_CMD_COMPLETE));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(code, of_flush_surfaces_at_fsync)
{
	struct node_set *s = self->s;
	int fd;

	s->fail = VDI_CMD_FLUSH;
	s->fail_nth = 1;
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, 1000));
	EXPECT_EQ(variant->want, fsync(fd) ? errno : 0);
	EXPECT_EQ(variant->want, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_COMPLETE));
}

TEST_F(node, full_target_is_enospc)
{
	struct node_set *s = self->s;
	int fd;

	s->store[0].capacity = 10 * NODE_TRANSFER + 5;
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 4 << 20);
	EXPECT_EQ(ENOSPC, node_write(fd, self->buf, 4 << 20));
	EXPECT_EQ(ENOSPC, node_close(fd));
	EXPECT_TRUE(node_stored(s, 10 * NODE_TRANSFER));
}

TEST_F(node, read_error_comes_after_the_data)
{
	struct node_set *s = self->s;
	size_t done = 0;
	ssize_t n;
	int fd;

	s->fail = VDI_CMD_READ;
	s->fail_nth = 3;
	s->fail_answer = VDI_CODE_IO_DEVICE;
	fd = node_reader(s, 1 << 20, 0);
	ASSERT_LE(0, fd);
	while ((n = read(fd, self->buf + done, 50000)) > 0)
		done += n;
	EXPECT_EQ(-1, n);
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(2 * NODE_TRANSFER, done);
	EXPECT_TRUE(node_same(self->buf, 0, done));
	EXPECT_EQ(-1, read(fd, self->buf, 1));
	EXPECT_EQ(EIO, errno);
	EXPECT_EQ(EIO, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(node, reader_may_leave_early)
{
	struct node_set *s = self->s;
	int fd = node_reader(s, 8 << 20, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(10, read(fd, self->buf, 10));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(VDI_STATE_TERMINATED, node_state(s));
}

TEST_F(node, reads_ahead_as_deep_as_it_is)
{
	struct node_set *s = self->s;
	size_t done = 0;
	int fd = node_reader(s, 8 << 20, 0), i;

	ASSERT_LE(0, fd);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(100, read(fd, self->buf, 100));
		done += 100;
		poll(NULL, 0, 10);
		EXPECT_LE(s->store[0].pos, done + DEPTH * NODE_TRANSFER);
	}
	/* and that deep it does */
	EXPECT_TRUE(VT_UNTIL(s->store[0].pos == DEPTH * NODE_TRANSFER));
}

TEST_F(node, writing_does_not_block_if_told_so)
{
	struct node_set *s = self->s;
	const size_t total = 3 << 20;
	size_t done = 0;
	ssize_t n;
	int fd;

	atomic_store(&s->hold, NODE_ANY);
	fd = node_writer(s, O_NONBLOCK);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, total);
	EXPECT_EQ(POLLOUT, vt_poll(fd));
	while ((n = write(fd, self->buf + done, total - done)) > 0)
		done += n;
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_LE(NODE_TRANSFER, done);
	EXPECT_GE(DEPTH * NODE_TRANSFER, done);
	EXPECT_EQ(0, vt_poll(fd) & POLLOUT);
	atomic_store(&s->hold, 0);
	while (done < total) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };

		ASSERT_EQ(1, poll(&p, 1, 20000 * vt_scale()));
		ASSERT_EQ(POLLOUT, p.revents);
		n = write(fd, self->buf + done, total - done);
		ASSERT_LT(0, n);
		done += n;
	}
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, total));
}

TEST_F(node, reading_does_not_block_if_told_so)
{
	struct node_set *s = self->s;
	const size_t total = 1 << 20;
	struct pollfd p = { .events = POLLIN };
	size_t done = 0;
	ssize_t n;
	int fd;

	atomic_store(&s->hold, NODE_ANY);
	fd = node_reader(s, total, O_NONBLOCK);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, read(fd, self->buf, 1));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(0, vt_poll(fd) & POLLIN);
	atomic_store(&s->hold, 0);
	p.fd = fd;
	for (;;) {
		ASSERT_EQ(1, poll(&p, 1, 20000 * vt_scale()));
		n = read(fd, self->buf + done, 30000);
		ASSERT_LE(0, n);
		if (!n)
			break;
		done += n;
	}
	EXPECT_EQ(total, done);
	EXPECT_TRUE(node_same(self->buf, 0, total));
}

/* A poll that sleeps wakes by the answer, and by an abort. */
TEST_F(node, poll_is_woken)
{
	struct node_set *s = self->s;
	struct vt_sleeper poller = { .call = vt_call_poll, .events = POLLOUT };
	int fd;

	atomic_store(&s->hold, NODE_ANY);
	fd = node_writer(s, O_NONBLOCK);
	ASSERT_LE(0, fd);
	while (write(fd, self->buf, 50000) > 0)
		;
	poller.fd = fd;
	ASSERT_TRUE(vt_sleep(&poller));
	atomic_store(&s->hold, 0);
	ASSERT_TRUE(vt_awake(&poller));
	EXPECT_EQ(POLLOUT, poller.events);
	atomic_store(&s->hold, NODE_ANY);
	while (write(fd, self->buf, 50000) > 0)
		;
	poller.events = POLLOUT;
	ASSERT_TRUE(vt_sleep(&poller));
	node_order(s, NODE_ABORT);
	ASSERT_TRUE(vt_awake(&poller));
	EXPECT_EQ(POLLERR | POLLHUP, poller.events & (POLLERR | POLLHUP));
	EXPECT_EQ(ECANCELED, node_write(fd, self->buf, 1));
}

static void nothing(int sig)
{
	(void)sig;
}

/* What a signal interrupts was either taken, and counted, or not. */
TEST_F(node, signals_lose_and_double_nothing)
{
	struct sigaction sa = { .sa_handler = nothing };	/* no SA_RESTART */
	struct itimerval every = { { 0, 20000 }, { 0, 20000 } }, never = { };
	struct node_set *s = self->s;
	const size_t total = 8 << 20;
	unsigned int interrupted = 0;
	size_t done = 0, ask;
	ssize_t n;
	int fd;

	atomic_store(&s->hold, VDI_CMD_WRITE);
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, total);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while (done < total) {
		ask = total - done < 1000003 ? total - done : 1000003;
		n = write(fd, self->buf + done, ask);
		ASSERT_TRUE(n >= 0 || errno == EINTR);
		done += n > 0 ? n : 0;
		interrupted += n != (ssize_t)ask;
		/* stands still for ten interruptions, then goes on */
		if (interrupted == 10)
			atomic_store(&s->hold, 0);
	}
	while (fsync(fd))
		ASSERT_EQ(EINTR, errno);
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_LE(10, interrupted);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, total));
}

TEST_F(node, signals_spoil_no_reading)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct itimerval every = { { 0, 10000 }, { 0, 10000 } }, never = { };
	struct node_set *s = self->s;
	const size_t total = 4 << 20;
	unsigned int interrupted = 0;
	size_t done = 0;
	ssize_t n;
	int fd;

	atomic_store(&s->hold, VDI_CMD_READ);
	fd = node_reader(s, total, 0);
	ASSERT_LE(0, fd);
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	while ((n = read(fd, self->buf + done, 77777))) {
		ASSERT_TRUE(n >= 0 || errno == EINTR);
		done += n > 0 ? n : 0;
		if (n < 0 && ++interrupted == 10)
			atomic_store(&s->hold, 0);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_LE(10, interrupted);
	EXPECT_EQ(total, done);
	EXPECT_TRUE(node_same(self->buf, 0, total));
}

/* Only the good part of a buffer counts. */
TEST_F(node, bad_memory_is_efault)
{
	struct node_set *s = self->s;
	unsigned char *p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				-1, 0);
	ssize_t n, m;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, mprotect(p + 4096, 4096, PROT_NONE));
	node_fill(p, 0, 4096);
	EXPECT_EQ(-1, write(fd, p + 4096, 100));
	EXPECT_EQ(EFAULT, errno);
	n = write(fd, p, 8192);
	EXPECT_LT(0, n);
	EXPECT_GE(4096, n);
	node_fill(self->buf, n, 5000);
	m = write(fd, self->buf, 5000);
	EXPECT_EQ(5000, m);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, n + m));
}

/* A write that took nothing has written nothing. */
TEST_F(node, only_bad_memory_is_nothing)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = node_writer(self->s, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, write(fd, bad, 100));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(self->s, VDI_CMD_WRITE));
	EXPECT_TRUE(node_ended(self->s, ESHUTDOWN));
}

TEST_F(node, reading_nothing_is_nothing)
{
	int fd = node_reader(self->s, 1000, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, read(fd, self->buf, 0));
	EXPECT_EQ(1000, node_read(fd, self->buf, 2000));
}

/* Which is nothing to a node, but lies between its buffers. */
TEST_F(node, prefix_zones_have_room)
{
	const size_t total = 10 * NODE_TRANSFER + 1;
	struct vdi_set_stat stat = { };
	struct node_set *s = self->s;
	int fd;

	s->create.config.prefix_zone_size = 4096;
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, total);
	EXPECT_EQ(0, node_write(fd, self->buf, total));
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_LE(DEPTH * (NODE_TRANSFER + 4096), stat.area_size);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, total));
}

TEST_HARNESS_MAIN
