/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
#ifndef VDI_JSON_H
#define VDI_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	bool more;		/* a comma is due before the next value */
};

/* A NULL @key: an element of an array, or the outermost value. */
void json_open(struct json *json, const char *key, char bracket);
void json_close(struct json *json, char bracket);
void json_string(struct json *json, const char *key, const char *value);
void json_number(struct json *json, const char *key, uint64_t value);
void json_null(struct json *json, const char *key);
/* A CLOCK_MONOTONIC time of this boot, as RFC 3339 in UTC. */
void json_monotonic(struct json *json, const char *key, uint64_t ns);
void json_end(struct json *json);

#endif /* VDI_JSON_H */
