// SPDX-License-Identifier: GPL-2.0-only
/*
 * Secondary clients, each in a process of its own, through libvdi: joining by
 * name, their devices, handles of buffers, closing one by one, and dying.  Which
 * errors the ioctl gives is open_test's, the table of deaths abort_death_test's.
 * T21, T22 and a part of T23 of the specification's checklist are here.
 */
#include <sys/mman.h>

#include "liblink.h"

#define SECONDARIES	3

/* What the processes share. */
struct shared {
	char name[VDI_NAME_SIZE];
	uint32_t handle;
	int err[SECONDARIES];
	uint32_t bytes[SECONDARIES];
	unsigned char seen[SECONDARIES];
};

/* What a secondary does when it is told so, by one byte. */
enum order { JOIN = 1, OPEN, CONFIG, SERVE_ONE, FETCH, MAP, HANDLE, END, CLOSE };

struct secondary {
	int index;
	struct shared *shared;
	struct vdi_client *client;
	struct vdi_client_device *dev;
	const struct vdi_client_command *c;
};

/* secondaries: a primary client with none of the devices, the server, and them. */
FIXTURE(secondaries) {
	struct lib_link l;
	struct shared *shared;
	struct secondary state[SECONDARIES];
	struct vt_child child[SECONDARIES];
	struct lib_call call[SECONDARIES];
	void *buffer;
};

static int names_buffer(struct secondary *s)
{
	return vdi_client_get_buffer_handle(s->client, s->c->buffer, &s->shared->handle);
}

static int maps_buffer(struct secondary *s)
{
	unsigned char *p;
	int err = vdi_client_map_buffer_handle(s->client, s->shared->handle, (void **)&p);

	if (!err) {
		s->shared->seen[s->index] = p[100];
		p[100]++;
	}
	return err;
}

static int serves_one(struct secondary *s)
{
	int err = s->c ? 0 : vdi_client_get_command(s->dev, 20000, &s->c);
	const struct vdi_client_command *c = s->c;

	if (err)
		return err;
	s->c = NULL;
	s->shared->bytes[s->index] += c->size;
	return vdi_client_complete_command(s->dev, c, 0, c->size, 0);
}

static int obeys(struct secondary *s, enum order order)
{
	struct vdi_config config;
	char name[VDI_NAME_SIZE];

	switch (order) {
	case JOIN:
		return vdi_client_open_secondary(s->client, NULL, s->shared->name);
	case OPEN:
		vt_device_name(name, s->shared->name, s->index);
		return vdi_client_open_device(s->client, name, &s->dev);
	case CONFIG:
		return vdi_client_get_config(s->client, -1, &config);
	case SERVE_ONE:
		return serves_one(s);
	case FETCH:
		return vdi_client_get_command(s->dev, 20000, &s->c);
	case HANDLE:
		return names_buffer(s);
	case MAP:
		return maps_buffer(s);
	case END:
		return vdi_client_get_command(s->dev, 20000, &s->c);
	case CLOSE:
		return vdi_client_close(s->client);
	}
	return -1;
}

static int secondary_main(struct vt_child *me, void *arg)
{
	struct secondary *s = arg;
	unsigned char order;

	if (vdi_client_new(&s->client))
		return 1;
	while (read(me->from, &order, 1) == 1) {
		s->shared->err[s->index] = obeys(s, order);
		if (!vt_tell(me, order))
			break;
	}
	return 0;
}

/* Has one do it: what it got. */
static int tell(FIXTURE_DATA(secondaries) *self, int i, enum order order)
{
	if (!vt_tell(&self->child[i], order) || vt_hear(&self->child[i]) != (int)order)
		return -1;
	return self->shared->err[i];
}

FIXTURE_SETUP(secondaries)
{
	int i;

	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->shared);
	lib_link_init(&self->l, SECONDARIES);
	strcpy(self->shared->name, self->l.name);
	for (i = 0; i < SECONDARIES; i++) {
		self->state[i] = (struct secondary){ .index = i, .shared = self->shared };
		ASSERT_TRUE(vt_start(&self->child[i], VT_ROOT, VT_ROOT, secondary_main,
				     &self->state[i]));
	}
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONFIGURABLE));
}

