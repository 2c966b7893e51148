/*
 * The scanner against RFC 8259, in the corners where scanners differ; UTF-8 against its counts.
 */
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct vector {
	const char *text;
	size_t size;
	size_t at; /* of the first fault */
};

/* sizeof, so that texts may hold zero bytes */
#define TEXT(text) {text, sizeof(text) - 1, 0}
#define FAULT(text, at) {text, sizeof(text) - 1, at}

static const struct vector good[] = {
    TEXT("0"), TEXT("-0"), TEXT("-0.0e-0"), TEXT("1E+2"), TEXT("1e400"), TEXT("0.1"),
    TEXT("123456789012345678901234567890"), TEXT("true"), TEXT("false"), TEXT("null"),
    TEXT("\"\""), TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00eF\""), TEXT("\"\\uD834\\uDd1e\""),
    TEXT("\"\\u0000\""), TEXT("\"\\uD800\""), TEXT("\"\x7f\""), TEXT("\"\xc2\x80\""),
    TEXT("\"\xed\x9f\xbf\xee\x80\x80\""), TEXT("\"\xf4\x8f\xbf\xbf\""), TEXT("\" a \""), TEXT("[]"),
    TEXT("{}"),
    TEXT(" \t\r\n[ \t1 , 2\n]\r "), TEXT("{\"a\":{\"a\":[{}, [], \"\"]}, \"a\" : 1}"),
    TEXT("[[[[[[[[1]]]]]]]]"), TEXT("{\"\":0}"), TEXT("[1,[2],{\"x\":[3]},4]"),
};

static const struct vector bad[] = {
    FAULT("", 0), FAULT(" ", 1), FAULT("01", 1), FAULT("-", 1), FAULT("-a", 1), FAULT("+1", 0),
    FAULT(".5", 0), FAULT("1.", 2), FAULT("1.e1", 2), FAULT("1e", 2), FAULT("1e+", 3),
    FAULT("0x1", 1), FAULT("NaN", 0), FAULT("Infinity", 0), FAULT("-Infinity", 1),
    FAULT("True", 0), FAULT("tru", 0), FAULT("nulll", 4), FAULT("\"", 1), FAULT("\"a", 2),
    FAULT("'a'", 0), FAULT("\"\\\"", 3), FAULT("\"\\", 2), FAULT("\"\\a\"", 2),
    FAULT("\"\\x00\"", 2), FAULT("\"\\u12g4\"", 5), FAULT("\"\\u123", 6), FAULT("\"\\\0\"", 2),
    FAULT("\"\n\"", 1), FAULT("\"\0\"", 1), FAULT("\"\x1f\"", 1), FAULT("\"\x80\"", 1),
    FAULT("\"\xc0\x80\"", 1), FAULT("\"\xc1\xbf\"", 1), FAULT("\"\xe0\x9f\xbf\"", 1),
    FAULT("\"\xed\xa0\x80\"", 1), FAULT("\"\xf0\x8f\xbf\xbf\"", 1),
    FAULT("\"\xf4\x90\x80\x80\"", 1), FAULT("\"\xf5\x80\x80\x80\"", 1), FAULT("\"\xe2\x82", 1),
    FAULT("\xef\xbb\xbf" "1", 0), FAULT("[", 1), FAULT("[1", 2), FAULT("[1,", 3),
    FAULT("[1,]", 3), FAULT("[,1]", 1), FAULT("[1 2]", 3), FAULT("[1}", 2), FAULT("]", 0),
    FAULT("{", 1), FAULT("{1:2}", 1), FAULT("{\"a\"}", 4), FAULT("{\"a\":}", 5),
    FAULT("{\"a\":1,}", 7), FAULT("{\"a\":1]", 6), FAULT("{\"a\" 1}", 5), FAULT("{a:1}", 1),
    FAULT("1 1", 2), FAULT("[]]", 2), FAULT("{}{}", 2), FAULT("1\0", 1), FAULT("[\v1]", 1),
    FAULT("// no\n1", 0), FAULT("1/**/", 1), FAULT("\x00", 0),
};

static void
test_json__good(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		size_t at = SIZE_MAX;
		if (!json_valid(good[i].text, good[i].size, &at))
			fail_msg("refused at %zu: %s", at, good[i].text);
		assert_int_equal(at, SIZE_MAX); /* written on failure only */
	}
}

static void
test_json__bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		size_t at = SIZE_MAX;
		if (json_valid(bad[i].text, bad[i].size, &at))
			fail_msg("accepted: %s", bad[i].text);
		if (at != bad[i].at)
			fail_msg("%zu, not %zu: %s", at, bad[i].at, bad[i].text);
		assert_false(json_valid(bad[i].text, bad[i].size, NULL));
	}
}

