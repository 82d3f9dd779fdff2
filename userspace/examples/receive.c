// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The smallest backup program: makes a set of one device, writes what the
 * engine sends to standard output.  It shows the calls and their order; what a
 * real one needs besides (a target that is good or is not there) is in vdi.
 *
 *	cc receive.c -o receive $(pkg-config --cflags --libs libvdi)
 *	./receive NAME >FILE &
 *	vdi put NAME <SOMETHING
 */
#include <errno.h>
#include <libvdi.h>
#include <stdio.h>
#include <unistd.h>

static int failed(const char *what, int ret)
{
	fprintf(stderr, "receive: %s: %s\n", what, vdi_strerror(ret));
	return 1;
}

/* Every command is answered, with success only if what it asks for is done. */
static uint32_t carry_out(const struct vdi_client_command *command)
{
	switch (command->code) {
	case VDI_CMD_WRITE:
		return fwrite(command->buffer, 1, command->size, stdout) == (size_t)command->size ?
		       VDI_CODE_SUCCESS : VDI_CODE_DISK_FULL;
	case VDI_CMD_FLUSH:
	case VDI_CMD_COMPLETE:
		/* here a real backup becomes durable; a pipe can't be synced */
		return !fflush(stdout) && (!fsync(STDOUT_FILENO) || errno == EINVAL) ?
		       VDI_CODE_SUCCESS : VDI_CODE_IO_DEVICE;
	case VDI_CMD_CLEAR_ERROR:
		return VDI_CODE_SUCCESS;
	default:
		return VDI_CODE_NOT_SUPPORTED;
	}
}

int main(int argc, char **argv)
{
	struct vdi_config config = {
		.device_count = 1,
		.features = VDI_FEAT_REQUEST_COMPLETE,
	};
	const struct vdi_client_command *command;
	struct vdi_client_device *device;
	struct vdi_client *client;
	int ret;

	if (argc != 2) {
		fprintf(stderr, "usage: receive NAME\n");
		return 2;
	}
	ret = vdi_client_new(&client);
	if (ret)
		return failed(VDI_DEVICE_NODE, ret);
	ret = vdi_client_create(client, argv[1], &config);
	if (ret)
		return failed(argv[1], ret);
	ret = vdi_client_get_config(client, -1, &config);	/* until an engine is there */
	if (!ret)
		ret = vdi_client_open_device(client, argv[1], &device);
	while (!ret) {
		uint32_t code;

		ret = vdi_client_get_command(device, -1, &command);
		if (ret)
			break;
		code = carry_out(command);
		ret = vdi_client_complete_command(device, command, code,
						  code ? 0 : command->size, 0);
	}
	/* the engine has closed the device; anything else is a failure */
	if (ret != -ESHUTDOWN) {
		vdi_client_free(client);
		return failed(argv[1], ret);
	}
	vdi_client_close(client);
	vdi_client_free(client);
	return 0;
}
