// SPDX-License-Identifier: GPL-2.0-only
/*
 * The statements of the specification's checklist, section 15, that need other
 * processes or time: T23, T24 and T28, through libvdi.  The others are in
 * checklist_test.c, the death of secondary clients is in secondary_test.c.
 */
#include <sys/mman.h>

#include "liblink.h"

/* T23: primary or server killed. */

static int client_of_t23(struct vt_child *me, void *arg)
{
	const struct vdi_client_command *c;
	struct lib_link *l = arg;

	if (vdi_client_new(&l->client) || vdi_client_create(l->client, l->name, &l->config) ||
	    !vt_tell(me, 1))
		return 1;
	if (vdi_client_get_config(l->client, -1, &l->begin) ||
	    vdi_client_open_device(l->client, l->name, &l->cdev[0]) || !vt_tell(me, 2) ||
	    vdi_client_get_command(l->cdev[0], -1, &c) || !vt_tell(me, 3))
		return 2;
	for (;;)
		pause();
}

TEST(t23_kill_the_primary)
{
	struct lib_call call[4] = {};
	struct vdi_set_stat s;
	struct vt_child child;
	struct lib_link l;
	int i;

	lib_link_init(&l, 1);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, client_of_t23, &l));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, vdi_server_new(&l.server));
	ASSERT_EQ(0, vdi_server_open(l.server, NULL, l.name));
	ASSERT_EQ(0, lib_configure(&l));
	ASSERT_EQ(0, lib_open_devices(&l, false));
	ASSERT_TRUE(lib_agent_start(&l));
	ASSERT_EQ(2, vt_hear(&child));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, lib_send(&l, 0, &call[i], VDI_CMD_FLUSH));
	ASSERT_EQ(3, vt_hear(&child));
	ASSERT_EQ(0, kill(child.pid, SIGKILL));
	ASSERT_TRUE(lib_agent_ends(&l));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(1, atomic_load(&call[i].calls));
		EXPECT_EQ(995, call[i].code);
	}
	ASSERT_EQ(0, vdi_server_stat(l.server, &s, sizeof(s)));
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, s.reason.reason);
	EXPECT_EQ(VDI_ROLE_CLIENT, s.reason.who.role);
	EXPECT_EQ(child.pid, s.reason.who.pid);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	lib_link_down(&l);
	vt_baseline(_metadata);
}

static int server_of_t23(struct vt_child *me, void *arg)
{
	struct lib_link *l = arg;

	if (vdi_server_new(&l->server) || vdi_server_open(l->server, NULL, l->name) ||
	    lib_configure(l) || lib_open_devices(l, false) || !lib_agent_start(l) ||
	    !vt_tell(me, 1))
		return 1;
	for (;;)
		pause();
}

TEST(t23_kill_the_server)
{
	const struct vdi_client_command *c;
	struct vdi_set_stat s;
	struct vt_child child;
	struct lib_link l;

	lib_link_init(&l, 1);
	ASSERT_EQ(0, vdi_client_new(&l.client));
	ASSERT_EQ(0, vdi_client_create(l.client, l.name, &l.config));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, server_of_t23, &l));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, vdi_client_open_device(l.client, l.name, &l.cdev[0]));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(l.cdev[0], 0, &c));
	ASSERT_EQ(0, kill(child.pid, SIGKILL));
	EXPECT_EQ(-ECANCELED, vdi_client_get_command(l.cdev[0], -1, &c));
	ASSERT_EQ(0, vdi_client_stat(l.client, &s, sizeof(s)));
	EXPECT_EQ(VDI_REASON_SERVER_DIED, s.reason.reason);
	EXPECT_EQ(VDI_ROLE_SERVER, s.reason.who.role);
	EXPECT_EQ(child.pid, s.reason.who.pid);
	EXPECT_EQ(0, vdi_client_close(l.client));
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	lib_link_down(&l);
	vt_baseline(_metadata);
}

/* T24: serverTimeOut.  Nothing here depends on how soon an abort comes. */

#define TIMEOUT_MS	300

FIXTURE(timeout) {
	struct lib_link l;
	struct lib_call call[2];
	const struct vdi_client_command *c;
	struct vdi_set_stat s;
};

