// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stopped and frozen: by SIGSTOP, by the freezer of its cgroup, and by the one
 * of the whole system.  A process can be frozen in each wait, its set stays as
 * it is, the other side goes on until it needs it, and when it goes on it has
 * lost nothing and got nothing twice (R28, R30).
 */
#include "node.h"
#include "traffic.h"
#include "ways.h"

#define GROUP		VT_CGROUP "vdi-freeze/"
#define POWER		"/sys/power/"
#define TEST_DELAY	"/sys/module/suspend/parameters/pm_test_delay"

static unsigned int number(const char *variable, unsigned int otherwise)
{
	const char *s = getenv(variable);

	return s && atoi(s) > 0 ? (unsigned int)atoi(s) : otherwise;
}

static const char *group_begin(void)
{
	char word[64];

	if (mkdir(GROUP, 0755) && errno != EEXIST)
		return "no cgroup2 at " VT_CGROUP;
	if (!vt_read(GROUP "cgroup.freeze", word, sizeof(word)))
		return "no freezer in cgroup2";
	return NULL;
}

static bool is_frozen(bool frozen)
{
	char word[64];

	return vt_read(GROUP "cgroup.events", word, sizeof(word)) &&
	       strstr(word, frozen ? "frozen 1" : "frozen 0");
}

static bool is_stopped(pid_t pid)
{
	char path[64], line[256] = "", *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	p = vt_read(path, line, sizeof(line)) ? strrchr(line, ')') : NULL;
	return p && p[2] == 'T';
}

/* Ways to stop a process */
enum how { BY_GROUP, BY_SIGNAL };

static bool stop(enum how how, pid_t pid)
{
	char word[32];

	if (how == BY_SIGNAL)
		return !kill(pid, SIGSTOP) && VT_UNTIL(is_stopped(pid));
	snprintf(word, sizeof(word), "%d", pid);
	return vt_write(GROUP "cgroup.procs", word) && vt_write(GROUP "cgroup.freeze", "1") &&
	       VT_UNTIL(is_frozen(true));
}

static bool go_on(enum how how, pid_t pid)
{
	if (how == BY_SIGNAL)
		return !kill(pid, SIGCONT);
	return vt_write(GROUP "cgroup.freeze", "0") && VT_UNTIL(is_frozen(false));
}

/* freeze: a victim; who it is in the set is the test's. */
FIXTURE(freeze) {
	struct vt_peer victim;
	unsigned int rounds;
	int fd;
	int dev;
};

FIXTURE_VARIANT(freeze) {
	enum how how;
};

FIXTURE_VARIANT_ADD(freeze, in_a_cgroup) {
	.how = BY_GROUP,
};

FIXTURE_VARIANT_ADD(freeze, stopped) {
	.how = BY_SIGNAL,
};

FIXTURE_SETUP(freeze)
{
	const char *why = group_begin();

	if (why && variant->how == BY_GROUP)
		SKIP(return, "%s", why);
	self->rounds = number("VDI_FREEZE_ROUNDS", 10);
	ASSERT_TRUE(vt_peer_start(&self->victim));
	vt_name(self->victim.page->name);
	self->fd = vt_open_node();
}

FIXTURE_TEARDOWN(freeze)
{
	go_on(variant->how, self->victim.child.pid);
	vt_peer_stop(&self->victim);
	vt_baseline(_metadata);
	VT_UNTIL(!rmdir(GROUP));
}

static bool has_answered(struct vt_peer *peer)
{
	struct pollfd p = { .fd = peer->child.from, .events = POLLIN };

	return poll(&p, 1, 50) == 1;
}

