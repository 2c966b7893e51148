/*
 * The resolver: dense places for each run, and a cache that never shows a body that was written
 * over.
 */
#include "log/resolver.h"

#include "base/hash.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>
#include <string.h>

#define RUNS 7u
#define HEAD_BYTES 24u /* of a record in the cache, beside its body */
#define RECORDS 3000u
/* Of so many bytes of the cache one record is found. */
#define RECORD_BYTES 64u

static struct log_place
place_of(uint64_t event_seq, size_t body)
{
	return (struct log_place){
	    .lsn.v = UINT64_C(1) << 32 | event_seq * 64,
	    .event_seq = event_seq,
	    .size = LOG_RECORD_HEADER_BYTES + (uint32_t)body,
	};
}

/* What was added, in order. */
struct added {
	uint64_t run;
	uint32_t no;
	uint32_t size;
};

static uint8_t
body_byte(uint64_t event_seq, size_t at)
{
	return (uint8_t)(event_seq * 37 + at * 11);
}

/* The body is in a buffer that the next call overwrites. */
static struct log_entry
entry_of(uint64_t event_seq, const struct added *added)
{
	static uint8_t body[1024];
	for (size_t i = 0; i < added->size; i++)
		body[i] = body_byte(event_seq, i);
	return (struct log_entry){
	    .type = (uint16_t)added->no,
	    .run_event_no = added->no,
	    .run_key = added->run,
	    .time_ns = event_seq * 1000,
	    .body = bytes_of(body, added->size),
	};
}

static void
add(struct resolver *resolver, uint64_t event_seq, const struct added *added)
{
	struct log_place place = place_of(event_seq, added->size);
	struct log_entry entry = entry_of(event_seq, added);
	resolver_add(resolver, &entry, &place, 1);
}

/* True if it is cached; then it must be the very record. */
static bool
look(struct resolver *resolver, uint64_t event_seq, const struct added *added)
{
	struct resolver_record record;
	if (!resolver_record(resolver, added->run, added->no, &record))
		return false;
	assert_int_equal(record.type, (uint16_t)added->no);
	assert_int_equal(record.time_ns, event_seq * 1000);
	assert_int_equal(record.body.size, added->size);
	for (size_t i = 0; i < added->size; i++)
		assert_int_equal(record.body.data[i], body_byte(event_seq, i));
	return true;
}

/* After each record, all that are still cached are themselves, and the newest ones are cached: at
 * a wrap less than the largest cacheable body is left unused. */
static void
check_cache(size_t cache_bytes, size_t size_max)
{
	static struct added added[RECORDS];
	struct resolver *resolver = resolver_open(cache_bytes);
	uint32_t counts[RUNS] = {0};
	size_t hits = 0;

	for (uint64_t seq = 0; seq < RECORDS; seq++) {
		uint64_t dice = hash64(&seq, sizeof(seq), cache_bytes);
		uint64_t run = dice % RUNS;
		added[seq] = (struct added){run + 1, ++counts[run],
		    (uint32_t)(dice >> 8 & 7 ? (dice >> 16) % (size_max + 1) : 0)};
		add(resolver, seq + 1, &added[seq]);
		size_t newer = 0;
		for (uint64_t at = seq + 1; at-- > 0 && at + 150 > seq;) {
			bool cached = look(resolver, at + 1, &added[at]);
			newer += HEAD_BYTES + added[at].size;
			if (newer <= cache_bytes / 2 && HEAD_BYTES + size_max <= cache_bytes / 2 &&
			    seq - at < cache_bytes / RECORD_BYTES)
				assert_true(cached);
			if (newer > cache_bytes)
				assert_false(cached);
			hits += cached;
		}
	}
	assert_true(hits >= RECORDS);
	resolver_close(resolver);
}

static void
test_resolver__cache_shows_nothing_that_was_written_over(void **state)
{
	(void)state;
	check_cache(4096, 100);
	check_cache(4096, 1000);
	check_cache(4096, 8); /* more records than have a position */
	check_cache(1000, 476); /* not whole pages */
	check_cache(997, 300);
	check_cache(192, 64);
}

/* A record of more than half the cache is never cached, and harms nobody. */
static void
test_resolver__too_large_for_the_cache(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(1000);
	struct added small = {1, 1, 400}, large = {1, 2, 501 - HEAD_BYTES},
	             most = {1, 3, 500 - HEAD_BYTES};
	add(resolver, 1, &small);
	add(resolver, 2, &large);
	assert_true(look(resolver, 1, &small));
	assert_false(look(resolver, 2, &large));
	add(resolver, 3, &most);
	assert_true(look(resolver, 3, &most));
	resolver_close(resolver);
}

