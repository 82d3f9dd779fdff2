// SPDX-License-Identifier: GPL-2.0-only
/*
 * 64 devices at once between two processes, data in both directions, each
 * stream with a checksum on both sides: with one thread a side on the set
 * handle, and with one thread for each device.
 */
#include <pthread.h>

#include "link.h"
#include "peer.h"

#define DEVICES		64
#define BUFFERS		2		/* of each device */
#define COMMANDS	24		/* to each device */
#define BLOCK		512U

/* Sums of one device's streams, in the order of its commands. */
struct sums {
	uint64_t written;
	uint64_t read;
	uint64_t bytes;
	unsigned int commands;
};

/* What both processes share besides the set. */
struct shared {
	char name[VDI_NAME_SIZE];
	bool threads;
	struct sums client[DEVICES];
	int err;
};

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15ULL;
	return sum ^ sum >> 29;
}

static uint64_t sum_of(uint64_t sum, const void *data, size_t len)
{
	const uint64_t *w = data;

	for (len /= 8; len; len--)
		sum = mix(sum, *w++);
	return sum;
}

/* Fills with what nobody else fills with, and returns the sum as sum_of(). */
static uint64_t fill(uint64_t sum, void *data, size_t len, uint64_t seed)
{
	uint64_t *w = data;

	for (len /= 8; len; len--) {
		seed += 0x9e3779b97f4a7c15ULL;
		*w = seed ^ seed << 21;
		sum = mix(sum, *w++);
	}
	return sum;
}

/* The client's side. */

struct client {
	struct shared *shared;
	unsigned char *map;
	uint64_t offset;
	int fd;			/* set or device handle */
	int err;
};

/* Carries out one command: half of all Reads are a little short. */
static struct vdi_completion carry_out(struct client *c, const struct vdi_command *cmd)
{
	struct sums *s = &c->shared->client[cmd->device];
	unsigned char *p = c->map + (cmd->offset - c->offset);
	struct vdi_completion done = vt_answer(cmd, 0);

	if (cmd->code == VDI_CMD_WRITE) {
		s->written = sum_of(s->written, p, cmd->length);
	} else if (cmd->code == VDI_CMD_READ) {
		if (s->commands % 2 && cmd->length > (int)BLOCK)
			done.result -= BLOCK;
		s->read = fill(s->read, p, done.result,
			       (uint64_t)cmd->device << 48 | s->bytes);
	}
	s->bytes += done.result;
	s->commands++;
	return done;
}

static void *client_loop(void *arg)
{
	struct client *c = arg;
	struct vdi_completion done[48];
	struct vdi_command cmd[48];
	struct vdi_exchange x;
	unsigned int i, n = 0;

	for (;;) {
		c->err = vt_exchange(c->fd, &x, done, n, cmd, 48, 1, VT_LONG);
		if (c->err || x.out_refused || x.out_accepted != n)
			break;
		for (i = n = 0; i < x.out_delivered; i++)
			if (cmd[i].kind == VDI_KIND_COMMAND)
				done[n++] = carry_out(c, &cmd[i]);
	}
	c->err = c->err == ESHUTDOWN ? 0 : c->err ?: -1;
	return NULL;
}

static int client_process(struct vt_child *me, void *arg)
{
	struct shared *shared = arg;
	struct vdi_piece piece;
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = VT_LONG,
					  .pieces = (uintptr_t)&piece, .nr_pieces = 1);
	struct client c[DEVICES + 1];
	pthread_t t[DEVICES];
	char name[VDI_NAME_SIZE];
	int fd = vt_open_node(), dev, i, err;

	err = vt_create(fd, shared->name, DEVICES);
	if (err || !vt_tell(me, 1) || vt_call(fd, VDI_IOC_GET_CONFIG, &g))
		return 1;
	c[DEVICES] = (struct client){ shared, vt_map(fd, piece.offset, piece.size),
				      piece.offset, fd, 0 };
	if (!c[DEVICES].map)
		return 2;
	for (i = 0; i < DEVICES; i++) {
		vt_device_name(name, shared->name, i);
		dev = vt_open_device(fd, name);
		if (dev < 0)
			return 3;
		c[i] = c[DEVICES];
		c[i].fd = dev;
		if (shared->threads && pthread_create(&t[i], NULL, client_loop, &c[i]))
			return 4;
	}
	if (!shared->threads)
		client_loop(&c[DEVICES]);
	err = c[DEVICES].err;
	for (i = 0; shared->threads && i < DEVICES; i++) {
		pthread_join(t[i], NULL);
		err = err ?: c[i].err;
	}
	shared->err = err ?: vt_close(fd);
	return 0;
}

