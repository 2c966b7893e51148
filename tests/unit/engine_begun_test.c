/*
 * Who has begun: a holder's word that outlives a restart, and what is given back without it.
 */
#include "engine/holder.h"

#include "engine_driver.h"

static enum froe_err
say(struct driver *d, enum eng_command_type type, uint64_t run, const char *task)
{
	struct eng_command command = driver_task_command(d, type, run, task);
	return driver_try(d, &command);
}

static bool
held_begun(void *context, const struct eng_lease_view *view)
{
	*(bool *)context = view->begun;
	return true;
}

static bool
begun(const struct driver *d, uint64_t worker)
{
	bool is = false;
	eng_worker_leases(d->eng, worker, held_begun, &is);
	return is;
}

/* Said once or twice, it is one record, which goes with the lease. */
static void
test_begun__kept(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	assert_false(begun(&d, worker));
	assert_int_equal(say(&d, ENG_CMD_TASK_BEGIN, run, "a"), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_TASK_BEGUN), 1);
	assert_int_equal(say(&d, ENG_CMD_TASK_BEGIN, run, "a"), FROE_OK);
	assert_int_equal(d.out->event_count, 0);
	assert_true(begun(&d, worker));
	eng_close(driver_reload(&d, d.eng));
	assert_int_equal(say(&d, ENG_CMD_TASK_RETURN, run, "a"), FROE_FAILED_PRECONDITION);
	assert_int_equal(d.out->event_count, 0);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true);
	worker = driver_worker(&d, 2, 1, "wf:a");
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	assert_false(begun(&d, worker));
	driver_close(&d);
}

/* What did not arrive counts as nothing, and is the next to be given out. */
static void
test_begun__given_back(void **state)
{
	struct driver d;
	uint64_t runs[2];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	runs[0] = driver_start(&d, "wf");
	runs[1] = driver_start(&d, "wf");
	struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_BEGIN, runs[0], "a");
	assert_int_equal(say(&d, ENG_CMD_TASK_RETURN, runs[0], "a"), FROE_OK);
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED); /* in front of the other one */
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED);
	assert_int_equal(driver_task(&d, runs[0], "a")->lease, 2);
	assert_int_equal(driver_events(&d, ENG_EV_ATTEMPT_ENDED), 1);
	assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
	late.type = ENG_CMD_TASK_RETURN;
	assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
	assert_int_equal(d.out->event_count, 0);
	driver_close(&d);
}

/* It has not begun: the next attempt of an exactly-once task need not wait for the lease. One that
 * is sent at most once has failed. */
static void
test_begun__deliveries(void **state)
{
	for (uint32_t delivery = ENG_AT_MOST_ONCE; delivery <= ENG_EXACTLY_ONCE; delivery++) {
		struct driver d;
		struct workflow workflow;
		(void)state;
		driver_open(&d);
		d.lapse_ns = 30 * SECOND;
		workflow_parse(&workflow, &d.arena, "wf", "a");
		workflow.tasks[0].delivery = delivery;
		driver_put(&d, &workflow);
		driver_worker(&d, 1, 1, "wf:a");
		uint64_t run = driver_start(&d, "wf");
		assert_int_equal(say(&d, ENG_CMD_TASK_RETURN, run, "a"), FROE_OK);
		if (delivery == ENG_AT_MOST_ONCE) {
			assert_run_closed(&d, run, ENG_FAILED);
			assert_int_equal(
			    driver_task(&d, run, "a")->reason, ENG_REASON_NOT_DELIVERED);
		} else {
			assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
		}
		driver_close(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_begun__kept),
	    cmocka_unit_test(test_begun__given_back),
	    cmocka_unit_test(test_begun__deliveries),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
