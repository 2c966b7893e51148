/*
 * Runs and tenants by their ids and names: duplicates, bad ids, what is remembered of closed runs,
 * and that no tenant learns of another's.
 */
#include "engine_driver.h"

#include "engine/engine_int.h"

/* Starts again with the run's id; the reply. */
static const struct eng_effect *
start_again(struct driver *d, uint64_t run)
{
	struct eng_command command = driver_start_command(d, "wf");
	command.run_start.run = ledger_run(&d->ledger, run)->id;
	driver_step(d, &command);
	return driver_reply(d);
}

static void
test_run__duplicate_id(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_start(&d, "wf");
	uint64_t run = driver_start(&d, "wf");
	const struct eng_effect *reply = start_again(&d, run);
	assert_int_equal(reply->err, FROE_ALREADY_EXISTS);
	assert_int_equal(reply->run, run); /* so that a repeated trigger finds its run */
	assert_true(uuid_equal(reply->id, ledger_run(&d.ledger, run)->id));
	driver_cancel(&d, run);
	reply = start_again(&d, run); /* closed ones are remembered */
	assert_int_equal(reply->err, FROE_ALREADY_EXISTS);
	assert_int_equal(reply->run, run);
	driver_crash(&d, SECOND); /* also over a restart */
	assert_int_equal(start_again(&d, run)->run, run);
	uint64_t key;
	enum eng_status status;
	assert_true(
	    eng_closed_find(d.eng, d.tenant, ledger_run(&d.ledger, run)->id, &key, &status));
	assert_int_equal(key, run);
	assert_int_equal(status, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_run__bad_ids(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = driver_start_command(&d, "wf");
	struct uuid good = command.run_start.run;
	const struct uuid bad[] = {{{0}}, uuid_task(good, 0), uuid_task(good, 999),
	    uuid_task(good, 255)};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		command.run_start.run = bad[i];
		assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
		assert_string_equal(driver_reply(&d)->fault->field, "run");
	}
	command.run_start.run = good;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_run__unknown_workflow(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	struct eng_command command = driver_start_command(&d, "no\x1bsuch\xff");
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND); /* its text: driver_step() */
	command.run_start.workflow = bytes_of(NULL, 0);
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND);
	driver_close(&d);
}

static void
test_run__find(void **state)
{
	struct driver d;
	uint64_t key;
	enum eng_status status;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf");
	struct uuid id = ledger_run(&d.ledger, run)->id;
	assert_true(eng_run_find(d.eng, d.tenant, id, &key));
	assert_int_equal(key, run);
	assert_false(eng_run_find(d.eng, (struct eng_tenant_id){d.tenant.v + 1}, id, &key));
	assert_false(eng_run_find(d.eng, d.tenant, uuid_task(id, 0), &key));
	assert_false(eng_run_status(d.eng, 0, &status));
	assert_false(eng_run_status(d.eng, run + 1, &status));
	assert_false(eng_run_status(d.eng, UINT64_MAX, &status));
	driver_close(&d);
}

