// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Handles that change their process: after fork, where the objects were copied
 * along, and by descriptor passing, where they are made anew.
 *
 * The kernel keeps mappings from a child.  They are put back at the addresses
 * that they have in the parent, so that buffers of commands that are under way,
 * and of the server's pool, stay where the program knows them.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "set.h"

static int adopt(int fd)
{
	struct vdi_adopt arg = { .size = sizeof(arg) };

	return libvdi_ioctl(fd, VDI_IOC_ADOPT, &arg);
}

static int adopt_gate(struct libvdi_gate *gate)
{
	struct vdi_adopt arg = { .size = sizeof(arg) };

	return libvdi_gate_ioctl(gate, VDI_IOC_ADOPT, &arg);
}

/* VDI_ROLE_* of a handle of either kind that is ours, or -errno. */
static int role_of(int fd)
{
	struct vdi_status arg = { .size = sizeof(arg) };
	int err = libvdi_ioctl(fd, VDI_IOC_STATUS, &arg);

	return err ? err : (int)arg.out_role;
}

static bool is_foreign(int fd)
{
	return role_of(fd) == -EIO;
}

/* The handle alone: the memory follows when all of them are ours. */
static int client_device(struct vdi_client_device *device)
{
	struct libvdi_gate *gate = libvdi_client_device_gate(device);

	/* Calls that the parent's threads were in are not here. */
	if (is_foreign(gate->fd))
		libvdi_client_device_forked(device);
	return adopt_gate(gate);
}

int vdi_client_adopt(struct vdi_client *client)
{
	struct vdi_client_device *dev;
	int err;

	if (!client)
		return -EINVAL;
	/* A thread that fork did not copy may have held it. */
	if (is_foreign(client->fd))
		pthread_mutex_init(&client->lock, NULL);
	err = adopt(client->fd);
	if (!err)
		client->pid = getpid();
	for (dev = client->devices; dev && !err; dev = libvdi_client_device_next(dev))
		if (!libvdi_gate_is_shut(libvdi_client_device_gate(dev)))
			err = client_device(dev);
	return err ? err : libvdi_area_restore(&client->area, client->fd);
}

int vdi_client_device_adopt(struct vdi_client_device *device)
{
	int err;

	if (!device)
		return -EINVAL;
	err = client_device(device);
	return err ? err : libvdi_area_restore(libvdi_client_device_area(device),
					       libvdi_client_device_gate(device)->fd);
}

static int server_device(struct vdi_server_device *device)
{
	if (is_foreign(device->gate.fd))
		libvdi_gate_forked(&device->gate);
	return adopt_gate(&device->gate);
}

/* Buffers without their memory would be somebody else's. */
static int server_area(struct vdi_server *server, int fd)
{
	int err = libvdi_area_restore(&server->area, fd);

	if (err)
		libvdi_pool_drop(&server->pool);
	return err;
}

int vdi_server_adopt(struct vdi_server *server)
{
	struct vdi_server_device *dev;
	int err;

	if (!server)
		return -EINVAL;
	if (is_foreign(server->fd)) {
		pthread_mutex_init(&server->config_lock, NULL);
		pthread_mutex_init(&server->lock, NULL);
		pthread_cond_init(&server->agent_ended, NULL);
		server->agent_runs = false;
		server->refs = 1;
	}
	err = adopt(server->fd);
	if (!err)
		server->pid = getpid();
	for (dev = server->devices; dev && !err; dev = dev->next) {
		if (libvdi_gate_is_shut(&dev->gate))
			continue;
		err = server_device(dev);
		dev->worker = false;
	}
	return err ? err : server_area(server, server->fd);
}

int vdi_server_device_adopt(struct vdi_server_device *device)
{
	int err;

	if (!device)
		return -EINVAL;
	/* Its completions would have no agent here. */
	if (is_foreign(device->server->fd))
		device->worker = true;
	err = server_device(device);
	return err ? err : server_area(device->server, device->gate.fd);
}

/*
 * Looks at a descriptor that was passed, and adopts it if it is bound.  Gives
 * its role, 0 for one that is not bound.
 */
