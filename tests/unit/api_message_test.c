/*
 * base/message beside protobuf-c, on every message of the protocol with random contents: the same
 * bytes, the same structs; and of bytes that were changed it takes none that the slow way
 * (wire_check and protobuf-c) does not take, nor in another way.
 */
#include "api/wire.h"
#include "base/mem.h"
#include "base/message.h"

#include "hatchet/admin.pb-c.h"
#include "proto/native.pb-c.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define TYPES_MAX 256u
#define ROUNDS 40u

static uint64_t dice = 1;

static uint64_t
roll(uint64_t sides)
{
	dice ^= dice << 13;
	dice ^= dice >> 7;
	dice ^= dice << 17;
	return dice % sides;
}

/* ------------------------------------------------------------------------------- all types */

struct types {
	const ProtobufCMessageDescriptor *all[TYPES_MAX];
	unsigned count;
};

static void
types_add(struct types *types, const ProtobufCMessageDescriptor *type)
{
	for (unsigned i = 0; i < types->count; i++) {
		if (types->all[i] == type)
			return;
	}
	assert_in_range(types->count, 0, TYPES_MAX - 1);
	types->all[types->count++] = type;
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (type->fields[i].type == PROTOBUF_C_TYPE_MESSAGE)
			types_add(types, type->fields[i].descriptor);
	}
}

/* What base/message counts on: no other kinds of fields, no defaults, nothing packed. */
static void
types_check(const struct types *types)
{
	for (unsigned i = 0; i < types->count; i++) {
		const ProtobufCMessageDescriptor *type = types->all[i];
		for (unsigned n = 0; n < type->n_fields; n++) {
			const ProtobufCFieldDescriptor *field = &type->fields[n];
			assert_true(field->type == PROTOBUF_C_TYPE_UINT32 ||
				    field->type == PROTOBUF_C_TYPE_UINT64 ||
				    (field->type >= PROTOBUF_C_TYPE_DOUBLE &&
					field->type <= PROTOBUF_C_TYPE_MESSAGE));
			assert_true(field->label == PROTOBUF_C_LABEL_OPTIONAL ||
				    field->label == PROTOBUF_C_LABEL_REPEATED);
			assert_null(field->default_value);
			assert_false(field->flags & PROTOBUF_C_FIELD_FLAG_PACKED);
		}
	}
}

/* --------------------------------------------------------------------------- random contents */

static ProtobufCMessage *make(const ProtobufCMessageDescriptor *type, struct arena *arena);

static uint64_t
random_number(void)
{
	uint64_t number = roll(UINT64_MAX);
	return number >> roll(64);
}

static size_t
random_size(void)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 16, 126, 127, 128, 300, 16383, 16384};
	return sizes[roll(roll(8) == 0 ? 12 : 6)];
}

static char *
random_text(struct arena *arena)
{
	static const char *const letters[] = {
	    "a", "Z", "\x01", "\x7f", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\xa6\x8a"};
	size_t size = random_size(), used = 0;
	char *text = arena_alloc(arena, size + 5);
	while (used < size) {
		const char *letter = letters[roll(roll(4) == 0 ? 7 : 2)];
		memcpy(text + used, letter, strlen(letter));
		used += strlen(letter);
	}
	text[used] = 0;
	return text;
}

static void
make_value(void *to, const ProtobufCFieldDescriptor *field, struct arena *arena)
{
	ProtobufCBinaryData *data = to;
	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		*(uint32_t *)to = (uint32_t)random_number();
		return;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE: /* any eight bytes */
		*(uint64_t *)to = random_number();
		return;
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *)to = roll(2) == 0;
		return;
	case PROTOBUF_C_TYPE_STRING:
		*(char **)to = random_text(arena);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		data->len = random_size();
		data->data = arena_alloc(arena, data->len + 1);
		for (size_t i = 0; i < data->len; i++)
			data->data[i] = (uint8_t)roll(256);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		*(ProtobufCMessage **)to = make(field->descriptor, arena);
		return;
	}
	fail_msg("a field of type %d", field->type);
}

static size_t
value_room(ProtobufCType type)
{
	return type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData)
	       : type == PROTOBUF_C_TYPE_UINT32 || type == PROTOBUF_C_TYPE_ENUM ||
		       type == PROTOBUF_C_TYPE_BOOL
		   ? 4
		   : 8;
}

