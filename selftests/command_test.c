// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life of one command: its fields, its id, its one completion.  The ranges
 * of buffers are in command_range_test.c, the I/O-error state in
 * command_error_test.c.
 */
#include "link.h"

/* command: one Write in the client's hands, of one of two devices. */
FIXTURE(command) {
	struct vt_link l;
	int client;
	int server;
	struct vdi_command sent;
	struct vdi_command got;
};

FIXTURE_SETUP(command)
{
	vt_link_init(&self->l, 2);
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->client = self->l.cdev[1];
	self->server = self->l.sdev[1];
	self->sent = (struct vdi_command){
		.device = 1, .code = VDI_CMD_WRITE, .length = 4096,
		.id = 0xfeedfacecafebeefULL, .offset = self->l.offset + VT_TRANSFER,
		.position = 0x8000000000000001ULL,
	};
	ASSERT_EQ(0, vt_put(self->server, &self->sent, 1, NULL));
	ASSERT_EQ(0, vt_get(self->client, &self->got, VT_LONG));
}

FIXTURE_TEARDOWN(command)
{
	vt_baseline(_metadata);
}

TEST_F(command, fields_reach_the_client)
{
	EXPECT_EQ(VDI_KIND_COMMAND, self->got.kind);
	EXPECT_EQ(1, self->got.device);
	EXPECT_EQ(VDI_CMD_WRITE, self->got.code);
	EXPECT_EQ(4096, self->got.length);
	EXPECT_EQ(self->sent.offset, self->got.offset);
	EXPECT_EQ(self->sent.position, self->got.position);
}

TEST_F(command, fields_reach_the_server)
{
	struct vdi_completion c;

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 4096));
	ASSERT_EQ(0, vt_collect(self->server, &c, VT_LONG));
	EXPECT_EQ(VDI_KIND_COMPLETION, c.kind);
	EXPECT_EQ(1, c.device);
	EXPECT_EQ(0, c.__reserved);
	EXPECT_EQ(0, c.code);
	EXPECT_EQ(self->sent.id, c.id);
	EXPECT_EQ(4096, c.result);
}

/* The extreme values of every field that is passed through. */
TEST_F(command, extreme_values_pass)
{
	static const int32_t lengths[] = { 0, 1, -1, INT32_MAX, INT32_MIN };
	static const uint64_t words[] = { 0, 1, ~0ULL, 1ULL << 63, INT64_MAX };
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (j = 0; j < ARRAY_SIZE(words); j++) {
			struct vdi_command got, c = {
				.device = 1, .code = VDI_CMD_SKIP_MARKS, .length = lengths[i],
				.id = words[j], .position = words[ARRAY_SIZE(words) - 1 - j],
			};
			struct vdi_completion done;

			ASSERT_EQ(0, vt_put(self->server, &c, 1, NULL));
			ASSERT_EQ(0, vt_get(self->client, &got, VT_LONG));
			EXPECT_EQ(c.length, got.length);
			EXPECT_EQ(c.position, got.position);
			EXPECT_EQ(0, got.offset);
			ASSERT_EQ(0, vt_complete(self->client, 1, got.id, 0, 0));
			ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
			EXPECT_EQ(words[j], done.id);
		}
	}
}

/* Every code but 0, known or not, is the business of the two sides. */
TEST_F(command, codes_pass)
{
	static const uint16_t codes[] = { 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17,
					  18, 19, 20, 255, 256, 0x7fff, 0xffff };
	struct vdi_completion done;
	struct vdi_command got;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		ASSERT_EQ(0, vt_send(self->server, 1, codes[i], i));
		ASSERT_EQ(0, vt_get(self->client, &got, VT_LONG));
		EXPECT_EQ(codes[i], got.code);
		ASSERT_EQ(0, vt_complete(self->client, 1, got.id, 0, 0));
		ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
		EXPECT_EQ(i, done.id);
	}
	EXPECT_EQ(EINVAL, vt_send(self->server, 1, 0, 1));
}

