/*
 * What a step writes to the log is at most what eng_step_bytes_max() says, in the bytes of the real
 * codec and with everything at its largest: names, numbers, lists, the run that it ends. A shard
 * asks for so much room before it steps, and the log ends the process when a step takes more.
 */
#include "base/mem.h"
#include "engine/engine_int.h"
#include "engine/durable_int.h"
#include "log/record_int.h"
#include "server/record.h"

#include "api/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SECOND UINT64_C(1000000000)
#define START_NS (UINT64_C(4000000000) * SECOND) /* times of ten bytes */
#define TASKS FROE_WORKFLOW_TASKS_MAX
/* Of the smallest segments: the largest payload, and the largest step. */
#define LARGE (LOG_SEGMENT_BYTES_MIN / 4)
#define STEP_LARGEST (LOG_SEGMENT_BYTES_MIN / 2)

struct world {
	struct eng *eng;
	uint64_t now_ns;
	uint64_t ids;
	uint64_t worker;
	const struct eng_output *out;
	struct arena arena;
	struct buf body;
	size_t bytes; /* of the last step */
};

/* A name of so many bytes; different ones for different numbers. */
static struct bytes
name_of(struct world *world, size_t size, uint32_t number)
{
	char *text = arena_alloc(&world->arena, size + 16);
	int head = snprintf(text, size + 16, "%u_", number);
	memset(text + head, 'n', size - (size_t)head);
	return bytes_of(text, size);
}

static size_t
step_bytes(struct world *world)
{
	size_t bytes = 0;
	for (size_t i = 0; i < world->out->event_count; i++) {
		buf_reset(&world->body);
		size_t size = record_encode(&world->out->events[i], &world->body);
		bytes += rec_span(LOG_RECORD_HEADER_BYTES + size);
	}
	return bytes;
}

static void
step(struct world *world, struct eng_command *command)
{
	size_t bytes_max;
	if (command->tenant.v == 0)
		command->tenant.v = 1;
	if (command->lapse_ns == 0)
		command->lapse_ns = world->now_ns + 32 * SECOND;
	bytes_max = eng_step_bytes_max(world->eng, command);
	world->out = eng_step(world->eng, command, world->now_ns, 77);
	world->bytes = step_bytes(world);
	if (world->bytes > bytes_max)
		fail_msg("command %d: %zu bytes in %zu events, said to be at most %zu",
		    (int)command->type, world->bytes, world->out->event_count, bytes_max);
	/* The hub asks whether these fit; all others do, also with the smallest segments. */
	if (command->type == ENG_CMD_RUN_START_MANY || command->type == ENG_CMD_RUN_REPLAY ||
	    command->type == ENG_CMD_WORKER_REGISTER)
		return;
	if (world->bytes > STEP_LARGEST)
		fail_msg("command %d: %zu bytes in %zu events, more than any step may have",
		    (int)command->type, world->bytes, world->out->event_count);
}

static const struct eng_effect *
step_ok(struct world *world, struct eng_command *command)
{
	step(world, command);
	for (size_t i = 0; i < world->out->effect_count; i++) {
		const struct eng_effect *effect = &world->out->effects[i];
		if (effect->type != ENG_EFF_REPLY)
			continue;
		if (effect->err != FROE_OK)
			fail_msg("%s: %s", effect->fault->field, effect->fault->text);
		return effect;
	}
	fail_msg("no reply");
	return NULL;
}

static void
settle(struct world *world)
{
	for (int i = 0; eng_pending(world->eng); i++) {
		struct eng_command command = {.type = ENG_CMD_SCHEDULE};
		assert_true(i < 1000);
		step(world, &command);
	}
}

static struct bytes
actor_of(struct world *world)
{
	return name_of(world, FROE_NAME_BYTES_MAX, 7);
}

/* --------------------------------------------------------------------------------- the stage */

enum shape {
	SHAPE_WIDE,  /* all tasks are roots */
	SHAPE_STAR,  /* all but the first wait for it */
	SHAPE_ONE,   /* one task */
};

struct flow {
	const char *name;
	enum shape shape;
	bool durable;
	uint32_t delivery;
	uint32_t retries;
	bool on_failure;
};

