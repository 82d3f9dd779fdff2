// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The options behind WITH: one row each, with where it may be, what value it
 * takes and in which range.  What can't be done is refused by name; what makes
 * no difference to a database of this kind is accepted, and listed as such in
 * the manual.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "statement.h"

enum { WITH_BACKUP = 1, WITH_RESTORE = 2, WITH_VERIFY = 4, WITH_READ = 6, WITH_ALL = 7 };

enum with_value {
	WITH_NOTHING,		/* no value */
	WITH_NUMBER,
	WITH_MAYBE_NUMBER,
	WITH_STRING,
	WITH_PARENTHESES,	/* perhaps (...) */
	WITH_MOVE,		/* 'file' TO 'path' */
};

/* Options of one group exclude each other. */
enum with_group {
	WITH_ALONE, WITH_REFUSED, WITH_G_FORMAT, WITH_G_INIT, WITH_G_SKIP, WITH_G_RECOVERY,
	WITH_G_CHECKSUM, WITH_G_ERROR, WITH_G_COMPRESSION, WITH_G_REWIND, WITH_G_UNLOAD,
	WITH_G_BLOCK, WITH_G_BUFFERS, WITH_G_TRANSFER, WITH_G_STATS, WITH_G_FILE, WITH_G_NAME,
	WITH_G_TEXT, WITH_G_MEDIA, WITH_G_MEDIATEXT, WITH_G_REPLACE, WITH_G_COPY,
};

struct with_option {
	const char *name;
	unsigned int where;
	enum with_value value;
	enum with_group group;
};

