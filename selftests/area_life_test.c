// SPDX-License-Identifier: GPL-2.0-only
/*
 * What can be done with a mapped buffer area, and how long it lives: longer
 * than its peer, its set and all handles.  Which mappings are given at all is
 * in area_test.c.
 */
#include <sys/uio.h>

#include "direct.h"
#include "link.h"
#include "peer.h"
#include "uring.h"

#define MIB	(1U << 20)

FIXTURE(life) {
	struct vt_link l;
	unsigned char *c;
	unsigned char *s;
};

FIXTURE_SETUP(life)
{
	vt_link_init(&self->l, 1);
	self->l.area = MIB;
	ASSERT_EQ(0, vt_link_up(&self->l));
	self->c = vt_map(self->l.client, self->l.offset, self->l.size);
	self->s = vt_map(self->l.server, self->l.offset, self->l.size);
	ASSERT_NE(NULL, self->c);
	ASSERT_NE(NULL, self->s);
}

FIXTURE_TEARDOWN(life)
{
	vt_baseline(_metadata);
}

static bool filled(const unsigned char *p, size_t len, unsigned char with)
{
	while (len--)
		if (*p++ != with)
			return false;
	return true;
}

static void close_handles(struct vt_link *l)
{
	close(l->client);
	close(l->server);
	close(l->cdev[0]);
	close(l->sdev[0]);
}

/* Commands flow, and the other side's memory is there: nothing was harmed. */
static void expect_alive(struct __test_metadata *_metadata, struct vt_link *l)
{
	struct vdi_completion done;
	struct vdi_command c = { .code = VDI_CMD_WRITE, .offset = l->offset, .length = 65536 };

	ASSERT_EQ(0, vt_put(l->sdev[0], &c, 1, NULL));
	ASSERT_EQ(0, vt_get(l->cdev[0], &c, VT_LONG));
	ASSERT_EQ(0, vt_complete(l->cdev[0], 0, c.id, 0, 65536));
	ASSERT_EQ(0, vt_collect(l->sdev[0], &done, VT_LONG));
}

/* munmap, mremap and madvise concern one's own mapping. */

TEST_F(life, munmap_in_parts)
{
	memset(self->s, 0x33, MIB);
	ASSERT_EQ(0, munmap(self->c + MIB / 4, MIB / 4));
	EXPECT_TRUE(filled(self->c, MIB / 4, 0x33));
	EXPECT_TRUE(filled(self->c + MIB / 2, MIB / 2, 0x33));
	ASSERT_EQ(0, munmap(self->c, MIB));
	EXPECT_TRUE(filled(self->s, MIB, 0x33));
	expect_alive(_metadata, &self->l);
	/* and it can be mapped again */
	self->c = vt_map(self->l.client, self->l.offset, self->l.size);
	ASSERT_NE(NULL, self->c);
	EXPECT_TRUE(filled(self->c, MIB, 0x33));
}

TEST_F(life, mremap_moves_and_shrinks)
{
	unsigned char *p;

	memset(self->s, 0x44, MIB);
	p = mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	p = mremap(self->c, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, p);
	ASSERT_NE(MAP_FAILED, (void *)p);
	EXPECT_TRUE(filled(p, MIB, 0x44));
	p = mremap(p, MIB, MIB / 2, 0);
	ASSERT_NE(MAP_FAILED, (void *)p);
	memset(p, 0x45, MIB / 2);
	EXPECT_TRUE(filled(self->s, MIB / 2, 0x45));
	EXPECT_TRUE(filled(self->s + MIB / 2, MIB / 2, 0x44));
	expect_alive(_metadata, &self->l);
}

TEST_F(life, dontneed_keeps_the_content)
{
	memset(self->s, 0x55, MIB);
	ASSERT_EQ(0, madvise(self->c, MIB, MADV_DONTNEED));
	ASSERT_EQ(0, madvise(self->s, MIB, MADV_DONTNEED));
	EXPECT_TRUE(filled(self->c, MIB, 0x55));
	EXPECT_TRUE(filled(self->s, MIB, 0x55));
	expect_alive(_metadata, &self->l);
}

