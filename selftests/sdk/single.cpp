// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client with one device in one thread.
 *
 * usage: single backup|restore SET FILE [TIMEOUT]
 */
#include "client.hpp"

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	ClientVirtualDevice *vd = NULL;
	VDConfig config;
	int hr, fd = openFile(argv[1], argv[3]);

	if (fd < 0)
		return 1;
	memset(&config, 0, sizeof(config));
	config.deviceCount = 1;
	config.features = VDF_RequestComplete;
	if (failed("Create", vds->Create(argv[2], &config)))
		return 1;
	if (failed("GetConfiguration", waitForServer(vds, &config)))
		return 1;
	if (failed("OpenDevice", vds->OpenDevice(argv[2], &vd)))
		return 1;

	hr = serve(vd, fd, argc > 4 ? atol(argv[4]) : INFINITE);
	bool bad = failed("GetCommand", hr, VD_E_CLOSE);
	bad |= failed("Close", vds->Close(), hr == (int)VD_E_TIMEOUT ? VD_E_OPEN : NOERROR);
	delete vds;
	close(fd);
	return bad;
}
