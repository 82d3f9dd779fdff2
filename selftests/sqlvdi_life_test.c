// SPDX-License-Identifier: GPL-2.0-only
/*
 * libsqlvdi: how long its objects live, other processes, buffer handles, what the
 * environment changes, and what it reports.  The methods' results in each state
 * are sqlvdi_test's.
 */
#include "sdklink.h"

#define NOERROR	0

FIXTURE(life) {
	struct sdk_link l;
	struct VDC_Command *c;
	char log[64];
	char text[4096];
};

FIXTURE_SETUP(life)
{
	sdk_link_init(&self->l);
	snprintf(self->log, sizeof(self->log), "/tmp/sqlvdi-log-%d", getpid());
	setenv("VDI_SQLVDI_LOG", self->log, 1);
}

FIXTURE_TEARDOWN(life)
{
	sdk_link_down(&self->l);
	unlink(self->log);
	vt_baseline(_metadata);
}

/* What has been reported so far. */
static const char *logged(FIXTURE_DATA(life) *self)
{
	int fd = open(self->log, O_RDONLY);
	ssize_t n = fd < 0 ? 0 : read(fd, self->text, sizeof(self->text) - 1);

	close(fd);
	self->text[n > 0 ? n : 0] = 0;
	return self->text;
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

/* Objects. */

TEST_F(life, static_storage)
{
	sdk_delete(self->l.set);
	self->l.set = sdk_static();
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_TERMINATED));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
	self->l.set = sdk_new();
}

TEST_F(life, create_again_and_again)
{
	int i, first = dup(0), last;
	struct sdk_device *old = NULL;

	close(first);
	for (i = 0; i < 3; i++) {
		self->l.config = (struct VDConfig){ .deviceCount = SDK_DEVICES };
		ASSERT_EQ(0, sdk_link_to(&self->l, SDK_TERMINATED));
		EXPECT_EQ(NOERROR, sdk_close(self->l.set));
		EXPECT_EQ(0, vdi_server_close(self->l.server));
		vdi_server_free(self->l.server);
		self->l.server = NULL;
		/* Close keeps no descriptor */
		last = dup(0);
		EXPECT_EQ(first, last);
		close(last);
		/* a device of the first set is none of a later one */
		old = old ?: self->l.dev[0];
		EXPECT_EQ(VD_E_PROTOCOL, sdk_get_command(old, 0, &self->c));
	}
	self->l.config = (struct VDConfig){ .deviceCount = SDK_DEVICES };
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_get_command(old, 0, &self->c));
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 0, &self->c));
}

/* The object goes with everything open: as Close. */
TEST_F(life, delete_without_close)
{
	struct vdi_set_stat stat;

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	sdk_delete(self->l.set);
	self->l.set = sdk_new();
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_REASON_CLIENT_CLOSE, stat.reason.reason);
}

/* Programs that delete what belongs to the set, and then the set. */
TEST_F(life, deleted_device)
{
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	sdk_device_delete(self->l.dev[0]);
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[1], 0, &self->c));
	EXPECT_EQ(VD_E_OPEN, sdk_close(self->l.set));
	sdk_device_delete(self->l.dev[1]);
}

TEST_F(life, close_while_another_thread_waits)
{
	struct sdk_waiter w;

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	ASSERT_TRUE(sdk_wait(&w, self->l.dev[0], -1));
	EXPECT_EQ(VD_E_OPEN, sdk_close(self->l.set));
	EXPECT_EQ(VD_E_ABORT, sdk_waited(&w));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_get_command(self->l.dev[0], -1, &self->c));
}

TEST_F(life, delete_while_another_thread_waits)
{
	struct sdk_waiter w[2];

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	ASSERT_TRUE(sdk_wait(&w[0], self->l.dev[0], -1));
	ASSERT_TRUE(sdk_wait(&w[1], self->l.dev[1], 0xFFFFFFFF));
	sdk_delete(self->l.set);
	EXPECT_EQ(VD_E_ABORT, sdk_waited(&w[0]));
	EXPECT_EQ(VD_E_ABORT, sdk_waited(&w[1]));
	self->l.set = sdk_new();
}

/* Processes. */

static int use_parents_object(struct vt_child *me, void *arg)
{
	struct sdk_link *l = arg;
	struct VDC_Command *c;

	(void)me;
	if (sdk_get_command(l->dev[0], -1, &c) != VD_E_PROTOCOL ||
	    sdk_signal_abort(l->set) != VD_E_PROTOCOL || sdk_close(l->set) != VD_E_PROTOCOL)
		return 1;
	sdk_delete(l->set);
	return 0;
}

TEST_F(life, forked_child_has_no_set)
{
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, use_parents_object, &self->l));
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 0, &self->c));
	EXPECT_NE(NULL, strstr(logged(self), "OpenInSecondary"));
}

