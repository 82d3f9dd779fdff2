// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffer area: which mappings are given and which refused, and that both
 * sides see the same memory.  What can be done with it afterwards, and how long
 * it lives, is in area_life_test.c.
 */
#include "child.h"
#include "link.h"

#define AREA	(256U << 10)

/* area: one piece of 256 KiB, mapped by both sides. */
FIXTURE(area) {
	struct vt_link l;
	unsigned char *c;
	unsigned char *s;
};

FIXTURE_SETUP(area)
{
	vt_link_init(&self->l, 1);
	self->l.area = AREA;
	ASSERT_EQ(0, vt_link_up(&self->l));
	ASSERT_EQ(AREA, self->l.size);
	self->c = vt_map(self->l.client, self->l.offset, self->l.size);
	ASSERT_NE(NULL, self->c);
	self->s = vt_map(self->l.server, self->l.offset, self->l.size);
	ASSERT_NE(NULL, self->s);
}

FIXTURE_TEARDOWN(area)
{
	vt_baseline(_metadata);
}

/* The errno of such a mmap; 0 if it succeeds, which is undone. */
static int map_errno(int fd, size_t len, int prot, int flags, uint64_t offset)
{
	void *p = mmap(NULL, len, prot, flags, fd, offset);

	if (p == MAP_FAILED)
		return errno;
	munmap(p, len);
	return 0;
}

#define RW	(PROT_READ | PROT_WRITE)

TEST_F(area, both_sides_see_the_same)
{
	size_t i;

	ASSERT_NE(self->c, self->s);
	for (i = 0; i < AREA; i++)
		self->s[i] = i * 7 + i / 4096;
	for (i = 0; i < AREA; i++)
		ASSERT_EQ((unsigned char)(i * 7 + i / 4096), self->c[i]);
	memset(self->c, 0x5c, AREA);
	for (i = 0; i < AREA; i++)
		ASSERT_EQ(0x5c, self->s[i]);
}

TEST_F(area, is_zeroed)
{
	size_t i;

	for (i = 0; i < AREA; i++)
		ASSERT_EQ(0, self->c[i]);
}

/* Nothing of one set is seen in the next. */
TEST_F(area, is_zeroed_after_another_set)
{
	struct vt_link l;
	unsigned char *p;
	size_t i;

	memset(self->c, 0xdb, AREA);
	ASSERT_EQ(0, munmap(self->c, AREA));
	ASSERT_EQ(0, munmap(self->s, AREA));
	ASSERT_EQ(EBUSY, vt_close(self->l.client));
	ASSERT_EQ(0, close(self->l.client) | close(self->l.server) |
		     close(self->l.cdev[0]) | close(self->l.sdev[0]));
	vt_link_init(&l, 1);
	l.area = AREA;
	ASSERT_EQ(0, vt_link_up(&l));
	p = vt_map(l.server, l.offset, l.size);
	ASSERT_NE(NULL, p);
	for (i = 0; i < AREA; i++)
		ASSERT_EQ(0, p[i]);
}

TEST_F(area, second_piece)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = AREA / 2);
	struct vdi_piece pieces[4];
	struct vdi_get_config gc = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces,
					   .nr_pieces = 4);
	unsigned char *c, *s;

	ASSERT_OK(self->l.server, VDI_IOC_GROW_AREA, &g);
	ASSERT_EQ(AREA / 2, g.out_size);
	EXPECT_LE(self->l.offset + self->l.size, g.out_offset);
	ASSERT_OK(self->l.client, VDI_IOC_GET_CONFIG, &gc);
	ASSERT_EQ(2, gc.out_pieces);
	EXPECT_EQ(self->l.offset, pieces[0].offset);
	EXPECT_EQ(self->l.size, pieces[0].size);
	EXPECT_EQ(g.out_offset, pieces[1].offset);
	EXPECT_EQ(g.out_size, pieces[1].size);
	c = vt_map(self->l.client, pieces[1].offset, pieces[1].size);
	s = vt_map(self->l.server, g.out_offset, g.out_size);
	ASSERT_NE(NULL, c);
	ASSERT_NE(NULL, s);
	memset(s, 0x11, g.out_size);
	EXPECT_EQ(0x11, c[0]);
	EXPECT_EQ(0x11, c[g.out_size - 1]);
	/* the first one is another memory, and both at once are none */
	EXPECT_EQ(0, self->c[0]);
	EXPECT_EQ(0, self->c[AREA - 1]);
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA + AREA / 2, RW, MAP_SHARED,
				    self->l.offset));
}

TEST_F(area, size_is_rounded_to_pages)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = 1);
	size_t page = sysconf(_SC_PAGESIZE);
	unsigned char *p;

	ASSERT_OK(self->l.server, VDI_IOC_GROW_AREA, &g);
	ASSERT_EQ(page, g.out_size);
	p = vt_map(self->l.client, g.out_offset, g.out_size);
	ASSERT_NE(NULL, p);
	p[page - 1] = 1;
}

/* Refusals, one wrong thing at a time. */

TEST_F(area, private_EINVAL)
{
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA, RW, MAP_PRIVATE, self->l.offset));
	EXPECT_EQ(EINVAL, map_errno(self->l.server, AREA, PROT_READ, MAP_PRIVATE,
				    self->l.offset));
	EXPECT_EQ(0, map_errno(self->l.client, AREA, RW, MAP_SHARED, self->l.offset));
}

TEST_F(area, exec_EACCES)
{
	EXPECT_EQ(EACCES, map_errno(self->l.client, AREA, RW | PROT_EXEC, MAP_SHARED,
				    self->l.offset));
	EXPECT_EQ(EACCES, map_errno(self->l.server, AREA, PROT_EXEC, MAP_SHARED,
				    self->l.offset));
}

