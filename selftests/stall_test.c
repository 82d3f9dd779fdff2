// SPDX-License-Identifier: GPL-2.0-only
/*
 * A call whose memory stalls (R24): while its thread waits in a user copy, for
 * ever as far as the module knows, everybody else goes on: the peer's STATUS,
 * LIST, ABORT and CLOSE, other devices of the same owner; and its process can
 * be killed.  Every pointer of every ioctl, and every byte of an argument at
 * which a copy can begin: the size, the rest, the first byte of the answer,
 * the rest of it.  The memory is stall.h's.
 */
#include "link.h"
#include "sleeper.h"
#include "stall.h"

#define DEVICES	3	/* of which two are open: OPEN_DEVICE has one left */

/* Who stalls; the test plays all others */
#define BY_CLIENT	1
#define BY_SERVER	2
#define BY_OTHER	4	/* with an unbound handle, beside a set of the test's */

enum stage { CREATED, CONNECTED, BEGUN, ACTIVE };

/* What the second page holds */
enum what { ARGUMENT, IN_ARRAY, IN_ARRAY_LATER, OUT_ARRAY, LIST_ARRAY, PIECES };

struct row {
	const char *name;
	unsigned long req;
	uint16_t size;
	uint16_t at;		/* byte of the argument with which the second page begins */
	uint8_t by;
	bool device;		/* on a device handle too, and only if no set handle has it */
	enum stage stage;
	enum vt_stall_mode mode;
	enum what what;
};

