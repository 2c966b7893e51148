/*
 * Runs as graphs of tasks: who is queued, cancelled or skipped when, and what the run's end shows.
 */
#include "engine_driver.h"

#include "engine/engine_int.h"

static void
test_dag__single_task(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(d.out->event_count, 3); /* one step: started, queued, assigned */
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_effect(&d, ENG_EFF_DISPATCH, 0)->lease, 1);
	enum eng_status status;
	assert_true(eng_run_status(d.eng, run, &status));
	assert_int_equal(status, ENG_RUNNING);
	driver_complete(&d, run, "a");
	assert_run_closed(&d, run, ENG_COMPLETED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(closed->bare);
	assert_int_equal(closed->ref_count, 1);
	assert_true(bytes_equal(driver_task(&d, run, "a")->output, bytes_text("{\"y\":2}")));
	assert_false(eng_run_status(d.eng, run, &status));
	driver_close(&d);
}

static void
test_dag__waits_for_a_worker(void **state)
{
	struct driver d;
	enum eng_status status;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf");
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	assert_true(eng_run_status(d.eng, run, &status));
	assert_int_equal(status, ENG_QUEUED);
	assert_false(eng_pending(d.eng));
	driver_worker(&d, 1, 1, "other wf:a"); /* one step: registered, assigned */
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

static void
test_dag__chain(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a c<b");
	driver_worker(&d, 1, 1, "wf:a wf:b wf:c");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	assert_int_equal(d.out->event_count, 3); /* completed, queued, assigned: one frame a hop */
	assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
	assert_task(&d, run, "c", ENG_TASK_WAITING);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 1, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.ref_count, 1);
	assert_true(bytes_equal(dispatch.refs[0].task, bytes_text("a")));
	assert_false(dispatch.refs[0].error);
	driver_complete(&d, run, "b");
	driver_complete(&d, run, "c");
	assert_run_closed(&d, run, ENG_COMPLETED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_false(closed->bare);
	assert_int_equal(closed->ref_count, 1); /* only what no other task waits for */
	assert_true(bytes_equal(closed->refs[0].task, bytes_text("c")));
	driver_close(&d);
}

static void
test_dag__diamond(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "d<b,c b<a c<a a"); /* the order of definition does not matter */
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c wf:d");
	uint64_t run = driver_start(&d, "wf");
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	assert_task(&d, run, "b", ENG_TASK_WAITING);
	driver_complete(&d, run, "a");
	assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
	assert_task(&d, run, "c", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "c");
	assert_task(&d, run, "d", ENG_TASK_WAITING);
	driver_complete(&d, run, "b");
	assert_task(&d, run, "d", ENG_TASK_ASSIGNED);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.ref_count, 2); /* in the order of the definition */
	assert_true(bytes_equal(dispatch.refs[0].task, bytes_text("b")));
	assert_true(bytes_equal(dispatch.refs[1].task, bytes_text("c")));
	driver_complete(&d, run, "d");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

/* 998 tasks that one task waits for, itself behind one. */
static void
test_dag__wide_fan_in(void **state)
{
	enum { WIDTH = FROE_WORKFLOW_TASKS_MAX - 2 };
	struct driver d;
	struct workflow workflow;
	struct bytes names[WIDTH];
	char name[16];
	(void)state;
	driver_open(&d);
	d.check_every = 100;
	workflow_init(&workflow, &d.arena, "wf", WIDTH + 2);
	static const struct bytes root = {(const uint8_t *)"root", 4};
	workflow.tasks[0].name = root;
	for (uint32_t i = 0; i < WIDTH; i++) {
		int size = snprintf(name, sizeof(name), "t%u", i);
		names[i] = text_copy(&d.arena, name, (size_t)size);
		workflow.tasks[i + 1] = (struct eng_task_definition){
		    .name = names[i],
		    .action = bytes_text("do"),
		    .parents = &root,
		    .parent_count = 1,
		};
	}
	workflow.tasks[WIDTH + 1].name = bytes_text("last");
	workflow.tasks[WIDTH + 1].parents = names;
	workflow.tasks[WIDTH + 1].parent_count = WIDTH;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 10000, "wf:root wf:last do");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "root");
	assert_int_equal(driver_events(&d, ENG_EV_TASK_QUEUED), WIDTH);
	assert_int_equal(driver_events(&d, ENG_EV_TASK_ASSIGNED), ENG_STEP_ASSIGNMENTS_MAX);
	driver_settle(&d);
	for (uint32_t i = 0; i < WIDTH; i++) {
		assert_task(&d, run, "last", ENG_TASK_WAITING);
		snprintf(name, sizeof(name), "t%u", i * 7 % WIDTH); /* 7 and 998 share no factor */
		driver_complete(&d, run, name);
	}
	assert_task(&d, run, "last", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_effect(&d, ENG_EFF_DISPATCH, 0)->task, WIDTH + 1);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, WIDTH + 1, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.ref_count, WIDTH);
	driver_complete(&d, run, "last");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

