// SPDX-License-Identifier: GPL-2.0-only
/*
 * module/state.c in user space against selftests/model/table, cell by cell, and the
 * functions of it that are no table against the rules of design section 4.  At the
 * end each cell of the table is changed once: that must be noticed.
 *
 * usage: state TABLE
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../module/state.c"

#define DEVICES	2
#define STATES	(VDI_STATE_ABORTED + 1)

int kernel_warned;

struct cell {
	int err;
	u32 next;
};

static struct cell client[VDI_CLIENT_OPS][C_VIEWS];
static struct cell server[VDI_SERVER_OPS][S_VIEWS];
static struct cell device[VDI_DEVICE_OPS][VDI_DEVICE_ABORTED + 1];

static struct vdi_set *set;
static unsigned int wrong;
static bool quiet;

static void differs(const char *what, unsigned int row, unsigned int column, int got, int want)
{
	wrong++;
	if (!quiet)
		printf("# %s %u, state %u: %d, the table says %d\n", what, row, column, got, want);
}

static void expect(const char *what, unsigned int row, unsigned int column, int got, int want)
{
	if (got != want)
		differs(what, row, column, got, want);
}

/* What a client sees of a state: the specification's words, not state.c's code */
static unsigned int client_view(u32 state, bool told, bool opened)
{
	static const unsigned int views[STATES] = {
		[VDI_STATE_CONFIGURABLE] = C_CONFIGURABLE,
		[VDI_STATE_CONNECTED] = C_CONFIGURABLE,
		[VDI_STATE_CONFIGURING] = C_CONFIGURABLE,
		[VDI_STATE_INITIALIZING] = C_INITIALIZING,
		[VDI_STATE_ACTIVE] = C_ACTIVE,
		[VDI_STATE_ABORTED] = C_ABORTED,
	};

	if (state != VDI_STATE_TERMINATED)
		return views[state];
	return told ? C_TERMINATED : opened ? C_ACTIVE : C_INITIALIZING;
}

static void set_is(u32 state, unsigned int told, unsigned int opened)
{
	set->state = state;
	set->config.device_count = DEVICES;
	set->told[VDI_CLIENT] = told;
	set->nr_open[VDI_CLIENT] = opened;
}

static void check_client(void)
{
	unsigned int op, told, opened, view;
	u32 state, after;

	for (op = 0; op < VDI_CLIENT_OPS; op++) {
		expect("client", op, C_NONE, vdi_state_client_unbound(op), client[op][C_NONE].err);
		for (state = VDI_STATE_CONFIGURABLE; state < STATES; state++) {
			for (told = 0; told < 1 << DEVICES; told++) {
				for (opened = 0; opened <= DEVICES; opened++) {
					view = client_view(state, told == 3, opened == DEVICES);
					set_is(state, told, opened);
					expect("client", op, view, vdi_state_client(set, op),
					       client[op][view].err);
					after = client[op][view].next ?: state;
					expect("client's next", op, view, set->state, after);
				}
			}
		}
	}
}

static void check_server(void)
{
	static const unsigned int views[STATES] = {
		[VDI_STATE_CONFIGURABLE] = S_NONE,
		[VDI_STATE_CONNECTED] = S_CONNECTED,
		[VDI_STATE_CONFIGURING] = S_CONFIGURABLE,
		[VDI_STATE_INITIALIZING] = S_INITIALIZING,
		[VDI_STATE_ACTIVE] = S_ACTIVE,
		[VDI_STATE_TERMINATED] = S_TERMINATED,
		[VDI_STATE_ABORTED] = S_ABORTED,
	};
	unsigned int op;
	u32 state;

	for (op = 0; op < VDI_SERVER_OPS; op++) {
		expect("server", op, S_NONE, vdi_state_server_unbound(op), server[op][S_NONE].err);
		for (state = VDI_STATE_CONFIGURABLE; state < STATES; state++) {
			const struct cell *cell = &server[op][views[state]];

			set_is(state, 0, 0);
			expect("server's peek", op, state, vdi_state_server_peek(set, op),
			       cell->err);
			expect("server's peek", op, state, set->state, state);
			expect("server", op, state, vdi_state_server(set, op), cell->err);
			expect("server's next", op, state, set->state, cell->next ?: state);
		}
	}
}

/* A device in a state of 2.4, made of what the module keeps */
static struct vdi_device *device_is(unsigned int state)
{
	struct vdi_device *dev = &set->devices[1];