static void
define(struct world *world, const struct flow *flow)
{
	Froe__WorkflowDefinition definition = FROE__WORKFLOW_DEFINITION__INIT;
	uint32_t count = flow->shape == SHAPE_ONE ? 1 : TASKS;
	Froe__TaskDefinition *tasks = mem_array(count, sizeof(*tasks));
	Froe__TaskDefinition **rows = mem_array(count, sizeof(Froe__TaskDefinition *));
	char(*names)[8] = mem_array(count, sizeof(*names));
	char *first[] = {names[0]};
	struct arena arena;
	for (uint32_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof(names[i]), "t%u", i);
		froe__task_definition__init(&tasks[i]);
		tasks[i].name = names[i];
		tasks[i].action = (char *)(uintptr_t) "act";
		tasks[i].has_schedule_timeout_ms = true;
		tasks[i].schedule_timeout_ms = UINT64_C(80) * 366 * 86400 * 1000;
		tasks[i].has_durable = tasks[i].has_delivery = tasks[i].has_retries = true;
		tasks[i].durable = flow->durable;
		tasks[i].delivery = (Froe__Delivery)flow->delivery;
		tasks[i].retries = flow->retries;
		if (flow->shape == SHAPE_STAR && i > 0) {
			tasks[i].parents = first;
			tasks[i].n_parents = 1;
		}
		rows[i] = &tasks[i];
	}
	if (flow->on_failure) {
		tasks[count - 1].has_on_failure = tasks[count - 1].on_failure = true;
		tasks[count - 1].n_parents = 0;
	}
	definition.name = (char *)(uintptr_t)flow->name;
	definition.tasks = rows;
	definition.n_tasks = count;
	arena_init(&arena, 0);
	struct eng_command command = {.type = ENG_CMD_WORKFLOW_PUT};
	command.workflow_put.definition = *definition_from_proto(&definition, &arena);
	step_ok(world, &command);
	arena_release(&arena);
	mem_free(names);
	mem_free(rows);
	mem_free(tasks);
}

static struct eng_command
enrol_of(struct world *world, uint32_t slots)
{
	struct bytes *actions =
	    arena_alloc(&world->arena, FROE_WORKER_ACTIONS_MAX * sizeof(*actions));
	struct eng_slots *types = arena_alloc(&world->arena, 7 * sizeof(*types));
	struct eng_command command = {.type = ENG_CMD_WORKER_REGISTER};
	for (uint32_t i = 0; i < FROE_WORKER_ACTIONS_MAX; i++)
		actions[i] = name_of(world, 2 * FROE_NAME_BYTES_MAX + 1, i);
	actions[0] = bytes_text("act");
	for (uint32_t i = 0; i < 7; i++)
		types[i] = (struct eng_slots){name_of(world, FROE_NAME_BYTES_MAX, i), 1};
	types[6] = (struct eng_slots){bytes_text("durable"), slots};
	command.worker_register.id = (struct uuid){{1}};
	command.worker_register.name = name_of(world, FROE_NAME_BYTES_MAX, 0);
	command.worker_register.incarnation = UINT64_MAX;
	command.worker_register.actions = actions;
	command.worker_register.action_count = FROE_WORKER_ACTIONS_MAX;
	command.worker_register.slots = slots;
	command.worker_register.types = types;
	command.worker_register.type_count = 7;
	return command;
}

static void
enrol(struct world *world, uint32_t slots)
{
	struct eng_command command = enrol_of(world, slots);
	world->worker = step_ok(world, &command)->worker;
}

/* Another one. */
static uint64_t
enrol_other(struct world *world)
{
	struct bytes action = bytes_text("act");
	struct eng_command command = {.type = ENG_CMD_WORKER_REGISTER};
	command.worker_register.id = (struct uuid){{2}};
	command.worker_register.incarnation = 1;
	command.worker_register.actions = &action;
	command.worker_register.action_count = command.worker_register.slots = 1;
	return step_ok(world, &command)->worker;
}

/* Numbers are as large as they may become: nine or ten bytes each. */
static void
world_open(struct world *world)
{
	struct eng_command command = {.type = ENG_CMD_ENGINE_START};
	*world = (struct world){.eng = eng_open(), .now_ns = START_NS};
	arena_init(&world->arena, 0);
	buf_init(&world->body);
	command.engine_start.epoch = UINT64_MAX;
	command.engine_start.downtime_ns = UINT64_MAX;
	step(world, &command);
	command = (struct eng_command){.type = ENG_CMD_TENANT_OPEN};
	command.tenant_open.name = name_of(world, FROE_NAME_BYTES_MAX, 0);
	step_ok(world, &command);
	world->eng->worker_last = UINT64_MAX / 2;
	world->eng->event_last = UINT64_MAX / 2;
	world->eng->tenants[0]->approval_last = UINT64_MAX / 2;
}

