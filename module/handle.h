/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_HANDLE_H
#define VDI_HANDLE_H

#include <linux/types.h>

struct file;
struct vdi_handle;
struct vdi_set;
struct vdi_cause;

/**
 * struct vdi_call - A handle as a call found it
 * @handle: the handle
 * @set: its set, with a reference for the call, or NULL
 * @bindings: which binding of the handle that is
 * @role: VDI_ROLE_*
 * @draining: the server has closed the handle
 * @dying: the owner's address space is going: death, not a mere close
 * @nonblock: O_NONBLOCK is set
 * @foreign: the handle is another process's; only ADOPT and STATUS see that
 * @new_file: file that the call made, for fd_install()
 * @new_fd: its number
 */
struct vdi_call {
	struct vdi_handle *handle;
	struct vdi_set *set;
	u64 bindings;
	u32 role;
	bool draining;
	bool dying;
	bool nonblock;
	bool foreign;
	struct file *new_file;
	int new_fd;
};

struct vdi_handle *vdi_handle_create(bool is_device);
void vdi_handle_destroy(struct vdi_handle *handle);
int vdi_handle_call_begin(struct vdi_handle *handle, struct file *file,
			  struct vdi_call *call, bool foreign_ok);
void vdi_handle_call_end(struct vdi_call *call);
struct vdi_set *vdi_handle_get_set(struct vdi_handle *handle, bool *mine);
int vdi_handle_bind(struct vdi_handle *handle, struct vdi_set *set, u32 role);
int vdi_handle_bind_device(struct vdi_handle *handle, struct vdi_set *set,
			   u32 role);
void vdi_handle_bind_kernel(struct vdi_handle *handle, struct vdi_set *set);
void vdi_handle_set_who(struct vdi_handle *handle);
void vdi_handle_unbind_kernel(struct vdi_handle *handle);
void vdi_handle_check_owner(struct vdi_handle *handle);
int vdi_handle_adopt(struct vdi_call *call);
int vdi_handle_close(struct vdi_call *call);
bool vdi_handle_owner_dies(struct vdi_handle *handle, const void *files,
			   struct vdi_call *call);
void vdi_handle_died(struct vdi_call *call);
void vdi_handle_flush(struct vdi_handle *handle, void *files);
void vdi_handle_release(struct vdi_handle *handle);

#endif /* VDI_HANDLE_H */
