// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who closes when, and what everybody gets: the rows of the table "Close, abort
 * and death" about the client's Close, SignalAbort and CloseDevice, by their
 * numbers.  The server's Close is in abort_drain_test.c, the rows about death
 * are in abort_death_test.c.
 */
#include "aborted.h"
#include "sleeper.h"

static int open_by_name(const char *name)
{
	int fd = vt_open_node();
	int err = vt_open(fd, name);

	close(fd);
	return err;
}

static int create_by_name(const char *name)
{
	return vt_create(vt_open_node(), name, 1);
}

TEST_F(handle, row_01_close_unbound)
{
	EXPECT_EQ(EPROTO, vt_close(self->fd));
	/* nothing was done: it can create */
	EXPECT_EQ(0, create_by_name("row-01"));
	EXPECT_EQ(0, vt_create(self->fd, "row-01b", 1));
}

TEST_F(set, row_02_client_closes_without_server)
{
	struct vt_sleeper s = { .call = vt_call_get_config, .fd = self->client };

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, vt_close(self->client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(ENOENT, open_by_name(self->name));
	EXPECT_EQ(EPROTO, vt_get_config(self->client, 0));
	/* and it may create again, the same name too */
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
	EXPECT_EQ(0, open_by_name(self->name));
}

TEST_F(pair, row_03_client_closes_before_configuration)
{
	struct vdi_begin_config b = VT_INIT(vdi_begin_config);
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = 1);

	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(self->server));
	EXPECT_EQ(ECANCELED, vt_call(self->server, VDI_IOC_BEGIN_CONFIG, &b));
	EXPECT_EQ(ECANCELED, vt_call(self->server, VDI_IOC_END_CONFIG, &e));
	server_is_aborted(_metadata, self->server, -1);
	EXPECT_EQ(0, vt_close(self->server));
}

/* The server has a device open and a command queued, the client none. */
TEST(row_03_client_closes_with_no_device_open)
{
	struct vdi_completion done[2];
	struct vt_sleeper s;
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_configure(&l));
	l.sdev[0] = vt_open_device(l.server, l.create.name);
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 5));
	s = vt_waiter(l.server, done, 2, 1, VDI_TIME_INFINITE);
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, vt_close(l.client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(1, s.x.out_delivered);
	EXPECT_EQ(995, done[0].code);
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(l.server));
	server_is_aborted(_metadata, l.server, l.sdev[0]);
	EXPECT_EQ(0, vt_close(l.server));
	vt_baseline(_metadata);
}

TEST_F(queue, row_04_client_closes_with_a_device_open)
{
	struct vdi_command got, c[2];
	struct vdi_completion done[3];
	struct vt_sleeper own = vt_waiter(self->client, c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 1, 1, &got, 1));
	ASSERT_TRUE(vt_sleep(&own));
	EXPECT_EQ(EBUSY, vt_close(self->l.client));
	ASSERT_TRUE(vt_awake(&own));
	EXPECT_EQ(ECANCELED, own.err);
	/* all of the client is released: its handle is free, its device useless */
	EXPECT_EQ(EPROTO, vt_close(self->l.client));
	EXPECT_EQ(ECANCELED, vt_complete(self->client, 0, got.id, 0, 0));
	EXPECT_EQ(0, vt_create(self->l.client, self->l.create.name, 1));
	EXPECT_EQ(ECANCELED, vt_get(self->client, c, 0));
	ASSERT_EQ(1, vt_take(self->server, done, 3));
	EXPECT_EQ(995, done[0].code);
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(self->l.server));
	EXPECT_EQ(VDI_ROLE_CLIENT, vt_reason_role(self->l.server));
	server_is_aborted(_metadata, self->l.server, self->server);
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST(row_04_secondary_clients_are_aborted_too)
{
	struct vt_sleeper s;
	struct vdi_command c;
	char name[VDI_NAME_SIZE];
	struct vt_link l;
	int second, dev;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_configure(&l));
	second = vt_open_node();
	ASSERT_EQ(0, vt_open_secondary(second, l.create.name));
	ASSERT_LE(0, vt_open_device(l.client, l.create.name));
	vt_device_name(name, l.create.name, 1);
	dev = vt_open_device(second, name);
	s = vt_waiter(dev, &c, 1, 1, VDI_TIME_INFINITE);
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(EBUSY, vt_close(l.client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(second));
	client_is_aborted(_metadata, second, dev);
	EXPECT_EQ(0, vt_close(second));
	vt_baseline(_metadata);
}

