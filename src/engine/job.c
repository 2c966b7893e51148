/*
 * engine/job: what is done with all runs that a filter finds, run by run.
 *
 * The engine does not know which runs a filter finds: the shell asks the index, newest run first,
 * and says for each what is to be done. A job is a cursor that goes down: it has done with all runs
 * from that number on. The change of a run and the job's advance are decided in one step, so they
 * are durable together: after a crash the job goes on with the next run. A run that cannot be
 * changed is counted as refused, and passed all the same.
 */
#include "engine/apply_int.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/plant.h"

#include <inttypes.h>

/* -------------------------------------------------------------------------------------- state */

static struct bytes
bytes_keep(struct bytes from)
{
	return bytes_of(mem_copy(from.data, from.size), from.size);
}

static void
bytes_give(struct bytes bytes)
{
	mem_free((void *)(uintptr_t)bytes.data);
}

struct eng_job *
job_running(const struct eng *eng, uint32_t tenant, uint64_t number)
{
	struct eng_job *job = map_get_u64(&eng->jobs, number);
	return job != NULL && job->view.tenant == tenant && job->view.status == ENG_RUNNING ? job
	                                                                                    : NULL;
}

static struct eng_tenant *
job_tenant(const struct eng *eng, const struct eng_job *job)
{
	return eng_tenant_get(eng, job->view.tenant);
}

struct eng_job *
job_add(struct eng *eng, const struct eng_job_view *view)
{
	struct eng_tenant *tenant = eng_tenant_get(eng, view->tenant);
	struct eng_job *job = mem_zalloc(sizeof(*job));
	struct list *at = &tenant->jobs;
	job->view = *view;
	job->view.filter = bytes_keep(view->filter);
	job->view.reason = bytes_keep(view->reason);
	job->view.task = bytes_keep(view->task);
	job->view.actor = bytes_keep(view->actor);
	job->view.ended_by = bytes_keep(view->ended_by);
	job->view.error = bytes_keep(view->error);
	while (at->prev != &tenant->jobs &&
	    container_of(at->prev, struct eng_job, link)->view.number > view->number)
		at = at->prev;
	list_push(at, &job->link);
	list_init(&job->ended_link);
	map_put_u64(&eng->jobs, view->number, job);
	tenant->job_count++;
	eng->counts.jobs++;
	if (view->status == ENG_RUNNING)
		eng->counts.jobs_running++;
	else
		job_end(eng, job);
	return job;
}

void
job_free(struct eng *eng, struct eng_job *job)
{
	struct eng_tenant *tenant = job_tenant(eng, job);
	if (list_linked(&job->ended_link))
		tenant->job_ended_count--;
	else
		eng->counts.jobs_running--;
	tenant->job_count--;
	eng->counts.jobs--;
	list_remove(&job->ended_link);
	list_remove(&job->link);
	map_remove_u64(&eng->jobs, job->view.number);
	bytes_give(job->view.filter);
	bytes_give(job->view.reason);
	bytes_give(job->view.task);
	bytes_give(job->view.actor);
	bytes_give(job->view.ended_by);
	bytes_give(job->view.error);
	mem_free(job);
}

/* It is the last one that has ended; the first one need not be remembered any more. */
void
job_end(struct eng *eng, struct eng_job *job)
{
	struct eng_tenant *tenant = job_tenant(eng, job);
	list_push(&tenant->jobs_ended, &job->ended_link);
	if (++tenant->job_ended_count > FROE_JOBS_ENDED_MAX)
		job_free(eng, container_of(tenant->jobs_ended.next, struct eng_job, ended_link));
}

void
jobs_check(const struct eng *eng) /* 13 */
{
	struct list *at;
	uint64_t count = 0, running = 0;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		const struct eng_tenant *tenant = eng->tenants[i];
		uint64_t last = 0, ended = 0;
		list_for_each(at, &tenant->jobs) {
			const struct eng_job *job = container_of(at, struct eng_job, link);
			froe_assert(map_get_u64(&eng->jobs, job->view.number) == job);
			froe_assert(job->view.number > last && job->view.tenant == i + 1);
			last = job->view.number;
			bool runs = job->view.status == ENG_RUNNING;
			froe_assert(runs != list_linked(&job->ended_link));
			froe_assert(job->view.cursor <= job->view.first);
			running += runs ? 1 : 0;
			ended += runs ? 0 : 1;
		}
		froe_assert(ended == tenant->job_ended_count && ended <= FROE_JOBS_ENDED_MAX);
		count += tenant->job_count;
		froe_assert(last <= eng->job_last);
	}
	froe_assert(count == eng->counts.jobs && count == eng->jobs.count);
	froe_assert(running == eng->counts.jobs_running);
}

uint64_t
job_hash(const struct eng_job *job)
{
	const struct eng_job_view *view = &job->view;
	const struct bytes texts[] = {
	    view->filter, view->reason, view->task, view->actor, view->ended_by, view->error};
	uint64_t words[22] = {view->number, view->tenant, view->kind, view->status, view->children,
	    view->created_ns, view->ended_ns, view->first, view->cursor, view->done};
	words[10] = view->refused;
	words[11] = view->refusal;
	size_t count = 12;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		words[count++] = hash64(texts[i].data, texts[i].size, texts[i].size);
	return hash64(words, sizeof(words), 0);
}

