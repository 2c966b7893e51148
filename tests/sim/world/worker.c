#include "sim/world/worker.h"

#include "base/duration.h"
#include "sim/world/worker_int.h"

#define RECIPE_ACTIONS_ALL ((UINT64_C(1) << RECIPE_ACTIONS) - 1)

bool
worker_does(const struct world *world, enum kind kind, unsigned percent)
{
	struct dice *dice = (struct dice *)(uintptr_t)&world->dice;
	return !world->ending && plan_does(&world->plan, kind) && dice_hits(dice, percent);
}

void
worker_init(struct world *world, struct worker *worker, unsigned tenant)
{
	uint8_t bytes[16];
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)dice_next(&world->dice);
	*worker = (struct worker){
	    .tenant = tenant,
	    .id = uuid_v7(io_wall_ns(world->env), bytes),
	    .due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 5 * NS_PER_S),
	};
}

uint64_t
worker_due_ns(const struct worker *worker)
{
	uint64_t due_ns = worker->state == WORKER_ON ? UINT64_MAX : worker->due_ns;
	if (worker->silent_until_ns != 0)
		return worker->silent_until_ns;
	if (worker->state == WORKER_JOINING || worker->state == WORKER_LEAVING)
		return worker->request == 0 ? 0 : UINT64_MAX;
	for (unsigned i = 0; i < worker->task_count && worker->state == WORKER_ON; i++) {
		const struct worker_task *task = &worker->tasks[i];
		if (task->request == 0 && task->due_ns < due_ns)
			due_ns = task->due_ns;
	}
	return due_ns;
}

static void
task_forget(struct worker *worker, struct worker_task *task)
{
	*task = worker->tasks[--worker->task_count];
}

static struct worker_task *
task_find(struct worker *worker, const struct eng_fence *fence)
{
	for (unsigned i = 0; i < worker->task_count; i++) {
		struct worker_task *task = &worker->tasks[i];
		if (uuid_equal(task->fence.task, fence->task) && task->fence.lease == fence->lease)
			return task;
	}
	return NULL;
}

/* A handler whose attempts never overlap takes its time to stop: until its lease lapses by the
 * worker's own clock, as it stands now. */
static void
task_stop(struct world *world, const struct worker *worker, struct worker_task *task)
{
	uint64_t mono_ns = world_mono_ns(world), by_ns = worker->confirmed_ns + PROCESS_LOST_NS;
	task->stopping = true;
	task->waiting = false;
	task->request = 0;
	task->due_ns = mono_ns;
	if (by_ns > mono_ns)
		task->due_ns += dice_span_ns(&world->dice, by_ns - mono_ns);
}

/* Its lease has ended: most workers stop, some answer nevertheless. */
static void
task_lapse(struct world *world, struct worker *worker, struct worker_task *task)
{
	if (task->exactly_once && !task->stopped) {
		if (!task->stopping)
			task_stop(world, worker, task);
		return;
	}
	if (!worker_does(world, KIND_COMPLETE_LATE, 40)) {
		task_forget(worker, task);
		return;
	}
	task->zombie = true;
	task->waiting = false;
	task->request = 0;
	task->end = END_COMPLETE;
	task->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 20 * NS_PER_S);
}

/* ---------------------------------------------------------------------- coming, breaking, going */

/* What was asked for is asked for again, what was waited for may have come. */
static void
task_disconnected(const struct world *world, struct worker_task *task)
{
	task->request = 0;
	task->chunk = 1;
	if (task->waiting)
		task->due_ns = world_mono_ns(world);
	task->waiting = false;
}

static void
worker_born(struct world *world, struct worker *worker)
{
	struct dice *dice = &world->dice;
	worker->incarnation += dice_range(dice, 1, 1000);
	worker->slots[RECIPE_SLOT_DEFAULT] = (uint32_t)dice_range(dice, 1, 4);
	worker->slots[RECIPE_SLOT_GPU] = (uint32_t)dice_below(dice, 3);
	worker->slots[RECIPE_SLOT_DURABLE] = (uint32_t)dice_below(dice, 4);
	worker->actions = dice_next(dice) & RECIPE_ACTIONS_ALL;
	if (world->ending || dice_hits(dice, 60))
		worker->actions = RECIPE_ACTIONS_ALL;
	if (worker->actions == 0)
		worker->actions = 1;
	if (world->ending) {
		worker->slots[RECIPE_SLOT_DEFAULT] = 8;
		worker->slots[RECIPE_SLOT_GPU] = 4;
		worker->slots[RECIPE_SLOT_DURABLE] = 8;
	}
	worker->task_count = 0;
	worker->draining = false;
	worker->silent_until_ns = 0;
}

