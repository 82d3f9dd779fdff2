// SPDX-License-Identifier: GPL-2.0-only
/*
 * The specification's tables: which call is allowed in which state, what it
 * returns if not, and which state comes next.  The only place that reads or
 * changes the state of a set for a decision.  No locks, no I/O: the caller
 * holds set->lock.
 *
 * A set has one state, enum-like VDI_STATE_*, that only grows.  The client's
 * table (2.2) and the server's (2.3) are views of it, made by
 * vdi_client_view() and vdi_server_view().
 */
#include <linux/bits.h>
#include <linux/bug.h>
#include <linux/errno.h>
#include <linux/lockdep.h>

#include "set.h"
#include "state.h"
#include "trace.h"

/* Columns of table 2.2 */
enum {
	C_NONE, C_CONFIGURABLE, C_INITIALIZING, C_ACTIVE, C_TERMINATED,
	C_ABORTED, C_VIEWS,
};

/* Columns of table 2.3 */
enum {
	S_NONE, S_CONNECTED, S_CONFIGURABLE, S_INITIALIZING, S_ACTIVE,
	S_TERMINATED, S_ABORTED, S_VIEWS,
};

struct vdi_cell {
	s16 err;	/* 0, VDI_WAIT or -errno */
	u8 next;	/* VDI_STATE_* to enter, 0: stay */
};

#define OK		{ 0, 0 }
#define TO(state)	{ 0, VDI_STATE_##state }
#define NO(error)	{ -(error), 0 }

/*
 * Abort and Close name no next state here: the one goes through
 * vdi_state_abort(), the other ends the handle's binding.
 */
static const struct vdi_cell client_table[VDI_CLIENT_OPS][C_VIEWS] = {
	[VDI_CLIENT_CREATE] = {
		[C_NONE]		= TO(CONFIGURABLE),
		[C_CONFIGURABLE]	= NO(EPROTO),
		[C_INITIALIZING]	= NO(EPROTO),
		[C_ACTIVE]		= NO(EPROTO),
		[C_TERMINATED]		= NO(EPROTO),
		[C_ABORTED]		= NO(EPROTO),
	},
	[VDI_CLIENT_GET_CONFIG] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= { VDI_WAIT, 0 },	/* 2.6-a */
		[C_INITIALIZING]	= OK,
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= OK,
		[C_ABORTED]		= NO(ECANCELED),
	},
	[VDI_CLIENT_OPEN_DEVICE] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= NO(EPROTO),
		[C_INITIALIZING]	= OK,
		[C_ACTIVE]		= NO(EBUSY),		/* 2.6-b */
		[C_TERMINATED]		= NO(EPROTO),
		[C_ABORTED]		= NO(ECANCELED),
	},
	[VDI_CLIENT_GET_COMMAND] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= NO(EPROTO),
		[C_INITIALIZING]	= OK,			/* 2.6-c */
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= OK,			/* 2.6-q */
		[C_ABORTED]		= NO(ECANCELED),
	},
	[VDI_CLIENT_COMPLETE] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= NO(EPROTO),
		[C_INITIALIZING]	= OK,			/* 2.6-p */
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= NO(EPROTO),
		[C_ABORTED]		= NO(ECANCELED),
	},
	[VDI_CLIENT_ABORT] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= OK,
		[C_INITIALIZING]	= OK,
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= OK,
		[C_ABORTED]		= OK,
	},
	[VDI_CLIENT_CLOSE] = {
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= OK,
		[C_INITIALIZING]	= OK,
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= OK,
		[C_ABORTED]		= OK,
	},
	[VDI_CLIENT_JOIN] = {					/* 3.6 */
		[C_NONE]		= NO(EPROTO),
		[C_CONFIGURABLE]	= NO(EPROTO),
		[C_INITIALIZING]	= OK,
		[C_ACTIVE]		= OK,
		[C_TERMINATED]		= NO(EPROTO),
		[C_ABORTED]		= NO(ENOENT),
	},
};

