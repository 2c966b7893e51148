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

/* In one batch and over batches. */
static void
test_index__newest_put_stays(void **state)
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
	row_put(place->index, 1, 1, 3);
	place_commit(place, 5);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){3, 2, 1, 0});
	row_make(&row, 1, 1, 4);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
	assert_int_equal(seen.last.status, 4);
	row_make(&row, 1, 2, 1);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_OK);
	assert_int_equal(seen.last.status, 5);
	index_check(place->index);
}

static void
workers_take(void *context, const struct index_run *run)
{
	struct buf *to = context;
	buf_reset(to);
	buf_push(to, run->workers.data, run->workers.size);
}

static void
workers_assert(struct place *place, uint64_t number, uint32_t count, const char *has)
{
	struct buf workers;
	struct row row;
	uint32_t found;
	buf_init(&workers);
	row_make(&row, 1, number, 0);
	assert_int_equal(index_find(place->index, row.run.id, workers_take, &workers), FROE_OK);
	assert_true(texts_good(buf_bytes(&workers), &found));
	assert_int_equal(found, count);
	assert_true(has == NULL || texts_have(buf_bytes(&workers), bytes_text(has)));
	buf_release(&workers);
}

/* A row with so many records of four bytes each; 0: of an open run. */
static void
row_put_records(struct place *place, uint64_t number, uint32_t seq, uint32_t records)
{
	struct row row;
	uint8_t places[64] = {0};
	row_make(&row, 1, number, 2);
	for (uint32_t i = 0; i < records; i++)
		places[i * 4] = (uint8_t)(i + 1);
	row.run.seq = seq;
	row.run.finished_ns = records > 0 ? 1 : 0;
	row.run.places = bytes_of(places, records * 4);
	index_put(place->index, &row.run);
}

static void
row_extend(struct place *place, uint64_t number, uint32_t seq)
{
	struct index_run run = {.tenant = 1, .number = number, .seq = seq};
	run.places = bytes_of((uint8_t[]){(uint8_t)seq, 0, 0, 0}, 4);
	index_extend(place->index, &run);
}

static void
places_take(void *context, const struct index_run *run)
{
	uint32_t *count = context;
	*count = run->seq;
	assert_int_equal(run->places.size, run->finished_ns != 0 ? run->seq * 4 : 0);
	for (size_t i = 0; i < run->places.size / 4; i++)
		assert_int_equal(run->places.data[i * 4], i + 1);
}

static void
records_assert(struct place *place, uint64_t number, uint32_t records)
{
	struct row row;
	uint32_t count = 0;
	row_make(&row, 1, number, 2);
	assert_int_equal(index_find(place->index, row.run.id, places_take, &count), FROE_OK);
	assert_int_equal(count, records);
}

/* Records behind the end, each once and in order, in one batch with the row or later. */
static void
test_index__is_extended(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint64_t number = 1; number <= 2; number++) {
		row_extend(place, number, 4); /* of no row */
		row_put_records(place, number, 1, 0);
		row_extend(place, number, 2); /* of an open run */
		row_put_records(place, number, 3, 3);
		row_extend(place, number, 4);
		if (number == 1)
			place_commit(place, 1);
		row_extend(place, number, 6); /* there is none before it */
		row_extend(place, number, 5);
		row_extend(place, number, 4); /* it is there */
	}
	place_commit(place, 2);
	records_assert(place, 1, 5);
	records_assert(place, 2, 5);
	row_put_records(place, 1, 3, 3); /* what is older, again */
	row_extend(place, 1, 4);
	row_extend(place, 1, 6);
	index_drop(place->index, 1, 2);
	row_extend(place, 2, 6);
	place_commit(place, 3);
	records_assert(place, 1, 6);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){1, 0});
	row_put_records(place, 1, 7, 0); /* it goes on */
	row_extend(place, 1, 8);
	place_commit(place, 4);
	records_assert(place, 1, 7);
	index_check(place->index);
}

/* Workers are added: before the put, after it, by an older one; and there is a limit to them. */
static void
test_index__workers(void **state)
{
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	struct row row;
	char name[16];
	assert_int_equal(place_open(place, store_a), FROE_OK);
	index_touch(place->index, 1, 5, bytes_text("early"));
	place_commit(place, 1);
	row_make(&row, 1, 5, 0);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_NOT_FOUND);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0}); /* it is not a row yet */
	row_put(place->index, 1, 5, 0);
	index_touch(place->index, 1, 5, bytes_text("late"));
	index_touch(place->index, 1, 5, bytes_text("late"));
	index_touch(place->index, 1, 6, bytes_text("late"));
	row_put(place->index, 1, 6, 2); /* and worker-0 */
	place_commit(place, 2);
	workers_assert(place, 5, 2, "early");
	workers_assert(place, 6, 2, "worker-0");
	row_put(place->index, 1, 6, 1); /* older: only its worker is taken */
	place_commit(place, 3);
	workers_assert(place, 6, 3, "worker-3");
	for (unsigned i = 0; i < INDEX_WORKERS_MAX + 5; i++) {
		snprintf(name, sizeof(name), "many-%u", i);
		index_touch(place->index, 1, 5, bytes_text(name));
		if (i % 3 == 0)
			place_commit(place, 4);
	}
	place_commit(place, 4);
	workers_assert(place, 5, INDEX_WORKERS_MAX, "many-13");
	index_check(place->index);
}

