/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_RECV_H
#define VDI_RECV_H

#include "client.h"
#include "target.h"

/*
 * A backup, the client's side, from the target's temporary name to its final
 * one.  @created (may be NULL) is called when the set exists.  An exit code.
 */
int recv_run(const struct client_options *client, const struct target_options *target,
	     void (*created)(void *ctx), void *ctx);

#endif /* VDI_RECV_H */
