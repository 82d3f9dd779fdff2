// SPDX-License-Identifier: GPL-2.0-only
/*
 * Carries out one call of a program, in the thread that shall make it.  Touches
 * descriptors, mappings and processes of the fuzzer only.  When a call's turn is
 * and what becomes of the process is worker.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "call.h"

#define PAGE		4096UL

uint64_t fz_given(const struct fz_call *c, const char *name)
{
	const struct fz_op *op = &fz_ops[c->op];
	unsigned int i;

	for (i = 0; i < FZ_ARGS && op->params[i].name; i++)
		if (!strcmp(op->params[i].name, name))
			return c->arg[i];
	abort();	/* the grammar has no such argument */
}

int fz_handle(const struct fz_self *self, const struct fz_call *c)
{
	return atomic_load(&self->proc->fd[fz_given(c, "h") % FZ_SLOTS]);
}

/* Puts a new descriptor, or the errno, where the program will look for it. */
int fz_put(struct fz_self *self, const struct fz_call *c, int fd)
{
	int old;

	if (fd < 0)
		return errno;
	old = atomic_exchange(&self->proc->fd[fz_given(c, "dst") % FZ_SLOTS], fd);
	if (old >= FZ_FD_FIRST && old != fd)
		close(old);
	return 0;
}

uint64_t fz_deadline(uint64_t ms)
{
	struct timespec ts;

	if (!ms || ms == VDI_TIME_INFINITE)
		return ms;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + ts.tv_nsec + ms * 1000000ULL;
}

char *fz_map_at(const struct fz_self *self, uint64_t map)
{
	return self->maps + map % FZ_MAPS * FZ_MAP_SIZE;
}

/* Memory for @len bytes: good, or bad in one of the ways there are. */
void *fz_memory(struct fz_self *self, uint64_t how, size_t at, size_t len)
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
		return fz_map_at(self, 0);
	case 5:
		return (void *)~0xfffUL;
	case 7:			/* all of it can be read, the last bytes not written */
		return end + 2 * PAGE - len + 4;
	default:		/* not aligned */
		return self->buffer + at + 1;
	}
}

/* An array has another order: nothing is what stands for NULL. */
uint64_t fz_array(struct fz_self *self, uint64_t how, size_t at, size_t len)
{
	return (uintptr_t)fz_memory(self, how == 0 ? 1 : how == 1 ? 0 : how, at, len);
}

static void store(char *at, uint64_t value, unsigned int width)
{
	memcpy(at, &value, width);	/* little-endian, as this machine is */
}

/* The structure of an ioctl, as the program says. */
char *fz_structure(struct fz_self *self, const struct fz_call *c)
{
	const struct fz_op *op = &fz_ops[c->op];
	char *arg = fz_memory(self, 0, 0, op->size);
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
			v = fz_deadline(v);
			break;
		case FZ_ARRAY:
			v = fz_array(self, v, 16 * PAGE, 256);
			break;
		default:
			break;
		}
		store(arg + f->offset, v, f->width);
	}
	return arg;
}

int fz_request(struct fz_self *self, const struct fz_call *c, char *arg)
{
	const struct fz_op *op = &fz_ops[c->op];
	uint64_t how = fz_given(c, "ptr");
	char *to = fz_memory(self, how, 0, op->size);

	if (how == 3)
		memmove(to, arg, self->buffer + FZ_BUFFER - to);
	else if (how == 6 || how == 7)
		memmove(to, arg, op->size - (how == 7 ? 4 : 0));
	return ioctl(fz_handle(self, c), op->request, to) < 0 ? errno : 0;
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
		    ioctl(fz_handle(self, c), VDI_IOC_STATUS, &st))
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
		return fz_put(self, c, ((const struct vdi_open_device *)arg)->out_fd);
	}
	return 0;
}

static int plain_ioctl(struct fz_self *self, const struct fz_call *c)
{
	char *arg = fz_structure(self, c);
	int err = fz_request(self, c, arg);

	/* from another place than the good one only what the kernel made of it is known */
	if (!err && !fz_given(c, "ptr"))
		return learn(self, c, arg);
	return err;
}

static int open_unit(struct fz_self *self, const struct fz_call *c)
{
	uint64_t unit = fz_given(c, "unit");
	char path[64];

	/* the modes that the grammar has, and no file but a node */
	snprintf(path, sizeof(path), VDI_NODE_PREFIX "%u",
		 atomic_load(&self->shared->first_node) + (unsigned int)(unit ? unit - 1 : 0));
	return fz_put(self, c, open(path, fz_given(c, "mode") & (O_ACCMODE | O_NONBLOCK | O_SYNC |
							   O_DIRECT)));
}

