// SPDX-License-Identifier: GPL-2.0-only
/*
 * The clock, which counts instructions; and the count of system calls.
 *
 * Under QEMU's -icount shift=0,sleep=off the virtual clock moves by one
 * nanosecond for each guest instruction, and skips ahead when the CPU is idle;
 * the time stamp counter runs at 1 GHz of it.  So a difference of
 * CLOCK_MONOTONIC, read from the time stamp counter, is a number of
 * instructions as long as somebody always has something to do, and the time of a
 * process on the processor (pair.c) is the number of its instructions, whatever
 * else there is.  Before the clock is believed, it is held against a loop of a
 * known number of instructions.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/perf_event.h>
#include <sys/syscall.h>

#include "bench.h"

/**
 * bench_now() - The clock
 *
 * Return: instructions since some moment.
 */
double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

/**
 * bench_clock_check() - Compare the clock with a loop of known length
 *
 * Return: nanoseconds of the clock for one instruction, the least of some
 *	tries, so that no timer tick is in it.
 */
double bench_clock_check(void)
{
	const unsigned long loops = 500000;
	double best = 1e9;
	int i;

	for (i = 0; i < 10; i++) {
		unsigned long n = loops;
		double t = bench_now();

		__asm__ volatile("1: dec %0\n\tjnz 1b" : "+r"(n) : : "cc");
		t = (bench_now() - t) / (2.0 * loops);
		if (t < best)
			best = t;
	}
	return best;
}

/**
 * bench_floor_getppid() - The cheapest system call
 *
 * Return: instructions.
 */
double bench_floor_getppid(void)
{
	const int loops = 2000;
	double t = bench_now();
	int i;

	for (i = 0; i < loops; i++)
		syscall(SYS_getppid);
	return (bench_now() - t) / loops;
}

/**
 * bench_calls_begin() - Count the system calls of the whole guest
 *
 * Nothing else runs in it.
 *
 * Return: a descriptor for bench_calls_end().
 */
int bench_calls_begin(void)
{
	static const char path[] = "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id";
	struct perf_event_attr attr = { .type = PERF_TYPE_TRACEPOINT, .size = sizeof(attr) };
	FILE *f = fopen(path, "r");
	unsigned int id;
	int fd;

	if (!f || fscanf(f, "%u", &id) != 1)
		bench_fail("cannot read %s", path);
	fclose(f);
	attr.config = id;
	fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		bench_fail("perf_event_open: %s", strerror(errno));
	return fd;
}

/**
 * bench_calls_end() - How many there were
 * @fd: as returned by bench_calls_begin(); closed
 *
 * Return: system calls.
 */
double bench_calls_end(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) != sizeof(n))
		bench_fail("cannot read the count of system calls");
	close(fd);
	return n;
}
