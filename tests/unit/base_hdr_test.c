/* base/hdr: three digits everywhere, percentiles against sorted values, merging, the ends. */
#include "base/hdr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

static uint64_t
dice(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 16;
}

static int
compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static void
test_hdr__one_value_is_all_percentiles_to_three_digits(void **state)
{
	uint64_t dies = 7;
	struct hdr hdr;
	(void)state;
	hdr_init(&hdr);
	for (unsigned i = 0; i < 42; i++) {
		for (unsigned j = 0; j < 200; j++) {
			uint64_t least = UINT64_C(1) << i, value = least + dice(&dies) % least;
			hdr_reset(&hdr);
			hdr_add(&hdr, value);
			hdr_add(&hdr, HDR_VALUE_MAX); /* so that max does not cut it */
			hdr_check(&hdr);
			uint64_t read = hdr_percentile(&hdr, 50);
			assert_true(read >= value && read - value <= value / 1000);
			assert_true(value >= 2048 || read == value);
		}
	}
	hdr_release(&hdr);
}

static void
test_hdr__percentiles_are_those_of_sorted_values(void **state)
{
	static const double percents[] = {0, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
	enum { COUNT = 20000 };
	uint64_t dies = 1, *values = malloc(COUNT * sizeof(*values));
	struct hdr hdr;
	(void)state;
	assert_non_null(values);
	hdr_init(&hdr);
	for (unsigned i = 0; i < COUNT; i++) {
		values[i] = dice(&dies) >> (20 + dice(&dies) % 20);
		hdr_add(&hdr, values[i]);
	}
	hdr_check(&hdr);
	qsort(values, COUNT, sizeof(*values), compare);
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		size_t rank = (size_t)(percents[i] / 100 * COUNT + 0.5);
		uint64_t exact = values[rank == 0 ? 0 : rank - 1];
		uint64_t read = hdr_percentile(&hdr, percents[i]);
		assert_true(read >= exact && read - exact <= exact / 1000);
	}
	assert_int_equal(hdr_percentile(&hdr, 100), values[COUNT - 1]);
	assert_int_equal(hdr.min, values[0]);
	hdr_release(&hdr);
	free(values);
}

static void
test_hdr__two_merged_are_as_one(void **state)
{
	uint64_t dies = 3;
	struct hdr all, halves[2];
	(void)state;
	hdr_init(&all);
	hdr_init(&halves[0]);
	hdr_init(&halves[1]);
	for (unsigned i = 0; i < 5000; i++) {
		uint64_t value = dice(&dies) % 10000000;
		hdr_add(&all, value);
		hdr_add(&halves[i % 2], value);
	}
	hdr_merge(&halves[0], &halves[1]);
	hdr_check(&halves[0]);
	assert_int_equal(halves[0].count, all.count);
	assert_int_equal(halves[0].min, all.min);
	assert_int_equal(halves[0].max, all.max);
	assert_true(hdr_mean(&halves[0]) == hdr_mean(&all));
	for (unsigned percent = 0; percent <= 100; percent++)
		assert_int_equal(
		    hdr_percentile(&halves[0], percent), hdr_percentile(&all, percent));
	hdr_release(&all);
	hdr_release(&halves[0]);
	hdr_release(&halves[1]);
}

static void
test_hdr__nothing_and_too_much(void **state)
{
	struct hdr hdr;
	(void)state;
	hdr_init(&hdr);
	assert_int_equal(hdr_percentile(&hdr, 99), 0);
	assert_true(hdr_mean(&hdr) == 0);
	hdr_check(&hdr);
	hdr_add(&hdr, UINT64_MAX);
	hdr_check(&hdr);
	assert_int_equal(hdr_percentile(&hdr, 99), HDR_VALUE_MAX);
	hdr_add(&hdr, 0);
	assert_int_equal(hdr_percentile(&hdr, 50), 0);
	assert_int_equal(hdr.count, 2);
	hdr_release(&hdr);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hdr__one_value_is_all_percentiles_to_three_digits),
	    cmocka_unit_test(test_hdr__percentiles_are_those_of_sorted_values),
	    cmocka_unit_test(test_hdr__two_merged_are_as_one),
	    cmocka_unit_test(test_hdr__nothing_and_too_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
