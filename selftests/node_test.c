// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nodes as files: what CREATE makes of its fields, who owns them, what sysfs
 * says, when they come and go, and who may open which of them how.  What goes
 * through them is in node_stream, node_disk and node_tape; how that ends in
 * node_end.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/sysmacros.h>

#include "names.h"
#include "node.h"

static bool exists(const struct node_set *s, unsigned int i)
{
	char path[64];
	struct stat st;

	node_path(s, i, path);
	return !stat(path, &st) && S_ISCHR(st.st_mode);
}

TEST_F(handle, offers_nodes)
{
	struct vdi_get_info info = VT_INIT(vdi_get_info);

	ASSERT_OK(self->fd, VDI_IOC_GET_INFO, &info);
	EXPECT_TRUE(info.out_capabilities & VDI_CAP_NODES);
}

TEST_F(node, comes_and_goes_with_the_set)
{
	struct node_set *s = self->s;
	unsigned int i;

	s->create.config.device_count = 5;
	ASSERT_EQ(0, node_up(s));
	ASSERT_NE(VDI_NODE_NONE, s->first);
	for (i = 0; i < 5; i++)
		EXPECT_TRUE(exists(s, i));
	EXPECT_FALSE(exists(s, 5));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, node_state(s));
	node_order(s, NODE_CLOSE);
	EXPECT_TRUE(VT_UNTIL(!exists(s, 0)));
	for (i = 1; i < 5; i++)
		EXPECT_TRUE(VT_UNTIL(!exists(s, i)));
	EXPECT_EQ(-ENOENT, node_open(s, 0, O_WRONLY));
}

TEST_F(node, goes_with_the_death_of_the_client)
{
	struct node_set *s = self->s;

	ASSERT_EQ(0, node_up(s));
	EXPECT_TRUE(exists(s, 0));
	node_kill(s);
	EXPECT_TRUE(VT_UNTIL(!exists(s, 0)));
}

TEST_F(node, is_named_by_every_status)
{
	struct node_set *s = self->s;
	struct vdi_set_stat sets[16], stat;
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = 16,
				    .entry_size = sizeof(sets[0]));
	unsigned int i, found = 0;
	char name[VDI_NAME_SIZE];
	int plain = vt_open_node();

	vt_name(name);
	ASSERT_EQ(0, vt_create(plain, name, 1));
	ASSERT_EQ(0, node_up(s));
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_EQ(s->first, stat.first_node);
	EXPECT_EQ(0, stat.completed_devices);
	ASSERT_OK(s->watch, VDI_IOC_LIST, &l);
	for (i = 0; i < l.out_sets; i++) {
		if (!strcmp(sets[i].name, s->create.name)) {
			EXPECT_EQ(s->first, sets[i].first_node);
			found++;
		} else if (!strcmp(sets[i].name, name)) {
			EXPECT_EQ(VDI_NODE_NONE, sets[i].first_node);
			found++;
		}
	}
	EXPECT_EQ(2, found);
}

/* Two sets never share a number. */
TEST_F(node, has_a_number_of_its_own)
{
	struct node_set *s = self->s, *other = node_new(VDI_FEAT_LIKE_PIPE, 3);

	ASSERT_NE(NULL, other);
	s->create.config.device_count = 3;
	ASSERT_EQ(0, node_up(s));
	ASSERT_EQ(0, node_up(other));
	EXPECT_TRUE(other->first >= s->first + 3 || s->first >= other->first + 3);
	node_kill(other);
}

static int make_as_alice(struct vt_child *me, void *arg)
{
	struct node_set *s = arg;
	int fd = vt_open_node();
	struct vdi_status status;
	int err = vt_call(fd, VDI_IOC_CREATE, &s->create) ?: vt_status(fd, &status);

	s->first = status.out_stat.first_node;
	if (err || !vt_tell(me, 1))
		return err;
	return vt_hear(me) == 1 ? vt_close(fd) : 100;
}