static const struct vdi_cell server_table[VDI_SERVER_OPS][S_VIEWS] = {
	[VDI_SERVER_OPEN] = {
		[S_NONE]		= TO(CONNECTED),
		[S_CONNECTED]		= NO(EPROTO),
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= NO(EPROTO),
		[S_ACTIVE]		= NO(EPROTO),
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ENOENT),	/* the name has gone */
	},
	[VDI_SERVER_GET_CONFIG] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= OK,
		[S_CONFIGURABLE]	= OK,
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= OK,
		[S_ABORTED]		= NO(ECANCELED),
	},
	[VDI_SERVER_BEGIN_CONFIG] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= TO(CONFIGURING),
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= NO(EPROTO),
		[S_ACTIVE]		= NO(EPROTO),
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),	/* 2.6-r */
	},
	/* RequestBuffers before END_CONFIG is libvdi's, so here it is refused */
	[VDI_SERVER_GROW_AREA] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),	/* 2.6-r */
	},
	[VDI_SERVER_END_CONFIG] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),
		[S_CONFIGURABLE]	= TO(INITIALIZING),
		[S_INITIALIZING]	= NO(EPROTO),
		[S_ACTIVE]		= NO(EPROTO),
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),	/* 2.6-r */
	},
	[VDI_SERVER_OPEN_DEVICE] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= NO(EBUSY),		/* 2.6-r */
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),
	},
	[VDI_SERVER_COLLECT] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= OK,			/* 2.6-f */
		[S_ABORTED]		= NO(ECANCELED),
	},
	[VDI_SERVER_SEND] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),		/* 2.6-d */
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= OK,			/* 2.6-p */
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),
	},
	[VDI_SERVER_CLOSE_DEVICE] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= NO(EPROTO),		/* 2.6-d */
		[S_CONFIGURABLE]	= NO(EPROTO),
		[S_INITIALIZING]	= OK,			/* 2.6-p */
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= NO(ESHUTDOWN),	/* page 4.11 */
		[S_ABORTED]		= NO(ECANCELED),
	},
	[VDI_SERVER_ABORT] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= OK,
		[S_CONFIGURABLE]	= OK,
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= OK,
		[S_ABORTED]		= OK,
	},
	[VDI_SERVER_CLOSE] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= OK,
		[S_CONFIGURABLE]	= OK,
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= OK,
		[S_ABORTED]		= OK,
	},
	[VDI_SERVER_HINT] = {
		[S_NONE]		= NO(EPROTO),
		[S_CONNECTED]		= OK,
		[S_CONFIGURABLE]	= OK,
		[S_INITIALIZING]	= OK,
		[S_ACTIVE]		= OK,
		[S_TERMINATED]		= NO(EPROTO),
		[S_ABORTED]		= NO(ECANCELED),
	},
};

/* 2.4 and 2.5; the columns are VDI_DEVICE_* of the ABI */
static const s16 device_table[VDI_DEVICE_OPS][VDI_DEVICE_ABORTED + 1] = {
	[VDI_DEVICE_SEND] = {
		[VDI_DEVICE_UNOPENED]		= -EPROTO,
		[VDI_DEVICE_OPENED_BY_CLIENT]	= -EPROTO,
		[VDI_DEVICE_OPENED_BY_SERVER]	= 0,		/* 2.6-p */
		[VDI_DEVICE_ACTIVE]		= 0,
		[VDI_DEVICE_ERRORED]		= -EREMOTEIO,
		[VDI_DEVICE_CLOSING]		= -EPROTO,
		[VDI_DEVICE_CLOSED]		= -EPROTO,
		[VDI_DEVICE_ABORTED]		= -ECANCELED,
	},
	[VDI_DEVICE_CLEAR] = {
		[VDI_DEVICE_UNOPENED]		= -EPROTO,
		[VDI_DEVICE_OPENED_BY_CLIENT]	= -EPROTO,
		[VDI_DEVICE_OPENED_BY_SERVER]	= -EPROTO,
		[VDI_DEVICE_ACTIVE]		= -EPROTO,
		[VDI_DEVICE_ERRORED]		= 0,
		[VDI_DEVICE_CLOSING]		= -EPROTO,
		[VDI_DEVICE_CLOSED]		= -EPROTO,
		[VDI_DEVICE_ABORTED]		= -ECANCELED,
	},
	[VDI_DEVICE_COMPLETE] = {
		[VDI_DEVICE_UNOPENED]		= -EPROTO,
		[VDI_DEVICE_OPENED_BY_CLIENT]	= -EINVAL,	/* no command */
		[VDI_DEVICE_OPENED_BY_SERVER]	= -EPROTO,
		[VDI_DEVICE_ACTIVE]		= 0,
		[VDI_DEVICE_ERRORED]		= 0,
		[VDI_DEVICE_CLOSING]		= 0,
		[VDI_DEVICE_CLOSED]		= -EPROTO,
		[VDI_DEVICE_ABORTED]		= -ECANCELED,
	},
	[VDI_DEVICE_CLOSE] = {
		[VDI_DEVICE_UNOPENED]		= -EPROTO,
		[VDI_DEVICE_OPENED_BY_CLIENT]	= -EPROTO,
		[VDI_DEVICE_OPENED_BY_SERVER]	= 0,		/* 2.6-p */
		[VDI_DEVICE_ACTIVE]		= 0,
		[VDI_DEVICE_ERRORED]		= 0,
		[VDI_DEVICE_CLOSING]		= -ESHUTDOWN,
		[VDI_DEVICE_CLOSED]		= -ESHUTDOWN,
		[VDI_DEVICE_ABORTED]		= -ECANCELED,
	},
};

