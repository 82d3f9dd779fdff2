/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A peer: the other side of a set in a process of its own, that makes the calls
 * the test names one after the other, and can be killed between any two.  The
 * calls are functions of the test program, run there on a page that both share.
 */
#ifndef VDI_TEST_PEER_H
#define VDI_TEST_PEER_H

#include <sys/mman.h>
#include <sys/socket.h>

#include "child.h"

/**
 * struct vt_page - What test and peer share
 * @fn: what the peer runs next
 * @ret: what it returned
 * @arg: for @fn, set by the test
 * @acted_ns: just before the peer did what must wake a sleeper
 * @name: of the set
 * @offset: of the first piece of the area
 * @size: its size
 * @pids: processes that the peer has left behind
 * @fd: the peer's set handle
 * @dev: its device handles
 * @map: where it has mapped the first piece
 * @record: of the last record that it got: @command or @completion
 * @status: for STATUS in the peer
 */
struct vt_page {
	int (*fn)(struct vt_page *p);
	int ret;
	long arg;
	uint64_t acted_ns;
	char name[VDI_NAME_SIZE];
	uint64_t offset;
	uint64_t size;
	pid_t pids[4];
	int fd;
	int dev[VDI_MAX_DEVICES];
	unsigned char *map;
	struct vdi_command command;
	struct vdi_completion completion;
	struct vdi_status status;
};

struct vt_peer {
	struct vt_child child;
	struct vt_page *page;
};

static inline int vt_peer_main(struct vt_child *me, void *arg)
{
	struct vt_page *p = arg;
	unsigned char byte;

	while (read(me->from, &byte, 1) == 1) {
		p->ret = p->fn(p);
		if (!vt_tell(me, byte))
			break;
	}
	return 0;
}

static inline bool vt_peer_start_as(struct vt_peer *peer, uid_t uid, gid_t gid)
{
	peer->page = mmap(NULL, sizeof(*peer->page), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (peer->page == MAP_FAILED)
		return false;
	peer->page->fd = -1;
	return vt_start(&peer->child, uid, gid, vt_peer_main, peer->page);
}

static inline bool vt_peer_start(struct vt_peer *peer)
{
	return vt_peer_start_as(peer, VT_ROOT, VT_ROOT);
}

/* Makes the peer begin with @fn; does not wait for its end. */
static inline bool vt_peer_begin(struct vt_peer *peer, int (*fn)(struct vt_page *p))
{
	peer->page->fn = fn;
	return vt_tell(&peer->child, 1);
}

/* Runs @fn in the peer: what it returns, or -1 if the peer does not answer. */
static inline int vt_peer(struct vt_peer *peer, int (*fn)(struct vt_page *p))
{
	if (!vt_peer_begin(peer, fn) || vt_hear(&peer->child) != 1)
		return -1;
	return peer->page->ret;
}

static inline void vt_peer_kill(struct vt_peer *peer)
{
	peer->page->acted_ns = vt_now();
	kill(peer->child.pid, SIGKILL);
}

/* The end of the peer, and of those that it left behind. */
static inline void vt_peer_stop(struct vt_peer *peer)
{
	unsigned int i;

	if (!peer->child.pid)
		return;
	kill(peer->child.pid, SIGKILL);
	waitpid(peer->child.pid, NULL, 0);
	for (i = 0; i < ARRAY_SIZE(peer->page->pids); i++)
		if (peer->page->pids[i] > 0)
			kill(peer->page->pids[i], SIGKILL);
	peer->child.pid = 0;
}

/* Steps of a peer.  Each gives 0 or the errno. */

static inline int vt_do_open_node(struct vt_page *p)
{
	p->fd = vt_open_node();
	return p->fd < 0 ? errno : 0;
}

static inline int vt_do_create(struct vt_page *p)
{
	return vt_do_open_node(p) ?: vt_create(p->fd, p->name, p->arg ?: 1);
}

static inline int vt_do_open(struct vt_page *p)
{
	return vt_do_open_node(p) ?: vt_open(p->fd, p->name);
}

static inline int vt_do_open_secondary(struct vt_page *p)
{
	return vt_do_open_node(p) ?: vt_open_secondary(p->fd, p->name);
}

static inline int vt_do_configure(struct vt_page *p)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = p->size ?: VT_TRANSFER);
	int err = vt_begin(p->fd) ?: vt_call(p->fd, VDI_IOC_END_CONFIG, &e);

	p->offset = e.out_offset;
	p->size = e.out_size;
	return err;
}

