// SPDX-License-Identifier: GPL-2.0-only
/*
 * A pair of UNIX seqpacket sockets, a packet for each record; all packets that
 * are there in one sendmmsg() and one recvmmsg().
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/socket.h>

#include "bench.h"

static int fd[2];
static struct bench_record records[BENCH_MAX_DEPTH];
static struct iovec vec[BENCH_MAX_DEPTH];
static struct mmsghdr msgs[BENCH_MAX_DEPTH];

static void create(const struct bench_case *c)
{
	unsigned int i;

	(void)c;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fd))
		bench_fail("socketpair: %s", strerror(errno));
	for (i = 0; i < BENCH_MAX_DEPTH; i++) {
		vec[i] = (struct iovec){ &records[i], sizeof(records[i]) };
		msgs[i].msg_hdr = (struct msghdr){ .msg_iov = &vec[i], .msg_iovlen = 1 };
	}
}

static void destroy(const struct bench_case *c)
{
	(void)c;
	close(fd[0]);
	close(fd[1]);
}

static void put(int sock, unsigned int n)
{
	unsigned int i = 0;
	int ret;

	while (i < n) {
		bench_calls++;
		ret = n - i == 1 ? send(sock, &records[i], sizeof(records[i]), 0) > 0 ? 1 : -1 :
				   sendmmsg(sock, &msgs[i], n - i, 0);
		if (ret <= 0)
			bench_fail("send: %s", strerror(errno));
		i += ret;
	}
}

static unsigned int take(const struct bench_case *c, int sock)
{
	int ret;

	bench_calls++;
	ret = c->depth == 1 ? recv(sock, records, sizeof(records[0]), 0) > 0 ? 1 : -1 :
			      recvmmsg(sock, msgs, c->depth, MSG_WAITFORONE, NULL);
	if (ret <= 0)
		bench_fail("receive: %s", strerror(errno));
	return ret;
}

static void server(const struct bench_case *c, unsigned int n)
{
	unsigned int sent = 0, done = 0, i, got;

	while (done < n) {
		for (i = 0; sent < n && sent - done < c->depth; i++)
			bench_fill(&records[i], ++sent, c->payload);
		put(fd[0], i);
		got = take(c, fd[0]);
		for (i = 0; i < got; i++)
			bench_check(records[i].id, ++done);
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	unsigned int answered = 0, i, got;

	while (answered < n) {
		got = take(c, fd[1]);
		for (i = 0; i < got; i++)
			bench_check(records[i].id, ++answered);
		put(fd[1], got);
	}
}

const struct bench_mechanism bench_seqpacket = {
	.name = "seqpacket",
	.what = "UNIX seqpacket sockets, sendmmsg and recvmmsg",
	.counts = true,
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};