FIXTURE_SETUP(timeout)
{
	lib_link_init(&self->l, 2);
	self->l.config.server_timeout_ms = TIMEOUT_MS;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
}

FIXTURE_TEARDOWN(timeout)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static uint32_t state_after(FIXTURE_DATA(timeout) *self, unsigned int ms)
{
	poll(NULL, 0, ms);
	return vdi_client_stat(self->l.client, &self->s, sizeof(self->s)) ? ~0U : self->s.state;
}

TEST_F(timeout, t24_a_request_pends_for_two_intervals)
{
	uint64_t start;

	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	start = vt_now();
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	/* which also ends the wait of the other device */
	EXPECT_EQ(-ECANCELED, vdi_client_get_command(self->l.cdev[1], 60000, &self->c));
	EXPECT_LE(start + 2 * TIMEOUT_MS * 1000000ULL, vt_now());
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(995, self->call[0].code);
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &self->s, sizeof(self->s)));
	EXPECT_EQ(VDI_REASON_STALLED, self->s.reason.reason);
	EXPECT_LE(start + 2 * TIMEOUT_MS * 1000000ULL, self->s.reason.time_ns);
	EXPECT_NE(0, self->s.reason.text[0]);
}

TEST_F(timeout, t24_nothing_pends)
{
	EXPECT_EQ(VDI_STATE_ACTIVE, state_after(self, 6 * TIMEOUT_MS));
	/* and when the last one was answered there is nothing again */
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], self->c, 0, 0, 0));
	EXPECT_EQ(VDI_STATE_ACTIVE, state_after(self, 6 * TIMEOUT_MS));
}

/* The clock of a command starts when it is delivered. */
TEST_F(timeout, t24_queued_only)
{
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	EXPECT_EQ(VDI_STATE_ACTIVE, state_after(self, 6 * TIMEOUT_MS));
}

/* Two are delivered: the answer to one begins a new interval for the other. */
TEST(t24_an_answer_begins_the_interval_anew)
{
	const struct vdi_client_command *c[2];
	struct lib_call call[2] = {};
	struct vdi_set_stat s;
	struct lib_link l;
	unsigned int i;

	lib_link_init(&l, 2);
	l.config.server_timeout_ms = 5 * TIMEOUT_MS;
	ASSERT_EQ(0, lib_link_to(&l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&l));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, lib_send(&l, i, &call[i], VDI_CMD_FLUSH));
		ASSERT_EQ(0, vdi_client_get_command(l.cdev[i], 20000, &c[i]));
	}
	poll(NULL, 0, 6 * TIMEOUT_MS);
	ASSERT_EQ(0, vdi_client_complete_command(l.cdev[0], c[0], 0, 0, 0));
	poll(NULL, 0, 6 * TIMEOUT_MS);		/* more than twice it, in all */
	ASSERT_EQ(0, vdi_client_stat(l.client, &s, sizeof(s)));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.state);
	EXPECT_EQ(0, vdi_client_complete_command(l.cdev[1], c[1], 0, 0, 0));
	vdi_server_abort(l.server, 0, NULL);
	lib_link_down(&l);
	vt_baseline(_metadata);
}

TEST(t24_serverTimeOut_0_is_never)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};
	struct vdi_set_stat s;
	struct lib_link l;

	lib_link_init(&l, 1);
	ASSERT_EQ(0, lib_link_to(&l, LIB_ACTIVE));
	ASSERT_EQ(0, lib_send(&l, 0, &call, VDI_CMD_LOAD));
	ASSERT_EQ(0, vdi_client_get_command(l.cdev[0], 20000, &c));
	poll(NULL, 0, 6 * TIMEOUT_MS);
	ASSERT_EQ(0, vdi_client_stat(l.client, &s, sizeof(s)));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.state);
	EXPECT_EQ(0, vdi_client_complete_command(l.cdev[0], c, 0, 0, 0));
	vdi_server_abort(l.server, 0, NULL);
	lib_link_down(&l);
	vt_baseline(_metadata);
}

/* T28: 64 devices in eight processes, one thread for each device, and back. */

#define DEVICES		64
#define PROCESSES	8
#define EACH		(DEVICES / PROCESSES)
#define STREAM		(24 * 4096U)	/* bytes of each stream */
#define BUFFER		16384U

