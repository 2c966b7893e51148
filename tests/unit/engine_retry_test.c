/*
 * How an attempt that ended without a result goes on: again, later, or never.
 */
#include "engine_driver.h"

struct retry {
	struct driver d;
	struct workflow workflow;
	uint64_t run;
};

/* A one-task workflow whose task has this backoff and these retries, running. */
static void
retry_open(struct retry *retry, const struct eng_backoff *backoff, uint32_t retries)
{
	driver_open(&retry->d);
	workflow_parse(&retry->workflow, &retry->d.arena, "wf", "a");
	retry->workflow.tasks[0].retries = retries;
	retry->workflow.tasks[0].backoff = *backoff;
	driver_put(&retry->d, &retry->workflow);
	driver_worker(&retry->d, 1, 1, "wf:a");
	retry->run = driver_start(&retry->d, "wf");
}

/* Fails the attempt and checks that the next comes exactly after the delay. */
static void
retry_after(struct retry *retry, uint64_t delay_ms)
{
	struct driver *d = &retry->d;
	driver_fail(d, retry->run, "a");
	if (delay_ms != 0) {
		assert_task(d, retry->run, "a", ENG_TASK_DELAYED);
		assert_true(eng_next_deadline_ns(d->eng) <= d->now_ns + delay_ms * MS);
		driver_advance(d, delay_ms * MS - 1);
		assert_task(d, retry->run, "a", ENG_TASK_DELAYED);
		driver_advance(d, 1);
	}
	assert_task(d, retry->run, "a", ENG_TASK_ASSIGNED);
}

static void
fail_fatal(struct driver *driver, uint64_t run, const char *name)
{
	struct eng_command command = driver_task_command(driver, ENG_CMD_TASK_FAIL, run, name);
	command.task.fatal = true;
	assert_int_equal(driver_try(driver, &command), FROE_OK);
}

static void
test_retry__at_once(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {.kind = ENG_BACKOFF_NONE};
	(void)state;
	retry_open(&r, &backoff, 2);
	retry_after(&r, 0);
	assert_int_equal(driver_task(&r.d, r.run, "a")->attempt, 2);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(r.d.eng, r.run, 0, 2, r.d.now_ns, &dispatch));
	assert_int_equal(dispatch.attempt, 2);
	assert_int_equal(dispatch.retries, 1);
	retry_after(&r, 0);
	driver_fail(&r.d, r.run, "a"); /* the first attempt and two retries: enough */
	assert_run_closed(&r.d, r.run, ENG_FAILED);
	assert_int_equal(driver_task(&r.d, r.run, "a")->lease, 3);
	driver_close(&r.d);
}

static void
test_retry__none(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {.kind = ENG_BACKOFF_CONSTANT, .initial_ms = 10};
	(void)state;
	retry_open(&r, &backoff, 0);
	driver_fail(&r.d, r.run, "a");
	assert_run_closed(&r.d, r.run, ENG_FAILED);
	driver_close(&r.d);
}

static void
test_retry__constant(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {.kind = ENG_BACKOFF_CONSTANT, .initial_ms = 250};
	(void)state;
	retry_open(&r, &backoff, 3);
	for (int i = 0; i < 3; i++)
		retry_after(&r, 250);
	driver_complete(&r.d, r.run, "a");
	assert_run_closed(&r.d, r.run, ENG_COMPLETED);
	driver_close(&r.d);
}

static void
test_retry__linear(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_LINEAR,
	    .initial_ms = 1000,
	    .max_ms = 2500,
	};
	(void)state;
	retry_open(&r, &backoff, 4);
	retry_after(&r, 1000);
	retry_after(&r, 2000);
	retry_after(&r, 2500);
	retry_after(&r, 2500);
	driver_close(&r.d);
}

static void
test_retry__exponential(void **state)
{
	static const uint64_t delays[] = {100, 300, 900, 2700, 5000, 5000};
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_EXPONENTIAL,
	    .initial_ms = 100,
	    .factor = 3,
	    .max_ms = 5000,
	};
	(void)state;
	retry_open(&r, &backoff, 6);
	for (size_t i = 0; i < sizeof(delays) / sizeof(delays[0]); i++)
		retry_after(&r, delays[i]);
	driver_close(&r.d);
}

