/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_REPORT_H
#define VDI_REPORT_H

#include <stdbool.h>

/* Who speaks: "client", "engine"; NULL when one process does all. */
void report_as(const char *role);
void report_level(int level);		/* -1 quiet, 0 normal, 1 verbose */
int report_verbosity(void);
/* Lines go to @take (from any thread, one at a time) instead of stderr; NULL: back. */
void report_to(void (*take)(const char *line));

/* One line on stderr: "vdi: ..."; returns @code, so that a caller can return it. */
int report_fail(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void report_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void report_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void report_verbose(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What was printed on stdout is written: EXIT_DONE, or EXIT_FAILED after a line. */
int report_stdout(void);

/* A line that is overwritten by the next one: the progress display. */
void report_transient(const char *line, int columns);
void report_transient_end(bool keep);

#endif /* VDI_REPORT_H */
