// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a stream costs through a node, against the same stream through a pipe to
 * `cat > file`: instructions and system calls per MiB, all processes together.  Both
 * consumers write to a file in memory.  How often the kernel copies a byte cannot be
 * counted from outside (its copying functions take no probes).
 *
 * The producer writes so many bytes with each call; the consumer of the node is a
 * client with raw ioctls that writes from the buffers of the set.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdi.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "bench.h"

#define MIB		(1024 * 1024)
#define STREAM_MIB	32
#define TARGET		"/dev/shm/bench-node"

struct stream_case {
	bool node;
	size_t size;			/* of a write */
};

static int target(void)
{
	int fd = open(TARGET, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		bench_fail(TARGET ": %s", strerror(errno));
	return fd;
}

static void produce(int fd, size_t size)
{
	char *buffer = malloc(size);
	size_t left = (size_t)STREAM_MIB * MIB;

	memset(buffer, 0x5a, size);
	for (; left; left -= size)
		if (write(fd, buffer, size) != (ssize_t)size)
			bench_fail("write: %s", strerror(errno));
	if (close(fd))
		bench_fail("close: %s", strerror(errno));
	exit(0);
}

static void answer(int dev, const unsigned char *area, int out)
{
	struct vdi_command commands[64];
	struct vdi_completion done[64];
	struct vdi_exchange x = {
		.size = sizeof(x), .in = (uintptr_t)done, .out = (uintptr_t)commands,
		.nr_out = 64, .min = 1, .deadline_ns = VDI_TIME_INFINITE,
	};
	unsigned int i;

	while (!ioctl(dev, VDI_IOC_EXCHANGE, &x)) {
		for (i = 0; i < x.out_delivered; i++) {
			const struct vdi_command *c = &commands[i];

			if (c->code == VDI_CMD_WRITE &&
			    write(out, area + c->offset, c->length) != c->length)
				bench_fail("client: write: %s", strerror(errno));
			done[i] = (struct vdi_completion){
				.device = c->device, .id = c->id,
				.result = c->code == VDI_CMD_WRITE ? c->length : 0,
			};
		}
		x.nr_in = x.out_delivered;
	}
	if (errno != ESHUTDOWN)
		bench_fail("client: EXCHANGE: %s", strerror(errno));
	exit(0);
}

/* The client of the node; tells the node's number when it can be opened */
static void consume_node(int tell)
{
	struct vdi_create create = {
		.size = sizeof(create), .flags = VDI_CREATE_F_NODES,
		.name = "bench-node", .config = { .device_count = 1 },
	};
	struct vdi_status status = { .size = sizeof(status) };
	struct vdi_get_config config = {
		.size = sizeof(config), .deadline_ns = VDI_TIME_INFINITE,
	};
	struct vdi_open_device device = { .size = sizeof(device), .name = "bench-node" };
	int fd = open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC), out = target();
	struct vdi_piece piece;
	void *area;

	config.pieces = (uintptr_t)&piece;
	config.nr_pieces = 1;
	if (fd < 0 || ioctl(fd, VDI_IOC_CREATE, &create) || ioctl(fd, VDI_IOC_STATUS, &status) ||
	    write(tell, &status.out_stat.first_node, 4) != 4 ||
	    ioctl(fd, VDI_IOC_GET_CONFIG, &config) || ioctl(fd, VDI_IOC_OPEN_DEVICE, &device))
		bench_fail("client: %s", strerror(errno));
	area = mmap(NULL, piece.size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (area == MAP_FAILED)
		bench_fail("client: mmap: %s", strerror(errno));
	if (write(tell, "", 1) != 1)
		bench_fail("client: %s", strerror(errno));
	answer(device.out_fd, area, out);
}

static void consume_pipe(int in)
{
	int out = target();

	dup2(in, 0);
	dup2(out, 1);
	close(in);
	close(out);
	execlp("cat", "cat", (char *)NULL);
	bench_fail("cat: %s", strerror(errno));
}

static pid_t start(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		alarm(300);
	}
	return pid;
}

/* Start the consumer; the descriptor that the producer is to write to */
static int start_consumer(const struct stream_case *c)
{
	char path[64], byte;
	unsigned int node;
	int fds[2], fd;

	if (pipe(fds))
		bench_fail("pipe: %s", strerror(errno));
	if (!start()) {
		close(fds[c->node ? 0 : 1]);
		if (c->node)
			consume_node(fds[1]);
		consume_pipe(fds[0]);
	}
	close(fds[c->node ? 1 : 0]);
	if (!c->node)
		return fds[1];
	if (read(fds[0], &node, 4) != 4)
		bench_fail("the client has failed");
	snprintf(path, sizeof(path), VDI_NODE_PREFIX "%u", node);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		bench_fail("%s: %s", path, strerror(errno));
	if (read(fds[0], &byte, 1) != 1)
		bench_fail("the client has failed");
	close(fds[0]);
	return fd;
}

/* Counting system calls costs: then the clock means nothing */
static double run(const struct stream_case *c, bool syscalls)
{
	int fd = start_consumer(c), status, i, perf = -1;
	double before, result = 0;

	usleep(200000);		/* cat has come to its first read */
	if (syscalls)
		perf = bench_calls_begin();
	before = bench_now();
	if (!start())
		produce(fd, c->size);
	close(fd);
	for (i = 0; i < 2; i++)
		if (wait(&status) < 0 || status)
			bench_fail("a process has failed");
	result = bench_now() - before;
	if (syscalls)
		result = bench_calls_end(perf);
	unlink(TARGET);
	return result;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void report_line(FILE *out, const struct stream_case *c, double instr, double ratio,
			double calls)
{
	fprintf(out, "{\"mechanism\":\"stream-%s\",\"payload\":%zu,", c->node ? "node" : "pipe",
		c->size);
	fprintf(out, "\"instr_per_mib\":%.0f,\"ratio_to_pipe\":%.3f,\"syscalls_per_mib\":%.3f}\n",
		instr, ratio, calls);
}

/**
 * bench_node() - Compare nodes with pipes and print a table
 * @rounds: how often; the median counts
 * @out: JSON lines, or NULL
 */
void bench_node(unsigned int rounds, FILE *out)
{
	static const size_t sizes[] = { 4096, 65536, MIB };
	double instr[BENCH_MAX_ROUNDS], pipe_instr = 0;

	printf("\n%u MiB to a file in memory, all processes together\n", STREAM_MIB);
	printf("%-8s %10s %16s %10s %14s\n", "through", "write(2)", "instr per MiB",
	       "to pipe", "calls per MiB");
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		for (int node = 0; node < 2; node++) {
			struct stream_case c = { .node = node, .size = sizes[s] };
			double calls, median;

			for (unsigned int r = 0; r < rounds; r++)
				instr[r] = run(&c, false);
			qsort(instr, rounds, sizeof(instr[0]), compare);
			median = instr[rounds / 2] / STREAM_MIB;
			if (!node)
				pipe_instr = median;
			calls = run(&c, true) / STREAM_MIB;
			printf("%-8s %10zu %16.0f %9.2fx %14.2f\n", node ? "node" : "pipe",
			       c.size, median, median / pipe_instr, calls);
			if (out)
				report_line(out, &c, median, median / pipe_instr, calls);
		}
	}
}
