/*
 * Jobs (see model_event.c): which runs a job may change, in which order, once each; and that it
 * leaves none out. What it does to a run and its own advance are one: neither is ever seen without
 * the other.
 */
#include "engine/job.h"
#include "sim/world/model_int.h"

#include "base/mem.h"

#include <inttypes.h>

/* NULL: there is none, or it is not known any more. */
static struct model_job *
job_find(const struct model *model, uint64_t number)
{
	struct model_job *job =
	    number >= 1 && number <= model->job_count ? &model->jobs[number - 1] : NULL;
	bool forgotten = job != NULL && job->end_no != 0 &&
	    job->end_no + FROE_JOBS_ENDED_MAX <= model->jobs_ended[job->tenant];
	return forgotten ? NULL : job;
}

void
model_jobs_release(struct model *model)
{
	for (size_t i = 0; i < model->job_count; i++)
		mem_free(model->jobs[i].met);
	mem_free(model->jobs);
}

bool
model_job_over(const struct model *model, uint64_t number)
{
	const struct model_job *job = job_find(model, number);
	return job == NULL ? number >= 1 && number <= model->job_count
	                   : job->status != ENG_RUNNING;
}

unsigned
model_jobs_running(const struct model *model, unsigned tenant)
{
	unsigned count = 0;
	for (size_t i = 0; i < model->job_count; i++)
		count += model->jobs[i].status == ENG_RUNNING && model->jobs[i].tenant == tenant;
	return count;
}

/* ------------------------------------------------------------------------------------- answers */

void
answer_job_start(struct model *model, unsigned tenant)
{
	if (model_jobs_running(model, tenant) < FROE_JOBS_MAX)
		return;
	model->answer.err = FROE_RESOURCE_EXHAUSTED;
	judge_mark(model->judge, KIND_JOBS_FULL);
}

void
answer_job(struct model *model, unsigned tenant)
{
	const struct eng_command *command = model->cause;
	const struct model_job *job = job_find(model, command->job.number);
	if (job == NULL || job->tenant != tenant)
		model->answer.err = FROE_NOT_FOUND;
	else if (job->status != ENG_RUNNING)
		model->answer.err = FROE_FAILED_PRECONDITION;
	model->answer.refusal = command->job_over.err;
}

/* What a caller would be told of the run is the job's to count. */
void
answer_job_step(struct model *model)
{
	const struct model_job *job = job_find(model, model->cause->job.number);
	froe_assert(job != NULL && job->status == ENG_RUNNING);
	model->answer.refusal = model->answer.err;
	model->answer.err = FROE_OK;
}

/* -------------------------------------------------------------------------------------- events */

/* As far as it cannot change. */
static bool
filter_fits(const struct filter *filter, const struct model_run *run)
{
	return (filter->workflow < 0 || (unsigned)filter->workflow == run->workflow) &&
	    (filter->key == 0 || run->metadata[filter->key - 'a'] == filter->value) &&
	    run->created_ns >= filter->since_ns &&
	    (filter->until_ns == 0 || run->created_ns < filter->until_ns);
}

void
on_job_started(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = model->cause;
	struct model_job job = {
	    .number = event->job,
	    .tenant = event_tenant(witness),
	    .kind = (enum eng_job_kind)event->kind,
	    .status = ENG_RUNNING,
	    .children = event->descend != 0,
	    .filter_hash = bytes_hash(event->payload),
	    .reason = bytes_hash(event->text),
	    .task = bytes_hash(event->name),
	    .actor = bytes_hash(event->actor),
	    .ended_by = bytes_hash(bytes_of(NULL, 0)),
	    .error = bytes_hash(bytes_of(NULL, 0)),
	    .created_ns = event->time_ns,
	    .began = model->event_count,
	    .first = event->cursor,
	    .cursor = event->cursor,
	};
	require(witness, caused_by(witness, ENG_CMD_JOB_START), "nobody started a job");
	require(witness, event->job == model->job_count + 1, "not the next job");
	require(witness, event->cursor == model->run_count + 1, "not of all runs that there are");
	require(witness, event->kind == ENG_JOB_CANCEL || event->kind == ENG_JOB_REPLAY,
	    "it does what no job does");
	require(witness, filter_read(event->payload, &job.filter), "a filter nobody wrote");
	require(witness, model_jobs_running(model, job.tenant) < FROE_JOBS_MAX,
	    "more go on than may");
	require(witness, cause == NULL || (cause->job_start.kind == event->kind &&
	    cause->job_start.children == job.children &&
	    bytes_equal(cause->job_start.filter, event->payload) &&
	    bytes_equal(cause->job_start.reason, event->text) &&
	    bytes_equal(cause->job_start.task, event->name)), "another job");
	model->jobs = model_grow(model->jobs, model->job_count, sizeof(*model->jobs));
	model->jobs[model->job_count++] = job;
}

