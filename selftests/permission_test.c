// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stranger: one who may open the node and nothing else, and one who has all
 * capabilities, but in a user namespace of its own.  It lists, looks, opens,
 * aborts, squats a name and floods; the others go on as if it were not there.
 * Also runs as a 32-bit program.  What the rules give to those whom they are
 * for is name_test's, the numbers of the limits are limit_test's; the table of all
 * rows is in README.md.
 */
#include <sched.h>

#include "names.h"
#include "child.h"

#define NO_NAMESPACE	100	/* exit code: this kernel permits none */

FIXTURE(stranger) {
	char name[VDI_NAME_SIZE];
	int client, server;	/* root's, mode 0600 */
	mode_t node;
	long long sets;
};

FIXTURE_SETUP(stranger)
{
	vt_name(self->name);
	self->node = vt_node_mode_now();
	self->sets = vt_parameter("max_sets");
	ASSERT_TRUE(vt_node_mode(0666));
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_EQ(0, vt_create(self->client, self->name, 2));
}

FIXTURE_TEARDOWN(stranger)
{
	EXPECT_TRUE(vt_set_parameter("max_sets", self->sets));
	EXPECT_TRUE(vt_node_mode(self->node));
	close(self->client);
	close(self->server);
	vt_baseline(_metadata);
}

static int stat_name(int fd, const char *name)
{
	struct vdi_stat_name s = VT_INIT(vdi_stat_name);

	strcpy(s.name, name);
	return vt_call(fd, VDI_IOC_STAT_NAME, &s);
}

static int abort_name(int fd, const char *name)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name);

	strcpy(a.name, name);
	return vt_call(fd, VDI_IOC_ABORT_NAME, &a);
}

/* How many sets there are for this handle, -1 for an error */
static int listed(int fd)
{
	struct vdi_list l = VT_INIT(vdi_list, .entry_size = sizeof(struct vdi_set_stat));

	return vt_call(fd, VDI_IOC_LIST, &l) ? -1 : (int)l.out_more;
}

/* Tries all that there is against a set of somebody else; 0 if all is refused. */
static int tries(int fd, const char *name)
{
	if (listed(fd) != 0)
		return 1;
	if (stat_name(fd, name) != EPERM)
		return 2;
	if (abort_name(fd, name) != EPERM)
		return 3;
	if (vt_open(fd, name) != EACCES)
		return 4;
	if (vt_create(fd, name, 1) != EEXIST)
		return 5;
	/* a secondary client is asked who it is once there is a set to join */
	if (vt_open_secondary(fd, name) != EACCES)
		return 6;
	/* a name that is not there is no secret, and says nothing of one that is */
	return stat_name(fd, "nobody's") == ENOENT ? 0 : 7;
}

static int tries_all(struct vt_child *me, void *arg)
{
	(void)me;
	return tries(vt_open_node(), arg);
}

/* The same with all capabilities, in a namespace that owns nothing of this */
static int tries_from_a_namespace(struct vt_child *me, void *arg)
{
	int fd = vt_open_node();

	(void)me;
	return unshare(CLONE_NEWUSER) ? NO_NAMESPACE : tries(fd, arg);
}

static int opens_the_node(struct vt_child *me, void *arg)
{
	(void)me;
	(void)arg;
	return vt_open_node() < 0 ? errno : 0;
}

TEST_F(stranger, does_not_open_a_closed_node)
{
	ASSERT_TRUE(vt_node_mode(0660));
	EXPECT_EQ(EACCES, vt_run_as(VT_EVE, VT_EVE, opens_the_node, NULL));
	ASSERT_TRUE(vt_node_mode(0600));
	EXPECT_EQ(EACCES, vt_run_as(VT_EVE, VT_ROOT, opens_the_node, NULL));
	ASSERT_TRUE(vt_node_mode(0666));
	EXPECT_EQ(0, vt_run_as(VT_EVE, VT_EVE, opens_the_node, NULL));
}

TEST_F(stranger, gets_nothing)
{
	EXPECT_EQ(0, vt_run_as(VT_EVE, VT_EVE, tries_all, self->name));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
	/* nor when the set is at work */
	ASSERT_EQ(0, vt_open(self->server, self->name));
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(0, vt_run_as(VT_EVE, VT_EVE, tries_all, self->name));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
	EXPECT_EQ(0, vt_close(self->client));
}

