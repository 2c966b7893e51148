/*
 * gRPC over real sockets: accepted by the hot loop, told apart, handed to an edge loop, answered
 * by a gateway that asks a fake shard. On both I/O backends; in plaintext by a client of ours, and
 * by nghttp2's own h2load (TLS too) where it is installed. FROE_TEST_IO runs one backend only.
 */
#include "server_host.h"

#include "api/grpc_api.h"

#include "net_grpc_client.h"
#include "tls_certificates.h"


#include <poll.h>
#include <stdlib.h>

#define NONE bytes_of(NULL, 0)
#define PENDING_MAX 4 /* commands that the shard takes at a time */
#define STREAM_BYTES ((size_t)64 << 10)

static struct io_env *test_env;

/* A seat that one call has. */
struct sitter {
	struct api_seat seat;
	struct gateway *gateway;
	struct list leaving; /* its CLOSE has not been posted yet */
	struct grpc *grpc;   /* NULL: the call has gone */
	uint32_t call;
	uint64_t handle;
};

struct gateway {
	struct api_gateway api;
	struct list leaving;
	atomic_uint connections, seats, closed, unwritten;
	bool forgets; /* nobody becomes known */
	_Atomic uint64_t written;
	_Atomic size_t held_peak;
};

struct server {
	struct host host; /* first */
	struct gateway gateway;
	struct strangers_limits strangers;
	unsigned opened; /* sessions of the shard */
	atomic_uint sessions;
};

/* -------------------------------------------------------------------------------- methods */

static struct gateway *
gateway_of(struct grpc_call *call)
{
	return container_of(grpc_api_of(call)->gateway, struct gateway, api);
}

static enum grpc_taken
on_echo(struct grpc_call *call, struct bytes message)
{
	grpc_reply(call, message);
	return GRPC_TAKEN;
}

/* Answered by the shard, under the connection's own handle. */
static enum grpc_taken
on_ask(struct grpc_call *call, struct bytes message)
{
	struct gateway *gateway = gateway_of(call);
	struct api_command command = {.op = API_OP_HEARTBEAT,
	    .origin = {.conn = grpc_api_handle(grpc_api_of(call)),
	        .request = grpc_call_id(call)}};
	(void)message;
	return gateway->api.port->post(gateway->api.port, &command) ? GRPC_TAKEN : GRPC_LATER;
}

static void
on_answer(void *state, const struct api_effect *effect)
{
	struct grpc_call *call =
	    grpc_find(grpc_api_grpc(state), (uint32_t)effect->request);
	if (call != NULL)
		grpc_reply(call, effect->packed);
}

/* Answered under a handle of its own. */
static void
on_seated(struct api_seat *seat, const struct api_effect *effect)
{
	struct sitter *sitter = container_of(seat, struct sitter, seat);
	struct grpc_call *call =
	    sitter->grpc != NULL ? grpc_find(sitter->grpc, sitter->call) : NULL;
	if (call != NULL)
		grpc_reply(call, effect->packed);
}

static enum grpc_taken
on_seat(struct grpc_call *call, struct bytes message)
{
	struct gateway *gateway = gateway_of(call);
	struct sitter *sitter = grpc_call_context(call);
	(void)message;
	if (sitter == NULL) {
		sitter = mem_zalloc(sizeof(*sitter));
		*sitter = (struct sitter){.seat = {on_seated}, .gateway = gateway,
		    .grpc = grpc_api_grpc(grpc_api_of(call)), .call = grpc_call_id(call)};
		assert_true(gateway->api.seats->take(
		    gateway->api.seats, &sitter->seat, &sitter->handle));
		atomic_fetch_add(&gateway->seats, 1);
		grpc_call_set_context(call, sitter);
	}
	struct api_command command = {.op = API_OP_OPEN, .origin = {.conn = sitter->handle}};
	return gateway->api.port->post(gateway->api.port, &command) ? GRPC_TAKEN : GRPC_LATER;
}

