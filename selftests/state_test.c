// SPDX-License-Identifier: GPL-2.0-only
/*
 * The transition tables of the specification, restated from its sections 2.2
 * and 2.3 with the decisions of 2.6 and of design.md section 4, each cell a
 * test of its own.  The table of devices, 2.4, is device_table_test's; the cells
 * that are libvdi's (QueryAvailableBuffers, ExecuteCompletionAgent,
 * AllocateBuffer, FreeBuffer, and RequestBuffers while Configurable) are in
 * lib_table_test.c, with all the others through libvdi.
 */
#include "child.h"

enum view {
	DNE, Connected, Configurable, Initializing, Active, NormallyTerminated, Abort,
};

enum function {
	Create, Open, GetConfiguration, BeginConfiguration, RequestBuffers, EndConfiguration,
	OpenDevice, GetCommand, CompleteCommand, SendCommand, CloseDevice, SignalAbort, Close,
};

/* Two devices, so that the first can be open while the set is Initializing. */
struct world {
	int client, server;
	int cdev[2], sdev[2];
	char name[2][VDI_NAME_SIZE];
	__u64 id;		/* of a command that the client has or had */
	bool bad;		/* a step towards the state failed */
};

static void must(struct world *w, int err)
{
	if (err)
		w->bad = true;
}

static void server_opens(struct world *w, int i)
{
	w->sdev[i] = vt_open_device(w->server, w->name[i]);
	must(w, w->sdev[i] < 0);
}

static void client_opens(struct world *w, int i)
{
	w->cdev[i] = vt_open_device(w->client, w->name[i]);
	must(w, w->cdev[i] < 0);
}

static void client_takes_one(struct world *w)
{
	struct vdi_command cmd;

	must(w, vt_send(w->sdev[0], 0, VDI_CMD_FLUSH, 77));
	must(w, vt_get(w->cdev[0], &cmd, 0));
	w->id = cmd.id;
}

static void all_is_done(struct world *w)
{
	struct vdi_completion done;
	struct vdi_command cmd;
	int i;

	must(w, vt_complete(w->cdev[0], 0, w->id, 0, 0));
	must(w, vt_collect(w->sdev[0], &done, 0));
	for (i = 0; i < 2; i++) {
		must(w, vt_close_device(w->sdev[i]));
		must(w, vt_get(w->cdev[i], &cmd, 0) != ESHUTDOWN);
	}
}

static struct world new_world(void)
{
	struct world w = { .client = vt_open_node(), .server = vt_open_node() };

	vt_name(w.name[0]);
	vt_name(w.name[1]);
	return w;
}

/* From Initializing on; @mine is how many devices this side has open before Active. */
static void go_on(struct world *w, enum view state, bool is_client, int mine)
{
	int other = state == Initializing ? 2 : 0, i;

	if (state == Initializing) {
		for (i = 0; i < (is_client ? mine : other); i++)
			client_opens(w, i);
		for (i = 0; i < (is_client ? other : mine); i++)
			server_opens(w, i);
		return;
	}
	for (i = 0; i < 2; i++) {
		server_opens(w, i);
		client_opens(w, i);
	}
	client_takes_one(w);
	if (state == NormallyTerminated)
		all_is_done(w);
	if (state == Abort)
		must(w, vt_abort(is_client ? w->server : w->client));
}

/* What the side sees: the one state of the set, or that its handle has none. */
static enum view view_of(int fd, bool is_client)
{
	switch (vt_state(fd)) {
	case -EPROTO:
		return DNE;
	case VDI_STATE_CONFIGURABLE:
	case VDI_STATE_CONFIGURING:
		return Configurable;
	case VDI_STATE_CONNECTED:
		return is_client ? Configurable : Connected;
	case VDI_STATE_INITIALIZING:
		return Initializing;
	case VDI_STATE_ACTIVE:
		return Active;
	case VDI_STATE_TERMINATED:
		return NormallyTerminated;
	case VDI_STATE_ABORTED:
		return Abort;
	default:
		return -1;
	}
}

/* The client's table, 2.2 */

