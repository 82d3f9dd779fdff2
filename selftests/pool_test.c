// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvdi's buffer pool: what was requested can be allocated, aligned, with its
 * prefix zone, apart from all others; and what FreeBuffer and IsSharedBuffer
 * refuse.  In which states the functions may be called is in lib_state_test.c.
 */
#include <linux/capability.h>
#include <linux/mempolicy.h>
#include <sys/resource.h>

#include "child.h"
#include "liblink.h"

#define MAX_BUFFERS	256

struct buffer {
	unsigned char *p;
	uint32_t size;
	uint32_t alignment;
};

/* pool: a set being configured; pool_up() ends that. */
FIXTURE(pool) {
	struct lib_link l;
	struct buffer b[MAX_BUFFERS];
};

FIXTURE_SETUP(pool)
{
	lib_link_init(&self->l, 1);
}

FIXTURE_TEARDOWN(pool)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static int pool_begin(struct lib_link *l)
{
	return lib_link_to(l, LIB_CONFIGURABLE);
}

static int request(struct lib_link *l, uint32_t size, uint32_t alignment, uint32_t count)
{
	return vdi_server_request_buffers(l->server, size, alignment, count);
}

static int alloc(struct lib_link *l, struct buffer *b, uint32_t size, uint32_t alignment)
{
	void *p;
	int ret = vdi_server_alloc_buffer(l->server, &p, size, alignment);

	*b = (struct buffer){ p, size, alignment };
	return ret;
}

static int release(struct lib_link *l, struct buffer *b)
{
	return vdi_server_free_buffer(l->server, b->p, b->size);
}

/* Fills each with its own byte, prefix zone too, then looks at all: none overlap. */
static bool apart(struct buffer *b, unsigned int n, uint32_t prefix)
{
	unsigned int i;
	size_t k;

	for (i = 0; i < n; i++)
		if (b[i].p)
			memset(b[i].p - prefix, i + 1, b[i].size + prefix);
	for (i = 0; i < n; i++)
		for (k = 0; b[i].p && k < b[i].size + prefix; k++)
			if (b[i].p[k - prefix] != (unsigned char)(i + 1))
				return false;
	return true;
}

static uint32_t available(struct lib_link *l, uint32_t size, uint32_t alignment)
{
	uint32_t n = ~0U;

	return vdi_server_query_available_buffers(l->server, size, alignment, &n) ? ~0U : n;
}

/* All requests are summed, and met in whatever order. */
static void requests_are_met(struct __test_metadata *_metadata, FIXTURE_DATA(pool) *self,
			     bool backwards, uint32_t prefix)
{
	static const struct {
		uint32_t size;
		uint32_t alignment;
		uint32_t count;
	} want[] = {
		{ 65536, 0, 5 }, { 4096, 0, 10 }, { 512, 0, 20 }, { 65536, 65536, 3 },
		{ 1, 0, 7 }, { 4096, 8192, 4 }, { 1000, 1024, 9 }, { 33333, 0, 2 },
	};
	unsigned int i, j, n = 0;

	self->l.config.prefix_zone_size = prefix;
	ASSERT_EQ(0, pool_begin(&self->l));
	for (i = 0; i < ARRAY_SIZE(want); i++)
		ASSERT_EQ(0, request(&self->l, want[i].size, want[i].alignment, want[i].count));
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	for (i = 0; i < ARRAY_SIZE(want); i++) {
		j = backwards ? ARRAY_SIZE(want) - 1 - i : i;
		for (unsigned int k = 0; k < want[j].count; k++, n++) {
			ASSERT_EQ(0, alloc(&self->l, &self->b[n], want[j].size,
					   want[j].alignment));
			EXPECT_EQ(0, (uintptr_t)self->b[n].p % (want[j].alignment ?: 512));
		}
	}
	EXPECT_TRUE(apart(self->b, n, prefix));
	/* and again after all were freed, in a mixed order */
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, release(&self->l, &self->b[i * 7 % n]));
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, alloc(&self->l, &self->b[i], self->b[i].size, self->b[i].alignment));
	EXPECT_TRUE(apart(self->b, n, prefix));
}

TEST_F(pool, requests_are_met)
{
	requests_are_met(_metadata, self, false, 0);
}

TEST_F(pool, requests_are_met_backwards)
{
	requests_are_met(_metadata, self, true, 0);
}

