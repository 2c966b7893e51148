/*
 * Triggers: idempotency keys, many at once, at a time.
 */
#include "engine_driver.h"

#include "froe/limits.h"

static struct eng_command
key_command(struct driver *d, const char *key)
{
	struct eng_command command = driver_start_command(d, "wf");
	command.run_start.key = bytes_text(key);
	return command;
}

/* Starts with a key; the number of the run that answers. */
static uint64_t
start_keyed(struct driver *d, struct eng_command command, bool created)
{
	assert_int_equal(driver_try(d, &command), FROE_OK);
	const struct eng_effect *reply = driver_reply(d);
	assert_int_equal(reply->started_count, 1);
	assert_int_equal(reply->started->created, created);
	assert_int_equal(driver_events(d, ENG_EV_RUN_STARTED), created ? 1 : 0);
	assert_true(reply->started->run == reply->run);
	return reply->run;
}

/* ---------------------------------------------------------------------------------------- keys */

static void
test_start__key_answers_with_the_first_run(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t first = start_keyed(&d, key_command(&d, "k"), true);
	assert_true(start_keyed(&d, key_command(&d, "k"), false) == first);
	assert_true(uuid_equal(driver_reply(&d)->id, ledger_run(&d.ledger, first)->id));
	assert_int_equal(driver_reply(&d)->started->status, ENG_QUEUED);
	uint64_t other = start_keyed(&d, key_command(&d, "k2"), true);
	driver_crash(&d, SECOND);
	driver_worker(&d, 1, 1, "wf:a");
	assert_true(start_keyed(&d, key_command(&d, "k"), false) == first);
	assert_int_equal(driver_reply(&d)->started->status, ENG_RUNNING);
	driver_complete(&d, first, "a");
	assert_true(start_keyed(&d, key_command(&d, "k"), false) == first);
	assert_int_equal(driver_reply(&d)->started->status, ENG_COMPLETED);
	driver_cancel(&d, other);
	driver_close(&d);
}

/* To the nanosecond, and whether or not it was forgotten. */
static void
test_start__key_has_its_time(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = key_command(&d, "k");
	command.run_start.key_ttl_ms = 500;
	uint64_t first = start_keyed(&d, command, true);
	d.now_ns += 500 * MS - 1;
	assert_true(start_keyed(&d, key_command(&d, "k"), false) == first);
	d.now_ns += 1;
	uint64_t second = start_keyed(&d, key_command(&d, "k"), true);
	assert_true(second != first);
	d.now_ns += (uint64_t)FROE_KEY_TTL_MS * MS - 1;
	assert_true(start_keyed(&d, key_command(&d, "k"), false) == second);
	d.now_ns += 1;
	assert_true(start_keyed(&d, key_command(&d, "k"), true) != second);
	driver_close(&d);
}

static void
test_start__key_until_the_end(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = key_command(&d, "k");
	command.run_start.key_until_end = true;
	uint64_t first = start_keyed(&d, command, true);
	d.now_ns += UINT64_C(400) * 86400 * SECOND;
	command.run_start.run = driver_id(&d);
	assert_true(start_keyed(&d, command, false) == first);
	driver_cancel(&d, first);
	command.run_start.run = driver_id(&d);
	assert_true(start_keyed(&d, command, true) != first);
	driver_close(&d);
}

static void
test_start__keys_of_tenants_are_apart(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t first = start_keyed(&d, key_command(&d, "k"), true);
	d.tenant = driver_tenant(&d, "other");
	driver_define(&d, "wf", "a");
	assert_true(start_keyed(&d, key_command(&d, "k"), true) != first);
	driver_close(&d);
}

/* Many that have had their time go a few at a time, and the rest is right meanwhile. */
static void
test_start__keys_are_forgotten_in_slices(void **state)
{
	enum { KEYS = 60 };
	struct driver d;
	char name[16];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(name, sizeof(name), "k%u", i);
		struct eng_command command = key_command(&d, name);
		command.run_start.key_ttl_ms = 10 + i % 5;
		start_keyed(&d, command, true);
	}
	d.now_ns += SECOND;
	for (unsigned i = 0; i < KEYS; i++) {
		snprintf(name, sizeof(name), "k%u", KEYS - 1 - i);
		start_keyed(&d, key_command(&d, name), true);
		driver_replay_check(&d);
	}
	driver_close(&d);
}

/* -------------------------------------------------------------------------------- many at once */

static struct eng_command
many_command(struct driver *d, struct eng_start *starts, uint32_t count, const char *workflow)
{
	struct eng_command command = driver_command(d, ENG_CMD_RUN_START_MANY);
	for (uint32_t i = 0; i < count; i++)
		starts[i] = driver_start_command(d, workflow).run_start;
	command.run_start_many.starts = starts;
	command.run_start_many.count = count;
	return command;
}

