/*
 * Recovery: the same events give the same state, and events that are damaged, missing, repeated or
 * invented are refused before they change anything.
 */
#include "engine_durable.h"
#include "engine_token.h"

#include "engine/rate.h"
#include "engine/workflow.h"

static void
story_durable(struct driver *d)
{
	struct eng_condition waits[] = {on_event("k"), on_approval("ok", "[1]"), on_sleep(500)};
	durable_define(d, "dur", "a", 1);
	driver_worker(d, 7, 3, "dur:a");
	uint64_t run = driver_start(d, "dur");
	durable_memo(d, run, "a", 1, "m", "[2]");
	for (uint32_t node = 2; node < 5; node++) {
		durable_wait(d, run, "a", node, waits, 3);
		assert_int_equal(durable_evict(d, run, "a", node), FROE_OK);
		if (node == 2)
			assert_int_equal(driver_push(d, "k", bytes_text("{}")), FROE_OK);
		else if (node == 3)
			assert_int_equal(driver_approve(d, 2, true, "ann"), FROE_OK);
		else
			driver_advance(d, 500 * MS);
	}
	durable_wait(d, run, "a", 5, waits, 2);
	driver_child(d, run, "a", 6, "dur");
}

/* Slots given back, a worker paused, leases dropped, a lapsed lease whose handler has ended. */
static void
story_of_workers(struct driver *d)
{
	struct workflow workflow;
	workflow_parse(&workflow, &d->arena, "once", "x y");
	workflow.tasks[0].delivery = ENG_EXACTLY_ONCE;
	workflow.tasks[0].retries = 1;
	workflow.tasks[0].execution_timeout_ms = 10;
	driver_put(d, &workflow);
	uint64_t worker = driver_worker(d, 5, 2, "once:x once:y");
	uint64_t run = driver_start(d, "once");
	struct eng_command late = driver_task_command(d, ENG_CMD_TASK_FAIL, run, "x");
	d->lapse_ns = 30 * SECOND;
	driver_advance(d, 10 * MS); /* TASK_DELAYED, for the old lease */
	assert_int_equal(driver_try(d, &late), FROE_LEASE_LAPSED); /* LEASE_ENDED */
	struct eng_command command = driver_task_command(d, ENG_CMD_TASK_RELEASE, run, "y");
	assert_int_equal(driver_try(d, &command), FROE_OK); /* SLOTS_RELEASED */
	command.type = ENG_CMD_TASK_BEGIN;
	assert_int_equal(driver_try(d, &command), FROE_OK); /* TASK_BEGUN */
	assert_int_equal(driver_pause(d, 5, true), FROE_OK);
	assert_int_equal(driver_pause(d, 5, false), FROE_OK);
	driver_worker_say(d, ENG_CMD_WORKER_DETACH, worker, false);
	driver_worker(d, 5, 2, "once:x once:y"); /* LEASES_DROPPED */
}

