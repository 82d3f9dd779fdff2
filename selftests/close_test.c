// SPDX-License-Identifier: GPL-2.0-only
/*
 * Both Close pages of the specification (3.5, 4.13), row by row of what each
 * side gets in each state.  Who sleeps while the other closes is abort_test's.
 */
#include "child.h"

static unsigned int reason_of(int fd, unsigned int *role)
{
	struct vdi_status s;

	if (vt_status(fd, &s))
		return ~0U;
	if (role)
		*role = s.out_stat.reason.who.role;
	return s.out_stat.reason.reason;
}

/* All devices closed by the server, the commands done: the set has ended. */
static int end_in_order(int n, const int *sdev)
{
	int i, err = 0;

	for (i = 0; i < n && !err; i++)
		err = vt_close_device(sdev[i]);
	return err;
}

/* Client */
TEST_F(set, client_close_without_server)
{
	EXPECT_EQ(0, vt_close(self->client));
	/* unbound again: nothing to close, nobody finds it, and it may create again */
	EXPECT_EQ(EPROTO, vt_close(self->client));
	EXPECT_EQ(POLLHUP, vt_poll(self->client));
	EXPECT_EQ(ENOENT, vt_open(vt_open_node(), self->name));
	EXPECT_TRUE(VT_UNTIL(vt_counter("sets") == 0));
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
}

TEST_F(pair, client_close_while_connected)
{
	unsigned int role;

	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->server));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, reason_of(self->server, &role));
	EXPECT_EQ(VDI_ROLE_CLIENT, role);
	EXPECT_EQ(ECANCELED, vt_begin(self->server));
	EXPECT_EQ(0, vt_close(self->server));
}

TEST_F(pair, client_close_while_initializing)
{
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(-ECANCELED, vt_open_device(self->server, self->name));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, reason_of(self->server, NULL));
}

/* T15: a report, not a refusal. */
TEST_F(device, client_close_with_devices_open_EBUSY)
{
	struct vdi_completion done;
	struct vdi_command cmd;
	unsigned int role;

	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 41));
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_REWIND, 42));
	ASSERT_EQ(0, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(EBUSY, vt_close(self->client));
	/* the server: one completion for each command, then the abort */
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, reason_of(self->server, &role));
	EXPECT_EQ(VDI_ROLE_CLIENT, role);
	EXPECT_EQ(POLLIN | POLLERR | POLLHUP, vt_poll(self->sdev[0]));
	ASSERT_EQ(0, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(995, done.code);
	EXPECT_EQ(41, done.id);
	ASSERT_EQ(0, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(995, done.code);
	EXPECT_EQ(42, done.id);
	EXPECT_EQ(ECANCELED, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(POLLERR | POLLHUP, vt_poll(self->sdev[0]));
	/* the client: all is released, and the handle may create again */
	EXPECT_EQ(-EPROTO, vt_state(self->client));
	EXPECT_EQ(EPROTO, vt_close(self->client));
	EXPECT_EQ(ECANCELED, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
	/* the old set's device handles are still the old set's */
	EXPECT_EQ(ECANCELED, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(0, vt_close(self->server));
}

/* T16: after VD_E_CLOSE, and also before it was fetched: the set has ended. */
TEST_F(device, client_close_after_end)
{
	struct vdi_command cmd;

	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->client));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->server));
	EXPECT_EQ(VDI_REASON_NONE, reason_of(self->server, NULL));
	/* "of no further use": the set had ended, so that is a protocol error */
	EXPECT_EQ(EPROTO, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(EPROTO, vt_close(self->client));
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
	EXPECT_EQ(0, vt_close(self->server));
}

TEST_F(device, client_close_after_end_unfetched)
{
	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(VDI_REASON_NONE, reason_of(self->server, NULL));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->server));
}

/* A device with a command outstanding is only closing: it still counts as open. */
TEST_F(device, client_close_with_closing_device_EBUSY)
{
	struct vdi_completion done;

	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 7));
	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->server));
	EXPECT_EQ(EBUSY, vt_close(self->client));
	EXPECT_EQ(0, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(995, done.code);
}

TEST_F(device, client_close_aborted)
{
	ASSERT_EQ(0, vt_abort(self->server));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(EPROTO, vt_close(self->client));
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
	EXPECT_EQ(VDI_REASON_SIGNALLED, reason_of(self->server, NULL));
}

