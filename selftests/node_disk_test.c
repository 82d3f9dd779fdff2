// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk-like node is a file: positions, random access against a model, sizes,
 * and a Flush that cuts nothing.  The client carries out what it has at hand in
 * reverse order where that is allowed, so two transfers of one place must never
 * be under way.  Errors and the end are those of a pipe: node_stream, node_end.
 */
#include <pthread.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "node.h"

FIXTURE(disk) {
	struct node_set *s;
	unsigned char *buf;
	unsigned char *model;
};

FIXTURE_SETUP(disk)
{
	self->s = node_new(VDI_FEAT_LIKE_DISK, 1);
	ASSERT_NE(NULL, self->s);
	self->s->reverse = true;
	self->buf = calloc(1, NODE_ROOM);
	self->model = calloc(1, NODE_ROOM);
	ASSERT_NE(NULL, self->model);
}

FIXTURE_TEARDOWN(disk)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* A disk that has @size bytes already */
static int disk_open(struct node_set *s, size_t size, int flags)
{
	s->store[0].size = size;
	node_fill(s->store[0].data, 0, size);
	return node_up(s) ? -1 : node_open(s, 0, flags);
}

static bool disk_is(struct node_set *s, const void *model, size_t size)
{
	return s->store[0].size == size && !memcmp(s->store[0].data, model, size);
}

TEST_F(disk, is_written_like_a_file)
{
	struct node_set *s = self->s;
	const size_t total = 1000001;
	int fd = disk_open(s, 0, O_WRONLY);
	size_t at;

	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, total);
	for (at = 0; at < total; at += 1000)
		ASSERT_EQ(0, node_write(fd, self->buf + at,
					total - at < 1000 ? total - at : 1000));
	EXPECT_EQ(total, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->buf, total));
	/* small writes that follow each other are gathered */
	EXPECT_GE(total / NODE_TRANSFER + 1, node_count(s, VDI_CMD_WRITE));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

TEST_F(disk, is_read_like_a_file)
{
	struct node_set *s = self->s;
	const size_t total = 1000001;
	int fd = disk_open(s, total, O_RDONLY);

	ASSERT_LE(0, fd);
	EXPECT_EQ(total, node_read(fd, self->buf, NODE_ROOM));
	EXPECT_TRUE(node_same(self->buf, 0, total));
	EXPECT_EQ(0, read(fd, self->buf, 1));
	EXPECT_EQ(total, lseek(fd, 0, SEEK_CUR));
	/* at the end, over it, behind it, far behind it */
	EXPECT_EQ(1, pread(fd, self->buf, 10, total - 1));
	EXPECT_EQ(0, pread(fd, self->buf, 10, total));
	EXPECT_EQ(0, pread(fd, self->buf, 10, total + 1));
	EXPECT_EQ(0, pread(fd, self->buf, 10, 1LL << 40));
	EXPECT_EQ(100, pread(fd, self->buf, 100, 777777));
	EXPECT_TRUE(node_same(self->buf, 777777, 100));
	EXPECT_EQ(-1, write(fd, self->buf, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(0, fsync(fd));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH) + node_count(s, VDI_CMD_WRITE));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

TEST_F(disk, seeks)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 100000, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(100000, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(99990, lseek(fd, -10, SEEK_END));
	EXPECT_EQ(99980, lseek(fd, -10, SEEK_CUR));
	EXPECT_EQ(20, read(fd, self->buf, 100));
	EXPECT_TRUE(node_same(self->buf, 99980, 20));
	EXPECT_EQ(123, lseek(fd, 123, SEEK_SET));
	EXPECT_EQ(10, read(fd, self->buf, 10));
	EXPECT_TRUE(node_same(self->buf, 123, 10));
	/* what fails does not move */
	EXPECT_EQ(-1, lseek(fd, -1, SEEK_SET));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(fd, -134, SEEK_CUR));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(fd, -100001, SEEK_END));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_DATA));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_HOLE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(fd, 0, 17));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(133, lseek(fd, 0, SEEK_CUR));
	/* what was written and not yet sent counts */
	EXPECT_EQ(50, pwrite(fd, self->buf, 50, 100000));
	EXPECT_EQ(100050, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(100050, s->store[0].size);
}