static ProtobufCMessage *
make(const ProtobufCMessageDescriptor *type, struct arena *arena)
{
	uint8_t *message = arena_alloc(arena, type->sizeof_message);
	type->message_init((ProtobufCMessage *)message);
	unsigned one = (unsigned)roll(type->n_fields + 1), often = (unsigned)roll(4);
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];
		uint8_t *at = message + field->offset;
		uint8_t *quantifier = message + field->quantifier_offset;
		bool oneof = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
		if (oneof ? i != one : roll(4) > often)
			continue;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			size_t count = roll(4), room = value_room(field->type);
			*(size_t *)(void *)quantifier = count;
			*(uint8_t **)(void *)at = arena_alloc(arena, count * room);
			for (size_t n = 0; n < count; n++)
				make_value(*(uint8_t **)(void *)at + n * room, field, arena);
			continue;
		}
		if (field->quantifier_offset != 0)
			*(uint32_t *)(void *)quantifier = oneof ? field->id : 1;
		make_value(at, field, arena);
	}
	return (ProtobufCMessage *)message;
}

/* ------------------------------------------------------------------------------ comparisons */

static void same(const ProtobufCMessage *a, const ProtobufCMessage *b);

static void
same_value(const ProtobufCFieldDescriptor *field, const void *a, const void *b)
{
	const ProtobufCBinaryData *left = a, *right = b;
	switch ((int)field->type) {
	case PROTOBUF_C_TYPE_STRING:
		assert_int_equal(*(char *const *)a == NULL, *(char *const *)b == NULL);
		if (*(char *const *)a != NULL)
			assert_string_equal(*(char *const *)a, *(char *const *)b);
		return;
	case PROTOBUF_C_TYPE_BYTES:
		assert_int_equal(left->len, right->len);
		if (left->len > 0)
			assert_memory_equal(left->data, right->data, left->len);
		return;
	case PROTOBUF_C_TYPE_MESSAGE:
		assert_int_equal(*(void *const *)a == NULL, *(void *const *)b == NULL);
		if (*(void *const *)a != NULL)
			same(*(const ProtobufCMessage *const *)a,
			    *(const ProtobufCMessage *const *)b);
		return;
	default:
		assert_memory_equal(a, b, value_room(field->type));
	}
}

static void
same_field(const ProtobufCFieldDescriptor *field, const uint8_t *a, const uint8_t *b)
{
	const void *at_a = a + field->offset, *at_b = b + field->offset;
	const void *of_a = a + field->quantifier_offset, *of_b = b + field->quantifier_offset;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t count = *(const size_t *)of_a, room = value_room(field->type);
		assert_int_equal(count, *(const size_t *)of_b);
		for (size_t i = 0; i < count; i++)
			same_value(field, *(uint8_t *const *)at_a + i * room,
			    *(uint8_t *const *)at_b + i * room);
		return;
	}
	if (field->quantifier_offset != 0)
		assert_int_equal(*(const uint32_t *)of_a, *(const uint32_t *)of_b);
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
	    *(const uint32_t *)of_a == field->id)
		same_value(field, at_a, at_b);
}

static void
same(const ProtobufCMessage *a, const ProtobufCMessage *b)
{
	assert_ptr_equal(a->descriptor, b->descriptor);
	for (unsigned i = 0; i < a->descriptor->n_fields; i++)
		same_field(&a->descriptor->fields[i], (const uint8_t *)a, (const uint8_t *)b);
}

/* Decoded in both ways, from memory of its own so that ASan sees its end. True: it was taken. */
static bool
decodes_alike(const ProtobufCMessageDescriptor *type, struct bytes from, struct arena *arena)
{
	char field[WIRE_FIELD_SIZE];
	uint8_t *exact = mem_alloc(from.size > 0 ? from.size : 1);
	if (from.size > 0)
		memcpy(exact, from.data, from.size);
	struct bytes bytes = bytes_of(exact, from.size);
	arena_reset(arena);
	ProtobufCMessage *message = message_decode(type, bytes, arena);
	if (message != NULL) {
		ProtobufCMessage *other = wire_unpack(type, bytes, arena);
		assert_int_equal(wire_check(type, bytes, field), WIRE_GOOD);
		assert_non_null(other);
		assert_int_equal(other->n_unknown_fields, 0);
		same(message, other);
	}
	mem_free(exact);
	return message != NULL;
}

/* ------------------------------------------------------------------------------------ tests */

