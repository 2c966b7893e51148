/*
 * Timeouts and delays: exact, restored after a restart, each on its clock.
 */
#include "engine_driver.h"

/* A workflow of one task with these timeouts; 0: none (the execution's default is 60 s). */
static void
timeouts_define(struct driver *d, uint64_t schedule_ms, uint64_t execution_ms, uint64_t run_ms,
    uint32_t retries)
{
	struct workflow workflow;
	workflow_parse(&workflow, &d->arena, "wf", "a");
	workflow.tasks[0].schedule_timeout_ms = schedule_ms;
	workflow.tasks[0].execution_timeout_ms = execution_ms;
	workflow.tasks[0].retries = retries;
	workflow.definition.run_timeout_ms = run_ms;
	driver_put(d, &workflow);
}

static void
test_timer__schedule_timeout(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 5000, 0, 0, 9);
	uint64_t run = driver_start(&d, "wf");
	assert_true(eng_next_deadline_ns(d.eng) == d.now_ns + 5 * SECOND);
	driver_advance(&d, 5 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_advance(&d, 1);
	assert_task(&d, run, "a", ENG_TASK_CANCELLED); /* not a failure: no retry */
	assert_int_equal(driver_task(&d, run, "a")->reason, ENG_REASON_SCHEDULE_TIMEOUT);
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_true(eng_next_deadline_ns(d.eng) == UINT64_MAX);
	driver_close(&d);
}

/* Once assigned, the schedule timeout is over. */
static void
test_timer__schedule_timeout_ends_with_the_wait(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 1000, 3000, 0, 0);
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, 999 * MS);
	driver_worker(&d, 1, 1, "wf:a");
	driver_advance(&d, 2 * SECOND);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "a");
	assert_true(eng_next_deadline_ns(d.eng) == UINT64_MAX);
	driver_close(&d);
}

static void
test_timer__execution_timeout(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 2000, 0, 1);
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_dispatch dispatch;
	d.now_ns += 500 * MS;
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.timeout_ns, 1500 * MS);
	driver_advance(&d, 1500 * MS - 1);
	assert_int_equal(driver_task(&d, run, "a")->lease, 1);
	d.now_ns++;
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	driver_step(&d, &timer);
	const struct eng_effect *revoke = driver_effect(&d, ENG_EFF_REVOKE, 0);
	assert_non_null(revoke);
	assert_int_equal(revoke->worker, worker);
	assert_int_equal(revoke->lease, 1);
	assert_int_equal(revoke->reason, ENG_REASON_TIMED_OUT);
	assert_int_equal(driver_task(&d, run, "a")->lease, 2); /* a retry, at once */
	driver_advance(&d, 2 * SECOND);
	assert_run_closed(&d, run, ENG_FAILED); /* the second time it was the last */
	driver_close(&d);
}

static void
test_timer__execution_timeout_default(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 0, 0, 0);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, 60 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_advance(&d, 1);
	assert_run_closed(&d, run, ENG_FAILED);
	driver_close(&d);
}

static void
test_timer__run_timeout(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 0, 3000, 0);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.timeout_ms = 1000; /* its own */
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t hasty = driver_reply(&d)->run;
	driver_advance(&d, SECOND);
	assert_run_closed(&d, hasty, ENG_CANCELLED);
	assert_int_equal(driver_task(&d, hasty, "a")->reason, ENG_REASON_RUN_TIMEOUT);
	driver_advance(&d, 2 * SECOND - 1);
	assert_run_open(&d, run);
	driver_advance(&d, 1);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static uint64_t
refresh(struct driver *d, uint64_t run, uint64_t add_ms)
{
	struct eng_command command = driver_task_command(d, ENG_CMD_TASK_REFRESH, run, "a");
	command.task.add_ms = add_ms;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	return driver_reply(d)->timeout_ns;
}

static void
test_timer__refresh(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 2000, 0, 0);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, SECOND);
	assert_int_equal(refresh(&d, run, 5000), 6 * SECOND); /* adds to the deadline */
	driver_advance(&d, 6 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_advance(&d, 1);
	assert_run_closed(&d, run, ENG_FAILED);
	driver_close(&d);
}