/* A log with an event of every type. */
static void
story_tell(struct driver *d)
{
	struct workflow workflow;
	driver_open(d);
	workflow_parse(&workflow, &d->arena, "wf", "a b<a c<a e<b,c f!");
	workflow.tasks[0].retries = 2;
	workflow.tasks[0].backoff.kind = ENG_BACKOFF_CONSTANT;
	workflow.tasks[0].backoff.initial_ms = 50;
	workflow.tasks[1].schedule_timeout_ms = 700;
	workflow.definition.run_timeout_ms = 100000;
	driver_put(d, &workflow);
	struct bytes metadata[] = {bytes_text("k"), bytes_text("v")};
	struct eng_command start = driver_start_command(d, "wf");
	start.run_start.metadata = metadata;
	start.run_start.metadata_count = 2;
	assert_int_equal(driver_try(d, &start), FROE_OK);
	uint64_t first = driver_reply(d)->run, second = driver_start(d, "wf");
	uint64_t third = driver_start(d, "wf");
	uint64_t worker = driver_worker(d, 1, 8, "wf:a wf:b wf:c wf:f");
	struct eng_command child = driver_task_command(d, ENG_CMD_TASK_LOG, first, "a");
	start = driver_start_command(d, "wf");
	start.run_start.child = true;
	start.run_start.parent = child.task.fence;
	start.run_start.worker = child.task.worker;
	start.run_start.child_key = bytes_text("one");
	start.run_start.delay_ms = 10;
	assert_int_equal(driver_try(d, &start), FROE_OK);
	driver_advance(d, 10 * MS); /* RUN_DUE */
	start = driver_start_command(d, "wf");
	start.run_start.key = bytes_text("key");
	assert_int_equal(driver_try(d, &start), FROE_OK);
	driver_fail(d, first, "a"); /* ATTEMPT_ENDED, TASK_DELAYED */
	driver_advance(d, 50 * MS);
	struct eng_command command = driver_task_command(d, ENG_CMD_TASK_LOG, first, "a");
	assert_int_equal(driver_try(d, &command), FROE_OK);
	command = driver_task_command(d, ENG_CMD_TASK_STREAM, first, "a");
	assert_int_equal(driver_try(d, &command), FROE_OK);
	command = driver_task_command(d, ENG_CMD_TASK_REFRESH, first, "a");
	command.task.add_ms = 100;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	driver_complete(d, first, "a");
	driver_complete(d, first, "b");
	driver_fail(d, first, "c"); /* TASK_FAILED, TASK_CANCELLED */
	driver_complete(d, first, "f");
	driver_cancel(d, second);
	driver_worker_say(d, ENG_CMD_WORKER_DETACH, worker, false);
	driver_crash(d, SECOND);
	driver_worker(d, 1, 8, "wf:a wf:b wf:c wf:f"); /* WORKER_ATTACHED */
	driver_worker_say(d, ENG_CMD_WORKER_DRAIN, worker, false);
	driver_worker_say(d, ENG_CMD_WORKER_LEAVE, worker, true);
	driver_worker(d, 2, 8, "wf:a wf:b wf:c wf:e wf:f");
	driver_complete(d, third, "a");
	driver_complete(d, third, "b");
	driver_complete(d, third, "c");
	driver_complete(d, third, "e"); /* TASK_SKIPPED: f */
	story_of_workers(d);
	command = driver_late_command(d, third, "a", 0);
	assert_int_equal(driver_try(d, &command), FROE_OK); /* LATE_LOGGED */
	struct eng_command again = driver_replay_command(d, third, 2, bytes_text("[1]"));
	assert_int_equal(driver_try(d, &again), FROE_OK); /* RUN_REPLAYED */
	command = driver_late_command(d, third, "a", 1);
	assert_int_equal(driver_try(d, &command), FROE_OK); /* of an open run */
	uint64_t job = driver_job(d, ENG_JOB_CANCEL, "all"); /* JOB_STARTED, _ADVANCED, _ENDED */
	assert_int_equal(driver_job_step(d, job, second), FROE_OK);
	assert_int_equal(driver_job_over(d, ENG_CMD_JOB_END, job, 0, FROE_OK), FROE_OK);
	driver_job(d, ENG_JOB_REPLAY, "some");
	driver_start(d, "wf");
	driver_start(d, "wf");
	story_durable(d);
	driver_token(d, 1, "first", "*", ENG_ROLE_ADMIN, 0);
	driver_token(d, 2, "second", "test", ENG_ROLE_WORKER, d->now_ns + SECOND);
	assert_int_equal(driver_token_revoke(d, 1, "*"), FROE_OK);
	assert_int_equal(driver_rate(d, "api", 10, ENG_WINDOW_MINUTE), FROE_OK);
	driver_define(d, "paused", "a");
	assert_int_equal(driver_workflow_set(d, "paused", ENG_WORKFLOW_PAUSE, 3), FROE_OK);
	assert_int_equal(driver_workflow_set(d, "paused", ENG_WORKFLOW_RESUME, 0), FROE_OK);
	assert_int_equal(driver_workflow_set(d, "paused", ENG_WORKFLOW_DELETE, 0), FROE_OK);
	assert_int_equal(driver_rate(d, "api", 12, ENG_WINDOW_MINUTE), FROE_OK);
}

