#include "client/field.h"

#include "base/varint.h"

/* Eight bytes at once, where there are as many: the top bit of each says whether another one
 * follows, and the rest are brought together in three steps. */
struct field_varint
field_long(const uint8_t *at, const uint8_t *end)
{
	const uint64_t tops = UINT64_C(0x8080808080808080);
	uint64_t word = end - at >= 8 ? le64_load(at) : tops;
	uint64_t last = ~word & tops;
	if (last != 0) {
		unsigned bits = (unsigned)__builtin_ctzll(last) + 1; /* of those that are in it */
		word &= ~tops & (~UINT64_C(0) >> (64 - bits));
		word = (word & UINT64_C(0x007f007f007f007f)) |
		    (word & UINT64_C(0x7f007f007f007f00)) >> 1;
		word = (word & UINT64_C(0x00003fff00003fff)) |
		    (word & UINT64_C(0x3fff00003fff0000)) >> 2;
		word = (word & UINT64_C(0x0fffffff)) | (word >> 32) << 28;
		return (struct field_varint){at + bits / 8, word};
	}
	struct bytes rest = bytes_of(at, (size_t)(end - at));
	uint64_t value = 0;
	bool good = varint_take(&rest, &value);
	return (struct field_varint){good ? rest.data : NULL, value};
}
