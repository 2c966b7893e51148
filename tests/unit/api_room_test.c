/*
 * A request whose lists do not fit into its arena is refused as too large, wherever that happens;
 * and what workers and jobs say of slots and runs, each limit and each condition.
 */
#include "api_decode.h"

#include "api/definition.h"

static uint8_t run_bytes[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 9, 10, 11, 12, 13, 0, 0};

/* The same message in ever larger arenas: refused, up to the one that holds it. */
static void
expect_room_wanted(Froe__Envelope__BodyCase kind, void *body, const char *field, size_t least)
{
	size_t refused = 0;
	arena_release(&arena);
	arena_init(&arena, 0);
	assert_int_equal(decode(kind, body), FROE_OK);
	size_t taken = arena.taken;
	for (size_t limit = 16; limit < taken; limit += 16) {
		arena_release(&arena);
		arena_init(&arena, limit);
		expect_fault(decode(kind, body), FROE_TOO_LARGE, field);
		assert_true(arena.taken <= limit);
		refused++;
	}
	arena_release(&arena);
	arena_init(&arena, taken);
	assert_int_equal(decode(kind, body), FROE_OK);
	assert_true(refused >= least);
	arena_release(&arena);
	arena_init(&arena, 0);
}

static void
test_room__definition(void **state)
{
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__TaskDefinition tasks[] = {FROE__TASK_DEFINITION__INIT, FROE__TASK_DEFINITION__INIT};
	Froe__TaskDefinition *task_at[] = {&tasks[0], &tasks[1]};
	Froe__Backoff backoff = FROE__BACKOFF__INIT;
	Froe__Slots slots[] = {FROE__SLOTS__INIT, FROE__SLOTS__INIT};
	Froe__Slots *slot_at[] = {&slots[0], &slots[1]};
	char *parents[] = {"a"};
	(void)state;
	slots[0].type = "default";
	slots[1].type = "gpu";
	slots[0].count = slots[1].count = 1;
	tasks[0].name = "a";
	tasks[0].slots = slot_at;
	tasks[0].n_slots = 2;
	tasks[0].backoff = &backoff;
	tasks[1].name = "b";
	tasks[1].parents = parents;
	tasks[1].n_parents = 1;
	workflow.name = "w";
	workflow.tasks = task_at;
	workflow.n_tasks = 2;
	put.workflow = &workflow;
	expect_room_wanted(FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put, "", 20);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put), FROE_OK);
	const struct eng_definition *definition = &command.engine.workflow_put.definition;
	struct eng_definition again;
	assert_int_equal(definition->task_count, 2);
	assert_int_equal(definition->tasks[0].slot_count, 2);
	assert_true(bytes_equal(definition->tasks[1].parents[0], bytes_text("a")));
	assert_int_equal(definition_decode(definition->encoded, &arena, &again, &fault), FROE_OK);
	assert_true(bytes_equal(again.encoded, definition->encoded));
}

static void
test_room__requests(void **state)
{
	Froe__Pair pair = FROE__PAIR__INIT;
	Froe__Pair *pairs[] = {&pair, &pair, &pair};
	Froe__RunStart start = FROE__RUN_START__INIT;
	Froe__RunStart *starts[] = {&start, &start};
	Froe__RunStartMany many = FROE__RUN_START_MANY__INIT;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__RunCancelMany cancel = FROE__RUN_CANCEL_MANY__INIT;
	(void)state;
	pair.key = "customer";
	pair.value = "7";
	start.workflow = "w";
	start.metadata = pairs;
	start.n_metadata = 3;
	expect_room_wanted(FROE__ENVELOPE__BODY_RUN_START, &start, "metadata", 5);
	start.n_metadata = 0;
	many.runs = starts;
	many.n_runs = 2;
	expect_room_wanted(FROE__ENVELOPE__BODY_RUN_START_MANY, &many, "runs", 5);
	list.metadata = pairs;
	list.n_metadata = 2;
	expect_room_wanted(FROE__ENVELOPE__BODY_RUN_LIST, &list, "metadata", 3);
	list.n_metadata = 0;
	list.workflow = "a workflow whose name is long";
	cancel.filter = &list;
	arena_release(&arena);
	arena_init(&arena, 16); /* the list's pairs, none, take nothing; then the copy to keep */
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_CANCEL_MANY, &cancel), FROE_TOO_LARGE,
	    "filter");
	arena_release(&arena);
	arena_init(&arena, 0);
}

