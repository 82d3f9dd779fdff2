// SPDX-License-Identifier: GPL-2.0-only
/*
 * OPEN_DEVICE on both sides, CLOSE_DEVICE and DEVICE_STATUS.  The table of a
 * device's states is device_table_test's, commands themselves are command_test's,
 * names that a client uses before the server provisional_test's, limits of users
 * limit_test's.
 */
#include "names.h"

/* A configured set of @n devices, none of them open. */
FIXTURE(fresh) {
	int client, server;
	char name[4][VDI_NAME_SIZE];
};

FIXTURE_VARIANT(fresh) {
	int devices;
};

FIXTURE_VARIANT_ADD(fresh, two) {
	.devices = 2,
};

FIXTURE_SETUP(fresh)
{
	int i;

	for (i = 0; i < 4; i++)
		vt_name(self->name[i]);
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_EQ(0, vt_create(self->client, self->name[0], variant->devices));
	ASSERT_EQ(0, vt_open(self->server, self->name[0]));
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
}

FIXTURE_TEARDOWN(fresh)
{
	vt_baseline(_metadata);
}

static struct vdi_open_device open_args(const char *name)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device);

	snprintf(o.name, sizeof(o.name), "%s", name);
	VT_POISON_FIELD(o.out_fd);
	VT_POISON_FIELD(o.out_index);
	return o;
}

TEST_F(fresh, open_device)
{
	struct vdi_open_device s = open_args(self->name[0]), c = s;
	struct vdi_device_status d = VT_INIT(vdi_device_status);

	ASSERT_OK(self->server, VDI_IOC_OPEN_DEVICE, &s);
	EXPECT_LE(0, s.out_fd);
	EXPECT_EQ(0, s.out_index);
	ASSERT_OK(self->client, VDI_IOC_OPEN_DEVICE, &c);
	EXPECT_LE(0, c.out_fd);
	EXPECT_NE(s.out_fd, c.out_fd);
	EXPECT_EQ(0, c.out_index);
	VT_POISON_FIELD(d.out_name);
	VT_POISON_FIELD(d.out_index);
	ASSERT_OK(c.out_fd, VDI_IOC_DEVICE_STATUS, &d);
	EXPECT_STREQ(self->name[0], d.out_name);
	EXPECT_EQ(0, d.out_index);
	EXPECT_EQ(VDI_DEVICE_ACTIVE, d.out_state);
	/* the other device is not open yet */
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
}

/* Index by the server's order; the set's name is always number 0. */
TEST_F(fresh, server_names_in_any_order)
{
	struct vdi_open_device s = open_args(self->name[1]);

	ASSERT_OK(self->server, VDI_IOC_OPEN_DEVICE, &s);
	EXPECT_EQ(1, s.out_index);
	s = open_args(self->name[0]);
	ASSERT_OK(self->server, VDI_IOC_OPEN_DEVICE, &s);
	EXPECT_EQ(0, s.out_index);
	s = open_args(self->name[1]);
	ASSERT_OK(self->client, VDI_IOC_OPEN_DEVICE, &s);
	EXPECT_EQ(1, s.out_index);
}

