/*
 * Durable tasks over the real binary: steps that outlive attempts, workers, the server.
 */
#include "system.h"

/* What the handlers of a test have done, so that what is done twice is seen. */
struct tally {
	atomic_int begun;  /* handler runs */
	atomic_int planned; /* memos computed */
	atomic_int passed; /* the wait is over */
	_Atomic uint64_t passed_ms; /* of the last */
	uint64_t sleep_ms;
};

static void
durable_open(struct worker *worker, const struct server *server,
    const struct froe_workflow *workflow, uint32_t slots, int64_t evict_after_ms)
{
	struct froe_error error;
	struct froe_worker_options options = {
	    .name = "tester", .slots = slots, .evict_after_ms = evict_after_ms};
	worker->client = client_open(server, NULL);
	CALL(froe_worker_open(worker->client, &options, &worker->worker, &error), error);
	CALL(froe_worker_workflow(worker->worker, workflow, &error), error);
	CALL(froe_worker_start(worker->worker, 30000, &error), error);
}

/* A memo that is computed once, then a sleep, then the memo is the output. */
static enum froe_err
plan_and_sleep(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	struct froe_bytes plan;
	struct froe_error error;
	char text[32];
	atomic_fetch_add(&tally->begun, 1);
	enum froe_err err = froe_task_memo_get(task, "plan", &plan, &error);
	if (err == FROE_NOT_FOUND) {
		int size =
		    snprintf(text, sizeof(text), "[%d]", atomic_fetch_add(&tally->planned, 1));
		err = froe_task_memo_put(task, "plan", text, (size_t)size, &plan, &error);
	}
	if (err == FROE_OK)
		err = froe_task_sleep(task, tally->sleep_ms, &error);
	if (err != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return err;
	}
	tally->passed_ms = now_ms();
	atomic_fetch_add(&tally->passed, 1);
	return froe_task_output(task, plan.data, plan.size, NULL);
}

static void
test_durable__sleep_without_eviction(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {.sleep_ms = 200};
	struct froe_task_def task = {
	    .name = "nap", .durable = true, .handler = plan_and_sleep, .context = &tally};
	struct froe_workflow workflow = {.name = "nap", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, 60000);
	uint64_t start_ms = now_ms();
	struct froe_id run = start_run(worker.client, "nap", NULL);
	expect_result(worker.client, run, "[0]");
	assert_true(tally.passed_ms - start_ms >= 200);
	assert_true(tally.passed_ms - start_ms < 10000); /* by its timer, not by a default */
	assert_int_equal(atomic_load(&tally.begun), 1);
	struct froe_run_view *view = get_run(worker.client, run);
	assert_int_equal(view->tasks[0].node_count, 2);
	assert_string_equal(view->tasks[0].nodes[0].label, "memo plan");
	assert_true(view->tasks[0].nodes[0].memo);
	assert_string_equal(view->tasks[0].nodes[1].label, "sleep 200 ms");
	assert_string_equal(view->tasks[0].nodes[1].outcome, "sleep");
	assert_true(view->tasks[0].nodes[1].done);
	froe_run_view_free(view);
	worker_close(&worker);
	server_release(&server);
}

