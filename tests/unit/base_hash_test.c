#include "base/hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <xxhash.h>

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

/* Short bytes take a way of their own: the library's is the same, whatever their number. */
static void
test_hash__is_the_library_s(void **state)
{
	uint8_t data[1024];
	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 37 ^ i >> 3);
	for (size_t size = 0; size < 600; size++) {
		uint64_t seed = size * UINT64_C(0x9e3779b97f4a7c15);
		const uint8_t *at = data + size % 7;
		assert_true(hash64(at, size, seed) == XXH3_64bits_withSeed(at, size, seed));
		assert_true(hash64_headed(at, at + 32, size, seed) ==
		    XXH3_64bits_withSeed(at + 32, size, XXH3_64bits_withSeed(at, 32, seed)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hash__vectors),
	    cmocka_unit_test(test_hash__is_the_library_s),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
