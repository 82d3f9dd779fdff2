// SPDX-License-Identifier: GPL-2.0-only
/*
 * The end of a stream says the truth: what close(2) returns is what the client
 * answers, and a holder that ends badly aborts the set and is named.  Holders are
 * processes of their own.  The data itself is node_stream's, and waiting for a
 * client that does not answer node_wait's.
 */
#include <pthread.h>
#include <sched.h>

#include "node.h"
#include "peer.h"

#define PART	1000		/* bytes that a holder writes */

FIXTURE(answer) {
	struct node_set *s;
	char buf[PART];
};

FIXTURE_VARIANT(answer) {
	unsigned int features, code, answer;
	int want;
};

#define ANSWER(name, f, c, a, w)	\
	FIXTURE_VARIANT_ADD(answer, name) { .features = f, .code = c, .answer = a, .want = w }
ANSWER(pipe_good, VDI_FEAT_LIKE_PIPE, 0, 0, 0);
ANSWER(pipe_write, VDI_FEAT_LIKE_PIPE, VDI_CMD_WRITE, 112, ENOSPC);
ANSWER(pipe_flush_full, VDI_FEAT_LIKE_PIPE, VDI_CMD_FLUSH, 112, ENOSPC);
ANSWER(pipe_flush_failed, VDI_FEAT_LIKE_PIPE, VDI_CMD_FLUSH, 1117, EIO);
ANSWER(pipe_complete_full, VDI_FEAT_LIKE_PIPE, VDI_CMD_COMPLETE, 39, ENOSPC);
ANSWER(pipe_complete_failed, VDI_FEAT_LIKE_PIPE, VDI_CMD_COMPLETE, 5, EIO);
ANSWER(pipe_complete_refused, VDI_FEAT_LIKE_PIPE, VDI_CMD_COMPLETE, 995, ECANCELED);
ANSWER(disk_good, VDI_FEAT_LIKE_DISK, 0, 0, 0);
ANSWER(disk_write, VDI_FEAT_LIKE_DISK, VDI_CMD_WRITE, 112, ENOSPC);
ANSWER(disk_flush, VDI_FEAT_LIKE_DISK, VDI_CMD_FLUSH, 1117, EIO);
ANSWER(disk_complete, VDI_FEAT_LIKE_DISK, VDI_CMD_COMPLETE, 5, EIO);

FIXTURE_SETUP(answer)
{
	self->s = node_new(variant->features | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
	self->s->fail = variant->code;
	self->s->fail_nth = 1;
	self->s->fail_answer = variant->answer;
}

FIXTURE_TEARDOWN(answer)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

TEST_F(answer, is_what_close_returns)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);
	unsigned int n;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, PART));
	EXPECT_EQ(variant->want, node_close(fd));
	EXPECT_TRUE(node_ended(s, variant->want ? ECANCELED : ESHUTDOWN));
	EXPECT_EQ(variant->want ? VDI_STATE_ABORTED : VDI_STATE_TERMINATED, node_state(s));
	n = atomic_load(&s->nr_seen);
	ASSERT_LT(0, n);
	if (variant->want) {
		EXPECT_EQ(variant->code, s->seen[n - 1].code);
	} else {
		ASSERT_LE(3, n);	/* a disk may be asked for its size as well */
		EXPECT_EQ(1, node_count(s, VDI_CMD_WRITE));
		EXPECT_EQ(VDI_CMD_FLUSH, s->seen[n - 2].code);
		EXPECT_EQ(VDI_CMD_COMPLETE, s->seen[n - 1].code);
	}
}

TEST_F(node, without_complete_flush_is_the_last)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(0, node_count(s, VDI_CMD_COMPLETE));
}

/* The client keeps the set, but not what the programs have paid for. */
TEST_F(node, memory_goes_with_its_programs)
{
	struct node_set *s = self->s;
	char buf[PART] = { };
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, buf, PART));
	EXPECT_LT(0, vt_counter("bytes"));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_TRUE(VT_UNTIL(!vt_counter("bytes")));
	EXPECT_LT(0, vt_counter("sets"));
}

