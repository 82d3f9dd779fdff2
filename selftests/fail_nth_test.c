// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every call of the interface, on both sides, with its 1st, 2nd ... allocation
 * or user copy failing, until none is left to fail.  Each failure gives ENOMEM or
 * EFAULT and leaves the set as it was, the call works when it is made again, and
 * nothing is left in the module.  Nodes are in fail_nth_node_test.c.
 */
#include "child.h"
#include "fail_nth.h"
#include "link.h"

/* How far a set has come. */
enum stage { NODE, CREATED, OPENED, BEGUN, CONFIGURED, DEVICES, LOADED, TAKEN, DONE };

struct context {
	struct vt_link l;
	struct vdi_command got;
	void *map;
};

/**
 * struct op - A call
 * @name: for people
 * @stage: which the set has reached
 * @call: makes it: 0 or the errno
 * @again: what it may also give the second time, if the answer could not be
 *	written the first time and so the work was done; -1: nothing else
 * @reason: with which the set is aborted then, VDI_REASON_NONE if it is not
 */
struct op {
	const char *name;
	enum stage stage;
	int (*call)(struct context *c);
	int again;
	u_int reason;
};

static int op_node(struct context *c)
{
	int fd = vt_open_node();

	(void)c;
	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

static int op_info(struct context *c)
{
	struct vdi_get_info i = VT_INIT(vdi_get_info);

	return vt_call(c->l.client, VDI_IOC_GET_INFO, &i);
}

static int op_create(struct context *c)
{
	return vt_call(c->l.client, VDI_IOC_CREATE, &c->l.create);
}

static int op_create_nodes(struct context *c)
{
	struct vdi_create create = c->l.create;

	create.flags = VDI_CREATE_F_NODES;
	create.config.device_count = 2;
	return vt_call(c->l.client, VDI_IOC_CREATE, &create);
}

static int op_list(struct context *c)
{
	struct vdi_set_stat sets[4];
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = 4,
				    .entry_size = sizeof(sets[0]));

	return vt_call(c->l.server, VDI_IOC_LIST, &l) ?: l.out_sets == 1 ? 0 : -1;
}

static int op_stat_name(struct context *c)
{
	struct vdi_stat_name s = VT_INIT(vdi_stat_name);

	strcpy(s.name, c->l.create.name);
	return vt_call(c->l.server, VDI_IOC_STAT_NAME, &s);
}

static int op_abort_name(struct context *c)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name);

	strcpy(a.name, c->l.create.name);
	return vt_call(c->l.server, VDI_IOC_ABORT_NAME, &a);
}

static int op_open(struct context *c)
{
	return vt_open(c->l.server, c->l.create.name);
}

/* The second device is nobody's, its file may become the secondary client's. */
static int op_secondary(struct context *c)
{
	return vt_open_secondary(c->l.cdev[0], c->l.create.name);
}

static int get_config(int fd)
{
	struct vdi_piece pieces[2];
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces,
					  .nr_pieces = 2);

	return vt_call(fd, VDI_IOC_GET_CONFIG, &g) ?: g.out_pieces == 1 ? 0 : -1;
}

static int op_config_client(struct context *c)
{
	return get_config(c->l.client);
}

static int op_config_server(struct context *c)
{
	return get_config(c->l.server);
}

static int op_begin(struct context *c)
{
	return vt_call(c->l.server, VDI_IOC_BEGIN_CONFIG, &c->l.begin);
}

static int op_end(struct context *c)
{
	return vt_end(c->l.server, VT_TRANSFER);
}

static int op_grow(struct context *c)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = 2 * VT_TRANSFER);

	return vt_call(c->l.server, VDI_IOC_GROW_AREA, &g);
}

static int open_device(struct context *c, int fd)
{
	int dev = vt_open_device(fd, c->l.create.name);

	return dev < 0 ? -dev : 0;
}

