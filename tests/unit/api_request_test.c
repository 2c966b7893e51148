/* Each request: what a good one becomes, and each limit at the limit and one past it. */
#include "api_decode.h"

static uint8_t run_bytes[16] = {1, 2, 3, 4, 5, 6, 0x70, 7, 0x80, 9, 10, 11, 12, 13, 0, 0};

/* -------------------------------------------------------------------------------- Hello */

static void
test_request__hello(void **state)
{
	(void)state;
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.version = 1;
	hello.push_window = 77;
	assert_int_equal(request_hello(&hello, &command, &fault), FROE_OK);
	assert_int_equal(command.op, API_OP_OPEN);
	assert_int_equal(command.open.push_window, 77);
	assert_int_equal(command.open.tenant.size, 0); /* whose is judged with the token */
	assert_int_equal(command.open.token.size, 0);
	hello.token = "froe1_";
	assert_int_equal(request_hello(&hello, &command, &fault), FROE_OK);
	assert_true(bytes_equal(command.open.token, bytes_text("froe1_")));
	hello.tenant = "Acme.x_1-y";
	assert_int_equal(request_hello(&hello, &command, &fault), FROE_OK);
	static const char *const BAD[] = {"-a", ".a", "_a", "a b", "a/b", "\xc3\xa4", "a\n"};
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		hello.tenant = (char *)(uintptr_t)BAD[i];
		expect_fault(
		    request_hello(&hello, &command, &fault), FROE_INVALID_ARGUMENT, "tenant");
	}
	hello.tenant = text_of_size(FROE_NAME_BYTES_MAX);
	assert_int_equal(request_hello(&hello, &command, &fault), FROE_OK);
	hello.tenant = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(request_hello(&hello, &command, &fault), FROE_TOO_LARGE, "tenant");
	hello.tenant = NULL;
	hello.client = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(request_hello(&hello, &command, &fault), FROE_TOO_LARGE, "client");
	hello.client = NULL;
	hello.token = text_of_size(REQUEST_TOKEN_BYTES_MAX);
	assert_int_equal(request_hello(&hello, &command, &fault), FROE_OK);
	hello.token = text_of_size(REQUEST_TOKEN_BYTES_MAX + 1);
	expect_fault(request_hello(&hello, &command, &fault), FROE_TOO_LARGE, "token");
	for (uint32_t version = 0; version < 3; version += 2) {
		hello.version = version;
		expect_fault(request_hello(&hello, &command, &fault), FROE_UNSUPPORTED, "version");
	}
}

/* --------------------------------------------------------------------------------- runs */

static void
test_request__run_start(void **state)
{
	(void)state;
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = "w";
	start.priority = 3;
	start.run_timeout_ms = 5;
	start.wait = true;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	assert_int_equal(command.op, API_OP_ENGINE);
	assert_int_equal(command.engine.type, ENG_CMD_RUN_START);
	assert_true(command.wait);
	assert_true(bytes_equal(command.engine.run_start.workflow, bytes_text("w")));
	assert_true(bytes_equal(command.engine.run_start.input, bytes_text("{}")));
	assert_true(uuid_is_nil(command.engine.run_start.run));
	assert_int_equal(command.engine.run_start.priority, 3);
	assert_int_equal(command.engine.run_start.timeout_ms, 5);
	start.has_run = true;
	start.run = data_of(run_bytes, 16);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	assert_memory_equal(command.engine.run_start.run.bytes, run_bytes, 16);
	start.priority = 4;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "priority");
}

