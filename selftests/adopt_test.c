// SPDX-License-Identifier: GPL-2.0-only
/*
 * ADOPT: whose handle it is, whose death counts, what becomes of the former
 * owner's calls, and what a worker can do with a device handle alone.
 */
#include "link.h"
#include "peer.h"
#include "sleeper.h"

/* What a child and the test tell each other about one link, by fork. */
struct job {
	struct vt_link *l;
	int fd;			/* to adopt, besides */
	int want;
	uint64_t id;		/* of a command that was fetched before */
};

static int device_call(int fd)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);

	return vt_call(fd, VDI_IOC_DEVICE_STATUS, &s);
}

TEST_F(handle, adopt_unbound_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_adopt(self->fd));
}

TEST_F(queue, by_the_owner_changes_nothing)
{
	struct vdi_status s;
	struct vdi_command c;

	EXPECT_EQ(0, vt_adopt(self->l.client));
	EXPECT_EQ(0, vt_adopt(self->l.server));
	EXPECT_EQ(0, vt_adopt(self->client));
	EXPECT_EQ(0, vt_adopt(self->server));
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(getpid(), s.out_stat.client.pid);
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	EXPECT_EQ(0, vt_complete(self->client, 0, c.id, 0, 0));
}

/* A worker for one device: serves it to the end. */
static int serve_device(struct vt_child *me, void *arg)
{
	struct vt_link *l = arg;
	struct vdi_command c;
	int err;

	if (device_call(l->cdev[0]) != EIO || vt_get(l->cdev[0], &c, 0) != EIO)
		return 1;
	if (vt_adopt(l->cdev[0]) || device_call(l->cdev[0]))
		return 2;
	/* that one only */
	if (vt_state(l->client) != -EIO || device_call(l->cdev[1]) != EIO)
		return 3;
	if (!vt_tell(me, 'a'))
		return 4;
	while (!(err = vt_get(l->cdev[0], &c, VT_LONG)))
		if (vt_complete(l->cdev[0], 0, c.id, 7, 0))
			return 5;
	return err == ESHUTDOWN ? 0 : 6;
}

FIXTURE(two) {
	struct vt_link l;
};

FIXTURE_SETUP(two)
{
	vt_link_init(&self->l, 2);
	ASSERT_EQ(0, vt_link_up(&self->l));
}

FIXTURE_TEARDOWN(two)
{
	vt_baseline(_metadata);
}

TEST_F(two, worker_serves_one_device_to_the_end)
{
	struct vdi_completion done;
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, serve_device, &self->l));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(EIO, device_call(self->l.cdev[0]));
	EXPECT_EQ(EIO, vt_complete(self->l.cdev[0], 0, 1, 0, 0));
	EXPECT_EQ(0, device_call(self->l.cdev[1]));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	/* the descriptor here is a copy like any other now */
	EXPECT_EQ(0, close(self->l.cdev[0]));
	ASSERT_EQ(0, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_collect(self->l.sdev[0], &done, VT_LONG));
	EXPECT_EQ(7, done.code);
	ASSERT_EQ(0, vt_close_device(self->l.sdev[0]));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	ASSERT_EQ(0, vt_close_device(self->l.sdev[1]));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
}

static int adopt_device_and_wait(struct vt_child *me, void *arg)
{
	struct job *job = arg;

	if (vt_adopt(job->fd) || !vt_tell(me, 'a'))
		return 1;
	return vt_hear(me) == 'x' ? 0 : 2;
}

