#include "base/recent.h"

#include "base/mem.h"

#define CAPACITY_MIN 8u

void
recent_init(struct recent *recent)
{
	*recent = (struct recent){0};
	map_init(&recent->older);
}

void
recent_release(struct recent *recent)
{
	mem_free(recent->slots);
	map_release(&recent->older);
	*recent = (struct recent){0};
}

/* No two had the same place before: nor have they with one bit more. */
static void
recent_grow(struct recent *recent)
{
	struct recent old = *recent;
	recent->capacity = old.capacity > 0 ? 2 * old.capacity : CAPACITY_MIN;
	recent->slots = mem_array(recent->capacity, sizeof(recent->slots[0]));
	for (size_t i = 0; i < old.capacity; i++) {
		if (old.slots[i].value != NULL)
			*recent_slot(recent, old.slots[i].number) = old.slots[i];
	}
	mem_free(old.slots);
}

bool
recent_add_slow(struct recent *recent, uint64_t number, void *value)
{
	if (recent_get(recent, number) != NULL)
		return false;
	if (2 * recent->count >= recent->capacity)
		recent_grow(recent);
	struct recent_slot *slot = recent_slot(recent, number);
	if (slot->value != NULL) /* who is newer is likelier to be asked for */
		map_put_u64(&recent->older, slot->number, slot->value);
	*slot = (struct recent_slot){number, value};
	recent->count++;
	return true;
}
