/*
 * net/sniff and net/http: a stream of requests taken as one piece, and byte by byte. What comes
 * byte by byte must be taken as the same requests, and refused if the whole is. A request that is
 * taken holds none of the bytes that let two parsers disagree about its end.
 */
#include "fuzz/feed.h"

#include "net/frame.h"
#include "net/http.h"
#include "net/sniff.h"

#include <stdlib.h>

struct outcome {
	enum http_result result;
	struct http_request request;
	size_t size;
	unsigned status;
};

static struct outcome
parse(struct http_scan *scan, struct bytes input)
{
	struct outcome outcome = {0};
	const char *why = NULL;
	outcome.result = http_parse(scan, input, &outcome.request, &outcome.size, &outcome.status,
	    &why);
	if (outcome.result != HTTP_PARSE_BAD)
		return outcome;
	froe_assert(why != NULL);
	froe_assert(why[0] != 0);
	froe_assert(outcome.status == 400 || outcome.status == 413 || outcome.status == 414 ||
	    outcome.status == 431 || outcome.status == 501 || outcome.status == 505);
	return outcome;
}

static bool
inside(struct bytes part, struct bytes whole)
{
	return part.size == 0 ||
	    (part.data >= whole.data && part.size <= whole.size &&
	        (size_t)(part.data - whole.data) <= whole.size - part.size);
}

/* Joined it is what its chunks hold, and fills a block of its size to the last byte. */
static void
check_body(const struct http_request *request)
{
	size_t size = http_body_size(request);
	uint8_t *copy = malloc(size + 1);
	froe_assert(copy != NULL && size <= HTTP_BODY_BYTES_MAX && size <= request->body.size);
	copy[size] = 0x5a;
	http_body_copy(request, copy);
	froe_assert(copy[size] == 0x5a);
	if (!request->in_chunks && size > 0)
		froe_assert(memcmp(copy, request->body.data, size) == 0);
	if (request->in_chunks)
		froe_assert(memcmp(request->body.data + request->body.size - 5, "0\r\n\r\n", 5) ==
		    0);
	free(copy);
}

static void
check_request(const struct outcome *outcome, struct bytes input)
{
	struct bytes body = outcome->request.body;
	struct bytes head = bytes_of(input.data, outcome->size - body.size);
	froe_assert(outcome->size >= body.size);
	froe_assert(inside(body, input));
	check_body(&outcome->request);
	froe_assert(outcome->size >= sizeof("GET / HTTP/1.0\r\n\r\n") - 1);
	froe_assert(outcome->size <= input.size);
	froe_assert(memcmp(head.data + head.size - 4, "\r\n\r\n", 4) == 0);
	froe_assert(memmem(head.data, head.size - 4, "\r\n\r\n", 4) == NULL);
	froe_assert(memchr(head.data, 0, head.size) == NULL);
	for (size_t i = 0; i < head.size; i++) {
		if (head.data[i] == '\n')
			froe_assert(i > 0 && head.data[i - 1] == '\r');
		if (head.data[i] == '\r')
			froe_assert(i + 1 < head.size && head.data[i + 1] == '\n');
	}
	froe_assert(inside(outcome->request.path, head));
	froe_assert(inside(outcome->request.query, head));
	froe_assert(outcome->request.path.size > 0);
	froe_assert(outcome->request.path.data[0] == '/');
}

/* The same bytes, as they may come from a network: in a copy that ends where they do so far. */
static struct outcome
parse_slowly(struct bytes input)
{
	struct http_scan scan = {0};
	struct outcome outcome = {.result = HTTP_PARSE_MORE};
	for (size_t size = 1; size <= input.size && outcome.result == HTTP_PARSE_MORE; size++)
		outcome = parse(&scan, bytes_of(input.data, size));
	return outcome;
}

static void
check_sniff(struct bytes input)
{
	enum sniff whole = sniff_protocol(input), before = SNIFF_MORE;
	for (size_t size = 0; size <= input.size && before == SNIFF_MORE; size++)
		before = sniff_protocol(bytes_of(input.data, size));
	froe_assert(before == whole); /* once decided, more bytes change nothing */
	if (whole == SNIFF_NATIVE)
		froe_assert(memcmp(input.data, FRAME_PREFACE, FRAME_PREFACE_SIZE) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes input = bytes_of(data, size);
	check_sniff(input);
	for (;;) {
		struct http_scan scan = {0};
		struct outcome whole = parse(&scan, input), slow = parse_slowly(input);
		froe_assert(whole.result == slow.result);
		if (whole.result != HTTP_PARSE_REQUEST)
			return 0;
		check_request(&whole, input);
		froe_assert(whole.size == slow.size);
		froe_assert(whole.request.method == slow.request.method);
		froe_assert(whole.request.keep_alive == slow.request.keep_alive);
		froe_assert(bytes_equal(whole.request.path, slow.request.path));
		froe_assert(bytes_equal(whole.request.query, slow.request.query));
		input = bytes_of(input.data + whole.size, input.size - whole.size);
	}
}
