/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole way of a set, from CREATE to the end in order, as each side goes it: a
 * client, one that adopts its handle, a server, an engine at a node; and a third
 * party that looks on.  They are threads or processes.  What happens to them on the
 * way is path_race_test's.
 */
#ifndef VDI_TEST_PATH_H
#define VDI_TEST_PATH_H

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "child.h"
#include "link.h"

#define PATH_COMMANDS	3	/* that the server sends */

enum path_way { BY_HANDLE, BY_NODE, ADOPTED };

enum path_event {
	CLIENT_ABORTS, SERVER_ABORTS, CLIENT_CLOSES, SERVER_CLOSES, CLIENT_FD, SERVER_FD,
	CLIENT_DEVICE_FD, SERVER_DEVICE_FD, CLIENT_KILLED, SERVER_KILLED, CLIENT_CALLS,
	SERVER_CALLS,
};

struct path_round;

/**
 * struct path_side - One side of a round, a thread or a process
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
struct path_side {
	void (*work)(struct path_round *r, struct path_side *me);
	struct path_round *round;
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
 * struct path_round - What all of a round share, processes as well
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
struct path_round {
	char name[VDI_NAME_SIZE];
	enum path_way way;
	enum path_event event;
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
	struct path_side client;
	struct path_side server;
};

/* The answers of a call once something has happened; the last two are /dev/null's. */
static inline bool path_ended(const struct path_round *r, int err)
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
static inline bool path_judge(struct path_round *r, int err, int line)
{
	if (err && !path_ended(r, err)) {
		atomic_store(&r->strange_at, line);
		atomic_store(&r->strange, err);
	}
	return !err;
}

/* The call that begins is the one to be raced: with the event, or shortly before it. */
static inline void path_step(struct path_round *r)
{
	if (atomic_fetch_add(&r->steps, 1) != r->after)
		return;
	atomic_store(&r->turn, true);
	while (r->gate && !atomic_load(&r->going))
		sched_yield();
}

#define PATH_STEP(r, call) (path_step(r), path_judge(r, call, __LINE__))

/*
 * Who was not woken finds what it waited for when its deadline comes: that is too
 * late, even with a window held open at each step.
 */
#define PATH_LATE_NS	(4 * VT_SEC + VT_SOON_NS)

static inline uint64_t path_never(void)
{
	return vt_now() + 2 * PATH_LATE_NS;
}

/* Waits for the configuration, and writes into the area. */
static inline int path_get_config(struct path_side *me, struct vdi_piece *piece)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = path_never(),
					  .pieces = (uintptr_t)piece, .nr_pieces = 1);

	return vt_call(me->set, VDI_IOC_GET_CONFIG, &g);
}

static inline int path_touch(int fd, const struct vdi_piece *piece)
{
	volatile unsigned char *p = vt_map(fd, piece->offset, piece->size);

	if (!p)
		return errno;
	p[0]++;
	munmap((void *)p, piece->size);
	return 0;
}

static inline int path_open_device(struct path_side *me, const char *name)
{
	int fd = vt_open_device(me->set, name);

	if (fd < 0)
		return -fd;
	atomic_store(&me->dev, fd);
	return 0;
}

static inline void path_client(struct path_round *r, struct path_side *me)
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
	if (!PATH_STEP(r, r->way == ADOPTED ? vt_adopt(me->set) :
					 vt_call(me->set, VDI_IOC_CREATE, &create)))
		return;
	atomic_store(&me->bound, true);
	if (!PATH_STEP(r, path_get_config(me, &piece)) ||
	    !PATH_STEP(r, path_touch(me->set, &piece)) ||
	    !PATH_STEP(r, path_open_device(me, r->name)))
		return;
	do {
		path_step(r);
		err = vt_exchange(atomic_load(&me->dev), &x, &d, n, &c, 1, 1, path_never());
		if (!path_judge(r, err, __LINE__))
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
	if (!PATH_STEP(r, err))
		atomic_store(&me->in_order, false);
}

/* One command, and its completion. */
static inline bool path_serve(struct path_round *r, int fd, unsigned int id)
{
	struct vdi_completion done;
	struct vdi_command c = vt_flush(0, id);
	unsigned int took;
	bool ok = PATH_STEP(r, vt_put(fd, &c, 1, &took));

	atomic_fetch_add(&r->accepted, took);
	if (!ok || !PATH_STEP(r, vt_collect(fd, &done, path_never())))
		return false;
	atomic_fetch_add(&r->collected, 1);
	if (done.id != id || (done.code && done.code != 995))
		path_judge(r, ERANGE, __LINE__);
	return !done.code;
}

