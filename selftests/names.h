/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that are valid and names that are not (design.md section 8): 1..255
 * bytes of UTF-8 without NUL, slash, backslash and control characters.
 */
#ifndef VDI_TEST_NAMES_H
#define VDI_TEST_NAMES_H

#include "vdi_test.h"

static const char * const bad_names[] = {
	"/", "a/b", "/a", "a/", "\\", "a\\b", "a\\",
	/* control characters */
	"\x01", "a\x01", "\ta", "a\nb", "a\rb", "\x1b[2J", "a\x1f", "\x7f", "a\177b",
	"\xc2\x80", "\xc2\x9f",
	/* no UTF-8: lone continuation, truncated sequence, wrong continuation */
	"\x80", "a\xbf", "\xc3", "a\xc3", "\303a", "\xe2\x82", "\342\202a",
	"\xf0\x9d\x84", "\360\235\204a", "\xc3\xc3\xa9",
	/* overlong forms, surrogates, beyond U+10FFFF, bytes that never occur */
	"\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xf0\x80\x80\x80",
	"\xf0\x8f\xbf\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xf4\x90\x80\x80",
	"\xf5\x80\x80\x80", "\xf8\x88\x80\x80\x80", "\xfe", "\xff", "\xc0\xaf",
};

static const char * const good_names[] = {
	"a", " ", ".", "..", "...", "*?<>|\":", "name with blanks", "-n", "%s%n", "$(reboot)",
	"\xc2\xa0", "\xc3\xa9", "\xe2\x82\xac", "\xed\x9f\xbf", "\xee\x80\x80",
	"\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf0\x9d\x84\x9e", "\xf4\x8f\xbf\xbf",
	"{B5E7A131-A7BD-11D1-84C2-00C04FC21759}",
};

/* The longest name, one byte short of the field; with a character at its end. */
static inline void vt_longest_name(char *to)
{
	memset(to, 'n', VDI_NAME_SIZE - 1);
	to[VDI_NAME_SIZE - 1] = 0;
}

/*
 * Calls @req with each bad name in the field at @field, and with none and an
 * unterminated one; all else in @arg is valid.
 */
static inline void vt_expect_bad_names(struct __test_metadata *_metadata, int fd,
				       unsigned long req, void *arg, char *field,
				       bool empty_too, int err)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad_names); i++) {
		memset(field, 0, VDI_NAME_SIZE);
		strcpy(field, bad_names[i]);
		EXPECT_EQ(err, vt_call(fd, req, arg)) {
			TH_LOG("bad name number %zu", i);
		}
	}
	memset(field, 'n', VDI_NAME_SIZE);
	EXPECT_EQ(err, vt_call(fd, req, arg));
	/* 255 bytes, the last of them the first half of a character */
	vt_longest_name(field);
	field[VDI_NAME_SIZE - 2] = '\xc3';
	EXPECT_EQ(err, vt_call(fd, req, arg));
	memset(field, 0, VDI_NAME_SIZE);
	if (empty_too)
		EXPECT_EQ(err, vt_call(fd, req, arg));
}

#endif /* VDI_TEST_NAMES_H */