/* The defaults are a factor of 2 and a day; a thousandth doubling does not overflow. */
static void
test_retry__exponential_defaults(void **state)
{
	const uint64_t day_ms = 86400000;
	struct retry r;
	struct eng_backoff backoff = {.kind = ENG_BACKOFF_EXPONENTIAL, .initial_ms = 1000};
	uint64_t delay_ms = 1000;
	(void)state;
	retry_open(&r, &backoff, 1100);
	for (int i = 0; i < 1100; i++) {
		retry_after(&r, delay_ms);
		delay_ms = delay_ms * 2 < day_ms ? delay_ms * 2 : day_ms;
	}
	driver_close(&r.d);
}

/* A factor of 1 never reaches the limit. */
static void
test_retry__exponential_factor_one(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_EXPONENTIAL,
	    .initial_ms = 7,
	    .factor = 1,
	};
	(void)state;
	retry_open(&r, &backoff, 2000);
	r.d.check_every = 100;
	for (int i = 0; i < 2000; i++)
		retry_after(&r, 7);
	driver_close(&r.d);
}

static void
test_retry__table(void **state)
{
	static const uint64_t table_ms[] = {5, 0, 60000};
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_TABLE,
	    .table_ms = table_ms,
	    .table_count = 3,
	};
	(void)state;
	retry_open(&r, &backoff, 5);
	retry_after(&r, 5);
	retry_after(&r, 0);
	retry_after(&r, 60000);
	retry_after(&r, 60000); /* the last row repeats */
	driver_close(&r.d);
}

/* The delay is shortened by up to the jitter's share, and all of that span is used. */
static void
test_retry__jitter(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_CONSTANT,
	    .initial_ms = 1000,
	    .jitter_percent = 20,
	};
	uint64_t shortest_ns = UINT64_MAX, longest_ns = 0;
	(void)state;
	retry_open(&r, &backoff, 1000);
	r.d.check_every = 100;
	for (int i = 0; i < 1000; i++) {
		driver_fail(&r.d, r.run, "a");
		uint64_t delay_ns = driver_task(&r.d, r.run, "a")->deadline_ns - r.d.now_ns;
		assert_in_range(delay_ns, 800 * MS, 1000 * MS);
		shortest_ns = delay_ns < shortest_ns ? delay_ns : shortest_ns;
		longest_ns = delay_ns > longest_ns ? delay_ns : longest_ns;
		driver_advance(&r.d, 1000 * MS);
	}
	assert_true(shortest_ns < 805 * MS);
	assert_true(longest_ns > 995 * MS);
	driver_close(&r.d);
}

static void
test_retry__retry_after(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {
	    .kind = ENG_BACKOFF_CONSTANT,
	    .initial_ms = 10,
	    .jitter_percent = 100,
	};
	(void)state;
	retry_open(&r, &backoff, 2);
	struct eng_command command = driver_task_command(&r.d, ENG_CMD_TASK_FAIL, r.run, "a");
	command.task.retry_after_ms = 90000;
	assert_int_equal(driver_try(&r.d, &command), FROE_OK);
	assert_int_equal(driver_task(&r.d, r.run, "a")->deadline_ns - r.d.now_ns, 90 * SECOND);
	driver_advance(&r.d, 90 * SECOND);
	command = driver_task_command(&r.d, ENG_CMD_TASK_FAIL, r.run, "a");
	command.task.retry_after_ms = UINT64_MAX; /* hostile: cut to a hundred years */
	assert_int_equal(driver_try(&r.d, &command), FROE_OK);
	assert_true(driver_task(&r.d, r.run, "a")->deadline_ns > r.d.now_ns);
	assert_true(driver_task(&r.d, r.run, "a")->deadline_ns < UINT64_MAX / 2);
	driver_close(&r.d);
}

/* retry_after says when, not whether. */
static void
test_retry__retry_after_needs_a_retry(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {0};
	(void)state;
	retry_open(&r, &backoff, 0);
	struct eng_command command = driver_task_command(&r.d, ENG_CMD_TASK_FAIL, r.run, "a");
	command.task.retry_after_ms = 10;
	assert_int_equal(driver_try(&r.d, &command), FROE_OK);
	assert_run_closed(&r.d, r.run, ENG_FAILED);
	driver_close(&r.d);
}