/* Whoever has a device open and dies takes the set along, with its own name on it. */
static void worker_dies(struct __test_metadata *_metadata, struct vt_link *l, int fd,
			unsigned int reason, bool kill_it)
{
	struct job job = { .l = l, .fd = fd };
	struct vt_child child;
	struct vdi_status s;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(l->client));
	if (kill_it)
		kill(child.pid, SIGKILL);
	else
		vt_tell(&child, 'x');
	EXPECT_EQ(kill_it ? 256 + SIGKILL : 0, vt_finish(&child));
	ASSERT_EQ(0, vt_status(l->client, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(reason, s.out_stat.reason.reason);
	EXPECT_EQ(child.pid, s.out_stat.reason.who.pid);
}

TEST_F(two, death_of_a_clients_worker_counts)
{
	worker_dies(_metadata, &self->l, self->l.cdev[1], VDI_REASON_CLIENT_DIED, true);
}

TEST_F(two, exit_of_a_clients_worker_counts)
{
	worker_dies(_metadata, &self->l, self->l.cdev[1], VDI_REASON_CLIENT_DIED, false);
}

TEST_F(two, death_of_an_engines_worker_counts)
{
	worker_dies(_metadata, &self->l, self->l.sdev[0], VDI_REASON_SERVER_DIED, true);
}

/* exec closes nothing here, so only the early notice can see the new owner go. */
static int adopt_and_exec(struct vt_child *me, void *arg)
{
	struct job *job = arg;

	if (fcntl(job->fd, F_SETFD, 0) || fcntl(me->from, F_SETFD, 0) ||
	    dup2(me->from, STDIN_FILENO) < 0 || vt_adopt(job->fd))
		return 1;
	execl("/bin/cat", "cat", NULL);
	return 2;
}

TEST_F(queue, exec_of_the_new_owner_counts)
{
	struct job job = { .l = &self->l, .fd = self->client };
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	struct vt_child child;

	ASSERT_OK(self->l.client, VDI_IOC_GET_INFO, &info);
	if (!(info.out_capabilities & VDI_CAP_EARLY_DEATH))
		SKIP(return, "this kernel gives no early notice of a death");
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_and_exec, &job));
	EXPECT_TRUE(VT_UNTIL(vt_reason(self->l.server) == VDI_REASON_CLIENT_DIED));
	EXPECT_EQ(0, kill(child.pid, 0));
	close(child.to);
	child.to = -1;
	EXPECT_EQ(0, vt_finish(&child));
}

