// SPDX-License-Identifier: GPL-2.0-only
/*
 * What people and programs read: the tables, the budget beside what was measured,
 * the JSON lines; and the gate, which alone judges.
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

/* What is compared: times where there are any. */
static size_t cost_field(void)
{
	return bench_host ? FIELD(ns) : FIELD(instr);
}

static double cost(const struct bench_line *l)
{
	return median(l, cost_field());
}

/* Of the rounds if the program sees all its calls, else of the traced run. */
static double syscalls(const struct bench_line *l)
{
	return l->c.mech->counts ? median(l, FIELD(syscalls)) : l->traced.syscalls;
}

static const struct bench_line *find(const struct bench_line *lines, unsigned int nr,
				     enum bench_table table, const struct bench_mechanism *mech,
				     unsigned int depth, uint64_t payload)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (lines[i].table == table && lines[i].c.mech == mech &&
		    lines[i].c.depth == depth && lines[i].c.payload == payload)
			return &lines[i];
	return NULL;
}

/* To the same work by another mechanism; data counts only if it is moved.  NAN: unknown */
static double ratio(const struct bench_line *lines, unsigned int nr, const struct bench_line *l,
		    const struct bench_mechanism *to)
{
	const struct bench_line *other = find(lines, nr, l->c.data ? BENCH_DATA : BENCH_COMMANDS,
					      to, l->c.depth, l->c.data ? l->c.payload : 0);

	return other ? cost(l) / cost(other) : NAN;
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

static void print_number(double v, int width, const char *format)
{
	if (isnan(v))
		printf("%*s", width, "-");
	else
		printf(format, v);
}

static void print_head(const char *last1, const char *last2)
{
	printf("%-13s%6s%8s%8s%8s%10s", "", "", "", "", "", "instruc-");
	if (bench_host)
		printf("%10s", "nano-");
	printf("%8s%6s%6s%8s%7s%7s%7s%8s\n", "", "to", "to", "system", "swit-", "wake-", "", last1);
	printf("%-13s%6s%8s%8s%8s%10s", "mechanism", "depth", "devices", "threads", "payload",
	       "tions");
	if (bench_host)
		printf("%10s", "seconds");
	printf("%8s%6s%6s%8s%7s%7s%7s%8s\n", "spread", "sem", "pipe", "calls", "ches", "ups",
	       "sleeps", last2);
}

static void print_line(const struct bench_line *lines, unsigned int nr,
		       const struct bench_line *l)
{
	printf("%-13s%6u%8u%8u%8s", l->c.mech->name, l->c.depth, l->c.devices, l->c.threads,
	       size_text(l->c.payload));
	print_number(instr(l), 10, "%10.0f");
	if (bench_host)
		printf("%10.0f", cost(l));
	printf("%7.1f%%%6.2f%6.2f", spread(l, cost_field()), ratio(lines, nr, l, &bench_sem),
	       ratio(lines, nr, l, &bench_pipe));
	print_number(syscalls(l), 8, "%8.2f");
	printf("%7.2f", median(l, FIELD(switches)));
	if (l->c.mech->stat)
		printf("%7.2f%7.2f", median(l, FIELD(wakeups)), median(l, FIELD(sleeps)));
	else
		printf("%7s%7s", "-", "-");
	if (l->c.data)
		printf("%8.4g\n", median(l, FIELD(copied)));
	else
		printf("%8.4g\n", median(l, FIELD(faults)));
}

static void print_table(const struct bench_line *lines, unsigned int nr, enum bench_table table)
{
	const struct bench_line *l, *last = NULL;

	for (l = lines; l < lines + nr; l++) {
		if (l->table != table)
			continue;
		if (last && (last->c.depth != l->c.depth ||
			     (l->c.data && last->c.payload != l->c.payload)))
			printf("\n");
		print_line(lines, nr, l);
		last = l;
	}
}

static void print_tables(const struct bench_line *lines, unsigned int nr)
{
	printf("\nPer command, server and client together; the median of %u rounds.\n\n"
	       "A command and an answer are 64 bytes each; with EXCHANGE 32 and 24.\n"
	       "Payload is named, and touched by nobody.\n\n",
	       lines->rounds);
	print_head("minor", "faults");
	print_table(lines, nr, BENCH_COMMANDS);
	printf("\nThe same with data: the server puts a word into each page of the payload, and\n"
	       "the client looks at them.\n\n");
	print_head("copied", "/byte");
	print_table(lines, nr, BENCH_DATA);
	printf("\nMany devices, served by one thread of each side with the set handle, or by one\n"
	       "for each device; and one device whose client has eight threads.\n\n");
	print_head("minor", "faults");
	print_table(lines, nr, BENCH_CURVE);
}

/*
 * What EXCHANGE may cost, see "Budgets".  Counts are the same in each boot, and are
 * gated; instructions are not.
 */
enum {
	TO_SEM, TO_PIPE_EACH, TO_PIPE, CALLS, WAKEUPS, SLEEPS, DATA_CALLS, DATA_WAKEUPS,
	RECORDS, FAULTS, INVARIANCE,
	NR_BUDGETS
};

static const struct budget {
	const char *what;
	double most[NR_DEPTHS];
	const char *format;
	bool gated;
} budgets[NR_BUDGETS] = {
	{ "instructions (or time), to sem", { 0.92, 0.45, 0.16 }, "%5.3f (%4.2f)", false },
	{ "instructions (or time), to pipe-each", { 0.75, 0.45, 0.18 }, "%5.3f (%4.2f)", false },
	{ "instructions (or time), to pipe", { 0.75, 0.45, 0.18 }, "%5.3f (%4.2f)", false },
	{ "system calls", { 2.0, 0.55, 0.08 }, "%5.3f (%4.2f)", true },
	{ "wake-ups", { 2.0, 0.55, 0.08 }, "%5.3f (%4.2f)", true },
	{ "sleeps", { 2.0, 0.55, 0.08 }, "%5.3f (%4.2f)", true },
	{ "system calls, with data", { 2.0, 0.55, 0.08 }, "%5.3f (%4.2f)", true },
	{ "wake-ups, with data", { 2.0, 0.55, 0.08 }, "%5.3f (%4.2f)", true },
	{ "bytes of records copied, by the header", { 112, 112, 112 }, "%5.0f (%4.0f)", true },
	{ "minor faults of all runs", { 0, 0, 0 }, "%5.0f (%4.0f)", true },
	{ "payload of 4 MiB against 64 KiB, percent", { 1, 1, 1 }, "%5.2f (%4.0f)", true },
};

/* Of all runs with data, with whatever payload; so many @ends of a run are not counted */
static double worst(const struct bench_line *lines, unsigned int nr, unsigned int depth,
		    size_t field, unsigned int ends)
{
	const struct bench_line *l;
	double most = 0, v;

	for (l = lines; l < lines + nr; l++) {
		if (l->table != BENCH_DATA || l->c.mech != &bench_exchange || l->c.depth != depth)
			continue;
		v = median(l, field) - (double)ends / l->commands;
		most = v > most ? v : most;
	}
	return most;
}

static double budget_value(const struct bench_line *lines, unsigned int nr, unsigned int what,
			   unsigned int depth)
{
	const struct bench_mechanism *m = &bench_exchange;
	const struct bench_line *l = find(lines, nr, BENCH_COMMANDS, m, depth, 0);
	double small, large;

	switch (what) {
	case TO_SEM:
		return ratio(lines, nr, l, &bench_sem);
	case TO_PIPE_EACH:
		return ratio(lines, nr, l, &bench_pipe_each);
	case TO_PIPE:
		return ratio(lines, nr, l, &bench_pipe);
	case CALLS:
		return l->traced.syscalls;
	case WAKEUPS:
		return median(l, FIELD(wakeups));
	case SLEEPS:
		return median(l, FIELD(sleeps));
	case RECORDS:
		return 2 * sizeof(struct vdi_command) + 2 * sizeof(struct vdi_completion);
	case FAULTS:
		return median(l, FIELD(faults)) +
		       worst(lines, nr, depth, FIELD(faults), 0);
	case DATA_CALLS:
		/* the client's first answer comes with a call more */
		return worst(lines, nr, depth, FIELD(syscalls), 1);
	case DATA_WAKEUPS:
		return worst(lines, nr, depth, FIELD(wakeups), 0);
	case INVARIANCE:
		small = cost(find(lines, nr, BENCH_COMMANDS, m, depth, 64 << 10));
		large = cost(find(lines, nr, BENCH_COMMANDS, m, depth, 4 << 20));
		return 100 * fabs(large - small) / small;
	}
	abort();
}

/* The first wait of a run, and what counts the calls, are more calls than its commands */
static bool within(double v, double most)
{
	return v <= most + 0.005;
}

static void print_budget(const struct bench_line *lines, unsigned int nr)
{
	const struct budget *b;
	unsigned int i;

	printf("\nEXCHANGE and its budget in brackets; '!' is beyond it.  Between boots figures\n"
	       "move, and three boots decide; what is no count of instructions is the same in each.\n\n");
	printf("  %-41s  %-17s%-17s%s\n", "", "depth 1", "depth 4", "depth 32");
	for (b = budgets; b < budgets + NR_BUDGETS; b++) {
		printf("  %-41s", b->what);
		for (i = 0; i < NR_DEPTHS; i++) {
			double v = budget_value(lines, nr, b - budgets, depths[i]);

			printf("  ");
			printf(b->format, v, b->most[i]);
			printf(within(v, b->most[i]) ? "   " : " ! ");
		}
		printf("\n");
	}
}

/**
 * bench_gate() - Hold the counts against the budget
 * @lines: measured, at least those of EXCHANGE
 * @nr: how many
 *
 * Return: true if none is beyond it.
 */
bool bench_gate(const struct bench_line *lines, unsigned int nr)
{
	const struct budget *b;
	bool all = true;
	unsigned int i;

	for (b = budgets; b < budgets + NR_BUDGETS; b++) {
		for (i = 0; b->gated && i < NR_DEPTHS; i++) {
			double v = budget_value(lines, nr, b - budgets, depths[i]);
			bool ok = within(v, b->most[i]);

			printf("%s - bench depth %u: %s # %.3f of at most %.2f\n",
			       ok ? "ok" : "not ok", depths[i], b->what, v, b->most[i]);
			all = all && ok;
		}
	}
	return all;
}

/**
 * bench_report() - Print everything for people
 * @lines: measured
 * @nr: how many
 */
void bench_report(const struct bench_line *lines, unsigned int nr)
{
	unsigned int i;

	print_tables(lines, nr);
	print_budget(lines, nr);
	printf("\nMechanisms:\n");
	for (i = 0; i < nr; i++)
		if (lines[i].table == BENCH_COMMANDS && lines[i].c.depth == depths[0] &&
		    !lines[i].c.payload)
			printf("  %-13s%s\n", lines[i].c.mech->name, lines[i].c.mech->what);
	printf("\n"
"System calls are counted by the program around each call, those of sem (in\n"
"which glibc makes them) by the kernel's tracepoint in a run of its own; the\n"
"tracepoint and the module's counter agreed with the program's counts.\n"
"Copied per byte is what the two processes give to calls that copy payload; that\n"
"EXCHANGE copies none behind their backs is shown by the last line of the budget:\n"
"payload that is only named costs the same whatever its size.\n"
);
	fputs(bench_host ?
"\n"
"Times are of this machine, now, the server and the client on a processor each; what\n"
"else it does is in them.  Instructions are the processor's count, if it gives one.\n" :
"\n"
"What the emulation distorts: one emulated CPU, so no wake-up crosses CPUs and no\n"
"spin can pay; no caches, TLB or huge pages; system calls, mitigations and SMAP\n"
"cost next to nothing, which is to the disadvantage of EXCHANGE, as it makes few\n"
"calls; each step of a string copy counts as an instruction; figures move by\n"
"up to 16 % between boots, so compare inside one.  Nothing here is a time: no\n"
"latency and no throughput of hardware was measured.\n", stdout);
}

/**
 * bench_report_twin() - Print the model beside its rivals
 * @lines: measured
 * @nr: how many
 */
void bench_report_twin(const struct bench_line *lines, unsigned int nr)
{
	printf("\nA model: the steps of EXCHANGE in user space, without what makes it safe; the\n"
	       "module was not measured.  Per command, server and client on a processor each; the median\n"
	       "of %u rounds.  System calls of sem are not counted.\n\n", lines->rounds);
	print_head("minor", "faults");
	print_table(lines, nr, BENCH_COMMANDS);
}

static void json_number(FILE *f, const char *name, double v, const char *format)
{
	fprintf(f, "\"%s\":", name);
	if (isnan(v))
		fprintf(f, "null");
	else
		fprintf(f, format, v);
	fprintf(f, ",");
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
		fprintf(f, "\"threads\":%u,\"data\":%s,", l->c.threads,
			l->c.data ? "true" : "false");
		json_number(f, "instr_per_cmd", instr(l), "%.1f");
		if (bench_host)
			fprintf(f, "\"ns_per_cmd\":%.1f,", cost(l));
		json_number(f, "spread_percent", spread(l, cost_field()), "%.2f");
		json_number(f, "syscalls_per_cmd", syscalls(l), "%.4f");
		json_number(f, "wakeups_per_cmd",
			    l->c.mech->stat ? median(l, FIELD(wakeups)) : NAN, "%.4f");
		json_number(f, "sleeps_per_cmd",
			    l->c.mech->stat ? median(l, FIELD(sleeps)) : NAN, "%.4f");
		json_number(f, "switches_per_cmd", median(l, FIELD(switches)), "%.4f");
		json_number(f, "copied_per_byte", l->c.data ? median(l, FIELD(copied)) : NAN,
			    "%.4f");
		json_number(f, "faults", median(l, FIELD(faults)), "%.0f");
		json_number(f, "to_sem", ratio(lines, nr, l, &bench_sem), "%.4f");
		json_number(f, "to_pipe", ratio(lines, nr, l, &bench_pipe), "%.4f");
		fprintf(f, "\"commands\":%u,\"rounds\":%u}\n", l->commands, l->rounds);
	}
}
