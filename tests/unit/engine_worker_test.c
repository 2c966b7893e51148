/*
 * Workers: who gets what, and what becomes of leases when a worker breaks off, returns, is
 * replaced, drains, leaves or is lost.
 */
#include "engine_driver.h"

#include "froe/limits.h"

/* A workflow "wf" of one task and so many runs of it. */
static void
runs_open(struct driver *d, uint64_t *runs, size_t count)
{
	driver_open(d);
	driver_define(d, "wf", "a");
	for (size_t i = 0; i < count; i++)
		runs[i] = driver_start(d, "wf");
}

static struct eng_fence
fence_of(const struct driver *d, uint64_t run)
{
	return driver_task_command(d, ENG_CMD_TASK_LOG, run, "a").task.fence;
}

/* The same process registers again, and holds these. */
static const struct eng_effect *
reattach(struct driver *d, uint32_t number, uint32_t slots, const struct eng_fence *held,
    uint32_t held_count)
{
	struct eng_command command = driver_worker_command(d, number, slots, "wf:a");
	command.worker_register.held = held;
	command.worker_register.held_count = held_count;
	assert_int_equal(driver_try(d, &command), FROE_OK);
	return driver_reply(d);
}

static void
test_worker__least_loaded(void **state)
{
	struct driver d;
	uint64_t runs[6];
	(void)state;
	runs_open(&d, runs, 0);
	uint64_t first = driver_worker(&d, 1, 9, "wf:a"), second = driver_worker(&d, 2, 9, "wf:a");
	size_t of_first = 0, of_second = 0;
	for (int i = 0; i < 6; i++) {
		runs[i] = driver_start(&d, "wf");
		of_first += driver_task(&d, runs[i], "a")->worker == first ? 1 : 0;
		of_second += driver_task(&d, runs[i], "a")->worker == second ? 1 : 0;
	}
	assert_int_equal(of_first, 3);
	assert_int_equal(of_second, 3);
	driver_close(&d);
}

static void
test_worker__slots_and_actions_bound(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b");
	driver_worker(&d, 1, 2, "wf:a");
	uint64_t runs[3];
	for (int i = 0; i < 3; i++) {
		runs[i] = driver_start(&d, "wf");
		assert_task(&d, runs[i], "b", ENG_TASK_QUEUED); /* nobody serves it */
	}
	assert_task(&d, runs[1], "a", ENG_TASK_ASSIGNED);
	assert_task(&d, runs[2], "a", ENG_TASK_QUEUED); /* two slots */
	struct eng_counts counts;
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.slots, 2);
	assert_int_equal(counts.slots_used, 2);
	assert_int_equal(counts.tasks[ENG_TASK_QUEUED], 4);
	driver_close(&d);
}

/* ------------------------------------------------------------------------------ breaking off */

static void
test_worker__detach_keeps_leases(void **state)
{
	struct driver d;
	uint64_t runs[2];
	(void)state;
	runs_open(&d, runs, 1);
	uint64_t worker = driver_worker(&d, 1, 5, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false);
	assert_int_equal(driver_events(&d, ENG_EV_WORKER_DETACHED), 1);
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED);
	runs[1] = driver_start(&d, "wf");
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED); /* nothing new for it */
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false); /* again: nothing */
	assert_int_equal(d.out->event_count, 0);
	driver_complete(&d, runs[0], "a"); /* its result may still come, by another way */
	assert_run_closed(&d, runs[0], ENG_COMPLETED);
	driver_close(&d);
}

