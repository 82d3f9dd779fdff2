// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completions that are refused change nothing: not the state and counters of the
 * set, not those of its devices, and no command.  Through the ioctls and through
 * libvdi.  Which completions are refused is command_test's in more detail.
 */
#include "liblink.h"
#include "link.h"

/* All that both sides can see, but for the counts of calls and of what was refused. */
struct view {
	struct vdi_status set[2];
	struct vdi_device_status device[4];
};

static void look_set(struct __test_metadata *_metadata, int fd, struct vdi_status *s)
{
	ASSERT_EQ(0, vt_status(fd, s));
	s->out_stat.exchanges = 0;
}

static void look_device(struct __test_metadata *_metadata, int fd, struct vdi_device_status *s)
{
	*s = VT_INIT(vdi_device_status);
	ASSERT_EQ(0, vt_call(fd, VDI_IOC_DEVICE_STATUS, s));
	s->out_refused = 0;
}

/* Through the ioctls: a Write on device 1, which the client has. */
FIXTURE(ioctls) {
	struct vt_link l;
	struct vdi_command got;
	struct view before, after;
};

static void look(struct __test_metadata *_metadata, struct vt_link *l, struct view *v)
{
	int i;

	memset(v, 0, sizeof(*v));
	look_set(_metadata, l->client, &v->set[0]);
	look_set(_metadata, l->server, &v->set[1]);
	for (i = 0; i < 2; i++) {
		look_device(_metadata, l->cdev[i], &v->device[2 * i]);
		look_device(_metadata, l->sdev[i], &v->device[2 * i + 1]);
	}
}

FIXTURE_SETUP(ioctls)
{
	struct vdi_command c = { .device = 1, .code = VDI_CMD_WRITE, .length = 4096, .id = 9 };
	struct vdi_completion done;

	vt_link_init(&self->l, 2);
	ASSERT_EQ(0, vt_link_up(&self->l));
	c.offset = self->l.offset;
	/* an earlier use of the slots, whose ids are stale below */
	ASSERT_EQ(0, vt_put(self->l.sdev[1], &c, 1, NULL));
	ASSERT_EQ(0, vt_get(self->l.cdev[1], &self->got, 0));
	ASSERT_EQ(0, vt_complete(self->l.cdev[1], 1, self->got.id, 0, 4096));
	ASSERT_EQ(0, vt_collect(self->l.sdev[1], &done, 0));
}

FIXTURE_TEARDOWN(ioctls)
{
	vt_baseline(_metadata);
}

/* Sends and takes commands until one is in the slot of @id, if any ever is. */
static int use_slot_again(struct vt_link *l, uint64_t id, struct vdi_command *got)
{
	struct vdi_command c = { .device = 1, .code = VDI_CMD_WRITE, .length = 4096,
				 .offset = l->offset };
	struct vdi_completion done;
	int i, err = 0;

	for (i = 0; i < 200 && !err; i++) {
		err = vt_put(l->sdev[1], &c, 1, NULL) ?: vt_get(l->cdev[1], got, 0);
		if (err || (uint16_t)got->id == (uint16_t)id)
			return err;
		err = vt_complete(l->cdev[1], 1, got->id, 0, 0) ?:
		      vt_collect(l->sdev[1], &done, 0);
	}
	return err ?: -1;
}

