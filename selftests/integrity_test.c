// SPDX-License-Identifier: GPL-2.0-only
/*
 * Integrity: 64 devices at a depth of 32, blocks of 512 bytes to 4 MiB in both
 * directions at once, each with a CRC32C, each stream with a SHA-256 on both
 * sides, one block of 100 by O_DIRECT, where there is such a file, between that
 * and the shared buffer.  And
 * one side is killed at a random moment: the other one gets an error, and what
 * it had until then was right: no block was reported as written that the client
 * had not taken, and none as read that it had not given.
 *
 *	VDI_INTEGRITY_MIB	how much in all (64), in sets of VDI_INTEGRITY_SET (16)
 *	VDI_INTEGRITY_SECONDS	stop after that (none), and say what was reached
 *	VDI_SEED		for what is random (the time)
 */
#include <stdatomic.h>

#include "blocks.h"
#include "direct.h"
#include "liblink.h"

#define DEVICES		VDI_MAX_DEVICES
#define DEPTH		32U
#define SMALL_MAX	32768U		/* most blocks; a buffer for each slot */
#define LARGE_BUFFERS	16U		/* of the largest block */
#define BATCH		64U
#define ASKED_MIB	1024U		/* of a run without VDI_INTEGRITY_MIB, which does less */
#define WAIT_MS		(60000 * (int64_t)vt_scale())

enum direction { BACKUP, RESTORE, DIRECTIONS };

/* What one side has seen */
struct side {
	int ret;		/* 0: it thinks that all is well */
	atomic_bool done;
	uint64_t wrong;		/* blocks */
	uint64_t blocks;
	uint64_t direct;
	uint64_t written[DEVICES];	/* blocks: the client took, the server was told of */
	uint8_t sha[DIRECTIONS][DEVICES][BLOCK_SHA];
};

/* In memory of all processes */
struct shared {
	char name[VDI_NAME_SIZE];
	uint64_t seed;
	uint64_t bytes;
	atomic_uint_least64_t sent;
	atomic_uint_least64_t moved;
	struct side client, server;
};

struct streams {
	struct block_stream stream[DIRECTIONS][DEVICES];
};

static bool streams_init(struct streams *s, const struct shared *shared)
{
	unsigned int d, i;

	for (d = 0; d < DIRECTIONS; d++)
		for (i = 0; i < DEVICES; i++)
			if (!block_stream_init(&s->stream[d][i],
					       shared->seed * 256 + d * DEVICES + i))
				return false;
	return true;
}

static void streams_end(struct streams *s, struct side *side)
{
	unsigned int d, i;

	for (d = 0; d < DIRECTIONS; d++)
		for (i = 0; i < DEVICES; i++)
			block_stream_end(&s->stream[d][i], side->sha[d][i]);
}

/* The client: answers in any order what is written, in their order what is read */

struct client {
	struct shared *shared;
	struct vdi_client *client;
	struct streams streams;
	int file;
	bool direct;		/* @file takes O_DIRECT */
	uint8_t *private;	/* aligned */
};

static bool client_written(struct client *c, struct block_stream *stream, void *buf, uint32_t len)
{
	if (len % 4096)
		return block_check(stream, buf, len);
	c->shared->client.direct += c->direct;
	return pwrite(c->file, buf, len, 0) == (ssize_t)len &&
	       pread(c->file, c->private, len, 0) == (ssize_t)len &&
	       block_check(stream, c->private, len);
}

static bool client_reads(struct client *c, struct block_stream *stream, void *buf, uint32_t len)
{
	if (len % 4096) {
		block_fill(stream, buf, len);
		return true;
	}
	c->shared->client.direct += c->direct;
	block_fill(stream, c->private, len);
	return pwrite(c->file, c->private, len, 0) == (ssize_t)len &&
	       pread(c->file, buf, len, 0) == (ssize_t)len;
}

static int client_command(struct client *c, const struct vdi_command *cmd,
			  struct vdi_completion *done)
{
	bool write = cmd->code == VDI_CMD_WRITE;
	struct block_stream *stream = &c->streams.stream[!write][cmd->device];
	void *buf;
	int ret;

