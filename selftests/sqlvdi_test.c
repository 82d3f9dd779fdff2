// SPDX-License-Identifier: GPL-2.0-only
/*
 * libsqlvdi: each method of the SDK in each state of the client, from table 2.2
 * of the specification with its decisions 2.6, and its arguments, timeouts and
 * outputs (3.1 to 3.10).  Objects' lives, processes, the environment and reports
 * are sqlvdi_life_test's.
 */
#include "sdklink.h"

#include <limits.h>

#define NOERROR	0

/* state: two devices, in one column of the table. */
FIXTURE(state) {
	struct sdk_link l;
	struct VDC_Command *command;	/* one that is outstanding, where that can be */
	struct VDConfig config;
};

FIXTURE_VARIANT(state) {
	enum sdk_state state;
	int create, get_config, open_device, get_command, complete, abort, close;
};

FIXTURE_VARIANT_ADD(state, does_not_exist) {
	SDK_DNE, NOERROR, VD_E_PROTOCOL, VD_E_PROTOCOL, VD_E_PROTOCOL, VD_E_PROTOCOL,
	VD_E_PROTOCOL, VD_E_PROTOCOL,
};

/* GetConfiguration would wait for the server, who does not come */
FIXTURE_VARIANT_ADD(state, configurable) {
	SDK_CONFIGURABLE, VD_E_PROTOCOL, VD_E_TIMEOUT, VD_E_PROTOCOL, VD_E_PROTOCOL,
	VD_E_PROTOCOL, NOERROR, NOERROR,
};

/* with one device open: 2.6-c, 2.6-p, and a Close that finds it open */
FIXTURE_VARIANT_ADD(state, initializing) {
	SDK_INITIALIZING, VD_E_PROTOCOL, NOERROR, NOERROR, VD_E_TIMEOUT, NOERROR, NOERROR,
	VD_E_OPEN,
};

FIXTURE_VARIANT_ADD(state, active) {
	SDK_ACTIVE, VD_E_PROTOCOL, NOERROR, VD_E_OPEN, VD_E_TIMEOUT, NOERROR, NOERROR,
	VD_E_OPEN,
};

FIXTURE_VARIANT_ADD(state, terminated) {
	SDK_TERMINATED, VD_E_PROTOCOL, NOERROR, VD_E_PROTOCOL, VD_E_CLOSE, VD_E_PROTOCOL,
	NOERROR, NOERROR,
};

FIXTURE_VARIANT_ADD(state, abort) {
	SDK_ABORT, VD_E_PROTOCOL, VD_E_ABORT, VD_E_ABORT, VD_E_ABORT, VD_E_ABORT, NOERROR,
	NOERROR,
};

FIXTURE_SETUP(state)
{
	struct sdk_link *l = &self->l;

	sdk_link_init(l);
	memset(&self->config, VT_POISON, sizeof(self->config));
	if (variant->state != SDK_ABORT) {
		ASSERT_EQ(0, sdk_link_to(l, variant->state));
	} else {
		/* with a command from before */
		ASSERT_EQ(0, sdk_link_to(l, SDK_ACTIVE));
		ASSERT_EQ(0, sdk_send(l, 0, VDC_Flush, 0));
		ASSERT_EQ(NOERROR, sdk_get_command(l->dev[0], 20000, &self->command));
		ASSERT_EQ(0, vdi_server_abort(l->server, 0, NULL));
	}
	/* a device that is not open, where none can be */
	if (!l->dev[0])
		l->dev[0] = sdk_device_new();
}

FIXTURE_TEARDOWN(state)
{
	if (variant->state < SDK_INITIALIZING)
		sdk_device_delete(self->l.dev[0]);
	sdk_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(state, Create)
{
	EXPECT_EQ(variant->create, sdk_create(self->l.set, self->l.name, &self->l.config));
}

TEST_F(state, OpenInSecondary)
{
	/* not created, or this object has one already */
	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_in_secondary(self->l.set, self->l.name));
}

