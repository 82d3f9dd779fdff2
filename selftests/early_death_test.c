// SPDX-License-Identifier: GPL-2.0-only
/*
 * The early notice of a death: the set of a killed process is aborted before its
 * memory is torn down, however much it has.  Told by the order of trace events
 * and of what the survivor writes between them, so that no clock matters.  With
 * the parameter early_death off the order is the other way round: the test can
 * tell the two apart.  Without it an exec that keeps the descriptor is found by the
 * next call.
 */
#include <sys/stat.h>

#include "peer.h"

#define TRACING		"/sys/kernel/tracing"
#define INSTANCE	TRACING "/instances/vdi_early_death"
#define PARAMETER	VT_PARAMETERS "early_death"

#define DEATHS		8	/* of which one must be heard of in time */

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	ssize_t done = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)strlen(text);
}

static bool empty_the_trace(void)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static char parameter(void)
{
	int fd = open(PARAMETER, O_RDONLY);
	char c = 0;

	if (fd < 0 || read(fd, &c, 1) != 1)
		c = 0;
	if (fd >= 0)
		close(fd);
	return c;
}

FIXTURE(early_death) {
	struct vt_peer peer;
	char before;		/* of the parameter */
	int fd;
};

/* with a little memory, and with much: VDI_DEATH_MIB, for a test that has time */
FIXTURE_VARIANT(early_death) {
	long kib;
	bool early;
};

FIXTURE_VARIANT_ADD(early_death, little) { .kib = 4, .early = true };
FIXTURE_VARIANT_ADD(early_death, much) { .kib = 128 << 10, .early = true };
FIXTURE_VARIANT_ADD(early_death, off) { .kib = 128 << 10, .early = false };

