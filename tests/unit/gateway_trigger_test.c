/* Which keys of events a pattern stands for. */
#include "gateway/trigger.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
test_trigger__a_star_is_any_text(void **state)
{
	(void)state;
	assert_true(trigger_match("user:created", "user:created"));
	assert_false(trigger_match("user:created", "user:create"));
	assert_false(trigger_match("user:create", "user:created"));
	assert_true(trigger_match("user:*", "user:created"));
	assert_true(trigger_match("user:*", "user:"));
	assert_false(trigger_match("user:*", "users"));
	assert_true(trigger_match("*", ""));
	assert_true(trigger_match("*:paid", "order:was:paid"));
	assert_true(trigger_match("a*b*c", "axbxbxc"));
	assert_false(trigger_match("a*b*c", "axbxb"));
	assert_false(trigger_match("", "a"));
	assert_true(trigger_match("", ""));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_trigger__a_star_is_any_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
