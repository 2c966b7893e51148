/*
 * server/hub_push: what is sent unasked: dispatches, revocations, watched runs.
 *
 * A push is a reference until it is sent. When its frame is durable it goes to the end of its
 * connection's list; hub_push_pump() builds the message at the head, and sends it if the
 * connection's window takes it. Bytes that have left memory are read from the log first, while
 * the connection's other pushes go on: for a dispatch the engine is then asked again
 * (ENG_CMD_TASK_PROVIDE), because the lease may have ended meanwhile. A revocation goes at once: a
 * dispatch of that lease that still waits is not sent any more, since its fence is not current.
 */
#include "server/hub_int.h"

#include "api/envelope.h"
#include "base/mem.h"
#include "server/record.h"

struct hub_push *
hub_push_new(enum hub_push_kind kind, uint64_t conn)
{
	struct hub_push *push = mem_zalloc(sizeof(*push));
	push->kind = kind;
	push->conn = conn;
	return push;
}

static void
load_free(struct hub_load *load)
{
	for (uint32_t i = 0; i < load->count; i++)
		mem_free((void *)(uintptr_t)load->records[i].body.data);
	list_remove(&load->link);
	mem_free(load);
}

void
hub_push_free(struct hub_push *push)
{
	if (push->load != NULL)
		load_free(push->load);
	mem_free(push->error);
	mem_free(push->parts);
	mem_free((void *)(uintptr_t)push->packed.data);
	mem_free(push);
}

/* ------------------------------------------------------------------------------------- loading */

/* A record of the push's run, if it is in memory, or was loaded for this push. */
static bool
push_record(struct hub *hub, const struct hub_push *push, uint32_t record,
    struct resolver_record *ret_record)
{
	for (uint32_t i = 0; push->load != NULL && i < push->load->count; i++) {
		const struct hub_load_record *row = &push->load->records[i];
		if (row->record == record) {
			*ret_record = (struct resolver_record){
			    .type = row->type,
			    .time_ns = row->time_ns,
			    .body = row->body,
			};
			return true;
		}
	}
	return resolver_record(hub->shard->resolver, push->run, record, ret_record);
}

static bool
push_body(struct hub *hub, const struct hub_push *push, uint32_t record, struct bytes *ret_body)
{
	struct resolver_record found;
	if (!push_record(hub, push, record, &found))
		return false;
	*ret_body = found.body;
	return true;
}

static void
load_read_done(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct hub_load_record *row = container_of(read, struct hub_load_record, read);
	struct hub_load *load = row->load;
	if (err == FROE_OK) {
		row->type = record->type;
		row->time_ns = record->time_ns;
		row->body = bytes_of(mem_copy(record->body.data, record->body.size),
		    record->body.size);
	} else {
		load->err = err;
	}
	if (--load->missing > 0)
		return;
	list_remove(&load->link);
	list_push(&load->hub->loaded, &load->link);
}

/* Reads the records. The push is in no list until they are there: it belongs to the load. */
static void
load_start(struct hub *hub, struct hub_push *push, const uint32_t *records, uint32_t count)
{
	struct hub_load *load = mem_zalloc(sizeof(*load) + count * sizeof(load->records[0]));
	froe_assert(push->load == NULL);
	push->load = load;
	load->hub = hub;
	load->push = push;
	load->count = count;
	load->missing = count;
	list_push(&hub->loading, &load->link);
	hub->stats.needs += count;
	for (uint32_t i = 0; i < count; i++) {
		load->records[i].load = load;
		load->records[i].record = records[i];
	}
	for (uint32_t i = 0; i < count; i++) {
		struct log_read *read = &load->records[i].read;
		struct log_place place;
		if (resolver_place(hub->shard->resolver, push->run, records[i], &place))
			log_read_start(hub->shard->log, read, place, push->run, records[i],
			    load_read_done);
		else
			load_read_done(read, FROE_NOT_FOUND, NULL);
	}
}

#define UNREADABLE "froe cannot read what the task needs from its log"

/* The attempt cannot begin, or go on: what it needs is not readable. Said once, as a failure. */
static void
dispatch_unreadable(struct hub *hub, const struct hub_push *push, const struct eng_dispatch *view)
{
	struct eng_command command = {
	    .type = ENG_CMD_TASK_FAIL,
	    .task =
	        {
	            .worker.v = view->worker,
	            .fence = {.task = view->task, .lease = push->lease},
	            .bytes = bytes_text(UNREADABLE),
	            .fatal = true,
	        },
	};
	FROE_DROP(shard_step(hub->shard, &command), "the fence was current a moment ago");
}

