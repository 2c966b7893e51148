#include "gateway/definition.h"

#include "froe/limits.h"
#include "gateway/text.h"

#include <stdio.h>
#include <stdlib.h>

/* What Hatchet gives a task that says nothing. */
#define SCHEDULE_TIMEOUT_MS 300000u
#define EXECUTION_TIMEOUT_MS 60000u
#define BACKOFF_FACTOR_MIN 1.0f
#define BACKOFF_FACTOR_MAX 1000.0f

const struct definition_paths DEFINITION_PATHS = {
    .workflow = "",
    .task_begin = "tasks[",
    .on_failure = "on_failure_task.",
};

static enum froe_err
refuse(struct froe_fault *fault, const char *within, const char *field, const char *why)
{
	char path[96];
	snprintf(path, sizeof(path), "%s%s", within, field);
	return fault_set_field(fault, FROE_INVALID_ARGUMENT, path, "%s: %s", path, why);
}

static enum froe_err
not_yet(struct froe_fault *fault, const char *within, const char *field)
{
	return refuse(fault, within, field, "this server does not have it yet: leave it out");
}

/* -------------------------------------------------------------------------------- refusals */

static bool
conditions_given(const Hatchet__TaskConditions *conditions)
{
	return conditions != NULL &&
	    (conditions->n_parent_override_conditions > 0 || conditions->n_sleep_conditions > 0 ||
	        conditions->n_user_event_conditions > 0);
}

static enum froe_err
task_refused(const Hatchet__CreateTaskOpts *task, const char *within, struct froe_fault *fault)
{
	if (task->n_rate_limits > 0)
		return not_yet(fault, within, "rate_limits");
	if (task->n_worker_labels > 0)
		return not_yet(fault, within, "worker_labels");
	if (task->n_concurrency > 0)
		return not_yet(fault, within, "concurrency");
	if (conditions_given(task->conditions))
		return not_yet(fault, within, "conditions");
	if (task->batch != NULL)
		return not_yet(fault, within, "batch");
	return FROE_OK;
}

static enum froe_err
workflow_refused(
    const Hatchet__CreateWorkflowVersionRequest *request, const char *within,
    struct froe_fault *fault)
{
	if (request->n_cron_triggers > 0)
		return not_yet(fault, within, "cron_triggers");
	if (request->concurrency != NULL)
		return not_yet(fault, within, "concurrency");
	if (request->n_concurrency_arr > 0)
		return not_yet(fault, within, "concurrency_arr");
	if (request->has_sticky)
		return not_yet(fault, within, "sticky");
	if (request->n_default_filters > 0)
		return not_yet(fault, within, "default_filters");
	if (request->idempotency != NULL)
		return not_yet(fault, within, "idempotency");
	return FROE_OK;
}

/* ---------------------------------------------------------------------------------- tasks */

static enum froe_err
take_timeout(const char *text, uint64_t default_ms, const char *within, const char *field,
    uint64_t *ret_ms, struct froe_fault *fault)
{
	*ret_ms = default_ms;
	if (text_given(text) && !text_duration_ms(text, ret_ms))
		return refuse(fault, within, field, "give a duration such as \"30s\" or \"1h30m\"");
	return FROE_OK;
}

/* Hatchet waits factor^n seconds before the n-th repetition. */
static enum froe_err
take_backoff(const Hatchet__CreateTaskOpts *from, const char *within, struct arena *arena,
    Froe__TaskDefinition *to, struct froe_fault *fault)
{
	if (!from->has_backoff_factor || from->backoff_factor == 0)
		return FROE_OK;
	if (!(from->backoff_factor >= BACKOFF_FACTOR_MIN &&
	        from->backoff_factor <= BACKOFF_FACTOR_MAX))
		return refuse(fault, within, "backoff_factor", "give a factor of 1 to 1000");
	if (from->has_backoff_max_seconds && from->backoff_max_seconds < 0)
		return refuse(fault, within, "backoff_max_seconds", "give a number of seconds");
	Froe__Backoff *backoff = arena_alloc(arena, sizeof(*backoff));
	froe_assert(backoff != NULL);
	froe__backoff__init(backoff);
	backoff->has_kind = backoff->has_initial_ms = backoff->has_factor = true;
	backoff->kind = FROE__BACKOFF_KIND__BACKOFF_EXPONENTIAL;
	backoff->factor = (double)from->backoff_factor;
	backoff->initial_ms = (uint64_t)(backoff->factor * 1000);
	backoff->has_max_ms = from->has_backoff_max_seconds && from->backoff_max_seconds > 0;
	if (backoff->has_max_ms)
		backoff->max_ms = (uint64_t)from->backoff_max_seconds * 1000;
	to->backoff = backoff;
	return FROE_OK;
}

/* A map comes in any order: equal ones are to be equal definitions. */
static int
slots_compare(const void *a, const void *b)
{
	const Froe__Slots *const *left = a, *const *right = b;
	return strcmp((*left)->type, (*right)->type);
}

