/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The node, the one place that makes ioctls, and the conversion of arguments. */
#ifndef LIBVDI_NODE_H
#define LIBVDI_NODE_H

#include "libvdi.h"

int libvdi_open_node(void);
int libvdi_dup(int fd);
int libvdi_ioctl(int fd, unsigned long request, void *arg);
uint64_t libvdi_deadline(int64_t timeout_ms);

int libvdi_copy_name(char *to, const char *name);
int libvdi_copy_instance(char *to, const char *instance);
void libvdi_copy_text(char *to, const char *text);

int libvdi_abort(int fd, uint32_t code, const char *text);
int libvdi_stat(int fd, struct vdi_set_stat *stat, size_t size);
int libvdi_open_device(int fd, const char *name, struct vdi_open_device *arg);
int libvdi_exchange(int fd, const void *in, unsigned int nr_in, void *out,
		    unsigned int nr_out, int64_t timeout_ms,
		    struct vdi_batch *batch);

#endif /* LIBVDI_NODE_H */
