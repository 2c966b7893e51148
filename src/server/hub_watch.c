/*
 * server/hub_watch: who watches which run, and what they are told.
 *
 * A watch on an open run hangs at the run and at its connection. Each change of a task becomes a
 * push as it happens, the run's end one more; both wait in the outbox for their frame. A run
 * that has closed before is read from its records: one of a connection's at a time, since its
 * result is bytes and not a reference, and only while the connection takes pushes at all.
 */
#include "server/hub_int.h"

#include "base/mem.h"

const char *
hub_watch_refused(const struct hub_conn *conn, uint64_t request)
{
	if (conn->requests.count >= FROE_WATCHES_MAX)
		return "too many watches on this connection";
	if (recent_get(&conn->requests, request) != NULL)
		return "this request number is in use by a watch";
	return NULL;
}

static struct hub_watch *
watch_new(struct hub *hub, struct hub_conn *conn, uint64_t request)
{
	struct hub_watch *watch = stock_alloc(&hub->stock, sizeof(*watch));
	mem_zero(watch, sizeof(*watch));
	watch->conn = conn;
	watch->request = request;
	froe_assert(recent_add(&conn->requests, request, watch));
	return watch;
}

static struct hub_watch *
watch_of(struct list *run_link)
{
	return container_of(run_link, struct hub_watch, run_link);
}

void
hub_watch_add(
    struct hub *hub, struct hub_conn *conn, uint64_t request, uint64_t run, unsigned how)
{
	struct hub_watch *watch = watch_new(hub, conn, request);
	watch->open = true;
	watch->run = run;
	watch->named = (how & HUB_WATCH_NAMED) != 0;
	watch->changes = (how & HUB_WATCH_CHANGES) != 0 &&
	    eng_run_info(hub->shard->eng, run, NULL, &watch->info);
	list_init(&watch->run_link);
	if (!recent_add(&hub->watches, run, watch)) { /* mostly nobody watches it yet */
		struct hub_watch *first = recent_get(&hub->watches, run);
		list_push(&first->run_link, &watch->run_link);
	}
	list_push(&conn->watches, &watch->link);
	hub->change_watches += watch->changes ? 1 : 0;
}

/* From now on the first of its ring. */
static void
watch_lead(struct hub *hub, struct hub_watch *watch)
{
	recent_remove(&hub->watches, watch->run);
	froe_assert(recent_add(&hub->watches, watch->run, watch));
}

/* Out of the ring of its open run. */
static void
watch_leave(struct hub *hub, struct hub_watch *watch)
{
	if (!list_linked(&watch->run_link))
		recent_remove(&hub->watches, watch->run);
	else if (recent_get(&hub->watches, watch->run) == watch)
		watch_lead(hub, watch_of(watch->run_link.next));
	list_remove(&watch->run_link);
}

void
hub_watch_remove(struct hub *hub, struct hub_watch *watch)
{
	recent_remove(&watch->conn->requests, watch->request);
	list_remove(&watch->link);
	if (watch->open)
		watch_leave(hub, watch);
	hub->change_watches -= watch->changes ? 1 : 0;
	stock_free(&hub->stock, watch, sizeof(*watch));
}

/* ------------------------------------------------------------------------------------- changes */

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
	case ENG_EV_SLOTS_RELEASED:
		return "slots_released";
	case ENG_EV_TASK_BEGUN:
		return "begun";
	case ENG_EV_TASK_LOGGED:
	case ENG_EV_LATE_LOGGED:
		return "logged";
	case ENG_EV_TASK_STREAMED:
		return NULL; /* a stream has readers of its own */
	case ENG_EV_TASK_EVICTED:
		return "evicted";
	case ENG_EV_NODE_WAITED:
	case ENG_EV_CHILD_SPAWNED:
		return "waits";
	case ENG_EV_NODE_SATISFIED:
	case ENG_EV_APPROVAL_DECIDED:
		return "satisfied";
	case ENG_EV_RUN_DUE:
		return "due";
	case ENG_EV_MEMO_PUT:
	case ENG_EV_EVENT_PUSHED:
	case ENG_EV_RATE_LIMIT_PUT:
	case ENG_EV_TOKEN_CREATED:
	case ENG_EV_TOKEN_REVOKED:
	case ENG_EV_ENGINE_STARTED:
	case ENG_EV_TENANT_CREATED:
	case ENG_EV_WORKFLOW_PUT:
	case ENG_EV_RUN_STARTED:
	case ENG_EV_LEASE_REFRESHED:
	case ENG_EV_RUN_CANCEL_REQUESTED:
	case ENG_EV_RUN_REPLAYED:
	case ENG_EV_JOB_STARTED:
	case ENG_EV_JOB_ADVANCED:
	case ENG_EV_JOB_ENDED:
	case ENG_EV_RUN_CLOSED:
	case ENG_EV_WORKER_REGISTERED:
	case ENG_EV_WORKER_ATTACHED:
	case ENG_EV_WORKER_DETACHED:
	case ENG_EV_WORKER_DRAINING:
	case ENG_EV_WORKER_LEAVING:
	case ENG_EV_WORKER_LEFT:
	case ENG_EV_WORKFLOW_PAUSED:
	case ENG_EV_WORKFLOW_RESUMED:
	case ENG_EV_WORKFLOW_DELETED:
	case ENG_EV_WORKER_PAUSED:
	case ENG_EV_WORKER_RESUMED:
	case ENG_EV_LEASES_DROPPED:
	case ENG_EV_LEASE_ENDED:
		return NULL;
	}
	return NULL;
}