static u64 all_devices(const struct vdi_set *set)
{
	return GENMASK_ULL(set->config.device_count - 1, 0);
}

/*
 * What the client sees.  A set that the server has ended looks ended to the
 * client only when each VD_E_CLOSE was delivered: until then it may still open
 * devices and fetch (2.6-p).
 */
static unsigned int vdi_client_view(const struct vdi_set *set)
{
	switch (set->state) {
	case VDI_STATE_CONFIGURABLE:
	case VDI_STATE_CONNECTED:
	case VDI_STATE_CONFIGURING:
		return C_CONFIGURABLE;
	case VDI_STATE_INITIALIZING:
		return C_INITIALIZING;
	case VDI_STATE_ACTIVE:
		return C_ACTIVE;
	case VDI_STATE_TERMINATED:
		if (set->told[VDI_CLIENT] == all_devices(set))
			return C_TERMINATED;
		if (set->nr_open[VDI_CLIENT] == set->config.device_count)
			return C_ACTIVE;
		return C_INITIALIZING;
	default:
		return C_ABORTED;
	}
}

static unsigned int vdi_server_view(const struct vdi_set *set)
{
	switch (set->state) {
	case VDI_STATE_CONFIGURABLE:
		return S_NONE;
	case VDI_STATE_CONNECTED:
		return S_CONNECTED;
	case VDI_STATE_CONFIGURING:
		return S_CONFIGURABLE;
	case VDI_STATE_INITIALIZING:
		return S_INITIALIZING;
	case VDI_STATE_ACTIVE:
		return S_ACTIVE;
	case VDI_STATE_TERMINATED:
		return S_TERMINATED;
	default:
		return S_ABORTED;
	}
}

static void vdi_state_enter(struct vdi_set *set, u32 next)
{
	if (!next || WARN_ON_ONCE(next < set->state))
		return;
	trace_vdi_state(set->id, set->state, next);
	set->state = next;
}

/**
 * vdi_state_client_unbound() - May a handle that has no set do this as client?
 * @op: function
 *
 * Return: 0 or -errno.
 */
int vdi_state_client_unbound(enum vdi_client_op op)
{
	return client_table[op][C_NONE].err;
}

/**
 * vdi_state_server_unbound() - May a handle that has no set, or that the
 *	server has closed, do this as server?
 * @op: function
 *
 * Return: 0 or -errno.
 */
int vdi_state_server_unbound(enum vdi_server_op op)
{
	return server_table[op][S_NONE].err;
}

/**
 * vdi_state_client() - May a client do this now? If so, enter the next state.
 * @set: the set
 * @op: function
 *
 * Context: set->lock held.
 * Return: 0, %VDI_WAIT or -errno.
 */
int vdi_state_client(struct vdi_set *set, enum vdi_client_op op)
{
	const struct vdi_cell *cell = &client_table[op][vdi_client_view(set)];

	lockdep_assert_held(&set->lock);
	if (!cell->err)
		vdi_state_enter(set, cell->next);
	return cell->err;
}

/**
 * vdi_state_server() - May the server do this now? If so, enter the next state.
 * @set: the set
 * @op: function
 *
 * Context: set->lock held.
 * Return: 0 or -errno.
 */
int vdi_state_server(struct vdi_set *set, enum vdi_server_op op)
{
	const struct vdi_cell *cell = &server_table[op][vdi_server_view(set)];

	lockdep_assert_held(&set->lock);
	if (!cell->err)
		vdi_state_enter(set, cell->next);
	return cell->err;
}

/**
 * vdi_state_server_peek() - May the server do this now? Changes nothing.
 * @set: the set
 * @op: function
 *
 * Context: set->lock held.
 * Return: 0 or -errno.
 */
