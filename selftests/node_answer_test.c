// SPDX-License-Identifier: GPL-2.0-only
/*
 * Answers that a client rarely gives or should not: short ones, empty ones, data and
 * a code in one, a medium that is full to the byte.  None of them makes a stream that
 * is not whole look good, and none of them hangs.  Plain errors are those of
 * node_stream and node_end.
 */
#include <sys/mtio.h>

#include "node.h"

/* The nth of these commands is not carried out, but gets this answer. */
static void answer(struct node_set *s, unsigned int command, unsigned int nth, unsigned int code,
		   uint64_t result)
{
	s->fail = command;
	s->fail_nth = nth;
	s->fail_answer = code;
	s->fail_result = result;
}

/* It is carried out, and gets this code with the result of that. */
static void answer_too(struct node_set *s, unsigned int command, unsigned int nth,
		       unsigned int code)
{
	answer(s, command, nth, code, 0);
	s->fail_done = true;
}

/* 0 or the errno */
static int sync_node(int fd)
{
	return fsync(fd) ? errno : 0;
}

static int read_errno(int fd, void *buf, size_t len)
{
	ssize_t n = read(fd, buf, len);

	return n < 0 ? errno : n ? -1 : 0;
}

TEST_F(node, short_write_is_eio)
{
	int fd;

	answer(self->s, VDI_CMD_WRITE, 1, 0, 100);
	fd = node_writer(self->s, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, node_write(fd, self->buf, 1000));
	EXPECT_EQ(EIO, sync_node(fd));
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(self->s, ECANCELED));
}

/* Two Writes that are taken and answered together: who looks at them says EIO. */
static void two_writes(struct __test_metadata *_metadata, struct node_set *s, unsigned char *buf)
{
	int fd;

	s->together = 2;
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, buf, 2 * NODE_TRANSFER));
	EXPECT_EQ(EIO, sync_node(fd));
	EXPECT_EQ(2, node_count(s, VDI_CMD_WRITE));
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_F(node, short_write_before_an_error)
{
	self->s->store[0].capacity = 100;
	answer(self->s, VDI_CMD_WRITE, 1, 0, 100);
	two_writes(_metadata, self->s, self->buf);
}

/* The first medium has taken a part, and the client has stored what comes behind. */
TEST_F(node, stored_behind_a_gap)
{
	self->s->create.config.features |= VDI_FEAT_REMOVABLE;
	self->s->store[0].capacity = NODE_ROOM;
	answer(self->s, VDI_CMD_WRITE, 1, NODE_WARNING, 100);
	two_writes(_metadata, self->s, self->buf);
}

/* Not the last close, but an error that is known is told by it. */
TEST_F(node, earlier_close_tells_of_the_error)
{
	int fd, other, err;

	answer(self->s, VDI_CMD_WRITE, 1, NODE_DISK_FULL, 0);
	fd = node_writer(self->s, 0);
	ASSERT_LE(0, fd);
	other = dup(fd);
	EXPECT_EQ(0, node_close(dup(fd)));	/* nothing is known yet */
	do
		err = node_write(fd, self->buf, NODE_TRANSFER);
	while (!err);
	EXPECT_EQ(ENOSPC, err);
	EXPECT_EQ(ENOSPC, node_close(fd));
	EXPECT_EQ(ENOSPC, node_close(other));
	EXPECT_TRUE(node_ended(self->s, ECANCELED));
}

TEST_F(node, earlier_close_tells_of_an_abort)
{
	int fd = node_writer(self->s, 0), other;

	ASSERT_LE(0, fd);
	other = dup(fd);
	atomic_store(&self->s->order, NODE_ABORT);
	ASSERT_TRUE(VT_UNTIL(node_state(self->s) == VDI_STATE_ABORTED));
	EXPECT_EQ(ECANCELED, node_close(fd));
	EXPECT_EQ(ECANCELED, node_close(other));
}

TEST_F(node, flush_fails_a_synchronous_write)
{
	int fd;

	answer(self->s, VDI_CMD_FLUSH, 1, NODE_DISK_FULL, 0);
	fd = node_writer(self->s, O_SYNC);
	ASSERT_LE(0, fd);
	EXPECT_EQ(ENOSPC, node_write(fd, self->buf, 1000));
	EXPECT_NE(0, node_close(fd));
}

