/*
 * fuzz/engine_world: a live engine, and a second one that knows only what the log says.
 *
 * world_open() sets the stage; step_one() takes an operation from the feed: a command, as a hostile
 * shell would give it but of the shape that a decoded request has, time, a question, or a SAVE, in
 * which the second engine is replaced by one that was loaded from what it saved.
 *
 * After each step: the events, as the log would write them, take no more than eng_step_bytes_max()
 * promised; decoded again and applied by the second engine, as recovery does, they fit; the answers
 * are as many as there should be; every dispatch can be asked for. world_close() checks the
 * invariants of both, and that they have the same hash.
 */
#ifndef FUZZ_ENGINE_WORLD_H
#define FUZZ_ENGINE_WORLD_H

#include "fuzz/feed.h"

#include "api/definition.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/save.h"
#include "engine/workflow.h"
#include "froe/limits.h"
#include "log/record_int.h"
#include "server/record.h"

#include <stdio.h>

#define STEPS_MAX 400u
#define TENANTS 2u
#define WORKERS 4u
#define LEASES 64u
#define RUNS 64u
#define SECOND_NS UINT64_C(1000000000)
#define START_NS (1000000 * SECOND_NS)

/* A run, and what its records say: enough to replay it. */
struct run {
	struct uuid id;
	uint64_t key;
	uint32_t tenant;
	struct eng_replay past;
	struct eng_past_task tasks[32];
	bool closed;
};

struct world {
	struct eng *eng;
	struct eng *twin;
	struct feed *feed;
	struct arena arena; /* of one step */
	uint64_t now_ns;
	uint64_t dice;
	uint64_t ids;
	uint64_t workers[WORKERS]; /* numbers */
	struct eng_fence leases[LEASES];
	uint64_t holders[LEASES];
	uint32_t lease_count;
	struct run runs[RUNS];
	uint32_t run_count;
	struct buf body;
	unsigned steps;
};

static uint8_t
pick(struct world *world, uint8_t below)
{
	return (uint8_t)(feed_u8(world->feed) % below);
}

static uint64_t
roll(struct world *world)
{
	uint64_t z = (world->dice += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 31);
}

/* ---------------------------------------------------------------------------- the second engine */

static void
twin_apply(struct world *world, const struct eng_event *event, struct bytes body)
{
	struct log_record record = {
	    .type = (uint16_t)event->type,
	    .time_ns = event->time_ns,
	    .run_key = event->run,
	    .run_event_no = event->run_event_no,
	    .body = body,
	};
	struct eng_event decoded;
	struct froe_fault fault;
	enum froe_err err = record_decode(&record, &world->arena, &decoded, &fault);
	if (err == FROE_OK)
		err = eng_apply_logged(world->twin, &decoded, &fault);
	if (err != FROE_OK)
		froe_panic(__FILE__, __LINE__, __func__, fault.text);
}

static enum froe_err
reload_one(void *context, const struct eng_saved *saved, struct froe_fault *fault)
{
	struct eng_load *load = context;
	struct eng_saved again = *saved;
	struct eng_event event;
	struct arena arena;
	struct buf body;
	arena_init(&arena, 0);
	buf_init(&body);
	enum froe_err err = FROE_OK;
	if (saved->event != NULL) {
		struct log_record record = {
		    .type = saved->type, .time_ns = saved->event->time_ns};
		record_encode(saved->event, &body);
		record.body = buf_bytes(&body);
		err = record_decode(&record, &arena, &event, fault);
		again.event = &event;
	}
	if (err == FROE_OK)
		err = eng_load_put(load, &again, fault);
	buf_release(&body);
	arena_release(&arena);
	return err;
}

static void
twin_reload(struct world *world)
{
	struct eng_load *load = eng_load_open();
	struct eng *loaded;
	struct froe_fault fault;
	uint64_t hash = eng_hash(world->twin);
	froe_assert(hash == eng_hash(world->eng));
	enum froe_err err = eng_save(world->twin, reload_one, load, &fault);
	if (err == FROE_OK)
		err = eng_load_close(load, &loaded, &fault);
	if (err != FROE_OK)
		froe_panic(__FILE__, __LINE__, __func__, fault.text);
	eng_close(world->twin);
	world->twin = loaded;
	eng_check(world->twin);
	froe_assert(eng_hash(world->twin) == hash);
}

