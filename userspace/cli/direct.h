/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Transfers past the page cache (O_DIRECT), as far as they are aligned.  The shared
 * buffers of a set are; the header and the end of a stripe file are not.
 */
#ifndef VDI_DIRECT_H
#define VDI_DIRECT_H

#include <stddef.h>
#include <sys/types.h>

/* What is said of a file */
#define DIRECT_NONE	"%s: its file system does not know --direct (O_DIRECT)"

#define DIRECT_ALIGN	4096	/* of memory, position and length: enough for all disks */

/*
 * A second descriptor of the file behind @fd, or -errno: -EINVAL if its file system
 * knows no O_DIRECT.
 */
int direct_open(int fd, int access);

/* All of it: 0 or -errno; -ENODATA at the end of the file.  @direct: -1 for none */
int direct_pwrite(int direct, int fd, const void *buf, size_t len, off_t pos);
int direct_pread(int direct, int fd, void *buf, size_t len, off_t pos);

#endif /* VDI_DIRECT_H */
