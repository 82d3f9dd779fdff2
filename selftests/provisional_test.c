// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names of devices that a client uses before the server (spec 3.3): the open is
 * provisional, resolves when the server names the device, and a name that the
 * server never uses steals no device.
 */
#include <pthread.h>

#include "child.h"

FIXTURE(early) {
	int client, server;
	char name[3][VDI_NAME_SIZE];
};

FIXTURE_SETUP(early)
{
	int i;

	for (i = 0; i < 3; i++)
		vt_name(self->name[i]);
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_EQ(0, vt_create(self->client, self->name[0], 2));
	ASSERT_EQ(0, vt_open(self->server, self->name[0]));
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
}

FIXTURE_TEARDOWN(early)
{
	vt_baseline(_metadata);
}

static int index_of(int fd)
{
	struct vdi_device_status d = VT_INIT(vdi_device_status);

	return vt_call(fd, VDI_IOC_DEVICE_STATUS, &d) ? -2 : (int)d.out_index;
}

TEST_F(early, resolves_when_the_server_names_it)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device);
	struct vdi_device_status d = VT_INIT(vdi_device_status);
	struct vdi_command cmd;
	int sdev;

	strcpy(o.name, self->name[1]);
	ASSERT_OK(self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_EQ(VDI_DEVICE_UNKNOWN, o.out_index);
	ASSERT_OK(o.out_fd, VDI_IOC_DEVICE_STATUS, &d);
	EXPECT_EQ(VDI_DEVICE_UNKNOWN, d.out_index);
	EXPECT_EQ(VDI_DEVICE_OPENED_BY_CLIENT, d.out_state);
	EXPECT_STREQ(self->name[1], d.out_name);
	EXPECT_EQ(0, vt_poll(o.out_fd));
	EXPECT_EQ(ETIMEDOUT, vt_get(o.out_fd, &cmd, 0));
	/* the first device has the set's name, so it is not meant */
	ASSERT_LE(0, vt_open_device(self->server, self->name[0]));
	EXPECT_EQ(-1, index_of(o.out_fd));
	sdev = vt_open_device(self->server, self->name[1]);
	ASSERT_LE(0, sdev);
	EXPECT_EQ(1, index_of(o.out_fd));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(o.out_fd));
	ASSERT_EQ(0, vt_send(sdev, 1, VDI_CMD_FLUSH, 3));
	ASSERT_EQ(0, vt_get(o.out_fd, &cmd, 0));
	EXPECT_EQ(1, cmd.device);
}

/* The set's own name is known from the start. */
TEST_F(early, first_device_is_named_already)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device);

	strcpy(o.name, self->name[0]);
	ASSERT_OK(self->client, VDI_IOC_OPEN_DEVICE, &o);
	EXPECT_EQ(0, o.out_index);
	EXPECT_EQ(VDI_DEVICE_OPENED_BY_CLIENT, vt_device_state(o.out_fd));
}

TEST_F(early, exchange_waits_and_its_deadline_runs)
{
	int cdev = vt_open_device(self->client, self->name[1]);
	uint64_t before = vt_now();
	struct vdi_command cmd;

	ASSERT_LE(0, cdev);
	EXPECT_EQ(ETIMEDOUT, vt_get(cdev, &cmd, before + 30 * 1000000));
	EXPECT_LE(before + 30 * 1000000, vt_now());
	ASSERT_EQ(0, fcntl(cdev, F_SETFL, O_NONBLOCK));
	EXPECT_EQ(EAGAIN, vt_get(cdev, &cmd, VDI_TIME_INFINITE));
}

TEST_F(early, opened_twice_EPROTO)
{
	ASSERT_LE(0, vt_open_device(self->client, self->name[1]));
	EXPECT_EQ(-EPROTO, vt_open_device(self->client, self->name[1]));
	EXPECT_LE(0, vt_open_device(self->client, self->name[0]));
}

/* They count as open, so that the loop over OpenDevice ends. */
TEST_F(early, all_taken_EBUSY)
{
	ASSERT_LE(0, vt_open_device(self->client, self->name[1]));
	ASSERT_LE(0, vt_open_device(self->client, self->name[0]));
	EXPECT_EQ(-EBUSY, vt_open_device(self->client, self->name[2]));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
}

