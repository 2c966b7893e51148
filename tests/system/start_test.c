/*
 * Triggers over the real binary, which is killed in the middle: children, many at once, keys, runs
 * at a time, cancels with all descendants.
 */
#include "system/system.h"

#include "system/echo.h"

#include <spawn.h>

#define CHILDREN 40

extern char **environ;

/* A worker of both workflows. */
static void
workers_open(struct worker *worker, const struct server *server,
    const struct froe_workflow *workflow, uint32_t slots)
{
	struct froe_error error;
	struct froe_worker_options options = {.name = "tester", .slots = slots};
	worker->client = client_open(server, NULL);
	CALL(froe_worker_open(worker->client, &options, &worker->worker, &error), error);
	CALL(froe_worker_workflow(worker->worker, workflow, &error), error);
	CALL(froe_worker_workflow(worker->worker, &echoes, &error), error);
	CALL(froe_worker_start(worker->worker, 30000, &error), error);
}

/* Until the counter has come so far. */
static void
reach(atomic_int *counter, int least)
{
	uint64_t by_ms = now_ms() + 20000;
	while (atomic_load(counter) < least && now_ms() < by_ms)
		sleep_ms(2);
	assert_true(atomic_load(counter) >= least);
}

/* ----------------------------------------------------------------------------------- children */

struct family {
	atomic_int spawned;
	atomic_int repeated;
};

/* Starts children one by one, slowly, and again from the first in each attempt. */
static enum froe_err
parent(struct froe_task *task, void *context)
{
	struct family *family = context;
	struct froe_started children[CHILDREN];
	struct froe_event *end;
	unsigned sum = 0;
	char text[32];
	for (unsigned i = 0; i < CHILDREN; i++) {
		int size = snprintf(text, sizeof(text), "%u", i);
		struct froe_run_options options = {.workflow = "echo",
		    .input = {text, (size_t)size}};
		if (froe_task_spawn(task, &options, NULL, 20000, &children[i], NULL) != FROE_OK)
			return FROE_UNAVAILABLE;
		atomic_fetch_add(&family->spawned, 1);
		atomic_fetch_add(&family->repeated, children[i].created ? 0 : 1);
		if (i == CHILDREN / 2 && froe_task_attempt(task) == 1)
			return FROE_TASK_FAILED;
		sleep_ms(5);
	}
	for (unsigned i = 0; i < CHILDREN; i++) {
		if (froe_child_await(task, children[i].run, 20000, &end, NULL) != FROE_OK)
			return FROE_UNAVAILABLE;
		sum += (unsigned)strtoul((const char *)end->result.data, NULL, 10);
		froe_event_free(end);
	}
	int size = snprintf(text, sizeof(text), "%u", sum);
	return froe_task_output(task, text, (size_t)size, NULL);
}

static size_t
count_runs(struct froe_client *client, const char *workflow)
{
	struct froe_list_options options = {.workflow = workflow, .limit = 1000};
	struct froe_run_page *page;
	struct froe_error error;
	assert_int_equal(froe_run_list(client, &options, 20000, &page, &error), FROE_OK);
	size_t count = page->row_count;
	froe_run_page_free(page);
	return count;
}

