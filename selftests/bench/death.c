// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the early notice of a death costs a process that is alive: instructions of
 * calls that change its address space, with a set that watches it and with one that
 * does not (parameter early_death).  For the notice the kernel keeps an mmu
 * notifier, and each invalidation of the process's mappings looks for notifiers.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdi.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "bench.h"

#define PARAMETER	"/sys/module/vdi/parameters/early_death"
#define PAGES		64
#define LENGTH		(PAGES * 4096UL)
#define TIMES		64
#define RESIDENT	(64UL << 20)

struct operation {
	const char *name;
	const char *what;
	void (*run)(void);
};

static char *area;

static void touch(char *at)
{
	for (unsigned int i = 0; i < PAGES; i++)
		*(volatile char *)(at + i * 4096UL) = 1;
}

static void *map(size_t length)
{
	void *at = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		bench_fail("mmap: %s", strerror(errno));
	return at;
}

static void run_map(void)
{
	char *at = map(LENGTH);

	touch(at);
	munmap(at, LENGTH);
}

static void run_discard(void)
{
	touch(area);
	madvise(area, LENGTH, MADV_DONTNEED);
}

static void run_protect(void)
{
	mprotect(area, LENGTH, PROT_READ);
	mprotect(area, LENGTH, PROT_READ | PROT_WRITE);
}

static void run_fork(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(0);
	if (pid < 0 || waitpid(pid, NULL, 0) != pid)
		bench_fail("fork: %s", strerror(errno));
}

static void run_getppid(void)
{
	for (unsigned int i = 0; i < PAGES; i++)
		getppid();
}

static const struct operation operations[] = {
	{ "getppid", "64 calls, no memory", run_getppid },
	{ "map", "mmap, touch, munmap 64 pages", run_map },
	{ "discard", "touch, MADV_DONTNEED 64 pages", run_discard },
	{ "protect", "mprotect 64 pages twice", run_protect },
	{ "fork", "fork and wait, 64 MiB resident", run_fork },
};

#define NR_OPERATIONS	(sizeof(operations) / sizeof(operations[0]))

static void set_parameter(bool on)
{
	int fd = open(PARAMETER, O_WRONLY);

	if (fd < 0 || write(fd, on ? "Y" : "N", 1) != 1)
		bench_fail("%s: %s", PARAMETER, strerror(errno));
	close(fd);
}

static int bind_set(bool watched)
{
	struct vdi_create create = { .size = sizeof(create), .config.device_count = 1 };
	int fd;

	set_parameter(watched);
	fd = open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC);
	snprintf((char *)create.name, sizeof(create.name), "bench-death-%d", getpid());
	if (fd < 0 || ioctl(fd, VDI_IOC_CREATE, &create))
		bench_fail("CREATE: %s", strerror(errno));
	return fd;
}

static double measure(const struct operation *op, bool watched)
{
	int fd = bind_set(watched);
	double before;

	touch(area);
	op->run();
	before = bench_now();
	for (unsigned int i = 0; i < TIMES; i++)
		op->run();
	before = (bench_now() - before) / TIMES;
	close(fd);
	return before;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/**
 * bench_death() - What being watched costs a process, as a table
 * @rounds: how often, with and without by turns; the median counts
 * @out: JSON lines, or NULL
 */
void bench_death(unsigned int rounds, FILE *out)
{
	double instr[2][BENCH_MAX_ROUNDS];

	area = map(RESIDENT);
	memset(area, 1, RESIDENT);
	printf("\nInstructions of a process, by whether its death is watched for\n");
	printf("%-9s %-32s %12s %12s %8s\n", "", "", "not watched", "watched", "ratio");
	for (unsigned int i = 0; i < NR_OPERATIONS; i++) {
		const struct operation *op = &operations[i];

		for (unsigned int r = 0; r < rounds; r++)
			for (int w = 0; w < 2; w++)
				instr[w][r] = measure(op, w);
		for (int w = 0; w < 2; w++)
			qsort(instr[w], rounds, sizeof(instr[w][0]), compare);
		printf("%-9s %-32s %12.0f %12.0f %7.3fx\n", op->name, op->what,
		       instr[0][rounds / 2], instr[1][rounds / 2],
		       instr[1][rounds / 2] / instr[0][rounds / 2]);
		if (out)
			fprintf(out, "{\"mechanism\":\"death-%s\",\"instr\":[%.0f,%.0f]}\n",
				op->name, instr[0][rounds / 2], instr[1][rounds / 2]);
	}
	set_parameter(true);
}
