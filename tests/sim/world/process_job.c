/*
 * Jobs, as the hub sees to them: run by run with the server's own walk (server/walk.h), whose pages
 * come from the model's runs, or in some worlds from an index (process_index.c), late, in part or
 * not at all. What is here is lost with the process, and made again from the jobs' cursors.
 */
#include "sim/world/process_int.h"

#include "api/request.h"
#include "base/duration.h"
#include "base/mem.h"

#include <stdio.h>

#define PAGE_RUNS_MAX 6u
#define STEPS_MAX 6u
#define RETRY_NS (100 * NS_PER_MS)
#define REST_NS NS_PER_MS

struct process_job {
	struct list link;
	uint64_t number;
	struct walk walk;
	bool ended;
	uint64_t position; /* frame that must be durable before runs are listed */
	uint64_t due_ns;
};

/* ---------------------------------------------------------------------------- coming and going */

static void
job_open(struct process *process, const struct eng_job_view *view, uint64_t position)
{
	struct process_job *job = mem_zalloc(sizeof(*job));
	job->number = view->number;
	job->position = position;
	walk_begin(&job->walk, view->cursor);
	list_push(&process->jobs, &job->link);
}

static void
job_recovered(void *context, const struct eng_job_view *view)
{
	job_open(context, view, 0);
}

void
process_jobs_start(struct process *process)
{
	eng_jobs(process->shard.eng, job_recovered, process);
}

static void
job_free(struct process_job *job)
{
	walk_release(&job->walk);
	list_remove(&job->link);
	mem_free(job);
}

void
process_jobs_end(struct process *process)
{
	while (!list_empty(&process->jobs))
		job_free(container_of(process->jobs.next, struct process_job, link));
}

void
process_jobs_event(struct process *process, const struct eng_event *event, uint64_t frame)
{
	struct eng_job_view view;
	struct list *at;
	if (event->type == ENG_EV_JOB_STARTED && eng_job(process->shard.eng, event->job, &view))
		job_open(process, &view, frame);
	if (event->type != ENG_EV_JOB_ENDED)
		return;
	list_for_each(at, &process->jobs) {
		struct process_job *job = container_of(at, struct process_job, link);
		job->ended = job->ended || job->number == event->job;
	}
}

static struct eng_job_view
job_view(const struct process *process, const struct process_job *job)
{
	struct eng_job_view view;
	froe_assert(eng_job(process->shard.eng, job->number, &view));
	return view;
}

/* The others come first now. */
static void
job_later(struct process *process, struct process_job *job, uint64_t wait_ns)
{
	job->due_ns = io_mono_ns(process->env) + wait_ns;
	list_remove(&job->link);
	list_push(&process->jobs, &job->link);
}

static void
job_again(struct process *process, struct process_job *job)
{
	judge_mark(process->judge, KIND_JOB_AGAIN);
	walk_again(&job->walk);
	job_later(process, job, RETRY_NS);
}

/* --------------------------------------------------------------------------------------- pages */

static bool
metadata_fits(const struct api_command *list, const struct model_run *run)
{
	bool fits = true;
	for (uint32_t i = 0; i + 1 < list->list.metadata_count; i += 2) {
		unsigned key = list->list.metadata[i].data[0] - (unsigned)'a';
		fits = fits && key < MODEL_METADATA &&
		    run->metadata[key] == list->list.metadata[i + 1].data[0];
	}
	return fits;
}

/* What an open run is at, the engine knows. */
static bool
run_fits(const struct process *process, const struct api_command *list,
    const struct model_run *run)
{
	char workflow[RECIPE_NAME_BYTES];
	enum eng_status status = run->status;
	recipe_workflow_name(run->workflow, workflow);
	if (!run->closed && !eng_run_status(process->shard.eng, run->key, &status))
		judge_fail(process->judge, "an open run has no status");
	return (list->list.statuses & 1u << status) != 0 &&
	    (!list->list.scheduled || run->unbound) &&
	    (list->list.workflow.size == 0 ||
	        bytes_equal(list->list.workflow, bytes_text(workflow))) &&
	    run->created_ns >= list->list.since_ns &&
	    (list->list.until_ns == 0 || run->created_ns < list->list.until_ns) &&
	    metadata_fits(list, run);
}

