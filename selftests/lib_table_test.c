// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two transition tables of the specification, 2.2 and 2.3, driven cell by
 * cell through libvdi: what the call gives, by its name in the specification,
 * and the state after it.  Typed from the specification with its decisions 2.6.
 * The same through the ioctls is state_test's; the table of devices is
 * device_table_test's, what may be called after Close is lib_close_test's.
 */
#include "liblink.h"

enum view {
	DNE, Connected, Configurable, Initializing, Active, NormallyTerminated, Abort, VIEWS,
};

static const char * const view_names[] = {
	"Does Not Exist", "Connected", "Configurable", "Initializing", "Active",
	"Normally Terminated", "Abort", "no state",
};

enum function {
	Create, Open, GetConfiguration, BeginConfiguration, RequestBuffers,
	QueryAvailableBuffers, EndConfiguration, OpenDevice, ExecuteCompletionAgent,
	AllocateBuffer, FreeBuffer, GetCommand, CompleteCommand, SendCommand, CloseDevice,
	SignalAbort, Close,
};

/* A cell: what is returned, "" for NOERROR, and the next state. */
struct cell {
	const char *code;
	int next;
};

#define STAY		-1
#define NOERROR		{ "", STAY }
#define TO(state)	{ "", state }
#define PROTOCOL	{ "VD_E_PROTOCOL", STAY }
#define ABORTED		{ "VD_E_ABORT", STAY }
#define OPEN		{ "VD_E_OPEN", STAY }

/* Two devices, so that the first can be open while the set is Initializing. */
struct world {
	struct lib_link l;
	struct vdi_client_device *stale;	/* of a set that the client has closed */
	const struct vdi_client_command *c;	/* one that the client has, or had */
	struct lib_call call[2];
	void *buffer;
	bool bad;				/* a step towards the state failed */
};

static void must(struct world *w, int err)
{
	if (err)
		w->bad = true;
}

static void opens(struct world *w, bool client, int device)
{
	char name[VDI_NAME_SIZE];

	vt_device_name(name, w->l.name, device);
	if (client)
		must(w, vdi_client_open_device(w->l.client, name, &w->l.cdev[device]));
	else
		must(w, vdi_server_open_device(w->l.server, name, &w->l.sdev[device]));
}

static void client_takes_one(struct world *w)
{
	must(w, lib_send(&w->l, 0, &w->call[0], VDI_CMD_FLUSH));
	must(w, vdi_client_get_command(w->l.cdev[0], 0, &w->c));
}

static void all_is_done(struct world *w)
{
	const struct vdi_client_command *c;
	int i;

	must(w, vdi_client_complete_command(w->l.cdev[0], w->c, 0, 0, 0));
	must(w, !lib_called(&w->call[0]));
	for (i = 0; i < 2; i++) {
		must(w, vdi_server_close_device(w->l.sdev[i]));
		must(w, vdi_client_get_command(w->l.cdev[i], 0, &c) != -ESHUTDOWN);
	}
	must(w, !lib_agent_ends(&w->l));
}

static void up_to_end_config(struct world *w, enum view state)
{
	struct lib_link *l = &w->l;

	must(w, vdi_client_create(l->client, l->name, &l->config));
	must(w, vdi_server_open(l->server, NULL, l->name));
	if (state == Connected)
		return;
	must(w, vdi_server_begin_config(l->server, &l->begin));
	if (state == Configurable)
		return;
	must(w, vdi_server_request_buffers(l->server, VT_TRANSFER, 0, 4));
	must(w, vdi_server_end_config(l->server));
	must(w, vdi_server_alloc_buffer(l->server, &w->buffer, 4096, 0));
}

/* From Initializing on; @mine is how many devices this side has open before Active. */
static void go_on(struct world *w, enum view state, bool is_client, int mine)
{
	int i;

	if (state == Initializing) {
		for (i = 0; i < 2; i++)
			opens(w, !is_client, i);
		for (i = 0; i < mine; i++)
			opens(w, is_client, i);
		return;
	}
	for (i = 0; i < 2; i++) {
		opens(w, false, i);
		opens(w, true, i);
	}
	must(w, !lib_agent_start(&w->l));
	client_takes_one(w);
	if (state == NormallyTerminated)
		all_is_done(w);
	if (state != Abort)
		return;
	must(w, is_client ? vdi_server_abort(w->l.server, 0, NULL) :
			    vdi_client_abort(w->l.client, 0, NULL));
	must(w, !lib_agent_ends(&w->l));
}

static void world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	lib_link_init(&w->l, 2);
	must(w, vdi_client_new(&w->l.client));
	must(w, vdi_server_new(&w->l.server));
}