	*done = (struct vdi_completion){ .device = cmd->device, .id = cmd->id,
					 .result = cmd->length };
	ret = vdi_client_buffer(c->client, cmd->offset, &buf);
	if (ret)
		return ret;
	c->shared->client.blocks++;
	if (!(write ? client_written : client_reads)(c, stream, buf, cmd->length))
		c->shared->client.wrong++;
	c->shared->client.written[cmd->device] += write;
	atomic_fetch_add(&c->shared->moved, cmd->length);
	return 0;
}

static int client_serve(struct client *c)
{
	struct vdi_command cmds[BATCH];
	struct vdi_completion done[BATCH];
	unsigned int nr_done = 0, i;

	for (;;) {
		struct vdi_batch batch = { .min = 1 };
		int ret = vdi_client_exchange(c->client, done, nr_done, cmds, BATCH, WAIT_MS,
					      &batch);

		if (!ret && batch.accepted != nr_done)
			ret = batch.refused;
		if (ret)
			return ret == -ESHUTDOWN ? 0 : ret;
		for (nr_done = 0, i = 0; i < batch.delivered; i++) {
			if (cmds[i].kind == VDI_KIND_CLOSED)
				continue;
			ret = client_command(c, &cmds[i], &done[nr_done++]);
			if (ret)
				return ret;
		}
	}
}

static int client_run(struct client *c)
{
	struct vdi_client_device *device;
	struct vdi_config got;
	char name[VDI_NAME_SIZE];
	unsigned int i;
	int ret;

	ret = vdi_client_get_config(c->client, WAIT_MS, &got);
	for (i = 0; !ret && i < DEVICES; i++) {
		vt_device_name(name, c->shared->name, i);
		ret = vdi_client_open_device(c->client, name, &device);
	}
	return ret ? ret : client_serve(c);
}

static int client_main(struct vt_child *me, void *arg)
{
	/* a pipe has one direction only */
	const struct vdi_config config = {
		.device_count = DEVICES,
		.features = VDI_FEAT_LIKE_DISK,
	};
	struct client c = { .shared = arg };
	struct side *side = &c.shared->client;

	c.file = vt_open_direct();
	c.direct = c.file >= 0;
	if (!c.direct)
		c.file = memfd_create("blocks", MFD_CLOEXEC);
	c.private = aligned_alloc(4096, SMALL_MAX);
	side->ret = !streams_init(&c.streams, c.shared) || !c.private ? -ENOMEM :
		    vdi_client_new(&c.client) ?:
		    vdi_client_create(c.client, c.shared->name, &config);
	vt_tell(me, 'c');
	if (!side->ret)
		side->ret = client_run(&c);
	streams_end(&c.streams, side);
	side->done = true;
	vdi_client_close(c.client);
	return 0;
}

/* The server: keeps all devices busy */

struct server {
	struct shared *shared;
	struct vdi_server *server;
	struct vdi_server_device *devices[DEVICES];
	struct streams streams;
	uint64_t random;
	uint64_t sent;
	uint32_t busy[DEVICES];			/* a bit for each of its slots */
	struct slot {
		void *buf;
		uint32_t len;
		bool write;
	} slots[DEVICES * DEPTH];
	struct vdi_command queue[BATCH];	/* made, not yet accepted */
	unsigned int queued;
	unsigned int outstanding;
};

/* One more command; false: there is no room for it now */
static bool server_make(struct server *s)
{
	unsigned int device = block_random(&s->random) % DEVICES, i;
	uint32_t len = block_size(&s->random, !(block_random(&s->random) % 100));
	struct vdi_command *cmd = &s->queue[s->queued];
	bool write = block_random(&s->random) & 1;
	struct slot *slot;
	uint64_t offset;

	for (i = 0; i < DEVICES && s->busy[device] == ~0U; i++)
		device = (device + 1) % DEVICES;
	if (s->busy[device] == ~0U)
		return false;
	i = __builtin_ctz(~s->busy[device]);
	slot = &s->slots[device * DEPTH + i];
	if (vdi_server_alloc_buffer(s->server, &slot->buf, len, 4096))
		return false;
	slot->len = len;
	slot->write = write;
	s->busy[device] |= 1U << i;
	*cmd = (struct vdi_command){
		.device = device,
		.code = write ? VDI_CMD_WRITE : VDI_CMD_READ,
		.length = len,
		.id = slot - s->slots,
	};
	if (vdi_server_buffer_offset(s->server, slot->buf, &offset))
		return false;
	cmd->offset = offset;
	if (write)
		block_fill(&s->streams.stream[BACKUP][device], slot->buf, len);
	s->sent += len;
	atomic_store(&s->shared->sent, s->sent);
	s->queued++;
	return true;
}

