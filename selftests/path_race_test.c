// SPDX-License-Identifier: GPL-2.0-only
/*
 * Close, abort, death and a second call against each call on the way from CREATE
 * to the end, of whatever side; race_test does that to a set at work.  Whoever
 * wins: every call gives a documented answer, nobody is left asleep, each accepted
 * command has exactly one completion, and undisturbed all of it ends in order.
 *
 * The calls of both sides are counted, and the event comes at one after the other.
 * With VDI_WINDOW=NAME (module/window.h) it comes while that window is held open,
 * and how often it did is printed.
 */
#include "path.h"

/* Of each event; VDI_RACE_ROUNDS says otherwise */
#define ROUNDS		10
/* No way has more; the rounds are spread over them, at each before and after */
#define STEPS		30
#define WINDOWS		"/sys/kernel/debug/vdi/windows"

/* The number of a closed descriptor is nobody else's as long as threads use it. */
static int close_fd(int fd)
{
	static int null = -1;

	if (null < 0)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return dup3(null, fd, O_CLOEXEC) == fd ? 0 : errno;
}

/* Each call of a side once more, next to the one that it is in. */
static void call_all(struct path_round *r, struct path_side *s)
{
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);
	struct vdi_exchange x;
	struct vdi_status status;
	int fd;

	if (s == &r->server && r->way == BY_NODE) {
		fd = path_open_node(r, s);
		path_judge(r, fd < 0 ? -fd : 0, __LINE__);
		close(fd);
		return;
	}
	if (s == &r->client) {
		path_judge(r, vt_create(s->set, r->name, 1), __LINE__);
		fd = vt_get_config(s->set, 0);
		path_judge(r, fd == ETIMEDOUT ? 0 : fd, __LINE__);
	} else {
		fd = vt_open(s->set, r->name);
		path_judge(r, fd == ENOENT ? 0 : fd, __LINE__);
		path_judge(r, vt_begin(s->set), __LINE__);
		path_judge(r, vt_end(s->set, VT_TRANSFER), __LINE__);
		path_judge(r, vt_call(s->set, VDI_IOC_GROW_AREA, &grow), __LINE__);
	}
	path_judge(r, vt_status(s->set, &status), __LINE__);
	vt_poll(s->set);
	fd = vt_open_device(s->set, r->name);
	path_judge(r, fd < 0 ? -fd : 0, __LINE__);
	close(fd);
	fd = atomic_load(&s->dev);
	if (fd < 0)
		return;
	vt_poll(fd);
	vt_device_state(fd);
	path_judge(r, vt_exchange(fd, &x, NULL, 0, NULL, 0, 0, 0), __LINE__);
	if (s == &r->server)
		vt_close_device(fd);
}

static struct path_side *victim_of(struct path_round *r)
{
	switch (r->event) {
	case CLIENT_ABORTS:
	case CLIENT_CLOSES:
	case CLIENT_FD:
	case CLIENT_DEVICE_FD:
	case CLIENT_KILLED:
	case CLIENT_CALLS:
		return &r->client;
	default:
		return &r->server;
	}
}

static bool is_process(const struct path_round *r, const struct path_side *s)
{
	return (s->victim && (r->event == CLIENT_KILLED || r->event == SERVER_KILLED)) ||
	       (r->way == ADOPTED && s == &r->client);
}

static void abort_name(struct path_round *r, int fd)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name);
	int err;

	memcpy(a.name, r->name, sizeof(a.name));
	err = vt_call(fd, VDI_IOC_ABORT_NAME, &a);
	path_judge(r, err == ENOENT ? 0 : err, __LINE__);
}

static void make_happen(struct path_round *r, struct path_side *s)
{
	int dev = atomic_load(&s->dev), err = 0;

	switch (r->event) {
	case SERVER_ABORTS:
		if (r->way == BY_NODE)
			abort_name(r, s->set);
		else
			err = vt_abort(s->set);
		break;
	case CLIENT_ABORTS:
		err = vt_abort(s->set);
		break;
	case CLIENT_CLOSES:
	case SERVER_CLOSES:
		err = vt_close(s->set);
		break;
	case CLIENT_FD:
	case SERVER_FD:
		err = close_fd(s->set);
		break;
	case CLIENT_DEVICE_FD:
	case SERVER_DEVICE_FD:
		if (dev >= 0)
			err = close_fd(dev);
		break;
	case CLIENT_KILLED:
	case SERVER_KILLED:
		kill(s->child.pid, SIGKILL);
		break;
	case CLIENT_CALLS:
	case SERVER_CALLS:
		call_all(r, s);
		break;
	}
	path_judge(r, err == EBUSY ? 0 : err, __LINE__);
}

