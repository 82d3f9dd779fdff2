// SPDX-License-Identifier: GPL-2.0-only
/*
 * The buffer area of a set: pieces of fixed size, each a shmem file of its own
 * that is populated when it is made.  Payload only: the kernel never looks at
 * it, it copies it from and to the users of nodes.
 *
 * There is no fault handler, no vm_ops and no state in a mapping here: a
 * mapping is moved onto the shmem file and lives by its own reference.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/nospec.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/shmem_fs.h>
#include <linux/uio.h>

#include "area.h"
#include "compat.h"
#include "main.h"
#include "quota.h"
#include "set.h"

#ifndef CONFIG_SHMEM
#error "the buffer area needs CONFIG_SHMEM: without it there are no seals"
#endif

/*
 * Bring all pages in now, charged to the caller's memory cgroup: no memory is
 * an answer here and no kill at the first touch.
 */
static int vdi_area_populate(struct file *file, u64 size)
{
	struct address_space *mapping = file->f_mapping;
	gfp_t gfp = mapping_gfp_mask(mapping) | __GFP_RETRY_MAYFAIL |
		    __GFP_NOWARN;
	pgoff_t i;

	for (i = 0; i < size >> PAGE_SHIFT; i++) {
		struct page *page;

		if (fatal_signal_pending(current))
			return -EINTR;
		page = shmem_read_mapping_page_gfp(mapping, i, gfp);
		if (IS_ERR(page))
			return PTR_ERR(page) == -ENOSPC ? -ENOMEM :
							  PTR_ERR(page);
		/* A clean page may be dropped, and would have to be made again */
		set_page_dirty(page);
		put_page(page);
		cond_resched();
	}
	return 0;
}

/**
 * vdi_area_piece_create() - Make one piece; nobody sees it yet
 * @set: for its limits
 * @size: bytes wanted
 * @piece: filled in but for the offset
 * @limit: VDI_LIMIT_* if the answer is -EDQUOT
 *
 * Context: set->config_lock held; sleeps.
 * Return: 0, -EINVAL, -EDQUOT, -ENOMEM, or -EINTR if the caller was killed.
 */
int vdi_area_piece_create(struct vdi_set *set, u64 size,
			  struct vdi_area_piece *piece, u32 *limit)
{
	struct vdi_user *user;
	bool total;
	int ret;

	lockdep_assert_held(&set->config_lock);
	if (!size)
		return -EINVAL;
	if (set->area.nr == VDI_MAX_PIECES) {
		*limit = VDI_LIMIT_PIECES;
		return -EDQUOT;
	}
	if (size > vdi_main_max_area_bytes() ||
	    set->area.size > vdi_main_max_area_bytes() - size) {
		*limit = VDI_LIMIT_SET_BYTES;
		if (!capable(CAP_SYS_RESOURCE))
			return -EDQUOT;
	}
	if (size > MAX_LFS_FILESIZE - PAGE_SIZE ||
	    set->area.size > MAX_LFS_FILESIZE - PAGE_SIZE - size)
		return -ENOMEM;
	size = PAGE_ALIGN(size);
	user = vdi_quota_charge(current_euid(), VDI_QUOTA_BYTES, size,
				vdi_main_max_user_bytes(),
				vdi_main_max_total_bytes(), &total);
	if (IS_ERR(user)) {
		*limit = total ? VDI_LIMIT_TOTAL_BYTES : VDI_LIMIT_USER_BYTES;
		return PTR_ERR(user);
	}
	piece->file = vdi_shmem_file("vdi-area", size);
	if (IS_ERR(piece->file)) {
		/* No inode is ENOSPC there, no file ENFILE, too large EINVAL */
		ret = -ENOMEM;
		goto err_uncharge;
	}
	ret = vdi_area_populate(piece->file, size);
	if (ret)
		goto err_put_file;
	/* Nobody gets a descriptor of it, but /proc/PID/map_files exists */
	SHMEM_I(file_inode(piece->file))->seals = F_SEAL_SEAL | F_SEAL_SHRINK |
						  F_SEAL_GROW;
	piece->size = size;
	piece->user = user;
	return 0;

err_put_file:
	fput(piece->file);
err_uncharge:
	vdi_quota_uncharge(user, VDI_QUOTA_BYTES, size);
	return ret;
}

/**
 * vdi_area_piece_destroy() - Undo vdi_area_piece_create()
 * @piece: the piece, never published or not any more
 */
