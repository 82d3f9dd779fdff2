// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a command and hurts it at one of its system calls: kills it before or
 * after the call, or makes the call fail without being carried out.  All threads
 * are watched; a process that the command forks is left alone, but with --child
 * it is the one that is hurt.  What the end of it all must be is commit_test.sh's.
 *
 *	syscall_fault [OPTION]... WHAT N -- COMMAND...
 *
 * WHAT is count, enter (SIGKILL before the Nth call), leave (SIGKILL after it),
 * remove (rmdir and unlink all in PREFIX before it) or the name of an errno, and
 * calls count from 1:
 *
 *	--from fsync|flush	not before the first fsync of the command, or before
 *				it sends the command Flush to a client
 *	--files PREFIX		only calls that can change a file whose path begins so
 *	--child N		the Nth process that COMMAND forks
 *	--log FILE		the call that was met ("met NAME-OR-NUMBER"), the number
 *				of calls counted ("calls N"), of CloseDevice calls that
 *				succeeded ("closed N"), and "renamed" once a rename has
 *
 * Ends as the command does, a signal being 128 and its number.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/reg.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/vdi.h>

#define MAX_TASKS	512

enum what { WHAT_COUNT, WHAT_ENTER, WHAT_LEAVE, WHAT_REMOVE, WHAT_ERROR };
enum from { FROM_START, FROM_FSYNC, FROM_FLUSH };

struct task {
	pid_t tid;
	bool fresh;		/* its first stop is to come */
	bool held;		/* stopped, until it is known what it is */
	bool other;		/* a child that is not the one */
	bool inside;		/* in a system call */
	bool kill;		/* when this call returns */
	int error;		/* what the call returns, if not 0 */
	long nr;
};

static enum what what;
static int what_error;
static unsigned int wanted;
static enum from from;
static const char *prefix;
static unsigned int child;
static FILE *log_file;

static struct task tasks[MAX_TASKS];
static pid_t root, victim;
static unsigned int forks, calls, closed;
static bool begun, hurt, renamed;

static void __attribute__((noreturn, format(printf, 1, 2))) wrong(const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "syscall_fault: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(125);
}

static struct task *task_of(pid_t tid)
{
	struct task *task, *unused = NULL;

	for (task = tasks; task < tasks + MAX_TASKS; task++) {
		if (task->tid == tid)
			return task;
		if (!task->tid && !unused)
			unused = task;
	}
	if (!unused)
		wrong("too many threads");
	*unused = (struct task){ .tid = tid, .fresh = true };
	return unused;
}

static bool peek(pid_t tid, uint64_t addr, void *buf, size_t len)
{
	struct iovec to = { buf, len }, at = { (void *)(uintptr_t)addr, len };

	return process_vm_readv(tid, &to, 1, &at, 1, 0) == (ssize_t)len;
}

/* A path in the memory of the task, as far as it matters */
static bool path_matches(pid_t tid, uint64_t addr)
{
	char path[512];
	size_t len = strlen(prefix);

	return len <= sizeof(path) && peek(tid, addr, path, len) && !memcmp(path, prefix, len);
}

static bool fd_matches(pid_t tid, int fd)
{
	char link[64], path[4096];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/%d/fd/%d", tid, fd);
	len = readlink(link, path, sizeof(path) - 1);
	return len >= (ssize_t)strlen(prefix) && !strncmp(path, prefix, strlen(prefix));
}

/* Does the call do something to a file that the options mean? */
static bool is_output(pid_t tid, const struct user_regs_struct *regs, long nr)
{
	switch (nr) {
	case SYS_write:
	case SYS_pwrite64:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_ftruncate:
	case SYS_fchmod:
	case SYS_flock:
	case SYS_close:
		return fd_matches(tid, regs->rdi);
	case SYS_open:
		return regs->rsi & (O_CREAT | O_DIRECTORY) && path_matches(tid, regs->rdi);
	case SYS_openat:
		return (int)regs->rdi == AT_FDCWD ? regs->rdx & (O_CREAT | O_DIRECTORY) &&
		       path_matches(tid, regs->rsi) : fd_matches(tid, regs->rdi);
	case SYS_rename:
	case SYS_mkdir:
	case SYS_rmdir:
	case SYS_unlink:
		return path_matches(tid, regs->rdi);
	case SYS_renameat:
	case SYS_renameat2:
	case SYS_unlinkat:
		return (int)regs->rdi == AT_FDCWD ? path_matches(tid, regs->rsi) :
		       fd_matches(tid, regs->rdi);
	}
	return false;
}