FIXTURE_SETUP(early_death)
{
	self->before = parameter();
	self->fd = -1;
	/* no names: to have them, the kernel would patch its scheduler each time */
	put(TRACING "/options/record-cmd", "0");
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		SKIP(return, "the kernel has no tracing");
	if (!put(INSTANCE "/events/mmap/exit_mmap/enable", "1"))
		SKIP(return, "the kernel does not trace the end of address spaces");
	ASSERT_TRUE(put(INSTANCE "/events/vdi/vdi_abort/enable", "1"));
	ASSERT_TRUE(put(INSTANCE "/tracing_on", "1"));
	ASSERT_TRUE(put(PARAMETER, variant->early ? "Y" : "N"));
	ASSERT_TRUE(vt_peer_start(&self->peer));
	vt_name(self->peer.page->name);
	self->fd = vt_open_node();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(early_death)
{
	vt_peer_stop(&self->peer);
	if (self->fd >= 0)
		close(self->fd);
	put(PARAMETER, self->before == 'N' ? "N" : "Y");
	rmdir(INSTANCE);
	put(TRACING "/options/record-cmd", "1");
	vt_baseline(_metadata);
}

static int create_and_fill(struct vt_page *p)
{
	char *memory = mmap(NULL, p->arg << 10, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (memory == MAP_FAILED)
		return errno;
	p->arg = 1;
	return vt_do_create(p);
}

/* Whether the set is aborted; what it said is taken. */
static bool aborted(int fd)
{
	return vt_poll(fd) & POLLERR;
}

/* A line of the trace that this process has caused, or any: its number, 0 for none. */
static int line_of(const char *event, pid_t pid)
{
	FILE *f = fopen(INSTANCE "/trace", "r");
	char line[512], want[32];
	int n = 0, at = 0;

	snprintf(want, sizeof(want), "-%d ", pid);
	while (f && !at && fgets(line, sizeof(line), f)) {
		n++;
		if (strstr(line, event) && (!pid || strstr(line, want)))
			at = n;
	}
	if (f)
		fclose(f);
	return at;
}

/* Where in the trace: 0 is nowhere. */
struct death {
	int abort_at;
	int told_at;		/* the survivor has seen it */
	int exit_at;		/* the memory of the victim is gone */
};

/* One death, by itself in the trace; what failed has its line in the log. */
static bool die(struct __test_metadata *_metadata, FIXTURE_DATA(early_death) *self, int marker,
		struct death *d)
{
	struct vt_page *p = self->peer.page;
	pid_t pid = self->peer.child.pid;
	bool all;

	all = empty_the_trace() && !vt_peer(&self->peer, create_and_fill) &&
	      !vt_open(self->fd, p->name);
	vt_peer_kill(&self->peer);
	all = all && VT_UNTIL(aborted(self->fd)) && write(marker, "the survivor knows", 18) == 18 &&
	      VT_UNTIL(line_of("exit_mmap:", pid));
	EXPECT_TRUE(all);
	d->abort_at = line_of("vdi_abort", 0);
	d->told_at = line_of("the survivor knows", 0);
	d->exit_at = line_of("exit_mmap:", pid);
	return all;
}

/*
 * The order of abort and teardown holds at each death.  That the survivor itself ran
 * before the teardown ended is a matter of processors, which an emulated guest may
 * not have at that moment: of some deaths, one must show it.
 */
TEST_F(early_death, comes_before_the_memory_goes)
{
	const char *mib = getenv("VDI_DEATH_MIB");
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	long kib = mib && variant->kib > 4 ? strtol(mib, NULL, 10) << 10 : variant->kib;
	bool hears = variant->early && variant->kib > 4 && sysconf(_SC_NPROCESSORS_ONLN) > 1;
	struct death d;
	int marker, tries;

	ASSERT_OK(self->fd, VDI_IOC_GET_INFO, &info);
	if (variant->early && !(info.out_capabilities & VDI_CAP_EARLY_DEATH))
		SKIP(return, "the kernel has no mmu notifiers");
	marker = open(INSTANCE "/trace_marker", O_WRONLY);
	ASSERT_LE(0, marker);
	for (tries = 1;; tries++) {
		self->peer.page->arg = kib;
		if (!die(_metadata, self, marker, &d))
			break;
		EXPECT_LT(0, d.abort_at);
		EXPECT_LT(d.abort_at, d.told_at);
		EXPECT_EQ(variant->early, d.abort_at < d.exit_at);
		EXPECT_EQ(0, vt_close(self->fd));
		close(self->fd);
		self->fd = vt_open_node();
		ASSERT_LE(0, self->fd);
		if (!hears || d.told_at < d.exit_at || tries == DEATHS)
			break;
		vt_peer_stop(&self->peer);
		ASSERT_TRUE(vt_peer_start(&self->peer));
		vt_name(self->peer.page->name);
	}
	close(marker);
	TH_LOG("%ld KiB resident, deaths: %d", kib, tries);
	if (hears)
		EXPECT_LT(d.told_at, d.exit_at);
}

#define EXEC_FD		"VDI_TEST_EXEC_FD"

/* The program that this one becomes by exec: its call must fail, then it stays. */
static void __attribute__((constructor)) after_exec(void)
{
	struct vdi_status status;
	const char *fd = getenv(EXEC_FD);

	if (!fd)
		return;
	if (vt_status(atoi(fd), &status) != EIO)
		_exit(1);
	for (;;)
		pause();
}

static int create_and_exec(struct vt_child *me, void *arg)
{
	int fd = vt_open_node();
	char text[16];

	snprintf(text, sizeof(text), "%d", fd);
	if (fd < 0 || fcntl(fd, F_SETFD, 0) || vt_create(fd, arg, 1) ||
	    setenv(EXEC_FD, text, 1) || !vt_tell(me, 1) || vt_hear(me) != 1)
		return 100;
	execl("/proc/self/exe", "after_exec", NULL);
	return 101;
}

FIXTURE(exec) {
	char before;
};

FIXTURE_VARIANT(exec) {
	bool early;
};

FIXTURE_VARIANT_ADD(exec, told_early) { .early = true };
FIXTURE_VARIANT_ADD(exec, found_by_the_call) { .early = false };

FIXTURE_SETUP(exec)
{
	self->before = parameter();
	ASSERT_TRUE(put(PARAMETER, variant->early ? "Y" : "N"));
}

FIXTURE_TEARDOWN(exec)
{
	put(PARAMETER, self->before == 'N' ? "N" : "Y");
	vt_baseline(_metadata);
}

/* The set was that of the program before: it is over, and not the new one's. */
TEST_F(exec, ends_what_the_program_had)
{
	char name[VDI_NAME_SIZE];
	struct vt_child child;
	int fd = vt_open_node();

	ASSERT_LE(0, fd);
	vt_name(name);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, create_and_exec, name));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, vt_open(fd, name));
	EXPECT_FALSE(aborted(fd));
	ASSERT_TRUE(vt_tell(&child, 1));
	/* by the call, not by the end */
	EXPECT_TRUE(VT_UNTIL(aborted(fd)));
	kill(child.pid, SIGKILL);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	close(fd);
}

TEST_HARNESS_MAIN
