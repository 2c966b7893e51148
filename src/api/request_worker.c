/*
 * api/request_worker: what workers, and those who run them, ask for, as commands.
 */
#include "api/request_int.h"

#include "froe/limits.h"

#include <stdio.h>

static enum froe_err
take_actions(const Froe__WorkerRegister *worker, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	if (worker->n_actions == 0 || worker->n_actions > FROE_WORKER_ACTIONS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "actions",
		    "a worker serves 1 to %u actions, not %zu", FROE_WORKER_ACTIONS_MAX,
		    worker->n_actions);
	struct bytes *actions = arena_alloc(arena, worker->n_actions * sizeof(*actions));
	if (actions == NULL)
		return fault_set_field(
		    fault, FROE_TOO_LARGE, "actions", "the actions are too large");
	for (size_t i = 0; i < worker->n_actions; i++) {
		char field[40];
		snprintf(field, sizeof(field), "actions[%zu]", i);
		enum froe_err err = take_name(worker->actions[i], field, /* required= */ true,
		    &actions[i], fault);
		if (err != FROE_OK)
			return err;
	}
	engine->worker_register.actions = actions;
	engine->worker_register.action_count = (uint32_t)worker->n_actions;
	return FROE_OK;
}

static enum froe_err
take_held(const Froe__WorkerRegister *worker, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	if (worker->n_held > FROE_WORKER_SLOTS_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "held",
		    "%zu leases are held; a worker has at most %u slots", worker->n_held,
		    FROE_WORKER_SLOTS_MAX);
	struct eng_fence *held = arena_alloc(arena, worker->n_held * sizeof(*held));
	if (held == NULL)
		return fault_set_field(
		    fault, FROE_TOO_LARGE, "held", "the held leases are too large");
	for (size_t i = 0; i < worker->n_held; i++) {
		const Froe__HeldLease *lease = worker->held[i];
		char field[40];
		snprintf(field, sizeof(field), "held[%zu].task", i);
		enum froe_err err =
		    take_task(lease->has_task, lease->task, field, &held[i].task, fault);
		if (err != FROE_OK)
			return err;
		held[i].lease = lease->lease;
	}
	engine->worker_register.held = held;
	engine->worker_register.held_count = (uint32_t)worker->n_held;
	return FROE_OK;
}

/* The sum over all types, and what a type may be called, is the engine's to judge. */
static enum froe_err
take_slots(const Froe__WorkerRegister *worker, struct arena *arena, struct eng_command *engine,
    struct froe_fault *fault)
{
	if (worker->n_slot_types == 0 &&
	    (worker->slots == 0 || worker->slots > FROE_WORKER_SLOTS_MAX))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "slots",
		    "a worker has 1 to %u slots, not %u", FROE_WORKER_SLOTS_MAX, worker->slots);
	if (worker->n_slot_types > FROE_WORKER_SLOT_TYPES_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "slot_types",
		    "a worker has slots of at most %u types, not %zu", FROE_WORKER_SLOT_TYPES_MAX,
		    worker->n_slot_types);
	struct eng_slots *types = arena_alloc(arena, worker->n_slot_types * sizeof(*types));
	if (types == NULL)
		return fault_set_field(
		    fault, FROE_TOO_LARGE, "slot_types", "the types are too large");
	for (size_t i = 0; i < worker->n_slot_types; i++) {
		char field[40];
		snprintf(field, sizeof(field), "slot_types[%zu]", i);
		types[i].count = worker->slot_types[i]->count;
		enum froe_err err = take_name(worker->slot_types[i]->type, field,
		    /* required= */ true, &types[i].type, fault);
		if (err != FROE_OK)
			return err;
	}
	engine->worker_register.types = types;
	engine->worker_register.type_count = (uint32_t)worker->n_slot_types;
	return FROE_OK;
}

enum froe_err
decode_worker_register(const Froe__WorkerRegister *worker, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_WORKER_REGISTER);
	engine->worker_register.incarnation = worker->incarnation;
	engine->worker_register.slots = worker->slots;
	engine->worker_register.draining = worker->draining;
	if (worker->incarnation == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "incarnation",
		    "incarnation is missing: give a number that is random for each process");
	enum froe_err err = take_wire_uuid(
	    worker->has_id, worker->id, "id", &engine->worker_register.id, fault);
	if (err == FROE_OK)
		err = take_name(worker->name, "name", /* required= */ false,
		    &engine->worker_register.name, fault);
	if (err == FROE_OK)
		err = take_actions(worker, arena, engine, fault);
	if (err == FROE_OK)
		err = take_slots(worker, arena, engine, fault);
	if (err == FROE_OK)
		err = take_held(worker, arena, engine, fault);
	return err;
}

enum froe_err
decode_worker_list(const Froe__WorkerList *list, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_WORKER_LIST;
	command->workers.after = list->after;
	return take_limit(list->limit, REQUEST_LIST_DEFAULT, &command->workers.limit, fault);
}

enum froe_err
decode_worker_get(const Froe__WorkerGet *get, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_WORKER_GET;
	return take_wire_uuid(get->has_id, get->id, "id", &command->workers.worker, fault);
}

enum froe_err
decode_worker_pause(const Froe__WorkerPause *pause, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_WORKER_PAUSE);
	engine->worker_pause.paused = !pause->resume;
	enum froe_err err =
	    take_wire_uuid(pause->has_id, pause->id, "id", &engine->worker_pause.worker, fault);
	if (err != FROE_OK)
		return err;
	return take_text(pause->reason, "reason", FROE_REASON_BYTES_MAX,
	    &engine->worker_pause.reason, fault);
}
