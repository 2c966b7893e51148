#include "gateway/legacy.h"

#include "gateway/definition.h"
#include "gateway/text.h"

#include <stdio.h>

static const struct definition_paths PATHS = {
    .workflow = "opts.",
    .task_begin = "opts.jobs[0].steps[",
    .on_failure = "opts.on_failure_job.steps[0].",
};

static enum froe_err
refuse(struct froe_fault *fault, const char *field, const char *why)
{
	return fault_set_field(fault, FROE_INVALID_ARGUMENT, field, "%s: %s", field, why);
}

static enum froe_err
opts_refused(const Hatchet__CreateWorkflowVersionOpts *opts, struct froe_fault *fault)
{
	static const char NOT_YET[] = "this server does not have it yet: leave it out";
	if (opts->n_scheduled_triggers > 0)
		return refuse(fault, "opts.scheduled_triggers", NOT_YET);
	if (opts->concurrency != NULL)
		return refuse(fault, "opts.concurrency", NOT_YET);
	if (opts->kind == HATCHET__WORKFLOW_KIND__DURABLE)
		return refuse(fault, "opts.kind", NOT_YET);
	if (opts->n_jobs != 1)
		return refuse(fault, "opts.jobs", "give one job: its steps are the workflow");
	if (opts->jobs[0]->n_steps == 0)
		return refuse(fault, "opts.jobs[0].steps", "a job has a step");
	if (opts->on_failure_job != NULL && opts->on_failure_job->n_steps != 1)
		return refuse(fault, "opts.on_failure_job.steps", "give one step");
	return FROE_OK;
}

static enum froe_err
data_refused(
    const Hatchet__CreateWorkflowStepOpts *step, const char *within, struct froe_fault *fault)
{
	char path[96];
	if (!text_given(step->user_data) || strcmp(step->user_data, "{}") == 0)
		return FROE_OK;
	snprintf(path, sizeof(path), "%suser_data", within);
	return refuse(fault, path, "this server does not have it: leave it out");
}

static void
step_take(const Hatchet__CreateWorkflowStepOpts *step, const char *schedule_timeout,
    struct arena *arena, Hatchet__CreateTaskOpts *task)
{
	hatchet__create_task_opts__init(task);
	task->readable_id = step->readable_id;
	task->action = step->action;
	task->timeout = step->timeout;
	task->schedule_timeout = text_copy(
	    arena, bytes_text(schedule_timeout != NULL ? schedule_timeout : ""));
	task->parents = step->parents;
	task->n_parents = step->n_parents;
	task->has_retries = step->has_retries;
	task->retries = step->retries;
	task->n_rate_limits = step->n_rate_limits; /* refused if there are any, as */
	task->n_worker_labels = step->n_worker_labels; /* these are: not looked at */
	task->has_backoff_factor = step->has_backoff_factor;
	task->backoff_factor = step->backoff_factor;
	task->has_backoff_max_seconds = step->has_backoff_max_seconds;
	task->backoff_max_seconds = step->backoff_max_seconds;
}

static enum froe_err
steps_take(const Hatchet__CreateWorkflowVersionOpts *opts, struct arena *arena,
    Hatchet__CreateWorkflowVersionRequest *to, struct froe_fault *fault)
{
	const Hatchet__CreateWorkflowJobOpts *job = opts->jobs[0];
	size_t count = job->n_steps;
	Hatchet__CreateTaskOpts *tasks = arena_alloc(arena, (count + 1) * sizeof(*tasks));
	to->tasks = arena_alloc(arena, (count + 1) * sizeof(*to->tasks));
	froe_assert(tasks != NULL && to->tasks != NULL);
	to->n_tasks = count;
	for (size_t i = 0; i < count; i++) {
		char within[48];
		snprintf(within, sizeof(within), "%s%zu].", PATHS.task_begin, i);
		if (data_refused(job->steps[i], within, fault) != FROE_OK)
			return fault->code;
		step_take(job->steps[i], opts->schedule_timeout, arena, &tasks[i]);
		to->tasks[i] = &tasks[i];
	}
	if (opts->on_failure_job == NULL)
		return FROE_OK;
	to->on_failure_task = &tasks[count];
	step_take(
	    opts->on_failure_job->steps[0], opts->schedule_timeout, arena, &tasks[count]);
	return data_refused(opts->on_failure_job->steps[0], PATHS.on_failure, fault);
}

enum froe_err
legacy_definition_of(const Hatchet__PutWorkflowRequest *request, struct arena *arena,
    Froe__WorkflowDefinition **ret_definition, struct froe_fault *fault)
{
	const Hatchet__CreateWorkflowVersionOpts *opts = request->opts;
	Hatchet__CreateWorkflowVersionRequest to = HATCHET__CREATE_WORKFLOW_VERSION_REQUEST__INIT;
	if (opts == NULL)
		return refuse(fault, "opts", "say what is to be registered");
	enum froe_err err = opts_refused(opts, fault);
	if (err != FROE_OK)
		return err;
	to.name = opts->name;
	to.event_triggers = opts->event_triggers;
	to.n_event_triggers = opts->n_event_triggers;
	to.cron_triggers = opts->cron_triggers;
	to.n_cron_triggers = opts->n_cron_triggers;
	to.has_sticky = opts->has_sticky;
	to.has_default_priority = opts->has_default_priority;
	to.default_priority = opts->default_priority;
	err = steps_take(opts, arena, &to, fault);
	if (err != FROE_OK)
		return err;
	return definition_of(&to, &PATHS, arena, ret_definition, fault);
}