TEST_F(state, GetConfiguration)
{
	EXPECT_EQ(variant->get_config, sdk_get_configuration(self->l.set, 50, &self->config));
	if (variant->get_config != NOERROR) {
		EXPECT_TRUE(vt_poisoned(&self->config, sizeof(self->config)));
		return;
	}
	EXPECT_EQ(VT_TRANSFER, self->config.maxTransferSize);
}

TEST_F(state, OpenDevice)
{
	struct sdk_device *device = (void *)1;

	EXPECT_EQ(variant->open_device,
		  sdk_open_device(self->l.set, self->l.second, &device));
	if (variant->open_device != NOERROR)
		EXPECT_EQ(NULL, device);
}

TEST_F(state, GetCommand)
{
	struct VDC_Command *command = (void *)1;

	EXPECT_EQ(variant->get_command, sdk_get_command(self->l.dev[0], 50, &command));
	EXPECT_EQ(NULL, command);
	/* VD_E_CLOSE comes again: 2.6-q */
	EXPECT_EQ(variant->get_command, sdk_get_command(self->l.dev[0], 0, &command));
}

TEST_F(state, CompleteCommand)
{
	struct VDC_Command none = { .commandCode = VDC_Flush };

	if (variant->state == SDK_INITIALIZING || variant->state == SDK_ACTIVE) {
		ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Flush, 0));
		ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->command));
	}
	EXPECT_EQ(variant->complete,
		  sdk_complete_command(self->l.dev[0], self->command ?: &none, 0, 0, 0));
}

TEST_F(state, SignalAbort)
{
	struct VDC_Command *command;

	EXPECT_EQ(variant->abort, sdk_signal_abort(self->l.set));
	if (variant->abort != NOERROR)
		return;
	EXPECT_EQ(NOERROR, sdk_signal_abort(self->l.set));
	EXPECT_EQ(VD_E_ABORT, sdk_get_configuration(self->l.set, 50, &self->config));
	if (variant->state > SDK_CONFIGURABLE)
		EXPECT_EQ(VD_E_ABORT, sdk_get_command(self->l.dev[0], 50, &command));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
}

TEST_F(state, Close)
{
	struct VDConfig config = { .deviceCount = 1 };
	struct VDC_Command *command;
	struct vdi_set_stat stat;

	EXPECT_EQ(variant->close, sdk_close(self->l.set));
	/* the server hears of it, unless it is over */
	if (variant->state == SDK_INITIALIZING || variant->state == SDK_ACTIVE) {
		ASSERT_EQ(0, vdi_server_stat(self->l.server, &stat, sizeof(stat)));
		EXPECT_EQ(VDI_STATE_ABORTED, stat.state);
		EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, stat.reason.reason);
	}
	/* all is released: as before Create, and so are the devices */
	EXPECT_EQ(VD_E_PROTOCOL, sdk_close(self->l.set));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_signal_abort(self->l.set));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_get_configuration(self->l.set, 50, &self->config));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_get_command(self->l.dev[0], 50, &command));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_complete_command(self->l.dev[0], self->command, 0, 0, 0));
	vdi_server_free(self->l.server);
	self->l.server = NULL;
	EXPECT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &config));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_get_command(self->l.dev[0], 50, &command));
}

TEST_F(state, BufferHandles)
{
	bool open = variant->state != SDK_DNE;
	unsigned int handle = 0xaaaa;
	uint8_t local[512], *buffer = local;

	/* no buffer of the set's: invalid where there is a set */
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_get_buffer_handle(self->l.set, local, &handle));
	EXPECT_EQ(0xaaaa, handle);
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_map_buffer_handle(self->l.set, -1, &buffer));
	EXPECT_EQ(NULL, buffer);
	if (variant->state > SDK_CONFIGURABLE)
		return;
	/* there are no buffers yet */
	buffer = local;
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_map_buffer_handle(self->l.set, 1, &buffer));
	EXPECT_EQ(NULL, buffer);
}

