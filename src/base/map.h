/*
 * base/map: an open-addressing hash map from a 64-bit or a 16-byte key to a pointer.
 *
 * Ownership   the map owns its table, not what the pointers point at.
 * Layout      Linear probing from the highest bits of a product with the golden ratio (Knuth 6.4):
 *             numbers that are given out in order come to lie evenly, so at most every other slot
 *             being full, nearly each is at its home with an empty one behind it.
 * Invariants  1. at most half full. 2. no tombstones: removal shifts back (Knuth 6.4, algorithm R).
 *             3. nothing depends on the order of the table.
 * Threading   its owner only.
 * See         base/keyset.h, for very large tables
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/hash.h"
#include "base/uuid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	uint64_t key[2];
	void *value; /* NULL: empty */
};

struct map {
	struct map_entry *entries;
	size_t capacity; /* a power of two, or 0 */
	size_t count;
	unsigned shift; /* so many of the hash's 64 bits are not used */
};

void map_init(struct map *map);
void map_release(struct map *map);

void *map_get(const struct map *map, uint64_t high, uint64_t low); /* NULL: absent */
void map_put(struct map *map, uint64_t high, uint64_t low, void *value); /* replaces */
bool map_add(struct map *map, uint64_t high, uint64_t low, void *value); /* false: it is there */
void *map_remove(struct map *map, uint64_t high, uint64_t low);         /* what was there */

static inline size_t
map_home(const struct map *map, uint64_t high, uint64_t low)
{
	uint64_t hash = high == 0 ? low * HASH_GOLDEN : hash_words(high, low);
	return (size_t)(hash >> map->shift);
}

/* The entry of the key, or the empty one where it belongs. */
static inline struct map_entry *
map_entry(const struct map *map, uint64_t high, uint64_t low)
{
	size_t mask = map->capacity - 1;
	size_t at = map_home(map, high, low);
	while (map->entries[at].value != NULL &&
	    (map->entries[at].key[0] != high || map->entries[at].key[1] != low))
		at = (at + 1) & mask;
	return &map->entries[at];
}

static inline void *
map_get_u64(const struct map *map, uint64_t key)
{
	return map->count != 0 ? map_entry(map, 0, key)->value : NULL;
}

static inline void
map_put_u64(struct map *map, uint64_t key, void *value)
{
	map_put(map, 0, key, value);
}

static inline bool
map_add_u64(struct map *map, uint64_t key, void *value)
{
	return map_add(map, 0, key, value);
}

static inline void *
map_remove_u64(struct map *map, uint64_t key)
{
	return map_remove(map, 0, key);
}

void *map_get_uuid(const struct map *map, struct uuid key);
void map_put_uuid(struct map *map, struct uuid key, void *value);
void *map_remove_uuid(struct map *map, struct uuid key);

#endif
