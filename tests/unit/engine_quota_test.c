/*
 * What a tenant may make up: as much as the limit, not one more; what is known is never refused.
 */
#include "engine_durable.h"

#include "engine/durable_int.h"
#include "froe/limits.h"

static void
quiet_open(struct driver *d)
{
	driver_open(d);
	d->check_every = 1u << 30; /* thousands of steps: the invariants are checked at the end */
}

static const char *
numbered(struct driver *d, const char *prefix, uint32_t number)
{
	char text[64];
	snprintf(text, sizeof(text), "%s%u", prefix, number);
	return arena_copy(&d->arena, text, strlen(text) + 1);
}

static void
expect_refused(
    struct driver *d, const struct eng_command *command, const char *field, const char *word)
{
	assert_int_equal(driver_try(d, command), FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(d->out->event_count, 0);
	assert_string_equal(driver_reply(d)->fault->field, field);
	assert_non_null(strstr(driver_reply(d)->fault->text, word));
}

static struct eng_command
put_command(struct driver *d, const char *name, const char *line, uint64_t timeout_ms)
{
	struct eng_command command = driver_command(d, ENG_CMD_WORKFLOW_PUT);
	struct workflow workflow;
	workflow_parse(&workflow, &d->arena, name, line);
	workflow.definition.run_timeout_ms = timeout_ms;
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	return command;
}

static void
test_quota__tenants(void **state)
{
	struct driver d;
	(void)state;
	quiet_open(&d);
	while (d.eng->tenant_count < FROE_TENANTS_MAX)
		driver_tenant(&d, numbered(&d, "t", d.eng->tenant_count));
	struct eng_command command = driver_command(&d, ENG_CMD_TENANT_OPEN);
	command.tenant_open.name = bytes_text("one-more");
	expect_refused(&d, &command, "tenant", "use one of them");
	command.tenant_open.name = bytes_text("t7");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_quota__workflows(void **state)
{
	struct driver d;
	(void)state;
	quiet_open(&d);
	for (uint32_t i = 0; i < FROE_TENANT_WORKFLOWS_MAX; i++) {
		struct eng_command command = put_command(&d, numbered(&d, "w", i), "a", 0);
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	struct eng_command command = put_command(&d, "one-more", "a", 0);
	expect_refused(&d, &command, "name", "10000 workflows");
	command = put_command(&d, "w7", "a", 0);
	assert_int_equal(driver_try(&d, &command), FROE_OK); /* as it is */
	command = put_command(&d, "w7", "a b", 0);
	assert_int_equal(driver_try(&d, &command), FROE_OK); /* a version more */
	command = put_command(&d, "one-more", "a", 0);
	command.tenant = driver_tenant(&d, "another");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_quota__versions(void **state)
{
	struct driver d;
	(void)state;
	quiet_open(&d);
	for (uint32_t i = 1; i <= FROE_WORKFLOW_VERSIONS_MAX; i++) {
		struct eng_command command = put_command(&d, "w", "a", i);
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	struct eng_command command = put_command(&d, "w", "a", 1);
	expect_refused(&d, &command, "name", "10000 versions");
	command = put_command(&d, "w", "a", FROE_WORKFLOW_VERSIONS_MAX);
	assert_int_equal(driver_try(&d, &command), FROE_OK); /* the newest, again */
	driver_start(&d, "w");
	driver_close(&d);
}

/* 1000 tasks and their actions each. */
static struct eng_command
wide_command(struct driver *d, uint32_t number, uint32_t tasks, const char *prefix)
{
	struct eng_command command = driver_command(d, ENG_CMD_WORKFLOW_PUT);
	struct workflow workflow;
	workflow_init(&workflow, &d->arena, numbered(d, "wide", number), tasks);
	for (uint32_t i = 0; i < tasks; i++) {
		workflow.tasks[i].name = bytes_text(numbered(d, "t", i));
		if (prefix != NULL)
			workflow.tasks[i].action =
			    bytes_text(numbered(d, prefix, number * 1000 + i));
	}
	workflow_encode(&workflow);
	command.workflow_put.definition = workflow.definition;
	return command;
}

static void
test_quota__actions(void **state)
{
	struct driver d;
	uint32_t number = 0, left = FROE_TENANT_ACTIONS_MAX;
	(void)state;
	quiet_open(&d);
	for (; left > 2; number++) {
		uint32_t tasks = left - 2 < 1000 ? left - 2 : 1000;
		struct eng_command command =
		    wide_command(&d, number, tasks, number % 2 == 0 ? "act" : NULL);
		assert_int_equal(driver_try(&d, &command), FROE_OK);
		left -= tasks;
	}
	struct eng_command three = wide_command(&d, 900, 3, NULL);
	expect_refused(&d, &three, "tasks", "65536 different actions");
	struct eng_command worker = driver_worker_command(&d, 1, 1, "x y z");
	expect_refused(&d, &worker, "actions", "65536 different actions");
	worker = driver_worker_command(&d, 1, 1, "x y x act7"); /* two that are new, one twice */
	assert_int_equal(driver_try(&d, &worker), FROE_OK);
	struct eng_command known = wide_command(&d, 901, 2, NULL);
	known.workflow_put.definition = wide_command(&d, 0, 999, "act").workflow_put.definition;
	assert_int_equal(driver_try(&d, &known), FROE_OK); /* a version with known ones */
	worker = driver_worker_command(&d, 2, 1, "w");
	expect_refused(&d, &worker, "actions", "65536 different actions");
	driver_close(&d);
}

static void
test_quota__slot_types(void **state)
{
	struct driver d;
	struct eng_slots types[FROE_WORKER_SLOT_TYPES_MAX];
	uint32_t number = 0;
	(void)state;
	quiet_open(&d);
	struct eng_command command = driver_worker_command(&d, 1, 0, "wf:a");
	command.worker_register.types = types;
	for (uint32_t left = FROE_TENANT_SLOT_TYPES_MAX; left > 0;) {
		uint32_t count =
		    left < FROE_WORKER_SLOT_TYPES_MAX ? left : FROE_WORKER_SLOT_TYPES_MAX;
		for (uint32_t i = 0; i < count; i++)
			types[i] = (struct eng_slots){bytes_text(numbered(&d, "s", number++)), 1};
		command.worker_register.id = driver_id(&d);
		command.worker_register.type_count = count;
		assert_int_equal(driver_try(&d, &command), FROE_OK);
		left -= count;
	}
	command.worker_register.id = driver_id(&d);
	command.worker_register.type_count = 1;
	types[0].type = bytes_text("one-more");
	expect_refused(&d, &command, "slot_types", "1024 types");
	struct eng_command put = put_command(&d, "wf", "a", 0);
	((struct eng_task_definition *)(uintptr_t)put.workflow_put.definition.tasks)[0].slots =
	    types;
	((struct eng_task_definition *)(uintptr_t)put.workflow_put.definition.tasks)[0].slot_count =
	    1;
	expect_refused(&d, &put, "tasks", "1024 types");
	types[0].type = bytes_text("s7");
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_define(&d, "plain", "a"); /* what says nothing of slots takes the default ones */
	driver_close(&d);
}

static void
test_quota__workers(void **state)
{
	struct driver d;
	(void)state;
	quiet_open(&d);
	struct eng_command command = driver_worker_command(&d, 1, 1, "wf:a");
	for (uint32_t i = 0; i < FROE_TENANT_WORKERS_MAX; i++) {
		command.worker_register.id = driver_id(&d);
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	}
	struct eng_command again = command;
	command.worker_register.id = driver_id(&d);
	expect_refused(&d, &command, "", "16384 workers");
	assert_int_equal(driver_try(&d, &again), FROE_OK); /* it is back */
	again.worker_register.incarnation++;
	assert_int_equal(driver_try(&d, &again), FROE_OK); /* a process in its place */
	uint64_t worker = driver_reply(&d)->worker;
	driver_worker_say(&d, ENG_CMD_WORKER_LEAVE, worker, /* lost= */ false);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

/* ---------------------------------------------------------------------------------- open runs */

static void
test_quota__open_runs(void **state)
{
	struct driver d;
	struct eng_start starts[2];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	struct eng_command command = driver_start_command(&d, "wf");
	command.runs_max = 3;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	uint64_t first = driver_reply(&d)->run;
	command.run_start.run = driver_id(&d);
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	for (int i = 0; i < 2; i++) {
		starts[i] = command.run_start;
		starts[i].run = driver_id(&d);
	}
	struct eng_command many = driver_command(&d, ENG_CMD_RUN_START_MANY);
	many.runs_max = 3;
	many.run_start_many.starts = starts;
	many.run_start_many.count = 2;
	assert_int_equal(driver_try(&d, &many), FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(d.out->event_count, 0);
	many.run_start_many.count = 1;
	assert_int_equal(driver_try(&d, &many), FROE_OK);
	assert_int_equal(driver_try(&d, &many), FROE_OK); /* known: told again, not refused */
	command.run_start.run = driver_id(&d);
	expect_refused(&d, &command, "", "--open-runs");
	driver_complete(&d, first, "a");
	struct eng_command replay = driver_replay_command(&d, first, 0, bytes_of(NULL, 0));
	replay.runs_max = 3;
	assert_int_equal(driver_try(&d, &replay), FROE_OK); /* two were open */
	expect_refused(&d, &command, "", "--open-runs");
	command.runs_max = 0;
	assert_int_equal(driver_try(&d, &command), FROE_OK);
	driver_close(&d);
}

static void
test_quota__replay_of_a_run_too_many(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t first = driver_start(&d, "wf");
	driver_complete(&d, first, "a");
	driver_start(&d, "wf");
	struct eng_command replay = driver_replay_command(&d, first, 0, bytes_of(NULL, 0));
	replay.runs_max = 1;
	expect_refused(&d, &replay, "", "--open-runs");
	replay.runs_max = 2;
	assert_int_equal(driver_try(&d, &replay), FROE_OK);
	driver_close(&d);
}

/* ------------------------------------------------------------------------------------ records */

/* A million of them would take minutes: the run is told that it has them. No ledger then. */
static struct eng_command
full_command(struct driver *d, enum eng_command_type type, uint64_t run, uint32_t records)
{
	struct eng_command command = driver_task_command(d, type, run, "a");
	eng_run_get(d->eng, run)->event_count = records;
	return command;
}

static const struct eng_effect *
raw_step(struct driver *d, const struct eng_command *command)
{
	d->out = eng_step(d->eng, command, d->now_ns, 1);
	return driver_reply(d);
}

/* The ledger knows nothing of what was done: the driver is not closed as others are. */
static void
raw_close(struct driver *d)
{
	eng_check(d->eng);
	eng_close(d->eng);
	d->eng = NULL;
	ledger_release(&d->ledger);
	arena_release(&d->arena);
}

/* A megabyte each: so many of them. */
static void
test_quota__definition_bytes(void **state)
{
	static uint8_t filler[1u << 20];
	struct driver d;
	uint64_t left = FROE_TENANT_DEFINITION_BYTES_MAX, number = 0;
	(void)state;
	driver_open(&d);
	struct eng_command command = put_command(&d, "w", "a", 0);
	struct eng_definition *definition = &command.workflow_put.definition;
	definition->encoded = bytes_of(filler, sizeof(filler));
	uint64_t each = definition_bytes(definition);
	for (; left >= each; left -= each) {
		memcpy(filler, &number, sizeof(number)); /* bytes that differ */
		number++;
		assert_int_equal(raw_step(&d, &command)->err, FROE_OK);
	}
	memcpy(filler, &number, sizeof(number));
	definition->encoded.size -= (size_t)(each - left) - 1;
	assert_int_equal(raw_step(&d, &command)->err, FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(d.out->event_count, 0);
	assert_non_null(strstr(driver_reply(&d)->fault->text, "256 MiB"));
	definition->encoded.size--;
	assert_int_equal(raw_step(&d, &command)->err, FROE_OK); /* to the byte */
	command = put_command(&d, "v", "a", 0);
	assert_int_equal(raw_step(&d, &command)->err, FROE_RESOURCE_EXHAUSTED);
	raw_close(&d);
}

static void
test_quota__records(void **state)
{
	static const enum eng_command_type adds[] = {
	    ENG_CMD_TASK_LOG, ENG_CMD_TASK_STREAM, ENG_CMD_TASK_REFRESH};
	struct driver d;
	(void)state;
	driver_open(&d);
	struct workflow workflow;
	workflow_parse(&workflow, &d.arena, "wf", "a");
	workflow.tasks[0].retries = 100;
	driver_put(&d, &workflow);
	driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	for (size_t i = 0; i < sizeof(adds) / sizeof(adds[0]); i++) {
		struct eng_command command =
		    full_command(&d, adds[i], run, FROE_RUN_RECORDS_MAX - 1);
		assert_int_equal(raw_step(&d, &command)->err, FROE_OK);
		assert_int_equal(raw_step(&d, &command)->err, FROE_RESOURCE_EXHAUSTED);
		assert_int_equal(d.out->event_count, 0);
		assert_non_null(strstr(driver_reply(&d)->fault->text, "1000000 records"));
	}
	struct eng_command fail = full_command(&d, ENG_CMD_TASK_FAIL, run, 50);
	assert_int_equal(raw_step(&d, &fail)->err, FROE_OK);
	assert_int_equal(eng_run_get(d.eng, run)->tasks[0].state, ENG_TASK_ASSIGNED); /* again */
	fail.task.fence.lease++;
	eng_run_get(d.eng, run)->event_count = FROE_RUN_RECORDS_MAX;
	assert_int_equal(raw_step(&d, &fail)->err, FROE_OK);
	assert_null(eng_run_get(d.eng, run)); /* it has failed, whatever retries it had */
	raw_close(&d);
}

/* A worker that takes a task and leaves, for ever: the run ends, and says why. */
static void
test_quota__records_of_one_that_is_released(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t worker = driver_worker(&d, 1, 1, "wf:a");
	uint64_t run = driver_start(&d, "wf");
	struct eng_command leave = driver_command(&d, ENG_CMD_WORKER_LEAVE);
	leave.worker.worker.v = worker;
	eng_run_get(d.eng, run)->event_count = FROE_RUN_RECORDS_MAX;
	assert_int_equal(raw_step(&d, &leave)->err, FROE_OK);
	assert_null(eng_run_get(d.eng, run));
	const struct eng_event *ended = NULL;
	for (size_t i = 0; i < d.out->event_count; i++) {
		if (d.out->events[i].type == ENG_EV_ATTEMPT_ENDED)
			ended = &d.out->events[i];
	}
	assert_non_null(ended);
	assert_int_equal(ended->reason, ENG_REASON_NOT_DELIVERED);
	assert_true(bytes_equal(
	    ended->text, bytes_text("the run has too many records to be attempted again")));
	raw_close(&d);
}

/* ---------------------------------------------------------------------------------- approvals */

static uint64_t
waiting_run(struct driver *d)
{
	uint64_t run = driver_start(d, "wf");
	assert_task(d, run, "a", ENG_TASK_ASSIGNED);
	return run;
}

/* What an approver was shown is forgotten with the decision; who decided is not. */
static void
test_quota__approvals_of_a_task(void **state)
{
	struct driver d;
	struct eng_condition sixteen[FROE_CONDITIONS_MAX];
	uint32_t node = 0, asked = 0;
	(void)state;
	quiet_open(&d);
	durable_define(&d, "wf", "a", 0);
	driver_worker(&d, 1, 4, "wf:a");
	uint64_t run = waiting_run(&d);
	for (uint32_t i = 0; i < FROE_CONDITIONS_MAX; i++)
		sixteen[i] = on_approval("buy", "{\"price\":1}");
	for (; asked + FROE_CONDITIONS_MAX <= FROE_TASK_APPROVALS_MAX; asked += FROE_CONDITIONS_MAX)
		assert_int_equal(
		    durable_wait(&d, run, "a", ++node, sixteen, FROE_CONDITIONS_MAX)->err, FROE_OK);
	uint32_t left = FROE_TASK_APPROVALS_MAX - asked;
	assert_int_equal(
	    durable_wait(&d, run, "a", ++node, sixteen, left + 1)->err, FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(d.out->event_count, 0);
	assert_string_equal(driver_reply(&d)->fault->field, "conditions");
	assert_int_equal(durable_wait(&d, run, "a", node, sixteen, left)->err, FROE_OK);
	struct eng_condition event = on_event("k");
	assert_int_equal(durable_wait(&d, run, "a", ++node, &event, 1)->err, FROE_OK);
	assert_int_equal(
	    durable_wait(&d, run, "a", node + 1, sixteen, 1)->err, FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(durable_wait(&d, run, "a", 1, sixteen, FROE_CONDITIONS_MAX)->err,
	    FROE_OK); /* a known step */
	struct eng_command decide = driver_command(&d, ENG_CMD_APPROVAL_DECIDE);
	decide.approval_decide.approval = 3;
	decide.actor = bytes_text("ann");
	assert_int_equal(driver_try(&d, &decide), FROE_OK);
	const struct eng_approval *approval = map_get(&d.eng->approvals, d.tenant.v, 3);
	assert_non_null(approval);
	assert_int_equal(approval->data.size, 0);
	assert_true(bytes_equal(approval->actor, bytes_text("ann")));
	assert_int_equal(driver_try(&d, &decide), FROE_FAILED_PRECONDITION);
	assert_non_null(strstr(driver_reply(&d)->fault->text, "ann"));
	driver_close(&d);
}

static void
test_quota__approvals_of_a_tenant(void **state)
{
	struct driver d;
	struct eng_condition sixteen[FROE_CONDITIONS_MAX];
	uint64_t run = 0;
	uint32_t node = 0;
	(void)state;
	quiet_open(&d);
	durable_define(&d, "wf", "a", 0);
	driver_worker(&d, 1, 200, "wf:a");
	for (uint32_t i = 0; i < FROE_CONDITIONS_MAX; i++)
		sixteen[i] = on_approval("buy", "1");
	for (uint32_t asked = 0; asked < FROE_TENANT_APPROVALS_MAX; asked += FROE_CONDITIONS_MAX) {
		if (node % 62 == 0) { /* 992 of one task */
			run = waiting_run(&d);
			node = 0;
		}
		assert_int_equal(
		    durable_wait(&d, run, "a", ++node, sixteen, FROE_CONDITIONS_MAX)->err, FROE_OK);
	}
	run = waiting_run(&d);
	assert_int_equal(durable_wait(&d, run, "a", 1, sixteen, 1)->err, FROE_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(driver_reply(&d)->fault->text, "65536 open approvals"));
	struct eng_command decide = driver_command(&d, ENG_CMD_APPROVAL_DECIDE);
	decide.approval_decide.approval = 1; /* the other 15 of its wait are taken back */
	assert_int_equal(driver_try(&d, &decide), FROE_OK);
	assert_int_equal(durable_wait(&d, run, "a", 1, sixteen, FROE_CONDITIONS_MAX)->err, FROE_OK);
	assert_int_equal(durable_wait(&d, run, "a", 2, sixteen, 1)->err, FROE_RESOURCE_EXHAUSTED);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quota__tenants),
	    cmocka_unit_test(test_quota__workflows),
	    cmocka_unit_test(test_quota__versions),
	    cmocka_unit_test(test_quota__actions),
	    cmocka_unit_test(test_quota__slot_types),
	    cmocka_unit_test(test_quota__workers),
	    cmocka_unit_test(test_quota__definition_bytes),
	    cmocka_unit_test(test_quota__open_runs),
	    cmocka_unit_test(test_quota__replay_of_a_run_too_many),
	    cmocka_unit_test(test_quota__records),
	    cmocka_unit_test(test_quota__records_of_one_that_is_released),
	    cmocka_unit_test(test_quota__approvals_of_a_task),
	    cmocka_unit_test(test_quota__approvals_of_a_tenant),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
