/*
 * What is asked for is present after as many steps as it has pieces, unchanged; stock and keyset
 * ask for what they are going to use, and use it.
 */
#include "base/prefault.h"

#include "base/keyset.h"
#include "base/mem.h"
#include "base/stock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PIECE PREFAULT_PIECE_BYTES

static void
count_wake(void *context)
{
	++*(unsigned *)context;
}

static bool
is_present(const void *block)
{
	unsigned char present;
	assert_int_equal(mincore((void *)(uintptr_t)block, 4096, &present), 0);
	return (present & 1) != 0;
}

/* A kernel before 5.14, or a sandbox, does not know it. */
static bool
can_populate(void)
{
	void *block = mem_pages(PIECE);
	bool can = madvise(block, PIECE, 23 /* MADV_POPULATE_WRITE */) == 0;
	mem_pages_free(block, PIECE);
	return can;
}

static void
test_prefault__present_and_unchanged(void **state)
{
	struct prefault prefault;
	unsigned wakes = 0;
	(void)state;
	if (!can_populate())
		skip();
	prefault_init(&prefault, count_wake, &wakes);
	uint8_t *block = mem_pages(3 * PIECE + 4096);
	assert_int_equal(madvise(block, 3 * PIECE + 4096, MADV_NOHUGEPAGE), 0);
	block[5] = 7;
	prefault_ask(&prefault, block, 3 * PIECE + 4096);
	prefault_ask(&prefault, block, PIECE - 1);
	prefault_ask(NULL, block, PIECE);
	assert_int_equal(wakes, 1);
	assert_false(is_present(block + PIECE));
	for (size_t i = 0; i < 3; i++) {
		assert_true(prefault_step(&prefault));
		assert_true(is_present(block + i * PIECE));
		assert_true(is_present(block + (i + 1) * PIECE - 4096));
	}
	assert_false(prefault_step(&prefault));
	assert_false(is_present(block + 3 * PIECE));
	assert_int_equal(block[5], 7);
	mem_pages_free(block, 3 * PIECE + 4096);
	prefault_release(&prefault);
}

/* More than the ring holds, and what is gone before its turn: wishes that do not come true. */
static void
test_prefault__only_a_wish(void **state)
{
	struct prefault prefault;
	unsigned wakes = 0, steps = 0;
	(void)state;
	prefault_init(&prefault, count_wake, &wakes);
	uint8_t *block = mem_pages(100 * PIECE);
	prefault_ask(&prefault, block, 100 * PIECE);
	mem_pages_free(block, 100 * PIECE);
	while (prefault_step(&prefault))
		steps++;
	assert_true(steps > 0 && steps < 100);
	prefault_release(&prefault);
}

struct thing {
	uint64_t key;
};

static void
test_prefault__keyset_grows_into_it(void **state)
{
	static struct thing things[200000];
	struct prefault prefault;
	struct keyset set;
	unsigned wakes = 0;
	(void)state;
	prefault_init(&prefault, count_wake, &wakes);
	keyset_init(&set, offsetof(struct thing, key), sizeof(uint64_t));
	keyset_prefault(&set, &prefault);
	keyset_reserve(&set, (1u << 18) / 4 * 3); /* the next one is of 4 MiB */
	size_t capacity = set.capacity;
	for (size_t i = 0; i < capacity / 4 * 3; i++) {
		things[i].key = i;
		assert_true(keyset_add(&set, &things[i]));
		assert_int_equal(set.ahead != NULL, i + 1 >= capacity / 8 * 5);
		assert_int_equal(set.capacity, capacity);
	}
	/* Down again and up: it is asked for once. */
	for (uint64_t i = 0; i < capacity / 4; i++)
		assert_ptr_equal(keyset_remove_u64(&set, i), &things[i]);
	for (uint64_t i = 0; i < capacity / 4; i++)
		assert_true(keyset_add(&set, &things[i]));
	assert_int_equal(wakes, 1);
	const uint64_t *ahead = set.ahead;
	things[capacity / 4 * 3].key = capacity;
	assert_true(keyset_add(&set, &things[capacity / 4 * 3]));
	assert_int_equal(set.capacity, 2 * capacity);
	assert_ptr_equal(set.slots, ahead);
	assert_null(set.ahead);
	for (uint64_t i = 0; i < capacity / 4 * 3; i++)
		assert_ptr_equal(keyset_get_u64(&set, i), &things[i]);
	keyset_release(&set);
	prefault_release(&prefault);
}

#ifndef FROE_SLOW /* then objects are the heap's */
#define OBJECT 4096u
#define REGION ((size_t)2 << 20)

static void
test_prefault__stock_maps_ahead(void **state)
{
	static void *objects[16 * REGION / OBJECT];
	struct prefault prefault;
	struct stock stock;
	unsigned wakes = 0, count = 0, asked = 0;
	(void)state;
	prefault_init(&prefault, count_wake, &wakes);
	stock_init(&stock);
	stock_prefault(&stock, &prefault);
	while (stock.region_count - stock.spare_count < 14) {
		objects[count++] = stock_alloc(&stock, OBJECT);
		if (stock.region_count - stock.spare_count > 8)
			assert_true(stock.spare_count > 0);
		else
			assert_int_equal(wakes, 0); /* a small one is not worth it */
	}
	while (prefault_step(&prefault))
		asked++;
	assert_int_equal(asked, stock.region_count - 8);
	for (unsigned i = 0; i < count; i++)
		stock_free(&stock, objects[i], OBJECT);
	assert_int_equal(stock.used, 0);
	assert_true(stock_bytes(&stock) <= (2 + stock.spare_count) * REGION);
	stock_release(&stock);
	prefault_release(&prefault);
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_prefault__present_and_unchanged),
	    cmocka_unit_test(test_prefault__only_a_wish),
	    cmocka_unit_test(test_prefault__keyset_grows_into_it),
#ifndef FROE_SLOW
	    cmocka_unit_test(test_prefault__stock_maps_ahead),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
