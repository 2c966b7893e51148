/*
 * base/map: an open-addressing hash map from a 64-bit or a 16-byte key to a pointer.
 *
 * Ownership   the map owns its table, not what the pointers point at.
 * Invariants  1. at most half full. 2. no tombstones: removal shifts back (Knuth 6.4, algorithm R).
 *             3. nothing depends on the order of the table.
 * Threading   its owner only.
 * See         base/keyset.h, for very large tables
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

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
};

void map_init(struct map *map);
void map_release(struct map *map);

void *map_get(const struct map *map, uint64_t high, uint64_t low); /* NULL: absent */
void map_put(struct map *map, uint64_t high, uint64_t low, void *value); /* replaces */
bool map_add(struct map *map, uint64_t high, uint64_t low, void *value); /* false: it is there */
void *map_remove(struct map *map, uint64_t high, uint64_t low);         /* what was there */

static inline void *
map_get_u64(const struct map *map, uint64_t key)
{
	return map_get(map, 0, key);
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
