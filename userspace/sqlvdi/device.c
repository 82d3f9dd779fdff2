// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * ClientVirtualDevice.  Objects are made by OpenDevice (set.c) and belong to the
 * set; one that a program makes itself is a device that is not open.
 */
#include <errno.h>
#include <stddef.h>

#include "class.h"
#include "report.h"
#include "session.h"
#include "vdierror.h"

/* A command is passed on as it is: the program's view of libvdi's. */
#define SAME_FIELD(one, other) \
	_Static_assert(offsetof(struct VDC_Command, one) == \
		       offsetof(struct vdi_client_command, other) && \
		       sizeof(((struct VDC_Command *)0)->one) == \
		       sizeof(((struct vdi_client_command *)0)->other), #one)
SAME_FIELD(commandCode, code);
SAME_FIELD(size, size);
SAME_FIELD(position, position);
SAME_FIELD(buffer, buffer);

void device_construct(struct device_object *self)
{
	self->cvd = NULL;
}

void device_construct_base(struct device_object *self) SAME_AS("_ZN19ClientVirtualDeviceC1Ev");

/* A program that deletes what belongs to the set: it frees it, so we do not. */
void device_destroy(struct device_object *self)
{
	if (self->cvd)
		self->cvd->object = NULL;
	self->cvd = NULL;
}

void device_destroy_base(struct device_object *self) SAME_AS("_ZN19ClientVirtualDeviceD1Ev");

static struct CVD *enter(struct device_object *self)
{
	struct CVD *cvd = self ? self->cvd : NULL;

	return cvd && session_enter(cvd->session) ? cvd : NULL;
}

int device_get_command(struct device_object *self, time_t timeout, struct VDC_Command **command)
{
	const struct vdi_client_command *next = NULL;
	struct CVD *cvd = enter(self);
	int64_t ms;
	int result;

	if (command)
		*command = NULL;
	if (!cvd)
		return VD_E_PROTOCOL;
	if (!command) {
		session_leave(cvd->session);
		return VD_E_INVALID;
	}
	ms = environment_command_timeout(&cvd->session->environment, timeout);
	result = report_result(cvd->session, "ClientVirtualDevice::GetCommand",
			       vdi_client_get_command(cvd->device, ms, &next),
			       "the server has named all its devices, and none as this one");
	if (!result)
		*command = (struct VDC_Command *)next;
	session_leave(cvd->session);
	return result;
}

/* A command that is none, or no more, because the device is none any more? */
static int why_invalid(struct CVD *cvd)
{
	struct vdi_device_status status = { .size = sizeof(status) };

	if (vdi_client_device_status(cvd->device, &status))
		return -EINVAL;
	switch (status.out_state) {
	case VDI_DEVICE_ABORTED:
		return -ECANCELED;
	case VDI_DEVICE_CLOSED:
		return -EPROTO;
	default:
		return -EINVAL;
	}
}

int device_complete_command(struct device_object *self, struct VDC_Command *command, int code,
			    unsigned long bytes, int64_t position)
{
	struct CVD *cvd = enter(self);
	/* more than any size, so it is refused where it counts */
	uint32_t count = bytes > UINT32_MAX ? UINT32_MAX : (uint32_t)bytes;
	int err, result;

	if (!cvd)
		return VD_E_PROTOCOL;
	err = vdi_client_complete_command(cvd->device, (struct vdi_client_command *)command,
					  (uint32_t)code, count, position);
	if (!err && code)
		__atomic_store_n(&cvd->session->last_code, (uint32_t)code, __ATOMIC_RELAXED);
	if (err == -EINVAL)
		err = why_invalid(cvd);
	result = report_result(cvd->session, "ClientVirtualDevice::CompleteCommand", err,
			       "not an outstanding command of this device, or more bytes than its size");
	session_leave(cvd->session);
	return result;
}
