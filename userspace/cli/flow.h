/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * A device under test as a sequence of bytes: Writes and Reads at depth, on all
 * devices at once, in sizes by chance, each byte compared.
 *
 * Where a function has @target: every device goes on to that position.
 */
#ifndef VDI_FLOW_H
#define VDI_FLOW_H

#include "exercise.h"

#define FLOW_MEDIA	32
#define FLOW_FLUSHES	3	/* in the middle of flow_backup() */

/* Where the media of a device ended, but for the last one */
struct flow_media {
	unsigned int count;
	uint64_t ends[FLOW_MEDIA];
};

/* Writes; goes on behind an end of the medium with Load. */
bool flow_write(struct exercise *exercise, unsigned int device, uint64_t target);
/* Writing: the medium is full or shall be: Flush, and Load of the next one. */
bool flow_load(struct exercise *exercise, unsigned int device);

/* Before reading: @size bytes a device, on the media that writing left. */
bool flow_begin_read(struct exercise *exercise, uint64_t size);
/* Reads, from medium to medium. */
bool flow_read(struct exercise *exercise, unsigned int device, uint64_t target);
/* Reads on until the end of the medium, or the filemark, is reported at the limit. */
bool flow_read_end(struct exercise *exercise, unsigned int device);
/* The same over all media that are left. */
bool flow_read_rest(struct exercise *exercise, unsigned int device);

/* After an error that was foreseen: the device works again, from what is stored. */
bool flow_recover(struct exercise *exercise, unsigned int device);

/* One command of a size that is given. */
bool flow_write_one(struct exercise *exercise, unsigned int device, uint32_t size);
bool flow_read_one(struct exercise *exercise, unsigned int device, uint32_t size);
/* For a place on a disk, or in a version of its own */
bool flow_write_at(struct exercise *exercise, unsigned int device, uint64_t at,
		   unsigned int version, uint32_t size);
/* A part of what a Read has brought, against what was written at command->at. */
bool flow_compare(struct exercise *exercise, const struct exercise_command *command, size_t from,
		  size_t len, unsigned int version);

/* A multiple of the block size by chance, up to the largest transfer. */
uint32_t flow_size(struct exercise *exercise, unsigned int device);

/* A whole backup of @size bytes a device: Writes, Flushes in the middle and last. */
bool flow_backup(struct exercise *exercise, uint64_t size);
/* The last two steps of a backup: Flush, and Complete if the client wants it. */
bool flow_finish(struct exercise *exercise);
/* The rest of a restore, after flow_begin_read(), to the end of the @size bytes. */
bool flow_restore(struct exercise *exercise, uint64_t size);

/* Is the device that of a disk? */
bool flow_is_disk(const struct exercise *exercise);

#endif /* VDI_FLOW_H */
