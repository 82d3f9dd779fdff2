// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The target of a backup: temporary name, data, commit, withdrawal.  Owns the
 * names on disk and the order of syncs and renames; the bytes of each
 * medium are medium.c's, the moves themselves publish.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "direct.h"
#include "publish.h"
#include "report.h"
#include "stripe.h"
#include "target.h"

enum target_kind { TARGET_NULL, TARGET_STDOUT, TARGET_FILE, TARGET_DIR };

struct target_stripe {
	int fd;
	struct medium *medium;		/* that is in; NULL on stdout, and nowhere */
	struct stripe_info info;	/* of that medium, when it was begun */
	uint64_t length;		/* bytes of the media before, or of all */
};

struct target {
	enum target_kind kind;
	struct target_options options;
	struct publish publish;
	uint8_t backup_id[STRIPE_ID_SIZE];
	uint64_t created_ns;
	pthread_mutex_t lock;
	unsigned int finished;		/* (protected by @lock) */
	bool committed;			/* (protected by @lock until the threads end) */
	bool discarded;			/* likewise */
	struct target_stripe *stripes;	/* each of its own thread */
};

static int target_classify(struct target *target)
{
	const char *path = target->options.path;
	bool plain = target->options.kind == STRIPE_PIPE && !target->options.removable;
	size_t len = strlen(path);
	struct stat st;

	if (target->options.direct && (!strcmp(path, "null:") || !strcmp(path, "-")))
		return report_fail(EXIT_USAGE, "--direct is for files: name a file or a directory");
	if (!plain && (!strcmp(path, "null:") || !strcmp(path, "-")))
		return report_fail(EXIT_USAGE,
				   "%s takes a bare stream, without media and positions: name a file or a directory",
				   path);
	if (!strcmp(path, "null:")) {
		target->kind = TARGET_NULL;
	} else if (!strcmp(path, "-")) {
		if (target->options.count != 1)
			return report_fail(EXIT_USAGE,
					   "stdout takes one stripe: use -n 1, or name a directory");
		if (isatty(STDOUT_FILENO))
			return report_fail(EXIT_USAGE,
					   "stdout is a terminal: redirect it, or name a file");
		target->kind = TARGET_STDOUT;
	} else if (!len) {
		return report_fail(EXIT_USAGE,
				   "the target is empty: name a file, a directory, - or null:");
	} else if (target->options.count > 1 || path[len - 1] == '/' ||
		   (!stat(path, &st) && S_ISDIR(st.st_mode))) {
		target->kind = TARGET_DIR;
	} else {
		target->kind = TARGET_FILE;
	}
	return 0;
}

/* The names inside a directory; the number as people count, from 1. */
static void target_stripe_name(const struct target *target, unsigned int index,
			       unsigned int medium, char *buf, size_t size)
{
	char number[16] = "";

	if (medium)
		snprintf(number, sizeof(number), ".%03u", medium + 1);
	snprintf(buf, size, "stripe-%02u-of-%02u%s.vdb", index + 1, target->options.count, number);
}

static void target_free(struct target *target)
{
	unsigned int i;

	for (i = 0; target->stripes && i < target->options.count; i++) {
		if (target->stripes[i].fd >= 0 && target->kind != TARGET_STDOUT)
			close(target->stripes[i].fd);
		medium_free(target->stripes[i].medium);
	}
	publish_free(&target->publish);
	free(target->stripes);
	pthread_mutex_destroy(&target->lock);
	free(target);
}