static void
worker_join(struct world *world, struct worker *worker)
{
	worker->conn = world_number(world);
	worker->state = WORKER_JOINING;
	worker->request = 0;
	for (unsigned i = 0; i < worker->task_count; i++)
		task_disconnected(world, &worker->tasks[i]);
}

static void
worker_register(struct world *world, struct worker *worker)
{
	char names[RECIPE_ACTIONS][RECIPE_NAME_BYTES];
	struct bytes actions[RECIPE_ACTIONS];
	struct eng_fence held[PROCESS_HELD_MAX];
	uint32_t count = 0, held_count = 0;
	struct eng_slots types[RECIPE_SLOTS];
	uint32_t type_count = 0;
	for (unsigned i = 1; i < RECIPE_SLOTS; i++) {
		if (worker->slots[i] > 0)
			types[type_count++] = (struct eng_slots){
			    bytes_text(recipe_slot_name((enum recipe_slot)i)), worker->slots[i]};
	}
	for (unsigned i = 0; i < RECIPE_ACTIONS; i++) {
		if ((worker->actions >> i & 1) == 0)
			continue;
		recipe_action_name(i, names[count]);
		actions[count] = bytes_text(names[count]);
		count++;
	}
	for (unsigned i = 0; i < worker->task_count; i++) {
		if (!worker->tasks[i].zombie && !worker->tasks[i].stopping)
			held[held_count++] = worker->tasks[i].fence;
	}
	struct eng_command command = {
	    .type = ENG_CMD_WORKER_REGISTER,
	    .origin = {.conn = worker->conn, .request = world_number(world)},
	    .tenant.v = world->process.tenants[worker->tenant],
	    .worker_register =
	        {
	            .id = worker->id,
	            .name = bytes_text("w"),
	            .incarnation = worker->incarnation,
	            .actions = actions,
	            .action_count = count,
	            .slots = worker->slots[RECIPE_SLOT_DEFAULT],
	            .types = types,
	            .type_count = type_count,
	            .held = held,
	            .held_count = held_count,
	        },
	};
	if (!process_submit(&world->process, &command))
		return;
	worker->request = command.origin.request;
	worker->beat_ns = world_mono_ns(world); /* its answer confirms as much */
}

static void
worker_away(struct world *world, struct worker *worker, uint64_t for_ns)
{
	process_disconnect(&world->process, worker->conn);
	worker->conn = 0;
	worker->state = WORKER_AWAY;
	worker->beat_ns = 0;
	worker->request = 0;
	worker->due_ns = world_mono_ns(world) + for_ns;
	for (unsigned i = 0; i < worker->task_count; i++)
		task_disconnected(world, &worker->tasks[i]);
}

static void
worker_off(struct world *world, struct worker *worker)
{
	process_disconnect(&world->process, worker->conn);
	worker->conn = 0;
	worker->state = WORKER_OFF;
	worker->beat_ns = 0;
	worker->task_count = 0;
	worker->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 20 * NS_PER_S);
}

/* It comes back, and has forgotten some of what it was doing. */
static void
worker_return(struct world *world, struct worker *worker)
{
	for (unsigned i = worker->task_count; i-- > 0;) {
		if (worker->tasks[i].zombie || worker->tasks[i].stopping ||
		    !worker_does(world, KIND_HELD_PARTLY, 40))
			continue;
		judge_mark(&world->judge, KIND_HELD_PARTLY);
		worker->tasks[i].stopped = true; /* who says that he has it not is not at it */
		task_lapse(world, worker, &worker->tasks[i]);
	}
	worker_join(world, worker);
}

static void
worker_submit(struct world *world, struct worker *worker, enum eng_command_type type)
{
	struct eng_command command = {
	    .type = type,
	    .origin = {.conn = worker->conn, .request = world_number(world)},
	    .tenant.v = world->process.tenants[worker->tenant],
	    .worker.worker.v = worker->number,
	};
	if (process_submit(&world->process, &command))
		worker->request = command.origin.request;
}

