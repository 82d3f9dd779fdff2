// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Runs the engine's side and the client's side of a command as two processes
 * and makes one exit code of their two.  Owns users, signals between the
 * processes and who waits for whom; knows nothing of sets.
 *
 * The engine begins; it says when it is ready to be asked; the client then
 * creates the set and says so.  If one ends instead, the other hears it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vdi.h>

#include "cli.h"
#include "pair.h"
#include "report.h"
#include "watch.h"

#define PAIR_GROUPS	64
#define PAIR_OVER_MS	10000

struct pair_user {
	const char *name;
	uid_t uid;
	gid_t gid;
	bool known;		/* has an entry, and so groups of its own */
};

struct pair_child {
	const char *role;
	pid_t pid;
	int status;
	bool running;
};

int pair_say(const struct pair_sync *sync)
{
	return write(sync->say, "", 1) == 1 ? 0 : EXIT_PEER;
}

int pair_hear(const struct pair_sync *sync)
{
	ssize_t ret;
	char byte;

	do {
		ret = read(sync->hear, &byte, 1);
	} while (ret < 0 && errno == EINTR);
	return ret == 1 ? 0 : EXIT_PEER;
}

/* NAME, UID or UID:GID */
static int pair_user(const char *option, const char *arg, struct pair_user *user)
{
	const struct passwd *pw;
	unsigned long uid, gid;
	char *end;

	if (geteuid())
		return report_fail(EXIT_USAGE,
				   "%s: only root can run the sides as other users", option);
	user->name = arg;
	pw = getpwnam(arg);
	if (pw) {
		user->uid = pw->pw_uid;
		user->gid = pw->pw_gid;
		user->known = true;
		return 0;
	}
	uid = strtoul(arg, &end, 10);
	gid = uid;
	if (*end == ':' && end[1] >= '0' && end[1] <= '9')
		gid = strtoul(end + 1, &end, 10);
	if (arg[0] < '0' || arg[0] > '9' || *end || uid > 0xfffffffe || gid > 0xfffffffe)
		return report_fail(EXIT_USAGE, "%s %s: no such user", option, arg);
	user->uid = uid;
	user->gid = gid;
	return 0;
}

/*
 * The group through which both users may use the set: that of the node if it
 * is shared by its group, since both must be able to open it; else the
 * engine's.  Both processes get it, and no other right of each other.
 */
static gid_t pair_group(const struct pair_user *engine)
{
	const char *node = getenv("VDI_DEVICE");
	struct stat st;

	if (!stat(node && *node ? node : VDI_DEVICE_NODE, &st) && st.st_gid &&
	    (st.st_mode & 0060) == 0060)
		return st.st_gid;
	return engine->gid;
}

static int pair_become(const struct pair_user *user, gid_t set_gid)
{
	gid_t groups[PAIR_GROUPS + 1];
	int nr = PAIR_GROUPS;

	groups[0] = user->gid;
	if (!user->known)
		nr = 1;
	else if (getgrouplist(user->name, user->gid, groups, &nr) < 0)
		return report_fail(EXIT_FAILED, "%s: is in too many groups", user->name);
	groups[nr++] = set_gid;
	if (setgroups(nr, groups) || setresgid(user->gid, user->gid, user->gid) ||
	    setresuid(user->uid, user->uid, user->uid))
		return report_fail(EXIT_FAILED, "become user %s: %s", user->name, strerror(errno));
	return 0;
}

static pid_t pair_fork(struct pair *pair, struct pair_child *child, const struct pair_user *user,
		       int (*run)(void *ctx, const struct pair_sync *sync),
		       const struct pair_sync *sync, const int *close_fds)
{
	pid_t parent = getpid();
	sigset_t child_ended;
	int ret = 0;

	fflush(NULL);
	child->pid = fork();
	if (child->pid < 0)
		report_fail(0, "no memory for a process: %s", strerror(errno));
	child->running = child->pid > 0;
	if (child->pid)
		return child->pid;

	report_as(child->role);
	setpgid(0, 0);		/* a key on the terminal asks the parent, once */
	signal(SIGTTOU, SIG_IGN);	/* it may say something there nevertheless */
	/* the others wait until the side looks for them */
	sigemptyset(&child_ended);
	sigaddset(&child_ended, SIGCHLD);
	sigprocmask(SIG_UNBLOCK, &child_ended, NULL);
	close(close_fds[0]);
	close(close_fds[1]);
	if (user->name)
		ret = pair_become(user, pair->set_gid);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		ret = EXIT_FAILED;
	if (!ret)
		ret = run(pair->ctx, sync);
	fflush(NULL);
	_exit(ret);
}

