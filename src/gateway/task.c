/*
 * gateway/task: what workers say of their tasks.
 *
 * An event may come over any connection, late, twice, or before one that was sent earlier. What it
 * is about is the task and its attempt (retry_count + 1); whose lease that is, the shard looks up.
 * An event about an attempt that is over is acknowledged, and changes nothing.
 */
#include "gateway/method.h"

#include "base/duration.h"
#include "gateway/chunk.h"
#include "gateway/guest.h"
#include "gateway/linger.h"
#include "gateway/text.h"
#include "gateway/wait.h"

bool
task_take(struct call *call, const char *text)
{
	uint32_t number;
	if (!text_id(text, &call->id)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "task_run_external_id",
		    "task_run_external_id is not a UUID");
		return false;
	}
	uuid_run_of(call->id, &number);
	if (number == 0) /* a run of one task is known by its own id, too */
		call->id = uuid_task(call->id, 0);
	return true;
}

/* -------------------------------------------------------------------- SendStepActionEvent */

static void
acknowledge(struct call *call, struct arena *arena)
{
	Hatchet__ActionEventResponse response = HATCHET__ACTION_EVENT_RESPONSE__INIT;
	struct lease *lease = lease_find(call->gateway, call->id);
	response.tenant_id = text_uuid(arena, call->session->seat.tenant);
	response.worker_id = text_uuid(
	    arena, lease != NULL ? lease->worker->id : (struct uuid){{0}});
	call_reply(call, &response.base);
}

/* Of an attempt that is over, or another one's, it says nothing. */
static bool
late(const struct froe_fault *fault)
{
	return fault->code == FROE_LEASE_LAPSED || fault->code == FROE_NOT_FOUND;
}

static void
on_begun(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	struct lease *lease = lease_find(call->gateway, call->id);
	bool fails = answer_fault(answer, &fault);
	if (fails && !late(&fault)) {
		call_fail(call, &fault);
		return;
	}
	acknowledge(call, answer->arena);
	if (!fails && lease != NULL && (call->at == 0 || lease->attempt == call->at))
		lease->started = lease->begun = true;
}

static void
on_ended(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	struct lease *lease = lease_find(call->gateway, call->id);
	bool fails = answer_fault(answer, &fault);
	if (fails && !late(&fault)) {
		call_fail(call, &fault);
		return;
	}
	acknowledge(call, answer->arena);
	wait_forget(call->gateway, call->id); /* a next attempt's are read anew */
	if (!fails && lease != NULL && (call->at == 0 || lease->attempt == call->at))
		lease_free(call->gateway, lease);
}

static void
send_complete(struct call *call, const Hatchet__StepActionEvent *event,
    const struct ask_options *options, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskComplete complete = FROE__TASK_COMPLETE__INIT;
	complete.has_task = complete.has_lease = true;
	complete.task = text_id_bytes(arena, call->id);
	complete.lease = UINT64_MAX;
	complete.has_output = text_given(event->event_payload);
	if (complete.has_output)
		complete.output = (ProtobufCBinaryData){
		    strlen(event->event_payload), (uint8_t *)event->event_payload};
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_COMPLETE;
	envelope.task_complete = &complete;
	call_ask(call, &envelope, options, arena, on_ended);
}

static void
send_fail(struct call *call, const Hatchet__StepActionEvent *event, bool cancelled,
    const struct ask_options *options, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskFail fail = FROE__TASK_FAIL__INIT;
	fail.has_task = fail.has_lease = true;
	fail.task = text_id_bytes(arena, call->id);
	fail.lease = UINT64_MAX;
	fail.has_fatal = fail.fatal = event->should_not_retry || cancelled;
	fail.has_retry_after_ms = event->has_retry_after_ms && event->retry_after_ms > 0;
	fail.retry_after_ms = fail.has_retry_after_ms ? (uint64_t)event->retry_after_ms : 0;
	fail.error = text_error(arena, event->event_payload,
	    cancelled ? "cancelled by its worker" : "the worker gave no reason");
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_FAIL;
	envelope.task_fail = &fail;
	call_ask(call, &envelope, options, arena, on_ended);
}

/* Kept over a restart, and then acknowledged: an SDK says it until it is. */
static void
send_begin(struct call *call, const struct ask_options *options, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskBegin begin = FROE__TASK_BEGIN__INIT;
	begin.has_task = begin.has_lease = true;
	begin.task = text_id_bytes(arena, call->id);
	begin.lease = UINT64_MAX;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_BEGIN;
	envelope.task_begin = &begin;
	call_ask(call, &envelope, options, arena, on_begun);
}