/* Its last byte fits, and it says that it is full: what comes next is on the next one. */
static int fill_medium(struct node_set *s, unsigned char *buf)
{
	int fd;

	s->create.config.features |= VDI_FEAT_REMOVABLE;
	s->store[0].capacity = NODE_ROOM;
	answer_too(s, VDI_CMD_WRITE, 1, NODE_WARNING);
	fd = node_writer(s, 0);
	node_fill(buf, 0, 1000);
	if (fd < 0 || node_write(fd, buf, 500) || sync_node(fd))
		return -1;
	return fd;
}

TEST_F(node, medium_is_full_to_the_byte)
{
	struct node_set *s = self->s;
	int fd = fill_medium(s, self->buf);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, node_count(s, VDI_CMD_LOAD));
	EXPECT_EQ(0, node_write(fd, self->buf + 500, 500));
	EXPECT_EQ(1, node_count(s, VDI_CMD_LOAD));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(s, 1000));
	EXPECT_EQ(500, s->store[0].volumes[0].used);
	EXPECT_EQ(500, s->store[0].volumes[1].used);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

TEST_F(node, medium_is_full_to_the_byte_at_the_end)
{
	int fd = fill_medium(self->s, self->buf);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(self->s, VDI_CMD_LOAD));
	EXPECT_TRUE(node_stored(self->s, 500));
}

TEST_F(node, there_is_no_next_medium)
{
	struct node_set *s = self->s;
	int fd;

	s->store[0].volume = NODE_VOLUMES - 1;
	fd = fill_medium(s, self->buf);
	ASSERT_LE(0, fd);
	EXPECT_EQ(ENOMEDIUM, node_write(fd, self->buf, 500));
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

/* "Aborted", of this command only: the rest is not stored, whoever closes then. */
TEST_F(node, next_medium_is_cancelled)
{
	struct node_set *s = self->s;
	int fd = fill_medium(s, self->buf);

	ASSERT_LE(0, fd);
	s->fail_done = false;
	answer(s, VDI_CMD_LOAD, 1, VDI_CODE_OPERATION_ABORTED, 0);
	EXPECT_EQ(ECANCELED, node_write(fd, self->buf, 500));
	EXPECT_NE(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

/* A warning of the only medium there is: what was taken is taken, and it goes on. */
TEST_F(node, only_medium_warns)
{
	int fd;

	answer_too(self->s, VDI_CMD_WRITE, 1, NODE_WARNING);
	fd = node_writer(self->s, 0);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, 1000);
	EXPECT_EQ(0, node_write(fd, self->buf, 500));
	EXPECT_EQ(0, sync_node(fd));
	EXPECT_EQ(0, node_write(fd, self->buf + 500, 500));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_stored(self->s, 1000));
	EXPECT_EQ(0, node_count(self->s, VDI_CMD_LOAD));
}

/* What a Load of the reader may be answered: an end, or an error. */
TEST_F(node, no_next_medium_to_read)
{
	static const struct { unsigned int code; int err; } load[] = {
		{ NODE_NO_MEDIUM, 0 }, { NODE_NO_DATA, 0 }, { NODE_EOF, 0 },
		{ VDI_CODE_IO_DEVICE, EIO }, { NODE_DISK_FULL, ENOSPC },
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(load); i++) {
		struct node_set *s = node_new(VDI_FEAT_LIKE_PIPE | VDI_FEAT_REMOVABLE, 1);

		ASSERT_NE(NULL, s);
		answer(s, VDI_CMD_LOAD, 1, load[i].code, 0);
		s->store[0].volumes[0].used = 1000;
		fd = node_reader(s, 1000, 0);
		ASSERT_LE(0, fd);
		EXPECT_EQ(1000, node_read(fd, self->buf, 1000));
		EXPECT_EQ(load[i].err, read_errno(fd, self->buf, 1));
		EXPECT_EQ(load[i].err, read_errno(fd, self->buf, 1));
		close(fd);
		EXPECT_TRUE(node_ended(s, load[i].err ? ECANCELED : ESHUTDOWN));
		node_kill(s);
		munmap(s, sizeof(*s));
	}
}

TEST_F(node, empty_answer_is_no_end)
{
	int fd;

	answer(self->s, VDI_CMD_READ, 1, 0, 0);
	fd = node_reader(self->s, 100000, 0);
	ASSERT_LE(0, fd);
	EXPECT_EQ(100000, node_read(fd, self->buf, NODE_ROOM));
	EXPECT_TRUE(node_same(self->buf, 0, 100000));
	EXPECT_EQ(0, node_close(fd));
}

TEST_F(node, empty_answer_is_no_data_yet)
{
	struct pollfd p = { .events = POLLIN };
	size_t done = 0;
	ssize_t n;

	answer(self->s, VDI_CMD_READ, 1, 0, 0);
	p.fd = node_reader(self->s, 100000, O_NONBLOCK);
	ASSERT_LE(0, p.fd);
	do {
		ASSERT_EQ(1, poll(&p, 1, 20000 * vt_scale()));
		n = read(p.fd, self->buf + done, 100000);
		done += n > 0 ? n : 0;
	} while (n > 0 || (n < 0 && errno == EAGAIN));
	EXPECT_EQ(0, n);
	EXPECT_EQ(100000, done);
	EXPECT_TRUE(node_same(self->buf, 0, 100000));
}

/* Poll of a writer whose data was refused: a write goes on, and says so; then for good. */
TEST_F(node, poll_tells_of_a_refusal)
{
	struct node_set *s = self->s;
	struct pollfd p = { .events = POLLOUT };
	int err;

	atomic_store(&s->hold, VDI_CMD_WRITE);
	answer(s, VDI_CMD_WRITE, 2, NODE_DISK_FULL, 0);
	p.fd = node_writer(s, O_NONBLOCK);
	ASSERT_LE(0, p.fd);
	while (write(p.fd, self->buf, NODE_TRANSFER) > 0)
		;
	EXPECT_EQ(0, vt_poll(p.fd));
	atomic_store(&s->hold, 0);
	ASSERT_EQ(1, poll(&p, 1, 20000 * vt_scale()));
	EXPECT_EQ(POLLOUT, p.revents);
	/* the first Write is answered before the second, and then there is room for a while */
	do {
		ASSERT_EQ(1, poll(&p, 1, 20000 * vt_scale()));
		err = node_write(p.fd, self->buf, 1);
	} while (!err || err == EAGAIN);
	EXPECT_EQ(ENOSPC, err);
	EXPECT_EQ(ENOSPC, node_write(p.fd, self->buf, 1));
	EXPECT_EQ(POLLERR, vt_poll(p.fd) & POLLERR);
	EXPECT_NE(0, node_close(p.fd));
}

/* More answers at once than the module takes at a time. */
TEST_F(node, many_answers_at_once)
{
	const size_t total = 16 * NODE_TRANSFER;
	struct node_set *s = self->s;
	int fd;

	s->create.node_depth = 16;
	s->create.ring_depth = 16;
	s->reverse = true;
	atomic_store(&s->hold, VDI_CMD_WRITE);
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	node_fill(self->buf, 0, total);
	ASSERT_EQ(0, node_write(fd, self->buf, total));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding) == VDI_CMD_WRITE));
	atomic_store(&s->hold, 0);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(16, node_count(s, VDI_CMD_WRITE));
	EXPECT_TRUE(node_stored(s, total));
}