static bool sends_flush(pid_t tid, const struct user_regs_struct *regs, long nr)
{
	struct vdi_exchange args;
	struct vdi_command command;

	return nr == SYS_ioctl && regs->rsi == VDI_IOC_EXCHANGE &&
	       peek(tid, regs->rdx, &args, sizeof(args)) && args.nr_in &&
	       peek(tid, args.in, &command, sizeof(command)) && command.code == VDI_CMD_FLUSH;
}

/* A call that is to be counted */
static bool counts(pid_t tid, const struct user_regs_struct *regs, long nr)
{
	if (!victim || hurt || (child && tid == root))
		return false;
	begun = begun || from == FROM_START ||
		(from == FROM_FSYNC && (nr == SYS_fsync || nr == SYS_fdatasync)) ||
		(from == FROM_FLUSH && sends_flush(tid, regs, nr));
	/* the main thread waits there for signals, and wakes up now and then */
	return begun && nr != SYS_rt_sigtimedwait && (!prefix || is_output(tid, regs, nr));
}

static const char *name_of(long nr)
{
	static const struct {
		long nr;
		const char *name;
	} names[] = {
		{ SYS_write, "write" }, { SYS_pwrite64, "pwrite64" }, { SYS_fsync, "fsync" },
		{ SYS_fdatasync, "fdatasync" }, { SYS_ftruncate, "ftruncate" },
		{ SYS_fchmod, "fchmod" }, { SYS_flock, "flock" }, { SYS_close, "close" },
		{ SYS_open, "open" }, { SYS_openat, "openat" }, { SYS_rename, "rename" },
		{ SYS_renameat, "renameat" }, { SYS_renameat2, "renameat2" },
		{ SYS_mkdir, "mkdir" }, { SYS_rmdir, "rmdir" }, { SYS_unlink, "unlink" },
		{ SYS_unlinkat, "unlinkat" }, { SYS_ioctl, "ioctl" }, { SYS_futex, "futex" },
		{ SYS_exit_group, "exit_group" }, { SYS_exit, "exit" },
	};
	static char number[16];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].nr == nr)
			return names[i].name;
	snprintf(number, sizeof(number), "%ld", nr);
	return number;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	remove(path);
	return 0;
}

static void entered(struct task *task)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, task->tid, NULL, &regs))
		return;			/* it is dead already */
	task->nr = regs.orig_rax;
	if (!counts(task->tid, &regs, task->nr) || ++calls != wanted || what == WHAT_COUNT)
		return;
	hurt = true;
	fprintf(log_file, "met %s\n", name_of(task->nr));
	if (what == WHAT_REMOVE)
		nftw(prefix, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	task->kill = what == WHAT_LEAVE;
	task->error = what == WHAT_ERROR ? what_error : 0;
	if (what != WHAT_ENTER && what != WHAT_ERROR)
		return;
	/* no such call: nothing is done */
	ptrace(PTRACE_POKEUSER, task->tid, offsetof(struct user_regs_struct, orig_rax), -1L);
	if (what == WHAT_ENTER)
		kill(victim, SIGKILL);
}

static void left(struct task *task)
{
	struct user_regs_struct regs;

	if (ptrace(PTRACE_GETREGS, task->tid, NULL, &regs))
		return;
	if (task->error)
		ptrace(PTRACE_POKEUSER, task->tid, offsetof(struct user_regs_struct, rax),
		       (long)-task->error);
	else if (task->nr == SYS_ioctl && regs.rsi == VDI_IOC_CLOSE_DEVICE && !regs.rax)
		closed++;
	else if (!regs.rax && prefix && path_matches(task->tid, regs.rsi) &&
		 (task->nr == SYS_renameat2 || task->nr == SYS_renameat))
		renamed = true;
	else if (!regs.rax && task->nr == SYS_rename)
		renamed = true;
	task->error = 0;
	if (task->kill)
		kill(victim, SIGKILL);
	task->kill = false;
}

/* Is it known to be of the process that is to be hurt, or of the first? */
static bool is_watched(const struct task *task)
{
	char path[64];

	if (!child || task->tid == root)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", victim, task->tid);
	return victim && !access(path, F_OK);
}