/* ------------------------------------------------------------------------------- what is known */

static struct run *
run_of(struct world *world, uint64_t key)
{
	for (uint32_t i = 0; i < world->run_count; i++) {
		if (world->runs[i].key == key)
			return &world->runs[i];
	}
	return NULL;
}

static void
run_begun(struct world *world, const struct eng_event *event)
{
	if (world->run_count == RUNS)
		return;
	struct run *run = &world->runs[world->run_count++];
	*run = (struct run){.id = event->id, .key = event->run, .tenant = event->tenant};
	run->past = (struct eng_replay){
	    .run = event->id,
	    .key = event->run,
	    .workflow = event->workflow,
	    .version = event->version,
	    .priority = event->priority,
	    .created_ns = event->time_ns,
	    .parent = event->parent,
	    .input_record = 1,
	    .tasks = run->tasks,
	};
}

/* As server/past.c has it, but for nodes. */
static void
run_learn(struct world *world, const struct eng_event *event)
{
	struct run *run = run_of(world, event->run);
	if (event->type == ENG_EV_RUN_STARTED)
		run_begun(world, event);
	if (run == NULL || event->type == ENG_EV_RUN_STARTED)
		return;
	run->past.records = event->run_event_no;
	run->closed = event->type == ENG_EV_RUN_CLOSED;
	if (event->type == ENG_EV_RUN_DUE) {
		run->past.version = event->version;
		run->past.priority = event->priority;
	} else if (event->type == ENG_EV_RUN_REPLAYED) {
		run->past.input_record = event->input;
		for (uint32_t i = 0; i < event->kept_count && i < 32; i++) {
			if (event->kept[i].data[0] == 'W')
				run->tasks[i].state = ENG_TASK_WAITING;
			if (event->kept[i].data[0] == 'W')
				run->tasks[i].output = 0;
		}
	}
	if (event->task >= 32)
		return;
	struct eng_past_task *task = &run->tasks[event->task];
	if (event->type == ENG_EV_TASK_ASSIGNED) {
		task->lease = (uint32_t)event->lease;
		task->attempt = event->attempt;
	} else if (event->type == ENG_EV_TASK_COMPLETED) {
		task->state = ENG_TASK_COMPLETED;
		task->output = event->run_event_no;
	} else if (event->type == ENG_EV_TASK_SKIPPED) {
		task->state = ENG_TASK_SKIPPED;
	}
}

static void
lease_learn(struct world *world, const struct eng_effect *effect)
{
	struct eng_dispatch dispatch;
	froe_assert(eng_dispatch(world->eng, effect->run, effect->task, effect->lease,
	    world->now_ns, &dispatch));
	uint32_t at = world->lease_count++ % LEASES;
	world->leases[at] = (struct eng_fence){.task = dispatch.task, .lease = effect->lease};
	world->holders[at] = effect->worker;
}

/* -------------------------------------------------------------------------------------- a step */

static bool
answered(const struct eng_command *command)
{
	return command->type != ENG_CMD_ENGINE_START && command->type != ENG_CMD_TIMER &&
	    command->type != ENG_CMD_SCHEDULE && command->type != ENG_CMD_WORKER_DETACH &&
	    command->type != ENG_CMD_TASK_PROVIDE &&
	    (command->type != ENG_CMD_WORKER_LEAVE || !command->worker.lost);
}

static void
effects_take(struct world *world, const struct eng_command *command,
    const struct eng_output *output)
{
	unsigned replies = 0;
	for (size_t i = 0; i < output->effect_count; i++) {
		const struct eng_effect *effect = &output->effects[i];
		if (effect->type == ENG_EFF_DISPATCH)
			lease_learn(world, effect);
		if (effect->type != ENG_EFF_REPLY)
			continue;
		replies++;
		froe_assert((effect->err != FROE_OK) == (effect->fault != NULL));
		if (effect->fault != NULL)
			froe_assert(utf8_valid(effect->fault->text, strlen(effect->fault->text)));
	}
	froe_assert(replies == (answered(command) ? 1u : 0u));
}

