/*
 * base/hash: XXH3 (libxxhash), and mixers for keys of tables. Detects accidents, not attackers; but
 * who does not know the seed of hash_seeded cannot choose keys that meet.
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
/* The same, seeded with the hash of the 32 bytes of a head. */
uint64_t hash64_headed(const void *head, const void *data, size_t size, uint64_t seed);
struct hash128 hash128(const void *data, size_t size);

#define HASH_GOLDEN UINT64_C(0x9e3779b97f4a7c15) /* 2^64 divided by the golden ratio; odd */

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014) over both words. */
static inline uint64_t
hash_words(uint64_t high, uint64_t low)
{
	uint64_t x = low + high * HASH_GOLDEN;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

/* The same of one word, where four neighbours stay together: numbers that are given out in order,
 * as base/numtable's pages are, are used in order too, and so are a table's lines of memory.
 * No more than four, since a table's groups that are full are passed whole. */
static inline uint64_t
hash_number(uint64_t number)
{
	return hash_words(0, number >> 2) << 2 | (number & 3);
}

/* Fresh dice, kept from whoever chooses the keys; fixed where nobody does. */
struct hash_seed {
	uint64_t words[2];
};

#define HASH_SEED_FIXED \
	((struct hash_seed){{UINT64_C(0x243f6a8885a308d3), UINT64_C(0x13198a2e03707344)}}) /* pi */

static inline uint64_t
hash_fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* A product of both words as the seed has changed them, whose halves are folded, and once more, as
 * in wyhash (Wang Yi 2019). */
static inline uint64_t
hash_seeded(const struct hash_seed *seed, const uint64_t words[2])
{
	uint64_t both = hash_fold(words[0] ^ seed->words[0], words[1] ^ seed->words[1]);
	return hash_fold(both, HASH_GOLDEN);
}

#endif
