/*
 * Slots of types, what tasks take of them, slots given back, workers paused.
 */
#include "engine_driver.h"

#include "froe/limits.h"

#define SLOTS(type, count) {{(const uint8_t *)(type), sizeof(type) - 1}, count}

/* A workflow "wf" of one task that takes these. */
static void
define_needing(struct driver *d, const char *name, const struct eng_slots *slots, uint32_t count)
{
	struct workflow workflow;
	workflow_parse(&workflow, &d->arena, name, "a");
	workflow.tasks[0].slots = slots;
	workflow.tasks[0].slot_count = count;
	driver_put(d, &workflow);
}

static struct eng_command
typed_worker(struct driver *d, uint32_t number, uint32_t slots, const struct eng_slots *types,
    uint32_t count, const char *actions)
{
	struct eng_command command = driver_worker_command(d, number, slots, actions);
	command.worker_register.types = types;
	command.worker_register.type_count = count;
	return command;
}

/* What a save of the state gives rise to is the state. */
static void
saved_is_same(struct driver *d)
{
	struct kept kept;
	struct eng_load *load = eng_load_open();
	struct froe_fault fault;
	struct eng *eng;
	driver_save(d, d->eng, &kept);
	for (size_t i = 0; i < kept.count; i++)
		assert_int_equal(eng_load_put(load, &kept.records[i].saved, &fault), FROE_OK);
	assert_int_equal(eng_load_close(load, &eng, &fault), FROE_OK);
	eng_check(eng);
	assert_true(eng_hash(eng) == eng_hash(d->eng));
	eng_close(eng);
	kept_release(&kept);
}

