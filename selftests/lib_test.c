// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvdi: words for numbers, the node, outputs on failure, a whole backup, and
 * what the client's half promises.  The tables' cells that are the library's are
 * in lib_state_test.c, the agent in agent_test.c, the buffers in pool_test.c.
 */
#include "liblink.h"

#include <sys/stat.h>

FIXTURE(lib) {
	struct lib_link l;
};

FIXTURE_SETUP(lib)
{
	lib_link_init(&self->l, 1);
}

FIXTURE_TEARDOWN(lib)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

/* Words. */

TEST(error_names)
{
	static const struct {
		int err;
		const char *name;
	} t[] = {
		{ ECANCELED, "VD_E_ABORT" }, { ESHUTDOWN, "VD_E_CLOSE" },
		{ ETIMEDOUT, "VD_E_TIMEOUT" }, { EAGAIN, "VD_E_TIMEOUT" },
		{ EPROTO, "VD_E_PROTOCOL" }, { EIO, "VD_E_PROTOCOL" },
		{ EBUSY, "VD_E_OPEN" }, { EINVAL, "VD_E_INVALID" },
		{ EOPNOTSUPP, "VD_E_NOTSUPPORTED" }, { ENXIO, "VD_E_INSTANCE_NAME" },
		{ ENOMEM, "VD_E_MEMORY" }, { EDQUOT, "VD_E_MEMORY" },
		{ EXFULL, "VD_E_BUSY" }, { EREMOTEIO, "VD_E_IO_ERROR" },
		{ EACCES, "VD_E_SECURITY" }, { EPERM, "VD_E_SECURITY" },
		{ EEXIST, "VD_E_PROTOCOL" },
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		EXPECT_STREQ(t[i].name, vdi_error_name(t[i].err));
		EXPECT_STREQ(t[i].name, vdi_error_name(-t[i].err));
		EXPECT_STREQ(vdi_strerror(t[i].err), vdi_strerror(-t[i].err));
		EXPECT_LT(3, strlen(vdi_strerror(t[i].err)));
		for (j = 0; j < i; j++)
			EXPECT_STRNE(vdi_strerror(t[j].err), vdi_strerror(t[i].err));
	}
}

TEST(unknown_numbers_have_words)
{
	static const int odd[] = { 0, 99999, -99999, INT32_MAX, INT32_MIN };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(odd); i++) {
		ASSERT_NE(NULL, vdi_strerror(odd[i]));
		ASSERT_NE(NULL, vdi_error_name(odd[i]));
		ASSERT_NE(NULL, vdi_code_text(odd[i]));
		ASSERT_NE(NULL, vdi_command_name(odd[i]));
		ASSERT_NE(NULL, vdi_state_name(odd[i]));
		ASSERT_NE(NULL, vdi_device_state_name(odd[i]));
		ASSERT_NE(NULL, vdi_reason_name(odd[i]));
		ASSERT_NE(NULL, vdi_role_name(odd[i]));
		ASSERT_NE(NULL, vdi_limit_name(odd[i]));
	}
	EXPECT_STREQ("", vdi_error_name(99999));
	EXPECT_STREQ("", vdi_code_name(99999));
}

TEST(code_names)
{
	EXPECT_STREQ("ERROR_SUCCESS", vdi_code_name(0));
	EXPECT_STREQ("ERROR_HANDLE_EOF", vdi_code_name(38));
	EXPECT_STREQ("ERROR_NOT_SUPPORTED", vdi_code_name(50));
	EXPECT_STREQ("ERROR_DISK_FULL", vdi_code_name(112));
	EXPECT_STREQ("ERROR_OPERATION_ABORTED", vdi_code_name(995));
	EXPECT_STREQ("ERROR_IO_DEVICE", vdi_code_name(1117));
	EXPECT_STREQ("ERROR_NO_SYSTEM_RESOURCES", vdi_code_name(1450));
}

/* The node. */

