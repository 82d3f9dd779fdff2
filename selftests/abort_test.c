// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every kind of sleeper against every cause of an abort: it wakes within a
 * second, with the documented code, and STATUS says who and why.
 *
 * The sleeper is a thread here; who acts is a peer process on the other side,
 * or another thread of the sleeper's own.  What later calls give is in
 * abort_rows_test.c.
 */
#include "link.h"
#include "peer.h"
#include "sleeper.h"

enum kind {
	GET_CONFIG, CLIENT_DEVICE, CLIENT_SET, POLL_CLIENT, EPOLL_CLIENT, POLL_CLIENT_SET,
	SERVER_DEVICE, SERVER_SET, POLL_SERVER, EPOLL_SERVER, EPOLL_SERVER_SET,
};

enum cause {
	PEER_ABORT, OWN_ABORT, PEER_CLOSE, OWN_CLOSE, KILL, EXIT, EXEC, LAST_DUP,
	MAPPED_KILL, MAPPED_CLOSE, FORKED_KILL, SOCKET_KILL,
};

static bool is_server(enum kind kind)
{
	return kind >= SERVER_DEVICE;
}

static bool is_poll(enum kind kind)
{
	return (kind >= POLL_CLIENT && kind <= POLL_CLIENT_SET) || kind >= POLL_SERVER;
}

/* A sleeper here, and a peer on the other side. */
struct scene {
	enum kind kind;
	struct vt_peer peer;
	struct vt_page *page;
	struct vt_sleeper s;
	int fd;				/* set handle here */
	int dev;			/* device handle here, or 0 */
	int sock[2];
	struct vdi_command cmd[4];
	struct vdi_completion done[4];
};

/* We are the client, the peer is the server. */
static void setup_client(struct __test_metadata *_metadata, struct scene *self)
{
	ASSERT_EQ(0, vt_create(self->fd, self->page->name, 1));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open));
	if (self->kind == GET_CONFIG)
		return;
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_configure));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	self->dev = vt_open_device(self->fd, self->page->name);
	ASSERT_LE(0, self->dev);
}

/* We are the server, with one command queued and one in the peer's hands. */
static void setup_server(struct __test_metadata *_metadata, struct scene *self)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = VT_TRANSFER);

	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_create));
	ASSERT_EQ(0, vt_open(self->fd, self->page->name));
	ASSERT_EQ(0, vt_begin(self->fd));
	ASSERT_OK(self->fd, VDI_IOC_END_CONFIG, &e);
	self->page->offset = e.out_offset;
	self->page->size = e.out_size;
	self->dev = vt_open_device(self->fd, self->page->name);
	ASSERT_LE(0, self->dev);
	self->page->arg = 0;
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_open_device));
	ASSERT_EQ(0, vt_send(self->dev, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_get));
	ASSERT_EQ(0, vt_send(self->dev, 0, VDI_CMD_FLUSH, 2));
}

static void setup(struct __test_metadata *_metadata, struct scene *self, enum kind kind)
{
	self->kind = kind;
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->sock));
	ASSERT_TRUE(vt_peer_start(&self->peer));
	self->page = self->peer.page;
	vt_name(self->page->name);
	self->fd = vt_open_node();
	ASSERT_LE(0, self->fd);
	if (is_server(kind))
		setup_server(_metadata, self);
	else
		setup_client(_metadata, self);
}

static void choose_sleeper(struct scene *self)
{
	enum kind kind = self->kind;

	switch (kind) {
	case GET_CONFIG:
		self->s = (struct vt_sleeper){ .call = vt_call_get_config, .fd = self->fd };
		break;
	case CLIENT_DEVICE:
		self->s = vt_waiter(self->dev, self->cmd, 4, 4, VDI_TIME_INFINITE);
		break;
	case CLIENT_SET:
		self->s = vt_waiter(self->fd, self->cmd, 4, 4, VDI_TIME_INFINITE);
		break;
	case SERVER_DEVICE:
		self->s = vt_waiter(self->dev, self->done, 4, 2, VDI_TIME_INFINITE);
		break;
	case SERVER_SET:
		self->s = vt_waiter(self->fd, self->done, 4, 2, VDI_TIME_INFINITE);
		break;
	case POLL_CLIENT_SET:
	case EPOLL_SERVER_SET:
		self->s = (struct vt_sleeper){ .fd = self->fd, .events = POLLIN };
		break;
	default:
		self->s = (struct vt_sleeper){ .fd = self->dev, .events = POLLIN };
	}
	if (kind == POLL_CLIENT || kind == POLL_SERVER || kind == POLL_CLIENT_SET)
		self->s.call = vt_call_poll;
	else if (is_poll(kind))
		self->s.call = vt_call_epoll;
}

