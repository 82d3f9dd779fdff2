// SPDX-License-Identifier: GPL-2.0-only
/*
 * CREATE, STATUS, SET_HINT and ABORT: each documented errno, and what they do.
 * Joining a set is open_test's, rights and users name_test's, limits
 * limit_test's, CLOSE close_test's.
 */
#include "names.h"

/* Ends the set in order: every device opened by the server and closed again. */
static int end_in_order(int server, const char *name)
{
	int sdev, err;

	if (vt_begin(server) || vt_end(server, VT_TRANSFER))
		return -1;
	sdev = vt_open_device(server, name);
	err = vt_close_device(sdev);
	close(sdev);
	return err ? err : vt_state(server) == VDI_STATE_TERMINATED ? 0 : -1;
}

TEST_F(handle, create)
{
	struct vdi_create c;
	struct vdi_status s;
	char name[VDI_NAME_SIZE];
	uint64_t before = vt_now();

	vt_name(name);
	c = vt_create_args(name, 3);
	c.config.features = VDI_FEAT_DISCARD;
	c.stall_limit_ms = 1000000;
	ASSERT_OK(self->fd, VDI_IOC_CREATE, &c);
	memset(&s, VT_POISON, sizeof(s));
	ASSERT_EQ(0, vt_status(self->fd, &s));
	EXPECT_EQ(VDI_ROLE_CLIENT, s.out_role);
	EXPECT_EQ(0, s.out_draining);
	EXPECT_STREQ(name, s.out_stat.name);
	EXPECT_STREQ("", s.out_stat.instance);
	EXPECT_NE(0, s.out_stat.id);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, s.out_stat.state);
	EXPECT_EQ(3, s.out_stat.device_count);
	EXPECT_EQ(VDI_FEAT_DISCARD, s.out_stat.features);
	EXPECT_EQ(0600, s.out_stat.mode);
	EXPECT_EQ(getpid(), s.out_stat.client.pid);
	EXPECT_EQ(0, s.out_stat.client.uid);
	EXPECT_EQ(0, s.out_stat.client.gid);
	EXPECT_EQ(VDI_ROLE_CLIENT, s.out_stat.client.role);
	EXPECT_EQ(VDI_ROLE_NONE, s.out_stat.server.role);
	EXPECT_EQ(VDI_REASON_NONE, s.out_stat.reason.reason);
	EXPECT_EQ(VDI_LIMIT_NONE, s.out_stat.limit);
	EXPECT_EQ(64, s.out_stat.ring_depth);
	EXPECT_EQ(0, s.out_stat.client_devices);
	EXPECT_EQ(0, s.out_stat.server_devices);
	EXPECT_EQ(0, s.out_stat.closed_devices);
	EXPECT_EQ(0, s.out_stat.pieces);
	EXPECT_EQ(0, s.out_stat.area_size);
	EXPECT_EQ(0, s.out_stat.hint_bytes);
	EXPECT_LE(before, s.out_stat.created_ns);
	EXPECT_GE(vt_now(), s.out_stat.created_ns);
	EXPECT_EQ(0, s.out_stat.commands);
	EXPECT_EQ(0, s.out_stat.completions);
	EXPECT_EQ(0, s.out_stat.errors);
	EXPECT_EQ(0, s.out_stat.outstanding);
}

/* T01; the set is not touched. */
TEST_F(set, create_on_bound_handle_EPROTO)
{
	struct vdi_create c = vt_create_args("another", 1);

	EXPECT_ERRNO(EPROTO, self->client, VDI_IOC_CREATE, &c);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

TEST_F(pair, create_on_server_handle_EPROTO)
{
	struct vdi_create c = vt_create_args("another", 1);

	EXPECT_ERRNO(EPROTO, self->server, VDI_IOC_CREATE, &c);
}

TEST_F(set, create_duplicate_name_EEXIST)
{
	struct vdi_create c = vt_create_args(self->name, 1);
	int other = vt_open_node();

	EXPECT_ERRNO(EEXIST, other, VDI_IOC_CREATE, &c);
	/* with another instance it is another key */
	strcpy(c.instance, "other");
	EXPECT_OK(other, VDI_IOC_CREATE, &c);
}

TEST_F(handle, create_malformed_name_EINVAL)
{
	struct vdi_create c = vt_create_args("", 1);

	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_CREATE, &c, c.name, true, EINVAL);
	EXPECT_EQ(-EPROTO, vt_state(self->fd));
}

