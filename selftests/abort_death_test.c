// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who dies when, and what everybody gets: the rows of the table "Close, abort
 * and death" about processes and descriptors that go, by their numbers.  That
 * each way of dying is seen by each kind of sleeper is in abort_test.c.
 */
#include "aborted.h"
#include "peer.h"
#include "sleeper.h"

/* How far the set has come when somebody dies. */
enum { CREATED, CONNECTED, CONFIGURING, CONFIGURED, OPENED, ENDED, ABORTED };

/* death: the peer is one side, we are the other. */
FIXTURE(death) {
	struct vt_peer peer;
	struct vt_page *page;
	int fd;
	int dev;
	struct vdi_command cmd[4];
	struct vdi_completion done[4];
};

FIXTURE_SETUP(death)
{
	ASSERT_TRUE(vt_peer_start(&self->peer));
	self->page = self->peer.page;
	vt_name(self->page->name);
	self->fd = vt_open_node();
	self->dev = -1;
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(death)
{
	vt_peer_stop(&self->peer);
	vt_baseline(_metadata);
}

/* A peer that is the client, and a set in such a state. */
static void client_up_to(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self, int state)
{
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_create));
	if (state >= CONNECTED)
		ASSERT_EQ(0, vt_open(self->fd, self->page->name));
	if (state >= CONFIGURING)
		ASSERT_EQ(0, vt_begin(self->fd));
	if (state >= CONFIGURED)
		ASSERT_EQ(0, vt_end(self->fd, VT_TRANSFER));
	if (state >= OPENED) {
		self->dev = vt_open_device(self->fd, self->page->name);
		ASSERT_LE(0, self->dev);
		self->page->arg = 0;
		ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	}
	if (state == ENDED)
		ASSERT_EQ(0, vt_close_device(self->dev));
	if (state == ABORTED)
		ASSERT_EQ(0, vt_abort(self->fd));
}

static void server_up_to(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self, int state)
{
	ASSERT_EQ(0, vt_create(self->fd, self->page->name, 1));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open));
	if (state >= CONFIGURED)
		ASSERT_EQ(0, vt_peer(&self->peer, vt_do_configure));
	if (state >= OPENED) {
		self->dev = vt_open_device(self->fd, self->page->name);
		ASSERT_LE(0, self->dev);
		self->page->arg = 0;
		ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	}
	if (state == ENDED)
		ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_device));
	if (state == ABORTED)
		ASSERT_EQ(0, vt_abort(self->fd));
}

/* Kills the peer; it is gone with all that it had when this returns. */
static void dies(FIXTURE_DATA(death) *self)
{
	vt_peer_kill(&self->peer);
	vt_peer_stop(&self->peer);
}

static int open_by_name(const char *name)
{
	int fd = vt_open_node();
	int err = vt_open(fd, name);

	close(fd);
	return err;
}

TEST_F(death, row_09_client_dies_without_server)
{
	client_up_to(_metadata, self, CREATED);
	dies(self);
	EXPECT_EQ(ENOENT, open_by_name(self->page->name));
	EXPECT_EQ(0, vt_create(self->fd, self->page->name, 1));
}

/* The set handle gets a larger number than the device handle, so exec closes it later. */
static int exec_closing_the_device_first(struct vt_page *p)
{
	p->fd = fcntl(p->fd, F_DUPFD_CLOEXEC, p->dev[0] + 1);
	if (p->fd < 0 || close_range(3, p->dev[0] - 1, 0))
		return errno;
	return vt_do_exec(p);
}

TEST_F(death, row_10_exec_with_the_device_descriptor_first)
{
	client_up_to(_metadata, self, OPENED);
	ASSERT_TRUE(vt_peer_begin(&self->peer, exec_closing_the_device_first));
	ASSERT_TRUE(VT_UNTIL(vt_state(self->fd) == VDI_STATE_ABORTED));
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(self->fd));
	server_is_aborted(_metadata, self->fd, self->dev);
}

static void row_10(struct __test_metadata *_metadata, FIXTURE_DATA(death) *self, int state)
{
	client_up_to(_metadata, self, state);
	dies(self);
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(self->fd));
	EXPECT_EQ(VDI_ROLE_CLIENT, vt_reason_role(self->fd));
	EXPECT_EQ(ENOENT, open_by_name(self->page->name));
	server_is_aborted(_metadata, self->fd, self->dev);
	EXPECT_EQ(0, vt_close(self->fd));
}

TEST_F(death, row_10_client_dies_connected)
{
	row_10(_metadata, self, CONNECTED);
}

TEST_F(death, row_10_client_dies_configurable)
{
	row_10(_metadata, self, CONFIGURING);
}

