/*
 * One pass with an explicit stack of brackets, so that depth is bounded and nothing recurses. The
 * place goes through the functions by value, and so stays in a register: each takes where it
 * begins and returns where it ends, or NULL once it has noted the fault.
 */
#include "base/json.h"

#include "base/bytes.h"

#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

struct scan {
	const uint8_t *begin;
	const uint8_t *end;
	const uint8_t *fault; /* where it is no JSON */
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

static const uint8_t *
scan_fault(struct scan *s, const uint8_t *at)
{
	s->fault = at;
	return NULL;
}

static inline const uint8_t *
skip_space(const struct scan *s, const uint8_t *at)
{
	while (at < s->end && *at <= ' ' && /* as little is */
	    (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
		at++;
	return at;
}

static const uint8_t *
scan_hex4(struct scan *s, const uint8_t *at)
{
	for (int i = 0; i < 4; i++, at++) {
		if (at >= s->end)
			return scan_fault(s, at);
		uint8_t c = *at, folded = c | 0x20;
		if (!((c >= '0' && c <= '9') || (folded >= 'a' && folded <= 'f')))
			return scan_fault(s, at);
	}
	return at;
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
skip_plain(const struct scan *s, const uint8_t *at)
{
	const uint8_t *end = s->end;
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

/* Behind a backslash. */
static const uint8_t *
scan_escape(struct scan *s, const uint8_t *at)
{
	if (at >= s->end)
		return scan_fault(s, at);
	if (*at == 'u')
		return scan_hex4(s, at + 1);
	return *at != 0 && strchr("\"\\/bfnrt", *at) != NULL ? at + 1 : scan_fault(s, at);
}

/* From a character that does not stand for itself to the quote that ends the string. */
static const uint8_t *
scan_string_rest(struct scan *s, const uint8_t *at)
{
	while (at < s->end && *at != '"') {
		if (*at == '\\') {
			at = scan_escape(s, at + 1);
		} else {
			size_t length = *at >= 0x20 ? utf8_length(at, s->end) : 0;
			at = length != 0 ? at + length : scan_fault(s, at);
		}
		if (at == NULL)
			return NULL;
		at = skip_plain(s, at);
	}
	return at < s->end ? at : scan_fault(s, at);
}

/* At its first quote. */
static inline const uint8_t *
scan_string(struct scan *s, const uint8_t *at)
{
	at = skip_plain(s, at + 1);
	if (at >= s->end || *at != '"')
		at = scan_string_rest(s, at);
	return at != NULL ? at + 1 : NULL;
}

/* One digit at least. */
static const uint8_t *
scan_digits(struct scan *s, const uint8_t *at)
{
	const uint8_t *start = at;
	while (at < s->end && *at >= '0' && *at <= '9')
		at++;
	return at > start ? at : scan_fault(s, at);
}

static const uint8_t *
scan_exponent(struct scan *s, const uint8_t *at)
{
	if (at < s->end && (*at == '+' || *at == '-'))
		at++;
	return scan_digits(s, at);
}

static const uint8_t *
scan_number(struct scan *s, const uint8_t *at)
{
	if (*at == '-')
		at++;
	if (at < s->end && *at == '0')
		at++;
	else
		at = scan_digits(s, at);
	if (at != NULL && at < s->end && *at == '.')
		at = scan_digits(s, at + 1);
	if (at != NULL && at < s->end && (*at | 0x20) == 'e')
		at = scan_exponent(s, at + 1);
	return at;
}

static const uint8_t *
scan_word(struct scan *s, const uint8_t *at, const char *word)
{
	size_t length = strlen(word);
	if ((size_t)(s->end - at) < length || memcmp(at, word, length) != 0)
		return scan_fault(s, at);
	return at + length;
}

static inline const uint8_t *
scan_scalar(struct scan *s, const uint8_t *at)
{
	switch (*at) {
	case '"':
		return scan_string(s, at);
	case 't':
		return scan_word(s, at, "true");
	case 'f':
		return scan_word(s, at, "false");
	case 'n':
		return scan_word(s, at, "null");
	default:
		return scan_number(s, at);
	}
}

/* "name" : */
static inline const uint8_t *
scan_name(struct scan *s, const uint8_t *at)
{
	at = skip_space(s, at);
	if (at >= s->end || *at != '"')
		return scan_fault(s, at);
	at = scan_string(s, at);
	if (at == NULL)
		return NULL;
	at = skip_space(s, at);
	return at < s->end && *at == ':' ? at + 1 : scan_fault(s, at);
}

struct nesting {
	uint8_t stack[JSON_DEPTH_MAX]; /* what closes each */
	size_t depth;
};

/* From a bracket to where a value is due. *ret_ended: none is, the bracket's own has ended. */
static inline const uint8_t *
scan_open(struct scan *s, const uint8_t *at, struct nesting *nesting, bool *ret_ended)
{
	uint8_t close = *at == '{' ? '}' : ']';
	if (nesting->depth == JSON_DEPTH_MAX)
		return scan_fault(s, at);
	at = skip_space(s, at + 1);
	*ret_ended = at < s->end && *at == close;
	if (*ret_ended)
		return at + 1;
	nesting->stack[nesting->depth++] = close;
	return close == '}' ? scan_name(s, at) : at;
}

/* Behind a value: all that closes here, then a comma, up to where the next value is due; or the
 * end of the text. */
static inline const uint8_t *
scan_close(struct scan *s, const uint8_t *at, struct nesting *nesting)
{
	for (;;) {
		at = skip_space(s, at);
		if (nesting->depth == 0)
			return at == s->end ? at : scan_fault(s, at);
		if (at >= s->end)
			return scan_fault(s, at);
		uint8_t close = nesting->stack[nesting->depth - 1];
		if (*at == ',')
			return close == '}' ? scan_name(s, at + 1) : at + 1;
		if (*at != close)
			return scan_fault(s, at);
		at++;
		nesting->depth--;
	}
}

static bool
scan_document(struct scan *s)
{
	const uint8_t *at = s->begin;
	struct nesting nesting;
	nesting.depth = 0;
	do { /* a value is due */
		bool ended = true;
		at = skip_space(s, at);
		if (at >= s->end)
			at = scan_fault(s, at);
		else if (*at == '{' || *at == '[')
			at = scan_open(s, at, &nesting, &ended);
		else
			at = scan_scalar(s, at);
		if (at != NULL && ended)
			at = scan_close(s, at, &nesting);
	} while (at != NULL && nesting.depth > 0);
	return at != NULL;
}

bool
json_valid(const void *text, size_t size, size_t *ret_at)
{
	struct scan s = {.begin = text, .end = (const uint8_t *)text + size, .fault = text};
	bool valid = size > 0 && scan_document(&s);
	if (!valid && ret_at != NULL)
		*ret_at = (size_t)(s.fault - s.begin);
	return valid;
}