static void
on_seat_close(struct grpc_call *call, enum grpc_end end)
{
	struct sitter *sitter = grpc_call_context(call);
	struct gateway *gateway = gateway_of(call);
	(void)end;
	if (sitter == NULL)
		return;
	sitter->grpc = NULL;
	list_push(&gateway->leaving, &sitter->leaving);
}

/* A turn of the loop: seats that can be, are given back. */
static void
on_turn(struct api_gateway *api, uint64_t now_ns)
{
	struct gateway *gateway = container_of(api, struct gateway, api);
	(void)now_ns;
	while (!list_empty(&gateway->leaving)) {
		struct sitter *sitter =
		    container_of(gateway->leaving.next, struct sitter, leaving);
		struct api_command command = {
		    .op = API_OP_CLOSE, .origin = {.conn = sitter->handle}};
		if (!api->port->post(api->port, &command))
			return;
		api->seats->give(api->seats, sitter->handle);
		list_remove(&sitter->leaving);
		mem_free(sitter);
		atomic_fetch_sub(&gateway->seats, 1);
	}
}

/* As much as there is room for, again and again. */
static void
on_pour(struct grpc_call *call)
{
	static const uint8_t zeroes[STREAM_BYTES];
	struct gateway *gateway = gateway_of(call);
	while (grpc_send(call, bytes_of(zeroes, sizeof(zeroes))))
		;
	size_t held = grpc_held_bytes(grpc_api_grpc(grpc_api_of(call)));
	if (held > atomic_load(&gateway->held_peak))
		atomic_store(&gateway->held_peak, held);
}

static enum grpc_taken
on_stream(struct grpc_call *call, struct bytes message)
{
	(void)message;
	on_pour(call);
	return GRPC_TAKEN;
}

static void
on_stream_written(struct grpc_call *call)
{
	atomic_store(&gateway_of(call)->written, grpc_written(call));
}

static void
on_stream_close(struct grpc_call *call, enum grpc_end end)
{
	struct gateway *gateway = gateway_of(call);
	if (end == GRPC_END_BROKEN)
		atomic_store(
		    &gateway->unwritten, (unsigned)(grpc_sent(call) - grpc_written(call)));
	atomic_fetch_add(&gateway->closed, 1);
}

static const struct grpc_method METHODS[] = {
    {"/t.Test/Echo", GRPC_UNARY, .message = on_echo},
    {"/t.Test/Ask", GRPC_UNARY, .message = on_ask},
    {"/t.Test/Seat", GRPC_UNARY, .message = on_seat, .close = on_seat_close},
    {"/t.Test/Stream", GRPC_SERVER_STREAM, .message = on_stream, .writable = on_pour,
        .written = on_stream_written, .close = on_stream_close},
};

static void *
on_connection(struct api_gateway *api, struct grpc_api *session)
{
	atomic_fetch_add(&container_of(api, struct gateway, api)->connections, 1);
	if (!container_of(api, struct gateway, api)->forgets)
		grpc_api_know(session);
	return session;
}

static bool
on_connection_close(void *state)
{
	const struct grpc_api *session = state;
	atomic_fetch_sub(&container_of(session->gateway, struct gateway, api)->connections, 1);
	return true;
}

static void
gateway_init(struct gateway *gateway)
{
	gateway->api = (struct api_gateway){
	    .methods = {METHODS, sizeof(METHODS) / sizeof(METHODS[0])},
	    .open = on_connection,
	    .deliver = on_answer,
	    .close = on_connection_close,
	    .turn = on_turn,
	};
	list_init(&gateway->leaving);
}

/* ------------------------------------------------------------------------ the hot thread */

static void
server_answer(struct server *server, struct api_command *command)
{
	struct api_effect effect = {.conn = command->origin.conn,
	    .request = command->origin.request, .number = API_METRICS_NUMBER,
	    .packed = bytes_text("pong")};
	if (command->op == API_OP_OPEN)
		atomic_fetch_add(&server->sessions, 1);
	if (command->op == API_OP_CLOSE)
		atomic_fetch_sub(&server->sessions, 1);
	else
		bridge_hot_deliver(&server->host.bridge, &effect);
	host_done(&server->host, command);
}

