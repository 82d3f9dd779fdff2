// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/* Words for the numbers of the interface.  It decides nothing. */
#include <errno.h>
#include <string.h>

#include "libvdi.h"

struct word {
	uint32_t value;
	const char *name;
	const char *text;
};

#define COUNT(array)	(sizeof(array) / sizeof(*(array)))

static const struct word errors[] = {
	{ ECANCELED, "VD_E_ABORT", "the set is aborted" },
	{ ESHUTDOWN, "VD_E_CLOSE", "the device is closed" },
	{ ETIMEDOUT, "VD_E_TIMEOUT", "the time is up" },
	{ EAGAIN, "VD_E_TIMEOUT", "nothing to do at the moment" },
	{ EPROTO, "VD_E_PROTOCOL", "not allowed in this state" },
	{ EIO, "VD_E_PROTOCOL", "the handle belongs to another process" },
	{ EBUSY, "VD_E_OPEN", "devices are open, or all devices are open already" },
	{ EINVAL, "VD_E_INVALID", "invalid argument" },
	{ EFAULT, "VD_E_INVALID", "bad address" },
	{ EOPNOTSUPP, "VD_E_NOTSUPPORTED", "invalid or unsupported configuration or flag" },
	{ E2BIG, "VD_E_NOTSUPPORTED", "the module does not know this part of the structure" },
	{ ENOTTY, "VD_E_NOTSUPPORTED", "the module does not know this call" },
	{ ENXIO, "VD_E_INSTANCE_NAME", "malformed instance name" },
	{ ENOMEM, "VD_E_MEMORY", "out of memory" },
	{ EDQUOT, "VD_E_MEMORY", "a limit of the vdi module is reached" },
	{ EXFULL, "VD_E_BUSY", "the queue of the device is full" },
	{ EREMOTEIO, "VD_E_IO_ERROR", "the device is in the I/O-error state" },
	{ EACCES, "VD_E_SECURITY", "permission denied" },
	{ EPERM, "VD_E_SECURITY", "operation not permitted" },
	{ ENOENT, "VD_E_INVALID", "no such set, or no such node" },
	{ EEXIST, "VD_E_PROTOCOL", "a set of this name exists already" },
	{ EOWNERDEAD, "VD_E_PROTOCOL", "the process that had the handle has ended" },
	{ EADDRINUSE, "", "the addresses of the buffers are in use in this process" },
	{ ENODEV, "", "the node is not that of the vdi module" },
};

static const struct word codes[] = {
	{ VDI_CODE_SUCCESS, "ERROR_SUCCESS", "success" },
	{ VDI_CODE_INVALID_HANDLE, "ERROR_INVALID_HANDLE", "the device is not open" },
	{ VDI_CODE_WRITE_PROTECT, "ERROR_WRITE_PROTECT", "the medium can't be written" },
	{ VDI_CODE_HANDLE_EOF, "ERROR_HANDLE_EOF", "end of the data" },
	{ VDI_CODE_HANDLE_DISK_FULL, "ERROR_HANDLE_DISK_FULL", "the disk is full" },
	{ VDI_CODE_NOT_SUPPORTED, "ERROR_NOT_SUPPORTED", "the command is not supported" },
	{ VDI_CODE_INVALID_PARAMETER, "ERROR_INVALID_PARAMETER", "invalid command" },
	{ VDI_CODE_DISK_FULL, "ERROR_DISK_FULL", "not enough space on the disk" },
	{ VDI_CODE_NEGATIVE_SEEK, "ERROR_NEGATIVE_SEEK", "a position before the beginning" },
	{ VDI_CODE_OPERATION_ABORTED, "ERROR_OPERATION_ABORTED", "aborted" },
	{ VDI_CODE_END_OF_MEDIA, "ERROR_END_OF_MEDIA", "near the end of the medium" },
	{ VDI_CODE_FILEMARK_DETECTED, "ERROR_FILEMARK_DETECTED", "a filemark was reached" },
	{ VDI_CODE_BEGINNING_OF_MEDIA, "ERROR_BEGINNING_OF_MEDIA", "the beginning was reached" },
	{ VDI_CODE_NO_DATA_DETECTED, "ERROR_NO_DATA_DETECTED", "no more data" },
	{ VDI_CODE_INVALID_BLOCK_LENGTH, "ERROR_INVALID_BLOCK_LENGTH",
	  "the block is larger than what was asked for" },
	{ VDI_CODE_NO_MEDIA_IN_DRIVE, "ERROR_NO_MEDIA_IN_DRIVE", "there is no further medium" },
	{ VDI_CODE_IO_DEVICE, "ERROR_IO_DEVICE", "I/O error of the device" },
	{ VDI_CODE_EOM_OVERFLOW, "ERROR_EOM_OVERFLOW", "beyond the end of the medium" },
	{ VDI_CODE_NO_SYSTEM_RESOURCES, "ERROR_NO_SYSTEM_RESOURCES", "the queue is full" },
};

