// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Values of command line options: sizes, counts, times, modes, groups.  Owns
 * their syntax and ranges; what an option means is its verb's.
 */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "option.h"
#include "report.h"

/* Decimal digits only: no sign, blank or hexadecimal as strtoull would take. */
static bool option_number(const char *arg, uint64_t *out, const char **end)
{
	char *stop;

	if (arg[0] < '0' || arg[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(arg, &stop, 10);
	*end = stop;
	return errno == 0;
}

bool option_size(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct {
		const char *suffix;
		unsigned int shift;
	} units[] = {
		{ "", 0 }, { "B", 0 },
		{ "K", 10 }, { "KiB", 10 }, { "M", 20 }, { "MiB", 20 },
		{ "G", 30 }, { "GiB", 30 }, { "T", 40 }, { "TiB", 40 },
	};
	const char *end;
	uint64_t value;
	size_t i;

	if (!option_number(arg, &value, &end))
		goto err_syntax;
	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcasecmp(end, units[i].suffix))
			break;
	if (i == sizeof(units) / sizeof(units[0]) || value > UINT64_MAX >> units[i].shift)
		goto err_syntax;
	value <<= units[i].shift;
	if (value < min || value > max) {
		report_fail(0, "%s %s: must be between %" PRIu64 " and %" PRIu64 " bytes",
			    option, arg, min, max);
		return false;
	}
	*out = value;
	return true;

err_syntax:
	report_fail(0, "%s %s: not a size; write bytes, or for example 64K or 1MiB", option, arg);
	return false;
}

bool option_count(const char *option, const char *arg, unsigned int min, unsigned int max,
		  unsigned int *out)
{
	const char *end;
	uint64_t value;

	if (!option_number(arg, &value, &end) || *end || value < min || value > max) {
		report_fail(0, "%s %s: must be a number from %u to %u", option, arg, min, max);
		return false;
	}
	*out = value;
	return true;
}

bool option_mode(const char *option, const char *arg, unsigned int *out)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(arg, &end, 8);
	if (arg[0] < '0' || arg[0] > '7' || *end || errno || !value || value > 0777) {
		report_fail(0, "%s %s: must be octal permission bits such as 0660", option, arg);
		return false;
	}
	*out = value;
	return true;
}

bool option_group(const char *option, const char *arg, unsigned int *out)
{
	const struct group *group = getgrnam(arg);
	const char *end;
	uint64_t value;

	if (group) {
		*out = group->gr_gid;
		return true;
	}
	if (option_number(arg, &value, &end) && !*end && value < UINT32_MAX) {
		*out = value;
		return true;
	}
	report_fail(0, "%s %s: no such group", option, arg);
	return false;
}

bool option_time_ms(const char *option, const char *arg, int64_t *out)
{
	static const struct {
		const char *suffix;
		unsigned int ms;
	} units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
	};
	const char *end;
	uint64_t value;
	size_t i;

	if (option_number(arg, &value, &end))
		for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (!strcmp(end, units[i].suffix) && value <= INT32_MAX) {
				*out = value * units[i].ms;
				return true;
			}
	report_fail(0, "%s %s: not a time; write seconds, or for example 500ms, 30s, 5m",
		    option, arg);
	return false;
}
