#include "client/definition.h"

#include "client/argument.h"
#include "client/error.h"
#include "client/wire.h"

#include <stdio.h>

static void *
take(struct arena *arena, size_t count, size_t size)
{
	void *block = arena_alloc(arena, count * size);
	froe_assert(block != NULL); /* an arena without a limit */
	return block;
}

static size_t
names_count(const char *const *names)
{
	size_t count = 0;
	while (names != NULL && names[count] != NULL)
		count++;
	return count;
}

static Froe__Backoff *
backoff_encode(struct arena *arena, const struct froe_backoff *backoff)
{
	Froe__Backoff *wire = take(arena, 1, sizeof(*wire));
	froe__backoff__init(wire);
	wire->has_kind = true;
	wire->kind = (Froe__BackoffKind)backoff->kind;
	wire->has_initial_ms = backoff->initial_ms != 0;
	wire->initial_ms = backoff->initial_ms;
	wire->has_max_ms = backoff->max_ms != 0;
	wire->max_ms = backoff->max_ms;
	wire->has_factor = backoff->factor > 0 || backoff->factor < 0;
	wire->factor = backoff->factor;
	wire->n_table_ms = backoff->table_count;
	wire->table_ms = (uint64_t *)(uintptr_t)backoff->table_ms;
	wire->has_jitter_percent = backoff->jitter_percent != 0;
	wire->jitter_percent = backoff->jitter_percent;
	return wire;
}

static Froe__Slots *
slots_encode(struct arena *arena, const struct froe_slots *slots)
{
	Froe__Slots *wire = take(arena, 1, sizeof(*wire));
	froe__slots__init(wire);
	wire->type = wire_text(wire_text_get(slots->type));
	wire->has_count = true;
	wire->count = slots->count;
	return wire;
}

static Froe__TaskDefinition *
task_encode(struct arena *arena, const struct froe_task_def *task)
{
	Froe__TaskDefinition *wire = take(arena, 1, sizeof(*wire));
	froe__task_definition__init(wire);
	wire->name = wire_text(wire_text_get(task->name));
	wire->action = wire_text(task->action);
	wire->n_parents = names_count(task->parents);
	wire->parents = take(arena, wire->n_parents, sizeof(wire->parents[0]));
	for (size_t i = 0; i < wire->n_parents; i++)
		wire->parents[i] = wire_text(task->parents[i]);
	wire->has_retries = task->retries != 0;
	wire->retries = task->retries;
	if (task->backoff.kind != FROE_BACKOFF_NONE)
		wire->backoff = backoff_encode(arena, &task->backoff);
	wire->has_schedule_timeout_ms = task->schedule_timeout_ms != 0;
	wire->schedule_timeout_ms = task->schedule_timeout_ms;
	wire->has_execution_timeout_ms = task->execution_timeout_ms != 0;
	wire->execution_timeout_ms = task->execution_timeout_ms;
	wire->has_on_failure = task->on_failure;
	wire->on_failure = task->on_failure;
	wire->has_delivery = task->delivery != FROE_AT_LEAST_ONCE;
	wire->delivery = (Froe__Delivery)task->delivery;
	wire->has_priority = task->priority != 0;
	wire->priority = task->priority;
	wire->n_slots = task->slot_count;
	wire->slots = take(arena, wire->n_slots, sizeof(wire->slots[0]));
	for (size_t i = 0; i < wire->n_slots; i++)
		wire->slots[i] = slots_encode(arena, &task->slots[i]);
	wire->has_durable = task->durable;
	wire->durable = task->durable;
	return wire;
}

/* Rows that are counted and not there. */
static enum froe_err
tasks_check(const struct froe_workflow *workflow, struct froe_error *error)
{
	char field[64];
	if (argument_short(error, "tasks", workflow->tasks, workflow->task_count))
		return FROE_INVALID_ARGUMENT;
	for (size_t i = 0; i < workflow->task_count; i++) {
		const struct froe_task_def *task = &workflow->tasks[i];
		snprintf(field, sizeof(field), "tasks[%zu].slots", i);
		if (argument_short(error, field, task->slots, task->slot_count))
			return FROE_INVALID_ARGUMENT;
		snprintf(field, sizeof(field), "tasks[%zu].backoff.table_ms", i);
		if (task->backoff.kind != FROE_BACKOFF_NONE &&
		    argument_short(error, field, task->backoff.table_ms, task->backoff.table_count))
			return FROE_INVALID_ARGUMENT;
	}
	return FROE_OK;
}

enum froe_err
definition_encode(struct arena *arena, const struct froe_workflow *workflow,
    Froe__WorkflowPut *ret_put, struct froe_error *error)
{
	if (workflow->name == NULL || workflow->name[0] == 0)
		return error_set_field(
		    error, FROE_INVALID_ARGUMENT, "name", "a workflow needs a name");
	if (workflow->task_count == 0 || workflow->task_count > FROE_WORKFLOW_TASKS_MAX) {
		return error_set_field(error, FROE_INVALID_ARGUMENT, "tasks",
		    "workflow %s has %zu tasks: 1 to %u are possible", workflow->name,
		    workflow->task_count, FROE_WORKFLOW_TASKS_MAX);
	}
	enum froe_err err = tasks_check(workflow, error);
	if (err != FROE_OK)
		return err;
	Froe__WorkflowDefinition *wire = take(arena, 1, sizeof(*wire));
	froe__workflow_definition__init(wire);
	wire->name = wire_text(workflow->name);
	wire->n_tasks = workflow->task_count;
	wire->tasks = take(arena, wire->n_tasks, sizeof(wire->tasks[0]));
	for (size_t i = 0; i < wire->n_tasks; i++)
		wire->tasks[i] = task_encode(arena, &workflow->tasks[i]);
	wire->has_run_timeout_ms = workflow->run_timeout_ms != 0;
	wire->run_timeout_ms = workflow->run_timeout_ms;
	wire->has_priority = workflow->priority != 0;
	wire->priority = workflow->priority;
	froe__workflow_put__init(ret_put);
	ret_put->workflow = wire;
	return FROE_OK;
}
