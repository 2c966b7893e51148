/*
 * NULL where libfroe's callers have to give something: a typed error that names it, never a crash;
 * and options that are left out are their defaults.
 */
#include "client_fake.h"

#include "froe/froe.h"

static struct froe_client *client;
static struct froe_error error;

static bool
script_nothing(struct fake *fake, const Froe__Envelope *envelope)
{
	(void)fake;
	(void)envelope;
	return true;
}

/* The call named this argument, and nothing was sent. */
#define expect_missing(name, call)                                                                 \
	do {                                                                                       \
		memset(&error, 0, sizeof(error));                                                  \
		assert_int_equal((call), FROE_INVALID_ARGUMENT);                                   \
		assert_int_equal(error.code, FROE_INVALID_ARGUMENT);                               \
		assert_string_equal(error.field, (name));                                          \
		assert_non_null(strstr(error.text, "NULL"));                                       \
	} while (0)

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *why)
{
	(void)context;
	(void)started;
	(void)why;
}

static void
on_event(void *context, const struct froe_event *event, const struct froe_error *why)
{
	(void)context;
	(void)event;
	(void)why;
}

static enum froe_err
handler(struct froe_task *task, void *context)
{
	(void)task;
	(void)context;
	return FROE_OK;
}

static const struct froe_id id;

static void
test_argument__runs(void **state)
{
	struct froe_run_options options = {.workflow = "w"}, bad = {.workflow = "w"};
	struct froe_event *end;
	struct froe_run_view *view;
	struct froe_run_page *page;
	struct froe_stream_page *stream;
	struct froe_list_options list = {.metadata_count = 1};
	struct froe_replay_options replay = {.input_size = 1};
	void *data;
	size_t size;
	(void)state;
	expect_missing("client", froe_run_start(NULL, &options, 0, NULL, &error));
	expect_missing("options", froe_run_start(client, NULL, 0, NULL, &error));
	bad.input.size = 3;
	expect_missing("input", froe_run_start(client, &bad, 0, NULL, &error));
	expect_missing("input", froe_run_start_many(client, &bad, 1, 0, NULL, &error));
	bad = (struct froe_run_options){.workflow = "w", .metadata_count = 2};
	expect_missing("metadata", froe_run_start(client, &bad, 0, NULL, &error));
	expect_missing("client", froe_run_start_many(NULL, &options, 1, 0, NULL, &error));
	expect_missing("options", froe_run_start_many(client, NULL, 1, 0, NULL, &error));
	assert_int_equal(froe_run_start_many(client, &options, SIZE_MAX, 0, NULL, &error),
	    FROE_INVALID_ARGUMENT);
	expect_missing("client",
	    froe_run_start_async(NULL, &options, on_started, NULL, NULL, &error));
	expect_missing("options",
	    froe_run_start_async(client, NULL, on_started, NULL, NULL, &error));
	expect_missing("on_started",
	    froe_run_start_async(client, &options, NULL, on_event, NULL, &error));
	expect_missing("client", froe_run_watch(NULL, id, true, on_event, NULL, NULL, &error));
	expect_missing("on_event", froe_run_watch(client, id, true, NULL, NULL, NULL, &error));
	froe_run_unwatch(NULL, 1);
	expect_missing("client", froe_run_await(NULL, id, 0, &end, &error));
	expect_missing("ret_end", froe_run_await(client, id, 0, NULL, &error));
	expect_missing("client", froe_run_cancel(NULL, id, NULL, 0, &error));
	expect_missing("client", froe_run_cancel_all(NULL, id, NULL, 0, &error));
	expect_missing("client", froe_run_get(NULL, id, false, 0, &view, &error));
	expect_missing("ret_view", froe_run_get(client, id, false, 0, NULL, &error));
	expect_missing("client", froe_run_replay(NULL, id, NULL, 0, &error));
	expect_missing("input", froe_run_replay(client, id, &replay, 0, &error));
	expect_missing("client", froe_stream_read(NULL, id, NULL, 0, 0, &stream, &error));
	expect_missing("ret_page", froe_stream_read(client, id, NULL, 0, 0, NULL, &error));
	expect_missing("client", froe_run_list(NULL, NULL, 0, &page, &error));
	expect_missing("ret_page", froe_run_list(client, NULL, 0, NULL, &error));
	expect_missing("metadata", froe_run_list(client, &list, 0, &page, &error));
	expect_missing("client", froe_output_get(NULL, id, "t", 0, &data, &size, &error));
	expect_missing("task", froe_output_get(client, id, NULL, 0, &data, &size, &error));
	expect_missing("ret_data", froe_output_get(client, id, "t", 0, NULL, &size, &error));
	expect_missing("ret_size", froe_output_get(client, id, "t", 0, &data, NULL, &error));
	/* Without an error to fill, too. */
	assert_int_equal(froe_run_start(NULL, NULL, 0, NULL, NULL), FROE_INVALID_ARGUMENT);
}

