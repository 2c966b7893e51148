/*
 * gateway/follow: SubscribeToWorkflowEvents: what becomes of a run's tasks, what they stream, and
 * its end.
 *
 * Pages of the run's records are asked for one after the other, the next when the client has taken
 * the last; at the run's end its status, then the stream ends. A run that has ended is followed
 * from its beginning as any other: nothing is missed.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "base/json.h"
#include "base/mem.h"
#include "gateway/parcel.h"
#include "gateway/text.h"

struct follower {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct uuid run;
	struct list parcels; /* that wait for room */
	struct map attempts; /* id of a task -> struct attempt */
	uint32_t after;
	bool ended;  /* its stream is; its status is asked for */
	bool asking;
	bool told;   /* of the end */
	bool seated;
};

/* The newest one of a task: not every change says its number. */
struct attempt {
	uint32_t number;
	bool failed; /* and that was told */
};

static void
follower_free(struct follower *follower)
{
	parcels_free(&follower->parcels);
	for (size_t i = 0; i < follower->attempts.capacity; i++)
		mem_free(follower->attempts.entries[i].value);
	map_release(&follower->attempts);
	mem_free(follower);
}

static void
on_gone(struct seat *seat)
{
	struct follower *follower = (struct follower *)(void *)seat;
	follower->seated = false;
	if (follower->grpc == NULL)
		follower_free(follower);
}

/* --------------------------------------------------------------------------------- events */

/* A message's text is UTF-8: clients refuse the whole message otherwise. */
static char *
chunk_text(const Froe__StreamChunk *chunk, struct arena *arena)
{
	char *text = text_copy(arena, bytes_of(chunk->data.data, chunk->data.len));
	if (utf8_valid(chunk->data.data, chunk->data.len))
		return text;
	for (size_t i = 0; i < chunk->data.len; i++) {
		if (text[i] == 0 || ((uint8_t)text[i] & 0x80) != 0)
			text[i] = '?';
	}
	return text;
}

static void
event_init(Hatchet__WorkflowEvent *event, const struct follower *follower, uint64_t time_ns,
    struct arena *arena)
{
	hatchet__workflow_event__init(event);
	event->workflow_run_id = text_uuid(arena, follower->run);
	event->resource_id = event->workflow_run_id;
	event->event_timestamp = text_time(arena, time_ns);
	event->has_resource_type = event->has_event_type = true;
}

static struct attempt *
attempt_of(struct follower *follower, struct uuid task)
{
	struct attempt *attempt = map_get_uuid(&follower->attempts, task);
	if (attempt == NULL) {
		attempt = mem_zalloc(sizeof(*attempt));
		map_put_uuid(&follower->attempts, task, attempt);
	}
	return attempt;
}

/* Whether, and as what, a change is told. An attempt that was lost or given back is not: the task
 * goes on, or has failed, which is told then. Nor is a skipped task: it is the on-failure task of a
 * run that did not fail. */
static bool
change_event(const Froe__StreamChunk *chunk, struct attempt *attempt,
    Hatchet__ResourceEventType *ret_type)
{
	const char *reason = chunk->reason != NULL ? chunk->reason : "";
	bool late = strcmp(reason, "timed_out") == 0;
	bool failed = late || strcmp(reason, "failed") == 0 || strcmp(reason, "fatal") == 0;
	if (strcmp(chunk->change, "assigned") == 0) {
		*attempt = (struct attempt){.number = chunk->attempt};
		*ret_type = HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_STARTED;
		return true;
	}
	if (strcmp(chunk->change, "completed") == 0) {
		*ret_type = HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_COMPLETED;
		return true;
	}
	if (strcmp(chunk->change, "cancelled") == 0) {
		*ret_type = HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_CANCELLED;
		return true;
	}
	*ret_type = late ? HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_TIMED_OUT
	                 : HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_FAILED;
	if (strcmp(chunk->change, "attempt_ended") == 0)
		return attempt->failed = failed;
	return strcmp(chunk->change, "failed") == 0 && !attempt->failed;
}

static void
chunk_put(struct follower *follower, const Froe__StreamChunk *chunk, struct arena *arena)
{
	Hatchet__WorkflowEvent event;
	struct uuid task;
	event_init(&event, follower, chunk->time_ns, arena);
	memcpy(task.bytes, chunk->task_id.data, sizeof(task.bytes));
	struct attempt *attempt = attempt_of(follower, task);
	event.resource_type = HATCHET__RESOURCE_TYPE__RESOURCE_STEP_RUN;
	event.event_type = HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_STREAM;
	if (chunk->change != NULL && !change_event(chunk, attempt, &event.event_type))
		return;
	event.resource_id = text_uuid(arena, task);
	event.event_payload =
	    text_given(chunk->error) ? chunk->error : chunk_text(chunk, arena);
	event.has_retry_count = event.has_event_index = true;
	uint32_t number = chunk->attempt != 0 ? chunk->attempt : attempt->number;
	event.retry_count = number > 0 ? (int32_t)number - 1 : 0;
	event.event_index = chunk->position;
	parcel_push(&follower->parcels, &event.base, 0);
}

