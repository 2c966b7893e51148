/*
 * A run that has ended goes on: all of it, or from a task on; with another input; from a node.
 */
#include "engine_durable.h"

#include "engine/engine_int.h"

struct again {
	struct driver d;
	struct workflow workflow;
	uint64_t run;
};

static void
again_open(struct again *again, const char *tasks, const char *actions)
{
	driver_open(&again->d);
	workflow_parse(&again->workflow, &again->d.arena, "wf", tasks);
	driver_put(&again->d, &again->workflow);
	driver_worker(&again->d, 1, 4, actions);
	again->run = driver_start(&again->d, "wf");
}

static enum froe_err
go_on(struct again *again, uint32_t from, const char *input)
{
	struct eng_command command =
	    driver_replay_command(&again->d, again->run, from, bytes_text(input));
	return driver_try(&again->d, &command);
}

static const struct ledger_run *
past(const struct again *again)
{
	return ledger_run(&again->d.ledger, again->run);
}

static void
test_again__all_of_it(void **state)
{
	struct again again;
	struct driver *d = &again.d;
	(void)state;
	again_open(&again, "a b<a", "wf:a wf:b");
	struct eng_command late = driver_task_command(d, ENG_CMD_TASK_COMPLETE, again.run, "a");
	driver_complete(d, again.run, "a");
	assert_int_equal(go_on(&again, 0, ""), FROE_FAILED_PRECONDITION); /* it is open */
	driver_complete(d, again.run, "b");
	assert_int_equal(past(&again)->status, ENG_COMPLETED);
	assert_int_equal(go_on(&again, 0, ""), FROE_OK);
	assert_int_equal(past(&again)->tasks[0].attempt, 2);
	assert_int_equal(past(&again)->tasks[1].state, ENG_TASK_WAITING);
	assert_int_equal(
	    driver_try(d, &late), FROE_LEASE_LAPSED); /* leases go on, they do not begin */
	driver_crash(d, SECOND);
	driver_worker(d, 1, 4, "wf:a wf:b");
	driver_complete(d, again.run, "a");
	driver_complete(d, again.run, "b");
	assert_true(past(&again)->closed);
	assert_int_equal(go_on(&again, 0, ""), FROE_OK); /* and again */
	driver_complete(d, again.run, "a");
	driver_complete(d, again.run, "b");
	driver_close(d);
}

/* The on-failure task runs when something has failed: named alone it is skipped again, and the run
 * ends. */
static void
test_again__from_the_on_failure_task(void **state)
{
	struct again again;
	struct driver *d = &again.d;
	(void)state;
	again_open(&again, "a clean!", "wf:a wf:clean");
	driver_complete(d, again.run, "a");
	assert_int_equal(past(&again)->status, ENG_COMPLETED);
	assert_int_equal(go_on(&again, 2, ""), FROE_OK);
	assert_true(past(&again)->closed);
	assert_int_equal(past(&again)->status, ENG_COMPLETED);
	assert_int_equal(past(&again)->tasks[1].state, ENG_TASK_SKIPPED);
	driver_close(d);
}

static void
test_again__from_a_task_on(void **state)
{
	struct again again;
	struct driver *d = &again.d;
	(void)state;
	again_open(&again, "a b<a c<a e<b,c", "wf:a wf:b wf:c wf:e");
	driver_complete(d, again.run, "a");
	driver_complete(d, again.run, "b");
	driver_complete(d, again.run, "c");
	driver_complete(d, again.run, "e");
	assert_int_equal(go_on(&again, 2, ""), FROE_OK); /* b, and so e */
	assert_int_equal(past(&again)->tasks[0].state, ENG_TASK_COMPLETED);
	assert_int_equal(past(&again)->tasks[1].state, ENG_TASK_ASSIGNED);
	assert_int_equal(past(&again)->tasks[2].state, ENG_TASK_COMPLETED);
	assert_int_equal(past(&again)->tasks[3].state, ENG_TASK_WAITING);
	driver_complete(d, again.run, "b");
	driver_complete(
	    d, again.run, "e"); /* its dispatch refers to c's output of the first time */
	assert_int_equal(past(&again)->status, ENG_COMPLETED);
	assert_int_equal(go_on(&again, 5, ""), FROE_INVALID_ARGUMENT);
	driver_close(d);
}

/* What had not completed runs anew, whichever task is named; the on-failure task can run again. */
static void
test_again__after_a_failure(void **state)
{
	struct again again;
	struct driver *d = &again.d;
	(void)state;
	again_open(&again, "a b c<a,b f!", "wf:a wf:b wf:c wf:f");
	driver_complete(d, again.run, "a");
	driver_fail(d, again.run, "b");
	driver_complete(d, again.run, "f");
	assert_int_equal(past(&again)->status, ENG_FAILED);
	assert_int_equal(go_on(&again, 3, ""), FROE_OK);
	assert_int_equal(past(&again)->tasks[0].state, ENG_TASK_COMPLETED);
	assert_int_equal(past(&again)->tasks[1].state, ENG_TASK_ASSIGNED);
	driver_fail(d, again.run, "b");
	driver_complete(d, again.run, "f");
	assert_int_equal(past(&again)->status, ENG_FAILED);
	assert_int_equal(go_on(&again, 0, ""), FROE_OK);
	driver_complete(d, again.run, "a");
	driver_complete(d, again.run, "b");
	driver_complete(d, again.run, "c");
	assert_int_equal(past(&again)->status, ENG_COMPLETED);
	driver_close(d);
}

