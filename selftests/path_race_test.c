// SPDX-License-Identifier: GPL-2.0-only
/*
 * Close, abort, death and a second call against each call on the way from CREATE
 * to the end, of whatever side; race_test does that to a set at work.  Whoever
 * wins: every call gives a documented answer, nobody is left asleep, each accepted
 * command has exactly one completion, and undisturbed all of it ends in order.
 *
 * Undisturbed calls are counted, and the event comes at each of them in turn.
 * With VDI_WINDOW=NAME (module/window.h) it comes while that window is held open,
 * and how often it did is printed.
 */
#include <stdatomic.h>
#include <pthread.h>
#include <sched.h>

#include "child.h"
#include "link.h"

/* Of each event; VDI_RACE_ROUNDS says otherwise */
#define ROUNDS		10
/* No way has more; the rounds are spread over them, at each before and after */
#define STEPS		30
#define COMMANDS	3
#define WINDOWS		"/sys/kernel/debug/vdi/windows"

enum way { BY_HANDLE, BY_NODE, ADOPTED };

enum event {
	CLIENT_ABORTS, SERVER_ABORTS, CLIENT_CLOSES, SERVER_CLOSES, CLIENT_FD, SERVER_FD,
	CLIENT_DEVICE_FD, SERVER_DEVICE_FD, CLIENT_KILLED, SERVER_KILLED, CLIENT_CALLS,
	SERVER_CALLS,
};

struct round;

/**
 * struct side - One side of a round, a thread or a process
 * @work: what it does
 * @round: where it belongs
 * @set: its set handle, or where a node is none
 * @dev: its device handle or node, -1 as long as it has none
 * @bound: CREATE or OPEN has been good
 * @ended: it has come to the end of its way
 * @in_order: and was told of nothing but the good end
 * @victim: the event is this one's
 * @thread: its thread, if it is not a process
 * @child: its process
 */
struct side {
	void (*work)(struct round *r, struct side *me);
	struct round *round;
	int set;
	atomic_int dev;
	atomic_bool bound;
	atomic_bool ended;
	atomic_bool in_order;
	bool victim;
	pthread_t thread;
	struct vt_child child;
};

/**
 * struct round - What all of a round share, processes as well
 * @name: of the set
 * @way: how the sides come to their handles
 * @event: what is to happen
 * @steps: calls that have begun
 * @after: the event comes when so many have
 * @nth: with a window, it comes when so many have been there
 * @gate: the next one waits until it comes
 * @turn: now
 * @going: it comes
 * @accepted: commands
 * @collected: completions
 * @over: who cannot go on without a peer goes
 * @strange: an errno that nobody documents here
 * @strange_at: the line of the call
 * @client: one side
 * @server: the other
 */
struct round {
	char name[VDI_NAME_SIZE];
	enum way way;
	enum event event;
	atomic_uint steps;
	unsigned int after;
	unsigned int nth;
	bool gate;
	atomic_bool turn;
	atomic_bool going;
	atomic_uint accepted;
	atomic_uint collected;
	atomic_bool over;
	atomic_int strange;
	atomic_int strange_at;
	struct side client;
	struct side server;
};

/* The answers of a call once something has happened; the last two are /dev/null's. */
static bool ended(const struct round *r, int err)
{
	switch (err) {
	case ECANCELED:
	case EPROTO:
	case ESHUTDOWN:
	case ENOTTY:
	case ENODEV:
		return true;
	case EINVAL:
		/* fsync(2) of /dev/null */
		if (r->way == BY_NODE && r->event == SERVER_DEVICE_FD)
			return true;
		/* fallthrough */
	case EBUSY:
	case EEXIST:
		return r->event == CLIENT_CALLS || r->event == SERVER_CALLS;
	case EBADF:
	case ENOENT:
	case ENXIO:
		return r->way == BY_NODE;
	case EOWNERDEAD:
		return r->way == ADOPTED;
	default:
		return false;
	}
}

/* One step on the way: whether to go on. */
static bool judge(struct round *r, int err, int line)
{
	if (err && !ended(r, err)) {
		atomic_store(&r->strange_at, line);
		atomic_store(&r->strange, err);
	}
	return !err;
}