/* Of the window: how often it was passed, and whether somebody is in it. */
static bool look_at_window(const char *name, unsigned int *hits)
{
	unsigned int us, one_in, inside = 0;
	char line[128], is[64];
	FILE *f = fopen(WINDOWS, "re");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63s %u %u %u %u", is, hits, &us, &one_in, &inside) == 5 &&
		    !strcmp(is, name))
			break;
		inside = 0;
	}
	if (f)
		fclose(f);
	return inside;
}

/* False if both have come to their ends before, or one of them failed. */
static bool wait_for_turn(struct path_round *r, const char *window, unsigned int passed)
{
	unsigned int hits = passed;

	while (!atomic_load(&r->strange) &&
	       (!atomic_load(&r->client.ended) || !atomic_load(&r->server.ended))) {
		if (!window) {
			if (atomic_load(&r->turn))
				return true;
		} else if (look_at_window(window, &hits) && hits > passed) {
			return true;
		}
		sched_yield();
	}
	return false;
}

static void *in_thread(void *arg)
{
	struct path_side *s = arg;

	s->work(s->round, s);
	atomic_store(&s->ended, true);
	return NULL;
}

static int in_process(struct vt_child *me, void *arg)
{
	struct path_side *s = arg;

	(void)me;
	if (s->set < 0)
		s->set = vt_open_node();
	in_thread(s);
	return 0;
}

static bool begin(struct path_round *r, struct path_side *s)
{
	struct vt_child child;		/* not shared: the child writes there as well */

	if (!is_process(r, s))
		return !pthread_create(&s->thread, NULL, in_thread, s);
	if (!vt_start(&child, VT_ROOT, VT_ROOT, in_process, s))
		return false;
	s->child = child;
	return true;
}

static bool join(struct path_round *r, struct path_side *s)
{
	int status;

	if (!is_process(r, s))
		return !pthread_join(s->thread, NULL);
	status = vt_finish(&s->child);
	return !status || status == 256 + SIGKILL;
}

static void side_init(struct path_round *r, struct path_side *s,
		      void (*work)(struct path_round *r, struct path_side *me))
{
	s->round = r;
	s->work = work;
	s->victim = victim_of(r) == s;
	/* a process opens its own; who adopts has that of its parent */
	s->set = !is_process(r, s) || r->way == ADOPTED ? vt_open_node() : -1;
	atomic_init(&s->dev, -1);
}

/* A process's descriptors are not ours, whatever number is written there. */
static void forget(struct path_round *r, struct path_side *s)
{
	if (!is_process(r, s))
		return;
	if (r->way != ADOPTED)
		s->set = -1;
	atomic_store(&s->dev, -1);
}

FIXTURE(path) {
	struct path_round *r;
};

FIXTURE_VARIANT(path) {
	enum path_way way;
	enum path_event event;
};

#define EVENT(w, e) FIXTURE_VARIANT_ADD(path, w##_##e) { .way = w, .event = e }

EVENT(BY_HANDLE, CLIENT_ABORTS);
EVENT(BY_HANDLE, SERVER_ABORTS);
EVENT(BY_HANDLE, CLIENT_CLOSES);
EVENT(BY_HANDLE, SERVER_CLOSES);
EVENT(BY_HANDLE, CLIENT_FD);
EVENT(BY_HANDLE, SERVER_FD);
EVENT(BY_HANDLE, CLIENT_DEVICE_FD);
EVENT(BY_HANDLE, SERVER_DEVICE_FD);
EVENT(BY_HANDLE, CLIENT_KILLED);
EVENT(BY_HANDLE, SERVER_KILLED);
EVENT(BY_HANDLE, CLIENT_CALLS);
EVENT(BY_HANDLE, SERVER_CALLS);
EVENT(BY_NODE, CLIENT_ABORTS);
EVENT(BY_NODE, SERVER_ABORTS);
EVENT(BY_NODE, CLIENT_CLOSES);
EVENT(BY_NODE, CLIENT_FD);
EVENT(BY_NODE, CLIENT_DEVICE_FD);
EVENT(BY_NODE, SERVER_DEVICE_FD);
EVENT(BY_NODE, CLIENT_KILLED);
EVENT(BY_NODE, SERVER_KILLED);
EVENT(BY_NODE, SERVER_CALLS);
EVENT(ADOPTED, SERVER_ABORTS);
EVENT(ADOPTED, CLIENT_KILLED);

