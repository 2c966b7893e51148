/*
 * server/strangers: each limit at its value and one past it.
 */
#include "server/strangers.h"

#include "base/duration.h"
#include "base/fault.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ROOM 100u

static void
begin(struct strangers *strangers, uint32_t per_source, uint32_t reserved, size_t bytes)
{
	struct strangers_limits limits = {per_source, reserved, bytes, NULL};
	strangers_init(strangers, &limits);
}

static void
test_strangers__per_address(void **state)
{
	struct strangers strangers;
	struct stranger some[STRANGERS_PER_SOURCE + 1], other;
	(void)state;
	begin(&strangers, STRANGERS_PER_SOURCE, 0, 1000);
	for (size_t i = 0; i < STRANGERS_PER_SOURCE; i++)
		assert_true(strangers_admit(&strangers, &some[i], 7, ROOM, 1));
	struct stranger *last = &some[STRANGERS_PER_SOURCE];
	assert_false(strangers_admit(&strangers, last, 7, ROOM, 1));
	assert_true(strangers_admit(&strangers, &other, 8, ROOM, 1)); /* another address */
	strangers_gone(&strangers, last); /* was never counted */
	assert_false(strangers_admit(&strangers, last, 7, ROOM, 1));
	strangers_known(&strangers, &some[3], 1); /* who is known is no stranger */
	assert_true(strangers_admit(&strangers, last, 7, ROOM, 1));
	assert_false(strangers_admit(&strangers, &some[3], 7, ROOM, 1));
	strangers_gone(&strangers, &some[4]);
	strangers_gone(&strangers, &some[4]);
	assert_true(strangers_admit(&strangers, &some[4], 7, ROOM, 1));
	assert_int_equal(strangers.count, STRANGERS_PER_SOURCE + 1);
	strangers_release(&strangers);
}

/* 0: any number; and those whose address is not known are not one address. */
static void
test_strangers__any_number(void **state)
{
	struct strangers strangers;
	static struct stranger some[2000];
	(void)state;
	begin(&strangers, 0, 0, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_true(strangers_admit(&strangers, &some[i], 7, ROOM, 1));
	strangers_release(&strangers);
	begin(&strangers, 1, 0, 1000);
	for (size_t i = 0; i < 1000; i++)
		assert_true(strangers_admit(&strangers, &some[i], 0, ROOM, 1));
	strangers_release(&strangers);
}

static void
test_strangers__room_is_kept(void **state)
{
	struct strangers strangers;
	struct stranger one, two;
	(void)state;
	begin(&strangers, 0, 10, 1000);
	assert_true(strangers_admit(&strangers, &one, 7, 11, 1));
	assert_false(strangers_admit(&strangers, &two, 7, 10, 1));
	strangers_known(&strangers, &one, 1); /* others of its address are welcome now */
	assert_true(strangers_admit(&strangers, &two, 7, 10, 600 * NS_PER_S));
	assert_false(strangers_admit(&strangers, &one, 7, 10, 600 * NS_PER_S + 1));
	assert_false(strangers_admit(&strangers, &one, 8, 10, 1));
	assert_false(strangers_admit(&strangers, &one, 0, 10, 1));
	strangers_release(&strangers);
}

/* One loop learns who it is, another one is at the door. */
static void
test_strangers__known_to_another_loop(void **state)
{
	static struct strangers_addresses addresses;
	struct strangers_limits limits = {.reserved = 10, .bytes = 1000, .addresses = &addresses};
	struct strangers door, edge, alone;
	struct stranger one, two;
	(void)state;
	strangers_init(&door, &limits);
	strangers_init(&edge, &limits);
	begin(&alone, 0, 10, 1000);
	assert_true(strangers_admit(&edge, &one, 7, ROOM, 1));
	assert_false(strangers_admit(&door, &two, 7, 10, 1));
	strangers_known(&edge, &one, 1);
	assert_true(strangers_admit(&door, &two, 7, 10, 1));
	assert_false(strangers_admit(&alone, &one, 7, 10, 1));
	strangers_release(&door);
	strangers_release(&edge);
	strangers_release(&alone);
}

static void
test_strangers__memory(void **state)
{
	struct strangers strangers;
	struct stranger one, two;
	(void)state;
	begin(&strangers, 0, 0, 1000);
	assert_true(strangers_admit(&strangers, &one, 7, ROOM, 1));
	assert_true(strangers_admit(&strangers, &two, 7, ROOM, 1));
	assert_true(strangers_hold(&strangers, &one, 600));
	assert_true(strangers_hold(&strangers, &two, 400));
	assert_false(strangers_hold(&strangers, &two, 401));
	assert_true(strangers_hold(&strangers, &two, 401)); /* it has not grown */
	assert_true(strangers_hold(&strangers, &one, 10));
	assert_int_equal(strangers.bytes, 411);
	strangers_known(&strangers, &two, 1);
	assert_int_equal(strangers.bytes, 10);
	assert_true(strangers_hold(&strangers, &two, 1 << 20)); /* counted no more */
	assert_int_equal(strangers.bytes, 10);
	strangers_gone(&strangers, &one);
	assert_int_equal(strangers.bytes, 0);
	assert_int_equal(strangers.count, 0);
	strangers_release(&strangers);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_strangers__per_address),
	    cmocka_unit_test(test_strangers__any_number),
	    cmocka_unit_test(test_strangers__room_is_kept),
	    cmocka_unit_test(test_strangers__known_to_another_loop),
	    cmocka_unit_test(test_strangers__memory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