/* Goes on, or is let go; @sig: what the task was stopped by */
static void resume(struct task *task, int sig)
{
	if (task->fresh && task->other) {
		ptrace(PTRACE_DETACH, task->tid, NULL, NULL);
		task->tid = 0;
		return;
	}
	/* the stop of a new process may come before the news of its fork */
	task->held = task->fresh && !is_watched(task);
	if (task->held)
		return;
	task->fresh = false;
	ptrace(PTRACE_SYSCALL, task->tid, NULL, (long)sig);
}

static void forked(pid_t tid)
{
	unsigned long pid;
	struct task *task;

	if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &pid))
		return;
	task = task_of(pid);
	if (++forks == child)
		victim = pid;
	else
		task->other = true;
	if (task->held)
		resume(task, 0);
}

static void stopped(pid_t tid, int status)
{
	struct task *task = task_of(tid);
	int sig = WSTOPSIG(status), event = status >> 16;

	if (sig == (SIGTRAP | 0x80)) {
		task->inside = !task->inside;
		if (task->inside)
			entered(task);
		else
			left(task);
		sig = 0;
	} else if (event) {
		if (event == PTRACE_EVENT_FORK)
			forked(tid);
		sig = 0;
	} else if (sig == SIGSTOP && task->fresh) {
		sig = 0;		/* that is how a new thread begins */
	}
	resume(task, sig);
}

static int watch(void)
{
	int status, end = 125;
	pid_t tid;

	for (;;) {
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return end;
		if (WIFSTOPPED(status)) {
			stopped(tid, status);
			continue;
		}
		if (tid == root)
			end = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
		task_of(tid)->tid = 0;
	}
}

static void start(char **argv)
{
	long options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC |
		       PTRACE_O_EXITKILL | (child ? PTRACE_O_TRACEFORK : 0);
	int status;

	root = fork();
	if (root < 0)
		wrong("fork: %s", strerror(errno));
	if (!root) {
		ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		raise(SIGSTOP);
		execvp(argv[0], argv);
		wrong("%s: %s", argv[0], strerror(errno));
	}
	if (waitpid(root, &status, 0) != root || !WIFSTOPPED(status) ||
	    ptrace(PTRACE_SETOPTIONS, root, NULL, options))
		wrong("ptrace: %s", strerror(errno));
	task_of(root)->fresh = false;
	if (!child)
		victim = root;
	ptrace(PTRACE_SYSCALL, root, NULL, NULL);
}

static void parse_what(const char *word)
{
	static const struct {
		const char *name;
		enum what what;
		int error;
	} words[] = {
		{ "count", WHAT_COUNT, 0 }, { "enter", WHAT_ENTER, 0 }, { "leave", WHAT_LEAVE, 0 },
		{ "remove", WHAT_REMOVE, 0 }, { "ENOSPC", WHAT_ERROR, ENOSPC },
		{ "EIO", WHAT_ERROR, EIO }, { "EDQUOT", WHAT_ERROR, EDQUOT },
	};
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(words[i].name, word))
			continue;
		what = words[i].what;
		what_error = words[i].error;
		return;
	}
	wrong("%s: unknown", word);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "from", required_argument, NULL, 'f' },
		{ "files", required_argument, NULL, 'p' },
		{ "child", required_argument, NULL, 'c' },
		{ "log", required_argument, NULL, 'l' },
		{ }
	};
	int option;

	log_file = stderr;
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		if (option == 'f' && !strcmp(optarg, "fsync"))
			from = FROM_FSYNC;
		else if (option == 'f' && !strcmp(optarg, "flush"))
			from = FROM_FLUSH;
		else if (option == 'p')
			prefix = optarg;
		else if (option == 'c')
			child = atoi(optarg);
		else if (option == 'l')
			log_file = fopen(optarg, "we");
		else
			wrong("see the top of the source");
	}
	if (argc - optind < 3)
		wrong("WHAT, N and COMMAND are missing");
	if (!log_file)
		wrong("log: %s", strerror(errno));
	parse_what(argv[optind]);
	wanted = atoi(argv[optind + 1]);
	if (what == WHAT_REMOVE && !prefix)
		wrong("remove needs --files");
}

int main(int argc, char **argv)
{
	int end;

	parse(argc, argv);
	optind += 2;
	if (!strcmp(argv[optind], "--"))
		optind++;
	start(argv + optind);
	end = watch();
	fprintf(log_file, "calls %u\nclosed %u\n%s", calls, closed, renamed ? "renamed\n" : "");
	return fclose(log_file) ? 125 : end;
}
