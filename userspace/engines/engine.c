// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Which engines there are, and what is common to them.  A new engine is a row
 * of the table and its own files.
 */
#include <string.h>

#include "../cli/report.h"
#include "digests.h"
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
	if (job->digests)
		digests_add(job->digests, index, digest, bytes);
}