static void
server_turn(struct host *host)
{
	struct server *server = container_of(host, struct server, host);
	struct api_command *command;
	int taken = 0;
	host_step(host, loop_deadline_ns(host->loop));
	while (taken++ < PENDING_MAX && (command = bridge_hot_pop(&host->bridge)) != NULL)
		server_answer(server, command);
	if (taken > PENDING_MAX)
		io_wake(host->io); /* there may be more */
	host_say(host);
}

static bool
server_no_post(struct api_port *port, const struct api_command *command)
{
	(void)port;
	(void)command;
	return true;
}

/* `strangers`: the bytes that clients may hold, of whom none becomes known; 0: all are known. */
static struct server *
server_start_tls(struct tls_context *tls, size_t strangers)
{
	struct server *server = mem_zalloc(sizeof(*server));
	struct host *host = &server->host;
	server->strangers = (struct strangers_limits){.bytes = strangers};
	server->gateway.forgets = strangers != 0;
	gateway_init(&server->gateway);
	host->env = test_env;
	host->bridge_room = 8;
	host->turn = server_turn;
	host->port.post = server_no_post; /* the hot loop has no sessions here */
	host->edge_options = (struct edge_options){
	    .gateway = &server->gateway.api,
	    .tls = tls,
	    .strangers = strangers != 0 ? &server->strangers : NULL,
	};
	host_start(host);
	return server;
}

static struct server *
server_start(void)
{
	return server_start_tls(NULL, 0);
}

static void
server_stop(struct server *server)
{
	host_stop(&server->host);
	mem_free(server);
}

/* -------------------------------------------------------------------------------- sockets */

struct peer {
	struct client client;
	int socket;
	bool ended;
};

static void
peer_open_window(struct peer *peer, const struct server *server, uint32_t window)
{
	*peer = (struct peer){.socket = host_connect(&server->host, 0)};
	client_open_window(&peer->client, window);
}

static void
peer_open(struct peer *peer, const struct server *server)
{
	peer_open_window(peer, server, 1u << 20);
}

static void
peer_close(struct peer *peer)
{
	close(peer->socket);
	client_close(&peer->client);
}

/* Sends what there is and hears what comes; false: nothing more comes. */
static bool
peer_step(struct peer *peer)
{
	uint8_t heard[65536];
	struct pollfd poll_for = {.fd = peer->socket,
	    .events = (short)(POLLIN | (buf_used(&peer->client.out) > 0 ? POLLOUT : 0))};
	int ready = poll(&poll_for, 1, 20000);
	if (ready < 0 && errno == EINTR)
		return true;
	assert_int_equal(ready, 1);
	if ((poll_for.revents & POLLOUT) != 0) {
		struct bytes out = buf_bytes(&peer->client.out);
		ssize_t sent = send(
		    peer->socket, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent > 0)
			buf_pop(&peer->client.out, (size_t)sent);
	}
	if ((poll_for.revents & (POLLIN | POLLHUP | POLLERR)) == 0)
		return true;
	ssize_t got = recv(peer->socket, heard, sizeof(heard), MSG_DONTWAIT);
	if (got > 0)
		assert_true(client_feed(&peer->client, bytes_of(heard, (size_t)got)));
	peer->ended = got == 0 || (got < 0 && errno == ECONNRESET);
	return !peer->ended;
}

static struct heard *
peer_call(struct peer *peer, const char *path, struct bytes message)
{
	struct heard *heard = client_call(&peer->client, path, NULL);
	client_say(&peer->client, heard, message, true);
	while (!heard->closed)
		assert_true(peer_step(peer));
	return heard;
}

static void
expect(const struct heard *heard, const char *status, const char *text)
{
	struct bytes message;
	if (strcmp(heard->status, status) != 0)
		print_message("status %s: %s\n", heard->status, heard->message);
	assert_string_equal(heard->status, status);
	if (text == NULL)
		return;
	assert_true(client_message(heard, 0, &message, NULL));
	assert_true(bytes_equal(message, bytes_text(text)));
}