static enum froe_err
take_slots(const Hatchet__CreateTaskOpts *from, const char *within, struct arena *arena,
    Froe__TaskDefinition *to, struct froe_fault *fault)
{
	Froe__Slots *slots = arena_alloc(arena, (from->n_slot_requests + 1) * sizeof(*slots));
	froe_assert(slots != NULL);
	to->slots = arena_alloc(arena, (from->n_slot_requests + 1) * sizeof(*to->slots));
	froe_assert(to->slots != NULL);
	for (size_t i = 0; i < from->n_slot_requests; i++) {
		if (from->slot_requests[i]->value <= 0)
			return refuse(
			    fault, within, "slot_requests", "give 1 or more of each type");
		froe__slots__init(&slots[i]);
		slots[i].type = from->slot_requests[i]->key;
		slots[i].has_count = true;
		slots[i].count = (uint32_t)from->slot_requests[i]->value;
		to->slots[i] = &slots[i];
	}
	to->n_slots = from->n_slot_requests;
	qsort(to->slots, to->n_slots, sizeof(to->slots[0]), slots_compare);
	return FROE_OK;
}

static enum froe_err
take_task(const Hatchet__CreateTaskOpts *from, const char *within, struct arena *arena,
    Froe__TaskDefinition *to, struct froe_fault *fault)
{
	froe__task_definition__init(to);
	enum froe_err err = task_refused(from, within, fault);
	if (err == FROE_OK && !text_given(from->readable_id))
		err = refuse(fault, within, "readable_id", "a task has a name");
	if (err == FROE_OK && from->retries < 0)
		err = refuse(fault, within, "retries", "give 0 or more");
	if (err == FROE_OK)
		err = take_timeout(from->timeout, EXECUTION_TIMEOUT_MS, within, "timeout",
		    &to->execution_timeout_ms, fault);
	if (err == FROE_OK)
		err = take_timeout(from->schedule_timeout, SCHEDULE_TIMEOUT_MS, within,
		    "schedule_timeout", &to->schedule_timeout_ms, fault);
	if (err == FROE_OK)
		err = take_backoff(from, within, arena, to, fault);
	if (err == FROE_OK)
		err = take_slots(from, within, arena, to, fault);
	to->has_execution_timeout_ms = to->has_schedule_timeout_ms = true;
	to->name = from->readable_id;
	to->action = text_lower(arena, from->action);
	to->parents = from->parents;
	to->n_parents = from->n_parents;
	to->has_retries = from->retries > 0;
	to->retries = (uint32_t)from->retries;
	to->has_durable = to->durable = from->is_durable;
	return err;
}

/* ------------------------------------------------------------------------------- workflow */

static enum froe_err
take_tasks(const Hatchet__CreateWorkflowVersionRequest *request,
    const struct definition_paths *paths, struct arena *arena, Froe__WorkflowDefinition *to,
    struct froe_fault *fault)
{
	size_t count = request->n_tasks + (request->on_failure_task != NULL ? 1 : 0);
	Froe__TaskDefinition *tasks = arena_alloc(arena, (count + 1) * sizeof(*tasks));
	to->tasks = arena_alloc(arena, (count + 1) * sizeof(*to->tasks));
	froe_assert(tasks != NULL && to->tasks != NULL);
	to->n_tasks = count;
	for (size_t i = 0; i < count; i++) {
		char within[48];
		bool last = i == request->n_tasks;
		if (last)
			snprintf(within, sizeof(within), "%s", paths->on_failure);
		else
			snprintf(within, sizeof(within), "%s%zu].", paths->task_begin, i);
		enum froe_err err = take_task(last ? request->on_failure_task : request->tasks[i],
		    within, arena, &tasks[i], fault);
		if (err != FROE_OK)
			return err;
		tasks[i].has_on_failure = tasks[i].on_failure = last;
		to->tasks[i] = &tasks[i];
	}
	return FROE_OK;
}

enum froe_err
definition_of(const Hatchet__CreateWorkflowVersionRequest *request,
    const struct definition_paths *paths, struct arena *arena,
    Froe__WorkflowDefinition **ret_definition, struct froe_fault *fault)
{
	Froe__WorkflowDefinition *definition = arena_alloc(arena, sizeof(*definition));
	froe_assert(definition != NULL);
	froe__workflow_definition__init(definition);
	enum froe_err err = workflow_refused(request, paths->workflow, fault);
	if (err != FROE_OK)
		return err;
	if (request->has_default_priority &&
	    (request->default_priority < (int32_t)FROE_PRIORITY_MIN ||
	        request->default_priority > (int32_t)FROE_PRIORITY_MAX))
		return refuse(fault, paths->workflow, "default_priority", "give 1, 2 or 3");
	definition->name = text_lower(arena, request->name);
	definition->events = request->event_triggers;
	definition->n_events = request->n_event_triggers;
	definition->has_priority = request->has_default_priority;
	definition->priority = (uint32_t)request->default_priority;
	*ret_definition = definition;
	return take_tasks(request, paths, arena, definition, fault);
}
