/*
 * Workers over the real binary: slots of types, slots given back, pauses, deliveries, why; with the
 * server and workers killed in the middle.
 */
#include "system.h"

#define LOST_MS 2000u

/* ---------------------------------------------------------------------------------- the command */

static pid_t
froe_begin(const struct server *server, int out_fd, const char *const *words)
{
	const char *argv[32] = {server_binary()};
	int count = 1;
	for (; *words != NULL; words++)
		argv[count++] = *words;
	argv[count] = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		setenv("FROE_ADDRESS", server->address, 1);
		if (out_fd >= 0)
			dup2(out_fd, 1);
		if (getenv("FROE_VERBOSE") == NULL && freopen("/dev/null", "w", stderr) == NULL)
			_exit(126);
		execv(argv[0], (char **)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

/* Runs a command to its end; what it prints in `to`; its exit status. */
static int
froe_run(const struct server *server, char *to, size_t size, const char *const *words)
{
	int fds[2], status;
	size_t have = 0;
	ssize_t got;
	assert_int_equal(pipe(fds), 0);
	pid_t pid = froe_begin(server, fds[1], words);
	close(fds[1]);
	while (have < size - 1 && (got = read(fds[0], to + have, size - 1 - have)) > 0)
		have += (size_t)got;
	to[have] = 0;
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define FROE(server, to, ...)                                                                      \
	froe_run(server, to, sizeof(to), (const char *const[]){__VA_ARGS__, NULL})

static void
expect_why(const struct server *server, struct froe_id run, const char *expected)
{
	char id[FROE_ID_TEXT_SIZE], text[4096];
	uint64_t until_ms = now_ms() + 10000;
	froe_id_format(run, id);
	do {
		assert_int_equal(FROE(server, text, "why", id), 0);
		if (strstr(text, expected) != NULL)
			return;
		sleep_ms(10);
	} while (now_ms() < until_ms);
	fail_msg("why says: %s", text);
}

static const char *
status_text(struct froe_client *client, struct froe_id run)
{
	struct froe_run_view *view = get_run(client, run);
	const char *name = froe_status_name(view->status);
	froe_run_view_free(view);
	return name;
}

/* Where workers live on while the server is killed: they may take their time to come back. */
static void
server_patient(struct server *server)
{
	server_init(server);
	server->extra[0] = "--reconnect-grace";
	server->extra[1] = "20s";
	server_start(server);
}

/* Where workers die. */
static void
server_quick(struct server *server)
{
	server_init(server);
	const char *const extra[] = {"--heartbeat", "200ms", "--heartbeat-lost", "2s",
	    "--reconnect-grace", "300ms"};
	for (size_t i = 0; i < sizeof(extra) / sizeof(extra[0]); i++)
		server->extra[i] = extra[i];
	server_start(server);
}

/* ------------------------------------------------------------------------------------- handlers */

struct gate {
	atomic_int begun;
	atomic_int most; /* at a time */
	atomic_int now;
	atomic_bool open;
	bool release; /* the slots are given back */
};

static enum froe_err
pass_gate(struct froe_task *task, void *context)
{
	struct gate *gate = context;
	struct froe_error error;
	atomic_fetch_add(&gate->begun, 1);
	int now = atomic_fetch_add(&gate->now, 1) + 1;
	if (now > atomic_load(&gate->most))
		atomic_store(&gate->most, now);
	if (gate->release && froe_task_release_slot(task, -1, &error) != FROE_OK)
		froe_task_error(task, "%s", error.text);
	while (!atomic_load(&gate->open) && !froe_task_wait(task, 5))
		;
	atomic_fetch_sub(&gate->now, 1);
	return froe_task_cancelled(task) ? FROE_CANCELLED : FROE_OK;
}

static void
await_begun(struct gate *gate, int count)
{
	uint64_t until_ms = now_ms() + 10000;
	while (atomic_load(&gate->begun) < count && now_ms() < until_ms)
		sleep_ms(5);
	assert_int_equal(atomic_load(&gate->begun), count);
}

static void
gate_worker(struct worker *worker, const struct server *server, const char *name,
    const struct froe_workflow *workflow, const struct froe_worker_options *more)
{
	struct froe_error error;
	struct froe_worker_options options = *more;
	options.name = name;
	worker->client = client_open(server, NULL);
	CALL(froe_worker_open(worker->client, &options, &worker->worker, &error), error);
	CALL(froe_worker_workflow(worker->worker, workflow, &error), error);
	CALL(froe_worker_start(worker->worker, 30000, &error), error);
}

/* ---------------------------------------------------------------------------------------- slots */

static void
test_workers__types_and_costs(void **state)
{
	struct server server;
	struct worker worker;
	struct gate gate = {0};
	const struct froe_slots two_gpus[] = {{"gpu", 2}, {"default", 1}}, four_gpus = {"gpu", 4};
	struct froe_task_def task = {.name = "t", .slots = two_gpus, .slot_count = 2,
	    .handler = pass_gate, .context = &gate};
	struct froe_workflow workflow = {.name = "gpus", .tasks = &task, .task_count = 1};
	struct froe_id runs[3];
	(void)state;
	server_patient(&server);
	gate_worker(&worker, &server, "gpu-1", &workflow,
	    &(struct froe_worker_options){
	        .slots = 8, .slot_types = &four_gpus, .slot_type_count = 1});
	for (int i = 0; i < 3; i++)
		runs[i] = start_run(worker.client, "gpus", NULL);
	await_begun(&gate, 2); /* two of two slots each */
	expect_why(
	    &server, runs[2], "kept free for it: 4 of its 4 slots of type gpu are in use still");
	server_restart(&server); /* the used slots are known again */
	sleep_ms(300);
	assert_int_equal(atomic_load(&gate.begun), 2);
	atomic_store(&gate.open, true);
	for (int i = 0; i < 3; i++)
		expect_result(worker.client, runs[i], "null");
	assert_int_equal(atomic_load(&gate.most), 2);
	worker_close(&worker);
	server_release(&server);
}

static void
test_workers__slots_given_back(void **state)
{
	struct server server;
	struct worker worker;
	struct gate gate = {.release = true};
	struct froe_task_def task = {.name = "t", .handler = pass_gate, .context = &gate};
	struct froe_workflow workflow = {.name = "wide", .tasks = &task, .task_count = 1};
	struct froe_id runs[5];
	char text[4096];
	(void)state;
	server_patient(&server);
	gate_worker(
	    &worker, &server, "narrow", &workflow, &(struct froe_worker_options){.slots = 1});
	for (int i = 0; i < 5; i++)
		runs[i] = start_run(worker.client, "wide", NULL);
	await_begun(&gate, 5); /* through one slot, all at a time */
	server_restart(&server);
	sleep_ms(300);
	assert_int_equal(FROE(&server, text, "workers", "get", "narrow"), 0);
	assert_non_null(strstr(text, "slots: default 0/1"));
	assert_non_null(strstr(text, "leases: 5, of which 5 gave their slots back"));
	atomic_store(&gate.open, true);
	for (int i = 0; i < 5; i++)
		expect_result(worker.client, runs[i], "null");
	assert_int_equal(atomic_load(&gate.begun), 5);
	worker_close(&worker);
	server_release(&server);
}

/* --------------------------------------------------------------------------------------- pauses */

static void
test_workers__paused_over_restarts(void **state)
{
	struct server server;
	struct worker worker;
	struct gate gate = {.open = true};
	struct froe_task_def task = {.name = "t", .handler = pass_gate, .context = &gate};
	struct froe_workflow workflow = {.name = "calm", .tasks = &task, .task_count = 1};
	char text[4096];
	(void)state;
	server_patient(&server);
	gate_worker(
	    &worker, &server, "calm-1", &workflow, &(struct froe_worker_options){.slots = 2});
	assert_int_equal(
	    FROE(&server, text, "workers", "pause", "calm-1", "--reason", "to look at it"), 0);
	struct froe_id run = start_run(worker.client, "calm", NULL);
	expect_why(&server, run, "1 paused");
	server_restart(&server);
	sleep_ms(500); /* the worker is back, and still paused */
	assert_string_equal(status_text(worker.client, run), "QUEUED");
	assert_int_equal(FROE(&server, text, "workers", "list", "--output", "json"), 0);
	assert_non_null(strstr(text, "\"state\":\"paused\""));
	assert_int_equal(FROE(&server, text, "workers", "pause", "nobody"), 1);
	assert_int_equal(FROE(&server, text, "workers", "list", "--output", "ids"), 0);
	text[strcspn(text, "\n")] = 0;
	assert_int_equal(strlen(text), FROE_ID_TEXT_SIZE - 1);
	char id[FROE_ID_TEXT_SIZE];
	memcpy(id, text, sizeof(id));
	assert_int_equal(FROE(&server, text, "workers", "resume", id), 0);
	expect_result(worker.client, run, "null");
	worker_close(&worker);
	server_release(&server);
}

/* ----------------------------------------------------------------------------------- deliveries */

static pid_t
exec_begin(const struct server *server, const char *delivery, const char *script)
{
	const char *const words[] = {"worker", "exec", "--workflow", "once", "--delivery", delivery,
	    "--", "/bin/sh", "-c", script, NULL};
	return froe_begin(server, -1, words);
}

static size_t
file_size(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 ? (size_t)status.st_size : 0;
}

static void
await_size(const char *path, size_t size)
{
	uint64_t until_ms = now_ms() + 20000;
	while (file_size(path) < size && now_ms() < until_ms)
		sleep_ms(10);
	assert_int_equal(file_size(path), size);
}

static struct froe_id
start_when_known(struct froe_client *client, const char *workflow)
{
	struct froe_started started;
	struct froe_error error;
	struct froe_run_options options = {.workflow = workflow};
	uint64_t until_ms = now_ms() + 10000;
	while (froe_run_start(client, &options, 30000, &started, &error) != FROE_OK) {
		assert_true(now_ms() < until_ms);
		sleep_ms(20);
	}
	return started.run;
}

static void
end_process(pid_t pid, int signal_number)
{
	int status;
	assert_int_equal(kill(pid, signal_number), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* Its worker is killed: the task has failed, though another worker is there. */
static void
test_workers__at_most_once(void **state)
{
	struct server server;
	char file[300], script[400];
	(void)state;
	server_quick(&server);
	snprintf(file, sizeof(file), "%s/begun", server.dir);
	snprintf(script, sizeof(script), "printf x >> %s; exec sleep 30", file);
	struct froe_client *client = client_open(&server, NULL);
	pid_t first = exec_begin(&server, "at_most_once", script);
	struct froe_id run = start_when_known(client, "once");
	await_size(file, 1);
	pid_t second = exec_begin(&server, "at_most_once", script);
	end_process(first, SIGKILL);
	struct froe_event *end = await_run(client, run);
	assert_int_equal(end->status, FROE_RUN_FAILED);
	froe_event_free(end);
	sleep_ms(200);
	assert_int_equal(file_size(file), 1);
	end_process(second, SIGTERM);
	froe_client_close(client);
	server_release(&server);
}

/* Its worker is killed, and so is the server while the task waits for the old lease to lapse: the
 * next attempt begins, and not before. */
static void
test_workers__exactly_once(void **state)
{
	struct server server;
	char file[300], script[500];
	(void)state;
	server_quick(&server);
	snprintf(file, sizeof(file), "%s/begun", server.dir);
	snprintf(script, sizeof(script),
	    "printf x >> %s; if [ $(wc -c < %s) -lt 2 ]; then exec sleep 30; fi", file, file);
	struct froe_client *client = client_open(&server, NULL);
	pid_t first = exec_begin(&server, "exactly_once", script);
	struct froe_id run = start_when_known(client, "once");
	await_size(file, 1);
	uint64_t killed_ms = now_ms();
	end_process(first, SIGKILL);
	pid_t second = exec_begin(&server, "exactly_once", script);
	expect_why(&server, run, "when its lease has surely lapsed");
	server_restart(&server);
	await_size(file, 2);
	assert_true(now_ms() - killed_ms >= LOST_MS - 250); /* a heartbeat before it was killed */
	expect_result(client, run, "null");
	expect_why(&server, run, "the run has completed");
	end_process(second, SIGTERM);
	froe_client_close(client);
	server_release(&server);
}

/* A handler that heeds nothing, and no server that would be heard: the process ends by itself. */
static enum froe_err
heed_nothing(struct froe_task *task, void *context)
{
	(void)task;
	(void)context;
	sleep_ms(60000);
	return FROE_OK;
}

static void
test_workers__exactly_once_ends_the_process(void **state)
{
	struct server server;
	int status, fds[2];
	char byte;
	(void)state;
	server_quick(&server);
	assert_int_equal(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct worker worker;
		struct froe_task_def task = {.name = "t", .delivery = FROE_EXACTLY_ONCE,
		    .handler = heed_nothing};
		struct froe_workflow workflow = {.name = "deaf", .tasks = &task, .task_count = 1};
		gate_worker(&worker, &server, "deaf", &workflow,
		    &(struct froe_worker_options){.slots = 1});
		start_run(worker.client, "deaf", NULL);
		while (froe_worker_held(worker.worker) == 0)
			sleep_ms(5);
		if (write(fds[1], "!", 1) != 1)
			_exit(1);
		sleep_ms(60000);
		_exit(0);
	}
	assert_int_equal(read(fds[0], &byte, 1), 1);
	sleep_ms(50);
	uint64_t stopped_ms = now_ms();
	server_end(&server, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 79);
	/* Long before the handler returns; how exactly, on a machine that is busy, is not asked. */
	assert_in_range(now_ms() - stopped_ms, LOST_MS - 500, LOST_MS * 3);
	close(fds[0]);
	close(fds[1]);
	server_release(&server);
}

/* ------------------------------------------------------------------------------------------ why */

static void
test_workers__why(void **state)
{
	struct server server;
	struct gate gate = {0};
	const char *const parents[] = {"first", NULL};
	const struct froe_slots many = {"default", 5};
	struct froe_task_def tasks[] = {{.name = "first", .handler = pass_gate, .context = &gate},
	    {.name = "second", .action = "elsewhere", .parents = parents},
	    {.name = "third", .action = "elsewhere"},
	    {.name = "large", .slots = &many, .slot_count = 1, .handler = pass_gate,
	        .context = &gate}};
	struct froe_workflow workflow = {.name = "puzzle", .tasks = tasks, .task_count = 4};
	struct worker worker;
	char id[FROE_ID_TEXT_SIZE], text[4096];
	(void)state;
	server_patient(&server);
	gate_worker(&worker, &server, "w", &workflow, &(struct froe_worker_options){.slots = 2});
	struct froe_id run = start_run(worker.client, "puzzle", NULL);
	await_begun(&gate, 1);
	expect_why(&server, run, "first: worker w is working on attempt 1\n");
	expect_why(&server, run, "second: it waits for 1 parent, such as first\n");
	expect_why(&server, run,
	    "third: no worker serves action elsewhere: start a worker that does\n");
	expect_why(&server, run, "large: it needs 5 slots of type default at a time, and no worker "
	    "that serves it has more than 2");
	froe_id_format(run, id);
	assert_int_equal(FROE(&server, text, "why", id, "--output", "json"), 0);
	assert_non_null(strstr(text, "\"reason\":\"too_large\""));
	assert_int_equal(FROE(&server, text, "runs", "cancel", id, "--reason", "enough"), 0);
	expect_why(&server, run, "the run was cancelled: enough");
	assert_int_equal(FROE(&server, text, "why", "00000000-0000-7000-8000-000000000400"), 1);
	atomic_store(&gate.open, true);
	worker_close(&worker);
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_workers__types_and_costs),
	    cmocka_unit_test(test_workers__slots_given_back),
	    cmocka_unit_test(test_workers__paused_over_restarts),
	    cmocka_unit_test(test_workers__at_most_once),
	    cmocka_unit_test(test_workers__exactly_once),
	    cmocka_unit_test(test_workers__exactly_once_ends_the_process),
	    cmocka_unit_test(test_workers__why),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
