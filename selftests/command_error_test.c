// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O-error state of a device, section 2.5 of the specification point by
 * point: what a failing completion does to the commands around it, and how
 * ClearError ends it.
 */
#include "link.h"
#include "sleeper.h"

#define IO_DEVICE	1117	/* ERROR_IO_DEVICE */
#define HANDLE_EOF	38	/* ERROR_HANDLE_EOF */

/* errored: commands 0..5, of which the client has 0..2 and fails 1. */
FIXTURE(errored) {
	struct vt_link l;
	int client;
	int server;
	struct vdi_command got[8];
	struct vdi_completion done[8];
};

FIXTURE_SETUP(errored)
{
	vt_link_init(&self->l, 2);
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->client = self->l.cdev[0];
	self->server = self->l.sdev[0];
	ASSERT_EQ(0, vt_link_load(&self->l, 0, 6, 0, self->got, 3));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[1].id, HANDLE_EOF, 0));
}

FIXTURE_TEARDOWN(errored)
{
	vt_baseline(_metadata);
}

static int clear_error(int server, uint64_t id)
{
	return vt_send(server, 0, VDI_CMD_CLEAR_ERROR, id);
}

/* Points 1 to 3: what fails, what is completed for it, what stays. */
TEST_F(errored, queued_commands_complete_with_1117)
{
	unsigned int i;

	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->server));
	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->client));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->l.cdev[1]));
	/* the client never sees 3, 4 and 5 */
	EXPECT_EQ(0, vt_take(self->client, self->got + 3, 5));
	ASSERT_EQ(4, vt_take(self->server, self->done, 8));
	EXPECT_EQ(1, self->done[0].id);
	EXPECT_EQ(HANDLE_EOF, self->done[0].code);
	for (i = 1; i < 4; i++) {
		EXPECT_EQ(VDI_KIND_COMPLETION, self->done[i].kind);
		EXPECT_EQ(2 + i, self->done[i].id);
		EXPECT_EQ(IO_DEVICE, self->done[i].code);
		EXPECT_EQ(0, self->done[i].result);
	}
}

TEST_F(errored, taken_commands_stay)
{
	ASSERT_EQ(4, vt_take(self->server, self->done, 8));
	EXPECT_EQ(0, vt_take(self->server, self->done, 8));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 0, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_EQ(2, vt_take(self->server, self->done, 8));
	EXPECT_EQ(2, self->done[0].id);
	EXPECT_EQ(0, self->done[0].code);
	EXPECT_EQ(0, self->done[1].id);
	EXPECT_EQ(0, self->done[1].code);
	/* good completions do not end the state */
	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->server));
}

/* A failure of one that was out already is reported as it is. */
TEST_F(errored, second_failure_keeps_its_own_code)
{
	ASSERT_EQ(4, vt_take(self->server, self->done, 8));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 112, 0));
	ASSERT_EQ(1, vt_take(self->server, self->done, 8));
	EXPECT_EQ(112, self->done[0].code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->server));
}

/* Point 4. */
TEST_F(errored, commands_EREMOTEIO)
{
	uint16_t code;

	for (code = 1; code <= VDI_CMD_COMPLETE; code++) {
		struct vdi_command c = { .code = code };

		if (code == VDI_CMD_CLEAR_ERROR)
			continue;
		if (code <= VDI_CMD_WRITE) {
			c.offset = self->l.offset;
			c.length = 512;
		}
		EXPECT_EQ(EREMOTEIO, vt_put(self->server, &c, 1, NULL));
		EXPECT_EQ(EREMOTEIO, vt_put(self->l.server, &c, 1, NULL));
	}
	EXPECT_EQ(0, vt_take(self->client, self->got + 3, 5));
	/* the other device goes on */
	EXPECT_EQ(0, vt_send(self->l.sdev[1], 1, VDI_CMD_FLUSH, 1));
}

/* Commands before and after the failing one, in one array. */
TEST_F(errored, prefix_up_to_EREMOTEIO)
{
	struct vdi_command c[2] = {
		{ .code = VDI_CMD_CLEAR_ERROR, .id = 50 },
		{ .code = VDI_CMD_FLUSH, .id = 51 },
	};
	struct vdi_exchange x;

	ASSERT_EQ(0, vt_exchange(self->server, &x, c, 2, self->done, 8, 8, VDI_TIME_INFINITE));
	EXPECT_EQ(1, x.out_accepted);
	EXPECT_EQ(EREMOTEIO, x.out_refused);
	EXPECT_EQ(4, x.out_delivered);
}

