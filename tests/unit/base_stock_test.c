/*
 * The stock against a plain account of what is in it: objects of all sizes come and go, keep their
 * bytes, do not overlap; memory that is empty is given back.
 */
#include "base/stock.h"

#include "base/fault.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OBJECTS 20000u

struct object {
	uint8_t *bytes;
	size_t size;
	uint8_t fill;
};

static void
object_check(const struct object *object)
{
	for (size_t i = 0; i < object->size; i++)
		assert_int_equal(object->bytes[i], object->fill);
}

static void
object_make(struct stock *stock, struct object *object, uint64_t dice)
{
	static const size_t edges[] = {0, 1, 8, 17, 128, 129, 512, 513, 1024, 1025, 4096, 4097};
	object->size = dice % 16 < 12 ? edges[dice % 12] : dice >> 8 & 1023;
	object->fill = (uint8_t)(dice >> 20);
	object->bytes = stock_alloc(stock, object->size);
	assert_int_equal((uintptr_t)object->bytes % 8, 0);
	memset(object->bytes, object->fill, object->size);
}

static void
object_drop(struct stock *stock, struct object *object)
{
	object_check(object);
	stock_free(stock, object->bytes, object->size);
	object->bytes = NULL;
}

static void
test_stock__objects_keep_their_bytes(void **state)
{
	static struct object objects[OBJECTS];
	struct stock stock;
	uint64_t dice = 7;
	(void)state;
	stock_init(&stock);
	for (int i = 0; i < 100000; i++) {
		uint64_t roll = dice_roll(&dice);
		struct object *object = &objects[roll % OBJECTS];
		/* By turns there are many, and few. */
		bool grows = (i / 20000) % 2 == 0;
		if (object->bytes == NULL && (grows || (roll >> 40) % 4 == 0))
			object_make(&stock, object, dice_roll(&dice));
		else if (object->bytes != NULL && (!grows || (roll >> 40) % 4 == 0))
			object_drop(&stock, object);
	}
	for (size_t i = 0; i < OBJECTS; i++) {
		if (objects[i].bytes != NULL)
			object_drop(&stock, &objects[i]);
	}
	assert_int_equal(stock.used, 0);
	assert_true(stock_bytes(&stock) <= 4u << 20);
	stock_release(&stock);
}

static void
test_stock__zeroed_and_given_back(void **state)
{
	static uint8_t *objects[OBJECTS];
	struct stock stock;
	(void)state;
	stock_init(&stock);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < OBJECTS; i++) {
			objects[i] = stock_zalloc(&stock, 400);
			for (size_t j = 0; j < 400; j++)
				assert_int_equal(objects[i][j], 0);
			memset(objects[i], 0xff, 400);
		}
		size_t most = stock_bytes(&stock);
		for (size_t i = 0; i < OBJECTS; i++)
			stock_free(&stock, objects[i], 400);
		assert_true(stock_bytes(&stock) <= 4u << 20);
#ifndef FROE_SLOW
		assert_true(most >= OBJECTS * 400 && most <= OBJECTS * 400 / 10 * 11 + (4u << 20));
#else
		(void)most;
#endif
	}
	stock_free(&stock, NULL, 400);
	stock_release(&stock);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_stock__objects_keep_their_bytes),
	    cmocka_unit_test(test_stock__zeroed_and_given_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
