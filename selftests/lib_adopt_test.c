// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adoption through libvdi: what a forked worker, or one that was passed a
 * descriptor, can do with the objects.  Whose death counts is adopt_test's.
 */
#include <sys/mman.h>
#include <sys/socket.h>

#include "liblink.h"
#include "peer.h"
#include "sleeper.h"

FIXTURE(worker) {
	struct lib_link l;
	void *buffer;
	int sock[2];
};

FIXTURE_SETUP(worker)
{
	lib_link_init(&self->l, 2);
	ASSERT_EQ(0, lib_link_to(&self->l, LIB_ACTIVE));
	ASSERT_EQ(0, vdi_server_alloc_buffer(self->l.server, &self->buffer, VT_TRANSFER, 0));
	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, self->sock));
}

FIXTURE_TEARDOWN(worker)
{
	lib_link_down(&self->l);
	vt_baseline(_metadata);
}

static int serve(struct vdi_client_device *dev)
{
	const struct vdi_client_command *c;
	int err;

	while (!(err = vdi_client_get_command(dev, 20000, &c))) {
		unsigned char *p = c->buffer;

		/* what was written comes back in place */
		if (p)
			p[0] ^= 0xff;
		err = vdi_client_complete_command(dev, c, 0, p ? (uint32_t)c->size : 0, 0);
		if (err)
			return err;
	}
	return err;
}

static int adopts_the_client(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_set_stat stat;

	if (vdi_client_stat(self->l.client, &stat, sizeof(stat)) != -EIO)
		return 1;
	if (vdi_client_adopt(self->l.client) || vdi_client_adopt(self->l.client))
		return 2;
	if (vdi_client_stat(self->l.client, &stat, sizeof(stat)) || stat.client.pid != getpid())
		return 3;
	if (!vt_tell(me, 'a') || serve(self->l.cdev[0]) != -ESHUTDOWN ||
	    serve(self->l.cdev[1]) != -ESHUTDOWN)
		return 4;
	return -vdi_client_close(self->l.client);
}

static void write_and_close(struct __test_metadata *_metadata, struct lib_link *l, void *buffer,
			    int device)
{
	struct lib_call call;
	struct vdi_server_command *c = lib_command(&call, VDI_CMD_WRITE);

	*(unsigned char *)buffer = 0x5a;
	c->buffer = buffer;
	c->size = VT_TRANSFER;
	ASSERT_EQ(0, vdi_server_send_command(l->sdev[device], c));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(0, call.code);
	EXPECT_EQ(0xa5, *(unsigned char *)buffer);
	EXPECT_EQ(0, vdi_server_close_device(l->sdev[device]));
}

TEST_F(worker, client_in_a_child)
{
	struct vt_child child;
	struct vdi_set_stat stat;

	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopts_the_client, self));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(-EIO, vdi_client_stat(self->l.client, &stat, sizeof(stat)));
	write_and_close(_metadata, &self->l, self->buffer, 0);
	write_and_close(_metadata, &self->l, self->buffer, 1);
	EXPECT_EQ(0, vt_finish(&child));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(0, self->l.agent_ret);
}

/* A device for each process, one of them the parent. */
static int adopts_a_device(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;

	if (vdi_client_device_adopt(self->l.cdev[1]) || !vt_tell(me, 'a'))
		return 1;
	return serve(self->l.cdev[1]) == -ESHUTDOWN ? 0 : 2;
}

TEST_F(worker, process_for_a_device)
{
	const struct vdi_client_command *c;
	struct vt_child child;

	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopts_a_device, self));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(-EIO, vdi_client_get_command(self->l.cdev[1], 0, &c));
	write_and_close(_metadata, &self->l, self->buffer, 1);
	EXPECT_EQ(0, vt_finish(&child));
	ASSERT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-ESHUTDOWN, vdi_client_get_command(self->l.cdev[0], -1, &c));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	ASSERT_TRUE(lib_agent_ends(&self->l));
}

/* What the parent got, at the address where it got it. */
static const struct vdi_client_command *fetched;

