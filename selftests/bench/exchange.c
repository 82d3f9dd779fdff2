// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mechanism EXCHANGE, on a device handle and on a set handle: raw ioctls,
 * no libvdi.  One call hands over what is finished and waits for more.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/vdi.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "bench.h"

#define TRANSFER	(4U << 20)
#define SPIN_US		20	/* as the model does */

/*
 * What one thread serves, by one handle: all devices of it.  Several threads may share
 * the only device, then their client's side has the same handle.
 */
struct lane {
	int fd;
	unsigned int first;		/* device */
	unsigned int nr;		/* devices */
	unsigned int window;		/* commands at a time */
	uint64_t calls;
	struct vdi_command *commands;
	struct vdi_completion *completions;
	uint64_t *next;			/* id that each device is due to have */
};

static struct lane lanes[BENCH_MAX_THREADS];
static const struct bench_case *now;	/* the one that runs */
static int set_fd = -1;
static int dev_fd[BENCH_MAX_DEVICES];
static char set_name[VDI_NAME_SIZE];
static unsigned char *area;
static uint64_t area_offset;
static unsigned int nr_sets;

#define STOP	UINT64_MAX		/* position of the command that ends a thread */

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

static bool is_shared(const struct bench_case *c)
{
	return c->threads > c->devices;
}

static void *room(size_t nr, size_t size)
{
	void *p = calloc(nr, size);

	if (!p)
		bench_fail("no memory");
	return p;
}

static void make_lane(const struct bench_case *c, struct lane *l, unsigned int thread)
{
	bool split = c->threads > 1 && !is_shared(c);

	l->first = split ? thread : 0;
	l->nr = split ? 1 : c->devices;
	l->window = c->depth * l->nr;
	l->fd = c->mech == &bench_exchange_set ? set_fd : dev_fd[l->first];
	l->calls = 0;
	l->commands = room(l->window, sizeof(*l->commands));
	l->completions = room(l->window, sizeof(*l->completions));
	l->next = room(l->nr, sizeof(*l->next));
}

static uint64_t area_size(const struct bench_case *c)
{
	return c->payload ? c->payload * c->depth * c->devices : 1;
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
	for (i = 0; i < c->threads; i++)
		make_lane(c, &lanes[i], i);
	if (!c->data)
		return;
	area = mmap(NULL, area_size(c), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
		    set_fd, area_offset);
	if (area == MAP_FAILED)
		bench_fail("mmap: %s", strerror(errno));
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
	struct vdi_end_config end = { .area_size = area_size(c) };

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
	struct vdi_piece piece;
	struct vdi_get_config arg = {
		.deadline_ns = VDI_TIME_INFINITE,
		.pieces = (uintptr_t)&piece,
		.nr_pieces = 1,
	};

	call(set_fd, GET_CONFIG, &arg);
	area_offset = piece.offset;
	open_devices(c);
}

static void exchange(struct lane *l, struct vdi_exchange *x)
{
	x->spin_us = now->mech == &bench_exchange_spin ? SPIN_US : 0;
	l->calls++;
	if (ioctl(l->fd, VDI_IOC_EXCHANGE, x))
		bench_fail("EXCHANGE: %s", strerror(errno));
	if (x->out_accepted != x->nr_in)
		bench_fail("EXCHANGE refused a record: %s", strerror(x->out_refused));
}

static void run(unsigned int threads, void (*work)(unsigned int thread, unsigned int n),
		const struct bench_case *c, unsigned int n)
{
	unsigned int i;

	now = c;
	bench_crew_run(threads, work, n);
	for (i = 0; i < threads; i++) {
		bench_calls += lanes[i].calls;
		lanes[i].calls = 0;
	}
}

/* Numbers go round over the devices of a lane, and have a buffer of their own. */
static void fill(const struct lane *l, struct vdi_command *cmd, uint64_t id)
{
	unsigned int buffer = l->first * now->depth + id % l->window;

	*cmd = (struct vdi_command){
		.device = l->first + id % l->nr,
		.code = now->payload ? VDI_CMD_WRITE : VDI_CMD_FLUSH,
		.length = now->payload,
		.id = id,
		.offset = now->payload ? area_offset + buffer * now->payload : 0,
		.position = id,
	};
	if (now->data)
		bench_touch(area + buffer * now->payload, now->payload, id);
}

/* Each device has its own order. */
static void check(struct lane *l, unsigned int device, uint64_t id)
{
	uint64_t *next = &l->next[device - l->first];

	bench_check(id, *next);
	*next += l->nr;
}

static void first_ids(struct lane *l)
{
	unsigned int i;

	for (i = 1; i <= l->nr; i++)
		l->next[i % l->nr] = i;
}

