/*
 * One pass with an explicit stack of brackets, so that depth is bounded and nothing recurses.
 */
#include "base/json.h"

#include "base/bytes.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct scan {
	const uint8_t *at;
	const uint8_t *end;
	const uint8_t *begin;
};

/* Length of the UTF-8 sequence at `at`, or 0 (Unicode 15, table 3-7). */
static size_t
utf8_length(const uint8_t *at, const uint8_t *end)
{
	size_t left = (size_t)(end - at);
	if (at[0] < 0x80)
		return 1;
	if (at[0] >= 0xc2 && at[0] <= 0xdf)
		return left >= 2 && (at[1] & 0xc0) == 0x80 ? 2 : 0;
	if (at[0] >= 0xe0 && at[0] <= 0xef) {
		uint8_t low = at[0] == 0xe0 ? 0xa0 : 0x80, high = at[0] == 0xed ? 0x9f : 0xbf;
		if (left < 3 || at[1] < low || at[1] > high || (at[2] & 0xc0) != 0x80)
			return 0;
		return 3;
	}
	if (at[0] >= 0xf0 && at[0] <= 0xf4) {
		uint8_t low = at[0] == 0xf0 ? 0x90 : 0x80, high = at[0] == 0xf4 ? 0x8f : 0xbf;
		if (left < 4 || at[1] < low || at[1] > high || (at[2] & 0xc0) != 0x80 ||
		    (at[3] & 0xc0) != 0x80)
			return 0;
		return 4;
	}
	return 0;
}

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
/* The top bit of each byte that is zero; above the first such byte it may be wrong. */
#define ZEROS(word) (((word) - EACH(1)) & ~(word))

