// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * How a failure is worded.  The number says of what kind it is, for programs
 * that look for it; the text has the cause that was really met, for people.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <libvdi.h>

#include "../cli/cli.h"
#include "../cli/report.h"
#include "../cli/watch.h"
#include "failure.h"

static char failure_first[MESSAGE_TEXT / 2];

static void failure_take(const char *line)
{
	if (!failure_first[0])
		snprintf(failure_first, sizeof(failure_first), "%s", line);
}

void failure_begin(void)
{
	failure_first[0] = '\0';
	report_to(failure_take);
}

void failure_end(void)
{
	report_to(NULL);
}

const char *failure_text(void)
{
	return failure_first[0] ? failure_first : "the server has given up";
}

/* The set could not be had. */
static void failure_open(unsigned int line, const struct stream_fault *fault)
{
	if (fault->kind == STREAM_FAULT_MISSING)
		message_error(3201, 16, line,
			      "Cannot open backup device '%s'. Operating system error 0x80070002(The system cannot find the file specified.).",
			      fault->device);
	else if (fault->error == -EACCES || fault->error == -EPERM)
		message_error(3201, 16, line,
			      "Cannot open backup device '%s'. Operating system error 5(Access is denied.): %s.",
			      fault->device, failure_text());
	else if (fault->kind == STREAM_FAULT_MEMORY)
		message_error(701, 17, line,
			      "There is insufficient system memory to run this query: %s.",
			      failure_text());
	else
		message_error(3201, 16, line, "Cannot open backup device '%s': %s.",
			      fault->device, failure_text());
}

/* The client has answered a command with an error. */
static void failure_code(unsigned int line, const struct stream_fault *fault,
			 const struct statement *statement)
{
	const char *why = vdi_code_text(fault->code);

	if (!strncmp(fault->what, "Write", 5) && strcmp(fault->what, "WriteMark"))
		message_error(3202, 16, line, "%s on \"%s\" failed: %u(%s)", fault->what,
			      fault->device, fault->code, why);
	else if (!strncmp(fault->what, "Read", 4))
		message_error(3203, 16, line, "%s on \"%s\" failed: %u(%s)", fault->what,
			      fault->device, fault->code, why);
	else if (!strcmp(fault->what, "SkipMarks"))
		message_error(4038, 16, line, "Cannot find file ID %u on device '%s': %u(%s).",
			      statement->file, fault->device, fault->code, why);
	else
		message_error(18210, 16, line,
			      "BackupVirtualDeviceFile: %s failure on backup device '%s'. Operating system error %u(%s).",
			      fault->what, fault->device, fault->code, why);
}

/* The set is aborted; who did it and why is in the engine's line. */
static void failure_aborted(unsigned int line, const struct stream_fault *fault)
{
	const char *why = failure_text();

	if (!strncmp(why, "aborted: ", 9))
		why += 9;
	message_error(18210, 16, line,
		      "BackupVirtualDeviceFile: %s failure on backup device '%s'. Operating system error 995(The I/O operation was aborted.). Cause: %s.",
		      fault->what[0] ? fault->what : "Open", fault->device, why);
}

static void failure_local(unsigned int line, const struct statement *statement, int code)
{
	if (code == EXIT_MISMATCH)
		message_error(3241, 16, line,
			      "The media family on device '%s' is incorrectly formed. It cannot be processed: %s.",
			      statement->devices[0], failure_text());
	else if (code == EXIT_EXISTS)
		message_error(3101, 16, line,
			      "Exclusive access could not be obtained because the database is in use: %s.",
			      failure_text());
	else
		message_error(3634, 16, line,
			      "The operating system returned an error while attempting %s: %s.",
			      statement_verb(statement), failure_text());
}

void failure_tell(const struct statement *statement, const struct stream_fault *fault, int code)
{
	unsigned int line = statement->line;

	switch (fault->kind) {
	case STREAM_FAULT_MISSING:
	case STREAM_FAULT_OPEN:
	case STREAM_FAULT_CONFIG:
	case STREAM_FAULT_MEMORY:
		failure_open(line, fault);
		break;
	case STREAM_FAULT_CODE:
		failure_code(line, fault, statement);
		break;
	case STREAM_FAULT_ABORTED:
	case STREAM_FAULT_OTHER:
		failure_aborted(line, fault);
		break;
	default:
		if (watch_interrupted())
			message_error(3204, 16, line, "The backup or restore was aborted.");
		else
			failure_local(line, statement, code);
	}
	message_error(3013, 16, line, "%s is terminating abnormally.", statement_verb(statement));
}