/* What ends the client behind its last answer comes too late for whoever writes. */
TEST_F(node, completed_then_aborted)
{
	const struct sched_param first = { .sched_priority = 1 };
	struct node_set *s = self->s;
	struct vdi_set_stat stat;
	char buf[PART] = { };
	cpu_set_t one;
	int fd;

	/* on one processor, and ahead of us: it aborts before we have closed */
	CPU_ZERO(&one);
	CPU_SET(0, &one);
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
	s->create.config.features |= VDI_FEAT_REQUEST_COMPLETE;
	s->upset = NODE_PARTS;
	s->upset_at = 3;
	fd = node_writer(s, 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, sched_setscheduler(s->client.pid, SCHED_FIFO, &first));
	ASSERT_EQ(0, node_write(fd, buf, PART));
	EXPECT_EQ(0, node_close(fd));
	ASSERT_EQ(3, atomic_load(&s->nr_seen));
	EXPECT_EQ(VDI_CMD_COMPLETE, s->seen[2].code);
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_EQ(1, stat.completed_devices);
	EXPECT_EQ(VDI_STATE_ABORTED, stat.state);
}

/* How a holder ends */
enum how { RETURN, EXIT_1, KILL, CRASH, CLOSE_AND_RETURN, CLOSE_AND_EXIT_1, THREAD_EXIT_3 };

struct holder {
	struct node_set *s;
	int fd;			/* inherited, or -1: opens its own with @flags */
	int flags;
	enum how how;
	const char *command;	/* for sh -c, the node as standard output */
};

static void *exit_3(void *arg)
{
	(void)arg;
	exit(3);
}

static int hold(struct vt_child *me, void *arg)
{
	struct holder *h = arg;
	int fd = h->fd < 0 ? node_open(h->s, 0, h->flags) : h->fd;
	unsigned char buf[PART] = { };
	pthread_t thread;

	prctl(PR_SET_NAME, "producer");
	if (fd < 0)
		return 100;
	if (h->flags == O_RDONLY ? node_read(fd, buf, PART) != PART : node_write(fd, buf, PART))
		return 101;
	if (!vt_tell(me, 1) || vt_hear(me) != 1)
		return 102;
	switch (h->how) {
	case RETURN:
		return 0;
	case EXIT_1:
		return 1;
	case KILL:
		kill(getpid(), SIGKILL);
		break;
	case CRASH:
		kill(getpid(), SIGSEGV);
		break;
	case CLOSE_AND_RETURN:
		return node_close(fd);
	case CLOSE_AND_EXIT_1:
		return node_close(fd) ?: 1;
	case THREAD_EXIT_3:
		pthread_create(&thread, NULL, exit_3, NULL);
		break;
	}
	for (;;)
		pause();
}

/* Lets it go to its end: what vt_finish says. */
static int let_go(struct vt_child *child)
{
	return vt_hear(child) == 1 && vt_tell(child, 1) ? vt_finish(child) : -1;
}

/* The set is aborted, because of that process and with that text. */
static void aborted_by(struct __test_metadata *_metadata, struct node_set *s, pid_t pid,
		       const char *text)
{
	struct vdi_set_stat stat = { };
	char want[VDI_TEXT_SIZE];

	EXPECT_TRUE(node_ended(s, ECANCELED));
	EXPECT_EQ(0, node_stat(s, &stat));
	EXPECT_EQ(VDI_STATE_ABORTED, stat.state);
	EXPECT_EQ(VDI_REASON_SERVER_DIED, stat.reason.reason);
	EXPECT_EQ(VDI_ROLE_SERVER, stat.reason.who.role);
	EXPECT_EQ(pid, stat.reason.who.pid);
	snprintf(want, sizeof(want), "%s with vdi-%u open", text, s->first);
	EXPECT_STREQ(want, stat.reason.text);
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH) + node_count(s, VDI_CMD_COMPLETE));
}