TEST(node_that_is_none)
{
	char dir[] = "/tmp/vdi-node-XXXXXX", path[64];
	struct vdi_get_info info = VT_INIT(vdi_get_info);
	struct vdi_client *c = (void *)1;
	struct vdi_server *s = (void *)1;

	ASSERT_NE(NULL, mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/node", dir);
	ASSERT_EQ(0, vdi_set_node(path));
	EXPECT_EQ(-ENOENT, vdi_client_new(&c));
	EXPECT_EQ(NULL, c);
	EXPECT_EQ(-ENOENT, vdi_server_new(&s));
	EXPECT_EQ(NULL, s);
	EXPECT_EQ(-ENOENT, vdi_get_info(&info));

	/* a file, a directory, a pipe that nobody writes, another device */
	ASSERT_LE(0, open(path, O_CREAT | O_WRONLY, 0600));
	EXPECT_EQ(-ENODEV, vdi_client_new(&c));
	EXPECT_EQ(NULL, c);
	unlink(path);
	ASSERT_EQ(0, vdi_set_node(dir));
	EXPECT_EQ(-ENODEV, vdi_client_new(&c));
	ASSERT_EQ(0, mkfifo(path, 0600));
	ASSERT_EQ(0, vdi_set_node(path));
	EXPECT_EQ(-ENODEV, vdi_client_new(&c));
	ASSERT_EQ(0, vdi_set_node("/dev/null"));
	EXPECT_EQ(-ENODEV, vdi_client_new(&c));
	EXPECT_EQ(-ENODEV, vdi_get_info(&info));
	ASSERT_EQ(0, vdi_set_node("/dev/tty"));
	EXPECT_NE(0, vdi_client_new(&c));

	ASSERT_EQ(0, vdi_set_node(NULL));
	EXPECT_EQ(0, vdi_get_info(&info));
	unlink(path);
	rmdir(dir);
	vt_baseline(_metadata);
}

TEST(node_by_the_environment)
{
	struct vdi_get_info info = VT_INIT(vdi_get_info);

	setenv("VDI_DEVICE", "/dev/zero", 1);
	EXPECT_EQ(-ENODEV, vdi_get_info(&info));
	/* what the program says goes first */
	ASSERT_EQ(0, vdi_set_node(VDI_DEVICE_NODE));
	EXPECT_EQ(0, vdi_get_info(&info));
	EXPECT_EQ(VDI_MAX_DEVICES, info.out_max_devices);
}

/* Outputs on failure. */

TEST_F(lib, get_config_leaves_the_output)
{
	struct vdi_config c;

	memset(&c, VT_POISON, sizeof(c));
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_DNE));
	EXPECT_EQ(-EPROTO, vdi_client_get_config(self->l.client, 0, &c));
	EXPECT_EQ(-EPROTO, vdi_server_get_config(self->l.server, &c));
	ASSERT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_config(self->l.client, 0, &c));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_config(self->l.client, 50, &c));
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	EXPECT_EQ(-ECANCELED, vdi_client_get_config(self->l.client, -1, &c));
	EXPECT_TRUE(vt_poisoned(&c, sizeof(c)));
}

TEST_F(lib, open_device_gives_NULL)
{
	struct vdi_client_device *cd = (void *)1;
	struct vdi_server_device *sd = (void *)1;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONNECTED));
	EXPECT_EQ(-EPROTO, vdi_client_open_device(self->l.client, self->l.name, &cd));
	EXPECT_EQ(NULL, cd);
	EXPECT_EQ(-EPROTO, vdi_server_open_device(self->l.server, self->l.name, &sd));
	EXPECT_EQ(NULL, sd);
}

TEST_F(lib, get_command_gives_NULL)
{
	const struct vdi_client_command *c = (void *)1;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &c));
	EXPECT_EQ(NULL, c);
}

TEST_F(lib, timeout_not_early)
{
	const struct vdi_client_command *c;
	uint64_t start = vt_now();

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 200, &c));
	EXPECT_LE(start + 200000000, vt_now());
}