int vdi_state_server_peek(struct vdi_set *set, enum vdi_server_op op)
{
	lockdep_assert_held(&set->lock);
	return server_table[op][vdi_server_view(set)].err;
}

/**
 * vdi_state_device() - State of one device
 * @dev: the device
 *
 * Context: set->lock held.
 * Return: VDI_DEVICE_*.
 */
unsigned int vdi_state_device(const struct vdi_device *dev)
{
	if (dev->set->closed & BIT_ULL(dev->index))
		return VDI_DEVICE_CLOSED;
	if (vdi_state_aborted(dev->set))
		return VDI_DEVICE_ABORTED;
	if (dev->closing)
		return VDI_DEVICE_CLOSING;
	if (dev->errored)
		return VDI_DEVICE_ERRORED;
	if (dev->open[VDI_CLIENT])
		return dev->open[VDI_SERVER] ? VDI_DEVICE_ACTIVE :
					       VDI_DEVICE_OPENED_BY_CLIENT;
	return dev->open[VDI_SERVER] ? VDI_DEVICE_OPENED_BY_SERVER :
				       VDI_DEVICE_UNOPENED;
}

/**
 * vdi_state_device_op() - May this be done to a device now?
 * @dev: the device
 * @op: operation
 *
 * Context: set->lock held.
 * Return: 0 or -errno.
 */
int vdi_state_device_op(const struct vdi_device *dev, enum vdi_device_op op)
{
	if (vdi_state_aborted(dev->set))
		return device_table[op][VDI_DEVICE_ABORTED];
	return device_table[op][vdi_state_device(dev)];
}

/**
 * vdi_state_devices_changed() - A device was opened or closed
 * @set: the set
 *
 * Active is entered when all devices are open on both sides, Normally
 * Terminated when all are closed in order.
 *
 * Context: set->lock held.
 */
void vdi_state_devices_changed(struct vdi_set *set)
{
	lockdep_assert_held(&set->lock);
	if (set->state != VDI_STATE_INITIALIZING &&
	    set->state != VDI_STATE_ACTIVE)
		return;
	if (set->closed == all_devices(set))
		vdi_state_enter(set, VDI_STATE_TERMINATED);
	else if (set->state == VDI_STATE_INITIALIZING &&
		 set->nr_open[VDI_CLIENT] == set->config.device_count &&
		 set->nr_open[VDI_SERVER] == set->config.device_count)
		vdi_state_enter(set, VDI_STATE_ACTIVE);
}

/**
 * vdi_state_alive() - Is the set neither ended nor aborted?
 * @set: the set
 *
 * Return: true if so.
 */
bool vdi_state_alive(const struct vdi_set *set)
{
	return set->state < VDI_STATE_TERMINATED;
}

/**
 * vdi_state_aborted() - Is the set aborted?
 * @set: the set
 *
 * Return: true if so.
 */
bool vdi_state_aborted(const struct vdi_set *set)
{
	return set->state == VDI_STATE_ABORTED;
}

/**
 * vdi_state_ended() - Did the server close all devices in order?
 * @set: the set
 *
 * Return: true if so.
 */
bool vdi_state_ended(const struct vdi_set *set)
{
	return set->state == VDI_STATE_TERMINATED;
}

/**
 * vdi_state_promised() - Was a set aborted when it was too late for that?
 * @set: the set
 *
 * The server believes the answers to Complete, so nothing but itself can take
 * them back, and so does the client: see vdi_set_stat.completed_devices.
 *
 * Context: set->lock held.
 * Return: true if so.
 */
bool vdi_state_promised(const struct vdi_set *set)
{
	lockdep_assert_held(&set->lock);
	return vdi_state_aborted(set) && set->completed == all_devices(set) &&
	       set->cause.who.role != VDI_ROLE_SERVER;
}

/**
 * vdi_state_abort() - Enter the aborted state, if this reason may
 * @set: the set
 * @reason: VDI_REASON_*
 *
 * No Close, no death and no fault makes an ended set aborted; a party's
 * SignalAbort does.
 *
 * Context: set->lock held.
 * Return: true if the set is aborted by this call.
 */
bool vdi_state_abort(struct vdi_set *set, u32 reason)
{
	lockdep_assert_held(&set->lock);
	if (vdi_state_aborted(set))
		return false;
	if (vdi_state_ended(set) && reason != VDI_REASON_SIGNALLED)
		return false;
	vdi_state_enter(set, VDI_STATE_ABORTED);
	return true;
}