	memset(dev, 0, sizeof(*dev));
	dev->set = set;
	dev->index = 1;
	set_is(state == VDI_DEVICE_ABORTED ? VDI_STATE_ABORTED : VDI_STATE_ACTIVE, 0, 0);
	set->closed = state == VDI_DEVICE_CLOSED ? BIT_ULL(1) : BIT_ULL(0);
	dev->closing = state == VDI_DEVICE_CLOSING || state == VDI_DEVICE_CLOSED;
	dev->errored = state == VDI_DEVICE_ERRORED || dev->closing;
	dev->open[VDI_CLIENT] = state != VDI_DEVICE_UNOPENED &&
				state != VDI_DEVICE_OPENED_BY_SERVER;
	dev->open[VDI_SERVER] = state != VDI_DEVICE_UNOPENED &&
				state != VDI_DEVICE_OPENED_BY_CLIENT;
	return dev;
}

static void check_device(void)
{
	struct vdi_device *dev;
	unsigned int op, state;

	for (op = 0; op < VDI_DEVICE_OPS; op++) {
		for (state = 0; state <= VDI_DEVICE_ABORTED; state++) {
			dev = device_is(state);
			expect("device's state", op, state, vdi_state_device(dev), state);
			expect("device", op, state, vdi_state_device_op(dev, op),
			       device[op][state].err);
		}
		/* closed in order, then aborted: it stays closed, but nothing works */
		dev = device_is(VDI_DEVICE_CLOSED);
		set->state = VDI_STATE_ABORTED;
		expect("device's state", op, 8, vdi_state_device(dev), VDI_DEVICE_CLOSED);
		expect("device", op, 8, vdi_state_device_op(dev, op),
		       device[op][VDI_DEVICE_ABORTED].err);
	}
}

/* All devices closed in order: the end. All open on both sides: Active. */
static void check_devices_changed(void)
{
	unsigned int closed, ours, theirs;
	u32 state, want;

	for (state = VDI_STATE_CONFIGURABLE; state < STATES; state++) {
		for (closed = 0; closed < 4; closed++) {
			for (ours = 0; ours <= DEVICES; ours++) {
				for (theirs = 0; theirs <= DEVICES; theirs++) {
					bool live = state == VDI_STATE_INITIALIZING ||
						    state == VDI_STATE_ACTIVE;

					set_is(state, 0, ours);
					set->nr_open[VDI_SERVER] = theirs;
					set->closed = closed;
					want = live && closed == 3 ? VDI_STATE_TERMINATED :
					       live && ours + theirs == 2 * DEVICES ?
					       VDI_STATE_ACTIVE : state;
					vdi_state_devices_changed(set);
					expect("devices", closed, state, set->state, want);
				}
			}
		}
	}
	set->nr_open[VDI_SERVER] = 0;
	set->closed = 0;
}

/* The first reason wins; an ended set is aborted by SignalAbort only */
static void check_abort(void)
{
	u32 state, reason;

	for (state = VDI_STATE_CONFIGURABLE; state < STATES; state++) {
		for (reason = VDI_REASON_CLIENT_CLOSE; reason <= VDI_REASON_ADMIN; reason++) {
			bool may = state < VDI_STATE_TERMINATED ||
				   (state == VDI_STATE_TERMINATED &&
				    reason == VDI_REASON_SIGNALLED);

			set_is(state, 0, 0);
			expect("abort", reason, state, vdi_state_abort(set, reason), may);
			expect("abort's next", reason, state, set->state,
			       may ? VDI_STATE_ABORTED : state);
		}
		set_is(state, 0, 0);
		expect("alive", 0, state, vdi_state_alive(set), state < VDI_STATE_TERMINATED);
		expect("ended", 0, state, vdi_state_ended(set), state == VDI_STATE_TERMINATED);
		expect("aborted", 0, state, vdi_state_aborted(set), state == VDI_STATE_ABORTED);
	}
}

static unsigned int check_all(void)
{
	wrong = 0;
	check_client();
	check_server();
	check_device();
	check_devices_changed();
	check_abort();
	return wrong + kernel_warned;
}

