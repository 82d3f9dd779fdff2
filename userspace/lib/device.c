// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The client's devices: gets and completes commands; and the gate, which guards
 * the descriptors of both sides' devices.  The server's devices are in send.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "set.h"

/**
 * enum block_state - What a block is used for
 * @BLOCK_FREE: nothing
 * @BLOCK_FETCHING: a call waits for a command
 * @BLOCK_KEPT: a command whose buffer could not be mapped, for the next call
 * @BLOCK_OUT: a command that is the caller's
 * @BLOCK_COMPLETING: a call completes it
 */
enum block_state {
	BLOCK_FREE,
	BLOCK_FETCHING,
	BLOCK_KEPT,
	BLOCK_OUT,
	BLOCK_COMPLETING,
};

/**
 * struct block - A command as the client sees it
 * @command: what the caller gets
 * @id: the kernel's name for it
 * @device: its device, as the kernel said
 * @state: enum block_state
 * @next: in the list of free or kept blocks
 */
struct block {
	struct vdi_client_command command;
	uint64_t id;
	uint8_t device;
	uint8_t state;
	struct block *next;
};

struct list {
	struct block *head;
	struct block **tail;
};

/**
 * struct vdi_client_device - A device of the client's
 * @gate: the descriptor
 * @client: its set
 * @next: next device of the set
 * @lock: protects the blocks
 * @free: free blocks, the one used last at the end: a pointer that was completed
 *	stays unknown for as long as possible
 * @kept: commands of the state BLOCK_KEPT
 * @nr: blocks
 * @blocks: twice what the kernel can have outstanding
 */
struct vdi_client_device {
	struct libvdi_gate gate;
	struct vdi_client *client;
	struct vdi_client_device *next;
	pthread_mutex_t lock;
	struct list free;
	struct list kept;
	unsigned int nr;
	struct block blocks[];
};

void libvdi_gate_init(struct libvdi_gate *gate, int fd)
{
	gate->fd = fd;
	gate->users = 0;
	gate->error = -EPROTO;
}

/* In a forked child: the calls that were inside went on in the parent. */
void libvdi_gate_forked(struct libvdi_gate *gate)
{
	gate->users &= LIBVDI_GATE_SHUT;
}

static void gate_close_fd(struct libvdi_gate *gate)
{
	int fd = __atomic_exchange_n(&gate->fd, -1, __ATOMIC_ACQ_REL);

	if (fd >= 0)
		close(fd);
}

int libvdi_gate_enter(struct libvdi_gate *gate)
{
	unsigned int users = __atomic_fetch_add(&gate->users, 1, __ATOMIC_ACQ_REL);

	if (!(users & LIBVDI_GATE_SHUT))
		return 0;
	libvdi_gate_leave(gate);
	return gate->error;
}

void libvdi_gate_leave(struct libvdi_gate *gate)
{
	if (__atomic_sub_fetch(&gate->users, 1, __ATOMIC_ACQ_REL) == LIBVDI_GATE_SHUT)
		gate_close_fd(gate);
}

void libvdi_gate_shut(struct libvdi_gate *gate, int error)
{
	if (libvdi_gate_is_shut(gate))
		return;
	gate->error = error;
	if (__atomic_fetch_or(&gate->users, LIBVDI_GATE_SHUT, __ATOMIC_ACQ_REL) == 0)
		gate_close_fd(gate);
}

bool libvdi_gate_is_shut(const struct libvdi_gate *gate)
{
	return __atomic_load_n(&gate->users, __ATOMIC_ACQUIRE) & LIBVDI_GATE_SHUT;
}

int libvdi_gate_exchange(struct libvdi_gate *gate, const void *in,
			 unsigned int nr_in, void *out, unsigned int nr_out,
			 int64_t timeout_ms, struct vdi_batch *batch)
{
	int err = libvdi_gate_enter(gate);

	if (err)
		return err;
	err = libvdi_exchange(gate->fd, in, nr_in, out, nr_out, timeout_ms, batch);
	libvdi_gate_leave(gate);
	return err;
}