static void
test_resolver__without_a_cache(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(0);
	struct log_place place;
	struct added empty = {9, 1, 0}, some = {9, 2, 10};
	add(resolver, 1, &empty);
	add(resolver, 2, &some);
	assert_false(look(resolver, 1, &empty));
	assert_false(look(resolver, 2, &some));
	assert_true(resolver_place(resolver, 9, 2, &place));
	assert_int_equal(place.event_seq, 2);
	resolver_close(resolver);
}

static void
test_resolver__places_are_dense(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(256);
	struct log_place place;
	struct log_place places[500];

	for (uint32_t no = 1; no <= 500; no++) {
		for (uint64_t run = 1; run <= RUNS; run++) {
			struct added one = {run, no, 3};
			add(resolver, no * 10 + run, &one);
		}
	}
	assert_int_equal(resolver_runs(resolver), RUNS);
	for (uint64_t run = 1; run <= RUNS; run++) {
		assert_int_equal(resolver_count(resolver, run), 500);
		resolver_places(resolver, run, 0, 500, places);
		for (uint32_t no = 1; no <= 500; no++) {
			assert_int_equal(places[no - 1].event_seq, no * 10 + run);
			assert_true(resolver_place(resolver, run, no, &place));
			assert_int_equal(place.event_seq, places[no - 1].event_seq);
			assert_int_equal(place.lsn.v, places[no - 1].lsn.v);
			assert_int_equal(place.size, places[no - 1].size);
		}
		assert_false(resolver_place(resolver, run, 0, &place));
		assert_false(resolver_place(resolver, run, 501, &place));
		assert_false(resolver_place(resolver, run, UINT32_MAX, &place));
	}
	assert_false(resolver_place(resolver, RUNS + 1, 1, &place));
	resolver_places(resolver, RUNS, 499, 1, places);
	assert_int_equal(places[0].event_seq, 5000 + RUNS);
	assert_int_equal(resolver_count(resolver, RUNS + 1), 0);
	resolver_close(resolver);
}

/* As many records of a run at once as one by one: of a new run, and of one that there is. */
static void
test_resolver__adds_a_step(void **state)
{
	enum { STEP_MAX = 40 };
	struct log_place places[STEP_MAX];
	struct log_entry entries[STEP_MAX];
	struct resolver *resolver = resolver_open(4096);
	uint64_t event_seq = 1;
	(void)state;
	for (uint32_t step = 1; step <= STEP_MAX; step++) {
		struct added added = {step % 4 + 1, 0, 0};
		uint32_t before = resolver_count(resolver, added.run);
		for (uint32_t i = 0; i < step; i++) {
			added.no = before + i + 1;
			entries[i] = entry_of(event_seq + i, &added);
			places[i] = place_of(event_seq + i, 0);
		}
		resolver_add(resolver, entries, places, step);
		assert_int_equal(resolver_count(resolver, added.run), before + step);
		resolver_places(resolver, added.run, before, step, places);
		for (uint32_t i = 0; i < step; i++) {
			added.no = before + i + 1;
			assert_int_equal(places[i].event_seq, event_seq + i);
			assert_true(look(resolver, event_seq + i, &added));
		}
		event_seq += step;
	}
	resolver_close(resolver);
}

/* A run may be forgotten and begin anew, also the one that was added to last. */
static void
test_resolver__forgets_a_run(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(256);
	struct added one = {5, 1, 8}, other = {6, 1, 8};
	add(resolver, 1, &other);
	add(resolver, 2, &one);
	resolver_forget(resolver, 5);
	resolver_forget(resolver, 5);
	resolver_forget(resolver, 77);
	assert_false(look(resolver, 2, &one));
	assert_int_equal(resolver_count(resolver, 5), 0);
	assert_int_equal(resolver_runs(resolver), 1);
	add(resolver, 3, &one);
	assert_true(look(resolver, 3, &one));
	assert_true(look(resolver, 1, &other));
	resolver_forget(resolver, 6);
	assert_true(look(resolver, 3, &one));
	one.no = 2;
	add(resolver, 4, &one);
	assert_true(look(resolver, 4, &one));
	resolver_close(resolver);
}

