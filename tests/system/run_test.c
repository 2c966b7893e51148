/*
 * Runs from trigger to result on a real server: DAGs, retries, timeouts, cancels, limits, lists.
 */
#include "system/system.h"

#include "system/echo.h"
#include "system/shared.h"

/* ------------------------------------------------------------------------------------- handlers */

static enum froe_err
constant(struct froe_task *task, void *context)
{
	return froe_task_output(task, context, strlen(context), NULL);
}

/* ["a's output","b's output"], of the parents named in the context. */
static enum froe_err
join(struct froe_task *task, void *context)
{
	const char *const *parents = context;
	char text[256] = "[";
	for (int i = 0; parents[i] != NULL; i++) {
		struct froe_bytes output;
		if (froe_task_parent(task, parents[i], &output, NULL) != FROE_OK)
			return FROE_TASK_FAILED;
		strcat(text, i > 0 ? "," : "");
		strncat(text, output.size > 0 ? output.data : "null",
		    output.size > 0 ? output.size : 4);
	}
	strcat(text, "]");
	return froe_task_output(task, text, strlen(text), NULL);
}

struct flaky {
	atomic_int calls;
	int failures; /* before it succeeds */
};

static enum froe_err
flaky(struct froe_task *task, void *context)
{
	struct flaky *plan = context;
	int call = atomic_fetch_add(&plan->calls, 1);
	char text[64];
	if (call < plan->failures) {
		froe_task_error(task, "no luck %d", call + 1);
		return FROE_TASK_FAILED;
	}
	snprintf(text, sizeof(text), "{\"attempt\":%u}", froe_task_attempt(task));
	return froe_task_output(task, text, strlen(text), NULL);
}

static enum froe_err
until_cancelled(struct froe_task *task, void *context)
{
	atomic_int *cancelled = context;
	if (froe_task_wait(task, 60000))
		atomic_fetch_add(cancelled, 1);
	return FROE_CANCELLED;
}

/* ---------------------------------------------------------------------------------------- cases */

static void
test_run__one_task(void **state)
{
	struct froe_task_def task = {.name = "only", .handler = echo};
	struct froe_workflow workflow = {.name = "echo", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 2);
	expect_result(worker.client, start_run(worker.client, "echo", "{\"n\":1}"), "{\"n\":1}");
	expect_result(worker.client, start_run(worker.client, "echo", NULL), "{}");
	expect_result(
	    worker.client, start_run(worker.client, "echo", "\"\xc3\xa9\""), "\"\xc3\xa9\"");
	worker_close(&worker);
}

static void
test_run__dag(void **state)
{
	const char *const a[] = {"a", NULL}, *const bc[] = {"b", "c", NULL};
	struct froe_task_def tasks[] = {
	    {.name = "d", .parents = bc, .handler = join, .context = (void *)(uintptr_t)bc},
	    {.name = "b", .parents = a, .handler = join, .context = (void *)(uintptr_t)a},
	    {.name = "c", .parents = a, .handler = constant, .context = (char[]){"3"}},
	    {.name = "a", .handler = constant, .context = (char[]){"1"}},
	};
	struct froe_workflow workflow = {.name = "diamond", .tasks = tasks, .task_count = 4};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 4);
	struct froe_id run = start_run(worker.client, "diamond", NULL);
	expect_result(worker.client, run, "{\"d\":[[1],3]}");
	struct froe_run_view *view = get_run(worker.client, run);
	assert_int_equal(view->status, FROE_RUN_COMPLETED);
	assert_int_equal(view->task_count, 4);
	for (size_t i = 0; i < view->task_count; i++) {
		assert_int_equal(view->tasks[i].status, FROE_RUN_COMPLETED);
		assert_int_equal(view->tasks[i].attempt_count, 1);
		assert_string_equal(view->tasks[i].attempts[0].outcome, "completed");
		assert_int_equal(strlen(view->tasks[i].attempts[0].position), 16);
	}
	/* d began after b and c had ended. */
	assert_true(view->tasks[0].started_ns >= view->tasks[1].finished_ns);
	assert_true(view->tasks[0].started_ns >= view->tasks[2].finished_ns);
	froe_run_view_free(view);
	worker_close(&worker);
}

