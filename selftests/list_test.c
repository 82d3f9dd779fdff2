// SPDX-License-Identifier: GPL-2.0-only
/*
 * LIST, STAT_NAME and ABORT_NAME: each documented errno, and what they answer.
 * Whose sets they show is name_test's.
 */
#include <stddef.h>

#include "names.h"

#define ENTRY	sizeof(struct vdi_set_stat)

/* In its first version; smaller is refused */
#define FIRST	offsetof(struct vdi_set_stat, first_node)

static struct vdi_list list_args(void *sets, unsigned int nr, unsigned int entry)
{
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = nr,
				    .entry_size = entry);

	VT_POISON_FIELD(l.out_sets);
	VT_POISON_FIELD(l.out_more);
	return l;
}

static int finish(int server, const char *name)
{
	int sdev, err;

	if (vt_begin(server) || vt_end(server, VT_TRANSFER))
		return -1;
	sdev = vt_open_device(server, name);
	err = vt_close_device(sdev);
	close(sdev);
	return err;
}

/* LIST */
TEST_F(handle, list_nothing)
{
	struct vdi_set_stat sets[2];
	struct vdi_list l = list_args(sets, 2, ENTRY);

	memset(sets, VT_POISON, sizeof(sets));
	EXPECT_OK(self->fd, VDI_IOC_LIST, &l);
	EXPECT_EQ(0, l.out_sets);
	EXPECT_EQ(0, l.out_more);
	EXPECT_TRUE(vt_poisoned(sets, sizeof(sets)));
}

TEST_F(set, list_bound_EPROTO)
{
	struct vdi_set_stat sets[1];
	struct vdi_list l = list_args(sets, 1, ENTRY);

	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_LIST, &l);
}

TEST_F(set, list_entry_size_EINVAL)
{
	static const __u32 bad[] = { 0, 8, FIRST - 8, FIRST - 1, ENTRY - 1, ENTRY + 1, ENTRY + 4 };
	static unsigned char mem[4096] __attribute__((aligned(8)));
	int fd = vt_open_node();
	struct vdi_list l;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		l = list_args(mem, 1, bad[i]);
		EXPECT_ERRNO(EINVAL, fd, VDI_IOC_LIST, &l);
	}
}

TEST_F(set, list_bad_memory_EFAULT)
{
	struct vdi_list l = list_args((void *)8, 1, ENTRY);

	EXPECT_ERRNO(EFAULT, vt_open_node(), VDI_IOC_LIST, &l);
}

/* Entries further apart than this kernel's structure: the rest is not garbage. */
TEST_F(set, list_longer_entries)
{
	static unsigned char mem[2][ENTRY + 64] __attribute__((aligned(8)));
	struct vdi_list l = list_args(mem, 2, ENTRY + 64);
	int fd = vt_open_node(), other = vt_open_node();
	struct vdi_set_stat *one = (void *)mem[0], *two = (void *)mem[1];
	char name[VDI_NAME_SIZE];
	size_t i;

	vt_name(name);
	ASSERT_EQ(0, vt_create(other, name, 1));
	ASSERT_OK(fd, VDI_IOC_LIST, &l);
	EXPECT_EQ(2, l.out_sets);
	EXPECT_STREQ(self->name, one->name);
	EXPECT_STREQ(name, two->name);
	for (i = 0; i < 64; i++)
		EXPECT_EQ(0, mem[0][ENTRY + i]);
}

TEST(list_in_pages)
{
	struct vdi_set_stat sets[4];
	char name[7][VDI_NAME_SIZE];
	int fd = vt_open_node(), i, seen = 0;
	struct vdi_list l;
	__u64 last = 0;

	for (i = 0; i < 7; i++) {
		vt_name(name[i]);
		ASSERT_EQ(0, vt_create(vt_open_node(), name[i], i + 1));
	}
	l = list_args(NULL, 0, ENTRY);
	ASSERT_OK(fd, VDI_IOC_LIST, &l);
	EXPECT_EQ(0, l.out_sets);
	EXPECT_EQ(7, l.out_more);
	do {
		memset(sets, VT_POISON, sizeof(sets));
		l = list_args(sets, 3, ENTRY);
		l.after = last;
		ASSERT_OK(fd, VDI_IOC_LIST, &l);
		EXPECT_EQ(7 - seen < 3 ? 7 - seen : 3, l.out_sets);
		for (i = 0; i < (int)l.out_sets; i++) {
			EXPECT_LT(last, sets[i].id);
			last = sets[i].id;
			EXPECT_STREQ(name[seen], sets[i].name);
			seen++;
			EXPECT_EQ(seen, sets[i].device_count);
			EXPECT_EQ(VDI_STATE_CONFIGURABLE, sets[i].state);
		}
		EXPECT_EQ(7 - seen, l.out_more);
		EXPECT_TRUE(vt_poisoned(&sets[3], ENTRY));
	} while (l.out_more && l.out_sets);
	EXPECT_EQ(7, seen);
	vt_baseline(_metadata);
}

