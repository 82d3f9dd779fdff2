/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Shared by the files of publish.
 */
#ifndef VDI_PUBLISH_PRIVATE_H
#define VDI_PUBLISH_PRIVATE_H

#include <sys/stat.h>

#include "publish.h"

/* Is that what has this name? */
bool publish_is(const char *path, const struct stat *own);

/*
 * What is in a directory, stripe files apart: the name of one such thing, ""
 * if there is none, NULL if it can't be read.  @stripes: how many those are.
 */
const char *publish_foreign(const char *path, unsigned int *stripes, char *buf, size_t size);

/* Removes a directory of stripes, and nothing else: 0 or -errno */
int publish_remove_dir(const char *path);

/* The descriptors of the temporary thing, and the lock with them */
void publish_close(struct publish *publish);

#endif /* VDI_PUBLISH_PRIVATE_H */
