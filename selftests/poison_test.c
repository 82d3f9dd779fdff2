// SPDX-License-Identifier: GPL-2.0-only
/*
 * Nothing leaks: the kernel's stack and heap are filled with a pattern before
 * each call, the answer with another, and afterwards each byte of it is what the
 * header documents: written, with zeros after a text and in reserved words, or
 * untouched.  What a caller has behind the end of its texts reaches nobody.
 */
#include <stddef.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "link.h"

#define KERNEL_POISON	0xC3
#define PATTERNS	2
#define LARGEST		4096
#define NO_STAT		(~0U)

static const unsigned char patterns[PATTERNS] = { 0xAA, 0x55 };

/*
 * Deep system calls with the pattern: select() and poll() copy it to the stack,
 * a datagram to slabs of all sizes, which are free again when it was read.
 */
static void poison_kernel(void)
{
	static unsigned char block[LARGEST];
	struct timeval now = {};
	struct pollfd fds[28];
	int pair[2];
	size_t n;

	memset(block, KERNEL_POISON, sizeof(block));
	memset(fds, KERNEL_POISON, sizeof(fds));
	poll(fds, ARRAY_SIZE(fds), 0);
	/* no such descriptors: refused, but copied */
	select(320, (fd_set *)block, NULL, NULL, &now);
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		return;
	for (n = 32; n < LARGEST; n *= 2)
		if (write(pair[0], block, n - 1) < 0 || read(pair[1], block, LARGEST) < 0)
			break;
	close(pair[0]);
	close(pair[1]);
}

/* A text field: zeros from its end on. */
static bool is_clean_text(const char *text, size_t size)
{
	size_t len = strnlen(text, size);

	for (; len < size; len++)
		if (text[len])
			return false;
	return true;
}

static bool has_run(const unsigned char *p, size_t n, unsigned char byte)
{
	size_t i, run = 0;

	for (i = 0; i < n; i++) {
		run = p[i] == byte ? run + 1 : 0;
		if (run == 4)
			return true;
	}
	return false;
}

/**
 * struct answer - A call that has one
 * @name: of the ioctl
 * @req: its number
 * @size: of the structure
 * @out: where the answer begins; it goes on to the end
 * @reserved: a word there that has to be 0 on the way in; 0: none
 * @stat: where a struct vdi_set_stat begins, or NO_STAT
 */
struct answer {
	const char *name;
	unsigned long req;
	size_t size;
	size_t out;
	size_t reserved;
	size_t stat;
};

