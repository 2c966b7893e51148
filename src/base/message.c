/*
 * One pass over the bytes, or over the type's fields. Both recurse by descriptor; no message type
 * of ours contains itself, so the depth is that of the types, whatever the bytes say.
 */
#include "base/message.h"

#include "base/json.h"

#define VARINT PROTOBUF_C_WIRE_TYPE_VARINT
#define FIXED PROTOBUF_C_WIRE_TYPE_64BIT
#define LENGTH_DELIMITED PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED

/* Of one value in a generated struct. */
static size_t
value_room(ProtobufCType type)
{
	switch ((int)type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return sizeof(uint32_t);
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return sizeof(uint64_t);
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof(void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof(ProtobufCBinaryData);
	}
	froe_never("a type that proto/ does not use");
}

#define WIRE_NONE 8u /* of types that the native protocol does not use: left to protobuf-c */
static const uint8_t wire_types[] = {
    [PROTOBUF_C_TYPE_INT32] = WIRE_NONE,
    [PROTOBUF_C_TYPE_SINT32] = WIRE_NONE,
    [PROTOBUF_C_TYPE_SFIXED32] = WIRE_NONE,
    [PROTOBUF_C_TYPE_INT64] = WIRE_NONE,
    [PROTOBUF_C_TYPE_SINT64] = WIRE_NONE,
    [PROTOBUF_C_TYPE_SFIXED64] = WIRE_NONE,
    [PROTOBUF_C_TYPE_FIXED32] = WIRE_NONE,
    [PROTOBUF_C_TYPE_FIXED64] = WIRE_NONE,
    [PROTOBUF_C_TYPE_FLOAT] = WIRE_NONE,
    [PROTOBUF_C_TYPE_UINT32] = VARINT,
    [PROTOBUF_C_TYPE_UINT64] = VARINT,
    [PROTOBUF_C_TYPE_BOOL] = VARINT,
    [PROTOBUF_C_TYPE_ENUM] = VARINT,
    [PROTOBUF_C_TYPE_DOUBLE] = FIXED,
    [PROTOBUF_C_TYPE_STRING] = LENGTH_DELIMITED,
    [PROTOBUF_C_TYPE_BYTES] = LENGTH_DELIMITED,
    [PROTOBUF_C_TYPE_MESSAGE] = LENGTH_DELIMITED,
};

static inline uint32_t
field_tag(const ProtobufCFieldDescriptor *field)
{
	froe_assert(wire_types[field->type] != WIRE_NONE);
	return field->id << 3 | wire_types[field->type];
}

/* Where a type's fields end; it may have none, and no table of them. */
static inline const ProtobufCFieldDescriptor *
fields_end(const ProtobufCMessageDescriptor *type)
{
	return type->n_fields > 0 ? type->fields + type->n_fields : type->fields;
}

static inline void *
member(const ProtobufCMessage *message, unsigned offset)
{
	return (uint8_t *)(uintptr_t)message + offset;
}

/* ------------------------------------------------------------------------------------ decoding */

#define SHORT_BYTES_MAX 5u

/* These read from the front, and return where the rest begins; NULL: it is cut off, or garbled. */

static const uint8_t *
long_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	uint64_t value = 0;
	if (end - at > (ptrdiff_t)VARINT_BYTES_MAX)
		end = at + VARINT_BYTES_MAX;
	for (unsigned shift = 0; at < end; shift += 7) {
		uint64_t byte = *at++;
		value |= (byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return shift == 63 && byte > 1 ? NULL : at; /* 65 bits */
		}
	}
	return NULL;
}

static inline const uint8_t *
varint_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	if (at == end || *at >= 0x80)
		return long_read(at, end, ret_value);
	*ret_value = *at;
	return at + 1;
}