TEST_F(pool, requests_are_met_with_prefix_zones)
{
	requests_are_met(_metadata, self, false, 100);
}

TEST_F(pool, requests_are_met_with_large_prefix_zones)
{
	requests_are_met(_metadata, self, true, 65536);
}

/* What is freed in between does not take away what was requested. */
TEST_F(pool, random_order)
{
	static const uint32_t sizes[] = { 512, 4096, 10000, 65536 };
	unsigned int held[4] = {}, round, i, k, seed = 11;

	ASSERT_EQ(0, pool_begin(&self->l));
	for (k = 0; k < 4; k++)
		ASSERT_EQ(0, request(&self->l, sizes[k], 0, 8));
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	for (round = 0; round < 3000; round++) {
		i = rand_r(&seed) % 32;
		k = i % 4;
		if (self->b[i].p) {
			ASSERT_EQ(0, release(&self->l, &self->b[i]));
			self->b[i].p = NULL;
			held[k]--;
		} else {
			ASSERT_GT(8, held[k]);
			ASSERT_EQ(0, alloc(&self->l, &self->b[i], sizes[k], 0));
			held[k]++;
		}
		if (!(round % 100))
			ASSERT_TRUE(apart(self->b, 32, 0));
	}
}

/* Both sides see aligned data zones, as the client asked for. */
TEST_F(pool, client_alignment)
{
	const struct vdi_client_command *c;
	struct lib_call call[4] = {};
	unsigned int i;

	self->l.config.alignment = 65536;
	self->l.config.prefix_zone_size = 512;
	self->l.begin.alignment = 65536;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, alloc(&self->l, &self->b[i], 4096, 0));
		EXPECT_EQ(0, (uintptr_t)self->b[i].p % 65536);
		lib_command(&call[i], VDI_CMD_WRITE)->buffer = self->b[i].p;
		call[i].command.size = 4096;
		ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call[i].command));
		ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
		EXPECT_EQ(0, (uintptr_t)c->buffer % 65536);
		EXPECT_EQ(0, (uintptr_t)c->buffer % 65536);
		/* T20: the prefix zone is the client's to write */
		memset((char *)c->buffer - 512, 0x77, 512);
		EXPECT_EQ(0x77, self->b[i].p[-512]);
	}
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
}

TEST_F(pool, basic_alignment)
{
	self->l.begin.block_size = 4096;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, alloc(&self->l, &self->b[0], 1, 0));
	ASSERT_EQ(0, alloc(&self->l, &self->b[1], 1, 0));
	ASSERT_EQ(0, alloc(&self->l, &self->b[2], 1, 512));
	EXPECT_EQ(0, (uintptr_t)self->b[0].p % 4096);
	EXPECT_EQ(0, (uintptr_t)self->b[1].p % 4096);
	EXPECT_EQ(0, (uintptr_t)self->b[2].p % 4096);
}

TEST_F(pool, freed_last_comes_first)
{
	struct buffer b[3], again;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	for (int i = 0; i < 3; i++)
		ASSERT_EQ(0, alloc(&self->l, &b[i], VT_TRANSFER, 0));
	ASSERT_EQ(0, release(&self->l, &b[2]));
	ASSERT_EQ(0, release(&self->l, &b[0]));
	ASSERT_EQ(0, release(&self->l, &b[1]));
	ASSERT_EQ(0, alloc(&self->l, &again, VT_TRANSFER, 0));
	EXPECT_EQ(b[1].p, again.p);
	ASSERT_EQ(0, alloc(&self->l, &again, VT_TRANSFER, 0));
	EXPECT_EQ(b[0].p, again.p);
}

