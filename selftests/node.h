/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Nodes under test: a client, in a process of its own, creates a set with nodes
 * and serves it from memory that the test can look at; it can be told to fail a
 * command, to hold one, to answer out of order, to abort, to close, to die.  The
 * test is the engine.  What is kept is in node_store.h.
 */
#ifndef VDI_TEST_NODE_H
#define VDI_TEST_NODE_H

#include <stdatomic.h>
#include <sys/mman.h>

#include "child.h"
#include "node_store.h"

#define NODE_DEVICES	5
#define NODE_SEEN	8192
#define NODE_ANY	255		/* for @hold: each command */
#define NODE_TRANSFER	65536U		/* small, so that there are many */

enum node_order { NODE_SERVE, NODE_ABORT, NODE_CLOSE, NODE_DROP };

/* What befalls one command: an answer of @fail_answer, a signal to the engine
 * before the answer, or an order to the client in place of it, or right behind it.
 */
enum node_upset {
	NODE_CALM, NODE_FAILS, NODE_SIGNALS, NODE_ABORTS, NODE_CLOSES, NODE_DROPS, NODE_PARTS
};

struct node_seen {
	unsigned int device;
	unsigned int code;
	int length;
	uint64_t position;
};

/**
 * struct node_set - What test and client share
 * @create: what the client asks for; bend it before node_up()
 * @late: the client does not open its devices as long as this is set
 * @reverse: it answers several commands in reverse order, and for a disk also
 *	carries them out so
 * @together: it begins when it has so many commands, if that is not 0
 * @fail: code of the command to fail, 0 for none
 * @fail_nth: which of them, from 1
 * @fail_answer: and its completion code; it is not carried out
 * @fail_result: and its result
 * @fail_done: it is carried out, and has the result of that
 * @upset: what befalls one command of all
 * @upset_at: which, from 1
 * @engine: process that a signal goes to
 * @hold: code of the commands that it does not answer for now, or NODE_ANY
 * @order: what it shall do now
 * @holding: it holds a command now
 * @parting: it aborts when it has given the answers it has
 * @ended: errno with which its work ended, 0 until then
 * @error: of CREATE, or of what must not fail
 * @first: number of the first node
 * @config: as it got it
 * @count: of commands, by code
 * @nr_seen: of commands
 * @seen: the commands, in order
 * @store: of each device
 * @client: the process
 * @watch: an unbound handle of the test
 */
struct node_set {
	struct vdi_create create;
	atomic_bool late;
	bool reverse;
	unsigned int together;
	unsigned int fail;
	unsigned int fail_nth;
	unsigned int fail_answer;
	uint64_t fail_result;
	bool fail_done;
	enum node_upset upset;
	unsigned int upset_at;
	pid_t engine;
	atomic_uint hold;
	atomic_uint order;
	atomic_uint holding;
	bool parting;
	atomic_int ended;
	atomic_int error;
	unsigned int first;
	struct vdi_config config;
	atomic_uint count[32];
	atomic_uint nr_seen;
	struct node_seen seen[NODE_SEEN];
	struct node_store store[NODE_DEVICES];
	struct vt_child client;
	int watch;
};

/* Does what the test ordered; true if there was an order. */
static inline bool node_obey(struct node_set *s, int fd)
{
	unsigned int order = atomic_exchange(&s->order, NODE_SERVE);

	if (order == NODE_ABORT)
		vt_abort(fd);
	if (order == NODE_CLOSE)
		vt_close(fd);
	if (order == NODE_DROP)
		_exit(0);
	return order != NODE_SERVE;
}

static inline bool node_held(struct node_set *s, unsigned int code)
{
	unsigned int hold = atomic_load(&s->hold);

	return hold == NODE_ANY || hold == code;
}

/* Whether the command is not carried out. */
static inline bool node_upsets(struct node_set *s, int fd)
{
	switch (s->upset) {
	case NODE_CALM:
		return false;
	case NODE_FAILS:
		return true;
	case NODE_SIGNALS:
		poll(NULL, 0, 3);	/* it sleeps by now, mostly */
		kill(s->engine, SIGUSR1);
		poll(NULL, 0, 3);
		return false;
	case NODE_ABORTS:
		vt_abort(fd);
		return true;
	case NODE_CLOSES:
		vt_close(fd);
		return true;
	case NODE_DROPS:
		_exit(0);
	case NODE_PARTS:
		s->parting = true;
		return false;
	}
	return true;
}

static inline struct vdi_completion node_answer(struct node_set *s, int fd,
						const struct vdi_command *c, void *buf)
{
	struct vdi_completion done = { .device = c->device, .id = c->id };
	unsigned int n = atomic_fetch_add(&s->count[c->code % 32], 1) + 1;
	unsigned int i = atomic_load(&s->nr_seen);
	uint64_t result = 0;
	bool fails;

	if (i < NODE_SEEN)
		s->seen[i] = (struct node_seen){ c->device, c->code, c->length, c->position };
	atomic_fetch_add(&s->nr_seen, 1);
	while (node_held(s, c->code)) {
		atomic_store(&s->holding, c->code);
		if (node_obey(s, fd))
			break;
		poll(NULL, 0, 1);
	}
	atomic_store(&s->holding, 0);
	fails = (s->upset_at == i + 1 && node_upsets(s, fd)) ||
		(s->fail == c->code && s->fail_nth == n);
	if (fails)
		result = s->fail_result;
	if (!fails || s->fail_done)
		done.code = node_carry_out(&s->store[c->device], s->config.features, c, buf,
					   &result);
	if (fails)
		done.code = s->fail_answer;
	done.result = result;
	return done;
}

