/*
 * Rate limits in the engine: put, changed, listed, refused, bounded; by tenant.
 */
#include "engine_driver.h"

#include "engine/rate.h"
#include "froe/limits.h"

static void
assert_rate(const struct driver *d, uint64_t after, const char *key, uint32_t limit,
    enum eng_window window)
{
	struct eng_rate_view view;
	assert_true(eng_rate_next(d->eng, d->tenant, after, &view));
	assert_true(bytes_equal(view.key, bytes_text(key)));
	assert_int_equal(view.number, after + 1);
	assert_int_equal(view.limit, limit);
	assert_int_equal(view.window, window);
}

static void
test_rate__put_and_changed(void **state)
{
	struct driver d;
	struct eng_rate_view view;
	(void)state;
	driver_open(&d);
	assert_false(eng_rate_next(d.eng, d.tenant, 0, &view));
	assert_int_equal(driver_rate(&d, "api", 10, ENG_WINDOW_MINUTE), FROE_OK);
	assert_int_equal(driver_rate(&d, "mail", 0, ENG_WINDOW_YEAR), FROE_OK);
	assert_int_equal(driver_rate(&d, "api", 11, ENG_WINDOW_SECOND), FROE_OK);
	driver_crash(&d, SECOND); /* replayed */
	assert_rate(&d, 0, "api", 11, ENG_WINDOW_SECOND);
	assert_rate(&d, 1, "mail", 0, ENG_WINDOW_YEAR);
	assert_false(eng_rate_next(d.eng, d.tenant, 2, &view));
	assert_false(eng_rate_next(d.eng, d.tenant, UINT64_MAX, &view));
	assert_false(eng_rate_next(d.eng, (struct eng_tenant_id){77}, 0, &view));
	driver_close(&d);
}

/* A worker puts its limits at each start: that writes nothing. */
static void
test_rate__the_same_again_is_no_event(void **state)
{
	struct driver d;
	(void)state;
	driver_open(&d);
	assert_int_equal(driver_rate(&d, "api", 10, ENG_WINDOW_MINUTE), FROE_OK);
	size_t events = d.ledger.event_count;
	uint64_t hash = eng_hash(d.eng);
	assert_int_equal(driver_rate(&d, "api", 10, ENG_WINDOW_MINUTE), FROE_OK);
	assert_true(d.ledger.event_count == events && eng_hash(d.eng) == hash);
	assert_int_equal(driver_rate(&d, "api", 10, ENG_WINDOW_HOUR), FROE_OK);
	assert_true(d.ledger.event_count == events + 1 && eng_hash(d.eng) != hash);
	driver_close(&d);
}

static void
test_rate__refused(void **state)
{
	struct driver d;
	char key[FROE_NAME_BYTES_MAX + 2] = {0};
	(void)state;
	driver_open(&d);
	memset(key, 'k', FROE_NAME_BYTES_MAX + 1);
	assert_int_equal(driver_rate(&d, "", 1, 0), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "key");
	assert_int_equal(driver_rate(&d, key, 1, 0), FROE_INVALID_ARGUMENT);
	assert_int_equal(driver_rate(&d, "a", 1, ENG_WINDOWS), FROE_INVALID_ARGUMENT);
	assert_string_equal(driver_reply(&d)->fault->field, "window");
	key[FROE_NAME_BYTES_MAX] = 0;
	assert_int_equal(driver_rate(&d, key, UINT32_MAX, ENG_WINDOW_YEAR), FROE_OK);
	d.tenant.v = 77;
	assert_int_equal(driver_rate(&d, "a", 1, 0), FROE_NOT_FOUND);
	d.tenant.v = 1;
	driver_close(&d);
}

static void
test_rate__as_many_as_may_be(void **state)
{
	struct driver d;
	char key[16];
	(void)state;
	driver_open(&d);
	d.check_every = 5000;
	for (unsigned i = 0; i < FROE_TENANT_RATE_LIMITS_MAX; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(driver_rate(&d, key, i, ENG_WINDOW_DAY), FROE_OK);
	}
	assert_int_equal(driver_rate(&d, "more", 1, 0), FROE_RESOURCE_EXHAUSTED);
	assert_int_equal(driver_rate(&d, "k7", 1, 0), FROE_OK);
	assert_rate(&d, 7, "k7", 1, ENG_WINDOW_SECOND);
	driver_close(&d);
}

static void
test_rate__events_that_do_not_fit(void **state)
{
	struct driver d;
	struct froe_fault fault;
	(void)state;
	driver_open(&d);
	struct eng_event good = {
	    .type = ENG_EV_RATE_LIMIT_PUT,
	    .time_ns = d.now_ns,
	    .tenant = 1,
	    .key = bytes_text("k"),
	};
	struct eng_event bad[3] = {good, good, good};
	bad[0].tenant = 77;
	bad[1].key.size = 0;
	bad[2].window = ENG_WINDOWS;
	uint64_t hash = eng_hash(d.eng);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(eng_apply_logged(d.eng, &bad[i], &fault), FROE_CORRUPT);
	assert_true(eng_hash(d.eng) == hash);
	driver_close(&d);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rate__put_and_changed),
	    cmocka_unit_test(test_rate__the_same_again_is_no_event),
	    cmocka_unit_test(test_rate__refused),
	    cmocka_unit_test(test_rate__as_many_as_may_be),
	    cmocka_unit_test(test_rate__events_that_do_not_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