static int target_alloc(struct target **out, const struct target_options *options)
{
	struct target *target = calloc(1, sizeof(*target));
	struct timespec now;
	unsigned int i;

	if (!target)
		return report_fail(EXIT_FAILED, "out of memory");
	pthread_mutex_init(&target->lock, NULL);
	target->publish.dir_fd = -1;
	target->publish.file_fd = -1;
	target->publish.parent_fd = -1;
	target->options = *options;
	target->stripes = calloc(options->count, sizeof(*target->stripes));
	if (!target->stripes)
		goto err_free;
	for (i = 0; i < options->count; i++)
		target->stripes[i].fd = -1;
	if (getrandom(target->backup_id, sizeof(target->backup_id), 0) !=
	    sizeof(target->backup_id))
		goto err_free;
	target->backup_id[6] = (target->backup_id[6] & 0x0f) | 0x40;	/* UUID version 4 */
	target->backup_id[8] = (target->backup_id[8] & 0x3f) | 0x80;
	clock_gettime(CLOCK_REALTIME, &now);
	target->created_ns = (uint64_t)now.tv_sec * 1000000000 + now.tv_nsec;
	*out = target;
	return 0;

err_free:
	target_free(target);
	return report_fail(EXIT_FAILED, "out of memory");
}

/* One file a stripe in the temporary directory, or the temporary file itself. */
static int target_open_stripes(struct target *target)
{
	unsigned int i;

	if (target->kind == TARGET_FILE) {
		target->stripes[0].fd = target->publish.file_fd;
		target->publish.file_fd = -1;
		return 0;
	}
	for (i = 0; i < target->options.count; i++) {
		char name[64];

		target_stripe_name(target, i, 0, name, sizeof(name));
		target->stripes[i].fd = publish_create_in(&target->publish, name);
		if (target->stripes[i].fd < 0)
			return report_fail(EXIT_FAILED,
					   "%s/%s.partial: %s", target->publish.partial,
					   name, strerror(errno));
	}
	return 0;
}

/* Before an engine is asked to begin */
static int target_check_direct(struct target *target)
{
	int direct;

	if (!target->options.direct)
		return 0;
	direct = direct_open(target->stripes[0].fd, O_RDWR);
	if (direct == -EINVAL)
		return report_fail(EXIT_FAILED, DIRECT_NONE, target->options.path);
	if (direct < 0)
		return report_fail(EXIT_FAILED, "%s: --direct: %s", target->options.path,
				   strerror(-direct));
	close(direct);
	return 0;
}

int target_open(struct target **out, const struct target_options *options)
{
	struct target *target = NULL;
	int ret;

	ret = target_alloc(&target, options);
	if (ret)
		return ret;
	ret = target_classify(target);
	if (ret)
		goto err_free;
	if (target->kind == TARGET_STDOUT)
		target->stripes[0].fd = STDOUT_FILENO;
	if (target_on_disk(target)) {
		ret = publish_open(&target->publish, options->path, target->kind == TARGET_DIR,
				   options->force, 0600);
		if (!ret)
			ret = target_open_stripes(target);
		if (!ret)
			ret = target_check_direct(target);
		if (ret)
			goto err_discard;
	}
	*out = target;
	return 0;

err_discard:
	publish_discard(&target->publish);
err_free:
	target_free(target);
	return ret;
}

/* A new medium of the stripe in a file: 0 or -errno */
static int target_new_medium(struct target *target, const struct target_stripe *stripe, int fd,
			     off_t base, struct medium **out)
{
	int direct = -1, ret;

	if (target->options.direct) {
		direct = direct_open(fd, O_RDWR);
		if (direct < 0)
			return direct;
	}
	ret = medium_create(out, fd, base, &stripe->info, &target->options.limit);
	if (!ret)
		medium_set_direct(*out, direct);
	else if (direct >= 0)
		close(direct);
	return ret;
}

int target_begin(struct target *target, unsigned int index, const char *device,
		 unsigned int block_size)
{
	struct target_stripe *stripe = &target->stripes[index];
	struct stripe_info *info = &stripe->info;

	memcpy(info->backup_id, target->backup_id, sizeof(info->backup_id));
	info->index = index;
	info->count = target->options.count;
	info->block_size = block_size;
	info->created_ns = target->created_ns;
	info->kind = target->options.kind;
	info->removable = target->options.removable;
	snprintf(info->device, sizeof(info->device), "%s", device);
	if (target->kind == TARGET_NULL || target->kind == TARGET_STDOUT)
		return 0;
	return target_new_medium(target, stripe, stripe->fd, 0, &stripe->medium);
}

