// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries out one call of a program, in the thread that shall make it.  Touches
 * descriptors, mappings and processes of the fuzzer only.  When a call's turn is
 * and what becomes of the process is worker.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "run.h"

#define PAGE		4096UL
#define RECORDS		64

static uint64_t given(const struct fz_call *c, const char *name)
{
	const struct fz_op *op = &fz_ops[c->op];
	unsigned int i;

	for (i = 0; i < FZ_ARGS && op->params[i].name; i++)
		if (!strcmp(op->params[i].name, name))
			return c->arg[i];
	abort();	/* the grammar has no such argument */
}

static int handle(const struct fz_self *self, const struct fz_call *c)
{
	return atomic_load(&self->proc->fd[given(c, "h") % FZ_SLOTS]);
}

/* Puts a new descriptor, or the errno, where the program will look for it. */
static int put(struct fz_self *self, const struct fz_call *c, int fd)
{
	int old;

	if (fd < 0)
		return errno;
	old = atomic_exchange(&self->proc->fd[given(c, "dst") % FZ_SLOTS], fd);
	if (old >= FZ_FD_FIRST && old != fd)
		close(old);
	return 0;
}

static uint64_t deadline(uint64_t ms)
{
	struct timespec ts;

	if (!ms || ms == VDI_TIME_INFINITE)
		return ms;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec + ms * 1000000ULL;
}

static char *map_at(const struct fz_self *self, uint64_t map)
{
	return self->maps + map % FZ_MAPS * FZ_MAP_SIZE;
}

/* Memory for @len bytes: good, or bad in one of the ways there are. */
static void *memory(struct fz_self *self, uint64_t how, size_t at, size_t len)
{
	char *end = self->buffer + FZ_BUFFER;

	switch (how) {
	case 0:
		return self->buffer + at;
	case 1:
		return NULL;
	case 2:
		return (void *)8;
	case 3:			/* ends where nothing is mapped */
		return end - (len / 2 & ~7UL) - 8;
	case 4:			/* the buffer area itself */
		return map_at(self, 0);
	case 5:
		return (void *)~0xfffUL;
	default:		/* not aligned */
		return self->buffer + at + 1;
	}
}

/* An array has another order: nothing is what stands for NULL. */
static uint64_t array(struct fz_self *self, uint64_t how, size_t at, size_t len)
{
	return (uintptr_t)memory(self, how == 0 ? 1 : how == 1 ? 0 : how, at, len);
}

static void store(char *at, uint64_t value, unsigned int width)
{
	memcpy(at, &value, width);	/* little-endian, as this machine is */
}

/* The structure of an ioctl, as the program says. */
static char *structure(struct fz_self *self, const struct fz_call *c)
{
	const struct fz_op *op = &fz_ops[c->op];
	char *arg = memory(self, 0, 0, op->size);
	unsigned int i;

	memset(arg, 0, 2 * PAGE);
	for (i = 0; i < FZ_ARGS && op->params[i].name; i++) {
		const struct fz_param *f = &op->params[i];
		uint64_t v = c->arg[i];

		if (!f->width)
			continue;
		switch (f->kind) {
		case FZ_INSTANCE:
			if (!v)
				continue;
			/* fall through */
		case FZ_NAME:
		case FZ_TEXT:
			strncpy(arg + f->offset, f->kind == FZ_TEXT && !v ? "" : fz_name(v),
				f->width);
			continue;
		case FZ_SIZE:
			if (v & 0x10000)
				arg[op->size] = 1;
			v = v ? v & 0xffff : op->size;
			break;
		case FZ_DEADLINE:
			v = deadline(v);
			break;
		case FZ_ARRAY:
			v = array(self, v, 16 * PAGE, 256);
			break;
		default:
			break;
		}
		store(arg + f->offset, v, f->width);
	}
	return arg;
}

static int request(struct fz_self *self, const struct fz_call *c, char *arg)
{
	const struct fz_op *op = &fz_ops[c->op];
	uint64_t how = given(c, "ptr");
	char *to = memory(self, how, 0, op->size);

	if (how == 3 || how == 6)
		memmove(to, arg, how == 3 ? (size_t)(self->buffer + FZ_BUFFER - to) : op->size);
	return ioctl(handle(self, c), op->request, to) < 0 ? errno : 0;
}

