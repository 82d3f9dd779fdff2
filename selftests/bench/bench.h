/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is measured (a case), by what (a mechanism), and what comes out of it
 * (figures).  One server process sends commands, one client process answers
 * them; "depth" of them are outstanding on each device.  A process may have
 * several threads.
 */
#ifndef VDI_BENCH_H
#define VDI_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define BENCH_MAX_DEPTH		32
#define BENCH_MAX_DEVICES	64
#define BENCH_MAX_THREADS	8
#define BENCH_MAX_BATCH		(BENCH_MAX_DEPTH * BENCH_MAX_DEVICES)
#define BENCH_MAX_ROUNDS	15
#define BENCH_STEP		4096	/* data is touched once in so many bytes */

/**
 * struct bench_case - One line of a table
 * @mech: what carries the commands
 * @depth: commands outstanding on each device
 * @devices: devices, 1 for all but EXCHANGE
 * @threads: of each process, one for a device; or all those of the client for
 *	the only device.  1 for all but EXCHANGE
 * @payload: bytes that each command names
 * @data: the payload gets to the client, too: the server has put a word into
 *	each page, and the client looks at all of them.  Else nobody touches it
 */
struct bench_case {
	const struct bench_mechanism *mech;
	unsigned int depth;
	unsigned int devices;
	unsigned int threads;
	uint64_t payload;
	bool data;
};

/**
 * struct bench_stat - What the mechanism's own counters say of one run
 * @calls: calls of EXCHANGE that reached the module
 * @wakeups: wake-ups sent
 * @sleeps: sleeps
 */
struct bench_stat {
	uint64_t calls;
	uint64_t wakeups;
	uint64_t sleeps;
};

/**
 * struct bench_mechanism - A way to carry commands and completions
 * @name: in the table and in the JSON lines
 * @what: one line for people
 * @counts: the program sees each of its system calls (not with semaphores)
 * @models: what @stat counts are not system calls
 * @create: before the two processes are made
 * @client_open: in the client, first
 * @server_open: in the server, when the client has come so far
 * @client_join: in the client, at the same time as @server_open
 * @server: send @n commands, and return when all are answered
 * @client: answer @n commands
 * @stat: in the server; counters so far
 * @server_close: in the server, at the end
 * @client_close: in the client, at the same time
 * @destroy: after both have ended
 *
 * Each may be NULL but @server and @client.  An error ends the process.
 */
struct bench_mechanism {
	const char *name;
	const char *what;
	bool counts;
	bool models;
	void (*create)(const struct bench_case *c);
	void (*client_open)(const struct bench_case *c);
	void (*server_open)(const struct bench_case *c);
	void (*client_join)(const struct bench_case *c);
	void (*server)(const struct bench_case *c, unsigned int n);
	void (*client)(const struct bench_case *c, unsigned int n);
	void (*stat)(struct bench_stat *stat);
	void (*server_close)(const struct bench_case *c);
	void (*client_close)(const struct bench_case *c);
	void (*destroy)(const struct bench_case *c);
};

extern const struct bench_mechanism bench_exchange, bench_exchange_set, bench_sem, bench_pipe,
	bench_pipe_each, bench_pipe_splice, bench_exchange_spin, bench_seqpacket,
	bench_stream, bench_twin, bench_twin_spin;

/* A command and a completion of all mechanisms but EXCHANGE. */
struct bench_record {
	uint64_t id;
	uint64_t offset;
	uint64_t position;
	uint32_t length;
	uint32_t code;
	uint8_t rest[32];
};

/*
 * Not in a guest whose clock counts instructions, but on a machine: times are told,
 * and instructions if its processor counts them.
 */
extern bool bench_host;

/* If set: called by the server where what is measured begins, and where it ends. */
extern void (*bench_measured)(bool begins);

/* System calls of this process; counted before each call, never after. */
extern uint64_t bench_calls;

/* Bytes of payload that this process has given to calls that copy them. */
extern uint64_t bench_copied;

/**
 * struct bench_figures - One run, per command, both processes together
 * @instr: instructions, NAN if they can't be counted
 * @ns: time; means nothing where the clock counts instructions
 * @syscalls: system calls, counted by the program; or traced, if it was traced
 * @switches: context switches
 * @faults: minor faults, of the whole run
 * @wakeups: wake-ups of the module
 * @sleeps: sleeps in the module
 * @copied: bytes that the kernel was asked to copy for a byte of payload
 */
struct bench_figures {
	double instr;
	double ns;
	double syscalls;
	double switches;
	double faults;
	double wakeups;
	double sleeps;
	double copied;
};

/* Commands alone, commands with their data, and many devices or threads */
enum bench_table { BENCH_COMMANDS, BENCH_DATA, BENCH_CURVE };

/**
 * struct bench_line - A case and its figures
 * @table: where it is shown
 * @c: the case
 * @commands: of each run
 * @run: one of each round
 * @rounds: how many
 * @traced: of one more round, with system calls counted by the kernel
 */
struct bench_line {
	enum bench_table table;
	struct bench_case c;
	unsigned int commands;
	struct bench_figures run[BENCH_MAX_ROUNDS];
	unsigned int rounds;
	struct bench_figures traced;
};

/* clock.c */
double bench_now(void);
double bench_clock_check(void);
double bench_floor_getppid(void);
int bench_calls_begin(void);
double bench_calls_end(int fd);

/* pair.c */
void bench_pair_run(const struct bench_case *c, unsigned int n, bool traced,
		    struct bench_figures *f);
void bench_fail(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* exchange.c */
double bench_floor_exchange(void);

/* crew.c */
void bench_crew_run(unsigned int threads, void (*work)(unsigned int thread, unsigned int n),
		    unsigned int n);

/* node.c */
void bench_node(unsigned int rounds, FILE *out);
void bench_death(unsigned int rounds, FILE *out);

/* locks.c */
void bench_locks(FILE *out);

/* streams.c */
void bench_streams(unsigned int rounds, unsigned int mib, const char *self, FILE *out);
void bench_engine(const char *arg);
void bench_sockets(const char *arg);

/* report.c */
void bench_report(const struct bench_line *lines, unsigned int nr);
void bench_report_twin(const struct bench_line *lines, unsigned int nr);
bool bench_gate(const struct bench_line *lines, unsigned int nr);
void bench_report_json(FILE *f, const struct bench_line *lines, unsigned int nr);

/* Fills in what a server sends; the other end and the way back are checked. */
static inline void bench_fill(struct bench_record *r, uint64_t id, uint64_t payload)
{
	r->id = id;
	r->offset = id;
	r->position = id;
	r->length = payload;
	r->code = 2;
}

/* The payload of a command, as it is made, and as whoever gets it finds it. */
static inline void bench_touch(void *buf, uint64_t size, uint64_t id)
{
	uint64_t i;

	for (i = 0; i < size; i += BENCH_STEP)
		*(volatile uint64_t *)((char *)buf + i) = id + i;
}

static inline void bench_look(const void *buf, uint64_t size, uint64_t id)
{
	uint64_t i;

	for (i = 0; i < size; i += BENCH_STEP)
		if (*(const volatile uint64_t *)((const char *)buf + i) != id + i)
			bench_fail("payload of command %llu is wrong at byte %llu",
				   (unsigned long long)id, (unsigned long long)i);
}

/* The server's records are numbered from 1 on in each phase. */
static inline void bench_check(uint64_t id, uint64_t expected)
{
	if (id != expected)
		bench_fail("command %llu came where %llu was due", (unsigned long long)id,
			   (unsigned long long)expected);
}

#endif /* VDI_BENCH_H */
