/* Conversations with an HTTP session, over a network and a clock that the test moves. */
#include "api_http_world.h"

#include "base/duration.h"

static void
expect(struct world *w, const char *status, const char *part)
{
	const char *text = heard_text(w);
	if (strncmp(text + strlen("HTTP/1.1 "), status, strlen(status)) != 0 || !strstr(text, part))
		print_message("%s\n", text);
	assert_memory_equal(text + strlen("HTTP/1.1 "), status, strlen(status));
	assert_non_null(strstr(text, part));
	assert_non_null(strstr(text, "X-Content-Type-Options: nosniff\r\n"));
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"

static void
test_http_api__routes(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, GET("/healthz"));
	expect(w, "200", "\r\n\r\nok");
	feed(w, GET("/healthz?x=1"));
	expect(w, "200", "\r\n\r\nok");
	feed(w, GET("/readyz"));
	expect(w, "503", "Retry-After: 1\r\n");
	atomic_store(&w->ready, true);
	feed(w, GET("/readyz"));
	expect(w, "200", "\r\n\r\nready");
	feed(w, GET("/healthz/"));
	expect(w, "404", "Connection: keep-alive\r\n");
	feed(w, "POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
	expect(w, "405", "Allow: GET, HEAD\r\n");
	feed(w, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
	const char *text = heard_text(w);
	assert_non_null(strstr(text, "Content-Length: 2\r\n"));
	assert_string_equal(text + strlen(text) - 4, "\r\n\r\n");
	assert_int_equal(w->count, 0);
	assert_int_equal(w->conn.state, CONN_HTTP);
	world_free(w);
}

static void
deliver_metrics(struct world *w, uint64_t request)
{
	struct api_effect effect = {.conn = HANDLE,
	    .request = request,
	    .number = API_METRICS_NUMBER,
	    .packed = bytes_text("froe_up 1\n")};
	http_api_deliver(&w->http, &effect);
	settle(w);
}

static void
test_http_api__metrics_keeps_the_order(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, GET("/metrics") GET("/healthz"));
	assert_string_equal(heard_text(w), "");
	assert_int_equal(w->count, 1);
	assert_int_equal(w->posted[0]->op, API_OP_METRICS);
	assert_int_equal(w->posted[0]->origin.conn, HANDLE);
	deliver_metrics(w, w->posted[0]->origin.request + 1); /* of somebody else */
	assert_string_equal(heard_text(w), "");
	deliver_metrics(w, w->posted[0]->origin.request);
	const char *text = heard_text(w);
	const char *metrics = strstr(text, "\r\n\r\nfroe_up 1\n");
	assert_non_null(metrics);
	assert_non_null(strstr(text, "text/plain; version=0.0.4"));
	assert_non_null(strstr(metrics, "\r\n\r\nok"));
	deliver_metrics(w, w->posted[0]->origin.request); /* twice */
	assert_string_equal(heard_text(w), "");
	feed(w, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	deliver_metrics(w, w->posted[1]->origin.request);
	text = heard_text(w);
	assert_non_null(strstr(text, "Content-Length: 10\r\n"));
	assert_null(strstr(text, "froe_up"));
	world_free(w);
}

static void
test_http_api__full_port(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->full = true;
	feed(w, GET("/metrics"));
	assert_int_equal(w->progress, API_BLOCKED);
	assert_true(w->conn.held);
	w->full = false;
	conn_ready(&w->conn);
	settle(w);
	assert_int_equal(w->count, 1);
	deliver_metrics(w, w->posted[0]->origin.request);
	expect(w, "200", "froe_up");
	world_free(w);
}

static void
test_http_api__pipeline_is_bounded_and_complete(void **state)
{
	(void)state;
	struct world *w = world_new();
	for (int i = 0; i < 20; i++)
		feed(w, GET("/healthz")); /* nothing is read meanwhile */
	assert_int_equal(w->http.unsent, HTTP_PIPELINE_MAX);
	const char *text = heard_text(w);
	int answers = 0;
	while ((text = strstr(text, "HTTP/1.1 200")) != NULL) {
		answers++;
		text++;
	}
	assert_int_equal(answers, 20);
	assert_int_equal(w->unsent_max, HTTP_PIPELINE_MAX);
	world_free(w);
}

static void
expect_end(struct world *w, enum conn_close reason)
{
	drain_wire(w);
	assert_true(conn_ending(&w->conn));
	assert_int_equal(w->conn.reason, reason);
	world_free(w);
}

static void
test_http_api__closes(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET("/readyz"));
	expect(w, "200", "Connection: close\r\n");
	assert_string_equal(heard_text(w), ""); /* nothing after a close */
	expect_end(w, CONN_CLOSE_DONE);

	w = world_new();
	feed(w, "GET /healthz HTTP/1.0\r\n\r\n");
	expect(w, "200", "Connection: close\r\n");
	expect_end(w, CONN_CLOSE_DONE);

	w = world_new();
	feed(w, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
		"GET " GET("/readyz"));
	expect(w, "413", "Connection: close\r\n");
	assert_string_equal(heard_text(w), "");
	expect_end(w, CONN_CLOSE_PROTOCOL);

	w = world_new();
	feed(w, "GET /healthz HTTP/1.1\nHost: a\r\n\r\n");
	expect(w, "400", "bare LF");
	expect_end(w, CONN_CLOSE_PROTOCOL);
}

static void
test_http_api__peer_that_has_said_all(void **state)
{
	(void)state;
	struct world *w = world_new();
	fake_feed(&w->fake, GET("/metrics"), strlen(GET("/metrics")));
	fake_receive_end(&w->fake, 0); /* shutdown(SHUT_WR) */
	settle(w);
	assert_int_equal(w->conn.state, CONN_HTTP);
	deliver_metrics(w, w->posted[0]->origin.request);
	expect(w, "200", "froe_up");
	expect_end(w, CONN_CLOSE_PEER);
}

static void
pass(struct world *w, uint64_t ms)
{
	w->fake.now_ns += ms * NS_PER_MS;
	conn_set_expire(&w->set, w->fake.now_ns);
	settle(w);
}

static void
test_http_api__head_deadline_for_each_request(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, GET("/healthz"));
	drain_wire(w);
	pass(w, CONN_HEAD_MS * 4); /* idle between requests */
	assert_int_equal(w->conn.state, CONN_HTTP);
	feed(w, "GET /hea");
	pass(w, CONN_HEAD_MS - 1);
	feed(w, "l");
	assert_int_equal(w->conn.state, CONN_HTTP);
	pass(w, 1);
	expect_end(w, CONN_CLOSE_LATE);

	w = world_new(); /* the shard's time does not count */
	feed(w, GET("/metrics") "GET /");
	pass(w, CONN_HEAD_MS * 2);
	assert_int_equal(w->conn.state, CONN_HTTP);
	deliver_metrics(w, w->posted[0]->origin.request);
	drain_wire(w);
	pass(w, CONN_HEAD_MS);
	expect_end(w, CONN_CLOSE_LATE);
}

static void
test_http_api__drain(void **state)
{
	(void)state;
	struct world *w = world_new();
	http_api_drain(&w->http); /* nothing under way */
	expect_end(w, CONN_CLOSE_DRAINED);

	w = world_new();
	feed(w, GET("/metrics"));
	http_api_drain(&w->http);
	settle(w);
	assert_int_equal(w->conn.state, CONN_HTTP);
	deliver_metrics(w, w->posted[0]->origin.request);
	expect(w, "200", "Connection: close\r\n");
	expect_end(w, CONN_CLOSE_DRAINED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_http_api__routes),
	    cmocka_unit_test(test_http_api__metrics_keeps_the_order),
	    cmocka_unit_test(test_http_api__full_port),
	    cmocka_unit_test(test_http_api__pipeline_is_bounded_and_complete),
	    cmocka_unit_test(test_http_api__closes),
	    cmocka_unit_test(test_http_api__peer_that_has_said_all),
	    cmocka_unit_test(test_http_api__head_deadline_for_each_request),
	    cmocka_unit_test(test_http_api__drain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
