#include "sim/world/jobber.h"

#include "api/request.h"
#include "base/duration.h"
#include "sim/world/world.h"

#include <stdio.h>

#define JOBS_MAX 8u
#define FLOODS_MAX 14u
#define FLOOD_JOBS (FROE_JOBS_MAX + 4)
#define STATUSES_OPEN (1u << ENG_QUEUED | 1u << ENG_RUNNING | 1u << ENG_EVICTED)
#define STATUSES_CLOSED (1u << ENG_COMPLETED | 1u << ENG_FAILED | 1u << ENG_CANCELLED)

/* Dice of its own: worlds without jobs are what they were. */
void
jobber_init(struct world *world, struct jobber *jobber)
{
	*jobber = (struct jobber){
	    .dice.state = world->plan.seed ^ UINT64_C(0x6a6f62626572),
	    .due_ns = UINT64_MAX,
	};
	if (!plan_does(&world->plan, KIND_JOBS))
		return;
	jobber->conn = world_number(world);
	jobber->runs = (unsigned)dice_range(&jobber->dice, 1, 1 + world->plan.runs / 4);
	jobber->floods = dice_hits(&jobber->dice, 8);
	jobber->left = (unsigned)dice_range(&jobber->dice, 2, JOBS_MAX);
	if (jobber->floods)
		jobber->left = FLOODS_MAX;
	jobber->due_ns = world_mono_ns(world);
}

uint64_t
jobber_due_ns(const struct jobber *jobber)
{
	return jobber->request == 0 ? jobber->due_ns : UINT64_MAX;
}

/* --------------------------------------------------------------------------------------- asking */

/* Of things that there are. */
static void
draw_run_of(struct world *world, struct jobber *jobber, struct filter *filter)
{
	struct dice *dice = &jobber->dice;
	if (world->model.run_count == 0)
		return;
	uint64_t key = dice_range(dice, 1, world->model.run_count);
	const struct model_run *run = model_run(&world->model, key);
	if (dice_hits(dice, 30))
		filter->workflow = (int)run->workflow;
	unsigned at = (unsigned)dice_below(dice, MODEL_METADATA);
	if (dice_hits(dice, 40) && run->metadata[at] != 0) {
		filter->key = (uint8_t)('a' + at);
		filter->value = run->metadata[at];
	}
	if (dice_hits(dice, 10))
		filter->since_ns = run->created_ns;
	else if (dice_hits(dice, 10))
		filter->until_ns = run->created_ns;
}

static struct filter
draw_filter(struct world *world, struct jobber *jobber, bool replays)
{
	struct dice *dice = &jobber->dice;
	struct filter filter = {.workflow = -1};
	uint32_t met = replays ? STATUSES_CLOSED : STATUSES_OPEN;
	if (dice_hits(dice, 40))
		filter.statuses = (uint32_t)dice_next(dice) & met;
	draw_run_of(world, jobber, &filter);
	filter.scheduled = !replays && dice_hits(dice, 10);
	return filter;
}

static void
filter_check(struct world *world, const struct filter *filter, struct bytes packed)
{
	struct filter read;
	if (!filter_read(packed, &read) || read.statuses != filter->statuses ||
	    read.workflow != filter->workflow || read.key != filter->key ||
	    read.value != filter->value || read.since_ns != filter->since_ns ||
	    read.until_ns != filter->until_ns || read.scheduled != filter->scheduled)
		judge_fail(&world->judge, "a filter is not taken as it was said");
}

/* The message that a client sends, as the server reads it. */
static struct eng_command
command_start(struct world *world, struct jobber *jobber, struct arena *arena)
{
	struct dice *dice = &jobber->dice;
	bool replays = dice_hits(dice, 50);
	struct filter filter = draw_filter(world, jobber, replays);
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunCancelMany cancel = FROE__RUN_CANCEL_MANY__INIT;
	Froe__RunReplayMany replay = FROE__RUN_REPLAY_MANY__INIT;
	struct api_command command;
	struct froe_fault fault;
	char *reason = arena_alloc(arena, 16), *task = arena_alloc(arena, 16);
	snprintf(reason, 16, "reason %u", (unsigned)dice_below(dice, 100));
	snprintf(task, 16, "t%u", (unsigned)dice_below(dice, RECIPE_TASKS_MAX));
	cancel.filter = replay.filter = filter_say(&filter, arena);
	cancel.reason = replay.reason = reason;
	cancel.has_all = replay.has_all = cancel.all = replay.all = true;
	cancel.has_children = cancel.children = dice_hits(dice, 30);
	replay.task = dice_hits(dice, 40) ? task : replay.task;
	envelope.body_case = replays ? FROE__ENVELOPE__BODY_RUN_REPLAY_MANY
	                             : FROE__ENVELOPE__BODY_RUN_CANCEL_MANY;
	if (replays)
		envelope.run_replay_many = &replay;
	else
		envelope.run_cancel_many = &cancel;
	if (request_decode(&envelope, arena, &command, &fault) != FROE_OK)
		judge_fail(&world->judge, "a job is refused: %s: %s", fault.field, fault.text);
	filter_check(world, &filter, command.engine.job_start.filter);
	return command.engine;
}