static void
test_request__run_start_metadata(void **state)
{
	static char large[FROE_METADATA_BYTES_MAX + 1];
	Froe__RunStart start = FROE__RUN_START__INIT;
	Froe__Pair pair = FROE__PAIR__INIT, other = FROE__PAIR__INIT;
	Froe__Pair *pairs[FROE_METADATA_PAIRS_MAX + 1];
	(void)state;
	start.workflow = "w";
	start.metadata = pairs;
	start.n_metadata = 2;
	pairs[0] = &pair;
	pairs[1] = &other;
	pair.key = "a";
	pair.value = "1";
	other.key = "b"; /* without a value: an empty one */
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	assert_int_equal(command.engine.run_start.metadata_count, 4);
	assert_true(bytes_equal(command.engine.run_start.metadata[1], bytes_text("1")));
	assert_true(bytes_equal(command.engine.run_start.metadata[2], bytes_text("b")));
	assert_int_equal(command.engine.run_start.metadata[3].size, 0);
	other.key = "";
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT,
	    "metadata[1].key");
	memset(large, 'x', FROE_METADATA_BYTES_MAX);
	other.key = "b";
	other.value = large;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_TOO_LARGE, "metadata");
	for (size_t i = 0; i <= FROE_METADATA_PAIRS_MAX; i++)
		pairs[i] = &pair;
	start.n_metadata = FROE_METADATA_PAIRS_MAX + 1;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_TOO_LARGE, "metadata");
}

static void
test_request__run_start_ids(void **state)
{
	(void)state;
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = "w";
	start.has_run = true;
	uint8_t other[16];
	static uint8_t zero[16];
	memcpy(other, run_bytes, 16);
	struct {
		ProtobufCBinaryData run;
	} bad[] = {{data_of(run_bytes, 15)}, {data_of(zero, 16)}, {data_of(task_bytes, 16)},
	    {data_of(other, 16)}};
	other[6] = 0x40; /* a version 4 */
	for (size_t i = 0; i < 4; i++) {
		start.run = bad[i].run;
		expect_fault(
		    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "run");
	}
	memcpy(other, run_bytes, 16);
	other[8] = 0xc0; /* another variant */
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "run");
}

static void
test_request__names_at_their_limit(void **state)
{
	(void)state;
	Froe__RunStart start = FROE__RUN_START__INIT;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "workflow");
	start.workflow = "";
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "workflow");
	start.workflow = text_of_size(FROE_NAME_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	start.workflow = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_TOO_LARGE, "workflow");
	start.workflow = "a\tb";
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "workflow");
}

static void
test_request__payload_at_its_limit(void **state)
{
	(void)state;
	char *json = mem_alloc(FROE_PAYLOAD_BYTES_MAX + 1);
	memset(json, ' ', FROE_PAYLOAD_BYTES_MAX + 1);
	json[0] = '1';
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = "w";
	start.has_input = true;
	start.input = data_of(json, FROE_PAYLOAD_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	assert_int_equal(command.engine.run_start.input.size, FROE_PAYLOAD_BYTES_MAX);
	start.input.len++;
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_TOO_LARGE, "input");
	start.input.len = 0;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_OK);
	assert_true(bytes_equal(command.engine.run_start.input, bytes_text("{}")));
	char bad[] = "{\"a\":1,}";
	start.input = data_of(bad, strlen(bad));
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_START, &start), FROE_INVALID_ARGUMENT, "input");
	assert_non_null(strstr(fault.text, "byte 7"));
	mem_free(json);
}

static void
test_request__run_get_watch_cancel(void **state)
{
	(void)state;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_GET, &get), FROE_INVALID_ARGUMENT, "run");
	get.has_run = true;
	get.run = data_of(run_bytes, 16);
	get.payloads = true;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_GET, &get), FROE_OK);
	assert_int_equal(command.op, API_OP_RUN_GET);
	assert_true(command.run.payloads);
	assert_memory_equal(command.run.run.bytes, run_bytes, 16);

	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	watch.has_run = true;
	watch.run = get.run;
	watch.changes = true;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_WATCH, &watch), FROE_OK);
	assert_int_equal(command.op, API_OP_RUN_WATCH);
	assert_true(command.run.changes);
	assert_int_equal(request_answer_bytes_max(&command), 0);

	Froe__RunUnwatch unwatch = FROE__RUN_UNWATCH__INIT;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch), FROE_INVALID_ARGUMENT, "watch");
	unwatch.watch = 8;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch), FROE_OK);
	assert_int_equal(command.unwatch.watch, 8);

	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	cancel.has_run = true;
	cancel.run = get.run;
	cancel.reason = text_of_size(FROE_REASON_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel), FROE_OK);
	assert_int_equal(command.engine.run_cancel.reason.size, FROE_REASON_BYTES_MAX);
	cancel.reason = text_of_size(FROE_REASON_BYTES_MAX + 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel), FROE_TOO_LARGE, "reason");

	Froe__TaskOutputGet output = FROE__TASK_OUTPUT_GET__INIT;
	output.has_run = true;
	output.run = get.run;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_TASK_OUTPUT_GET, &output), FROE_INVALID_ARGUMENT, "task");
	output.task = "t";
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TASK_OUTPUT_GET, &output), FROE_OK);
	assert_int_equal(command.op, API_OP_OUTPUT_GET);
	assert_true(bytes_equal(command.run.task, bytes_text("t")));
}

