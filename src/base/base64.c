#include "base/base64.h"

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

void
base64url_encode(struct bytes from, char *to)
{
	uint32_t bits = 0, held = 0;
	for (size_t i = 0; i < from.size; i++) {
		bits = bits << 8 | from.data[i];
		for (held += 8; held >= 6; held -= 6)
			*to++ = ALPHABET[bits >> (held - 6) & 63];
	}
	if (held > 0)
		*to = ALPHABET[bits << (6 - held) & 63];
}

/* -1: not in the alphabet. */
static int
digit(uint8_t c)
{
	const char *at = c != 0 ? strchr(ALPHABET, c) : NULL;
	return at != NULL ? (int)(at - ALPHABET) : -1;
}

bool
base64url_decode(struct bytes from, uint8_t *to)
{
	uint32_t bits = 0, held = 0;
	for (size_t i = 0; i < from.size; i++) {
		int value = digit(from.data[i]);
		if (value < 0)
			return false;
		bits = bits << 6 | (uint32_t)value;
		held += 6;
		if (held >= 8) {
			held -= 8;
			*to++ = (uint8_t)(bits >> held);
		}
	}
	/* Six bits left over: a character that says nothing. */
	return held < 6 && (bits & ((1u << held) - 1)) == 0;
}