static void
test_run__retries_with_backoff(void **state)
{
	struct flaky plan = {.failures = 2};
	struct froe_task_def task = {
	    .name = "flaky",
	    .handler = flaky,
	    .context = &plan,
	    .retries = 3,
	    .backoff = {.kind = FROE_BACKOFF_EXPONENTIAL, .initial_ms = 100, .factor = 2},
	};
	struct froe_workflow workflow = {.name = "flaky", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_id run = start_run(worker.client, "flaky", NULL);
	expect_result(worker.client, run, "{\"attempt\":3}");
	struct froe_run_view *view = get_run(worker.client, run);
	const struct froe_attempt_view *attempts = view->tasks[0].attempts;
	assert_int_equal(view->tasks[0].attempt_count, 3);
	assert_string_equal(attempts[0].error, "no luck 1");
	assert_string_equal(attempts[1].error, "no luck 2");
	/* Never early: 100 ms, then 200 ms. */
	assert_true(attempts[1].assigned_ns - attempts[0].finished_ns >= 100000000);
	assert_true(attempts[2].assigned_ns - attempts[1].finished_ns >= 200000000);
	froe_run_view_free(view);
	worker_close(&worker);
}

static void
test_run__fails_and_tells_why(void **state)
{
	struct flaky plan = {.failures = 100};
	struct froe_task_def tasks[] = {
	    {.name = "bad", .handler = flaky, .context = &plan, .retries = 1},
	    {.name = "after", .parents = (const char *const[]){"bad", NULL}, .handler = echo},
	    {.name = "beside", .handler = constant, .context = (char[]){"7"}},
	    {.name = "clean", .handler = constant, .context = (char[]){"8"}, .on_failure = true},
	};
	struct froe_workflow workflow = {.name = "fails", .tasks = tasks, .task_count = 4};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 4);
	struct froe_id run = start_run(worker.client, "fails", NULL);
	struct froe_event *end = await_run(worker.client, run);
	assert_int_equal(end->status, FROE_RUN_FAILED);
	assert_string_equal(end->error, "no luck 2");
	froe_event_free(end);
	struct froe_run_view *view = get_run(worker.client, run);
	assert_int_equal(view->tasks[0].status, FROE_RUN_FAILED);
	assert_int_equal(view->tasks[1].status, FROE_RUN_CANCELLED);
	assert_int_equal(view->tasks[2].status, FROE_RUN_COMPLETED);
	assert_int_equal(view->tasks[3].status, FROE_RUN_COMPLETED);
	froe_run_view_free(view);
	worker_close(&worker);
}

static void
test_run__cancel_reaches_the_handler(void **state)
{
	atomic_int cancelled = 0;
	struct froe_task_def task = {
	    .name = "long", .handler = until_cancelled, .context = &cancelled};
	struct froe_workflow workflow = {.name = "long", .tasks = &task, .task_count = 1};
	struct froe_error error;
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_id run = start_run(worker.client, "long", NULL);
	CALL(froe_run_cancel(worker.client, run, "enough", 30000, &error), error);
	struct froe_event *end = await_run(worker.client, run);
	assert_int_equal(end->status, FROE_RUN_CANCELLED);
	froe_event_free(end);
	for (int i = 0; atomic_load(&cancelled) == 0 && i < 1000; i++)
		sleep_ms(5);
	struct froe_run_view *view = get_run(worker.client, run);
	assert_string_equal(view->reason, "enough");
	froe_run_view_free(view);
	assert_int_equal(froe_run_cancel(worker.client, run, NULL, 30000, &error),
	    FROE_FAILED_PRECONDITION);
	worker_close(&worker);
}

