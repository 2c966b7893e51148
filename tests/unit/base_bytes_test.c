#include "base/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
assert_text(const struct buf *buf, const char *text)
{
	assert_true(bytes_equal(buf_bytes(buf), bytes_text(text)));
}

static void
test_bytes__words(void **state)
{
	uint8_t bytes[9] = {0};
	(void)state;
	le64_store(bytes + 1, UINT64_C(0x0807060504030201));
	for (int i = 1; i <= 8; i++)
		assert_int_equal(bytes[i], i);
	assert_true(le64_load(bytes + 1) == UINT64_C(0x0807060504030201));
	assert_int_equal(le32_load(bytes + 1), 0x04030201);
	assert_int_equal(le16_load(bytes + 1), 0x0201);
	le32_store(bytes + 3, 0xaabbccdd);
	le16_store(bytes + 7, 0x1122);
	assert_true(le64_load(bytes + 1) == UINT64_C(0x1122aabbccdd0201));
}

static void
test_bytes__zero_and_equal(void **state)
{
	uint8_t bytes[100] = {0};
	(void)state;
	assert_true(bytes_zero(bytes, sizeof(bytes)));
	assert_true(bytes_zero(NULL, 0));
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = 1;
		assert_false(bytes_zero(bytes, sizeof(bytes)));
		assert_true(bytes_zero(bytes, i));
		bytes[i] = 0;
	}
	assert_true(bytes_equal(bytes_of(NULL, 0), bytes_text("")));
	assert_false(bytes_equal(bytes_text("a"), bytes_text("b")));
	assert_false(bytes_equal(bytes_text("a"), bytes_text("ab")));
}

static void
test_bytes__empty_buf(void **state)
{
	struct buf buf;
	(void)state;
	buf_init(&buf);
	assert_int_equal(buf_used(&buf), 0);
	assert_int_equal(buf_bytes(&buf).size, 0);
	buf_push(&buf, NULL, 0);
	buf_pop(&buf, 0);
	buf_reset(&buf);
	assert_text(&buf, "");
	buf_release(&buf);
}

/* A queue of bytes against its own numbering: what comes out is what went in, in order. */
static void
test_bytes__queue(void **state)
{
	struct buf buf;
	uint64_t in = 0, out = 0;
	(void)state;
	buf_init(&buf);
	for (unsigned round = 0; round < 5000; round++) {
		size_t size = round * 37 % 600 + 1;
		uint8_t *to = buf_reserve(&buf, size);
		for (size_t i = 0; i < size; i++)
			to[i] = (uint8_t)(in++ % 251);
		buf_commit(&buf, size);
		size_t take = round * 53 % 650;
		if (take > buf_used(&buf))
			take = buf_used(&buf);
		struct bytes bytes = buf_bytes(&buf);
		for (size_t i = 0; i < take; i++)
			assert_int_equal(bytes.data[i], out++ % 251);
		buf_pop(&buf, take);
		assert_int_equal(buf_used(&buf), in - out);
	}
	/* What was consumed is used again: the memory follows the most that was in it. */
	assert_true(buf.capacity <= 1u << 16);
	buf_release(&buf);
}

static void
test_bytes__text(void **state)
{
	static const char raw[] = "q\" b\\ n\n t\t \x01\x7f \xc3\xa9/";
	struct buf buf;
	(void)state;
	buf_init(&buf);
	buf_push_text(&buf, "a");
	buf_printf(&buf, "%d-%s", 42, "xyz");
	assert_text(&buf, "a42-xyz");
	buf_pop(&buf, 3);
	buf_printf(&buf, "%s", "");
	buf_printf(&buf, "%500d", 7); /* beyond the first 256 bytes */
	assert_int_equal(buf_used(&buf), 504);
	assert_int_equal(buf_bytes(&buf).data[503], '7');
	buf_reset(&buf);
	buf_push_json_string(&buf, raw, sizeof(raw) - 1);
	assert_text(&buf, "\"q\\\" b\\\\ n\\n t\\u0009 \\u0001\\u007f \xc3\xa9/\"");
	buf_release(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bytes__words),
	    cmocka_unit_test(test_bytes__zero_and_equal),
	    cmocka_unit_test(test_bytes__empty_buf),
	    cmocka_unit_test(test_bytes__queue),
	    cmocka_unit_test(test_bytes__text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