static void
test_request__run_list(void **state)
{
	(void)state;
	Froe__RunList list = FROE__RUN_LIST__INIT;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_OK);
	assert_int_equal(command.list.limit, REQUEST_LIST_DEFAULT);
	assert_int_equal(command.list.statuses, 0);
	assert_int_equal(command.list.position, 0);
	Froe__RunStatus statuses[] = {FROE__RUN_STATUS__QUEUED, FROE__RUN_STATUS__EVICTED,
	    FROE__RUN_STATUS__EVICTED};
	uint8_t position[8] = {9};
	list.statuses = statuses;
	list.n_statuses = 3;
	list.limit = FROE_LIST_MAX;
	list.before = 12;
	list.has_position = true;
	list.position = data_of(position, 8);
	list.workflow = "w";
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_OK);
	assert_int_equal(command.list.statuses, 1u << 0 | 1u << 5);
	assert_int_equal(command.list.limit, FROE_LIST_MAX);
	assert_int_equal(command.list.before, 12);
	assert_int_equal(command.list.position, 9);
	list.position.len = 7;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "position");
	list.limit = FROE_LIST_MAX + 1;
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "limit");
	list.limit = 1;
	statuses[1] = (Froe__RunStatus)6;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "statuses");
	statuses[1] = (Froe__RunStatus)-1;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "statuses");
}

static void
test_request__run_list_filters(void **state)
{
	Froe__RunList list = FROE__RUN_LIST__INIT;
	Froe__Pair pairs[] = {FROE__PAIR__INIT, FROE__PAIR__INIT};
	Froe__Pair *pair_at[] = {&pairs[0], &pairs[1]};
	uint8_t parent[16] = {1, [6] = 0x70, [8] = 0x80};
	(void)state;
	list.since_ns = 5;
	list.until_ns = 6;
	list.has_parent = true;
	list.parent = data_of(parent, 16);
	list.worker = "w1";
	list.scheduled = true;
	pairs[0].key = "customer";
	pairs[0].value = "7";
	pairs[1].key = "empty";
	list.metadata = pair_at;
	list.n_metadata = 2;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_OK);
	assert_int_equal(command.list.since_ns, 5);
	assert_int_equal(command.list.until_ns, 6);
	assert_memory_equal(command.list.parent.bytes, parent, 16);
	assert_true(bytes_equal(command.list.worker, bytes_text("w1")));
	assert_true(command.list.scheduled);
	assert_int_equal(command.list.metadata_count, 4);
	assert_true(bytes_equal(command.list.metadata[1], bytes_text("7")));
	assert_int_equal(command.list.metadata[3].size, 0);
	list.until_ns = 5;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "until_ns");
	list.until_ns = 0;
	parent[15] = 1; /* a task's id */
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "run");
	parent[15] = 0;
	pairs[1].key = "";
	expect_fault(decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT,
	    "metadata[1].key");
	list.n_metadata = 0;
	list.worker = "w\n";
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_RUN_LIST, &list), FROE_INVALID_ARGUMENT, "worker");
}

static void
test_request__workflows(void **state)
{
	Froe__WorkflowList list = FROE__WORKFLOW_LIST__INIT;
	Froe__WorkflowGet get = FROE__WORKFLOW_GET__INIT;
	(void)state;
	list.after = 7;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKFLOW_LIST, &list), FROE_OK);
	assert_int_equal(command.workflows.after, 7);
	assert_int_equal(command.workflows.limit, REQUEST_WORKFLOWS_DEFAULT);
	list.limit = FROE_LIST_MAX + 1;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKFLOW_LIST, &list), FROE_INVALID_ARGUMENT, "limit");
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKFLOW_GET, &get), FROE_INVALID_ARGUMENT, "workflow");
	get.workflow = "w";
	get.version = 3;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKFLOW_GET, &get), FROE_OK);
	assert_true(bytes_equal(command.workflows.name, bytes_text("w")));
	assert_int_equal(command.workflows.version, 3);
}

