/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The files beside an SQLite database: -wal, -shm, -journal.  What was left
 * of an old database must never be taken for that of a new one.
 */
#ifndef VDI_SQLITE_FILES_H
#define VDI_SQLITE_FILES_H

#include <stdbool.h>

/* May PATH be replaced?  0, or an exit code after a line on stderr. */
int sqlite_files_check(const char *path, bool force);

/* Has somebody opened PATH?  The same. */
int sqlite_files_in_use(const char *path);

/* PATH-wal to PATH.old-wal and so on, and back; 0 or an exit code after a line */
int sqlite_files_aside(const char *path);
void sqlite_files_back(const char *path);
/* Removes what was put aside. */
void sqlite_files_drop(const char *path);

/* "file:..." with @query; to be freed; NULL: out of memory */
char *sqlite_files_uri(const char *path, const char *query);

#endif /* VDI_SQLITE_FILES_H */
