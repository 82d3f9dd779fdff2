/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that stalls: two pages in the victim of a test, of which the second
 * makes whoever touches it wait until the test lets go.  By userfaultfd, which
 * also stalls writes to pages that are there, or where the kernel has none by a
 * file of a FUSE mount that the test serves itself.  What the victim does with
 * the pages is the test's.
 */
#ifndef VDI_TEST_STALL_H
#define VDI_TEST_STALL_H

#include <linux/fuse.h>
#include <linux/userfaultfd.h>
#include <sys/mount.h>

#include "peer.h"

#define VT_STALL_PAGE	4096

/* How the second page stalls */
enum vt_stall_mode {
	VT_STALL_MISSING,	/* whoever touches it; it is not there yet */
	VT_STALL_WRITES,	/* whoever writes to it */
	VT_STALL_LATER,		/* nobody, until vt_stall_drop(); then all */
};

/**
 * struct vt_stall - Shared by the test and the victim
 * @fuse: FUSE, not userfaultfd
 * @fd: the test's descriptor of either
 * @victim_fd: the victim's userfaultfd
 * @mem: the two pages, in the victim
 * @image: what they hold, or would
 * @unique: of the READ that waits
 * @path: what is mounted
 */
struct vt_stall {
	bool fuse;
	int fd;
	int victim_fd;
	char *mem;
	char image[2 * VT_STALL_PAGE];
	uint64_t unique;
	char path[64];
};

static inline bool vt_stall_has_uffd(void)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	bool ok = fd >= 0 && !ioctl(fd, UFFDIO_API, &api);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* NULL, or why nothing can be stalled here. */
static inline const char *vt_stall_begin(struct vt_stall **stall)
{
	struct vt_stall *s = mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (s == MAP_FAILED)
		return "no memory";
	s->fd = -1;
	s->fuse = !vt_stall_has_uffd();
	*stall = s;
	if (!s->fuse || !access("/dev/fuse", R_OK | W_OK))
		return NULL;
	return "neither userfaultfd nor FUSE in this kernel";
}

/* In the victim.  @s->image is set; 0 or an errno. */

static inline int vt_stall_map_uffd(struct vt_stall *s, enum vt_stall_mode mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = UFFD_FEATURE_PAGEFAULT_FLAG_WP };
	bool writes = mode == VT_STALL_WRITES;
	struct uffdio_register reg = {
		.range = { (uintptr_t)s->mem + VT_STALL_PAGE, VT_STALL_PAGE },
		.mode = writes ? UFFDIO_REGISTER_MODE_WP : UFFDIO_REGISTER_MODE_MISSING,
	};
	struct uffdio_writeprotect wp = {
		.range = reg.range, .mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	s->victim_fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (s->victim_fd < 0 || ioctl(s->victim_fd, UFFDIO_API, &api))
		return errno;
	memcpy(s->mem, s->image, mode == VT_STALL_MISSING ? VT_STALL_PAGE : sizeof(s->image));
	if (ioctl(s->victim_fd, UFFDIO_REGISTER, &reg) ||
	    (writes && ioctl(s->victim_fd, UFFDIO_WRITEPROTECT, &wp)))
		return errno;
	return 0;
}

static inline int vt_stall_map(struct vt_stall *s, enum vt_stall_mode mode)
{
	struct stat st;
	int fd;

	s->mem = mmap(NULL, sizeof(s->image), PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->mem == MAP_FAILED)
		return errno;
	if (!s->fuse)
		return vt_stall_map_uffd(s, mode);
	memcpy(s->mem, s->image, VT_STALL_PAGE);
	/* answered by the test, which waits for this; the size is known when it was asked for */
	fd = open(s->path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) ||
	    mmap(s->mem + VT_STALL_PAGE, VT_STALL_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED)
		return errno;
	return 0;
}

static inline int vt_stall_drop(struct vt_stall *s)
{
	return madvise(s->mem + VT_STALL_PAGE, VT_STALL_PAGE, MADV_DONTNEED) ? errno : 0;
}

/* In the test. */

static inline bool vt_fuse_answer(struct vt_stall *s, uint64_t unique, int err, void *data,
				  size_t len)
{
	char out[VT_STALL_PAGE + 256];
	struct fuse_out_header h = {
		.len = sizeof(h) + len, .error = -err, .unique = unique,
	};

	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), data, len);
	return write(s->fd, out, h.len) == (ssize_t)h.len;
}

