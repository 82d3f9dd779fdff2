// SPDX-License-Identifier: GPL-2.0-only
/*
 * No memory left for anybody: others take all that the machine has.  Whom the
 * kernel kills for it is dead to the other side like any other, a set whose two
 * sides live goes on, also while its buffers are in the swap, and nothing is left.
 * The limits of memory cgroups are memory_test's.
 *
 * For a guest of its own, with little memory: skipped without VDI_OOM_ROUNDS=N.
 */
#include <sys/wait.h>

#include "peer.h"
#include "swap.h"

#define AREA		(32ULL << 20)
#define STEP		(256U << 10)
#define RESIDENT	(48U << 20)	/* what the death of a victim gives back at least */
#define EATERS		2
#define SWAP_MIB	256
#define NOT_ASKED	"takes all memory of the machine: VDI_OOM_ROUNDS=N in a guest"

/**
 * struct eater - Who takes the memory
 * @child: its process
 * @victim: stops when this one is dead, for 0 never
 * @bytes: how much it takes, and goes on to use it; 0 for all there is
 */
struct eater {
	struct vt_child child;
	pid_t victim;
	size_t bytes;
};

static bool oom_score(pid_t pid, int score)
{
	char path[48];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	f = fopen(path, "we");
	ok = f && fprintf(f, "%d", score) > 0;
	return f && !fclose(f) && ok;
}

static long vmstat(const char *name)
{
	FILE *f = fopen("/proc/vmstat", "re");
	long found = -1, n;
	char word[64];

	while (f && fscanf(f, "%63s %ld\n", word, &n) == 2)
		if (!strcmp(word, name))
			found = n;
	if (f)
		fclose(f);
	return found;
}