static enum froe_err
apply_quietly(struct eng *eng, const struct eng_event *event)
{
	struct froe_fault fault;
	enum froe_err err = eng_apply_logged(eng, event, &fault);
	froe_assert(err == FROE_OK || err == FROE_CORRUPT);
	if (err == FROE_CORRUPT)
		froe_assert(fault.text[0] != 0);
	return err;
}

static struct eng *
replay_until(const struct driver *d, size_t count)
{
	struct eng *eng = eng_open();
	for (size_t i = 0; i < count; i++)
		froe_assert(apply_quietly(eng, &d->ledger.events[i]) == FROE_OK);
	return eng;
}

static void
test_replay__story_has_all_events(void **state)
{
	static const enum eng_event_type types[] = {
#define ENG_EVENT(name, number, since, meaning) ENG_EV_##name,
#include "engine/event.def"
#undef ENG_EVENT
	};
	struct driver d;
	(void)state;
	story_tell(&d);
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		size_t count = 0;
		for (size_t i = 0; i < d.ledger.event_count; i++)
			count += d.ledger.events[i].type == types[t] ? 1 : 0;
		if (count == 0)
			fail_msg("no event of type %d", types[t]);
	}
	driver_close(&d);
}

/* No two moments of the story look alike, whichever event lies between. A log line is the one
 * exception that could be thought of; it has a record number, and so shows as well. */
static void
test_replay__hash_sees_every_event(void **state)
{
	struct driver d;
	(void)state;
	story_tell(&d);
	struct eng *eng = eng_open();
	uint64_t before = eng_hash(eng);
	for (size_t i = 0; i < d.ledger.event_count; i++) {
		assert_int_equal(apply_quietly(eng, &d.ledger.events[i]), FROE_OK);
		uint64_t after = eng_hash(eng);
		assert_true(after != before);
		before = after;
	}
	assert_true(before == eng_hash(d.eng));
	eng_close(eng);
	driver_close(&d);
}

/* --------------------------------------------------------------------------------------- damage */

/* Without one of a run's events the rest of the run does not fit; without its last, it shows. */
static void
test_replay__missing_event(void **state)
{
	struct driver d;
	(void)state;
	story_tell(&d);
	uint64_t whole = eng_hash(d.eng);
	for (size_t skip = 0; skip < d.ledger.event_count; skip++) {
		struct eng *eng = replay_until(&d, skip);
		bool last_of_run = true, refused = false;
		uint64_t run = d.ledger.events[skip].run;
		for (size_t i = skip + 1; i < d.ledger.event_count && !refused; i++) {
			last_of_run = last_of_run && d.ledger.events[i].run != run;
			refused = apply_quietly(eng, &d.ledger.events[i]) != FROE_OK;
		}
		if (run != 0 && !last_of_run)
			assert_true(refused);
		if (run != 0 && !refused)
			assert_true(eng_hash(eng) != whole);
		eng_close(eng);
	}
	driver_close(&d);
}

/* An event of a run, a tenant, a version, or a worker's coming and going fits once. */
static void
test_replay__repeated_event(void **state)
{
	struct driver d;
	(void)state;
	story_tell(&d);
	for (size_t i = 0; i < d.ledger.event_count; i++) {
		const struct eng_event *event = &d.ledger.events[i];
		bool again = event->type == ENG_EV_ENGINE_STARTED ||
		    event->type == ENG_EV_WORKER_ATTACHED ||
		    event->type == ENG_EV_WORKER_DETACHED ||
		    event->type == ENG_EV_WORKER_DRAINING;
		struct eng *eng = replay_until(&d, i + 1);
		uint64_t hash = eng_hash(eng);
		enum froe_err err = apply_quietly(eng, event);
		if (!again) {
			assert_int_equal(err, FROE_CORRUPT);
			assert_true(eng_hash(eng) == hash);
		}
		eng_close(eng);
	}
	driver_close(&d);
}

