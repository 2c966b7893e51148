/*
 * Jobs in the hub: through pages, restarts, a slow index, ends from outside; who waits for one.
 */
#include "server_hub_world.h"

#define RUNS 600u /* more than two pages */

static uint64_t
say_job(struct world *world, enum eng_job_kind kind)
{
	Froe__RunList filter = FROE__RUN_LIST__INIT;
	uint8_t packed[64];
	filter.workflow = (char[]){"mail"};
	struct eng_command engine = {
	    .type = ENG_CMD_JOB_START,
	    .job_start = {.kind = kind, .reason = bytes_text("for a test")},
	};
	engine.job_start.filter = bytes_of(packed, froe__run_list__pack(&filter, packed));
	return say_engine(world, CLIENT, &engine, false);
}

static uint64_t
hear_job(struct world *world, uint64_t request)
{
	Froe__JobStarted *started =
	    hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_JOB_STARTED);
	uint64_t number = started->job;
	message_done(started);
	return number;
}

static uint64_t
say_get(struct world *world, uint64_t conn, uint64_t job, uint32_t wait_ms)
{
	struct api_command command = command_of(world, conn, API_OP_JOB_GET);
	command.job.number = job;
	command.job.wait_ms = wait_ms;
	world_say(world, &command);
	return command.origin.request;
}

static void
expect_view(struct world *world, uint64_t request, Froe__RunStatus status, uint64_t done,
    uint64_t refused)
{
	Froe__JobView *view = hear_body(world, CLIENT, request, FROE__ENVELOPE__BODY_JOB_VIEW);
	assert_int_equal(view->status, status);
	assert_int_equal(view->done, done);
	assert_int_equal(view->refused, refused);
	assert_string_equal(view->reason, "for a test");
	assert_string_equal(view->filter->workflow, "mail");
	message_done(view);
}

static void
await_job(struct world *world, uint64_t job, uint64_t done, uint64_t refused)
{
	uint64_t request = say_get(world, CLIENT, job, FROE_JOB_WAIT_MS_MAX);
	world_pass(world, 2000);
	expect_view(world, request, FROE__RUN_STATUS__COMPLETED, done, refused);
}

static void
runs_start(struct world *world, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		say_run(world, CLIENT, "mail", bytes_text("{}"), false);
	world_settle(world);
}

static uint64_t
counts_open(const struct world *world)
{
	struct eng_counts counts;
	eng_counts(world->shard.eng, &counts);
	return counts.runs;
}

static void
test_job__pages(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 0);
	runs_start(world, RUNS);
	uint64_t job = hear_job(world, say_job(world, ENG_JOB_CANCEL));
	await_job(world, job, RUNS, 0);
	assert_int_equal(counts_open(world), 0);
	job = hear_job(world, say_job(world, ENG_JOB_REPLAY));
	await_job(world, job, RUNS, 0);
	assert_int_equal(counts_open(world), RUNS);
	world_close(world);
}

/* Nothing is in memory: histories are read from the log, and runs found by the index. */
static void
test_job__replays_from_disk(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 0);
	runs_start(world, 100);
	await_job(world, hear_job(world, say_job(world, ENG_JOB_CANCEL)), 100, 0);
	world_pass(world, 2000); /* the resolver has forgotten them */
	uint64_t job = hear_job(world, say_job(world, ENG_JOB_REPLAY));
	await_job(world, job, 100, 0);
	assert_int_equal(counts_open(world), 100);
	world_close(world);
}

/* The process ends again and again while the job is at work, and it goes on where it was. */
static void
test_job__restarts(void **state)
{
	struct world *world = world_open(0);
	unsigned restarts = 0, met = 0; /* met: with some runs done, and some not */
	(void)state;
	world_mail(world, 0);
	runs_start(world, RUNS);
	uint64_t job = hear_job(world, say_job(world, ENG_JOB_CANCEL));
	for (int kind = 0; kind < 2; kind++) {
		struct eng_job_view view;
		while (eng_job(world->shard.eng, job, &view) && view.status == ENG_RUNNING) {
			for (unsigned i = 0; i < 10 + restarts; i++)
				world_step(world, NS_PER_MS);
			met += view.done > 0 ? 1 : 0;
			world_stop(world);
			world_start(world);
			assert_true(restarts++ < 200);
		}
		assert_int_equal(view.status, ENG_COMPLETED);
		assert_int_equal(view.done, RUNS);
		assert_int_equal(view.refused, 0);
		say_open(world, CLIENT, WINDOW);
		world_settle(world);
		if (kind == 0)
			job = hear_job(world, say_job(world, ENG_JOB_REPLAY));
	}
	assert_true(met > 4);
	assert_int_equal(counts_open(world), RUNS);
	world_close(world);
}

