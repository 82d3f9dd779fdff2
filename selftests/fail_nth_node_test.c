// SPDX-License-Identifier: GPL-2.0-only
/*
 * An engine on a node, with the 1st, 2nd ... allocation or user copy failing in
 * open, write, read, poll and close of it, until none is left to fail.  The call
 * says so, and then either the stream ends well and is whole, or both sides know
 * that it failed; the next one is good, and nothing is left in the module.
 */
#include "fail_nth.h"
#include "node.h"

#define SIZE	(NODE_TRANSFER + 1000)

enum { AT_OPEN, AT_DATA, AT_POLL, AT_CLOSE };

/* One stream in which the nth point of one of its calls fails. */
struct attempt {
	bool reads;
	int at;
	unsigned int n;
	bool injected;
	int err;	/* of that call */
	int fatal;	/* of any other */
};

static int call_data(const struct attempt *a, int fd, unsigned char *buf)
{
	ssize_t n = a->reads ? read(fd, buf, SIZE) : write(fd, buf, SIZE);

	return n < 0 ? -errno : n;
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
	ssize_t n;

	if (!a->reads)
		return node_write(fd, buf + done, SIZE - done);
	n = node_read(fd, buf + done, SIZE - done);
	if (n < 0)
		return -n;
	/* the end is to be seen, or the client's stream was not wanted to its end */
	return n == SIZE - done && !node_read(fd, buf + SIZE, 1) ? 0 : -1;
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
	armed = arm(a, AT_DATA);
	n = call_data(a, fd, buf);
	disarm(a, AT_DATA, armed, n < 0 ? -n : 0);
	a->fatal = finish(a, fd, buf, n < 0 ? 0 : n);
	armed = arm(a, AT_CLOSE);
	err = node_close(fd);
	disarm(a, AT_CLOSE, armed, err);
	a->fatal = a->fatal ?: err;
}

static void one(struct __test_metadata *_metadata, struct attempt *a)
{
	struct node_set *s = node_new(VDI_FEAT_LIKE_PIPE, 1);
	unsigned char *buf = malloc(SIZE + 1);

	ASSERT_NE(NULL, s);
	ASSERT_NE(NULL, buf);
	if (a->reads) {
		s->store[0].size = SIZE;
		node_fill(s->store[0].data, 0, SIZE);
	}
	node_fill(buf, 0, SIZE);
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
	EXPECT_TRUE(a->reads ? node_same(buf, 0, SIZE) : node_stored(s, SIZE));
	node_kill(s);
	vt_baseline(_metadata);
	munmap(s, sizeof(*s));
	free(buf);
}

FIXTURE(points) {
};

FIXTURE_VARIANT(points) {
	bool reads;
	int at;
};

#define VARIANT(name, r, w) FIXTURE_VARIANT_ADD(points, name) { .reads = r, .at = w }
VARIANT(open_to_write, false, AT_OPEN);
VARIANT(open_to_read, true, AT_OPEN);
VARIANT(write, false, AT_DATA);
VARIANT(read, true, AT_DATA);
VARIANT(poll_to_write, false, AT_POLL);
VARIANT(poll_to_read, true, AT_POLL);
VARIANT(close_writer, false, AT_CLOSE);
VARIANT(close_reader, true, AT_CLOSE);

FIXTURE_SETUP(points)
{
}

FIXTURE_TEARDOWN(points)
{
	vt_baseline(_metadata);
}

TEST_F_TIMEOUT(points, all, 600)
{
	struct attempt a = { .reads = variant->reads, .at = variant->at };
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
