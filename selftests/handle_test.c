// SPDX-License-Identifier: GPL-2.0-only
/*
 * The set handle as a file: open, dup, fork, poll, O_NONBLOCK, what an unbound
 * one refuses, GET_INFO.  How the death of its owner ends a set is
 * abort_test's, mmap is area_test's.
 */
#include "child.h"

TEST(open_and_close_are_counted)
{
	int fd = vt_open_node();

	ASSERT_LE(0, fd);
	EXPECT_EQ(1, vt_counter("handles"));
	EXPECT_EQ(0, vt_counter("sets"));
	close(fd);
	vt_baseline(_metadata);
}

/* The counters that each teardown checks must be able to be other than 0. */
TEST_F(device, objects_are_counted)
{
	EXPECT_EQ(1, vt_counter("sets"));
	EXPECT_EQ(1, vt_counter("names"));
	EXPECT_EQ(2 + 2 * self->n, vt_counter("handles"));
	EXPECT_LE(self->area_size, vt_counter("bytes"));
	EXPECT_LE(1, vt_counter("users"));
	EXPECT_LE(1, vt_counter("owners"));
	EXPECT_EQ(0, vt_counter("commands"));
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(1, vt_counter("commands"));
}

TEST_F(handle, no_read_write_or_seek)
{
	char byte = 0;

	EXPECT_EQ(-1, read(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, write(self->fd, &byte, 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, lseek(self->fd, 0, SEEK_SET));
	EXPECT_EQ(ESPIPE, errno);
}

/* What an unbound handle refuses (T02); its other answers are below. */
TEST_F(handle, get_config_unbound_EPROTO)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config);

	VT_POISON_FIELD(g.out_config);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_GET_CONFIG, &g);
}

TEST_F(handle, begin_config_unbound_EPROTO)
{
	struct vdi_begin_config b = VT_INIT(vdi_begin_config, .features = VDI_FEAT_WRITE_MEDIA);

	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_BEGIN_CONFIG, &b);
}

TEST_F(handle, end_config_unbound_EPROTO)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = VT_TRANSFER);

	VT_POISON_FIELD(e.out_offset);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_END_CONFIG, &e);
}

TEST_F(handle, grow_area_unbound_EPROTO)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);

	VT_POISON_FIELD(g.out_offset);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_GROW_AREA, &g);
}

TEST_F(handle, open_device_unbound_EPROTO)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device, .name = "x");

	VT_POISON_FIELD(o.out_fd);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_OPEN_DEVICE, &o);
}

TEST_F(handle, status_unbound_EPROTO)
{
	struct vdi_status s = VT_INIT(vdi_status);

	VT_POISON_FIELD(s.out_stat);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_STATUS, &s);
}

TEST_F(handle, set_hint_unbound_EPROTO)
{
	struct vdi_set_hint h = VT_INIT(vdi_set_hint);

	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_SET_HINT, &h);
}

TEST_F(handle, exchange_unbound_EPROTO)
{
	struct vdi_completion c[1];
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)c, .nr_out = 1, .min = 1);

	VT_POISON_FIELD(x.out_accepted);
	EXPECT_ERRNO(EPROTO, self->fd, VDI_IOC_EXCHANGE, &x);
}

TEST_F(handle, abort_unbound_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_abort(self->fd));
}

/* Both Close pages: nothing to close, nothing done; the handle is as good as before. */
TEST_F(handle, close_unbound_EPROTO)
{
	char name[VDI_NAME_SIZE];

	EXPECT_EQ(EPROTO, vt_close(self->fd));
	vt_name(name);
	EXPECT_EQ(0, vt_create(self->fd, name, 1));
}

TEST_F(handle, poll_unbound_EPOLLHUP)
{
	EXPECT_EQ(POLLHUP, vt_poll(self->fd));
}

