/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seven ways in which one side of a vt_duo goes without Close.  Each is
 * made to happen here and its moment noted; what it does to the other side is
 * said in kill_matrix_test.c.
 */
#ifndef VDI_TEST_WAYS_H
#define VDI_TEST_WAYS_H

#include <sys/wait.h>

#include "protocol.h"

#define VT_CGROUP	"/sys/fs/cgroup/"
#define VT_CGROUP_OURS	VT_CGROUP "vdi-kill/"
#define VT_CORE		"/proc/sys/kernel/core_pattern"
#define VT_CORE_LIMIT	"/proc/sys/kernel/core_pipe_limit"
#define VT_DUMP_S	1

/* Writes a word into a file of the kernel. */
static inline bool vt_write(const char *path, const char *word)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok = fd >= 0 && write(fd, word, strlen(word)) == (ssize_t)strlen(word);

	if (fd >= 0)
		close(fd);
	return ok;
}

static inline bool vt_read(const char *path, char *word, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, word, size - 1);

	if (fd >= 0)
		close(fd);
	if (n > 0)
		word[n] = '\0';
	return n > 0;
}

/* In the victim. */

/* All descriptors of the set; the first is what counts. */
static inline int vt_w_close_all(struct vt_page *p)
{
	p->acted_ns = vt_now();
	return close(p->fd) || (p->dev[0] >= 0 && close(p->dev[0])) ? errno : 0;
}

/* 0 if the call that was blocked on the closed descriptors came back as it may. */
static inline int vt_w_came_back(struct vt_page *p)
{
	(void)p;
	if (!vt_blocked.call)
		return 0;
	if (!vt_awake(&vt_blocked))
		return -1;
	return vt_blocked.err == ECANCELED ? 0 : vt_blocked.err;
}

static inline int vt_w_crash(struct vt_page *p)
{
	signal(SIGSEGV, SIG_DFL);
	p->acted_ns = vt_now();
	raise(SIGSEGV);
	return -1;
}

static inline int vt_w_eat(struct vt_page *p)
{
	const size_t step = 1 << 20;
	char *more;

	for (;;) {
		more = mmap(NULL, step, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0);
		if (more == MAP_FAILED)
			return errno;
		p->acted_ns = vt_now();
		memset(more, 1, step);
	}
}

static void vt_w_interrupted(int sig)
{
	(void)sig;
}

/* The thread that is left over; a signal ends its call. */
static inline int vt_w_thread(struct vt_page *p)
{
	struct sigaction a = { .sa_handler = vt_w_interrupted };

	if (sigaction(SIGUSR1, &a, NULL))
		return errno;
	if (!vt_blocked.call && vt_block_nowhere(p))
		return -1;
	p->arg = atomic_load(&vt_blocked.tid);
	return 0;
}

static inline int vt_w_leave(struct vt_page *p)
{
	(void)p;
	syscall(SYS_exit, 0);
	return -1;
}

/* Here.  Each gives false if the way could not be gone. */

static inline bool vt_go_kill(struct vt_duo *d)
{
	vt_peer_kill(&d->victim);
	return true;
}

static inline bool vt_go_close(struct vt_duo *d)
{
	return !vt_peer(&d->victim, vt_w_close_all) && !vt_peer(&d->victim, vt_w_came_back) &&
	       !kill(d->victim.child.pid, 0);
}

static inline bool vt_go_exit(struct vt_duo *d)
{
	return vt_peer_begin(&d->victim, vt_do_exit);
}

/* The new name comes after the old descriptors went. */
static inline bool vt_go_exec(struct vt_duo *d)
{
	char path[32], name[32] = "";

	snprintf(path, sizeof(path), "/proc/%d/comm", d->victim.child.pid);
	return vt_peer_begin(&d->victim, vt_do_exec) &&
	       VT_UNTIL(vt_read(path, name, sizeof(name)) && !strcmp(name, "sleep\n"));
}

static inline bool vt_go_crash(struct vt_duo *d)
{
	return vt_peer_begin(&d->victim, vt_w_crash);
}

