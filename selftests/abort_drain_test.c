// SPDX-License-Identifier: GPL-2.0-only
/*
 * The server's Close, and what it may still do with its handles afterwards:
 * rows 18 to 20 and 24 of the table "Close, abort and death".  The other rows
 * are in abort_close_test.c and abort_death_test.c.
 */
#include "aborted.h"
#include "sleeper.h"

/* steps: how far the configuration has come when the server closes. */
FIXTURE(steps) {
	char name[VDI_NAME_SIZE];
	int client;
	int server;
};

FIXTURE_VARIANT(steps) {
	int steps;
};

FIXTURE_VARIANT_ADD(steps, connected) {
	.steps = 0,
};

FIXTURE_VARIANT_ADD(steps, configurable) {
	.steps = 1,
};

FIXTURE_VARIANT_ADD(steps, initializing) {
	.steps = 2,
};

FIXTURE_SETUP(steps)
{
	vt_name(self->name);
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_EQ(0, vt_create(self->client, self->name, 1));
	ASSERT_EQ(0, vt_open(self->server, self->name));
	if (variant->steps >= 1)
		ASSERT_EQ(0, vt_begin(self->server));
	if (variant->steps >= 2)
		ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
}

FIXTURE_TEARDOWN(steps)
{
	vt_baseline(_metadata);
}

TEST_F(steps, row_18_server_closes_with_no_device_open)
{
	struct vt_sleeper s = { .call = vt_call_get_config, .fd = self->client };

	if (variant->steps < 2)
		ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, vt_close(self->server));
	if (variant->steps < 2) {
		ASSERT_TRUE(vt_awake(&s));
		EXPECT_EQ(ECANCELED, s.err);
	}
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, vt_reason(self->client));
	EXPECT_EQ(VDI_ROLE_SERVER, vt_reason_role(self->client));
	client_is_aborted(_metadata, self->client, -1);
	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(0, vt_close(self->client));
}

TEST_F(queue, row_18b_server_closes_after_the_end)
{
	struct vdi_command c;

	ASSERT_EQ(0, vt_close_device(self->server));
	EXPECT_EQ(0, vt_close(self->l.server));
	EXPECT_EQ(EPROTO, vt_close(self->l.server));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->client, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->client, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->l.client));
}

/* draining: what the server may still do, through either kind of handle. */
FIXTURE(drain) {
	struct vt_link l;
	struct vdi_command got[4];
	struct vdi_completion done[8];
};

FIXTURE_VARIANT(drain) {
	bool by_set;
	bool closing;
};

FIXTURE_VARIANT_ADD(drain, by_set_handle) {
	.by_set = true,
};

FIXTURE_VARIANT_ADD(drain, by_device_handle) {
	.by_set = false,
};

FIXTURE_VARIANT_ADD(drain, by_set_handle_closing) {
	.by_set = true,
	.closing = true,
};

FIXTURE_VARIANT_ADD(drain, by_device_handle_closing) {
	.by_set = false,
	.closing = true,
};

FIXTURE_SETUP(drain)
{
	vt_link_init(&self->l, 1);
	ASSERT_EQ(0, vt_link_up(&self->l));
	ASSERT_EQ(0, vt_link_load(&self->l, 0, 4, 0, self->got, 2));
	ASSERT_EQ(0, vt_complete(self->l.cdev[0], 0, self->got[1].id, 0, 0));
	if (variant->closing)
		ASSERT_EQ(0, vt_close_device(self->l.sdev[0]));
}

FIXTURE_TEARDOWN(drain)
{
	vt_baseline(_metadata);
}

TEST_F(drain, row_19_server_closes_with_a_device_open)
{
	int fd = variant->by_set ? self->l.server : self->l.sdev[0];
	unsigned int i, aborted = 0;
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = 1);
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->l.cdev[0], &c, 1, 1, VDI_TIME_INFINITE);
	struct vdi_status st;

	ASSERT_EQ(2, vt_take(self->l.cdev[0], self->got + 2, 2));
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(EPROTO, vt_close(self->l.server));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(ECANCELED, vt_complete(self->l.cdev[0], 0, self->got[0].id, 0, 0));
	client_is_aborted(_metadata, self->l.client, self->l.cdev[0]);
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, vt_reason(self->l.client));

	ASSERT_EQ(0, vt_status(self->l.server, &st));
	EXPECT_EQ(1, st.out_draining);
	EXPECT_EQ(VDI_ROLE_SERVER, st.out_role);
	ASSERT_EQ(4, vt_take(fd, self->done, 8));
	for (i = 0; i < 4; i++)
		aborted += self->done[i].code == 995;
	EXPECT_EQ(3, aborted);
	EXPECT_EQ(1, self->done[0].id);
	EXPECT_EQ(0, self->done[0].code);
	EXPECT_EQ(ECANCELED, vt_collect(fd, self->done, VDI_TIME_INFINITE));
	/* of no use for anything else */
	EXPECT_EQ(EPROTO, vt_close(self->l.server));
	EXPECT_EQ(EPROTO, vt_abort(self->l.server));
	EXPECT_EQ(EPROTO, vt_get_config(self->l.server, 0));
	EXPECT_EQ(EPROTO, vt_call(self->l.server, VDI_IOC_GROW_AREA, &g));
	EXPECT_EQ(EPROTO, vt_create(self->l.server, "again", 1));
	EXPECT_EQ(EPROTO, vt_close_device(self->l.sdev[0]));
	EXPECT_EQ(0, vt_close(self->l.client));
}

TEST_F(drain, row_20_server_closes_after_an_abort)
{
	int fd = variant->by_set ? self->l.server : self->l.sdev[0];

	ASSERT_EQ(0, vt_abort(self->l.client));
	EXPECT_EQ(0, vt_close(self->l.server));
	EXPECT_EQ(4, vt_take(fd, self->done, 8));
	EXPECT_EQ(ECANCELED, vt_collect(fd, self->done, VDI_TIME_INFINITE));
	EXPECT_EQ(EPROTO, vt_close(self->l.server));
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->l.client));
}

TEST_F(pair, row_24_second_server)
{
	int fd = vt_open_node();

	EXPECT_EQ(EPROTO, vt_open(fd, self->name));
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->server));
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->client));
	EXPECT_EQ(0, vt_begin(self->server));
}

TEST_HARNESS_MAIN
