/*
 * Additional metadata: kept as it was given, sent with tasks, bounded.
 */
#include "engine_driver.h"

#include "froe/limits.h"

static enum froe_err
start_with(struct driver *d, const struct bytes *texts, uint32_t count)
{
	struct eng_command command = driver_start_command(d, "wf");
	command.run_start.metadata = texts;
	command.run_start.metadata_count = count;
	return driver_try(d, &command);
}

static void
test_metadata__travels_with_tasks(void **state)
{
	const struct bytes texts[] = {bytes_text("order"), bytes_text("77"),
	    bytes_text("n\xc3\xb6te"), bytes_text("")};
	struct driver d;
	struct eng_dispatch dispatch;
	struct eng_run_info info;
	struct arena arena;
	(void)state;
	driver_open(&d);
	driver_define(&d, "wf", "a b<a");
	assert_int_equal(start_with(&d, texts, 4), FROE_OK);
	uint64_t run = driver_reply(&d)->run;
	driver_worker(&d, 1, 1, "wf:a wf:b");
	driver_complete(&d, run, "a");
	driver_crash(&d, SECOND);
	assert_true(eng_dispatch(d.eng, run, 1, 1, d.now_ns, &dispatch));
	assert_int_equal(dispatch.metadata_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_true(bytes_equal(dispatch.metadata[i], texts[i]));
	arena_init(&arena, 0);
	assert_true(eng_run_info(d.eng, run, &arena, &info));
	assert_int_equal(info.metadata_count, 4);
	assert_true(eng_run_info(d.eng, run, NULL, &info));
	assert_int_equal(info.metadata_count, 0);
	arena_release(&arena);
	driver_complete(&d, run, "b");
	const struct eng_effect *closed = driver_effect(&d, ENG_EFF_RUN_CLOSED, 0);
	assert_int_equal(closed->info.metadata_count, 4);
	assert_true(bytes_equal(closed->info.metadata[2], texts[2])); /* the run is gone */
	driver_close(&d);
}

/* At the limits, and one past each. */
static void
test_metadata__limits(void **state)
{
	enum { MAX = 2 * FROE_METADATA_PAIRS_MAX };
	static uint8_t large[FROE_METADATA_BYTES_MAX + 1];
	static char names[MAX][8];
	struct bytes texts[MAX + 2];
	struct driver d;
	(void)state;
	memset(large, 'x', sizeof(large));
	driver_open(&d);
	driver_define(&d, "wf", "a");
	for (unsigned i = 0; i < MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "%u", i);
		texts[i] = bytes_text(names[i]);
	}
	texts[MAX] = bytes_text("one");
	texts[MAX + 1] = bytes_text("more");
	assert_int_equal(start_with(&d, texts, MAX), FROE_OK);
	assert_int_equal(start_with(&d, texts, MAX + 2), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "metadata");
	assert_int_equal(start_with(&d, texts, 3), FROE_INVALID_ARGUMENT);
	texts[0] = bytes_of(large, FROE_NAME_BYTES_MAX);
	texts[1] = bytes_of(large, FROE_METADATA_BYTES_MAX - FROE_NAME_BYTES_MAX);
	assert_int_equal(start_with(&d, texts, 2), FROE_OK);
	texts[1] = bytes_of(large, FROE_METADATA_BYTES_MAX - FROE_NAME_BYTES_MAX + 1);
	assert_int_equal(start_with(&d, texts, 2), FROE_INVALID_ARGUMENT);
	texts[0] = bytes_of(large, FROE_NAME_BYTES_MAX + 1);
	texts[1] = bytes_text("");
	assert_int_equal(start_with(&d, texts, 2), FROE_INVALID_ARGUMENT);
	texts[0] = bytes_text("");
	assert_int_equal(start_with(&d, texts, 2), FROE_INVALID_ARGUMENT);
	texts[0] = texts[2] = bytes_text("twice");
	texts[3] = bytes_text("");
	assert_int_equal(start_with(&d, texts, 4), FROE_INVALID_ARGUMENT);
	texts[2] = bytes_text("\xff");
	assert_int_equal(start_with(&d, texts, 4), FROE_INVALID_ARGUMENT);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_metadata__travels_with_tasks),
	    cmocka_unit_test(test_metadata__limits),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
