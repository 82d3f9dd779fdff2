/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The protocol as 24 points: what client and server, two processes, have done
 * when each is reached, in backup and in restore, and in which call either may
 * be blocked there.  What happens to whom when one of them goes is said in
 * kill_matrix_test.c; the processes themselves are in peer.h.
 */
#ifndef VDI_TEST_PROTOCOL_H
#define VDI_TEST_PROTOCOL_H

#include "link.h"
#include "peer.h"
#include "sleeper.h"

#define VT_AREA		VT_TRANSFER
#define VT_MARK(role)	(0xC0 + (role))	/* first touch: byte @role of the area */
#define VT_DATA		4096		/* the data of the command begins there */
#define VT_HALF		8192		/* and is written so far when somebody goes */
#define VT_BYTE		0x42

/**
 * struct vt_duo - A client and a server; one is the victim, one is here
 * @victim: the process that will go
 * @mine: what this process has
 * @role: of the victim, VDI_ROLE_CLIENT or VDI_ROLE_SERVER
 * @restore: the direction
 */
struct vt_duo {
	struct vt_peer victim;
	struct vt_page mine;
	u_int role;
	bool restore;
};

/* The call in which a second thread of this process is blocked. */
static struct vt_sleeper vt_blocked;
static union {
	struct vdi_command command;
	struct vdi_completion completion;
} vt_blocked_record;

/* Steps of either side; each gives 0 or the errno, and -1 for a wrong answer. */

static inline int vt_p_create(struct vt_page *p)
{
	return vt_create(p->fd, p->name, 1);
}

static inline int vt_p_open(struct vt_page *p)
{
	return vt_open(p->fd, p->name);
}

static inline int vt_p_begin(struct vt_page *p)
{
	struct vdi_begin_config b = VT_INIT(vdi_begin_config, .features = p->arg ?
					    VDI_FEAT_READ_MEDIA : VDI_FEAT_WRITE_MEDIA);

	return vt_call(p->fd, VDI_IOC_BEGIN_CONFIG, &b);
}

static inline int vt_p_end(struct vt_page *p)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = VT_AREA);

	return vt_call(p->fd, VDI_IOC_END_CONFIG, &e);
}

static inline int vt_p_config(struct vt_page *p)
{
	struct vdi_piece piece;
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)&piece,
					  .nr_pieces = 1);
	int err = vt_call(p->fd, VDI_IOC_GET_CONFIG, &g);

	if (err || g.out_pieces != 1)
		return err ?: -1;
	p->offset = piece.offset;
	p->size = piece.size;
	return 0;
}

static inline int vt_p_open_device(struct vt_page *p)
{
	p->dev[0] = vt_open_device(p->fd, p->name);
	return p->dev[0] < 0 ? -p->dev[0] : 0;
}

/* A server has not asked for the pieces yet. */
static inline int vt_p_map(struct vt_page *p)
{
	return vt_p_config(p) ?: vt_do_map(p);
}

static inline int vt_p_touch_client(struct vt_page *p)
{
	p->map[VDI_ROLE_CLIENT] = VT_MARK(VDI_ROLE_CLIENT);
	return 0;
}

static inline int vt_p_touch_server(struct vt_page *p)
{
	p->map[VDI_ROLE_SERVER] = VT_MARK(VDI_ROLE_SERVER);
	return 0;
}

/* p->arg: a restore. */
static inline int vt_p_send(struct vt_page *p)
{
	struct vdi_command c = { .code = p->arg ? VDI_CMD_READ : VDI_CMD_WRITE, .id = 1,
				 .length = VT_AREA - VT_DATA, .offset = p->offset + VT_DATA };
	unsigned int took;

	return vt_put(p->dev[0], &c, 1, &took);
}

/* All but the one that is there; and no more. */
static inline int vt_p_fill(struct vt_page *p)
{
	struct vdi_status s;
	unsigned int n;
	int err = vt_status(p->fd, &s);

	for (n = 1; !err && n < s.out_stat.ring_depth; n++)
		err = vt_p_send(p);
	return err ?: vt_p_send(p) == EXFULL ? 0 : -1;
}

static inline int vt_p_get(struct vt_page *p)
{
	return vt_get(p->dev[0], &p->command, VT_LONG);
}

/* One side writes half of the data, the other reads all of it. */
static inline int vt_p_write(struct vt_page *p)
{
	memset(p->map + VT_DATA, VT_BYTE, VT_HALF);
	return 0;
}

static inline int vt_p_complete(struct vt_page *p)
{
	return vt_complete(p->dev[0], 0, p->command.id, 0, p->command.length);
}