/* A hundred sleepers share one slot, and each wakes on time. */
static void
test_durable__evicted_sleepers(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {.sleep_ms = 700};
	struct froe_task_def task = {
	    .name = "nap", .durable = true, .handler = plan_and_sleep, .context = &tally};
	struct froe_workflow workflow = {.name = "nap", .tasks = &task, .task_count = 1};
	struct froe_id runs[100];
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, -1);
	for (int i = 0; i < 100; i++)
		runs[i] = start_run(worker.client, "nap", NULL);
	uint64_t start_ms = now_ms();
	for (int i = 0; i < 100; i++) {
		struct froe_event *end = await_run(worker.client, runs[i]);
		assert_int_equal(end->status, FROE_RUN_COMPLETED);
		froe_event_free(end);
	}
	assert_true(now_ms() - start_ms < 20000); /* one after the other it would take 70 s */
	assert_int_equal(atomic_load(&tally.planned), 100);
	assert_int_equal(atomic_load(&tally.passed), 100);
	assert_int_equal(atomic_load(&tally.begun), 200);
	struct froe_run_view *view = get_run(worker.client, runs[0]);
	assert_int_equal(view->tasks[0].attempt_count, 2);
	assert_int_equal(view->tasks[0].attempts[0].attempt, 1);
	assert_string_equal(view->tasks[0].attempts[0].outcome, "evicted");
	assert_int_equal(view->tasks[0].attempts[1].attempt, 1);
	assert_int_equal(view->tasks[0].attempts[1].invocation, 2);
	froe_run_view_free(view);
	worker_close(&worker);
	server_release(&server);
}

static enum froe_status
status_of(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view = get_run(client, run);
	enum froe_status status = view->status;
	froe_run_view_free(view);
	return status;
}

static void
wait_status(struct froe_client *client, struct froe_id run, enum froe_status status)
{
	uint64_t until_ms = now_ms() + 20000;
	while (status_of(client, run) != status) {
		assert_true(now_ms() < until_ms);
		sleep_ms(5);
	}
}

/* kill -9 of the server while a task is evicted: it wakes on time, once the server is back. */
static void
test_durable__sleep_over_a_restart(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {.sleep_ms = 2500};
	struct froe_task_def task = {
	    .name = "nap", .durable = true, .handler = plan_and_sleep, .context = &tally};
	struct froe_workflow workflow = {.name = "nap", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, -1);
	struct froe_id run = start_run(worker.client, "nap", NULL);
	uint64_t start_ms = now_ms();
	wait_status(worker.client, run, FROE_RUN_EVICTED);
	server_restart(&server);
	expect_result(worker.client, run, "[0]");
	assert_true(tally.passed_ms - start_ms >= 2450);
	assert_true(tally.passed_ms - start_ms < 2450 + 10000);
	assert_int_equal(atomic_load(&tally.planned), 1);
	worker_close(&worker);
	server_release(&server);
}

/* What comes while the connection or the server is away is asked for again. */
static enum froe_err
await_paid(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	struct froe_condition either[] = {
	    {.kind = FROE_ON_EVENT, .name = "paid"},
	    {.kind = FROE_ON_SLEEP, .sleep_ms = 60000},
	};
	struct froe_durable_result result;
	struct froe_error error;
	atomic_fetch_add(&tally->begun, 1);
	enum froe_err err = froe_task_await(task, either, 2, &result, &error);
	if (err != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return err;
	}
	assert_int_equal(result.which, 0);
	assert_int_equal(result.metadata_count, 2);
	assert_string_equal(result.metadata[0].key, "order");
	assert_string_equal(result.metadata[0].value, "12");
	assert_string_equal(result.metadata[1].key, "empty");
	assert_string_equal(result.metadata[1].value, "");
	return froe_task_output(task, result.payload.data, result.payload.size, NULL);
}

static void
test_durable__event_after_a_restart(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {0};
	struct froe_task_def task = {
	    .name = "pay", .durable = true, .handler = await_paid, .context = &tally};
	struct froe_workflow workflow = {.name = "pay", .tasks = &task, .task_count = 1};
	struct froe_error error;
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 2, 60000); /* it holds its lease throughout */
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "pay", NULL);
	struct froe_run_view *view;
	for (bool waits = false; !waits; sleep_ms(5)) {
		view = get_run(client, run);
		waits = view->tasks[0].node_count == 1;
		froe_run_view_free(view);
	}
	server_restart(&server);
	uint64_t number = 0;
	struct froe_pair pairs[FROE_METADATA_PAIRS_MAX + 1] = {{"order", "12"}, {"empty", ""}};
	struct froe_event_options options = {
	    .key = "paid",
	    .payload = {"{\"eur\":9}", 9},
	    .metadata = pairs,
	    .metadata_count = FROE_METADATA_PAIRS_MAX + 1,
	};
	assert_int_equal(
	    froe_event_push_options(client, &options, 30000, &number, &error), FROE_TOO_LARGE);
	options.metadata_count = 2;
	CALL(froe_event_push_options(client, &options, 30000, &number, &error), error);
	assert_int_equal(number, 1);
	expect_result(client, run, "{\"eur\":9}");
	assert_int_equal(atomic_load(&tally.begun), 1);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

