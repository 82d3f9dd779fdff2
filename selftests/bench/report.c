// SPDX-License-Identifier: GPL-2.0-only
/*
 * What people and programs read: the table, the budget beside what was
 * measured, and the JSON lines.  Judges nothing: no exit status depends on it.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <linux/vdi.h>

#include "bench.h"

#define FIELD(name)	offsetof(struct bench_figures, name)
#define NR_DEPTHS	3

static const unsigned int depths[NR_DEPTHS] = { 1, 4, 32 };

static double get(const struct bench_figures *f, size_t field)
{
	double v;

	memcpy(&v, (const char *)f + field, sizeof(v));
	return v;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void sorted(const struct bench_line *l, size_t field, double *v)
{
	unsigned int i;

	for (i = 0; i < l->rounds; i++)
		v[i] = get(&l->run[i], field);
	qsort(v, l->rounds, sizeof(*v), compare);
}

static double median(const struct bench_line *l, size_t field)
{
	double v[BENCH_MAX_ROUNDS];
	unsigned int n = l->rounds;

	sorted(l, field, v);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Largest less smallest, in percent of the median. */
static double spread(const struct bench_line *l, size_t field)
{
	double v[BENCH_MAX_ROUNDS];

	sorted(l, field, v);
	return 100 * (v[l->rounds - 1] - v[0]) / median(l, field);
}

static double instr(const struct bench_line *l)
{
	return median(l, FIELD(instr));
}

/* Of the rounds if the program sees all its calls, else of the traced run. */
static double syscalls(const struct bench_line *l)
{
	return l->c.mech->counts ? median(l, FIELD(syscalls)) : l->traced.syscalls;
}

static const struct bench_line *find(const struct bench_line *lines, unsigned int nr,
				     const struct bench_mechanism *mech, unsigned int depth,
				     uint64_t payload)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (lines[i].c.mech == mech && lines[i].c.depth == depth &&
		    lines[i].c.payload == payload)
			return &lines[i];
	abort();
}

static double ratio(const struct bench_line *lines, unsigned int nr, const struct bench_line *l,
		    const struct bench_mechanism *to)
{
	return instr(l) / instr(find(lines, nr, to, l->c.depth, 0));
}

static const char *size_text(uint64_t bytes)
{
	static char text[24];

	if (bytes && !(bytes % (1 << 20)))
		snprintf(text, sizeof(text), "%lluM", (unsigned long long)bytes >> 20);
	else if (bytes && !(bytes % (1 << 10)))
		snprintf(text, sizeof(text), "%lluK", (unsigned long long)bytes >> 10);
	else
		snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	return text;
}

static void print_table(const struct bench_line *lines, unsigned int nr)
{
	const struct bench_line *l;

	printf("\nPer command, server and client together; the median of %u rounds.\n\n",
	       lines->rounds);
	printf("%-13s%6s%8s%8s%9s%8s%6s%6s%8s%7s%7s%7s%7s\n", "", "", "", "", "instruc-",
	       "", "to", "to", "system", "swit-", "wake-", "", "minor");
	printf("%-13s%6s%8s%8s%9s%8s%6s%6s%8s%7s%7s%7s%7s\n", "mechanism", "depth", "devices",
	       "payload", "tions", "spread", "sem", "pipe", "calls", "ches", "ups", "sleeps",
	       "faults");
	for (l = lines; l < lines + nr; l++) {
		printf("%-13s%6u%8u%8s%9.0f%7.1f%%", l->c.mech->name, l->c.depth, l->c.devices,
		       size_text(l->c.payload), instr(l), spread(l, FIELD(instr)));
		printf("%6.2f%6.2f%8.2f%7.2f", ratio(lines, nr, l, &bench_sem),
		       ratio(lines, nr, l, &bench_pipe), syscalls(l),
		       median(l, FIELD(switches)));
		if (l->c.mech->stat)
			printf("%7.2f%7.2f", median(l, FIELD(wakeups)), median(l, FIELD(sleeps)));
		else
			printf("%7s%7s", "-", "-");
		printf("%7.4g\n", median(l, FIELD(faults)));
		if (l + 1 < lines + nr && l[1].c.depth != l->c.depth)
			printf("\n");
	}
}

static void print_budget_row(const char *what, const double *budget, const double *v,
			     const char *format)
{
	unsigned int i;

	printf("  %-41s", what);
	for (i = 0; i < NR_DEPTHS; i++) {
		printf("  ");
		printf(format, v[i], budget[i]);
		/* the first wait of a run is one call more than its commands */
		printf(v[i] <= budget[i] + 0.001 ? "   " : " ! ");
	}
	printf("\n");
}