static void
test_argument__workflows(void **state)
{
	struct froe_task_def task = {.name = "t"};
	struct froe_workflow workflow = {.name = "w", .tasks = &task, .task_count = 1};
	struct froe_workflow_page *page;
	struct froe_workflow_view *view;
	(void)state;
	expect_missing("client", froe_workflow_put(NULL, &workflow, 0, NULL, &error));
	expect_missing("workflow", froe_workflow_put(client, NULL, 0, NULL, &error));
	task.slot_count = 1;
	expect_missing("tasks[0].slots", froe_workflow_put(client, &workflow, 0, NULL, &error));
	task = (struct froe_task_def){
	    .name = "t", .backoff = {.kind = FROE_BACKOFF_TABLE, .table_count = 2}};
	expect_missing("tasks[0].backoff.table_ms",
	    froe_workflow_put(client, &workflow, 0, NULL, &error));
	workflow.tasks = NULL;
	expect_missing("tasks", froe_workflow_put(client, &workflow, 0, NULL, &error));
	expect_missing("client", froe_workflow_list(NULL, 0, 0, 0, &page, &error));
	expect_missing("ret_page", froe_workflow_list(client, 0, 0, 0, NULL, &error));
	expect_missing("client", froe_workflow_get(NULL, "w", 0, 0, &view, &error));
	expect_missing("name", froe_workflow_get(client, NULL, 0, 0, &view, &error));
	expect_missing("ret_view", froe_workflow_get(client, "w", 0, 0, NULL, &error));
}

static void
test_argument__workers(void **state)
{
	struct froe_worker_options options = {.slot_type_count = 1};
	struct froe_worker *worker = NULL;
	(void)state;
	expect_missing("client", froe_worker_open(NULL, NULL, &worker, &error));
	expect_missing("ret_worker", froe_worker_open(client, NULL, NULL, &error));
	expect_missing("slot_types", froe_worker_open(client, &options, &worker, &error));
	assert_int_equal(froe_worker_open(client, NULL, &worker, &error), FROE_OK);
	expect_missing("worker", froe_worker_workflow(NULL, NULL, &error));
	expect_missing("workflow", froe_worker_workflow(worker, NULL, &error));
	expect_missing("worker", froe_worker_serve(NULL, "a", handler, NULL, &error));
	expect_missing("action", froe_worker_serve(worker, NULL, handler, NULL, &error));
	expect_missing("handler", froe_worker_serve(worker, "a", NULL, NULL, &error));
	expect_missing("worker", froe_worker_start(NULL, 0, &error));
	froe_worker_stop(NULL, 0);
	assert_int_equal(froe_worker_held(NULL), 0);
	assert_int_equal(froe_worker_held(worker), 0);
	froe_worker_close(worker);
	froe_worker_close(NULL);
}

