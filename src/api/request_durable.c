/*
 * api/request_durable: the steps of durable tasks, and what they wait for, as commands.
 */
#include "api/request_int.h"

#include "froe/limits.h"

#include <stdio.h>

static enum froe_err
take_condition(const Froe__Condition *from, size_t index, struct eng_condition *to,
    struct froe_fault *fault)
{
	char field[48];
	bool sleep = from->kind == FROE__CONDITION_KIND__CONDITION_SLEEP;
	bool approval = from->kind == FROE__CONDITION_KIND__CONDITION_APPROVAL;
	bool named = approval || from->kind == FROE__CONDITION_KIND__CONDITION_EVENT ||
	    from->kind == FROE__CONDITION_KIND__CONDITION_VALUE;
	*to = (struct eng_condition){
	    .kind = (uint32_t)from->kind,
	    .sleep_ms = from->sleep_ms,
	    .until_ns = from->until_ns,
	};
	snprintf(field, sizeof(field), "conditions[%zu].kind", index);
	if (!sleep && !named)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is %d: give 1 (sleep), 2 (event), 3 (approval) or 5 (value)", field,
		    (int)from->kind);
	if (sleep) {
		snprintf(field, sizeof(field), "conditions[%zu].until_ns", index);
		if (from->sleep_ms != 0 && from->until_ns != 0)
			return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
			    "%s: give sleep_ms or until_ns, not both", field);
		return FROE_OK;
	}
	snprintf(field, sizeof(field), "conditions[%zu].name", index);
	enum froe_err err = take_name(from->name, field, /* required= */ true, &to->name, fault);
	if (err != FROE_OK || !approval || !from->has_data || from->data.len == 0)
		return err;
	snprintf(field, sizeof(field), "conditions[%zu].data", index);
	if (from->data.len > FROE_APPROVAL_DATA_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, field,
		    "%s has %zu bytes; an approver is shown at most %u: pass a reference", field,
		    from->data.len, FROE_APPROVAL_DATA_BYTES_MAX);
	return take_payload(from->has_data, from->data, field, &to->data, fault);
}

static enum froe_err
take_conditions(const Froe__DurableStep *step, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	if (step->n_conditions > FROE_CONDITIONS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "conditions",
		    "%zu conditions; a wait has at most %u", step->n_conditions,
		    FROE_CONDITIONS_MAX);
	struct eng_condition *conditions =
	    arena_alloc(arena, step->n_conditions * sizeof(*conditions));
	if (conditions == NULL)
		return fault_set_field(fault, FROE_TOO_LARGE, "conditions", "they are too large");
	for (size_t i = 0; i < step->n_conditions; i++) {
		enum froe_err err =
		    take_condition(step->conditions[i], i, &conditions[i], fault);
		if (err != FROE_OK)
			return err;
	}
	engine->durable.conditions = conditions;
	engine->durable.condition_count = (uint32_t)step->n_conditions;
	return FROE_OK;
}

static enum froe_err
take_child(const Froe__DurableStep *step, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	struct eng_start *start = &engine->durable.child;
	if (step->child == NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "child",
		    "child is missing: say which run to start");
	enum froe_err err = take_start(step->child, arena, start, fault);
	if (err != FROE_OK)
		return err;
	if (start->child || start->key.size != 0 || step->child->wait)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "child",
		    "the step's number makes a child known: leave parent, key and wait out");
	return FROE_OK;
}

enum froe_err
decode_durable_step(const Froe__DurableStep *step, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_DURABLE_STEP);
	bool memo = step->kind == FROE__NODE_KIND__NODE_MEMO;
	engine->durable.node = step->node;
	engine->durable.kind = (uint32_t)step->kind;
	engine->durable.told = step->told;
	bool wait = step->kind == FROE__NODE_KIND__NODE_WAIT;
	engine->durable.has_value = (memo || wait) && step->has_value;
	enum froe_err err = take_fence(step->has_task, step->task, step->lease,
	    &engine->durable.fence, fault);
	if (err == FROE_OK)
		err = take_name(step->name, "name", memo, &engine->durable.name, fault);
	if (err == FROE_OK)
		err = take_conditions(step, arena, engine, fault);
	if (err == FROE_OK && step->kind == FROE__NODE_KIND__NODE_CHILD)
		err = take_child(step, arena, engine, fault);
	if (err == FROE_OK && engine->durable.has_value)
		err = take_payload(
		    step->has_value, step->value, "value", &engine->durable.value, fault);
	return err;
}

enum froe_err
decode_evict(const Froe__TaskEvict *evict, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_EVICT);
	engine->durable.node = evict->node;
	engine->durable.results = evict->results;
	return take_fence(
	    evict->has_task, evict->task, evict->lease, &engine->durable.fence, fault);
}

enum froe_err
decode_restore(const Froe__TaskRestore *restore, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_RESTORE);
	return take_task(
	    restore->has_task, restore->task, "task", &engine->task_restore.task, fault);
}

enum froe_err
decode_event_push(const Froe__EventPush *push, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_EVENT_PUSH);
	struct eng_start pairs = {0};
	enum froe_err err =
	    take_name(push->key, "key", /* required= */ true, &engine->event_push.key, fault);
	if (err == FROE_OK)
		err = take_metadata(push->metadata, push->n_metadata, arena, &pairs, fault);
	if (err != FROE_OK)
		return err;
	engine->event_push.metadata = pairs.metadata;
	engine->event_push.metadata_count = pairs.metadata_count;
	return take_payload(push->has_payload, push->payload, "payload",
	    &engine->event_push.payload, fault);
}

enum froe_err
decode_approval_decide(const Froe__ApprovalDecide *decide, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_APPROVAL_DECIDE);
	engine->approval_decide.approval = decide->approval;
	engine->approval_decide.approved = decide->approved;
	if (!decide->has_approved)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "approved",
		    "approved is missing: say true or false");
	return take_text(decide->reason, "reason", FROE_REASON_BYTES_MAX,
	    &engine->approval_decide.reason, fault);
}