FIXTURE(odd_disk) {
	struct node_set *s;
	unsigned char *buf;
};

FIXTURE_SETUP(odd_disk)
{
	self->s = node_new(VDI_FEAT_LIKE_DISK, 1);
	ASSERT_NE(NULL, self->s);
	self->s->store[0].size = 100000;
	node_fill(self->s->store[0].data, 0, 100000);
	self->buf = calloc(1, NODE_ROOM);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(odd_disk)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

/* Up and open */
static int odd_open(struct node_set *s, int flags)
{
	return node_up(s) ? -1 : node_open(s, 0, flags);
}

TEST_F(odd_disk, larger_than_any_file)
{
	int fd;

	answer(self->s, VDI_CMD_SET_POSITION, 1, 0, 1ULL << 63);
	fd = odd_open(self->s, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(EIO, errno);
}

TEST_F(odd_disk, has_no_room_to_append)
{
	int fd;

	answer(self->s, VDI_CMD_SET_POSITION, 1, 0, (1ULL << 63) - 100);
	fd = odd_open(self->s, O_WRONLY | O_APPEND);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EFBIG, node_write(fd, self->buf, 1000));
}

/* A part of a block is written: what the client has not got around it is zeros. */
TEST_F(odd_disk, shorter_than_it_was)
{
	struct node_set *s = self->s;
	int fd;

	answer(s, VDI_CMD_READ, 2, NODE_NO_DATA, 0);	/* the first is of the last block */
	fd = odd_open(s, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(10, pwrite(fd, self->buf, 10, 512 + 100));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_same(s->store[0].data, 0, 512));
	EXPECT_EQ(0, memcmp(s->store[0].data + 512, self->buf, 110));
	EXPECT_TRUE(node_same(s->store[0].data + 622, 622, 100000 - 622));
}

TEST_F(odd_disk, read_answered_with_nothing)
{
	static const struct { unsigned int code; int err; } read_answer[] = {
		{ 0, EIO }, { NODE_EOF, 0 }, { NODE_NO_DATA, 0 }, { NODE_DISK_FULL, ENOSPC },
	};
	unsigned int i;
	int fd;

	fd = odd_open(self->s, O_RDONLY);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(read_answer); i++) {
		answer(self->s, VDI_CMD_READ, node_count(self->s, VDI_CMD_READ) + 1,
		       read_answer[i].code, 0);
		ASSERT_EQ(0, lseek(fd, 1000, SEEK_SET) - 1000);
		EXPECT_EQ(read_answer[i].err, read_errno(fd, self->buf, 100));
		EXPECT_EQ(100, pread(fd, self->buf, 100, 50000));
		EXPECT_TRUE(node_same(self->buf, 50000, 100));
	}
	EXPECT_EQ(0, node_close(fd));
}

