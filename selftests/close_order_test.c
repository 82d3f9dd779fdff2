// SPDX-License-Identifier: GPL-2.0-only
/*
 * All 720 orders in which the set handles, a device handle and the mapping of
 * client and server can go.  What each step gives and leaves is computed by a
 * model that is typed here from the table "Close, abort and death" and looks at
 * nothing but the order; after the last step nothing may be left in the module.
 *
 * A set handle goes by CLOSE and close(), or by close() alone, which is a death.
 * VDI_CLOSE_STATES=all does it in Initializing and aborted too, not only in
 * Active.
 */
#include "link.h"

#define ORDERS	720
#define ID	7	/* of the one command, which the client has */

enum step { SET_C, SET_S, DEVICE_C, DEVICE_S, MAP_C, MAP_S, STEPS };

static const char * const step_names[STEPS] = {
	"set C", "set S", "device C", "device S", "mapping C", "mapping S",
};

/**
 * struct model - What must be
 * @start: VDI_STATE_* in which the closing begins
 * @there: bits of enum step that have not gone
 * @reason: of the abort, VDI_REASON_NONE as long as there is none
 * @role: who did it
 * @lost: commands of which the server has not been told 995
 */
struct model {
	u_int start;
	u_int there;
	u_int reason;
	u_int role;
	u_int lost;
};

static bool has(const struct model *m, enum step what)
{
	return m->there & 1U << what;
}

static void model_abort(struct model *m, u_int reason, u_int role)
{
	if (m->reason)
		return;
	m->reason = reason;
	m->role = role;
}

/* What this step gives: for a set handle with CLOSE what that returns. */
static int model_step(struct model *m, enum step what, bool call)
{
	bool aborted = m->reason;
	int ret = 0;

	switch (what) {
	case SET_C:	/* rows 3, 4, 6; 10, 12 */
		if (call && !aborted && has(m, DEVICE_C))
			ret = EBUSY;
		model_abort(m, call ? VDI_REASON_CLIENT_CLOSE : VDI_REASON_CLIENT_DIED,
			    VDI_ROLE_CLIENT);
		break;
	case SET_S:	/* rows 18, 19, 20; 21, 22 */
		if (call && !aborted && has(m, DEVICE_S))
			ret = EPROTO;
		model_abort(m, call ? VDI_REASON_SERVER_CLOSE : VDI_REASON_SERVER_DIED,
			    VDI_ROLE_SERVER);
		break;
	case DEVICE_C:	/* row 33 */
		model_abort(m, VDI_REASON_CLIENT_CLOSE, VDI_ROLE_CLIENT);
		break;
	case DEVICE_S:
		model_abort(m, VDI_REASON_SERVER_CLOSE, VDI_ROLE_SERVER);
		break;
	default:	/* a mapping is nobody's business */
		break;
	}
	m->there &= ~(1U << what);
	return ret;
}

/* What there is. */
struct real {
	struct vt_link l;
	unsigned char *map[2];
	unsigned char byte;
};

/* In Initializing a second device is not open. */
static int set_up(struct real *r, u_int state)
{
	struct vdi_command got;
	int i, err;

	*r = (struct real){ .byte = 1 };
	vt_link_init(&r->l, state == VDI_STATE_INITIALIZING ? 2 : 1);
	err = vt_link_configure(&r->l);
	r->l.n = 1;
	err = err ?: vt_link_open_devices(&r->l);
	for (i = 0; i < 2 && !err; i++) {
		r->map[i] = vt_map(i ? r->l.server : r->l.client, r->l.offset, r->l.size);
		err = r->map[i] ? 0 : errno;
	}
	err = err ?: vt_link_load(&r->l, 0, 1, ID, &got, 1);
	if (!err && state == VDI_STATE_ABORTED)
		err = vt_abort(r->l.client);
	return err;
}

static int real_step(struct real *r, enum step what, bool call)
{
	struct vt_link *l = &r->l;
	int *fds[] = { &l->client, &l->server, &l->cdev[0], &l->sdev[0] };
	int ret = 0;

	if (what >= MAP_C) {
		ret = munmap(r->map[what - MAP_C], l->size) ? errno : 0;
		r->map[what - MAP_C] = NULL;
		return ret;
	}
	if (what <= SET_S && call)
		ret = vt_close(*fds[what]);
	if (close(*fds[what]))
		ret = ret ?: errno;
	*fds[what] = -1;
	return ret;
}

static void check_set(struct __test_metadata *_metadata, const struct model *m, int fd)
{
	struct vdi_status s;

	ASSERT_EQ(0, vt_status(fd, &s));
	EXPECT_EQ(m->reason ? VDI_STATE_ABORTED : m->start, s.out_stat.state);
	EXPECT_EQ(m->reason, s.out_stat.reason.reason);
	EXPECT_EQ(m->reason ? m->role : 0, s.out_stat.reason.who.role);
	EXPECT_EQ(m->reason ? 0 : 1, s.out_stat.outstanding);
}

