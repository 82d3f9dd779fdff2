// SPDX-License-Identifier: GPL-2.0-only
/*
 * The hammer: two processes of eight threads each, in which every thread makes
 * any call on any descriptor of its process that it likes, with random sleeps:
 * nothing is agreed upon, sets come and go under the calls on them.  Each call
 * gives an errno that the header has, nobody hangs, and nothing is left.  What the
 * calls mean when they are agreed upon is race_test's.  VDI_HAMMER_SECONDS says
 * how long, VDI_SEED repeats the choices (not the order of the threads).
 */
#include <pthread.h>
#include <stdatomic.h>

#include "child.h"
#include "link.h"

#define SECONDS		4U	/* by default; 60 are asked for a commit */
#define ASKED_S		60U
#define THREADS		8
#define SIDES		2
#define HANDLES		3	/* set handles of a process */
#define DEVICES		6	/* and device handles */
#define NAMES		2
#define MAPS		4

/* What a process and the test share */
struct tally {
	atomic_ulong calls;
	atomic_ulong good;
	atomic_ulong sets;
	atomic_ulong moved;
	atomic_int strange;	/* an errno that no call may give, and which call */
	atomic_ulong strange_call;
	unsigned int seed;
	uint64_t end_ns;
};

static struct tally *tally;
static atomic_int handles[HANDLES];
static atomic_int devices[DEVICES];
static atomic_uintptr_t maps[MAPS];

/* One thread */
struct thread {
	unsigned int seed;
	bool server;
	pthread_t thread;
};

static unsigned int pick(struct thread *t, unsigned int n)
{
	return (rand_r(&t->seed) >> 3) % n;
}

static void name(struct thread *t, char *to)
{
	snprintf(to, VDI_NAME_SIZE, "vdi-hammer-%u", pick(t, NAMES));
}

/* Whatever happens, and to whomever: these are all that the header has. */
static bool documented(int err)
{
	static const int known[] = {
		0, EPROTO, ECANCELED, ESHUTDOWN, ETIMEDOUT, EAGAIN, EINVAL, EBUSY, ENOENT, EEXIST,
		EXFULL, EREMOTEIO, EDQUOT, ENOMEM, EMFILE, EBADF, EIO,
		ENOTTY,		/* the descriptor is another kind of handle by now */
		EOWNERDEAD, EOPNOTSUPP, EACCES,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i] == err)
			return true;
	return false;
}

static int note(unsigned long req, int err)
{
	atomic_fetch_add(&tally->calls, 1);
	atomic_fetch_add(&tally->good, !err);
	if (!documented(err)) {
		atomic_store(&tally->strange_call, req);
		atomic_store(&tally->strange, err);
	}
	return err;
}

/* Who takes a descriptor out closes it, under all who use it now. */
static void put_fd(atomic_int *slot, int fd)
{
	int old = atomic_exchange(slot, fd);

	if (old >= 0)
		close(old);
}

/* Begins with a set, or begins again with a handle whose set has ended. */
static void bind_handle(struct thread *t, unsigned int slot)
{
	int fd = atomic_load(&handles[slot]), err;
	char n[VDI_NAME_SIZE];

	if (fd < 0 || vt_state(fd) >= VDI_STATE_TERMINATED) {
		put_fd(&handles[slot], vt_open_node());
		return;
	}
	name(t, n);
	if (t->server) {
		err = note(VDI_IOC_OPEN, vt_open(fd, n));
		if (!err && !note(VDI_IOC_BEGIN_CONFIG, vt_begin(fd)))
			note(VDI_IOC_END_CONFIG, vt_end(fd, 2 * VT_TRANSFER));
		return;
	}
	if (pick(t, 4)) {
		err = note(VDI_IOC_CREATE, vt_create(fd, n, 2));
		atomic_fetch_add(&tally->sets, !err);
	} else {
		note(VDI_IOC_OPEN_SECONDARY, vt_open_secondary(fd, n));
	}
}

static void open_device(struct thread *t, int fd)
{
	char n[VDI_NAME_SIZE];
	struct vdi_status s;
	int dev;

	if (note(VDI_IOC_STATUS, vt_status(fd, &s)))
		return;
	vt_device_name(n, s.out_stat.name, pick(t, 2));
	dev = vt_open_device(fd, n);
	note(VDI_IOC_OPEN_DEVICE, dev < 0 ? -dev : 0);
	if (dev >= 0)
		put_fd(&devices[pick(t, DEVICES)], dev);
}

/* Commands, and completions of whatever came. */
static void exchange(struct thread *t, int fd)
{
	struct vdi_completion d[4];
	struct vdi_command c[4];
	unsigned int i, n = pick(t, 5);
	struct vdi_exchange x;
	int err;

	if (t->server) {
		for (i = 0; i < n; i++)
			c[i] = vt_flush(pick(t, 2), i);
		err = vt_exchange(fd, &x, c, n, d, 4, pick(t, 3), vt_in_ms(pick(t, 20)));
	} else {
		err = vt_exchange(fd, &x, NULL, 0, c, 4, pick(t, 3), vt_in_ms(pick(t, 20)));
		n = err ? 0 : x.out_delivered;
		for (i = 0; i < n; i++)
			d[i] = vt_answer(&c[i], pick(t, 8) ? 0 : VDI_CODE_IO_DEVICE);
		note(VDI_IOC_EXCHANGE, err);
		if (n && pick(t, 8))
			err = vt_exchange(fd, &x, d, n, NULL, 0, 0, 0);
		atomic_fetch_add(&tally->moved, n);
	}
	note(VDI_IOC_EXCHANGE, err);
}

