// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Reads the environment variables of a set, and has the rules of timeouts.  Where
 * reports go is report.c's, and which node is libvdi's.
 *
 * A value that is not understood is an error: a set that is open to the wrong
 * user, or a wait of the wrong length, would be seen too late.
 */
#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "environment.h"
#include "vdierror.h"

#define INFINITE_32	0xffffffffLL	/* Windows' INFINITE, in programs that came from there */
#define DEFAULT_MODE	0600
#define GROUP_MODE	0660

/* NULL if it is not set, or empty, or the program has raised privileges. */
static const char *variable(const char *name)
{
	const char *value = secure_getenv(name);

	return value && *value ? value : NULL;
}

static int read_unit(struct environment *e, char *why, size_t size)
{
	const char *value = variable("VDI_SQLVDI_TIMEOUT_UNIT");

	if (!value || !strcmp(value, "ms"))
		return 0;
	if (strcmp(value, "s")) {
		snprintf(why, size, "VDI_SQLVDI_TIMEOUT_UNIT is '%s': it must be s or ms",
			 value);
		return VD_E_INVALID;
	}
	e->seconds = true;
	return 0;
}

static int read_instance(struct environment *e, char *why, size_t size)
{
	const char *value = variable("VDI_SQLVDI_INSTANCE");

	if (!value)
		return 0;
	if (strlen(value) >= sizeof(e->instance)) {
		snprintf(why, size, "VDI_SQLVDI_INSTANCE is too long");
		return VD_E_INSTANCE_NAME;
	}
	strcpy(e->instance, value);
	return 0;
}

static int read_mode(struct environment *e, char *why, size_t size)
{
	const char *value = variable("VDI_SQLVDI_MODE");
	unsigned long mode;
	char *end;

	if (!value)
		return 0;
	mode = strtoul(value, &end, 8);
	if (*end || !mode || mode > 0777 || strspn(value, "01234567") != strlen(value)) {
		snprintf(why, size, "VDI_SQLVDI_MODE is '%s': it must be octal, like 0660",
			 value);
		return VD_E_SECURITY;
	}
	e->options.mode = (uint32_t)mode;
	return 0;
}

/* -ENOENT if there is no such group. */
static int find_group(const char *name, gid_t *gid)
{
	struct group group, *found = NULL;
	char *buffer, *grown = NULL;
	size_t size = 1024;
	int err;

	do {
		size *= 2;
		buffer = realloc(grown, size);
		if (!buffer) {
			free(grown);
			return -ENOMEM;
		}
		grown = buffer;
		err = getgrnam_r(name, &group, buffer, size, &found);
	} while (err == ERANGE);
	if (found)
		*gid = group.gr_gid;
	free(buffer);
	return found ? 0 : -ENOENT;
}

static int read_group(struct environment *e, char *why, size_t size)
{
	const char *value = variable("VDI_SQLVDI_GROUP");
	unsigned long number;
	gid_t gid = 0;
	char *end;

	if (!value)
		return 0;
	number = strtoul(value, &end, 10);
	if (value[0] >= '0' && value[0] <= '9' && !*end && number < UINT32_MAX) {
		gid = (gid_t)number;
	} else if (find_group(value, &gid)) {
		snprintf(why, size, "VDI_SQLVDI_GROUP is '%s': there is no such group", value);
		return VD_E_SECURITY;
	}
	e->options.gid = gid;
	e->options.flags |= VDI_CREATE_OPT_GID;
	/* a group that may not do anything is not what was meant */
	if (!e->options.mode)
		e->options.mode = GROUP_MODE;
	return 0;
}

/* 0, or the result for the program, and @why in words. */
int environment_read(struct environment *e, char *why, size_t size)
{
	int result;

	memset(e, 0, sizeof(*e));
	e->options.size = sizeof(e->options);
	result = read_unit(e, why, size);
	if (!result)
		result = read_instance(e, why, size);
	if (!result)
		result = read_mode(e, why, size);
	if (!result)
		result = read_group(e, why, size);
	if (!result && !e->options.mode)
		e->options.mode = DEFAULT_MODE;
	return result;
}

/* Milliseconds, as libvdi has them: -1 waits for ever. */
int64_t environment_timeout(int64_t timeout)
{
	return timeout < 0 || timeout == INFINITE_32 ? -1 : timeout;
}

/* The same for GetCommand. */
int64_t environment_command_timeout(const struct environment *e, int64_t timeout)
{
	int64_t ms = environment_timeout(timeout);

	if (!e->seconds || ms < 0)
		return ms;
	return __builtin_mul_overflow(ms, 1000, &ms) ? -1 : ms;
}
