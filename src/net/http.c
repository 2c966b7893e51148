/*
 * 1. Scan for the end of the head, line by line, remembering where the scan stopped. A line ends in
 *    CRLF and nothing else; a line that starts with SP or TAB is a folded one: both are ways to
 *    make two parsers disagree about where a request ends, so both are refused before anything is
 *    parsed. The limits are applied here, before the head is complete.
 * 2. Give the whole head to llhttp (strict) once, with callbacks that note the target, Host and
 *    whether a body was announced. It refuses bad tokens, Transfer-Encoding beside Content-Length,
 *    a repeated Content-Length and what else its grammar forbids.
 * 3. Refuse what llhttp lets through and this server does not want: bodies in other codings than
 *    chunks, or of methods that have none, other versions, a missing or repeated Host.
 * 4. Wait for as many bytes as Content-Length says, or for the last chunk: that is the body. The
 *    head is parsed again then, for the input may have moved.
 */
#include "net/http.h"

#include "base/fault.h"

#include <llhttp.h>
#include <strings.h>

/* ------------------------------------------------------------------------- the head's end */

static enum http_result
bad(unsigned status, const char *why, unsigned *ret_status, const char **ret_why)
{
	*ret_status = status;
	*ret_why = why;
	return HTTP_PARSE_BAD;
}

/* The line at the start of `input`, which has some bytes, without its end. False: its bytes cannot
 * be of a head. */
static bool
line_find(struct bytes input, struct bytes *ret_line, bool *ret_whole, const char **ret_why)
{
	const uint8_t *lf = memchr(input.data, '\n', input.size);
	size_t size = lf != NULL ? (size_t)(lf - input.data) : input.size;
	const uint8_t *cr = size > 0 ? memchr(input.data, '\r', size) : NULL;
	*ret_why = "a CR without LF";
	if (cr != NULL && cr != input.data + size - 1)
		return false;
	*ret_why = "a line ends in a bare LF";
	if (lf != NULL && cr == NULL)
		return false;
	*ret_why = "a zero byte in the head";
	if (size > 0 && memchr(input.data, 0, size) != NULL)
		return false;
	*ret_line = bytes_of(input.data, cr != NULL ? size - 1 : size);
	*ret_whole = lf != NULL;
	return true;
}

/* Three words with one space between each: llhttp would take more spaces. */
static bool
line_of_three(struct bytes line)
{
	unsigned spaces = 0;
	for (size_t i = 0; i < line.size; i++)
		spaces += line.data[i] == ' ';
	return spaces == 2;
}

/* The status that refuses this line, whole or not; 0: none. */
static unsigned
line_status(const struct http_scan *scan, struct bytes line, bool whole, const char **ret_why)
{
	if (scan->line_size == 0) {
		*ret_why = "the request line is longer than 8192 bytes";
		if (line.size > HTTP_LINE_BYTES_MAX)
			return 414;
		*ret_why = "the request line is not a method, a target and a version";
		return whole && !line_of_three(line) ? 400 : 0;
	}
	if (line.size == 0)
		return 0;
	*ret_why = "a header line is folded";
	if (line.data[0] == ' ' || line.data[0] == '\t')
		return 400;
	*ret_why = "a header field without a name";
	if (line.data[0] == ':')
		return 400; /* llhttp takes it */
	*ret_why = "the header fields are larger than 16384 bytes";
	if (scan->fields_size + line.size + 2 > HTTP_FIELDS_BYTES_MAX)
		return 431;
	*ret_why = "more than 64 header fields";
	return scan->fields == HTTP_FIELDS_MAX ? 431 : 0;
}