/* Counted before it is queued: a connection that takes nothing in does not fill the memory.
 * False: it has too many waiting, this one is left out. */
static bool
event_count(struct hub_conn *conn, struct hub_push *push, size_t more)
{
	size_t size = sizeof(*push) + more;
	if (conn->event_bytes + size > HUB_EVENT_BYTES_MAX)
		return false;
	push->event_bytes = size;
	conn->event_bytes += size;
	return true;
}

static void
watch_event(struct hub *hub, struct hub_watch *watch, const struct eng_event *event,
    uint64_t frame)
{
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_EVENT, watch->conn->handle);
	enum eng_status status = ENG_RUNNING;
	struct eng_version_view version;
	if (!event_count(watch->conn, push, event->text.size)) {
		hub_push_free(hub, push);
		return;
	}
	FROE_DROP(eng_run_status(hub->shard->eng, event->run, &status),
	    "this step has closed it, which is told by an event of its own");
	froe_assert(eng_version(hub->shard->eng, watch->info.workflow, watch->info.version,
	    &version));
	push->request = watch->request;
	push->run = event->run;
	push->id = watch->info.id;
	push->status = (uint32_t)status;
	push->time_ns = event->time_ns;
	push->attempt = event->attempt;
	if (event->type != ENG_EV_RUN_DUE) /* which is of no task */
		push->name = version.tasks[event->task].name;
	push->change = change_name(event->type);
	if (event->text.size > 0) {
		push->error = mem_zalloc(event->text.size + 1);
		memcpy(push->error, event->text.data, event->text.size);
	}
	hub_item_object(hub, frame, HUB_ITEM_PUSH, push);
}

void
hub_watch_event(struct hub *hub, const struct eng_event *event, uint64_t frame)
{
	struct hub_watch *first = recent_get(&hub->watches, event->run), *watch = first;
	if (first == NULL || change_name(event->type) == NULL)
		return;
	do {
		if (event->type == ENG_EV_RUN_DUE)
			watch->info.version = event->version;
		if (watch->changes)
			watch_event(hub, watch, event, frame);
		watch = watch_of(watch->run_link.next);
	} while (watch != first);
}

void
hub_watch_state(struct hub *hub, const struct hub_conn *conn, uint64_t request, uint64_t run)
{
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_EVENT, conn->handle);
	struct eng_run_info info;
	enum eng_status status;
	froe_assert(eng_run_info(hub->shard->eng, run, NULL, &info));
	froe_assert(eng_run_status(hub->shard->eng, run, &status));
	push->request = request;
	push->run = run;
	push->id = info.id;
	push->status = (uint32_t)status;
	push->time_ns = hub->shard->clock.now_ns;
	hub_item_object(hub, log_tail_seq(hub->shard->log), HUB_ITEM_PUSH, push);
}

/* ----------------------------------------------------------------------------------------- ends */

/* Is it the result of a run of one task? */
static bool
closed_named(const struct hub *hub, const struct eng_effect *effect)
{
	struct eng_version_view version;
	return effect->status == ENG_COMPLETED && effect->ref_count == 1 &&
	    eng_version(hub->shard->eng, effect->info.workflow, effect->info.version, &version) &&
	    version.task_count == 1;
}

/* The end as references to records; or, when many wait already, as a watch on a closed run. */
static void
watch_closed(struct hub *hub, struct hub_watch *watch, const struct eng_effect *effect,
    uint64_t frame)
{
	struct hub_conn *conn = watch->conn;
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_CLOSED, conn->handle);
	size_t size = effect->ref_count * sizeof(*effect->refs);
	push->request = watch->request;
	push->named = watch->named;
	hub_watch_remove(hub, watch);
	if (!event_count(conn, push, size)) {
		hub_watch_ended(hub, conn, push->request, effect->id, push->named);
		hub_push_free(hub, push);
		return;
	}
	push->run = effect->run;
	push->id = effect->id;
	push->status = (uint32_t)effect->status;
	push->time_ns = hub->shard->clock.now_ns;
	push->bare = effect->bare;
	if (push->named && closed_named(hub, effect))
		push->name = effect->refs[0].task;
	push->part_count = effect->ref_count;
	if (size > 0)
		push->parts = memcpy(stock_alloc(&hub->stock, size), effect->refs, size);
	hub_item_object(hub, frame, HUB_ITEM_PUSH, push);
}