static const struct eng_output *
step(struct world *world, struct eng_command *command)
{
	if (command->lapse_ns == 0)
		command->lapse_ns = world->now_ns + 30 * SECOND_NS;
	size_t bytes_max = eng_step_bytes_max(world->eng, command), bytes = 0;
	const struct eng_output *output =
	    eng_step(world->eng, command, world->now_ns, roll(world));
	arena_reset(&world->arena);
	for (size_t i = 0; i < output->event_count; i++) {
		const struct eng_event *event = &output->events[i];
		buf_reset(&world->body);
		size_t size = record_encode(event, &world->body);
		bytes += rec_span(LOG_RECORD_HEADER_BYTES + size);
		twin_apply(world, event, buf_bytes(&world->body));
		run_learn(world, event);
	}
	froe_assert(bytes <= bytes_max);
	effects_take(world, command, output);
	if (++world->steps % 8 == 0)
		eng_check(world->eng);
	return output;
}

static const struct eng_effect *
reply_of(const struct eng_output *output)
{
	for (size_t i = 0; i < output->effect_count; i++) {
		if (output->effects[i].type == ENG_EFF_REPLY)
			return &output->effects[i];
	}
	return NULL;
}

/* ----------------------------------------------------------------------------------- the stage */

static const char *const names[] = {
    "one", "dag", "dur", "once", "exact", "gpu", "many", "nobody's"};
#define WORKFLOWS 7u

/* Tasks 0, 1, ...: by the workflow's number. */
static void
workflow_put(struct world *world, uint32_t tenant, uint32_t number, uint8_t flavour)
{
	static const uint8_t counts[] = {1, 5, 2, 1, 1, 2, 20};
	static char texts[32][3];
	Froe__WorkflowDefinition definition = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__TaskDefinition tasks[32], *rows[32];
	Froe__Slots gpu = FROE__SLOTS__INIT, *slots[1] = {&gpu};
	char *parents[32];
	uint32_t count = counts[number] + flavour % 3;
	gpu.type = (char *)(uintptr_t)"gpu";
	gpu.has_count = true;
	gpu.count = 1 + flavour % 2;
	for (uint32_t i = 0; i < count; i++) {
		froe__task_definition__init(&tasks[i]);
		snprintf(texts[i], sizeof(texts[i]), "%u", i);
		tasks[i].name = parents[i] = texts[i];
		tasks[i].has_retries = tasks[i].has_durable = tasks[i].has_delivery = true;
		tasks[i].has_execution_timeout_ms = true;
		tasks[i].execution_timeout_ms = 1000 + 9000 * (flavour % 7);
		tasks[i].retries = number == 3 ? 0 : flavour % 4;
		tasks[i].durable = number == 2 || (number == 4 && flavour % 2 == 1);
		tasks[i].delivery = number == 3 ? FROE__DELIVERY__AT_MOST_ONCE
		    : number == 4               ? FROE__DELIVERY__EXACTLY_ONCE
		                                : FROE__DELIVERY__AT_LEAST_ONCE;
		if (number == 1 && i > 0) {
			tasks[i].parents = parents;
			tasks[i].n_parents = i / 2 + 1;
		}
		if (number == 5) {
			tasks[i].slots = slots;
			tasks[i].n_slots = 1;
		}
		rows[i] = &tasks[i];
	}
	if (number == 1 && flavour % 2 == 1) {
		tasks[count - 1].n_parents = 0;
		tasks[count - 1].has_on_failure = tasks[count - 1].on_failure = true;
	}
	definition.name = (char *)(uintptr_t)names[number];
	definition.tasks = rows;
	definition.n_tasks = count;
	definition.has_run_timeout_ms = flavour % 5 == 4;
	definition.run_timeout_ms = 50000;
	struct arena arena;
	arena_init(&arena, 0);
	struct eng_command command = {.type = ENG_CMD_WORKFLOW_PUT, .tenant.v = tenant};
	command.workflow_put.definition = *definition_from_proto(&definition, &arena);
	step(world, &command);
	arena_release(&arena);
}

