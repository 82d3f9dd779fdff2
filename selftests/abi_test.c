// SPDX-License-Identifier: GPL-2.0-only
/*
 * The shape of the ABI: layout, numbers, and what is common to every ioctl:
 * sizes too short and too long, tails, unknown flags, reserved words, bad
 * pointers, a foreign process, unknown requests.  Built for 32 and 64 bits.
 * What single calls do with valid arguments is the other programs' matter.
 */
#include "layout.h"
#include "child.h"

_Static_assert(VDI_IOC_GET_INFO == 0xBD00, "GET_INFO");
_Static_assert(VDI_IOC_CREATE == 0xBD01, "CREATE");
_Static_assert(VDI_IOC_OPEN == 0xBD02, "OPEN");
_Static_assert(VDI_IOC_OPEN_SECONDARY == 0xBD03, "OPEN_SECONDARY");
_Static_assert(VDI_IOC_GET_CONFIG == 0xBD04, "GET_CONFIG");
_Static_assert(VDI_IOC_BEGIN_CONFIG == 0xBD05, "BEGIN_CONFIG");
_Static_assert(VDI_IOC_END_CONFIG == 0xBD06, "END_CONFIG");
_Static_assert(VDI_IOC_GROW_AREA == 0xBD07, "GROW_AREA");
_Static_assert(VDI_IOC_OPEN_DEVICE == 0xBD08, "OPEN_DEVICE");
_Static_assert(VDI_IOC_STATUS == 0xBD09, "STATUS");
_Static_assert(VDI_IOC_SET_HINT == 0xBD0a, "SET_HINT");
_Static_assert(VDI_IOC_EXCHANGE == 0xBD0b, "EXCHANGE");
_Static_assert(VDI_IOC_ABORT == 0xBD0c, "ABORT");
_Static_assert(VDI_IOC_CLOSE == 0xBD0d, "CLOSE");
_Static_assert(VDI_IOC_LIST == 0xBD0f, "LIST");
_Static_assert(VDI_IOC_STAT_NAME == 0xBD10, "STAT_NAME");
_Static_assert(VDI_IOC_ABORT_NAME == 0xBD11, "ABORT_NAME");
_Static_assert(VDI_IOC_CLOSE_DEVICE == 0xBD12, "CLOSE_DEVICE");
_Static_assert(VDI_IOC_DEVICE_STATUS == 0xBD13, "DEVICE_STATUS");

/* Features: spec 6.1 */
_Static_assert(VDI_FEAT_REMOVABLE == 0x1 && VDI_FEAT_REWIND == 0x2 &&
	       VDI_FEAT_POSITION == 0x10 && VDI_FEAT_SKIP_BLOCKS == 0x20 &&
	       VDI_FEAT_REVERSE_POSITION == 0x40 && VDI_FEAT_DISCARD == 0x80 &&
	       VDI_FEAT_FILE_MARKS == 0x100 && VDI_FEAT_RANDOM_ACCESS == 0x200 &&
	       VDI_FEAT_SNAPSHOT_PREPARE == 0x400 && VDI_FEAT_ENUM_FROZEN_FILES == 0x800 &&
	       VDI_FEAT_VSS_WRITER == 0x1000 && VDI_FEAT_REQUEST_COMPLETE == 0x2000 &&
	       VDI_FEAT_WRITE_MEDIA == 0x10000 && VDI_FEAT_READ_MEDIA == 0x20000 &&
	       VDI_FEAT_COMPLETE_ENABLED == 0x40000 && VDI_FEAT_LATCH_STATS == 0x80000000 &&
	       VDI_FEAT_LIKE_TAPE == 0x173 && VDI_FEAT_LIKE_DISK == 0x200, "features");