static void
world_close(struct world *world)
{
	eng_check(world->eng);
	eng_close(world->eng);
	buf_release(&world->body);
	arena_release(&world->arena);
}

/* ---------------------------------------------------------------------------- what is said */

static struct uuid
id_next(struct world *world)
{
	uint8_t random[16] = {0};
	le64_store(random, ++world->ids * UINT64_C(0x9e3779b97f4a7c15));
	le64_store(random + 8, world->ids);
	return uuid_run(world->now_ns, random);
}

/* `pairs` pairs that fill what metadata may take. */
static void
metadata_fill(struct world *world, struct eng_start *start, uint32_t from, uint32_t pairs)
{
	struct bytes *texts = arena_alloc(&world->arena, 2 * pairs * sizeof(*texts));
	for (uint32_t i = 0; i < pairs; i++) {
		texts[2 * i] = name_of(world, 60, from + i);
		texts[2 * i + 1] = name_of(world, FROE_METADATA_BYTES_MAX / pairs - 60, i);
	}
	start->metadata = texts;
	start->metadata_count = 2 * pairs;
}

static struct eng_start
start_of(struct world *world, const char *workflow)
{
	return (struct eng_start){
	    .workflow = bytes_text(workflow),
	    .run = id_next(world),
	    .input = bytes_text("{}"),
	    .priority = 3,
	    .timeout_ms = UINT64_C(90) * 366 * 86400 * 1000,
	};
}

static uint64_t
start(struct world *world, const char *workflow)
{
	struct eng_command command = {.type = ENG_CMD_RUN_START};
	command.run_start = start_of(world, workflow);
	return step_ok(world, &command)->run;
}

/* The newest lease of a run's task. */
static struct eng_fence
fence_of(const struct world *world, uint64_t run, uint32_t task)
{
	const struct eng_run *found = eng_run_get(world->eng, run);
	assert_int_equal(found->tasks[task].state, ENG_TASK_ASSIGNED);
	return (struct eng_fence){uuid_task(found->id, task), found->tasks[task].lease};
}

static struct eng_command
task_command(const struct world *world, enum eng_command_type type, uint64_t run)
{
	struct eng_command command = {.type = type};
	command.task.worker.v = world->worker;
	command.task.fence = fence_of(world, run, 0);
	return command;
}

static struct eng_command
durable_command(const struct world *world, uint64_t run, uint32_t node, uint32_t kind)
{
	struct eng_command command = {.type = ENG_CMD_DURABLE_STEP};
	command.durable.worker.v = world->worker;
	command.durable.fence = fence_of(world, run, 0);
	command.durable.node = node;
	command.durable.kind = kind;
	return command;
}

/* ---------------------------------------------------------------------------------------- runs */

static void
test_bounds__starts(void **state)
{
	struct world world;
	struct eng_command command = {.type = ENG_CMD_RUN_START};
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "wide", .shape = SHAPE_WIDE});
	enrol(&world, 4900);
	command.actor = actor_of(&world);
	command.run_start = start_of(&world, "wide");
	command.run_start.key = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	command.run_start.key_ttl_ms = FROE_KEY_TTL_MS_MAX;
	command.run_start.input = name_of(&world, LARGE, 1);
	metadata_fill(&world, &command.run_start, 0, FROE_METADATA_PAIRS_MAX / 2);
	uint64_t run = step_ok(&world, &command)->run;
	assert_true(world.out->event_count >= TASKS + ENG_STEP_ASSIGNMENTS_MAX);
	/* Its child has pairs of its own, and inherits. */
	command.run_start = start_of(&world, "wide");
	command.run_start.child = true;
	command.run_start.parent = fence_of(&world, run, 0);
	command.run_start.worker.v = world.worker;
	command.run_start.child_key = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	step_ok(&world, &command);
	/* One that is to begin later. */
	command.run_start = start_of(&world, "wide");
	command.run_start.delay_ms = 1000;
	step_ok(&world, &command);
	world.now_ns += 2 * SECOND;
	settle(&world);
	command = (struct eng_command){.type = ENG_CMD_TIMER};
	while (eng_next_deadline_ns(world.eng) <= world.now_ns)
		step(&world, &command);
	assert_true(world.out->event_count > TASKS); /* RUN_DUE */
	world_close(&world);
}

