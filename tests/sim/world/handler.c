/*
 * What handlers do before they answer: chunks of a stream, children, slots given back early, and
 * the steps of durable tasks (script.h). They wait for the answer of each thing they ask for; when
 * the connection breaks they ask again.
 */
#include "base/duration.h"
#include "sim/world/script.h"
#include "sim/world/worker_int.h"

static uint64_t
task_seed(const struct worker_task *task)
{
	struct eng_fence first = {.task = task->fence.task};
	return worker_seed(&first);
}

/* May this task's run have children of its own? Not for ever. */
static bool
may_have_children(const struct world *world, const struct worker_task *task)
{
	uint32_t number;
	const struct model_run *run =
	    model_run_by_id(&world->model, uuid_run_of(task->fence.task, &number));
	return plan_does(&world->plan, KIND_CHILDREN) && run != NULL &&
	    run->depth < WORLD_DEPTH_MAX;
}

static bool
asked(struct world *world, struct worker_task *task, enum worker_ask ask,
    const struct eng_command *command)
{
	if (!process_submit(&world->process, command))
		return false;
	task->request = command->origin.request;
	task->ask = ask;
	return true;
}

static void
pause_briefly(struct world *world, struct worker_task *task)
{
	task->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 2 * NS_PER_S);
}

void
handler_begin(struct world *world, struct worker_task *task, const struct letter *letter)
{
	struct dice *dice = &world->dice;
	task->step = 1;
	task->steps = letter->durable ? script_length(task_seed(task)) : 0;
	task->chunk = 1;
	if (worker_does(world, KIND_STREAM, 30))
		task->chunks = (unsigned)dice_range(dice, 1, 4);
	task->release = worker_does(world, KIND_SLOT_RELEASE, 15);
	task->begin = worker_does(world, KIND_BEGIN, 30);
	task->give_back = !task->exactly_once && worker_does(world, KIND_GIVEN_BACK, 10);
	if (worker_does(world, KIND_CHILDREN, 25) && may_have_children(world, task) &&
	    world->children < WORLD_CHILDREN_MAX) {
		task->children = (unsigned)dice_range(dice, 1, 3);
		task->many = plan_does(&world->plan, KIND_CHILDREN_MANY) && dice_hits(dice, 50);
	}
}

/* ------------------------------------------------------------------------------------- streams */

/* A chunk's bytes are the lease's and its own: sent again they are the same. */
static void
stream_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct dice *dice = &world->dice;
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_TASK_STREAM);
	unsigned sequence = task->chunk;
	if (dice_hits(dice, 10))
		sequence = (unsigned)dice_range(dice, 1, task->chunk); /* once more */
	else if (dice_hits(dice, 5))
		sequence = task->chunk + 1; /* too early */
	uint64_t seed = worker_seed(&task->fence) + sequence;
	command.task.sequence = sequence;
	command.task.bytes =
	    world_payload(world, seed, 2 + seed % (world->plan.payload_bytes_max % 60000));
	if (!process_submit(&world->process, &command))
		return;
	judge_mark(&world->judge, KIND_STREAM);
	task->chunk += sequence == task->chunk ? 1 : 0;
	pause_briefly(world, task);
}

/* ------------------------------------------------------------------------------------- children */

static struct eng_start
child_start(struct world *world, const struct worker *worker, const struct worker_task *task,
    unsigned child, char name[RECIPE_NAME_BYTES])
{
	static const char *const keys[] = {"c0", "c1", "c2", "c3"};
	uint32_t number;
	const struct model_run *run =
	    model_run_by_id(&world->model, uuid_run_of(task->fence.task, &number));
	recipe_workflow_name(run->workflow, name);
	struct eng_start start = {
	    .workflow = bytes_text(name),
	    .child = true,
	    .parent = task->fence,
	    .worker.v = worker->number,
	    .child_index = child,
	};
	uint64_t seed = dice_next(&world->dice);
	start.run = world_run_id(world);
	start.input = world_payload_at(world, child, seed, 2 + seed % 62);
	if (task_seed(task) % 2 == 0)
		start.child_key = bytes_text(keys[child]);
	return start;
}

/* One that is asked for is asked for by each attempt, and is the same run each time. */
static void
children_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	char names[4][RECIPE_NAME_BYTES];
	struct eng_start starts[4];
	struct eng_command command = worker_command(world, worker, &task->fence,
	    task->many ? ENG_CMD_RUN_START_MANY : ENG_CMD_RUN_START);
	unsigned count = task->many ? task->children : 1;
	for (unsigned i = 0; i < count; i++)
		starts[i] = child_start(world, worker, task, task->child + i, names[i]);
	if (task->many) {
		command.run_start_many.starts = starts;
		command.run_start_many.count = count;
	} else {
		command.run_start = starts[0];
	}
	if (!asked(world, task, ASK_CHILD, &command))
		return;
	world->children += count;
	judge_mark(&world->judge, task->many ? KIND_CHILDREN_MANY : KIND_CHILDREN);
}

/* --------------------------------------------------------------------------------------- steps */