static int open_it(struct vt_child *me, void *arg)
{
	int fd = node_open(arg, 0, O_WRONLY);

	(void)me;
	return fd < 0 ? -fd : 0;
}

TEST_F(node, belongs_to_the_owner_of_the_set)
{
	struct node_set *s = self->s;
	mode_t before = vt_node_mode_now();
	struct vt_child alice;
	struct stat st;
	char path[64];

	s->create.mode = 0620;
	ASSERT_TRUE(vt_node_mode(0666));
	ASSERT_TRUE(vt_start(&alice, VT_ALICE, VT_GROUP, make_as_alice, s));
	EXPECT_EQ(1, vt_hear(&alice));
	node_path(s, 0, path);
	EXPECT_EQ(0, stat(path, &st));
	EXPECT_EQ(VT_ALICE, st.st_uid);
	EXPECT_EQ(VT_GROUP, st.st_gid);
	EXPECT_EQ(0620, st.st_mode & 07777);
	EXPECT_EQ(EACCES, vt_run_as(VT_EVE, VT_EVE, open_it, s));
	/* the group may write: it is the engine now, and ends in order at once */
	EXPECT_EQ(0, vt_run_as(VT_BOB, VT_GROUP, open_it, s));
	vt_tell(&alice, 1);
	vt_finish(&alice);
	EXPECT_TRUE(vt_node_mode(before));
}

/* Not the group of the set's creator, but that of the set */
TEST_F(node, has_the_group_of_the_set)
{
	struct node_set *s = self->s;
	struct stat st;
	char path[64];

	s->create.flags |= VDI_CREATE_F_GID;
	s->create.gid = VT_GROUP;
	ASSERT_EQ(0, node_up(s));
	node_path(s, 0, path);
	ASSERT_EQ(0, stat(path, &st));
	EXPECT_EQ(0, st.st_uid);
	EXPECT_EQ(VT_GROUP, st.st_gid);
	EXPECT_EQ(0600, st.st_mode & 07777);
}

/* One file of /sys/class/vdi/vdi-N, without the newline; empty if there is none */
static const char *attribute(const struct node_set *s, unsigned int i, const char *file)
{
	static char text[4096];
	char path[128];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/sys/class/vdi/vdi-%u/%s", s->first + i, file);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n < 0 ? 0 : n] = 0;
	if (n > 0 && text[n - 1] == '\n')
		text[n - 1] = 0;
	return text;
}

TEST_F(node, is_described_in_sysfs)
{
	struct node_set *s = self->s;
	char want[VDI_NAME_SIZE + 32];

	s->create.config.device_count = 2;
	ASSERT_EQ(0, node_up(s));
	EXPECT_STREQ(s->create.name, attribute(s, 0, "set"));
	EXPECT_STREQ("", attribute(s, 0, "instance"));
	EXPECT_STREQ("0", attribute(s, 0, "index"));
	EXPECT_STREQ(s->create.name, attribute(s, 1, "set"));
	EXPECT_STREQ("1", attribute(s, 1, "index"));
	snprintf(want, sizeof(want), "\nVDI_SET=%s\n", s->create.name);
	EXPECT_NE(NULL, strstr(attribute(s, 1, "uevent"), want));
	EXPECT_NE(NULL, strstr(attribute(s, 1, "uevent"), "VDI_INDEX=1"));
}

