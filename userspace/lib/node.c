// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The node: finds, opens and checks it, makes each ioctl of the library, and
 * has the calls that need no set of one's own.  It converts arguments, but
 * keeps nothing about a set.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "node.h"

#define NS_PER_MS	1000000ULL
#define NS_PER_SEC	1000000000ULL

static pthread_mutex_t node_lock = PTHREAD_MUTEX_INITIALIZER;
static char *node_path;		/* protected by node_lock */

const char *vdi_version(void)
{
	return LIBVDI_VERSION;
}

int vdi_set_node(const char *path)
{
	char *copy = path ? strdup(path) : NULL;

	if (path && !copy)
		return -ENOMEM;
	pthread_mutex_lock(&node_lock);
	free(node_path);
	node_path = copy;
	pthread_mutex_unlock(&node_lock);
	return 0;
}

/* A private copy, because another thread may set another one meanwhile. */
static char *current_node(void)
{
	const char *env = secure_getenv("VDI_DEVICE");
	char *path;

	pthread_mutex_lock(&node_lock);
	if (node_path)
		path = strdup(node_path);
	else
		path = strdup(env && *env ? env : VDI_DEVICE_NODE);
	pthread_mutex_unlock(&node_lock);
	return path;
}

/*
 * The only retry after a signal: deadlines are absolute, so nothing is lost.
 * Where a device handle stands in for its set, calls of the set are not allowed.
 */
int libvdi_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, request, arg);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0 && errno == ENOTTY && request != VDI_IOC_GET_INFO &&
	    request != VDI_IOC_CLOSE && request != VDI_IOC_DEVICE_STATUS)
		return -EPROTO;
	return ret < 0 ? -errno : 0;
}

