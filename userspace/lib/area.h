/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The buffer area as it is mapped in this process. */
#ifndef LIBVDI_AREA_H
#define LIBVDI_AREA_H

#include <sys/types.h>

#include "libvdi.h"

/**
 * struct libvdi_piece - A piece of the area that is mapped
 * @offset: where it begins in the area
 * @size: its size
 * @addr: where it is mapped, at a multiple of %VDI_MAX_ALIGNMENT
 */
struct libvdi_piece {
	uint64_t offset;
	uint64_t size;
	unsigned char *addr;
};

/**
 * struct libvdi_area - All pieces that are mapped
 * @nr: how many; published with release, so that lookups need no lock
 * @pid: the process that has mapped them: a forked child has not
 * @pieces: the pieces; those below @nr do not change until all are unmapped
 */
struct libvdi_area {
	unsigned int nr;
	pid_t pid;
	struct libvdi_piece pieces[VDI_MAX_PIECES];
};

int libvdi_piece_reserve(uint64_t size, struct libvdi_piece *piece);
int libvdi_piece_attach(struct libvdi_piece *piece, int fd, uint64_t offset,
			uint64_t size);
void libvdi_piece_unmap(struct libvdi_piece *piece);

int libvdi_area_add(struct libvdi_area *area, const struct libvdi_piece *piece);
int libvdi_area_update(struct libvdi_area *area, int fd);
void libvdi_area_unmap(struct libvdi_area *area);
int libvdi_area_restore(struct libvdi_area *area, int fd);
void *libvdi_area_addr(const struct libvdi_area *area, uint64_t offset,
		       uint64_t length);
int libvdi_area_offset(const struct libvdi_area *area, const void *addr,
		       uint64_t *offset);

#endif /* LIBVDI_AREA_H */
