// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvdi's completion agent: who is called back, where, how often, and when the
 * agent ends.  What SendCommand refuses is in lib_state_test.c.
 */
#include "liblink.h"

/* agent: an active set of two devices whose agent runs. */
FIXTURE(agent) {
	struct lib_link l;
	struct lib_call call[8];
	const struct vdi_client_command *c;
};

FIXTURE_SETUP(agent)
{
	lib_link_init(&self->l, 2);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_TRUE(lib_agent_start(&self->l));
}

FIXTURE_TEARDOWN(agent)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static int send(struct lib_link *l, int device, struct lib_call *call)
{
	return lib_send(l, device, call, VDI_CMD_FLUSH);
}

static int answer(struct lib_link *l, int device, const struct vdi_client_command **c,
		  uint32_t code)
{
	return vdi_client_get_command(l->cdev[device], 20000, c) ?:
	       vdi_client_complete_command(l->cdev[device], *c, code, 0, 0);
}

TEST_F(agent, calls_back_in_its_own_thread)
{
	ASSERT_EQ(0, send(&self->l, 1, &self->call[0]));
	EXPECT_EQ(0, atomic_load(&self->call[0].calls));
	ASSERT_EQ(0, answer(&self->l, 1, &self->c, 50));
	ASSERT_TRUE(lib_called(&self->call[0]));
	EXPECT_EQ(50, self->call[0].code);
	EXPECT_TRUE(pthread_equal(self->l.agent, self->call[0].thread));
	EXPECT_EQ(self->l.sdev[1], self->call[0].command.device);
}

/* An event loop that polls the file may have set it to O_NONBLOCK. */
TEST_F(agent, waits_on_a_nonblocking_file)
{
	unsigned int i;

	ASSERT_EQ(0, fcntl(vdi_server_fd(self->l.server), F_SETFL, O_RDWR | O_NONBLOCK));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, send(&self->l, 0, &self->call[i]));
		ASSERT_EQ(0, answer(&self->l, 0, &self->c, 0));
		ASSERT_TRUE(lib_called(&self->call[i]));
	}
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
}

TEST_F(agent, ends_with_0_when_all_devices_are_closed)
{
	ASSERT_EQ(0, send(&self->l, 0, &self->call[0]));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[1]));
	EXPECT_FALSE(atomic_load(&self->l.agent_done));
	ASSERT_EQ(0, answer(&self->l, 0, &self->c, 0));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_EQ(1, atomic_load(&self->call[0].calls));
	EXPECT_EQ(0, vdi_server_close(self->l.server));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
}

/* T17: Close with devices open: 995 for each, by the agent, before it returns. */
TEST_F(agent, close_with_commands_outstanding)
{
	unsigned int i;

	for (i = 0; i < 8; i++)
		ASSERT_EQ(0, send(&self->l, i % 2, &self->call[i]));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], 20000, &self->c));
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
	for (i = 0; i < 8; i++) {
		EXPECT_EQ(1, atomic_load(&self->call[i].calls));
		EXPECT_EQ(995, self->call[i].code);
		EXPECT_TRUE(pthread_equal(self->l.agent, self->call[i].thread));
	}
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_EQ(-ECANCELED, vdi_client_complete_command(self->l.cdev[0], self->c, 0, 0, 0));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
}

TEST_F(agent, close_with_nothing_outstanding)
{
	EXPECT_EQ(-EPROTO, vdi_server_close(self->l.server));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
}

TEST_F(agent, abort_by_the_client)
{
	ASSERT_EQ(0, send(&self->l, 0, &self->call[0]));
	ASSERT_EQ(0, send(&self->l, 1, &self->call[1]));
	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_EQ(1, atomic_load(&self->call[0].calls));
	EXPECT_EQ(995, self->call[0].code);
	EXPECT_EQ(1, atomic_load(&self->call[1].calls));
	EXPECT_EQ(995, self->call[1].code);
	EXPECT_EQ(0, vdi_server_close(self->l.server));
}

TEST_F(agent, abort_by_the_server)
{
	ASSERT_EQ(0, send(&self->l, 0, &self->call[0]));
	ASSERT_EQ(0, vdi_server_abort(self->l.server, 0, NULL));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_EQ(995, self->call[0].code);
	EXPECT_EQ(1, atomic_load(&self->call[0].calls));
}

/* Without an agent Close itself calls back. */
TEST(close_without_agent)
{
	struct lib_call call[2] = {};
	struct lib_link l;

	lib_link_init(&l, 1);
	ASSERT_EQ(0, lib_link_to(&l, LIB_ACTIVE));
	ASSERT_EQ(0, send(&l, 0, &call[0]));
	ASSERT_EQ(0, send(&l, 0, &call[1]));
	EXPECT_EQ(-EPROTO, vdi_server_close(l.server));
	EXPECT_EQ(1, atomic_load(&call[0].calls));
	EXPECT_EQ(1, atomic_load(&call[1].calls));
	EXPECT_EQ(995, call[1].code);
	EXPECT_TRUE(pthread_equal(pthread_self(), call[1].thread));
	lib_link_down(&l);
	vt_baseline(_metadata);
}

