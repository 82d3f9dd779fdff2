// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may do what with a set, by its name: mode bits, groups, users, user
 * namespaces; LIST, STAT_NAME, ABORT_NAME.  The node is opened to everybody
 * meanwhile, so that only the set's own rules decide.  How a name may look is
 * set_test's and open_test's.
 */
#include <linux/capability.h>
#include <sched.h>

#include "names.h"
#include "child.h"

FIXTURE(names) {
	char name[VDI_NAME_SIZE];
	mode_t node;
};

FIXTURE_SETUP(names)
{
	vt_name(self->name);
	self->node = vt_node_mode_now();
	ASSERT_TRUE(vt_node_mode(0666));
}

FIXTURE_TEARDOWN(names)
{
	EXPECT_TRUE(vt_node_mode(self->node));
	vt_baseline(_metadata);
}

/* Alice makes the set of the fixture and keeps it until told. */
struct making {
	const char *name;
	__u32 mode;
	bool give_gid;		/* CREATE names VT_GROUP ... */
	bool in_group;		/* ... which Alice is in */
};

static int alice_makes(struct vt_child *me, void *arg)
{
	struct making *m = arg;
	struct vdi_create c = vt_create_args(m->name, 2);
	gid_t group = VT_GROUP;
	int fd, err;

	if (setgroups(m->in_group, &group) || setresgid(VT_ALICE, VT_ALICE, VT_ALICE) ||
	    setresuid(VT_ALICE, VT_ALICE, VT_ALICE))
		return VT_CHILD_BROKEN;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	c.mode = m->mode;
	if (m->give_gid) {
		c.flags = VDI_CREATE_F_GID;
		c.gid = VT_GROUP;
	}
	fd = vt_open_node();
	err = vt_call(fd, VDI_IOC_CREATE, &c);
	vt_tell(me, err);
	if (err)
		return err;
	while (vt_hear(me) == 's')
		vt_tell(me, vt_state(fd));
	return 0;
}

static int start_alice(struct vt_child *alice, struct making *m)
{
	return vt_start(alice, VT_ROOT, VT_ROOT, alice_makes, m) ? vt_hear(alice) : -1;
}

static int alice_sees(struct vt_child *alice)
{
	vt_tell(alice, 's');
	return vt_hear(alice);
}

static int end_alice(struct vt_child *alice)
{
	vt_tell(alice, 'q');
	return vt_finish(alice);
}

static int opens(struct vt_child *me, void *arg)
{
	(void)me;
	return vt_open(vt_open_node(), arg);
}

static int opens_secondary(struct vt_child *me, void *arg)
{
	(void)me;
	return vt_open_secondary(vt_open_node(), arg);
}

static int creates(struct vt_child *me, void *arg)
{
	(void)me;
	return vt_create(vt_open_node(), arg, 1);
}

static int stats(struct vt_child *me, void *arg)
{
	struct vdi_stat_name s = VT_INIT(vdi_stat_name);

	(void)me;
	strcpy(s.name, arg);
	return vt_call(vt_open_node(), VDI_IOC_STAT_NAME, &s);
}

static int aborts(struct vt_child *me, void *arg)
{
	struct vdi_abort_name a = VT_INIT(vdi_abort_name, .code = 99, .text = "by name");

	(void)me;
	strcpy(a.name, arg);
	return vt_call(vt_open_node(), VDI_IOC_ABORT_NAME, &a);
}

/* How many sets the user sees; 200 if there is anything odd. */
static int lists(struct vt_child *me, void *arg)
{
	struct vdi_list l = VT_INIT(vdi_list, .entry_size = sizeof(struct vdi_set_stat));
	int err;

	(void)me;
	(void)arg;
	err = vt_call(vt_open_node(), VDI_IOC_LIST, &l);
	return err || l.out_sets ? 200 : l.out_more;
}

/*
 * OPEN by the mode: as for a file that has to be read and written.  Each in a
 * set of its own, since the first server stays the only one.
 */
struct access {
	__u32 mode;
	bool group;		/* the set's group is VT_GROUP, else Alice's */
	uid_t uid;
	gid_t gid;
	int want;
};

