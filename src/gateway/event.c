/*
 * gateway/event: events are pushed, and start the workflows that have their key. Those of a bulk go
 * one after the other, so that they have an order; the call is answered when all are durable, and
 * what they start: a caller who hears nothing pushes again.
 */
#include "gateway/method.h"

#include "api/alias.h"
#include "api/wire.h"
#include "froe/limits.h"
#include "gateway/text.h"
#include "gateway/trigger.h"

#include <stdio.h>

#define EVENTS_MAX 1000u

static char *
event_id(const struct call *call, uint64_t number, struct arena *arena)
{
	return text_uuid(arena, alias_event(call->session->seat.tenant, number));
}

static void
event_fill(struct call *call, const Hatchet__PushEventRequest *request, uint64_t number,
    Hatchet__Event *event, struct arena *arena)
{
	hatchet__event__init(event);
	event->tenant_id = text_uuid(arena, call->session->seat.tenant);
	event->event_id = event_id(call, number, arena);
	event->key = request->key;
	event->payload = request->payload;
	event->event_timestamp = request->event_timestamp != NULL
	    ? request->event_timestamp
	    : text_time(arena, io_wall_ns(call->gateway->env));
	event->additional_metadata = request->additional_metadata;
}

static void
event_ask(struct call *call, const Hatchet__PushEventRequest *request, struct arena *arena,
    call_then *then)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	if (text_given(request->scope)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "scope",
		    "this server does not have scopes of events yet: leave it out");
		return;
	}
	if (!text_metadata(arena, request->additional_metadata, &push.metadata, &push.n_metadata)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "additional_metadata",
		    "additional_metadata is not a JSON object");
		return;
	}
	push.key = request->key;
	push.has_payload = text_given(request->payload);
	if (push.has_payload)
		push.payload = (ProtobufCBinaryData){
		    strlen(request->payload), (uint8_t *)request->payload};
	envelope.body_case = FROE__ENVELOPE__BODY_EVENT_PUSH;
	envelope.event_push = &push;
	call_ask(call, &envelope, NULL, arena, then);
}

/* ------------------------------------------------------------------------------------ one */

/* The request once more: it was good. */
static const void *
request_again(const struct call *call, struct arena *arena)
{
	const void *request =
	    wire_unpack(call->unary->request, buf_bytes(&call->message), arena);
	froe_assert(request != NULL);
	return request;
}

/* The event has started what it starts, or starts nothing. */
static void event_next(struct call *call, struct arena *arena);

static const Hatchet__PushEventRequest *
event_of(const struct call *call, struct arena *arena)
{
	const void *request = request_again(call, arena);
	if (call->unary->request == &hatchet__push_event_request__descriptor)
		return request;
	return ((const Hatchet__BulkPushEventRequest *)request)->events[call->at];
}

static void event_start(struct call *call, uint64_t number, struct arena *arena);

/* A workflow that was deleted meanwhile keeps no others from being started. */
static bool
begins_again(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	uint32_t index;
	const char *key = event_of(call, answer->arena)->key;
	if (!answer_fault(answer, &fault) || fault.code != FROE_NOT_FOUND ||
	    sscanf(fault.field, "runs[%u].workflow", &index) != 1)
		return false;
	return trigger_drop(
	    trigger_table(call->gateway, call->session->seat.tenant), key, index);
}

static void
on_begun(struct call *call, const struct answer *answer)
{
	const uint8_t *kept = buf_bytes(&call->kept).data;
	size_t last = buf_used(&call->kept) - sizeof(uint64_t);
	if (begins_again(call, answer))
		event_start(call, le64_load(kept + last), answer->arena);
	else if (!call_failed(call, answer))
		event_next(call, answer->arena);
}

struct starting {
	struct call *call;
	struct arena *arena;
	const Hatchet__PushEventRequest *request;
	Froe__Pair **pairs;
	size_t pair_count;
	uint64_t number;
	Froe__RunStartMany many;
};

/* Once an event, also when its push is answered and the answer lost. */
static void
start_add(void *context, const char *workflow)
{
	struct starting *starting = context;
	struct arena *arena = starting->arena;
	char key[FROE_NAME_BYTES_MAX + 1];
	if (starting->many.n_runs == FROE_BULK_RUNS_MAX)
		return;
	Froe__RunStart *start = arena_alloc(arena, sizeof(*start));
	froe_assert(start != NULL);
	froe__run_start__init(start);
	snprintf(key, sizeof(key), "event:%llu:%.200s", (unsigned long long)starting->number,
	    workflow);
	start->workflow = text_copy(arena, bytes_text(workflow));
	start->key = text_copy(arena, bytes_text(key));
	start->has_priority = starting->request->has_priority;
	start->priority = (uint32_t)starting->request->priority;
	start->has_input = text_given(starting->request->payload);
	if (start->has_input)
		start->input = (ProtobufCBinaryData){strlen(starting->request->payload),
		    (uint8_t *)starting->request->payload};
	start->metadata = starting->pairs;
	start->n_metadata = starting->pair_count;
	starting->many.runs[starting->many.n_runs++] = start;
}

