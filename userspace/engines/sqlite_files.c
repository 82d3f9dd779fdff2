// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What lies beside an SQLite database.  A -wal or -journal that outlives its
 * database would be played into the next one of that name, so a restore takes
 * them away before the new file gets the name, and together with the old file:
 * PATH.old with PATH.old-wal is still a database.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "sqlite_files.h"

/* Where SQLite takes its locks (file format 1.5 and wal.c's index lock bytes) */
#define SQLITE_FILES_PENDING	0x40000000
#define SQLITE_FILES_LOCK_LEN	512
#define SQLITE_FILES_SHM	120
#define SQLITE_FILES_SHM_LEN	9

static const char * const sqlite_files_suffixes[] = { "-journal", "-wal", "-shm" };
#define SQLITE_FILES_NR (sizeof(sqlite_files_suffixes) / sizeof(sqlite_files_suffixes[0]))

static void sqlite_files_name(char *buf, size_t size, const char *path, const char *old,
			      const char *suffix)
{
	snprintf(buf, size, "%s%s%s", path, old, suffix);
}

/*
 * Who has the file @path: 0 if nobody, the process that holds a lock in the range,
 * -1 if it is open somewhere.  A connection that does nothing has no lock, but a
 * lease for writing is given only to who has the file alone; where there are no
 * leases, or none for this user, the locks have to do.
 */
static pid_t sqlite_files_holder(int fd, off_t start, off_t len)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len,
	};

	if (!fcntl(fd, F_GETLK, &lock) && lock.l_type != F_UNLCK)
		return lock.l_pid > 0 ? lock.l_pid : -1;
	/* whoever opens it now sends this */
	signal(SIGIO, SIG_IGN);
	if (!fcntl(fd, F_SETLEASE, F_WRLCK)) {
		fcntl(fd, F_SETLEASE, F_UNLCK);
		return 0;
	}
	return errno == EAGAIN ? -1 : 0;
}

static int sqlite_files_unused(const char *path, const char *name, off_t start, off_t len)
{
	int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	pid_t pid;

	if (fd < 0)
		return errno == ENOENT ? 0 :
		       report_fail(EXIT_FAILED, "%s: %s", name, strerror(errno));
	pid = sqlite_files_holder(fd, start, len);
	close(fd);
	if (pid > 0)
		return report_fail(EXIT_EXISTS, "%s is in use by process %d: stop it first", path,
				   pid);
	if (pid)
		return report_fail(EXIT_EXISTS,
				   "%s is open in another process (fuser %s): stop it first", path,
				   path);
	return 0;
}

int sqlite_files_in_use(const char *path)
{
	char name[PATH_MAX];
	int ret;

	sqlite_files_name(name, sizeof(name), path, "", "-shm");
	ret = sqlite_files_unused(path, name, SQLITE_FILES_SHM, SQLITE_FILES_SHM_LEN);
	return ret ? ret : sqlite_files_unused(path, path, SQLITE_FILES_PENDING,
					       SQLITE_FILES_LOCK_LEN);
}

int sqlite_files_check(const char *path, bool force)
{
	char name[PATH_MAX];
	struct stat st;
	size_t i;

	if (strlen(path) > sizeof(name) - 16)
		return report_fail(EXIT_USAGE, "%s: the path is too long", path);
	for (i = 0; i < SQLITE_FILES_NR && !force; i++) {
		sqlite_files_name(name, sizeof(name), path, "", sqlite_files_suffixes[i]);
		if (!stat(name, &st))
			return report_fail(EXIT_EXISTS,
					   "%s exists: it belongs to a database; choose another name, or --force",
					   name);
	}
	return force ? sqlite_files_in_use(path) : 0;
}

int sqlite_files_aside(const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];
	size_t i;

	for (i = 0; i < SQLITE_FILES_NR; i++) {
		sqlite_files_name(from, sizeof(from), path, "", sqlite_files_suffixes[i]);
		sqlite_files_name(to, sizeof(to), path, ".old", sqlite_files_suffixes[i]);
		if (rename(from, to) && errno != ENOENT) {
			int error = errno;

			sqlite_files_back(path);
			return report_fail(EXIT_FAILED, "%s: can't be moved away: %s", from,
					   strerror(error));
		}
	}
	return 0;
}

void sqlite_files_back(const char *path)
{
	char from[PATH_MAX], to[PATH_MAX];
	size_t i;

	for (i = 0; i < SQLITE_FILES_NR; i++) {
		sqlite_files_name(from, sizeof(from), path, ".old", sqlite_files_suffixes[i]);
		sqlite_files_name(to, sizeof(to), path, "", sqlite_files_suffixes[i]);
		if (rename(from, to) && errno != ENOENT)
			report_warn("%s: can't be moved back: %s", from, strerror(errno));
	}
}

void sqlite_files_drop(const char *path)
{
	char name[PATH_MAX];
	size_t i;

	for (i = 0; i < SQLITE_FILES_NR; i++) {
		sqlite_files_name(name, sizeof(name), path, ".old", sqlite_files_suffixes[i]);
		unlink(name);
	}
}

char *sqlite_files_uri(const char *path, const char *query)
{
	static const char hex[] = "0123456789abcdef";
	char *uri = malloc(3 * strlen(path) + strlen(query) + 16), *p = uri;

	if (!uri)
		return NULL;
	/* an authority of none: a path may begin with // */
	p += sprintf(p, "file:%s", path[0] == '/' ? "//" : "./");
	for (; *path; path++) {
		if (*path == '%' || *path == '?' || *path == '#') {
			*p++ = '%';
			*p++ = hex[*path >> 4 & 15];
			*p++ = hex[*path & 15];
		} else {
			*p++ = *path;
		}
	}
	sprintf(p, "?%s", query);
	return uri;
}