static void
encodes_alike(const ProtobufCMessage *message, struct buf *to)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	uint8_t *packed = mem_alloc(size + 1);
	assert_int_equal(protobuf_c_message_pack(message, packed), size);
	assert_int_equal(message_size(message), size);
	buf_reset(to);
	message_push(message, to);
	assert_int_equal(buf_used(to), size);
	if (size > 0)
		assert_memory_equal(to->data, packed, size);
	mem_free(packed);
}

static void
test_message__random_contents(void **state)
{
	struct types types = {.count = 0};
	struct arena arena, other;
	struct buf packed;
	(void)state;
	types_add(&types, &froe__envelope__descriptor);
	assert_in_range(types.count, 80, TYPES_MAX);
	types_check(&types);
	arena_init(&arena, 0);
	arena_init(&other, 0);
	buf_init(&packed);
	for (unsigned i = 0; i < types.count * ROUNDS; i++) {
		const ProtobufCMessageDescriptor *type = types.all[i % types.count];
		arena_reset(&arena);
		const ProtobufCMessage *message = make(type, &arena);
		encodes_alike(message, &packed);
		assert_true(decodes_alike(type, buf_bytes(&packed), &other));
		same(message, message_decode(type, buf_bytes(&packed), &other));
	}
	buf_release(&packed);
	arena_release(&other);
	arena_release(&arena);
}

/* One to three changes: a byte of any value, bytes cut out, bytes said twice. */
static void
mutate(struct buf *bytes)
{
	for (uint64_t left = 1 + roll(3); left > 0 && buf_used(bytes) > 0; left--) {
		size_t at = roll(buf_used(bytes)), size = roll(buf_used(bytes) - at + 1);
		uint8_t *from = bytes->data + at;
		if (roll(2) == 0) {
			*from = (uint8_t)(roll(2) == 0 ? roll(256) : *from ^ 1u << roll(8));
		} else if (roll(2) == 0) {
			memmove(from, from + size, buf_used(bytes) - at - size);
			bytes->size -= size;
		} else {
			uint8_t *to = buf_reserve(bytes, size);
			memcpy(to, bytes->data + at, size);
			buf_commit(bytes, size);
		}
	}
}

static void
test_message__changed_bytes(void **state)
{
	struct types types = {.count = 0};
	struct arena arena;
	struct buf packed;
	unsigned taken = 0, all = 0;
	(void)state;
	types_add(&types, &froe__envelope__descriptor);
	arena_init(&arena, 0);
	buf_init(&packed);
	for (; all < types.count * ROUNDS * 10; all++) {
		const ProtobufCMessageDescriptor *type = types.all[roll(types.count)];
		arena_reset(&arena);
		buf_reset(&packed);
		message_push(make(type, &arena), &packed);
		mutate(&packed);
		taken += decodes_alike(type, buf_bytes(&packed), &arena);
	}
	assert_in_range(taken, all / 20, all * 19 / 20); /* both answers were given */
	buf_release(&packed);
	arena_release(&arena);
}

/* Every end of a message, and each of its bytes any other one. */
static void
test_message__every_byte(void **state)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__RunStart start = FROE__RUN_START__INIT;
	Froe__Pair pair = FROE__PAIR__INIT, *pairs[] = {&pair, &pair};
	struct arena arena;
	struct buf packed;
	(void)state;
	envelope.has_request = true;
	envelope.request = 300;
	envelope.body_case = FROE__ENVELOPE__BODY_RUN_START;
	envelope.run_start = &start;
	start.workflow = (char[]){"wf"};
	start.has_input = start.has_wait = start.wait = start.has_start_ns = true;
	start.input = (ProtobufCBinaryData){2, (uint8_t[]){"{}"}};
	start.start_ns = UINT64_MAX;
	pair.key = pair.value = (char[]){"k"};
	start.metadata = pairs;
	start.n_metadata = 2;
	buf_init(&packed);
	arena_init(&arena, 0);
	message_push(&envelope.base, &packed);
	const ProtobufCMessageDescriptor *type = &froe__envelope__descriptor;
	struct bytes bytes = buf_bytes(&packed);
	assert_true(decodes_alike(type, bytes, &arena));
	for (size_t size = 4; size < bytes.size; size++)
		assert_false(decodes_alike(type, bytes_of(bytes.data, size), &arena));
	for (size_t i = 0; i < bytes.size; i++) {
		uint8_t good = packed.data[i];
		for (unsigned byte = 0; byte < 256; byte++) {
			packed.data[i] = (uint8_t)byte;
			decodes_alike(type, bytes, &arena);
		}
		packed.data[i] = good;
	}
	buf_release(&packed);
	arena_release(&arena);
}