FIXTURE(end) {
	struct node_set *s;
};

FIXTURE_VARIANT(end) {
	unsigned int features;
	int flags;
	enum how how;
	int status;
	const char *text;	/* NULL: a good end */
};

#define END(name, f, o, h, e, t)	\
	FIXTURE_VARIANT_ADD(end, name)	\
	{ .features = f, .flags = o, .how = h, .status = e, .text = t }
#define KILLED	"producer was killed by signal 9"
#define CRASHED	"producer was killed by signal 11"
#define FAILED_3	"producer exited with status 3"
#define SH_KILLED	"sh was killed by signal 9"
#define FAILED	"producer exited with status 1"
END(write_return, VDI_FEAT_LIKE_PIPE, O_WRONLY, RETURN, 0, NULL);
END(write_exit_1, VDI_FEAT_LIKE_PIPE, O_WRONLY, EXIT_1, 1, FAILED);
END(write_kill, VDI_FEAT_LIKE_PIPE, O_WRONLY, KILL, 256 + SIGKILL, KILLED);
END(write_crash, VDI_FEAT_LIKE_PIPE, O_WRONLY, CRASH, 256 + SIGSEGV, CRASHED);
END(write_thread, VDI_FEAT_LIKE_PIPE, O_WRONLY, THREAD_EXIT_3, 3, FAILED_3);
END(write_close, VDI_FEAT_LIKE_PIPE, O_WRONLY, CLOSE_AND_RETURN, 0, NULL);
END(write_close_exit_1, VDI_FEAT_LIKE_PIPE, O_WRONLY, CLOSE_AND_EXIT_1, 1, NULL);
END(read_return, VDI_FEAT_LIKE_PIPE, O_RDONLY, RETURN, 0, NULL);
END(read_exit_1, VDI_FEAT_LIKE_PIPE, O_RDONLY, EXIT_1, 1, FAILED);
END(read_kill, VDI_FEAT_LIKE_PIPE, O_RDONLY, KILL, 256 + SIGKILL, KILLED);
END(disk_return, VDI_FEAT_LIKE_DISK, O_WRONLY, RETURN, 0, NULL);
END(disk_exit_1, VDI_FEAT_LIKE_DISK, O_RDWR, EXIT_1, 1, FAILED);
END(disk_kill, VDI_FEAT_LIKE_DISK, O_RDONLY, KILL, 256 + SIGKILL, KILLED);
END(tape_exit_1, VDI_FEAT_LIKE_TAPE, O_RDWR, EXIT_1, 1, FAILED);
END(tape_kill, VDI_FEAT_LIKE_TAPE, O_WRONLY, KILL, 256 + SIGKILL, KILLED);

FIXTURE_SETUP(end)
{
	self->s = node_new(variant->features | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
	self->s->store[0].size = 1 << 20;
	if (variant->flags != O_RDONLY)
		self->s->store[0].size = 0;
	ASSERT_EQ(0, node_up(self->s));
}

FIXTURE_TEARDOWN(end)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

TEST_F(end, of_the_only_holder)
{
	struct holder h = { self->s, -1, variant->flags, variant->how, NULL };
	struct node_set *s = self->s;
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, hold, &h));
	EXPECT_EQ(variant->status, let_go(&child));
	if (variant->text) {
		aborted_by(_metadata, s, child.pid, variant->text);
		return;
	}
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(VDI_STATE_TERMINATED, node_state(s));
	if (variant->flags != O_RDONLY)
		EXPECT_EQ(PART, s->store[0].size);
	EXPECT_EQ(variant->flags != O_RDONLY, node_count(s, VDI_CMD_COMPLETE));
}

