#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_duration__parse(void **state)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} good[] = {
	    {"0s", 0}, {"1ns", 1}, {"1us", 1000}, {"250ms", 250 * NS_PER_MS}, {"1s", NS_PER_S},
	    {"1m", 60 * NS_PER_S}, {"1h", 3600 * NS_PER_S}, {"1d", 86400 * NS_PER_S},
	    {"1h30m", 5400 * NS_PER_S}, {"0.5s", NS_PER_S / 2}, {"1.5h", 5400 * NS_PER_S},
	    {"0.000000001s", 1}, {"0.1s", NS_PER_S / 10}, {"1m1ms", 60 * NS_PER_S + NS_PER_MS},
	    {"1s1s", 2 * NS_PER_S}, {"0.9999999999999s", NS_PER_S - 1}, {"007s", 7 * NS_PER_S},
	    {"0.5ns", 0}, {"0.33333333333333333333333333s", NS_PER_S / 3},
	    {"106751d", UINT64_C(106751) * 86400 * NS_PER_S},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		uint64_t ns = 77;
		if (!duration_parse(good[i].text, &ns))
			fail_msg("refused: %s", good[i].text);
		if (ns != good[i].ns)
			fail_msg("%s is not %llu", good[i].text, (unsigned long long)ns);
	}
}

static void
test_duration__refuse(void **state)
{
	static const char *const bad[] = {"", "1", "s", "-1s", "+1s", "1 s", " 1s", "1s ", "1.s",
	    ".5s", "1..5s", "1.5", "1x", "1S", "1mo", "1e3s", "1h30", "106752d",
	    "300000h999999999h", "99999999999999999999s", "106751d106751d", "1,5s", "0x1s",
	    "1\xc2\xb5s"};
	uint64_t ns = 77;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (duration_parse(bad[i], &ns))
			fail_msg("accepted: %s", bad[i]);
	}
	assert_true(ns == 77); /* written on success only */
}

static void
test_duration__format(void **state)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = {
	    {0, "0us"}, {999, "0us"}, {1000, "1us"}, {999999, "999us"}, {NS_PER_MS, "1.0ms"},
	    {1500000, "1.5ms"}, {NS_PER_S, "1.00s"}, {61 * NS_PER_S, "61.00s"},
	    {600 * NS_PER_S, "0h10m"}, {3660 * NS_PER_S, "1h01m"},
	    {UINT64_MAX, "5124095h34m"},
	};
	char text[DURATION_TEXT_SIZE];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		duration_format(cases[i].ns, text);
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_duration__timestamp(void **state)
{
	char text[TIMESTAMP_TEXT_SIZE];
	(void)state;
	timestamp_format(0, text);
	assert_string_equal(text, "1970-01-01T00:00:00.000Z");
	timestamp_format(UINT64_C(951782399999) * NS_PER_MS + 999999, text);
	assert_string_equal(text, "2000-02-28T23:59:59.999Z");
	timestamp_format(UINT64_C(951782400) * NS_PER_S, text);
	assert_string_equal(text, "2000-02-29T00:00:00.000Z");
}

static void
test_duration__timestamp_parse(void **state)
{
	static const char *const bad[] = {"", "2026", "2026-1-31", "2026-02-29", "2026-13-01",
	    "2026-00-10", "2026-01-31T", "2026-01-31T12", "2026-01-31T24:00", "2026-01-31T12:60",
	    "2026-01-31T12:00:60", "2026-01-31T12:00Zx", "2026-01-31Z", "1969-01-01", "7d",
	    "2026-01-31 12:00"};
	static const uint64_t times_ns[] = {0, 1, UINT64_C(951782399999) * NS_PER_MS + 999999,
	    UINT64_C(1769860800) * NS_PER_S};
	char text[TIMESTAMP_TEXT_SIZE];
	uint64_t ns;
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(timestamp_parse(bad[i], &ns));
	for (size_t i = 0; i < sizeof(times_ns) / sizeof(times_ns[0]); i++) {
		timestamp_format(times_ns[i], text);
		assert_true(timestamp_parse(text, &ns));
		assert_true(ns == times_ns[i] / NS_PER_MS * NS_PER_MS);
	}
	assert_true(timestamp_parse("2026-01-31T12:00:00.123456789Z", &ns));
	assert_true(ns == UINT64_C(1769860800123456789));
	assert_true(timestamp_parse("2026-01-31T12:00", &ns));
	assert_true(ns == UINT64_C(1769860800) * NS_PER_S);
	assert_true(timestamp_parse("2000-02-29", &ns));
	assert_true(ns == UINT64_C(951782400) * NS_PER_S);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_duration__parse),
	    cmocka_unit_test(test_duration__refuse),
	    cmocka_unit_test(test_duration__format),
	    cmocka_unit_test(test_duration__timestamp),
	    cmocka_unit_test(test_duration__timestamp_parse),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
