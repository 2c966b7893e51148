/*
 * gateway/run: runs are started.
 */
#include "gateway/method.h"

#include "froe/limits.h"
#include "gateway/text.h"

#include <stdio.h>

/* A child of a task that is under way is known by its index or key; the lease is looked up when it
 * is started. */
static enum froe_err
take_parent(const Hatchet__TriggerWorkflowRequest *from, const char *within, struct arena *arena,
    Froe__RunStart *to, struct froe_fault *fault)
{
	struct uuid task;
	uint32_t number;
	char path[64];
	if (!text_given(from->parent_task_run_external_id))
		return FROE_OK;
	snprintf(path, sizeof(path), "%sparent_task_run_external_id", within);
	if (!text_id(from->parent_task_run_external_id, &task))
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, path, "%s is not a UUID", path);
	uuid_run_of(task, &number);
	if (number == 0)
		task = uuid_task(task, 0);
	to->has_parent = to->has_parent_lease = true;
	to->parent = text_id_bytes(arena, task);
	to->parent_lease = UINT64_MAX;
	to->has_child_index = from->has_child_index;
	to->child_index = (uint32_t)from->child_index;
	to->child_key = text_given(from->child_key) ? from->child_key : NULL;
	return FROE_OK;
}

enum froe_err
run_take(const Hatchet__TriggerWorkflowRequest *from, const char *within, struct arena *arena,
    Froe__RunStart *to, struct froe_fault *fault)
{
	char path[64];
	froe__run_start__init(to);
	snprintf(path, sizeof(path), "%sdesired_worker", within);
	if (text_given(from->desired_worker_id) || from->n_desired_worker_labels > 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, path,
		    "%s: this server does not have it yet: leave it out", path);
	snprintf(path, sizeof(path), "%spriority", within);
	if (from->has_priority && (from->priority < (int32_t)FROE_PRIORITY_MIN ||
	        from->priority > (int32_t)FROE_PRIORITY_MAX))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, path,
		    "%s is %d: give 1, 2 or 3", path, from->priority);
	snprintf(path, sizeof(path), "%sadditional_metadata", within);
	if (!text_metadata(arena, from->additional_metadata, &to->metadata, &to->n_metadata))
		return fault_set_field(
		    fault, FROE_INVALID_ARGUMENT, path, "%s is not a JSON object", path);
	to->workflow = text_lower(arena, from->name);
	to->has_priority = from->has_priority;
	to->priority = (uint32_t)from->priority;
	to->has_input = text_given(from->input);
	if (to->has_input)
		to->input =
		    (ProtobufCBinaryData){strlen(from->input), (uint8_t *)from->input};
	return take_parent(from, within, arena, to, fault);
}

/* ------------------------------------------------------------------------------------- one */

static void
on_started(struct call *call, const struct answer *answer)
{
	Hatchet__TriggerWorkflowResponse response = HATCHET__TRIGGER_WORKFLOW_RESPONSE__INIT;
	struct uuid run;
	if (call_failed(call, answer))
		return;
	const Froe__RunStarted *started = (const void *)answer->message;
	memcpy(run.bytes, started->run.data, sizeof(run.bytes));
	response.workflow_run_id = text_uuid(answer->arena, run);
	call_reply(call, &response.base);
}

void
trigger_workflow(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct ask_options options = {.holder = true};
	struct froe_fault fault;
	Froe__RunStart start;
	if (run_take((const void *)message, "", arena, &start, &fault) != FROE_OK) {
		call_fail(call, &fault);
		return;
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START;
	envelope.run_start = &start;
	call_ask(call, &envelope, &options, arena, on_started);
}

static void
on_run(struct call *call, const struct answer *answer)
{
	Hatchet__TriggerWorkflowRunResponse response = HATCHET__TRIGGER_WORKFLOW_RUN_RESPONSE__INIT;
	struct uuid run;
	if (call_failed(call, answer))
		return;
	const Froe__RunStarted *started = (const void *)answer->message;
	memcpy(run.bytes, started->run.data, sizeof(run.bytes));
	response.external_id = text_uuid(answer->arena, run);
	call_reply(call, &response.base);
}

/* The same, by another message. */
void
trigger_workflow_run(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__TriggerWorkflowRunRequest *request = (const void *)message;
	Hatchet__TriggerWorkflowRequest trigger = HATCHET__TRIGGER_WORKFLOW_REQUEST__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct ask_options options = {0};
	struct froe_fault fault;
	Froe__RunStart start;
	trigger.name = request->workflow_name;
	trigger.input = text_copy(arena, bytes_of(request->input.data, request->input.len));
	trigger.additional_metadata = text_copy(arena,
	    bytes_of(request->additional_metadata.data, request->additional_metadata.len));
	trigger.has_priority = request->has_priority;
	trigger.priority = request->priority;
	trigger.desired_worker_labels = (void *)request->desired_worker_labels;
	trigger.n_desired_worker_labels = request->n_desired_worker_labels;
	if (run_take(&trigger, "", arena, &start, &fault) != FROE_OK) {
		call_fail(call, &fault);
		return;
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START;
	envelope.run_start = &start;
	call_ask(call, &envelope, &options, arena, on_run);
}

/* ------------------------------------------------------------------------------------ many */

static void
on_started_many(struct call *call, const struct answer *answer)
{
	Hatchet__BulkTriggerWorkflowResponse response =
	    HATCHET__BULK_TRIGGER_WORKFLOW_RESPONSE__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__RunsStarted *all = (const void *)answer->message;
	response.workflow_run_ids = arena_alloc(answer->arena, (all->n_runs + 1) * sizeof(char *));
	froe_assert(response.workflow_run_ids != NULL);
	for (size_t i = 0; i < all->n_runs; i++) {
		struct uuid run;
		memcpy(run.bytes, all->runs[i]->run.data, sizeof(run.bytes));
		response.workflow_run_ids[i] = text_uuid(answer->arena, run);
	}
	response.n_workflow_run_ids = all->n_runs;
	call_reply(call, &response.base);
}

void
bulk_trigger_workflow(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__BulkTriggerWorkflowRequest *request = (const void *)message;
	Hatchet__BulkTriggerWorkflowResponse none = HATCHET__BULK_TRIGGER_WORKFLOW_RESPONSE__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunStartMany many = FROE__RUN_START_MANY__INIT;
	struct ask_options options = {.holder = true};
	struct froe_fault fault;
	size_t count = request->n_workflows;
	Froe__RunStart *starts = arena_alloc(arena, (count + 1) * sizeof(*starts));
	many.runs = arena_alloc(arena, (count + 1) * sizeof(*many.runs));
	froe_assert(starts != NULL && many.runs != NULL);
	if (count == 0) {
		call_reply(call, &none.base);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		char within[40];
		snprintf(within, sizeof(within), "workflows[%zu].", i);
		if (run_take(request->workflows[i], within, arena, &starts[i], &fault) != FROE_OK) {
			call_fail(call, &fault);
			return;
		}
		many.runs[i] = &starts[i];
	}
	many.n_runs = count;
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START_MANY;
	envelope.run_start_many = &many;
	call_ask(call, &envelope, &options, arena, on_started_many);
}
