/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Batches that are carried out.
 */
#ifndef VDI_SQLCMD_RUN_H
#define VDI_SQLCMD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct run_options {
	int64_t wait_ms;	/* for a set that is not there yet */
	int64_t timeout_ms;	/* of one statement, 0: none */
};

void run_setup(const struct run_options *options);

/* Everything that it says is a message; see message_failed(). */
void run_batch(const char *text, size_t len);

/* From other threads: ends a statement that is under way, if there is one. */
bool run_interrupt(const char *why);
/* The same if it has taken longer than it may. */
void run_check_time(void);

#endif /* VDI_SQLCMD_RUN_H */