static void map(struct thread *t, int fd)
{
	unsigned char *p = vt_map(fd, 0, 2 * VT_TRANSFER), *old;

	if (p)
		p[pick(t, 2 * VT_TRANSFER)]++;
	old = (void *)atomic_exchange(&maps[pick(t, MAPS)], (uintptr_t)p);
	if (old)
		munmap(old, 2 * VT_TRANSFER);
}

static void look(struct thread *t, int fd)
{
	struct vdi_set_stat sets[2];
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = 2,
				    .entry_size = sizeof(sets[0]));
	struct vdi_status s;

	switch (pick(t, 4)) {
	case 0:
		note(VDI_IOC_STATUS, vt_status(fd, &s));
		break;
	case 1:
		note(VDI_IOC_LIST, vt_call(fd, VDI_IOC_LIST, &l));
		break;
	case 2:
		note(VDI_IOC_GET_CONFIG, vt_get_config(fd, vt_in_ms(pick(t, 20))));
		break;
	default:
		vt_poll(fd);
	}
}

static void end_something(struct thread *t, int fd, int dev)
{
	switch (pick(t, 18)) {
	case 0:
		note(VDI_IOC_ABORT, vt_abort(fd));
		break;
	case 1:
		note(VDI_IOC_CLOSE, vt_close(fd));
		break;
	case 2:
		put_fd(&handles[pick(t, HANDLES)], -1);
		break;
	case 3:
		put_fd(&devices[pick(t, DEVICES)], -1);
		break;
	case 4:
		note(VDI_IOC_CLOSE_DEVICE, vt_close_device(dev));
		break;
	case 5:
		note(VDI_IOC_ADOPT, vt_adopt(dev));
		break;
	}
}

static void *hammer(void *arg)
{
	struct thread *t = arg;
	int fd, dev;

	while (vt_now() < tally->end_ns) {
		fd = atomic_load(&handles[pick(t, HANDLES)]);
		dev = atomic_load(&devices[pick(t, DEVICES)]);
		switch (pick(t, 32)) {
		case 0:
		case 1:
			bind_handle(t, pick(t, HANDLES));
			break;
		case 2:
		case 3:
		case 4:
		case 5:
			open_device(t, fd);
			break;
		case 6:
		case 7:
			map(t, pick(t, 2) ? fd : dev);
			break;
		case 8:
		case 9:
			look(t, pick(t, 2) ? fd : dev);
			break;
		case 10:
			end_something(t, fd, dev);
			break;
		case 11:
		case 12:
			poll(NULL, 0, pick(t, 3));
			break;
		default:
			exchange(t, pick(t, 4) ? dev : fd);
		}
	}
	return NULL;
}

static int side(struct vt_child *me, void *arg)
{
	static struct thread threads[THREADS];
	bool server = arg;
	unsigned int i;

	(void)me;
	for (i = 0; i < HANDLES; i++)
		atomic_store(&handles[i], -1);
	for (i = 0; i < DEVICES; i++)
		atomic_store(&devices[i], -1);
	for (i = 0; i < THREADS; i++) {
		threads[i] = (struct thread){
			.seed = tally->seed + i + (server ? THREADS : 0), .server = server,
		};
		if (pthread_create(&threads[i].thread, NULL, hammer, &threads[i]))
			return 1;
	}
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	return 0;
}

FIXTURE(hammer) {
};

FIXTURE_SETUP(hammer)
{
}

FIXTURE_TEARDOWN(hammer)
{
	vt_baseline(_metadata);
}

TEST_F_TIMEOUT(hammer, everybody_does_anything, 7200)
{
	const char *seconds = getenv("VDI_HAMMER_SECONDS"), *seed = getenv("VDI_SEED");
	unsigned int n = seconds && atoi(seconds) > 0 ? (unsigned int)atoi(seconds) : SECONDS, i;
	struct vt_child child[SIDES];
	uint64_t late;

	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)tally);
	tally->seed = seed ? strtoul(seed, NULL, 0) : (unsigned int)vt_now();
	tally->end_ns = vt_now() + n * VT_SEC;
	for (i = 0; i < SIDES; i++)
		ASSERT_TRUE(vt_start(&child[i], VT_ROOT, VT_ROOT, side, (void *)(uintptr_t)i));
	poll(NULL, 0, n * 1000);
	for (i = 0; i < SIDES; i++) {
		EXPECT_EQ(0, vt_finish(&child[i])) {
			TH_LOG("side %u hangs or has died, VDI_SEED=%u", i, tally->seed);
		}
	}
	late = vt_now() - tally->end_ns;
	EXPECT_EQ(0, atomic_load(&tally->strange)) {
		TH_LOG("%s gave %s, VDI_SEED=%u", vt_ioctl_name(atomic_load(&tally->strange_call)),
		       strerrorname_np(atomic_load(&tally->strange)), tally->seed);
	}
	/* it has really been at work */
	EXPECT_LT(0, atomic_load(&tally->sets));
	EXPECT_LT(0, atomic_load(&tally->moved));
	TH_LOG("F6: reached %u s of %u asked, %lu calls, %lu of them good, %lu sets, %lu commands",
	       n, ASKED_S, atomic_load(&tally->calls), atomic_load(&tally->good),
	       atomic_load(&tally->sets), atomic_load(&tally->moved));
	TH_LOG("all were back %llu ms after the end", (unsigned long long)late / 1000000);
	munmap(tally, sizeof(*tally));
}

TEST_HARNESS_MAIN
