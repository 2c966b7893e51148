/*
 * tests/good: a client that triggers runs all the time, and the worker that executes them.
 *
 * It runs in a thread of its own and asserts nothing there: it notes what went wrong. The test asks
 * with expect_good() whether it has got on. Include once, in the test program, after system.h.
 */
#ifndef TESTS_GOOD_H
#define TESTS_GOOD_H

#include <pthread.h>

static struct server server;

struct good {
	struct worker worker;
	pthread_t thread;
	atomic_bool stop;
	atomic_uint runs;     /* completed with the right result */
	atomic_bool failed;   /* why: */
	char why[256];
};
static struct good good;

static enum froe_err
echo(struct froe_task *task, void *context)
{
	struct froe_bytes input = froe_task_input(task);
	(void)context;
	return froe_task_output(task, input.data, input.size, NULL);
}

/* One run, from trigger to result; false: why. */
static bool
good_run(unsigned number, char *why, size_t size)
{
	char input[32];
	struct froe_started started;
	struct froe_error error;
	struct froe_event *end;
	int length = snprintf(input, sizeof(input), "{\"n\":%u}", number);
	struct froe_run_options options = {.workflow = "good", .input = {input, (size_t)length}};
	enum froe_err err = froe_run_start(good.worker.client, &options, 20000, &started, &error);
	if (err == FROE_OK)
		err = froe_run_await(good.worker.client, started.run, 20000, &end, &error);
	if (err != FROE_OK) {
		snprintf(why, size, "%s: %.200s", froe_err_name(err), error.text);
		return false;
	}
	bool right = end->status == FROE_RUN_COMPLETED && end->result.size == (size_t)length &&
	    memcmp(end->result.data, input, (size_t)length) == 0;
	snprintf(why, size, "run %u ended %s", number, froe_status_name(end->status));
	froe_event_free(end);
	return right;
}

static void *
good_main(void *context)
{
	(void)context;
	for (unsigned number = 0; !atomic_load(&good.stop); number++) {
		if (!good_run(number, good.why, sizeof(good.why))) {
			atomic_store(&good.failed, true);
			return NULL;
		}
		atomic_fetch_add(&good.runs, 1);
		sleep_ms(2);
	}
	return NULL;
}

static void
good_begin(void)
{
	static struct froe_task_def task = {.name = "only", .handler = echo};
	static struct froe_workflow workflow = {.name = "good", .tasks = &task, .task_count = 1};
	worker_open(&good.worker, &server, NULL, &workflow, 2);
	atomic_store(&good.stop, false);
	assert_int_equal(pthread_create(&good.thread, NULL, good_main, NULL), 0);
}

static void
good_end(void)
{
	atomic_store(&good.stop, true);
	pthread_join(good.thread, NULL);
	worker_close(&good.worker);
	if (atomic_load(&good.failed))
		fail_msg("the good client: %s", good.why);
}

/* After an attack: the server is the same process, answers, and runs that begin now complete. */
static void
expect_good(void)
{
	char answer[1024];
	unsigned before = atomic_load(&good.runs);
	uint64_t until_ms = now_ms() + 20000;
	int status;
	assert_int_equal(waitpid(server.pid, &status, WNOHANG), 0);
	while (atomic_load(&good.runs) < before + 3) {
		if (atomic_load(&good.failed))
			fail_msg("the good client: %s", good.why);
		assert_true(now_ms() < until_ms);
		sleep_ms(2);
	}
	http_get(&server, "/healthz", answer, sizeof(answer));
	assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
}

#endif