/* Inside a handler a task is there; a NULL that is taken for one is told so all the same. */
static void
test_argument__tasks(void **state)
{
	struct froe_run_options options = {.workflow = "w"};
	struct froe_bytes bytes = {0};
	struct froe_event *end;
	struct froe_pair pair;
	struct froe_condition condition = {.kind = FROE_ON_SLEEP, .sleep_ms = 1};
	struct froe_child child = {0};
	struct froe_child_result result;
	(void)state;
	expect_missing("task", froe_task_parent(NULL, "p", &bytes, &error));
	expect_missing("task", froe_task_output(NULL, "1", 1, &error));
	expect_missing("task", froe_task_log(NULL, "line", &error));
	expect_missing("task", froe_task_stream(NULL, "x", 1, &error));
	expect_missing("task", froe_task_spawn(NULL, &options, NULL, 0, NULL, &error));
	expect_missing("task", froe_task_spawn_many(NULL, &options, 1, 0, NULL, &error));
	expect_missing("task", froe_child_await(NULL, id, 0, &end, &error));
	expect_missing("task", froe_task_refresh(NULL, 1, 0, &error));
	expect_missing("task", froe_task_release_slot(NULL, 0, &error));
	expect_missing("task", froe_task_await(NULL, &condition, 1, NULL, &error));
	expect_missing("task", froe_task_sleep(NULL, 1, &error));
	expect_missing("task", froe_task_approval(NULL, "a", bytes, NULL, &error));
	expect_missing("task", froe_task_memo_get(NULL, "k", &bytes, &error));
	expect_missing("task", froe_task_memo_put(NULL, "k", "1", 1, NULL, &error));
	expect_missing("task", froe_task_child_start(NULL, &options, &child, &error));
	expect_missing("task", froe_task_child_await(NULL, &child, &result, &error));
	expect_missing("task", froe_task_child(NULL, &options, &result, &error));
	froe_task_error(NULL, "%d", 1);
	froe_task_fatal(NULL);
	froe_task_retry_after(NULL, 1);
	assert_string_equal(froe_task_name(NULL), "");
	assert_string_equal(froe_task_action(NULL), "");
	assert_string_equal(froe_task_workflow(NULL), "");
	assert_string_equal(froe_task_cancel_reason(NULL), "");
	assert_int_equal(froe_task_attempt(NULL) + froe_task_retries(NULL), 0);
	assert_int_equal(froe_task_lease(NULL) + froe_task_left_ms(NULL), 0);
	assert_int_equal(froe_task_invocation(NULL) + froe_task_input(NULL).size, 0);
	assert_int_equal(froe_task_id(NULL).bytes[0] + froe_task_run(NULL).bytes[0], 0);
	assert_null(froe_task_metadata(NULL, "k"));
	assert_false(froe_task_metadata_at(NULL, 0, &pair));
	assert_false(froe_task_failure(NULL, 0, NULL, NULL));
	assert_true(froe_task_cancelled(NULL));
	assert_true(froe_task_wait(NULL, 0));
	assert_int_equal(froe_task_fd(NULL), -1);
	assert_false(froe_task_lease_valid(NULL));
}

static void
test_argument__operating(void **state)
{
	struct froe_worker_page *workers;
	struct froe_worker_view *worker;
	struct froe_why *why;
	struct froe_token token;
	struct froe_token_options options = {.name = "n"};
	struct froe_token_list *tokens;
	struct froe_list_options filter = {.metadata_count = 1};
	struct froe_job_view *job;
	struct froe_job_page *jobs;
	struct froe_approval_page *approvals;
	struct froe_bytes short_one = {.size = 2}, none = {0};
	(void)state;
	expect_missing("client", froe_event_push(NULL, "k", none, 0, NULL, &error));
	expect_missing("key", froe_event_push(client, NULL, none, 0, NULL, &error));
	expect_missing("payload", froe_event_push(client, "k", short_one, 0, NULL, &error));
	struct froe_event_options push = {0};
	expect_missing("client", froe_event_push_options(NULL, &push, 0, NULL, &error));
	expect_missing("options", froe_event_push_options(client, NULL, 0, NULL, &error));
	expect_missing("key", froe_event_push_options(client, &push, 0, NULL, &error));
	push = (struct froe_event_options){.key = "k", .metadata_count = 1};
	expect_missing("metadata", froe_event_push_options(client, &push, 0, NULL, &error));
	expect_missing("client", froe_approval_list(NULL, 0, 0, 0, &approvals, &error));
	expect_missing("ret_page", froe_approval_list(client, 0, 0, 0, NULL, &error));
	expect_missing("client", froe_approval_decide(NULL, 1, true, NULL, 0, &error));
	expect_missing("client", froe_worker_list(NULL, 0, 0, 0, &workers, &error));
	expect_missing("ret_page", froe_worker_list(client, 0, 0, 0, NULL, &error));
	expect_missing("client", froe_worker_get(NULL, id, 0, &worker, &error));
	expect_missing("ret_view", froe_worker_get(client, id, 0, NULL, &error));
	expect_missing("client", froe_worker_pause(NULL, id, true, NULL, 0, &error));
	expect_missing("client", froe_run_why(NULL, id, 0, &why, &error));
	expect_missing("ret_why", froe_run_why(client, id, 0, NULL, &error));
	expect_missing("client", froe_token_create(NULL, &options, 0, &token, &error));
	expect_missing("options", froe_token_create(client, NULL, 0, &token, &error));
	expect_missing("ret_token", froe_token_create(client, &options, 0, NULL, &error));
	options.role_count = 1;
	expect_missing("roles", froe_token_create(client, &options, 0, &token, &error));
	expect_missing("client", froe_token_revoke(NULL, "x", 0, &error));
	expect_missing("id", froe_token_revoke(client, NULL, 0, &error));
	expect_missing("client", froe_token_list(NULL, 0, &tokens, &error));
	expect_missing("ret_list", froe_token_list(client, 0, NULL, &error));
	expect_missing("client",
	    froe_job_start(NULL, FROE_JOB_CANCEL, NULL, NULL, 0, NULL, &error));
	expect_missing("metadata",
	    froe_job_start(client, FROE_JOB_CANCEL, &filter, NULL, 0, NULL, &error));
	expect_missing("client", froe_job_get(NULL, 1, 0, 0, &job, &error));
	expect_missing("ret_view", froe_job_get(client, 1, 0, 0, NULL, &error));
	expect_missing("client", froe_job_list(NULL, 0, 0, 0, &jobs, &error));
	expect_missing("ret_page", froe_job_list(client, 0, 0, 0, NULL, &error));
	expect_missing("client", froe_job_cancel(NULL, 1, 0, &error));
}

