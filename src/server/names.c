#include "server/names.h"

void
names_init(struct names *names)
{
	map_init(&names->entries);
	arena_init(&names->arena, 0);
}

void
names_release(struct names *names)
{
	map_release(&names->entries);
	arena_release(&names->arena);
}

void
names_put(struct names *names, enum names_kind kind, uint64_t number, struct bytes name)
{
	if (map_get(&names->entries, kind, number) != NULL)
		return;
	struct bytes *entry = arena_alloc(&names->arena, sizeof(*entry));
	*entry = bytes_of(arena_copy(&names->arena, name.data, name.size), name.size);
	map_put(&names->entries, kind, number, entry);
}

struct bytes
names_get(const struct names *names, enum names_kind kind, uint64_t number)
{
	const struct bytes *entry = map_get(&names->entries, kind, number);
	return entry != NULL ? *entry : bytes_of(NULL, 0);
}
