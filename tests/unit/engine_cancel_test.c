/*
 * Cancelling, in every state a task can be in; and messages that come too late for anything.
 */
#include "engine_driver.h"

static void
test_cancel__waiting_and_queued(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a c<b");
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_int_equal(driver_reply(&d)->run, run);
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_null(driver_effect(&d, ENG_EFF_REVOKE, 0)); /* nobody held a lease */
	assert_int_equal(driver_effect(&d, ENG_EFF_RUN_CLOSED, 0)->ref_count, 0);
	assert_task(&d, run, "a", ENG_TASK_CANCELLED);
	assert_task(&d, run, "c", ENG_TASK_CANCELLED);
	assert_int_equal(driver_task(&d, run, "c")->reason, ENG_REASON_REQUESTED);
	driver_worker(&d, 1, 1, "wf:a");
	assert_int_equal(driver_events(&d, ENG_EV_TASK_ASSIGNED), 0); /* it left the queue */
	driver_close(&d);
}

static void
test_cancel__assigned(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b");
	uint64_t worker = driver_worker(&d, 1, 2, "wf:a wf:b");
	uint64_t run = driver_start(&d, "wf"), next = driver_start(&d, "wf");
	assert_task(&d, next, "a", ENG_TASK_QUEUED);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	for (size_t i = 0; i < 2; i++) {
		const struct eng_effect *revoke = driver_effect(&d, ENG_EFF_REVOKE, i);
		assert_non_null(revoke);
		assert_int_equal(revoke->worker, worker);
		assert_int_equal(revoke->lease, 1);
		assert_int_equal(revoke->reason, ENG_REASON_REQUESTED);
	}
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_task(&d, next, "a", ENG_TASK_ASSIGNED); /* the slots are free in the same step */
	assert_task(&d, next, "b", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

static void
test_cancel__delayed(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 1;
	workflow.tasks[0].backoff.kind = ENG_BACKOFF_CONSTANT;
	workflow.tasks[0].backoff.initial_ms = 1000;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	assert_task(&d, run, "a", ENG_TASK_DELAYED);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_true(eng_next_deadline_ns(d.eng) == UINT64_MAX); /* its timer is gone */
	driver_close(&d);
}

/* Tasks that have closed keep their ends. */
static void
test_cancel__leaves_what_has_ended(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b x<b c clean!");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c wf:x");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	driver_fail(&d, run, "b");
	assert_task(&d, run, "x", ENG_TASK_CANCELLED);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_task(&d, run, "a", ENG_TASK_COMPLETED);
	assert_task(&d, run, "b", ENG_TASK_FAILED);
	assert_int_equal(driver_task(&d, run, "x")->reason, ENG_REASON_PARENT);
	assert_task(&d, run, "c", ENG_TASK_CANCELLED);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_cancel__on_failure_task_too(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a clean!");
	driver_worker(&d, 1, 9, "wf:a wf:clean");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	assert_task(&d, run, "clean", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_int_equal(driver_effect(&d, ENG_EFF_REVOKE, 0)->reason, ENG_REASON_REQUESTED);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static enum froe_err
cancel_alone(struct driver *d, uint64_t run, uint32_t task)
{
	struct eng_command command = driver_command(d, ENG_CMD_RUN_CANCEL);
	command.run_cancel.run = ledger_run(&d->ledger, run)->id;
	command.run_cancel.task = task;
	command.run_cancel.reason = bytes_text("not this one");
	command.actor = bytes_text("ann");
	return driver_try(d, &command);
}

/* What waits for it goes with it; the others go on, and the run has been cancelled at the end. */
static void
test_cancel__one_task(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a c d<c");
	driver_worker(&d, 1, 9, "wf:a wf:b wf:c wf:d");
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(cancel_alone(&d, run, 1), FROE_OK);
	assert_int_equal(driver_reply(&d)->run, run);
	assert_task(&d, run, "a", ENG_TASK_CANCELLED);
	assert_int_equal(driver_task(&d, run, "a")->reason, ENG_REASON_TASK_REQUESTED);
	assert_task(&d, run, "b", ENG_TASK_CANCELLED);
	assert_int_equal(driver_task(&d, run, "b")->reason, ENG_REASON_PARENT);
	assert_task(&d, run, "c", ENG_TASK_ASSIGNED);
	assert_non_null(driver_effect(&d, ENG_EFF_REVOKE, 0));
	assert_null(driver_effect(&d, ENG_EFF_REVOKE, 1));
	assert_int_equal(cancel_alone(&d, run, 1), FROE_FAILED_PRECONDITION);
	assert_int_equal(cancel_alone(&d, run, 5), FROE_NOT_FOUND);
	driver_complete(&d, run, "c");
	driver_complete(&d, run, "d");
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_cancel__again_and_unknown(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf");
	driver_cancel(&d, run);
	assert_int_equal(driver_cancel(&d, run), FROE_FAILED_PRECONDITION);
	struct eng_command command = driver_command(&d, ENG_CMD_RUN_CANCEL);
	command.run_cancel.run = driver_id(&d);
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND);
	command.run_cancel.run = (struct uuid){{0}};
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND);
	driver_close(&d);
}

/* ----------------------------------------------------------------------------- late and wrong */

static const enum eng_command_type of_a_lease[] = {
    ENG_CMD_TASK_COMPLETE,
    ENG_CMD_TASK_FAIL,
    ENG_CMD_TASK_REFRESH,
    ENG_CMD_TASK_LOG,
    ENG_CMD_TASK_BEGIN,
    ENG_CMD_TASK_RETURN,
};

/* Every message that names this fence is refused and changes nothing. */
static void
expect_lapsed(struct driver *d, const struct eng_command *like)
{
	uint64_t hash = eng_hash(d->eng);
	for (size_t i = 0; i < sizeof(of_a_lease) / sizeof(of_a_lease[0]); i++) {
		struct eng_command command = *like;
		command.type = of_a_lease[i];
		assert_int_equal(driver_try(d, &command), FROE_LEASE_LAPSED);
		assert_int_equal(d->out->event_count, 0);
	}
	struct eng_command command = *like;
	command.type = ENG_CMD_TASK_PROVIDE;
	driver_step(d, &command);
	assert_int_equal(d->out->event_count + d->out->effect_count, 0);
	assert_true(eng_hash(d->eng) == hash);
}

static void
test_cancel__late_answers(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	driver_cancel(&d, run);
	expect_lapsed(&d, &late);
	driver_close(&d);
}

static void
test_cancel__duplicate_completion(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command again = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	driver_complete(&d, run, "a");
	again.task.bytes = bytes_text("{\"other\":1}");
	expect_lapsed(&d, &again);
	assert_true(bytes_equal(driver_task(&d, run, "a")->output, bytes_text("{\"y\":2}")));
	driver_close(&d);
}

/* An older lease of the same task run, while a newer one runs. */
static void
test_cancel__older_lease(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 1;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command old = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	driver_fail(&d, run, "a");
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	expect_lapsed(&d, &old);
	old.task.fence.lease = 3; /* one that is yet to come */
	expect_lapsed(&d, &old);
	old.task.fence.lease = UINT64_C(2) | UINT64_C(1) << 32; /* the current one, but for a bit */
	expect_lapsed(&d, &old);
	old.task.fence.lease = 2;
	old.type = ENG_CMD_TASK_COMPLETE;
	assert_int_equal(driver_try(&d, &old), FROE_OK);
	driver_close(&d);
}

static void
test_cancel__wrong_worker(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t holder = driver_worker(&d, 1, 1, "wf:a");
	uint64_t other = driver_worker(&d, 2, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command command = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	uint64_t wrong = driver_task(&d, run, "a")->worker == holder ? other : holder;
	command.task.worker.v = wrong;
	expect_lapsed(&d, &command);
	command.task.worker.v = 0;
	expect_lapsed(&d, &command);
	command.task.worker.v = UINT64_MAX;
	expect_lapsed(&d, &command);
	driver_close(&d);
}

/* A run's id is no task's; a number beyond the tasks is no task's. */
static void
test_cancel__wrong_task(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command command = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	struct uuid id = ledger_run(&d.ledger, run)->id;
	command.task.fence.task = id;
	expect_lapsed(&d, &command);
	command.task.fence.task = uuid_task(id, 1);
	expect_lapsed(&d, &command);
	command.task.fence.task = uuid_task(id, 1022);
	expect_lapsed(&d, &command);
	command.task.fence.task = uuid_task(driver_id(&d), 0);
	expect_lapsed(&d, &command);
	driver_close(&d);
}

/* --------------------------------------------------------------- dispatching what was not there */

static void
test_cancel__provide(void **state)
{
	struct driver d;
	struct eng_dispatch dispatch;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command provide = driver_task_command(&d, ENG_CMD_TASK_PROVIDE, run, "a");
	driver_step(&d, &provide);
	assert_int_equal(d.out->event_count, 0);
	assert_non_null(driver_effect(&d, ENG_EFF_DISPATCH, 0));
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	driver_cancel(&d, run);
	driver_step(&d, &provide); /* too late: nothing is sent */
	assert_null(driver_effect(&d, ENG_EFF_DISPATCH, 0));
	assert_false(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	driver_close(&d);
}

static void
test_cancel__dispatch_refuses_what_is_stale(void **state)
{
	struct driver d;
	struct eng_dispatch dispatch;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b<a");
	workflow.tasks[0].retries = 1;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	assert_false(eng_dispatch(d.eng, run, 1, 0, d.now_ns, &dispatch)); /* waits */
	assert_false(eng_dispatch(d.eng, run, 2, 1, d.now_ns, &dispatch)); /* no such task */
	assert_false(eng_dispatch(d.eng, run, UINT32_MAX, 1, d.now_ns, &dispatch));
	assert_false(eng_dispatch(d.eng, run + 1, 0, 1, d.now_ns, &dispatch));
	assert_false(eng_dispatch(d.eng, 0, 0, 1, d.now_ns, &dispatch));
	driver_fail(&d, run, "a");
	assert_false(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	assert_true(eng_dispatch(d.eng, run, 0, 2, d.now_ns, &dispatch));
	driver_complete(&d, run, "a");
	assert_false(eng_dispatch(d.eng, run, 0, 2, d.now_ns, &dispatch));
	driver_close(&d);
}

/* An overdue dispatch has no time left, and not an age of it. */
static void
test_cancel__dispatch_timeout_left(void **state)
{
	struct driver d;
	struct eng_dispatch dispatch;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns + 61 * SECOND, &dispatch));
	assert_int_equal(dispatch.timeout_ns, 0);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_cancel__waiting_and_queued),
	    cmocka_unit_test(test_cancel__assigned),
	    cmocka_unit_test(test_cancel__delayed),
	    cmocka_unit_test(test_cancel__leaves_what_has_ended),
	    cmocka_unit_test(test_cancel__on_failure_task_too),
	    cmocka_unit_test(test_cancel__one_task),
	    cmocka_unit_test(test_cancel__again_and_unknown),
	    cmocka_unit_test(test_cancel__late_answers),
	    cmocka_unit_test(test_cancel__duplicate_completion),
	    cmocka_unit_test(test_cancel__older_lease),
	    cmocka_unit_test(test_cancel__wrong_worker),
	    cmocka_unit_test(test_cancel__wrong_task),
	    cmocka_unit_test(test_cancel__provide),
	    cmocka_unit_test(test_cancel__dispatch_refuses_what_is_stale),
	    cmocka_unit_test(test_cancel__dispatch_timeout_left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
