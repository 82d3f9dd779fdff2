/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef VDI_AREA_H
#define VDI_AREA_H

#include <linux/types.h>

#include <linux/vdi.h>

struct file;
struct iov_iter;
struct vdi_set;
struct vdi_user;
struct vm_area_struct;

/**
 * struct vdi_area_piece - One piece of the buffer area
 * @file: shmem file of exactly @size bytes; NULL when the memory is given back
 *	(protected by set->lock once published; a server's handle keeps it)
 * @offset: where it begins in the area (invariant once published)
 * @size: its size, whole pages (invariant)
 * @user: whose quota it is charged to
 */
struct vdi_area_piece {
	struct file *file;
	u64 offset;
	u64 size;
	struct vdi_user *user;
};

/**
 * struct vdi_area - The buffer area of a set
 * @nr: pieces that are published; read with acquire, written with release
 *	under set->lock
 * @size: sum of their sizes (protected by set->config_lock)
 * @pieces: the pieces; those below @nr keep their places until the set is freed
 */
struct vdi_area {
	unsigned int nr;
	u64 size;
	struct vdi_area_piece pieces[VDI_MAX_PIECES];
};

int vdi_area_piece_create(struct vdi_set *set, u64 size,
			  struct vdi_area_piece *piece, u32 *limit);
void vdi_area_piece_destroy(struct vdi_area_piece *piece);
void vdi_area_publish_locked(struct vdi_set *set,
			     const struct vdi_area_piece *piece);
void vdi_area_destroy(struct vdi_area *area);
void vdi_area_release(struct vdi_set *set);
bool vdi_area_contains(const struct vdi_area *area, u64 offset, u64 len,
		       u64 prefix);
unsigned int vdi_area_pieces(const struct vdi_area *area,
			     struct vdi_piece *pieces, unsigned int max);
int vdi_area_mmap(struct vdi_set *set, struct vm_area_struct *vma);

size_t vdi_area_from_iter(const struct vdi_area *area, u64 offset, size_t len,
			  struct iov_iter *from);
size_t vdi_area_to_iter(const struct vdi_area *area, u64 offset, size_t len,
			struct iov_iter *to);
int vdi_area_from_kernel(const struct vdi_area *area, u64 offset,
			 const void *from, size_t len);
int vdi_area_to_kernel(const struct vdi_area *area, u64 offset, void *to,
		       size_t len);

#endif /* VDI_AREA_H */
