/*
 * Deliveries: at most once is never begun again; of exactly once, attempts never overlap.
 */
#include "engine_durable.h"

#include "froe/limits.h"

#define LAPSE_NS (30 * SECOND)

/* A workflow "wf" of one task of this delivery, and a run of it at a worker. */
struct delivery {
	struct driver d;
	uint64_t worker;
	uint64_t run;
};

static void
delivery_open(struct delivery *v, enum eng_delivery delivery, uint32_t retries)
{
	struct workflow workflow;
	driver_open(&v->d);
	v->d.lapse_ns = LAPSE_NS;
	workflow_parse(&workflow, &v->d.arena, "wf", "a");
	workflow.tasks[0].delivery = (uint32_t)delivery;
	workflow.tasks[0].retries = retries;
	workflow.tasks[0].execution_timeout_ms = 1000;
	driver_put(&v->d, &workflow);
	v->worker = driver_worker(&v->d, 1, 1, "wf:a");
	v->run = driver_start(&v->d, "wf");
	assert_task(&v->d, v->run, "a", ENG_TASK_ASSIGNED);
}

static void
expect_failed(struct delivery *v, uint32_t reason, const char *text)
{
	assert_run_closed(&v->d, v->run, ENG_FAILED);
	assert_int_equal(driver_task(&v->d, v->run, "a")->reason, reason);
	const struct eng_effect *closed = driver_effect(&v->d, ENG_EFF_RUN_CLOSED, 0);
	const struct eng_event *error =
	    ledger_record(&v->d.ledger, v->run, closed->refs[0].record);
	assert_true(bytes_equal(error->text, bytes_text(text)));
	driver_close(&v->d);
}

/* --------------------------------------------------------------------------------- at most once */

static void
test_delivery__most_refuses_retries(void **state)
{
	struct driver d;
	struct workflow workflow;
	struct eng_command command;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b");
	workflow.tasks[1].delivery = ENG_AT_MOST_ONCE;
	workflow.tasks[1].retries = 1;
	workflow_encode(&workflow);
	command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->faults[0].field, "tasks[1].retries");
	workflow.tasks[1].delivery = ENG_DELIVERIES;
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->faults[0].field, "tasks[1].delivery");
	driver_close(&d);
}

static void
test_delivery__most_lost(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_AT_MOST_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, true);
	expect_failed(&v, ENG_REASON_LOST, "the worker was lost");
}

static void
test_delivery__most_left(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_AT_MOST_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, false);
	expect_failed(&v, ENG_REASON_NOT_DELIVERED, "the worker left");
}

/* It came back without it: perhaps it never got it, perhaps it has done it. */
static void
test_delivery__most_not_held(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_AT_MOST_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_DETACH, v.worker, false);
	driver_worker(&v.d, 1, 1, "wf:a");
	expect_failed(&v, ENG_REASON_NOT_DELIVERED, "the worker does not have it");
}

static void
test_delivery__most_timed_out(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_AT_MOST_ONCE, 0);
	driver_advance(&v.d, SECOND);
	expect_failed(&v, ENG_REASON_TIMED_OUT, "the execution timeout has passed");
}

/* --------------------------------------------------------------------------------- exactly once */

/* Not begun before the time, and begun then. */
static void
expect_begun_at(struct delivery *v, uint64_t at_ns)
{
	assert_task(&v->d, v->run, "a", ENG_TASK_DELAYED);
	driver_advance(&v->d, at_ns - v->d.now_ns - 1);
	assert_task(&v->d, v->run, "a", ENG_TASK_DELAYED);
	driver_advance(&v->d, 1);
	assert_task(&v->d, v->run, "a", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_task(&v->d, v->run, "a")->lease, 2);
}

