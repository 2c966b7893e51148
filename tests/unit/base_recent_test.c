/*
 * The ring against a plain array, over additions and removals with numbers that ascend, that share
 * their place, and that are anything.
 */
#include "base/recent.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NUMBERS 600

static uint64_t
dice_roll(uint64_t *dice)
{
	uint64_t z = (*dice += UINT64_C(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	return z ^ (z >> 31);
}

/* Invariants 1 and 2. */
static void
recent_check(const struct recent *recent)
{
	size_t count = recent->older.count;
	for (size_t i = 0; i < recent->capacity; i++) {
		if (recent->slots[i].value == NULL)
			continue;
		count++;
		assert_int_equal(recent->slots[i].number & (recent->capacity - 1), i);
		assert_null(map_get_u64(&recent->older, recent->slots[i].number));
	}
	assert_int_equal(count, recent->count);
	assert_true(2 * count <= recent->capacity);
}

static void
test_recent__empty(void **state)
{
	struct recent recent;
	int a, b;
	(void)state;
	recent_init(&recent);
	assert_null(recent_get(&recent, 0));
	assert_null(recent_remove(&recent, 0));
	assert_true(recent_add(&recent, 0, &a));
	assert_false(recent_add(&recent, 0, &b));
	assert_ptr_equal(recent_get(&recent, 0), &a);
	assert_null(recent_get(&recent, 8));
	assert_null(recent_remove(&recent, 8));
	assert_ptr_equal(recent_remove(&recent, 0), &a);
	assert_null(recent_get(&recent, 0));
	assert_int_equal(recent.count, 0);
	recent_release(&recent);
}

/* A thousand come and go in order: nobody is ever in the map, and the ring stays small. */
static void
test_recent__in_order(void **state)
{
	struct recent recent;
	int value;
	(void)state;
	recent_init(&recent);
	for (uint64_t number = 1; number <= 1000; number++) {
		assert_true(recent_add(&recent, number, &value));
		if (number > 100)
			assert_ptr_equal(recent_remove(&recent, number - 100), &value);
		assert_int_equal(recent.older.count, 0);
		recent_check(&recent);
	}
	assert_int_equal(recent.count, 100);
	assert_in_range(recent.capacity, 200, 256);
	recent_release(&recent);
}

static void
numbers_run(uint64_t stride, uint64_t seed)
{
	struct recent recent;
	static int values[NUMBERS];
	bool there[NUMBERS] = {0};
	size_t count = 0;
	recent_init(&recent);
	for (int step = 0; step < 20000; step++) {
		uint64_t i = dice_roll(&seed) % NUMBERS, number = i * stride;
		if (dice_roll(&seed) % 2 == 0) {
			assert_int_equal(recent_add(&recent, number, &values[i]), !there[i]);
			count += !there[i];
			there[i] = true;
		} else {
			void *removed = recent_remove(&recent, number);
			assert_ptr_equal(removed, there[i] ? &values[i] : NULL);
			count -= there[i];
			there[i] = false;
		}
		assert_int_equal(recent.count, count);
		i = dice_roll(&seed) % NUMBERS;
		assert_ptr_equal(
		    recent_get(&recent, i * stride), there[i] ? &values[i] : NULL);
		if (step % 100 == 0)
			recent_check(&recent);
	}
	recent_release(&recent);
}

static void
test_recent__any_order(void **state)
{
	(void)state;
	numbers_run(1, 1);
	numbers_run(4096, 2); /* all of them want one place */
	numbers_run(UINT64_C(0x9e3779b97f4a7c15), 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_recent__empty),
	    cmocka_unit_test(test_recent__in_order),
	    cmocka_unit_test(test_recent__any_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