/* The server's side. */

struct server {
	int fd;			/* set or device handle */
	int dev[DEVICES];
	int first;		/* devices that it serves */
	int last;
	unsigned char *map;
	uint64_t offset;
	struct sums sums[DEVICES];
	unsigned int sent[DEVICES];
	unsigned int free[DEVICES];	/* a bit for each buffer */
	int32_t length[DEVICES][BUFFERS];
	unsigned int seed;
	int err;
};

/* One command for a device that has a buffer free; its id says which. */
static struct vdi_command next_command(struct server *s, int device)
{
	unsigned int b = __builtin_ctz(s->free[device]);
	uint64_t offset = s->offset + (uint64_t)(device * BUFFERS + b) * VT_TRANSFER;
	struct vdi_command c = {
		.device = device, .offset = offset, .id = b | (uint64_t)device << 8,
		.length = BLOCK * (1 + rand_r(&s->seed) % (VT_TRANSFER / BLOCK)),
		.code = rand_r(&s->seed) & 64 ? VDI_CMD_WRITE : VDI_CMD_READ,
	};
	unsigned char *p = s->map + (offset - s->offset);

	s->free[device] &= ~(1U << b);
	s->length[device][b] = c.code == VDI_CMD_READ ? c.length : -c.length;
	if (c.code == VDI_CMD_WRITE)
		s->sums[device].written = fill(s->sums[device].written, p, c.length,
					       (uint64_t)device << 56 | s->sent[device]);
	s->sent[device]++;
	return c;
}

static bool take_back(struct server *s, const struct vdi_completion *c)
{
	unsigned int b = c->id & 0xff, device = c->id >> 8;
	struct sums *sums = &s->sums[device];
	int32_t length = s->length[device][b];
	unsigned char *p = s->map + (uint64_t)(device * BUFFERS + b) * VT_TRANSFER;

	if (c->kind != VDI_KIND_COMPLETION || c->device != device || c->code || !length)
		return false;
	if (length < 0 ? c->result != (uint64_t)-length : c->result > (uint64_t)length)
		return false;
	if (length > 0)
		sums->read = sum_of(sums->read, p, c->result);
	sums->bytes += c->result;
	sums->commands++;
	s->length[device][b] = 0;
	s->free[device] |= 1U << b;
	return true;
}

static void *server_loop(void *arg)
{
	struct server *s = arg;
	struct vdi_command in[DEVICES * BUFFERS];
	struct vdi_completion out[DEVICES * BUFFERS];
	unsigned int total = (s->last - s->first) * COMMANDS, got = 0, n, i;
	struct vdi_exchange x;
	int d;

	while (!s->err && got < total) {
		for (n = 0, d = s->first; d < s->last; d++)
			while (s->free[d] && s->sent[d] < COMMANDS)
				in[n++] = next_command(s, d);
		s->err = vt_exchange(s->fd, &x, in, n, out, DEVICES * BUFFERS,
				     1 + (s->last - s->first) / 4, VT_LONG);
		if (s->err)
			break;
		if (x.out_refused || x.out_accepted != n)
			s->err = x.out_refused ? (int)x.out_refused : -1;
		for (i = 0; i < x.out_delivered; i++)
			if (!take_back(s, &out[i]))
				s->err = -2;
		got += x.out_delivered;
	}
	for (d = s->first; d < s->last && !s->err; d++)
		s->err = vt_close_device(s->dev[d]);
	return NULL;
}

FIXTURE(stripe) {
	struct shared *shared;
	struct vt_child child;
	int fd;
	struct server s[DEVICES];
};

FIXTURE_VARIANT(stripe) {
	bool client_threads;
	bool server_threads;
};

FIXTURE_VARIANT_ADD(stripe, one_thread_a_side) {
	.client_threads = false,
};

