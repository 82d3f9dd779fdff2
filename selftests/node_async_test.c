// SPDX-License-Identifier: GPL-2.0-only
/*
 * The other ways to move data through a node: splice and its relatives, aio,
 * io_uring, several threads.  All of them by raw system calls.  What plain read
 * and write do is node_stream's.
 */
#include <linux/aio_abi.h>
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "node.h"
#include "uring.h"

TEST_F(node, splice_and_sendfile_write)
{
	struct node_set *s = self->s;
	const size_t total = 1000000;
	int fd = node_writer(s, 0), mem = memfd_create("source", MFD_CLOEXEC), pipes[2];
	struct iovec v;
	ssize_t n, m;
	size_t done;
	loff_t from;

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 3 * total);
	ASSERT_EQ(3 * total, write(mem, self->buf, 3 * total));
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	for (done = 0; done < total; done += n) {
		n = sendfile(fd, mem, &(off_t){ done }, total - done);
		ASSERT_LT(0, n);
	}
	for (from = total; from < (loff_t)(2 * total);) {
		n = splice(mem, &from, pipes[1], NULL, 2 * total - from, 0);
		ASSERT_LT(0, n);
		for (; n; n -= m) {
			m = splice(pipes[0], NULL, fd, NULL, n, SPLICE_F_MORE);
			ASSERT_LT(0, m);
		}
	}
	for (done = 2 * total; done < 3 * total;) {
		v = (struct iovec){ self->buf + done, 3 * total - done };
		n = vmsplice(pipes[1], &v, 1, 0);
		ASSERT_LT(0, n);
		for (done += n; n; n -= m) {
			m = splice(pipes[0], NULL, fd, NULL, n, 0);
			ASSERT_LT(0, m);
		}
	}
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, 3 * total));
}

TEST_F(node, splice_and_sendfile_read)
{
	const size_t total = 1000000;
	int mem = memfd_create("target", MFD_CLOEXEC), pipes[2];
	int fd = node_reader(self->s, total, 0);
	ssize_t n, m;
	size_t done = 0;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	while (done < total / 2 && (n = sendfile(mem, fd, NULL, total / 2 - done)) > 0)
		done += n;
	while ((n = splice(fd, NULL, pipes[1], NULL, 65536, 0)) > 0)
		for (done += n; n; n -= m) {
			m = splice(pipes[0], NULL, mem, NULL, n, 0);
			ASSERT_LT(0, m);
		}
	EXPECT_EQ(0, n);
	EXPECT_EQ(total, done);
	EXPECT_EQ(total, pread(mem, self->buf, total + 1, 0));
	EXPECT_TRUE(node_same(self->buf, 0, total));
}

TEST_F(node, aio_writes_and_flushes)
{
	struct node_set *s = self->s;
	struct iocb one[4] = { }, *all[4];
	struct io_event done[4];
	aio_context_t ctx = 0;
	int fd = node_writer(s, 0), i;

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 400000);
	if (syscall(SYS_io_setup, 4, &ctx))
		SKIP(return, "this kernel has no io_setup(2)");
	for (i = 0; i < 4; i++) {
		all[i] = &one[i];
		one[i].aio_fildes = fd;
		one[i].aio_lio_opcode = IOCB_CMD_PWRITE;
		one[i].aio_buf = (uintptr_t)(self->buf + i * 100000);
		one[i].aio_nbytes = 100000;
	}
	ASSERT_EQ(4, syscall(SYS_io_submit, ctx, 4, all));
	ASSERT_EQ(4, syscall(SYS_io_getevents, ctx, 4, 4, done, NULL));
	for (i = 0; i < 4; i++)
		EXPECT_EQ(100000, done[i].res);
	one[0].aio_lio_opcode = IOCB_CMD_FSYNC;
	one[0].aio_buf = 0;
	one[0].aio_nbytes = 0;
	ASSERT_EQ(1, syscall(SYS_io_submit, ctx, 1, all));
	ASSERT_EQ(1, syscall(SYS_io_getevents, ctx, 1, 1, done, NULL));
	EXPECT_EQ(0, done[0].res);
	EXPECT_TRUE(node_stored(s, 400000));
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
	syscall(SYS_io_destroy, ctx);
	EXPECT_EQ(0, node_close(fd));
}

TEST_F(node, io_uring_writes)
{
	struct node_set *s = self->s;
	struct ring r;
	uint64_t which;
	int fd = node_writer(s, 0), i;

	ASSERT_LE(0, fd);
	if (!ring_up(&r))
		SKIP(return, "this kernel has no io_uring");
	node_fill(self->buf, 0, 400000);
	for (i = 0; i < 4; i++)
		ring_add(&r, IORING_OP_WRITE, fd, self->buf + i * 100000, 100000)->flags =
			IOSQE_IO_LINK;
	ring_add(&r, IORING_OP_FSYNC, fd, NULL, 0);
	ASSERT_EQ(5, ring_enter(&r, 5, 5));
	for (i = 0; i < 5; i++)
		EXPECT_EQ(i < 4 ? 100000 : 0, ring_next(&r, &which));
	EXPECT_TRUE(node_stored(s, 400000));
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
	EXPECT_EQ(0, node_close(fd));
}