static void
test_start__many_in_one_step(void **state)
{
	static struct eng_start starts[FROE_BULK_RUNS_MAX];
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b c<a,b");
	struct eng_command command = many_command(&d, starts, FROE_BULK_RUNS_MAX, "wf");
	starts[7].key = starts[9].key = bytes_text("same"); /* the second is the first */
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	const struct eng_effect *reply = driver_reply(&d);
	assert_int_equal(reply->started_count, FROE_BULK_RUNS_MAX);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_STARTED), FROE_BULK_RUNS_MAX - 1);
	assert_int_equal(driver_events(&d, ENG_EV_TASK_QUEUED), 2 * (FROE_BULK_RUNS_MAX - 1));
	assert_true(reply->started[9].run == reply->started[7].run);
	assert_false(reply->started[9].created);
	for (uint32_t i = 0; i < FROE_BULK_RUNS_MAX; i++)
		assert_true(i == 9 || uuid_equal(reply->started[i].id, starts[i].run));
	driver_close(&d);
}

/* Nothing starts, and every fault is told by its place. */
static void
test_start__many_or_none(void **state)
{
	struct eng_start starts[6];
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = many_command(&d, starts, 6, "wf");
	starts[1].workflow = bytes_text("nowhere");
	starts[3].metadata = &starts[3].workflow;
	starts[3].metadata_count = 1;
	starts[4].run = starts[0].run;
	starts[5].priority = 9;
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND);
	const struct eng_effect *reply = driver_reply(&d);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_STARTED), 0);
	assert_int_equal(reply->fault_count, 4); /* and 4 has the id of 0 */
	assert_string_equal(reply->faults[0].field, "runs[1].workflow");
	assert_string_equal(reply->faults[1].field, "runs[3].metadata");
	assert_string_equal(reply->faults[2].field, "runs[4].run");
	assert_string_equal(reply->faults[3].field, "runs[5].priority");
	driver_close(&d);
}

/* Its answer was lost: the same again starts nothing, and says what there is. To another tenant the
 * ids are in use. */
static void
test_start__many_again(void **state)
{
	struct eng_start starts[3];
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = many_command(&d, starts, 3, "wf");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_cancel(&d, driver_reply(&d)->started[1].run);
	driver_crash(&d, SECOND);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_STARTED), 0);
	const struct eng_started *started = driver_reply(&d)->started;
	assert_true(uuid_equal(started[2].id, starts[2].run));
	assert_false(started[2].created);
	assert_int_equal(started[1].status, ENG_CANCELLED);
	d.tenant = command.tenant = driver_tenant(&d, "other");
	driver_define(&d, "wf", "a");
	assert_int_equal(driver_try(&d, &command), FROE_ALREADY_EXISTS);
	driver_close(&d);
}

/* The largest of everything, and a bound that holds (driver_step checks it). */
static void
test_start__many_bytes(void **state)
{
	static uint8_t large[65536];
	struct eng_start starts[40];
	struct bytes metadata[2] = {bytes_text("k"), bytes_of(large, FROE_METADATA_BYTES_MAX - 1)};
	struct driver d;
	char line[4000] = "";
	(void)state;
	memset(large, 'x', sizeof(large));
	driver_open(&d);
	for (unsigned i = 0; i < 200; i++)
		snprintf(line + strlen(line), 8, "t%u ", i);
	driver_define(&d, "wf", line);
	struct eng_command command = many_command(&d, starts, 40, "wf");
	char keys[40][FROE_NAME_BYTES_MAX];
	memset(keys, 'k', sizeof(keys));
	for (unsigned i = 0; i < 40; i++) {
		keys[i][0] = (char)('A' + i);
		starts[i].input = bytes_of(large, sizeof(large));
		starts[i].metadata = metadata;
		starts[i].metadata_count = 2;
		starts[i].key = bytes_of(keys[i], sizeof(keys[i]));
		starts[i].timeout_ms = UINT64_MAX;
	}
	size_t bound = eng_step_bytes_max(d.eng, &command);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_true(bound < 40 * (sizeof(large) + 9000 + 201 * 112) + 512 * 1024);
	driver_close(&d);
}

/* ----------------------------------------------------------------------------------- at a time */

static uint64_t
schedule(struct driver *d, uint64_t start_ns)
{
	struct eng_command command = driver_start_command(d, "wf");
	command.run_start.start_ns = start_ns;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	return driver_reply(d)->run;
}

