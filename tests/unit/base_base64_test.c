#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void
check_text(const void *data, size_t size, const char *text)
{
	char encoded[64] = {0};
	uint8_t decoded[64];
	assert_int_equal(BASE64_SIZE(size), strlen(text));
	assert_int_equal(BASE64_BYTES(strlen(text)), size);
	base64url_encode(bytes_of(data, size), encoded);
	assert_string_equal(encoded, text);
	assert_true(base64url_decode(bytes_text(text), decoded));
	if (size > 0)
		assert_memory_equal(decoded, data, size);
}

static void
test_base64__known_texts(void **state)
{
	(void)state;
	check_text("", 0, "");
	check_text("f", 1, "Zg");
	check_text("fo", 2, "Zm8");
	check_text("foo", 3, "Zm9v");
	check_text("foob", 4, "Zm9vYg");
	check_text("\xff\xef\xbe", 3, "_---");
	check_text("\0\0\0\0", 4, "AAAAAA");
}

static void
test_base64__what_is_never_written_is_refused(void **state)
{
	static const char *const bad[] = {
	    "A", "AAAAA", "Zg==", "Zh", "Zm9", "Z g", "Zm9+", "Zm9/", "Zm\x80v"};
	uint8_t decoded[64];
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(base64url_decode(bytes_text(bad[i]), decoded));
	assert_false(base64url_decode(bytes_of("Zm\0v", 4), decoded));
}

static void
test_base64__every_length_returns(void **state)
{
	uint8_t data[48], decoded[48];
	char text[BASE64_SIZE(sizeof(data))];
	(void)state;
	for (size_t size = 0; size <= sizeof(data); size++) {
		for (size_t i = 0; i < size; i++)
			data[i] = (uint8_t)(i * 37 + size);
		base64url_encode(bytes_of(data, size), text);
		assert_true(base64url_decode(bytes_of(text, BASE64_SIZE(size)), decoded));
		assert_memory_equal(decoded, data, size);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_base64__known_texts),
	    cmocka_unit_test(test_base64__what_is_never_written_is_refused),
	    cmocka_unit_test(test_base64__every_length_returns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