/* What it does not hold is queued again at once, in front, in the old order. */
static void
test_worker__reattach(void **state)
{
	struct driver d;
	uint64_t runs[5];
	(void)state;
	runs_open(&d, runs, 5);
	uint64_t worker = driver_worker(&d, 1, 4, "wf:a");
	assert_task(&d, runs[4], "a", ENG_TASK_QUEUED);
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false);
	struct eng_fence held[3] = {fence_of(&d, runs[1]), fence_of(&d, runs[4]),
	    fence_of(&d, runs[1])};
	held[1].lease = 7;
	const struct eng_effect *reply = reattach(&d, 1, 4, held, 3);
	assert_int_equal(reply->worker, worker);
	assert_int_equal(reply->lapsed_count, 1);
	assert_true(uuid_equal(reply->lapsed[0].task, held[1].task));
	assert_int_equal(reply->lapsed[0].lease, 7);
	assert_int_equal(driver_task(&d, runs[1], "a")->lease, 1); /* goes on undisturbed */
	assert_int_equal(driver_events(&d, ENG_EV_LEASES_DROPPED), 1);
	assert_int_equal(driver_events(&d, ENG_EV_ATTEMPT_ENDED), 3);
	const uint64_t order[] = {runs[0], runs[2], runs[3]};
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(driver_task(&d, order[i], "a")->lease, 2);
		assert_int_equal(driver_effect(&d, ENG_EFF_DISPATCH, i)->run, order[i]);
	}
	assert_task(&d, runs[4], "a", ENG_TASK_QUEUED);
	assert_null(driver_effect(&d, ENG_EFF_REVOKE, 0));
	driver_close(&d);
}

/* Released attempts count neither as failures nor as losses. */
static void
test_worker__release_costs_no_retry(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	driver_worker(&d, 1, 1, "wf:a");
	for (uint32_t i = 0; i < 3 * FROE_INFRA_RETRIES_MAX; i++)
		reattach(&d, 1, 1, NULL, 0);
	struct eng_dispatch dispatch;
	uint64_t lease = driver_task(&d, run, "a")->lease;
	assert_int_equal(lease, 3 * FROE_INFRA_RETRIES_MAX + 1);
	assert_true(eng_dispatch(d.eng, run, 0, lease, d.now_ns, &dispatch));
	assert_int_equal(dispatch.retries, 0);
	driver_fail(&d, run, "a");
	assert_run_closed(&d, run, ENG_FAILED);
	driver_close(&d);
}

static void
test_worker__reattach_must_be_the_same(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	driver_worker(&d, 1, 2, "wf:a wf:b");
	struct eng_command command = driver_worker_command(&d, 1, 3, "wf:a wf:b");
	assert_int_equal(driver_try(&d, &command), FROE_FAILED_PRECONDITION);
	command = driver_worker_command(&d, 1, 2, "wf:a");
	assert_int_equal(driver_try(&d, &command), FROE_FAILED_PRECONDITION);
	command = driver_worker_command(&d, 1, 2, "wf:a wf:c");
	assert_int_equal(driver_try(&d, &command), FROE_FAILED_PRECONDITION);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

static void
test_worker__new_incarnation(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	uint64_t old = driver_worker(&d, 1, 1, "wf:a");
	struct eng_fence fence = fence_of(&d, run);
	struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, run, "a");
	struct eng_command command = driver_worker_command(&d, 1, 3, "wf:a wf:b");
	command.worker_register.incarnation = 2;
	command.worker_register.held = &fence; /* as if it had kept them: it cannot */
	command.worker_register.held_count = 1;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t new = driver_reply(&d)->worker;
	assert_int_not_equal(old, new);
	assert_int_equal(driver_reply(&d)->lapsed_count, 1);
	assert_int_equal(driver_events(&d, ENG_EV_WORKER_LEFT), 1);
	assert_int_equal(driver_task(&d, run, "a")->worker, new);
	assert_int_equal(driver_task(&d, run, "a")->lease, 2);
	assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
	assert_int_equal(eng_worker_name(d.eng, old).size, 6); /* histories still show it */
	assert_int_equal(eng_worker_name(d.eng, new).size, 6);
	driver_close(&d);
}

/* ------------------------------------------------------------------------- draining and leaving */