/* T08: the loop over OpenDevice ends with VD_E_OPEN, on either side. */
TEST_F(device, open_loop_ends_with_EBUSY)
{
	struct vdi_open_device o = open_args("one more");

	EXPECT_ERRNO(EBUSY, self->server, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_ERRNO(EBUSY, self->client, VDI_IOC_OPEN_DEVICE, &o);
	/* this comes before the question whether the name is taken */
	o = open_args(self->name);
	EXPECT_ERRNO(EBUSY, self->server, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_ERRNO(EBUSY, self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->client));
}

TEST_F(fresh, server_name_used_twice_EINVAL)
{
	struct vdi_open_device o = open_args(self->name[0]);

	ASSERT_LE(0, vt_open_device(self->server, self->name[0]));
	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_LE(0, vt_open_device(self->server, self->name[1]));
}

TEST_F(fresh, client_opens_twice_EPROTO)
{
	struct vdi_open_device o = open_args(self->name[0]);
	int second = vt_open_node();

	ASSERT_LE(0, vt_open_device(self->client, self->name[0]));
	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_OPEN_DEVICE, &o);
	ASSERT_EQ(0, vt_open_secondary(second, self->name[0]));
	EXPECT_ERRNO(EPROTO, second, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_LE(0, vt_open_device(second, self->name[1]));
}

TEST_F(fresh, malformed_name_EINVAL)
{
	struct vdi_open_device o = open_args("");

	vt_expect_bad_names(_metadata, self->server, VDI_IOC_OPEN_DEVICE, &o, o.name, true,
			    EINVAL);
	vt_expect_bad_names(_metadata, self->client, VDI_IOC_OPEN_DEVICE, &o, o.name, true,
			    EINVAL);
}

TEST_F(fresh, client_unknown_name_EINVAL)
{
	struct vdi_open_device o = open_args("typo");

	ASSERT_LE(0, vt_open_device(self->server, self->name[0]));
	ASSERT_LE(0, vt_open_device(self->server, self->name[1]));
	EXPECT_ERRNO(EINVAL, self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_LE(0, vt_open_device(self->client, self->name[1]));
}

TEST_F(pair, before_configuration_EPROTO)
{
	struct vdi_open_device o = open_args(self->name);

	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_ERRNO(EPROTO, self->server, VDI_IOC_OPEN_DEVICE, &o);
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_ERRNO(EPROTO, self->server, VDI_IOC_OPEN_DEVICE, &o);
}

TEST_F(pair, open_device_aborted_ECANCELED)
{
	struct vdi_open_device o = open_args(self->name);

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_ERRNO(ECANCELED, self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_ERRNO(ECANCELED, self->server, VDI_IOC_OPEN_DEVICE, &o);
}

/* Ended, but this client was not told yet: it may still open, and is told. */
TEST_F(fresh, client_opens_after_end)
{
	struct vdi_command cmd;
	int sdev[2], cdev, i;

	for (i = 0; i < 2; i++) {
		sdev[i] = vt_open_device(self->server, self->name[i]);
		ASSERT_EQ(0, vt_close_device(sdev[i]));
	}
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->client));
	EXPECT_EQ(-EPROTO, vt_open_device(self->server, self->name[0]));
	for (i = 0; i < 2; i++) {
		cdev = vt_open_device(self->client, self->name[i]);
		ASSERT_LE(0, cdev);
		EXPECT_EQ(ESHUTDOWN, vt_get(cdev, &cmd, VDI_TIME_INFINITE));
	}
	/* now it was told of both */
	EXPECT_EQ(-EPROTO, vt_open_device(self->client, self->name[0]));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(0, vt_close(self->server));
}

/* No descriptor free: nothing is opened, and the name can be opened later. */
TEST_F(fresh, no_descriptor_EMFILE)
{
	struct vdi_open_device o = open_args(self->name[0]);
	int fds[] = { self->server, self->client };
	struct rlimit old, tight;
	int next, i;

	next = dup(self->client);
	close(next);
	ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &old));
	tight = old;
	tight.rlim_cur = next;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &tight));
		EXPECT_ERRNO(EMFILE, fds[i], VDI_IOC_OPEN_DEVICE, &o);
		ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &old));
	}
	EXPECT_EQ(2, vt_counter("handles"));
	EXPECT_LE(0, vt_open_device(self->server, self->name[0]));
	EXPECT_LE(0, vt_open_device(self->client, self->name[0]));
}