/* A tag or a length: protobuf-c takes no longer one. */
static inline const uint8_t *
short_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	if (at < end && *at < 0x80) {
		*ret_value = *at;
		return at + 1;
	}
	if (end - at >= 2 && at[1] < 0x80) {
		*ret_value = (at[0] & 0x7fu) | (uint64_t)at[1] << 7;
		return at + 2;
	}
	const uint8_t *rest = long_read(at, end, ret_value);
	return rest != NULL && rest - at <= SHORT_BYTES_MAX && *ret_value <= UINT32_MAX ? rest
											: NULL;
}

/* `size` bytes of content begin where it returns. */
static inline const uint8_t *
size_read(const uint8_t *at, const uint8_t *end, uint64_t *ret_size)
{
	at = short_read(at, end, ret_size);
	return at != NULL && *ret_size <= (size_t)(end - at) ? at : NULL;
}

/* Past a value of any kind. */
static const uint8_t *
value_skip(const uint8_t *at, const uint8_t *end, unsigned wire)
{
	uint64_t number;
	if (wire == VARINT)
		return varint_read(at, end, &number);
	if (wire == FIXED)
		return end - at >= 8 ? at + 8 : NULL;
	if (wire != LENGTH_DELIMITED || (at = size_read(at, end, &number)) == NULL)
		return NULL;
	return at + number;
}

/* A type has few ranges of numbers, and the last row of the table is only where they end. */
static const ProtobufCFieldDescriptor *
field_find(const ProtobufCMessageDescriptor *type, unsigned number)
{
	const ProtobufCIntRange *range = type->field_ranges;
	for (unsigned i = 0; i < type->n_field_ranges; i++, range++) {
		unsigned nth = number - (unsigned)range->start_value;
		if (nth < range[1].orig_index - range->orig_index)
			return &type->fields[range->orig_index + nth];
	}
	return NULL;
}

/* How many fields of that tag there are from here on. */
static size_t
fields_count(const uint8_t *at, const uint8_t *end, uint64_t tag)
{
	size_t count = 0;
	uint64_t next;
	while (at != NULL && at < end && (at = short_read(at, end, &next)) != NULL) {
		count += next == tag;
		at = value_skip(at, end, (unsigned)next & 7);
	}
	return count;
}

/* The place of a repeated field's next value. The array is made when the first one comes, for all;
 * `at`: behind its tag. NULL: they are too many. */
static void *
array_place(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const uint8_t *at,
    const uint8_t *end, struct arena *arena)
{
	size_t *count = member(message, field->quantifier_offset);
	uint8_t **array = member(message, field->offset);
	size_t room = value_room(field->type);
	if (*count == 0) {
		const uint8_t *rest = value_skip(at, end, wire_types[field->type]);
		size_t values = 1 + fields_count(rest, end, field_tag(field));
		*array = values <= MESSAGE_REPEATED_MAX ? arena_alloc(arena, values * room) : NULL;
	}
	return *array != NULL ? *array + (*count)++ * room : NULL;
}

/* NULL: it has a value already. */
static inline void *
value_place(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	void *at = member(message, field->offset);
	if (field->quantifier_offset == 0) /* a pointer says by itself whether it is there */
		return field->type >= PROTOBUF_C_TYPE_STRING && *(void **)at == NULL ? at : NULL;
	uint32_t *quantifier = member(message, field->quantifier_offset);
	if (*quantifier != 0)
		return NULL;
	*quantifier = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 ? field->id : true;
	return at;
}

static char *
text_copy(struct bytes content, struct arena *arena)
{
	char *text =
	    utf8_valid(content.data, content.size) ? arena_alloc(arena, content.size + 1) : NULL;
	if (text == NULL)
		return NULL;
	memcpy(text, content.data, content.size);
	text[content.size] = 0;
	return text;
}

