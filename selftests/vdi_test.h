/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What all test programs share: the ioctl wrapper that logs each errno it sees,
 * small builders of valid calls, the fixtures handle, set, pair and device, and
 * the check that nothing is left in the module when a test ends.
 *
 * Expectations do not belong here: each test types its own from the
 * specification.  Processes in other users are in child.h.
 */
#ifndef VDI_TEST_H
#define VDI_TEST_H

#include "kselftest_harness.h"

#include "select.h"

#include <fcntl.h>
#include <linux/vdi.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* Debug kernels under emulation are slow; the harness's 30 s are for others. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	180

#define VT_COUNTERS	"/sys/kernel/debug/vdi/counters"
#define VT_PARAMETERS	"/sys/module/vdi/parameters/"
#define VT_POISON	0xAA
#define VT_TRANSFER	65536U
#define VT_SEC		1000000000ULL

/* The one place where time limits grow for slow kernels. */
static inline unsigned int vt_scale(void)
{
	const char *s = getenv("VDI_TEST_SCALE");
	int n = s ? atoi(s) : 1;

	return n > 0 ? n : 1;
}

static inline uint64_t vt_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * VT_SEC + ts.tv_nsec;
}

/* An exact deadline, for waits that shall expire. */
static inline uint64_t vt_in_ms(unsigned int ms)
{
	return vt_now() + ms * 1000000ULL;
}

/* How soon a sleeper must learn of an abort, and how long we wait at all. */
#define VT_SOON_NS	(VT_SEC * vt_scale())
#define VT_LONG		(vt_now() + 20 * VT_SEC * vt_scale())

/* Polls @cond until it holds or time is up; false: it never held. */
#define VT_UNTIL(cond) ({						\
	uint64_t _end = vt_now() + 5 * VT_SEC * vt_scale();		\
	bool _held;							\
	while (!(_held = (cond)) && vt_now() < _end)			\
		poll(NULL, 0, 1);					\
	_held;								\
})

/*
 * The log of errnos: "IOCTL ERRNO" for each failure, once in a process, to be
 * compared with the header's documentation.  Opened before main(), so that
 * children in other users can write to it too.
 */
static int vt_log_fd = -1;

static void __attribute__((constructor)) vt_open_log(void)
{
	const char *path = getenv("VDI_ERRNO_LOG");
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	signal(SIGPIPE, SIG_IGN);	/* a child that ended early is a failed check */
	if (path)
		vt_log_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
}

static inline const char *vt_ioctl_name(unsigned long req)
{
	static const char * const names[] = {
		[0x00] = "GET_INFO", [0x01] = "CREATE", [0x02] = "OPEN",
		[0x03] = "OPEN_SECONDARY", [0x04] = "GET_CONFIG",
		[0x05] = "BEGIN_CONFIG", [0x06] = "END_CONFIG",
		[0x07] = "GROW_AREA", [0x08] = "OPEN_DEVICE", [0x09] = "STATUS",
		[0x0a] = "SET_HINT", [0x0b] = "EXCHANGE", [0x0c] = "ABORT",
		[0x0d] = "CLOSE", [0x0e] = "ADOPT", [0x0f] = "LIST", [0x10] = "STAT_NAME",
		[0x11] = "ABORT_NAME", [0x12] = "CLOSE_DEVICE",
		[0x13] = "DEVICE_STATUS",
	};
	unsigned int nr = req & 0xff;

	if ((req & ~0xffUL) != _IO(VDI_IOC_TYPE, 0) || nr >= ARRAY_SIZE(names) || !names[nr])
		return NULL;
	return names[nr];
}

/* ENOTTY is the answer to what is no ioctl of the file, EBADF to no file: nobody's. */
static inline void vt_log_errno(unsigned long req, int err)
{
	static unsigned char seen[256][256];
	const char *name = vt_ioctl_name(req);
	char line[64];
	int n;

	if (vt_log_fd < 0 || !name || err == ENOTTY || err == EBADF || seen[req & 0xff][err & 0xff])
		return;
	seen[req & 0xff][err & 0xff] = 1;
	n = snprintf(line, sizeof(line), "%s %s\n", name, strerrorname_np(err));
	if (write(vt_log_fd, line, n) != n)
		perror("VDI_ERRNO_LOG");
}