/* An agent may be there before the devices are. */
TEST(agent_starts_first)
{
	const struct vdi_client_command *c;
	struct lib_call call = {};
	struct lib_link l;

	lib_link_init(&l, 1);
	ASSERT_EQ(0, lib_link_to(&l, LIB_CONFIGURABLE));
	ASSERT_EQ(0, vdi_server_request_buffers(l.server, 4096, 0, 1));
	ASSERT_EQ(0, vdi_server_end_config(l.server));
	ASSERT_TRUE(lib_agent_start(&l));
	ASSERT_EQ(0, lib_open_devices(&l, true));
	ASSERT_EQ(0, send(&l, 0, &call));
	ASSERT_EQ(0, answer(&l, 0, &c, 0));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_TRUE(pthread_equal(l.agent, call.thread));
	ASSERT_EQ(0, vdi_server_close_device(l.sdev[0]));
	ASSERT_TRUE(lib_agent_ends(&l));
	EXPECT_EQ(0, l.agent_ret);
	lib_link_down(&l);
	vt_baseline(_metadata);
}

/* Callbacks that call. */

struct inside {
	struct lib_link *l;
	struct lib_call call;
	struct vdi_server_command command;
	unsigned int rounds;
	atomic_int ret;
	atomic_bool done;
};

static void close_inside(struct vdi_server_command *command)
{
	struct inside *in = command->context;

	atomic_store(&in->ret, vdi_server_close(in->l->server));
	atomic_store(&in->done, true);
}

TEST_F(agent, close_inside_a_callback)
{
	struct inside in = { .l = &self->l, .command = {
		.code = VDI_CMD_FLUSH, .done = close_inside, .context = &in } };

	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &in.command));
	ASSERT_EQ(0, send(&self->l, 1, &self->call[0]));
	ASSERT_EQ(0, answer(&self->l, 0, &self->c, 0));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
	EXPECT_TRUE(atomic_load(&in.done));
	EXPECT_EQ(-EPROTO, atomic_load(&in.ret));
	EXPECT_EQ(0, in.command.completion_code);
	EXPECT_EQ(1, atomic_load(&self->call[0].calls));
	EXPECT_EQ(995, self->call[0].code);
}

static void free_inside(struct vdi_server_command *command)
{
	struct inside *in = command->context;

	vdi_server_free(in->l->server);
	atomic_store(&in->done, true);
}

/* The object goes when its agent lets it. */
TEST_F(agent, free_inside_a_callback)
{
	struct inside in = { .l = &self->l, .command = {
		.code = VDI_CMD_FLUSH, .done = free_inside, .context = &in } };

	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &in.command));
	ASSERT_EQ(0, send(&self->l, 1, &self->call[0]));
	ASSERT_EQ(0, answer(&self->l, 0, &self->c, 0));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_TRUE(atomic_load(&in.done));
	EXPECT_EQ(1, atomic_load(&self->call[0].calls));
	EXPECT_EQ(995, self->call[0].code);
	self->l.server = NULL;
}

/* Sends the same command again until enough. */
static void send_again(struct vdi_server_command *command)
{
	struct inside *in = command->context;

	if (--in->rounds) {
		atomic_store(&in->ret, vdi_server_send_command(command->device, command));
		return;
	}
	atomic_store(&in->done, true);
}

TEST_F(agent, send_inside_a_callback)
{
	struct inside in = { .l = &self->l, .rounds = 200, .command = {
		.code = VDI_CMD_FLUSH, .done = send_again, .context = &in } };
	unsigned int i;

	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &in.command));
	for (i = 0; i < 200; i++)
		ASSERT_EQ(0, answer(&self->l, 0, &self->c, 0));
	EXPECT_TRUE(VT_UNTIL(atomic_load(&in.done)));
	EXPECT_EQ(0, atomic_load(&in.ret));
	EXPECT_EQ(-ETIMEDOUT, vdi_client_get_command(self->l.cdev[0], 0, &self->c));
}

/* A client that is killed. */

static int killed_client(struct vt_child *me, void *arg)
{
	const struct vdi_client_command *c;
	struct lib_link *l = arg;

	if (vdi_client_new(&l->client) || vdi_client_create(l->client, l->name, &l->config))
		return 1;
	vt_tell(me, 1);
	if (vdi_client_get_config(l->client, 20000, &l->begin) ||
	    vdi_client_open_device(l->client, l->name, &l->cdev[0]) ||
	    vdi_client_get_command(l->cdev[0], 20000, &c))
		return 2;
	vt_tell(me, 2);
	for (;;)
		pause();
}

