/*
 * A frame written in one pass: protobuf-c reads what was meant.
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
	size_t frame = envelope_encode(&effect, UINT32_MAX, to);
	assert_int_equal(le32_load(to->data), buf_used(to) - 4);
	assert_int_equal(frame, buf_used(to) - 4);
	assert_int_equal(envelope_encode(&effect, frame - 1, to), frame); /* too large: not there */
	assert_int_equal(buf_used(to), frame + 4);
	assert_int_equal(envelope_encode(&effect, frame, to), frame);
	assert_int_equal(buf_used(to), 2 * (frame + 4));
	to->size -= frame + 4;
	assert_int_equal(envelope_size(&effect), buf_used(to) - 4);
	assert_int_equal(envelope_measure(&effect), buf_used(to) - 4);
	mem_free(reason);
	return bytes_of(to->data + 4, buf_used(to) - 4);
}

static void
test_envelope__encode(void **state)
{
	static const size_t sizes[] = {0, 1, 100, 122, 123, 124, 125, 126, 127, 128, 16380, 16384,
	    300000};
	static const uint64_t requests[] = {0, 1, 127, 128, UINT64_MAX};
	struct buf buf;
	(void)state;
	buf_init(&buf);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (size_t j = 0; j < sizeof(requests) / sizeof(requests[0]); j++) {
			struct bytes frame = frame_make(&buf, requests[j], sizes[i]);
			Froe__Envelope *envelope =
			    froe__envelope__unpack(NULL, frame.size, frame.data);
			assert_non_null(envelope);
			assert_true(envelope->request == requests[j]);
			assert_int_equal(envelope->has_request, requests[j] != 0);
			assert_int_equal(envelope->body_case, CANCEL);
			const char *reason = envelope->run_cancel->reason;
			assert_int_equal(reason != NULL ? strlen(reason) : 0, sizes[i]);
			froe__envelope__free_unpacked(envelope, NULL);
		}
	}
	buf_release(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_envelope__encode),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
