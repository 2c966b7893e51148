/*
 * Names by number: workflows for ever, workers for as long as they are there and a while longer.
 */
#include "server/names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const struct names *names, enum names_kind kind, uint64_t number, const char *text)
{
	assert_true(bytes_equal(names_get(names, kind, number), bytes_text(text)));
}

static void
test_names__put(void **state)
{
	struct names names;
	(void)state;
	names_init(&names);
	names_put(&names, NAMES_WORKFLOW, 7, bytes_text("order"));
	names_put(&names, NAMES_WORKER, 7, bytes_text("ship-1"));
	names_put(&names, NAMES_WORKER, 7, bytes_text("another"));
	names_put(&names, NAMES_WORKER, 8, bytes_of(NULL, 0));
	expect(&names, NAMES_WORKFLOW, 7, "order");
	expect(&names, NAMES_WORKER, 7, "ship-1");
	expect(&names, NAMES_WORKER, 8, "");
	names_release(&names);
}

static void
test_names__left(void **state)
{
	struct names names;
	(void)state;
	names_init(&names);
	names_put(&names, NAMES_WORKER, 1, bytes_text("stays"));
	names_put(&names, NAMES_WORKFLOW, 2, bytes_text("order"));
	for (uint64_t i = 2; i < 2 + NAMES_LEFT_MAX; i++) {
		names_put(&names, NAMES_WORKER, i, bytes_text("goes"));
		names_left(&names, NAMES_WORKER, i);
		names_left(&names, NAMES_WORKER, i); /* told twice: by the log, as it happened */
	}
	names_left(&names, NAMES_WORKER, 1u << 30); /* nobody */
	expect(&names, NAMES_WORKER, 2, "goes");
	names_put(&names, NAMES_WORKER, 1000000, bytes_text("one more"));
	expect(&names, NAMES_WORKER, 2, "goes");
	names_left(&names, NAMES_WORKER, 1000000);
	expect(&names, NAMES_WORKER, 2, "");
	expect(&names, NAMES_WORKER, 3, "goes");
	expect(&names, NAMES_WORKER, 1000000, "one more");
	expect(&names, NAMES_WORKER, 1, "stays");
	expect(&names, NAMES_WORKFLOW, 2, "order");
	assert_int_equal(names.entries.count, NAMES_LEFT_MAX + 2);
	names_release(&names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names__put),
	    cmocka_unit_test(test_names__left),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
