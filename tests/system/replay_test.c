/*
 * Runs that have ended go on: with the same or another input, from a task on, across a kill -9, and
 * when they are so old that only the index knows them.
 */
#include "system/system.h"

#include "system/shared.h"

/* The input, and how often the task was called. */
struct counter {
	atomic_int calls;
	atomic_int failures;
};

static enum froe_err
count(struct froe_task *task, void *context)
{
	struct counter *counter = context;
	struct froe_bytes input = froe_task_input(task);
	int call = atomic_fetch_add(&counter->calls, 1) + 1;
	char text[256];
	if (atomic_load(&counter->failures) > 0) {
		atomic_fetch_sub(&counter->failures, 1);
		froe_task_error(task, "not yet");
		return FROE_TASK_FAILED;
	}
	int size = snprintf(text, sizeof(text), "{\"call\":%d,\"input\":%.*s}", call,
	    (int)input.size, (const char *)input.data);
	return froe_task_output(task, text, (size_t)size, NULL);
}

static void
replay(struct froe_client *client, struct froe_id run, const char *task, const char *input)
{
	struct froe_error error;
	struct froe_replay_options options = {
	    .task = task,
	    .input = input,
	    .input_size = input != NULL ? strlen(input) : 0,
	    .reason = "again",
	};
	CALL(froe_run_replay(client, run, &options, 30000, &error), error);
}

static void
expect_refused(struct froe_client *client, struct froe_id run, const char *task, enum froe_err err)
{
	struct froe_error error;
	struct froe_replay_options options = {.task = task};
	assert_int_equal(froe_run_replay(client, run, &options, 30000, &error), err);
	assert_true(error.text[0] != 0);
}

static void
test_replay__same_and_edited(void **state)
{
	const char *const first[] = {"first", NULL};
	struct counter one = {0}, two = {0};
	struct froe_task_def tasks[] = {
	    {.name = "first", .handler = count, .context = &one},
	    {.name = "second", .parents = first, .handler = count, .context = &two},
	};
	struct froe_workflow workflow = {.name = "again", .tasks = tasks, .task_count = 2};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 2);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "again", "[1]");
	expect_result(client, run, "{\"second\":{\"call\":1,\"input\":[1]}}");
	replay(client, run, "second", NULL); /* the first one keeps its output */
	expect_result(client, run, "{\"second\":{\"call\":2,\"input\":[1]}}");
	assert_int_equal(atomic_load(&one.calls), 1);
	server_restart(&server);
	replay(client, run, NULL, "[2]");
	expect_result(client, run, "{\"second\":{\"call\":3,\"input\":[2]}}");
	assert_int_equal(atomic_load(&one.calls), 2);
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->status, FROE_RUN_COMPLETED);
	assert_int_equal(view->tasks[0].attempt_count, 2);
	assert_int_equal(view->tasks[1].attempt_count, 3);
	assert_int_equal(view->tasks[1].attempts[2].attempt, 3);
	assert_int_equal(view->input.size, 3);
	assert_memory_equal(view->input.data, "[2]", 3);
	assert_int_equal(view->replay_count, 2);
	assert_string_equal(view->replays[0].task, "second");
	assert_false(view->replays[0].edited);
	assert_true(view->replays[1].edited);
	assert_string_equal(view->replays[1].reason, "again");
	froe_run_view_free(view);
	expect_refused(client, run, "third", FROE_INVALID_ARGUMENT);
	run.bytes[0] ^= 1;
	expect_refused(client, run, NULL, FROE_NOT_FOUND);
	froe_client_close(client);
	worker_close(&worker);
}

/* Killed while the replayed run is under way; it ends as any other. */
static void
test_replay__killed_in_the_middle(void **state)
{
	struct counter counter = {.failures = 1};
	struct froe_task_def task = {.name = "only", .handler = count, .context = &counter};
	struct froe_workflow workflow = {.name = "mended", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "mended", "[7]");
	struct froe_event *end = await_run(client, run);
	assert_int_equal(end->status, FROE_RUN_FAILED);
	froe_event_free(end);
	worker_close(&worker);
	replay(client, run, NULL, NULL); /* nobody serves it now */
	expect_refused(client, run, NULL, FROE_FAILED_PRECONDITION);
	server_end(&server, SIGKILL);
	server_start(&server);
	worker_open(&worker, &server, NULL, &workflow, 1);
	expect_result(client, run, "{\"call\":2,\"input\":[7]}");
	server_restart(&server);
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->status, FROE_RUN_COMPLETED);
	assert_int_equal(view->tasks[0].attempt_count, 2);
	assert_string_equal(view->tasks[0].attempts[0].outcome, "failed");
	froe_run_view_free(view);
	froe_client_close(client);
	worker_close(&worker);
}

static size_t
count_listed(struct froe_client *client, const char *workflow, uint32_t statuses)
{
	struct froe_error error;
	struct froe_run_page *page;
	struct froe_list_options options = {.workflow = workflow, .statuses = statuses};
	CALL(froe_run_list(client, &options, 30000, &page, &error), error);
	size_t count = page->row_count;
	froe_run_page_free(page);
	return count;
}

static void
test_replay__lists_follow(void **state)
{
	struct counter counter = {.failures = 1};
	struct froe_task_def task = {.name = "only", .handler = count, .context = &counter};
	struct froe_workflow workflow = {.name = "listed", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "listed", NULL);
	froe_event_free(await_run(client, run));
	assert_int_equal(count_listed(client, "listed", 1u << FROE_RUN_FAILED), 1);
	worker_close(&worker);
	replay(client, run, NULL, NULL);
	assert_int_equal(count_listed(client, "listed", 1u << FROE_RUN_FAILED), 0);
	assert_int_equal(count_listed(client, "listed", 1u << FROE_RUN_QUEUED), 1);
	worker_open(&worker, &server, NULL, &workflow, 1);
	froe_event_free(await_run(client, run));
	assert_int_equal(count_listed(client, "listed", 1u << FROE_RUN_COMPLETED), 1);
	assert_int_equal(count_listed(client, "listed", 0), 1);
	froe_client_close(client);
	worker_close(&worker);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_replay__same_and_edited),
	    cmocka_unit_test(test_replay__killed_in_the_middle),
	    cmocka_unit_test(test_replay__lists_follow),
	};
	return cmocka_run_group_tests_name("system replay", tests, setup, teardown);
}
