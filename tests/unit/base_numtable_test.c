/*
 * The table against an array: numbers in order and at random, while few and while many are there;
 * and what it takes of memory when each page is full, and when each has one.
 */
#include "base/numtable.h"

#include "base/mem.h"
#include "dice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NUMBERS 6000u
#define PAGE 32u

struct world {
	struct stock stock;
	struct numtable table;
	char objects[2 * NUMBERS]; /* two for each number */
	char *model[NUMBERS];
	uint64_t first; /* number of model[0] */
	uint64_t dice;
};

static struct world *
world_open(uint64_t first)
{
	struct world *world = mem_zalloc(sizeof(*world));
	world->first = first;
	world->dice = first + 3;
	stock_init(&world->stock);
	numtable_init(&world->table, &world->stock);
	return world;
}

static void
world_close(struct world *world)
{
	numtable_release(&world->table);
	assert_int_equal(world->stock.used, 0);
	assert_int_equal(world->table.count, 0);
	stock_release(&world->stock);
	mem_free(world);
}

static void
model_add(struct world *world, size_t i)
{
	char *object = &world->objects[2 * i + (dice_roll(&world->dice) & 1)];
	assert_int_equal(numtable_add(&world->table, world->first + i, object),
	    world->model[i] == NULL);
	if (world->model[i] == NULL)
		world->model[i] = object;
}

static void
model_remove(struct world *world, size_t i)
{
	assert_ptr_equal(numtable_remove(&world->table, world->first + i), world->model[i]);
	world->model[i] = NULL;
}

static void
model_replace(struct world *world, size_t i)
{
	if (world->model[i] == NULL)
		return;
	world->model[i] = &world->objects[2 * i + (dice_roll(&world->dice) & 1)];
	numtable_replace(&world->table, world->first + i, world->model[i]);
}

static void
count_one(void *context, void *object)
{
	struct world *world = context;
	size_t i = (size_t)((char *)object - world->objects) / 2;
	assert_ptr_equal(world->model[i], object);
	world->objects[2 * i] ^= 1; /* each is seen once */
}

static void
model_check(struct world *world)
{
	size_t count = 0, pages = 0;
	for (size_t i = 0; i < NUMBERS; i++) {
		assert_ptr_equal(
		    numtable_get(&world->table, world->first + i), world->model[i]);
		count += world->model[i] != NULL;
	}
	assert_int_equal(world->table.count, count);
	numtable_each(&world->table, count_one, world);
	for (size_t i = 0; i < NUMBERS; i++) {
		assert_int_equal(world->objects[2 * i], world->model[i] != NULL);
		world->objects[2 * i] = 0;
	}
	struct numtable_walk walk = numtable_walk_begin(&world->table);
	for (size_t i = 0; i < NUMBERS; i++) {
		if (world->model[i] != NULL)
			assert_ptr_equal(numtable_walk_next(&walk), world->model[i]);
	}
	assert_null(numtable_walk_next(&walk));
	numtable_walk_end(&walk);
	for (size_t i = 0, page = 0; i < NUMBERS; i++) {
		uint64_t number = world->first + i;
		if (i == 0 || number % PAGE == 0)
			page = 0;
		if (world->model[i] != NULL && page++ == 0)
			pages++;
	}
	/* None for numbers that are gone, but the newest. */
	assert_in_range(world->table.pages.count, pages, pages + 1);
	assert_int_equal(world->stock.used, world->table.pages.count);
}

/* As runs come and go: in order, each gone after a while, some after a long one. */
static void
in_order(uint64_t first, uint64_t stay)
{
	struct world *world = world_open(first);
	for (size_t i = 0; i < NUMBERS; i++) {
		model_add(world, i);
		model_replace(world, dice_roll(&world->dice) % (i + 1));
		for (int times = 0; times < 2; times++) {
			uint64_t back = dice_roll(&world->dice) % stay;
			if (back <= i && (i - back) % 100 != 0)
				model_remove(world, i - back);
		}
		if (i % 97 == 0)
			model_check(world);
	}
	model_check(world);
	world_close(world);
}

static void
test_numtable__in_order(void **state)
{
	(void)state;
	in_order(1, 1);
	in_order(1, 10);
	in_order(77, 300);
	in_order(5000, 5000);
	in_order(UINT64_MAX - NUMBERS + 1, 300);
}

static void
test_numtable__any_order(void **state)
{
	(void)state;
	for (uint64_t round = 0; round < 6; round++) {
		struct world *world = world_open(round * 1000);
		uint64_t numbers = round % 2 == 0 ? NUMBERS : 300;
		for (int step = 0; step < 60000; step++) {
			uint64_t roll = dice_roll(&world->dice);
			/* Waves: mostly adds, then mostly removals. */
			bool more = (roll >> 32) % 10 < (step / 9000 % 2 == 0 ? 7u : 3u);
			if (more)
				model_add(world, roll % numbers);
			else
				model_remove(world, roll % numbers);
			if (step % 1500 == 0)
				model_check(world);
		}
		model_check(world);
		world_close(world);
	}
}

static void
test_numtable__empty(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	numtable_prefetch(&world->table, 7);
	assert_null(numtable_get(&world->table, 0));
	assert_null(numtable_remove(&world->table, 7));
	struct numtable_walk walk = numtable_walk_begin(&world->table);
	assert_null(numtable_walk_next(&walk));
	assert_null(numtable_walk_next(&walk));
	numtable_reserve(&world->table, NUMBERS);
	model_add(world, 7);
	numtable_prefetch(&world->table, 7);
	assert_null(numtable_get(&world->table, 8));
	assert_null(numtable_get(&world->table, 7 + (UINT64_C(1) << 40)));
	assert_null(numtable_remove(&world->table, 8));
	model_remove(world, 7);
	model_remove(world, 7);
	world_close(world);
}

/* The newest page stays when it is empty, so one run after the other takes and gives no memory. */
static void
test_numtable__one_after_the_other(void **state)
{
	struct world *world = world_open(0);
	(void)state;
	for (size_t i = 0; i < NUMBERS; i++) {
		model_add(world, i);
		model_remove(world, i);
		assert_int_equal(world->stock.used, 1);
	}
	world_close(world);
}

#ifndef FROE_SLOW /* then objects are the heap's */
static size_t
bytes_of_numbers(uint64_t apart, uint64_t count)
{
	struct world *world = world_open(0);
	for (uint64_t i = 0; i < count; i++)
		assert_true(numtable_add(&world->table, i * apart, world->objects));
	size_t bytes = stock_bytes(&world->stock) + world->table.pages.capacity * 8;
	world_close(world);
	return bytes;
}

static void
test_numtable__memory(void **state)
{
	(void)state;
	/* 8.5 bytes and the pages' slots; 24 and a slot. Up to 2 MiB of a region are not used. */
	assert_in_range(bytes_of_numbers(1, 1000000), 8500000, 9100000 + (2u << 20));
	assert_in_range(bytes_of_numbers(64, 1000000), 24000000, 41000000 + (2u << 20));
}
#endif

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numtable__empty),
	    cmocka_unit_test(test_numtable__in_order),
	    cmocka_unit_test(test_numtable__any_order),
	    cmocka_unit_test(test_numtable__one_after_the_other),
#ifndef FROE_SLOW
	    cmocka_unit_test(test_numtable__memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