/* The victim waits in @fn and is stopped; @act would end the wait; then it goes on. */
static void stop_in(struct __test_metadata *_metadata, struct vt_peer *victim, enum how how,
		    int (*fn)(struct vt_page *p), int (*act)(int dev), int dev)
{
	ASSERT_TRUE(vt_peer_begin(victim, fn));
	ASSERT_TRUE(vt_asleep(victim->child.pid));
	ASSERT_TRUE(stop(how, victim->child.pid)) {
		TH_LOG("cannot be stopped");
	}
	EXPECT_EQ(0, act(dev));
	EXPECT_FALSE(has_answered(victim)) {
		TH_LOG("goes on while it is stopped");
	}
	ASSERT_TRUE(go_on(how, victim->child.pid));
	ASSERT_EQ(1, vt_hear(&victim->child)) {
		TH_LOG("does not come back");
	}
	EXPECT_EQ(0, victim->page->ret);
}

static int act_send(int dev)
{
	return vt_send(dev, 0, VDI_CMD_FLUSH, 4711);
}

static int act_complete(int dev)
{
	struct vdi_command c;

	return vt_get(dev, &c, VT_LONG) ?: vt_complete(dev, 0, c.id, 0, 0);
}

static int act_configure(int fd)
{
	return vt_begin(fd) ?: vt_end(fd, VT_TRANSFER);
}

static int do_get_config(struct vt_page *p)
{
	return vt_get_config(p->fd, VDI_TIME_INFINITE);
}

static int do_poll(struct vt_page *p)
{
	struct pollfd f = { .fd = p->dev[0], .events = POLLIN };

	return poll(&f, 1, -1) == 1 && f.revents == POLLIN ? 0 : -1;
}

/* Nothing is left: what the victim got it got once. */
static int do_get_nothing(struct vt_page *p)
{
	return vt_get(p->dev[0], &p->command, 0);
}

static int do_collect_nothing(struct vt_page *p)
{
	return vt_collect(p->dev[0], &p->completion, 0);
}

TEST_F_TIMEOUT(freeze, client, 1200)
{
	struct vdi_completion done;
	unsigned int i;

	ASSERT_EQ(0, vt_peer(&self->victim, vt_do_create));
	ASSERT_EQ(0, vt_open(self->fd, self->victim.page->name));
	stop_in(_metadata, &self->victim, variant->how, do_get_config, act_configure, self->fd);
	self->dev = vt_open_device(self->fd, self->victim.page->name);
	self->victim.page->arg = 0;
	ASSERT_EQ(0, vt_peer(&self->victim, vt_do_open_device));
	for (i = 0; i < self->rounds; i++) {
		stop_in(_metadata, &self->victim, variant->how, vt_do_get, act_send, self->dev);
		EXPECT_EQ(VDI_KIND_COMMAND, self->victim.page->command.kind);
		ASSERT_EQ(0, vt_peer(&self->victim, vt_do_complete));
		ASSERT_EQ(0, vt_collect(self->dev, &done, VT_LONG));
		EXPECT_EQ(4711, done.id);
		EXPECT_EQ(ETIMEDOUT, vt_peer(&self->victim, do_get_nothing));
	}
	stop_in(_metadata, &self->victim, variant->how, do_poll, act_send, self->dev);
	TH_LOG("F12: reached %u freezes of a client in each wait", i);
}

TEST_F_TIMEOUT(freeze, server, 1200)
{
	unsigned int i;

	ASSERT_EQ(0, vt_create(self->fd, self->victim.page->name, 1));
	ASSERT_EQ(0, vt_peer(&self->victim, vt_do_open));
	ASSERT_EQ(0, vt_peer(&self->victim, vt_do_configure));
	self->victim.page->arg = 0;
	ASSERT_EQ(0, vt_peer(&self->victim, vt_do_open_device));
	self->dev = vt_open_device(self->fd, self->victim.page->name);
	for (i = 0; i < self->rounds; i++) {
		self->victim.page->arg = i;
		ASSERT_EQ(0, vt_peer(&self->victim, vt_do_send));
		stop_in(_metadata, &self->victim, variant->how, vt_do_collect, act_complete,
			self->dev);
		EXPECT_EQ(i, self->victim.page->completion.id);
		EXPECT_EQ(ETIMEDOUT, vt_peer(&self->victim, do_collect_nothing));
	}
	TH_LOG("F12: reached %u freezes of a server in its wait", i);
}

