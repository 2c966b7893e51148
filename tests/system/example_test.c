/*
 * The programs in examples/, as a newcomer runs them.
 */
#include "system/system.h"

static pid_t
example_start(const struct server *server, const char *name, const char *const *arguments)
{
	char path[512];
	const char *slash = strrchr(server_binary(), '/');
	const char *argv[8] = {path};
	int directory = slash != NULL ? (int)(slash - server_binary()) : 0;
	pid_t pid;

	snprintf(path, sizeof(path), "%.*s/examples/%s", directory, server_binary(), name);
	for (int i = 0; arguments[i] != NULL; i++)
		argv[i + 1] = arguments[i];
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("FROE_ADDRESS", server->address, 1);
		setenv("ORDER_STEP_MS", "10", 1);
		execv(path, (char **)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

static void
expect_success(pid_t pid)
{
	int status = 0;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void
test_example__flaky(void **state)
{
	static const char *const none[] = {NULL};
	struct server server;

	(void)state;
	server_init(&server);
	server_start(&server);
	expect_success(example_start(&server, "flaky", none));
	server_release(&server);
}

static void
test_example__shell(void **state)
{
	static const char *const none[] = {NULL};
	struct server server;
	struct froe_client *client;
	struct froe_run_page *page;
	struct froe_error error;
	struct froe_list_options options = {.workflow = "shell"};

	(void)state;
	server_init(&server);
	server_start(&server);
	expect_success(example_start(&server, "shell", none));
	client = client_open(&server, NULL);
	CALL(froe_run_list(client, &options, 20000, &page, &error), error);
	assert_int_equal(page->row_count, 1);
	expect_result(client, page->rows[0].run, "{\"report\":\"3 words, the longest is banana\"}");
	struct froe_run_view *view = get_run(client, page->rows[0].run);
	for (size_t i = 0; i < view->task_count; i++)
		assert_int_equal(view->tasks[i].attempt_count,
		    strcmp(view->tasks[i].name, "count") == 0 ? 2 : 1);
	froe_run_view_free(view);
	froe_run_page_free(page);
	froe_client_close(client);
	server_release(&server);
}

static void
test_example__fanout(void **state)
{
	static const char *const parts[] = {"20", NULL};
	struct server server;

	(void)state;
	server_init(&server);
	server_start(&server);
	expect_success(example_start(&server, "fanout", parts));
	server_release(&server);
}

/* The customer waits until the worker has registered the workflow: it tries again. */
static void
test_example__order(void **state)
{
	static const char *const worker_arguments[] = {"--slots", "4", NULL};
	static const char *const customer_arguments[] = {"--trigger", "5", NULL};
	struct server server;
	struct froe_client *client;
	struct froe_started started;
	struct froe_error error;
	struct froe_run_options options = {.workflow = "order"};
	uint64_t by_ms = now_ms() + 20000;
	enum froe_err err;
	pid_t worker;

	(void)state;
	server_init(&server);
	server_start(&server);
	worker = example_start(&server, "order", worker_arguments);
	client = client_open(&server, NULL);
	do {
		sleep_ms(10);
		err = froe_run_start(client, &options, 20000, &started, &error);
	} while (err == FROE_NOT_FOUND && now_ms() < by_ms);
	assert_int_equal(err, FROE_OK);
	froe_event_free(await_run(client, started.run));
	froe_client_close(client);
	expect_success(example_start(&server, "order", customer_arguments));
	kill(worker, SIGTERM);
	expect_success(worker);
	server_release(&server);
}

/* ---------------------------------------------------------------------------------- the agent */

struct agent {
	struct server server;
	struct froe_client *client;
	pid_t worker;
	char ledger[300];
};

static void
agent_begin(struct agent *agent)
{
	static const char *const none[] = {NULL};
	server_start(&agent->server);
	agent->worker = example_start(&agent->server, "agent", none);
}

/* kill -9 of both, then both begin again. */
static void
agent_kill(struct agent *agent)
{
	assert_int_equal(kill(agent->worker, SIGKILL), 0);
	assert_int_equal(waitpid(agent->worker, NULL, 0), agent->worker);
	server_end(&agent->server, SIGKILL);
	agent_begin(agent);
}

/* Until its newest node is this step, and waits. */
static uint64_t
agent_until(struct agent *agent, struct froe_id run, const char *label)
{
	uint64_t by_ms = now_ms() + 20000, approval = 0;
	for (bool waits = false; !waits; sleep_ms(10)) {
		struct froe_run_view *view = get_run(agent->client, run);
		const struct froe_task_view *task = &view->tasks[0];
		const struct froe_node_view *node =
		    task->node_count > 0 ? &task->nodes[task->node_count - 1] : NULL;
		waits = node != NULL && !node->done && strstr(node->label, label) != NULL;
		approval = node != NULL ? node->approval : 0;
		froe_run_view_free(view);
		assert_true(now_ms() < by_ms);
	}
	return approval;
}

static void
run_command(const struct agent *agent, const char *arguments)
{
	char command[512];
	snprintf(command, sizeof(command), "FROE_ADDRESS=%s %s %s >/dev/null",
	    agent->server.address, server_binary(), arguments);
	assert_int_equal(system(command), 0);
}

static int
ledger_count(const struct agent *agent, const char *word)
{
	char line[256];
	int count = 0;
	FILE *file = fopen(agent->ledger, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL)
		count += strstr(line, word) != NULL ? 1 : 0;
	fclose(file);
	return count;
}

/* It is killed together with its server at each of its steps, and does each of them once. */
static void
test_example__agent(void **state)
{
	struct agent agent = {0};
	struct froe_started started;
	struct froe_error error;
	struct froe_run_options options = {
	    .workflow = "agent", .input = {"{\"goal\":\"tea\"}", 14}};
	char command[64];
	enum froe_err err;
	(void)state;
	server_init(&agent.server);
	agent.server.extra[0] = "--reconnect-grace";
	agent.server.extra[1] = "200ms";
	snprintf(agent.ledger, sizeof(agent.ledger), "%s/ledger", agent.server.dir);
	setenv("AGENT_LEDGER", agent.ledger, 1);
	agent_begin(&agent);
	agent.client = client_open(&agent.server, NULL);
	do {
		sleep_ms(10);
		err = froe_run_start(agent.client, &options, 20000, &started, &error);
	} while (err == FROE_NOT_FOUND);
	assert_int_equal(err, FROE_OK);
	agent_until(&agent, started.run, "event go");
	agent_kill(&agent);
	run_command(&agent, "events push go '{\"by\":\"test\"}'");
	uint64_t approval = agent_until(&agent, started.run, "approval act");
	agent_kill(&agent);
	snprintf(command, sizeof(command), "approvals approve %llu --reason fine",
	    (unsigned long long)approval);
	run_command(&agent, command);
	agent_kill(&agent);
	expect_result(agent.client, started.run, "{\"acted\":true}");
	assert_int_equal(ledger_count(&agent, "plan"), 1);
	assert_true(ledger_count(&agent, "act") >= 1); /* killed between act and receipt: twice */
	struct froe_run_view *view = get_run(agent.client, started.run);
	assert_int_equal(view->tasks[0].node_count, 4);
	assert_string_equal(view->tasks[0].nodes[1].outcome, "event");
	assert_string_equal(view->tasks[0].nodes[2].outcome, "approved");
	assert_string_equal(view->tasks[0].nodes[2].reason, "fine");
	froe_run_view_free(view);
	froe_client_close(agent.client);
	kill(agent.worker, SIGTERM);
	expect_success(agent.worker);
	unsetenv("AGENT_LEDGER");
	server_release(&agent.server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_example__agent),
	    cmocka_unit_test(test_example__flaky),
	    cmocka_unit_test(test_example__shell),
	    cmocka_unit_test(test_example__fanout),
	    cmocka_unit_test(test_example__order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