/* GetPosition and SetPosition answer with a position; others have no result. */
TEST_F(command, results_of_positions)
{
	static const struct {
		uint16_t code;
		uint64_t result;
		uint64_t seen;
	} t[] = {
		{ VDI_CMD_GET_POSITION, ~0ULL, ~0ULL },
		{ VDI_CMD_GET_POSITION, 0, 0 },
		{ VDI_CMD_SET_POSITION, 1ULL << 63, 1ULL << 63 },
		{ VDI_CMD_SET_POSITION, 12345, 12345 },
		{ VDI_CMD_FLUSH, 4096, 0 },
		{ VDI_CMD_REWIND, ~0ULL, 0 },
		{ VDI_CMD_COMPLETE, 1, 0 },
	};
	struct vdi_completion done;
	struct vdi_command got;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		ASSERT_EQ(0, vt_send(self->server, 1, t[i].code, i));
		ASSERT_EQ(0, vt_get(self->client, &got, VT_LONG));
		ASSERT_EQ(0, vt_complete(self->client, 1, got.id, 0, t[i].result));
		ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
		EXPECT_EQ(t[i].seen, done.result);
	}
}

/* Ids. */

TEST_F(command, id_unknown_EINVAL)
{
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id ^ 1, 0, 0));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, ~0ULL, 0, 0));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id ^ (1ULL << 63), 0, 0));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id ^ (1ULL << 32), 0, 0));
	/* the server's own word is no id */
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->sent.id, 0, 0));
	/* none of these was the end of it */
	EXPECT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 0));
}

TEST_F(command, id_twice_EINVAL)
{
	struct vdi_completion c[2];

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 7));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 5, 8));
	ASSERT_EQ(1, vt_take(self->server, c, 2));
	EXPECT_EQ(0, c[0].code);
	EXPECT_EQ(7, c[0].result);
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 5, 8));
}

/* The id of a command that is over, when its slot has been used again. */
TEST_F(command, id_stale_EINVAL)
{
	struct vdi_completion done;
	struct vdi_command got;
	unsigned int i;

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 0));
	ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
	for (i = 0; i < 200; i++) {
		ASSERT_EQ(0, vt_send(self->server, 1, VDI_CMD_FLUSH, i));
		ASSERT_EQ(0, vt_get(self->client, &got, VT_LONG));
		ASSERT_NE(self->got.id, got.id);
		EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 0, 0));
		ASSERT_EQ(0, vt_complete(self->client, 1, got.id, 0, 0));
		ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
	}
}

/* The server can find a client that answers twice, or more than was asked. */
TEST_F(command, refused_are_counted)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);

	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 0, 4097));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id ^ 1, 0, 0));
	ASSERT_OK(self->server, VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(2, s.out_refused);
	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 4096));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 0, 4096));
	ASSERT_OK(self->server, VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(3, s.out_refused);
	EXPECT_EQ(1, s.out_completions);
}

/* A command that still waits has no id yet, even for who guesses it. */
TEST_F(command, id_not_delivered_EINVAL)
{
	struct vdi_command got[3];
	struct vdi_completion c;
	uint64_t guess;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 3, 0, got, 2));
	for (guess = 0; guess < 512; guess++)
		if (guess != got[0].id && guess != got[1].id)
			ASSERT_EQ(EINVAL, vt_complete(self->l.cdev[0], 0, guess, 0, 0));
	guess = 2 * got[1].id - got[0].id;
	EXPECT_EQ(EINVAL, vt_complete(self->l.cdev[0], 0, guess, 0, 0));
	EXPECT_EQ(0, vt_take(self->l.sdev[0], &c, 1));
	ASSERT_EQ(1, vt_take(self->l.cdev[0], &got[2], 1));
	ASSERT_EQ(0, vt_complete(self->l.cdev[0], 0, got[2].id, 0, 0));
	ASSERT_EQ(0, vt_collect(self->l.sdev[0], &c, VT_LONG));
	EXPECT_EQ(2, c.id);
}