/* What has a length: it ends at `end`. */
static bool
content_decode(void *to, const ProtobufCFieldDescriptor *field, const uint8_t *at,
    const uint8_t *end, struct arena *arena)
{
	struct bytes content = bytes_of(at, (size_t)(end - at));
	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		*(ProtobufCBinaryData *)to =
		    (ProtobufCBinaryData){content.size, (uint8_t *)(uintptr_t)at};
		return true;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING)
		return (*(char **)to = text_copy(content, arena)) != NULL;
	return (*(ProtobufCMessage **)to = message_decode(field->descriptor, content, arena)) !=
	       NULL;
}

static inline void
number_store(void *to, ProtobufCType type, uint64_t number)
{
	if (type == PROTOBUF_C_TYPE_UINT64)
		*(uint64_t *)to = number;
	else
		*(uint32_t *)to = type == PROTOBUF_C_TYPE_BOOL ? number != 0 : (uint32_t)number;
}

/* A value behind its tag. */
static inline const uint8_t *
value_decode(void *to, const ProtobufCFieldDescriptor *field, unsigned wire, const uint8_t *at,
    const uint8_t *end, struct arena *arena)
{
	uint64_t number;
	switch (wire) {
	case VARINT:
		at = varint_read(at, end, &number);
		if (at != NULL)
			number_store(to, field->type, number);
		return at;
	case LENGTH_DELIMITED:
		at = size_read(at, end, &number);
		if (at == NULL || !content_decode(to, field, at, at + number, arena))
			return NULL;
		return at + number;
	default:
		if (end - at < 8)
			return NULL;
		memcpy(to, at, 8);
		return at + 8;
	}
}

ProtobufCMessage *
message_decode(const ProtobufCMessageDescriptor *type, struct bytes from, struct arena *arena)
{
	const uint8_t *at = from.data, *end = from.size > 0 ? at + from.size : at;
	const ProtobufCFieldDescriptor *next = type->fields, *last = fields_end(type);
	ProtobufCMessage *message = arena_alloc(arena, type->sizeof_message);
	if (message == NULL)
		return NULL;
	type->message_init(message);
	while (at < end) {
		uint64_t tag;
		if ((at = short_read(at, end, &tag)) == NULL)
			return NULL;
		const ProtobufCFieldDescriptor *field = next; /* in order, as mostly */
		if (field == last || field->id != tag >> 3)
			field = field_find(type, (unsigned)(tag >> 3));
		if (field == NULL || wire_types[field->type] != (tag & 7))
			return NULL;
		void *to = field->label == PROTOBUF_C_LABEL_REPEATED
		    ? array_place(message, field, at, end, arena)
		    : value_place(message, field);
		if (to == NULL ||
		    (at = value_decode(to, field, (unsigned)tag & 7, at, end, arena)) == NULL)
			return NULL;
		next = field + 1;
	}
	return message;
}

/* ------------------------------------------------------------------------------------ encoding */

/* How many values a field has. */
static inline size_t
values_count(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return *(const size_t *)member(message, field->quantifier_offset);
	if (field->quantifier_offset == 0) {
		froe_assert(field->type >= PROTOBUF_C_TYPE_STRING);
		return *(const void *const *)member(message, field->offset) != NULL;
	}
	uint32_t quantifier = *(const uint32_t *)member(message, field->quantifier_offset);
	if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0)
		return quantifier == field->id;
	return quantifier != 0;
}

/* The first of them. */
static inline const void *
values_first(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	const void *at = member(message, field->offset);
	return field->label == PROTOBUF_C_LABEL_REPEATED ? *(const void *const *)at : at;
}

/* Negative numbers of an enum have ten bytes. */
static inline uint64_t
value_number(ProtobufCType type, const void *at)
{
	if (type == PROTOBUF_C_TYPE_UINT64)
		return *(const uint64_t *)at;
	if (type == PROTOBUF_C_TYPE_ENUM)
		return (uint64_t)(int64_t) * (const int32_t *)at;
	return *(const uint32_t *)at;
}

