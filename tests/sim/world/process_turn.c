#include "sim/world/process_int.h"

#include "base/duration.h"

#include <inttypes.h>
#include <stdio.h>

#define STUCK_NS (30 * NS_PER_S)
#define ACTOR_BYTES 32u

/* ---------------------------------------------------------------------------- workers' clocks */

static struct process_worker *
worker_find(const struct process *process, uint64_t number)
{
	for (unsigned i = 0; i < process->worker_count; i++) {
		if (process->workers[i].number == number)
			return (struct process_worker *)(uintptr_t)&process->workers[i];
	}
	return NULL;
}

static struct process_worker *
worker_of_conn(const struct process *process, uint64_t conn)
{
	for (unsigned i = 0; i < process->worker_count; i++) {
		if (process->workers[i].conn == conn)
			return (struct process_worker *)(uintptr_t)&process->workers[i];
	}
	return NULL;
}

uint64_t
process_conn_of(const struct process *process, uint64_t worker)
{
	const struct process_worker *row = worker_find(process, worker);
	return row != NULL ? row->conn : 0;
}

static struct process_worker *
worker_require(struct process *process, uint64_t number)
{
	struct process_worker *worker = worker_find(process, number);
	if (worker == NULL) {
		froe_assert(process->worker_count < PROCESS_WORKERS_MAX);
		worker = &process->workers[process->worker_count++];
		*worker = (struct process_worker){.number = number};
	}
	return worker;
}

static void
worker_remove(struct process *process, uint64_t number)
{
	struct process_worker *worker = worker_find(process, number);
	if (worker != NULL)
		*worker = process->workers[--process->worker_count];
}

void
process_recovered_worker(void *context, uint64_t number, bool attached, struct bytes name)
{
	struct process *process = context;
	(void)name;
	(void)attached; /* as it was when the last one died: nobody is connected to this one */
	struct process_worker *worker = worker_require(process, number);
	/* It may have heard of the server a moment before that ended. */
	worker->seen_ns = io_mono_ns(process->env);
	worker->due_ns = worker->seen_ns + PROCESS_GRACE_NS;
}

static void
worker_bind(struct process *process, uint64_t number, uint64_t conn)
{
	struct process_worker *worker = worker_require(process, number);
	*worker = (struct process_worker){
	    .number = number,
	    .conn = conn,
	    .seen_ns = io_mono_ns(process->env),
	};
}

void
process_seen(struct process *process, uint64_t conn)
{
	struct process_worker *worker = worker_of_conn(process, conn);
	if (worker != NULL && conn != 0)
		worker->seen_ns = io_mono_ns(process->env);
}

void
process_disconnect(struct process *process, uint64_t conn)
{
	struct process_worker *worker = worker_of_conn(process, conn);
	if (worker == NULL || conn == 0)
		return;
	worker->conn = 0;
	worker->detach = true;
	worker->due_ns = io_mono_ns(process->env) + PROCESS_GRACE_NS;
}

static uint64_t
worker_due_ns(const struct process_worker *worker)
{
	return worker->conn != 0 ? worker->seen_ns + PROCESS_LOST_NS : worker->due_ns;
}

/* The newest registration is nobody's connection's. */
static void
worker_keep(struct process *process)
{
	process_recovered_worker(process, process->model->worker_count, false, bytes_of(NULL, 0));
	judge_mark(process->judge, KIND_KEPT);
}

/* A submitted command may remove rows: start again after each. */
static bool
worker_turn(struct process *process)
{
	uint64_t mono_ns = io_mono_ns(process->env);
	for (unsigned i = 0; i < process->worker_count; i++) {
		struct process_worker *worker = &process->workers[i];
		struct eng_command command = {
		    .type = worker->detach ? ENG_CMD_WORKER_DETACH : ENG_CMD_WORKER_LEAVE,
		    .worker = {.worker.v = worker->number, .lost = true},
		};
		if (!worker->detach && worker_due_ns(worker) > mono_ns)
			continue;
		command.worker.kept = !worker->detach && worker->conn == 0 &&
		    plan_does(process->plan, KIND_KEPT) && dice_hits(&process->dice, 50);
		if (!process_submit(process, &command))
			return false;
		if (command.worker.kept)
			worker_keep(process);
		worker = worker_find(process, command.worker.worker.v);
		if (worker != NULL && command.type == ENG_CMD_WORKER_DETACH)
			worker->detach = false;
		else if (worker != NULL)
			judge_fail(process->judge, "worker %" PRIu64 " is lost and does not leave",
			    worker->number);
		return true;
	}
	return false;
}