static int server_done(struct server *s, const struct vdi_completion *done)
{
	struct slot *slot = &s->slots[done->id];
	struct side *side = &s->shared->server;

	s->outstanding--;
	if (done->code)
		return -EIO;
	if (done->result != slot->len ||
	    (!slot->write && !block_check(&s->streams.stream[RESTORE][done->device], slot->buf,
					  slot->len)))
		side->wrong++;
	side->blocks++;
	side->written[done->device] += slot->write;
	s->busy[done->id / DEPTH] &= ~(1U << done->id % DEPTH);
	return vdi_server_free_buffer(s->server, slot->buf, slot->len);
}

static int server_serve(struct server *s)
{
	struct vdi_completion done[BATCH];
	unsigned int i;
	int ret = 0;

	for (;;) {
		struct vdi_batch batch = { };

		while (s->queued < BATCH && s->sent < s->shared->bytes && server_make(s))
			continue;
		if (!s->queued && !s->outstanding)
			return 0;
		/* to send and wait for one, or only to wait */
		batch.min = s->queued + s->outstanding ? 1 : 0;
		ret = vdi_server_exchange(s->server, s->queue, s->queued, done, BATCH, WAIT_MS,
					  &batch);
		if (!ret && batch.refused && batch.refused != -EXFULL)
			ret = batch.refused;
		if (ret)
			return ret;
		s->outstanding += batch.accepted;
		s->queued -= batch.accepted;
		memmove(s->queue, s->queue + batch.accepted, s->queued * sizeof(s->queue[0]));
		for (i = 0; i < batch.delivered; i++) {
			int one = server_done(s, &done[i]);

			ret = ret ? ret : one;
		}
		if (ret)
			return ret;
	}
}

static int server_run(struct server *s)
{
	struct vdi_config config;
	char name[VDI_NAME_SIZE];
	unsigned int i;
	int ret = vdi_server_new(&s->server) ?:
		  vdi_server_open(s->server, NULL, s->shared->name) ?:
		  vdi_server_get_config(s->server, &config);

	config.features |= VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA;
	config.max_transfer_size = BLOCK_MAX;
	config.block_size = BLOCK_MIN;
	ret = ret ?: vdi_server_begin_config(s->server, &config) ?:
	      vdi_server_request_buffers(s->server, SMALL_MAX, 4096, DEVICES * DEPTH) ?:
	      vdi_server_request_buffers(s->server, BLOCK_MAX, 4096, LARGE_BUFFERS) ?:
	      vdi_server_end_config(s->server);
	for (i = 0; !ret && i < DEVICES; i++) {
		vt_device_name(name, s->shared->name, i);
		ret = vdi_server_open_device(s->server, name, &s->devices[i]);
	}
	if (!ret)
		ret = server_serve(s);
	for (i = 0; !ret && i < DEVICES; i++)
		ret = vdi_server_close_device(s->devices[i]);
	return ret;
}

static int server_main(struct vt_child *me, void *arg)
{
	struct server *s = calloc(1, sizeof(*s));
	struct side *side;

	(void)me;
	if (!s)
		return 1;
	s->shared = arg;
	s->random = s->shared->seed;
	side = &s->shared->server;
	side->ret = streams_init(&s->streams, s->shared) ? server_run(s) : -ENOMEM;
	streams_end(&s->streams, side);
	side->done = true;
	vdi_server_close(s->server);
	return 0;
}

FIXTURE(integrity) {
	struct shared *shared;
	uint64_t random;
	uint64_t set_bytes;
	uint64_t total;
	uint64_t moved;
	uint64_t blocks;
	uint64_t direct;
	unsigned int sets, deaths, errors;
};

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 10) : otherwise;
}

FIXTURE_SETUP(integrity)
{
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
	self->random = from_environment("VDI_SEED", time(NULL));
	TH_LOG("VDI_SEED=%llu", (unsigned long long)self->random);
	self->set_bytes = from_environment("VDI_INTEGRITY_SET", 16) << 20;
	self->total = from_environment("VDI_INTEGRITY_MIB", 64) << 20;
}