static void learn_piece(struct fz_shared *s, uint64_t offset, uint64_t size)
{
	unsigned int n = atomic_fetch_add(&s->nr_pieces, 1);

	s->piece[n % FZ_PIECES] = (struct vdi_piece){ offset, size };
}

/* What later calls can refer to. */
static int learn(struct fz_self *self, const struct fz_call *c, const char *arg)
{
	const struct vdi_get_config *got = (const void *)arg;
	const struct vdi_end_config *made = (const void *)arg;
	struct vdi_status st = { .size = sizeof(st) };

	switch (fz_ops[c->op].request) {
	case VDI_IOC_CREATE:
		if (!(((const struct vdi_create *)arg)->flags & VDI_CREATE_F_NODES) ||
		    ioctl(handle(self, c), VDI_IOC_STATUS, &st))
			return 0;
		atomic_store(&self->shared->first_node, st.out_stat.first_node);
		return 0;
	case VDI_IOC_END_CONFIG:
	case VDI_IOC_GROW_AREA:		/* the same form */
		learn_piece(self->shared, made->out_offset, made->out_size);
		return 0;
	case VDI_IOC_GET_CONFIG:
		if (got->out_pieces && !atomic_load(&self->shared->nr_pieces) && got->pieces) {
			const struct vdi_piece *p = (const void *)(uintptr_t)got->pieces;

			learn_piece(self->shared, p->offset, p->size);
		}
		return 0;
	case VDI_IOC_OPEN_DEVICE:
		return put(self, c, ((const struct vdi_open_device *)arg)->out_fd);
	}
	return 0;
}

static int plain_ioctl(struct fz_self *self, const struct fz_call *c)
{
	char *arg = structure(self, c);
	int err = request(self, c, arg);

	/* from another place than the good one only what the kernel made of it is known */
	if (!err && !given(c, "ptr"))
		return learn(self, c, arg);
	return err;
}

static void fill_commands(const struct fz_call *c, struct vdi_command *r)
{
	uint64_t length = given(c, "length"), offset = given(c, "offset");
	unsigned int i;

	for (i = 0; i < RECORDS; i++)
		r[i] = (struct vdi_command){
			.kind = given(c, "kind"), .device = given(c, "device"),
			.code = given(c, "code"), .length = length, .id = i,
			.offset = offset + (length < 1 << 20 ? i * length : 0),
			.position = given(c, "position"),
		};
}

/* Answers what was delivered last; or something else, if the program says so. */
static void fill_completions(struct fz_self *self, const struct fz_call *c,
			     struct vdi_completion *r)
{
	unsigned int n = atomic_load(&self->shared->nr_got), i;
	uint64_t nr = given(c, "nr_in"), id = given(c, "id");

	for (i = 0; i < RECORDS; i++) {
		const struct vdi_command *k =
			&self->shared->got[(n - (nr < RECORDS ? nr : RECORDS) + i) % FZ_GOT];

		r[i] = (struct vdi_completion){
			.kind = given(c, "kind"), .device = k->device ^ given(c, "device"),
			.code = given(c, "answer"), .id = k->id ^ id,
			.result = k->length - given(c, "length"),
			.__reserved = given(c, "position") == 3,
		};
	}
}

static void learn_commands(struct fz_shared *s, const struct vdi_command *r, unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n && i < RECORDS; i++)
		if (r[i].kind == VDI_KIND_COMMAND)
			s->got[atomic_fetch_add(&s->nr_got, 1) % FZ_GOT] = r[i];
}

static int exchange(struct fz_self *self, const struct fz_call *c)
{
	struct vdi_exchange *x = (void *)structure(self, c);
	size_t at = 4 * PAGE;
	char *in = memory(self, 0, at, 0), *out = in + 4 * PAGE;
	int err;

	if (given(c, "completions"))
		fill_completions(self, c, (void *)in);
	else
		fill_commands(c, (void *)in);
	memset(out, 0, RECORDS * sizeof(struct vdi_command));
	x->in = array(self, given(c, "in"), at, 64);
	x->out = array(self, given(c, "out"), at + 4 * PAGE, 64);
	if (given(c, "in") == 4)	/* in part in memory that is none */
		memcpy((void *)(uintptr_t)x->in, in, 40);
	err = request(self, c, (void *)x);
	if (!err && !given(c, "ptr") && given(c, "out") == 1 && !given(c, "completions"))
		learn_commands(self->shared, (void *)out, x->out_delivered);
	if (!err && !given(c, "ptr") && given(c, "out") == 1 && given(c, "completions"))
		learn_commands(self->shared, (void *)out, x->out_delivered);
	return err ?: !given(c, "ptr") ? (int)x->out_refused : 0;
}

