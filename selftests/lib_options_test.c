// SPDX-License-Identifier: GPL-2.0-only
/*
 * What vdi_client_create_ex() is told besides: structures of all ages, and
 * nodes.  What a node does is node_test's.
 */
#include <stddef.h>
#include <sys/mman.h>

#include "liblink.h"

#define PAGE		4096
#define FIRST		offsetof(struct vdi_create_options, node_block_size)
#define FIRST_STAT	offsetof(struct vdi_set_stat, first_node)

FIXTURE(options) {
	struct lib_link l;
	struct vdi_create_options o;
	char *page;		/* what is behind it can't be touched */
};

FIXTURE_SETUP(options)
{
	lib_link_init(&self->l, 2);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_DNE));
	self->o.size = sizeof(self->o);
	self->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
}

FIXTURE_TEARDOWN(options)
{
	munmap(self->page, 2 * PAGE);
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static int create(struct lib_link *l, const struct vdi_create_options *o)
{
	return vdi_client_create_ex(l->client, NULL, l->name, &l->config, o);
}

/* A program that was built with the first version has no more than that. */
TEST_F(options, first_version)
{
	struct vdi_create_options *o = (void *)(self->page + PAGE - FIRST);
	struct vdi_set_stat stat;

	memcpy(o, &self->o, FIRST);
	o->size = FIRST - 1;
	EXPECT_EQ(-EINVAL, create(&self->l, o));
	o->size = FIRST;
	o->mode = 0640;
	o->ring_depth = 8;
	ASSERT_EQ(0, create(&self->l, o));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, &stat, sizeof(stat)));
	EXPECT_EQ(0640, stat.mode);
	EXPECT_EQ(8, stat.ring_depth);
	EXPECT_EQ(VDI_NODE_NONE, stat.first_node);
}

TEST_F(options, longer_and_unknown)
{
	struct vdi_create_options *o = (void *)self->page;

	*o = self->o;
	o->size += 4;
	EXPECT_EQ(-EOPNOTSUPP, create(&self->l, o));
	o->size = self->o.size;
	o->flags = VDI_CREATE_OPT_NODES << 1;
	EXPECT_EQ(-EOPNOTSUPP, create(&self->l, o));
	o->flags = 0;
	EXPECT_EQ(0, create(&self->l, o));
}

TEST_F(options, nodes)
{
	struct vdi_set_stat stat, sets[64];
	char path[64];
	int i, n;

	self->o.flags = VDI_CREATE_OPT_NODES;
	ASSERT_EQ(0, create(&self->l, &self->o));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, &stat, sizeof(stat)));
	ASSERT_NE(VDI_NODE_NONE, stat.first_node);
	for (i = 0; i < self->l.n; i++) {
		snprintf(path, sizeof(path), VDI_NODE_PREFIX "%u", stat.first_node + i);
		EXPECT_EQ(0, access(path, F_OK));
	}
	n = vdi_list(sets, sizeof(sets[0]), 64, 0, NULL);
	for (i = 0; i < n && strcmp(sets[i].name, self->l.name); i++)
		;
	ASSERT_GT(n, i);
	EXPECT_EQ(stat.first_node, sets[i].first_node);
	ASSERT_EQ(0, vdi_client_close(self->l.client));
	EXPECT_EQ(-1, access(path, F_OK));
}

/* Each size reaches the kernel: it refuses what is out of its range. */
TEST_F(options, sizes_of_nodes)
{
	static const struct {
		uint32_t flags, block_size, transfer_size, depth;
		int ret;
	} rows[] = {
		{ VDI_CREATE_OPT_NODES, 1000, 0, 0, -EINVAL },
		{ VDI_CREATE_OPT_NODES, 0, 1000, 0, -EINVAL },
		{ VDI_CREATE_OPT_NODES, 0, 0, VDI_MAX_NODE_DEPTH + 1, -EINVAL },
		{ 0, 4096, 0, 0, -EINVAL },
		{ 0, 0, 65536, 0, -EINVAL },
		{ 0, 0, 0, 2, -EINVAL },
		{ VDI_CREATE_OPT_NODES, 4096, 65536, 2, 0 },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		self->o.flags = rows[i].flags;
		self->o.node_block_size = rows[i].block_size;
		self->o.node_transfer_size = rows[i].transfer_size;
		self->o.node_depth = rows[i].depth;
		EXPECT_EQ(rows[i].ret, create(&self->l, &self->o)) {
			TH_LOG("row %zu", i);
		}
	}
}

/* A program that knows less of a set is given no more; one that knows more, zeros. */
TEST_F(options, stat_of_another_age)
{
	struct vdi_set_stat *stat = (void *)(self->page + PAGE - FIRST_STAT);
	unsigned char longer[sizeof(struct vdi_set_stat) + 8];

	self->o.flags = VDI_CREATE_OPT_NODES;
	ASSERT_EQ(0, create(&self->l, &self->o));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, stat, FIRST_STAT));
	EXPECT_STREQ(self->l.name, stat->name);
	EXPECT_LT(0, vdi_list(stat, FIRST_STAT, 1, 0, NULL));
	memset(longer, 0xff, sizeof(longer));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, (void *)longer, sizeof(longer)));
	EXPECT_EQ(0, memcmp(longer + sizeof(*stat), "\0\0\0\0\0\0\0", 8));
}

TEST_HARNESS_MAIN