static enum froe_err
ask_approval(struct froe_task *task, void *context)
{
	struct froe_durable_result result;
	struct froe_error error;
	char text[128];
	(void)context;
	enum froe_err err = froe_task_approval(
	    task, "ship", (struct froe_bytes){"{\"order\":1}", 11}, &result, &error);
	if (err != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return err;
	}
	int size = snprintf(text, sizeof(text), "[%s,\"%s\"]", result.approved ? "true" : "false",
	    result.reason);
	return froe_task_output(task, text, (size_t)size, NULL);
}

static void
wait_approvals(struct froe_client *client, size_t count, struct froe_approval_page **ret_page)
{
	struct froe_error error;
	uint64_t until_ms = now_ms() + 20000;
	for (;;) {
		CALL(froe_approval_list(client, 0, 0, 30000, ret_page, &error), error);
		if ((*ret_page)->row_count == count)
			return;
		froe_approval_page_free(*ret_page);
		assert_true(now_ms() < until_ms);
		sleep_ms(5);
	}
}

static void
test_durable__approvals(void **state)
{
	struct server server;
	struct worker worker;
	struct froe_task_def task = {.name = "ship", .durable = true, .handler = ask_approval};
	struct froe_workflow workflow = {.name = "ship", .tasks = &task, .task_count = 1};
	struct froe_approval_page *page;
	struct froe_error error;
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, -1);
	struct froe_id yes = start_run(worker.client, "ship", NULL);
	wait_approvals(worker.client, 1, &page);
	froe_approval_page_free(page);
	struct froe_id no = start_run(worker.client, "ship", NULL);
	wait_approvals(worker.client, 2, &page);
	assert_string_equal(page->rows[0].name, "ship");
	assert_string_equal(page->rows[0].workflow, "ship");
	assert_memory_equal(page->rows[0].data.data, "{\"order\":1}", 11);
	assert_memory_equal(&page->rows[0].run, &yes, sizeof(yes));
	uint64_t first = page->rows[0].number, second = page->rows[1].number;
	froe_approval_page_free(page);
	server_restart(&server);
	CALL(froe_approval_decide(worker.client, first, true, "fine", 30000, &error), error);
	CALL(froe_approval_decide(worker.client, second, false, "too dear", 30000, &error), error);
	expect_result(worker.client, yes, "[true,\"fine\"]");
	expect_result(worker.client, no, "[false,\"too dear\"]");
	assert_int_equal(froe_approval_decide(worker.client, first, true, NULL, 30000, &error),
	    FROE_FAILED_PRECONDITION);
	assert_int_equal(froe_approval_decide(worker.client, 99, true, NULL, 30000, &error),
	    FROE_NOT_FOUND);
	struct froe_run_view *view = get_run(worker.client, no);
	assert_string_equal(view->tasks[0].nodes[0].outcome, "rejected");
	assert_string_equal(view->tasks[0].nodes[0].reason, "too dear");
	assert_int_equal(view->tasks[0].nodes[0].approval, second);
	froe_run_view_free(view);
	worker_close(&worker);
	server_release(&server);
}

/* Other steps in the second attempt than in the first. */
static enum froe_err
fickle(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	struct froe_error error;
	enum froe_err err;
	if (atomic_fetch_add(&tally->begun, 1) == 0) {
		err = froe_task_sleep(task, 1, &error);
		return err == FROE_OK ? FROE_TASK_FAILED : err;
	}
	err = froe_task_memo_put(task, "other", "1", 1, NULL, &error);
	assert_int_equal(err, FROE_NONDETERMINISM);
	return err;
}

