// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * vdi-sqlcmd: takes the place of sqlcmd for backup programs that start it to
 * send their T-SQL.  Owns sqlcmd's options, and which script is run.
 *
 * Whoever runs it has the rights of his user, nothing more: there is no login,
 * and a password that is given is wiped and never looked at.
 */
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../cli/cli.h"
#include "../cli/watch.h"
#include "database.h"
#include "message.h"
#include "run.h"
#include "script.h"
#include "variable.h"

#define MAIN_WAIT_S	5	/* for a set that is not there yet */
#define MAIN_MAX_FILES	64

enum main_argument {
	MAIN_NONE,
	MAIN_ATTACHED,		/* perhaps, in the same word */
	MAIN_NEEDED,
	MAIN_ANYTHING,		/* needed, and may begin with '-' */
};

/* Those of sqlcmd; what is not looked at again below makes no difference here. */
static const struct main_option {
	char letter;
	enum main_argument argument;
} main_options[] = {
	{ '?', MAIN_NONE }, { 'a', MAIN_NEEDED }, { 'A', MAIN_NONE }, { 'b', MAIN_NONE },
	{ 'c', MAIN_NEEDED }, { 'C', MAIN_NONE }, { 'd', MAIN_NEEDED }, { 'D', MAIN_NONE },
	{ 'e', MAIN_NONE }, { 'E', MAIN_NONE }, { 'f', MAIN_NEEDED }, { 'F', MAIN_NEEDED },
	{ 'g', MAIN_NONE }, { 'G', MAIN_NONE }, { 'h', MAIN_ANYTHING }, { 'H', MAIN_NEEDED },
	{ 'i', MAIN_NEEDED }, { 'I', MAIN_NONE }, { 'j', MAIN_NONE }, { 'k', MAIN_ATTACHED },
	{ 'K', MAIN_NEEDED }, { 'l', MAIN_NEEDED }, { 'm', MAIN_ANYTHING }, { 'M', MAIN_NONE },
	{ 'N', MAIN_ATTACHED }, { 'o', MAIN_NEEDED }, { 'p', MAIN_ATTACHED },
	{ 'P', MAIN_ANYTHING }, { 'q', MAIN_ANYTHING }, { 'Q', MAIN_ANYTHING },
	{ 'r', MAIN_ATTACHED }, { 'R', MAIN_NONE }, { 's', MAIN_ANYTHING }, { 'S', MAIN_NEEDED },
	{ 't', MAIN_NEEDED }, { 'u', MAIN_NONE }, { 'U', MAIN_NEEDED }, { 'v', MAIN_NEEDED },
	{ 'V', MAIN_NEEDED }, { 'w', MAIN_NEEDED }, { 'W', MAIN_NONE }, { 'x', MAIN_NONE },
	{ 'X', MAIN_ATTACHED }, { 'y', MAIN_NEEDED }, { 'Y', MAIN_NEEDED },
};

struct main_state {
	const char *query;
	bool stay;			/* -q: then stdin */
	char *files[MAIN_MAX_FILES];
	unsigned int nr_files;
	const char *database;
	struct script_options script;
	struct message_options message;
	struct run_options run;
	bool b;
	int code;
};

static const char main_usage[] =
"Usage: vdi-sqlcmd [OPTION]...\n"
"Takes the place of sqlcmd for programs that send BACKUP and RESTORE over VDI.\n"
"Databases are the files NAME.db in $VDI_SQLCMD_DATABASES\n"
"(/var/lib/vdi/databases).\n"
"\n"
"  -Q \"QUERY\"       carry out QUERY and exit\n"
"  -q \"QUERY\"       carry out QUERY, then read stdin\n"
"  -i FILE[,FILE]   read these files instead of stdin\n"
"  -o FILE          write to FILE instead of stdout\n"
"  -b               exit with 1 at the first error of a severity above 10\n"
"  -V LEVEL         with -b: only errors of at least LEVEL count\n"
"  -m LEVEL         do not show errors below LEVEL\n"
"  -r[0|1]          errors (0), or all messages (1), to stderr\n"
"  -t SECONDS       end a statement that takes longer\n"
"  -d NAME          database to begin with\n"
"  -c WORD          what separates batches (GO)\n"
"  -v NAME=VALUE    variable for $(NAME);  -x: do not replace $(NAME)\n"
"  -e               show what is read\n"
"  -?               this text\n"
"\n"
"-U -P -S -E -C -N -l and the other options of sqlcmd are taken and make no\n"
"difference: the rights are those of the user who runs this program.\n"
"See vdi-sqlcmd(1).\n";