static void
test_argument__client(void **state)
{
	struct froe_server server = {.epoch = 7};
	struct froe_id parsed;
	(void)state;
	expect_missing("ret_client", froe_client_open(NULL, NULL, &error));
	expect_missing("client", froe_client_step(NULL, 0, &error));
	froe_client_server(client, NULL);
	froe_client_server(NULL, &server);
	assert_int_equal(server.epoch, 0);
	assert_false(froe_client_connected(NULL));
	assert_int_equal(froe_client_pending(NULL), 0);
	assert_int_equal(froe_client_fd(NULL), -1);
	assert_int_equal(froe_client_timeout_ms(NULL), -1);
	froe_client_close(NULL);
	froe_id_format(id, NULL);
	assert_false(froe_id_parse(NULL, &parsed));
	assert_false(froe_id_parse("00000000-0000-0000-0000-000000000000", NULL));
}

static void
test_argument__free(void **state)
{
	(void)state;
	froe_event_free(NULL);
	froe_run_view_free(NULL);
	froe_run_page_free(NULL);
	froe_stream_page_free(NULL);
	froe_output_free(NULL);
	froe_workflow_page_free(NULL);
	froe_workflow_view_free(NULL);
	froe_approval_page_free(NULL);
	froe_worker_page_free(NULL);
	froe_worker_view_free(NULL);
	froe_why_free(NULL);
	froe_token_list_free(NULL);
	froe_job_view_free(NULL);
	froe_job_page_free(NULL);
}

/* Left out: what they are by default goes to the server. */
static void
test_argument__options_are_defaults(void **state)
{
	struct froe_run_page *page;
	uint64_t job;
	(void)state;
	assert_int_equal(froe_run_list(client, NULL, 20, &page, &error), FROE_TIMEOUT);
	assert_int_equal(froe_run_replay(client, id, NULL, 20, &error), FROE_TIMEOUT);
	assert_int_equal(
	    froe_job_start(client, FROE_JOB_REPLAY, NULL, NULL, 20, &job, &error), FROE_TIMEOUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_argument__runs),
	    cmocka_unit_test(test_argument__workflows),
	    cmocka_unit_test(test_argument__workers),
	    cmocka_unit_test(test_argument__tasks),
	    cmocka_unit_test(test_argument__operating),
	    cmocka_unit_test(test_argument__client),
	    cmocka_unit_test(test_argument__free),
	    cmocka_unit_test(test_argument__options_are_defaults),
	};
	struct fake fake;
	fake_open(&fake, script_nothing, NULL);
	fake_start(&fake);
	struct froe_client_options options = {.address = fake.address, .open_ms = 10000};
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	froe_client_close(client);
	fake_close(&fake);
	return failed;
}