/* What is left to protobuf-c, and numbers that are longer than they need be. */
static void
test_message__by_hand(void **state)
{
	static const struct {
		size_t size;
		uint8_t bytes[20];
		bool taken;
	} cases[] = {
	    {0, {0}, true}, {4, {0x08, 1, 0x52, 0}, true},
	    {4, {0x52, 0, 0x08, 1}, true},			 /* in another order */
	    {4, {0x08, 1, 0x08, 2}, false},			 /* a number twice */
	    {4, {0x52, 0, 0x52, 0}, false},			 /* a body twice */
	    {4, {0x52, 0, 0x5a, 0}, false},			 /* two bodies */
	    {3, {0x88, 0, 1}, true},				 /* a tag of two bytes for one */
	    {7, {0x88, 0x80, 0x80, 0x80, 0x80, 0, 1}, false},	 /* of six: protobuf-c says no */
	    {6, {0x52, 0x80, 0x80, 0x80, 0x80, 0}, true},	 /* a size of five bytes */
	    {7, {0x52, 0x80, 0x80, 0x80, 0x80, 0x80, 0}, false}, /* of six */
	    {11, {8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, true},  /* 64 bits */
	    {11, {8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2}, false}, /* 65 */
	    {3, {0xfa, 0x7f, 0}, false},		/* a field that nobody knows */
	    {2, {0x00, 0}, false},			/* number 0 is none */
	    {2, {0x0b, 0x0c}, false},			/* a group */
	    {9, {0x09, 1, 2, 3, 4, 5, 6, 7, 8}, false}, /* a number of a fixed size */
	    {2, {0x50, 0}, false},			/* a body that is a number */
	    {6, {0x52, 4, 0x12, 2, 0xc3, 0x28}, false}, /* no UTF-8 */
	    {6, {0x52, 4, 0x12, 2, 'a', 0}, false},	/* a zero byte in a text */
	};
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(decodes_alike(&froe__envelope__descriptor,
				     bytes_of(cases[i].bytes, cases[i].size), &arena),
		    cases[i].taken);
	arena_release(&arena);
}

/* A kind of field that the protocol does not have is nobody's here, whatever its wire type. */
static void
test_message__other_kinds(void **state)
{
	const ProtobufCMessageDescriptor *type = &hatchet__create_task_rate_limit__descriptor;
	static const uint8_t key[] = {0x0a, 1, 'k'}, units[] = {0x10, 5};
	struct arena arena;
	(void)state;
	arena_init(&arena, 0);
	assert_true(decodes_alike(type, bytes_of(key, sizeof(key)), &arena));
	assert_false(decodes_alike(type, bytes_of(units, sizeof(units)), &arena));
	assert_non_null(wire_unpack(type, bytes_of(units, sizeof(units)), &arena));
	arena_release(&arena);
}

/* As many of one field as are allowed; and memory within the arena's bound. */
static void
test_message__bounds(void **state)
{
	const ProtobufCMessageDescriptor *type = &froe__run_start_many__descriptor;
	struct arena arena;
	struct buf many;
	(void)state;
	buf_init(&many);
	arena_init(&arena, 0);
	for (unsigned i = 0; i < MESSAGE_REPEATED_MAX; i++)
		buf_push(&many, "\x0a\x00", 2);
	assert_true(decodes_alike(type, buf_bytes(&many), &arena));
	buf_push(&many, "\x0a\x00", 2);
	assert_null(message_decode(type, buf_bytes(&many), &arena));
	arena_release(&arena);
	buf_pop(&many, 4);
	arena_init(&arena, 4096);
	assert_null(message_decode(type, buf_bytes(&many), &arena));
	assert_true(arena.taken <= 4096);
	arena_release(&arena);
	buf_release(&many);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_message__random_contents),
	    cmocka_unit_test(test_message__changed_bytes),
	    cmocka_unit_test(test_message__every_byte),
	    cmocka_unit_test(test_message__by_hand),
	    cmocka_unit_test(test_message__other_kinds),
	    cmocka_unit_test(test_message__bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
