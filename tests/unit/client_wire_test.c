/*
 * A frame as the library writes it: its length and its body's are right for bodies of any size,
 * also where a length takes one byte more. As it is read: what every run brings is read by code of
 * its own, and has to be what protobuf-c says, whichever fields there are, cut off anywhere.
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

static const Froe__Envelope *
frame_read(struct arena *arena, struct wire_room *room, struct bytes frame)
{
	struct wire_head head = wire_head(frame);
	return wire_decode(arena, room, frame, &head);
}

static void
expect_packed(uint64_t request, size_t size)
{
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	struct wire_room room;
	struct arena arena;
	char *reason = mem_zalloc(size + 1);
	memset(reason, 'x', size);
	cancel.reason = reason;
	size_t body_size = message_size(&cancel.base);
	uint8_t *frame = mem_alloc(WIRE_HEAD_BYTES_MAX + body_size);
	uint8_t *body =
	    wire_frame_begin(frame, request, FROE__ENVELOPE__BODY_RUN_CANCEL, body_size);
	size_t frame_size = (size_t)(message_encode(&cancel.base, body) - frame);
	assert_int_equal(le32_load(frame), frame_size - 4);
	arena_init(&arena, 0);
	struct bytes whole = bytes_of(frame + 4, frame_size - 4);
	const Froe__Envelope *envelope = frame_read(&arena, &room, whole);
	assert_non_null(envelope);
	assert_true(envelope->request == request);
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_RUN_CANCEL);
	assert_int_equal(strlen(envelope->run_cancel->reason), size);
	assert_null(frame_read(&arena, &room, bytes_of(frame + 4, frame_size - 5)));
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

/* What is decoded is what protobuf-c decodes: both give the same bytes again. */
static void
expect_same(struct arena *arena, struct bytes frame)
{
	uint8_t ours[512], theirs[512];
	struct wire_room room;
	arena_reset(arena);
	const Froe__Envelope *envelope = frame_read(arena, &room, frame);
	Froe__Envelope *other = froe__envelope__unpack(NULL, frame.size, frame.data);
	assert_int_equal(envelope == NULL, other == NULL);
	if (envelope == NULL)
		return;
	size_t size = froe__envelope__pack(envelope, ours);
	assert_int_equal(froe__envelope__pack(other, theirs), size);
	assert_memory_equal(ours, theirs, size);
	froe__envelope__free_unpacked(other, NULL);
}

/* Whole, cut off anywhere, and with each byte another one. */
static void
expect_read(const Froe__Envelope *envelope)
{
	struct arena arena;
	arena_init(&arena, 0);
	size_t size = froe__envelope__get_packed_size(envelope);
	assert_true(size < 400); /* with a byte more in each field than was sent */
	for (size_t cut = 0; cut <= size; cut++) {
		uint8_t *frame = mem_alloc(size); /* of its own: nothing may be read behind it */
		froe__envelope__pack(envelope, frame);
		uint8_t *part = mem_copy(frame, cut);
		expect_same(&arena, bytes_of(part, cut));
		if (cut < size) {
			frame[cut] ^= 0x81;
			expect_same(&arena, bytes_of(frame, size));
		}
		mem_free(part);
		mem_free(frame);
	}
	arena_release(&arena);
}

static const uint64_t numbers[] = {0, 1, 127, 128, 16383, 16384, UINT64_C(1) << 35,
    (UINT64_C(1) << 56) - 1, UINT64_C(1) << 56, UINT64_C(1) << 60, UINT64_MAX};
#define NUMBERS (sizeof(numbers) / sizeof(numbers[0]))

static void
test_wire__started_as_protobuf_reads_it(void **state)
{
	uint8_t bytes[16] = "0123456789abcdef";
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		Froe__Envelope envelope = FROE__ENVELOPE__INIT;
		Froe__RunStarted started = FROE__RUN_STARTED__INIT;
		envelope.has_request = (i & 1) != 0;
		envelope.request = numbers[i % NUMBERS];
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_STARTED;
		envelope.run_started = &started;
		started.has_run = (i & 2) != 0;
		started.run = wire_bytes(bytes, 16);
		started.has_number = (i & 4) != 0;
		started.number = numbers[(i + 3) % NUMBERS];
		started.has_position = (i & 8) != 0;
		started.position = wire_bytes(bytes, i % 9);
		started.has_created = (i & 16) != 0;
		started.created = (i & 1) != 0;
		started.has_status = (i & 32) != 0;
		started.status = FROE__RUN_STATUS__COMPLETED;
		expect_read(&envelope);
	}
}

static void
test_wire__event_as_protobuf_reads_it(void **state)
{
	uint8_t bytes[200];
	char text[] = "text";
	(void)state;
	memset(bytes, 0xa5, sizeof(bytes));
	for (unsigned i = 0; i < 128; i++) {
		Froe__Envelope envelope = FROE__ENVELOPE__INIT;
		Froe__RunEvent event = FROE__RUN_EVENT__INIT;
		envelope.has_request = true;
		envelope.request = numbers[i % NUMBERS];
		envelope.body_case = FROE__ENVELOPE__BODY_RUN_EVENT;
		envelope.run_event = &event;
		event.has_run = (i & 1) != 0;
		event.run = wire_bytes(bytes, 16);
		event.has_status = (i & 2) != 0;
		event.status = FROE__RUN_STATUS__FAILED;
		event.has_final = (i & 4) != 0;
		event.final = (i & 1) != 0;
		event.has_time_ns = (i & 8) != 0;
		event.time_ns = numbers[(i + 5) % NUMBERS];
		event.error = (i & 16) != 0 ? text : NULL; /* the other way to read it */
		event.has_result = (i & 32) != 0;
		event.result = wire_bytes(bytes, i);
		event.has_result_omitted = (i & 64) != 0;
		event.result_omitted = true;
		expect_read(&envelope);
	}
}

static void
test_wire__done_as_protobuf_reads_it(void **state)
{
	uint8_t bytes[8] = {0};
	(void)state;
	for (unsigned i = 0; i < NUMBERS; i++) {
		Froe__Envelope envelope = FROE__ENVELOPE__INIT;
		Froe__Done done = FROE__DONE__INIT;
		envelope.has_request = true;
		envelope.request = numbers[i];
		envelope.body_case = FROE__ENVELOPE__BODY_DONE;
		envelope.done = &done;
		expect_read(&envelope);
		done.has_position = true;
		done.position = wire_bytes(bytes, sizeof(bytes));
		expect_read(&envelope);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire__frames_of_any_size),
	    cmocka_unit_test(test_wire__ids),
	    cmocka_unit_test(test_wire__started_as_protobuf_reads_it),
	    cmocka_unit_test(test_wire__event_as_protobuf_reads_it),
	    cmocka_unit_test(test_wire__done_as_protobuf_reads_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
