/*
 * gateway/details: GetRunDetails, a run and its tasks with all payloads.
 */
#include "gateway/method.h"

#include "gateway/text.h"

/* Of a parent that was skipped, and of what was. */
#define SKIPPED "{\"skipped\":true}"

static Hatchet__RunStatus
status_of(Froe__RunStatus status)
{
	if (status == FROE__RUN_STATUS__EVICTED)
		return HATCHET__RUN_STATUS__RUNNING; /* Python's SDK knows no other; is_evicted */
	return (Hatchet__RunStatus)status;       /* the same numbers */
}

_Static_assert((int)HATCHET__RUN_STATUS__QUEUED == (int)FROE__RUN_STATUS__QUEUED &&
        (int)HATCHET__RUN_STATUS__RUNNING == (int)FROE__RUN_STATUS__RUNNING &&
        (int)HATCHET__RUN_STATUS__COMPLETED == (int)FROE__RUN_STATUS__COMPLETED &&
        (int)HATCHET__RUN_STATUS__FAILED == (int)FROE__RUN_STATUS__FAILED &&
        (int)HATCHET__RUN_STATUS__CANCELLED == (int)FROE__RUN_STATUS__CANCELLED &&
        (int)HATCHET__RUN_STATUS__EVICTED == (int)FROE__RUN_STATUS__EVICTED,
    "the same numbers");

static void
task_fill(const Froe__TaskView *task, Hatchet__TaskRunDetail *detail, struct arena *arena)
{
	struct uuid id;
	memcpy(id.bytes, task->id.data, sizeof(id.bytes));
	hatchet__task_run_detail__init(detail);
	detail->external_id = text_uuid(arena, id);
	detail->readable_id = task->name;
	detail->has_status = detail->has_is_evicted = true;
	detail->status = status_of(task->status);
	detail->is_evicted = task->status == FROE__RUN_STATUS__EVICTED;
	if (task->status == FROE__RUN_STATUS__FAILED && text_given(task->error))
		detail->error = task->error;
	detail->has_output = task->skipped || task->has_output;
	detail->output = task->output;
	if (task->skipped)
		detail->output = (ProtobufCBinaryData){sizeof(SKIPPED) - 1, (uint8_t *)SKIPPED};
}

static void
tasks_fill(const Froe__RunView *view, Hatchet__GetRunDetailsResponse *response, struct arena *arena)
{
	size_t count = view->n_tasks;
	Hatchet__GetRunDetailsResponse__TaskRunsEntry *entries =
	    arena_alloc(arena, (count + 1) * sizeof(*entries));
	Hatchet__TaskRunDetail *details = arena_alloc(arena, (count + 1) * sizeof(*details));
	response->task_runs = arena_alloc(arena, (count + 1) * sizeof(*response->task_runs));
	froe_assert(entries != NULL && details != NULL && response->task_runs != NULL);
	for (size_t i = 0; i < count; i++) {
		task_fill(view->tasks[i], &details[i], arena);
		hatchet__get_run_details_response__task_runs_entry__init(&entries[i]);
		entries[i].key = view->tasks[i]->name;
		entries[i].value = &details[i];
		response->task_runs[i] = &entries[i];
	}
	response->n_task_runs = count;
}

static void
on_view(struct call *call, const struct answer *answer)
{
	Hatchet__GetRunDetailsResponse response = HATCHET__GET_RUN_DETAILS_RESPONSE__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__RunView *view = (const void *)answer->message;
	const char *metadata =
	    text_metadata_json(answer->arena, view->metadata, view->n_metadata);
	response.has_input = view->has_input;
	response.input = view->input;
	response.has_status = response.has_done = response.has_is_evicted = true;
	response.status = status_of(view->status);
	response.is_evicted = view->status == FROE__RUN_STATUS__EVICTED;
	response.done = view->status >= FROE__RUN_STATUS__COMPLETED &&
	    view->status <= FROE__RUN_STATUS__CANCELLED;
	response.has_additional_metadata = true;
	if (metadata == NULL)
		metadata = "{}";
	response.additional_metadata =
	    (ProtobufCBinaryData){strlen(metadata), (uint8_t *)(uintptr_t)metadata};
	tasks_fill(view, &response, answer->arena);
	call_reply(call, &response.base);
}

void
get_run_details(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__GetRunDetailsRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.role = ENG_ROLE_WORKER};
	uint32_t number;
	if (!text_id(request->external_id, &call->id)) {
		call_refuse(
		    call, FROE_INVALID_ARGUMENT, "external_id", "external_id is not a UUID");
		return;
	}
	get.has_run = get.has_payloads = get.payloads = true;
	get.run = text_id_bytes(arena, uuid_run_of(call->id, &number));
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
	envelope.run_get = &get;
	call_ask(call, &envelope, &options, arena, on_view);
}
