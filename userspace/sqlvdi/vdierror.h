/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Results of the methods of <vdi.h>: 0 is success, the others are negative 32-bit
 * numbers in the layout of an HRESULT (severity 1, facility 0x77).
 */
#ifndef VDIERROR_H_
#define VDIERROR_H_

#define MAKE_HRESULT(sev, fac, code) \
	((int)(((unsigned long)(sev) << 31) | ((unsigned long)(fac) << 16) | \
	       ((unsigned long)(code))))

#define VD_ERROR(code)		MAKE_HRESULT(1, 0x77, code)

#define VD_E_NOTOPEN		VD_ERROR(2)	/* the object is not open */
#define VD_E_TIMEOUT		VD_ERROR(3)	/* the time is up, nothing changed */
#define VD_E_ABORT		VD_ERROR(4)	/* the set is aborted: only Close is left */
#define VD_E_SECURITY		VD_ERROR(5)	/* not permitted */
#define VD_E_INVALID		VD_ERROR(6)	/* invalid argument */
#define VD_E_INSTANCE_NAME	VD_ERROR(7)	/* malformed instance name */
#define VD_E_NOTSUPPORTED	VD_ERROR(9)	/* invalid or unsupported configuration */
#define VD_E_MEMORY		VD_ERROR(10)	/* no memory, or a limit */
#define VD_E_UNEXPECTED		VD_ERROR(11)	/* internal error */
#define VD_E_PROTOCOL		VD_ERROR(12)	/* not allowed in this state */
#define VD_E_OPEN		VD_ERROR(13)	/* all devices, or still devices, are open */
#define VD_E_CLOSE		VD_ERROR(14)	/* the device was closed: the normal end */
#define VD_E_BUSY		VD_ERROR(15)	/* the queue is full */

/* The same, as the server's SendCommand calls it; a client gets neither. */
#define VD_E_QUEUE_FULL		VD_E_BUSY
/* Its number was never published, so this one is ours; a client does not get it. */
#define VD_E_IO_ERROR		VD_ERROR(16)

#endif /* VDIERROR_H_ */
