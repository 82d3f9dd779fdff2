// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine on a node, with the 1st, 2nd ... allocation or user copy failing in
 * open, write, read, poll, the requests of a tape drive, and close of it, until none
 * is left to fail.  The call says so, and then either the stream ends well and is
 * whole, or both sides know that it failed; the next one is good, and nothing is left
 * in the module.
 */
#include <sys/mtio.h>

#include "fail_nth.h"
#include "node.h"

#define SIZE	(NODE_TRANSFER + 1000)

#define BLOCK	1000		/* what a tape has */

enum { AT_OPEN, AT_DATA, AT_POLL, AT_PLACE, AT_CLOSE };

/* One stream in which the nth point of one of its calls fails. */
struct attempt {
	unsigned int features;
	size_t size;
	bool reads;
	int at;
	unsigned int n;
	bool injected;
	int err;	/* of that call */
	int fatal;	/* of any other */
};

static int call_data(const struct attempt *a, int fd, unsigned char *buf)
{
	ssize_t n = a->reads ? read(fd, buf, a->size) : write(fd, buf, a->size);

	return n < 0 ? -errno : n;
}

/* Each request of a tape drive, up to the first that fails. */
static int call_place(int fd)
{
	struct mtop op = { .mt_op = MTNOP };
	struct mtget get;
	struct mtpos pos;

	return ioctl(fd, MTIOCTOP, &op) || ioctl(fd, MTIOCGET, &get) ||
	       ioctl(fd, MTIOCPOS, &pos) ? errno : 0;
}

static int arm(const struct attempt *a, int at)
{
	return a->at == at ? vt_fail_arm(a->n) : -1;
}

static void disarm(struct attempt *a, int at, int armed, int err)
{
	if (a->at != at)
		return;
	a->injected = vt_fail_disarm(armed);
	a->err = err;
}

/* The rest of the stream after its first call: 0 or the errno. */
static int finish(struct attempt *a, int fd, unsigned char *buf, int done)
{
	struct mtop rewind = { .mt_op = MTREW };
	size_t left = a->size - done;
	ssize_t n;

	if (!a->reads)
		return node_write(fd, buf + done, left);
	/* the block is behind the head by now */
	if (!done && a->features & VDI_FEAT_FILE_MARKS && ioctl(fd, MTIOCTOP, &rewind))
		return errno;
	n = node_read(fd, buf + done, left);
	if (n < 0)
		return -n;
	/* the end is to be seen, or the client's stream was not wanted to its end */
	return n == (ssize_t)left && !node_read(fd, buf + a->size, 1) ? 0 : -1;
}

/* A tape does not end with its file. */
static int offline(struct node_set *s)
{
	struct mtop op = { .mt_op = MTOFFL };
	int fd = node_open(s, 0, O_RDONLY), err;

	if (fd < 0)
		return -fd;
	err = ioctl(fd, MTIOCTOP, &op) ? errno : 0;
	return node_close(fd) ?: err;
}

static void stream(struct attempt *a, struct node_set *s, unsigned char *buf)
{
	int flags = a->reads ? O_RDONLY : O_WRONLY;
	int armed, fd, n, err;

	armed = arm(a, AT_OPEN);
	fd = node_open(s, 0, flags);
	disarm(a, AT_OPEN, armed, fd < 0 ? -fd : 0);
	if (fd < 0)	/* as good as never tried */
		fd = node_open(s, 0, flags);
	if (fd < 0) {
		a->fatal = -fd;
		return;
	}
	armed = arm(a, AT_POLL);
	n = poll(&(struct pollfd){ .fd = fd, .events = POLLIN | POLLOUT }, 1, 0);
	disarm(a, AT_POLL, armed, n < 0 ? errno : 0);
	armed = arm(a, AT_PLACE);
	err = a->at == AT_PLACE ? call_place(fd) : 0;
	disarm(a, AT_PLACE, armed, err);
	armed = arm(a, AT_DATA);
	n = call_data(a, fd, buf);
	disarm(a, AT_DATA, armed, n < 0 ? -n : 0);
	a->fatal = finish(a, fd, buf, n < 0 ? 0 : n);
	armed = arm(a, AT_CLOSE);
	err = node_close(fd);
	disarm(a, AT_CLOSE, armed, err);
	a->fatal = a->fatal ?: err;
	if (a->features & VDI_FEAT_FILE_MARKS)
		a->fatal = a->fatal ?: offline(s);
}

