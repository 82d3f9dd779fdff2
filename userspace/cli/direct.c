// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Owns which part of a transfer goes past the page cache, and through which
 * descriptor; the kernel keeps the two in agreement.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "direct.h"
#include "stripe.h"

int direct_open(int fd, int access)
{
	char path[32];
	int direct;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	direct = open(path, access | O_DIRECT | O_CLOEXEC);
	return direct < 0 ? -errno : direct;
}

/* How much from the beginning can go past the page cache */
static size_t direct_part(int direct, const void *buf, size_t len, off_t pos)
{
	if (direct < 0 || (uintptr_t)buf % DIRECT_ALIGN || pos % DIRECT_ALIGN)
		return 0;
	return len / DIRECT_ALIGN * DIRECT_ALIGN;
}

/*
 * How far it came.  Whatever stops it, a disk that wants more alignment too, is met
 * again by the one that goes on through the page cache, and told by that.
 */
static size_t direct_move(int direct, void *buf, size_t len, off_t pos, bool write)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write ? pwrite(direct, (char *)buf + done, len - done, pos + done) :
				    pread(direct, (char *)buf + done, len - done, pos + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || n % DIRECT_ALIGN)
			break;
		done += n;
	}
	return done;
}

int direct_pwrite(int direct, int fd, const void *buf, size_t len, off_t pos)
{
	size_t part = direct_part(direct, buf, len, pos);
	size_t done = direct_move(direct, (void *)buf, part, pos, true);

	return stripe_pwrite(fd, (const char *)buf + done, len - done, pos + done);
}

int direct_pread(int direct, int fd, void *buf, size_t len, off_t pos)
{
	size_t part = direct_part(direct, buf, len, pos);
	size_t done = direct_move(direct, buf, part, pos, false);

	return stripe_pread(fd, (char *)buf + done, len - done, pos + done);
}
