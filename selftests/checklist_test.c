// SPDX-License-Identifier: GPL-2.0-only
/*
 * The specification's checklist, section 15: each statement a test with its
 * number, through libvdi in one process.  Those about buffers, T19, T20, T25 and
 * T26, are in checklist_buffer_test.c, T21 and T22 in secondary_test.c, T23, T24
 * and T28 in checklist_peer_test.c.  The noun's own tests go into each deeper.
 */
#include "liblink.h"

FIXTURE(checklist) {
	struct lib_link l;
	struct lib_call call[64];
	const struct vdi_client_command *c;
	struct vdi_config config;
};

FIXTURE_SETUP(checklist)
{
	lib_link_init(&self->l, 2);
}

FIXTURE_TEARDOWN(checklist)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static uint32_t state_of(struct lib_link *l)
{
	struct vdi_set_stat s;

	return vdi_client_stat(l->client, &s, sizeof(s)) ? ~0U : s.state;
}

static int answer(struct lib_link *l, int device, uint32_t code)
{
	const struct vdi_client_command *c;

	return vdi_client_get_command(l->cdev[device], 20000, &c) ?:
	       vdi_client_complete_command(l->cdev[device], c, code, 0, 0);
}

/* A call of the client's in a thread, to see that it waits and what wakes it. */
struct waiter {
	struct lib_link *l;
	struct vdi_client_device *dev;	/* NULL: GetConfiguration */
	pthread_t thread;
	atomic_int tid;
	atomic_bool done;
	int ret;
};

static void *waits(void *arg)
{
	const struct vdi_client_command *c;
	struct vdi_config config;
	struct waiter *w = arg;

	atomic_store(&w->tid, syscall(SYS_gettid));
	w->ret = w->dev ? vdi_client_get_command(w->dev, -1, &c) :
			  vdi_client_get_config(w->l->client, -1, &config);
	atomic_store(&w->done, true);
	return NULL;
}

static bool starts_to_wait(struct waiter *w)
{
	return !pthread_create(&w->thread, NULL, waits, w) && VT_UNTIL(atomic_load(&w->tid)) &&
	       vt_asleep(atomic_load(&w->tid)) && !atomic_load(&w->done);
}

static bool wakes(struct waiter *w)
{
	return VT_UNTIL(atomic_load(&w->done)) && !pthread_join(w->thread, NULL);
}

TEST_F(checklist, t01_create_twice_VD_E_PROTOCOL)
{
	char name[VDI_NAME_SIZE];

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	vt_name(name);
	EXPECT_EQ(-EPROTO, vdi_client_create(self->l.client, name, &self->l.config));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, state_of(&self->l));
}

TEST_F(checklist, t02_before_create_VD_E_PROTOCOL)
{
	struct vdi_client_device *dev = (void *)1;
	struct vdi_completion done = {};
	struct vdi_command command;
	struct vdi_batch batch = { .min = 1 };
	struct vdi_set_stat stat;
	struct vdi_client *c;
	uint32_t handle;
	void *p;

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	c = self->l.client;
	EXPECT_EQ(-EPROTO, vdi_client_get_config(c, -1, &self->config));
	EXPECT_EQ(-EPROTO, vdi_client_open_device(c, self->l.name, &dev));
	EXPECT_EQ(NULL, dev);
	EXPECT_EQ(-EPROTO, vdi_client_abort(c, 0, NULL));
	EXPECT_EQ(-EPROTO, vdi_client_close(c));
	EXPECT_EQ(-EPROTO, vdi_client_get_buffer_handle(c, &handle, &handle));
	EXPECT_EQ(-EPROTO, vdi_client_map_buffer_handle(c, 1, &p));
	EXPECT_EQ(-EPROTO, vdi_client_stat(c, &stat, sizeof(stat)));
	/* GetCommand and CompleteCommand, where no device can be */
	EXPECT_EQ(-EPROTO, vdi_client_exchange(c, NULL, 0, &command, 1, -1, &batch));
	batch.min = 0;
	EXPECT_EQ(-EPROTO, vdi_client_exchange(c, &done, 1, NULL, 0, 0, &batch));
}