static void
worker_register(struct world *world, uint32_t number, uint8_t flavour)
{
	static char texts[WORKFLOWS * 23][16];
	struct bytes actions[WORKFLOWS * 23];
	struct eng_slots types[1] = {{.type = bytes_text("gpu"), .count = 1 + flavour % 3}};
	struct eng_fence held[8];
	uint32_t count = 0, held_count = 0;
	for (uint32_t w = 0; w < WORKFLOWS; w++) {
		for (uint32_t t = 0; t < 23; t++) {
			if (flavour % 16 == 15 && t % 2 == 1)
				continue;
			snprintf(texts[count], sizeof(texts[0]), "%s:%u", names[w], t);
			actions[count] = bytes_text(texts[count]);
			count++;
		}
	}
	for (uint32_t i = 0; i < LEASES && held_count < 8 && (flavour & 64) != 0; i++) {
		if (world->holders[i] == world->workers[number] && world->workers[number] != 0)
			held[held_count++] = world->leases[i];
	}
	struct eng_command command = {
	    .type = ENG_CMD_WORKER_REGISTER,
	    .tenant.v = 1 + number % TENANTS,
	    .worker_register = {
	        .id.bytes = {1, (uint8_t)number},
	        .name = bytes_text("w"),
	        .incarnation = 1 + (flavour >> 4) % 2,
	        .actions = actions,
	        .action_count = count,
	        .slots = 1 + flavour % 4,
	        .types = types,
	        .type_count = 1,
	        .held = held,
	        .held_count = held_count,
	        .draining = flavour % 32 == 31,
	    },
	};
	const struct eng_effect *reply = reply_of(step(world, &command));
	if (reply->err == FROE_OK)
		world->workers[number] = reply->worker;
}

static void
world_open(struct world *world, struct feed *feed)
{
	static const char *const tenants[] = {"default", "other"};
	struct eng_command command = {.type = ENG_CMD_ENGINE_START, .engine_start.epoch = 1};
	*world = (struct world){.eng = eng_open(), .twin = eng_open(), .feed = feed};
	world->now_ns = START_NS;
	arena_init(&world->arena, 0);
	buf_init(&world->body);
	step(world, &command);
	for (uint32_t i = 0; i < TENANTS; i++) {
		command = (struct eng_command){.type = ENG_CMD_TENANT_OPEN};
		command.tenant_open.name = bytes_text(tenants[i]);
		step(world, &command);
		for (uint32_t w = 0; w < WORKFLOWS; w++)
			workflow_put(world, i + 1, w, (uint8_t)(3 * w));
	}
	for (uint32_t i = 0; i < 2; i++)
		worker_register(world, i, 0);
}

static void
world_close(struct world *world)
{
	eng_check(world->eng);
	eng_check(world->twin);
	froe_assert(eng_hash(world->eng) == eng_hash(world->twin));
	eng_close(world->eng);
	eng_close(world->twin);
	buf_release(&world->body);
	arena_release(&world->arena);
}

/* ---------------------------------------------------------------------------------- operations */

static const char *const keys[] = {"a", "b", "node:1", "node:01", "node:2", "c:d", "node:"};

static struct bytes
pick_key(struct world *world)
{
	uint8_t which = pick(world, 8);
	return which == 7 ? bytes_of(NULL, 0) : bytes_text(keys[which]);
}

static uint32_t
pick_lease(struct world *world)
{
	uint32_t count = world->lease_count < LEASES ? world->lease_count : LEASES;
	uint8_t back = pick(world, LEASES);
	return count == 0 ? 0 : (world->lease_count - 1 - back % count) % LEASES;
}

static uint32_t
tenant_of(struct world *world, uint64_t worker)
{
	for (uint32_t i = 0; i < WORKERS; i++) {
		if (world->workers[i] == worker)
			return 1 + i % TENANTS;
	}
	return 1;
}

