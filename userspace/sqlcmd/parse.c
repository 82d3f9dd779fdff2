// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The grammar of a batch: which statements there are and how they begin.  The
 * options behind WITH are with.c's.
 *
 * A batch is parsed whole before anything of it is done.  After an error the
 * rest is only searched for the sets that it names, so that the clients that
 * wait with them can be told.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "statement.h"

/* That begin a statement of T-SQL that isn't supported */
static const char * const parse_others[] = {
	"ALTER", "BEGIN", "BREAK", "BULK", "CHECKPOINT", "CLOSE", "COMMIT", "CONTINUE", "CREATE",
	"DBCC", "DEALLOCATE", "DECLARE", "DELETE", "DENY", "DROP", "DUMP", "EXEC", "EXECUTE",
	"FETCH", "GOTO", "GRANT", "IF", "INSERT", "KILL", "LOAD", "MERGE", "OPEN", "RAISERROR",
	"RECONFIGURE", "RETURN", "REVERT", "REVOKE", "ROLLBACK", "SAVE", "SELECT", "SHUTDOWN",
	"THROW", "TRUNCATE", "UPDATE", "WAITFOR", "WHILE",
};

/* Settings of a session that make no difference here */
static const char * const parse_settings[] = {
	"ANSI_DEFAULTS", "ANSI_NULLS", "ANSI_NULL_DFLT_OFF", "ANSI_NULL_DFLT_ON", "ANSI_PADDING",
	"ANSI_WARNINGS", "ARITHABORT", "ARITHIGNORE", "CONCAT_NULL_YIELDS_NULL",
	"CONTEXT_INFO", "CURSOR_CLOSE_ON_COMMIT", "DATEFIRST", "DATEFORMAT", "DEADLOCK_PRIORITY",
	"IMPLICIT_TRANSACTIONS", "LANGUAGE", "LOCK_TIMEOUT", "NOCOUNT", "NUMERIC_ROUNDABORT",
	"QUERY_GOVERNOR_COST_LIMIT", "QUOTED_IDENTIFIER", "ROWCOUNT", "STATISTICS", "TEXTSIZE",
	"TRANSACTION", "XACT_ABORT",
};

#define PARSE_IN(lexer, table) parse_in(lexer, table, sizeof(table) / sizeof((table)[0]))

static bool parse_in(const struct lexer *lexer, const char * const *table, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (lexer_is(lexer, table[i]))
			return true;
	return false;
}

static bool parse_begins(const struct lexer *lexer)
{
	return lexer_is(lexer, "BACKUP") || lexer_is(lexer, "RESTORE") || lexer_is(lexer, "USE") ||
	       lexer_is(lexer, "SET") || lexer_is(lexer, "PRINT") || PARSE_IN(lexer, parse_others);
}

bool statement_ends(const struct lexer *lexer)
{
	return lexer->kind == TOKEN_END || lexer_sign(lexer, ';') || parse_begins(lexer);
}

bool statement_unexpected(struct statement_list *list, const struct lexer *lexer)
{
	static const char * const keywords[] = {
		"AS", "DATABASE", "FILE", "FROM", "INTO", "ON", "TABLE", "TO", "WITH",
	};

	if (lexer->kind == TOKEN_ERROR)
		list->error = lexer->error;
	else if (lexer->kind == TOKEN_END)
		message_set(&list->error, 102, 15, lexer->line,
			    "Incorrect syntax: the statement is not complete.");
	else if (lexer->kind == TOKEN_VARIABLE)
		message_set(&list->error, 137, 15, lexer->line,
			    "Must declare the scalar variable \"%.128s\".", lexer->text);
	else if (parse_begins(lexer) || PARSE_IN(lexer, keywords))
		message_set(&list->error, 156, 15, lexer->line,
			    "Incorrect syntax near the keyword '%s'.", lexer->text);
	else
		message_set(&list->error, 102, 15, lexer->line, "Incorrect syntax near '%.128s'.",
			    lexer->text);
	return false;
}

bool statement_expect(struct statement_list *list, struct lexer *lexer, char sign)
{
	if (!lexer_sign(lexer, sign))
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	return true;
}

static char *parse_copy(const char *text)
{
	char *copy = strdup(text ? text : "");

	if (!copy)
		abort();
	return copy;
}

bool statement_string(struct statement_list *list, struct lexer *lexer, char **out)
{
	/* sqlcmd begins with QUOTED_IDENTIFIER off, so "x" is a string too */
	if (lexer->kind != TOKEN_STRING && lexer->kind != TOKEN_DOUBLE)
		return statement_unexpected(list, lexer);
	free(*out);
	*out = parse_copy(lexer->text);
	lexer_next(lexer);
	return true;
}

struct statement *statement_add(struct statement_list *list, enum statement_kind kind,
				unsigned int line)
{
	struct statement *statement = calloc(1, sizeof(*statement));

	if (!statement)
		abort();
	statement->kind = kind;
	statement->line = line;
	*list->last = statement;
	list->last = &statement->next;
	return statement;
}

