// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be done in programs to any file and to mappings: passed on, waited for,
 * mapped, read, written.  The ioctls of the interface are in call.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "call.h"

#define PAGE		4096UL

int fz_send_fd(struct fz_self *self, const struct fz_call *c)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fd = fz_handle(self, c);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(FZ_FD_SOCKET + 2 * (fz_given(c, "to") % FZ_PROCS), &m,
		       MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

int fz_recv_fd(struct fz_self *self, const struct fz_call *c)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *h;
	int fd;

	if (recvmsg(FZ_FD_SOCKET + 2 * self->p + 1, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) < 0)
		return errno;
	h = CMSG_FIRSTHDR(&m);
	fd = -1;
	errno = EBADMSG;
	if (h && h->cmsg_type == SCM_RIGHTS)
		memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return fz_put(self, c, fd);
}

int fz_poll_fd(struct fz_self *self, const struct fz_call *c)
{
	struct pollfd p = { .fd = fz_handle(self, c), .events = fz_given(c, "events") };

	return poll(&p, 1, fz_given(c, "ms") % 50) < 0 ? errno : 0;
}

int fz_watch_fd(struct fz_self *self, const struct fz_call *c)
{
	struct epoll_event e = { .events = fz_given(c, "events") };
	int fd = epoll_create1(EPOLL_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, fz_handle(self, c), &e))
		err = errno;
	else
		epoll_wait(fd, &e, 1, 0);
	return err ?: fz_put(self, c, fd);
}

int fz_flags_of_fd(struct fz_self *self, const struct fz_call *c)
{
	int fd = fz_handle(self, c);

	if (fcntl(fd, F_SETFD, fz_given(c, "inherit") ? 0 : FD_CLOEXEC))
		return errno;
	return fcntl(fd, F_SETFL, fz_given(c, "nonblock") ? O_NONBLOCK : 0) ? errno : 0;
}

int fz_map(struct fz_self *self, const struct fz_call *c)
{
	const struct vdi_piece *p = &self->shared->piece[fz_given(c, "piece") % FZ_PIECES];
	size_t len = fz_given(c, "length") ?: p->size;
	uint64_t offset = fz_given(c, "piece") < FZ_PIECES ? p->offset : fz_given(c, "piece");
	int flags;
	void *at;

	if (!len || len > FZ_MAP_SIZE)
		len = PAGE;
	flags = fz_given(c, "flags") & (MAP_SHARED | MAP_PRIVATE | MAP_POPULATE);
	offset = (offset + fz_given(c, "more")) & ~(PAGE - 1);
	at = mmap(fz_map_at(self, fz_given(c, "map")), len, fz_given(c, "prot") & 7,
		  flags | MAP_FIXED, fz_handle(self, c), offset);
	return at == MAP_FAILED ? errno : 0;
}

/* A part of the room of one mapping. */
static char *part(struct fz_self *self, const struct fz_call *c, size_t *len)
{
	size_t first = fz_given(c, "page") % 32 * PAGE;

	*len = (fz_given(c, "pages") % 64 ?: 16) * PAGE;
	return fz_map_at(self, fz_given(c, "map")) + first;
}

int fz_on_map(struct fz_self *self, const struct fz_call *c)
{
	char *from = fz_map_at(self, fz_given(c, "map"));
	size_t len = 0;
	int ret = 0;

	switch (fz_ops[c->op].action) {
	case FZ_MUNMAP:
		/* what comes in its place is nothing, and not somebody else's */
		from = part(self, c, &len);
		ret = mmap(from, len, PROT_NONE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
		      MAP_FAILED;
		break;
	case FZ_MREMAP:
		len = (fz_given(c, "pages") % 512 ?: 16) * PAGE;
		ret = fz_given(c, "to") % FZ_MAPS == fz_given(c, "map") % FZ_MAPS ||
		      mremap(from, len, len, MREMAP_FIXED | MREMAP_MAYMOVE,
			     fz_map_at(self, fz_given(c, "to"))) == MAP_FAILED;
		break;
	case FZ_MPROTECT:
		from = part(self, c, &len);
		ret = mprotect(from, len, fz_given(c, "prot") & 7);
		break;
	case FZ_MADVISE:
		from = part(self, c, &len);
		ret = madvise(from, len, fz_given(c, "advice"));
		break;
	default:
		break;
	}
	return ret ? errno : 0;
}

/* By a system call, which fails where the program itself would be hit by a signal. */
int fz_touch(struct fz_self *self, const struct fz_call *c)
{
	char *at = fz_map_at(self, fz_given(c, "map"));
	int fd[2], ret;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return errno;
	ret = write(fd[1], fz_given(c, "write") ? self->buffer : at, 512) < 0 ? errno : 0;
	if (!ret && fz_given(c, "write"))
		ret = read(fd[0], at, 512) < 0 ? errno : 0;
	close(fd[0]);
	close(fd[1]);
	return ret;
}

static size_t length(const struct fz_call *c)
{
	uint64_t n = fz_given(c, "length");

	return n <= FZ_BUFFER / 2 ? n : n % (FZ_BUFFER / 2);
}

int fz_transfer(struct fz_self *self, const struct fz_call *c)
{
	char *buf = fz_memory(self, fz_given(c, "ptr"), 8 * PAGE, length(c));
	bool writes = fz_ops[c->op].action == FZ_WRITE;
	off_t at = fz_given(c, "at");
	int fd = fz_handle(self, c);
	ssize_t n;

	if (at)
		n = writes ? pwrite(fd, buf, length(c), at) : pread(fd, buf, length(c), at);
	else
		n = writes ? write(fd, buf, length(c)) : read(fd, buf, length(c));
	return n < 0 ? errno : 0;
}

int fz_splice_fd(struct fz_self *self, const struct fz_call *c)
{
	size_t len = length(c) < 65536 ? length(c) : 65536;
	int fd[2], ret;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return errno;
	if (fz_given(c, "write"))
		ret = write(fd[1], self->buffer, len) < 0 ? errno :
		      splice(fd[0], NULL, fz_handle(self, c), NULL, len, 0) < 0 ? errno : 0;
	else
		ret = splice(fz_handle(self, c), NULL, fd[1], NULL, len, 0) < 0 ? errno : 0;
	close(fd[0]);
	close(fd[1]);
	return ret;
}

int fz_close_fd(struct fz_self *self, const struct fz_call *c)
{
	int fd = atomic_exchange(&self->proc->fd[fz_given(c, "h") % FZ_SLOTS], -1);

	return fd < FZ_FD_FIRST ? EBADF : close(fd) ? errno : 0;
}

int fz_on_fd(struct fz_self *self, const struct fz_call *c)
{
	int fd = fz_handle(self, c);

	switch (fz_ops[c->op].action) {
	case FZ_DUP:
		return fz_put(self, c, fcntl(fd, F_DUPFD_CLOEXEC, FZ_FD_FIRST));
	case FZ_SEEK:
		return lseek(fd, fz_given(c, "to"), fz_given(c, "whence")) < 0 ? errno : 0;
	case FZ_SYNC:
		return fsync(fd) ? errno : 0;
	default:
		return 0;
	}
}
