/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/* The server's buffer pool: which part of the area is which buffer. */
#ifndef LIBVDI_POOL_H
#define LIBVDI_POOL_H

#include "libvdi.h"

/**
 * struct libvdi_slot - Room for one buffer
 * @size: as allocated, 0 if it is free
 * @pins: commands that use it
 * @next: next free slot, valid if it is free
 * @freed: when it was freed, by the clock of the pool, 0 if never
 */
struct libvdi_slot {
	uint32_t size;
	uint32_t pins;
	uint32_t next;
	uint64_t freed;
};

/**
 * struct libvdi_slab - Slots of one size and alignment, side by side
 * @next: next slab of the pool
 * @size: largest buffer that fits in a slot, a multiple of @alignment
 * @lead: from the start of a slot to its data zone, a multiple of @alignment
 * @stride: from slot to slot
 * @alignment: of the data zones
 * @count: slots
 * @nr_free: how many are free
 * @free: the slot freed last, valid if there is a free one
 * @addr: where it begins, NULL until it is placed
 * @slots: one for each slot
 */
struct libvdi_slab {
	struct libvdi_slab *next;
	uint64_t size;
	uint64_t lead;
	uint64_t stride;
	uint32_t alignment;
	uint32_t count;
	uint32_t nr_free;
	uint32_t free;
	unsigned char *addr;
	struct libvdi_slot *slots;
};

/**
 * struct libvdi_pool - All slabs of a server
 * @alignment: least alignment of a data zone
 * @prefix: bytes before each data zone
 * @clock: counts frees
 * @slabs: by falling alignment
 */
struct libvdi_pool {
	uint32_t alignment;
	uint32_t prefix;
	uint64_t clock;
	struct libvdi_slab *slabs;
};

int libvdi_pool_request(struct libvdi_pool *pool, uint32_t size,
			uint32_t alignment, uint32_t count);
int libvdi_pool_total(const struct libvdi_pool *pool, uint64_t *total);
int libvdi_pool_place(struct libvdi_pool *pool, unsigned char *addr);
void libvdi_pool_merge(struct libvdi_pool *pool, struct libvdi_pool *more);
void libvdi_pool_drop(struct libvdi_pool *pool);

int libvdi_pool_query(const struct libvdi_pool *pool, uint32_t size,
		      uint32_t alignment, uint32_t *count);
int libvdi_pool_alloc(struct libvdi_pool *pool, uint32_t size,
		      uint32_t alignment, void **buffer);
int libvdi_pool_free(struct libvdi_pool *pool, const void *buffer, uint32_t size);
int libvdi_pool_contains(const struct libvdi_pool *pool, const void *addr);
int libvdi_pool_pin(struct libvdi_pool *pool, const void *buffer, uint32_t size);
void libvdi_pool_unpin(struct libvdi_pool *pool, const void *buffer);

#endif /* LIBVDI_POOL_H */
