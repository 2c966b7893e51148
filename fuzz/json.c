/*
 * base/json against jansson: both accept the same texts, but for what RFC 8259 leaves open (numbers
 * out of range, escaped lone surrogates) and for the depth that froe allows. utf8_valid against the
 * table of the Unicode standard, written out once more.
 */
#include "fuzz/feed.h"

#include "base/json.h"

#include <jansson.h>

/* The deepest nesting of brackets outside strings. */
static unsigned
nesting(struct bytes text)
{
	unsigned depth = 0, deepest = 0;
	bool quoted = false;
	for (size_t i = 0; i < text.size; i++) {
		uint8_t c = text.data[i];
		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{'))
			deepest = ++depth > deepest ? depth : deepest;
		else if (!quoted && (c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return deepest;
}

/* Unicode 15, table 3-7: bytes of the well-formed sequence here; 0: none. */
static size_t
sequence(struct bytes text)
{
	static const struct {
		uint8_t first_low, first_high, second_low, second_high;
		size_t size;
	} rows[] = {
	    {0x01, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
	    {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
	};
	for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
		size_t size = rows[row].size;
		if (text.data[0] < rows[row].first_low || text.data[0] > rows[row].first_high)
			continue;
		if (text.size < size)
			return 0;
		if (size > 1 && (text.data[1] < rows[row].second_low ||
		    text.data[1] > rows[row].second_high))
			return 0;
		for (size_t i = 2; i < size; i++) {
			if ((text.data[i] & 0xc0) != 0x80)
				return 0;
		}
		return size;
	}
	return 0;
}

static bool
reference_utf8(struct bytes text)
{
	while (text.size > 0) {
		size_t size = sequence(text);
		if (size == 0)
			return false;
		text = bytes_of(text.data + size, text.size - size);
	}
	return true;
}

/* What jansson refuses and RFC 8259 allows. */
static bool
refusal_is_its_own(const json_error_t *error, struct bytes text)
{
	return json_error_code(error) == json_error_numeric_overflow ||
	    memmem(text.data, text.size, "\\u", 2) != NULL;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text = bytes_of(data, size);
	json_error_t error;
	size_t at = SIZE_MAX;
	froe_assert(utf8_valid(data, size) == reference_utf8(text));
	bool valid = json_valid(data, size, &at);
	froe_assert(valid == json_valid(data, size, NULL));
	if (!valid)
		froe_assert(at <= size);
	if (size > 0 && memchr(data, 0, size) != NULL) { /* jansson skips some of these */
		froe_assert(!valid);
		return 0;
	}
	json_t *tree =
	    json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (valid && tree == NULL)
		froe_assert(refusal_is_its_own(&error, text));
	if (!valid && tree != NULL)
		froe_assert(nesting(text) > JSON_DEPTH_MAX);
	if (valid)
		froe_assert(nesting(text) <= JSON_DEPTH_MAX);
	json_decref(tree);
	return 0;
}