TEST_F(names, open_by_mode)
{
	static const struct access table[] = {
		/* the default, 0600 */
		{ 0, false, VT_ALICE, VT_ALICE, 0 },
		{ 0, false, VT_BOB, VT_BOB, EACCES },
		{ 0, false, VT_BOB, VT_ALICE, EACCES },
		{ 0, false, VT_ROOT, VT_ROOT, 0 },
		{ 0600, false, VT_ALICE, VT_EVE, 0 },
		{ 0600, false, VT_BOB, VT_BOB, EACCES },
		{ 0600, true, VT_BOB, VT_GROUP, EACCES },
		/* a group given, and the creator's own */
		{ 0660, true, VT_BOB, VT_GROUP, 0 },
		{ 0660, true, VT_EVE, VT_EVE, EACCES },
		{ 0660, true, VT_EVE, VT_ALICE, EACCES },
		{ 0660, false, VT_BOB, VT_ALICE, 0 },
		{ 0660, false, VT_BOB, VT_GROUP, EACCES },
		/* reading alone or writing alone is not enough */
		{ 0640, true, VT_BOB, VT_GROUP, EACCES },
		{ 0620, true, VT_BOB, VT_GROUP, EACCES },
		{ 0604, false, VT_EVE, VT_EVE, EACCES },
		{ 0602, false, VT_EVE, VT_EVE, EACCES },
		{ 0611, false, VT_EVE, VT_EVE, EACCES },
		/* everybody */
		{ 0666, false, VT_EVE, VT_EVE, 0 },
		{ 0006, false, VT_EVE, VT_EVE, 0 },
		/* the first class that fits decides */
		{ 0606, true, VT_BOB, VT_GROUP, EACCES },
		{ 0066, false, VT_ALICE, VT_BOB, EACCES },
		{ 0001, false, VT_ROOT, VT_ROOT, 0 },
	};
	struct vt_child alice;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		const struct access *a = &table[i];
		struct making m = { self->name, a->mode, a->group, a->group };

		ASSERT_EQ(0, start_alice(&alice, &m));
		EXPECT_EQ(a->want, vt_run_as(a->uid, a->gid, opens, self->name)) {
			TH_LOG("mode 0%o uid %u gid %u", a->mode, a->uid, a->gid);
		}
		EXPECT_EQ(a->want ? VDI_STATE_CONFIGURABLE : VDI_STATE_ABORTED,
			  alice_sees(&alice));
		EXPECT_EQ(0, end_alice(&alice));
	}
}

TEST_F(names, absent_is_ENOENT_for_everybody)
{
	EXPECT_EQ(ENOENT, vt_run_as(VT_EVE, VT_EVE, opens, "no such set"));
	EXPECT_EQ(ENOENT, vt_run_as(VT_EVE, VT_EVE, stats, "no such set"));
	EXPECT_EQ(ENOENT, vt_run_as(VT_EVE, VT_EVE, aborts, "no such set"));
	EXPECT_EQ(ENOENT, vt_run_as(VT_EVE, VT_EVE, opens_secondary, "no such set"));
}

TEST_F(names, create_foreign_group_EPERM)
{
	struct making m = { self->name, 0660, true, false };
	struct vt_child alice;

	ASSERT_EQ(EPERM, start_alice(&alice, &m));
	EXPECT_EQ(EPERM, vt_finish(&alice));
	m.in_group = true;
	ASSERT_EQ(0, start_alice(&alice, &m));
	EXPECT_EQ(0, end_alice(&alice));
}

/* Not even by another user, who does not see it. */
TEST_F(names, taken_name_EEXIST_for_everybody)
{
	struct making m = { self->name, 0, false, false };
	struct vt_child alice;

	ASSERT_EQ(0, start_alice(&alice, &m));
	EXPECT_EQ(EEXIST, vt_run_as(VT_BOB, VT_BOB, creates, self->name));
	EXPECT_EQ(EEXIST, vt_run_as(VT_ROOT, VT_ROOT, creates, self->name));
	EXPECT_EQ(0, end_alice(&alice));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, creates, self->name));
}

/* Secondary clients: only in the creator's user, whatever the mode. */
TEST_F(names, open_secondary_other_user_EACCES)
{
	struct making m = { self->name, 0666, false, false };
	int server = vt_open_node();
	struct vt_child alice;

	ASSERT_EQ(0, start_alice(&alice, &m));
	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_EQ(0, vt_begin(server));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	EXPECT_EQ(EACCES, vt_run_as(VT_BOB, VT_BOB, opens_secondary, self->name));
	EXPECT_EQ(EACCES, vt_run_as(VT_BOB, VT_ALICE, opens_secondary, self->name));
	EXPECT_EQ(EACCES, vt_run_as(VT_ROOT, VT_ROOT, opens_secondary, self->name));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_EVE, opens_secondary, self->name));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(server));
	EXPECT_EQ(0, end_alice(&alice));
}