/* What udev makes a path of is only what can do no harm there. */
TEST_F(node, tells_udev_only_harmless_names)
{
	static const char * const bad[] = {
		".", "..", ".hidden", "a b", "a\"b", "$(reboot)", "\xc3\xa9", "a,b", "%k",
	};
	struct vdi_status status;
	unsigned int i;
	int fd;

	for (i = 0; i <= ARRAY_SIZE(bad); i++) {
		fd = vt_open_node();
		if (i < ARRAY_SIZE(bad))
			snprintf(self->s->create.name, VDI_NAME_SIZE, "%s", bad[i]);
		else	/* a good name, in an instance */
			strcpy(self->s->create.instance, strcpy(self->s->create.name, "good"));
		ASSERT_OK(fd, VDI_IOC_CREATE, &self->s->create);
		ASSERT_EQ(0, vt_status(fd, &status));
		self->s->first = status.out_stat.first_node;
		EXPECT_STREQ(self->s->create.name, attribute(self->s, 0, "set"));
		EXPECT_STREQ(self->s->create.instance, attribute(self->s, 0, "instance"));
		EXPECT_NE(NULL, strstr(attribute(self->s, 0, "uevent"), "DEVNAME=vdi-"));
		EXPECT_EQ(NULL, strstr(attribute(self->s, 0, "uevent"), "VDI_SET")) {
			TH_LOG("of '%s': %s", self->s->create.name,
			       attribute(self->s, 0, "uevent"));
		}
		ASSERT_EQ(0, vt_close(fd));
		close(fd);
	}
}

static int create_with(unsigned int flags, unsigned int block, unsigned int transfer,
		       unsigned int depth, unsigned int ring)
{
	struct vdi_create c;
	char name[VDI_NAME_SIZE];
	int fd = vt_open_node(), err;

	vt_name(name);
	c = vt_create_args(name, 1);
	c.flags = flags;
	c.node_block_size = block;
	c.node_transfer_size = transfer;
	c.node_depth = depth;
	c.ring_depth = ring;
	err = vt_call(fd, VDI_IOC_CREATE, &c);
	close(fd);
	return err;
}

TEST_F(node, fields_have_ranges)
{
	const unsigned int f = VDI_CREATE_F_NODES, max = VDI_MAX_TRANSFER,
			   depth = VDI_MAX_NODE_DEPTH;

	EXPECT_EQ(0, create_with(f, 0, 0, 0, 0));
	EXPECT_EQ(0, create_with(f, 512, 65536, 1, 0));
	EXPECT_EQ(0, create_with(f, 65536, max, depth, depth));
	EXPECT_EQ(EINVAL, create_with(f, 256, 0, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 1000, 0, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 131072, 0, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 0, 32768, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 0, 65537, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 0, max + 65536, 0, 0));
	EXPECT_EQ(EINVAL, create_with(f, 0, 0, depth + 1, 2 * depth));
	/* more buffers than the ring has places */
	EXPECT_EQ(EINVAL, create_with(f, 0, 0, 9, 8));
	EXPECT_EQ(0, create_with(f, 0, 0, 8, 8));
	/* and nothing without nodes */
	EXPECT_EQ(EINVAL, create_with(0, 512, 0, 0, 0));
	EXPECT_EQ(EINVAL, create_with(0, 0, 65536, 0, 0));
	EXPECT_EQ(EINVAL, create_with(0, 0, 0, 4, 0));
	EXPECT_EQ(EOPNOTSUPP, create_with(VDI_CREATE_F_ALL + 1, 0, 0, 0, 0));
}

TEST_F(node, names_must_leave_room_for_the_devices)
{
	struct vdi_create c = self->s->create;
	int fd = vt_open_node();

	vt_longest_name(c.name);
	c.config.device_count = 2;
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_CREATE, &c);
	c.name[VDI_NAME_SIZE - 3] = 0;		/* not enough for the longest, ".63" */
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_CREATE, &c);
	c.name[VDI_NAME_SIZE - 4] = 0;
	c.config.device_count = 11;
	EXPECT_OK(fd, VDI_IOC_CREATE, &c);
	EXPECT_EQ(0, vt_close(fd));
	vt_longest_name(c.name);
	c.config.device_count = 1;
	c.__reserved = 1;
	EXPECT_ERRNO(EINVAL, fd, VDI_IOC_CREATE, &c);
	c.__reserved = 0;
	EXPECT_OK(fd, VDI_IOC_CREATE, &c);
}

