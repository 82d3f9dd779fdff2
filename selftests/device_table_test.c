// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of a device's states, 2.4, with the I/O-error state 2.5 and the
 * decisions 2.6, cell by cell: what each call on the device gives in each state,
 * by its name in the specification, and the state after it; through the ioctls
 * and through libvdi.  The states of sets are state_test's and lib_table_test's.
 */
#include "liblink.h"

enum state { Unopened, ByClient, ByServer, Active, Errored, Closing, Closed, Aborted, STATES };

static const char * const state_names[] = {
	"Unopened", "OpenedByClient", "OpenedByServer", "Active", "Errored", "Closing", "Closed",
	"Aborted", "no state",
};

enum event {
	SendCommand, ClearError, GetCommand, CompleteSuccess, CompleteError, Acknowledge,
	CloseDevice, ServerOpens, ClientOpens, ClientAborts, ServerAborts,
};

struct cell {
	const char *code;	/* "" for NOERROR; NULL: there is no handle to call it on */
	int next;
};

#define STAY		-1
#define NOERROR		{ "", STAY }
#define TO(state)	{ "", state }
#define E(code)		{ "VD_E_" #code, STAY }
#define NO_HANDLE	{ NULL, STAY }

/* The first of two devices; of the second nothing is open. */
struct world {
	struct vdi_client *client;
	struct vdi_server *server;
	struct vdi_client_device *cdev;
	struct vdi_server_device *sdev;
	const struct vdi_client_command *c;
	struct lib_call call[4];
	int cset, sset, cfd, sfd;	/* the same as descriptors */
	char name[VDI_NAME_SIZE];
	__u64 id;
};

/* The calls of one way to drive a device; each gives 0 or a negative errno. */
struct driver {
	int (*up)(struct world *w);
	int (*server_opens)(struct world *w);
	int (*client_opens)(struct world *w);
	int (*send)(struct world *w, unsigned int code);
	int (*get)(struct world *w);
	int (*complete)(struct world *w, unsigned int code);
	int (*close_device)(struct world *w);
	int (*abort)(struct world *w, bool client);
};

/* Through the ioctls.  Without a device's handle the set's is asked. */

static int ioctl_up(struct world *w)
{
	w->cset = vt_open_node();
	w->sset = vt_open_node();
	w->cfd = -1;
	w->sfd = -1;
	return -(vt_create(w->cset, w->name, 2) ?: vt_open(w->sset, w->name) ?:
		 vt_begin(w->sset) ?: vt_end(w->sset, VT_TRANSFER));
}

static int ioctl_opens(int set, const char *name, int *fd)
{
	int ret = vt_open_device(set, name);

	if (ret < 0)
		return ret;
	*fd = ret;
	return 0;
}

static int ioctl_server_opens(struct world *w)
{
	return ioctl_opens(w->sset, w->name, &w->sfd);
}

static int ioctl_client_opens(struct world *w)
{
	return ioctl_opens(w->cset, w->name, &w->cfd);
}

static int ioctl_send(struct world *w, unsigned int code)
{
	return -vt_send(w->sfd < 0 ? w->sset : w->sfd, 0, code, 7);
}

static int ioctl_get(struct world *w)
{
	struct vdi_command c;
	int err = vt_get(w->cfd, &c, 0);

	if (!err)
		w->id = c.id;
	return -err;
}

static int ioctl_complete(struct world *w, unsigned int code)
{
	return -vt_complete(w->cfd < 0 ? w->cset : w->cfd, 0, w->id, code, 0);
}

static int ioctl_close_device(struct world *w)
{
	return -vt_close_device(w->sfd);
}

static int ioctl_abort(struct world *w, bool client)
{
	return -vt_abort(client ? w->cset : w->sset);
}

/* Through libvdi.  Its descriptors are the same, to look at the state. */