/* ----------------------------------------------------------------------------------- questions */

bool
eng_job(const struct eng *eng, uint64_t number, struct eng_job_view *ret_view)
{
	const struct eng_job *job = map_get_u64(&eng->jobs, number);
	if (job != NULL)
		*ret_view = job->view;
	return job != NULL;
}

bool
eng_job_next(const struct eng *eng, struct eng_tenant_id tenant, uint64_t before,
    struct eng_job_view *ret_view)
{
	struct eng_tenant *of = eng_tenant_get(eng, tenant.v);
	for (struct list *at = of->jobs.prev; at != &of->jobs; at = at->prev) {
		const struct eng_job *job = container_of(at, struct eng_job, link);
		if (before != 0 && job->view.number >= before)
			continue;
		*ret_view = job->view;
		return true;
	}
	return false;
}

void
eng_jobs(const struct eng *eng, void (*each)(void *context, const struct eng_job_view *view),
    void *context)
{
	struct list *at;
	for (uint32_t i = 0; i < eng->tenant_count; i++) {
		list_for_each(at, &eng->tenants[i]->jobs) {
			const struct eng_job *job = container_of(at, struct eng_job, link);
			if (job->view.status == ENG_RUNNING)
				each(context, &job->view);
		}
	}
}

static bool
tenant_full(const struct eng_tenant *tenant)
{
	return tenant->job_count - tenant->job_ended_count >= FROE_JOBS_MAX && !plant(JOB_UNBOUND);
}

/* ------------------------------------------------------------------------------------ deciding */

/* False: answered with what is wrong. */
static bool
job_usable(struct eng_turn *turn)
{
	const struct eng_command *command = turn->command;
	const struct eng_tenant *tenant = command_tenant(turn);
	if (command->job_start.kind != ENG_JOB_CANCEL && command->job_start.kind != ENG_JOB_REPLAY)
		reply_fault(turn, FROE_INVALID_ARGUMENT, "kind",
		    "a job cancels runs, or lets them go on");
	else if (command->job_start.filter.size > FROE_JOB_FILTER_BYTES_MAX)
		reply_fault(turn, FROE_TOO_LARGE, "filter", "the filter has %zu bytes; at most %u",
		    command->job_start.filter.size, FROE_JOB_FILTER_BYTES_MAX);
	else if (command->job_start.task.size > FROE_NAME_BYTES_MAX)
		reply_fault(turn, FROE_TOO_LARGE, "task", "a task's name has at most %u bytes",
		    FROE_NAME_BYTES_MAX);
	else if (tenant_full(tenant))
		reply_fault(turn, FROE_RESOURCE_EXHAUSTED, "",
		    "%u jobs go on, as many as may be: wait for one, or cancel it", FROE_JOBS_MAX);
	else
		return true;
	return false;
}

void
decide_job_start(struct eng_turn *turn)
{
	struct eng *eng = turn->eng;
	const struct eng_command *command = turn->command;
	if (!job_usable(turn))
		return;
	struct eng_event event = {
	    .type = ENG_EV_JOB_STARTED,
	    .job = eng->job_last + 1,
	    .tenant = command->tenant.v,
	    .kind = command->job_start.kind,
	    .descend = command->job_start.children ? 1 : 0,
	    .cursor = eng->run_last + 1,
	    .payload = command->job_start.filter,
	    .text = command->job_start.reason,
	    .name = command->job_start.task,
	    .actor = command->actor,
	};
	emit(turn, &event);
	reply_ok(turn)->number = event.job;
}

/* NULL: answered. */
static struct eng_job *
job_of(struct eng_turn *turn)
{
	uint64_t number = turn->command->job.number;
	struct eng_job *job = job_running(turn->eng, turn->command->tenant.v, number);
	struct eng_job_view view;
	if (job == NULL && eng_job(turn->eng, number, &view) &&
	    view.tenant == turn->command->tenant.v)
		reply_fault(turn, FROE_FAILED_PRECONDITION, "job", "the job has ended already");
	else if (job == NULL)
		reply_fault(turn, FROE_NOT_FOUND, "job",
		    "no such job: \"froe jobs list\" shows those there are");
	return job;
}

/* The run that the command is about is the next one down. */
static bool
job_reaches(struct eng_turn *turn, const struct eng_job *job)
{
	uint64_t cursor = turn->command->job.cursor;
	if (cursor != 0 && cursor < job->view.cursor)
		return true;
	reply_fault(turn, FROE_FAILED_PRECONDITION, "cursor",
	    "the job is at run %" PRIu64 " and does not go back", job->view.cursor);
	return false;
}

