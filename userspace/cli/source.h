/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * Where a restore comes from: a stripe file, a directory of them, stdin.
 */
#ifndef VDI_SOURCE_H
#define VDI_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "medium.h"

struct source;

/*
 * Finds the stripes of one backup and checks headers, trailers, lengths and
 * that they belong together.  0, or an exit code after a line on stderr that
 * says which stripe is missing, truncated or foreign.  @direct: read it past the
 * page cache.
 */
int source_open(struct source **out, const char *path, bool direct);

/* Reads everything and compares the checksums, before a byte is handed out. */
int source_verify(struct source *source, const volatile bool *stop);

unsigned int source_count(const struct source *source);
/* What kind of devices wrote it: of all stripes the same. */
enum stripe_kind source_kind(const struct source *source);
bool source_removable(const struct source *source);
uint64_t source_total(const struct source *source);	/* 0 if it is not known */

/*
 * Of one stripe, by the one thread that serves it: puts the first medium in, or
 * the next one.  0, -ENOMEDIUM if there is none, or -errno; -ESTALE: it was
 * changed since it was checked.
 */
int source_load(struct source *source, unsigned int index);
/* How many media of a stripe there are, and how many of them were never in. */
unsigned int source_media(const struct source *source, unsigned int index, unsigned int *left);
/* The medium that is in; NULL if the source is a bare stream. */
struct medium *source_medium(const struct source *source, unsigned int index);
/* After a read, before it is believed: 0, or -ESTALE. */
int source_unchanged(const struct source *source, unsigned int index);

/* The next bytes of a bare stream; less than @len only at its end; or -errno. */
ssize_t source_read(struct source *source, void *buf, size_t len);

void source_close(struct source *source);

#endif /* VDI_SOURCE_H */