/* True: something happened to it; it does nothing else in this turn. */
static bool
worker_mishap(struct world *world, struct worker *worker)
{
	struct judge *judge = &world->judge;
	struct dice *dice = &world->dice;
	if (worker_does(world, KIND_BREAK, 3)) {
		judge_mark(judge, KIND_BREAK);
		worker_away(world, worker, dice_span_ns(dice, 4 * NS_PER_S));
	} else if (worker_does(world, KIND_GONE, 1)) {
		judge_mark(judge, KIND_GONE);
		worker_away(world, worker, dice_range(dice, 6, 60) * NS_PER_S);
	} else if (worker_does(world, KIND_REBIRTH, 2)) {
		judge_mark(judge, KIND_REBIRTH);
		worker_off(world, worker);
	} else if (worker_does(world, KIND_LEAVE, 1)) {
		judge_mark(judge, KIND_LEAVE);
		worker->state = WORKER_LEAVING;
		worker->request = 0;
	} else if (worker_does(world, KIND_SILENT, 1)) {
		judge_mark(judge, KIND_SILENT);
		worker->silent_until_ns =
		    world_mono_ns(world) + dice_range(dice, 20, 80) * NS_PER_S;
	} else {
		return false;
	}
	return true;
}

/* ------------------------------------------------------------------------------------ answering */

uint64_t
worker_seed(const struct eng_fence *fence)
{
	uint64_t seed;
	memcpy(&seed, fence->task.bytes + 8, sizeof(seed));
	return seed * 31 + fence->lease;
}

struct eng_command
worker_command(struct world *world, const struct worker *worker, const struct eng_fence *fence,
    enum eng_command_type type)
{
	return (struct eng_command){
	    .type = type,
	    .origin = {.conn = worker->conn, .request = world_number(world)},
	    .tenant.v = world->process.tenants[worker->tenant],
	    .task = {.worker.v = worker->number, .fence = *fence},
	};
}

static size_t
output_bytes(const struct world *world, const struct eng_fence *fence)
{
	return 2 + worker_seed(fence) % world->plan.payload_bytes_max;
}

static bool
send_extra(struct world *world, const struct worker *worker, struct worker_task *task)
{
	enum eng_command_type type =
	    task->refresh ? ENG_CMD_TASK_REFRESH : ENG_CMD_TASK_LOG;
	struct eng_command command = worker_command(world, worker, &task->fence, type);
	if (task->refresh)
		command.task.add_ms = dice_range(&world->dice, 0, 30000);
	else
		command.task.bytes = bytes_text("a line of log");
	if (!process_submit(&world->process, &command))
		return false;
	judge_mark(&world->judge, task->refresh ? KIND_REFRESH : KIND_LOG);
	if (task->refresh)
		task->refresh = false;
	else
		task->log = false;
	task->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 10 * NS_PER_S);
	return true;
}

static void
send_end(struct world *world, const struct worker *worker, struct worker_task *task)
{
	static const enum kind marks[] = {
	    [END_FAIL] = KIND_FAIL,
	    [END_FATAL] = KIND_FATAL,
	    [END_RETRY_AFTER] = KIND_RETRY_AFTER,
	};
	bool complete = task->end == END_COMPLETE;
	struct eng_command command = worker_command(world, worker, &task->fence,
	    complete ? ENG_CMD_TASK_COMPLETE : ENG_CMD_TASK_FAIL);
	command.task.bytes = complete
	    ? world_payload(world, worker_seed(&task->fence), output_bytes(world, &task->fence))
	    : bytes_text("it did not work");
	command.task.fatal = task->end == END_FATAL;
	if (task->end == END_RETRY_AFTER)
		command.task.retry_after_ms = 1 + worker_seed(&task->fence) % 30000;
	if (!process_submit(&world->process, &command))
		return;
	task->request = command.origin.request;
	task->ask = ASK_END;
	task->stopped = true; /* the handler has returned, whatever the answer is */
	if (!complete)
		judge_mark(&world->judge, marks[task->end]);
	if (task->zombie)
		judge_mark(&world->judge, KIND_COMPLETE_LATE);
}

/* Its process dies of the task, and is back soon, as another incarnation. */
static void
worker_poisoned(struct world *world, struct worker *worker)
{
	judge_mark(&world->judge, KIND_POISON);
	worker_off(world, worker);
	worker->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, NS_PER_S);
}