/* Every beginning of a good text that is not itself a number is bad: nothing is read past the
 * end, which the sanitizers see. */
static void
test_json__prefixes(void **state)
{
	static const char text[] = "{\"a\":[1,\"\\u00e9\xe2\x82\xac\",true,null,-1.5e3],\"b\":{}}";
	(void)state;
	assert_true(json_valid(text, sizeof(text) - 1, NULL));
	for (size_t size = 0; size < sizeof(text) - 1; size++) {
		char copy[sizeof(text)];
		memset(copy, '"', sizeof(copy));
		memcpy(copy, text, size);
		assert_false(json_valid(copy, size, NULL));
	}
}

static bool
nested_valid(char open, char close, size_t depth)
{
	char text[1024];
	size_t size = 0;
	for (size_t i = 0; i < depth; i++) {
		text[size++] = open;
		if (open == '{' && i + 1 < depth) {
			memcpy(text + size, "\"a\":", 4);
			size += 4;
		}
	}
	memset(text + size, close, depth);
	return json_valid(text, size + depth, NULL);
}

/* What ends a run of plain characters is found wherever it is, and nothing beyond the text is
 * read: it ends with its memory. */
static void
test_json__stops(void **state)
{
	(void)state;
	static const char stops[] = {'"', '\\', 0x1f, 0x00, (char)0x80, (char)0xff, '\n'};
	for (size_t size = 2; size <= 70; size++) {
		char *text = malloc(size);
		memset(text, '~', size);
		text[0] = text[size - 1] = '"';
		assert_true(json_valid(text, size, NULL));
		for (size_t at = 1; at + 1 < size; at++) {
			for (size_t i = 0; i < sizeof(stops); i++) {
				size_t bad = 0, want = at;
				if (stops[i] == '"' || stops[i] == '\\') /* what comes then */
					want += stops[i] == '\\' && at + 2 == size ? 2 : 1;
				text[at] = stops[i];
				assert_false(json_valid(text, size, &bad));
				assert_int_equal(bad, want);
			}
			text[at] = ' ';
			assert_true(json_valid(text, size, NULL));
			text[at] = '~';
		}
		free(text);
	}
}

static void
test_json__printable(void **state)
{
	(void)state;
	char text[40];
	assert_true(ascii_printable(text, 0));
	for (size_t size = 1; size <= sizeof(text); size++) {
		for (size_t at = 0; at < size; at++) {
			for (int c = 0; c < 256; c++) {
				memset(text, at % 2 == 0 ? ' ' : '~', size);
				text[at] = (char)c;
				assert_int_equal(
				    ascii_printable(text, size), c >= 0x20 && c < 0x7f);
			}
		}
	}
}

static void
test_json__depth(void **state)
{
	(void)state;
	assert_true(nested_valid('[', ']', JSON_DEPTH_MAX));
	assert_true(nested_valid('{', '}', JSON_DEPTH_MAX));
	assert_false(nested_valid('[', ']', JSON_DEPTH_MAX + 1));
	assert_false(nested_valid('{', '}', JSON_DEPTH_MAX + 1));
}

/* All code points encode to what is valid; all others of three bytes and less do not. */
static void
test_json__utf8(void **state)
{
	(void)state;
	unsigned valid = 0;
	for (unsigned i = 0; i < 1u << 16; i++) {
		uint8_t two[] = {(uint8_t)(i >> 8), (uint8_t)i};
		valid += two[0] >= 0x80 && utf8_valid(two, 2);
	}
	assert_int_equal(valid, 0x800 - 0x80);
	valid = 0;
	for (unsigned i = 0xe00000; i < 0xf00000; i++) {
		uint8_t three[] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
		valid += utf8_valid(three, 3);
	}
	assert_int_equal(valid, 0x10000 - 0x800 - 0x800);
	assert_true(utf8_valid("", 0));
	assert_true(utf8_valid("abc", 3));
	assert_false(utf8_valid("a\0c", 3));
	assert_false(utf8_valid("\xf0\x9f\x98", 3));
	assert_true(utf8_valid("\xf0\x9f\x98\x80", 4));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_json__good),
	    cmocka_unit_test(test_json__bad),
	    cmocka_unit_test(test_json__prefixes),
	    cmocka_unit_test(test_json__stops),
	    cmocka_unit_test(test_json__printable),
	    cmocka_unit_test(test_json__depth),
	    cmocka_unit_test(test_json__utf8),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