TEST_F(handle, dup_shares_the_binding)
{
	char name[VDI_NAME_SIZE];
	int twin = dup(self->fd);
	int server = vt_open_node();

	vt_name(name);
	ASSERT_EQ(0, vt_create(self->fd, name, 1));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(twin));
	EXPECT_EQ(EPROTO, vt_create(twin, name, 1));
	close(self->fd);
	/* one of two descriptors closed: the set lives, and so the server finds it */
	EXPECT_EQ(0, vt_open(server, name));
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(twin));
	close(twin);
	EXPECT_TRUE(VT_UNTIL(vt_state(server) == VDI_STATE_ABORTED));
}

static int child_gets_EIO(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(device) *self = arg;
	struct vdi_get_info info = VT_INIT(vdi_get_info);

	(void)me;
	if (vt_call(self->client, VDI_IOC_GET_INFO, &info) != EIO)
		return 1;
	if (vt_state(self->server) != -EIO || vt_device_state(self->cdev[0]) != -EIO)
		return 2;
	if (vt_close(self->client) != EIO || vt_abort(self->server) != EIO)
		return 3;
	/* the client's device has a command to fetch, the server's ring has room */
	if (vt_poll(self->cdev[0]) != POLLIN || vt_poll(self->sdev[0]) != POLLOUT)
		return 4;
	if (vt_poll(self->client) != (POLLIN | POLLOUT))
		return 5;
	if (mmap(NULL, self->area_size, PROT_READ | PROT_WRITE, MAP_SHARED, self->client,
		 self->area_offset) != MAP_FAILED || errno != EIO)
		return 6;
	close(self->client);
	close(self->server);
	close(self->cdev[0]);
	close(self->sdev[0]);
	return 0;
}

TEST_F(device, forked_child_gets_EIO_but_may_poll)
{
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, child_gets_EIO, self));
	/* the child's close and exit were nothing to the set */
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->client));
}

struct passed {
	int fd;
	char name[VDI_NAME_SIZE];
};

static int child_binds(struct vt_child *me, void *arg)
{
	struct passed *p = arg;
	int err = vt_create(p->fd, p->name, 1);

	vt_tell(me, err);
	vt_hear(me);
	return vt_state(p->fd);
}

/* An unbound handle belongs to nobody; the one who binds it owns it. */
TEST_F(handle, passed_handle_is_owned_by_who_binds)
{
	struct vt_child child;
	struct passed p = { .fd = self->fd };
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	int server = vt_open_node();

	vt_name(p.name);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, child_binds, &p));
	EXPECT_EQ(0, vt_hear(&child));
	EXPECT_EQ(-EIO, vt_state(self->fd));
	EXPECT_EQ(EIO, vt_call(self->fd, VDI_IOC_GET_INFO, &info));
	EXPECT_EQ(0, vt_open(server, p.name));
	vt_tell(&child, 0);
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_finish(&child));
	/* the owner is gone, though we still have the file */
	EXPECT_TRUE(VT_UNTIL(vt_state(server) == VDI_STATE_ABORTED));
}

TEST_F(pair, device_handles_are_close_on_exec)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device);
	int sdev;

	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	sdev = vt_open_device(self->server, self->name);
	ASSERT_LE(0, sdev);
	EXPECT_EQ(FD_CLOEXEC, fcntl(sdev, F_GETFD));
	EXPECT_EQ(0, fcntl(sdev, F_GETFL) & O_NONBLOCK);
	o.flags = VDI_OPEN_DEVICE_F_NONBLOCK;
	strcpy(o.name, self->name);
	VT_POISON_FIELD(o.out_fd);
	VT_POISON_FIELD(o.out_index);
	ASSERT_OK(self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_EQ(0, o.out_index);
	EXPECT_EQ(FD_CLOEXEC, fcntl(o.out_fd, F_GETFD));
	EXPECT_EQ(O_NONBLOCK, fcntl(o.out_fd, F_GETFL) & O_NONBLOCK);
}