static void
test_worker__drain(void **state)
{
	struct driver d;
	uint64_t runs[2];
	(void)state;
	runs_open(&d, runs, 1);
	uint64_t worker = driver_worker(&d, 1, 5, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DRAIN, worker, false);
	runs[1] = driver_start(&d, "wf");
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED);
	driver_complete(&d, runs[0], "a");
	driver_worker_say(&d, ENG_CMD_WORKER_DRAIN, worker, false); /* again: answered, no event */
	assert_int_equal(d.out->event_count, 0);
	driver_worker_say(&d, ENG_CMD_WORKER_DRAIN, worker + 9, false);
	assert_int_equal(driver_reply(&d)->err, FROE_FAILED_PRECONDITION);
	driver_close(&d);
}

static void
test_worker__leave_orderly(void **state)
{
	struct driver d;
	uint64_t runs[4];
	(void)state;
	runs_open(&d, runs, 4);
	uint64_t worker = driver_worker(&d, 1, 3, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, false);
	assert_int_equal(driver_reply(&d)->err, FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_WORKER_LEFT), 1);
	for (int i = 0; i < 3; i++)
		assert_int_equal(driver_task(&d, runs[i], "a")->reason, ENG_REASON_RELEASED);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, false); /* again: answered */
	assert_int_equal(d.out->event_count, 0);
	driver_worker(&d, 2, 9, "wf:a");
	for (size_t i = 0; i < 4; i++) /* in the old order, before the one that still waited */
		assert_int_equal(driver_effect(&d, ENG_EFF_DISPATCH, i)->run, runs[i]);
	driver_close(&d);
}

static void
test_worker__lost(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true);
	assert_int_equal(d.out->effect_count, 1);
	assert_int_equal(driver_effect(&d, ENG_EFF_REVOKE, 0)->worker, worker);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	assert_int_equal(driver_task(&d, run, "a")->reason, ENG_REASON_LOST);
	driver_worker(&d, 2, 1, "wf:a");
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 0, 2, d.now_ns, &dispatch));
	assert_int_equal(dispatch.retries, 0); /* not its failure */
	driver_close(&d);
}

/* Its kind comes back by the id that it has, whenever that is: to nothing that it had. */
static void
test_worker__lost_and_kept(void **state)
{
	struct driver d;
	uint64_t runs[2];
	(void)state;
	runs_open(&d, runs, 1);
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	struct eng_command command = driver_command(&d, ENG_CMD_WORKER_LEAVE);
	command.worker.worker.v = worker;
	command.worker.lost = command.worker.kept = true;
	driver_step(&d, &command);
	assert_task(&d, runs[0], "a", ENG_TASK_QUEUED); /* and not its again */
	assert_int_equal(driver_task(&d, runs[0], "a")->reason, ENG_REASON_LOST);
	struct eng_worker_view view;
	assert_false(eng_worker_view(d.eng, worker, &view));
	assert_true(eng_worker_view(d.eng, worker + 1, &view));
	assert_false(view.attached);
	assert_int_equal(eng_worker_find(d.eng, view.tenant, view.id), worker + 1);
	assert_int_equal(driver_worker(&d, 1, 1, "wf:a"), worker + 1);
	assert_int_equal(driver_events(&d, ENG_EV_WORKER_ATTACHED), 1);
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* Ten times; the eleventh loss is the task's failure, though it has retries left. */
static void
test_worker__lost_too_often(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 5;
	driver_put(&d, &workflow);
	uint64_t run = driver_start(&d, "wf");
	for (uint32_t i = 0; i <= FROE_INFRA_RETRIES_MAX; i++) {
		uint64_t worker = driver_worker(&d, i, 1, "wf:a");
		assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
		driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true);
	}
	assert_run_closed(&d, run, ENG_FAILED);
	assert_int_equal(driver_task(&d, run, "a")->reason, ENG_REASON_LOST);
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	const struct eng_event *error =
	    ledger_record(&d.ledger, run, closed->refs[0].record);
	assert_true(bytes_equal(error->text, bytes_text("the worker was lost")));
	driver_close(&d);
}

