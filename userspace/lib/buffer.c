// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Buffers of both sides: when the server may ask for, get and give back which,
 * and how they are named between processes.  The arithmetic is pool.c's, the
 * mappings are area.c's.
 */
#include <errno.h>

#include "set.h"

/*
 * A handle of 31 bits: the number of 512 bytes (data zones are aligned to a
 * block, which is that at least), and the mark of the set, never 0, so that a
 * handle of another set is known.  Beyond the first GiB, which is more than the
 * kernel gives by default, there is no room for a mark.
 */
#define HANDLE_SHIFT	9
#define HANDLE_LARGE	(1U << 30)
#define HANDLE_BITS	21
#define HANDLE_MARKS	((1U << 9) - 1)

/* All that can fail comes before the kernel makes the memory. */
static int prepare(struct libvdi_pool *pool, uint64_t *size,
		   struct libvdi_piece *piece)
{
	int err;

	err = libvdi_pool_total(pool, size);
	if (err)
		return err;
	/* A server may ask for all its buffers later; the area is never empty. */
	if (!*size)
		*size = 1;
	err = libvdi_pool_place(pool, NULL);
	if (err)
		return err;
	return libvdi_piece_reserve(*size, piece);
}

/* Makes the new memory the server's, unless it has been closed meanwhile. */
static int publish(struct vdi_server *server, struct libvdi_pool *made,
		   struct libvdi_piece *piece, uint64_t offset, uint64_t size)
{
	int err;

	err = libvdi_piece_attach(piece, server->fd, offset, size);
	if (err)
		return err;
	libvdi_pool_place(made, piece->addr);

	pthread_mutex_lock(&server->lock);
	if (server->state == LIBVDI_CLOSED)
		err = -EPROTO;
	else
		err = libvdi_area_add(&server->area, piece);
	if (!err) {
		libvdi_pool_merge(&server->pool, made);
		server->state = LIBVDI_CONFIGURED;
	}
	pthread_mutex_unlock(&server->lock);
	return err;
}

int vdi_server_end_config(struct vdi_server *server)
{
	struct vdi_end_config arg = { .size = sizeof(arg) };
	struct libvdi_piece piece;
	uint64_t size;
	int err;

	if (!server)
		return -EINVAL;
	pthread_mutex_lock(&server->config_lock);
	err = prepare(&server->wanted, &size, &piece);
	if (!err) {
		arg.area_size = size;
		err = libvdi_ioctl(server->fd, VDI_IOC_END_CONFIG, &arg);
		if (!err)
			err = publish(server, &server->wanted, &piece,
				      arg.out_offset, arg.out_size);
		if (err)
			libvdi_piece_unmap(&piece);
	}
	/* Another set of buffers may be asked for */
	if (err == -ENOMEM || err == -EDQUOT)
		libvdi_pool_drop(&server->wanted);
	pthread_mutex_unlock(&server->config_lock);
	return err;
}

/* RequestBuffers when the set is configured: one more piece. */
static int grow(struct vdi_server *server, uint32_t size, uint32_t alignment,
		uint32_t count)
{
	struct vdi_grow_area arg = { .size = sizeof(arg) };
	struct libvdi_pool more = {
		.alignment = server->pool.alignment,
		.prefix = server->pool.prefix,
	};
	struct libvdi_piece piece;
	uint64_t bytes;
	int err;

	err = libvdi_pool_request(&more, size, alignment, count);
	if (!err)
		err = prepare(&more, &bytes, &piece);
	if (!err) {
		arg.area_size = bytes;
		err = libvdi_ioctl(server->fd, VDI_IOC_GROW_AREA, &arg);
		if (!err)
			err = publish(server, &more, &piece, arg.out_offset,
				      arg.out_size);
		if (err)
			libvdi_piece_unmap(&piece);
	}
	libvdi_pool_drop(&more);
	return err;
}

int vdi_server_request_buffers(struct vdi_server *server, uint32_t size,
			       uint32_t alignment, uint32_t count)
{
	int ret;

	if (!server)
		return -EINVAL;
	pthread_mutex_lock(&server->config_lock);
	ret = libvdi_server_state(server);
	switch (ret) {
	case VDI_STATE_CONFIGURING:
		ret = libvdi_pool_request(&server->wanted, size, alignment, count);
		break;
	case VDI_STATE_INITIALIZING:
	case VDI_STATE_ACTIVE:
		ret = grow(server, size, alignment, count);
		break;
	case VDI_STATE_ABORTED:
		ret = -ECANCELED;
		break;
	default:
		if (ret >= 0)
			ret = -EPROTO;
	}
	pthread_mutex_unlock(&server->config_lock);
	return ret;
}

int vdi_server_query_available_buffers(struct vdi_server *server, uint32_t size,
				       uint32_t alignment, uint32_t *count)
{
	int ret;

	if (!server || !count)
		return -EINVAL;
	ret = libvdi_server_state(server);
	if (ret < 0)
		return ret;
	if (ret < VDI_STATE_CONFIGURING || ret > VDI_STATE_ACTIVE)
		return -EPROTO;
	pthread_mutex_lock(&server->lock);
	ret = libvdi_pool_query(&server->pool, size, alignment, count);
	pthread_mutex_unlock(&server->lock);
	return ret;
}