/* ------------------------------------------------------------------------------ workers */

static Froe__WorkerRegister
good_worker(void)
{
	static char *actions[] = {"a:b", "c:d"};
	static uint8_t id[16] = {1};
	Froe__WorkerRegister worker = FROE__WORKER_REGISTER__INIT;
	worker.has_id = true;
	worker.id = data_of(id, 16);
	worker.name = "w1";
	worker.incarnation = 5;
	worker.actions = actions;
	worker.n_actions = 2;
	worker.slots = 1;
	return worker;
}

static void
test_request__worker_register(void **state)
{
	(void)state;
	Froe__WorkerRegister worker = good_worker();
	Froe__HeldLease lease = FROE__HELD_LEASE__INIT;
	Froe__HeldLease *held[] = {&lease};
	lease.has_task = true;
	lease.task = data_of(task_bytes, 16);
	lease.lease = 3;
	worker.held = held;
	worker.n_held = 1;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_WORKER_REGISTER);
	assert_int_equal(command.engine.worker_register.action_count, 2);
	assert_true(bytes_equal(command.engine.worker_register.actions[1], bytes_text("c:d")));
	assert_int_equal(command.engine.worker_register.held[0].lease, 3);
	assert_int_equal(command.engine.worker_register.incarnation, 5);
	lease.task = data_of(run_bytes, 16);
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT,
	    "held[0].task");
}

static void
test_request__worker_limits(void **state)
{
	(void)state;
	Froe__WorkerRegister worker = good_worker();
	worker.slots = FROE_WORKER_SLOTS_MAX;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_OK);
	worker.slots++;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT, "slots");
	worker.slots = 0;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT, "slots");
	worker = good_worker();
	worker.incarnation = 0;
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT,
	    "incarnation");
	worker = good_worker();
	worker.id.len = 15;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT, "id");
	char **many = mem_array(FROE_WORKER_ACTIONS_MAX + 1, sizeof(*many));
	for (size_t i = 0; i <= FROE_WORKER_ACTIONS_MAX; i++)
		many[i] = "a";
	worker = good_worker();
	worker.actions = many;
	worker.n_actions = FROE_WORKER_ACTIONS_MAX;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_OK);
	worker.n_actions++;
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT,
	    "actions");
	worker.n_actions = 0;
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT,
	    "actions");
	worker.n_actions = 3;
	many[2] = "";
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKER_REGISTER, &worker), FROE_INVALID_ARGUMENT,
	    "actions[2]");
	mem_free(many);
}

static void
test_request__worker_drain_leave_heartbeat(void **state)
{
	(void)state;
	Froe__WorkerDrain drain = FROE__WORKER_DRAIN__INIT;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_DRAIN, &drain), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_WORKER_DRAIN);
	drain.leave = true;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKER_DRAIN, &drain), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_WORKER_LEAVE);
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat), FROE_OK);
	assert_int_equal(command.op, API_OP_HEARTBEAT);
}