static inline bool vt_fuse_serve_one(struct vt_stall *s, const struct fuse_in_header *in)
{
	struct fuse_init_out init = {
		.major = FUSE_KERNEL_VERSION, .minor = 31, .max_readahead = VT_STALL_PAGE,
		.flags = FUSE_ASYNC_READ, .max_background = 12, .congestion_threshold = 9,
		.max_write = VT_STALL_PAGE,
	};
	struct fuse_attr_out attr = {
		.attr_valid = 1000,
		.attr = { .ino = 1, .size = VT_STALL_PAGE, .mode = S_IFREG | 0600, .nlink = 1 },
	};
	/* no FLUSH: it would wait for us in a process that ends */
	struct fuse_open_out opened = { .fh = 1, .open_flags = FOPEN_NOFLUSH };

	switch (in->opcode) {
	case FUSE_INIT:
		return vt_fuse_answer(s, in->unique, 0, &init, sizeof(init));
	case FUSE_GETATTR:
		return vt_fuse_answer(s, in->unique, 0, &attr, sizeof(attr));
	case FUSE_OPEN:
		return vt_fuse_answer(s, in->unique, 0, &opened, sizeof(opened));
	case FUSE_READ:
		s->unique = in->unique;
		return true;
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
		return true;
	default:
		return vt_fuse_answer(s, in->unique, ENOSYS, NULL, 0);
	}
}

/* Serves the mount until somebody reads the page; the answer is vt_stall_release(). */
static inline bool vt_fuse_serve(struct vt_stall *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };
	char in[FUSE_MIN_READ_BUFFER + VT_STALL_PAGE];

	while (!s->unique) {
		if (poll(&p, 1, 5000 * vt_scale()) != 1 || read(s->fd, in, sizeof(in)) < 0 ||
		    !vt_fuse_serve_one(s, (void *)in))
			return false;
	}
	return true;
}

static inline bool vt_stall_mount(struct vt_stall *s)
{
	char options[96];
	int fd;

	if (!s->fuse)
		return true;
	s->unique = 0;
	snprintf(s->path, sizeof(s->path), "/tmp/vdi-stall-XXXXXX");
	fd = mkstemp(s->path);
	if (fd < 0)
		return false;
	close(fd);
	s->fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof(options), "fd=%d,rootmode=100000,user_id=0,group_id=0", s->fd);
	return s->fd >= 0 && !mount("vdi-stall", s->path, "fuse", MS_NOSUID | MS_NODEV, options);
}

/* The victim stalls, as the descriptor says that both of us hold. */
static inline bool vt_stall_wait(struct vt_stall *s, pid_t victim)
{
	struct pollfd p = { .events = POLLIN };
	struct uffd_msg msg;
	int pidfd;

	if (s->fuse)
		return vt_fuse_serve(s);
	if (s->fd < 0) {
		pidfd = syscall(SYS_pidfd_open, victim, 0);
		s->fd = syscall(SYS_pidfd_getfd, pidfd, s->victim_fd, 0);
		close(pidfd);
	}
	p.fd = s->fd;
	return fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0 && poll(&p, 1, 5000 * vt_scale()) == 1 &&
	       read(s->fd, &msg, sizeof(msg)) == sizeof(msg) &&
	       msg.event == UFFD_EVENT_PAGEFAULT;
}

/* It goes on, with the second page of the image. */
static inline bool vt_stall_release(struct vt_stall *s, enum vt_stall_mode mode)
{
	struct uffdio_range range = { (uintptr_t)s->mem + VT_STALL_PAGE, VT_STALL_PAGE };
	struct uffdio_copy copy = {
		.dst = range.start, .src = (uintptr_t)s->image + VT_STALL_PAGE,
		.len = VT_STALL_PAGE,
	};
	struct uffdio_writeprotect wp = { .range = range };

	if (s->fuse)
		return vt_fuse_answer(s, s->unique, 0, s->image + VT_STALL_PAGE, VT_STALL_PAGE);
	if (mode == VT_STALL_WRITES)
		return !ioctl(s->fd, UFFDIO_WRITEPROTECT, &wp);
	return !ioctl(s->fd, UFFDIO_COPY, &copy);
}

static inline void vt_stall_end(struct vt_stall *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	if (s->fuse) {
		umount2(s->path, MNT_DETACH);
		unlink(s->path);
	}
}

#endif /* VDI_TEST_STALL_H */
