/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The SDK's classes for test programs in C: each function is one method, called
 * by code that a C++ compiler made.
 */
#ifndef VDI_TEST_SDK_GLUE_H
#define VDI_TEST_SDK_GLUE_H

#include "vdi.h"
#include "vdierror.h"

#ifdef __cplusplus
extern "C" {
#else
typedef struct ClientVirtualDeviceSet ClientVirtualDeviceSet;
typedef struct ClientVirtualDevice ClientVirtualDevice;
#endif

ClientVirtualDeviceSet *sdk_new(void);
void sdk_delete(ClientVirtualDeviceSet *set);
ClientVirtualDeviceSet *sdk_static(void);
int sdk_create(ClientVirtualDeviceSet *set, char *name, struct VDConfig *config);
int sdk_open_in_secondary(ClientVirtualDeviceSet *set, char *name);
int sdk_get_configuration(ClientVirtualDeviceSet *set, time_t timeout, struct VDConfig *config);
int sdk_open_device(ClientVirtualDeviceSet *set, char *name, ClientVirtualDevice **device);
int sdk_close(ClientVirtualDeviceSet *set);
int sdk_signal_abort(ClientVirtualDeviceSet *set);
int sdk_get_buffer_handle(ClientVirtualDeviceSet *set, uint8_t *buffer, unsigned int *handle);
int sdk_map_buffer_handle(ClientVirtualDeviceSet *set, int handle, uint8_t **buffer);
void sdk_register_device_closed(ClientVirtualDeviceSet *set);

ClientVirtualDevice *sdk_device_new(void);
void sdk_device_delete(ClientVirtualDevice *device);
int sdk_get_command(ClientVirtualDevice *device, time_t timeout, struct VDC_Command **command);
int sdk_complete_command(ClientVirtualDevice *device, struct VDC_Command *command, int code,
			 unsigned long bytes, int64_t position);

#ifdef __cplusplus
}
#endif

#endif /* VDI_TEST_SDK_GLUE_H */
