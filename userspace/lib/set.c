// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Set handles of both sides: their life, configuration, abort and Close.
 * Devices are in device.c, buffers in buffer.c, callbacks in agent.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "set.h"

/* The object takes @fd over if it gives 0. */
int libvdi_client_make(struct vdi_client **client, int fd)
{
	struct vdi_client *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->fd = fd;
	c->pid = getpid();
	pthread_mutex_init(&c->lock, NULL);
	*client = c;
	return 0;
}

int vdi_client_new(struct vdi_client **client)
{
	int err, fd;

	if (!client)
		return -EINVAL;
	*client = NULL;
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_client_make(client, fd);
	if (err)
		close(fd);
	return err;
}

/* Nobody else uses @client any more, so no lock: a fork may have left it held. */
void vdi_client_free(struct vdi_client *client)
{
	struct vdi_close arg = { .size = sizeof(arg) };
	struct vdi_client_device *dev;

	if (!client)
		return;
	if (client->pid != getpid())
		for (dev = client->devices; dev; dev = libvdi_client_device_next(dev))
			libvdi_gate_forked(libvdi_client_device_gate(dev));
	libvdi_ioctl(client->fd, VDI_IOC_CLOSE, &arg);
	libvdi_client_devices_shut(client);
	libvdi_client_devices_free(client);
	libvdi_area_unmap(&client->area);
	close(client->fd);
	free(client);
}

static int client_bind(struct vdi_client *client, unsigned long request, void *arg)
{
	int err;

	pthread_mutex_lock(&client->lock);
	err = libvdi_ioctl(client->fd, request, arg);
	if (!err)
		libvdi_client_devices_free(client);
	pthread_mutex_unlock(&client->lock);
	return err;
}

#define OPTIONS_FIRST_SIZE	offsetof(struct vdi_create_options, node_block_size)
#define OPTIONS_ALL		(VDI_CREATE_OPT_GID | VDI_CREATE_OPT_NODES)

/* The caller may know a shorter structure than this library. */
static int client_options(struct vdi_create *arg, const struct vdi_create_options *given)
{
	struct vdi_create_options options = { };

	if (given->size < OPTIONS_FIRST_SIZE)
		return -EINVAL;
	if (given->size > sizeof(options))
		return -EOPNOTSUPP;
	memcpy(&options, given, given->size);
	if (options.flags & ~OPTIONS_ALL)
		return -EOPNOTSUPP;
	if (options.flags & VDI_CREATE_OPT_GID)
		arg->flags |= VDI_CREATE_F_GID;
	if (options.flags & VDI_CREATE_OPT_NODES)
		arg->flags |= VDI_CREATE_F_NODES;
	arg->mode = options.mode;
	arg->gid = options.gid;
	arg->ring_depth = options.ring_depth;
	arg->stall_limit_ms = options.stall_limit_ms;
	arg->node_block_size = options.node_block_size;
	arg->node_transfer_size = options.node_transfer_size;
	arg->node_depth = options.node_depth;
	return 0;
}

int vdi_client_create_ex(struct vdi_client *client, const char *instance,
			 const char *name, const struct vdi_config *config,
			 const struct vdi_create_options *options)
{
	struct vdi_create arg = { .size = sizeof(arg) };
	int err;

	if (!client || !config)
		return -EINVAL;
	err = libvdi_copy_name(arg.name, name);
	if (!err)
		err = libvdi_copy_instance(arg.instance, instance);
	if (err)
		return err;
	arg.config = *config;
	err = options ? client_options(&arg, options) : 0;
	if (!err)
		err = client_bind(client, VDI_IOC_CREATE, &arg);
	/* the sizes are in a part of the structure that an older kernel does not know */
	return err == -E2BIG ? -EOPNOTSUPP : err;
}

int vdi_client_create(struct vdi_client *client, const char *name,
		      const struct vdi_config *config)
{
	return vdi_client_create_ex(client, NULL, name, config, NULL);
}

int vdi_client_open_secondary(struct vdi_client *client, const char *instance,
			      const char *name)
{
	struct vdi_open_secondary arg = { .size = sizeof(arg) };
	int err;

	if (!client)
		return -EINVAL;
	err = libvdi_copy_name(arg.name, name);
	if (!err)
		err = libvdi_copy_instance(arg.instance, instance);
	if (err)
		return err;
	return client_bind(client, VDI_IOC_OPEN_SECONDARY, &arg);
}