int libvdi_dup(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

/*
 * A disk may have our name (the ninth virtio disk is vdi), and opening some
 * files has effects: look before opening, then ask what it is.
 */
static int open_checked(const char *path)
{
	struct vdi_get_info info = { .size = sizeof(info) };
	struct stat st;
	int err, fd;

	if (stat(path, &st))
		return -errno;
	if (!S_ISCHR(st.st_mode))
		return -ENODEV;
	do {
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
	} while (fd < 0 && errno == EINTR);
	if (fd < 0)
		return errno == ENXIO ? -ENODEV : -errno;

	err = fstat(fd, &st) ? -errno : 0;
	if (!err && !S_ISCHR(st.st_mode))
		err = -ENODEV;
	if (!err)
		err = libvdi_ioctl(fd, VDI_IOC_GET_INFO, &info);
	if (err == -ENOTTY || err == -EINVAL || (!err && !info.out_max_devices))
		err = -ENODEV;
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

int libvdi_open_node(void)
{
	char *path = current_node();
	int fd;

	if (!path)
		return -ENOMEM;
	fd = open_checked(path);
	free(path);
	return fd;
}

uint64_t libvdi_deadline(int64_t timeout_ms)
{
	struct timespec ts;
	uint64_t now, ns;

	if (timeout_ms < 0)
		return VDI_TIME_INFINITE;
	if (!timeout_ms)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
	if (__builtin_mul_overflow((uint64_t)timeout_ms, NS_PER_MS, &ns) ||
	    __builtin_add_overflow(now, ns, &ns))
		return VDI_TIME_INFINITE;
	return ns;
}

int libvdi_copy_name(char *to, const char *name)
{
	size_t len = name ? strlen(name) : 0;

	if (!len || len >= VDI_NAME_SIZE)
		return -EINVAL;
	memcpy(to, name, len + 1);
	return 0;
}

int libvdi_copy_instance(char *to, const char *instance)
{
	size_t len = instance ? strlen(instance) : 0;

	if (len >= VDI_NAME_SIZE)
		return -ENXIO;
	memcpy(to, len ? instance : "", len + 1);
	return 0;
}

/*
 * An abort must not fail because of its text, which is often somebody else's:
 * cut it between characters and take control characters out of it.
 */
void libvdi_copy_text(char *to, const char *text)
{
	size_t i, len = text ? strnlen(text, VDI_TEXT_SIZE) : 0;

	if (len >= VDI_TEXT_SIZE) {
		len = VDI_TEXT_SIZE - 1;
		while (len && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	for (i = 0; i < len; i++) {
		unsigned char c = text[i];

		to[i] = c < ' ' || c == 0x7f ? ' ' : c;
	}
	to[len] = '\0';
}

/* What is left if the kernel does not like the bytes: plain ASCII. */
static void asciify(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			*text = '?';
}

int libvdi_abort(int fd, uint32_t code, const char *text)
{
	struct vdi_abort arg = { .size = sizeof(arg), .code = code };
	int err;

	libvdi_copy_text(arg.text, text);
	err = libvdi_ioctl(fd, VDI_IOC_ABORT, &arg);
	if (err == -EINVAL) {
		asciify(arg.text);
		err = libvdi_ioctl(fd, VDI_IOC_ABORT, &arg);
	}
	return err;
}

/*
 * A kernel without nodes does not know the member and leaves it 0, which is a
 * node's number.  It is the rare case, so nobody pays for it but that one.
 */
static void mend_stat(int fd, struct vdi_set_stat *stat, unsigned int nr)
{
	struct vdi_get_info info = { .size = sizeof(info) };
	unsigned int i;

	for (i = 0; i < nr && stat[i].first_node; i++)
		;
	if (i == nr || libvdi_ioctl(fd, VDI_IOC_GET_INFO, &info) ||
	    info.out_capabilities & VDI_CAP_NODES)
		return;
	for (i = 0; i < nr; i++)
		stat[i].first_node = VDI_NODE_NONE;
}

/* The caller may know a shorter or a longer structure than this library. */
static void copy_stat(struct vdi_set_stat *to, size_t size,
		      const struct vdi_set_stat *from)
{
	size_t n = size < sizeof(*from) ? size : sizeof(*from);

	memcpy(to, from, n);
	memset((char *)to + n, 0, size - n);
}

int libvdi_stat(int fd, struct vdi_set_stat *stat, size_t size)
{
	struct vdi_status arg = { .size = sizeof(arg) };
	int err;

	if (!stat)
		return -EINVAL;
	err = libvdi_ioctl(fd, VDI_IOC_STATUS, &arg);
	if (err)
		return err;
	mend_stat(fd, &arg.out_stat, 1);
	copy_stat(stat, size, &arg.out_stat);
	return 0;
}

int libvdi_open_device(int fd, const char *name, struct vdi_open_device *arg)
{
	int err;

	memset(arg, 0, sizeof(*arg));
	arg->size = sizeof(*arg);
	err = libvdi_copy_name(arg->name, name);
	return err ? err : libvdi_ioctl(fd, VDI_IOC_OPEN_DEVICE, arg);
}

int libvdi_exchange(int fd, const void *in, unsigned int nr_in, void *out,
		    unsigned int nr_out, int64_t timeout_ms,
		    struct vdi_batch *batch)
{
	struct vdi_exchange arg = {
		.size = sizeof(arg),
		.in = (uintptr_t)in,
		.out = (uintptr_t)out,
		.nr_in = nr_in,
		.nr_out = nr_out,
	};
	int err;

	if (!batch)
		return -EINVAL;
	arg.min = batch->min;
	arg.spin_us = batch->spin_us;
	arg.deadline_ns = libvdi_deadline(timeout_ms);
	err = libvdi_ioctl(fd, VDI_IOC_EXCHANGE, &arg);
	if (err)
		return err;
	batch->accepted = arg.out_accepted;
	batch->delivered = arg.out_delivered;
	batch->refused = -(int)arg.out_refused;
	return 0;
}

int vdi_get_info(struct vdi_get_info *info)
{
	int err, fd;

	if (!info)
		return -EINVAL;
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_ioctl(fd, VDI_IOC_GET_INFO, info);
	close(fd);
	return err;
}

int vdi_list(struct vdi_set_stat *sets, size_t entry_size, unsigned int nr,
	     uint64_t after, unsigned int *more)
{
	struct vdi_list arg = {
		.size = sizeof(arg),
		.sets = (uintptr_t)sets,
		.nr_sets = sets ? nr : 0,
		.entry_size = (uint32_t)entry_size,
		.after = after,
	};
	int err, fd;

	if ((!sets && nr) || arg.entry_size != entry_size)
		return -EINVAL;
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_ioctl(fd, VDI_IOC_LIST, &arg);
	if (!err && entry_size == sizeof(*sets))
		mend_stat(fd, sets, arg.out_sets);
	close(fd);
	if (err)
		return err;
	if (more)
		*more = arg.out_more;
	return (int)arg.out_sets;
}

int vdi_stat_name(const char *instance, const char *name,
		  struct vdi_set_stat *stat, size_t size)
{
	struct vdi_stat_name arg = { .size = sizeof(arg) };
	int err, fd;

	if (!stat)
		return -EINVAL;
	err = libvdi_copy_name(arg.name, name);
	if (!err)
		err = libvdi_copy_instance(arg.instance, instance);
	if (err)
		return err;
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_ioctl(fd, VDI_IOC_STAT_NAME, &arg);
	if (!err)
		mend_stat(fd, &arg.out_stat, 1);
	close(fd);
	if (!err)
		copy_stat(stat, size, &arg.out_stat);
	return err;
}

int vdi_abort_name(const char *instance, const char *name, uint32_t code,
		   const char *text)
{
	struct vdi_abort_name arg = { .size = sizeof(arg), .code = code };
	int err, fd;

	err = libvdi_copy_name(arg.name, name);
	if (!err)
		err = libvdi_copy_instance(arg.instance, instance);
	if (err)
		return err;
	libvdi_copy_text(arg.text, text);
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_ioctl(fd, VDI_IOC_ABORT_NAME, &arg);
	if (err == -EINVAL) {
		asciify(arg.text);
		err = libvdi_ioctl(fd, VDI_IOC_ABORT_NAME, &arg);
	}
	close(fd);
	return err;
}