/* The raw ioctl: -1 and errno on failure.  A refused record counts as seen. */
static inline int xioctl(int fd, unsigned long req, void *arg)
{
	int ret = ioctl(fd, req, arg);
	int err = errno;

	if (ret < 0)
		vt_log_errno(req, err);
	else if (req == VDI_IOC_EXCHANGE && ((struct vdi_exchange *)arg)->out_refused)
		vt_log_errno(req, ((struct vdi_exchange *)arg)->out_refused);
	errno = err;
	return ret;
}

/* The same as a number: 0 or the errno. */
static inline int vt_call(int fd, unsigned long req, void *arg)
{
	int ret = xioctl(fd, req, arg);

	return ret < 0 ? errno : ret == 0 ? 0 : -ret;
}

/* A call of the structure's whole size that fails so, and changes no output. */
#define __VT_ERRNO(check, err, fd, req, arg) do {			\
	__typeof__(*(arg)) _before = *(arg);				\
	check##_EQ((err), vt_call(fd, req, arg));			\
	check##_EQ(0, memcmp(&_before, arg, sizeof(_before))) {		\
		TH_LOG("%s changed an output on error", #req);		\
	}								\
} while (0)
#define EXPECT_ERRNO(err, fd, req, arg)	__VT_ERRNO(EXPECT, err, fd, req, arg)
#define ASSERT_ERRNO(err, fd, req, arg)	__VT_ERRNO(ASSERT, err, fd, req, arg)
#define EXPECT_OK(fd, req, arg)		EXPECT_EQ(0, vt_call(fd, req, arg))
#define ASSERT_OK(fd, req, arg)		ASSERT_EQ(0, vt_call(fd, req, arg))

/* Makes an output recognisable, to see that a call wrote it or left it alone. */
#define VT_POISON_FIELD(field)	memset(&(field), VT_POISON, sizeof(field))

static inline bool vt_poisoned(const void *p, size_t len)
{
	const unsigned char *c = p;

	while (len--)
		if (*c++ != VT_POISON)
			return false;
	return true;
}

/* Valid calls, to be bent by the tests. */
#define VT_INIT(type, ...)	((struct type){ .size = sizeof(struct type), ##__VA_ARGS__ })

static inline int vt_open_node(void)
{
	return open(VDI_DEVICE_NODE, O_RDWR | O_CLOEXEC);
}

/* A name that no other test of this run has; also in children. */
static inline void vt_name(char *name)
{
	static int counter;

	snprintf(name, VDI_NAME_SIZE, "vdi-test-%d-%d", getpid(), ++counter);
}

static inline struct vdi_create vt_create_args(const char *name, unsigned int devices)
{
	struct vdi_create c = VT_INIT(vdi_create, .config.device_count = devices);

	snprintf(c.name, sizeof(c.name), "%s", name);
	return c;
}

static inline int vt_create(int fd, const char *name, unsigned int devices)
{
	struct vdi_create c = vt_create_args(name, devices);

	return vt_call(fd, VDI_IOC_CREATE, &c);
}

static inline int vt_open(int fd, const char *name)
{
	struct vdi_open o = VT_INIT(vdi_open);

	snprintf(o.name, sizeof(o.name), "%s", name);
	return vt_call(fd, VDI_IOC_OPEN, &o);
}

static inline int vt_open_secondary(int fd, const char *name)
{
	struct vdi_open_secondary o = VT_INIT(vdi_open_secondary);

	snprintf(o.name, sizeof(o.name), "%s", name);
	return vt_call(fd, VDI_IOC_OPEN_SECONDARY, &o);
}

static inline int vt_begin(int fd)
{
	struct vdi_begin_config b = VT_INIT(vdi_begin_config, .features = VDI_FEAT_WRITE_MEDIA);

	return vt_call(fd, VDI_IOC_BEGIN_CONFIG, &b);
}

static inline int vt_end(int fd, uint64_t area)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config, .area_size = area);

	return vt_call(fd, VDI_IOC_END_CONFIG, &e);
}

/* The new descriptor, or the negative errno. */
static inline int vt_open_device(int fd, const char *name)
{
	struct vdi_open_device o = VT_INIT(vdi_open_device);
	int err;

	snprintf(o.name, sizeof(o.name), "%s", name);
	err = vt_call(fd, VDI_IOC_OPEN_DEVICE, &o);
	return err ? -err : o.out_fd;
}

static inline int vt_get_config(int fd, uint64_t deadline)
{
	struct vdi_get_config g = VT_INIT(vdi_get_config, .deadline_ns = deadline);

	return vt_call(fd, VDI_IOC_GET_CONFIG, &g);
}

static inline int vt_abort(int fd)
{
	struct vdi_abort a = VT_INIT(vdi_abort);

	return vt_call(fd, VDI_IOC_ABORT, &a);
}