TEST_F(device, nonblock_EAGAIN)
{
	struct vdi_completion done;
	struct vdi_command cmd;

	ASSERT_EQ(0, fcntl(self->sdev[0], F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->cdev[0], F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->client, F_SETFL, O_NONBLOCK));
	ASSERT_EQ(0, fcntl(self->server, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EAGAIN, vt_get(self->cdev[0], &cmd, VDI_TIME_INFINITE));
	EXPECT_TRUE(vt_poisoned(&cmd, sizeof(cmd)));
	EXPECT_EQ(EAGAIN, vt_get(self->client, &cmd, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_send(self->sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(EAGAIN, vt_collect(self->sdev[0], &done, VDI_TIME_INFINITE));
	EXPECT_EQ(EAGAIN, vt_collect(self->server, &done, VDI_TIME_INFINITE));
	EXPECT_TRUE(vt_poisoned(&done, sizeof(done)));
	/* what is there is delivered */
	EXPECT_EQ(0, vt_get(self->cdev[0], &cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(VDI_CMD_FLUSH, cmd.code);
}

TEST_F(set, nonblock_get_config_EAGAIN)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = VDI_TIME_INFINITE);

	ASSERT_EQ(0, fcntl(self->client, F_SETFL, O_NONBLOCK));
	VT_POISON_FIELD(g.out_config);
	EXPECT_ERRNO(EAGAIN, self->client, VDI_IOC_GET_CONFIG, &g);
}

TEST_F(handle, get_info)
{
	struct vdi_get_info i = VT_INIT(vdi_get_info);

	memset((char *)&i + 8, VT_POISON, sizeof(i) - 8);
	ASSERT_OK(self->fd, VDI_IOC_GET_INFO, &i);
	EXPECT_EQ(sizeof(i), i.size);
	EXPECT_EQ(0, i.flags);
	EXPECT_EQ(0, i.out_capabilities & ~(VDI_CAP_EARLY_DEATH | VDI_CAP_NODES));
	/* the bits that make up the legal combinations of spec 6.3 */
	EXPECT_EQ(VDI_FEAT_LIKE_TAPE | VDI_FEAT_LIKE_DISK | VDI_FEAT_REMOVABLE |
		  VDI_FEAT_DISCARD | VDI_FEAT_SNAPSHOT_PREPARE | VDI_FEAT_REQUEST_COMPLETE,
		  i.out_features);
	EXPECT_EQ(64, i.out_max_devices);
	EXPECT_EQ(64, i.out_ring_depth);
	EXPECT_EQ(vt_parameter("max_ring_depth"), i.out_max_ring_depth);
	EXPECT_EQ(vt_parameter("max_area_bytes"), i.out_max_area_bytes);
	EXPECT_EQ(vt_parameter("max_user_bytes"), i.out_max_user_bytes);
	EXPECT_EQ(vt_parameter("max_sets"), i.out_max_sets);
	EXPECT_EQ(vt_parameter("max_handles"), i.out_max_handles);
	EXPECT_EQ(vt_parameter("max_spin_us"), i.out_max_spin_us);
	EXPECT_GT(VDI_VERSION_SIZE, strnlen(i.out_version, VDI_VERSION_SIZE));
	EXPECT_LT(0, strnlen(i.out_version, VDI_VERSION_SIZE));
}

TEST(defaults_of_the_limits)
{
	EXPECT_EQ(256, vt_parameter("max_ring_depth"));
	EXPECT_EQ(1LL << 30, vt_parameter("max_area_bytes"));
	EXPECT_EQ(4LL << 30, vt_parameter("max_user_bytes"));
	EXPECT_EQ(25, vt_parameter("max_total_percent"));
	EXPECT_EQ(64, vt_parameter("max_sets"));
	EXPECT_EQ(1024, vt_parameter("max_handles"));
	EXPECT_EQ(100, vt_parameter("max_spin_us"));
}

TEST_F(device, get_info_on_bound_handles)
{
	struct vdi_get_info i = VT_INIT(vdi_get_info), j = VT_INIT(vdi_get_info);

	EXPECT_OK(self->client, VDI_IOC_GET_INFO, &i);
	EXPECT_OK(self->server, VDI_IOC_GET_INFO, &j);
	EXPECT_EQ(0, memcmp(&i, &j, sizeof(i)));
	EXPECT_EQ(EPROTO, vt_close(self->server));
	EXPECT_OK(self->server, VDI_IOC_GET_INFO, &j);
}

TEST_HARNESS_MAIN