/* A page may end early, even before its first run. */
static void
page_fill(struct process *process, struct process_job *job, const struct api_command *list,
    uint32_t tenant, uint32_t rows)
{
	const struct model *model = process->model;
	uint64_t next = 0;
	walk_page(&job->walk);
	for (uint64_t key = job->walk.before - 1; key >= 1 && next == 0; key--) {
		const struct model_run *run = model_run(model, key);
		if (process->tenants[run->tenant] != tenant || !run_fits(process, list, run))
			continue;
		if (job->walk.count == rows && key + 1 < job->walk.before)
			next = key + 1;
		else
			walk_row(&job->walk, run->key, run->id);
	}
	walk_page_end(&job->walk, next);
}

/* The filter as the hub reads it. */
static void
job_page(struct process *process, struct process_job *job)
{
	struct eng_job_view view = job_view(process, job);
	struct api_command list;
	struct froe_fault fault;
	struct arena arena;
	if (dice_hits(&process->job_dice, 15)) {
		job_again(process, job); /* as if the index were behind */
		return;
	}
	arena_init(&arena, 0);
	if (request_filter(view.filter, view.kind, &arena, &list, &fault) != FROE_OK)
		judge_fail(process->judge, "a job's filter cannot be read: %s", fault.text);
	list.list.before = job->walk.before;
	uint32_t rows = (uint32_t)dice_below(&process->job_dice, PAGE_RUNS_MAX);
	if (!process_index_may(process))
		page_fill(process, job, &list, view.tenant, rows);
	else if (process_index_page(process, view.tenant, &list, rows + 1, &job->walk) != FROE_OK)
		job_again(process, job);
	arena_release(&arena);
}

static void
job_ask(struct process *process, struct process_job *job)
{
	walk_asked(&job->walk);
	job->due_ns = io_mono_ns(process->env) + dice_span_ns(&process->job_dice, NS_PER_S);
}

/* ---------------------------------------------------------------------------------- run by run */

/* False: there is no room now. */
static bool
job_step(struct process *process, struct process_job *job, const struct eng_command *command)
{
	bool taken = process_submit(process, command);
	if (!taken)
		job_later(process, job, REST_NS);
	return taken;
}

static void
job_cancels(struct process *process, struct process_job *job, const struct walk_row *row)
{
	struct eng_job_view view = job_view(process, job);
	struct eng_command command = walk_cancel(&view, row);
	if (log_space(process->shard.log) >= LOG_SPACE_HARD)
		job_again(process, job);
	else if (job_step(process, job, &command))
		walk_met(&job->walk);
}

static void
job_skips(struct process *process, struct process_job *job, const struct walk_row *row,
    enum froe_err err)
{
	struct eng_job_view view = job_view(process, job);
	struct eng_command command = walk_skip(&view, row, err);
	if (job_step(process, job, &command))
		walk_met(&job->walk);
}

/* Why the run's history is of no use. Runs go on so often and no more: the world has to end. */
static enum froe_err
replay_refused(const struct process *process, const struct eng_job_view *view,
    const struct model_run *run, uint32_t *ret_from)
{
	uint64_t age_ns = process->shard.clock.now_ns - run->closed_ns;
	bool retired = plan_does(process->plan, KIND_RETENTION) &&
	    age_ns >= process->plan->keep_ns;
	uint32_t from = 0;
	char name[RECIPE_NAME_BYTES];
	for (uint32_t i = 0; i < run->recipe->task_count && !run->unbound; i++) {
		snprintf(name, sizeof(name), "t%u", i);
		if (bytes_equal(view->task, bytes_text(name)))
			from = i + 1;
	}
	*ret_from = from;
	if (!run->closed || run->unbound)
		return FROE_FAILED_PRECONDITION;
	if (run->replays >= PROCESS_REPLAYS_MAX)
		return FROE_RESOURCE_EXHAUSTED;
	if (retired || age_ns > MODEL_CLOSED_TTL_NS / 2)
		return FROE_NOT_FOUND;
	return view->task.size != 0 && from == 0 ? FROE_INVALID_ARGUMENT : FROE_OK;
}