static void serve(unsigned int thread, unsigned int n)
{
	struct lane *l = &lanes[thread];
	unsigned int sent = 0, done = 0, i;
	struct vdi_exchange x = {
		.size = sizeof(x),
		.in = (uintptr_t)l->commands,
		.out = (uintptr_t)l->completions,
		.nr_out = l->window,
		.min = 1,
		.deadline_ns = VDI_TIME_INFINITE,
	};

	n /= now->threads;
	first_ids(l);
	while (done < n) {
		x.nr_in = 0;
		while (sent < n && sent - done < l->window)
			fill(l, &l->commands[x.nr_in++], ++sent);
		exchange(l, &x);
		for (i = 0; i < x.out_delivered; i++)
			check(l, l->completions[i].device, l->completions[i].id);
		done += x.out_delivered;
	}
}

/*
 * As above for a client whose threads share the device: what they answer comes in any
 * order, so an id is a place.  They end when each has got one last command.
 */
static void serve_shared(unsigned int thread, unsigned int n)
{
	struct lane *l = &lanes[thread];
	unsigned int sent = 0, done = 0, free = l->window, places[BENCH_MAX_DEPTH], i;
	uint64_t busy = 0;
	struct vdi_exchange x = {
		.size = sizeof(x),
		.in = (uintptr_t)l->commands,
		.out = (uintptr_t)l->completions,
		.nr_out = l->window,
		.min = 1,
		.deadline_ns = VDI_TIME_INFINITE,
	};

	for (i = 0; i < l->window; i++)
		places[i] = i;
	while (done < n + now->threads) {
		for (x.nr_in = 0; free && (sent < n || (sent == done && sent < n + now->threads));
		     sent++) {
			struct vdi_command *cmd = &l->commands[x.nr_in++];

			fill(l, cmd, places[--free]);
			cmd->position = sent < n ? sent : STOP;
			busy |= 1ULL << cmd->id;
		}
		exchange(l, &x);
		for (i = 0; i < x.out_delivered; i++) {
			unsigned int id = l->completions[i].id;

			if (!(busy >> id & 1))
				bench_fail("command %u was answered twice", id);
			busy &= ~(1ULL << id);
			places[free++] = id;
		}
		done += x.out_delivered;
	}
}

static void server(const struct bench_case *c, unsigned int n)
{
	if (is_shared(c))
		run(1, serve_shared, c, n);
	else
		run(c->threads, serve, c, n);
}

/* What is found in a command, and its answer */
static bool carry_out(struct lane *l, const struct vdi_command *cmd, struct vdi_completion *done)
{
	bool stop = cmd->position == STOP;

	if (now->data && !stop)
		bench_look(area + (cmd->offset - area_offset), cmd->length, cmd->position);
	else if (!is_shared(now))
		check(l, cmd->device, cmd->position);
	*done = (struct vdi_completion){
		.device = cmd->device,
		.id = cmd->id,
		.result = now->payload,
	};
	return stop;
}

static void answer(unsigned int thread, unsigned int n)
{
	struct lane *l = &lanes[thread];
	unsigned int answered = 0, i;
	struct vdi_exchange x = {
		.size = sizeof(x),
		.in = (uintptr_t)l->completions,
		.out = (uintptr_t)l->commands,
		.nr_out = is_shared(now) ? (l->window + now->threads - 1) / now->threads :
					   l->window,
		.min = 1,
		.deadline_ns = VDI_TIME_INFINITE,
	};
	bool stop = false;

	n = is_shared(now) ? UINT32_MAX : n / now->threads;
	first_ids(l);
	while (answered < n) {
		exchange(l, &x);
		answered += x.nr_in;
		if (stop)
			break;
		for (i = 0; i < x.out_delivered; i++)
			stop |= carry_out(l, &l->commands[i], &l->completions[i]);
		x.nr_in = x.out_delivered;
		if (stop || answered + x.nr_in == n) {
			x.nr_out = 0;
			x.min = 0;
		}
	}
}

static void client(const struct bench_case *c, unsigned int n)
{
	run(c->threads, answer, c, n);
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
			.out = (uintptr_t)lanes[0].commands,
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

const struct bench_mechanism bench_exchange_spin = {
	.name = "exchange-spin",
	.what = "the same, which spins for 20 us before it sleeps",
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
	const struct bench_case c = {
		.mech = &bench_exchange, .depth = 1, .devices = 1, .threads = 1,
	};
	struct vdi_completion done;
	struct vdi_exchange x = { .size = sizeof(x), .out = (uintptr_t)&done, .nr_out = 1 };
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
		if (ioctl(dev_fd[0], VDI_IOC_EXCHANGE, &x))
			bench_fail("EXCHANGE: %s", strerror(errno));
	t = (bench_now() - t) / loops;
	call(client_fd, CLOSE, &arg);
	close(dev_fd[0]);
	close(server_fd);
	close(client_fd);
	set_fd = -1;
	return t;
}