static inline void node_turn(struct vdi_completion *done, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n / 2; i++) {
		struct vdi_completion c = done[i];

		done[i] = done[n - 1 - i];
		done[n - 1 - i] = c;
	}
}

/* Transfers of a disk may be carried out in any order; those of others not. */
static inline bool node_any_order(struct node_set *s, const struct vdi_command *c, unsigned int n)
{
	while (n--)
		if (c[n].kind != VDI_KIND_COMMAND ||
		    (c[n].code != VDI_CMD_READ && c[n].code != VDI_CMD_WRITE))
			return false;
	return s->config.features & VDI_FEAT_RANDOM_ACCESS;
}

/* @n commands before the first of them is answered */
static inline int node_gather(int fd, struct vdi_exchange *x, struct vdi_command *todo,
			      unsigned int n)
{
	unsigned int have = 0;
	int err = 0;

	while (!err && have < n) {
		err = vt_exchange(fd, x, NULL, 0, todo + have, 64 - have, 1, VT_LONG);
		if (!err)
			have += x->out_delivered;
	}
	x->out_delivered = have;
	return err;
}

static inline int node_serve(struct node_set *s, int fd, unsigned char *area)
{
	struct vdi_completion done[64];
	struct vdi_command todo[64];
	struct vdi_exchange x;
	unsigned int n = 0, i, k;
	bool back;
	int err;

	for (;;) {
		err = ECANCELED;
		if (node_obey(s, fd))
			return err;
		if (s->parting) {
			vt_exchange(fd, &x, done, n, NULL, 0, 0, 0);
			vt_abort(fd);
			n = 0;
			s->parting = false;
		}
		/* out of order: as many as come in a moment, so that there are some */
		if (s->together)
			err = node_gather(fd, &x, todo, s->together);
		else if (s->reverse)
			err = vt_exchange(fd, &x, done, n, todo, 64, n ? 1 : 4, vt_in_ms(20));
		else
			err = vt_exchange(fd, &x, done, n, todo, 64, 1, vt_in_ms(20));
		if (err && err != ETIMEDOUT)
			return err;
		if (!err && x.out_refused)
			return x.out_refused;
		s->together = 0;
		n = 0;
		back = s->reverse && !err && node_any_order(s, todo, x.out_delivered);
		for (i = 0; !err && i < x.out_delivered; i++) {
			k = back ? x.out_delivered - 1 - i : i;
			if (todo[k].kind == VDI_KIND_COMMAND)
				done[n++] = node_answer(s, fd, &todo[k], area + todo[k].offset);
		}
		if (s->reverse && !back)
			node_turn(done, n);
		for (i = 0; back && i < n; i++)		/* the last is the last that was sent */
			if (todo[i].code == VDI_CMD_WRITE)
				s->store[todo[i].device].written = todo[i].position +
								   todo[i].length;
	}
}

/* Waits for the engine: 0, or the errno that ended it. */
static inline int node_configured(struct node_set *s, int fd, struct vdi_piece *piece)
{
	struct vdi_get_config g;
	int err;

	do {
		err = ECANCELED;
		if (node_obey(s, fd))
			return err;
		g = VT_INIT(vdi_get_config, .deadline_ns = vt_in_ms(20),
			    .pieces = (uintptr_t)piece, .nr_pieces = 1);
		err = vt_call(fd, VDI_IOC_GET_CONFIG, &g);
	} while (err == ETIMEDOUT);
	s->config = g.out_config;
	return err;
}

static inline int node_work(struct node_set *s, int fd)
{
	struct vdi_piece piece = { };
	char name[VDI_NAME_SIZE];
	unsigned char *area;
	unsigned int i;
	int err;

	err = node_configured(s, fd, &piece);
	if (err)
		return err;
	area = mmap(NULL, piece.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, piece.offset);
	if (area == MAP_FAILED)
		return errno;
	while (atomic_load(&s->late) && !node_obey(s, fd))
		poll(NULL, 0, 1);
	for (i = 0; i < s->create.config.device_count; i++) {
		s->store[i].block_size = s->config.block_size;
		vt_device_name(name, s->create.name, i);
		err = vt_open_device(fd, name);
		if (err < 0)
			return -err;
	}
	return node_serve(s, fd, area - piece.offset);
}