int vdi_client_get_config(struct vdi_client *client, int64_t timeout_ms,
			  struct vdi_config *config)
{
	struct vdi_get_config arg = { .size = sizeof(arg) };
	int err;

	if (!client || !config)
		return -EINVAL;
	arg.deadline_ns = libvdi_deadline(timeout_ms);
	err = libvdi_ioctl(client->fd, VDI_IOC_GET_CONFIG, &arg);
	if (err)
		return err;
	*config = arg.out_config;
	return 0;
}

int vdi_client_abort(struct vdi_client *client, uint32_t code, const char *text)
{
	return client ? libvdi_abort(client->fd, code, text) : -EINVAL;
}

int vdi_client_close(struct vdi_client *client)
{
	struct vdi_close arg = { .size = sizeof(arg) };
	int err;

	if (!client)
		return -EINVAL;
	pthread_mutex_lock(&client->lock);
	err = libvdi_ioctl(client->fd, VDI_IOC_CLOSE, &arg);
	/* Any other error means that nothing was done. */
	if (!err || err == -EBUSY) {
		libvdi_client_devices_shut(client);
		libvdi_area_unmap(&client->area);
		client->ring_depth = 0;
	}
	pthread_mutex_unlock(&client->lock);
	return err == -ENOTTY ? -EPROTO : err;
}

int vdi_client_stat(const struct vdi_client *client, struct vdi_set_stat *stat,
		    size_t size)
{
	return client ? libvdi_stat(client->fd, stat, size) : -EINVAL;
}

int vdi_client_fd(const struct vdi_client *client)
{
	return client ? client->fd : -EINVAL;
}

int vdi_client_exchange(struct vdi_client *client,
			const struct vdi_completion *in, unsigned int nr_in,
			struct vdi_command *out, unsigned int nr_out,
			int64_t timeout_ms, struct vdi_batch *batch)
{
	if (!client)
		return -EINVAL;
	return libvdi_exchange(client->fd, in, nr_in, out, nr_out, timeout_ms, batch);
}

/* The object takes @fd over if it gives 0. */
int libvdi_server_make(struct vdi_server **server, int fd)
{
	struct vdi_server *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->fd = fd;
	s->pid = getpid();
	pthread_mutex_init(&s->config_lock, NULL);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->agent_ended, NULL);
	s->refs = 1;
	*server = s;
	return 0;
}

/* Of a new object: gives the descriptor back. */
void libvdi_server_unmake(struct vdi_server *server)
{
	libvdi_area_unmap(&server->area);
	free(server);
}

int vdi_server_new(struct vdi_server **server)
{
	int err, fd;

	if (!server)
		return -EINVAL;
	*server = NULL;
	fd = libvdi_open_node();
	if (fd < 0)
		return fd;
	err = libvdi_server_make(server, fd);
	if (err)
		close(fd);
	return err;
}

static void server_destroy(struct vdi_server *server)
{
	libvdi_server_release(server);
	libvdi_server_devices_free(server);
	libvdi_pool_drop(&server->wanted);
	close(server->fd);
	free(server->sent);
	free(server);
}

void libvdi_server_get(struct vdi_server *server)
{
	__atomic_add_fetch(&server->refs, 1, __ATOMIC_RELAXED);
}

void libvdi_server_put(struct vdi_server *server)
{
	if (__atomic_sub_fetch(&server->refs, 1, __ATOMIC_ACQ_REL) == 0)
		server_destroy(server);
}

/*
 * In a forked child the locks and the agent are the parent's, and may be held
 * or run for ever here: only the copies of memory and descriptors go.
 */
void vdi_server_free(struct vdi_server *server)
{
	struct vdi_server_device *dev;

	if (!server)
		return;
	if (server->pid != getpid()) {
		for (dev = server->devices; dev; dev = dev->next)
			libvdi_gate_forked(&dev->gate);
		server_destroy(server);
		return;
	}
	vdi_server_close(server);
	libvdi_server_put(server);
}

int vdi_server_open(struct vdi_server *server, const char *instance,
		    const char *name)
{
	struct vdi_open arg = { .size = sizeof(arg) };
	int err;

	if (!server)
		return -EINVAL;
	err = libvdi_copy_name(arg.name, name);
	if (!err)
		err = libvdi_copy_instance(arg.instance, instance);
	if (err)
		return err;
	pthread_mutex_lock(&server->lock);
	err = libvdi_ioctl(server->fd, VDI_IOC_OPEN, &arg);
	if (!err)
		server->state = LIBVDI_CONNECTED;
	pthread_mutex_unlock(&server->lock);
	return err;
}

