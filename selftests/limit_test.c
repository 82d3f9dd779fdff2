// SPDX-License-Identifier: GPL-2.0-only
/*
 * Limits of a user: sets, handles, bytes of buffer area, and EDQUOT beyond
 * them, as a user without CAP_SYS_RESOURCE.  The limits are module parameters,
 * lowered here and put back.
 */
#include "child.h"

#define MIB	(1ULL << 20)

static const char * const parameters[] = {
	"max_sets", "max_handles", "max_area_bytes", "max_user_bytes", "max_total_percent",
};

FIXTURE(limits) {
	long long old[ARRAY_SIZE(parameters)];
	mode_t node;
};

FIXTURE_SETUP(limits)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parameters); i++) {
		self->old[i] = vt_parameter(parameters[i]);
		ASSERT_LE(0, self->old[i]);
	}
	self->node = vt_node_mode_now();
	ASSERT_TRUE(vt_node_mode(0666));
}

FIXTURE_TEARDOWN(limits)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(parameters); i++)
		EXPECT_TRUE(vt_set_parameter(parameters[i], self->old[i]));
	EXPECT_TRUE(vt_node_mode(self->node));
	vt_baseline(_metadata);
}

static int create_one(int fd)
{
	char name[VDI_NAME_SIZE];

	vt_name(name);
	return vt_create(fd, name, 1);
}

/* SETS: exactly that many, then EDQUOT; one less, one more. */
static int creates_sets(struct vt_child *me, void *arg)
{
	int limit = *(int *)arg, fd = -1, last, i;

	(void)me;
	for (i = 0; i < limit; i++) {
		fd = vt_open_node();
		if (create_one(fd))
			return 101;
	}
	last = vt_open_node();
	if (create_one(last) != EDQUOT || create_one(last) != EDQUOT)
		return 102;
	if (vt_close(fd) || create_one(last))
		return 103;
	return create_one(fd) == EDQUOT ? 0 : 104;
}

TEST_F(limits, sets_of_one_user_64_EDQUOT)
{
	int limit = 64;

	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, creates_sets, &limit));
}

TEST_F(limits, sets_parameter)
{
	int limit = 3;

	ASSERT_TRUE(vt_set_parameter("max_sets", 3));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, creates_sets, &limit));
	/* one user's sets are nothing to the other's */
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, creates_sets, &limit));
}

static int creates_three(struct vt_child *me, void *arg)
{
	int i, err = 0;

	(void)arg;
	for (i = 0; i < 3; i++)
		err = err ?: create_one(vt_open_node());
	vt_tell(me, err);
	vt_hear(me);
	return 0;
}

TEST_F(limits, sets_are_counted_over_all_processes_of_the_user)
{
	struct vt_child one;
	int limit = 2;

	ASSERT_TRUE(vt_set_parameter("max_sets", 5));
	ASSERT_TRUE(vt_start(&one, VT_ALICE, VT_ALICE, creates_three, NULL));
	ASSERT_EQ(0, vt_hear(&one));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, creates_sets, &limit));
	limit = 5;
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, creates_sets, &limit));
	vt_tell(&one, 0);
	EXPECT_EQ(0, vt_finish(&one));
	EXPECT_TRUE(VT_UNTIL(!vt_left_over()));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, creates_sets, &limit));
}

/* Its server keeps the set when its client has closed it: that is not the client's. */
static int closes_what_others_keep(struct vt_child *me, void *arg)
{
	int limit = *(int *)arg, client, i;
	char name[VDI_NAME_SIZE];

	(void)me;
	for (i = 0; i <= limit; i++) {
		vt_name(name);
		client = vt_open_node();
		if (vt_create(client, name, 1))
			return 101;
		if (vt_open(vt_open_node(), name))
			return 102;
		if (i % 2 ? vt_close(client) : close(client))
			return 103;
	}
	return 0;
}

TEST_F(limits, sets_that_the_other_side_keeps)
{
	int limit = 3;

	ASSERT_TRUE(vt_set_parameter("max_sets", limit));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, closes_what_others_keep, &limit));
}