TEST_F(node, there_are_only_so_many)
{
	struct vdi_create c = self->s->create;
	long long before = vt_parameter("max_nodes");
	int fd = vt_open_node(), other = vt_open_node();
	char name[VDI_NAME_SIZE];

	ASSERT_LT(0, before);
	ASSERT_TRUE(vt_set_parameter("max_nodes", 3));
	c.config.device_count = 4;
	EXPECT_ERRNO(EDQUOT, fd, VDI_IOC_CREATE, &c);
	c.config.device_count = 2;
	EXPECT_OK(fd, VDI_IOC_CREATE, &c);
	vt_name(name);
	strcpy(c.name, name);
	EXPECT_ERRNO(EDQUOT, other, VDI_IOC_CREATE, &c);
	EXPECT_EQ(0, vt_create(other, name, 64));
	EXPECT_EQ(0, vt_close(other));
	EXPECT_EQ(0, vt_close(fd));
	EXPECT_OK(other, VDI_IOC_CREATE, &c);
	EXPECT_TRUE(vt_set_parameter("max_nodes", before));
}

static int make_in_a_namespace(struct vt_child *me, void *arg)
{
	struct node_set *s = arg;
	int fd;

	(void)me;
	if (unshare(CLONE_NEWUSER))
		return 100;
	fd = vt_open_node();
	return fd < 0 ? 101 : vt_call(fd, VDI_IOC_CREATE, &s->create);
}

TEST_F(node, is_not_made_for_containers)
{
	mode_t before = vt_node_mode_now();
	int ret;

	ASSERT_TRUE(vt_node_mode(0666));
	ret = vt_run_as(VT_ALICE, VT_ALICE, make_in_a_namespace, self->s);
	EXPECT_TRUE(vt_node_mode(before));
	if (ret == 100)
		SKIP(return, "unshare(CLONE_NEWUSER) is not permitted by this kernel");
	EXPECT_EQ(EPERM, ret);
}

TEST_F(node, and_a_program_exclude_each_other)
{
	struct node_set *s = self->s;
	int server = vt_open_node(), fd;
	struct vdi_set_stat stat;

	ASSERT_EQ(0, node_up(s));
	ASSERT_EQ(0, vt_open(server, s->create.name));
	EXPECT_EQ(-EBUSY, node_open(s, 0, O_WRONLY));
	ASSERT_EQ(0, vt_close(server));
	/* which was the end of that set: the second one is the other way round */
	node_kill(s);
	vt_name(s->create.name);
	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	server = vt_open_node();
	EXPECT_EQ(EBUSY, vt_open(server, s->create.name));
	/* who opened it is the server, for those who look */
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_EQ(VDI_ROLE_SERVER, stat.server.role);
	EXPECT_EQ(getpid(), stat.server.pid);
	EXPECT_EQ(0, node_close(fd));
	EXPECT_NE(0, vt_open(server, s->create.name));
}

FIXTURE(first_open) {
	struct node_set *s;
};

FIXTURE_VARIANT(first_open) {
	unsigned int features, flags, want, block;
};

#define FIRST_OPEN(name, f, o, w, b)	\
	FIXTURE_VARIANT_ADD(first_open, name) { .features = f, .flags = o, .want = w, .block = b }
FIRST_OPEN(pipe_write, VDI_FEAT_LIKE_PIPE, O_WRONLY, VDI_FEAT_WRITE_MEDIA, 512);
FIRST_OPEN(pipe_read, VDI_FEAT_LIKE_PIPE, O_RDONLY, VDI_FEAT_READ_MEDIA, 512);
FIRST_OPEN(disk_read, VDI_FEAT_LIKE_DISK, O_RDONLY, VDI_FEAT_READ_MEDIA, 512);
FIRST_OPEN(disk_write, VDI_FEAT_LIKE_DISK, O_WRONLY,
	   VDI_FEAT_READ_MEDIA | VDI_FEAT_WRITE_MEDIA, 512);