static inline int vt_p_collect(struct vt_page *p)
{
	int err = vt_collect(p->dev[0], &p->completion, VT_LONG);

	return err ?: p->completion.code ? -1 : 0;
}

static inline int vt_p_close_device(struct vt_page *p)
{
	return vt_close_device(p->dev[0]);
}

static inline int vt_p_see_close(struct vt_page *p)
{
	return vt_p_get(p) == ESHUTDOWN ? 0 : -1;
}

static inline int vt_p_close(struct vt_page *p)
{
	return vt_close(p->fd);
}

static inline int vt_p_unmap(struct vt_page *p)
{
	int err = munmap(p->map, p->size) ? errno : 0;

	p->map = NULL;
	return err;
}

/* What the other thread of a side is blocked in. */

static inline int vt_call_pause(struct vt_sleeper *s)
{
	(void)s;
	pause();
	return errno;
}

static inline int vt_block(struct vt_sleeper s)
{
	vt_blocked = s;
	return vt_sleep(&vt_blocked) ? 0 : -1;
}

static inline int vt_block_nowhere(struct vt_page *p)
{
	(void)p;
	return vt_block((struct vt_sleeper){ .call = vt_call_pause });
}

static inline int vt_block_config(struct vt_page *p)
{
	return vt_block((struct vt_sleeper){ .call = vt_call_get_config, .fd = p->fd });
}

static inline int vt_block_record(struct vt_page *p)
{
	return vt_block(vt_waiter(p->dev[0], &vt_blocked_record, 1, 1, VDI_TIME_INFINITE));
}

static inline int vt_block_poll(struct vt_page *p)
{
	return vt_block((struct vt_sleeper){ .call = vt_call_poll, .fd = p->dev[0],
					     .events = POLLIN });
}

/* Makes one side take a step, in whichever process it is. */
static inline int vt_at(struct vt_duo *d, u_int role, int (*fn)(struct vt_page *p))
{
	struct vt_page *p = role == d->role ? d->victim.page : &d->mine;

	p->arg = d->restore;
	return p == &d->mine ? fn(p) : vt_peer(&d->victim, fn);
}

#define C(fn)	vt_at(d, VDI_ROLE_CLIENT, fn)
#define S(fn)	vt_at(d, VDI_ROLE_SERVER, fn)
#define BOTH(fn) (C(fn) ?: S(fn))

static inline int vt_to_open(struct vt_duo *d)
{
	return BOTH(vt_do_open_node);
}

static inline int vt_to_create(struct vt_duo *d)
{
	return vt_to_open(d) ?: C(vt_p_create);
}

static inline int vt_to_server_open(struct vt_duo *d)
{
	return vt_to_create(d) ?: S(vt_p_open);
}

static inline int vt_to_configure(struct vt_duo *d)
{
	return vt_to_server_open(d) ?: S(vt_p_begin);
}

static inline int vt_to_publish(struct vt_duo *d)
{
	return vt_to_configure(d) ?: S(vt_p_end);
}

static inline int vt_to_get_config(struct vt_duo *d)
{
	return vt_to_publish(d) ?: C(vt_p_config);
}

static inline int vt_to_client_device(struct vt_duo *d)
{
	return vt_to_get_config(d) ?: C(vt_p_open_device);
}

static inline int vt_to_server_device(struct vt_duo *d)
{
	return vt_to_client_device(d) ?: S(vt_p_open_device);
}

static inline int vt_to_map(struct vt_duo *d)
{
	return vt_to_server_device(d) ?: BOTH(vt_p_map);
}

static inline int vt_to_touch(struct vt_duo *d)
{
	return vt_to_map(d) ?: C(vt_p_touch_client) ?: S(vt_p_touch_server);
}

/* In a backup it is the server that writes, before it sends. */
static inline int vt_to_send(struct vt_duo *d)
{
	return vt_to_touch(d) ?: (d->restore ? 0 : S(vt_p_write)) ?: S(vt_p_send);
}

static inline int vt_to_full(struct vt_duo *d)
{
	return vt_to_send(d) ?: S(vt_p_fill);
}

static inline int vt_to_taken(struct vt_duo *d)
{
	return vt_to_send(d) ?: C(vt_p_get);
}

static inline int vt_to_copied(struct vt_duo *d)
{
	return vt_to_taken(d) ?: d->restore ? C(vt_p_write) : 0;
}

static inline int vt_to_complete(struct vt_duo *d)
{
	return vt_to_copied(d) ?: C(vt_p_complete);
}