static void
test_run__execution_timeout_is_exact(void **state)
{
	atomic_int cancelled = 0;
	struct froe_task_def task = {
	    .name = "slow",
	    .handler = until_cancelled,
	    .context = &cancelled,
	    .execution_timeout_ms = 300,
	};
	struct froe_workflow workflow = {.name = "slow", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_id run = start_run(worker.client, "slow", NULL);
	struct froe_event *end = await_run(worker.client, run);
	assert_int_equal(end->status, FROE_RUN_FAILED);
	froe_event_free(end);
	struct froe_run_view *view = get_run(worker.client, run);
	const struct froe_attempt_view *attempt = &view->tasks[0].attempts[0];
	assert_string_equal(attempt->outcome, "timed_out");
	assert_true(attempt->finished_ns - attempt->assigned_ns >= 300000000);
	froe_run_view_free(view);
	worker_close(&worker);
}

static void
test_run__schedule_timeout(void **state)
{
	struct froe_task_def task = {.name = "nobody", .schedule_timeout_ms = 100};
	struct froe_workflow workflow = {.name = "nobody", .tasks = &task, .task_count = 1};
	struct froe_error error;
	(void)state;
	struct froe_client *client = client_open(&server, NULL);
	CALL(froe_workflow_put(client, &workflow, 30000, NULL, &error), error);
	struct froe_event *end = await_run(client, start_run(client, "nobody", NULL));
	assert_int_equal(end->status, FROE_RUN_CANCELLED);
	froe_event_free(end);
	froe_client_close(client);
}

static void
test_run__refusals_say_what(void **state)
{
	struct froe_task_def tasks[] = {
	    {.name = "a", .parents = (const char *const[]){"b", NULL}},
	    {.name = "b", .parents = (const char *const[]){"a", "c", NULL}},
	    {.name = "b b"},
	};
	struct froe_workflow workflow = {.name = "bad", .tasks = tasks, .task_count = 3};
	struct froe_run_options options = {.workflow = "unheard-of"};
	struct froe_started started;
	struct froe_error error;
	(void)state;
	struct froe_client *client = client_open(&server, NULL);
	assert_int_equal(froe_workflow_put(client, &workflow, 30000, NULL, &error),
	    FROE_INVALID_ARGUMENT);
	assert_non_null(strstr(error.text, "tasks[1].parents[1]")); /* no task c */
	assert_non_null(strstr(error.text, "tasks[2].name"));       /* a space */
	assert_int_equal(froe_run_start(client, &options, 30000, &started, &error), FROE_NOT_FOUND);
	assert_non_null(strstr(error.text, "unheard-of"));
	struct froe_id nothing = {.bytes = {1, 2, 3}};
	struct froe_run_view *view;
	assert_int_equal(
	    froe_run_get(client, nothing, false, 30000, &view, &error), FROE_NOT_FOUND);
	froe_client_close(client);
}

static void
test_run__payload_limits(void **state)
{
	struct froe_task_def task = {.name = "only", .handler = echo};
	struct froe_workflow workflow = {.name = "big", .tasks = &task, .task_count = 1};
	struct froe_error error;
	struct froe_started started;
	struct worker worker;
	size_t size = FROE_PAYLOAD_BYTES_MAX;
	char *text = malloc(size + 2);
	(void)state;
	memset(text, 'x', size + 1);
	text[0] = text[size - 1] = '"';
	text[size] = 0;
	worker_open(&worker, &server, NULL, &workflow, 1);
	expect_result(worker.client, start_run(worker.client, "big", text), text);
	text[size - 1] = 'x';
	text[size] = '"';
	text[size + 1] = 0;
	struct froe_run_options options = {.workflow = "big", .input = {text, size + 1}};
	assert_int_equal(froe_run_start(worker.client, &options, 30000, &started, &error),
	    FROE_TOO_LARGE);
	options.input = (struct froe_bytes){"{\"a\":", 5};
	assert_int_equal(froe_run_start(worker.client, &options, 30000, &started, &error),
	    FROE_INVALID_ARGUMENT);
	free(text);
	worker_close(&worker);
}

static void
test_run__same_id_is_one_run(void **state)
{
	struct froe_task_def task = {.name = "only", .handler = echo};
	struct froe_workflow workflow = {.name = "once", .tasks = &task, .task_count = 1};
	struct froe_started started;
	struct froe_error error;
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_run_options options = {.workflow = "once"};
	assert_true(froe_id_parse("01937f1c-4a77-7000-8d3a-0c4b6f1e2400", &options.id));
	CALL(froe_run_start(worker.client, &options, 30000, &started, &error), error);
	expect_result(worker.client, started.run, "{}");
	assert_int_equal(froe_run_start(worker.client, &options, 30000, &started, &error),
	    FROE_ALREADY_EXISTS);
	worker_close(&worker);
}

static void
test_run__list_shows_what_was_acknowledged(void **state)
{
	struct froe_task_def task = {.name = "parked"};
	struct froe_workflow workflow = {.name = "parked", .tasks = &task, .task_count = 1};
	struct froe_error error;
	struct froe_id last = {{0}};
	(void)state;
	struct froe_client *client = client_open(&server, "lister");
	struct froe_client *other = client_open(&server, "somebody");
	CALL(froe_workflow_put(client, &workflow, 30000, NULL, &error), error);
	for (int i = 0; i < 7; i++) {
		struct froe_run_page *page;
		struct froe_list_options options = {.limit = 3};
		last = start_run(client, "parked", NULL);
		CALL(froe_run_list(client, &options, 30000, &page, &error), error);
		assert_int_equal(page->row_count, i < 3 ? i + 1 : 3);
		assert_memory_equal(&page->rows[0].run, &last, sizeof(last));
		assert_int_equal(page->rows[0].status, FROE_RUN_QUEUED);
		assert_string_equal(page->rows[0].workflow, "parked");
		froe_run_page_free(page);
	}
	struct froe_list_options options = {.limit = 3};
	size_t seen = 0;
	do { /* pages */
		struct froe_run_page *page;
		CALL(froe_run_list(client, &options, 30000, &page, &error), error);
		seen += page->row_count;
		options.before = page->next;
		froe_run_page_free(page);
	} while (options.before != 0);
	assert_int_equal(seen, 7);
	CALL(froe_run_cancel(client, last, NULL, 30000, &error), error);
	struct froe_run_page *page;
	options = (struct froe_list_options){.statuses = 1u << FROE_RUN_CANCELLED};
	CALL(froe_run_list(client, &options, 30000, &page, &error), error);
	assert_int_equal(page->row_count, 1);
	froe_run_page_free(page);
	CALL(froe_run_list(other, &(struct froe_list_options){0}, 30000, &page, &error), error);
	assert_int_equal(page->row_count, 0); /* another tenant sees nothing */
	froe_run_page_free(page);
	struct froe_run_view *view;
	assert_int_equal(froe_run_get(other, last, false, 30000, &view, &error), FROE_NOT_FOUND);
	froe_client_close(client);
	froe_client_close(other);
}

static void
test_run__many_pipelined(void **state)
{
	struct froe_task_def task = {.name = "only", .handler = echo};
	struct froe_workflow workflow = {.name = "many", .tasks = &task, .task_count = 1};
	struct worker worker;
	struct froe_id runs[300];
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 16);
	for (int i = 0; i < 300; i++) {
		char input[32];
		snprintf(input, sizeof(input), "%d", i);
		runs[i] = start_run(worker.client, "many", input);
	}
	for (int i = 299; i >= 0; i--) {
		char result[32];
		snprintf(result, sizeof(result), "%d", i);
		expect_result(worker.client, runs[i], result);
	}
	worker_close(&worker);
}

