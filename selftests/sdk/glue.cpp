// SPDX-License-Identifier: GPL-2.0-only
/* See glue.h.  Nothing is decided here. */
#include "glue.h"

static ClientVirtualDeviceSet static_set;

ClientVirtualDeviceSet *sdk_new()
{
	return new ClientVirtualDeviceSet();
}

void sdk_delete(ClientVirtualDeviceSet *set)
{
	delete set;
}

ClientVirtualDeviceSet *sdk_static()
{
	return &static_set;
}

int sdk_create(ClientVirtualDeviceSet *set, char *name, VDConfig *config)
{
	return set->Create(name, config);
}

int sdk_open_in_secondary(ClientVirtualDeviceSet *set, char *name)
{
	return set->OpenInSecondary(name);
}

int sdk_get_configuration(ClientVirtualDeviceSet *set, time_t timeout, VDConfig *config)
{
	return set->GetConfiguration(timeout, config);
}

int sdk_open_device(ClientVirtualDeviceSet *set, char *name, ClientVirtualDevice **device)
{
	return set->OpenDevice(name, device);
}

int sdk_close(ClientVirtualDeviceSet *set)
{
	return set->Close();
}

int sdk_signal_abort(ClientVirtualDeviceSet *set)
{
	return set->SignalAbort();
}

int sdk_get_buffer_handle(ClientVirtualDeviceSet *set, uint8_t *buffer, unsigned int *handle)
{
	return set->GetBufferHandle(buffer, handle);
}

int sdk_map_buffer_handle(ClientVirtualDeviceSet *set, int handle, uint8_t **buffer)
{
	return set->MapBufferHandle(handle, buffer);
}

void sdk_register_device_closed(ClientVirtualDeviceSet *set)
{
	set->RegisterDeviceClosed();
}

ClientVirtualDevice *sdk_device_new()
{
	return new ClientVirtualDevice();
}

void sdk_device_delete(ClientVirtualDevice *device)
{
	delete device;
}

int sdk_get_command(ClientVirtualDevice *device, time_t timeout, VDC_Command **command)
{
	return device->GetCommand(timeout, command);
}

int sdk_complete_command(ClientVirtualDevice *device, VDC_Command *command, int code,
			 unsigned long bytes, int64_t position)
{
	return device->CompleteCommand(command, code, bytes, position);
}