TEST_F(node, io_uring_reads)
{
	const size_t total = 500000;
	int fd = node_reader(self->s, total, 0);
	size_t done = 0;
	uint64_t which;
	struct ring r;
	int res;

	ASSERT_LE(0, fd);
	if (!ring_up(&r))
		SKIP(return, "this kernel has no io_uring");
	do {
		ring_add(&r, IORING_OP_READ, fd, self->buf + done, 70000);
		ASSERT_EQ(1, ring_enter(&r, 1, 1));
		res = ring_next(&r, &which);
		ASSERT_LE(0, res);
		done += res;
	} while (res);
	EXPECT_EQ(total, done);
	EXPECT_TRUE(node_same(self->buf, 0, total));
}

/* A request that waits for the client can be cancelled, and what it took counts. */
TEST_F(node, io_uring_is_cancelled)
{
	struct node_set *s = self->s;
	size_t done = 0;
	uint64_t which;
	struct ring r;
	int fd, i, res;

	atomic_store(&s->hold, NODE_ANY);
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	if (!ring_up(&r))
		SKIP(return, "this kernel has no io_uring");
	node_fill(self->buf, 0, 2 << 20);
	ring_add(&r, IORING_OP_WRITE, fd, self->buf, 1 << 20);
	ASSERT_EQ(1, ring_enter(&r, 1, 0));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding)));
	ring_add(&r, IORING_OP_ASYNC_CANCEL, -1, NULL, 0)->off = 0;	/* addr: user_data 0 */
	ASSERT_EQ(1, ring_enter(&r, 1, 2));
	for (i = 0; i < 2; i++) {
		res = ring_next(&r, &which);
		if (which)
			EXPECT_TRUE(res == 0 || res == -EALREADY);
		if (!which && res <= 0)
			EXPECT_TRUE(res == -ECANCELED || res == -EINTR);
		if (!which && res > 0)
			done = res;
	}
	EXPECT_GT(1 << 20, done);
	atomic_store(&s->hold, 0);
	EXPECT_EQ(0, node_write(fd, self->buf + done, 100));
	EXPECT_EQ(0, node_close(fd));
	/* io_uring gives the file back after the result: this close may not be the last */
	EXPECT_TRUE(VT_UNTIL(node_stored(s, done + 100)));
}

/* A process that is killed with a request under way goes, and the set with it. */
static int submit_and_wait(struct vt_child *me, void *arg)
{
	struct node_set *s = arg;
	struct ring r;
	int fd = node_open(s, 0, O_WRONLY);

	if (fd < 0 || !ring_up(&r))
		return 100;
	ring_add(&r, IORING_OP_WRITE, fd, calloc(1, 1 << 20), 1 << 20);
	if (ring_enter(&r, 1, 0) != 1 || !vt_tell(me, 1))
		return 101;
	for (;;)
		pause();
}

TEST_F(node, io_uring_of_the_dead)
{
	struct node_set *s = self->s;
	struct vt_child child;

	atomic_store(&s->hold, NODE_ANY);
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, submit_and_wait, s));
	if (vt_hear(&child) != 1) {
		ASSERT_EQ(100, vt_finish(&child));
		SKIP(return, "this kernel has no io_uring");
	}
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding)));
	kill(child.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	EXPECT_TRUE(VT_UNTIL(node_state(s) == VDI_STATE_ABORTED));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

struct share {
	int fd;
	unsigned char byte;
};

static void *write_mine(void *arg)
{
	struct share *mine = arg;
	unsigned char block[1000];
	int i;

	memset(block, mine->byte, sizeof(block));
	for (i = 0; i < 500; i++)
		if (write(mine->fd, block, sizeof(block)) != sizeof(block))
			return mine;
	return NULL;
}

/* Writes of several threads do not mix, and none is lost. */
TEST_F(node, threads_take_turns)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0), count[2] = { }, i;
	struct share share[2] = { { fd, 1 }, { fd, 2 } };
	unsigned char *p = s->store[0].data;
	pthread_t thread[2];
	void *bad;

	ASSERT_LE(0, fd);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, write_mine, &share[i]));
	for (i = 0; i < 2; i++) {
		pthread_join(thread[i], &bad);
		EXPECT_EQ(NULL, bad);
	}
	EXPECT_EQ(0, node_close(fd));
	ASSERT_EQ(1000000, s->store[0].size);
	for (i = 0; i < 1000; i++, p += 1000) {
		ASSERT_TRUE(*p == 1 || *p == 2);
		count[*p - 1]++;
		EXPECT_EQ(0, memcmp(p, p + 1, 999));
	}
	EXPECT_EQ(500, count[0]);
	EXPECT_EQ(500, count[1]);
}

TEST_HARNESS_MAIN
