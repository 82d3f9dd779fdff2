/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Scripts: batches, the lines between them, and sqlcmd's own commands.
 */
#ifndef VDI_SQLCMD_SCRIPT_H
#define VDI_SQLCMD_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum script_end {
	SCRIPT_DONE,
	SCRIPT_EXIT,		/* the script said so */
	SCRIPT_ERROR,		/* a statement failed, and that ends it */
	SCRIPT_BAD,		/* something is wrong with the script itself */
};

struct script_options {
	bool exit_on_error;	/* -b, or :on error exit */
	bool expand;		/* variables; not with -x */
	bool echo;		/* -e */
	const char *separator;	/* GO */
};

/* Each batch is carried out as soon as it was read. */
enum script_end script_run(struct script_options *options, FILE *in, const char *name);

#endif /* VDI_SQLCMD_SCRIPT_H */
