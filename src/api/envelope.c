#include "api/envelope.h"

#include "base/message.h"
#include "base/varint.h"

#define LENGTH_DELIMITED 2u
#define TAG_REQUEST (1u << 3) /* field 1, varint */

static size_t
body_size(const struct api_effect *effect)
{
	froe_assert((effect->message == NULL) || effect->packed.size == 0);
	if (effect->message == NULL)
		return effect->packed.size;
	return effect->message_size != 0 ? effect->message_size : message_size(effect->message);
}

static size_t
size_around(const struct api_effect *effect, size_t body)
{
	size_t request = effect->request != 0 ? 1 + varint_size(effect->request) : 0;
	return request + varint_size(effect->number << 3 | LENGTH_DELIMITED) + varint_size(body) +
	       body;
}

size_t
envelope_size(const struct api_effect *effect)
{
	return size_around(effect, body_size(effect));
}

size_t
envelope_measure(struct api_effect *effect)
{
	effect->message_size = body_size(effect);
	return size_around(effect, effect->message_size);
}

size_t
envelope_encode(const struct api_effect *effect, size_t size_max, struct buf *to)
{
	size_t body = body_size(effect), size = size_around(effect, body);
	froe_assert(effect->number != 0 && size_max <= UINT32_MAX);
	if (size > size_max)
		return size;
	uint8_t *start = buf_reserve(to, 4 + size), *at = start + 4;
	le32_store(start, (uint32_t)size);
	if (effect->request != 0) {
		*at++ = TAG_REQUEST;
		at = varint_store(at, effect->request);
	}
	at = varint_store(at, effect->number << 3 | LENGTH_DELIMITED);
	at = varint_store(at, body);
	if (effect->message != NULL)
		at = message_encode(effect->message, at);
	else if (body > 0)
		at = (uint8_t *)memcpy(at, effect->packed.data, body) + body;
	froe_assert(at == start + 4 + size);
	buf_commit(to, 4 + size);
	return size;
}
