/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Swap in a guest that has none: a compressed RAM disk; and memory of which every
 * page says whether it came back from there as it was.
 */
#ifndef VDI_TEST_SWAP_H
#define VDI_TEST_SWAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VT_SWAP		"/dev/zram0"
#define VT_SWAP_PAGE	4096

/* kB of a line of /proc/meminfo, or 0 */
static inline long vt_meminfo(const char *name)
{
	FILE *f = fopen("/proc/meminfo", "re");
	char word[64];
	long kb = 0, n;

	while (f && fscanf(f, "%63s %ld kB\n", word, &n) == 2)
		if (!strcmp(word, name))
			kb = n;
	if (f)
		fclose(f);
	return kb;
}

/* NULL, or why there is none.  What was on before is none of ours. */
static inline const char *vt_swap_begin(unsigned int mib)
{
	char line[256];

	if (vt_meminfo("SwapTotal:"))
		return NULL;
	if (access(VT_SWAP, F_OK) && system("modprobe -q zram num_devices=1 2>/dev/null"))
		return "this kernel has no swap, and no zram to make one";
	snprintf(line, sizeof(line),
		 "echo %uM >/sys/block/zram0/disksize && mkswap %s >/dev/null && swapon %s", mib,
		 VT_SWAP, VT_SWAP);
	return system(line) ? "no swap on " VT_SWAP : NULL;
}

static inline void vt_swap_end(void)
{
	if (!access(VT_SWAP, F_OK) &&
	    system("swapoff " VT_SWAP " 2>/dev/null && echo 1 >/sys/block/zram0/reset"))
		fprintf(stderr, "# the swap of the test stays on\n");
}

/* Half of a page is noise, which cannot be made small. */
static inline uint64_t vt_swap_word(uint64_t seed, size_t page, unsigned int i)
{
	uint64_t z = (seed << 32) + page * 512 + i;

	z *= 0x9e3779b97f4a7c15ULL;
	z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ULL;
	return i % 2 ? page : z;
}

static inline void vt_swap_fill(void *map, size_t size, uint64_t seed)
{
	size_t page;
	unsigned int i;

	for (page = 0; page < size / VT_SWAP_PAGE; page++)
		for (i = 0; i < VT_SWAP_PAGE / 8; i++)
			((uint64_t *)map)[page * (VT_SWAP_PAGE / 8) + i] =
				vt_swap_word(seed, page, i);
}

static inline bool vt_swap_good(const void *map, size_t size, uint64_t seed)
{
	size_t page;
	unsigned int i;

	for (page = 0; page < size / VT_SWAP_PAGE; page++)
		for (i = 0; i < VT_SWAP_PAGE / 8; i++)
			if (((const uint64_t *)map)[page * (VT_SWAP_PAGE / 8) + i] !=
			    vt_swap_word(seed, page, i))
				return false;
	return true;
}

#endif /* VDI_TEST_SWAP_H */
