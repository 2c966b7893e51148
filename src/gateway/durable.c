/*
 * gateway/durable:
 *
 *   open, message   a seat says hello with the call's token; messages wait until it is open
 *   a step          stride.c: one question of the shard, or one a run that is to be started
 *   a result        outcome.c: when the shard tells it, or when the worker says that it still waits
 *   an eviction     the lease ends; the task comes back, as another invocation, when there is more
 *                   than its handler has seen
 *   close           what is known of the invocations is kept: the worker opens another stream
 *
 * After a restart of the server nobody knows how far an invocation had come. It is told that it is
 * evicted, and begins anew from the task's log.
 */
#include "gateway/durable.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/guest.h"
#include "gateway/method.h"
#include "gateway/parcel.h"
#include "gateway/text.h"

/* Questions under way: more of what a worker still waits for is looked at when it says so again. */
#define QUERIES_MAX 4096u
/* What has been sent may be on its way for so long. */
#define REPEAT_NS UINT64_C(2000000000)

/* -------------------------------------------------------------------------------- queries */

struct query *
query_new(struct durable *stream, const struct named *named, uint32_t node)
{
	struct query *query = mem_zalloc(sizeof(*query));
	query->stream = stream;
	query->task = named->task;
	query->said = named->said;
	query->invocation = named->invocation;
	query->node = node;
	list_push(&stream->queries, &query->link);
	stream->query_count++;
	return query;
}

void
query_free(struct query *query)
{
	list_remove(&query->link);
	query->stream->query_count--;
	mem_free(query->runs);
	mem_free(query);
}

struct course *
query_course(const struct query *query)
{
	struct course *course = course_find(query->stream->gateway, query->task);
	return course != NULL && course->invocation == query->invocation ? course : NULL;
}

bool
query_ask(struct query *query, Froe__Envelope *envelope, struct ask_options *options,
    struct arena *arena, struct froe_fault *fault)
{
	struct seat *seat = &query->stream->seat;
	options->owner = query;
	options->holder = true;
	if (envelope->body_case == FROE__ENVELOPE__BODY_DURABLE_STEP)
		envelope->durable_step->lease = query->invocation;
	if (envelope->body_case == FROE__ENVELOPE__BODY_TASK_EVICT)
		envelope->task_evict->lease = query->invocation;
	return seat_ask(seat, envelope, options, arena, NULL, fault) == FROE_OK;
}

/* -------------------------------------------------------------------------------- sending */

void
durable_send(struct durable *stream, const Hatchet__DurableTaskResponse *response)
{
	if (stream->grpc == NULL)
		return;
	parcel_push(&stream->parcels, &response->base, 0);
	parcels_send(&stream->parcels, stream->grpc);
}

Hatchet__DurableEventLogEntryRef *
durable_ref(const struct named *named, uint32_t node, struct arena *arena)
{
	Hatchet__DurableEventLogEntryRef *ref = arena_alloc(arena, sizeof(*ref));
	froe_assert(ref != NULL);
	hatchet__durable_event_log_entry_ref__init(ref);
	ref->durable_task_external_id = text_uuid(arena, named->said);
	ref->has_invocation_count = ref->has_branch_id = ref->has_node_id = true;
	ref->invocation_count = (int32_t)named->invocation;
	ref->branch_id = DURABLE_BRANCH;
	ref->node_id = node;
	return ref;
}

static void
send_overtaken(struct durable *stream, const struct named *named, const char *reason)
{
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskServerEvictNotice notice =
	    HATCHET__DURABLE_TASK_SERVER_EVICT_NOTICE__INIT;
	struct arena arena;
	arena_init(&arena, 0);
	notice.durable_task_external_id = text_uuid(&arena, named->said);
	notice.has_invocation_count = true;
	notice.invocation_count = (int32_t)named->invocation;
	notice.reason = text_copy(&arena, bytes_text(reason));
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_SERVER_EVICT;
	response.server_evict = &notice;
	durable_send(stream, &response);
	arena_release(&arena);
}