FIXTURE_VARIANT_ADD(stripe, one_thread_a_device) {
	.client_threads = true,
	.server_threads = true,
};

FIXTURE_VARIANT_ADD(stripe, one_thread_against_many) {
	.client_threads = true,
	.server_threads = false,
};

FIXTURE_SETUP(stripe)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config,
				.area_size = (uint64_t)DEVICES * BUFFERS * VT_TRANSFER);
	char name[VDI_NAME_SIZE];
	struct server *s = &self->s[0];
	int i;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
	vt_name(self->shared->name);
	self->shared->threads = variant->client_threads;
	self->shared->err = -1;
	ASSERT_TRUE(vt_start(&self->child, VT_ROOT, VT_ROOT, client_process, self->shared));
	ASSERT_EQ(1, vt_hear(&self->child));
	self->fd = vt_open_node();
	ASSERT_EQ(0, vt_open(self->fd, self->shared->name));
	ASSERT_EQ(0, vt_begin(self->fd));
	ASSERT_OK(self->fd, VDI_IOC_END_CONFIG, &e);
	*s = (struct server){ .fd = self->fd, .last = DEVICES, .offset = e.out_offset,
			      .map = vt_map(self->fd, e.out_offset, e.out_size), .seed = 1 };
	ASSERT_NE(NULL, s->map);
	for (i = 0; i < DEVICES; i++) {
		vt_device_name(name, self->shared->name, i);
		s->dev[i] = vt_open_device(self->fd, name);
		ASSERT_LE(0, s->dev[i]);
		s->free[i] = (1U << BUFFERS) - 1;
	}
}

FIXTURE_TEARDOWN(stripe)
{
	kill(self->child.pid, SIGKILL);
	waitpid(self->child.pid, NULL, 0);
	vt_baseline(_metadata);
}

static void run_server(struct __test_metadata *_metadata, FIXTURE_DATA(stripe) *self,
		       bool threads)
{
	pthread_t t[DEVICES];
	int i;

	for (i = 1; threads && i < DEVICES; i++)
		self->s[i] = self->s[0];
	for (i = 0; threads && i < DEVICES; i++) {
		self->s[i].fd = self->s[i].dev[i];
		self->s[i].first = i;
		self->s[i].last = i + 1;
		self->s[i].seed = i;
		ASSERT_EQ(0, pthread_create(&t[i], NULL, server_loop, &self->s[i]));
	}
	if (!threads) {
		server_loop(&self->s[0]);
		ASSERT_EQ(0, self->s[0].err);
	}
	for (i = 0; threads && i < DEVICES; i++) {
		ASSERT_EQ(0, pthread_join(t[i], NULL));
		EXPECT_EQ(0, self->s[i].err);
	}
}

TEST_F(stripe, streams_arrive_whole)
{
	struct vdi_status st;
	uint64_t bytes = 0;
	struct sums *ours, *theirs;
	int i;

	run_server(_metadata, self, variant->server_threads);
	EXPECT_EQ(0, vt_finish(&self->child));
	EXPECT_EQ(0, self->shared->err);
	for (i = 0; i < DEVICES; i++) {
		ours = &self->s[variant->server_threads ? i : 0].sums[i];
		theirs = &self->shared->client[i];
		EXPECT_EQ(COMMANDS, ours->commands);
		EXPECT_EQ(COMMANDS, theirs->commands);
		EXPECT_EQ(theirs->bytes, ours->bytes);
		EXPECT_EQ(theirs->written, ours->written);
		EXPECT_EQ(theirs->read, ours->read);
		EXPECT_NE(0, ours->written | ours->read);
		bytes += ours->bytes;
	}
	ASSERT_EQ(0, vt_status(self->fd, &st));
	EXPECT_EQ(VDI_STATE_TERMINATED, st.out_stat.state);
	EXPECT_EQ(DEVICES * COMMANDS, st.out_stat.commands);
	EXPECT_EQ(DEVICES * COMMANDS, st.out_stat.completions);
	EXPECT_EQ(bytes, st.out_stat.bytes_written + st.out_stat.bytes_read);
	EXPECT_EQ(0, vt_close(self->fd));
}

TEST_HARNESS_MAIN