static void
task_turn(struct world *world, struct worker *worker, struct worker_task *task)
{
	if (task->request != 0 || task->stopping || task->due_ns > world_mono_ns(world))
		return;
	if (task->end == END_POISON) {
		worker_poisoned(world, worker);
		return;
	}
	if (task->refresh || task->log) {
		send_extra(world, worker, task);
		return;
	}
	if (!task->zombie && !task->stopped && handler_turn(world, worker, task))
		return;
	if (task->end == END_HANG) {
		judge_mark(&world->judge, KIND_HANG);
		task->due_ns = UINT64_MAX;
		return;
	}
	send_end(world, worker, task);
}

/* A line of some attempt, which may go on still, or have ended long ago. */
static void
send_late(struct world *world, struct worker *worker)
{
	uint32_t count = world->fence_count < WORLD_FENCES ? (uint32_t)world->fence_count
	                                                   : WORLD_FENCES;
	if (count == 0)
		return;
	const struct eng_fence *fence = &world->fences[dice_below(&world->dice, count)];
	struct eng_command command = worker_command(world, worker, fence, ENG_CMD_TASK_LOG);
	command.task.fence.lease = 0;
	command.task.late = true;
	command.task.attempt = (uint32_t)dice_below(&world->dice, 3);
	command.task.bytes = bytes_text("a line that comes late");
	if (process_submit(&world->process, &command))
		judge_mark(&world->judge, KIND_LOG_LATE);
}

/* Completes what it does not hold: another worker's task, or a lease of long ago. */
static void
send_wrong(struct world *world, struct worker *worker)
{
	struct dice *dice = &world->dice;
	const struct worker *other = &world->workers[dice_below(dice, world->plan.workers)];
	const struct eng_fence *fence = NULL;
	if (other != worker && other->task_count > 0)
		fence = &other->tasks[dice_below(dice, other->task_count)].fence;
	else if (world->fence_count > 0)
		fence = &world->fences[dice_below(dice, world->fence_count < WORLD_FENCES
		    ? world->fence_count : WORLD_FENCES)];
	if (fence == NULL || model_fence_current(&world->model, worker->number, fence))
		return;
	const struct worker_task *own = task_find(worker, fence);
	if (own != NULL && (own->stopping || (own->exactly_once && !own->stopped && !own->zombie)))
		return; /* it would say that a handler has ended that has not */
	struct eng_command command =
	    worker_command(world, worker, fence, ENG_CMD_TASK_COMPLETE);
	command.task.bytes = bytes_text("\"stolen\"");
	if (process_submit(&world->process, &command))
		judge_mark(&world->judge, KIND_COMPLETE_WRONG);
}

/* Some say that they have ended: the next attempt need not wait. */
static void
task_stopped(struct world *world, struct worker *worker, struct worker_task *task)
{
	task->stopping = false;
	task->stopped = true;
	task->zombie = true;
	task->end = dice_hits(&world->dice, 50) ? END_COMPLETE : END_FAIL;
	if (dice_hits(&world->dice, 40))
		task_forget(worker, task);
}

/* Its leases lapse by its own clock: handlers that must not overlap with others end. */
static void
worker_lapse(struct world *world, struct worker *worker)
{
	for (unsigned i = worker->task_count; i-- > 0;) {
		struct worker_task *task = &worker->tasks[i];
		if (task->stopping && task->due_ns <= world_mono_ns(world))
			task_stopped(world, worker, task);
	}
	if (world_mono_ns(world) < worker->confirmed_ns + PROCESS_LOST_NS)
		return;
	for (unsigned i = 0; i < worker->task_count; i++) {
		struct worker_task *task = &worker->tasks[i];
		if (task->exactly_once && !task->stopped && !task->stopping && !task->zombie) {
			task->stopped = true;
			task->end = END_FAIL;
			task->due_ns = world_mono_ns(world);
		}
	}
}

void
worker_beat(struct world *world, struct worker *worker)
{
	worker_lapse(world, worker);
	if (worker->conn == 0 || worker->silent_until_ns != 0)
		return;
	process_seen(&world->process, worker->conn);
	if (worker->number == 0 || worker->state == WORKER_JOINING)
		return;
	if (worker->beat_ns == 0) {
		worker->beat_ns = world_mono_ns(world);
		worker->beat_frame = log_tail_seq(world->process.shard.log);
	}
	if (world->process.durable < worker->beat_frame)
		return;
	worker->confirmed_ns = worker->beat_ns;
	worker->beat_ns = 0;
}

