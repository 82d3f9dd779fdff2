// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark: which cases there are, in which order they run, the command
 * line.  Runs as root in a guest with one CPU whose clock counts instructions
 * (see clock.c; scripts/bench.sh makes it).
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define KIB	1024ULL
#define MIB	(1024 * KIB)

/* Of each depth; "sem" and "pipe" are what the others are compared with. */
static const struct bench_case cases[] = {
	{ &bench_exchange, 0, 1, 0 },
	{ &bench_exchange, 0, 1, 64 * KIB },
	{ &bench_exchange, 0, 1, 4 * MIB },
	{ &bench_exchange_set, 0, 1, 0 },
	{ &bench_exchange_set, 0, BENCH_MAX_DEVICES, 0 },
	{ &bench_sem, 0, 1, 0 },
	{ &bench_pipe, 0, 1, 0 },
	{ &bench_pipe_each, 0, 1, 0 },
	{ &bench_seqpacket, 0, 1, 0 },
};

static const unsigned int depths[] = { 1, 4, BENCH_MAX_DEPTH };

#define NR_CASES	(sizeof(cases) / sizeof(cases[0]))
#define NR_DEPTHS	(sizeof(depths) / sizeof(depths[0]))

static struct bench_line lines[NR_CASES * NR_DEPTHS];
static bool nodes, death;
static unsigned int rounds = 3, commands = 4096;

static const char help[] =
"usage: bench [OPTION]...\n"
"Counts instructions, system calls and context switches per command for EXCHANGE\n"
"and its rivals.  Needs root, /dev/vdi, and a guest with an instruction clock;\n"
"scripts/bench.sh boots one.\n"
"\n"
"  --rounds N     interleaved rounds, 3..%u (default %u)\n"
"  --commands N   commands of a run, a multiple of %u (default %u)\n"
"  --nodes        a stream through a node and through a pipe, instead\n"
"  --early-death  what watching for its death costs a process, instead\n"
"  --out FILE     write JSON lines there too\n"
"  --help         this text\n";

static unsigned int number(const char *option, const char *text, unsigned int low,
			   unsigned int high, unsigned int step)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || !*text || *end || n < low || n > high || n % step)
		bench_fail("--%s wants a number from %u to %u%s, not '%s'", option, low, high,
			   step > 1 ? ", a multiple of the least" : "", text);
	return n;
}

static const char *parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "commands", required_argument, NULL, 'c' },
		{ "nodes", no_argument, NULL, 'n' },
		{ "early-death", no_argument, NULL, 'd' },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *out = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			rounds = number("rounds", optarg, 3, BENCH_MAX_ROUNDS, 1);
			break;
		case 'c':
			commands = number("commands", optarg, BENCH_MAX_BATCH, 1 << 20,
					  BENCH_MAX_BATCH);
			break;
		case 'n':
			nodes = true;
			break;
		case 'd':
			death = true;
			break;
		case 'o':
			out = optarg;
			break;
		case 'h':
			printf(help, BENCH_MAX_ROUNDS, rounds, BENCH_MAX_BATCH, commands);
			exit(0);
		default:
			fprintf(stderr, "bench: see --help\n");
			exit(2);
		}
	}
	if (optind < argc)
		bench_fail("'%s' is no option (see --help)", argv[optind]);
	return out;
}

static void check_guest(void)
{
	double ns = bench_clock_check();

	if (sysconf(_SC_NPROCESSORS_ONLN) != 1)
		bench_fail("this needs a guest with one CPU: use scripts/bench.sh");
	if (ns < 0.98 || ns > 1.02)
		bench_fail("an instruction is %.3f ns of the clock, not one: use scripts/bench.sh",
			   ns);
	printf("One nanosecond of the clock is %.4f instructions.\n", 1 / ns);
	printf("Floors: getppid %.0f instructions, EXCHANGE that finds nothing %.0f.\n",
	       bench_floor_getppid(), bench_floor_exchange());
}

static void run_all(void)
{
	unsigned int r, i, d, n = 0;

	for (d = 0; d < NR_DEPTHS; d++) {
		for (i = 0; i < NR_CASES; i++) {
			lines[n] = (struct bench_line){ .c = cases[i], .rounds = rounds };
			lines[n++].c.depth = depths[d];
		}
	}
	for (r = 0; r < rounds; r++) {
		fprintf(stderr, "bench: round %u of %u\n", r + 1, rounds);
		for (i = 0; i < n; i++)
			bench_pair_run(&lines[i].c, commands, false, &lines[i].run[r]);
	}
	fprintf(stderr, "bench: counting system calls\n");
	for (i = 0; i < n; i++)
		bench_pair_run(&lines[i].c, commands, true, &lines[i].traced);
}

int main(int argc, char **argv)
{
	const char *out = parse(argc, argv);
	FILE *f = NULL;

	if (out) {
		f = fopen(out, "w");
		if (!f)
			bench_fail("cannot write %s: %s", out, strerror(errno));
	}
	check_guest();
	if (nodes) {
		bench_node(rounds, f);
	} else if (death) {
		bench_death(rounds, f);
	} else {
		run_all();
		bench_report(lines, NR_CASES * NR_DEPTHS);
		if (f)
			bench_report_json(f, lines, NR_CASES * NR_DEPTHS);
	}
	if (f && fclose(f))
		bench_fail("cannot write %s: %s", out, strerror(errno));
	return 0;
}
