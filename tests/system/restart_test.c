/*
 * What a server, killed and started again, still knows; what it refuses.
 */
#include "system/system.h"

#include "system/echo.h"

static void
test_restart__runs_are_kept(void **state)
{
	struct server server;
	struct worker worker;
	struct froe_id done, waiting;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	done = start_run(worker.client, "echo", "[1]");
	expect_result(worker.client, done, "[1]");
	worker_close(&worker);
	struct froe_client *client = client_open(&server, NULL);
	waiting = start_run(client, "echo", "[2]");
	server_restart(&server);
	struct froe_run_view *view = get_run(client, done); /* reconnects by itself */
	assert_int_equal(view->status, FROE_RUN_COMPLETED);
	assert_memory_equal(view->tasks[0].output.data, "[1]", 3);
	froe_run_view_free(view);
	expect_result(client, done, "[1]"); /* a watch on a run that has closed */
	worker_open(&worker, &server, NULL, &echoes, 1);
	expect_result(client, waiting, "[2]");
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

struct gate {
	atomic_int started;
	atomic_int open;
};

static enum froe_err
through_gate(struct froe_task *task, void *context)
{
	struct gate *gate = context;
	atomic_fetch_add(&gate->started, 1);
	while (!atomic_load(&gate->open))
		sleep_ms(5);
	return froe_task_output(task, "true", 4, NULL);
}

/* The worker holds its lease across the restart; its result, finished meanwhile, is taken. */
static void
test_restart__leases_are_kept(void **state)
{
	struct server server;
	struct worker worker;
	struct gate gate = {0};
	struct froe_task_def task = {.name = "gate", .handler = through_gate, .context = &gate};
	struct froe_workflow workflow = {.name = "gate", .tasks = &task, .task_count = 1};
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id run = start_run(client, "gate", NULL);
	while (atomic_load(&gate.started) == 0)
		sleep_ms(5);
	server_end(&server, SIGKILL);
	atomic_store(&gate.open, 1);
	sleep_ms(50);
	server_start(&server);
	expect_result(client, run, "true");
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->tasks[0].attempt_count, 1);
	froe_run_view_free(view);
	assert_int_equal(atomic_load(&gate.started), 1);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

struct flaky {
	atomic_int calls;
};

static enum froe_err
fail_once(struct froe_task *task, void *context)
{
	struct flaky *plan = context;
	struct froe_bytes input = froe_task_input(task);
	if (atomic_fetch_add(&plan->calls, 1) == 0)
		return FROE_TASK_FAILED;
	return froe_task_output(task, input.data, input.size, NULL);
}

/* Nothing is cached: each dispatch and each result reads its payload back from the log. */
static void
test_restart__payload_that_left_memory(void **state)
{
	struct server server;
	struct worker worker;
	struct flaky plan = {0};
	struct froe_task_def tasks[] = {
	    {.name = "first", .handler = fail_once, .context = &plan, .retries = 1,
	        .backoff = {.kind = FROE_BACKOFF_CONSTANT, .initial_ms = 50}},
	    {.name = "then", .handler = echo, .parents = (const char *const[]){"first", NULL}},
	};
	struct froe_workflow workflow = {.name = "cold", .tasks = tasks, .task_count = 2};
	(void)state;
	server_init(&server);
	server.extra[0] = "--cache-bytes";
	server.extra[1] = "0";
	server_start(&server);
	worker_open(&worker, &server, NULL, &workflow, 1);
	struct froe_id run = start_run(worker.client, "cold", "{\"cold\":true}");
	expect_result(worker.client, run, "{\"then\":{\"cold\":true}}");
	assert_true(server_metric(&server, "froe_payload_loads_total") >= 4);
	struct froe_run_view *view = get_run(worker.client, run);
	assert_int_equal(view->tasks[0].attempt_count, 2);
	assert_int_equal(view->tasks[0].output.size, strlen("{\"cold\":true}"));
	froe_run_view_free(view);
	worker_close(&worker);
	server_release(&server);
}

static void
test_restart__second_server_is_refused(void **state)
{
	struct server server, second;
	int status = 0;
	(void)state;
	server_init(&server);
	server_start(&server);
	second = server;
	second.port = 0;
	uint64_t start = now_ms();
	assert_false(server_try_start(&second, &status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 76);
	assert_true(now_ms() - start < 5000);
	server_release(&server);
}

static void
test_restart__index_is_rebuilt(void **state)
{
	struct server server;
	struct worker worker;
	struct froe_error error;
	struct froe_id run = {{0}};
	char index[300];
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 4);
	for (int i = 0; i < 20; i++) {
		run = start_run(worker.client, "echo", "[3]");
		expect_result(worker.client, run, "[3]");
	}
	worker_close(&worker);
	assert_int_equal(WEXITSTATUS(server_end(&server, SIGTERM)), 0);
	snprintf(index, sizeof(index), "%s/index", server.dir);
	remove_tree(index);
	server_start(&server);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_run_page *page;
	CALL(froe_run_list(client, &(struct froe_list_options){.limit = 100}, 30000, &page, &error),
	    error);
	assert_int_equal(page->row_count, 20);
	for (size_t i = 0; i < page->row_count; i++)
		assert_int_equal(page->rows[i].status, FROE_RUN_COMPLETED);
	froe_run_page_free(page);
	expect_result(client, run, "[3]");
	froe_client_close(client);
	server_release(&server);
}

/* A worker that is killed: its task goes to another one after the grace, once. */
static void
test_restart__worker_killed(void **state)
{
	struct server server;
	struct worker worker;
	struct gate shut = {0}, open = {.open = 1};
	struct froe_task_def task = {.name = "gate", .handler = through_gate, .context = &shut};
	struct froe_workflow workflow = {.name = "gate", .tasks = &task, .task_count = 1};
	int fds[2];
	char byte;
	(void)state;
	server_init(&server);
	server.extra[0] = "--reconnect-grace";
	server.extra[1] = "200ms";
	server_start(&server);
	assert_int_equal(pipe(fds), 0);
	pid_t child = fork();
	if (child == 0) {
		worker_open(&worker, &server, NULL, &workflow, 1);
		while (atomic_load(&shut.started) == 0)
			sleep_ms(5);
		assert_int_equal(write(fds[1], "x", 1), 1);
		pause();
		_exit(0);
	}
	struct froe_client *client = client_open(&server, NULL);
	struct froe_error error;
	CALL(froe_workflow_put(client, &workflow, 30000, NULL, &error), error);
	struct froe_id run = start_run(client, "gate", NULL);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	task.context = &open;
	worker_open(&worker, &server, NULL, &workflow, 1);
	expect_result(client, run, "true");
	struct froe_run_view *view = get_run(client, run);
	assert_int_equal(view->tasks[0].attempt_count, 2);
	assert_string_equal(view->tasks[0].attempts[0].outcome, "lost");
	froe_run_view_free(view);
	close(fds[0]);
	close(fds[1]);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

static void
test_restart__damage_is_refused(void **state)
{
	struct server server;
	struct worker worker;
	char path[512];
	int status = 0, fd;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	for (int i = 0; i < 10; i++)
		expect_result(worker.client, start_run(worker.client, "echo", "[4]"), "[4]");
	worker_close(&worker);
	assert_int_equal(WEXITSTATUS(server_end(&server, SIGTERM)), 0);
	snprintf(path, sizeof(path), "%s/shard-0000/log/0000000000000001.seg", server.dir);
	fd = open(path, O_RDWR);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, "rot", 3, 4 * 4096 + 2000), 3);
	close(fd);
	assert_false(server_try_start(&server, &status));
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 65);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_restart__runs_are_kept),
	    cmocka_unit_test(test_restart__leases_are_kept),
	    cmocka_unit_test(test_restart__payload_that_left_memory),
	    cmocka_unit_test(test_restart__second_server_is_refused),
	    cmocka_unit_test(test_restart__index_is_rebuilt),
	    cmocka_unit_test(test_restart__worker_killed),
	    cmocka_unit_test(test_restart__damage_is_refused),
	};
	return cmocka_run_group_tests_name("system restart", tests, NULL, NULL);
}