/* A dispatch's bytes have come: the engine is asked again, and answers with the same dispatch, to
 * the connection that its worker has now. */
static void
dispatch_provide(struct hub *hub, struct hub_push *push)
{
	struct eng_dispatch view;
	if (!eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &view)) {
		hub_push_free(push);
		return;
	}
	if (push->load->err != FROE_OK) {
		dispatch_unreadable(hub, push, &view);
		hub_push_free(push);
		return;
	}
	struct eng_command command = {
	    .type = ENG_CMD_TASK_PROVIDE,
	    .task =
	        {
	            .worker.v = view.worker,
	            .fence = {.task = view.task, .lease = push->lease},
	        },
	};
	hub->providing = push;
	FROE_DROP(shard_step(hub->shard, &command), "it has an effect, no event");
	hub->providing = NULL;
	hub_push_free(push); /* its bytes have gone on to the new one */
}

/* A closed run's records may have gone on to the index: then its lease is over, too. */
static void
node_unreadable(struct hub *hub, const struct hub_push *push)
{
	struct eng_origin origin = {.conn = push->conn, .request = push->request};
	struct eng_dispatch view;
	bool current = eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	    hub->shard->clock.now_ns, &view);
	if (current)
		dispatch_unreadable(hub, push, &view);
	if (push->request != 0)
		hub_queue_error(hub, &origin, current ? FROE_IO : FROE_LEASE_LAPSED, "lease",
		    current ? UNREADABLE : "this worker does not hold this lease any more");
}

bool
hub_push_loaded(struct hub *hub)
{
	struct eng_command worst = {
	    .type = ENG_CMD_TASK_FAIL,
	    .task.bytes = bytes_text(UNREADABLE),
	};
	while (!list_empty(&hub->loaded)) {
		if (!shard_has_room(hub->shard, &worst))
			return false;
		struct hub_load *load = container_of(list_pop(&hub->loaded), struct hub_load, link);
		struct hub_push *push = load->push;
		struct hub_conn *conn = hub_conn_find(hub, push->conn);
		if (push->kind == HUB_PUSH_DISPATCH) {
			dispatch_provide(hub, push);
		} else if (conn == NULL) {
			hub_push_free(push);
		} else if (push->gone) {
			hub_push_drop(hub, conn, push);
		} else if (load->err != FROE_OK && push->kind == HUB_PUSH_NODE) {
			node_unreadable(hub, push);
			hub_push_drop(hub, conn, push);
		} else if (load->err == FROE_NOT_FOUND &&
		    hub_watch_refused(conn, push->request) == NULL) {
			/* The run's places have gone on to the index meanwhile. */
			hub_watch_ended(hub, conn, push->request, push->id);
			hub_push_drop(hub, conn, push);
		} else {
			list_push_front(&conn->pushes, &push->link);
			hub_push_pump(hub, conn);
		}
	}
	return true;
}

void
hub_push_release_all(struct hub *hub)
{
	while (!list_empty(&hub->loading))
		hub_push_free(container_of(hub->loading.next, struct hub_load, link)->push);
	while (!list_empty(&hub->loaded))
		hub_push_free(container_of(hub->loaded.next, struct hub_load, link)->push);
}

/* ------------------------------------------------------------------------------------ building */

enum built {
	BUILT,  /* the effect is there */
	GONE,   /* there is nothing to send any more */
	LOADING /* its bytes are being read; the push is no longer in the list */
};

/* All records the push needs are in memory, or their loading begins. */
static bool
push_require(struct hub *hub, struct hub_push *push, const uint32_t *records, uint32_t count)
{
	uint32_t missing[FROE_WORKFLOW_TASKS_MAX + 1], missing_count = 0;
	struct bytes body;
	for (uint32_t i = 0; i < count; i++) {
		if (!push_body(hub, push, records[i], &body))
			missing[missing_count++] = records[i];
	}
	if (missing_count == 0)
		return true;
	list_remove(&push->link);
	/* What was loaded for it before is loaded again: rare, and simpler than to merge. */
	if (push->load != NULL) {
		load_free(push->load);
		push->load = NULL;
		memcpy(missing, records, count * sizeof(records[0]));
		missing_count = count;
	}
	load_start(hub, push, missing, missing_count);
	return false;
}

/* What the record takes of a message, at most; 0: it is not known. */
static size_t
record_size(const struct hub *hub, const struct hub_push *push, uint32_t record)
{
	struct log_place place;
	if (!resolver_place(hub->shard->resolver, push->run, record, &place))
		return 0;
	return place.size - LOG_RECORD_HEADER_BYTES;
}