static const struct with_option with_options[] = {
	{ "BLOCKSIZE", WITH_ALL, WITH_NUMBER, WITH_G_BLOCK },
	{ "BUFFERCOUNT", WITH_ALL, WITH_NUMBER, WITH_G_BUFFERS },
	{ "CHECKSUM", WITH_ALL, WITH_NOTHING, WITH_G_CHECKSUM },
	{ "COMPRESSION", WITH_BACKUP, WITH_PARENTHESES, WITH_G_COMPRESSION },
	{ "CONTINUE_AFTER_ERROR", WITH_ALL, WITH_NOTHING, WITH_G_ERROR },
	{ "COPY_ONLY", WITH_BACKUP, WITH_NOTHING, WITH_G_COPY },
	{ "CREDENTIAL", WITH_ALL, WITH_STRING, WITH_REFUSED },
	{ "DESCRIPTION", WITH_BACKUP, WITH_STRING, WITH_G_TEXT },
	{ "DIFFERENTIAL", WITH_BACKUP, WITH_NOTHING, WITH_ALONE },
	{ "ENCRYPTION", WITH_BACKUP, WITH_PARENTHESES, WITH_REFUSED },
	{ "EXPIREDATE", WITH_BACKUP, WITH_STRING, WITH_ALONE },
	{ "FILE", WITH_READ, WITH_NUMBER, WITH_G_FILE },
	{ "FORMAT", WITH_BACKUP, WITH_NOTHING, WITH_G_FORMAT },
	{ "INIT", WITH_BACKUP, WITH_NOTHING, WITH_G_INIT },
	{ "KEEP_CDC", WITH_RESTORE, WITH_NOTHING, WITH_REFUSED },
	{ "KEEP_REPLICATION", WITH_RESTORE, WITH_NOTHING, WITH_REFUSED },
	{ "LOADHISTORY", WITH_VERIFY, WITH_NOTHING, WITH_ALONE },
	{ "MAXTRANSFERSIZE", WITH_ALL, WITH_NUMBER, WITH_G_TRANSFER },
	{ "MEDIADESCRIPTION", WITH_BACKUP, WITH_STRING, WITH_G_MEDIATEXT },
	{ "MEDIANAME", WITH_ALL, WITH_STRING, WITH_G_MEDIA },
	{ "MEDIAPASSWORD", WITH_ALL, WITH_STRING, WITH_REFUSED },
	{ "MOVE", WITH_READ, WITH_MOVE, WITH_REFUSED },
	{ "NAME", WITH_BACKUP, WITH_STRING, WITH_G_NAME },
	{ "NOFORMAT", WITH_BACKUP, WITH_NOTHING, WITH_G_FORMAT },
	{ "NOINIT", WITH_BACKUP, WITH_NOTHING, WITH_G_INIT },
	{ "NORECOVERY", WITH_BACKUP | WITH_RESTORE, WITH_NOTHING, WITH_G_RECOVERY },
	{ "NOREWIND", WITH_ALL, WITH_NOTHING, WITH_G_REWIND },
	{ "NOSKIP", WITH_BACKUP, WITH_NOTHING, WITH_G_SKIP },
	{ "NOUNLOAD", WITH_ALL, WITH_NOTHING, WITH_G_UNLOAD },
	{ "NO_CHECKSUM", WITH_ALL, WITH_NOTHING, WITH_G_CHECKSUM },
	{ "NO_COMPRESSION", WITH_BACKUP, WITH_NOTHING, WITH_G_COMPRESSION },
	{ "NO_TRUNCATE", WITH_BACKUP, WITH_NOTHING, WITH_REFUSED },
	{ "PARTIAL", WITH_RESTORE, WITH_NOTHING, WITH_REFUSED },
	{ "PASSWORD", WITH_ALL, WITH_STRING, WITH_REFUSED },
	{ "RECOVERY", WITH_RESTORE, WITH_NOTHING, WITH_G_RECOVERY },
	{ "REPLACE", WITH_RESTORE, WITH_NOTHING, WITH_G_REPLACE },
	{ "RESTART", WITH_BACKUP | WITH_RESTORE, WITH_NOTHING, WITH_REFUSED },
	{ "RESTRICTED_USER", WITH_RESTORE, WITH_NOTHING, WITH_REFUSED },
	{ "RETAINDAYS", WITH_BACKUP, WITH_NUMBER, WITH_ALONE },
	{ "REWIND", WITH_ALL, WITH_NOTHING, WITH_G_REWIND },
	{ "SKIP", WITH_BACKUP, WITH_NOTHING, WITH_G_SKIP },
	{ "SNAPSHOT", WITH_BACKUP | WITH_RESTORE, WITH_NOTHING, WITH_ALONE },
	{ "STANDBY", WITH_BACKUP | WITH_RESTORE, WITH_STRING, WITH_G_RECOVERY },
	{ "STATS", WITH_ALL, WITH_MAYBE_NUMBER, WITH_G_STATS },
	{ "STOPAT", WITH_RESTORE, WITH_STRING, WITH_REFUSED },
	{ "STOPATMARK", WITH_RESTORE, WITH_STRING, WITH_REFUSED },
	{ "STOPBEFOREMARK", WITH_RESTORE, WITH_STRING, WITH_REFUSED },
	{ "STOP_ON_ERROR", WITH_ALL, WITH_NOTHING, WITH_G_ERROR },
	{ "UNLOAD", WITH_ALL, WITH_NOTHING, WITH_G_UNLOAD },
};

static unsigned int with_where(const struct statement *statement)
{
	return statement->kind == STATEMENT_BACKUP ? WITH_BACKUP :
	       statement->kind == STATEMENT_RESTORE ? WITH_RESTORE : WITH_VERIFY;
}

static const struct with_option *with_find(const struct lexer *lexer, unsigned int where)
{
	size_t i;

	for (i = 0; i < sizeof(with_options) / sizeof(with_options[0]); i++)
		if (lexer_is(lexer, with_options[i].name) && with_options[i].where & where)
			return &with_options[i];
	return NULL;
}

static bool with_number(struct statement_list *list, struct lexer *lexer, uint64_t *out)
{
	char *end;

	if (lexer->kind != TOKEN_NUMBER)
		return statement_unexpected(list, lexer);
	*out = strtoull(lexer->text, &end, 10);
	if (*end)
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	return true;
}

/* Skips (...). */
static bool with_parentheses(struct statement_list *list, struct lexer *lexer)
{
	if (!lexer_sign(lexer, '('))
		return true;
	while (!lexer_sign(lexer, ')')) {
		if (lexer->kind == TOKEN_END || lexer->kind == TOKEN_ERROR)
			return statement_unexpected(list, lexer);
		lexer_next(lexer);
	}
	lexer_next(lexer);
	return true;
}

static bool with_move(struct statement_list *list, struct lexer *lexer, char **text)
{
	if (!statement_string(list, lexer, text))
		return false;
	if (!lexer_is(lexer, "TO"))
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	return statement_string(list, lexer, text);
}

