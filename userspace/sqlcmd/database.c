// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * From the name of a database to its file.  Owns the rule that a name stays in
 * its directory: it is the only text of a statement that becomes a path.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "database.h"

#define DATABASE_DIR	"/var/lib/vdi/databases"

bool database_path(const char *name, char path[PATH_MAX])
{
	const char *dir = getenv("VDI_SQLCMD_DATABASES");

	if (!dir || !*dir)
		dir = DATABASE_DIR;
	if (!*name || *name == '.' || strchr(name, '/') || strstr(name, ".."))
		return false;
	return snprintf(path, PATH_MAX, "%s/%s.db", dir, name) < PATH_MAX - 16;
}

bool database_exists(const char *name)
{
	char path[PATH_MAX];

	return database_path(name, path) && !access(path, F_OK);
}

bool database_system(const char *name)
{
	return !strcasecmp(name, "master") || !strcasecmp(name, "tempdb") ||
	       !strcasecmp(name, "model") || !strcasecmp(name, "msdb");
}
