/*
 * server/hub_push: what is sent unasked: dispatches, revocations, watched runs.
 *
 * A push is a reference until it is sent. When its frame is durable it goes to the end of its
 * connection's list; hub_push_pump() builds the message at the head, and sends it if the
 * connection's window takes it. Bytes that have left memory are read from the log first, while
 * the connection's other pushes go on: for a dispatch the engine is then asked again
 * (ENG_CMD_TASK_PROVIDE), because the lease may have ended meanwhile.
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

void
hub_load_free(struct hub_load *load)
{
	for (uint32_t i = 0; i < load->count; i++)
		mem_free((void *)(uintptr_t)load->records[i].body.data);
	if (load->push != NULL) {
		load->push->load = NULL;
		hub_push_free(load->push);
	}
	mem_free(load);
}

void
hub_push_free(struct hub_push *push)
{
	if (push->load != NULL) {
		push->load->push = NULL;
		hub_load_free(push->load);
	}
	mem_free(push->error);
	mem_free(push->parts);
	mem_free(push);
}

/* ------------------------------------------------------------------------------------- loading */

/* The body of a record of the push's run, if it is in memory, or was loaded for this push. */
static bool
push_body(struct hub *hub, const struct hub_push *push, uint32_t record, struct bytes *ret_body)
{
	struct resolver_record found;
	for (uint32_t i = 0; push->load != NULL && i < push->load->count; i++) {
		if (push->load->records[i].record == record) {
			*ret_body = push->load->records[i].body;
			return true;
		}
	}
	if (!resolver_record(hub->shard->resolver, push->run, record, &found))
		return false;
	*ret_body = found.body;
	return true;
}

static void
load_read_done(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct hub_load_record *row = container_of(read, struct hub_load_record, read);
	struct hub_load *load = row->load;
	if (err == FROE_OK)
		row->body = bytes_of(mem_copy(record->body.data, record->body.size),
		    record->body.size);
	else
		load->err = err;
	if (--load->missing == 0)
		list_push(&load->hub->loaded, &load->link);
}

/* Reads the records; the push is the load's until they are there. */
static void
load_start(struct hub *hub, struct hub_push *push, const uint32_t *records, uint32_t count)
{
	struct hub_load *load = mem_zalloc(sizeof(*load) + count * sizeof(load->records[0]));
	froe_assert(push->load == NULL);
	load->hub = hub;
	load->push = push;
	load->count = count;
	load->missing = count + 1;
	hub->stats.needs += count;
	for (uint32_t i = 0; i < count; i++) {
		struct log_place place;
		load->records[i].load = load;
		load->records[i].record = records[i];
		if (resolver_place(hub->shard->resolver, push->run, records[i], &place)) {
			log_read_start(hub->shard->log, &load->records[i].read, place, load_read_done);
		} else {
			load->err = FROE_NOT_FOUND;
			load->missing--;
		}
	}
	if (--load->missing == 0)
		list_push(&hub->loaded, &load->link);
}

/* The attempt cannot begin: its input is not readable. Said once, as a failure of the task. */
static void
dispatch_unreadable(struct hub *hub, const struct hub_push *push, const struct eng_dispatch *view)
{
	struct eng_command command = {
	    .type = ENG_CMD_TASK_FAIL,
	    .task =
	        {
	            .worker.v = view->worker,
	            .fence = {.task = view->task, .lease = push->lease},
	            .bytes = bytes_text("froe cannot read the task's input from its log"),
	            .fatal = true,
	        },
	};
	FROE_DROP(shard_step(hub->shard, &command), "the fence was current a moment ago");
}

/* A dispatch's bytes have come: the engine is asked again. */
static void
dispatch_provide(struct hub *hub, struct hub_push *push, struct hub_load *load)
{
	struct eng_dispatch view;
	if (!eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &view)) {
		hub_load_free(load);
		return;
	}
	if (load->err != FROE_OK) {
		dispatch_unreadable(hub, push, &view);
		hub_load_free(load);
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
	load->push = NULL;
	hub_push_free(push);
	hub->providing = load;
	FROE_DROP(shard_step(hub->shard, &command), "it has an effect, no event");
	if (hub->providing != NULL)
		hub_load_free(hub->providing);
	hub->providing = NULL;
}

bool
hub_push_loaded(struct hub *hub)
{
	struct eng_command worst = {.type = ENG_CMD_TASK_FAIL};
	while (!list_empty(&hub->loaded)) {
		if (!shard_has_room(hub->shard, &worst))
			return false;
		struct hub_load *load = container_of(list_pop(&hub->loaded), struct hub_load, link);
		struct hub_push *push = load->push;
		struct hub_conn *conn = hub_conn_find(hub, push->conn);
		if (push->kind == HUB_PUSH_DISPATCH) {
			dispatch_provide(hub, push, load);
		} else if (conn == NULL) {
			hub_load_free(load);
		} else {
			push->load = load;
			load->push = NULL;
			list_push_front(&conn->pushes, &push->link);
			hub_push_pump(hub, conn);
		}
	}
	return true;
}