static void
test_request__task_results(void **state)
{
	(void)state;
	char output[] = "[1]";
	Froe__TaskComplete complete = FROE__TASK_COMPLETE__INIT;
	complete.has_task = true;
	complete.task = data_of(task_bytes, 16);
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete), FROE_INVALID_ARGUMENT, "lease");
	complete.lease = 2;
	complete.has_output = true;
	complete.output = data_of(output, 3);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_TASK_COMPLETE);
	assert_int_equal(command.engine.task.fence.lease, 2);
	assert_memory_equal(command.engine.task.fence.task.bytes, task_bytes, 16);
	assert_true(bytes_equal(command.engine.task.bytes, bytes_text("[1]")));
	complete.output.len = 2;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete), FROE_INVALID_ARGUMENT, "output");
	complete.task = data_of(run_bytes, 16);
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_TASK_COMPLETE, &complete), FROE_INVALID_ARGUMENT, "task");

	Froe__TaskFail fail = FROE__TASK_FAIL__INIT;
	fail.has_task = true;
	fail.task = data_of(task_bytes, 16);
	fail.lease = 2;
	fail.fatal = true;
	fail.retry_after_ms = 9;
	fail.error = text_of_size(FROE_ERROR_TEXT_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TASK_FAIL, &fail), FROE_OK);
	assert_true(command.engine.task.fatal);
	assert_int_equal(command.engine.task.retry_after_ms, 9);
	fail.error = text_of_size(FROE_ERROR_TEXT_BYTES_MAX + 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_TASK_FAIL, &fail), FROE_TOO_LARGE, "error");

	Froe__TaskLog log = FROE__TASK_LOG__INIT;
	log.has_task = true;
	log.task = fail.task;
	log.lease = 2;
	log.line = text_of_size(FROE_LOG_LINE_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TASK_LOG, &log), FROE_OK);
	log.line = text_of_size(FROE_LOG_LINE_BYTES_MAX + 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_TASK_LOG, &log), FROE_TOO_LARGE, "line");

	Froe__TaskRefresh refresh = FROE__TASK_REFRESH__INIT;
	refresh.has_task = true;
	refresh.task = fail.task;
	refresh.lease = 2;
	refresh.add_ms = 7;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_TASK_REFRESH, &refresh), FROE_OK);
	assert_int_equal(command.engine.task.add_ms, 7);
}

static void
test_request__workflow_put(void **state)
{
	(void)state;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put), FROE_INVALID_ARGUMENT, "workflow");
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	workflow.name = "w";
	put.workflow = &workflow;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_WORKFLOW_PUT);
	assert_true(
	    bytes_equal(command.engine.workflow_put.definition.encoded, bytes_text("\x0a\x01w")));
	char *huge = mem_alloc(FROE_DEFINITION_BYTES_MAX + 1);
	memset(huge, 'a', FROE_DEFINITION_BYTES_MAX);
	huge[FROE_DEFINITION_BYTES_MAX] = 0;
	workflow.name = huge;
	expect_fault(decode(FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put), FROE_TOO_LARGE, "");
	mem_free(huge);
}

/* Bodies that are the server's, and none at all. */
static void
test_request__not_a_clients(void **state)
{
	(void)state;
	Froe__Done done = FROE__DONE__INIT;
	for (int number = 0; number < 60; number++) {
		bool server =
		    number == 0 || number == 2 || (number >= 40 && number <= 52) || number > 52;
		if (server)
			assert_int_equal(
			    decode((Froe__Envelope__BodyCase)number, &done), FROE_PROTOCOL);
	}
	Froe__Hello hello = FROE__HELLO__INIT;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_HELLO, &hello), FROE_PROTOCOL);
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

/* -------------------------------------------------------------------------- durable tasks */

static Froe__DurableStep
step_of(Froe__NodeKind kind)
{
	Froe__DurableStep step = FROE__DURABLE_STEP__INIT;
	step.has_task = true;
	step.task = data_of(task_bytes, 16);
	step.lease = 3;
	step.node = 4;
	step.kind = kind;
	return step;
}

static enum froe_err
decode_step(Froe__DurableStep *step)
{
	return decode(FROE__ENVELOPE__BODY_DURABLE_STEP, step);
}

static void
test_request__durable_memo(void **state)
{
	Froe__DurableStep step = step_of(FROE__NODE_KIND__NODE_MEMO);
	(void)state;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "name");
	step.name = "plan";
	assert_int_equal(decode_step(&step), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_DURABLE_STEP);
	assert_int_equal(command.engine.durable.node, 4);
	assert_int_equal(command.engine.durable.fence.lease, 3);
	assert_false(command.engine.durable.has_value);
	step.has_value = true;
	step.value = data_of("[1]", 3);
	assert_int_equal(decode_step(&step), FROE_OK);
	assert_true(command.engine.durable.has_value);
	assert_true(bytes_equal(command.engine.durable.value, bytes_text("[1]")));
	step.value = data_of("[1", 2);
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "value");
	step.lease = 0;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "lease");
}

