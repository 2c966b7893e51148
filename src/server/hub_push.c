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
#include "base/message.h"
#include "server/record.h"

struct hub_push *
hub_push_new(struct hub *hub, enum hub_push_kind kind, uint64_t conn)
{
	struct hub_push *push = stock_alloc(&hub->stock, sizeof(*push));
	mem_zero(push, sizeof(*push));
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
hub_push_free(struct hub *hub, struct hub_push *push)
{
	if (push->load != NULL)
		load_free(push->load);
	mem_free(push->error);
	stock_free(&hub->stock, push->parts, push->part_count * sizeof(push->parts[0]));
	mem_free((void *)(uintptr_t)push->packed.data);
	stock_free(&hub->stock, push, sizeof(*push));
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
		hub_push_free(hub, push);
		return;
	}
	if (push->load->err != FROE_OK) {
		dispatch_unreadable(hub, push, &view);
		hub_push_free(hub, push);
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
	hub_push_free(hub, push); /* its bytes have gone on to the new one */
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
			hub_push_free(hub, push);
		} else if (push->gone) {
			hub_push_drop(hub, conn, push);
		} else if (load->err != FROE_OK && push->kind == HUB_PUSH_NODE) {
			node_unreadable(hub, push);
			hub_push_drop(hub, conn, push);
		} else if (load->err == FROE_NOT_FOUND &&
		    hub_watch_refused(conn, push->request) == NULL) {
			/* The run's places have gone on to the index meanwhile. */
			hub_watch_ended(hub, conn, push->request, push->id, push->named);
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
		hub_push_free(hub, container_of(hub->loading.next, struct hub_load, link)->push);
	while (!list_empty(&hub->loaded))
		hub_push_free(hub, container_of(hub->loaded.next, struct hub_load, link)->push);
}

/* ------------------------------------------------------------------------------------ building */

enum built {
	BUILT,  /* the effect is there */
	GONE,   /* there is nothing to send any more */
	LOADING /* its bytes are being read; the push is no longer in the list */
};

/* All records the push needs: until the log grows, or the arena is reset. NULL: some are not in
 * memory, and their loading begins. */
static const struct resolver_record *
push_require(struct hub *hub, struct hub_push *push, const uint32_t *records, uint32_t count)
{
	struct resolver_record *found = arena_alloc(&hub->arena, count * sizeof(*found));
	uint32_t missing[FROE_WORKFLOW_TASKS_MAX + 1], missing_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (!push_record(hub, push, records[i], &found[i]))
			missing[missing_count++] = records[i];
	}
	if (missing_count == 0)
		return found;
	list_remove(&push->link);
	/* What was loaded for it before is loaded again: rare, and simpler than to merge. */
	if (push->load != NULL) {
		load_free(push->load);
		push->load = NULL;
		memcpy(missing, records, count * sizeof(records[0]));
		missing_count = count;
	}
	load_start(hub, push, missing, missing_count);
	return NULL;
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

/* Which records travel with a dispatch: its input, then parents and errors as far as they fit. */
struct dispatch_plan {
	struct eng_dispatch view;
	uint32_t records[FROE_WORKFLOW_TASKS_MAX + 1];
	uint32_t count;
	uint32_t nth[FROE_WORKFLOW_TASKS_MAX]; /* by ref: which of them; 0: none */
};

static bool
dispatch_plan(struct hub *hub, const struct hub_push *push, struct dispatch_plan *plan)
{
	if (!eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &plan->view))
		return false;
	size_t used = plan->view.ref_count > 0 ? record_size(hub, push, plan->view.input) : 0;
	plan->records[0] = plan->view.input;
	plan->count = 1;
	froe_assert(plan->view.ref_count <= FROE_WORKFLOW_TASKS_MAX);
	for (uint32_t i = 0; i < plan->view.ref_count; i++) {
		uint32_t record = plan->view.refs[i].record;
		size_t size = record != 0 ? record_size(hub, push, record) : 0;
		plan->nth[i] = 0;
		if (record == 0 || used + size > HUB_DISPATCH_BYTES_MAX)
			continue;
		plan->nth[i] = plan->count;
		plan->records[plan->count++] = record;
		used += size;
	}
	return true;
}

