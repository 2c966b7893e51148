/*
 * server/hub_queues: what waits and what is worked on in a tenant, from the engine's state: exact,
 * and at once.
 *
 * Two kinds of rows: queues, by action, and attempts under way, by workflow and task. Rows beyond
 * FROE_LIST_MAX of a kind, and leases beyond LEASES_MAX, are not looked at: this is a step of the
 * hot loop.
 */
#include "server/hub_int.h"

#include "engine/holder.h"

#include "base/hash.h"
#include "froe/limits.h"

#define LEASES_MAX 100000u

struct queues {
	struct hub *hub;
	struct bytes tenant;
	Froe__QueuePage page;
	struct map tasks; /* hash of workflow and task -> Froe__QueueRow */
	uint32_t leases;
};

static Froe__QueueRow *
row_add(struct queues *queues, struct bytes workflow)
{
	Froe__QueueRow *row = arena_alloc(&queues->hub->arena, sizeof(*row));
	froe__queue_row__init(row);
	row->workflow = hub_text(queues->hub, workflow);
	queues->page.rows[queues->page.n_rows++] = row;
	return row;
}

static void
queue_take(void *context, const struct eng_queue_view *view)
{
	struct queues *queues = context;
	if (view->length == 0 || !bytes_equal(view->tenant, queues->tenant) ||
	    queues->page.n_rows == FROE_LIST_MAX)
		return;
	Froe__QueueRow *row = row_add(queues, view->workflow);
	row->action = hub_text(queues->hub, view->action);
	row->has_queued = row->has_oldest_ns = true;
	row->queued = view->length;
	row->oldest_ns = view->oldest_ns;
}

static bool
lease_take(void *context, const struct eng_lease_view *lease)
{
	struct queues *queues = context;
	uint64_t key = hash64(lease->workflow.data, lease->workflow.size, 0);
	key = hash64(lease->name.data, lease->name.size, key);
	Froe__QueueRow *row = map_get_u64(&queues->tasks, key);
	if (row == NULL && queues->tasks.count < FROE_LIST_MAX) {
		row = row_add(queues, lease->workflow);
		row->task = hub_text(queues->hub, lease->name);
		row->has_running = true;
		map_put_u64(&queues->tasks, key, row);
	}
	if (row != NULL)
		row->running++;
	return ++queues->leases < LEASES_MAX;
}

void
hub_queues(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng *eng = hub->shard->eng;
	struct queues queues = {.hub = hub, .tenant = eng_tenant_name(eng, conn->tenant)};
	struct eng_worker_view view;
	arena_reset(&hub->arena);
	map_init(&queues.tasks);
	froe__queue_page__init(&queues.page);
	queues.page.rows =
	    arena_alloc(&hub->arena, 2 * FROE_LIST_MAX * sizeof(*queues.page.rows));
	eng_queues(eng, queue_take, &queues);
	for (uint64_t after = 0; queues.leases < LEASES_MAX &&
	     eng_worker_next(eng, conn->tenant, after, &view); after = view.number)
		eng_worker_leases(eng, view.number, lease_take, &queues);
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_QUEUE_PAGE, &queues.page.base);
	map_release(&queues.tasks);
}
