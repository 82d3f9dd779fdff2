/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Other processes of a test: in other users, blocked, killed, spoken to over a
 * pair of pipes.  Every wait has a deadline.  What they do is the test's.
 */
#ifndef VDI_TEST_CHILD_H
#define VDI_TEST_CHILD_H

#include <grp.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "vdi_test.h"

#define VT_CHILD_BROKEN	254	/* exit code: the child could not be set up */
#define VT_ROOT		0
#define VT_ALICE	60001	/* two users and a stranger, with groups alike */
#define VT_BOB		60002
#define VT_EVE		60003
#define VT_GROUP	60010	/* a group that tests give to some of them */

struct vt_child {
	pid_t pid;
	int to;			/* pipes to and from the other side, in both processes */
	int from;
};

/* Becomes a user without other groups than @gid; irrevocable. */
static inline int vt_become(uid_t uid, gid_t gid)
{
	if (uid == VT_ROOT && gid == VT_ROOT)
		return 0;
	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		return -1;
	/* /proc of the child stays readable for vt_asleep() */
	return prctl(PR_SET_DUMPABLE, 1);
}

/*
 * Starts @fn in a child of that user.  Both sides can vt_tell() and vt_hear();
 * what @fn returns is the exit code.  The child dies with the test.
 */
static inline bool vt_start(struct vt_child *child, uid_t uid, gid_t gid,
			    int (*fn)(struct vt_child *me, void *arg), void *arg)
{
	int down[2], up[2];
	pid_t pid;

	if (pipe2(down, O_CLOEXEC) || pipe2(up, O_CLOEXEC))
		return false;
	child->to = down[1];
	child->from = up[0];
	pid = fork();
	/* @child may be in memory that both see */
	if (pid) {
		child->pid = pid;
		return pid > 0 && !close(down[0]) && !close(up[1]);
	}
	close(down[1]);
	close(up[0]);
	if (vt_become(uid, gid) || prctl(PR_SET_PDEATHSIG, SIGKILL))
		_exit(VT_CHILD_BROKEN);
	_exit(fn(&(struct vt_child){ .to = up[1], .from = down[0] }, arg));
}

static inline bool vt_tell(struct vt_child *child, unsigned char byte)
{
	return write(child->to, &byte, 1) == 1;
}

/* The next byte from the other side, or -1 if none comes. */
static inline int vt_hear(struct vt_child *child)
{
	struct pollfd p = { .fd = child->from, .events = POLLIN };
	unsigned char byte;

	if (poll(&p, 1, 20000 * vt_scale()) != 1 || read(child->from, &byte, 1) != 1)
		return -1;
	return byte;
}

/* The exit code, 256 + signal, or -1 if the child does not end by itself or is none. */
static inline int vt_finish(struct vt_child *child)
{
	uint64_t end = VT_LONG;
	int status = 0;
	pid_t pid;

	while (!(pid = waitpid(child->pid, &status, WNOHANG)) && vt_now() < end)
		poll(NULL, 0, 1);
	if (pid <= 0) {
		kill(child->pid, SIGKILL);
		waitpid(child->pid, &status, 0);
		status = -1;
	} else if (WIFSIGNALED(status)) {
		status = 256 + WTERMSIG(status);
	} else {
		status = WEXITSTATUS(status);
	}
	close(child->to);
	close(child->from);
	return status;
}

/* Runs @fn to its end as that user. */
static inline int vt_run_as(uid_t uid, gid_t gid, int (*fn)(struct vt_child *me, void *arg),
			    void *arg)
{
	struct vt_child child;

	return vt_start(&child, uid, gid, fn, arg) ? vt_finish(&child) : -1;
}

/* Whether a thread or process sleeps, by its id. */
static inline bool vt_asleep_now(pid_t tid)
{
	char path[64], line[256];
	const char *p = NULL;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	f = fopen(path, "re");
	if (f && fgets(line, sizeof(line), f))
		p = strrchr(line, ')');
	if (f)
		fclose(f);
	return p && p[1] == ' ' && p[2] == 'S';
}

/* Asleep for good: a short sleep on the way there does not count. */
static inline bool vt_asleep(pid_t tid)
{
	int seen = 0;

	return VT_UNTIL((seen = vt_asleep_now(tid) ? seen + 1 : 0) >= 10);
}

/* Lets everybody open the node, so that only the rules of the set count. */
static inline bool vt_node_mode(mode_t mode)
{
	return !chmod(VDI_DEVICE_NODE, mode);
}

static inline mode_t vt_node_mode_now(void)
{
	struct stat st;

	return stat(VDI_DEVICE_NODE, &st) ? 0 : st.st_mode & 07777;
}

/* A module parameter: its value, or -1. */
static inline long long vt_parameter(const char *name)
{
	char path[128];
	long long value = -1;
	FILE *f;

	snprintf(path, sizeof(path), VT_PARAMETERS "%s", name);
	f = fopen(path, "re");
	if (f && fscanf(f, "%lld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

static inline bool vt_set_parameter(const char *name, long long value)
{
	char path[128];
	FILE *f;
	bool ok;

	snprintf(path, sizeof(path), VT_PARAMETERS "%s", name);
	f = fopen(path, "we");
	if (!f)
		return false;
	ok = fprintf(f, "%llu\n", (unsigned long long)value) > 0;
	return !fclose(f) && ok;
}

#endif /* VDI_TEST_CHILD_H */
