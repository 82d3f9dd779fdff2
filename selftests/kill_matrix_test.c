// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kill matrix: 24 points of the protocol (protocol.h), either side as the
 * victim, backup and restore, seven ways to go (ways.h): 672 cases.  What the
 * survivor gets is typed here from the table "Close, abort and death", whose
 * rows are named; nothing else in the tests is asked for it.
 *
 * VDI_KILL_WAYS=all runs all of them, or a list of ways as "exec,oom"; without
 * it the 96 cases of SIGKILL.  VDI_KILL_RESIDENT=N: the victim has N MiB of
 * memory, VDI_KILL_ROUNDS=N: everything N times.
 */
#include "aborted.h"
#include "ways.h"

#define CASES	(VT_POINTS * 2 * 2)
#define SOON_NS	VT_SEC

/* For the survivor's blocked call; else its errno. */
#define NONE	(-1)	/* it has none */
#define ASLEEP	(-2)	/* it sleeps on: nothing has happened to the set */

/**
 * struct outcome - What the survivor gets when the other side goes
 * @row: of the table; "" if the two have nothing to do with each other
 * @state: of the set; VDI_STATE_UNBOUND: the survivor has no set
 * @blocked: what the call gives in which a thread of the survivor is
 * @lost: completions with 995 that are to be collected, the blocked call's too
 * @done: completions that are a success
 * @later: what every later GetCommand or collecting gives
 * @close: what Close gives
 * @name: what CREATE of the same name by a third party gives
 */
struct outcome {
	const char *row;
	int state;
	int blocked;
	int lost;
	int done;
	int later;
	int close;
	int name;
};

#define GONE(row, blocked, lost, done) \
	{ row, VDI_STATE_ABORTED, blocked, lost, done, ECANCELED, 0, 0 }

/* The client goes, this is the server. */
static const struct outcome server_gets[VT_POINTS] = {
	[P_OPEN]	= { "", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_CREATE]	= { "9", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_SERVER_OPEN]	= GONE("10", NONE, 0, 0),
	[P_CONFIGURE]	= GONE("10", NONE, 0, 0),
	[P_PUBLISH]	= GONE("10", NONE, 0, 0),
	[P_GET_CONFIG]	= GONE("10", NONE, 0, 0),
	[P_CLIENT_DEVICE] = GONE("10", NONE, 0, 0),
	[P_SERVER_DEVICE] = GONE("10", NONE, 0, 0),
	[P_MMAP]	= GONE("10", NONE, 0, 0),
	[P_TOUCH]	= GONE("10", ECANCELED, 0, 0),
	[P_SEND]	= GONE("10", 0, 1, 0),
	[P_FULL]	= GONE("10", 0, 64, 0),
	[P_GET_BLOCKED]	= GONE("10", NONE, 0, 0),
	[P_TAKEN]	= GONE("13", NONE, 1, 0),
	[P_COPIED]	= GONE("13", NONE, 1, 0),
	[P_COMPLETE]	= GONE("10", NONE, 0, 1),
	[P_COLLECT_BLOCKED] = GONE("13", 0, 1, 0),
	[P_READ]	= GONE("10", ECANCELED, 0, 0),
	[P_DEVICE_CLOSE] = GONE("13", 0, 1, 0),
	[P_CLOSE_SEEN]	= { "11", VDI_STATE_TERMINATED, NONE, 0, 0, ESHUTDOWN, 0, 0 },
	[P_FIRST_CLOSE]	= { "11", VDI_STATE_TERMINATED, NONE, 0, 0, ESHUTDOWN, 0, 0 },
	[P_MUNMAP]	= { "11", VDI_STATE_TERMINATED, NONE, 0, 0, ESHUTDOWN, 0, 0 },
	[P_AFTER_CLOSE]	= { "11", VDI_STATE_TERMINATED, NONE, 0, 0, ESHUTDOWN, EPROTO, 0 },
	[P_IDLE]	= GONE("10", 0, 0, 0),
};