static void
test_durable__nondeterminism(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {0};
	struct froe_task_def task = {.name = "odd", .durable = true, .retries = 5,
	    .handler = fickle, .context = &tally};
	struct froe_workflow workflow = {.name = "odd", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, 0);
	struct froe_id run = start_run(worker.client, "odd", NULL);
	struct froe_event *end = await_run(worker.client, run);
	assert_int_equal(end->status, FROE_RUN_FAILED);
	assert_non_null(strstr(end->error, "\"sleep 1 ms\""));
	assert_non_null(strstr(end->error, "\"memo other\""));
	froe_event_free(end);
	assert_int_equal(atomic_load(&tally.begun), 2);
	worker_close(&worker);
	server_release(&server);
}

/* Values as large as payloads, which have left memory when they are asked for again. */
static enum froe_err
large_memo(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	struct froe_bytes value = {0};
	struct froe_error error;
	size_t size = (size_t)3 << 20;
	enum froe_err err = froe_task_memo_get(task, "large", &value, &error);
	if (err == FROE_NOT_FOUND) {
		char *text = malloc(size);
		memset(text, 'x', size);
		text[0] = text[size - 1] = '"';
		err = froe_task_memo_put(task, "large", text, size, &value, &error);
		free(text);
	}
	if (err != FROE_OK)
		return err;
	assert_int_equal(value.size, size);
	assert_int_equal(((const char *)value.data)[size / 2], 'x');
	return atomic_fetch_add(&tally->begun, 1) == 0 ? FROE_TASK_FAILED : FROE_OK;
}

static void
test_durable__large_memo_that_left_memory(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {0};
	struct froe_task_def task = {.name = "large", .durable = true, .retries = 1,
	    .handler = large_memo, .context = &tally};
	struct froe_workflow workflow = {.name = "large", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server.extra[0] = "--cache-bytes";
	server.extra[1] = "0";
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, 0);
	struct froe_id run = start_run(worker.client, "large", NULL);
	expect_result(worker.client, run, "null");
	assert_int_equal(atomic_load(&tally.begun), 2);
	worker_close(&worker);
	server_release(&server);
}

/* ----------------------------------------------------------------------------------- children */

#define FAN 8

static enum froe_err
fan_out(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	struct froe_child children[FAN];
	struct froe_child_result result;
	struct froe_error error;
	char input[16], sum[256] = "[";
	enum froe_err err = FROE_OK;
	atomic_fetch_add(&tally->begun, 1);
	for (int i = 0; i < FAN && err == FROE_OK; i++) {
		int size = snprintf(input, sizeof(input), "[%d]", i);
		struct froe_run_options options = {
		    .workflow = i == FAN - 1 ? "bad" : "echo", .input = {input, (size_t)size}};
		err = froe_task_child_start(task, &options, &children[i], &error);
	}
	for (int i = 0; i < FAN && err == FROE_OK; i++) {
		err = froe_task_child_await(task, &children[i], &result, &error);
		if (err != FROE_OK)
			break;
		assert_int_equal(
		    result.status, i == FAN - 1 ? FROE_RUN_FAILED : FROE_RUN_COMPLETED);
		strncat(sum, result.output.data != NULL ? result.output.data : "null", 20);
		strcat(sum, i == FAN - 1 ? "]" : ",");
	}
	if (err != FROE_OK) {
		froe_task_error(task, "%s", error.text);
		return err;
	}
	return froe_task_output(task, sum, strlen(sum), NULL);
}

static enum froe_err
echo_slowly(struct froe_task *task, void *context)
{
	struct tally *tally = context;
	atomic_fetch_add(&tally->passed, 1);
	struct froe_bytes input = froe_task_input(task);
	froe_task_wait(task, 150);
	return froe_task_output(task, input.data, input.size, NULL);
}