/* What is on the media, and how much of each has been read back. */
struct media {
	char name[VDI_NAME_SIZE];
	uint32_t length[DEVICES];
	uint32_t at[DEVICES];
	unsigned char data[DEVICES][STREAM];
};

/* One stream: of the server's side what it holds, else which process's thread. */
struct stream {
	struct media *media;
	struct vdi_client_device *dev;
	int index;
	int ret;
};

static uint64_t sum_of(const unsigned char *data, uint32_t length)
{
	uint64_t sum = 14695981039346656037ULL;

	while (length--)
		sum = (sum ^ *data++) * 1099511628211ULL;
	return sum;
}

/* What is in the stream of a device is nobody else's. */
static unsigned char byte_of(int device, uint32_t at)
{
	return (at * 2654435761U + device * 40503U) >> 13;
}

static uint32_t carry_out(struct media *m, int i, const struct vdi_client_command *c)
{
	uint32_t n = c->size;

	if (c->code == VDI_CMD_WRITE) {
		if (m->length[i] + n > STREAM)
			return 0;
		memcpy(m->data[i] + m->length[i], c->buffer, n);
		m->length[i] += n;
	} else if (c->code == VDI_CMD_READ) {
		if (n > m->length[i] - m->at[i])
			n = m->length[i] - m->at[i];
		memcpy(c->buffer, m->data[i] + m->at[i], n);
		m->at[i] += n;
	}
	return n;
}

static void *serve_stream(void *arg)
{
	const struct vdi_client_command *c;
	struct stream *s = arg;

	while (!(s->ret = vdi_client_get_command(s->dev, -1, &c))) {
		uint32_t n = carry_out(s->media, s->index, c);

		s->ret = vdi_client_complete_command(s->dev, c, c->code == VDI_CMD_READ && !n ?
						     VDI_CODE_HANDLE_EOF : 0, n, 0);
		if (s->ret)
			break;
	}
	return NULL;
}

static int secondary_of_t28(struct vt_child *me, void *arg)
{
	struct stream s[EACH], *first = arg;
	struct vdi_client *client;
	char name[VDI_NAME_SIZE];
	pthread_t t[EACH];
	int i;

	(void)me;
	if (vdi_client_new(&client) ||
	    vdi_client_open_secondary(client, NULL, first->media->name))
		return 1;
	for (i = 0; i < EACH; i++) {
		s[i] = (struct stream){ .media = first->media, .index = first->index + i };
		vt_device_name(name, first->media->name, s[i].index);
		if (vdi_client_open_device(client, name, &s[i].dev) ||
		    pthread_create(&t[i], NULL, serve_stream, &s[i]))
			return 2;
	}
	for (i = 0; i < EACH; i++) {
		pthread_join(t[i], NULL);
		if (s[i].ret != -ESHUTDOWN)
			return 3;
	}
	return vdi_client_close(client) ? 4 : 0;
}

FIXTURE(t28) {
	struct lib_link l;
	struct media *media;
	struct vt_child child[PROCESSES];
	struct stream first[PROCESSES];
	struct lib_call call[DEVICES];
	unsigned char *buffer[DEVICES];
	uint32_t read[DEVICES];
	uint64_t sum[DEVICES];
	unsigned char *got;
};

FIXTURE_SETUP(t28)
{
	self->media = mmap(NULL, sizeof(*self->media), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->media);
	self->got = malloc(DEVICES * STREAM);
	ASSERT_NE(NULL, self->got);
}

FIXTURE_TEARDOWN(t28)
{
	free(self->got);
	vt_baseline(_metadata);
}

/* The primary is here, with no device of its own, as is the server. */
static void begin(struct __test_metadata *_metadata, FIXTURE_DATA(t28) *self, uint32_t media)
{
	int i;

	lib_link_init(&self->l, DEVICES);
	strcpy(self->media->name, self->l.name);
	self->l.begin.features = media;
	self->l.buffers = DEVICES;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_INITIALIZING));
	ASSERT_TRUE(lib_agent_start(&self->l));
	for (i = 0; i < PROCESSES; i++) {
		self->first[i] = (struct stream){ .media = self->media, .index = i * EACH };
		ASSERT_TRUE(vt_start(&self->child[i], VT_ROOT, VT_ROOT, secondary_of_t28,
				     &self->first[i]));
	}
	for (i = 0; i < DEVICES; i++)
		ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, (void **)&self->buffer[i],
						     BUFFER, 0));
}

