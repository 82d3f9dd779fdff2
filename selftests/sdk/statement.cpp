// SPDX-License-Identifier: GPL-2.0-only
/*
 * A backup program as they are: it makes the set, starts sqlcmd to send the
 * statement, serves the devices with a thread each, and believes the backup if
 * both have ended well.
 *
 * usage: statement backup|restore DATABASE|LOG NAME FILE [DEVICES [OPTIONS]]
 */
#include "client.hpp"

#include <sys/wait.h>
#include <thread>
#include <vector>

static std::string statement(char **argv, const char *set, int devices, const char *options)
{
	bool backup = !strcmp(argv[1], "backup");
	std::string sql = std::string(backup ? "BACKUP " : "RESTORE ") + argv[2] + " [" + argv[3] +
			  "] " + (backup ? "TO" : "FROM");

	for (int i = 0; i < devices; i++)
		sql += std::string(i ? "," : "") + " VIRTUAL_DEVICE='" + deviceName(set, i) + "'";
	return sql + " WITH " + options;
}

static pid_t startSqlcmd(const std::string &sql)
{
	pid_t pid = fork();

	if (pid == 0) {
		execlp("sqlcmd", "sqlcmd", "-S", "localhost", "-U", "sa", "-P", "secret", "-b", "-Q",
		       sql.c_str(), (char *)NULL);
		perror("sqlcmd");
		_exit(127);
	}
	return pid;
}

static void serveFile(ClientVirtualDeviceSet *vds, char **argv, std::string name, int device,
		      int *bad)
{
	std::string path = std::string(argv[4]) + (device ? "." + std::to_string(device) : "");
	int fd = openFile(argv[1], path);
	ClientVirtualDevice *vd = NULL;

	*bad = 1;
	if (fd >= 0 && !failed("OpenDevice", vds->OpenDevice(&name[0], &vd)))
		*bad = failed("GetCommand", serve(vd, fd, 90), VD_E_CLOSE);
	if (*bad)
		vds->SignalAbort();
	close(fd);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	int devices = argc > 5 ? atoi(argv[5]) : 1, status = 0, bad = 0, hr;
	std::string set = "statement-" + std::to_string(getpid());
	ClientVirtualDeviceSet *vds = new ClientVirtualDeviceSet();
	std::vector<std::thread> threads;
	std::vector<int> results(devices);
	VDConfig config;

	memset(&config, 0, sizeof(config));
	config.deviceCount = devices;
	if (failed("Create", vds->Create(&set[0], &config)))
		return 1;
	pid_t sqlcmd = startSqlcmd(statement(argv, set.c_str(), devices,
					     argc > 6 ? argv[6] : "FORMAT, MAXTRANSFERSIZE=1048576"));
	hr = waitForServer(vds, &config);
	bad |= failed("GetConfiguration", hr);
	for (int i = 0; !bad && i < devices; i++)
		threads.emplace_back(serveFile, vds, argv, deviceName(set.c_str(), i), i,
				     &results[i]);
	for (auto &thread : threads)
		thread.join();
	for (int result : results)
		bad |= result;
	bad |= failed("Close", vds->Close());
	delete vds;
	waitpid(sqlcmd, &status, 0);
	bad |= failed("sqlcmd", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return bad;
}