static int completes_what_was_fetched(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	unsigned char *p = fetched->buffer;

	if (vdi_client_adopt(self->l.client) || p[0] != 0x5a)
		return 1;
	p[0] = 0xa5;
	if (vdi_client_complete_command(self->l.cdev[0], fetched, 0, VT_TRANSFER, 0))
		return 2;
	return vt_tell(me, 'a') && vt_hear(me) == 'x' ? 0 : 3;
}

TEST_F(worker, commands_that_the_parent_got)
{
	struct lib_call call;
	struct vdi_server_command *c = lib_command(&call, VDI_CMD_WRITE);
	struct vt_child child;

	ASSERT_TRUE(lib_agent_start(&self->l));
	*(unsigned char *)self->buffer = 0x5a;
	c->buffer = self->buffer;
	c->size = VT_TRANSFER;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], c));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], -1, &fetched));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, completes_what_was_fetched, self));
	ASSERT_EQ('a', vt_hear(&child));
	ASSERT_TRUE(lib_called(&call));
	EXPECT_EQ(0xa5, *(unsigned char *)self->buffer);
	EXPECT_EQ(-EIO, vdi_client_complete_command(self->l.cdev[0], fetched, 0, 0, 0));
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
}

/* The engine goes on in the child: pool, agent, callbacks. */
static int adopts_the_server(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct lib_call call;
	struct vdi_server_command *c = lib_command(&call, VDI_CMD_WRITE);
	void *more;

	if (vdi_server_alloc_buffer(self->l.server, &more, VT_TRANSFER, 0) != -EIO)
		return 1;
	self->l.agent_runs = false;
	if (vdi_server_adopt(self->l.server) || !lib_agent_start(&self->l))
		return 2;
	if (vdi_server_alloc_buffer(self->l.server, &more, VT_TRANSFER, 0) ||
	    more == self->buffer)
		return 3;
	*(unsigned char *)self->buffer = 0x5a;
	c->buffer = self->buffer;
	c->size = VT_TRANSFER;
	if (vdi_server_send_command(self->l.sdev[0], c) || !lib_called(&call) || call.code ||
	    *(unsigned char *)self->buffer != 0xa5)
		return 4;
	if (vdi_server_close_device(self->l.sdev[0]) || vdi_server_close_device(self->l.sdev[1]))
		return 5;
	if (!lib_agent_ends(&self->l) || self->l.agent_ret)
		return 6;
	(void)me;
	return -vdi_server_close(self->l.server);
}

TEST_F(worker, server_in_a_child)
{
	struct vt_child child;

	/* that the parent's agent runs must not hold the child's up */
	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, adopts_the_server, self));
	EXPECT_EQ(-ESHUTDOWN, serve(self->l.cdev[0]));
	EXPECT_EQ(-ESHUTDOWN, serve(self->l.cdev[1]));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(0, vdi_client_close(self->l.client));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(-EIO, self->l.agent_ret);
}

/* An engine's worker with a device alone: batch calls, buffers by their offset. */
static int works_for_the_engine(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_batch batch = { .min = 1 };
	struct vdi_command c = { .device = 1, .code = VDI_CMD_WRITE, .length = VT_TRANSFER };
	struct vdi_completion done;
	struct lib_call call;
	uint64_t offset;
	void *buffer;

	(void)me;
	if (vdi_server_device_adopt(self->l.sdev[1]))
		return 1;
	if (vdi_server_alloc_buffer(self->l.server, &buffer, VT_TRANSFER, 0) != -EIO ||
	    lib_send(&self->l, 1, &call, VDI_CMD_FLUSH) != -EIO || atomic_load(&call.calls) != 1)
		return 2;
	if (vdi_server_buffer_offset(self->l.server, self->buffer, &offset) ||
	    vdi_server_buffer(self->l.server, offset, &buffer) || buffer != self->buffer)
		return 3;
	c.offset = offset;
	*(unsigned char *)buffer = 0x5a;
	if (vdi_server_device_exchange(self->l.sdev[1], &c, 1, &done, 1, 20000, &batch) ||
	    batch.delivered != 1 || done.code || *(unsigned char *)buffer != 0xa5)
		return 4;
	return -vdi_server_close_device(self->l.sdev[1]);
}