void
hub_watch_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_watch *watch = recent_remove(&hub->watches, effect->run);
	while (watch != NULL) {
		bool last = !list_linked(&watch->run_link);
		struct hub_watch *next = watch_of(watch->run_link.next);
		watch->open = false;
		list_remove(&watch->run_link);
		watch_closed(hub, watch, effect, frame);
		watch = last ? NULL : next;
	}
}

void
hub_watch_ended(
    struct hub *hub, struct hub_conn *conn, uint64_t request, struct uuid run, bool named)
{
	struct hub_watch *watch = watch_new(hub, conn, request);
	watch->info.id = run;
	watch->named = named;
	list_push(&conn->ended, &watch->link);
	hub_watch_wake(hub, conn);
}

/* Reads the next of conn->ended. */
static void
watch_next(struct hub *hub, struct hub_conn *conn)
{
	if (conn->ended_busy || conn->window == 0 || list_empty(&conn->ended))
		return;
	struct hub_watch *watch = container_of(conn->ended.next, struct hub_watch, link);
	struct uuid run = watch->info.id;
	uint64_t request = watch->request, key;
	bool named = watch->named;
	hub_watch_remove(hub, watch);
	if (eng_run_find(hub->shard->eng, conn->tenant, run, &key)) { /* it goes on meanwhile */
		hub_watch_add(hub, conn, request, key, named ? HUB_WATCH_NAMED : 0);
		hub_watch_wake(hub, conn);
		return;
	}
	conn->ended_busy = true;
	conn->ended_request = request;
	hub_read_ended(hub, conn, run, named);
}

/* Not at once: it may have been answered from memory, and the next one too, and so on. */
void
hub_watch_wake(struct hub *hub, struct hub_conn *conn)
{
	if (!list_linked(&conn->woken))
		list_push(&hub->woken, &conn->woken);
}

void
hub_watch_turn(struct hub *hub)
{
	struct list *at;
	while ((at = list_pop(&hub->woken)) != NULL)
		watch_next(hub, container_of(at, struct hub_conn, woken));
}

/* ---------------------------------------------------------------------------------- unwatching */

static bool
push_of_watch(const struct hub_push *push, const struct hub_conn *conn, uint64_t request)
{
	return push->conn == conn->handle && push->request == request &&
	    (push->kind == HUB_PUSH_EVENT || push->kind == HUB_PUSH_CLOSED ||
	        push->kind == HUB_PUSH_ENDED);
}

static void
unwatch_loads(const struct list *loads, const struct hub_conn *conn, uint64_t request)
{
	struct list *at;
	list_for_each(at, loads) {
		struct hub_push *push = container_of(at, struct hub_load, link)->push;
		push->gone = push->gone || push_of_watch(push, conn, request);
	}
}

/* All that was said before has been let out: what of it waits for window or bytes goes. */
void
hub_unwatched(struct hub *hub, struct hub_conn *conn, struct hub_push *unwatched)
{
	struct eng_origin watch = {.conn = conn->handle, .request = unwatched->request};
	struct api_effect done = {
	    .conn = conn->handle,
	    .request = unwatched->answers,
	    .number = FROE__ENVELOPE__BODY_DONE,
	};
	struct list *at, *next;
	for (at = conn->pushes.next; at != &conn->pushes; at = next) {
		struct hub_push *push = container_of(at, struct hub_push, link);
		next = at->next;
		if (push_of_watch(push, conn, watch.request))
			hub_push_drop(hub, conn, push);
	}
	unwatch_loads(&hub->loading, conn, watch.request);
	unwatch_loads(&hub->loaded, conn, watch.request);
	if (conn->ended_busy && conn->ended_request == watch.request)
		hub_read_unwatch(hub, &watch);
	hub_push_free(hub, unwatched);
	hub->deliver(hub->deliver_context, &done);
	hub_push_pump(hub, conn); /* what was held back by it may go */
}

void
hub_unwatch(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	uint64_t request = command->unwatch.watch;
	struct hub_watch *watch = recent_get(&conn->requests, request);
	if (watch != NULL)
		hub_watch_remove(hub, watch);
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_UNWATCHED, conn->handle);
	push->request = request;
	push->answers = command->origin.request;
	hub_item_object(hub, log_tail_seq(hub->shard->log), HUB_ITEM_PUSH, push);
}
