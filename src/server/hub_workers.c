/*
 * server/hub_workers: a tenant's workers, as those ask who run them. From the engine's state:
 * exact, and at once.
 */
#include "server/hub_int.h"

#include "engine/holder.h"

#define LEASES_SHOWN_MAX 1000u

static const char *
view_state(const struct eng_worker_view *view)
{
	if (view->leaving)
		return "leaving";
	if (!view->attached)
		return "away";
	if (view->paused)
		return "paused";
	return view->draining ? "draining" : "serving";
}

/* On the wall clock; 0: not since the server started. */
static uint64_t
view_seen_ns(const struct hub *hub, const struct eng_worker_view *view)
{
	const struct hub_worker *worker = map_get_u64(&hub->workers, view->number);
	if (worker == NULL || worker->conn == 0 || worker->seen_ns > hub->mono_ns)
		return 0;
	return hub->shard->clock.now_ns - (hub->mono_ns - worker->seen_ns);
}

static void
view_slots(struct hub *hub, const struct eng_worker_view *view, Froe__WorkerView *to)
{
	uint32_t count = view->type_count;
	Froe__WorkerSlots *slots = arena_alloc(&hub->arena, count * sizeof(*slots));
	to->slots = arena_alloc(&hub->arena, count * sizeof(Froe__WorkerSlots *));
	to->n_slots = count;
	for (uint32_t i = 0; i < count; i++) {
		froe__worker_slots__init(&slots[i]);
		slots[i].type = hub_text(hub, view->types[i].type);
		slots[i].has_count = slots[i].has_used = true;
		slots[i].count = view->types[i].count;
		slots[i].used = view->types_used[i];
		to->slots[i] = &slots[i];
	}
}

static void
view_fill(struct hub *hub, const struct eng_worker_view *view, Froe__WorkerView *to)
{
	froe__worker_view__init(to);
	to->has_id = to->has_number = to->has_attached = to->has_draining = true;
	to->has_paused = to->has_registered_ns = to->has_leases = to->has_released = true;
	to->has_action_count = true;
	to->id = (ProtobufCBinaryData){16, arena_copy(&hub->arena, view->id.bytes, 16)};
	to->number = view->number;
	to->name = hub_text(hub, view->name);
	to->state = (char *)(uintptr_t)view_state(view);
	to->attached = view->attached;
	to->draining = view->draining;
	to->paused = view->paused;
	to->registered_ns = view->registered_ns;
	to->seen_ns = view_seen_ns(hub, view);
	to->has_seen_ns = to->seen_ns != 0;
	to->away_ms = hub_worker_away_ns(hub, view->number) / 1000000;
	to->has_away_ms = to->away_ms != 0;
	to->leases = view->leases;
	to->released = view->released;
	to->action_count = view->action_count;
	view_slots(hub, view, to);
}

static void
workers_list(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	Froe__WorkerPage page = FROE__WORKER_PAGE__INIT;
	struct eng_worker_view view;
	uint32_t limit = command->workers.limit;
	uint64_t after = command->workers.after;
	arena_reset(&hub->arena);
	page.rows = arena_alloc(&hub->arena, limit * sizeof(Froe__WorkerView *));
	while (page.n_rows < limit &&
	    eng_worker_next(hub->shard->eng, conn->tenant, after, &view)) {
		Froe__WorkerView *row = arena_alloc(&hub->arena, sizeof(*row));
		view_fill(hub, &view, row);
		page.rows[page.n_rows++] = row;
		after = view.number;
	}
	page.has_next = true;
	if (eng_worker_next(hub->shard->eng, conn->tenant, after, &view))
		page.next = after;
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_WORKER_PAGE, &page.base);
}

struct leases {
	struct hub *hub;
	Froe__WorkerView *view;
};

static bool
lease_take(void *context, const struct eng_lease_view *lease)
{
	struct leases *leases = context;
	struct hub *hub = leases->hub;
	Froe__WorkerLease *to = arena_alloc(&hub->arena, sizeof(*to));
	froe__worker_lease__init(to);
	to->has_task = to->has_lease = to->has_attempt = true;
	to->task = (ProtobufCBinaryData){16, arena_copy(&hub->arena, lease->task.bytes, 16)};
	to->lease = lease->lease;
	to->workflow = hub_text(hub, lease->workflow);
	to->name = hub_text(hub, lease->name);
	to->attempt = lease->attempt;
	to->has_released = to->released = lease->released;
	to->has_begun = to->begun = lease->begun;
	to->has_durable = to->durable = lease->durable;
	leases->view->held[leases->view->n_held++] = to;
	return leases->view->n_held < LEASES_SHOWN_MAX;
}

static void
workers_get(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng *eng = hub->shard->eng;
	struct eng_worker_view view;
	Froe__WorkerView message;
	uint64_t number = eng_worker_find(eng, conn->tenant, command->workers.worker);
	if (number == 0 || !eng_worker_view(eng, number, &view)) {
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "id",
		    "no worker with this id is registered");
		return;
	}
	arena_reset(&hub->arena);
	view_fill(hub, &view, &message);
	message.actions = arena_alloc(&hub->arena, view.action_count * sizeof(char *));
	for (uint32_t i = 0; i < view.action_count; i++)
		message.actions[message.n_actions++] =
		    hub_text(hub, eng_worker_action(eng, number, i));
	message.held = arena_alloc(&hub->arena, LEASES_SHOWN_MAX * sizeof(Froe__WorkerLease *));
	struct leases leases = {.hub = hub, .view = &message};
	eng_worker_leases(eng, number, lease_take, &leases);
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_WORKER_VIEW, &message.base);
}

void
hub_workers(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	if (command->op == API_OP_WORKER_LIST)
		workers_list(hub, conn, command);
	else
		workers_get(hub, conn, command);
}