/* The configuration as the client sees it in the end (T06, T07). */
TEST_F(lib, configuration)
{
	struct vdi_config c;

	self->l.config.device_count = 3;
	self->l.n = 3;
	self->l.config.features = VDI_FEAT_REQUEST_COMPLETE;
	self->l.begin.features |= VDI_FEAT_REQUEST_COMPLETE | VDI_FEAT_COMPLETE_ENABLED;
	self->l.begin.block_size = 4096;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_client_get_config(self->l.client, 0, &c));
	EXPECT_EQ(3, c.device_count);
	EXPECT_EQ(self->l.begin.features, c.features);
	EXPECT_EQ(4096, c.block_size);
	EXPECT_LE(4096, c.alignment);
	EXPECT_EQ(4, c.max_io_depth);
	EXPECT_EQ(VT_TRANSFER, c.max_transfer_size);
	EXPECT_EQ(VT_TRANSFER * 4 * 3, c.buffer_area_size);
}

/* Commands through both halves, with their data. */
TEST_F(lib, write_and_read)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};
	void *buffer;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 8192, 0));
	memset(buffer, 0x3c, 8192);
	lib_command(&call, VDI_CMD_WRITE);
	call.command.size = 8192;
	call.command.buffer = buffer;
	call.command.in_position = -5;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	EXPECT_EQ(VDI_CMD_WRITE, c->code);
	EXPECT_EQ(8192, c->size);
	EXPECT_EQ(-5, c->position);
	ASSERT_NE(NULL, c->buffer);
	EXPECT_EQ(0x3c, ((unsigned char *)c->buffer)[8191]);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 8192, 0));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(0, call.code);
	EXPECT_EQ(8192, call.command.bytes_transferred);
	EXPECT_EQ(self->l.sdev[0], call.command.device);

	call.command.code = VDI_CMD_READ;
	atomic_store(&call.calls, 0);
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	memset(c->buffer, 0xc3, 100);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 38, 100, 0));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(38, call.code);
	EXPECT_EQ(100, call.command.bytes_transferred);
	EXPECT_EQ(0xc3, ((unsigned char *)buffer)[99]);
	EXPECT_EQ(0x3c, ((unsigned char *)buffer)[100]);
}

TEST_F(lib, complete_twice_EINVAL)
{
	struct vdi_device_status status = { .size = sizeof(status) };
	const struct vdi_client_command *c, *d;
	struct lib_call call[2] = {};

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_EQ(0, lib_send(&self->l, 0, &call[0], VDI_CMD_FLUSH));
	ASSERT_EQ(0, lib_send(&self->l, 0, &call[1], VDI_CMD_FLUSH));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &d));
	EXPECT_EQ(0, vdi_client_complete_command(self->l.cdev[0], d, 0, 0, 0));
	EXPECT_EQ(-EINVAL, vdi_client_complete_command(self->l.cdev[0], d, 0, 0, 0));
	ASSERT_TRUE(lib_called(&call[1]));
	EXPECT_EQ(0, atomic_load(&call[0].calls));
	/* the server can see it */
	ASSERT_EQ(0, vdi_server_device_status(self->l.sdev[0], &status));
	EXPECT_EQ(1, status.out_refused);
	EXPECT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 0, 0));
	ASSERT_TRUE(lib_called(&call[0]));
}

TEST_F(lib, positions)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};

	self->l.config.features = VDI_FEAT_LIKE_DISK;
	self->l.begin.features |= VDI_FEAT_LIKE_DISK;
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
	lib_command(&call, VDI_CMD_SET_POSITION)->in_position = INT64_MIN + 7;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	EXPECT_EQ(INT64_MIN + 7, c->position);
	EXPECT_EQ(NULL, c->buffer);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 0, -123456789012LL));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(-123456789012LL, call.command.out_position);
}

/* GetCommand's normal end, again and again; then Close and another Create. */
TEST_F(lib, client_ends)
{
	const struct vdi_client_command *c;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_TERMINATED));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &c));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &c));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	EXPECT_EQ(-EPROTO, vdi_client_close(self->l.client));
	EXPECT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
}

TEST_F(lib, client_closes_early)
{
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	EXPECT_EQ(-EBUSY, vdi_client_close(self->l.client));
	EXPECT_EQ(0, vdi_client_create(self->l.client, self->l.name, &self->l.config));
	EXPECT_EQ(0, vdi_server_close(self->l.server));
}

