/*
 * A task that fails most of the time, and how its retries are spaced: exponential backoff from
 * 100 ms, doubling, at most 2 s, shortened by up to half at random so that many failed tasks do not
 * come back together.
 *
 * `flaky [--address HOST:PORT]` does everything in one process: it registers the workflow, works on
 * it, starts one run, waits for its end and prints the attempts as the server recorded them.
 */
#include <froe/froe.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOOD_ATTEMPT 5

/* Fails until its fifth attempt. A 503 asks for patience; a 400 would be fatal. */
static enum froe_err
fetch(struct froe_task *task, void *context)
{
	static const char page[] = "{\"page\":\"hello\"}";
	uint32_t attempt = froe_task_attempt(task);
	(void)context;
	printf("attempt %u\n", attempt);
	if (attempt >= GOOD_ATTEMPT)
		return froe_task_output(task, page, strlen(page), NULL);
	froe_task_log(task, "the server said 503", NULL);
	froe_task_error(task, "HTTP 503 in attempt %u", attempt);
	/* Retry-After: this once, instead of the backoff. */
	if (attempt == 2)
		froe_task_retry_after(task, 500);
	return FROE_UNAVAILABLE;
}

static int
fail(const struct froe_error *error)
{
	fprintf(stderr, "flaky: %s\n", error->text);
	return 1;
}

static void
print_attempts(const struct froe_run_view *view)
{
	const struct froe_task_view *task = &view->tasks[0];
	uint64_t before_ns = 0;
	for (size_t i = 0; i < task->attempt_count; i++) {
		const struct froe_attempt_view *attempt = &task->attempts[i];
		uint64_t gap_ms = before_ns != 0 ? (attempt->assigned_ns - before_ns) / 1000000 : 0;
		printf("attempt %u: %-9s after %llu ms  %s\n", attempt->attempt, attempt->outcome,
		    (unsigned long long)gap_ms, attempt->error);
		before_ns = attempt->finished_ns;
	}
	printf("%s %.*s\n", froe_status_name(view->status), (int)view->result.size,
	    view->result.size > 0 ? (const char *)view->result.data : "");
}

static int
run_one(struct froe_client *client)
{
	const struct froe_run_options options = {.workflow = "flaky"};
	struct froe_started started;
	struct froe_event *end;
	struct froe_run_view *view;
	struct froe_error error;
	if (froe_run_start(client, &options, -1, &started, &error) != FROE_OK ||
	    froe_run_await(client, started.run, -1, &end, &error) != FROE_OK)
		return fail(&error);
	bool completed = end->status == FROE_RUN_COMPLETED;
	froe_event_free(end);
	if (froe_run_get(client, started.run, /* payloads= */ true, -1, &view, &error) != FROE_OK)
		return fail(&error);
	print_attempts(view);
	froe_run_view_free(view);
	return completed ? 0 : 1;
}

static int
work_and_run(struct froe_client *client)
{
	const struct froe_task_def task = {
	    .name = "fetch",
	    .retries = 8,
	    .backoff = {.kind = FROE_BACKOFF_EXPONENTIAL, .initial_ms = 100, .factor = 2,
	        .max_ms = 2000, .jitter_percent = 50},
	    .execution_timeout_ms = 5000,
	    .handler = fetch,
	};
	const struct froe_workflow workflow = {.name = "flaky", .tasks = &task, .task_count = 1};
	const struct froe_worker_options options = {.name = "flaky", .slots = 1};
	struct froe_worker *worker;
	struct froe_error error;
	int status;
	if (froe_worker_open(client, &options, &worker, &error) != FROE_OK)
		return fail(&error);
	if (froe_worker_workflow(worker, &workflow, &error) != FROE_OK ||
	    froe_worker_start(worker, -1, &error) != FROE_OK)
		status = fail(&error);
	else
		status = run_one(client);
	froe_worker_close(worker);
	return status;
}

int
main(int argc, char **argv)
{
	struct froe_client_options options = {.address = getenv("FROE_ADDRESS"), .open_ms = 10000};
	struct froe_client *client;
	struct froe_error error;
	if (argc == 3 && strcmp(argv[1], "--address") == 0) {
		options.address = argv[2];
	} else if (argc != 1) {
		fprintf(stderr, "usage: flaky [--address HOST:PORT]\n");
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (froe_client_open(&options, &client, &error) != FROE_OK)
		return fail(&error);
	int status = work_and_run(client);
	froe_client_close(client);
	return status;
}