static void
test_request__durable_wait(void **state)
{
	static char large[FROE_APPROVAL_DATA_BYTES_MAX + 1];
	Froe__DurableStep step = step_of(FROE__NODE_KIND__NODE_WAIT);
	Froe__Condition conditions[FROE_CONDITIONS_MAX + 1], *rows[FROE_CONDITIONS_MAX + 1];
	(void)state;
	memset(large, '1', sizeof(large));
	for (size_t i = 0; i <= FROE_CONDITIONS_MAX; i++) {
		froe__condition__init(&conditions[i]);
		conditions[i].kind = FROE__CONDITION_KIND__CONDITION_SLEEP;
		conditions[i].sleep_ms = 5;
		rows[i] = &conditions[i];
	}
	step.conditions = rows;
	step.n_conditions = FROE_CONDITIONS_MAX;
	assert_int_equal(decode_step(&step), FROE_OK);
	assert_int_equal(command.engine.durable.condition_count, FROE_CONDITIONS_MAX);
	step.n_conditions++;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions");
	step.n_conditions = 2;
	conditions[1].until_ns = 7;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions[1].until_ns");
	conditions[1].kind = FROE__CONDITION_KIND__CONDITION_EVENT;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions[1].name");
	conditions[1].name = "a\nb";
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions[1].name");
	conditions[1].kind = FROE__CONDITION_KIND__CONDITION_APPROVAL;
	conditions[1].name = "ok";
	conditions[1].has_data = true;
	conditions[1].data = data_of(large, FROE_APPROVAL_DATA_BYTES_MAX);
	assert_int_equal(decode_step(&step), FROE_OK);
	assert_int_equal(
	    command.engine.durable.conditions[1].data.size, FROE_APPROVAL_DATA_BYTES_MAX);
	conditions[1].data.len++;
	expect_fault(decode_step(&step), FROE_TOO_LARGE, "conditions[1].data");
	conditions[1].data = data_of("{", 1);
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions[1].data");
	conditions[1].kind = (Froe__ConditionKind)4; /* an engine's own */
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "conditions[1].kind");
}

static void
test_request__durable_child(void **state)
{
	Froe__DurableStep step = step_of(FROE__NODE_KIND__NODE_CHILD);
	Froe__RunStart start = FROE__RUN_START__INIT;
	(void)state;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "child");
	step.child = &start;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "workflow");
	start.workflow = "kid";
	assert_int_equal(decode_step(&step), FROE_OK);
	assert_true(bytes_equal(command.engine.durable.child.workflow, bytes_text("kid")));
	assert_true(bytes_equal(command.engine.durable.child.input, bytes_text("{}")));
	start.wait = true;
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "child");
	start.wait = false;
	start.key = "k";
	expect_fault(decode_step(&step), FROE_INVALID_ARGUMENT, "child");
}

static void
test_request__events_and_approvals(void **state)
{
	Froe__EventPush push = FROE__EVENT_PUSH__INIT;
	Froe__ApprovalList list = FROE__APPROVAL_LIST__INIT;
	Froe__ApprovalDecide decide = FROE__APPROVAL_DECIDE__INIT;
	(void)state;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_EVENT_PUSH, &push), FROE_INVALID_ARGUMENT, "key");
	push.key = text_of_size(FROE_NAME_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_EVENT_PUSH, &push), FROE_OK);
	assert_true(bytes_equal(command.engine.event_push.payload, bytes_text("{}")));
	push.key = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(FROE__ENVELOPE__BODY_EVENT_PUSH, &push), FROE_TOO_LARGE, "key");
	push.key = "k";
	push.has_payload = true;
	push.payload = data_of("nope", 4);
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_EVENT_PUSH, &push), FROE_INVALID_ARGUMENT, "payload");
	list.limit = FROE_LIST_MAX;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_APPROVAL_LIST, &list), FROE_OK);
	assert_true(request_answer_bytes_max(&command) <= FROE_MESSAGE_BYTES_MAX);
	list.limit++;
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_APPROVAL_LIST, &list), FROE_INVALID_ARGUMENT, "limit");
	decide.approval = 9;
	expect_fault(decode(FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide), FROE_INVALID_ARGUMENT,
	    "approved");
	decide.has_approved = true;
	decide.reason = text_of_size(FROE_REASON_BYTES_MAX);
	assert_int_equal(decode(FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide), FROE_OK);
	assert_int_equal(command.engine.approval_decide.approval, 9);
	decide.reason = text_of_size(FROE_REASON_BYTES_MAX + 1);
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_APPROVAL_DECIDE, &decide), FROE_TOO_LARGE, "reason");
}