/* Looks at what came since the last call. REQUEST: *ret_size is the whole head's size. */
static enum http_result
head_end(struct http_scan *scan, struct bytes input, size_t *ret_size, unsigned *ret_status,
    const char **ret_why)
{
	while (input.size > scan->at) {
		struct bytes line;
		bool whole;
		const char *why;
		struct bytes left = bytes_of(input.data + scan->at, input.size - scan->at);
		if (!line_find(left, &line, &whole, &why))
			return bad(400, why, ret_status, ret_why);
		unsigned status = line_status(scan, line, whole, &why);
		if (status != 0)
			return bad(status, why, ret_status, ret_why);
		if (!whole)
			return HTTP_PARSE_MORE;
		scan->at += line.size + 2;
		if (scan->line_size == 0) {
			scan->line_size = line.size;
		} else if (line.size > 0) {
			scan->fields++;
			scan->fields_size += line.size + 2;
		} else {
			*ret_size = scan->at;
			return HTTP_PARSE_REQUEST;
		}
	}
	return HTTP_PARSE_MORE;
}

/* ----------------------------------------------------------------------------- the parser */

#define VERSIONS "only HTTP/1.0 and HTTP/1.1 are spoken here"

struct head {
	struct bytes target;
	struct bytes authorization;
	unsigned hosts;
	unsigned authorizations;
	bool in_authorization; /* the field whose value comes */
	bool complete;
	unsigned codings; /* fields Transfer-Encoding */
	bool in_coding;
	struct bytes coding;
	bool keep_alive;
	bool in_expect;
	struct bytes expect;
	uint64_t body_size;
};

static int
on_url(llhttp_t *parser, const char *at, size_t size)
{
	struct head *head = parser->data;
	if (head->target.size == 0)
		head->target.data = (const uint8_t *)at;
	head->target.size += size; /* the head lies in one piece, and so do its spans */
	return 0;
}

static bool
is_field(const char *at, size_t size, const char *name)
{
	return size == strlen(name) && strncasecmp(at, name, size) == 0;
}

static int
on_header_field(llhttp_t *parser, const char *at, size_t size)
{
	struct head *head = parser->data;
	head->hosts += is_field(at, size, "host");
	head->in_authorization = is_field(at, size, "authorization");
	head->authorizations += head->in_authorization;
	head->in_expect = is_field(at, size, "expect");
	head->in_coding = is_field(at, size, "transfer-encoding");
	head->codings += head->in_coding;
	return 0;
}

static int
on_header_value(llhttp_t *parser, const char *at, size_t size)
{
	struct head *head = parser->data;
	struct bytes *value = head->in_authorization ? &head->authorization
	    : head->in_coding                        ? &head->coding
	                                             : &head->expect;
	if (!head->in_authorization && !head->in_coding && !head->in_expect)
		return 0;
	if (value->size == 0)
		value->data = (const uint8_t *)at;
	value->size += size;
	return 0;
}

static int
on_headers_complete(llhttp_t *parser)
{
	struct head *head = parser->data;
	/* The flags are gone once llhttp has completed the message. */
	head->complete = true;
	head->keep_alive = parser->http_minor != 0 ? (parser->flags & F_CONNECTION_CLOSE) == 0
	                                           : (parser->flags & F_CONNECTION_KEEP_ALIVE) != 0;
	if ((parser->flags & F_CONTENT_LENGTH) != 0)
		head->body_size = parser->content_length;
	return 1; /* the body is not the parser's */
}

static const llhttp_settings_t SETTINGS = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
};

static enum http_method
method_of(const llhttp_t *parser)
{
	static const struct {
		uint8_t number;
		enum http_method method;
	} METHODS[] = {
	    {HTTP_GET, HTTP_METHOD_GET},
	    {HTTP_HEAD, HTTP_METHOD_HEAD},
	    {HTTP_POST, HTTP_METHOD_POST},
	    {HTTP_PUT, HTTP_METHOD_PUT},
	    {HTTP_PATCH, HTTP_METHOD_PATCH},
	    {HTTP_DELETE, HTTP_METHOD_DELETE},
	};
	for (size_t i = 0; i < sizeof(METHODS) / sizeof(METHODS[0]); i++) {
		if (parser->method == METHODS[i].number)
			return METHODS[i].method;
	}
	return HTTP_METHOD_OTHER;
}

