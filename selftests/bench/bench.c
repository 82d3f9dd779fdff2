// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark: which cases there are, in which order they run, the command
 * line.  Runs as root in a guest with one CPU whose clock counts instructions
 * (see clock.c; scripts/bench.sh makes it).
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define KIB	1024ULL
#define MIB	(1024 * KIB)

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define MAX_LINES	256

/* Runs with data: so many commands, and each place so often, that the ends weigh nothing */
#define DATA_COMMANDS	64
#define DATA_TURNS	16

static const unsigned int depths[] = { 1, 4, BENCH_MAX_DEPTH };

/* Of each depth; "sem" and "pipe" are what the others are compared with. */
static const struct bench_case commands_of[] = {
	{ .mech = &bench_exchange, .devices = 1, .threads = 1 },
	{ .mech = &bench_exchange, .devices = 1, .threads = 1, .payload = 64 * KIB },
	{ .mech = &bench_exchange, .devices = 1, .threads = 1, .payload = 4 * MIB },
	{ .mech = &bench_exchange_set, .devices = 1, .threads = 1 },
	{ .mech = &bench_sem, .devices = 1, .threads = 1 },
	{ .mech = &bench_pipe, .devices = 1, .threads = 1 },
	{ .mech = &bench_pipe_each, .devices = 1, .threads = 1 },
	{ .mech = &bench_stream, .devices = 1, .threads = 1 },
	{ .mech = &bench_seqpacket, .devices = 1, .threads = 1 },
	{ .mech = &bench_twin, .devices = 1, .threads = 1 },
};

static const struct bench_mechanism *const data_of[] = {
	&bench_exchange, &bench_sem, &bench_pipe, &bench_pipe_splice, &bench_stream,
};

/* Where a processor for each side makes a spin worth it */
static const struct bench_case spin_of[] = {
	{ .mech = &bench_exchange_spin, .devices = 1, .threads = 1 },
};

static const uint64_t payloads[] = { 64 * KIB, MIB, 4 * MIB };

/* Many devices, and many threads: one for a device, or all of a client for the only one */
static const struct bench_case curve_of[] = {
	{ .mech = &bench_exchange_set, .devices = 1, .threads = 1 },
	{ .mech = &bench_exchange_set, .devices = 8, .threads = 1 },
	{ .mech = &bench_exchange_set, .devices = 64, .threads = 1 },
	{ .mech = &bench_exchange, .devices = 8, .threads = 8 },
	{ .mech = &bench_exchange, .devices = 1, .threads = 8 },
};

/* What needs no module, against the model of it */
static const struct bench_mechanism *const twin_of[] = {
	&bench_twin, &bench_twin_spin, &bench_sem, &bench_pipe, &bench_pipe_each, &bench_stream,
	&bench_seqpacket,
};

static struct bench_line lines[MAX_LINES];
static unsigned int nr_lines;
static bool full, check, twin;
static bool nodes, death, streams, locks;
static unsigned int rounds = 3, commands = 4096;

static const char help[] =
"usage: bench [OPTION]...\n"
"Counts instructions, system calls and context switches per command for EXCHANGE\n"
"and its rivals.  Needs root, /dev/vdi, and but for --host a guest with an\n"
"instruction clock; scripts/bench.sh boots one.\n"
"\n"
"  --rounds N     interleaved rounds, 3..%u (default %u)\n"
"  --commands N   commands of a run, 128 to a million (default %u)\n"
"  --full         all sizes of payload, and all depths with many devices\n"
"  --check        only what does not depend on the emulation, as TAP: system calls,\n"
"                 wake-ups, sleeps, copies and faults of EXCHANGE within the budget\n"
"  --host         on this machine, not in a guest with an instruction clock: also\n"
"                 tells the time\n"
"  --twin         on this machine, without the module: a model of EXCHANGE in user\n"
"                 space, and its rivals\n"
"  --nodes        a stream through a node and through a pipe, instead\n"
"  --streams      vdi and other ways to carry a file, as command lines, instead\n"
"  --early-death  what watching for its death costs a process, instead\n"
"  --locks        how long the lock of a set is held, instead; debug kernel\n"
"  --out FILE     write JSON lines there too\n"
"  --help         this text\n";

static unsigned int number(const char *option, const char *text, unsigned int low,
			   unsigned int high)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (errno || !*text || *end || n < low || n > high)
		bench_fail("--%s wants a number from %u to %u, not '%s'", option, low, high, text);
	return n;
}