static ProtobufCBinaryData
binary(struct bytes bytes)
{
	return (ProtobufCBinaryData){bytes.size, (uint8_t *)(uintptr_t)bytes.data};
}

/* Which records travel with a dispatch: its input, then parents and errors as far as they fit. */
struct dispatch_plan {
	struct eng_dispatch view;
	uint32_t records[FROE_WORKFLOW_TASKS_MAX + 1];
	uint32_t count;
	bool fits[FROE_WORKFLOW_TASKS_MAX]; /* by ref */
};

static bool
dispatch_plan(struct hub *hub, const struct hub_push *push, struct dispatch_plan *plan)
{
	if (!eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &plan->view))
		return false;
	size_t used = record_size(hub, push, plan->view.input);
	plan->records[0] = plan->view.input;
	plan->count = 1;
	froe_assert(plan->view.ref_count <= FROE_WORKFLOW_TASKS_MAX);
	for (uint32_t i = 0; i < plan->view.ref_count; i++) {
		uint32_t record = plan->view.refs[i].record;
		size_t size = record != 0 ? record_size(hub, push, record) : 0;
		plan->fits[i] = record != 0 && used + size <= HUB_DISPATCH_BYTES_MAX;
		if (!plan->fits[i])
			continue;
		plan->records[plan->count++] = record;
		used += size;
	}
	return true;
}

static Froe__ParentOutput *
dispatch_parent(struct hub *hub, const struct hub_push *push, const struct eng_ref *ref, bool fits)
{
	Froe__ParentOutput *parent = arena_alloc(&hub->arena, sizeof(*parent));
	struct bytes body;
	froe__parent_output__init(parent);
	parent->task = hub_text(hub, ref->task);
	if (ref->skipped || ref->record == 0) {
		parent->has_skipped = parent->skipped = true;
	} else if (!fits) {
		parent->has_omitted = parent->omitted = true;
	} else {
		froe_assert(push_body(hub, push, ref->record, &body));
		parent->has_output = true;
		parent->output = binary(record_payload(body));
	}
	return parent;
}

static Froe__TaskError *
dispatch_error(struct hub *hub, const struct hub_push *push, const struct eng_ref *ref, bool fits)
{
	Froe__TaskError *error = arena_alloc(&hub->arena, sizeof(*error));
	struct bytes body;
	froe__task_error__init(error);
	error->task = hub_text(hub, ref->task);
	if (fits) {
		froe_assert(push_body(hub, push, ref->record, &body));
		error->error = hub_text(hub, record_text(body));
	}
	return error;
}

static void
dispatch_refs(struct hub *hub, const struct hub_push *push, const struct dispatch_plan *plan,
    Froe__Dispatch *dispatch)
{
	uint32_t count = plan->view.ref_count;
	dispatch->parents = arena_alloc(&hub->arena, count * sizeof(*dispatch->parents));
	dispatch->errors = arena_alloc(&hub->arena, count * sizeof(*dispatch->errors));
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_ref *ref = &plan->view.refs[i];
		if (ref->error)
			dispatch->errors[dispatch->n_errors++] =
			    dispatch_error(hub, push, ref, plan->fits[i]);
		else
			dispatch->parents[dispatch->n_parents++] =
			    dispatch_parent(hub, push, ref, plan->fits[i]);
	}
}

static void
dispatch_metadata(struct hub *hub, const struct eng_dispatch *view, Froe__Dispatch *dispatch)
{
	size_t count = view->metadata_count / 2;
	Froe__Pair *pairs = arena_alloc(&hub->arena, count * sizeof(*pairs));
	dispatch->metadata = arena_alloc(&hub->arena, count * sizeof(Froe__Pair *));
	dispatch->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = hub_text(hub, view->metadata[2 * i]);
		pairs[i].value = hub_text(hub, view->metadata[2 * i + 1]);
		dispatch->metadata[i] = &pairs[i];
	}
}

