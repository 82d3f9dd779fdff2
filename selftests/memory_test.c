// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory cgroups: the buffer area is charged to who makes it, with a limit of a
 * tenth more than it needs all works, with a tenth less END_CONFIG and GROW_AREA
 * give ENOMEM and nobody is killed, then or at the first touch; and who is killed
 * for want of memory in the middle is dead to the other side like any other.  With
 * swap an area may be larger than the limit, and comes back as it was.  When memory
 * runs out for all is oom_test's.
 */
#include "swap.h"
#include "ways.h"

#define AREA		(32ULL << 20)
#define SLACK		(4LL << 20)	/* what else a process is charged meanwhile */
#define OUR_GROUPS	2

static const char * const groups[OUR_GROUPS] = {
	VT_CGROUP "vdi-memory-0/", VT_CGROUP "vdi-memory-1/",
};

static bool group_set(int group, const char *file, const char *word)
{
	char path[96];

	snprintf(path, sizeof(path), "%s%s", groups[group], file);
	return vt_write(path, word);
}

static bool group_limit(int group, long long bytes)
{
	char word[32];

	snprintf(word, sizeof(word), "%lld", bytes);
	return group_set(group, "memory.max", bytes < 0 ? "max" : word);
}

static long long group_number(int group, const char *file)
{
	char path[96], word[32];

	snprintf(path, sizeof(path), "%s%s", groups[group], file);
	return vt_read(path, word, sizeof(word)) ? atoll(word) : -1;
}

static long long group_bytes(int group)
{
	return group_number(group, "memory.current");
}

/* How often somebody was killed in it. */
static long group_kills(int group)
{
	char path[96], word[512], *at;

	snprintf(path, sizeof(path), "%smemory.events", groups[group]);
	if (!vt_read(path, word, sizeof(word)))
		return -1;
	at = strstr(word, "oom_kill ");
	return at ? atol(at + strlen("oom_kill ")) : -1;
}

static bool group_enter(int group, pid_t pid)
{
	char word[32];

	snprintf(word, sizeof(word), "%d", pid);
	return group_set(group, "cgroup.procs", word);
}

/* memory: a client and a server in groups of their own, the test beside them. */
FIXTURE(memory) {
	struct vt_peer client;
	struct vt_peer server;
	long kills[OUR_GROUPS];
};

FIXTURE_SETUP(memory)
{
	int i;

	vt_write(VT_CGROUP "cgroup.subtree_control", "+memory");
	for (i = 0; i < OUR_GROUPS; i++) {
		if (mkdir(groups[i], 0755) && errno != EEXIST)
			SKIP(return, "no cgroup2 at " VT_CGROUP);
		if (!group_limit(i, -1) || group_bytes(i) < 0)
			SKIP(return, "no memory controller in cgroup2");
		group_set(i, "memory.swap.max", "0");
		self->kills[i] = group_kills(i);
	}
	ASSERT_TRUE(vt_peer_start(&self->client));
	ASSERT_TRUE(vt_peer_start(&self->server));
	ASSERT_TRUE(group_enter(0, self->client.child.pid));
	ASSERT_TRUE(group_enter(1, self->server.child.pid));
	vt_name(self->client.page->name);
	strcpy(self->server.page->name, self->client.page->name);
}

FIXTURE_TEARDOWN(memory)
{
	int i;

	vt_peer_stop(&self->client);
	vt_peer_stop(&self->server);
	vt_baseline(_metadata);
	for (i = 0; i < OUR_GROUPS; i++)
		VT_UNTIL(!rmdir(groups[i]));
}

static int do_begin(struct vt_page *p)
{
	return vt_begin(p->fd);
}

static int do_end(struct vt_page *p)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = p->size);
	int err = vt_call(p->fd, VDI_IOC_END_CONFIG, &e);

	p->offset = e.out_offset;
	return err;
}

static int do_grow(struct vt_page *p)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = p->size);
	int err = vt_call(p->fd, VDI_IOC_GROW_AREA, &g);

	p->offset = g.out_offset;
	return err;
}

/* Every page, for the first time. */
static int do_touch(struct vt_page *p)
{
	int err = vt_do_map(p);

	if (!err)
		memset(p->map, 0x5a, p->size);
	return err;
}

static int do_unmap(struct vt_page *p)
{
	return munmap(p->map, p->size) ? errno : 0;
}

static void connect_them(struct __test_metadata *_metadata, struct vt_peer *client,
			 struct vt_peer *server)
{
	client->page->arg = 1;
	ASSERT_EQ(0, vt_peer(client, vt_do_create));
	ASSERT_EQ(0, vt_peer(server, vt_do_open));
	ASSERT_EQ(0, vt_peer(server, do_begin));
}

/* What AREA is to the server's group, by asking for it once without a limit. */
static long long need(struct __test_metadata *_metadata, struct vt_peer *server,
		      int (*call)(struct vt_page *p))
{
	long long before = group_bytes(1);

	server->page->size = AREA;
	ASSERT_EQ(0, vt_peer(server, call));
	return group_bytes(1) - before;
}