TEST_F(disk, has_holes)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 0, O_RDWR);

	ASSERT_LE(0, fd);
	memset(self->model + 300000, 'x', 10);
	memset(self->model + 5, 'y', 5);
	EXPECT_EQ(300000, lseek(fd, 300000, SEEK_SET));
	EXPECT_EQ(10, write(fd, self->model + 300000, 10));
	EXPECT_EQ(5, pwrite(fd, self->model + 5, 5, 5));
	EXPECT_EQ(300010, pread(fd, self->buf, 400000, 0));
	EXPECT_EQ(0, memcmp(self->buf, self->model, 300010));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 300010));
}

/* Flush sets the end at the last written position: that is never to be seen. */
TEST_F(disk, flush_cuts_nothing)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 0, O_RDWR);
	const size_t total = 200000;

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, total);
	ASSERT_EQ(0, node_write(fd, self->model, total));
	memset(self->model + 500, 'x', 10);
	EXPECT_EQ(10, pwrite(fd, self->model + 500, 10, 500));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_TRUE(disk_is(s, self->model, total));
	EXPECT_EQ(total, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(total, pread(fd, self->buf, total + 1, 0));
	EXPECT_EQ(0, memcmp(self->buf, self->model, total));
	EXPECT_EQ(0, fsync(fd));
	memset(self->model + 70000, 'y', 70000);
	EXPECT_EQ(70000, pwrite(fd, self->model + 70000, 70000, 70000));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, total));
	EXPECT_LE(2, node_count(s, VDI_CMD_FLUSH));
}

TEST_F(disk, old_content_stays_where_nothing_was_written)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 200000, O_RDWR);

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 200000);
	memset(self->model + 1000, 'x', 3000);
	EXPECT_EQ(3000, pwrite(fd, self->model + 1000, 3000, 1000));
	EXPECT_EQ(0, fsync(fd));
	EXPECT_TRUE(disk_is(s, self->model, 200000));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 200000));
}

TEST_F(disk, untouched_is_untouched)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 200000, O_RDWR);

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 200000);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 200000));
}

TEST_F(disk, appends)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 1000, O_RDWR | O_APPEND);

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 1500);
	EXPECT_EQ(200, write(fd, self->model + 1000, 200));
	EXPECT_EQ(1200, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
	EXPECT_EQ(100, read(fd, self->buf, 100));
	EXPECT_EQ(300, write(fd, self->model + 1200, 300));
	EXPECT_EQ(1500, lseek(fd, 0, SEEK_CUR));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 1500));
}

TEST_F(disk, synchronous_writes_are_stored)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 0, O_RDWR | O_SYNC);

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 5000);
	EXPECT_EQ(2500, pwrite(fd, self->model + 2500, 2500, 2500));
	EXPECT_EQ(5000, s->store[0].size);
	EXPECT_EQ(2500, pwrite(fd, self->model, 2500, 0));
	EXPECT_TRUE(disk_is(s, self->model, 5000));
}

TEST_F(disk, vectors_and_sendfile_keep_positions)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 0, O_RDWR), mem = memfd_create("file", MFD_CLOEXEC);
	struct iovec v[2] = { { self->model, 5000 }, { self->model + 5000, 95000 } };
	size_t done;
	ssize_t n;

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 200000);
	EXPECT_EQ(100000, pwritev(fd, v, 2, 0));
	EXPECT_EQ(0, lseek(fd, 0, SEEK_CUR));
	ASSERT_EQ(200000, write(mem, self->model, 200000));
	EXPECT_EQ(100000, lseek(fd, 100000, SEEK_SET));
	for (done = 100000; done < 200000; done += n) {
		n = sendfile(fd, mem, &(off_t){ done }, 200000 - done);
		ASSERT_LT(0, n);
	}
	EXPECT_EQ(200000, lseek(fd, 0, SEEK_CUR));
	v[0] = (struct iovec){ self->buf, 150000 };
	v[1] = (struct iovec){ self->buf + 150000, 100000 };
	EXPECT_EQ(200000, preadv(fd, v, 2, 0));
	EXPECT_EQ(0, memcmp(self->buf, self->model, 200000));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 200000));
}