/* The new owner of the server's set handle, and so the server. */
TEST_F(queue, the_party_is_the_new_owner)
{
	struct job job = { .l = &self->l, .fd = self->l.server };
	struct vt_child child;
	struct vdi_status s;

	ASSERT_TRUE(vt_start(&child, VT_ALICE, VT_ALICE, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(-EIO, vt_state(self->l.server));
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(child.pid, s.out_stat.server.pid);
	EXPECT_EQ(VT_ALICE, s.out_stat.server.uid);
	EXPECT_EQ(getpid(), s.out_stat.client.pid);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(VDI_REASON_SERVER_DIED, s.out_stat.reason.reason);
	EXPECT_EQ(child.pid, s.out_stat.reason.who.pid);
	EXPECT_EQ(VT_ALICE, s.out_stat.reason.who.uid);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.reason.who.role);
}

/*
 * The heir: inherits a client's set and device from a process that ends, told
 * to adopt before ('a') or only after that ('l').
 */
static int heir(struct vt_child *me, struct vt_page *p)
{
	struct vdi_command c;
	int err;

	if (vt_hear(me) == 'l') {
		if (vt_adopt(p->fd) != EOWNERDEAD || vt_adopt(p->dev[0]) != EOWNERDEAD)
			return 1;
		return vt_state(p->fd) == -EIO ? 0 : 2;
	}
	if (vt_adopt(p->fd) || vt_adopt(p->dev[0]))
		return 3;
	if (!vt_tell(me, 'a'))
		return 4;
	while (!(err = vt_get(p->dev[0], &c, VT_LONG)))
		if (vt_complete(p->dev[0], 0, c.id, 0, 0))
			return 5;
	return err == ESHUTDOWN ? vt_close(p->fd) : 6;
}

/* From and to the heir, whose parent is the peer */
static int pipes[4];

static int vt_do_bequeath(struct vt_page *p)
{
	struct vt_child me = { .to = pipes[1], .from = pipes[2] };
	pid_t pid = fork();

	if (!pid)
		_exit(heir(&me, p));
	p->pids[0] = pid;
	return pid < 0 ? errno : 0;
}

static void inherit(struct __test_metadata *_metadata, struct vt_peer *peer,
		    struct vt_child *child, int *server, int *dev)
{
	*server = vt_open_node();
	ASSERT_EQ(0, pipe2(pipes, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(pipes + 2, O_CLOEXEC));
	ASSERT_EQ(0, prctl(PR_SET_CHILD_SUBREAPER, 1));
	ASSERT_TRUE(vt_peer_start(peer));
	vt_name(peer->page->name);
	ASSERT_EQ(0, vt_peer(peer, vt_do_open_node));
	peer->page->arg = 1;
	ASSERT_EQ(0, vt_peer(peer, vt_do_create));
	ASSERT_EQ(0, vt_open(*server, peer->page->name));
	ASSERT_EQ(0, vt_begin(*server));
	ASSERT_EQ(0, vt_end(*server, VT_TRANSFER));
	*dev = vt_open_device(*server, peer->page->name);
	ASSERT_LE(0, *dev);
	peer->page->arg = 0;
	ASSERT_EQ(0, vt_peer(peer, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(peer, vt_do_bequeath));
	*child = (struct vt_child){ .pid = peer->page->pids[0], .to = pipes[3], .from = pipes[0] };
}

/* The same, adopted; then the former owner dies, which changes nothing. */
static void inherit_and_adopt(struct __test_metadata *_metadata, struct vt_child *child,
			      int *server, int *dev)
{
	struct vt_peer peer;
	struct vdi_status s;

	inherit(_metadata, &peer, child, server, dev);
	ASSERT_TRUE(vt_tell(child, 'a'));
	ASSERT_EQ('a', vt_hear(child));
	vt_peer_kill(&peer);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&peer.child));
	ASSERT_EQ(0, vt_status(*server, &s));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
	EXPECT_EQ(child->pid, s.out_stat.client.pid);
}

TEST(death_of_the_former_owner_counts_no_longer)
{
	struct vdi_completion done;
	struct vt_child child;
	int server, dev;

	inherit_and_adopt(_metadata, &child, &server, &dev);
	ASSERT_EQ(0, vt_send(dev, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_collect(dev, &done, VT_LONG));
	EXPECT_EQ(0, done.code);
	ASSERT_EQ(0, vt_close_device(dev));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(server));
	vt_baseline(_metadata);
}

TEST(death_of_the_new_owner_counts)
{
	struct vt_child child;
	struct vdi_status s;
	int server, dev;

	inherit_and_adopt(_metadata, &child, &server, &dev);
	kill(child.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, s.out_stat.reason.reason);
	EXPECT_EQ(child.pid, s.out_stat.reason.who.pid);
	vt_baseline(_metadata);
}

TEST(too_late_EOWNERDEAD)
{
	struct vt_child child;
	struct vt_peer peer;
	int server, dev;

	inherit(_metadata, &peer, &child, &server, &dev);
	vt_peer_kill(&peer);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&peer.child));
	ASSERT_TRUE(VT_UNTIL(vt_state(server) == VDI_STATE_ABORTED));
	ASSERT_TRUE(vt_tell(&child, 'l'));
	EXPECT_EQ(0, vt_finish(&child));
	vt_baseline(_metadata);
}

static int adopt_late(struct vt_child *me, void *arg)
{
	struct job *job = arg;

	return vt_hear(me) == 'g' ? vt_adopt(job->fd) : 1;
}

/* The last descriptor of the owner's table counts as its death (row 33). */
TEST_F(queue, owner_has_closed_its_descriptor_EOWNERDEAD)
{
	struct job job = { .fd = self->client };
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_late, &job));
	EXPECT_EQ(0, close(self->client));
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->l.client));
	vt_tell(&child, 'g');
	EXPECT_EQ(EOWNERDEAD, vt_finish(&child));
}