static enum froe_err
always_bad(struct froe_task *task, void *context)
{
	(void)context;
	froe_task_error(task, "no");
	return FROE_TASK_FAILED;
}

/* Children are started once, whatever happens to parent and server meanwhile. */
static void
test_durable__children(void **state)
{
	struct server server;
	struct worker worker, kids, bad;
	struct tally tally = {0};
	struct froe_task_def task = {
	    .name = "fan", .durable = true, .handler = fan_out, .context = &tally};
	struct froe_task_def echo = {
	    .name = "echo", .handler = echo_slowly, .context = &tally, .retries = 5};
	struct froe_task_def no = {.name = "bad", .handler = always_bad};
	struct froe_workflow workflow = {.name = "fan", .tasks = &task, .task_count = 1};
	struct froe_workflow echoes = {.name = "echo", .tasks = &echo, .task_count = 1};
	struct froe_workflow bads = {.name = "bad", .tasks = &no, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&kids, &server, NULL, &echoes, 2);
	worker_open(&bad, &server, NULL, &bads, 1);
	durable_open(&worker, &server, &workflow, 1, -1);
	struct froe_id run = start_run(worker.client, "fan", NULL);
	while (atomic_load(&tally.passed) < 3)
		sleep_ms(5);
	server_restart(&server);
	expect_result(worker.client, run, "[[0],[1],[2],[3],[4],[5],[6],null]");
	struct froe_run_view *view = get_run(worker.client, run);
	assert_int_equal(view->tasks[0].node_count, FAN + FAN - 1);
	assert_string_equal(view->tasks[0].nodes[0].label, "child echo");
	assert_string_equal(view->tasks[0].nodes[0].outcome, "completed");
	assert_string_equal(view->tasks[0].nodes[FAN - 1].outcome, "failed");
	froe_run_view_free(view);
	struct froe_error error;
	struct froe_run_page *page;
	CALL(froe_run_list(worker.client, &(struct froe_list_options){.limit = 100}, 30000, &page,
	         &error), error);
	assert_int_equal(page->row_count, 1 + FAN);
	froe_run_page_free(page);
	worker_close(&worker);
	worker_close(&kids);
	worker_close(&bad);
	server_release(&server);
}

/* A worker that stops gives up its waiting tasks at once. */
static void
test_durable__stop_evicts(void **state)
{
	struct server server;
	struct worker worker;
	struct tally tally = {.sleep_ms = 1500};
	struct froe_task_def task = {
	    .name = "nap", .durable = true, .handler = plan_and_sleep, .context = &tally};
	struct froe_workflow workflow = {.name = "nap", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	durable_open(&worker, &server, &workflow, 1, 60000);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "nap", NULL);
	while (atomic_load(&tally.planned) == 0)
		sleep_ms(5);
	sleep_ms(100);
	uint64_t start_ms = now_ms();
	froe_worker_stop(worker.worker, 30000);
	assert_true(now_ms() - start_ms < 10000); /* of the 30 s that it may wait */
	assert_int_equal(status_of(client, run), FROE_RUN_EVICTED);
	worker_close(&worker);
	durable_open(&worker, &server, &workflow, 1, 60000);
	expect_result(client, run, "[0]");
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_durable__sleep_without_eviction),
	    cmocka_unit_test(test_durable__evicted_sleepers),
	    cmocka_unit_test(test_durable__sleep_over_a_restart),
	    cmocka_unit_test(test_durable__event_after_a_restart),
	    cmocka_unit_test(test_durable__approvals),
	    cmocka_unit_test(test_durable__nondeterminism),
	    cmocka_unit_test(test_durable__large_memo_that_left_memory),
	    cmocka_unit_test(test_durable__children),
	    cmocka_unit_test(test_durable__stop_evicts),
	};
	return cmocka_run_group_tests_name("system durable", tests, NULL, NULL);
}
