/*
 * Workflows that are paused, resumed, deleted: what is assigned, what is kept, what is refused;
 * over restarts, and in snapshots, which the driver makes of each engine.
 */
#include "engine_durable.h"

#include "engine/workflow.h"

static enum eng_task_state
state_of(const struct driver *d, uint64_t run)
{
	return driver_task(d, run, "a")->state;
}

static struct eng_workflow_view
view_of(const struct driver *d, const char *name)
{
	struct eng_workflow_view view;
	assert_true(eng_workflow(d->eng, d->tenant, bytes_text(name), &view));
	return view;
}

/* What runs goes on; what waits is not assigned, in whatever version it came; others are. */
static void
test_pause__nothing_is_assigned(void **state)
{
	struct driver d;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	driver_define(&d, "flow", "a b<a");
	driver_define(&d, "other", "a");
	driver_worker(&d, 1, 2, "flow:a flow:b other:a");
	uint64_t first = driver_start(&d, "flow");
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	assert_true(view_of(&d, "flow").paused);
	uint64_t second = driver_start(&d, "flow"), other = driver_start(&d, "other");
	assert_int_equal(state_of(&d, first), ENG_TASK_ASSIGNED);
	assert_int_equal(state_of(&d, second), ENG_TASK_QUEUED);
	assert_int_equal(state_of(&d, other), ENG_TASK_ASSIGNED);
	driver_complete(&d, first, "a");
	assert_int_equal(driver_task(&d, first, "b")->state, ENG_TASK_QUEUED);
	assert_true(eng_why(d.eng, second, 0, false, 10, &why));
	assert_int_equal(why.kind, ENG_WHY_PAUSED);
	driver_crash(&d, SECOND);
	driver_worker(&d, 1, 2, "flow:a flow:b other:a");
	driver_define(&d, "flow", "a b<a c<b"); /* another queue: held, too */
	uint64_t third = driver_start(&d, "flow");
	assert_int_equal(state_of(&d, second), ENG_TASK_QUEUED);
	assert_int_equal(state_of(&d, third), ENG_TASK_QUEUED);
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_RESUME, 0), FROE_OK);
	assert_false(view_of(&d, "flow").paused);
	assert_int_equal(driver_task(&d, first, "b")->state, ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* What waited goes in its order, and the round of queues goes on as if it had just come. */
static void
test_pause__order_is_kept(void **state)
{
	struct driver d;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	driver_define(&d, "flow", "a");
	driver_worker(&d, 1, 1, "flow:a");
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	for (int i = 0; i < 3; i++)
		runs[i] = driver_start(&d, "flow");
	assert_int_equal(driver_cancel(&d, runs[1]), FROE_OK); /* out of a queue that is held */
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_RESUME, 0), FROE_OK);
	assert_int_equal(state_of(&d, runs[0]), ENG_TASK_ASSIGNED);
	assert_int_equal(state_of(&d, runs[2]), ENG_TASK_QUEUED);
	driver_complete(&d, runs[0], "a");
	assert_int_equal(state_of(&d, runs[2]), ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* What is so already writes nothing; another way of pausing does. */
static void
test_pause__twice(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "flow", "a");
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_RESUME, 0), FROE_OK);
	size_t events = d.ledger.event_count;
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	assert_int_equal(d.ledger.event_count, events + 1);
	assert_int_equal(
	    driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, ENG_DROPS_CRON), FROE_OK);
	assert_int_equal(d.ledger.event_count, events + 2);
	assert_int_equal(view_of(&d, "flow").drops, ENG_DROPS_CRON);
	assert_int_equal(
	    driver_workflow_set(&d, "none", ENG_WORKFLOW_PAUSE, 0), FROE_NOT_FOUND);
	driver_close(&d);
}

static uint64_t
schedule(struct driver *d, const char *workflow)
{
	struct eng_command command = driver_start_command(d, workflow);
	command.run_start.start_ns = d->now_ns + SECOND;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	return driver_reply(d)->run;
}

static bool
is_open(const struct driver *d, uint64_t run)
{
	enum eng_status status;
	return eng_run_status(d->eng, run, &status);
}

