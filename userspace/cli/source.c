// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The source of a restore: finds the stripe files of one backup and reads
 * them.  Owns which files belong together; the format of each is stripe.c's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/vdi.h>

#include "cli.h"
#include "direct.h"
#include "report.h"
#include "source.h"
#include "stripe.h"

struct source_medium {
	char *path;
	off_t base;		/* of its image in the file */
	struct stripe_info info;
	struct stat st;		/* of the file, when it was checked */
};

struct source_stripe {
	struct source_medium *media;	/* sorted when all were found */
	unsigned int count;
	unsigned int next;		/* the one that is loaded next */
	int fd;				/* of the one that is in, -1: none */
	struct medium *medium;
};

struct source {
	const char *path;
	bool raw;		/* stdin: no format */
	bool direct;		/* past the page cache */
	unsigned int count;	/* 0 until the first stripe was found */
	struct stripe_info first;	/* of the first that was found */
	struct source_stripe stripes[VDI_MAX_DEVICES];
};

static int source_add(struct source *source, const char *path, off_t base, const struct stat *st,
		      const struct stripe_info *info)
{
	struct source_stripe *stripe = &source->stripes[info->index];
	struct source_medium *media;

	if (!source->count) {
		source->count = info->count;
		source->first = *info;
	}
	if (memcmp(source->first.backup_id, info->backup_id, sizeof(info->backup_id)) ||
	    info->count != source->count || info->kind != source->first.kind ||
	    info->removable != source->first.removable)
		return report_fail(EXIT_MISMATCH,
				   "%s: stripe %u of %u is foreign: it belongs to another backup than the others",
				   path, info->index + 1, info->count);
	media = reallocarray(stripe->media, stripe->count + 1, sizeof(*media));
	if (!media)
		return report_fail(EXIT_FAILED, "out of memory");
	stripe->media = media;
	media[stripe->count] = (struct source_medium) {
		.path = strdup(path),
		.base = base,
		.info = *info,
		.st = *st,
	};
	if (!media[stripe->count].path)
		return report_fail(EXIT_FAILED, "out of memory");
	stripe->count++;
	return 0;
}

/* All images in one file, from the last to the first */
static int source_add_file(struct source *source, const char *path)
{
	struct stripe_info info;
	const char *wrong;
	struct stat st;
	off_t end, base;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		ret = report_fail(EXIT_FAILED, "%s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ret;
	}
	end = st.st_size;
	do {
		wrong = stripe_read(fd, end, &base, &info);
		ret = wrong ? report_fail(EXIT_MISMATCH, "%s: %s", path, wrong) :
			      source_add(source, path, base, &st, &info);
		end = base;
	} while (!ret && base);
	close(fd);
	return ret;
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
		ret = source_add_file(source, path);
		free(path);
	}
	closedir(dir);
	if (!ret && !source->count)
		ret = report_fail(EXIT_FAILED, "%s: no stripe (*.vdb) is in this directory",
				  source->path);
	return ret;
}

static int source_compare(const void *a, const void *b)
{
	const struct source_medium *one = a, *two = b;

	return (one->info.medium > two->info.medium) - (one->info.medium < two->info.medium);
}

static int source_twice(const struct source *source, const struct source_medium *medium,
			const char *other)
{
	const struct stripe_info *info = &medium->info;

	if (info->removable)
		return report_fail(EXIT_MISMATCH,
				   "%s: medium %u of stripe %u is there twice (also %s)",
				   medium->path, info->medium + 1, info->index + 1, other);
	return report_fail(EXIT_MISMATCH, "%s: stripe %u of %u is there twice (also %s)",
			   medium->path, info->index + 1, source->count, other);
}

