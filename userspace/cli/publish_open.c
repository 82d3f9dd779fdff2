// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Before anything is written: may PATH be given a new meaning, and PATH.partial
 * be ours?  Owns what is refused then, so that nobody waits in vain, and the lock
 * that says who writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "publish_private.h"
#include "report.h"

static int publish_failed(const char *path)
{
	return report_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
}

/* A name that is no entry of a directory that could be another's: "/", ".", ".." */
static bool publish_is_nameless(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	return !*name || !strcmp(name, ".") || !strcmp(name, "..");
}

static bool publish_is_mounted(const char *path)
{
	struct statx stx;

	return !statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, 0, &stx) &&
	       stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* A directory that is there: 0 if it is empty, or one of stripes to be replaced */
static int publish_check_dir(const struct publish *publish)
{
	const char *foreign;
	unsigned int stripes;
	char name[NAME_MAX + 1];

	foreign = publish_foreign(publish->path, &stripes, name, sizeof(name));
	if (!foreign)
		return publish_failed(publish->path);
	if (foreign[0])
		return report_fail(EXIT_EXISTS,
				   "%s holds other things (%s): choose a new directory",
				   publish->path, foreign);
	if (stripes && !publish->force)
		return report_fail(EXIT_EXISTS,
				   "%s exists: choose another name, or replace it with --force",
				   publish->path);
	return 0;
}

/* A file, or a symbolic link: a file takes the place of the link itself. */
static int publish_check_file(const struct publish *publish, const struct stat *st)
{
	struct stat target = *st;

	if (S_ISLNK(st->st_mode) && stat(publish->path, &target) && errno != ENOENT)
		return publish_failed(publish->path);
	if (S_ISDIR(target.st_mode))
		return report_fail(EXIT_EXISTS, "%s exists and is not a file: choose another name",
				   publish->path);
	if (!S_ISREG(target.st_mode) && !S_ISLNK(target.st_mode))
		return report_fail(EXIT_EXISTS, "%s is not a regular file: use - and redirect",
				   publish->path);
	if (!publish->force)
		return report_fail(EXIT_EXISTS,
				   "%s exists: choose another name, or replace it with --force",
				   publish->path);
	return 0;
}

/* May PATH be given a new meaning?  All that would fail in the end is to fail here. */
static int publish_check(const struct publish *publish, bool dir)
{
	const char *path = publish->path;
	struct stat st;

	if (publish_is_nameless(path))
		return report_fail(EXIT_EXISTS, "%s can't be replaced: choose another name", path);
	if (!lstat(publish->old, &st))
		return report_fail(EXIT_EXISTS,
				   "%s is in the way: an earlier --force left it; move it away",
				   publish->old);
	if (lstat(path, &st))
		return errno == ENOENT ? 0 : publish_failed(path);
	if (publish_is_mounted(path))
		return report_fail(EXIT_EXISTS,
				   "%s is a mount point and can't be replaced: choose %s", path,
				   S_ISDIR(st.st_mode) ? "a name in it" : "another name");
	if (!dir)
		return publish_check_file(publish, &st);
	if (S_ISLNK(st.st_mode))
		return report_fail(EXIT_EXISTS,
				   "%s is a symbolic link: name the directory itself", path);
	if (!S_ISDIR(st.st_mode))
		return report_fail(EXIT_EXISTS,
				   "%s exists and is not a directory: choose another name", path);
	return publish_check_dir(publish);
}

/* A lock on the temporary thing, for as long as this process writes there. */
static int publish_lock(struct publish *publish, int fd)
{
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		publish->claimed = true;
		return 0;
	}
	return report_fail(EXIT_EXISTS, "%s is being written by another vdi: wait for it",
			   publish->partial);
}

static int publish_open_file(struct publish *publish, unsigned int mode)
{
	struct stat st, old;
	int ret;

	publish->file_fd = open(publish->partial,
				O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode);
	if (publish->file_fd < 0)
		return report_fail(EXIT_FAILED, "%s: %s", publish->partial, strerror(errno));
	ret = publish_lock(publish, publish->file_fd);
	if (ret)
		return ret;
	if (fstat(publish->file_fd, &st) || !S_ISREG(st.st_mode))
		return report_fail(EXIT_FAILED, "%s is not a regular file: remove it",
				   publish->partial);
	if (ftruncate(publish->file_fd, 0) ||
	    (!stat(publish->path, &old) && fchmod(publish->file_fd, old.st_mode & 07777)))
		return report_fail(EXIT_FAILED, "%s: %s", publish->partial, strerror(errno));
	return 0;
}

static int publish_open_dir(struct publish *publish)
{
	unsigned int stripes;
	const char *foreign;
	char name[NAME_MAX + 1];
	int ret;

	if (mkdir(publish->partial, 0700) && errno != EEXIST)
		return report_fail(EXIT_FAILED, "%s: %s", publish->partial, strerror(errno));
	publish->dir_fd = open(publish->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (publish->dir_fd < 0)
		return report_fail(EXIT_FAILED, "%s: %s", publish->partial, strerror(errno));
	ret = publish_lock(publish, publish->dir_fd);
	if (ret)
		return ret;
	foreign = publish_foreign(publish->partial, &stripes, name, sizeof(name));
	if (!foreign || foreign[0])
		return report_fail(EXIT_EXISTS,
				   "%s is in the way and holds other things: remove it",
				   publish->partial);
	publish_remove_dir(publish->partial, false);
	return 0;
}

int publish_open(struct publish *publish, const char *path, bool dir, bool force,
		 unsigned int mode)
{
	char *slash, *parent;
	size_t len = strlen(path);
	int ret;

	memset(publish, 0, sizeof(*publish));
	publish->parent_fd = -1;
	publish->dir_fd = -1;
	publish->file_fd = -1;
	publish->force = force;
	while (len > 1 && path[len - 1] == '/')
		len--;
	publish->path = strndup(path, len);
	if (!publish->path || asprintf(&publish->partial, "%s.partial", publish->path) < 0 ||
	    asprintf(&publish->old, "%s.old", publish->path) < 0)
		return report_fail(EXIT_FAILED, "out of memory");
	ret = publish_check(publish, dir);
	if (ret)
		return ret;

	slash = strrchr(publish->path, '/');
	if (!slash)
		parent = strdup(".");
	else
		parent = strndup(publish->path, slash == publish->path ? 1 : slash - publish->path);
	publish->parent_fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	free(parent);
	if (publish->parent_fd < 0)
		return report_fail(EXIT_FAILED, "%s: its directory: %s", path, strerror(errno));
	return dir ? publish_open_dir(publish) : publish_open_file(publish, mode);
}