/* Its lease is over, if it is the one that the message was about. */
static void
lease_over(struct gateway *gateway, const struct named *named)
{
	struct lease *lease = lease_find(gateway, named->task);
	if (lease != NULL && lease->lease == named->invocation)
		lease_free(gateway, lease);
}

void
durable_fail(struct durable *stream, const struct named *named, uint32_t node,
    const struct froe_fault *fault)
{
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskErrorResponse error = HATCHET__DURABLE_TASK_ERROR_RESPONSE__INIT;
	struct arena arena;
	if (fault->code == FROE_LEASE_LAPSED) {
		send_overtaken(stream, named, fault->text);
		return;
	}
	arena_init(&arena, 0);
	error.ref = durable_ref(named, node, &arena);
	error.has_error_type = true;
	error.error_type = HATCHET__DURABLE_TASK_ERROR_TYPE__DURABLE_ERROR_UNSPECIFIED;
	if (fault->code == FROE_NONDETERMINISM)
		error.error_type = HATCHET__DURABLE_TASK_ERROR_TYPE__DURABLE_ERROR_NONDETERMINISM;
	error.error_message = text_copy(&arena, bytes_text(fault->text));
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_ERROR;
	response.error = &error;
	durable_send(stream, &response);
	arena_release(&arena);
}

/* ------------------------------------------------------------------------------- eviction */

static void
send_evicted(struct durable *stream, const struct named *named, struct arena *arena)
{
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskEvictionAckResponse ack =
	    HATCHET__DURABLE_TASK_EVICTION_ACK_RESPONSE__INIT;
	ack.has_invocation_count = true;
	ack.invocation_count = (int32_t)named->invocation;
	ack.durable_task_external_id = text_uuid(arena, named->said);
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_EVICTION_ACK;
	response.eviction_ack = &ack;
	durable_send(stream, &response);
}

/* Whoever has lost the lease already has what he wanted. */
static bool
on_evicted(struct ask *ask, const struct answer *answer)
{
	struct query *query = ask->owner;
	struct durable *stream = query->stream;
	struct named named = {query->task, query->said, query->invocation};
	struct froe_fault fault;
	bool fails = answer_fault(answer, &fault), lost = query->lost;
	query_free(query);
	if (!fails)
		lease_over(stream->gateway, &named);
	if (fails && fault.code != FROE_LEASE_LAPSED)
		durable_fail(stream, &named, 0, &fault);
	else if (lost)
		send_overtaken(stream, &named,
		    fails ? fault.text : "the server has been restarted: the task begins anew");
	else
		send_evicted(stream, &named, answer->arena);
	return true;
}

static void
evict(struct durable *stream, const struct named *named, bool lost, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskEvict ask = FROE__TASK_EVICT__INIT;
	struct ask_options options = {.answer = on_evicted};
	struct froe_fault fault;
	struct query *query = query_new(stream, named, 0);
	const struct course *course = query_course(query);
	query->lost = lost;
	ask.has_task = ask.has_lease = ask.has_results = true;
	ask.task = text_id_bytes(arena, named->task);
	ask.results = course != NULL ? course_results(course) : 0;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_EVICT;
	envelope.task_evict = &ask;
	if (query_ask(query, &envelope, &options, arena, &fault))
		return;
	query_free(query);
	durable_fail(stream, named, 0, &fault);
}

void
durable_lose(struct durable *stream, const struct named *named, struct arena *arena)
{
	struct list *at;
	list_for_each(at, &stream->queries) {
		const struct query *query = container_of(at, struct query, link);
		if (query->lost && query->invocation == named->invocation &&
		    uuid_equal(query->task, named->task))
			return; /* it is being dealt with */
	}
	evict(stream, named, /* lost= */ true, arena);
}

/* --------------------------------------------------------------------------- which course */

