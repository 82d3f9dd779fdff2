// SPDX-License-Identifier: GPL-2.0-only
/*
 * The configuration of a set: GET_CONFIG, BEGIN_CONFIG, END_CONFIG, GROW_AREA.
 * Each documented errno, the rules for values and defaults, the pieces of the
 * area.  Mapping the pieces is area_test's, limits of users limit_test's.
 */
#include <sys/time.h>

#include "child.h"

#define BEGIN(...)	VT_INIT(vdi_begin_config, .features = VDI_FEAT_WRITE_MEDIA, ##__VA_ARGS__)

static int finish(int server, const char *name)
{
	int sdev = vt_open_device(server, name);
	int err = sdev < 0 ? -sdev : vt_close_device(sdev);

	close(sdev);
	return err;
}

static int grow(int fd, uint64_t bytes)
{
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = bytes);

	return vt_call(fd, VDI_IOC_GROW_AREA, &g);
}

/* GET_CONFIG */
TEST_F(pair, server_reads_the_clients_wishes_at_once)
{
	struct vdi_create c = vt_create_args("wishes", 5);
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = VDI_TIME_INFINITE);
	int client = vt_open_node(), server = vt_open_node();

	c.config.features = VDI_FEAT_LIKE_TAPE | VDI_FEAT_REQUEST_COMPLETE;
	c.config.prefix_zone_size = 100;
	c.config.alignment = 8192;
	c.config.soft_filemark_block_size = 4096;
	c.config.eom_warning_size = 1234567;
	c.config.server_timeout_ms = 60000;
	ASSERT_OK(client, VDI_IOC_CREATE, &c);
	ASSERT_EQ(0, vt_open(server, "wishes"));
	VT_POISON_FIELD(g.out_config);
	VT_POISON_FIELD(g.out_pieces);
	ASSERT_OK(server, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(5, g.out_config.device_count);
	EXPECT_EQ(c.config.features, g.out_config.features);
	EXPECT_EQ(100, g.out_config.prefix_zone_size);
	EXPECT_EQ(8192, g.out_config.alignment);
	EXPECT_EQ(4096, g.out_config.soft_filemark_block_size);
	EXPECT_EQ(1234567, g.out_config.eom_warning_size);
	EXPECT_EQ(60000, g.out_config.server_timeout_ms);
	EXPECT_EQ(64, g.out_ring_depth);
	EXPECT_EQ(0, g.out_pieces);
}

/* T04: not earlier than asked, nothing changed, and a retry works. */
TEST_F(set, get_config_ETIMEDOUT)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config);
	uint64_t before = vt_now();
	int server = vt_open_node();

	VT_POISON_FIELD(g.out_config);
	VT_POISON_FIELD(g.out_pieces);
	g.deadline_ns = before + 50 * 1000000;
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_LE(before + 50 * 1000000, vt_now());
	g.deadline_ns = 0;
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_GET_CONFIG, &g);
	g.deadline_ns = 1;	/* long past */
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
	ASSERT_EQ(0, vt_open(server, self->name));
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_GET_CONFIG, &g);
	ASSERT_EQ(0, vt_begin(server));
	EXPECT_ERRNO(ETIMEDOUT, self->client, VDI_IOC_GET_CONFIG, &g);
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	EXPECT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
}

static int configures_when_told(struct vt_child *me, void *arg)
{
	int fd = vt_open_node();

	if (vt_open(fd, arg) || vt_begin(fd))
		return 1;
	vt_tell(me, 0);
	if (!vt_asleep(getppid()) || vt_end(fd, VT_TRANSFER))
		return 2;
	return vt_hear(me) == 1 ? 0 : 3;
}

TEST_F(set, get_config_waits_for_the_server)
{
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, configures_when_told, self->name));
	ASSERT_EQ(0, vt_hear(&child));
	EXPECT_EQ(0, vt_get_config(self->client, VDI_TIME_INFINITE));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
	vt_tell(&child, 1);
	EXPECT_EQ(0, vt_finish(&child));
}

TEST_F(set, get_config_polls_writable_when_configured)
{
	int server = vt_open_node();

	EXPECT_EQ(0, vt_poll(self->client));
	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_EQ(0, vt_begin(server));
	EXPECT_EQ(0, vt_poll(self->client));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	EXPECT_EQ(POLLOUT, vt_poll(self->client));
}