static void
job_advance(struct eng_turn *turn, enum froe_err refusal)
{
	struct eng_event event = {
	    .type = ENG_EV_JOB_ADVANCED,
	    .job = turn->command->job.number,
	    .cursor = turn->command->job.cursor,
	    .refusal = (uint32_t)refusal,
	};
	emit(turn, &event);
}

/* That the run was refused is in the event: the step is answered as done. */
void
decide_job_step(struct eng_turn *turn, void (*change)(struct eng_turn *turn))
{
	const struct eng_output *output = &turn->eng->output;
	struct eng_job *job = job_of(turn);
	if (job == NULL || !job_reaches(turn, job))
		return;
	size_t first = output->effect_count;
	change(turn);
	while (first < output->effect_count && output->effects[first].type != ENG_EFF_REPLY)
		first++;
	froe_assert(first < output->effect_count);
	struct eng_effect *reply = &output->effects[first];
	enum froe_err refusal = reply->err;
	reply->err = FROE_OK;
	reply->fault = NULL;
	job_advance(turn, refusal);
}

void
decide_job_skip(struct eng_turn *turn)
{
	struct eng_job *job = job_of(turn);
	if (job == NULL || !job_reaches(turn, job))
		return;
	froe_assert(turn->command->job_over.err != FROE_OK);
	job_advance(turn, turn->command->job_over.err);
	reply_ok(turn);
}

static void
job_over(struct eng_turn *turn, enum eng_status status, struct bytes text)
{
	struct eng_event event = {
	    .type = ENG_EV_JOB_ENDED,
	    .job = turn->command->job.number,
	    .status = (uint32_t)status,
	    .text = text,
	    .actor = turn->command->actor,
	};
	if (job_of(turn) == NULL)
		return;
	emit(turn, &event);
	reply_ok(turn);
}

void
decide_job_end(struct eng_turn *turn)
{
	bool failed = turn->command->job_over.err != FROE_OK;
	job_over(turn, failed ? ENG_FAILED : ENG_COMPLETED, turn->command->job_over.text);
}

void
decide_job_cancel(struct eng_turn *turn)
{
	job_over(turn, ENG_CANCELLED, bytes_of(NULL, 0));
}

/* ------------------------------------------------------------------------------------ applying */

enum froe_err
apply_job_started(struct apply *apply)
{
	struct eng *eng = apply->eng;
	const struct eng_event *event = apply->event;
	struct eng_tenant *tenant = eng_tenant_get(eng, event->tenant);
	if (tenant == NULL || event->job != eng->job_last + 1)
		return misfit(apply, "not the next job, or of no tenant");
	if ((event->kind != ENG_JOB_CANCEL && event->kind != ENG_JOB_REPLAY) ||
	    event->cursor == 0 || event->cursor > eng->run_last + 1 || event->descend > 1 ||
	    event->payload.size > FROE_JOB_FILTER_BYTES_MAX ||
	    tenant_full(tenant))
		return misfit(apply, "what the job does, or how many there are");
	struct eng_job_view view = {
	    .number = event->job,
	    .tenant = event->tenant,
	    .kind = (enum eng_job_kind)event->kind,
	    .status = ENG_RUNNING,
	    .children = event->descend == 1,
	    .filter = event->payload,
	    .reason = event->text,
	    .task = event->name,
	    .actor = event->actor,
	    .created_ns = event->time_ns,
	    .first = event->cursor,
	    .cursor = event->cursor,
	};
	job_add(eng, &view);
	eng->job_last = event->job;
	return FROE_OK;
}

static enum froe_err
find_job(const struct apply *apply, struct eng_job **ret_job)
{
	struct eng_job *job = map_get_u64(&apply->eng->jobs, apply->event->job);
	if (job == NULL || job->view.status != ENG_RUNNING)
		return misfit(apply, "no such job goes on");
	*ret_job = job;
	return FROE_OK;
}

enum froe_err
apply_job_advanced(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_job *job = NULL;
	enum froe_err err = find_job(apply, &job);
	if (err != FROE_OK)
		return err;
	if (event->cursor == 0 || event->cursor >= job->view.cursor)
		return misfit(apply, "the job goes back");
	job->view.cursor = event->cursor;
	if (event->refusal == FROE_OK || plant(JOB_RECOUNTED)) {
		job->view.done++;
	} else {
		job->view.refused++;
		job->view.refusal = (enum froe_err)event->refusal;
	}
	return FROE_OK;
}

enum froe_err
apply_job_ended(struct apply *apply)
{
	const struct eng_event *event = apply->event;
	struct eng_job *job = NULL;
	enum froe_err err = find_job(apply, &job);
	if (err != FROE_OK)
		return err;
	if (event->status != ENG_COMPLETED && event->status != ENG_FAILED &&
	    event->status != ENG_CANCELLED)
		return misfit(apply, "how the job has ended");
	job->view.status = (enum eng_status)event->status;
	job->view.ended_ns = event->time_ns;
	job->view.ended_by = bytes_keep(event->actor);
	job->view.error = bytes_keep(event->text);
	apply->eng->counts.jobs_running--;
	job_end(apply->eng, job);
	return FROE_OK;
}