/* The call that begins is the one to be raced: with the event, or shortly before it. */
static void begin_step(struct round *r)
{
	if (atomic_fetch_add(&r->steps, 1) != r->after)
		return;
	atomic_store(&r->turn, true);
	while (r->gate && !atomic_load(&r->going))
		sched_yield();
}

#define STEP(r, call) (begin_step(r), judge(r, call, __LINE__))

/*
 * Who was not woken finds what it waited for when its deadline comes: that is too
 * late, even with a window held open at each step.
 */
#define TOO_LATE_NS	(4 * VT_SEC + VT_SOON_NS)

static uint64_t never(void)
{
	return vt_now() + 2 * TOO_LATE_NS;
}

/* Waits for the configuration, and writes into the area. */
static int get_config(struct side *me, struct vdi_piece *piece)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = never(),
					  .pieces = (uintptr_t)piece, .nr_pieces = 1);

	return vt_call(me->set, VDI_IOC_GET_CONFIG, &g);
}

static int touch(int fd, const struct vdi_piece *piece)
{
	volatile unsigned char *p = vt_map(fd, piece->offset, piece->size);

	if (!p)
		return errno;
	p[0]++;
	munmap((void *)p, piece->size);
	return 0;
}

static int open_device(struct side *me, const char *name)
{
	int fd = vt_open_device(me->set, name);

	if (fd < 0)
		return -fd;
	atomic_store(&me->dev, fd);
	return 0;
}

static void client_works(struct round *r, struct side *me)
{
	struct vdi_create create = vt_create_args(r->name, 1);
	struct vdi_piece piece = {};
	struct vdi_completion d;
	struct vdi_exchange x;
	struct vdi_command c;
	unsigned int n = 0;
	int err;

	if (r->way == BY_NODE) {
		create.flags = VDI_CREATE_F_NODES;
		create.config.features = VDI_FEAT_LIKE_PIPE;
		create.node_transfer_size = VT_TRANSFER;
	}
	if (!STEP(r, r->way == ADOPTED ? vt_adopt(me->set) :
					 vt_call(me->set, VDI_IOC_CREATE, &create)))
		return;
	atomic_store(&me->bound, true);
	if (!STEP(r, get_config(me, &piece)) || !STEP(r, touch(me->set, &piece)) ||
	    !STEP(r, open_device(me, r->name)))
		return;
	do {
		begin_step(r);
		err = vt_exchange(atomic_load(&me->dev), &x, &d, n, &c, 1, 1, never());
		if (!judge(r, err, __LINE__))
			break;
		/* what it brought was taken and the device closed: told the next time */
		n = x.out_delivered;
		d = vt_answer(&c, 0);
	} while (!x.out_refused);
	atomic_store(&me->in_order, err == ESHUTDOWN);
	err = vt_close(me->set);
	/* with a device open, in a set that had not ended */
	if (err == EBUSY)
		err = ECANCELED;
	if (!STEP(r, err))
		atomic_store(&me->in_order, false);
}

/* One command, and its completion. */
static bool serve(struct round *r, int fd, unsigned int id)
{
	struct vdi_completion done;
	struct vdi_command c = vt_flush(0, id);
	unsigned int took;
	bool ok = STEP(r, vt_put(fd, &c, 1, &took));

	atomic_fetch_add(&r->accepted, took);
	if (!ok || !STEP(r, vt_collect(fd, &done, never())))
		return false;
	atomic_fetch_add(&r->collected, 1);
	if (done.id != id || (done.code && done.code != 995))
		judge(r, ERANGE, __LINE__);
	return !done.code;
}

/* The name is there when the client has made the set. */
static int open_set(struct round *r, struct side *me)
{
	int err;

	while ((err = vt_open(me->set, r->name)) == ENOENT && !atomic_load(&r->over))
		sched_yield();
	return err == ENOENT ? EPROTO : err;
}

