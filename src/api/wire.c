#include "api/wire.h"

#include "base/json.h"
#include "base/varint.h"

#include <stdio.h>

#define FIELDS_MAX 192u /* of one of our message types */

/* Where in the message we are, innermost first. */
struct place {
	const struct place *outer;
	const char *name;
	uint32_t index;
	bool repeated;
};

struct check {
	char *field; /* the first string that is no text */
	bool text_bad;
};

static void
place_format(const struct place *place, char field[WIRE_FIELD_SIZE])
{
	const struct place *path[WIRE_DEPTH_MAX];
	size_t depth = 0, size = 0;
	for (; place != NULL && depth < WIRE_DEPTH_MAX; place = place->outer)
		path[depth++] = place;
	field[0] = 0;
	while (depth-- > 0 && size < WIRE_FIELD_SIZE) {
		const char *dot = size > 0 ? "." : "";
		char *to = field + size;
		size_t room = WIRE_FIELD_SIZE - size;
		int written = path[depth]->repeated
		    ? snprintf(to, room, "%s%s[%u]", dot, path[depth]->name, path[depth]->index)
		    : snprintf(to, room, "%s%s", dot, path[depth]->name);
		size += (size_t)written;
	}
}

bool
wire_field_take(struct bytes *from, struct wire_field *ret_field)
{
	uint64_t tag, size;
	if (!varint_take(from, &tag) || tag >> 3 == 0 || tag >> 32 != 0)
		return false;
	*ret_field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
	switch (ret_field->type) {
	case PROTOBUF_C_WIRE_TYPE_VARINT:
		return varint_take(from, &ret_field->value);
	case PROTOBUF_C_WIRE_TYPE_64BIT:
		size = 8;
		break;
	case PROTOBUF_C_WIRE_TYPE_32BIT:
		size = 4;
		break;
	case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED:
		if (!varint_take(from, &size))
			return false;
		break;
	default:
		return false;
	}
	if (size > from->size)
		return false;
	ret_field->content = bytes_of(from->data, (size_t)size);
	from->data += size;
	from->size -= (size_t)size;
	return true;
}

static bool
check_message(struct check *check, const ProtobufCMessageDescriptor *descriptor,
    struct bytes message, const struct place *outer, unsigned depth)
{
	uint32_t counts[FIELDS_MAX], unknown = 0;
	froe_assert(depth < WIRE_DEPTH_MAX && descriptor->n_fields <= FIELDS_MAX);
	memset(counts, 0, descriptor->n_fields * sizeof(counts[0]));
	while (message.size > 0) {
		struct wire_field taken;
		if (!wire_field_take(&message, &taken)) {
			place_format(outer, check->field);
			return false;
		}
		const ProtobufCFieldDescriptor *field =
		    protobuf_c_message_descriptor_get_field(descriptor, taken.number);
		uint32_t *count = field != NULL ? &counts[field - descriptor->fields] : &unknown;
		struct place place = {
		    .outer = outer,
		    .name = field != NULL ? field->name : "unknown fields",
		    .index = *count,
		    .repeated = field != NULL && field->label == PROTOBUF_C_LABEL_REPEATED,
		};
		if ((*count)++ >= (field != NULL ? WIRE_REPEATED_MAX : WIRE_UNKNOWN_MAX)) {
			place_format(&place, check->field);
			return false;
		}
		if (field == NULL || taken.type != PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)
			continue;
		if (field->type == PROTOBUF_C_TYPE_MESSAGE &&
		    !check_message(check, field->descriptor, taken.content, &place, depth + 1))
			return false;
		if (field->type == PROTOBUF_C_TYPE_STRING && !check->text_bad &&
		    !utf8_valid(taken.content.data, taken.content.size)) {
			check->text_bad = true;
			place_format(&place, check->field);
		}
	}
	return true;
}

enum wire_result
wire_check(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
    char field[WIRE_FIELD_SIZE])
{
	struct check check = {.field = field};
	field[0] = 0;
	if (!check_message(&check, descriptor, message, /* outer= */ NULL, /* depth= */ 0))
		return WIRE_BAD;
	return check.text_bad ? WIRE_TEXT : WIRE_GOOD;
}

static void *
arena_take(void *data, size_t size)
{
	struct arena *arena = data;
	return arena_alloc(arena, size);
}

static void
arena_leave(void *data, void *block)
{
	(void)data;
	(void)block; /* the arena is reset as a whole */
}

ProtobufCMessage *
wire_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes message, struct arena *arena)
{
	ProtobufCAllocator allocator = {
	    .alloc = arena_take,
	    .free = arena_leave,
	    .allocator_data = arena,
	};
	return protobuf_c_message_unpack(descriptor, &allocator, message.size, message.data);
}
