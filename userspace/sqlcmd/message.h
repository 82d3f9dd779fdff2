/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * What vdi-sqlcmd says, in the form of sqlcmd.
 */
#ifndef VDI_SQLCMD_MESSAGE_H
#define VDI_SQLCMD_MESSAGE_H

#include <stddef.h>

#define MESSAGE_TEXT	1024

/* Which stream a message goes to: -r */
enum message_redirect { MESSAGE_STDOUT, MESSAGE_ERRORS, MESSAGE_ALL };

struct message_options {
	enum message_redirect redirect;
	int quiet_below;	/* -m: errors of less severity are not shown */
	int error_from;		/* -V: with -b only errors of this severity count */
};

/* An error as SQL Server numbers it; @number 0: none */
struct message {
	int number;
	int level;
	unsigned int line;	/* in the batch */
	char text[MESSAGE_TEXT];
};

void message_setup(const struct message_options *options);

void message_set(struct message *message, int number, int level, unsigned int line,
		 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* "Msg 3013, Level 16, State 1, Server HOST, Line 1" and the text */
void message_show(const struct message *message);
void message_error(int number, int level, unsigned int line, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* A line of information, without a header */
void message_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Has there been an error that -b ends with? */
int message_failed(void);

#endif /* VDI_SQLCMD_MESSAGE_H */