/* What AllocateBuffer and FreeBuffer say to the state of the set. */
static int check_state(struct vdi_server *server)
{
	int state = libvdi_server_state(server);

	switch (state) {
	case VDI_STATE_INITIALIZING:
	case VDI_STATE_ACTIVE:
	case VDI_STATE_TERMINATED:
		return 0;
	case VDI_STATE_ABORTED:
		return -ECANCELED;
	default:
		return state < 0 ? state : -EPROTO;
	}
}

int vdi_server_alloc_buffer(struct vdi_server *server, void **buffer,
			    uint32_t size, uint32_t alignment)
{
	int err;

	if (!server || !buffer)
		return -EINVAL;
	*buffer = NULL;
	err = check_state(server);
	if (err)
		return err;
	pthread_mutex_lock(&server->lock);
	err = libvdi_pool_alloc(&server->pool, size, alignment, buffer);
	pthread_mutex_unlock(&server->lock);
	return err;
}

int vdi_server_free_buffer(struct vdi_server *server, void *buffer, uint32_t size)
{
	int err;

	if (!server)
		return -EINVAL;
	err = check_state(server);
	if (err)
		return err;
	pthread_mutex_lock(&server->lock);
	err = libvdi_pool_free(&server->pool, buffer, size);
	pthread_mutex_unlock(&server->lock);
	return err;
}

int vdi_server_is_shared_buffer(struct vdi_server *server, const void *buffer)
{
	int ret;

	if (!server)
		return 0;
	pthread_mutex_lock(&server->lock);
	ret = libvdi_pool_contains(&server->pool, buffer);
	pthread_mutex_unlock(&server->lock);
	return ret;
}

int vdi_server_buffer_offset(struct vdi_server *server, const void *buffer,
			     uint64_t *offset)
{
	int err = -EINVAL;

	if (!server || !offset)
		return -EINVAL;
	pthread_mutex_lock(&server->lock);
	if (libvdi_pool_contains(&server->pool, buffer))
		err = libvdi_area_offset(&server->area, buffer, offset);
	pthread_mutex_unlock(&server->lock);
	return err;
}

int vdi_server_buffer(struct vdi_server *server, uint64_t offset, void **buffer)
{
	void *addr;

	if (!server || !buffer)
		return -EINVAL;
	addr = libvdi_area_addr(&server->area, offset, 1);
	if (!addr)
		return -EINVAL;
	*buffer = addr;
	return 0;
}

/*
 * An offset that is not mapped is in a piece that is new, or in none.  @fd is a
 * handle of the set that is this process's.
 */
int libvdi_client_buffer(struct vdi_client *client, int fd, uint64_t offset, void **buffer)
{
	void *addr;
	int err = 0;

	addr = libvdi_area_addr(&client->area, offset, 1);
	if (!addr) {
		pthread_mutex_lock(&client->lock);
		err = libvdi_area_update(&client->area, fd);
		pthread_mutex_unlock(&client->lock);
		addr = libvdi_area_addr(&client->area, offset, 1);
	}
	/* A set that is not configured has no buffers; O_NONBLOCK says it thus. */
	if (!addr)
		return err && err != -ETIMEDOUT && err != -EAGAIN ? err : -EINVAL;
	*buffer = addr;
	return 0;
}

int vdi_client_buffer(struct vdi_client *client, uint64_t offset, void **buffer)
{
	if (!client || !buffer)
		return -EINVAL;
	return libvdi_client_buffer(client, client->fd, offset, buffer);
}

int vdi_client_buffer_offset(struct vdi_client *client, const void *buffer,
			     uint64_t *offset)
{
	if (!client || !offset)
		return -EINVAL;
	return libvdi_area_offset(&client->area, buffer, offset);
}

static uint32_t handle_mark(const struct vdi_set_stat *stat)
{
	return (uint32_t)(stat->id % HANDLE_MARKS + 1) << HANDLE_BITS;
}

int vdi_client_get_buffer_handle(struct vdi_client *client, const void *buffer,
				 uint32_t *handle)
{
	struct vdi_set_stat stat;
	uint64_t offset;
	int err;

	if (!client || !handle)
		return -EINVAL;
	err = libvdi_stat(client->fd, &stat, sizeof(stat));
	if (!err)
		err = libvdi_area_offset(&client->area, buffer, &offset);
	if (err)
		return err;
	if (offset & ((1U << HANDLE_SHIFT) - 1))
		return -EINVAL;
	offset >>= HANDLE_SHIFT;
	if (offset < 1U << HANDLE_BITS)
		*handle = handle_mark(&stat) | (uint32_t)offset;
	else if (offset < HANDLE_LARGE)
		*handle = HANDLE_LARGE | (uint32_t)offset;
	else
		return -EINVAL;
	return 0;
}

int vdi_client_map_buffer_handle(struct vdi_client *client, uint32_t handle,
				 void **buffer)
{
	struct vdi_set_stat stat;
	uint64_t offset;
	int err;

	if (!client || !buffer)
		return -EINVAL;
	err = libvdi_stat(client->fd, &stat, sizeof(stat));
	if (err)
		return err;
	if (handle & HANDLE_LARGE) {
		offset = handle ^ HANDLE_LARGE;
		if (offset < 1U << HANDLE_BITS || offset >= HANDLE_LARGE)
			return -EINVAL;
	} else {
		offset = handle ^ handle_mark(&stat);
		if (offset >= 1U << HANDLE_BITS)
			return -EINVAL;
	}
	return vdi_client_buffer(client, offset << HANDLE_SHIFT, buffer);
}
