#include "net/http.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"
#define HEAD(more) "GET /x HTTP/1.1\r\n" HOST more "\r\n"

struct outcome {
	enum http_result result;
	struct http_request request;
	size_t size;
	unsigned status;
};

/* From an exact heap copy, so that ASan sees a read past the end. */
static struct outcome
parse(const void *text, size_t size)
{
	struct outcome outcome = {0};
	struct http_scan scan = {0};
	const char *why = "";
	uint8_t *copy = mem_alloc(size > 0 ? size : 1);
	memcpy(copy, text, size);
	outcome.result = http_parse(&scan, bytes_of(copy, size), &outcome.request, &outcome.size,
	    &outcome.status, &why);
	outcome.request.path = outcome.request.query = bytes_of(NULL, 0);
	mem_free(copy);
	return outcome;
}

static void
expect_good(const char *text)
{
	struct outcome outcome = parse(text, strlen(text));
	if (outcome.result != HTTP_PARSE_REQUEST)
		print_message("refused with %u: %s\n", outcome.status, text);
	assert_int_equal(outcome.result, HTTP_PARSE_REQUEST);
	assert_int_equal(outcome.size, strlen(text));
}

static void
expect_bad(unsigned status, const char *text, size_t size)
{
	struct outcome outcome = parse(text, size);
	if (outcome.result != HTTP_PARSE_BAD)
		print_message("not refused: %.60s\n", text);
	assert_int_equal(outcome.result, HTTP_PARSE_BAD);
	assert_int_equal(outcome.status, status);
}

static void
test_http__a_request_in_full(void **state)
{
	(void)state;
	static const char TEXT[] =
	    "GET /metrics?a=b&c HTTP/1.1\r\nHost: x:1\r\nAccept: */*\r\n\r\nGET /n";
	struct http_scan scan = {0};
	struct http_request request;
	size_t size;
	unsigned status;
	const char *why;
	assert_int_equal(http_parse(&scan, bytes_text(TEXT), &request, &size, &status, &why),
	    HTTP_PARSE_REQUEST);
	assert_int_equal(size, sizeof(TEXT) - 1 - 6);
	assert_int_equal(request.method, HTTP_METHOD_GET);
	assert_true(bytes_equal(request.path, bytes_text("/metrics")));
	assert_true(bytes_equal(request.query, bytes_text("a=b&c")));
	assert_true(request.keep_alive);
}

static void
test_http__cut_at_every_byte(void **state)
{
	(void)state;
	static const char TEXT[] = HEAD("Accept: text/plain\r\n");
	for (size_t size = 0; size < sizeof(TEXT) - 1; size++)
		assert_int_equal(parse(TEXT, size).result, HTTP_PARSE_MORE);
	/* The same scan going on byte by byte. */
	struct http_scan scan = {0};
	struct http_request request;
	size_t size;
	unsigned status;
	const char *why;
	for (size_t i = 0; i < sizeof(TEXT) - 2; i++)
		assert_int_equal(
		    http_parse(&scan, bytes_of(TEXT, i), &request, &size, &status, &why),
		    HTTP_PARSE_MORE);
	assert_int_equal(
	    http_parse(&scan, bytes_of(TEXT, sizeof(TEXT) - 1), &request, &size, &status, &why),
	    HTTP_PARSE_REQUEST);
}

static void
test_http__keep_alive(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool keep_alive;
	} CASES[] = {
	    {HEAD(""), true},
	    {HEAD("Connection: close\r\n"), false},
	    {HEAD("Connection: keep-alive\r\n"), true},
	    {HEAD("Connection: keep-alive, close\r\n"), false},
	    {HEAD("Connection: upgrade\r\nUpgrade: h2c\r\n"), true},
	    {"GET / HTTP/1.0\r\n\r\n", false},
	    {"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct outcome outcome = parse(CASES[i].text, strlen(CASES[i].text));
		assert_int_equal(outcome.result, HTTP_PARSE_REQUEST);
		assert_int_equal(outcome.request.keep_alive, CASES[i].keep_alive);
	}
}

