// SPDX-License-Identifier: GPL-2.0-only
/*
 * The I/O-error protocol, section 2.5 of the specification, sentence by sentence
 * through libvdi: which callback comes when, in which thread, with which code.
 * The same through the ioctls is command_error_test's.
 */
#include "liblink.h"

#define DISK_FULL	112	/* ERROR_DISK_FULL */
#define IO_DEVICE	1117	/* ERROR_IO_DEVICE */
#define SENT		6

/* errored: of commands 0..5 the client has 0..2, and has failed 1. */
FIXTURE(errored) {
	struct lib_link l;
	struct vdi_client_device *client;
	struct vdi_server_device *server;
	struct lib_call call[SENT];
	const struct vdi_client_command *got[3];
	const struct vdi_client_command *c;
	struct lib_call more;		/* what the tests send */
};

FIXTURE_SETUP(errored)
{
	int i;

	lib_link_init(&self->l, 2);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	self->client = self->l.cdev[0];
	self->server = self->l.sdev[0];
	for (i = 0; i < SENT; i++)
		ASSERT_EQ(0, lib_send(&self->l, 0, &self->call[i], VDI_CMD_FLUSH));
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vdi_client_get_command(self->client, 20000, &self->got[i]));
	ASSERT_EQ(0, vdi_client_complete_command(self->client, self->got[1], DISK_FULL, 0, 0));
	/* the answer and the three that are finished for the client */
	for (i = 1; i < SENT; i++)
		if (i != 2)
			ASSERT_TRUE(lib_called(&self->call[i]));
}

/* Whatever happened to them: each command was called back once, in one thread. */
FIXTURE_TEARDOWN(errored)
{
	int i;

	vdi_server_abort(self->l.server, 0, NULL);
	ASSERT_TRUE(lib_agent_ends(&self->l));
	for (i = 0; i < SENT; i++) {
		EXPECT_EQ(1, atomic_load(&self->call[i].calls));
		EXPECT_TRUE(pthread_equal(self->l.agent, self->call[i].thread));
	}
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static uint32_t device_state(struct vdi_client_device *dev)
{
	struct vdi_device_status s = { .size = sizeof(s) };

	return vdi_client_device_status(dev, &s) ? ~0U : s.out_state;
}

static int answer(FIXTURE_DATA(errored) *self, const struct vdi_client_command *c, uint32_t code)
{
	return vdi_client_complete_command(self->client, c, code, 0, 0);
}

static int answer_next(FIXTURE_DATA(errored) *self, uint32_t code)
{
	return vdi_client_get_command(self->client, 20000, &self->c) ?:
	       answer(self, self->c, code);
}

/* Sentence 1, and that the other device is not concerned. */
TEST_F(errored, s1_any_other_code_enters_errored)
{
	static const uint32_t codes[] = { 1, 995, IO_DEVICE, 0x7fffffff, 0x80000000, ~0U };
	struct vdi_client_device *other = self->l.cdev[1];
	unsigned int i;

	EXPECT_EQ(DISK_FULL, self->call[1].code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(self->client));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, device_state(other));
	for (i = 0; i < ARRAY_SIZE(codes); i++) {
		ASSERT_EQ(0, lib_send(&self->l, 1, &self->more, VDI_CMD_REWIND));
		ASSERT_EQ(0, vdi_client_get_command(other, 20000, &self->c));
		ASSERT_EQ(0, vdi_client_complete_command(other, self->c, codes[i], 0, 0));
		ASSERT_TRUE(lib_called(&self->more));
		EXPECT_EQ(codes[i], self->more.code);
		EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(other));
		ASSERT_EQ(0, lib_send(&self->l, 1, &self->more, VDI_CMD_CLEAR_ERROR));
		ASSERT_EQ(0, vdi_client_get_command(other, 20000, &self->c));
		ASSERT_EQ(0, vdi_client_complete_command(other, self->c, 0, 0, 0));
		ASSERT_TRUE(lib_called(&self->more));
	}
}

/* Sentence 2. */
TEST_F(errored, s2_undelivered_get_1117_and_are_never_seen)
{
	int i;

	for (i = 3; i < SENT; i++) {
		EXPECT_EQ(IO_DEVICE, self->call[i].code);
		EXPECT_EQ(0, self->call[i].command.bytes_transferred);
	}
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->client, 50, &self->c));
	/* not even when all is well again */
	ASSERT_EQ(0, answer(self, self->got[0], 0));
	ASSERT_EQ(0, answer(self, self->got[2], 0));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, answer_next(self, 0));
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, self->c->code);
	ASSERT_TRUE(lib_called(&self->more));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->client, 50, &self->c));
}