/* Batch calls: the counts, and the refused record as a negative number. */
TEST_F(lib, exchange)
{
	struct vdi_command c[3] = { { .code = VDI_CMD_FLUSH, .id = 5 }, { .code = 0 } };
	struct vdi_batch b = {};
	struct vdi_completion d[2];

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_server_exchange(self->l.server, c, 2, d, 2, 0, &b));
	EXPECT_EQ(1, b.accepted);
	EXPECT_EQ(-EINVAL, b.refused);
	EXPECT_EQ(0, b.delivered);
	b.min = 1;
	ASSERT_EQ(0, vdi_client_device_exchange(self->l.cdev[0], NULL, 0, c, 3, 20000, &b));
	ASSERT_EQ(1, b.delivered);
	EXPECT_EQ(0, b.refused);
	d[0] = (struct vdi_completion){ .id = c[0].id };
	b.min = 0;
	ASSERT_EQ(0, vdi_client_exchange(self->l.client, d, 1, NULL, 0, 0, &b));
	EXPECT_EQ(1, b.accepted);
	b.min = 1;
	ASSERT_EQ(0, vdi_server_device_exchange(self->l.sdev[0], NULL, 0, d, 2, 20000, &b));
	ASSERT_EQ(1, b.delivered);
	EXPECT_EQ(5, d[0].id);
}

/* T21: a buffer named to another object of the set. */
TEST_F(lib, buffer_handles)
{
	const struct vdi_client_command *c;
	struct vdi_client *second;
	struct lib_call call = {};
	void *buffer, *theirs = (void *)1;
	uint32_t handle = 0;
	int local;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_client_new(&second));
	ASSERT_EQ(0, vdi_client_open_secondary(second, NULL, self->l.name));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &buffer, 4096, 0));
	strcpy(buffer, "named");
	lib_command(&call, VDI_CMD_WRITE);
	call.command.size = 4096;
	call.command.buffer = buffer;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &c));
	ASSERT_EQ(0, vdi_client_get_buffer_handle(self->l.client, c->buffer, &handle));
	EXPECT_EQ(0, handle >> 31);
	ASSERT_EQ(0, vdi_client_map_buffer_handle(second, handle, &theirs));
	EXPECT_STREQ("named", theirs);
	EXPECT_EQ(-EINVAL, vdi_client_get_buffer_handle(self->l.client, &local, &handle));
	EXPECT_EQ(-EINVAL, vdi_client_map_buffer_handle(second, 0x7fffffff, &theirs));
	EXPECT_EQ(0, vdi_client_close(second));
	EXPECT_EQ(-EPROTO, vdi_client_map_buffer_handle(second, handle, &theirs));
	vdi_client_free(second);
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 4096, 0));
	ASSERT_TRUE(lib_agent_start(&self->l));
	EXPECT_TRUE(lib_called(&call));
}

/* Texts that the ioctl would refuse are mended. */
/* The file may be one that an event loop has set to O_NONBLOCK. */
TEST_F(lib, nonblock)
{
	void *buffer;

	ASSERT_EQ(0, lib_link_to(&self->l, LIB_CONNECTED));
	ASSERT_EQ(0, fcntl(vdi_client_fd(self->l.client), F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_EQ(-EPROTO, vdi_client_open_device(self->l.client, self->l.name, &self->l.cdev[0]));
	EXPECT_EQ(-EINVAL, vdi_client_buffer(self->l.client, 0, &buffer));
}

TEST_F(lib, abort_text)
{
	char text[400];
	struct vdi_set_stat stat;

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = 0;
	text[3] = '\n';
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 77, text));
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_REASON_SIGNALLED, stat.reason.reason);
	EXPECT_EQ(77, stat.reason.code);
	EXPECT_EQ(0, strncmp("xxx xxx", stat.reason.text, 7));
	EXPECT_GT(VDI_TEXT_SIZE, strlen(stat.reason.text));
	EXPECT_LT(VDI_TEXT_SIZE / 2, strlen(stat.reason.text));
}

TEST_HARNESS_MAIN