TEST_F(pair, list_shows_what_status_shows)
{
	struct vdi_set_stat set;
	struct vdi_list l = list_args(&set, 1, ENTRY);
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);
	struct vdi_status s;
	int fd = vt_open_node();

	ASSERT_EQ(0, vt_status(self->client, &s));
	ASSERT_OK(fd, VDI_IOC_LIST, &l);
	EXPECT_EQ(0, memcmp(&set, &s.out_stat, ENTRY));
	strcpy(n.name, self->name);
	VT_POISON_FIELD(n.out_stat);
	ASSERT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(0, memcmp(&n.out_stat, &s.out_stat, ENTRY));
}

/* STAT_NAME */
TEST_F(set, stat_name_bound_EPROTO)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);

	strcpy(n.name, self->name);
	VT_POISON_FIELD(n.out_stat);
	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_STAT_NAME, &n);
}

TEST_F(handle, stat_name_malformed_EINVAL)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);

	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_STAT_NAME, &n, n.name, true, EINVAL);
}

TEST_F(handle, stat_name_malformed_instance_ENXIO)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name, .name = "x");

	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_STAT_NAME, &n, n.instance, false, ENXIO);
}

TEST_F(set, stat_name_unknown_ENOENT)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name, .name = "no such set");
	int fd = vt_open_node();

	VT_POISON_FIELD(n.out_stat);
	EXPECT_ERRNO(ENOENT, fd, VDI_IOC_STAT_NAME, &n);
	/* the right name in a wrong instance */
	strcpy(n.name, self->name);
	strcpy(n.instance, "elsewhere");
	EXPECT_ERRNO(ENOENT, fd, VDI_IOC_STAT_NAME, &n);
	n.instance[0] = 0;
	EXPECT_OK(fd, VDI_IOC_STAT_NAME, &n);
}

/* A set that has ended keeps its name until its client closes. */
TEST_F(pair, stat_name_of_ended_set)
{
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);
	int fd = vt_open_node();

	strcpy(n.name, self->name);
	ASSERT_EQ(0, finish(self->server, self->name));
	ASSERT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(VDI_STATE_TERMINATED, n.out_stat.state);
	EXPECT_EQ(1, n.out_stat.closed_devices);
	ASSERT_EQ(0, vt_close(self->client));
	/* the name is free, the set is seen while the server has a handle */
	EXPECT_EQ(ENOENT, vt_open(vt_open_node(), self->name));
	EXPECT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(VDI_STATE_TERMINATED, n.out_stat.state);
	ASSERT_EQ(0, close(self->server));
	EXPECT_EQ(ENOENT, vt_call(fd, VDI_IOC_STAT_NAME, &n));
}