static struct bytes
kept_filter(void)
{
	return command.engine.job_start.filter;
}

static void
test_request__cancel_many(void **state)
{
	Froe__RunCancelMany many = FROE__RUN_CANCEL_MANY__INIT;
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	Froe__RunStatus statuses[] = {FROE__RUN_STATUS__RUNNING, FROE__RUN_STATUS__FAILED};
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_RUN_CANCEL_MANY;
	struct api_command list;
	(void)state;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "filter");
	many.filter = &filter;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "filter");
	many.has_all = many.all = true;
	assert_int_equal(decode(body, &many), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_JOB_START);
	assert_int_equal(command.engine.job_start.kind, ENG_JOB_CANCEL);
	many.all = false;
	filter.workflow = "w";
	filter.statuses = statuses;
	filter.n_statuses = 2;
	many.children = true;
	many.reason = text_of_size(FROE_REASON_BYTES_MAX);
	assert_int_equal(decode(body, &many), FROE_OK);
	assert_true(command.engine.job_start.children);
	assert_int_equal(command.engine.job_start.reason.size, FROE_REASON_BYTES_MAX);
	assert_int_equal(
	    request_filter(kept_filter(), ENG_JOB_CANCEL, &arena, &list, &fault), FROE_OK);
	assert_int_equal(list.list.statuses, 1u << ENG_RUNNING); /* never one that has ended */
	assert_true(bytes_equal(list.list.workflow, bytes_text("w")));
	many.reason = text_of_size(FROE_REASON_BYTES_MAX + 1);
	expect_fault(decode(body, &many), FROE_TOO_LARGE, "reason");
	statuses[0] = FROE__RUN_STATUS__COMPLETED;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "statuses");
	filter.before = 3;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "filter");
}

static void
test_request__replay_many(void **state)
{
	Froe__RunReplayMany many = FROE__RUN_REPLAY_MANY__INIT;
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	const Froe__Envelope__BodyCase body = FROE__ENVELOPE__BODY_RUN_REPLAY_MANY;
	struct api_command list;
	(void)state;
	many.filter = &filter;
	filter.worker = "w";
	many.task = text_of_size(FROE_NAME_BYTES_MAX);
	assert_int_equal(decode(body, &many), FROE_OK);
	assert_int_equal(command.engine.job_start.kind, ENG_JOB_REPLAY);
	assert_int_equal(
	    request_filter(kept_filter(), ENG_JOB_REPLAY, &arena, &list, &fault), FROE_OK);
	assert_int_equal(list.list.statuses,
	    1u << ENG_COMPLETED | 1u << ENG_FAILED | 1u << ENG_CANCELLED);
	many.task = text_of_size(FROE_NAME_BYTES_MAX + 1);
	expect_fault(decode(body, &many), FROE_TOO_LARGE, "task");
	filter.scheduled = true;
	expect_fault(decode(body, &many), FROE_INVALID_ARGUMENT, "statuses");
}

/* The largest that there can be is kept whole; bytes that are no filter are damage. */
static void
test_request__filters_kept(void **state)
{
	static char value[FROE_METADATA_BYTES_MAX / FROE_METADATA_PAIRS_MAX];
	Froe__RunCancelMany many = FROE__RUN_CANCEL_MANY__INIT;
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	Froe__Pair pairs[FROE_METADATA_PAIRS_MAX], *at[FROE_METADATA_PAIRS_MAX];
	struct api_command list;
	(void)state;
	memset(value, 'v', sizeof(value) - 2);
	for (size_t i = 0; i < FROE_METADATA_PAIRS_MAX; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = "k";
		pairs[i].value = value;
		at[i] = &pairs[i];
	}
	filter.metadata = at;
	filter.n_metadata = FROE_METADATA_PAIRS_MAX;
	filter.workflow = filter.worker = text_of_size(FROE_NAME_BYTES_MAX);
	many.filter = &filter;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_RUN_CANCEL_MANY, &many), FROE_OK);
	assert_true(kept_filter().size < FROE_JOB_FILTER_BYTES_MAX);
	assert_int_equal(
	    request_filter(kept_filter(), ENG_JOB_CANCEL, &arena, &list, &fault), FROE_OK);
	assert_int_equal(list.list.metadata_count, 2 * FROE_METADATA_PAIRS_MAX);
	const char *const junk[] = {"\xff", "\x0a\x7f", "\x0a\x01\xff", "(\x07"};
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		assert_int_equal(request_filter(bytes_text(junk[i]), ENG_JOB_CANCEL, &arena, &list,
		    &fault), FROE_CORRUPT);
}