/* ---------------------------------------------------------------------------------------- hooks */

static bool
event_planted(struct process *process, const struct eng_event *event, uint64_t frame)
{
	enum plant plant = process->plan->plant;
	if (event->type != ENG_EV_TASK_QUEUED || !dice_hits(&process->dice, 2))
		return false;
	if (plant == PLANT_EVENT_TWICE)
		model_event(process->model, event, frame);
	return plant == PLANT_EVENT_MISSED;
}

static void
hook_event(void *context, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	struct process *process = context;
	judge_note(process->judge, "event", (uint64_t)event->type, event->run,
	    (uint64_t)event->task << 32 | event->lease);
	history_append(process->history, event, frame);
	process_place(process, event, place);
	if (process->plan->plant != PLANT_NONE && event_planted(process, event, frame))
		return;
	model_event(process->model, event, frame);
	if (event->type == ENG_EV_WORKER_LEAVING)
		worker_remove(process, event->worker);
	process_jobs_event(process, event, frame);
}

static void
hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	struct process *process = context;
	model_effect(process->model, effect);
	if (effect->type == ENG_EFF_REPLY && effect->command == ENG_CMD_WORKER_REGISTER &&
	    effect->err == FROE_OK && effect->origin.conn != 0)
		worker_bind(process, effect->worker, effect->origin.conn);
	outbox_push(process, effect, frame);
}

static void
hook_replayed(void *context, const struct eng_event *event, const struct log_place *place,
    const struct eng_run_info *info, uint64_t frame)
{
	struct process *process = context;
	(void)place;
	process_recall(process);
	const struct model_run *run = model_run(process->model, event->run);
	bool enters = event->type == ENG_EV_RUN_STARTED || event->type == ENG_EV_RUN_REPLAYED;
	bool late = event->type == ENG_EV_LATE_LOGGED && run != NULL && run->closed;
	if (run != NULL && !enters && !late &&
	    (!uuid_equal(run->id, info->id) || info->version != run->version))
		judge_fail(process->judge, "run %" PRIu64 " was replayed as another", run->key);
	history_replayed(process->history, event, frame, process->shard.eng);
	model_event(process->model, event, frame);
}

const struct shard_hooks process_hooks = {
    .event = hook_event,
    .effect = hook_effect,
    .replayed = hook_replayed,
};

/* ------------------------------------------------------------------------------------- commands */

static bool
process_holds(const struct process *process)
{
	return log_space(process->shard.log) >= LOG_SPACE_HARD;
}

/* The plant: a command with a stale fence gets the current one. */
static void
plant_fence(struct process *process, struct eng_command *command)
{
	uint32_t number;
	struct model_run *run =
	    model_run_by_id(process->model, uuid_run_of(command->task.fence.task, &number));
	if (run == NULL || number == 0 || number > run->recipe->task_count)
		return;
	command->task.fence.lease = run->tasks[number - 1].lease;
	command->task.worker.v = run->tasks[number - 1].worker;
}

/* A sixteenth more than what the worker counts: engine time may run 5 % fast. */
static uint64_t
worker_lapse_ns(const struct process *process, const struct eng_command *command)
{
	uint64_t number = command->worker.worker.v, now_ns = process->shard.clock.now_ns;
	if (command->type == ENG_CMD_WORKER_REGISTER)
		number = eng_worker_find(process->shard.eng, command->tenant,
		    command->worker_register.id);
	const struct process_worker *worker = worker_find(process, number);
	if (worker == NULL)
		return now_ns + PROCESS_LAPSE_NS;
	uint64_t silent_ns = io_mono_ns(process->env) - worker->seen_ns;
	return silent_ns < PROCESS_LAPSE_NS ? now_ns + PROCESS_LAPSE_NS - silent_ns : now_ns;
}

