/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The statements that vdi-sqlcmd knows, and how a batch becomes a list of them.
 */
#ifndef VDI_SQLCMD_STATEMENT_H
#define VDI_SQLCMD_STATEMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <linux/vdi.h>

#include "lexer.h"
#include "message.h"

enum statement_kind {
	STATEMENT_BACKUP,
	STATEMENT_RESTORE,
	STATEMENT_VERIFY,	/* RESTORE VERIFYONLY */
	STATEMENT_USE,
	STATEMENT_PRINT,
	STATEMENT_SET,		/* has no effect */
	STATEMENT_REFUSE,	/* only to be refused: part of a batch with an error */
};

struct statement {
	struct statement *next;
	enum statement_kind kind;
	bool log;			/* BACKUP LOG, RESTORE LOG */
	unsigned int line;
	char *name;			/* the database; of PRINT the text */
	char *devices[VDI_MAX_DEVICES];
	unsigned int count;		/* of devices; the first is the set */
	/* WITH */
	bool init;			/* INIT or FORMAT */
	bool replace;
	unsigned int stats;		/* 0: no messages about progress */
	unsigned int file;		/* 0: the first */
	uint32_t block_size;		/* these three: 0 if not given */
	uint32_t transfer_size;
	uint32_t buffers;
	uint32_t seen;			/* groups of options that were given */
	struct message problem;		/* it can be parsed, but not be done */
};

/* A batch that is parsed */
struct statement_list {
	struct statement *first;
	struct statement **last;
	/*
	 * With an error, which it has the text of, nothing of the batch is to be
	 * done; the statements are there for their sets only.
	 */
	struct message error;
};

void statement_parse(struct statement_list *list, const char *text, size_t len);
void statement_free(struct statement_list *list);

/* "BACKUP DATABASE", as messages name it */
const char *statement_verb(const struct statement *statement);

/* For the parts of the parser: each returns false after it has set list->error. */
struct statement *statement_add(struct statement_list *list, enum statement_kind kind,
				unsigned int line);
bool statement_unexpected(struct statement_list *list, const struct lexer *lexer);
bool statement_expect(struct statement_list *list, struct lexer *lexer, char sign);
/* A string; *@out is to be freed */
bool statement_string(struct statement_list *list, struct lexer *lexer, char **out);
/* WITH and what follows */
bool statement_with(struct statement_list *list, struct lexer *lexer, struct statement *statement);
/* Does the current token end a statement, or begin one? */
bool statement_ends(const struct lexer *lexer);

/* Notes what makes it impossible; the first stays. */
void statement_problem(struct statement *statement, int number, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

#endif /* VDI_SQLCMD_STATEMENT_H */
