#include "gateway/action.h"

#include "api/alias.h"
#include "gateway/text.h"
#include "gateway/trigger.h"

/* Of a parent that was skipped. */
#define SKIPPED "{\"skipped\":true}"

static void
push_binary(struct buf *to, ProtobufCBinaryData json)
{
	if (json.len > 0)
		buf_push(to, json.data, json.len);
	else
		buf_push_text(to, "{}");
}

static void
push_key(struct buf *to, size_t index, const char *key)
{
	buf_push_text(to, index == 0 ? "" : ",");
	buf_push_json_string(to, key, strlen(key));
	buf_push_text(to, ":");
}

/* False: it lacks an output. */
static bool
push_parents(struct buf *to, const Froe__Dispatch *dispatch)
{
	for (size_t i = 0; i < dispatch->n_parents; i++) {
		const Froe__ParentOutput *parent = dispatch->parents[i];
		if (parent->omitted)
			return false;
		push_key(to, i, parent->task);
		if (parent->skipped)
			buf_push_text(to, SKIPPED);
		else
			push_binary(to, parent->output);
	}
	return true;
}

static const char *
metadata_find(const Froe__Dispatch *dispatch, const char *key)
{
	for (size_t i = 0; i < dispatch->n_metadata; i++) {
		if (dispatch->metadata[i]->key != NULL &&
		    strcmp(dispatch->metadata[i]->key, key) == 0)
			return dispatch->metadata[i]->value;
	}
	return NULL;
}

static char *
payload_json(const Froe__Dispatch *dispatch, struct arena *arena)
{
	struct buf json;
	char *text = NULL;
	buf_init(&json);
	buf_push_text(&json, "{\"input\":");
	push_binary(&json, dispatch->input);
	buf_push_text(&json, ",\"parents\":{");
	if (push_parents(&json, dispatch)) {
		buf_push_text(&json, metadata_find(dispatch, TRIGGER_EVENT_KEY) != NULL
		        ? "},\"triggered_by\":\"event\""
		        : "},\"triggered_by\":\"manual\"");
		buf_push_text(&json, ",\"triggers\":{},\"user_data\":{},\"overrides\":{},"
		                     "\"step_run_errors\":{");
		for (size_t i = 0; i < dispatch->n_errors; i++) {
			const char *error = dispatch->errors[i]->error;
			push_key(&json, i, dispatch->errors[i]->task);
			buf_push_json_string(&json, error != NULL ? error : "",
			    error != NULL ? strlen(error) : 0);
		}
		buf_push_text(&json, "}}");
		text = text_copy(arena, buf_bytes(&json));
	}
	buf_release(&json);
	return text;
}

/* Ids of what has only a name here are made of the names. */
static Hatchet__AssignedAction *
action_new(struct uuid tenant, struct uuid run, struct uuid task, char *workflow, char *name,
    char *action_id, struct arena *arena)
{
	Hatchet__AssignedAction *action = arena_alloc(arena, sizeof(*action));
	struct uuid workflow_id = alias_workflow(tenant, bytes_text(workflow));
	froe_assert(action != NULL);
	hatchet__assigned_action__init(action);
	action->tenant_id = text_uuid(arena, tenant);
	action->workflow_run_id = text_uuid(arena, run);
	action->job_run_id = action->workflow_run_id;
	action->workflow_id = text_uuid(arena, workflow_id);
	action->workflow_version_id = action->workflow_id;
	action->job_id = action->workflow_id;
	action->job_name = workflow;
	action->task_id = text_uuid(arena, alias_step(workflow_id, bytes_text(name)));
	action->task_run_external_id = text_uuid(arena, task);
	action->action_id = action_id;
	action->task_name = name;
	action->has_action_type = action->has_retry_count = action->has_priority = true;
	return action;
}

Hatchet__AssignedAction *
action_start(const Froe__Dispatch *dispatch, struct uuid tenant, struct arena *arena)
{
	struct uuid run, task;
	memcpy(run.bytes, dispatch->run.data, sizeof(run.bytes));
	memcpy(task.bytes, dispatch->task.data, sizeof(task.bytes));
	Hatchet__AssignedAction *action = action_new(tenant, run, task, dispatch->workflow,
	    dispatch->name, dispatch->action, arena);
	action->action_type = HATCHET__ACTION_TYPE__START_STEP_RUN;
	action->action_payload = payload_json(dispatch, arena);
	action->retry_count = (int32_t)dispatch->attempt - 1;
	action->priority = (int32_t)dispatch->priority;
	action->has_durable_task_invocation_count = dispatch->durable; /* each lease is one */
	action->durable_task_invocation_count = (int32_t)dispatch->lease;
	action->additional_metadata =
	    text_metadata_json(arena, dispatch->metadata, dispatch->n_metadata);
	action->triggering_event_key =
	    (char *)(uintptr_t)metadata_find(dispatch, TRIGGER_EVENT_KEY);
	action->triggering_event_external_id =
	    (char *)(uintptr_t)metadata_find(dispatch, TRIGGER_EVENT_ID);
	return action->action_payload != NULL ? action : NULL;
}

Hatchet__AssignedAction *
action_cancel(const struct action_cancel *from, struct arena *arena)
{
	uint32_t number;
	Hatchet__AssignedAction *action = action_new(from->tenant,
	    uuid_run_of(from->task, &number), from->task, from->workflow, from->name,
	    from->action, arena);
	action->action_type = HATCHET__ACTION_TYPE__CANCEL_STEP_RUN;
	action->action_payload = text_copy(arena, bytes_text("{}"));
	action->retry_count = (int32_t)from->attempt - 1;
	action->has_durable_task_invocation_count = from->invocation != 0;
	action->durable_task_invocation_count = (int32_t)from->invocation;
	return action;
}
