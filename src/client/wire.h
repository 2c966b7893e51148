/*
 * client/wire: envelopes of the native protocol as bytes and back.
 *
 * Purpose     a frame around a message: length, request number, body; without building an Envelope.
 *             Decoding goes into an arena, of what every run brings into the caller's room.
 * Ownership   what wire_decode returns lives in the arena or the room, and as long as the frame.
 * See         proto/native.proto
 */
#ifndef CLIENT_WIRE_H
#define CLIENT_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "froe/froe.h"
#include "proto/native.pb-c.h"

#define WIRE_PREFACE "FROE\0\1\r\n"
#define WIRE_PREFACE_SIZE 8
#define WIRE_HEAD_BYTES_MAX 30u /* length; number of the request, tag, size: of 11, 5, 10 */

/* Begins a frame around a body of so many bytes; there is room for WIRE_HEAD_BYTES_MAX and them.
 * Returns where the body is to be written to. number: its field in Envelope,
 * FROE__ENVELOPE__BODY_*. */
uint8_t *wire_frame_begin(uint8_t *to, uint64_t request, uint32_t number, size_t body_size);

/* The parts of a frame as nearly all are: a number, one body and nothing else. */
struct wire_head {
	uint64_t request; /* 0: a push */
	uint32_t number;  /* FROE__ENVELOPE__BODY_*; 0: it is another one */
	struct bytes body;
};
struct wire_head wire_head(struct bytes frame);

struct wire_room {
	Froe__Envelope envelope;
	union {
		Froe__RunStarted started;
		Froe__RunEvent event;
		Froe__Done done;
	} body;
};

/* NULL: not an envelope, or too large for the arena. */
const Froe__Envelope *wire_decode(struct arena *arena, struct wire_room *room, struct bytes frame,
    const struct wire_head *head);

static inline ProtobufCBinaryData
wire_bytes(const void *data, size_t size)
{
	/* protobuf-c has no const; packing only reads. */
	return (ProtobufCBinaryData){.len = size, .data = (uint8_t *)(uintptr_t)data};
}

static inline ProtobufCBinaryData
wire_id(const struct froe_id *id)
{
	return wire_bytes(id->bytes, sizeof(id->bytes));
}

static inline char *
wire_text(const char *text)
{
	return (char *)(uintptr_t)text;
}

/* False: not sixteen bytes. */
bool wire_id_get(ProtobufCBinaryData data, struct froe_id *ret_id);

static inline const char *
wire_text_get(const char *text)
{
	return text != NULL ? text : "";
}

#endif