/* It waits without a task, and begins on the newest version of that time. */
static void
test_start__scheduled(void **state)
{
	struct driver d;
	struct eng_run_info info;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 5, "wf:a wf:b");
	uint64_t at_ns = d.now_ns + 60 * SECOND, run = schedule(&d, at_ns);
	assert_int_equal(driver_events(&d, ENG_EV_TASK_QUEUED), 0);
	assert_true(eng_run_info(d.eng, run, NULL, &info));
	assert_int_equal(info.version, 0);
	assert_true(info.start_ns == at_ns);
	driver_define(&d, "wf", "a b");
	driver_advance(&d, 60 * SECOND - 1);
	assert_int_equal(ledger_run(&d.ledger, run)->version, 0);
	driver_advance(&d, 1);
	assert_int_equal(ledger_run(&d.ledger, run)->version, 2);
	assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
	driver_complete(&d, run, "a");
	driver_complete(&d, run, "b");
	assert_run_closed(&d, run, ENG_COMPLETED);
	driver_close(&d);
}

static const struct eng_event *
due_event(const struct driver *d, uint64_t run)
{
	for (size_t i = 0; i < d->ledger.event_count; i++) {
		if (d->ledger.events[i].type == ENG_EV_RUN_DUE && d->ledger.events[i].run == run)
			return &d->ledger.events[i];
	}
	return NULL;
}

/* One that fell due meanwhile begins at once, marked; one whose time is still to come does not. */
static void
test_start__scheduled_late(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t missed = schedule(&d, d.now_ns + 10 * SECOND);
	uint64_t later = schedule(&d, d.now_ns + 100 * SECOND);
	driver_crash(&d, 50 * SECOND);
	assert_null(due_event(&d, missed));
	driver_advance(&d, 0);
	assert_int_equal(due_event(&d, missed)->late, 1);
	assert_null(due_event(&d, later));
	driver_advance(&d, 50 * SECOND);
	assert_int_equal(due_event(&d, later)->late, 0);
	driver_close(&d);
}

/* Its own deadline and priority, or the workflow's of the version that it gets. */
static void
test_start__scheduled_options(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.delay_ms = 1000;
	command.run_start.timeout_ms = 70;
	command.run_start.priority = 2;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t own = driver_reply(&d)->run, plain = schedule(&d, d.now_ns + SECOND);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.definition.run_timeout_ms = 500;
	workflow.definition.priority = 3;
	driver_put(&d, &workflow);
	driver_advance(&d, SECOND);
	assert_int_equal(ledger_run(&d.ledger, own)->priority, 2);
	assert_true(ledger_run(&d.ledger, own)->deadline_ns == d.now_ns + 70 * MS);
	assert_int_equal(ledger_run(&d.ledger, plain)->priority, 3);
	assert_true(ledger_run(&d.ledger, plain)->deadline_ns == d.now_ns + 500 * MS);
	driver_advance(&d, 70 * MS);
	assert_run_closed(&d, own, ENG_CANCELLED);
	driver_close(&d);
}

static void
test_start__scheduled_is_cancelled(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = schedule(&d, d.now_ns + SECOND);
	assert_int_equal(driver_cancel(&d, run), FROE_OK);
	assert_run_closed(&d, run, ENG_CANCELLED);
	driver_advance(&d, 2 * SECOND);
	assert_null(due_event(&d, run));
	driver_close(&d);
}

/* Past times are now; too far ones are refused. */
static void
test_start__scheduled_bounds(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	schedule(&d, d.now_ns);
	assert_int_equal(driver_events(&d, ENG_EV_TASK_QUEUED), 1);
	uint64_t far_ns = d.now_ns + FROE_SCHEDULE_AHEAD_MS_MAX * MS;
	schedule(&d, far_ns);
	struct eng_command command = driver_start_command(&d, "wf");
	command.run_start.start_ns = far_ns + 1;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "start_ns");
	command.run_start.start_ns = 0;
	command.run_start.delay_ms = UINT64_MAX;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_start__key_answers_with_the_first_run),
	    cmocka_unit_test(test_start__key_has_its_time),
	    cmocka_unit_test(test_start__key_until_the_end),
	    cmocka_unit_test(test_start__keys_of_tenants_are_apart),
	    cmocka_unit_test(test_start__keys_are_forgotten_in_slices),
	    cmocka_unit_test(test_start__many_in_one_step),
	    cmocka_unit_test(test_start__many_or_none),
	    cmocka_unit_test(test_start__many_again),
	    cmocka_unit_test(test_start__many_bytes),
	    cmocka_unit_test(test_start__scheduled),
	    cmocka_unit_test(test_start__scheduled_late),
	    cmocka_unit_test(test_start__scheduled_options),
	    cmocka_unit_test(test_start__scheduled_is_cancelled),
	    cmocka_unit_test(test_start__scheduled_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