static void server_works(struct round *r, struct side *me)
{
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);
	struct vdi_set_hint hint = VT_INIT(vdi_set_hint, .bytes = 1);
	const struct vdi_piece piece = { .size = VT_TRANSFER };
	unsigned int i;

	if (!STEP(r, open_set(r, me)))
		return;
	atomic_store(&me->bound, true);
	if (!STEP(r, vt_begin(me->set)) || !STEP(r, vt_end(me->set, VT_TRANSFER)) ||
	    !STEP(r, touch(me->set, &piece)) ||
	    !STEP(r, vt_call(me->set, VDI_IOC_GROW_AREA, &grow)) ||
	    !STEP(r, vt_call(me->set, VDI_IOC_SET_HINT, &hint)) ||
	    !STEP(r, open_device(me, r->name)))
		return;
	STEP(r, vt_device_state(atomic_load(&me->dev)) < 0 ? ECANCELED : 0);
	for (i = 0; i < COMMANDS; i++)
		if (!serve(r, atomic_load(&me->dev), i + 1))
			return;
	if (STEP(r, vt_close_device(atomic_load(&me->dev))) && STEP(r, vt_close(me->set)))
		atomic_store(&me->in_order, true);
}

static int stat_name(int fd, const struct round *r, struct vdi_stat_name *n)
{
	*n = VT_INIT(vdi_stat_name);
	memcpy(n->name, r->name, sizeof(n->name));
	return vt_call(fd, VDI_IOC_STAT_NAME, n);
}

/* The node is there when the set is: the descriptor, or the negative errno. */
static int open_node(struct round *r, struct side *me)
{
	struct vdi_stat_name n;
	char path[64];
	int err, fd;

	while ((err = stat_name(me->set, r, &n)) == ENOENT && !atomic_load(&r->over))
		sched_yield();
	if (err)
		return -err;
	sprintf(path, VDI_NODE_PREFIX "%u", n.out_stat.first_node);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int write_node(int fd)
{
	static const char data[2 * VT_TRANSFER];
	size_t done;
	ssize_t n;

	for (done = 0; done < sizeof(data); done += n) {
		n = write(fd, data + done, sizeof(data) - done);
		if (n <= 0)
			return n ? errno : EIO;
	}
	return 0;
}

/* The number of a closed descriptor is nobody else's as long as threads use it. */
static int close_fd(int fd)
{
	static int null = -1;

	if (null < 0)
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
	return dup3(null, fd, O_CLOEXEC) == fd ? 0 : errno;
}

static void engine_works(struct round *r, struct side *me)
{
	int fd;

	begin_step(r);
	fd = open_node(r, me);
	if (!judge(r, fd < 0 ? -fd : 0, __LINE__))
		return;
	atomic_store(&me->dev, fd);
	atomic_store(&me->bound, true);
	if (STEP(r, write_node(fd)) && STEP(r, write_node(fd)) && STEP(r, fsync(fd) ? errno : 0) &&
	    STEP(r, close(atomic_exchange(&me->dev, -1)) ? errno : 0))
		atomic_store(&me->in_order, true);
}

/* A third party: looks, joins, goes, and must not matter to the two. */
static void *stranger(void *arg)
{
	struct vdi_stat_name n;
	struct round *r = arg;
	struct vdi_status s;
	int fd = vt_open_node();
	int err;

	while (!atomic_load(&r->over)) {
		err = stat_name(fd, r, &n);
		if (err && err != ENOENT)
			judge(r, err, __LINE__);
		err = vt_open_secondary(fd, r->name);
		/* not yet, or no longer */
		if (err == ENOENT || err == EPROTO || err == ECANCELED) {
			sched_yield();
			continue;
		}
		judge(r, err, __LINE__);
		judge(r, vt_status(fd, &s), __LINE__);
		vt_poll(fd);
		judge(r, vt_close(fd), __LINE__);
	}
	close(fd);
	return NULL;
}

/* Each call of a side once more, next to the one that it is in. */
static void call_all(struct round *r, struct side *s)
{
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);
	struct vdi_exchange x;
	struct vdi_status status;
	int fd;

	if (s == &r->server && r->way == BY_NODE) {
		fd = open_node(r, s);
		judge(r, fd < 0 ? -fd : 0, __LINE__);
		close(fd);
		return;
	}
	if (s == &r->client) {
		judge(r, vt_create(s->set, r->name, 1), __LINE__);
		fd = vt_get_config(s->set, 0);
		judge(r, fd == ETIMEDOUT ? 0 : fd, __LINE__);
	} else {
		fd = vt_open(s->set, r->name);
		judge(r, fd == ENOENT ? 0 : fd, __LINE__);
		judge(r, vt_begin(s->set), __LINE__);
		judge(r, vt_end(s->set, VT_TRANSFER), __LINE__);
		judge(r, vt_call(s->set, VDI_IOC_GROW_AREA, &grow), __LINE__);
	}
	judge(r, vt_status(s->set, &status), __LINE__);
	vt_poll(s->set);
	fd = vt_open_device(s->set, r->name);
	judge(r, fd < 0 ? -fd : 0, __LINE__);
	close(fd);
	fd = atomic_load(&s->dev);
	if (fd < 0)
		return;
	vt_poll(fd);
	vt_device_state(fd);
	judge(r, vt_exchange(fd, &x, NULL, 0, NULL, 0, 0, 0), __LINE__);
	if (s == &r->server)
		vt_close_device(fd);
}

