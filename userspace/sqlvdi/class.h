/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The classes of <vdi.h> as C sees them: an object is one pointer, a method is a
 * function with the name that a C++ compiler makes of it, the object first.
 */
#ifndef SQLVDI_CLASS_H
#define SQLVDI_CLASS_H

#include "vdi.h"

/* The names have the letters of LP64: time_t and int64_t are long. */
_Static_assert(sizeof(long) == 8 && sizeof(time_t) == 8, "the SDK is for 64-bit systems");

#define SYMBOL(name)	__asm__(name) __attribute__((visibility("default")))
#define SAME_AS(name)	__attribute__((alias(name)))

struct CVDS;
struct CVD;

struct device_object {		/* class ClientVirtualDevice */
	struct CVD *cvd;
};

struct set_object {		/* class ClientVirtualDeviceSet */
	struct CVDS *cvds;
};

/* device.c */
void device_construct(struct device_object *self) SYMBOL("_ZN19ClientVirtualDeviceC1Ev");
void device_construct_base(struct device_object *self) SYMBOL("_ZN19ClientVirtualDeviceC2Ev");
void device_destroy(struct device_object *self) SYMBOL("_ZN19ClientVirtualDeviceD1Ev");
void device_destroy_base(struct device_object *self) SYMBOL("_ZN19ClientVirtualDeviceD2Ev");
int device_get_command(struct device_object *self, time_t timeout, struct VDC_Command **command)
	SYMBOL("_ZN19ClientVirtualDevice10GetCommandElPP11VDC_Command");
int device_complete_command(struct device_object *self, struct VDC_Command *command, int code,
			    unsigned long bytes, int64_t position)
	SYMBOL("_ZN19ClientVirtualDevice15CompleteCommandEP11VDC_Commandiml");

/* set.c */
void set_construct(struct set_object *self) SYMBOL("_ZN22ClientVirtualDeviceSetC1Ev");
void set_construct_base(struct set_object *self) SYMBOL("_ZN22ClientVirtualDeviceSetC2Ev");
void set_destroy(struct set_object *self) SYMBOL("_ZN22ClientVirtualDeviceSetD1Ev");
void set_destroy_base(struct set_object *self) SYMBOL("_ZN22ClientVirtualDeviceSetD2Ev");
int set_create(struct set_object *self, char *name, struct VDConfig *config)
	SYMBOL("_ZN22ClientVirtualDeviceSet6CreateEPcP8VDConfig");
int set_open_in_secondary(struct set_object *self, char *name)
	SYMBOL("_ZN22ClientVirtualDeviceSet15OpenInSecondaryEPc");
int set_get_configuration(struct set_object *self, time_t timeout, struct VDConfig *config)
	SYMBOL("_ZN22ClientVirtualDeviceSet16GetConfigurationElP8VDConfig");
int set_open_device(struct set_object *self, char *name, struct device_object **device)
	SYMBOL("_ZN22ClientVirtualDeviceSet10OpenDeviceEPcPP19ClientVirtualDevice");
int set_signal_abort(struct set_object *self)
	SYMBOL("_ZN22ClientVirtualDeviceSet11SignalAbortEv");
int set_close(struct set_object *self)
	SYMBOL("_ZN22ClientVirtualDeviceSet5CloseEv");
int set_get_buffer_handle(struct set_object *self, uint8_t *buffer, unsigned int *handle)
	SYMBOL("_ZN22ClientVirtualDeviceSet15GetBufferHandleEPhPj");
int set_map_buffer_handle(struct set_object *self, int handle, uint8_t **buffer)
	SYMBOL("_ZN22ClientVirtualDeviceSet15MapBufferHandleEiPPh");
void set_register_device_closed(struct set_object *self)
	SYMBOL("_ZN22ClientVirtualDeviceSet20RegisterDeviceClosedEv");

#endif /* SQLVDI_CLASS_H */