TEST_F(death, row_10_client_dies_initializing)
{
	row_10(_metadata, self, CONFIGURED);
}

TEST_F(death, row_10_client_dies_active)
{
	row_10(_metadata, self, OPENED);
}

TEST_F(death, row_11_client_dies_after_the_end)
{
	struct vdi_completion done;

	client_up_to(_metadata, self, ENDED);
	dies(self);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->fd));
	EXPECT_EQ(VDI_REASON_NONE, vt_reason(self->fd));
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->dev, &done, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->fd));
}

TEST_F(death, row_12_client_dies_after_an_abort)
{
	client_up_to(_metadata, self, ABORTED);
	dies(self);
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->fd));
	EXPECT_EQ(VDI_ROLE_SERVER, vt_reason_role(self->fd));
	server_is_aborted(_metadata, self->fd, self->dev);
	EXPECT_EQ(0, vt_close(self->fd));
}

static int scribble(struct vt_page *p)
{
	memset(p->map, 0x42, p->size / 2);
	return 0;
}

/* What the client had half done is 995, never a success. */
TEST_F(death, row_13_client_dies_with_commands_taken)
{
	struct vdi_command c = { .code = VDI_CMD_READ, .length = VT_TRANSFER, .id = 1 };
	unsigned int i;

	client_up_to(_metadata, self, OPENED);
	self->page->size = VT_TRANSFER;
	ASSERT_EQ(0, vt_put(self->dev, &c, 1, NULL));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_get));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_map));
	ASSERT_EQ(0, vt_peer(&self->peer, scribble));
	c.id = 2;
	ASSERT_EQ(0, vt_put(self->dev, &c, 1, NULL));
	dies(self);
	ASSERT_EQ(2, vt_take(self->dev, self->done, 4));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(995, self->done[i].code);
		EXPECT_EQ(0, self->done[i].result);
	}
	EXPECT_EQ(3, self->done[0].id + self->done[1].id);
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(self->fd));
	server_is_aborted(_metadata, self->fd, self->dev);
}

TEST_F(death, row_14_secondary_dies_with_a_device_open)
{
	struct vt_link l;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_configure(&l));
	strcpy(self->page->name, l.create.name);
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_secondary));
	l.cdev[0] = vt_open_device(l.client, l.create.name);
	self->page->arg = 1;
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	vt_device_name(l.create.name, self->page->name, 1);
	l.sdev[0] = vt_open_device(l.server, self->page->name);
	l.sdev[1] = vt_open_device(l.server, l.create.name);
	ASSERT_LE(0, l.sdev[1]);
	dies(self);
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(l.client));
	EXPECT_EQ(VDI_ROLE_SECONDARY, vt_reason_role(l.server));
	client_is_aborted(_metadata, l.client, l.cdev[0]);
	server_is_aborted(_metadata, l.server, l.sdev[1]);
}

TEST_F(death, row_15_secondary_dies_with_none_open)
{
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_up(&l));
	strcpy(self->page->name, l.create.name);
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_secondary));
	dies(self);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(l.client));
	EXPECT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_get(l.cdev[0], self->cmd, 0));
}

TEST_F(death, row_21_server_dies)
{
	int state;

	for (state = CONNECTED; state <= OPENED; state++) {
		if (state != CONNECTED) {
			ASSERT_TRUE(vt_peer_start(&self->peer));
			self->page = self->peer.page;
			vt_name(self->page->name);
			self->fd = vt_open_node();
		}
		server_up_to(_metadata, self, state);
		dies(self);
		EXPECT_EQ(VDI_REASON_SERVER_DIED, vt_reason(self->fd));
		EXPECT_EQ(VDI_ROLE_SERVER, vt_reason_role(self->fd));
		client_is_aborted(_metadata, self->fd, self->dev);
		EXPECT_EQ(0, vt_close(self->fd));
	}
}

TEST_F(death, row_21b_server_dies_after_the_end)
{
	server_up_to(_metadata, self, ENDED);
	dies(self);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->fd));
	EXPECT_EQ(VDI_REASON_NONE, vt_reason(self->fd));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->dev, self->cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->dev, self->cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(0, vt_close(self->fd));
}

TEST_F(death, row_22_server_dies_after_an_abort)
{
	server_up_to(_metadata, self, ABORTED);
	dies(self);
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->fd));
	EXPECT_EQ(VDI_ROLE_CLIENT, vt_reason_role(self->fd));
	client_is_aborted(_metadata, self->fd, self->dev);
	EXPECT_EQ(0, vt_close(self->fd));
}

