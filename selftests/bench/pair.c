// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes and what one run of them costs: makes the server and the
 * client, warms them up, lets them carry a number of commands, and takes clock,
 * system calls, context switches and faults around that.  How the commands are
 * carried is the mechanism's.
 */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

/* Calls around a run that both the program and the kernel could count or not */
#define SLACK		8

uint64_t bench_calls, bench_copied;

/**
 * struct side - What one process has used
 * @calls: system calls that the program counted
 * @traced: system calls that the kernel counted
 * @switches: context switches
 * @faults: minor faults
 * @copied: bytes of payload given to calls that copy them
 * @instr: instructions: its time on the processor where the clock counts them, else as
 *	the processor counts them, if it does
 */
struct side {
	uint64_t calls;
	uint64_t traced;
	uint64_t switches;
	uint64_t faults;
	uint64_t copied;
	uint64_t instr;
};

/* Written by the processes, read by their parent. */
struct result {
	struct side server;
	struct side client;
	struct bench_stat stat;
	double time;
	bool counted;		/* instructions, by the processor */
};

bool bench_host;
void (*bench_measured)(bool begins);

static int ready[2];		/* the client tells the server how far it is */
static int trace_fd = -1, instr_fd = -1;

void bench_fail(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "bench: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static void tell(void)
{
	if (write(ready[1], "", 1) != 1)
		bench_fail("cannot tell the server: %s", strerror(errno));
}

static void await(void)
{
	char byte;

	if (read(ready[0], &byte, 1) != 1)
		bench_fail("the client ended early");
}

/* Counts the system calls of this process from here on. */
static void trace_start(void)
{
	static const char path[] = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.inherit = 1,			/* threads */
	};
	FILE *f = fopen(path, "r");
	unsigned int id;

	if (!f || fscanf(f, "%u", &id) != 1)
		bench_fail("no tracepoint for system calls: cannot read %s", path);
	fclose(f);
	attr.config = id;
	trace_fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
	if (trace_fd < 0)
		bench_fail("cannot count system calls: perf_event_open: %s", strerror(errno));
}

/* Instructions of this process, in the kernel too; few virtual machines count them. */
static void instr_start(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_HW_INSTRUCTIONS,
		.inherit = 1,
	};

	instr_fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* The server on one processor, the client on the next one, if there is one. */
static void pin(unsigned int which)
{
	cpu_set_t all, one;
	unsigned int cpu, n = 0;

	if (sched_getaffinity(0, sizeof(all), &all))
		return;
	which %= CPU_COUNT(&all);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || n++ != which)
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		sched_setaffinity(0, sizeof(one), &one);
	}
}

static void side_read(struct side *s)
{
	struct timespec t;
	struct rusage ru;
	uint64_t n = 0;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	s->instr = bench_host ? 0 : t.tv_sec * 1000000000ULL + t.tv_nsec;
	if (instr_fd >= 0 && read(instr_fd, &s->instr, sizeof(s->instr)) != sizeof(s->instr))
		bench_fail("cannot read the count of instructions");

	getrusage(RUSAGE_SELF, &ru);
	s->switches = ru.ru_nvcsw + ru.ru_nivcsw;
	s->faults = ru.ru_minflt;
	s->calls = bench_calls;
	s->copied = bench_copied;
	if (trace_fd >= 0 && read(trace_fd, &n, sizeof(n)) != sizeof(n))
		bench_fail("cannot read the count of system calls");
	s->traced = n;
}

static void side_subtract(struct side *s, const struct side *from)
{
	s->calls -= from->calls;
	s->traced -= from->traced;
	s->switches -= from->switches;
	s->faults -= from->faults;
	s->copied -= from->copied;
	s->instr -= from->instr;
}

/*
 * A process that dies must not leave the other one waiting for ever.  What fork
 * left to be copied at the first touch is copied now, not in the run.
 */
static void begin(bool traced)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(600);
	if (mlockall(MCL_CURRENT) && !bench_host)
		bench_fail("mlockall: %s", strerror(errno));
	bench_calls = 0;
	bench_copied = 0;
	if (traced)
		trace_start();
	else if (bench_host)
		instr_start();
}

/* So many that each place of each device has had its turn */
static unsigned int warm_up(const struct bench_case *c)
{
	return 4 * c->depth * c->devices * c->threads;
}

static void run_client(const struct bench_case *c, unsigned int n, struct result *r)
{
	const struct bench_mechanism *m = c->mech;
	struct side before;

	if (m->client_open)
		m->client_open(c);
	tell();
	if (m->client_join)
		m->client_join(c);
	m->client(c, warm_up(c));
	side_read(&before);
	tell();
	m->client(c, n);
	side_read(&r->client);
	side_subtract(&r->client, &before);
	tell();
	if (m->client_close)
		m->client_close(c);
}

