/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The list of digests: a line "NAME SHA256 BYTES" for each stream.
 */
#ifndef VDI_DIGESTS_H
#define VDI_DIGESTS_H

#include <stdint.h>

struct digests;

/*
 * Before the processes part.  @path stays as it is until digests_close(), but can be
 * written.  0, or an exit code after a line on stderr.
 */
int digests_open(struct digests **out, const char *path);

/* From whatever process, of each stream */
void digests_add(struct digests *digests, unsigned int index, const uint8_t *digest,
		 uint64_t bytes);

/*
 * Writes the list if @code, that of all else, is 0.  The exit code, after a line on
 * stderr if only the list is not @what should be: "the backup".  @digests may be NULL.
 */
int digests_close(struct digests *digests, int code, const char *what);

#endif /* VDI_DIGESTS_H */