TEST_F(ioctls, refused_completions_change_nothing)
{
	uint64_t stale = self->got.id;
	struct vdi_command got, other;
	unsigned int i;
	struct {
		const char *what;
		int fd;
		struct vdi_completion c;
		int err;
	} t[] = {
		{ "unknown id", self->l.cdev[1], { .device = 1, .id = ~0ULL }, EINVAL },
		{ "id 0", self->l.cdev[1], { .device = 1 }, EINVAL },
		{ "stale id", self->l.cdev[1], { .device = 1, .id = stale }, EINVAL },
		{ "stale id, failing", self->l.client,
		  { .device = 1, .id = stale, .code = 112 }, EINVAL },
		{ "another device's id", self->l.cdev[0], { .device = 0 }, EINVAL },
		{ "another device's id by the set", self->l.client, { .device = 0 }, EINVAL },
		{ "the server's word", self->l.cdev[1], { .device = 1, .id = 9 }, EINVAL },
		{ "too many bytes", self->l.cdev[1], { .device = 1, .result = 4097 }, EINVAL },
		{ "too many bytes, failing", self->l.cdev[1],
		  { .device = 1, .result = ~0ULL, .code = 5 }, EINVAL },
		{ "a kind", self->l.cdev[1], { .device = 1, .kind = 2 }, EINVAL },
		{ "a reserved word", self->l.cdev[1], { .device = 1, .__reserved = 1 }, EINVAL },
		{ "a device that is none", self->l.client, { .device = 64 }, EINVAL },
	};

	ASSERT_EQ(0, use_slot_again(&self->l, stale, &got));
	/* the other device has one out, too */
	ASSERT_EQ(0, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 3));
	ASSERT_EQ(0, vt_get(self->l.cdev[0], &other, 0));
	look(_metadata, &self->l, &self->before);
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		if (i >= 4 && t[i].c.id == 0 && t[i].c.device != 64)
			t[i].c.id = got.id;
		EXPECT_EQ(t[i].err, vt_put(t[i].fd, &t[i].c, 1, NULL)) {
			TH_LOG("%s", t[i].what);
		}
		look(_metadata, &self->l, &self->after);
		EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before))) {
			TH_LOG("%s changed something", t[i].what);
		}
	}
	/* and both commands can still be completed, once */
	EXPECT_EQ(0, vt_complete(self->l.cdev[1], 1, got.id, 0, 4096));
	EXPECT_EQ(0, vt_complete(self->l.cdev[0], 0, other.id, 0, 0));
	look(_metadata, &self->l, &self->before);
	EXPECT_NE(0, memcmp(&self->before, &self->after, sizeof(self->before)));
	EXPECT_EQ(EINVAL, vt_complete(self->l.cdev[1], 1, got.id, 112, 0));
	EXPECT_EQ(EINVAL, vt_complete(self->l.client, 0, other.id, 0, 0));
	look(_metadata, &self->l, &self->after);
	EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before)));
}

/* Commands that are refused change nothing either. */
TEST_F(ioctls, refused_commands_change_nothing)
{
	struct vdi_command bad[] = {
		{ .device = 1 },
		{ .device = 1, .code = VDI_CMD_FLUSH, .kind = 1 },
		{ .device = 1, .code = VDI_CMD_FLUSH, .offset = 4096 },
		{ .device = 1, .code = VDI_CMD_WRITE, .offset = self->l.offset },
		{ .device = 1, .code = VDI_CMD_WRITE, .length = -1, .offset = self->l.offset },
		{ .device = 1, .code = VDI_CMD_READ, .length = 512, .offset = ~0ULL },
		{ .device = 0, .code = VDI_CMD_FLUSH },
		{ .device = 1, .code = VDI_CMD_CLEAR_ERROR },
	};
	struct vdi_command c;
	unsigned int i;

	look(_metadata, &self->l, &self->before);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(bad[i].code == VDI_CMD_CLEAR_ERROR ? EPROTO : EINVAL,
			  vt_put(self->l.sdev[1], &bad[i], 1, NULL)) {
			TH_LOG("command %u", i);
		}
		look(_metadata, &self->l, &self->after);
		EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before))) {
			TH_LOG("command %u changed something", i);
		}
	}
	EXPECT_EQ(ETIMEDOUT, vt_get(self->l.cdev[1], &c, 0));
}

/* Through libvdi, where the token is a pointer. */
FIXTURE(lib) {
	struct lib_link l;
	struct lib_call call[4];
	struct view before, after;
};

static void lib_look(struct __test_metadata *_metadata, struct lib_link *l, struct view *v)
{
	int i;

	memset(v, 0, sizeof(*v));
	look_set(_metadata, vdi_client_fd(l->client), &v->set[0]);
	look_set(_metadata, vdi_server_fd(l->server), &v->set[1]);
	for (i = 0; i < 2; i++) {
		look_device(_metadata, vdi_client_device_fd(l->cdev[i]), &v->device[2 * i]);
		look_device(_metadata, vdi_server_device_fd(l->sdev[i]), &v->device[2 * i + 1]);
	}
}

FIXTURE_SETUP(lib)
{
	lib_link_init(&self->l, 2);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
}

