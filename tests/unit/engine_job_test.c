/*
 * Jobs in the engine: each run is met once and its change is in one step with the job's advance;
 * what a job cannot change it passes; bounds; events that do not fit; what the hash sees.
 */
#include "engine_driver.h"

#include "froe/limits.h"

static struct eng_job_view
view_of(struct driver *d, uint64_t job)
{
	struct eng_job_view view;
	assert_true(eng_job(d->eng, job, &view));
	return view;
}

static void
expect_job(struct driver *d, uint64_t job, enum eng_status status, uint64_t done, uint64_t refused)
{
	struct eng_job_view view = view_of(d, job);
	assert_int_equal(view.status, status);
	assert_int_equal(view.done, done);
	assert_int_equal(view.refused, refused);
}

static void
test_job__cancels_newest_to_oldest(void **state)
{
	struct driver d;
	uint64_t runs[4];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	for (size_t i = 0; i < 4; i++)
		runs[i] = driver_start(&d, "wf");
	uint64_t job = driver_job(&d, ENG_JOB_CANCEL, "filter");
	driver_start(&d, "wf"); /* newer than the job */
	assert_true(view_of(&d, job).first == runs[3] + 1);
	assert_int_equal(driver_job_step(&d, job, runs[3]), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_CLOSED), 1);
	assert_int_equal(driver_events(&d, ENG_EV_JOB_ADVANCED), 1); /* the same step */
	driver_crash(&d, SECOND);
	assert_true(view_of(&d, job).cursor == runs[3]);
	assert_int_equal(driver_job_step(&d, job, runs[3]), FROE_FAILED_PRECONDITION); /* once */
	assert_int_equal(d.out->event_count, 0);
	driver_cancel(&d, runs[2]);
	assert_int_equal(driver_job_step(&d, job, runs[2]), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_JOB_ADVANCED), 1); /* refused, and passed */
	assert_int_equal(driver_job_step(&d, job, runs[0]), FROE_OK); /* runs[1] did not fit */
	assert_int_equal(driver_job_over(&d, ENG_CMD_JOB_END, job, 0, FROE_OK), FROE_OK);
	expect_job(&d, job, ENG_COMPLETED, 2, 1);
	assert_int_equal(view_of(&d, job).refusal, FROE_FAILED_PRECONDITION);
	assert_int_equal(driver_job_step(&d, job, runs[0]), FROE_FAILED_PRECONDITION);
	assert_int_equal(d.out->event_count, 0);
	driver_close(&d);
}

/* Who and why are in the run's own record, and whose change it was. */
static void
test_job__is_recorded(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), job = driver_job(&d, ENG_JOB_CANCEL, "f");
	assert_int_equal(driver_job_step(&d, job, run), FROE_OK);
	const struct eng_event *event = &d.out->events[0];
	assert_int_equal(event->type, ENG_EV_RUN_CANCEL_REQUESTED);
	assert_true(event->job == job);
	assert_true(bytes_equal(event->actor, bytes_text("olga")));
	assert_true(bytes_equal(event->text, bytes_text("too many")));
	struct eng_job_view view = view_of(&d, job);
	assert_true(bytes_equal(view.actor, bytes_text("olga")));
	assert_true(bytes_equal(view.filter, bytes_text("f")));
	assert_int_equal(driver_job_over(&d, ENG_CMD_JOB_CANCEL, job, 0, FROE_OK), FROE_OK);
	assert_true(bytes_equal(view_of(&d, job).ended_by, bytes_text("otto")));
	driver_close(&d);
}

static void
test_job__replays(void **state)
{
	struct driver d;
	uint64_t runs[3];
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	for (size_t i = 0; i < 3; i++)
		runs[i] = driver_start(&d, "wf");
	driver_cancel(&d, runs[0]);
	driver_cancel(&d, runs[2]);
	uint64_t job = driver_job(&d, ENG_JOB_REPLAY, "f");
	assert_int_equal(driver_job_step(&d, job, runs[2]), FROE_OK);
	assert_int_equal(driver_events(&d, ENG_EV_RUN_REPLAYED), 1);
	assert_true(d.out->events[0].job == job);
	driver_crash(&d, SECOND);
	assert_int_equal(driver_job_step(&d, job, runs[1]), FROE_OK); /* open: passed */
	assert_int_equal(
	    driver_job_over(&d, ENG_CMD_JOB_SKIP, job, runs[0], FROE_CORRUPT), FROE_OK);
	assert_int_equal(
	    driver_job_over(&d, ENG_CMD_JOB_SKIP, job, runs[0], FROE_CORRUPT),
	    FROE_FAILED_PRECONDITION); /* it was met */
	expect_job(&d, job, ENG_RUNNING, 1, 2);
	assert_int_equal(view_of(&d, job).refusal, FROE_CORRUPT);
	assert_int_equal(driver_job_over(&d, ENG_CMD_JOB_END, job, 0, FROE_CORRUPT), FROE_OK);
	expect_job(&d, job, ENG_FAILED, 1, 2);
	assert_true(bytes_equal(view_of(&d, job).error, bytes_text("it cannot")));
	driver_close(&d);
}