static int both_sides(struct vt_child *me, void *arg)
{
	struct vt_link *l = arg;

	vt_link_init(l, 4);
	if (vt_link_up(l) || vt_link_load(l, 2, 8, 0, NULL, 0))
		return 1;
	vt_tell(me, 1);
	for (;;)
		pause();
}

TEST(row_23_both_die_together)
{
	struct vt_child child;
	struct vt_link l;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, both_sides, &l));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, kill(child.pid, SIGKILL));
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	/* which is all: nothing may be left */
	vt_baseline(_metadata);
}

/* Two processes, one a side, killed by one signal to their group. */
TEST_F(death, row_23_both_die_as_two_processes)
{
	struct vt_peer other;

	ASSERT_TRUE(vt_peer_start(&other));
	strcpy(other.page->name, self->page->name);
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_create));
	ASSERT_EQ(0, vt_peer(&other, vt_do_open));
	ASSERT_EQ(0, vt_peer(&other, vt_do_configure));
	ASSERT_EQ(0, vt_peer(&other, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(&other, vt_do_send));
	ASSERT_EQ(0, setpgid(self->peer.child.pid, self->peer.child.pid));
	ASSERT_EQ(0, setpgid(other.child.pid, self->peer.child.pid));
	ASSERT_EQ(0, kill(-self->peer.child.pid, SIGKILL));
	vt_peer_stop(&other);
	EXPECT_EQ(ENOENT, open_by_name(self->page->name));
}

/* A forked child has our handles, but they are not its own. */

static int foreign_calls(struct vt_child *me, void *arg)
{
	struct vt_link *l = arg;
	struct vdi_completion done;
	struct vdi_command c;
	struct vdi_status s;
	struct vdi_device_status ds = VT_INIT(vdi_device_status);

	(void)me;
	if (vt_status(l->client, &s) != EIO || vt_status(l->server, &s) != EIO)
		return 1;
	if (vt_get(l->cdev[0], &c, 0) != EIO || vt_collect(l->sdev[0], &done, 0) != EIO)
		return 2;
	if (vt_abort(l->client) != EIO || vt_close(l->server) != EIO)
		return 3;
	if (vt_close_device(l->sdev[0]) != EIO ||
	    vt_call(l->cdev[0], VDI_IOC_DEVICE_STATUS, &ds) != EIO)
		return 4;
	/* who only wants to look is answered */
	if (vt_look(l->client, &s) || s.out_role != VDI_ROLE_CLIENT ||
	    vt_look(l->sdev[0], &s) || s.out_role != VDI_ROLE_SERVER ||
	    s.out_stat.state != VDI_STATE_ACTIVE)
		return 6;
	/* poll works: a command waits, and the ring has room */
	if (!(vt_poll(l->cdev[0]) & POLLIN) || !(vt_poll(l->sdev[0]) & POLLOUT))
		return 5;
	close_range(3, ~0U, 0);
	return 0;
}

TEST_F(queue, row_28_forked_child)
{
	struct vdi_command c;

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, foreign_calls, &self->l));
	/* neither what it called nor its end did anything */
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	EXPECT_EQ(0, vt_get(self->client, &c, 0));
}

/*
 * Row 28b: the program that a peer becomes: this one, which sees the variable
 * before main(), makes one call on the descriptor that it was left, and stops.
 */
static void __attribute__((constructor)) call_after_exec(void)
{
	const char *fd = getenv("VDI_TEST_KEPT_FD");
	struct vdi_status s;

	if (!fd)
		return;
	/* who has ended by exec can't act, but may look */
	if (vt_status(atoi(fd), &s) != EIO || vt_look(atoi(fd), &s) ||
	    s.out_stat.state != VDI_STATE_ABORTED)
		_exit(1);
	raise(SIGSTOP);
	_exit(0);
}

static int exec_keeping_descriptors(struct vt_page *p)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", p->fd);
	setenv("VDI_TEST_KEPT_FD", number, 1);
	if (fcntl(p->fd, F_SETFD, 0) || fcntl(p->dev[0], F_SETFD, 0))
		return errno;
	execl("/proc/self/exe", "exec", NULL);
	return errno;
}

TEST_F(death, row_28b_exec_with_descriptors_kept)
{
	int status = 0;

	server_up_to(_metadata, self, OPENED);
	ASSERT_TRUE(vt_peer_begin(&self->peer, exec_keeping_descriptors));
	ASSERT_TRUE(VT_UNTIL(waitpid(self->peer.child.pid, &status, WNOHANG | WUNTRACED)));
	/* it lives, and was answered as it wants */
	EXPECT_TRUE(WIFSTOPPED(status));
	EXPECT_EQ(VDI_REASON_SERVER_DIED, vt_reason(self->fd));
	client_is_aborted(_metadata, self->fd, self->dev);
}

