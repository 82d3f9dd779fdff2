// SPDX-License-Identifier: GPL-2.0-only
/*
 * What EXCHANGE reports: the accepted prefix, the refused errno, and that
 * nothing deliverable is ever hidden.  No test here waits; waiting is in
 * exchange_wait_test.c, the form of set handles in exchange_set_test.c, bad
 * memory in exchange_fault_test.c.
 */
#include "link.h"

#define DEPTH	64U	/* of a ring when CREATE names none */

/* Arrays across the chunks in which the records are copied. */
static const unsigned int cuts[] = { 0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 63 };

TEST_F(queue, empty_call_gives_0)
{
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_exchange(self->server, &x, NULL, 0, NULL, 0, 0, VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(0, x.out_refused);
	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, NULL, 0, 0, VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(0, x.out_refused);
}

TEST_F(queue, min_0_does_not_wait)
{
	struct vdi_command c;
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_exchange(self->client, &x, NULL, 0, &c, 1, 0, VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

TEST_F(queue, accepts_without_room_for_answers)
{
	struct vdi_command c[3], got[4];
	struct vdi_exchange x;

	vt_flushes(c, 3, 0, 10);
	ASSERT_EQ(0, vt_exchange(self->server, &x, c, 3, NULL, 0, 0, 0));
	EXPECT_EQ(3, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(0, x.out_refused);
	EXPECT_EQ(3, vt_take(self->client, got, 4));
}

TEST_F(queue, inputs_are_not_written)
{
	struct vdi_command c[4], before[4], got[4];
	struct vdi_completion done[4], done_before[4];
	struct vdi_exchange x;
	int i;

	vt_flushes(c, 4, 0, 1);
	c[2].code = 0;
	memcpy(before, c, sizeof(c));
	ASSERT_EQ(0, vt_exchange(self->server, &x, c, 4, NULL, 0, 0, 0));
	EXPECT_EQ(0, memcmp(before, c, sizeof(c)));
	EXPECT_EQ((uintptr_t)c, x.in);
	EXPECT_EQ(4, x.nr_in);
	ASSERT_EQ(2, vt_take(self->client, got, 4));
	for (i = 0; i < 4; i++)
		done[i] = vt_answer(&got[i % 2], 0);
	memcpy(done_before, done, sizeof(done));
	ASSERT_EQ(0, vt_exchange(self->client, &x, done, 4, NULL, 0, 0, 0));
	EXPECT_EQ(2, x.out_accepted);
	EXPECT_EQ(EINVAL, x.out_refused);
	EXPECT_EQ(0, memcmp(done_before, done, sizeof(done)));
}

/* Entries are taken in order until one is refused; those after it never were. */
TEST_F(queue, bad_command_ends_the_prefix)
{
	struct vdi_completion done[DEPTH];
	struct vdi_command c[DEPTH], got[DEPTH];
	struct vdi_exchange x;
	unsigned int i, k, j;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		k = cuts[i];
		vt_flushes(c, DEPTH, 0, 1000);
		c[k].code = 0;
		if (k) {
			ASSERT_EQ(0, vt_exchange(self->server, &x, c, DEPTH, NULL, 0, 0, 0));
			EXPECT_EQ(k, x.out_accepted);
			EXPECT_EQ(EINVAL, x.out_refused);
		} else {
			x = VT_INIT(vdi_exchange, .in = (uintptr_t)c, .nr_in = DEPTH);
			EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_EXCHANGE, &x);
		}
		ASSERT_EQ((int)k, vt_take(self->client, got, DEPTH));
		for (j = 0; j < k; j++)
			done[j] = vt_answer(&got[j], 0);
		ASSERT_EQ(0, vt_put(self->client, done, k, NULL));
		ASSERT_EQ((int)k, vt_take(self->server, done, DEPTH));
		for (j = 0; j < k; j++)
			EXPECT_EQ(1000 + j, done[j].id);
	}
}

TEST_F(queue, bad_completion_ends_the_prefix)
{
	struct vdi_completion done[DEPTH];
	struct vdi_command got[DEPTH];
	struct vdi_exchange x;
	unsigned int i, k, j;

	for (i = 0; i < ARRAY_SIZE(cuts); i++) {
		k = cuts[i];
		ASSERT_EQ(0, vt_link_load(&self->l, 0, DEPTH, 0, got, DEPTH));
		for (j = 0; j < DEPTH; j++)
			done[j] = vt_answer(&got[j], 0);
		done[k].id = ~0ULL;
		if (k) {
			ASSERT_EQ(0, vt_exchange(self->client, &x, done, DEPTH, NULL, 0, 0, 0));
			EXPECT_EQ(k, x.out_accepted);
			EXPECT_EQ(EINVAL, x.out_refused);
		} else {
			x = VT_INIT(vdi_exchange, .in = (uintptr_t)done, .nr_in = DEPTH);
			EXPECT_ERRNO(EINVAL, self->client, VDI_IOC_EXCHANGE, &x);
		}
		/* the caller deals with the bad one and goes on: all the rest is still taken */
		done[k].id = got[k].id;
		ASSERT_EQ(0, vt_exchange(self->client, &x, done + k, DEPTH - k, NULL, 0, 0, 0));
		EXPECT_EQ(DEPTH - k, x.out_accepted);
		ASSERT_EQ((int)DEPTH, vt_take(self->server, done, DEPTH));
	}
}

/* A refused entry does not keep back what waits, and the call does not wait. */
TEST_F(queue, refused_command_delivers_in_the_same_call)
{
	struct vdi_command got, bad = { .code = 0 };
	struct vdi_completion c[4];
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 2, 7, &got, 1));
	ASSERT_EQ(0, vt_complete(self->client, 0, got.id, 0, 0));
	memset(c, VT_POISON, sizeof(c));
	ASSERT_EQ(0, vt_exchange(self->server, &x, &bad, 1, c, 4, 4, VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_accepted);
	EXPECT_EQ(EINVAL, x.out_refused);
	ASSERT_EQ(1, x.out_delivered);
	EXPECT_EQ(VDI_KIND_COMPLETION, c[0].kind);
	EXPECT_EQ(7, c[0].id);
	EXPECT_TRUE(vt_poisoned(&c[1], 3 * sizeof(c[0])));
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

TEST_F(queue, refused_completion_delivers_in_the_same_call)
{
	struct vdi_completion bad = { .id = 12345 };
	struct vdi_command c[4];
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	memset(c, VT_POISON, sizeof(c));
	ASSERT_EQ(0, vt_exchange(self->client, &x, &bad, 1, c, 4, 4, VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_accepted);
	EXPECT_EQ(EINVAL, x.out_refused);
	ASSERT_EQ(1, x.out_delivered);
	EXPECT_EQ(VDI_KIND_COMMAND, c[0].kind);
	EXPECT_TRUE(vt_poisoned(&c[1], 3 * sizeof(c[0])));
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

/* Nothing accepted and nothing delivered: the refused entry's errno, no wait. */
TEST_F(queue, refusal_with_nothing_moved_is_the_errno)
{
	struct vdi_command c = { .code = 0 }, out;
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)&c, .nr_in = 1,
					.out = (uintptr_t)&out, .nr_out = 1, .min = 1,
					.deadline_ns = VDI_TIME_INFINITE);

	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_ERRNO(EINVAL, self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

/* What was accepted counts, although something else was refused. */
TEST_F(queue, refusal_after_acceptance_does_not_wait)
{
	struct vdi_command c[2];
	struct vdi_completion out;
	struct vdi_exchange x;

	vt_flushes(c, 2, 0, 1);
	c[1].code = 0;
	ASSERT_EQ(0, vt_exchange(self->server, &x, c, 2, &out, 1, 1, VDI_TIME_INFINITE));
	EXPECT_EQ(1, x.out_accepted);
	EXPECT_EQ(0, x.out_delivered);
	EXPECT_EQ(EINVAL, x.out_refused);
	EXPECT_EQ(0, vt_sleeps(self->l.client));
}

/* Slots are busy until their completions are collected; a full ring hides none. */
TEST_F(queue, full_ring_EXFULL_and_delivered)
{
	struct vdi_completion done[DEPTH];
	struct vdi_command got[DEPTH], more[2];
	struct vdi_exchange x;
	unsigned int i;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, DEPTH, 0, got, DEPTH));
	EXPECT_EQ(EXFULL, vt_send(self->server, 0, VDI_CMD_FLUSH, 99));
	for (i = 0; i < DEPTH; i++)
		done[i] = vt_answer(&got[i], 0);
	ASSERT_EQ(0, vt_put(self->client, done, DEPTH, NULL));
	EXPECT_EQ(EXFULL, vt_send(self->server, 0, VDI_CMD_FLUSH, 99));

	vt_flushes(more, 2, 0, 500);
	ASSERT_EQ(0, vt_exchange(self->server, &x, more, 2, done, DEPTH, DEPTH,
				 VDI_TIME_INFINITE));
	EXPECT_EQ(0, x.out_accepted);
	EXPECT_EQ(EXFULL, x.out_refused);
	EXPECT_EQ(DEPTH, x.out_delivered);
	ASSERT_EQ(0, vt_exchange(self->server, &x, more, 2, done, DEPTH, 0, 0));
	EXPECT_EQ(2, x.out_accepted);
	EXPECT_EQ(0, x.out_refused);
}

TEST_F(queue, array_larger_than_the_ring)
{
	struct vdi_command c[DEPTH + 10], got[DEPTH + 10];
	struct vdi_exchange x;
	unsigned int i;

	vt_flushes(c, DEPTH + 10, 0, 0);
	ASSERT_EQ(0, vt_exchange(self->server, &x, c, DEPTH + 10, NULL, 0, 0, 0));
	EXPECT_EQ(DEPTH, x.out_accepted);
	EXPECT_EQ(EXFULL, x.out_refused);
	ASSERT_EQ((int)DEPTH, vt_take(self->client, got, DEPTH + 10));
	for (i = 0; i < DEPTH; i++) {
		EXPECT_EQ(VDI_KIND_COMMAND, got[i].kind);
		EXPECT_EQ(VDI_CMD_FLUSH, got[i].code);
	}
}

/* Less room than there is to deliver: the rest comes next time, in order. */
TEST_F(queue, small_out_array_loses_nothing)
{
	struct vdi_completion done[DEPTH];
	struct vdi_command got[DEPTH];
	unsigned int i;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, DEPTH, 100, NULL, 0));
	for (i = 0; i < DEPTH; i += 4)
		ASSERT_EQ(4, vt_take(self->client, got + i, 4));
	EXPECT_EQ(0, vt_take(self->client, got, 4));
	for (i = 0; i < DEPTH; i++)
		done[i] = vt_answer(&got[i], 0);
	ASSERT_EQ(0, vt_put(self->client, done, DEPTH, NULL));
	memset(done, VT_POISON, sizeof(done));
	for (i = 0; i < DEPTH; i++)
		ASSERT_EQ(1, vt_take(self->server, done + i, 1));
	EXPECT_EQ(0, vt_take(self->server, done, 1));
	for (i = 0; i < DEPTH; i++)
		EXPECT_EQ(100 + i, done[i].id);
}