static inline bool vt_go_oom(struct vt_duo *d)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", d->victim.child.pid);
	return vt_write(VT_CGROUP_OURS "cgroup.procs", pid) &&
	       vt_peer_begin(&d->victim, vt_w_eat);
}

static inline bool vt_is_zombie(pid_t pid)
{
	char path[32], line[256] = "";
	const char *p;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	p = vt_read(path, line, sizeof(line)) ? strrchr(line, ')') : NULL;
	return p && p[1] == ' ' && p[2] == 'Z';
}

/* As long as one thread lives, blocked or not, nothing has happened. */
static inline bool vt_go_last(struct vt_duo *d)
{
	pid_t pid = d->victim.child.pid;
	int before = vt_state(d->mine.fd);

	if (vt_peer(&d->victim, vt_w_thread) || !vt_peer_begin(&d->victim, vt_w_leave) ||
	    !VT_UNTIL(vt_is_zombie(pid)))
		return false;
	if (vt_state(d->mine.fd) != before || (vt_blocked.call && !vt_still_asleep(&vt_blocked)))
		return false;
	d->victim.page->acted_ns = vt_now();
	return !syscall(SYS_tgkill, pid, (pid_t)d->victim.page->arg, SIGUSR1);
}

/* Prepare a way: NULL, or why this kernel or machine cannot do it. */

static char vt_old_core[256], vt_old_core_limit[32];

static inline const char *vt_core_begin(void)
{
	if (!vt_read(VT_CORE, vt_old_core, sizeof(vt_old_core)) ||
	    !vt_read(VT_CORE_LIMIT, vt_old_core_limit, sizeof(vt_old_core_limit)))
		return "the kernel dumps no core";
	/* A limit makes the kernel wait for the handler's end */
	if (!vt_write(VT_CORE_LIMIT, "8") || !vt_write(VT_CORE, "|/usr/bin/sleep 1"))
		return "core_pattern cannot be set";
	return NULL;
}

static inline void vt_core_end(void)
{
	vt_write(VT_CORE, vt_old_core);
	vt_write(VT_CORE_LIMIT, vt_old_core_limit);
}

static inline const char *vt_oom_begin(void)
{
	char max[32];

	vt_write(VT_CGROUP "cgroup.subtree_control", "+memory");
	if (mkdir(VT_CGROUP_OURS, 0755) && errno != EEXIST)
		return "no cgroup2 at " VT_CGROUP;
	if (!vt_write(VT_CGROUP_OURS "memory.max", "16M") ||
	    !vt_read(VT_CGROUP_OURS "memory.max", max, sizeof(max)))
		return "no memory controller in cgroup2";
	vt_write(VT_CGROUP_OURS "memory.swap.max", "0");
	return NULL;
}

static inline void vt_oom_end(void)
{
	VT_UNTIL(!rmdir(VT_CGROUP_OURS));
}

/**
 * struct vt_way - A way to go
 * @name: for people, and for VDI_KILL_WAYS
 * @go: makes the victim go
 * @begin: prepares, or NULL; gives a reason why not
 * @end: undoes that
 * @least_ns: the other side cannot learn of it sooner
 * @sig: the signal that ends the victim, 0 for none
 * @lives: it lives on, without its descriptors
 */
struct vt_way {
	const char *name;
	bool (*go)(struct vt_duo *d);
	const char *(*begin)(void);
	void (*end)(void);
	uint64_t least_ns;
	int sig;
	bool lives;
};

static const struct vt_way vt_ways[] = {
	{ .name = "sigkill", .go = vt_go_kill, .sig = SIGKILL },
	{ .name = "close", .go = vt_go_close, .lives = true },
	{ .name = "exit", .go = vt_go_exit },
	{ .name = "exec", .go = vt_go_exec, .lives = true },
	{ .name = "core", .go = vt_go_crash, .begin = vt_core_begin, .end = vt_core_end,
	  .least_ns = VT_DUMP_S * VT_SEC * 9 / 10, .sig = SIGSEGV },
	{ .name = "oom", .go = vt_go_oom, .begin = vt_oom_begin, .end = vt_oom_end,
	  .sig = SIGKILL },
	{ .name = "last", .go = vt_go_last },
};

#endif /* VDI_TEST_WAYS_H */