TEST_F(stranger, capabilities_in_a_namespace_are_none)
{
	int ret = vt_run_as(VT_EVE, VT_EVE, tries_from_a_namespace, self->name);

	if (ret == NO_NAMESPACE)
		SKIP(return, "unshare(CLONE_NEWUSER) is not permitted by this kernel");
	EXPECT_EQ(0, ret);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

/* CAP_SYS_RESOURCE of a namespace exempts nobody, and it is the same user in there. */
static int floods_from_a_namespace(struct vt_child *me, void *arg)
{
	int limit = *(int *)arg, outside[2] = { vt_open_node(), vt_open_node() };
	char name[VDI_NAME_SIZE];
	int i;

	(void)me;
	vt_name(name);
	if (vt_create(outside[0], name, 1))
		return 1;
	if (unshare(CLONE_NEWUSER))
		return NO_NAMESPACE;
	for (i = 1; i < limit; i++) {
		vt_name(name);
		if (vt_create(vt_open_node(), name, 1))
			return 2;
	}
	vt_name(name);
	if (vt_create(vt_open_node(), name, 1) != EDQUOT)
		return 3;
	return vt_create(outside[1], name, 1) == EDQUOT ? 0 : 4;
}

TEST_F(stranger, limits_hold_in_a_namespace)
{
	int limit = 3, ret;

	ASSERT_TRUE(vt_set_parameter("max_sets", limit));
	ret = vt_run_as(VT_EVE, VT_EVE, floods_from_a_namespace, &limit);
	if (ret == NO_NAMESPACE)
		SKIP(return, "unshare(CLONE_NEWUSER) is not permitted by this kernel");
	EXPECT_EQ(0, ret);
}

/* Takes all that it can get, and keeps it */
static int floods(struct vt_child *me, void *arg)
{
	char name[VDI_NAME_SIZE];
	int made = 0, fd, err;

	(void)arg;
	do {
		vt_name(name);
		fd = vt_open_node();
		err = fd < 0 ? errno : vt_create(fd, name, VDI_MAX_DEVICES);
		made += !err;
	} while (!err);
	vt_tell(me, err);
	vt_hear(me);
	return made;
}

static int creates(struct vt_child *me, void *arg)
{
	(void)me;
	return vt_create(vt_open_node(), arg, 1);
}

TEST_F(stranger, floods_at_its_own_cost)
{
	char name[VDI_NAME_SIZE];
	struct vt_child eve;

	vt_name(name);
	ASSERT_TRUE(vt_start(&eve, VT_EVE, VT_EVE, floods, NULL));
	EXPECT_EQ(EDQUOT, vt_hear(&eve));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, creates, name));
	EXPECT_EQ(0, vt_open(self->server, self->name));
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->client));
	vt_tell(&eve, 0);
	EXPECT_EQ(self->sets, vt_finish(&eve));
}

/* Has the name first, open to all: who comes to it can read whose it is. */
static int squats(struct vt_child *me, void *arg)
{
	struct vdi_create c = vt_create_args(arg, 1);
	int fd = vt_open_node();

	c.mode = 0666;
	vt_tell(me, vt_call(fd, VDI_IOC_CREATE, &c));
	vt_hear(me);
	return vt_state(fd);
}

TEST_F(stranger, squats_a_name_and_is_known)
{
	char name[VDI_NAME_SIZE];
	struct vdi_status s;
	struct vt_child eve;

	vt_name(name);
	ASSERT_TRUE(vt_start(&eve, VT_EVE, VT_EVE, squats, name));
	ASSERT_EQ(0, vt_hear(&eve));
	EXPECT_EQ(EEXIST, vt_run_as(VT_BOB, VT_BOB, creates, name));
	ASSERT_EQ(0, vt_open(self->server, name));
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(VT_EVE, s.out_stat.client.uid);
	EXPECT_EQ(eve.pid, s.out_stat.client.pid);
	/* and refuse it: nothing of the engine's was shown yet */
	EXPECT_EQ(0, vt_close(self->server));
	vt_tell(&eve, 0);
	EXPECT_EQ(VDI_STATE_ABORTED, vt_finish(&eve));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, creates, name));
}

/* A handle that was passed on: of no use to who did not bind or adopt it */
static int uses_what_it_was_born_with(struct vt_child *me, void *arg)
{
	int fd = *(int *)arg;
	struct vdi_status s;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)me;
	if (vt_status(fd, &s) != EIO || vt_abort(fd) != EIO || vt_close(fd) != EIO)
		return 1;
	if (mmap(NULL, VT_TRANSFER, PROT_READ, MAP_SHARED, fd, 0) != MAP_FAILED || errno != EIO)
		return 2;
	return poll(&p, 1, 0) == 0 ? 0 : 3;
}

TEST_F(stranger, inherits_a_handle)
{
	ASSERT_EQ(0, vt_open(self->server, self->name));
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(0, vt_run_as(VT_EVE, VT_EVE, uses_what_it_was_born_with, &self->server));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
	EXPECT_EQ(0, vt_close(self->client));
}

TEST_HARNESS_MAIN
