/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_PROGRESS_H
#define VDI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

enum progress_when { PROGRESS_AUTO, PROGRESS_ALWAYS, PROGRESS_NEVER };

struct progress {
	enum progress_when when;
	unsigned int stripes;
	uint64_t start_ns;
	uint64_t last_ns;
	bool shown;
	bool on_terminal;
};

bool progress_when_parse(const char *arg, enum progress_when *out);
void progress_start(struct progress *progress, enum progress_when when, unsigned int stripes);

/* To be called a few times a second; @total is 0 while it is not known. */
void progress_tick(struct progress *progress, uint64_t bytes, uint64_t total);
/* One line now, whatever the mode: SIGUSR1. */
void progress_now(struct progress *progress, uint64_t bytes, uint64_t total);
void progress_finish(struct progress *progress, uint64_t bytes, uint64_t total);

#endif /* VDI_PROGRESS_H */
