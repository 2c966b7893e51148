/*
 * cli/bench: `froe bench run`: trigger -> run -> result, measured from outside.
 *
 * A process of its own is the worker: it serves a workflow of one task, whose output is its input.
 * This process keeps --inflight runs under way: each end starts the next. A run's time goes from
 * the trigger to its result. Neither process has threads: nothing is handed over, in either.
 *
 *   1. fork the worker; it registers the workflow and itself, then writes a byte into a pipe;
 *   2. start --inflight runs, and step the client until warm-up and measuring time are over;
 *   3. let what is under way end, stop the worker, print one line of JSON.
 *
 * A run that ends otherwise than COMPLETED with its own input as the result ends the benchmark.
 */
#include "cli/cli.h"
#include "cli/samples.h"

#include "base/fault.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define BENCH_WORKFLOW "froe-bench"
#define BENCH_STEP_MS 100
#define BENCH_CALL_MS 5000
#define BENCH_DRAIN_NS (5 * SAMPLES_NS_PER_S)
#define BENCH_PAYLOAD_MIN 8u

struct bench {
	struct froe_client *client;
	struct samples samples;
	uint64_t inflight;
	uint64_t ended;   /* runs that came back, warm-up included */
	uint64_t waiting; /* for their end */
	bool stopping;
	bool failed;
	struct froe_error error; /* why */
	char *payload;
	size_t payload_size;
	struct bench_run *runs;
};

/* One of the runs under way. */
struct bench_run {
	struct bench *bench;
	uint64_t started_ns;
};

static volatile sig_atomic_t bench_worker_stop;

static void
on_stop(int number)
{
	(void)number;
	bench_worker_stop = 1;
}

/* -------------------------------------------------------------------------------------- worker */

static enum froe_err
echo(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);

	(void)context;
	return froe_task_output(task, input.data, input.size, NULL);
}

static const struct froe_task_def bench_task = {.name = "echo", .handler = echo};
static const struct froe_workflow bench_workflow =
    {.name = BENCH_WORKFLOW, .tasks = &bench_task, .task_count = 1};

static struct froe_client *
bench_connect(const struct cli *cli, int *ret_status)
{
	struct froe_client *client;
	struct froe_error error;
	char token[CLI_TOKEN_SIZE];
	struct froe_client_options options = {
	    .address = cli_text(cli, "address"),
	    .tenant = cli_text(cli, "tenant"),
	    .token = token,
	    .open_ms = BENCH_CALL_MS,
	    .no_thread = true,
	};

	struct froe_tls_options tls;
	if (cli_client_tls(cli, options.address, &tls))
		options.tls = &tls;
	*ret_status = FROE_EXIT_FAILED;
	if (!cli_token(cli, token))
		return NULL;
	if (froe_client_open(&options, &client, &error) == FROE_OK)
		return client;
	*ret_status = cli_unconnected(&error);
	return NULL;
}

static enum froe_err
worker_serve(struct froe_client *client, uint32_t slots, int ready, struct froe_error *error)
{
	struct froe_worker_options options =
	    {.name = BENCH_WORKFLOW, .slots = slots, .inline_handlers = true};
	struct froe_worker *worker;
	enum froe_err err = froe_worker_open(client, &options, &worker, error);

	if (err != FROE_OK)
		return err;
	err = froe_worker_workflow(worker, &bench_workflow, error);
	if (err == FROE_OK)
		err = froe_worker_start(worker, BENCH_CALL_MS, error);
	if (err == FROE_OK && write(ready, "r", 1) != 1)
		bench_worker_stop = 1;
	while (err == FROE_OK && !bench_worker_stop)
		err = froe_client_step(client, BENCH_STEP_MS, error);
	if (err == FROE_OK)
		froe_worker_stop(worker, /* limit_ms = */ 0);
	froe_worker_close(worker);
	return err;
}

/* The worker's process, from its fork to its end. */
static int
worker_main(const struct cli *cli, uint32_t slots, int ready)
{
	int status = FROE_EXIT_OK;
	struct froe_error error;
	struct froe_client *client;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGTERM, on_stop);
	signal(SIGINT, on_stop);
	client = bench_connect(cli, &status);
	if (client != NULL && worker_serve(client, slots, ready, &error) != FROE_OK)
		status = cli_fail(&error);
	froe_client_close(client);
	return status;
}

/* Starts the worker's process and waits until tasks can come to it; -1: it did not start. */
static pid_t
worker_start(const struct cli *cli, uint32_t slots)
{
	int ready[2];
	char byte;
	pid_t pid;
	ssize_t got;

	if (pipe(ready) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(ready[0]);
		_exit(worker_main(cli, slots, ready[1]));
	}
	close(ready[1]);
	do {
		got = read(ready[0], &byte, 1);
	} while (got < 0 && errno == EINTR);
	close(ready[0]);
	if (pid > 0 && got != 1) {
		waitpid(pid, NULL, 0);
		pid = -1;
	}
	return pid;
}

/* -------------------------------------------------------------------------------------- client */

static void bench_start(struct bench_run *run);