static inline int vt_to_read(struct vt_duo *d)
{
	return vt_to_complete(d) ?: S(vt_p_collect);
}

/* With a command that the client still has: the device is closing. */
static inline int vt_to_device_close(struct vt_duo *d)
{
	return vt_to_copied(d) ?: S(vt_p_close_device);
}

static inline int vt_to_close_seen(struct vt_duo *d)
{
	return vt_to_read(d) ?: S(vt_p_close_device) ?: C(vt_p_see_close);
}

static inline int vt_to_first_close(struct vt_duo *d)
{
	return vt_to_close_seen(d) ?: C(vt_p_close);
}

static inline int vt_to_unmap(struct vt_duo *d)
{
	return vt_to_first_close(d) ?: BOTH(vt_p_unmap);
}

static inline int vt_to_after_close(struct vt_duo *d)
{
	return vt_to_unmap(d) ?: S(vt_p_close);
}

#undef C
#undef S
#undef BOTH

enum vt_point {
	P_OPEN, P_CREATE, P_SERVER_OPEN, P_CONFIGURE, P_PUBLISH, P_GET_CONFIG, P_CLIENT_DEVICE,
	P_SERVER_DEVICE, P_MMAP, P_TOUCH, P_SEND, P_FULL, P_GET_BLOCKED, P_TAKEN, P_COPIED,
	P_COMPLETE, P_COLLECT_BLOCKED, P_READ, P_DEVICE_CLOSE, P_CLOSE_SEEN, P_FIRST_CLOSE,
	P_MUNMAP, P_AFTER_CLOSE, P_IDLE, VT_POINTS,
};

/**
 * struct vt_point_desc - A point of the protocol
 * @name: for people
 * @to: brings both sides there
 * @client: then blocks a thread of the client, or NULL
 * @server: of the server
 *
 * The order is that of the calls: CREATE holds the client's half of create,
 * configure and publish, so those are named here after the server's.
 */
static const struct vt_point_desc {
	const char *name;
	int (*to)(struct vt_duo *d);
	int (*client)(struct vt_page *p);
	int (*server)(struct vt_page *p);
} vt_points[VT_POINTS] = {
	[P_OPEN] = { "open", vt_to_open, NULL, NULL },
	[P_CREATE] = { "create", vt_to_create, vt_block_config, NULL },
	[P_SERVER_OPEN] = { "server open", vt_to_server_open, vt_block_config, NULL },
	[P_CONFIGURE] = { "configure", vt_to_configure, vt_block_config, NULL },
	[P_PUBLISH] = { "publish", vt_to_publish, NULL, NULL },
	[P_GET_CONFIG] = { "get config", vt_to_get_config, NULL, NULL },
	[P_CLIENT_DEVICE] = { "client open device", vt_to_client_device, vt_block_record, NULL },
	[P_SERVER_DEVICE] = { "server open device", vt_to_server_device, NULL, NULL },
	[P_MMAP] = { "mmap", vt_to_map, vt_block_record, NULL },
	[P_TOUCH] = { "first touch", vt_to_touch, vt_block_record, vt_block_record },
	[P_SEND] = { "send", vt_to_send, NULL, vt_block_record },
	[P_FULL] = { "ring full", vt_to_full, NULL, vt_block_record },
	[P_GET_BLOCKED] = { "GetCommand blocked", vt_to_touch, vt_block_record, NULL },
	[P_TAKEN] = { "command taken", vt_to_taken, NULL, NULL },
	[P_COPIED] = { "data copied", vt_to_copied, vt_block_record, NULL },
	[P_COMPLETE] = { "complete", vt_to_complete, vt_block_record, NULL },
	[P_COLLECT_BLOCKED] = { "collector blocked", vt_to_taken, NULL, vt_block_record },
	[P_READ] = { "completion read", vt_to_read, vt_block_record, vt_block_record },
	[P_DEVICE_CLOSE] = { "device close", vt_to_device_close, vt_block_record,
			     vt_block_record },
	[P_CLOSE_SEEN] = { "VD_E_CLOSE seen", vt_to_close_seen, NULL, NULL },
	[P_FIRST_CLOSE] = { "first set close", vt_to_first_close, NULL, NULL },
	[P_MUNMAP] = { "munmap", vt_to_unmap, NULL, NULL },
	[P_AFTER_CLOSE] = { "after close", vt_to_after_close, NULL, NULL },
	[P_IDLE] = { "idle", vt_to_read, vt_block_poll, vt_block_poll },
};

#endif /* VDI_TEST_PROTOCOL_H */