/* Bytes of callers are within the bound that is asked of the log: driver_step(). */
static void
test_run__large_bytes(void **state)
{
	static uint8_t large[FROE_PAYLOAD_BYTES_MAX];
	struct driver d;
	struct workflow workflow;
	(void)state;
	memset(large, 'x', sizeof(large));
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b");
	workflow_encode(&workflow);
	struct eng_command command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	command.workflow_put.definition = workflow.definition;
	command.workflow_put.definition.encoded = bytes_of(large, FROE_DEFINITION_BYTES_MAX);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_worker(&d, 1, 2, "wf:a wf:b");
	command = driver_start_command(&d, "wf");
	command.run_start.input = bytes_of(large, sizeof(large));
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t run = driver_reply(&d)->run;
	static const enum eng_command_type types[] = {ENG_CMD_TASK_LOG, ENG_CMD_TASK_COMPLETE,
	    ENG_CMD_TASK_FAIL};
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		command = driver_task_command(&d, types[i], run, i < 2 ? "a" : "b");
		command.task.bytes = bytes_of(large, sizeof(large));
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	assert_run_closed(&d, run, ENG_FAILED);
	command = driver_command(&d, ENG_CMD_RUN_CANCEL);
	command.run_cancel.run = ledger_run(&d.ledger, driver_start(&d, "wf"))->id;
	command.run_cancel.reason = bytes_of(large, sizeof(large));
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

/* -------------------------------------------------------------------------------- closed runs */

/* A day later it is forgotten, as soon as another run closes; then the id is free again. */
static void
test_run__closed_are_forgotten_in_time(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), other = driver_start(&d, "wf");
	driver_cancel(&d, run);
	driver_advance(&d, ENG_CLOSED_TTL_NS - 1);
	driver_cancel(&d, other);
	assert_int_equal(start_again(&d, run)->err, FROE_ALREADY_EXISTS);
	driver_advance(&d, 1);
	driver_cancel(&d, driver_start(&d, "wf"));
	assert_int_equal(start_again(&d, other)->err, FROE_ALREADY_EXISTS);
	assert_int_equal(start_again(&d, run)->err, FROE_OK);
	assert_int_not_equal(driver_reply(&d)->run, run);
	driver_close(&d);
}

/* After a busy day and a quiet one, a close forgets a few ids, not all of them at once. */
static void
test_run__forgetting_is_bounded(void **state)
{
	enum { COUNT = 500 };
	struct driver d;
	(void)state;
	driver_open(&d);
	d.check_every = 100;
	driver_define(&d, "wf", "a");
	for (int i = 0; i < COUNT; i++)
		driver_cancel(&d, driver_start(&d, "wf"));
	assert_int_equal(d.eng->closed_count, COUNT);
	driver_advance(&d, ENG_CLOSED_TTL_NS + 1);
	uint64_t left = COUNT;
	for (int closes = 0; left > 100; closes++) {
		assert_true(closes < COUNT / (int)ENG_CLOSED_FORGOTTEN_MAX + 1);
		driver_cancel(&d, driver_start(&d, "wf"));
		assert_true(d.eng->closed_count + ENG_CLOSED_FORGOTTEN_MAX >= left);
		left = d.eng->closed_count;
	}
	driver_close(&d);
}

static void
apply_all(struct eng *eng, const struct eng_event *events, size_t count)
{
	struct froe_fault fault;
	for (size_t i = 0; i < count; i++) {
		if (eng_apply_logged(eng, &events[i], &fault) != FROE_OK)
			fail_msg("%s", fault.text);
	}
}

static struct uuid
numbered_id(uint64_t number)
{
	struct uuid id = {{1}};
	memcpy(id.bytes + 4, &number, sizeof(number));
	return id;
}

/* A million ids and no more, the oldest go. Straight from events: a driver would take too long. */
static void
test_run__closed_memory_is_bounded(void **state)
{
	struct driver d;
	uint64_t key;
	enum eng_status status;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_event events[] = {
	    {.type = ENG_EV_RUN_STARTED, .tenant = d.tenant.v, .workflow = 1, .version = 1,
	        .priority = 1, .run_event_no = 1},
	    {.type = ENG_EV_TASK_CANCELLED, .run_event_no = 2},
	    {.type = ENG_EV_RUN_CLOSED, .status = ENG_CANCELLED, .run_event_no = 3},
	};
	for (uint64_t n = 1; n <= ENG_CLOSED_MAX + 100; n++) {
		for (size_t i = 0; i < 3; i++) {
			events[i].run = n;
			events[i].time_ns = START_NS;
		}
		events[0].id = numbered_id(n);
		apply_all(d.eng, events, 3);
	}
	assert_int_equal(d.eng->closed_count, ENG_CLOSED_MAX);
	assert_int_equal(d.eng->stock.used, ENG_CLOSED_MAX + 1); /* a page of runs_by_key */
	assert_false(eng_closed_find(d.eng, d.tenant, numbered_id(100), &key, &status));
	assert_true(eng_closed_find(d.eng, d.tenant, numbered_id(101), &key, &status));
	assert_int_equal(key, 101);
	eng_check(d.eng);
	eng_close(d.eng);
	ledger_release(&d.ledger);
	arena_release(&d.arena);
}

