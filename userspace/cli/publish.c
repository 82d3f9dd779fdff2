// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Moves between PATH.partial, PATH and PATH.old, each durable when it returns.
 * Owns what may be replaced and removed: never more than stripe files of
 * ours.  Knows nothing of what the files hold.  How PATH.partial becomes ours is
 * publish_open.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "publish_private.h"
#include "report.h"

/* stripe-01-of-04.vdb, stripe-01-of-04.002.vdb, and *.partial of these */
static bool publish_is_stripe(const char *name)
{
	static const char suffix[] = ".vdb", partial[] = ".partial";
	size_t len = strlen(name);

	if (len > sizeof(partial) && !strcmp(name + len - sizeof(partial) + 1, partial))
		len -= sizeof(partial) - 1;
	if (len < sizeof(suffix) || strncmp(name + len - sizeof(suffix) + 1, suffix,
					    sizeof(suffix) - 1))
		return false;
	len -= sizeof(suffix) - 1;
	if (fnmatch("stripe-[0-9][0-9]-of-[0-9][0-9].*", name, 0) || len < 15)
		return false;
	return len == 15 || (name[15] == '.' && len > 16 &&
			     strspn(name + 16, "0123456789") == len - 16);
}

const char *publish_foreign(const char *path, unsigned int *stripes, char *buf, size_t size)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	*stripes = 0;
	buf[0] = '\0';
	if (!dir)
		return NULL;
	while ((entry = readdir(dir))) {
		if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
			continue;
		if (publish_is_stripe(entry->d_name))
			(*stripes)++;
		else
			snprintf(buf, size, "%s", entry->d_name);
	}
	closedir(dir);
	return buf;
}

int publish_remove_dir(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (publish_is_stripe(entry->d_name))
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	return rmdir(path) ? -errno : 0;
}

bool publish_is(const char *path, const struct stat *own)
{
	struct stat st;

	return !lstat(path, &st) && st.st_dev == own->st_dev && st.st_ino == own->st_ino;
}

int publish_create_in(struct publish *publish, const char *name)
{
	char partial[NAME_MAX + 1];

	snprintf(partial, sizeof(partial), "%s.partial", name);
	return openat(publish->dir_fd, partial, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		      0600);
}

int publish_open_in(struct publish *publish, const char *name)
{
	char partial[NAME_MAX + 1];

	snprintf(partial, sizeof(partial), "%s.partial", name);
	return openat(publish->dir_fd, partial, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
}

int publish_name_in(struct publish *publish, const char *name, bool final)
{
	char partial[NAME_MAX + 1];

	snprintf(partial, sizeof(partial), "%s.partial", name);
	return renameat(publish->dir_fd, final ? partial : name, publish->dir_fd,
			final ? name : partial) ? -errno : 0;
}

/* renameat2() where the file system has it; its flags are refused with EINVAL. */
static int publish_rename(const char *from, const char *to, unsigned int flags)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, flags) ? -errno : 0;
}

/* PATH becomes PATH.old, PATH.partial becomes PATH: at no time is there no PATH. */
static int publish_replace(struct publish *publish)
{
	int ret = publish_rename(publish->partial, publish->path, RENAME_EXCHANGE);

	if (!ret) {
		ret = publish_rename(publish->partial, publish->old, RENAME_NOREPLACE);
		if (ret)
			publish_rename(publish->partial, publish->path, RENAME_EXCHANGE);
		return ret;
	}
	if (ret != -EINVAL && ret != -ENOSYS)
		return ret;
	/* the file system can't exchange: there is no PATH for a moment */
	ret = publish_rename(publish->path, publish->old, 0);
	if (ret)
		return ret;
	ret = publish_rename(publish->partial, publish->path, 0);
	if (ret)
		publish_rename(publish->old, publish->path, 0);
	return ret;
}

