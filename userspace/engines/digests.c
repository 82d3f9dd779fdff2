// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The list of digests.  The engine's process says what is in it, perhaps as another
 * user; the one that was given its name writes it, when all has gone well, so that
 * nothing else can be left of an older list or of half a new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "digests.h"
#include "stream.h"

/* In memory that the processes share */
struct digests {
	const char *name;		/* as it was given */
	char path[PATH_MAX];		/* where that leads to */
	char made[PATH_MAX + 8];	/* what gets this name */
	struct stat old;		/* what has it; st_ino 0: nothing */
	int fd;				/* what is there, to be written; -1: it is replaced */
	unsigned int count;
	struct digests_line {
		uint8_t digest[STREAM_DIGEST_SIZE];
		uint64_t bytes;
	} lines[STREAM_MAX];
};

static int digests_make(struct digests *digests)
{
	mode_t mask = umask(0);
	int fd;

	umask(mask);
	snprintf(digests->made, sizeof(digests->made), "%s.XXXXXX", digests->path);
	fd = mkostemp(digests->made, O_CLOEXEC);
	if (fd >= 0)
		fchmod(fd, 0666 & ~mask);
	return fd;
}

/* Not what a name stands for that is a pipe, a device, or a descriptor: /dev/stdout */
static bool digests_replaces(const struct digests *digests)
{
	return S_ISREG(digests->old.st_mode) && strncmp(digests->name, "/dev/", 5) &&
	       strncmp(digests->name, "/proc/", 6);
}

/* Tries it, and leaves nothing: the time until it is needed may be long. */
static bool digests_possible(struct digests *digests)
{
	bool there = !stat(digests->name, &digests->old);
	int fd = -1;

	digests->fd = -1;
	if (!realpath(digests->name, digests->path))
		snprintf(digests->path, sizeof(digests->path), "%s", digests->name);
	if (!there || digests_replaces(digests))
		fd = digests_make(digests);
	if (fd >= 0) {
		unlink(digests->made);
		return !close(fd);
	}
	if (there)
		digests->fd = open(digests->name, O_WRONLY | O_CLOEXEC);
	return digests->fd >= 0;
}

int digests_open(struct digests **out, const char *path)
{
	struct digests *digests = mmap(NULL, sizeof(*digests), PROT_READ | PROT_WRITE,
				       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (digests == MAP_FAILED)
		return report_fail(EXIT_FAILED, "out of memory");
	digests->name = path;
	if (!digests_possible(digests)) {
		report_fail(0, "%s: %s", path, strerror(errno));
		munmap(digests, sizeof(*digests));
		return EXIT_FAILED;
	}
	*out = digests;
	return 0;
}

void digests_add(struct digests *digests, unsigned int index, const uint8_t *digest,
		 uint64_t bytes)
{
	memcpy(digests->lines[index].digest, digest, STREAM_DIGEST_SIZE);
	digests->lines[index].bytes = bytes;
	digests->count = index + 1;
}

static int digests_print(const struct digests *digests, int fd)
{
	FILE *f = fdopen(fd, "w");
	unsigned int i, j;
	int ret = 0;

	if (!f)
		return -errno;
	for (i = 0; i < digests->count; i++) {
		/* the name of a set is chosen anew each time: the stripe's number stays */
		fprintf(f, "stripe-%02u ", i + 1);
		for (j = 0; j < STREAM_DIGEST_SIZE; j++)
			fprintf(f, "%02x", digests->lines[i].digest[j]);
		fprintf(f, " %" PRIu64 "\n", digests->lines[i].bytes);
	}
	if (fflush(f) || (fsync(fd) && errno != EINVAL && errno != EROFS))
		ret = -errno;
	if (fclose(f) && !ret)
		ret = -errno;
	return ret;
}

/* Has the name become that of something else, the backup perhaps? */
static bool digests_taken(const struct digests *digests)
{
	struct stat now;

	return !stat(digests->path, &now) && (now.st_ino != digests->old.st_ino ||
					      now.st_dev != digests->old.st_dev);
}

static int digests_write(struct digests *digests)
{
	int fd, ret;

	if (!digests->count)
		return -ENODATA;
	if (digests->fd >= 0) {
		if (S_ISREG(digests->old.st_mode) && ftruncate(digests->fd, 0))
			return -errno;
		return digests_print(digests, digests->fd);
	}
	if (digests_taken(digests))
		return -EEXIST;
	fd = digests_make(digests);
	if (fd < 0)
		return -errno;
	ret = digests_print(digests, fd);
	if (!ret && rename(digests->made, digests->path))
		ret = -errno;
	if (ret)
		unlink(digests->made);
	return ret;
}

int digests_close(struct digests *digests, int code, const char *what)
{
	int ret;

	if (!digests)
		return code;
	ret = code ? 0 : digests_write(digests);
	if (ret)
		code = report_fail(EXIT_FAILED,
				   "%s: the list of digests could not be written: %s; %s itself is good",
				   digests->name, strerror(-ret), what);
	munmap(digests, sizeof(*digests));
	return code;
}