static void
test_slots__types(void **state)
{
	static const struct eng_slots two_gpus[] = {SLOTS("gpu", 2), SLOTS("default", 1)};
	static const struct eng_slots four[] = {SLOTS("gpu", 4)};
	struct driver d;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	define_needing(&d, "wf", two_gpus, 2);
	driver_worker(&d, 1, 8, "wf:a"); /* no gpu */
	struct eng_command command = typed_worker(&d, 2, 8, four, 1, "wf:a");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t worker = driver_reply(&d)->worker;
	for (int i = 0; i < 3; i++)
		runs[i] = driver_start(&d, "wf");
	assert_task(&d, runs[1], "a", ENG_TASK_ASSIGNED);
	assert_task(&d, runs[2], "a", ENG_TASK_QUEUED);
	struct eng_worker_view view;
	assert_true(eng_worker_view(d.eng, worker, &view));
	assert_int_equal(view.slots, 12);
	assert_int_equal(view.slots_used, 6);
	saved_is_same(&d);
	driver_crash(&d, SECOND);
	assert_true(eng_worker_view(d.eng, worker, &view));
	assert_int_equal(view.slots_used, 6);
	command.worker_register.held_count = 0;
	assert_int_equal(driver_try(&d, &command), FROE_OK); /* it is the same worker */
	assert_int_equal(driver_reply(&d)->worker, worker);
	driver_complete(&d, runs[0], "a");
	assert_task(&d, runs[2], "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

static void
test_slots__bad_registrations(void **state)
{
	static const struct eng_slots cases[][2] = {{SLOTS("gpu", 0)}, {SLOTS("a b", 1)},
	    {SLOTS("a=b", 1)}, {SLOTS("", 1)}, {SLOTS("gpu", 1), SLOTS("gpu", 2)},
	    {SLOTS("default", 1)}, {SLOTS("gpu", FROE_WORKER_SLOTS_MAX)}};
	static const uint32_t counts[] = {1, 1, 1, 1, 2, 1, 1};
	struct driver d;
	(void)state;
	driver_open(&d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct eng_command command = typed_worker(&d, 1, 1, cases[i], counts[i], "wf:a");
		assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	}
	struct eng_command none = driver_worker_command(&d, 1, 0, "wf:a");
	assert_int_equal(driver_try(&d, &none), FROE_INVALID_ARGUMENT);
	struct eng_command gpus = typed_worker(&d, 1, 0, cases[4], 1, "wf:a");
	assert_int_equal(driver_try(&d, &gpus), FROE_OK); /* none of the default is fine */
	gpus.worker_register.types = (const struct eng_slots[]){SLOTS("gpu", 3)};
	assert_int_equal(driver_try(&d, &gpus), FROE_FAILED_PRECONDITION);
	driver_close(&d);
}

static void
test_slots__bad_definitions(void **state)
{
	static const struct eng_slots five[] = {SLOTS("a", 1), SLOTS("b", 1), SLOTS("c", 1),
	    SLOTS("d", 1), SLOTS("e", 1)};
	static const struct eng_slots twice[] = {SLOTS("a", 1), SLOTS("a", 2)};
	static const struct eng_slots zero[] = {SLOTS("a", 0)}, unnamed[] = {SLOTS("", 1)};
	static const struct {
		const struct eng_slots *slots;
		uint32_t count;
	} cases[] = {{five, 5}, {twice, 2}, {zero, 1}, {unnamed, 1}};
	struct driver d;
	(void)state;
	driver_open(&d);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct workflow workflow;
		struct eng_command command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
		workflow_parse(&workflow, &d.arena, "wf", "a b");
		workflow.tasks[1].slots = cases[i].slots;
		workflow.tasks[1].slot_count = cases[i].count;
		workflow_encode(&workflow);
		command.workflow_put.definition = workflow.definition;
		assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
		assert_non_null(strstr(driver_reply(&d)->faults[0].field, "tasks[1].slots"));
	}
	driver_close(&d);
}

/* A tenant's tasks have so many needs, over all workflows and versions. */
static void
test_slots__needs_are_limited(void **state)
{
	struct driver d;
	struct eng_slots slots = SLOTS("default", 1);
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	for (uint32_t i = 1; i <= FROE_TENANT_NEEDS_MAX; i++) {
		slots.count = i;
		define_needing(&d, "wf", &slots, 1);
	}
	struct workflow workflow;
	struct eng_command command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	workflow_parse(&workflow, &d.arena, "other", "a");
	workflow.tasks[0].slots = &slots;
	workflow.tasks[0].slot_count = 1;
	slots.count = FROE_TENANT_NEEDS_MAX + 1;
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	slots.count = 7;
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	d.tenant = driver_tenant(&d, "another");
	slots.count = FROE_TENANT_NEEDS_MAX + 1;
	workflow_encode(&workflow);
	command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

/* Tasks that say nothing have needs too, of which no definition is refused. */
static void
test_slots__needs_of_those_that_say_nothing(void **state)
{
	struct driver d;
	struct workflow workflow;
	struct eng_slots slots = SLOTS("gpu", 1);
	struct eng_slots fresh[] = {SLOTS("new", 1), SLOTS("newer", 1)};
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	for (uint32_t i = 1; i < FROE_TENANT_NEEDS_MAX; i++) {
		slots.count = i;
		define_needing(&d, "wf", &slots, 1);
	}
	/* One is left: one of two new types that are told apart, or the same one twice. */
	struct eng_command command = driver_command(&d, ENG_CMD_WORKFLOW_PUT);
	workflow_parse(&workflow, &d.arena, "two", "a b");
	for (int i = 0; i < 2; i++) {
		workflow.tasks[i].slots = &fresh[i];
		workflow.tasks[i].slot_count = 1;
	}
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	workflow.tasks[1].slots = &fresh[0];
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_define(&d, "plain", "a b c");
	workflow_parse(&workflow, &d.arena, "durable", "a");
	workflow.tasks[0].durable = true;
	driver_put(&d, &workflow);
	slots.count = 7;
	define_needing(&d, "wf", &slots, 1);
	slots.count = FROE_TENANT_NEEDS_MAX + 1;
	workflow_parse(&workflow, &d.arena, "more", "a");
	workflow.tasks[0].slots = &slots;
	workflow.tasks[0].slot_count = 1;
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	driver_close(&d);
}

/* A worker is kept free for a task whose turn has come; a crash and a save remember that. */
static void
test_slots__kept_over_a_restart(void **state)
{
	static const struct eng_slots three = SLOTS("default", 3);
	struct driver d;
	uint64_t small[8];
	(void)state;
	driver_open(&d);
	driver_define(&d, "small", "a");
	define_needing(&d, "large", &three, 1);
	driver_worker(&d, 1, 3, "small:a large:a");
	for (int i = 0; i < 8; i++)
		small[i] = driver_start(&d, "small");
	uint64_t large = driver_start(&d, "large");
	driver_complete(&d, small[0], "a"); /* its turn has come: what is free stays free */
	driver_complete(&d, small[1], "a");
	assert_task(&d, small[3], "a", ENG_TASK_QUEUED);
	assert_task(&d, large, "a", ENG_TASK_QUEUED);
	saved_is_same(&d);
	struct eng *recovered = driver_replay(&d);
	assert_true(eng_hash(recovered) == eng_hash(d.eng));
	eng_close(recovered);
	driver_complete(&d, small[2], "a");
	assert_task(&d, large, "a", ENG_TASK_ASSIGNED);
	assert_task(&d, small[3], "a", ENG_TASK_QUEUED);
	driver_complete(&d, large, "a");
	assert_task(&d, small[5], "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* A durable task takes a slot of its own type: it does not fill a worker of others. */
static void
test_slots__durable_by_default(void **state)
{
	static const struct eng_slots durable = SLOTS("durable", 1);
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b");
	workflow.tasks[0].durable = true;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 4, "wf:a wf:b");
	uint64_t run = driver_start(&d, "wf");
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
	struct eng_command command = typed_worker(&d, 2, 0, &durable, 1, "wf:a wf:b");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_task(&d, run, "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* ----------------------------------------------------------------------------- slots given back */

static enum froe_err
release(struct driver *d, uint64_t run, const char *task)
{
	struct eng_command command = driver_task_command(d, ENG_CMD_TASK_RELEASE, run, task);
	return driver_try(d, &command);
}

/* The slot is free, the lease stays: also its timeout, its next attempt, and over a restart. */
static void
test_slots__given_back(void **state)
{
	struct driver d;
	uint64_t runs[2];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	runs[0] = driver_start(&d, "wf");
	runs[1] = driver_start(&d, "wf");
	assert_int_equal(release(&d, runs[0], "a"), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_SLOTS_RELEASED), 1);
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED);
	assert_task(&d, runs[1], "a", ENG_TASK_ASSIGNED);
	assert_int_equal(release(&d, runs[0], "a"), FROE_OK); /* again: nothing */
	assert_int_equal(d.out->event_count, 0);
	saved_is_same(&d);
	struct eng_worker_view view;
	assert_true(eng_worker_view(d.eng, worker, &view));
	assert_int_equal(view.leases, 2);
	assert_int_equal(view.released, 1);
	assert_int_equal(view.slots_used, 1);
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, true); /* both are attempted again */
	assert_task(&d, runs[0], "a", ENG_TASK_QUEUED);
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED);
	assert_int_equal(release(&d, runs[0], "a"), FROE_LEASE_LAPSED);
	driver_close(&d);
}

/* A worker holds no more leases than its registration may list. */
static void
test_slots__given_back_is_limited(void **state)
{
	struct driver d;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	d.check_every = 1000;
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, FROE_WORKER_SLOTS_MAX - 1, "wf:a");
	for (int i = 0; i < 3; i++)
		runs[i] = driver_start(&d, "wf");
	assert_int_equal(release(&d, runs[0], "a"), FROE_OK);
	assert_int_equal(release(&d, runs[1], "a"), FROE_RESOURCE_EXHAUSTED);
	driver_complete(&d, runs[0], "a");
	assert_int_equal(release(&d, runs[1], "a"), FROE_OK);
	driver_close(&d);
}

