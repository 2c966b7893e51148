/*
 * Gathering: what comes while a write is under way is one write; so is much that is at hand.
 */
#include "log_image.h"

/* While more comes at once, a frame waits for the write under way, and for nothing else; what is
 * full does not wait. */
static void
test_log__gathers_while_a_write_is_under_way(void **state)
{
	struct world *world = world_sim(22);
	struct log_stats stats;
	size_t size = 100, large = 60000;
	(void)state;
	world_open(world);
	world_settle(world);
	uint64_t first = log_tail_seq(world->log);
	world_append(world, 1, &size);
	log_flush_gathering(world->log, 1); /* none is under way */
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 1);
	for (unsigned i = 0; i < 20; i++) {
		world_append(world, 1, &size);
		log_flush_gathering(world->log, 1);
	}
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 1);
	assert_int_equal(log_tail_seq(world->log), first + 2);
	log_flush(world->log); /* nothing more comes */
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 2);
	while (log_tail_seq(world->log) < first + 5) { /* frames that hold no more */
		world_wait_for_room(world, step_bytes(1, &large));
		world_append(world, 1, &large);
		log_flush_gathering(world->log, 1);
	}
	log_stats(world->log, &stats);
	assert_true(stats.inflight > 1);
	world_settle(world);
	assert_int_equal(log_durable_seq(world->log), log_tail_seq(world->log));
	size_t appended = world->appended;
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, appended);
	world_free(world);
}

/* With much at hand a frame waits until it is large, although nothing is under way. */
static void
test_log__gathers_what_is_at_hand(void **state)
{
	struct world *world = world_sim(23);
	struct log_stats stats;
	size_t size = 100;
	unsigned appended = 0;
	(void)state;
	world_open(world);
	world_settle(world);
	do {
		world_append(world, 1, &size);
		appended++;
		log_flush_gathering(world->log, LOG_GATHER_BYTES);
		log_stats(world->log, &stats);
	} while (stats.inflight == 0);
	assert_true(appended * (size + LOG_RECORD_HEADER_BYTES + 8) >= LOG_GATHER_BYTES);
	assert_true(appended * size <= LOG_GATHER_BYTES);
	world_settle(world);
	world_append(world, 1, &size);
	log_flush_gathering(world->log, LOG_GATHER_BYTES);
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 0);
	log_flush_gathering(world->log, LOG_GATHER_BYTES - 1); /* not so much any more */
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 1);
	world_settle(world);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__gathers_while_a_write_is_under_way),
	    cmocka_unit_test(test_log__gathers_what_is_at_hand),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