TEST_F(checklist, t03_device_count_VD_E_NOTSUPPORTED)
{
	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	self->l.config.device_count = 0;
	EXPECT_EQ(-EOPNOTSUPP, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	self->l.config.device_count = 65;
	EXPECT_EQ(-EOPNOTSUPP, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	EXPECT_STREQ("VD_E_NOTSUPPORTED", vdi_error_name(-EOPNOTSUPP));
	self->l.config.device_count = 64;
	EXPECT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
}

TEST_F(checklist, t04_get_configuration_times_out)
{
	uint64_t start;

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	memset(&self->config, VT_POISON, sizeof(self->config));
	start = vt_now();
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_config(self->l.client, 50, &self->config));
	EXPECT_LE(start + 50000000, vt_now());
	EXPECT_TRUE(vt_poisoned(&self->config, sizeof(self->config)));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, state_of(&self->l));
	ASSERT_EQ(0, vdi_server_new(&self->l.server));
	ASSERT_EQ(0, vdi_server_open(self->l.server, NULL, self->l.name));
	ASSERT_EQ(0, lib_configure(&self->l));
	EXPECT_EQ(0, vdi_client_get_config(self->l.client, 50, &self->config));
}

TEST_F(checklist, t05_signal_abort_wakes_get_configuration)
{
	struct waiter w = { .l = &self->l };

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	ASSERT_TRUE(starts_to_wait(&w));
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	ASSERT_TRUE(wakes(&w));
	EXPECT_EQ(-ECANCELED, w.ret);
}

TEST_F(checklist, t05_signal_abort_wakes_get_command)
{
	struct waiter w[2];
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	for (i = 0; i < 2; i++) {
		w[i] = (struct waiter){ .l = &self->l, .dev = self->l.cdev[i] };
		ASSERT_TRUE(starts_to_wait(&w[i]));
	}
	ASSERT_EQ(0, vdi_server_abort(self->l.server, 0, NULL));
	for (i = 0; i < 2; i++) {
		ASSERT_TRUE(wakes(&w[i]));
		EXPECT_EQ(-ECANCELED, w[i].ret);
	}
}

TEST_F(checklist, t06_returned_configuration)
{
	/* features, media bits, and whether they may be given */
	static const struct {
		uint32_t features, media;
		int err;
	} t[] = {
		{ VDI_FEAT_LIKE_PIPE, 0, -EINVAL },
		{ VDI_FEAT_LIKE_PIPE, VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA, -EINVAL },
		{ VDI_FEAT_LIKE_PIPE, VDI_FEAT_READ_MEDIA, 0 },
		{ VDI_FEAT_LIKE_PIPE, VDI_FEAT_WRITE_MEDIA, 0 },
		{ VDI_FEAT_LIKE_TAPE, VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA, 0 },
		{ VDI_FEAT_LIKE_DISK, VDI_FEAT_WRITE_MEDIA | VDI_FEAT_READ_MEDIA, 0 },
		{ VDI_FEAT_LIKE_DISK, 0, -EINVAL },
	};
	unsigned int i;

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		self->l.config.features = t[i].features;
		self->l.config.device_count = 3;
		self->l.begin.features = t[i].features | t[i].media;
		self->l.begin.max_transfer_size = 2 * VT_TRANSFER;
		ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
		ASSERT_EQ(0, vdi_server_new(&self->l.server));
		ASSERT_EQ(0, vdi_server_open(self->l.server, NULL, self->l.name));
		EXPECT_EQ(t[i].err, lib_configure(&self->l)) {
			TH_LOG("case %u", i);
		}
		if (!t[i].err) {
			ASSERT_EQ(0, vdi_client_get_config(self->l.client, 0, &self->config));
			EXPECT_EQ(4, self->config.max_io_depth);
			EXPECT_EQ(2 * VT_TRANSFER * 4 * 3, self->config.buffer_area_size);
			EXPECT_EQ(self->l.begin.features, self->config.features);
		}
		ASSERT_EQ(0, vdi_client_close(self->l.client));
		vdi_server_free(self->l.server);
		self->l.server = NULL;
	}
}

