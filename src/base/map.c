#include "base/map.h"

#include "base/fault.h"
#include "base/mem.h"

#define CAPACITY_MIN 16u

void
map_init(struct map *map)
{
	*map = (struct map){0};
}

void
map_release(struct map *map)
{
	mem_table_free(map->entries, map->capacity, sizeof(map->entries[0]));
	*map = (struct map){0};
}

void *
map_get(const struct map *map, uint64_t high, uint64_t low)
{
	return map->count != 0 ? map_entry(map, high, low)->value : NULL;
}

static void
map_resize(struct map *map, size_t capacity)
{
	struct map old = *map;
	map->capacity = capacity;
	map->shift = 64 - (unsigned)__builtin_ctzll(capacity);
	map->entries = mem_table(map->capacity, sizeof(map->entries[0]));
	for (size_t i = 0; i < old.capacity; i++) {
		struct map_entry *entry = &old.entries[i];
		if (entry->value != NULL)
			*map_entry(map, entry->key[0], entry->key[1]) = *entry;
	}
	mem_table_free(old.entries, old.capacity, sizeof(old.entries[0]));
}

/* Room for one more. */
static inline void
map_grow(struct map *map)
{
	if (map->count >= map->capacity / 2)
		map_resize(map, map->capacity != 0 ? map->capacity * 2 : CAPACITY_MIN);
}

void
map_put(struct map *map, uint64_t high, uint64_t low, void *value)
{
	froe_assert(value != NULL);
	map_grow(map);
	struct map_entry *entry = map_entry(map, high, low);
	if (entry->value == NULL)
		map->count++;
	*entry = (struct map_entry){.key = {high, low}, .value = value};
}

bool
map_add(struct map *map, uint64_t high, uint64_t low, void *value)
{
	froe_assert(value != NULL);
	map_grow(map);
	struct map_entry *entry = map_entry(map, high, low);
	if (entry->value != NULL)
		return false;
	map->count++;
	*entry = (struct map_entry){.key = {high, low}, .value = value};
	return true;
}

void *
map_remove(struct map *map, uint64_t high, uint64_t low)
{
	if (map->count == 0)
		return NULL;
	struct map_entry *hole = map_entry(map, high, low);
	void *value = hole->value;
	if (value == NULL)
		return NULL;
	map->count--;
	size_t mask = map->capacity - 1;
	size_t hole_at = (size_t)(hole - map->entries);
	for (size_t at = (hole_at + 1) & mask; map->entries[at].value != NULL;
	     at = (at + 1) & mask) {
		size_t home = map_home(map, map->entries[at].key[0], map->entries[at].key[1]);
		/* Move back unless its home lies cyclically in (hole, at]. */
		if (((at - home) & mask) >= ((at - hole_at) & mask)) {
			map->entries[hole_at] = map->entries[at];
			hole_at = at;
		}
	}
	map->entries[hole_at].value = NULL;
	return value;
}

static void
uuid_words(struct uuid key, uint64_t words[2])
{
	memcpy(words, key.bytes, sizeof(key.bytes));
}

void *
map_get_uuid(const struct map *map, struct uuid key)
{
	uint64_t words[2];
	uuid_words(key, words);
	return map_get(map, words[0], words[1]);
}

void
map_put_uuid(struct map *map, struct uuid key, void *value)
{
	uint64_t words[2];
	uuid_words(key, words);
	map_put(map, words[0], words[1], value);
}

void *
map_remove_uuid(struct map *map, struct uuid key)
{
	uint64_t words[2];
	uuid_words(key, words);
	return map_remove(map, words[0], words[1]);
}
