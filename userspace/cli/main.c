// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The command `vdi`: finds the verb.  Owns the list of verbs and nothing of
 * what they do.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <libvdi.h>

#include "cli.h"
#include "report.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *arguments;
	const char *summary;
};

static const struct verb verbs[] = {
	{ "backup", verb_backup, "sqlite:PATH TARGET", "back up a database that is in use" },
	{ "restore", verb_restore, "SOURCE sqlite:PATH", "give it back" },
	{ "recv", verb_recv, "NAME TARGET", "receive a backup from an engine" },
	{ "send", verb_send, "NAME SOURCE", "send a backup to an engine that restores" },
	{ "put", verb_put, "NAME", "be the engine: stdin is backed up" },
	{ "get", verb_get, "NAME", "be the engine: restore to stdout" },
	{ "list", verb_list, "", "show the sets there are" },
	{ "stat", verb_stat, "NAME", "show one set" },
	{ "abort", verb_abort, "NAME", "end a set, for both sides" },
	{ "doctor", verb_doctor, "", "why it does not work here, and what to do" },
	{ "selftest", verb_selftest, "COMMAND...", "test a client program" },
};

static int main_help(void)
{
	size_t i;

	puts("Usage: vdi VERB [OPTION]... [ARGUMENT]...\n"
	     "Backups of live databases through the Virtual Device Interface, "
	     VDI_DEVICE_NODE ".\n");
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  vdi %-8s %-18s  %s\n", verbs[i].name, verbs[i].arguments,
		       verbs[i].summary);
	puts("\n"
	     "vdi VERB --help explains one verb, vdi(1) all of them.\n"
	     "vdi --version prints the version.");
	return report_stdout();
}

/*
 * Descriptors 0..2 must be open: a set must never be where a message goes.  One
 * that was closed stays unusable: a restore that went there would be lost, and
 * what came from there an empty backup.
 */
static bool main_std_fds(void)
{
	int fd;

	for (fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
			return false;
	return true;
}

static void main_signals(void)
{
	/* who ignores it is not told how his children ended, and may wait for ever */
	signal(SIGCHLD, SIG_DFL);
	/* a limit of the size of files is an error of the write, as a full disk is */
	signal(SIGXFSZ, SIG_IGN);
}

int main(int argc, char **argv)
{
	char option[] = "--help";
	size_t i;

	main_signals();
	if (!main_std_fds())
		return report_fail(EXIT_FAILED, "/dev/null: %s", strerror(errno));
	opterr = 0;
	if (argc < 2)
		return report_fail(EXIT_USAGE, "no verb: see vdi help");
	if (!strcmp(argv[1], "--version")) {
		printf("vdi %s\n", vdi_version());
		return report_stdout();
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") ||
	    (!strcmp(argv[1], "help") && argc == 2))
		return main_help();
	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(argv[1], verbs[i].name))
			return verbs[i].run(argc - 1, argv + 1);
		if (!strcmp(argv[1], "help") && !strcmp(argv[2], verbs[i].name)) {
			argv[1] = argv[2];
			argv[2] = option;
			return verbs[i].run(2, argv + 1);
		}
	}
	return report_fail(EXIT_USAGE, "%s: no such verb: see vdi help",
			   !strcmp(argv[1], "help") ? argv[2] : argv[1]);
}
