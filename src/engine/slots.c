/*
 * engine/slots: types of slots by name, and the combinations of them that tasks take.
 *
 * A type's number is given when its name first comes up and means nothing but itself. Each
 * combination is a list of workers to keep in order (sched/lane_int.h), so a tenant has a limited
 * number of them.
 */
#include "engine/engine_int.h"

#include "base/hash.h"

#include <stdio.h>

uint32_t
slot_type_require(struct eng_tenant *tenant, struct bytes name)
{
	struct eng_named *named = named_find(&tenant->slot_types, name);
	if (named != NULL)
		return container_of(named, struct eng_slot_type, named)->number;
	struct eng_slot_type *type = mem_zalloc(sizeof(*type));
	type->number = ++tenant->slot_type_count;
	named_add(&tenant->slot_types, &type->named, name);
	tenant->slot_names =
	    mem_resize(tenant->slot_names, type->number * sizeof(*tenant->slot_names));
	tenant->slot_names[type->number - 1] = type->named.name;
	return type->number;
}

struct bytes
slot_type_name(const struct eng_tenant *tenant, uint32_t number)
{
	froe_assert(number >= 1 && number <= tenant->slot_type_count);
	return tenant->slot_names[number - 1];
}

static bool
need_known(const struct fair_need *needs, uint32_t count, const struct fair_need *need)
{
	for (uint32_t i = 0; i < count; i++) {
		if (need_equal(&needs[i], need))
			return true;
	}
	return false;
}

void
need_keep(struct eng_tenant *tenant, const struct fair_need *need)
{
	if (need_known(tenant->needs, tenant->need_count, need))
		return;
	tenant->needs =
	    mem_resize(tenant->needs, (tenant->need_count + 1) * sizeof(*tenant->needs));
	tenant->needs[tenant->need_count++] = *need;
}

/* Types that a definition names for the first time get numbers behind all others: by the place
 * where each stands first. */
struct guess {
	const struct eng_definition *definition;
	struct map places; /* hash of a name -> its place + 1 */
};

static uint32_t
guess_type(const struct eng_tenant *tenant, struct guess *guess, uint32_t task, uint32_t slot)
{
	struct bytes type = guess->definition->tasks[task].slots[slot].type;
	struct eng_named *named = named_find(&tenant->slot_types, type);
	if (named != NULL)
		return container_of(named, struct eng_slot_type, named)->number;
	uint64_t hash = hash64(type.data, type.size, 0);
	uint32_t place = task * FROE_TASK_SLOT_TYPES_MAX + slot;
	uintptr_t first = (uintptr_t)map_get_u64(&guess->places, hash);
	if (first == 0) {
		map_put_u64(&guess->places, hash, (void *)((uintptr_t)place + 1));
	} else {
		uint32_t at = (uint32_t)first - 1;
		const struct eng_task_definition *other =
		    &guess->definition->tasks[at / FROE_TASK_SLOT_TYPES_MAX];
		if (bytes_equal(other->slots[at % FROE_TASK_SLOT_TYPES_MAX].type, type))
			place = at;
	}
	return UINT32_MAX - place;
}

static void
guess_need(const struct eng_tenant *tenant, struct guess *guess, uint32_t task,
    struct fair_need *ret_need)
{
	struct fair_amount amounts[FROE_TASK_SLOT_TYPES_MAX];
	const struct eng_task_definition *of = &guess->definition->tasks[task];
	for (uint32_t i = 0; i < of->slot_count; i++)
		amounts[i] = (struct fair_amount){
		    guess_type(tenant, guess, task, i), of->slots[i].count};
	need_init(ret_need, amounts, of->slot_count);
}

/* What tasks take that say nothing is not counted against anyone: a tenant may have two more. */
const char *
needs_fault(const struct eng_tenant *tenant, const struct eng_definition *definition)
{
	struct guess guess = {.definition = definition};
	size_t room = (size_t)tenant->need_count + definition->task_count;
	struct fair_need *needs = mem_array(room, sizeof(*needs));
	uint32_t count = tenant->need_count;
	const char *fault = NULL;
	if (count > 0)
		memcpy(needs, tenant->needs, count * sizeof(needs[0]));
	for (uint32_t i = 0; i < definition->task_count && fault == NULL; i++) {
		if (definition->tasks[i].slot_count == 0)
			continue;
		guess_need(tenant, &guess, i, &needs[count]);
		if (need_known(needs, count, &needs[count]))
			continue;
		if (++count > FROE_TENANT_NEEDS_MAX)
			fault = "the tenant's tasks take too many different combinations of "
			        "slots: use some that are there already";
	}
	map_release(&guess.places);
	mem_free(needs);
	return fault;
}

void
need_of(struct eng_tenant *tenant, const struct eng_task_definition *task,
    struct fair_need *ret_need)
{
	struct fair_amount amounts[FROE_TASK_SLOT_TYPES_MAX];
	for (uint32_t i = 0; i < task->slot_count; i++)
		amounts[i] = (struct fair_amount){slot_type_require(tenant, task->slots[i].type),
		    task->slots[i].count};
	need_init(ret_need, amounts, task->slot_count);
}

struct bytes
slots_text(struct arena *arena, const struct eng_slots *slots)
{
	size_t size = slots->type.size + sizeof("=4294967295");
	char *text = arena_alloc(arena, size);
	int used = snprintf(text, size, "%.*s=%u", (int)slots->type.size,
	    (const char *)slots->type.data, slots->count);
	return bytes_of(text, (size_t)used);
}