static const char *parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "rounds", required_argument, NULL, 'r' },
		{ "commands", required_argument, NULL, 'c' },
		{ "full", no_argument, NULL, 'f' },
		{ "check", no_argument, NULL, 'k' },
		{ "host", no_argument, NULL, 'H' },
		{ "twin", no_argument, NULL, 't' },
		{ "nodes", no_argument, NULL, 'n' },
		{ "streams", no_argument, NULL, 's' },
		{ "engine", required_argument, NULL, 'e' },
		{ "sockets", required_argument, NULL, 'S' },
		{ "early-death", no_argument, NULL, 'd' },
		{ "locks", no_argument, NULL, 'l' },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *out = NULL;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (c) {
		case 'r':
			rounds = number("rounds", optarg, 3, BENCH_MAX_ROUNDS);
			break;
		case 'c':
			commands = number("commands", optarg, 128, 1000000);
			break;
		case 'f':
			full = true;
			break;
		case 'k':
			check = true;
			rounds = 1;
			break;
		case 'H':
			bench_host = true;
			break;
		case 't':
			twin = true;
			bench_host = true;
			break;
		case 'n':
			nodes = true;
			break;
		case 's':
			streams = true;
			break;
		case 'e':			/* what --streams runs */
			bench_engine(optarg);
			exit(0);
		case 'S':
			bench_sockets(optarg);
			exit(0);
		case 'd':
			death = true;
			break;
		case 'l':
			locks = true;
			break;
		case 'o':
			out = optarg;
			break;
		case 'h':
			printf(help, BENCH_MAX_ROUNDS, rounds, commands);
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

static void add(enum bench_table table, const struct bench_case *c, unsigned int depth)
{
	struct bench_line *l = &lines[nr_lines++];
	unsigned int all = depth * c->devices * c->threads, n = commands;

	if (nr_lines > MAX_LINES)
		bench_fail("too many cases");
	*l = (struct bench_line){ .table = table, .c = *c, .rounds = rounds };
	l->c.depth = depth;
	if (c->data)
		n = all * DATA_TURNS > DATA_COMMANDS ? all * DATA_TURNS : DATA_COMMANDS;
	l->commands = (n + all - 1) / all * all;
}

static void add_data(unsigned int depth)
{
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(payloads); k++) {
		for (i = 0; i < ARRAY_SIZE(data_of); i++) {
			const struct bench_case c = {
				.mech = data_of[i], .devices = 1, .threads = 1,
				.payload = payloads[k], .data = true,
			};

			if (check ? c.mech == &bench_exchange : full || k < 2)
				add(BENCH_DATA, &c, depth);
		}
	}
}

static void add_twin(void)
{
	struct bench_case c = { .devices = 1, .threads = 1 };
	unsigned int d, i;

	for (d = 0; d < ARRAY_SIZE(depths); d++) {
		for (i = 0; i < ARRAY_SIZE(twin_of); i++) {
			c.mech = twin_of[i];
			add(BENCH_COMMANDS, &c, depths[d]);
		}
	}
}

static void add_all(void)
{
	unsigned int d, i;

	for (d = 0; d < ARRAY_SIZE(depths); d++) {
		for (i = 0; i < ARRAY_SIZE(commands_of); i++)
			if (!check || commands_of[i].mech == &bench_exchange)
				add(BENCH_COMMANDS, &commands_of[i], depths[d]);
		for (i = 0; bench_host && i < ARRAY_SIZE(spin_of); i++)
			add(BENCH_COMMANDS, &spin_of[i], depths[d]);
	}
	for (d = 0; d < ARRAY_SIZE(depths); d++)
		add_data(depths[d]);
	for (d = 0; d < ARRAY_SIZE(depths); d++)
		for (i = 0; i < ARRAY_SIZE(curve_of); i++)
			if (full || (depths[d] == 4 && !check))
				add(BENCH_CURVE, &curve_of[i], depths[d]);
}

static void run_all(void)
{
	unsigned int r, i;

	if (twin)
		add_twin();
	else
		add_all();
	for (r = 0; r < rounds; r++) {
		fprintf(stderr, "bench: round %u of %u\n", r + 1, rounds);
		for (i = 0; i < nr_lines; i++)
			bench_pair_run(&lines[i].c, lines[i].commands, false, &lines[i].run[r]);
	}
	fprintf(stderr, "bench: counting system calls\n");
	for (i = 0; i < nr_lines; i++) {
		/* who may not trace is content with what the programs count */
		if (twin)
			lines[i].traced.syscalls = NAN;
		else
			bench_pair_run(&lines[i].c, lines[i].commands, true, &lines[i].traced);
	}
}

int main(int argc, char **argv)
{
	const char *out = parse(argc, argv);
	FILE *f = NULL;
	bool ok = true;

	if (out) {
		f = fopen(out, "w");
		if (!f)
			bench_fail("cannot write %s: %s", out, strerror(errno));
	}
	if (!bench_host)
		check_guest();
	else if (nodes || death || streams || locks)
		bench_fail("--nodes, --streams, --early-death and --locks need the guest");
	if (nodes) {
		bench_node(rounds, f);
	} else if (streams) {
		bench_streams(rounds, 64, argv[0], f);
	} else if (death) {
		bench_death(rounds, f);
	} else if (locks) {
		bench_locks(f);
	} else {
		run_all();
		if (twin)
			bench_report_twin(lines, nr_lines);
		else if (check)
			ok = bench_gate(lines, nr_lines);
		else
			bench_report(lines, nr_lines);
		if (f)
			bench_report_json(f, lines, nr_lines);
	}
	if (f && fclose(f))
		bench_fail("cannot write %s: %s", out, strerror(errno));
	return !ok;
}
