// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Messages on stdout, each written whole and at once, so that a program at the
 * other end of a pipe sees progress as it is made.  Owns their form, not what
 * they say.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "message.h"

#define MESSAGE_SERIOUS	11	/* below this it is information */

static struct message_options message_how;
static bool message_serious;

void message_setup(const struct message_options *options)
{
	message_how = *options;
}

int message_failed(void)
{
	return message_serious;
}

/* Text may come from the client: no control character reaches the terminal. */
static void message_clean(char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
			*text = '?';
}

static void message_put(const char *text, bool error)
{
	bool aside = message_how.redirect == MESSAGE_ALL ||
		     (message_how.redirect == MESSAGE_ERRORS && error);
	FILE *out = aside ? stderr : stdout;

	flockfile(out);
	fputs(text, out);
	fflush(out);
	funlockfile(out);
}

void message_set(struct message *message, int number, int level, unsigned int line,
		 const char *fmt, ...)
{
	va_list ap;

	message->number = number;
	message->level = level;
	message->line = line;
	va_start(ap, fmt);
	vsnprintf(message->text, sizeof(message->text), fmt, ap);
	va_end(ap);
	message_clean(message->text);
}

void message_show(const struct message *message)
{
	char host[256] = "localhost", text[sizeof(message->text) + 512];

	if (message->level >= MESSAGE_SERIOUS && message->level >= message_how.error_from)
		message_serious = true;
	if (message->level < message_how.quiet_below)
		return;
	gethostname(host, sizeof(host) - 1);
	snprintf(text, sizeof(text), "Msg %d, Level %d, State 1, Server %s, Line %u\n%s\n",
		 message->number, message->level, host, message->line, message->text);
	message_put(text, message->level >= MESSAGE_SERIOUS);
}

void message_error(int number, int level, unsigned int line, const char *fmt, ...)
{
	struct message message = { .number = number, .level = level, .line = line };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message.text, sizeof(message.text), fmt, ap);
	va_end(ap);
	message_clean(message.text);
	message_show(&message);
}

void message_info(const char *fmt, ...)
{
	char text[8192 + 2];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	message_clean(text);
	strcat(text, "\n");
	message_put(text, false);
}
