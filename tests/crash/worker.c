/*
 * tests/crash/worker: a worker process that keeps the ledger.
 *
 *     worker ADDRESS LEDGER ID SLOTS
 *
 * Serves both workflows until SIGTERM or the death of its parent. Writes a line when an execution
 * begins (before it does anything else), when the server has acknowledged or refused its end, and
 * when the connection is there (again).
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "crash/ledger.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#define CALL_MS 60000
#define LOOK_NS (2 * LEDGER_NS_PER_MS)

static volatile sig_atomic_t worker_stop;

static void
on_stop(int number)
{
	(void)number;
	worker_stop = 1;
}

static void
pause_ns(uint64_t ns)
{
	struct timespec span = {.tv_sec = (time_t)(ns / (1000 * LEDGER_NS_PER_MS)),
	    .tv_nsec = (long)(ns % (1000 * LEDGER_NS_PER_MS))};

	nanosleep(&span, NULL);
}

static enum froe_err
bad_input(struct froe_task *task, const char *what)
{
	froe_task_error(task, "%s: not what was sent", what);
	froe_task_fatal(task);
	return FROE_INVALID_ARGUMENT;
}

/* Takes its time, then fails if it is to, else answers with the value. */
static enum froe_err
execute(struct froe_task *task, int ledger, struct ledger_input input, unsigned index,
    uint64_t value)
{
	char output[LEDGER_OUTPUT_BYTES];
	struct froe_id id = froe_task_id(task);
	struct ledger_output made =
	    {.value = value, .attempt = froe_task_attempt(task), .pid = (int)getpid()};
	bool fails = (input.flaky >> index & 1) != 0 && froe_task_retries(task) == 0;
	int size = ledger_output_print(output, made);

	ledger_write(ledger, 'E', &id, made.attempt, fails ? 'f' : 'c');
	pause_ns(input.take_ms * LEDGER_NS_PER_MS);
	if (fails) {
		froe_task_error(task, "flaky: the first attempt fails");
		return FROE_TASK_FAILED;
	}
	return froe_task_output(task, output, (size_t)size, NULL);
}

static enum froe_err
handle_single(struct froe_task *task, void *context)
{
	struct ledger_input input;

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad_input(task, "input");
	return execute(task, *(int *)context, input, LEDGER_ONLY, ledger_single_value(input.n));
}

static enum froe_err
handle_a(struct froe_task *task, void *context)
{
	struct ledger_input input;

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad_input(task, "input");
	return execute(task, *(int *)context, input, LEDGER_A, input.n + 1);
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

/* b, c and d compute from what their parents gave, not from the input. */
static enum froe_err
handle_child(struct froe_task *task, void *context)
{
	struct ledger_input input;
	uint64_t x;
	uint64_t y = 0;
	char which = froe_task_name(task)[0];

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad_input(task, "input");
	if (!read_parent(task, which == 'd' ? "b" : "a", &x))
		return bad_input(task, "the parent's output");
	if (which == 'd' && !read_parent(task, "c", &y))
		return bad_input(task, "the other parent's output");
	if (which == 'd')
		return execute(task, *(int *)context, input, LEDGER_D, x + y);
	return execute(task, *(int *)context, input, which == 'b' ? LEDGER_B : LEDGER_C,
	    which == 'b' ? 2 * x : 3 * x);
}

/* Children by number, each attempt the same ones; then chunks of a stream. */
static enum froe_err
handle_parent(struct froe_task *task, void *context)
{
	struct ledger_input input;
	struct froe_id id = froe_task_id(task);
	char text[LEDGER_OUTPUT_BYTES];
	char run[FROE_ID_TEXT_SIZE];

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad_input(task, "input");
	for (uint32_t i = 0; i < LEDGER_CHILDREN; i++) {
		struct ledger_input child = {.n = input.n + i};
		struct froe_run_options options = {.workflow = LEDGER_SINGLE, .input.data = text};
		struct froe_started started;
		enum froe_err err;

		options.input.size = (size_t)ledger_input_print(text, sizeof(text), child);
		err = froe_task_spawn(task, &options, NULL, CALL_MS, &started, NULL);
		if (err != FROE_OK)
			return err;
		froe_id_format(started.run, run);
		ledger_write_more(*(int *)context, 'K', &id, i, '-', run);
	}
	for (uint32_t i = 1; i <= LEDGER_CHUNKS; i++) {
		int size = snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu32, input.n, i);
		enum froe_err err = froe_task_stream(task, text, (size_t)size, NULL);

		if (err != FROE_OK)
			return err;
	}
	return execute(task, *(int *)context, input, LEDGER_ONLY, ledger_parent_value(input.n));
}

