/* base/histogram: which bucket a value is in, quantiles, the text. */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void
test_histogram__a_bound_is_within_its_bucket(void **state)
{
	(void)state;
	for (unsigned i = 0; i + 1 < HISTOGRAM_BUCKETS; i++) {
		struct histogram histogram = {0};
		uint64_t bound_ns = HISTOGRAM_FIRST_NS << i;
		histogram_add(&histogram, bound_ns);
		assert_int_equal(histogram.counts[i], 1);
		histogram_add(&histogram, bound_ns + 1);
		assert_int_equal(histogram.counts[i + 1], 1);
		assert_int_equal(histogram.count, 2);
		assert_int_equal(histogram.sum_ns, 2 * bound_ns + 1);
	}
}

static void
test_histogram__the_ends(void **state)
{
	(void)state;
	struct histogram histogram = {0};
	histogram_add(&histogram, 0);
	histogram_add(&histogram, UINT64_MAX);
	assert_int_equal(histogram.counts[0], 1);
	assert_int_equal(histogram.counts[HISTOGRAM_BUCKETS - 1], 1);
}

static void
test_histogram__quantiles(void **state)
{
	(void)state;
	struct histogram histogram = {0};
	assert_int_equal(histogram_quantile_ns(&histogram, 500), 0);
	for (int i = 0; i < 98; i++)
		histogram_add(&histogram, 40000);
	histogram_add(&histogram, 90000);
	histogram_add(&histogram, UINT64_MAX);
	assert_int_equal(histogram_quantile_ns(&histogram, 500), 50000);
	assert_int_equal(histogram_quantile_ns(&histogram, 990), 100000);
	assert_true(histogram_quantile_ns(&histogram, 1000) == UINT64_MAX);
}

static void
test_histogram__text_is_cumulative(void **state)
{
	(void)state;
	struct histogram histogram = {0};
	struct buf text;
	buf_init(&text);
	histogram_add(&histogram, 1000);
	histogram_add(&histogram, 60000);
	histogram_add(&histogram, UINT64_C(1000000000000));
	histogram_print(&histogram, "froe_x_seconds", "How long x took", &text);
	buf_push(&text, "", 1);
	const char *said = (const char *)text.data;
	assert_non_null(strstr(said, "# TYPE froe_x_seconds histogram\n"));
	assert_non_null(strstr(said, "froe_x_seconds_bucket{le=\"0.00005\"} 1\n"));
	assert_non_null(strstr(said, "froe_x_seconds_bucket{le=\"0.00010\"} 2\n"));
	assert_non_null(strstr(said, "froe_x_seconds_bucket{le=\"+Inf\"} 3\n"));
	assert_non_null(strstr(said, "froe_x_seconds_count 3\n"));
	assert_non_null(strstr(said, "froe_x_seconds_sum 1000.000061000\n"));
	buf_release(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_histogram__a_bound_is_within_its_bucket),
	    cmocka_unit_test(test_histogram__the_ends),
	    cmocka_unit_test(test_histogram__quantiles),
	    cmocka_unit_test(test_histogram__text_is_cumulative),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