static struct side *victim_of(struct round *r)
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

static bool is_process(const struct round *r, const struct side *s)
{
	return (s->victim && (r->event == CLIENT_KILLED || r->event == SERVER_KILLED)) ||
	       (r->way == ADOPTED && s == &r->client);
}

static void abort_name(struct round *r, int fd)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name);
	int err;

	memcpy(a.name, r->name, sizeof(a.name));
	err = vt_call(fd, VDI_IOC_ABORT_NAME, &a);
	judge(r, err == ENOENT ? 0 : err, __LINE__);
}

static void make_happen(struct round *r, struct side *s)
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
	judge(r, err == EBUSY ? 0 : err, __LINE__);
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
static bool wait_for_turn(struct round *r, const char *window, unsigned int passed)
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
	struct side *s = arg;

	s->work(s->round, s);
	atomic_store(&s->ended, true);
	return NULL;
}

static int in_process(struct vt_child *me, void *arg)
{
	struct side *s = arg;

	(void)me;
	if (s->set < 0)
		s->set = vt_open_node();
	in_thread(s);
	return 0;
}

static bool begin(struct round *r, struct side *s)
{
	struct vt_child child;		/* not shared: the child writes there as well */

	if (!is_process(r, s))
		return !pthread_create(&s->thread, NULL, in_thread, s);
	if (!vt_start(&child, VT_ROOT, VT_ROOT, in_process, s))
		return false;
	s->child = child;
	return true;
}

static bool join(struct round *r, struct side *s)
{
	int status;

	if (!is_process(r, s))
		return !pthread_join(s->thread, NULL);
	status = vt_finish(&s->child);
	return !status || status == 256 + SIGKILL;
}

static void side_init(struct round *r, struct side *s,
		      void (*work)(struct round *r, struct side *me))
{
	s->round = r;
	s->work = work;
	s->victim = victim_of(r) == s;
	/* a process opens its own; who adopts has that of its parent */
	s->set = !is_process(r, s) || r->way == ADOPTED ? vt_open_node() : -1;
	atomic_init(&s->dev, -1);
}

/* A process's descriptors are not ours, whatever number is written there. */
static void forget(struct round *r, struct side *s)
{
	if (!is_process(r, s))
		return;
	if (r->way != ADOPTED)
		s->set = -1;
	atomic_store(&s->dev, -1);
}

FIXTURE(path) {
	struct round *r;
};

FIXTURE_VARIANT(path) {
	enum way way;
	enum event event;
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
static void give_up(struct round *r, const struct side *s)
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
static bool run_round(struct __test_metadata *_metadata, struct round *r, const char *window,
		      unsigned int nth)
{
	struct side *victim = victim_of(r), *other;
	struct vdi_completion left[16];
	uint64_t since = vt_now();
	unsigned int passed = 0;
	pthread_t third;
	int n = 0, got;
	bool happened;

	other = victim == &r->client ? &r->server : &r->client;
	vt_name(r->name);
	side_init(r, &r->client, client_works);
	side_init(r, &r->server, r->way == BY_NODE ? engine_works : server_works);
	if (r->way == ADOPTED)
		ASSERT_EQ(0, vt_create(r->client.set, r->name, 1));
	if (window)
		look_at_window(window, &passed);
	r->after = window ? ~0U : nth * 7 % (2 * STEPS) / 2;
	r->gate = nth % 2 == 0;
	ASSERT_TRUE(begin(r, victim));
	ASSERT_TRUE(begin(r, other));
	ASSERT_EQ(0, pthread_create(&third, NULL, stranger, r));
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
	ASSERT_EQ(0, pthread_join(third, NULL));
	EXPECT_GT(TOO_LATE_NS, vt_now() - since);
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
	struct round *r = self->r;

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