/* The server goes, this is the client. */
static const struct outcome client_gets[VT_POINTS] = {
	[P_OPEN]	= { "", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_CREATE]	= { "", VDI_STATE_CONFIGURABLE, ASLEEP, 0, 0, EPROTO, 0, EEXIST },
	[P_SERVER_OPEN]	= GONE("21", ECANCELED, 0, 0),
	[P_CONFIGURE]	= GONE("21", ECANCELED, 0, 0),
	[P_PUBLISH]	= GONE("21", NONE, 0, 0),
	[P_GET_CONFIG]	= GONE("21", NONE, 0, 0),
	[P_CLIENT_DEVICE] = GONE("21", ECANCELED, 0, 0),
	[P_SERVER_DEVICE] = GONE("21", NONE, 0, 0),
	[P_MMAP]	= GONE("21", ECANCELED, 0, 0),
	[P_TOUCH]	= GONE("21", ECANCELED, 0, 0),
	[P_SEND]	= GONE("21", NONE, 0, 0),
	[P_FULL]	= GONE("21", NONE, 0, 0),
	[P_GET_BLOCKED]	= GONE("21", ECANCELED, 0, 0),
	[P_TAKEN]	= GONE("21", NONE, 0, 0),
	[P_COPIED]	= GONE("21", ECANCELED, 0, 0),
	[P_COMPLETE]	= GONE("21", ECANCELED, 0, 0),
	[P_COLLECT_BLOCKED] = GONE("21", NONE, 0, 0),
	[P_READ]	= GONE("21", ECANCELED, 0, 0),
	[P_DEVICE_CLOSE] = GONE("21", ECANCELED, 0, 0),
	[P_CLOSE_SEEN]	= { "21b", VDI_STATE_TERMINATED, NONE, 0, 0, ESHUTDOWN, 0, EEXIST },
	[P_FIRST_CLOSE]	= { "1", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_MUNMAP]	= { "1", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_AFTER_CLOSE]	= { "1", VDI_STATE_UNBOUND, NONE, 0, 0, EPROTO, EPROTO, 0 },
	[P_IDLE]	= GONE("21", 0, 0, 0),
};

/* Has the data of the command been written, as far as it was? */
static bool is_written(enum vt_point point, bool restore)
{
	switch (point) {
	case P_SEND: case P_FULL: case P_TAKEN: case P_COLLECT_BLOCKED:
		return !restore;
	case P_COPIED: case P_COMPLETE: case P_READ: case P_DEVICE_CLOSE: case P_CLOSE_SEEN:
	case P_FIRST_CLOSE: case P_IDLE:
		return true;
	default:
		return false;
	}
}

/* What a test run is made of; the parent prints the sum. */
static struct {
	unsigned int ran;
	uint64_t latest_ns;
	bool late;		/* in the last case */
} *tally;

static void __attribute__((constructor)) share_tally(void)
{
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
}

static int have_resident(struct vt_page *p)
{
	size_t size = (size_t)p->arg << 20;
	void *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (m == MAP_FAILED)
		return errno;
	memset(m, 1, size);
	return 0;
}

static unsigned int number(const char *name)
{
	const char *s = getenv(name);

	return s ? strtoul(s, NULL, 0) : 0;
}

/* Starts the victim and brings both to the point, each in the call it is in there. */
static int bring(struct vt_duo *d, enum vt_point point, unsigned int role, bool restore)
{
	const struct vt_point_desc *desc = &vt_points[point];
	int (*mine)(struct vt_page *p) = role == VDI_ROLE_CLIENT ? desc->server : desc->client;
	int (*its)(struct vt_page *p) = role == VDI_ROLE_CLIENT ? desc->client : desc->server;
	int err;

	*d = (struct vt_duo){ .role = role, .restore = restore, .mine = { .dev = { -1 } } };
	vt_blocked = (struct vt_sleeper){};
	if (!vt_peer_start(&d->victim))
		return errno;
	vt_name(d->mine.name);
	strcpy(d->victim.page->name, d->mine.name);
	d->victim.page->dev[0] = -1;
	d->victim.page->arg = number("VDI_KILL_RESIDENT");
	if (d->victim.page->arg && vt_peer(&d->victim, have_resident))
		return -1;
	err = desc->to(d);
	if (!err && its)
		err = vt_peer(&d->victim, its);
	return err ?: mine ? mine(&d->mine) : 0;
}

/*
 * How long the survivor may know nothing.  A crash counts from the end of its dump, which
 * is not known; the program that takes it begins and ends in that time, and needs seconds
 * for it on a debug kernel.
 */
static uint64_t limit_ns(const struct vt_way *way)
{
	return way->least_ns ? way->least_ns + VT_SOON_NS : SOON_NS;
}

/* The blocked call has ended as it must, not before the death, and soon. */
static void look_at_blocked(struct __test_metadata *_metadata, struct vt_duo *d,
			    const struct outcome *o, const struct vt_way *way)
{
	uint64_t acted;

	if (o->blocked == ASLEEP)
		EXPECT_TRUE(vt_still_asleep(&vt_blocked));
	if (o->blocked < 0)
		return;
	ASSERT_TRUE(vt_awake(&vt_blocked));
	EXPECT_EQ(o->blocked, vt_blocked.err);
	acted = d->victim.page->acted_ns;
	EXPECT_LE(acted + way->least_ns, vt_blocked.end_ns);
	if (vt_blocked.end_ns - acted > tally->latest_ns)
		tally->latest_ns = vt_blocked.end_ns - acted;
	tally->late = vt_blocked.end_ns - acted > limit_ns(way);
	if (vt_blocked.call == vt_call_poll)
		EXPECT_EQ(POLLERR | POLLHUP, vt_blocked.events & (POLLERR | POLLHUP));
	if (vt_blocked.call == vt_call_exchange && !o->blocked) {
		EXPECT_EQ(1, vt_blocked.x.out_delivered);
		EXPECT_EQ(VDI_CODE_OPERATION_ABORTED, vt_blocked_record.completion.code);
	}
}

