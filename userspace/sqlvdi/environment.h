/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* What an operator can tell a program that knows nothing of it: VDI_SQLVDI_*. */
#ifndef SQLVDI_ENVIRONMENT_H
#define SQLVDI_ENVIRONMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <libvdi.h>

/**
 * struct environment - The variables of one set
 * @seconds: timeouts of GetCommand are in seconds
 * @instance: instance of the server, or ""
 * @options: who may open the set
 */
struct environment {
	bool seconds;
	char instance[VDI_NAME_SIZE];
	struct vdi_create_options options;
};

int environment_read(struct environment *e, char *why, size_t size);
int64_t environment_command_timeout(const struct environment *e, int64_t timeout);
int64_t environment_timeout(int64_t timeout);

#endif /* SQLVDI_ENVIRONMENT_H */
