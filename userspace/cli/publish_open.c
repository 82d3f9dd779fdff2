// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Before anything is written: may PATH be given a new meaning, and PATH.partial
 * be ours?  Owns what is refused then, so that nobody waits in vain, and the lock
 * that says who writes.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli.h"
#include "publish_private.h"
#include "report.h"

#define PUBLISH_TRIES	10
#define PUBLISH_WAIT_MS	100	/* between them: an end takes no longer */

static int publish_failed(const char *path)
{
	return report_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
}

static int publish_busy(const struct publish *publish)
{
	return report_fail(EXIT_EXISTS, "%s is being written by another vdi: wait for it",
			   publish->partial);
}

/*
 * Is PATH the work of a vdi that has not ended?  It may have to take the name back,
 * and keeps its lock until it knows.
 */
static bool publish_unsettled(const char *path)
{
	unsigned int i;
	struct stat st;
	bool locked;
	int fd;

	if (lstat(path, &st) || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return false;
	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return false;
	for (i = 0; i < PUBLISH_TRIES; i++) {
		locked = flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
		if (!locked)
			break;
		poll(NULL, 0, PUBLISH_WAIT_MS);
	}
	close(fd);
	return locked;
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
	if (publish->force && publish_unsettled(path))
		return report_fail(EXIT_EXISTS,
				   "%s is not yet settled: wait for the vdi that wrote it", path);
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

/*
 * A lock on the temporary thing, for as long as @fd is open.  0, an exit code, or
 * -EAGAIN: whoever had the lock before has given it another name, or removed it.
 */
static int publish_lock(const struct publish *publish, int fd, struct stat *st)
{
	bool locked = !flock(fd, LOCK_EX | LOCK_NB);

	if (!locked && errno == EWOULDBLOCK)
		return publish_busy(publish);
	if (!locked || fstat(fd, st))
		return publish_failed(publish->partial);
	return publish_is(publish->partial, st) ? 0 : -EAGAIN;
}

static int publish_remove(const struct publish *publish, bool dir)
{
	unsigned int stripes;
	const char *foreign;
	char name[NAME_MAX + 1];
	int ret;

	if (dir) {
		foreign = publish_foreign(publish->partial, &stripes, name, sizeof(name));
		if (!foreign || foreign[0])
			return report_fail(EXIT_EXISTS,
					   "%s is in the way and holds other things: remove it",
					   publish->partial);
		ret = publish_remove_dir(publish->partial);
	} else {
		ret = unlink(publish->partial) ? -errno : 0;
	}
	if (ret)
		return report_fail(EXIT_EXISTS, "%s is in the way: remove it (%s)",
				   publish->partial, strerror(-ret));
	return 0;
}

/*
 * What an earlier one left goes, and is not written again: others may own it, read
 * it, or have it open.
 */
static int publish_clear(const struct publish *publish, bool dir)
{
	int flags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
	struct stat st;
	int fd, ret;

	if (lstat(publish->partial, &st))
		return errno == ENOENT ? 0 : publish_failed(publish->partial);
	if (dir ? !S_ISDIR(st.st_mode) : !S_ISREG(st.st_mode))
		return report_fail(EXIT_EXISTS, "%s is not a %s: remove it", publish->partial,
				   dir ? "directory" : "regular file");
	fd = open(publish->partial, flags | (dir ? O_RDONLY | O_DIRECTORY : O_RDWR));
	if (fd < 0 && errno == ENOENT)
		return -EAGAIN;
	if (fd < 0)
		return report_fail(EXIT_EXISTS, "%s is in the way: remove it (%s)",
				   publish->partial, strerror(errno));
	ret = publish_lock(publish, fd, &st);
	if (!ret)
		ret = publish_remove(publish, dir);
	close(fd);
	return ret;
}

/* A new one: 0, an exit code, or -EAGAIN as above */
static int publish_create(struct publish *publish, bool dir, unsigned int mode)
{
	int *fd = dir ? &publish->dir_fd : &publish->file_fd;
	struct stat old;
	int ret;

	if (dir && !mkdir(publish->partial, 0700))
		*fd = open(publish->partial, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	else if (!dir)
		*fd = open(publish->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	if (*fd < 0)
		return errno == EEXIST || (dir && errno == ENOENT) ? -EAGAIN :
		       publish_failed(publish->partial);
	ret = publish_lock(publish, *fd, &publish->own);
	if (ret)
		return ret;
	publish->claimed = true;
	if (!dir && !stat(publish->path, &old) && fchmod(*fd, old.st_mode & 07777))
		return publish_failed(publish->partial);
	return 0;
}

/*
 * One try, likewise.  While PATH.partial is ours nobody else gives PATH a name, so that
 * what was asked before is asked again.
 */
static int publish_try(struct publish *publish, bool dir, unsigned int mode)
{
	int ret = publish_clear(publish, dir);

	if (!ret)
		ret = publish_create(publish, dir, mode);
	if (!ret)
		ret = publish_check(publish, dir);
	/* one that was not settled may have taken its name back, over ours */
	if (!ret && !publish_is(publish->partial, &publish->own))
		ret = -EAGAIN;
	if (ret == -EAGAIN)
		publish_close(publish);
	return ret;
}

static int publish_claim(struct publish *publish, bool dir, unsigned int mode)
{
	int ret = -EAGAIN;
	unsigned int i;

	for (i = 0; ret == -EAGAIN && i < PUBLISH_TRIES; i++)
		ret = publish_try(publish, dir, mode);
	return ret == -EAGAIN ? publish_busy(publish) : ret;
}

static int publish_open_parent(struct publish *publish)
{
	char *slash = strrchr(publish->path, '/');
	char *parent;

	if (!slash)
		parent = strdup(".");
	else
		parent = strndup(publish->path, slash == publish->path ? 1 : slash - publish->path);
	publish->parent_fd = parent ? open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
	free(parent);
	if (publish->parent_fd < 0)
		return report_fail(EXIT_FAILED, "%s: its directory: %s", publish->path,
				   strerror(errno));
	return 0;
}

int publish_open(struct publish *publish, const char *path, bool dir, bool force,
		 unsigned int mode)
{
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
	if (!ret)
		ret = publish_open_parent(publish);
	return ret ? ret : publish_claim(publish, dir, mode);
}
