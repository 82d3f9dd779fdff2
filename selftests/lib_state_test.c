// SPDX-License-Identifier: GPL-2.0-only
/*
 * The cells of the server's transition table that are the library's: the buffer
 * pool's functions, the completion agent and SendCommand in each state.
 * Expectations are table 2.3 of the specification with its decisions 2.6.
 */
#include "liblink.h"

#define OK	0
#define NO	-EPROTO
#define ABORT	-ECANCELED

/* state: a set of one device, in one column of the table; no agent runs. */
FIXTURE(state) {
	struct lib_link l;
	void *buffer;		/* allocated where that is possible */
};

FIXTURE_VARIANT(state) {
	enum lib_state state;
	int request;		/* RequestBuffers */
	int query;		/* QueryAvailableBuffers */
	int alloc;		/* AllocateBuffer */
	int free;		/* FreeBuffer */
	int agent;		/* ExecuteCompletionAgent; 1: it runs and waits */
	int send;		/* SendCommand; 1: there is no device to ask */
	int code;		/* what its callback says */
	int close_device;	/* CloseDevice; 1: there is no device */
	int abort;		/* SignalAbort */
	int close;		/* Close */
};

FIXTURE_VARIANT_ADD(state, dne) {
	LIB_DNE, NO, NO, NO, NO, NO, 1, 0, 1, NO, NO,
};

FIXTURE_VARIANT_ADD(state, connected) {
	LIB_CONNECTED, NO, NO, NO, NO, NO, 1, 0, 1, OK, OK,
};

FIXTURE_VARIANT_ADD(state, configurable) {
	LIB_CONFIGURABLE, OK, OK, NO, NO, NO, 1, 0, 1, OK, OK,
};

FIXTURE_VARIANT_ADD(state, initializing) {
	LIB_INITIALIZING, OK, OK, OK, OK, 1, OK, 995, OK, OK, NO,
};

FIXTURE_VARIANT_ADD(state, active) {
	LIB_ACTIVE, OK, OK, OK, OK, 1, OK, 995, OK, OK, NO,
};

FIXTURE_VARIANT_ADD(state, terminated) {
	LIB_TERMINATED, NO, NO, OK, OK, NO, NO, 6, -ESHUTDOWN, OK, OK,
};

FIXTURE_VARIANT_ADD(state, aborted) {
	LIB_ABORTED, ABORT, NO, ABORT, ABORT, ABORT, ABORT, 995, ABORT, OK, OK,
};

FIXTURE_SETUP(state)
{
	lib_link_init(&self->l, 1);
	if (variant->state == LIB_ABORTED) {
		/* a buffer from before the abort */
		ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
		ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, 4096, 0));
		ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
		return;
	}
	ASSERT_EQ(0, lib_link_to(&self->l, variant->state));
	if (variant->state > LIB_CONFIGURABLE)
		ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, 4096, 0));
}

FIXTURE_TEARDOWN(state)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(state, RequestBuffers)
{
	EXPECT_EQ(variant->request, vdi_server_request_buffers(self->l.server, 4096, 0, 1));
}

TEST_F(state, QueryAvailableBuffers)
{
	uint32_t count = 0xaaaa;

	EXPECT_EQ(variant->query,
		  vdi_server_query_available_buffers(self->l.server, 4096, 0, &count));
	if (variant->query)
		EXPECT_EQ(0xaaaa, count);
}

TEST_F(state, AllocateBuffer)
{
	void *p = (void *)1;

	EXPECT_EQ(variant->alloc, vdi_server_alloc_buffer(self->l.server, &p, 4096, 0));
	if (variant->alloc)
		EXPECT_EQ(NULL, p);
}

TEST_F(state, FreeBuffer)
{
	char local[4096];

	EXPECT_EQ(variant->free, vdi_server_free_buffer(self->l.server, self->buffer ?: local,
							4096));
}

TEST_F(state, ExecuteCompletionAgent)
{
	ASSERT_TRUE(lib_agent_start(&self->l));
	if (variant->agent == 1) {
		/* it runs until the end; a second one is against the table */
		EXPECT_EQ(-EPROTO, vdi_server_run_agent(self->l.server));
		EXPECT_FALSE(atomic_load(&self->l.agent_done));
		return;
	}
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(variant->agent, self->l.agent_ret);
}

TEST_F(state, SendCommand)
{
	struct lib_call call = {};

	if (variant->send == 1)
		return;
	EXPECT_EQ(variant->send, lib_send(&self->l, 0, &call, VDI_CMD_FLUSH));
	/* refused: the callback has been, in this thread; else not yet */
	EXPECT_EQ(variant->send != 0, atomic_load(&call.calls));
	if (!variant->send)
		EXPECT_EQ(NO, vdi_server_close(self->l.server));
	ASSERT_EQ(1, atomic_load(&call.calls));
	EXPECT_EQ(variant->code, call.code);
	EXPECT_EQ(variant->code, call.command.completion_code);
	EXPECT_TRUE(pthread_equal(pthread_self(), call.thread));
}

TEST_F(state, CloseDevice)
{
	if (variant->close_device == 1)
		return;
	EXPECT_EQ(variant->close_device, vdi_server_close_device(self->l.sdev[0]));
}