static void
test_room__conditions(void **state)
{
	Froe__DurableStep step = FROE__DURABLE_STEP__INIT;
	Froe__Condition condition = FROE__CONDITION__INIT;
	Froe__Condition *conditions[] = {&condition, &condition};
	(void)state;
	step.has_task = true;
	step.task = data_of(task_bytes, 16);
	step.lease = 1;
	step.node = 1;
	step.kind = FROE__NODE_KIND__NODE_WAIT;
	step.conditions = conditions;
	step.n_conditions = 2;
	condition.kind = FROE__CONDITION_KIND__CONDITION_SLEEP;
	condition.sleep_ms = 5;
	expect_room_wanted(FROE__ENVELOPE__BODY_DURABLE_STEP, &step, "conditions", 5);
	condition.until_ns = 7;
	expect_fault(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_INVALID_ARGUMENT,
	    "conditions[0].until_ns");
	condition.sleep_ms = 0;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_OK);
	condition.kind = FROE__CONDITION_KIND__CONDITION_EVENT;
	condition.name = "key";
	assert_int_equal(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_OK);
	condition.kind = FROE__CONDITION_KIND__CONDITION_APPROVAL;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_OK);
	condition.has_data = true; /* nothing to show */
	assert_int_equal(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_OK);
	assert_int_equal(command.engine.durable.conditions[0].data.size, 0);
	condition.data = data_of("{", 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_DURABLE_STEP, &step), FROE_INVALID_ARGUMENT,
	    "conditions[0].data");
}

/* ------------------------------------------------------------------------------------- workers */

static void
test_room__worker(void **state)
{
	static uint8_t id[16] = {1};
	static char *actions[] = {"a:b", "c:d"};
	Froe__WorkerRegister worker = FROE__WORKER_REGISTER__INIT;
	Froe__HeldLease lease = FROE__HELD_LEASE__INIT;
	Froe__HeldLease *held[] = {&lease};
	Froe__Slots slots = FROE__SLOTS__INIT;
	Froe__Slots *types[FROE_WORKER_SLOT_TYPES_MAX + 1];
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_WORKER_REGISTER;
	(void)state;
	worker.has_id = true;
	worker.id = data_of(id, 16);
	worker.incarnation = 5;
	worker.actions = actions;
	worker.n_actions = 1;
	worker.slots = 1;
	expect_room_wanted(body, &worker, "actions", 0);
	worker.n_actions = 2;
	expect_room_wanted(body, &worker, "actions", 1);
	for (size_t i = 0; i <= FROE_WORKER_SLOT_TYPES_MAX; i++)
		types[i] = &slots;
	slots.type = "gpu";
	slots.count = 3;
	worker.slots = 0; /* the types say how many */
	worker.slot_types = types;
	worker.n_slot_types = FROE_WORKER_SLOT_TYPES_MAX;
	assert_int_equal(decode(body, &worker), FROE_OK);
	assert_int_equal(command.engine.worker_register.type_count, FROE_WORKER_SLOT_TYPES_MAX);
	assert_int_equal(command.engine.worker_register.types[7].count, 3);
	assert_true(
	    bytes_equal(command.engine.worker_register.types[0].type, bytes_text("gpu")));
	worker.n_slot_types++;
	expect_fault(decode(body, &worker), FROE_INVALID_ARGUMENT, "slot_types");
	worker.n_slot_types = 1;
	slots.type = "";
	expect_fault(decode(body, &worker), FROE_INVALID_ARGUMENT, "slot_types[0]");
	slots.type = "gpu";
	arena_release(&arena);
	arena_init(&arena, 2 * sizeof(struct bytes)); /* the actions fit */
	expect_fault(decode(body, &worker), FROE_TOO_LARGE, "slot_types");
	arena_release(&arena);
	arena_init(&arena, 2 * sizeof(struct bytes) + 32);
	lease.has_task = true;
	lease.task = data_of(task_bytes, 16);
	worker.held = held;
	worker.n_held = 1;
	expect_fault(decode(body, &worker), FROE_TOO_LARGE, "held");
	arena_release(&arena);
	arena_init(&arena, 0);
	assert_int_equal(decode(body, &worker), FROE_OK);
	worker.n_held = FROE_WORKER_SLOTS_MAX + 1; /* said before the first is looked at */
	expect_fault(decode(body, &worker), FROE_TOO_LARGE, "held");
}