#define TOO_LATE	51
#define TAKEN_BACK	52

static int adopt_at_once(struct vt_child *me, void *arg)
{
	struct job *job = arg;
	int err;

	if (vt_hear(me) != 'g')
		return 1;
	err = vt_adopt(job->fd);
	if (err)
		return err == EOWNERDEAD ? TOO_LATE : 2;
	if (vt_hear(me) != 'c')
		return 3;
	return vt_state(job->fd) == VDI_STATE_ACTIVE ? 0 : TAKEN_BACK;
}

/* Either the close or ADOPT comes first, and the other one knows. */
TEST(adopted_while_the_owner_closes)
{
	unsigned int i, adopted = 0;
	struct vt_child child;
	struct vt_link l;
	struct job job;
	int ret;

	for (i = 0; i < 100; i++) {
		vt_link_init(&l, 1);
		ASSERT_EQ(0, vt_link_up(&l));
		job = (struct job){ .fd = l.cdev[0] };
		ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_at_once, &job));
		ASSERT_TRUE(vt_tell(&child, 'g'));
		usleep(i * 7);
		EXPECT_EQ(0, close(l.cdev[0]));
		vt_tell(&child, 'c');
		ret = vt_finish(&child);
		EXPECT_TRUE(ret == 0 || ret == TOO_LATE) {
			TH_LOG("round %u: %d", i, ret);
		}
		adopted += !ret;
		close(l.sdev[0]);
		close(l.client);
		close(l.server);
	}
	TH_LOG("%u of %u were adopted", adopted, i);
	vt_baseline(_metadata);
}

/* An aborted handle can be adopted: its reason can be read then. */
static int read_reason(struct vt_child *me, void *arg)
{
	struct job *job = arg;

	(void)me;
	return vt_adopt(job->fd) ?: vt_reason(job->fd) == job->want ? 0 : 1;
}

TEST_F(queue, aborted_set)
{
	struct job job = { .fd = self->l.client, .want = VDI_REASON_SIGNALLED };

	ASSERT_EQ(0, vt_abort(self->l.server));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, read_reason, &job));
	job.fd = self->server;
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, read_reason, &job));
}

/* The former owner's sleepers leave empty-handed. */
static void sleeper_is_sent_away(struct __test_metadata *_metadata, struct vt_link *l, int fd,
				 struct vt_sleeper *s)
{
	struct job job = { .l = l, .fd = fd };
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&child));
	ASSERT_TRUE(vt_awake(s));
	EXPECT_EQ(EIO, s->err);
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(fd == l->client ? l->server : l->client));
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
}

TEST_F(queue, sleeper_on_a_device_handle)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	sleeper_is_sent_away(_metadata, &self->l, self->client, &s);
}

TEST_F(queue, sleeper_on_a_clients_set_handle)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->l.client, &c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	sleeper_is_sent_away(_metadata, &self->l, self->l.client, &s);
}

TEST_F(queue, sleeper_on_the_servers_set_handle)
{
	struct vdi_completion c;
	struct vt_sleeper s = vt_waiter(self->l.server, &c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	sleeper_is_sent_away(_metadata, &self->l, self->l.server, &s);
}

TEST_F(set, sleeper_in_get_config)
{
	struct vt_sleeper s = { .call = vt_call_get_config, .fd = self->client };
	struct job job = { .fd = self->client };
	struct vt_child child;

	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&child));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EIO, s.err);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
}

/* What the former owner fetched, the new one completes; and what comes later it gets. */
static int complete_and_go_on(struct vt_child *me, void *arg)
{
	struct job *job = arg;
	struct vdi_command c;

	if (vt_adopt(job->fd) || vt_complete(job->fd, 0, job->id, 0, 0))
		return 1;
	if (!vt_tell(me, 'a') || vt_get(job->fd, &c, VT_LONG))
		return 2;
	if (vt_complete(job->fd, 0, c.id, 0, 0))
		return 3;
	return vt_hear(me) == 'x' ? 0 : 4;
}