TEST_F(pool, exhausted_ENOMEM)
{
	void *p = (void *)1;
	unsigned int n;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	for (n = 0; n < MAX_BUFFERS && !alloc(&self->l, &self->b[n], VT_TRANSFER, 0); n++)
		;
	EXPECT_LE(4, n);
	ASSERT_GT(MAX_BUFFERS, n);
	EXPECT_EQ(0, available(&self->l, VT_TRANSFER, 0));
	EXPECT_EQ(-ENOMEM, vdi_server_alloc_buffer(self->l.server, &p, VT_TRANSFER, 0));
	EXPECT_EQ(NULL, p);
	ASSERT_EQ(0, release(&self->l, &self->b[2]));
	EXPECT_EQ(1, available(&self->l, VT_TRANSFER, 0));
	EXPECT_EQ(0, alloc(&self->l, &self->b[2], VT_TRANSFER, 0));
	/* T26: a request after configuration is met at once */
	EXPECT_EQ(0, request(&self->l, VT_TRANSFER, 0, 2));
	EXPECT_LE(2, available(&self->l, VT_TRANSFER, 0));
	ASSERT_EQ(0, alloc(&self->l, &self->b[n], VT_TRANSFER, 0));
	ASSERT_EQ(0, alloc(&self->l, &self->b[n + 1], VT_TRANSFER, 0));
	EXPECT_TRUE(apart(self->b, n + 2, 0));
}

/* A piece that was added later reaches the client too. */
TEST_F(pool, late_buffers_reach_the_client)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};
	unsigned int n;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	for (n = 0; n < MAX_BUFFERS && !alloc(&self->l, &self->b[n], VT_TRANSFER, 0); n++)
		;
	ASSERT_EQ(0, request(&self->l, VT_TRANSFER, 0, 1));
	ASSERT_EQ(0, alloc(&self->l, &self->b[n], VT_TRANSFER, 0));
	strcpy((char *)self->b[n].p, "late");
	lib_command(&call, VDI_CMD_WRITE)->buffer = self->b[n].p;
	call.command.size = VT_TRANSFER;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	EXPECT_STREQ("late", c->buffer);
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
}

TEST_F(pool, counts)
{
	uint32_t before;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	before = available(&self->l, VT_TRANSFER, 0);
	EXPECT_LE(4, before);
	EXPECT_GT(MAX_BUFFERS, before);
	EXPECT_LE(before, available(&self->l, 512, 0));
	ASSERT_EQ(0, alloc(&self->l, &self->b[0], VT_TRANSFER, 0));
	EXPECT_EQ(before - 1, available(&self->l, VT_TRANSFER, 0));
	ASSERT_EQ(0, release(&self->l, &self->b[0]));
	EXPECT_EQ(before, available(&self->l, VT_TRANSFER, 0));
}

/* Refusals. */

TEST_F(pool, free_EINVAL)
{
	static unsigned char local[4096];
	struct buffer b;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, alloc(&self->l, &b, 8192, 0));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, b.p, 4096));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, b.p, 8193));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, b.p, 0));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, b.p + 512, 8192));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, local, 4096));
	EXPECT_EQ(-EINVAL, vdi_server_free_buffer(self->l.server, NULL, 8192));
	/* none of these freed it */
	EXPECT_EQ(1, vdi_server_is_shared_buffer(self->l.server, b.p));
	EXPECT_EQ(0, release(&self->l, &b));
	EXPECT_EQ(-EINVAL, release(&self->l, &b));
}

TEST_F(pool, free_of_a_buffer_in_use_EINVAL)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};
	struct buffer b;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, alloc(&self->l, &b, 8192, 0));
	lib_command(&call, VDI_CMD_WRITE)->buffer = b.p;
	call.command.size = 4096;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	EXPECT_EQ(-EINVAL, release(&self->l, &b));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	EXPECT_EQ(-EINVAL, release(&self->l, &b));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 4096, 0));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(0, release(&self->l, &b));
}

TEST_F(pool, arguments_EINVAL)
{
	static const uint32_t bad[] = { 3, 513, 1000, 65537, 131072, ~0U };
	unsigned int i;
	struct buffer b;

	ASSERT_EQ(0, pool_begin(&self->l));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, request(&self->l, 4096, bad[i], 1));
	EXPECT_EQ(-EINVAL, request(&self->l, 0, 0, 1));
	ASSERT_EQ(0, request(&self->l, 65536, 0, 4));
	ASSERT_EQ(0, vdi_server_end_config(self->l.server));
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(-EINVAL, alloc(&self->l, &b, 4096, bad[i]));
	EXPECT_EQ(-EINVAL, alloc(&self->l, &b, 0, 0));
	EXPECT_EQ(-EINVAL, vdi_server_alloc_buffer(self->l.server, NULL, 4096, 0));
	EXPECT_EQ(0, alloc(&self->l, &b, 65536, 0));
}

