#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* XXH3's own vectors: what is on disk depends on them. */
static void
test_hash__vectors(void **state)
{
	struct hash128 empty = hash128("", 0);
	(void)state;
	assert_true(hash64("", 0, 0) == UINT64_C(0x2d06800538d394c2));
	assert_true(empty.high == UINT64_C(0x99aa06d3014798d8));
	assert_true(empty.low == UINT64_C(0x6001c324468d497f));
	assert_true(hash64("a", 1, 0) != hash64("a", 1, 1));
	assert_true(hash64("a", 1, 0) != hash64("b", 1, 0));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hash__vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