TEST_F(odd_disk, refused_write_is_told_by_a_read)
{
	int fd;

	answer(self->s, VDI_CMD_WRITE, 1, NODE_DISK_FULL, 0);
	fd = odd_open(self->s, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(1024, pwrite(fd, self->buf, 1024, 0));
	EXPECT_EQ(-1, pread(fd, self->buf, 100, 5000));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_NE(0, node_close(fd));
}

TEST_F(odd_disk, bad_memory_is_efault)
{
	void *bad = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = odd_open(self->s, O_RDWR);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-1, pread(fd, bad, 100, 0));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, pwrite(fd, bad, 100, 600));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(100, pread(fd, self->buf, 100, 600));
	EXPECT_TRUE(node_same(self->buf, 600, 100));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(100000, self->s->store[0].size);
	EXPECT_TRUE(node_same(self->s->store[0].data, 0, 100000));
}

FIXTURE(odd_tape) {
	struct node_set *s;
	unsigned char *buf;
	int fd;
};

/* Four blocks of 1000 bytes, a mark, and one more block */
FIXTURE_SETUP(odd_tape)
{
	struct node_store *store;
	unsigned int i;

	self->s = node_new(VDI_FEAT_LIKE_TAPE, 1);
	ASSERT_NE(NULL, self->s);
	store = &self->s->store[0];
	node_fill(store->data, 0, 10000);
	for (i = 0; i < 6; i++)
		node_tape_add(store, store->data + 1000 * i, i == 4 ? 0 : 1000);
	store->at = 0;
	self->buf = calloc(1, 1 << 20);
	ASSERT_NE(NULL, self->buf);
	self->fd = odd_open(self->s, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(odd_tape)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

static int mt(int fd, int op, int count)
{
	struct mtop m = { .mt_op = op, .mt_count = count };

	return ioctl(fd, MTIOCTOP, &m) ? errno : 0;
}

/* The block first, then what the code says. */
TEST_F(odd_tape, block_and_mark_in_one)
{
	answer_too(self->s, VDI_CMD_READ, 1, NODE_FILEMARK);
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
	EXPECT_EQ(0, read(self->fd, self->buf, 65536));
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
}

TEST_F(odd_tape, fixed_blocks_and_mark_in_one)
{
	ASSERT_EQ(0, mt(self->fd, MTSETBLK, 1000));
	answer_too(self->s, VDI_CMD_READ, 2, NODE_FILEMARK);
	EXPECT_EQ(2000, read(self->fd, self->buf, 10000));
	EXPECT_EQ(0, read(self->fd, self->buf, 10000));
	EXPECT_EQ(2000, read(self->fd, self->buf, 10000));
}

TEST_F(odd_tape, block_and_end_in_one)
{
	static const unsigned int end[] = { NODE_EOF, NODE_NO_DATA };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(end); i++) {
		answer_too(self->s, VDI_CMD_READ, i + 1, end[i]);
		EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
	}
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
}

TEST_F(odd_tape, block_and_error_in_one)
{
	answer_too(self->s, VDI_CMD_READ, 1, VDI_CODE_IO_DEVICE);
	EXPECT_EQ(EIO, read_errno(self->fd, self->buf, 65536));
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
}

TEST_F(odd_tape, neither_block_nor_code)
{
	answer(self->s, VDI_CMD_READ, 1, 0, 0);
	EXPECT_EQ(EIO, read_errno(self->fd, self->buf, 65536));
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
}

/* Fixed blocks up to an end are good, up to an error they are not. */
TEST_F(odd_tape, fixed_blocks_up_to)
{
	static const struct { unsigned int code; int err; } up_to[] = {
		{ NODE_EOF, 0 }, { NODE_NO_DATA, 0 }, { NODE_FILEMARK, 0 },
		{ VDI_CODE_IO_DEVICE, EIO },
	};
	unsigned int i;
	ssize_t n;

	ASSERT_EQ(0, mt(self->fd, MTSETBLK, 1000));
	for (i = 0; i < ARRAY_SIZE(up_to); i++) {
		ASSERT_EQ(0, mt(self->fd, MTREW, 1));
		answer(self->s, VDI_CMD_READ, node_count(self->s, VDI_CMD_READ) + 3,
		       up_to[i].code, 0);
		n = read(self->fd, self->buf, 4000);
		EXPECT_EQ(up_to[i].err ? -1 : 2000, n);
		if (n < 0)
			EXPECT_EQ(up_to[i].err, errno);
	}
}

/* Where it is after a mark that was met, from where it knew and where it did not. */
TEST_F(odd_tape, marks_are_counted_where_they_can_be)
{
	struct mtget get;

	EXPECT_EQ(EIO, mt(self->fd, MTFSR, 5));
	ASSERT_EQ(0, ioctl(self->fd, MTIOCGET, &get));
	EXPECT_EQ(1, get.mt_fileno);
	EXPECT_TRUE(GMT_EOF(get.mt_gstat));
	EXPECT_EQ(0, mt(self->fd, MTSEEK, 3));
	EXPECT_EQ(1000, read(self->fd, self->buf, 65536));
	EXPECT_EQ(0, read(self->fd, self->buf, 65536));
	ASSERT_EQ(0, ioctl(self->fd, MTIOCGET, &get));
	EXPECT_EQ(-1, get.mt_fileno);
	EXPECT_TRUE(GMT_EOF(get.mt_gstat));
}

/*
 * A drive that warns in time: blocks are sent ahead, so an error of one is told by
 * whatever comes next.
 */
FIXTURE(ahead) {
	struct node_set *s;
	unsigned char *buf;
	int fd;
};

FIXTURE_VARIANT(ahead) {
	int op;			/* MT*, or: */
};

enum { BY_WRITE = 1000, BY_READ, BY_FSYNC, BY_PLACE };

#define AHEAD(name, o) FIXTURE_VARIANT_ADD(ahead, name) { .op = o }
AHEAD(write, BY_WRITE);
AHEAD(read, BY_READ);
AHEAD(fsync, BY_FSYNC);
AHEAD(place, BY_PLACE);
AHEAD(mark, MTWEOF);
AHEAD(set_block, MTSETBLK);
AHEAD(load, MTLOAD);
AHEAD(rewind, MTREW);
AHEAD(skip, MTFSF);
AHEAD(offline, MTOFFL);

FIXTURE_SETUP(ahead)
{
	self->s = node_new(VDI_FEAT_LIKE_TAPE, 1);
	ASSERT_NE(NULL, self->s);
	self->s->create.config.eom_warning_size = 1 << 20;
	self->buf = calloc(1, 65536);
	ASSERT_NE(NULL, self->buf);
	answer(self->s, VDI_CMD_WRITE, 2, VDI_CODE_IO_DEVICE, 0);
	self->fd = odd_open(self->s, O_RDWR);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(ahead)
{
	atomic_store(&self->s->hold, 0);
	node_kill(self->s);
	vt_baseline(_metadata);
}

static int ahead_call(int fd, int op, void *buf)
{
	struct mtpos pos;

	switch (op) {
	case BY_WRITE:
		return node_write(fd, buf, 100);
	case BY_READ:
		return read_errno(fd, buf, 65536);
	case BY_FSYNC:
		return sync_node(fd);
	case BY_PLACE:
		return ioctl(fd, MTIOCPOS, &pos) ? errno : 0;
	}
	return mt(fd, op, 1);
}

TEST_F(ahead, error_is_told_by)
{
	struct node_set *s = self->s;

	atomic_store(&s->hold, VDI_CMD_WRITE);
	EXPECT_EQ(100, write(self->fd, self->buf, 100));
	EXPECT_EQ(100, write(self->fd, self->buf, 100));	/* not waited for */
	atomic_store(&s->hold, 0);
	ASSERT_TRUE(VT_UNTIL(node_count(s, VDI_CMD_WRITE) == 2));
	/* a write need not look: it goes ahead as well */
	EXPECT_TRUE(VT_UNTIL(ahead_call(self->fd, variant->op, self->buf) == EIO));
	/* that is the end, and close has nothing to add */
	EXPECT_EQ(variant->op == MTOFFL, !node_close(self->fd));
	EXPECT_TRUE(node_ended(s, ECANCELED));
}

TEST_HARNESS_MAIN