/* Points 5 and 6. */
TEST_F(errored, clear_error_comes_last)
{
	struct vdi_command c;

	ASSERT_EQ(0, clear_error(self->server, 60));
	EXPECT_EQ(ETIMEDOUT, vt_get(self->client, &c, 0));
	EXPECT_EQ(0, vt_poll(self->client) & POLLIN);
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	EXPECT_EQ(ETIMEDOUT, vt_get(self->client, &c, 0));
	EXPECT_EQ(EREMOTEIO, vt_send(self->server, 0, VDI_CMD_FLUSH, 61));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 0, 0));
	EXPECT_NE(0, vt_poll(self->client) & POLLIN);
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, c.code);
	/* errored until it is acknowledged */
	EXPECT_EQ(EREMOTEIO, vt_send(self->server, 0, VDI_CMD_FLUSH, 61));
	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->server));
	ASSERT_EQ(0, vt_complete(self->client, 0, c.id, 0, 0));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->server));
	ASSERT_EQ(0, vt_send(self->server, 0, VDI_CMD_FLUSH, 61));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	EXPECT_EQ(VDI_CMD_FLUSH, c.code);
	ASSERT_EQ(7, vt_take(self->server, self->done, 8));
	EXPECT_EQ(60, self->done[6].id);
	EXPECT_EQ(0, self->done[6].code);
}

/* The completion that frees a waiting ClearError delivers it in the same call. */
TEST_F(errored, clear_error_in_the_call_that_frees_it)
{
	struct vdi_completion done[2];
	struct vdi_command c[4];
	struct vdi_exchange x;

	ASSERT_EQ(0, clear_error(self->server, 60));
	done[0] = vt_answer(&self->got[0], 0);
	done[1] = vt_answer(&self->got[2], 0);
	ASSERT_EQ(0, vt_exchange(self->client, &x, done, 2, c, 4, 1, VT_LONG));
	EXPECT_EQ(2, x.out_accepted);
	ASSERT_EQ(1, x.out_delivered);
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, c[0].code);
}

TEST_F(errored, clear_error_wakes_a_sleeping_client)
{
	struct vdi_command c;
	struct vt_sleeper s = vt_waiter(self->client, &c, 1, 1, VT_LONG);

	ASSERT_EQ(0, clear_error(self->server, 60));
	ASSERT_TRUE(vt_sleep(&s));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_TRUE(vt_still_asleep(&s));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 0, 0));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(0, s.err);
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, c.code);
}

TEST_F(errored, second_clear_error_EPROTO)
{
	struct vdi_command c;

	ASSERT_EQ(0, clear_error(self->server, 60));
	EXPECT_EQ(EPROTO, clear_error(self->server, 61));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 0, 0));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	EXPECT_EQ(EPROTO, clear_error(self->server, 61));
	ASSERT_EQ(0, vt_complete(self->client, 0, c.id, 0, 0));
	/* without an error there is nothing to clear */
	EXPECT_EQ(EPROTO, clear_error(self->server, 61));
	EXPECT_EQ(EPROTO, vt_send(self->l.sdev[1], 1, VDI_CMD_CLEAR_ERROR, 1));
}

/* A further failure before it is delivered does not complete it. */
TEST_F(errored, failure_leaves_a_waiting_clear_error)
{
	struct vdi_command c;

	ASSERT_EQ(0, clear_error(self->server, 60));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 5, 0));
	ASSERT_EQ(5, vt_take(self->server, self->done, 8));
	EXPECT_EQ(ETIMEDOUT, vt_get(self->client, &c, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 6, 0));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, c.code);
	ASSERT_EQ(0, vt_complete(self->client, 0, c.id, 0, 0));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->server));
}