#define CLIENT_TABLE(X) \
	X(Create,             DNE,                0,         Configurable)             \
	X(Create,             Configurable,       EPROTO,    Configurable)             \
	X(Create,             Initializing,       EPROTO,    Initializing)             \
	X(Create,             Active,             EPROTO,    Active)                   \
	X(Create,             NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(Create,             Abort,              EPROTO,    Abort)                    \
	X(GetConfiguration,   DNE,                EPROTO,    DNE)                      \
	/* after waiting; the wait itself is config_test's */                          \
	X(GetConfiguration,   Configurable,       0,         Initializing)             \
	X(GetConfiguration,   Initializing,       0,         Initializing)             \
	X(GetConfiguration,   Active,             0,         Active)                   \
	X(GetConfiguration,   NormallyTerminated, 0,         NormallyTerminated)       \
	X(GetConfiguration,   Abort,              ECANCELED, Abort)                    \
	X(OpenDevice,         DNE,                EPROTO,    DNE)                      \
	X(OpenDevice,         Configurable,       EPROTO,    Configurable)             \
	X(OpenDevice,         Initializing,       0,         Active)                   \
	/* 2.6-b: all devices are open */                                              \
	X(OpenDevice,         Active,             EBUSY,     Active)                   \
	X(OpenDevice,         NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(OpenDevice,         Abort,              ECANCELED, Abort)                    \
	X(GetCommand,         DNE,                EPROTO,    DNE)                      \
	X(GetCommand,         Configurable,       EPROTO,    Configurable)             \
	/* 2.6-c: it waits, here for no time */                                        \
	X(GetCommand,         Initializing,       ETIMEDOUT, Initializing)             \
	X(GetCommand,         Active,             0,         Active)                   \
	/* 2.6-q: VD_E_CLOSE is sticky */                                              \
	X(GetCommand,         NormallyTerminated, ESHUTDOWN, NormallyTerminated)       \
	X(GetCommand,         Abort,              ECANCELED, Abort)                    \
	X(CompleteCommand,    DNE,                EPROTO,    DNE)                      \
	X(CompleteCommand,    Configurable,       EPROTO,    Configurable)             \
	/* 2.6-p: a command on an open device can be completed */                      \
	X(CompleteCommand,    Initializing,       0,         Initializing)             \
	X(CompleteCommand,    Active,             0,         Active)                   \
	X(CompleteCommand,    NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(CompleteCommand,    Abort,              ECANCELED, Abort)                    \
	X(SignalAbort,        DNE,                EPROTO,    DNE)                      \
	X(SignalAbort,        Configurable,       0,         Abort)                    \
	X(SignalAbort,        Initializing,       0,         Abort)                    \
	X(SignalAbort,        Active,             0,         Abort)                    \
	X(SignalAbort,        NormallyTerminated, 0,         Abort)                    \
	X(SignalAbort,        Abort,              0,         Abort)                    \
	X(Close,              DNE,                EPROTO,    DNE)                      \
	X(Close,              Configurable,       0,         DNE)                      \
	X(Close,              Initializing,       0,         DNE)                      \
	/* 3.5: with devices open */                                                   \
	X(Close,              Active,             EBUSY,     DNE)                      \
	X(Close,              NormallyTerminated, 0,         DNE)                      \
	X(Close,              Abort,              0,         DNE)

/*
 * Some states have several faces: no set yet, or closed again; Configurable
 * without a server, with one, and while it configures.
 */
static int client_faces(enum view state)
{
	return state == DNE ? 2 : state == Configurable ? 3 : 1;
}

static struct world client_world(enum view state, enum function fn, int face)
{
	struct world w = new_world();

	if (state == DNE) {
		if (face == 1) {
			must(&w, vt_create(w.client, w.name[0], 2));
			must(&w, vt_close(w.client));
		}
		return w;
	}
	must(&w, vt_create(w.client, w.name[0], 2));
	if (state == Configurable && face == 0)
		return w;
	must(&w, vt_open(w.server, w.name[0]));
	if (state == Configurable && face == 1)
		return w;
	must(&w, vt_begin(w.server));
	if (state == Configurable)
		return w;
	must(&w, vt_end(w.server, VT_TRANSFER));
	go_on(&w, state, true, fn == Close ? 0 : 1);
	if (state == Initializing && fn == CompleteCommand)
		client_takes_one(&w);
	if (state == Active && fn == GetCommand)
		must(&w, vt_send(w.sdev[0], 0, VDI_CMD_REWIND, 78));
	return w;
}

/* GetConfiguration while Configurable: the server has to go on meanwhile. */
static int wait_for_config(struct world *w, int face)
{
	int err = vt_get_config(w->client, 0);

	if (err != ETIMEDOUT || view_of(w->client, true) != Configurable)
		return -1;
	if (face == 0)
		must(w, vt_open(w->server, w->name[0]));
	if (face <= 1)
		must(w, vt_begin(w->server));
	must(w, vt_end(w->server, VT_TRANSFER));
	return w->bad ? -1 : vt_get_config(w->client, VDI_TIME_INFINITE);
}

static int client_calls(struct world *w, enum function fn, enum view state, int face)
{
	/* before any device is open commands can only be asked for on the set handle */
	int fd = state == DNE || state == Configurable ? w->client : w->cdev[0];
	struct vdi_command cmd;
	int dev;

	switch (fn) {
	case Create:
		return vt_create(w->client, w->name[0], 2);
	case GetConfiguration:
		return state == Configurable ? wait_for_config(w, face) :
		       vt_get_config(w->client, 0);
	case OpenDevice:
		dev = vt_open_device(w->client, w->name[1]);
		return dev < 0 ? -dev : 0;
	case GetCommand:
		return vt_get(fd, &cmd, 0);
	case CompleteCommand:
		return vt_complete(fd, 0, w->id, 0, 0);
	case SignalAbort:
		return vt_abort(w->client);
	case Close:
		return vt_close(w->client);
	default:
		return -1;
	}
}

/* What the server sees of the client's abort and close. */
static void check_server(struct __test_metadata *_metadata, struct world *w, enum function fn,
			 enum view state)
{
	int server = vt_state(w->server);

	if (state == DNE || (fn != SignalAbort && fn != Close))
		return;
	if (server == -EPROTO) {
		EXPECT_EQ(ENOENT, vt_open(w->server, w->name[0]));
		return;
	}
	EXPECT_EQ(state == NormallyTerminated && fn == Close ? VDI_STATE_TERMINATED :
		  VDI_STATE_ABORTED, server);
}

static void client_cell(struct __test_metadata *_metadata, enum function fn, enum view state,
			int err, enum view next)
{
	struct world w;
	int face;

	for (face = 0; face < client_faces(state); face++) {
		w = client_world(state, fn, face);
		EXPECT_FALSE(w.bad) {
			TH_LOG("state not reached, face %d", face);
		}
		EXPECT_EQ(state, view_of(w.client, true));
		EXPECT_EQ(err, client_calls(&w, fn, state, face)) {
			TH_LOG("result, face %d", face);
		}
		EXPECT_EQ(next, view_of(w.client, true)) {
			TH_LOG("next state, face %d", face);
		}
		check_server(_metadata, &w, fn, state);
		vt_baseline(_metadata);
	}
}

#define CLIENT_CELL(fn, state, err, next) \
	TEST(client_##fn##_in_##state)						\
	{									\
		client_cell(_metadata, fn, state, err, next);			\
	}
CLIENT_TABLE(CLIENT_CELL)

#define COUNT(...)	+ 1
_Static_assert(0 CLIENT_TABLE(COUNT) == 7 * 6, "a cell of the client's table is missing");

/* The server's table, 2.3, without the four functions that are libvdi's */

#define SERVER_TABLE(X) \
	X(Open,               DNE,                0,         Connected)                \
	X(Open,               Connected,          EPROTO,    Connected)                \
	X(Open,               Configurable,       EPROTO,    Configurable)             \
	X(Open,               Initializing,       EPROTO,    Initializing)             \
	X(Open,               Active,             EPROTO,    Active)                   \
	X(Open,               NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(Open,               Abort,              EPROTO,    Abort)                    \
	X(GetConfiguration,   DNE,                EPROTO,    DNE)                      \
	X(GetConfiguration,   Connected,          0,         Connected)                \
	X(GetConfiguration,   Configurable,       0,         Configurable)             \
	X(GetConfiguration,   Initializing,       0,         Initializing)             \
	X(GetConfiguration,   Active,             0,         Active)                   \
	X(GetConfiguration,   NormallyTerminated, 0,         NormallyTerminated)       \
	X(GetConfiguration,   Abort,              ECANCELED, Abort)                    \
	X(BeginConfiguration, DNE,                EPROTO,    DNE)                      \
	X(BeginConfiguration, Connected,          0,         Configurable)             \
	X(BeginConfiguration, Configurable,       EPROTO,    Configurable)             \
	X(BeginConfiguration, Initializing,       EPROTO,    Initializing)             \
	X(BeginConfiguration, Active,             EPROTO,    Active)                   \
	X(BeginConfiguration, NormallyTerminated, EPROTO,    NormallyTerminated)       \
	/* 2.6-r: the page wins over the table, here and below */                      \
	X(BeginConfiguration, Abort,              ECANCELED, Abort)                    \
	X(RequestBuffers,     DNE,                EPROTO,    DNE)                      \
	X(RequestBuffers,     Connected,          EPROTO,    Connected)                \
	/* libvdi sums the requests up; there is no area to grow yet */                \
	X(RequestBuffers,     Configurable,       EPROTO,    Configurable)             \
	X(RequestBuffers,     Initializing,       0,         Initializing)             \
	X(RequestBuffers,     Active,             0,         Active)                   \
	X(RequestBuffers,     NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(RequestBuffers,     Abort,              ECANCELED, Abort)                    \
	X(EndConfiguration,   DNE,                EPROTO,    DNE)                      \
	X(EndConfiguration,   Connected,          EPROTO,    Connected)                \
	X(EndConfiguration,   Configurable,       0,         Initializing)             \
	X(EndConfiguration,   Initializing,       EPROTO,    Initializing)             \
	X(EndConfiguration,   Active,             EPROTO,    Active)                   \
	X(EndConfiguration,   NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(EndConfiguration,   Abort,              ECANCELED, Abort)                    \
	X(OpenDevice,         DNE,                EPROTO,    DNE)                      \
	X(OpenDevice,         Connected,          EPROTO,    Connected)                \
	X(OpenDevice,         Configurable,       EPROTO,    Configurable)             \
	X(OpenDevice,         Initializing,       0,         Active)                   \
	X(OpenDevice,         Active,             EBUSY,     Active)                   \
	X(OpenDevice,         NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(OpenDevice,         Abort,              ECANCELED, Abort)                    \
	X(SendCommand,        DNE,                EPROTO,    DNE)                      \
	/* 2.6-d: a misprint, there is no device */                                    \
	X(SendCommand,        Connected,          EPROTO,    Connected)                \
	X(SendCommand,        Configurable,       EPROTO,    Configurable)             \
	/* 2.6-p: as soon as the server has the device open */                         \
	X(SendCommand,        Initializing,       0,         Initializing)             \
	X(SendCommand,        Active,             0,         Active)                   \
	X(SendCommand,        NormallyTerminated, EPROTO,    NormallyTerminated)       \
	X(SendCommand,        Abort,              ECANCELED, Abort)                    \
	/* there is no device handle to close, since none is given out */              \
	X(CloseDevice,        DNE,                EPROTO,    DNE)                      \
	X(CloseDevice,        Connected,          EPROTO,    Connected)                \
	X(CloseDevice,        Configurable,       EPROTO,    Configurable)             \
	X(CloseDevice,        Initializing,       0,         Initializing)             \
	X(CloseDevice,        Active,             0,         NormallyTerminated)       \
	/* 4.11: closed already */                                                     \
	X(CloseDevice,        NormallyTerminated, ESHUTDOWN, NormallyTerminated)       \
	X(CloseDevice,        Abort,              ECANCELED, Abort)                    \
	X(SignalAbort,        DNE,                EPROTO,    DNE)                      \
	X(SignalAbort,        Connected,          0,         Abort)                    \
	X(SignalAbort,        Configurable,       0,         Abort)                    \
	X(SignalAbort,        Initializing,       0,         Abort)                    \
	X(SignalAbort,        Active,             0,         Abort)                    \
	X(SignalAbort,        NormallyTerminated, 0,         Abort)                    \
	X(SignalAbort,        Abort,              0,         Abort)                    \
	X(Close,              DNE,                EPROTO,    DNE)                      \
	X(Close,              Connected,          0,         DNE)                      \
	X(Close,              Configurable,       0,         DNE)                      \
	X(Close,              Initializing,       0,         DNE)                      \
	/* 4.13: with devices open */                                                  \
	X(Close,              Active,             EPROTO,    DNE)                      \
	X(Close,              NormallyTerminated, 0,         DNE)                      \
	X(Close,              Abort,              0,         DNE)

static struct world server_world(enum view state, enum function fn)
{
	struct world w = new_world();

	must(&w, vt_create(w.client, w.name[0], 2));
	if (state == DNE)
		return w;
	must(&w, vt_open(w.server, w.name[0]));
	if (state == Connected)
		return w;
	must(&w, vt_begin(w.server));
	if (state == Configurable)
		return w;
	must(&w, vt_end(w.server, VT_TRANSFER));
	go_on(&w, state, false, fn == Close ? 0 : 1);
	if (state == Active && fn == CloseDevice) {
		/* nothing outstanding, and the other device is closed already */
		struct vdi_completion done;

		must(&w, vt_complete(w.cdev[0], 0, w.id, 0, 0));
		must(&w, vt_collect(w.sdev[0], &done, 0));
		must(&w, vt_close_device(w.sdev[1]));
	}
	return w;
}

static int server_calls(struct world *w, enum function fn, enum view state)
{
	bool no_device = state == DNE || state == Connected || state == Configurable;
	struct vdi_grow_area grow = VT_INIT(vdi_grow_area, .area_size = 4096);
	int dev;

	switch (fn) {
	case Open:
		return vt_open(w->server, w->name[0]);
	case GetConfiguration:
		return vt_get_config(w->server, 0);
	case BeginConfiguration:
		return vt_begin(w->server);
	case RequestBuffers:
		return vt_call(w->server, VDI_IOC_GROW_AREA, &grow);
	case EndConfiguration:
		return vt_end(w->server, VT_TRANSFER);
	case CloseDevice:
		if (!no_device)
			return vt_close_device(w->sdev[0]);
		/* the handle that could be closed is refused */
		__attribute__((fallthrough));
	case OpenDevice:
		dev = vt_open_device(w->server, w->name[1]);
		return dev < 0 ? -dev : 0;
	case SendCommand:
		return vt_send(no_device ? w->server : w->sdev[0], 0, VDI_CMD_FLUSH, 79);
	case SignalAbort:
		return vt_abort(w->server);
	case Close:
		return vt_close(w->server);
	default:
		return -1;
	}
}

/* A server that has closed sees no more of the set than what is left to collect. */
static enum view server_view(struct world *w)
{
	struct vdi_status s;

	if (!vt_status(w->server, &s) && s.out_draining)
		return DNE;
	return view_of(w->server, false);
}

static void check_client(struct __test_metadata *_metadata, struct world *w, enum function fn,
			 enum view state)
{
	if (state == DNE || (fn != SignalAbort && fn != Close))
		return;
	EXPECT_EQ(state == NormallyTerminated && fn == Close ? NormallyTerminated : Abort,
		  view_of(w->client, true));
}

static void server_cell(struct __test_metadata *_metadata, enum function fn, enum view state,
			int err, enum view next)
{
	struct world w = server_world(state, fn);

	EXPECT_FALSE(w.bad) {
		TH_LOG("state not reached");
	}
	EXPECT_EQ(state, server_view(&w));
	EXPECT_EQ(err, server_calls(&w, fn, state));
	EXPECT_EQ(next, server_view(&w));
	check_client(_metadata, &w, fn, state);
	vt_baseline(_metadata);
}

#define SERVER_CELL(fn, state, err, next) \
	TEST(server_##fn##_in_##state)						\
	{									\
		server_cell(_metadata, fn, state, err, next);			\
	}
SERVER_TABLE(SERVER_CELL)

_Static_assert(0 SERVER_TABLE(COUNT) == (14 - 4) * 7, "a cell of the server's table is missing");

/*
 * The second halves of cells: GetCommand in Active may be VD_E_CLOSE, and the
 * last one terminates; Close with devices open before the set is Active;
 * SendCommand and CloseDevice for a device that the client opens later.
 */
TEST(client_GetCommand_in_Active_last_VD_E_CLOSE)
{
	struct world w = client_world(Active, Close, 0);
	struct vdi_completion done;
	struct vdi_command cmd;

	ASSERT_FALSE(w.bad);
	ASSERT_EQ(0, vt_complete(w.cdev[0], 0, w.id, 0, 0));
	ASSERT_EQ(0, vt_collect(w.sdev[0], &done, 0));
	ASSERT_EQ(0, vt_close_device(w.sdev[0]));
	EXPECT_EQ(ESHUTDOWN, vt_get(w.cdev[0], &cmd, 0));
	EXPECT_EQ(Active, view_of(w.client, true));
	ASSERT_EQ(0, vt_close_device(w.sdev[1]));
	EXPECT_EQ(ESHUTDOWN, vt_get(w.cdev[1], &cmd, 0));
	EXPECT_EQ(NormallyTerminated, view_of(w.client, true));
	vt_baseline(_metadata);
}

TEST(Close_in_Initializing_with_a_device_open)
{
	struct world w = client_world(Initializing, GetCommand, 0);

	ASSERT_FALSE(w.bad);
	EXPECT_EQ(EBUSY, vt_close(w.client));
	EXPECT_EQ(Abort, view_of(w.server, false));
	vt_baseline(_metadata);
	w = server_world(Initializing, SendCommand);
	ASSERT_FALSE(w.bad);
	EXPECT_EQ(EPROTO, vt_close(w.server));
	EXPECT_EQ(Abort, view_of(w.client, true));
	vt_baseline(_metadata);
}

/* 2.6-p: closed before the client opened it: it still yields all, then VD_E_CLOSE. */
TEST(client_opens_a_device_that_is_closed_already)
{
	struct world w = client_world(Initializing, Close, 0);
	struct vdi_completion done;
	struct vdi_command cmd;

	ASSERT_FALSE(w.bad);
	ASSERT_EQ(0, vt_send(w.sdev[0], 0, VDI_CMD_FLUSH, 5));
	ASSERT_EQ(0, vt_close_device(w.sdev[0]));
	ASSERT_EQ(0, vt_close_device(w.sdev[1]));
	EXPECT_EQ(Initializing, view_of(w.server, false));
	client_opens(&w, 1);
	EXPECT_EQ(ESHUTDOWN, vt_get(w.cdev[1], &cmd, 0));
	client_opens(&w, 0);
	ASSERT_FALSE(w.bad);
	ASSERT_EQ(0, vt_get(w.cdev[0], &cmd, 0));
	EXPECT_EQ(ETIMEDOUT, vt_get(w.cdev[0], &(struct vdi_command){ 0 }, 0));
	ASSERT_EQ(0, vt_complete(w.cdev[0], 0, cmd.id, 0, 0));
	EXPECT_EQ(ESHUTDOWN, vt_get(w.cdev[0], &cmd, 0));
	ASSERT_EQ(0, vt_collect(w.sdev[0], &done, 0));
	EXPECT_EQ(5, done.id);
	EXPECT_EQ(ESHUTDOWN, vt_collect(w.sdev[0], &done, 0));
	EXPECT_EQ(NormallyTerminated, view_of(w.server, false));
	EXPECT_EQ(0, vt_close(w.client));
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