/* A run is cancelled, or goes on: if a job wants it, the job's advance has to follow. */
void
model_job_change(struct witness *witness, enum eng_job_kind kind)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = model->cause;
	require(witness, cause == NULL || cause->job.number == event->job,
	    "it does not say which job's it is");
	if (event->job == 0)
		return;
	const struct model_job *job = job_find(model, event->job);
	require(witness, job != NULL && job->status == ENG_RUNNING, "of no job that goes on");
	require(witness, job->kind == kind, "the job does other things");
	require(witness, job->tenant == witness->run->tenant, "the job is another tenant's");
	require(witness, bytes_hash(event->text) == job->reason, "for another reason");
	require(witness, bytes_hash(event->actor) == job->actor, "the job is somebody else's");
	require(witness, model->job_change == 0, "two changes of a job in a step");
	model->job_change = event->job;
	model->job_run = witness->run->key;
}

static void
job_meets(struct witness *witness, struct model_job *job)
{
	const struct model_run *run = model_run(witness->model, witness->event->cursor);
	require(witness, run != NULL && run->tenant == job->tenant, "a run that it does not find");
	require(witness, filter_fits(&job->filter, run), "a run that its filter leaves out");
	job->met = model_grow(job->met, job->met_count, sizeof(*job->met));
	job->met[job->met_count++] = run->key;
	job->cursor = run->key;
}

static void
job_counts(struct witness *witness, struct model_job *job)
{
	struct model *model = witness->model;
	if (witness->event->refusal == FROE_OK) {
		require(witness, model->job_change == job->number && model->job_run == job->cursor,
		    "it counts what it has not done");
		job->done++;
		judge_mark(model->judge,
		    job->kind == ENG_JOB_CANCEL ? KIND_JOB_CANCELLED : KIND_JOB_REPLAYED);
	} else {
		require(
		    witness, model->job_change == 0, "it has done it and says that it could not");
		job->refused++;
		job->refusal = (enum froe_err)witness->event->refusal;
		judge_mark(model->judge, KIND_JOB_REFUSED);
	}
	model->job_change = 0;
}

static bool
refusal_caused(const struct model *model, const struct eng_event *event)
{
	const struct eng_command *cause = model->cause;
	if (cause == NULL)
		return true;
	bool right = event->refusal == (uint32_t)model->answer.refusal ||
	    (model->answer.any && event->refusal != FROE_OK);
	return right && cause->job.number == event->job && cause->job.cursor == event->cursor;
}

void
on_job_advanced(struct witness *witness)
{
	const struct eng_event *event = witness->event;
	struct model_job *job = job_find(witness->model, event->job);
	require(witness, job != NULL && job->status == ENG_RUNNING, "of no job that goes on");
	require(witness, caused_by(witness, ENG_CMD_RUN_CANCEL) ||
	    caused_by(witness, ENG_CMD_RUN_REPLAY) || caused_by(witness, ENG_CMD_JOB_SKIP),
	    "nobody moved it");
	require(witness, event->cursor < job->cursor, "it meets a run again");
	require(witness, refusal_caused(witness->model, event), "it did not come to that");
	job_meets(witness, job);
	job_counts(witness, job);
	if (job->began < witness->model->epoch_began)
		judge_mark(witness->model->judge, KIND_JOB_WENT_ON);
}

/* Open since before it began, or closed since then, and the job could not but find it. */
static bool
run_findable(const struct model_job *job, const struct model_run *run)
{
	uint32_t statuses = job->filter.statuses;
	if (run->key >= job->first || run->tenant != job->tenant ||
	    !filter_fits(&job->filter, run))
		return false;
	if (job->kind == ENG_JOB_CANCEL)
		return !run->closed && run->opened < job->began && statuses == 0 &&
		    !job->filter.scheduled;
	return run->closed && run->ended < job->began &&
	    (statuses == 0 || (statuses & 1u << run->status) != 0);
}

