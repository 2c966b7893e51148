#include "api/wire.h"

#include "base/mem.h"
#include "froe/limits.h"

#include "proto/native.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static char field[WIRE_FIELD_SIZE];

static enum wire_result
check(const void *data, size_t size)
{
	uint8_t *exact = mem_alloc(size > 0 ? size : 1);
	memcpy(exact, data, size);
	enum wire_result result =
	    wire_check(&froe__envelope__descriptor, bytes_of(exact, size), field);
	mem_free(exact);
	return result;
}

static struct buf
pack(Froe__Envelope *envelope)
{
	struct buf to;
	buf_init(&to);
	size_t size = froe__envelope__get_packed_size(envelope);
	buf_commit(&to, froe__envelope__pack(envelope, buf_reserve(&to, size)));
	return to;
}

static struct buf
definition_with(char *parent)
{
	char *parents[] = {"a", "b", parent};
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT,
			     plain = FROE__TASK_DEFINITION__INIT;
	task.parents = parents;
	task.n_parents = 3;
	Froe__TaskDefinition *tasks[] = {&plain, &task};
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	workflow.tasks = tasks;
	workflow.n_tasks = 2;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	put.workflow = &workflow;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	envelope.has_request = true;
	envelope.request = 7;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKFLOW_PUT;
	envelope.workflow_put = &put;
	return pack(&envelope);
}

static void
test_wire__good(void **state)
{
	(void)state;
	struct buf good = definition_with("\xc3\xa4");
	assert_int_equal(check(good.data, good.size), WIRE_GOOD);
	assert_int_equal(check("", 0), WIRE_GOOD);
	buf_release(&good);
}

static void
test_wire__cut_anywhere_is_refused_or_smaller(void **state)
{
	(void)state;
	struct buf good = definition_with("c");
	/* The body is the last field: cut within it, nothing is left that is whole. */
	for (size_t size = 3; size < good.size; size++)
		assert_int_equal(check(good.data, size), WIRE_BAD);
	buf_release(&good);
}

static void
test_wire__text_is_named(void **state)
{
	(void)state;
	static const char *const BAD[] = {"\xff", "\xc0\x80", "\xed\xa0\x80", "ab\xc3"};
	for (size_t i = 0; i < 4; i++) {
		struct buf bad = definition_with((char *)(uintptr_t)BAD[i]);
		assert_int_equal(check(bad.data, bad.size), WIRE_TEXT);
		assert_string_equal(field, "workflow_put.workflow.tasks[1].parents[2]");
		buf_release(&bad);
	}
	/* A zero byte: protobuf-c would end the string there. */
	assert_int_equal(check("\x52\x05\x12\x03" "a\0b", 7), WIRE_TEXT);
	assert_string_equal(field, "hello.client");
}