static void
dispatch_fill(struct hub *hub, const struct hub_push *push, const struct dispatch_plan *plan,
    Froe__Dispatch *dispatch)
{
	const struct eng_dispatch *view = &plan->view;
	struct bytes body;
	froe__dispatch__init(dispatch);
	dispatch->has_task = dispatch->has_lease = dispatch->has_attempt = true;
	dispatch->has_retries = dispatch->has_timeout_ms = dispatch->has_input = true;
	dispatch->has_run = dispatch->has_priority = true;
	dispatch->has_delivery = view->delivery != ENG_AT_LEAST_ONCE;
	dispatch->delivery = (Froe__Delivery)view->delivery;
	dispatch->task = (ProtobufCBinaryData){16, arena_copy(&hub->arena, view->task.bytes, 16)};
	dispatch->run = (ProtobufCBinaryData){16, arena_copy(&hub->arena, view->run.bytes, 16)};
	dispatch->lease = push->lease;
	dispatch->action = hub_text(hub, view->action);
	dispatch->workflow = hub_text(hub, view->workflow);
	dispatch->name = hub_text(hub, view->name);
	dispatch->attempt = view->attempt;
	dispatch->retries = view->retries;
	dispatch->timeout_ms = view->timeout_ns / 1000000;
	dispatch->priority = view->priority;
	dispatch->has_durable = dispatch->has_invocation = view->durable;
	dispatch->durable = view->durable;
	dispatch->invocation = view->invocation;
	froe_assert(push_body(hub, push, view->input, &body));
	dispatch->input = binary(record_payload(body));
	dispatch_refs(hub, push, plan, dispatch);
	dispatch_metadata(hub, view, dispatch);
}

static enum built
build_dispatch(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	struct dispatch_plan plan;
	effect->number = FROE__ENVELOPE__BODY_DISPATCH;
	if (!dispatch_plan(hub, push, &plan))
		return GONE;
	if (!push_require(hub, push, plan.records, plan.count))
		return LOADING;
	Froe__Dispatch *dispatch = arena_alloc(&hub->arena, sizeof(*dispatch));
	dispatch_fill(hub, push, &plan, dispatch);
	effect->message = &dispatch->base;
	return BUILT;
}

static Froe__RunEvent *
event_new(struct hub *hub, struct hub_push *push)
{
	Froe__RunEvent *event = arena_alloc(&hub->arena, sizeof(*event));
	froe__run_event__init(event);
	event->has_run = event->has_status = event->has_final = event->has_time_ns = true;
	event->run = (ProtobufCBinaryData){16, push->id.bytes};
	event->status = (Froe__RunStatus)push->status;
	event->time_ns = push->time_ns;
	event->final = push->kind == HUB_PUSH_CLOSED;
	return event;
}

static enum built
build_event(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	Froe__RunEvent *event = event_new(hub, push);
	if (push->name.size != 0)
		event->task = hub_text(hub, push->name);
	event->change = (char *)(uintptr_t)push->change;
	event->has_attempt = push->attempt != 0;
	event->attempt = push->attempt;
	event->error = push->error;
	effect->message = &event->base;
	return BUILT;
}

/* False: larger than a message may be. */
static bool
closed_result(struct hub *hub, struct hub_push *push, Froe__RunEvent *event)
{
	struct result_part *parts =
	    arena_alloc(&hub->arena, push->part_count * sizeof(struct result_part));
	struct buf result;
	for (uint32_t i = 0; i < push->part_count; i++) {
		struct bytes body;
		froe_assert(push_body(hub, push, push->parts[i].record, &body));
		parts[i].task = push->parts[i].task;
		parts[i].output = record_payload(body);
	}
	buf_init(&result);
	event->has_result = result_build(parts, push->part_count, push->bare, &result);
	event->result.len = buf_used(&result);
	event->result.data = arena_copy(&hub->arena, result.data, result.size);
	buf_release(&result);
	return event->has_result;
}

/* Is the result too large to be sent, or can it not be read? Then nothing is read for it. */
static bool
closed_omitted(const struct hub *hub, const struct hub_push *push)
{
	size_t size = 0;
	if (push->load != NULL && push->load->err != FROE_OK)
		return true;
	for (uint32_t i = 0; i < push->part_count; i++)
		size += record_size(hub, push, push->parts[i].record);
	return size > FROE_MESSAGE_BYTES_MAX;
}

static enum built
build_closed(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	uint32_t records[FROE_WORKFLOW_TASKS_MAX];
	bool omitted = closed_omitted(hub, push);
	for (uint32_t i = 0; i < push->part_count; i++)
		records[i] = push->parts[i].record;
	if (!omitted && !push_require(hub, push, records, push->part_count))
		return LOADING;
	Froe__RunEvent *event = event_new(hub, push);
	effect->message = &event->base;
	if (push->status == ENG_COMPLETED) {
		event->result_omitted = omitted || !closed_result(hub, push, event);
		event->has_result_omitted = event->result_omitted;
	} else if (push->part_count > 0 && !omitted) {
		struct bytes body;
		froe_assert(push_body(hub, push, records[0], &body));
		event->error = hub_text(hub, record_text(body));
	}
	return BUILT;
}

