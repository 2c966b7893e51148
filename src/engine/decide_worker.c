/*
 * engine/decide_worker: workers break off, drain, are paused and leave; free slots get tasks.
 */
#include "engine/durable_int.h"

static struct eng_worker *
command_worker(struct eng_turn *turn)
{
	return eng_worker_get(turn->eng, turn->command->worker.worker.v);
}

struct eng_event
worker_event(const struct eng_worker *worker, enum eng_event_type type)
{
	return (struct eng_event){.type = type, .worker = worker->id};
}

void
worker_leave(struct eng_turn *turn, struct eng_worker *worker, enum eng_reason reason)
{
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_LEAVING);
	event.reason = (uint32_t)reason;
	event.lapse_ns = command_lapse_ns(turn);
	emit(turn, &event);
}

void
decide_worker_detach(struct eng_turn *turn)
{
	struct eng_worker *worker = command_worker(turn);
	if (worker == NULL || worker->leaving || !worker->attached)
		return;
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_DETACHED);
	emit(turn, &event);
}

void
decide_worker_drain(struct eng_turn *turn)
{
	struct eng_worker *worker = command_worker(turn);
	if (worker == NULL || worker->leaving) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "", "no worker is registered here");
		return;
	}
	if (!worker->draining) {
		struct eng_event event = worker_event(worker, ENG_EV_WORKER_DRAINING);
		emit(turn, &event);
	}
	reply_ok(turn);
}

/* What it is stays known, as another registration, which holds nothing. */
static void
worker_keep(struct eng_turn *turn, const struct eng_worker *worker)
{
	struct arena *arena = &turn->eng->arena;
	struct bytes *types = arena_alloc(arena, worker->fair.type_count * sizeof(*types));
	struct bytes *actions = arena_alloc(arena, worker->action_count * sizeof(*actions));
	struct eng_event event = {
	    .type = ENG_EV_WORKER_REGISTERED,
	    .tenant = worker->tenant->id,
	    .worker = turn->eng->worker_last + 1,
	    .id = worker->uuid,
	    .name = bytes_of(arena_copy(arena, worker->name.data, worker->name.size),
	        worker->name.size), /* it may be gone by the end of the step */
	    .incarnation = worker->incarnation,
	    .actions = actions,
	    .action_count = worker->action_count,
	    .types = types,
	};
	for (uint32_t i = 0; i < worker->action_count; i++)
		actions[i] = worker->actions[i]->named.name;
	for (uint32_t i = 0; i < worker->fair.type_count; i++) {
		const struct fair_slots *slots = &worker->fair.types[i];
		struct eng_slots named = {
		    slot_type_name(worker->tenant, slots->type), slots->slots};
		if (bytes_equal(named.type, bytes_text(FROE_SLOT_DEFAULT)))
			event.slots = named.count;
		else
			types[event.type_count++] = slots_text(arena, &named);
	}
	uint64_t number = emit(turn, &event)->worker;
	event = worker_event(eng_worker_get(turn->eng, number), ENG_EV_WORKER_DETACHED);
	emit(turn, &event);
}

void
decide_worker_leave(struct eng_turn *turn)
{
	struct eng_worker *worker = command_worker(turn);
	bool lost = turn->command->worker.lost;
	if (worker != NULL && !worker->leaving) {
		worker_leave(turn, worker, lost ? ENG_REASON_LOST : ENG_REASON_LEFT);
		if (lost && turn->command->worker.kept)
			worker_keep(turn, worker);
	}
	if (!lost)
		reply_ok(turn);
}

void
decide_worker_pause(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_worker *worker =
	    eng_worker_by_uuid(turn->eng, command->tenant.v, command->worker_pause.worker);
	bool paused = command->worker_pause.paused;
	if (worker == NULL) {
		reply_fault(turn, FROE_NOT_FOUND, "worker",
		    "no worker with this id is registered");
		return;
	}
	if (worker->paused != paused) {
		struct eng_event event =
		    worker_event(worker, paused ? ENG_EV_WORKER_PAUSED : ENG_EV_WORKER_RESUMED);
		event.text = command->worker_pause.reason;
		event.actor = command->actor;
		emit(turn, &event);
	}
	reply_ok(turn)->worker = worker->id;
}

/* Released tasks go to the front, so the newest first; lost ones to the back, the oldest first. */
static void
lease_end(struct eng_turn *turn, struct eng_worker *worker)
{
	bool orderly = worker->leaving_reason == ENG_REASON_LEFT;
	struct list *at = orderly ? worker->leases.prev : worker->leases.next;
	struct eng_task *task = container_of(at, struct eng_task, held.link);
	if (!orderly) /* it may be there still: silent, or replaced by mistake */
		task_revoke(turn, task, ENG_REASON_LOST);
	task_attempt_lapse(turn, task, orderly ? ENG_REASON_RELEASED : ENG_REASON_LOST,
	    orderly ? bytes_text("the worker left") : bytes_text("the worker was lost"),
	    worker->lapse_ns);
}

/* The worker is back and does not have it. */
static void
lease_drop(struct eng_turn *turn, struct eng_worker *worker)
{
	struct list *at = worker->dropped.next;
	task_attempt_end(turn, container_of(at, struct eng_task, held.link), ENG_REASON_RELEASED,
	    bytes_of(NULL, 0), 0);
}

static void
leaving_step(struct eng_turn *turn, struct eng_worker *worker)
{
	if (!list_empty(&worker->dropped)) {
		lease_drop(turn, worker);
	} else if (!list_empty(&worker->leases)) {
		lease_end(turn, worker);
	} else {
		struct eng_event event = worker_event(worker, ENG_EV_WORKER_LEFT);
		emit(turn, &event);
	}
}

/* Leases that end all at once end in slices: a lost worker of 10 000 slots is not one step. */
void
decide_leaving(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	size_t start = eng->output.event_count;
	while (eng->output.event_count - start < ENG_STEP_LEASES_MAX) {
		if (!list_empty(&eng->dropping))
			lease_drop(turn, container_of(eng->dropping.next, struct eng_worker,
			    dropping_link));
		else if (!list_empty(&eng->leaving))
			leaving_step(turn, container_of(eng->leaving.next, struct eng_worker,
			    leaving_link));
		else
			return;
	}
}

static void
assign(struct eng_turn *turn, struct eng_task *task, struct eng_worker *worker)
{
	struct eng_event *event = event_of_run(turn, ENG_EV_TASK_ASSIGNED, task_run(task));
	event->task = task->index;
	event->lease = (uint64_t)task->lease + 1;
	event->attempt = task->attempt + (durable_returns(task) ? 0 : 1);
	event->invocation = durable_invocation(task);
	event->worker = worker->id;
	turn->eng->worker_recent = worker; /* apply will look for it */
	event->deadline_ns = eng_uptime_ns(turn->eng, turn->now_ns) +
	    delay_ns_of(task_definition(task)->execution_timeout_ms);
	event_happens(turn, event);
	struct eng_effect *effect = effect_push(turn, ENG_EFF_DISPATCH);
	effect->run = event->run;
	effect->task = event->task;
	effect->lease = event->lease;
	effect->worker = event->worker;
	effect->queued_ns = task->queued_ns;
}

void
decide_schedule(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	struct fair_item *item;
	struct fair_worker *to;
	uint32_t count = 0;
	while (count++ < ENG_STEP_ASSIGNMENTS_MAX && fair_next(&eng->fair, &item, &to)) {
		struct eng_task *task = task_of_item(item);
		assign(turn, task, container_of(to, struct eng_worker, fair));
	}
}
