/*
 * A server that takes so many open runs and no more, and what libfroe's callers are told.
 */
#include "system/system.h"

static struct server server;

static void
test_quota__open_runs(void **state)
{
	struct froe_task_def task = {.name = "only", .handler = NULL};
	struct froe_workflow workflow = {.name = "waits", .tasks = &task, .task_count = 1};
	struct froe_run_options options = {.workflow = "waits"};
	struct froe_started started, first;
	struct froe_error error;
	(void)state;
	struct froe_client *client = client_open(&server, NULL);
	assert_int_equal(froe_workflow_put(client, &workflow, -1, NULL, &error), FROE_OK);
	assert_int_equal(froe_run_start(client, &options, -1, &first, &error), FROE_OK);
	assert_int_equal(froe_run_start(client, &options, -1, &started, &error), FROE_OK);
	assert_int_equal(
	    froe_run_start(client, &options, -1, &started, &error), FROE_RESOURCE_EXHAUSTED);
	assert_non_null(strstr(error.text, "2 open runs"));
	assert_non_null(strstr(error.text, "--open-runs"));
	assert_int_equal(froe_run_cancel(client, first.run, NULL, -1, &error), FROE_OK);
	assert_int_equal(froe_run_start(client, &options, -1, &started, &error), FROE_OK);
	froe_client_close(client);
	server_restart(&server); /* those that are there count from the start */
	client = client_open(&server, NULL);
	assert_int_equal(
	    froe_run_start(client, &options, -1, &started, &error), FROE_RESOURCE_EXHAUSTED);
	froe_client_close(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_quota__open_runs),
	};
	server_init(&server);
	server.extra[0] = "--open-runs";
	server.extra[1] = "2";
	server_start(&server);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	server_release(&server);
	return failed;
}
