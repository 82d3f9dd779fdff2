/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A session: one set of a ClientVirtualDeviceSet, from Create or OpenInSecondary
 * to Close.  Calls enter it and leave it, from any thread and at any time; what
 * a call may look at is there until the last one has left.
 */
#ifndef SQLVDI_SESSION_H
#define SQLVDI_SESSION_H

#include <stdbool.h>
#include <sys/types.h>

#include <libvdi.h>

#include "class.h"
#include "environment.h"

/**
 * struct CVD - A device that was opened
 * @session: its set
 * @device: libvdi's, for calls that are in the session
 * @object: what the program has; NULL when the program itself has deleted it
 * @next: in the session's list
 */
struct CVD {
	struct session *session;
	struct vdi_client_device *device;
	struct device_object *object;
	struct CVD *next;
};

/**
 * struct session - See above
 * @client: libvdi's, until it is closed and no call is inside
 * @calls: calls that are inside; with %SESSION_CLOSED it lets nobody in
 * @refs: the set object, and each call
 * @pid: the process it belongs to
 * @secondary: made by OpenInSecondary
 * @environment: the variables as they were when it began
 * @devices: all that were opened; only ever more
 * @last_code: last completion code that was not success
 * @aborted: the reason of the abort has been reported
 * @reported: last errno that was reported
 * @next: in the list of the set object
 * @name: of the set
 */
struct session {
	struct vdi_client *client;
	unsigned int calls;
	unsigned int refs;
	pid_t pid;
	bool secondary;
	struct environment environment;
	struct CVD *devices;
	uint32_t last_code;
	bool aborted;
	int reported;
	struct session *next;
	char name[VDI_NAME_SIZE];
};

#define SESSION_CLOSED	(1U << 31)

struct session *session_new(const char *name, bool secondary);
bool session_enter(struct session *s);
void session_leave(struct session *s);
void session_shut(struct session *s);
void session_drop(struct session *s);
void session_add(struct session *s, struct CVD *cvd);

#endif /* SQLVDI_SESSION_H */