static void
nothing_left_out(struct witness *witness, const struct model_job *job)
{
	uint32_t at = 0;
	for (uint64_t key = witness->model->run_count; key >= 1; key--) {
		bool met = at < job->met_count && job->met[at] == key;
		at += met ? 1 : 0;
		if (!met && run_findable(job, model_run(witness->model, key)))
			judge_fail(witness->model->judge, "job %" PRIu64 " has ended and left out "
			    "run %" PRIu64, job->number, key);
	}
}

void
on_job_ended(struct witness *witness)
{
	struct model *model = witness->model;
	const struct eng_event *event = witness->event;
	const struct eng_command *cause = model->cause;
	struct model_job *job = job_find(model, event->job);
	bool cancelled = event->status == ENG_CANCELLED;
	require(witness, job != NULL && job->status == ENG_RUNNING, "of no job that goes on");
	require(witness, cause == NULL || cause->job.number == event->job, "another job");
	require(witness, caused_by(witness, cancelled ? ENG_CMD_JOB_CANCEL : ENG_CMD_JOB_END),
	    "nobody ended it");
	require(witness, cancelled || event->status == ENG_COMPLETED, "for no reason");
	if (!cancelled)
		nothing_left_out(witness, job);
	job->status = (enum eng_status)event->status;
	job->ended_ns = event->time_ns;
	job->ended_by = bytes_hash(event->actor);
	job->error = bytes_hash(event->text);
	job->end_no = ++model->jobs_ended[job->tenant];
	if (job->end_no > FROE_JOBS_ENDED_MAX)
		judge_mark(model->judge, KIND_JOB_FORGOTTEN);
	judge_mark(model->judge, cancelled ? KIND_JOB_STOPPED : KIND_JOB_ENDED);
}

/* --------------------------------------------------------------------------------- comparisons */

/* A step, or a frame, is over. */
void
model_job_settled(struct model *model)
{
	if (model->job_change != 0)
		judge_fail(model->judge, "job %" PRIu64 " has changed run %" PRIu64 " and has not "
		    "advanced", model->job_change, model->job_run);
}

static bool
view_same(const struct model_job *job, const struct eng_job_view *view, uint32_t tenant)
{
	return view->number == job->number && view->tenant == tenant && view->kind == job->kind &&
	    view->status == job->status && view->children == job->children &&
	    bytes_hash(view->filter) == job->filter_hash &&
	    bytes_hash(view->reason) == job->reason && bytes_hash(view->task) == job->task &&
	    bytes_hash(view->actor) == job->actor &&
	    bytes_hash(view->ended_by) == job->ended_by &&
	    bytes_hash(view->error) == job->error && view->created_ns == job->created_ns &&
	    view->ended_ns == job->ended_ns && view->first == job->first &&
	    view->cursor == job->cursor && view->done == job->done &&
	    view->refused == job->refused && view->refusal == job->refusal;
}

/* Newest first, as they are listed. */
void
model_jobs_check(struct model *model, const struct eng *eng)
{
	uint64_t before[PLAN_TENANTS_MAX] = {0};
	struct eng_job_view view;
	for (uint64_t number = model->job_count; number >= 1; number--) {
		const struct model_job *job = job_find(model, number);
		if (eng_job(eng, number, &view) != (job != NULL))
			judge_fail(model->judge, "job %" PRIu64 " is %s", number,
			    job != NULL ? "gone" : "still there");
		if (job == NULL)
			continue;
		uint32_t tenant = model->tenant_numbers[job->tenant];
		if (!view_same(job, &view, tenant))
			judge_fail(model->judge, "job %" PRIu64 " has done %" PRIu64 ", %" PRIu64
			    " were refused, expected %" PRIu64 " and %" PRIu64 "; or another such "
			    "thing", number, view.done, view.refused, job->done, job->refused);
		if (!eng_job_next(
			eng, (struct eng_tenant_id){tenant}, before[job->tenant], &view) ||
		    view.number != number)
			judge_fail(model->judge, "job %" PRIu64 " is not listed", number);
		before[job->tenant] = number;
	}
}