/* Opens device p->arg. */
static inline int vt_do_open_device(struct vt_page *p)
{
	char name[VDI_NAME_SIZE];

	vt_device_name(name, p->name, p->arg);
	p->dev[p->arg] = vt_open_device(p->fd, name);
	return p->dev[p->arg] < 0 ? -p->dev[p->arg] : 0;
}

static inline int vt_do_map(struct vt_page *p)
{
	p->map = mmap(NULL, p->size, PROT_READ | PROT_WRITE, MAP_SHARED, p->fd, p->offset);
	return p->map == MAP_FAILED ? errno : 0;
}

/* Takes one command of device 0, waiting for it. */
static inline int vt_do_get(struct vt_page *p)
{
	return vt_get(p->dev[0], &p->command, VT_LONG);
}

/* Completes it with code p->arg. */
static inline int vt_do_complete(struct vt_page *p)
{
	return vt_complete(p->dev[0], 0, p->command.id, p->arg, 0);
}

/* Sends one command of id p->arg to device 0. */
static inline int vt_do_send(struct vt_page *p)
{
	return vt_send(p->dev[0], 0, VDI_CMD_FLUSH, p->arg);
}

static inline int vt_do_collect(struct vt_page *p)
{
	return vt_collect(p->dev[0], &p->completion, VT_LONG);
}

static inline int vt_do_close_device(struct vt_page *p)
{
	return vt_close_device(p->dev[p->arg]);
}

static inline int vt_do_abort(struct vt_page *p)
{
	p->acted_ns = vt_now();
	return vt_abort(p->fd);
}

static inline int vt_do_close(struct vt_page *p)
{
	p->acted_ns = vt_now();
	return vt_close(p->fd);
}

static inline int vt_do_status(struct vt_page *p)
{
	return vt_status(p->fd, &p->status);
}

/* Closes the set handle's descriptor, without CLOSE. */
static inline int vt_do_close_fd(struct vt_page *p)
{
	p->acted_ns = vt_now();
	return close(p->fd) ? errno : 0;
}

static inline int vt_do_exit(struct vt_page *p)
{
	p->acted_ns = vt_now();
	_exit(0);
}

static inline int vt_do_exec(struct vt_page *p)
{
	p->acted_ns = vt_now();
	execlp("sleep", "sleep", "600", NULL);
	return errno;
}

/* Leaves a child behind that has all our descriptors and lives on. */
static inline int vt_do_fork(struct vt_page *p)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, 0);
		for (;;)
			pause();
	}
	p->pids[0] = pid;
	return pid < 0 ? errno : 0;
}

/* Sends descriptor @fd into the socket @sock, where nobody reads it. */
static inline int vt_pass_fd(int sock, int fd)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} u = { .h = { .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET,
		       .cmsg_type = SCM_RIGHTS } };
	char byte = 0;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.space,
			    .msg_controllen = sizeof(u.space) };

	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	return sendmsg(sock, &m, 0) == 1 ? 0 : errno;
}

/* The descriptor that was passed into the socket @sock, or -1. */
static inline int vt_receive_fd(int sock)
{
	union {
		struct cmsghdr h;
		char space[CMSG_SPACE(sizeof(int))];
	} u;
	char byte;
	struct iovec v = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.space,
			    .msg_controllen = sizeof(u.space) };
	int fd;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	return fd;
}

/* Passes the set handle into the socket p->arg, which both processes have. */
static inline int vt_do_pass(struct vt_page *p)
{
	return vt_pass_fd(p->arg, p->fd);
}

/*
 * What a peer has whose other side has died while the set was Active: NULL if that
 * is so and it can close, else what is wrong.
 */
static inline const char *vt_peer_survives(struct vt_peer *peer, unsigned int reason)
{
	const struct vdi_set_stat *stat = &peer->page->status.out_stat;

	peer->page->arg = 0;
	if (vt_peer(peer, vt_do_status) || stat->state != VDI_STATE_ABORTED)
		return "the set is not aborted";
	if (stat->reason.reason != reason)
		return "it has another reason";
	if (vt_peer(peer, vt_do_get) != ECANCELED)
		return "EXCHANGE does not give ECANCELED";
	return vt_peer(peer, vt_do_close) ? "CLOSE fails" : NULL;
}

#endif /* VDI_TEST_PEER_H */