static void
test_delivery__exactly_lost(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	uint64_t lost_ns = v.d.now_ns;
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, true);
	driver_worker(&v.d, 2, 1, "wf:a");
	driver_crash(&v.d, 5 * SECOND); /* it does not count: the wall clock may have been set */
	driver_worker(&v.d, 2, 1, "wf:a");
	expect_begun_at(&v, lost_ns + LAPSE_NS + 5 * SECOND);
	driver_close(&v.d);
}

/* The worker said that it goes; what its handlers do is not known. */
static void
test_delivery__exactly_left(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, false);
	driver_worker(&v.d, 2, 1, "wf:a");
	expect_begun_at(&v, v.d.now_ns + LAPSE_NS);
	driver_close(&v.d);
}

static void
test_delivery__exactly_replaced(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	struct eng_command command = driver_worker_command(&v.d, 1, 1, "wf:a");
	command.worker_register.incarnation = 2;
	command.lapse_ns = v.d.now_ns + 7 * SECOND; /* it was heard of a while ago */
	assert_int_equal(driver_try(&v.d, &command), FROE_OK);
	assert_int_equal(driver_effect(&v.d, ENG_EFF_REVOKE, 0)->worker, v.worker);
	expect_begun_at(&v, v.d.now_ns + 7 * SECOND);
	driver_close(&v.d);
}

/* Who comes back without it has not got it: nothing to wait for. */
static void
test_delivery__exactly_not_held(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_DETACH, v.worker, false);
	driver_worker(&v.d, 1, 1, "wf:a");
	assert_task(&v.d, v.run, "a", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_task(&v.d, v.run, "a")->lease, 2);
	driver_close(&v.d);
}

/* Timed out, with a backoff: the later of the two times. */
static void
test_delivery__exactly_timed_out(void **state)
{
	static const uint64_t backoffs_ms[] = {10, 40000};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct delivery v;
		struct workflow workflow;
		driver_open(&v.d);
		v.d.lapse_ns = LAPSE_NS;
		workflow_parse(&workflow, &v.d.arena, "wf", "a");
		workflow.tasks[0].delivery = ENG_EXACTLY_ONCE;
		workflow.tasks[0].retries = 1;
		workflow.tasks[0].execution_timeout_ms = 1000;
		workflow.tasks[0].backoff.kind = ENG_BACKOFF_CONSTANT;
		workflow.tasks[0].backoff.initial_ms = backoffs_ms[i];
		driver_put(&v.d, &workflow);
		driver_worker(&v.d, 1, 1, "wf:a");
		v.run = driver_start(&v.d, "wf");
		uint64_t due_ns = v.d.now_ns + SECOND;
		driver_advance(&v.d, SECOND);
		expect_begun_at(&v, due_ns + (i == 0 ? LAPSE_NS : 40 * SECOND));
		driver_close(&v.d);
	}
}

/* Its late result is not used, but says that the handler has ended: the next attempt begins. */
static void
test_delivery__exactly_heard_of_in_time(void **state)
{
	static const enum eng_command_type types[] = {ENG_CMD_TASK_FAIL, ENG_CMD_TASK_COMPLETE};
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct delivery v;
		delivery_open(&v, ENG_EXACTLY_ONCE, 1);
		struct eng_command late = driver_task_command(&v.d, types[i], v.run, "a");
		driver_advance(&v.d, SECOND);
		assert_task(&v.d, v.run, "a", ENG_TASK_DELAYED);
		struct eng_command wrong = late;
		wrong.task.worker.v++;
		assert_int_equal(driver_try(&v.d, &wrong), FROE_LEASE_LAPSED);
		wrong = late;
		wrong.task.fence.lease++;
		assert_int_equal(driver_try(&v.d, &wrong), FROE_LEASE_LAPSED);
		assert_int_equal(v.d.out->event_count, 0);
		driver_crash(&v.d, SECOND);
		driver_worker(&v.d, 1, 1, "wf:a");
		assert_int_equal(driver_try(&v.d, &late), FROE_LEASE_LAPSED);
		assert_int_equal(driver_events(&v.d, ENG_EV_LEASE_ENDED), 1);
		driver_advance(&v.d, 0);
		assert_task(&v.d, v.run, "a", ENG_TASK_ASSIGNED);
		assert_int_equal(driver_try(&v.d, &late), FROE_LEASE_LAPSED); /* again: nothing */
		assert_int_equal(v.d.out->event_count, 0);
		driver_complete(&v.d, v.run, "a");
		assert_run_closed(&v.d, v.run, ENG_COMPLETED);
		driver_close(&v.d);
	}
}