static int take_fd(int sock)
{
	char space[CMSG_SPACE(sizeof(int))] __attribute__((aligned(8)));
	char byte;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	int fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}

/* A passed handle can be held, polled and closed; its owner's death counts. */
TEST_F(death, row_29_passed_handle)
{
	struct vdi_status s;
	int sock[2], fd;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	/* a peer that knows the socket */
	vt_peer_stop(&self->peer);
	ASSERT_TRUE(vt_peer_start(&self->peer));
	self->page = self->peer.page;
	vt_name(self->page->name);
	server_up_to(_metadata, self, OPENED);
	self->page->arg = sock[1];
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_pass));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_pass));
	fd = take_fd(sock[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EIO, vt_status(fd, &s));
	EXPECT_EQ(EIO, vt_abort(fd));
	EXPECT_EQ(EIO, vt_close(fd));
	EXPECT_NE(0, vt_poll(fd) & POLLOUT);
	EXPECT_EQ(0, close(fd));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->fd));
	/* one more is in flight when the owner dies */
	dies(self);
	EXPECT_EQ(VDI_REASON_SERVER_DIED, vt_reason(self->fd));
	fd = take_fd(sock[0]);
	ASSERT_LE(0, fd);
	EXPECT_EQ(EIO, vt_status(fd, &s));
	ASSERT_EQ(0, vt_look(fd, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(VDI_REASON_SERVER_DIED, s.out_stat.reason.reason);
	EXPECT_NE(0, vt_poll(fd) & POLLERR);
}

/* Completes are answered on both devices, then the client waits for its death. */
static int completes(struct vt_child *me, void *arg)
{
	struct vt_link *l = arg;
	struct vdi_command c;

	if (vt_adopt(l->client) || vt_adopt(l->cdev[0]) || vt_adopt(l->cdev[1]))
		return 1;
	if (vt_get(l->cdev[0], &c, VT_LONG) || vt_complete(l->cdev[0], 0, c.id, 0, 0) ||
	    vt_get(l->cdev[1], &c, VT_LONG) ||
	    vt_complete(l->cdev[1], 1, c.id, vt_hear(me), 0))
		return 2;
	vt_tell(me, 1);
	pause();
	return 3;
}

/*
 * What its server is told, also after the client's death, is known to whoever
 * has the descriptor: only so can another process finish or undo its work.
 */
static void dies_completed(struct __test_metadata *_metadata, unsigned int code,
			   unsigned int completed)
{
	struct vdi_completion done;
	struct vt_child child;
	struct vdi_status s;
	struct vt_link l;
	int i;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_up(&l));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, completes, &l));
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_COMPLETE, 1));
	ASSERT_EQ(0, vt_send(l.sdev[1], 1, VDI_CMD_COMPLETE, 2));
	ASSERT_TRUE(VT_UNTIL(!vt_look(l.client, &s) && s.out_stat.completed_devices == 1));
	vt_tell(&child, code);
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, vt_look(l.client, &s));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
	kill(child.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	ASSERT_EQ(0, vt_look(l.client, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(VDI_ROLE_CLIENT, s.out_stat.reason.who.role);
	EXPECT_EQ(completed, s.out_stat.completed_devices);
	ASSERT_EQ(0, vt_look(l.cdev[0], &s));
	EXPECT_EQ(completed, s.out_stat.completed_devices);
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_collect(l.sdev[i], &done, 0));
		EXPECT_EQ(i ? code : 0, done.code);
		close(l.sdev[i]);
		close(l.cdev[i]);
	}
	close(l.server);
	close(l.client);
	vt_baseline(_metadata);
}

TEST(completed_then_dead)
{
	dies_completed(_metadata, 0, 2);
}

TEST(completed_in_part_then_dead)
{
	dies_completed(_metadata, 5, 1);
}

/* An answer counts until another one takes its place. */
TEST_F(queue, completed_is_taken_back)
{
	static const unsigned int codes[] = { 0, 112 };
	struct vdi_completion done;
	struct vdi_command c;
	struct vdi_status s;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_COMPLETE, i));
		ASSERT_EQ(0, vt_get(self->client, &c, VT_LONG));
		ASSERT_EQ(0, vt_complete(self->client, 0, c.id, codes[i], 0));
		ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
		ASSERT_EQ(0, vt_status(self->l.client, &s));
		EXPECT_EQ(!i, s.out_stat.completed_devices);
	}
}

TEST_HARNESS_MAIN