TEST(all_64_devices)
{
	int client = vt_open_node(), server = vt_open_node(), fd, i;
	char name[VDI_NAME_SIZE], dev[VDI_NAME_SIZE];
	struct vdi_status s;

	vt_name(name);
	ASSERT_EQ(0, vt_create(client, name, 64));
	ASSERT_EQ(0, vt_open(server, name));
	ASSERT_EQ(0, vt_begin(server));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	for (i = 0; i < 64; i++) {
		vt_device_name(dev, name, i);
		fd = vt_open_device(server, dev);
		ASSERT_LE(0, fd);
		ASSERT_EQ(VDI_DEVICE_OPENED_BY_SERVER, vt_device_state(fd));
		EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(server));
	}
	for (i = 63; i >= 0; i--) {
		EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(client));
		vt_device_name(dev, name, i);
		ASSERT_LE(0, vt_open_device(client, dev));
	}
	ASSERT_EQ(0, vt_status(client, &s));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
	EXPECT_EQ(64, s.out_stat.client_devices);
	EXPECT_EQ(64, s.out_stat.server_devices);
	vt_baseline(_metadata);
}

/* CLOSE_DEVICE */
TEST_F(device, close_device_by_client_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_close_device(self->cdev[0]));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->cdev[0]));
}

/* T18 */
TEST_F(device, close_device_twice_ESHUTDOWN)
{
	EXPECT_EQ(0, vt_close_device(self->sdev[0]));
	EXPECT_EQ(ESHUTDOWN, vt_close_device(self->sdev[0]));
}

TEST_F(device, close_device_aborted_ECANCELED)
{
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ECANCELED, vt_close_device(self->sdev[0]));
}

TEST_F(device, close_device_draining_EPROTO)
{
	ASSERT_EQ(EPROTO, vt_close(self->server));
	EXPECT_EQ(EPROTO, vt_close_device(self->sdev[0]));
}

/* T14 and row 17: queued and taken ones are finished first, VD_E_CLOSE is last. */
TEST_F(device, close_device_with_commands_outstanding)
{
	struct vdi_device_status status = VT_INIT(vdi_device_status);
	struct vdi_completion done;
	struct vdi_command one, two;

	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_REWIND, 1));
	ASSERT_EQ(0, vt_get(self->cdev[0], &one, 0));
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 2));
	EXPECT_EQ(0, vt_close_device(self->sdev[0]));
	EXPECT_EQ(VDI_DEVICE_CLOSING, vt_device_state(self->sdev[0]));
	EXPECT_EQ(VDI_DEVICE_CLOSING, vt_device_state(self->cdev[0]));
	EXPECT_EQ(ESHUTDOWN, vt_close_device(self->sdev[0]));
	EXPECT_EQ(EPROTO, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 3));
	ASSERT_EQ(0, vt_get(self->cdev[0], &two, 0));
	EXPECT_EQ(VDI_CMD_FLUSH, two.code);
	ASSERT_EQ(0, vt_complete(self->cdev[0], 0, two.id, 0, 0));
	ASSERT_EQ(0, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(2, done.id);
	EXPECT_EQ(ETIMEDOUT, vt_get(self->cdev[0], &two, 0));
	ASSERT_EQ(0, vt_complete(self->cdev[0], 0, one.id, 0, 0));
	EXPECT_EQ(VDI_DEVICE_CLOSED, vt_device_state(self->cdev[0]));
	/* once more, before it was told of the close: counted for the server */
	EXPECT_EQ(EPROTO, vt_complete(self->cdev[0], 0, one.id, 0, 0));
	ASSERT_OK(self->sdev[0], VDI_IOC_DEVICE_STATUS, &status);
	EXPECT_EQ(1, status.out_refused);
	EXPECT_EQ(ESHUTDOWN, vt_get(self->cdev[0], &two, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_collect(self->sdev[0], &done, 0));
	EXPECT_EQ(1, done.id);
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->sdev[0], &done, VDI_TIME_INFINITE));
	EXPECT_EQ(POLLHUP, vt_poll(self->sdev[0]));
	EXPECT_EQ(POLLHUP, vt_poll(self->cdev[0]));
	EXPECT_EQ(EPROTO, vt_complete(self->cdev[0], 0, one.id, 0, 0));
}