static void
started(struct call *call, const struct ask_options *options, struct arena *arena)
{
	struct lease *lease = lease_find(call->gateway, call->id);
	bool own = lease != NULL && (call->at == 0 || lease->attempt == call->at) &&
	    uuid_equal(lease->worker->tenant, call->session->seat.tenant);
	if (own)
		lease->started = true;
	if (own ? lease->begun : call->lingered) { /* it is known, or over already */
		acknowledge(call, arena);
		return;
	}
	if (!own || !linger_begun(call))
		send_begin(call, options, arena);
}

static bool
ends(const Hatchet__StepActionEvent *event)
{
	return event->event_type == HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED ||
	    event->event_type == HATCHET__STEP_ACTION_EVENT_TYPE__STEP_FAILED ||
	    event->event_type == HATCHET__STEP_ACTION_EVENT_TYPE__STEP_CANCELLED;
}

void
send_step_action_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__StepActionEvent *event = (const void *)message;
	if (!task_take(call, event->task_run_external_id))
		return;
	struct ask_options options = {.holder = true};
	if (event->has_retry_count)
		options.attempt = (uint32_t)event->retry_count + 1;
	call->at = options.attempt;
	if (ends(event) && linger_hold(call))
		return;
	if (event->event_type != HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED)
		chunk_flush(call->gateway, call->id);
	switch ((int)event->event_type) {
	case HATCHET__STEP_ACTION_EVENT_TYPE__STEP_STARTED:
	case HATCHET__STEP_ACTION_EVENT_TYPE__STEP_ACKNOWLEDGED:
		started(call, &options, arena);
		return;
	case HATCHET__STEP_ACTION_EVENT_TYPE__STEP_COMPLETED:
		send_complete(call, event, &options, arena);
		return;
	case HATCHET__STEP_ACTION_EVENT_TYPE__STEP_FAILED:
	case HATCHET__STEP_ACTION_EVENT_TYPE__STEP_CANCELLED:
		send_fail(call, event,
		    event->event_type == HATCHET__STEP_ACTION_EVENT_TYPE__STEP_CANCELLED,
		    &options, arena);
		return;
	default:
		call_refuse(call, FROE_INVALID_ARGUMENT, "event_type",
		    "event_type is %d: give 1 (STARTED) to 5 (CANCELLED)",
		    (int)event->event_type);
	}
}

/* --------------------------------------------------------------------- RefreshTimeout */

static void
on_refreshed(struct call *call, const struct answer *answer)
{
	Hatchet__RefreshTimeoutResponse response = HATCHET__REFRESH_TIMEOUT_RESPONSE__INIT;
	if (call_failed(call, answer))
		return;
	const Froe__TaskRefreshed *refreshed = (const void *)answer->message;
	response.timeout_at = text_time(answer->arena,
	    io_wall_ns(call->gateway->env) + refreshed->timeout_ms * NS_PER_MS);
	call_reply(call, &response.base);
}

void
refresh_timeout(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__RefreshTimeoutRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskRefresh refresh = FROE__TASK_REFRESH__INIT;
	struct ask_options options = {.holder = true};
	if (!task_take(call, request->task_run_external_id))
		return;
	if (!text_given(request->increment_timeout_by) ||
	    !text_duration_ms(request->increment_timeout_by, &refresh.add_ms)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "increment_timeout_by",
		    "increment_timeout_by: give a duration such as \"30s\"");
		return;
	}
	refresh.has_task = refresh.has_lease = refresh.has_add_ms = true;
	refresh.task = text_id_bytes(arena, call->id);
	refresh.lease = UINT64_MAX;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_REFRESH;
	envelope.task_refresh = &refresh;
	call_ask(call, &envelope, &options, arena, on_refreshed);
}

/* ------------------------------------------------------------------------- ReleaseSlot */

static void
on_released(struct call *call, const struct answer *answer)
{
	Hatchet__ReleaseSlotResponse response = HATCHET__RELEASE_SLOT_RESPONSE__INIT;
	if (!call_failed(call, answer))
		call_reply(call, &response.base);
}

void
release_slot(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__ReleaseSlotRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskRelease release = FROE__TASK_RELEASE__INIT;
	struct ask_options options = {.holder = true};
	if (!task_take(call, request->task_run_external_id))
		return;
	release.has_task = release.has_lease = true;
	release.task = text_id_bytes(arena, call->id);
	release.lease = UINT64_MAX;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_RELEASE;
	envelope.task_release = &release;
	call_ask(call, &envelope, &options, arena, on_released);
}