/* A client as there are many: get one, answer it. */
static int serve(struct fz_self *self, const struct fz_call *c)
{
	unsigned int n = given(c, "n") % 65, nth = given(c, "nth"), i;
	uint64_t wait = deadline(given(c, "deadline") % 100);
	struct vdi_command k;
	struct vdi_completion done;
	struct vdi_exchange x;
	int err = 0;

	for (i = 0; i < n && !err; i++) {
		x = (struct vdi_exchange){ .size = sizeof(x), .out = (uintptr_t)&k, .nr_out = 1,
					   .min = 1, .deadline_ns = wait };
		if (ioctl(handle(self, c), VDI_IOC_EXCHANGE, &x) < 0)
			return errno;
		if (!x.out_delivered || k.kind != VDI_KIND_COMMAND)
			continue;
		learn_commands(self->shared, &k, 1);
		done = (struct vdi_completion){ .device = k.device, .id = k.id };
		if (k.code == VDI_CMD_READ || k.code == VDI_CMD_WRITE)
			done.result = k.length;
		if (!nth || nth == i + 1) {
			done.code = given(c, "answer");
			if (given(c, "result") < done.result)
				done.result -= given(c, "result");
			else if (k.code == VDI_CMD_GET_POSITION || k.code == VDI_CMD_SET_POSITION)
				done.result = given(c, "result");
		}
		x = (struct vdi_exchange){ .size = sizeof(x), .in = (uintptr_t)&done, .nr_in = 1 };
		err = ioctl(handle(self, c), VDI_IOC_EXCHANGE, &x) < 0 ? errno : 0;
	}
	return err;
}

static int open_unit(struct fz_self *self, const struct fz_call *c)
{
	uint64_t unit = given(c, "unit");
	char path[64];

	/* the modes that the grammar has, and no file but a node */
	snprintf(path, sizeof(path), VDI_NODE_PREFIX "%u",
		 atomic_load(&self->shared->first_node) + (unsigned int)(unit ? unit - 1 : 0));
	return put(self, c, open(path, given(c, "mode") & (O_ACCMODE | O_NONBLOCK | O_SYNC |
							   O_DIRECT)));
}

static int send_fd(struct fz_self *self, const struct fz_call *c)
{
	char space[CMSG_SPACE(sizeof(int))] = "", byte = 0;
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int fd = handle(self, c);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(h), &fd, sizeof(fd));
	return sendmsg(FZ_FD_SOCKET + 2 * (given(c, "to") % FZ_PROCS), &m,
		       MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

static int recv_fd(struct fz_self *self, const struct fz_call *c)
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
	if (!h || h->cmsg_type != SCM_RIGHTS)
		return EBADMSG;
	memcpy(&fd, CMSG_DATA(h), sizeof(fd));
	return put(self, c, fd);
}

static int poll_fd(struct fz_self *self, const struct fz_call *c)
{
	struct pollfd p = { .fd = handle(self, c), .events = given(c, "events") };

	return poll(&p, 1, given(c, "ms") % 50) < 0 ? errno : 0;
}

static int watch_fd(struct fz_self *self, const struct fz_call *c)
{
	struct epoll_event e = { .events = given(c, "events") };
	int fd = epoll_create1(EPOLL_CLOEXEC), err = 0;

	if (fd < 0)
		return errno;
	if (epoll_ctl(fd, EPOLL_CTL_ADD, handle(self, c), &e))
		err = errno;
	else
		epoll_wait(fd, &e, 1, 0);
	return err ?: put(self, c, fd);
}

static int flags_of_fd(struct fz_self *self, const struct fz_call *c)
{
	int fd = handle(self, c);

	if (fcntl(fd, F_SETFD, given(c, "inherit") ? 0 : FD_CLOEXEC))
		return errno;
	return fcntl(fd, F_SETFL, given(c, "nonblock") ? O_NONBLOCK : 0) ? errno : 0;
}