TEST_F(checklist, t07_complete_enabled_iff_requested)
{
	static const struct {
		uint32_t asked, given;
		int err;
	} t[] = {
		{ 0, 0, 0 },
		{ 0, VDI_FEAT_COMPLETE_ENABLED, -EINVAL },
		{ VDI_FEAT_REQUEST_COMPLETE, VDI_FEAT_COMPLETE_ENABLED, 0 },
		/* a server that does not support it */
		{ VDI_FEAT_REQUEST_COMPLETE, 0, 0 },
	};
	unsigned int i;

	ASSERT_EQ(0, vdi_client_new(&self->l.client));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		self->l.config.features = t[i].asked;
		self->l.begin.features = t[i].asked | t[i].given | VDI_FEAT_WRITE_MEDIA;
		ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
		ASSERT_EQ(0, vdi_server_new(&self->l.server));
		ASSERT_EQ(0, vdi_server_open(self->l.server, NULL, self->l.name));
		EXPECT_EQ(t[i].err, lib_configure(&self->l));
		if (!t[i].err) {
			ASSERT_EQ(0, vdi_client_get_config(self->l.client, 0, &self->config));
			EXPECT_EQ(t[i].given, self->config.features & VDI_FEAT_COMPLETE_ENABLED);
		}
		ASSERT_EQ(0, vdi_client_close(self->l.client));
		vdi_server_free(self->l.server);
		self->l.server = NULL;
	}
}

TEST_F(checklist, t08_open_device)
{
	struct vdi_client_device *dev = (void *)1;
	char name[VDI_NAME_SIZE];
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONNECTED));
	ASSERT_EQ(0, lib_configure(&self->l));
	ASSERT_EQ(0, lib_open_devices(&self->l, false));
	EXPECT_EQ(-EINVAL, vdi_client_open_device(self->l.client, "unknown", &dev));
	EXPECT_EQ(NULL, dev);
	for (i = 0; i < 2; i++) {
		vt_device_name(name, self->l.name, i);
		ASSERT_EQ(0, vdi_client_open_device(self->l.client, name, &dev));
		EXPECT_NE(NULL, dev);
		dev = (void *)1;
		EXPECT_EQ(i ? -EBUSY : -EPROTO, vdi_client_open_device(self->l.client, name, &dev));
		EXPECT_EQ(NULL, dev);
	}
	/* where a loop over OpenDevice ends */
	dev = (void *)1;
	EXPECT_EQ(-EBUSY, vdi_client_open_device(self->l.client, "another", &dev));
	EXPECT_STREQ("VD_E_OPEN", vdi_error_name(-EBUSY));
	EXPECT_EQ(NULL, dev);
}

TEST_F(checklist, t09_get_command_polls)
{
	uint64_t start;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	start = vt_now();
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
	EXPECT_GT(start + 5 * VT_SOON_NS, vt_now());
	/* and it loses nothing */
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	EXPECT_EQ(0, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
}

TEST_F(checklist, t10_get_command_waits_for_other_devices)
{
	struct vdi_client_device *dev;
	struct waiter w = { .l = &self->l };
	char name[VDI_NAME_SIZE];

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONNECTED));
	ASSERT_EQ(0, lib_configure(&self->l));
	/* nothing at all is open, on neither side, but this */
	ASSERT_EQ(0, vdi_client_open_device(self->l.client, self->l.name, &w.dev));
	ASSERT_TRUE(starts_to_wait(&w));
	ASSERT_EQ(0, lib_open_devices(&self->l, false));
	EXPECT_TRUE(vt_asleep(atomic_load(&w.tid)));
	vt_device_name(name, self->l.name, 1);
	ASSERT_EQ(0, vdi_client_open_device(self->l.client, name, &dev));
	EXPECT_TRUE(vt_asleep(atomic_load(&w.tid)));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	ASSERT_TRUE(wakes(&w));
	EXPECT_EQ(0, w.ret);
}

