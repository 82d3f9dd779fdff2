// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mechanism EXCHANGE, on a device handle and on a set handle: raw ioctls,
 * no libvdi.  One call hands over what is finished and waits for more.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdi.h>
#include <sys/ioctl.h>

#include "bench.h"

#define TRANSFER	(4U << 20)

static int set_fd = -1;
static int dev_fd[BENCH_MAX_DEVICES];
static int exchange_fd;			/* the handle that carries the commands */
static char set_name[VDI_NAME_SIZE];
static uint64_t area_offset;
static unsigned int nr_sets;

static struct vdi_command commands[BENCH_MAX_BATCH];
static struct vdi_completion completions[BENCH_MAX_BATCH];

#define call(fd, req, arg)						\
	do {								\
		(arg)->size = sizeof(*(arg));				\
		if (ioctl(fd, VDI_IOC_##req, arg))			\
			bench_fail(#req ": %s", strerror(errno));	\
	} while (0)

/* Both processes know the name before there are two. */
static void create(const struct bench_case *c)
{
	(void)c;
	snprintf(set_name, sizeof(set_name), "bench-%d-%u", (int)getpid(), nr_sets++);
}

static void open_node(void)
{
	set_fd = open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC);
	if (set_fd < 0)
		bench_fail("cannot open " VDI_DEVICE_NODE ": %s", strerror(errno));
}

static void open_devices(const struct bench_case *c)
{
	unsigned int i;

	for (i = 0; i < c->devices; i++) {
		struct vdi_open_device arg = { 0 };

		if (i)
			snprintf(arg.name, sizeof(arg.name), "device-%u", i);
		else
			strcpy(arg.name, set_name);
		call(set_fd, OPEN_DEVICE, &arg);
		dev_fd[i] = arg.out_fd;
	}
	exchange_fd = c->mech == &bench_exchange_set ? set_fd : dev_fd[0];
}

static void client_open(const struct bench_case *c)
{
	struct vdi_create arg = { .config = { .device_count = c->devices } };

	strcpy(arg.name, set_name);
	open_node();
	call(set_fd, CREATE, &arg);
}

static void server_open(const struct bench_case *c)
{
	struct vdi_open arg = { 0 };
	struct vdi_begin_config begin = {
		.features = VDI_FEAT_WRITE_MEDIA,
		.max_transfer_size = TRANSFER,
	};
	struct vdi_end_config end = {
		.area_size = c->payload ? c->payload * c->depth : 1,
	};

	strcpy(arg.name, set_name);
	open_node();
	call(set_fd, OPEN, &arg);
	call(set_fd, BEGIN_CONFIG, &begin);
	call(set_fd, END_CONFIG, &end);
	area_offset = end.out_offset;
	open_devices(c);
}

static void client_join(const struct bench_case *c)
{
	struct vdi_get_config arg = { .deadline_ns = VDI_TIME_INFINITE };

	call(set_fd, GET_CONFIG, &arg);
	open_devices(c);
}

static void exchange(struct vdi_exchange *x)
{
	bench_calls++;
	if (ioctl(exchange_fd, VDI_IOC_EXCHANGE, x))
		bench_fail("EXCHANGE: %s", strerror(errno));
	if (x->out_accepted != x->nr_in)
		bench_fail("EXCHANGE refused a record: %s", strerror(x->out_refused));
}

static void fill(const struct bench_case *c, struct vdi_command *cmd, uint64_t id)
{
	*cmd = (struct vdi_command){
		.device = id % c->devices,
		.code = c->payload ? VDI_CMD_WRITE : VDI_CMD_FLUSH,
		.length = c->payload,
		.id = id,
		.offset = c->payload ? area_offset + id % c->depth * c->payload : 0,
		.position = id,
	};
}

/* Each device has its own order. */
static void check(const struct bench_case *c, unsigned int device, uint64_t id, uint64_t *next)
{
	bench_check(id, next[device]);
	next[device] += c->devices;
}

static void first_ids(const struct bench_case *c, uint64_t *next)
{
	unsigned int i;

	for (i = 1; i <= c->devices; i++)
		next[i % c->devices] = i;
}

static void server(const struct bench_case *c, unsigned int n)
{
	unsigned int sent = 0, done = 0, window = c->depth * c->devices, i;
	uint64_t next[BENCH_MAX_DEVICES];
	struct vdi_exchange x = {
		.size = sizeof(x),
		.in = (uintptr_t)commands,
		.out = (uintptr_t)completions,
		.nr_out = window,
		.min = 1,
		.deadline_ns = VDI_TIME_INFINITE,
	};

	first_ids(c, next);
	while (done < n) {
		x.nr_in = 0;
		while (sent < n && sent - done < window)
			fill(c, &commands[x.nr_in++], ++sent);
		exchange(&x);
		for (i = 0; i < x.out_delivered; i++)
			check(c, completions[i].device, completions[i].id, next);
		done += x.out_delivered;
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	uint64_t next[BENCH_MAX_DEVICES];
	unsigned int answered = 0, i;
	struct vdi_exchange x = {
		.size = sizeof(x),
		.in = (uintptr_t)completions,
		.out = (uintptr_t)commands,
		.nr_out = c->depth * c->devices,
		.min = 1,
		.deadline_ns = VDI_TIME_INFINITE,
	};

	first_ids(c, next);
	while (answered < n) {
		exchange(&x);
		answered += x.nr_in;
		for (i = 0; i < x.out_delivered; i++) {
			check(c, commands[i].device, commands[i].position, next);
			completions[i] = (struct vdi_completion){
				.device = commands[i].device,
				.id = commands[i].id,
				.result = c->payload,
			};
		}
		x.nr_in = x.out_delivered;
		if (answered + x.nr_in == n) {
			x.nr_out = 0;
			x.min = 0;
		}
	}
}

static void read_stat(struct bench_stat *stat)
{
	struct vdi_status arg = { 0 };

	call(set_fd, STATUS, &arg);
	stat->calls = arg.out_stat.exchanges;
	stat->wakeups = arg.out_stat.wakeups;
	stat->sleeps = arg.out_stat.sleeps;
}

static void server_close(const struct bench_case *c)
{
	struct vdi_close arg = { 0 };
	unsigned int i;

	for (i = 0; i < c->devices; i++) {
		struct vdi_close_device dev = { 0 };

		call(dev_fd[i], CLOSE_DEVICE, &dev);
	}
	call(set_fd, CLOSE, &arg);
}

/* The set ends in order: every device of the client is told. */
static void client_close(const struct bench_case *c)
{
	struct vdi_close arg = { 0 };
	unsigned int i;

	for (i = 0; i < c->devices; i++) {
		struct vdi_exchange x = {
			.size = sizeof(x),
			.out = (uintptr_t)commands,
			.nr_out = 1,
			.min = 1,
			.deadline_ns = VDI_TIME_INFINITE,
		};

		if (!ioctl(dev_fd[i], VDI_IOC_EXCHANGE, &x) || errno != ESHUTDOWN)
			bench_fail("device %u did not end in order", i);
	}
	call(set_fd, CLOSE, &arg);
}

const struct bench_mechanism bench_exchange = {
	.name = "exchange",
	.what = "EXCHANGE on a device handle",
	.counts = true,
	.create = create,
	.client_open = client_open,
	.server_open = server_open,
	.client_join = client_join,
	.server = server,
	.client = client,
	.stat = read_stat,
	.server_close = server_close,
	.client_close = client_close,
};

const struct bench_mechanism bench_exchange_set = {
	.name = "exchange-set",
	.what = "EXCHANGE on a set handle, for all devices at once",
	.counts = true,
	.create = create,
	.client_open = client_open,
	.server_open = server_open,
	.client_join = client_join,
	.server = server,
	.client = client,
	.stat = read_stat,
	.server_close = server_close,
	.client_close = client_close,
};

/**
 * bench_floor_exchange() - An EXCHANGE that moves nothing and does not wait
 *
 * Return: instructions.
 */
double bench_floor_exchange(void)
{
	const struct bench_case c = { .mech = &bench_exchange, .depth = 1, .devices = 1 };
	struct vdi_exchange x = { .size = sizeof(x), .out = (uintptr_t)completions, .nr_out = 1 };
	struct vdi_close arg = { 0 };
	const int loops = 2000;
	int client_fd, server_fd, i;
	double t;

	create(&c);
	client_open(&c);
	client_fd = set_fd;
	server_open(&c);
	server_fd = set_fd;
	t = bench_now();
	for (i = 0; i < loops; i++)
		if (ioctl(exchange_fd, VDI_IOC_EXCHANGE, &x))
			bench_fail("EXCHANGE: %s", strerror(errno));
	t = (bench_now() - t) / loops;
	call(client_fd, CLOSE, &arg);
	close(dev_fd[0]);
	close(server_fd);
	close(client_fd);
	set_fd = -1;
	return t;
}