static int map(struct fz_self *self, const struct fz_call *c)
{
	const struct vdi_piece *p = &self->shared->piece[given(c, "piece") % FZ_PIECES];
	size_t len = given(c, "length") ?: p->size;
	uint64_t offset = given(c, "piece") < FZ_PIECES ? p->offset : given(c, "piece");

	if (!len || len > FZ_MAP_SIZE)
		len = PAGE;
	return mmap(map_at(self, given(c, "map")), len, given(c, "prot") & 7,
		    (given(c, "flags") & (MAP_SHARED | MAP_PRIVATE | MAP_POPULATE)) | MAP_FIXED,
		    handle(self, c), (offset + given(c, "more")) & ~(PAGE - 1)) == MAP_FAILED ?
	       errno : 0;
}

/* A part of the room of one mapping. */
static char *part(struct fz_self *self, const struct fz_call *c, size_t *len)
{
	size_t first = given(c, "page") % 32 * PAGE;

	*len = (given(c, "pages") % 64 ?: 16) * PAGE;
	return map_at(self, given(c, "map")) + first;
}

static int on_map(struct fz_self *self, const struct fz_call *c)
{
	char *from = map_at(self, given(c, "map"));
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
		len = (given(c, "pages") % 512 ?: 16) * PAGE;
		ret = given(c, "to") % FZ_MAPS == given(c, "map") % FZ_MAPS ||
		      mremap(from, len, len, MREMAP_FIXED | MREMAP_MAYMOVE,
			     map_at(self, given(c, "to"))) == MAP_FAILED;
		break;
	case FZ_MPROTECT:
		from = part(self, c, &len);
		ret = mprotect(from, len, given(c, "prot") & 7);
		break;
	case FZ_MADVISE:
		from = part(self, c, &len);
		ret = madvise(from, len, given(c, "advice"));
		break;
	default:
		break;
	}
	return ret ? errno : 0;
}

/* By a system call, which fails where the program itself would be hit by a signal. */
static int touch(struct fz_self *self, const struct fz_call *c)
{
	char *at = map_at(self, given(c, "map"));
	int fd[2], ret;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return errno;
	ret = write(fd[1], given(c, "write") ? self->buffer : at, 512) < 0 ? errno : 0;
	if (!ret && given(c, "write"))
		ret = read(fd[0], at, 512) < 0 ? errno : 0;
	close(fd[0]);
	close(fd[1]);
	return ret;
}

static size_t length(const struct fz_call *c)
{
	uint64_t n = given(c, "length");

	return n <= FZ_BUFFER / 2 ? n : n % (FZ_BUFFER / 2);
}

static int transfer(struct fz_self *self, const struct fz_call *c)
{
	char *buf = memory(self, given(c, "ptr"), 8 * PAGE, length(c));
	bool writes = fz_ops[c->op].action == FZ_WRITE;
	off_t at = given(c, "at");
	int fd = handle(self, c);
	ssize_t n;

	if (at)
		n = writes ? pwrite(fd, buf, length(c), at) : pread(fd, buf, length(c), at);
	else
		n = writes ? write(fd, buf, length(c)) : read(fd, buf, length(c));
	return n < 0 ? errno : 0;
}

static int splice_fd(struct fz_self *self, const struct fz_call *c)
{
	size_t len = length(c) < 65536 ? length(c) : 65536;
	int fd[2], ret;

	if (pipe2(fd, O_CLOEXEC | O_NONBLOCK))
		return errno;
	if (given(c, "write"))
		ret = write(fd[1], self->buffer, len) < 0 ? errno :
		      splice(fd[0], NULL, handle(self, c), NULL, len, 0) < 0 ? errno : 0;
	else
		ret = splice(handle(self, c), NULL, fd[1], NULL, len, 0) < 0 ? errno : 0;
	close(fd[0]);
	close(fd[1]);
	return ret;
}

static int send_signal(struct fz_self *self, const struct fz_call *c)
{
	struct fz_proc *to = &self->shared->proc[given(c, "to") % FZ_PROCS];
	int sig = given(c, "signal"), pid = atomic_load(&to->pid), t;

	if (pid <= 1 || (sig != SIGUSR1 && sig != SIGUSR2 && sig != SIGKILL && sig != SIGSTOP &&
			 sig != SIGCONT))
		return ESRCH;
	if (sig == SIGKILL)
		for (t = 0; t < FZ_THREADS; t++)
			atomic_store(&to->here[t], false);
	return kill(pid, sig) ? errno : 0;
}

/* A request of another kind.  Those of sockets, terminals and files would do things. */
static int bad_ioctl(struct fz_self *self, const struct fz_call *c)
{
	unsigned int nr = given(c, "request");

	return ioctl(handle(self, c), (VDI_IOC_TYPE << 8 | (nr & 0xff)) ^ (nr & 0xc0000000),
		     memory(self, 0, 0, 0)) < 0 ? errno : 0;
}