static const char * const commands[] = {
	[VDI_CMD_READ] = "Read",
	[VDI_CMD_WRITE] = "Write",
	[VDI_CMD_CLEAR_ERROR] = "ClearError",
	[VDI_CMD_REWIND] = "Rewind",
	[VDI_CMD_WRITE_MARK] = "WriteMark",
	[VDI_CMD_SKIP_MARKS] = "SkipMarks",
	[VDI_CMD_SKIP_BLOCKS] = "SkipBlocks",
	[VDI_CMD_LOAD] = "Load",
	[VDI_CMD_GET_POSITION] = "GetPosition",
	[VDI_CMD_SET_POSITION] = "SetPosition",
	[VDI_CMD_DISCARD] = "Discard",
	[VDI_CMD_FLUSH] = "Flush",
	[VDI_CMD_SNAPSHOT] = "Snapshot",
	[VDI_CMD_MOUNT_SNAPSHOT] = "MountSnapshot",
	[VDI_CMD_PREPARE_TO_FREEZE] = "PrepareToFreeze",
	[VDI_CMD_FILE_INFO_BEGIN] = "FileInfoBegin",
	[VDI_CMD_FILE_INFO_END] = "FileInfoEnd",
	[VDI_CMD_GET_ERROR] = "GetError",
	[VDI_CMD_COMPLETE] = "Complete",
};

static const char * const states[] = {
	[VDI_STATE_UNBOUND] = "unbound",
	[VDI_STATE_CONFIGURABLE] = "configurable",
	[VDI_STATE_CONNECTED] = "connected",
	[VDI_STATE_CONFIGURING] = "configuring",
	[VDI_STATE_INITIALIZING] = "initializing",
	[VDI_STATE_ACTIVE] = "active",
	[VDI_STATE_TERMINATED] = "terminated",
	[VDI_STATE_ABORTED] = "aborted",
};

static const char * const device_states[] = {
	[VDI_DEVICE_UNOPENED] = "unopened",
	[VDI_DEVICE_OPENED_BY_CLIENT] = "opened by client",
	[VDI_DEVICE_OPENED_BY_SERVER] = "opened by server",
	[VDI_DEVICE_ACTIVE] = "active",
	[VDI_DEVICE_ERRORED] = "errored",
	[VDI_DEVICE_CLOSING] = "closing",
	[VDI_DEVICE_CLOSED] = "closed",
	[VDI_DEVICE_ABORTED] = "aborted",
};

static const char * const reasons[] = {
	[VDI_REASON_NONE] = "none",
	[VDI_REASON_CLIENT_CLOSE] = "the client closed early",
	[VDI_REASON_CLIENT_DIED] = "the client died",
	[VDI_REASON_SERVER_CLOSE] = "the server closed early",
	[VDI_REASON_SERVER_DIED] = "the server died",
	[VDI_REASON_SIGNALLED] = "aborted by a party",
	[VDI_REASON_STALLED] = "the client did not answer in time",
	[VDI_REASON_FAULT] = "bad memory in a call",
	[VDI_REASON_ADMIN] = "aborted by name",
};

static const char * const roles[] = {
	[VDI_ROLE_NONE] = "none",
	[VDI_ROLE_CLIENT] = "client",
	[VDI_ROLE_SERVER] = "server",
	[VDI_ROLE_SECONDARY] = "secondary client",
};

static const char * const limits[] = {
	[VDI_LIMIT_NONE] = "none",
	[VDI_LIMIT_SET_BYTES] = "buffer area of one set",
	[VDI_LIMIT_USER_BYTES] = "buffer areas of one user",
	[VDI_LIMIT_TOTAL_BYTES] = "buffer areas of all users",
	[VDI_LIMIT_PIECES] = "pieces of one buffer area",
	[VDI_LIMIT_HANDLES] = "handles of one user",
};

static const struct word *find(const struct word *words, size_t n, uint32_t value)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (words[i].value == value)
			return &words[i];
	return NULL;
}

static const char *pick(const char * const *names, size_t n, uint32_t value)
{
	return value < n && names[value] ? names[value] : "unknown";
}

static const struct word *find_error(int error)
{
	uint32_t value = error < 0 ? -(uint32_t)error : (uint32_t)error;

	return find(errors, COUNT(errors), value);
}

const char *vdi_strerror(int error)
{
	const struct word *w = find_error(error);
	const char *text;

	if (!error)
		return "success";
	if (w)
		return w->text;
	/* Unlike strerror(3) it does not write to memory that threads share. */
	text = strerrordesc_np(error < 0 ? (int)-(unsigned int)error : error);
	return text ? text : "unknown error";
}

const char *vdi_error_name(int error)
{
	const struct word *w = find_error(error);

	if (!error)
		return "NOERROR";
	return w ? w->name : "";
}

const char *vdi_code_name(uint32_t code)
{
	const struct word *w = find(codes, COUNT(codes), code);

	return w ? w->name : "";
}

const char *vdi_code_text(uint32_t code)
{
	const struct word *w = find(codes, COUNT(codes), code);

	return w ? w->text : "unknown completion code";
}

const char *vdi_command_name(uint32_t command)
{
	return pick(commands, COUNT(commands), command);
}

const char *vdi_state_name(uint32_t state)
{
	return pick(states, COUNT(states), state);
}

const char *vdi_device_state_name(uint32_t state)
{
	return pick(device_states, COUNT(device_states), state);
}

const char *vdi_reason_name(uint32_t reason)
{
	return pick(reasons, COUNT(reasons), reason);
}

const char *vdi_role_name(uint32_t role)
{
	return pick(roles, COUNT(roles), role);
}

const char *vdi_limit_name(uint32_t limit)
{
	return pick(limits, COUNT(limits), limit);
}
