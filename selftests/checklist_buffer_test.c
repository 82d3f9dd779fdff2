// SPDX-License-Identifier: GPL-2.0-only
/*
 * The statements of the specification's checklist, section 15, that are about
 * buffers: T19, T20, T25, T26.  The others are in checklist_test.c, the pool's
 * arithmetic is pool_test's.
 */
#include "liblink.h"

FIXTURE(buffers) {
	struct lib_link l;
	struct lib_call call[3];
	const struct vdi_client_command *c;
	struct vdi_config config;
};

FIXTURE_SETUP(buffers)
{
	lib_link_init(&self->l, 2);
}

FIXTURE_TEARDOWN(buffers)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(buffers, t19_buffers_stay_after_an_abort)
{
	unsigned char *ours, *theirs;
	struct vdi_server_command *c;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, (void **)&ours, 4096, 0));
	memset(ours, 0x5a, 4096);
	c = lib_command(&self->call[0], VDI_CMD_WRITE);
	c->buffer = ours;
	c->size = 4096;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], c));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	theirs = self->c->buffer;
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	EXPECT_EQ(0x5a, theirs[0]);
	theirs[4095] = 0xa5;
	EXPECT_EQ(0xa5, ours[4095]);
	/* the server's Close is the end of its own mapping, not of the client's */
	EXPECT_EQ(0, vdi_server_close(self->l.server));
	EXPECT_EQ(0x5a, theirs[0]);
	EXPECT_EQ(0xa5, theirs[4095]);
	theirs[0] = 1;
	EXPECT_EQ(0, vdi_client_close(self->l.client));
}

TEST_F(buffers, t20_prefix_zone)
{
	unsigned char *ours, *theirs;
	struct vdi_server_command *c;
	uint32_t count;
	int i;

	self->l.config.prefix_zone_size = 1000;
	self->l.config.alignment = 4096;
	self->l.begin.block_size = 1024;
	self->l.buffers = 3;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	/* the sizes that the server names and gets do not include it */
	ASSERT_EQ(0, vdi_server_query_available_buffers(self->l.server, VT_TRANSFER, 0, &count));
	EXPECT_EQ(3, count);
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, (void **)&ours,
						     VT_TRANSFER, 0));
		EXPECT_EQ(0, (uintptr_t)ours % 4096);
		memset(ours, 0x11 * (i + 1), VT_TRANSFER);
		c = lib_command(&self->call[i], VDI_CMD_WRITE);
		c->buffer = ours;
		c->size = VT_TRANSFER;
		ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], c));
		ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
		EXPECT_EQ(VT_TRANSFER, self->c->size);
		theirs = self->c->buffer;
		EXPECT_EQ(0, (uintptr_t)theirs % 4096);
		memset(theirs - 1000, 0xee, 1000);
		EXPECT_EQ(0x11 * (i + 1), theirs[0]);
	}
	/* it is no other buffer's: all data are still there */
	for (i = 0; i < 3; i++) {
		ours = self->call[i].command.buffer;
		EXPECT_EQ(0x11 * (i + 1), ours[0]);
		EXPECT_EQ(0x11 * (i + 1), ours[VT_TRANSFER - 1]);
		EXPECT_EQ(0xee, ours[-1]);
		EXPECT_EQ(0xee, ours[-1000]);
		EXPECT_EQ(0, vdi_server_is_shared_buffer(self->l.server, ours - 1));
	}
}

TEST_F(buffers, t25_end_configuration_VD_E_MEMORY)
{
	struct vdi_set_stat s;
	int err, i;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONFIGURABLE));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vdi_server_request_buffers(self->l.server, 1 << 30, 0, 1 << 20));
		err = vdi_server_end_config(self->l.server);
		EXPECT_STREQ("VD_E_MEMORY", vdi_error_name(err)) {
			TH_LOG("error %d", err);
		}
		ASSERT_EQ(0, vdi_server_stat(self->l.server, &s, sizeof(s)));
		EXPECT_EQ(VDI_STATE_CONFIGURING, s.state);
		EXPECT_EQ(-ETIMEDOUT, vdi_client_get_config(self->l.client, 0, &self->config));
	}
	ASSERT_EQ(0, vdi_server_request_buffers(self->l.server, VT_TRANSFER, 0, 2));
	EXPECT_EQ(0, vdi_server_end_config(self->l.server));
	EXPECT_EQ(0, vdi_client_get_config(self->l.client, 0, &self->config));
}

TEST_F(buffers, t26_request_buffers_after_configuration)
{
	unsigned char *more;
	struct vdi_server_command *c;
	uint32_t count = 1;
	void *p;

	self->l.buffers = 1;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &p, VT_TRANSFER, 0));
	EXPECT_EQ(-ENOMEM, vdi_server_alloc_buffer(self->l.server, &p, VT_TRANSFER, 0));
	ASSERT_EQ(0, vdi_server_request_buffers(self->l.server, VT_TRANSFER, 0, 3));
	ASSERT_EQ(0, vdi_server_query_available_buffers(self->l.server, VT_TRANSFER, 0, &count));
	EXPECT_EQ(3, count);
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, (void **)&more, VT_TRANSFER, 0));
	strcpy((char *)more, "grown");
	c = lib_command(&self->call[0], VDI_CMD_WRITE);
	c->buffer = more;
	c->size = 512;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], c));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	EXPECT_STREQ("grown", self->c->buffer);
}

TEST_HARNESS_MAIN