/* A memo of the time, a sleep, a child, one more memo. */
static enum froe_err
durable_steps(struct froe_task *task, int ledger, const struct ledger_input *input,
    uint64_t *ret_value)
{
	struct froe_id id = froe_task_id(task);
	struct froe_bytes kept;
	struct froe_child_result child;
	struct ledger_output output;
	char text[LEDGER_OUTPUT_BYTES];
	struct ledger_input below = {.n = input->n};
	struct froe_run_options options = {.workflow = LEDGER_SINGLE, .input.data = text};
	uint64_t began_ns = 0;
	int size = snprintf(text, sizeof(text), "%" PRIu64, ledger_now_ns());
	enum froe_err err = froe_task_memo_put(task, "began", text, (size_t)size, &kept, NULL);

	if (err != FROE_OK)
		return err;
	if (!ledger_text(kept, text, sizeof(text)) || sscanf(text, "%" SCNu64, &began_ns) != 1)
		ledger_write(ledger, 'X', &id, 1, 'm');
	ledger_write_more(ledger, 'M', &id, 1, '-', text);
	err = froe_task_sleep(task, LEDGER_SLEEP_MS, NULL);
	if (err != FROE_OK)
		return err;
	/* Engine time may run 5 % fast. */
	if (ledger_now_ns() < began_ns + LEDGER_SLEEP_MS * LEDGER_NS_PER_MS * 9 / 10)
		ledger_write(ledger, 'X', &id, 2, 's');
	options.input.size = (size_t)ledger_input_print(text, sizeof(text), below);
	err = froe_task_child(task, &options, &child, NULL);
	if (err != FROE_OK)
		return err;
	froe_id_format(child.run, text);
	ledger_write_more(ledger, 'K', &id, 3, '-', text);
	if (child.status != FROE_RUN_COMPLETED || !ledger_output_read(child.output, &output))
		return bad_input(task, "the child's output");
	*ret_value = output.value + 1;
	return FROE_OK;
}

static enum froe_err
handle_durable(struct froe_task *task, void *context)
{
	struct ledger_input input;
	uint64_t value;
	enum froe_err err;

	if (!ledger_input_read(froe_task_input(task), &input))
		return bad_input(task, "input");
	err = durable_steps(task, *(int *)context, &input, &value);
	if (err != FROE_OK)
		return err;
	return execute(task, *(int *)context, input, LEDGER_ONLY, value);
}

static void
on_result(void *context, struct froe_id task, uint32_t attempt, enum froe_err err)
{
	ledger_write(*(int *)context, err == FROE_OK ? 'A' : 'L', &task, attempt, '-');
}

static enum froe_err
add_workflows(struct froe_worker *worker, int *ledger, struct froe_error *error)
{
	static const char *const from_a[] = {"a", NULL};
	static const char *const from_b_c[] = {"b", "c", NULL};
	const struct froe_backoff backoff = {.kind = FROE_BACKOFF_CONSTANT, .initial_ms = 5};
	struct froe_task_def single = {.name = "only", .retries = 3, .backoff = backoff,
	    .handler = handle_single, .context = ledger};
	struct froe_task_def dag[] = {
	    {.name = "a", .handler = handle_a},
	    {.name = "b", .handler = handle_child, .parents = from_a},
	    {.name = "c", .handler = handle_child, .parents = from_a},
	    {.name = "d", .handler = handle_child, .parents = from_b_c},
	};
	struct froe_task_def parent = {.name = "only", .retries = 3, .backoff = backoff,
	    .handler = handle_parent, .context = ledger};
	struct froe_task_def durable = {.name = "only", .retries = 3, .backoff = backoff,
	    .durable = true, .handler = handle_durable, .context = ledger};
	struct froe_workflow more[] = {
	    {.name = LEDGER_PARENT, .tasks = &parent, .task_count = 1},
	    {.name = LEDGER_DURABLE, .tasks = &durable, .task_count = 1},
	};
	struct froe_workflow one = {.name = LEDGER_SINGLE, .tasks = &single, .task_count = 1};
	struct froe_workflow four = {.name = LEDGER_DAG, .tasks = dag, .task_count = 4};
	enum froe_err err;

	for (size_t i = 0; i < 4; i++) {
		dag[i].retries = 3;
		dag[i].backoff = backoff;
		dag[i].context = ledger;
	}
	err = froe_worker_workflow(worker, &one, error);
	for (size_t i = 0; i < 2 && err == FROE_OK; i++)
		err = froe_worker_workflow(worker, &more[i], error);
	return err == FROE_OK ? froe_worker_workflow(worker, &four, error) : err;
}

static void
watch_connection(struct froe_client *client, int ledger)
{
	bool before = false;

	while (!worker_stop) {
		bool now = froe_client_connected(client);

		if (now && !before)
			ledger_write(ledger, 'C', NULL, 0, '-');
		before = now;
		pause_ns(LOOK_NS);
	}
}

static enum froe_err
serve(char **argv, int *ledger, struct froe_error *error)
{
	struct froe_client_options client_options = {.address = argv[1], .open_ms = UINT32_MAX};
	struct froe_worker_options options = {.name = "crash", .on_result = on_result,
	    .context = ledger, .slots = (uint32_t)strtoul(argv[4], NULL, 10)};
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
	if (err == FROE_OK) {
		watch_connection(client, *ledger);
		froe_worker_stop(worker, /* limit_ms = */ 1000);
	}
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
		fprintf(stderr, "usage: worker ADDRESS LEDGER ID SLOTS\n");
		return 2;
	}
	signal(SIGTERM, on_stop);
	ledger = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	if (ledger < 0) {
		perror(argv[2]);
		return 1;
	}
	if (serve(argv, &ledger, &error) != FROE_OK) {
		fprintf(stderr, "worker: %s\n", error.text);
		return 1;
	}
	return close(ledger);
}
