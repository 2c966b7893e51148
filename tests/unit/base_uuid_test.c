#include "base/uuid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint8_t ones[16] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255};
static const uint8_t zeroes[16];

static void
test_uuid__v7(void **state)
{
	char text[UUID_TEXT_SIZE];
	(void)state;
	/* The moment of RFC 9562's example: 2022-02-22 19:22:22 UTC. */
	uuid_format(uuid_v7(UINT64_C(1645557742000) * 1000000 + 999999, zeroes), text);
	assert_string_equal(text, "017f22e2-79b0-7000-8000-000000000000");
	uuid_format(uuid_v7(UINT64_C(1645557742000) * 1000000, ones), text);
	assert_string_equal(text, "017f22e2-79b0-7fff-bfff-ffffffffffff");
}

static void
test_uuid__order_is_time(void **state)
{
	(void)state;
	for (uint64_t ms = 1; ms < UINT64_C(1) << 43; ms = ms * 3 + 1) {
		struct uuid before = uuid_v7(ms * 1000000, ones);
		struct uuid after = uuid_v7((ms + 1) * 1000000, zeroes);
		assert_true(memcmp(before.bytes, after.bytes, 16) < 0);
	}
}

static void
test_uuid__run_and_tasks(void **state)
{
	struct uuid run = uuid_run(UINT64_C(1700000000000000000), ones);
	uint32_t number = 7;
	(void)state;
	assert_int_equal(run.bytes[15], 0);
	assert_int_equal(run.bytes[14] & 3, 0);
	assert_int_equal(run.bytes[14], 0xfc);
	assert_true(uuid_equal(uuid_run_of(run, &number), run));
	assert_int_equal(number, 0);
	for (uint32_t index = 0; index < 1023; index++) {
		struct uuid task = uuid_task(run, index);
		assert_false(uuid_equal(task, run));
		assert_true(uuid_equal(uuid_run_of(task, &number), run));
		assert_int_equal(number, index + 1);
	}
}

static void
test_uuid__text(void **state)
{
	static const char *const bad[] = {"", "017f22e2-79b0-7000-8000-00000000000",
	    "017f22e2-79b0-7000-8000-0000000000000", "017f22e2_79b0-7000-8000-000000000000",
	    "017f22e2-79b0-7000-8000-00000000000g", "017f22e279b0-7000-8000-0000000000000",
	    "{17f22e2-79b0-7000-8000-000000000000", "017f22e2-79b0-7000-80000-00000000000",
	    "+17f22e2-79b0-7000-8000-000000000000", " 17f22e2-79b0-7000-8000-000000000000"};
	struct uuid id, same;
	char text[UUID_TEXT_SIZE];
	(void)state;
	for (int i = 0; i < 16; i++)
		id.bytes[i] = (uint8_t)(i * 17 + 3);
	uuid_format(id, text);
	assert_true(uuid_parse(text, strlen(text), &same));
	assert_true(uuid_equal(id, same));
	assert_true(uuid_parse("017F22E2-79B0-7abc-8DEF-000000000000", 36, &id));
	uuid_format(id, text);
	assert_string_equal(text, "017f22e2-79b0-7abc-8def-000000000000");
	same = id;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(uuid_parse(bad[i], strlen(bad[i]), &id));
	assert_true(uuid_equal(id, same)); /* written on success only */
}

static void
test_uuid__nil(void **state)
{
	struct uuid id = {0};
	(void)state;
	assert_true(uuid_is_nil(id));
	for (int i = 0; i < 16; i++) {
		id = (struct uuid){0};
		id.bytes[i] = 1;
		assert_false(uuid_is_nil(id));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_uuid__v7),
	    cmocka_unit_test(test_uuid__order_is_time),
	    cmocka_unit_test(test_uuid__run_and_tasks),
	    cmocka_unit_test(test_uuid__text),
	    cmocka_unit_test(test_uuid__nil),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