static void
worker_work(struct world *world, struct worker *worker)
{
	worker_beat(world, worker);
	if (worker_mishap(world, worker))
		return;
	if (!worker->draining && worker_does(world, KIND_DRAIN, 1)) {
		judge_mark(&world->judge, KIND_DRAIN);
		worker->draining = true;
		worker_submit(world, worker, ENG_CMD_WORKER_DRAIN);
	} else if (worker->draining && dice_hits(&world->dice, 5)) {
		worker->state = WORKER_LEAVING;
		worker->request = 0;
		return;
	}
	for (unsigned i = worker->task_count; i-- > 0 && worker->state == WORKER_ON;)
		task_turn(world, worker, &worker->tasks[i]);
	if (worker->state == WORKER_ON && worker_does(world, KIND_COMPLETE_WRONG, 5))
		send_wrong(world, worker);
	if (worker->state == WORKER_ON && worker_does(world, KIND_LOG_LATE, 5))
		send_late(world, worker);
}

static void
worker_silent(struct world *world, struct worker *worker)
{
	if (worker->silent_until_ns > world_mono_ns(world))
		return;
	worker->silent_until_ns = 0;
	worker_away(world, worker, 0); /* it finds its connection dead */
}

void
worker_turn(struct world *world, struct worker *worker)
{
	bool due = worker->due_ns <= world_mono_ns(world);
	worker_lapse(world, worker);
	if (worker->silent_until_ns != 0) {
		worker_silent(world, worker);
		return;
	}
	switch (worker->state) {
	case WORKER_OFF:
		if (due) {
			worker_born(world, worker);
			worker_join(world, worker);
			worker_register(world, worker);
		}
		return;
	case WORKER_AWAY:
		if (due) {
			worker_return(world, worker);
			worker_register(world, worker);
		}
		return;
	case WORKER_JOINING:
		if (worker->request == 0)
			worker_register(world, worker);
		return;
	case WORKER_LEAVING:
		if (worker->request == 0)
			worker_submit(world, worker, ENG_CMD_WORKER_LEAVE);
		return;
	case WORKER_ON:
		worker_work(world, worker);
		return;
	}
}

/* -------------------------------------------------------------------------------------- hearing */

/* Whether a task is poison is a property of the task: the same in each attempt. */
static enum worker_end
draw_end(const struct world *world, const struct eng_fence *fence)
{
	struct eng_fence first = {.task = fence->task};
	if (plan_does(&world->plan, KIND_POISON) && worker_seed(&first) % 16 == 0)
		return END_POISON;
	if (worker_does(world, KIND_FAIL, 25))
		return END_FAIL;
	if (worker_does(world, KIND_FATAL, 5))
		return END_FATAL;
	if (worker_does(world, KIND_RETRY_AFTER, 10))
		return END_RETRY_AFTER;
	return worker_does(world, KIND_HANG, 5) ? END_HANG : END_COMPLETE;
}

/* Exactly once: nobody is at it, by his own clock. */
static void
check_alone(struct world *world, const struct letter *letter)
{
	uint64_t mono_ns = world_mono_ns(world);
	for (unsigned i = 0; i < world->plan.workers && letter->delivery == ENG_EXACTLY_ONCE; i++) {
		const struct worker *worker = &world->workers[i];
		for (unsigned j = 0; j < worker->task_count; j++) {
			const struct worker_task *task = &worker->tasks[j];
			uint64_t until_ns = task->stopping
			    ? task->due_ns
			    : worker->confirmed_ns + PROCESS_LOST_NS;
			if (!uuid_equal(task->fence.task, letter->id) || task->zombie ||
			    task->stopped || mono_ns >= until_ns)
				continue;
			judge_fail(&world->judge, "exactly once: lease %llu begins, worker %u is "
			    "still at lease %llu", (unsigned long long)letter->lease, i,
			    (unsigned long long)task->fence.lease);
		}
	}
}