static void
pair_add(struct starting *starting, const char *key, char *value)
{
	Froe__Pair *pair = arena_alloc(starting->arena, sizeof(*pair));
	froe_assert(pair != NULL);
	froe__pair__init(pair);
	pair->key = text_copy(starting->arena, bytes_text(key));
	pair->value = value;
	starting->pairs[starting->pair_count++] = pair;
}

static void
event_start(struct call *call, uint64_t number, struct arena *arena)
{
	struct starting starting = {.call = call, .arena = arena, .number = number};
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct ask_options options = {.trusted = true};
	Froe__Pair **given;
	starting.request = event_of(call, arena);
	bool good = text_metadata(
	    arena, starting.request->additional_metadata, &given, &starting.pair_count);
	froe_assert(good); /* it was pushed */
	starting.pairs = arena_alloc(arena, (starting.pair_count + 2) * sizeof(*starting.pairs));
	froe__run_start_many__init(&starting.many);
	starting.many.runs = arena_alloc(arena, FROE_BULK_RUNS_MAX * sizeof(*starting.many.runs));
	froe_assert(starting.pairs != NULL && starting.many.runs != NULL);
	if (starting.pair_count > 0)
		memcpy(starting.pairs, given, starting.pair_count * sizeof(*given));
	pair_add(&starting, TRIGGER_EVENT_KEY, starting.request->key);
	pair_add(&starting, TRIGGER_EVENT_ID, event_id(call, number, arena));
	trigger_each(trigger_table(call->gateway, call->session->seat.tenant),
	    starting.request->key, start_add, &starting);
	if (starting.many.n_runs == 0) {
		event_next(call, arena);
		return;
	}
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START_MANY;
	envelope.run_start_many = &starting.many;
	call_ask(call, &envelope, &options, arena, on_begun);
}

static void
on_pushed(struct call *call, const struct answer *answer)
{
	if (call_failed(call, answer))
		return;
	const Froe__EventPushed *pushed = (const void *)answer->message;
	buf_push(&call->kept, &pushed->number, sizeof(pushed->number));
	event_start(call, pushed->number, answer->arena);
}

static void
push_loaded(struct call *call, struct arena *arena)
{
	event_ask(call, event_of(call, arena), arena, on_pushed);
}

void
push_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	(void)message;
	trigger_load(call, arena, push_loaded);
}

/* ----------------------------------------------------------------------------------- many */

static void
reply_all(struct call *call, const Hatchet__BulkPushEventRequest *request, struct arena *arena)
{
	Hatchet__Events all = HATCHET__EVENTS__INIT;
	Hatchet__Event *events = arena_alloc(arena, (request->n_events + 1) * sizeof(*events));
	all.events = arena_alloc(arena, (request->n_events + 1) * sizeof(*all.events));
	froe_assert(events != NULL && all.events != NULL);
	for (size_t i = 0; i < request->n_events; i++) {
		event_fill(call, request->events[i],
		    le64_load(buf_bytes(&call->kept).data + i * sizeof(uint64_t)), &events[i],
		    arena);
		all.events[i] = &events[i];
	}
	all.n_events = request->n_events;
	call_reply(call, &all.base);
}

static void
event_next(struct call *call, struct arena *arena)
{
	Hatchet__Event event;
	if (call->unary->request == &hatchet__push_event_request__descriptor) {
		event_fill(call, event_of(call, arena), le64_load(buf_bytes(&call->kept).data),
		    &event, arena);
		call_reply(call, &event.base);
		return;
	}
	const Hatchet__BulkPushEventRequest *request = request_again(call, arena);
	if (++call->at < request->n_events)
		event_ask(call, request->events[call->at], arena, on_pushed);
	else
		reply_all(call, request, arena);
}

void
bulk_push_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__BulkPushEventRequest *request = (const void *)message;
	if (request->n_events > EVENTS_MAX)
		call_refuse(call, FROE_INVALID_ARGUMENT, "events",
		    "%zu events: push at most %u at a time", request->n_events, EVENTS_MAX);
	else if (request->n_events == 0)
		reply_all(call, request, arena);
	else
		trigger_load(call, arena, push_loaded);
}