static int op_device_client(struct context *c)
{
	return open_device(c, c->l.client);
}

static int op_device_server(struct context *c)
{
	return open_device(c, c->l.server);
}

static int op_status_client(struct context *c)
{
	struct vdi_status s;

	return vt_status(c->l.client, &s);
}

static int op_status_server(struct context *c)
{
	struct vdi_status s;

	return vt_status(c->l.server, &s);
}

static int op_hint(struct context *c)
{
	struct vdi_set_hint h = VT_INIT(vdi_set_hint, .bytes = 1);

	return vt_call(c->l.server, VDI_IOC_SET_HINT, &h);
}

/* 40 records are three chunks. */
static int op_send(struct context *c)
{
	struct vdi_command cmd[40];
	unsigned int took;

	vt_flushes(cmd, ARRAY_SIZE(cmd), 0, 1);
	return vt_put(c->l.sdev[0], cmd, ARRAY_SIZE(cmd), &took);
}

static int op_get(struct context *c)
{
	struct vdi_command cmd[40];
	int n = vt_take(c->l.cdev[0], cmd, ARRAY_SIZE(cmd));

	return n < 0 ? -n : n == 20 ? 0 : -1;
}

static int op_complete(struct context *c)
{
	return vt_complete(c->l.cdev[0], 0, c->got.id, 0, 0);
}

static int op_collect(struct context *c)
{
	struct vdi_completion done;

	return vt_collect(c->l.sdev[0], &done, 0);
}

static int op_abort_client(struct context *c)
{
	return vt_abort(c->l.client);
}

static int op_abort_server(struct context *c)
{
	return vt_abort(c->l.server);
}

static int op_abort_device(struct context *c)
{
	return vt_abort(c->l.cdev[0]);
}

static int op_close_client(struct context *c)
{
	return vt_close(c->l.client);
}

static int op_close_server(struct context *c)
{
	return vt_close(c->l.server);
}

static int op_close_device(struct context *c)
{
	return vt_close_device(c->l.sdev[0]);
}

static int device_status(int fd)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);

	return vt_call(fd, VDI_IOC_DEVICE_STATUS, &s);
}

static int op_device_status_client(struct context *c)
{
	return device_status(c->l.cdev[0]);
}

static int op_device_status_server(struct context *c)
{
	return device_status(c->l.sdev[0]);
}

static int map(struct context *c, int fd)
{
	c->map = vt_map(fd, c->l.offset, c->l.size);
	return c->map ? 0 : errno;
}

static int op_map_client(struct context *c)
{
	return map(c, c->l.client);
}

static int op_map_server(struct context *c)
{
	return map(c, c->l.sdev[0]);
}

static int poll_one(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? errno : 0;
}

static int op_poll_set(struct context *c)
{
	return poll_one(c->l.client);
}

static int op_poll_device(struct context *c)
{
	return poll_one(c->l.sdev[0]);
}

/* In a child, see adopts(). */
static int op_adopt_set(struct context *c)
{
	return vt_adopt(c->l.server);
}

static int op_adopt_device(struct context *c)
{
	return vt_adopt(c->l.cdev[0]);
}

#define QUIET	-1, VDI_REASON_NONE	/* no answer, or nothing is done for one */