TEST_F(checklist, t11_completions_in_any_order)
{
	static const int order[] = { 3, 0, 4, 2, 1 };
	const struct vdi_client_command *c[5];
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	for (i = 0; i < 5; i++) {
		lib_command(&self->call[i], VDI_CMD_SET_POSITION)->in_position = i;
		ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &self->call[i].command));
		ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c[i]));
		EXPECT_EQ(i, c[i]->position);
	}
	for (i = 0; i < 5; i++) {
		int n = order[i];

		ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c[n], 0, 0, 100 + n));
		ASSERT_TRUE(lib_called(&self->call[n]));
		EXPECT_EQ(100 + n, self->call[n].command.out_position);
	}
}

TEST_F(checklist, t12_double_completion_VD_E_INVALID)
{
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	EXPECT_EQ(0, vdi_client_complete_command(self->l.cdev[0], self->c, 0, 0, 0));
	EXPECT_EQ(-EINVAL, vdi_client_complete_command(self->l.cdev[0], self->c, 112, 0, 0));
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(-EINVAL, vdi_client_complete_command(self->l.cdev[0], self->c, 112, 0, 0));
	EXPECT_EQ(0, self->call[0].code);
	EXPECT_EQ(0, lib_send(&self->l, 0, &self->call[1], VDI_CMD_FLUSH));
}

/* The protocol sentence by sentence is lib_error_test's. */
TEST_F(checklist, t13_io_error)
{
	const struct vdi_client_command *c[2];
	struct lib_call *call = self->call;
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	for (i = 0; i < 4; i++)
		ASSERT_EQ(0, lib_send(&self->l, 0, &call[i], VDI_CMD_FLUSH));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c[i]));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c[0], 112, 0, 0));
	for (i = 2; i < 4; i++) {
		ASSERT_TRUE(lib_called(&call[i]));
		EXPECT_EQ(1117, call[i].code);
	}
	EXPECT_EQ(-EREMOTEIO, lib_send(&self->l, 0, &call[4], VDI_CMD_FLUSH));
	EXPECT_EQ(1, atomic_load(&call[4].calls));
	EXPECT_EQ(1117, call[4].code);
	EXPECT_TRUE(pthread_equal(pthread_self(), call[4].thread));
	ASSERT_EQ(0, lib_send(&self->l, 0, &call[5], VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c[1], 0, 0, 0));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, self->c->code);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], self->c, 0, 0, 0));
	EXPECT_EQ(0, lib_send(&self->l, 0, &call[6], VDI_CMD_FLUSH));
}

TEST_F(checklist, t14_close_comes_last)
{
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[1], VDI_CMD_COMPLETE));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[1], -1, &self->c));
	ASSERT_EQ(0, answer(&self->l, 0, 0));
	EXPECT_EQ(VDI_STATE_ACTIVE, state_of(&self->l));
	ASSERT_EQ(0, answer(&self->l, 0, 0));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &self->c));
	EXPECT_EQ(VDI_STATE_TERMINATED, state_of(&self->l));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &self->c));
}

TEST_F(checklist, t15_close_with_a_device_open_VD_E_OPEN)
{
	struct vdi_set_stat s;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[0], VDI_CMD_FLUSH));
	EXPECT_EQ(-EBUSY, vdi_client_close(self->l.client));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(995, self->call[0].code);
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &s, sizeof(s)));
	EXPECT_EQ(VDI_STATE_ABORTED, s.state);
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, s.reason.reason);
	/* all is gone: nothing to close, and the same name again */
	EXPECT_EQ(-EPROTO, vdi_client_close(self->l.client));
	EXPECT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
}

