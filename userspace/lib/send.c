// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The server's devices: opens and closes them and sends commands.  A command
 * that is refused gets its callback here; what becomes of the others is
 * agent.c's.
 */
#include <errno.h>
#include <stdlib.h>

#include "set.h"

int vdi_server_open_device(struct vdi_server *server, const char *name,
			   struct vdi_server_device **device)
{
	struct vdi_server_device *dev;
	struct vdi_open_device arg;
	int err;

	if (!server || !device)
		return -EINVAL;
	*device = NULL;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	/* Waits for memory that is being made: not under the other lock. */
	pthread_mutex_lock(&server->config_lock);
	err = libvdi_open_device(server->fd, name, &arg);
	pthread_mutex_unlock(&server->config_lock);
	if (err) {
		free(dev);
		return err;
	}
	libvdi_gate_init(&dev->gate, arg.out_fd);
	dev->server = server;
	dev->index = arg.out_index;

	pthread_mutex_lock(&server->lock);
	dev->next = server->devices;
	server->devices = dev;
	if (server->state == LIBVDI_CLOSED && !server->agent_runs)
		libvdi_gate_shut(&dev->gate, -EPROTO);
	pthread_mutex_unlock(&server->lock);
	*device = dev;
	return 0;
}

/* A device handle that came from elsewhere; it is the object's if this gives 0. */
int libvdi_server_add_device(struct vdi_server *server, int fd,
			     struct vdi_server_device **device)
{
	struct vdi_device_status arg = { .size = sizeof(arg) };
	struct vdi_server_device *dev;
	int err = libvdi_ioctl(fd, VDI_IOC_DEVICE_STATUS, &arg);

	if (err)
		return err;
	dev = calloc(1, sizeof(*dev));
	if (!dev)
		return -ENOMEM;
	libvdi_gate_init(&dev->gate, fd);
	dev->server = server;
	dev->index = arg.out_index;
	pthread_mutex_lock(&server->lock);
	dev->next = server->devices;
	server->devices = dev;
	pthread_mutex_unlock(&server->lock);
	*device = dev;
	return 0;
}

void libvdi_server_devices_free(struct vdi_server *server)
{
	struct vdi_server_device *dev;

	while ((dev = server->devices)) {
		server->devices = dev->next;
		free(dev);
	}
}

/* Enters the command in the books: its buffer is pinned, and it has an id. */
static int book(struct vdi_server *server, struct vdi_server_command *command,
		uint64_t *offset, uint64_t *id)
{
	void *buffer = NULL;
	int err = 0;

	*offset = 0;
	if (server->state == LIBVDI_CLOSED)
		return -EPROTO;
	if (command->code > UINT16_MAX)
		return -EINVAL;
	if (libvdi_has_buffer(command->code)) {
		buffer = command->buffer;
		if (command->size <= 0)
			return -EINVAL;
		err = libvdi_pool_pin(&server->pool, buffer, (uint32_t)command->size);
		if (err)
			return err;
		err = libvdi_area_offset(&server->area, buffer, offset);
	}
	if (!err)
		err = libvdi_sent_add(server, command, buffer, id);
	if (err && buffer)
		libvdi_pool_unpin(&server->pool, buffer);
	return err;
}

/*
 * Once the kernel has accepted the command, it may be complete, and its memory
 * somebody else's, before the call returns: it is not looked at any more.
 */
static int submit(struct vdi_server_device *dev, struct vdi_server_command *command)
{
	struct vdi_server *server = dev->server;
	struct vdi_batch batch = { 0 };
	struct vdi_command wire = {
		.device = (uint8_t)dev->index,
		.code = (uint16_t)command->code,
		.length = command->size,
		.position = (uint64_t)command->in_position,
	};
	uint64_t id, offset;
	int err;

	pthread_mutex_lock(&server->lock);
	err = book(server, command, &offset, &id);
	pthread_mutex_unlock(&server->lock);
	if (err)
		return err;
	wire.id = id;
	wire.offset = offset;
	err = libvdi_exchange(dev->gate.fd, &wire, 1, NULL, 0, 0, &batch);

	pthread_mutex_lock(&server->lock);
	if (err)
		libvdi_sent_remove(server, id);
	else
		libvdi_sent_accepted(server, id);
	pthread_mutex_unlock(&server->lock);
	return err;
}

static uint32_t refusal_code(int err)
{
	switch (err) {
	case -ECANCELED:
		return VDI_CODE_OPERATION_ABORTED;
	case -EREMOTEIO:
		return VDI_CODE_IO_DEVICE;
	case -EXFULL:
	case -ENOMEM:
		return VDI_CODE_NO_SYSTEM_RESOURCES;
	case -EINVAL:
		return VDI_CODE_INVALID_PARAMETER;
	default:
		return VDI_CODE_INVALID_HANDLE;
	}
}

int vdi_server_send_command(struct vdi_server_device *device,
			    struct vdi_server_command *command)
{
	int err;

	if (!device || !command || !command->done)
		return -EINVAL;
	command->device = device;
	command->completion_code = 0;
	command->bytes_transferred = 0;
	command->out_position = 0;

	err = device->worker ? -EIO : libvdi_gate_enter(&device->gate);
	if (!err) {
		err = submit(device, command);
		libvdi_gate_leave(&device->gate);
	}
	if (err) {
		command->completion_code = refusal_code(err);
		command->done(command);
	}
	return err;
}

int vdi_server_close_device(struct vdi_server_device *device)
{
	struct vdi_close_device arg = { .size = sizeof(arg) };

	if (!device)
		return -EINVAL;
	return libvdi_gate_ioctl(&device->gate, VDI_IOC_CLOSE_DEVICE, &arg);
}

int vdi_server_device_exchange(struct vdi_server_device *device,
			       const struct vdi_command *in, unsigned int nr_in,
			       struct vdi_completion *out, unsigned int nr_out,
			       int64_t timeout_ms, struct vdi_batch *batch)
{
	if (!device)
		return -EINVAL;
	return libvdi_gate_exchange(&device->gate, in, nr_in, out, nr_out,
				    timeout_ms, batch);
}

int vdi_server_device_status(struct vdi_server_device *device,
			     struct vdi_device_status *status)
{
	if (!device || !status)
		return -EINVAL;
	return libvdi_gate_ioctl(&device->gate, VDI_IOC_DEVICE_STATUS, status);
}

unsigned int vdi_server_device_index(const struct vdi_server_device *device)
{
	return device ? device->index : VDI_DEVICE_UNKNOWN;
}

int vdi_server_device_fd(const struct vdi_server_device *device)
{
	return device ? __atomic_load_n(&device->gate.fd, __ATOMIC_ACQUIRE) : -EINVAL;
}