static void
start_fill(struct world *world, struct eng_start *start)
{
	static const struct bytes metadata[] = {
	    {(const uint8_t *)"k", 1}, {(const uint8_t *)"v", 1}, {(const uint8_t *)"k2", 2}, {0}};
	uint8_t how = feed_u8(world->feed);
	uint8_t random[16] = {0};
	le64_store(random, ++world->ids * UINT64_C(0x9e3779b97f4a7c15));
	*start = (struct eng_start){
	    .workflow = bytes_text(names[pick(world, 8)]),
	    .run = uuid_run(world->now_ns, random),
	    .input = bytes_text("{}"),
	    .priority = how % 4,
	};
	if ((how & 4) != 0) {
		start->metadata = metadata;
		start->metadata_count = 4;
	}
	if ((how & 8) != 0) {
		start->key = pick_key(world);
		start->key_until_end = (how & 16) != 0;
		start->key_ttl_ms = start->key_until_end ? 0 : 5000;
	}
	if ((how & 32) != 0)
		start->delay_ms = 1 + 1000 * pick(world, 30);
	if ((how & 64) != 0 && world->lease_count > 0) {
		uint32_t lease = pick_lease(world);
		start->child = true;
		start->parent = world->leases[lease];
		start->worker.v = world->holders[lease];
		start->child_key = pick_key(world);
		start->child_index = pick(world, 3);
	}
	if ((how & 128) != 0 && world->run_count > 0)
		start->run = world->runs[pick(world, RUNS) % world->run_count].id;
}

static void
op_start(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_RUN_START, .tenant.v = 1 + pick(world, 2)};
	start_fill(world, &command.run_start);
	if (command.run_start.child)
		command.tenant.v = tenant_of(world, command.run_start.worker.v);
	step(world, &command);
}

static void
op_start_many(struct world *world)
{
	struct eng_start starts[12];
	struct eng_command command = {
	    .type = ENG_CMD_RUN_START_MANY, .tenant.v = 1 + pick(world, 2)};
	command.run_start_many.count = 1 + pick(world, 12);
	command.run_start_many.starts = starts;
	for (uint32_t i = 0; i < command.run_start_many.count; i++)
		start_fill(world, &starts[i]);
	step(world, &command);
}

static void
op_cancel(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_RUN_CANCEL, .tenant.v = 1 + pick(world, 2)};
	if (world->run_count > 0)
		command.run_cancel.run =
		    world->runs[pick(world, RUNS) % world->run_count].id;
	command.run_cancel.reason = bytes_text("so");
	command.run_cancel.children = pick(world, 2) == 1;
	command.actor = bytes_text("eve");
	step(world, &command);
}

static void
op_replay(struct world *world)
{
	if (world->run_count == 0)
		return;
	struct run *run = &world->runs[pick(world, RUNS) % world->run_count];
	struct eng_version_view version;
	uint8_t how = feed_u8(world->feed);
	struct eng_command command = {.type = ENG_CMD_RUN_REPLAY, .tenant.v = run->tenant};
	run->past.task_count = eng_version(world->eng, run->past.workflow, run->past.version,
	                           &version)
	    ? version.task_count
	    : 0;
	if (!run->closed || run->past.task_count > 32) /* the shell asks for runs that have ended */
		return;
	command.run_replay = run->past;
	command.run_replay.from = run->past.task_count != 0 && how % 2 == 1
	    ? 1 + (how >> 1) % run->past.task_count
	    : 0;
	command.run_replay.input = bytes_text((how & 128) != 0 ? "[1]" : "");
	command.run_replay.reason = bytes_text("again");
	command.actor = bytes_text("eve");
	struct eng_past_node nodes[2] = {
	    {.kind = ENG_NODE_MEMO, .fingerprint = 5, .result = 1, .label = bytes_text("memo m")},
	    {.kind = ENG_NODE_CHILD, .fingerprint = 7, .result = 2, .label = bytes_text("child")}};
	if (command.run_replay.from != 0 &&
	    version.tasks[command.run_replay.from - 1].durable && run->past.records > 1) {
		command.run_replay.nodes = nodes;
		command.run_replay.node_count = (how >> 5) % 3;
	}
	step(world, &command);
}

static void
op_task(struct world *world)
{
	static const enum eng_command_type types[] = {
	    ENG_CMD_TASK_COMPLETE, ENG_CMD_TASK_COMPLETE, ENG_CMD_TASK_FAIL, ENG_CMD_TASK_REFRESH,
	    ENG_CMD_TASK_LOG, ENG_CMD_TASK_STREAM, ENG_CMD_TASK_RELEASE, ENG_CMD_TASK_PROVIDE};
	uint32_t lease = pick_lease(world);
	uint8_t how = feed_u8(world->feed);
	struct eng_command command = {.type = types[how % 8]};
	command.task.worker.v = world->holders[lease];
	command.task.fence = world->leases[lease];
	command.task.bytes = bytes_text("[1]");
	command.task.fatal = (how & 8) != 0;
	command.task.retry_after_ms = (how & 16) != 0 ? 700 : 0;
	command.task.add_ms = UINT64_C(1) << (how >> 3 & 31) << (how >> 3 & 31);
	command.task.sequence = how >> 6;
	command.tenant.v = tenant_of(world, command.task.worker.v);
	step(world, &command);
}

