/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * From what the engine says of a failure to the messages of SQL Server.
 */
#ifndef VDI_SQLCMD_FAILURE_H
#define VDI_SQLCMD_FAILURE_H

#include "../engines/stream.h"
#include "statement.h"

/* Between the two, lines of the engine are collected instead of shown. */
void failure_begin(void);
void failure_end(void);
/* The first of them, which is the cause */
const char *failure_text(void);

/* @code: the exit code that the engine gave */
void failure_tell(const struct statement *statement, const struct stream_fault *fault, int code);

#endif /* VDI_SQLCMD_FAILURE_H */
