/*
 * net/http: HTTP/1.1 requests in, responses out.
 *
 * Purpose     Takes one request head after the other from a buffer, by llhttp in strict mode behind
 *             checks of our own (bare LF, lone CR, obs-fold, NUL, limits, Host), and writes whole
 *             responses. A body is taken from POST, PUT, PATCH and DELETE, by its Content-Length
 *             or in chunks. No routes here.
 * Ownership   a request borrows from the input.
 * Invariants  1. a head is scanned for its end incrementally, and parsed when it is complete, and
 *                once more when its body is.
 *             2. what llhttp is given has only CRLF line ends and no folded line.
 * Units       a request line's length excludes its CRLF; a head's fields include theirs.
 * Failure     an HTTP status: 400, 413, 414, 431, 501, 505. The connection is to be closed after
 *             it: where the next request starts is not certain any more.
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/bytes.h"
#include "net/chunked.h"

#include <stdbool.h>

#define HTTP_LINE_BYTES_MAX 8192u
#define HTTP_FIELDS_BYTES_MAX 16384u
#define HTTP_FIELDS_MAX 64u
#define HTTP_BODY_BYTES_MAX ((4u << 20) + (256u << 10))
#define HTTP_PIPELINE_MAX 8u /* requests taken in before their answers have been sent */

enum http_method {
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_PATCH,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_OTHER, /* well-formed, but nothing here answers it */
};

struct http_request {
	enum http_method method;
	struct bytes path;  /* without the query */
	struct bytes query; /* after the '?', or empty */
	struct bytes authorization; /* the field's value, or empty */
	struct bytes body; /* as it came: http_body_copy() */
	bool in_chunks;
	struct chunked chunks;
	bool keep_alive;
};

enum http_result {
	HTTP_PARSE_MORE,
	HTTP_PARSE_REQUEST,
	HTTP_PARSE_BAD,
};

/* Where the scan for a head's end has got to: zero it at the start and after each request. */
struct http_scan {
	size_t at;          /* where the first line that is not yet complete starts */
	size_t line_size;   /* of the request line; 0: not yet complete */
	size_t fields;      /* complete header lines, */
	size_t fields_size; /* and their bytes with CRLF */
	size_t head_size;   /* 0: the head is not yet complete */
	size_t body_size;   /* by its Content-Length */
	bool in_chunks;
	struct chunked chunks;
	bool expects;       /* the client waits for a 100 before it sends the body */
};

/* REQUEST: *ret_size bytes are to be popped. BAD: *ret_status and *ret_why (static text). */
enum http_result http_parse(struct http_scan *scan, struct bytes input,
    struct http_request *ret_request, size_t *ret_size, unsigned *ret_status,
    const char **ret_why);

/* The body without what is around its chunks. */
size_t http_body_size(const struct http_request *request);
void http_body_copy(const struct http_request *request, uint8_t *to);

struct http_response {
	unsigned status;
	const char *type;  /* NULL: text/plain; charset=utf-8 */
	const char *extra; /* whole header lines with CRLF, or NULL */
	struct bytes body;
	bool head;         /* an answer to HEAD: the length without the body */
	bool keep_alive;
};
void http_respond(struct buf *to, const struct http_response *response);

#endif