TEST_F(handle, create_malformed_instance_ENXIO)
{
	struct vdi_create c;
	char name[VDI_NAME_SIZE];

	vt_name(name);
	c = vt_create_args(name, 1);
	vt_expect_bad_names(_metadata, self->fd, VDI_IOC_CREATE, &c, c.instance, false, ENXIO);
	EXPECT_EQ(-EPROTO, vt_state(self->fd));
}

TEST_F(handle, create_accepts_valid_names)
{
	char longest[VDI_NAME_SIZE];
	struct vdi_create c;
	struct vdi_status s;
	size_t i;

	vt_longest_name(longest);
	for (i = 0; i <= ARRAY_SIZE(good_names); i++) {
		const char *name = i < ARRAY_SIZE(good_names) ? good_names[i] : longest;

		c = vt_create_args(name, 1);
		strcpy(c.instance, name);
		EXPECT_OK(self->fd, VDI_IOC_CREATE, &c) {
			TH_LOG("good name number %zu", i);
		}
		EXPECT_EQ(0, vt_status(self->fd, &s));
		EXPECT_STREQ(name, s.out_stat.name);
		EXPECT_STREQ(name, s.out_stat.instance);
		EXPECT_EQ(0, vt_close(self->fd));
	}
}

/* Bytewise: neither case nor composition is folded. */
TEST_F(handle, names_are_compared_bytewise)
{
	int other = vt_open_node(), third = vt_open_node();

	EXPECT_EQ(0, vt_create(self->fd, "case\xc3\xa9", 1));
	EXPECT_EQ(0, vt_create(other, "Case\xc3\xa9", 1));
	EXPECT_EQ(0, vt_create(third, "casee\xcc\x81", 1));
	EXPECT_EQ(EEXIST, vt_create(vt_open_node(), "case\xc3\xa9", 1));
	EXPECT_EQ(ENOENT, vt_open(vt_open_node(), "CASE\xc3\xa9"));
}

TEST_F(handle, create_mode_EINVAL)
{
	static const __u32 bad[] = { 01000, 02600, 04600, 07777, 0100600, 1U << 31, ~0U };
	struct vdi_create c = vt_create_args("mode", 1);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		c.mode = bad[i];
		EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	}
}

TEST_F(handle, create_mode_and_gid)
{
	struct vdi_create c = vt_create_args("mode", 1);
	struct vdi_status s;

	c.flags = VDI_CREATE_F_GID;
	c.mode = 0777;
	c.gid = getgid();
	ASSERT_OK(self->fd, VDI_IOC_CREATE, &c);
	ASSERT_EQ(0, vt_status(self->fd, &s));
	EXPECT_EQ(0777, s.out_stat.mode);
}

TEST_F(handle, create_invalid_gid_EINVAL)
{
	struct vdi_create c = vt_create_args("gid", 1);

	c.flags = VDI_CREATE_F_GID;
	c.gid = (__u32)-1;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	/* one that is not asked for */
	c.flags = 0;
	c.gid = 1;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
}

TEST_F(handle, create_ring_depth)
{
	struct vdi_create c = vt_create_args("ring", 1);
	struct vdi_status s;

	c.ring_depth = 257;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c.ring_depth = ~0U;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c.ring_depth = 256;
	ASSERT_OK(self->fd, VDI_IOC_CREATE, &c);
	ASSERT_EQ(0, vt_status(self->fd, &s));
	EXPECT_EQ(256, s.out_stat.ring_depth);
	ASSERT_EQ(0, vt_close(self->fd));
	c.ring_depth = 1;
	ASSERT_OK(self->fd, VDI_IOC_CREATE, &c);
	ASSERT_EQ(0, vt_status(self->fd, &s));
	EXPECT_EQ(1, s.out_stat.ring_depth);
}

TEST_F(handle, create_server_fields_EINVAL)
{
	const struct vdi_create good = vt_create_args("fields", 1);
	struct vdi_create c = good;

	c.config.block_size = 512;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c = good;
	c.config.max_io_depth = 4;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c = good;
	c.config.max_transfer_size = 65536;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c = good;
	c.config.buffer_area_size = 65536 * 4;
	EXPECT_ERRNO(EINVAL, self->fd, VDI_IOC_CREATE, &c);
	c = good;
	EXPECT_OK(self->fd, VDI_IOC_CREATE, &c);
}