/* A client may not fail ClearError, and if it does the device stays errored. */
TEST_F(errored, failed_clear_error_stays_errored)
{
	struct vdi_command c;

	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 0, 0));
	ASSERT_EQ(6, vt_take(self->server, self->done, 8));
	ASSERT_EQ(0, clear_error(self->server, 60));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, c.id, 50, 0));
	ASSERT_EQ(1, vt_take(self->server, self->done, 8));
	EXPECT_EQ(50, self->done[0].code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->server));
	/* a further one may be sent */
	ASSERT_EQ(0, clear_error(self->server, 62));
	ASSERT_EQ(0, vt_get(self->client, &c, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, c.id, 0, 0));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, vt_device_state(self->server));
}

/* Point 7: closing instead; the close waits for what is out. */
TEST_F(errored, close_instead_ESHUTDOWN)
{
	struct vdi_command c;

	ASSERT_EQ(0, vt_close_device(self->server));
	EXPECT_EQ(ETIMEDOUT, vt_get(self->client, &c, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_EQ(0, vt_complete(self->client, 0, self->got[2].id, 5, 0));
	EXPECT_EQ(ESHUTDOWN, vt_get(self->client, &c, 0));
	EXPECT_EQ(6, vt_take(self->server, self->done, 8));
	EXPECT_EQ(ESHUTDOWN, vt_collect(self->server, self->done, 0));
}

TEST_F(errored, abort_instead_ECANCELED)
{
	struct vdi_command c;
	unsigned int i, aborted = 0;

	ASSERT_EQ(0, clear_error(self->server, 60));
	ASSERT_EQ(0, vt_abort(self->l.server));
	EXPECT_EQ(ECANCELED, vt_get(self->client, &c, VDI_TIME_INFINITE));
	EXPECT_EQ(ECANCELED, vt_complete(self->client, 0, self->got[0].id, 0, 0));
	ASSERT_EQ(7, vt_take(self->server, self->done, 8));
	for (i = 0; i < 7; i++)
		aborted += self->done[i].code == 995;
	EXPECT_EQ(3, aborted);	/* 0, 2 and ClearError */
}

/* The words of errors: any code other than 0 is one. */
TEST_F(errored, any_code_is_an_error)
{
	static const uint32_t codes[] = { 1, 995, 1117, 0x7fffffff, 0x80000000, ~0U };
	struct vdi_command c;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		ASSERT_EQ(0, vt_send(self->l.sdev[1], 1, VDI_CMD_FLUSH, i));
		ASSERT_EQ(0, vt_get(self->l.cdev[1], &c, 0));
		ASSERT_EQ(0, vt_complete(self->l.cdev[1], 1, c.id, codes[i], 0));
		ASSERT_EQ(0, vt_collect(self->l.sdev[1], self->done, 0));
		EXPECT_EQ(codes[i], self->done[0].code);
		EXPECT_EQ(VDI_DEVICE_ERRORED, vt_device_state(self->l.sdev[1]));
		ASSERT_EQ(0, vt_send(self->l.sdev[1], 1, VDI_CMD_CLEAR_ERROR, 99));
		ASSERT_EQ(0, vt_get(self->l.cdev[1], &c, 0));
		ASSERT_EQ(0, vt_complete(self->l.cdev[1], 1, c.id, 0, 0));
		ASSERT_EQ(0, vt_collect(self->l.sdev[1], self->done, 0));
	}
}

/* A failing Write still reports what it moved. */
TEST_F(errored, short_failing_write_keeps_its_count)
{
	struct vdi_command c = { .device = 1, .code = VDI_CMD_WRITE, .length = 4096,
				 .offset = self->l.offset };
	struct vdi_device_status s = VT_INIT(vdi_device_status);

	ASSERT_EQ(0, vt_put(self->l.sdev[1], &c, 1, NULL));
	ASSERT_EQ(0, vt_get(self->l.cdev[1], &c, 0));
	ASSERT_EQ(0, vt_complete(self->l.cdev[1], 1, c.id, HANDLE_EOF, 512));
	ASSERT_EQ(0, vt_collect(self->l.sdev[1], self->done, 0));
	EXPECT_EQ(HANDLE_EOF, self->done[0].code);
	EXPECT_EQ(512, self->done[0].result);
	ASSERT_OK(self->l.sdev[1], VDI_IOC_DEVICE_STATUS, &s);
	EXPECT_EQ(1, s.out_errors);
}

TEST_HARNESS_MAIN