/* Joins in the child, takes the command, and looks into the buffer by its handle. */
static int secondary(struct vt_child *me, void *arg)
{
	struct sdk_link *l = arg;
	struct sdk_set *set = sdk_new();
	struct sdk_device *device;
	struct VDConfig config;
	struct VDC_Command *c;
	uint8_t *buffer;
	int handle;

	/* as the exit of a child does: the copy of the parent's goes first */
	sdk_delete(l->set);
	if (sdk_open_in_secondary(set, l->name) || sdk_get_configuration(set, -1, &config) ||
	    !(config.features & VDF_WriteMedia) || sdk_open_device(set, l->second, &device))
		return 1;
	if (sdk_get_command(device, 20000, &c) || c->commandCode != VDC_Flush ||
	    sdk_complete_command(device, c, 0, 0, 0))
		return 2;
	if (read(me->from, &handle, sizeof(handle)) != sizeof(handle) ||
	    sdk_map_buffer_handle(set, handle, &buffer))
		return 3;
	if (strcmp((char *)buffer, "by handle"))
		return 4;
	strcpy((char *)buffer, "seen");
	if (sdk_get_command(device, 20000, &c) != VD_E_CLOSE || sdk_close(set))
		return 5;
	sdk_delete(set);
	return 0;
}

TEST_F(life, secondary_in_a_child)
{
	struct vdi_completion done;
	unsigned int handle = 0;
	struct vt_child child;
	void *server;

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_INITIALIZING));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, secondary, &self->l));
	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Write, 4096));
	ASSERT_EQ(0, vdi_server_buffer(self->l.server, 0, &server));
	strcpy(server, "by handle");
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c));
	ASSERT_EQ(NOERROR, sdk_get_buffer_handle(self->l.set, self->c->buffer, &handle));
	EXPECT_EQ(0, handle >> 31);
	ASSERT_EQ(sizeof(handle), write(child.to, &handle, sizeof(handle)));
	ASSERT_EQ(0, sdk_send(&self->l, 1, VDC_Flush, 0));
	ASSERT_EQ(0, sdk_collect(&self->l, 1, &done));
	EXPECT_TRUE(VT_UNTIL(!strcmp(server, "seen")));
	EXPECT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c, 0, 4096, 0));
	EXPECT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(VD_E_CLOSE, sdk_get_command(self->l.dev[0], 20000, &self->c));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
}

TEST_F(life, OpenInSecondary_too_early)
{
	struct sdk_set *second = sdk_new();

	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_in_secondary(second, self->l.name));
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_in_secondary(second, self->l.name));
	ASSERT_EQ(0, sdk_link_serve(&self->l));
	EXPECT_EQ(NOERROR, sdk_open_in_secondary(second, self->l.name));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_in_secondary(second, self->l.name));
	EXPECT_EQ(NOERROR, sdk_signal_abort(second));
	EXPECT_EQ(VD_E_ABORT, sdk_get_configuration(self->l.set, -1, &self->l.config));
	EXPECT_EQ(NOERROR, sdk_close(second));
	sdk_delete(second);
}

/* The environment. */

TEST_F(life, timeout_unit)
{
	uint64_t start;

	setenv("VDI_SQLVDI_TIMEOUT_UNIT", "s", 1);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 0, &self->c));
	start = vt_now();
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_command(self->l.dev[0], 1, &self->c));
	EXPECT_LE(VT_SEC, vt_now() - start);
}

/* GetConfiguration's stay milliseconds: 5000 s would be the test's end. */
TEST_F(life, timeout_unit_is_GetCommands)
{
	setenv("VDI_SQLVDI_TIMEOUT_UNIT", "s", 1);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(VD_E_TIMEOUT, sdk_get_configuration(self->l.set, 5000, &self->l.config));
}

TEST_F(life, bad_environment)
{
	static const struct {
		const char *name, *value;
		int result;
	} bad[] = {
		{ "VDI_SQLVDI_TIMEOUT_UNIT", "seconds", VD_E_INVALID },
		{ "VDI_SQLVDI_MODE", "rw", VD_E_SECURITY },
		{ "VDI_SQLVDI_MODE", "0", VD_E_SECURITY },
		{ "VDI_SQLVDI_MODE", "1777", VD_E_SECURITY },
		{ "VDI_SQLVDI_MODE", "-1", VD_E_SECURITY },
		{ "VDI_SQLVDI_GROUP", "no-such-group", VD_E_SECURITY },
		{ "VDI_SQLVDI_GROUP", "-1", VD_E_SECURITY },
		{ "VDI_SQLVDI_INSTANCE", "a/b", VD_E_INSTANCE_NAME },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv(bad[i].name, bad[i].value, 1);
		EXPECT_EQ(bad[i].result, sdk_create(self->l.set, self->l.name, &self->l.config))
			TH_LOG("%s=%s", bad[i].name, bad[i].value);
		unsetenv(bad[i].name);
	}
	EXPECT_EQ((int)ARRAY_SIZE(bad), lines(logged(self)));
	EXPECT_NE(NULL, strstr(self->text, "VDI_SQLVDI_MODE is 'rw'"));
	/* empty is as not set */
	setenv("VDI_SQLVDI_MODE", "", 1);
	EXPECT_EQ(NOERROR, sdk_create(self->l.set, self->l.name, &self->l.config));
}

