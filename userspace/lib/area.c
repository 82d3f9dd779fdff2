// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The buffer area in this process: maps its pieces and translates between
 * addresses and offsets.  What the area is used for is not known here.
 *
 * Callers lock out each other for changes; lookups are free.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "node.h"

#define HUGE_PAGE	(2UL * 1024 * 1024)

/* mmap(2) says EAGAIN of a limit of locked memory: later is no better. */
static int map_error(void)
{
	return errno == EAGAIN ? -ENOMEM : -errno;
}

/*
 * Takes the addresses for a piece before it exists, so that there is no piece
 * without addresses.  Pieces begin at a multiple of the largest alignment in
 * every process: a buffer that is aligned for one side is so for the other.
 * Large pieces begin where huge pages are possible.
 */
int libvdi_piece_reserve(uint64_t size, struct libvdi_piece *piece)
{
	size_t align = size >= HUGE_PAGE ? HUGE_PAGE : VDI_MAX_ALIGNMENT;
	size_t total, page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *room, *addr, *end;

	if (size > SIZE_MAX - align - page)
		return -ENOMEM;
	size = (size + page - 1) & ~(uint64_t)(page - 1);
	total = (size_t)size + align;
	room = mmap(NULL, total, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return map_error();
	addr = room + (-(uintptr_t)room & (align - 1));
	end = addr + size;
	if (addr > room)
		munmap(room, (size_t)(addr - room));
	if (end < room + total)
		munmap(end, (size_t)(room + total - end));
	piece->offset = 0;
	piece->size = size;
	piece->addr = addr;
	return 0;
}

/* The addresses may be somebody else's after mmap(2) has failed: not ours to unmap. */
int libvdi_piece_attach(struct libvdi_piece *piece, int fd, uint64_t offset,
			uint64_t size)
{
	if (size != piece->size || (uint64_t)(off_t)offset != offset)
		return -EIO;
	if (mmap(piece->addr, (size_t)size, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_POPULATE | MAP_FIXED, fd,
		 (off_t)offset) == MAP_FAILED) {
		piece->addr = NULL;
		return map_error();
	}
	piece->offset = offset;
	return 0;
}

void libvdi_piece_unmap(struct libvdi_piece *piece)
{
	if (piece->addr)
		munmap(piece->addr, (size_t)piece->size);
}

int libvdi_area_add(struct libvdi_area *area, const struct libvdi_piece *piece)
{
	if (area->nr == VDI_MAX_PIECES)
		return -ENOMEM;
	area->pid = getpid();
	area->pieces[area->nr] = *piece;
	__atomic_store_n(&area->nr, area->nr + 1, __ATOMIC_RELEASE);
	return 0;
}

/* Maps what the kernel has and we do not; pieces only ever become more. */
int libvdi_area_update(struct libvdi_area *area, int fd)
{
	struct vdi_piece list[VDI_MAX_PIECES];
	struct vdi_get_config arg = {
		.size = sizeof(arg),
		.pieces = (uintptr_t)list,
		.nr_pieces = VDI_MAX_PIECES,
	};
	struct libvdi_piece piece;
	unsigned int i;
	int err;

	err = libvdi_ioctl(fd, VDI_IOC_GET_CONFIG, &arg);
	if (err)
		return err;
	for (i = area->nr; i < arg.out_pieces && i < VDI_MAX_PIECES; i++) {
		err = libvdi_piece_reserve(list[i].size, &piece);
		if (err)
			return err;
		err = libvdi_piece_attach(&piece, fd, list[i].offset, list[i].size);
		if (!err)
			err = libvdi_area_add(area, &piece);
		if (err) {
			libvdi_piece_unmap(&piece);
			return err;
		}
	}
	return 0;
}

/* In a forked child nothing of ours is there, perhaps something of others. */
void libvdi_area_unmap(struct libvdi_area *area)
{
	unsigned int i, nr = area->nr;

	__atomic_store_n(&area->nr, 0, __ATOMIC_RELEASE);
	for (i = 0; i < nr && area->pid == getpid(); i++)
		libvdi_piece_unmap(&area->pieces[i]);
}

/*
 * For a forked child that has adopted @fd: maps at the parent's addresses what
 * the parent had mapped.  -EADDRINUSE if the child uses one of them otherwise.
 */
int libvdi_area_restore(struct libvdi_area *area, int fd)
{
	unsigned int i, nr = area->nr;
	int err = 0;

	if (!nr || area->pid == getpid())
		return 0;
	for (i = 0; i < nr && !err; i++) {
		struct libvdi_piece *p = &area->pieces[i];
		void *addr = mmap(p->addr, (size_t)p->size, PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_POPULATE | MAP_FIXED_NOREPLACE, fd,
				  (off_t)p->offset);

		if (addr == MAP_FAILED)
			err = errno == EEXIST ? -EADDRINUSE : map_error();
	}
	area->pid = getpid();
	if (!err)
		return 0;
	while (--i)
		libvdi_piece_unmap(&area->pieces[i - 1]);
	__atomic_store_n(&area->nr, 0, __ATOMIC_RELEASE);
	return err;
}

/* NULL if the range is not in one piece that is mapped. */
void *libvdi_area_addr(const struct libvdi_area *area, uint64_t offset,
		       uint64_t length)
{
	unsigned int i, nr = __atomic_load_n(&area->nr, __ATOMIC_ACQUIRE);

	for (i = 0; i < nr; i++) {
		const struct libvdi_piece *p = &area->pieces[i];

		if (offset >= p->offset && offset - p->offset < p->size &&
		    length <= p->size - (offset - p->offset))
			return p->addr + (offset - p->offset);
	}
	return NULL;
}

int libvdi_area_offset(const struct libvdi_area *area, const void *addr,
		       uint64_t *offset)
{
	unsigned int i, nr = __atomic_load_n(&area->nr, __ATOMIC_ACQUIRE);

	for (i = 0; i < nr; i++) {
		const struct libvdi_piece *p = &area->pieces[i];
		uintptr_t into = (uintptr_t)addr - (uintptr_t)p->addr;

		if (into < p->size) {
			*offset = p->offset + into;
			return 0;
		}
	}
	return -EINVAL;
}
