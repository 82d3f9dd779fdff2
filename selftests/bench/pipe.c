// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two pipes.  As "pipe" all records that are there go in one write and one
 * read, the best that a pipe can do; as "pipe-each" each record is written
 * alone, as programs do that hand out commands one by one.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

static int down[2], up[2];
static struct bench_record records[BENCH_MAX_DEPTH];

static void create(const struct bench_case *c)
{
	(void)c;
	if (pipe(down) || pipe(up))
		bench_fail("pipe: %s", strerror(errno));
}

static void destroy(void)
{
	close(down[0]);
	close(down[1]);
	close(up[0]);
	close(up[1]);
}

/* At most PIPE_BUF bytes, so it is written as a whole or not at all. */
static void put(const struct bench_case *c, int fd, unsigned int n)
{
	unsigned int step = c->mech == &bench_pipe_each ? 1 : n, i;
	ssize_t size = step * sizeof(records[0]);

	for (i = 0; i < n; i += step) {
		bench_calls++;
		if (write(fd, &records[i], size) != size)
			bench_fail("write to a pipe: %s", strerror(errno));
	}
}

static unsigned int take(const struct bench_case *c, int fd)
{
	ssize_t n;

	bench_calls++;
	n = read(fd, records, c->depth * sizeof(records[0]));
	if (n <= 0 || n % sizeof(records[0]))
		bench_fail("read from a pipe: %s", n < 0 ? strerror(errno) : "a part of a record");
	return n / sizeof(records[0]);
}

static void server(const struct bench_case *c, unsigned int n)
{
	unsigned int sent = 0, done = 0, i, got;

	while (done < n) {
		for (i = 0; sent < n && sent - done < c->depth; i++)
			bench_fill(&records[i], ++sent, c->payload);
		put(c, down[1], i);
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
		for (i = 0; i < got; i++)
			bench_check(records[i].id, ++answered);
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
