/*
 * tests/soak/worker: a worker process that tells the driver, through a pipe, what it does.
 *
 *     worker ADDRESS FD ID SLOTS
 *
 * Serves all workflows of the test until SIGTERM or the death of its parent. Of tasks that are not
 * durable it writes a line of crash/ledger.h when an execution begins, before it does anything
 * else; of every task, when the server has acknowledged or refused an end.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "soak/plan.h"

#include <signal.h>
#include <sys/prctl.h>

#define CALL_MS 60000

static volatile sig_atomic_t worker_stop;

static void
on_stop(int number)
{
	(void)number;
	worker_stop = 1;
}

static void
pause_ms(uint64_t ms)
{
	struct timespec span = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000};

	nanosleep(&span, NULL);
}

static enum froe_err
bad(struct froe_task *task, const char *what)
{
	froe_task_error(task, "%s: not what was sent", what);
	froe_task_fatal(task);
	return FROE_INVALID_ARGUMENT;
}

static enum froe_err
put_value(struct froe_task *task, uint64_t value)
{
	char output[LEDGER_OUTPUT_BYTES];
	struct ledger_output made =
	    {.value = value, .attempt = froe_task_attempt(task), .pid = (int)getpid()};
	int size = ledger_output_print(output, made);

	return froe_task_output(task, output, (size_t)size, NULL);
}

static enum froe_err
execute(struct froe_task *task, int ledger, struct ledger_input input, unsigned index,
    uint64_t value)
{
	struct froe_id id = froe_task_id(task);
	bool fails = (input.flaky >> index & 1) != 0 && froe_task_retries(task) == 0;

	ledger_write(ledger, 'E', &id, froe_task_attempt(task), fails ? 'f' : 'c');
	pause_ms(input.take_ms);
	if (!fails)
		return put_value(task, value);
	froe_task_error(task, "flaky: the first attempt fails");
	return FROE_TASK_FAILED;
}

static enum froe_err
handle_single(struct froe_task *task, void *context)
{
	struct ledger_input input;

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad(task, "input");
	return execute(task, *(int *)context, input, LEDGER_ONLY, ledger_single_value(input.n));
}

static bool
read_parent(struct froe_task *task, const char *name, uint64_t *ret_value)
{
	struct froe_bytes json;
	struct ledger_output output;

	if (froe_task_parent(task, name, &json, NULL) != FROE_OK ||
	    !ledger_output_read(json, &output))
		return false;
	*ret_value = output.value;
	return true;
}

static enum froe_err
handle_dag(struct froe_task *task, void *context)
{
	struct ledger_input input;
	uint64_t x = 0, y = 0;
	char which = froe_task_name(task)[0];

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad(task, "input");
	if (which == 'a')
		return execute(task, *(int *)context, input, LEDGER_A, input.n + 1);
	if (!read_parent(task, which == 'd' ? "b" : "a", &x) ||
	    (which == 'd' && !read_parent(task, "c", &y)))
		return bad(task, "a parent's output");
	if (which == 'd')
		return execute(task, *(int *)context, input, LEDGER_D, x + y);
	return execute(task, *(int *)context, input, which == 'b' ? LEDGER_B : LEDGER_C,
	    which == 'b' ? 2 * x : 3 * x);
}

static enum froe_err
handle_fail(struct froe_task *task, void *context)
{
	(void)context;
	froe_task_error(task, "it always fails");
	return FROE_TASK_FAILED;
}

static enum froe_err
handle_slow(struct froe_task *task, void *context)
{
	(void)context;
	froe_task_wait(task, SOAK_SLOW_MS);
	return FROE_OK;
}

static enum froe_err
handle_quick(struct froe_task *task, void *context)
{
	(void)task;
	(void)context;
	return FROE_OK;
}

static enum froe_err
handle_stream(struct froe_task *task, void *context)
{
	struct ledger_input input;
	char chunk[96];

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad(task, "input");
	for (unsigned i = 0; i < SOAK_CHUNKS; i++) {
		int size = soak_chunk_print(
		    chunk, sizeof(chunk), input.n, froe_task_attempt(task), i);

		if (froe_task_stream(task, chunk, (size_t)size, NULL) != FROE_OK)
			return FROE_TASK_FAILED;
	}
	return execute(task, *(int *)context, input, LEDGER_ONLY, soak_stream_value(input.n));
}

/* Its first attempt says who it was; every later one must be told the same. */
static enum froe_err
take_memo(struct froe_task *task)
{
	char value[32];
	struct froe_bytes kept;
	enum froe_err err = froe_task_memo_get(task, "first", &kept, NULL);

	if (err != FROE_NOT_FOUND)
		return err;
	snprintf(value, sizeof(value), "%d", (int)getpid());
	return froe_task_memo_put(task, "first", value, strlen(value), &kept, NULL);
}

static enum froe_err
take_child(struct froe_task *task, struct ledger_input input, struct ledger_output *ret_output)
{
	char text[LEDGER_OUTPUT_BYTES];
	struct ledger_input of_child = {.n = input.n, .flaky = input.flaky};
	int size = ledger_input_print(text, sizeof(text), of_child);
	struct froe_run_options options =
	    {.workflow = SOAK_SINGLE, .input = {text, (size_t)size}};
	struct froe_child_result result;
	enum froe_err err = froe_task_child(task, &options, &result, NULL);

	if (err != FROE_OK)
		return err;
	if (result.status != FROE_RUN_COMPLETED || !ledger_output_read(result.output, ret_output))
		return bad(task, "the child's result");
	return FROE_OK;
}

