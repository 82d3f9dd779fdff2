// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The server's buffer pool: cuts the area into slots and hands them out.  It
 * makes no system call and takes no lock.
 *
 * Each requested kind of buffer (size and alignment) has a slab with exactly as
 * many slots as were requested, and an allocation takes the smallest slot that
 * fits.  A buffer of a requested kind so finds its own slab first, and no order
 * of allocations and frees can use up by fragmentation what was requested.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pool.h"

/* All arithmetic is in 64 bits on 32-bit values, so it does not overflow. */
static uint64_t round_up(uint64_t n, uint64_t to)
{
	return (n + to - 1) & ~(to - 1);
}

/* The alignment that counts, 0 if @alignment is none. */
static uint32_t effective(const struct libvdi_pool *pool, uint32_t alignment)
{
	if (alignment > VDI_MAX_ALIGNMENT || (alignment & (alignment - 1)))
		return 0;
	return alignment > pool->alignment ? alignment : pool->alignment;
}

static int check_kind(const struct libvdi_pool *pool, uint32_t size,
		      uint32_t *alignment)
{
	*alignment = effective(pool, *alignment);
	if (!*alignment || !size || size > INT32_MAX)
		return -EINVAL;
	return 0;
}

/* Kept by falling alignment: then no slab needs padding before it. */
static void insert(struct libvdi_pool *pool, struct libvdi_slab *slab)
{
	struct libvdi_slab **at = &pool->slabs;

	while (*at && (*at)->alignment >= slab->alignment)
		at = &(*at)->next;
	slab->next = *at;
	*at = slab;
}

int libvdi_pool_request(struct libvdi_pool *pool, uint32_t size,
			uint32_t alignment, uint32_t count)
{
	struct libvdi_slab *slab;
	uint64_t rounded;
	int err;

	err = check_kind(pool, size, &alignment);
	if (err || !count)
		return -EINVAL;
	rounded = round_up(size, alignment);

	for (slab = pool->slabs; slab; slab = slab->next) {
		/* one that has slots has been counted */
		if (slab->slots || slab->size != rounded ||
		    slab->alignment != alignment)
			continue;
		if (slab->count > UINT32_MAX - count)
			return -ENOMEM;
		slab->count += count;
		return 0;
	}
	slab = calloc(1, sizeof(*slab));
	if (!slab)
		return -ENOMEM;
	slab->size = rounded;
	slab->alignment = alignment;
	slab->lead = round_up(pool->prefix, alignment);
	slab->stride = slab->lead + rounded;
	slab->count = count;
	insert(pool, slab);
	return 0;
}

int libvdi_pool_total(const struct libvdi_pool *pool, uint64_t *total)
{
	const struct libvdi_slab *slab;
	uint64_t bytes, sum = 0;

	for (slab = pool->slabs; slab; slab = slab->next)
		if (__builtin_mul_overflow(slab->stride, slab->count, &bytes) ||
		    __builtin_add_overflow(sum, bytes, &sum))
			return -ENOMEM;
	*total = sum;
	return 0;
}

/*
 * Makes buffers of a pool that was only requested.  With @addr NULL it takes
 * just the memory for that, so that the second call cannot fail.
 */
int libvdi_pool_place(struct libvdi_pool *pool, unsigned char *addr)
{
	struct libvdi_slab *slab;
	uint32_t i;

	for (slab = pool->slabs; slab; slab = slab->next) {
		if (!slab->slots)
			slab->slots = calloc(slab->count, sizeof(*slab->slots));
		if (!slab->slots)
			return -ENOMEM;
		if (!addr)
			continue;
		slab->addr = addr;
		slab->nr_free = slab->count;
		for (i = 0; i < slab->count; i++)
			slab->slots[i].next = i + 1;
		addr += slab->stride * slab->count;
	}
	return 0;
}

/* Moves all slabs of @more to @pool. */
void libvdi_pool_merge(struct libvdi_pool *pool, struct libvdi_pool *more)
{
	struct libvdi_slab *slab;

	while ((slab = more->slabs)) {
		more->slabs = slab->next;
		insert(pool, slab);
	}
}

void libvdi_pool_drop(struct libvdi_pool *pool)
{
	struct libvdi_slab *slab;

	while ((slab = pool->slabs)) {
		pool->slabs = slab->next;
		free(slab->slots);
		free(slab);
	}
}

