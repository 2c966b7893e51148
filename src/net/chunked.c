#include "net/chunked.h"

#include "base/fault.h"

#include <string.h>

#define DIGITS_MAX 8u

enum line {
	LINE_MORE,
	LINE_WHOLE,
	LINE_BAD,
};

static int
hex(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* CRLF, as far as it has come. */
static enum line
crlf(struct bytes at)
{
	if (at.size > 0 && at.data[0] != '\r')
		return LINE_BAD;
	if (at.size < 2)
		return LINE_MORE;
	return at.data[1] == '\n' ? LINE_WHOLE : LINE_BAD;
}

static struct bytes
rest_of(struct bytes from, size_t size)
{
	return bytes_of(from.data + size, from.size - size);
}

/* The line with a chunk's size; *ret_size is the line's. */
static enum line
size_line(struct bytes at, size_t *ret_data, size_t *ret_size)
{
	size_t digits = 0;
	*ret_data = 0;
	for (; digits < at.size && hex(at.data[digits]) >= 0; digits++) {
		if (digits == DIGITS_MAX)
			return LINE_BAD;
		*ret_data = *ret_data << 4 | (size_t)hex(at.data[digits]);
	}
	*ret_size = digits + 2;
	if (digits == 0)
		return at.size == 0 ? LINE_MORE : LINE_BAD;
	return crlf(rest_of(at, digits));
}

static bool
refuse(unsigned status, const char *why, unsigned *ret_status, const char **ret_why)
{
	*ret_status = status;
	*ret_why = why;
	return false;
}

/* *ret_next: whole, and there is another one behind it. */
static bool
chunk_scan(struct chunked *chunked, struct bytes at, size_t data_bytes_max, bool *ret_next,
    unsigned *ret_status, const char **ret_why)
{
	size_t data, line;
	enum line first = size_line(at, &data, &line);
	*ret_next = false;
	if (first == LINE_BAD)
		return refuse(400, "a chunk's size is not 1 to 8 hexadecimal digits and CRLF: "
		    "extensions are not taken", ret_status, ret_why);
	if (first == LINE_MORE)
		return true;
	if (data > data_bytes_max - chunked->data_size)
		return refuse(413, "the chunks are together larger than a body may be", ret_status,
		    ret_why);
	if (at.size - line < data)
		return true;
	enum line end = crlf(rest_of(at, line + data));
	if (end == LINE_BAD)
		return refuse(400, data == 0
		    ? "fields behind the last chunk are not taken"
		    : "a chunk does not end where its size says", ret_status, ret_why);
	if (end == LINE_MORE)
		return true;
	chunked->at += line + data + 2;
	chunked->data_size += data;
	chunked->over = data == 0;
	*ret_next = !chunked->over;
	if (chunked->at - chunked->data_size > CHUNKED_FRAME_BYTES_MAX)
		return refuse(413, "the body is in too many chunks", ret_status, ret_why);
	return true;
}

bool
chunked_scan(struct chunked *chunked, struct bytes body, size_t data_bytes_max,
    unsigned *ret_status, const char **ret_why)
{
	bool next = !chunked->over, good = true;
	while (good && next)
		good = chunk_scan(chunked, rest_of(body, chunked->at), data_bytes_max, &next,
		    ret_status, ret_why);
	return good;
}

void
chunked_join(const struct chunked *chunked, struct bytes body, uint8_t *to)
{
	size_t data, line, size = 0;
	froe_assert(chunked->over && body.size >= chunked->at);
	for (struct bytes at = body;; at = rest_of(at, line + data + 2)) {
		froe_assert(size_line(at, &data, &line) == LINE_WHOLE);
		if (data == 0)
			break;
		memcpy(to + size, at.data + line, data);
		size += data;
	}
	froe_assert(size == chunked->data_size);
}
