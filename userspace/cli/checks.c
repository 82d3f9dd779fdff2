// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The checks of `vdi selftest`: their names, what each has seen in the trial
 * that runs, and the report.  Owns stdout; what is looked at is the trials'.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checks.h"
#include "cli.h"
#include "report.h"

#define CHECKS_COMMON	(CHECK_BIT(CHECK_ALIVE + 1) - 1)

static const struct {
	const char *name;
	const char *text;
} check_names[CHECK_COUNT] = {
	[CHECK_CONNECT] = { "connect", "the client makes its set in time" },
	[CHECK_CONFIG] = { "config", "it asks for a legal configuration, the same in each run" },
	[CHECK_OPEN] = { "open-devices", "it opens all devices of its set in time" },
	[CHECK_ANSWER] = { "answer", "it answers each command in time" },
	[CHECK_ALIVE] = { "alive", "it does not abort, close or die while it is served" },
	[CHECK_ONCE] = { "once", "it answers each command once, with no more bytes than asked" },
	[CHECK_AREA] = { "area", "it leaves memory alone that no command gave it" },
	[CHECK_EXIT] = { "exit", "after the close of all devices it ends in time with status 0" },
	[CHECK_WRITE] = { "write", "Write succeeds" },
	[CHECK_WRITE_COUNT] = { "write-count", "Write transfers all bytes" },
	[CHECK_WRITE_BUFFER] = { "write-buffer", "Write leaves the data in the buffer as it was" },
	[CHECK_FLUSH] = { "flush", "Flush succeeds, also in the middle" },
	[CHECK_COMPLETE] = { "complete", "Complete succeeds" },
	[CHECK_READ] = { "read", "Read succeeds" },
	[CHECK_READ_COUNT] = { "read-count", "in the middle of the data Read transfers all" },
	[CHECK_DATA] = { "data", "the bytes read are those written" },
	[CHECK_ORDER] = { "order", "they come from the right place of the right device" },
	[CHECK_END] = { "end", "a Read says 38 or 1104 at the end of the data, not before" },
	[CHECK_UNKNOWN] = { "unknown-command", "a command it can't know is answered with 50" },
	[CHECK_CLEAR_ERROR] = { "clear-error", "ClearError succeeds" },
	[CHECK_RESUME] = { "resume", "the device works on after ClearError" },
	[CHECK_DURABLE] = { "durable", "what was answered is there if the client is killed" },
	[CHECK_STAYS] = { "stays", "it does not end before its devices are closed" },
	[CHECK_ABORT_END] = { "abort-end", "when the server aborts or dies it ends in time" },
	[CHECK_ABORT_STATUS] = { "abort-status", "and its exit status is not 0" },
	[CHECK_NO_BACKUP] = { "no-backup", "what did not end in order can't be restored" },
	[CHECK_DISCARD] = { "discard", "Discard succeeds" },
	[CHECK_WRITE_MARK] = { "write-mark", "WriteMark succeeds" },
	[CHECK_FILEMARK] = { "filemark", "a Read ends at a filemark with 1101, and nowhere else" },
	[CHECK_REWIND] = { "rewind", "Rewind succeeds, and leads to the start of the data" },
	[CHECK_SKIP_MARKS] = { "skip-marks", "SkipMarks leads behind or before the right mark" },
	[CHECK_SKIP_BLOCKS] = { "skip-blocks", "SkipBlocks leads to the right block, both ways" },
	[CHECK_TAPE_POSITION] = { "tape-position",
				  "SetPosition leads back to where GetPosition was asked" },
	[CHECK_END_OF_MEDIA] = { "end-of-media", "a warning (1100) loses and changes no data" },
	[CHECK_LOAD] = { "load", "Load brings the next medium, at its start" },
	[CHECK_SET_POSITION] = { "set-position", "SetPosition counts from each origin" },
	[CHECK_GET_POSITION] = { "get-position", "GetPosition gives what SetPosition has set" },
	[CHECK_LENGTH] = { "length", "Flush has set the length; behind it is nothing" },
	[CHECK_HOLE] = { "hole", "what was not written reads as nothing that was" },
};

enum check_state { CHECK_NOT_RUN, CHECK_GOOD, CHECK_BAD, CHECK_SKIPPED };

struct check_result {
	enum check_state state;
	char text[320];
};

struct checks {
	const char *trial;
	uint64_t mask;		/* of this trial */
	uint64_t only;		/* those that are shown, also if they are good */
	struct check_result results[CHECK_COUNT];
	unsigned int number;
	unsigned int count[CHECK_SKIPPED + 1];
};