static void end(struct __test_metadata *_metadata, FIXTURE_DATA(t28) *self)
{
	int i;

	for (i = 0; i < DEVICES; i++)
		ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[i]));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	for (i = 0; i < PROCESSES; i++)
		EXPECT_EQ(0, vt_finish(&self->child[i]));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	EXPECT_EQ(0, vdi_server_close(self->l.server));
	lib_link_down(&self->l);
}

/* One command to each device at once; their sizes differ. */
static void round_of(struct __test_metadata *_metadata, FIXTURE_DATA(t28) *self, uint32_t code,
		     const uint32_t *size)
{
	struct vdi_server_command *c;
	int i;

	for (i = 0; i < DEVICES; i++) {
		c = lib_command(&self->call[i], code);
		c->buffer = self->buffer[i];
		c->size = size[i];
		if (size[i])
			ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[i], c));
	}
	for (i = 0; i < DEVICES; i++)
		if (size[i])
			ASSERT_TRUE(lib_called(&self->call[i]));
}

static void write_streams(struct __test_metadata *_metadata, FIXTURE_DATA(t28) *self)
{
	uint32_t at[DEVICES] = {}, size[DEVICES], n;
	bool more = true;
	int i;

	while (more) {
		more = false;
		for (i = 0; i < DEVICES; i++) {
			/* the streams end at different places */
			size[i] = 512 * (1 + (at[i] / 512 + 7 * i) % 31);
			if (at[i] + size[i] > STREAM - 1024 * i)
				size[i] = 0;
			for (n = 0; n < size[i]; n++)
				self->buffer[i][n] = byte_of(i, at[i] + n);
			at[i] += size[i];
			more = more || size[i];
		}
		round_of(_metadata, self, VDI_CMD_WRITE, size);
		for (i = 0; i < DEVICES; i++)
			if (size[i])
				ASSERT_EQ(size[i], self->call[i].command.bytes_transferred);
	}
	for (i = 0; i < DEVICES; i++) {
		EXPECT_EQ(at[i], self->media->length[i]);
		self->read[i] = 0;
		for (n = 0; n < at[i]; n++)
			self->got[n] = byte_of(i, n);
		self->sum[i] = sum_of(self->got, at[i]);
		EXPECT_EQ(self->sum[i], sum_of(self->media->data[i], at[i]));
	}
}

/* Reads in sizes other than those that were written. */
static void read_streams(struct __test_metadata *_metadata, FIXTURE_DATA(t28) *self)
{
	uint32_t size[DEVICES];
	bool eof[DEVICES] = {};
	bool more = true;
	int i;

	while (more) {
		more = false;
		for (i = 0; i < DEVICES; i++)
			size[i] = eof[i] ? 0 : 512 * (1 + (self->read[i] / 512 + 3 * i) % 29);
		round_of(_metadata, self, VDI_CMD_READ, size);
		for (i = 0; i < DEVICES; i++) {
			uint32_t n = self->call[i].command.bytes_transferred;

			if (!size[i])
				continue;
			memcpy(self->got + i * STREAM + self->read[i], self->buffer[i], n);
			self->read[i] += n;
			eof[i] = self->call[i].code != 0;
			more = true;
			if (eof[i])
				EXPECT_EQ(VDI_CODE_HANDLE_EOF, self->call[i].code);
		}
	}
}

TEST_F(t28, t28_64_devices_in_eight_processes)
{
	int i;

	begin(_metadata, self, VDI_FEAT_WRITE_MEDIA);
	write_streams(_metadata, self);
	end(_metadata, self);
	begin(_metadata, self, VDI_FEAT_READ_MEDIA);
	read_streams(_metadata, self);
	end(_metadata, self);
	for (i = 0; i < DEVICES; i++) {
		EXPECT_EQ(self->media->length[i], self->read[i]);
		EXPECT_EQ(self->sum[i], sum_of(self->got + i * STREAM, self->read[i])) {
			TH_LOG("stream %d is another one", i);
		}
		EXPECT_NE(self->sum[i], self->sum[(i + 1) % DEVICES]);
	}
}

TEST_HARNESS_MAIN
