/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * The bytes that `vdi selftest` writes: each 8 bytes follow from seed, device,
 * version and position alone, so that any part can be made again, and it can be
 * told from 8 bytes where they belong.
 */
#ifndef VDI_PATTERN_H
#define VDI_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pattern {
	uint64_t seed;
	unsigned int devices;
	unsigned int versions;	/* 1..versions are in use */
	uint64_t size;		/* positions are below */
};

/* @position and @len are multiples of 8 */
void pattern_fill(const struct pattern *pattern, unsigned int device, unsigned int version,
		  uint64_t position, void *buf, size_t len);

/* Where the first byte differs, or @len. */
size_t pattern_compare(const struct pattern *pattern, unsigned int device, unsigned int version,
		       uint64_t position, const void *buf, size_t len);

/* Which place do the 8 bytes at @word belong to?  False: to none. */
bool pattern_find(const struct pattern *pattern, const void *word, unsigned int *device,
		  unsigned int *version, uint64_t *position);

/* What memory has that is nobody's, by its address in the area */
void pattern_guard(void *buf, uint64_t offset, size_t len);
size_t pattern_guard_compare(const void *buf, uint64_t offset, size_t len);

/* Numbers by chance, the same for the same start */
uint64_t pattern_random(uint64_t *state);

#endif /* VDI_PATTERN_H */