TEST_F(worker, engines_worker_for_a_device)
{
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, works_for_the_engine, self));
	EXPECT_EQ(-ESHUTDOWN, serve(self->l.cdev[1]));
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-ESHUTDOWN, serve(self->l.cdev[0]));
}

/* Memory of the child's own where the parent has a buffer. */
static unsigned char *map_at(void *buffer)
{
	void *page = (void *)((uintptr_t)buffer & ~4095UL);
	void *mine = mmap(page, 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	return mine == page ? mine : NULL;
}

/* Something else lives at the address: said, and nothing of it is overwritten. */
static int address_is_taken(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	unsigned char *mine = map_at(self->buffer);
	struct vdi_device_status status = { };
	void *buffer;

	(void)me;
	if (!mine)
		return 1;
	mine[0] = 0x33;
	if (vdi_server_adopt(self->l.server) != -EADDRINUSE)
		return 2;
	/* the handles are adopted, all of them; of the buffers there is none */
	status.size = sizeof(status);
	if (vdi_server_device_status(self->l.sdev[0], &status) ||
	    vdi_server_device_status(self->l.sdev[1], &status))
		return 4;
	if (vdi_server_alloc_buffer(self->l.server, &buffer, VT_TRANSFER, 0) != -ENOMEM)
		return 5;
	vdi_server_free(self->l.server);
	vdi_client_free(self->l.client);
	return mine[0] == 0x33 ? 0 : 3;
}

TEST_F(worker, address_is_in_use)
{
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, address_is_taken, self));
}

/* free() in a child that has adopted nothing leaves the child's own memory alone. */
static int only_frees(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	unsigned char *mine = map_at(self->buffer);

	(void)me;
	if (!mine)
		return 1;
	mine[0] = 0x44;
	vdi_server_free(self->l.server);
	vdi_client_free(self->l.client);
	return mine[0] == 0x44 ? 0 : 2;
}

TEST_F(worker, free_in_a_child)
{
	struct vdi_set_stat stat;

	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, only_frees, self));
	ASSERT_EQ(0, vdi_client_stat(self->l.client, &stat, sizeof(stat)));
	EXPECT_EQ(VDI_STATE_ACTIVE, stat.state);
}

static int waits_for_a_command(struct vt_sleeper *s)
{
	const struct vdi_client_command *c;
	struct vdi_client_device *dev = (void *)(uintptr_t)s->x.in;

	return -vdi_client_get_command(dev, -1, &c);
}

/* A thread of the parent was in a call: nobody leaves it in the child. */
static int frees_what_is_in_use(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	int client = vdi_client_device_fd(self->l.cdev[0]);
	int server = vdi_server_device_fd(self->l.sdev[0]);

	(void)me;
	vdi_client_free(self->l.client);
	vdi_server_free(self->l.server);
	if (fcntl(client, F_GETFD) != -1 || fcntl(server, F_GETFD) != -1)
		return 1;
	return 0;
}

TEST_F(worker, free_in_a_child_while_the_parent_waits)
{
	struct vt_sleeper s = {
		.call = waits_for_a_command, .x.in = (uintptr_t)self->l.cdev[0],
	};

	ASSERT_TRUE(vt_sleep(&s));
	EXPECT_EQ(0, vt_run_as(VT_ROOT, VT_ROOT, frees_what_is_in_use, self));
	EXPECT_TRUE(vt_still_asleep(&s));
	EXPECT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	ASSERT_TRUE(vt_awake(&s));
	EXPECT_EQ(ECANCELED, s.err);
}

static atomic_int in_callback;

static void lasts(struct vdi_server_command *command)
{
	atomic_store(&in_callback, 1);
	VT_UNTIL(atomic_load(&in_callback) == 2);
	lib_done(command);
}

static int takes_the_server(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;

	if (vdi_server_adopt(self->l.server))
		return 1;
	return vt_tell(me, 'a') && vt_hear(me) == 'x' ? 0 : 2;
}