static void pair_reap(struct pair_child *children)
{
	int i;

	for (i = 0; i < 2; i++)
		if (children[i].running &&
		    waitpid(children[i].pid, &children[i].status, WNOHANG) == children[i].pid) {
			children[i].running = false;
			if (WIFSIGNALED(children[i].status))
				report_fail(0, "the %s's process %d was killed by signal %d",
					    children[i].role, children[i].pid,
					    WTERMSIG(children[i].status));
		}
}

/* A signal goes to the client, which ends the set, or to who is left. */
static void pair_forward(const struct pair_child *children, int sig)
{
	if (children[1].running)
		kill(children[1].pid, sig);
	else if (sig != SIGUSR1 && children[0].running)
		kill(children[0].pid, sig);
}

static int pair_code(const struct pair_child *child)
{
	return WIFEXITED(child->status) ? WEXITSTATUS(child->status) : EXIT_PEER;
}

/* The cause counts, not that the other side was told of it. */
static int pair_verdict(const struct pair *pair, const struct pair_child *children, int stop_sig)
{
	int engine = pair_code(&children[0]), client = pair_code(&children[1]);

	if (!engine && !client)
		return EXIT_DONE;
	/* the client's work is done before the engine is told so, or what it has read is */
	if ((!engine && (pair->engine_decides || WIFSIGNALED(children[1].status))) ||
	    (!client && pair->client_decides && WIFSIGNALED(children[0].status))) {
		report_info("the %s had ended with success", children[!!engine].role);
		return EXIT_DONE;
	}
	if (stop_sig)
		return EXIT_SIGNAL + stop_sig;
	if (client && client != EXIT_PEER)
		return client;
	if (engine && engine != EXIT_PEER)
		return engine;
	return EXIT_PEER;
}

static int pair_wait(const struct pair *pair, struct pair_child *children)
{
	int stop_sig = 0;
	sigset_t set;

	watch_signals(&set);
	sigaddset(&set, SIGCHLD);
	while (children[0].running || children[1].running) {
		int sig = sigwaitinfo(&set, NULL);

		if (sig == SIGCHLD)
			pair_reap(children);
		else if (sig > 0)
			pair_forward(children, sig);
		if (sig > 0 && sig != SIGCHLD && sig != SIGUSR1)
			stop_sig = sig;
	}
	return pair_verdict(pair, children, stop_sig);
}

/*
 * A client that was killed may have left its guard at work: who is told that there
 * is no backup must not find one.  What hangs there hangs without us.
 */
static void pair_wait_over(int over)
{
	struct pollfd pfd = { .fd = over };

	while (poll(&pfd, 1, PAIR_OVER_MS) < 0 && errno == EINTR)
		continue;
	close(over);
}

static void pair_block_signals(void)
{
	sigset_t set;

	watch_signals(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int pair_run(struct pair *pair)
{
	struct pair_child children[2] = { { .role = "engine" }, { .role = "client" } };
	struct pair_user engine = { .uid = geteuid(), .gid = getegid() }, client = engine;
	int ready[2], made[2], over[2];
	int ret = 0;

	if (pair->engine_user)
		ret = pair_user("--engine-user", pair->engine_user, &engine);
	if (!ret && pair->client_user)
		ret = pair_user("--client-user", pair->client_user, &client);
	if (ret)
		return ret;
	pair->shared = engine.uid != client.uid;
	pair->set_gid = pair_group(&engine);
	/* root as one of the two: a user like any other, so that it gets the group */
	if (pair->shared && !engine.name)
		engine.name = "root", engine.known = true;
	if (pair->shared && !client.name)
		client.name = "root", client.known = true;
	if (pipe2(ready, O_CLOEXEC) || pipe2(made, O_CLOEXEC) || pipe2(over, O_CLOEXEC))
		return report_fail(EXIT_FAILED, "pipe: %s", strerror(errno));
	pair_block_signals();
	pair_fork(pair, &children[0], &engine, pair->engine,
		  &(struct pair_sync){ ready[1], made[0], over[1] },
		  (int[]){ ready[0], made[1] });
	pair_fork(pair, &children[1], &client, pair->client,
		  &(struct pair_sync){ made[1], ready[0], over[1] },
		  (int[]){ ready[1], made[0] });
	close(ready[0]);
	close(ready[1]);
	close(made[0]);
	close(made[1]);
	close(over[1]);
	report_verbose("client is process %d (uid %u), engine is process %d (uid %u)",
		       children[1].pid, client.uid, children[0].pid, engine.uid);
	if (children[0].pid < 0 || children[1].pid < 0) {
		pair_forward(children, SIGTERM);
		pair_wait(pair, children);
		return EXIT_FAILED;
	}
	ret = pair_wait(pair, children);
	pair_wait_over(over[0]);
	return ret;
}