static void
test_room__worker_list_and_pause(void **state)
{
	static uint8_t id[16] = {1};
	Froe__WorkerList list = FROE__WORKER_LIST__INIT;
	Froe__WorkerPause pause = FROE__WORKER_PAUSE__INIT;
	(void)state;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_LIST, &list), FROE_OK);
	assert_int_equal(command.workers.limit, REQUEST_LIST_DEFAULT);
	list.limit = FROE_LIST_MAX;
	list.after = 9;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_LIST, &list), FROE_OK);
	assert_int_equal(command.workers.limit, FROE_LIST_MAX);
	assert_int_equal(command.workers.after, 9);
	list.limit++;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKER_LIST, &list), FROE_INVALID_ARGUMENT, "limit");
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause), FROE_INVALID_ARGUMENT, "id");
	pause.has_id = true;
	pause.id = data_of(id, 16);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause), FROE_OK);
	assert_true(command.engine.worker_pause.paused);
	pause.resume = true;
	pause.reason = "why";
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_PAUSE, &pause), FROE_OK);
	assert_false(command.engine.worker_pause.paused);
	assert_true(bytes_equal(command.engine.worker_pause.reason, bytes_text("why")));
}

/* ---------------------------------------------------------------------------------------- jobs */

static enum froe_err
cancel_all(Froe__RunList *filter)
{
	Froe__RunCancelMany many = FROE__RUN_CANCEL_MANY__INIT;
	many.filter = filter;
	return decode(FROE__ENVELOPE__BODY_RUN_CANCEL_MANY, &many);
}

/* Each condition alone makes a filter of it; a page of any kind does not belong there. */
static void
test_room__each_condition_of_a_filter(void **state)
{
	Froe__RunStatus queued[] = {FROE__RUN_STATUS__QUEUED};
	Froe__Pair pair = FROE__PAIR__INIT;
	Froe__Pair *pairs[] = {&pair};
	uint8_t position[8] = {9};
	(void)state;
	pair.key = "k";
	for (unsigned i = 0; i < 12; i++) {
		Froe__RunList filter = FROE__RUN_LIST__INIT;
		filter.statuses = queued;
		filter.n_statuses = i == 0;
		filter.since_ns = i == 1;
		filter.until_ns = i == 2;
		filter.scheduled = i == 3;
		filter.has_parent = i == 4 || i == 11;
		if (i == 4)
			filter.parent = data_of(run_bytes, 16);
		filter.workflow = i == 5 ? "w" : NULL;
		filter.worker = i == 6 ? "w" : NULL;
		filter.metadata = pairs;
		filter.n_metadata = i == 7;
		filter.before = i == 8;
		filter.limit = i == 9;
		filter.has_position = i == 10;
		filter.position = data_of(position, i == 10 ? 8 : 0);
		if (i < 8)
			assert_int_equal(cancel_all(&filter), FROE_OK);
		else
			expect_fault(cancel_all(&filter), FROE_INVALID_ARGUMENT, "filter");
	}
}

static void
test_room__statuses_of_a_filter(void **state)
{
	static Froe__RunStatus many_statuses[FROE_JOB_FILTER_BYTES_MAX];
	static const struct {
		Froe__RunStatus status;
		bool open;
	} cases[] = {{FROE__RUN_STATUS__QUEUED, true}, {FROE__RUN_STATUS__RUNNING, true},
	    {FROE__RUN_STATUS__EVICTED, true}, {FROE__RUN_STATUS__COMPLETED, false},
	    {FROE__RUN_STATUS__FAILED, false}, {FROE__RUN_STATUS__CANCELLED, false}};
	Froe__RunReplayMany replay = FROE__RUN_REPLAY_MANY__INIT;
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Froe__RunStatus statuses[] = {cases[i].status};
		filter.statuses = statuses;
		filter.n_statuses = 1;
		replay.filter = &filter;
		assert_int_equal(
		    cancel_all(&filter), cases[i].open ? FROE_OK : FROE_INVALID_ARGUMENT);
		assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_REPLAY_MANY, &replay),
		    cases[i].open ? FROE_INVALID_ARGUMENT : FROE_OK);
	}
	/* The same status so often that the filter is too large to be kept. */
	filter.statuses = many_statuses;
	filter.n_statuses = FROE_JOB_FILTER_BYTES_MAX;
	expect_fault(cancel_all(&filter), FROE_TOO_LARGE, "filter");
	/* What is wrong in it is said by the field's own name. */
	filter.n_statuses = 0;
	filter.workflow = "a\nb";
	expect_fault(cancel_all(&filter), FROE_INVALID_ARGUMENT, "workflow");
	replay.task = "t";
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_REPLAY_MANY, &replay), FROE_INVALID_ARGUMENT,
	    "workflow");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_room__definition),
	    cmocka_unit_test(test_room__requests),
	    cmocka_unit_test(test_room__conditions),
	    cmocka_unit_test(test_room__worker),
	    cmocka_unit_test(test_room__worker_list_and_pause),
	    cmocka_unit_test(test_room__each_condition_of_a_filter),
	    cmocka_unit_test(test_room__statuses_of_a_filter),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	arena_release(&arena);
	return failed;
}