TEST_F(area, exec_later_EACCES)
{
	EXPECT_EQ(-1, mprotect(self->c, AREA, RW | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(-1, mprotect(self->s, 4096, PROT_READ | PROT_EXEC));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(0, mprotect(self->c, AREA, PROT_READ));
	EXPECT_EQ(0, mprotect(self->c, AREA, RW));
}

TEST_F(area, partial_length_EINVAL)
{
	size_t page = sysconf(_SC_PAGESIZE);

	EXPECT_EQ(EINVAL, map_errno(self->l.client, page, RW, MAP_SHARED, self->l.offset));
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA - page, RW, MAP_SHARED,
				    self->l.offset));
	EXPECT_EQ(EINVAL, map_errno(self->l.server, AREA + page, RW, MAP_SHARED,
				    self->l.offset));
	EXPECT_EQ(EINVAL, map_errno(self->l.server, 2 * AREA, RW, MAP_SHARED, self->l.offset));
}

TEST_F(area, wrong_offset_EINVAL)
{
	size_t page = sysconf(_SC_PAGESIZE);

	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA, RW, MAP_SHARED,
				    self->l.offset + page));
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA - page, RW, MAP_SHARED,
				    self->l.offset + page));
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA, RW, MAP_SHARED,
				    self->l.offset + AREA));
}

TEST_F(area, beyond_the_end_EINVAL)
{
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA, RW, MAP_SHARED, 1ULL << 30));
	EXPECT_EQ(EINVAL, map_errno(self->l.client, AREA, RW, MAP_SHARED, 1ULL << 43));
}

TEST(map_unbound_EPROTO)
{
	int fd = vt_open_node();

	ASSERT_LE(0, fd);
	EXPECT_EQ(EPROTO, map_errno(fd, AREA, RW, MAP_SHARED, 0));
	vt_baseline(_metadata);
}

/* There is no piece yet. */
TEST(map_before_end_config_EINVAL)
{
	char name[VDI_NAME_SIZE];
	int c = vt_open_node(), s = vt_open_node();

	vt_name(name);
	ASSERT_EQ(0, vt_create(c, name, 1));
	EXPECT_EQ(EINVAL, map_errno(c, AREA, RW, MAP_SHARED, 0));
	ASSERT_EQ(0, vt_open(s, name));
	EXPECT_EQ(EINVAL, map_errno(s, AREA, RW, MAP_SHARED, 0));
	ASSERT_EQ(0, vt_begin(s));
	EXPECT_EQ(EINVAL, map_errno(s, AREA, RW, MAP_SHARED, 0));
	EXPECT_EQ(EINVAL, map_errno(c, AREA, RW, MAP_SHARED, 0));
	ASSERT_EQ(0, vt_end(s, AREA));
	EXPECT_EQ(0, map_errno(s, AREA, RW, MAP_SHARED, 0));
	vt_baseline(_metadata);
}

TEST_F(area, closed_client_EPROTO)
{
	ASSERT_EQ(EBUSY, vt_close(self->l.client));
	EXPECT_EQ(EPROTO, map_errno(self->l.client, AREA, RW, MAP_SHARED, self->l.offset));
}

TEST_F(area, draining_server_EPROTO)
{
	ASSERT_EQ(EPROTO, vt_close(self->l.server));
	EXPECT_EQ(EPROTO, map_errno(self->l.server, AREA, RW, MAP_SHARED, self->l.offset));
}

/* For a worker that has nothing but a device handle. */
TEST_F(area, device_handles_map_the_same)
{
	unsigned char *set = vt_map(self->l.server, self->l.offset, AREA);
	unsigned char *client = vt_map(self->l.cdev[0], self->l.offset, AREA);
	unsigned char *server = vt_map(self->l.sdev[0], self->l.offset, AREA);

	ASSERT_NE(NULL, set);
	ASSERT_NE(NULL, client);
	ASSERT_NE(NULL, server);
	set[AREA - 1] = 0x42;
	EXPECT_EQ(0x42, client[AREA - 1]);
	EXPECT_EQ(0x42, server[AREA - 1]);
	EXPECT_EQ(EINVAL, map_errno(self->l.cdev[0], AREA, RW, MAP_SHARED, AREA));
}

static int map_in_child(struct vt_child *me, void *arg)
{
	struct vt_link *l = arg;

	(void)me;
	return map_errno(l->client, l->size, RW, MAP_SHARED, l->offset) == EIO &&
	       map_errno(l->server, l->size, RW, MAP_SHARED, l->offset) == EIO ? 0 : 1;
}

TEST_F(area, another_process_EIO)
{
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, map_in_child, &self->l));
}

static int touch_in_child(struct vt_child *me, void *arg)
{
	(void)me;
	return *(volatile unsigned char *)arg;
}

/* A forked child does not hold the data. */
TEST_F(area, fork_does_not_inherit)
{
	EXPECT_EQ(256 + SIGSEGV, vt_run_as(VT_ROOT, VT_ROOT, touch_in_child, self->c));
	EXPECT_EQ(256 + SIGSEGV, vt_run_as(VT_ROOT, VT_ROOT, touch_in_child, self->s));
	EXPECT_EQ(0, self->c[0]);
}

static unsigned int count_fds(void)
{
	unsigned int fd, n = 0;

	for (fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The pieces are files, but of the kernel's: nobody gets a descriptor. */
TEST_F(area, no_descriptor_of_a_piece)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = AREA);
	unsigned int before = count_fds();

	ASSERT_OK(self->l.server, VDI_IOC_GROW_AREA, &g);
	ASSERT_NE(NULL, vt_map(self->l.client, g.out_offset, g.out_size));
	EXPECT_EQ(before, count_fds());
}

TEST_HARNESS_MAIN
