// SPDX-License-Identifier: GPL-2.0-only
/*
 * Leaks: sets made, used and ended in all ways, again and again; afterwards the
 * kernel's unreclaimable slabs, its shared memory, its open files and the counters
 * of the module are what they were (F8).  VDI_LEAK_ROUNDS says how often.
 */
#include "link.h"
#include "peer.h"

#define ROUNDS		1000U
#define KILLED		10U	/* a tenth as many with kill -9: each costs a process */
#define WARM_UP		200U	/* until all caches are as full as they get */
#define SLACK_KIB	256

static unsigned int rounds(void)
{
	const char *s = getenv("VDI_LEAK_ROUNDS");

	return s && atoi(s) > 0 ? (unsigned int)atoi(s) : ROUNDS;
}

/* A line of /proc/meminfo in KiB, or -1. */
static long meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char key[64];
	long kib = -1, value;

	while (f && fscanf(f, "%63s %ld kB\n", key, &value) == 2)
		if (!strcmp(key, name))
			kib = value;
	if (f)
		fclose(f);
	return kib;
}

/* The kernel's count is behind by up to 32 for each processor, each time it is read. */
static long files_slack(void)
{
	return 2 * 32 * sysconf(_SC_NPROCESSORS_ONLN);
}

static long open_files(void)
{
	FILE *f = fopen("/proc/sys/fs/file-nr", "re");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* KASAN keeps what was freed for a while, so that the slabs say nothing. */
static bool has_quarantine(void)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[256];
	bool found = false;

	while (f && !found && fgets(line, sizeof(line), f))
		found = strstr(line, " kasan_quarantine_put\n");
	if (f)
		fclose(f);
	return found;
}

/* Ways for a set to end */
enum end { IN_ORDER, BY_ABORT, BY_CLIENT, BY_SERVER, BY_DESCRIPTORS, ENDS };

static int end_in_order(struct vt_link *l)
{
	struct vdi_completion d;
	struct vdi_command c;
	int i, err = vt_get(l->cdev[0], &c, 0) ?: vt_complete(l->cdev[0], 0, c.id, 0, 0);

	err = err ?: vt_collect(l->sdev[0], &d, 0);
	for (i = 0; !err && i < l->n; i++)
		err = vt_close_device(l->sdev[i]);
	return err ?: vt_close(l->client) ?: vt_close(l->server);
}

/* One set from its beginning to @end: 0 or the errno. */
static int cycle(enum end end)
{
	struct vt_link l;
	void *c, *s;
	int err, i;

	vt_link_init(&l, 2);
	err = vt_link_up(&l);
	if (err)
		return err;
	c = vt_map(l.client, l.offset, l.size);
	s = vt_map(l.server, l.offset, l.size);
	if (!c || !s)
		return errno;
	memset(c, 1, l.size);
	err = vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1);
	switch (end) {
	case IN_ORDER:
		err = err ?: end_in_order(&l);
		break;
	case BY_ABORT:
		err = err ?: vt_abort(l.client);
		break;
	case BY_CLIENT:
		err = err ?: vt_close(l.client) != EBUSY;
		break;
	case BY_SERVER:
		err = err ?: vt_close(l.server) != EPROTO;
		break;
	default:
		break;
	}
	for (i = 0; i < l.n; i++) {
		close(l.cdev[i]);
		close(l.sdev[i]);
	}
	close(l.client);
	close(l.server);
	munmap(c, l.size);
	munmap(s, l.size);
	return err;
}

/* leak: how much there was of all that may grow. */
FIXTURE(leak) {
	long slab;
	long shmem;
	long files;
};

FIXTURE_SETUP(leak)
{
}

FIXTURE_TEARDOWN(leak)
{
	vt_baseline(_metadata);
}

#define REMEMBER() do {								\
	self->slab = meminfo("SUnreclaim:");					\
	self->shmem = meminfo("Shmem:");					\
	self->files = open_files();						\
	ASSERT_LT(0, self->slab);						\
	ASSERT_LE(0, self->shmem);						\
	ASSERT_LE(0, self->files);						\
} while (0)

/* The last of it is freed late: after grace periods, by other threads. */
#define COMPARE(n) do {								\
	EXPECT_TRUE(VT_UNTIL(!vt_left_over())) {				\
		TH_LOG("left over in the module: %s", vt_left_over());		\
	}									\
	EXPECT_TRUE(VT_UNTIL(meminfo("Shmem:") <= self->shmem + SLACK_KIB)) {	\
		TH_LOG("Shmem: %ld kB, was %ld", meminfo("Shmem:"), self->shmem);	\
	}									\
	EXPECT_TRUE(VT_UNTIL(open_files() <= self->files + files_slack())) {	\
		TH_LOG("files: %ld, were %ld", open_files(), self->files);	\
	}									\
	if (!has_quarantine())							\
		EXPECT_TRUE(VT_UNTIL(meminfo("SUnreclaim:") <= self->slab + SLACK_KIB)) { \
			TH_LOG("SUnreclaim: %ld kB, was %ld", meminfo("SUnreclaim:"),	\
			       self->slab);					\
		}								\
	TH_LOG("F8: reached %u of %u asked cycles; %+ld kB SUnreclaim%s, %+ld kB Shmem", n, n,	\
	       meminfo("SUnreclaim:") - self->slab, has_quarantine() ? " with KASAN" : "",	\
	       meminfo("Shmem:") - self->shmem);				\
} while (0)

TEST_F_TIMEOUT(leak, ended_in_all_ways, 3600)
{
	unsigned int i, n = rounds();

	for (i = 0; i < n + WARM_UP; i++) {
		if (i == WARM_UP)
			REMEMBER();
		ASSERT_EQ(0, cycle(i % ENDS)) {
			TH_LOG("round %u", i);
		}
	}
	COMPARE(n);
}

/* A child with all of a set, and another with nothing, both dead at once. */
static int do_all(struct vt_page *p)
{
	struct vt_link l;
	int err;

	(void)p;
	vt_link_init(&l, 2);
	err = vt_link_up(&l);
	if (!err && !vt_map(l.client, l.offset, l.size))
		err = errno;
	return err ?: vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1);
}

TEST_F_TIMEOUT(leak, killed, 3600)
{
	unsigned int i, n = rounds() / KILLED;
	struct vt_peer peer;

	for (i = 0; i < n + WARM_UP / KILLED; i++) {
		if (i == WARM_UP / KILLED)
			REMEMBER();
		peer = (struct vt_peer){};
		ASSERT_TRUE(vt_peer_start(&peer));
		ASSERT_EQ(0, vt_peer(&peer, do_all)) {
			TH_LOG("round %u", i);
		}
		vt_peer_stop(&peer);
		close(peer.child.to);
		close(peer.child.from);
		munmap(peer.page, sizeof(*peer.page));
	}
	COMPARE(n);
}

TEST_HARNESS_MAIN