static void print_budget(const struct bench_line *lines, unsigned int nr)
{
	static const double to_sem[] = { 0.92, 0.45, 0.16 }, to_pipe[] = { 0.75, 0.45, 0.18 };
	static const double calls[] = { 2.0, 0.55, 0.08 }, wakes[] = { 2.0, 0.55, 0.08 };
	static const double bytes[] = { 112, 112, 112 }, none[] = { 0, 0, 0 };
	static const double percent[] = { 1, 1, 1 };
	const double size = 2 * sizeof(struct vdi_command) + 2 * sizeof(struct vdi_completion);
	double v[9][NR_DEPTHS], small, large;
	const struct bench_line *l;
	unsigned int i;

	for (i = 0; i < NR_DEPTHS; i++) {
		l = find(lines, nr, &bench_exchange, depths[i], 0);
		v[0][i] = ratio(lines, nr, l, &bench_sem);
		v[1][i] = ratio(lines, nr, l, &bench_pipe_each);
		v[2][i] = ratio(lines, nr, l, &bench_pipe);
		v[3][i] = syscalls(l);
		v[4][i] = median(l, FIELD(wakeups));
		v[5][i] = median(l, FIELD(sleeps));
		v[6][i] = size;
		v[7][i] = median(l, FIELD(faults));
		small = instr(find(lines, nr, &bench_exchange, depths[i], 64 << 10));
		large = instr(find(lines, nr, &bench_exchange, depths[i], 4 << 20));
		v[8][i] = 100 * fabs(large - small) / small;
	}
	printf("\nEXCHANGE and its budget in brackets; '!' is beyond it.  Reported, no run fails\n"
	       "by it; between boots figures move, and three boots decide.\n\n");
	printf("  %-41s  %-17s%-17s%s\n", "", "depth 1", "depth 4", "depth 32");
	print_budget_row("instructions, to sem", to_sem, v[0], "%5.3f (%4.2f)");
	print_budget_row("instructions, to pipe-each", to_pipe, v[1], "%5.3f (%4.2f)");
	print_budget_row("instructions, to pipe", to_pipe, v[2], "%5.3f (%4.2f)");
	print_budget_row("system calls", calls, v[3], "%5.3f (%4.2f)");
	print_budget_row("wake-ups", wakes, v[4], "%5.3f (%4.2f)");
	print_budget_row("sleeps", wakes, v[5], "%5.3f (%4.2f)");
	print_budget_row("bytes of records copied, by the header", bytes, v[6],
			 "%5.0f (%4.0f)");
	print_budget_row("minor faults", none, v[7], "%5.3f (%4.0f)");
	print_budget_row("payload of 4 MiB against 64 KiB, percent", percent, v[8],
			 "%5.2f (%4.0f)");
}

/**
 * bench_report() - Print everything for people
 * @lines: measured
 * @nr: how many
 */
void bench_report(const struct bench_line *lines, unsigned int nr)
{
	unsigned int i;

	print_table(lines, nr);
	print_budget(lines, nr);
	printf("\nMechanisms:\n");
	for (i = 0; i < nr; i++)
		if (lines[i].c.depth == depths[0] && !lines[i].c.payload && lines[i].c.devices == 1)
			printf("  %-13s%s\n", lines[i].c.mech->name, lines[i].c.mech->what);
	printf("\n"
"System calls are counted by the program around each call, those of sem (in\n"
"which glibc makes them) by the kernel's tracepoint in a run of its own; the\n"
"tracepoint and the module's counter agreed with the program's counts.\n"
"Payload is only named in the commands and touched by nobody: a kernel that\n"
"copied it would show in the last line above.\n"
"\n"
"What the emulation distorts: one emulated CPU, so no wake-up crosses CPUs and no\n"
"spin can pay; no caches, TLB or huge pages; system calls, mitigations and SMAP\n"
"cost next to nothing, which is to the disadvantage of EXCHANGE, as it makes few\n"
"calls; each step of a string copy counts as an instruction; figures move by\n"
"up to 16 %% between boots, so compare inside one.  Nothing here is a time: no\n"
"latency and no throughput of hardware was measured.\n");
}

/**
 * bench_report_json() - One line of JSON for each case
 * @f: where to
 * @lines: measured
 * @nr: how many
 */
void bench_report_json(FILE *f, const struct bench_line *lines, unsigned int nr)
{
	const struct bench_line *l;

	for (l = lines; l < lines + nr; l++) {
		fprintf(f, "{\"mechanism\":\"%s\",\"depth\":%u,\"payload\":%llu,\"devices\":%u,",
			l->c.mech->name, l->c.depth, (unsigned long long)l->c.payload,
			l->c.devices);
		fprintf(f, "\"instr_per_cmd\":%.1f,\"instr_spread_percent\":%.2f,", instr(l),
			spread(l, FIELD(instr)));
		fprintf(f, "\"syscalls_per_cmd\":%.4f,\"switches_per_cmd\":%.4f,", syscalls(l),
			median(l, FIELD(switches)));
		if (l->c.mech->stat)
			fprintf(f, "\"wakeups_per_cmd\":%.4f,\"sleeps_per_cmd\":%.4f,",
				median(l, FIELD(wakeups)), median(l, FIELD(sleeps)));
		fprintf(f, "\"minor_faults_per_cmd\":%.5f,\"instr_to_sem\":%.4f,",
			median(l, FIELD(faults)), ratio(lines, nr, l, &bench_sem));
		fprintf(f, "\"instr_to_pipe\":%.4f,\"rounds\":%u}\n",
			ratio(lines, nr, l, &bench_pipe), l->rounds);
	}
}