TEST_F(pair, get_config_aborted_ECANCELED)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = VDI_TIME_INFINITE);

	VT_POISON_FIELD(g.out_config);
	ASSERT_EQ(0, vt_abort(self->server));
	EXPECT_ERRNO(ECANCELED, self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_ERRNO(ECANCELED, self->server, VDI_IOC_GET_CONFIG, &g);
}

TEST_F(pair, get_config_draining_EPROTO)
{
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, finish(self->server, self->name));
	ASSERT_EQ(0, vt_close(self->server));
	EXPECT_EQ(EPROTO, vt_get_config(self->server, 0));
	/* the client's still answers, the set has ended well */
	EXPECT_EQ(0, vt_get_config(self->client, 0));
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* A repeated alarm, so that one that comes before the sleep does no harm. */
TEST_F(set, get_config_signal_EINTR)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = VDI_TIME_INFINITE);
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 50000 }, { 0, 50000 } }, never = { 0 };

	VT_POISON_FIELD(g.out_config);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	EXPECT_ERRNO(EINTR, self->client, VDI_IOC_GET_CONFIG, &g);
	setitimer(ITIMER_REAL, &never, NULL);
	EXPECT_EQ(VDI_STATE_CONFIGURABLE, vt_state(self->client));
}

TEST_F(device, get_config_too_many_pieces_EINVAL)
{
	struct vdi_piece pieces[VDI_MAX_PIECES + 1];
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces);

	g.nr_pieces = VDI_MAX_PIECES + 1;
	EXPECT_ERRNO(EINVAL, self->client, VDI_IOC_GET_CONFIG, &g);
	g.nr_pieces = ~0U;
	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_GET_CONFIG, &g);
	g.nr_pieces = VDI_MAX_PIECES;
	EXPECT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
}

TEST_F(device, get_config_bad_pieces_EFAULT)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = 8, .nr_pieces = 1);

	EXPECT_ERRNO(EFAULT, self->client, VDI_IOC_GET_CONFIG, &g);
}

TEST_F(device, get_config_lists_pieces)
{
	struct vdi_piece pieces[4];
	struct vdi_get_config g = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces);
	struct vdi_grow_area more = VT_INIT(vdi_grow_area, .area_size = 10000);

	ASSERT_OK(self->server, VDI_IOC_GROW_AREA, &more);
	EXPECT_EQ(12288, more.out_size);
	memset(pieces, VT_POISON, sizeof(pieces));
	ASSERT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(2, g.out_pieces);
	EXPECT_TRUE(vt_poisoned(pieces, sizeof(pieces)));
	g.nr_pieces = 1;
	ASSERT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(2, g.out_pieces);
	EXPECT_EQ(self->area_offset, pieces[0].offset);
	EXPECT_EQ(self->area_size, pieces[0].size);
	EXPECT_TRUE(vt_poisoned(&pieces[1], 3 * sizeof(pieces[1])));
	g.nr_pieces = 4;
	ASSERT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(more.out_offset, pieces[1].offset);
	EXPECT_EQ(12288, pieces[1].size);
	EXPECT_TRUE(vt_poisoned(&pieces[2], 2 * sizeof(pieces[2])));
	/* pieces do not overlap */
	EXPECT_TRUE(pieces[1].offset >= pieces[0].offset + pieces[0].size ||
		    pieces[0].offset >= pieces[1].offset + pieces[1].size);
}

/* BEGIN_CONFIG: T06, T07 and the defaults. */
TEST_F(pair, begin_config_defaults)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config);
	struct vdi_begin_config b = BEGIN(.timeout_ms = 12345);

	ASSERT_OK(self->server, VDI_IOC_BEGIN_CONFIG, &b);
	EXPECT_EQ(VDI_STATE_CONFIGURING, vt_state(self->client));
	ASSERT_EQ(0, vt_end(self->server, 1));
	VT_POISON_FIELD(g.out_config);
	ASSERT_OK(self->client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(1, g.out_config.device_count);
	EXPECT_EQ(VDI_FEAT_WRITE_MEDIA, g.out_config.features);
	EXPECT_EQ(512, g.out_config.block_size);
	EXPECT_EQ(512, g.out_config.alignment);
	EXPECT_EQ(65536, g.out_config.max_transfer_size);
	EXPECT_EQ(4, g.out_config.max_io_depth);
	EXPECT_EQ(65536 * 4, g.out_config.buffer_area_size);
	EXPECT_EQ(0, g.out_config.__reserved);
	EXPECT_EQ(1, g.out_pieces);
}