static uint64_t
value_damage(uint64_t value, uint64_t *dice)
{
	static const uint64_t edges[] = {0, 1, 2, 3, 4, 5, 9, 255, 256, 1000, 10001, UINT32_MAX,
	    UINT64_C(1) << 32, UINT64_MAX};
	uint64_t roll = dice_roll(dice);
	if (roll % 3 == 0)
		return value + 1;
	if (roll % 3 == 1)
		return value - 1;
	return edges[roll / 3 % (sizeof(edges) / sizeof(edges[0]))];
}

static struct eng_event
event_damage(const struct eng_event *from, uint64_t *dice)
{
	static const enum eng_event_type types[] = {
#define ENG_EVENT(name, number, since, meaning) ENG_EV_##name,
#include "engine/event.def"
#undef ENG_EVENT
	    (enum eng_event_type)0,
	    (enum eng_event_type)999,
	};
	struct eng_event event = *from;
	uint32_t *const words[] = {&event.run_event_no, &event.task, &event.attempt, &event.tenant,
	    &event.workflow, &event.version, &event.priority, &event.slots, &event.reason,
	    &event.status};
	uint64_t *const longs[] = {
	    &event.run, &event.lease, &event.worker, &event.job, &event.cursor};
	uint64_t what = dice_roll(dice) % 18;
	if (what < 10)
		*words[what] = (uint32_t)value_damage(*words[what], dice);
	else if (what < 15)
		*longs[what - 10] = value_damage(*longs[what - 10], dice);
	else if (what == 15)
		event.type = types[dice_roll(dice) % (sizeof(types) / sizeof(types[0]))];
	else if (what == 16)
		event.id.bytes[dice_roll(dice) % 16] ^= (uint8_t)(1u << dice_roll(dice) % 8);
	else
		event.definition = NULL;
	return event;
}

/* Whatever one member of one event says: it is taken, or it is refused and nothing has changed.
 * It never ends the process. */
static void
test_replay__damaged_events(void **state)
{
	enum { TRIES = 100 };
	struct driver d;
	uint64_t dice = 1, refused = 0, taken = 0;
	(void)state;
	story_tell(&d);
	for (size_t i = 0; i < d.ledger.event_count; i++) {
		struct eng *eng = replay_until(&d, i);
		uint64_t hash = eng_hash(eng);
		for (int n = 0; n < TRIES; n++) {
			struct eng_event event = event_damage(&d.ledger.events[i], &dice);
			if (apply_quietly(eng, &event) == FROE_CORRUPT) {
				assert_true(eng_hash(eng) == hash);
				refused++;
				continue;
			}
			taken++;
			eng_close(eng);
			eng = replay_until(&d, i);
		}
		eng_close(eng);
	}
	assert_true(refused > 1000);
	assert_true(taken > 10);
	driver_close(&d);
}

/* Two members at once, and the log goes on as if nothing had been: still no end of the process. */
static void
test_replay__goes_on_after_damage(void **state)
{
	struct driver d;
	uint64_t dice = 2;
	(void)state;
	story_tell(&d);
	for (size_t i = 0; i < d.ledger.event_count; i++) {
		for (int n = 0; n < 20; n++) {
			struct eng *eng = replay_until(&d, i);
			struct eng_event event = event_damage(&d.ledger.events[i], &dice);
			event = event_damage(&event, &dice);
			enum froe_err err = apply_quietly(eng, &event);
			for (size_t j = i + 1; j < d.ledger.event_count && err == FROE_OK; j++)
				err = apply_quietly(eng, &d.ledger.events[j]);
			eng_close(eng);
		}
	}
	driver_close(&d);
}

/* Refused, and nothing has changed. */
static void
expect_misfit(struct driver *d, const struct eng_event *event)
{
	uint64_t hash = eng_hash(d->eng);
	assert_int_equal(apply_quietly(d->eng, event), FROE_CORRUPT);
	assert_true(eng_hash(d->eng) == hash);
}