int publish_commit(struct publish *publish)
{
	struct stat st;
	int ret;

	if (!publish_is(publish->partial, &publish->own))
		return -ESTALE;
	if (publish->dir_fd >= 0 && fsync(publish->dir_fd))
		return -errno;
	if (publish->dir_fd >= 0) {
		/* an empty directory gives way, and only an empty one */
		ret = rename(publish->partial, publish->path) ? -errno : 0;
	} else {
		ret = publish_rename(publish->partial, publish->path, RENAME_NOREPLACE);
		if (ret == -EINVAL && stat(publish->path, &st) && errno == ENOENT)
			ret = publish_rename(publish->partial, publish->path, 0);
		else if (ret == -EINVAL)
			ret = -EEXIST;
	}
	if ((ret == -EEXIST || ret == -ENOTEMPTY) && publish->force) {
		ret = publish_replace(publish);
		publish->replaced = !ret;
	}
	if (!ret && fsync(publish->parent_fd)) {
		ret = -errno;
		publish_withdraw(publish);
	}
	return ret;
}

int publish_withdraw(struct publish *publish)
{
	int ret;

	/* somebody has given the name to something else, which stays */
	if (!publish_is(publish->path, &publish->own)) {
		if (publish->replaced)
			report_warn("%s is another's: what this one replaced is kept as %s",
				    publish->path, publish->old);
		publish->replaced = false;
		return 0;
	}
	ret = publish_rename(publish->path, publish->partial, 0);
	if (!ret && publish->replaced) {
		ret = publish_rename(publish->old, publish->path, 0);
		publish->replaced = false;
	}
	if (!ret && fsync(publish->parent_fd))
		ret = -errno;
	return ret;
}

int publish_orphan(struct publish *publish, bool keep)
{
	struct stat st;
	int ret = 0;

	publish->replaced = publish->force && !lstat(publish->old, &st);
	if (!publish_is(publish->path, &publish->own)) {
		/* between two names, where they can't be exchanged */
		if (publish->replaced && lstat(publish->path, &st))
			ret = publish_rename(publish->old, publish->path, 0);
		return ret;
	}
	if (!lstat(publish->partial, &st)) {
		/* exchanged, and what was replaced has not come further */
		if (!keep)
			ret = publish_rename(publish->partial, publish->path, RENAME_EXCHANGE);
		else
			ret = publish_rename(publish->partial, publish->old, RENAME_NOREPLACE);
		publish->replaced = keep;
		if (!ret && fsync(publish->parent_fd))
			ret = -errno;
	} else if (!keep) {
		ret = publish_withdraw(publish);
	}
	if (!ret && keep)
		publish_settle(publish);
	return ret ? ret : keep;
}

void publish_settle(struct publish *publish)
{
	int ret = 0;

	if (!publish->replaced)
		return;
	if (publish->dir_fd >= 0)
		ret = publish_remove_dir(publish->old);
	else if (unlink(publish->old))
		ret = -errno;
	if (ret)
		report_warn("%s: what it replaced is kept as %s: %s", publish->path, publish->old,
			    strerror(-ret));
	publish->replaced = false;
}

bool publish_left(const struct publish *publish)
{
	return publish->claimed && publish_is(publish->partial, &publish->own);
}

void publish_discard(struct publish *publish)
{
	if (!publish_left(publish))
		return;
	if (publish->dir_fd >= 0)
		publish_remove_dir(publish->partial);
	else
		unlink(publish->partial);
}

void publish_close(struct publish *publish)
{
	if (publish->file_fd >= 0)
		close(publish->file_fd);
	if (publish->dir_fd >= 0)
		close(publish->dir_fd);
	publish->file_fd = -1;
	publish->dir_fd = -1;
}

void publish_free(struct publish *publish)
{
	publish_close(publish);
	if (publish->parent_fd >= 0)
		close(publish->parent_fd);
	free(publish->path);
	free(publish->partial);
	free(publish->old);
}
