/*
 * The library picks its code for the processor that there is: with AVX2 or AVX-512 several times
 * as fast as what the compiler makes for the least one, from some 240 bytes on. Shorter bytes, as
 * those of most records are, it hashes in one way everywhere: that is compiled in here, without the
 * calls that lead to it. The result is the same.
 */
#include "base/hash.h"

#if defined(__x86_64__)
#include <xxh_x86dispatch.h>
#else
#include <xxhash.h>
#endif

/* What the library calls short: its XXH3_MIDSIZE_MAX. */
#define SHORT_BYTES_MAX 240u

static uint64_t
hash64_long(const void *data, size_t size, uint64_t seed)
{
	return XXH3_64bits_withSeed(data, size, seed);
}

struct hash128
hash128(const void *data, size_t size)
{
	XXH128_hash_t hash = XXH3_128bits(data, size);
	return (struct hash128){.low = hash.low64, .high = hash.high64};
}

/* From here on its names are those of its code. */
#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t
hash64(const void *data, size_t size, uint64_t seed)
{
	if (size > SHORT_BYTES_MAX)
		return hash64_long(data, size, seed);
	return XXH3_64bits_withSeed(data, size, seed);
}

/* Without the attribute its two uses share a function that knows nothing of the 32 bytes. */
__attribute__((flatten)) uint64_t
hash64_headed(const void *head, const void *data, size_t size, uint64_t seed)
{
	seed = XXH3_64bits_withSeed(head, 32, seed);
	if (size > SHORT_BYTES_MAX)
		return hash64_long(data, size, seed);
	return XXH3_64bits_withSeed(data, size, seed);
}
