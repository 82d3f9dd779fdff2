// SPDX-License-Identifier: GPL-2.0-only
/*
 * Any sequence of calls in any state with any argument: steps by chance over a
 * few sets, their handles and what is none.  A call that fails changes no set,
 * and all is gone at the end.  That each errno is a documented one is seen by the
 * comparison of errnos, which this test feeds.
 *
 * VDI_SEED=N replays a run, VDI_STEPS=N makes it longer.
 */
#include "link.h"

#define MAX_FDS		10
#define MAX_SETS	64
#define MAX_IDS		16
#define ARRAY		20

static uint64_t seed;

/* xorshift64*: the same numbers everywhere */
static uint32_t chance(uint32_t below)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 0x2545f4914f6cdd1dULL) >> 33) % below;
}

static bool rarely(void)
{
	return !chance(12);
}

FIXTURE(world) {
	int observer;
	int fds[MAX_FDS];
	bool device[MAX_FDS];	/* of a device */
	uint64_t ids[MAX_IDS];	/* of commands that were delivered */
	unsigned int steps;
	unsigned int failed;
	unsigned int worked;
	struct vdi_set_stat before[MAX_SETS];
	struct vdi_set_stat after[MAX_SETS];
	unsigned char arg[4096] __attribute__((aligned(8)));
	struct vdi_command commands[ARRAY];
	struct vdi_completion completions[ARRAY];
	struct vdi_piece pieces[VDI_MAX_PIECES];
};

FIXTURE_SETUP(world)
{
	const char *given = getenv("VDI_SEED"), *steps = getenv("VDI_STEPS");
	unsigned int i;

	seed = given ? strtoull(given, NULL, 0) : vt_now();
	seed = seed ?: 1;
	self->steps = steps ? strtoul(steps, NULL, 0) : 6000;
	TH_LOG("VDI_SEED=%llu", (unsigned long long)seed);
	self->observer = vt_open_node();
	ASSERT_LE(0, self->observer);
	for (i = 0; i < MAX_FDS; i++)
		self->fds[i] = -1;
}

FIXTURE_TEARDOWN(world)
{
	vt_baseline(_metadata);
}

static void name_by_chance(char *to)
{
	static const char * const names[] = {
		"one", "one", "one", "two", "one.1", "one.1", "two.1", "one.2", "", "a/b", "\x01",
	};

	strcpy(to, names[chance(rarely() ? ARRAY_SIZE(names) : chance(4) ? 3 : 8)]);
}

static void config_by_chance(struct vdi_config *c, bool server)
{
	static const uint32_t features[] = { 0, 0, 0x173, 0x200, 0x2000, 0x1, 0x80, 0x10000, 4 };
	static const uint32_t sizes[] = { 65536, 65536, 131072, 1048576, 0, 4096, 1 << 27 };

	c->features = rarely() ? features[chance(ARRAY_SIZE(features))] : 0;
	c->alignment = rarely() ? chance(70000) : 0;
	if (server) {
		c->block_size = rarely() ? chance(70000) : 512U << chance(8);
		c->max_transfer_size = sizes[chance(rarely() ? ARRAY_SIZE(sizes) : 4)];
		return;
	}
	c->device_count = rarely() ? chance(70) : 1 + !chance(4);
	c->prefix_zone_size = rarely() ? chance(70000) : 0;
	c->server_timeout_ms = rarely() ? 60000 : 0;
}

/* Records of both kinds; the kernel looks at those of the caller's side. */
static void exchange_by_chance(FIXTURE_DATA(world) *self, struct vdi_exchange *x)
{
	static const uint16_t codes[] = { VDI_CMD_WRITE, VDI_CMD_READ, VDI_CMD_FLUSH,
					  VDI_CMD_CLEAR_ERROR, VDI_CMD_GET_POSITION, 77, 0 };
	unsigned int i;

	for (i = 0; i < ARRAY; i++) {
		self->commands[i] = (struct vdi_command){
			.device = rarely() ? chance(256) : chance(2),
			.code = codes[chance(ARRAY_SIZE(codes))],
			.length = rarely() ? (int32_t)chance(1U << 31) : 4096,
			.id = chance(1000),
			.kind = !chance(50),
		};
		if (self->commands[i].code <= VDI_CMD_WRITE)
			self->commands[i].offset = rarely() ? chance(1 << 20) : 0;
	}
	x->in = (uintptr_t)self->commands;
	/* half of the time what a client would say */
	if (chance(2)) {
		for (i = 0; i < ARRAY; i++)
			self->completions[i] = (struct vdi_completion){
				.device = rarely() ? chance(256) : chance(2),
				.code = chance(5) ? 0 : 112,
				.id = rarely() ? chance(1U << 31) : self->ids[chance(MAX_IDS)],
				.result = chance(3) ? 4096 : chance(10000),
			};
		x->in = (uintptr_t)self->completions;
	}
	x->nr_in = chance(4);
	x->nr_out = chance(ARRAY + 1);
	x->out = (uintptr_t)self->commands;
	x->min = chance(2) && x->nr_out ? 1 : 0;
	x->spin_us = rarely() ? chance(100) : 0;
	if (!chance(60))
		x->nr_in = 1U << chance(32);
	if (!chance(60))
		x->out = 8;
}

