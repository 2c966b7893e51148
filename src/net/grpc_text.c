/*
 * The small text forms in gRPC's headers: PROTOCOL-HTTP2.md, "Responses" and "Timeout".
 */
#include "net/grpc_int.h"

#include "base/duration.h"

/* Not within a character: back to its first byte. */
static size_t
text_cut(struct bytes text, size_t size)
{
	if (text.size <= size)
		return text.size;
	while (size > 0 && (text.data[size] & 0xc0) == 0x80)
		size--;
	return size;
}

void
text_encode(struct buf *to, struct bytes text)
{
	size_t size = text_cut(text, GRPC_TEXT_BYTES_MAX);
	for (size_t i = 0; i < size; i++) {
		uint8_t c = text.data[i];
		if (c >= 0x20 && c <= 0x7e && c != '%')
			buf_push(to, &c, 1);
		else
			buf_printf(to, "%%%02X", c);
	}
}

void
text_encode_base64(struct buf *to, struct bytes data)
{
	static const char DIGITS[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < data.size; i += 3) {
		size_t left = data.size - i;
		uint32_t word = (uint32_t)data.data[i] << 16;
		word |= left > 1 ? (uint32_t)data.data[i + 1] << 8 : 0;
		word |= left > 2 ? data.data[i + 2] : 0;
		size_t digits = left > 2 ? 4 : left + 1;
		for (size_t d = 0; d < digits; d++)
			buf_push(to, &DIGITS[word >> (18 - 6 * d) & 63], 1);
	}
}

bool
text_decode_timeout(struct bytes text, uint64_t *ret_ns)
{
	static const struct {
		char letter;
		uint64_t ns;
	} UNITS[] = {
	    {'H', 3600 * NS_PER_S}, {'M', 60 * NS_PER_S}, {'S', NS_PER_S},
	    {'m', NS_PER_MS}, {'u', 1000}, {'n', 1},
	};
	uint64_t number = 0;
	if (text.size < 2 || text.size > 9) /* at most eight digits */
		return false;
	for (size_t i = 0; i + 1 < text.size; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		number = number * 10 + (uint64_t)(text.data[i] - '0');
	}
	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
		if (text.data[text.size - 1] != UNITS[i].letter)
			continue;
		bool fits = number <= UINT64_MAX / 4 / UNITS[i].ns;
		*ret_ns = fits ? number * UNITS[i].ns : UINT64_MAX / 4;
		return true;
	}
	return false;
}

bool
text_has_word(struct bytes list, const char *word)
{
	size_t size = strlen(word);
	for (size_t at = 0; at < list.size;) {
		const uint8_t *comma = memchr(list.data + at, ',', list.size - at);
		size_t end = comma != NULL ? (size_t)(comma - list.data) : list.size;
		size_t from = at, to = end;
		while (from < to && list.data[from] == ' ')
			from++;
		while (to > from && list.data[to - 1] == ' ')
			to--;
		if (to - from == size && memcmp(list.data + from, word, size) == 0)
			return true;
		at = end + 1;
	}
	return false;
}