/* The driver checks what each dispatch takes for its input. */
static void
test_again__with_another_input(void **state)
{
	struct again again;
	struct driver *d = &again.d;
	(void)state;
	again_open(&again, "a", "wf:a");
	driver_complete(d, again.run, "a");
	assert_int_equal(go_on(&again, 0, "[\"edited\"]"), FROE_OK);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d->eng, again.run, 0, 2, d->now_ns, &dispatch));
	const struct eng_event *input = ledger_record(&d->ledger, again.run, dispatch.input);
	assert_int_equal(input->type, ENG_EV_RUN_REPLAYED);
	assert_true(bytes_equal(input->payload, bytes_text("[\"edited\"]")));
	driver_complete(d, again.run, "a");
	assert_int_equal(go_on(&again, 0, ""), FROE_OK); /* the edited one stays */
	assert_true(eng_dispatch(d->eng, again.run, 0, 3, d->now_ns, &dispatch));
	assert_int_equal(
	    ledger_record(&d->ledger, again.run, dispatch.input)->type, ENG_EV_RUN_REPLAYED);
	driver_close(d);
}

static void
test_again__from_a_node(void **state)
{
	struct driver d;
	struct eng_past_node kept = {.kind = ENG_NODE_MEMO, .label = bytes_text("memo m")};
	(void)state;
	driver_open(&d);
	durable_define(&d, "dur", "a", 0);
	driver_worker(&d, 7, 3, "dur:a");
	uint64_t run = driver_start(&d, "dur");
	durable_memo(&d, run, "a", 1, "m", "[1]");
	durable_memo(&d, run, "a", 2, "n", "[2]");
	driver_complete(&d, run, "a");
	const struct ledger_run *past = ledger_run(&d.ledger, run);
	for (uint32_t i = 1; i <= past->record_count; i++) {
		const struct eng_event *event = ledger_record(&d.ledger, run, i);
		if (event->type == ENG_EV_MEMO_PUT && event->node == 1) {
			kept.fingerprint = event->fingerprint;
			kept.result = i;
		}
	}
	struct eng_command command = driver_replay_command(&d, run, 1, bytes_text(""));
	command.run_replay.nodes = &kept;
	command.run_replay.node_count = 1;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_crash(&d, SECOND);
	driver_worker(&d, 7, 3, "dur:a");
	durable_memo(&d, run, "a", 2, "another", "[3]"); /* what was node 2 is free again */
	command = driver_replay_command(&d, run, 1, bytes_text(""));
	driver_complete(&d, run, "a");
	driver_close(&d);
}

/* The run's id was forgotten and used again: the run of long ago does not go on under it. */
static void
test_again__id_of_a_newer_run(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t old = driver_start(&d, "wf");
	driver_cancel(&d, old);
	driver_advance(&d, ENG_CLOSED_TTL_NS);
	driver_cancel(&d, driver_start(&d, "wf")); /* forgets it */
	struct eng_command again = driver_start_command(&d, "wf");
	again.run_start.run = ledger_run(&d.ledger, old)->id;
	assert_int_equal(driver_try(&d, &again), FROE_OK);
	uint64_t newer = driver_reply(&d)->run;
	struct eng_command command = driver_replay_command(&d, old, 0, bytes_of(NULL, 0));
	assert_int_equal(driver_try(&d, &command), FROE_FAILED_PRECONDITION);
	driver_cancel(&d, newer);
	assert_int_equal(driver_try(&d, &command), FROE_FAILED_PRECONDITION);
	command = driver_replay_command(&d, newer, 0, bytes_of(NULL, 0));
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

/* A priority, a task, a node, that are none: refused before anything changes. */
static void
test_again__damaged_events(void **state)
{
	static const char *const kept[] = {"", "W", "X:1:1:0", "W:1:1:1", "C:1:1:0", "C:1:1:99",
	    "W:1:1:0:0", "W:99999999999:1:0", "W::1:0"};
	struct again again;
	(void)state;
	again_open(&again, "a", "wf:a");
	driver_complete(&again.d, again.run, "a");
	assert_int_equal(go_on(&again, 0, ""), FROE_OK);
	size_t last = again.d.ledger.event_count - 1;
	while (again.d.ledger.events[last].type != ENG_EV_RUN_REPLAYED)
		last--;
	struct eng *eng = eng_open();
	struct froe_fault fault;
	for (size_t i = 0; i < last; i++)
		assert_int_equal(eng_apply_logged(eng, &again.d.ledger.events[i], &fault), FROE_OK);
	uint64_t hash = eng_hash(eng);
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		struct eng_event event = again.d.ledger.events[last];
		struct bytes bad = bytes_text(kept[i]);
		event.kept = &bad;
		assert_int_equal(eng_apply_logged(eng, &event, &fault), FROE_CORRUPT);
		assert_true(eng_hash(eng) == hash);
	}
	assert_int_equal(eng_apply_logged(eng, &again.d.ledger.events[last], &fault), FROE_OK);
	eng_check(eng);
	eng_close(eng);
	driver_close(&again.d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_again__all_of_it),
	    cmocka_unit_test(test_again__from_a_task_on),
	    cmocka_unit_test(test_again__after_a_failure),
	    cmocka_unit_test(test_again__with_another_input),
	    cmocka_unit_test(test_again__from_a_node),
	    cmocka_unit_test(test_again__id_of_a_newer_run),
	    cmocka_unit_test(test_again__from_the_on_failure_task),
	    cmocka_unit_test(test_again__damaged_events),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
