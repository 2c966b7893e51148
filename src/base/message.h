/*
 * base/message: protobuf messages as bytes and back, in protobuf-c's generated structs.
 *
 * Purpose     What protobuf-c's pack and unpack do, with a third to a tenth of their instructions,
 *             for what is on every run's path. The descriptors that it generates do the work.
 *             Messages are proto2's; a kind of field that proto/native.proto does not have is not
 *             decoded here, and must not be encoded.
 * Ownership   a decoded message lies in the arena; its bytes fields (not its strings) point into
 *             what it was decoded from.
 * Invariants  1. encoded: the bytes that protobuf-c writes.
 *             2. decoded: what protobuf-c would make of it, and its strings are UTF-8 text without
 *                zero bytes.
 * Failure     message_decode takes messages as everybody writes them: each field once, none that it
 *             does not know. NULL: any other, good or bad, or no room in the arena; protobuf-c will
 *             tell, after api/wire where strangers are listened to.
 * See         https://protobuf.dev/programming-guides/encoding
 */
#ifndef BASE_MESSAGE_H
#define BASE_MESSAGE_H

#include "base/arena.h"
#include "base/varint.h"

#include <protobuf-c/protobuf-c.h>

#define MESSAGE_REPEATED_MAX 10000u /* of one field in one message */

ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, struct bytes from,
    struct arena *arena);

size_t message_size(const ProtobufCMessage *message);

/* Writes message_size() bytes; returns their end. */
uint8_t *message_encode(const ProtobufCMessage *message, uint8_t *to);

/* Appends it to a buffer. */
void message_push(const ProtobufCMessage *message, struct buf *to);

/* Fields one by one, in the order of their numbers: for messages whose parts are at hand. */

#define MESSAGE_TAG(field, wire) ((uint64_t)(field) << 3 | PROTOBUF_C_WIRE_TYPE_##wire)
#define MESSAGE_HEAD_BYTES_MAX (2 * VARINT_BYTES_MAX) /* tag, and value or length */

/* Where there is room: each MESSAGE_HEAD_BYTES_MAX and its content. They return the end. */

static inline uint8_t *
message_store_number(uint8_t *at, unsigned field, uint64_t value)
{
	return varint_store(varint_store(at, MESSAGE_TAG(field, VARINT)), value);
}

static inline uint8_t *
message_store_bytes(uint8_t *at, unsigned field, struct bytes content)
{
	at = varint_store(at, MESSAGE_TAG(field, LENGTH_PREFIXED));
	at = varint_store(at, content.size);
	if (content.size > 0)
		memcpy(at, content.data, content.size);
	return at + content.size;
}

/* At the end of a buffer. */

static inline void
message_put_number(struct buf *to, unsigned field, uint64_t value)
{
	uint8_t *begin = buf_reserve(to, MESSAGE_HEAD_BYTES_MAX);
	buf_commit(to, (size_t)(message_store_number(begin, field, value) - begin));
}

static inline void
message_put_bytes(struct buf *to, unsigned field, struct bytes content)
{
	uint8_t *begin = buf_reserve(to, MESSAGE_HEAD_BYTES_MAX + content.size);
	buf_commit(to, (size_t)(message_store_bytes(begin, field, content) - begin));
}

/* What is pushed between the two is the field's content. */
size_t message_begin(struct buf *to, unsigned field);
void message_end(struct buf *to, size_t begun);

#endif
