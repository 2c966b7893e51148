#include "sim/world/recipe.h"

#include "api/definition.h"
#include "base/duration.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdio.h>

/* Digits by hand: names are made and compared all the time. */
void
recipe_workflow_name(unsigned workflow, char name[RECIPE_NAME_BYTES])
{
	name[0] = 'w';
	name[1] = (char)('0' + workflow % 10);
	name[2] = 0;
}

void
recipe_action_name(unsigned action, char name[RECIPE_NAME_BYTES])
{
	if (action < RECIPE_ACTIONS_SHARED) {
		name[0] = 'a';
		name[1] = (char)('0' + action);
		name[2] = 0;
		return;
	}
	action -= RECIPE_ACTIONS_SHARED;
	recipe_workflow_name(action / RECIPE_TASKS_MAX, name);
	name[2] = ':';
	name[3] = 't';
	name[4] = (char)('0' + action % RECIPE_TASKS_MAX);
	name[5] = 0;
}

const char *
recipe_slot_name(enum recipe_slot slot)
{
	static const char *const names[RECIPE_SLOTS] = {FROE_SLOT_DEFAULT, "gpu", "durable"};
	return names[slot];
}

/* ----------------------------------------------------------------------------------- inventing */

static void
draw_backoff(struct recipe_task *task, struct dice *dice)
{
	task->backoff = (uint32_t)dice_below(dice, ENG_BACKOFF_TABLE + 1);
	task->jitter_percent = dice_hits(dice, 50) ? (unsigned)dice_range(dice, 1, 100) : 0;
	if (task->backoff == ENG_BACKOFF_TABLE) {
		task->table_count = (unsigned)dice_range(dice, 1, 3);
		for (unsigned i = 0; i < task->table_count; i++)
			task->table_ms[i] = dice_below(dice, 20000);
	} else if (task->backoff != ENG_BACKOFF_NONE) {
		task->initial_ms = dice_range(dice, 1, 5000);
		task->max_ms = dice_hits(dice, 50) ? dice_range(dice, 1, 30000) : 0;
		task->factor = dice_hits(dice, 50) ? (unsigned)dice_range(dice, 1, 4) : 0;
	}
}

/* At most as many as every worker has at the end. */
static void
draw_slots(struct recipe_task *task, const struct plan *plan, struct dice *dice)
{
	task->need[task->durable ? RECIPE_SLOT_DURABLE : RECIPE_SLOT_DEFAULT] = 1;
	if (!plan_does(plan, KIND_SLOT_TYPES) || !dice_hits(dice, 50))
		return;
	task->slots = true;
	for (unsigned slot = 0; slot < RECIPE_SLOTS; slot++)
		task->need[slot] = dice_hits(dice, 50) ? (uint32_t)dice_range(dice, 1, 2) : 0;
	if (task->need[0] + task->need[1] + task->need[2] == 0)
		task->need[RECIPE_SLOT_GPU] = 1;
}

static void
draw_manner(struct recipe_task *task, const struct plan *plan, struct dice *dice)
{
	task->durable = plan_does(plan, KIND_DURABLE) && dice_hits(dice, 50);
	if (plan_does(plan, KIND_TASK_PRIORITIES))
		task->priority = (uint32_t)dice_below(dice, 4);
	if (plan_does(plan, KIND_AT_MOST_ONCE) && dice_hits(dice, 30))
		task->delivery = ENG_AT_MOST_ONCE;
	else if (plan_does(plan, KIND_EXACTLY_ONCE) && dice_hits(dice, 30))
		task->delivery = ENG_EXACTLY_ONCE;
	if (task->delivery == ENG_AT_MOST_ONCE)
		task->retries = 0;
	draw_slots(task, plan, dice);
}

static void
draw_task(struct recipe *recipe, const struct plan *plan, struct dice *dice, unsigned index)
{
	struct recipe_task *task = &recipe->tasks[index];
	task->action = (unsigned)dice_below(dice, RECIPE_ACTIONS_SHARED);
	if (dice_hits(dice, 30))
		task->action = RECIPE_ACTIONS_SHARED + recipe->workflow * RECIPE_TASKS_MAX + index;
	for (unsigned parent = 0; parent < index && !task->on_failure; parent++) {
		if (!recipe->tasks[parent].on_failure && dice_hits(dice, 40))
			task->parents[task->parent_count++] = parent;
	}
	task->retries = (uint32_t)dice_below(dice, 4);
	draw_backoff(task, dice);
	if (plan_does(plan, KIND_TASK_TIMEOUTS) && dice_hits(dice, 50))
		task->execution_ms = dice_range(dice, 1, 20000);
	if (plan_does(plan, KIND_TASK_TIMEOUTS) && dice_hits(dice, 30))
		task->schedule_ms = dice_range(dice, 1, 20000);
	draw_manner(task, plan, dice);
}

