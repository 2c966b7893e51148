/*
 * Why: each answer where it holds, and agreement with the scheduler: what it says of a queued task
 * is "no slot" only if nothing could run it, and never "its turn" when nothing more is assigned.
 */
#include "engine_driver.h"

static struct eng_why
why_of(const struct driver *d, uint64_t run, const char *task, bool hold)
{
	struct eng_why why;
	assert_true(
	    eng_why(d->eng, run, driver_index(d, run, task), hold, ENG_WHY_COUNT_MAX, &why));
	assert_true(bytes_equal(why.task_name, bytes_text(task)));
	return why;
}

static void
expect_kind(const struct driver *d, uint64_t run, const char *task, enum eng_why_kind kind)
{
	assert_int_equal(why_of(d, run, task, false).kind, kind);
}

static void
test_why__parents_and_ends(void **state)
{
	struct driver d;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b c<a,b f!");
	driver_worker(&d, 1, 4, "wf:a wf:b wf:c wf:f");
	uint64_t run = driver_start(&d, "wf");
	why = why_of(&d, run, "c", false);
	assert_int_equal(why.kind, ENG_WHY_PARENTS);
	assert_int_equal(why.count, 2);
	assert_true(bytes_equal(why.name, bytes_text("a")));
	driver_complete(&d, run, "a");
	why = why_of(&d, run, "c", false);
	assert_int_equal(why.count, 1);
	assert_true(bytes_equal(why.name, bytes_text("b")));
	expect_kind(&d, run, "a", ENG_WHY_CLOSED);
	why = why_of(&d, run, "f", false);
	assert_int_equal(why.kind, ENG_WHY_LAST);
	assert_int_equal(why.count, 2);
	assert_false(eng_why(d.eng, run, 4, false, ENG_WHY_COUNT_MAX, &why));
	assert_false(eng_why(d.eng, run + 1, 0, false, ENG_WHY_COUNT_MAX, &why));
	driver_close(&d);
}

static void
test_why__who_works(void **state)
{
	struct driver d;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), worker = driver_worker(&d, 1, 1, "wf:a");
	why = why_of(&d, run, "a", false);
	assert_int_equal(why.kind, ENG_WHY_RUNS);
	assert_int_equal(why.worker, worker);
	assert_int_equal(why.attempt, 1);
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false);
	expect_kind(&d, run, "a", ENG_WHY_AWAY);
	driver_close(&d);
}

static void
test_why__no_worker_takes_it(void **state)
{
	struct driver d;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf");
	why = why_of(&d, run, "a", false);
	assert_int_equal(why.kind, ENG_WHY_NO_WORKER);
	assert_true(bytes_equal(why.action, bytes_text("wf:a")));
	for (uint32_t i = 1; i <= 3; i++) {
		struct eng_command command = driver_worker_command(&d, i, 1, "wf:a");
		command.hold = true;
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	assert_int_equal(why_of(&d, run, "a", true).kind, ENG_WHY_HELD);
	expect_kind(&d, run, "a", ENG_WHY_TURN);
	struct eng_command pause = driver_command(&d, ENG_CMD_WORKER_PAUSE);
	pause.hold = true;
	pause.worker_pause.paused = true;
	pause.worker_pause.worker = worker_uuid(1);
	assert_int_equal(driver_try(&d, &pause), FROE_OK);
	struct eng_command say = driver_command(&d, ENG_CMD_WORKER_DRAIN);
	say.hold = true;
	say.worker.worker.v = eng_worker_find(d.eng, d.tenant, worker_uuid(2));
	assert_int_equal(driver_try(&d, &say), FROE_OK);
	say.type = ENG_CMD_WORKER_DETACH;
	say.worker.worker.v = eng_worker_find(d.eng, d.tenant, worker_uuid(3));
	driver_step(&d, &say);
	why = why_of(&d, run, "a", false);
	assert_int_equal(why.kind, ENG_WHY_IDLE);
	assert_int_equal(why.workers, 3);
	assert_int_equal(why.paused, 1);
	assert_int_equal(why.draining, 1);
	driver_close(&d);
}

static void
test_why__slots(void **state)
{
	static const struct eng_slots three = {{(const uint8_t *)"default", 7}, 3};
	struct driver d;
	struct workflow workflow;
	struct eng_why why;
	uint64_t runs[4];
	(void)state;
	driver_open(&d);
	driver_define(&d, "one", "a");
	workflow_parse(&workflow, &d.arena, "three", "a");
	workflow.tasks[0].slots = &three;
	workflow.tasks[0].slot_count = 1;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 2, "one:a three:a");
	for (int i = 0; i < 4; i++)
		runs[i] = driver_start(&d, "one");
	why = why_of(&d, runs[3], "a", false);
	assert_int_equal(why.kind, ENG_WHY_NO_SLOT);
	assert_int_equal(why.used, 2);
	assert_int_equal(why.slots, 2);
	assert_int_equal(why.need, 1);
	assert_int_equal(why.count, 1);
	assert_true(bytes_equal(why.type, bytes_text("default")));
	uint64_t large = driver_start(&d, "three");
	why = why_of(&d, large, "a", false);
	assert_int_equal(why.kind, ENG_WHY_SMALL);
	assert_int_equal(why.need, 3);
	assert_int_equal(why.slots, 2);
	uint64_t worker = driver_worker(&d, 2, 3, "three:a one:a");
	assert_task(&d, runs[2], "a", ENG_TASK_ASSIGNED); /* its turn was before */
	assert_task(&d, runs[3], "a", ENG_TASK_QUEUED);
	why = why_of(&d, large, "a", false);
	assert_int_equal(why.kind, ENG_WHY_KEPT);
	assert_int_equal(why.worker, worker);
	assert_int_equal(why.need, 3);
	uint64_t behind = driver_start(&d, "one");
	why = why_of(&d, behind, "a", false);
	assert_true(why.kind == ENG_WHY_BEHIND || why.kind == ENG_WHY_NO_SLOT);
	driver_close(&d);
}