static const struct op ops[] = {
	{ "open", NODE, op_node, QUIET },
	{ "GET_INFO", NODE, op_info, QUIET },
	{ "CREATE", NODE, op_create, QUIET },
	{ "CREATE with nodes", NODE, op_create_nodes, QUIET },
	{ "LIST", CREATED, op_list, QUIET },
	{ "STAT_NAME", CREATED, op_stat_name, QUIET },
	{ "ABORT_NAME", CREATED, op_abort_name, QUIET },
	{ "OPEN", CREATED, op_open, QUIET },
	{ "OPEN_SECONDARY", CONFIGURED, op_secondary, QUIET },
	{ "GET_CONFIG of the client", CONFIGURED, op_config_client, QUIET },
	{ "GET_CONFIG of the server", CONFIGURED, op_config_server, QUIET },
	{ "BEGIN_CONFIG", OPENED, op_begin, EPROTO, VDI_REASON_NONE },
	{ "END_CONFIG", BEGUN, op_end, EPROTO, VDI_REASON_NONE },
	{ "GROW_AREA", CONFIGURED, op_grow, QUIET },
	{ "OPEN_DEVICE of the client", CONFIGURED, op_device_client, ECANCELED,
	  VDI_REASON_CLIENT_CLOSE },
	{ "OPEN_DEVICE of the server", CONFIGURED, op_device_server, ECANCELED,
	  VDI_REASON_SERVER_CLOSE },
	{ "STATUS of the client", DEVICES, op_status_client, QUIET },
	{ "STATUS of the server", DEVICES, op_status_server, QUIET },
	{ "SET_HINT", DEVICES, op_hint, QUIET },
	{ "EXCHANGE, send", DEVICES, op_send, ECANCELED, VDI_REASON_FAULT },
	{ "EXCHANGE, get", LOADED, op_get, ECANCELED, VDI_REASON_FAULT },
	{ "EXCHANGE, complete", TAKEN, op_complete, ECANCELED, VDI_REASON_FAULT },
	{ "EXCHANGE, collect", DONE, op_collect, ECANCELED, VDI_REASON_FAULT },
	{ "ABORT by the client", DEVICES, op_abort_client, QUIET },
	{ "ABORT by the server", DEVICES, op_abort_server, QUIET },
	{ "ABORT on a device", DEVICES, op_abort_device, QUIET },
	{ "CLOSE by the client", CONFIGURED, op_close_client, QUIET },
	{ "CLOSE by the server", CONFIGURED, op_close_server, QUIET },
	{ "CLOSE_DEVICE", DEVICES, op_close_device, QUIET },
	{ "DEVICE_STATUS of the client", DEVICES, op_device_status_client, QUIET },
	{ "DEVICE_STATUS of the server", DEVICES, op_device_status_server, QUIET },
	{ "mmap by the client", CONFIGURED, op_map_client, QUIET },
	{ "mmap by the server", DEVICES, op_map_server, QUIET },
	{ "poll of a set", CONFIGURED, op_poll_set, QUIET },
	{ "poll of a device", DEVICES, op_poll_device, QUIET },
	{ "ADOPT of a set", DEVICES, op_adopt_set, QUIET },
	{ "ADOPT of a device", DEVICES, op_adopt_device, QUIET },
};

/* A set at that stage; cdev[0] is an unbound handle as long as there is no device. */
static int prepare(struct context *c, enum stage stage)
{
	struct vt_link *l = &c->l;
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = VT_TRANSFER);
	int err = 0;

	*c = (struct context){};
	vt_link_init(l, 1);
	l->client = vt_open_node();
	l->server = vt_open_node();
	if (stage < DEVICES)
		l->cdev[0] = vt_open_node();
	if (stage >= CREATED)
		err = op_create(c);
	if (!err && stage >= OPENED)
		err = op_open(c);
	if (!err && stage >= BEGUN)
		err = op_begin(c);
	if (!err && stage >= CONFIGURED)
		err = vt_call(l->server, VDI_IOC_END_CONFIG, &e);
	l->offset = e.out_offset;
	l->size = e.out_size;
	if (!err && stage >= DEVICES)
		err = vt_link_open_devices(l);
	if (!err && stage >= LOADED)
		err = vt_link_load(l, 0, 20, 1, &c->got, stage >= TAKEN);
	if (!err && stage >= DONE)
		err = op_complete(c);
	return err;
}

/* One call with its nth point failing, in memory that both processes may share. */
struct attempt {
	bool armed;
	bool injected;
	int err;
	int again;
};