/* As hub_replay() tells the engine. */
static void
replay_step(struct process *process, struct process_job *job, const struct walk_row *row,
    uint32_t from)
{
	const struct model_run *run = model_run(process->model, row->number);
	struct eng_job_view view = job_view(process, job);
	const struct shard *shard = &process->shard;
	struct eng_command command = {
	    .type = ENG_CMD_RUN_REPLAY,
	    .actor = view.actor,
	    .tenant.v = view.tenant,
	    .job = {.number = view.number, .cursor = row->number},
	};
	struct arena arena;
	arena_init(&arena, 0);
	if (!process_replay(process, run, from, /* node= */ 0, &arena, &command))
		judge_fail(process->judge, "a run that has ended has not");
	command.run_replay.reason = view.reason;
	size_t size = eng_step_bytes_max(shard->eng, &command);
	if (size <= log_step_bytes_max(shard->log)) {
		if (job_step(process, job, &command))
			walk_met(&job->walk);
	} else if (eng_pending(shard->eng)) {
		job_later(process, job, REST_NS);
	} else {
		job_skips(process, job, row, FROE_TOO_LARGE);
	}
	process_replay_over(process, run);
	arena_release(&arena);
}

static void
job_replays(struct process *process, struct process_job *job, const struct walk_row *row)
{
	const struct model_run *run = model_run(process->model, row->number);
	struct eng_job_view view = job_view(process, job);
	uint32_t from;
	if (log_space(process->shard.log) != LOG_SPACE_OK) {
		job_again(process, job);
		return;
	}
	enum froe_err err = replay_refused(process, &view, run, &from);
	if (err != FROE_OK)
		job_skips(process, job, row, err);
	else
		replay_step(process, job, row, from);
}

static void
job_over(struct process *process, struct process_job *job)
{
	struct eng_job_view view = job_view(process, job);
	struct eng_command command = walk_end(&view, FROE_OK, "");
	FROE_DROP(job_step(process, job, &command), "it tries again");
}

static void
job_go(struct process *process, struct process_job *job)
{
	const struct walk_row *row = walk_next(&job->walk);
	if (job->walk.state == WALK_ASK)
		job_ask(process, job);
	else if (job->walk.state == WALK_ASKED)
		job_page(process, job);
	else if (row == NULL && walk_on(&job->walk))
		job_later(process, job, 0);
	else if (row == NULL)
		job_over(process, job);
	else if (dice_hits(&process->job_dice, 5))
		job_again(process, job); /* as if its history could not be had now */
	else if (job_view(process, job).kind == ENG_JOB_REPLAY)
		job_replays(process, job, row);
	else
		job_cancels(process, job, row);
}

/* --------------------------------------------------------------------------------------- turns */

static uint64_t
job_due_ns(const struct process *process, const struct process_job *job)
{
	bool early = job->walk.state == WALK_ASK && job->position > process->durable;
	return early ? UINT64_MAX : job->due_ns;
}

uint64_t
process_jobs_due_ns(const struct process *process)
{
	struct list *at;
	uint64_t due_ns = UINT64_MAX;
	list_for_each(at, &process->jobs) {
		uint64_t at_ns = job_due_ns(process, container_of(at, struct process_job, link));
		due_ns = at_ns < due_ns ? at_ns : due_ns;
	}
	return due_ns;
}

static struct process_job *
jobs_next(const struct process *process)
{
	struct list *at;
	list_for_each(at, &process->jobs) {
		struct process_job *job = container_of(at, struct process_job, link);
		if (job_due_ns(process, job) <= io_mono_ns(process->env))
			return job;
	}
	return NULL;
}

static void
jobs_sweep(struct process *process)
{
	struct list *at, *next;
	for (at = process->jobs.next; at != &process->jobs; at = next) {
		struct process_job *job = container_of(at, struct process_job, link);
		next = at->next;
		if (job->ended)
			job_free(job);
	}
}

void
process_jobs_turn(struct process *process)
{
	struct process_job *job;
	jobs_sweep(process);
	if (list_empty(&process->jobs))
		return;
	for (uint64_t steps = dice_range(&process->job_dice, 1, STEPS_MAX); steps > 0; steps--) {
		if ((job = jobs_next(process)) == NULL)
			return;
		job_go(process, job);
		jobs_sweep(process);
	}
}