/* Spec 2.4, and the states before it */
TEST_F(fresh, states_before_active)
{
	int sdev, cdev;

	sdev = vt_open_device(self->server, self->name[0]);
	EXPECT_EQ(VDI_DEVICE_OPENED_BY_SERVER, vt_device_state(sdev));
	cdev = vt_open_device(self->client, self->name[0]);
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(sdev));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(cdev));
	cdev = vt_open_device(self->client, self->name[1]);
	EXPECT_EQ(VDI_DEVICE_OPENED_BY_CLIENT, vt_device_state(cdev));
	sdev = vt_open_device(self->server, self->name[1]);
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(cdev));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(sdev));
}

enum event { NORMAL, ERROR, CLEARED, CLEAR_FAILED, CLOSED, CLIENT_ABORT, SERVER_ABORT };

static int one_command(int sdev, int cdev, unsigned int command, unsigned int code)
{
	struct vdi_completion done;
	struct vdi_command cmd;
	int err;

	err = vt_send(sdev, 0, command, 6);
	err = err ?: vt_get(cdev, &cmd, 0);
	err = err ?: vt_complete(cdev, 0, cmd.id, code, 0);
	err = err ?: vt_collect(sdev, &done, 0);
	return err ?: done.code == code ? 0 : -1;
}

static int happen(FIXTURE_DATA(device) *self, enum event event)
{
	switch (event) {
	case NORMAL:
		return one_command(self->sdev[0], self->cdev[0], VDI_CMD_FLUSH, 0);
	case ERROR:
		return one_command(self->sdev[0], self->cdev[0], VDI_CMD_FLUSH, 112);
	case CLEARED:
		return one_command(self->sdev[0], self->cdev[0], VDI_CMD_CLEAR_ERROR, 0);
	case CLEAR_FAILED:
		return one_command(self->sdev[0], self->cdev[0], VDI_CMD_CLEAR_ERROR, 31);
	case CLOSED:
		return vt_close_device(self->sdev[0]);
	case CLIENT_ABORT:
		return vt_abort(self->client);
	case SERVER_ABORT:
		return vt_abort(self->server);
	}
	return -1;
}