/* What there is to read. */
static void stock(const struct attempt *a, struct node_store *store)
{
	node_fill(store->data, 0, a->size);
	if (a->features & VDI_FEAT_FILE_MARKS) {
		node_tape_add(store, store->data, a->size);
		store->at = 0;
	} else {
		store->size = a->size;
	}
}

static void one(struct __test_metadata *_metadata, struct attempt *a)
{
	struct node_set *s = node_new(a->features, 1);
	unsigned char *buf = malloc(a->size + 1);

	ASSERT_NE(NULL, s);
	ASSERT_NE(NULL, buf);
	if (a->reads)
		stock(a, &s->store[0]);
	node_fill(buf, 0, a->size);
	ASSERT_EQ(0, node_up(s));
	stream(a, s, buf);
	if (a->err) {
		EXPECT_TRUE(a->injected);
		EXPECT_TRUE(a->err == ENOMEM || a->err == EFAULT) {
			TH_LOG("gave %s", strerrorname_np(a->err));
		}
	}
	/* nothing was lost by a call that failed: the stream goes on and ends well */
	EXPECT_EQ(0, a->fatal);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN)) {
		TH_LOG("the client's end: %s", strerrorname_np(atomic_load(&s->ended)));
	}
	EXPECT_TRUE(a->reads ? node_same(buf, 0, a->size) : node_stored(s, a->size));
	node_kill(s);
	vt_baseline(_metadata);
	munmap(s, sizeof(*s));
	free(buf);
}

FIXTURE(points) {
};

FIXTURE_VARIANT(points) {
	unsigned int features;
	bool reads;
	int at;
};

#define VARIANT_OF(name, f, r, w)	\
	FIXTURE_VARIANT_ADD(points, name) { .features = f, .reads = r, .at = w }
#define VARIANT(name, r, w) VARIANT_OF(name, VDI_FEAT_LIKE_PIPE, r, w)
#define VARIANT_DISK(name, r, w) VARIANT_OF(disk_##name, VDI_FEAT_LIKE_DISK, r, w)
#define VARIANT_TAPE(name, r, w) VARIANT_OF(tape_##name, VDI_FEAT_LIKE_TAPE, r, w)
VARIANT(open_to_write, false, AT_OPEN);
VARIANT(open_to_read, true, AT_OPEN);
VARIANT(write, false, AT_DATA);
VARIANT(read, true, AT_DATA);
VARIANT(poll_to_write, false, AT_POLL);
VARIANT(poll_to_read, true, AT_POLL);
VARIANT(close_writer, false, AT_CLOSE);
VARIANT(close_reader, true, AT_CLOSE);
VARIANT_DISK(open_to_write, false, AT_OPEN);
VARIANT_DISK(write, false, AT_DATA);
VARIANT_DISK(read, true, AT_DATA);
VARIANT_TAPE(open_to_write, false, AT_OPEN);
VARIANT_TAPE(write, false, AT_DATA);
VARIANT_TAPE(read, true, AT_DATA);
VARIANT_TAPE(place, true, AT_PLACE);

FIXTURE_SETUP(points)
{
}

FIXTURE_TEARDOWN(points)
{
	vt_baseline(_metadata);
}

TEST_F_TIMEOUT(points, all, 600)
{
	struct attempt a = {
		.features = variant->features, .reads = variant->reads, .at = variant->at,
		.size = variant->features & VDI_FEAT_FILE_MARKS ? BLOCK : SIZE,
	};
	const char *why = vt_fail_begin();

	if (why)
		SKIP(return, "%s", why);
	vt_log_fd = -1;
	for (a.n = 1; a.n < VT_FAIL_MAX && _metadata->passed; a.n++) {
		a.injected = false;
		one(_metadata, &a);
		if (!_metadata->passed)
			TH_LOG("^ point %u: errno %d, then %d", a.n, a.err, a.fatal);
		if (!a.injected)
			break;
	}
	EXPECT_GT(VT_FAIL_MAX, a.n);
	TH_LOG("reached all of %u points", a.n - 1);
}

TEST_HARNESS_MAIN