static bool
takes_body(enum http_method method)
{
	return method >= HTTP_METHOD_POST && method <= HTTP_METHOD_DELETE;
}

/* Spaces behind a field's value are not of it (RFC 9110, 5.5); llhttp takes off those before it. */
static struct bytes
value_trimmed(struct bytes value)
{
	while (value.size > 0 &&
	    (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t'))
		value.size--;
	return value;
}

static bool
is_value(struct bytes value, const char *wanted)
{
	value = value_trimmed(value);
	return value.size == strlen(wanted) &&
	    strncasecmp((const char *)value.data, wanted, value.size) == 0;
}

/* NULL: a body that is taken, or none. */
static const char *
body_objection(const struct head *head, enum http_method method, unsigned *ret_status)
{
	*ret_status = 413;
	if (!takes_body(method))
		return head->codings > 0 || head->body_size > 0 ? "nothing here takes a body"
		                                                : NULL;
	if (head->body_size > HTTP_BODY_BYTES_MAX)
		return "the body is larger than 4 MiB and 256 KiB";
	if (head->codings == 0)
		return NULL;
	*ret_status = 400;
	if (head->codings > 1)
		return "more than one Transfer-Encoding";
	*ret_status = 501;
	return is_value(head->coding, "chunked") ? NULL
	                                         : "the one coding that is taken is chunked";
}

/* NULL: the head is one we serve. */
static const char *
head_objection(const struct head *head, const llhttp_t *parser, unsigned *ret_status)
{
	*ret_status = 505;
	if (parser->http_major != 1 || parser->http_minor > 1)
		return VERSIONS;
	*ret_status = 400;
	if (head->hosts > 1 || (head->hosts == 0 && parser->http_minor == 1))
		return "HTTP/1.1 wants exactly one Host";
	if (head->authorizations > 1)
		return "more than one Authorization";
	if (head->target.size == 0 || head->target.data[0] != '/')
		return "the target is not a path";
	if (head->codings > 0 && parser->http_minor == 0)
		return "HTTP/1.0 has no Transfer-Encoding";
	return body_objection(head, method_of(parser), ret_status);
}

static void
request_fill(const struct head *head, const llhttp_t *parser, struct http_request *ret_request)
{
	const uint8_t *mark = memchr(head->target.data, '?', head->target.size);
	size_t path_size = mark != NULL ? (size_t)(mark - head->target.data) : head->target.size;
	*ret_request = (struct http_request){
	    .method = method_of(parser),
	    .path = bytes_of(head->target.data, path_size),
	    .query = bytes_of(NULL, 0),
	    .authorization = value_trimmed(head->authorization),
	    .keep_alive = head->keep_alive,
	};
	if (mark != NULL)
		ret_request->query = bytes_of(mark + 1, head->target.size - path_size - 1);
}

static enum http_result
head_parse(struct bytes input, size_t size, struct http_request *ret_request,
    struct head *ret_head, unsigned *ret_status, const char **ret_why)
{
	struct head head = {0};
	llhttp_t parser;
	llhttp_init(&parser, HTTP_REQUEST, &SETTINGS);
	parser.data = &head;
	llhttp_errno_t err = llhttp_execute(&parser, (const char *)input.data, size);
	if (err == HPE_INVALID_VERSION) /* it knows 0.9, 1.0, 1.1 and 2.0 */
		return bad(505, VERSIONS, ret_status, ret_why);
	/* Upgrade and CONNECT pause the parser; no upgrade is offered, so the request is one like
	 * any other. */
	if ((err != HPE_OK && err != HPE_PAUSED_UPGRADE) || !head.complete)
		return bad(400, "not a well-formed HTTP request", ret_status, ret_why);
	unsigned status;
	const char *objection = head_objection(&head, &parser, &status);
	if (objection != NULL)
		return bad(status, objection, ret_status, ret_why);
	request_fill(&head, &parser, ret_request);
	*ret_head = head;
	return HTTP_PARSE_REQUEST;
}

/* REQUEST: all of it has come. */
static enum http_result
body_end(struct http_scan *scan, struct bytes input, unsigned *ret_status, const char **ret_why)
{
	struct bytes body = bytes_of(input.data + scan->head_size, input.size - scan->head_size);
	if (!scan->in_chunks)
		return body.size < scan->body_size ? HTTP_PARSE_MORE : HTTP_PARSE_REQUEST;
	if (!chunked_scan(&scan->chunks, body, HTTP_BODY_BYTES_MAX, ret_status, ret_why))
		return HTTP_PARSE_BAD;
	return scan->chunks.over ? HTTP_PARSE_REQUEST : HTTP_PARSE_MORE;
}

enum http_result
http_parse(struct http_scan *scan, struct bytes input, struct http_request *ret_request,
    size_t *ret_size, unsigned *ret_status, const char **ret_why)
{
	struct head head;
	bool known = scan->head_size != 0;
	enum http_result result = known
	    ? body_end(scan, input, ret_status, ret_why)
	    : head_end(scan, input, &scan->head_size, ret_status, ret_why);
	if (result != HTTP_PARSE_REQUEST)
		return result;
	result = head_parse(input, scan->head_size, ret_request, &head, ret_status, ret_why);
	if (result != HTTP_PARSE_REQUEST)
		return result;
	scan->body_size = head.body_size;
	scan->in_chunks = head.codings > 0;
	scan->expects = is_value(head.expect, "100-continue");
	result = body_end(scan, input, ret_status, ret_why);
	if (result != HTTP_PARSE_REQUEST)
		return result;
	size_t size = scan->in_chunks ? scan->chunks.at : scan->body_size;
	ret_request->body = bytes_of(input.data + scan->head_size, size);
	ret_request->in_chunks = scan->in_chunks;
	ret_request->chunks = scan->chunks;
	*ret_size = scan->head_size + size;
	return HTTP_PARSE_REQUEST;
}

size_t
http_body_size(const struct http_request *request)
{
	return request->in_chunks ? request->chunks.data_size : request->body.size;
}

void
http_body_copy(const struct http_request *request, uint8_t *to)
{
	if (request->in_chunks)
		chunked_join(&request->chunks, request->body, to);
	else if (request->body.size > 0)
		memcpy(to, request->body.data, request->body.size);
}

/* --------------------------------------------------------------------------- the responses */

static const char *
status_text(unsigned status)
{
	switch (status) {
	case 200: return "OK";
	case 400: return "Bad Request";
	case 401: return "Unauthorized";
	case 403: return "Forbidden";
	case 404: return "Not Found";
	case 405: return "Method Not Allowed";
	case 409: return "Conflict";
	case 413: return "Content Too Large";
	case 414: return "URI Too Long";
	case 429: return "Too Many Requests";
	case 431: return "Request Header Fields Too Large";
	case 500: return "Internal Server Error";
	case 501: return "Not Implemented";
	case 503: return "Service Unavailable";
	case 505: return "HTTP Version Not Supported";
	default: froe_never("a status without a text");
	}
}

void
http_respond(struct buf *to, const struct http_response *response)
{
	buf_printf(to,
	    "HTTP/1.1 %u %s\r\n"
	    "Content-Type: %s\r\n"
	    "Content-Length: %zu\r\n"
	    "Connection: %s\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Content-Type-Options: nosniff\r\n"
	    "%s\r\n",
	    response->status, status_text(response->status),
	    response->type != NULL ? response->type : "text/plain; charset=utf-8",
	    response->body.size, response->keep_alive ? "keep-alive" : "close",
	    response->extra != NULL ? response->extra : "");
	if (!response->head)
		buf_push(to, response->body.data, response->body.size);
}