int target_load(struct target *target, unsigned int index)
{
	struct target_stripe *stripe = &target->stripes[index];
	struct medium *medium;
	int fd = stripe->fd, ret;
	char name[64];
	off_t end;

	ret = medium_finish(stripe->medium, true, &end);
	if (ret)
		return ret;
	stripe->info.medium++;
	if (target->kind == TARGET_DIR) {
		target_stripe_name(target, index, stripe->info.medium, name, sizeof(name));
		fd = publish_create_in(&target->publish, name);
		if (fd < 0) {
			stripe->info.medium--;
			return -errno;
		}
		end = 0;
	}
	ret = target_new_medium(target, stripe, fd, end, &medium);
	/* without a new one the old one stays, with its file: it is to be spoiled */
	if (fd != stripe->fd)
		close(ret ? fd : stripe->fd);
	if (ret)
		return ret;
	stripe->length += medium_length(stripe->medium);
	medium_free(stripe->medium);
	stripe->medium = medium;
	stripe->fd = fd;
	return 0;
}

struct medium *target_medium(const struct target *target, unsigned int index)
{
	return target->stripes[index].medium;
}

int target_write(struct target *target, unsigned int index, const void *buf, size_t len)
{
	struct target_stripe *stripe = &target->stripes[index];
	const char *p = buf;
	size_t left = len;

	while (left && target->kind != TARGET_NULL) {
		ssize_t ret = write(stripe->fd, p, left);

		if (ret < 0 && errno == EINTR)
			continue;
		if (ret < 0 && errno == EAGAIN) {
			/* whoever else has it made it so; nothing else is to be done here */
			poll(&(struct pollfd){ .fd = stripe->fd, .events = POLLOUT }, 1, -1);
			continue;
		}
		if (ret <= 0)
			return ret ? -errno : -EIO;
		p += ret;
		left -= ret;
	}
	stripe->length += len;
	return 0;
}