bool
utf8_valid(const void *text, size_t size)
{
	const uint8_t *at = text, *end = size > 0 ? at + size : at; /* text may be NULL then */
#ifdef __SSE2__
	for (; end - at >= 16; at += 16) { /* signed: what is beyond ASCII is negative */
		__m128i chars = _mm_loadu_si128((const void *)at);
		if (_mm_movemask_epi8(_mm_cmpgt_epi8(chars, _mm_setzero_si128())) != 0xffff)
			break;
	}
#endif
	while (at < end) {
		if (end - at >= 8) { /* ASCII goes by eight at a time */
			uint64_t word = le64_load(at);
			if (((word | ZEROS(word)) & EACH(0x80)) == 0) {
				at += 8;
				continue;
			}
		}
		size_t length = *at - 1u < 0x7f ? 1 : *at != 0 ? utf8_length(at, end) : 0;
		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

/* No byte is below 0x20 or above 0x7e: where none is, none borrows from its neighbour. */
static inline bool
word_printable(uint64_t word)
{
	uint64_t controls = (word - EACH(0x20)) & ~word, deletes = ZEROS(word ^ EACH(0x7f));
	return ((controls | deletes | word) & EACH(0x80)) == 0;
}

bool
ascii_printable(const void *text, size_t size)
{
	const uint8_t *at = text;
	if (size < 8) {
		for (size_t i = 0; i < size; i++) {
			if (at[i] < 0x20 || at[i] >= 0x7f)
				return false;
		}
		return true;
	}
	for (size_t i = 0; i < size - 8; i += 8) {
		if (!word_printable(le64_load(at + i)))
			return false;
	}
	return word_printable(le64_load(at + size - 8)); /* some of them again */
}

static inline void
skip_space(struct scan *s)
{
	while (s->at < s->end && *s->at <= ' ' && /* as little is */
	    (*s->at == ' ' || *s->at == '\n' || *s->at == '\r' || *s->at == '\t'))
		s->at++;
}

static bool
scan_hex4(struct scan *s)
{
	for (int i = 0; i < 4; i++, s->at++) {
		if (s->at >= s->end)
			return false;
		uint8_t c = *s->at, folded = c | 0x20;
		if (!((c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f')))
			return false;
	}
	return true;
}

/*
 * Past characters that stand for themselves: quotes, backslashes, control characters and all
 * beyond ASCII stop it. Sixteen at a time, the last of a text together with some that are before
 * them; a text shorter than that, and other machines: eight at a time. (Alan Mycroft's test for a
 * zero byte; words are little-endian, so the lowest bit that is set is of the first byte.)
 */
#ifdef __SSE2__
/* One bit for each of sixteen that stops it. */
static inline unsigned
plain_stops(const uint8_t *at)
{
	__m128i chars = _mm_loadu_si128((const void *)at);
	__m128i quotes = _mm_cmpeq_epi8(chars, _mm_set1_epi8('"'));
	__m128i escapes = _mm_cmpeq_epi8(chars, _mm_set1_epi8('\\'));
	__m128i others = _mm_cmplt_epi8(chars, _mm_set1_epi8(' ')); /* signed: all from 0x80, too */
	return (unsigned)_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quotes, escapes), others));
}

/* Of a text of sixteen bytes or more. */
static inline const uint8_t *
skip_blocks(const uint8_t *at, const uint8_t *end)
{
	unsigned stops;
	for (; end - at >= 16; at += 16) {
		if ((stops = plain_stops(at)) != 0)
			return at + __builtin_ctz(stops);
	}
	stops = plain_stops(end - 16) >> (16 - (end - at));
	return stops != 0 ? at + __builtin_ctz(stops) : end;
}
#endif

static inline const uint8_t *
skip_plain(const struct scan *s)
{
	const uint8_t *at = s->at, *end = s->end;
#ifdef __SSE2__
	if (end - s->begin >= 16)
		return skip_blocks(at, end);
#endif
	for (; end - at >= 8; at += 8) {
		uint64_t word = le64_load(at);
		uint64_t stops = (word - EACH(0x20)) & ~word;
		stops |= ZEROS(word ^ EACH('"')) | ZEROS(word ^ EACH('\\')) | word;
		stops &= EACH(0x80);
		if (stops != 0)
			return at + __builtin_ctzll(stops) / 8;
	}
	return at;
}

static bool
scan_string(struct scan *s)
{
	s->at++; /* the quote */
	for (;;) {
		s->at = skip_plain(s);
		if (s->at >= s->end)
			return false;
		uint8_t c = *s->at;
		if (c == '"') {
			s->at++;
			return true;
		}
		if (c == '\\') {
			if (++s->at >= s->end)
				return false;
			c = *s->at++;
			if (c == 'u') {
				if (!scan_hex4(s))
					return false;
			} else if (c == 0 || strchr("\"\\/bfnrt", c) == NULL) {
				s->at--;
				return false;
			}
			continue;
		}
		if (c < 0x20)
			return false;
		size_t length = utf8_length(s->at, s->end);
		if (length == 0)
			return false;
		s->at += length;
	}
}

static bool
scan_digits(struct scan *s)
{
	const uint8_t *start = s->at;
	while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
		s->at++;
	return s->at > start;
}

static bool
scan_number(struct scan *s)
{
	if (*s->at == '-')
		s->at++;
	if (s->at < s->end && *s->at == '0')
		s->at++;
	else if (!scan_digits(s))
		return false;
	if (s->at < s->end && *s->at == '.') {
		s->at++;
		if (!scan_digits(s))
			return false;
	}
	if (s->at < s->end && (*s->at | 0x20) == 'e') {
		s->at++;
		if (s->at < s->end && (*s->at == '+' || *s->at == '-'))
			s->at++;
		return scan_digits(s);
	}
	return true;
}

static bool
scan_word(struct scan *s, const char *word)
{
	size_t length = strlen(word);
	if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
		return false;
	s->at += length;
	return true;
}

static bool
scan_scalar(struct scan *s)
{
	switch (*s->at) {
	case '"':
		return scan_string(s);
	case 't':
		return scan_word(s, "true");
	case 'f':
		return scan_word(s, "false");
	case 'n':
		return scan_word(s, "null");
	default:
		return scan_number(s);
	}
}

/* "name" : */
static bool
scan_name(struct scan *s)
{
	skip_space(s);
	if (s->at >= s->end || *s->at != '"' || !scan_string(s))
		return false;
	skip_space(s);
	if (s->at >= s->end || *s->at != ':')
		return false;
	s->at++;
	return true;
}

static bool
scan_document(struct scan *s)
{
	uint8_t stack[JSON_DEPTH_MAX];
	size_t depth = 0;
	for (;;) {
		/* A value is due. */
		skip_space(s);
		if (s->at >= s->end)
			return false;
		if (*s->at == '{' || *s->at == '[') {
			if (depth == JSON_DEPTH_MAX)
				return false;
			uint8_t close = *s->at == '{' ? '}' : ']';
			s->at++;
			skip_space(s);
			if (s->at < s->end && *s->at == close) {
				s->at++;
			} else {
				stack[depth++] = close;
				if (close == '}' && !scan_name(s))
					return false;
				continue;
			}
		} else if (!scan_scalar(s)) {
			return false;
		}
		/* A value has ended: close, or go on after a comma. */
		for (;;) {
			skip_space(s);
			if (depth == 0)
				return s->at == s->end;
			if (s->at >= s->end)
				return false;
			if (*s->at == stack[depth - 1]) {
				s->at++;
				depth--;
				continue;
			}
			if (*s->at != ',')
				return false;
			s->at++;
			if (stack[depth - 1] == '}' && !scan_name(s))
				return false;
			break;
		}
	}
}

bool
json_valid(const void *text, size_t size, size_t *ret_at)
{
	struct scan s = {.at = text, .end = (const uint8_t *)text + size, .begin = text};
	bool valid = size > 0 && scan_document(&s);
	if (!valid && ret_at != NULL)
		*ret_at = (size_t)(s.at - (const uint8_t *)text);
	return valid;
}