void vdi_area_piece_destroy(struct vdi_area_piece *piece)
{
	if (!piece->file)
		return;
	fput(piece->file);
	vdi_quota_uncharge(piece->user, VDI_QUOTA_BYTES, piece->size);
}

/**
 * vdi_area_publish_locked() - Add a piece to the area; cannot fail
 * @set: the set
 * @piece: as made by vdi_area_piece_create(); the area owns it from now on
 *
 * Context: set->config_lock and set->lock held.
 */
void vdi_area_publish_locked(struct vdi_set *set,
			     const struct vdi_area_piece *piece)
{
	struct vdi_area *area = &set->area;
	unsigned int nr = area->nr;

	lockdep_assert_held(&set->lock);
	area->pieces[nr] = *piece;
	area->pieces[nr].offset = area->size;
	area->size += piece->size;
	/* Pairs with vdi_area_nr(): mmap takes no lock of the set */
	smp_store_release(&area->nr, nr + 1);
}

/**
 * vdi_area_destroy() - Let go of all pieces; mappings keep theirs
 * @area: area of a set that nobody references
 */
void vdi_area_destroy(struct vdi_area *area)
{
	while (area->nr)
		vdi_area_piece_destroy(&area->pieces[--area->nr]);
}

/**
 * vdi_area_release() - The set is over and its server gone: give memory back
 * @set: the set, not alive
 *
 * Who made the memory does not pay for it until the client lets go of the set.
 * The pieces stay in the list, without a file.
 *
 * Context: sleeps.
 */
void vdi_area_release(struct vdi_set *set)
{
	struct vdi_area_piece piece;
	unsigned int i;

	/* Nobody adds one: the set is not alive */
	for (i = 0; i < set->area.nr; i++) {
		spin_lock(&set->lock);
		piece = set->area.pieces[i];
		set->area.pieces[i].file = NULL;
		spin_unlock(&set->lock);
		vdi_area_piece_destroy(&piece);
	}
}

/* How many pieces there are; their places never change */
static unsigned int vdi_area_nr(const struct vdi_area *area)
{
	/* Pairs with the release in vdi_area_publish_locked() */
	return smp_load_acquire(&area->nr);
}

/**
 * vdi_area_contains() - Is this buffer, with its prefix zone, in one piece?
 * @area: the area
 * @offset: data zone of the buffer
 * @len: its length
 * @prefix: bytes before it
 *
 * Return: true if so.
 */
bool vdi_area_contains(const struct vdi_area *area, u64 offset, u64 len,
		       u64 prefix)
{
	unsigned int nr = vdi_area_nr(area);
	unsigned int i;

	for (i = 0; i < nr; i++) {
		const struct vdi_area_piece *piece = &area->pieces[i];

		if (offset < piece->offset ||
		    offset - piece->offset >= piece->size)
			continue;
		offset -= piece->offset;
		return offset >= prefix && len <= piece->size - offset;
	}
	return false;
}

/**
 * vdi_area_pieces() - List the pieces
 * @area: the area
 * @pieces: array to fill
 * @max: how many fit there
 *
 * Return: how many pieces there are.
 */
unsigned int vdi_area_pieces(const struct vdi_area *area,
			     struct vdi_piece *pieces, unsigned int max)
{
	unsigned int nr = vdi_area_nr(area);
	unsigned int i;

	for (i = 0; i < min(nr, max); i++) {
		pieces[i].offset = area->pieces[i].offset;
		pieces[i].size = area->pieces[i].size;
	}
	return nr;
}

/**
 * vdi_area_mmap() - Map one piece, whole
 * @set: the set; the caller holds a reference
 * @vma: offset and length must be exactly those of a piece
 *
 * Context: mmap_lock held; takes set->lock.
 * Return: 0 or -EINVAL, -EACCES, or -ECANCELED if the memory is gone.
 */
