/* What SDKs of before v1 register, as a definition; what is refused, and under which name. */
#include "gateway/legacy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

struct world {
	struct arena arena;
	struct froe_fault fault;
	Hatchet__PutWorkflowRequest request;
	Hatchet__CreateWorkflowVersionOpts opts;
	Hatchet__CreateWorkflowJobOpts job, failing, *jobs[2];
	Hatchet__CreateWorkflowStepOpts steps[2], cleanup, *list[2], *last[1];
	char *parents[1];
	Froe__WorkflowDefinition *definition;
};

static int
setup(void **state)
{
	static struct world w;
	static char name[] = "Orders", a[] = "a", b[] = "b", c[] = "c", action[] = "Orders:A";
	w = (struct world){.jobs = {&w.job, &w.failing}, .list = {&w.steps[0], &w.steps[1]},
	    .last = {&w.cleanup}, .parents = {a}};
	arena_init(&w.arena, 0);
	hatchet__put_workflow_request__init(&w.request);
	hatchet__create_workflow_version_opts__init(&w.opts);
	hatchet__create_workflow_job_opts__init(&w.job);
	hatchet__create_workflow_job_opts__init(&w.failing);
	hatchet__create_workflow_step_opts__init(&w.steps[0]);
	hatchet__create_workflow_step_opts__init(&w.steps[1]);
	hatchet__create_workflow_step_opts__init(&w.cleanup);
	w.request.opts = &w.opts;
	w.opts.name = name;
	w.opts.jobs = w.jobs;
	w.opts.n_jobs = 1;
	w.job.steps = w.list;
	w.job.n_steps = 2;
	w.failing.steps = w.last;
	w.failing.n_steps = 1;
	w.steps[0].readable_id = a;
	w.steps[1].readable_id = b;
	w.cleanup.readable_id = c;
	w.steps[0].action = w.steps[1].action = w.cleanup.action = action;
	w.steps[1].parents = w.parents;
	w.steps[1].n_parents = 1;
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	arena_release(&((struct world *)*state)->arena);
	return 0;
}

static enum froe_err
take(struct world *w)
{
	return legacy_definition_of(&w->request, &w->arena, &w->definition, &w->fault);
}

static void
refused(struct world *w, const char *field)
{
	assert_int_equal(take(w), FROE_INVALID_ARGUMENT);
	assert_string_equal(w->fault.field, field);
}

static void
test_legacy__steps_are_tasks(void **state)
{
	static char timeout[] = "10s", wait[] = "2m", key[] = "user:*", *keys[] = {key};
	struct world *w = *state;
	w->steps[1].timeout = timeout;
	w->steps[1].has_retries = true;
	w->steps[1].retries = 3;
	w->opts.schedule_timeout = wait;
	w->opts.on_failure_job = &w->failing;
	w->opts.event_triggers = keys;
	w->opts.n_event_triggers = 1;
	assert_int_equal(take(w), FROE_OK);
	assert_string_equal(w->definition->name, "orders");
	assert_string_equal(w->definition->events[0], "user:*");
	assert_int_equal(w->definition->n_tasks, 3);
	const Froe__TaskDefinition *second = w->definition->tasks[1];
	assert_string_equal(second->name, "b");
	assert_string_equal(second->action, "orders:a");
	assert_string_equal(second->parents[0], "a");
	assert_int_equal(second->retries, 3);
	assert_int_equal(second->execution_timeout_ms, 10000);
	assert_int_equal(second->schedule_timeout_ms, 120000);
	assert_true(w->definition->tasks[2]->on_failure);
	assert_false(second->on_failure);
}

static void
test_legacy__refused_by_name(void **state)
{
	static char data[] = "{\"a\":1}";
	Hatchet__CreateStepRateLimit limit = HATCHET__CREATE_STEP_RATE_LIMIT__INIT;
	Hatchet__CreateStepRateLimit *limits[] = {&limit};
	Hatchet__WorkflowConcurrencyOpts concurrency = HATCHET__WORKFLOW_CONCURRENCY_OPTS__INIT;
	struct world *w = *state;
	w->steps[1].rate_limits = limits;
	w->steps[1].n_rate_limits = 1;
	refused(w, "opts.jobs[0].steps[1].rate_limits");
	w->steps[1].n_rate_limits = 0;
	w->steps[1].user_data = data;
	refused(w, "opts.jobs[0].steps[1].user_data");
	w->steps[1].user_data = NULL;
	w->opts.concurrency = &concurrency;
	refused(w, "opts.concurrency");
	w->opts.concurrency = NULL;
	w->opts.has_sticky = true;
	refused(w, "opts.sticky");
	w->opts.has_sticky = false;
	w->opts.n_cron_triggers = 1;
	refused(w, "opts.cron_triggers");
	w->opts.n_cron_triggers = 0;
	w->opts.n_scheduled_triggers = 1;
	refused(w, "opts.scheduled_triggers");
	w->opts.n_scheduled_triggers = 0;
	w->opts.on_failure_job = &w->failing;
	w->cleanup.retries = -1;
	refused(w, "opts.on_failure_job.steps[0].retries");
	w->failing.n_steps = 0;
	refused(w, "opts.on_failure_job.steps");
	w->opts.on_failure_job = NULL;
	assert_int_equal(take(w), FROE_OK);
}

static void
test_legacy__one_job(void **state)
{
	struct world *w = *state;
	w->opts.n_jobs = 2;
	refused(w, "opts.jobs");
	w->opts.n_jobs = 0;
	refused(w, "opts.jobs");
	w->opts.n_jobs = 1;
	w->job.n_steps = 0;
	refused(w, "opts.jobs[0].steps");
	w->request.opts = NULL;
	refused(w, "opts");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_legacy__steps_are_tasks, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_legacy__refused_by_name, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_legacy__one_job, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
