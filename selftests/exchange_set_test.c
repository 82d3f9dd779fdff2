// SPDX-License-Identifier: GPL-2.0-only
/*
 * EXCHANGE on set handles: one thread serves many devices, closed records,
 * fairness, and that both forms draw on the same rings.
 */
#include "link.h"
#include "sleeper.h"

#define MANY	64U

/* set_form: 64 devices, open on both sides. */
FIXTURE(set_form) {
	struct vt_link l;
	struct vdi_command cmd[MANY * 4];
	struct vdi_completion done[MANY * 4];
};

FIXTURE_SETUP(set_form)
{
	vt_link_init(&self->l, MANY);
	ASSERT_EQ(0, vt_link_up(&self->l));
}

FIXTURE_TEARDOWN(set_form)
{
	vt_baseline(_metadata);
}

TEST_F(set_form, one_call_sends_to_all_devices)
{
	unsigned int i, seen[MANY] = {};
	struct vdi_exchange x;

	for (i = 0; i < MANY * 2; i++)
		self->cmd[i] = vt_flush(i % MANY, i);
	ASSERT_EQ(0, vt_exchange(self->l.server, &x, self->cmd, MANY * 2, NULL, 0, 0, 0));
	EXPECT_EQ(MANY * 2, x.out_accepted);
	ASSERT_EQ((int)(MANY * 2), vt_take(self->l.client, self->cmd, MANY * 4));
	for (i = 0; i < MANY * 2; i++) {
		ASSERT_GT(MANY, self->cmd[i].device);
		EXPECT_EQ(VDI_KIND_COMMAND, self->cmd[i].kind);
		self->done[i] = vt_answer(&self->cmd[i], 0);
	}
	ASSERT_EQ(0, vt_exchange(self->l.client, &x, self->done, MANY * 2, NULL, 0, 0, 0));
	EXPECT_EQ(MANY * 2, x.out_accepted);
	ASSERT_EQ((int)(MANY * 2), vt_take(self->l.server, self->done, MANY * 4));
	for (i = 0; i < MANY * 2; i++) {
		ASSERT_GT(MANY, self->done[i].device);
		EXPECT_EQ(VDI_KIND_COMPLETION, self->done[i].kind);
		/* in order on each device: its number, then 64 more */
		EXPECT_EQ(self->done[i].device + MANY * seen[self->done[i].device],
			  self->done[i].id);
		seen[self->done[i].device]++;
	}
}

/* One full ring refuses the entry for it, not those before. */
TEST_F(set_form, full_ring_of_one_device)
{
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_load(&self->l, 5, 64, 0, NULL, 0));
	self->cmd[0] = vt_flush(4, 1);
	self->cmd[1] = vt_flush(5, 2);
	self->cmd[2] = vt_flush(6, 3);
	ASSERT_EQ(0, vt_exchange(self->l.server, &x, self->cmd, 3, NULL, 0, 0, 0));
	EXPECT_EQ(1, x.out_accepted);
	EXPECT_EQ(EXFULL, x.out_refused);
	EXPECT_EQ(1, vt_take(self->l.cdev[4], self->cmd, 4));
	EXPECT_EQ(0, vt_take(self->l.cdev[6], self->cmd, 4));
}

TEST_F(set_form, device_out_of_range_EINVAL)
{
	self->cmd[0] = vt_flush(MANY, 1);
	EXPECT_EQ(EINVAL, vt_put(self->l.server, self->cmd, 1, NULL));
	self->cmd[0].device = 255;
	EXPECT_EQ(EINVAL, vt_put(self->l.server, self->cmd, 1, NULL));
	self->done[0] = (struct vdi_completion){ .device = MANY };
	EXPECT_EQ(EINVAL, vt_put(self->l.client, self->done, 1, NULL));
}

/* A flood on device 0 keeps nobody waiting. */
TEST_F(set_form, no_device_starves)
{
	unsigned int i, found = 0;
	uint64_t seen = 0;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 64, 0, NULL, 0));
	for (i = 1; i < MANY; i++)
		ASSERT_EQ(0, vt_send(self->l.server, i, VDI_CMD_FLUSH, i));
	for (i = 0; i < MANY * 4 && found < MANY; i++) {
		ASSERT_EQ(1, vt_take(self->l.client, self->cmd, 1));
		found += !(seen >> self->cmd[0].device & 1);
		seen |= 1ULL << self->cmd[0].device;
		if (self->cmd[0].device)
			continue;
		/* it has a full ring at every moment */
		self->done[0] = vt_answer(self->cmd, 0);
		ASSERT_EQ(0, vt_put(self->l.client, self->done, 1, NULL));
		ASSERT_EQ(1, vt_take(self->l.sdev[0], self->done, 1));
		ASSERT_EQ(0, vt_send(self->l.server, 0, VDI_CMD_FLUSH, 1));
	}
	EXPECT_EQ(MANY, found);
}

