/*
 * gateway/schedule: runs at times to come; and labels, which this server has not.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "gateway/text.h"

static void
on_scheduled(struct call *call, const struct answer *answer)
{
	Hatchet__WorkflowVersion response = HATCHET__WORKFLOW_VERSION__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__RunsStarted *all = (const void *)answer->message;
	const Hatchet__ScheduleWorkflowRequest *request = (const void *)wire_unpack(
	    call->unary->request, buf_bytes(&call->message), answer->arena);
	size_t count = all->n_runs;
	Hatchet__ScheduledWorkflow *rows =
	    arena_alloc(answer->arena, (count + 1) * sizeof(*rows));
	response.scheduled_workflows =
	    arena_alloc(answer->arena, (count + 1) * sizeof(*response.scheduled_workflows));
	froe_assert(
	    request != NULL && rows != NULL && response.scheduled_workflows != NULL);
	for (size_t i = 0; i < count; i++) {
		struct uuid run;
		memcpy(run.bytes, all->runs[i]->run.data, sizeof(run.bytes));
		hatchet__scheduled_workflow__init(&rows[i]);
		rows[i].id = text_uuid(answer->arena, run);
		rows[i].trigger_at = request->schedules[i];
		response.scheduled_workflows[i] = &rows[i];
	}
	response.n_scheduled_workflows = count;
	call_reply(call, &response.base);
}

/* As a trigger, once for each time. */
void
schedule_workflow(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__ScheduleWorkflowRequest *request = (const void *)message;
	Hatchet__TriggerWorkflowRequest trigger = HATCHET__TRIGGER_WORKFLOW_REQUEST__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunStartMany many = FROE__RUN_START_MANY__INIT;
	struct ask_options options = {.holder = true};
	struct froe_fault fault;
	size_t count = request->n_schedules;
	Froe__RunStart *starts = arena_alloc(arena, (count + 1) * sizeof(*starts));
	many.runs = arena_alloc(arena, (count + 1) * sizeof(*many.runs));
	froe_assert(starts != NULL && many.runs != NULL);
	trigger.name = request->name;
	trigger.input = request->input;
	trigger.additional_metadata = request->additional_metadata;
	trigger.has_priority = request->has_priority;
	trigger.priority = request->priority;
	for (size_t i = 0; i < count; i++) {
		if (run_take(&trigger, "", arena, &starts[i], &fault) != FROE_OK) {
			call_fail(call, &fault);
			return;
		}
		starts[i].has_start_ns = true;
		starts[i].start_ns = text_time_ns(request->schedules[i]);
		many.runs[i] = &starts[i];
	}
	many.n_runs = count;
	if (count == 0) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "schedules", "schedules: give a time");
		return;
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START_MANY;
	envelope.run_start_many = &many;
	call_ask(call, &envelope, &options, arena, on_scheduled);
}

void
upsert_worker_labels(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__UpsertWorkerLabelsRequest *request = (const void *)message;
	Hatchet__UpsertWorkerLabelsResponse response = HATCHET__UPSERT_WORKER_LABELS_RESPONSE__INIT;
	if (request->n_labels > 0) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "labels",
		    "this server does not have labels of workers yet: leave them out");
		return;
	}
	response.tenant_id = text_uuid(arena, call->session->seat.tenant);
	response.worker_id = request->worker_id;
	call_reply(call, &response.base);
}
