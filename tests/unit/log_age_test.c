/*
 * Retention where nothing is logged any more: time passes all the same. What is old goes at its
 * time, nobody does anything before, and no crash makes it young again.
 */
#include "log_story.h"

static void
story_woken(void *context)
{
	unsigned *wakes = context;
	(*wakes)++;
}

/* Segments of runs that have ended, and then nothing any more. */
static struct story *
story_idle(uint64_t seed, unsigned *wakes)
{
	struct story *story = story_new(seed);
	log_set_spares_wake(story->world->log, story_woken, wakes);
	story_fill(story, 300, LOG_RECORD_CLOSES);
	OK(story->world, story_snapshot(story));
	world_settle_watermark(story->world);
	story_retain(story);
	assert_int_equal(story_stats(story).segment_oldest, 1);
	return story;
}

/* Nothing is logged, and yet what has become old goes: each segment at its time, for which the log
 * wakes housekeeping; until then nobody has anything to do. */
static void
test_age__an_idle_log_ages(void **state)
{
	unsigned wakes = 0, ages = 0;
	struct story *story = story_idle(77, &wakes);
	struct log *log = story->world->log;
	uint64_t tail = log_tail_seq(log), last = log_sealed(log), alarm_ns;
	(void)state;
	while ((alarm_ns = log_alarm_ns(log)) != UINT64_MAX) {
		uint64_t oldest = story_stats(story).segment_oldest;
		uint64_t operations = sim_operations(story->world->env);
		assert_true(alarm_ns > story->world->now_ns);
		story->world->now_ns = alarm_ns - 1;
		wakes = 0;
		story_retain(story);
		assert_int_equal(wakes, 0);
		assert_int_equal(sim_operations(story->world->env), operations);
		story->world->now_ns = alarm_ns;
		story_turn(story);
		assert_int_equal(wakes, 1);
		story_retain(story);
		assert_int_equal(story_stats(story).segment_oldest, oldest + 1);
		story_check(story, UINT64_MAX);
		ages++;
	}
	assert_int_equal(story_stats(story).segment_oldest, last);
	assert_int_equal(ages, last - 1);
	assert_int_equal(log_tail_seq(log), tail);
	story_free(story);
}

/* Where nothing can be given up, time passes without a word to the disk. */
static void
test_age__an_idle_log_rests(void **state)
{
	unsigned wakes = 0;
	struct story *story = story_idle(78, &wakes);
	(void)state;
	story->world->now_ns += 1000 * KEEP_NS;
	story_retain(story);
	assert_true(story_stats(story).segment_oldest > 3);
	uint64_t operations = sim_operations(story->world->env);
	wakes = 0;
	for (unsigned i = 0; i < 100; i++) {
		story->world->now_ns += KEEP_NS;
		story_retain(story);
	}
	assert_int_equal(log_alarm_ns(story->world->log), UINT64_MAX);
	assert_int_equal(sim_operations(story->world->env), operations);
	assert_int_equal(wakes, 0);
	story_free(story);
}

/* What is to be removed is removed, though there is not a block left to write to. */
static void
test_age__a_full_disk(void **state)
{
	unsigned wakes = 0;
	struct story *story = story_idle(79, &wakes);
	struct world *world = story->world;
	struct io_space space;
	int ballast;
	(void)state;
	OK(world, io_path_space(world->env, "/", &space, &world->fault));
	OK(world, io_file_open(world->env, "/ballast", IO_OPEN_WRITE | IO_OPEN_CREATE, &ballast,
	    &world->fault));
	OK(world, io_file_allocate(world->env, ballast, space.free_bytes, &world->fault));
	io_file_close(world->env, ballast);
	story->world->now_ns += 2 * KEEP_NS;
	story_retain(story);
	assert_false(retention_waits(story->retention));
	assert_int_equal(story_stats(story).segment_oldest, log_sealed(world->log));
	assert_int_equal(story_stats(story).cold_files, 0);
	story_free(story);
}

/* Power is lost in the n-th file operation of a retention that no frame tells the time of, and the
 * machine comes back with a clock that is behind: engine time is not before what was decided by it.
 * True: it ended before. */
static bool
die_by_the_clock(uint64_t seed, uint64_t at)
{
	unsigned wakes = 0;
	struct story *story = story_idle(seed, &wakes);
	struct world *world = story->world;
	uint64_t logged_ns = world->now_ns, before = sim_operations(world->env);
	world->now_ns += KEEP_NS * 4 / 5 + world_below(world, KEEP_NS / 5);
	sim_die_after(world->env, at);
	story_retain(story);
	bool ended = sim_operations(world->env) - before < at;
	sim_crash(world->env);
	story_close(story);
	OK(world, story_open(story));
	bool begun = story_stats(story).segment_oldest > 1;
	assert_true(world->report.last_time_ns <= world->now_ns);
	assert_true(world->report.last_time_ns >= logged_ns);
	assert_true(begun == (world->report.last_time_ns > logged_ns));
	assert_true(begun || !ended);
	world->now_ns = world->report.last_time_ns;
	story_check(story, UINT64_MAX);
	story_retain(story);
	assert_false(story_stats(story).failed);
	story_check(story, UINT64_MAX);
	story_free(story);
	return ended;
}

static void
test_age__time_does_not_come_back(void **state)
{
	uint64_t at = 0;
	(void)state;
	for (uint64_t seed = 2000; !die_by_the_clock(seed, at); seed++)
		at += at < 40 ? 1 : 1 + at / 16;
	assert_true(at > 40);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_age__an_idle_log_ages),
	    cmocka_unit_test(test_age__an_idle_log_rests),
	    cmocka_unit_test(test_age__a_full_disk),
	    cmocka_unit_test(test_age__time_does_not_come_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
