// SPDX-License-Identifier: GPL-2.0-only
/*
 * The early notice of a death: the set of a killed process is aborted before its
 * memory is torn down, however much it has.  Told by the order of trace events
 * and of what the survivor writes between them, so that no clock matters.  With
 * the parameter early_death off the order is the other way round: the test can
 * tell the two apart.
 */
#include <sys/stat.h>

#include "peer.h"

#define INSTANCE	"/sys/kernel/tracing/instances/vdi_early_death"
#define PARAMETER	VT_PARAMETERS "early_death"

static bool put(const char *file, const char *text)
{
	int fd = open(file, O_WRONLY);
	ssize_t done = fd < 0 ? -1 : write(fd, text, strlen(text));

	if (fd >= 0)
		close(fd);
	return done == (ssize_t)strlen(text);
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
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		SKIP(return, "the kernel has no tracing");
	if (!put(INSTANCE "/events/sched/sched_process_exit/enable", "1"))
		SKIP(return, "the kernel does not trace the end of processes");
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

/* A line of the trace that has both: its number, 0 if there is none. */
static int line_of(const char *event, pid_t pid)
{
	FILE *f = fopen(INSTANCE "/trace", "r");
	char line[512], want[32];
	int n = 0, at = 0;

	snprintf(want, sizeof(want), "pid=%d ", pid);
	while (f && !at && fgets(line, sizeof(line), f)) {
		n++;
		if (strstr(line, event) && (!pid || strstr(line, want)))
			at = n;
	}
	if (f)
		fclose(f);
	return at;
}

TEST_F(early_death, comes_before_the_memory_goes)
{
	struct vt_page *p = self->peer.page;
	const char *mib = getenv("VDI_DEATH_MIB");
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	int abort_at, exit_at, told_at;
	pid_t pid = self->peer.child.pid;
	int marker;

	p->arg = mib && variant->kib > 4 ? strtol(mib, NULL, 10) << 10 : variant->kib;
	ASSERT_OK(self->fd, VDI_IOC_GET_INFO, &info);
	if (variant->early && !(info.out_capabilities & VDI_CAP_EARLY_DEATH))
		SKIP(return, "the kernel has no mmu notifiers");
	marker = open(INSTANCE "/trace_marker", O_WRONLY);
	ASSERT_LE(0, marker);
	TH_LOG("the victim has %ld KiB resident", p->arg);
	ASSERT_EQ(0, vt_peer(&self->peer, create_and_fill));
	ASSERT_EQ(0, vt_open(self->fd, p->name));
	vt_peer_kill(&self->peer);
	ASSERT_TRUE(VT_UNTIL(aborted(self->fd)));
	ASSERT_LT(0, write(marker, "the survivor knows", 18));
	close(marker);
	ASSERT_TRUE(VT_UNTIL(line_of("sched_process_exit", pid)));
	abort_at = line_of("vdi_abort", 0);
	told_at = line_of("the survivor knows", 0);
	exit_at = line_of("sched_process_exit", pid);
	EXPECT_LT(0, abort_at);
	EXPECT_LT(abort_at, told_at);
	EXPECT_EQ(variant->early, abort_at < exit_at);
	/* with another processor there is time enough to hear of it */
	if (variant->early && variant->kib > 4 && sysconf(_SC_NPROCESSORS_ONLN) > 1)
		EXPECT_LT(told_at, exit_at);
	EXPECT_EQ(0, vt_close(self->fd));
}

TEST_HARNESS_MAIN