static void
test_bounds__many_at_once(void **state)
{
	struct world world;
	struct eng_start starts[FROE_BULK_RUNS_MAX];
	struct eng_command command = {.type = ENG_CMD_RUN_START_MANY};
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE});
	enrol(&world, 4900);
	uint64_t run = start(&world, "one");
	for (uint32_t i = 0; i < FROE_BULK_RUNS_MAX; i++) {
		starts[i] = start_of(&world, "one");
		starts[i].key = name_of(&world, FROE_NAME_BYTES_MAX, i);
		metadata_fill(&world, &starts[i], 0, FROE_METADATA_PAIRS_MAX);
		if (i % 2 == 0)
			continue;
		starts[i].key = bytes_of(NULL, 0);
		starts[i].child = true;
		starts[i].parent = fence_of(&world, run, 0);
		starts[i].worker.v = world.worker;
		starts[i].child_key = name_of(&world, FROE_NAME_BYTES_MAX, i);
	}
	command.actor = actor_of(&world);
	command.run_start_many.starts = starts;
	command.run_start_many.count = FROE_BULK_RUNS_MAX;
	assert_int_equal(step_ok(&world, &command)->started_count, FROE_BULK_RUNS_MAX);
	world_close(&world);
}

static void
test_bounds__ends(void **state)
{
	struct world world;
	struct eng_command command;
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "star", .shape = SHAPE_STAR, .on_failure = true});
	define(&world, &(struct flow){.name = "wide", .shape = SHAPE_WIDE, .on_failure = true});
	enrol(&world, 4900);
	command = task_command(&world, ENG_CMD_TASK_COMPLETE, start(&world, "star"));
	command.task.bytes = name_of(&world, LARGE, 1);
	step_ok(&world, &command);
	assert_true(world.out->event_count > TASKS);
	settle(&world);
	command = task_command(&world, ENG_CMD_TASK_FAIL, start(&world, "star"));
	command.task.bytes = name_of(&world, FROE_ERROR_TEXT_BYTES_MAX, 1);
	step_ok(&world, &command);
	assert_true(world.out->event_count > TASKS);
	uint64_t run = start(&world, "wide");
	settle(&world);
	command = (struct eng_command){.type = ENG_CMD_RUN_CANCEL};
	command.run_cancel.run = eng_run_get(world.eng, run)->id;
	command.run_cancel.reason = name_of(&world, FROE_REASON_BYTES_MAX, 1);
	command.run_cancel.children = true;
	command.actor = actor_of(&world);
	step_ok(&world, &command);
	assert_true(world.out->event_count > TASKS);
	/* A run's deadline, and then everything that is due at the same time. */
	start(&world, "wide");
	settle(&world);
	world.now_ns += UINT64_C(95) * 366 * 86400 * SECOND;
	command = (struct eng_command){.type = ENG_CMD_TIMER};
	for (int i = 0; i < 4000 && eng_next_deadline_ns(world.eng) <= world.now_ns; i++)
		step(&world, &command);
	world_close(&world);
}

/* Descendants of what is cancelled, each with the largest texts there are. */
static void
test_bounds__doomed(void **state)
{
	struct world world;
	struct eng_command command = {.type = ENG_CMD_RUN_START};
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE, .durable = true});
	define(&world, &(struct flow){.name = "wide", .shape = SHAPE_WIDE});
	enrol(&world, 4000);
	uint64_t run = start(&world, "one");
	for (uint32_t i = 0; i < 900; i++) {
		command.run_start = start_of(&world, i == 255 ? "wide" : "one");
		command.run_start.child = true;
		command.run_start.parent = fence_of(&world, run, 0);
		command.run_start.worker.v = world.worker;
		command.run_start.child_index = i;
		step_ok(&world, &command);
	}
	settle(&world);
	command = (struct eng_command){.type = ENG_CMD_RUN_CANCEL};
	command.run_cancel.run = eng_run_get(world.eng, run)->id;
	command.run_cancel.reason = name_of(&world, FROE_REASON_BYTES_MAX, 1);
	command.run_cancel.children = true;
	command.actor = actor_of(&world);
	step_ok(&world, &command);
	settle(&world);
	world_close(&world);
}

