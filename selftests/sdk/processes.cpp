// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client with a process for each device: the primary makes the set and opens no
 * device, its children join the set by its name.
 *
 * usage: processes backup|restore SET DIRECTORY DEVICES
 */
#include "client.hpp"

#include <sys/wait.h>
#include <vector>

static int secondary(char **argv, int number)
{
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	std::string name = deviceName(argv[2], number);
	ClientVirtualDevice *vd;
	VDConfig config;
	int fd = openFile(argv[1], std::string(argv[3]) + "/" + std::to_string(number));

	if (fd < 0 || failed("OpenInSecondary", vds->OpenInSecondary(argv[2])))
		return 1;
	if (failed("OpenDevice", vds->OpenDevice(&name[0], &vd)))
		return 1;
	if (failed("GetConfiguration", vds->GetConfiguration(INFINITE, &config)))
		return 1;
	if (failed("GetCommand", serve(vd, fd), VD_E_CLOSE)) {
		vds->SignalAbort();
		vds->Close();
		return 1;
	}
	bool bad = failed("Close", vds->Close());
	delete vds;
	return bad;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	std::vector<pid_t> children(atoi(argv[4]));
	VDConfig config = VDConfig();
	bool bad = false;
	int status;

	config.deviceCount = children.size();
	if (failed("Create", vds->Create(argv[2], &config)) ||
	    failed("GetConfiguration", waitForServer(vds, &config)))
		return 1;
	for (size_t i = 0; i < children.size(); i++) {
		children[i] = fork();
		if (!children[i])
			exit(secondary(argv, i));
	}
	for (size_t i = 0; i < children.size(); i++) {
		waitpid(children[i], &status, 0);
		if (status)
			vds->SignalAbort();
		bad |= status != 0;
	}
	bad |= failed("Close", vds->Close());
	delete vds;
	return bad;
}