/* The client keeps the set when its server has gone: the memory is not the server's. */
static int goes_from_what_others_keep(struct vt_child *me, void *arg)
{
	char name[VDI_NAME_SIZE];
	int client, server, i;
	unsigned char *mine;

	(void)me;
	(void)arg;
	for (i = 0; i < 3; i++) {
		vt_name(name);
		client = vt_open_node();
		server = vt_open_node();
		if (vt_create(client, name, 1) || vt_open(server, name) || vt_begin(server) ||
		    vt_end(server, MIB))
			return 101;
		mine = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, client, 0);
		if (mine == MAP_FAILED)
			return 102;
		mine[MIB - 1] = 0x5a;
		if (i % 2 && vt_close(server))
			return 103;
		close(server);
		/* what is mapped stays, and there is no more of it */
		if (mine[MIB - 1] != 0x5a)
			return 104;
		if (mmap(NULL, MIB, PROT_READ, MAP_SHARED, client, 0) != MAP_FAILED ||
		    errno != ECANCELED)
			return 105;
	}
	return 0;
}

TEST_F(limits, bytes_that_the_other_side_keeps)
{
	ASSERT_TRUE(vt_set_parameter("max_user_bytes", MIB));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, goes_from_what_others_keep, NULL));
}

static int grow(int fd, uint64_t bytes)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = bytes);

	return vt_call(fd, VDI_IOC_GROW_AREA, &g);
}

TEST_F(limits, root_is_exempt)
{
	char name[VDI_NAME_SIZE];
	int client, server, i;

	ASSERT_TRUE(vt_set_parameter("max_sets", 2));
	ASSERT_TRUE(vt_set_parameter("max_user_bytes", MIB));
	ASSERT_TRUE(vt_set_parameter("max_total_percent", 0));
	for (i = 0; i < 4; i++) {
		vt_name(name);
		client = vt_open_node();
		server = vt_open_node();
		ASSERT_EQ(0, vt_create(client, name, 1));
		ASSERT_EQ(0, vt_open(server, name));
		ASSERT_EQ(0, vt_begin(server));
		ASSERT_EQ(0, vt_end(server, MIB));
	}
	ASSERT_TRUE(vt_set_parameter("max_area_bytes", MIB));
	EXPECT_EQ(0, grow(server, MIB));
}

/* A pair in one process, configured up to BEGIN_CONFIG. */
static int make_pair(int *client, int *server, char *name)
{
	vt_name(name);
	*client = vt_open_node();
	*server = vt_open_node();
	return vt_create(*client, name, 1) || vt_open(*server, name) || vt_begin(*server);
}

static unsigned int limit_of(int fd)
{
	struct vdi_status s;

	return vt_status(fd, &s) ? ~0U : s.out_stat.limit;
}

/* HANDLES: the third is the server's device, the fourth is too many. */
static int opens_devices(struct vt_child *me, void *arg)
{
	char name[VDI_NAME_SIZE];
	int client, server, sdev;

	(void)arg;
	if (make_pair(&client, &server, name) || vt_end(server, 4096))
		return 101;
	sdev = vt_open_device(server, name);
	if (sdev < 0)
		return 102;
	if (vt_open_device(client, name) != -EDQUOT)
		return 103;
	if (limit_of(client) != VDI_LIMIT_HANDLES || vt_state(server) != VDI_STATE_INITIALIZING)
		return 104;
	vt_tell(me, 0);
	vt_hear(me);
	/* there is room now; nothing was lost */
	return vt_open_device(client, name) < 0 || vt_state(server) != VDI_STATE_ACTIVE ? 105 : 0;
}

TEST_F(limits, handles_of_one_user_EDQUOT)
{
	struct vt_child child;

	ASSERT_TRUE(vt_set_parameter("max_handles", 3));
	ASSERT_TRUE(vt_start(&child, VT_ALICE, VT_ALICE, opens_devices, NULL));
	EXPECT_EQ(0, vt_hear(&child));
	EXPECT_TRUE(vt_set_parameter("max_handles", 4));
	vt_tell(&child, 0);
	EXPECT_EQ(0, vt_finish(&child));
}

static int opens_nodes(struct vt_child *me, void *arg)
{
	int i;

	(void)me;
	(void)arg;
	for (i = 0; i < 5; i++)
		if (vt_open_node() < 0)
			return 101;
	return vt_open_node() < 0 && errno == EDQUOT ? 0 : 102;
}

TEST_F(limits, open_files_of_one_user_EDQUOT)
{
	ASSERT_TRUE(vt_set_parameter("max_handles", 5));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, opens_nodes, NULL));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, opens_nodes, NULL));
}