/* ------------------------------------------------------------------------------------- workers */

/* A worker of many leases is back without them, or gone; while another command is decided too. */
static void
test_bounds__leases_end(void **state)
{
	struct world world;
	struct eng_command command;
	(void)state;
	for (int how = 0; how < 3; how++) {
		world_open(&world);
		define(&world, &(struct flow){
		    .name = "wide", .shape = SHAPE_WIDE, .delivery = ENG_AT_MOST_ONCE});
		define(&world, &(struct flow){
		    .name = "star", .shape = SHAPE_STAR, .delivery = ENG_EXACTLY_ONCE,
		    .retries = how == 1 ? 0 : 3});
		define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE, .durable = true});
		uint64_t other = enrol_other(&world), held = start(&world, "star");
		struct eng_fence fence = fence_of(&world, held, 0);
		enrol(&world, 4900);
		for (int i = 0; i < 300; i++)
			start(&world, "star");
		for (int i = 0; i < 3; i++)
			start(&world, "wide");
		uint64_t run = start(&world, "one");
		settle(&world);
		command = enrol_of(&world, 4900);
		if (how == 0) { /* back without its leases */
			step_ok(&world, &command);
			assert_true(world.bytes > 3000 * ENG_DROPPED_BYTES);
		} else if (how == 1) { /* another incarnation of it */
			command.worker_register.incarnation = 1;
			step_ok(&world, &command);
		} else {
			command = (struct eng_command){.type = ENG_CMD_WORKER_LEAVE};
			command.worker.worker.v = world.worker;
			command.worker.lost = true;
			step(&world, &command);
		}
		assert_true(eng_pending(world.eng));
		command = (struct eng_command){.type = ENG_CMD_TASK_COMPLETE};
		command.task.worker.v = other;
		command.task.fence = fence;
		command.task.bytes = name_of(&world, LARGE, 1);
		step_ok(&world, &command);
		assert_true(world.out->event_count > TASKS);
		command = (struct eng_command){.type = ENG_CMD_RUN_CANCEL};
		command.run_cancel.run = eng_run_get(world.eng, run)->id;
		command.run_cancel.reason = name_of(&world, FROE_REASON_BYTES_MAX, 1);
		step(&world, &command);
		settle(&world);
		world_close(&world);
	}
}

static void
test_bounds__small_commands(void **state)
{
	struct world world;
	struct eng_command command;
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE});
	enrol(&world, 100);
	uint64_t run = start(&world, "one");
	static const enum eng_command_type types[] = {ENG_CMD_TASK_LOG, ENG_CMD_TASK_STREAM,
	    ENG_CMD_TASK_REFRESH, ENG_CMD_TASK_RELEASE, ENG_CMD_TASK_BEGIN};
	for (int i = 0; i < 5; i++) {
		command = task_command(&world, types[i], run);
		command.task.bytes = name_of(&world, FROE_STREAM_CHUNK_BYTES_MAX, 1);
		command.task.add_ms = UINT64_MAX;
		step_ok(&world, &command);
	}
	command = task_command(&world, ENG_CMD_TASK_LOG, run);
	command.task.bytes = name_of(&world, FROE_LOG_LINE_BYTES_MAX, 1);
	command.task.late = true;
	step_ok(&world, &command);
	for (int i = 0; i < 2; i++) {
		command = (struct eng_command){.type = ENG_CMD_WORKER_PAUSE};
		command.actor = actor_of(&world);
		command.worker_pause.worker = (struct uuid){{1}};
		command.worker_pause.paused = i == 0;
		command.worker_pause.reason = name_of(&world, FROE_REASON_BYTES_MAX, 1);
		step_ok(&world, &command);
	}
	static const enum eng_command_type others[] = {
	    ENG_CMD_WORKER_DRAIN, ENG_CMD_WORKER_DETACH, ENG_CMD_WORKER_LEAVE};
	for (int i = 0; i < 3; i++) {
		command = (struct eng_command){.type = others[i]};
		command.worker.worker.v = world.worker;
		command.worker.lost = command.worker.kept = true;
		step(&world, &command);
	}
	world_close(&world);
}