static int close_fd(struct fz_self *self, const struct fz_call *c)
{
	int fd = atomic_exchange(&self->proc->fd[given(c, "h") % FZ_SLOTS], -1);

	return fd < FZ_FD_FIRST ? EBADF : close(fd) ? errno : 0;
}

static void __attribute__((noreturn)) end_process(struct fz_self *self, const struct fz_call *c)
{
	unsigned int t;

	for (t = 0; t < FZ_THREADS; t++)
		atomic_store(&self->proc->here[t], false);
	_exit(given(c, "status"));
}

static int unshare_files(struct fz_self *self)
{
	/* its table is gone only with the thread */
	atomic_store(&self->proc->transient, true);
	return unshare(CLONE_FILES) ? errno : 0;
}

static int carry_out(struct fz_self *self, unsigned int index)
{
	const struct fz_call *c = &self->shared->program.call[index];

	switch (fz_ops[c->op].action) {
	case FZ_IOCTL:		return plain_ioctl(self, c);
	case FZ_EXCHANGE:	return exchange(self, c);
	case FZ_SERVE:		return serve(self, c);
	case FZ_OPEN_NODE:	return put(self, c, open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC |
					(given(c, "nonblock") ? O_NONBLOCK : 0)));
	case FZ_OPEN_UNIT:	return open_unit(self, c);
	case FZ_CLOSE_FD:	return close_fd(self, c);
	case FZ_DUP:		return put(self, c, fcntl(handle(self, c), F_DUPFD_CLOEXEC,
							  FZ_FD_FIRST));
	case FZ_FCNTL:		return flags_of_fd(self, c);
	case FZ_SEND_FD:	return send_fd(self, c);
	case FZ_RECV_FD:	return recv_fd(self, c);
	case FZ_POLL:		return poll_fd(self, c);
	case FZ_EPOLL:		return watch_fd(self, c);
	case FZ_MMAP:		return map(self, c);
	case FZ_MUNMAP:
	case FZ_MREMAP:
	case FZ_MPROTECT:
	case FZ_MADVISE:	return on_map(self, c);
	case FZ_TOUCH:		return touch(self, c);
	case FZ_READ:
	case FZ_WRITE:		return transfer(self, c);
	case FZ_SEEK:		return lseek(handle(self, c), given(c, "to"),
					     given(c, "whence")) < 0 ? errno : 0;
	case FZ_SYNC:		return fsync(handle(self, c)) ? errno : 0;
	case FZ_SPLICE:		return splice_fd(self, c);
	case FZ_TAPE_OP:	return request(self, c, structure(self, c));
	case FZ_BAD_IOCTL:	return bad_ioctl(self, c);
	case FZ_FORK:		fz_worker_fork(self, given(c, "to") % FZ_PROCS, index + 1);
				return 0;
	case FZ_EXEC:		fz_worker_exec(self, index + 1);
				return errno;
	case FZ_EXIT:		end_process(self, c);
	case FZ_EXIT_THREAD:	fz_worker_exit_thread(self);
				return 0;
	case FZ_KILL:		return send_signal(self, c);
	case FZ_UNSHARE:	return unshare_files(self);
	case FZ_SLEEP:		usleep(given(c, "ms") % 20 * 1000);
				return 0;
	}
	return 0;
}

/**
 * fz_call() - Carry out a call, in which something fails if the program says so
 * @self: the thread
 * @index: of the call
 *
 * Return: 0 or its errno.
 */
int fz_call(struct fz_self *self, unsigned int index)
{
	const struct fz_call *c = &self->shared->program.call[index];
	enum fz_action action = fz_ops[c->op].action;
	char word[16];
	int fd, ret, tries, saved;

	if (!c->fail || action == FZ_FORK || action == FZ_EXEC || action == FZ_EXIT_THREAD)
		return carry_out(self, index);
	fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return carry_out(self, index);
	snprintf(word, sizeof(word), "%u", c->fail);
	if (pwrite(fd, word, strlen(word), 0) < 0)
		c = NULL;
	ret = carry_out(self, index);
	saved = errno;
	/* that can be hit as well */
	for (tries = 0; c && tries < 100 && pwrite(fd, "0", 1, 0) != 1; tries++)
		;
	close(fd);
	errno = saved;
	return ret;
}