static void
end_put(struct follower *follower, const Froe__RunView *view, struct arena *arena)
{
	Hatchet__WorkflowEvent event;
	event_init(&event, follower, view->finished_ns, arena);
	event.resource_type = HATCHET__RESOURCE_TYPE__RESOURCE_WORKFLOW_RUN;
	event.event_type = view->status == FROE__RUN_STATUS__COMPLETED
	    ? HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_COMPLETED
	    : view->status == FROE__RUN_STATUS__FAILED
	    ? HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_FAILED
	    : HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_CANCELLED;
	event.has_hangup = event.hangup = true;
	parcel_push(&follower->parcels, &event.base, 0);
	follower->told = true;
}

/* --------------------------------------------------------------------------------- asking */

static void follower_pump(struct follower *follower);

static bool
on_page(struct ask *ask, const struct answer *answer)
{
	struct follower *follower = ask->owner;
	struct froe_fault fault;
	follower->asking = false;
	if (answer_fault(answer, &fault)) {
		stream_fail(follower->grpc, &fault);
		return true;
	}
	const Froe__StreamPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_chunks; i++)
		chunk_put(follower, page->chunks[i], answer->arena);
	follower->after = page->next;
	follower->ended = page->ended;
	follower_pump(follower);
	return true;
}

static bool
on_view(struct ask *ask, const struct answer *answer)
{
	struct follower *follower = ask->owner;
	struct froe_fault fault;
	follower->asking = false;
	if (answer_fault(answer, &fault)) {
		stream_fail(follower->grpc, &fault);
		return true;
	}
	end_put(follower, (const void *)answer->message, answer->arena);
	follower_pump(follower);
	return true;
}

static void
follower_ask(struct follower *follower)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__StreamGet page = FROE__STREAM_GET__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.owner = follower, .role = ENG_ROLE_WORKER};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	if (follower->ended) {
		options.answer = on_view;
		get.has_run = true;
		get.run = text_id_bytes(&arena, follower->run);
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
		envelope.run_get = &get;
	} else {
		options.answer = on_page;
		page.has_run = page.has_after = page.has_wait = page.wait = true;
		page.has_changes = page.changes = true;
		page.run = text_id_bytes(&arena, follower->run);
		page.after = follower->after;
		envelope.body_case = FROE__ENVELOPE__BODY_STREAM_GET;
		envelope.stream_get = &page;
	}
	follower->asking = true;
	if (seat_ask(&follower->seat, &envelope, &options, &arena, NULL, &fault) != FROE_OK)
		stream_fail(follower->grpc, &fault);
	arena_release(&arena);
}

static void
follower_pump(struct follower *follower)
{
	if (follower->grpc == NULL || !follower->seated || follower->seat.state != SEAT_OPEN)
		return;
	parcels_send(&follower->parcels, follower->grpc);
	if (!list_empty(&follower->parcels))
		return;
	if (follower->told)
		grpc_finish(follower->grpc, GRPC_OK, NULL, bytes_of(NULL, 0));
	else if (!follower->asking && !grpc_finished(follower->grpc))
		follower_ask(follower);
}

/* --------------------------------------------------------------------------------- stream */

static void
on_opened(struct seat *seat)
{
	struct follower *follower = (struct follower *)(void *)seat;
	if (seat->state == SEAT_REFUSED) {
		stream_fail(follower->grpc, &seat->fault);
		seat_close(seat);
		return;
	}
	if (follower->grpc == NULL)
		return;
	grpc_api_know(grpc_api_of(follower->grpc));
	grpc_begin(follower->grpc);
	follower_pump(follower);
}

void
follow_open(struct grpc_call *grpc)
{
	struct follower *follower = mem_zalloc(sizeof(*follower));
	follower->gateway = gateway_of(grpc);
	follower->grpc = grpc;
	list_init(&follower->parcels);
	map_init(&follower->attempts);
	follower->seat.opened = on_opened;
	follower->seat.gone = on_gone;
	grpc_call_set_context(grpc, follower);
}

enum grpc_taken
follow_message(struct grpc_call *grpc, struct bytes message)
{
	struct follower *follower = grpc_call_context(grpc);
	struct arena arena;
	uint32_t number;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__SubscribeToWorkflowEventsRequest *request = (const void *)wire_unpack(
	    &hatchet__subscribe_to_workflow_events_request__descriptor, message, &arena);
	bool good = request != NULL && text_id(request->workflow_run_id, &follower->run);
	bool pair = request != NULL && text_given(request->additional_meta_key);
	arena_release(&arena);
	follower->run = uuid_run_of(follower->run, &number);
	if (pair || !good) {
		grpc_finish(grpc, GRPC_INVALID_ARGUMENT,
		    pair ? "additional_meta_key: this server does not have it yet: name a run"
		         : "workflow_run_id is not a UUID",
		    bytes_of(NULL, 0));
		return GRPC_TAKEN;
	}
	follower->seated = seat_open(&follower->seat, &follower->gateway->seats,
	    session_token(grpc), grpc_api_peer(grpc_api_of(grpc)));
	if (!follower->seated)
		stream_full(grpc);
	return GRPC_TAKEN;
}

void
follow_writable(struct grpc_call *grpc)
{
	follower_pump(grpc_call_context(grpc));
}

void
follow_end(struct grpc_call *grpc, enum grpc_end end)
{
	struct follower *follower = grpc_call_context(grpc);
	(void)end;
	follower->grpc = NULL;
	if (follower->seated)
		seat_close(&follower->seat);
	else
		follower_free(follower);
}