/* Sentence 3: with success, and with an error of their own. */
TEST_F(errored, s3_delivered_ones_stay_outstanding)
{
	EXPECT_EQ(0, atomic_load(&self->call[0].calls));
	EXPECT_EQ(0, atomic_load(&self->call[2].calls));
	ASSERT_EQ(0, answer(self, self->got[2], 0));
	ASSERT_TRUE(lib_called(&self->call[2]));
	EXPECT_EQ(0, self->call[2].code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(self->client));
	ASSERT_EQ(0, answer(self, self->got[0], 38));
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(38, self->call[0].code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(self->client));
}

/* Sentence 4: every command but ClearError, with the callback in this thread. */
TEST_F(errored, s4_send_is_rejected_in_the_senders_thread)
{
	void *buffer;
	uint32_t code;

	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 4096, 0));
	for (code = VDI_CMD_READ; code <= VDI_CMD_COMPLETE; code++) {
		if (code == VDI_CMD_CLEAR_ERROR)
			continue;
		lib_command(&self->more, code)->buffer = buffer;
		self->more.command.size = 4096;
		EXPECT_EQ(-EREMOTEIO, vdi_server_send_command(self->server, &self->more.command));
		EXPECT_STREQ("VD_E_IO_ERROR", vdi_error_name(-EREMOTEIO));
		EXPECT_EQ(1, atomic_load(&self->more.calls));
		EXPECT_EQ(IO_DEVICE, self->more.code);
		EXPECT_TRUE(pthread_equal(pthread_self(), self->more.thread));
	}
	/* the buffer was not taken by any of them */
	EXPECT_EQ(0, vdi_server_free_buffer(self->l.server, buffer, 4096));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->client, 0, &self->c));
}

struct fetching {
	struct vdi_client_device *device;
	const struct vdi_client_command *c;
	atomic_int tid;
	atomic_bool done;
	int ret;
};

static void *fetch(void *arg)
{
	struct fetching *f = arg;

	atomic_store(&f->tid, syscall(SYS_gettid));
	f->ret = vdi_client_get_command(f->device, -1, &f->c);
	atomic_store(&f->done, true);
	return NULL;
}

/* Sentence 5: a GetCommand that waits is not given it before the last answer. */
TEST_F(errored, s5_clear_error_comes_after_the_outstanding_ones)
{
	struct fetching f = { .device = self->client };
	pthread_t t;

	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->client, 50, &self->c));
	ASSERT_EQ(0, pthread_create(&t, NULL, fetch, &f));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&f.tid)));
	ASSERT_TRUE(vt_asleep(atomic_load(&f.tid)));
	ASSERT_EQ(0, answer(self, self->got[0], 0));
	ASSERT_TRUE(lib_called(&self->call[0]));
	ASSERT_TRUE(vt_asleep(atomic_load(&f.tid)));
	EXPECT_FALSE(atomic_load(&f.done));
	ASSERT_EQ(0, answer(self, self->got[2], DISK_FULL));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&f.done)));
	pthread_join(t, NULL);
	ASSERT_EQ(0, f.ret);
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, f.c->code);
	EXPECT_EQ(0, atomic_load(&self->more.calls));
}

/* Sentence 6: Active when it is acknowledged, and not before. */
TEST_F(errored, s6_acknowledged_the_device_is_active)
{
	struct lib_call next;

	ASSERT_EQ(0, answer(self, self->got[0], 0));
	ASSERT_EQ(0, answer(self, self->got[2], 0));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, vdi_client_get_command(self->client, 20000, &self->c));
	EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(self->client));
	EXPECT_EQ(-EREMOTEIO, lib_send(&self->l, 0, &next, VDI_CMD_FLUSH));
	ASSERT_EQ(0, answer(self, self->c, 0));
	ASSERT_TRUE(lib_called(&self->more));
	EXPECT_EQ(0, self->more.code);
	EXPECT_TRUE(pthread_equal(self->l.agent, self->more.thread));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, device_state(self->client));
	ASSERT_EQ(0, lib_send(&self->l, 0, &next, VDI_CMD_FLUSH));
	ASSERT_EQ(0, answer_next(self, 0));
	ASSERT_TRUE(lib_called(&next));
	EXPECT_EQ(0, next.code);
}