/* From the first medium to one that says it is the last, each once */
static int source_check_media(const struct source *source, struct source_stripe *stripe)
{
	unsigned int i;

	if (stripe->count)
		qsort(stripe->media, stripe->count, sizeof(*stripe->media), source_compare);
	for (i = 0; i < stripe->count; i++) {
		const struct source_medium *medium = &stripe->media[i];
		const struct stripe_info *info = &medium->info;
		bool last = i == stripe->count - 1;

		if (!last && info->medium == medium[1].info.medium)
			return source_twice(source, medium, medium[1].path);
		if (info->medium != i || (last && info->more))
			return report_fail(EXIT_MISMATCH,
					   "%s: medium %u of stripe %u is missing: nothing is restored",
					   source->path, info->medium != i ? i + 1 : i + 2,
					   info->index + 1);
		if (!last && !info->more)
			return report_fail(EXIT_MISMATCH,
					   "%s: is malformed (a medium behind the last one)",
					   medium[1].path);
	}
	return 0;
}

static int source_check_complete(struct source *source)
{
	char list[400] = "";
	unsigned int i, missing = 0;
	size_t len = 0;

	for (i = 0; i < source->count; i++) {
		int ret = source_check_media(source, &source->stripes[i]);

		if (ret)
			return ret;
	}
	for (i = 0; i < source->count; i++) {
		if (source->stripes[i].count)
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
	int ret;

	if (!strcmp(source->path, "-")) {
		if (isatty(STDIN_FILENO))
			return report_fail(EXIT_USAGE,
					   "stdin is a terminal: redirect it, or name a file");
		source->raw = true;
		source->count = 1;
		return 0;
	}
	if (stat(source->path, &st))
		return report_fail(EXIT_FAILED, "%s: %s", source->path, strerror(errno));
	if (source_is_partial(source->path))
		return report_fail(EXIT_MISMATCH,
				   "%s: is what an unfinished backup left, and can't be restored",
				   source->path);
	if (S_ISDIR(st.st_mode))
		ret = source_add_dir(source);
	else
		ret = source_add_file(source, source->path);
	return ret ? ret : source_check_complete(source);
}

static bool source_same(int fd, const struct stat *was)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_dev == was->st_dev && st.st_ino == was->st_ino &&
	       st.st_size == was->st_size && st.st_mtim.tv_sec == was->st_mtim.tv_sec &&
	       st.st_mtim.tv_nsec == was->st_mtim.tv_nsec;
}

