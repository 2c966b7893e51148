/*
 * A workflow's definition from a client: decoded, put into its canonical form, judged. One that the
 * engine accepts is then registered and run: its tasks complete and fail as the rest of the input
 * says, and the engine's invariants hold after each step.
 *
 * Input: u16 size of the definition, the definition, one byte for each dispatch.
 */
#include "fuzz/feed.h"

#include "api/definition.h"
#include "base/json.h"
#include "froe/limits.h"

#define STEPS_MAX 60u
#define TASKS_MAX 40u /* to run one: a definition of a thousand is judged, which is enough */
#define SECOND_NS UINT64_C(1000000000)

struct run {
	struct eng *eng;
	struct eng_tenant_id tenant;
	uint64_t now_ns;
	uint64_t worker;
	const struct eng_output *out;
};

static void
step(struct run *run, struct eng_command *command)
{
	command->tenant = run->tenant;
	run->out = eng_step(run->eng, command, run->now_ns, run->now_ns * 77);
	eng_check(run->eng);
}

static void
step_ok(struct run *run, struct eng_command *command)
{
	step(run, command);
	froe_assert(run->out->effect_count > 0);
	froe_assert(run->out->effects[0].err == FROE_OK);
}

/* What the last step dispatched, once: the fence of one task. */
static bool
dispatched(const struct run *run, struct eng_fence *ret_fence)
{
	for (size_t i = 0; i < run->out->effect_count; i++) {
		const struct eng_effect *effect = &run->out->effects[i];
		struct eng_dispatch view;
		if (effect->type != ENG_EFF_DISPATCH)
			continue;
		froe_assert(eng_dispatch(run->eng, effect->run, effect->task, effect->lease,
		    run->now_ns, &view));
		*ret_fence = (struct eng_fence){.task = view.task, .lease = effect->lease};
		return true;
	}
	return false;
}

/* Time passes up to the next timer, if it is within a year. */
static bool
step_timer(struct run *run)
{
	struct eng_command command = {.type = ENG_CMD_TIMER};
	uint64_t due_ns = eng_next_deadline_ns(run->eng);
	if (due_ns == UINT64_MAX || due_ns > run->now_ns + 31536000 * SECOND_NS)
		return false;
	run->now_ns = due_ns > run->now_ns ? due_ns : run->now_ns;
	step(run, &command);
	return true;
}

static void
step_task(struct run *run, const struct eng_fence *fence, uint8_t how)
{
	struct eng_command command = {
	    .type = how % 3 == 0 ? ENG_CMD_TASK_FAIL : ENG_CMD_TASK_COMPLETE,
	    .task = {.worker.v = run->worker, .fence = *fence, .bytes = bytes_text("1")},
	};
	command.task.fatal = how % 2 == 1;
	run->now_ns += how * UINT64_C(1000000);
	step(run, &command);
}

/* One slot: a step dispatches at most one task. */
static void
run_begin(struct run *run, const struct eng_definition *definition)
{
	struct bytes actions[TASKS_MAX];
	char names[TASKS_MAX][2 * FROE_NAME_BYTES_MAX + 2];
	for (uint32_t i = 0; i < definition->task_count; i++) {
		struct bytes name = definition->tasks[i].name;
		size_t at = definition->name.size;
		actions[i] = definition->tasks[i].action;
		if (actions[i].size > 0)
			continue;
		memcpy(names[i], definition->name.data, at);
		names[i][at] = ':';
		memcpy(names[i] + at + 1, name.data, name.size);
		actions[i] = bytes_of(names[i], at + 1 + name.size);
	}
	struct eng_command put = {.type = ENG_CMD_WORKFLOW_PUT};
	put.workflow_put.definition = *definition;
	step_ok(run, &put);
	struct eng_command enrol = {
	    .type = ENG_CMD_WORKER_REGISTER,
	    .worker_register = {.id.bytes = {9}, .name = bytes_text("w"), .incarnation = 1,
	        .actions = actions, .action_count = definition->task_count, .slots = 1},
	};
	step(run, &enrol);
	if (run->out->effects[0].err == FROE_OK)
		run->worker = run->out->effects[0].worker;
	struct eng_command start = {
	    .type = ENG_CMD_RUN_START,
	    .run_start = {.workflow = definition->name, .run.bytes = {1, [6] = 0x70, [8] = 0x80},
	        .input = bytes_text("{}")},
	};
	step_ok(run, &start);
}

static void
run_whole(const struct eng_definition *definition, struct feed *feed)
{
	struct run run = {.eng = eng_open(), .now_ns = 1000 * SECOND_NS};
	struct eng_command begin = {.type = ENG_CMD_ENGINE_START, .engine_start.epoch = 1};
	step(&run, &begin);
	struct eng_command tenant = {
	    .type = ENG_CMD_TENANT_OPEN,
	    .tenant_open.name = bytes_text("default"),
	};
	step_ok(&run, &tenant);
	run.tenant.v = run.out->effects[0].tenant;
	run_begin(&run, definition);
	for (unsigned i = 0; i < STEPS_MAX; i++) {
		struct eng_fence fence;
		if (dispatched(&run, &fence) && feed->left > 0)
			step_task(&run, &fence, feed_u8(feed));
		else if (!step_timer(&run))
			break;
	}
	eng_close(run.eng);
}

static void
check_canonical(const struct eng_definition *definition, struct arena *arena)
{
	struct eng_definition again;
	struct froe_fault fault;
	enum froe_err err = definition_decode(definition->encoded, arena, &again, &fault);
	froe_assert(err == FROE_OK);
	froe_assert(bytes_equal(again.encoded, definition->encoded));
	froe_assert(bytes_equal(again.name, definition->name));
	froe_assert(again.task_count == definition->task_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	struct bytes encoded = feed_take(&feed, feed_u16(&feed));
	struct eng_definition definition;
	struct eng_fault faults[ENG_FAULTS_MAX];
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, (size_t)64 << 20);
	if (definition_decode(encoded, &arena, &definition, &fault) == FROE_OK) {
		check_canonical(&definition, &arena);
		size_t count = eng_definition_check(&definition, faults);
		froe_assert(count <= ENG_FAULTS_MAX);
		for (size_t i = 0; i < count; i++) {
			froe_assert(faults[i].text[0] != 0);
			froe_assert(utf8_valid(faults[i].text, strlen(faults[i].text)));
			froe_assert(utf8_valid(faults[i].field, strlen(faults[i].field)));
		}
		if (count == 0 && definition.task_count <= TASKS_MAX)
			run_whole(&definition, &feed);
	}
	arena_release(&arena);
	return 0;
}