TEST_F(queue, commands_survive)
{
	struct vt_sleeper s;
	struct vdi_completion done;
	struct job job = { .fd = self->client };
	struct vt_child child;
	struct vdi_command c, stolen;

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	job.id = c.id;
	s = vt_waiter(self->client, &stolen, 1, 1, VDI_TIME_INFINITE);
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, complete_and_go_on, &job));
	ASSERT_EQ('a', vt_hear(&child));
	ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
	EXPECT_EQ(0, done.code);
	EXPECT_EQ(1, done.id);
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 2));
	ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
	EXPECT_EQ(0, done.code);
	EXPECT_EQ(2, done.id);
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(EIO, s.err);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
}

/* A device handle is enough for a worker: area, configuration, reason, abort. */
static int work_alone(struct vt_child *me, void *arg)
{
	struct job *job = arg;
	struct vdi_piece piece = {};
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)&piece,
					  .nr_pieces = 1);
	struct vdi_abort a = VT_INIT(vdi_abort, .code = 42, .text = "of the worker");
	unsigned char *map;

	(void)me;
	if (vt_map(job->fd, job->l->offset, job->l->size) || errno != EIO)
		return 1;
	if (vt_adopt(job->fd))
		return 2;
	if (vt_call(job->fd, VDI_IOC_GET_CONFIG, &g) || piece.size != job->l->size ||
	    g.out_config.max_transfer_size != VT_TRANSFER)
		return 3;
	map = vt_map(job->fd, piece.offset, piece.size);
	if (!map || map[3] != 0x77)
		return 4;
	map[4] = 0x78;
	if (vt_state(job->fd) != VDI_STATE_ACTIVE)
		return 5;
	if (vt_call(job->fd, VDI_IOC_ABORT, &a))
		return 6;
	if (vt_reason(job->fd) != VDI_REASON_SIGNALLED)
		return 7;
	return 0;
}

static void works_alone(struct __test_metadata *_metadata, struct vt_link *l, int fd, int role)
{
	struct job job = { .l = l, .fd = fd };
	unsigned char *map = vt_map(l->server, l->offset, l->size);
	struct vdi_status s;

	ASSERT_NE(NULL, map);
	map[3] = 0x77;
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, work_alone, &job));
	EXPECT_EQ(0x78, map[4]);
	ASSERT_EQ(0, vt_status(l->client, &s));
	EXPECT_EQ(VDI_REASON_SIGNALLED, s.out_stat.reason.reason);
	EXPECT_EQ(42, s.out_stat.reason.code);
	EXPECT_EQ(role, s.out_stat.reason.who.role);
	EXPECT_STREQ("of the worker", s.out_stat.reason.text);
}

TEST_F(queue, clients_worker_alone)
{
	works_alone(_metadata, &self->l, self->client, VDI_ROLE_CLIENT);
}

TEST_F(queue, engines_worker_alone)
{
	works_alone(_metadata, &self->l, self->server, VDI_ROLE_SERVER);
}

/* After Close a device handle is of no use for these either. */
TEST_F(queue, closed_device_handle)
{
	ASSERT_EQ(0, vt_close_device(self->server));
	ASSERT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(EPROTO, vt_get_config(self->client, 0));
	EXPECT_EQ(EPROTO, vt_abort(self->client));
	EXPECT_EQ(NULL, vt_map(self->client, self->l.offset, self->l.size));
	EXPECT_EQ(EPROTO, errno);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->client));
	ASSERT_EQ(0, vt_close(self->l.server));
	EXPECT_EQ(EPROTO, vt_get_config(self->server, 0));
	EXPECT_EQ(EPROTO, vt_abort(self->server));
	EXPECT_EQ(NULL, vt_map(self->server, self->l.offset, self->l.size));
}

/* A helper passes a bound handle to a stranger, and is done. */
static int receive_and_adopt(struct vt_child *me, void *arg)
{
	int *sock = arg;
	int fd = vt_receive_fd(sock[1]);

	if (fd < 0)
		return 1;
	if (vt_adopt(fd) || !vt_tell(me, 'a') || vt_hear(me) != 'x')
		return 2;
	return vt_close(fd);
}