/* b's descendants are cancelled at once; x and y go on; the run fails when they are done. */
static void
test_dag__failure_cancels_descendants_only(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a c<b e<c,x x<a y<x");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c wf:e wf:x wf:y");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	driver_fail(&d, run, "b");
	assert_task(&d, run, "b", ENG_TASK_FAILED);
	assert_task(&d, run, "c", ENG_TASK_CANCELLED);
	assert_task(&d, run, "e", ENG_TASK_CANCELLED);
	assert_int_equal(driver_task(&d, run, "e")->reason, ENG_REASON_PARENT);
	assert_task(&d, run, "x", ENG_TASK_ASSIGNED);
	assert_run_open(&d, run);
	driver_complete(&d, run, "x");
	assert_task(&d, run, "y", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "y");
	assert_run_closed(&d, run, ENG_FAILED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(bytes_equal(closed->refs[0].task, bytes_text("b")));
	const struct eng_event *error = ledger_record(&d.ledger, run, closed->refs[0].record);
	assert_true(bytes_equal(error->text, bytes_text("it broke")));
	driver_close(&d);
}

/* Of two failures the first is the run's error, whatever the order of definition. */
static void
test_dag__first_failure_is_the_error(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b");
	driver_worker(&d, 1, 9, "wf:a wf:b");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "b");
	driver_fail(&d, run, "a");
	assert_run_closed(&d, run, ENG_FAILED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(bytes_equal(closed->refs[0].task, bytes_text("b")));
	driver_close(&d);
}

/* --------------------------------------------------------------------------- on-failure task */

static void
test_dag__on_failure_runs_last_with_errors(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "clean! a b c<a");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c wf:clean");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	assert_task(&d, run, "clean", ENG_TASK_WAITING); /* b still runs */
	driver_fail(&d, run, "b");
	assert_task(&d, run, "clean", ENG_TASK_ASSIGNED);
	assert_run_open(&d, run);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.ref_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_true(dispatch.refs[i].error);
		assert_false(dispatch.refs[i].skipped);
	}
	assert_true(bytes_equal(dispatch.refs[0].task, bytes_text("a")));
	driver_complete(&d, run, "clean");
	assert_run_closed(&d, run, ENG_FAILED); /* cleaning up does not heal the run */
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(bytes_equal(closed->refs[0].task, bytes_text("a")));
	driver_close(&d);
}

static void
test_dag__on_failure_skipped_when_all_is_well(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a clean!");
	driver_worker(&d, 1, 9, "wf:a wf:clean");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	assert_task(&d, run, "clean", ENG_TASK_SKIPPED);
	assert_run_closed(&d, run, ENG_COMPLETED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(closed->bare); /* one task beside it: its output is the run's */
	assert_int_equal(closed->ref_count, 1);
	driver_close(&d);
}

static void
test_dag__on_failure_not_on_cancel(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b clean!");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:clean");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_task(&d, run, "clean", ENG_TASK_CANCELLED);
	assert_int_equal(driver_task(&d, run, "clean")->lease, 0);
	driver_close(&d);
}

/* A task that was cancelled alone (nobody took it in time) is no failure. */
static void
test_dag__on_failure_not_after_schedule_timeout(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a clean!");
	workflow.tasks[0].schedule_timeout_ms = 1000;
	driver_put(&d, &workflow);
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, SECOND);
	assert_task(&d, run, "a", ENG_TASK_CANCELLED);
	assert_task(&d, run, "clean", ENG_TASK_SKIPPED);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_dag__on_failure_that_fails(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a clean!");
	workflow.tasks[1].retries = 1;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 9, "wf:a wf:clean");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	driver_fail(&d, run, "clean");
	assert_task(&d, run, "clean", ENG_TASK_ASSIGNED); /* it has retries of its own */
	driver_fail(&d, run, "clean");
	assert_run_closed(&d, run, ENG_FAILED);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_true(bytes_equal(closed->refs[0].task, bytes_text("a")));
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------- skipping */

