/*
 * base/hash: XXH3 (libxxhash). Detects accidents, not attackers.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
	uint64_t low;
	uint64_t high;
};

uint64_t hash64(const void *data, size_t size, uint64_t seed);
struct hash128 hash128(const void *data, size_t size);

#endif