/* ------------------------------------------------------------------------------------- tenants */

static void
test_run__tenants(void **state)
{
	static const uint8_t latin[] = {'a', 0xe4};
	static uint8_t longest[FROE_NAME_BYTES_MAX + 1];
	struct driver d;
	(void)state;
	driver_open(&d);
	uint64_t hash = eng_hash(d.eng);
	assert_int_equal(driver_tenant(&d, "acme").v, d.tenant.v);
	assert_int_equal(d.out->event_count, 0);
	assert_true(eng_hash(d.eng) == hash);
	assert_int_equal(driver_tenant(&d, "other").v, d.tenant.v + 1);
	assert_true(bytes_equal(eng_tenant_name(d.eng, d.tenant), bytes_text("acme")));
	assert_int_equal(eng_tenant_name(d.eng, (struct eng_tenant_id){0}).size, 0);
	assert_int_equal(eng_tenant_name(d.eng, (struct eng_tenant_id){99}).size, 0);
	memset(longest, 't', sizeof(longest));
	const struct bytes bad[] = {bytes_of(NULL, 0), bytes_of(latin, sizeof(latin)),
	    bytes_of(longest, sizeof(longest))};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct eng_command command = {.type = ENG_CMD_TENANT_OPEN};
		command.tenant_open.name = bad[i];
		assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	}
	driver_close(&d);
}

static void
test_run__tenants_are_apart(void **state)
{
	struct driver d;
	uint64_t key;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), closed = driver_start(&d, "wf");
	struct eng_tenant_id acme = d.tenant;
	driver_cancel(&d, closed);
	d.tenant = driver_tenant(&d, "other");
	driver_define(&d, "wf", "a");
	assert_int_equal(driver_cancel(&d, run), FROE_NOT_FOUND);
	assert_int_equal(driver_cancel(&d, closed), FROE_NOT_FOUND); /* as if it had never been */
	assert_false(eng_run_find(d.eng, d.tenant, ledger_run(&d.ledger, run)->id, &key));
	assert_int_equal(start_again(&d, run)->err, FROE_ALREADY_EXISTS);
	assert_int_equal(driver_reply(&d)->run, 0); /* no handle on another's run */
	assert_int_equal(start_again(&d, closed)->err, FROE_ALREADY_EXISTS);
	assert_int_equal(driver_reply(&d)->run, 0);
	assert_run_open(&d, run);
	d.tenant = acme;
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	driver_close(&d);
}

/* What one tenant has queued does not hold up another. */
static void
test_run__tenants_do_not_wait(void **state)
{
	struct driver d;
	uint64_t greedy[20], modest;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	for (int i = 0; i < 20; i++)
		greedy[i] = driver_start(&d, "wf");
	struct eng_tenant_id acme = d.tenant;
	d.tenant = driver_tenant(&d, "other");
	driver_define(&d, "wf", "a");
	modest = driver_start(&d, "wf");
	driver_worker(&d, 1, 1, "wf:a");
	assert_task(&d, modest, "a", ENG_TASK_ASSIGNED);
	d.tenant = acme;
	driver_worker(&d, 2, 1, "wf:a");
	assert_task(&d, greedy[0], "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_run__duplicate_id),
	    cmocka_unit_test(test_run__bad_ids),
	    cmocka_unit_test(test_run__unknown_workflow),
	    cmocka_unit_test(test_run__find),
	    cmocka_unit_test(test_run__large_bytes),
	    cmocka_unit_test(test_run__closed_are_forgotten_in_time),
	    cmocka_unit_test(test_run__forgetting_is_bounded),
	    cmocka_unit_test(test_run__closed_memory_is_bounded),
	    cmocka_unit_test(test_run__tenants),
	    cmocka_unit_test(test_run__tenants_are_apart),
	    cmocka_unit_test(test_run__tenants_do_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
