// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The target of a backup: temporary name, data, commit, withdrawal.  Owns the
 * names on disk and the order of syncs and renames; the bytes of a stripe
 * file's header and trailer are stripe.c's, the moves themselves publish.c's.
 */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "publish.h"
#include "report.h"
#include "stripe.h"
#include "target.h"

enum target_kind { TARGET_NULL, TARGET_STDOUT, TARGET_FILE, TARGET_DIR };

struct target_stripe {
	int fd;
	EVP_MD_CTX *digest;
	struct stripe_info info;
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
	struct target_stripe *stripes;	/* each of its own thread */
};

static int target_classify(struct target *target)
{
	const char *path = target->options.path;
	size_t len = strlen(path);
	struct stat st;

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
static void target_stripe_name(const struct target *target, unsigned int index, char *buf,
			       size_t size)
{
	snprintf(buf, size, "stripe-%02u-of-%02u.vdb", index + 1, target->options.count);
}

static void target_free(struct target *target)
{
	unsigned int i;

	for (i = 0; target->stripes && i < target->options.count; i++) {
		if (target->stripes[i].fd >= 0 && target->kind != TARGET_STDOUT)
			close(target->stripes[i].fd);
		EVP_MD_CTX_free(target->stripes[i].digest);
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
	for (i = 0; i < options->count; i++) {
		target->stripes[i].fd = -1;
		target->stripes[i].digest = EVP_MD_CTX_new();
		if (!target->stripes[i].digest)
			goto err_free;
		EVP_DigestInit_ex(target->stripes[i].digest, EVP_sha256(), NULL);
	}
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

		target_stripe_name(target, i, name, sizeof(name));
		target->stripes[i].fd = publish_create_in(&target->publish, name);
		if (target->stripes[i].fd < 0)
			return report_fail(EXIT_FAILED,
					   "%s/%s.partial: %s", target->publish.partial,
					   name, strerror(errno));
	}
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
	if (target->kind == TARGET_FILE || target->kind == TARGET_DIR) {
		ret = publish_open(&target->publish, options->path, target->kind == TARGET_DIR,
				   options->force, 0600);
		if (!ret)
			ret = target_open_stripes(target);
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
	snprintf(info->device, sizeof(info->device), "%s", device);
	if (target->kind == TARGET_NULL || target->kind == TARGET_STDOUT)
		return 0;
	return stripe_write_header(stripe->fd, info);
}

/*
 * The data is in memory that the engine can write too: one that changes it
 * meanwhile spoils its own backup, and the checksum will say so.
 */
int target_write(struct target *target, unsigned int index, const void *buf, size_t len)
{
	struct target_stripe *stripe = &target->stripes[index];
	const char *p = buf;
	size_t left = len;

	while (left && target->kind != TARGET_NULL) {
		ssize_t ret;

		if (target->kind == TARGET_STDOUT)
			ret = write(stripe->fd, p, left);
		else
			ret = pwrite(stripe->fd, p, left, STRIPE_HEADER_SIZE + stripe->info.length +
				     (len - left));
		if (ret < 0 && errno == EINTR)
			continue;
		if (ret <= 0)
			return ret ? -errno : -EIO;
		p += ret;
		left -= ret;
	}
	if (target->kind == TARGET_FILE || target->kind == TARGET_DIR)
		EVP_DigestUpdate(stripe->digest, buf, len);
	stripe->info.length += len;
	return 0;
}

int target_flush(struct target *target, unsigned int index)
{
	struct stat st;
	int fd = target->stripes[index].fd;

	if (target->kind == TARGET_NULL)
		return 0;
	/* a pipe has nothing to sync */
	if (target->kind == TARGET_STDOUT && (fstat(fd, &st) || !S_ISREG(st.st_mode)))
		return 0;
	return fsync(fd) ? -errno : 0;
}

static int target_commit(struct target *target)
{
	uint64_t total = 0;
	unsigned int i;
	int ret;

	for (i = 0; i < target->options.count; i++)
		total += target->stripes[i].info.length;
	if (!total && !target->options.allow_empty)
		return -ENODATA;
	if (target->kind == TARGET_DIR) {
		for (i = 0; i < target->options.count; i++) {
			char name[64];

			target_stripe_name(target, i, name, sizeof(name));
			ret = publish_name_in(&target->publish, name, true);
			if (ret)
				return ret;
		}
	}
	if (target->kind == TARGET_FILE || target->kind == TARGET_DIR) {
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
	int ret = 0;

	if (target->kind == TARGET_FILE || target->kind == TARGET_DIR) {
		EVP_DigestFinal_ex(stripe->digest, stripe->info.payload_digest, NULL);
		ret = stripe_write_trailer(stripe->fd, &stripe->info);
	}
	if (!ret)
		ret = target_flush(target, index);
	if (ret)
		return ret;
	pthread_mutex_lock(&target->lock);
	if (++target->finished == target->options.count)
		ret = target_commit(target);
	pthread_mutex_unlock(&target->lock);
	return ret;
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
 * Not even under its temporary name is this to be taken for a backup: stripes
 * that were finished lose their trailers again.
 */
static void target_spoil(struct target *target)
{
	unsigned int i;

	for (i = 0; i < target->options.count; i++) {
		struct target_stripe *stripe = &target->stripes[i];
		char name[64];

		if (ftruncate(stripe->fd, STRIPE_HEADER_SIZE + stripe->info.length))
			report_warn("%s: stripe %u: %s", target->publish.partial, i + 1,
				    strerror(errno));
		if (target->kind == TARGET_DIR) {
			target_stripe_name(target, i, name, sizeof(name));
			publish_name_in(&target->publish, name, false);
		}
	}
}

bool target_close(struct target *target, bool keep)
{
	bool on_disk = target->kind == TARGET_FILE || target->kind == TARGET_DIR;
	uint64_t total = 0;
	bool left = false;
	unsigned int i;
	int ret;

	for (i = 0; i < target->options.count; i++)
		total += target->stripes[i].info.length;
	if (on_disk && target->committed && keep) {
		publish_settle(&target->publish);
	} else if (on_disk) {
		ret = target->committed ? publish_withdraw(&target->publish) : 0;
		if (ret)
			report_warn("%s: could not be withdrawn: %s; it is no backup, remove it",
				    target->publish.path, strerror(-ret));
		target_spoil(target);
		left = total;
		if (left)
			report_info("%s holds what came, and is not a backup",
				    target->publish.partial);
		else
			publish_discard(&target->publish);
	}
	target_free(target);
	return left;
}