static int receive(int fd, bool device)
{
	struct vdi_device_status status = { .size = sizeof(status) };
	struct vdi_get_info info = { .size = sizeof(info) };
	int err;

	if (!device)
		err = libvdi_ioctl(fd, VDI_IOC_GET_INFO, &info);
	else
		err = libvdi_ioctl(fd, VDI_IOC_DEVICE_STATUS, &status);
	if (err && err != -EIO)
		return err == -EBADF ? err : -ENODEV;
	err = adopt(fd);
	if (err == -EPROTO && !device)
		return VDI_ROLE_NONE;
	return err ? err : role_of(fd);
}

int vdi_client_new_from_fd(struct vdi_client **client, int fd)
{
	int role;

	if (!client)
		return -EINVAL;
	*client = NULL;
	role = receive(fd, false);
	if (role < 0)
		return role;
	if (role == VDI_ROLE_SERVER)
		return -EPROTO;
	return libvdi_client_make(client, fd);
}

int vdi_client_new_from_device_fd(struct vdi_client **client,
				  struct vdi_client_device **device, int fd)
{
	int copy, err, role;

	if (!client || !device)
		return -EINVAL;
	*client = NULL;
	*device = NULL;
	role = receive(fd, true);
	if (role < 0)
		return role;
	if (role == VDI_ROLE_SERVER)
		return -EPROTO;
	/* What a device handle knows of its set stands in for the set handle. */
	copy = libvdi_dup(fd);
	if (copy < 0)
		return copy;
	err = libvdi_client_make(client, copy);
	if (err) {
		close(copy);
		return err;
	}
	err = libvdi_client_add_device(*client, fd, device);
	if (err) {
		vdi_client_free(*client);
		*client = NULL;
	}
	return err;
}

/* The server as the kernel knows it; the buffers that there are have no pool here. */
static int server_resume(struct vdi_server *server)
{
	struct vdi_get_config arg = { .size = sizeof(arg) };
	int err, state = libvdi_server_state(server);

	if (state < 0)
		return state == -EPROTO ? 0 : state;
	err = libvdi_ioctl(server->fd, VDI_IOC_GET_CONFIG, &arg);
	/* Aborted: there is still Close to be called. */
	if (err == -ECANCELED) {
		server->state = LIBVDI_CONFIGURED;
		return 0;
	}
	if (err)
		return err;
	server->pool.alignment = arg.out_config.alignment;
	server->pool.prefix = arg.out_config.prefix_zone_size;
	server->wanted = server->pool;
	server->state = LIBVDI_CONNECTED;
	if (state < VDI_STATE_INITIALIZING)
		return 0;
	server->state = LIBVDI_CONFIGURED;
	return libvdi_area_update(&server->area, server->fd);
}

static int server_from(struct vdi_server **server, int fd, int role)
{
	int err;

	if (role != VDI_ROLE_SERVER && role != VDI_ROLE_NONE)
		return -EPROTO;
	err = libvdi_server_make(server, fd);
	if (err || role == VDI_ROLE_NONE)
		return err;
	err = server_resume(*server);
	if (err) {
		libvdi_server_unmake(*server);
		*server = NULL;
	}
	return err;
}

int vdi_server_new_from_fd(struct vdi_server **server, int fd)
{
	int role;

	if (!server)
		return -EINVAL;
	*server = NULL;
	role = receive(fd, false);
	return role < 0 ? role : server_from(server, fd, role);
}

int vdi_server_new_from_device_fd(struct vdi_server **server,
				  struct vdi_server_device **device, int fd)
{
	int copy, err, role;

	if (!server || !device)
		return -EINVAL;
	*server = NULL;
	*device = NULL;
	role = receive(fd, true);
	if (role < 0)
		return role;
	copy = libvdi_dup(fd);
	if (copy < 0)
		return copy;
	err = server_from(server, copy, role);
	if (err) {
		close(copy);
		return err;
	}
	err = libvdi_server_add_device(*server, fd, device);
	if (err) {
		vdi_server_free(*server);
		*server = NULL;
	}
	return err;
}
