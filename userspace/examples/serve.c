// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The smallest engine: backs up standard input to the set NAME, one command at
 * a time.  A real one keeps several buffers on their way and serves all
 * devices of the set.
 *
 *	cc serve.c -o serve $(pkg-config --cflags --libs libvdi)
 *	vdi recv NAME FILE &
 *	./serve NAME <SOMETHING
 */
#include <errno.h>
#include <libvdi.h>
#include <stdio.h>

#define SIZE	(1 << 20)

static struct vdi_server *server;

static int failed(const char *what, int ret)
{
	fprintf(stderr, "serve: %s: %s\n", what, vdi_strerror(ret));
	if (server)
		vdi_server_abort(server, 0, what);
	return 1;
}

/* Sends one command and waits for its completion. */
static int carry_out(struct vdi_server_device *device, uint16_t code, uint64_t offset,
		     uint32_t size)
{
	const struct vdi_command command = { .code = code, .offset = offset, .length = size };
	struct vdi_batch batch = { .min = 1 };
	struct vdi_completion done;
	int ret = vdi_server_device_exchange(device, &command, 1, &done, 1, -1, &batch);

	if (ret < 0)
		return ret;
	/* it was taken, but nothing came yet: a wait may end early */
	while (!batch.delivered) {
		ret = vdi_server_device_exchange(device, NULL, 0, &done, 1, -1, &batch);
		if (ret < 0)
			return ret;
	}
	return done.code || done.result != size ? -EIO : 0;
}

static int configure(const char *name)
{
	struct vdi_config config;
	int ret = vdi_server_get_config(server, &config);

	if (ret)
		return ret;
	if (config.device_count != 1 || !(config.features & VDI_FEAT_REQUEST_COMPLETE)) {
		fprintf(stderr, "serve: %s: not a set of one device with Complete\n", name);
		return -EOPNOTSUPP;
	}
	config.features |= VDI_FEAT_WRITE_MEDIA | VDI_FEAT_COMPLETE_ENABLED;
	config.block_size = VDI_MIN_BLOCK_SIZE;
	config.max_transfer_size = SIZE;
	ret = vdi_server_begin_config(server, &config);
	if (!ret)
		ret = vdi_server_request_buffers(server, SIZE, 0, 1);
	return ret ? ret : vdi_server_end_config(server);
}

int main(int argc, char **argv)
{
	struct vdi_server_device *device;
	uint64_t offset;
	void *buffer;
	size_t size;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: serve NAME\n");
		return 2;
	}
	ret = vdi_server_new(&server);
	if (!ret)
		ret = vdi_server_open(server, NULL, argv[1]);
	if (!ret)
		ret = configure(argv[1]);
	if (!ret)
		ret = vdi_server_alloc_buffer(server, &buffer, SIZE, 0);
	if (!ret)
		ret = vdi_server_buffer_offset(server, buffer, &offset);
	if (!ret)
		ret = vdi_server_open_device(server, argv[1], &device);
	if (ret)
		return failed(argv[1], ret);
	while (!ret && (size = fread(buffer, 1, SIZE, stdin)))
		ret = carry_out(device, VDI_CMD_WRITE, offset, size);
	if (!ret && ferror(stdin))
		ret = -EIO;
	if (!ret)
		ret = carry_out(device, VDI_CMD_FLUSH, 0, 0);
	if (!ret)
		ret = carry_out(device, VDI_CMD_COMPLETE, 0, 0);
	if (ret)
		return failed(argv[1], ret);
	/* after that answer the backup is good: an abort comes too late */
	ret = vdi_server_close_device(device);
	if (ret && ret != -ECANCELED)
		return failed(argv[1], ret);
	vdi_server_close(server);
	vdi_server_free(server);
	return 0;
}
