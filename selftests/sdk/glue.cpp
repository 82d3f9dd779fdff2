// SPDX-License-Identifier: GPL-2.0-only
/* See glue.h.  Nothing is decided here. */
#include "glue.h"

static ClientVirtualDeviceSet static_set;

static ClientVirtualDeviceSet *of(sdk_set *set)
{
	return reinterpret_cast<ClientVirtualDeviceSet *>(set);
}

static ClientVirtualDevice *of(sdk_device *device)
{
	return reinterpret_cast<ClientVirtualDevice *>(device);
}

sdk_set *sdk_new()
{
	return reinterpret_cast<sdk_set *>(new ClientVirtualDeviceSet());
}

void sdk_delete(sdk_set *set)
{
	delete of(set);
}

sdk_set *sdk_static()
{
	return reinterpret_cast<sdk_set *>(&static_set);
}

int sdk_create(sdk_set *set, char *name, VDConfig *config)
{
	return of(set)->Create(name, config);
}

int sdk_open_in_secondary(sdk_set *set, char *name)
{
	return of(set)->OpenInSecondary(name);
}

int sdk_get_configuration(sdk_set *set, time_t timeout, VDConfig *config)
{
	return of(set)->GetConfiguration(timeout, config);
}

int sdk_open_device(sdk_set *set, char *name, sdk_device **device)
{
	return of(set)->OpenDevice(name, reinterpret_cast<ClientVirtualDevice **>(device));
}

int sdk_close(sdk_set *set)
{
	return of(set)->Close();
}

int sdk_signal_abort(sdk_set *set)
{
	return of(set)->SignalAbort();
}

int sdk_get_buffer_handle(sdk_set *set, uint8_t *buffer, unsigned int *handle)
{
	return of(set)->GetBufferHandle(buffer, handle);
}

int sdk_map_buffer_handle(sdk_set *set, int handle, uint8_t **buffer)
{
	return of(set)->MapBufferHandle(handle, buffer);
}

void sdk_register_device_closed(sdk_set *set)
{
	of(set)->RegisterDeviceClosed();
}

sdk_device *sdk_device_new()
{
	return reinterpret_cast<sdk_device *>(new ClientVirtualDevice());
}

void sdk_device_delete(sdk_device *device)
{
	delete of(device);
}

int sdk_get_command(sdk_device *device, time_t timeout, VDC_Command **command)
{
	return of(device)->GetCommand(timeout, command);
}

int sdk_complete_command(sdk_device *device, VDC_Command *command, int code,
			 unsigned long bytes, int64_t position)
{
	return of(device)->CompleteCommand(command, code, bytes, position);
}