/* The messages of every run's path are written field by field, by their numbers. */
enum {
	DISPATCH_TASK = 1,
	DISPATCH_LEASE = 2,
	DISPATCH_ACTION = 3,
	DISPATCH_WORKFLOW = 4,
	DISPATCH_NAME = 5,
	DISPATCH_ATTEMPT = 6,
	DISPATCH_RETRIES = 7,
	DISPATCH_TIMEOUT_MS = 8,
	DISPATCH_INPUT = 9,
	DISPATCH_PARENTS = 10,
	DISPATCH_ERRORS = 11,
	DISPATCH_RUN = 12,
	DISPATCH_PRIORITY = 13,
	DISPATCH_METADATA = 20,
	DISPATCH_INVOCATION = 30,
	DISPATCH_DURABLE = 31,
	DISPATCH_NODES = 32,
	DISPATCH_DELIVERY = 40,
	PARENT_TASK = 1, /* ParentOutput */
	PARENT_OUTPUT = 2,
	PARENT_OMITTED = 3,
	PARENT_SKIPPED = 4,
	ERROR_TASK = 1, /* TaskError */
	ERROR_ERROR = 2,
	PAIR_KEY = 1,
	PAIR_VALUE = 2,
	EVENT_RUN = 1, /* RunEvent */
	EVENT_STATUS = 2,
	EVENT_FINAL = 3,
	EVENT_TASK = 4,
	EVENT_CHANGE = 5,
	EVENT_TIME_NS = 6,
	EVENT_ATTEMPT = 7,
	EVENT_ERROR = 8,
	EVENT_RESULT = 10,
	EVENT_RESULT_OMITTED = 11,
};

/* output: NULL if it does not travel. */
static void
put_parent(struct buf *to, const struct eng_ref *ref, const struct resolver_record *output)
{
	size_t begun = message_begin(to, DISPATCH_PARENTS);
	message_put_bytes(to, PARENT_TASK, ref->task);
	if (ref->skipped || ref->record == 0)
		message_put_number(to, PARENT_SKIPPED, true);
	else if (output == NULL)
		message_put_number(to, PARENT_OMITTED, true);
	else
		message_put_bytes(to, PARENT_OUTPUT, record_payload(output->body));
	message_end(to, begun);
}

static void
put_error(struct buf *to, const struct eng_ref *ref, const struct resolver_record *error)
{
	size_t begun = message_begin(to, DISPATCH_ERRORS);
	message_put_bytes(to, ERROR_TASK, ref->task);
	if (error != NULL)
		message_put_bytes(to, ERROR_ERROR, record_text(error->body));
	message_end(to, begun);
}

static void
put_refs(struct buf *to, const struct dispatch_plan *plan, const struct resolver_record *records)
{
	for (int errors = 0; errors < 2; errors++) {
		for (uint32_t i = 0; i < plan->view.ref_count; i++) {
			const struct eng_ref *ref = &plan->view.refs[i];
			const struct resolver_record *record =
			    plan->nth[i] != 0 ? &records[plan->nth[i]] : NULL;
			if (ref->error && errors)
				put_error(to, ref, record);
			else if (!ref->error && !errors)
				put_parent(to, ref, record);
		}
	}
}

static void
put_metadata(struct buf *to, const struct eng_dispatch *view)
{
	for (uint32_t i = 0; i < view->metadata_count / 2; i++) {
		size_t begun = message_begin(to, DISPATCH_METADATA);
		message_put_bytes(to, PAIR_KEY, view->metadata[2 * i]);
		message_put_bytes(to, PAIR_VALUE, view->metadata[2 * i + 1]);
		message_end(to, begun);
	}
}

