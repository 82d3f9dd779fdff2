// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client in which one process has the device and another one the file: the
 * buffers of the commands go from one to the other as handles, over a socket.
 *
 * usage: handles backup|restore SET FILE
 */
#include "client.hpp"

#include <sys/socket.h>
#include <sys/wait.h>

struct Job {
	int commandCode;
	int size;
	unsigned int handle;
};

struct Answer {
	int code;
	unsigned long bytes;
};

// The process that has the file; it has the set open, and none of its devices.
static int mover(char **argv, int jobs)
{
	ClientVirtualDeviceSet set;
	int fd = openFile(argv[1], argv[3]);
	VDC_Command cmd = VDC_Command();
	Answer answer;
	Job job;

	if (fd < 0 || failed("OpenInSecondary", set.OpenInSecondary(argv[2])))
		return 1;
	while (read(jobs, &job, sizeof(job)) == sizeof(job)) {
		cmd.commandCode = job.commandCode;
		cmd.size = job.size;
		cmd.buffer = NULL;
		if (job.handle && failed("MapBufferHandle",
					 set.MapBufferHandle(job.handle, &cmd.buffer)))
			return 1;
		answer.code = carryOut(&cmd, fd, &answer.bytes);
		if (write(jobs, &answer, sizeof(answer)) != sizeof(answer))
			return 1;
	}
	return failed("Close", set.Close());
}

static bool passOn(ClientVirtualDeviceSet *vds, int jobs, const VDC_Command *cmd, Answer *answer)
{
	Job job = { cmd->commandCode, cmd->size, 0 };

	if (cmd->buffer && failed("GetBufferHandle",
				  vds->GetBufferHandle(cmd->buffer, &job.handle)))
		return false;
	return write(jobs, &job, sizeof(job)) == sizeof(job) &&
	       read(jobs, answer, sizeof(*answer)) == sizeof(*answer);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		return 2;
	ClientVirtualDeviceSet vds;
	ClientVirtualDevice *vd;
	VDConfig config = VDConfig();
	VDC_Command *cmd;
	Answer answer;
	int hr, jobs[2], status = 1;
	pid_t child;

	config.deviceCount = 1;
	if (failed("Create", vds.Create(argv[2], &config)) ||
	    failed("GetConfiguration", waitForServer(&vds, &config)) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, jobs))
		return 1;
	child = fork();
	if (!child) {
		close(jobs[0]);
		_exit(mover(argv, jobs[1]));
	}
	close(jobs[1]);
	if (failed("OpenDevice", vds.OpenDevice(argv[2], &vd)))
		return 1;
	while ((hr = vd->GetCommand(INFINITE, &cmd)) == NOERROR) {
		if (!passOn(&vds, jobs[0], cmd, &answer)) {
			vds.SignalAbort();
			break;
		}
		vd->CompleteCommand(cmd, answer.code, answer.bytes, 0);
	}
	close(jobs[0]);
	waitpid(child, &status, 0);
	return failed("GetCommand", hr, VD_E_CLOSE) | failed("child", status) |
	       failed("Close", vds.Close());
}