/* Commands: spec 7.1; codes: 7.5 */
_Static_assert(VDI_CMD_READ == 1 && VDI_CMD_WRITE == 2 && VDI_CMD_CLEAR_ERROR == 3 &&
	       VDI_CMD_REWIND == 4 && VDI_CMD_WRITE_MARK == 5 && VDI_CMD_SKIP_MARKS == 6 &&
	       VDI_CMD_SKIP_BLOCKS == 7 && VDI_CMD_LOAD == 8 && VDI_CMD_GET_POSITION == 9 &&
	       VDI_CMD_SET_POSITION == 10 && VDI_CMD_DISCARD == 11 && VDI_CMD_FLUSH == 12 &&
	       VDI_CMD_SNAPSHOT == 13 && VDI_CMD_MOUNT_SNAPSHOT == 14 &&
	       VDI_CMD_PREPARE_TO_FREEZE == 15 && VDI_CMD_FILE_INFO_BEGIN == 16 &&
	       VDI_CMD_FILE_INFO_END == 17 && VDI_CMD_GET_ERROR == 18 &&
	       VDI_CMD_COMPLETE == 19, "commands");
_Static_assert(VDI_CODE_SUCCESS == 0 && VDI_CODE_OPERATION_ABORTED == 995 &&
	       VDI_CODE_IO_DEVICE == 1117, "completion codes");

#define SET	1	/* an ioctl of set handles */
#define DEVICE	2	/* of device handles */
#define NONE	((size_t)-1)

/*
 * Every ioctl: where it works, its size, that of its first version, flags that
 * exist, its reserved word.
 */
struct call {
	const char *name;
	unsigned long req;
	unsigned int on;
	size_t size;
	size_t first;
	__u32 flags;
	size_t reserved;
};

