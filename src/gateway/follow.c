/*
 * gateway/follow: SubscribeToWorkflowEvents: what becomes of a run's tasks, what they stream, and
 * its end. Of one run, or of all whose metadata has a pair.
 *
 * Pages of a run's records are asked for one after the other, the next when the client has taken
 * the last; at the run's end its status. A run that has ended is followed from its beginning as any
 * other: nothing is missed. The stream ends with its run, or when the last of those that it has
 * followed so far has ended.
 */
#include "gateway/method.h"

#include "api/wire.h"
#include "base/json.h"
#include "base/mem.h"
#include "gateway/lookout.h"
#include "gateway/parcel.h"
#include "gateway/text.h"

/* Of the runs with a pair, so many are followed at a time: each may have a page under way when the
 * client stops reading. */
#define RUNS_MAX 64u

struct follower {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct list parcels;    /* that wait for room */
	struct list runs;       /* struct followed */
	uint32_t run_count;
	struct lookout lookout; /* by a pair */
	struct buf key;
	struct buf value;
	bool by_pair;
	bool told; /* of the last end */
	bool pumping; /* answers may come while one asks: */
	bool again;   /* it pumps once more */
	bool seated;
};

/* A run. */
struct followed {
	struct list link;
	struct follower *follower;
	struct uuid run;
	struct map attempts; /* id of a task -> struct attempt */
	struct ask *ask;
	uint32_t after;
	bool ended; /* its stream is; its status is asked for */
};

/* The newest one of a task: not every change says its number. */
struct attempt {
	uint32_t number;
	bool failed; /* and that was told */
};

static void
followed_free(struct followed *run)
{
	ask_drop(run->ask);
	for (size_t i = 0; i < run->attempts.capacity; i++)
		mem_free(run->attempts.entries[i].value);
	map_release(&run->attempts);
	list_remove(&run->link);
	run->follower->run_count--;
	mem_free(run);
}

static void
follower_free(struct follower *follower)
{
	parcels_free(&follower->parcels);
	buf_release(&follower->key);
	buf_release(&follower->value);
	mem_free(follower);
}

/* Nobody wants to know more: what was asked is not waited for. */
static void
follower_stop(struct follower *follower)
{
	lookout_stop(&follower->lookout);
	while (!list_empty(&follower->runs))
		followed_free(container_of(follower->runs.next, struct followed, link));
}