/* Ten losses, each with its wait; the eleventh is the end. */
static void
test_delivery__exactly_lost_too_often(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	for (uint32_t i = 0; i < FROE_INFRA_RETRIES_MAX; i++) {
		driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, true);
		driver_advance(&v.d, LAPSE_NS);
		v.worker = driver_worker(&v.d, i + 2, 1, "wf:a");
		assert_task(&v.d, v.run, "a", ENG_TASK_ASSIGNED);
	}
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, true);
	expect_failed(&v, ENG_REASON_LOST, "the worker was lost");
}

/* Cancelled, or past the run's deadline, while it waits: it waits no longer. */
static void
test_delivery__exactly_cancelled(void **state)
{
	struct delivery v;
	(void)state;
	delivery_open(&v, ENG_EXACTLY_ONCE, 0);
	driver_worker_say(&v.d, ENG_CMD_WORKER_LEAVE, v.worker, true);
	assert_int_equal(driver_cancel(&v.d, v.run), FROE_OK);
	assert_run_closed(&v.d, v.run, ENG_CANCELLED);
	driver_close(&v.d);
}

/* A run that was cancelled goes on at once: its task begins when the handler has surely stopped, or
 * when it says so. Whatever the server does meanwhile. */
static void
test_delivery__exactly_replayed(void **state)
{
	(void)state;
	for (int says = 0; says < 2; says++) {
		struct delivery v;
		delivery_open(&v, ENG_EXACTLY_ONCE, 0);
		struct eng_command late = driver_task_command(&v.d, ENG_CMD_TASK_FAIL, v.run, "a");
		uint64_t lapse_ns = v.d.now_ns + LAPSE_NS;
		assert_int_equal(driver_cancel(&v.d, v.run), FROE_OK);
		struct eng_command again =
		    driver_replay_command(&v.d, v.run, 0, bytes_of(NULL, 0));
		assert_int_equal(driver_try(&v.d, &again), FROE_OK);
		assert_task(&v.d, v.run, "a", ENG_TASK_DELAYED);
		driver_crash(&v.d, SECOND);
		driver_worker(&v.d, 1, 1, "wf:a");
		if (says == 0) {
			expect_begun_at(&v, lapse_ns + SECOND);
		} else {
			assert_int_equal(driver_try(&v.d, &late), FROE_LEASE_LAPSED);
			driver_advance(&v.d, 0);
			assert_task(&v.d, v.run, "a", ENG_TASK_ASSIGNED);
		}
		driver_close(&v.d);
	}
}

/* One that runs anew later may be told meanwhile that there is nothing to wait for; after the lapse
 * there is not either. */