static enum froe_err
handle_durable(struct froe_task *task, void *context)
{
	const struct froe_condition tick[] = {
	    {.kind = FROE_ON_EVENT, .name = SOAK_EVENT},
	    {.kind = FROE_ON_SLEEP, .sleep_ms = SOAK_EVENT_WAIT_MS},
	};
	struct ledger_input input;
	struct ledger_output child = {0};
	struct froe_durable_result result;
	enum froe_err err;

	(void)context;
	if (!ledger_input_read(froe_task_input(task), &input))
		return bad(task, "input");
	err = take_memo(task);
	if (err == FROE_OK)
		err = froe_task_sleep(task, input.take_ms, NULL);
	if (err == FROE_OK)
		err = take_child(task, input, &child);
	if (err == FROE_OK)
		err = froe_task_await(task, tick, 2, &result, NULL);
	return err == FROE_OK ? put_value(task, child.value + input.n) : err;
}

static void
on_result(void *context, struct froe_id task, uint32_t attempt, enum froe_err err)
{
	ledger_write(*(int *)context, err == FROE_OK ? 'A' : 'L', &task, attempt, '-');
}

static enum froe_err
add(struct froe_worker *worker, const char *name, struct froe_task_def *tasks, size_t count,
    int *ledger, struct froe_error *error)
{
	const struct froe_backoff backoff = {.kind = FROE_BACKOFF_CONSTANT, .initial_ms = 5};
	struct froe_workflow workflow = {.name = name, .tasks = tasks, .task_count = count};

	for (size_t i = 0; i < count; i++) {
		tasks[i].backoff = backoff;
		tasks[i].context = ledger;
		if (tasks[i].retries == 0)
			tasks[i].retries = 3;
	}
	return froe_worker_workflow(worker, &workflow, error);
}

static enum froe_err
add_workflows(struct froe_worker *worker, int *ledger, struct froe_error *error)
{
	static const char *const from_a[] = {"a", NULL};
	static const char *const from_b_c[] = {"b", "c", NULL};
	struct froe_task_def dag[] = {
	    {.name = "a", .handler = handle_dag},
	    {.name = "b", .handler = handle_dag, .parents = from_a},
	    {.name = "c", .handler = handle_dag, .parents = from_a},
	    {.name = "d", .handler = handle_dag, .parents = from_b_c},
	};
	struct {
		const char *workflow;
		struct froe_task_def task;
	} singles[] = {
	    {SOAK_SINGLE, {.name = "only", .handler = handle_single}},
	    {SOAK_FAIL, {.name = "only", .handler = handle_fail, .retries = 1}},
	    {SOAK_SLOW, {.name = "only", .handler = handle_slow}},
	    {SOAK_QUICK, {.name = "only", .handler = handle_quick}},
	    {SOAK_STREAM, {.name = "only", .handler = handle_stream}},
	    {SOAK_DURABLE, {.name = "only", .handler = handle_durable, .durable = true}},
	};
	enum froe_err err = add(worker, SOAK_DAG, dag, 4, ledger, error);

	for (size_t i = 0; i < sizeof(singles) / sizeof(singles[0]) && err == FROE_OK; i++)
		err = add(worker, singles[i].workflow, &singles[i].task, 1, ledger, error);
	return err;
}

static enum froe_err
serve(char **argv, int *ledger, struct froe_error *error)
{
	struct froe_client_options client_options = {.address = argv[1], .open_ms = UINT32_MAX};
	struct froe_worker_options options = {
	    .name = "soak",
	    .on_result = on_result,
	    .context = ledger,
	    .slots = (uint32_t)strtoul(argv[4], NULL, 10),
	    .evict_after_ms = 20,
	};
	struct froe_client *client;
	struct froe_worker *worker;
	enum froe_err err;

	if (!froe_id_parse(argv[3], &options.id))
		return FROE_INVALID_ARGUMENT;
	err = froe_client_open(&client_options, &client, error);
	if (err != FROE_OK)
		return err;
	err = froe_worker_open(client, &options, &worker, error);
	if (err == FROE_OK)
		err = add_workflows(worker, ledger, error);
	if (err == FROE_OK)
		err = froe_worker_start(worker, CALL_MS, error);
	if (err == FROE_OK)
		ledger_write(*ledger, 'C', NULL, 0, '-');
	while (err == FROE_OK && !worker_stop)
		pause_ms(20);
	if (err == FROE_OK)
		froe_worker_stop(worker, /* limit_ms = */ 1000);
	froe_worker_close(worker);
	froe_client_close(client);
	return err;
}

int
main(int argc, char **argv)
{
	struct froe_error error = {.text = "ID is not a UUID"};
	int ledger;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc != 5) {
		fprintf(stderr, "usage: worker ADDRESS FD ID SLOTS\n");
		return 2;
	}
	signal(SIGTERM, on_stop);
	ledger = (int)strtol(argv[2], NULL, 10);
	if (serve(argv, &ledger, &error) != FROE_OK) {
		fprintf(stderr, "worker: %s\n", error.text);
		return 1;
	}
	return 0;
}
