// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client with a random access device: every transfer has a position, and Flush
 * makes the file end where the last write ended.
 *
 * usage: disk SET FILE
 */
#include "client.hpp"

static int64_t position, end;

static int carryOutAt(const VDC_Command *cmd, int fd, unsigned long *bytes)
{
	ssize_t n;

	switch (cmd->commandCode) {
	case VDC_Read:
		n = pread(fd, cmd->buffer, cmd->size, cmd->position);
		*bytes = n > 0 ? n : 0;
		return n < cmd->size ? ERROR_HANDLE_EOF : ERROR_SUCCESS;
	case VDC_Write:
		n = pwrite(fd, cmd->buffer, cmd->size, cmd->position);
		*bytes = n > 0 ? n : 0;
		end = cmd->position + *bytes;
		return n < cmd->size ? ERROR_DISK_FULL : ERROR_SUCCESS;
	case VDC_Flush:
		return ftruncate(fd, end) || fsync(fd) ? ERROR_DISK_FULL : ERROR_SUCCESS;
	case VDC_SetPosition:
		position = cmd->size == VDC_Beginning ? cmd->position :
			   cmd->size == VDC_Current ? position + cmd->position :
			   lseek(fd, 0, SEEK_END) + cmd->position;
		return ERROR_SUCCESS;
	case VDC_GetPosition:
	case VDC_ClearError:
		return ERROR_SUCCESS;
	default:
		return ERROR_NOT_SUPPORTED;
	}
}

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	ClientVirtualDevice *vd;
	VDConfig config = VDConfig();
	VDC_Command *cmd;
	int hr, code, fd = open(argv[2], O_RDWR | O_CREAT, 0600);

	config.deviceCount = 1;
	config.features = VDF_LikeDisk;
	if (fd < 0 || failed("Create", vds->Create(argv[1], &config)) ||
	    failed("GetConfiguration", waitForServer(vds, &config)) ||
	    failed("OpenDevice", vds->OpenDevice(argv[1], &vd)))
		return 1;
	while ((hr = vd->GetCommand(-1, &cmd)) == NOERROR) {
		unsigned long bytes = 0;

		code = carryOutAt(cmd, fd, &bytes);
		if (failed("CompleteCommand", vd->CompleteCommand(cmd, code, bytes, position)))
			break;
	}
	bool bad = failed("GetCommand", hr, VD_E_CLOSE);
	bad |= failed("Close", vds->Close());
	delete vds;
	return bad;
}