/* What could not be taken from the user moves no end and is not stored. */
TEST_F(disk, bad_memory_beyond_the_end)
{
	struct node_set *s = self->s;
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = disk_open(s, 0, O_RDWR);
	static const off_t at[] = { 8192, 8200, 1000, 1003 };
	unsigned int i;

	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 1000);
	ASSERT_EQ(0, node_write(fd, self->model, 1000));
	for (i = 0; i < ARRAY_SIZE(at); i++) {
		EXPECT_EQ(-1, pwrite(fd, bad, 4096, at[i]));
		EXPECT_EQ(EFAULT, errno);
		EXPECT_EQ(1000, lseek(fd, 0, SEEK_END));
	}
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 1000));
}

/* One bad place costs what is there, not what was read ahead. */
TEST_F(disk, bad_place_is_left_behind)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 20 * NODE_TRANSFER, O_RDONLY), i;

	ASSERT_LE(0, fd);
	s->reverse = false;
	s->fail = VDI_CMD_READ;
	s->fail_nth = 6;
	s->fail_answer = VDI_CODE_IO_DEVICE;
	for (i = 0; i < 20; i++)
		if (pread(fd, self->buf, NODE_TRANSFER, i * NODE_TRANSFER) != NODE_TRANSFER)
			break;
	EXPECT_EQ(EIO, errno);
	ASSERT_GT(19, i);
	for (i++; i < 20; i++) {
		EXPECT_EQ(NODE_TRANSFER, pread(fd, self->buf, NODE_TRANSFER, i * NODE_TRANSFER)) {
			TH_LOG("transfer %d: %s", i, strerror(errno));
		}
		EXPECT_TRUE(node_same(self->buf, i * NODE_TRANSFER, NODE_TRANSFER));
	}
}