static int dup_and_close(struct vt_page *p)
{
	int fd = fcntl(p->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0 || close(p->fd))
		return errno;
	p->fd = fd;
	return 0;
}

/* What comes before the event and must not wake anybody. */
static int prepare(struct scene *self, enum cause cause)
{
	switch (cause) {
	case LAST_DUP:
		return vt_peer(&self->peer, dup_and_close);
	case MAPPED_KILL:
	case MAPPED_CLOSE:
		return vt_peer(&self->peer, vt_do_map);
	case FORKED_KILL:
		return vt_peer(&self->peer, vt_do_fork);
	case SOCKET_KILL:
		self->page->arg = self->sock[1];
		return vt_peer(&self->peer, vt_do_pass);
	default:
		return 0;
	}
}

static int act(struct scene *self, enum cause cause)
{
	bool server = is_server(self->kind);
	int ret = 0;

	switch (cause) {
	case PEER_ABORT:
		return vt_peer(&self->peer, vt_do_abort);
	case OWN_ABORT:
		self->page->acted_ns = vt_now();
		return vt_abort(self->fd);
	case PEER_CLOSE:
		ret = vt_peer(&self->peer, vt_do_close);
		/* its report that devices were open; the server had none in GET_CONFIG */
		return ret == (server ? EBUSY : self->dev ? EPROTO : 0) ? 0 : ret ?: -1;
	case OWN_CLOSE:
		self->page->acted_ns = vt_now();
		ret = vt_close(self->fd);
		return ret == (server ? EPROTO : self->dev ? EBUSY : 0) ? 0 : ret ?: -1;
	case EXIT:
		return vt_peer_begin(&self->peer, vt_do_exit) ? 0 : -1;
	case EXEC:
		return vt_peer_begin(&self->peer, vt_do_exec) ? 0 : -1;
	case LAST_DUP:
	case MAPPED_CLOSE:
		return vt_peer(&self->peer, vt_do_close_fd);
	default:
		vt_peer_kill(&self->peer);
		return 0;
	}
}

static void check_poll(struct __test_metadata *_metadata, struct scene *self, enum cause cause)
{
	unsigned int events = self->s.events;

	EXPECT_NE(0, events & POLLHUP);
	/* a client's set handle is unbound again, and no more than that */
	if (self->kind == POLL_CLIENT_SET && cause == OWN_CLOSE)
		return;
	EXPECT_NE(0, events & POLLERR);
	EXPECT_EQ(is_server(self->kind) ? POLLIN : 0, events & POLLIN);
}

/* Both commands, each once, as aborted; then nothing more. */
static void check_completions(struct __test_metadata *_metadata, struct scene *self)
{
	int n = is_poll(self->kind) ? vt_take(self->fd, self->done, 4) :
				      (int)self->s.x.out_delivered;

	ASSERT_EQ(2, n);
	EXPECT_EQ(995, self->done[0].code);
	EXPECT_EQ(995, self->done[1].code);
	EXPECT_EQ(VDI_KIND_COMPLETION, self->done[0].kind);
	EXPECT_EQ(0, self->done[0].result);
	EXPECT_EQ(3, self->done[0].id + self->done[1].id);
	EXPECT_NE(self->done[0].id, self->done[1].id);
	EXPECT_EQ(ECANCELED, vt_collect(self->dev, self->done, VDI_TIME_INFINITE));
	EXPECT_EQ(ECANCELED, vt_collect(self->fd, self->done, VDI_TIME_INFINITE));
}

static uint32_t expected_reason(enum cause cause, bool server_acted)
{
	switch (cause) {
	case PEER_ABORT:
	case OWN_ABORT:
		return VDI_REASON_SIGNALLED;
	case PEER_CLOSE:
	case OWN_CLOSE:
		return server_acted ? VDI_REASON_SERVER_CLOSE : VDI_REASON_CLIENT_CLOSE;
	default:
		return server_acted ? VDI_REASON_SERVER_DIED : VDI_REASON_CLIENT_DIED;
	}
}