#define CALL(nr, type, where, known, word) \
	{ #nr, VDI_IOC_##nr, where, sizeof(struct type), sizeof(struct type), known, word }

/* One that has grown: @field is the first that its first version did not have */
#define CALL_GREW(nr, type, field, where, known, word) \
	{ #nr, VDI_IOC_##nr, where, sizeof(struct type), offsetof(struct type, field), known, word }

static const struct call calls[] = {
	CALL(GET_INFO, vdi_get_info, SET, 0, NONE),
	CALL_GREW(CREATE, vdi_create, node_block_size, SET, 3,
		  offsetof(struct vdi_create, config.__reserved)),
	CALL(OPEN, vdi_open, SET, 0, NONE),
	CALL(OPEN_SECONDARY, vdi_open_secondary, SET, 0, NONE),
	CALL(GET_CONFIG, vdi_get_config, SET | DEVICE, 0,
	     offsetof(struct vdi_get_config, __reserved)),
	CALL(BEGIN_CONFIG, vdi_begin_config, SET, 0,
	     offsetof(struct vdi_begin_config, __reserved)),
	CALL(END_CONFIG, vdi_end_config, SET, 0, NONE),
	CALL(GROW_AREA, vdi_grow_area, SET, 0, NONE),
	CALL(OPEN_DEVICE, vdi_open_device, SET, 1, NONE),
	CALL_GREW(STATUS, vdi_status, out_stat.first_node, SET | DEVICE, 1, NONE),
	CALL(SET_HINT, vdi_set_hint, SET, 0, NONE),
	CALL(EXCHANGE, vdi_exchange, SET | DEVICE, 0,
	     offsetof(struct vdi_exchange, __reserved)),
	CALL(ABORT, vdi_abort, SET | DEVICE, 0, offsetof(struct vdi_abort, __reserved)),
	CALL(CLOSE, vdi_close, SET, 0, NONE),
	CALL(ADOPT, vdi_adopt, SET | DEVICE, 0, NONE),
	CALL(LIST, vdi_list, SET, 0, NONE),
	CALL_GREW(STAT_NAME, vdi_stat_name, out_stat.first_node, SET, 0, NONE),
	CALL(ABORT_NAME, vdi_abort_name, SET, 0, offsetof(struct vdi_abort_name, __reserved)),
	CALL(CLOSE_DEVICE, vdi_close_device, DEVICE, 0, NONE),
	CALL(DEVICE_STATUS, vdi_device_status, DEVICE, 0, NONE),
};

#define PAGE	4096

/* One handle of each kind, and memory with a hole behind its one page. */
struct kind {
	const char *who;
	unsigned int on;
	int fd;
};

FIXTURE(walk) {
	struct kind kinds[5];
	unsigned char *page;	/* PAGE bytes, then PAGE bytes without access */
	unsigned char *big;	/* 2 * PAGE bytes */
	char name[VDI_NAME_SIZE];
};

FIXTURE_SETUP(walk)
{
	int unbound = vt_open_node(), client = vt_open_node(), server = vt_open_node();
	int sdev, cdev;

	ASSERT_EQ(PAGE, sysconf(_SC_PAGESIZE));
	self->page = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->big = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->page);
	ASSERT_NE(MAP_FAILED, self->big);
	ASSERT_EQ(0, mprotect(self->page + PAGE, PAGE, PROT_NONE));
	vt_name(self->name);
	ASSERT_LE(0, unbound);
	ASSERT_EQ(0, vt_create(client, self->name, 1));
	ASSERT_EQ(0, vt_open(server, self->name));
	ASSERT_EQ(0, vt_begin(server));
	ASSERT_EQ(0, vt_end(server, VT_TRANSFER));
	sdev = vt_open_device(server, self->name);
	cdev = vt_open_device(client, self->name);
	ASSERT_LE(0, sdev);
	ASSERT_LE(0, cdev);
	self->kinds[0] = (struct kind){ "unbound handle", SET, unbound };
	self->kinds[1] = (struct kind){ "client's set handle", SET, client };
	self->kinds[2] = (struct kind){ "server's set handle", SET, server };
	self->kinds[3] = (struct kind){ "client's device handle", DEVICE, cdev };
	self->kinds[4] = (struct kind){ "server's device handle", DEVICE, sdev };
}

FIXTURE_TEARDOWN(walk)
{
	vt_baseline(_metadata);
}

/* Every ioctl on every handle that has it. */
#define for_each_call(c, k)						\
	for ((c) = calls; (c) < calls + ARRAY_SIZE(calls); (c)++)	\
		for ((k) = self->kinds; (k) < self->kinds + ARRAY_SIZE(self->kinds); (k)++) \
			if ((c)->on & (k)->on)

static unsigned char *prepare(unsigned char *mem, size_t len, __u32 size)
{
	memset(mem, 0, len);
	memcpy(mem, &size, sizeof(size));
	return mem;
}

#define EXPECT_WALK(err, mem) do {					\
	EXPECT_EQ((err), vt_call(k->fd, c->req, mem)) {			\
		TH_LOG("%s on %s", c->name, k->who);			\
	}								\
} while (0)

TEST_F(walk, size_too_short_EINVAL)
{
	const struct call *c;
	struct kind *k;
	__u32 size;

	for_each_call(c, k)
		for (size = 0; size < c->first; size++)
			EXPECT_WALK(EINVAL, prepare(self->page, c->size, size));
}

/* A program of that time sees what it always saw, and nothing behind it. */
TEST_F(walk, first_version)
{
	struct vdi_status *status;
	const struct call *c;
	struct kind *k;
	size_t i;

	for_each_call(c, k) {
		if (c->first == c->size || c->req != VDI_IOC_STATUS)
			continue;
		status = (struct vdi_status *)prepare(self->page, PAGE, c->first);
		memset(self->page + c->first, 0xa5, PAGE - c->first);
		EXPECT_WALK(strcmp(k->who, "unbound handle") ? 0 : EPROTO, status);
		for (i = c->first; i < PAGE; i++)
			ASSERT_EQ(0xa5, self->page[i]);
	}
	/* LIST takes elements of the old size, too */
	{
		struct vdi_set_stat stats[2];
		struct vdi_list list = {
			.size = sizeof(list), .sets = (uintptr_t)stats, .nr_sets = 1,
			.entry_size = offsetof(struct vdi_set_stat, first_node),
		};

		memset(stats, 0xa5, sizeof(stats));
		ASSERT_EQ(0, vt_call(self->kinds[0].fd, VDI_IOC_LIST, &list));
		EXPECT_EQ(1, list.out_sets);
		EXPECT_EQ(0xa5a5a5a5, stats[0].first_node);
		EXPECT_STREQ(self->name, stats[0].name);
	}
}