static void
op_durable(struct world *world)
{
	struct eng_condition conditions[4];
	uint32_t lease = pick_lease(world);
	uint8_t how = feed_u8(world->feed);
	struct eng_command command = {
	    .type = how % 8 == 7 ? ENG_CMD_TASK_EVICT : ENG_CMD_DURABLE_STEP};
	command.durable.worker.v = world->holders[lease];
	command.durable.fence = world->leases[lease];
	command.durable.node = 1 + pick(world, 6);
	command.durable.kind = 1 + (how >> 3) % 3;
	command.durable.has_value = (how & 64) != 0;
	command.durable.value = bytes_text("{}");
	command.tenant.v = tenant_of(world, command.durable.worker.v);
	if (command.durable.kind == ENG_NODE_MEMO)
		command.durable.name = pick_key(world);
	if (command.durable.kind == ENG_NODE_CHILD) {
		start_fill(world, &command.durable.child);
		command.durable.child.child = false;
		command.durable.child.key = bytes_of(NULL, 0);
	}
	if (command.durable.kind == ENG_NODE_WAIT) {
		uint32_t count = pick(world, 5);
		for (uint32_t i = 0; i < count; i++) {
			conditions[i] = (struct eng_condition){.kind = pick(world, 5)};
			conditions[i].name = pick_key(world);
			conditions[i].sleep_ms = 1000 * pick(world, 40);
			if (conditions[i].kind == ENG_CONDITION_APPROVAL)
				conditions[i].data = bytes_text("[2]");
			if (pick(world, 8) == 7)
				conditions[i].until_ns = feed_u64(world->feed);
		}
		command.durable.conditions = conditions;
		command.durable.condition_count = count;
	}
	step(world, &command);
}

static void
op_event(struct world *world)
{
	static uint8_t large[90000];
	struct eng_command command = {.type = ENG_CMD_EVENT_PUSH, .tenant.v = 1 + pick(world, 2)};
	command.event_push.key = pick_key(world);
	memset(large, '1', sizeof(large));
	command.event_push.payload =
	    pick(world, 8) == 7 ? bytes_of(large, sizeof(large)) : bytes_text("[3]");
	command.actor = bytes_text("eve");
	step(world, &command);
}

static void
op_approve(struct world *world)
{
	struct eng_command command = {
	    .type = ENG_CMD_APPROVAL_DECIDE, .tenant.v = 1 + pick(world, 2)};
	command.approval_decide.approval = pick(world, 10);
	command.approval_decide.approved = pick(world, 2) == 1;
	command.approval_decide.reason = bytes_text("because");
	command.actor = bytes_text("bob");
	step(world, &command);
}

static void
op_worker(struct world *world)
{
	static const enum eng_command_type types[] = {ENG_CMD_WORKER_DETACH, ENG_CMD_WORKER_DRAIN,
	    ENG_CMD_WORKER_LEAVE, ENG_CMD_WORKER_PAUSE, ENG_CMD_WORKER_PAUSE};
	uint32_t number = pick(world, WORKERS);
	uint8_t how = feed_u8(world->feed);
	struct eng_command command = {
	    .type = types[how % 5], .tenant.v = 1 + number % TENANTS};
	if (command.type == ENG_CMD_WORKER_PAUSE) {
		command.worker_pause.worker = (struct uuid){{1, (uint8_t)number}};
		command.worker_pause.paused = (how & 64) != 0;
		command.worker_pause.reason = bytes_text("lunch");
	} else {
		command.worker.worker.v = world->workers[number];
		command.worker.lost = (how & 64) != 0;
	}
	step(world, &command);
}

