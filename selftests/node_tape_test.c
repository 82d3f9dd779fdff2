// SPDX-License-Identifier: GPL-2.0-only
/*
 * A tape-like node is a tape drive: blocks, filemarks, the requests of mtio.h as
 * the st driver answers them, media that get full.  What the client keeps is
 * looked at.  How a stream ends is node_end's, but for the requests that end a
 * tape.
 */
#include <limits.h>
#include <sys/mtio.h>

#include "node.h"

FIXTURE(tape) {
	struct node_set *s;
	unsigned char *buf;
	int fd;
};

FIXTURE_SETUP(tape)
{
	self->s = node_new(VDI_FEAT_LIKE_TAPE | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
	self->s->reverse = true;
	self->buf = calloc(1, 1 << 20);
	ASSERT_NE(NULL, self->buf);
	node_fill(self->buf, 0, 1 << 20);
	ASSERT_EQ(0, node_up(self->s));
	self->fd = node_open(self->s, 0, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(tape)
{
	atomic_store(&self->s->hold, 0);
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* 0 or the errno */
static int mt(int fd, int op, int count)
{
	struct mtop m = { .mt_op = op, .mt_count = count };

	return ioctl(fd, MTIOCTOP, &m) ? errno : 0;
}

static long where(int fd)
{
	struct mtpos pos = { };

	return ioctl(fd, MTIOCPOS, &pos) ? -errno : pos.mt_blkno;
}

static struct mtget status(int fd)
{
	struct mtget get = { };

	if (ioctl(fd, MTIOCGET, &get))
		get.mt_type = -errno;
	return get;
}

static struct node_volume *tape(struct node_set *s)
{
	return node_volume(&s->store[0]);
}

/* Whether the tape has exactly these blocks, 0 for a mark, each of the bytes of @data */
static bool tape_is(struct node_set *s, const unsigned char *data, const unsigned int *length,
		    unsigned int n)
{
	struct node_volume *v = tape(s);
	unsigned int i;

	if (v->count != n)
		return false;
	for (i = 0; i < n; i++)
		if (v->blocks[i].length != length[i] ||
		    memcmp(s->store[0].data + v->blocks[i].at, data, length[i]))
			return false;
	return true;
}

/* 3 blocks, a mark, 2 blocks, a mark, a block: lengths are 100 + address. */
static bool three_files(int fd, const unsigned char *buf)
{
	int i;

	for (i = 0; i < 8; i++)
		if (i == 3 || i == 6 ? mt(fd, MTWEOF, 1) : write(fd, buf, 100 + i) != 100 + i)
			return false;
	return !fsync(fd);
}

TEST_F(tape, a_write_is_a_block_and_a_read_too)
{
	static const unsigned int length[] = { 1, 512, 10240, 65536, 7, 0, 30000, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(length); i++)
		EXPECT_EQ(length[i], length[i] ? write(self->fd, self->buf, length[i]) :
						 mt(self->fd, MTWEOF, 1));
	EXPECT_TRUE(tape_is(self->s, self->buf, length, ARRAY_SIZE(length)));
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	for (i = 0; i < ARRAY_SIZE(length); i++)
		EXPECT_EQ(length[i], read(self->fd, self->buf + (1 << 19), 65536));
	/* the end of the data: once an end of file, then an error */
	EXPECT_EQ(0, read(self->fd, self->buf, 65536));
	EXPECT_EQ(-1, read(self->fd, self->buf, 65536));
	EXPECT_EQ(EIO, errno);
	/* it was read, not written: nothing is added */
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_TRUE(tape_is(self->s, self->buf, length, ARRAY_SIZE(length)));
}

TEST_F(tape, block_too_large)
{
	EXPECT_EQ(-1, write(self->fd, self->buf, 65537));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, where(self->fd));
	EXPECT_EQ(65536, write(self->fd, self->buf, 65536));
	EXPECT_EQ(1, where(self->fd));
}

TEST_F(tape, buffer_too_short)
{
	ASSERT_TRUE(three_files(self->fd, self->buf));
	ASSERT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(-1, read(self->fd, self->buf, 99));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(1, where(self->fd));
	EXPECT_EQ(101, read(self->fd, self->buf, 101));
	EXPECT_TRUE(node_same(self->buf, 0, 101));
}

TEST_F(tape, close_writes_a_mark_after_a_write_only)
{
	static const unsigned int length[] = { 1000, 0, 2000, 0, 3000, 0 };
	struct node_set *s = self->s;

	EXPECT_EQ(1000, write(self->fd, self->buf, 1000));
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_TRUE(tape_is(s, self->buf, length, 2));
	EXPECT_EQ(1, node_count(s, VDI_CMD_FLUSH));
	/* it stays where it is; a mark that was asked for is not doubled */
	self->fd = node_open(s, 0, O_WRONLY);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(2, where(self->fd));
	EXPECT_EQ(2000, write(self->fd, self->buf, 2000));
	EXPECT_EQ(0, mt(self->fd, MTWEOF, 1));
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_TRUE(tape_is(s, self->buf, length, 4));
	/* nor is there one after reading, or nothing */
	self->fd = node_open(s, 0, O_RDONLY);
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(0, node_close(self->fd));
	self->fd = node_open(s, 0, O_RDONLY);
	EXPECT_EQ(1000, read(self->fd, self->buf + 65536, 65536));
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_TRUE(tape_is(s, self->buf, length, 4));
	/* however far it has read ahead */
	self->fd = node_open(s, 0, O_RDWR);
	EXPECT_EQ(1, where(self->fd));
	EXPECT_EQ(0, mt(self->fd, MTEOM, 1));
	EXPECT_EQ(3000, write(self->fd, self->buf, 3000));
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_TRUE(tape_is(s, self->buf, length, 6));
	EXPECT_EQ(0, node_count(s, VDI_CMD_COMPLETE));
	EXPECT_EQ(VDI_STATE_ACTIVE, node_state(s));
}

/* Some requests after a write leave the file closed by a mark. */
TEST_F(tape, moving_back_after_a_write_writes_a_mark)
{
	static const struct { int op, count, to; } moves[] = {
		{ MTREW, 1, 0 }, { MTSEEK, 0, 0 }, { MTBSF, 1, 1 }, { MTBSFM, 1, 2 },
	};
	static const unsigned int length[] = { 10, 0, 10, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(moves); i++) {
		EXPECT_EQ(0, mt(self->fd, MTREW, 1));
		EXPECT_EQ(10, write(self->fd, self->buf, 10));
		EXPECT_EQ(0, mt(self->fd, MTWEOF, 1));
		EXPECT_EQ(10, write(self->fd, self->buf, 10));
		EXPECT_EQ(0, mt(self->fd, moves[i].op, moves[i].count));
		EXPECT_EQ(moves[i].to, where(self->fd)) {
			TH_LOG("request %d", moves[i].op);
		}
		EXPECT_TRUE(tape_is(self->s, self->buf, length, ARRAY_SIZE(length)));
	}
}

TEST_F(tape, moves_by_marks_and_blocks)
{
	static const struct { int from, op, count, err, to; } moves[] = {
		{ 0, MTFSF, 1, 0, 4 }, { 1, MTFSF, 2, 0, 7 }, { 0, MTFSF, 3, EIO, 8 },
		{ 3, MTFSF, 1, 0, 4 }, { 0, MTFSF, 0, 0, 0 },
		{ 5, MTBSF, 1, 0, 3 }, { 8, MTBSF, 2, 0, 3 }, { 8, MTBSF, 3, EIO, 0 },
		{ 4, MTBSF, 1, 0, 3 }, { 3, MTBSF, 1, EIO, 0 },
		{ 0, MTFSFM, 1, 0, 3 }, { 0, MTFSFM, 2, 0, 6 }, { 0, MTFSFM, 3, EIO, 8 },
		{ 5, MTBSFM, 1, 0, 4 }, { 8, MTBSFM, 2, 0, 4 }, { 8, MTBSFM, 3, EIO, 0 },
		{ 0, MTFSR, 2, 0, 2 }, { 0, MTFSR, 3, 0, 3 }, { 0, MTFSR, 4, EIO, 4 },
		{ 7, MTFSR, 1, 0, 8 }, { 7, MTFSR, 2, EIO, 8 },
		{ 2, MTBSR, 1, 0, 1 }, { 5, MTBSR, 1, 0, 4 }, { 5, MTBSR, 2, EIO, 3 },
		{ 2, MTBSR, 5, EIO, 0 }, { 0, MTBSR, 1, EIO, 0 },
		{ 0, MTEOM, 1, 0, 8 }, { 5, MTREW, 1, 0, 0 },
		{ 3, MTBSF, 0, 0, 3 }, { 3, MTFSR, 0, 0, 3 }, { 3, MTBSR, 0, 0, 3 },
		{ 3, MTFSF, -1, EINVAL, 3 }, { 3, MTFSR, INT_MAX, EINVAL, 3 },
		{ 3, MTWEOF, -1, EINVAL, 3 }, { 1, MTFSR, 3, EIO, 4 },
		{ 7, MTSEEK, 2, 0, 2 }, { 2, MTSEEK, 8, 0, 8 }, { 8, MTEOM, 1, 0, 8 },
	};
	unsigned int i;

	ASSERT_TRUE(three_files(self->fd, self->buf));
	ASSERT_EQ(0, mt(self->fd, MTREW, 1));	/* with a mark: 9 is the end */
	ASSERT_EQ(9, tape(self->s)->count);
	tape(self->s)->count = 8;		/* not here */
	for (i = 0; i < ARRAY_SIZE(moves); i++) {
		ASSERT_EQ(0, mt(self->fd, MTSEEK, moves[i].from));
		EXPECT_EQ(moves[i].err, mt(self->fd, moves[i].op, moves[i].count)) {
			TH_LOG("number %u", i);
		}
		EXPECT_EQ(moves[i].to, where(self->fd)) {
			TH_LOG("number %u", i);
		}
		EXPECT_EQ(moves[i].to, self->s->store[0].at);
	}
	EXPECT_NE(0, mt(self->fd, MTSEEK, 100));
	EXPECT_EQ(8, tape(self->s)->count);
}

TEST_F(tape, reads_ahead_without_moving)
{
	struct node_set *s = self->s;

	ASSERT_TRUE(three_files(self->fd, self->buf));
	ASSERT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(100, read(self->fd, self->buf, 65536));
	poll(NULL, 0, 50);
	EXPECT_EQ(1, where(self->fd));
	EXPECT_EQ(101, read(self->fd, self->buf, 65536));
	EXPECT_EQ(0, mt(self->fd, MTBSR, 1));
	EXPECT_EQ(101, read(self->fd, self->buf, 65536));
	EXPECT_EQ(102, read(self->fd, self->buf, 65536));
	EXPECT_EQ(0, read(self->fd, self->buf, 65536));
	EXPECT_EQ(4, where(self->fd));
	EXPECT_EQ(104, read(self->fd, self->buf, 65536));
	poll(NULL, 0, 50);
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_EQ(5, s->store[0].at);
	self->fd = node_open(s, 0, O_RDWR);
	EXPECT_EQ(105, read(self->fd, self->buf, 65536));
	/* writing here is the end of the data */
	EXPECT_EQ(77, write(self->fd, self->buf, 77));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_EQ(7, tape(s)->count);
	EXPECT_EQ(77, tape(s)->blocks[6].length);
}

TEST_F(tape, status_says_where)
{
	struct mtget get;

	ASSERT_TRUE(three_files(self->fd, self->buf));
	ASSERT_EQ(0, mt(self->fd, MTREW, 1));
	get = status(self->fd);
	EXPECT_EQ(MT_ISSCSI2, get.mt_type);
	EXPECT_EQ(0, get.mt_dsreg & MT_ST_BLKSIZE_MASK);
	EXPECT_TRUE(GMT_BOT(get.mt_gstat) && GMT_ONLINE(get.mt_gstat));
	EXPECT_FALSE(GMT_EOF(get.mt_gstat) || GMT_EOD(get.mt_gstat) || GMT_WR_PROT(get.mt_gstat));
	EXPECT_EQ(0, get.mt_fileno);
	EXPECT_EQ(0, get.mt_blkno);
	EXPECT_EQ(100, read(self->fd, self->buf, 65536));
	get = status(self->fd);
	EXPECT_FALSE(GMT_BOT(get.mt_gstat));
	EXPECT_EQ(0, get.mt_fileno);
	EXPECT_EQ(1, get.mt_blkno);
	EXPECT_EQ(0, mt(self->fd, MTFSF, 1));
	get = status(self->fd);
	EXPECT_TRUE(GMT_EOF(get.mt_gstat));
	EXPECT_EQ(1, get.mt_fileno);
	EXPECT_EQ(0, get.mt_blkno);
	EXPECT_EQ(0, mt(self->fd, MTEOM, 1));
	EXPECT_TRUE(GMT_EOD(status(self->fd).mt_gstat));
	EXPECT_EQ(0, mt(self->fd, MTSEEK, 2));
	get = status(self->fd);
	EXPECT_EQ(-1, get.mt_fileno);
	EXPECT_EQ(-1, get.mt_blkno);
}

TEST_F(tape, fixed_blocks)
{
	struct node_set *s = self->s;
	unsigned int i;

	EXPECT_EQ(EINVAL, mt(self->fd, MTSETBLK, 65537));
	EXPECT_EQ(EINVAL, mt(self->fd, MTSETBLK, -1));
	EXPECT_EQ(0, mt(self->fd, MTSETBLK, 1024));
	EXPECT_EQ(1024, status(self->fd).mt_dsreg & MT_ST_BLKSIZE_MASK);
	EXPECT_EQ(-1, write(self->fd, self->buf, 1000));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(10240, write(self->fd, self->buf, 10240));
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	ASSERT_EQ(11, tape(s)->count);
	for (i = 0; i < 10; i++)
		EXPECT_EQ(1024, tape(s)->blocks[i].length);
	EXPECT_EQ(-1, read(self->fd, self->buf, 1000));
	EXPECT_EQ(EINVAL, errno);
	memset(self->buf, 0, 20480);
	EXPECT_EQ(4096, read(self->fd, self->buf, 4096));
	EXPECT_EQ(4, where(self->fd));
	/* up to the mark, which is told by the next read */
	EXPECT_EQ(6144, read(self->fd, self->buf + 4096, 20480));
	EXPECT_TRUE(node_same(self->buf, 0, 10240));
	EXPECT_EQ(0, read(self->fd, self->buf, 4096));
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(0, mt(self->fd, MTSETBLK, 0));
	EXPECT_EQ(1024, read(self->fd, self->buf, 65536));
}

/* Files of ten blocks, two and one; ten were read, and the mark behind them was met. */
static int read_up_to_the_mark(FIXTURE_DATA(tape) *self)
{
	node_fill(self->buf, 0, 30000);
	if (mt(self->fd, MTSETBLK, 1024) || write(self->fd, self->buf, 10240) != 10240 ||
	    mt(self->fd, MTWEOF, 1) || write(self->fd, self->buf + 10240, 2048) != 2048 ||
	    mt(self->fd, MTWEOF, 1) || write(self->fd, self->buf + 12288, 1024) != 1024 ||
	    mt(self->fd, MTREW, 1))
		return -1;
	return read(self->fd, self->buf, 20480);
}

TEST_F(tape, mark_that_was_met_is_still_ahead)
{
	ASSERT_EQ(10240, read_up_to_the_mark(self));
	EXPECT_EQ(0, mt(self->fd, MTFSF, 1));
	EXPECT_EQ(1, status(self->fd).mt_fileno);
	EXPECT_EQ(2048, read(self->fd, self->buf, 20480));
	EXPECT_TRUE(node_same(self->buf, 10240, 2048));
	/* and back: to before the mark between the first two files */
	EXPECT_EQ(0, mt(self->fd, MTBSF, 1));
	EXPECT_EQ(0, read(self->fd, self->buf, 1024));
	EXPECT_EQ(2048, read(self->fd, self->buf, 2048));
	EXPECT_TRUE(node_same(self->buf, 10240, 2048));
}

TEST_F(tape, block_before_the_mark_that_was_met)
{
	ASSERT_EQ(10240, read_up_to_the_mark(self));
	EXPECT_EQ(0, mt(self->fd, MTBSR, 1));
	EXPECT_EQ(1024, read(self->fd, self->buf, 1024));
	EXPECT_TRUE(node_same(self->buf, 9216, 1024));
	EXPECT_EQ(0, read(self->fd, self->buf, 1024));
}

static void nothing(int sig)
{
	(void)sig;
}

/* A signal on the way back does not have it go back twice. */
TEST_F(tape, written_before_the_mark_that_was_met)
{
	struct sigaction sa = { .sa_handler = nothing };

	ASSERT_EQ(0, sigaction(SIGUSR1, &sa, NULL));
	ASSERT_EQ(10240, read_up_to_the_mark(self));
	self->s->engine = getpid();
	self->s->upset = NODE_SIGNALS;
	self->s->upset_at = atomic_load(&self->s->nr_seen) + 1;
	EXPECT_EQ(1024, write(self->fd, self->buf, 1024));
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(11264, read(self->fd, self->buf, 20480));
}

TEST_F(tape, other_requests)
{
	static const struct { int op, err; } ops[] = {
		{ MTNOP, 0 }, { MTRESET, 0 }, { MTRETEN, 0 }, { MTERASE, EOPNOTSUPP },
		{ MTFSS, EOPNOTSUPP }, { MTWSM, EOPNOTSUPP }, { MTSETPART, EOPNOTSUPP },
		{ MTMKPART, EOPNOTSUPP }, { MTCOMPRESSION, EOPNOTSUPP }, { 12345, EOPNOTSUPP },
	};
	unsigned int i;

	EXPECT_EQ(10, write(self->fd, self->buf, 10));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		EXPECT_EQ(ops[i].err, mt(self->fd, ops[i].op, 0)) {
			TH_LOG("request %d", ops[i].op);
		}
	}
	/* going back a block after a write adds nothing */
	EXPECT_EQ(0, mt(self->fd, MTREW, 1));
	EXPECT_EQ(10, write(self->fd, self->buf, 10));
	EXPECT_EQ(0, mt(self->fd, MTNOP, 1));
	EXPECT_EQ(0, mt(self->fd, MTBSR, 1));
	EXPECT_EQ(10, read(self->fd, self->buf, 65536));
	EXPECT_EQ(1, tape(self->s)->count);
	EXPECT_EQ(EFAULT, ioctl(self->fd, MTIOCTOP, NULL) ? errno : 0);
	EXPECT_EQ(EFAULT, ioctl(self->fd, MTIOCGET, NULL) ? errno : 0);
	EXPECT_EQ(ENOTTY, ioctl(self->fd, VDI_IOC_STATUS, NULL) ? errno : 0);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
}

TEST_F(tape, opened_for_reading_only)
{
	EXPECT_EQ(0, node_close(self->fd));
	self->fd = node_open(self->s, 0, O_RDONLY);
	ASSERT_LE(0, self->fd);
	EXPECT_EQ(-1, write(self->fd, self->buf, 1));
	EXPECT_EQ(EBADF, errno);
	EXPECT_EQ(EACCES, mt(self->fd, MTWEOF, 1));
	EXPECT_EQ(0, tape(self->s)->count);
}

FIXTURE(full_tape) {
	struct node_set *s;
	unsigned char *buf;
	int fd;
};

FIXTURE_SETUP(full_tape)
{
	self->s = node_new(VDI_FEAT_LIKE_TAPE | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
	self->s->store[0].capacity = 1 << 20;
	self->s->store[0].warning = 400000;	/* more than what is under way */
	self->buf = calloc(1, 65536);
	ASSERT_EQ(0, node_up(self->s));
	self->fd = node_open(self->s, 0, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(full_tape)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* Numbered blocks of 32000 bytes until one is refused: how many were taken */
static unsigned int fill(int fd, unsigned int *number, unsigned char *buf)
{
	unsigned int before = *number;

	for (;;) {
		*(unsigned int *)buf = *number;
		if (write(fd, buf, 32000) != 32000)
			return *number - before;
		++*number;
	}
}

/* All blocks of the volume in the drive have the numbers from @first on. */
static bool numbered(struct node_set *s, unsigned int first, unsigned int n)
{
	struct node_volume *v = tape(s);
	unsigned int i;

	for (i = 0; i < n; i++)
		if (i >= v->count || v->blocks[i].length != 32000 ||
		    *(unsigned int *)(s->store[0].data + v->blocks[i].at) != first + i)
			return false;
	return v->count == n;
}

/* What was taken is there, once; what was refused is not, and may come again. */
TEST_F(full_tape, warns_early)
{
	unsigned int number = 0, n = fill(self->fd, &number, self->buf);

	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, mt(self->fd, MTWEOF, 1));
	EXPECT_LT(0, n);
	EXPECT_EQ(n + 1, tape(self->s)->count);
	EXPECT_EQ(0, tape(self->s)->blocks[n].length);
	tape(self->s)->count--;
	EXPECT_TRUE(numbered(self->s, 0, n));
}

/* The status says so before a write is refused. */
TEST_F(full_tape, status_says_that_it_is_full)
{
	int i;

	for (i = 0; i < 100 && !GMT_EOT(status(self->fd).mt_gstat); i++)
		ASSERT_EQ(32000, write(self->fd, self->buf, 32000));
	EXPECT_LT(0, i);
	EXPECT_TRUE(GMT_EOT(status(self->fd).mt_gstat));
	EXPECT_EQ(-1, write(self->fd, self->buf, 32000));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_FALSE(GMT_EOT(status(self->fd).mt_gstat));
	EXPECT_EQ(i, tape(self->s)->count);
}

TEST_F(full_tape, has_room_for_a_trailer_and_then_none)
{
	unsigned int number = 0, i;

	fill(self->fd, &number, self->buf);
	ASSERT_EQ(ENOSPC, errno);
	/* as st does it: after the warning every second write is refused */
	for (i = 0; i < 100 && tape(self->s)->used + 32000 <= 1 << 20; i++)
		fill(self->fd, &number, self->buf);
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, fill(self->fd, &number, self->buf));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_TRUE(numbered(self->s, 0, number));
	EXPECT_EQ((1 << 20) / 32000, number);
}

TEST_F(full_tape, goes_on_with_the_next_medium)
{
	struct node_set *s = self->s;
	unsigned int number = 0, n = fill(self->fd, &number, self->buf);

	ASSERT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, mt(self->fd, MTWEOF, 1));
	EXPECT_EQ(0, mt(self->fd, MTLOAD, 1));
	EXPECT_EQ(1, s->store[0].volume);
	EXPECT_EQ(0, where(self->fd));
	EXPECT_EQ(n, fill(self->fd, &number, self->buf));
	EXPECT_EQ(0, fsync(self->fd));
	EXPECT_TRUE(numbered(s, n, n));
	EXPECT_EQ(0, mt(self->fd, MTLOAD, 1));
	EXPECT_EQ(2, s->store[0].volume);
	EXPECT_EQ(ENOMEDIUM, mt(self->fd, MTLOAD, 1));
}

TEST_F(tape, offline_is_the_end)
{
	struct node_set *s = self->s;

	EXPECT_EQ(1000, write(self->fd, self->buf, 1000));
	EXPECT_EQ(0, mt(self->fd, MTOFFL, 1));
	EXPECT_EQ(1, node_count(s, VDI_CMD_COMPLETE));
	EXPECT_LE(1, node_count(s, VDI_CMD_FLUSH));
	EXPECT_EQ(2, tape(s)->count);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(-1, write(self->fd, self->buf, 1000));
	EXPECT_EQ(0, node_close(self->fd));
	EXPECT_EQ(-ENXIO, node_open(s, 0, O_RDWR));
	EXPECT_EQ(VDI_STATE_TERMINATED, node_state(s));
}

TEST_F(tape, nothing_goes_on_after_an_abort)
{
	node_order(self->s, NODE_ABORT);
	ASSERT_TRUE(node_ended(self->s, ECANCELED));
	EXPECT_EQ(ECANCELED, mt(self->fd, MTREW, 1));
	EXPECT_EQ(-ECANCELED, where(self->fd));
	EXPECT_EQ(-ECANCELED, status(self->fd).mt_type);
}

/* What has ended in order is not spoiled by how its engine ends. */
static int offline_and_fail(struct vt_child *me, void *arg)
{
	int fd = node_open(arg, 0, O_RDWR);

	(void)me;
	return fd < 0 || write(fd, "x", 1) != 1 || mt(fd, MTOFFL, 1) ? 100 : 3;
}

TEST_F(tape, offline_outlives_its_engine)
{
	struct vt_child child;

	EXPECT_EQ(0, node_close(self->fd));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, offline_and_fail, self->s));
	EXPECT_EQ(3, vt_finish(&child));
	EXPECT_TRUE(node_ended(self->s, ESHUTDOWN));
	EXPECT_EQ(VDI_STATE_TERMINATED, node_state(self->s));
}

TEST_F(tape, offline_says_what_the_client_answers)
{
	struct node_set *s = self->s;

	s->fail = VDI_CMD_COMPLETE;
	s->fail_nth = 1;
	s->fail_answer = NODE_DISK_FULL;
	EXPECT_EQ(1000, write(self->fd, self->buf, 1000));
	EXPECT_EQ(ENOSPC, mt(self->fd, MTUNLOAD, 1));
	node_close(self->fd);
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

/* An error of a block that was written before is told with the mark at the latest. */
TEST_F(tape, mark_tells_of_earlier_errors)
{
	struct node_set *s = self->s;

	s->fail = VDI_CMD_WRITE;
	s->fail_nth = 2;
	s->fail_answer = VDI_CODE_IO_DEVICE;
	EXPECT_EQ(1000, write(self->fd, self->buf, 1000));
	EXPECT_EQ(EIO, node_write(self->fd, self->buf, 2000) ?: mt(self->fd, MTWEOF, 1));
	/* nobody may take this tape for a good one */
	EXPECT_NE(0, node_close(self->fd));
}

TEST_HARNESS_MAIN