TEST_F(queue, row_05_client_closes_after_the_end)
{
	struct vdi_command c;

	ASSERT_EQ(0, vt_close_device(self->server));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->client, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.server));
	EXPECT_EQ(VDI_REASON_NONE, vt_reason(self->l.server));
	EXPECT_EQ(EPROTO, vt_get(self->client, &c, 0));
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST_F(queue, row_05_client_closes_before_it_was_told)
{
	ASSERT_EQ(0, vt_close_device(self->server));
	EXPECT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.server));
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST_F(queue, row_06_client_closes_after_an_abort)
{
	ASSERT_EQ(0, vt_abort(self->l.server));
	EXPECT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->l.server));
	EXPECT_EQ(VDI_ROLE_SERVER, vt_reason_role(self->l.server));
	server_is_aborted(_metadata, self->l.server, self->server);
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST_F(queue, row_07_signal_abort_by_the_client)
{
	struct vdi_completion done;
	struct vdi_command got;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 1, 1, &got, 1));
	EXPECT_EQ(0, vt_abort(self->l.client));
	/* the name is free at once, nothing else is */
	EXPECT_EQ(ENOENT, open_by_name(self->l.create.name));
	EXPECT_EQ(0, create_by_name(self->l.create.name));
	client_is_aborted(_metadata, self->l.client, self->client);
	/* a late completion changes nothing */
	EXPECT_EQ(ECANCELED, vt_complete(self->client, 0, got.id, 0, 0));
	ASSERT_EQ(0, vt_collect(self->server, &done, 0));
	EXPECT_EQ(995, done.code);
	server_is_aborted(_metadata, self->l.server, self->server);
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->l.server));
	EXPECT_EQ(VDI_ROLE_CLIENT, vt_reason_role(self->l.server));
	EXPECT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST_F(queue, row_08_second_signal_abort)
{
	struct vdi_abort a = VT_INIT(vdi_abort, .code = 17, .text = "the first");
	struct vdi_status s;

	ASSERT_OK(self->l.server, VDI_IOC_ABORT, &a);
	a.code = 18;
	strcpy(a.text, "the second");
	EXPECT_OK(self->l.client, VDI_IOC_ABORT, &a);
	EXPECT_OK(self->l.server, VDI_IOC_ABORT, &a);
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(17, s.out_stat.reason.code);
	EXPECT_STREQ("the first", s.out_stat.reason.text);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.reason.who.role);
	EXPECT_EQ(EPROTO, vt_abort(vt_open_node()));
}

/* second: a configured set of two devices, one opened by each of two clients. */
FIXTURE(second) {
	struct vt_link l;
	int second;
	struct vdi_command c;
	struct vdi_completion done;
};

FIXTURE_SETUP(second)
{
	char name[VDI_NAME_SIZE];
	int i;

	vt_link_init(&self->l, 2);
	ASSERT_EQ(0, vt_link_configure(&self->l));
	self->second = vt_open_node();
	ASSERT_EQ(0, vt_open_secondary(self->second, self->l.create.name));
	for (i = 0; i < 2; i++) {
		vt_device_name(name, self->l.create.name, i);
		self->l.sdev[i] = vt_open_device(self->l.server, name);
		self->l.cdev[i] = vt_open_device(i ? self->second : self->l.client, name);
		ASSERT_LE(0, self->l.sdev[i]);
		ASSERT_LE(0, self->l.cdev[i]);
	}
}

FIXTURE_TEARDOWN(second)
{
	vt_baseline(_metadata);
}

TEST_F(second, row_14_secondary_closes_with_a_device_open)
{
	struct vt_sleeper s = vt_waiter(self->l.cdev[0], &self->c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(EBUSY, vt_close(self->second));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(self->l.client));
	EXPECT_EQ(VDI_ROLE_SECONDARY, vt_reason_role(self->l.client));
	client_is_aborted(_metadata, self->l.client, self->l.cdev[0]);
	server_is_aborted(_metadata, self->l.server, self->l.sdev[0]);
}