static void
test_delivery__exactly_replayed_later(void **state)
{
	(void)state;
	for (int says = 0; says < 3; says++) {
		struct driver d;
		struct workflow workflow;
		driver_open(&d);
		d.lapse_ns = LAPSE_NS;
		workflow_parse(&workflow, &d.arena, "wf", "a b<a");
		workflow.tasks[1].delivery = ENG_EXACTLY_ONCE;
		driver_put(&d, &workflow);
		driver_worker(&d, 1, 2, "wf:a wf:b");
		uint64_t run = driver_start(&d, "wf");
		driver_complete(&d, run, "a");
		struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_FAIL, run, "b");
		assert_int_equal(driver_cancel(&d, run), FROE_OK);
		struct eng_command again = driver_replay_command(&d, run, 1, bytes_of(NULL, 0));
		assert_int_equal(driver_try(&d, &again), FROE_OK);
		assert_task(&d, run, "b", ENG_TASK_WAITING);
		if (says == 1) {
			assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
			assert_int_equal(driver_events(&d, ENG_EV_LEASE_ENDED), 1);
		} else if (says == 2) {
			driver_advance(&d, LAPSE_NS);
		}
		driver_complete(&d, run, "a");
		assert_task(&d, run, "b", says == 0 ? ENG_TASK_DELAYED : ENG_TASK_ASSIGNED);
		driver_advance(&d, LAPSE_NS);
		assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
		driver_close(&d);
	}
}

/* A handler that was evicted returns when it hears of it: until it says so, or surely has, its task
 * does not come back. */
static void
test_delivery__exactly_evicted(void **state)
{
	static const struct eng_slots slots = {{(const uint8_t *)"default", 7}, 1};
	(void)state;
	for (int says = 0; says < 3; says++) {
		struct delivery v;
		struct workflow workflow;
		struct eng_condition sleep = {.kind = ENG_CONDITION_SLEEP, .sleep_ms = 5000};
		driver_open(&v.d);
		v.d.lapse_ns = LAPSE_NS;
		workflow_parse(&workflow, &v.d.arena, "wf", "a");
		workflow.tasks[0].delivery = ENG_EXACTLY_ONCE;
		workflow.tasks[0].durable = true;
		workflow.tasks[0].slots = &slots;
		workflow.tasks[0].slot_count = 1;
		driver_put(&v.d, &workflow);
		driver_worker(&v.d, 1, 1, "wf:a");
		v.run = driver_start(&v.d, "wf");
		durable_wait(&v.d, v.run, "a", 1, &sleep, 1);
		struct eng_command late = driver_task_command(&v.d, ENG_CMD_TASK_FAIL, v.run, "a");
		uint64_t lapse_ns = v.d.now_ns + LAPSE_NS;
		assert_int_equal(durable_evict(&v.d, v.run, "a", 1), FROE_OK);
		driver_crash(&v.d, 0);
		driver_worker(&v.d, 1, 1, "wf:a");
		if (says == 1)
			assert_int_equal(driver_try(&v.d, &late), FROE_LEASE_LAPSED);
		driver_advance(&v.d, 5 * SECOND);
		if (says == 2)
			assert_int_equal(driver_try(&v.d, &late), FROE_LEASE_LAPSED);
		driver_advance(&v.d, 0);
		if (says == 0)
			expect_begun_at(&v, lapse_ns);
		assert_task(&v.d, v.run, "a", ENG_TASK_ASSIGNED);
		assert_int_equal(driver_task(&v.d, v.run, "a")->attempt, 1);
		driver_close(&v.d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_delivery__most_refuses_retries),
	    cmocka_unit_test(test_delivery__most_lost),
	    cmocka_unit_test(test_delivery__most_left),
	    cmocka_unit_test(test_delivery__most_not_held),
	    cmocka_unit_test(test_delivery__most_timed_out),
	    cmocka_unit_test(test_delivery__exactly_lost),
	    cmocka_unit_test(test_delivery__exactly_left),
	    cmocka_unit_test(test_delivery__exactly_replaced),
	    cmocka_unit_test(test_delivery__exactly_not_held),
	    cmocka_unit_test(test_delivery__exactly_timed_out),
	    cmocka_unit_test(test_delivery__exactly_heard_of_in_time),
	    cmocka_unit_test(test_delivery__exactly_lost_too_often),
	    cmocka_unit_test(test_delivery__exactly_cancelled),
	    cmocka_unit_test(test_delivery__exactly_evicted),
	    cmocka_unit_test(test_delivery__exactly_replayed),
	    cmocka_unit_test(test_delivery__exactly_replayed_later),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
