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

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_example__flaky),
	    cmocka_unit_test(test_example__order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