static bool
has_fence(const struct eng_command *command)
{
	return command->type == ENG_CMD_TASK_COMPLETE || command->type == ENG_CMD_TASK_FAIL ||
	    command->type == ENG_CMD_TASK_REFRESH || command->type == ENG_CMD_TASK_LOG ||
	    command->type == ENG_CMD_TASK_STREAM || command->type == ENG_CMD_TASK_BEGIN ||
	    command->type == ENG_CMD_TASK_RETURN;
}

bool
process_submit(struct process *process, const struct eng_command *command)
{
	struct eng_command named = *command, sent;
	char actor[ACTOR_BYTES];
	if (!shard_has_room(&process->shard, command)) {
		judge_mark(process->judge, KIND_NO_ROOM);
		return false;
	}
	bool hold = process_holds(process);
	judge_note(process->judge, "command", (uint64_t)command->type, command->origin.conn,
	    command->origin.request);
	snprintf(actor, sizeof(actor), "peer %" PRIu64, command->origin.conn);
	if (command->job.number == 0 || command->origin.conn != 0)
		named.actor = bytes_text(actor); /* what a job does is who started it */
	sent = named;
	if (process->plan->plant == PLANT_STALE_LEASE && has_fence(command))
		plant_fence(process, &sent);
	if (command->type == ENG_CMD_WORKER_REGISTER || command->type == ENG_CMD_WORKER_LEAVE)
		sent.lapse_ns = worker_lapse_ns(process, command);
	process->model->now_ns = process->shard.clock.now_ns;
	model_before(process->model, &named);
	struct bounds bounds = bounds_before(process, &sent);
	size_t events = shard_step(&process->shard, &sent);
	bounds_after(process, &bounds);
	if (events != process->model->step.events && process->plan->plant == PLANT_NONE)
		judge_fail(process->judge, "a step says %zu events, %u came", events,
		    process->model->step.events);
	model_after(process->model, hold);
	if (dice_hits(&process->dice, 3))
		history_hash(process->history, process->shard.eng);
	if (dice_hits(&process->dice, 2)) {
		eng_check(process->shard.eng);
		model_tokens_check(process->model, process->shard.eng);
		model_rates_check(process->model, process->shard.eng);
		model_jobs_check(process->model, process->shard.eng);
	}
	if (plan_does(process->plan, KIND_RELOAD) && dice_hits(&process->dice, 1))
		process_reload(process);
	return true;
}

/* ---------------------------------------------------------------------------------------- turns */

void
process_watch_log(struct process *process)
{
	struct froe_fault fault;
	struct log *log = process->shard.log;
	uint64_t durable = log_durable_seq(log);
	if (durable < process->durable)
		judge_fail(process->judge, "durability went back from frame %" PRIu64 " to %"
		    PRIu64, process->durable, durable);
	if (durable > log_tail_seq(log))
		judge_fail(process->judge, "a frame is durable that was not written");
	if (durable > process->durable) {
		process->end[1] = process->end[0];
		process->end[0] = log_durable_lsn(log);
	}
	process->durable = durable;
	if (log_failed(log, &fault)) {
		if (!process_excused(process, fault.code))
			judge_fail(process->judge, "the log has failed for no reason: %s",
			    fault.text);
		judge_mark(process->judge, KIND_LOG_FAILED);
		process->failed = true;
	} else if (log_write_age_ns(log, io_mono_ns(process->env)) > STUCK_NS) {
		judge_mark(process->judge, KIND_STUCK_EXIT);
		process->failed = true;
	}
}