static const struct {
	const char *word;
	struct cell cell;
} words[] = {
	{ "OK", { 0, 0 } }, { "WAIT", { VDI_WAIT, 0 } },
	{ "EPROTO", { -EPROTO, 0 } }, { "ECANCELED", { -ECANCELED, 0 } },
	{ "EBUSY", { -EBUSY, 0 } }, { "ENOENT", { -ENOENT, 0 } },
	{ "ESHUTDOWN", { -ESHUTDOWN, 0 } }, { "EREMOTEIO", { -EREMOTEIO, 0 } },
	{ "EINVAL", { -EINVAL, 0 } },
	{ ">CONFIGURABLE", { 0, VDI_STATE_CONFIGURABLE } },
	{ ">CONNECTED", { 0, VDI_STATE_CONNECTED } },
	{ ">CONFIGURING", { 0, VDI_STATE_CONFIGURING } },
	{ ">INITIALIZING", { 0, VDI_STATE_INITIALIZING } },
};

/* In the order of the enums of module/state.h */
static const struct {
	const char *side;
	struct cell *cells;
	unsigned int columns;
	const char *rows[16];
} tables[] = {
	{ "client", client[0], C_VIEWS, { "CREATE", "GET_CONFIG", "OPEN_DEVICE", "GET_COMMAND",
		"COMPLETE", "ABORT", "CLOSE", "JOIN" } },
	{ "server", server[0], S_VIEWS, { "OPEN", "GET_CONFIG", "BEGIN_CONFIG", "GROW_AREA",
		"END_CONFIG", "OPEN_DEVICE", "COLLECT", "SEND", "CLOSE_DEVICE", "ABORT", "CLOSE",
		"HINT" } },
	{ "device", device[0], VDI_DEVICE_ABORTED + 1, { "SEND", "CLEAR", "COMPLETE", "CLOSE" } },
};

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

static struct cell *find_row(const char *side, const char *row, unsigned int *columns)
{
	size_t t, i;

	for (t = 0; side && row && t < COUNT(tables); t++) {
		*columns = tables[t].columns;
		for (i = 0; !strcmp(side, tables[t].side) && tables[t].rows[i]; i++)
			if (!strcmp(row, tables[t].rows[i]))
				return tables[t].cells + i * tables[t].columns;
	}
	return NULL;
}

static bool read_cell(const char *word, struct cell *cell)
{
	size_t i;

	for (i = 0; word && i < COUNT(words); i++) {
		if (!strcmp(word, words[i].word)) {
			*cell = words[i].cell;
			return true;
		}
	}
	return false;
}

/* How many cells there were, 0 if one is missing or not understood */
static unsigned int read_table(FILE *f)
{
	static const char space[] = " \t\n";
	unsigned int n = 0, columns, i;
	struct cell *row;
	char line[256];

	while (fgets(line, sizeof(line), f)) {
		char *side = strtok(line, space);

		if (!side || side[0] == '#')
			continue;
		row = find_row(side, strtok(NULL, space), &columns);
		for (i = 0; row && i < columns; i++, n++)
			if (!read_cell(strtok(NULL, space), &row[i]))
				return 0;
		if (!row || strtok(NULL, space))
			return 0;
	}
	return n;
}

/* Cells of which a change is not noticed */
static unsigned int blind(void)
{
	size_t t, i, rows[] = { VDI_CLIENT_OPS, VDI_SERVER_OPS, VDI_DEVICE_OPS };
	unsigned int n = 0;

	quiet = true;
	for (t = 0; t < COUNT(tables); t++) {
		for (i = 0; i < rows[t] * tables[t].columns; i++) {
			tables[t].cells[i].err ^= 1;
			n += !check_all();
			tables[t].cells[i].err ^= 1;
		}
	}
	return n;
}

int main(int argc, char **argv)
{
	const unsigned int all = sizeof(client) / sizeof(struct cell) +
				 sizeof(server) / sizeof(struct cell) +
				 sizeof(device) / sizeof(struct cell);
	FILE *f = argc > 1 ? fopen(argv[1], "r") : NULL;
	unsigned int n = f ? read_table(f) : 0, bad, unseen;

	set = calloc(1, sizeof(*set) + DEVICES * sizeof(struct vdi_device));
	if (!set || n != all) {
		printf("not ok - model state.c # %u of %u cells in the table\n", n, all);
		return 1;
	}
	bad = check_all();
	unseen = blind();
	printf("%sok - model state.c # %u cells, %u differ, %u would not be noticed\n",
	       bad || unseen ? "not " : "", n, bad, unseen);
	return bad || unseen;
}