static void run_server(const struct bench_case *c, unsigned int n, struct result *r)
{
	const struct bench_mechanism *m = c->mech;
	struct bench_stat stat;
	struct side before;
	double start;

	await();
	if (m->server_open)
		m->server_open(c);
	m->server(c, warm_up(c));
	await();
	if (m->stat)
		m->stat(&stat);
	side_read(&before);

	if (bench_measured)
		bench_measured(true);
	start = bench_now();
	m->server(c, n);
	r->time = bench_now() - start;
	if (bench_measured)
		bench_measured(false);
	r->counted = instr_fd >= 0;

	side_read(&r->server);
	side_subtract(&r->server, &before);
	if (m->stat) {
		m->stat(&r->stat);
		r->stat.calls -= stat.calls;
		r->stat.wakeups -= stat.wakeups;
		r->stat.sleeps -= stat.sleeps;
	}
	await();
	if (m->server_close)
		m->server_close(c);
}

static pid_t start(void (*run)(const struct bench_case *c, unsigned int n, struct result *r),
		   const struct bench_case *c, unsigned int n, bool traced, struct result *r)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid)
		return pid;
	close(ready[run == run_server]);
	if (bench_host && c->threads == 1)
		pin(run == run_client);
	begin(traced);
	run(c, n, r);
	exit(0);
}

/* If one fails the other is waiting for it. */
static void wait_both(const struct bench_case *c, pid_t client, pid_t server)
{
	bool failed = false;
	int i, status;
	pid_t pid;

	for (i = 0; i < 2; i++) {
		pid = wait(&status);
		if (pid < 0)
			bench_fail("wait: %s", strerror(errno));
		if (status && !failed) {
			failed = true;
			kill(pid == client ? server : client, SIGKILL);
			fprintf(stderr, "bench: the %s of %s failed (status %#x)\n",
				pid == client ? "client" : "server", c->mech->name, status);
		}
	}
	if (failed)
		exit(1);
}

/* The program's count, the module's and the kernel's must be of the same calls. */
static void compare_counts(const struct bench_case *c, const struct result *r, bool traced)
{
	uint64_t calls = r->server.calls + r->client.calls;
	uint64_t seen = r->server.traced + r->client.traced;
	/* what the threads of a crew tell each other */
	uint64_t slack = SLACK + (c->threads > 1 ? 8 * c->threads : 0);

	if (traced && c->mech->counts && (seen < calls || seen > calls + slack))
		bench_fail("%s made %llu system calls, but counted %llu", c->mech->name,
			   (unsigned long long)seen, (unsigned long long)calls);
	if (c->mech->stat && !c->mech->models &&
	    (r->stat.calls + SLACK < calls || r->stat.calls > calls + SLACK))
		bench_fail("%s made %llu calls, but the module counted %llu", c->mech->name,
			   (unsigned long long)calls, (unsigned long long)r->stat.calls);
}

/**
 * bench_pair_run() - One run of a case
 * @c: the case
 * @n: how many commands, a multiple of depth, devices and threads
 * @traced: let the kernel count system calls; then the clock means nothing
 * @f: filled in
 */
void bench_pair_run(const struct bench_case *c, unsigned int n, bool traced,
		    struct bench_figures *f)
{
	struct result *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	pid_t client, server;

	if (r == MAP_FAILED || pipe(ready))
		bench_fail("cannot set a run up: %s", strerror(errno));
	if (c->mech->create)
		c->mech->create(c);
	client = start(run_client, c, n, traced, r);
	server = start(run_server, c, n, traced, r);
	close(ready[0]);
	close(ready[1]);
	wait_both(c, client, server);
	/* memory of a set goes in the background: not while the next one is measured */
	usleep(100000);
	if (c->mech->destroy)
		c->mech->destroy(c);

	compare_counts(c, r, traced);
	*f = (struct bench_figures){
		.instr = !bench_host || r->counted ?
			 (double)(r->server.instr + r->client.instr) / n : NAN,
		.ns = r->time / n,
		.syscalls = (double)(traced ? r->server.traced + r->client.traced :
				     r->server.calls + r->client.calls) / n,
		.switches = (double)(r->server.switches + r->client.switches) / n,
		.faults = r->server.faults + r->client.faults,
		.wakeups = (double)r->stat.wakeups / n,
		.sleeps = (double)r->stat.sleeps / n,
		.copied = c->data ? (double)(r->server.copied + r->client.copied) /
				    ((double)n * c->payload) : 0,
	};
	munmap(r, sizeof(*r));
}