int libvdi_gate_ioctl(struct libvdi_gate *gate, unsigned long request, void *arg)
{
	int err = libvdi_gate_enter(gate);

	if (err)
		return err;
	err = libvdi_ioctl(gate->fd, request, arg);
	libvdi_gate_leave(gate);
	return err;
}

static void list_init(struct list *list)
{
	list->head = NULL;
	list->tail = &list->head;
}

static void list_add(struct list *list, struct block *block)
{
	block->next = NULL;
	*list->tail = block;
	list->tail = &block->next;
}

static struct block *list_take(struct list *list)
{
	struct block *block = list->head;

	if (block) {
		list->head = block->next;
		if (!list->head)
			list->tail = &list->head;
	}
	return block;
}

/* By the holder of client->lock. */
static int learn_ring_depth(struct vdi_client *client)
{
	struct vdi_get_config arg = { .size = sizeof(arg) };
	int err;

	if (client->ring_depth)
		return 0;
	err = libvdi_ioctl(client->fd, VDI_IOC_GET_CONFIG, &arg);
	if (err)
		return err == -ETIMEDOUT || err == -EAGAIN ? -EPROTO : err;
	client->ring_depth = arg.out_ring_depth;
	return 0;
}

/* By the holder of client->lock. */
static int device_alloc(struct vdi_client *client, struct vdi_client_device **device)
{
	struct vdi_client_device *dev;
	unsigned int nr;
	int err;

	err = learn_ring_depth(client);
	if (err)
		return err;
	nr = 2 * client->ring_depth;
	dev = calloc(1, sizeof(*dev) + nr * sizeof(*dev->blocks));
	if (!dev)
		return -ENOMEM;
	dev->nr = nr;
	*device = dev;
	return 0;
}

static void device_add(struct vdi_client *client, struct vdi_client_device *dev, int fd)
{
	unsigned int i;

	libvdi_gate_init(&dev->gate, fd);
	pthread_mutex_init(&dev->lock, NULL);
	list_init(&dev->free);
	list_init(&dev->kept);
	for (i = 0; i < dev->nr; i++)
		list_add(&dev->free, &dev->blocks[i]);
	dev->client = client;
	dev->next = client->devices;
	client->devices = dev;
}

/* Memory comes first: a device that was opened can't be given back. */
int vdi_client_open_device(struct vdi_client *client, const char *name,
			   struct vdi_client_device **device)
{
	struct vdi_client_device *dev = NULL;
	struct vdi_open_device arg;
	int err;

	if (!client || !device)
		return -EINVAL;
	*device = NULL;
	pthread_mutex_lock(&client->lock);
	err = device_alloc(client, &dev);
	if (!err)
		err = libvdi_open_device(client->fd, name, &arg);
	if (!err) {
		device_add(client, dev, arg.out_fd);
		*device = dev;
		dev = NULL;
	}
	pthread_mutex_unlock(&client->lock);
	free(dev);
	return err;
}

/* A device handle that came from elsewhere; it is the object's if this gives 0. */
int libvdi_client_add_device(struct vdi_client *client, int fd,
			     struct vdi_client_device **device)
{
	int err;

	pthread_mutex_lock(&client->lock);
	err = device_alloc(client, device);
	if (!err)
		device_add(client, *device, fd);
	pthread_mutex_unlock(&client->lock);
	return err;
}

struct vdi_client_device *libvdi_client_device_next(struct vdi_client_device *dev)
{
	return dev->next;
}

struct libvdi_gate *libvdi_client_device_gate(struct vdi_client_device *dev)
{
	return &dev->gate;
}

struct libvdi_area *libvdi_client_device_area(struct vdi_client_device *dev)
{
	return &dev->client->area;
}