/* False: it is no task's id, which ends the stream. */
static bool
named_take(struct durable *stream, const char *text, int32_t invocation, struct named *named)
{
	uint32_t number;
	if (!text_id(text, &named->said)) {
		grpc_finish(stream->grpc, GRPC_INVALID_ARGUMENT,
		    "durable_task_external_id is not a UUID", bytes_of(NULL, 0));
		return false;
	}
	if (invocation <= 0) {
		grpc_finish(stream->grpc, GRPC_INVALID_ARGUMENT,
		    "invocation_count: give that of the action", bytes_of(NULL, 0));
		return false;
	}
	uuid_run_of(named->said, &number);
	named->task = number != 0 ? named->said : uuid_task(named->said, 0);
	named->invocation = (uint32_t)invocation;
	return true;
}

/* NULL: the invocation is over, or has been lost, and is told so. */
static struct course *
course_of(struct durable *stream, const struct named *named, struct arena *arena)
{
	struct gateway *gateway = stream->gateway;
	struct course *course = course_find(gateway, named->task);
	const struct lease *lease = lease_find(gateway, named->task);
	bool held = lease != NULL && lease->lease == named->invocation &&
	    uuid_equal(lease->worker->tenant, stream->seat.tenant);
	if (held && (course == NULL || course->invocation != named->invocation))
		course = lease->adopted ? NULL
		                        : course_new(gateway, named->task, stream->seat.tenant,
		                              named->invocation);
	if (!held || course == NULL) {
		durable_lose(stream, named, arena);
		return NULL;
	}
	course->said = named->said;
	course_attach(course, stream, &stream->courses);
	return course;
}

/* ------------------------------------------------------------------------------- messages */

static void
take_register(struct durable *stream, Hatchet__DurableTaskRequestRegisterWorker *request)
{
	Hatchet__DurableTaskResponse response = HATCHET__DURABLE_TASK_RESPONSE__INIT;
	Hatchet__DurableTaskResponseRegisterWorker ack =
	    HATCHET__DURABLE_TASK_RESPONSE_REGISTER_WORKER__INIT;
	struct uuid worker;
	if (!text_id(request->worker_id, &worker)) {
		grpc_finish(stream->grpc, GRPC_INVALID_ARGUMENT, "worker_id is not a UUID",
		    bytes_of(NULL, 0));
		return;
	}
	stream->registered = true;
	ack.worker_id = request->worker_id;
	response.message_case = HATCHET__DURABLE_TASK_RESPONSE__MESSAGE_REGISTER_WORKER;
	response.register_worker = &ack;
	durable_send(stream, &response);
}

static void
fail_entry(struct durable *stream, const struct named *named, int64_t node)
{
	struct froe_fault fault;
	FROE_DROP(fault_set_field(&fault, FROE_INVALID_ARGUMENT, "node_id",
	              "node_id: the invocation has taken no such step"), "it is sent");
	durable_fail(stream, named, (uint32_t)node, &fault);
}

static void
status_entry(struct course *course, struct entry *entry, uint64_t now_ns, struct arena *arena)
{
	entry->waited = true;
	if (entry->state == ENTRY_UNKNOWN)
		outcome_ask(course, entry, arena);
	else if (entry->state == ENTRY_SENT && now_ns - entry->since_ns > REPEAT_NS)
		outcome_repeat(course, entry, arena);
	else if (entry->state == ENTRY_READY)
		outcome_pump(course);
}

static void
take_status(struct durable *stream, const Hatchet__DurableTaskWorkerStatusRequest *request,
    struct arena *arena)
{
	uint64_t now_ns = gateway_now_ns(stream->gateway);
	for (size_t i = 0; i < request->n_waiting_entries; i++) {
		const Hatchet__DurableTaskAwaitedCompletedEntry *from =
		    request->waiting_entries[i];
		struct named named;
		if (stream->query_count >= QUERIES_MAX || grpc_finished(stream->grpc) ||
		    !named_take(stream, from->durable_task_external_id, from->invocation_count,
		        &named))
			return;
		struct course *course = course_of(stream, &named, arena);
		if (course == NULL)
			continue;
		struct entry *entry = course_entry(course, (uint64_t)from->node_id);
		if (entry != NULL)
			status_entry(course, entry, now_ns, arena);
		else
			fail_entry(stream, &named, from->node_id);
	}
}

