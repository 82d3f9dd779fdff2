// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * JSON output.  Owns the syntax and the escaping: names and texts come from
 * other users, and may hold any byte.  Reads nothing.
 */
#include <inttypes.h>
#include <time.h>

#include "json.h"

/*
 * Bytes of the UTF-8 sequence at @s, 0 if it is malformed: overlong, a
 * surrogate, beyond U+10FFFF, or cut.
 */
static unsigned int json_utf8(const unsigned char *s)
{
	static const struct {
		unsigned char first, last, low, high;
		unsigned int len;
	} forms[] = {
		{ 0x20, 0x7f, 0, 0, 1 },
		{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};
	unsigned int i, k;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (s[0] < forms[i].first || s[0] > forms[i].last)
			continue;
		if (forms[i].len > 1 && (s[1] < forms[i].low || s[1] > forms[i].high))
			return 0;
		for (k = 2; k < forms[i].len; k++)
			if (s[k] < 0x80 || s[k] > 0xbf)
				return 0;
		return forms[i].len;
	}
	return 0;
}

static void json_quote(struct json *json, const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	putc('"', json->out);
	while (*s) {
		unsigned int len = json_utf8(s);

		if (*s == '"' || *s == '\\') {
			fprintf(json->out, "\\%c", *s++);
		} else if (*s < 0x20 || *s == 0x7f) {
			fprintf(json->out, "\\u%04x", *s++);
		} else if (!len) {
			fputs("\\ufffd", json->out);
			s++;
		} else {
			fwrite(s, 1, len, json->out);
			s += len;
		}
	}
	putc('"', json->out);
}

static void json_key(struct json *json, const char *key)
{
	if (json->more)
		putc(',', json->out);
	json->more = true;
	if (!key)
		return;
	json_quote(json, key);
	putc(':', json->out);
}

void json_open(struct json *json, const char *key, char bracket)
{
	json_key(json, key);
	putc(bracket, json->out);
	json->more = false;
}

void json_close(struct json *json, char bracket)
{
	putc(bracket, json->out);
	json->more = true;
}

void json_string(struct json *json, const char *key, const char *value)
{
	json_key(json, key);
	json_quote(json, value);
}

void json_number(struct json *json, const char *key, uint64_t value)
{
	json_key(json, key);
	fprintf(json->out, "%" PRIu64, value);
}

void json_null(struct json *json, const char *key)
{
	json_key(json, key);
	fputs("null", json->out);
}

void json_monotonic(struct json *json, const char *key, uint64_t ns)
{
	struct timespec real, mono;
	char text[40];
	struct tm tm;
	int64_t at;
	time_t sec;

	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_MONOTONIC, &mono);
	at = (int64_t)(real.tv_sec - mono.tv_sec) * 1000000000 + (real.tv_nsec - mono.tv_nsec) +
	     (int64_t)ns;
	sec = at / 1000000000;
	if (!gmtime_r(&sec, &tm) || !strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm)) {
		json_null(json, key);
		return;
	}
	json_key(json, key);
	fprintf(json->out, "\"%s.%03uZ\"", text, (unsigned int)(at % 1000000000 / 1000000));
}

void json_end(struct json *json)
{
	putc('\n', json->out);
	json->more = false;
}