static void
test_bounds__tokens(void **state)
{
	struct world world;
	struct bytes actions[FROE_TOKEN_ACTIONS_MAX];
	uint8_t digest[ENG_DIGEST_BYTES] = {1};
	struct eng_command command = {.type = ENG_CMD_TOKEN_CREATE};
	(void)state;
	world_open(&world);
	for (uint32_t i = 0; i < FROE_TOKEN_ACTIONS_MAX; i++)
		actions[i] = name_of(&world, 16, i);
	command.actor = actor_of(&world);
	command.token_create.kid = (UINT64_C(1) << 50) - 1;
	command.token_create.digest = bytes_of(digest, sizeof(digest));
	command.token_create.name = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	command.token_create.scope = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	command.token_create.roles = ENG_ROLES_ALL;
	command.token_create.actions = actions;
	command.token_create.action_count = FROE_TOKEN_ACTIONS_MAX;
	command.token_create.expires_ns = UINT64_MAX;
	step_ok(&world, &command);
	command = (struct eng_command){.type = ENG_CMD_TOKEN_REVOKE, .actor = actor_of(&world)};
	command.token_revoke.kid = (UINT64_C(1) << 50) - 1;
	command.token_revoke.scope = bytes_text(ENG_SCOPE_ALL);
	step_ok(&world, &command);
	world_close(&world);
}

/* ------------------------------------------------------------------------------- durable tasks */

static void
wait_fill(struct world *world, struct eng_command *command, uint32_t kind)
{
	struct eng_condition *conditions =
	    arena_alloc(&world->arena, FROE_CONDITIONS_MAX * sizeof(*conditions));
	for (uint32_t i = 0; i < FROE_CONDITIONS_MAX; i++) {
		conditions[i] = (struct eng_condition){.kind = kind};
		conditions[i].name = name_of(world, FROE_NAME_BYTES_MAX, i);
		if (kind == ENG_CONDITION_APPROVAL)
			conditions[i].data = name_of(world, FROE_APPROVAL_DATA_BYTES_MAX, i);
		conditions[i].until_ns = kind == ENG_CONDITION_SLEEP ? UINT64_MAX - i : 0;
	}
	command->durable.conditions = conditions;
	command->durable.condition_count = FROE_CONDITIONS_MAX;
}

static void
test_bounds__steps(void **state)
{
	struct world world;
	struct eng_command command;
	uint32_t node = 0;
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE, .durable = true});
	define(&world, &(struct flow){.name = "wide", .shape = SHAPE_WIDE});
	enrol(&world, 1000);
	command = (struct eng_command){.type = ENG_CMD_RUN_START};
	command.run_start = start_of(&world, "one");
	metadata_fill(&world, &command.run_start, 0, FROE_METADATA_PAIRS_MAX);
	uint64_t run = step_ok(&world, &command)->run;
	for (uint32_t kind = ENG_CONDITION_SLEEP; kind <= ENG_CONDITION_APPROVAL; kind++) {
		command = durable_command(&world, run, ++node, ENG_NODE_WAIT);
		wait_fill(&world, &command, kind);
		step_ok(&world, &command);
	}
	command = (struct eng_command){.type = ENG_CMD_APPROVAL_DECIDE, .actor = actor_of(&world)};
	command.approval_decide.approval = world.eng->tenants[0]->approval_last;
	command.approval_decide.reason = name_of(&world, FROE_REASON_BYTES_MAX, 1);
	step_ok(&world, &command);
	command = durable_command(&world, run, ++node, ENG_NODE_MEMO);
	command.durable.name = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	command.durable.has_value = true;
	command.durable.value = name_of(&world, LARGE, 1);
	step_ok(&world, &command);
	command = durable_command(&world, run, ++node, ENG_NODE_CHILD);
	command.durable.child = start_of(&world, "wide");
	step_ok(&world, &command);
	settle(&world);
	command = durable_command(&world, run, node, ENG_NODE_MEMO); /* another step than before */
	command.durable.name = name_of(&world, FROE_NAME_BYTES_MAX, 1);
	step(&world, &command);
	assert_int_equal(world.out->effects[0].err, FROE_NONDETERMINISM);
	world_close(&world);
}

