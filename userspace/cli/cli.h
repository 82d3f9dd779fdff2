/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The command `vdi`: its verbs and its exit codes.
 */
#ifndef VDI_CLI_H
#define VDI_CLI_H

enum vdi_exit {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,		/* failed here; what was written is kept as *.partial */
	EXIT_PEER = 4,			/* the other side, or a third party, aborted */
	EXIT_TIMEOUT = 5,
	EXIT_MISMATCH = 6,		/* data is not what was backed up */
	EXIT_NO_DEVICE = 7,		/* no device, no permission, or another ABI */
	EXIT_EXISTS = 8,		/* busy, or the name or target exists */
	EXIT_SIGNAL = 128,		/* + the signal's number: 130, 143 */
};

/* Each verb is given its own name as argv[0]; returns the exit code. */
int verb_backup(int argc, char **argv);
int verb_restore(int argc, char **argv);
int verb_recv(int argc, char **argv);
int verb_send(int argc, char **argv);
int verb_put(int argc, char **argv);
int verb_get(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_stat(int argc, char **argv);
int verb_abort(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_selftest(int argc, char **argv);

#endif /* VDI_CLI_H */