TEST_F(life, instance)
{
	struct vdi_set_stat stat;

	setenv("VDI_SQLVDI_INSTANCE", "second", 1);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(-ENOENT, vdi_stat_name(NULL, self->l.name, &stat, sizeof(stat)));
	EXPECT_EQ(0, vdi_stat_name("second", self->l.name, &stat, sizeof(stat)));
}

static int open_as_server(struct vt_child *me, void *arg)
{
	struct vdi_server *server;
	int err = vdi_server_new(&server) ?: vdi_server_open(server, NULL, arg);

	(void)me;
	return -err;
}

TEST_F(life, mode_and_group)
{
	mode_t node = vt_node_mode_now(), mask;

	ASSERT_TRUE(vt_node_mode(0666));
	/* nobody else may be the engine, whatever the umask is */
	mask = umask(0);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(EACCES, vt_run_as(VT_ALICE, VT_GROUP, open_as_server, self->l.name));
	ASSERT_EQ(NOERROR, sdk_close(self->l.set));
	umask(0777);
	setenv("VDI_SQLVDI_GROUP", "60010", 1);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(EACCES, vt_run_as(VT_ALICE, VT_ALICE, open_as_server, self->l.name));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_GROUP, open_as_server, self->l.name));
	ASSERT_EQ(NOERROR, sdk_close(self->l.set));
	setenv("VDI_SQLVDI_MODE", "0606", 1);
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_CONFIGURABLE));
	EXPECT_EQ(EACCES, vt_run_as(VT_ALICE, VT_GROUP, open_as_server, self->l.name));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_ALICE, open_as_server, self->l.name));
	umask(mask);
	vt_node_mode(node);
}

static int create_with_groups(struct vt_child *me, void *arg)
{
	struct sdk_link *l = arg;

	(void)me;
	return sdk_create(l->set, l->name, &l->config) & 0xff;
}

TEST_F(life, not_permitted)
{
	mode_t node = vt_node_mode_now();

	ASSERT_TRUE(vt_node_mode(0600));
	close(open(self->log, O_CREAT | O_WRONLY, 0666));
	EXPECT_EQ(0, chmod(self->log, 0666));
	EXPECT_EQ(VD_E_SECURITY & 0xff,
		  vt_run_as(VT_ALICE, VT_ALICE, create_with_groups, &self->l));
	EXPECT_NE(NULL, strstr(logged(self), "the device node is not for this user"));
	ASSERT_TRUE(vt_node_mode(0666));
	/* a group that is not the caller's */
	setenv("VDI_SQLVDI_GROUP", "60010", 1);
	EXPECT_EQ(VD_E_SECURITY & 0xff,
		  vt_run_as(VT_ALICE, VT_ALICE, create_with_groups, &self->l));
	EXPECT_EQ(0, vt_run_as(VT_ALICE, VT_GROUP, create_with_groups, &self->l));
	vt_node_mode(node);
}

TEST_F(life, no_node)
{
	static const char * const none[] = { "/dev/no-such-node", "/dev/null", "/etc/passwd" };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		setenv("VDI_DEVICE", none[i], 1);
		EXPECT_EQ(VD_E_NOTOPEN, sdk_create(self->l.set, self->l.name, &self->l.config));
		EXPECT_EQ(VD_E_NOTOPEN, sdk_open_in_secondary(self->l.set, self->l.name));
		EXPECT_EQ(VD_E_PROTOCOL, sdk_close(self->l.set));
	}
	unsetenv("VDI_DEVICE");
	EXPECT_NE(NULL, strstr(logged(self), "is the module loaded?"));
}

static int create_two(struct vt_child *me, void *arg)
{
	struct sdk_link *l = arg;

	(void)me;
	if (sdk_create(l->set, l->name, &l->config))
		return 0;
	return sdk_create(sdk_static(), l->second, &l->config) & 0xff;
}