/* Killed while a parent starts its children: each of them exists once, and they add up. */
static void
test_start__children_across_kill(void **state)
{
	struct server server;
	struct worker worker;
	struct family family = {0};
	struct froe_pair pair = {.key = "who", .value = "me"};
	struct froe_task_def task = {.name = "p", .retries = 3, .handler = parent,
	    .context = &family};
	struct froe_workflow workflow = {.name = "parent", .tasks = &task, .task_count = 1};
	struct froe_run_options options = {.workflow = "parent", .metadata = &pair,
	    .metadata_count = 1};
	struct froe_started started;
	struct froe_error error;
	(void)state;
	server_init(&server);
	server_start(&server);
	workers_open(&worker, &server, &workflow, 4);
	struct froe_client *client = client_open(&server, NULL);
	assert_int_equal(froe_run_start(client, &options, 20000, &started, &error), FROE_OK);
	reach(&family.spawned, CHILDREN / 4);
	server_restart(&server);
	expect_result(client, started.run, "780"); /* 0 + 1 + ... + 39 */
	assert_true(atomic_load(&family.repeated) > CHILDREN / 2);
	assert_int_equal(count_runs(client, "echo"), CHILDREN);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

static enum froe_err
hold(struct froe_task *task, void *context)
{
	struct froe_run_options options = {.workflow = "hold"};
	atomic_int *depth = context;
	if (atomic_fetch_add(depth, 1) < 4)
		froe_task_spawn(task, &options, "next", 20000, NULL, NULL);
	froe_task_wait(task, 60000);
	return FROE_CANCELLED;
}

/* A chain of runs, each the child of the one before: cancelled at its head, gone to its end. */
static void
test_start__cancel_with_children(void **state)
{
	struct server server;
	struct worker worker;
	atomic_int depth = 0;
	struct froe_task_def task = {.name = "h", .handler = hold, .context = &depth};
	struct froe_workflow workflow = {.name = "hold", .tasks = &task, .task_count = 1};
	struct froe_error error;
	struct froe_list_options open = {
	    .statuses = 1u << FROE_RUN_QUEUED | 1u << FROE_RUN_RUNNING};
	struct froe_run_page *page;
	size_t left = 1;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &workflow, 8);
	struct froe_client *client = client_open(&server, NULL);
	struct froe_id head = start_run(client, "hold", NULL);
	reach(&depth, 5);
	struct froe_run_view *view = get_run(client, head);
	assert_int_equal(view->child_count, 1);
	assert_string_equal(view->children[0].key, "next");
	struct froe_id child = view->children[0].run;
	froe_run_view_free(view);
	view = get_run(client, child);
	assert_memory_equal(view->parent.bytes, head.bytes, 14);
	froe_run_view_free(view);
	assert_int_equal(
	    froe_run_cancel_all(client, head, "enough", 20000, &error), FROE_OK);
	server_restart(&server); /* whatever was left of it goes on */
	for (uint64_t by_ms = now_ms() + 20000; left > 0 && now_ms() < by_ms;) {
		assert_int_equal(froe_run_list(client, &open, 20000, &page, &error), FROE_OK);
		left = page->row_count;
		froe_run_page_free(page);
		sleep_ms(10);
	}
	assert_int_equal(left, 0);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

/* ----------------------------------------------------------------------- keys, many, schedules */

static void
test_start__key_across_kill(void **state)
{
	struct server server;
	struct froe_run_options options = {.workflow = "echo", .key = "order 7"};
	struct froe_started first, second;
	struct froe_error error;
	struct worker worker;
	struct froe_event *end;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	struct froe_client *client = client_open(&server, NULL);
	assert_int_equal(froe_run_start(client, &options, 20000, &first, &error), FROE_OK);
	assert_true(first.created);
	end = await_run(client, first.run);
	froe_event_free(end);
	server_restart(&server);
	assert_int_equal(froe_run_start(client, &options, 20000, &second, &error), FROE_OK);
	assert_false(second.created);
	assert_memory_equal(second.run.bytes, first.run.bytes, 16);
	assert_int_equal(second.status, FROE_RUN_COMPLETED);
	assert_int_equal(second.number, first.number);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

static void
test_start__many(void **state)
{
	static struct froe_run_options options[FROE_BULK_RUNS_MAX];
	static struct froe_started started[FROE_BULK_RUNS_MAX];
	struct server server;
	struct worker worker;
	struct froe_error error;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	struct froe_client *client = client_open(&server, NULL);
	for (size_t i = 0; i < FROE_BULK_RUNS_MAX; i++)
		options[i] = (struct froe_run_options){.workflow = "echo", .input = {"[3]", 3}};
	options[17].workflow = "nowhere";
	options[18].priority = 9;
	assert_int_equal(froe_run_start_many(
	                     client, options, FROE_BULK_RUNS_MAX, 20000, started, &error),
	    FROE_INVALID_ARGUMENT);
	assert_string_equal(error.field, "runs[18].priority");
	options[18].priority = 0;
	assert_int_equal(froe_run_start_many(
	                     client, options, FROE_BULK_RUNS_MAX, 20000, started, &error),
	    FROE_NOT_FOUND);
	assert_string_equal(error.field, "runs[17].workflow");
	options[17].workflow = "echo";
	assert_int_equal(count_runs(client, "echo"), 0);
	assert_int_equal(froe_run_start_many(
	                     client, options, FROE_BULK_RUNS_MAX, 20000, started, &error),
	    FROE_OK);
	server_restart(&server);
	for (size_t i = 0; i < FROE_BULK_RUNS_MAX; i += 333)
		expect_result(client, started[i].run, "[3]");
	assert_int_equal(count_runs(client, "echo"), FROE_BULK_RUNS_MAX);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

/* One whose time comes while the server is down begins at its start, late; one that is still to
 * come begins on time, on the version that was put meanwhile. */
static void
test_start__scheduled_across_kill(void **state)
{
	static const struct froe_task_def two[] = {
	    {.name = "only", .handler = echo}, {.name = "other", .handler = echo}};
	static const struct froe_workflow second = {.name = "echo", .tasks = two, .task_count = 2};
	struct server server;
	struct worker worker;
	struct froe_run_options options = {.workflow = "echo", .input = {"[5]", 3}};
	struct froe_started missed, later;
	struct froe_error error;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	worker_close(&worker);
	struct froe_client *client = client_open(&server, NULL);
	options.delay_ms = 100;
	assert_int_equal(froe_run_start(client, &options, 20000, &missed, &error), FROE_OK);
	options.delay_ms = 2500;
	assert_int_equal(froe_run_start(client, &options, 20000, &later, &error), FROE_OK);
	struct froe_run_view *view = get_run(client, later.run);
	assert_int_equal(view->task_count, 0);
	assert_true(view->start_ns > view->created_ns);
	uint64_t start_ns = view->start_ns;
	froe_run_view_free(view);
	server_end(&server, SIGKILL);
	sleep_ms(200);
	server_start(&server);
	worker_open(&worker, &server, NULL, &second, 1);
	expect_result(client, missed.run, "[5]");
	view = get_run(client, missed.run);
	assert_true(view->late);
	froe_run_view_free(view);
	expect_result(client, later.run, "{\"only\":[5],\"other\":[5]}");
	view = get_run(client, later.run);
	assert_false(view->late);
	assert_int_equal(view->version, 2);
	assert_true(view->started_ns >= start_ns);
	froe_run_view_free(view);
	worker_close(&worker);
	froe_client_close(client);
	server_release(&server);
}

/* ----------------------------------------------------------------------------- the command line */

static int
command(const struct server *server, const char *line)
{
	char text[1024];
	pid_t pid;
	int status = -1;
	snprintf(text, sizeof(text), "FROE_ADDRESS=%s; export FROE_ADDRESS; "
	    "froe() { '%s' \"$@\"; }; %s", server->address, server_binary(), line);
	char *argv[] = {"sh", "-c", text, NULL};
	assert_int_equal(posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_start__command_line(void **state)
{
	struct server server;
	struct worker worker;
	(void)state;
	server_init(&server);
	server_start(&server);
	worker_open(&worker, &server, NULL, &echoes, 1);
	assert_int_equal(command(&server, "test \"$(froe run echo --key k)\" = "
	                                  "\"$(froe run echo --key k 2>/dev/null)\""), 0);
	assert_int_equal(command(&server, "test \"$(printf '1\\n\\n[2]\\n3' | "
	                                  "froe run echo --bulk - | wc -l)\" -eq 3"), 0);
	assert_int_equal(command(&server, "printf '1\\n{' | froe run echo --bulk - 2>&1 | "
	                                  "grep -q 'line 2 is not JSON; 0 runs'"), 0);
	assert_int_equal(command(&server, "froe run echo --bulk - --wait 2>/dev/null"), 2);
	assert_int_equal(command(&server, "froe run echo --key-ttl 5s 2>/dev/null"), 2);
	assert_int_equal(command(&server, "froe run echo --at tomorrow 2>/dev/null"), 2);
	assert_int_equal(command(&server, "test \"$(froe run echo --in 200ms --wait --input 7 | "
	                                  "tail -1)\" = 7"), 0);
	assert_int_equal(command(&server, "id=$(froe run echo --in 1h --metadata a=b) && "
	                                  "froe runs get $id | grep -q 'scheduled for' && "
	                                  "froe runs get $id | grep -q 'metadata: a=b' && "
	                                  "froe runs cancel --children $id && "
	                                  "froe runs get $id | grep -q CANCELLED"), 0);
	worker_close(&worker);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_start__children_across_kill),
	    cmocka_unit_test(test_start__cancel_with_children),
	    cmocka_unit_test(test_start__key_across_kill),
	    cmocka_unit_test(test_start__many),
	    cmocka_unit_test(test_start__scheduled_across_kill),
	    cmocka_unit_test(test_start__command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
