/*
 * The index in use, and against a model over commits and reopenings.
 */
#include "index_place.h"

static void
test_index__empty(void **state)
{
	struct place *place = *state;
	struct seen seen = {0};
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	assert_int_equal(index_pending(place->index), 0);
	assert_int_equal(index_find(place->index, store_a, seen_one, &seen), FROE_NOT_FOUND);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0});
	list_assert(place->index, UINT32_MAX, 5, 0, (uint64_t[]){0});
	place_commit(place, 0); /* nothing to write */
	place_close(place);
	assert_false(place_has(place, "UNCLEAN"));
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
}

static void
test_index__list_and_find(void **state)
{
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	/* Out of order, over tenants, numbers that differ in every byte. */
	row_put(place->index, 2, 300, 0);
	row_put(place->index, 2, 5, 0);
	row_put(place->index, UINT32_MAX, 1, 1);
	row_put(place->index, 1, 256, 0);
	row_put(place->index, 1, 255, 2);
	row_put(place->index, 1, UINT64_C(1) << 40, 3);
	row_put(place->index, UINT32_MAX, UINT64_MAX, 0);
	row_put(place->index, 0, 9, 0);
	assert_int_equal(index_pending(place->index), 8);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0}); /* not before the commit */
	place_commit(place, 17);
	list_assert(place->index, 0, 0, 0, (uint64_t[]){9, 0});
	list_assert(place->index, 1, 0, 0, (uint64_t[]){UINT64_C(1) << 40, 256, 255, 0});
	list_assert(place->index, 1, 256, 0, (uint64_t[]){255, 0});
	list_assert(place->index, 1, 257, 1, (uint64_t[]){256, 0});
	list_assert(place->index, 1, 255, 0, (uint64_t[]){0});
	list_assert(place->index, 2, 0, 0, (uint64_t[]){300, 5, 0});
	list_assert(place->index, 3, 0, 0, (uint64_t[]){0});
	list_assert(place->index, UINT32_MAX, 0, 0, (uint64_t[]){UINT64_MAX, 1, 0});
	row_make(&row, 1, 255, 2);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
	assert_true(seen.numbers[0] == 255);
	assert_int_equal(seen.last.tenant, 1);
	row.run.id.bytes[15] ^= 1;
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_NOT_FOUND);
}

static void
test_index__last_put_wins(void **state)
{
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	row_put(place->index, 1, 2, 0);
	row_put(place->index, 1, 1, 4);
	place_commit(place, 3);
	row_put(place->index, 1, 2, 5);
	row_put(place->index, 1, 3, 1);
	row_put(place->index, 1, 2, 1);
	place_commit(place, 4);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){3, 2, 1, 0});
	row_make(&row, 1, 1, 4);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
	assert_int_equal(seen.last.status, 4);
	row_make(&row, 1, 2, 1);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
	assert_int_equal(seen.last.status, 1);
}

static void
test_index__reopen(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 10);
	place_commit(place, 11); /* the position alone */
	row_put(place->index, 1, 2, 0);
	place_close(place); /* what is pending is dropped */
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 11);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){1, 0});
}

static void
test_index__foreign_store(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 10);
	place_close(place);
	assert_int_equal(place_open(place, store_b), FROE_OK);
	assert_int_equal(place->applied, 0);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0});
	place_commit(place, 1);
	place_close(place);
	assert_int_equal(place_open(place, store_b), FROE_OK);
	assert_int_equal(place->applied, 1);
}

/* The log was put back and went another way under the same store: told, not papered over. */
static void
test_index__other_id(void **state)
{
	struct place *place = *state;
	struct froe_fault fault;
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	place_commit(place, 1);
	row_make(&row, 1, 1, 0);
	row.run.id.bytes[9] ^= 1;
	index_put(place->index, &row.run);
	assert_int_equal(index_commit(place->index, 2, &fault), FROE_CORRUPT);
	place_close(place);
	assert_true(place_has(place, "UNCLEAN"));
}

/* More than the first 64 MiB of map, in one batch and over batches. */
static void
test_index__map_grows(void **state)
{
	enum { BIG = 1 << 20, COUNT = 75 };
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	uint8_t *places = mem_zalloc(BIG);
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint64_t number = 1; number <= COUNT; number++) {
		row_make(&row, 1, number, 1);
		places[0] = (uint8_t)number;
		row.run.places = bytes_of(places, BIG);
		index_put(place->index, &row.run);
		if (number == 5 || number == COUNT)
			place_commit(place, number);
	}
	place_close(place);
	place_touch(place, "UNCLEAN");
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, COUNT);
	for (uint64_t number = 1; number <= COUNT; number++) {
		row_make(&row, 1, number, 1);
		seen.count = 0;
		assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
		assert_true(seen.numbers[0] == number);
	}
	mem_free(places);
}

static void
test_index__model(void **state)
{
	struct model *model = model_make(*state, 11);
	mem_free(model);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_index__empty),
	    CASE(test_index__list_and_find),
	    CASE(test_index__last_put_wins),
	    CASE(test_index__reopen),
	    CASE(test_index__foreign_store),
	    CASE(test_index__other_id),
	    CASE(test_index__map_grows),
	    CASE(test_index__model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
