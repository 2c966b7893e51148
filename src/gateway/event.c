/*
 * gateway/event: events are pushed. Those of a bulk go one after the other, so that they have an
 * order; the call is answered when all are durable.
 */
#include "gateway/method.h"

#include "api/alias.h"
#include "api/wire.h"
#include "gateway/text.h"

#include <stdio.h>

#define EVENTS_MAX 1000u

/* By its number, so that it is the same wherever it is asked for. */
static char *
event_id(const struct call *call, uint64_t number, struct arena *arena)
{
	char name[32];
	int size = snprintf(name, sizeof(name), "event %llu", (unsigned long long)number);
	return text_uuid(
	    arena, alias_label(call->session->seat.tenant, bytes_of(name, (size_t)size)));
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

/* False: the call is refused. */
static bool
event_ask(struct call *call, const Hatchet__PushEventRequest *request, struct arena *arena,
    call_then *then)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	if (text_given(request->scope)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "scope",
		    "this server does not have scopes of events yet: leave it out");
		return false;
	}
	if (!text_metadata(arena, request->additional_metadata, &push.metadata, &push.n_metadata)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "additional_metadata",
		    "additional_metadata is not a JSON object");
		return false;
	}
	push.key = request->key;
	push.has_payload = text_given(request->payload);
	if (push.has_payload)
		push.payload = (ProtobufCBinaryData){
		    strlen(request->payload), (uint8_t *)request->payload};
	envelope.body_case = FROE__ENVELOPE__BODY_EVENT_PUSH;
	envelope.event_push = &push;
	call_ask(call, &envelope, NULL, arena, then);
	return true;
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

static void
on_pushed(struct call *call, const struct answer *answer)
{
	Hatchet__Event event;
	if (call_failed(call, answer))
		return;
	const Froe__EventPushed *pushed = (const void *)answer->message;
	event_fill(call, request_again(call, answer->arena), pushed->number, &event,
	    answer->arena);
	call_reply(call, &event.base);
}

void
push_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	event_ask(call, (const void *)message, arena, on_pushed);
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
on_pushed_many(struct call *call, const struct answer *answer)
{
	if (call_failed(call, answer))
		return;
	const Froe__EventPushed *pushed = (const void *)answer->message;
	const Hatchet__BulkPushEventRequest *request = request_again(call, answer->arena);
	buf_push(&call->kept, &pushed->number, sizeof(pushed->number));
	if (++call->at < request->n_events)
		event_ask(call, request->events[call->at], answer->arena, on_pushed_many);
	else
		reply_all(call, request, answer->arena);
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
		event_ask(call, request->events[0], arena, on_pushed_many);
}
