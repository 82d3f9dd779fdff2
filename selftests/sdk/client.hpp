// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the client programs share, as backup programs have it of their own: the
 * constants that the SDK leaves to them, a stream in a file, and the loop over the
 * commands of one device.
 */
#ifndef VDI_TEST_SDK_CLIENT_HPP
#define VDI_TEST_SDK_CLIENT_HPP

#include "vdi.h"
#include "vdierror.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <unistd.h>

#define INFINITE	0xFFFFFFFF
#define NOERROR		0

// All that can be had of size bytes; less only at the end.
inline unsigned long readFully(int fd, uint8_t *buffer, unsigned long size)
{
	unsigned long done = 0;
	ssize_t n;

	while (done < size && (n = read(fd, buffer + done, size - done)) > 0)
		done += n;
	return done;
}

inline unsigned long writeFully(int fd, const uint8_t *buffer, unsigned long size)
{
	unsigned long done = 0;
	ssize_t n;

	while (done < size && (n = write(fd, buffer + done, size - done)) > 0)
		done += n;
	return done;
}

// Carries out one command on a pipe-like device that is a file.
inline int carryOut(const VDC_Command *cmd, int fd, unsigned long *bytes)
{
	*bytes = 0;
	switch (cmd->commandCode) {
	case VDC_Read:
		*bytes = readFully(fd, cmd->buffer, cmd->size);
		return *bytes < (unsigned long)cmd->size ? ERROR_HANDLE_EOF : ERROR_SUCCESS;
	case VDC_Write:
		*bytes = writeFully(fd, cmd->buffer, cmd->size);
		return *bytes < (unsigned long)cmd->size ? ERROR_DISK_FULL : ERROR_SUCCESS;
	case VDC_Flush:
		// like the clients that pass the size with every command
		*bytes = 4711;
		return fsync(fd) ? ERROR_DISK_FULL : ERROR_SUCCESS;
	case VDC_ClearError:
	case VDC_Complete:
		return ERROR_SUCCESS;
	default:
		return ERROR_NOT_SUPPORTED;
	}
}

// Serves a device until its end, which is VD_E_CLOSE if all went well.
inline int serve(ClientVirtualDevice *vd, int fd, time_t timeout = INFINITE)
{
	VDC_Command *cmd;
	unsigned long bytes;
	int hr, code;

	while ((hr = vd->GetCommand(timeout, &cmd)) == NOERROR) {
		code = carryOut(cmd, fd, &bytes);
		hr = vd->CompleteCommand(cmd, code, bytes, 0);
		if (hr != NOERROR)
			break;
	}
	return hr;
}

inline int openFile(const char *mode, const std::string &path)
{
	int fd = !strcmp(mode, "backup") ? open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600) :
					   open(path.c_str(), O_RDONLY);

	if (fd < 0)
		perror(path.c_str());
	return fd;
}

// The names that the server's statement has.
inline std::string deviceName(const char *set, int device)
{
	return device ? set + ("." + std::to_string(device)) : set;
}

// Says what a method gave; 1 if that is not what is wanted.
inline int failed(const char *what, int hr, int wanted = NOERROR)
{
	if (hr == wanted)
		return 0;
	fprintf(stderr, "client: %s: 0x%x\n", what, (unsigned int)hr);
	return 1;
}

// Until the server has configured the set, as long as that is not hopeless.
inline int waitForServer(ClientVirtualDeviceSet *vds, VDConfig *config)
{
	int hr, tries = 60;

	do
		hr = vds->GetConfiguration(1000, config);
	while (hr == (int)VD_E_TIMEOUT && --tries);
	return hr;
}

#endif // VDI_TEST_SDK_CLIENT_HPP