/* Once the server has named all, a wrong guess is over and the right name opens. */
TEST_F(early, typo_steals_no_device)
{
	int typo, sdev, cdev;
	struct vdi_completion done;
	struct vdi_command cmd;

	ASSERT_LE(0, vt_open_device(self->client, self->name[0]));
	typo = vt_open_device(self->client, self->name[2]);
	ASSERT_LE(0, typo);
	ASSERT_LE(0, vt_open_device(self->server, self->name[0]));
	sdev = vt_open_device(self->server, self->name[1]);
	ASSERT_LE(0, sdev);
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->server));
	EXPECT_EQ(EINVAL, vt_get(typo, &cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(EINVAL, vt_get(typo, &cmd, 0));
	EXPECT_EQ(POLLERR, vt_poll(typo) & ~POLLHUP);
	EXPECT_EQ(-1, index_of(typo));
	cdev = vt_open_device(self->client, self->name[1]);
	ASSERT_LE(0, cdev);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->server));
	ASSERT_EQ(0, vt_send(sdev, 1, VDI_CMD_FLUSH, 3));
	ASSERT_EQ(0, vt_get(cdev, &cmd, 0));
	ASSERT_EQ(0, vt_complete(cdev, 1, cmd.id, 0, 0));
	ASSERT_EQ(0, vt_collect(sdev, &done, 0));
	/* to let the useless handle go does no harm */
	close(typo);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->server));
}

/*
 * A name that the server used already can be opened though guesses fill the
 * set.  Three devices: with two, one name and the set's own leave none to guess.
 */
TEST(known_name_opens_past_guesses)
{
	int client = vt_open_node(), server = vt_open_node();
	char name[VDI_NAME_SIZE];

	vt_name(name);
	ASSERT_EQ(0, vt_create(client, name, 3));
	ASSERT_EQ(0, vt_open(server, name));
	ASSERT_EQ(0, vt_begin(server));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	ASSERT_LE(0, vt_open_device(server, "known"));
	ASSERT_LE(0, vt_open_device(client, "a guess"));
	ASSERT_LE(0, vt_open_device(client, "another guess"));
	ASSERT_LE(0, vt_open_device(client, "a third guess"));
	EXPECT_EQ(-EBUSY, vt_open_device(client, "a fourth guess"));
	EXPECT_LE(0, vt_open_device(client, "known"));
	EXPECT_EQ(-EPROTO, vt_open_device(client, "known"));
	EXPECT_LE(0, vt_open_device(client, name));
	vt_baseline(_metadata);
}

struct waiter {
	pthread_t thread;
	int fd;
	pid_t tid;
	int err;
};

static void *wait_for_command(void *arg)
{
	struct waiter *w = arg;
	struct vdi_command cmd;

	__atomic_store_n(&w->tid, syscall(SYS_gettid), __ATOMIC_RELEASE);
	w->err = vt_get(w->fd, &cmd, VT_LONG);
	return NULL;
}

static bool start_waiter(struct waiter *w, int fd)
{
	w->fd = fd;
	w->tid = 0;
	w->err = -1;
	return !pthread_create(&w->thread, NULL, wait_for_command, w) &&
	       VT_UNTIL(__atomic_load_n(&w->tid, __ATOMIC_ACQUIRE)) && vt_asleep(w->tid);
}

TEST_F(early, blocked_typo_ends_with_EINVAL)
{
	struct waiter w;
	int typo = vt_open_device(self->client, self->name[2]);
	uint64_t named;

	ASSERT_LE(0, typo);
	ASSERT_TRUE(start_waiter(&w, typo));
	ASSERT_LE(0, vt_open_device(self->server, self->name[0]));
	ASSERT_LE(0, vt_open_device(self->server, self->name[1]));
	named = vt_now();
	pthread_join(w.thread, NULL);
	EXPECT_EQ(EINVAL, w.err);
	EXPECT_GT(named + VT_SOON_NS, vt_now());
}

TEST_F(early, blocked_wait_goes_on_when_named)
{
	struct vdi_completion done;
	struct waiter w;
	int cdev = vt_open_device(self->client, self->name[1]), sdev;

	ASSERT_LE(0, cdev);
	ASSERT_TRUE(start_waiter(&w, cdev));
	sdev = vt_open_device(self->server, self->name[1]);
	ASSERT_LE(0, sdev);
	ASSERT_EQ(0, vt_send(sdev, 1, VDI_CMD_FLUSH, 3));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(0, w.err);
	EXPECT_EQ(ETIMEDOUT, vt_collect(sdev, &done, 0));
}

TEST_F(early, blocked_wait_ends_with_the_set)
{
	struct waiter w;
	int cdev = vt_open_device(self->client, self->name[1]);

	ASSERT_LE(0, cdev);
	ASSERT_TRUE(start_waiter(&w, cdev));
	ASSERT_EQ(0, vt_abort(self->server));
	pthread_join(w.thread, NULL);
	EXPECT_EQ(ECANCELED, w.err);
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(cdev));
}

TEST_HARNESS_MAIN