TEST_F(set_form, no_device_starves_the_server)
{
	unsigned int i, j, found = 0;
	uint64_t seen = 0;

	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, vt_link_load(&self->l, i, 1 + (i ? 0 : 63), 0, self->cmd,
					  1 + (i ? 0 : 63)));
		for (j = 0; j < (i ? 1 : 64); j++)
			self->done[j] = vt_answer(&self->cmd[j], 0);
		ASSERT_EQ(0, vt_put(self->l.client, self->done, j, NULL));
	}
	for (i = 0; i < MANY * 2 - 1 && found < MANY; i++) {
		ASSERT_EQ(1, vt_take(self->l.server, self->done, 1));
		found += !(seen >> self->done[0].device & 1);
		seen |= 1ULL << self->done[0].device;
	}
	EXPECT_EQ(MANY, found);
	/* fair: device 0 had 64 of the 127, and was not emptied first */
	EXPECT_GT(MANY * 2 - 1, i);
}

/* The closed record of a device: once, after its commands. */
TEST_F(set_form, closed_once_then_ESHUTDOWN)
{
	unsigned int i, n, m, closed[MANY] = {}, commands[MANY] = {};
	struct vdi_exchange x;

	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, vt_send(self->l.server, i, VDI_CMD_FLUSH, i));
		ASSERT_EQ(0, vt_close_device(self->l.sdev[i]));
	}
	for (i = 0; i < MANY * 2; i += n) {
		ASSERT_EQ(0, vt_exchange(self->l.client, &x, NULL, 0, self->cmd, 7, 1, VT_LONG));
		for (n = m = 0; n < x.out_delivered; n++) {
			unsigned int d = self->cmd[n].device;

			ASSERT_GT(MANY, d);
			EXPECT_EQ(0, closed[d]);
			if (self->cmd[n].kind == VDI_KIND_COMMAND) {
				EXPECT_EQ(1, ++commands[d]);
				self->done[m++] = vt_answer(&self->cmd[n], 0);
			} else {
				EXPECT_EQ(VDI_KIND_CLOSED, self->cmd[n].kind);
				EXPECT_EQ(1, commands[d]);
				closed[d]++;
			}
		}
		if (m)
			ASSERT_EQ(0, vt_put(self->l.client, self->done, m, NULL));
	}
	EXPECT_EQ(MANY * 2, i);
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.client, self->cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.client, self->cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(VDI_STATE_TERMINATED, vt_state(self->l.client));
	/* the device form says it too, and again */
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[9], self->cmd, VDI_TIME_INFINITE));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[9], self->cmd, VDI_TIME_INFINITE));
}

TEST_F(set_form, closed_once_for_the_server)
{
	unsigned int i, n, done = 0, closed[MANY] = {};
	struct vdi_exchange x;

	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, vt_link_load(&self->l, i, 1, i, self->cmd, 1));
		self->done[0] = vt_answer(self->cmd, 0);
		ASSERT_EQ(0, vt_put(self->l.client, self->done, 1, NULL));
		ASSERT_EQ(0, vt_close_device(self->l.sdev[i]));
	}
	for (i = 0; i < MANY * 2; i += n) {
		ASSERT_EQ(0, vt_exchange(self->l.server, &x, NULL, 0, self->done, 5, 1,
					 VT_LONG));
		for (n = 0; n < x.out_delivered; n++) {
			ASSERT_GT(MANY, self->done[n].device);
			if (self->done[n].kind == VDI_KIND_COMPLETION) {
				EXPECT_EQ(0, closed[self->done[n].device]);
				EXPECT_EQ(self->done[n].device, self->done[n].id);
				done++;
			} else {
				EXPECT_EQ(VDI_KIND_CLOSED, self->done[n].kind);
				EXPECT_EQ(1, ++closed[self->done[n].device]);
			}
		}
	}
	EXPECT_EQ(MANY, done);
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->l.server, self->done, VDI_TIME_INFINITE));
}

/* A device handle does not take the closed record away from the set handle. */
TEST_F(set_form, both_forms_are_told_of_a_close)
{
	ASSERT_EQ(0, vt_close_device(self->l.sdev[3]));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->l.cdev[3], self->cmd, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_get(self->l.client, self->cmd, VT_LONG));
	EXPECT_EQ(VDI_KIND_CLOSED, self->cmd[0].kind);
	EXPECT_EQ(3, self->cmd[0].device);
	/* the others are open still */
	EXPECT_EQ(ETIMEDOUT, vt_get(self->l.client, self->cmd, vt_in_ms(20)));
	ASSERT_EQ(0, vt_close_device(self->l.sdev[4]));
	EXPECT_EQ(0, vt_get(self->l.client, self->cmd, VT_LONG));
	EXPECT_EQ(4, self->cmd[0].device);
}

