/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Traffic: both sides of a device busy with blocks that are checked, in order,
 * each once, while a test disturbs them.  Interruptions are counted and mended;
 * what disturbs, and where the two sides run, is the test's.
 */
#ifndef VDI_TEST_TRAFFIC_H
#define VDI_TEST_TRAFFIC_H

#include <stdatomic.h>

#include "link.h"

#define VT_TRAFFIC_BLOCK	512U
#define VT_TRAFFIC_SLOTS	64U	/* in flight, as many as a ring holds by default */
#define VT_TRAFFIC_CHUNK	8U
#define VT_TRAFFIC_AREA		(VT_TRAFFIC_SLOTS * VT_TRAFFIC_BLOCK)

/**
 * struct vt_traffic - One side
 * @fd: its device handle
 * @map: its mapping of the area, of VT_TRAFFIC_AREA bytes
 * @offset: of the area's first piece
 * @total: commands
 * @done: of them, so far
 * @interrupted: calls that gave EINTR
 * @err: the errno that ended it; -1 if a block was wrong, -2 if one was lost or
 *	came twice
 */
struct vt_traffic {
	int fd;
	unsigned char *map;
	uint64_t offset;
	unsigned int total;
	atomic_uint done;
	unsigned int interrupted;
	int err;
};

static inline unsigned char vt_traffic_byte(unsigned int i)
{
	return i * 7 + i / 256;
}

static inline bool vt_traffic_good(const unsigned char *block, unsigned int i)
{
	unsigned int n;

	for (n = 0; n < VT_TRAFFIC_BLOCK; n++)
		if (block[n] != vt_traffic_byte(i))
			return false;
	return true;
}

/* An interruption took nothing along. */
static inline bool vt_traffic_again(struct vt_traffic *t)
{
	if (t->err != EINTR)
		return false;
	t->err = 0;
	t->interrupted++;
	return true;
}

/* The client: checks the blocks and completes them. */
static inline void *vt_traffic_client(void *arg)
{
	struct vdi_completion d[VT_TRAFFIC_CHUNK];
	struct vdi_command c[VT_TRAFFIC_CHUNK];
	struct vt_traffic *t = arg;
	unsigned int i, n = 0, next = 0;
	struct vdi_exchange x;

	while (!t->err && (n || next < t->total)) {
		t->err = vt_exchange(t->fd, &x, d, n, c, VT_TRAFFIC_CHUNK, next < t->total,
				     VT_LONG);
		if (vt_traffic_again(t))
			continue;
		if (t->err)
			break;
		/* a call that only accepted is told so, and goes on with nothing in hand */
		if (x.out_refused || x.out_accepted != n)
			t->err = x.out_refused ? (int)x.out_refused : -2;
		n = x.out_delivered;
		for (i = 0; i < n; i++, next++) {
			if (c[i].position != next)
				t->err = -2;
			else if (!vt_traffic_good(t->map + c[i].offset - t->offset, next))
				t->err = -1;
			d[i] = vt_answer(&c[i], 0);
		}
		atomic_store(&t->done, next);
	}
	return NULL;
}

/* The server: fills the blocks, of which a slot is free when its last was completed. */
static inline void *vt_traffic_server(void *arg)
{
	struct vdi_completion d[VT_TRAFFIC_CHUNK];
	struct vdi_command c[VT_TRAFFIC_CHUNK];
	struct vt_traffic *t = arg;
	unsigned int i, n, slot, sent = 0, done = 0;
	struct vdi_exchange x;

	while (!t->err && done < t->total) {
		n = t->total - sent < VT_TRAFFIC_CHUNK ? t->total - sent : VT_TRAFFIC_CHUNK;
		if (n > VT_TRAFFIC_SLOTS - (sent - done))
			n = VT_TRAFFIC_SLOTS - (sent - done);
		for (i = 0; i < n; i++) {
			slot = (sent + i) % VT_TRAFFIC_SLOTS * VT_TRAFFIC_BLOCK;
			memset(t->map + slot, vt_traffic_byte(sent + i), VT_TRAFFIC_BLOCK);
			c[i] = (struct vdi_command){
				.code = VDI_CMD_WRITE, .length = VT_TRAFFIC_BLOCK,
				.id = sent + i, .offset = t->offset + slot,
				.position = sent + i,
			};
		}
		t->err = vt_exchange(t->fd, &x, c, n, d, VT_TRAFFIC_CHUNK, 1, VT_LONG);
		if (vt_traffic_again(t))
			continue;
		if (t->err)
			break;
		if (x.out_refused)
			t->err = x.out_refused;
		for (i = 0; i < x.out_delivered; i++)
			if (d[i].id != done + i || d[i].code || d[i].result != VT_TRAFFIC_BLOCK)
				t->err = -2;
		sent += x.out_accepted;
		done += x.out_delivered;
		atomic_store(&t->done, done);
	}
	return NULL;
}

#endif /* VDI_TEST_TRAFFIC_H */