int vdi_area_mmap(struct vdi_set *set, struct vm_area_struct *vma)
{
	const struct vdi_area *area = &set->area;
	u64 len = vma->vm_end - vma->vm_start;
	unsigned int nr = vdi_area_nr(area);
	struct file *file;
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (area->pieces[i].offset >> PAGE_SHIFT == vma->vm_pgoff)
			break;
	if (i == nr)
		return -EINVAL;
	i = array_index_nospec(i, nr);
	if (area->pieces[i].size != len || !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	spin_lock(&set->lock);
	file = area->pieces[i].file;
	if (file)
		get_file(file);
	spin_unlock(&set->lock);
	if (!file)
		return -ECANCELED;
	/*
	 * A forked child must not hold the data silently, and the contents of a
	 * database do not belong in a core file.
	 */
	vdi_vm_flags_mod(vma, VM_DONTCOPY | VM_DONTDUMP, VM_MAYEXEC);
	vma->vm_pgoff = 0;
	/* It takes a reference of its own */
	vma_set_file(vma, file);
	fput(file);
	return vdi_call_mmap(file, vma);
}

static size_t vdi_area_page_from_iter(void *at, size_t n, void *iter)
{
	return copy_from_iter(at, n, iter);
}

static size_t vdi_area_page_to_iter(void *at, size_t n, void *iter)
{
	return copy_to_iter(at, n, iter);
}

static size_t vdi_area_page_from_kernel(void *at, size_t n, void *from)
{
	const u8 **p = from;

	memcpy(at, *p, n);
	*p += n;
	return n;
}

static size_t vdi_area_page_to_kernel(void *at, size_t n, void *to)
{
	u8 **p = to;

	memcpy(*p, at, n);
	*p += n;
	return n;
}

/* Page by page.  No page is held for longer: they may be swapped as any other */
static size_t vdi_area_copy(const struct vdi_area *area, u64 offset, size_t len,
			    size_t (*copy)(void *at, size_t n, void *arg),
			    void *arg, bool dirty)
{
	/* Nodes live in the first piece: nobody grows the area */
	struct address_space *mapping = area->pieces[0].file->f_mapping;
	size_t done = 0;

	for (; done < len; cond_resched()) {
		size_t at = offset_in_page(offset + done);
		size_t n = min_t(size_t, len - done, PAGE_SIZE - at), copied;
		struct page *page;
		void *kaddr;

		page = shmem_read_mapping_page(mapping,
					       (offset + done) >> PAGE_SHIFT);
		if (IS_ERR(page))
			break;
		/* What the client has written may be in its own alias */
		flush_dcache_page(page);
		kaddr = kmap_local_page(page);
		copied = copy(kaddr + at, n, arg);
		kunmap_local(kaddr);
		if (dirty && copied) {
			flush_dcache_page(page);
			set_page_dirty(page);
		}
		put_page(page);
		done += copied;
		if (copied < n)
			break;
	}
	return done;
}

/**
 * vdi_area_from_iter() - Copy from a user into a buffer
 * @area: the area of a set with nodes
 * @offset: where, in its first piece
 * @len: how many bytes at most
 * @from: the user's memory
 *
 * Context: sleeps, takes mmap_lock.
 * Return: bytes copied; fewer than @len if memory is bad.
 */
size_t vdi_area_from_iter(const struct vdi_area *area, u64 offset, size_t len,
			  struct iov_iter *from)
{
	return vdi_area_copy(area, offset, min(len, iov_iter_count(from)),
			     vdi_area_page_from_iter, from, true);
}

/**
 * vdi_area_to_iter() - Copy from a buffer to a user
 * @area: the area of a set with nodes
 * @offset: from where, in its first piece
 * @len: how many bytes at most
 * @to: the user's memory
 *
 * Context: sleeps, takes mmap_lock.
 * Return: bytes copied; fewer than @len if memory is bad.
 */
size_t vdi_area_to_iter(const struct vdi_area *area, u64 offset, size_t len,
			struct iov_iter *to)
{
	return vdi_area_copy(area, offset, min(len, iov_iter_count(to)),
			     vdi_area_page_to_iter, to, false);
}

/**
 * vdi_area_from_kernel() - Copy into a buffer
 * @area: the area of a set with nodes
 * @offset: where, in its first piece
 * @from: the bytes
 * @len: how many
 *
 * Context: sleeps.
 * Return: 0 or -EIO.
 */
int vdi_area_from_kernel(const struct vdi_area *area, u64 offset,
			 const void *from, size_t len)
{
	return vdi_area_copy(area, offset, len, vdi_area_page_from_kernel,
			     &from, true) == len ? 0 : -EIO;
}

/**
 * vdi_area_to_kernel() - Copy out of a buffer
 * @area: the area of a set with nodes
 * @offset: from where, in its first piece
 * @to: filled in
 * @len: how many bytes
 *
 * Context: sleeps.
 * Return: 0 or -EIO.
 */
int vdi_area_to_kernel(const struct vdi_area *area, u64 offset, void *to,
		       size_t len)
{
	return vdi_area_copy(area, offset, len, vdi_area_page_to_kernel, &to,
			     false) == len ? 0 : -EIO;
}