/* The worst that a side can do to the content is to make it zero. */
TEST_F(life, remove_is_harmless)
{
	memset(self->s, 0x66, MIB);
	if (madvise(self->c, MIB, MADV_REMOVE)) {
		EXPECT_TRUE(filled(self->s, MIB, 0x66));
	} else {
		EXPECT_TRUE(filled(self->s, MIB, 0));
		EXPECT_TRUE(filled(self->c, MIB, 0));
	}
	memset(self->s, 0x67, MIB);
	EXPECT_TRUE(filled(self->c, MIB, 0x67));
	expect_alive(_metadata, &self->l);
}

/* Other interfaces take the memory as it is. */

TEST_F(life, write_and_read_files)
{
	char path[] = "/tmp/vdi-area-XXXXXX";
	int fd = mkstemp(path);

	ASSERT_LE(0, fd);
	unlink(path);
	memset(self->s, 0x77, MIB);
	ASSERT_EQ(MIB, write(fd, self->c, MIB));
	memset(self->s, 0, MIB);
	ASSERT_EQ(MIB, pread(fd, self->c, MIB, 0));
	EXPECT_TRUE(filled(self->s, MIB, 0x77));
}

TEST_F(life, vmsplice)
{
	unsigned char buf[4096];
	struct iovec v = { .iov_base = self->c, .iov_len = 32768 };
	int p[2], i;

	ASSERT_EQ(0, pipe(p));
	memset(self->s, 0x78, MIB);
	ASSERT_EQ(32768, vmsplice(p[1], &v, 1, 0));
	for (i = 0; i < 8; i++) {
		ASSERT_EQ((ssize_t)sizeof(buf), read(p[0], buf, sizeof(buf)));
		EXPECT_TRUE(filled(buf, sizeof(buf), 0x78));
	}
}

/* From the buffer into a file, and back, without a copy in between. */
TEST_F(life, vmsplice_and_splice)
{
	struct iovec v = { .iov_base = self->c, .iov_len = 32768 };
	char path[] = "/tmp/vdi-area-XXXXXX";
	int fd = mkstemp(path), p[2];
	unsigned char buf[32768];

	ASSERT_LE(0, fd);
	unlink(path);
	ASSERT_EQ(0, pipe(p));
	memset(self->s, 0x7b, MIB);
	ASSERT_EQ(32768, vmsplice(p[1], &v, 1, 0));
	ASSERT_EQ(32768, splice(p[0], NULL, fd, NULL, 32768, 0));
	ASSERT_EQ(32768, pread(fd, buf, sizeof(buf), 0));
	EXPECT_TRUE(filled(buf, sizeof(buf), 0x7b));
	/* the other way: the pipe is read into the buffer */
	memset(buf, 0x7c, sizeof(buf));
	ASSERT_EQ(32768, pwrite(fd, buf, sizeof(buf), 0));
	ASSERT_EQ(0, lseek(fd, 0, SEEK_SET));
	ASSERT_EQ(32768, splice(fd, NULL, p[1], NULL, 32768, 0));
	ASSERT_EQ(32768, vmsplice(p[0], &v, 1, 0));
	EXPECT_TRUE(filled(self->s, 32768, 0x7c));
	EXPECT_TRUE(filled(self->s + 32768, MIB - 32768, 0x7b));
}

/* One request by the registered area: the result of it, or -errno of the call. */
static int fixed(struct ring *r, int op, int fd, void *buf, unsigned int len)
{
	struct io_uring_sqe *sqe = ring_add(r, op, fd, buf, len);
	uint64_t which;
	long ret;

	sqe->off = 0;
	sqe->buf_index = 0;
	ret = ring_enter(r, 1, 1);
	return ret == 1 ? ring_next(r, &which) : -errno;
}