/* Each side reads who the other is. */
TEST_F(names, parties_are_readable)
{
	struct making m = { self->name, 0666, false, false };
	int server = vt_open_node();
	struct vt_child alice;
	struct vdi_status s;

	ASSERT_EQ(0, start_alice(&alice, &m));
	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(alice.pid, s.out_stat.client.pid);
	EXPECT_EQ(VT_ALICE, s.out_stat.client.uid);
	EXPECT_EQ(VT_ALICE, s.out_stat.client.gid);
	EXPECT_EQ(VDI_ROLE_CLIENT, s.out_stat.client.role);
	EXPECT_EQ(getpid(), s.out_stat.server.pid);
	EXPECT_EQ(0, s.out_stat.server.uid);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.server.role);
	EXPECT_EQ(0, end_alice(&alice));
	/* and who it was that died */
	EXPECT_TRUE(VT_UNTIL(vt_state(server) == VDI_STATE_ABORTED));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, s.out_stat.reason.reason);
	EXPECT_EQ(alice.pid, s.out_stat.reason.who.pid);
	EXPECT_EQ(VT_ALICE, s.out_stat.reason.who.uid);
}

/* It is the capability that lets root in, not the number 0. */
static int drop(unsigned int capability)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct caps[2];

	if (syscall(SYS_capget, &head, caps))
		return -1;
	caps[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
	return syscall(SYS_capset, &head, caps);
}

static int opens_without_dac_override(struct vt_child *me, void *arg)
{
	return drop(CAP_DAC_OVERRIDE) ? VT_CHILD_BROKEN : opens(me, arg);
}

static int stats_without_sys_admin(struct vt_child *me, void *arg)
{
	return drop(CAP_SYS_ADMIN) ? VT_CHILD_BROKEN : stats(me, arg);
}

static int aborts_without_sys_admin(struct vt_child *me, void *arg)
{
	return drop(CAP_SYS_ADMIN) ? VT_CHILD_BROKEN : aborts(me, arg);
}

TEST_F(names, root_without_the_capability)
{
	struct making m = { self->name, 0, false, false };
	struct vt_child alice;

	ASSERT_EQ(0, start_alice(&alice, &m));
	EXPECT_EQ(EACCES, vt_run_as(VT_ROOT, VT_ROOT, opens_without_dac_override, self->name));
	EXPECT_EQ(EPERM, vt_run_as(VT_ROOT, VT_ROOT, stats_without_sys_admin, self->name));
	EXPECT_EQ(EPERM, vt_run_as(VT_ROOT, VT_ROOT, aborts_without_sys_admin, self->name));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, alice_sees(&alice));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, opens, self->name));
	EXPECT_EQ(0, end_alice(&alice));
}

/* LIST, STAT_NAME, ABORT_NAME: one's own sets, and all for CAP_SYS_ADMIN. */
static int bob_serves(struct vt_child *me, void *arg)
{
	int fd = vt_open_node();

	vt_tell(me, vt_open(fd, arg));
	vt_hear(me);
	return vt_state(fd);
}

TEST_F(names, visible_to_creator_server_and_admin)
{
	struct making m = { self->name, 0666, false, false };
	struct vt_child alice, bob;

	ASSERT_EQ(0, start_alice(&alice, &m));
	EXPECT_EQ(1, vt_run_as(VT_ALICE, VT_ALICE, lists, NULL));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, lists, NULL));
	EXPECT_EQ(EPERM, vt_run_as(VT_BOB, VT_BOB, stats, self->name));
	ASSERT_TRUE(vt_start(&bob, VT_BOB, VT_BOB, bob_serves, self->name));
	ASSERT_EQ(0, vt_hear(&bob));
	EXPECT_EQ(1, vt_run_as(VT_BOB, VT_BOB, lists, NULL));
	EXPECT_EQ(1, vt_run_as(VT_ROOT, VT_ROOT, lists, NULL));
	EXPECT_EQ(0, vt_run_as(VT_EVE, VT_EVE, lists, NULL));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, stats, self->name));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, stats, self->name));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, stats, self->name));
	EXPECT_EQ(EPERM, vt_run_as(VT_EVE, VT_EVE, stats, self->name));
	EXPECT_EQ(EPERM, vt_run_as(VT_EVE, VT_EVE, aborts, self->name));
	EXPECT_EQ(VDI_STATE_CONNECTED, alice_sees(&alice));
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_BOB, aborts, self->name));
	EXPECT_EQ(VDI_STATE_ABORTED, alice_sees(&alice));
	vt_tell(&bob, 0);
	EXPECT_EQ(VDI_STATE_ABORTED, vt_finish(&bob));
	EXPECT_EQ(0, end_alice(&alice));
}