void statement_problem(struct statement *statement, int number, const char *fmt, ...)
{
	char text[MESSAGE_TEXT];
	va_list ap;

	if (statement->problem.number)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	message_set(&statement->problem, number, 16, statement->line, "%s", text);
}

static bool parse_name(struct statement_list *list, struct lexer *lexer, char **out)
{
	if (lexer->kind == TOKEN_DOUBLE && !lexer->len) {
		message_set(&list->error, 1038, 15, lexer->line,
			    "An object or column name is missing or empty.");
		return false;
	}
	if (lexer->kind != TOKEN_BRACKETED && lexer->kind != TOKEN_DOUBLE &&
	    (lexer->kind != TOKEN_NAME || lexer_is(lexer, "TO") || lexer_is(lexer, "FROM") ||
	     lexer_is(lexer, "WITH") || parse_begins(lexer)))
		return statement_unexpected(list, lexer);
	*out = parse_copy(lexer->text);
	lexer_next(lexer);
	return true;
}

/* One more device; too many or odd ones are a problem of the statement */
static void parse_device(struct statement *statement, char *name)
{
	unsigned int i;

	if (!*name)
		statement_problem(statement, 3044,
				  "Invalid zero-length device name. Reissue the statement with a valid device name.");
	if (strlen(name) >= VDI_NAME_SIZE)
		statement_problem(statement, 3058,
				  "The device name '%.40s...' exceeds the limit of %d bytes.", name,
				  VDI_NAME_SIZE - 1);
	for (i = 0; i < statement->count; i++)
		if (!strcmp(statement->devices[i], name))
			statement_problem(statement, 3032,
					  "The device '%s' is named twice; the devices of a set have different names.",
					  name);
	if (statement->count < VDI_MAX_DEVICES) {
		statement->devices[statement->count++] = name;
		return;
	}
	statement_problem(statement, 3205,
			  "Too many backup devices specified for backup or restore; only 64 are allowed.");
	free(name);
}

/* VIRTUAL_DEVICE = 'set', ... */
static bool parse_devices(struct statement_list *list, struct lexer *lexer,
			  struct statement *statement)
{
	for (;;) {
		char *name = NULL;

		if (!lexer_is(lexer, "VIRTUAL_DEVICE")) {
			if (!lexer_is(lexer, "DISK") && !lexer_is(lexer, "TAPE") &&
			    !lexer_is(lexer, "URL") && !lexer_is(lexer, "DATABASE_SNAPSHOT"))
				return statement_unexpected(list, lexer);
			message_set(&list->error, 3032, 16, lexer->line,
				    "A device of type %s is not supported: only VIRTUAL_DEVICE is.",
				    lexer->text);
			return false;
		}
		lexer_next(lexer);
		if (!statement_expect(list, lexer, '=') || !statement_string(list, lexer, &name))
			return false;
		parse_device(statement, name);
		if (!lexer_sign(lexer, ','))
			return true;
		lexer_next(lexer);
	}
}

/* The rest of BACKUP and RESTORE, from TO or FROM on */
static bool parse_transfer(struct statement_list *list, struct lexer *lexer,
			   struct statement *statement, const char *preposition)
{
	if (!lexer_is(lexer, preposition))
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	if (!parse_devices(list, lexer, statement))
		return false;
	if (lexer_is(lexer, "MIRROR")) {
		statement_problem(statement, 3032, "MIRROR TO is not supported.");
		message_set(&list->error, 3032, 16, lexer->line, "MIRROR TO is not supported.");
		return false;
	}
	if (lexer_is(lexer, "WITH")) {
		lexer_next(lexer);
		return statement_with(list, lexer, statement);
	}
	return statement_ends(lexer) || statement_unexpected(list, lexer);
}

static bool parse_backup(struct statement_list *list, struct lexer *lexer)
{
	struct statement *statement = statement_add(list, STATEMENT_BACKUP, lexer->line);

	lexer_next(lexer);
	statement->log = lexer_is(lexer, "LOG");
	if (!statement->log && !lexer_is(lexer, "DATABASE"))
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	return parse_name(list, lexer, &statement->name) &&
	       parse_transfer(list, lexer, statement, "TO");
}

static bool parse_restore(struct statement_list *list, struct lexer *lexer)
{
	static const char * const lists[] = {
		"HEADERONLY", "FILELISTONLY", "LABELONLY", "REWINDONLY",
	};
	struct statement *statement = statement_add(list, STATEMENT_RESTORE, lexer->line);

	lexer_next(lexer);
	if (lexer_is(lexer, "VERIFYONLY") || PARSE_IN(lexer, lists)) {
		if (!lexer_is(lexer, "VERIFYONLY"))
			statement_problem(statement, 3032,
					  "RESTORE %s is not supported: the backup has no such description; RESTORE VERIFYONLY reads and checks it.",
					  lexer->text);
		statement->kind = STATEMENT_VERIFY;
		lexer_next(lexer);
		return parse_transfer(list, lexer, statement, "FROM");
	}
	statement->log = lexer_is(lexer, "LOG");
	if (!statement->log && !lexer_is(lexer, "DATABASE"))
		return statement_unexpected(list, lexer);
	lexer_next(lexer);
	return parse_name(list, lexer, &statement->name) &&
	       parse_transfer(list, lexer, statement, "FROM");
}