TEST_F(pool, is_shared)
{
	static unsigned char local[64];
	struct buffer b[2];

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, alloc(&self->l, &b[0], 4096, 0));
	ASSERT_EQ(0, alloc(&self->l, &b[1], 4096, 0));
	EXPECT_EQ(1, vdi_server_is_shared_buffer(self->l.server, b[0].p));
	EXPECT_EQ(1, vdi_server_is_shared_buffer(self->l.server, b[0].p + 4095));
	EXPECT_EQ(1, vdi_server_is_shared_buffer(self->l.server, b[1].p));
	EXPECT_EQ(0, vdi_server_is_shared_buffer(self->l.server, local));
	EXPECT_EQ(0, vdi_server_is_shared_buffer(self->l.server, NULL));
	ASSERT_EQ(0, release(&self->l, &b[0]));
	EXPECT_EQ(0, vdi_server_is_shared_buffer(self->l.server, b[0].p));
	EXPECT_EQ(1, vdi_server_is_shared_buffer(self->l.server, b[1].p));
}

TEST_F(pool, offsets)
{
	struct buffer b;
	void *back;
	uint64_t offset;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, alloc(&self->l, &b, 4096, 0));
	ASSERT_EQ(0, vdi_server_buffer_offset(self->l.server, b.p, &offset));
	ASSERT_EQ(0, vdi_server_buffer(self->l.server, offset, &back));
	EXPECT_EQ(b.p, back);
	EXPECT_GT(0, vdi_server_buffer_offset(self->l.server, &b, &offset));
	EXPECT_GT(0, vdi_server_buffer(self->l.server, 1ULL << 40, &back));
}

/* T25: too much is an answer at EndConfiguration; less then succeeds. */
TEST_F(pool, limit_leaves_configurable)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2];
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	struct vdi_set_stat stat;
	struct buffer b;

	/* root is not exempt without this */
	ASSERT_EQ(0, syscall(SYS_capget, &h, d));
	d[0].effective &= ~(1U << CAP_SYS_RESOURCE);
	ASSERT_EQ(0, syscall(SYS_capset, &h, d));
	ASSERT_EQ(0, vdi_get_info(&info));
	ASSERT_EQ(0, pool_begin(&self->l));
	ASSERT_EQ(0, request(&self->l, 1U << 20, 0, (info.out_max_area_bytes >> 20) + 1));
	EXPECT_EQ(-EDQUOT, vdi_server_end_config(self->l.server));
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_STATE_CONFIGURING, stat.state);
	EXPECT_EQ(VDI_LIMIT_SET_BYTES, stat.limit);
	ASSERT_EQ(0, request(&self->l, 65536, 0, 2));
	EXPECT_EQ(0, vdi_server_end_config(self->l.server));
	EXPECT_EQ(0, alloc(&self->l, &b, 65536, 0));
	EXPECT_GT(16, available(&self->l, 65536, 0));
}

/* mmap(2) says EAGAIN of a limit of locked memory: that is not for later. */
static int locks_its_memory(struct vt_child *me, void *arg)
{
	static const struct rlimit limit = { 8 << 20, 8 << 20 };
	struct lib_link *l = arg;
	struct buffer b[4];
	int i;

	(void)me;
	if (pool_begin(l) || request(l, 4 << 20, 0, 8))
		return 1;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) || mlockall(MCL_FUTURE))
		return 2;
	if (vdi_server_end_config(l->server) != -ENOMEM)
		return 3;
	if (request(l, 65536, 0, 4) || vdi_server_end_config(l->server))
		return 4;
	for (i = 0; i < 4; i++)
		if (alloc(l, &b[i], 65536, 0))
			return 5;
	if (alloc(l, &b[0], 65536, 0) != -ENOMEM)
		return 6;
	lib_link_down(l);
	return 0;
}

TEST_F(pool, locked_memory_ENOMEM)
{
	mode_t mode = vt_node_mode_now();

	ASSERT_TRUE(vt_node_mode(0666));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, locks_its_memory, &self->l));
	EXPECT_TRUE(vt_node_mode(mode));
}

#define SHMEM_POLICY "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

/* What is chosen among the words of such a file: "always advise [never]" */
static bool chosen(const char *path, char *word, size_t size)
{
	char line[128] = "", *from, *to;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = '\0';
	fclose(f);
	from = strchr(line, '[');
	to = strchr(line, ']');
	if (!from || !to || (size_t)(to - from) > size)
		return false;
	*to = '\0';
	strcpy(word, from + 1);
	return true;
}

