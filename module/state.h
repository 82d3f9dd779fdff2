/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_STATE_H
#define VDI_STATE_H

#include <linux/types.h>

struct vdi_set;
struct vdi_device;

/* "Wait until the state changes": only client GetConfiguration has it */
#define VDI_WAIT	1

/**
 * enum vdi_client_op - Functions of the client table (2.2), in its order
 * @VDI_CLIENT_CREATE: Create, CreateEx
 * @VDI_CLIENT_GET_CONFIG: GetConfiguration
 * @VDI_CLIENT_OPEN_DEVICE: OpenDevice
 * @VDI_CLIENT_GET_COMMAND: GetCommand
 * @VDI_CLIENT_COMPLETE: CompleteCommand
 * @VDI_CLIENT_ABORT: SignalAbort
 * @VDI_CLIENT_CLOSE: Close
 * @VDI_CLIENT_JOIN: OpenInSecondary, on the set that is joined (3.6)
 * @VDI_CLIENT_OPS: number of functions
 */
enum vdi_client_op {
	VDI_CLIENT_CREATE,
	VDI_CLIENT_GET_CONFIG,
	VDI_CLIENT_OPEN_DEVICE,
	VDI_CLIENT_GET_COMMAND,
	VDI_CLIENT_COMPLETE,
	VDI_CLIENT_ABORT,
	VDI_CLIENT_CLOSE,
	VDI_CLIENT_JOIN,
	VDI_CLIENT_OPS,
};

/**
 * enum vdi_server_op - Functions of the server table (2.3) that the kernel
 *	decides, in its order
 * @VDI_SERVER_OPEN: Open
 * @VDI_SERVER_GET_CONFIG: GetConfiguration
 * @VDI_SERVER_BEGIN_CONFIG: BeginConfiguration
 * @VDI_SERVER_GROW_AREA: RequestBuffers after configuration
 * @VDI_SERVER_END_CONFIG: EndConfiguration
 * @VDI_SERVER_OPEN_DEVICE: OpenDevice
 * @VDI_SERVER_COLLECT: ExecuteCompletionAgent
 * @VDI_SERVER_SEND: SendCommand
 * @VDI_SERVER_CLOSE_DEVICE: CloseDevice
 * @VDI_SERVER_ABORT: SignalAbort
 * @VDI_SERVER_CLOSE: Close
 * @VDI_SERVER_HINT: SET_HINT, which the specification does not have
 * @VDI_SERVER_OPS: number of functions
 */
enum vdi_server_op {
	VDI_SERVER_OPEN,
	VDI_SERVER_GET_CONFIG,
	VDI_SERVER_BEGIN_CONFIG,
	VDI_SERVER_GROW_AREA,
	VDI_SERVER_END_CONFIG,
	VDI_SERVER_OPEN_DEVICE,
	VDI_SERVER_COLLECT,
	VDI_SERVER_SEND,
	VDI_SERVER_CLOSE_DEVICE,
	VDI_SERVER_ABORT,
	VDI_SERVER_CLOSE,
	VDI_SERVER_HINT,
	VDI_SERVER_OPS,
};

/**
 * enum vdi_device_op - What can be done to one device (2.4, 2.5)
 * @VDI_DEVICE_SEND: SendCommand of any command but ClearError
 * @VDI_DEVICE_CLEAR: SendCommand of ClearError
 * @VDI_DEVICE_COMPLETE: CompleteCommand
 * @VDI_DEVICE_CLOSE: CloseDevice
 * @VDI_DEVICE_OPS: number of operations
 */
enum vdi_device_op {
	VDI_DEVICE_SEND,
	VDI_DEVICE_CLEAR,
	VDI_DEVICE_COMPLETE,
	VDI_DEVICE_CLOSE,
	VDI_DEVICE_OPS,
};

int vdi_state_client_unbound(enum vdi_client_op op);
int vdi_state_server_unbound(enum vdi_server_op op);
int vdi_state_client(struct vdi_set *set, enum vdi_client_op op);
int vdi_state_server(struct vdi_set *set, enum vdi_server_op op);
int vdi_state_server_peek(struct vdi_set *set, enum vdi_server_op op);
unsigned int vdi_state_device(const struct vdi_device *dev);
int vdi_state_device_op(const struct vdi_device *dev, enum vdi_device_op op);
void vdi_state_devices_changed(struct vdi_set *set);
bool vdi_state_alive(const struct vdi_set *set);
bool vdi_state_aborted(const struct vdi_set *set);
bool vdi_state_ended(const struct vdi_set *set);
bool vdi_state_promised(const struct vdi_set *set);
bool vdi_state_abort(struct vdi_set *set, u32 reason);

#endif /* VDI_STATE_H */