static void attempt(struct attempt *a, const struct op *op, struct context *c, unsigned int n)
{
	int fd = vt_fail_arm(n);

	*a = (struct attempt){ .armed = fd >= 0 };
	if (!a->armed)
		return;
	a->err = op->call(c);
	a->injected = vt_fail_disarm(fd);
	if (a->err)
		a->again = op->call(c);
}

static bool adopts(const struct op *op)
{
	return op->call == op_adopt_set || op->call == op_adopt_device;
}

/* By another process, which ends when it has been looked at. */
static void attempt_elsewhere(struct attempt *a, const struct op *op, struct context *c,
			      unsigned int n)
{
	pid_t pid = fork();

	if (!pid) {
		attempt(a, op, c, n);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static void check(struct __test_metadata *_metadata, const struct op *op, struct context *c,
		  const struct attempt *a, unsigned int before)
{
	int state;

	ASSERT_TRUE(a->armed);
	if (!a->injected) {
		EXPECT_EQ(0, a->err);
		return;
	}
	if (!a->err)	/* the kernel found another way */
		return;
	EXPECT_TRUE(a->err == ENOMEM || a->err == EFAULT) {
		TH_LOG("gave %s", strerrorname_np(a->err) ?: "a wrong answer");
	}
	if (!a->again)
		return;
	/* Only an answer that could not be written leaves something behind */
	EXPECT_EQ(EFAULT, a->err);
	EXPECT_EQ(op->again, a->again);
	state = vt_state(c->l.client);
	if (op->reason) {
		EXPECT_EQ(VDI_STATE_ABORTED, state);
		EXPECT_EQ(op->reason, (u_int)vt_reason(c->l.client));
	} else {
		EXPECT_NE(VDI_STATE_ABORTED, state);
		EXPECT_LE(before, (u_int)state);
	}
}

/* All points of one call: how many, or 0 if it went wrong. */
static unsigned int sweep(struct __test_metadata *_metadata, const struct op *op,
			  struct attempt *a)
{
	bool was = _metadata->passed;
	struct context c;
	unsigned int n;
	int before;

	_metadata->passed = true;
	for (n = 1; n < VT_FAIL_MAX && _metadata->passed; n++) {
		ASSERT_EQ(0, prepare(&c, op->stage)) {
			TH_LOG("before %s, point %u", op->name, n);
		}
		before = op->stage == NODE ? 0 : vt_state(c.l.client);
		if (adopts(op))
			attempt_elsewhere(a, op, &c, n);
		else
			attempt(a, op, &c, n);
		check(_metadata, op, &c, a, before);
		if (c.map)
			munmap(c.map, c.l.size);
		vt_baseline(_metadata);
		if (!_metadata->passed)
			TH_LOG("^ %s, point %u: errno %d, then %d", op->name, n, a->err, a->again);
		if (!a->injected)
			break;
	}
	EXPECT_GT(VT_FAIL_MAX, n);
	if (!_metadata->passed)
		n = 0;
	_metadata->passed &= was;
	return n;
}

TEST(every_point_of_every_call)
{
	struct attempt *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
				 MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	unsigned int i, n, points = 0, calls = 0;
	const char *why = vt_fail_begin();

	ASSERT_NE(MAP_FAILED, a);
	if (why)
		SKIP(return, "%zu calls: %s", ARRAY_SIZE(ops), why);
	vt_log_fd = -1;		/* the log is not to be hit */
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		n = sweep(_metadata, &ops[i], a);
		/* of n attempts the last one found nothing to inject */
		calls += n > 0;
		points += n ? n - 1 : 0;
		TH_LOG("%s: %u points", ops[i].name, n ? n - 1 : 0);
		EXPECT_LE(2, n);
	}
	EXPECT_EQ(ARRAY_SIZE(ops), calls);
	TH_LOG("reached %u of %zu calls, %u points", calls, ARRAY_SIZE(ops), points);
}

TEST_HARNESS_MAIN