static bool parse_set(struct statement_list *list, struct lexer *lexer)
{
	statement_add(list, STATEMENT_SET, lexer->line);
	lexer_next(lexer);
	if (lexer->kind != TOKEN_NAME)
		return statement_unexpected(list, lexer);
	if (!PARSE_IN(lexer, parse_settings)) {
		message_set(&list->error, 195, 15, lexer->line,
			    "'%s' is not a recognized SET option.", lexer->text);
		return false;
	}
	lexer_next(lexer);
	if (statement_ends(lexer))
		return statement_unexpected(list, lexer);
	while (!statement_ends(lexer)) {
		if (lexer->kind != TOKEN_NAME && lexer->kind != TOKEN_NUMBER &&
		    lexer->kind != TOKEN_STRING && !lexer_sign(lexer, '-') &&
		    !lexer_sign(lexer, ','))
			return statement_unexpected(list, lexer);
		lexer_next(lexer);
	}
	return true;
}

static bool parse_statement(struct statement_list *list, struct lexer *lexer)
{
	struct statement *statement;

	if (lexer_is(lexer, "BACKUP"))
		return parse_backup(list, lexer);
	if (lexer_is(lexer, "RESTORE"))
		return parse_restore(list, lexer);
	if (lexer_is(lexer, "SET"))
		return parse_set(list, lexer);
	if (lexer_is(lexer, "USE")) {
		statement = statement_add(list, STATEMENT_USE, lexer->line);
		lexer_next(lexer);
		return parse_name(list, lexer, &statement->name) &&
		       (statement_ends(lexer) || statement_unexpected(list, lexer));
	}
	if (lexer_is(lexer, "PRINT")) {
		statement = statement_add(list, STATEMENT_PRINT, lexer->line);
		lexer_next(lexer);
		return statement_string(list, lexer, &statement->name) &&
		       (statement_ends(lexer) || statement_unexpected(list, lexer));
	}
	if (!PARSE_IN(lexer, parse_others))
		return statement_unexpected(list, lexer);
	message_set(&list->error, 40510, 16, lexer->line,
		    "Statement '%s' is not supported: only BACKUP, RESTORE, USE, SET and PRINT are. Nothing of the batch was done.",
		    lexer->text);
	return false;
}

/* After an error: the sets that the rest of the batch names */
static void parse_rest(struct statement_list *list, struct lexer *lexer)
{
	struct statement *statement = NULL;
	struct statement **last = &list->first;

	/* the statement with the error may not have come to its set */
	while (*last && (*last)->next)
		last = &(*last)->next;
	if (*last && ((*last)->kind == STATEMENT_BACKUP || (*last)->kind == STATEMENT_RESTORE ||
		      (*last)->kind == STATEMENT_VERIFY))
		statement = *last;
	while (lexer->kind != TOKEN_END && lexer->kind != TOKEN_ERROR) {
		bool device = lexer_is(lexer, "VIRTUAL_DEVICE");

		if (lexer_is(lexer, "BACKUP") || lexer_is(lexer, "RESTORE"))
			statement = statement_add(list, STATEMENT_REFUSE, lexer->line);
		lexer_next(lexer);
		if (!device || !lexer_sign(lexer, '='))
			continue;
		lexer_next(lexer);
		if (statement && !statement->count &&
		    (lexer->kind == TOKEN_STRING || lexer->kind == TOKEN_DOUBLE))
			parse_device(statement, parse_copy(lexer->text));
	}
}

void statement_parse(struct statement_list *list, const char *text, size_t len)
{
	struct lexer lexer;

	memset(list, 0, sizeof(*list));
	list->last = &list->first;
	lexer_begin(&lexer, text, len);
	while (lexer.kind != TOKEN_END) {
		if (lexer_sign(&lexer, ';')) {
			lexer_next(&lexer);
		} else if (!parse_statement(list, &lexer)) {
			parse_rest(list, &lexer);
			break;
		}
	}
	lexer_end(&lexer);
}

void statement_free(struct statement_list *list)
{
	while (list->first) {
		struct statement *statement = list->first;
		unsigned int i;

		list->first = statement->next;
		for (i = 0; i < statement->count; i++)
			free(statement->devices[i]);
		free(statement->name);
		free(statement);
	}
}

const char *statement_verb(const struct statement *statement)
{
	if (statement->kind == STATEMENT_BACKUP)
		return statement->log ? "BACKUP LOG" : "BACKUP DATABASE";
	if (statement->kind == STATEMENT_RESTORE)
		return statement->log ? "RESTORE LOG" : "RESTORE DATABASE";
	return "VERIFY DATABASE";
}