static void
draw_recipe(struct recipe *recipe, const struct plan *plan, struct dice *dice)
{
	recipe->task_count = (uint32_t)dice_range(dice, 1, RECIPE_TASKS_MAX);
	if (plan_does(plan, KIND_ON_FAILURE) && dice_hits(dice, 70) && recipe->task_count > 1)
		recipe->tasks[dice_below(dice, recipe->task_count)].on_failure = true;
	for (unsigned i = 0; i < recipe->task_count; i++)
		draw_task(recipe, plan, dice, i);
	if (plan_does(plan, KIND_RUN_TIMEOUTS) && dice_hits(dice, 50))
		recipe->run_timeout_ms = dice_range(dice, 1, 60000);
	if (plan_does(plan, KIND_PRIORITIES))
		recipe->priority = (uint32_t)dice_below(dice, 4);
}

/* -------------------------------------------------------------------------------------- writing */

static char *
text_copy(struct recipe *recipe, const char *text)
{
	return arena_copy(&recipe->arena, text, strlen(text) + 1);
}

static Froe__Backoff *
backoff_write(struct recipe *recipe, const struct recipe_task *task)
{
	Froe__Backoff *backoff = arena_alloc(&recipe->arena, sizeof(*backoff));
	froe__backoff__init(backoff);
	backoff->has_kind = true;
	backoff->kind = (Froe__BackoffKind)task->backoff;
	backoff->has_initial_ms = task->initial_ms != 0;
	backoff->initial_ms = task->initial_ms;
	backoff->has_max_ms = task->max_ms != 0;
	backoff->max_ms = task->max_ms;
	backoff->has_factor = task->factor != 0;
	backoff->factor = task->factor;
	backoff->has_jitter_percent = task->jitter_percent != 0;
	backoff->jitter_percent = task->jitter_percent;
	backoff->n_table_ms = task->table_count;
	backoff->table_ms = arena_copy(&recipe->arena, task->table_ms, sizeof(task->table_ms));
	return backoff;
}

static void
slots_write(struct recipe *recipe, const struct recipe_task *task, Froe__TaskDefinition *to)
{
	if (!task->slots)
		return;
	to->slots = arena_alloc(&recipe->arena, RECIPE_SLOTS * sizeof(*to->slots));
	for (unsigned slot = 0; slot < RECIPE_SLOTS; slot++) {
		if (task->need[slot] == 0)
			continue;
		Froe__Slots *slots = arena_alloc(&recipe->arena, sizeof(*slots));
		froe__slots__init(slots);
		slots->type = text_copy(recipe, recipe_slot_name((enum recipe_slot)slot));
		slots->has_count = true;
		slots->count = task->need[slot];
		to->slots[to->n_slots++] = slots;
	}
}

static Froe__TaskDefinition *
task_write(struct recipe *recipe, unsigned index)
{
	const struct recipe_task *task = &recipe->tasks[index];
	Froe__TaskDefinition *to = arena_alloc(&recipe->arena, sizeof(*to));
	char name[RECIPE_NAME_BYTES];
	froe__task_definition__init(to);
	snprintf(name, sizeof(name), "t%u", index);
	to->name = text_copy(recipe, name);
	recipe_action_name(task->action, name);
	if (task->action < RECIPE_ACTIONS_SHARED)
		to->action = text_copy(recipe, name);
	to->n_parents = task->parent_count;
	to->parents = arena_alloc(&recipe->arena, RECIPE_TASKS_MAX * sizeof(char *));
	for (unsigned i = 0; i < task->parent_count; i++) {
		snprintf(name, sizeof(name), "t%u", task->parents[i]);
		to->parents[i] = text_copy(recipe, name);
	}
	to->has_retries = task->retries != 0;
	to->retries = task->retries;
	if (task->backoff != ENG_BACKOFF_NONE)
		to->backoff = backoff_write(recipe, task);
	to->has_schedule_timeout_ms = task->schedule_ms != 0;
	to->schedule_timeout_ms = task->schedule_ms;
	to->has_execution_timeout_ms = task->execution_ms != 0;
	to->execution_timeout_ms = task->execution_ms;
	to->has_on_failure = to->on_failure = task->on_failure;
	to->has_durable = to->durable = task->durable;
	to->has_delivery = task->delivery != 0;
	to->delivery = (Froe__Delivery)task->delivery;
	to->has_priority = task->priority != 0;
	to->priority = task->priority;
	slots_write(recipe, task, to);
	return to;
}