static void
test_request__jobs(void **state)
{
	Froe__JobGet get = FROE__JOB_GET__INIT;
	Froe__JobList list = FROE__JOB_LIST__INIT;
	Froe__JobCancel cancel = FROE__JOB_CANCEL__INIT;
	(void)state;
	expect_fault(decode(FROE__ENVELOPE__BODY_JOB_GET, &get), FROE_INVALID_ARGUMENT, "job");
	get.job = 7;
	get.wait_ms = FROE_JOB_WAIT_MS_MAX;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_JOB_GET, &get), FROE_OK);
	assert_int_equal(command.job.number, 7);
	assert_int_equal(command.job.wait_ms, FROE_JOB_WAIT_MS_MAX);
	get.wait_ms++;
	expect_fault(decode(FROE__ENVELOPE__BODY_JOB_GET, &get), FROE_INVALID_ARGUMENT, "wait_ms");
	assert_int_equal(decode(FROE__ENVELOPE__BODY_JOB_LIST, &list), FROE_OK);
	assert_int_equal(command.job.limit, REQUEST_JOBS_DEFAULT);
	list.limit = FROE_LIST_MAX + 1;
	expect_fault(decode(FROE__ENVELOPE__BODY_JOB_LIST, &list), FROE_INVALID_ARGUMENT, "limit");
	list.limit = FROE_LIST_MAX;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_JOB_LIST, &list), FROE_OK);
	assert_true(request_answer_bytes_max(&command) <= FROE_MESSAGE_BYTES_MAX);
	expect_fault(
	    decode(FROE__ENVELOPE__BODY_JOB_CANCEL, &cancel), FROE_INVALID_ARGUMENT, "job");
	cancel.job = 9;
	assert_int_equal(decode(FROE__ENVELOPE__BODY_JOB_CANCEL, &cancel), FROE_OK);
	assert_int_equal(command.engine.type, ENG_CMD_JOB_CANCEL);
	assert_int_equal(command.engine.job.number, 9);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_request__durable_memo),
	    cmocka_unit_test(test_request__durable_wait),
	    cmocka_unit_test(test_request__durable_child),
	    cmocka_unit_test(test_request__events_and_approvals),
	    cmocka_unit_test(test_request__cancel_many),
	    cmocka_unit_test(test_request__replay_many),
	    cmocka_unit_test(test_request__filters_kept),
	    cmocka_unit_test(test_request__jobs),
	    cmocka_unit_test(test_request__hello),
	    cmocka_unit_test(test_request__run_start),
	    cmocka_unit_test(test_request__run_start_metadata),
	    cmocka_unit_test(test_request__run_start_ids),
	    cmocka_unit_test(test_request__names_at_their_limit),
	    cmocka_unit_test(test_request__payload_at_its_limit),
	    cmocka_unit_test(test_request__run_get_watch_cancel),
	    cmocka_unit_test(test_request__run_list),
	    cmocka_unit_test(test_request__run_list_filters),
	    cmocka_unit_test(test_request__workflows),
	    cmocka_unit_test(test_request__worker_register),
	    cmocka_unit_test(test_request__worker_limits),
	    cmocka_unit_test(test_request__worker_drain_leave_heartbeat),
	    cmocka_unit_test(test_request__task_results),
	    cmocka_unit_test(test_request__workflow_put),
	    cmocka_unit_test(test_request__not_a_clients),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