/* Completing and fetching in one call: what was freed is not yet sent again. */
TEST_F(queue, one_call_a_side_per_round)
{
	struct vdi_completion done[8];
	struct vdi_command c[8];
	struct vdi_exchange x;
	unsigned int i, round, seen = 0;

	vt_flushes(c, 8, 0, 0);
	ASSERT_EQ(0, vt_put(self->server, c, 8, NULL));
	ASSERT_EQ(8, vt_take(self->client, c, 8));
	for (round = 0; round < 100; round++) {
		for (i = 0; i < 8; i++)
			done[i] = vt_answer(&c[i], 0);
		ASSERT_EQ(0, vt_exchange(self->client, &x, done, 8, c, 8, 0, 0));
		ASSERT_EQ(8, x.out_accepted);
		ASSERT_EQ(0, x.out_delivered);
		vt_flushes(c, 8, 0, 8 * round + 8);
		ASSERT_EQ(0, vt_exchange(self->server, &x, c, 8, done, 8, 8, VT_LONG));
		ASSERT_EQ(8, x.out_accepted);
		ASSERT_EQ(8, x.out_delivered);
		for (i = 0; i < 8; i++)
			EXPECT_EQ(seen++, done[i].id);
		ASSERT_EQ(8, vt_take(self->client, c, 8));
	}
}