/* A callback that does not return before the test lets it. */
struct held {
	atomic_bool in, out;
};

static void hold(struct vdi_server_command *command)
{
	struct held *h = command->context;

	atomic_store(&h->in, true);
	while (!atomic_load(&h->out))
		poll(NULL, 0, 1);
}

TEST_F(checklist, t16_close_while_the_agent_runs)
{
	struct held h = {};
	struct vdi_server_command flush = { .code = VDI_CMD_FLUSH, .done = hold, .context = &h };

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &flush));
	ASSERT_EQ(0, answer(&self->l, 0, 0));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&h.in)));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &self->c));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[1], -1, &self->c));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	EXPECT_FALSE(atomic_load(&self->l.agent_done));
	atomic_store(&h.out, true);
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
}

TEST_F(checklist, t17_server_close_with_devices_open_VD_E_PROTOCOL)
{
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	for (i = 0; i < 6; i++)
		ASSERT_EQ(0, lib_send(&self->l, i % 2, &self->call[i], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[1], 20000, &self->c));
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(1, atomic_load(&self->call[i].calls));
		EXPECT_EQ(995, self->call[i].code);
		EXPECT_TRUE(pthread_equal(self->l.agent, self->call[i].thread));
	}
	EXPECT_EQ(VDI_STATE_ABORTED, state_of(&self->l));
}

TEST_F(checklist, t18_close_device_twice_VD_E_CLOSE)
{
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	EXPECT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-ESHUTDOWN, vdi_server_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	EXPECT_EQ(-ECANCELED, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-ECANCELED, vdi_server_close_device(self->l.sdev[1]));
}

/* In each case but the death of the client, which is t23's. */
TEST_F(checklist, t27_one_callback_for_each_send_command)
{
	struct lib_call *call = self->call, full, refused[4];
	int i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	/* as many as a ring holds, and one more */
	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, lib_send(&self->l, 0, &call[i], VDI_CMD_FLUSH));
	EXPECT_EQ(-EXFULL, lib_send(&self->l, 0, &full, VDI_CMD_FLUSH));
	ASSERT_TRUE(lib_agent_start(&self->l));
	/* success; an error, which finishes 3 and all after it; two stay out */
	ASSERT_EQ(0, answer(&self->l, 0, 0));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	ASSERT_EQ(0, answer(&self->l, 0, 5));
	ASSERT_TRUE(lib_called(&call[63]));
	EXPECT_EQ(-EREMOTEIO, lib_send(&self->l, 0, &refused[0], VDI_CMD_FLUSH));
	EXPECT_EQ(-EPROTO, lib_send(&self->l, 1, &refused[1], VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(-EINVAL, lib_send(&self->l, 1, &refused[2], 0));
	ASSERT_EQ(0, vdi_server_abort(self->l.server, 0, NULL));
	EXPECT_EQ(-ECANCELED, lib_send(&self->l, 0, &refused[3], VDI_CMD_FLUSH));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, vdi_server_close(self->l.server));
	for (i = 0; i < 64; i++) {
		EXPECT_EQ(1, atomic_load(&call[i].calls));
		EXPECT_EQ(i == 0 ? 0 : i == 1 ? 995 : i == 2 ? 5 : 1117, call[i].code);
		EXPECT_TRUE(pthread_equal(self->l.agent, call[i].thread));
	}
	EXPECT_EQ(1450, full.code);
	EXPECT_EQ(1117, refused[0].code);
	EXPECT_EQ(6, refused[1].code);
	EXPECT_EQ(87, refused[2].code);
	EXPECT_EQ(995, refused[3].code);
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(1, atomic_load(&refused[i].calls));
		EXPECT_TRUE(pthread_equal(pthread_self(), refused[i].thread));
	}
	EXPECT_EQ(1, atomic_load(&full.calls));
}

TEST_HARNESS_MAIN