/* A set of @devices with @features and @alignment, configured by @b; its answer. */
static int negotiate(unsigned int devices, unsigned int features, unsigned int alignment,
		     struct vdi_begin_config *b, struct vdi_config *out)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config);
	int client = vt_open_node(), server = vt_open_node(), err;
	struct vdi_create c;
	char name[VDI_NAME_SIZE];

	vt_name(name);
	c = vt_create_args(name, devices);
	c.config.features = features;
	c.config.alignment = alignment;
	err = vt_call(client, VDI_IOC_CREATE, &c) ? -1 : 0;
	err = err ?: vt_open(server, name) ? -2 : 0;
	err = err ?: vt_call(server, VDI_IOC_BEGIN_CONFIG, b);
	if (!err && out) {
		err = vt_end(server, 4096) ? -3 : 0;
		err = err ?: vt_call(client, VDI_IOC_GET_CONFIG, &g);
		*out = g.out_config;
	}
	if (err > 0 && vt_state(server) != VDI_STATE_CONNECTED)
		err = -4;
	close(client);
	close(server);
	return err;
}

TEST(begin_config_values)
{
	struct vdi_config out;
	struct vdi_begin_config b;

	b = BEGIN(.block_size = 65536, .alignment = 65536, .max_transfer_size = 64 << 20);
	EXPECT_EQ(0, negotiate(15, 0, 0, &b, &out));
	EXPECT_EQ(65536, out.block_size);
	EXPECT_EQ(65536, out.alignment);
	EXPECT_EQ(64 << 20, out.max_transfer_size);
	EXPECT_EQ(15U * 4 * (64 << 20), out.buffer_area_size);
	/* where the product does not fit any more */
	EXPECT_EQ(0, negotiate(16, 0, 0, &b, &out));
	EXPECT_EQ(~0U, out.buffer_area_size);
	EXPECT_EQ(0, negotiate(64, 0, 0, &b, &out));
	EXPECT_EQ(~0U, out.buffer_area_size);
	/* the smallest alignment that both sides allow */
	b = BEGIN(.block_size = 4096);
	EXPECT_EQ(0, negotiate(1, 0, 512, &b, &out));
	EXPECT_EQ(4096, out.alignment);
	EXPECT_EQ(0, negotiate(1, 0, 16384, &b, &out));
	EXPECT_EQ(16384, out.alignment);
	b = BEGIN(.block_size = 4096, .alignment = 8192);
	EXPECT_EQ(0, negotiate(1, 0, 8192, &b, &out));
	EXPECT_EQ(8192, out.alignment);
	vt_baseline(_metadata);
}

TEST(begin_config_block_size_EINVAL)
{
	static const __u32 bad[] = { 1, 2, 256, 511, 513, 768, 65535, 65537, 131072, 1U << 31 };
	struct vdi_begin_config b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		b = BEGIN(.block_size = bad[i]);
		EXPECT_EQ(EINVAL, negotiate(1, 0, 0, &b, NULL)) {
			TH_LOG("block size %u", bad[i]);
		}
	}
	vt_baseline(_metadata);
}

TEST(begin_config_alignment_EINVAL)
{
	static const __u32 bad[] = { 1, 256, 513, 2048, 5000, 65535, 65537, 131072, 1U << 31 };
	struct vdi_begin_config b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		b = BEGIN(.block_size = 4096, .alignment = bad[i]);
		EXPECT_EQ(EINVAL, negotiate(1, 0, 0, &b, NULL)) {
			TH_LOG("alignment %u", bad[i]);
		}
	}
	/* good for the block size, but less than the client needs */
	b = BEGIN(.block_size = 512, .alignment = 4096);
	EXPECT_EQ(EINVAL, negotiate(1, 0, 8192, &b, NULL));
	vt_baseline(_metadata);
}