static inline int node_client(struct vt_child *me, void *arg)
{
	struct node_set *s = arg;
	int fd = vt_open_node();
	struct vdi_status status;
	int err = vt_call(fd, VDI_IOC_CREATE, &s->create) ?: vt_status(fd, &status);

	atomic_store(&s->error, err);
	s->first = err ? VDI_NODE_NONE : status.out_stat.first_node;
	if (!vt_tell(me, 1) || err)
		return 0;
	atomic_store(&s->ended, node_work(s, fd));
	/* the set stays as it is until the test says what becomes of it */
	for (;;) {
		node_obey(s, fd);
		poll(NULL, 0, 5);
	}
}

static inline struct node_set *node_new(unsigned int features, unsigned int devices)
{
	struct node_set *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char name[VDI_NAME_SIZE];

	if (s == MAP_FAILED)
		return NULL;
	vt_name(name);
	s->create = vt_create_args(name, devices);
	s->create.flags = VDI_CREATE_F_NODES;
	s->create.config.features = features;
	s->create.node_transfer_size = NODE_TRANSFER;
	s->watch = -1;
	return s;
}

/* Starts the client: 0, or the errno of CREATE, -1 if nothing could be started. */
static inline int node_up(struct node_set *s)
{
	struct vt_child client;		/* not shared: the child writes there as well */

	s->watch = vt_open_node();
	if (s->watch < 0 || !vt_start(&client, VT_ROOT, VT_ROOT, node_client, s))
		return -1;
	s->client = client;
	return vt_hear(&client) == 1 ? atomic_load(&s->error) : -1;
}

static inline void node_kill(struct node_set *s)
{
	if (s->client.pid <= 0)
		return;
	kill(s->client.pid, SIGKILL);
	waitpid(s->client.pid, NULL, 0);
	s->client.pid = 0;
}

static inline void node_order(struct node_set *s, enum node_order order)
{
	atomic_store(&s->order, order);
}

static inline void node_path(const struct node_set *s, unsigned int i, char *path)
{
	sprintf(path, VDI_NODE_PREFIX "%u", s->first + i);
}

/* The descriptor, or the negative errno. */
static inline int node_open(const struct node_set *s, unsigned int i, int flags)
{
	char path[64];
	int fd;

	node_path(s, i, path);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

/* STATUS of the set, as others see it: 0 or the errno. */
static inline int node_stat(const struct node_set *s, struct vdi_set_stat *stat)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);
	int err;

	memcpy(n.name, s->create.name, sizeof(n.name));
	err = vt_call(s->watch, VDI_IOC_STAT_NAME, &n);
	*stat = n.out_stat;
	return err;
}

/* VDI_STATE_*, or the negative errno. */
static inline int node_state(const struct node_set *s)
{
	struct vdi_set_stat stat;
	int err = node_stat(s, &stat);

	return err ? -err : (int)stat.state;
}

/* Whether the client was told of the good end, or of an abort, in some seconds. */
static inline bool node_ended(struct node_set *s, int err)
{
	return VT_UNTIL(atomic_load(&s->ended)) && atomic_load(&s->ended) == err;
}

static inline unsigned int node_count(struct node_set *s, unsigned int code)
{
	return atomic_load(&s->count[code]);
}

/* All of it, however it is split: 0 or the errno. */
static inline int node_write(int fd, const void *buf, size_t len)
{
	ssize_t n;

	for (; len; buf = (const char *)buf + n, len -= n) {
		n = write(fd, buf, len);
		if (n <= 0)
			return n ? errno : EIO;
	}
	return 0;
}

/* Up to @len, or to the end: how many, or the negative errno. */
static inline ssize_t node_read(int fd, void *buf, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len && (n = read(fd, (char *)buf + done, len - done))) {
		if (n < 0)
			return -errno;
		done += n;
	}
	return done;
}

/* 0 or the errno: what the end of the stream says. */
static inline int node_close(int fd)
{
	return close(fd) ? errno : 0;
}

/* Brings the set up and opens a pipe for writing: the descriptor, or below 0. */
static inline int node_writer(struct node_set *s, int flags)
{
	return node_up(s) ? -1 : node_open(s, 0, O_WRONLY | flags);
}

/* A reader of a stream of @size bytes */
static inline int node_reader(struct node_set *s, size_t size, int flags)
{
	s->store[0].size = size;
	node_fill(s->store[0].data, 0, size);
	return node_up(s) ? -1 : node_open(s, 0, O_RDONLY | flags);
}

/* The client has the first @size bytes of the stream, and nothing else. */
static inline bool node_stored(struct node_set *s, size_t size)
{
	return s->store[0].size == size && node_same(s->store[0].data, 0, size);
}

/* node: a set of one device with a client; not yet up. */
FIXTURE(node) {
	struct node_set *s;
	unsigned char *buf;
};

FIXTURE_SETUP(node)
{
	self->s = node_new(VDI_FEAT_LIKE_PIPE, 1);
	ASSERT_NE(NULL, self->s);
	self->buf = malloc(NODE_ROOM);
	ASSERT_NE(NULL, self->buf);
}

FIXTURE_TEARDOWN(node)
{
	atomic_store(&self->s->hold, 0);
	node_kill(self->s);
	vt_baseline(_metadata);
	free(self->buf);
	munmap(self->s, sizeof(*self->s));
}

#endif /* VDI_TEST_NODE_H */
