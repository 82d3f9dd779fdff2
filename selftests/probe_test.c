// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who holds a descriptor, and what its owner's last close or death means then:
 * what the design takes from experiments with the kernel's ->flush, ->release and
 * mmap, on the device itself, so that a kernel that does it differently is seen.
 *
 *	close while mapped			here, area_life_test
 *	dup: first and last close		here
 *	a forked child holds it			here, abort_death_test (row 28)
 *	unread in a socket			abort_death_test (row 29), module_test
 *	posix_spawn, system, unshare, a thread	here
 *	exec with and without close-on-exec	kill_matrix_test, abort_death_test (28b)
 *	order at SIGKILL			early_death_test
 *	the peer's data after its death		area_life_test
 *	core dump, SIGSTOP			kill_matrix_test, freeze_test
 *	MAP_PRIVATE				area_test
 *	rmmod					module_test, area_life_test
 *	registered with io_uring		here
 *	taken by pidfd_getfd			here
 */
#include <linux/io_uring.h>
#include <pthread.h>
#include <sched.h>
#include <spawn.h>

#include "link.h"
#include "peer.h"

extern char **environ;

/* owner: a process that made a set; the test is its server. */
FIXTURE(owner) {
	struct vt_peer peer;
	int fd;
};

/* With the notifier of its death, and by what its file table says alone */
FIXTURE_VARIANT(owner) {
	bool early;
};

FIXTURE_VARIANT_ADD(owner, watched) { .early = true };
FIXTURE_VARIANT_ADD(owner, unwatched) { .early = false };

FIXTURE_SETUP(owner)
{
	ASSERT_TRUE(vt_set_parameter("early_death", variant->early));
	ASSERT_TRUE(vt_peer_start(&self->peer));
	vt_name(self->peer.page->name);
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_create));
	self->fd = vt_open_node();
	ASSERT_EQ(0, vt_open(self->fd, self->peer.page->name));
	ASSERT_EQ(0, vt_begin(self->fd));
	ASSERT_EQ(0, vt_end(self->fd, VT_TRANSFER));
}

FIXTURE_TEARDOWN(owner)
{
	vt_peer_stop(&self->peer);
	EXPECT_TRUE(vt_set_parameter("early_death", 1));
	vt_baseline(_metadata);
}

/* The owner is dead for the set, at once, whoever else holds the file. */
#define EXPECT_GONE() do {							\
	EXPECT_TRUE(VT_UNTIL(vt_state(self->fd) == VDI_STATE_ABORTED));		\
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, vt_reason(self->fd));			\
} while (0)

#define EXPECT_THERE()	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->fd))

static int do_map(struct vt_page *p)
{
	p->offset = 0;
	p->size = VT_TRANSFER;
	return vt_do_map(p);
}

/* The mapping does not hold the handle. */
TEST_F(owner, closed_while_mapped)
{
	ASSERT_EQ(0, vt_peer(&self->peer, do_map));
	EXPECT_THERE();
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_fd));
	EXPECT_GONE();
}

static int do_dup(struct vt_page *p)
{
	p->dev[0] = dup(p->fd);
	return p->dev[0] < 0 ? errno : 0;
}

static int do_close_dup(struct vt_page *p)
{
	return close(p->dev[0]) ? errno : 0;
}

TEST_F(owner, dup_counts_with_the_last)
{
	ASSERT_EQ(0, vt_peer(&self->peer, do_dup));
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_fd));
	EXPECT_THERE();
	ASSERT_EQ(0, vt_peer(&self->peer, do_close_dup));
	EXPECT_GONE();
}

TEST_F(owner, killed_with_a_child_that_holds_it)
{
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_fork));
	EXPECT_THERE();
	vt_peer_kill(&self->peer);
	EXPECT_GONE();
	/* the child is there, and so is the handle */
	EXPECT_EQ(0, kill(self->peer.page->pids[0], 0));
	EXPECT_EQ(2, vt_counter("handles"));
}

/* A child with the same file table is no owner after exec. */
static int do_ask_from_a_child(struct vt_page *p)
{
	struct vdi_status s = VT_INIT(vdi_status, .flags = VDI_STATUS_F_FOREIGN);
	int status = -1;
	pid_t pid;

	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (!pid)
		_exit(vt_call(p->fd, VDI_IOC_STATUS, &s));
	return pid > 0 && waitpid(pid, &status, 0) == pid ? status : -1;
}

TEST_F(owner, asked_by_a_child_with_its_table)
{
	EXPECT_EQ(0, vt_peer(&self->peer, do_ask_from_a_child));
	EXPECT_THERE();
}

