// SPDX-License-Identifier: GPL-2.0-only
/*
 * Functions of a program that have the names of libvdi's, and are exported by it:
 * libsqlvdi must not call them.  Linked with single.cpp.
 */
#include <cstdlib>

#define TRAP(name) extern "C" __attribute__((visibility("default"))) int name() { abort(); }
TRAP(vdi_client_new)
TRAP(vdi_client_free)
TRAP(vdi_client_create)
TRAP(vdi_client_create_ex)
TRAP(vdi_client_get_config)
TRAP(vdi_client_open_device)
TRAP(vdi_client_get_command)
TRAP(vdi_client_complete_command)
TRAP(vdi_client_close)
TRAP(vdi_client_stat)
TRAP(libvdi_ioctl)
TRAP(libvdi_exchange)
TRAP(libvdi_open_node)
TRAP(session_new)
TRAP(session_enter)
TRAP(report_result)
TRAP(environment_read)