/* not root's, who has no limits */
TEST_F(life, limit_of_the_module)
{
	long long old = vt_parameter("max_sets");
	mode_t node = vt_node_mode_now();

	ASSERT_TRUE(vt_node_mode(0666));
	ASSERT_TRUE(vt_set_parameter("max_sets", 1));
	close(open(self->log, O_CREAT | O_WRONLY, 0666));
	EXPECT_EQ(0, chmod(self->log, 0666));
	EXPECT_EQ(VD_E_MEMORY & 0xff, vt_run_as(VT_ALICE, VT_ALICE, create_two, &self->l));
	vt_set_parameter("max_sets", old);
	vt_node_mode(node);
	EXPECT_NE(NULL, strstr(logged(self), "VD_E_MEMORY"));
	EXPECT_NE(NULL, strstr(self->text, "limit"));
}

/* Reports. */

/* Nobody sees a bare VD_E_ABORT: who and why, and once. */
TEST_F(life, report_of_an_abort)
{
	char want[64];

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ABORT));
	EXPECT_EQ(VD_E_ABORT, sdk_get_command(self->l.dev[0], -1, &self->c));
	EXPECT_EQ(VD_E_ABORT, sdk_get_command(self->l.dev[1], -1, &self->c));
	EXPECT_EQ(VD_E_ABORT, sdk_get_configuration(self->l.set, -1, &self->l.config));
	EXPECT_EQ(1, lines(logged(self))) TH_LOG("%s", self->text);
	EXPECT_EQ(0, strncmp(self->text, "SQLVDI: Loc=ClientVirtualDevice::GetCommand. Desc=", 50));
	EXPECT_NE(NULL, strstr(self->text, "the test wants it"));
	EXPECT_NE(NULL, strstr(self->text, "code 3013"));
	EXPECT_NE(NULL, strstr(self->text, "server"));
	EXPECT_NE(NULL, strstr(self->text, "ErrorCode=(0x80770004)VD_E_ABORT. "));
	EXPECT_NE(NULL, strstr(self->text, " Client. "));
	snprintf(want, sizeof(want), "Process=%d. ", getpid());
	EXPECT_NE(NULL, strstr(self->text, want));
	EXPECT_NE(NULL, strstr(self->text, self->l.name));
}

/* The other side is told more than that there was a SignalAbort. */
TEST_F(life, reason_for_the_server)
{
	struct vdi_set_stat stat;

	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_ACTIVE));
	ASSERT_EQ(0, sdk_send(&self->l, 0, VDC_Flush, 0));
	ASSERT_EQ(NOERROR, sdk_get_command(self->l.dev[0], 20000, &self->c));
	ASSERT_EQ(NOERROR, sdk_complete_command(self->l.dev[0], self->c, ERROR_DISK_FULL, 0, 0));
	ASSERT_EQ(NOERROR, sdk_signal_abort(self->l.set));
	ASSERT_EQ(0, vdi_server_stat(self->l.server, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_REASON_SIGNALLED, stat.reason.reason);
	EXPECT_EQ(112, stat.reason.code);
	EXPECT_NE(NULL, strstr(stat.reason.text, "SignalAbort by sqlvdi_life"));
	EXPECT_NE(NULL, strstr(stat.reason.text, "ERROR_DISK_FULL"));
}

TEST_F(life, nothing_to_report)
{
	ASSERT_EQ(0, sdk_link_to(&self->l, SDK_TERMINATED));
	EXPECT_EQ(VD_E_PROTOCOL, sdk_open_device(self->l.set, self->l.name, &self->l.dev[0]));
	EXPECT_EQ(NOERROR, sdk_close(self->l.set));
	EXPECT_STREQ("", logged(self));
}

/* Where reports go: 2 as it was when the program began, and only that. */
TEST_F(life, where_reports_go)
{
	char other[80], text[512] = "";
	int fd, saved = dup(2);

	snprintf(other, sizeof(other), "%s.2", self->log);
	unsetenv("VDI_SQLVDI_LOG");
	/* what got the number 2 later may be the backup itself */
	fd = open(other, O_CREAT | O_RDWR, 0600);
	ASSERT_LE(0, fd);
	dup2(fd, 2);
	sdk_create(self->l.set, "", &self->l.config);
	EXPECT_EQ(0, pread(fd, text, sizeof(text), 0));
	/* unless it is asked for */
	setenv("VDI_SQLVDI_LOG", "stderr", 1);
	sdk_create(sdk_static(), "", &self->l.config);
	EXPECT_LT(0, pread(fd, text, sizeof(text), 0));
	setenv("VDI_SQLVDI_LOG", "none", 1);
	EXPECT_EQ(0, ftruncate(fd, 0));
	sdk_create(sdk_static(), "a/b", &self->l.config);
	EXPECT_EQ(0, pread(fd, text, sizeof(text), 0));
	dup2(saved, 2);
	unlink(other);
}

TEST_HARNESS_MAIN
