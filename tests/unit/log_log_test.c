/*
 * The log as its owner sees it: create, append, read back, on every world.
 */
#include "log_world.h"

static void
round_trip(struct world *world)
{
	world_open(world);
	assert_true(world->report.created);
	assert_int_equal(world->report.epoch, 1);
	for (size_t i = 0; i < 300; i++)
		world_put(world, i * 7 % 9000);
	world_settle(world);
	world_close(world);
	world_open(world);
	assert_false(world->report.created);
	assert_false(world->report.clean);
	assert_int_equal(world->report.records, 300);
	assert_int_equal(world->report.epoch, 2);
	world_put(world, 0);
	world_stop(world);
	world_open(world);
	assert_true(world->report.clean);
	assert_int_equal(world->report.records, 301);
	assert_int_equal(world->report.cut_bytes, 0);
}

static void
test_log__round_trip_posix(void **state)
{
	(void)state;
	struct world *world = world_real(io_env_posix());
	round_trip(world);
	world_free(world);
}

static void
test_log__round_trip_uring(void **state)
{
	(void)state;
	if (!world_has_uring())
		skip();
	struct world *world = world_real(io_env_uring());
	round_trip(world);
	world_free(world);
}

static void
test_log__round_trip_sim(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	round_trip(world);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__round_trip_sim),
	    cmocka_unit_test(test_log__round_trip_posix),
	    cmocka_unit_test(test_log__round_trip_uring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