struct checks *checks_new(void)
{
	struct checks *checks = calloc(1, sizeof(*checks));

	puts("TAP version 13");
	if (checks)
		checks->only = ~0ULL;
	return checks;
}

void checks_free(struct checks *checks)
{
	free(checks);
}

const char *check_name(enum check check)
{
	return check_names[check].name;
}

const char *check_text(enum check check)
{
	return check_names[check].text;
}

uint64_t checks_common(void)
{
	return CHECKS_COMMON;
}

enum check check_named(const char *name)
{
	unsigned int i = 0;

	while (i < CHECK_COUNT && strcmp(check_names[i].name, name))
		i++;
	return i;
}

void checks_only(struct checks *checks, uint64_t mask)
{
	checks->only = mask;
}

void checks_begin(struct checks *checks, const char *trial, uint64_t mask)
{
	checks->trial = trial;
	checks->mask = mask | CHECKS_COMMON;
	memset(checks->results, 0, sizeof(checks->results));
}

/* Text may be the client's: what could end a line or steer a terminal is shown as '?'. */
static void checks_put(const char *before, const char *text)
{
	fputs(before, stdout);
	for (; *text; text++)
		putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
	putchar('\n');
}

void checks_note(const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	checks_put("# ", text);
}

static void checks_line(struct checks *checks, enum check which)
{
	const struct check_result *result = &checks->results[which];
	const char *reason = result->state == CHECK_SKIPPED ? result->text : "not reached";

	checks->number++;
	checks->count[result->state]++;
	switch (result->state) {
	case CHECK_GOOD:
		printf("ok %u %s/%s\n", checks->number, checks->trial, check_names[which].name);
		break;
	case CHECK_BAD:
		printf("not ok %u %s/%s\n", checks->number, checks->trial,
		       check_names[which].name);
		checks_note("%s/%s: %s", checks->trial, check_names[which].name, result->text);
		break;
	default:
		printf("ok %u %s/%s # SKIP %s\n", checks->number, checks->trial,
		       check_names[which].name, reason);
	}
}

bool checks_end(struct checks *checks)
{
	bool good = !checks_failed(checks);
	unsigned int i;

	for (i = 0; i < CHECK_COUNT; i++)
		if (checks->mask & CHECK_BIT(i) &&
		    (checks->only & CHECK_BIT(i) || checks->results[i].state == CHECK_BAD))
			checks_line(checks, i);
	fflush(stdout);
	return good;
}

void checks_skip_trial(struct checks *checks, const char *trial, const char *why)
{
	checks->count[CHECK_SKIPPED]++;
	printf("ok %u %s # SKIP %s\n", ++checks->number, trial, why);
}

bool check(struct checks *checks, enum check which, bool good, const char *fmt, ...)
{
	struct check_result *result = &checks->results[which];
	va_list ap;

	/* what is not of this trial is shown only if it goes wrong */
	if (!good)
		checks->mask |= CHECK_BIT(which);
	if (good && result->state != CHECK_BAD)
		result->state = CHECK_GOOD;
	if (good || result->state == CHECK_BAD)
		return good;
	result->state = CHECK_BAD;
	va_start(ap, fmt);
	vsnprintf(result->text, sizeof(result->text), fmt, ap);
	va_end(ap);
	return false;
}

void check_skip(struct checks *checks, enum check which, const char *why)
{
	struct check_result *result = &checks->results[which];

	if (result->state != CHECK_NOT_RUN)
		return;
	result->state = CHECK_SKIPPED;
	snprintf(result->text, sizeof(result->text), "%s", why);
}

void check_skip_rest(struct checks *checks, const char *why)
{
	unsigned int i;

	for (i = 0; i < CHECK_COUNT; i++)
		check_skip(checks, i, why);
}

bool checks_failed(const struct checks *checks)
{
	unsigned int i;

	for (i = 0; i < CHECK_COUNT; i++)
		if (checks->results[i].state == CHECK_BAD)
			return true;
	return false;
}

int checks_finish(struct checks *checks)
{
	unsigned int good = checks->count[CHECK_GOOD], bad = checks->count[CHECK_BAD];

	printf("1..%u\n# %u passed, %u failed, %u skipped\n", checks->number, good, bad,
	       checks->number - good - bad);
	if (report_stdout())
		return EXIT_FAILED;
	return good && !bad ? EXIT_DONE : EXIT_FAILED;
}