static void
test_replay__impossible_events(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	uint64_t other = driver_worker(&d, 1, 1, "x"), drains = driver_worker(&d, 2, 1, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DRAIN, drains, false);
	uint64_t run = driver_start(&d, "wf");
	struct eng_event event = {.run = run, .run_event_no = 3, .time_ns = d.now_ns};
	event.type = ENG_EV_TASK_QUEUED; /* b waits for a */
	event.task = 1;
	event.priority = 1;
	expect_misfit(&d, &event);
	event.type = ENG_EV_TASK_ASSIGNED; /* to a worker that does not serve it */
	event.task = 0;
	event.lease = 1;
	event.attempt = 1;
	event.worker = other;
	expect_misfit(&d, &event);
	event.worker = drains; /* that takes no more */
	expect_misfit(&d, &event);
	struct eng_command back = driver_worker_command(&d, 2, 1, "wf:a");
	back.hold = true; /* it takes more, but nothing is assigned yet */
	assert_int_equal(driver_try(&d, &back), FROE_OK);
	event.lease = 2; /* not the next */
	expect_misfit(&d, &event);
	event.type = ENG_EV_RUN_CLOSED; /* with open tasks */
	event.status = ENG_COMPLETED;
	expect_misfit(&d, &event);
	event.type = ENG_EV_RUN_CANCEL_REQUESTED; /* for no reason */
	expect_misfit(&d, &event);
	event.type = ENG_EV_WORKER_LEFT; /* without leaving */
	expect_misfit(&d, &event);
	driver_close(&d);
}

static void
test_replay__unknown_type(void **state)
{
	struct eng *eng = eng_open();
	struct eng_event event = {.type = (enum eng_event_type)4711};
	(void)state;
	assert_int_equal(apply_quietly(eng, &event), FROE_CORRUPT);
	eng_close(eng);
}

/* ----------------------------------------------------------------------------------- deciding */

/* Two engines, the same commands, time and dice: the same events. Other dice: others. */
static void
test_replay__decisions_are_a_function(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	d.twin = driver_replay(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 3;
	workflow.tasks[0].backoff = (struct eng_backoff){
	    .kind = ENG_BACKOFF_CONSTANT,
	    .initial_ms = 1000,
	    .jitter_percent = 50,
	};
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	driver_fail(&d, run, "a"); /* compared with the twin's by driver_step() */
	uint64_t deadline_ns = driver_task(&d, run, "a")->deadline_ns;
	driver_advance(&d, SECOND);
	driver_fail(&d, run, "a");
	assert_true(driver_task(&d, run, "a")->deadline_ns - d.now_ns != deadline_ns - START_NS);
	driver_close(&d);
}

/* An engine that recovered goes on exactly as one that never stopped. */
static void
test_replay__recovered_goes_on_alike(void **state)
{
	struct driver d;
	(void)state;
	story_tell(&d);
	d.twin = driver_replay(&d);
	uint64_t run = d.ledger.run_count;
	driver_complete(&d, run, "a");
	driver_define(&d, "other", "x");
	driver_worker(&d, 3, 2, "other:x wf:a");
	for (int i = 0; i < 20; i++) {
		driver_start(&d, "other");
		driver_start(&d, "wf");
	}
	driver_worker(&d, 4, 3, "wf:a");
	driver_advance(&d, 200 * SECOND);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replay__story_has_all_events),
	    cmocka_unit_test(test_replay__hash_sees_every_event),
	    cmocka_unit_test(test_replay__missing_event),
	    cmocka_unit_test(test_replay__repeated_event),
	    cmocka_unit_test(test_replay__damaged_events),
	    cmocka_unit_test(test_replay__goes_on_after_damage),
	    cmocka_unit_test(test_replay__impossible_events),
	    cmocka_unit_test(test_replay__unknown_type),
	    cmocka_unit_test(test_replay__decisions_are_a_function),
	    cmocka_unit_test(test_replay__recovered_goes_on_alike),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