static void
test_http__methods(void **state)
{
	(void)state;
	assert_int_equal(parse("HEAD / HTTP/1.0\r\n\r\n", 19).request.method, HTTP_METHOD_HEAD);
	assert_int_equal(parse("DELETE / HTTP/1.0\r\n\r\n", 21).request.method, HTTP_METHOD_DELETE);
	assert_int_equal(parse("PATCH / HTTP/1.0\r\n\r\n", 20).request.method, HTTP_METHOD_PATCH);
	assert_int_equal(parse("PUT / HTTP/1.0\r\n\r\n", 18).request.method, HTTP_METHOD_PUT);
	assert_int_equal(parse("TRACE / HTTP/1.0\r\n\r\n", 20).request.method, HTTP_METHOD_OTHER);
	assert_int_equal(parse("POST / HTTP/1.0\r\nContent-Length: 0\r\n\r\n", 38).request.method,
	    HTTP_METHOD_POST);
}

#define POST(more) "POST /x HTTP/1.1\r\n" HOST more "\r\n"

/* It is whole with its last byte, and what follows is not of it. */
static void
test_http__a_body_comes_in_parts(void **state)
{
	(void)state;
	static const char TEXT[] = POST("Content-Length: 5\r\n") "abcdeGET";
	size_t head = strlen(TEXT) - 8;
	struct http_request request;
	struct http_scan scan = {0};
	unsigned status;
	const char *why;
	size_t size;
	for (size_t i = 1; i < head + 5; i++) {
		char *copy = mem_copy(TEXT, i);
		assert_int_equal(
		    http_parse(&scan, bytes_of(copy, i), &request, &size, &status, &why),
		    HTTP_PARSE_MORE);
		mem_free(copy);
	}
	assert_int_equal(scan.head_size, head);
	assert_int_equal(http_parse(&scan, bytes_text(TEXT), &request, &size, &status, &why),
	    HTTP_PARSE_REQUEST);
	assert_int_equal(size, head + 5);
	assert_int_equal(request.body.size, 5);
	assert_memory_equal(request.body.data, "abcde", 5);
	assert_false(scan.expects);
}

#define CHUNKED "Transfer-Encoding: chunked\r\n"

/* The same, in chunks, of any case and with zeros before; also byte by byte. */
static void
test_http__a_body_comes_in_chunks(void **state)
{
	(void)state;
	static const char TEXT[] =
	    POST("tRANSFER-eNCODING: Chunked \t\r\n") "3\r\nabc\r\n0000000A\r\n"
		"0123456789\r\n0\r\n\r\nGET";
	size_t whole = strlen(TEXT) - 3;
	struct http_request request;
	struct http_scan scan = {0};
	uint8_t body[13];
	unsigned status;
	const char *why;
	size_t size;
	for (size_t i = 1; i < whole; i++) {
		char *copy = mem_copy(TEXT, i);
		assert_int_equal(
		    http_parse(&scan, bytes_of(copy, i), &request, &size, &status, &why),
		    HTTP_PARSE_MORE);
		mem_free(copy);
	}
	assert_int_equal(http_parse(&scan, bytes_text(TEXT), &request, &size, &status, &why),
	    HTTP_PARSE_REQUEST);
	assert_int_equal(size, whole);
	assert_int_equal(http_body_size(&request), sizeof(body));
	http_body_copy(&request, body);
	assert_memory_equal(body, "abc0123456789", sizeof(body));
}

/* Many chunks of a byte take six times their data: that is bounded too. */
static void
test_http__chunks_that_are_too_many(void **state)
{
	(void)state;
	struct buf text;
	buf_init(&text);
	buf_push_text(&text, POST(CHUNKED));
	for (size_t framing = 0; framing <= CHUNKED_FRAME_BYTES_MAX; framing += 5)
		buf_push_text(&text, "1\r\na\r\n");
	assert_int_equal(parse(text.data, text.size - 6).result, HTTP_PARSE_MORE);
	expect_bad(413, (char *)text.data, text.size);
	buf_release(&text);
}

