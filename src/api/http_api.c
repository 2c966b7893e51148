#include "api/http_api.h"

#include <strings.h>

#define BODY_STEP_BYTES ((size_t)64 << 10)

void
http_api_open(struct http_api *http, struct conn *conn, struct api_port *port,
    const atomic_bool *ready, uint64_t handle)
{
	*http = (struct http_api){.conn = conn, .port = port, .ready = ready, .handle = handle};
	rest_open(&http->rest, port, ready, handle);
}

void
http_api_release(struct http_api *http)
{
	rest_release(&http->rest);
}

bool
http_api_close(struct http_api *http)
{
	return rest_close(&http->rest);
}

bool
http_api_known(const struct http_api *http)
{
	return http->rest.session == REST_OPEN;
}

void
http_api_refuse(struct http_api *http, const char *why)
{
	http->refusal = why;
}

static void
answer(struct http_api *http, struct http_response response)
{
	response.keep_alive = response.keep_alive && !http->drain;
	http_respond(conn_output(http->conn), &response);
	http->unsent++;
	if (!response.keep_alive)
		conn_finish(http->conn, http->drain ? CONN_CLOSE_DRAINED : CONN_CLOSE_DONE);
}

/* -------------------------------------------------------------------------------- routes */

static bool
route_health(struct http_api *http, const struct http_request *request)
{
	answer(http, (struct http_response){
	    .status = 200,
	    .body = bytes_text("ok"),
	    .head = request->method == HTTP_METHOD_HEAD,
	    .keep_alive = request->keep_alive,
	});
	return true;
}

static bool
route_ready(struct http_api *http, const struct http_request *request)
{
	bool ready = atomic_load_explicit(http->ready, memory_order_relaxed);
	answer(http, (struct http_response){
	    .status = ready ? 200 : 503,
	    .extra = ready ? NULL : "Retry-After: 1\r\n",
	    .body = bytes_text(ready ? "ready" : "not ready"),
	    .head = request->method == HTTP_METHOD_HEAD,
	    .keep_alive = request->keep_alive,
	});
	return true;
}

/* The token of "Bearer TOKEN"; empty: none. */
static struct bytes
bearer(struct bytes authorization)
{
	static const char SCHEME[] = "bearer ";
	size_t size = sizeof(SCHEME) - 1;
	if (authorization.size <= size ||
	    strncasecmp((const char *)authorization.data, SCHEME, size) != 0)
		return bytes_of(NULL, 0);
	return bytes_of(authorization.data + size, authorization.size - size);
}

/* False: no room at the port. */
static bool
route_metrics(struct http_api *http, const struct http_request *request)
{
	struct api_command command = {
	    .op = API_OP_METRICS,
	    .origin = {.conn = http->handle, .request = http->asked + 1},
	    .open = {.token = bearer(request->authorization), .peer = http->peer},
	};
	http->asked++;
	http->waiting = true;
	http->head = request->method == HTTP_METHOD_HEAD;
	http->keep_alive = request->keep_alive;
	if (http->port->post(http->port, &command))
		return true;
	http->asked--;
	http->waiting = false;
	return false;
}

static const struct {
	const char *path;
	bool (*answer)(struct http_api *http, const struct http_request *request);
} ROUTES[] = {
    {"/healthz", route_health},
    {"/readyz", route_ready},
    {"/metrics", route_metrics},
};

static bool
route_rest(struct http_api *http, const struct http_request *request)
{
	http->head = request->method == HTTP_METHOD_HEAD;
	http->keep_alive = request->keep_alive;
	http->rest.peer = http->peer;
	rest_begin(&http->rest, request);
	return true;
}

static bool
route(struct http_api *http, const struct http_request *request)
{
	bool head = request->method == HTTP_METHOD_HEAD;
	if (rest_serves(request->path))
		return route_rest(http, request);
	for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); i++) {
		if (!bytes_equal(request->path, bytes_text(ROUTES[i].path)))
			continue;
		if (head || request->method == HTTP_METHOD_GET)
			return ROUTES[i].answer(http, request);
		answer(http, (struct http_response){
		    .status = 405,
		    .extra = "Allow: GET, HEAD\r\n",
		    .body = bytes_text("only GET and HEAD are answered here\n"),
		    .keep_alive = request->keep_alive,
		});
		return true;
	}
	answer(http, (struct http_response){
	    .status = 404,
	    .body = bytes_text("there are /healthz, /readyz, /metrics and /api/v1\n"),
	    .head = head,
	    .keep_alive = request->keep_alive,
	});
	return true;
}

/* --------------------------------------------------------------------------------- steps */

static void
refuse(struct http_api *http, unsigned status, const char *why)
{
	struct http_response response = {.status = status, .body = bytes_text(why)};
	http_respond(conn_output(http->conn), &response);
	conn_finish(http->conn, CONN_CLOSE_PROTOCOL);
}

static bool
reads(struct http_api *http)
{
	if (conn_output_used(http->conn) == 0)
		http->unsent = 0;
	return conn_serving(http->conn) && !http->waiting && http->rest.call == NULL &&
	    !conn_choked(http->conn) && http->unsent < HTTP_PIPELINE_MAX;
}

