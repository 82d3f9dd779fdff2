// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which engines there are, and what is common to them.  A new engine is a row
 * of the table and its own files.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../cli/report.h"
#include "engine.h"

static const struct engine engines[] = {
	{ "sqlite", &sqlite_backup_task, &sqlite_restore_task },
};

const struct engine *engine_find(const char *spec, const char **path)
{
	const char *colon = strchr(spec, ':');
	size_t i;

	for (i = 0; colon && i < sizeof(engines) / sizeof(engines[0]); i++) {
		if (strlen(engines[i].scheme) != (size_t)(colon - spec) ||
		    strncmp(engines[i].scheme, spec, colon - spec))
			continue;
		if (!colon[1]) {
			report_fail(0, "%s: a path must follow the colon", spec);
			return NULL;
		}
		*path = colon + 1;
		return &engines[i];
	}
	report_fail(0, "%s: not a database; write sqlite:PATH", spec);
	return NULL;
}

void engine_digest_line(const struct engine_job *job, unsigned int index, const uint8_t *digest,
			uint64_t bytes)
{
	char name[VDI_NAME_SIZE], hex[2 * STREAM_DIGEST_SIZE + 1];
	unsigned int i;

	if (job->digests_fd < 0)
		return;
	/* the name of a set is chosen anew each time: the stripe's number stays */
	snprintf(name, sizeof(name), "stripe-%02u", index + 1);
	for (i = 0; i < STREAM_DIGEST_SIZE; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	if (dprintf(job->digests_fd, "%s %s %" PRIu64 "\n", name, hex, bytes) < 0)
		report_warn("the list of digests could not be written");
}