static void
step_fill(struct world *world, const struct worker *worker, const struct worker_task *task,
    struct script_step *step, struct eng_command *command)
{
	struct dice *dice = &world->dice;
	char *name = step->name;
	bool differs = task->fence.lease > 1 && worker_does(world, KIND_DIFFERS, 4);
	if (differs) {
		*step = (struct script_step){.kind = ENG_NODE_MEMO, .name = "?"};
		judge_mark(&world->judge, KIND_DIFFERS);
	}
	command->durable.kind = step->kind;
	command->durable.node = task->step;
	command->durable.worker.v = worker->number;
	command->durable.fence = task->fence;
	command->durable.conditions = step->conditions;
	command->durable.condition_count = step->condition_count;
	if (step->kind == ENG_NODE_CHILD) {
		static char workflow[RECIPE_NAME_BYTES];
		command->durable.child = child_start(world, worker, task, 0, workflow);
	} else if (step->kind == ENG_NODE_MEMO) {
		uint64_t seed = dice_next(dice);
		command->durable.name = bytes_text(name);
		command->durable.has_value = task->put || differs || dice_hits(dice, 50);
		if (command->durable.has_value)
			command->durable.value = world_payload(world, seed,
			    2 + seed % (world->plan.payload_bytes_max - 1));
	}
}

static void
step_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct script_step step;
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_DURABLE_STEP);
	script_write(&step, &world->plan, task_seed(task), task->step,
	    may_have_children(world, task));
	memset(&command.durable, 0, sizeof(command.durable));
	step_fill(world, worker, task, &step, &command);
	if (asked(world, task, ASK_STEP, &command))
		judge_mark(&world->judge, KIND_DURABLE);
}

static void
evict_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_TASK_EVICT);
	memset(&command.durable, 0, sizeof(command.durable));
	command.durable.node = task->step;
	command.durable.worker.v = worker->number;
	command.durable.fence = task->fence;
	task->evict = false;
	if (asked(world, task, ASK_EVICT, &command))
		judge_mark(&world->judge, KIND_EVICT);
}

/* ---------------------------------------------------------------------------------------- turns */

static void
release_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_TASK_RELEASE);
	if (!process_submit(&world->process, &command))
		return;
	judge_mark(&world->judge, KIND_SLOT_RELEASE);
	task->release = dice_hits(&world->dice, 20); /* once more */
	pause_briefly(world, task);
}

static void
begin_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_TASK_BEGIN);
	if (!process_submit(&world->process, &command))
		return;
	judge_mark(&world->judge, KIND_BEGIN);
	task->begin = dice_hits(&world->dice, 20); /* once more */
	pause_briefly(world, task);
}

static void
return_turn(struct world *world, const struct worker *worker, struct worker_task *task)
{
	struct eng_command command =
	    worker_command(world, worker, &task->fence, ENG_CMD_TASK_RETURN);
	if (asked(world, task, ASK_RETURN, &command))
		judge_mark(&world->judge, KIND_GIVEN_BACK);
}

bool
handler_turn(struct world *world, struct worker *worker, struct worker_task *task)
{
	if (task->waiting && task->evict)
		evict_turn(world, worker, task);
	else if (task->waiting)
		task->due_ns = UINT64_MAX;
	else if (task->begin)
		begin_turn(world, worker, task);
	else if (task->give_back)
		return_turn(world, worker, task);
	else if (task->chunk <= task->chunks)
		stream_turn(world, worker, task);
	else if (task->release)
		release_turn(world, worker, task);
	else if (task->child < task->children)
		children_turn(world, worker, task);
	else if (task->step <= task->steps)
		step_turn(world, worker, task);
	else
		return false;
	return true;
}

static void
step_done(struct world *world, struct worker_task *task)
{
	task->waiting = false;
	task->put = false;
	task->step++;
	pause_briefly(world, task);
}

static void
step_answer(struct world *world, struct worker_task *task, const struct letter *letter)
{
	if (letter->node_state == ENG_NODE_DONE) {
		step_done(world, task);
	} else if (letter->node_state == ENG_NODE_ABSENT) {
		task->put = true;
		pause_briefly(world, task);
	} else {
		task->waiting = true;
		task->evict = worker_does(world, KIND_EVICT, 40);
		task->due_ns = task->evict
		    ? world_mono_ns(world) + dice_span_ns(&world->dice, 5 * NS_PER_S)
		    : UINT64_MAX;
	}
}

bool
handler_answer(struct world *world, struct worker_task *task, const struct letter *letter)
{
	enum worker_ask ask = task->ask;
	task->request = 0;
	if (ask == ASK_EVICT) {
		if (letter->err == FROE_OK)
			return false;
		if (task->waiting) /* its result is on its way */
			task->due_ns = UINT64_MAX;
		return true;
	}
	if (ask == ASK_RETURN) {
		task->give_back = false;
		return letter->err == FROE_FAILED_PRECONDITION; /* it has begun: it goes on */
	}
	if (ask == ASK_STEP && letter->err == FROE_NONDETERMINISM)
		return false;
	if (letter->err != FROE_OK)
		judge_fail(&world->judge, "a handler is refused: %s", froe_err_name(letter->err));
	if (ask == ASK_STEP)
		step_answer(world, task, letter);
	else
		task->child += task->many ? task->children : 1;
	if (ask == ASK_CHILD)
		pause_briefly(world, task);
	return true;
}

void
handler_node(struct world *world, struct worker_task *task, const struct letter *letter)
{
	if (task->waiting && letter->node == task->step)
		step_done(world, task);
}