/* Greedy refreshes end at a hundred years; they do not wrap around into the past. */
static void
test_timer__refresh_without_measure(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 0, 0, 0);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	uint64_t left_ns = 0;
	for (int i = 0; i < 10; i++) {
		uint64_t now_ns = refresh(&d, run, UINT64_MAX);
		assert_true(now_ns >= left_ns);
		left_ns = now_ns;
		driver_advance(&d, 0);
		assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	}
	assert_true(left_ns > UINT64_C(99) * 365 * 86400 * SECOND);
	assert_true(left_ns < UINT64_C(101) * 366 * 86400 * SECOND);
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------- restarts */

/* Uptime deadlines move by the downtime; delays and run deadlines do not. */
static void
test_timer__restart_moves_execution_timeout(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 10000, 0, 0);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, 4 * SECOND);
	driver_crash(&d, 100 * SECOND);
	assert_true(eng_next_deadline_ns(d.eng) == d.now_ns + 6 * SECOND);
	driver_crash(&d, 50 * SECOND); /* and once more */
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 0, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.timeout_ns, 6 * SECOND);
	driver_advance(&d, 6 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_advance(&d, 1);
	assert_run_closed(&d, run, ENG_FAILED);
	driver_close(&d);
}

static void
test_timer__restart_moves_schedule_timeout(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 10000, 0, 0, 0);
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, 9 * SECOND);
	driver_crash(&d, 3600 * SECOND);
	driver_advance(&d, SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_advance(&d, 1);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_timer__restart_keeps_run_deadline(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 0, 0, 10000, 0);
	uint64_t run = driver_start(&d, "wf"), late;
	driver_advance(&d, 4 * SECOND);
	late = driver_start(&d, "wf");
	driver_crash(&d, 9 * SECOND);
	driver_advance(&d, 0); /* due while it was down: at once */
	assert_run_closed(&d, run, ENG_CANCELLED);
	assert_run_open(&d, late);
	driver_advance(&d, SECOND);
	assert_run_closed(&d, late, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_timer__restart_keeps_delay(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 3;
	workflow.tasks[0].backoff.kind = ENG_BACKOFF_CONSTANT;
	workflow.tasks[0].backoff.initial_ms = 10000;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	driver_crash(&d, 4 * SECOND);
	assert_true(eng_next_deadline_ns(d.eng) == d.now_ns + 6 * SECOND);
	driver_advance(&d, 6 * SECOND);
	assert_task(&d, run, "a", ENG_TASK_QUEUED); /* its worker has not come back */
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------- overdue */

/* After a stall all that is overdue fires in the order of its deadlines, over both clocks. */
static void
test_timer__overdue_in_order(void **state)
{
	static const uint64_t deadlines_ms[] = {7000, 1000, 4000, 6000, 2000, 3000, 5000};
	enum { COUNT = sizeof(deadlines_ms) / sizeof(deadlines_ms[0]) };
	struct driver d;
	uint64_t runs[COUNT];
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	(void)state;
	driver_open(&d);
	driver_crash(&d, 1000 * SECOND); /* so that the clocks differ */
	for (size_t i = 0; i < COUNT; i++) {
		bool uptime = i % 2 == 0;
		timeouts_define(&d, uptime ? deadlines_ms[i] : 0, 0, uptime ? 0 : deadlines_ms[i],
		    0);
		runs[i] = driver_start(&d, "wf");
	}
	d.now_ns += 3600 * SECOND;
	for (uint64_t deadline_ms = 1000; deadline_ms <= 7000; deadline_ms += 1000) {
		driver_step(&d, &timer);
		for (size_t i = 0; i < COUNT; i++) {
			bool closed = ledger_run(&d.ledger, runs[i])->closed;
			assert_int_equal(closed, deadlines_ms[i] <= deadline_ms);
		}
	}
	driver_step(&d, &timer); /* nothing is due: nothing happens */
	assert_int_equal(d.out->event_count, 0);
	assert_int_equal(d.out->effect_count, 0);
	driver_close(&d);
}

/* One command decides one timer, however many are due. */
static void
test_timer__one_a_step(void **state)
{
	struct driver d;
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 1000, 0, 0, 0);
	for (int i = 0; i < 10; i++)
		driver_start(&d, "wf");
	d.now_ns += SECOND;
	for (int i = 0; i < 10; i++) {
		assert_true(eng_next_deadline_ns(d.eng) <= d.now_ns);
		driver_step(&d, &timer);
		assert_int_equal(driver_events(&d, ENG_EV_RUN_CLOSED), 1);
	}
	assert_true(eng_next_deadline_ns(d.eng) == UINT64_MAX);
	driver_close(&d);
}

/* A timer that fires early finds nothing. */
static void
test_timer__not_before_its_time(void **state)
{
	struct driver d;
	struct eng_command timer = {.type = ENG_CMD_TIMER};
	(void)state;
	driver_open(&d);
	timeouts_define(&d, 1000, 0, 0, 0);
	driver_start(&d, "wf");
	for (uint64_t ns = 1; ns < SECOND; ns = ns * 3 + 1) {
		driver_step(&d, &timer);
		assert_int_equal(d.out->event_count, 0);
		d.now_ns = START_NS + ns;
	}
	driver_close(&d);
}

/* One task, exactly once, whose next attempt waits delay_ms. */
static void
once_define(struct driver *d, uint64_t delay_ms)
{
	struct workflow workflow;
	workflow_parse(&workflow, &d->arena, "wf", "a");
	workflow.tasks[0].delivery = ENG_EXACTLY_ONCE;
	workflow.tasks[0].retries = 1;
	workflow.tasks[0].execution_timeout_ms = 1000;
	workflow.tasks[0].backoff.kind = delay_ms != 0 ? ENG_BACKOFF_CONSTANT : ENG_BACKOFF_NONE;
	workflow.tasks[0].backoff.initial_ms = delay_ms;
	driver_put(d, &workflow);
	d->lapse_ns = 30 * SECOND;
}

/* The lost worker counts its own time: that the wall clock jumps ahead while the engine is down
 * does not end what it does. */
static void
test_timer__lapse_is_on_uptime(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	once_define(&d, 0);
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true);
	assert_task(&d, run, "a", ENG_TASK_DELAYED);
	driver_advance(&d, 10 * SECOND);
	driver_crash(&d, 7200 * SECOND);
	driver_worker(&d, 2, 1, "wf:a");
	driver_advance(&d, 20 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_DELAYED);
	driver_advance(&d, 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "a");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

/* When the old lease has lapsed the delay may still go on. */
static void
test_timer__lapse_and_delay(void **state)
{
	struct driver d;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	once_define(&d, 50000);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_advance(&d, 1 * SECOND); /* timed out */
	assert_true(eng_why(d.eng, run, 0, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_LAPSE);
	assert_true(why.until_ns == d.now_ns + 50 * SECOND);
	driver_advance(&d, 30 * SECOND);
	assert_true(eng_why(d.eng, run, 0, false, ENG_WHY_COUNT_MAX, &why));
	assert_int_equal(why.kind, ENG_WHY_TIMER);
	driver_advance(&d, 20 * SECOND - 1);
	assert_task(&d, run, "a", ENG_TASK_DELAYED);
	driver_advance(&d, 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "a");
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_timer__schedule_timeout),
	    cmocka_unit_test(test_timer__schedule_timeout_ends_with_the_wait),
	    cmocka_unit_test(test_timer__execution_timeout),
	    cmocka_unit_test(test_timer__execution_timeout_default),
	    cmocka_unit_test(test_timer__run_timeout),
	    cmocka_unit_test(test_timer__refresh),
	    cmocka_unit_test(test_timer__refresh_without_measure),
	    cmocka_unit_test(test_timer__restart_moves_execution_timeout),
	    cmocka_unit_test(test_timer__restart_moves_schedule_timeout),
	    cmocka_unit_test(test_timer__restart_keeps_run_deadline),
	    cmocka_unit_test(test_timer__restart_keeps_delay),
	    cmocka_unit_test(test_timer__overdue_in_order),
	    cmocka_unit_test(test_timer__one_a_step),
	    cmocka_unit_test(test_timer__not_before_its_time),
	    cmocka_unit_test(test_timer__lapse_is_on_uptime),
	    cmocka_unit_test(test_timer__lapse_and_delay),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