static bool choose(const char *path, const char *word)
{
	FILE *f = fopen(path, "we");
	bool ok = f && fputs(word, f) >= 0;

	return f && !fclose(f) && ok;
}

/* KiB of the mapping at @p that huge pages map, -1 if there is none. */
static long huge_kib(const void *p)
{
	unsigned long start, end, at = (unsigned long)p;
	FILE *f = fopen("/proc/self/smaps", "re");
	bool here = false;
	char line[512];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= at && at < end;
		else if (here)
			sscanf(line, "ShmemPmdMapped: %ld kB", &kib);
	}
	if (f)
		fclose(f);
	return kib;
}

/* By the system's policy for shared memory, on both sides, without a fault. */
TEST_F(pool, huge_pages)
{
	struct buffer *b = &self->b[0];
	struct rusage before, after;
	uint64_t offset;
	char policy[32];
	void *p = NULL;
	bool set;

	if (!chosen(SHMEM_POLICY, policy, sizeof(policy)))
		SKIP(return, "no huge pages for shared memory in this kernel");
	ASSERT_TRUE(choose(SHMEM_POLICY, "always"));
	set = !pool_begin(&self->l) && !request(&self->l, 8 << 20, 4096, 1) &&
	      !vdi_server_end_config(self->l.server);
	EXPECT_TRUE(choose(SHMEM_POLICY, policy));
	ASSERT_TRUE(set);
	ASSERT_EQ(0, alloc(&self->l, b, 8 << 20, 4096));
	EXPECT_LE(6 << 10, huge_kib(b->p));
	ASSERT_EQ(0, vdi_server_buffer_offset(self->l.server, b->p, &offset));
	ASSERT_EQ(0, vdi_client_buffer(self->l.client, offset, &p));
	EXPECT_LE(6 << 10, huge_kib(p));
	ASSERT_EQ(0, getrusage(RUSAGE_SELF, &before));
	memset(b->p, 1, b->size);
	EXPECT_EQ(1, ((unsigned char *)p)[b->size - 1]);
	ASSERT_EQ(0, getrusage(RUSAGE_SELF, &after));
	EXPECT_GE(8, after.ru_minflt - before.ru_minflt);
	EXPECT_EQ(0, release(&self->l, b));
}

/* Are the pages of the mapping at @p on this node of memory, and on no other? */
static bool only_on_node(const void *p, unsigned int node)
{
	FILE *f = fopen("/proc/self/numa_maps", "re");
	unsigned long at = (unsigned long)p, start;
	char line[512], *word, *rest;
	bool on = false, elsewhere = false;
	unsigned int n;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx ", &start) != 1 || start != at)
			continue;
		for (word = strtok_r(line, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
			if (sscanf(word, "N%u=", &n) == 1)
				*(n == node ? &on : &elsewhere) = true;
	}
	if (f)
		fclose(f);
	return on && !elsewhere;
}

/* The memory is where the server's policy wants it when it ends the configuration. */
TEST_F(pool, memory_policy)
{
	unsigned long nodes;
	unsigned int node;

	if (access("/sys/devices/system/node/node1", F_OK))
		SKIP(return, "one node of memory in this guest");
	for (node = 0; node < 2; node++) {
		uint64_t offset;
		bool set;

		nodes = 1UL << node;
		lib_link_init(&self->l, 1);
		ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_BIND, &nodes, 8 * sizeof(nodes)));
		set = !pool_begin(&self->l) && !request(&self->l, 1 << 20, 4096, 1) &&
		      !vdi_server_end_config(self->l.server);
		ASSERT_EQ(0, syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
		ASSERT_TRUE(set);
		ASSERT_EQ(0, alloc(&self->l, &self->b[0], 1 << 20, 4096));
		ASSERT_EQ(0, vdi_server_buffer_offset(self->l.server, self->b[0].p, &offset));
		EXPECT_EQ(0, offset);
		EXPECT_TRUE(only_on_node(self->b[0].p, node));
		EXPECT_EQ(0, release(&self->l, &self->b[0]));
		lib_link_down(&self->l);
	}
	lib_link_init(&self->l, 1);
}

TEST_HARNESS_MAIN