static int lib_up(struct world *w)
{
	struct vdi_config config = { .device_count = 2 };
	struct vdi_config begin = { .features = VDI_FEAT_WRITE_MEDIA };

	w->cfd = -1;
	w->sfd = -1;
	return vdi_client_new(&w->client) ?: vdi_server_new(&w->server) ?:
	       vdi_client_create(w->client, w->name, &config) ?:
	       vdi_server_open(w->server, NULL, w->name) ?:
	       vdi_server_begin_config(w->server, &begin) ?: vdi_server_end_config(w->server);
}

static int lib_server_opens(struct world *w)
{
	struct vdi_server_device *dev;
	int err = vdi_server_open_device(w->server, w->name, &dev);

	if (!err) {
		w->sdev = dev;
		w->sfd = vdi_server_device_fd(dev);
	}
	return err;
}

static int lib_client_opens(struct world *w)
{
	struct vdi_client_device *dev;
	int err = vdi_client_open_device(w->client, w->name, &dev);

	if (!err) {
		w->cdev = dev;
		w->cfd = vdi_client_device_fd(dev);
	}
	return err;
}

static int lib_sends(struct world *w, unsigned int code)
{
	struct vdi_command c = { .code = code };
	struct vdi_batch batch = { 0 };
	unsigned int i = 0;

	if (!w->sdev)
		return vdi_server_exchange(w->server, &c, 1, NULL, 0, 0, &batch);
	while (w->call[i].command.done)
		i++;
	return vdi_server_send_command(w->sdev, lib_command(&w->call[i], code));
}

static int lib_get(struct world *w)
{
	const struct vdi_client_command *c;
	int err = vdi_client_get_command(w->cdev, 0, &c);

	if (!err)
		w->c = c;
	return err;
}

static int lib_complete(struct world *w, unsigned int code)
{
	struct vdi_client_command none = {};
	struct vdi_completion done = { .code = code };
	struct vdi_batch batch = { 0 };

	if (!w->cdev)
		return vdi_client_exchange(w->client, &done, 1, NULL, 0, 0, &batch);
	return vdi_client_complete_command(w->cdev, w->c ?: &none, code, 0, 0);
}

static int lib_close_device(struct world *w)
{
	return vdi_server_close_device(w->sdev);
}

static int lib_abort(struct world *w, bool client)
{
	return client ? vdi_client_abort(w->client, 0, NULL) :
			vdi_server_abort(w->server, 0, NULL);
}

static const struct driver through_ioctls = {
	ioctl_up, ioctl_server_opens, ioctl_client_opens, ioctl_send, ioctl_get, ioctl_complete,
	ioctl_close_device, ioctl_abort,
};

static const struct driver through_libvdi = {
	lib_up, lib_server_opens, lib_client_opens, lib_sends, lib_get, lib_complete,
	lib_close_device, lib_abort,
};

/* Of a device that nobody has open the set says that nobody has. */
static enum state state_of(struct world *w)
{
	static const enum state states[] = {
		[VDI_DEVICE_UNOPENED] = Unopened, [VDI_DEVICE_OPENED_BY_CLIENT] = ByClient,
		[VDI_DEVICE_OPENED_BY_SERVER] = ByServer, [VDI_DEVICE_ACTIVE] = Active,
		[VDI_DEVICE_ERRORED] = Errored, [VDI_DEVICE_CLOSING] = Closing,
		[VDI_DEVICE_CLOSED] = Closed, [VDI_DEVICE_ABORTED] = Aborted,
	};
	int of_client = vt_device_state(w->cfd), of_server = vt_device_state(w->sfd);
	struct vdi_status s;
	int state;

	if (w->cfd < 0 && w->sfd < 0) {
		if (vt_status(w->server ? vdi_server_fd(w->server) : w->sset, &s))
			return STATES;
		if (s.out_stat.state == VDI_STATE_ABORTED)
			return Aborted;
		return s.out_stat.client_devices || s.out_stat.server_devices ? STATES : Unopened;
	}
	state = w->cfd < 0 ? of_server : of_client;
	if (w->cfd >= 0 && w->sfd >= 0 && of_client != of_server)
		return STATES;
	return state >= 0 && state < (int)ARRAY_SIZE(states) ? states[state] : STATES;
}