/* Another tenant's job is not found, nor does a job change another tenant's run. */
static void
test_job__tenants(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), job = driver_job(&d, ENG_JOB_CANCEL, "f");
	struct eng_command open = {
	    .type = ENG_CMD_TENANT_OPEN, .tenant_open.name = bytes_text("other")};
	struct eng_tenant_id ours = d.tenant;
	assert_int_equal(driver_try(&d, &open), FROE_OK);
	d.tenant.v = driver_reply(&d)->tenant;
	assert_int_equal(driver_job_step(&d, job, run), FROE_NOT_FOUND);
	assert_int_equal(driver_job_over(&d, ENG_CMD_JOB_CANCEL, job, 0, FROE_OK), FROE_NOT_FOUND);
	uint64_t theirs = driver_job(&d, ENG_JOB_CANCEL, "f");
	assert_int_equal(driver_job_step(&d, theirs, run), FROE_OK);
	expect_job(&d, theirs, ENG_RUNNING, 0, 1);
	assert_int_equal(view_of(&d, theirs).refusal, FROE_NOT_FOUND);
	struct eng_job_view view;
	assert_true(eng_job_next(d.eng, d.tenant, 0, &view) && view.number == theirs);
	assert_false(eng_job_next(d.eng, d.tenant, theirs, &view));
	d.tenant = ours;
	assert_true(eng_job_next(d.eng, d.tenant, 0, &view) && view.number == job);
	driver_close(&d);
}

static void
test_job__bounds(void **state)
{
	static char filter[FROE_JOB_FILTER_BYTES_MAX + 1];
	struct driver d;
	struct eng_job_view view;
	(void)state;
	driver_open(&d);
	d.check_every = 50;
	struct eng_command command = driver_command(&d, ENG_CMD_JOB_START);
	command.job_start.kind = 3;
	assert_int_equal(driver_try(&d, &command), FROE_INVALID_ARGUMENT);
	command.job_start.kind = ENG_JOB_CANCEL;
	command.job_start.filter = bytes_of(filter, FROE_JOB_FILTER_BYTES_MAX + 1);
	assert_int_equal(driver_try(&d, &command), FROE_TOO_LARGE);
	command.job_start.filter.size--;
	for (unsigned i = 0; i < FROE_JOBS_MAX; i++)
		assert_int_equal(driver_try(&d, &command), FROE_OK);
	assert_int_equal(driver_try(&d, &command), FROE_RESOURCE_EXHAUSTED);
	uint64_t last = FROE_JOBS_MAX;
	for (unsigned i = 0; i < FROE_JOBS_ENDED_MAX + 10; i++) {
		assert_int_equal(
		    driver_job_over(&d, ENG_CMD_JOB_CANCEL, last, 0, FROE_OK), FROE_OK);
		last = driver_job(&d, ENG_JOB_CANCEL, "f");
	}
	assert_false(eng_job(d.eng, FROE_JOBS_MAX, &view)); /* the first that ended is forgotten */
	assert_true(eng_job(d.eng, 1, &view));              /* older ones that go on are not */
	driver_crash(&d, SECOND);
	assert_true(eng_job(d.eng, 1, &view));
	struct eng_counts counts;
	eng_counts(d.eng, &counts);
	assert_int_equal(counts.jobs, FROE_JOBS_MAX + FROE_JOBS_ENDED_MAX);
	assert_int_equal(counts.jobs_running, FROE_JOBS_MAX);
	driver_close(&d);
}

static void
test_job__events_that_do_not_fit(void **state)
{
	struct driver d;
	struct froe_fault fault;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a");
	uint64_t run = driver_start(&d, "wf"), job = driver_job(&d, ENG_JOB_CANCEL, "f");
	struct eng_event start = {
	    .type = ENG_EV_JOB_STARTED,
	    .time_ns = d.now_ns,
	    .tenant = d.tenant.v,
	    .job = job + 1,
	    .kind = ENG_JOB_REPLAY,
	    .cursor = run + 1,
	};
	struct eng_event on = {.type = ENG_EV_JOB_ADVANCED, .job = job, .cursor = run};
	struct eng_event end = {.type = ENG_EV_JOB_ENDED, .job = job, .status = ENG_COMPLETED};
	struct eng_event bad[] = {start, start, start, start, start, on, on, on, end, end, end};
	bad[0].job = job;
	bad[1].job = job + 2;
	bad[2].tenant = 99;
	bad[3].kind = 0;
	bad[4].cursor = run + 2;
	bad[5].cursor = 0;
	bad[6].cursor = run + 1;
	bad[7].job = job + 1;
	bad[8].status = ENG_RUNNING;
	bad[9].status = 17;
	bad[10].job = 0;
	uint64_t hash = eng_hash(d.eng);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(eng_apply_logged(d.eng, &bad[i], &fault), FROE_CORRUPT);
	assert_true(eng_hash(d.eng) == hash);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_job__cancels_newest_to_oldest),
	    cmocka_unit_test(test_job__is_recorded),
	    cmocka_unit_test(test_job__replays),
	    cmocka_unit_test(test_job__tenants),
	    cmocka_unit_test(test_job__bounds),
	    cmocka_unit_test(test_job__events_that_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