/* Who aborted it and why can be read by others until the last handle goes. */
TEST_F(pair, reason_outlives_the_name)
{
	struct vdi_abort a = VT_INIT(vdi_abort, .code = 9, .text = "tape is on fire");
	struct vdi_stat_name n = VT_INIT(vdi_stat_name);
	struct vdi_set_stat sets[3];
	struct vdi_list l = list_args(sets, 3, ENTRY);
	int fd = vt_open_node(), again = vt_open_node();
	uint64_t id;

	strcpy(n.name, self->name);
	ASSERT_OK(self->client, VDI_IOC_ABORT, &a);
	ASSERT_EQ(0, vt_close(self->client));
	ASSERT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(VDI_STATE_ABORTED, n.out_stat.state);
	EXPECT_EQ(VDI_REASON_SIGNALLED, n.out_stat.reason.reason);
	EXPECT_EQ(9, n.out_stat.reason.code);
	EXPECT_EQ(getpid(), n.out_stat.reason.who.pid);
	EXPECT_STREQ("tape is on fire", n.out_stat.reason.text);
	id = n.out_stat.id;
	/* the name is another's now, and means that one */
	ASSERT_EQ(0, vt_create(again, self->name, 1));
	ASSERT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, n.out_stat.state);
	EXPECT_LT(id, n.out_stat.id);
	ASSERT_OK(fd, VDI_IOC_LIST, &l);
	ASSERT_EQ(2, l.out_sets);
	EXPECT_EQ(id, sets[0].id);
	EXPECT_EQ(VDI_STATE_ABORTED, sets[0].state);
	EXPECT_EQ(n.out_stat.id, sets[1].id);
	/* without that one it is the last one again; then nothing is left */
	ASSERT_EQ(0, vt_close(again));
	ASSERT_OK(fd, VDI_IOC_STAT_NAME, &n);
	EXPECT_EQ(id, n.out_stat.id);
	ASSERT_EQ(0, close(self->server));
	EXPECT_EQ(ENOENT, vt_call(fd, VDI_IOC_STAT_NAME, &n));
	l = list_args(sets, 3, ENTRY);
	ASSERT_OK(fd, VDI_IOC_LIST, &l);
	EXPECT_EQ(0, l.out_sets);
}

/* ABORT_NAME */
static struct vdi_abort_name abort_args(const char *name)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name, .code = 17, .text = "why not");

	strcpy(a.name, name);
	return a;
}

TEST_F(pair, abort_name)
{
	struct vdi_abort_name a = abort_args(self->name);
	struct vdi_status s;
	int fd = vt_open_node();

	ASSERT_OK(fd, VDI_IOC_ABORT_NAME, &a);
	ASSERT_EQ(0, vt_status(self->client, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(VDI_REASON_ADMIN, s.out_stat.reason.reason);
	EXPECT_EQ(17, s.out_stat.reason.code);
	EXPECT_STREQ("why not", s.out_stat.reason.text);
	EXPECT_EQ(VDI_ROLE_NONE, s.out_stat.reason.who.role);
	EXPECT_EQ(getpid(), s.out_stat.reason.who.pid);
	/* both can still close, and the name is free */
	EXPECT_EQ(ENOENT, vt_call(fd, VDI_IOC_ABORT_NAME, &a));
	EXPECT_EQ(0, vt_close(self->client));
	EXPECT_EQ(0, vt_close(self->server));
}

TEST_F(pair, abort_name_bound_EPROTO)
{
	struct vdi_abort_name a = abort_args(self->name);

	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_ABORT_NAME, &a);
	EXPECT_ERRNO(EPROTO, self->server, VDI_IOC_ABORT_NAME, &a);
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->client));
}

TEST_F(pair, abort_name_of_ended_set_EPROTO)
{
	struct vdi_abort_name a = abort_args(self->name);

	ASSERT_EQ(0, finish(self->server, self->name));
	EXPECT_ERRNO(EPROTO, vt_open_node(), VDI_IOC_ABORT_NAME, &a);
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->client));
}

TEST_F(handle, abort_name_malformed_EINVAL)
{
	struct vdi_abort_name a = abort_args("");

	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_ABORT_NAME, &a, a.name, true, EINVAL);
}

TEST_F(handle, abort_name_malformed_instance_ENXIO)
{
	struct vdi_abort_name a = abort_args("x");

	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_ABORT_NAME, &a, a.instance, false, ENXIO);
}

TEST_F(set, abort_name_malformed_text_EINVAL)
{
	struct vdi_abort_name a = abort_args(self->name);
	int fd = vt_open_node();

	strcpy(a.text, "a\nb");
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_ABORT_NAME, &a);
	strcpy(a.text, "\xff");
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_ABORT_NAME, &a);
	memset(a.text, 'x', sizeof(a.text));
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_ABORT_NAME, &a);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

TEST_F(handle, abort_name_unknown_ENOENT)
{
	struct vdi_abort_name a = abort_args("no such set");

	EXPECT_ERRNO(ENOENT, self->fd, VDI_IOC_ABORT_NAME, &a);
}

TEST_HARNESS_MAIN
