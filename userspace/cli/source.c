// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The source of a restore: finds the stripe files of one backup and reads
 * them.  Owns which files belong together; the format of each is stripe.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vdi.h>

#include "cli.h"
#include "report.h"
#include "source.h"
#include "stripe.h"

struct source_stripe {
	int fd;			/* -1: not found */
	char *path;
	struct stripe_info info;
	struct stat st;		/* when it was checked */
	uint64_t pos;
};

struct source {
	const char *path;
	bool raw;		/* stdin: no format */
	unsigned int count;	/* 0 until the first stripe was found */
	uint8_t backup_id[STRIPE_ID_SIZE];
	struct source_stripe stripes[VDI_MAX_DEVICES];
};

static int source_add(struct source *source, int dir_fd, const char *name, char *path)
{
	struct source_stripe *stripe;
	struct stripe_info info;
	const char *wrong;
	int fd;

	fd = openat(dir_fd, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return report_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
	wrong = stripe_read(fd, &info);
	if (wrong) {
		report_fail(EXIT_MISMATCH, "%s: %s", path, wrong);
		goto err_close;
	}
	if (!source->count) {
		source->count = info.count;
		memcpy(source->backup_id, info.backup_id, sizeof(source->backup_id));
	}
	if (memcmp(source->backup_id, info.backup_id, sizeof(info.backup_id)) ||
	    info.count != source->count) {
		report_fail(EXIT_MISMATCH,
			    "%s: stripe %u of %u is foreign: it belongs to another backup than the others",
			    path, info.index + 1, info.count);
		goto err_close;
	}
	stripe = &source->stripes[info.index];
	if (stripe->fd >= 0) {
		report_fail(EXIT_MISMATCH, "%s: stripe %u of %u is there twice (also %s)", path,
			    info.index + 1, info.count, stripe->path);
		goto err_close;
	}
	stripe->fd = fd;
	stripe->path = path;
	stripe->info = info;
	fstat(fd, &stripe->st);
	return 0;

err_close:
	close(fd);
	return EXIT_MISMATCH;
}

static int source_add_dir(struct source *source)
{
	struct dirent *entry;
	DIR *dir = opendir(source->path);
	int ret = 0;

	if (!dir)
		return report_fail(EXIT_FAILED, "%s: %s", source->path, strerror(errno));
	while (!ret && (entry = readdir(dir))) {
		char *path;

		if (fnmatch("*.vdb", entry->d_name, FNM_PERIOD))
			continue;
		if (asprintf(&path, "%s/%s", source->path, entry->d_name) < 0) {
			ret = report_fail(EXIT_FAILED, "out of memory");
			break;
		}
		ret = source_add(source, dirfd(dir), entry->d_name, path);
		if (ret)
			free(path);
	}
	closedir(dir);
	if (!ret && !source->count)
		ret = report_fail(EXIT_FAILED, "%s: no stripe (*.vdb) is in this directory",
				  source->path);
	return ret;
}

static int source_check_complete(const struct source *source)
{
	char list[400] = "";
	unsigned int i, missing = 0;
	size_t len = 0;

	for (i = 0; i < source->count; i++) {
		if (source->stripes[i].fd >= 0)
			continue;
		missing++;
		if (len < sizeof(list) - 8)
			len += snprintf(list + len, sizeof(list) - len, "%s%u", len ? ", " : "",
					i + 1);
	}
	if (!missing)
		return 0;
	return report_fail(EXIT_MISMATCH, "%s: stripe %s of %u %s missing: nothing is restored",
			   source->path, list, source->count, missing == 1 ? "is" : "are");
}

/* A name that ends in .partial is no backup, whatever is inside. */
static bool source_is_partial(const char *path)
{
	size_t len = strlen(path);

	while (len && path[len - 1] == '/')
		len--;
	return len >= 8 && !strncmp(path + len - 8, ".partial", 8);
}

static int source_find(struct source *source)
{
	struct stat st;
	char *path;
	int ret;

	if (!strcmp(source->path, "-")) {
		if (isatty(STDIN_FILENO))
			return report_fail(EXIT_USAGE,
					   "stdin is a terminal: redirect it, or name a file");
		source->raw = true;
		source->count = 1;
		source->stripes[0].fd = STDIN_FILENO;
		return 0;
	}
	if (stat(source->path, &st))
		return report_fail(EXIT_FAILED, "%s: %s", source->path, strerror(errno));
	if (source_is_partial(source->path))
		return report_fail(EXIT_MISMATCH,
				   "%s: is what an unfinished backup left, and can't be restored",
				   source->path);
	if (S_ISDIR(st.st_mode)) {
		ret = source_add_dir(source);
	} else {
		path = strdup(source->path);
		ret = path ? source_add(source, AT_FDCWD, path, path) : EXIT_FAILED;
		if (ret)
			free(path);
	}
	return ret ? ret : source_check_complete(source);
}

int source_open(struct source **out, const char *path)
{
	struct source *source = calloc(1, sizeof(*source));
	unsigned int i;
	int ret;

	if (!source)
		return report_fail(EXIT_FAILED, "out of memory");
	source->path = path;
	for (i = 0; i < VDI_MAX_DEVICES; i++)
		source->stripes[i].fd = -1;
	ret = source_find(source);
	if (ret)
		source_close(source);
	else
		*out = source;
	return ret;
}

int source_verify(struct source *source, const volatile bool *stop)
{
	unsigned int i;

	for (i = 0; i < source->count && !source->raw; i++) {
		struct source_stripe *stripe = &source->stripes[i];
		const char *wrong = stripe_verify(stripe->fd, &stripe->info, stop);

		if (wrong)
			return report_fail(EXIT_MISMATCH, "%s: stripe %u of %u %s", stripe->path,
					   i + 1, source->count, wrong);
	}
	return 0;
}

unsigned int source_count(const struct source *source)
{
	return source->count;
}

uint64_t source_total(const struct source *source)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < source->count; i++)
		total += source->stripes[i].info.length;
	return total;
}

/* Did somebody write to the file since it was checked? */
static bool source_changed(const struct source_stripe *stripe)
{
	struct stat st;

	return fstat(stripe->fd, &st) || st.st_size != stripe->st.st_size ||
	       st.st_mtim.tv_sec != stripe->st.st_mtim.tv_sec ||
	       st.st_mtim.tv_nsec != stripe->st.st_mtim.tv_nsec;
}

ssize_t source_read(struct source *source, unsigned int index, void *buf, size_t len)
{
	struct source_stripe *stripe = &source->stripes[index];
	size_t done = 0;

	if (!source->raw && len > stripe->info.length - stripe->pos)
		len = stripe->info.length - stripe->pos;
	while (done < len) {
		ssize_t ret;

		if (source->raw)
			ret = read(stripe->fd, (char *)buf + done, len - done);
		else
			ret = pread(stripe->fd, (char *)buf + done, len - done,
				    STRIPE_HEADER_SIZE + stripe->pos);
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0)
			return -errno;
		if (!ret && !source->raw)
			return -ENODATA;	/* cut while it is read */
		if (!ret)
			break;
		done += ret;
		stripe->pos += ret;
	}
	if (!source->raw && stripe->pos == stripe->info.length && source_changed(stripe))
		return -ESTALE;
	return done;
}

void source_close(struct source *source)
{
	unsigned int i;

	for (i = 0; i < VDI_MAX_DEVICES; i++) {
		if (source->stripes[i].fd >= 0 && !source->raw)
			close(source->stripes[i].fd);
		free(source->stripes[i].path);
	}
	free(source);
}