/* A child has it as well, and ends one way or the other before its parent. */
TEST_F(end, of_one_of_two_holders)
{
	struct node_set *s = self->s;
	struct holder h = { s, -1, variant->flags, variant->how, NULL };
	struct vt_child child;

	h.fd = node_open(s, 0, variant->flags);
	ASSERT_LE(0, h.fd);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, hold, &h));
	EXPECT_EQ(variant->status, let_go(&child));
	if (variant->text) {
		aborted_by(_metadata, s, child.pid, variant->text);
		EXPECT_EQ(ECANCELED, node_close(h.fd));
		return;
	}
	EXPECT_GE(VDI_STATE_ACTIVE, node_state(s));
	EXPECT_EQ(0, node_count(s, VDI_CMD_COMPLETE));
	if (variant->flags != O_RDONLY)
		EXPECT_EQ(0, node_write(h.fd, s->create.name, 10));
	EXPECT_EQ(0, node_close(h.fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	if (variant->flags != O_RDONLY)
		EXPECT_EQ(PART + 10, s->store[0].size);
}

/* Exit never waits; the answer comes later, and nobody is there to hear it. */
TEST_F(node, exit_ends_it_in_the_background)
{
	struct node_set *s = self->s;
	struct holder h = { s, -1, O_WRONLY, RETURN, NULL };
	struct vt_child child;

	atomic_store(&s->hold, VDI_CMD_FLUSH);
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, hold, &h));
	EXPECT_EQ(0, let_go(&child));
	EXPECT_TRUE(VT_UNTIL(atomic_load(&s->holding) == VDI_CMD_FLUSH));
	EXPECT_EQ(VDI_STATE_ACTIVE, node_state(s));
	EXPECT_EQ(-EBUSY, node_open(s, 0, O_WRONLY));
	atomic_store(&s->hold, 0);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(PART, s->store[0].size);
}

TEST_F(node, duplicate_is_the_same_open)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0), other = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, PART));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH));
	ASSERT_EQ(0, node_write(other, self->buf, PART));
	EXPECT_EQ(0, node_close(other));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(2 * PART, s->store[0].size);
}

/* Gets the node over a socket, which is h->fd. */
static int receive_and_hold(struct vt_child *me, void *arg)
{
	struct holder h = *(struct holder *)arg;

	h.fd = vt_receive_fd(h.fd);
	return h.fd < 0 ? 103 : hold(me, &h);
}

static void pass_it(struct __test_metadata *_metadata, struct node_set *s, enum how how)
{
	int pair[2], fd;
	struct holder h = { s, -1, O_WRONLY, how, NULL };
	struct vt_child child;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	h.fd = pair[1];
	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, receive_and_hold, &h));
	fd = node_open(s, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_pass_fd(pair[0], fd));
	/* in the socket or received by now: the last holder it is not */
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(how == KILL ? 256 + SIGKILL : 0, let_go(&child));
	if (how == KILL) {
		aborted_by(_metadata, s, child.pid, KILLED);
	} else {
		EXPECT_TRUE(node_ended(s, ESHUTDOWN));
		EXPECT_EQ(PART, s->store[0].size);
	}
}

TEST_F(node, passed_on_and_finished)
{
	pass_it(_metadata, self->s, CLOSE_AND_RETURN);
}

TEST_F(node, passed_on_and_killed)
{
	pass_it(_metadata, self->s, KILL);
}

/* A descriptor that is in a socket, which goes: nobody has failed. */
TEST_F(node, passed_on_to_nobody)
{
	struct node_set *s = self->s;
	int pair[2], fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
	ASSERT_EQ(0, node_write(fd, self->buf, PART));
	ASSERT_EQ(0, vt_pass_fd(pair[0], fd));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH));
	close(pair[0]);
	close(pair[1]);
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
	EXPECT_EQ(PART, s->store[0].size);
}

