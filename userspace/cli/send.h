/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_SEND_H
#define VDI_SEND_H

#include "client.h"
#include "source.h"

/*
 * A restore, the client's side, from a source that was opened and verified.
 * @client->count is source_count().  An exit code.
 */
int send_run(const struct client_options *client, struct source *source,
	     void (*created)(void *ctx), void *ctx);

#endif /* VDI_SEND_H */
