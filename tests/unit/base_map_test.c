/*
 * The map against arrays, over puts and removals with keys that collide.
 */
#include "base/map.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define KEYS 700

static void
test_map__empty(void **state)
{
	struct map map;
	int value;
	(void)state;
	map_init(&map);
	assert_null(map_get_u64(&map, 0));
	assert_null(map_remove_u64(&map, 0));
	map_put_u64(&map, 0, &value);
	assert_ptr_equal(map_get_u64(&map, 0), &value);
	assert_null(map_get(&map, 1, 0));
	assert_ptr_equal(map_remove_u64(&map, 0), &value);
	assert_null(map_get_u64(&map, 0));
	assert_int_equal(map.count, 0);
	map_release(&map);
}

static void
test_map__uuid_keys(void **state)
{
	struct map map;
	int values[2];
	struct uuid a = {.bytes = {[0] = 1}}, b = {.bytes = {[15] = 1}};
	(void)state;
	map_init(&map);
	map_put_uuid(&map, a, &values[0]);
	map_put_uuid(&map, b, &values[1]);
	assert_ptr_equal(map_get_uuid(&map, a), &values[0]);
	assert_ptr_equal(map_get_uuid(&map, b), &values[1]);
	assert_ptr_equal(map_remove_uuid(&map, a), &values[0]);
	assert_null(map_get_uuid(&map, a));
	assert_ptr_equal(map_get_uuid(&map, b), &values[1]);
	map_release(&map);
}

/* Every key is looked up after every few steps: a removal that breaks a chain is seen. */
static void
test_map__model(void **state)
{
	struct map map;
	char values[KEYS][2];
	char *model[KEYS] = {0};
	size_t count = 0;
	uint64_t dice = 3;
	(void)state;
	map_init(&map);
	for (int step = 0; step < 60000; step++) {
		uint64_t roll = dice_roll(&dice);
		/* Waves: mostly puts, then mostly removals. */
		bool put = (roll >> 32) % 10 < (step / 5000 % 2 == 0 ? 7u : 3u);
		size_t key = roll % KEYS;
		if (put) {
			count += model[key] == NULL;
			model[key] = &values[key][roll >> 20 & 1];
			map_put(&map, key % 3, key, model[key]);
		} else {
			assert_ptr_equal(map_remove(&map, key % 3, key), model[key]);
			count -= model[key] != NULL;
			model[key] = NULL;
		}
		assert_int_equal(map.count, count);
		assert_true(map.count * 4 <= map.capacity * 3);
		for (size_t i = 0; step % 50 == 0 && i < KEYS; i++)
			assert_ptr_equal(map_get(&map, i % 3, i), model[i]);
	}
	map_release(&map);
}

static void
test_map__add(void **state)
{
	static int values[KEYS];
	struct map map;
	(void)state;
	map_init(&map);
	for (uint64_t i = 0; i < KEYS; i++) {
		assert_true(map_add_u64(&map, i, &values[i]));
		assert_false(map_add_u64(&map, i, &values[0]));
	}
	assert_int_equal(map.count, KEYS);
	for (uint64_t i = 0; i < KEYS; i++)
		assert_ptr_equal(map_get_u64(&map, i), &values[i]);
	map_release(&map);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_map__add),
	    cmocka_unit_test(test_map__empty),
	    cmocka_unit_test(test_map__uuid_keys),
	    cmocka_unit_test(test_map__model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
