// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptors that are closed without Close, by a process that lives on: rows
 * 32 and 33 of the table "Close, abort and death"; row 25's race of a
 * completion against an abort; victims with much memory and of another user.
 */
#include "aborted.h"
#include "peer.h"
#include "sleeper.h"

/* Row 32: the call pins the file, but the owner's descriptor has gone. */

TEST_F(queue, row_32_set_handle_closed_under_its_sleeper)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->l.client, &c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, close(self->l.client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(self->l.server));
	server_is_aborted(_metadata, self->l.server, self->server);
}

TEST_F(queue, row_32_device_handle_closed_under_its_sleeper)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VDI_TIME_INFINITE);

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, close(self->client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	server_is_aborted(_metadata, self->l.server, self->server);
}

TEST_F(queue, row_32_server_handle_closed_under_its_sleeper)
{
	struct vdi_completion done[2];
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->l.server, done, 2, 2, VDI_TIME_INFINITE);

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 1, &c, 1));
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, close(self->l.server));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(2, s.x.out_delivered);
	EXPECT_EQ(995, done[0].code);
	EXPECT_EQ(VDI_REASON_SERVER_DIED, vt_reason(self->l.client));
	client_is_aborted(_metadata, self->l.client, self->client);
}

TEST_F(set, row_32_get_config_closed_under_its_sleeper)
{
	struct vt_sleeper s = { .call = vt_call_get_config, .fd = self->client };

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, close(self->client));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
	EXPECT_EQ(0, vt_create(vt_open_node(), self->name, 1));
}

/* Row 33: nobody would serve this device again. */

TEST_F(queue, row_33_client_device_descriptor_closed)
{
	int copy = fcntl(self->client, F_DUPFD_CLOEXEC, 0);

	EXPECT_EQ(0, close(self->client));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->l.server));
	EXPECT_EQ(0, close(copy));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(self->l.server));
	EXPECT_EQ(VDI_ROLE_CLIENT, vt_reason_role(self->l.server));
	client_is_aborted(_metadata, self->l.client, -1);
	server_is_aborted(_metadata, self->l.server, self->server);
	EXPECT_EQ(0, vt_close(self->l.client));
	EXPECT_EQ(0, vt_close(self->l.server));
}

TEST_F(queue, row_33_server_device_descriptor_closed)
{
	struct vdi_completion done[4];
	struct vdi_command c;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 3, 1, &c, 1));
	EXPECT_EQ(0, close(self->server));
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, vt_reason(self->l.client));
	EXPECT_EQ(VDI_ROLE_SERVER, vt_reason_role(self->l.client));
	client_is_aborted(_metadata, self->l.client, self->client);
	/* what was outstanding is collected through the set handle */
	ASSERT_EQ(3, vt_take(self->l.server, done, 4));
	EXPECT_EQ(995, done[0].code);
	EXPECT_EQ(ECANCELED, vt_collect(self->l.server, done, 0));
	EXPECT_EQ(0, vt_close(self->l.server));
}

/* closed: of two devices, the first is closed in order. */
TEST(row_33_device_closed_in_order_has_no_effect)
{
	struct vdi_command c;
	struct vt_link l;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_up(&l));
	ASSERT_EQ(0, vt_close_device(l.sdev[0]));
	/* the client had not been told yet, the server needs no handle any more */
	EXPECT_EQ(0, close(l.cdev[0]));
	EXPECT_EQ(0, close(l.sdev[0]));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(l.client));
	ASSERT_EQ(0, vt_send(l.sdev[1], 1, VDI_CMD_FLUSH, 1));
	EXPECT_EQ(0, vt_get(l.cdev[1], &c, 0));
	vt_baseline(_metadata);
}

TEST(row_33_device_closing_counts)
{
	struct vdi_completion done;
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_up(&l));
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_close_device(l.sdev[0]));
	EXPECT_EQ(0, close(l.sdev[0]));
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, vt_reason(l.client));
	ASSERT_EQ(0, vt_collect(l.server, &done, 0));
	EXPECT_EQ(995, done.code);
	vt_baseline(_metadata);
}

TEST_F(queue, row_33_after_an_abort_has_no_effect)
{
	ASSERT_EQ(0, vt_abort(self->l.client));
	EXPECT_EQ(0, close(self->client));
	EXPECT_EQ(0, close(self->server));
	EXPECT_EQ(VDI_REASON_SIGNALLED, vt_reason(self->l.client));
}

/* A client's handle of a name that the server has not given yet is open, too. */
TEST(row_33_provisional_device_counts)
{
	struct vt_link l;
	int dev;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_configure(&l));
	dev = vt_open_device(l.client, "provisional");
	ASSERT_LE(0, dev);
	EXPECT_EQ(0, close(dev));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, vt_reason(l.server));
	vt_baseline(_metadata);
}