/* An argument of the request that may work, bent now and then. */
static void argument_by_chance(FIXTURE_DATA(world) *self, unsigned int nr)
{
	static const uint16_t sizes[] = {
		sizeof(struct vdi_get_info), sizeof(struct vdi_create), sizeof(struct vdi_open),
		sizeof(struct vdi_open_secondary), sizeof(struct vdi_get_config),
		sizeof(struct vdi_begin_config), sizeof(struct vdi_end_config),
		sizeof(struct vdi_grow_area), sizeof(struct vdi_open_device),
		sizeof(struct vdi_status), sizeof(struct vdi_set_hint),
		sizeof(struct vdi_exchange), sizeof(struct vdi_abort), sizeof(struct vdi_close),
		sizeof(struct vdi_adopt), sizeof(struct vdi_list), sizeof(struct vdi_stat_name),
		sizeof(struct vdi_abort_name), sizeof(struct vdi_close_device),
		sizeof(struct vdi_device_status),
	};
	struct vdi_config config = {};
	void *arg = self->arg;

	memset(self->arg, 0, sizeof(self->arg));
	*(uint32_t *)arg = nr < ARRAY_SIZE(sizes) ? sizes[nr] : 8;
	config_by_chance(&config, nr == 0x05);
	switch (nr) {
	case 0x01:
		((struct vdi_create *)arg)->config = config;
		((struct vdi_create *)arg)->mode = rarely() ? chance(01000) : 0;
		name_by_chance(((struct vdi_create *)arg)->name);
		break;
	case 0x02:
	case 0x03:
	case 0x08:
	case 0x10:
	case 0x11:
		/* the name comes first in all of them */
		name_by_chance(((struct vdi_open *)arg)->name);
		break;
	case 0x04:
		((struct vdi_get_config *)arg)->pieces = (uintptr_t)self->pieces;
		((struct vdi_get_config *)arg)->nr_pieces = chance(3);
		break;
	case 0x05:
		((struct vdi_begin_config *)arg)->features = config.features | 0x10000;
		((struct vdi_begin_config *)arg)->block_size = config.block_size;
		((struct vdi_begin_config *)arg)->alignment = config.alignment;
		((struct vdi_begin_config *)arg)->max_transfer_size = config.max_transfer_size;
		break;
	case 0x06:
	case 0x07:
		((struct vdi_end_config *)arg)->area_size = rarely() ? chance(1 << 22) : 1 << 20;
		break;
	case 0x0b:
		exchange_by_chance(self, arg);
		break;
	case 0x0f:
		((struct vdi_list *)arg)->entry_size = rarely() ? chance(5000) :
						       sizeof(struct vdi_set_stat);
		break;
	}
	/* but not what would wait for long, or take all memory */
	if (!chance(40) && nr != 0x06 && nr != 0x07)
		self->arg[chance(64)] ^= 1 << chance(8);
	if (nr == 0x0b)
		((struct vdi_exchange *)arg)->deadline_ns = 0;
	if (nr == 0x04)
		((struct vdi_get_config *)arg)->deadline_ns = 0;
}

/* All sets, without what a call that fails may count. */
static int look(FIXTURE_DATA(world) *self, struct vdi_set_stat *sets)
{
	struct vdi_list l = VT_INIT(vdi_list, .sets = (uintptr_t)sets, .nr_sets = MAX_SETS,
				    .entry_size = sizeof(*sets));
	unsigned int i;

	memset(sets, 0, MAX_SETS * sizeof(*sets));
	if (vt_call(self->observer, VDI_IOC_LIST, &l))
		return -1;
	for (i = 0; i < l.out_sets; i++) {
		sets[i].limit = 0;
		sets[i].exchanges = 0;
		sets[i].wakeups = 0;
		sets[i].sleeps = 0;
		sets[i].client_wait_ns = 0;
		sets[i].server_wait_ns = 0;
	}
	return l.out_sets;
}

