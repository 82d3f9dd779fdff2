/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * sqlcmd's variables: $(NAME).
 */
#ifndef VDI_SQLCMD_VARIABLE_H
#define VDI_SQLCMD_VARIABLE_H

#include <stdbool.h>
#include <stddef.h>

/* False: no name that a variable can have. */
bool variable_set(const char *name, const char *value);

/*
 * One line with values instead of $(NAME), to be freed; NULL after a line on
 * stderr: a variable is not known.  Variables of the environment count.
 */
char *variable_expand(const char *line, size_t len, size_t *out_len);

#endif /* VDI_SQLCMD_VARIABLE_H */
