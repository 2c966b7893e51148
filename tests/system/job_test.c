/*
 * Jobs over a real server: all runs that a filter finds, each once, through a kill -9 in the middle
 * of a frame of them, and with snapshots made meanwhile; refusals; the command line.
 */
#include "system/system.h"

#define MANY 400u
#define FEW 50u

static struct server server;

static int
setup(void **state)
{
	(void)state;
	server_init(&server);
	server.extra[0] = "--segment-bytes";
	server.extra[1] = "1048576";
	server_start(&server);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

/* Fails until told otherwise. */
static enum froe_err
flaky(struct froe_task *task, void *context)
{
	const bool *good = context;
	if (*good)
		return froe_task_output(task, "1", 1, NULL);
	froe_task_error(task, "not yet");
	return FROE_TASK_FAILED;
}

static void
define(struct froe_client *client, const char *workflow, void *context)
{
	struct froe_error error;
	struct froe_task_def task = {.name = "only", .handler = flaky, .context = context};
	struct froe_workflow definition = {.name = workflow, .tasks = &task, .task_count = 1};
	CALL(froe_workflow_put(client, &definition, 30000, NULL, &error), error);
}

static void
start_many(struct froe_client *client, const char *workflow, unsigned count, struct froe_id *runs)
{
	struct froe_run_options options[MANY];
	struct froe_started started[MANY];
	struct froe_pair pairs[2] = {{"part", "even"}, {"part", "odd"}};
	struct froe_error error;
	for (unsigned i = 0; i < count; i++)
		options[i] = (struct froe_run_options){
		    .workflow = workflow, .metadata = &pairs[i % 2], .metadata_count = 1};
	CALL(froe_run_start_many(client, options, count, 30000, started, &error), error);
	for (unsigned i = 0; i < count && runs != NULL; i++)
		runs[i] = started[i].run;
}

static unsigned
count_of(struct froe_client *client, const char *workflow, enum froe_status status)
{
	struct froe_list_options options = {
	    .workflow = workflow, .statuses = 1u << status, .limit = 1000};
	unsigned count = 0;
	do {
		struct froe_run_page *page;
		struct froe_error error;
		CALL(froe_run_list(client, &options, 30000, &page, &error), error);
		count += (unsigned)page->row_count;
		options.before = page->next;
		froe_run_page_free(page);
	} while (options.before != 0);
	return count;
}

static uint64_t
job_start(struct froe_client *client, enum froe_job_kind kind,
    const struct froe_list_options *filter, const char *reason)
{
	struct froe_error error;
	struct froe_job_options options = {.reason = reason};
	uint64_t job;
	CALL(froe_job_start(client, kind, filter, &options, 30000, &job, &error), error);
	return job;
}

/* The same where the server dies at a step of the job, perhaps before its answer has gone out: so
 * the job's number is only known once it has started again. */
static void
job_start_to_die(struct froe_client *client, enum froe_job_kind kind,
    const struct froe_list_options *filter, const char *reason)
{
	struct froe_error error;
	struct froe_job_options options = {.reason = reason};
	uint64_t job;
	enum froe_err err = froe_job_start(client, kind, filter, &options, 30000, &job, &error);
	assert_true(err == FROE_OK || err == FROE_CLOSED);
}

static uint64_t
newest_job(struct froe_client *client)
{
	struct froe_job_page *page;
	struct froe_error error;
	CALL(froe_job_list(client, 0, 1, 30000, &page, &error), error);
	assert_int_equal(page->row_count, 1);
	uint64_t job = page->rows[0].job;
	froe_job_page_free(page);
	return job;
}

static void
expect_done(struct froe_client *client, uint64_t number, uint64_t done, uint64_t refused)
{
	struct froe_job_view *job;
	struct froe_error error;
	CALL(froe_job_get(client, number, 30000, 40000, &job, &error), error);
	assert_int_equal(job->status, FROE_RUN_COMPLETED);
	assert_int_equal(job->done, done);
	assert_int_equal(job->refused, refused);
	assert_true(job->finished_ns >= job->created_ns);
	froe_job_view_free(job);
}

/* The server has killed itself, as it was told to; it starts again. */
static void
await_death(void)
{
	int status;
	assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	unsetenv("FROE_FAILPOINT");
	server_start(&server);
}

/* A server that dies at the job's step of this number, with the frame that it is in. */
static void
restart_to_die_at(const char *failpoint)
{
	server_end(&server, SIGKILL);
	setenv("FROE_FAILPOINT", failpoint, 1);
	server_start(&server);
}

static void
test_job__cancel_killed_in_the_middle(void **state)
{
	static const char *const dies[] = {
	    "job_step:1", "job_step:70", "job_step:100", "job_step:64"};
	struct froe_client *client = client_open(&server, NULL);
	struct froe_list_options filter = {.workflow = "stuck"};
	(void)state;
	define(client, "stuck", NULL);
	define(client, "kept", NULL);
	start_many(client, "stuck", MANY, NULL);
	start_many(client, "kept", FEW, NULL);
	restart_to_die_at(dies[0]);
	job_start_to_die(client, FROE_JOB_CANCEL, &filter, "we know better");
	for (size_t i = 1; i < sizeof(dies) / sizeof(dies[0]); i++) {
		int status;
		assert_int_equal(waitpid(server.pid, &status, 0), server.pid);
		setenv("FROE_FAILPOINT", dies[i], 1);
		server_start(&server);
	}
	await_death();
	start_many(client, "stuck", 3, NULL); /* newer than the job: not its business */
	expect_done(client, newest_job(client), MANY, 0);
	assert_int_equal(count_of(client, "stuck", FROE_RUN_CANCELLED), MANY);
	assert_int_equal(count_of(client, "stuck", FROE_RUN_QUEUED), 3);
	assert_int_equal(count_of(client, "kept", FROE_RUN_QUEUED), FEW);
	froe_client_close(client);
}

static void
expect_replayed_once(struct froe_client *client, uint64_t job, const struct froe_id *runs)
{
	for (unsigned i = 0; i < MANY; i++) {
		struct froe_run_view *view = get_run(client, runs[i]);
		assert_int_equal(view->replay_count, i % 2);
		if (i % 2 == 1) {
			assert_string_equal(view->replays[0].reason, "mended");
			assert_int_equal(view->replays[0].job, job);
			assert_int_equal(view->status, FROE_RUN_COMPLETED);
		} else {
			assert_int_equal(view->status, FROE_RUN_FAILED);
		}
		froe_run_view_free(view);
	}
}

static void
test_job__replay_killed_in_the_middle(void **state)
{
	static struct froe_id runs[MANY];
	static bool good;
	struct froe_pair odd = {"part", "odd"};
	struct froe_list_options filter = {.statuses = 1u << FROE_RUN_FAILED,
	    .workflow = "flaky", .metadata = &odd, .metadata_count = 1};
	struct froe_task_def task = {.name = "only", .handler = flaky, .context = &good};
	struct froe_workflow workflow = {.name = "flaky", .tasks = &task, .task_count = 1};
	struct worker worker;
	(void)state;
	worker_open(&worker, &server, NULL, &workflow, 8);
	struct froe_client *client = client_open(&server, NULL);
	start_many(client, "flaky", MANY, runs);
	for (unsigned i = 0; i < MANY; i++) {
		struct froe_event *end = await_run(client, runs[i]);
		assert_int_equal(end->status, FROE_RUN_FAILED);
		froe_event_free(end);
	}
	worker_close(&worker);
	good = true;
	restart_to_die_at("job_step:90");
	job_start_to_die(client, FROE_JOB_REPLAY, &filter, "mended");
	await_death();
	uint64_t job = newest_job(client);
	worker_open(&worker, &server, NULL, &workflow, 8);
	expect_done(client, job, MANY / 2, 0);
	for (unsigned i = 1; i < MANY; i += 2) {
		struct froe_event *end = await_run(client, runs[i]);
		assert_int_equal(end->status, FROE_RUN_COMPLETED);
		froe_event_free(end);
	}
	expect_replayed_once(client, job, runs);
	worker_close(&worker);
	froe_client_close(client);
}

static int
verify(void)
{
	char command[512];
	snprintf(command, sizeof(command), "%s log verify --data %s >/dev/null 2>&1",
	    server_binary(), server.dir);
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Each cancel's reason is a KiB: so segments end while the job is at work, and snapshots are made
 * of it as it was then. */
static void
test_job__snapshots_in_between(void **state)
{
	enum { ROUNDS = 6 };
	char reason[1025];
	struct froe_client *client = client_open(&server, NULL);
	struct froe_list_options filter = {.workflow = "padded"};
	(void)state;
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = 0;
	define(client, "padded", NULL);
	for (int i = 0; i < ROUNDS; i++)
		start_many(client, "padded", MANY, NULL);
	restart_to_die_at("job_step:1300");
	job_start_to_die(client, FROE_JOB_CANCEL, &filter, reason);
	await_death();
	uint64_t job = newest_job(client);
	expect_done(client, job, (uint64_t)ROUNDS * MANY, 0);
	uint64_t until_ms = now_ms() + 20000;
	while (server_metric(&server, "froe_snapshots_total") < 1) {
		assert_true(now_ms() < until_ms);
		sleep_ms(50);
	}
	assert_int_equal(server_metric(&server, "froe_snapshots_failed_total"), 0);
	server_end(&server, SIGKILL);
	assert_int_equal(verify(), 0);
	server_start(&server);
	assert_true(server_metric(&server, "froe_recovery_snapshot") > 0);
	expect_done(client, job, (uint64_t)ROUNDS * MANY, 0);
	assert_int_equal(count_of(client, "padded", FROE_RUN_CANCELLED), ROUNDS * MANY);
	froe_client_close(client);
}

static void
expect_refused(struct froe_client *client, enum froe_job_kind kind, struct froe_list_options filter,
    enum froe_err err)
{
	struct froe_job_options options = {0};
	struct froe_error error;
	uint64_t job;
	assert_int_equal(
	    froe_job_start(client, kind, &filter, &options, 10000, &job, &error), err);
	assert_true(error.text[0] != 0);
}

static void
test_job__refused(void **state)
{
	struct froe_client *client = client_open(&server, NULL), *other;
	struct froe_list_options none = {0}, closed = {.statuses = 1u << FROE_RUN_FAILED},
	    open = {.statuses = 1u << FROE_RUN_QUEUED}, times = {.since_ns = 2, .until_ns = 1},
	    later = {.scheduled = true};
	struct froe_job_view *view;
	struct froe_error error;
	(void)state;
	expect_refused(client, FROE_JOB_CANCEL, none, FROE_INVALID_ARGUMENT);
	expect_refused(client, FROE_JOB_CANCEL, closed, FROE_INVALID_ARGUMENT);
	expect_refused(client, FROE_JOB_REPLAY, open, FROE_INVALID_ARGUMENT);
	expect_refused(client, FROE_JOB_REPLAY, later, FROE_INVALID_ARGUMENT);
	expect_refused(client, FROE_JOB_CANCEL, times, FROE_INVALID_ARGUMENT);
	uint64_t job = job_start(client, FROE_JOB_CANCEL, &open, NULL); /* there is no run */
	expect_done(client, job, 0, 0);
	assert_int_equal(
	    froe_job_cancel(client, job, 10000, &error), FROE_FAILED_PRECONDITION);
	assert_int_equal(
	    froe_job_get(client, job + 1, 0, 10000, &view, &error), FROE_NOT_FOUND);
	assert_int_equal(froe_job_get(client, 0, 0, 10000, &view, &error), FROE_INVALID_ARGUMENT);
	assert_int_equal(
	    froe_job_get(client, job, 30001, 10000, &view, &error), FROE_INVALID_ARGUMENT);
	other = client_open(&server, "other");
	assert_int_equal(froe_job_get(other, job, 0, 10000, &view, &error), FROE_NOT_FOUND);
	assert_int_equal(froe_job_cancel(other, job, 10000, &error), FROE_NOT_FOUND);
	froe_client_close(other);
	froe_client_close(client);
}

/* All at once, more than are worked on at a time, and one that is cancelled: the numbers add up. */
static void
test_job__many_jobs(void **state)
{
	struct froe_client *client = client_open(&server, NULL);
	struct froe_pair odd = {"part", "odd"};
	struct froe_list_options filter = {.workflow = "crowd", .metadata = &odd,
	    .metadata_count = 1};
	uint64_t jobs[12], done = 0, met = 0;
	struct froe_job_page *page;
	struct froe_error error;
	(void)state;
	define(client, "crowd", NULL);
	start_many(client, "crowd", MANY, NULL);
	for (size_t i = 0; i < 12; i++)
		jobs[i] = job_start(client, FROE_JOB_CANCEL, &filter, "crowded");
	enum froe_err err = froe_job_cancel(client, jobs[11], 10000, &error);
	assert_true(err == FROE_OK || err == FROE_FAILED_PRECONDITION);
	for (size_t i = 0; i < 12; i++) {
		struct froe_job_view *job;
		CALL(froe_job_get(client, jobs[i], 30000, 40000, &job, &error), error);
		assert_true(job->status == FROE_RUN_COMPLETED || i == 11);
		assert_string_equal(job->filter.workflow, "crowd");
		assert_int_equal(job->filter.metadata_count, 1);
		assert_string_equal(job->filter.metadata[0].value, "odd");
		done += job->done;
		met += job->done + job->refused;
		froe_job_view_free(job);
	}
	assert_int_equal(done, MANY / 2);
	assert_true(met >= MANY / 2);
	assert_int_equal(count_of(client, "crowd", FROE_RUN_CANCELLED), MANY / 2);
	assert_int_equal(count_of(client, "crowd", FROE_RUN_QUEUED), MANY / 2);
	CALL(froe_job_list(client, 0, 5, 10000, &page, &error), error);
	assert_int_equal(page->row_count, 5);
	assert_true(page->rows[0].job == jobs[11] && page->next == jobs[7]);
	froe_job_page_free(page);
	CALL(froe_job_list(client, jobs[1], 5, 10000, &page, &error), error);
	assert_true(page->rows[0].job == jobs[0]);
	froe_job_page_free(page);
	froe_client_close(client);
}

/* Its exit status; standard output in `to`. */
static int
command(const char *line, char *to, size_t size)
{
	char text[1024];
	size_t have = 0, got;
	snprintf(text, sizeof(text), "FROE_ADDRESS=%s %s %s 2>/dev/null", server.address,
	    server_binary(), line);
	FILE *pipe = popen(text, "r");
	assert_non_null(pipe);
	while ((got = fread(to + have, 1, size - 1 - have, pipe)) > 0)
		have += got;
	to[have] = 0;
	int status = pclose(pipe);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_job__command_line(void **state)
{
	char out[4096];
	struct froe_client *client = client_open(&server, NULL);
	(void)state;
	define(client, "typed", NULL);
	start_many(client, "typed", FEW, NULL);
	assert_int_equal(command("runs cancel", out, sizeof(out)), 2);
	assert_int_equal(command("runs cancel --all --workflow typed", out, sizeof(out)), 2);
	assert_int_equal(command("runs replay --node 2 --from only --workflow typed", out,
	    sizeof(out)), 2);
	assert_int_equal(command("runs cancel --status failed", out, sizeof(out)), 1);
	assert_int_equal(command("runs cancel --workflow typed --metadata part=odd --reason 'no'",
	    out, sizeof(out)), 0);
	assert_non_null(strstr(out, ": 25 cancelled\n"));
	assert_int_equal(command("runs replay --workflow typed --detach", out, sizeof(out)), 0);
	char watch[64];
	snprintf(watch, sizeof(watch), "jobs watch --output json %d", atoi(out));
	assert_int_equal(command(watch, out, sizeof(out)), 0);
	assert_non_null(strstr(out, "\"kind\":\"replay\",\"status\":\"COMPLETED\",\"done\":25,"));
	assert_int_equal(command("jobs list", out, sizeof(out)), 0);
	assert_non_null(strstr(out, "  no\n"));
	assert_int_equal(command("jobs cancel x", out, sizeof(out)), 2);
	assert_int_equal(command("jobs cancel 4711", out, sizeof(out)), 1);
	assert_int_equal(command("runs cancel --all --output ids", out, sizeof(out)), 0);
	assert_int_equal(count_of(client, NULL, FROE_RUN_QUEUED), 0);
	froe_client_close(client);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_job__cancel_killed_in_the_middle, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_job__replay_killed_in_the_middle, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_job__snapshots_in_between, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_job__refused, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_job__many_jobs, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_job__command_line, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