/* ------------------------------------------------------------------------------------ building */

enum built {
	BUILT,  /* *message is there */
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
		push->load->push = NULL;
		hub_load_free(push->load);
		push->load = NULL;
		memcpy(missing, records, count * sizeof(records[0]));
		missing_count = count;
	}
	load_start(hub, push, missing, missing_count);
	return false;
}

static char *
arena_text(struct hub *hub, struct bytes text)
{
	char *copy = arena_alloc(&hub->arena, text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	copy[text.size] = 0;
	return copy;
}

static ProtobufCBinaryData
binary(struct bytes bytes)
{
	return (ProtobufCBinaryData){bytes.size, (uint8_t *)(uintptr_t)bytes.data};
}

static void
dispatch_parent(struct hub *hub, const struct hub_push *push, const struct eng_ref *ref,
    Froe__ParentOutput *parent, size_t *budget)
{
	struct bytes body;
	froe__parent_output__init(parent);
	parent->task = arena_text(hub, ref->task);
	if (ref->skipped || ref->record == 0) {
		parent->has_skipped = parent->skipped = true;
		return;
	}
	froe_assert(push_body(hub, push, ref->record, &body));
	struct bytes output = record_payload(body);
	parent->has_output = output.size <= *budget;
	parent->has_omitted = parent->omitted = !parent->has_output;
	if (parent->has_output) {
		parent->output = binary(output);
		*budget -= output.size;
	}
}

static void
dispatch_refs(struct hub *hub, const struct hub_push *push, const struct eng_dispatch *view,
    Froe__Dispatch *dispatch)
{
	size_t budget = HUB_DISPATCH_BYTES_MAX - dispatch->input.len;
	uint32_t count = view->ref_count;
	dispatch->parents = arena_alloc(&hub->arena, count * sizeof(*dispatch->parents));
	dispatch->errors = arena_alloc(&hub->arena, count * sizeof(*dispatch->errors));
	for (uint32_t i = 0; i < count; i++) {
		struct bytes body;
		if (!view->refs[i].error) {
			Froe__ParentOutput *parent = arena_alloc(&hub->arena, sizeof(*parent));
			dispatch_parent(hub, push, &view->refs[i], parent, &budget);
			dispatch->parents[dispatch->n_parents++] = parent;
			continue;
		}
		froe_assert(push_body(hub, push, view->refs[i].record, &body));
		Froe__TaskError *error = arena_alloc(&hub->arena, sizeof(*error));
		froe__task_error__init(error);
		error->task = arena_text(hub, view->refs[i].task);
		error->error = arena_text(hub, record_text(body));
		dispatch->errors[dispatch->n_errors++] = error;
	}
}

static void
dispatch_fill(struct hub *hub, const struct hub_push *push, const struct eng_dispatch *view,
    Froe__Dispatch *dispatch)
{
	struct bytes body;
	froe__dispatch__init(dispatch);
	dispatch->has_task = dispatch->has_lease = dispatch->has_attempt = true;
	dispatch->has_retries = dispatch->has_timeout_ms = dispatch->has_input = true;
	dispatch->has_run = dispatch->has_priority = true;
	dispatch->task = (ProtobufCBinaryData){16, arena_copy(&hub->arena, view->task.bytes, 16)};
	dispatch->run = (ProtobufCBinaryData){16, arena_copy(&hub->arena, view->run.bytes, 16)};
	dispatch->lease = push->lease;
	dispatch->action = arena_text(hub, view->action);
	dispatch->workflow = arena_text(hub, view->workflow);
	dispatch->name = arena_text(hub, view->name);
	dispatch->attempt = view->attempt;
	dispatch->retries = view->retries;
	dispatch->timeout_ms = view->timeout_ns / 1000000;
	dispatch->priority = view->priority;
	froe_assert(push_body(hub, push, view->input, &body));
	dispatch->input = binary(record_payload(body));
	dispatch_refs(hub, push, view, dispatch);
}

static enum built
build_dispatch(struct hub *hub, struct hub_push *push, const ProtobufCMessage **message)
{
	struct eng_dispatch view;
	uint32_t records[FROE_WORKFLOW_TASKS_MAX + 1], count = 0;
	if (!eng_dispatch(hub->shard->eng, push->run, push->task, push->lease,
	        hub->shard->clock.now_ns, &view))
		return GONE;
	records[count++] = view.input;
	for (uint32_t i = 0; i < view.ref_count; i++) {
		if (view.refs[i].record != 0)
			records[count++] = view.refs[i].record;
	}
	if (!push_require(hub, push, records, count))
		return LOADING;
	Froe__Dispatch *dispatch = arena_alloc(&hub->arena, sizeof(*dispatch));
	dispatch_fill(hub, push, &view, dispatch);
	*message = &dispatch->base;
	return BUILT;
}

static enum built
build_revoke(struct hub *hub, struct hub_push *push, const ProtobufCMessage **message)
{
	Froe__Revoke *revoke = arena_alloc(&hub->arena, sizeof(*revoke));
	froe__revoke__init(revoke);
	revoke->has_task = revoke->has_lease = true;
	revoke->task = (ProtobufCBinaryData){16, push->id.bytes};
	revoke->lease = push->lease;
	revoke->reason = (char *)(uintptr_t)eng_reason_name((enum eng_reason)push->reason);
	*message = &revoke->base;
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
build_event(struct hub *hub, struct hub_push *push, const ProtobufCMessage **message)
{
	Froe__RunEvent *event = event_new(hub, push);
	if (push->name.size != 0)
		event->task = arena_text(hub, push->name);
	event->change = (char *)(uintptr_t)push->change;
	event->has_attempt = push->attempt != 0;
	event->attempt = push->attempt;
	event->error = push->error;
	*message = &event->base;
	return BUILT;
}

static void
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
	if (result_build(parts, push->part_count, push->bare, &result)) {
		event->has_result = true;
		event->result.len = buf_used(&result);
		event->result.data = arena_copy(&hub->arena, result.data, result.size);
	} else {
		event->has_result_omitted = event->result_omitted = true;
	}
	buf_release(&result);
}

static enum built
build_closed(struct hub *hub, struct hub_push *push, const ProtobufCMessage **message)
{
	uint32_t records[FROE_WORKFLOW_TASKS_MAX];
	bool unreadable = push->load != NULL && push->load->err != FROE_OK;
	for (uint32_t i = 0; i < push->part_count; i++)
		records[i] = push->parts[i].record;
	if (!unreadable && !push_require(hub, push, records, push->part_count))
		return LOADING;
	Froe__RunEvent *event = event_new(hub, push);
	*message = &event->base;
	if (unreadable) {
		event->has_result_omitted = event->result_omitted = true;
	} else if (push->status == ENG_COMPLETED) {
		closed_result(hub, push, event);
	} else if (push->part_count > 0) {
		struct bytes body;
		froe_assert(push_body(hub, push, records[0], &body));
		event->error = arena_text(hub, record_text(body));
	}
	return BUILT;
}

static enum built
push_build(struct hub *hub, struct hub_push *push, const ProtobufCMessage **message,
    uint32_t *number)
{
	*number = FROE__ENVELOPE__BODY_RUN_EVENT;
	switch (push->kind) {
	case HUB_PUSH_DISPATCH:
		*number = FROE__ENVELOPE__BODY_DISPATCH;
		return build_dispatch(hub, push, message);
	case HUB_PUSH_REVOKE:
		*number = FROE__ENVELOPE__BODY_REVOKE;
		return build_revoke(hub, push, message);
	case HUB_PUSH_EVENT:
		return build_event(hub, push, message);
	case HUB_PUSH_CLOSED:
		return build_closed(hub, push, message);
	}
	froe_never("every kind of push is built");
}

/* -------------------------------------------------------------------------------------- sending */

void
hub_push_queue(struct hub *hub, struct hub_push *push)
{
	struct hub_conn *conn = hub_conn_find(hub, push->conn);
	if (conn == NULL) { /* it is gone; a worker's lease ends when it returns without it */
		hub_push_free(push);
		return;
	}
	list_push(&conn->pushes, &push->link);
	hub_push_pump(hub, conn);
}

void
hub_push_pump(struct hub *hub, struct hub_conn *conn)
{
	while (!list_empty(&conn->pushes)) {
		struct hub_push *push = container_of(conn->pushes.next, struct hub_push, link);
		struct api_effect effect = {.conn = conn->handle, .request = push->request};
		if (conn->window == 0)
			return;
		arena_reset(&hub->arena);
		enum built built = push_build(hub, push, &effect.message, &effect.number);
		if (built == LOADING)
			continue;
		/* Revocations need no credit: they tell a worker to do less. */
		bool counts = push->kind != HUB_PUSH_REVOKE;
		if (built == BUILT) {
			size_t size = counts ? envelope_size(&effect) : 0;
			if (size > conn->window)
				return;
			conn->window -= size;
			hub->deliver(hub->deliver_context, &effect);
		}
		list_remove(&push->link);
		hub_push_free(push);
	}
}

/* -------------------------------------------------------------------------------------- watches */

void
hub_watch_add(struct hub *hub, struct hub_conn *conn, uint64_t request, uint64_t run, bool changes)
{
	struct hub_watch *watch = mem_zalloc(sizeof(*watch));
	watch->conn = conn->handle;
	watch->request = request;
	watch->run = run;
	watch->changes = changes;
	watch->next = map_get_u64(&hub->watches, run);
	map_put_u64(&hub->watches, run, watch);
	list_push(&conn->watches, &watch->link);
	conn->watch_count++;
	hub->change_watches += changes ? 1 : 0;
}

void
hub_watch_remove(struct hub *hub, struct hub_watch *watch)
{
	struct hub_watch *first = map_get_u64(&hub->watches, watch->run);
	struct hub_conn *conn = hub_conn_find(hub, watch->conn);
	struct hub_watch **at = &first;
	while (*at != watch)
		at = &(*at)->next;
	*at = watch->next;
	if (first != NULL)
		map_put_u64(&hub->watches, watch->run, first);
	else
		map_remove_u64(&hub->watches, watch->run);
	list_remove(&watch->link);
	conn->watch_count--;
	hub->change_watches -= watch->changes ? 1 : 0;
	mem_free(watch);
}

static const char *
change_name(enum eng_event_type type)
{
	switch (type) {
	case ENG_EV_TASK_QUEUED:
		return "queued";
	case ENG_EV_TASK_ASSIGNED:
		return "assigned";
	case ENG_EV_TASK_DELAYED:
		return "delayed";
	case ENG_EV_TASK_COMPLETED:
		return "completed";
	case ENG_EV_ATTEMPT_ENDED:
		return "attempt_ended";
	case ENG_EV_TASK_FAILED:
		return "failed";
	case ENG_EV_TASK_CANCELLED:
		return "cancelled";
	case ENG_EV_TASK_SKIPPED:
		return "skipped";
	case ENG_EV_TASK_LOGGED:
		return "logged";
	case ENG_EV_ENGINE_STARTED:
	case ENG_EV_TENANT_CREATED:
	case ENG_EV_WORKFLOW_PUT:
	case ENG_EV_RUN_STARTED:
	case ENG_EV_LEASE_REFRESHED:
	case ENG_EV_RUN_CANCEL_REQUESTED:
	case ENG_EV_RUN_CLOSED:
	case ENG_EV_WORKER_REGISTERED:
	case ENG_EV_WORKER_ATTACHED:
	case ENG_EV_WORKER_DETACHED:
	case ENG_EV_WORKER_DRAINING:
	case ENG_EV_WORKER_LEAVING:
	case ENG_EV_WORKER_LEFT:
		return NULL;
	}
	return NULL;
}

static void
push_item(struct hub *hub, struct hub_push *push, uint64_t frame)
{
	struct hub_item item = {.frame = frame, .kind = HUB_ITEM_PUSH, .object = push};
	hub_item_push(hub, &item, NULL);
}

/* The run may have closed in this very step: its name is then asked of the version. */
void
hub_watch_event(struct hub *hub, const struct eng_event *event, uint64_t frame)
{
	const char *change = change_name(event->type);
	struct hub_watch *watch = map_get_u64(&hub->watches, event->run);
	for (; watch != NULL && change != NULL; watch = watch->next) {
		struct eng_run_info info;
		struct eng_version_view version;
		if (!watch->changes || !eng_run_info(hub->shard->eng, event->run, &info))
			continue;
		froe_assert(eng_version(hub->shard->eng, info.workflow, info.version, &version));
		struct hub_push *push = hub_push_new(HUB_PUSH_EVENT, watch->conn);
		enum eng_status status;
		froe_assert(eng_run_status(hub->shard->eng, event->run, &status));
		push->request = watch->request;
		push->run = event->run;
		push->id = info.id;
		push->status = (uint32_t)status;
		push->time_ns = event->time_ns;
		push->attempt = event->attempt;
		push->name = version.tasks[event->task].name;
		push->change = change;
		if (event->text.size > 0) {
			push->error = mem_zalloc(event->text.size + 1);
			memcpy(push->error, event->text.data, event->text.size);
		}
		push_item(hub, push, frame);
	}
}

void
hub_watch_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_watch *watch;
	while ((watch = map_get_u64(&hub->watches, effect->run)) != NULL) {
		struct hub_push *push = hub_push_new(HUB_PUSH_CLOSED, watch->conn);
		push->request = watch->request;
		push->run = effect->run;
		push->id = effect->id;
		push->status = (uint32_t)effect->status;
		push->time_ns = hub->shard->clock.now_ns;
		push->bare = effect->bare;
		push->part_count = effect->ref_count;
		push->parts = mem_copy(effect->refs, effect->ref_count * sizeof(*effect->refs));
		push_item(hub, push, frame);
		hub_watch_remove(hub, watch);
	}
}