TEST_F(command, id_of_another_device_EINVAL)
{
	struct vdi_command other;
	struct vdi_completion c;

	EXPECT_EQ(EINVAL, vt_complete(self->l.cdev[0], 0, self->got.id, 0, 0));
	EXPECT_EQ(EINVAL, vt_complete(self->l.client, 0, self->got.id, 0, 0));
	/* also when that device has a command out itself */
	ASSERT_EQ(0, vt_send(self->l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_get(self->l.cdev[0], &other, VT_LONG));
	if (other.id != self->got.id)
		EXPECT_EQ(EINVAL, vt_complete(self->l.cdev[0], 0, self->got.id, 0, 0));
	/* the index says which, and on a device handle it must be the device's */
	EXPECT_EQ(EINVAL, vt_complete(self->client, 0, self->got.id, 0, 0));
	EXPECT_EQ(0, vt_take(self->l.server, &c, 1));
	EXPECT_EQ(0, vt_complete(self->l.client, 1, self->got.id, 0, 0));
}

TEST_F(command, id_of_another_set_EINVAL)
{
	struct vdi_command other;
	struct vt_link l;

	vt_link_init(&l, 2);
	ASSERT_EQ(0, vt_link_up(&l));
	EXPECT_EQ(EINVAL, vt_complete(l.cdev[1], 1, self->got.id, 0, 0));
	ASSERT_EQ(0, vt_link_load(&l, 1, 1, 3, &other, 1));
	ASSERT_EQ(0, vt_complete(l.cdev[1], 1, other.id, 0, 0));
	EXPECT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 0));
}

/* Reserved words and the kind. */

TEST_F(command, kind_in_command_EINVAL)
{
	struct vdi_command c = vt_flush(1, 1);

	for (c.kind = 1; c.kind < 5; c.kind++)
		EXPECT_EQ(EINVAL, vt_put(self->server, &c, 1, NULL));
	c.kind = 0x80;
	EXPECT_EQ(EINVAL, vt_put(self->server, &c, 1, NULL));
}

TEST_F(command, kind_in_completion_EINVAL)
{
	struct vdi_completion c = vt_answer(&self->got, 0);

	for (c.kind = 1; c.kind < 5; c.kind++)
		EXPECT_EQ(EINVAL, vt_put(self->client, &c, 1, NULL));
	c.kind = 0;
	EXPECT_EQ(0, vt_put(self->client, &c, 1, NULL));
}

TEST_F(command, reserved_in_completion_EINVAL)
{
	struct vdi_completion c = vt_answer(&self->got, 0);

	c.__reserved = 1;
	EXPECT_EQ(EINVAL, vt_put(self->client, &c, 1, NULL));
	c.__reserved = 0x8000;
	EXPECT_EQ(EINVAL, vt_put(self->client, &c, 1, NULL));
	c.__reserved = 0;
	EXPECT_EQ(0, vt_put(self->client, &c, 1, NULL));
}

TEST_F(command, device_of_command_EINVAL)
{
	struct vdi_command c = vt_flush(0, 1);

	EXPECT_EQ(EINVAL, vt_put(self->server, &c, 1, NULL));
	c.device = 2;
	EXPECT_EQ(EINVAL, vt_put(self->server, &c, 1, NULL));
	EXPECT_EQ(EINVAL, vt_put(self->l.server, &c, 1, NULL));
}

/* Completions. */

TEST_F(command, result_beyond_length_EINVAL)
{
	struct vdi_completion c;

	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 0, 4097));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 0, ~0ULL));
	EXPECT_EQ(EINVAL, vt_complete(self->client, 1, self->got.id, 38, 1ULL << 32));
	EXPECT_EQ(0, vt_take(self->server, &c, 1));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->server));
	EXPECT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 4096));
}

TEST_F(command, short_counts_pass)
{
	static const unsigned int counts[] = { 0, 1, 512, 4095, 4096 };
	struct vdi_completion done;
	struct vdi_command got;
	unsigned int i, code;

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 4096));
	ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
	for (code = VDI_CMD_READ; code <= VDI_CMD_WRITE; code++) {
		for (i = 0; i < ARRAY_SIZE(counts); i++) {
			self->sent.code = code;
			ASSERT_EQ(0, vt_put(self->server, &self->sent, 1, NULL));
			ASSERT_EQ(0, vt_get(self->client, &got, VT_LONG));
			ASSERT_EQ(0, vt_complete(self->client, 1, got.id, 0, counts[i]));
			ASSERT_EQ(0, vt_collect(self->server, &done, VT_LONG));
			EXPECT_EQ(0, done.code);
			EXPECT_EQ(counts[i], done.result);
		}
	}
}