/* ---------------------------------------------------------------------------------- tests */

static void
test_serve__calls(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer peer;
	peer_open(&peer, server);
	expect(peer_call(&peer, "/t.Test/Echo", bytes_text("hello")), "0", "hello");
	expect(peer_call(&peer, "/t.Test/Ask", NONE), "0", "pong");
	expect(peer_call(&peer, "/t.Test/Seat", NONE), "0", "pong");
	expect(peer_call(&peer, "/t.Test/None", NONE), "12", NULL);
	await(&server->gateway.seats, 0);
	await(&server->sessions, 0);
	struct conn_stats stats;
	edge_stats(&server->host.edge, &stats);
	assert_int_equal(stats.http2, 1);
	peer_close(&peer);
	await(&server->gateway.connections, 0);
	server_stop(server);
}

/* The preface comes byte by byte, as from a terminal. */
static void
test_serve__byte_by_byte(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer peer;
	peer_open(&peer, server);
	struct heard *heard = client_call(&peer.client, "/t.Test/Echo", NULL);
	client_say(&peer.client, heard, bytes_text("slow"), true);
	while (buf_used(&peer.client.out) > 0) {
		assert_int_equal(send(peer.socket, buf_bytes(&peer.client.out).data, 1, 0), 1);
		buf_pop(&peer.client.out, 1);
		usleep(200);
	}
	while (!heard->closed)
		assert_true(peer_step(&peer));
	expect(heard, "0", "slow");
	peer_close(&peer);
	server_stop(server);
}

/* More questions than the rings between the threads have room for: each is answered once. */
static void
test_serve__more_questions_than_room(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer peer;
	peer_open(&peer, server);
	for (int i = 0; i < 1000; i++)
		client_say(&peer.client,
		    client_call(&peer.client, i % 2 == 0 ? "/t.Test/Ask" : "/t.Test/Seat", NULL),
		    NONE, true);
	for (int i = 0; i < 1000; i++) {
		while (!peer.client.heard[i].closed)
			assert_true(peer_step(&peer));
		expect(&peer.client.heard[i], "0", "pong");
	}
	await(&server->gateway.seats, 0);
	await(&server->sessions, 0);
	peer_close(&peer);
	server_stop(server);
}

/* A reader that takes nothing: the stream is held where its bound is, other connections go on, and
 * when it breaks it is known what it did not get. */
static void
test_serve__a_slow_reader(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer slow, other;
	peer_open_window(&slow, server, 1u << 20);
	slow.client.holds = true;
	peer_open(&other, server);
	struct heard *heard = client_call(&slow.client, "/t.Test/Stream", NULL);
	client_say(&slow.client, heard, NONE, true);
	while (buf_used(&heard->body) < 65535) /* the connection's window */
		assert_true(peer_step(&slow));
	expect(peer_call(&other, "/t.Test/Echo", bytes_text("a")), "0", "a");
	assert_in_range(atomic_load(&server->gateway.held_peak), GRPC_CALL_QUEUED_MAX,
	    GRPC_CALL_QUEUED_MAX + STREAM_BYTES + (256u << 10));
	/* Read at last, it goes on. */
	client_release(&slow.client);
	while (buf_used(&heard->body) < (size_t)8 << 20)
		assert_true(peer_step(&slow));
	for (int i = 0; i < 5000 && atomic_load(&server->gateway.written) < 100; i++)
		usleep(1000);
	assert_true(atomic_load(&server->gateway.written) >= 100);
	peer_close(&slow);
	await(&server->gateway.closed, 1);
	assert_in_range(atomic_load(&server->gateway.unwritten), 1, 40);
	peer_close(&other);
	server_stop(server);
}

