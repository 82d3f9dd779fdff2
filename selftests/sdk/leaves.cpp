// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client that does not come to the end: after COUNT commands it aborts, closes
 * with its device open, exits (and its static set with it), or is gone without a
 * word, as a crash is.  Or it says that the disk is full, and goes on.
 *
 * usage: leaves SET COUNT abort|close|exit|crash|full
 */
#include "client.hpp"

static ClientVirtualDeviceSet vds;

static int leave(const std::string &how)
{
	if (how == "abort") {
		bool bad = failed("SignalAbort", vds.SignalAbort());
		return bad | failed("Close after an abort", vds.Close());
	}
	if (how == "close")
		return failed("Close with a device open", vds.Close(), VD_E_OPEN);
	if (how == "exit")
		exit(0);
	_exit(0);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	int count = atoi(argv[2]);
	bool full = !strcmp(argv[3], "full");
	ClientVirtualDevice *vd;
	VDConfig config = VDConfig();
	VDC_Command *cmd;
	int hr;

	config.deviceCount = 1;
	if (failed("Create", vds.Create(argv[1], &config)) ||
	    failed("GetConfiguration", waitForServer(&vds, &config)) ||
	    failed("OpenDevice", vds.OpenDevice(argv[1], &vd)))
		return 1;
	while ((hr = vd->GetCommand(INFINITE, &cmd)) == NOERROR) {
		if (!count-- && !full)
			return leave(argv[3]);
		vd->CompleteCommand(cmd, count < 0 && cmd->commandCode == VDC_Write ?
				    ERROR_DISK_FULL : ERROR_SUCCESS,
				    count < 0 ? 0 : cmd->size, 0);
	}
	// the server may close its devices after an error: that is an order, too
	return failed("GetCommand", hr, VD_E_CLOSE) | failed("Close", vds.Close());
}