/* Secondary clients: spec 3.5 and rows 14 and 15 */
TEST_F(pair, secondary_close_without_devices)
{
	int second = vt_open_node();

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	EXPECT_EQ(0, vt_close(second));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->server));
	EXPECT_EQ(EPROTO, vt_close(second));
	EXPECT_EQ(0, vt_open_secondary(second, self->name));
}

TEST_F(pair, secondary_close_with_device_open_EBUSY)
{
	int second = vt_open_node();
	unsigned int role;

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	ASSERT_LE(0, vt_open_device(second, self->name));
	EXPECT_EQ(EBUSY, vt_close(second));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->client));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, reason_of(self->server, &role));
	EXPECT_EQ(VDI_ROLE_SECONDARY, role);
}

/* Two secondaries, one done: its Close must not disturb the other. */
TEST(secondary_close_after_VD_E_CLOSE)
{
	int client = vt_open_node(), server = vt_open_node();
	int one = vt_open_node(), two = vt_open_node();
	char name[VDI_NAME_SIZE], other[VDI_NAME_SIZE];
	struct vdi_completion done;
	struct vdi_command cmd;
	int s1, s2, c1, c2;

	vt_name(name);
	vt_name(other);
	ASSERT_EQ(0, vt_create(client, name, 2));
	ASSERT_EQ(0, vt_open(server, name));
	ASSERT_EQ(0, vt_begin(server));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	ASSERT_EQ(0, vt_open_secondary(one, name));
	ASSERT_EQ(0, vt_open_secondary(two, name));
	s1 = vt_open_device(server, name);
	s2 = vt_open_device(server, other);
	c1 = vt_open_device(one, name);
	c2 = vt_open_device(two, other);
	ASSERT_EQ(0, vt_close_device(s1));
	ASSERT_EQ(ESHUTDOWN, vt_get(c1, &cmd, 0));
	EXPECT_EQ(0, vt_close(one));
	EXPECT_EQ(POLLHUP, vt_poll(c1));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(server));
	ASSERT_EQ(0, vt_send(s2, 1, VDI_CMD_FLUSH, 5));
	ASSERT_EQ(0, vt_get(c2, &cmd, 0));
	ASSERT_EQ(0, vt_complete(c2, 1, cmd.id, 0, 0));
	ASSERT_EQ(0, vt_collect(s2, &done, 0));
	ASSERT_EQ(0, vt_close_device(s2));
	/* the primary, which opened none, closes last */
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(client));
	EXPECT_EQ(0, vt_close(two));
	EXPECT_EQ(0, vt_close(client));
	EXPECT_EQ(0, vt_close(server));
	vt_baseline(_metadata);
}

/* The primary's Close while a secondary works: an abort, though it has no device. */
TEST_F(pair, primary_close_aborts_secondaries)
{
	int second = vt_open_node(), cdev;
	struct vdi_command cmd;

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	cdev = vt_open_device(second, self->name);
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(ECANCELED, vt_get(cdev, &cmd, 0));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, reason_of(second, NULL));
	EXPECT_EQ(0, vt_close(second));
}

/* Server */
TEST_F(pair, server_close_while_connected)
{
	unsigned int role;

	EXPECT_EQ(0, vt_close(self->server));
	EXPECT_EQ(ECANCELED, vt_get_config(self->client, VDI_TIME_INFINITE));
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, reason_of(self->client, &role));
	EXPECT_EQ(VDI_ROLE_SERVER, role);
	EXPECT_EQ(0, vt_close(self->client));
}

TEST_F(pair, server_close_while_configuring)
{
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_EQ(0, vt_close(self->server));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->client));
}

TEST_F(pair, server_close_while_initializing)
{
	struct vdi_command cmd;
	int cdev;

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	cdev = vt_open_device(self->client, self->name);
	/* only the client has it open, so the server had none */
	EXPECT_EQ(0, vt_close(self->server));
	EXPECT_EQ(ECANCELED, vt_get(cdev, &cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->client));
}

