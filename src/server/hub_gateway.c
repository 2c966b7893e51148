/*
 * server/hub_gateway: commands that a gateway gives for workers.
 *
 * A native worker speaks of its leases over the connection it has registered on. The workers of a
 * gateway may use any connection, and do not know their leases: the task and its attempt say which
 * lease is meant. It is looked up here, in the state of this very step, so a late word finds
 * another attempt, or none, and is refused as any late one; but for a log line, which is taken when
 * its run has ended, too.
 */
#include "server/hub_int.h"

#include "engine/holder.h"

/* Holds somebody the lease that is meant? */
static bool
holder_find(const struct hub *hub, const struct hub_conn *conn, const struct api_command *command,
    const struct eng_fence *fence, struct eng_holder *ret_holder)
{
	bool any = fence->lease == 0 || fence->lease == UINT64_MAX; /* whichever it is */
	return eng_holder(hub->shard->eng, conn->tenant, fence->task, ret_holder) &&
	    (command->attempt == 0 || command->attempt == ret_holder->attempt) &&
	    (any || fence->lease == ret_holder->lease);
}

static bool
holder_fence(struct hub *hub, const struct hub_conn *conn, const struct api_command *command,
    struct eng_fence *fence, struct eng_worker_id *worker)
{
	struct eng_holder holder;
	if (!holder_find(hub, conn, command, fence, &holder)) {
		hub_queue_error(hub, &command->origin, FROE_LEASE_LAPSED, "task",
		    "this attempt of the task is not under way (any more): stop the handler");
		return false;
	}
	fence->lease = holder.lease;
	*worker = holder.worker;
	hub_worker_seen(hub, holder.worker.v);
	return true;
}

/* Of a run whose history is gone, or is about to go, no line is kept. */
static bool
holder_line(struct hub *hub, const struct hub_conn *conn, const struct api_command *command,
    struct eng_command *engine)
{
	struct eng_holder holder;
	uint32_t number;
	if (holder_find(hub, conn, command, &engine->task.fence, &holder))
		return holder_fence(
		    hub, conn, command, &engine->task.fence, &engine->task.worker);
	uint64_t closed_ns =
	    eng_closed_ns(hub->shard->eng, uuid_run_of(engine->task.fence.task, &number));
	uint64_t now_ns = hub->shard->clock.now_ns;
	if (closed_ns != 0 && now_ns - closed_ns >= hub->indexer->keep_ns) {
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "task",
		    "the run ended longer ago than the server's retention: its history is gone");
		return false;
	}
	engine->task.late = true;
	engine->task.attempt = command->attempt;
	return true;
}

/* The run of a task that has ended is nobody's child. */
static void
holder_child(struct hub *hub, const struct hub_conn *conn, struct eng_start *start)
{
	struct eng_holder holder;
	if (!start->child)
		return;
	start->child = eng_holder(hub->shard->eng, conn->tenant, start->parent.task, &holder);
	if (!start->child)
		return;
	start->parent.lease = holder.lease;
	start->worker = holder.worker;
}

bool
hub_gateway_holder(struct hub *hub, const struct hub_conn *conn, const struct api_command *command,
    struct eng_command *engine, struct eng_start *starts)
{
	if (!command->holder)
		return true;
	if (engine->type == ENG_CMD_RUN_START) {
		holder_child(hub, conn, &engine->run_start);
		return true;
	}
	if (engine->type == ENG_CMD_RUN_START_MANY) {
		for (uint32_t i = 0; i < engine->run_start_many.count; i++)
			holder_child(hub, conn, &starts[i]);
		return true;
	}
	if (engine->type == ENG_CMD_DURABLE_STEP || engine->type == ENG_CMD_TASK_EVICT)
		return holder_fence(
		    hub, conn, command, &engine->durable.fence, &engine->durable.worker);
	if (engine->type == ENG_CMD_TASK_LOG)
		return holder_line(hub, conn, command, engine);
	return holder_fence(hub, conn, command, &engine->task.fence, &engine->task.worker);
}

/* By its own id, or the connection's; 0: there is none, which has been answered. */
uint64_t
hub_gateway_worker(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	if (uuid_is_nil(command->worker))
		return conn->worker;
	uint64_t worker = eng_worker_find(hub->shard->eng, conn->tenant, command->worker);
	if (worker == 0)
		hub_queue_error(hub, &command->origin, FROE_NOT_FOUND, "worker",
		    "no worker of the tenant has this id: register it again");
	return worker;
}