/* BYTES of a set: T25, END_CONFIG asks for less; then GROW_AREA up to the limit. */
static int makes_area(struct vt_child *me, void *arg)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = MIB + 1);
	struct vdi_end_config before = e;
	char name[VDI_NAME_SIZE];
	int client, server;

	(void)me;
	(void)arg;
	if (make_pair(&client, &server, name))
		return 101;
	if (limit_of(server) != VDI_LIMIT_NONE)
		return 102;
	if (vt_call(server, VDI_IOC_END_CONFIG, &e) != EDQUOT || memcmp(&e, &before, sizeof(e)))
		return 103;
	if (limit_of(client) != VDI_LIMIT_SET_BYTES || vt_state(server) != VDI_STATE_CONFIGURING)
		return 104;
	if (vt_end(server, MIB / 2))
		return 105;
	if (grow(server, MIB / 2 + 4096) != EDQUOT || limit_of(server) != VDI_LIMIT_SET_BYTES)
		return 106;
	if (grow(server, MIB / 2))
		return 107;
	return grow(server, 1) == EDQUOT ? 0 : 108;
}

TEST_F(limits, bytes_of_one_set_EDQUOT)
{
	ASSERT_TRUE(vt_set_parameter("max_area_bytes", MIB));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, makes_area, NULL));
}

/* BYTES of a user: over all sets that it serves, and free again when they go. */
static int makes_areas(struct vt_child *me, void *arg)
{
	int client[3], server[3], i;
	char name[VDI_NAME_SIZE];

	(void)me;
	(void)arg;
	for (i = 0; i < 3; i++)
		if (make_pair(&client[i], &server[i], name))
			return 101;
	if (vt_end(server[0], MIB) || vt_end(server[1], MIB / 2))
		return 102;
	if (vt_end(server[2], MIB) != EDQUOT || limit_of(server[2]) != VDI_LIMIT_USER_BYTES)
		return 103;
	if (grow(server[0], MIB) != EDQUOT || limit_of(server[0]) != VDI_LIMIT_USER_BYTES)
		return 104;
	close(client[0]);
	close(server[0]);
	return VT_UNTIL(!vt_end(server[2], MIB)) ? 0 : 105;
}

/* One area is more than all that the user may have. */
static int makes_too_large_an_area(struct vt_child *me, void *arg)
{
	char name[VDI_NAME_SIZE];
	int client, server;

	(void)me;
	(void)arg;
	if (make_pair(&client, &server, name))
		return 101;
	return vt_end(server, MIB) == EDQUOT && limit_of(server) == VDI_LIMIT_USER_BYTES ? 0 : 102;
}

TEST_F(limits, bytes_of_one_user_EDQUOT)
{
	ASSERT_TRUE(vt_set_parameter("max_user_bytes", MIB - 4096));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, makes_too_large_an_area, NULL));
	ASSERT_TRUE(vt_set_parameter("max_user_bytes", 2 * MIB - 4096));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, makes_areas, NULL));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, makes_areas, NULL));
}

static int makes_any_area(struct vt_child *me, void *arg)
{
	char name[VDI_NAME_SIZE];
	int client, server;

	(void)me;
	(void)arg;
	if (make_pair(&client, &server, name))
		return 101;
	if (vt_end(server, 4096) != EDQUOT || limit_of(server) != VDI_LIMIT_TOTAL_BYTES)
		return 102;
	return vt_state(server) == VDI_STATE_CONFIGURING ? 0 : 103;
}

TEST_F(limits, bytes_of_all_EDQUOT)
{
	ASSERT_TRUE(vt_set_parameter("max_total_percent", 0));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, makes_any_area, NULL));
}

/* PIECES are bounded for everybody. */
TEST_F(device, pieces_of_one_area_EDQUOT)
{
	struct vdi_piece pieces[VDI_MAX_PIECES];
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces,
					  .nr_pieces = VDI_MAX_PIECES);
	int i, j, overlaps = 0;

	for (i = 1; i < VDI_MAX_PIECES; i++)
		ASSERT_EQ(0, grow(self->server, 4096));
	EXPECT_EQ(EDQUOT, grow(self->server, 4096));
	EXPECT_EQ(VDI_LIMIT_PIECES, limit_of(self->client));
	ASSERT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(VDI_MAX_PIECES, g.out_pieces);
	for (i = 0; i < VDI_MAX_PIECES; i++)
		for (j = 0; j < i; j++)
			overlaps += pieces[i].offset < pieces[j].offset + pieces[j].size &&
				    pieces[j].offset < pieces[i].offset + pieces[i].size;
	EXPECT_EQ(0, overlaps);
}

TEST_HARNESS_MAIN
