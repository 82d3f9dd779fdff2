// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Variables of scripts: those of -v and :setvar, then the environment's.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "variable.h"

struct variable {
	struct variable *next;
	char *name;
	char *value;
};

static struct variable *variables;

/* Memory that can't be had ends the program: nothing is under way here. */
static void *variable_must(void *p)
{
	if (!p)
		abort();
	return p;
}

static bool variable_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '-';
}

static struct variable *variable_find(const char *name, size_t len)
{
	struct variable *variable;

	for (variable = variables; variable; variable = variable->next)
		if (strlen(variable->name) == len && !strncasecmp(variable->name, name, len))
			return variable;
	return NULL;
}

bool variable_set(const char *name, const char *value)
{
	struct variable *variable;
	const char *p;

	for (p = name; *p; p++)
		if (!variable_char(*p))
			return false;
	if (p == name)
		return false;
	variable = variable_find(name, p - name);
	if (!variable) {
		variable = variable_must(calloc(1, sizeof(*variable)));
		variable->name = variable_must(strdup(name));
		variable->next = variables;
		variables = variable;
	}
	free(variable->value);
	variable->value = variable_must(strdup(value));
	return true;
}

static const char *variable_value(const char *name, size_t len)
{
	const struct variable *variable = variable_find(name, len);
	const char *value = NULL;
	char *copy;

	if (variable)
		return variable->value;
	copy = variable_must(strndup(name, len));
	value = getenv(copy);
	free(copy);
	return value;
}

char *variable_expand(const char *line, size_t len, size_t *out_len)
{
	const char *end = line + len;
	FILE *out;
	char *text;

	out = variable_must(open_memstream(&text, out_len));
	while (line < end) {
		const char *close = line[0] == '$' && end - line > 2 && line[1] == '(' ?
				    memchr(line, ')', end - line) : NULL;
		const char *p = line + 2, *value;

		while (close && p < close && variable_char(*p))
			p++;
		if (!close || p != close || close == line + 2) {
			fputc(*line++, out);
			continue;
		}
		value = variable_value(line + 2, close - line - 2);
		if (!value) {
			fprintf(stderr, "'%.*s' scripting variable not defined.\n",
				(int)(close - line - 2), line + 2);
			fclose(out);
			free(text);
			return NULL;
		}
		fputs(value, out);
		line = close + 1;
	}
	fclose(out);
	return text;
}