/* A second ClearError, and one that there is nothing for: VD_E_PROTOCOL, 6. */
TEST_F(errored, s6_only_one_clear_error)
{
	struct lib_call second;

	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(-EPROTO, lib_send(&self->l, 0, &second, VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(1, atomic_load(&second.calls));
	EXPECT_EQ(6, second.code);
	EXPECT_TRUE(pthread_equal(pthread_self(), second.thread));
	EXPECT_EQ(-EPROTO, lib_send(&self->l, 1, &second, VDI_CMD_CLEAR_ERROR));
	EXPECT_EQ(1, atomic_load(&second.calls));
	EXPECT_EQ(6, second.code);
	EXPECT_EQ(0, atomic_load(&self->more.calls));
}

/* Sentence 7: CloseDevice instead. */
TEST_F(errored, s7_close_device_instead)
{
	ASSERT_EQ(0, vdi_server_close_device(self->server));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->client, 0, &self->c));
	ASSERT_EQ(0, answer(self, self->got[0], 0));
	ASSERT_EQ(0, answer(self, self->got[2], 5));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->client, 20000, &self->c));
	ASSERT_TRUE(lib_called(&self->call[2]));
	EXPECT_EQ(5, self->call[2].code);
}

/* Sentence 7: SignalAbort instead, with a ClearError that waits. */
TEST_F(errored, s7_signal_abort_instead)
{
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, vdi_server_abort(self->l.server, 0, NULL));
	EXPECT_EQ(-ECANCELED, vdi_client_get_command(self->client, -1, &self->c));
	EXPECT_EQ(-ECANCELED, answer(self, self->got[0], 0));
	ASSERT_TRUE(lib_called(&self->more));
	EXPECT_EQ(995, self->more.code);
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(995, self->call[0].code);
	/* what was complete before keeps its code */
	EXPECT_EQ(DISK_FULL, self->call[1].code);
	EXPECT_EQ(IO_DEVICE, self->call[5].code);
}

/* A client that fails ClearError leaves the device as it was; another may come. */
TEST_F(errored, failed_clear_error_stays_errored)
{
	ASSERT_EQ(0, answer(self, self->got[0], 0));
	ASSERT_EQ(0, answer(self, self->got[2], 0));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, answer_next(self, 50));
	ASSERT_TRUE(lib_called(&self->more));
	EXPECT_EQ(50, self->more.code);
	EXPECT_EQ(VDI_DEVICE_ERRORED, device_state(self->client));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->more, VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, answer_next(self, 0));
	ASSERT_TRUE(lib_called(&self->more));
	EXPECT_EQ(VDI_DEVICE_ACTIVE, device_state(self->client));
}

/* Short counts: of a failing transfer, and with success; both are passed on. */
TEST_F(errored, short_counts_reach_the_server)
{
	static const struct {
		uint32_t command, code, bytes;
	} t[] = {
		{ VDI_CMD_READ, 0, 512 }, { VDI_CMD_READ, 0, 0 }, { VDI_CMD_WRITE, 0, 1 },
		{ VDI_CMD_WRITE, 0, 4096 }, { VDI_CMD_READ, 38, 1024 }, { VDI_CMD_WRITE, 112, 7 },
	};
	struct vdi_client_device *other = self->l.cdev[1];
	unsigned int i;
	void *buffer;

	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 4096, 0));
	for (i = 0; i < ARRAY_SIZE(t); i++) {
		lib_command(&self->more, t[i].command)->buffer = buffer;
		self->more.command.size = 4096;
		ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[1], &self->more.command));
		ASSERT_EQ(0, vdi_client_get_command(other, 20000, &self->c));
		/* more than the size is refused, and the command is still there */
		EXPECT_EQ(-EINVAL, vdi_client_complete_command(other, self->c, t[i].code, 4097, 0));
		EXPECT_EQ(0, atomic_load(&self->more.calls));
		ASSERT_EQ(0, vdi_client_complete_command(other, self->c, t[i].code, t[i].bytes, 0));
		ASSERT_TRUE(lib_called(&self->more));
		EXPECT_EQ(t[i].code, self->more.code);
		EXPECT_EQ(t[i].bytes, self->more.command.bytes_transferred);
		EXPECT_EQ(t[i].code ? VDI_DEVICE_ERRORED : VDI_DEVICE_ACTIVE, device_state(other));
		if (!t[i].code)
			continue;
		ASSERT_EQ(0, lib_send(&self->l, 1, &self->more, VDI_CMD_CLEAR_ERROR));
		ASSERT_EQ(0, vdi_client_get_command(other, 20000, &self->c));
		ASSERT_EQ(0, vdi_client_complete_command(other, self->c, 0, 0, 0));
		ASSERT_TRUE(lib_called(&self->more));
	}
}

TEST_HARNESS_MAIN
