/*
 * base/message: protobuf messages as bytes and back, in protobuf-c's generated structs.
 *
 * Purpose     What protobuf-c's pack and unpack do, with a third to a tenth of their instructions,
 *             for what is on every run's path. The descriptors that it generates do the work.
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
#include "base/bytes.h"

#include <protobuf-c/protobuf-c.h>

#define MESSAGE_REPEATED_MAX 10000u /* of one field in one message */

ProtobufCMessage *message_decode(const ProtobufCMessageDescriptor *type, struct bytes from,
    struct arena *arena);

size_t message_size(const ProtobufCMessage *message);

/* Writes message_size() bytes; returns their end. */
uint8_t *message_encode(const ProtobufCMessage *message, uint8_t *to);

/* Appends it to a buffer. */
void message_push(const ProtobufCMessage *message, struct buf *to);

#endif
