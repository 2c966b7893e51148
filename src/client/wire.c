#include "client/wire.h"

#include "base/message.h"
#include "base/varint.h"

#define TAG_REQUEST 0x08u       /* field 1, varint */
#define TAG_BODY(number) ((uint64_t)(number) << 3 | 2) /* length-delimited */

size_t
wire_frame_size(uint64_t request, uint32_t number, const ProtobufCMessage *body)
{
	size_t size = message_size(body);
	size_t head = request != 0 ? 1 + varint_size(request) : 0;
	return 4 + head + varint_size(TAG_BODY(number)) + varint_size(size) + size;
}

void
wire_frame_pack(uint8_t *to, uint64_t request, uint32_t number, const ProtobufCMessage *body,
    size_t frame_size)
{
	froe_assert(frame_size - 4 <= UINT32_MAX);
	uint8_t *at = to + 4;
	le32_store(to, (uint32_t)(frame_size - 4));
	if (request != 0) {
		*at++ = TAG_REQUEST;
		at = varint_store(at, request);
	}
	at = varint_store(at, TAG_BODY(number));
	/* What is left is the length and the body; the length's own size is at most five bytes. */
	size_t rest = (size_t)(to + frame_size - at);
	size_t size = rest - 1;
	while (varint_size(size) + size != rest)
		size--;
	at = varint_store(at, size);
	froe_assert(message_encode(body, at) == to + frame_size);
}

static void *
wire_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
wire_free(void *arena, void *block)
{
	(void)arena; /* the arena is reset as a whole */
	(void)block;
}

/* A newer server's messages may have fields that message_decode does not know. */
const Froe__Envelope *
wire_decode(struct arena *arena, struct bytes frame)
{
	const void *message = message_decode(&froe__envelope__descriptor, frame, arena);
	if (message != NULL)
		return message;
	ProtobufCAllocator allocator = {wire_alloc, wire_free, arena};
	return froe__envelope__unpack(&allocator, frame.size, frame.data);
}

bool
wire_id_get(ProtobufCBinaryData data, struct froe_id *ret_id)
{
	if (data.len != sizeof(ret_id->bytes))
		return false;
	memcpy(ret_id->bytes, data.data, sizeof(ret_id->bytes));
	return true;
}