static void
test_http__health_and_metrics(void **state)
{
	char answer[1 << 18];
	(void)state;
	http_get(&server, "/healthz", answer, sizeof(answer));
	assert_non_null(strstr(answer, "200 OK"));
	http_get(&server, "/readyz", answer, sizeof(answer));
	assert_non_null(strstr(answer, "200 OK"));
	http_get(&server, "/nowhere", answer, sizeof(answer));
	assert_non_null(strstr(answer, "404"));
}

/* The metric's value; its name with its labels. */
static double
metric_value(const char *text, const char *name)
{
	char line[128];
	snprintf(line, sizeof(line), "\n%s ", name);
	const char *at = strstr(text, line);
	if (at == NULL)
		fail_msg("there is no metric %s", name);
	return strtod(at + strlen(line), NULL);
}

#define WAITING "{tenant=\"default\",workflow=\"a\\\"wait\\\"\",action=\"a\\\"wait\\\":only\"}"

static void
test_http__metrics_count(void **state)
{
	static char answer[1 << 18];
	struct froe_task_def task = {.name = "only", .handler = echo};
	struct froe_workflow workflow = {.name = "a\"wait\"", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	http_get(&server, "/metrics", answer, sizeof(answer));
	double assigned = metric_value(answer, "froe_assign_seconds_count");
	double dispatched = metric_value(answer, "froe_dispatch_seconds_count");
	double commits = metric_value(answer, "froe_commit_seconds_count");
	double open = metric_value(answer, "froe_runs{status=\"QUEUED\"}");
	worker_open(&worker, &server, NULL, &workflow, 1);
	expect_result(worker.client, start_run(worker.client, "a\"wait\"", NULL), "{}");
	worker_close(&worker);
	struct froe_client *client = client_open(&server, NULL);
	start_run(client, "a\"wait\"", NULL);
	start_run(client, "a\"wait\"", NULL);
	http_get(&server, "/metrics", answer, sizeof(answer));
	assert_true(metric_value(answer, "froe_assign_seconds_count") == assigned + 1);
	assert_true(metric_value(answer, "froe_dispatch_seconds_count") == dispatched + 1);
	assert_true(metric_value(answer, "froe_commit_seconds_count") > commits);
	assert_true(metric_value(answer, "froe_runs{status=\"QUEUED\"}") == open + 2);
	assert_true(metric_value(answer, "froe_queue_length" WAITING) == 2);
	metric_value(answer, "froe_queue_oldest_seconds" WAITING);
	froe_client_close(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_run__one_task),
	    cmocka_unit_test(test_run__dag),
	    cmocka_unit_test(test_run__retries_with_backoff),
	    cmocka_unit_test(test_run__fails_and_tells_why),
	    cmocka_unit_test(test_run__cancel_reaches_the_handler),
	    cmocka_unit_test(test_run__execution_timeout_is_exact),
	    cmocka_unit_test(test_run__schedule_timeout),
	    cmocka_unit_test(test_run__refusals_say_what),
	    cmocka_unit_test(test_run__payload_limits),
	    cmocka_unit_test(test_run__same_id_is_one_run),
	    cmocka_unit_test(test_run__list_shows_what_was_acknowledged),
	    cmocka_unit_test(test_run__many_pipelined),
	    cmocka_unit_test(test_http__health_and_metrics),
	    cmocka_unit_test(test_http__metrics_count),
	};
	return cmocka_run_group_tests_name("system run", tests, setup, teardown);
}