/* Two commands, one of which the client has, and the other of which it fails. */
static int fail_one(const struct driver *d, struct world *w)
{
	int err = d->send(w, VDI_CMD_FLUSH) ?: d->get(w) ?: d->complete(w, 112);

	w->c = NULL;
	w->id = 0;
	return err;
}

static int clear_error(const struct driver *d, struct world *w)
{
	return d->send(w, VDI_CMD_CLEAR_ERROR) ?: d->get(w);
}

/*
 * Reaches the state; where @what needs a command the client has one, and where
 * it is GetCommand one is queued.  In Closing there is one in any case.
 */
static int reach(const struct driver *d, struct world *w, enum state state, enum event what)
{
	bool has_one = what == CompleteSuccess || what == CompleteError;
	int err = d->up(w);

	if (err || state == Unopened)
		return err;
	if (state != ByClient)
		err = d->server_opens(w);
	if (!err && state != ByServer)
		err = d->client_opens(w);
	if (err || state == ByClient || state == ByServer)
		return err;
	if (state == Closed)
		return d->close_device(w);
	if (state == Errored && !has_one)
		return fail_one(d, w) ?: what == Acknowledge ? clear_error(d, w) : 0;
	if (has_one || state == Closing)
		err = d->send(w, VDI_CMD_FLUSH) ?: d->get(w);
	if (err)
		return err;
	if (state == Errored) {
		struct world first = *w;

		/* the second fails, and the first is the client's still */
		err = fail_one(d, w);
		w->c = first.c;
		w->id = first.id;
	} else if (state == Closing) {
		err = d->close_device(w);
	} else if (state == Aborted) {
		err = d->abort(w, true);
	} else if (what == GetCommand) {
		err = d->send(w, VDI_CMD_FLUSH);
	}
	return err;
}

static int happens(const struct driver *d, struct world *w, enum event what)
{
	switch (what) {
	case SendCommand:
		return d->send(w, VDI_CMD_REWIND);
	case ClearError:
		return d->send(w, VDI_CMD_CLEAR_ERROR);
	case GetCommand:
		return d->get(w);
	case CompleteSuccess:
	case Acknowledge:
		return d->complete(w, 0);
	case CompleteError:
		return d->complete(w, 5);
	case CloseDevice:
		return d->close_device(w);
	case ServerOpens:
		return d->server_opens(w);
	case ClientOpens:
		return d->client_opens(w);
	default:
		return d->abort(w, what == ClientAborts);
	}
}

FIXTURE(device_table) {
	struct world w;
};

/* One row; the columns are enum state. */
FIXTURE_VARIANT(device_table) {
	enum event what;
	struct cell cells[STATES];
};

/* 2.6-p: accepted as soon as the server has the device open; 2.5 point 4 */
FIXTURE_VARIANT_ADD(device_table, SendCommand) { SendCommand, {
	E(PROTOCOL), E(PROTOCOL), NOERROR, NOERROR, E(IO_ERROR), E(PROTOCOL), E(PROTOCOL),
	E(ABORT) } };
/* 2.5 point 5: there must be an error to clear */
FIXTURE_VARIANT_ADD(device_table, ClearError) { ClearError, {
	E(PROTOCOL), E(PROTOCOL), E(PROTOCOL), E(PROTOCOL), NOERROR, E(PROTOCOL), E(PROTOCOL),
	E(ABORT) } };
FIXTURE_VARIANT_ADD(device_table, GetCommand) { GetCommand, {
	NO_HANDLE, E(TIMEOUT), NO_HANDLE, NOERROR, E(TIMEOUT), E(TIMEOUT), E(CLOSE), E(ABORT) } };
/* 3.10: of a device that the client has not open, or without commands, it names none */
FIXTURE_VARIANT_ADD(device_table, CompleteSuccess) { CompleteSuccess, {
	E(INVALID), E(INVALID), E(INVALID), NOERROR, NOERROR, TO(Closed), E(PROTOCOL),
	E(ABORT) } };