/* A string's or bytes' contents. */
static inline struct bytes
value_content(ProtobufCType type, const void *at)
{
	if (type == PROTOBUF_C_TYPE_STRING)
		return bytes_text(*(const char *const *)at);
	const ProtobufCBinaryData *data = at;
	return bytes_of(data->data, data->len);
}

static inline size_t
value_size(const ProtobufCFieldDescriptor *field, const void *at)
{
	ProtobufCType type = field->type;
	if (type < PROTOBUF_C_TYPE_STRING)
		return type == PROTOBUF_C_TYPE_DOUBLE ? 8
		       : type == PROTOBUF_C_TYPE_BOOL ? 1
						      : varint_size(value_number(type, at));
	size_t size = type == PROTOBUF_C_TYPE_MESSAGE
			  ? message_size(*(const ProtobufCMessage *const *)at)
			  : value_content(type, at).size;
	return varint_size(size) + size;
}

size_t
message_size(const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = message->descriptor->fields;
	const ProtobufCFieldDescriptor *end = fields_end(message->descriptor);
	size_t size = 0;
	for (; field < end; field++) {
		size_t count = values_count(message, field);
		if (count == 0)
			continue;
		const uint8_t *at = values_first(message, field);
		size += count * varint_size(field->id << 3);
		size += value_size(field, at);
		while (--count > 0)
			size += value_size(field, at += value_room(field->type));
	}
	return size;
}

/* With its tag. */
static inline uint8_t *
value_encode(const ProtobufCFieldDescriptor *field, const void *at, uint8_t *to)
{
	ProtobufCType type = field->type;
	to = varint_store(to, field_tag(field));
	if (type < PROTOBUF_C_TYPE_STRING && type != PROTOBUF_C_TYPE_DOUBLE)
		return varint_store(to, value_number(type, at));
	if (type == PROTOBUF_C_TYPE_DOUBLE)
		return (uint8_t *)memcpy(to, at, 8) + 8;
	if (type == PROTOBUF_C_TYPE_MESSAGE) {
		const ProtobufCMessage *message = *(const ProtobufCMessage *const *)at;
		return message_encode(message, varint_store(to, message_size(message)));
	}
	struct bytes content = value_content(type, at);
	to = varint_store(to, content.size);
	if (content.size > 0)
		memcpy(to, content.data, content.size);
	return to + content.size;
}

uint8_t *
message_encode(const ProtobufCMessage *message, uint8_t *to)
{
	const ProtobufCFieldDescriptor *field = message->descriptor->fields;
	const ProtobufCFieldDescriptor *end = fields_end(message->descriptor);
	for (; field < end; field++) {
		size_t count = values_count(message, field);
		if (count == 0)
			continue;
		const uint8_t *at = values_first(message, field);
		to = value_encode(field, at, to);
		while (--count > 0)
			to = value_encode(field, at += value_room(field->type), to);
	}
	return to;
}

void
message_push(const ProtobufCMessage *message, struct buf *to)
{
	uint8_t *begin = buf_reserve(to, message_size(message));
	buf_commit(to, (size_t)(message_encode(message, begin) - begin));
}

/* ------------------------------------------------------------------------------ field by field */

/* Where the content begins. There is room for a length of one byte, as most are. */
size_t
message_begin(struct buf *to, unsigned field)
{
	uint8_t *begin = buf_reserve(to, MESSAGE_HEAD_BYTES_MAX);
	uint8_t *at = varint_store(begin, MESSAGE_TAG(field, LENGTH_PREFIXED));
	buf_commit(to, (size_t)(at - begin) + 1);
	return buf_used(to);
}

void
message_end(struct buf *to, size_t begun)
{
	size_t size = buf_used(to) - begun, more = varint_size(size) - 1;
	buf_reserve(to, more);
	uint8_t *content = to->data + to->head + begun;
	if (more > 0)
		memmove(content + more, content, size);
	buf_commit(to, more);
	varint_store(content - 1, size);
}