/* Nodes: the engine is the victim, in read and in write. */

#define STREAM		(1U << 20)

struct stream {
	struct node_set *s;
	bool writes;
};

static int move_stream(struct vt_child *me, void *arg)
{
	static unsigned char buf[STREAM], want[STREAM];
	struct stream *st = arg;
	int fd = node_open(st->s, 0, st->writes ? O_WRONLY : O_RDONLY);

	node_fill(want, 0, STREAM);
	if (fd < 0 || !vt_tell(me, 1))
		return 100;
	if (st->writes)
		return node_write(fd, want, STREAM) ?: node_close(fd);
	if (node_read(fd, buf, STREAM) != STREAM || memcmp(buf, want, STREAM))
		return 101;
	return node_close(fd);
}

static void stop_stream(struct __test_metadata *_metadata, struct node_set *s, enum how how,
			bool writes)
{
	struct stream st = { s, writes };
	struct vt_child child;

	atomic_store(&s->hold, writes ? VDI_CMD_WRITE : VDI_CMD_READ);
	if (!writes) {
		s->store[0].size = STREAM;
		node_fill(s->store[0].data, 0, STREAM);
	}
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, move_stream, &st));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&s->holding)));
	ASSERT_TRUE(vt_asleep(child.pid));
	ASSERT_TRUE(stop(how, child.pid));
	atomic_store(&s->hold, 0);
	poll(NULL, 0, 50);
	ASSERT_TRUE(go_on(how, child.pid));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	if (writes)
		EXPECT_TRUE(node_stored(s, STREAM));
}

#define NODE_TEST(name, how, writes)					\
	TEST_F(node, name)						\
	{								\
		const char *why = group_begin();			\
									\
		if (why && (how) == BY_GROUP)				\
			SKIP(return, "%s", why);			\
		stop_stream(_metadata, self->s, how, writes);		\
		VT_UNTIL(!rmdir(GROUP));				\
	}

NODE_TEST(write_in_a_cgroup, BY_GROUP, true)
NODE_TEST(read_in_a_cgroup, BY_GROUP, false)
NODE_TEST(write_stopped, BY_SIGNAL, true)
NODE_TEST(read_stopped, BY_SIGNAL, false)

/* Both sides busy in processes of their own. */

/* The part of traffic in a page that is shared: how far it is */
static struct vt_traffic *sides;

static int do_client_traffic(struct vt_page *p)
{
	struct vt_traffic *t = &sides[0];
	int err = vt_do_map(p);

	t->fd = p->dev[0];
	t->map = p->map;
	if (!err)
		vt_traffic_client(t);
	return err ?: t->err;
}

static int do_server_traffic(struct vt_page *p)
{
	struct vt_traffic *t = &sides[1];
	int err = vt_do_map(p);

	t->fd = p->dev[0];
	t->map = p->map;
	if (!err)
		vt_traffic_server(t);
	return err ?: t->err;
}

/* busy: a client and a server that move checked blocks until @total of them are done. */
FIXTURE(busy) {
	struct vt_peer client;
	struct vt_peer server;
};

FIXTURE_SETUP(busy)
{
	struct vt_page *c, *s;

	sides = mmap(NULL, 2 * sizeof(*sides), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)sides);
	ASSERT_TRUE(vt_peer_start(&self->client));
	ASSERT_TRUE(vt_peer_start(&self->server));
	c = self->client.page;
	s = self->server.page;
	vt_name(c->name);
	strcpy(s->name, c->name);
	ASSERT_EQ(0, vt_peer(&self->client, vt_do_create));
	ASSERT_EQ(0, vt_peer(&self->server, vt_do_open));
	ASSERT_EQ(0, vt_peer(&self->server, vt_do_configure));
	c->offset = s->offset;
	c->size = s->size;
	ASSERT_EQ(0, vt_peer(&self->server, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(&self->client, vt_do_open_device));
	sides[0].offset = s->offset;
	sides[1].offset = s->offset;
}

