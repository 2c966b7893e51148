#include "index/texts.h"

#define SIZE_BYTES 2u

size_t
texts_size(struct bytes text)
{
	return SIZE_BYTES + text.size;
}

void
texts_store(uint8_t *to, struct bytes text)
{
	froe_assert(text.size <= TEXT_BYTES_MAX);
	le16_store(to, (uint16_t)text.size);
	if (text.size > 0)
		memcpy(to + SIZE_BYTES, text.data, text.size);
}

void
texts_push(struct buf *to, struct bytes text)
{
	size_t size = texts_size(text);
	texts_store(buf_reserve(to, size), text);
	buf_commit(to, size);
}

bool
texts_next(struct bytes *at, struct bytes *ret_text)
{
	if (at->size < SIZE_BYTES)
		return false;
	size_t size = le16_load(at->data);
	froe_assert(SIZE_BYTES + size <= at->size);
	*ret_text = bytes_of(at->data + SIZE_BYTES, size);
	*at = bytes_of(at->data + SIZE_BYTES + size, at->size - SIZE_BYTES - size);
	return true;
}

bool
texts_good(struct bytes span, uint32_t *ret_count)
{
	size_t at = 0;
	*ret_count = 0;
	while (at + SIZE_BYTES <= span.size) {
		at += SIZE_BYTES + le16_load(span.data + at);
		(*ret_count)++;
	}
	return at == span.size;
}

bool
texts_have(struct bytes span, struct bytes text)
{
	struct bytes one;
	while (texts_next(&span, &one)) {
		if (bytes_equal(one, text))
			return true;
	}
	return false;
}

bool
texts_have_pair(struct bytes span, struct bytes key, struct bytes value)
{
	struct bytes have_key, have_value;
	while (texts_next(&span, &have_key) && texts_next(&span, &have_value)) {
		if (bytes_equal(have_key, key) && bytes_equal(have_value, value))
			return true;
	}
	return false;
}