/* As many waits as a step tells, all of tasks that were evicted. */
static void
test_bounds__events(void **state)
{
	struct world world;
	struct eng_command command;
	(void)state;
	for (int large = 0; large < 2; large++) {
		world_open(&world);
		define(&world, &(struct flow){.name = "one", .shape = SHAPE_ONE, .durable = true});
		enrol(&world, 1000);
		for (int i = 0; i < 600; i++) {
			uint64_t run = start(&world, "one");
			command = durable_command(&world, run, 1, ENG_NODE_WAIT);
			wait_fill(&world, &command, ENG_CONDITION_EVENT);
			step_ok(&world, &command);
			if (i % 2 == 1)
				continue;
			command.type = ENG_CMD_TASK_EVICT;
			step_ok(&world, &command);
		}
		command = (struct eng_command){.type = ENG_CMD_EVENT_PUSH};
		command.actor = actor_of(&world);
		command.event_push.key = name_of(&world, FROE_NAME_BYTES_MAX, 0);
		command.event_push.payload =
		    name_of(&world, large ? LARGE : ENG_DELIVERY_STEP_BYTES / 256, 1);
		step_ok(&world, &command);
		settle(&world);
		world_close(&world);
	}
}

/* -------------------------------------------------------------------------------------- replays */

static void
test_bounds__replay(void **state)
{
	struct world world;
	struct eng_past_task *tasks = mem_array(TASKS, sizeof(*tasks));
	struct eng_past_node *nodes = mem_array(FROE_DURABLE_NODES_MAX, sizeof(*nodes));
	struct eng_start pairs = {0};
	(void)state;
	world_open(&world);
	define(&world, &(struct flow){.name = "wide", .shape = SHAPE_WIDE, .durable = true});
	enrol(&world, 4000);
	uint64_t run = start(&world, "wide");
	settle(&world);
	struct uuid id = eng_run_get(world.eng, run)->id;
	struct eng_command command = {.type = ENG_CMD_RUN_CANCEL, .run_cancel.run = id};
	step_ok(&world, &command);
	struct eng_closed *closed = keyset_get_uuid(&world.eng->closed, id);
	closed->records = 0; /* not known: any number goes */
	for (uint32_t i = 0; i < TASKS; i++)
		tasks[i] = (struct eng_past_task){i % 2 == 0 ? ENG_TASK_COMPLETED : ENG_TASK_FAILED,
		    UINT32_MAX - 1, UINT32_MAX - 1, UINT32_MAX - 2};
	for (uint32_t i = 0; i < FROE_DURABLE_NODES_MAX; i++)
		nodes[i] = (struct eng_past_node){ENG_NODE_CHILD, UINT64_MAX, UINT32_MAX - 2,
		    UINT16_MAX, name_of(&world, ENG_LABEL_BYTES_MAX, i)};
	metadata_fill(&world, &pairs, 0, FROE_METADATA_PAIRS_MAX);
	command = (struct eng_command){.type = ENG_CMD_RUN_REPLAY, .actor = actor_of(&world)};
	command.run_replay = (struct eng_replay){
	    .run = id, .key = run, .workflow = 1, .version = 1, .priority = 3,
	    .created_ns = UINT64_MAX, .parent = id, .metadata = pairs.metadata,
	    .metadata_count = pairs.metadata_count, .records = UINT32_MAX - 1,
	    .chunks = ENG_RUN_CHUNKS_MAX, .input_record = 1, .tasks = tasks, .task_count = TASKS,
	    .places = name_of(&world, 300000, 1), .from = 1, .nodes = nodes,
	    .node_count = FROE_DURABLE_NODES_MAX, .input = name_of(&world, LARGE, 1),
	    .reason = name_of(&world, FROE_REASON_BYTES_MAX, 1),
	};
	step_ok(&world, &command);
	mem_free(nodes);
	mem_free(tasks);
	eng_close(world.eng); /* its numbers cannot go on from there */
	buf_release(&world.body);
	arena_release(&world.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bounds__starts),
	    cmocka_unit_test(test_bounds__many_at_once),
	    cmocka_unit_test(test_bounds__ends),
	    cmocka_unit_test(test_bounds__doomed),
	    cmocka_unit_test(test_bounds__leases_end),
	    cmocka_unit_test(test_bounds__small_commands),
	    cmocka_unit_test(test_bounds__tokens),
	    cmocka_unit_test(test_bounds__steps),
	    cmocka_unit_test(test_bounds__events),
	    cmocka_unit_test(test_bounds__replay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
