// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * What the command says to people: lines on stderr, each written whole, and
 * the transient progress line between them.  Owns stderr; decides nothing.
 */
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "report.h"

static pthread_mutex_t report_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *report_role;
static int report_verbose_level;
static bool report_transient_shown;
static void (*report_taker)(const char *line);

void report_as(const char *role)
{
	report_role = role;
}

void report_level(int level)
{
	report_verbose_level = level;
}

void report_to(void (*take)(const char *line))
{
	report_taker = take;
}

int report_verbosity(void)
{
	return report_verbose_level;
}

static void report_put(const char *buf, size_t len)
{
	while (len) {
		ssize_t ret = write(STDERR_FILENO, buf, len);

		if (ret <= 0)
			return;		/* nobody left to tell */
		buf += ret;
		len -= ret;
	}
}

/*
 * Text may come from the other side of a set: control characters are shown as
 * '?', so that a line stays one line and no escape reaches the terminal.
 */
static void report_line(const char *fmt, va_list ap)
{
	char line[4096] = "";
	size_t start = 0, len, i;

	pthread_mutex_lock(&report_lock);
	if (report_transient_shown) {
		memcpy(line, "\r\033[K", 4);
		start = 4;
		report_transient_shown = false;
	}
	len = start + snprintf(line + start, sizeof(line) - start, "vdi: %s%s",
			       report_role ? report_role : "", report_role ? ": " : "");
	vsnprintf(line + len, sizeof(line) - len - 1, fmt, ap);
	len = strlen(line);
	for (i = start; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	if (report_taker) {
		report_taker(line + strlen("vdi: "));
	} else {
		line[len++] = '\n';
		report_put(line, len);
	}
	pthread_mutex_unlock(&report_lock);
}

int report_fail(int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_line(fmt, ap);
	va_end(ap);
	return code;
}

void report_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report_line(fmt, ap);
	va_end(ap);
}

void report_info(const char *fmt, ...)
{
	va_list ap;

	if (report_verbose_level < 0)
		return;
	va_start(ap, fmt);
	report_line(fmt, ap);
	va_end(ap);
}

void report_verbose(const char *fmt, ...)
{
	va_list ap;

	if (report_verbose_level < 1)
		return;
	va_start(ap, fmt);
	report_line(fmt, ap);
	va_end(ap);
}

int report_stdout(void)
{
	/* an earlier flush may have failed, and this one has nothing left to do */
	if (!fflush(stdout) && !ferror(stdout))
		return EXIT_DONE;
	return report_fail(EXIT_FAILED, "stdout can't be written");
}

void report_transient(const char *line, int columns)
{
	char buf[512];
	int len;

	if (columns <= 0 || columns > (int)sizeof(buf) - 16)
		columns = sizeof(buf) - 16;
	pthread_mutex_lock(&report_lock);
	len = snprintf(buf, sizeof(buf), "\r%.*s\033[K", columns - 1, line);
	report_put(buf, len);
	report_transient_shown = true;
	pthread_mutex_unlock(&report_lock);
}

void report_transient_end(bool keep)
{
	pthread_mutex_lock(&report_lock);
	if (report_transient_shown)
		report_put(keep ? "\n" : "\r\033[K", keep ? 1 : 4);
	report_transient_shown = false;
	pthread_mutex_unlock(&report_lock);
}
