// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two processes and what one run of them costs: makes the server and the
 * client, warms them up, lets them carry a number of commands, and takes clock,
 * system calls, context switches and faults around that.  How the commands are
 * carried is the mechanism's.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "bench.h"

#define WARM_UP		(4 * BENCH_MAX_BATCH)

/* Calls around a run that both the program and the kernel could count or not */
#define SLACK		8

uint64_t bench_calls;

/**
 * struct side - What one process has used
 * @calls: system calls that the program counted
 * @traced: system calls that the kernel counted
 * @switches: context switches
 * @faults: minor faults
 */
struct side {
	uint64_t calls;
	uint64_t traced;
	uint64_t switches;
	uint64_t faults;
};

/* Written by the processes, read by their parent. */
struct result {
	struct side server;
	struct side client;
	struct bench_stat stat;
	double instr;
};

static int ready[2];		/* the client tells the server how far it is */
static int trace_fd = -1;

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

static void side_read(struct side *s)
{
	struct rusage ru;
	uint64_t n = 0;

	getrusage(RUSAGE_SELF, &ru);
	s->switches = ru.ru_nvcsw + ru.ru_nivcsw;
	s->faults = ru.ru_minflt;
	s->calls = bench_calls;
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
}

/*
 * A process that dies must not leave the other one waiting for ever.  What fork
 * left to be copied at the first touch is copied now, not in the run.
 */
static void begin(bool traced)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(120);
	if (mlockall(MCL_CURRENT))
		bench_fail("mlockall: %s", strerror(errno));
	bench_calls = 0;
	if (traced)
		trace_start();
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
	m->client(c, WARM_UP);
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
	m->server(c, WARM_UP);
	await();
	if (m->stat)
		m->stat(&stat);
	side_read(&before);

	start = bench_now();
	m->server(c, n);
	r->instr = bench_now() - start;

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

	if (traced && c->mech->counts && (seen < calls || seen > calls + SLACK))
		bench_fail("%s made %llu system calls, but counted %llu", c->mech->name,
			   (unsigned long long)seen, (unsigned long long)calls);
	if (c->mech->stat && (r->stat.calls + SLACK < calls || r->stat.calls > calls + SLACK))
		bench_fail("%s made %llu calls, but the module counted %llu", c->mech->name,
			   (unsigned long long)calls, (unsigned long long)r->stat.calls);
}

/**
 * bench_pair_run() - One run of a case
 * @c: the case
 * @n: how many commands, a multiple of BENCH_MAX_BATCH
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
	if (c->mech->destroy)
		c->mech->destroy();

	compare_counts(c, r, traced);
	*f = (struct bench_figures){
		.instr = r->instr / n,
		.syscalls = (double)(traced ? r->server.traced + r->client.traced :
				     r->server.calls + r->client.calls) / n,
		.switches = (double)(r->server.switches + r->client.switches) / n,
		.faults = (double)(r->server.faults + r->client.faults) / n,
		.wakeups = (double)r->stat.wakeups / n,
		.sleeps = (double)r->stat.sleeps / n,
	};
	munmap(r, sizeof(*r));
}