TEST_F(state, NULL_arguments)
{
	bool open = variant->state != SDK_DNE;
	struct VDC_Command *command;
	unsigned int handle;

	EXPECT_EQ(open ? VD_E_PROTOCOL : VD_E_INVALID,
		  sdk_create(self->l.set, NULL, &self->l.config));
	EXPECT_EQ(open ? VD_E_PROTOCOL : VD_E_INVALID,
		  sdk_create(self->l.set, self->l.name, NULL));
	EXPECT_EQ(open ? VD_E_PROTOCOL : VD_E_INVALID, sdk_open_in_secondary(self->l.set, NULL));
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_get_configuration(self->l.set, 0, NULL));
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_open_device(self->l.set, self->l.name, NULL));
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_get_buffer_handle(self->l.set, NULL, &handle));
	EXPECT_EQ(open ? VD_E_INVALID : VD_E_PROTOCOL,
		  sdk_map_buffer_handle(self->l.set, 1, NULL));
	EXPECT_EQ(variant->state < SDK_INITIALIZING ? VD_E_PROTOCOL : VD_E_INVALID,
		  sdk_get_command(self->l.dev[0], 0, NULL));
	if (variant->state == SDK_ACTIVE)
		EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], NULL, 0, 0, 0));
	/* and nothing has changed */
	EXPECT_EQ(variant->get_command, sdk_get_command(self->l.dev[0], 0, &command));
}

TEST_F(state, RegisterDeviceClosed)
{
	struct VDC_Command *command;

	sdk_register_device_closed(self->l.set);
	EXPECT_EQ(variant->get_command, sdk_get_command(self->l.dev[0], 0, &command));
	EXPECT_EQ(variant->close, sdk_close(self->l.set));
}

/* Create's arguments. */

FIXTURE(create) {
	struct sdk_link l;
};

FIXTURE_SETUP(create)
{
	sdk_link_init(&self->l);
}

FIXTURE_TEARDOWN(create)
{
	sdk_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(create, unsupported_configuration)
{
	static const struct VDConfig bad[] = {
		{ .deviceCount = 0 },
		{ .deviceCount = 65 },
		{ .deviceCount = 1, .features = VDF_Rewind },
		{ .deviceCount = 1, .features = VDF_WriteMedia },
		{ .deviceCount = 1, .features = VDF_LikeTape | VDF_LikeDisk },
		{ .deviceCount = 1, .features = 0x4 },
		{ .deviceCount = 1, .alignment = 3 },
		{ .deviceCount = 1, .alignment = 131072 },
		{ .deviceCount = 1, .softFileMarkBlockSize = 512 },
	};
	struct VDConfig config;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		config = bad[i];
		EXPECT_EQ(VD_E_NOTSUPPORTED, sdk_create(self->l.set, self->l.name, &config))
			TH_LOG("configuration %u", i);
		EXPECT_EQ(0, memcmp(&config, &bad[i], sizeof(config)));
	}
	/* after all that it still can */
	EXPECT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &self->l.config));
}

TEST_F(create, server_fields_are_not_looked_at)
{
	struct VDConfig config = {
		.deviceCount = 2, .blockSize = 1, .maxIODepth = 77, .maxTransferSize = 3,
		.bufferAreaSize = 0xffffffff,
	};

	EXPECT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &config));
}

TEST_F(create, names)
{
	char longest[VDI_NAME_SIZE + 1], *bad[] = { "", "a/b", "a\\b", "a\nb", "\xff", longest };
	unsigned int i;

	memset(longest, 'x', VDI_NAME_SIZE);
	longest[VDI_NAME_SIZE] = 0;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(VD_E_INVALID, sdk_create(self->l.set, bad[i], &self->l.config));
	longest[VDI_NAME_SIZE - 1] = 0;
	EXPECT_EQ(NOERROR, sdk_create(self->l.set, longest, &self->l.config));
}

