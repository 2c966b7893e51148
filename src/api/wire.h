/*
 * api/wire: a received protobuf message, checked and then unpacked into an arena.
 *
 * Purpose     What base/message leaves aside: messages that are bad, or good and unusual.
 *             protobuf-c judges neither UTF-8 nor zero bytes in strings (it ends them there), keeps
 *             any number of unknown fields and allocates as it goes. wire_check looks at the raw
 *             bytes first, against the message's descriptor; wire_unpack then cannot take more than
 *             the arena.
 * Nesting     both recurse by descriptor, and no message type of ours contains itself: the depth is
 *             at most WIRE_DEPTH_MAX whatever the bytes say. Unknown fields are skipped by length
 *             and groups are refused.
 * Ownership   the unpacked message lies in the arena.
 */
#ifndef API_WIRE_H
#define API_WIRE_H

#include "base/arena.h"
#include "base/bytes.h"

#include <protobuf-c/protobuf-c.h>

#define WIRE_DEPTH_MAX 16
/* Of one field in one message, and of unknown fields in one message. */
#define WIRE_REPEATED_MAX 10000u
#define WIRE_UNKNOWN_MAX 256u
/* Memory that unpacking one message may take: a definition of FROE_DEFINITION_BYTES_MAX made of
 * three-byte strings needs about 40 MiB. */
#define WIRE_ARENA_BYTES_MAX ((size_t)64 << 20)

/* One field as it stands in a message. */
struct wire_field {
	uint32_t number;
	unsigned type;        /* PROTOBUF_C_WIRE_TYPE_* */
	uint64_t value;       /* VARINT */
	struct bytes content; /* of the others; words of a fixed size are left as they are */
};

/* From the front. False: it is cut off or garbled, or a group (of proto1). */
bool wire_field_take(struct bytes *from, struct wire_field *ret_field);

enum wire_result {
	WIRE_GOOD,
	WIRE_TEXT, /* the string at `field` is not UTF-8 text; everything else is good */
	WIRE_BAD,  /* not such a message; `field`: where, or "" */
};

#define WIRE_FIELD_SIZE 64
enum wire_result wire_check(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
    char field[WIRE_FIELD_SIZE]);

/* NULL: not such a message, or the arena's limit is reached. */
ProtobufCMessage *wire_unpack(const ProtobufCMessageDescriptor *descriptor, struct bytes message,
    struct arena *arena);

#endif