TEST_F(second, row_15_secondary_closes_after_its_device)
{
	ASSERT_EQ(0, vt_close_device(self->l.sdev[1]));
	ASSERT_EQ(ESHUTDOWN, vt_get(self->l.cdev[1], &self->c, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->second));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	ASSERT_EQ(0, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_get(self->l.cdev[0], &self->c, 0));
}

TEST_F(second, row_15_secondary_closes_with_none_open)
{
	int third = vt_open_node();

	ASSERT_EQ(0, vt_open_secondary(third, self->l.create.name));
	EXPECT_EQ(0, vt_close(third));
	ASSERT_EQ(0, vt_open_secondary(third, self->l.create.name));
	EXPECT_EQ(0, close(third));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
}

TEST_F(second, row_15_secondary_closes_after_the_end)
{
	ASSERT_EQ(0, vt_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vt_close_device(self->l.sdev[1]));
	EXPECT_EQ(0, vt_close(self->second));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[0], &self->c, 0));
}

TEST_F(second, row_16_close_device_with_nothing_outstanding)
{
	struct vt_sleeper s = vt_waiter(self->l.cdev[0], &self->c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, vt_close_device(self->l.sdev[0]));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ESHUTDOWN, s.err);
	EXPECT_EQ(ESHUTDOWN, vt_close_device(self->l.sdev[0]));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[0], &self->c, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[0], &self->c, 0));
	EXPECT_EQ(EPROTO, vt_complete(self->l.cdev[0], 0, 1, 0, 0));
	EXPECT_EQ(EPROTO, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->l.sdev[0], &self->done, VDI_TIME_INFINITE));
	EXPECT_EQ(VDI_DEVICE_CLOSED, vt_device_state(self->l.cdev[0]));
	/* the set has another device */
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	ASSERT_EQ(0, vt_abort(self->l.client));
	EXPECT_EQ(ECANCELED, vt_close_device(self->l.sdev[1]));
}

/* A device that the server closed can be opened, and says so. */
TEST(row_16_client_opens_the_closed_device)
{
	struct vdi_command c;
	struct vt_link l;
	int dev;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_configure(&l));
	l.sdev[0] = vt_open_device(l.server, l.create.name);
	ASSERT_EQ(0, vt_close_device(l.sdev[0]));
	dev = vt_open_device(l.client, l.create.name);
	ASSERT_LE(0, dev);
	EXPECT_EQ(ESHUTDOWN, vt_get(dev, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(dev, &c, VDI_TIME_INFINITE));
	vt_baseline(_metadata);
}

TEST_F(queue, row_17_close_device_with_commands_outstanding)
{
	struct vdi_command got[2], c;
	struct vdi_completion done;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VT_LONG);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 1, got, 1));
	EXPECT_EQ(0, vt_close_device(self->server));
	EXPECT_EQ(VDI_DEVICE_CLOSING, vt_device_state(self->server));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	EXPECT_EQ(EPROTO, vt_send(self->server, 0, VDI_CMD_FLUSH, 3));
	EXPECT_EQ(ESHUTDOWN, vt_close_device(self->server));
	/* the queued one is still delivered, and nobody is woken by the close */
	ASSERT_EQ(1, vt_take(self->client, got + 1, 1));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, vt_complete(self->client, 0, got[1].id, 0, 0));
	ASSERT_TRUE(vt_still_asleep(&s));
	ASSERT_EQ(0, vt_collect(self->server, &done, 0));
	EXPECT_EQ(2, done.id);
	ASSERT_EQ(0, vt_complete(self->client, 0, got[0].id, 0, 0));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ESHUTDOWN, s.err);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	ASSERT_EQ(0, vt_collect(self->server, &done, 0));
	EXPECT_EQ(1, done.id);
	EXPECT_EQ(0, done.code);
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->server, &done, VDI_TIME_INFINITE));
}

/* Also if the client opens the device only now. */
TEST(row_17_client_opens_the_closing_device)
{
	struct vdi_command c;
	struct vt_link l;
	int dev;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_configure(&l));
	l.sdev[0] = vt_open_device(l.server, l.create.name);
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_close_device(l.sdev[0]));
	dev = vt_open_device(l.client, l.create.name);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vt_get(dev, &c, VT_LONG));
	ASSERT_EQ(0, vt_complete(dev, 0, c.id, 0, 0));
	EXPECT_EQ(ESHUTDOWN, vt_get(dev, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(l.client));
	EXPECT_EQ(0, vt_close(l.server));
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