/* A worker of 10 000 slots ends in slices; what is free goes to others meanwhile; a crash in the
 * middle changes nothing. */
static void
test_worker__lost_in_slices(void **state)
{
	enum { SLOTS = FROE_WORKER_SLOTS_MAX };
	struct driver d;
	struct eng_command schedule = {.type = ENG_CMD_SCHEDULE};
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	driver_define(&d, "wf", "a");
	uint64_t big = driver_worker(&d, 1, SLOTS, "wf:a");
	for (uint32_t i = 0; i < SLOTS; i++)
		driver_start(&d, "wf");
	uint64_t small = driver_worker(&d, 2, 100, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, big, true);
	assert_true(eng_pending(d.eng));
	assert_in_range(driver_events(&d, ENG_EV_ATTEMPT_ENDED), 100, 256);
	driver_crash(&d, SECOND);
	struct eng_command back = driver_worker_command(&d, 2, 100, "wf:a");
	assert_int_equal(driver_try(&d, &back), FROE_OK);
	uint32_t steps = 0;
	for (; eng_pending(d.eng); steps++) {
		driver_step(&d, &schedule);
		assert_true(d.out->event_count <= 2 * 256 + 2);
	}
	assert_in_range(steps, SLOTS / 256, SLOTS / 64);
	struct eng_counts counts;
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.workers, 1);
	assert_int_equal(counts.tasks[ENG_TASK_ASSIGNED], 100);
	assert_int_equal(counts.tasks[ENG_TASK_QUEUED], SLOTS - 100);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, small, false);
	driver_close(&d);
}

/* While one ends in slices, many others leave: no step grows with their number. */
static void
test_worker__many_leave_behind_a_big_one(void **state)
{
	enum { SLOTS = 2000, OTHERS = 3000 };
	struct driver d;
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	driver_define(&d, "wf", "a");
	uint64_t big = driver_worker(&d, 1, SLOTS, "wf:a");
	for (uint32_t i = 0; i < SLOTS; i++)
		driver_start(&d, "wf");
	uint64_t first = driver_worker(&d, 2, 1, "x");
	for (uint32_t i = 1; i < OTHERS; i++)
		driver_worker(&d, 2 + i, 1, "x");
	/* All leave while the big one's leases still end: as events, so that no step is taken. */
	struct eng *eng = driver_replay(&d);
	eng_close(d.eng);
	d.eng = eng;
	for (uint32_t i = 0; i <= OTHERS; i++) {
		struct froe_fault fault;
		struct expected expected = {0};
		struct eng_event event = {
		    .type = ENG_EV_WORKER_LEAVING,
		    .time_ns = d.now_ns,
		    .worker = i == 0 ? big : first + i - 1,
		    .reason = ENG_REASON_LOST,
		};
		assert_int_equal(eng_apply_logged(d.eng, &event, &fault), FROE_OK);
		driver_keep(&d, &event, &expected);
	}
	struct eng_command schedule = {.type = ENG_CMD_SCHEDULE};
	while (eng_pending(d.eng)) {
		driver_step(&d, &schedule);
		assert_in_range(d.out->event_count, 1, 2 * 256);
	}
	struct eng_counts counts;
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.workers, 0);
	driver_close(&d);
}

/* A worker of 10 000 slots comes back with nothing: what it had ends in slices, though the process
 * dies in the middle; and what it says of them meanwhile is late. */