/* All of it up to the parents' outputs: nine fields behind one reservation. */
static void
put_task(struct buf *to, const struct eng_dispatch *view, uint64_t lease, struct bytes input)
{
	size_t room = 9 * MESSAGE_HEAD_BYTES_MAX + sizeof(view->task) + view->action.size +
	    view->workflow.size + view->name.size + input.size;
	uint8_t *begin = buf_reserve(to, room), *at = begin;
	at = message_store_bytes(
	    at, DISPATCH_TASK, bytes_of(view->task.bytes, sizeof(view->task.bytes)));
	at = message_store_number(at, DISPATCH_LEASE, lease);
	at = message_store_bytes(at, DISPATCH_ACTION, view->action);
	at = message_store_bytes(at, DISPATCH_WORKFLOW, view->workflow);
	at = message_store_bytes(at, DISPATCH_NAME, view->name);
	at = message_store_number(at, DISPATCH_ATTEMPT, view->attempt);
	at = message_store_number(at, DISPATCH_RETRIES, view->retries);
	at = message_store_number(at, DISPATCH_TIMEOUT_MS, view->timeout_ns / 1000000);
	at = message_store_bytes(at, DISPATCH_INPUT, input);
	buf_commit(to, (size_t)(at - begin));
}

static void
put_dispatch(struct hub *hub, const struct hub_push *push, const struct dispatch_plan *plan,
    const struct resolver_record *records)
{
	const struct eng_dispatch *view = &plan->view;
	struct buf *to = &hub->pushed;
	put_task(to, view, push->lease, record_payload(records[0].body));
	if (view->ref_count > 0)
		put_refs(to, plan, records);
	message_put_bytes(to, DISPATCH_RUN, bytes_of(view->run.bytes, sizeof(view->run.bytes)));
	message_put_number(to, DISPATCH_PRIORITY, view->priority);
	put_metadata(to, view);
	if (view->durable) {
		message_put_number(to, DISPATCH_INVOCATION, view->invocation);
		message_put_number(to, DISPATCH_DURABLE, true);
		hub_nodes_put(hub, push, DISPATCH_NODES);
	}
	if (view->delivery != ENG_AT_LEAST_ONCE)
		message_put_number(to, DISPATCH_DELIVERY, view->delivery);
}

static enum built
build_dispatch(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	struct dispatch_plan plan;
	effect->number = FROE__ENVELOPE__BODY_DISPATCH;
	if (!dispatch_plan(hub, push, &plan))
		return GONE;
	const struct resolver_record *records =
	    push_require(hub, push, plan.records, plan.count);
	if (records == NULL)
		return LOADING;
	put_dispatch(hub, push, &plan, records);
	effect->packed = buf_bytes(&hub->pushed);
	return BUILT;
}

/* As far as all events are alike; a task's change has its name and its kind in between, an end that
 * was asked for it the name of the only task. */
static void
put_event(struct buf *to, const struct hub_push *push)
{
	bool final = push->kind == HUB_PUSH_CLOSED;
	struct bytes change = bytes_text(!final && push->change != NULL ? push->change : "");
	size_t room = 6 * MESSAGE_HEAD_BYTES_MAX + sizeof(push->id) + push->name.size + change.size;
	uint8_t *begin = buf_reserve(to, room), *at = begin;
	at = message_store_bytes(at, EVENT_RUN, bytes_of(push->id.bytes, sizeof(push->id.bytes)));
	at = message_store_number(at, EVENT_STATUS, push->status);
	at = message_store_number(at, EVENT_FINAL, final);
	if (push->name.size != 0)
		at = message_store_bytes(at, EVENT_TASK, push->name);
	if (change.size != 0)
		at = message_store_bytes(at, EVENT_CHANGE, change);
	at = message_store_number(at, EVENT_TIME_NS, push->time_ns);
	buf_commit(to, (size_t)(at - begin));
}

static enum built
build_event(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	struct buf *to = &hub->pushed;
	put_event(to, push);
	if (push->attempt != 0)
		message_put_number(to, EVENT_ATTEMPT, push->attempt);
	if (push->error != NULL)
		message_put_bytes(to, EVENT_ERROR, bytes_text(push->error));
	effect->packed = buf_bytes(to);
	return BUILT;
}

