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
#endif

struct sdk_set;		/* a ClientVirtualDeviceSet */
struct sdk_device;	/* a ClientVirtualDevice */

struct sdk_set *sdk_new(void);
void sdk_delete(struct sdk_set *set);
struct sdk_set *sdk_static(void);
int sdk_create(struct sdk_set *set, char *name, struct VDConfig *config);
int sdk_open_in_secondary(struct sdk_set *set, char *name);
int sdk_get_configuration(struct sdk_set *set, time_t timeout, struct VDConfig *config);
int sdk_open_device(struct sdk_set *set, char *name, struct sdk_device **device);
int sdk_close(struct sdk_set *set);
int sdk_signal_abort(struct sdk_set *set);
int sdk_get_buffer_handle(struct sdk_set *set, uint8_t *buffer, unsigned int *handle);
int sdk_map_buffer_handle(struct sdk_set *set, int handle, uint8_t **buffer);
void sdk_register_device_closed(struct sdk_set *set);

struct sdk_device *sdk_device_new(void);
void sdk_device_delete(struct sdk_device *device);
int sdk_get_command(struct sdk_device *device, time_t timeout, struct VDC_Command **command);
int sdk_complete_command(struct sdk_device *device, struct VDC_Command *command, int code,
			 unsigned long bytes, int64_t position);

#ifdef __cplusplus
}
#endif

#endif /* VDI_TEST_SDK_GLUE_H */