static void
test_pause__what_falls_due(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "flow", "a");
	driver_worker(&d, 1, 1, "flow:a");
	uint64_t kept = schedule(&d, "flow");
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	driver_advance(&d, 2 * SECOND);
	assert_int_equal(state_of(&d, kept), ENG_TASK_QUEUED);
	assert_int_equal(
	    driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, ENG_DROPS_SCHEDULED), FROE_OK);
	uint64_t dropped = schedule(&d, "flow");
	driver_advance(&d, 2 * SECOND);
	assert_false(is_open(&d, dropped));
	assert_true(is_open(&d, kept));
	driver_close(&d);
}

/* Its name is free for its next version; what was open of it ends as it would. */
static void
test_pause__deleted_and_back(void **state)
{
	struct driver d;
	struct eng_workflow_view view;
	(void)state;
	driver_open(&d);
	driver_define(&d, "flow", "a");
	driver_define(&d, "other", "a");
	driver_worker(&d, 1, 1, "flow:a");
	uint64_t run = driver_start(&d, "flow"), waiting = driver_start(&d, "flow");
	uint64_t later = schedule(&d, "flow");
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_PAUSE, 0), FROE_OK);
	assert_int_equal(driver_workflow_set(&d, "flow", ENG_WORKFLOW_DELETE, 0), FROE_OK);
	assert_false(eng_workflow(d.eng, d.tenant, bytes_text("flow"), &view));
	assert_int_equal(eng_workflows(d.eng, d.tenant, 0, &view, 1), 1);
	assert_true(bytes_equal(view.name, bytes_text("other")));
	struct eng_command start = driver_start_command(&d, "flow");
	assert_int_equal(driver_try(&d, &start), FROE_NOT_FOUND);
	assert_int_equal(
	    driver_workflow_set(&d, "flow", ENG_WORKFLOW_DELETE, 0), FROE_NOT_FOUND);
	driver_complete(&d, run, "a");
	assert_int_equal(state_of(&d, waiting), ENG_TASK_ASSIGNED);
	driver_advance(&d, 2 * SECOND);
	assert_false(is_open(&d, later));
	driver_crash(&d, SECOND);
	assert_false(eng_workflow(d.eng, d.tenant, bytes_text("flow"), &view));
	driver_define(&d, "flow", "a"); /* the same definition, and yet a version */
	view = view_of(&d, "flow");
	assert_int_equal(view.version, 2);
	assert_false(view.paused);
	assert_true(view.put_ns > view.created_ns);
	assert_true(is_open(&d, driver_start(&d, "flow")));
	driver_close(&d);
}

static enum froe_err
restore(struct driver *d, struct uuid task, struct eng_tenant_id tenant)
{
	struct eng_command command = driver_command(d, ENG_CMD_TASK_RESTORE);
	command.tenant = tenant;
	command.task_restore.task = task;
	return driver_try(d, &command);
}

/* It comes back as what it was, and waits again. */
static void
test_pause__restored(void **state)
{
	struct driver d;
	struct eng_condition sleep = on_sleep(100000);
	(void)state;
	driver_open(&d);
	durable_define(&d, "flow", "a", 0);
	driver_worker(&d, 1, 1, "flow:a");
	uint64_t run = driver_start(&d, "flow");
	durable_wait(&d, run, "a", 1, &sleep, 1);
	struct uuid task = uuid_task(ledger_run(&d.ledger, run)->id, 0);
	assert_int_equal(restore(&d, task, d.tenant), FROE_FAILED_PRECONDITION);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK);
	assert_int_equal(restore(&d, task, (struct eng_tenant_id){77}), FROE_NOT_FOUND);
	assert_int_equal(restore(&d, driver_id(&d), d.tenant), FROE_NOT_FOUND);
	assert_int_equal(restore(&d, task, d.tenant), FROE_OK);
	assert_int_equal(state_of(&d, run), ENG_TASK_ASSIGNED);
	assert_int_equal(driver_task(&d, run, "a")->attempt, 1);
	assert_int_equal(durable_wait(&d, run, "a", 1, &sleep, 1)->node_state, ENG_NODE_PENDING);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_OK); /* its wait goes on */
	driver_advance(&d, 101 * SECOND);
	assert_int_equal(state_of(&d, run), ENG_TASK_ASSIGNED);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pause__nothing_is_assigned),
	    cmocka_unit_test(test_pause__order_is_kept),
	    cmocka_unit_test(test_pause__twice),
	    cmocka_unit_test(test_pause__what_falls_due),
	    cmocka_unit_test(test_pause__deleted_and_back),
	    cmocka_unit_test(test_pause__restored),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