TEST_F(walk, size_beyond_a_page_E2BIG)
{
	static const __u32 sizes[] = { PAGE + 1, PAGE + 8, 2 * PAGE, 1U << 31, ~0U };
	const struct call *c;
	struct kind *k;
	size_t i;

	for_each_call(c, k)
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			EXPECT_WALK(E2BIG, prepare(self->big, 2 * PAGE, sizes[i]));
}

TEST_F(walk, garbage_tail_E2BIG)
{
	const struct call *c;
	struct kind *k;
	unsigned char *mem;

	for_each_call(c, k) {
		mem = prepare(self->page, PAGE, c->size + 1);
		mem[c->size] = 1;
		EXPECT_WALK(E2BIG, mem);
		mem = prepare(self->page, PAGE, c->size + 8);
		mem[c->size + 7] = 0x80;
		EXPECT_WALK(E2BIG, mem);
		mem = prepare(self->page, PAGE, PAGE);
		mem[PAGE - 1] = 1;
		EXPECT_WALK(E2BIG, mem);
	}
}

TEST_F(walk, unknown_flag_EOPNOTSUPP)
{
	const struct call *c;
	struct kind *k;
	unsigned int bit;
	__u32 flags;

	for_each_call(c, k)
		for (bit = 0; bit < 32; bit++) {
			flags = 1U << bit;
			if (c->flags & flags)
				continue;
			prepare(self->page, PAGE, c->size);
			memcpy(self->page + 4, &flags, sizeof(flags));
			EXPECT_WALK(EOPNOTSUPP, self->page);
		}
}

TEST_F(walk, reserved_word_EINVAL)
{
	const struct call *c;
	struct kind *k;
	unsigned int byte;

	for_each_call(c, k)
		for (byte = 0; c->reserved != NONE && byte < 4; byte++) {
			prepare(self->page, PAGE, c->size);
			self->page[c->reserved + byte] = 1;
			EXPECT_WALK(EINVAL, self->page);
		}
}

TEST_F(walk, unreadable_argument_EFAULT)
{
	const struct call *c;
	struct kind *k;
	size_t cut;

	for_each_call(c, k) {
		EXPECT_WALK(EFAULT, NULL);
		EXPECT_WALK(EFAULT, (void *)8);
		EXPECT_WALK(EFAULT, self->page + PAGE);
		/* the end of the structure is in the hole, from one byte to all but one */
		for (cut = 1; cut < c->size; cut = cut < 4 ? cut + 1 : cut * 2) {
			unsigned char *mem = self->page + PAGE - (c->size - cut);
			__u32 size = c->size;

			memset(self->page, 0, PAGE);
			if (c->size - cut >= sizeof(size))
				memcpy(mem, &size, sizeof(size));
			EXPECT_WALK(EFAULT, mem);
		}
		/* so is the tail that size claims */
		EXPECT_WALK(EFAULT, prepare(self->page + PAGE - c->size, c->size, c->size + 8));
	}
}

/* The copy is checked before flags, these before reserved words, these before all else. */
TEST_F(walk, order_of_checks)
{
	const struct call *c;
	struct kind *k;

	for_each_call(c, k) {
		prepare(self->page, PAGE, c->size + 8);
		self->page[7] = 0x80;
		if (c->reserved != NONE)
			self->page[c->reserved] = 1;
		EXPECT_WALK(EOPNOTSUPP, self->page);
		self->page[c->size] = 1;
		EXPECT_WALK(E2BIG, self->page);
	}
}