static int do_spawn(struct vt_page *p)
{
	char program[] = "true";
	char * const argv[] = { program, NULL };
	int status = -1;
	pid_t pid;

	(void)p;
	if (posix_spawnp(&pid, program, NULL, NULL, argv, environ))
		return errno;
	if (waitpid(pid, &status, 0) != pid)
		return errno;
	return status ?: system(program);
}

TEST_F(owner, spawn_and_system_mean_nothing)
{
	ASSERT_EQ(0, vt_peer(&self->peer, do_spawn));
	EXPECT_THERE();
}

static void *close_in_own_table(void *arg)
{
	struct vt_page *p = arg;

	p->ret = unshare(CLONE_FILES) || close(p->fd) ? errno : 0;
	return NULL;
}

static int do_unshare(struct vt_page *p)
{
	pthread_t t;

	int err = pthread_create(&t, NULL, close_in_own_table, p) ?: pthread_join(t, NULL);

	return err ?: p->ret;
}

TEST_F(owner, close_in_an_unshared_table_means_nothing)
{
	ASSERT_EQ(0, vt_peer(&self->peer, do_unshare));
	EXPECT_THERE();
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_fd));
	EXPECT_GONE();
}

/* io_uring holds the file, not the descriptor. */

static int do_register(struct vt_page *p)
{
	struct io_uring_params params = {};

	p->dev[1] = syscall(SYS_io_uring_setup, 4, &params);
	if (p->dev[1] < 0)
		return errno;
	return syscall(SYS_io_uring_register, p->dev[1], IORING_REGISTER_FILES, &p->fd, 1) < 0 ?
		       errno : 0;
}

static int do_close_ring(struct vt_page *p)
{
	return close(p->dev[1]) ? errno : 0;
}

TEST_F(owner, closed_while_registered_with_io_uring)
{
	int err = vt_peer(&self->peer, do_register);

	if (err == ENOSYS || err == EPERM)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	EXPECT_THERE();
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_fd));
	EXPECT_GONE();
	EXPECT_EQ(2, vt_counter("handles"));
	ASSERT_EQ(0, vt_peer(&self->peer, do_close_ring));
	EXPECT_TRUE(VT_UNTIL(vt_counter("handles") == 1));
}

TEST_F(owner, killed_while_registered_with_io_uring)
{
	int err = vt_peer(&self->peer, do_register);

	if (err == ENOSYS || err == EPERM)
		SKIP(return, "no io_uring here");
	ASSERT_EQ(0, err);
	vt_peer_kill(&self->peer);
	EXPECT_GONE();
	EXPECT_TRUE(VT_UNTIL(vt_counter("handles") == 1));
}

/* A copy that was taken is nobody's: it can be held, polled and closed. */

static int take(struct vt_peer *peer)
{
	int pidfd = syscall(SYS_pidfd_open, peer->child.pid, 0), fd;

	fd = syscall(SYS_pidfd_getfd, pidfd, peer->page->fd, 0);
	close(pidfd);
	return fd;
}

TEST_F(owner, closed_while_taken_by_pidfd_getfd)
{
	struct vdi_status s;
	int fd = take(&self->peer);

	ASSERT_LE(0, fd);
	EXPECT_EQ(EIO, vt_status(fd, &s));
	EXPECT_EQ(EIO, vt_close(fd));
	EXPECT_EQ(0, vt_poll(fd) & (POLLERR | POLLHUP | POLLNVAL));
	EXPECT_THERE();
	ASSERT_EQ(0, vt_peer(&self->peer, vt_do_close_fd));
	EXPECT_GONE();
	EXPECT_NE(0, vt_poll(fd) & POLLHUP);
	EXPECT_EQ(EOWNERDEAD, vt_adopt(fd));
	close(fd);
}

TEST_F(owner, killed_while_taken_by_pidfd_getfd)
{
	int fd = take(&self->peer);

	ASSERT_LE(0, fd);
	vt_peer_kill(&self->peer);
	EXPECT_GONE();
	EXPECT_NE(0, vt_poll(fd) & POLLHUP);
	close(fd);
}

/* The thief's close is none of the owner's. */
TEST_F(owner, thiefs_close_means_nothing)
{
	int fd = take(&self->peer);

	ASSERT_LE(0, fd);
	close(fd);
	EXPECT_THERE();
	EXPECT_EQ(0, vt_peer(&self->peer, vt_do_status));
}

TEST_HARNESS_MAIN