/* One fault that makes a definition worthless. */
static void
spoil(Froe__WorkflowDefinition *proto, struct recipe *recipe, struct dice *dice)
{
	Froe__TaskDefinition *task = proto->tasks[dice_below(dice, proto->n_tasks)];
	switch (dice_below(dice, 3)) {
	case 0: /* a cycle of one, and a parent of an on-failure task if it is that */
		task->parents[0] = task->name;
		task->n_parents = 1;
		return;
	case 1:
		task->parents[0] = text_copy(recipe, "nobody");
		task->n_parents = 1;
		return;
	default:
		task->name = text_copy(recipe, "");
		return;
	}
}

static void
recipe_write(struct recipe *recipe, struct dice *dice)
{
	Froe__WorkflowDefinition proto = FROE__WORKFLOW_DEFINITION__INIT;
	char name[RECIPE_NAME_BYTES];
	recipe_workflow_name(recipe->workflow, name);
	proto.name = text_copy(recipe, name);
	proto.n_tasks = recipe->task_count;
	proto.tasks = arena_alloc(&recipe->arena, recipe->task_count * sizeof(*proto.tasks));
	for (unsigned i = 0; i < recipe->task_count; i++)
		proto.tasks[i] = task_write(recipe, i);
	proto.has_run_timeout_ms = recipe->run_timeout_ms != 0;
	proto.run_timeout_ms = recipe->run_timeout_ms;
	proto.has_priority = recipe->priority != 0;
	proto.priority = recipe->priority;
	if (recipe->bad)
		spoil(&proto, recipe, dice);
	recipe->definition = definition_from_proto(&proto, &recipe->arena);
	froe_assert(recipe->definition != NULL);
	struct bytes encoded = recipe->definition->encoded;
	recipe->hash = hash64(encoded.data, encoded.size, 0);
}

struct recipe *
recipe_invent(struct recipe_book *book, const struct plan *plan, struct dice *dice,
    unsigned tenant, unsigned workflow, bool bad)
{
	if (book->count == RECIPE_BOOK_MAX)
		return NULL;
	struct recipe *recipe = mem_zalloc(sizeof(*recipe));
	recipe->tenant = tenant;
	recipe->workflow = workflow;
	recipe->bad = bad;
	arena_init(&recipe->arena, 0);
	draw_recipe(recipe, plan, dice);
	recipe_write(recipe, dice);
	book->recipes[book->count++] = recipe;
	return recipe;
}

struct recipe *
recipe_find(const struct recipe_book *book, unsigned tenant, struct bytes encoded)
{
	for (unsigned i = 0; i < book->count; i++) {
		struct recipe *recipe = book->recipes[i];
		if (recipe->tenant == tenant && recipe->submitted && !recipe->bad &&
		    bytes_equal(recipe->definition->encoded, encoded))
			return recipe;
	}
	return NULL;
}

void
recipe_book_release(struct recipe_book *book)
{
	for (unsigned i = 0; i < book->count; i++) {
		arena_release(&book->recipes[i]->arena);
		mem_free(book->recipes[i]);
	}
	book->count = 0;
}

/* --------------------------------------------------------------------------------- what it says */

void
recipe_backoff_ns(const struct recipe_task *task, uint32_t failures, uint64_t *ret_min_ns,
    uint64_t *ret_max_ns)
{
	uint64_t delay_ms = 0, limit_ms = task->max_ms != 0 ? task->max_ms : 86400000;
	uint64_t factor = task->factor != 0 ? task->factor : 2;
	switch ((enum eng_backoff_kind)task->backoff) {
	case ENG_BACKOFF_NONE:
		break;
	case ENG_BACKOFF_CONSTANT:
		delay_ms = task->initial_ms < limit_ms ? task->initial_ms : limit_ms;
		break;
	case ENG_BACKOFF_LINEAR:
		delay_ms = task->initial_ms * failures;
		delay_ms = delay_ms < limit_ms ? delay_ms : limit_ms;
		break;
	case ENG_BACKOFF_EXPONENTIAL:
		delay_ms = task->initial_ms;
		for (uint32_t i = 1; i < failures && delay_ms < limit_ms; i++)
			delay_ms *= factor;
		delay_ms = delay_ms < limit_ms ? delay_ms : limit_ms;
		break;
	case ENG_BACKOFF_TABLE:
		delay_ms = task->table_ms[(failures < task->table_count ? failures
		                                                        : task->table_count) - 1];
		break;
	}
	*ret_max_ns = delay_ms * NS_PER_MS;
	*ret_min_ns = *ret_max_ns / 100 * (100 - task->jitter_percent);
}