/* In a forked child: what threads of the parent were about is undone here. */
void libvdi_client_device_forked(struct vdi_client_device *dev)
{
	unsigned int i;

	libvdi_gate_forked(&dev->gate);
	pthread_mutex_init(&dev->lock, NULL);
	list_init(&dev->free);
	list_init(&dev->kept);
	for (i = 0; i < dev->nr; i++) {
		struct block *b = &dev->blocks[i];

		if (b->state == BLOCK_COMPLETING)
			b->state = BLOCK_OUT;
		else if (b->state == BLOCK_FETCHING)
			b->state = BLOCK_FREE;
		if (b->state == BLOCK_KEPT)
			list_add(&dev->kept, b);
		else if (b->state == BLOCK_FREE)
			list_add(&dev->free, b);
	}
}

/* After CLOSE, by the holder of client->lock: nobody is let in any more. */
void libvdi_client_devices_shut(struct vdi_client *client)
{
	struct vdi_client_device *dev;

	for (dev = client->devices; dev; dev = dev->next) {
		struct vdi_device_status arg = { .size = sizeof(arg) };
		int err = -EPROTO;

		if (libvdi_gate_is_shut(&dev->gate))
			continue;
		if (!libvdi_ioctl(dev->gate.fd, VDI_IOC_DEVICE_STATUS, &arg) &&
		    arg.out_state == VDI_DEVICE_ABORTED)
			err = -ECANCELED;
		libvdi_gate_shut(&dev->gate, err);
	}
}

/* All that are shut and that no call is in. */
void libvdi_client_devices_free(struct vdi_client *client)
{
	struct vdi_client_device *dev, **at = &client->devices;

	while ((dev = *at)) {
		if (__atomic_load_n(&dev->gate.users, __ATOMIC_ACQUIRE) !=
		    LIBVDI_GATE_SHUT) {
			at = &dev->next;
			continue;
		}
		*at = dev->next;
		free(dev);
	}
}

/* Gives a block with a command, or waits for one. */
static int fetch(struct vdi_client_device *dev, int64_t timeout_ms,
		 struct block **block)
{
	struct vdi_batch batch = { .min = 1 };
	struct vdi_command wire;
	struct block *b;
	int err;

	pthread_mutex_lock(&dev->lock);
	*block = list_take(&dev->kept);
	b = *block ? NULL : list_take(&dev->free);
	if (b)
		b->state = BLOCK_FETCHING;
	pthread_mutex_unlock(&dev->lock);
	if (*block)
		return 0;
	if (!b)
		return -EXFULL;

	err = libvdi_exchange(dev->gate.fd, NULL, 0, &wire, 1, timeout_ms, &batch);
	if (!err && !batch.delivered)
		err = -ETIMEDOUT;
	if (err) {
		pthread_mutex_lock(&dev->lock);
		b->state = BLOCK_FREE;
		list_add(&dev->free, b);
		pthread_mutex_unlock(&dev->lock);
		return err;
	}
	b->id = wire.id;
	b->device = wire.device;
	b->command = (struct vdi_client_command){
		.code = wire.code,
		.size = wire.length,
		.position = (int64_t)wire.position,
		.offset = wire.offset,
	};
	*block = b;
	return 0;
}

int vdi_client_get_command(struct vdi_client_device *device, int64_t timeout_ms,
			   const struct vdi_client_command **command)
{
	struct block *b;
	int err;

	if (!device || !command)
		return -EINVAL;
	*command = NULL;
	err = libvdi_gate_enter(&device->gate);
	if (err)
		return err;
	err = fetch(device, timeout_ms, &b);
	if (err)
		goto out;
	if (libvdi_has_buffer(b->command.code))
		err = libvdi_client_buffer(device->client, device->gate.fd,
					   b->command.offset, &b->command.buffer);
	/* Close has unmapped the area, and what was found may be the next set's. */
	if (libvdi_gate_is_shut(&device->gate))
		err = device->gate.error;

	pthread_mutex_lock(&device->lock);
	b->state = err ? BLOCK_KEPT : BLOCK_OUT;
	if (err)
		list_add(&device->kept, b);
	pthread_mutex_unlock(&device->lock);
	if (!err)
		*command = &b->command;
out:
	libvdi_gate_leave(&device->gate);
	return err;
}

