// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz: runs programs of random calls on the module, guided by which of its code
 * they come to.  Owns the options, the choice of the next program and the report.
 * A complaint of the kernel is seen by who runs the guest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "corpus.h"
#include "limits.h"
#include "run.h"

static struct {
	uint64_t seed;
	unsigned long programs;
	unsigned long seconds;
	const char *corpus;
	const char *grow;
	const char *distill;
	const char *replay;
	const char *last;
	const char *slow;
	bool fixed;
	bool print;
} opt;

static unsigned long long nr_calls;
static volatile sig_atomic_t stopped;

static void usage(void)
{
	puts("usage: fuzz [OPTION]...\n"
	     "Runs programs of random calls on /dev/vdi, as root in a guest, and says what is\n"
	     "left of one, or does not end.\n"
	     "\n"
	     "  --programs N      how many (default 1000)\n"
	     "  --seconds N       and no longer\n"
	     "  --seed N          where chance begins; program I has the seed N + I\n"
	     "  --corpus PATH     begin with these programs: a file, or NAME.txt in a directory\n"
	     "  --fixed           learn nothing: a seed gives the same programs each time\n"
	     "  --grow FILE       write those that come to new places there\n"
	     "  --distill FILE    write those of the corpus there that come to new places\n"
	     "  --last FILE       write each program there before it runs, for a panic\n"
	     "  --slow FILE       write those there whose processes had to be killed\n"
	     "  --replay FILE     run these, and print what each call gives\n"
	     "  --print           only print the programs\n"
	     "Status: 0, 1 something was found, 2 it could not be run.");
}

static void set_option(int c)
{
	switch (c) {
	case 'p':
		opt.programs = strtoul(optarg, NULL, 0);
		break;
	case 't':
		opt.seconds = strtoul(optarg, NULL, 0);
		break;
	case 's':
		opt.seed = strtoull(optarg, NULL, 0);
		break;
	case 'c':
		opt.corpus = optarg;
		break;
	case 'f':
		opt.fixed = true;
		break;
	case 'g':
		opt.grow = optarg;
		break;
	case 'd':
		opt.distill = optarg;
		break;
	case 'l':
		opt.last = optarg;
		break;
	case 'w':
		opt.slow = optarg;
		break;
	case 'r':
		opt.replay = optarg;
		break;
	case 'n':
		opt.print = true;
		break;
	case 'h':
		usage();
		exit(0);
	}
}

static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "programs", 1, NULL, 'p' }, { "seconds", 1, NULL, 't' },
		{ "seed", 1, NULL, 's' }, { "corpus", 1, NULL, 'c' },
		{ "fixed", 0, NULL, 'f' }, { "grow", 1, NULL, 'g' }, { "last", 1, NULL, 'l' },
		{ "slow", 1, NULL, 'w' }, { "distill", 1, NULL, 'd' },
		{ "replay", 1, NULL, 'r' }, { "print", 0, NULL, 'n' }, { "help", 0, NULL, 'h' },
		{ }
	};
	int c;

	opt.programs = 1000;
	opt.seed = time(NULL);
	while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
		if (c == '?')
			return -1;
		set_option(c);
	}
	if (optind != argc) {
		fprintf(stderr, "fuzz: what is %s? (see --help)\n", argv[optind]);
		return -1;
	}
	return 0;
}

static void write_program(const char *path, const char *how, const struct fz_program *p)
{
	FILE *f = fopen(path, how);

	if (!f) {
		fprintf(stderr, "fuzz: cannot write %s: %s\n", path, strerror(errno));
		exit(2);
	}
	fz_print(f, p);
	fclose(f);
}

static void print_results(const struct fz_program *p)
{
	const struct fz_shared *s = fz_run_state();
	struct fz_program one = { .n = 1 };
	unsigned int i;
	int r;

	for (i = 0; i < p->n; i++) {
		r = atomic_load(&s->result[i]);
		printf("# %s: ", r == FZ_NOT_RUN ? "not run" : r ? strerrorname_np(r) : "0");
		one.call[0] = p->call[i];
		fz_print_calls(stdout, &one);
	}
}

/* Runs one and reports what it does wrong. */
static bool run(const struct fz_program *p, uint64_t seed)
{
	unsigned int slow = fz_run_slow;
	enum fz_verdict v;

	if (opt.last)
		write_program(opt.last, "we", p);
	v = fz_run(p);
	nr_calls += p->n;
	if (opt.slow && slow != fz_run_slow)
		write_program(opt.slow, "ae", p);
	if (v == FZ_PASSED)
		return true;
	printf("# found, seed %llu: %s\n", (unsigned long long)seed, fz_run_why());
	fz_print(stdout, p);
	return false;
}