FIXTURE_TEARDOWN(integrity)
{
	munmap(self->shared, sizeof(*self->shared));
}

/* One set; @victim: 'c' or 's' is killed, else nobody. */
static bool run_set(FIXTURE_DATA(integrity) *self, char victim)
{
	struct shared *shared = self->shared;
	uint64_t when, end = vt_now() + 120 * VT_SEC * vt_scale();
	struct vt_child client, server;
	int client_end, server_end;

	memset(shared, 0, sizeof(*shared));
	vt_name(shared->name);
	shared->seed = block_random(&self->random) >> 8;
	shared->bytes = self->set_bytes;
	when = block_random(&self->random) % self->set_bytes;
	if (!vt_start(&client, VT_ROOT, VT_ROOT, client_main, shared) ||
	    vt_hear(&client) != 'c' ||
	    !vt_start(&server, VT_ROOT, VT_ROOT, server_main, shared))
		return false;
	while (victim && shared->moved < when && vt_now() < end &&
	       !shared->client.done && !shared->server.done)
		usleep(200);
	if (victim)
		kill(victim == 'c' ? client.pid : server.pid, SIGKILL);
	while (!shared->client.done && !shared->server.done && vt_now() < end && !victim)
		usleep(10000);
	client_end = vt_finish(&client);
	server_end = vt_finish(&server);
	self->moved += shared->moved;
	self->blocks += shared->client.blocks;
	self->direct += shared->client.direct;
	return victim == 'c' ? server_end == 0 : victim == 's' ? client_end == 0 :
	       client_end == 0 && server_end == 0;
}

/*
 * What the one that was left says must be so: an error, or that all was done if the
 * death came after that.  Code 995 is no success, whatever came before it.
 */
static void check_left(struct __test_metadata *_metadata, FIXTURE_DATA(integrity) *self,
		       const struct side *left)
{
	const struct shared *shared = self->shared;
	unsigned int i;

	self->deaths++;
	self->errors += left->ret != 0;
	ASSERT_EQ(true, left->done);
	if (!left->ret) {
		ASSERT_EQ(shared->sent, shared->moved);
		ASSERT_GE(shared->moved, self->set_bytes);
	}
	for (i = 0; i < DEVICES; i++)
		ASSERT_GE(shared->client.written[i], shared->server.written[i]) {
			TH_LOG("device %u: more was acknowledged than the client has taken", i);
		}
}

TEST_F_TIMEOUT(integrity, soak, 86400)
{
	uint64_t seconds = from_environment("VDI_INTEGRITY_SECONDS", 0);
	uint64_t until = vt_now() + seconds * VT_SEC;
	uint64_t asked = from_environment("VDI_INTEGRITY_MIB", ASKED_MIB);
	struct shared *shared = self->shared;

	while (self->moved < self->total && (!seconds || vt_now() < until)) {
		char victim = "\0c\0s"[self->sets % 4];

		ASSERT_TRUE(run_set(self, victim));
		self->sets++;
		/* what came was right, also until a death */
		ASSERT_EQ(0, shared->client.wrong);
		ASSERT_EQ(0, shared->server.wrong);
		if (victim) {
			check_left(_metadata, self,
				   victim == 'c' ? &shared->server : &shared->client);
			continue;
		}
		ASSERT_EQ(0, shared->server.ret);
		ASSERT_EQ(0, shared->client.ret);
		ASSERT_GE(shared->moved, self->set_bytes);
		ASSERT_EQ(0, memcmp(shared->client.sha, shared->server.sha,
				    sizeof(shared->client.sha)));
	}
	/* some deaths come too late to do harm, but not all */
	ASSERT_TRUE(self->deaths < 4 || self->errors);
	TH_LOG("F7: reached %llu MiB of %llu asked, %u sets, %llu blocks, %llu by O_DIRECT",
	       (unsigned long long)(self->moved >> 20), (unsigned long long)asked,
	       self->sets, (unsigned long long)self->blocks, (unsigned long long)self->direct);
	TH_LOG("F7: %u deaths, of which %u were errors and the others too late", self->deaths,
	       self->errors);
}

TEST_HARNESS_MAIN