FIRST_OPEN(tape_read, VDI_FEAT_LIKE_TAPE, O_RDONLY,
	   VDI_FEAT_READ_MEDIA | VDI_FEAT_WRITE_MEDIA, 65536);
FIRST_OPEN(tape_write, VDI_FEAT_LIKE_TAPE, O_WRONLY,
	   VDI_FEAT_READ_MEDIA | VDI_FEAT_WRITE_MEDIA, 65536);

FIXTURE_SETUP(first_open)
{
	self->s = node_new(variant->features | VDI_FEAT_REQUEST_COMPLETE, 1);
	ASSERT_NE(NULL, self->s);
}

FIXTURE_TEARDOWN(first_open)
{
	node_kill(self->s);
	vt_baseline(_metadata);
}

TEST_F(first_open, configures_with_defaults)
{
	struct node_set *s = self->s;
	struct vdi_set_stat stat;
	int fd;

	s->create.node_transfer_size = 0;
	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 0, variant->flags);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(VT_UNTIL(node_state(s) == VDI_STATE_ACTIVE));
	EXPECT_EQ(variant->features | VDI_FEAT_REQUEST_COMPLETE | VDI_FEAT_COMPLETE_ENABLED |
		  variant->want, s->config.features);
	EXPECT_EQ(variant->block, s->config.block_size);
	EXPECT_EQ(256 * 1024, s->config.max_transfer_size);
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_LE(4 * 256 * 1024, stat.area_size);	/* and a spare one, perhaps */
	EXPECT_GE(5 * 256 * 1024, stat.area_size);
}

TEST_F(first_open, configures_what_was_asked_for)
{
	struct node_set *s = self->s;
	struct vdi_set_stat stat;
	int fd;

	s->create.config.alignment = 8192;
	s->create.node_block_size = 4096;
	s->create.node_transfer_size = 128 * 1024;
	s->create.node_depth = 3;
	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 0, variant->flags);
	ASSERT_LE(0, fd);
	ASSERT_TRUE(VT_UNTIL(node_state(s) == VDI_STATE_ACTIVE));
	EXPECT_EQ(4096, s->config.block_size);
	EXPECT_EQ(128 * 1024, s->config.max_transfer_size);
	EXPECT_EQ(8192, s->config.alignment);
	ASSERT_EQ(0, node_stat(s, &stat));
	EXPECT_LE(3 * 128 * 1024, stat.area_size);
	EXPECT_GE(4 * 128 * 1024, stat.area_size);
}

/* Neither does it wait for the client, nor is a second open possible. */
TEST_F(first_open, is_the_only_one)
{
	struct node_set *s = self->s;
	int fd;

	atomic_store(&s->late, true);
	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 0, variant->flags);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EBUSY, node_open(s, 0, variant->flags));
	EXPECT_EQ(-EBUSY, node_open(s, 0, variant->flags | O_NONBLOCK));
	EXPECT_EQ(VDI_STATE_INITIALIZING, node_state(s));
	atomic_store(&s->late, false);
	EXPECT_TRUE(VT_UNTIL(node_state(s) == VDI_STATE_ACTIVE));
}

TEST_F(first_open, is_the_last_but_for_a_tape)
{
	struct node_set *s = self->s;
	bool tape = variant->features == VDI_FEAT_LIKE_TAPE;
	int fd, i;

	s->create.config.device_count = 2;	/* so that the set does not end with it */
	ASSERT_EQ(0, node_up(s));
	for (i = 0; i < 3; i++) {
		fd = node_open(s, 0, variant->flags);
		if (i && !tape) {
			EXPECT_EQ(-ENXIO, fd);
			continue;
		}
		ASSERT_LE(0, fd);
		EXPECT_EQ(0, node_close(fd));
	}
	EXPECT_LE(0, node_open(s, 1, variant->flags));
}