/* Dropped runs are in no table any more; one may come again. */
static void
test_index__drop(void **state)
{
	struct place *place = *state;
	struct seen seen = {.stop_at = 8};
	struct row row;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint64_t number = 1; number <= 6; number++)
		row_put(place->index, 1, number, 2);
	index_drop(place->index, 1, 6); /* in the same batch */
	index_drop(place->index, 1, 77);
	place_commit(place, 1);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){5, 4, 3, 2, 1, 0});
	index_drop(place->index, 1, 2);
	index_drop(place->index, 1, 5);
	index_drop(place->index, 1, 5);
	index_drop(place->index, 1, 77);
	index_drop(place->index, 1, 3);
	row_put(place->index, 1, 3, 1);
	place_commit(place, 2);
	index_check(place->index);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){4, 3, 1, 0});
	row_make(&row, 1, 5, 0);
	assert_int_equal(index_find(place->index, row.run.id, seen_one, &seen), FROE_NOT_FOUND);
	row_put(place->index, 1, 5, 0);
	place_commit(place, 3);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){5, 4, 3, 1, 0});
	for (uint64_t number = 1; number <= 6; number++)
		index_drop(place->index, 1, number);
	place_commit(place, 4);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){0});
	index_check(place->index);
}

/* What was closed before a time goes, whatever lies between; what is open stays. */
static void
test_index__expire(void **state)
{
	struct place *place = *state;
	struct row row;
	struct index_sweep at = {0};
	unsigned slices = 0;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	for (uint32_t tenant = 1; tenant <= 2; tenant++) {
		for (uint64_t number = 1; number <= 100; number++) {
			row_make(&row, tenant, number, number % 10 == 0 ? 0 : 2);
			row.run.created_ns = 1000 + number;
			if (row.run.finished_ns != 0)
				row.run.finished_ns = number == 7 ? 5000 : 1010 + number;
			index_put(place->index, &row.run);
		}
	}
	row_put(place->index, UINT32_MAX, UINT64_MAX, 0);
	place_commit(place, 1);
	while (index_expire(place->index, 1060, 30, &at) == FROE_OK)
		slices++;
	assert_in_range(slices, 3, 7);
	place_commit(place, 2);
	index_check(place->index);
	for (uint32_t tenant = 1; tenant <= 2; tenant++) {
		/* Closed at 1060 or later, or open: 10, 20, ..., 7, and 50 on. */
		list_assert(place->index, tenant, 50, 0, (uint64_t[]){40, 30, 20, 10, 7, 0});
		list_assert(place->index, tenant, 53, 2, (uint64_t[]){52, 51, 0});
	}
	at = (struct index_sweep){0};
	assert_int_equal(index_expire(place->index, 1060, 1000, &at), FROE_NOT_FOUND);
	assert_int_equal(index_pending(place->index), 0);
}

/* What lacks rows says so when it is opened again. */
static void
test_index__not_complete(void **state)
{
	struct place *place = *state;
	struct froe_fault fault;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_put(place->index, 1, 1, 0);
	assert_int_equal(index_commit(place->index, 9, false, &fault), FROE_OK);
	place_close(place);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 0);
	list_assert(place->index, 1, 0, 0, (uint64_t[]){1, 0}); /* but has what it has */
	place_commit(place, 9);
	place_close(place);
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_int_equal(place->applied, 9);
}

static void
test_index__gone(void **state)
{
	struct place *place = *state;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	assert_false(index_gone(place->index));
	place_remove(place, "data.mdb");
	assert_true(index_gone(place->index));
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
	assert_int_equal(index_commit(place->index, 2, true, &fault), FROE_CORRUPT);
	place_close(place);
	assert_true(place_has(place, "UNCLEAN"));
}

static uint64_t
number_of(struct place *place, struct uuid id)
{
	struct seen seen = {.stop_at = 8};
	enum froe_err err = index_find(place->index, id, seen_one, &seen);
	assert_true(err == FROE_OK || err == FROE_NOT_FOUND);
	return err == FROE_OK ? seen.numbers[0] : 0;
}

/* A client that starts a run with an id of long ago: the id is the newer run's, in whatever order
 * the two are put, and stays it when the older one goes. */
static void
test_index__id_used_again(void **state)
{
	struct place *place = *state;
	struct row row;
	struct uuid id;
	assert_int_equal(place_open(place, store_a), FROE_OK);
	row_make(&row, 1, 5, 1);
	id = row.run.id;
	for (unsigned order = 0; order < 4; order++) {
		uint64_t applied = 10 * (order + 1);
		for (unsigned i = 0; i < 2; i++) {
			row_make(&row, 1, (i == order % 2) ? 5 : 9, 1);
			row.run.id = id;
			index_put(place->index, &row.run);
			if (order >= 2)
				place_commit(place, applied + i);
		}
		place_commit(place, applied + 2);
		assert_int_equal(number_of(place, id), 9);
		index_check(place->index);
		index_drop(place->index, 1, 5);
		place_commit(place, applied + 3);
		assert_int_equal(number_of(place, id), 9);
		index_check(place->index);
		index_drop(place->index, 1, 9);
		place_commit(place, applied + 4);
		assert_int_equal(number_of(place, id), 0);
		index_check(place->index);
	}
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
	    CASE(test_index__newest_put_stays),
	    CASE(test_index__is_extended),
	    CASE(test_index__workers),
	    CASE(test_index__drop),
	    CASE(test_index__expire),
	    CASE(test_index__not_complete),
	    CASE(test_index__gone),
	    CASE(test_index__reopen),
	    CASE(test_index__foreign_store),
	    CASE(test_index__other_id),
	    CASE(test_index__id_used_again),
	    CASE(test_index__map_grows),
	    CASE(test_index__model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