FIXTURE_SETUP(path)
{
	self->r = mmap(NULL, sizeof(*self->r), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->r);
}

FIXTURE_TEARDOWN(path)
{
	vt_baseline(_metadata);
}

/* Ends what does not end by itself. */
static void give_up(struct path_round *r, const struct path_side *s)
{
	int fd = vt_open_node();

	atomic_store(&r->over, true);
	while (!atomic_load(&s->ended)) {
		abort_name(r, fd);
		poll(NULL, 0, 1);
	}
	close(fd);
}

/* Whether the event came before both had ended. */
static bool run_round(struct __test_metadata *_metadata, struct path_round *r, const char *window,
		      unsigned int nth)
{
	struct path_side *victim = victim_of(r), *other;
	struct vdi_completion left[16];
	uint64_t since = vt_now();
	unsigned int passed = 0;
	pthread_t third;
	int n = 0, got;
	bool happened, looked_at;

	other = victim == &r->client ? &r->server : &r->client;
	vt_name(r->name);
	side_init(r, &r->client, path_client);
	side_init(r, &r->server, r->way == BY_NODE ? path_engine : path_server);
	if (r->way == ADOPTED)
		ASSERT_EQ(0, vt_create(r->client.set, r->name, 1));
	if (window)
		look_at_window(window, &passed);
	r->after = window ? ~0U : nth * 7 % (2 * STEPS) / 2;
	r->gate = nth % 2 == 0;
	ASSERT_TRUE(begin(r, victim));
	ASSERT_TRUE(begin(r, other));
	/* it is in many windows all the time, and then the event would not meet the others */
	looked_at = !window || nth % 4 == 3;
	if (looked_at)
		ASSERT_EQ(0, pthread_create(&third, NULL, path_stranger, r));
	happened = wait_for_turn(r, window, passed + r->nth);
	atomic_store(&r->going, true);
	if (happened)
		make_happen(r, victim);
	else if (atomic_load(&r->strange))
		give_up(r, victim);
	EXPECT_TRUE(join(r, victim));
	forget(r, victim);
	if (victim == &r->client)
		atomic_store(&r->over, true);
	/* nobody came to the client, or a second call went where the first one wanted to */
	if (atomic_load(&r->strange) ||
	    (happened && (!atomic_load(&victim->bound) || r->event == CLIENT_CALLS ||
			  r->event == SERVER_CALLS)))
		give_up(r, other);
	EXPECT_TRUE(join(r, other));
	forget(r, other);
	atomic_store(&r->over, true);
	if (looked_at)
		ASSERT_EQ(0, pthread_join(third, NULL));
	EXPECT_GT(PATH_LATE_NS, vt_now() - since);
	EXPECT_EQ(0, atomic_load(&r->strange)) {
		TH_LOG("round %u: %s at line %d", nth, strerror(atomic_load(&r->strange)),
		       atomic_load(&r->strange_at));
	}
	if (!happened) {
		EXPECT_TRUE(atomic_load(&r->client.in_order));
		EXPECT_TRUE(atomic_load(&r->server.in_order));
	}
	if (r->way != BY_NODE && !is_process(r, &r->server) && r->event != SERVER_DEVICE_FD) {
		while (atomic_load(&r->server.dev) >= 0 &&
		       (got = vt_take(atomic_load(&r->server.dev), left, 16)) > 0)
			n += got;
		EXPECT_EQ(atomic_load(&r->accepted), atomic_load(&r->collected) + n);
	}
	close(r->client.set);
	close(r->server.set);
	close(atomic_load(&r->client.dev));
	close(atomic_load(&r->server.dev));
	return happened;
}

TEST_F(path, every_call_is_raced)
{
	const char *rounds = getenv("VDI_RACE_ROUNDS"), *window = getenv("VDI_WINDOW");
	unsigned int i, n = rounds ? strtoul(rounds, NULL, 10) : ROUNDS, events = 0, later = 3;
	struct path_round *r = self->r;

	for (i = 0; i < n && _metadata->passed; i++) {
		memset(r, 0, sizeof(*r));
		r->way = variant->way;
		r->event = variant->event;
		/* the first time that somebody is there, and later ones if there are any */
		r->nth = i % later;
		if (run_round(_metadata, r, window, i))
			events++;
		else
			later = 1;
	}
	if (window)
		TH_LOG("%s: %u events in it", window, events);
	else
		EXPECT_LT(0, events);
}

TEST_HARNESS_MAIN
