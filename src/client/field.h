/*
 * client/field: the fields of a message one after the other, where they lie.
 *
 * Purpose     What every run brings (RunStarted, RunEvent, Dispatch) is read by the numbers of its
 *             fields, without a generated struct's tables; base/message reads the rest.
 * Ownership   a field's content is borrowed: it lies in what is read.
 * Failure     what is cut off or garbled ends the loop early: fields_read() tells. Fields that the
 *             reader does not know are its to skip.
 * See         https://protobuf.dev/programming-guides/encoding
 */
#ifndef CLIENT_FIELD_H
#define CLIENT_FIELD_H

#include "base/bytes.h"

#define FIELD_NUMBER(number) ((uint64_t)(number) << 3)     /* a varint */
#define FIELD_CONTENT(number) ((uint64_t)(number) << 3 | 2) /* text, bytes, a message */

/* The one that was read last, and what is left. */
struct field {
	const uint8_t *at;
	const uint8_t *end;
	uint64_t tag;           /* FIELD_NUMBER or FIELD_CONTENT of a number */
	uint64_t value;         /* the number, or the content's size */
	const uint8_t *content;
};

static inline struct field
fields_of(struct bytes message)
{
	const uint8_t *at = message.size > 0 ? message.data : (const uint8_t *)"";
	return (struct field){.at = at, .end = at + message.size};
}

/* All of them were read, and good. */
static inline bool
fields_read(const struct field *field)
{
	return field->at == field->end;
}

/* By value, in two registers: nothing of the loop over the fields has to be in memory. */
struct field_varint {
	const uint8_t *rest; /* NULL: it is cut off, or longer than 64 bits are */
	uint64_t value;
};

struct field_varint field_long(const uint8_t *at, const uint8_t *end);

static inline struct field_varint
field_varint(const uint8_t *at, const uint8_t *end)
{
	if (end - at >= 2 && at[0] < 0x80) /* mostly with something behind them */
		return (struct field_varint){at + 1, at[0]};
	if (end - at >= 2 && at[1] < 0x80)
		return (struct field_varint){at + 2, (at[0] & 0x7fu) | (uint64_t)at[1] << 7};
	return field_long(at, end);
}

/* Of the types that the protocol does not use, and a newer server's might; too many: no type. */
static inline uint64_t
field_fixed_size(unsigned type)
{
	return type == 1 ? 8 : type == 5 ? 4 : UINT64_MAX;
}

/* A field of any size. */
static inline __attribute__((always_inline)) bool
field_next_any(struct field *field)
{
	struct field_varint value, tag = field_varint(field->at, field->end);
	unsigned type = tag.value & 7;
	if (tag.rest == NULL)
		return false;
	if (type == 0 || type == 2)
		value = field_varint(tag.rest, field->end);
	else
		value = (struct field_varint){tag.rest, field_fixed_size(type)};
	if (value.rest == NULL)
		return false;
	if (type != 0 && value.value > (uint64_t)(field->end - value.rest))
		return false;
	field->tag = tag.value;
	field->value = value.value;
	field->content = value.rest;
	field->at = type == 0 ? value.rest : value.rest + value.value;
	return true;
}

/* On to the next one; false: there is none, or no good one. Of nearly all fields tag and number, or
 * tag and size, are a byte each. */
static inline __attribute__((always_inline)) bool
field_next(struct field *field)
{
	const uint8_t *at = field->at;
	size_t left = (size_t)(field->end - at);
	if (left == 0)
		return false;
	if (left < 2 || (le16_load(at) & 0x8080) != 0)
		return field_next_any(field);
	unsigned type = at[0] & 7;
	if (type != 0 && (type != 2 || at[1] > left - 2))
		return field_next_any(field);
	field->tag = at[0];
	field->value = at[1];
	field->content = at + 2;
	field->at = type == 0 ? at + 2 : at + 2 + at[1];
	return true;
}

static inline struct bytes
field_bytes(const struct field *field)
{
	return bytes_of(field->content, field->value);
}

#endif