static void
hear_dispatch(struct world *world, struct worker *worker, const struct letter *letter)
{
	struct eng_fence fence = {.task = letter->id, .lease = letter->lease};
	uint64_t think_ns = world->ending ? NS_PER_S : 30 * NS_PER_S;
	if (task_find(worker, &fence) != NULL)
		judge_fail(&world->judge, "a lease was dispatched twice");
	check_alone(world, letter);
	if (worker->task_count == PROCESS_HELD_MAX) /* of zombies: the oldest gives way */
		task_forget(worker, &worker->tasks[0]);
	struct worker_task *task = &worker->tasks[worker->task_count++];
	*task = (struct worker_task){.fence = fence};
	task->end = draw_end(world, &fence);
	task->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, think_ns);
	task->exactly_once = letter->delivery == ENG_EXACTLY_ONCE;
	handler_begin(world, task, letter);
	task->refresh = worker_does(world, KIND_REFRESH, 20);
	task->log = worker_does(world, KIND_LOG, 20);
	task->again = worker_does(world, KIND_COMPLETE_TWICE, 30);
	if (dice_hits(&world->dice, 20))
		world->fences[world->fence_count++ % WORLD_FENCES] = fence;
}

static void
hear_registered(struct world *world, struct worker *worker, const struct letter *letter)
{
	worker->request = 0;
	if (letter->err != FROE_OK) {
		worker_off(world, worker);
		return;
	}
	worker_lapse(world, worker);
	worker->number = letter->worker;
	worker->state = WORKER_ON;
	for (uint32_t i = 0; i < letter->lapsed_count; i++) {
		struct worker_task *task = task_find(worker, &letter->lapsed[i]);
		judge_mark(&world->judge, KIND_LAPSED);
		if (task != NULL)
			task_lapse(world, worker, task);
	}
	worker->confirmed_ns = worker->beat_ns; /* these lapse when they would have */
	worker->beat_ns = 0;
}

static void
hear_answered(struct world *world, struct worker *worker, struct worker_task *task)
{
	if (!task->again) {
		task_forget(worker, task);
		return;
	}
	judge_mark(&world->judge, KIND_COMPLETE_TWICE);
	task->again = false;
	task->zombie = true;
	task->request = 0;
	task->end = END_COMPLETE;
	task->due_ns = world_mono_ns(world) + dice_span_ns(&world->dice, 10 * NS_PER_S);
}

/* Its attempt is over, and its handler is to return. */
static void
task_over(struct world *world, struct worker *worker, struct worker_task *task)
{
	if (task->exactly_once)
		task_stop(world, worker, task);
	else
		task_forget(worker, task);
}

static void
hear_reply(struct world *world, struct worker *worker, const struct letter *letter)
{
	bool own = letter->origin.request == worker->request;
	if (own && letter->command == ENG_CMD_WORKER_REGISTER) {
		hear_registered(world, worker, letter);
		return;
	}
	if (own && letter->command == ENG_CMD_WORKER_LEAVE) {
		worker_off(world, worker);
		return;
	}
	for (unsigned i = 0; i < worker->task_count; i++) {
		struct worker_task *task = &worker->tasks[i];
		if (task->request != letter->origin.request)
			continue;
		if (task->ask == ASK_END)
			hear_answered(world, worker, task);
		else if (letter->err == FROE_LEASE_LAPSED)
			task_lapse(world, worker, task);
		else if (!handler_answer(world, task, letter))
			task_over(world, worker, task);
		return;
	}
}

void
worker_letter(struct world *world, struct worker *worker, const struct letter *letter)
{
	struct eng_fence fence = {.task = letter->id, .lease = letter->lease};
	if (letter->type == ENG_EFF_REPLY) {
		hear_reply(world, worker, letter);
	} else if (letter->type == ENG_EFF_DISPATCH) {
		hear_dispatch(world, worker, letter);
	} else if (letter->type == ENG_EFF_NODE) {
		struct worker_task *task = task_find(worker, &fence);
		if (task != NULL && !task->zombie)
			handler_node(world, task, letter);
	} else {
		struct worker_task *task = task_find(worker, &fence);
		if (task != NULL && !task->zombie)
			task_lapse(world, worker, task);
	}
}

void
worker_cut(struct world *world, struct worker *worker)
{
	if (worker->state == WORKER_OFF || worker->state == WORKER_AWAY)
		return;
	if (worker->state == WORKER_LEAVING) {
		worker_off(world, worker);
		return;
	}
	worker->silent_until_ns = 0;
	worker_away(world, worker, dice_span_ns(&world->dice, 8 * NS_PER_S));
}

void
worker_reform(struct world *world, struct worker *worker)
{
	worker_off(world, worker);
	worker->silent_until_ns = 0;
	worker->due_ns = world_mono_ns(world);
}