static void
take_complete(struct durable *stream, const Hatchet__DurableTaskCompleteMemoRequest *request,
    struct arena *arena)
{
	const Hatchet__DurableEventLogEntryRef *ref = request->ref;
	struct named named;
	if (!named_take(stream, ref != NULL ? ref->durable_task_external_id : NULL,
	        ref != NULL ? ref->invocation_count : 0, &named))
		return;
	struct course *course = course_of(stream, &named, arena);
	if (course == NULL)
		return;
	const struct entry *entry = course_entry(course, (uint64_t)ref->node_id);
	if (entry != NULL && entry->kind == ENTRY_MEMO)
		stride_complete(course, (uint64_t)ref->node_id, request, arena);
	else
		fail_entry(stream, &named, ref->node_id);
}

static void
take_evict(struct durable *stream, const Hatchet__DurableTaskEvictInvocationRequest *request,
    struct arena *arena)
{
	struct named named;
	if (named_take(stream, request->durable_task_external_id, request->invocation_count,
	        &named))
		evict(stream, &named, /* lost= */ false, arena);
}

/* Whose step it is; NULL: nobody's, who has been told. */
static struct course *
take_course(struct durable *stream, const char *task, int32_t invocation, struct arena *arena)
{
	struct named named;
	if (!named_take(stream, task, invocation, &named))
		return NULL;
	return course_of(stream, &named, arena);
}

static void
take_memo(struct durable *stream, const Hatchet__DurableTaskMemoRequest *request,
    struct arena *arena)
{
	struct course *course = take_course(
	    stream, request->durable_task_external_id, request->invocation_count, arena);
	if (course != NULL)
		stride_memo(course, request, arena);
}

static void
take_runs(struct durable *stream, const Hatchet__DurableTaskTriggerRunsRequest *request,
    struct arena *arena)
{
	struct course *course = take_course(
	    stream, request->durable_task_external_id, request->invocation_count, arena);
	if (course != NULL)
		stride_runs(course, request, arena);
}

static void
take_wait(struct durable *stream, const Hatchet__DurableTaskWaitForRequest *request,
    struct arena *arena)
{
	struct course *course = take_course(
	    stream, request->durable_task_external_id, request->invocation_count, arena);
	if (course != NULL)
		stride_wait(course, request, arena);
}