/* The few failures that the header says do something. */
static bool may_change(unsigned int nr, int err)
{
	return (nr == 0x0d && (err == EBUSY || err == EPROTO)) || (nr == 0x0b && err == EFAULT);
}

static void remember(FIXTURE_DATA(world) *self, const struct vdi_exchange *x)
{
	unsigned int i;

	for (i = 0; i < x->out_delivered && i < ARRAY; i++)
		self->ids[chance(MAX_IDS)] = self->commands[i].id;
}

static void open_or_close(FIXTURE_DATA(world) *self, unsigned int at)
{
	if (self->fds[at] < 0) {
		self->device[at] = false;
		self->fds[at] = !chance(200) ? open("/dev/null", O_RDWR | O_CLOEXEC) :
					       vt_open_node();
	} else if (!chance(150)) {
		close(self->fds[at]);
		self->fds[at] = -1;
	}
}

/* What leads on from here; the rest of the calls come by chance. */
static unsigned int next_call(int fd)
{
	struct vdi_status s;

	if (vt_status(fd, &s))
		return chance(3) ? 0x02 : 0x01;
	if (s.out_role != VDI_ROLE_SERVER)
		return s.out_stat.state == VDI_STATE_INITIALIZING ? 0x08 : 0x04;
	switch (s.out_stat.state) {
	case VDI_STATE_CONNECTED:
		return 0x05;
	case VDI_STATE_CONFIGURING:
		return 0x06;
	case VDI_STATE_INITIALIZING:
		return 0x08;
	default:
		return 0x0b;
	}
}

static int step(FIXTURE_DATA(world) *self, unsigned int at, unsigned int *nr)
{
	static const unsigned char device[] = { 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x0b, 0x12, 0x13 };
	unsigned int i;
	int err;

	*nr = self->device[at] ? device[chance(ARRAY_SIZE(device))] : next_call(self->fds[at]);
	if (!chance(3))
		*nr = chance(0x15);
	/* aborts would leave little else to see */
	if ((*nr == 0x0c || *nr == 0x11 || *nr == 0x0d) && chance(12))
		*nr = 0x0b;
	argument_by_chance(self, *nr);
	err = vt_call(self->fds[at], _IO(VDI_IOC_TYPE, *nr), self->arg);
	if (!err && *nr == 0x0b)
		remember(self, (void *)self->arg);
	if (!err && *nr == 0x08) {
		int fd = ((struct vdi_open_device *)self->arg)->out_fd;

		for (i = 0; i < MAX_FDS && self->fds[i] >= 0; i++)
			;
		if (i == MAX_FDS)
			close(fd);
		else
			self->fds[i] = fd, self->device[i] = true;
	}
	return err;
}

TEST_F(world, failures_change_nothing)
{
	unsigned int i, at, nr, states = 0;
	int had, has, err;

	for (i = 0; i < self->steps; i++) {
		at = chance(MAX_FDS);
		open_or_close(self, at);
		if (self->fds[at] < 0)
			continue;
		had = look(self, self->before);
		ASSERT_LE(0, had);
		err = step(self, at, &nr);
		if (!err) {
			self->worked++;
			continue;
		}
		self->failed++;
		has = look(self, self->after);
		while (had > 0)
			states |= 1 << self->before[--had].state;
		/* room for new ones: a set that is aborted is not worth much more */
		if ((err == ECANCELED && !chance(4)) || (err == EPROTO && !chance(40))) {
			close(self->fds[at]);
			self->fds[at] = -1;
		}
		if (may_change(nr, err) || has < 0)
			continue;
		ASSERT_EQ(0, memcmp(self->before, self->after, sizeof(self->before))) {
			TH_LOG("step %u: request %#x failed with %d and changed something", i, nr,
			       err);
		}
	}
	/* it must have been about something: most states, the others often as well */
	EXPECT_LT(self->steps / 20, self->worked);
	EXPECT_LT(self->steps / 20, self->failed);
	EXPECT_EQ(0x9e, states & 0x9e);
	TH_LOG("%u calls worked, %u failed, states %#x", self->worked, self->failed, states);
}

TEST_HARNESS_MAIN