static void
test_wire__malformed(void **state)
{
	(void)state;
	assert_int_equal(check("\x0b", 1), WIRE_BAD);         /* a group */
	assert_int_equal(check("\x0c", 1), WIRE_BAD);
	assert_int_equal(check("\x0e", 1), WIRE_BAD);         /* wire type 6 */
	assert_int_equal(check("\x00\x00", 2), WIRE_BAD);     /* field 0 */
	assert_int_equal(check("\x08", 1), WIRE_BAD);         /* a varint without bytes */
	assert_int_equal(check("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12), WIRE_BAD);
	assert_int_equal(check("\x52\x7f", 2), WIRE_BAD);     /* longer than what is there */
	assert_int_equal(check("\x52\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), WIRE_BAD);
	assert_int_equal(check("\x09\x01\x02", 3), WIRE_BAD); /* 8 bytes, cut */
	assert_int_equal(check("\x0d\x01\x02", 3), WIRE_BAD); /* 4 bytes, cut */
	assert_int_equal(
	    check("\xf8\xff\xff\xff\x7f\x01", 6), WIRE_BAD); /* field number too large */
}

static void
test_wire__repetition_is_bounded(void **state)
{
	(void)state;
	struct buf body;
	buf_init(&body);
	for (unsigned over = 0; over < 2; over++) {
		buf_reset(&body);
		for (unsigned i = 0; i < WIRE_REPEATED_MAX + over; i++)
			buf_push(&body, "\x08\x01", 2);
		assert_int_equal(check(body.data, body.size), over ? WIRE_BAD : WIRE_GOOD);
		buf_reset(&body);
		for (unsigned i = 0; i < WIRE_UNKNOWN_MAX + over; i++)
			buf_push(&body, "\x98\x06\x01", 3); /* field 99 */
		assert_int_equal(check(body.data, body.size), over ? WIRE_BAD : WIRE_GOOD);
	}
	buf_release(&body);
}

static void
test_wire__unpack_stays_in_the_arena(void **state)
{
	(void)state;
	struct buf good = definition_with("c");
	struct bytes bytes = buf_bytes(&good);
	struct arena arena;
	arena_init(&arena, 0);
	assert_non_null(wire_unpack(&froe__envelope__descriptor, bytes, &arena));
	size_t needed = arena.taken;
	arena_release(&arena);
	for (size_t limit = 1; limit < needed; limit += 16) {
		arena_init(&arena, limit);
		assert_null(wire_unpack(&froe__envelope__descriptor, bytes, &arena));
		arena_release(&arena);
	}
	arena_init(&arena, needed);
	assert_non_null(wire_unpack(&froe__envelope__descriptor, bytes, &arena));
	arena_release(&arena);
	buf_release(&good);
}

/* The worst definition that the limits admit fits the arena that sessions use. */
static void
test_wire__largest_definition_fits(void **state)
{
	(void)state;
	struct buf workflow, task, envelope;
	buf_init(&workflow);
	buf_init(&task);
	buf_init(&envelope);
	for (int i = 0; i < 348; i++)
		buf_push(&task, "\x1a\x01p", 3); /* parents: "p" */
	while (workflow.size + task.size + 4 <= FROE_DEFINITION_BYTES_MAX) {
		uint8_t head[] = {0x12, (uint8_t)(task.size | 0x80), (uint8_t)(task.size >> 7)};
		buf_push(&workflow, head, sizeof(head));
		buf_push(&workflow, task.data, task.size);
	}
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const ProtobufCMessageDescriptor *type = &froe__workflow_definition__descriptor;
	assert_int_equal(wire_check(type, buf_bytes(&workflow), field), WIRE_GOOD);
	assert_non_null(wire_unpack(type, buf_bytes(&workflow), &arena));
	arena_release(&arena);
	buf_release(&workflow);
	buf_release(&task);
	buf_release(&envelope);
}

/* Whatever the bytes: wire_check is right about what wire_unpack may be given (ASan, UBSan). */
static void
test_wire__mutations(void **state)
{
	(void)state;
	struct buf good = definition_with("c");
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	uint64_t random = 88172645463325252u;
	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[256];
		memcpy(bytes, good.data, good.size);
		for (int changes = 0; changes < 3; changes++) {
			random ^= random << 13;
			random ^= random >> 7;
			random ^= random << 17;
			bytes[random % good.size] = (uint8_t)(random >> 32);
		}
		struct bytes message = bytes_of(bytes, good.size);
		if (check(bytes, good.size) != WIRE_BAD)
			(void)wire_unpack(&froe__envelope__descriptor, message, &arena);
		arena_reset(&arena);
	}
	arena_release(&arena);
	buf_release(&good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_wire__good),
	    cmocka_unit_test(test_wire__cut_anywhere_is_refused_or_smaller),
	    cmocka_unit_test(test_wire__text_is_named),
	    cmocka_unit_test(test_wire__malformed),
	    cmocka_unit_test(test_wire__repetition_is_bounded),
	    cmocka_unit_test(test_wire__unpack_stays_in_the_arena),
	    cmocka_unit_test(test_wire__largest_definition_fits),
	    cmocka_unit_test(test_wire__mutations),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