/* Before a device is open, a set handle waits; before END_CONFIG it may not. */
TEST_F(set_form, set_handle_may_come_early)
{
	struct vdi_command cmd;
	struct vdi_completion done;
	struct vt_sleeper c, s;
	struct vt_link l;

	vt_link_init(&l, 1);
	l.client = vt_open_node();
	l.server = vt_open_node();
	EXPECT_EQ(EPROTO, vt_get(l.client, &cmd, 0));
	ASSERT_EQ(0, vt_call(l.client, VDI_IOC_CREATE, &l.create));
	EXPECT_EQ(EPROTO, vt_get(l.client, &cmd, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_open(l.server, l.create.name));
	EXPECT_EQ(EPROTO, vt_collect(l.server, &done, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_begin(l.server));
	EXPECT_EQ(EPROTO, vt_collect(l.server, &done, VDI_TIME_INFINITE));
	ASSERT_EQ(0, vt_end(l.server, VT_TRANSFER));
	c = vt_waiter(l.client, &cmd, 1, 1, VT_LONG);
	s = vt_waiter(l.server, &done, 1, 1, VT_LONG);
	ASSERT_TRUE(vt_sleep(&c));
	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(EPROTO, vt_send(l.server, 0, VDI_CMD_FLUSH, 77));
	ASSERT_EQ(0, vt_link_open_devices(&l));
	ASSERT_TRUE(vt_still_asleep(&c));
	ASSERT_TRUE(vt_still_asleep(&s));
	ASSERT_EQ(0, vt_send(l.server, 0, VDI_CMD_FLUSH, 77));
	ASSERT_TRUE(vt_awake(&c));
	EXPECT_EQ(0, c.err);
	ASSERT_EQ(0, vt_complete(l.client, 0, cmd.id, 0, 0));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(77, done.id);
}

/* What was sent before the client opened the device is there when it does. */
TEST_F(set_form, woken_by_the_open_of_a_device)
{
	struct vdi_command cmd;
	struct vt_sleeper c;
	struct vt_link l;
	int device;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_configure(&l));
	device = vt_open_device(l.server, l.create.name);
	ASSERT_LE(0, device);
	c = vt_waiter(l.client, &cmd, 1, 1, VT_LONG);
	ASSERT_TRUE(vt_sleep(&c));
	ASSERT_EQ(0, vt_send(device, 0, VDI_CMD_FLUSH, 5));
	ASSERT_TRUE(vt_still_asleep(&c));
	ASSERT_LE(0, vt_open_device(l.client, l.create.name));
	ASSERT_TRUE(vt_awake(&c));
	EXPECT_EQ(0, c.err);
	EXPECT_EQ(VDI_CMD_FLUSH, cmd.code);
}

/*
 * The close of a device can be told once its last record is taken: also if that was
 * taken by another, by way of the device's own handle or with the same one.
 */
static void take_the_last_record(struct __test_metadata *_metadata, bool own_handle)
{
	struct vdi_completion mine, done[4];
	struct vdi_command cmd[2];
	struct vt_sleeper s;
	struct vt_link l;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_up(&l));
	ASSERT_EQ(0, vt_link_load(&l, 0, 1, 0, &cmd[0], 1));
	ASSERT_EQ(0, vt_link_load(&l, 1, 1, 0, &cmd[1], 1));
	ASSERT_EQ(0, vt_close_device(l.sdev[0]));
	s = vt_waiter(l.server, done, 4, 2, VT_LONG);
	ASSERT_TRUE(vt_sleep(&s));
	mine = vt_answer(&cmd[0], 0);
	ASSERT_EQ(0, vt_put(l.client, &mine, 1, NULL));
	ASSERT_TRUE(vt_still_asleep(&s));
	ASSERT_EQ(1, vt_take(own_handle ? l.sdev[0] : l.server, &mine, 1));
	EXPECT_EQ(VDI_KIND_COMPLETION, mine.kind);
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(1, s.x.out_delivered);
	EXPECT_EQ(VDI_KIND_CLOSED, done[0].kind);
	EXPECT_EQ(0, done[0].device);
}

TEST_F(set_form, told_of_a_close_when_the_device_took_the_rest)
{
	take_the_last_record(_metadata, true);
}

TEST_F(set_form, told_of_a_close_when_another_took_the_rest)
{
	take_the_last_record(_metadata, false);
}