/* Takes out the calls without which it still comes to the new places. */
static bool minimise(struct fz_program *p, uint64_t seed)
{
	unsigned int i = p->n;
	struct fz_program less;

	fz_cover_keep_new();
	while (i-- && p->n > 1) {
		less = *p;
		fz_drop(&less, i);
		if (!run(&less, seed))
			return false;
		fz_cover_collect();
		if (fz_cover_still())
			*p = less;
	}
	return true;
}

/* Is it worth keeping? */
static bool learn(const struct fz_program *p, uint64_t seed)
{
	struct fz_program less = *p;

	if (!fz_cover_collect())
		return true;
	if (!minimise(&less, seed))
		return false;
	/* chance has a part in it: what counts is that some run came there */
	if (!run(&less, seed))
		return false;
	fz_cover_collect();
	fz_cover_learn();
	if (fz_corpus_add(&less))
		return false;
	if (opt.grow)
		write_program(opt.grow, "ae", &less);
	return true;
}

static void next_program(struct fz_program *p)
{
	unsigned int n = fz_corpus_size(), tries = 3;

	if (!n || !fz_chance(8)) {
		fz_generate(p);
		return;
	}
	do
		memcpy(p, fz_corpus_at(fz_chance(n)), sizeof(*p));
	while (fz_heavy(p) && tries--);
	fz_mutate(p, fz_corpus_at(fz_chance(n)));
}

static bool run_corpus(void)
{
	unsigned int i, n = fz_corpus_size();

	for (i = 0; i < n && !stopped; i++) {
		if (!run(fz_corpus_at(i), 0))
			return false;
		fz_cover_collect();
		if (fz_cover_merge() && opt.distill)
			write_program(opt.distill, "ae", fz_corpus_at(i));
	}
	printf("# %u programs of the corpus come to %u places\n", n, fz_cover_total());
	fflush(stdout);
	return true;
}

static int replay(void)
{
	unsigned int i;
	bool ok = true;

	if (fz_corpus_load(opt.replay))
		return 2;
	for (i = 0; i < fz_corpus_size() && ok; i++) {
		ok = run(fz_corpus_at(i), 0);
		print_results(fz_corpus_at(i));
		putchar('\n');
	}
	return !ok;
}

/* What was known after each program: how many there will be, time may decide. */
static unsigned int *history;

static int fuzz(void)
{
	unsigned long i;
	struct timespec begin, now;
	struct fz_program p;
	bool ok = run_corpus();

	history = calloc(opt.programs + 1, sizeof(*history));
	if (!history)
		return 2;
	history[0] = fz_cover_total();
	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (i = 0; ok && i < opt.programs && !stopped; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (opt.seconds && now.tv_sec - begin.tv_sec >= (time_t)opt.seconds)
			break;
		history[i] = fz_cover_total();
		fz_seed(opt.seed + i);
		next_program(&p);
		ok = run(&p, opt.seed + i) && (opt.fixed || learn(&p, opt.seed + i));
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	printf("# F4: reached %lu of %lu programs asked, %llu calls, ", i, opt.programs, nr_calls);
	if (fz_cover_total())
		printf("%u places in the module, %u of them new in the last quarter, corpus %u\n",
		       fz_cover_total(), fz_cover_total() - history[i / 4 * 3], fz_corpus_size());
	else
		printf("blind: the kernel has no KCOV, or the module is not built for it\n");
	printf("# seed %llu, %ld s, %u programs had processes that had to be killed\n",
	       (unsigned long long)opt.seed, (long)(now.tv_sec - begin.tv_sec), fz_run_slow);
	return !ok;
}

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static int print_only(void)
{
	struct fz_program p;
	unsigned long i;

	if (opt.replay && fz_corpus_load(opt.replay))
		return 2;
	for (i = 0; opt.replay && i < fz_corpus_size(); i++)
		fz_print(stdout, fz_corpus_at(i));
	for (i = 0; !opt.replay && i < opt.programs; i++) {
		fz_seed(opt.seed + i);
		next_program(&p);
		fz_print(stdout, &p);
	}
	return 0;
}

/* This program again, from the exec of a program. */
static int worker(char **argv)
{
	struct fz_shared *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED,
				   FZ_FD_SHARED, 0);

	if (s == MAP_FAILED)
		return 2;
	fz_worker_after_exec(s, atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
	return 0;
}

int main(int argc, char **argv)
{
	const char *bad;
	int ret;

	if (argc == 5 && !strcmp(argv[1], "--worker"))
		return worker(argv);
	if (parse(argc, argv) || (opt.corpus && fz_corpus_load(opt.corpus)))
		return 2;
	if (opt.print)
		return print_only();
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	bad = fz_limits_set();
	if (bad) {
		fprintf(stderr, "fuzz: cannot set %s: is this root, with the module loaded?\n",
			bad);
		return 2;
	}
	if (fz_run_begin()) {
		fprintf(stderr, "fuzz: cannot begin: %s\n", strerror(errno));
		return 2;
	}
	ret = opt.replay ? replay() : fuzz();
	fz_run_end();
	fz_limits_restore();
	return ret;
}
