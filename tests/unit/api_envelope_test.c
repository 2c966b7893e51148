/*
 * An Envelope written in one pass and taken apart in one: the same as what the library of messages
 * makes of it, whatever a byte is changed to.
 */
#include "api/envelope.h"

#include "base/mem.h"
#include "proto/native.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define CANCEL FROE__ENVELOPE__BODY_RUN_CANCEL

/* A RunCancel whose reason has so many bytes, as a frame without its length word. */
static struct bytes
frame_make(struct buf *to, uint64_t request, size_t size)
{
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	struct api_effect effect = {
	    .request = request, .number = CANCEL, .message = &cancel.base};
	char *reason = mem_zalloc(size + 1);
	memset(reason, 'x', size);
	cancel.reason = size > 0 ? reason : NULL;
	buf_reset(to);
	envelope_encode(&effect, to);
	assert_int_equal(le32_load(to->data), buf_used(to) - 4);
	assert_int_equal(envelope_size(&effect), buf_used(to) - 4);
	assert_int_equal(envelope_measure(&effect), buf_used(to) - 4);
	mem_free(reason);
	return bytes_of(to->data + 4, buf_used(to) - 4);
}

/* Taken apart at once, and by the library: the same. False: it is not taken apart. */
static bool
splits_as_unpacked(struct bytes frame)
{
	struct envelope_parts parts;
	uint8_t *copy = mem_alloc(frame.size + 1); /* of its own, so that ASan sees its end */
	memcpy(copy, frame.data, frame.size);
	bool split = envelope_split(bytes_of(copy, frame.size), &parts);
	Froe__Envelope *envelope = froe__envelope__unpack(NULL, frame.size, frame.data);
	if (split && envelope != NULL) {
		assert_int_equal(parts.request, envelope->request);
		assert_int_equal(parts.field->id, envelope->body_case);
	}
	if (split) {
		assert_true(parts.body.data >= copy);
		assert_true(parts.body.data + parts.body.size == copy + frame.size);
	}
	if (envelope != NULL)
		froe__envelope__free_unpacked(envelope, NULL);
	mem_free(copy);
	return split;
}

static void
test_envelope__split(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 122, 123, 124, 125, 126, 127, 128, 16380, 16384,
	    300000};
	static const uint64_t requests[] = {0, 1, 127, 128, UINT64_MAX};
	struct envelope_parts parts;
	struct buf buf;
	(void)state;
	buf_init(&buf);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(requests) / sizeof(requests[0]); j++) {
			struct bytes frame = frame_make(&buf, requests[j], sizes[i]);
			assert_true(splits_as_unpacked(frame));
			assert_true(envelope_split(frame, &parts));
			assert_true(parts.request == requests[j]);
			assert_int_equal(parts.field->id, CANCEL);
		}
	}
	buf_release(&buf);
}

/* Cut anywhere, longer than it says, each byte any other one. */
static void
test_envelope__split_of_anything(void **state)
{
	struct buf buf;
	(void)state;
	buf_init(&buf);
	struct bytes frame = frame_make(&buf, 300, 20);
	uint8_t *bytes = buf.data + 4;
	for (size_t size = 0; size < frame.size; size++)
		assert_false(splits_as_unpacked(bytes_of(bytes, size)));
	unsigned taken = 0;
	for (size_t i = 0; i < frame.size; i++) {
		uint8_t good = bytes[i];
		for (unsigned byte = 0; byte < 256; byte++) {
			bytes[i] = (uint8_t)byte;
			taken += splits_as_unpacked(frame);
		}
		bytes[i] = good;
	}
	assert_in_range(taken, 20 * 256, frame.size * 256 - 1000); /* a body is not looked into */
	buf_push(&buf, "", 1);
	assert_false(splits_as_unpacked(bytes_of(buf.data + 4, frame.size + 1)));
	buf_release(&buf);
}

/* Fields of other kinds, numbers that are none, and what comes in another order. */
static void
test_envelope__split_of_others(void **state)
{
	static const struct {
		size_t size;
		uint8_t bytes[12];
	} cases[] = {
	    {0, {0}},
	    {2, {0x08, 1}},             /* a request without a body */
	    {4, {0x08, 0x80, 0x80, 0x80}}, /* a number that does not end */
	    {2, {0x50, 1}},             /* a body that is a number */
	    {3, {0xfa, 0x7f, 0}},       /* a body that nobody knows */
	    {7, {0xfa, 0xff, 0xff, 0xff, 0xff, 0x7f, 0}}, /* and one beyond any number */
	    {2, {0x52, 5}},             /* longer than what is there */
	    {2, {0x52, 0x80}},          /* a size that does not end */
	    {4, {0x52, 0, 0x08, 1}},    /* the request behind the body */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_false(splits_as_unpacked(bytes_of(cases[i].bytes, cases[i].size)));
	static const uint8_t empty[] = {0x52, 0}; /* Hello, with nothing in it */
	assert_true(splits_as_unpacked(bytes_of(empty, 2)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_envelope__split),
	    cmocka_unit_test(test_envelope__split_of_anything),
	    cmocka_unit_test(test_envelope__split_of_others),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
