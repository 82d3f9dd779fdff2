/* SPDX-License-Identifier: GPL-2.0-only */
/* A file or scratch disk that takes O_DIRECT: a file here, or the RAM disk. */
#ifndef VDI_TEST_DIRECT_H
#define VDI_TEST_DIRECT_H

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A descriptor, or -1 */
static inline int vt_open_direct(void)
{
	static const char * const places[] = { "/var/tmp", "/tmp", "." };
	char path[64];
	unsigned int i;
	int fd;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(path, sizeof(path), "%s/vdi-direct-%d", places[i], getpid());
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
		unlink(path);
		if (fd >= 0)
			return fd;
	}
	/* the overlay of a guest takes none; its kernel may have a RAM disk as a module */
	if (access("/dev/ram15", F_OK) && system("modprobe -q brd"))
		return -1;
	return open("/dev/ram15", O_RDWR | O_DIRECT | O_CLOEXEC);
}

#endif /* VDI_TEST_DIRECT_H */
