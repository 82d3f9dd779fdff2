/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_OPTION_H
#define VDI_OPTION_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Each parses one argument; on bad input it prints a line that names @option
 * and returns false.
 */
bool option_size(const char *option, const char *arg, uint64_t min, uint64_t max, uint64_t *out);
bool option_count(const char *option, const char *arg, unsigned int min, unsigned int max,
		  unsigned int *out);
bool option_mode(const char *option, const char *arg, unsigned int *out);
bool option_group(const char *option, const char *arg, unsigned int *out);
/* "30", "500ms", "5s", "2m", "1h"; in milliseconds; 0 is no limit */
bool option_time_ms(const char *option, const char *arg, int64_t *out);

#endif /* VDI_OPTION_H */