/* Engine time follows the machine's within 5 %, whatever happens to the wall clock. */
static void
clock_check(struct process *process)
{
	uint64_t mono_ns = io_mono_ns(process->env), now_ns = process->shard.clock.now_ns;
	uint64_t passed_ns = mono_ns - process->clock_mono_ns;
	if (now_ns < process->clock_now_ns)
		judge_fail(process->judge, "engine time went back");
	uint64_t moved_ns = now_ns - process->clock_now_ns;
	if (moved_ns > passed_ns + passed_ns / 20 + 1 || moved_ns + passed_ns / 20 + 1 < passed_ns)
		judge_fail(process->judge, "engine time moved %" PRIu64 " ns in %" PRIu64 " ns",
		    moved_ns, passed_ns);
	process->clock_mono_ns = mono_ns;
	process->clock_now_ns = now_ns;
}

static void
timers_turn(struct process *process)
{
	static const struct eng_command timer = {.type = ENG_CMD_TIMER};
	static const struct eng_command schedule = {.type = ENG_CMD_SCHEDULE};
	bool hold = process_holds(process);
	if (hold)
		judge_mark(process->judge, KIND_SPACE_HARD);
	if (process->plan->plant == PLANT_EARLY_TIMER && dice_hits(&process->dice, 10))
		process->shard.clock.now_ns += NS_PER_S;
	process->model->now_ns = process->shard.clock.now_ns;
	model_before(process->model, &timer);
	bool busy = shard_turn(&process->shard, io_mono_ns(process->env));
	model_after(process->model, hold);
	clock_check(process);
	if (busy && process->model->step.events == 0 &&
	    shard_has_room(&process->shard, &timer) && shard_has_room(&process->shard, &schedule))
		judge_fail(process->judge, "the engine is busy and does nothing");
	if (busy)
		return;
	model_settled(process->model, process->shard.clock.now_ns, hold);
	uint64_t due_ns = model_due_ns(process->model);
	uint64_t next_ns = eng_next_deadline_ns(process->shard.eng);
	if (next_ns > due_ns)
		judge_fail(process->judge, "the engine would sleep %" PRIu64 " ns past a deadline",
		    next_ns - due_ns);
	if (next_ns <= process->shard.clock.now_ns)
		judge_fail(process->judge, "the engine has nothing to do and does not sleep");
}

static void
housekeeping_turn(struct process *process)
{
	if (plan_does(process->plan, KIND_LAZY) && !dice_hits(&process->dice, 10)) {
		judge_mark(process->judge, KIND_LAZY);
		return;
	}
	if (log_space(process->shard.log) != LOG_SPACE_OK)
		process->housekeeping = true; /* the keeper looks again every second */
	for (unsigned i = 0; i < 4 && process->housekeeping; i++)
		process->housekeeping = log_spares_step(process->shard.log);
}

void
process_turn_begin(struct process *process, uint64_t deadline_mono_ns)
{
	struct log *log = process->shard.log;
	io_step(process->io, deadline_mono_ns);
	process_watch_log(process);
	if (process->failed)
		return;
	uint64_t mono_ns = io_mono_ns(process->env);
	clock_read(&process->shard.clock, mono_ns);
	log_tick(log, mono_ns);
	outbox_release(process);
	outbox_provide(process);
	timers_turn(process);
}

void
process_turn_end(struct process *process)
{
	while (worker_turn(process))
		;
	process_jobs_turn(process);
	housekeeping_turn(process);
	process_snapshots_turn(process);
	process_note_manifest(process);
	process_retention_turn(process);
	log_flush(process->shard.log);
	process_watch_log(process);
	if (!process->failed)
		outbox_release(process);
}

static uint64_t
earlier(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

uint64_t
process_deadline_ns(const struct process *process)
{
	uint64_t due_ns = shard_deadline_ns(&process->shard);
	due_ns = earlier(due_ns, log_deadline_ns(process->shard.log));
	for (unsigned i = 0; i < process->worker_count; i++) {
		const struct process_worker *worker = &process->workers[i];
		due_ns = earlier(due_ns, worker->detach ? 0 : worker_due_ns(worker));
	}
	return earlier(due_ns, process_jobs_due_ns(process));
}