/* Row 25: who has the lock first; never both answers, never neither. */

struct race {
	int dev;
	uint64_t id;
	atomic_int go;
	int err;
};

static void *complete_when_told(void *arg)
{
	struct race *r = arg;

	while (!atomic_load(&r->go))
		sched_yield();
	r->err = vt_complete(r->dev, 0, r->id, 0, 0);
	return NULL;
}

TEST(row_25_completion_races_abort)
{
	struct vdi_completion done[2];
	struct vdi_command c;
	struct vt_link l;
	unsigned int round;
	struct race r;
	pthread_t t;

	for (round = 0; round < 200; round++) {
		vt_link_init(&l, 1);
		ASSERT_EQ(0, vt_link_up(&l));
		ASSERT_EQ(0, vt_link_load(&l, 0, 1, round, &c, 1));
		r = (struct race){ .dev = l.cdev[0], .id = c.id };
		ASSERT_EQ(0, pthread_create(&t, NULL, complete_when_told, &r));
		atomic_store(&r.go, 1);
		if (round & 1)
			sched_yield();
		EXPECT_EQ(0, vt_abort(l.server));
		pthread_join(t, NULL);
		ASSERT_EQ(1, vt_take(l.sdev[0], done, 2));
		EXPECT_EQ(round, done[0].id);
		EXPECT_TRUE(!r.err || r.err == ECANCELED);
		EXPECT_EQ(r.err ? 995 : 0, done[0].code);
		EXPECT_EQ(ECANCELED, vt_collect(l.sdev[0], done, 0));
		close(l.client);
		close(l.server);
		close(l.cdev[0]);
		close(l.sdev[0]);
	}
	vt_baseline(_metadata);
}

/* Who it was: also if that is another user. */
TEST(another_user_dies)
{
	mode_t before = vt_node_mode_now();
	struct vdi_create c;
	struct vt_peer peer;
	struct vdi_status s;
	int fd;

	ASSERT_TRUE(vt_node_mode(0666));
	ASSERT_TRUE(vt_peer_start_as(&peer, VT_ALICE, VT_GROUP));
	vt_name(peer.page->name);
	c = vt_create_args(peer.page->name, 1);
	c.mode = 0666;
	fd = vt_open_node();
	ASSERT_EQ(0, vt_call(fd, VDI_IOC_CREATE, &c));
	EXPECT_EQ(0, vt_peer(&peer, vt_do_open));
	vt_peer_kill(&peer);
	vt_peer_stop(&peer);
	EXPECT_TRUE(vt_node_mode(before));
	ASSERT_EQ(0, vt_status(fd, &s));
	EXPECT_EQ(VDI_REASON_SERVER_DIED, s.out_stat.reason.reason);
	EXPECT_EQ(VT_ALICE, s.out_stat.reason.who.uid);
	EXPECT_EQ(VT_GROUP, s.out_stat.reason.who.gid);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.reason.who.role);
	EXPECT_EQ(VT_ALICE, s.out_stat.server.uid);
	vt_baseline(_metadata);
}

/* A victim with much memory: its peer does not wait for the memory to go. */

#define LARGE	(64UL << 20)

static int touch_memory(struct vt_page *p)
{
	char *m = mmap(NULL, LARGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (m == MAP_FAILED || vt_do_map(p))
		return errno;
	memset(m, 1, LARGE);
	memset(p->map, 1, p->size);
	return 0;
}

TEST(large_victim_is_seen_as_fast)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = LARGE);
	struct vdi_completion done;
	struct vt_peer peer;
	struct vt_sleeper s;
	int fd, dev;

	ASSERT_TRUE(vt_peer_start(&peer));
	vt_name(peer.page->name);
	fd = vt_open_node();
	ASSERT_EQ(0, vt_peer(&peer, vt_do_create));
	ASSERT_EQ(0, vt_open(fd, peer.page->name));
	ASSERT_EQ(0, vt_begin(fd));
	ASSERT_OK(fd, VDI_IOC_END_CONFIG, &e);
	peer.page->offset = e.out_offset;
	peer.page->size = e.out_size;
	dev = vt_open_device(fd, peer.page->name);
	peer.page->arg = 0;
	ASSERT_EQ(0, vt_peer(&peer, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(&peer, touch_memory));
	ASSERT_EQ(0, vt_send(dev, 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_peer(&peer, vt_do_get));
	s = vt_waiter(fd, &done, 1, 1, VDI_TIME_INFINITE);
	ASSERT_TRUE(vt_sleep(&s));
	vt_peer_kill(&peer);
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_GT(peer.page->acted_ns + VT_SOON_NS, s.end_ns);
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(995, done.code);
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(fd));
	vt_peer_stop(&peer);
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