static void
test_serve__the_server_stops(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer peer;
	peer_open(&peer, server);
	expect(peer_call(&peer, "/t.Test/Echo", bytes_text("a")), "0", "a");
	struct heard *heard = client_call(&peer.client, "/t.Test/Stream", NULL);
	client_say(&peer.client, heard, NONE, true);
	while (buf_used(&heard->body) < STREAM_BYTES)
		assert_true(peer_step(&peer));
	atomic_store(&server->host.drain, true);
	io_wake(server->host.io);
	while (!peer.ended)
		peer_step(&peer);
	expect(heard, "14", NULL);
	assert_int_equal(peer.client.goaways, 1);
	for (int i = 0; i < 5000 && !atomic_load(&server->host.drained); i++) {
		io_wake(server->host.io); /* which asks the edge again */
		usleep(1000);
	}
	assert_true(atomic_load(&server->host.drained));
	peer_close(&peer);
	server_stop(server);
}

/* Not HTTP/2 after all, and a client that says nothing more. */
static void
test_serve__nonsense_touches_nobody_else(void **state)
{
	(void)state;
	struct server *server = server_start();
	struct peer good, bad;
	char nonsense[4096];
	peer_open(&good, server);
	peer_open(&bad, server);
	expect(peer_call(&good, "/t.Test/Echo", bytes_text("a")), "0", "a");
	memset(nonsense, 'x', sizeof(nonsense));
	buf_push(&bad.client.out, nonsense, sizeof(nonsense));
	while (!bad.ended)
		peer_step(&bad);
	assert_int_equal(bad.client.goaways, 1);
	expect(peer_call(&good, "/t.Test/Echo", bytes_text("b")), "0", "b");
	peer_close(&bad);
	peer_close(&good);
	await(&server->gateway.connections, 0);
	server_stop(server);
}

/* What a client without a good token has sent of its messages counts as a stranger's memory. */
static void
test_serve__strangers_hold_little(void **state)
{
	static uint8_t part[(size_t)3 << 20];
	(void)state;
	struct server *server = server_start_tls(NULL, (size_t)1 << 20);
	struct peer greedy, modest;
	peer_open(&modest, server);
	expect(peer_call(&modest, "/t.Test/Echo", bytes_text("a")), "0", "a");
	peer_open(&greedy, server);
	struct heard *heard = client_call(&greedy.client, "/t.Test/Echo", NULL);
	client_prefix(part, false, GRPC_MESSAGE_BYTES_MAX);
	client_say_raw(&greedy.client, heard, bytes_of(part, sizeof(part)), false);
	while (!greedy.ended)
		peer_step(&greedy);
	expect(peer_call(&modest, "/t.Test/Echo", bytes_text("b")), "0", "b");
	struct conn_stats stats;
	edge_stats(&server->host.edge, &stats);
	assert_int_equal(stats.closed[CONN_CLOSE_BUSY], 1);
	peer_close(&greedy);
	peer_close(&modest);
	server_stop(server);
}

/* -------------------------------------------------------------------------- others' clients */

static bool
installed(const char *program)
{
	char command[64];
	snprintf(command, sizeof(command), "command -v %s >/dev/null 2>&1", program);
	bool there = system(command) == 0;
	if (!there)
		print_message("skipped: %s is not installed (package nghttp2-client)\n", program);
	return there;
}

/* h2load's calls to Echo; how many succeeded. */
static unsigned
h2load(const struct server *server, const char *scheme, const char *more)
{
	char path[] = "/tmp/froe-h2load-XXXXXX", command[512], line[512];
	int file = mkstemp(path);
	unsigned done = 0;
	assert_true(file >= 0);
	assert_int_equal(write(file, "\0\0\0\0\5hello", 10), 10);
	close(file);
	snprintf(command, sizeof(command),
	    "h2load -d %s -H 'content-type: application/grpc' -H 'te: trailers' %s "
	    "%s://127.0.0.1:%u/t.Test/Echo 2>&1", path, more, scheme, server->host.tcp_port);
	FILE *output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output) != NULL) {
		const char *total = strstr(line, "status codes: ");
		if (total != NULL)
			done = (unsigned)strtoul(total + 14, NULL, 10);
	}
	assert_int_equal(pclose(output), 0);
	unlink(path);
	return done;
}