static int call_everything(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(walk) *self = arg;
	const struct call *c;
	struct kind *k;
	int wrong = 0;

	(void)me;
	for_each_call(c, k) {
		int valid, null, want = EIO;

		/* adopt_test tells how ADOPT differs */
		if (!strcmp(k->who, "unbound handle") || c->req == VDI_IOC_ADOPT)
			continue;
		valid = vt_call(k->fd, c->req, prepare(self->page, PAGE, c->size));
		/* STATUS reads first whether the caller knows */
		null = c->req == VDI_IOC_STATUS ? EIO : vt_call(k->fd, c->req, NULL);
		if (valid != want || null != want) {
			fprintf(stderr, "# %s on %s: %d and %d, not EIO\n", c->name, k->who,
				valid, null);
			wrong++;
		}
	}
	return wrong;
}

TEST_F(walk, foreign_process_EIO)
{
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, call_everything, self));
	/* and nothing happened: the set is as it was */
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->kinds[1].fd));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->kinds[3].fd));
}

TEST_F(walk, unknown_request_ENOTTY)
{
	static const unsigned int types[] = { 0xBC, 0xBE, 0x3D, 0xFD, 0xDB };
	const struct call *c;
	struct kind *k;
	unsigned int nr, t;

	for (k = self->kinds; k < self->kinds + ARRAY_SIZE(self->kinds); k++) {
		prepare(self->page, PAGE, 8);
		for (nr = 0; nr < 256; nr++) {
			bool known = false;

			for (c = calls; c < calls + ARRAY_SIZE(calls); c++)
				known |= c->req == _IO(VDI_IOC_TYPE, nr) && c->on & k->on;
			if (!known)
				EXPECT_EQ(ENOTTY, vt_call(k->fd, _IO(VDI_IOC_TYPE, nr),
							  self->page)) {
					TH_LOG("number 0x%02x on %s", nr, k->who);
				}
			for (t = 0; t < ARRAY_SIZE(types); t++)
				EXPECT_EQ(ENOTTY, vt_call(k->fd, _IO(types[t], nr), self->page));
			EXPECT_EQ(ENOTTY, vt_call(k->fd, _IOC(_IOC_WRITE, VDI_IOC_TYPE, nr, 8),
						  self->page));
			EXPECT_EQ(ENOTTY, vt_call(k->fd, _IOC(_IOC_READ, VDI_IOC_TYPE, nr, 8),
						  self->page));
		}
	}
}

/*
 * Outputs that cannot be written: EFAULT, and the set is as it was, so that the
 * same call with good memory works afterwards.
 */
static void *read_only(const void *arg, size_t len)
{
	void *mem = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(mem, arg, len);
	mprotect(mem, PAGE, PROT_READ);
	return mem;
}

/* Only the last 8 bytes are on a page that cannot be written. */
static void *read_only_end(const void *arg, size_t len)
{
	char *mem = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			 -1, 0);

	memcpy(mem + PAGE + 8 - len, arg, len);
	mprotect(mem + PAGE, PAGE, PROT_READ);
	return mem + PAGE + 8 - len;
}

#define EXPECT_READ_ONLY(fd, req, arg) do {					\
	EXPECT_EQ(EFAULT, vt_call(fd, req, read_only(&(arg), sizeof(arg))));	\
	EXPECT_EQ(EFAULT, vt_call(fd, req, read_only_end(&(arg), sizeof(arg))));	\
} while (0)