static inline int vt_close(int fd)
{
	struct vdi_close c = VT_INIT(vdi_close);

	return vt_call(fd, VDI_IOC_CLOSE, &c);
}

static inline int vt_adopt(int fd)
{
	struct vdi_adopt a = VT_INIT(vdi_adopt);

	return vt_call(fd, VDI_IOC_ADOPT, &a);
}

static inline int vt_close_device(int fd)
{
	struct vdi_close_device c = VT_INIT(vdi_close_device);

	return vt_call(fd, VDI_IOC_CLOSE_DEVICE, &c);
}

static inline int vt_status(int fd, struct vdi_status *s)
{
	*s = VT_INIT(vdi_status);
	return vt_call(fd, VDI_IOC_STATUS, s);
}

/* STATUS of whatever handle, whoever owns it. */
static inline int vt_look(int fd, struct vdi_status *s)
{
	*s = VT_INIT(vdi_status, .flags = VDI_STATUS_F_FOREIGN);
	return vt_call(fd, VDI_IOC_STATUS, s);
}

/* VDI_STATE_*, or the negative errno. */
static inline int vt_state(int fd)
{
	struct vdi_status s;
	int err = vt_status(fd, &s);

	return err ? -err : (int)s.out_stat.state;
}

/* VDI_DEVICE_*, or the negative errno. */
static inline int vt_device_state(int fd)
{
	struct vdi_device_status s = VT_INIT(vdi_device_status);
	int err = vt_call(fd, VDI_IOC_DEVICE_STATUS, &s);

	return err ? -err : (int)s.out_state;
}

/* EXCHANGE with everything named; @x holds the outputs if it gives 0. */
static inline int vt_exchange(int fd, struct vdi_exchange *x, void *in, unsigned int nr_in,
			      void *out, unsigned int nr_out, unsigned int min,
			      uint64_t deadline)
{
	*x = VT_INIT(vdi_exchange, .in = (uintptr_t)in, .nr_in = nr_in,
		     .out = (uintptr_t)out, .nr_out = nr_out, .min = min,
		     .deadline_ns = deadline);
	return vt_call(fd, VDI_IOC_EXCHANGE, x);
}

/* One record each way: server sends and collects, client gets and completes. */
static inline int vt_send(int fd, unsigned int device, unsigned int code, uint64_t id)
{
	struct vdi_command c = { .device = device, .code = code, .id = id };
	struct vdi_exchange x;

	return vt_exchange(fd, &x, &c, 1, NULL, 0, 0, 0);
}

static inline int vt_collect(int fd, struct vdi_completion *c, uint64_t deadline)
{
	struct vdi_exchange x;

	memset(c, VT_POISON, sizeof(*c));
	return vt_exchange(fd, &x, NULL, 0, c, 1, 1, deadline);
}

static inline int vt_get(int fd, struct vdi_command *c, uint64_t deadline)
{
	struct vdi_exchange x;

	memset(c, VT_POISON, sizeof(*c));
	return vt_exchange(fd, &x, NULL, 0, c, 1, 1, deadline);
}

static inline int vt_complete(int fd, unsigned int device, uint64_t id, unsigned int code,
			      uint64_t result)
{
	struct vdi_completion c = { .device = device, .code = code, .id = id, .result = result };
	struct vdi_exchange x;

	return vt_exchange(fd, &x, &c, 1, NULL, 0, 0, 0);
}

/* poll() now, without waiting. */
static inline int vt_poll(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	return poll(&p, 1, 0) < 0 ? -errno : p.revents;
}

/* The value of a line of the counters file, or -1 if there is none so. */
static inline long long vt_counter(const char *name)
{
	FILE *f = fopen(VT_COUNTERS, "re");
	long long value, found = -1;
	char key[64];

	while (f && fscanf(f, "%63s %lld", key, &value) == 2)
		if (!strcmp(key, name))
			found = value;
	if (f)
		fclose(f);
	return found;
}

/* The first current counter that is not 0; NULL if all are and there are any. */
static inline const char *vt_left_over(void)
{
	static char key[64];
	FILE *f = fopen(VT_COUNTERS, "re");
	long long value;
	int lines = 0;

	if (!f)
		return "no file " VT_COUNTERS;
	while (fscanf(f, "%63s %lld", key, &value) == 2) {
		if (!strncmp(key, "total_", 6))
			continue;
		lines++;
		if (value) {
			fclose(f);
			return key;
		}
	}
	fclose(f);
	return lines ? NULL : "empty " VT_COUNTERS;
}

