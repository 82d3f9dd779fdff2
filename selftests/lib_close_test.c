// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects of libvdi after Close: a server's is of no use any more, whatever the
 * set's end was (4.13), a client's is as new (3.5).  Close inside a callback is
 * agent_test's, what Close itself gives lib_table_test's.
 */
#include "liblink.h"

FIXTURE(closed) {
	struct lib_link l;
	struct lib_call call;
	void *buffer;
	struct vdi_config config;
};

/* How the set had ended before Close. */
FIXTURE_VARIANT(closed) {
	enum lib_state state;
	int close;
};

FIXTURE_VARIANT_ADD(closed, connected) {
	LIB_CONNECTED, 0,
};

FIXTURE_VARIANT_ADD(closed, configurable) {
	LIB_CONFIGURABLE, 0,
};

FIXTURE_VARIANT_ADD(closed, initializing) {
	LIB_INITIALIZING, -EPROTO,
};

FIXTURE_VARIANT_ADD(closed, active) {
	LIB_ACTIVE, -EPROTO,
};

FIXTURE_VARIANT_ADD(closed, terminated) {
	LIB_TERMINATED, 0,
};

FIXTURE_VARIANT_ADD(closed, aborted) {
	LIB_ABORTED, 0,
};

FIXTURE_SETUP(closed)
{
	lib_link_init(&self->l, 1);
	ASSERT_EQ(0, lib_link_to(&self->l, variant->state));
	if (self->l.sdev[0] && variant->state != LIB_ABORTED)
		ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, 4096, 0));
}

FIXTURE_TEARDOWN(closed)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(closed, server_is_useless)
{
	struct vdi_server *s = self->l.server;
	struct vdi_server_device *dev = (void *)1;
	struct vdi_device_status status = { .size = sizeof(status) };
	struct vdi_command command = { .code = VDI_CMD_FLUSH };
	struct vdi_batch batch = { 0 };
	uint32_t count;
	void *p = (void *)1;

	ASSERT_EQ(variant->close, vdi_server_close(s));
	EXPECT_EQ(-EPROTO, vdi_server_open(s, NULL, self->l.name));
	EXPECT_EQ(-EPROTO, vdi_server_get_config(s, &self->config));
	EXPECT_EQ(-EPROTO, vdi_server_begin_config(s, &self->l.begin));
	EXPECT_EQ(-EPROTO, vdi_server_request_buffers(s, 4096, 0, 1));
	EXPECT_EQ(-EPROTO, vdi_server_query_available_buffers(s, 4096, 0, &count));
	EXPECT_EQ(-EPROTO, vdi_server_end_config(s));
	EXPECT_EQ(-EPROTO, vdi_server_open_device(s, self->l.name, &dev));
	EXPECT_EQ(NULL, dev);
	EXPECT_EQ(-EPROTO, vdi_server_run_agent(s));
	EXPECT_EQ(-EPROTO, vdi_server_alloc_buffer(s, &p, 4096, 0));
	EXPECT_EQ(NULL, p);
	EXPECT_EQ(-EPROTO, vdi_server_free_buffer(s, self->buffer, 4096));
	EXPECT_EQ(0, vdi_server_is_shared_buffer(s, self->buffer));
	EXPECT_EQ(-EPROTO, vdi_server_set_hint(s, 1));
	EXPECT_EQ(-EPROTO, vdi_server_abort(s, 0, NULL));
	EXPECT_EQ(-EPROTO, vdi_server_close(s));
	/* the set form says what is left: nothing, or that it is aborted */
	EXPECT_GT(0, vdi_server_exchange(s, &command, 1, NULL, 0, 0, &batch));
	EXPECT_EQ(0, batch.accepted);
	if (!self->l.sdev[0])
		return;
	EXPECT_EQ(-EPROTO, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-EPROTO, vdi_server_device_status(self->l.sdev[0], &status));
	EXPECT_EQ(-EPROTO, vdi_server_device_exchange(self->l.sdev[0], &command, 1, NULL, 0, 0,
						      &batch));
	EXPECT_EQ(-EPROTO, lib_send(&self->l, 0, &self->call, VDI_CMD_FLUSH));
	EXPECT_EQ(1, atomic_load(&self->call.calls));
	EXPECT_EQ(6, self->call.code);
}

/* The client may begin again with the same object; its old devices are no more. */
TEST_F(closed, client_is_as_new)
{
	struct vdi_client *c = self->l.client;
	struct vdi_client_device *old = self->l.cdev[0];
	const struct vdi_client_command *command = (void *)1;
	struct vdi_set_stat stat;
	bool open = old && variant->state == LIB_ACTIVE;

	EXPECT_EQ(open ? -EBUSY : 0, vdi_client_close(c));
	EXPECT_EQ(-EPROTO, vdi_client_get_config(c, 0, &self->config));
	EXPECT_EQ(-EPROTO, vdi_client_stat(c, &stat, sizeof(stat)));
	EXPECT_EQ(-EPROTO, vdi_client_abort(c, 0, NULL));
	EXPECT_EQ(-EPROTO, vdi_client_close(c));
	if (old) {
		/* it never gets a command again, and does not wait for one */
		EXPECT_GT(0, vdi_client_get_command(old, -1, &command));
		EXPECT_EQ(NULL, command);
	}
	/* whatever the server does with the old set */
	vdi_server_free(self->l.server);
	self->l.server = NULL;
	self->l.cdev[0] = NULL;
	ASSERT_EQ(0, vdi_client_create(c, self->l.name, &self->l.config));
	ASSERT_EQ(0, vdi_server_new(&self->l.server));
	ASSERT_EQ(0, vdi_server_open(self->l.server, NULL, self->l.name));
	ASSERT_EQ(0, lib_configure(&self->l));
	ASSERT_EQ(0, lib_open_devices(&self->l, true));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->call, VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &command));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], command, 0, 0, 0));
	ASSERT_TRUE(lib_called(&self->call));
	EXPECT_EQ(0, self->call.code);
}

TEST_HARNESS_MAIN