/* A client's set handle serves the devices that were opened through it. */
TEST_F(set_form, each_client_has_its_own_devices)
{
	char name[VDI_NAME_SIZE];
	struct vt_link l;
	int second, i;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_configure(&l));
	second = vt_open_node();
	ASSERT_EQ(0, vt_open_secondary(second, l.create.name));
	for (i = 0; i < 2; i++) {
		vt_device_name(name, l.create.name, i);
		l.sdev[i] = vt_open_device(l.server, name);
		ASSERT_LE(0, l.sdev[i]);
		l.cdev[i] = vt_open_device(i ? second : l.client, name);
		ASSERT_LE(0, l.cdev[i]);
		ASSERT_EQ(0, vt_send(l.server, i, VDI_CMD_FLUSH, i));
	}
	ASSERT_EQ(1, vt_take(second, self->cmd, 8));
	EXPECT_EQ(1, self->cmd[0].device);
	ASSERT_EQ(1, vt_take(l.client, self->cmd + 1, 8));
	EXPECT_EQ(0, self->cmd[1].device);
	/* nor does it complete another's command */
	self->done[0] = vt_answer(&self->cmd[0], 0);
	EXPECT_NE(0, vt_put(l.client, self->done, 1, NULL));
	EXPECT_EQ(0, vt_put(second, self->done, 1, NULL));
	/* each is told of its own device, and at an end when that is closed */
	ASSERT_EQ(0, vt_collect(l.server, self->done, VT_LONG));
	ASSERT_EQ(0, vt_close_device(l.sdev[1]));
	ASSERT_EQ(0, vt_get(second, self->cmd, VT_LONG));
	EXPECT_EQ(VDI_KIND_CLOSED, self->cmd[0].kind);
	EXPECT_EQ(ETIMEDOUT, vt_get(l.client, self->cmd, vt_in_ms(20)));
}

struct taker {
	int fd;
	unsigned int chunk;
	unsigned char *seen;
	unsigned int total;
	atomic_uint *count;
	int err;
};

/* Takes and completes whatever it can get, until all is taken by somebody. */
static void *take_some(void *arg)
{
	struct taker *t = arg;
	struct vdi_completion d[16];
	struct vdi_command c[16];
	struct vdi_exchange x;
	unsigned int i, n;

	while (!t->err) {
		t->err = vt_exchange(t->fd, &x, NULL, 0, c, t->chunk, 1, VT_LONG);
		if (t->err == ESHUTDOWN)
			break;
		for (i = n = 0; !t->err && i < x.out_delivered; i++) {
			if (c[i].kind == VDI_KIND_CLOSED)
				continue;
			if (c[i].position >= t->total ||
			    __atomic_add_fetch(&t->seen[c[i].position], 1, __ATOMIC_RELAXED) > 1)
				t->err = -1;
			d[n++] = vt_answer(&c[i], 0);
		}
		if (!t->err && n)
			t->err = vt_put(t->fd, d, n, NULL);
		atomic_fetch_add(t->count, n);
	}
	if (t->err == ESHUTDOWN)
		t->err = 0;
	return NULL;
}

/* Two threads on the set, two on devices: every record exactly once. */
TEST_F(set_form, both_forms_every_record_once)
{
	enum { TOTAL = 6000, BUSY = 2 };
	static unsigned char seen[TOTAL], done[TOTAL];
	unsigned int sent = 0, back = 0, round, n, i;
	struct vdi_exchange x;
	atomic_uint count = 0;
	struct taker t[4];
	pthread_t id[4];
	int err;

	for (i = 0; i < 4; i++) {
		t[i] = (struct taker){ .fd = i < 2 ? self->l.client : self->l.cdev[i - 2],
				       .chunk = 1 + 5 * i, .seen = seen, .total = TOTAL,
				       .count = &count };
		ASSERT_EQ(0, pthread_create(&id[i], NULL, take_some, &t[i]));
	}
	for (round = 0; back < TOTAL; round++) {
		for (n = 0; n < 16 && sent + n < TOTAL; n++) {
			self->cmd[n] = vt_flush((sent + n) % BUSY, sent + n);
			self->cmd[n].position = sent + n;
		}
		/* every third time a device handle collects, without waiting */
		if (round % 3)
			err = vt_exchange(self->l.server, &x, self->cmd, n, self->done, 16, 1,
					  VT_LONG);
		else
			err = vt_exchange(self->l.sdev[0], &x, NULL, 0, self->done, 16, 0, 0);
		if (err == EXFULL && !sched_yield())
			continue;
		ASSERT_EQ(0, err);
		sent += x.out_accepted;
		for (i = 0; i < x.out_delivered; i++) {
			ASSERT_GT(TOTAL, self->done[i].id);
			ASSERT_EQ(1, ++done[self->done[i].id]);
		}
		back += x.out_delivered;
	}
	for (i = 0; i < MANY; i++)
		ASSERT_EQ(0, vt_close_device(self->l.sdev[i]));
	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pthread_join(id[i], NULL));
		EXPECT_EQ(0, t[i].err);
	}
	EXPECT_EQ(TOTAL, atomic_load(&count));
}

TEST_HARNESS_MAIN