FIXTURE_TEARDOWN(busy)
{
	vt_peer_stop(&self->client);
	vt_peer_stop(&self->server);
	vt_baseline(_metadata);
	munmap(sides, 2 * sizeof(*sides));
}

static void begin_traffic(struct __test_metadata *_metadata, struct vt_peer *client,
			  struct vt_peer *server, unsigned int total)
{
	sides[0].total = total;
	sides[1].total = total;
	ASSERT_TRUE(vt_peer_begin(client, do_client_traffic));
	ASSERT_TRUE(vt_peer_begin(server, do_server_traffic));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&sides[1].done) > 0));
}

static void end_traffic(struct __test_metadata *_metadata, struct vt_peer *client,
			struct vt_peer *server)
{
	ASSERT_EQ(1, vt_hear(&server->child));
	ASSERT_EQ(1, vt_hear(&client->child));
	EXPECT_EQ(0, server->page->ret);
	EXPECT_EQ(0, client->page->ret);
	EXPECT_EQ(sides[0].total, atomic_load(&sides[0].done));
	EXPECT_EQ(sides[1].total, atomic_load(&sides[1].done));
}

/* As long as there is traffic one or the other is stopped, for a moment or two. */
TEST_F_TIMEOUT(busy, storm_of_stops, 3600)
{
	unsigned int total = number("VDI_FREEZE_COMMANDS", 20000), seed = 1, n = 0, r;
	pid_t pids[2] = { self->client.child.pid, self->server.child.pid };

	begin_traffic(_metadata, &self->client, &self->server, total);
	while (atomic_load(&sides[1].done) < total && !sides[0].err && !sides[1].err) {
		r = rand_r(&seed);
		kill(pids[r >> 4 & 1], SIGSTOP);
		if (r >> 5 & 1)
			poll(NULL, 0, r >> 8 & 3);
		kill(pids[r >> 4 & 1], SIGCONT);
		if (r >> 6 & 1)
			sched_yield();
		n++;
	}
	end_traffic(_metadata, &self->client, &self->server);
	EXPECT_LT(10, n);
	TH_LOG("F12: reached %u commands and %u stops, none lost and none twice", total, n);
}

/*
 * The freezer of the system takes all processes, these in their waits too, and
 * lets them go again; it gives up after 20 s if one does not let itself be frozen.
 */
TEST_F_TIMEOUT(busy, system_freezer, 3600)
{
	unsigned int rounds = number("VDI_FREEZE_SUSPENDS", 2), i;
	struct vt_peer waiter = {};

	if (access(POWER "pm_test", W_OK) || !vt_write(POWER "pm_test", "freezer"))
		SKIP(return, "the kernel has no /sys/power/pm_test");
	vt_write(TEST_DELAY, "1");
	ASSERT_TRUE(vt_peer_start(&waiter));
	vt_name(waiter.page->name);
	ASSERT_EQ(0, vt_peer(&waiter, vt_do_create));
	ASSERT_TRUE(vt_peer_begin(&waiter, do_get_config));
	ASSERT_TRUE(vt_asleep(waiter.child.pid));
	begin_traffic(_metadata, &self->client, &self->server, 20000);
	for (i = 0; i < rounds; i++) {
		EXPECT_TRUE(vt_write(POWER "state", "freeze")) {
			TH_LOG("the system cannot be frozen: %s", strerror(errno));
		}
	}
	vt_write(POWER "pm_test", "none");
	end_traffic(_metadata, &self->client, &self->server);
	/* that one was woken by nothing but its server */
	EXPECT_FALSE(has_answered(&waiter));
	vt_peer_stop(&waiter);
	TH_LOG("F12: reached %u freezes of the system, of 100 asked for a release", i);
}

TEST_HARNESS_MAIN