/* One that came by itself is for the holder of the lease alone; an answer is owed in any case. */
static enum built
build_node(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	struct resolver_record record = {0};
	struct eng_dispatch view;
	effect->number = FROE__ENVELOPE__BODY_NODE_DONE;
	if (push->request == 0 &&
	    !eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &view))
		return GONE;
	if (push->record != 0 && !push_require(hub, push, &push->record, 1))
		return LOADING;
	if (push->record != 0)
		froe_assert(push_record(hub, push, push->record, &record));
	hub_node_fill(hub, push, &record, effect);
	return BUILT;
}

static enum built
push_build(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	effect->number = FROE__ENVELOPE__BODY_RUN_EVENT;
	effect->request = push->request;
	switch (push->kind) {
	case HUB_PUSH_DISPATCH:
		return build_dispatch(hub, push, effect);
	case HUB_PUSH_EVENT:
		return build_event(hub, push, effect);
	case HUB_PUSH_CLOSED:
		return build_closed(hub, push, effect);
	case HUB_PUSH_ENDED:
		effect->packed = push->packed;
		return BUILT;
	case HUB_PUSH_NODE:
		return build_node(hub, push, effect);
	case HUB_PUSH_REVOKE:
	case HUB_PUSH_UNWATCHED:
		break;
	}
	froe_never("this kind does not wait in the list");
}

/* -------------------------------------------------------------------------------------- sending */

/* Its dispatch may wait for the window still: a worker that grants nothing would gather them. */
static void
revoke_waiting(struct hub *hub, struct hub_conn *conn, const struct hub_push *revoke)
{
	struct list *at;
	list_for_each(at, &conn->pushes) {
		struct hub_push *push = container_of(at, struct hub_push, link);
		if (push->kind == HUB_PUSH_DISPATCH && push->run == revoke->run &&
		    push->task == revoke->task && push->lease == revoke->lease) {
			hub_push_drop(hub, conn, push);
			return;
		}
	}
}

static void
push_revoke(struct hub *hub, struct hub_conn *conn, struct hub_push *push)
{
	Froe__Revoke revoke = FROE__REVOKE__INIT;
	struct api_effect effect = {
	    .conn = push->conn,
	    .number = FROE__ENVELOPE__BODY_REVOKE,
	    .message = &revoke.base,
	};
	revoke.has_task = revoke.has_lease = true;
	revoke.task = (ProtobufCBinaryData){16, push->id.bytes};
	revoke.lease = push->lease;
	revoke.reason = (char *)(uintptr_t)eng_reason_name((enum eng_reason)push->reason);
	hub->deliver(hub->deliver_context, &effect);
	revoke_waiting(hub, conn, push);
	hub_push_free(push);
	hub_push_pump(hub, conn); /* what it held back may go */
}

void
hub_push_queue(struct hub *hub, struct hub_push *push)
{
	struct hub_conn *conn = hub_conn_find(hub, push->conn);
	if (conn == NULL) { /* it is gone; a worker's lease ends when it returns without it */
		hub_push_free(push);
	} else if (push->kind == HUB_PUSH_REVOKE) {
		push_revoke(hub, conn, push);
	} else if (push->kind == HUB_PUSH_UNWATCHED) {
		hub_unwatched(hub, conn, push);
	} else {
		list_push(&conn->pushes, &push->link);
		hub_push_pump(hub, conn);
	}
}

void
hub_push_drop(struct hub *hub, struct hub_conn *conn, struct hub_push *push)
{
	conn->event_bytes -= push->event_bytes;
	if (push->kind == HUB_PUSH_ENDED) {
		conn->ended_busy = false;
		hub_watch_wake(hub, conn);
	}
	list_remove(&push->link);
	hub_push_free(push);
}

static void
dispatch_count(struct hub *hub, const struct hub_push *push)
{
	if (push->kind != HUB_PUSH_DISPATCH)
		return;
	hub->stats.dispatches++;
	if (push->decided_ns != 0)
		histogram_add(&hub->stats.dispatch,
		    io_mono_ns(hub->shard->env) - push->decided_ns);
}

void
hub_push_pump(struct hub *hub, struct hub_conn *conn)
{
	while (!list_empty(&conn->pushes) && conn->window > 0) {
		struct hub_push *push = container_of(conn->pushes.next, struct hub_push, link);
		struct api_effect effect = {.conn = conn->handle};
		arena_reset(&hub->arena);
		enum built built = push_build(hub, push, &effect);
		if (built == LOADING)
			continue;
		if (built == BUILT) {
			size_t size = envelope_measure(&effect);
			if (size > conn->window)
				return;
			conn->window -= size;
			dispatch_count(hub, push);
			hub->deliver(hub->deliver_context, &effect);
		}
		hub_push_drop(hub, conn, push);
	}
}
