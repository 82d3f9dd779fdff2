// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Kinds of devices: what each announces, and which command does what to the
 * medium that is in it.  Owns the kinds' names and the answers to commands a
 * kind does not have; changing media is the target's and the source's.
 */
#include <string.h>

#include <libvdi.h>

#include "device.h"
#include "medium.h"

static const struct {
	const char *name;
	unsigned int features;
} device_kinds[] = {
	[STRIPE_PIPE] = { "pipe", VDI_FEAT_LIKE_PIPE },
	[STRIPE_TAPE] = { "tape", VDI_FEAT_LIKE_TAPE },
	[STRIPE_DISK] = { "disk", VDI_FEAT_LIKE_DISK },
};

unsigned int device_features(enum stripe_kind kind, bool removable)
{
	return device_kinds[kind].features | (removable ? VDI_FEAT_REMOVABLE : 0);
}

const char *device_kind_name(unsigned int features)
{
	return device_kinds[features & VDI_FEAT_FILE_MARKS ? STRIPE_TAPE :
			    features & VDI_FEAT_RANDOM_ACCESS ? STRIPE_DISK : STRIPE_PIPE].name;
}

bool device_kind_parse(const char *arg, enum stripe_kind *kind)
{
	unsigned int i;

	for (i = 0; i < sizeof(device_kinds) / sizeof(device_kinds[0]); i++)
		if (!strcmp(arg, device_kinds[i].name)) {
			*kind = i;
			return true;
		}
	return false;
}

static int device_transfer(struct medium *medium, const struct vdi_command *command, void *buffer,
			   struct client_answer *answer)
{
	size_t bytes = 0;
	int ret;

	if (command->code == VDI_CMD_READ)
		ret = medium_read(medium, command->position, buffer, command->length, &bytes);
	else
		ret = medium_write(medium, command->position, buffer, command->length, &bytes);
	answer->bytes = bytes;
	return ret;
}

static int device_tape(struct medium *medium, const struct vdi_command *command)
{
	switch (command->code) {
	case VDI_CMD_REWIND:
		return medium_rewind(medium);
	case VDI_CMD_WRITE_MARK:
		return medium_write_mark(medium);
	case VDI_CMD_SKIP_MARKS:
		return medium_skip_marks(medium, command->length);
	case VDI_CMD_SKIP_BLOCKS:
		return medium_skip_blocks(medium, command->length);
	default:
		return VDI_CODE_NOT_SUPPORTED;
	}
}

static int device_position(struct medium *medium, const struct vdi_command *command,
			   struct client_answer *answer)
{
	int ret = 0;

	if (command->code == VDI_CMD_SET_POSITION)
		ret = medium_set_position(medium, command->position, command->length);
	answer->position = medium_position(medium);
	return ret;
}

int device_command(struct medium *medium, const struct vdi_command *command, void *buffer,
		   struct client_answer *answer)
{
	enum stripe_kind kind = medium_info(medium)->kind;
	int ret = VDI_CODE_NOT_SUPPORTED;

	switch (command->code) {
	case VDI_CMD_READ:
	case VDI_CMD_WRITE:
		ret = device_transfer(medium, command, buffer, answer);
		break;
	case VDI_CMD_GET_POSITION:
	case VDI_CMD_SET_POSITION:
		if (kind != STRIPE_PIPE)
			ret = device_position(medium, command, answer);
		break;
	default:
		if (kind == STRIPE_TAPE)
			ret = device_tape(medium, command);
		break;
	}
	if (ret < 0)
		return ret;
	answer->code = ret;
	return 0;
}