/* T17: the verdict is recorded, and each outstanding command collected as 995. */
TEST_F(device, server_close_with_devices_open_EPROTO)
{
	struct vdi_completion done;
	struct vdi_command cmd;
	unsigned int role;
	int i;

	for (i = 0; i < 5; i++)
		ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 100 + i));
	ASSERT_EQ(0, vt_get(self->cdev[0], &cmd, 0));
	ASSERT_EQ(0, vt_get(self->cdev[0], &cmd, 0));
	ASSERT_EQ(0, vt_complete(self->cdev[0], 0, cmd.id, 0, 0));
	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, reason_of(self->client, &role));
	EXPECT_EQ(VDI_ROLE_SERVER, role);
	/* the client's answer comes too late and is ignored */
	EXPECT_EQ(ECANCELED, vt_complete(self->cdev[0], 0, cmd.id, 0, 0));
	EXPECT_EQ(ECANCELED, vt_get(self->cdev[0], &cmd, 0));
	EXPECT_EQ(0, vt_close(self->client));
	/* what was completed before is as it was, the rest is 995, each once */
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, vt_collect(i & 1 ? self->server : self->sdev[0], &done, 0));
		if (i == 0)
			EXPECT_EQ(101, done.id);
		EXPECT_EQ(i == 0 ? 0 : 995, done.code);
	}
	EXPECT_EQ(ECANCELED, vt_collect(self->server, &done, 0));
	EXPECT_EQ(ECANCELED, vt_collect(self->sdev[0], &done, VDI_TIME_INFINITE));
}

TEST_F(device, server_close_with_closing_device_EPROTO)
{
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->client));
}

TEST_F(device, server_close_after_end)
{
	struct vdi_command cmd;
	int i;

	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	EXPECT_EQ(0, vt_close(self->server));
	/* the client still learns of each device that it ended well, again and again */
	for (i = 0; i < self->n; i++) {
		EXPECT_EQ(ESHUTDOWN, vt_get(self->cdev[i], &cmd, VDI_TIME_INFINITE));
		EXPECT_EQ(ESHUTDOWN, vt_get(self->cdev[i], &cmd, 0));
	}
	EXPECT_EQ(0, vt_close(self->client));
}

TEST_F(device, server_close_aborted)
{
	struct vdi_completion done;

	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 9));
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(0, vt_close(self->server));
	EXPECT_EQ(VDI_REASON_SIGNALLED, reason_of(self->client, NULL));
	ASSERT_EQ(0, vt_collect(self->server, &done, 0));
	EXPECT_EQ(995, done.code);
	EXPECT_EQ(9, done.id);
	EXPECT_EQ(ECANCELED, vt_collect(self->server, &done, 0));
}

/* After Close the server's handles only collect and tell: all else is EPROTO. */
TEST_F(device, draining_server_handle_EPROTO)
{
	struct vdi_set_hint hint = VT_INIT(vdi_set_hint);
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);
	struct vdi_completion done;

	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(EPROTO, vt_abort(self->server));
	EXPECT_EQ(EPROTO, vt_begin(self->server));
	EXPECT_EQ(EPROTO, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(EPROTO, vt_call(self->server, VDI_IOC_GROW_AREA, &grow));
	EXPECT_EQ(EPROTO, vt_call(self->server, VDI_IOC_SET_HINT, &hint));
	EXPECT_EQ(EPROTO, vt_get_config(self->server, 0));
	EXPECT_EQ(-EPROTO, vt_open_device(self->server, "another"));
	EXPECT_EQ(EPROTO, vt_create(self->server, "another", 1));
	EXPECT_EQ(EPROTO, vt_open(self->server, self->name));
	EXPECT_EQ(EPROTO, vt_close_device(self->sdev[0]));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, self->area_size, PROT_READ | PROT_WRITE, MAP_SHARED,
				   self->server, self->area_offset));
	EXPECT_EQ(EPROTO, errno);
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->server));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->sdev[0]));
	EXPECT_EQ(ECANCELED, vt_collect(self->server, &done, 0));
}

/* Nothing stays when both have closed: the next test of the name is clean. */
TEST_F(device, everything_goes_with_the_last_handle)
{
	int i;

	ASSERT_EQ(0, end_in_order(self->n, self->sdev));
	ASSERT_EQ(0, vt_close(self->client));
	ASSERT_EQ(0, vt_close(self->server));
	for (i = 0; i < self->n; i++) {
		close(self->cdev[i]);
		close(self->sdev[i]);
	}
	close(self->server);
	EXPECT_TRUE(VT_UNTIL(!vt_counter("sets") && !vt_counter("bytes")));
	EXPECT_EQ(1, vt_counter("handles"));
	EXPECT_EQ(0, vt_create(self->client, self->name, 1));
}

TEST_HARNESS_MAIN