/* The charge is the caller's, whoever touches it. */
TEST_F(memory, charge_is_the_callers)
{
	long long client, bytes;

	connect_them(_metadata, &self->client, &self->server);
	client = group_bytes(0);
	bytes = need(_metadata, &self->server, do_end);
	/* some of what it had before may be given back meanwhile */
	EXPECT_LE((long long)AREA - SLACK, bytes);
	EXPECT_GE((long long)AREA + SLACK, bytes);
	self->client.page->offset = self->server.page->offset;
	self->client.page->size = AREA;
	ASSERT_EQ(0, vt_peer(&self->client, do_touch));
	EXPECT_GE(client + SLACK, group_bytes(0));
	/* and stays with who maps it, not with who has the dead set open */
	vt_peer_stop(&self->server);
	EXPECT_LE((long long)AREA - SLACK, group_bytes(1));
	ASSERT_EQ(0, vt_peer(&self->client, do_unmap));
	EXPECT_TRUE(VT_UNTIL(group_bytes(1) < SLACK)) {
		TH_LOG("%lld bytes are left in the server's group", group_bytes(1));
	}
}

static void at_110(struct __test_metadata *_metadata, struct vt_peer *server,
		   int (*call)(struct vt_page *p))
{
	ASSERT_TRUE(group_limit(1, group_bytes(1) + AREA / 10 * 11));
	server->page->size = AREA;
	ASSERT_EQ(0, vt_peer(server, call));
	EXPECT_EQ(0, vt_peer(server, do_touch));
	EXPECT_EQ(0, vt_peer(server, do_unmap));
}

static void at_90(struct __test_metadata *_metadata, struct vt_peer *server,
		  int (*call)(struct vt_page *p))
{
	ASSERT_TRUE(group_limit(1, group_bytes(1) + AREA / 10 * 9));
	server->page->size = AREA;
	EXPECT_EQ(ENOMEM, vt_peer(server, call));
	/* nothing of it stays, and with less it works */
	server->page->size = AREA / 2;
	ASSERT_EQ(0, vt_peer(server, call));
	EXPECT_EQ(0, vt_peer(server, do_touch));
	EXPECT_EQ(0, vt_peer(server, do_unmap));
}

TEST_F(memory, end_config_at_110_percent)
{
	connect_them(_metadata, &self->client, &self->server);
	at_110(_metadata, &self->server, do_end);
	EXPECT_EQ(self->kills[1], group_kills(1));
}

TEST_F(memory, end_config_at_90_percent_ENOMEM)
{
	connect_them(_metadata, &self->client, &self->server);
	at_90(_metadata, &self->server, do_end);
	EXPECT_EQ(self->kills[1], group_kills(1));
}

TEST_F(memory, grow_area_at_110_percent)
{
	connect_them(_metadata, &self->client, &self->server);
	ASSERT_LE((long long)AREA - SLACK, need(_metadata, &self->server, do_end));
	at_110(_metadata, &self->server, do_grow);
	EXPECT_EQ(self->kills[1], group_kills(1));
}

TEST_F(memory, grow_area_at_90_percent_ENOMEM)
{
	connect_them(_metadata, &self->client, &self->server);
	ASSERT_LE((long long)AREA - SLACK, need(_metadata, &self->server, do_end));
	at_90(_metadata, &self->server, do_grow);
	EXPECT_EQ(self->kills[1], group_kills(1));
}

static void start_again(struct __test_metadata *_metadata, struct vt_peer *client,
			struct vt_peer *server)
{
	ASSERT_TRUE(group_limit(1, -1));
	vt_peer_stop(server);
	vt_peer_stop(client);
	ASSERT_TRUE(VT_UNTIL(group_bytes(1) < SLACK));
	ASSERT_TRUE(vt_peer_start(client));
	ASSERT_TRUE(vt_peer_start(server));
	ASSERT_TRUE(group_enter(0, client->child.pid));
	ASSERT_TRUE(group_enter(1, server->child.pid));
	vt_name(client->page->name);
	strcpy(server->page->name, client->page->name);
	connect_them(_metadata, client, server);
}

/*
 * As often as VDI_MEMORY_ROUNDS says, at limits all the way up, with a little for
 * the process itself, and closely around the one that is just enough: END_CONFIG
 * works or gives ENOMEM, and nobody is killed.
 */