/* Read to fill up a block, and "aborted" is said of that command only. */
TEST_F(disk, block_that_is_not_read)
{
	struct node_set *s = self->s;
	int fd = disk_open(s, 100000, O_RDWR);

	ASSERT_LE(0, fd);
	s->fail = VDI_CMD_READ;
	s->fail_nth = 2;
	s->fail_answer = VDI_CODE_OPERATION_ABORTED;
	EXPECT_EQ(-1, pwrite(fd, self->model, 10, 600));
	EXPECT_EQ(ECANCELED, errno);
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

static void *write_a_part(void *arg)
{
	static const char byte[10];
	int fd = *(int *)arg;

	return pwrite(fd, byte, sizeof(byte), 512) == sizeof(byte) ? NULL : arg;
}

/* Its thread waits for the Read of the rest of a block when the process ends well. */
static int exit_in_a_write(struct vt_child *me, void *arg)
{
	struct node_set *s = arg;
	int fd = node_open(s, 0, O_RDWR);
	pthread_t thread;

	(void)me;
	/* the last block is known then */
	if (fd < 0 || pwrite(fd, "x", 1, 0) != 1)
		return 100;
	atomic_store(&s->hold, VDI_CMD_READ);
	if (pthread_create(&thread, NULL, write_a_part, &fd) ||
	    !VT_UNTIL(atomic_load(&s->holding) == VDI_CMD_READ))
		return 101;
	_exit(0);
}

TEST_F(disk, exit_while_a_thread_writes)
{
	struct node_set *s = self->s;
	struct vt_child child;

	s->store[0].size = 100000;
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, exit_in_a_write, s));
	EXPECT_EQ(0, vt_finish(&child));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(disk, is_always_ready)
{
	struct node_set *s = self->s;
	int fd;

	atomic_store(&s->hold, NODE_ANY);
	fd = disk_open(s, 1000, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(POLLIN | POLLOUT, vt_poll(fd));
	atomic_store(&s->hold, 0);
}

TEST_F(disk, full_is_enospc)
{
	struct node_set *s = self->s;
	int fd;

	s->store[0].capacity = 500000;
	fd = disk_open(s, 0, O_RDWR);
	ASSERT_LE(0, fd);
	node_fill(self->model, 0, 400000);
	EXPECT_EQ(0, node_write(fd, self->model, 400000));
	EXPECT_EQ(0, fsync(fd));
	/* far behind the end of the medium; the next call says so at the latest */
	EXPECT_EQ(1, pwrite(fd, self->model, 1, 1LL << 40));
	EXPECT_EQ(ENOSPC, fsync(fd) ? errno : 0);
	EXPECT_EQ(ENOSPC, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, 400000));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(disk, nothing_goes_on_after_an_abort)
{
	int fd = disk_open(self->s, 1000, O_RDWR);

	ASSERT_LE(0, fd);
	node_order(self->s, NODE_ABORT);
	ASSERT_TRUE(node_ended(self->s, ECANCELED));
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(ECANCELED, errno);
	EXPECT_EQ(-1, pread(fd, self->buf, 1, 0));
	EXPECT_EQ(ECANCELED, errno);
}

TEST_F(disk, read_error_is_eio)
{
	struct node_set *s = self->s;
	int fd;

	s->fail = VDI_CMD_READ;
	s->fail_nth = 1;
	s->fail_answer = VDI_CODE_IO_DEVICE;
	fd = disk_open(s, 100000, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, self->buf, 100, 5000));
	EXPECT_EQ(EIO, errno);
	/* it was that of one place at one time */
	EXPECT_EQ(100, pread(fd, self->buf, 100, 5000));
	EXPECT_TRUE(node_same(self->buf, 5000, 100));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

static size_t some(unsigned int *seed, size_t below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 8) % below;
}

/* Against a model in memory; of each kind of operation some, mostly unaligned. */
TEST_F(disk, random_operations_are_those_of_a_file)
{
	struct node_set *s = self->s;
	const size_t most = 3 << 20;
	unsigned int seed = getpid(), first = seed, i;
	size_t size = 0, at, len, want;
	int fd = disk_open(s, 0, O_RDWR);

	ASSERT_LE(0, fd);
	for (i = 0; i < 1500; i++) {
		at = some(&seed, most);
		len = 1 + some(&seed, some(&seed, 20) ? 9000 : 300000);
		if (some(&seed, 3))	/* mostly near each other, to overlap */
			at = at % 20000 + (i / 500) * 500000;
		switch (some(&seed, 8)) {
		case 0:
		case 1:
		case 2:
		case 3:
			memset(self->model + at, i, len);
			ASSERT_EQ(len, pwrite(fd, self->model + at, len, at));
			size = size < at + len ? at + len : size;
			break;
		case 4:
			memset(self->model + at, ~i, len);
			ASSERT_EQ(at, lseek(fd, at, SEEK_SET));
			ASSERT_EQ(0, node_write(fd, self->model + at, len));
			size = size < at + len ? at + len : size;
			break;
		case 5:
			if (!some(&seed, 5)) {
				ASSERT_EQ(0, fsync(fd));
				ASSERT_TRUE(disk_is(s, self->model, size)) {
					TH_LOG("step %u, seed %u", i, first);
				}
			}
			ASSERT_EQ(size, lseek(fd, 0, SEEK_END));
			break;
		default:
			want = at < size ? size - at : 0;
			want = want < len ? want : len;
			ASSERT_EQ(at, lseek(fd, at, SEEK_SET));
			ASSERT_EQ(want, node_read(fd, self->buf, len));
			ASSERT_EQ(0, memcmp(self->buf, self->model + at, want)) {
				TH_LOG("step %u, seed %u", i, first);
			}
		}
	}
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(disk_is(s, self->model, size)) {
		TH_LOG("seed %u", first);
	}
}

TEST_HARNESS_MAIN