/* Runs a shell with the node as its standard output, or with it close-on-exec. */
static int run_shell(struct vt_child *me, void *arg)
{
	struct holder *h = arg;
	int fd = node_open(h->s, 0, O_WRONLY);

	(void)me;
	if (fd < 0 || (h->flags && dup2(fd, 1) != 1))
		return 100;
	execl("/bin/sh", "sh", "-c", h->command, NULL);
	return 101;
}

FIXTURE(shell) {
	struct node_set *s;
};

FIXTURE_VARIANT(shell) {
	const char *command;
	int inherits, status;
	const char *stored;	/* NULL: aborted */
	const char *text;
};

#define SHELL(name, c, i, e, k, t)	\
	FIXTURE_VARIANT_ADD(shell, name)	\
	{ .command = c, .inherits = i, .status = e, .stored = k, .text = t }
SHELL(good, "echo hello", 1, 0, "hello\n", NULL);
SHELL(exit_3, "echo hello; exit 3", 1, 3, NULL, "sh exited with status 3");
SHELL(group, "cat /dev/null; echo a; (echo b); echo c | cat", 1, 0, "a\nb\nc\n", NULL);
SHELL(group_fails, "echo a; sh -c 'exit 5'; echo b; true", 1, 0, NULL, "sh exited with status 5");
SHELL(group_excepts, "echo a; sh -c 'exit 5' >&-; echo b", 1, 0, "a\nb\n", NULL);
SHELL(group_is_killed, "echo a; sh -c 'kill -9 $$'; true", 1, 0, NULL, SH_KILLED);
SHELL(close_on_exec, "exit 3", 0, 3, "", NULL);

FIXTURE_SETUP(shell)
{
	self->s = node_new(VDI_FEAT_LIKE_PIPE, 1);
	ASSERT_NE(NULL, self->s);
	ASSERT_EQ(0, node_up(self->s));
}

FIXTURE_TEARDOWN(shell)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

TEST_F(shell, ends)
{
	struct holder h = { self->s, -1, variant->inherits, RETURN, variant->command };
	struct node_set *s = self->s;
	struct vdi_set_stat stat;

	EXPECT_EQ(variant->status, vt_run_as(VT_ROOT, VT_ROOT, run_shell, &h));
	EXPECT_TRUE(node_ended(s, variant->stored ? ESHUTDOWN : ECANCELED));
	ASSERT_EQ(0, node_stat(s, &stat));
	if (variant->stored) {
		EXPECT_EQ(VDI_STATE_TERMINATED, stat.state);
		EXPECT_EQ(strlen(variant->stored), s->store[0].size);
		EXPECT_STREQ(variant->stored, (char *)s->store[0].data);
	} else {
		EXPECT_EQ(VDI_REASON_SERVER_DIED, stat.reason.reason);
		/* then follows the node */
		EXPECT_EQ(0, strncmp(variant->text, stat.reason.text, strlen(variant->text))) {
			TH_LOG("%s", stat.reason.text);
		}
	}
}

/* A program that fails and has it close-on-exec never was a holder. */
TEST_F(node, children_without_it_may_fail)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, node_write(fd, self->buf, PART));
	EXPECT_EQ(7, WEXITSTATUS(system("exit 7")));
	EXPECT_EQ(SIGKILL, WTERMSIG(system("kill -9 $$")));
	EXPECT_EQ(0, node_close(fd));
	EXPECT_TRUE(node_ended(s, ESHUTDOWN));
}

/* Killed at any moment: never a good end. */
static int write_for_ever(struct vt_child *me, void *arg)
{
	static unsigned char buf[100000];
	int fd = node_open(arg, 0, O_WRONLY);

	if (fd < 0 || !vt_tell(me, 1))
		return 100;
	while (!node_write(fd, buf, sizeof(buf)))
		;
	return 101;
}

