/*
 * The write path from inside: its invariants hold at any moment, and a breach of one is seen.
 */
#include "log_world.h"

#include "log/log_int.h"

/* What a sanitizer build asks at each flush: good at any moment, and false for each breach. */
static void
test_log__check(void **state)
{
	struct world *world = world_sim(95);
	size_t size = 40000;
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 200; i++) {
		world_put(world, world_below(world, 90000));
		if (i % 4 == 0)
			log_flush(world->log);
		assert_true(log_check(world->log));
		io_step(world->io, io_mono_ns(world->env) + MS / 8);
		assert_true(log_check(world->log));
	}
	world_settle(world);
	for (unsigned i = 0; i < 3; i++) { /* two are written, one takes records */
		world_wait_for_room(world, step_bytes(1, &size));
		world_append(world, 1, &size);
		if (i < 2)
			log_flush(world->log);
	}
	struct log *log = world->log, good = *world->log;
	struct log_frame *frames[3];
	assert_int_equal(log->count, 3);
	for (unsigned i = 0; i < 3; i++)
		frames[i] = &log->frames[(log->head + i) % LOG_FRAMES];
	assert_int_equal(frames[1]->state, LOG_FRAME_WRITING);
	assert_int_equal(frames[2]->state, LOG_FRAME_BUILDING);
	frames[1]->header.seq++;
	assert_false(log_check(log));
	frames[1]->header.seq--;
	frames[1]->state = LOG_FRAME_FREE;
	assert_false(log_check(log));
	frames[1]->state = LOG_FRAME_BUILDING;
	assert_false(log_check(log));
	frames[1]->state = LOG_FRAME_WRITING;
	frames[0]->state = LOG_FRAME_SEALED;
	assert_false(log_check(log));
	frames[0]->state = LOG_FRAME_WRITING;
	log->inflight++;
	assert_false(log_check(log));
	log->inflight--;
	log->options.inflight_max = 1;
	assert_false(log_check(log));
	log->options.inflight_max = good.options.inflight_max;
	frames[0]->bytes++;
	frames[1]->bytes++;
	assert_false(log_check(log));
	frames[0]->bytes--;
	frames[1]->bytes--;
	assert_true(log_check(log));
	world_settle(world);
	size_t appended = world->appended;
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, appended);
	world_free(world);
}

/* A disk that says "again" is asked again. */
static void
test_log__write_that_is_asked_again(void **state)
{
	(void)state;
	for (unsigned watermark = 0; watermark < 2; watermark++) {
		struct world *world = world_sim(97 + watermark);
		world_open(world);
		world_put(world, 100);
		world_settle(world);
		if (watermark == 0)
			world_settle_watermark(world);
		size_t size = 5000;
		sim_fail_after(world->env, 0, FROE_IN_USE);
		if (watermark == 1) {
			sim_advance(world->env, 100 * MS);
			log_tick(world->log, io_mono_ns(world->env));
		} else {
			world_append(world, 1, &size);
			log_flush(world->log);
		}
		world_settle_watermark(world);
		assert_false(log_failed(world->log, NULL));
		world_free(world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__check),
	    cmocka_unit_test(test_log__write_that_is_asked_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