TEST_F(set, passed_to_another_user)
{
	int server = vt_open_node(), sock[2];
	struct vt_child child;
	struct vdi_status s;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sock));
	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_TRUE(vt_start(&child, VT_BOB, VT_BOB, receive_and_adopt, sock));
	ASSERT_EQ(0, vt_pass_fd(sock[0], self->client));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(0, close(self->client));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(VDI_STATE_CONNECTED, s.out_stat.state);
	EXPECT_EQ(child.pid, s.out_stat.client.pid);
	EXPECT_EQ(VT_BOB, s.out_stat.client.uid);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(server));
}

/* In a container: other ids, another user, no node, and the handle works. */
static int works_in_a_container(struct vt_child *me, void *arg)
{
	struct job *job = arg;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWIPC))
		return 100;
	return serve_device(me, job->l);
}

TEST_F(two, adopted_in_a_container)
{
	struct job job = { .l = &self->l };
	struct vdi_completion done;
	struct vt_child child;
	int ret;

	ASSERT_TRUE(vt_start(&child, VT_EVE, VT_EVE, works_in_a_container, &job));
	if (vt_hear(&child) != 'a') {
		ret = vt_finish(&child);
		if (ret == 100)
			SKIP(return, "unshare(CLONE_NEWUSER) is not permitted by this kernel");
		ASSERT_EQ(0, ret);
	}
	ASSERT_EQ(0, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_collect(self->l.sdev[0], &done, VT_LONG));
	EXPECT_EQ(7, done.code);
	ASSERT_EQ(0, vt_close_device(self->l.sdev[0]));
	EXPECT_EQ(0, vt_finish(&child));
}

/* The last one to adopt is the owner. */
TEST_F(queue, one_after_the_other)
{
	struct job job = { .l = &self->l, .fd = self->client };
	struct vt_child first, second;
	struct vdi_status s;

	ASSERT_TRUE(vt_start(&first, VT_ROOT, VT_ROOT, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&first));
	ASSERT_TRUE(vt_start(&second, VT_ROOT, VT_ROOT, adopt_device_and_wait, &job));
	ASSERT_EQ('a', vt_hear(&second));
	kill(first.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&first));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.client));
	/* and back again */
	EXPECT_EQ(0, vt_adopt(self->client));
	vt_tell(&second, 'x');
	EXPECT_EQ(0, vt_finish(&second));
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
	EXPECT_EQ(0, device_call(self->client));
}

/* Two processes snatch a device from each other while it is served. */
static int snatch(struct vt_child *me, void *arg)
{
	struct job *job = arg;
	struct vdi_command c;
	int i, err;

	(void)me;
	for (i = 0; i < 400; i++) {
		err = vt_adopt(job->fd);
		if (err)
			return err;
		err = vt_get(job->fd, &c, 0);
		if (!err)
			err = vt_complete(job->fd, 0, c.id, 0, 0);
		if (err && err != EIO && err != ETIMEDOUT && err != EINVAL)
			return err;
	}
	return 0;
}

TEST_F(queue, race)
{
	struct job job = { .l = &self->l, .fd = self->client };
	struct vt_child a, b;
	unsigned int i;

	for (i = 0; i < 32; i++)
		ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, i));
	ASSERT_TRUE(vt_start(&a, VT_ROOT, VT_ROOT, snatch, &job));
	ASSERT_TRUE(vt_start(&b, VT_ROOT, VT_ROOT, snatch, &job));
	/* the first to end may own it then: its death counts, and the other is too late */
	for (i = 0; i < 2; i++) {
		int ret = vt_finish(i ? &b : &a);

		EXPECT_TRUE(ret == 0 || ret == EOWNERDEAD || ret == ECANCELED);
	}
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(self->l.client));
}

TEST_HARNESS_MAIN
