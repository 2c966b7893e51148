/*
 * engine/decide_worker: workers come, break off, drain and leave; free slots get tasks.
 */
#include "engine/durable_int.h"

#include "base/json.h"

#include <stdio.h>

static struct eng_worker *
command_worker(struct eng_turn *turn)
{
	return eng_worker_get(turn->eng, turn->command->worker.worker.v);
}

static struct eng_event
worker_event(const struct eng_worker *worker, enum eng_event_type type)
{
	return (struct eng_event){.type = type, .worker = worker->id};
}

static bool
register_valid(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint32_t slots = command->worker_register.slots;
	uint32_t actions = command->worker_register.action_count;
	if (slots == 0 || slots > FROE_WORKER_SLOTS_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "slots", "1 to %u", FROE_WORKER_SLOTS_MAX);
		return false;
	}
	if (actions == 0 || actions > FROE_WORKER_ACTIONS_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "actions", "1 to %u actions",
		    FROE_WORKER_ACTIONS_MAX);
		return false;
	}
	for (uint32_t i = 0; i < actions; i++) {
		struct bytes name = command->worker_register.actions[i];
		char field[32];
		snprintf(field, sizeof(field), "actions[%u]", i);
		if (name.size != 0 && name.size <= 2 * FROE_NAME_BYTES_MAX + 1 &&
		    utf8_valid(name.data, name.size))
			continue;
		reply_fault(turn, FROE_INVALID_ARGUMENT, field,
		    "an action is 1 to %u bytes of UTF-8", 2 * FROE_NAME_BYTES_MAX + 1);
		return false;
	}
	struct bytes worker = command->worker_register.name;
	if (worker.size > FROE_NAME_BYTES_MAX || !utf8_valid(worker.data, worker.size)) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "name",
		    "a worker's name is at most %u bytes of UTF-8", FROE_NAME_BYTES_MAX);
		return false;
	}
	if (uuid_is_nil(command->worker_register.id)) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "id", "a worker has an id of 16 bytes");
		return false;
	}
	return true;
}

/* Held as (run key, task + 1) so that a worker of 10 000 slots costs no square. */
static void
held_collect(struct eng_turn *turn, uint64_t worker, struct map *held, struct eng_effect *effect)
{
	const struct eng_command *command = turn->command;
	uint32_t count = command->worker_register.held_count;
	struct eng_fence *lapsed =
	    arena_alloc(&turn->eng->arena, count * sizeof(struct eng_fence));
	uint32_t lapsed_count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_fence *fence = &command->worker_register.held[i];
		struct eng_task *task = eng_lease_find(turn->eng, worker, fence);
		if (task == NULL)
			lapsed[lapsed_count++] = *fence;
		else
			map_put(held, task_run(task)->key, task->index, task);
	}
	effect->lapsed = lapsed;
	effect->lapsed_count = lapsed_count;
}

/* The worker is back: what it does not hold goes to the queue's front, at once. The newest lease
 * first, so that the oldest ends up in front. */
static void
worker_reattach(struct eng_turn *turn, struct eng_worker *worker)
{
	struct map held;
	struct list *at, *older;
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_ATTACHED);
	emit(turn, &event);
	struct eng_effect *effect = reply_ok(turn);
	effect->worker = worker->id;
	map_init(&held);
	held_collect(turn, worker->id, &held, effect);
	for (at = worker->leases.prev; at != &worker->leases; at = older) {
		older = at->prev;
		struct eng_task *task = container_of(at, struct eng_task, lease_link);
		if (map_get(&held, task_run(task)->key, task->index) == NULL)
			task_attempt_end(turn, task, ENG_REASON_RELEASED, bytes_of(NULL, 0), 0);
	}
	map_release(&held);
}

static void
worker_leave(struct eng_turn *turn, struct eng_worker *worker, enum eng_reason reason)
{
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_LEAVING);
	event.reason = (uint32_t)reason;
	emit(turn, &event);
}