TEST_F(first_open, is_too_late_after_an_abort)
{
	struct node_set *s = self->s;

	ASSERT_EQ(0, node_up(s));
	node_order(s, NODE_ABORT);
	ASSERT_TRUE(node_ended(s, ECANCELED));
	EXPECT_EQ(-ENXIO, node_open(s, 0, variant->flags));
	EXPECT_TRUE(exists(s, 0));
}

TEST_F(first_open, direct_sync_and_truncate_are_accepted)
{
	struct node_set *s = self->s;

	s->create.config.device_count = 2;
	ASSERT_EQ(0, node_up(s));
	EXPECT_LE(0, node_open(s, 0, variant->flags | O_DIRECT | O_TRUNC));
	EXPECT_LE(0, node_open(s, 1, variant->flags | O_SYNC | O_NONBLOCK | O_NOCTTY));
}

TEST_F(node, pipes_of_a_set_have_one_direction)
{
	struct node_set *s = self->s;
	int fd;

	s->create.config.device_count = 3;
	ASSERT_EQ(0, node_up(s));
	EXPECT_EQ(-EINVAL, node_open(s, 0, O_RDWR));
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, node_state(s));
	fd = node_open(s, 1, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EINVAL, node_open(s, 0, O_WRONLY));
	EXPECT_EQ(-EINVAL, node_open(s, 0, O_RDWR));
	EXPECT_LE(0, node_open(s, 0, O_RDONLY));
	EXPECT_EQ(-1, write(fd, "x", 1));
	EXPECT_EQ(EBADF, errno);
}

TEST_F(node, cannot_be_mapped_or_asked)
{
	int fd, n;

	ASSERT_EQ(0, node_up(self->s));
	fd = node_open(self->s, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(MAP_FAILED, mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0));
	EXPECT_EQ(-1, ioctl(fd, VDI_IOC_STATUS, &n));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(fd, FIONREAD, &n));
	EXPECT_EQ(ENOTTY, errno);
}

/* The client is gone, and the node with it; who has it open is told. */
TEST_F(node, taken_away_while_open)
{
	struct node_set *s = self->s;
	int fd;

	ASSERT_EQ(0, node_up(s));
	fd = node_open(s, 0, O_WRONLY);
	ASSERT_LE(0, fd);
	node_order(s, NODE_CLOSE);
	ASSERT_TRUE(VT_UNTIL(!exists(s, 0)));
	EXPECT_EQ(ECANCELED, node_write(fd, self->buf, NODE_TRANSFER));
	EXPECT_EQ(ECANCELED, fsync(fd) ? errno : 0);
	EXPECT_EQ(ECANCELED, node_close(fd));
}

static void *open_always(void *arg)
{
	struct node_set *s = arg;
	long odd = 0;
	int fd;

	while (!atomic_load(&s->late)) {
		fd = node_open(s, 0, O_WRONLY);
		if (fd >= 0)
			close(fd);
		else if (fd != -ENOENT && fd != -ENXIO && fd != -EBUSY)
			odd = -fd;
	}
	return (void *)odd;
}

/* Opening races creation, close and death of the client. */
TEST_F(node, open_races_removal)
{
	struct node_set *s = self->s;
	pthread_t thread[2];
	unsigned int i, k;
	void *odd;

	for (i = 0; i < 12; i++) {
		vt_name(s->create.name);
		atomic_store(&s->late, false);
		ASSERT_EQ(0, node_up(s));
		for (k = 0; k < 2; k++)
			ASSERT_EQ(0, pthread_create(&thread[k], NULL, open_always, s));
		poll(NULL, 0, i % 4);
		if (i % 2)
			node_order(s, NODE_CLOSE);
		else
			kill(s->client.pid, SIGKILL);
		EXPECT_TRUE(VT_UNTIL(!exists(s, 0)));
		atomic_store(&s->late, true);
		for (k = 0; k < 2; k++) {
			pthread_join(thread[k], &odd);
			EXPECT_EQ(NULL, odd);
		}
		node_kill(s);
		close(s->client.to);
		close(s->client.from);
		close(s->watch);
	}
}

TEST_HARNESS_MAIN