static void check_reason(struct __test_metadata *_metadata, struct scene *self, enum cause cause)
{
	bool own = cause == OWN_ABORT || cause == OWN_CLOSE;
	bool server_acted = is_server(self->kind) == own;
	struct vdi_status s;

	if (cause == OWN_CLOSE && !is_server(self->kind)) {
		/* our handle knows no set any more; the peer's does */
		EXPECT_EQ(EPROTO, vt_status(self->fd, &s));
		ASSERT_EQ(0, vt_peer(&self->peer, vt_do_status));
		s = self->page->status;
	} else {
		ASSERT_EQ(0, vt_status(self->fd, &s));
	}
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(expected_reason(cause, server_acted), s.out_stat.reason.reason);
	EXPECT_EQ(own ? getpid() : self->peer.child.pid, s.out_stat.reason.who.pid);
	EXPECT_EQ(0, s.out_stat.reason.who.uid);
	EXPECT_EQ(0, s.out_stat.reason.who.gid);
	EXPECT_EQ(server_acted ? VDI_ROLE_SERVER : VDI_ROLE_CLIENT, s.out_stat.reason.who.role);
	EXPECT_LE(self->page->acted_ns, s.out_stat.reason.time_ns);
	EXPECT_GE(vt_now(), s.out_stat.reason.time_ns);
}

static void wakes(struct __test_metadata *_metadata, struct scene *self, enum cause cause)
{
	bool server = is_server(self->kind);

	choose_sleeper(self);
	ASSERT_TRUE(vt_sleep(&self->s));
	ASSERT_EQ(0, prepare(self, cause));
	ASSERT_TRUE(vt_still_asleep(&self->s));
	ASSERT_EQ(0, act(self, cause));
	ASSERT_TRUE(vt_awake(&self->s));
	EXPECT_GT(self->page->acted_ns + VT_SOON_NS, self->s.end_ns);

	EXPECT_EQ(server || is_poll(self->kind) ? 0 : ECANCELED, self->s.err);
	if (is_poll(self->kind))
		check_poll(_metadata, self, cause);
	if (server)
		check_completions(_metadata, self);
	else if (self->dev)
		EXPECT_EQ(ECANCELED, vt_get(self->dev, self->cmd, VDI_TIME_INFINITE));
	check_reason(_metadata, self, cause);
}

/* abort: each kind of sleeper in a set with its device open on both sides. */
FIXTURE(abort) {
	struct scene scene;
};

FIXTURE_VARIANT(abort) {
	enum kind kind;
};

#define KIND(k) FIXTURE_VARIANT_ADD(abort, k) { .kind = k }

KIND(CLIENT_DEVICE);
KIND(CLIENT_SET);
KIND(POLL_CLIENT);
KIND(EPOLL_CLIENT);
KIND(POLL_CLIENT_SET);
KIND(SERVER_DEVICE);
KIND(SERVER_SET);
KIND(POLL_SERVER);
KIND(EPOLL_SERVER);
KIND(EPOLL_SERVER_SET);

FIXTURE_SETUP(abort)
{
	setup(_metadata, &self->scene, variant->kind);
}

FIXTURE_TEARDOWN(abort)
{
	vt_peer_stop(&self->scene.peer);
	vt_baseline(_metadata);
}

/* unconfigured: a client that waits for the configuration; there is no area yet. */
FIXTURE(unconfigured) {
	struct scene scene;
};

FIXTURE_SETUP(unconfigured)
{
	setup(_metadata, &self->scene, GET_CONFIG);
}

FIXTURE_TEARDOWN(unconfigured)
{
	vt_peer_stop(&self->scene.peer);
	vt_baseline(_metadata);
}

#define WAKES(fixture, cause) \
	TEST_F(fixture, by_##cause) { wakes(_metadata, &self->scene, cause); }

WAKES(abort, PEER_ABORT)
WAKES(abort, OWN_ABORT)
WAKES(abort, PEER_CLOSE)
WAKES(abort, OWN_CLOSE)
WAKES(abort, KILL)
WAKES(abort, EXIT)
WAKES(abort, EXEC)
WAKES(abort, LAST_DUP)
WAKES(abort, FORKED_KILL)
WAKES(abort, SOCKET_KILL)
WAKES(abort, MAPPED_KILL)
WAKES(abort, MAPPED_CLOSE)

WAKES(unconfigured, PEER_ABORT)
WAKES(unconfigured, OWN_ABORT)
WAKES(unconfigured, PEER_CLOSE)
WAKES(unconfigured, OWN_CLOSE)
WAKES(unconfigured, KILL)
WAKES(unconfigured, EXIT)
WAKES(unconfigured, EXEC)
WAKES(unconfigured, LAST_DUP)
WAKES(unconfigured, FORKED_KILL)
WAKES(unconfigured, SOCKET_KILL)

TEST_HARNESS_MAIN