TEST_F(state, SignalAbort)
{
	EXPECT_EQ(variant->abort, vdi_server_abort(self->l.server, 0, NULL));
}

TEST_F(state, Close)
{
	EXPECT_EQ(variant->close, vdi_server_close(self->l.server));
	/* of no use afterwards, whatever it was */
	if (variant->state != LIB_DNE)
		EXPECT_EQ(NO, vdi_server_close(self->l.server));
}

/* Refused SendCommands: one callback each, in the sender's thread. */

FIXTURE(send) {
	struct lib_link l;
	struct lib_call call;
	struct lib_call queued[64];
	const struct vdi_client_command *c;
};

FIXTURE_SETUP(send)
{
	lib_link_init(&self->l, 1);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
}

FIXTURE_TEARDOWN(send)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static void refused(struct __test_metadata *_metadata, FIXTURE_DATA(send) *self, int err,
		    uint32_t code)
{
	EXPECT_EQ(err, vdi_server_send_command(self->l.sdev[0], &self->call.command));
	EXPECT_EQ(1, atomic_load(&self->call.calls));
	EXPECT_EQ(code, self->call.code);
	EXPECT_TRUE(pthread_equal(pthread_self(), self->call.thread));
}

TEST_F(send, queue_full_1450)
{
	unsigned int i;

	for (i = 0; i < 64; i++)
		ASSERT_EQ(0, lib_send(&self->l, 0, &self->queued[i], VDI_CMD_FLUSH));
	lib_command(&self->call, VDI_CMD_FLUSH);
	refused(_metadata, self, -EXFULL, 1450);
	/* the others get theirs at the end, once each */
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
	for (i = 0; i < 64; i++) {
		EXPECT_EQ(1, atomic_load(&self->queued[i].calls));
		EXPECT_EQ(995, self->queued[i].code);
	}
	EXPECT_EQ(1, atomic_load(&self->call.calls));
}

TEST_F(send, io_error_1117)
{
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->queued[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->queued[1], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], self->c, 112, 0, 0));
	ASSERT_TRUE(lib_called(&self->queued[0]));
	EXPECT_EQ(112, self->queued[0].code);
	/* not delivered: completed for it, by the agent */
	ASSERT_TRUE(lib_called(&self->queued[1]));
	EXPECT_EQ(1117, self->queued[1].code);
	EXPECT_TRUE(pthread_equal(self->l.agent, self->queued[1].thread));
	lib_command(&self->call, VDI_CMD_FLUSH);
	refused(_metadata, self, -EREMOTEIO, 1117);
	/* ClearError ends it */
	ASSERT_EQ(0, lib_send(&self->l, 0, &self->queued[0], VDI_CMD_CLEAR_ERROR));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	EXPECT_EQ(VDI_CMD_CLEAR_ERROR, self->c->code);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], self->c, 0, 0, 0));
	ASSERT_TRUE(lib_called(&self->queued[0]));
	EXPECT_EQ(0, lib_send(&self->l, 0, &self->queued[1], VDI_CMD_FLUSH));
}

TEST_F(send, closed_device_6)
{
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	lib_command(&self->call, VDI_CMD_FLUSH);
	refused(_metadata, self, -EPROTO, 6);
}

TEST_F(send, closed_set_6)
{
	ASSERT_EQ(-EPROTO, vdi_server_close(self->l.server));
	lib_command(&self->call, VDI_CMD_FLUSH);
	/* all is released, so this is no device any more */
	EXPECT_GT(0, vdi_server_send_command(self->l.sdev[0], &self->call.command));
	EXPECT_EQ(1, atomic_load(&self->call.calls));
	EXPECT_TRUE(self->call.code == 6 || self->call.code == 995);
}

TEST_F(send, aborted_995)
{
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	lib_command(&self->call, VDI_CMD_FLUSH);
	refused(_metadata, self, -ECANCELED, 995);
}

TEST_F(send, invalid_87)
{
	static char local[4096];
	void *buffer;

	lib_command(&self->call, 0);
	refused(_metadata, self, -EINVAL, 87);
	/* a buffer that is none, none, or too small */
	lib_command(&self->call, VDI_CMD_WRITE)->buffer = local;
	self->call.command.size = 4096;
	refused(_metadata, self, -EINVAL, 87);
	lib_command(&self->call, VDI_CMD_WRITE)->size = 4096;
	refused(_metadata, self, -EINVAL, 87);
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 4096, 0));
	lib_command(&self->call, VDI_CMD_READ)->buffer = buffer;
	self->call.command.size = 4096 + 4096;
	refused(_metadata, self, -EINVAL, 87);
	lib_command(&self->call, VDI_CMD_READ)->buffer = buffer;
	self->call.command.size = -1;
	refused(_metadata, self, -EINVAL, 87);
}

TEST_F(send, no_callback_EINVAL)
{
	struct vdi_server_command c = { .code = VDI_CMD_FLUSH };

	EXPECT_EQ(-EINVAL, vdi_server_send_command(self->l.sdev[0], &c));
	EXPECT_EQ(-EINVAL, vdi_server_send_command(self->l.sdev[0], NULL));
	/* nothing was sent */
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
}

TEST_HARNESS_MAIN