TEST(begin_config_max_transfer_EINVAL)
{
	static const __u32 bad[] = {
		1, 512, 32768, 65535, 65537, 98304, (64 << 20) + 65536, 128 << 20, ~0U,
	};
	struct vdi_begin_config b;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		b = BEGIN(.max_transfer_size = bad[i]);
		EXPECT_EQ(EINVAL, negotiate(1, 0, 0, &b, NULL)) {
			TH_LOG("transfer size %u", bad[i]);
		}
	}
	vt_baseline(_metadata);
}

/* What the server may answer to what the client asked for: T06, T07. */
TEST(begin_config_features)
{
	static const __u32 W = VDI_FEAT_WRITE_MEDIA, R = VDI_FEAT_READ_MEDIA;
	static const __u32 C = VDI_FEAT_COMPLETE_ENABLED, Q = VDI_FEAT_REQUEST_COMPLETE;
	static const __u32 D = VDI_FEAT_DISCARD, M = VDI_FEAT_REMOVABLE;
	static const __u32 TAPE = VDI_FEAT_LIKE_TAPE, DISK = VDI_FEAT_LIKE_DISK;
	const struct {
		__u32 client, server;
		int want;
	} cases[] = {
		{ 0, W, 0 }, { 0, R, 0 },
		{ 0, 0, EINVAL }, { 0, W | R, EINVAL },
		{ M, M | W | R, EINVAL }, { M, M | R, 0 },
		{ DISK, DISK | W, 0 }, { DISK, DISK | R, 0 }, { DISK, DISK | W | R, 0 },
		{ DISK, DISK, EINVAL }, { TAPE, TAPE, EINVAL },
		{ TAPE, TAPE | W | R, 0 }, { TAPE, TAPE | W, 0 },
		{ D, D | W, 0 }, { D, W, EINVAL }, { 0, D | W, EINVAL },
		{ TAPE, W, EINVAL }, { 0, TAPE | W, EINVAL }, { DISK, TAPE | W, EINVAL },
		{ TAPE, (TAPE & ~VDI_FEAT_REWIND) | W, EINVAL },
		{ 0, W | C, EINVAL }, { Q, Q | W, 0 }, { Q, Q | W | C, 0 },
		{ Q, W, EINVAL }, { Q, W | C, EINVAL }, { Q, Q | C, EINVAL },
		{ 0, W | 0x4, EINVAL }, { 0, W | 0x80000, EINVAL },
		{ 0, W | VDI_FEAT_LATCH_STATS, EINVAL },
	};
	struct vdi_begin_config b;
	struct vdi_config out;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		b = VT_INIT(vdi_begin_config, .features = cases[i].server);
		EXPECT_EQ(cases[i].want, negotiate(1, cases[i].client, 0, &b, &out)) {
			TH_LOG("client 0x%x server 0x%x", cases[i].client, cases[i].server);
		}
		if (!cases[i].want)
			EXPECT_EQ(cases[i].server, out.features);
	}
	vt_baseline(_metadata);
}

TEST_F(pair, begin_config_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_begin(self->client));
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_EQ(EPROTO, vt_begin(self->server));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(EPROTO, vt_begin(self->server));
	ASSERT_EQ(0, finish(self->server, self->name));
	EXPECT_EQ(EPROTO, vt_begin(self->server));
}

TEST_F(pair, begin_config_aborted_ECANCELED)
{
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ECANCELED, vt_begin(self->server));
}

/* END_CONFIG */
TEST_F(pair, end_config_rounds_to_pages)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = 4097);
	struct vdi_status s;

	VT_POISON_FIELD(e.out_offset);
	VT_POISON_FIELD(e.out_size);
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_OK(self->server, VDI_IOC_END_CONFIG, &e);
	EXPECT_EQ(8192, e.out_size);
	EXPECT_EQ(0, e.out_offset % 4096);
	ASSERT_EQ(0, vt_status(self->server, &s));
	EXPECT_EQ(VDI_STATE_INITIALIZING, s.out_stat.state);
	EXPECT_EQ(8192, s.out_stat.area_size);
	EXPECT_EQ(1, s.out_stat.pieces);
}