/* T03 and the ranges of spec section 5. */
TEST_F(handle, create_config_EOPNOTSUPP)
{
	const struct vdi_create good = vt_create_args("config", 1);
	static const __u32 counts[] = { 0, 65, 1U << 31, ~0U };
	static const __u32 alignments[] = { 3, 5, 1000, 65535, 65537, 131072, ~0U, 1U << 31 };
	struct vdi_create c;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(counts); i++) {
		c = good;
		c.config.device_count = counts[i];
		EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	}
	for (i = 0; i < ARRAY_SIZE(alignments); i++) {
		c = good;
		c.config.alignment = alignments[i];
		EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	}
	c = good;
	c.config.prefix_zone_size = 65537;
	EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	/* soft filemarks need filemarks */
	c = good;
	c.config.soft_filemark_block_size = 512;
	EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	EXPECT_EQ(-EPROTO, vt_state(self->fd));
}

TEST_F(handle, create_config_edges)
{
	struct vdi_create c = vt_create_args("config", 64);

	c.config.features = VDI_FEAT_LIKE_TAPE;
	c.config.prefix_zone_size = 65536;
	c.config.alignment = 65536;
	c.config.soft_filemark_block_size = 4096;
	c.config.eom_warning_size = ~0U;
	c.config.server_timeout_ms = ~0U;
	EXPECT_OK(self->fd, VDI_IOC_CREATE, &c);
	EXPECT_EQ(0, vt_close(self->fd));
	c.config.alignment = 1;
	EXPECT_OK(self->fd, VDI_IOC_CREATE, &c);
}

/*
 * Spec 6.3, over all combinations of the client's bits: pipe-like, tape-like,
 * disk-like, the first and the last with Removable; each with any of Discard,
 * SnapshotPrepare and RequestComplete.  All else is refused.
 */
TEST_F(handle, create_feature_combinations)
{
	static const __u32 bits[] = {
		0x1, 0x2, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200, 0x400, 0x800, 0x1000, 0x2000,
	};
	struct vdi_create c = vt_create_args("features", 1);
	unsigned int mask, i, legal = 0;
	__u32 features, base;
	int want;

	for (mask = 0; mask < 1U << ARRAY_SIZE(bits); mask++) {
		for (features = 0, i = 0; i < ARRAY_SIZE(bits); i++)
			features |= mask & 1U << i ? bits[i] : 0;
		base = features & ~(0x80U | 0x400U | 0x2000U);
		want = base == 0 || base == 0x1 || base == 0x173 || base == 0x200 ||
		       base == 0x201 ? 0 : EOPNOTSUPP;
		c.config.features = features;
		EXPECT_EQ(want, vt_call(self->fd, VDI_IOC_CREATE, &c)) {
			TH_LOG("features 0x%x", features);
		}
		if (!want) {
			legal++;
			vt_close(self->fd);
		}
	}
	EXPECT_EQ(5 * 8, legal);
}

TEST_F(handle, create_bits_that_are_not_the_clients_EOPNOTSUPP)
{
	struct vdi_create c = vt_create_args("features", 1);
	unsigned int bit;

	for (bit = 14; bit < 32; bit++) {
		c.config.features = 1U << bit;
		EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	}
	for (bit = 2; bit < 4; bit++) {
		c.config.features = 1U << bit;
		EXPECT_ERRNO(EOPNOTSUPP, self->fd, VDI_IOC_CREATE, &c);
	}
}

/* SET_HINT */
static int hint(int fd, uint64_t bytes)
{
	struct vdi_set_hint h = VT_INIT(vdi_set_hint, .bytes = bytes);

	return vt_call(fd, VDI_IOC_SET_HINT, &h);
}

TEST_F(pair, set_hint)
{
	struct vdi_status s;

	EXPECT_EQ(0, hint(self->server, 1ULL << 60));
	ASSERT_EQ(0, vt_status(self->client, &s));
	EXPECT_EQ(1ULL << 60, s.out_stat.hint_bytes);
	EXPECT_EQ(0, hint(self->server, 0));
	ASSERT_EQ(0, vt_status(self->client, &s));
	EXPECT_EQ(0, s.out_stat.hint_bytes);
}

TEST_F(pair, set_hint_by_client_EPROTO)
{
	EXPECT_EQ(EPROTO, hint(self->client, 1));
}

TEST_F(pair, set_hint_after_end_EPROTO)
{
	ASSERT_EQ(0, end_in_order(self->server, self->name));
	EXPECT_EQ(EPROTO, hint(self->server, 1));
}

TEST_F(pair, set_hint_aborted_ECANCELED)
{
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ECANCELED, hint(self->server, 1));
}