/* Every accepted command has one completion, and the right one. */
static void look_at_completions(struct __test_metadata *_metadata, struct vt_duo *d,
				const struct outcome *o)
{
	struct vdi_completion done[65];
	int lost = o->lost, n, i;

	if (vt_blocked.call == vt_call_exchange && !vt_blocked.err)
		lost--;
	if (!lost && !o->done)
		return;
	n = vt_take(d->mine.dev[0], done, ARRAY_SIZE(done));
	ASSERT_EQ(lost + o->done, n);
	for (i = 0; i < n; i++) {
		EXPECT_EQ(o->done ? 0 : VDI_CODE_OPERATION_ABORTED, done[i].code);
		EXPECT_EQ(o->done ? VT_AREA - VT_DATA : 0, done[i].result);
		EXPECT_EQ(1, done[i].id);
	}
}

static void look_at_reason(struct __test_metadata *_metadata, struct vt_duo *d,
			   const struct outcome *o)
{
	bool client = d->role == VDI_ROLE_CLIENT;
	struct vdi_status s;

	if (o->state == VDI_STATE_UNBOUND) {
		EXPECT_EQ(EPROTO, vt_status(d->mine.fd, &s));
		return;
	}
	ASSERT_EQ(0, vt_status(d->mine.fd, &s));
	EXPECT_EQ(o->state, s.out_stat.state);
	if (o->state != VDI_STATE_ABORTED) {
		EXPECT_EQ(VDI_REASON_NONE, s.out_stat.reason.reason);
		return;
	}
	EXPECT_EQ(client ? VDI_REASON_CLIENT_DIED : VDI_REASON_SERVER_DIED,
		  s.out_stat.reason.reason);
	EXPECT_EQ(d->role, s.out_stat.reason.who.role);
	EXPECT_EQ(d->victim.child.pid, s.out_stat.reason.who.pid);
	EXPECT_EQ(0, s.out_stat.outstanding);
	if (client)
		server_is_aborted(_metadata, d->mine.fd, d->mine.dev[0]);
	else
		client_is_aborted(_metadata, d->mine.fd, d->mine.dev[0]);
}