/* While the rest of a head is awaited its time runs; between requests only the idle time does. A
 * body has that time for each BODY_STEP_BYTES. */
static void
watch_head(struct http_api *http, bool awaited)
{
	size_t have = buf_used(&http->conn->input);
	bool goes_on = http->scan.head_size != 0 &&
	    (http->awaited < http->scan.head_size || have >= http->awaited + BODY_STEP_BYTES);
	if (!awaited) {
		conn_timer_stop(http->conn, CONN_TIMER_HEAD);
	} else if (goes_on || !conn_timer_active(http->conn, CONN_TIMER_HEAD)) {
		conn_timer_start(http->conn, CONN_TIMER_HEAD);
		http->awaited = have;
	}
}

/* A client that asks first whether its body is wanted is told so, once. */
static void
tell_continue(struct http_api *http)
{
	static const char LINE[] = "HTTP/1.1 100 Continue\r\n\r\n";
	if (!http->scan.expects || http->told)
		return;
	http->told = true;
	buf_push(conn_output(http->conn), LINE, sizeof(LINE) - 1);
}

static enum api_progress
step_rest(struct http_api *http)
{
	struct rest_answer done;
	enum api_progress progress = rest_step(&http->rest);
	if (rest_done(&http->rest, &done)) {
		answer(http, (struct http_response){
		    .status = done.status,
		    .type = done.type,
		    .extra = done.extra,
		    .body = done.body,
		    .head = http->head,
		    .keep_alive = http->keep_alive && !http->rest.cut,
		});
		rest_end(&http->rest);
	}
	if (http->rest.cut && http->rest.call == NULL)
		conn_finish(http->conn, CONN_CLOSE_DRAINED);
	return progress;
}

static enum api_progress
step_requests(struct http_api *http)
{
	struct conn *conn = http->conn;
	while (reads(http)) {
		struct http_request request;
		size_t size;
		unsigned status;
		const char *why;
		switch (http_parse(
		    &http->scan, buf_bytes(&conn->input), &request, &size, &status, &why)) {
		case HTTP_PARSE_MORE:
			if (conn->ended)
				conn_finish(conn, CONN_CLOSE_PEER);
			else
				tell_continue(http);
			return API_IDLE;
		case HTTP_PARSE_BAD:
			refuse(http, status, why);
			return API_IDLE;
		case HTTP_PARSE_REQUEST:
			break;
		}
		if (http->refusal != NULL) {
			refuse(http, 400, http->refusal);
			return API_IDLE;
		}
		conn_timer_stop(conn, CONN_TIMER_HEAD);
		bool taken = route(http, &request);
		http->scan = (struct http_scan){0};
		http->awaited = 0;
		http->told = false;
		if (!taken)
			return API_BLOCKED; /* parsed again then */
		buf_pop(&conn->input, size);
		conn_count(&conn->set->count.requests, 1);
		enum api_progress progress = step_rest(http);
		if (progress != API_IDLE)
			return progress;
	}
	return API_IDLE;
}

enum api_progress
http_api_step(struct http_api *http)
{
	if (!conn_serving(http->conn))
		return API_IDLE;
	enum api_progress progress = step_rest(http);
	if (progress == API_IDLE)
		progress = step_requests(http);
	if (http->drain && !http->waiting && http->rest.call == NULL &&
	    buf_used(&http->conn->input) == 0)
		conn_finish(http->conn, CONN_CLOSE_DRAINED);
	bool reading = progress == API_IDLE && reads(http);
	watch_head(http, reading && buf_used(&http->conn->input) > 0);
	http->conn->held = !reading;
	return progress;
}

static void
answer_refused(struct http_api *http, enum froe_err err)
{
	bool unknown = err == FROE_UNAUTHENTICATED;
	answer(http, (struct http_response){
	    .status = unknown ? 401 : 403,
	    .extra = unknown ? "WWW-Authenticate: Bearer realm=\"froe\"\r\n" : NULL,
	    .body = bytes_text(unknown
	            ? "this takes a token: Authorization: Bearer froe1_...\n"
	            : "this takes a token of the role operator or admin, for all tenants\n"),
	    .head = http->head,
	    .keep_alive = http->keep_alive,
	});
}

void
http_api_deliver(struct http_api *http, const struct api_effect *effect)
{
	if (!conn_serving(http->conn))
		return;
	if (effect->number != API_METRICS_NUMBER) {
		rest_deliver(&http->rest, effect);
		conn_ready(http->conn);
		return;
	}
	if (!http->waiting || effect->request != http->asked)
		return;
	http->waiting = false;
	if (effect->err != FROE_OK)
		answer_refused(http, effect->err);
	else
		answer(http, (struct http_response){
		    .status = 200,
		    .type = "text/plain; version=0.0.4; charset=utf-8",
		    .body = effect->packed,
		    .head = http->head,
		    .keep_alive = http->keep_alive,
		});
	conn_ready(http->conn);
}

void
http_api_drain(struct http_api *http)
{
	http->drain = true;
	conn_ready(http->conn);
}
