// SPDX-License-Identifier: GPL-2.0-only
/*
 * OPEN and OPEN_SECONDARY: each documented errno, and what they do.  Who may
 * is name_test's.
 */
#include "names.h"

/* Ends the set in order: every device opened by the server and closed again. */
static int end_in_order(int server, const char *name)
{
	int sdev, err;

	if (vt_begin(server) || vt_end(server, VT_TRANSFER))
		return -1;
	sdev = vt_open_device(server, name);
	err = vt_close_device(sdev);
	close(sdev);
	return err ? err : vt_state(server) == VDI_STATE_TERMINATED ? 0 : -1;
}

/* OPEN */
TEST_F(set, open)
{
	struct vdi_status s;
	int server = vt_open_node();

	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_role);
	EXPECT_EQ(VDI_STATE_CONNECTED, s.out_stat.state);
	EXPECT_EQ(getpid(), s.out_stat.server.pid);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.server.role);
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->client));
}

TEST_F(set, open_by_instance)
{
	struct vdi_create c = vt_create_args(self->name, 1);
	struct vdi_open o = VT_INIT(vdi_open);
	int client = vt_open_node(), server = vt_open_node();

	strcpy(c.instance, "inst");
	ASSERT_OK(client, VDI_IOC_CREATE, &c);
	strcpy(o.name, self->name);
	strcpy(o.instance, "INST");
	EXPECT_ERRNO(ENOENT, server, VDI_IOC_OPEN, &o);
	strcpy(o.instance, "inst");
	EXPECT_OK(server, VDI_IOC_OPEN, &o);
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(client));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

TEST_F(set, open_on_bound_handle_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_open(self->client, self->name));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

TEST_F(pair, open_second_server_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_open(vt_open_node(), self->name));
	EXPECT_EQ(EPROTO, vt_open(self->server, self->name));
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->server));
}

/* Also of a set that has ended: it keeps its name and had its server. */
TEST_F(pair, open_after_end_EPROTO)
{
	ASSERT_EQ(0, end_in_order(self->server, self->name));
	EXPECT_EQ(EPROTO, vt_open(vt_open_node(), self->name));
}

TEST_F(set, open_malformed_name_EINVAL)
{
	struct vdi_open o = VT_INIT(vdi_open);
	int server = vt_open_node();

	vt_expect_bad_names(_metadata, server, VDI_IOC_OPEN, &o, o.name, true, EINVAL);
}

TEST_F(set, open_malformed_instance_ENXIO)
{
	struct vdi_open o = VT_INIT(vdi_open);
	int server = vt_open_node();

	strcpy(o.name, self->name);
	vt_expect_bad_names(_metadata, server, VDI_IOC_OPEN, &o, o.instance, false, ENXIO);
}

TEST_F(set, open_unknown_name_ENOENT)
{
	int server = vt_open_node();

	EXPECT_EQ(ENOENT, vt_open(server, "nobody made this"));
	EXPECT_EQ(-EPROTO, vt_state(server));
	EXPECT_EQ(0, vt_open(server, self->name));
}

TEST_F(set, open_aborted_set_ENOENT)
{
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ENOENT, vt_open(vt_open_node(), self->name));
	/* the name is free at once, though the aborted set is still there */
	EXPECT_EQ(0, vt_create(vt_open_node(), self->name, 1));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->client));
}

/* OPEN_SECONDARY (T22) */
TEST_F(device, open_secondary)
{
	struct vdi_status s;
	int second = vt_open_node(), third = vt_open_node();

	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	EXPECT_EQ(0, vt_open_secondary(third, self->name));
	ASSERT_EQ(0, vt_status(second, &s));
	EXPECT_EQ(VDI_ROLE_SECONDARY, s.out_role);
	EXPECT_STREQ(self->name, s.out_stat.name);
	EXPECT_EQ(0, vt_get_config(second, 0));
}

/* Who adopts a secondary's handle is one, and no party of the set. */
TEST_F(device, open_secondary_and_adopt)
{
	int second = vt_open_node(), ended;
	struct vdi_status s;
	pid_t child;

	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	child = fork();
	if (!child)
		_exit(vt_status(second, &s) != EIO ? 1 : vt_adopt(second) ?: vt_status(second, &s));
	ASSERT_EQ(child, waitpid(child, &ended, 0));
	EXPECT_EQ(0, ended);
	EXPECT_EQ(EIO, vt_status(second, &s));
	/* it had no device open: its end is no end of the set */
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(getpid(), s.out_stat.client.pid);
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
}

TEST_F(device, open_secondary_bound_EPROTO)
{
	int second = vt_open_node();

	EXPECT_EQ(EPROTO, vt_open_secondary(self->client, self->name));
	EXPECT_EQ(EPROTO, vt_open_secondary(self->server, self->name));
	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	EXPECT_EQ(EPROTO, vt_open_secondary(second, self->name));
	EXPECT_EQ(EPROTO, vt_create(second, "another", 1));
	EXPECT_EQ(EPROTO, vt_open(second, self->name));
}

TEST_F(set, open_secondary_before_configuration_EPROTO)
{
	int server = vt_open_node(), second = vt_open_node();

	EXPECT_EQ(EPROTO, vt_open_secondary(second, self->name));
	ASSERT_EQ(0, vt_open(server, self->name));
	EXPECT_EQ(EPROTO, vt_open_secondary(second, self->name));
	ASSERT_EQ(0, vt_begin(server));
	EXPECT_EQ(EPROTO, vt_open_secondary(second, self->name));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	EXPECT_EQ(0, vt_open_secondary(second, self->name));
}

/* Ended, but no client was told: a latecomer may join and is told (2.6-p). */
TEST_F(pair, open_secondary_after_end_EPROTO)
{
	int second = vt_open_node(), third = vt_open_node(), cdev;
	struct vdi_command cmd;

	ASSERT_EQ(0, end_in_order(self->server, self->name));
	EXPECT_EQ(0, vt_open_secondary(second, self->name));
	cdev = vt_open_device(second, self->name);
	ASSERT_LE(0, cdev);
	EXPECT_EQ(ESHUTDOWN, vt_get(cdev, &cmd, 0));
	/* now the clients know of all devices */
	EXPECT_EQ(EPROTO, vt_open_secondary(third, self->name));
	EXPECT_EQ(0, vt_close(second));
}

TEST_F(set, open_secondary_malformed_name_EINVAL)
{
	struct vdi_open_secondary o = VT_INIT(vdi_open_secondary);
	int fd = vt_open_node();

	vt_expect_bad_names(_metadata, fd, VDI_IOC_OPEN_SECONDARY, &o, o.name, true, EINVAL);
}

TEST_F(set, open_secondary_malformed_instance_ENXIO)
{
	struct vdi_open_secondary o = VT_INIT(vdi_open_secondary);
	int fd = vt_open_node();

	strcpy(o.name, self->name);
	vt_expect_bad_names(_metadata, fd, VDI_IOC_OPEN_SECONDARY, &o, o.instance, false, ENXIO);
}

TEST_F(device, open_secondary_unknown_name_ENOENT)
{
	EXPECT_EQ(ENOENT, vt_open_secondary(vt_open_node(), "nobody made this"));
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ENOENT, vt_open_secondary(vt_open_node(), self->name));
}

TEST_HARNESS_MAIN