static void
test_worker__big_one_returns_empty(void **state)
{
	enum { SLOTS = FROE_WORKER_SLOTS_MAX };
	struct driver d;
	struct eng_command schedule = {.type = ENG_CMD_SCHEDULE};
	size_t ended = 0;
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, SLOTS, "wf:a");
	uint64_t oldest = driver_start(&d, "wf");
	for (uint32_t i = 1; i < SLOTS; i++)
		driver_start(&d, "wf");
	struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_COMPLETE, oldest, "a");
	struct eng_command back = driver_worker_command(&d, 1, SLOTS, "wf:a");
	back.hold = schedule.hold = true; /* what has ended is not given out again */
	assert_true(eng_step_bytes_max(d.eng, &back) < 512u << 10);
	assert_int_equal(driver_try(&d, &back), FROE_OK);
	ended += driver_events(&d, ENG_EV_ATTEMPT_ENDED);
	assert_in_range(ended, 100, 256);
	assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
	ended += driver_events(&d, ENG_EV_ATTEMPT_ENDED);
	driver_crash(&d, SECOND);
	ended += driver_events(&d, ENG_EV_ATTEMPT_ENDED);
	eng_check(d.eng);
	while (ended < SLOTS) {
		assert_true(eng_pending(d.eng));
		driver_step(&d, &schedule);
		assert_in_range(driver_events(&d, ENG_EV_ATTEMPT_ENDED), 1, 256);
		ended += driver_events(&d, ENG_EV_ATTEMPT_ENDED);
	}
	assert_int_equal(ended, SLOTS);
	driver_close(&d);
}

/* ---------------------------------------------------------------------- tenants, bad requests */

static void
test_worker__serves_its_tenant_only(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	struct eng_tenant_id acme = d.tenant, other = driver_tenant(&d, "other");
	assert_int_not_equal(acme.v, other.v);
	d.tenant = other;
	driver_worker(&d, 1, 5, "wf:a");
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	struct eng_command command = driver_start_command(&d, "wf");
	assert_int_equal(driver_try(&d, &command), FROE_NOT_FOUND); /* its own has none */
	driver_define(&d, "wf", "a");
	uint64_t own = driver_start(&d, "wf");
	assert_task(&d, own, "a", ENG_TASK_ASSIGNED);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_close(&d);
}

static void
test_worker__id_of_another_tenant(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	driver_worker(&d, 1, 1, "wf:a");
	d.tenant = driver_tenant(&d, "other");
	struct eng_command command = driver_worker_command(&d, 1, 1, "wf:a");
	assert_int_equal(driver_try(&d, &command), FROE_OK); /* nothing is told of the other */
	command.worker_register.incarnation = 2; /* no way to end another's leases either */
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_WORKER_LEFT), 1);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	assert_int_equal(driver_task(&d, run, "a")->lease, 1);
	driver_close(&d);
}

static void
expect_refused(struct driver *d, const struct eng_command *command, const char *field)
{
	assert_int_equal(driver_try(d, command), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(d)->fault->field, field);
}

static void
test_worker__bad_registrations(void **state)
{
	static const uint8_t latin[] = {'a', 0xe4, 'b'};
	static uint8_t longest[2 * FROE_NAME_BYTES_MAX + 2];
	struct driver d;
	struct bytes actions[FROE_WORKER_ACTIONS_MAX + 1];
	(void)state;
	driver_open(&d);
	memset(longest, 'x', sizeof(longest));
	struct eng_command good = driver_worker_command(&d, 1, 1, "one two"), bad = good;
	bad.worker_register.slots = 0;
	expect_refused(&d, &bad, "slots");
	bad.worker_register.slots = FROE_WORKER_SLOTS_MAX + 1;
	expect_refused(&d, &bad, "slots");
	bad = good;
	bad.worker_register.action_count = 0;
	expect_refused(&d, &bad, "actions");
	bad.worker_register.actions = actions;
	bad.worker_register.action_count = FROE_WORKER_ACTIONS_MAX + 1;
	expect_refused(&d, &bad, "actions");
	bad.worker_register.action_count = 2;
	actions[0] = bytes_text("fine");
	actions[1] = bytes_of(latin, sizeof(latin));
	expect_refused(&d, &bad, "actions[1]");
	actions[1] = bytes_of(longest, sizeof(longest));
	expect_refused(&d, &bad, "actions[1]");
	actions[1] = bytes_of(NULL, 0);
	expect_refused(&d, &bad, "actions[1]");
	bad = good;
	bad.worker_register.id = (struct uuid){{0}};
	expect_refused(&d, &bad, "id");
	bad = good;
	bad.worker_register.name = bytes_of(longest, FROE_NAME_BYTES_MAX + 1);
	expect_refused(&d, &bad, "name");
	bad.worker_register.name = bytes_of(latin, sizeof(latin));
	expect_refused(&d, &bad, "name");
	assert_int_equal(driver_try(&d, &good), FROE_OK);
	driver_close(&d);
}

