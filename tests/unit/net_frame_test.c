#include "net/frame.h"
#include "net/sniff.h"

#include "base/mem.h"
#include "froe/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static enum frame_result
next(const void *data, size_t size, uint32_t max, struct bytes *frame)
{
	return frame_next(bytes_of(data, size), max, frame);
}

static void
test_frame__whole_and_cut_at_every_byte(void **state)
{
	(void)state;
	static const uint8_t INPUT[] = {3, 0, 0, 0, 'a', 'b', 'c', 9};
	struct bytes frame = {0};
	for (size_t size = 0; size < 7; size++) {
		uint8_t *exact = mem_alloc(size + 1); /* a read past the end is seen by ASan */
		memcpy(exact, INPUT, size);
		exact = mem_resize(exact, size != 0 ? size : 1);
		assert_int_equal(next(exact, size, 100, &frame), FRAME_MORE);
		mem_free(exact);
	}
	assert_int_equal(next(INPUT, 7, 100, &frame), FRAME_WHOLE);
	assert_int_equal(next(INPUT, 8, 100, &frame), FRAME_WHOLE);
	assert_int_equal(frame.size, 3);
	assert_memory_equal(frame.data, "abc", 3);
}

static void
test_frame__length_at_its_limits(void **state)
{
	(void)state;
	static const uint32_t LIMITS[] = {FROE_HELLO_BYTES_MAX, FROE_MESSAGE_BYTES_MAX};
	for (size_t i = 0; i < 2; i++) {
		uint8_t header[4];
		struct bytes frame;
		le32_store(header, LIMITS[i]);
		assert_int_equal(next(header, 4, LIMITS[i], &frame), FRAME_MORE);
		le32_store(header, LIMITS[i] + 1);
		assert_int_equal(next(header, 4, LIMITS[i], &frame), FRAME_TOO_LARGE);
		le32_store(header, UINT32_MAX);
		assert_int_equal(next(header, 4, LIMITS[i], &frame), FRAME_TOO_LARGE);
		le32_store(header, 0);
		assert_int_equal(next(header, 4, LIMITS[i], &frame), FRAME_EMPTY);
	}
}

static enum sniff
sniff(const char *text, size_t size)
{
	return sniff_protocol(bytes_of(text, size));
}

static void
test_sniff__native_needs_the_whole_preface(void **state)
{
	(void)state;
	for (size_t size = 0; size < FRAME_PREFACE_SIZE; size++) {
		assert_int_equal(sniff(FRAME_PREFACE, size), SNIFF_MORE);
		char wrong[FRAME_PREFACE_SIZE];
		memcpy(wrong, FRAME_PREFACE, sizeof(wrong));
		wrong[size] ^= 0x20;
		assert_int_equal(sniff(wrong, size + 1), SNIFF_UNKNOWN);
	}
	assert_int_equal(sniff(FRAME_PREFACE, FRAME_PREFACE_SIZE), SNIFF_NATIVE);
	assert_int_equal(sniff("FROE\0\1\n\n", 8), SNIFF_UNKNOWN);
	assert_int_equal(sniff("FROE\0\2\r\n", 8), SNIFF_UNKNOWN);
}

static void
test_sniff__http_methods(void **state)
{
	(void)state;
	static const char *const HTTP[] = {"GET ", "HEAD ", "POST ", "PUT ", "PATCH ", "DELETE ",
	    "OPTIONS "};
	for (size_t i = 0; i < sizeof(HTTP) / sizeof(HTTP[0]); i++) {
		for (size_t size = 1; size < strlen(HTTP[i]); size++)
			assert_int_equal(sniff(HTTP[i], size), SNIFF_MORE);
		assert_int_equal(sniff(HTTP[i], strlen(HTTP[i])), SNIFF_HTTP);
	}
	static const char *const NEITHER[] = {"\x16\x04", "\x17\x03\x03", "get ", "GETX",
	    "PRI * HTTP/2.0\r\n\r\nXX", "PRI * HTTP/1.1", "SSH-2.0-", "\r\n", " GET", "PURGE ",
	    "F ", "GE ", "POT"};
	for (size_t i = 0; i < sizeof(NEITHER) / sizeof(NEITHER[0]); i++)
		assert_int_equal(sniff(NEITHER[i], strlen(NEITHER[i])), SNIFF_UNKNOWN);
}

static void
test_sniff__http2(void **state)
{
	(void)state;
	static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	for (size_t size = 1; size < 24; size++)
		assert_int_equal(sniff(PREFACE, size), SNIFF_MORE);
	assert_int_equal(sniff(PREFACE, 24), SNIFF_HTTP2);
}

static void
test_sniff__tls(void **state)
{
	(void)state;
	assert_int_equal(sniff("\x16", 1), SNIFF_MORE);
	assert_int_equal(sniff("\x16\x03", 2), SNIFF_TLS);
	assert_int_equal(sniff("\x16\x03\x01\x02\x00", 5), SNIFF_TLS);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frame__whole_and_cut_at_every_byte),
	    cmocka_unit_test(test_frame__length_at_its_limits),
	    cmocka_unit_test(test_sniff__native_needs_the_whole_preface),
	    cmocka_unit_test(test_sniff__http_methods),
	    cmocka_unit_test(test_sniff__http2),
	    cmocka_unit_test(test_sniff__tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