TEST_F(create, name_that_is_taken)
{
	struct sdk_set *other = sdk_new();

	ASSERT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &self->l.config));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_create(other, self->l.name, &self->l.config));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
	EXPECT_EQ(NOERROR, sdk_create(other, self->l.name, &self->l.config));
	sdk_delete(other);
}

TEST_F(create, configuration_both_ways)
{
	struct VDConfig got;

	self->l.config = (struct VDConfig){
		.deviceCount = 2, .features = VDF_LikePipe | VDF_RequestComplete,
		.prefixZoneSize = 48, .alignment = 4096, .EOMWarningSize = 5,
		.serverTimeOut = 1000000,
	};
	ASSERT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &self->l.config));
	ASSERT_EQ(0, sdk_link_serve(&self->l));
	VT_POISON_FIELD(got);
	ASSERT_EQ(NOERROR, sdk_get_configuration(self->l.set, -1, &got));
	EXPECT_EQ(2, got.deviceCount);
	EXPECT_EQ(VDF_RequestComplete | VDF_WriteMedia, got.features);
	EXPECT_EQ(48, got.prefixZoneSize);
	EXPECT_EQ(4096, got.alignment);
	EXPECT_EQ(0, got.softFileMarkBlockSize);
	EXPECT_EQ(5, got.EOMWarningSize);
	EXPECT_EQ(1000000, got.serverTimeOut);
	EXPECT_EQ(512, got.blockSize);
	EXPECT_EQ(4, got.maxIODepth);
	EXPECT_EQ(VT_TRANSFER, got.maxTransferSize);
	EXPECT_EQ(VT_TRANSFER * 4 * 2, got.bufferAreaSize);
}

/* Commands and their completions, on two open devices. */

FIXTURE(active) {
	struct sdk_link l;
	struct VDC_Command *c[2];
	struct vdi_completion done;
};

FIXTURE_SETUP(active)
{
	sdk_link_init(&self->l);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
}

FIXTURE_TEARDOWN(active)
{
	sdk_link_down(&self->l);
	vt_baseline(_metadata);
}

TEST_F(active, command_as_it_was_sent)
{
	struct vdi_command sent = { .code = VDC_SetPosition, .length = -2, .position = -3 };
	struct vdi_batch batch = { 0 };

	ASSERT_EQ(0, vdi_server_device_exchange(self->l.sdev[0], &sent, 1, NULL, 0, 0, &batch));
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c[0]));
	EXPECT_EQ(VDC_SetPosition, self->c[0]->commandCode);
	EXPECT_EQ(-2, self->c[0]->size);
	EXPECT_EQ(-3, self->c[0]->position);
	EXPECT_EQ(NULL, self->c[0]->buffer);
	/* bytes count for a transfer only: clients pass anything */
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c[0], ERROR_NOT_SUPPORTED,
						ULONG_MAX, 1LL << 40));
	ASSERT_EQ(0, sdk_collect(&self->l, 0, &self->done));
	EXPECT_EQ(50, self->done.code);
	EXPECT_EQ(1ULL << 40, self->done.result);
}

TEST_F(active, transfer)
{
	void *server;

	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Write, 4096));
	ASSERT_EQ(0, vdi_server_buffer(self->l.server, 0, &server));
	memcpy(server, "from the server", 16);
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c[0]));
	EXPECT_EQ(VDC_Write, self->c[0]->commandCode);
	EXPECT_EQ(4096, self->c[0]->size);
	ASSERT_NE(NULL, self->c[0]->buffer);
	EXPECT_STREQ("from the server", (char *)self->c[0]->buffer);
	/* more than there is */
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], self->c[0], 0, 4097, 0));
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], self->c[0], 0,
						     0x100000000UL, 0));
	/* a short one with success is passed on as it is (3.10) */
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c[0], 0, 100, 0));
	ASSERT_EQ(0, sdk_collect(&self->l, 0, &self->done));
	EXPECT_EQ(0, self->done.code);
	EXPECT_EQ(100, self->done.result);
}