FIXTURE_TEARDOWN(secondaries)
{
	int i;

	for (i = 0; i < SECONDARIES; i++) {
		kill(self->child[i].pid, SIGKILL);
		waitpid(self->child[i].pid, NULL, 0);
	}
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

/* From Configurable to Active, with one device in each secondary. */
static void all_join(struct __test_metadata *_metadata, FIXTURE_DATA(secondaries) *self)
{
	int i;

	ASSERT_EQ(0, vdi_server_request_buffers(self->l.server, VT_TRANSFER, 0, SECONDARIES));
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	ASSERT_EQ(0, lib_open_devices(&self->l, false));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, 4096, 0));
	for (i = 0; i < SECONDARIES; i++) {
		ASSERT_EQ(0, tell(self, i, JOIN));
		ASSERT_EQ(0, tell(self, i, OPEN));
		ASSERT_EQ(0, tell(self, i, CONFIG));
	}
}

static int send_write(FIXTURE_DATA(secondaries) *self, int i)
{
	struct vdi_server_command *c = lib_command(&self->call[i], VDI_CMD_WRITE);

	c->buffer = self->buffer;
	c->size = 4096;
	return vdi_server_send_command(self->l.sdev[i], c);
}

static uint32_t set_state(FIXTURE_DATA(secondaries) *self)
{
	struct vdi_set_stat s;

	return vdi_server_stat(self->l.server, &s, sizeof(s)) ? ~0U : s.state;
}

/* The first half: the primary has created, the server has not configured. */
TEST_F(secondaries, t22_join_before_the_configuration_VD_E_PROTOCOL)
{
	struct vdi_client *before;

	EXPECT_EQ(-EPROTO, tell(self, 0, JOIN));
	EXPECT_EQ(VDI_STATE_CONFIGURING, set_state(self));
	/* before there is a server, and a set that there is not at all */
	ASSERT_EQ(0, vdi_client_new(&before));
	strcpy(self->shared->name, "no-such-set");
	EXPECT_EQ(-ENOENT, tell(self, 1, JOIN));
	EXPECT_STREQ("VD_E_INVALID", vdi_error_name(-ENOENT));
	strcpy(self->shared->name, "only-created");
	ASSERT_EQ(0, vdi_client_create(before, self->shared->name, &self->l.config));
	EXPECT_EQ(-EPROTO, tell(self, 1, JOIN));
	vdi_client_free(before);
	/* refused, it may try again */
	strcpy(self->shared->name, self->l.name);
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	EXPECT_EQ(0, tell(self, 0, JOIN));
	EXPECT_EQ(-EPROTO, tell(self, 0, JOIN));
}

/* Case counts, and what is open already is not opened again. */
TEST_F(secondaries, names)
{
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	self->shared->name[0] = 'V';
	EXPECT_EQ(-ENOENT, tell(self, 0, JOIN));
	strcpy(self->shared->name, self->l.name);
	EXPECT_EQ(0, tell(self, 0, JOIN));
	EXPECT_EQ(0, tell(self, 0, OPEN));
	EXPECT_EQ(-EPROTO, tell(self, 0, OPEN));
}

/*
 * A buffer that one process has is named to the others, who see and change
 * the same memory.  The one that fetched the command completes it.
 */
TEST_F(secondaries, t21_buffer_handles)
{
	void *local = (void *)1;
	unsigned char *data;
	int i;

	all_join(_metadata, self);
	data = self->buffer;
	data[100] = 40;
	ASSERT_EQ(0, send_write(self, 0));
	ASSERT_EQ(0, tell(self, 0, FETCH));
	ASSERT_EQ(0, tell(self, 0, HANDLE));
	EXPECT_NE(0, self->shared->handle);
	EXPECT_EQ(0, self->shared->handle >> 31);
	for (i = 0; i < SECONDARIES; i++) {
		ASSERT_EQ(0, tell(self, i, MAP));
		EXPECT_EQ(40 + i, self->shared->seen[i]);
	}
	EXPECT_EQ(40 + SECONDARIES, data[100]);
	/* in the primary too */
	ASSERT_EQ(0, vdi_client_map_buffer_handle(self->l.client, self->shared->handle, &local));
	EXPECT_EQ(40 + SECONDARIES, ((unsigned char *)local)[100]);
	ASSERT_EQ(0, tell(self, 0, SERVE_ONE));
	ASSERT_TRUE(lib_called(&self->call[0]));
	/* the mapping stays until Close, whatever becomes of the set */
	ASSERT_EQ(0, vdi_server_abort(self->l.server, 0, NULL));
	EXPECT_EQ(40 + SECONDARIES, ((unsigned char *)local)[100]);
}