static void
bench_fail(struct bench *bench, const struct froe_error *error)
{
	if (!bench->failed)
		bench->error = *error;
	bench->failed = true;
}

static void
on_started(void *context, const struct froe_started *started, const struct froe_error *error)
{
	struct bench_run *run = context;

	if (started == NULL) {
		run->bench->waiting--;
		bench_fail(run->bench, error);
	}
}

static bool
is_echo(const struct bench *bench, const struct froe_event *event)
{
	return event->status == FROE_RUN_COMPLETED && event->result.size == bench->payload_size &&
	    memcmp(event->result.data, bench->payload, bench->payload_size) == 0;
}

static void
on_end(void *context, const struct froe_event *event, const struct froe_error *error)
{
	struct bench_run *run = context;
	struct bench *bench = run->bench;
	struct froe_error wrong = {.code = FROE_INTERNAL};

	bench->waiting--;
	if (event == NULL) {
		bench_fail(bench, error);
		return;
	}
	if (!is_echo(bench, event)) {
		snprintf(wrong.text, sizeof(wrong.text), "a run ended %s%s%s, not with its input",
		    froe_status_name(event->status), event->error != NULL ? ": " : "",
		    event->error != NULL ? event->error : "");
		bench_fail(bench, &wrong);
		return;
	}
	bench->ended++;
	samples_push(&bench->samples, run->started_ns, samples_now_ns());
	if (!bench->stopping && !bench->failed)
		bench_start(run);
}

static void
bench_start(struct bench_run *run)
{
	struct bench *bench = run->bench;
	struct froe_error error;
	struct froe_run_options options = {
	    .workflow = BENCH_WORKFLOW,
	    .input = {bench->payload, bench->payload_size},
	};

	run->started_ns = samples_now_ns();
	if (froe_run_start_async(bench->client, &options, on_started, on_end, run, &error) ==
	    FROE_OK)
		bench->waiting++;
	else
		bench_fail(bench, &error);
}

static void
bench_step(struct bench *bench)
{
	struct froe_error error;

	if (froe_client_step(bench->client, BENCH_STEP_MS, &error) != FROE_OK)
		bench_fail(bench, &error);
}

static void
bench_measure(struct bench *bench)
{
	for (uint64_t i = 0; i < bench->inflight; i++) {
		bench->runs[i].bench = bench;
		bench_start(&bench->runs[i]);
	}
	while (!bench->failed && samples_now_ns() < bench->samples.end_ns)
		bench_step(bench);
	bench->stopping = true;
	while (!bench->failed && bench->waiting > 0 &&
	    samples_now_ns() < bench->samples.end_ns + BENCH_DRAIN_NS)
		bench_step(bench);
}

/* {"p":"xxx..."}, of the size asked for. */
static char *
bench_payload(size_t size)
{
	char *payload = mem_alloc(size);

	memset(payload, 'x', size);
	memcpy(payload, "{\"p\":\"", 6);
	memcpy(payload + size - 2, "\"}", 2);
	return payload;
}

static void
bench_read_options(struct bench *bench, const struct cli *cli)
{
	bench->inflight = cli_number(cli, "inflight", 1, FROE_REQUESTS_MAX);
	bench->payload_size = cli_number(cli, "payload", 64, FROE_PAYLOAD_BYTES_MAX);
	if (bench->inflight == 0)
		cli_usage(cli, "--inflight: at least 1");
	if (bench->payload_size < BENCH_PAYLOAD_MIN)
		cli_usage(cli, "--payload: at least %u bytes", BENCH_PAYLOAD_MIN);
}

static int
bench_report(struct bench *bench)
{
	if (bench->failed)
		return cli_fail(&bench->error);
	if (bench->waiting > 0) {
		fprintf(stderr, "froe: %llu runs did not end\n",
		    (unsigned long long)bench->waiting);
		return FROE_EXIT_FAILED;
	}
	if (!samples_print(&bench->samples, (unsigned)bench->inflight))
		return FROE_EXIT_FAILED;
	return FROE_EXIT_OK;
}

int
cli_bench_run(struct cli *cli)
{
	struct bench bench = {0};
	double seconds = (double)cli_duration_ms(cli, "time", 5000) / 1000;
	double warmup_s = (double)cli_duration_ms(cli, "warmup", 1000) / 1000;
	int status = FROE_EXIT_FAILED;
	pid_t worker;

	bench_read_options(&bench, cli);
	worker = worker_start(cli, (uint32_t)bench.inflight);
	if (worker < 0)
		return FROE_EXIT_UNAVAILABLE;
	bench.payload = bench_payload(bench.payload_size);
	bench.runs = mem_array(bench.inflight, sizeof(*bench.runs));
	bench.client = bench_connect(cli, &status);
	if (bench.client != NULL) {
		samples_init(&bench.samples, warmup_s, seconds);
		bench_measure(&bench);
		status = bench_report(&bench);
		samples_release(&bench.samples);
	}
	bench.stopping = true; /* closing ends what is still under way */
	froe_client_close(bench.client);
	kill(worker, SIGTERM);
	waitpid(worker, NULL, 0);
	mem_free(bench.runs);
	mem_free(bench.payload);
	return status;
}
