/*
 * A frame as the library writes it: its length and its body's are right for bodies of any size,
 * also where a length takes one byte more.
 */
#include "client/wire.h"

#include "base/mem.h"
#include "base/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

static void
expect_packed(uint64_t request, size_t size)
{
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	struct arena arena;
	char *reason = mem_zalloc(size + 1);
	memset(reason, 'x', size);
	cancel.reason = reason;
	size_t body_size = message_size(&cancel.base);
	size_t frame_size = wire_frame_size(request, FROE__ENVELOPE__BODY_RUN_CANCEL, body_size);
	uint8_t *frame = mem_alloc(frame_size);
	uint8_t *body =
	    wire_frame_begin(frame, request, FROE__ENVELOPE__BODY_RUN_CANCEL, body_size);
	assert_ptr_equal(message_encode(&cancel.base, body), frame + frame_size);
	assert_int_equal(le32_load(frame), frame_size - 4);
	arena_init(&arena, 0);
	const Froe__Envelope *envelope =
	    wire_decode(&arena, bytes_of(frame + 4, frame_size - 4));
	assert_non_null(envelope);
	assert_true(envelope->request == request);
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_RUN_CANCEL);
	assert_int_equal(strlen(envelope->run_cancel->reason), size);
	assert_null(wire_decode(&arena, bytes_of(frame + 4, frame_size - 5)));
	arena_release(&arena);
	mem_free(frame);
	mem_free(reason);
}

static void
test_wire__frames_of_any_size(void **state)
{
	(void)state;
	for (size_t size = 1; size < 300; size++)
		expect_packed(size % 3 == 0 ? 0 : size, size);
	for (size_t size = 16370; size < 16400; size++)
		expect_packed(UINT64_MAX - size, size);
	expect_packed(1, 2097150);
	expect_packed(1, 2097160);
}

static void
test_wire__ids(void **state)
{
	uint8_t bytes[17] = {1, 2, 3};
	struct froe_id id;
	(void)state;
	assert_true(wire_id_get((ProtobufCBinaryData){.data = bytes, .len = 16}, &id));
	assert_memory_equal(id.bytes, bytes, 16);
	assert_false(wire_id_get((ProtobufCBinaryData){.data = bytes, .len = 15}, &id));
	assert_false(wire_id_get((ProtobufCBinaryData){.data = bytes, .len = 17}, &id));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire__frames_of_any_size),
	    cmocka_unit_test(test_wire__ids),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