static void
worker_enrol(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	struct eng_event event = {
	    .type = ENG_EV_WORKER_REGISTERED,
	    .tenant = command->tenant.v,
	    .worker = turn->eng->worker_last + 1,
	    .id = command->worker_register.id,
	    .name = command->worker_register.name,
	    .incarnation = command->worker_register.incarnation,
	    .slots = command->worker_register.slots,
	    .actions = command->worker_register.actions,
	    .action_count = command->worker_register.action_count,
	};
	uint64_t id = emit(turn, &event)->worker;
	struct eng_effect *effect = reply_ok(turn);
	struct map held;
	effect->worker = id;
	map_init(&held);
	held_collect(turn, id, &held, effect); /* a new worker holds nothing: all have lapsed */
	map_release(&held);
}

static bool
worker_same(const struct eng_worker *worker, const struct eng_command *command)
{
	if (worker->fair.slots != command->worker_register.slots ||
	    worker->action_count != command->worker_register.action_count)
		return false;
	for (uint32_t i = 0; i < worker->action_count; i++) {
		if (!bytes_equal(worker->actions[i]->named.name,
		        command->worker_register.actions[i]))
			return false;
	}
	return true;
}

void
decide_worker_register(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	if (!register_valid(turn))
		return;
	struct eng_worker *worker =
	    map_get_uuid(&turn->eng->workers_by_uuid, command->worker_register.id);
	if (worker != NULL && worker->tenant->id != command->tenant.v) {
		reply_fault(turn, FROE_ALREADY_EXISTS, "id", "another tenant's worker has this id");
	} else if (worker == NULL) {
		worker_enrol(turn);
	} else if (worker->incarnation != command->worker_register.incarnation) {
		worker_leave(turn, worker, ENG_REASON_REPLACED);
		worker_enrol(turn);
	} else if (!worker_same(worker, command)) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "actions",
		    "a worker that returns has the same actions and slots: take a new incarnation");
	} else {
		worker_reattach(turn, worker);
	}
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

void
decide_worker_leave(struct eng_turn *turn)
{
	struct eng_worker *worker = command_worker(turn);
	bool lost = turn->command->worker.lost;
	if (worker != NULL && !worker->leaving)
		worker_leave(turn, worker, lost ? ENG_REASON_LOST : ENG_REASON_LEFT);
	if (!lost)
		reply_ok(turn);
}

/* Released tasks go to the front, so the newest first; lost ones to the back, the oldest first. */
static void
lease_end(struct eng_turn *turn, struct eng_worker *worker)
{
	bool orderly = worker->leaving_reason == ENG_REASON_LEFT;
	struct list *at = orderly ? worker->leases.prev : worker->leases.next;
	task_attempt_end(turn, container_of(at, struct eng_task, lease_link),
	    orderly ? ENG_REASON_RELEASED : ENG_REASON_LOST,
	    orderly ? bytes_text("the worker left") : bytes_text("the worker was lost"), 0);
}

/* Leases of workers that leave end in slices: a lost worker of 10 000 slots is not one step. */
void
decide_leaving(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	size_t start = eng->output.event_count;
	while (!list_empty(&eng->leaving) &&
	    eng->output.event_count - start < ENG_STEP_LEASES_MAX) {
		struct eng_worker *worker =
		    container_of(eng->leaving.next, struct eng_worker, leaving_link);
		if (list_empty(&worker->leases)) {
			struct eng_event event = worker_event(worker, ENG_EV_WORKER_LEFT);
			emit(turn, &event);
		} else {
			lease_end(turn, worker);
		}
	}
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
		struct eng_worker *worker = container_of(to, struct eng_worker, fair);
		struct eng_event event = {
		    .type = ENG_EV_TASK_ASSIGNED,
		    .run = task_run(task)->key,
		    .task = task->index,
		    .lease = (uint64_t)task->lease + 1,
		    .attempt = task->attempt + (durable_returns(task) ? 0 : 1),
		    .invocation = durable_invocation(task),
		    .worker = worker->id,
		    .deadline_ns = eng_uptime_ns(eng, turn->now_ns) +
		        delay_ns_of(task_definition(task)->execution_timeout_ms),
		};
		emit(turn, &event);
		struct eng_effect *effect = effect_push(turn, ENG_EFF_DISPATCH);
		effect->run = event.run;
		effect->task = event.task;
		effect->lease = event.lease;
		effect->worker = event.worker;
		effect->queued_ns = task->queued_ns;
	}
}
