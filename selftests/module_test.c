// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module itself: it goes while others open and close, comes again, and goes
 * not under a descriptor, a sleeper or a passed handle; a mapping alone does not
 * hold it and outlives it.  Loads the file that the guest has loaded (VDI_MODULE),
 * and leaves it loaded as it was.
 */
#include <stdatomic.h>
#include <sys/stat.h>

#include "link.h"
#include "peer.h"
#include "sleeper.h"

#define ROUNDS	50U	/* VDI_UNLOAD_ROUNDS says otherwise */
#define OTHERS	3

static const char *module;
static struct stat node;

static int unload(void)
{
	return syscall(SYS_delete_module, "vdi", O_NONBLOCK) ? errno : 0;
}

/* With the node as it was: what udev would do. */
static int load(void)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC), err;

	err = fd < 0 || syscall(SYS_finit_module, fd, "", 0) ? errno : 0;
	if (fd >= 0)
		close(fd);
	if (!err && !VT_UNTIL(!access(VDI_DEVICE_NODE, F_OK)))
		err = ENOENT;
	if (!err && (chown(VDI_DEVICE_NODE, node.st_uid, node.st_gid) ||
		     chmod(VDI_DEVICE_NODE, node.st_mode & 07777)))
		err = errno;
	return err;
}

/* module: can be unloaded here. */
FIXTURE(module) {
	struct vt_peer peer;
};

FIXTURE_SETUP(module)
{
	module = getenv("VDI_MODULE");
	if (!module || access(module, R_OK))
		SKIP(return, "needs a guest: no VDI_MODULE to load again");
	ASSERT_EQ(0, stat(VDI_DEVICE_NODE, &node));
}

FIXTURE_TEARDOWN(module)
{
	if (module && access(VDI_DEVICE_NODE, F_OK))
		load();
	vt_baseline(_metadata);
}

/* A thing that holds the module as long as it is there, and nothing after it. */
#define EXPECT_HELD(what)						\
	EXPECT_EQ(EAGAIN, unload()) {					\
		TH_LOG("%s does not hold the module", what);		\
	}

#define EXPECT_FREE(what) do {						\
	EXPECT_TRUE(VT_UNTIL(unload() == 0)) {				\
		TH_LOG("%s still holds the module", what);		\
	}								\
	EXPECT_EQ(0, load());						\
} while (0)

TEST_F(module, held_by_descriptors)
{
	int fd = vt_open_node(), pair[2];
	struct vt_link l;

	EXPECT_HELD("an unbound handle");
	close(fd);
	EXPECT_FREE("an unbound handle that was closed");
	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_up(&l));
	close(l.client);
	close(l.server);
	close(l.sdev[0]);
	EXPECT_HELD("a device handle");
	close(l.cdev[0]);
	EXPECT_FREE("a device handle that was closed");
	/* in flight in a socket, and nowhere else */
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	fd = vt_open_node();
	ASSERT_EQ(0, vt_pass_fd(pair[0], fd));
	close(fd);
	EXPECT_HELD("a handle in a socket");
	close(pair[0]);
	close(pair[1]);
	EXPECT_FREE("a handle that was in a socket");
}

TEST_F(module, held_by_a_sleeper)
{
	struct vdi_command c;
	struct vt_sleeper s;
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_up(&l));
	s = vt_waiter(l.cdev[0], &c, 1, 1, VT_LONG);
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_HELD("a call that waits");
	ASSERT_TRUE(vt_still_asleep(&s));
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	close_range(l.client, ~0U, 0);
	EXPECT_FREE("a call that has returned");
}

TEST_F(module, not_held_by_a_mapping)
{
	volatile unsigned char *c, *s;
	struct vt_link l;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_up(&l));
	c = vt_map(l.client, l.offset, l.size);
	s = vt_map(l.server, l.offset, l.size);
	ASSERT_TRUE(c && s);
	c[0] = 0x5a;
	close(l.client);
	close(l.server);
	close(l.cdev[0]);
	close(l.sdev[0]);
	ASSERT_TRUE(VT_UNTIL(unload() == 0));
	EXPECT_EQ(0x5a, s[0]);
	s[l.size - 1] = 0xa5;
	EXPECT_EQ(0xa5, c[l.size - 1]);
	ASSERT_EQ(0, load());
	EXPECT_EQ(0xa5, c[l.size - 1]);
	munmap((void *)c, l.size);
	munmap((void *)s, l.size);
}

/* Others, in processes of their own. */

struct busy {
	atomic_uint opened;
	atomic_int strange;
	atomic_bool over;
};

/* There may be no module now, or it is on its way out or in. */
static bool expected(int err)
{
	return !err || err == ENOENT || err == ENXIO || err == ENODEV || err == EACCES;
}

static int open_and_close(struct vt_child *me, void *arg)
{
	unsigned int seed = getpid(), r;
	struct busy *b = arg;
	struct vt_link l;
	int err;

	(void)me;
	while (!atomic_load(&b->over)) {
		r = rand_r(&seed);
		vt_link_init(&l, 1);
		l.cdev[0] = -1;
		l.sdev[0] = -1;
		err = r & 1 ? vt_link_up(&l) : (l.client = vt_open_node()) < 0 ? errno : 0;
		if (!expected(err))
			atomic_store(&b->strange, err);
		atomic_fetch_add(&b->opened, !err);
		/* in any order; what was not opened is -1 */
		close(r & 2 ? l.client : l.sdev[0]);
		close(r & 2 ? l.sdev[0] : l.client);
		close(l.server);
		close(l.cdev[0]);
		/* sometimes nobody has it open */
		poll(NULL, 0, 10 + (r >> 4 & 63));
	}
	return 0;
}

TEST_F_TIMEOUT(module, loaded_and_unloaded_among_others, 3600)
{
	const char *s = getenv("VDI_UNLOAD_ROUNDS");
	unsigned int n = s && atoi(s) > 0 ? (unsigned int)atoi(s) : ROUNDS, i, busy = 0;
	struct vt_child others[OTHERS];
	struct busy *b;
	int err;

	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)b);
	for (i = 0; i < OTHERS; i++)
		ASSERT_TRUE(vt_start(&others[i], VT_ROOT, VT_ROOT, open_and_close, b));
	for (i = 0; i < n; i++) {
		ASSERT_TRUE(VT_UNTIL(({
			err = unload();
			busy += err == EAGAIN;
			err != EAGAIN;
		}))) {
			TH_LOG("never free to go");
		}
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, load());
		/* they find it sometimes, or find it going */
		poll(NULL, 0, i % 4 * 10);
	}
	atomic_store(&b->over, true);
	for (i = 0; i < OTHERS; i++)
		EXPECT_EQ(0, vt_finish(&others[i]));
	EXPECT_EQ(0, atomic_load(&b->strange)) {
		TH_LOG("open: %s", strerror(atomic_load(&b->strange)));
	}
	EXPECT_LT(0, atomic_load(&b->opened));
	TH_LOG("F14: reached %u of %u asked unloads, %u times it was in use, %u opens", n, n, busy,
	       atomic_load(&b->opened));
	munmap(b, sizeof(*b));
}

TEST_HARNESS_MAIN