/* No command skips a task by a condition yet, but apply and the DAG know it: skips one as the
 * engine's own code would, and keeps the events. */
static void
task_skip(struct driver *d, uint64_t key, const char *name)
{
	struct eng *eng = d->eng;
	struct eng_run *run = eng_run_get(eng, key);
	struct eng_task *task = &run->tasks[driver_index(d, key, name)];
	struct eng_command command = {.type = ENG_CMD_SCHEDULE};
	struct eng_turn turn = {.eng = eng, .now_ns = d->now_ns, .command = &command};
	struct eng_event event = {
	    .type = ENG_EV_TASK_SKIPPED,
	    .run = key,
	    .task = task->index,
	    .reason = ENG_REASON_PARENT,
	};
	struct expected expected = {0};
	eng->output.event_count = 0;
	eng->output.effect_count = 0;
	emit(&turn, &event);
	task_settled(&turn, task);
	for (size_t i = 0; i < eng->output.event_count; i++)
		driver_keep(d, &eng->output.events[i], &expected);
	eng_check(eng);
}

static void
test_dag__all_parents_skipped(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "r b<r c<r d<b,c e<d f<d,r");
	driver_worker(&d, 1, 9, "wf:r wf:b wf:c wf:d wf:e wf:f");
	uint64_t run = driver_start(&d, "wf");
	task_skip(&d, run, "b");
	assert_task(&d, run, "d", ENG_TASK_WAITING); /* c may yet run */
	task_skip(&d, run, "c");
	assert_task(&d, run, "d", ENG_TASK_SKIPPED); /* all its parents were */
	assert_task(&d, run, "e", ENG_TASK_SKIPPED); /* and so on */
	assert_task(&d, run, "f", ENG_TASK_WAITING);
	driver_complete(&d, run, "r");
	assert_task(&d, run, "f", ENG_TASK_ASSIGNED); /* one parent completed */
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 5, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.ref_count, 2);
	assert_true(dispatch.refs[0].skipped);
	assert_int_equal(dispatch.refs[0].record, 0);
	assert_false(dispatch.refs[1].skipped);
	driver_complete(&d, run, "f");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

/* A diamond of which a thousand tasks are behind one: its failure is one step. */
static void
test_dag__failure_of_a_thousand(void **state)
{
	struct driver d;
	struct workflow workflow;
	static const struct bytes root = {(const uint8_t *)"root", 4};
	struct bytes before = root;
	char name[16];
	(void)state;
	driver_open(&d);
	workflow_init(&workflow, &d.arena, "wf", FROE_WORKFLOW_TASKS_MAX);
	workflow.tasks[0].name = root;
	for (uint32_t i = 1; i < FROE_WORKFLOW_TASKS_MAX; i++) { /* a chain, the longest way */
		struct bytes *parent = arena_copy(&d.arena, &before, sizeof(before));
		int size = snprintf(name, sizeof(name), "t%u", i);
		before = text_copy(&d.arena, name, (size_t)size);
		workflow.tasks[i].name = before;
		workflow.tasks[i].parents = parent;
		workflow.tasks[i].parent_count = 1;
	}
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:root");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "root");
	assert_int_equal(driver_events(&d, ENG_EV_TASK_CANCELLED), FROE_WORKFLOW_TASKS_MAX - 1);
	assert_run_closed(&d, run, ENG_FAILED);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_dag__single_task),
	    cmocka_unit_test(test_dag__waits_for_a_worker),
	    cmocka_unit_test(test_dag__chain),
	    cmocka_unit_test(test_dag__diamond),
	    cmocka_unit_test(test_dag__wide_fan_in),
	    cmocka_unit_test(test_dag__failure_cancels_descendants_only),
	    cmocka_unit_test(test_dag__first_failure_is_the_error),
	    cmocka_unit_test(test_dag__on_failure_runs_last_with_errors),
	    cmocka_unit_test(test_dag__on_failure_skipped_when_all_is_well),
	    cmocka_unit_test(test_dag__on_failure_not_on_cancel),
	    cmocka_unit_test(test_dag__on_failure_not_after_schedule_timeout),
	    cmocka_unit_test(test_dag__on_failure_that_fails),
	    cmocka_unit_test(test_dag__all_parents_skipped),
	    cmocka_unit_test(test_dag__failure_of_a_thousand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