TEST_F_TIMEOUT(memory, any_limit, 3600)
{
	const char *s = getenv("VDI_MEMORY_ROUNDS");
	unsigned int i, rounds = s && atoi(s) > 0 ? atoi(s) : 40, refused = 0;
	long long base, more;
	int err;

	connect_them(_metadata, &self->client, &self->server);
	base = group_bytes(1);
	for (i = 0; i < rounds; i++) {
		if (i % 2)
			more = AREA + (i / 2 % 32) * (32LL << 10);
		else
			more = (1LL << 20) + AREA * (i % 20) / 18;
		ASSERT_TRUE(group_limit(1, base + more));
		self->server.page->size = AREA;
		err = vt_peer(&self->server, do_end);
		EXPECT_TRUE(err == 0 || err == ENOMEM) {
			TH_LOG("%d with %lld bytes over %lld", err, more, base);
		}
		refused += err == ENOMEM;
		if (err == ENOMEM)
			continue;
		/* to map it takes page tables, which are the process's own */
		ASSERT_TRUE(group_limit(1, base + more + (1LL << 20)));
		if (!err)
			EXPECT_EQ(0, vt_peer(&self->server, do_touch));
		start_again(_metadata, &self->client, &self->server);
		base = group_bytes(1);
	}
	EXPECT_LT(0, refused);
	EXPECT_GT(rounds, refused);
	EXPECT_EQ(self->kills[1], group_kills(1));
	TH_LOG("F11: reached %u rounds, %u of them refused with ENOMEM, %ld killed",
	       rounds, refused, group_kills(1) - self->kills[1]);
}

static int do_fill(struct vt_page *p)
{
	vt_swap_fill(p->map, p->size, p->arg);
	return 0;
}

static int do_check(struct vt_page *p)
{
	return vt_swap_good(p->map, p->size, p->arg) ? 0 : EILSEQ;
}

/* The group may have half of what the area is; the other half is in the swap. */
TEST_F_TIMEOUT(memory, swap_holds_the_rest, 3600)
{
	const char *why = vt_swap_begin(2 * AREA >> 20);
	long long most = 0, now;
	unsigned int i;

	if (why)
		SKIP(return, "%s", why);
	connect_them(_metadata, &self->client, &self->server);
	ASSERT_TRUE(group_set(1, "memory.swap.max", "max"));
	ASSERT_TRUE(group_limit(1, group_bytes(1) + AREA / 2));
	self->server.page->size = AREA;
	ASSERT_EQ(0, vt_peer(&self->server, do_end));
	ASSERT_EQ(0, vt_peer(&self->server, vt_do_map));
	self->client.page->offset = self->server.page->offset;
	self->client.page->size = AREA;
	ASSERT_EQ(0, vt_peer(&self->client, vt_do_map));
	for (i = 0; i < 3; i++) {
		self->server.page->arg = i;
		self->client.page->arg = i;
		/* who writes and who reads take turns */
		EXPECT_EQ(0, vt_peer(i % 2 ? &self->client : &self->server, do_fill));
		EXPECT_EQ(0, vt_peer(i % 2 ? &self->server : &self->client, do_check));
		now = group_number(1, "memory.swap.current");
		most = now > most ? now : most;
	}
	EXPECT_LE((long long)AREA / 4, most);
	EXPECT_EQ(self->kills[1], group_kills(1));
	TH_LOG("F11: reached %lld of %llu MiB in the swap, all of it came back as it was",
	       most >> 20, AREA >> 20);
	vt_peer_stop(&self->server);
	vt_peer_stop(&self->client);
	vt_swap_end();
}

/* Killed by the kernel while the set is Active: like SIGKILL to the other side. */
static void starve(struct __test_metadata *_metadata, struct vt_peer *victim, int group,
		   struct vt_peer *other, unsigned int reason)
{
	long kills = group_kills(group);
	const char *wrong;

	victim->page->arg = 0;
	ASSERT_TRUE(group_limit(group, group_bytes(group) + (16LL << 20)));
	ASSERT_TRUE(vt_peer_begin(victim, vt_w_eat));
	ASSERT_TRUE(VT_UNTIL(waitpid(victim->child.pid, NULL, WNOHANG) == victim->child.pid));
	victim->child.pid = 0;
	EXPECT_LT(kills, group_kills(group));
	wrong = vt_peer_survives(other, reason);
	EXPECT_EQ(NULL, wrong) {
		TH_LOG("%s", wrong);
	}
}

static void activate(struct __test_metadata *_metadata, struct vt_peer *client,
		     struct vt_peer *server)
{
	connect_them(_metadata, client, server);
	server->page->size = VT_TRANSFER;
	ASSERT_EQ(0, vt_peer(server, do_end));
	client->page->arg = 0;
	server->page->arg = 0;
	ASSERT_EQ(0, vt_peer(server, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(client, vt_do_open_device));
}

TEST_F(memory, client_starves)
{
	activate(_metadata, &self->client, &self->server);
	starve(_metadata, &self->client, 0, &self->server, VDI_REASON_CLIENT_DIED);
}

TEST_F(memory, server_starves)
{
	activate(_metadata, &self->client, &self->server);
	starve(_metadata, &self->server, 1, &self->client, VDI_REASON_SERVER_DIED);
}

TEST_HARNESS_MAIN
