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

/* What comes before a body: the length word, the request's number, the body's tag and length. */
#define HEAD_BYTES_MAX (4u + 1u + 3u * VARINT_BYTES_MAX)

/* All but the length word. */
static uint8_t *
head_store(const struct api_effect *effect, size_t body, uint8_t *at)
{
	if (effect->request != 0) {
		*at++ = TAG_REQUEST;
		at = varint_store(at, effect->request);
	}
	at = varint_store(at, effect->number << 3 | LENGTH_DELIMITED);
	return varint_store(at, body);
}

size_t
envelope_encode(const struct api_effect *effect, size_t size_max, struct buf *to)
{
	size_t body = body_size(effect);
	froe_assert(effect->number != 0 && size_max <= UINT32_MAX);
	if (body > size_max)
		return size_around(effect, body);
	uint8_t *start = buf_reserve(to, HEAD_BYTES_MAX + body);
	uint8_t *at = head_store(effect, body, start + 4);
	size_t size = (size_t)(at - start) - 4 + body;
	if (size > size_max)
		return size;
	le32_store(start, (uint32_t)size);
	if (effect->message != NULL)
		froe_assert(message_encode(effect->message, at) == at + body);
	else if (body > 0)
		memcpy(at, effect->packed.data, body);
	buf_commit(to, 4 + size);
	return size;
}