int target_flush(struct target *target, unsigned int index)
{
	struct target_stripe *stripe = &target->stripes[index];
	struct stat st;

	if (stripe->medium)
		return medium_flush(stripe->medium);
	/* a pipe has nothing to sync */
	if (target->kind == TARGET_NULL || fstat(stripe->fd, &st) ||
	    !(S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return 0;
	return fsync(stripe->fd) ? -errno : 0;
}

static uint64_t target_total(const struct target *target)
{
	uint64_t total = 0;
	unsigned int i;

	for (i = 0; i < target->options.count; i++) {
		total += target->stripes[i].length;
		if (target->stripes[i].medium)
			total += medium_length(target->stripes[i].medium);
	}
	return total;
}

/* All files in the directory get their names, or their temporary ones again. */
static int target_name_all(struct target *target, bool final)
{
	unsigned int i, medium;
	int ret, first = 0;

	if (target->kind != TARGET_DIR)
		return 0;
	for (i = 0; i < target->options.count; i++) {
		for (medium = 0; medium <= target->stripes[i].info.medium; medium++) {
			char name[64];

			target_stripe_name(target, i, medium, name, sizeof(name));
			ret = publish_name_in(&target->publish, name, final);
			if (ret && final)
				return ret;
			if (!first)
				first = ret;
		}
	}
	return first;
}

static int target_commit(struct target *target)
{
	int ret;

	if (target->discarded)
		return -ECANCELED;
	if (!target_total(target) && !target->options.allow_empty)
		return -ENODATA;
	ret = target_name_all(target, true);
	if (ret)
		return ret;
	if (target_on_disk(target)) {
		ret = publish_commit(&target->publish);
		if (ret)
			return ret;
	}
	target->committed = true;
	return 0;
}

int target_finish(struct target *target, unsigned int index)
{
	struct target_stripe *stripe = &target->stripes[index];
	off_t end;
	int ret;

	ret = stripe->medium ? medium_finish(stripe->medium, false, &end) :
			       target_flush(target, index);
	if (ret)
		return ret;
	pthread_mutex_lock(&target->lock);
	if (++target->finished == target->options.count)
		ret = target_commit(target);
	pthread_mutex_unlock(&target->lock);
	return ret;
}

void target_discard(struct target *target)
{
	pthread_mutex_lock(&target->lock);
	target->discarded = true;
	pthread_mutex_unlock(&target->lock);
}

bool target_discarded(struct target *target)
{
	bool discarded;

	pthread_mutex_lock(&target->lock);
	discarded = target->discarded;
	pthread_mutex_unlock(&target->lock);
	return discarded;
}

bool target_committed(const struct target *target)
{
	return target->committed;
}

const char *target_path(const struct target *target)
{
	return target->options.path;
}

/*
 * Not even under its temporary name is this to be taken for a backup: the last
 * medium of each stripe loses its trailer, if it had one.
 */
static void target_spoil(struct target *target)
{
	unsigned int i;

	for (i = 0; i < target->options.count; i++) {
		struct medium *medium = target->stripes[i].medium;
		int ret = medium ? medium_spoil(medium) : 0;

		if (ret)
			report_warn("%s: stripe %u: %s", target->publish.partial, i + 1,
				    strerror(-ret));
	}
	target_name_all(target, false);
}

/* What is not a backup goes, or stays as *.partial: does it? */
static bool target_give_up(struct target *target)
{
	int ret = target->committed ? publish_withdraw(&target->publish) : 0;

	if (ret)
		report_warn("%s: could not be withdrawn: %s; it is no backup, remove it",
			    target->publish.path, strerror(-ret));
	target_spoil(target);
	if (target->discarded || !target_total(target)) {
		publish_discard(&target->publish);
		return false;
	}
	if (!publish_left(&target->publish))
		return false;
	report_info("%s holds what came, and is not a backup", target->publish.partial);
	return true;
}

bool target_on_disk(const struct target *target)
{
	return target->kind == TARGET_FILE || target->kind == TARGET_DIR;
}

unsigned int target_orphan_fds(const struct target *target, int *fds)
{
	fds[0] = target->publish.parent_fd;
	fds[1] = target->kind == TARGET_DIR ? target->publish.dir_fd : target->stripes[0].fd;
	return TARGET_ORPHAN_FDS;
}

/* Like target_spoil(), without knowing what was written. */
static int target_orphan_spoil(struct target *target, unsigned int index)
{
	unsigned int medium;
	int fd, ret = 0;

	if (target->kind == TARGET_FILE)
		return stripe_cut(target->stripes[0].fd);
	for (medium = 0; !ret; medium++) {
		char name[64];

		target_stripe_name(target, index, medium, name, sizeof(name));
		publish_name_in(&target->publish, name, false);
		fd = publish_open_in(&target->publish, name);
		if (fd < 0)
			return errno == ENOENT ? 0 : -errno;
		ret = stripe_cut(fd);
		close(fd);
	}
	return ret;
}

void target_orphan(struct target *target, bool keep)
{
	unsigned int i;
	int ret;

	ret = publish_orphan(&target->publish, keep);
	if (ret > 0)
		return;
	if (ret < 0)
		report_warn("%s: could not be withdrawn: %s; it is no backup, remove it",
			    target->publish.path, strerror(-ret));
	for (i = 0, ret = 0; i < target->options.count && !ret; i++)
		ret = target_orphan_spoil(target, i);
	if (ret)
		report_warn("%s: stripe %u: %s", target->publish.partial, i, strerror(-ret));
	if (publish_left(&target->publish))
		report_info("%s holds what came, and is not a backup", target->publish.partial);
}

bool target_close(struct target *target, bool keep)
{
	bool on_disk = target_on_disk(target);
	bool left = false;

	if (on_disk && target->committed && keep && !target->discarded)
		publish_settle(&target->publish);
	else if (on_disk)
		left = target_give_up(target);
	target_free(target);
	return left;
}