/* The same action twice in a registration is one. */
static void
test_worker__repeated_actions(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	driver_worker(&d, 1, 1, "wf:a wf:a x wf:a");
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------ restarts */

static void
worker_count(void *context, uint64_t worker, bool attached, struct bytes name)
{
	uint32_t *counts = context;
	froe_assert(worker != 0);
	froe_assert(bytes_equal(name, bytes_text("worker")));
	counts[attached ? 1 : 0]++;
}

/* A restart detaches all; leases stay; who comes back goes on, who does not is lost. */
static void
test_worker__restart(void **state)
{
	struct driver d;
	uint64_t runs[3];
	uint32_t counts[2] = {0};
	(void)state;
	runs_open(&d, runs, 2);
	uint64_t first = driver_worker(&d, 1, 1, "wf:a"), second = driver_worker(&d, 2, 1, "wf:a");
	driver_crash(&d, 10 * SECOND);
	eng_workers(d.eng, worker_count, counts);
	assert_int_equal(counts[0], 2);
	assert_int_equal(counts[1], 0);
	runs[2] = driver_start(&d, "wf");
	assert_task(&d, runs[2], "a", ENG_TASK_QUEUED);
	struct eng_fence fence = fence_of(&d, runs[0]);
	assert_int_equal(reattach(&d, 1, 1, &fence, 1)->lapsed_count, 0);
	assert_int_equal(driver_task(&d, runs[0], "a")->lease, 1);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, second, true);
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED);
	driver_complete(&d, runs[0], "a");
	assert_int_equal(driver_task(&d, runs[1], "a")->worker, first); /* retries go first */
	driver_close(&d);
}

/* The shell may hold assignments back, and then asks for them. */
static void
test_worker__hold(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	runs_open(&d, &run, 1);
	struct eng_command command = driver_worker_command(&d, 1, 1, "wf:a");
	command.hold = true;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	assert_true(eng_pending(d.eng));
	driver_settle(&d);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_worker__least_loaded),
	    cmocka_unit_test(test_worker__slots_and_actions_bound),
	    cmocka_unit_test(test_worker__detach_keeps_leases),
	    cmocka_unit_test(test_worker__reattach),
	    cmocka_unit_test(test_worker__release_costs_no_retry),
	    cmocka_unit_test(test_worker__reattach_must_be_the_same),
	    cmocka_unit_test(test_worker__new_incarnation),
	    cmocka_unit_test(test_worker__drain),
	    cmocka_unit_test(test_worker__leave_orderly),
	    cmocka_unit_test(test_worker__lost),
	    cmocka_unit_test(test_worker__lost_and_kept),
	    cmocka_unit_test(test_worker__lost_too_often),
	    cmocka_unit_test(test_worker__lost_in_slices),
	    cmocka_unit_test(test_worker__many_leave_behind_a_big_one),
	    cmocka_unit_test(test_worker__big_one_returns_empty),
	    cmocka_unit_test(test_worker__serves_its_tenant_only),
	    cmocka_unit_test(test_worker__id_of_another_tenant),
	    cmocka_unit_test(test_worker__bad_registrations),
	    cmocka_unit_test(test_worker__repeated_actions),
	    cmocka_unit_test(test_worker__restart),
	    cmocka_unit_test(test_worker__hold),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