/* Behind the end of a run, if it is known still. */
static void
test_resolver__late_records(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(256);
	struct added one = {5, 1, 8};
	struct log_place place;
	add(resolver, 1, &one);
	struct log_entry entry = {.type = 9, .run_event_no = 2, .run_key = 5, .time_ns = 2000};
	struct log_place late = place_of(2, 0);
	resolver_add_late(resolver, &entry, &late);
	assert_int_equal(resolver_count(resolver, 5), 2);
	assert_true(resolver_place(resolver, 5, 2, &place));
	assert_int_equal(place.event_seq, 2);
	resolver_forget(resolver, 5);
	entry.run_event_no = 3;
	late = place_of(3, 0);
	resolver_add_late(resolver, &entry, &late);
	assert_int_equal(resolver_runs(resolver), 0);
	resolver_close(resolver);
}

/* Many runs' places in a row, some in several pieces; then it is as if they had been added. */
static void
test_resolver__loads_many(void **state)
{
	(void)state;
	struct resolver *resolver = resolver_open(256);
	struct log_place places[40], place;
	for (uint32_t i = 0; i < 40; i++)
		places[i] = (struct log_place){.event_seq = i + 1, .size = 40};
	for (uint64_t run = 1; run <= 100; run++) {
		uint32_t records = (uint32_t)(run % 40 + 1);
		resolver_load_next(resolver, run, places, run % 7 == 0 ? 1 : records);
		if (run % 7 == 0 && records > 1)
			resolver_load_next(resolver, run, places + 1, records - 1);
	}
	assert_true(resolver_load_end(resolver));
	assert_int_equal(resolver_runs(resolver), 100);
	for (uint64_t run = 1; run <= 100; run++) {
		uint32_t count = resolver_count(resolver, run);
		assert_int_equal(count, run % 40 + 1);
		for (uint32_t no = 1; no <= count; no++) {
			assert_true(resolver_place(resolver, run, no, &place));
			assert_int_equal(place.event_seq, no);
		}
		struct added next = {run, count + 1, 8};
		add(resolver, 1000 + run, &next);
		assert_true(look(resolver, 1000 + run, &next));
	}
	resolver_load_next(resolver, 5, places, 0);
	assert_false(resolver_load_end(resolver));
	resolver_close(resolver);
}

static void
count_wake(void *context)
{
	++*(unsigned *)context;
}

/* What is written to for the first time is asked for ahead, once; then nothing is. What the cache
 * shows is what it was. */
static void
test_resolver__asks_ahead_in_the_first_round(void **state)
{
	struct prefault prefault;
	unsigned wakes = 0, pieces = 0;
	uint64_t event_seq = 1 << 20; /* its place is the first of the positions */
	size_t bytes = 8 * PREFAULT_PIECE_BYTES;
	struct resolver *resolver = resolver_open(bytes);
	struct added added = {.run = 1, .size = 1000};
	(void)state;
	prefault_init(&prefault, count_wake, &wakes);
	resolver_prefault(resolver, &prefault);
	for (uint64_t done = 0; done < 3 * bytes; done += added.size + HEAD_BYTES) {
		added.no++;
		event_seq += 40; /* so that the positions go round as well */
		add(resolver, event_seq, &added);
		assert_true(look(resolver, event_seq, &added));
		if (done < PREFAULT_PIECE_BYTES / 5)
			assert_int_equal(wakes, 0); /* it is not worth it yet */
		while (prefault_step(&prefault))
			pieces++;
		if (done > 2 * bytes)
			assert_int_equal(wakes, pieces);
	}
	/* Of the cache all; of its positions, which are an eighth of it, all too. */
	assert_int_equal(pieces, 8 + 1);
	resolver_close(resolver);
	prefault_release(&prefault);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_resolver__loads_many),
	    cmocka_unit_test(test_resolver__cache_shows_nothing_that_was_written_over),
	    cmocka_unit_test(test_resolver__too_large_for_the_cache),
	    cmocka_unit_test(test_resolver__without_a_cache),
	    cmocka_unit_test(test_resolver__places_are_dense),
	    cmocka_unit_test(test_resolver__adds_a_step),
	    cmocka_unit_test(test_resolver__forgets_a_run),
	    cmocka_unit_test(test_resolver__asks_ahead_in_the_first_round),
	    cmocka_unit_test(test_resolver__late_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
