#include "sim/world/filter.h"

#include "sim/world/recipe.h"

static char *
text_of(struct arena *arena, const char *text, size_t size)
{
	char *copy = arena_alloc(arena, size + 1);
	memcpy(copy, text, size);
	copy[size] = 0;
	return copy;
}

static void
say_metadata(const struct filter *filter, struct arena *arena, Froe__RunList *list)
{
	Froe__Pair *pair = arena_alloc(arena, sizeof(*pair));
	list->metadata = arena_alloc(arena, sizeof(Froe__Pair *));
	list->metadata[0] = pair;
	list->n_metadata = 1;
	froe__pair__init(pair);
	pair->key = text_of(arena, (const char *)&filter->key, 1);
	pair->value = text_of(arena, (const char *)&filter->value, 1);
}

Froe__RunList *
filter_say(const struct filter *filter, struct arena *arena)
{
	Froe__RunList *list = arena_alloc(arena, sizeof(*list));
	char name[RECIPE_NAME_BYTES];
	froe__run_list__init(list);
	list->statuses = arena_alloc(arena, FILTER_STATUSES * sizeof(*list->statuses));
	for (uint32_t status = ENG_QUEUED; status <= ENG_EVICTED; status++) {
		if ((filter->statuses & 1u << status) != 0)
			list->statuses[list->n_statuses++] = (Froe__RunStatus)status;
	}
	if (filter->workflow >= 0) {
		recipe_workflow_name((unsigned)filter->workflow, name);
		list->workflow = text_of(arena, name, strlen(name));
	}
	if (filter->key != 0)
		say_metadata(filter, arena, list);
	list->has_since_ns = filter->since_ns != 0;
	list->since_ns = filter->since_ns;
	list->has_until_ns = filter->until_ns != 0;
	list->until_ns = filter->until_ns;
	list->has_scheduled = list->scheduled = filter->scheduled;
	return list;
}

bool
filter_read(struct bytes packed, struct filter *ret_filter)
{
	Froe__RunList *list = froe__run_list__unpack(NULL, packed.size, packed.data);
	struct filter filter = {.workflow = -1};
	if (list == NULL)
		return false;
	for (size_t i = 0; i < list->n_statuses; i++)
		filter.statuses |= 1u << list->statuses[i];
	if (list->workflow != NULL && list->workflow[0] == 'w')
		filter.workflow = list->workflow[1] - '0';
	if (list->n_metadata > 0) {
		filter.key = (uint8_t)list->metadata[0]->key[0];
		filter.value = (uint8_t)list->metadata[0]->value[0];
	}
	filter.since_ns = list->since_ns;
	filter.until_ns = list->until_ns;
	filter.scheduled = list->scheduled;
	bool whole = list->n_metadata <= 1 && !list->has_limit && !list->has_before &&
	    !list->has_position;
	froe__run_list__free_unpacked(list, NULL);
	*ret_filter = filter;
	return whole;
}