static int send_signal(struct fz_self *self, const struct fz_call *c)
{
	struct fz_proc *to = &self->shared->proc[fz_given(c, "to") % FZ_PROCS];
	int sig = fz_given(c, "signal"), pid = atomic_load(&to->pid), t;
	bool may = sig == SIGUSR1 || sig == SIGUSR2 || sig == SIGKILL || sig == SIGSTOP ||
		   sig == SIGCONT;

	/* nobody but a process of ours, which the supervisor has not waited for yet */
	if (pid <= 1 || !may)
		return 0;
	if (sig == SIGKILL)
		for (t = 0; t < FZ_THREADS; t++)
			atomic_store(&to->here[t], false);
	return kill(pid, sig) ? errno : 0;
}

/* A request of another kind.  Those of sockets, terminals and files would do things. */
static int bad_ioctl(struct fz_self *self, const struct fz_call *c)
{
	unsigned int nr = fz_given(c, "request");

	return ioctl(fz_handle(self, c), (VDI_IOC_TYPE << 8 | (nr & 0xff)) ^ (nr & 0xc0000000),
		     fz_memory(self, 0, 0, 0)) < 0 ? errno : 0;
}

static int end_process(struct fz_self *self, const struct fz_call *c)
{
	unsigned int t;

	for (t = 0; t < FZ_THREADS; t++)
		atomic_store(&self->proc->here[t], false);
	_exit(fz_given(c, "status"));
}

static int unshare_files(struct fz_self *self, const struct fz_call *c)
{
	(void)c;
	/* its table is gone only with the thread */
	atomic_store(&self->proc->transient, true);
	return unshare(CLONE_FILES) ? errno : 0;
}

static int open_node(struct fz_self *self, const struct fz_call *c)
{
	int nonblock = fz_given(c, "nonblock") ? O_NONBLOCK : 0;

	return fz_put(self, c, open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC | nonblock));
}

static int tape(struct fz_self *self, const struct fz_call *c)
{
	return fz_request(self, c, fz_structure(self, c));
}

static int fork_process(struct fz_self *self, const struct fz_call *c)
{
	fz_worker_fork(self, fz_given(c, "to") % FZ_PROCS, c - self->shared->program.call + 1);
	return 0;
}

static int exec_process(struct fz_self *self, const struct fz_call *c)
{
	fz_worker_exec(self, c - self->shared->program.call + 1);
	return errno;
}

static int exit_thread(struct fz_self *self, const struct fz_call *c)
{
	(void)c;
	fz_worker_exit_thread(self);
	return 0;
}

static int sleep_some(struct fz_self *self, const struct fz_call *c)
{
	(void)self;
	return usleep(fz_given(c, "ms") % 20 * 1000) ? errno : 0;
}

static int (* const actions[])(struct fz_self *self, const struct fz_call *c) = {
	[FZ_IOCTL]	= plain_ioctl,
	[FZ_EXCHANGE]	= fz_exchange,
	[FZ_SERVE]	= fz_serve,
	[FZ_OPEN_NODE]	= open_node,
	[FZ_OPEN_UNIT]	= open_unit,
	[FZ_CLOSE_FD]	= fz_close_fd,
	[FZ_DUP]	= fz_on_fd,
	[FZ_FCNTL]	= fz_flags_of_fd,
	[FZ_SEND_FD]	= fz_send_fd,
	[FZ_RECV_FD]	= fz_recv_fd,
	[FZ_POLL]	= fz_poll_fd,
	[FZ_EPOLL]	= fz_watch_fd,
	[FZ_MMAP]	= fz_map,
	[FZ_MUNMAP]	= fz_on_map,
	[FZ_MREMAP]	= fz_on_map,
	[FZ_MPROTECT]	= fz_on_map,
	[FZ_MADVISE]	= fz_on_map,
	[FZ_TOUCH]	= fz_touch,
	[FZ_READ]	= fz_transfer,
	[FZ_WRITE]	= fz_transfer,
	[FZ_SEEK]	= fz_on_fd,
	[FZ_SYNC]	= fz_on_fd,
	[FZ_SPLICE]	= fz_splice_fd,
	[FZ_TAPE_OP]	= tape,
	[FZ_BAD_IOCTL]	= bad_ioctl,
	[FZ_FORK]	= fork_process,
	[FZ_EXEC]	= exec_process,
	[FZ_EXIT]	= end_process,
	[FZ_EXIT_THREAD] = exit_thread,
	[FZ_KILL]	= send_signal,
	[FZ_UNSHARE]	= unshare_files,
	[FZ_SLEEP]	= sleep_some,
};

static int carry_out(struct fz_self *self, unsigned int index)
{
	const struct fz_call *c = &self->shared->program.call[index];

	return actions[fz_ops[c->op].action](self, c);
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