#define ANSWER(nr, type, first, word, at)					\
	{ #nr, VDI_IOC_##nr, sizeof(struct type), offsetof(struct type, first), word, at }

static const struct answer answers[] = {
	ANSWER(GET_INFO, vdi_get_info, out_capabilities, 0, NO_STAT),
	ANSWER(GET_CONFIG, vdi_get_config, out_pieces, offsetof(struct vdi_get_config, __reserved),
	       NO_STAT),
	ANSWER(END_CONFIG, vdi_end_config, out_offset, 0, NO_STAT),
	ANSWER(GROW_AREA, vdi_grow_area, out_offset, 0, NO_STAT),
	ANSWER(OPEN_DEVICE, vdi_open_device, out_fd, 0, NO_STAT),
	ANSWER(STATUS, vdi_status, out_role, 0, offsetof(struct vdi_status, out_stat)),
	ANSWER(EXCHANGE, vdi_exchange, out_accepted, offsetof(struct vdi_exchange, __reserved),
	       NO_STAT),
	ANSWER(LIST, vdi_list, out_sets, 0, NO_STAT),
	ANSWER(STAT_NAME, vdi_stat_name, out_stat, 0, offsetof(struct vdi_stat_name, out_stat)),
	ANSWER(DEVICE_STATUS, vdi_device_status, out_index, 0, NO_STAT),
};

/* poison: a set for each pattern, so that each call can be made once in each. */
FIXTURE(poison) {
	struct vt_link l[PATTERNS];
	unsigned char sent[LARGEST];
	unsigned char got[PATTERNS][LARGEST];
};

FIXTURE_SETUP(poison)
{
	int i;

	for (i = 0; i < PATTERNS; i++) {
		vt_link_init(&self->l[i], 2);
		memset(&self->l[i].create.name[strlen(self->l[i].create.name) + 1], 0x77, 16);
	}
}

FIXTURE_TEARDOWN(poison)
{
	vt_baseline(_metadata);
}

/* Up to where @req is the next call: the set handle or device handle to make it on. */
static int ready_for(unsigned long req, struct vt_link *l)
{
	int err;

	l->client = vt_open_node();
	l->server = vt_open_node();
	err = vt_call(l->client, VDI_IOC_CREATE, &l->create) ?: vt_open(l->server, l->create.name);
	err = err ?: vt_begin(l->server);
	if (err || req == VDI_IOC_END_CONFIG)
		return err ? -err : l->server;
	err = vt_end(l->server, l->area);
	if (err || req == VDI_IOC_OPEN_DEVICE || req == VDI_IOC_GROW_AREA)
		return err ? -err : l->server;
	err = vt_link_open_devices(l);
	if (err)
		return -err;
	switch (req) {
	case VDI_IOC_DEVICE_STATUS:
	case VDI_IOC_EXCHANGE:
		return l->cdev[0];
	case VDI_IOC_LIST:
	case VDI_IOC_STAT_NAME:
	case VDI_IOC_GET_INFO:
		/* they want to see a reason too */
		err = vt_abort(l->client);
		return err ? -err : vt_open_node();
	case VDI_IOC_STATUS:
		err = vt_abort(l->server);
		return err ? -err : l->client;
	default:
		return l->client;
	}
}

static void fill(const struct answer *a, unsigned char *arg, const struct vt_link *l,
		 unsigned char pattern)
{
	uint32_t size = a->size;
	uint64_t area = VT_TRANSFER;
	struct vdi_list *list = (void *)arg;
	struct vdi_open_device *named = (void *)arg;

	memset(arg, 0, a->size);
	memcpy(arg, &size, sizeof(size));
	memset(arg + a->out, pattern, a->size - a->out);
	if (a->reserved)
		memset(arg + a->reserved, 0, sizeof(uint32_t));
	switch (a->req) {
	case VDI_IOC_END_CONFIG:
	case VDI_IOC_GROW_AREA:
		memcpy(arg + 8, &area, sizeof(area));
		break;
	case VDI_IOC_OPEN_DEVICE:
	case VDI_IOC_STAT_NAME:
		snprintf(named->name, sizeof(named->name), "%s", l->create.name);
		/* after the end of the text, for nobody */
		memset(named->name + strlen(named->name) + 1, 0x77, 8);
		break;
	case VDI_IOC_LIST:
		list->entry_size = sizeof(struct vdi_set_stat);
		break;
	}
}

static void check_stat(struct __test_metadata *_metadata, const unsigned char *at)
{
	struct vdi_set_stat s;

	memcpy(&s, at, sizeof(s));
	EXPECT_TRUE(is_clean_text(s.name, sizeof(s.name)));
	EXPECT_TRUE(is_clean_text(s.instance, sizeof(s.instance)));
	EXPECT_TRUE(is_clean_text(s.reason.text, sizeof(s.reason.text)));
	EXPECT_EQ(0, s.completed_devices);
}

static void check_texts(struct __test_metadata *_metadata, const struct answer *a,
			const unsigned char *arg)
{
	const struct vdi_get_info *info = (const void *)arg;
	const struct vdi_get_config *get = (const void *)arg;
	const struct vdi_device_status *dev = (const void *)arg;

	if (a->stat != NO_STAT)
		check_stat(_metadata, arg + a->stat);
	if (a->req == VDI_IOC_GET_INFO)
		EXPECT_TRUE(is_clean_text(info->out_version, sizeof(info->out_version)));
	if (a->req == VDI_IOC_GET_CONFIG)
		EXPECT_EQ(0, get->out_config.__reserved);
	if (a->req == VDI_IOC_DEVICE_STATUS)
		EXPECT_TRUE(is_clean_text(dev->out_name, sizeof(dev->out_name)));
	if (a->reserved)
		EXPECT_EQ(0, *(const uint32_t *)(arg + a->reserved));
}

TEST_F(poison, every_answer)
{
	unsigned int i, n = 0, untouched;
	const struct answer *a;
	size_t at;
	int fd;

	for (a = answers; a < answers + ARRAY_SIZE(answers); a++, n++) {
		for (i = 0; i < PATTERNS; i++) {
			fd = ready_for(a->req, &self->l[i]);
			ASSERT_LE(0, fd) {
				TH_LOG("%s: cannot begin: %s", a->name, strerror(-fd));
			}
			fill(a, self->got[i], &self->l[i], patterns[i]);
			memcpy(self->sent, self->got[i], a->size);
			poison_kernel();
			ASSERT_EQ(0, vt_call(fd, a->req, self->got[i])) {
				TH_LOG("%s", a->name);
			}
			EXPECT_EQ(0, memcmp(self->sent, self->got[i], a->out)) {
				TH_LOG("%s changed what it was given", a->name);
			}
			EXPECT_FALSE(has_run(self->got[i] + a->out, a->size - a->out,
					     KERNEL_POISON)) {
				TH_LOG("%s tells what the kernel had there before", a->name);
			}
			EXPECT_FALSE(has_run(self->got[i] + a->out, a->size - a->out, 0x77)) {
				TH_LOG("%s tells what was behind a text", a->name);
			}
			check_texts(_metadata, a, self->got[i]);
			vt_baseline(_metadata);
		}
		/* what is still as it was sent both times was not written */
		for (untouched = 0, at = a->out; at < a->size; at++)
			untouched += self->got[0][at] == patterns[0] &&
				     self->got[1][at] == patterns[1];
		EXPECT_EQ(0, untouched) {
			TH_LOG("%s leaves %u bytes of its answer as they were", a->name, untouched);
		}
	}
	TH_LOG("F17: reached %u of %zu asked answers, each byte of them", n, ARRAY_SIZE(answers));
}

/* Arrays: whole elements, and nothing behind the last. */
TEST_F(poison, arrays)
{
	struct vt_link *l = &self->l[0];
	struct {
		struct vdi_set_stat stat;
		unsigned char more[64];
	} sets[3];
	struct vdi_list list = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = 3,
				       .entry_size = sizeof(sets[0]));
	struct vdi_piece pieces[4];
	struct vdi_get_config get = VT_INIT(vdi_get_config, .pieces = (uintptr_t)pieces,
					    .nr_pieces = 4);
	static const unsigned char zeros[64];
	int fd = vt_open_node();

	ASSERT_EQ(0, vt_link_up(l));
	VT_POISON_FIELD(sets);
	poison_kernel();
	ASSERT_OK(fd, VDI_IOC_LIST, &list);
	ASSERT_EQ(1, list.out_sets);
	check_stat(_metadata, (void *)&sets[0]);
	EXPECT_EQ(0, memcmp(sets[0].more, zeros, sizeof(zeros)));
	EXPECT_TRUE(vt_poisoned(&sets[1], 2 * sizeof(sets[1])));
	VT_POISON_FIELD(pieces);
	poison_kernel();
	ASSERT_OK(l->client, VDI_IOC_GET_CONFIG, &get);
	ASSERT_EQ(1, get.out_pieces);
	EXPECT_EQ(l->offset, pieces[0].offset);
	EXPECT_EQ(l->size, pieces[0].size);
	EXPECT_TRUE(vt_poisoned(&pieces[1], 3 * sizeof(pieces[1])));
}