TEST(client_is_killed)
{
	struct lib_call call[2] = {};
	struct vdi_set_stat stat;
	struct vt_child child;
	struct lib_link l;

	lib_link_init(&l, 1);
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, killed_client, &l));
	ASSERT_EQ(1, vt_hear(&child));
	ASSERT_EQ(0, vdi_server_new(&l.server));
	ASSERT_EQ(0, vdi_server_open(l.server, NULL, l.name));
	ASSERT_EQ(0, lib_configure(&l));
	ASSERT_EQ(0, lib_open_devices(&l, false));
	ASSERT_TRUE(lib_agent_start(&l));
	ASSERT_EQ(0, send(&l, 0, &call[0]));
	ASSERT_EQ(2, vt_hear(&child));
	ASSERT_EQ(0, send(&l, 0, &call[1]));
	ASSERT_EQ(0, kill(child.pid, SIGKILL));
	ASSERT_TRUE(lib_agent_ends(&l));
	EXPECT_EQ(0, l.agent_ret);
	EXPECT_EQ(1, atomic_load(&call[0].calls));
	EXPECT_EQ(995, call[0].code);
	EXPECT_EQ(1, atomic_load(&call[1].calls));
	EXPECT_EQ(995, call[1].code);
	ASSERT_EQ(0, vdi_server_stat(l.server, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_REASON_CLIENT_DIED, stat.reason.reason);
	EXPECT_EQ(child.pid, stat.reason.who.pid);
	EXPECT_EQ(256 + SIGKILL, vt_finish(&child));
	lib_link_down(&l);
	vt_baseline(_metadata);
}

/* Many senders, one agent: T27, exactly one callback for each call. */

#define SENDERS	4
#define EACH	400

struct sender {
	struct lib_link *l;
	int device;
	struct lib_call *call;
	unsigned int refused;
	int err;
};

static void *send_many(void *arg)
{
	struct sender *s = arg;
	unsigned int i;
	int ret;

	for (i = 0; i < EACH && !s->err; i++) {
		ret = send(s->l, s->device, &s->call[i]);
		if (ret == -EXFULL) {
			s->refused++;
			sched_yield();
		} else if (ret && ret != -ECANCELED) {
			s->err = ret;
		}
	}
	return NULL;
}

static void *answer_many(void *arg)
{
	const struct vdi_client_command *c;
	struct vdi_client_device *dev = arg;

	while (!vdi_client_get_command(dev, -1, &c))
		if (vdi_client_complete_command(dev, c, 0, 0, 0))
			break;
	return NULL;
}

static void run_senders(struct __test_metadata *_metadata, struct lib_link *l,
			struct lib_call *calls, bool abort)
{
	struct sender s[SENDERS] = {};
	pthread_t t[SENDERS], a[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, pthread_create(&a[i], NULL, answer_many, l->cdev[i]));
	for (i = 0; i < SENDERS; i++) {
		s[i] = (struct sender){ l, i % 2, calls + i * EACH, 0, 0 };
		ASSERT_EQ(0, pthread_create(&t[i], NULL, send_many, &s[i]));
	}
	if (abort) {
		ASSERT_TRUE(VT_UNTIL(atomic_load(&calls[EACH / 4].calls)));
		ASSERT_EQ(0, vdi_client_abort(l->client, 0, NULL));
	}
	for (i = 0; i < SENDERS; i++) {
		pthread_join(t[i], NULL);
		EXPECT_EQ(0, s[i].err);
	}
	for (i = 0; i < 2; i++)
		EXPECT_EQ(abort ? -ECANCELED : 0, vdi_server_close_device(l->sdev[i]));
	ASSERT_TRUE(lib_agent_ends(l));
	EXPECT_EQ(0, l->agent_ret);
	for (i = 0; i < 2; i++)
		pthread_join(a[i], NULL);
}

TEST_F(agent, one_callback_for_each_send)
{
	struct lib_call *calls = calloc(SENDERS * EACH, sizeof(*calls));
	unsigned int i;

	run_senders(_metadata, &self->l, calls, false);
	for (i = 0; i < SENDERS * EACH; i++) {
		ASSERT_EQ(1, atomic_load(&calls[i].calls));
		EXPECT_TRUE(calls[i].code == 0 || calls[i].code == 1450);
	}
}

TEST_F(agent, one_callback_for_each_send_with_an_abort)
{
	struct lib_call *calls = calloc(SENDERS * EACH, sizeof(*calls));
	unsigned int i;

	run_senders(_metadata, &self->l, calls, true);
	for (i = 0; i < SENDERS * EACH; i++) {
		ASSERT_EQ(1, atomic_load(&calls[i].calls));
		EXPECT_TRUE(calls[i].code == 0 || calls[i].code == 1450 || calls[i].code == 995);
	}
}

TEST_HARNESS_MAIN
