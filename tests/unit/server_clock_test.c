/*
 * Engine time over a simulated world: never back, slewed, deaf to jumps for a minute.
 */
#include "server/clock.h"

#include "base/duration.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define WALL (UINT64_C(1700000000) * NS_PER_S)

static struct io_env *
world(void)
{
	struct sim_options options = {.seed = 1, .start_wall_ns = WALL};
	return sim_open(&options);
}

static void
test_clock__starts_at_the_later_of_log_and_wall(void **state)
{
	struct io_env *env = world();
	struct clock clock;
	(void)state;
	clock_init(&clock, env, 0);
	assert_int_equal(clock.now_ns, WALL);
	clock_init(&clock, env, WALL + 5);
	assert_int_equal(clock.now_ns, WALL + 5);
	sim_release(env);
}

static void
test_clock__follows_elapsed_time(void **state)
{
	struct io_env *env = world();
	struct clock clock;
	(void)state;
	clock_init(&clock, env, 0);
	sim_advance(env, 3 * NS_PER_S);
	assert_int_equal(clock_read(&clock, io_mono_ns(env)), WALL + 3 * NS_PER_S);
	assert_int_equal(clock_mono_of(&clock, WALL + 4 * NS_PER_S), io_mono_ns(env) + NS_PER_S);
	assert_int_equal(clock_mono_of(&clock, UINT64_MAX), UINT64_MAX);
	sim_release(env);
}

/* Ahead of the wall by 2 s: at 5 % it takes 40 s to come together, and never runs back. */
static void
test_clock__slews(void **state)
{
	struct io_env *env = world();
	struct clock clock;
	(void)state;
	clock_init(&clock, env, WALL + 2 * NS_PER_S);
	uint64_t last = clock.now_ns;
	for (int second = 1; second <= 50; second++) {
		sim_advance(env, NS_PER_S);
		uint64_t now = clock_read(&clock, io_mono_ns(env));
		assert_true(now - last >= NS_PER_S - NS_PER_S / 20);
		assert_true(now - last <= NS_PER_S);
		last = now;
	}
	assert_int_equal(last, WALL + 50 * NS_PER_S);
	sim_release(env);
}

static void
test_clock__jump_is_ignored_for_a_minute(void **state)
{
	struct io_env *env = world();
	struct clock clock;
	(void)state;
	clock_init(&clock, env, 0);
	sim_wall_step(env, (int64_t)(3600 * NS_PER_S));
	uint64_t start = clock.now_ns;
	for (int second = 1; second <= 59; second++) {
		sim_advance(env, NS_PER_S);
		assert_int_equal(clock_read(&clock, io_mono_ns(env)),
		    start + (uint64_t)second * NS_PER_S);
	}
	for (int second = 0; second < 10; second++) {
		sim_advance(env, NS_PER_S);
		clock_read(&clock, io_mono_ns(env));
	}
	assert_int_equal(clock.jumps, 1);
	assert_true(clock.now_ns > start + 69 * NS_PER_S);
	assert_true(clock.now_ns < start + 70 * NS_PER_S);
	sim_release(env);
}

static void
test_clock__set_back_never_goes_back(void **state)
{
	struct io_env *env = world();
	struct clock clock;
	(void)state;
	clock_init(&clock, env, 0);
	sim_wall_step(env, -(int64_t)(10 * 365 * 86400 * NS_PER_S));
	uint64_t last = clock.now_ns;
	for (int i = 0; i < 200; i++) {
		sim_advance(env, NS_PER_S);
		uint64_t now = clock_read(&clock, io_mono_ns(env));
		assert_true(now >= last + NS_PER_S - NS_PER_S / 20);
		last = now;
	}
	sim_release(env);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_clock__starts_at_the_later_of_log_and_wall),
	    cmocka_unit_test(test_clock__follows_elapsed_time),
	    cmocka_unit_test(test_clock__slews),
	    cmocka_unit_test(test_clock__jump_is_ignored_for_a_minute),
	    cmocka_unit_test(test_clock__set_back_never_goes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