static int server_config(struct vdi_server *server, struct vdi_config *config)
{
	struct vdi_get_config arg = { .size = sizeof(arg) };
	int err = libvdi_ioctl(server->fd, VDI_IOC_GET_CONFIG, &arg);

	if (!err)
		*config = arg.out_config;
	return err;
}

int vdi_server_get_config(struct vdi_server *server, struct vdi_config *config)
{
	if (!server || !config)
		return -EINVAL;
	return server_config(server, config);
}

int vdi_server_begin_config(struct vdi_server *server,
			    const struct vdi_config *config)
{
	struct vdi_begin_config arg = { .size = sizeof(arg) };
	struct vdi_config final;
	int err;

	if (!server || !config)
		return -EINVAL;
	arg.features = config->features;
	arg.block_size = config->block_size;
	arg.alignment = config->alignment;
	arg.max_transfer_size = config->max_transfer_size;

	pthread_mutex_lock(&server->config_lock);
	err = libvdi_ioctl(server->fd, VDI_IOC_BEGIN_CONFIG, &arg);
	if (!err)
		err = server_config(server, &final);
	if (!err) {
		server->pool.alignment = final.alignment;
		server->pool.prefix = final.prefix_zone_size;
		server->wanted = server->pool;
	}
	pthread_mutex_unlock(&server->config_lock);
	return err;
}

/* VDI_STATE_* as the server may use it, or -errno. */
int libvdi_server_state(struct vdi_server *server)
{
	struct vdi_status arg = { .size = sizeof(arg) };
	int err;

	err = libvdi_ioctl(server->fd, VDI_IOC_STATUS, &arg);
	if (err)
		return err;
	return arg.out_draining ? -EPROTO : (int)arg.out_stat.state;
}

int vdi_server_set_hint(struct vdi_server *server, uint64_t bytes)
{
	struct vdi_set_hint arg = { .size = sizeof(arg), .bytes = bytes };

	return server ? libvdi_ioctl(server->fd, VDI_IOC_SET_HINT, &arg) : -EINVAL;
}

int vdi_server_abort(struct vdi_server *server, uint32_t code, const char *text)
{
	return server ? libvdi_abort(server->fd, code, text) : -EINVAL;
}

/* After the last callback: everything but what vdi_server_free() needs. */
void libvdi_server_release(struct vdi_server *server)
{
	struct vdi_server_device *dev;

	for (dev = server->devices; dev; dev = dev->next)
		libvdi_gate_shut(&dev->gate, -EPROTO);
	libvdi_pool_drop(&server->pool);
	libvdi_area_unmap(&server->area);
}

int vdi_server_close(struct vdi_server *server)
{
	struct vdi_close arg = { .size = sizeof(arg) };
	int err = -EPROTO;

	if (!server)
		return -EINVAL;
	libvdi_server_get(server);
	pthread_mutex_lock(&server->lock);
	if (server->state == LIBVDI_UNBOUND || server->state == LIBVDI_CLOSED)
		goto unlock;
	err = libvdi_ioctl(server->fd, VDI_IOC_CLOSE, &arg);
	if (err == -ENOTTY) {
		err = -EPROTO;
		goto unlock;
	}
	/* -EPROTO only reports that devices were open. */
	if (!err || err == -EPROTO) {
		server->state = LIBVDI_CLOSED;
		libvdi_agent_finish(server);
	}
unlock:
	pthread_mutex_unlock(&server->lock);
	libvdi_server_put(server);
	return err;
}

int vdi_server_stat(const struct vdi_server *server, struct vdi_set_stat *stat,
		    size_t size)
{
	return server ? libvdi_stat(server->fd, stat, size) : -EINVAL;
}

int vdi_server_fd(const struct vdi_server *server)
{
	return server ? server->fd : -EINVAL;
}

int vdi_server_exchange(struct vdi_server *server,
			const struct vdi_command *in, unsigned int nr_in,
			struct vdi_completion *out, unsigned int nr_out,
			int64_t timeout_ms, struct vdi_batch *batch)
{
	if (!server)
		return -EINVAL;
	return libvdi_exchange(server->fd, in, nr_in, out, nr_out, timeout_ms, batch);
}