/* An agent that is in a callback has the object when the server is somebody else's. */
TEST_F(worker, free_of_what_a_child_has_while_the_agent_runs)
{
	const struct vdi_client_command *c;
	struct vt_child child;
	struct lib_call call;

	atomic_store(&in_callback, 0);
	ASSERT_TRUE(lib_agent_start(&self->l));
	lib_command(&call, VDI_CMD_FLUSH)->done = lasts;
	ASSERT_EQ(0, vdi_server_send_command(self->l.sdev[0], &call.command));
	ASSERT_EQ(0, vdi_client_get_command(self->l.cdev[0], -1, &c));
	ASSERT_EQ(0, vdi_client_complete_command(self->l.cdev[0], c, 0, 0, 0));
	ASSERT_TRUE(VT_UNTIL(atomic_load(&in_callback) == 1));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, takes_the_server, self));
	ASSERT_EQ('a', vt_hear(&child));
	vdi_server_free(self->l.server);
	self->l.server = NULL;
	atomic_store(&in_callback, 2);
	ASSERT_TRUE(lib_called(&call));
	ASSERT_TRUE(lib_agent_ends(&self->l));
	EXPECT_EQ(-EIO, self->l.agent_ret);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
}

/* By descriptor passing */

static int gets_a_device(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_client_device *dev;
	struct vdi_client *client;
	struct vdi_server_device *sdev;
	struct vdi_server *server;
	struct vdi_config config;
	struct vdi_set_stat stat;
	int fd = vt_receive_fd(self->sock[1]), ret;

	if (vdi_server_new_from_device_fd(&server, &sdev, fd) != -EPROTO || server || sdev ||
	    vdi_client_new_from_fd(&client, fd) != -ENODEV || client ||
	    vdi_client_new_from_device_fd(&client, &dev, self->sock[1]) != -ENODEV ||
	    vdi_client_new_from_device_fd(&client, &dev, -1) != -EBADF)
		return 1;
	if (vdi_client_new_from_device_fd(&client, &dev, fd))
		return 2;
	if (vdi_client_get_config(client, 0, &config) || config.device_count != 2 ||
	    vdi_client_stat(client, &stat, sizeof(stat)) || stat.state != VDI_STATE_ACTIVE)
		return 3;
	if (vdi_client_close(client) != -EPROTO ||
	    vdi_client_create(client, "x", &config) != -EPROTO)
		return 4;
	if (!vt_tell(me, 'a'))
		return 5;
	ret = serve(dev) == -ESHUTDOWN ? 0 : 6;
	vdi_client_free(client);
	return ret;
}

TEST_F(worker, device_by_passing)
{
	struct vt_child child;

	ASSERT_TRUE(lib_agent_start(&self->l));
	ASSERT_TRUE(vt_start(&child, VT_ALICE, VT_ALICE, gets_a_device, self));
	ASSERT_EQ(0, vt_pass_fd(self->sock[0], vdi_client_device_fd(self->l.cdev[1])));
	ASSERT_EQ('a', vt_hear(&child));
	write_and_close(_metadata, &self->l, self->buffer, 1);
	EXPECT_EQ(0, vt_finish(&child));
	EXPECT_EQ(0, vdi_server_close_device(self->l.sdev[0]));
	EXPECT_EQ(-ESHUTDOWN, serve(self->l.cdev[0]));
	ASSERT_TRUE(lib_agent_ends(&self->l));
}

/* A helper has opened the node; who gets the descriptor makes the set. */
static int creates(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_config config = { .device_count = 1 };
	struct vdi_client *client, *none;
	int ret;

	if (access(VDI_DEVICE_NODE, W_OK) == 0)
		return 1;
	if (vdi_client_new_from_fd(&client, vt_receive_fd(self->sock[1])))
		return 2;
	if (vdi_client_new(&none) != -EACCES)
		return 3;
	ret = vdi_client_create(client, "passed", &config);
	if (ret || !vt_tell(me, 'a') || vt_hear(me) != 'x')
		return 4;
	ret = vdi_client_close(client);
	vdi_client_free(client);
	return ret ? 5 : 0;
}