TEST_F(node, killed_at_any_moment)
{
	struct node_set *s = self->s;
	struct vt_child child;
	int i;

	for (i = 0; i < 15; i++) {
		vt_name(s->create.name);
		s->store[0].size = 0;
		atomic_store(&s->ended, 0);
		ASSERT_EQ(0, node_up(s));
		ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, write_for_ever, s));
		ASSERT_EQ(1, vt_hear(&child));
		poll(NULL, 0, i);
		kill(child.pid, SIGKILL);
		ASSERT_EQ(256 + SIGKILL, vt_finish(&child));
		EXPECT_TRUE(node_ended(s, ECANCELED));
		EXPECT_EQ(VDI_STATE_ABORTED, node_state(s));
		EXPECT_EQ(0, node_count(s, VDI_CMD_FLUSH));
		node_kill(s);
		close(s->watch);
		close(s->client.to);
		close(s->client.from);
	}
}

/* The text is shown on terminals: what a program calls itself must do no harm there. */
static int with_a_bad_name(struct vt_child *me, void *arg)
{
	(void)me;
	prctl(PR_SET_NAME, "a\033[\377\nb");
	return node_open(arg, 0, O_WRONLY) < 0 ? 100 : 1;
}

TEST_F(node, name_of_the_program_is_harmless)
{
	struct node_set *s = self->s;
	struct vt_child child;

	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, with_a_bad_name, s));
	EXPECT_EQ(1, vt_finish(&child));
	aborted_by(_metadata, s, child.pid, "a?[??b exited with status 1");
}

/* A thread with a table of descriptors of its own is a holder of its own. */
static void *exit_thread(void *arg)
{
	if (unshare(CLONE_FILES))
		return arg;
	syscall(SYS_exit, 3 << 8);
	return arg;
}

static void *exit_thread_3(void *arg)
{
	if (!unshare(CLONE_FILES))
		syscall(SYS_exit, 3);
	return arg;
}

static int end_of_a_thread(struct vt_child *me, void *arg)
{
	int fd = node_open(arg, 0, O_WRONLY);
	pthread_t thread;

	prctl(PR_SET_NAME, "producer");
	if (fd < 0 || pthread_create(&thread, NULL, exit_thread, NULL))
		return 100;
	pthread_join(thread, NULL);
	/* 0 in its low byte: as good as a return */
	if (node_state(arg) == VDI_STATE_ABORTED ||
	    pthread_create(&thread, NULL, exit_thread_3, NULL))
		return 101;
	pthread_join(thread, NULL);
	return vt_tell(me, 1) && vt_hear(me) == 1 ? 0 : 102;
}

TEST_F(node, thread_with_descriptors_of_its_own_fails)
{
	struct node_set *s = self->s;
	struct vt_child child;

	ASSERT_EQ(0, node_up(s));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, end_of_a_thread, s));
	ASSERT_EQ(1, vt_hear(&child));
	aborted_by(_metadata, s, child.pid, FAILED_3);
	vt_tell(&child, 1);
	EXPECT_EQ(0, vt_finish(&child));
}

/* One of two streams fails after the other was finished. */
TEST_F(node, one_bad_stream_spoils_the_set)
{
	struct node_set *s = self->s;
	struct holder h = { s, -1, O_WRONLY, EXIT_1, NULL };
	struct vt_child child;
	int fd;

	s->create.config.device_count = 2;
	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 1, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_EQ(0, atomic_load(&s->ended));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, hold, &h));
	EXPECT_EQ(1, let_go(&child));
	EXPECT_TRUE(node_ended(s, ECANCELED));
	EXPECT_EQ(VDI_STATE_ABORTED, node_state(s));
}

TEST_F(node, module_stays_while_one_is_open)
{
	struct node_set *s = self->s;
	int fd = node_writer(s, 0);

	ASSERT_LE(0, fd);
	node_kill(s);
	close(s->watch);
	EXPECT_EQ(-1, syscall(SYS_delete_module, "vdi", O_NONBLOCK));
	EXPECT_EQ(EAGAIN, errno);
	EXPECT_EQ(ECANCELED, node_close(fd));
}

TEST_HARNESS_MAIN
