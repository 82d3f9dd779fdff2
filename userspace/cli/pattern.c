// SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
/*
 * The bytes of `vdi selftest`: made, compared, and traced back to their place.
 *
 * A word is a bijective mix of a key (of seed, device and version) plus its
 * number.  Undone, a word that was found in the wrong place gives its number.
 */
#include <string.h>

#include "pattern.h"

#define PATTERN_STEP	0x9e3779b97f4a7c15ULL
#define PATTERN_GUARD	0x5ee5ac7d00000001ULL

/* The finishing steps of the generator splitmix64 */
static uint64_t pattern_mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

/* The same backwards: the inverse factors modulo 2^64, the shifts undone */
static uint64_t pattern_unmix(uint64_t x)
{
	x = (x ^ x >> 31 ^ x >> 62) * 0x319642b2d24d8ec3ULL;
	x = (x ^ x >> 27 ^ x >> 54) * 0x96de1b173f119089ULL;
	return x ^ x >> 30 ^ x >> 60;
}

uint64_t pattern_random(uint64_t *state)
{
	return pattern_mix(*state += PATTERN_STEP);
}

static uint64_t pattern_key(const struct pattern *pattern, unsigned int device,
			    unsigned int version)
{
	return pattern_mix(pattern->seed * PATTERN_STEP + device * 256 + version);
}

void pattern_fill(const struct pattern *pattern, unsigned int device, unsigned int version,
		  uint64_t position, void *buf, size_t len)
{
	uint64_t n = pattern_key(pattern, device, version) + position / 8;
	uint64_t *word = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		word[i] = pattern_mix(n + i);
}

size_t pattern_compare(const struct pattern *pattern, unsigned int device, unsigned int version,
		       uint64_t position, const void *buf, size_t len)
{
	uint64_t n = pattern_key(pattern, device, version) + position / 8, want;
	const uint8_t *bytes = buf;
	size_t i, j;

	for (i = 0; i < len; i += 8) {
		size_t part = len - i < 8 ? len - i : 8;

		want = pattern_mix(n + i / 8);
		if (!memcmp(bytes + i, &want, part))
			continue;
		for (j = 0; bytes[i + j] == ((const uint8_t *)&want)[j]; j++)
			;
		return i + j;
	}
	return len;
}

bool pattern_find(const struct pattern *pattern, const void *word, unsigned int *device,
		  unsigned int *version, uint64_t *position)
{
	unsigned int d, v;
	uint64_t n;

	memcpy(&n, word, sizeof(n));
	n = pattern_unmix(n);
	for (d = 0; d < pattern->devices; d++)
		for (v = 1; v <= pattern->versions; v++) {
			uint64_t at = n - pattern_key(pattern, d, v);

			if (at >= pattern->size / 8)
				continue;
			*device = d;
			*version = v;
			*position = at * 8;
			return true;
		}
	return false;
}

static uint64_t pattern_guard_word(uint64_t offset)
{
	return PATTERN_GUARD ^ offset * PATTERN_STEP;
}

/* Words follow from their offset in the area, whatever part is looked at */
void pattern_guard(void *buf, uint64_t offset, size_t len)
{
	uint64_t *word = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		word[i] = pattern_guard_word(offset + i * 8);
}

size_t pattern_guard_compare(const void *buf, uint64_t offset, size_t len)
{
	const uint64_t *word = buf;
	size_t i;

	for (i = 0; i < len / 8; i++)
		if (word[i] != pattern_guard_word(offset + i * 8))
			return i * 8;
	return len;
}