TEST_F(worker, unbound_by_passing)
{
	mode_t mode = vt_node_mode_now();
	struct vt_child child;
	struct vdi_set_stat stat;
	int fd;

	ASSERT_TRUE(vt_node_mode(0600));
	fd = vt_open_node();
	ASSERT_TRUE(vt_start(&child, VT_EVE, VT_EVE, creates, self));
	ASSERT_EQ(0, vt_pass_fd(self->sock[0], fd));
	close(fd);
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(0, vdi_stat_name(NULL, "passed", &stat, sizeof(stat)));
	EXPECT_EQ(VT_EVE, stat.client.uid);
	vt_tell(&child, 'x');
	EXPECT_EQ(0, vt_finish(&child));
	vt_node_mode(mode);
}

/* A helper has opened the set as the server and passes that on, before and after configuration. */
static int gets_the_server(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_server_device *dev;
	struct vdi_server *server;
	struct vdi_client *client;
	int fd = vt_receive_fd(self->sock[1]);

	if (vdi_client_new_from_fd(&client, fd) != -EPROTO || client)
		return 1;
	if (vdi_server_new_from_fd(&server, fd))
		return 2;
	if (self->l.begin.block_size && vdi_server_begin_config(server, &self->l.begin))
		return 3;
	if (vdi_server_request_buffers(server, VT_TRANSFER, 0, 2) ||
	    vdi_server_end_config(server) ||
	    vdi_server_open_device(server, self->l.name, &dev))
		return 4;
	if (!vt_tell(me, 'a') || vt_hear(me) != 'x')
		return 5;
	vdi_server_close_device(dev);
	vdi_server_free(server);
	return 0;
}

/* An aborted one is still to be closed, which then is no error (2.3). */
static int gets_an_aborted_server(struct vt_child *me, void *arg)
{
	FIXTURE_DATA(worker) *self = arg;
	struct vdi_server *server;
	int fd = vt_receive_fd(self->sock[1]);

	(void)me;
	if (vdi_server_new_from_fd(&server, fd))
		return 1;
	if (vdi_server_run_agent(server) != -ECANCELED)
		return 2;
	if (vdi_server_close(server) || vdi_server_close(server) != -EPROTO)
		return 3;
	vdi_server_free(server);
	return 0;
}

TEST_F(worker, aborted_server_by_passing)
{
	struct vt_child child;

	ASSERT_EQ(0, vdi_client_abort(self->l.client, 0, NULL));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, gets_an_aborted_server, self));
	ASSERT_EQ(0, vt_pass_fd(self->sock[0], vdi_server_fd(self->l.server)));
	EXPECT_EQ(0, vt_finish(&child));
}

static void pass_the_server(struct __test_metadata *_metadata, FIXTURE_DATA(worker) *self,
			    bool configuring)
{
	struct lib_link *l = &self->l;
	struct vdi_config config;
	struct vt_child child;

	lib_link_down(l);
	lib_link_init(l, 1);
	l->begin.block_size = configuring ? 0 : 4096;
	ASSERT_EQ(0, lib_link_to(l, configuring ? LIB_CONFIGURABLE : LIB_CONNECTED));
	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, gets_the_server, self));
	ASSERT_EQ(0, vt_pass_fd(self->sock[0], vdi_server_fd(l->server)));
	ASSERT_EQ('a', vt_hear(&child));
	EXPECT_EQ(0, vdi_client_get_config(l->client, 0, &config));
	EXPECT_EQ(VT_TRANSFER, config.max_transfer_size);
	EXPECT_EQ(configuring ? 512 : 4096, config.block_size);
	ASSERT_EQ(0, vdi_client_open_device(l->client, l->name, &l->cdev[0]));
	vt_tell(&child, 'x');
	EXPECT_EQ(-ESHUTDOWN, serve(l->cdev[0]));
	EXPECT_EQ(0, vt_finish(&child));
}

TEST_F(worker, server_by_passing_before_configuration)
{
	pass_the_server(_metadata, self, false);
}

TEST_F(worker, server_by_passing_during_configuration)
{
	pass_the_server(_metadata, self, true);
}

TEST_HARNESS_MAIN