/* The name is there when the client has made the set. */
static inline int path_open_set(struct path_round *r, struct path_side *me)
{
	int err;

	while ((err = vt_open(me->set, r->name)) == ENOENT && !atomic_load(&r->over))
		sched_yield();
	return err == ENOENT ? EPROTO : err;
}

static inline void path_server(struct path_round *r, struct path_side *me)
{
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = VT_TRANSFER);
	struct vdi_set_hint hint = VT_INIT(vdi_set_hint, .bytes = 1);
	const struct vdi_piece piece = { .size = VT_TRANSFER };
	unsigned int i;

	if (!PATH_STEP(r, path_open_set(r, me)))
		return;
	atomic_store(&me->bound, true);
	if (!PATH_STEP(r, vt_begin(me->set)) || !PATH_STEP(r, vt_end(me->set, VT_TRANSFER)) ||
	    !PATH_STEP(r, path_touch(me->set, &piece)) ||
	    !PATH_STEP(r, vt_call(me->set, VDI_IOC_GROW_AREA, &grow)) ||
	    !PATH_STEP(r, vt_call(me->set, VDI_IOC_SET_HINT, &hint)) ||
	    !PATH_STEP(r, path_open_device(me, r->name)))
		return;
	PATH_STEP(r, vt_device_state(atomic_load(&me->dev)) < 0 ? ECANCELED : 0);
	for (i = 0; i < PATH_COMMANDS; i++)
		if (!path_serve(r, atomic_load(&me->dev), i + 1))
			return;
	if (PATH_STEP(r, vt_close_device(atomic_load(&me->dev))) && PATH_STEP(r, vt_close(me->set)))
		atomic_store(&me->in_order, true);
}

static inline int path_stat_name(int fd, const struct path_round *r, struct vdi_stat_name *n)
{
	*n = VT_INIT(vdi_stat_name);
	memcpy(n->name, r->name, sizeof(n->name));
	return vt_call(fd, VDI_IOC_STAT_NAME, n);
}

/* The node is there when the set is: the descriptor, or the negative errno. */
static inline int path_open_node(struct path_round *r, struct path_side *me)
{
	struct vdi_stat_name n;
	char path[64];
	int err, fd;

	while ((err = path_stat_name(me->set, r, &n)) == ENOENT && !atomic_load(&r->over))
		sched_yield();
	if (err)
		return -err;
	sprintf(path, VDI_NODE_PREFIX "%u", n.out_stat.first_node);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static inline int path_write_node(int fd)
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

static inline void path_engine(struct path_round *r, struct path_side *me)
{
	int fd;

	path_step(r);
	fd = path_open_node(r, me);
	if (!path_judge(r, fd < 0 ? -fd : 0, __LINE__))
		return;
	atomic_store(&me->dev, fd);
	atomic_store(&me->bound, true);
	if (PATH_STEP(r, path_write_node(fd)) && PATH_STEP(r, path_write_node(fd)) &&
	    PATH_STEP(r, fsync(fd) ? errno : 0) &&
	    PATH_STEP(r, close(atomic_exchange(&me->dev, -1)) ? errno : 0))
		atomic_store(&me->in_order, true);
}

/* A third party: looks, joins, goes, and must not matter to the two. */
static inline void *path_stranger(void *arg)
{
	struct vdi_stat_name n;
	struct path_round *r = arg;
	struct vdi_status s;
	int fd = vt_open_node();
	int err;

	while (!atomic_load(&r->over)) {
		err = path_stat_name(fd, r, &n);
		if (err && err != ENOENT)
			path_judge(r, err, __LINE__);
		err = vt_open_secondary(fd, r->name);
		/* not yet, or no longer */
		if (err == ENOENT || err == EPROTO || err == ECANCELED) {
			sched_yield();
			continue;
		}
		path_judge(r, err, __LINE__);
		path_judge(r, vt_status(fd, &s), __LINE__);
		vt_poll(fd);
		path_judge(r, vt_close(fd), __LINE__);
	}
	close(fd);
	return NULL;
}

#endif /* VDI_TEST_PATH_H */