FIXTURE_TEARDOWN(lib)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(lib, refused_completions_change_nothing)
{
	const struct vdi_client_command *c, *other, *twice, *last;
	struct vdi_client_command forged;
	void *buffer;
	int i;

	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 4096, 0));
	lib_command(&self->call[0], VDI_CMD_WRITE)->buffer = buffer;
	self->call[0].command.size = 4096;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[1], &self->call[0].command));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[1], VDI_CMD_FLUSH));
	ASSERT_EQ(0, lib_send(&self->l, 1, &self->call[2], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[1], 0, &c));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 0, &other));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[1], 0, &twice));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[1], twice, 0, 0, 0));
	forged = *c;
	last = c + 1;
	lib_look(_metadata, &self->l, &self->before);
	struct {
		const char *what;
		struct vdi_client_device *dev;
		const struct vdi_client_command *c;
		uint32_t bytes;
	} t[] = {
		{ "completed already", self->l.cdev[1], twice, 0 },
		{ "another device's", self->l.cdev[0], c, 0 },
		{ "another device's", self->l.cdev[1], other, 0 },
		{ "a copy", self->l.cdev[1], &forged, 0 },
		{ "beside a command", self->l.cdev[1], last, 0 },
		{ "inside a command", self->l.cdev[1], (const void *)((const char *)c + 4), 0 },
		{ "too many bytes", self->l.cdev[1], c, 4097 },
		{ "far too many bytes", self->l.cdev[1], c, ~0U },
	};
	for (i = 0; i < (int)ARRAY_SIZE(t); i++) {
		EXPECT_EQ(-EINVAL, vdi_client_complete_command(t[i].dev, t[i].c, i % 2 ? 112 : 0,
							       t[i].bytes, 0)) {
			TH_LOG("%s", t[i].what);
		}
		lib_look(_metadata, &self->l, &self->after);
		EXPECT_EQ(0, memcmp(&self->before, &self->after, sizeof(self->before))) {
			TH_LOG("%s changed something", t[i].what);
		}
	}
	ASSERT_TRUE(lib_agent_start(&self->l));
	EXPECT_EQ(0, vdi_client_complete_command(self->l.cdev[1], c, 0, 4096, 0));
	EXPECT_EQ(0, vdi_client_complete_command(self->l.cdev[0], other, 0, 0, 0));
	for (i = 0; i < 3; i++) {
		ASSERT_TRUE(lib_called(&self->call[i]));
		EXPECT_EQ(0, self->call[i].code);
	}
	EXPECT_EQ(4096, self->call[0].command.bytes_transferred);
}

/* A token that was given out before, when its command is long over. */
TEST_F(lib, stale_token)
{
	const struct vdi_client_command *first, *c;
	int i;

	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &first));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], first, 0, 0, 0));
	ASSERT_TRUE(lib_called(&self->call[0]));
	for (i = 0; i < 100; i++) {
		ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[1], VDI_CMD_FLUSH));
		ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
		EXPECT_NE(first, c);
		EXPECT_EQ(-EINVAL, vdi_client_complete_command(self->l.cdev[0], first, 5, 0, 0));
		EXPECT_EQ(0, atomic_load(&self->call[1].calls));
		ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 0, 0));
		ASSERT_TRUE(lib_called(&self->call[1]));
		EXPECT_EQ(0, self->call[1].code);
	}
}

/* Every order of four completions; each callback is that command's. */
TEST_F(lib, completion_in_any_order)
{
	static const uint32_t codes[] = { VDI_CMD_FLUSH, VDI_CMD_REWIND, VDI_CMD_WRITE_MARK,
					  VDI_CMD_DISCARD };
	const struct vdi_client_command *c[4];
	int order, i, n, left[4];

	ASSERT_TRUE(lib_agent_start(&self->l));
	for (order = 0; order < 24; order++) {
		for (i = 0; i < 4; i++) {
			ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[i], codes[i]));
			ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c[i]));
			EXPECT_EQ(codes[i], c[i]->code);
			left[i] = i;
		}
		for (n = 4, i = order; n; i /= n, n--) {
			int pick = left[i % n];

			left[i % n] = left[n - 1];
			ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c[pick],
								 0, 0, 0));
			ASSERT_TRUE(lib_called(&self->call[pick]));
		}
		for (i = 0; i < 4; i++)
			EXPECT_EQ(1, atomic_load(&self->call[i].calls));
	}
}

TEST_HARNESS_MAIN