TEST_F(walk, unwritable_argument_EFAULT)
{
	int unbound = self->kinds[0].fd, client = self->kinds[1].fd, server = self->kinds[2].fd;
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	struct vdi_status status = VT_INIT(vdi_status);
	struct vdi_get_config config = VT_INIT(vdi_get_config);
	struct vdi_list list = VT_INIT(vdi_list, .entry_size = sizeof(struct vdi_set_stat));
	struct vdi_stat_name stat = VT_INIT(vdi_stat_name);
	struct vdi_device_status device = VT_INIT(vdi_device_status);
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = PAGE);
	struct vdi_exchange exchange = VT_INIT(vdi_exchange);
	struct vdi_status before;

	strcpy(stat.name, self->name);
	ASSERT_EQ(0, vt_status(server, &before));
	EXPECT_READ_ONLY(unbound, VDI_IOC_GET_INFO, info);
	EXPECT_READ_ONLY(client, VDI_IOC_STATUS, status);
	EXPECT_READ_ONLY(client, VDI_IOC_GET_CONFIG, config);
	EXPECT_READ_ONLY(unbound, VDI_IOC_LIST, list);
	EXPECT_READ_ONLY(unbound, VDI_IOC_STAT_NAME, stat);
	EXPECT_READ_ONLY(self->kinds[3].fd, VDI_IOC_DEVICE_STATUS, device);
	EXPECT_READ_ONLY(self->kinds[3].fd, VDI_IOC_EXCHANGE, exchange);
	EXPECT_READ_ONLY(self->kinds[4].fd, VDI_IOC_EXCHANGE, exchange);
	EXPECT_READ_ONLY(server, VDI_IOC_GROW_AREA, grow);
	ASSERT_EQ(0, vt_status(server, &status));
	EXPECT_EQ(before.out_stat.pieces, status.out_stat.pieces);
	EXPECT_EQ(before.out_stat.area_size, status.out_stat.area_size);
	EXPECT_EQ(VDI_STATE_ACTIVE, status.out_stat.state);
}

TEST_F(pair, unwritable_argument_keeps_the_state)
{
	struct vdi_end_config end = VT_INIT(vdi_end_config, .area_size = PAGE);
	struct vdi_open_device open = VT_INIT(vdi_open_device);
	int probe, next;

	ASSERT_EQ(0, vt_begin(self->server));
	EXPECT_READ_ONLY(self->server, VDI_IOC_END_CONFIG, end);
	EXPECT_EQ(VDI_STATE_CONFIGURING, vt_state(self->server));
	ASSERT_EQ(0, vt_end(self->server, PAGE));
	strcpy(open.name, self->name);
	probe = dup(self->client);
	close(probe);
	EXPECT_READ_ONLY(self->server, VDI_IOC_OPEN_DEVICE, open);
	EXPECT_READ_ONLY(self->client, VDI_IOC_OPEN_DEVICE, open);
	next = dup(self->client);
	EXPECT_EQ(probe, next);	/* no descriptor was left behind */
	EXPECT_LE(0, vt_open_device(self->server, self->name));
	EXPECT_LE(0, vt_open_device(self->client, self->name));
	EXPECT_EQ(VDI_STATE_ACTIVE, vt_state(self->server));
}

/*
 * A newer program's longer structures: the whole life of two sets with a zero
 * tail behind each structure, which stays as it is.
 */
static int call_with_tail(int fd, unsigned long req, void *arg, size_t len, size_t longer)
{
	static unsigned char mem[PAGE] __attribute__((aligned(8)));
	__u32 size = longer;
	size_t i;
	int err;

	memset(mem, 0, sizeof(mem));
	memcpy(mem, arg, len);
	memcpy(mem, &size, sizeof(size));
	err = vt_call(fd, req, mem);
	for (i = len; i < sizeof(mem); i++)
		if (mem[i])
			return -1;
	memcpy(&size, mem, sizeof(size));
	if (size != longer)
		return -2;
	memcpy(arg, mem, len);
	return err;
}

#define EXPECT_LONGER(fd, req, arg) \
	EXPECT_EQ(0, call_with_tail(fd, VDI_IOC_##req, &(arg), sizeof(arg), \
				    tail ? sizeof(arg) + tail : PAGE))

