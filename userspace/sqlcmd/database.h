/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Databases by name: files of a directory.
 */
#ifndef VDI_SQLCMD_DATABASE_H
#define VDI_SQLCMD_DATABASE_H

#include <limits.h>
#include <stdbool.h>

/*
 * The path of NAME.db in $VDI_SQLCMD_DATABASES, which need not exist; false if
 * no database can have this name.
 */
bool database_path(const char *name, char path[PATH_MAX]);
bool database_exists(const char *name);
/* The names that every server has, and that are no files here */
bool database_system(const char *name);

#endif /* VDI_SQLCMD_DATABASE_H */
