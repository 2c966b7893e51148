#include "client/wire.h"

#include "base/message.h"

#define TAG_REQUEST 0x08u       /* field 1, varint */
#define TAG_BODY(number) ((uint64_t)(number) << 3 | 2) /* length-delimited */

size_t
wire_frame_size(uint64_t request, uint32_t number, size_t body_size)
{
	size_t head = request != 0 ? 1 + varint_size(request) : 0;
	return 4 + head + varint_size(TAG_BODY(number)) + varint_size(body_size) + body_size;
}

uint8_t *
wire_frame_begin(uint8_t *to, uint64_t request, uint32_t number, size_t body_size)
{
	size_t size = wire_frame_size(request, number, body_size) - 4;
	uint8_t *at = to + 4;
	froe_assert(size <= UINT32_MAX);
	le32_store(to, (uint32_t)size);
	if (request != 0) {
		*at++ = TAG_REQUEST;
		at = varint_store(at, request);
	}
	at = varint_store(at, TAG_BODY(number));
	return varint_store(at, body_size);
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