/*
 * The block that @command is part of, now being completed, or NULL.  @wire gets
 * its id, or the one of the command that it had before, 0 if there is none.
 */
static struct block *claim(struct vdi_client_device *dev,
			   const struct vdi_client_command *command,
			   struct vdi_completion *wire)
{
	uintptr_t at = (uintptr_t)command - (uintptr_t)dev->blocks;
	struct block *b;

	if (at % sizeof(*b) || at / sizeof(*b) >= dev->nr)
		return NULL;
	b = &dev->blocks[at / sizeof(*b)];
	pthread_mutex_lock(&dev->lock);
	if (b->state == BLOCK_OUT || b->state == BLOCK_FREE) {
		wire->id = b->id;
		wire->device = b->device;
	}
	if (b->state == BLOCK_OUT)
		b->state = BLOCK_COMPLETING;
	else
		b = NULL;
	pthread_mutex_unlock(&dev->lock);
	return b;
}

/* A token that is none: what the state forbids is answered before that. */
static int refuse_token(struct vdi_client_device *dev)
{
	struct vdi_device_status arg = { .size = sizeof(arg) };
	struct vdi_set_stat stat;
	int err = libvdi_ioctl(dev->gate.fd, VDI_IOC_DEVICE_STATUS, &arg);

	if (!err)
		err = libvdi_stat(dev->gate.fd, &stat, sizeof(stat));
	if (err)
		return err;
	if (stat.state == VDI_STATE_ABORTED)
		return -ECANCELED;
	return arg.out_state == VDI_DEVICE_CLOSED ? -EPROTO : -EINVAL;
}

int vdi_client_complete_command(struct vdi_client_device *device,
				const struct vdi_client_command *command,
				uint32_t code, uint32_t bytes, int64_t position)
{
	struct vdi_completion wire = { .code = code };
	struct vdi_batch batch = { 0 };
	struct block *b;
	int err;

	if (!device || !command)
		return -EINVAL;
	err = libvdi_gate_enter(&device->gate);
	if (err)
		return err;
	b = claim(device, command, &wire);
	if (!b) {
		/* The kernel refuses it too, but counts it: the server can see it. */
		if (wire.id)
			libvdi_exchange(device->gate.fd, &wire, 1, NULL, 0, 0, &batch);
		err = refuse_token(device);
		goto out;
	}
	if (libvdi_has_buffer(b->command.code))
		wire.result = bytes;
	else if (b->command.code == VDI_CMD_GET_POSITION ||
		 b->command.code == VDI_CMD_SET_POSITION)
		wire.result = (uint64_t)position;
	err = libvdi_exchange(device->gate.fd, &wire, 1, NULL, 0, 0, &batch);

	pthread_mutex_lock(&device->lock);
	b->state = err ? BLOCK_OUT : BLOCK_FREE;
	if (!err)
		list_add(&device->free, b);
	pthread_mutex_unlock(&device->lock);
out:
	libvdi_gate_leave(&device->gate);
	return err;
}

int vdi_client_device_exchange(struct vdi_client_device *device,
			       const struct vdi_completion *in, unsigned int nr_in,
			       struct vdi_command *out, unsigned int nr_out,
			       int64_t timeout_ms, struct vdi_batch *batch)
{
	if (!device)
		return -EINVAL;
	return libvdi_gate_exchange(&device->gate, in, nr_in, out, nr_out,
				    timeout_ms, batch);
}

int vdi_client_device_status(struct vdi_client_device *device,
			     struct vdi_device_status *status)
{
	if (!device || !status)
		return -EINVAL;
	return libvdi_gate_ioctl(&device->gate, VDI_IOC_DEVICE_STATUS, status);
}

int vdi_client_device_fd(const struct vdi_client_device *device)
{
	return device ? __atomic_load_n(&device->gate.fd, __ATOMIC_ACQUIRE) : -EINVAL;
}
