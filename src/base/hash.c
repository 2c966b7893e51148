/*
 * The library picks its code for the processor that there is: with AVX2 or AVX-512 several times
 * as fast as what the compiler makes for the least one, from some 240 bytes on. The result is the
 * same.
 */
#include "base/hash.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

uint64_t
hash64(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}

struct hash128
hash128(const void *data, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits(data, size);
	return (struct hash128){.low = hash.low64, .high = hash.high64};
}
