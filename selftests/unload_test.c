// SPDX-License-Identifier: GPL-2.0-only
/*
 * libvdi is not unloaded under a completion agent: a program that has loaded it
 * with dlopen(), as a plug-in would, lets go of it while the agent runs (4.7).
 * This program is not linked with libvdi: it has no other hold on it.
 */
#include <dlfcn.h>

#include "liblink.h"

#define LIBVDI	"libvdi.so.1"

struct plugin {
	void *loaded;
	int (*new)(struct vdi_server **server);
	int (*open)(struct vdi_server *server, const char *instance, const char *name);
	int (*begin_config)(struct vdi_server *server, const struct vdi_config *config);
	int (*end_config)(struct vdi_server *server);
	int (*open_device)(struct vdi_server *server, const char *name,
			   struct vdi_server_device **device);
	int (*send_command)(struct vdi_server_device *device, struct vdi_server_command *command);
	int (*run_agent)(struct vdi_server *server);
	int (*device_fd)(const struct vdi_server_device *device);
	int (*fd)(const struct vdi_server *server);
	struct vdi_server *server;
	atomic_int tid;
	atomic_bool done;
	int ret;
};

static bool load(struct plugin *p)
{
	static const char * const names[] = {
		"vdi_server_new", "vdi_server_open", "vdi_server_begin_config",
		"vdi_server_end_config", "vdi_server_open_device", "vdi_server_send_command",
		"vdi_server_run_agent", "vdi_server_device_fd", "vdi_server_fd",
	};
	void **to = (void **)&p->new;
	unsigned int i;

	p->loaded = dlopen(LIBVDI, RTLD_NOW | RTLD_LOCAL);
	for (i = 0; p->loaded && i < ARRAY_SIZE(names); i++) {
		to[i] = dlsym(p->loaded, names[i]);
		if (!to[i])
			return false;
	}
	return p->loaded;
}

static bool is_mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	while (f && fgets(line, sizeof(line), f))
		found = found || strstr(line, "/libvdi.so");
	if (f)
		fclose(f);
	return found;
}

static void *agent(void *arg)
{
	struct plugin *p = arg;

	atomic_store(&p->tid, syscall(SYS_gettid));
	p->ret = p->run_agent(p->server);
	atomic_store(&p->done, true);
	return NULL;
}

/* A set with its client here, over the ioctls, and the agent asleep. */
static int start(struct plugin *p, pthread_t *thread, int *client,
		 struct vdi_server_device **dev)
{
	struct vdi_config begin = { .features = VDI_FEAT_WRITE_MEDIA };
	char name[VDI_NAME_SIZE];

	vt_name(name);
	*client = vt_open_node();
	return vt_create(*client, name, 1) ?: p->new(&p->server) ?:
	       p->open(p->server, NULL, name) ?: p->begin_config(p->server, &begin) ?:
	       p->end_config(p->server) ?: p->open_device(p->server, name, dev) ?:
	       pthread_create(thread, NULL, agent, p) ?:
	       VT_UNTIL(atomic_load(&p->tid) && vt_asleep_now(atomic_load(&p->tid))) - 1 ?:
	       vt_open_device(*client, name);
}

/* In a child, for without its library an agent dies of SIGSEGV. */
static int unloads(struct vt_child *me, void *arg)
{
	struct vdi_server_device *dev;
	struct plugin p = {};
	struct lib_call call;
	struct vdi_command c;
	int client, cdev, sdev;
	pthread_t t;

	(void)me;
	(void)arg;
	if (is_mapped())
		return 1;
	if (!load(&p) || !is_mapped())
		return 2;
	cdev = start(&p, &t, &client, &dev);
	if (cdev < 0)
		return 3;
	if (p.send_command(dev, lib_command(&call, VDI_CMD_FLUSH)))
		return 4;
	sdev = p.device_fd(dev);
	if (dlclose(p.loaded))
		return 5;
	if (!is_mapped())
		return 6;
	/* the agent goes on: a callback, and its end with the last device */
	if (vt_get(cdev, &c, VT_LONG) || vt_complete(cdev, 0, c.id, 0, 0) || !lib_called(&call))
		return 7;
	if (vt_close_device(sdev) || !VT_UNTIL(atomic_load(&p.done)) || p.ret)
		return 8;
	pthread_join(t, NULL);
	return 0;
}

TEST(dlclose_under_an_agent)
{
	struct vt_child child;

	ASSERT_TRUE(vt_start(&child, VT_ROOT, VT_ROOT, unloads, NULL));
	EXPECT_EQ(0, vt_finish(&child));
	vt_baseline(_metadata);
}

TEST_HARNESS_MAIN