/* A handle that is none, that is of another set, and one without any set. */
TEST_F(secondaries, t21_bad_handles_VD_E_INVALID)
{
	static const uint32_t bad[] = { 0, 1, 2, 511, 0x40000000, 0x7fffffff, 0x80000000, ~0U };
	struct vdi_client *unbound;
	uint32_t handle, theirs;
	struct lib_link other;
	void *p = (void *)1;
	unsigned int i;

	all_join(_metadata, self);
	ASSERT_EQ(0, send_write(self, 0));
	ASSERT_EQ(0, tell(self, 0, FETCH));
	ASSERT_EQ(0, tell(self, 0, HANDLE));
	handle = self->shared->handle;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		self->shared->handle = bad[i];
		EXPECT_EQ(-EINVAL, tell(self, 1, MAP)) {
			TH_LOG("handle 0x%x", bad[i]);
		}
		EXPECT_EQ(-EINVAL, vdi_client_map_buffer_handle(self->l.client, bad[i], &p));
		EXPECT_EQ((void *)1, p);
	}
	/* another set with the same layout: of the same buffer there, another handle */
	lib_link_init(&other, 1);
	other.buffers = SECONDARIES;
	ASSERT_EQ(0, lib_link_to(&other, LIB_ACTIVE));
	EXPECT_EQ(-EINVAL, vdi_client_map_buffer_handle(other.client, handle, &p));
	ASSERT_EQ(0, vdi_client_buffer(other.client, 0, &p));
	ASSERT_EQ(0, vdi_client_get_buffer_handle(other.client, p, &theirs));
	EXPECT_EQ(-EINVAL, vdi_client_map_buffer_handle(self->l.client, theirs, &p));
	EXPECT_EQ(0, vdi_client_map_buffer_handle(other.client, theirs, &p));
	lib_link_down(&other);
	/* no set, whatever the handle */
	ASSERT_EQ(0, vdi_client_new(&unbound));
	EXPECT_EQ(-EPROTO, vdi_client_map_buffer_handle(unbound, handle, &p));
	EXPECT_EQ(-EPROTO, vdi_client_map_buffer_handle(unbound, 0, &p));
	EXPECT_EQ(-EPROTO, vdi_client_get_buffer_handle(unbound, p, &theirs));
	vdi_client_free(unbound);
	self->shared->handle = handle;
	EXPECT_EQ(0, tell(self, 1, MAP));
}

/* The second half: they end one by one, the others go on, the primary closes last. */
TEST_F(secondaries, t22_close_one_by_one)
{
	int i, j;

	all_join(_metadata, self);
	for (i = 0; i < SECONDARIES; i++) {
		for (j = i; j < SECONDARIES; j++) {
			ASSERT_EQ(0, send_write(self, j));
			ASSERT_EQ(0, tell(self, j, SERVE_ONE));
			ASSERT_TRUE(lib_called(&self->call[j]));
			EXPECT_EQ(0, self->call[j].code);
		}
		ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[i]));
		ASSERT_EQ(-ESHUTDOWN, tell(self, i, END));
		EXPECT_EQ(0, tell(self, i, CLOSE));
		EXPECT_EQ(i == SECONDARIES - 1 ? VDI_STATE_TERMINATED : VDI_STATE_ACTIVE,
			  set_state(self));
		/* and after Close it may even end */
		ASSERT_EQ(0, kill(self->child[i].pid, SIGKILL));
	}
	for (i = 0; i < SECONDARIES; i++)
		EXPECT_EQ(4096 * (i + 1), self->shared->bytes[i]);
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	EXPECT_EQ(VDI_STATE_TERMINATED, set_state(self));
	EXPECT_EQ(0, vdi_server_close(self->l.server));
}