static struct followed *
follower_add(struct follower *follower, struct uuid run)
{
	struct followed *followed = mem_zalloc(sizeof(*followed));
	followed->follower = follower;
	followed->run = run;
	map_init(&followed->attempts);
	list_push(&follower->runs, &followed->link);
	follower->run_count++;
	return followed;
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
event_init(Hatchet__WorkflowEvent *event, const struct followed *run, uint64_t time_ns,
    struct arena *arena)
{
	hatchet__workflow_event__init(event);
	event->workflow_run_id = text_uuid(arena, run->run);
	event->resource_id = event->workflow_run_id;
	event->event_timestamp = text_time(arena, time_ns);
	event->has_resource_type = event->has_event_type = true;
}

static struct attempt *
attempt_of(struct followed *run, struct uuid task)
{
	struct attempt *attempt = map_get_uuid(&run->attempts, task);
	if (attempt == NULL) {
		attempt = mem_zalloc(sizeof(*attempt));
		map_put_uuid(&run->attempts, task, attempt);
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
chunk_put(struct followed *run, const Froe__StreamChunk *chunk, struct arena *arena)
{
	Hatchet__WorkflowEvent event;
	struct uuid task;
	event_init(&event, run, chunk->time_ns, arena);
	memcpy(task.bytes, chunk->task_id.data, sizeof(task.bytes));
	struct attempt *attempt = attempt_of(run, task);
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
	parcel_push(&run->follower->parcels, &event.base, 0);
}

/* The client hangs up with the last one. */
static void
end_put(struct followed *run, const Froe__RunView *view, struct arena *arena)
{
	struct follower *follower = run->follower;
	Hatchet__WorkflowEvent event;
	event_init(&event, run, view->finished_ns, arena);
	event.resource_type = HATCHET__RESOURCE_TYPE__RESOURCE_WORKFLOW_RUN;
	event.event_type = view->status == FROE__RUN_STATUS__COMPLETED
	    ? HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_COMPLETED
	    : view->status == FROE__RUN_STATUS__FAILED
	    ? HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_FAILED
	    : HATCHET__RESOURCE_EVENT_TYPE__RESOURCE_EVENT_CANCELLED;
	follower->told = follower->run_count == 1;
	event.has_hangup = event.hangup = follower->told;
	parcel_push(&follower->parcels, &event.base, 0);
}

/* --------------------------------------------------------------------------------- asking */

static void follower_pump(struct follower *follower);

static void
follower_fail(struct follower *follower, const struct froe_fault *fault)
{
	follower_stop(follower);
	stream_fail(follower->grpc, fault);
}

static bool
on_page(struct ask *ask, const struct answer *answer)
{
	struct followed *run = ask->owner;
	struct follower *follower = run->follower;
	struct froe_fault fault;
	run->ask = NULL;
	if (answer_fault(answer, &fault)) {
		follower_fail(follower, &fault);
		return true;
	}
	const Froe__StreamPage *page = (const void *)answer->message;
	for (size_t i = 0; i < page->n_chunks; i++)
		chunk_put(run, page->chunks[i], answer->arena);
	run->after = page->next;
	run->ended = page->ended;
	follower_pump(follower);
	return true;
}

static bool
on_view(struct ask *ask, const struct answer *answer)
{
	struct followed *run = ask->owner;
	struct follower *follower = run->follower;
	struct froe_fault fault;
	run->ask = NULL;
	if (answer_fault(answer, &fault)) {
		follower_fail(follower, &fault);
		return true;
	}
	end_put(run, (const void *)answer->message, answer->arena);
	followed_free(run);
	follower_pump(follower);
	return true;
}

static void
followed_ask(struct followed *run)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__StreamGet page = FROE__STREAM_GET__INIT;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	struct ask_options options = {.owner = run, .role = ENG_ROLE_WORKER};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	if (run->ended) {
		options.answer = on_view;
		get.has_run = true;
		get.run = text_id_bytes(&arena, run->run);
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_GET;
		envelope.run_get = &get;
	} else {
		options.answer = on_page;
		page.has_run = page.has_after = page.has_wait = page.wait = true;
		page.has_changes = page.changes = true;
		page.run = text_id_bytes(&arena, run->run);
		page.after = run->after;
		envelope.body_case = FROE__ENVELOPE__BODY_STREAM_GET;
		envelope.stream_get = &page;
	}
	if (seat_ask(&run->follower->seat, &envelope, &options, &arena, &run->ask, &fault) !=
	    FROE_OK)
		follower_fail(run->follower, &fault);
	arena_release(&arena);
}

static void
pump_once(struct follower *follower)
{
	struct list *node, *next;
	if (follower->grpc == NULL || !follower->seated || follower->seat.state != SEAT_OPEN)
		return;
	parcels_send(&follower->parcels, follower->grpc);
	if (!list_empty(&follower->parcels) || grpc_finished(follower->grpc))
		return;
	if (follower->told) {
		follower_stop(follower);
		grpc_finish(follower->grpc, GRPC_OK, NULL, bytes_of(NULL, 0));
		return;
	}
	for (node = follower->runs.next; node != &follower->runs; node = next) {
		struct followed *run = container_of(node, struct followed, link);
		next = node->next;
		if (run->ask == NULL)
			followed_ask(run);
		if (list_empty(&follower->runs))
			return; /* it failed */
	}
}

static void
follower_pump(struct follower *follower)
{
	follower->again = true;
	if (follower->pumping)
		return;
	follower->pumping = true;
	while (follower->again) {
		follower->again = false;
		pump_once(follower);
	}
	follower->pumping = false;
}

/* ----------------------------------------------------------------------------------- by a pair */

static void
on_found(struct lookout *lookout, struct uuid run)
{
	struct follower *follower = container_of(lookout, struct follower, lookout);
	struct froe_fault fault;
	if (follower->run_count < RUNS_MAX) {
		follower_add(follower, run);
		follower_pump(follower);
		return;
	}
	FROE_DROP(fault_set(&fault, FROE_RESOURCE_EXHAUSTED,
	              "more than %u runs with this pair are open: follow them by their ids",
	              RUNS_MAX), "it is sent");
	follower_fail(follower, &fault);
}

static void
on_lookout_ready(struct lookout *lookout)
{
	struct follower *follower = container_of(lookout, struct follower, lookout);
	if (follower->grpc != NULL)
		grpc_begin(follower->grpc);
}

static void
on_lookout_failed(struct lookout *lookout, const struct froe_fault *fault)
{
	follower_fail(container_of(lookout, struct follower, lookout), fault);
}

/* --------------------------------------------------------------------------------- stream */

static void
on_opened(struct seat *seat)
{
	struct follower *follower = (struct follower *)(void *)seat;
	if (seat->state == SEAT_REFUSED) {
		follower_fail(follower, &seat->fault);
		seat_close(seat);
		return;
	}
	if (follower->grpc == NULL)
		return;
	grpc_api_know(grpc_api_of(follower->grpc));
	if (follower->by_pair) {
		follower->lookout.seat = seat;
		lookout_start(&follower->lookout, follower->gateway,
		    (const char *)buf_bytes(&follower->key).data,
		    (const char *)buf_bytes(&follower->value).data);
		return;
	}
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
	list_init(&follower->runs);
	buf_init(&follower->key);
	buf_init(&follower->value);
	follower->lookout.found = on_found;
	follower->lookout.ready = on_lookout_ready;
	follower->lookout.failed = on_lookout_failed;
	follower->seat.opened = on_opened;
	follower->seat.gone = on_gone;
	grpc_call_set_context(grpc, follower);
}

/* NULL: what is wrong with it. */
static const char *
request_take(
    struct follower *follower, const Hatchet__SubscribeToWorkflowEventsRequest *request)
{
	struct uuid id;
	uint32_t number;
	bool pair = request != NULL && text_given(request->additional_meta_key);
	if (request == NULL || (text_given(request->workflow_run_id) && pair))
		return "name a run, or a pair of metadata: one of the two";
	if (!pair && !text_id(request->workflow_run_id, &id))
		return "workflow_run_id is not a UUID";
	follower->by_pair = pair;
	if (pair) {
		const char *value = request->additional_meta_value;
		buf_push_text(&follower->key, request->additional_meta_key);
		buf_push(&follower->key, "", 1);
		buf_push_text(&follower->value, value != NULL ? value : "");
		buf_push(&follower->value, "", 1);
	} else {
		follower_add(follower, uuid_run_of(id, &number));
	}
	return NULL;
}

enum grpc_taken
follow_message(struct grpc_call *grpc, struct bytes message)
{
	struct follower *follower = grpc_call_context(grpc);
	const ProtobufCMessageDescriptor *descriptor =
	    &hatchet__subscribe_to_workflow_events_request__descriptor;
	char field[WIRE_FIELD_SIZE];
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const char *wrong = wire_check(descriptor, message, field) == WIRE_GOOD
	    ? request_take(follower, (const void *)wire_unpack(descriptor, message, &arena))
	    : "it is not a request of valid texts";
	arena_release(&arena);
	if (wrong != NULL) {
		grpc_finish(grpc, GRPC_INVALID_ARGUMENT, wrong, bytes_of(NULL, 0));
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
	follower_stop(follower);
	if (follower->seated)
		seat_close(&follower->seat);
	else
		follower_free(follower);
}
