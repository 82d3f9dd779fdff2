// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Tokens of T-SQL: names, strings and their escapes, comments, numbers, and the
 * line each is on.  Owns what is wrong with a token by itself; what may follow
 * what is the parser's.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lexer.h"

#define LEXER_NAME_MAX	128	/* characters of a name; bytes of UTF-8 here */

void lexer_begin(struct lexer *lexer, const char *text, size_t len)
{
	memset(lexer, 0, sizeof(*lexer));
	lexer->p = text;
	lexer->end = text + len;
	lexer->next_line = 1;
	lexer->kind = TOKEN_SIGN;
	lexer_next(lexer);
}

void lexer_end(struct lexer *lexer)
{
	free(lexer->text);
	lexer->text = NULL;
}

static void lexer_error(struct lexer *lexer, int number, const char *before, const char *text,
			const char *after)
{
	lexer->kind = TOKEN_ERROR;
	message_set(&lexer->error, number, 15, lexer->line, "%s%.200s%s", before, text, after);
}

/* One character goes to the token's text. */
static void lexer_add(struct lexer *lexer, char c)
{
	if (lexer->len + 1 >= lexer->room) {
		size_t room = lexer->room ? 2 * lexer->room : 64;
		char *text = realloc(lexer->text, room);

		if (!text)
			abort();
		lexer->text = text;
		lexer->room = room;
	}
	lexer->text[lexer->len++] = c;
	lexer->text[lexer->len] = '\0';
}

static char lexer_peek(const struct lexer *lexer, size_t ahead)
{
	return lexer->end - lexer->p > (ptrdiff_t)ahead ? lexer->p[ahead] : '\0';
}

static char lexer_take(struct lexer *lexer)
{
	if (*lexer->p == '\n')
		lexer->next_line++;
	return *lexer->p++;
}

/* Comments nest.  False if one is not ended. */
static bool lexer_comment(struct lexer *lexer)
{
	unsigned int depth = 0;

	while (lexer->p < lexer->end) {
		if (lexer_peek(lexer, 0) == '/' && lexer_peek(lexer, 1) == '*') {
			depth++;
			lexer->p += 2;
		} else if (lexer_peek(lexer, 0) == '*' && lexer_peek(lexer, 1) == '/') {
			lexer->p += 2;
			if (!--depth)
				return true;
		} else {
			lexer_take(lexer);
		}
	}
	lexer_error(lexer, 113, "Missing end comment mark '*/'.", "", "");
	return false;
}

/* White space and comments.  False: an error. */
static bool lexer_skip(struct lexer *lexer)
{
	for (;;) {
		char c = lexer_peek(lexer, 0);

		lexer->line = lexer->next_line;
		if (lexer->p == lexer->end) {
			return true;
		} else if (c == '-' && lexer_peek(lexer, 1) == '-') {
			while (lexer->p < lexer->end && *lexer->p != '\n')
				lexer->p++;
		} else if (c == '/' && lexer_peek(lexer, 1) == '*') {
			if (!lexer_comment(lexer))
				return false;
		} else if (c == ' ' || (c >= '\t' && c <= '\r')) {
			lexer_take(lexer);
		} else {
			return true;
		}
	}
}

/* Up to @quote, which stands for itself when it is doubled */
static void lexer_quoted(struct lexer *lexer, enum token_kind kind, char quote)
{
	lexer->kind = kind;
	lexer->p++;
	for (;;) {
		if (lexer->p == lexer->end) {
			lexer_error(lexer, 105,
				    "Unclosed quotation mark after the character string '",
				    lexer->text ? lexer->text : "", "'.");
			return;
		}
		if (*lexer->p == '\0') {
			lexer_error(lexer, 102, "Incorrect syntax near a byte of 0.", "", "");
			return;
		}
		if (*lexer->p == quote) {
			if (lexer_peek(lexer, 1) != quote)
				break;
			lexer->p++;
		}
		lexer_add(lexer, lexer_take(lexer));
	}
	lexer->p++;
	if (kind == TOKEN_STRING || kind == TOKEN_DOUBLE)
		return;
	if (!lexer->len)
		lexer_error(lexer, 1038, "An object or column name is missing or empty.", "", "");
	else if (lexer->len > LEXER_NAME_MAX)
		lexer_error(lexer, 103, "The identifier that starts with '", lexer->text,
			    "' is too long. Maximum length is 128.");
}

static bool lexer_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '#' || c == '$' || c == '@' ||
	       (unsigned char)c >= 0x80;
}

static void lexer_word(struct lexer *lexer, enum token_kind kind)
{
	lexer->kind = kind;
	do {
		lexer_add(lexer, lexer_take(lexer));
	} while (lexer->p < lexer->end && lexer_name_char(*lexer->p));
	if (kind == TOKEN_NAME && lexer->len > LEXER_NAME_MAX)
		lexer_error(lexer, 103, "The identifier that starts with '", lexer->text,
			    "' is too long. Maximum length is 128.");
}

void lexer_next(struct lexer *lexer)
{
	char c;

	if (lexer->kind == TOKEN_END || lexer->kind == TOKEN_ERROR)
		return;
	lexer->len = 0;
	if (lexer->text)
		lexer->text[0] = '\0';
	if (!lexer_skip(lexer))
		return;
	if (lexer->p == lexer->end) {
		lexer->kind = TOKEN_END;
		return;
	}
	c = *lexer->p;
	if (c == '\'') {
		lexer_quoted(lexer, TOKEN_STRING, '\'');
	} else if ((c == 'N' || c == 'n') && lexer_peek(lexer, 1) == '\'') {
		lexer->p++;
		lexer_quoted(lexer, TOKEN_STRING, '\'');
	} else if (c == '"') {
		lexer_quoted(lexer, TOKEN_DOUBLE, '"');
	} else if (c == '[') {
		lexer_quoted(lexer, TOKEN_BRACKETED, ']');
	} else if (isdigit((unsigned char)c)) {
		lexer_word(lexer, TOKEN_NUMBER);
	} else if (c == '@') {
		lexer_word(lexer, TOKEN_VARIABLE);
	} else if (c != '$' && lexer_name_char(c)) {
		lexer_word(lexer, TOKEN_NAME);
	} else if (!c) {
		lexer_error(lexer, 102, "Incorrect syntax near a byte of 0.", "", "");
	} else {
		lexer->kind = TOKEN_SIGN;
		lexer_add(lexer, lexer_take(lexer));
	}
}

bool lexer_is(const struct lexer *lexer, const char *keyword)
{
	return lexer->kind == TOKEN_NAME && !strcasecmp(lexer->text, keyword);
}

bool lexer_sign(const struct lexer *lexer, char sign)
{
	return lexer->kind == TOKEN_SIGN && lexer->text[0] == sign;
}
