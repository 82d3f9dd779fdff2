// SPDX-License-Identifier: GPL-2.0-only
/*
 * How long the lock of a set is held, and how often it is taken: the kernel's own
 * count (CONFIG_LOCK_STAT, which the debug kernel has) while commands go round.  Its
 * times are this clock's, so instructions, and those of a kernel that checks each
 * lock and each access: to be compared with one another only.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define SWITCH	"/proc/sys/kernel/lock_stat"
#define STAT	"/proc/lock_stat"
#define LOCK	"&set->lock:"
#define NR	8192

struct held {
	double contended;
	double taken;
	double max;
	double mean;
};

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (!f || fputs(text, f) < 0 || fclose(f))
		bench_fail("cannot write %s: %s; the kernel needs CONFIG_LOCK_STAT", path,
			   strerror(errno));
}

/*
 * A line is: class, con-bounces, contentions, waittime min, max, total, avg,
 * acq-bounces, acquisitions, holdtime min, max, total, avg; times are microseconds.
 */
static void read_held(struct held *h)
{
	FILE *f = fopen(STAT, "r");
	char line[1024], *at = NULL;

	while (f && !at && fgets(line, sizeof(line), f))
		at = strstr(line, LOCK);
	if (f)
		fclose(f);
	if (!at || sscanf(at + strlen(LOCK), " %*s %lf %*s %*s %*s %*s %*s %lf %*s %lf %*s %lf",
			  &h->contended, &h->taken, &h->max, &h->mean) != 4)
		bench_fail("%s says nothing of " LOCK, STAT);
}

/* Only while commands go round: devices are opened and closed under it too */
static void measured(bool begins)
{
	if (begins)
		put(STAT, "0");
	put(SWITCH, begins ? "1" : "0");
}

static void run(const struct bench_case *c, FILE *out)
{
	unsigned int all = c->depth * c->devices * c->threads;
	unsigned int n = (NR + all - 1) / all * all;
	struct bench_figures figures;
	struct held h;

	bench_measured = measured;
	bench_pair_run(c, n, false, &figures);
	bench_measured = NULL;
	read_held(&h);
	printf("%7u %7u %5u %10.2f %10.0f %10.0f %10.0f\n", c->devices, c->threads, c->depth,
	       h.taken / n, h.mean * 1000, h.max * 1000, h.contended);
	if (out)
		fprintf(out,
			"{\"mechanism\":\"%s\",\"devices\":%u,\"threads\":%u,\"depth\":%u,\"locks_per_cmd\":%.3f,\"held_mean\":%.0f,\"held_max\":%.0f,\"contended\":%.0f}\n",
			c->mech->name, c->devices, c->threads, c->depth, h.taken / n, h.mean * 1000,
			h.max * 1000, h.contended);
}

/**
 * bench_locks() - How long the lock of a set is held, as a table
 * @out: JSON lines go there, or NULL
 */
void bench_locks(FILE *out)
{
	static const struct bench_case cases[] = {
		{ .mech = &bench_exchange, .devices = 1, .threads = 1 },
		{ .mech = &bench_exchange, .devices = 1, .threads = 8 },
		{ .mech = &bench_exchange, .devices = 8, .threads = 8 },
		{ .mech = &bench_exchange_set, .devices = 8, .threads = 1 },
		{ .mech = &bench_exchange_set, .devices = 64, .threads = 1 },
	};
	static const unsigned int depths[] = { 1, 4, 32 };
	unsigned int d, i;

	printf("The lock of a set; held in nanoseconds of this clock, which count instructions.\n");
	printf("%7s %7s %5s %10s %10s %10s %10s\n", "devices", "threads", "depth", "per cmd",
	       "held mean", "held max", "contended");
	for (d = 0; d < sizeof(depths) / sizeof(depths[0]); d++) {
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct bench_case c = cases[i];

			c.depth = depths[d];
			run(&c, out);
		}
	}
}