static void look_at_later(struct __test_metadata *_metadata, struct vt_duo *d,
			  const struct outcome *o)
{
	int fd = d->mine.dev[0] >= 0 ? d->mine.dev[0] : d->mine.fd;
	struct vdi_command c;
	int other = vt_open_node();

	EXPECT_EQ(o->later, vt_get(fd, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(o->later, vt_get(fd, &c, 0));
	if (o->state == VDI_STATE_ABORTED)
		EXPECT_EQ(ENOENT, vt_open(other, d->mine.name));
	EXPECT_EQ(o->name, vt_create(other, d->mine.name, 1));
	EXPECT_EQ(0, close(other));
}

/* The survivor's mapping is its own, and holds what both have written. */
static void look_at_mapping(struct __test_metadata *_metadata, struct vt_duo *d,
			    enum vt_point point)
{
	const unsigned char *map = d->mine.map;
	bool touched = point != P_MMAP;
	unsigned char data = is_written(point, d->restore) ? VT_BYTE : 0;

	if (!map)
		return;
	EXPECT_EQ(touched ? VT_MARK(VDI_ROLE_CLIENT) : 0, map[VDI_ROLE_CLIENT]);
	EXPECT_EQ(touched ? VT_MARK(VDI_ROLE_SERVER) : 0, map[VDI_ROLE_SERVER]);
	EXPECT_EQ(data, map[VT_DATA]);
	EXPECT_EQ(data, map[VT_DATA + VT_HALF - 1]);
	EXPECT_EQ(0, map[VT_DATA + VT_HALF]);
}

/* Until the victim has gone with all that it had; who only closes or calls exec lives. */
static void wait_for_end(struct __test_metadata *_metadata, struct vt_duo *d,
			 const struct vt_way *way)
{
	pid_t pid = d->victim.child.pid;
	int status = 0;

	if (way->lives) {
		EXPECT_EQ(0, waitpid(pid, NULL, WNOHANG));
		return;
	}
	EXPECT_TRUE(VT_UNTIL(waitpid(pid, &status, WNOHANG) == pid));
	EXPECT_EQ(way->sig, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
}

static void one_case(struct __test_metadata *_metadata, const struct vt_way *way,
		     enum vt_point point, unsigned int role, bool restore)
{
	const struct outcome *o = role == VDI_ROLE_CLIENT ? &server_gets[point] :
							     &client_gets[point];
	bool was = _metadata->passed;
	struct vt_duo d;

	_metadata->passed = true;
	tally->late = false;
	ASSERT_EQ(0, bring(&d, point, role, restore)) {
		TH_LOG("of \"%s\"", vt_points[point].name);
	}
	ASSERT_TRUE(way->go(&d)) {
		TH_LOG("in %s at \"%s\"", way->name, vt_points[point].name);
	}
	look_at_blocked(_metadata, &d, o, way);
	wait_for_end(_metadata, &d, way);
	look_at_completions(_metadata, &d, o);
	look_at_reason(_metadata, &d, o);
	look_at_later(_metadata, &d, o);
	look_at_mapping(_metadata, &d, point);
	EXPECT_EQ(o->close, vt_close(d.mine.fd));
	if (o->blocked == ASLEEP) {
		/* row 2 */
		ASSERT_TRUE(vt_awake(&vt_blocked));
		EXPECT_EQ(ECANCELED, vt_blocked.err);
	}
	vt_peer_stop(&d.victim);
	if (d.mine.map)
		munmap(d.mine.map, d.mine.size);
	munmap(d.victim.page, sizeof(*d.victim.page));
	vt_baseline(_metadata);
	if (!_metadata->passed) {
		TH_LOG("^ %s of the %s at \"%s\" in a %s, row %s", way->name,
		       role == VDI_ROLE_CLIENT ? "client" : "server", vt_points[point].name,
		       restore ? "restore" : "backup", o->row);
	}
	_metadata->passed &= was;
}

/* The machine under the guest may have been elsewhere for a second, but not twice. */
static void case_in_time(struct __test_metadata *_metadata, const struct vt_way *way,
			 enum vt_point point, unsigned int role, bool restore)
{
	one_case(_metadata, way, point, role, restore);
	if (tally->late)
		one_case(_metadata, way, point, role, restore);
	EXPECT_FALSE(tally->late) {
		TH_LOG("^ late twice: %s of the %s at \"%s\"", way->name,
		       role == VDI_ROLE_CLIENT ? "client" : "server", vt_points[point].name);
	}
	tally->ran++;
}

/* Whether VDI_KILL_WAYS names it, by the beginning of a word. */
static bool wanted(const char *name)
{
	const char *ways = getenv("VDI_KILL_WAYS") ?: "sigkill";

	return !strcmp(ways, "all") || strstr(ways, name);
}

static void one_way(struct __test_metadata *_metadata, const struct vt_way *way)
{
	unsigned int rounds = number("VDI_KILL_ROUNDS") ?: 1;
	unsigned int point, role, restore, round;
	const char *why;

	if (!wanted(way->name))
		SKIP(return, "%u cases: VDI_KILL_WAYS does not name %s", CASES, way->name);
	why = way->begin ? way->begin() : NULL;
	if (why)
		SKIP(return, "%u cases: %s", CASES, why);
	memset(tally, 0, sizeof(*tally));
	for (round = 0; round < rounds; round++)
		for (point = 0; point < VT_POINTS; point++)
			for (role = VDI_ROLE_CLIENT; role <= VDI_ROLE_SERVER; role++)
				for (restore = 0; restore <= 1; restore++)
					case_in_time(_metadata, way, point, role, restore);
	if (way->end)
		way->end();
	EXPECT_EQ(CASES * rounds, tally->ran);
	TH_LOG("%s: reached %u of %u cases; the survivor knew after %llu ms at most", way->name,
	       tally->ran, CASES * rounds, (unsigned long long)tally->latest_ns / 1000000);
}

FIXTURE(kill) {
};

FIXTURE_VARIANT(kill) {
	unsigned int way;
};

#define WAY(name, nr) FIXTURE_VARIANT_ADD(kill, name) { .way = nr }
WAY(sigkill, 0);
WAY(close, 1);
WAY(exit, 2);
WAY(exec, 3);
WAY(core, 4);
WAY(oom, 5);
WAY(last, 6);

FIXTURE_SETUP(kill)
{
}

FIXTURE_TEARDOWN(kill)
{
}

/* All cases of one way; the dumps alone take a second each. */
TEST_F_TIMEOUT(kill, matrix, 3600)
{
	one_way(_metadata, &vt_ways[variant->way]);
}

TEST_HARNESS_MAIN