/* Registered once, it serves for any place in it, also when the set has gone. */
TEST_F(life, io_uring_fixed_buffers)
{
	struct iovec v = { .iov_base = self->c, .iov_len = MIB };
	char path[] = "/tmp/vdi-area-XXXXXX";
	int fd = mkstemp(path);
	struct ring r;

	ASSERT_LE(0, fd);
	unlink(path);
	if (!ring_up(&r))
		SKIP(return, "this kernel has no io_uring");
	ASSERT_EQ(0, syscall(SYS_io_uring_register, r.fd, IORING_REGISTER_BUFFERS, &v, 1));
	memset(self->s, 0x7d, MIB);
	ASSERT_EQ(65536, fixed(&r, IORING_OP_WRITE_FIXED, fd, self->c + 4096, 65536));
	memset(self->s, 0, MIB);
	ASSERT_EQ(65536, fixed(&r, IORING_OP_READ_FIXED, fd, self->c + 131072, 65536));
	EXPECT_TRUE(filled(self->s + 131072, 65536, 0x7d));
	EXPECT_TRUE(filled(self->s, 131072, 0));
	/* beyond what is registered */
	EXPECT_EQ(-EFAULT, fixed(&r, IORING_OP_WRITE_FIXED, fd, self->c + MIB - 4096, 8192));
	expect_alive(_metadata, &self->l);
	close_handles(&self->l);
	memset(self->s, 0x7e, MIB);
	ASSERT_EQ(65536, fixed(&r, IORING_OP_WRITE_FIXED, fd, self->c, 65536));
	memset(self->s, 0, MIB);
	ASSERT_EQ(65536, fixed(&r, IORING_OP_READ_FIXED, fd, self->c, 65536));
	EXPECT_TRUE(filled(self->s, 65536, 0x7e));
	close(r.fd);
}

TEST_F(life, process_vm_readv_pins_it)
{
	unsigned char buf[8192];
	struct iovec to = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct iovec from = { .iov_base = self->c + 4096, .iov_len = sizeof(buf) };

	memset(self->s, 0x79, MIB);
	ASSERT_EQ((ssize_t)sizeof(buf), process_vm_readv(getpid(), &to, 1, &from, 1, 0));
	EXPECT_TRUE(filled(buf, sizeof(buf), 0x79));
}

TEST_F(life, o_direct)
{
	int fd = vt_open_direct();

	if (fd < 0)
		SKIP(return, "no file system or RAM disk here takes O_DIRECT");
	memset(self->s, 0x7a, MIB);
	ASSERT_EQ(MIB, pwrite(fd, self->c, MIB, 0));
	memset(self->s, 0, MIB);
	ASSERT_EQ(MIB, pread(fd, self->c, MIB, 0));
	EXPECT_TRUE(filled(self->s, MIB, 0x7a));
}

/* Reading needs no writable disk: this program's own file, if it lies on one. */
TEST_F(life, o_direct_read)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_DIRECT | O_CLOEXEC);
	int plain = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	unsigned char buf[65536];
	ssize_t n;

	if (fd < 0)
		SKIP(return, "the file system of this program does not take O_DIRECT");
	memset(self->s, 0, MIB);
	n = pread(fd, self->c, sizeof(buf), 0);
	ASSERT_LT(4096, n);
	ASSERT_EQ(n, pread(plain, buf, n, 0));
	EXPECT_EQ(0, memcmp(buf, self->s, n));
}

/* Populated: END_CONFIG takes the memory, touching it takes none. */

static long shmem_kib(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char line[128];
	long kib = -1;

	while (f && kib < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "Shmem: %ld kB", &kib) != 1)
			kib = -1;
	if (f)
		fclose(f);
	return kib;
}

#define BIG_KIB		(64L << 10)
#define NOISE_KIB	(8L << 10)	/* what others do meanwhile */

TEST(populated_at_end_config)
{
	long before = shmem_kib(), after;
	struct vt_link l;
	char *p;

	ASSERT_LT(0, before);
	vt_link_init(&l, 1);
	l.area = BIG_KIB << 10;
	ASSERT_EQ(0, vt_link_configure(&l));
	after = shmem_kib();
	EXPECT_LE(before + BIG_KIB - NOISE_KIB, after);
	p = vt_map(l.client, l.offset, l.size);
	ASSERT_NE(NULL, p);
	memset(p, 1, l.size);
	EXPECT_GE(after + NOISE_KIB, shmem_kib());
	ASSERT_EQ(0, munmap(p, l.size));
	ASSERT_EQ(0, close(l.client) | close(l.server));
	EXPECT_TRUE(VT_UNTIL(shmem_kib() <= before + NOISE_KIB));
	vt_baseline(_metadata);
}

/* The mapping outlives everybody. */

