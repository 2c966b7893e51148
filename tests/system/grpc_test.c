/*
 * gRPC on the port of everything, asked of the real binary: what it says to paths that nobody
 * serves, to clients that mean no good, and when it stops; beside HTTP/1.1 and native work.
 */
#include "system/peer.h"

static struct server server;

static struct heard *
peer_call(struct peer *peer, const char *path, const struct client_field *fields)
{
	struct heard *heard = client_call(&peer->client, path, fields);
	client_say(&peer->client, heard, bytes_text("hello"), true);
	while (!heard->closed && !peer->ended)
		peer_step(peer);
	assert_true(heard->closed);
	return heard;
}

static void
peer_expect_unknown(struct peer *peer)
{
	struct heard *heard = peer_call(peer, "/no.Service/Method", NULL);
	assert_string_equal(heard->http_status, "200");
	assert_string_equal(heard->status, "12");
	assert_non_null(strstr(heard->message, "/no.Service/Method"));
	assert_true(heard->trailers_only);
}

static void
test_grpc__a_path_that_nobody_serves(void **state)
{
	struct peer peer;
	(void)state;
	peer_open(&peer, &server);
	for (int i = 0; i < 200; i++)
		peer_expect_unknown(&peer);
	const struct client_field get[] = {{":method", "GET"}, {NULL, NULL}};
	assert_string_equal(peer_call(&peer, "/healthz", get)->http_status, "405");
	const struct client_field json[] = {{"content-type", "application/json"}, {NULL, NULL}};
	assert_string_equal(peer_call(&peer, "/x", json)->http_status, "415");
	nghttp2_submit_ping(peer.client.session, NGHTTP2_FLAG_NONE, NULL);
	client_pull(&peer.client);
	while (peer.client.pings == 0)
		peer_step(&peer);
	assert_int_equal(peer.client.goaways, 0);
	peer_close(&peer);
}

/* HTTP/1.1 is served beside it; HTTP/2 is not upgraded to. */
static void
test_grpc__beside_http1(void **state)
{
	static const char REQUEST[] = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, "
	    "HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
	char heard[4096] = "";
	size_t have = 0;
	(void)state;
	int made = port_connect(&server);
	assert_int_equal(send(made, REQUEST, sizeof(REQUEST) - 1, 0), sizeof(REQUEST) - 1);
	while (strstr(heard, "\r\n\r\nok") == NULL) {
		ssize_t got = recv(made, heard + have, sizeof(heard) - 1 - have, 0);
		assert_true(got > 0);
		have += (size_t)got;
		heard[have] = 0;
	}
	assert_memory_equal(heard, "HTTP/1.1 200 ", 13);
	close(made);
}

/* Begins calls and resets them until the server has enough of it. Others do not notice. */
static void
test_grpc__requests_and_resets(void **state)
{
	struct peer good, bad;
	(void)state;
	peer_open(&good, &server);
	peer_expect_unknown(&good);
	peer_open(&bad, &server);
	for (int i = 0; i < 4000 && !bad.ended; i++) {
		client_reset(&bad.client, client_call(&bad.client, "/a/b", NULL), 8);
		while (buf_used(&bad.client.out) > 60000 && !bad.ended)
			peer_step(&bad);
	}
	while (!bad.ended)
		peer_step(&bad);
	peer_expect_unknown(&good);
	peer_close(&bad);
	peer_close(&good);
}

static void
test_grpc__a_preface_and_no_more(void **state)
{
	char heard[64];
	struct timeval patience = {.tv_sec = 30};
	(void)state;
	int made = port_connect(&server);
	setsockopt(made, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(send(made, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24, 0), 24);
	ssize_t got;
	do
		got = recv(made, heard, sizeof(heard), 0);
	while (got > 0 || (got < 0 && errno == EINTR)); /* its SETTINGS; a debugger's stop */
	assert_true(got == 0 || errno == ECONNRESET); /* closed for want of ours */
	close(made);
}

/* An idle connection does not hold up a stop, and hears that there is one. */
static void
test_grpc__a_stop(void **state)
{
	struct peer peer;
	(void)state;
	peer_open(&peer, &server);
	peer_expect_unknown(&peer);
	int status = server_end(&server, SIGTERM);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	while (!peer.ended)
		peer_step(&peer);
	assert_int_equal(peer.client.goaways, 1);
	assert_int_equal(peer.client.goaway_code, NGHTTP2_NO_ERROR);
	peer_close(&peer);
	server_start(&server);
	peer_open(&peer, &server);
	peer_expect_unknown(&peer);
	peer_close(&peer);
}

static int
setup(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grpc__a_path_that_nobody_serves),
	    cmocka_unit_test(test_grpc__beside_http1),
	    cmocka_unit_test(test_grpc__requests_and_resets),
	    cmocka_unit_test(test_grpc__a_preface_and_no_more),
	    cmocka_unit_test(test_grpc__a_stop),
	};
	return cmocka_run_group_tests_name("grpc", tests, setup, teardown);
}