/* One that goes on rather than one that has ended, or that there is not. */
static struct eng_command
command_cancel(struct world *world, struct jobber *jobber)
{
	uint64_t job = dice_range(&jobber->dice, 1, world->model.job_count + 1);
	for (uint64_t tries = world->model.job_count; tries > 0; tries--) {
		if (!model_job_over(&world->model, job) || dice_hits(&jobber->dice, 20))
			break;
		job = job % world->model.job_count + 1;
	}
	return (struct eng_command){.type = ENG_CMD_JOB_CANCEL, .job.number = job};
}

/* False: there is no room now. */
static bool
jobber_send(struct world *world, struct jobber *jobber, struct eng_command *command)
{
	unsigned tenant = 0;
	if (!jobber->floods || dice_hits(&jobber->dice, 5))
		tenant = (unsigned)dice_below(&jobber->dice, world->plan.tenants);
	command->tenant.v = world->process.tenants[tenant];
	command->origin.conn = jobber->conn;
	command->origin.request = world_number(world);
	bool taken = process_submit(&world->process, command);
	if (taken)
		jobber->request = command->origin.request;
	return taken;
}

static bool
jobber_ask(struct world *world, struct jobber *jobber)
{
	struct arena arena;
	arena_init(&arena, 0);
	unsigned share = jobber->floods ? 2 : 25;
	bool ends = world->model.job_count > 0 && dice_hits(&jobber->dice, share);
	struct eng_command command = ends ? command_cancel(world, jobber)
	                                  : command_start(world, jobber, &arena);
	bool taken = jobber_send(world, jobber, &command);
	arena_release(&arena);
	return taken;
}

/* More than may go on; the next time most of those that do are ended. */
static void
jobber_flood(struct world *world, struct jobber *jobber)
{
	bool starts = model_jobs_running(&world->model, 0) < FROE_JOBS_MAX / 2, taken = true;
	for (unsigned asks = FLOOD_JOBS; starts && taken && asks > 0; asks--)
		taken = jobber_ask(world, jobber);
	for (uint64_t job = 1; !starts && taken && job <= world->model.job_count; job++) {
		struct eng_command command = {.type = ENG_CMD_JOB_CANCEL, .job.number = job};
		if (!model_job_over(&world->model, job) && dice_hits(&jobber->dice, 90))
			taken = jobber_send(world, jobber, &command);
	}
}

void
jobber_turn(struct world *world, struct jobber *jobber)
{
	struct dice *dice = &jobber->dice;
	uint64_t mono_ns = world_mono_ns(world);
	if (jobber->request != 0 || jobber->due_ns > mono_ns)
		return;
	jobber->due_ns = mono_ns + world->plan.pace_ns / 16;
	if (world->ending || jobber->left == 0)
		jobber->due_ns = UINT64_MAX;
	if (world->ending || jobber->left == 0 || world->model.run_count < jobber->runs ||
	    log_space(world->process.shard.log) != LOG_SPACE_OK)
		return;
	if (jobber->floods)
		jobber_flood(world, jobber);
	else
		FROE_DROP(jobber_ask(world, jobber), "it tries again");
	jobber->due_ns = mono_ns +
	    dice_span_ns(dice, jobber->floods ? NS_PER_S : world->plan.pace_ns);
	if (jobber->request == 0)
		return;
	jobber->left--;
	judge_mark(&world->judge, KIND_JOBS);
}

void
jobber_reply(struct jobber *jobber, const struct letter *letter)
{
	if (letter->origin.request == jobber->request)
		jobber->request = 0;
}

void
jobber_cut(struct world *world, struct jobber *jobber)
{
	jobber->request = 0;
	if (plan_does(&world->plan, KIND_JOBS))
		jobber->conn = world_number(world);
}
