/*
 * base/varint: protobuf's variable-length integers: seven bits a byte, the least first.
 *
 * See         https://protobuf.dev/programming-guides/encoding
 */
#ifndef BASE_VARINT_H
#define BASE_VARINT_H

#include "base/bytes.h"

#define VARINT_BYTES_MAX 10u

static inline size_t
varint_size(uint64_t value)
{
	return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

/* Returns the end. */
static inline uint8_t *
varint_store(uint8_t *to, uint64_t value)
{
	for (; value >= 0x80; value >>= 7)
		*to++ = (uint8_t)(value | 0x80);
	*to++ = (uint8_t)value;
	return to;
}

/* From the front. False: it is cut off, or longer than 64 bits are. */
static inline bool
varint_take(struct bytes *from, uint64_t *ret_value)
{
	if (from->size > 0 && *from->data < 0x80) { /* as nearly all are */
		*ret_value = *from->data++;
		from->size--;
		return true;
	}
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && from->size > 0; shift += 7) {
		uint8_t byte = *from->data++;
		from->size--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

#endif