TEST_F(life, both_closed)
{
	memset(self->s, 0x21, MIB);
	ASSERT_EQ(EBUSY, vt_close(self->l.client));
	ASSERT_EQ(0, vt_close(self->l.server));
	EXPECT_TRUE(filled(self->c, MIB, 0x21));
	close_handles(&self->l);
	EXPECT_TRUE(filled(self->s, MIB, 0x21));
	memset(self->c, 0x22, MIB);
	EXPECT_TRUE(filled(self->s, MIB, 0x22));
}

static long module_users(void)
{
	FILE *f = fopen("/sys/module/vdi/refcnt", "re");
	long n = -1;

	if (f && fscanf(f, "%ld", &n) != 1)
		n = -1;
	if (f)
		fclose(f);
	return n;
}

/* With only a mapping left the module is free to go. */
TEST_F(life, mapping_does_not_hold_the_module)
{
	if (module_users() < 0)
		SKIP(return, "this kernel does not count the users of a module");
	EXPECT_LT(0, module_users());
	memset(self->s, 0x23, MIB);
	close_handles(&self->l);
	EXPECT_TRUE(VT_UNTIL(module_users() == 0));
	EXPECT_TRUE(filled(self->c, MIB, 0x23));
}

static int fill(struct vt_page *p)
{
	memset(p->map, p->arg, p->size);
	return 0;
}

/* A server whose client wrote its buffers and was killed, and the reverse. */
static void killed_peer(struct __test_metadata *_metadata, bool peer_serves)
{
	struct vt_peer peer = {};
	unsigned char *map;
	int fd, dev;

	ASSERT_TRUE(vt_peer_start(&peer));
	vt_name(peer.page->name);
	peer.page->size = MIB;
	fd = vt_open_node();
	if (peer_serves) {
		ASSERT_EQ(0, vt_create(fd, peer.page->name, 1));
		ASSERT_EQ(0, vt_peer(&peer, vt_do_open));
		ASSERT_EQ(0, vt_peer(&peer, vt_do_configure));
	} else {
		struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = MIB);

		ASSERT_EQ(0, vt_peer(&peer, vt_do_create));
		ASSERT_EQ(0, vt_open(fd, peer.page->name));
		ASSERT_EQ(0, vt_begin(fd));
		ASSERT_OK(fd, VDI_IOC_END_CONFIG, &e);
		peer.page->offset = e.out_offset;
	}
	peer.page->arg = 0;
	dev = vt_open_device(fd, peer.page->name);
	ASSERT_LE(0, dev);
	ASSERT_EQ(0, vt_peer(&peer, vt_do_open_device));
	ASSERT_EQ(0, vt_peer(&peer, vt_do_map));
	map = vt_map(fd, peer.page->offset, MIB);
	ASSERT_NE(NULL, map);
	peer.page->arg = 0x9e;
	ASSERT_EQ(0, vt_peer(&peer, fill));
	vt_peer_kill(&peer);
	vt_peer_stop(&peer);
	ASSERT_TRUE(VT_UNTIL(vt_state(fd) == VDI_STATE_ABORTED));
	EXPECT_TRUE(filled(map, MIB, 0x9e));
	memset(map, 0x9f, MIB);
	EXPECT_EQ(0, vt_close(fd));
	close(dev);
	close(fd);
	EXPECT_TRUE(filled(map, MIB, 0x9f));
	vt_baseline(_metadata);
}

TEST(client_killed_content_stays)
{
	killed_peer(_metadata, false);
}

TEST(server_killed_content_stays)
{
	killed_peer(_metadata, true);
}

/* 5.3 row 31: the module cannot be unloaded under a handle. */

static int unload(void)
{
	return syscall(SYS_delete_module, "vdi", O_NONBLOCK) ? errno : 0;
}

TEST_F(life, row_31_rmmod_with_handles_open_EAGAIN)
{
	if (unload() == ENOSYS)
		SKIP(return, "this kernel cannot unload modules");
	EXPECT_EQ(EAGAIN, unload());
	/* one device handle alone is enough */
	close(self->l.client);
	close(self->l.server);
	close(self->l.sdev[0]);
	EXPECT_EQ(EAGAIN, unload());
	EXPECT_EQ(VDI_DEVICE_ABORTED, vt_device_state(self->l.cdev[0]));
}

TEST_HARNESS_MAIN