/* The server is told of the command that is lost once, by its first handle that asks. */
static void check_server(struct __test_metadata *_metadata, struct model *m, int fd)
{
	struct vdi_completion done;

	if (!m->reason) {
		EXPECT_EQ(ETIMEDOUT, vt_collect(fd, &done, 0));
		return;
	}
	if (m->lost) {
		ASSERT_EQ(0, vt_collect(fd, &done, 0));
		EXPECT_EQ(VDI_CODE_OPERATION_ABORTED, done.code);
		EXPECT_EQ(ID, done.id);
		m->lost = 0;
	}
	EXPECT_EQ(ECANCELED, vt_collect(fd, &done, VDI_TIME_INFINITE));
}

/* Both see what either writes, as long as they have it mapped. */
static void check_maps(struct __test_metadata *_metadata, struct real *r)
{
	int i;

	for (i = 0; i < 2; i++)
		if (r->map[i])
			EXPECT_EQ(r->byte - 1, r->map[i][100]);
	for (i = 0; i < 2; i++)
		if (r->map[i])
			r->map[i][100] = r->byte;
	r->byte++;
}

static void check(struct __test_metadata *_metadata, struct model *m, struct real *r)
{
	struct vt_link *l = &r->l;
	struct vdi_command c;

	if (has(m, SET_C))
		check_set(_metadata, m, l->client);
	if (has(m, SET_S))
		check_set(_metadata, m, l->server);
	if (has(m, SET_S))
		check_server(_metadata, m, l->server);
	if (has(m, DEVICE_S))
		check_server(_metadata, m, l->sdev[0]);
	if (has(m, DEVICE_C))
		EXPECT_EQ(m->reason ? ECANCELED : ETIMEDOUT, vt_get(l->cdev[0], &c, 0));
	check_maps(_metadata, r);
}

static bool one_order(struct __test_metadata *_metadata, u_int state, const enum step *order,
		      bool call)
{
	struct model m = { .start = state, .there = (1U << STEPS) - 1, .lost = 1 };
	bool was = _metadata->passed, passed;
	struct real r;
	int i;

	_metadata->passed = true;
	if (state == VDI_STATE_ABORTED)
		model_abort(&m, VDI_REASON_SIGNALLED, VDI_ROLE_CLIENT);
	ASSERT_EQ(0, set_up(&r, state));
	check(_metadata, &m, &r);
	for (i = 0; i < STEPS; i++) {
		int want = model_step(&m, order[i], call);

		EXPECT_EQ(want, real_step(&r, order[i], call)) {
			TH_LOG("^ of %s", step_names[order[i]]);
		}
		check(_metadata, &m, &r);
	}
	vt_baseline(_metadata);
	passed = _metadata->passed;
	if (!passed)
		for (i = 0; i < STEPS; i++)
			TH_LOG("^ order %d: %s", i + 1, step_names[order[i]]);
	_metadata->passed = passed && was;
	return passed;
}

static void swap_steps(enum step *a, enum step *b)
{
	enum step t = *a;

	*a = *b;
	*b = t;
}

/* The next permutation in lexical order; false after the last. */
static bool next_order(enum step *o)
{
	int i = STEPS - 2, j = STEPS - 1;

	while (i >= 0 && o[i] > o[i + 1])
		i--;
	if (i < 0)
		return false;
	while (o[j] < o[i])
		j--;
	swap_steps(o + i, o + j);
	for (i++, j = STEPS - 1; i < j; i++, j--)
		swap_steps(o + i, o + j);
	return true;
}

FIXTURE(orders) {
};

FIXTURE_VARIANT(orders) {
	u_int state;
	bool call;
};

#define VARIANT(name, start, how) \
	FIXTURE_VARIANT_ADD(orders, name) { .state = VDI_STATE_##start, .call = how }
VARIANT(active_close, ACTIVE, true);
VARIANT(active_descriptors, ACTIVE, false);
VARIANT(initializing_close, INITIALIZING, true);
VARIANT(initializing_descriptors, INITIALIZING, false);
VARIANT(aborted_close, ABORTED, true);
VARIANT(aborted_descriptors, ABORTED, false);

FIXTURE_SETUP(orders)
{
}

FIXTURE_TEARDOWN(orders)
{
	vt_baseline(_metadata);
}

TEST_F_TIMEOUT(orders, all, 1200)
{
	enum step order[STEPS] = { SET_C, SET_S, DEVICE_C, DEVICE_S, MAP_C, MAP_S };
	const char *states = getenv("VDI_CLOSE_STATES") ?: "active";
	unsigned int n = 0, good = 0;

	if (variant->state != VDI_STATE_ACTIVE && strcmp(states, "all"))
		SKIP(return, "%u orders: VDI_CLOSE_STATES is not all", ORDERS);
	do {
		n++;
		good += one_order(_metadata, variant->state, order, variant->call);
	} while (next_order(order) && n - good < 5);
	EXPECT_EQ(ORDERS, good);
	TH_LOG("reached %u of %u orders", good, ORDERS);
}

TEST_HARNESS_MAIN
