/*
 * Steps of a durable task that are taken beside others: values that come later, the order of
 * results, evictions that name no node.
 */
#include "engine_durable.h"

/* A value that is computed while other steps are taken. */
static void
test_stride__value_given_later(void **state)
{
	struct driver d;
	struct eng_condition value = on_value("plan"), sleep = on_sleep(100);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(
	    durable_wait(&d, run, "a", 1, &value, 1)->node_state, ENG_NODE_PENDING);
	durable_wait(&d, run, "a", 2, &sleep, 1);
	driver_advance(&d, 100 * MS);
	const struct eng_effect *reply = durable_give(&d, run, "a", 1, "plan", "[7]");
	assert_int_equal(reply->node_state, ENG_NODE_DONE);
	assert_true(bytes_equal(
	    record_of(&d, run, reply->record, ENG_EV_NODE_SATISFIED)->payload, bytes_text("[7]")));
	uint32_t record = reply->record;
	assert_int_equal(durable_give(&d, run, "a", 1, "plan", "[8]")->record, record);
	assert_int_equal(driver_task(&d, run, "a")->nodes, 2); /* the first one stays */
	driver_fail(&d, run, "a");
	driver_advance(&d, 60 * SECOND);
	assert_int_equal(durable_wait(&d, run, "a", 1, &value, 1)->record, record);
	assert_int_equal(
	    durable_give(&d, run, "a", 2, "plan", "[7]")->err, FROE_NONDETERMINISM);
	driver_close(&d);
}

static void
test_stride__results_have_an_order(void **state)
{
	struct driver d;
	struct eng_condition long_sleep = on_sleep(200), sleep = on_sleep(100);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(durable_wait(&d, run, "a", 1, &long_sleep, 1)->order, 0);
	durable_wait(&d, run, "a", 2, &sleep, 1);
	assert_int_equal(durable_memo(&d, run, "a", 3, "m", "1")->order, 1);
	driver_advance(&d, 100 * MS);
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->order, 2);
	driver_advance(&d, 100 * MS);
	assert_int_equal(driver_effect(&d, ENG_EFF_NODE, 0)->order, 3);
	assert_int_equal(durable_ask(&d, run, "a", 1)->order, 3);
	assert_int_equal(durable_ask(&d, run, "a", 2)->order, 2);
	assert_int_equal(durable_ask(&d, run, "a", 4)->node_state, ENG_NODE_ABSENT);
	assert_int_equal(durable_ask(&d, run, "a", UINT32_MAX)->node_state, ENG_NODE_ABSENT);
	assert_int_equal(driver_task(&d, run, "a")->nodes, 3); /* asking makes none */
	driver_close(&d);
}

/* A handler that waits for several steps says how many results it has seen: what it has not seen
 * brings it back at once. */
static void
test_stride__evicted_until_there_is_more(void **state)
{
	struct driver d;
	struct eng_condition paid = on_event("paid"), sleep = on_sleep(1000);
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	durable_wait(&d, run, "a", 1, &paid, 1);
	durable_wait(&d, run, "a", 2, &sleep, 1);
	assert_int_equal(driver_push(&d, "paid", bytes_text("1")), FROE_OK);
	assert_int_equal(durable_park(&d, run, "a", 0), FROE_OK);
	assert_int_equal(driver_task(&d, run, "a")->lease, 2); /* back already */
	assert_int_equal(driver_task(&d, run, "a")->attempt, 1);
	assert_int_equal(durable_park(&d, run, "a", 1), FROE_OK);
	assert_task(&d, run, "a", ENG_TASK_EVICTED);
	assert_int_equal(durable_park(&d, run, "a", 1), FROE_LEASE_LAPSED);
	driver_advance(&d, 1000 * MS);
	assert_int_equal(driver_task(&d, run, "a")->lease, 3);
	driver_complete(&d, run, "a");
	driver_close(&d);
}

/* Nothing would ever bring it back. */
static void
test_stride__evicted_for_nothing(void **state)
{
	struct driver d;
	struct eng_condition value = on_value("v");
	(void)state;
	durable_open(&d, 1);
	uint64_t run = driver_start(&d, "wf");
	assert_int_equal(durable_park(&d, run, "a", 0), FROE_OK);
	assert_int_equal(driver_task(&d, run, "a")->lease, 2);
	durable_wait(&d, run, "a", 1, &value, 1);
	assert_int_equal(durable_evict(&d, run, "a", 1), FROE_FAILED_PRECONDITION);
	assert_int_equal(durable_park(&d, run, "a", 0), FROE_OK);
	assert_int_equal(driver_task(&d, run, "a")->lease, 3);
	driver_crash(&d, 300 * MS);
	driver_worker(&d, 2, 1, "wf:a");
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stride__value_given_later),
	    cmocka_unit_test(test_stride__results_have_an_order),
	    cmocka_unit_test(test_stride__evicted_until_there_is_more),
	    cmocka_unit_test(test_stride__evicted_for_nothing),
	};
	return cmocka_run_group_tests_name("engine stride", tests, NULL, NULL);
}