static void
test_http__bodies_that_are_refused(void **state)
{
	(void)state;
	static const struct {
		unsigned status;
		const char *text;
	} CASES[] = {
	    {400, POST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") "0\r\n\r\n"},
	    {501, POST("Transfer-Encoding: gzip\r\n") "a"},
	    {501, POST("Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n"},
	    {501, POST("Transfer-Encoding: identity\r\n") "0\r\n\r\n"},
	    {501, POST("Transfer-Encoding:\r\n") "0\r\n\r\n"},
	    {400, POST("Transfer-Encoding: chunked\r\ntransfer-encoding: chunked\r\n") "0"},
	    {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	    {400, POST(CHUNKED) "\r\n"},
	    {400, POST(CHUNKED) "g\r\n"},
	    {400, POST(CHUNKED) "+1\r\na\r\n"},
	    {400, POST(CHUNKED) "0x1\r\na\r\n"},
	    {400, POST(CHUNKED) " 1\r\na\r\n"},
	    {400, POST(CHUNKED) "1 \r\na\r\n"},
	    {400, POST(CHUNKED) "1\na\n"},
	    {400, POST(CHUNKED) "1;a\r\na\r\n"},
	    {400, POST(CHUNKED) "000000001\r\n"},
	    {400, POST(CHUNKED) "1\r\nab\r\n"},
	    {400, POST(CHUNKED) "1\r\na\n"},
	    {400, POST(CHUNKED) "2\r\na\r\n\r\n"},
	    {400, POST(CHUNKED) "0\r\nX: y\r\n\r\n"},
	    {400, POST(CHUNKED) "0\r\n\n"},
	    {413, POST(CHUNKED) "440001\r\n"},
	    {413, POST(CHUNKED) "1\r\na\r\n440000\r\n"},
	    {413, POST(CHUNKED) "ffffffff\r\n"},
	    {400, POST("Content-Length: 1\r\nContent-Length: 1\r\n") "a"},
	    {400, POST("Content-Length: 1, 1\r\n") "a"},
	    {413, POST("Content-Length: 4456449\r\n")},
	    {413, POST("Content-Length: 18446744073709551615\r\n")},
	    {413, "TRACE /x HTTP/1.1\r\n" HOST "Content-Length: 1\r\n\r\na"},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_bad(CASES[i].status, CASES[i].text, strlen(CASES[i].text));
	struct outcome largest = parse(POST("Content-Length: 4456448\r\n"),
	    strlen(POST("Content-Length: 4456448\r\n")));
	assert_int_equal(largest.result, HTTP_PARSE_MORE);
}

static void
test_http__a_client_may_ask_before_it_sends(void **state)
{
	(void)state;
	static const char TEXT[] = POST("Expect: 100-Continue \r\nContent-Length: 1\r\n");
	struct http_request request;
	struct http_scan scan = {0};
	unsigned status;
	const char *why;
	size_t size;
	assert_int_equal(http_parse(&scan, bytes_text(TEXT), &request, &size, &status, &why),
	    HTTP_PARSE_MORE);
	assert_true(scan.expects);
}

static void
test_http__smuggling_is_refused(void **state)
{
	(void)state;
	static const struct {
		unsigned status;
		const char *text;
	} CASES[] = {
	    {400, HEAD("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n")},
	    {400, HEAD("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n")},
	    {400, HEAD("Content-Length: 0\r\nContent-Length: 0\r\n")},
	    {400, HEAD("Content-Length: 0\r\nContent-Length: 5\r\n")},
	    {400, HEAD("Content-Length: 0, 0\r\n")},
	    {400, HEAD("Content-Length: +0\r\n")},
	    {400, HEAD("Content-Length: -1\r\n")},
	    {400, HEAD("Content-Length: 0x0\r\n")},
	    {400, HEAD("Content-Length: 99999999999999999999\r\n")},
	    {400, HEAD("Content-Length : 0\r\n")},
	    {400, HEAD("Transfer-Encoding : chunked\r\n")},
	    {400, HEAD("X: a\r\n b\r\n")},
	    {400, HEAD("X: a\r\n\tb\r\n")},
	    {400, HEAD(" X: a\r\n")},
	    {400, "GET /x HTTP/1.1\r\n Host: a\r\n\r\n"},
	    {400, "GET /x HTTP/1.1\nHost: a\r\n\r\n"},
	    {400, "GET /x HTTP/1.1\r\nHost: a\n\r\n"},
	    {400, "GET /x HTTP/1.1\r\nHost: a\r\n\n"},
	    {400, "GET /x HTTP/1.1\r\nHost: a\r\r\n\r\n"},
	    {400, HEAD("X: a\rContent-Length: 5\r\n")},
	    {400, HEAD("X y: a\r\n")},
	    {400, HEAD(": a\r\n")},
	    {400, HEAD("X\r\n")},
	    {400, HEAD("X: a\x01" "b\r\n")},
	    {400, HEAD("X\x7f: a\r\n")},
	    {400, HEAD("X(): a\r\n")},
	    {400, HEAD(HOST)},
	    {400, "GET /x HTTP/1.1\r\nAccept: a\r\n\r\n"},
	    {400, "GET /x HTTP/1.0\r\nHost: a\r\nHOST: b\r\n\r\n"},
	    {400, "\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET * HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /x\r\n\r\n"},
	    {400, "GET  /x HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /x  HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "GET /x HTTP/1.1 \r\nHost: a\r\n\r\n"},
	    {400, "GET /x HTTPS/1.1\r\nHost: a\r\n\r\n"},
	    {400, "FOO /x HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {400, "get /x HTTP/1.1\r\nHost: a\r\n\r\n"},
	    {413, HEAD("Content-Length: 1\r\n")},
	    {413, HEAD("Transfer-Encoding: chunked\r\n")},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		expect_bad(CASES[i].status, CASES[i].text, strlen(CASES[i].text));
	expect_bad(400, HEAD("X: a\0b\r\n"), sizeof(HEAD("X: a\0b\r\n")) - 1);
	expect_good(HEAD("Content-Length: 0\r\n"));
	expect_good(HEAD("X: a b\tc\r\n"));
	expect_good(HEAD("X:\r\n"));
}

static void
test_http__versions(void **state)
{
	(void)state;
	static const char *const OTHERS[] = {"0.9", "1.2", "2.0", "3.0"};
	for (size_t i = 0; i < 4; i++) {
		char text[64];
		snprintf(text, sizeof(text), "GET / HTTP/%s\r\nHost: a\r\n\r\n", OTHERS[i]);
		struct outcome outcome = parse(text, strlen(text));
		assert_int_equal(outcome.result, HTTP_PARSE_BAD);
		assert_int_equal(outcome.status, 505);
	}
}

/* A request line of exactly `size` bytes. */
static void
line_of(struct buf *to, size_t size)
{
	buf_push_text(to, "GET /");
	while (buf_used(to) < size - strlen(" HTTP/1.0"))
		buf_push_text(to, "a");
	buf_push_text(to, " HTTP/1.0");
	assert_int_equal(buf_used(to), size);
}

static void
test_http__request_line_at_its_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct buf text;
		buf_init(&text);
		line_of(&text, HTTP_LINE_BYTES_MAX + over);
		/* Judged before its end has come. */
		assert_int_equal(parse(text.data, text.size).result,
		    over ? HTTP_PARSE_BAD : HTTP_PARSE_MORE);
		buf_push_text(&text, "\r\n\r\n");
		if (over)
			expect_bad(414, (char *)text.data, text.size);
		else
			assert_int_equal(parse(text.data, text.size).result, HTTP_PARSE_REQUEST);
		buf_release(&text);
	}
}

static void
test_http__fields_at_their_limit(void **state)
{
	(void)state;
	for (size_t over = 0; over < 2; over++) {
		struct buf text;
		buf_init(&text);
		buf_push_text(&text, "GET / HTTP/1.0\r\n");
		size_t start = text.size;
		for (int i = 0; i < 15; i++)
			buf_printf(&text, "X%02d: %0994d\r\n", i, 0); /* 1001 bytes each */
		size_t left = HTTP_FIELDS_BYTES_MAX + over - (text.size - start);
		buf_printf(&text, "Y: %0*d\r\n", (int)left - 5, 0);
		assert_int_equal(text.size - start, HTTP_FIELDS_BYTES_MAX + over);
		assert_int_equal(parse(text.data, text.size - 1).result,
		    over ? HTTP_PARSE_BAD : HTTP_PARSE_MORE);
		buf_push_text(&text, "\r\n");
		if (over)
			expect_bad(431, (char *)text.data, text.size);
		else
			assert_int_equal(parse(text.data, text.size).result, HTTP_PARSE_REQUEST);
		buf_release(&text);
	}
}

static void
test_http__field_count_at_its_limit(void **state)
{
	(void)state;
	for (unsigned over = 0; over < 2; over++) {
		struct buf text;
		buf_init(&text);
		buf_push_text(&text, "GET / HTTP/1.0\r\n");
		for (unsigned i = 0; i < HTTP_FIELDS_MAX + over; i++)
			buf_printf(&text, "X%u: a\r\n", i);
		buf_push_text(&text, "\r\n");
		if (over)
			expect_bad(431, (char *)text.data, text.size);
		else
			assert_int_equal(parse(text.data, text.size).result, HTTP_PARSE_REQUEST);
		buf_release(&text);
	}
}

/* Whatever one byte is changed to, it is refused, cut, or still one request of the same extent. */
static void
test_http__one_byte_changed(void **state)
{
	(void)state;
	static const char TEXT[] = HEAD("Content-Length: 0\r\nAccept: a\r\n");
	size_t size = sizeof(TEXT) - 1;
	for (size_t i = 0; i < size; i++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			char text[sizeof(TEXT)];
			memcpy(text, TEXT, size);
			text[i] = (char)byte;
			struct outcome outcome = parse(text, size);
			if (outcome.result == HTTP_PARSE_REQUEST)
				assert_int_equal(outcome.size, size);
			if (byte == '\n' || byte == '\r' || byte == 0)
				assert_true(outcome.result == HTTP_PARSE_BAD || text[i] == TEXT[i]);
		}
	}
}

static void
test_http__response(void **state)
{
	(void)state;
	struct buf to;
	buf_init(&to);
	http_respond(&to, &(struct http_response){.status = 200, .body = bytes_text("ok"),
	    .keep_alive = true});
	static const char WANT[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
	    "Content-Length: 2\r\nConnection: keep-alive\r\nCache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n\r\nok";
	assert_int_equal(buf_used(&to), sizeof(WANT) - 1);
	assert_memory_equal(to.data, WANT, sizeof(WANT) - 1);
	buf_reset(&to);
	http_respond(&to, &(struct http_response){.status = 405, .extra = "Allow: GET\r\n",
	    .body = bytes_text("no"), .head = true});
	buf_push(&to, "", 1);
	assert_non_null(strstr((char *)to.data, "Content-Length: 2\r\n"));
	assert_non_null(strstr((char *)to.data, "Allow: GET\r\n"));
	assert_non_null(strstr((char *)to.data, "Connection: close\r\n"));
	assert_string_equal((char *)to.data + to.size - 5, "\r\n\r\n");
	buf_release(&to);
}

/* Its value, without the spaces around it, whatever the name's letters; once at most. */
static void
test_http__authorization(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *value;
	} CASES[] = {
	    {HEAD(""), ""},
	    {HEAD("Authorization: Bearer abc\r\n"), "Bearer abc"},
	    {HEAD("aUTHORIZATION:   Bearer abc \t \r\nX: y\r\n"), "Bearer abc"},
	    {HEAD("X-Authorization: no\r\nAuthorization: yes\r\nAccept: a\r\n"), "yes"},
	    {HEAD("Authorizatio: no\r\n"), ""},
	    {HEAD("Authorization:\r\n"), ""},
	};
	struct http_request request;
	unsigned status;
	const char *why;
	size_t size;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct http_scan scan = {0};
		assert_int_equal(http_parse(&scan, bytes_text(CASES[i].text), &request, &size,
				     &status, &why),
		    HTTP_PARSE_REQUEST);
		assert_int_equal(request.authorization.size, strlen(CASES[i].value));
		assert_memory_equal(
		    request.authorization.data, CASES[i].value, request.authorization.size);
	}
	static const char TWICE[] = HEAD("Authorization: a\r\nauthorization: a\r\n");
	expect_bad(400, TWICE, strlen(TWICE));
	static const char NONE[] = HEAD("Authorization:\r\nAuthorization: a\r\n");
	expect_bad(400, NONE, strlen(NONE));
}

static void
test_http__response_of_each_status(void **state)
{
	(void)state;
	static const struct {
		unsigned status;
		const char *line;
	} CASES[] = {
	    {200, "HTTP/1.1 200 OK\r\n"},
	    {400, "HTTP/1.1 400 Bad Request\r\n"},
	    {401, "HTTP/1.1 401 Unauthorized\r\n"},
	    {403, "HTTP/1.1 403 Forbidden\r\n"},
	    {404, "HTTP/1.1 404 Not Found\r\n"},
	    {405, "HTTP/1.1 405 Method Not Allowed\r\n"},
	    {409, "HTTP/1.1 409 Conflict\r\n"},
	    {429, "HTTP/1.1 429 Too Many Requests\r\n"},
	    {501, "HTTP/1.1 501 Not Implemented\r\n"},
	    {413, "HTTP/1.1 413 Content Too Large\r\n"},
	    {414, "HTTP/1.1 414 URI Too Long\r\n"},
	    {431, "HTTP/1.1 431 Request Header Fields Too Large\r\n"},
	    {500, "HTTP/1.1 500 Internal Server Error\r\n"},
	    {503, "HTTP/1.1 503 Service Unavailable\r\n"},
	    {505, "HTTP/1.1 505 HTTP Version Not Supported\r\n"},
	};
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct buf to;
		buf_init(&to);
		http_respond(&to, &(struct http_response){.status = CASES[i].status,
				      .type = "application/json", .body = bytes_text("{}")});
		assert_memory_equal(to.data, CASES[i].line, strlen(CASES[i].line));
		buf_push(&to, "", 1);
		assert_non_null(strstr((char *)to.data, "Content-Type: application/json\r\n"));
		assert_string_equal((char *)to.data + to.size - 7, "\r\n\r\n{}");
		buf_release(&to);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_http__a_request_in_full),
	    cmocka_unit_test(test_http__cut_at_every_byte),
	    cmocka_unit_test(test_http__keep_alive),
	    cmocka_unit_test(test_http__methods),
	    cmocka_unit_test(test_http__a_body_comes_in_parts),
	    cmocka_unit_test(test_http__a_body_comes_in_chunks),
	    cmocka_unit_test(test_http__chunks_that_are_too_many),
	    cmocka_unit_test(test_http__bodies_that_are_refused),
	    cmocka_unit_test(test_http__a_client_may_ask_before_it_sends),
	    cmocka_unit_test(test_http__smuggling_is_refused),
	    cmocka_unit_test(test_http__versions),
	    cmocka_unit_test(test_http__request_line_at_its_limit),
	    cmocka_unit_test(test_http__fields_at_their_limit),
	    cmocka_unit_test(test_http__field_count_at_its_limit),
	    cmocka_unit_test(test_http__one_byte_changed),
	    cmocka_unit_test(test_http__response),
	    cmocka_unit_test(test_http__authorization),
	    cmocka_unit_test(test_http__response_of_each_status),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
