/* What a Hatchet worker registers, as a definition; what is not there yet is refused by name. */
#include "gateway/definition.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
	struct arena arena;
	struct froe_fault fault;
	Hatchet__CreateWorkflowVersionRequest request;
	Hatchet__CreateTaskOpts task;
	Hatchet__CreateTaskOpts *tasks[1];
	Froe__WorkflowDefinition *definition;
};

static int
setup(void **state)
{
	static struct world w;
	static char name[] = "Orders", id[] = "Ship-It", action[] = "Orders:Ship-It";
	w = (struct world){.tasks = {&w.task}};
	arena_init(&w.arena, 0);
	hatchet__create_workflow_version_request__init(&w.request);
	hatchet__create_task_opts__init(&w.task);
	w.task.readable_id = id;
	w.task.action = action;
	w.request.name = name;
	w.request.tasks = w.tasks;
	w.request.n_tasks = 1;
	*state = &w;
	return 0;
}

static int
teardown(void **state)
{
	arena_release(&((struct world *)*state)->arena);
	return 0;
}

static enum froe_err
take(struct world *w)
{
	return definition_of(
	    &w->request, &DEFINITION_PATHS, &w->arena, &w->definition, &w->fault);
}

static const Froe__TaskDefinition *
good(struct world *w)
{
	assert_int_equal(take(w), FROE_OK);
	return w->definition->tasks[0];
}

static void
refused(struct world *w, const char *field)
{
	assert_int_equal(take(w), FROE_INVALID_ARGUMENT);
	assert_string_equal(w->fault.field, field);
}

static void
test_definition__says_what_hatchet_leaves_out(void **state)
{
	const Froe__TaskDefinition *task = good(*state);
	assert_string_equal(((struct world *)*state)->definition->name, "orders");
	assert_string_equal(task->name, "Ship-It");
	assert_string_equal(task->action, "orders:ship-it");
	assert_int_equal(task->execution_timeout_ms, 60000);
	assert_int_equal(task->schedule_timeout_ms, 300000);
	assert_int_equal(task->retries, 0);
	assert_null(task->backoff);
	assert_false(task->durable);
}

static void
test_definition__backoff_is_factor_to_the_nth(void **state)
{
	struct world *w = *state;
	w->task.has_backoff_factor = w->task.has_backoff_max_seconds = true;
	w->task.backoff_factor = 1.5f;
	w->task.backoff_max_seconds = 20;
	w->task.retries = 4;
	const Froe__TaskDefinition *task = good(w);
	assert_int_equal(task->retries, 4);
	assert_int_equal(task->backoff->kind, FROE__BACKOFF_KIND__BACKOFF_EXPONENTIAL);
	assert_int_equal(task->backoff->initial_ms, 1500);
	assert_int_equal(task->backoff->max_ms, 20000);
	w->task.backoff_factor = 0.5f;
	refused(w, "tasks[0].backoff_factor");
}

static void
test_definition__timeouts_are_durations(void **state)
{
	struct world *w = *state;
	char timeout[] = "1h30m", schedule[] = "2w", bad[] = "soon";
	w->task.timeout = timeout;
	w->task.schedule_timeout = schedule;
	const Froe__TaskDefinition *task = good(w);
	assert_int_equal(task->execution_timeout_ms, 5400000);
	assert_int_equal(task->schedule_timeout_ms, UINT64_C(14) * 86400000);
	w->task.timeout = bad;
	refused(w, "tasks[0].timeout");
}

static void
test_definition__slots_have_one_order(void **state)
{
	struct world *w = *state;
	Hatchet__CreateTaskOpts__SlotRequestsEntry rows[2];
	Hatchet__CreateTaskOpts__SlotRequestsEntry *requests[2] = {&rows[0], &rows[1]};
	char z[] = "z", a[] = "a";
	hatchet__create_task_opts__slot_requests_entry__init(&rows[0]);
	hatchet__create_task_opts__slot_requests_entry__init(&rows[1]);
	rows[0].key = z;
	rows[1].key = a;
	rows[0].value = rows[1].value = 2;
	w->task.slot_requests = requests;
	w->task.n_slot_requests = 2;
	const Froe__TaskDefinition *task = good(w);
	assert_string_equal(task->slots[0]->type, "a");
	assert_string_equal(task->slots[1]->type, "z");
	rows[0].value = 0;
	refused(w, "tasks[0].slot_requests");
}

static void
test_definition__on_failure_task_is_the_last(void **state)
{
	struct world *w = *state;
	Hatchet__CreateTaskOpts last = w->task;
	char name[] = "mend";
	last.readable_id = name;
	w->request.on_failure_task = &last;
	good(w);
	assert_int_equal(w->definition->n_tasks, 2);
	assert_false(w->definition->tasks[0]->on_failure);
	assert_true(w->definition->tasks[1]->on_failure);
	assert_string_equal(w->definition->tasks[1]->name, "mend");
}

static void
test_definition__keeps_the_keys_of_events(void **state)
{
	struct world *w = *state;
	char key[] = "user:*", *keys[1] = {key};
	w->request.event_triggers = keys;
	w->request.n_event_triggers = 1;
	good(w);
	assert_int_equal(w->definition->n_events, 1);
	assert_string_equal(w->definition->events[0], "user:*");
}

/* SDKs always send empty ones. */
static void
test_definition__empty_is_not_given(void **state)
{
	struct world *w = *state;
	Hatchet__TaskConditions none = HATCHET__TASK_CONDITIONS__INIT;
	w->task.conditions = &none;
	good(w);
	none.n_sleep_conditions = 1;
	refused(w, "tasks[0].conditions");
}

static void
test_definition__what_is_not_there_is_named(void **state)
{
	struct world *w = *state;
	Hatchet__IdempotencyConfig idempotency = HATCHET__IDEMPOTENCY_CONFIG__INIT;
	Hatchet__TaskBatchConfig batch = HATCHET__TASK_BATCH_CONFIG__INIT;
	w->request.n_cron_triggers = 1;
	refused(w, "cron_triggers");
	w->request.n_cron_triggers = 0;
	w->request.n_concurrency_arr = 1;
	refused(w, "concurrency_arr");
	w->request.n_concurrency_arr = 0;
	w->request.has_sticky = true;
	refused(w, "sticky");
	w->request.has_sticky = false;
	w->request.n_default_filters = 1;
	refused(w, "default_filters");
	w->request.n_default_filters = 0;
	w->request.idempotency = &idempotency;
	refused(w, "idempotency");
	w->request.idempotency = NULL;
	w->task.n_rate_limits = 1;
	refused(w, "tasks[0].rate_limits");
	w->task.n_rate_limits = 0;
	w->task.n_worker_labels = 1;
	refused(w, "tasks[0].worker_labels");
	w->task.n_worker_labels = 0;
	w->task.batch = &batch;
	refused(w, "tasks[0].batch");
	w->task.batch = NULL;
	w->request.has_default_priority = true;
	w->request.default_priority = 4;
	refused(w, "default_priority");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
	        test_definition__says_what_hatchet_leaves_out, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__backoff_is_factor_to_the_nth, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__timeouts_are_durations, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__slots_have_one_order, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__on_failure_task_is_the_last, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__keeps_the_keys_of_events, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_definition__empty_is_not_given, setup, teardown),
	    cmocka_unit_test_setup_teardown(
	        test_definition__what_is_not_there_is_named, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