static void
op_token(struct world *world)
{
	static const uint8_t digest[ENG_DIGEST_BYTES] = {9};
	static const struct bytes actions[] = {{(const uint8_t *)"one:*", 5}};
	uint8_t how = feed_u8(world->feed);
	struct eng_command command = {
	    .type = how % 3 == 0 ? ENG_CMD_TOKEN_REVOKE : ENG_CMD_TOKEN_CREATE};
	command.actor = bytes_text("root");
	if (command.type == ENG_CMD_TOKEN_REVOKE) {
		command.token_revoke.kid = how >> 4;
		command.token_revoke.scope = bytes_text((how & 4) != 0 ? "*" : "default");
	} else {
		command.token_create.kid = 1 + (how >> 4);
		command.token_create.digest = bytes_of(digest, sizeof(digest));
		command.token_create.name = bytes_text("t");
		command.token_create.scope = bytes_text((how & 4) != 0 ? "other" : "default");
		command.token_create.roles = how % 17;
		command.token_create.actions = actions;
		command.token_create.action_count = (how & 8) != 0 ? 1 : 0;
		command.token_create.expires_ns = (how & 2) != 0 ? world->now_ns + 1 : 0;
	}
	step(world, &command);
}

/* Fires what is due by then. */
static void
op_time(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint8_t how = feed_u8(world->feed);
	uint64_t next_ns = eng_next_deadline_ns(world->eng);
	world->now_ns += (how & 127) * SECOND_NS / 8;
	if (how >= 128 && next_ns != UINT64_MAX && next_ns > world->now_ns &&
	    next_ns < START_NS * 1000)
		world->now_ns = next_ns;
	for (int i = 0; i < 16 && eng_next_deadline_ns(world->eng) <= world->now_ns; i++)
		step(world, &command);
}

static void
op_settle(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	for (int i = 0; i < 8 && eng_pending(world->eng); i++)
		step(world, &command);
}

static void
op_restart(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_ENGINE_START};
	command.engine_start.epoch = 2;
	command.engine_start.downtime_ns = pick(world, 200) * SECOND_NS;
	world->now_ns += command.engine_start.downtime_ns;
	step(world, &command);
}

/* Questions change nothing, and stay within what they are given. */
static void
op_ask(struct world *world)
{
	struct eng_approval_view approvals[4];
	struct eng_workflow_view workflows[4];
	struct eng_tenant_id tenant = {1 + pick(world, 2)};
	struct eng_worker_view worker;
	struct eng_why why;
	uint64_t hash = eng_hash(world->eng), after = 0;
	froe_assert(eng_approvals(world->eng, tenant, pick(world, 4), approvals, 4) <= 4);
	froe_assert(eng_workflows(world->eng, tenant, pick(world, 4), workflows, 4) <= 4);
	while (eng_worker_next(world->eng, tenant, after, &worker)) {
		froe_assert(worker.number > after);
		after = worker.number;
	}
	for (uint32_t i = 0; i < world->run_count; i++) {
		for (uint32_t t = 0; t < 32; t++)
			FROE_DROP(eng_why(world->eng, world->runs[i].key, t, false, 3, &why),
			    "most have ended");
	}
	froe_assert(eng_hash(world->eng) == hash);
}

static void
op_define(struct world *world)
{
	uint8_t number = pick(world, WORKFLOWS);
	workflow_put(world, 1 + pick(world, 2), number, feed_u8(world->feed));
}

static void
step_one(struct world *world)
{
	switch (pick(world, 20)) {
	case 0:
	case 1:
		op_start(world);
		return;
	case 2:
		op_start_many(world);
		return;
	case 3:
		op_cancel(world);
		return;
	case 4:
		op_replay(world);
		return;
	case 5:
	case 6:
	case 7:
		op_task(world);
		return;
	case 8:
	case 9:
	case 10:
		op_durable(world);
		return;
	case 11:
		op_event(world);
		return;
	case 12:
		op_approve(world);
		return;
	case 13:
		op_worker(world);
		return;
	case 14: {
		uint8_t number = pick(world, WORKERS);
		worker_register(world, number, feed_u8(world->feed));
		return;
	}
	case 15:
		op_token(world);
		return;
	case 16:
		op_time(world);
		return;
	case 17:
		op_settle(world);
		return;
	case 18:
		if (pick(world, 4) == 0)
			op_restart(world);
		else if (pick(world, 2) == 0)
			op_define(world);
		else
			op_ask(world);
		return;
	default:
		twin_reload(world);
		return;
	}
}

#endif