static void
test_serve__h2load(void **state)
{
	(void)state;
	if (!installed("h2load"))
		return;
	struct server *server = server_start();
	assert_int_equal(h2load(server, "http", "-n 2000 -c 4 -m 50"), 2000);
	await(&server->gateway.connections, 0);
	server_stop(server);
}

/* nghttp prints each frame: a call's head, message and trailers. */
static void
test_serve__nghttp(void **state)
{
	char path[] = "/tmp/froe-nghttp-XXXXXX", command[256], line[512];
	bool status = false, message = false, end = false;
	(void)state;
	if (!installed("nghttp"))
		return;
	struct server *server = server_start();
	int file = mkstemp(path);
	assert_true(file >= 0);
	assert_int_equal(write(file, "\0\0\0\0\5hello", 10), 10);
	close(file);
	snprintf(command, sizeof(command), "nghttp -v -d %s -H 'content-type: application/grpc' "
	    "-H 'te: trailers' http://127.0.0.1:%u/t.Test/Echo 2>&1 | tr -d '\\000'", path,
	    server->host.tcp_port);
	FILE *output = popen(command, "r");
	assert_non_null(output);
	while (fgets(line, sizeof(line), output) != NULL) {
		status = status || strstr(line, "grpc-status: 0") != NULL;
		message = message || strstr(line, "recv DATA frame <length=10") != NULL;
		end = end || strstr(line, "recv GOAWAY") != NULL;
	}
	assert_int_equal(pclose(output), 0);
	unlink(path);
	assert_true(status);
	assert_true(message);
	assert_false(end);
	server_stop(server);
}

static void
test_serve__h2load_over_tls(void **state)
{
	(void)state;
	char dir[] = "/tmp/froe-grpc-XXXXXX", cert[CERTIFICATE_PATH_SIZE];
	char key[CERTIFICATE_PATH_SIZE];
	struct tls_context *context;
	struct froe_fault fault;
	if (!installed("h2load"))
		return;
	assert_non_null(mkdtemp(dir));
	certificates_make(dir, &(struct certificate){.name = "froe", .san = "IP:127.0.0.1"});
	struct tls_options options = {.server = true,
	    .cert_file = certificate_path(cert, dir, "froe", "pem"),
	    .key_file = certificate_path(key, dir, "froe", "key")};
	assert_int_equal(tls_context_open(&context, &options, &fault), FROE_OK);
	unlink(cert);
	unlink(key);
	rmdir(dir);
	struct server *server = server_start_tls(context, 0);
	assert_int_equal(h2load(server, "https", "-n 1000 -c 4 -m 20 --npn-list=h2"), 1000);
	struct conn_stats stats;
	edge_stats(&server->host.edge, &stats);
	assert_int_equal(stats.secured, 4);
	assert_int_equal(stats.http2, 4);
	server_stop(server);
}

static int
run_group(struct io_env *env, const char *name)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_serve__calls),
	    cmocka_unit_test(test_serve__byte_by_byte),
	    cmocka_unit_test(test_serve__more_questions_than_room),
	    cmocka_unit_test(test_serve__a_slow_reader),
	    cmocka_unit_test(test_serve__the_server_stops),
	    cmocka_unit_test(test_serve__nonsense_touches_nobody_else),
	    cmocka_unit_test(test_serve__strangers_hold_little),
	    cmocka_unit_test(test_serve__nghttp),
	    cmocka_unit_test(test_serve__h2load),
	    cmocka_unit_test(test_serve__h2load_over_tls),
	};
	test_env = env;
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
main(void)
{
	const char *only = getenv("FROE_TEST_IO");
	struct froe_fault fault;
	int failed = 0;
	alarm(180); /* a lost wake-up is a hang */
	if (only == NULL || strcmp(only, "posix") == 0)
		failed += run_group(io_env_posix(), "grpc, posix");
	if (only != NULL && strcmp(only, "posix") == 0)
		return failed;
	if (io_uring_check(&fault) != FROE_OK) {
		print_message("io_uring is not usable here: %s\n", fault.text);
		return failed;
	}
	failed += run_group(io_env_uring(), "grpc, io_uring");
	return failed;
}