#define TRANSITION(from, first, event, to)					\
	TEST_F(device, from##_##event)						\
	{									\
		ASSERT_EQ(0, happen(self, first));				\
		ASSERT_EQ(VDI_DEVICE_##from, vt_device_state(self->sdev[0]));	\
		EXPECT_EQ(0, happen(self, event));				\
		EXPECT_EQ(VDI_DEVICE_##to, vt_device_state(self->sdev[0]));	\
		EXPECT_EQ(VDI_DEVICE_##to, vt_device_state(self->cdev[0]));	\
	}

TRANSITION(ACTIVE, NORMAL, NORMAL, ACTIVE)
TRANSITION(ACTIVE, NORMAL, ERROR, ERRORED)
TRANSITION(ACTIVE, NORMAL, CLOSED, CLOSED)
TRANSITION(ACTIVE, NORMAL, CLIENT_ABORT, ABORTED)
TRANSITION(ACTIVE, NORMAL, SERVER_ABORT, ABORTED)
TRANSITION(ERRORED, ERROR, CLEARED, ACTIVE)
TRANSITION(ERRORED, ERROR, CLEAR_FAILED, ERRORED)
TRANSITION(ERRORED, ERROR, CLOSED, CLOSED)
TRANSITION(ERRORED, ERROR, CLIENT_ABORT, ABORTED)
TRANSITION(ERRORED, ERROR, SERVER_ABORT, ABORTED)

/* An errored device takes only ClearError, and ClearError takes only an error. */
TEST_F(device, errored_refuses_commands_EREMOTEIO)
{
	EXPECT_EQ(EPROTO, vt_send(self->sdev[0], 0, VDI_CMD_CLEAR_ERROR, 1));
	ASSERT_EQ(0, happen(self, ERROR));
	EXPECT_EQ(EREMOTEIO, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_CLEAR_ERROR, 2));
	EXPECT_EQ(EPROTO, vt_send(self->sdev[0], 0, VDI_CMD_CLEAR_ERROR, 3));
}

/* DEVICE_STATUS: the counters, on one device of the set and not on the others */
TEST_F(device, device_status_counts)
{
	int s = self->sdev[self->n - 1], c = self->cdev[self->n - 1], i;
	struct vdi_device_status d = VT_INIT(vdi_device_status);
	struct vdi_completion done;
	struct vdi_command cmd;
	struct vdi_exchange x;
	struct vdi_command write = {
		.device = self->n - 1, .code = VDI_CMD_WRITE, .length = 1000, .id = 5,
		.offset = self->area_offset,
	};

	ASSERT_EQ(0, vt_exchange(s, &x, &write, 1, NULL, 0, 0, 0));
	write.code = VDI_CMD_READ;
	ASSERT_EQ(0, vt_exchange(s, &x, &write, 1, NULL, 0, 0, 0));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vt_send(s, self->n - 1, VDI_CMD_FLUSH, i));
	ASSERT_OK(c, VDI_IOC_DEVICE_STATUS, &d);
	EXPECT_EQ(5, d.out_queued);
	EXPECT_EQ(0, d.out_taken);
	ASSERT_EQ(0, vt_get(c, &cmd, 0));
	ASSERT_EQ(0, vt_complete(c, self->n - 1, cmd.id, 0, 900));
	ASSERT_EQ(0, vt_get(c, &cmd, 0));
	ASSERT_EQ(0, vt_complete(c, self->n - 1, cmd.id, 0, 700));
	ASSERT_EQ(0, vt_get(c, &cmd, 0));
	ASSERT_EQ(0, vt_collect(s, &done, 0));
	memset((char *)&d + 8, VT_POISON, sizeof(d) - 8);
	ASSERT_OK(s, VDI_IOC_DEVICE_STATUS, &d);
	EXPECT_EQ(self->n - 1, d.out_index);
	EXPECT_EQ(VDI_DEVICE_ACTIVE, d.out_state);
	EXPECT_EQ(2, d.out_queued);
	EXPECT_EQ(1, d.out_taken);
	EXPECT_EQ(1, d.out_done);
	EXPECT_EQ(0, d.out_refused);
	EXPECT_EQ(5, d.out_commands);
	EXPECT_EQ(2, d.out_completions);
	EXPECT_EQ(0, d.out_errors);
	EXPECT_EQ(900, d.out_bytes_written);
	EXPECT_EQ(700, d.out_bytes_read);
	ASSERT_EQ(0, vt_complete(c, self->n - 1, cmd.id, 38, 0));
	ASSERT_OK(s, VDI_IOC_DEVICE_STATUS, &d);
	EXPECT_EQ(1, d.out_errors);
	EXPECT_EQ(3, d.out_completions);
	EXPECT_EQ(VDI_DEVICE_ERRORED, d.out_state);
	/* the two that were queued came back without the client, so there are 1 + 1 + 2 */
	EXPECT_EQ(0, d.out_queued);
	EXPECT_EQ(4, d.out_done);
	if (self->n > 1) {
		ASSERT_OK(self->sdev[0], VDI_IOC_DEVICE_STATUS, &d);
		EXPECT_EQ(0, d.out_commands);
		EXPECT_EQ(VDI_DEVICE_ACTIVE, d.out_state);
	}
}

/* Whatever happens to the set, the handle tells. */
TEST_F(device, device_status_after_the_end)
{
	ASSERT_EQ(EBUSY, vt_close(self->client));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->cdev[0]));
	EXPECT_EQ(0, vt_close(self->server));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->sdev[0]));
	close(self->client);
	close(self->server);
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->cdev[0]));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->sdev[0]));
}

TEST_HARNESS_MAIN