static enum view view_of(int err, const struct vdi_set_stat *s, bool is_client)
{
	static const enum view views[] = {
		[VDI_STATE_CONFIGURABLE] = Configurable, [VDI_STATE_CONNECTED] = Connected,
		[VDI_STATE_CONFIGURING] = Configurable, [VDI_STATE_INITIALIZING] = Initializing,
		[VDI_STATE_ACTIVE] = Active, [VDI_STATE_TERMINATED] = NormallyTerminated,
		[VDI_STATE_ABORTED] = Abort,
	};

	if (err)
		return err == -EPROTO ? DNE : VIEWS;
	if (is_client && s->state == VDI_STATE_CONNECTED)
		return Configurable;
	return s->state < ARRAY_SIZE(views) && s->state ? views[s->state] : VIEWS;
}

static enum view client_view(struct world *w)
{
	struct vdi_set_stat s;
	int err = vdi_client_stat(w->l.client, &s, sizeof(s));

	return view_of(err, &s, true);
}

/* After Close the object answers no more but with its last words. */
static enum view server_view(struct world *w)
{
	struct vdi_set_stat s;
	struct vdi_config config;
	int err = vdi_server_get_config(w->l.server, &config);

	if (err != -EPROTO)
		err = vdi_server_stat(w->l.server, &s, sizeof(s));
	return view_of(err, &s, false);
}

static void check_cell(struct __test_metadata *_metadata, const struct cell *cell,
		       enum view state, int err, enum view next, int face)
{
	enum view want = cell->next == STAY ? state : (enum view)cell->next;

	EXPECT_STREQ(cell->code, err ? vdi_error_name(err) : "") {
		TH_LOG("in %s, face %d: error %d", view_names[state], face, err);
	}
	EXPECT_EQ(want, next) {
		TH_LOG("from %s, face %d: to %s instead of %s", view_names[state], face,
		       view_names[next], view_names[want]);
	}
}

/* 2.2: the client's. Columns: DNE, Configurable, Initializing, Active, NormTerm, Abort */

#define CLIENT_COLUMNS	6

static const enum view client_columns[CLIENT_COLUMNS] = {
	DNE, Configurable, Initializing, Active, NormallyTerminated, Abort,
};

FIXTURE(client) {
	struct world w;
};

FIXTURE_VARIANT(client) {
	enum function fn;
	struct cell cells[CLIENT_COLUMNS];
};

FIXTURE_VARIANT_ADD(client, Create) { Create, {
	TO(Configurable), PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL } };
/* in Configurable after waiting, and it is EndConfiguration that moves the set: 2.6-a */
FIXTURE_VARIANT_ADD(client, GetConfiguration) { GetConfiguration, {
	PROTOCOL, TO(Initializing), NOERROR, NOERROR, NOERROR, ABORTED } };
/* 2.6-b */
FIXTURE_VARIANT_ADD(client, OpenDevice) { OpenDevice, {
	PROTOCOL, PROTOCOL, TO(Active), OPEN, PROTOCOL, ABORTED } };
/* 2.6-c: it waits, here for no time; 2.6-q: VD_E_CLOSE is sticky */
FIXTURE_VARIANT_ADD(client, GetCommand) { GetCommand, {
	PROTOCOL, PROTOCOL, { "VD_E_TIMEOUT", STAY }, NOERROR, { "VD_E_CLOSE", STAY }, ABORTED } };
