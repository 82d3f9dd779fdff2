/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A link: both ends of a set in one process, configured, with its devices open
 * on both sides, so that a test can play client and server step by step.  What
 * the steps give is the test's to say.  Other processes are in peer.h.
 */
#ifndef VDI_TEST_LINK_H
#define VDI_TEST_LINK_H

#include <sys/mman.h>

#include "vdi_test.h"

/**
 * struct vt_link - A set with both ends here
 * @create: what the client asks for; bend it between vt_link_init and _up
 * @begin: what the server answers
 * @area: bytes of buffer area to ask for
 * @client: set handle of the client
 * @server: set handle of the server
 * @n: number of devices
 * @cdev: device handles of the client
 * @sdev: device handles of the server
 * @offset: where the first piece begins
 * @size: its size
 */
struct vt_link {
	struct vdi_create create;
	struct vdi_begin_config begin;
	uint64_t area;
	int client;
	int server;
	int n;
	int cdev[VDI_MAX_DEVICES];
	int sdev[VDI_MAX_DEVICES];
	uint64_t offset;
	uint64_t size;
};

static inline void vt_link_init(struct vt_link *l, unsigned int devices)
{
	char name[VDI_NAME_SIZE];

	vt_name(name);
	*l = (struct vt_link){ .client = -1, .server = -1, .n = devices };
	l->create = vt_create_args(name, devices);
	l->begin = VT_INIT(vdi_begin_config, .features = VDI_FEAT_WRITE_MEDIA);
	l->area = (uint64_t)devices * VT_TRANSFER;
}

/* Everything up to END_CONFIG: 0 or the errno of the step that failed. */
static inline int vt_link_configure(struct vt_link *l)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = l->area);
	int err;

	l->client = vt_open_node();
	l->server = vt_open_node();
	if (l->client < 0 || l->server < 0)
		return errno;
	err = vt_call(l->client, VDI_IOC_CREATE, &l->create);
	err = err ?: vt_open(l->server, l->create.name);
	err = err ?: vt_call(l->server, VDI_IOC_BEGIN_CONFIG, &l->begin);
	err = err ?: vt_call(l->server, VDI_IOC_END_CONFIG, &e);
	l->offset = e.out_offset;
	l->size = e.out_size;
	return err;
}

static inline int vt_link_open_devices(struct vt_link *l)
{
	char name[VDI_NAME_SIZE];
	int i;

	for (i = 0; i < l->n; i++) {
		vt_device_name(name, l->create.name, i);
		l->sdev[i] = vt_open_device(l->server, name);
		if (l->sdev[i] < 0)
			return -l->sdev[i];
		l->cdev[i] = vt_open_device(l->client, name);
		if (l->cdev[i] < 0)
			return -l->cdev[i];
	}
	return 0;
}

static inline int vt_link_up(struct vt_link *l)
{
	return vt_link_configure(l) ?: vt_link_open_devices(l);
}

/* A whole piece, or NULL. */
static inline void *vt_map(int fd, uint64_t offset, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	return p == MAP_FAILED ? NULL : p;
}

/* A command that moves no data; the tests tell them apart by their ids. */
static inline struct vdi_command vt_flush(unsigned int device, uint64_t id)
{
	return (struct vdi_command){ .device = device, .code = VDI_CMD_FLUSH, .id = id };
}

static inline void vt_flushes(struct vdi_command *c, unsigned int n, unsigned int device,
			      uint64_t first)
{
	unsigned int i;

	for (i = 0; i < n; i++)
		c[i] = vt_flush(device, first + i);
}

/* The answer that a client gives to a command that it got. */
static inline struct vdi_completion vt_answer(const struct vdi_command *c, unsigned int code)
{
	return (struct vdi_completion){
		.device = c->device, .code = code, .id = c->id,
		.result = c->code == VDI_CMD_READ || c->code == VDI_CMD_WRITE ? c->length : 0,
	};
}

/* Hands over @n records and takes none: 0, or the errno; *@took says how many. */
static inline int vt_put(int fd, void *in, unsigned int n, unsigned int *took)
{
	struct vdi_exchange x;
	int err = vt_exchange(fd, &x, in, n, NULL, 0, 0, 0);

	if (took)
		*took = err ? 0 : x.out_accepted;
	return err ?: (int)x.out_refused;
}

/* Takes what is there, at most @n, without waiting: how many, or -errno. */
static inline int vt_take(int fd, void *out, unsigned int n)
{
	struct vdi_exchange x;
	int err = vt_exchange(fd, &x, NULL, 0, out, n, 0, 0);

	return err ? -err : (int)x.out_delivered;
}

/* Sends @n commands of ids @first.. and lets the client take @taken of them. */
static inline int vt_link_load(struct vt_link *l, int device, unsigned int n, uint64_t first,
			       struct vdi_command *got, unsigned int taken)
{
	struct vdi_command c[VDI_MAX_DEVICES * 4];
	unsigned int took;
	int err, r;

	vt_flushes(c, n, device, first);
	err = vt_put(l->sdev[device], c, n, &took);
	if (err || took != n)
		return err ?: -1;
	r = taken ? vt_take(l->cdev[device], got, taken) : 0;
	return r == (int)taken ? 0 : r < 0 ? -r : -1;
}

static inline uint64_t vt_sleeps(int fd)
{
	struct vdi_status s;

	return vt_status(fd, &s) ? ~0ULL : s.out_stat.sleeps;
}

/* VDI_REASON_* of the set, or -errno. */
static inline int vt_reason(int fd)
{
	struct vdi_status s;
	int err = vt_status(fd, &s);

	return err ? -err : (int)s.out_stat.reason.reason;
}

/* Who aborted it: VDI_ROLE_*, or -errno. */
static inline int vt_reason_role(int fd)
{
	struct vdi_status s;
	int err = vt_status(fd, &s);

	return err ? -err : (int)s.out_stat.reason.who.role;
}

/* queue: a link of one device. */
FIXTURE(queue) {
	struct vt_link l;
	int client;		/* the device handles */
	int server;
};

FIXTURE_SETUP(queue)
{
	vt_link_init(&self->l, 1);
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->client = self->l.cdev[0];
	self->server = self->l.sdev[0];
}

FIXTURE_TEARDOWN(queue)
{
	vt_baseline(_metadata);
}

#endif /* VDI_TEST_LINK_H */