/* A descriptor of the file that was checked, or -errno */
static int source_reopen(const struct source_medium *medium)
{
	int fd = open(medium->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (source_same(fd, &medium->st))
		return fd;
	close(fd);
	return -ESTALE;
}

/* @direct: a second descriptor if one is wanted, else less than 0; 0 or -errno */
static int source_direct(const struct source *source, int fd, int *direct)
{
	*direct = source->direct ? direct_open(fd, O_RDONLY) : -1;
	return source->direct && *direct < 0 ? *direct : 0;
}

int source_load(struct source *source, unsigned int index)
{
	struct source_stripe *stripe = &source->stripes[index];
	const struct source_medium *next = &stripe->media[stripe->next];
	struct medium *medium;
	int fd, direct, ret;

	if (stripe->next == stripe->count)
		return -ENOMEDIUM;
	fd = source_reopen(next);
	if (fd < 0)
		return fd;
	ret = source_direct(source, fd, &direct);
	if (!ret)
		ret = medium_open(&medium, fd, next->base, &next->info);
	if (ret) {
		if (direct >= 0)
			close(direct);
		close(fd);
		return ret;
	}
	medium_set_direct(medium, direct);
	if (stripe->fd >= 0)
		close(stripe->fd);
	medium_free(stripe->medium);
	stripe->fd = fd;
	stripe->medium = medium;
	stripe->next++;
	return 0;
}

unsigned int source_media(const struct source *source, unsigned int index, unsigned int *left)
{
	const struct source_stripe *stripe = &source->stripes[index];

	*left = stripe->count - stripe->next;
	return stripe->count;
}

struct medium *source_medium(const struct source *source, unsigned int index)
{
	return source->stripes[index].medium;
}

int source_unchanged(const struct source *source, unsigned int index)
{
	const struct source_stripe *stripe = &source->stripes[index];

	return source_same(stripe->fd, &stripe->media[stripe->next - 1].st) ? 0 : -ESTALE;
}

/* The first media stay open from now on: what is sent is what was checked. */
static int source_load_first(struct source *source)
{
	unsigned int i;

	for (i = 0; i < source->count && !source->raw; i++) {
		int ret = source_load(source, i);

		if (ret == -EBADMSG)
			return report_fail(EXIT_MISMATCH,
					   "%s: is damaged (its table of filemarks makes no sense)",
					   source->stripes[i].media[0].path);
		if (ret == -EINVAL && source->direct)
			return report_fail(EXIT_FAILED, DIRECT_NONE,
					   source->stripes[i].media[0].path);
		if (ret)
			return report_fail(EXIT_FAILED, "%s: %s", source->stripes[i].media[0].path,
					   strerror(-ret));
	}
	return 0;
}

int source_open(struct source **out, const char *path, bool direct)
{
	struct source *source = calloc(1, sizeof(*source));
	unsigned int i;
	int ret;

	if (!source)
		return report_fail(EXIT_FAILED, "out of memory");
	source->path = path;
	source->direct = direct;
	for (i = 0; i < VDI_MAX_DEVICES; i++)
		source->stripes[i].fd = -1;
	ret = source_find(source);
	if (!ret && direct && source->raw)
		ret = report_fail(EXIT_USAGE, "--direct is for files: stdin is what it is");
	if (!ret)
		ret = source_load_first(source);
	if (ret)
		source_close(source);
	else
		*out = source;
	return ret;
}

static int source_verify_medium(const struct source *source, const struct source_medium *medium,
				const volatile bool *stop)
{
	int fd = source_reopen(medium), direct;
	const char *wrong;

	if (fd < 0)
		return report_fail(EXIT_FAILED, "%s: %s", medium->path, fd == -ESTALE ?
				   "was changed by somebody while it was read" : strerror(-fd));
	source_direct(source, fd, &direct);
	wrong = stripe_verify(fd, direct, medium->base, &medium->info, stop);
	if (direct >= 0)
		close(direct);
	close(fd);
	if (!wrong)
		return 0;
	if (medium->info.removable)
		return report_fail(EXIT_MISMATCH, "%s: stripe %u of %u, medium %u: %s",
				   medium->path, medium->info.index + 1, source->count,
				   medium->info.medium + 1, wrong);
	return report_fail(EXIT_MISMATCH, "%s: stripe %u of %u %s", medium->path,
			   medium->info.index + 1, source->count, wrong);
}

int source_verify(struct source *source, const volatile bool *stop)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; !ret && i < source->count && !source->raw; i++)
		for (j = 0; !ret && j < source->stripes[i].count; j++)
			ret = source_verify_medium(source, &source->stripes[i].media[j], stop);
	return ret;
}

unsigned int source_count(const struct source *source)
{
	return source->count;
}

enum stripe_kind source_kind(const struct source *source)
{
	return source->first.kind;
}

bool source_removable(const struct source *source)
{
	return source->first.removable;
}

uint64_t source_total(const struct source *source)
{
	uint64_t total = 0;
	unsigned int i, j;

	for (i = 0; i < source->count; i++)
		for (j = 0; j < source->stripes[i].count; j++) {
			const struct stripe_info *info = &source->stripes[i].media[j].info;

			total += info->length - info->breaks * STRIPE_BREAK_SIZE;
		}
	return total;
}

ssize_t source_read(struct source *source, void *buf, size_t len)
{
	size_t done = 0;

	(void)source;
	while (done < len) {
		ssize_t ret = read(STDIN_FILENO, (char *)buf + done, len - done);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){ .fd = STDIN_FILENO, .events = POLLIN }, 1, -1);
			continue;
		}
		if (ret < 0)
			return -errno;
		if (!ret)
			break;
		done += ret;
	}
	return done;
}

void source_close(struct source *source)
{
	unsigned int i, j;

	for (i = 0; i < VDI_MAX_DEVICES; i++) {
		struct source_stripe *stripe = &source->stripes[i];

		if (stripe->fd >= 0)
			close(stripe->fd);
		medium_free(stripe->medium);
		for (j = 0; j < stripe->count; j++)
			free(stripe->media[j].path);
		free(stripe->media);
	}
	free(source);
}
