// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * Reads a script line by line.  Owns what is no T-SQL in it: the separator of
 * batches and the commands, both of which count only outside of comments and
 * quotes.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../cli/watch.h"
#include "message.h"
#include "run.h"
#include "script.h"
#include "variable.h"

struct script {
	struct script_options *options;
	FILE *batch;		/* the one that is collected */
	char *text;
	size_t len;
	char quote;		/* in which a line has ended, or 0 */
	unsigned int comment;	/* depth */
	const char *name;
	unsigned int line;
};

static void script_begin(struct script *script)
{
	script->batch = open_memstream(&script->text, &script->len);
	if (!script->batch)
		abort();
	script->quote = 0;
	script->comment = 0;
}

/* Where a line leaves off: in a comment, in quotes, in neither? */
static void script_scan(struct script *script, const char *line, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++) {
		char c = line[i], next = i + 1 < len ? line[i + 1] : '\0';

		if (script->quote) {
			/* a doubled one closes and opens again */
			if (c == script->quote)
				script->quote = 0;
		} else if (c == '/' && next == '*') {
			script->comment++;
			i++;
		} else if (script->comment) {
			if (c == '*' && next == '/') {
				script->comment--;
				i++;
			}
		} else if (c == '-' && next == '-') {
			return;
		} else if (c == '\'' || c == '"') {
			script->quote = c;
		} else if (c == '[') {
			script->quote = ']';
		}
	}
}

/* The first word of a line is @word; *@rest is what follows. */
static bool script_word(const char *line, const char *word, const char **rest)
{
	size_t len = strlen(word);

	line += strspn(line, " \t");
	if (strncasecmp(line, word, len) || (line[len] && !isspace((unsigned char)line[len])))
		return false;
	*rest = line + len + strspn(line + len, " \t\r\n");
	return true;
}

static enum script_end script_batch(struct script *script, unsigned int times)
{
	enum script_end end = SCRIPT_DONE;

	fclose(script->batch);
	while (times-- && end == SCRIPT_DONE && !watch_interrupted()) {
		run_batch(script->text, script->len);
		if (message_failed() && script->options->exit_on_error)
			end = SCRIPT_ERROR;
	}
	free(script->text);
	script_begin(script);
	return watch_interrupted() ? SCRIPT_ERROR : end;
}

static enum script_end script_bad(const struct script *script, const char *line)
{
	fprintf(stderr,
		"Sqlcmd: Error: Syntax error at line %u near command '%.*s' in file '%s'.\n",
		script->line, (int)strcspn(line, "\r\n"), line, script->name);
	return SCRIPT_BAD;
}

/* GO, perhaps with how often */
static bool script_separator(const struct script *script, const char *line, unsigned int *times)
{
	const char *rest;
	char *end;
	unsigned long value;

	*times = 1;
	if (!script_word(line, script->options->separator, &rest))
		return false;
	if (!*rest)
		return true;
	value = strtoul(rest, &end, 10);
	end += strspn(end, " \t\r\n");
	*times = value;
	return isdigit((unsigned char)*rest) && !*end && value <= 1000000;
}

static enum script_end script_setvar(const struct script *script, const char *line,
				     const char *rest)
{
	char *copy = strdup(rest), *value;
	size_t len;
	bool ok;

	if (!copy)
		abort();
	value = copy + strcspn(copy, " \t\r\n");
	if (*value)
		*value++ = '\0';
	value += strspn(value, " \t");
	value[strcspn(value, "\r\n")] = '\0';
	len = strlen(value);
	if (len > 1 && value[0] == '"' && value[len - 1] == '"') {
		value[len - 1] = '\0';
		value++;
	}
	ok = variable_set(copy, value);
	free(copy);
	return ok ? SCRIPT_DONE : script_bad(script, line);
}

/* A line of sqlcmd's own; *@taken false: T-SQL */
static enum script_end script_command(struct script *script, const char *line, bool *taken)
{
	const char *rest;

	*taken = true;
	if (script_word(line, "exit", &rest) || script_word(line, ":exit", &rest) ||
	    script_word(line, "quit", &rest) || script_word(line, ":quit", &rest))
		return *rest ? script_bad(script, line) : SCRIPT_EXIT;
	if (script_word(line, "reset", &rest) || script_word(line, ":reset", &rest)) {
		fclose(script->batch);
		free(script->text);
		script_begin(script);
		return SCRIPT_DONE;
	}
	if (script_word(line, ":setvar", &rest))
		return script_setvar(script, line, rest);
	if (script_word(line, ":on", &rest) && script_word(rest, "error", &rest)) {
		if (!script_word(rest, "exit", &line) && !script_word(rest, "ignore", &line))
			return script_bad(script, rest);
		script->options->exit_on_error = script_word(rest, "exit", &line);
		return SCRIPT_DONE;
	}
	*taken = line[strspn(line, " \t")] == ':';
	return *taken ? script_bad(script, line) : SCRIPT_DONE;
}

static enum script_end script_line(struct script *script, const char *line, size_t len)
{
	enum script_end end;
	unsigned int times;
	bool taken;

	if (!script->quote && !script->comment) {
		if (script_separator(script, line, &times))
			return script_batch(script, times);
		end = script_command(script, line, &taken);
		if (taken)
			return end;
	}
	script_scan(script, line, len);
	fwrite(line, 1, len, script->batch);
	return SCRIPT_DONE;
}

enum script_end script_run(struct script_options *options, FILE *in, const char *name)
{
	struct script script = { .options = options, .name = name };
	enum script_end end = SCRIPT_DONE;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	script_begin(&script);
	while (end == SCRIPT_DONE && (len = getline(&line, &room, in)) > 0) {
		size_t skip = !script.line++ && len > 2 && !memcmp(line, "\xef\xbb\xbf", 3) ? 3 : 0;
		size_t out_len = len - skip;
		char *text = line + skip;

		if (options->echo)
			printf("%s", text);
		if (options->expand)
			text = variable_expand(text, out_len, &out_len);
		end = text ? script_line(&script, text, out_len) : SCRIPT_BAD;
		if (options->expand)
			free(text);
	}
	if (end == SCRIPT_DONE)
		end = script_batch(&script, 1);
	fclose(script.batch);
	free(script.text);
	free(line);
	return end;
}
