/*
 * What has left waits in a list; when that is full, the one that left first is forgotten.
 */
#include "server/names.h"

#include "base/mem.h"

struct name {
	struct list link; /* names->left, in the order in which they left */
	enum names_kind kind;
	uint64_t number;
	size_t size;
	uint8_t bytes[];
};

void
names_init(struct names *names)
{
	*names = (struct names){0};
	map_init(&names->entries);
	list_init(&names->left);
}

void
names_release(struct names *names)
{
	for (size_t i = 0; i < names->entries.capacity; i++)
		mem_free(names->entries.entries[i].value);
	map_release(&names->entries);
}

void
names_put(struct names *names, enum names_kind kind, uint64_t number, struct bytes text)
{
	if (text.size == 0 || map_get(&names->entries, kind, number) != NULL)
		return;
	struct name *name = mem_zalloc(sizeof(*name) + text.size);
	name->kind = kind;
	name->number = number;
	name->size = text.size;
	memcpy(name->bytes, text.data, text.size);
	map_put(&names->entries, kind, number, name);
}

static void
names_forget_first(struct names *names)
{
	struct name *first = container_of(list_pop(&names->left), struct name, link);
	map_remove(&names->entries, first->kind, first->number);
	mem_free(first);
	names->left_count--;
}

void
names_left(struct names *names, enum names_kind kind, uint64_t number)
{
	struct name *name = map_get(&names->entries, kind, number);
	if (name == NULL || list_linked(&name->link))
		return;
	list_push(&names->left, &name->link);
	if (++names->left_count > NAMES_LEFT_MAX)
		names_forget_first(names);
}

struct bytes
names_get(const struct names *names, enum names_kind kind, uint64_t number)
{
	const struct name *name = map_get(&names->entries, kind, number);
	return name != NULL ? bytes_of(name->bytes, name->size) : bytes_of(NULL, 0);
}