static void live_with_tails(struct __test_metadata *_metadata, size_t tail)
{
	int client = vt_open_node(), server = vt_open_node(), second = vt_open_node();
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	struct vdi_create create;
	struct vdi_open open = VT_INIT(vdi_open);
	struct vdi_open_secondary secondary = VT_INIT(vdi_open_secondary);
	struct vdi_begin_config begin = VT_INIT(vdi_begin_config,
						.features = VDI_FEAT_WRITE_MEDIA);
	struct vdi_end_config end = VT_INIT(vdi_end_config, .area_size = PAGE);
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = PAGE);
	struct vdi_get_config config = VT_INIT(vdi_get_config, .deadline_ns = VDI_TIME_INFINITE);
	struct vdi_set_hint hint = VT_INIT(vdi_set_hint, .bytes = 12345);
	struct vdi_open_device sdev = VT_INIT(vdi_open_device), cdev = sdev;
	struct vdi_exchange exchange = VT_INIT(vdi_exchange);
	struct vdi_device_status device = VT_INIT(vdi_device_status);
	struct vdi_status status = VT_INIT(vdi_status);
	struct vdi_close_device close_device = VT_INIT(vdi_close_device);
	struct vdi_list list = VT_INIT(vdi_list, .entry_size = sizeof(struct vdi_set_stat));
	struct vdi_stat_name stat = VT_INIT(vdi_stat_name);
	struct vdi_abort_name abort_name = VT_INIT(vdi_abort_name);
	struct vdi_abort abort = VT_INIT(vdi_abort);
	struct vdi_close close = VT_INIT(vdi_close);
	char name[VDI_NAME_SIZE];

	vt_name(name);
	create = vt_create_args(name, 1);
	strcpy(open.name, name);
	strcpy(secondary.name, name);
	strcpy(sdev.name, name);
	strcpy(cdev.name, name);
	strcpy(stat.name, name);
	EXPECT_LONGER(client, GET_INFO, info);
	EXPECT_EQ(VDI_MAX_DEVICES, info.out_max_devices);
	EXPECT_LONGER(client, CREATE, create);
	EXPECT_LONGER(server, OPEN, open);
	EXPECT_LONGER(server, BEGIN_CONFIG, begin);
	EXPECT_LONGER(server, END_CONFIG, end);
	EXPECT_EQ(PAGE, end.out_size);
	EXPECT_LONGER(server, GROW_AREA, grow);
	EXPECT_EQ(PAGE, grow.out_size);
	EXPECT_LONGER(second, LIST, list);
	EXPECT_LE(1, list.out_more);
	EXPECT_LONGER(second, STAT_NAME, stat);
	EXPECT_STREQ(name, stat.out_stat.name);
	EXPECT_LONGER(second, OPEN_SECONDARY, secondary);
	EXPECT_LONGER(client, GET_CONFIG, config);
	EXPECT_EQ(2, config.out_pieces);
	EXPECT_LONGER(server, SET_HINT, hint);
	EXPECT_LONGER(server, OPEN_DEVICE, sdev);
	EXPECT_LONGER(client, OPEN_DEVICE, cdev);
	EXPECT_LONGER(cdev.out_fd, EXCHANGE, exchange);
	EXPECT_LONGER(server, EXCHANGE, exchange);
	EXPECT_LONGER(sdev.out_fd, DEVICE_STATUS, device);
	EXPECT_EQ(VDI_DEVICE_ACTIVE, device.out_state);
	EXPECT_LONGER(client, STATUS, status);
	EXPECT_EQ(12345, status.out_stat.hint_bytes);
	EXPECT_LONGER(sdev.out_fd, CLOSE_DEVICE, close_device);
	EXPECT_LONGER(client, ABORT, abort);
	EXPECT_LONGER(client, CLOSE, close);
	EXPECT_EQ(0, vt_create(client, name, 1));
	strcpy(abort_name.name, name);
	EXPECT_LONGER(second, CLOSE, close);
	EXPECT_LONGER(second, ABORT_NAME, abort_name);
	EXPECT_EQ(VDI_STATE_ABORTED, vt_state(client));
	vt_baseline(_metadata);
}

TEST(zero_tail_of_8_bytes)
{
	live_with_tails(_metadata, 8);
}

TEST(zero_tail_of_1_byte)
{
	live_with_tails(_metadata, 1);
}

TEST(zero_tail_to_the_end_of_a_page)
{
	live_with_tails(_metadata, 0);
}

TEST_HARNESS_MAIN