static void
take(struct durable *stream, const Hatchet__DurableTaskRequest *request, struct arena *arena)
{
	bool registers =
	    request->message_case == HATCHET__DURABLE_TASK_REQUEST__MESSAGE_REGISTER_WORKER;
	if (!stream->registered && !registers) {
		grpc_finish(stream->grpc, GRPC_FAILED_PRECONDITION,
		    "the first message is register_worker", bytes_of(NULL, 0));
		return;
	}
	switch (request->message_case) {
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_REGISTER_WORKER:
		take_register(stream, request->register_worker);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_MEMO:
		take_memo(stream, request->memo, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_TRIGGER_RUNS:
		take_runs(stream, request->trigger_runs, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_WAIT_FOR:
		take_wait(stream, request->wait_for, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_EVICT_INVOCATION:
		take_evict(stream, request->evict_invocation, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_WORKER_STATUS:
		take_status(stream, request->worker_status, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE_COMPLETE_MEMO:
		take_complete(stream, request->complete_memo, arena);
		return;
	case HATCHET__DURABLE_TASK_REQUEST__MESSAGE__NOT_SET:
	case _HATCHET__DURABLE_TASK_REQUEST__MESSAGE__CASE_IS_INT_SIZE:
		break;
	}
	grpc_finish(stream->grpc, GRPC_INVALID_ARGUMENT,
	    "the message is none that this server knows", bytes_of(NULL, 0));
}

static void
take_bytes(struct durable *stream, struct bytes message)
{
	struct arena arena;
	if (stream->grpc == NULL || grpc_finished(stream->grpc))
		return;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__DurableTaskRequest *request = (const void *)wire_unpack(
	    &hatchet__durable_task_request__descriptor, message, &arena);
	if (request != NULL)
		take(stream, request, &arena);
	else
		grpc_finish(stream->grpc, GRPC_INVALID_ARGUMENT,
		    "the message is no DurableTaskRequest", bytes_of(NULL, 0));
	arena_release(&arena);
}

/* --------------------------------------------------------------------------------- stream */

static void
durable_free(struct durable *stream)
{
	struct list *node;
	while ((node = list_pop(&stream->queries)) != NULL) {
		struct query *query = container_of(node, struct query, link);
		mem_free(query->runs);
		mem_free(query);
	}
	parcels_free(&stream->early);
	parcels_free(&stream->parcels);
	mem_free(stream);
}

static void
on_opened(struct seat *seat)
{
	struct durable *stream = (struct durable *)(void *)seat;
	if (seat->state == SEAT_REFUSED) {
		stream_fail(stream->grpc, &seat->fault);
		seat_close(seat);
		return;
	}
	if (stream->grpc != NULL)
		grpc_api_know(grpc_api_of(stream->grpc));
	while (!list_empty(&stream->early)) {
		struct parcel *parcel = container_of(stream->early.next, struct parcel, link);
		take_bytes(stream, buf_bytes(&parcel->packed));
		parcel_free(parcel);
	}
}

static void
on_gone(struct seat *seat)
{
	struct durable *stream = (struct durable *)(void *)seat;
	stream->seated = false;
	if (stream->grpc == NULL)
		durable_free(stream);
}

void
durable_open(struct grpc_call *grpc)
{
	struct durable *stream = mem_zalloc(sizeof(*stream));
	stream->gateway = gateway_of(grpc);
	stream->grpc = grpc;
	list_init(&stream->courses);
	list_init(&stream->queries);
	list_init(&stream->early);
	list_init(&stream->parcels);
	stream->seat.opened = on_opened;
	stream->seat.gone = on_gone;
	grpc_call_set_context(grpc, stream);
	stream->seated = seat_open(&stream->seat, &stream->gateway->seats, session_token(grpc),
	    grpc_api_peer(grpc_api_of(grpc)));
	if (stream->seated)
		grpc_begin(grpc);
	else
		stream_full(grpc);
}

/* Whoever does not read what he is told is not listened to. */
enum grpc_taken
durable_message(struct grpc_call *grpc, struct bytes message)
{
	struct durable *stream = grpc_call_context(grpc);
	if (!stream->seated || stream->seat.state > SEAT_OPEN)
		return GRPC_TAKEN;
	if (stream->query_count >= QUERIES_MAX || !list_empty(&stream->parcels))
		return GRPC_LATER;
	if (stream->seat.state == SEAT_OPEN)
		take_bytes(stream, message);
	else
		parcel_keep(&stream->early, message);
	return GRPC_TAKEN;
}

/* It takes no more steps; what it waits for still comes. */
void
durable_half_close(struct grpc_call *grpc)
{
	(void)grpc;
}

void
durable_writable(struct grpc_call *grpc)
{
	struct durable *stream = grpc_call_context(grpc);
	struct list *at, *next;
	parcels_send(&stream->parcels, stream->grpc);
	for (at = stream->courses.next; at != &stream->courses; at = next) {
		next = at->next;
		if (list_empty(&stream->parcels))
			outcome_pump(container_of(at, struct course, link));
	}
}

void
durable_end(struct grpc_call *grpc, enum grpc_end end)
{
	struct durable *stream = grpc_call_context(grpc);
	(void)end;
	stream->grpc = NULL;
	while (!list_empty(&stream->courses))
		course_detach(container_of(stream->courses.next, struct course, link));
	if (stream->seated)
		seat_close(&stream->seat);
	else
		durable_free(stream);
}