/* Or, without its records, that it is larger than a message may be. */
static void
put_result(struct hub *hub, const struct hub_push *push, const struct resolver_record *records)
{
	struct buf *to = &hub->pushed;
	struct result_part *parts =
	    arena_alloc(&hub->arena, push->part_count * sizeof(struct result_part));
	for (uint32_t i = 0; records != NULL && i < push->part_count; i++) {
		parts[i].task = push->parts[i].task;
		parts[i].output = record_payload(records[i].body);
	}
	size_t used = buf_used(to), begun = message_begin(to, EVENT_RESULT);
	if (records != NULL && result_build(parts, push->part_count, push->bare, to)) {
		message_end(to, begun);
		return;
	}
	to->size = to->head + used;
	message_put_number(to, EVENT_RESULT_OMITTED, true);
}

/* Is the result too large to be sent, or can it not be read? Then nothing is read for it. */
static bool
closed_omitted(const struct hub *hub, const struct hub_push *push)
{
	size_t size = 0;
	if (push->load != NULL && push->load->err != FROE_OK)
		return true;
	if (push->part_count == 1)
		return false; /* a message has room for any payload */
	for (uint32_t i = 0; i < push->part_count; i++)
		size += record_size(hub, push, push->parts[i].record);
	return size > FROE_MESSAGE_BYTES_MAX;
}

static enum built
build_closed(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	uint32_t needed[FROE_WORKFLOW_TASKS_MAX];
	const struct resolver_record *records = NULL;
	if (!closed_omitted(hub, push)) {
		for (uint32_t i = 0; i < push->part_count; i++)
			needed[i] = push->parts[i].record;
		records = push_require(hub, push, needed, push->part_count);
		if (records == NULL)
			return LOADING;
	}
	put_event(&hub->pushed, push);
	if (push->status == ENG_COMPLETED)
		put_result(hub, push, records);
	else if (push->part_count > 0 && records != NULL)
		message_put_bytes(&hub->pushed, EVENT_ERROR, record_text(records[0].body));
	effect->packed = buf_bytes(&hub->pushed);
	return BUILT;
}

/* One that came by itself is for the holder of the lease alone; an answer is owed in any case. */
static enum built
build_node(struct hub *hub, struct hub_push *push, struct api_effect *effect)
{
	static const struct resolver_record none;
	const struct resolver_record *record = &none;
	struct eng_dispatch view;
	effect->number = FROE__ENVELOPE__BODY_NODE_DONE;
	if (push->request == 0 &&
	    !eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &view))
		return GONE;
	if (push->record != 0)
		record = push_require(hub, push, &push->record, 1);
	if (record == NULL)
		return LOADING;
	hub_node_fill(hub, push, record, effect);
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
	hub_push_free(hub, push);
	hub_push_pump(hub, conn); /* what it held back may go */
}

void
hub_push_queue(struct hub *hub, struct hub_push *push)
{
	struct hub_conn *conn = hub_conn_find(hub, push->conn);
	if (conn == NULL) { /* it is gone; a worker's lease ends when it returns without it */
		hub_push_free(hub, push);
	} else if (push->kind == HUB_PUSH_REVOKE) {
		push_revoke(hub, conn, push);
	} else if (push->kind == HUB_PUSH_UNWATCHED) {
		hub_unwatched(hub, conn, push);
	} else {
		bool first = list_empty(&conn->pushes);
		list_push(&conn->pushes, &push->link);
		if (first) /* else the first of them waits for the window, and so does this one */
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
	hub_push_free(hub, push);
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
		buf_reset(&hub->pushed);
		enum built built = push_build(hub, push, &effect);
		if (built == LOADING)
			continue;
		if (built == BUILT) {
			size_t size = envelope_measure(&effect);
			if (size > conn->window)
				break;
			conn->window -= size;
			dispatch_count(hub, push);
			hub->deliver(hub->deliver_context, &effect);
		}
		hub_push_drop(hub, conn, push);
	}
	buf_reset(&hub->pushed);
	hub_buf_shrink(&hub->pushed);
}