/* The order in which the client completes is the order of the completions. */
TEST_F(command, out_of_order)
{
	static const unsigned int order[] = { 5, 0, 7, 3, 1, 6, 2, 4 };
	struct vdi_completion c[8];
	struct vdi_command got[8];
	unsigned int i;

	ASSERT_EQ(0, vt_link_load(&self->l, 0, 8, 100, got, 8));
	for (i = 0; i < 8; i++)
		c[i] = vt_answer(&got[order[i]], 0);
	ASSERT_EQ(0, vt_put(self->l.cdev[0], c, 8, NULL));
	ASSERT_EQ(8, vt_take(self->l.sdev[0], c, 8));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(100 + order[i], c[i].id);
}

/* Accepted commands have one completion each, refused ones none. */
TEST_F(command, exactly_one_completion)
{
	unsigned int seen[300] = {}, sent = 0, i, n, seed = 3;
	struct vdi_completion done[64];
	struct vdi_command got[64];
	unsigned int held = 0;

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 0));
	ASSERT_EQ(0, vt_collect(self->server, done, VT_LONG));
	while (sent < 300 || held) {
		for (i = rand_r(&seed) % 16; i && sent < 300; i--) {
			if (vt_send(self->server, 1, VDI_CMD_FLUSH, sent))
				break;
			sent++;
			if (!(sent % 7))
				EXPECT_NE(0, vt_send(self->server, 1, 0, 9999));
		}
		n = vt_take(self->client, got + held, 64 - held);
		ASSERT_GE(64, held + n);
		held += n;
		for (i = rand_r(&seed) % 8; i && held; i--) {
			n = rand_r(&seed) % held;
			ASSERT_EQ(0, vt_complete(self->client, 1, got[n].id, 0, 0));
			got[n] = got[--held];
		}
		n = vt_take(self->server, done, 64);
		ASSERT_GE(64, n);
		for (i = 0; i < n; i++) {
			ASSERT_GT(300, done[i].id);
			EXPECT_EQ(1, ++seen[done[i].id]);
		}
	}
	n = vt_take(self->server, done, 64);
	for (i = 0; i < n; i++)
		EXPECT_EQ(1, ++seen[done[i].id]);
	for (i = 0; i < 300; i++)
		EXPECT_EQ(1, seen[i]);
}

/* Commands may be sent before the client has opened the device. */
TEST_F(command, waits_for_the_client_to_open)
{
	struct vdi_command got[2];
	struct vt_link l;
	int dev;

	vt_link_init(&l, 1);
	ASSERT_EQ(0, vt_link_configure(&l));
	l.sdev[0] = vt_open_device(l.server, l.create.name);
	ASSERT_LE(0, l.sdev[0]);
	ASSERT_EQ(0, vt_send(l.sdev[0], 0, VDI_CMD_FLUSH, 1));
	ASSERT_EQ(0, vt_send(l.server, 0, VDI_CMD_REWIND, 2));
	dev = vt_open_device(l.client, l.create.name);
	ASSERT_LE(0, dev);
	ASSERT_EQ(2, vt_take(dev, got, 2));
	EXPECT_EQ(VDI_CMD_FLUSH, got[0].code);
	EXPECT_EQ(VDI_CMD_REWIND, got[1].code);
}

TEST_F(command, counts_in_bytes)
{
	struct vdi_status s;

	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 1000));
	self->sent.code = VDI_CMD_READ;
	ASSERT_EQ(0, vt_put(self->server, &self->sent, 1, NULL));
	ASSERT_EQ(0, vt_get(self->client, &self->got, VT_LONG));
	ASSERT_EQ(0, vt_complete(self->client, 1, self->got.id, 0, 300));
	ASSERT_EQ(0, vt_status(self->l.client, &s));
	EXPECT_EQ(2, s.out_stat.commands);
	EXPECT_EQ(2, s.out_stat.completions);
	EXPECT_EQ(1000, s.out_stat.bytes_written);
	EXPECT_EQ(300, s.out_stat.bytes_read);
	EXPECT_EQ(0, s.out_stat.outstanding);
	EXPECT_EQ(0, s.out_stat.errors);
}

TEST_HARNESS_MAIN