TEST_F(active, what_is_not_to_be_completed)
{
	struct VDC_Command own = { .commandCode = VDC_Flush };

	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Flush, 0));
	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Rewind, 0));
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c[0]));
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c[1]));
	/* of another device, and none at all */
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[1], self->c[0], 0, 0, 0));
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], &own, 0, 0, 0));
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], (void *)8, 0, 0, 0));
	/* in any order, but once */
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c[1], 0, 0, 0));
	EXPECT_EQ(VD_E_INVALID, sdk_complete_command(self->l.dev[0], self->c[1], 0, 0, 0));
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c[0], 0, 0, 0));
	ASSERT_EQ(0, sdk_collect(&self->l, 0, &self->done));
	ASSERT_EQ(0, sdk_collect(&self->l, 0, &self->done));
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 0, &self->c[0]));
}

/* VD_E_CLOSE after what was sent before (T14), and Close is in order then (T16). */
TEST_F(active, close_comes_last)
{
	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Flush, 0));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c[0]));
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c[0], 0, 0, 0));
	EXPECT_EQ(VD_E_CLOSE, sdk_get_command(self->l.dev[0], 20000, &self->c[0]));
	EXPECT_EQ(VD_E_CLOSE, sdk_get_command(self->l.dev[0], -1, &self->c[0]));
	EXPECT_EQ(VD_E_CLOSE, sdk_get_command(self->l.dev[1], -1, &self->c[0]));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
}

TEST_F(active, OpenDevice_refused)
{
	struct sdk_set *other = sdk_new();
	struct sdk_device *device;

	/* all are open, whatever the name */
	EXPECT_EQ(VD_E_OPEN, sdk_open_device(self->l.set, "nobody", &device));
	/* also in another process's set object */
	ASSERT_EQ(NOERROR, sdk_open_in_secondary(other, self->l.name));
	EXPECT_EQ(VD_E_OPEN, sdk_open_device(other, self->l.name, &device));
	EXPECT_EQ(NOERROR, sdk_close(other));
	sdk_delete(other);
	/* the first set has noticed nothing */
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 0, &self->c[0]));
}

TEST_F(create, OpenDevice_names)
{
	struct sdk_device *device;

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_INITIALIZING));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_device(self->l.set, self->l.name, &device));
	EXPECT_EQ(VD_E_INVALID, sdk_open_device(self->l.set, "nobody", &device));
	EXPECT_EQ(VD_E_INVALID, sdk_open_device(self->l.set, NULL, &device));
	EXPECT_EQ(NULL, device);
	EXPECT_EQ(NOERROR, sdk_open_device(self->l.set, self->l.second, &device));
}

/* Timeouts. */

TEST_F(active, timeout_not_early)
{
	uint64_t start = vt_now();

	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 60, &self->c[0]));
	EXPECT_LE(60000000, vt_now() - start);
}

TEST_F(active, timeouts_for_ever)
{
	static const time_t for_ever[] = { -1, -1000, LONG_MIN, 0xFFFFFFFF, LONG_MAX };
	struct sdk_waiter w[ARRAY_SIZE(for_ever)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(for_ever); i++)
		ASSERT_TRUE(sdk_wait(&w[i], self->l.dev[i % 2], for_ever[i]));
	usleep(200000);
	for (i = 0; i < ARRAY_SIZE(for_ever); i++)
		EXPECT_FALSE(atomic_load(&w[i].done));
	/* an abort ends them all (T05) */
	EXPECT_EQ(NOERROR, sdk_signal_abort(self->l.set));
	for (i = 0; i < ARRAY_SIZE(for_ever); i++)
		EXPECT_EQ(VD_E_ABORT, sdk_waited(&w[i]));
}

TEST_HARNESS_MAIN
