/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * T-SQL as a sequence of tokens.
 */
#ifndef VDI_SQLCMD_LEXER_H
#define VDI_SQLCMD_LEXER_H

#include <stdbool.h>
#include <stddef.h>

#include "message.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,		/* a keyword, or a plain name */
	TOKEN_BRACKETED,	/* [a name] */
	TOKEN_DOUBLE,		/* "a name", or a string */
	TOKEN_STRING,		/* 'a string' or N'a string' */
	TOKEN_NUMBER,
	TOKEN_VARIABLE,		/* @name */
	TOKEN_SIGN,		/* any other character */
	TOKEN_ERROR,		/* see struct lexer */
};

struct lexer {
	const char *p;
	const char *end;
	unsigned int next_line;	/* of @p */
	/* the current token */
	enum token_kind kind;
	unsigned int line;
	char *text;		/* without quotes, escapes undone; as written for the rest */
	size_t len;
	size_t room;
	struct message error;	/* of TOKEN_ERROR */
};

void lexer_begin(struct lexer *lexer, const char *text, size_t len);
void lexer_end(struct lexer *lexer);

/* Goes on to the next token; TOKEN_END and TOKEN_ERROR stay. */
void lexer_next(struct lexer *lexer);

/* Is the current token this keyword (in whatever case), or this sign? */
bool lexer_is(const struct lexer *lexer, const char *keyword);
bool lexer_sign(const struct lexer *lexer, char sign);

#endif /* VDI_SQLCMD_LEXER_H */