FIXTURE_VARIANT_ADD(device_table, CompleteError) { CompleteError, {
	E(INVALID), E(INVALID), E(INVALID), TO(Errored), NOERROR, TO(Closed), E(PROTOCOL),
	E(ABORT) } };
/* 2.5 point 6: of a ClearError, which only Errored can have */
FIXTURE_VARIANT_ADD(device_table, Acknowledge) { Acknowledge, {
	E(INVALID), E(INVALID), E(INVALID), E(INVALID), TO(Active), TO(Closed), E(PROTOCOL),
	E(ABORT) } };
/* 4.11; 2.6-p: before the client has opened it too */
FIXTURE_VARIANT_ADD(device_table, CloseDevice) { CloseDevice, {
	NO_HANDLE, NO_HANDLE, TO(Closed), TO(Closed), TO(Closed), E(CLOSE), E(CLOSE), E(ABORT) } };
/* 4.8: a name that is used already */
FIXTURE_VARIANT_ADD(device_table, ServerOpens) { ServerOpens, {
	TO(ByServer), TO(Active), E(INVALID), E(INVALID), E(INVALID), E(INVALID), E(INVALID),
	E(ABORT) } };
/* 3.3: that device is open already */
FIXTURE_VARIANT_ADD(device_table, ClientOpens) { ClientOpens, {
	TO(ByClient), E(PROTOCOL), TO(Active), E(PROTOCOL), E(PROTOCOL), E(PROTOCOL), E(PROTOCOL),
	E(ABORT) } };
/* 2.4: a device that is closed stays so */
FIXTURE_VARIANT_ADD(device_table, ClientAborts) { ClientAborts, {
	TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), NOERROR,
	NOERROR } };
FIXTURE_VARIANT_ADD(device_table, ServerAborts) { ServerAborts, {
	TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), TO(Aborted), NOERROR,
	NOERROR } };

FIXTURE_SETUP(device_table)
{
}

FIXTURE_TEARDOWN(device_table)
{
	vt_baseline(_metadata);
}

static void drive_row(struct __test_metadata *_metadata, struct world *w, enum event what,
		      const struct cell *cells, const struct driver *d)
{
	enum state state, want;
	int err;

	for (state = Unopened; state < STATES; state++) {
		const struct cell *cell = &cells[state];

		if (!cell->code)
			continue;
		memset(w, 0, sizeof(*w));
		vt_name(w->name);
		EXPECT_EQ(0, reach(d, w, state, what)) {
			TH_LOG("%s not reached", state_names[state]);
		}
		EXPECT_EQ(state, state_of(w));
		err = happens(d, w, what);
		want = cell->next == STAY ? state : (enum state)cell->next;
		EXPECT_STREQ(cell->code, err ? vdi_error_name(err) : "") {
			TH_LOG("in %s: error %d", state_names[state], err);
		}
		EXPECT_EQ(want, state_of(w)) {
			TH_LOG("from %s to %s instead of %s", state_names[state],
			       state_names[state_of(w)], state_names[want]);
		}
		vdi_client_free(w->client);
		vdi_server_free(w->server);
		vt_baseline(_metadata);
	}
}

TEST_F(device_table, through_the_ioctls)
{
	drive_row(_metadata, &self->w, variant->what, variant->cells, &through_ioctls);
}

TEST_F(device_table, through_libvdi)
{
	drive_row(_metadata, &self->w, variant->what, variant->cells, &through_libvdi);
}

/*
 * NO_HANDLE above: a handle of a device is given to a side only by its own
 * OpenDevice, and is refused CloseDevice on the client's side.
 */
TEST(only_the_server_closes_devices)
{
	struct world w = {};

	vt_name(w.name);
	ASSERT_EQ(0, reach(&through_ioctls, &w, Active, CloseDevice));
	EXPECT_EQ(EPROTO, vt_close_device(w.cfd));
	EXPECT_EQ(Active, state_of(&w));
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
