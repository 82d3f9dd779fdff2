// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client with a thread for each device: a thread opens its device and serves
 * it at once, whatever the others do.
 *
 * usage: threads backup|restore SET DIRECTORY DEVICES
 */
#include "client.hpp"

#include <pthread.h>
#include <vector>

static ClientVirtualDeviceSet vds;
static char **args;

struct Worker {
	int number;
	pthread_t thread;
	int hr;
};

static void *work(void *arg)
{
	Worker *w = static_cast<Worker *>(arg);
	std::string name = deviceName(args[2], w->number);
	std::string path = std::string(args[3]) + "/" + std::to_string(w->number);
	ClientVirtualDevice *vd;
	VDConfig config;
	int fd;

	w->hr = vds.OpenDevice(&name[0], &vd);
	if (failed("OpenDevice", w->hr))
		return NULL;
	// the direction is in the configuration, which may be asked for again
	w->hr = vds.GetConfiguration(INFINITE, &config);
	if (failed("GetConfiguration", w->hr))
		return NULL;
	fd = openFile(config.features & VDF_WriteMedia ? "backup" : "restore", path);
	w->hr = fd < 0 ? VD_E_UNEXPECTED : serve(vd, fd);
	if (w->hr != (int)VD_E_CLOSE)
		vds.SignalAbort();
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	std::vector<Worker> workers(atoi(argv[4]));
	VDConfig config = VDConfig();
	bool bad = false;

	args = argv;
	config.deviceCount = workers.size();
	config.features = VDF_LikePipe;
	if (failed("Create", vds.Create(argv[2], &config)) ||
	    failed("GetConfiguration", waitForServer(&vds, &config)))
		return 1;
	for (size_t i = 0; i < workers.size(); i++) {
		workers[i].number = i;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			return 1;
	}
	for (size_t i = 0; i < workers.size(); i++) {
		pthread_join(workers[i].thread, NULL);
		bad |= failed("device", workers[i].hr, VD_E_CLOSE);
	}
	return bad | failed("Close", vds.Close());
}