/* 2.6-p */
FIXTURE_VARIANT_ADD(client, CompleteCommand) { CompleteCommand, {
	PROTOCOL, PROTOCOL, NOERROR, NOERROR, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(client, SignalAbort) { SignalAbort, {
	PROTOCOL, TO(Abort), TO(Abort), TO(Abort), TO(Abort), NOERROR } };
/* 3.5: in Active with devices open */
FIXTURE_VARIANT_ADD(client, Close) { Close, {
	PROTOCOL, TO(DNE), TO(DNE), { "VD_E_OPEN", DNE }, TO(DNE), TO(DNE) } };

FIXTURE_SETUP(client)
{
}

FIXTURE_TEARDOWN(client)
{
	vt_baseline(_metadata);
}

/* Some states have several faces, see client_world(). */
static int client_faces(enum view state)
{
	return state == DNE ? 2 : state == Configurable ? 3 : 1;
}

/* DNE: no set yet, or one that was closed in order; Configurable: how far the server is. */
static void client_world(struct world *w, enum view state, enum function fn, int face)
{
	world_init(w);
	if (state == Configurable && !face) {
		must(w, vdi_client_create(w->l.client, w->l.name, &w->l.config));
		return;
	}
	if (state == Configurable) {
		up_to_end_config(w, face == 1 ? Connected : Configurable);
		return;
	}
	if (state == DNE && !face)
		return;
	up_to_end_config(w, state);
	if (state == DNE) {
		go_on(w, NormallyTerminated, true, 0);
		must(w, vdi_client_close(w->l.client));
		w->stale = w->l.cdev[0];
		return;
	}
	go_on(w, state, true, fn == Close ? 0 : 1);
	if (state == Initializing && fn == CompleteCommand)
		client_takes_one(w);
	if (state == Active && fn == GetCommand)
		must(w, lib_send(&w->l, 0, &w->call[1], VDI_CMD_REWIND));
}

struct waiting {
	struct vdi_client *client;
	atomic_int tid;
	atomic_bool done;
	int ret;
	struct vdi_config config;
};

static void *wait_for_config(void *arg)
{
	struct waiting *g = arg;

	atomic_store(&g->tid, syscall(SYS_gettid));
	g->ret = vdi_client_get_config(g->client, -1, &g->config);
	atomic_store(&g->done, true);
	return NULL;
}

/* GetConfiguration while Configurable waits, and the server goes on meanwhile. */
static int get_config_waits(struct world *w, int face)
{
	struct waiting g = { .client = w->l.client };
	pthread_t t;

	if (vdi_client_get_config(w->l.client, 0, &g.config) != -ETIMEDOUT ||
	    client_view(w) != Configurable || pthread_create(&t, NULL, wait_for_config, &g))
		return -1;
	must(w, !VT_UNTIL(atomic_load(&g.tid) && vt_asleep_now(atomic_load(&g.tid))));
	must(w, atomic_load(&g.done));
	if (face == 0)
		must(w, vdi_server_open(w->l.server, NULL, w->l.name));
	if (face <= 1)
		must(w, vdi_server_begin_config(w->l.server, &w->l.begin));
	must(w, vdi_server_end_config(w->l.server));
	must(w, !VT_UNTIL(atomic_load(&g.done)));
	if (w->bad)
		return -1;
	pthread_join(t, NULL);
	return g.ret;
}

/* Where the client has no device, commands can only be asked for at the set. */
static int client_commands(struct world *w, enum function fn)
{
	struct vdi_client_device *dev = w->stale ?: w->l.cdev[0];
	const struct vdi_client_command *c;
	struct vdi_batch batch = { .min = fn == GetCommand };
	struct vdi_completion done = {};
	struct vdi_command got;

	if (dev)
		return fn == GetCommand ? vdi_client_get_command(dev, 0, &c) :
		       vdi_client_complete_command(dev, w->c, 0, 0, 0);
	if (fn == GetCommand)
		return vdi_client_exchange(w->l.client, NULL, 0, &got, 1, 0, &batch);
	return vdi_client_exchange(w->l.client, &done, 1, NULL, 0, 0, &batch);
}

static int client_calls(struct world *w, enum function fn, enum view state, int face)
{
	struct vdi_client_device *dev = (void *)1;
	struct vdi_config config;
	char name[VDI_NAME_SIZE];
	int err;

	switch (fn) {
	case Create:
		vt_name(name);
		return vdi_client_create(w->l.client, name, &w->l.config);
	case GetConfiguration:
		return state == Configurable ? get_config_waits(w, face) :
		       vdi_client_get_config(w->l.client, 0, &config);
	case OpenDevice:
		vt_device_name(name, w->l.name, 1);
		err = vdi_client_open_device(w->l.client, name, &dev);
		must(w, !err == !dev);
		return err;
	case GetCommand:
	case CompleteCommand:
		return client_commands(w, fn);
	case SignalAbort:
		return vdi_client_abort(w->l.client, 0, NULL);
	default:
		return vdi_client_close(w->l.client);
	}
}

/* What the server sees of the client's abort and Close. */
static void check_server(struct __test_metadata *_metadata, struct world *w, enum function fn,
			 enum view state)
{
	if (state == DNE || (fn != SignalAbort && fn != Close))
		return;
	/* no server was there: the name is free again */
	if (server_view(w) == DNE) {
		EXPECT_EQ(-ENOENT, vdi_server_open(w->l.server, NULL, w->l.name));
		return;
	}
	EXPECT_EQ(state == NormallyTerminated && fn == Close ? NormallyTerminated : Abort,
		  server_view(w));
}

TEST_F(client, row)
{
	struct world *w = &self->w;
	int i, face, err;

	for (i = 0; i < CLIENT_COLUMNS; i++) {
		enum view state = client_columns[i];

		for (face = 0; face < client_faces(state); face++) {
			client_world(w, state, variant->fn, face);
			EXPECT_FALSE(w->bad) {
				TH_LOG("%s not reached, face %d", view_names[state], face);
			}
			EXPECT_EQ(state, client_view(w));
			err = client_calls(w, variant->fn, state, face);
			EXPECT_FALSE(w->bad);
			check_cell(_metadata, &variant->cells[i], state, err, client_view(w),
				   face);
			check_server(_metadata, w, variant->fn, state);
			lib_link_down(&w->l);
			vt_baseline(_metadata);
		}
	}
}

/* 2.3: the server's. Columns: DNE, Connected, Configurable, ... as enum view */

FIXTURE(server) {
	struct world w;
};

FIXTURE_VARIANT(server) {
	enum function fn;
	struct cell cells[VIEWS];
};

FIXTURE_VARIANT_ADD(server, Open) { Open, {
	TO(Connected), PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL } };
FIXTURE_VARIANT_ADD(server, GetConfiguration) { GetConfiguration, {
	PROTOCOL, NOERROR, NOERROR, NOERROR, NOERROR, NOERROR, ABORTED } };
/* 2.6-r: aborted, the function's page wins, here and below */
FIXTURE_VARIANT_ADD(server, BeginConfiguration) { BeginConfiguration, {
	PROTOCOL, TO(Configurable), PROTOCOL, PROTOCOL, PROTOCOL, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(server, RequestBuffers) { RequestBuffers, {
	PROTOCOL, PROTOCOL, NOERROR, NOERROR, NOERROR, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(server, QueryAvailableBuffers) { QueryAvailableBuffers, {
	PROTOCOL, PROTOCOL, NOERROR, NOERROR, NOERROR, PROTOCOL, PROTOCOL } };
FIXTURE_VARIANT_ADD(server, EndConfiguration) { EndConfiguration, {
	PROTOCOL, PROTOCOL, TO(Initializing), PROTOCOL, PROTOCOL, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(server, OpenDevice) { OpenDevice, {
	PROTOCOL, PROTOCOL, PROTOCOL, TO(Active), OPEN, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(server, ExecuteCompletionAgent) { ExecuteCompletionAgent, {
	PROTOCOL, PROTOCOL, PROTOCOL, TO(Active), PROTOCOL, PROTOCOL, ABORTED } };
FIXTURE_VARIANT_ADD(server, AllocateBuffer) { AllocateBuffer, {
	PROTOCOL, PROTOCOL, PROTOCOL, NOERROR, NOERROR, NOERROR, ABORTED } };
/* 2.6-d: Connected is a misprint, there is no buffer and no device */
FIXTURE_VARIANT_ADD(server, FreeBuffer) { FreeBuffer, {
	PROTOCOL, PROTOCOL, PROTOCOL, NOERROR, NOERROR, NOERROR, ABORTED } };
/* 2.6-p: as soon as the server has the device open */
FIXTURE_VARIANT_ADD(server, SendCommand) { SendCommand, {
	PROTOCOL, PROTOCOL, PROTOCOL, NOERROR, NOERROR, PROTOCOL, ABORTED } };
/* 4.11: closed already */
FIXTURE_VARIANT_ADD(server, CloseDevice) { CloseDevice, {
	PROTOCOL, PROTOCOL, PROTOCOL, NOERROR, TO(NormallyTerminated), { "VD_E_CLOSE", STAY },
	ABORTED } };
FIXTURE_VARIANT_ADD(server, SignalAbort) { SignalAbort, {
	PROTOCOL, TO(Abort), TO(Abort), TO(Abort), TO(Abort), TO(Abort), NOERROR } };
/* 4.13: in Active with devices open */
FIXTURE_VARIANT_ADD(server, Close) { Close, {
	PROTOCOL, TO(DNE), TO(DNE), TO(DNE), { "VD_E_PROTOCOL", DNE }, TO(DNE), TO(DNE) } };

FIXTURE_SETUP(server)
{
}

FIXTURE_TEARDOWN(server)
{
	vt_baseline(_metadata);
}

static void server_world(struct world *w, enum view state, enum function fn)
{
	world_init(w);
	if (state == DNE) {
		must(w, vdi_client_create(w->l.client, w->l.name, &w->l.config));
		return;
	}
	up_to_end_config(w, state);
	if (state < Initializing)
		return;
	go_on(w, state, false, fn == Close ? 0 : fn == ExecuteCompletionAgent ? 2 : 1);
	if (state == Initializing && fn == ExecuteCompletionAgent) {
		/* all is open but one device of the client's */
		lib_link_down(&w->l);
		world_init(w);
		up_to_end_config(w, state);
		opens(w, false, 0);
		opens(w, false, 1);
		opens(w, true, 0);
	}
	if (state == Active && fn == CloseDevice) {
		/* nothing outstanding, and the other device is closed already */
		must(w, vdi_client_complete_command(w->l.cdev[0], w->c, 0, 0, 0));
		must(w, !lib_called(&w->call[0]));
		must(w, vdi_server_close_device(w->l.sdev[1]));
	}
}

/*
 * While Initializing it runs in a thread until all devices are closed; *@next is
 * the state once the last device is open as well.
 */
static int agent_runs(struct world *w, enum view *next)
{
	must(w, !lib_agent_start(&w->l));
	must(w, atomic_load(&w->l.agent_done));
	must(w, server_view(w) != Initializing);
	opens(w, true, 1);
	*next = server_view(w);
	must(w, vdi_server_close_device(w->l.sdev[0]));
	must(w, atomic_load(&w->l.agent_done));
	must(w, vdi_server_close_device(w->l.sdev[1]));
	must(w, !lib_agent_ends(&w->l));
	return w->l.agent_ret;
}

/* Where the server has no device there is none to be had, and the set refuses. */
static int server_commands(struct world *w, enum function fn)
{
	struct vdi_command c = { .code = VDI_CMD_FLUSH };
	struct vdi_server_device *dev = (void *)1;
	struct vdi_batch batch = { 0 };
	int err;

	if (w->l.sdev[0])
		return fn == CloseDevice ? vdi_server_close_device(w->l.sdev[0]) :
		       lib_send(&w->l, 0, &w->call[1], VDI_CMD_FLUSH);
	err = vdi_server_open_device(w->l.server, w->l.name, &dev);
	must(w, !!dev);
	return fn == CloseDevice ? err :
	       vdi_server_exchange(w->l.server, &c, 1, NULL, 0, 0, &batch);
}

static int server_calls(struct world *w, enum function fn, enum view state, enum view *next)
{
	struct vdi_server_device *dev;
	struct vdi_config config;
	char name[VDI_NAME_SIZE];
	uint32_t count;
	void *buffer;

	switch (fn) {
	case Open:
		return vdi_server_open(w->l.server, NULL, w->l.name);
	case GetConfiguration:
		return vdi_server_get_config(w->l.server, &config);
	case BeginConfiguration:
		return vdi_server_begin_config(w->l.server, &w->l.begin);
	case RequestBuffers:
		return vdi_server_request_buffers(w->l.server, 4096, 0, 1);
	case QueryAvailableBuffers:
		return vdi_server_query_available_buffers(w->l.server, 4096, 0, &count);
	case EndConfiguration:
		return vdi_server_end_config(w->l.server);
	case OpenDevice:
		vt_device_name(name, w->l.name, 1);
		return vdi_server_open_device(w->l.server, name, &dev);
	case ExecuteCompletionAgent:
		return state == Initializing ? agent_runs(w, next) :
		       vdi_server_run_agent(w->l.server);
	case AllocateBuffer:
		return vdi_server_alloc_buffer(w->l.server, &buffer, 4096, 0);
	case FreeBuffer:
		return vdi_server_free_buffer(w->l.server, w->buffer ?: name, 4096);
	case SendCommand:
	case CloseDevice:
		return server_commands(w, fn);
	case SignalAbort:
		return vdi_server_abort(w->l.server, 0, NULL);
	default:
		return vdi_server_close(w->l.server);
	}
}

static void check_client(struct __test_metadata *_metadata, struct world *w, enum function fn,
			 enum view state)
{
	if (state == DNE || (fn != SignalAbort && fn != Close))
		return;
	EXPECT_EQ(state == NormallyTerminated && fn == Close ? NormallyTerminated : Abort,
		  client_view(w));
}

TEST_F(server, row)
{
	struct world *w = &self->w;
	enum view state, next;
	int err;

	for (state = DNE; state < VIEWS; state++) {
		server_world(w, state, variant->fn);
		EXPECT_FALSE(w->bad) {
			TH_LOG("%s not reached", view_names[state]);
		}
		EXPECT_EQ(state, server_view(w));
		next = VIEWS;
		err = server_calls(w, variant->fn, state, &next);
		EXPECT_FALSE(w->bad);
		check_cell(_metadata, &variant->cells[state], state, err,
			   next == VIEWS ? server_view(w) : next, 0);
		check_client(_metadata, w, variant->fn, state);
		lib_link_down(&w->l);
		vt_baseline(_metadata);
	}
}

TEST_HARNESS_MAIN