/* --------------------------------------------------------------------------------------- pauses */

static void
test_slots__paused(void **state)
{
	struct driver d;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 5, "wf:a");
	runs[0] = driver_start(&d, "wf");
	assert_int_equal(driver_pause(&d, 1, true), FROE_OK);
	assert_true(bytes_equal(d.out->events[0].actor, bytes_text("ann")));
	assert_int_equal(driver_pause(&d, 1, true), FROE_OK);
	assert_int_equal(d.out->event_count, 0);
	assert_int_equal(driver_pause(&d, 9, true), FROE_NOT_FOUND);
	runs[1] = driver_start(&d, "wf");
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED); /* what it has goes on */
	assert_task(&d, runs[1], "a", ENG_TASK_QUEUED);
	saved_is_same(&d);
	driver_crash(&d, SECOND);
	struct eng_command command = driver_worker_command(&d, 1, 5, "wf:a");
	struct eng_fence held = driver_task_command(&d, ENG_CMD_TASK_LOG, runs[0], "a").task.fence;
	command.worker_register.held = &held;
	command.worker_register.held_count = 1;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_true(driver_reply(&d)->paused);
	assert_int_equal(driver_reply(&d)->worker, worker);
	command.worker_register.incarnation = 2; /* its process is another */
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_true(driver_reply(&d)->paused);
	assert_task(&d, runs[0], "a", ENG_TASK_QUEUED);
	assert_int_equal(driver_pause(&d, 1, false), FROE_OK);
	assert_task(&d, runs[0], "a", ENG_TASK_ASSIGNED);
	assert_task(&d, runs[1], "a", ENG_TASK_ASSIGNED);
	driver_close(&d);
}