#define ROW(text, ioc, type, where, who, how, when, ...)				\
	{ .name = #ioc text, .req = VDI_IOC_##ioc, .size = sizeof(struct type), .at = where, \
	  .by = who, .mode = how, .stage = when, ##__VA_ARGS__ }
#define IN(ioc, type, who, when, ...)							\
	ROW(": argument", ioc, type, 0, who, VT_STALL_MISSING, when, ##__VA_ARGS__),	\
	ROW(": after its size", ioc, type, 4, who, VT_STALL_MISSING, when, ##__VA_ARGS__)
#define OUT(ioc, type, out, next, who, when, ...)					\
	IN(ioc, type, who, when, ##__VA_ARGS__),					\
	ROW(": answer", ioc, type, offsetof(struct type, out), who, VT_STALL_WRITES, when, \
	    ##__VA_ARGS__),								\
	ROW(": in the answer", ioc, type, offsetof(struct type, next), who, VT_STALL_WRITES, \
	    when, ##__VA_ARGS__)
#define BOTH	(BY_CLIENT | BY_SERVER)

static const struct row rows[] = {
	OUT(GET_INFO, vdi_get_info, out_capabilities, out_features, BY_OTHER, ACTIVE),
	IN(CREATE, vdi_create, BY_OTHER, ACTIVE),
	IN(OPEN, vdi_open, BY_SERVER, CREATED),
	IN(OPEN_SECONDARY, vdi_open_secondary, BY_OTHER, ACTIVE),
	OUT(GET_CONFIG, vdi_get_config, out_pieces, out_config, BOTH, ACTIVE),
	IN(BEGIN_CONFIG, vdi_begin_config, BY_SERVER, CONNECTED),
	OUT(END_CONFIG, vdi_end_config, out_offset, out_size, BY_SERVER, BEGUN),
	OUT(GROW_AREA, vdi_grow_area, out_offset, out_size, BY_SERVER, ACTIVE),
	OUT(OPEN_DEVICE, vdi_open_device, out_fd, out_index, BOTH, ACTIVE),
	OUT(STATUS, vdi_status, out_role, out_stat, BOTH, ACTIVE),
	IN(SET_HINT, vdi_set_hint, BY_SERVER, ACTIVE),
	OUT(EXCHANGE, vdi_exchange, out_accepted, out_delivered, BOTH, ACTIVE),
	OUT(EXCHANGE, vdi_exchange, out_accepted, out_delivered, BOTH, ACTIVE, .device = true),
	IN(ABORT, vdi_abort, BOTH, ACTIVE),
	IN(CLOSE, vdi_close, BOTH, ACTIVE),
	IN(ADOPT, vdi_adopt, BOTH, ACTIVE),
	OUT(LIST, vdi_list, out_sets, out_more, BY_OTHER, ACTIVE),
	OUT(STAT_NAME, vdi_stat_name, out_stat, out_stat.instance, BY_OTHER, ACTIVE),
	IN(ABORT_NAME, vdi_abort_name, BY_OTHER, ACTIVE),
	IN(CLOSE_DEVICE, vdi_close_device, BY_SERVER, ACTIVE, .device = true),
	OUT(DEVICE_STATUS, vdi_device_status, out_index, out_state, BOTH, ACTIVE, .device = true),
	ROW(": in", EXCHANGE, vdi_exchange, 0, BOTH, VT_STALL_MISSING, ACTIVE,
	    .what = IN_ARRAY, .device = true),
	ROW(": in, after some were accepted", EXCHANGE, vdi_exchange, 0, BY_SERVER,
	    VT_STALL_MISSING, ACTIVE, .what = IN_ARRAY_LATER, .device = true),
	ROW(": out", EXCHANGE, vdi_exchange, 0, BOTH, VT_STALL_MISSING, ACTIVE,
	    .what = OUT_ARRAY, .device = true),
	ROW(": out, while asleep", EXCHANGE, vdi_exchange, 0, BY_CLIENT, VT_STALL_LATER, ACTIVE,
	    .what = OUT_ARRAY, .device = true),
	ROW(": sets", LIST, vdi_list, 0, BY_OTHER, VT_STALL_MISSING, ACTIVE, .what = LIST_ARRAY),
	ROW(": pieces", GET_CONFIG, vdi_get_config, 0, BOTH, VT_STALL_MISSING, ACTIVE,
	    .what = PIECES),
};

static struct vt_stall *stall;

/* The victim. */

static struct vt_sleeper stalled;
static const struct row *mine;
static char *argument;		/* of the stalled call */

/* The argument, wherever it will be; arrays begin on the second page of @mem. */
static void fill_argument(struct vt_page *p, char *to, char *mem)
{
	union {
		char bytes[VT_STALL_PAGE];
		struct vdi_create create;
		struct vdi_begin_config begin;
		struct vdi_end_config end;
		struct vdi_open_device device;
		struct vdi_get_config get;
		struct vdi_exchange x;
		struct vdi_list list;
		struct { uint32_t size, flags; } head;
	} u = { .head.size = mine->size };
	uintptr_t array = (uintptr_t)mem + VT_STALL_PAGE;

	switch (mine->req) {
	case VDI_IOC_CREATE:
		u.create = vt_create_args("vdi-stall-created", 1);
		break;
	case VDI_IOC_OPEN_DEVICE:
		vt_device_name(u.device.name, p->name, DEVICES - 1);
		break;
	case VDI_IOC_OPEN:
	case VDI_IOC_OPEN_SECONDARY:
	case VDI_IOC_STAT_NAME:
	case VDI_IOC_ABORT_NAME:	/* all have the name first */
		snprintf(u.device.name, sizeof(u.device.name), "%s", p->name);
		break;
	case VDI_IOC_BEGIN_CONFIG:
		u.begin.features = VDI_FEAT_WRITE_MEDIA;
		break;
	case VDI_IOC_END_CONFIG:
	case VDI_IOC_GROW_AREA:
		u.end.area_size = VT_TRANSFER;
		break;
	case VDI_IOC_GET_CONFIG:
		u.get.deadline_ns = VDI_TIME_INFINITE;
		u.get.pieces = array;
		u.get.nr_pieces = mine->what == PIECES ? VDI_MAX_PIECES : 0;
		break;
	case VDI_IOC_LIST:
		u.list.sets = array;
		u.list.nr_sets = mine->what == LIST_ARRAY ? 3 : 0;
		u.list.entry_size = sizeof(struct vdi_set_stat);
		break;
	case VDI_IOC_EXCHANGE:
		u.x.deadline_ns = VDI_TIME_INFINITE;
		if (mine->what == IN_ARRAY) {
			u.x.in = array;
			u.x.nr_in = 1;
		} else if (mine->what == IN_ARRAY_LATER) {
			u.x.in = array - 16 * sizeof(struct vdi_command);
			u.x.nr_in = 20;
		} else if (mine->what == OUT_ARRAY) {
			u.x.out = array;
			u.x.nr_out = 2;
			u.x.min = mine->mode == VT_STALL_LATER;
		}
		break;
	}
	memcpy(to, u.bytes, mine->size);
}

/* What is in the pages, with the argument across both or an array in the second. */
static void fill_image(struct vt_page *p)
{
	struct vdi_command *c;

	memset(stall->image, 0, sizeof(stall->image));
	if (mine->what == ARGUMENT) {
		fill_argument(p, stall->image + VT_STALL_PAGE - mine->at, NULL);
	} else if (mine->what == IN_ARRAY_LATER) {
		c = (void *)(stall->image + VT_STALL_PAGE - 16 * sizeof(*c));
		vt_flushes(c, 20, 0, 100);
	} else if (mine->what == IN_ARRAY && mine->by & BY_SERVER) {
		c = (void *)(stall->image + VT_STALL_PAGE);
		vt_flushes(c, 1, 0, 100);
	}
}

static int call_stalled(struct vt_sleeper *s)
{
	struct vt_page *p = (void *)(uintptr_t)s->x.in;
	static char own[VT_STALL_PAGE];
	int err = 0;

	/* the test serves FUSE meanwhile; of a userfaultfd it has to know before */
	if (stall->fuse)
		err = vt_stall_map(stall, mine->mode);
	if (err)
		return -err;
	if (mine->what == ARGUMENT) {
		argument = stall->mem + VT_STALL_PAGE - mine->at;
	} else {
		fill_argument(p, own, stall->mem);
		argument = own;
	}
	/* not xioctl(): that would look into the argument */
	return ioctl(s->fd, mine->req, argument) ? errno : 0;
}

/* Row p->arg begins, in a thread. */
static int do_stall(struct vt_page *p)
{
	int err = 0;

	mine = &rows[p->arg];
	fill_image(p);
	if (!stall->fuse)
		err = vt_stall_map(stall, mine->mode);
	if (err)
		return err;
	stalled = (struct vt_sleeper){
		.call = call_stalled, .fd = mine->device ? p->dev[0] : p->fd,
		.x.in = (uintptr_t)p,
	};
	if (!vt_sleeper_start(&stalled))
		return -1;
	if (mine->mode != VT_STALL_LATER)
		return 0;
	/* let it sleep first, in the call */
	return vt_still_asleep(&stalled) ? vt_stall_drop(stall) : -1;
}

/* What the call gave in the end. */
static int do_end(struct vt_page *p)
{
	(void)p;
	return vt_awake(&stalled) ? stalled.err : -1;
}

static int do_begin(struct vt_page *p)
{
	return vt_begin(p->fd);
}

static int do_end_config(struct vt_page *p)
{
	return vt_end(p->fd, DEVICES * VT_TRANSFER);
}

/* Device 1, with the stalled thread beside us. */
static int do_other_client(struct vt_page *p)
{
	return vt_get(p->dev[1], &p->command, VT_LONG) ?:
	       vt_complete(p->dev[1], 1, p->command.id, 0, 0);
}

static int do_other_server(struct vt_page *p)
{
	return vt_send(p->dev[1], 1, VDI_CMD_FLUSH, 4711) ?:
	       vt_collect(p->dev[1], &p->completion, VT_LONG);
}

/* The test. */

struct scene {
	struct vt_peer victim;
	int who;
	int fd;			/* the other side; with BY_OTHER the client */
	int server;		/* with BY_OTHER */
	int dev[2];
	int sdev;		/* with BY_OTHER of device 1 */
};

static int step(struct scene *s, int (*fn)(struct vt_page *p), long arg)
{
	s->victim.page->arg = arg;
	return vt_peer(&s->victim, fn);
}

static int set_up_other(struct scene *s)
{
	struct vt_link l;
	int err;

	vt_link_init(&l, 2);
	strcpy(s->victim.page->name, l.create.name);
	err = vt_link_up(&l);
	s->fd = l.client;
	s->server = l.server;
	s->dev[1] = l.cdev[1];
	s->sdev = l.sdev[1];
	return err ?: step(s, vt_do_open_node, 0);
}

/* Both sides as far as the row wants it; 0 or the errno of the step that failed. */
static int set_up(struct scene *s, const struct row *r)
{
	char *name = s->victim.page->name, device[VDI_NAME_SIZE];
	bool client = s->who == BY_CLIENT;
	int err, i;

	if (s->who == BY_OTHER)
		return set_up_other(s);
	vt_name(name);
	s->fd = vt_open_node();
	err = client ? step(s, vt_do_create, DEVICES) : vt_create(s->fd, name, DEVICES);
	if (!err && r->stage == CREATED)
		return step(s, vt_do_open_node, 0);
	err = err ?: client ? vt_open(s->fd, name) : step(s, vt_do_open, 0);
	if (err || r->stage == CONNECTED)
		return err;
	err = client ? vt_begin(s->fd) : step(s, do_begin, 0);
	if (err || r->stage == BEGUN)
		return err;
	err = client ? vt_end(s->fd, DEVICES * VT_TRANSFER) : step(s, do_end_config, 0);
	for (i = 0; !err && i < 2; i++) {
		/* the server names it first */
		if (!client)
			err = step(s, vt_do_open_device, i);
		vt_device_name(device, name, i);
		s->dev[i] = vt_open_device(s->fd, device);
		if (s->dev[i] < 0)
			return -s->dev[i];
		if (client)
			err = step(s, vt_do_open_device, i);
	}
	return err;
}

static bool is_listed(const char *name)
{
	struct vdi_stat_name s = VT_INIT(vdi_stat_name);
	struct vdi_set_stat sets[4];
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = 4,
				    .entry_size = sizeof(sets[0]));
	int fd = vt_open_node();
	bool ok;

	snprintf(s.name, sizeof(s.name), "%s", name);
	ok = !vt_call(fd, VDI_IOC_LIST, &l) && l.out_sets && !vt_call(fd, VDI_IOC_STAT_NAME, &s);
	close(fd);
	return ok;
}

/* One command on device 1 from end to end, in both processes. */
static int other_device(struct scene *s)
{
	bool client = s->who == BY_CLIENT;
	struct vdi_completion done;
	struct vdi_command c;
	int err;

	if (s->who == BY_OTHER)
		return vt_send(s->sdev, 1, VDI_CMD_FLUSH, 1) ?: vt_get(s->dev[1], &c, VT_LONG) ?:
		       vt_complete(s->dev[1], 1, c.id, 0, 0) ?:
		       vt_collect(s->sdev, &done, VT_LONG);
	if (!vt_peer_begin(&s->victim, client ? do_other_client : do_other_server))
		return -1;
	if (client)
		err = vt_send(s->dev[1], 1, VDI_CMD_FLUSH, 1) ?:
		      vt_collect(s->dev[1], &done, VT_LONG);
	else
		err = vt_get(s->dev[1], &c, VT_LONG) ?: vt_complete(s->dev[1], 1, c.id, 0, 0);
	if (vt_hear(&s->victim.child) != 1)
		return -1;
	return err ?: s->victim.page->ret;
}

/*
 * Nothing takes a second; the machine under the guest may have been elsewhere for one, but
 * not in the same row twice.
 */
static bool late, again;

#define IN_TIME(what) do {								\
	uint64_t _begin = vt_now();							\
	EXPECT_TRUE(what) {								\
		TH_LOG("%s by %d: %s: %s", r->name, s->who, #what, strerror(errno));	\
	}										\
	if (vt_now() - _begin > VT_SEC)							\
		late = true;								\
	EXPECT_FALSE(late && again) {							\
		TH_LOG("%s by %d: %s took too long", r->name, s->who, #what);		\
	}										\
} while (0)

static bool one_of(int err, int a, int b, int c)
{
	return err == a || err == b || err == c;
}

/* All that must not wait for the stalled thread; the last of it ends the set. */
static void others_go_on(struct __test_metadata *_metadata, struct scene *s, const struct row *r,
			 bool abort)
{
	IN_TIME(vt_state(s->fd) > 0);
	IN_TIME(is_listed(s->victim.page->name));
	if (r->stage == ACTIVE)
		IN_TIME(other_device(s) == 0);
	if (abort)
		IN_TIME(vt_abort(s->fd) == 0);
	else
		IN_TIME(one_of(vt_close(s->fd), 0, EBUSY, EPROTO));
}

static bool is_dead(struct scene *s)
{
	return waitpid(s->victim.child.pid, NULL, WNOHANG) == s->victim.child.pid;
}

/* A call that goes on in a set that has gone says so, or was done before that. */
static bool right_end(int err)
{
	return one_of(err, 0, ECANCELED, EPROTO) || one_of(err, ENOENT, EBUSY, ESHUTDOWN) ||
	       one_of(err, EINVAL, ETIMEDOUT, EAGAIN);
}

FIXTURE(stall) {
	struct scene s;
};

FIXTURE_VARIANT(stall) {
	bool kill;
};

FIXTURE_VARIANT_ADD(stall, killed) {
	.kill = true,
};

FIXTURE_VARIANT_ADD(stall, let_go) {
	.kill = false,
};

FIXTURE_SETUP(stall)
{
}

FIXTURE_TEARDOWN(stall)
{
	vt_baseline(_metadata);
}

static void run_row(struct __test_metadata *_metadata, struct scene *s, const struct row *r,
		    bool kill_it, bool abort)
{
	pid_t pid;
	int err;

	*s = (struct scene){ .who = s->who, .fd = -1, .server = -1, .dev = { -1, -1 } };
	ASSERT_TRUE(vt_stall_mount(stall));
	ASSERT_TRUE(vt_peer_start(&s->victim));
	pid = s->victim.child.pid;
	ASSERT_EQ(0, set_up(s, r)) {
		TH_LOG("%s by %d: cannot begin", r->name, s->who);
	}
	ASSERT_EQ(0, step(s, do_stall, r - rows));
	if (r->mode == VT_STALL_LATER)
		ASSERT_EQ(0, vt_send(s->dev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_stall_wait(stall, pid)) {
		TH_LOG("%s by %d: does not stall", r->name, s->who);
	}
	others_go_on(_metadata, s, r, abort);
	if (kill_it) {
		vt_peer_kill(&s->victim);
		IN_TIME(VT_UNTIL(is_dead(s)));
		s->victim.child.pid = 0;
	} else {
		EXPECT_TRUE(vt_stall_release(stall, r->mode));
		err = vt_peer(&s->victim, do_end);
		EXPECT_TRUE(right_end(err)) {
			TH_LOG("%s by %d: gave %d", r->name, s->who, err);
		}
		vt_peer_stop(&s->victim);
	}
	vt_stall_end(stall);
	vt_baseline(_metadata);
}

TEST_F_TIMEOUT(stall, every_pointer, 1200)
{
	const char *why = vt_stall_begin(&stall);
	unsigned int i, n = 0, asked = 0;

	if (why)
		SKIP(return, "%s", why);
	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		for (self->s.who = BY_CLIENT; self->s.who <= BY_OTHER; self->s.who <<= 1) {
			if (!(rows[i].by & self->s.who))
				continue;
			asked++;
			/* FUSE cannot stall what is there already */
			if (stall->fuse && rows[i].mode != VT_STALL_MISSING)
				continue;
			late = false;
			again = false;
			run_row(_metadata, &self->s, &rows[i], variant->kill, i & 1);
			again = late;
			late = false;
			if (again)
				run_row(_metadata, &self->s, &rows[i], variant->kill, i & 1);
			n++;
		}
	}
	TH_LOG("F15: reached %u of %u asked stalls by %s, %s", n, asked,
	       stall->fuse ? "FUSE" : "userfaultfd", variant->kill ? "then killed" : "then let go");
}

TEST_HARNESS_MAIN