TEST_F(queue, nr_in_beyond_limit_EINVAL)
{
	static struct vdi_command c[VDI_MAX_EXCHANGE + 1];
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)c,
					.nr_in = VDI_MAX_EXCHANGE + 1);

	vt_flushes(c, ARRAY_SIZE(c), 0, 0);
	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(0, vt_take(self->client, c, 1));
	x.nr_in = VDI_MAX_EXCHANGE;
	ASSERT_OK(self->server, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(DEPTH, x.out_accepted);
}

TEST_F(queue, nr_out_beyond_limit_EINVAL)
{
	static struct vdi_command c[VDI_MAX_EXCHANGE + 1];
	struct vdi_exchange x = VT_INIT(vdi_exchange, .out = (uintptr_t)c,
					.nr_out = VDI_MAX_EXCHANGE + 1);

	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 1));
	EXPECT_ERRNO(EINVAL, self->client, VDI_IOC_EXCHANGE, &x);
	x.nr_out = VDI_MAX_EXCHANGE;
	ASSERT_OK(self->client, VDI_IOC_EXCHANGE, &x);
	EXPECT_EQ(1, x.out_delivered);
}

TEST_F(queue, min_beyond_nr_out_EINVAL)
{
	struct vdi_command c = vt_flush(0, 1), out;
	struct vdi_exchange x = VT_INIT(vdi_exchange, .in = (uintptr_t)&c, .nr_in = 1,
					.out = (uintptr_t)&out, .nr_out = 1, .min = 2,
					.deadline_ns = VDI_TIME_INFINITE);

	EXPECT_ERRNO(EINVAL, self->server, VDI_IOC_EXCHANGE, &x);
	/* the good command in the array was not taken either */
	EXPECT_EQ(0, vt_take(self->client, &out, 1));
}