/* With its device open a secondary's Close is an abort: 3.5. */
TEST_F(secondaries, close_with_a_device_open_VD_E_OPEN)
{
	all_join(_metadata, self);
	EXPECT_EQ(-EBUSY, tell(self, 1, CLOSE));
	EXPECT_EQ(VDI_STATE_ABORTED, set_state(self));
	EXPECT_EQ(-ECANCELED, tell(self, 0, END));
	EXPECT_EQ(0, tell(self, 0, CLOSE));
}

/* Death with a device open aborts the set, and everybody reads who it was. */
TEST_F(secondaries, t23_death_with_a_device_open_aborts)
{
	struct vdi_set_stat s[2];
	int i;

	all_join(_metadata, self);
	ASSERT_EQ(0, send_write(self, 0));
	ASSERT_EQ(0, send_write(self, 2));
	ASSERT_EQ(0, tell(self, 2, FETCH));
	ASSERT_EQ(0, kill(self->child[2].pid, SIGKILL));
	ASSERT_TRUE(lib_called(&self->call[0]));
	ASSERT_TRUE(lib_called(&self->call[2]));
	EXPECT_EQ(995, self->call[0].code);
	EXPECT_EQ(995, self->call[2].code);
	ASSERT_TRUE(lib_agent_ends(&self->l));
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &s[0], sizeof(s[0])));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, &s[1], sizeof(s[1])));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(VDI_STATE_ABORTED, s[i].state);
		EXPECT_EQ(VDI_REASON_CLIENT_DIED, s[i].reason.reason);
		EXPECT_EQ(VDI_ROLE_SECONDARY, s[i].reason.who.role);
		EXPECT_EQ(self->child[2].pid, s[i].reason.who.pid);
		EXPECT_EQ(0, s[i].reason.who.uid);
		EXPECT_NE(0, s[i].reason.text[0]);
	}
	EXPECT_EQ(-ECANCELED, tell(self, 0, END));
	EXPECT_EQ(-ECANCELED, tell(self, 1, END));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
}

/* Death without one does not: joined only, and after its VD_E_CLOSE. */
TEST_F(secondaries, t23_death_without_a_device_disturbs_nobody)
{
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	ASSERT_EQ(0, tell(self, 2, JOIN));
	ASSERT_EQ(0, kill(self->child[2].pid, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, vt_finish(&self->child[2]));
	ASSERT_TRUE(vt_start(&self->child[2], VT_ROOT, VT_ROOT, secondary_main, &self->state[2]));
	EXPECT_EQ(VDI_STATE_INITIALIZING, set_state(self));
	ASSERT_EQ(0, vdi_server_request_buffers(self->l.server, 4096, 0, 1));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, 4096, 0));
	ASSERT_EQ(0, lib_open_devices(&self->l, false));
	ASSERT_TRUE(lib_agent_start(&self->l));
	for (int i = 0; i < SECONDARIES; i++) {
		ASSERT_EQ(0, tell(self, i, JOIN));
		ASSERT_EQ(0, tell(self, i, OPEN));
	}
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	ASSERT_EQ(-ESHUTDOWN, tell(self, 1, END));
	ASSERT_EQ(0, kill(self->child[1].pid, SIGKILL));
	ASSERT_EQ(256 + SIGKILL, vt_finish(&self->child[1]));
	ASSERT_TRUE(vt_start(&self->child[1], VT_ROOT, VT_ROOT, secondary_main, &self->state[1]));
	EXPECT_EQ(VDI_STATE_ACTIVE, set_state(self));
	ASSERT_EQ(0, send_write(self, 0));
	ASSERT_EQ(0, tell(self, 0, SERVE_ONE));
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(0, self->call[0].code);
}

TEST_HARNESS_MAIN
