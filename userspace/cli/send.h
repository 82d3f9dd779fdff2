/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_SEND_H
#define VDI_SEND_H

#include "client.h"
#include "source.h"

/*
 * Reads and checks all of it, with signals: watch_block_signals() was called.  An
 * exit code after a line on stderr.
 */
int send_verify(struct source *source);

/*
 * A restore, the client's side, from a source that was opened and verified.
 * @client->count is source_count().  An exit code.
 */
int send_run(const struct client_options *client, struct source *source,
	     void (*created)(void *ctx), void *ctx);

#endif /* VDI_SEND_H */