/* Records: what the header says of each field, so none of the stack they are made on. */
TEST_F(poison, records)
{
	struct vt_link *l = &self->l[0];
	struct vdi_command in = vt_flush(0, 4711), c[3], closed = {
		.kind = VDI_KIND_CLOSED, .device = 0,
	};
	struct vdi_completion d[3], done, want = {
		.kind = VDI_KIND_COMPLETION, .id = 4711,
	};
	struct vdi_completion gone = { .kind = VDI_KIND_CLOSED };
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_up(l));
	poison_kernel();
	ASSERT_EQ(0, vt_put(l->sdev[0], &in, 1, NULL));
	VT_POISON_FIELD(c);
	poison_kernel();
	ASSERT_EQ(1, vt_take(l->cdev[0], c, 3));
	EXPECT_EQ(VDI_KIND_COMMAND, c[0].kind);
	EXPECT_EQ(0, c[0].device);
	EXPECT_EQ(VDI_CMD_FLUSH, c[0].code);
	EXPECT_EQ(0, c[0].length);
	EXPECT_EQ(0, c[0].offset);
	EXPECT_EQ(0, c[0].position);
	EXPECT_TRUE(vt_poisoned(&c[1], 2 * sizeof(c[1])));
	done = vt_answer(&c[0], 0);
	ASSERT_EQ(0, vt_put(l->cdev[0], &done, 1, NULL));
	VT_POISON_FIELD(d);
	poison_kernel();
	ASSERT_EQ(1, vt_take(l->sdev[0], d, 3));
	EXPECT_EQ(0, memcmp(&want, &d[0], sizeof(want)));
	EXPECT_TRUE(vt_poisoned(&d[1], 2 * sizeof(d[1])));
	/* the records of a close, on the set handles */
	ASSERT_EQ(0, vt_close_device(l->sdev[0]));
	VT_POISON_FIELD(c);
	VT_POISON_FIELD(d);
	poison_kernel();
	ASSERT_EQ(0, vt_exchange(l->client, &x, NULL, 0, c, 3, 1, 0));
	ASSERT_EQ(1, x.out_delivered);
	EXPECT_EQ(0, memcmp(&closed, &c[0], sizeof(closed)));
	EXPECT_TRUE(vt_poisoned(&c[1], 2 * sizeof(c[1])));
	poison_kernel();
	ASSERT_EQ(0, vt_exchange(l->server, &x, NULL, 0, d, 3, 1, 0));
	ASSERT_EQ(1, x.out_delivered);
	EXPECT_EQ(0, memcmp(&gone, &d[0], sizeof(gone)));
	EXPECT_TRUE(vt_poisoned(&d[1], 2 * sizeof(d[1])));
}

/* What the structure does not have is not written either. */
TEST_F(poison, behind_the_structure)
{
	struct {
		struct vdi_get_info info;
		unsigned char more[64];
	} big = { .info.size = sizeof(big) };
	static const unsigned char zeros[64];
	int fd = vt_open_node();

	poison_kernel();
	ASSERT_EQ(0, vt_call(fd, VDI_IOC_GET_INFO, &big));
	EXPECT_EQ(0, memcmp(big.more, zeros, sizeof(zeros)));
	EXPECT_EQ(sizeof(big), big.info.size);
}

TEST_HARNESS_MAIN
