// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mechanism of the existing VDI on Linux, as far as it is documented: POSIX
 * semaphores that processes share, and rings in shared memory.  A semaphore
 * counts the records of its ring, so each record is one sem_post() and one
 * sem_wait() or sem_trywait(); which of them enter the kernel is glibc's
 * affair, and only the kernel can count it.  Payload is in shared memory, too.
 */
#include <errno.h>
#include <semaphore.h>
#include <string.h>

#include <sys/mman.h>

#include "bench.h"

/**
 * struct ring - One direction
 * @full: records that are there
 * @slots: the records; the sender never has more than the depth outstanding
 */
struct ring {
	sem_t full;
	struct bench_record slots[BENCH_MAX_DEPTH] __attribute__((aligned(64)));
};

struct shared {
	struct ring down;	/* commands */
	struct ring up;		/* completions */
};

static struct shared *shared;
static unsigned char *payload;

static void create(const struct bench_case *c)
{
	if (c->data) {
		payload = mmap(NULL, c->depth * c->payload, PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
		if (payload == MAP_FAILED)
			bench_fail("shared memory: %s", strerror(errno));
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (shared == MAP_FAILED || sem_init(&shared->down.full, 1, 0) ||
	    sem_init(&shared->up.full, 1, 0))
		bench_fail("semaphores: %s", strerror(errno));
}

static void destroy(const struct bench_case *c)
{
	munmap(shared, sizeof(*shared));
	if (c->data)
		munmap(payload, c->depth * c->payload);
}

static unsigned char *buffer(const struct bench_case *c, unsigned int n)
{
	return payload + n % c->depth * c->payload;
}

/* One record is there at the least; more may be. */
static unsigned int take(struct ring *ring)
{
	unsigned int n = 1;

	while (sem_wait(&ring->full))
		if (errno != EINTR)
			bench_fail("sem_wait: %s", strerror(errno));
	while (!sem_trywait(&ring->full))
		n++;
	return n;
}

static void server(const struct bench_case *c, unsigned int n)
{
	struct ring *down = &shared->down, *up = &shared->up;
	unsigned int sent = 0, done = 0, got;

	while (done < n) {
		while (sent < n && sent - done < c->depth) {
			bench_fill(&down->slots[sent % c->depth], sent + 1, c->payload);
			if (c->data)
				bench_touch(buffer(c, sent), c->payload, sent + 1);
			sent++;
			sem_post(&down->full);
		}
		for (got = take(up); got; got--, done++)
			bench_check(up->slots[done % c->depth].id, done + 1);
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	struct ring *down = &shared->down, *up = &shared->up;
	unsigned int answered = 0, got;

	while (answered < n) {
		for (got = take(down); got; got--, answered++) {
			struct bench_record *cmd = &down->slots[answered % c->depth];

			bench_check(cmd->id, answered + 1);
			if (c->data)
				bench_look(buffer(c, answered), c->payload, cmd->id);
			up->slots[answered % c->depth] = *cmd;
			sem_post(&up->full);
		}
	}
}

const struct bench_mechanism bench_sem = {
	.name = "sem",
	.what = "POSIX semaphores and rings in shared memory",
	.create = create,
	.destroy = destroy,
	.server = server,
	.client = client,
};
