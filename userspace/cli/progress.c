// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The progress line.  Owns its text and when it is shown; the numbers are
 * given.  Without a total there is no percentage and no ETA: none is invented.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "report.h"

#define PROGRESS_TERMINAL_NS	200000000ULL
#define PROGRESS_LOG_NS		10000000000ULL

static uint64_t progress_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

bool progress_when_parse(const char *arg, enum progress_when *out)
{
	static const char * const names[] = {
		[PROGRESS_AUTO] = "auto",
		[PROGRESS_ALWAYS] = "always",
		[PROGRESS_NEVER] = "never",
	};
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(arg, names[i])) {
			*out = i;
			return true;
		}
	report_fail(0, "--progress %s: must be auto, always or never", arg);
	return false;
}

void progress_start(struct progress *progress, enum progress_when when, unsigned int stripes)
{
	const char *term = getenv("TERM");

	memset(progress, 0, sizeof(*progress));
	progress->when = when;
	progress->stripes = stripes;
	progress->start_ns = progress_clock();
	progress->last_ns = progress->start_ns;
	progress->on_terminal = isatty(STDERR_FILENO) && term && strcmp(term, "dumb");
	if (when == PROGRESS_AUTO && (!isatty(STDERR_FILENO) || report_verbosity() < 0))
		progress->when = PROGRESS_NEVER;
}

static void progress_bytes(char *buf, size_t size, uint64_t bytes)
{
	static const char * const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double value = bytes;
	unsigned int i;

	for (i = 0; value >= 1023.995 && i < 6; i++)
		value /= 1024;
	snprintf(buf, size, i ? (value < 99.995 ? "%.2f %s" : "%.0f %s") : "%.0f %s", value,
		 units[i]);
}

static int progress_eta(char *buf, size_t size, uint64_t eta)
{
	unsigned int sec = eta % 60, min = eta / 60 % 60;

	if (eta < 3600)
		return snprintf(buf, size, "  ETA %u:%02u", min, sec);
	return snprintf(buf, size, "  ETA %" PRIu64 ":%02u:%02u", eta / 3600, min, sec);
}

static void progress_text(const struct progress *progress, char *buf, size_t size,
			  uint64_t now, uint64_t bytes, uint64_t total)
{
	char done[32], all[32], rate[32];
	double sec = (now - progress->start_ns) / 1e9;
	double per_sec = sec > 0.001 ? bytes / sec : 0;
	int len;

	progress_bytes(done, sizeof(done), bytes);
	progress_bytes(rate, sizeof(rate), per_sec);
	if (total) {
		/* the total is a hint: a stream may be a little longer */
		uint64_t left = total > bytes ? total - bytes : 0;

		progress_bytes(all, sizeof(all), total);
		len = snprintf(buf, size, "%s / %s  %u%%  %s/s", done, all,
			       left ? (unsigned int)(bytes * 100.0 / total) : 100, rate);
		if (left && per_sec >= 1)
			len += progress_eta(buf + len, size - len, left / per_sec + 0.5);
	} else {
		len = snprintf(buf, size, "%s  %s/s", done, rate);
	}
	snprintf(buf + len, size - len, "  %u stripe%s", progress->stripes,
		 progress->stripes == 1 ? "" : "s");
}

static int progress_columns(void)
{
	struct winsize ws;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) || !ws.ws_col)
		return 80;
	return ws.ws_col;
}

void progress_tick(struct progress *progress, uint64_t bytes, uint64_t total)
{
	uint64_t now = progress_clock();
	char text[256];

	if (progress->when == PROGRESS_NEVER ||
	    now - progress->last_ns < (progress->on_terminal ? PROGRESS_TERMINAL_NS :
				       PROGRESS_LOG_NS))
		return;
	progress->last_ns = now;
	progress->shown = true;
	progress_text(progress, text, sizeof(text), now, bytes, total);
	if (progress->on_terminal)
		report_transient(text, progress_columns());
	else
		report_warn("%s", text);
}

void progress_now(struct progress *progress, uint64_t bytes, uint64_t total)
{
	char text[256];

	progress_text(progress, text, sizeof(text), progress_clock(), bytes, total);
	report_warn("%s", text);
}

void progress_finish(struct progress *progress, uint64_t bytes, uint64_t total)
{
	char text[256];

	if (progress->when == PROGRESS_NEVER)
		return;
	report_transient_end(false);
	progress_text(progress, text, sizeof(text), progress_clock(), bytes, total);
	report_warn("%s", text);
}