static void *more(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* The end of the victim is to be seen before anybody has waited for it. */
static int eat_all(struct vt_child *me, void *arg)
{
	const struct eater *e = arg;
	struct pollfd p = { .fd = -1, .events = POLLIN };
	char *at;

	if (e->victim)
		p.fd = syscall(SYS_pidfd_open, e->victim, 0);
	vt_tell(me, 'e');
	while (poll(&p, 1, 0) == 0) {
		at = more(STEP);
		if (at)
			memset(at, 1, STEP);
	}
	return 0;
}

/* Any page, again and again; one word of it, so that the swap needs no memory. */
static int eat_some(struct vt_child *me, void *arg)
{
	const struct eater *e = arg;
	size_t pages = e->bytes / VT_SWAP_PAGE, i;
	volatile char *at = more(e->bytes);
	unsigned int seed = getpid();

	if (!at)
		return 1;
	for (i = 0; i < pages; i++)
		at[i * VT_SWAP_PAGE] = 1;
	vt_tell(me, 'e');
	for (;;)
		at[rand_r(&seed) % pages * VT_SWAP_PAGE]++;
}

static void no_more(struct eater *e)
{
	if (e->child.pid > 0) {
		kill(e->child.pid, SIGKILL);
		waitpid(e->child.pid, NULL, 0);
		close(e->child.to);
		close(e->child.from);
	}
	e->child.pid = 0;
}

/* oom: an Active set of two processes that the kernel will not kill. */
FIXTURE(oom) {
	struct vt_peer client;
	struct vt_peer server;
	struct eater eater[EATERS];
	unsigned int rounds;
	long kills;
};

FIXTURE_SETUP(oom)
{
	const char *s = getenv("VDI_OOM_ROUNDS");

	self->rounds = s ? atoi(s) : 0;
	/* the tests skip themselves: they run also if this does */
	if (!self->rounds)
		return;
	self->kills = vmstat("oom_kill");
	/* all our children begin so */
	ASSERT_TRUE(oom_score(getpid(), -1000));
}

FIXTURE_TEARDOWN(oom)
{
	unsigned int i;

	for (i = 0; i < EATERS; i++)
		no_more(&self->eater[i]);
	vt_peer_stop(&self->client);
	vt_peer_stop(&self->server);
	vt_baseline(_metadata);
	if (self->rounds)
		vt_swap_end();
}

static int do_fill(struct vt_page *p)
{
	vt_swap_fill(p->map, p->size, p->arg);
	return vt_do_send(p);
}

static int do_check(struct vt_page *p)
{
	int err = vt_do_get(p);

	if (!err && !vt_swap_good(p->map, p->size, p->arg))
		err = EILSEQ;
	if (err)
		return err;
	p->arg = 0;
	return vt_do_complete(p);
}

static int do_collect(struct vt_page *p)
{
	return vt_do_collect(p) ?: p->completion.code ? EIO : 0;
}

static int do_become_large(struct vt_page *p)
{
	void *at = more(RESIDENT);

	(void)p;
	if (at)
		memset(at, 1, RESIDENT);
	return at ? 0 : ENOMEM;
}

static void make_set(struct __test_metadata *_metadata, struct vt_peer *client,
		     struct vt_peer *server)
{
	ASSERT_TRUE(vt_peer_start(client));
	ASSERT_TRUE(vt_peer_start(server));
	vt_name(client->page->name);
	strcpy(server->page->name, client->page->name);
	client->page->arg = 1;
	server->page->size = AREA;
	ASSERT_EQ(0, vt_peer(client, vt_do_create));
	ASSERT_EQ(0, vt_peer(server, vt_do_open));
	ASSERT_EQ(0, vt_peer(server, vt_do_configure));
	ASSERT_EQ(0, vt_peer(server, vt_do_map));
	client->page->offset = server->page->offset;
	client->page->size = AREA;
	ASSERT_EQ(0, vt_peer(client, vt_do_map));
	client->page->arg = 0;
	server->page->arg = 0;
	ASSERT_EQ(0, vt_peer(server, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(client, vt_do_open_device));
}

/* Nobody else had to die.  User Mode Linux does not count them. */
static void expect_kills(struct __test_metadata *_metadata, FIXTURE_DATA(oom) *self, long n)
{
	if (self->kills >= 0)
		EXPECT_EQ(self->kills + n, vmstat("oom_kill"));
}

/* The whole area goes from one side to the other, once. */
static void move(struct __test_metadata *_metadata, struct vt_peer *client,
		 struct vt_peer *server, unsigned int seed)
{
	server->page->arg = seed;
	client->page->arg = seed;
	ASSERT_EQ(0, vt_peer(server, do_fill));
	ASSERT_EQ(0, vt_peer(client, do_check));
	ASSERT_EQ(0, vt_peer(server, do_collect));
}

TEST_F_TIMEOUT(oom, another_is_killed, 3600)
{
	struct eater *e = &self->eater[0];
	unsigned int i, n = 0;
	int status;

	if (!self->rounds)
		SKIP(return, NOT_ASKED);
	make_set(_metadata, &self->client, &self->server);
	for (i = 0; i < self->rounds; i++) {
		*e = (struct eater){ };
		ASSERT_TRUE(vt_start(&e->child, VT_ROOT, VT_ROOT, eat_all, e));
		ASSERT_TRUE(oom_score(e->child.pid, 1000));
		do {
			move(_metadata, &self->client, &self->server, n++);
		} while (!waitpid(e->child.pid, &status, WNOHANG));
		e->child.pid = 0;
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	move(_metadata, &self->client, &self->server, n++);
	expect_kills(_metadata, self, self->rounds);
	TH_LOG("F11: reached %u times no memory left, %u times the area moved meanwhile", i, n);
}

static void kill_one(struct __test_metadata *_metadata, FIXTURE_DATA(oom) *self,
		     struct vt_peer *victim, struct vt_peer *other, unsigned int reason)
{
	struct eater *e = &self->eater[0];
	const char *wrong;
	unsigned int i;
	int status;

	if (!self->rounds)
		SKIP(return, NOT_ASKED);
	for (i = 0; i < self->rounds; i++) {
		make_set(_metadata, &self->client, &self->server);
		ASSERT_EQ(0, vt_peer(victim, do_become_large));
		*e = (struct eater){ .victim = victim->child.pid };
		ASSERT_TRUE(oom_score(victim->child.pid, 1000));
		ASSERT_TRUE(vt_start(&e->child, VT_ROOT, VT_ROOT, eat_all, e));
		EXPECT_EQ(0, vt_finish(&e->child)) {
			TH_LOG("who eats did not see the death of the victim");
		}
		e->child.pid = 0;
		wrong = vt_peer_survives(other, reason);
		EXPECT_EQ(NULL, wrong) {
			TH_LOG("%s", wrong);
		}
		ASSERT_EQ(victim->child.pid, waitpid(victim->child.pid, &status, 0));
		EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		victim->child.pid = 0;
		vt_peer_stop(other);
		expect_kills(_metadata, self, i + 1);
	}
	TH_LOG("F11: reached %u sides killed for want of memory, the other one told each time", i);
}

TEST_F_TIMEOUT(oom, client_is_killed, 3600)
{
	kill_one(_metadata, self, &self->client, &self->server, VDI_REASON_CLIENT_DIED);
}

TEST_F_TIMEOUT(oom, server_is_killed, 3600)
{
	kill_one(_metadata, self, &self->server, &self->client, VDI_REASON_SERVER_DIED);
}

/* More than there is, in use by others all the time, but for the swap. */
TEST_F_TIMEOUT(oom, in_the_swap, 3600)
{
	const char *why = self->rounds ? vt_swap_begin(SWAP_MIB) : NOT_ASKED;
	size_t bytes = (vt_meminfo("MemAvailable:") + vt_meminfo("SwapFree:") / 2) << 10;
	long out = vmstat("pswpout"), in = vmstat("pswpin");
	unsigned int i;

	if (why)
		SKIP(return, "%s", why);
	make_set(_metadata, &self->client, &self->server);
	for (i = 0; i < EATERS; i++) {
		self->eater[i].bytes = (bytes - AREA) / EATERS;
		ASSERT_TRUE(vt_start(&self->eater[i].child, VT_ROOT, VT_ROOT, eat_some,
				     &self->eater[i]));
	}
	for (i = 0; i < EATERS; i++)
		ASSERT_EQ('e', vt_hear(&self->eater[i].child));
	for (i = 0; i < self->rounds; i++)
		move(_metadata, &self->client, &self->server, i);
	out = vmstat("pswpout") - out;
	in = vmstat("pswpin") - in;
	EXPECT_LT((long)(AREA / VT_SWAP_PAGE), out);
	EXPECT_LT(0, in);
	expect_kills(_metadata, self, 0);
	TH_LOG("F11: reached %u times the area moved, %ld MiB swapped out and %ld in", i,
	       out >> 8, in >> 8);
}

TEST_HARNESS_MAIN