TEST_F(queue, counters_follow_each_step)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);
	struct vdi_completion done;
	struct vdi_command got[2];

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 3, 0, got, 2));
	ASSERT_OK(self->server, VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(1, s.out_queued);
	EXPECT_EQ(2, s.out_taken);
	EXPECT_EQ(0, s.out_done);
	EXPECT_EQ(3, s.out_commands);
	EXPECT_EQ(0, s.out_completions);
	ASSERT_EQ(0, vt_complete(self->client, 0, got[1].id, 0, 0));
	ASSERT_OK(self->client, VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(1, s.out_queued);
	EXPECT_EQ(1, s.out_taken);
	EXPECT_EQ(1, s.out_done);
	EXPECT_EQ(1, s.out_completions);
	ASSERT_EQ(1, vt_take(self->server, &done, 1));
	ASSERT_OK(self->server, VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(0, s.out_done);
	EXPECT_EQ(3, s.out_commands);
	EXPECT_EQ(0, s.out_errors);
}

/* rings: other depths than the default. */
FIXTURE(ring) {
	struct vt_link l;
};

FIXTURE_VARIANT(ring) {
	unsigned int depth;
};

FIXTURE_VARIANT_ADD(ring, depth_1) {
	.depth = 1,
};

FIXTURE_VARIANT_ADD(ring, depth_3) {
	.depth = 3,
};

FIXTURE_VARIANT_ADD(ring, depth_256) {
	.depth = 256,
};

FIXTURE_SETUP(ring)
{
	vt_link_init(&self->l, 1);
	self->l.create.ring_depth = variant->depth;
	ASSERT_EQ(0, vt_link_up(&self->l));
}

FIXTURE_TEARDOWN(ring)
{
	vt_baseline(_metadata);
}

TEST_F(ring, holds_exactly_its_depth)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config);
	struct vdi_command c[300], got[300];
	struct vdi_completion done[300];
	struct vdi_exchange x;
	unsigned int i, round;

	ASSERT_OK(self->l.client, VDI_IOC_GET_CONFIG, &g);
	EXPECT_EQ(variant->depth, g.out_ring_depth);
	for (round = 0; round < 3; round++) {
		vt_flushes(c, 300, 0, round);
		ASSERT_EQ(0, vt_exchange(self->l.sdev[0], &x, c, 300, NULL, 0, 0, 0));
		EXPECT_EQ(variant->depth, x.out_accepted);
		EXPECT_EQ(EXFULL, x.out_refused);
		ASSERT_EQ((int)variant->depth, vt_take(self->l.cdev[0], got, 300));
		/* taken commands still occupy the ring */
		EXPECT_EQ(EXFULL, vt_put(self->l.sdev[0], c, 1, NULL));
		for (i = 0; i < variant->depth; i++)
			done[i] = vt_answer(&got[i], 0);
		ASSERT_EQ(0, vt_put(self->l.cdev[0], done, variant->depth, NULL));
		EXPECT_EQ(EXFULL, vt_put(self->l.sdev[0], c, 1, NULL));
		ASSERT_EQ((int)variant->depth, vt_take(self->l.sdev[0], done, 300));
		for (i = 0; i < variant->depth; i++)
			EXPECT_EQ(round + i, done[i].id);
	}
}

TEST_HARNESS_MAIN