/* The value of @option, if it has one; strings are read and forgotten. */
static bool with_value(struct statement_list *list, struct lexer *lexer,
		       const struct with_option *option, uint64_t *number)
{
	char *text = NULL;
	bool ok;

	if (option->value == WITH_NOTHING)
		return true;
	if (option->value == WITH_PARENTHESES)
		return with_parentheses(list, lexer);
	if (option->value == WITH_MAYBE_NUMBER && !lexer_sign(lexer, '='))
		return true;
	if (option->value == WITH_MOVE) {
		ok = with_move(list, lexer, &text);
		free(text);
		return ok;
	}
	if (!statement_expect(list, lexer, '='))
		return false;
	if (option->value == WITH_STRING) {
		ok = statement_string(list, lexer, &text);
		free(text);
		return ok;
	}
	return with_number(list, lexer, number);
}

static void with_range(struct statement *statement, const struct with_option *option,
		       uint64_t value)
{
	bool ok = true;

	switch (option->group) {
	case WITH_G_BLOCK:
		ok = value >= VDI_MIN_BLOCK_SIZE && value <= VDI_MAX_BLOCK_SIZE &&
		     !(value & (value - 1));
		statement->block_size = value;
		break;
	case WITH_G_TRANSFER:
		/* what SQL Server takes; the device could do more */
		ok = value && value <= 4 << 20 && !(value % VDI_TRANSFER_STEP);
		statement->transfer_size = value;
		break;
	case WITH_G_BUFFERS:
		ok = value && value <= INT32_MAX;
		statement->buffers = value;
		break;
	case WITH_G_STATS:
		ok = value && value <= 100;
		statement->stats = value;
		break;
	case WITH_G_FILE:
		ok = value && value <= INT32_MAX;
		statement->file = value;
		break;
	default:
		break;
	}
	if (!ok)
		statement_problem(statement, 3217, "Invalid value specified for %s parameter.",
				  option->name);
}

static void with_take(struct statement *statement, const struct with_option *option,
		      uint64_t value)
{
	const char *name = option->name;

	if (option->group > WITH_REFUSED && statement->seen & 1U << option->group)
		statement_problem(statement, 3031,
				  "Option '%s' conflicts with an option that was given before it. Remove the conflicting option and reissue the statement.",
				  name);
	statement->seen |= 1U << option->group;
	if (option->group == WITH_REFUSED)
		statement_problem(statement, 3032,
				  "One or more of the options (%s) are not supported for this statement. Review the documentation for supported options.",
				  name);
	if (!strcmp(name, "SNAPSHOT"))
		statement_problem(statement, 3032,
				  "One or more of the options (SNAPSHOT) are not supported: this server has no way to freeze a database.");
	if (!strcmp(name, "DIFFERENTIAL"))
		statement_problem(statement, 3035,
				  "Cannot perform a differential backup for database \"%s\", because a current database backup does not exist. Perform a full database backup by reissuing BACKUP DATABASE, omitting the WITH DIFFERENTIAL option.",
				  statement->name);
	if (!strcmp(name, "INIT") || !strcmp(name, "FORMAT"))
		statement->init = true;
	statement->replace = statement->replace || option->group == WITH_G_REPLACE;
	with_range(statement, option, value);
}

bool statement_with(struct statement_list *list, struct lexer *lexer, struct statement *statement)
{
	unsigned int where = with_where(statement);

	for (;;) {
		const struct with_option *option = with_find(lexer, where);
		uint64_t value = 10;	/* that of STATS without one */

		if (!option && lexer->kind == TOKEN_NAME) {
			message_set(&list->error, 155, 15, lexer->line,
				    "'%s' is not a recognized %s option.", lexer->text,
				    where == WITH_BACKUP ? "BACKUP" : "RESTORE");
			return false;
		}
		if (!option)
			return statement_unexpected(list, lexer);
		lexer_next(lexer);
		if (!with_value(list, lexer, option, &value))
			return false;
		with_take(statement, option, value);
		if (!lexer_sign(lexer, ','))
			return statement_ends(lexer) || statement_unexpected(list, lexer);
		lexer_next(lexer);
	}
}
