// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pipes.  As "pipe" all records that are there go in one write and one
 * read, the best that a pipe can do; as "pipe-each" each record is written
 * alone, as programs do that hand out commands one by one.  As "stream" it is the same
 * with UNIX stream sockets.  Payload goes through one more, so that the records can
 * still be read many at a time; as "pipe-splice" the pages of the server's buffer are put
 * into the pipe, and copied once instead of twice.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/uio.h>

#include "bench.h"

#define ROOM		(1 << 20)	/* of the channel of the payload */

/* Each is read at 0 and written at 1. */
static int down[2], up[2], data[2];
static struct bench_record records[BENCH_MAX_DEPTH];
static unsigned char *payload;

static void channel(const struct bench_case *c, int *fd)
{
	if (c->mech == &bench_stream ? socketpair(AF_UNIX, SOCK_STREAM, 0, fd) : pipe(fd))
		bench_fail("%s: %s", c->mech->name, strerror(errno));
}

static void create(const struct bench_case *c)
{
	const int room = ROOM;

	channel(c, down);
	channel(c, up);
	if (!c->data)
		return;
	channel(c, data);
	/* a pipe of anybody may be so large; of the socket, what it needs to be as large */
	if (c->mech == &bench_stream)
		setsockopt(data[1], SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	else
		fcntl(data[1], F_SETPIPE_SZ, room);
	/* what lies in a pipe as a page is not to be written before it was read */
	payload = aligned_alloc(BENCH_STEP, c->payload * c->depth);
	if (!payload)
		bench_fail("no memory");
	memset(payload, 0, c->payload * c->depth);
}

static void destroy(const struct bench_case *c)
{
	close(down[0]);
	close(down[1]);
	close(up[0]);
	close(up[1]);
	if (!c->data)
		return;
	close(data[0]);
	close(data[1]);
	free(payload);
}

static unsigned char *place(const struct bench_case *c, uint64_t id)
{
	return payload + id % c->depth * c->payload;
}

static void put_payload(const struct bench_case *c, uint64_t id)
{
	unsigned char *from = place(c, id);
	bool splice = c->mech == &bench_pipe_splice;
	uint64_t at = 0;
	ssize_t n;

	bench_touch(from, c->payload, id);
	while (at < c->payload) {
		struct iovec v = { from + at, c->payload - at };

		bench_calls++;
		n = splice ? vmsplice(data[1], &v, 1, 0) : write(data[1], v.iov_base, v.iov_len);
		if (n <= 0)
			bench_fail("%s of payload: %s", splice ? "vmsplice" : "write",
				   strerror(errno));
		at += n;
	}
	if (!splice)
		bench_copied += at;
}

/* In one call if the mechanism has one that waits for all */
static ssize_t read_payload(const struct bench_case *c, void *to, size_t size)
{
	if (c->mech == &bench_stream)
		return recv(data[0], to, size, MSG_WAITALL);
	return read(data[0], to, size);
}

static void take_payload(const struct bench_case *c, uint64_t id)
{
	unsigned char *to = place(c, id);
	uint64_t at = 0;
	ssize_t n;

	while (at < c->payload) {
		bench_calls++;
		n = read_payload(c, to + at, c->payload - at);
		if (n <= 0)
			bench_fail("read of payload: %s", n ? strerror(errno) : "it ended");
		at += n;
	}
	bench_copied += at;
	bench_look(to, c->payload, id);
}

/* At most PIPE_BUF bytes, so it is written as a whole or not at all. */
static void put(const struct bench_case *c, int fd, unsigned int n)
{
	unsigned int step = c->mech == &bench_pipe_each ? 1 : n, i;
	ssize_t size = step * sizeof(records[0]);

	for (i = 0; i < n; i += step) {
		bench_calls++;
		if (write(fd, &records[i], size) != size)
			bench_fail("write to a %s: %s", c->mech->name, strerror(errno));
	}
}

static unsigned int take(const struct bench_case *c, int fd)
{
	size_t n = 0;
	ssize_t got;

	do {			/* a stream may end within a record, a pipe never does */
		bench_calls++;
		got = read(fd, (char *)records + n, c->depth * sizeof(records[0]) - n);
		if (got <= 0)
			bench_fail("read from a %s: %s", c->mech->name,
				   got ? strerror(errno) : "it ended");
		n += got;
	} while (n % sizeof(records[0]));
	return n / sizeof(records[0]);
}

static void server(const struct bench_case *c, unsigned int n)
{
	unsigned int sent = 0, done = 0, i, k, got;

	while (done < n) {
		for (i = 0; sent < n && sent - done < c->depth; i++)
			bench_fill(&records[i], ++sent, c->payload);
		put(c, down[1], i);
		for (k = i; c->data && k; k--)
			put_payload(c, sent - k + 1);
		got = take(c, up[0]);
		for (i = 0; i < got; i++)
			bench_check(records[i].id, ++done);
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	unsigned int answered = 0, i, got;

	while (answered < n) {
		got = take(c, down[0]);
		for (i = 0; i < got; i++) {
			bench_check(records[i].id, ++answered);
			if (c->data)
				take_payload(c, answered);
		}
		put(c, up[1], got);
	}
}

const struct bench_mechanism bench_pipe = {
	.name = "pipe",
	.what = "two pipes, all records that are there in one write",
	.counts = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};

const struct bench_mechanism bench_pipe_each = {
	.name = "pipe-each",
	.what = "two pipes, one record in each write",
	.counts = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};

const struct bench_mechanism bench_pipe_splice = {
	.name = "pipe-splice",
	.what = "as pipe, the payload by vmsplice",
	.counts = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};

const struct bench_mechanism bench_stream = {
	.name = "stream",
	.what = "UNIX stream sockets, all records that are there in one write",
	.counts = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};