TEST_F(names, abort_by_name_of_own_set)
{
	struct making m = { self->name, 0666, false, false };
	int server = vt_open_node();
	struct vt_child alice;
	struct vdi_status s;

	ASSERT_EQ(0, start_alice(&alice, &m));
	ASSERT_EQ(0, vt_open(server, self->name));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, aborts, self->name));
	ASSERT_EQ(0, vt_status(server, &s));
	EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
	EXPECT_EQ(VDI_REASON_ADMIN, s.out_stat.reason.reason);
	EXPECT_EQ(99, s.out_stat.reason.code);
	EXPECT_STREQ("by name", s.out_stat.reason.text);
	EXPECT_EQ(VT_ALICE, s.out_stat.reason.who.uid);
	EXPECT_EQ(VDI_ROLE_NONE, s.out_stat.reason.who.role);
	/* an aborted set has no name any more */
	EXPECT_EQ(ENOENT, vt_run_as(VT_ALICE, VT_ALICE, aborts, self->name));
	/* but can be looked at, by those who could before */
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, stats, self->name));
	EXPECT_EQ(EPERM, vt_run_as(VT_EVE, VT_EVE, stats, self->name));
	EXPECT_EQ(0, end_alice(&alice));
}

/* User namespaces: names belong to that of the one who opened the node. */
static int in_namespace(struct vt_child *me, void *arg)
{
	struct vdi_list l = VT_INIT(vdi_list, .entry_size = sizeof(struct vdi_set_stat));
	struct vdi_status s;
	int before, inside, spare, err;

	(void)me;
	before = vt_open_node();
	spare = vt_open_node();
	if (unshare(CLONE_NEWUSER))
		return 100;
	inside = vt_open_node();
	if (inside < 0)
		return 101;
	/* nothing of the host's is seen or found through a node opened in here */
	if (vt_call(inside, VDI_IOC_LIST, &l) || l.out_more || vt_open(inside, arg) != ENOENT)
		return 102;
	/* and the same name is free */
	if (vt_create(inside, arg, 1))
		return 103;
	/* a handle from outside joins the host's names; the mode counts as ever */
	err = vt_open(before, arg);
	if (err)
		return err;
	if (vt_status(before, &s) || s.out_stat.client.uid != 65534 ||
	    s.out_stat.state != VDI_STATE_CONNECTED)
		return 104;
	/* all capabilities in here are none out there */
	return vt_open(spare, "private") == EACCES ? 0 : 105;
}

TEST_F(names, user_namespaces_have_their_own)
{
	struct making m = { self->name, 0666, false, false };
	struct making private = { "private", 0, false, false };
	struct vt_child alice, again;
	int ret;

	ASSERT_EQ(0, start_alice(&alice, &m));
	ASSERT_EQ(0, start_alice(&again, &private));
	ret = vt_run_as(VT_EVE, VT_EVE, in_namespace, self->name);
	EXPECT_EQ(0, end_alice(&alice));
	EXPECT_EQ(0, end_alice(&again));
	if (ret == 100)
		SKIP(return, "unshare(CLONE_NEWUSER) is not permitted by this kernel");
	EXPECT_EQ(0, ret);
}

/* A pid means something only where it can be seen. */
static int below(struct vt_child *me, void *arg)
{
	struct vdi_stat_name s = VT_INIT(vdi_stat_name);

	(void)me;
	strcpy(s.name, arg);
	if (getpid() != 1 || vt_call(vt_open_node(), VDI_IOC_STAT_NAME, &s))
		return 110;
	return s.out_stat.client.pid == 0 && s.out_stat.client.uid == VT_ALICE ? 0 : 111;
}

static int in_pid_namespace(struct vt_child *me, void *arg)
{
	(void)me;
	if (unshare(CLONE_NEWPID))
		return 100;
	return vt_run_as(VT_ROOT, VT_ROOT, below, arg);
}

TEST_F(names, pid_of_another_pid_namespace_is_0)
{
	struct making m = { self->name, 0666, false, false };
	struct vt_child alice;
	int ret;

	ASSERT_EQ(0, start_alice(&alice, &m));
	ret = vt_run_as(VT_ROOT, VT_ROOT, in_pid_namespace, self->name);
	EXPECT_EQ(0, end_alice(&alice));
	if (ret == 100)
		SKIP(return, "unshare(CLONE_NEWPID) is not permitted by this kernel");
	EXPECT_EQ(0, ret);
}

TEST_HARNESS_MAIN