static int main_refuse(const char *what, const char *why)
{
	fprintf(stderr, "Sqlcmd: '%s': %s. Enter '-?' for help.\n", what, why);
	return EXIT_FAILED;
}

static bool main_number(const char *arg, long min, long max, long *out)
{
	char *end;

	*out = strtol(arg, &end, 10);
	return end != arg && !*end && *out >= min && *out <= max;
}

static int main_variable(char *arg)
{
	char *value = strchr(arg, '=');

	if (value) {
		*value++ = '\0';
		if (strlen(value) > 1 && value[0] == '"' && value[strlen(value) - 1] == '"') {
			value[strlen(value) - 1] = '\0';
			value++;
		}
		if (variable_set(arg, value))
			return 0;
	}
	return main_refuse(arg, "Invalid argument, -v NAME=VALUE is expected");
}

static int main_files(struct main_state *state, char *arg)
{
	char *name, *save;

	for (name = strtok_r(arg, ",", &save); name; name = strtok_r(NULL, ",", &save)) {
		if (state->nr_files == MAIN_MAX_FILES)
			return main_refuse(name, "Too many files");
		state->files[state->nr_files++] = name;
	}
	return 0;
}

/* Options with a number; -1: not one of them */
static int main_take_number(struct main_state *state, char letter, const char *arg)
{
	static const struct {
		char letter;
		long min;
		long max;
	} ranges[] = {
		{ 'l', 0, 65534 }, { 'm', -1, 25 }, { 't', 0, 65534 }, { 'V', 0, 25 },
	};
	char option[3] = { '-', letter };
	unsigned int i;
	long value;

	for (i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
		if (ranges[i].letter == letter)
			break;
	if (i == sizeof(ranges) / sizeof(ranges[0]))
		return -1;
	if (!main_number(arg, ranges[i].min, ranges[i].max, &value))
		return main_refuse(option, "Invalid argument, a number is expected");
	if (letter == 'm')
		state->message.quiet_below = value;
	else if (letter == 'V')
		state->message.error_from = value;
	else if (letter == 't')
		state->run.timeout_ms = value * 1000;
	return 0;
}

static int main_take(struct main_state *state, char letter, char *arg)
{
	int ret = main_take_number(state, letter, arg);

	if (ret >= 0)
		return ret;
	switch (letter) {
	case 'q':
		state->stay = true;
		/* fallthrough */
	case 'Q':
		state->query = arg;
		return 0;
	case 'i':
		return main_files(state, arg);
	case 'o':
		if (!freopen(arg, "w", stdout))
			return main_refuse(arg, "Invalid filename");
		return 0;
	case 'P':
		memset(arg, '*', strlen(arg));	/* not in ps either */
		return 0;
	case 'b':
		state->b = true;
		return 0;
	case 'c':
		state->script.separator = arg;
		return 0;
	case 'd':
		state->database = arg;
		return 0;
	case 'e':
		state->script.echo = true;
		return 0;
	case 'r':
		if (*arg && strcmp(arg, "0") && strcmp(arg, "1"))
			return main_refuse("-r", "Invalid argument, 0 or 1 is expected");
		state->message.redirect = *arg == '1' ? MESSAGE_ALL : MESSAGE_ERRORS;
		return 0;
	case 'v':
		return main_variable(arg);
	case 'x':
		state->script.expand = false;
		return 0;
	}
	return 0;
}

static const struct main_option *main_find(char letter)
{
	size_t i;

	for (i = 0; i < sizeof(main_options) / sizeof(main_options[0]); i++)
		if (letter && main_options[i].letter == letter)
			return &main_options[i];
	return NULL;
}

/* One word of the command line, and the next if it is its argument */
static int main_word(struct main_state *state, char **argv, int *index)
{
	static char nothing[1];
	char *word = argv[*index], option[3] = { '-' };

	if (word[0] != '-' || !word[1])
		return main_refuse(word, "Unexpected argument");
	for (word++; *word; word++) {
		const struct main_option *known = main_find(*word);
		char *arg = nothing;
		int ret;

		option[1] = *word;
		if (!known)
			return main_refuse(option, "Unknown Option");
		if (*word == '?') {
			fputs(main_usage, stdout);
			exit(fflush(stdout) ? EXIT_FAILED : EXIT_DONE);
		}
		if (known->argument == MAIN_ATTACHED || (known->argument && word[1])) {
			arg = word + 1;
		} else if (known->argument) {
			arg = argv[*index + 1];
			if (!arg || (*arg == '-' && known->argument == MAIN_NEEDED))
				return main_refuse(option, "Missing argument");
			++*index;
		}
		ret = main_take(state, *word, arg);
		if (ret || known->argument)
			return ret;
	}
	return 0;
}

static int main_parse(struct main_state *state, int argc, char **argv)
{
	int i, ret;

	for (i = 1; i < argc; i++) {
		ret = main_word(state, argv, &i);
		if (ret)
			return ret;
		/* -v takes several */
		while (!strcmp(argv[i - 1], "-v") && i + 1 < argc && argv[i + 1][0] != '-' &&
		       strchr(argv[i + 1], '=')) {
			ret = main_variable(argv[++i]);
			if (ret)
				return ret;
		}
	}
	if (state->query && state->nr_files) {
		fprintf(stderr, "Sqlcmd: The i and the %c options are mutually exclusive.\n",
			state->stay ? 'q' : 'Q');
		return EXIT_FAILED;
	}
	return 0;
}

static enum script_end main_query(struct main_state *state)
{
	FILE *in = fmemopen((char *)state->query, strlen(state->query), "r");
	enum script_end end = SCRIPT_DONE;

	/* nothing but an empty text can't be opened so */
	if (in) {
		end = script_run(&state->script, in, "-Q");
		fclose(in);
	}
	return end;
}

static enum script_end main_file(struct main_state *state, const char *name)
{
	FILE *in = fopen(name, "re");
	enum script_end end;

	if (!in) {
		main_refuse(name, "Invalid filename");
		return SCRIPT_BAD;
	}
	end = script_run(&state->script, in, name);
	fclose(in);
	return end;
}

static int main_work(void *ctx)
{
	struct main_state *state = ctx;
	enum script_end end = SCRIPT_DONE;
	unsigned int i;

	if (state->database && !database_system(state->database) &&
	    !database_exists(state->database)) {
		message_error(4060, 11, 1,
			      "Cannot open database \"%s\" requested by the login. The login failed.",
			      state->database);
		return EXIT_FAILED;
	}
	if (state->query)
		end = main_query(state);
	for (i = 0; i < state->nr_files && end == SCRIPT_DONE; i++)
		end = main_file(state, state->files[i]);
	if (!state->nr_files && (!state->query || state->stay) && end == SCRIPT_DONE)
		end = script_run(&state->script, stdin, "stdin");
	if (watch_interrupted() || end == SCRIPT_BAD)
		return EXIT_FAILED;
	return state->script.exit_on_error && message_failed() ? EXIT_FAILED : EXIT_DONE;
}

static bool main_interrupt(void *ctx, const char *signal)
{
	char why[64];

	(void)ctx;
	snprintf(why, sizeof(why), "the server was interrupted by %s", signal);
	return run_interrupt(why);
}

static void main_tick(void *ctx)
{
	(void)ctx;
	run_check_time();
}

/* Descriptors 0..2 must be open: a set must never be where a message goes. */
static void main_std_fds(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	while (fd >= 0 && fd <= STDERR_FILENO)
		fd = dup(fd);
	if (fd > STDERR_FILENO)
		close(fd);
}

static int64_t main_wait_ms(void)
{
	const char *env = getenv("VDI_SQLCMD_WAIT");
	long seconds;

	if (!env || !main_number(env, 0, 86400, &seconds))
		seconds = MAIN_WAIT_S;
	return seconds ? seconds * 1000 : 1;	/* 0 is for ever to the streams */
}

int main(int argc, char **argv)
{
	struct main_state state = { .script = { .separator = "GO", .expand = true } };
	const struct watch watch = {
		.ctx = &state,
		.work = main_work,
		.interrupt = main_interrupt,
		.tick = main_tick,
	};
	int ret;

	main_std_fds();
	ret = main_parse(&state, argc, argv);
	if (ret)
		return ret;
	state.script.exit_on_error = state.b;
	state.run.wait_ms = main_wait_ms();
	message_setup(&state.message);
	run_setup(&state.run);
	signal(SIGXFSZ, SIG_IGN);	/* a limit is an error of the write */
	watch_block_signals();
	return watch_run(&watch);
}
