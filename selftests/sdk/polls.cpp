// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client that waits for nothing longer than a moment, and takes all commands
 * that are there before it answers them, the last one first.
 *
 * usage: polls SET FILE
 */
#include "client.hpp"

#include <vector>

int main(int argc, char **argv)
{
	if (argc < 3)
		return 2;
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	ClientVirtualDevice *vd;
	VDConfig config = VDConfig();
	int hr, fd = openFile("backup", argv[2]);
	unsigned long bytes, polls = 0;

	config.deviceCount = 1;
	if (fd < 0 || failed("Create", vds->Create(argv[1], &config)))
		return 1;
	while ((hr = vds->GetConfiguration(0, &config)) == (int)VD_E_TIMEOUT) {
		polls++;
		usleep(1000);
	}
	if (failed("GetConfiguration", hr) || failed("OpenDevice", vds->OpenDevice(argv[1], &vd)))
		return 1;
	do {
		std::vector<VDC_Command *> taken;
		VDC_Command *cmd;

		while ((hr = vd->GetCommand(taken.empty() ? 3 : 0, &cmd)) == NOERROR)
			taken.push_back(cmd);
		polls += hr == (int)VD_E_TIMEOUT;
		// data keeps its order; only the answers are turned round
		std::vector<std::pair<int, unsigned long>> results;
		for (size_t i = 0; i < taken.size(); i++) {
			int code = carryOut(taken[i], fd, &bytes);
			results.push_back(std::make_pair(code, bytes));
		}
		for (size_t i = taken.size(); i-- > 0;)
			if (failed("CompleteCommand",
				   vd->CompleteCommand(taken[i], results[i].first,
						       results[i].second, 0)))
				return 1;
	} while (hr == (int)VD_E_TIMEOUT);
	printf("polls: %lu\n", polls);
	bool bad = failed("GetCommand", hr, VD_E_CLOSE);
	bad |= failed("Close", vds->Close());
	delete vds;
	return bad;
}