TEST_F(pair, end_config_EPROTO)
{
	EXPECT_EQ(EPROTO, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_EQ(EPROTO, vt_end(self->client, VT_TRANSFER));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(EPROTO, vt_end(self->server, VT_TRANSFER));
	ASSERT_EQ(0, finish(self->server, self->name));
	EXPECT_EQ(EPROTO, vt_end(self->server, VT_TRANSFER));
}

TEST_F(pair, end_config_aborted_ECANCELED)
{
	ASSERT_EQ(0, vt_begin(self->server));
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ECANCELED, vt_end(self->server, VT_TRANSFER));
}

TEST_F(pair, end_config_no_bytes_EINVAL)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config);

	VT_POISON_FIELD(e.out_offset);
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_END_CONFIG, &e);
	EXPECT_EQ(VDI_STATE_CONFIGURING, vt_state(self->server));
}

/*
 * T25: more than there is, by one whom no limit but memory itself stops.  The
 * set stays Configurable, nothing stays allocated, less works.
 */
TEST_F(pair, end_config_ENOMEM)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = 1ULL << 50);
	static const unsigned long long absurd[] = { 1ULL << 63, ~0ULL, ~0ULL << 12 };
	long long limit = vt_parameter("max_area_bytes");
	size_t i;
	int err;

	VT_POISON_FIELD(e.out_offset);
	ASSERT_TRUE(vt_set_parameter("max_area_bytes", 1LL << 60));
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_ERRNO(ENOMEM, self->server, VDI_IOC_END_CONFIG, &e);
	/* what no file can hold, and what does not survive rounding up */
	for (i = 0; i < ARRAY_SIZE(absurd); i++) {
		e.area_size = absurd[i];
		err = vt_call(self->server, VDI_IOC_END_CONFIG, &e);
		EXPECT_TRUE(err == ENOMEM || err == EDQUOT) {
			TH_LOG("error %d for 0x%llx bytes", err, absurd[i]);
		}
	}
	/* nor where the administrator sets no limit at all */
	ASSERT_TRUE(vt_set_parameter("max_area_bytes", -1));
	for (i = 0; i < ARRAY_SIZE(absurd); i++) {
		e.area_size = absurd[i];
		EXPECT_EQ(ENOMEM, vt_call(self->server, VDI_IOC_END_CONFIG, &e));
	}
	EXPECT_TRUE(vt_set_parameter("max_area_bytes", limit));
	EXPECT_EQ(VDI_STATE_CONFIGURING, vt_state(self->server));
	EXPECT_EQ(0, vt_counter("bytes"));
	EXPECT_EQ(ETIMEDOUT, vt_get_config(self->client, 0));
	EXPECT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(VDI_STATE_INITIALIZING, vt_state(self->client));
}

/* GROW_AREA (T26) */
TEST_F(pair, grow_area_EPROTO)
{
	EXPECT_EQ(EPROTO, grow(self->server, 4096));
	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_EQ(EPROTO, grow(self->server, 4096));
	ASSERT_EQ(0, vt_end(self->server, VT_TRANSFER));
	EXPECT_EQ(EPROTO, grow(self->client, 4096));
	EXPECT_EQ(0, grow(self->server, 4096));
	ASSERT_EQ(0, finish(self->server, self->name));
	EXPECT_EQ(EPROTO, grow(self->server, 4096));
}

TEST_F(device, grow_area_aborted_ECANCELED)
{
	ASSERT_EQ(0, vt_abort(self->client));
	EXPECT_EQ(ECANCELED, grow(self->server, 4096));
}

TEST_F(device, grow_area_no_bytes_EINVAL)
{
	EXPECT_EQ(EINVAL, grow(self->server, 0));
}

TEST_F(device, grow_area_ENOMEM)
{
	long long limit = vt_parameter("max_area_bytes"), bytes = vt_counter("bytes");
	struct vdi_grow_area g = VT_INIT(vdi_grow_area, .area_size = 1ULL << 50);

	VT_POISON_FIELD(g.out_offset);
	ASSERT_TRUE(vt_set_parameter("max_area_bytes", 1LL << 60));
	EXPECT_ERRNO(ENOMEM, self->server, VDI_IOC_GROW_AREA, &g);
	EXPECT_TRUE(vt_set_parameter("max_area_bytes", limit));
	EXPECT_EQ(bytes, vt_counter("bytes"));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->server));
	EXPECT_EQ(0, grow(self->server, 4096));
}

TEST_HARNESS_MAIN