/* Until it is gone, who drains drains, however often it comes back. */
static void
test_slots__draining_outlives_connections(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 5, "wf:a");
	driver_worker_say(&d, ENG_CMD_WORKER_DRAIN, worker, false);
	driver_worker_say(&d, ENG_CMD_WORKER_DETACH, worker, false);
	struct eng_command command = driver_worker_command(&d, 1, 5, "wf:a");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_true(driver_reply(&d)->draining);
	uint64_t run = driver_start(&d, "wf");
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	command = driver_worker_command(&d, 2, 5, "wf:a");
	command.worker_register.draining = true; /* it was told to while it had no connection */
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_true(driver_reply(&d)->draining);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	driver_close(&d);
}

/* A task's own priority is that of its first attempt. */
static void
test_slots__task_priority(void **state)
{
	struct driver d;
	struct workflow workflow;
	(void)state;
	driver_open(&d);
	workflow_parse(&workflow, &d.arena, "wf", "a b");
	workflow.tasks[0].action = workflow.tasks[1].action = bytes_text("same");
	workflow.tasks[1].priority = 3;
	driver_put(&d, &workflow);
	uint64_t run = driver_start(&d, "wf");
	driver_worker(&d, 1, 1, "same");
	assert_task(&d, run, "b", ENG_TASK_ASSIGNED);
	assert_task(&d, run, "a", ENG_TASK_QUEUED);
	struct eng_dispatch dispatch;
	assert_true(eng_dispatch(d.eng, run, 1, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.priority, 3);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_slots__types),
	    cmocka_unit_test(test_slots__bad_registrations),
	    cmocka_unit_test(test_slots__bad_definitions),
	    cmocka_unit_test(test_slots__needs_are_limited),
	    cmocka_unit_test(test_slots__needs_of_those_that_say_nothing),
	    cmocka_unit_test(test_slots__kept_over_a_restart),
	    cmocka_unit_test(test_slots__durable_by_default),
	    cmocka_unit_test(test_slots__given_back),
	    cmocka_unit_test(test_slots__given_back_is_limited),
	    cmocka_unit_test(test_slots__paused),
	    cmocka_unit_test(test_slots__draining_outlives_connections),
	    cmocka_unit_test(test_slots__task_priority),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