/*
 * Closes whatever the test left open, so that one failure does not spoil the
 * next test, and waits until the module has freed everything: some of it is
 * freed late, after a grace period of the mmu notifier.
 */
static inline void vt_baseline(struct __test_metadata *_metadata)
{
	const char *left = NULL;

	_metadata->trigger = 0;		/* a failed ASSERT leaves it set */
	if (vt_log_fd < 0) {
		close_range(3, ~0U, 0);
	} else {
		if (vt_log_fd > 3)
			close_range(3, vt_log_fd - 1, 0);
		close_range(vt_log_fd + 1, ~0U, 0);
	}
	EXPECT_TRUE(VT_UNTIL(!(left = vt_left_over()))) {
		TH_LOG("left over in the module: %s", left);
	}
}

/* handle: an unbound set handle. */
FIXTURE(handle) {
	int fd;
};

FIXTURE_SETUP(handle)
{
	self->fd = vt_open_node();
	ASSERT_LE(0, self->fd) {
		TH_LOG("open %s: %s", VDI_DEVICE_NODE, strerror(errno));
	}
}

FIXTURE_TEARDOWN(handle)
{
	vt_baseline(_metadata);
}

/* set: a set of one device, created by a client; nobody else is there yet. */
FIXTURE(set) {
	char name[VDI_NAME_SIZE];
	int client;
};

FIXTURE_SETUP(set)
{
	vt_name(self->name);
	self->client = vt_open_node();
	ASSERT_LE(0, self->client);
	ASSERT_EQ(0, vt_create(self->client, self->name, 1));
}

FIXTURE_TEARDOWN(set)
{
	vt_baseline(_metadata);
}

/* pair: a server as well, nothing configured. */
FIXTURE(pair) {
	char name[VDI_NAME_SIZE];
	int client;
	int server;
};

FIXTURE_SETUP(pair)
{
	vt_name(self->name);
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_LE(0, self->client);
	ASSERT_LE(0, self->server);
	ASSERT_EQ(0, vt_create(self->client, self->name, 1));
	ASSERT_EQ(0, vt_open(self->server, self->name));
}

FIXTURE_TEARDOWN(pair)
{
	vt_baseline(_metadata);
}

/*
 * device: configured, one buffer of VT_TRANSFER bytes for each of the devices,
 * which are all open on both sides.  Device 0 has the set's name, the others
 * "NAME.INDEX".
 */
FIXTURE(device) {
	char name[VDI_NAME_SIZE];
	int client;
	int server;
	int n;
	int cdev[VDI_MAX_DEVICES];
	int sdev[VDI_MAX_DEVICES];
	uint64_t area_offset;
	uint64_t area_size;
};

FIXTURE_VARIANT(device) {
	int devices;
};

FIXTURE_VARIANT_ADD(device, one) {
	.devices = 1,
};

FIXTURE_VARIANT_ADD(device, sixtyfour) {
	.devices = 64,
};

static inline void vt_device_name(char *to, const char *set, int index)
{
	if (index)
		snprintf(to, VDI_NAME_SIZE, "%.200s.%d", set, index);
	else
		snprintf(to, VDI_NAME_SIZE, "%s", set);
}

FIXTURE_SETUP(device)
{
	struct vdi_end_config e = VT_INIT(vdi_end_config);
	char name[VDI_NAME_SIZE];
	int i;

	self->n = variant->devices;
	vt_name(self->name);
	self->client = vt_open_node();
	self->server = vt_open_node();
	ASSERT_LE(0, self->client);
	ASSERT_LE(0, self->server);
	ASSERT_EQ(0, vt_create(self->client, self->name, self->n));
	ASSERT_EQ(0, vt_open(self->server, self->name));
	ASSERT_EQ(0, vt_begin(self->server));
	e.area_size = (uint64_t)self->n * VT_TRANSFER;
	ASSERT_OK(self->server, VDI_IOC_END_CONFIG, &e);
	self->area_offset = e.out_offset;
	self->area_size = e.out_size;
	for (i = 0; i < self->n; i++) {
		vt_device_name(name, self->name, i);
		self->sdev[i] = vt_open_device(self->server, name);
		ASSERT_LE(0, self->sdev[i]);
		self->cdev[i] = vt_open_device(self->client, name);
		ASSERT_LE(0, self->cdev[i]);
	}
}

FIXTURE_TEARDOWN(device)
{
	vt_baseline(_metadata);
}

#endif /* VDI_TEST_H */