static void
test_retry__fatal(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {0};
	(void)state;
	retry_open(&r, &backoff, 100);
	fail_fatal(&r.d, r.run, "a");
	assert_run_closed(&r.d, r.run, ENG_FAILED);
	assert_int_equal(driver_task(&r.d, r.run, "a")->reason, ENG_REASON_FATAL);
	const struct eng_effect *closed = driver_effect(&r.d, ENG_EFF_RUN_CLOSED, 0);
	const struct eng_event *error =
	    ledger_record(&r.d.ledger, r.run, closed->refs[0].record);
	assert_true(bytes_equal(error->text, bytes_text("it broke")));
	driver_close(&r.d);
}

/* A failure gives the slot back while the retry waits for its time. */
static void
test_retry__delay_holds_no_slot(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {.kind = ENG_BACKOFF_CONSTANT, .initial_ms = 1000};
	(void)state;
	retry_open(&r, &backoff, 1);
	uint64_t second = driver_start(&r.d, "wf");
	assert_task(&r.d, second, "a", ENG_TASK_QUEUED);
	driver_fail(&r.d, r.run, "a");
	assert_task(&r.d, second, "a", ENG_TASK_ASSIGNED);
	driver_close(&r.d);
}

/* --------------------------------------------------------------------------------- priorities */

static uint64_t
start_priority(struct driver *d, uint32_t priority)
{
	struct eng_command command = driver_start_command(d, "wf");
	command.run_start.priority = priority;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	return driver_reply(d)->run;
}

/* One slot; each completion must let the next of `order` run. */
static void
expect_order(struct driver *d, const uint64_t *order, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_task(d, order[i], "a", ENG_TASK_ASSIGNED);
		driver_complete(d, order[i], "a");
	}
}

static void
test_retry__priorities(void **state)
{
	struct driver d;
	uint64_t low[2], middle[2], high[2];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	for (int i = 0; i < 2; i++) {
		low[i] = start_priority(&d, i == 0 ? 0 : 1); /* 0: the workflow's, which is 1 */
		high[i] = start_priority(&d, 3);
		middle[i] = start_priority(&d, 2);
	}
	driver_worker(&d, 1, 1, "wf:a");
	const uint64_t order[] = {high[0], high[1], middle[0], middle[1], low[0], low[1]};
	expect_order(&d, order, 6);
	driver_close(&d);
}

static void
test_retry__workflow_priority(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.definition.priority = 2;
	driver_put(&d, &workflow);
	const uint64_t order[] = {start_priority(&d, 0), start_priority(&d, 2),
	    start_priority(&d, 1)};
	assert_int_equal(ledger_run(&d.ledger, order[0])->priority, 2);
	driver_worker(&d, 1, 1, "wf:a");
	expect_order(&d, order, 3);
	driver_close(&d);
}

/* A retry of a low priority goes before a first attempt of the highest. */
static void
test_retry__retries_go_first(void **state)
{
	struct retry r;
	struct eng_backoff backoff = {0};
	(void)state;
	retry_open(&r, &backoff, 5);
	uint64_t high = start_priority(&r.d, 3);
	driver_fail(&r.d, r.run, "a");
	assert_task(&r.d, r.run, "a", ENG_TASK_ASSIGNED);
	assert_task(&r.d, high, "a", ENG_TASK_QUEUED);
	driver_close(&r.d);
}

static void
test_retry__bad_priority(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.priority = 4; /* the engine's own, for retries */
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "priority");
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_retry__at_once),
	    cmocka_unit_test(test_retry__none),
	    cmocka_unit_test(test_retry__constant),
	    cmocka_unit_test(test_retry__linear),
	    cmocka_unit_test(test_retry__exponential),
	    cmocka_unit_test(test_retry__exponential_defaults),
	    cmocka_unit_test(test_retry__exponential_factor_one),
	    cmocka_unit_test(test_retry__table),
	    cmocka_unit_test(test_retry__jitter),
	    cmocka_unit_test(test_retry__retry_after),
	    cmocka_unit_test(test_retry__retry_after_needs_a_retry),
	    cmocka_unit_test(test_retry__fatal),
	    cmocka_unit_test(test_retry__delay_holds_no_slot),
	    cmocka_unit_test(test_retry__priorities),
	    cmocka_unit_test(test_retry__workflow_priority),
	    cmocka_unit_test(test_retry__retries_go_first),
	    cmocka_unit_test(test_retry__bad_priority),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