static void
test_why__times(void **state)
{
	struct driver d;
	struct workflow workflow;
	struct eng_why why;
	(void)state;
	driver_open(&d);
	d.lapse_ns = 30 * SECOND;
	workflow_parse(&workflow, &d.arena, "wf", "a b");
	workflow.tasks[0].retries = 1;
	workflow.tasks[0].backoff.kind = ENG_BACKOFF_CONSTANT;
	workflow.tasks[0].backoff.initial_ms = 5000;
	workflow.tasks[1].delivery = ENG_EXACTLY_ONCE;
	driver_put(&d, &workflow);
	uint64_t worker = driver_worker(&d, 1, 2, "wf:a wf:b"), run = driver_start(&d, "wf");
	driver_fail(&d, run, "a");
	why = why_of(&d, run, "a", false);
	assert_int_equal(why.kind, ENG_WHY_TIMER);
	assert_true(why.until_ns == d.now_ns + 5 * SECOND);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true);
	why = why_of(&d, run, "b", false);
	assert_int_equal(why.kind, ENG_WHY_LAPSE);
	assert_int_equal(why.worker, worker);
	assert_true(why.until_ns == d.now_ns + 30 * SECOND);
	driver_close(&d);
}

/* Whatever happens, once nothing is pending no queued task is told that it is only its turn that
 * has not come, and one that is told there is no slot has none. */
static void
test_why__agrees_with_the_scheduler(void **state)
{
	static const struct eng_slots two = {{(const uint8_t *)"default", 7}, 2};
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct driver d;
		struct workflow workflow;
		uint64_t dice = seed, runs[60], counts[ENG_WHY_TURN + 1] = {0};
		driver_open(&d);
		d.check_every = 50;
		workflow_parse(&workflow, &d.arena, "wf", "a b c");
		workflow.tasks[1].slots = &two;
		workflow.tasks[1].slot_count = 1;
		driver_put(&d, &workflow);
		for (size_t n = 0; n < 60; n++) {
			uint64_t roll = dice_roll(&dice);
			runs[n] = driver_start(&d, "wf");
			if (roll % 5 == 0)
				driver_worker(&d, (uint32_t)roll % 4 + (uint32_t)n * 10 + 1,
				    (uint32_t)(roll >> 8) % 3 + 1,
				    roll >> 16 & 1 ? "wf:a wf:b" : "wf:b wf:c");
			uint64_t run = runs[dice_roll(&dice) % (n + 1)];
			const char *task = roll >> 20 & 1 ? "a" : "b";
			if (!ledger_run(&d.ledger, run)->closed &&
			    driver_task(&d, run, task)->state == ENG_TASK_ASSIGNED)
				driver_complete(&d, run, task);
			assert_false(eng_pending(d.eng));
			for (size_t i = 0; i <= n; i++) {
				struct eng_why why;
				for (uint32_t k = 0; k < 3 && eng_why(d.eng, runs[i], k, false,
								  ENG_WHY_COUNT_MAX, &why);
				     k++) {
					assert_int_not_equal(why.kind, ENG_WHY_TURN);
					counts[why.kind]++;
					if (why.kind == ENG_WHY_NO_SLOT && why.workers == 1)
						assert_true(why.slots - why.used < why.need);
				}
			}
		}
		assert_true(counts[ENG_WHY_NO_WORKER] + counts[ENG_WHY_NO_SLOT] > 100);
		driver_close(&d);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_why__parents_and_ends),
	    cmocka_unit_test(test_why__who_works),
	    cmocka_unit_test(test_why__no_worker_takes_it),
	    cmocka_unit_test(test_why__slots),
	    cmocka_unit_test(test_why__times),
	    cmocka_unit_test(test_why__agrees_with_the_scheduler),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
