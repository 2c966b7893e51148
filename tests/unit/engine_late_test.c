/* Log lines that come when their attempt, or their run, has ended. */
#include "engine_driver.h"

#include "engine/engine_int.h"

static const struct eng_event *
last_event(const struct driver *d)
{
	return &d->ledger.events[d->ledger.event_count - 1];
}

static void
expect_late(struct driver *d, uint64_t run, const char *task, uint32_t attempt)
{
	struct eng_command command = driver_late_command(d, run, task, attempt);
	size_t records = ledger_run(&d->ledger, run)->record_count;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	const struct eng_event *event = last_event(d);
	assert_int_equal(event->type, ENG_EV_LATE_LOGGED);
	assert_int_equal(event->run, run);
	assert_int_equal(event->run_event_no, records + 1);
	assert_int_equal(event->task, driver_index(d, run, task));
	assert_true(bytes_equal(event->text, bytes_text("late")));
}

static enum froe_err
refused(struct driver *d, const struct eng_command *command)
{
	size_t before = d->ledger.event_count;
	enum froe_err err = driver_try(d, command);
	assert_int_equal(d->ledger.event_count, before);
	assert_string_equal(driver_reply(d)->fault->field, "task");
	return err;
}

/* Dense behind the run's end, and the state goes on from any of them. */
static void
test_late__lines_of_a_closed_run(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	driver_worker(&d, 1, 4, "wf:a wf:b");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	driver_complete(&d, run, "b");
	assert_true(ledger_run(&d.ledger, run)->closed);
	expect_late(&d, run, "a", 1);
	assert_int_equal(last_event(&d)->attempt, 1);
	expect_late(&d, run, "b", 0);
	assert_int_equal(last_event(&d)->attempt, 0);
	driver_crash(&d, SECOND);
	expect_late(&d, run, "a", 1);
	assert_int_equal(eng_closed_records(d.eng, ledger_run(&d.ledger, run)->id),
	    ledger_run(&d.ledger, run)->record_count);
	driver_close(&d);
}

/* Its task has closed, or goes on with another attempt. */
static void
test_late__lines_of_an_open_run(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b<a");
	workflow.tasks[0].retries = 1;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 4, "wf:a wf:b");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	expect_late(&d, run, "a", 1); /* while the second one is under way */
	driver_complete(&d, run, "a");
	expect_late(&d, run, "a", 2);
	expect_late(&d, run, "a", 0);
	assert_int_equal(last_event(&d)->attempt, 2);
	struct eng_command command = driver_late_command(&d, run, "a", 3);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_complete(&d, run, "b");
	expect_late(&d, run, "b", 1);
	driver_close(&d);
}

static void
test_late__of_nothing_that_ran(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command command = driver_late_command(&d, run, "a", 0);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND); /* it waits for a worker */
	struct uuid id = ledger_run(&d.ledger, run)->id;
	command.task.fence.task = uuid_task(id, 2);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	command.task.fence.task = id;
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_cancel(&d, run);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	command.task.fence.task = uuid_task(id, 2);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	command.task.fence.task = uuid_task(driver_id(&d), 0);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_close(&d);
}

static void
test_late__of_another_tenant(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 4, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command command = driver_late_command(&d, run, "a", 0);
	command.tenant.v += 1;
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_complete(&d, run, "a");
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_close(&d);
}

/* As many records as a run may have: here and there. */
static void
test_late__has_its_limit(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 4, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	expect_late(&d, run, "a", 1);
	struct eng_closed *closed =
	    keyset_get_uuid(&d.eng->closed, ledger_run(&d.ledger, run)->id);
	uint32_t records = closed->records;
	closed->records = FROE_RUN_RECORDS_MAX;
	struct eng_command command = driver_late_command(&d, run, "a", 1);
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	closed->records = records & ENG_CLOSED_RECORDS_MAX;
	expect_late(&d, run, "a", 1);
	driver_close(&d);
}

/* The records that a replay knows of must be all there are; then both go on from them. */
static void
test_late__a_replay_knows_all_lines(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 4, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	struct eng_command replay = driver_replay_command(&d, run, 0, bytes_text(""));
	expect_late(&d, run, "a", 1);
	assert_int_equal(driver_try(&d, &replay), FROE_FAILED_PRECONDITION);
	replay = driver_replay_command(&d, run, 0, bytes_text(""));
	assert_int_equal(driver_try(&d, &replay), FROE_OK);
	expect_late(&d, run, "a", 1); /* of before; the second one is under way */
	driver_complete(&d, run, "a");
	assert_true(ledger_run(&d.ledger, run)->closed);
	expect_late(&d, run, "a", 2);
	driver_close(&d);
}

/* What is remembered of a closed run is remembered for a while only. */
static void
test_late__of_a_run_that_is_forgotten(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 4, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_complete(&d, run, "a");
	driver_advance(&d, ENG_CLOSED_TTL_NS);
	driver_complete(&d, driver_start(&d, "wf"), "a"); /* the next end forgets it */
	struct eng_command command = driver_late_command(&d, run, "a", 1);
	assert_int_equal(refused(&d, &command), FROE_NOT_FOUND);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_late__lines_of_a_closed_run),
	    cmocka_unit_test(test_late__lines_of_an_open_run),
	    cmocka_unit_test(test_late__of_nothing_that_ran),
	    cmocka_unit_test(test_late__of_another_tenant),
	    cmocka_unit_test(test_late__has_its_limit),
	    cmocka_unit_test(test_late__a_replay_knows_all_lines),
	    cmocka_unit_test(test_late__of_a_run_that_is_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
