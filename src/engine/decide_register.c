/*
 * engine/decide_register: a worker comes, returns, or takes another's place.
 */
#include "engine/engine_int.h"

#include "base/json.h"

#include <stdio.h>

static bool
slot_type_again(const struct eng_command *command, uint32_t i)
{
	struct bytes type = command->worker_register.types[i].type;
	for (uint32_t j = 0; j < i; j++) {
		if (bytes_equal(command->worker_register.types[j].type, type))
			return true;
	}
	return bytes_equal(type, bytes_text(FROE_SLOT_DEFAULT));
}

static bool
slots_valid(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint64_t sum = command->worker_register.slots;
	uint32_t count = command->worker_register.type_count;
	if (count + (sum != 0 ? 1 : 0) > FROE_WORKER_SLOT_TYPES_MAX) {
		reply_fault(turn, FROE_INVALID_ARGUMENT, "slot_types",
		    "a worker has slots of at most %u types", FROE_WORKER_SLOT_TYPES_MAX);
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		const struct eng_slots *slots = &command->worker_register.types[i];
		char field[32];
		snprintf(field, sizeof(field), "slot_types[%u]", i);
		sum += slots->count;
		if (slots->count > 0 && slot_type_valid(slots->type) &&
		    !slot_type_again(command, i))
			continue;
		reply_fault(turn, FROE_INVALID_ARGUMENT, field,
		    "a type that no other has, without spaces and \"=\", and 1 or more slots; "
		    "those of \"" FROE_SLOT_DEFAULT "\" are `slots`");
		return false;
	}
	if (sum > 0 && sum <= FROE_WORKER_SLOTS_MAX)
		return true;
	reply_fault(turn, FROE_INVALID_ARGUMENT, "slots", "1 to %u, of all types",
	    FROE_WORKER_SLOTS_MAX);
	return false;
}

static bool
register_valid(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint32_t actions = command->worker_register.action_count;
	if (!slots_valid(turn))
		return false;
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

/* Takes up again, or begins, what holds for the worker whatever its process says. */
static void
worker_restrain(struct eng_turn *turn, struct eng_worker *worker, struct eng_effect *effect,
    bool draining, bool paused)
{
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_DRAINING);
	if (draining && !worker->draining)
		emit(turn, &event);
	event = worker_event(worker, ENG_EV_WORKER_PAUSED);
	event.text = bytes_text("paused before it was replaced");
	if (paused && !worker->paused)
		emit(turn, &event);
	effect->draining = worker->draining;
	effect->paused = worker->paused;
}

/* The leases that it is back without end in slices, after this: decide_leaving(). The newest first,
 * so that the oldest ends up in the queue's front. */
static void
leases_drop(struct eng_turn *turn, struct eng_worker *worker, const struct map *held)
{
	struct list *at;
	struct eng_event event = worker_event(worker, ENG_EV_LEASES_DROPPED);
	uint8_t *rows = arena_alloc(&turn->eng->arena, worker->lease_count * ENG_DROPPED_BYTES);
	size_t size = 0;
	for (at = worker->leases.prev; at != &worker->leases; at = at->prev) {
		struct eng_task *task = container_of(at, struct eng_task, held.link);
		if (map_get(held, task_run(task)->key, task->index) != NULL)
			continue;
		le64_store(rows + size, task_run(task)->key);
		le32_store(rows + size + 8, task->index);
		size += ENG_DROPPED_BYTES;
	}
	event.payload = bytes_of(rows, size);
	if (size > 0)
		emit(turn, &event);
}

/* The worker is back. It goes on draining, until it leaves. */
static void
worker_reattach(struct eng_turn *turn, struct eng_worker *worker)
{
	struct map held;
	bool draining = worker->draining || turn->command->worker_register.draining;
	struct eng_event event = worker_event(worker, ENG_EV_WORKER_ATTACHED);
	emit(turn, &event);
	struct eng_effect *effect = reply_ok(turn);
	effect->worker = worker->id;
	worker_restrain(turn, worker, effect, draining, /* paused= */ false);
	map_init(&held);
	held_collect(turn, worker->id, &held, effect);
	leases_drop(turn, worker, &held);
	map_release(&held);
}

static const struct bytes *
types_text(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	uint32_t count = command->worker_register.type_count;
	struct arena *arena = &turn->eng->arena;
	struct bytes *texts = arena_alloc(arena, count * sizeof(*texts));
	for (uint32_t i = 0; i < count; i++)
		texts[i] = slots_text(arena, &command->worker_register.types[i]);
	return texts;
}

static void
worker_enrol(struct eng_turn *turn, bool paused)
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
	    .types = types_text(turn),
	    .type_count = command->worker_register.type_count,
	};
	uint64_t id = emit(turn, &event)->worker;
	struct eng_effect *effect = reply_ok(turn);
	struct map held;
	effect->worker = id;
	worker_restrain(turn, eng_worker_get(turn->eng, id), effect,
	    command->worker_register.draining, paused);
	map_init(&held);
	held_collect(turn, id, &held, effect); /* a new worker holds nothing: all have lapsed */
	map_release(&held);
}

static uint32_t
worker_slots(const struct eng_worker *worker, struct bytes type)
{
	for (uint32_t i = 0; i < worker->fair.type_count; i++) {
		if (bytes_equal(slot_type_name(worker->tenant, worker->fair.types[i].type), type))
			return worker->fair.types[i].slots;
	}
	return 0;
}

static bool
worker_same(const struct eng_worker *worker, const struct eng_command *command)
{
	uint32_t sum = command->worker_register.slots;
	if (worker->action_count != command->worker_register.action_count ||
	    worker_slots(worker, bytes_text(FROE_SLOT_DEFAULT)) != sum)
		return false;
	for (uint32_t i = 0; i < command->worker_register.type_count; i++) {
		const struct eng_slots *slots = &command->worker_register.types[i];
		if (worker_slots(worker, slots->type) != slots->count)
			return false;
		sum += slots->count;
	}
	for (uint32_t i = 0; i < worker->action_count; i++) {
		if (!bytes_equal(worker->actions[i]->named.name,
		        command->worker_register.actions[i]))
			return false;
	}
	return worker->fair.slots == sum;
}

void
decide_worker_register(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	if (!register_valid(turn))
		return;
	struct eng_worker *worker =
	    eng_worker_by_uuid(turn->eng, command->tenant.v, command->worker_register.id);
	bool replaced =
	    worker != NULL && worker->incarnation != command->worker_register.incarnation;
	struct froe_fault fault;
	if ((worker == NULL || replaced) &&
	    quota_worker(command_tenant(turn), command, replaced, &fault) != FROE_OK) {
		reply_fault(turn, fault.code, fault.field, "%s", fault.text);
	} else if (worker == NULL) {
		worker_enrol(turn, /* paused= */ false);
	} else if (replaced) {
		bool paused = worker->paused;
		worker_leave(turn, worker, ENG_REASON_REPLACED);
		worker_enrol(turn, paused);
	} else if (!worker_same(worker, command)) {
		reply_fault(turn, FROE_FAILED_PRECONDITION, "actions",
		    "a worker that returns has the same actions and slots: take a new incarnation");
	} else {
		worker_reattach(turn, worker);
	}
}
