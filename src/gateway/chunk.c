#include "gateway/chunk.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/linger.h"
#include "gateway/method.h"
#include "gateway/text.h"

/* A predecessor that has not come by then has been lost. */
#define HELD_NS UINT64_C(1000000000)
#define IDLE_NS UINT64_C(60000000000)

/* One attempt's chunks. */
struct strand {
	struct list link;  /* of the gateway */
	struct uuid task;
	int64_t next;      /* the index that is to come */
	struct list calls; /* of struct call, by `held`, in the order of `index` */
	uint64_t used_ns;
};

static void
strand_free(struct gateway *gateway, struct strand *strand)
{
	froe_assert(list_empty(&strand->calls));
	map_remove_uuid(&gateway->strands, strand->task);
	list_remove(&strand->link);
	mem_free(strand);
}

/* ----------------------------------------------------------------------------------- one */

static void
on_chunk(struct call *call, const struct answer *answer)
{
	Hatchet__PutStreamEventResponse response = HATCHET__PUT_STREAM_EVENT_RESPONSE__INIT;
	struct froe_fault fault;
	bool late = answer_fault(answer, &fault) &&
	    (fault.code == FROE_LEASE_LAPSED || fault.code == FROE_NOT_FOUND);
	if (late || !call_failed(call, answer))
		call_reply(call, &response.base);
}

static void
chunk_send(struct call *call, const Hatchet__PutStreamEventRequest *request, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskStream stream = FROE__TASK_STREAM__INIT;
	struct ask_options options = {.holder = true};
	stream.has_task = stream.has_lease = stream.has_data = true;
	stream.task = text_id_bytes(arena, call->id);
	stream.lease = UINT64_MAX;
	stream.data = request->message;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_STREAM;
	envelope.task_stream = &stream;
	call_ask(call, &envelope, &options, arena, on_chunk);
}

/* ---------------------------------------------------------------------------------- held */

static void
strand_hold(struct strand *strand, struct call *call, int64_t index, uint64_t now_ns)
{
	struct list *at = strand->calls.prev;
	call->index = index;
	call->held_ns = now_ns;
	while (at != &strand->calls && container_of(at, struct call, held)->index > index)
		at = at->prev;
	list_push_front(at, &call->held);
}

/* Its predecessors are there, or are not waited for any more. */
static void
strand_give(struct strand *strand)
{
	struct arena arena;
	struct call *call = container_of(list_pop(&strand->calls), struct call, held);
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__PutStreamEventRequest *request = (const void *)wire_unpack(
	    call->unary->request, buf_bytes(&call->message), &arena);
	froe_assert(request != NULL);
	strand->next = call->index + 1;
	chunk_send(call, request, &arena);
	arena_release(&arena);
}

static void
strand_follow(struct strand *strand)
{
	while (!list_empty(&strand->calls) &&
	    container_of(strand->calls.next, struct call, held)->index <= strand->next)
		strand_give(strand);
}

static void
strand_flush(struct strand *strand)
{
	while (!list_empty(&strand->calls))
		strand_give(strand);
}

static struct strand *
strand_of(struct gateway *gateway, struct uuid task, uint64_t now_ns)
{
	struct strand *strand = map_get_uuid(&gateway->strands, task);
	if (strand == NULL) {
		strand = mem_zalloc(sizeof(*strand));
		strand->task = task;
		list_init(&strand->calls);
		list_push(&gateway->strand_list, &strand->link);
		map_put_uuid(&gateway->strands, task, strand);
	}
	strand->used_ns = now_ns;
	return strand;
}

void
put_stream_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__PutStreamEventRequest *request = (const void *)message;
	Hatchet__PutStreamEventResponse response = HATCHET__PUT_STREAM_EVENT_RESPONSE__INIT;
	uint64_t now_ns = gateway_now_ns(call->gateway);
	if (!task_take(call, request->task_run_external_id))
		return;
	linger_talks(call);
	if (request->message.len == 0) {
		call_reply(call, &response.base); /* nothing was said */
		return;
	}
	if (!request->has_event_index) {
		chunk_send(call, request, arena);
		return;
	}
	struct strand *strand = strand_of(call->gateway, call->id, now_ns);
	if (request->event_index < strand->next) { /* another attempt, which begins anew */
		strand_flush(strand);
		strand->next = 0;
	}
	strand_hold(strand, call, request->event_index, now_ns);
	strand_follow(strand);
}

void
chunk_flush(struct gateway *gateway, struct uuid task)
{
	struct strand *strand = map_get_uuid(&gateway->strands, task);
	if (strand == NULL)
		return;
	strand_flush(strand);
	strand_free(gateway, strand);
}

/* ---------------------------------------------------------------------------------- time */

void
chunk_turn(struct gateway *gateway, uint64_t now_ns)
{
	struct list *at, *next;
	for (at = gateway->strand_list.next; at != &gateway->strand_list; at = next) {
		struct strand *strand = container_of(at, struct strand, link);
		next = at->next;
		while (!list_empty(&strand->calls) &&
		    now_ns - container_of(strand->calls.next, struct call, held)->held_ns >=
		        HELD_NS) {
			strand_give(strand);
			strand_follow(strand);
		}
		if (list_empty(&strand->calls) && now_ns - strand->used_ns > IDLE_NS)
			strand_free(gateway, strand);
	}
}

uint64_t
chunk_due_ns(const struct gateway *gateway)
{
	uint64_t due_ns = UINT64_MAX;
	struct list *at;
	list_for_each(at, &gateway->strand_list) {
		const struct strand *strand = container_of(at, struct strand, link);
		if (list_empty(&strand->calls))
			continue;
		uint64_t held_ns = container_of(strand->calls.next, struct call, held)->held_ns;
		due_ns = held_ns + HELD_NS < due_ns ? held_ns + HELD_NS : due_ns;
	}
	return due_ns;
}

/* Their calls are gone. */
void
chunk_release_all(struct gateway *gateway)
{
	while (!list_empty(&gateway->strand_list)) {
		struct strand *strand =
		    container_of(gateway->strand_list.next, struct strand, link);
		list_init(&strand->calls);
		strand_free(gateway, strand);
	}
}