static int fits(const struct libvdi_slab *slab, uint64_t size, uint32_t alignment)
{
	return slab->nr_free && slab->size >= size && slab->alignment >= alignment;
}

int libvdi_pool_query(const struct libvdi_pool *pool, uint32_t size,
		      uint32_t alignment, uint32_t *count)
{
	const struct libvdi_slab *slab;
	uint64_t sum = 0;
	int err;

	err = check_kind(pool, size, &alignment);
	if (err)
		return err;
	for (slab = pool->slabs; slab; slab = slab->next)
		if (fits(slab, size, alignment))
			sum += slab->nr_free;
	*count = sum > UINT32_MAX ? UINT32_MAX : (uint32_t)sum;
	return 0;
}

/* The smallest that fits; of two equal ones that with the buffer freed last. */
static int better(const struct libvdi_slab *slab, const struct libvdi_slab *best)
{
	if (slab->size != best->size)
		return slab->size < best->size;
	if (slab->alignment != best->alignment)
		return slab->alignment < best->alignment;
	return slab->slots[slab->free].freed > best->slots[best->free].freed;
}

int libvdi_pool_alloc(struct libvdi_pool *pool, uint32_t size,
		      uint32_t alignment, void **buffer)
{
	struct libvdi_slab *slab, *best = NULL;
	struct libvdi_slot *slot;
	uint32_t index;
	int err;

	err = check_kind(pool, size, &alignment);
	if (err)
		return err;
	for (slab = pool->slabs; slab; slab = slab->next)
		if (fits(slab, size, alignment) && (!best || better(slab, best)))
			best = slab;
	if (!best)
		return -ENOMEM;
	index = best->free;
	slot = &best->slots[index];
	best->free = slot->next;
	best->nr_free--;
	slot->size = size;
	slot->pins = 0;
	*buffer = best->addr + best->stride * index + best->lead;
	return 0;
}

/* The allocated slot in whose data zone @addr is, and how far inside. */
static struct libvdi_slot *find(const struct libvdi_pool *pool, const void *addr,
				struct libvdi_slab **in, uint64_t *into)
{
	struct libvdi_slab *slab;

	for (slab = pool->slabs; slab; slab = slab->next) {
		uint64_t at = (uintptr_t)addr - (uintptr_t)slab->addr;
		struct libvdi_slot *slot;

		if (!slab->addr || (uintptr_t)addr < (uintptr_t)slab->addr ||
		    at >= slab->stride * slab->count)
			continue;
		slot = &slab->slots[at / slab->stride];
		at %= slab->stride;
		if (at < slab->lead || at - slab->lead >= slot->size)
			return NULL;
		*in = slab;
		*into = at - slab->lead;
		return slot;
	}
	return NULL;
}

int libvdi_pool_free(struct libvdi_pool *pool, const void *buffer, uint32_t size)
{
	struct libvdi_slot *slot;
	struct libvdi_slab *slab;
	uint64_t into;

	slot = find(pool, buffer, &slab, &into);
	if (!slot || into || slot->size != size || slot->pins)
		return -EINVAL;
	slot->size = 0;
	slot->freed = ++pool->clock;
	slot->next = slab->free;
	slab->free = (uint32_t)(slot - slab->slots);
	slab->nr_free++;
	return 0;
}

int libvdi_pool_contains(const struct libvdi_pool *pool, const void *addr)
{
	struct libvdi_slab *slab;
	uint64_t into;

	return find(pool, addr, &slab, &into) ? 1 : 0;
}

/* A command uses the first @size bytes: not to be freed until it is complete. */
int libvdi_pool_pin(struct libvdi_pool *pool, const void *buffer, uint32_t size)
{
	struct libvdi_slot *slot;
	struct libvdi_slab *slab;
	uint64_t into;

	slot = find(pool, buffer, &slab, &into);
	if (!slot || into || size > slot->size)
		return -EINVAL;
	slot->pins++;
	return 0;
}

void libvdi_pool_unpin(struct libvdi_pool *pool, const void *buffer)
{
	struct libvdi_slot *slot;
	struct libvdi_slab *slab;
	uint64_t into;

	slot = find(pool, buffer, &slab, &into);
	if (slot)
		slot->pins--;
}