/* ABORT */
TEST_F(pair, abort_reason_is_readable_by_all)
{
	struct vdi_abort a = VT_INIT(vdi_abort, .code = 4711, .text = "tape \xe2\x82\xac torn");
	int fds[] = { self->client, self->server };
	uint64_t before = vt_now();
	struct vdi_status s;
	size_t i;

	ASSERT_OK(self->server, VDI_IOC_ABORT, &a);
	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		ASSERT_EQ(0, vt_status(fds[i], &s));
		EXPECT_EQ(VDI_STATE_ABORTED, s.out_stat.state);
		EXPECT_EQ(VDI_REASON_SIGNALLED, s.out_stat.reason.reason);
		EXPECT_EQ(4711, s.out_stat.reason.code);
		EXPECT_STREQ(a.text, s.out_stat.reason.text);
		EXPECT_EQ(getpid(), s.out_stat.reason.who.pid);
		EXPECT_EQ(0, s.out_stat.reason.who.uid);
		EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.reason.who.role);
		EXPECT_LE(before, s.out_stat.reason.time_ns);
		EXPECT_GE(vt_now(), s.out_stat.reason.time_ns);
	}
}

TEST_F(pair, abort_again_changes_nothing)
{
	struct vdi_abort a = VT_INIT(vdi_abort, .code = 1, .text = "first");
	struct vdi_status s;

	ASSERT_OK(self->client, VDI_IOC_ABORT, &a);
	a.code = 2;
	strcpy(a.text, "second");
	EXPECT_OK(self->client, VDI_IOC_ABORT, &a);
	EXPECT_OK(self->server, VDI_IOC_ABORT, &a);
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(1, s.out_stat.reason.code);
	EXPECT_STREQ("first", s.out_stat.reason.text);
	EXPECT_EQ(VDI_ROLE_CLIENT, s.out_stat.reason.who.role);
}

TEST_F(device, abort_by_secondary)
{
	int second = vt_open_node();
	struct vdi_status s;

	ASSERT_EQ(0, vt_open_secondary(second, self->name));
	EXPECT_EQ(0, vt_abort(second));
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(VDI_REASON_SIGNALLED, s.out_stat.reason.reason);
	EXPECT_EQ(VDI_ROLE_SECONDARY, s.out_stat.reason.who.role);
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->cdev[0]));
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->sdev[0]));
}

TEST_F(pair, abort_malformed_text_EINVAL)
{
	struct vdi_abort a = VT_INIT(vdi_abort);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		if (strpbrk(bad_names[i], "/\\"))
			continue;	/* a text may have these */
		memset(a.text, 0, sizeof(a.text));
		strcpy(a.text, bad_names[i]);
		EXPECT_EQ(EINVAL, vt_call(self->server, VDI_IOC_ABORT, &a)) {
			TH_LOG("bad text number %zu", i);
		}
	}
	memset(a.text, 't', sizeof(a.text));
	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_ABORT, &a);
	EXPECT_EQ(VDI_STATE_CONNECTED, vt_state(self->server));
	a.text[sizeof(a.text) - 1] = 0;
	a.text[0] = '/';
	EXPECT_OK(self->server, VDI_IOC_ABORT, &a);
}

TEST_F(pair, abort_by_draining_server_EPROTO)
{
	ASSERT_EQ(0, vt_close(self->server));
	EXPECT_EQ(EPROTO, vt_abort(self->server));
}

/* STATUS */
TEST_F(pair, status_of_draining_server)
{
	struct vdi_status s;

	ASSERT_EQ(0, vt_close(self->server));
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_role);
	EXPECT_EQ(1, s.out_draining);
	EXPECT_EQ(VDI_REASON_SERVER_CLOSE, s.out_stat.reason.reason);
	EXPECT_EQ(VDI_ROLE_SERVER, s.out_stat.reason.who.role);
}

TEST_F(device, status_counts_devices)
{
	struct vdi_status s;

	ASSERT_EQ(0, vt_status(self->client, &s));
	EXPECT_EQ(VDI_STATE_ACTIVE, s.out_stat.state);
	EXPECT_EQ(self->n, s.out_stat.client_devices);
	EXPECT_EQ(self->n, s.out_stat.server_devices);
	EXPECT_EQ(0, s.out_stat.closed_devices);
	EXPECT_EQ(1, s.out_stat.pieces);
	EXPECT_EQ(self->area_size, s.out_stat.area_size);
	ASSERT_EQ(0, vt_close_device(self->sdev[0]));
	ASSERT_EQ(0, vt_status(self->client, &s));
	EXPECT_EQ(1, s.out_stat.closed_devices);
}

TEST_HARNESS_MAIN
