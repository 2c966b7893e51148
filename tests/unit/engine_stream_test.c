/* Streams: chunks of a lease in order, one that is sent again taken once, and their bound. */
#include "engine_driver.h"

#include "froe/limits.h"

static enum froe_err
stream(struct driver *d, uint64_t run, uint32_t sequence)
{
	struct eng_command command = driver_task_command(d, ENG_CMD_TASK_STREAM, run, "a");
	command.task.bytes = bytes_text("chunk");
	command.task.sequence = sequence;
	return driver_try(d, &command);
}

static size_t
chunks(const struct driver *d)
{
	size_t count = 0;
	for (size_t i = 0; i < d->ledger.event_count; i++)
		count += d->ledger.events[i].type == ENG_EV_TASK_STREAMED ? 1 : 0;
	return count;
}

static void
open_one(struct driver *d, uint64_t *ret_run, uint32_t retries)
{
	struct workflow workflow;
	driver_open(d);
	workflow_parse(&workflow, &d->arena, "wf", "a");
	workflow.tasks[0].retries = retries;
	driver_put(d, &workflow);
	driver_worker(d, 1, 1, "wf:a");
	*ret_run = driver_start(d, "wf");
}

static void
test_stream__sent_again_is_taken_once(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	open_one(&d, &run, 0);
	assert_int_equal(stream(&d, run, 1), FROE_OK);
	assert_int_equal(stream(&d, run, 2), FROE_OK);
	assert_int_equal(stream(&d, run, 1), FROE_OK);
	assert_int_equal(stream(&d, run, 2), FROE_OK);
	assert_int_equal(chunks(&d), 2);
	assert_int_equal(stream(&d, run, 4), FROE_INVALID_ARGUMENT); /* 3 is missing */
	assert_int_equal(stream(&d, run, 3), FROE_OK);
	assert_int_equal(stream(&d, run, 0), FROE_OK); /* whichever is next */
	assert_int_equal(chunks(&d), 4);
	driver_close(&d);
}

static void
test_stream__each_lease_counts_anew(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	open_one(&d, &run, 1);
	assert_int_equal(stream(&d, run, 1), FROE_OK);
	driver_fail(&d, run, "a");
	assert_int_equal(stream(&d, run, 1), FROE_OK);
	assert_int_equal(chunks(&d), 2);
	driver_close(&d);
}

static void
test_stream__needs_the_lease(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	open_one(&d, &run, 0);
	struct eng_command late = driver_task_command(&d, ENG_CMD_TASK_STREAM, run, "a");
	late.task.bytes = bytes_text("late");
	driver_complete(&d, run, "a");
	assert_int_equal(driver_try(&d, &late), FROE_LEASE_LAPSED);
	assert_int_equal(chunks(&d), 0);
	driver_close(&d);
}

static void
test_stream__is_bounded(void **state)
{
	struct driver d;
	uint64_t run;
	(void)state;
	open_one(&d, &run, 0);
	struct eng_command command = driver_task_command(&d, ENG_CMD_TASK_STREAM, run, "a");
	command.task.bytes = bytes_text("x");
	for (uint32_t i = 0; i < FROE_STREAM_CHUNKS_MAX; i++) { /* past the driver's checks */
		const struct eng_output *output = eng_step(d.eng, &command, d.now_ns, 1);
		assert_int_equal(output->effects[0].err, FROE_OK);
		assert_int_equal(output->event_count, 1);
	}
	const struct eng_output *output = eng_step(d.eng, &command, d.now_ns, 1);
	assert_int_equal(output->effects[0].err, FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(output->event_count, 0);
	command.type = ENG_CMD_TASK_COMPLETE; /* it can end all the same */
	command.task.bytes = bytes_text("1");
	output = eng_step(d.eng, &command, d.now_ns, 1);
	assert_int_equal(output->effects[output->effect_count - 1].status, ENG_COMPLETED);
	if (d.twin != NULL)
		eng_close(d.twin);
	eng_close(d.eng);
	ledger_release(&d.ledger);
	arena_release(&d.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stream__sent_again_is_taken_once),
	    cmocka_unit_test(test_stream__each_lease_counts_anew),
	    cmocka_unit_test(test_stream__needs_the_lease),
	    cmocka_unit_test(test_stream__is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