/* While histories are being read, the job is cancelled: what is read counts for nothing. */
static void
test_job__cancelled_while_it_reads(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	world_mail(world, 0);
	runs_start(world, 100);
	await_job(world, hear_job(world, say_job(world, ENG_JOB_CANCEL)), 100, 0);
	world_pass(world, 2000);
	uint64_t job = hear_job(world, say_job(world, ENG_JOB_REPLAY));
	for (int i = 0; i < 1000 && !hub_reading(&world->hub); i++)
		world_step(world, NS_PER_MS);
	assert_true(hub_reading(&world->hub));
	struct eng_command engine = {.type = ENG_CMD_JOB_CANCEL, .job.number = job};
	hear_done(world, CLIENT, say_engine(world, CLIENT, &engine, false));
	uint64_t open = counts_open(world);
	world_pass(world, 1000);
	assert_int_equal(counts_open(world), open);
	assert_true(open < 100);
	uint64_t request = say_get(world, CLIENT, job, 0);
	expect_view(world, request, FROE__RUN_STATUS__CANCELLED, open, 0);
	assert_true(list_empty(&world->hub.jobs));
	world_close(world);
}

/* Whoever waits is answered after the time asked for, when the job ends, or when the server
 * stops; and is forgotten when gone. */
static void
test_job__waits(void **state)
{
	struct world *world = world_open(1 << 20);
	(void)state;
	world_mail(world, 0);
	runs_start(world, 3);
	world->index_stuck = true;
	uint64_t job = hear_job(world, say_job(world, ENG_JOB_CANCEL));
	say_open(world, OTHER, WINDOW);
	world_settle(world);
	uint64_t shortly = say_get(world, CLIENT, job, 500);
	uint64_t at_end = say_get(world, CLIENT, job, 20000);
	say_get(world, OTHER, job, 300);
	say_close(world, OTHER);
	world_pass(world, 400);
	assert_null(heard(world, CLIENT, shortly, FROE__ENVELOPE__BODY_JOB_VIEW));
	world_pass(world, 200);
	expect_view(world, shortly, FROE__RUN_STATUS__RUNNING, 0, 0);
	assert_null(heard(world, CLIENT, at_end, FROE__ENVELOPE__BODY_JOB_VIEW));
	world->index_stuck = false;
	world_pass(world, 11000); /* an answer that was lost is asked for again */
	expect_view(world, at_end, FROE__RUN_STATUS__COMPLETED, 3, 0);
	runs_start(world, 1);
	world->index_stuck = true;
	job = hear_job(world, say_job(world, ENG_JOB_CANCEL));
	at_end = say_get(world, CLIENT, job, 20000);
	world_pass(world, 100);
	world->hub.stopping = true;
	world_settle(world);
	expect_view(world, at_end, FROE__RUN_STATUS__RUNNING, 0, 0);
	world->index_stuck = false;
	world_pass(world, 11000);
	assert_int_equal(counts_open(world), 1); /* jobs rest while the server stops */
	world_close(world);
}

/* What is being done otherwise meanwhile: it counts as refused, and nothing is done twice. */
static void
test_job__against_others(void **state)
{
	struct world *world = world_open(1 << 20);
	struct eng_job_view view;
	(void)state;
	world_mail(world, 0);
	runs_start(world, RUNS);
	uint64_t jobs[6], done = 0;
	for (size_t i = 0; i < 6; i++)
		jobs[i] = hear_job(world, say_job(world, ENG_JOB_CANCEL));
	world_pass(world, 2000);
	for (size_t i = 0; i < 6; i++) {
		assert_true(eng_job(world->shard.eng, jobs[i], &view));
		assert_int_equal(view.status, ENG_COMPLETED);
		assert_true(view.refused == 0 || view.refusal == FROE_FAILED_PRECONDITION);
		done += view.done;
	}
	assert_int_equal(done, RUNS);
	assert_int_equal(counts_open(world), 0);
	world_close(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_job__pages),
	    cmocka_unit_test(test_job__replays_from_disk),
	    cmocka_unit_test(test_job__restarts),
	    cmocka_unit_test(test_job__cancelled_while_it_reads),
	    cmocka_unit_test(test_job__waits),
	    cmocka_unit_test(test_job__against_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
