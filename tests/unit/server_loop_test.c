/*
 * Loops over real sockets against a shard that echoes: on both I/O backends, and each conversation
 * with native sessions on the hot loop and on an edge loop. FROE_TEST_IO=posix or io_uring runs one
 * backend only.
 */
#include "server_host.h"

#include "froe/limits.h"
#include "native_frame.h"
#include "net/frame.h"

#include "proto/native.pb-c.h"

#include <stdio.h>

#include <netinet/tcp.h>
#include <stdlib.h>

#define PENDING_MAX 64 /* commands that the shard takes before it answers */
#define ANSWER_BYTES 700000 /* of a TaskOutput */

static struct io_env *test_env; /* the backend of this group */
static bool test_on_edge;       /* native sessions on the edge loop */

/* A server: the hot thread, an edge thread, and a shard that answers each command once a turn. */
struct server {
	struct host host; /* first */
	struct api_command *pending[PENDING_MAX];
	size_t pending_count;
	struct api_command *kept[8]; /* RUN_CANCEL: not answered until a RUN_UNWATCH comes */
	size_t kept_count;
	uint64_t number;
	atomic_size_t held_peak;
	atomic_uint opened, closed;
	_Atomic uint64_t credit;
};

/* -------------------------------------------------------------------------- the fake shard */

static void
server_say(struct server *server, struct eng_origin to, uint32_t number,
    const ProtobufCMessage *message)
{
	struct api_effect effect = {.conn = to.conn, .request = to.request, .number = number,
	    .message = message, .roles = ENG_ROLES_ALL};
	host_deliver(&server->host, &effect);
}

static void
answer_done(struct server *server, struct eng_origin to)
{
	Froe__Done done = FROE__DONE__INIT;
	server_say(server, to, FROE__ENVELOPE__BODY_DONE, &done.base);
}

static void
answer_start(struct server *server, const struct api_command *command)
{
	Froe__RunStarted started = FROE__RUN_STARTED__INIT;
	started.has_number = true;
	started.number = command->engine.run_start.input.size;
	server_say(server, command->origin, FROE__ENVELOPE__BODY_RUN_STARTED, &started.base);
}

static void
answer_output(struct server *server, const struct api_command *command)
{
	static uint8_t payload[ANSWER_BYTES];
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	output.has_output = true;
	output.output = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
	server_say(server, command->origin, FROE__ENVELOPE__BODY_TASK_OUTPUT, &output.base);
}

static void
answer_kept(struct server *server)
{
	for (size_t i = 0; i < server->kept_count; i++) {
		answer_done(server, server->kept[i]->origin);
		mem_free(server->kept[i]);
	}
	server->kept_count = 0;
}

/* Takes the command: frees it, and may keep a copy. */
static void
server_answer(struct server *server, struct api_command *command)
{
	struct eng_origin to = command->origin;
	if (command->op == API_OP_OPEN) {
		Froe__Welcome welcome = FROE__WELCOME__INIT;
		atomic_fetch_add(&server->opened, 1);
		server_say(server, to, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
	} else if (command->op == API_OP_CLOSE) {
		atomic_fetch_add(&server->closed, 1);
	} else if (command->op == API_OP_CREDIT) {
		atomic_fetch_add(&server->credit, command->credit.bytes);
	} else if (command->op == API_OP_METRICS) {
		host_deliver(&server->host,
		    &(struct api_effect){.conn = to.conn, .request = to.request,
		        .number = API_METRICS_NUMBER, .packed = bytes_text("up 1\n")});
	} else if (command->op == API_OP_OUTPUT_GET) {
		answer_output(server, command);
	} else if (command->op == API_OP_RUN_UNWATCH) {
		answer_kept(server);
		answer_done(server, to);
	} else if (command->op == API_OP_ENGINE && command->engine.type == ENG_CMD_RUN_START) {
		answer_start(server, command);
	} else if (command->op == API_OP_ENGINE && command->engine.type == ENG_CMD_RUN_CANCEL) {
		server->kept[server->kept_count++] = api_command_clone(command);
	} else {
		answer_done(server, to);
	}
	host_done(&server->host, command);
}

static bool
server_post(struct api_port *port, const struct api_command *command)
{
	struct server *server = container_of(port, struct server, host.port);
	if (server->pending_count == PENDING_MAX)
		return false;
	server->pending[server->pending_count++] = api_command_clone(command);
	return true;
}

/* ------------------------------------------------------------------------- the hot thread */

static void
server_turn(struct host *host)
{
	struct server *server = container_of(host, struct server, host);
	struct api_command *command;
	host_step(host, server->pending_count > 0 ? 0 : loop_deadline_ns(host->loop));
	for (size_t i = 0; i < server->pending_count; i++)
		server_answer(server, server->pending[i]);
	server->pending_count = 0;
	loop_resume(host->loop);
	while ((command = bridge_hot_pop(&host->bridge)) != NULL)
		server_answer(server, command);
	host_say(host);
	size_t held = loop_held_bytes(host->loop);
	if (held > atomic_load(&server->held_peak))
		atomic_store(&server->held_peak, held);
}

static struct server *
server_start(uint32_t connections_max)
{
	struct server *server = mem_zalloc(sizeof(*server));
	struct host *host = &server->host;
	host->env = test_env;
	host->bridge_room = 16;
	host->turn = server_turn;
	host->port.post = server_post;
	host->loop_options = (struct loop_options){
	    .edge_only = test_on_edge,
	    .connections_max = connections_max,
	};
	host_start(host);
	return server;
}

static void
server_stop(struct server *server)
{
	host_stop(&server->host);
	for (size_t i = 0; i < server->pending_count; i++)
		mem_free(server->pending[i]);
	for (size_t i = 0; i < server->kept_count; i++)
		mem_free(server->kept[i]);
	mem_free(server);
}

/* ------------------------------------------------------------------------------- clients */

struct client {
	int socket;
	struct buf in;
};

static void
client_connect_with(struct client *client, const struct server *server, int receive_buffer)
{
	struct timeval patience = {.tv_sec = 20};
	int on = 1;
	buf_init(&client->in);
	client->socket = host_connect(&server->host, receive_buffer);
	setsockopt(client->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(client->socket, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static void
client_connect(struct client *client, const struct server *server)
{
	client_connect_with(client, server, 0);
}

static void
client_close(struct client *client)
{
	close(client->socket);
	buf_release(&client->in);
}

static void
client_send(struct client *client, const void *data, size_t size)
{
	const uint8_t *at = data;
	while (size > 0) {
		ssize_t sent = send(client->socket, at, size, MSG_NOSIGNAL);
		assert_true(sent > 0);
		at += sent;
		size -= (size_t)sent;
	}
}

/* More bytes; false: the server has closed. Both an end and a reset are one. */
static bool
client_more(struct client *client)
{
	ssize_t got;
	do { /* a ring that this thread had may still interrupt it */
		got = recv(client->socket, buf_reserve(&client->in, 65536), 65536, 0);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		assert_int_equal(errno, ECONNRESET);
	if (got <= 0)
		return false;
	buf_commit(&client->in, (size_t)got);
	return true;
}

/* The next message; NULL: the server has closed. */
static Froe__Envelope *
client_hear(struct client *client)
{
	struct bytes frame;
	while (frame_next(buf_bytes(&client->in), UINT32_MAX, &frame) != FRAME_WHOLE) {
		if (!client_more(client))
			return NULL;
	}
	Froe__Envelope *envelope = froe__envelope__unpack(NULL, frame.size, frame.data);
	assert_non_null(envelope);
	buf_pop(&client->in, frame.size + 4);
	return envelope;
}

static void
client_expect(struct client *client, uint64_t request, Froe__Envelope__BodyCase kind)
{
	Froe__Envelope *envelope = client_hear(client);
	assert_non_null(envelope);
	if (envelope->body_case == FROE__ENVELOPE__BODY_ERROR && kind != FROE__ENVELOPE__BODY_ERROR)
		print_message("%s\n", envelope->error->text);
	assert_int_equal(envelope->body_case, kind);
	assert_int_equal(envelope->request, request);
	froe__envelope__free_unpacked(envelope, NULL);
}

static void
client_say(struct client *client, uint64_t request, Froe__Envelope__BodyCase kind, void *body)
{
	struct buf frame;
	buf_init(&frame);
	frame_push(&frame, request, kind, body);
	client_send(client, frame.data, frame.size);
	buf_release(&frame);
}

static void
hello_of(struct buf *to)
{
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = true;
	hello.version = 1;
	buf_push(to, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	frame_push(to, 1, FROE__ENVELOPE__BODY_HELLO, &hello);
}

static void
client_welcome(struct client *client, const struct server *server)
{
	struct buf hello;
	buf_init(&hello);
	hello_of(&hello);
	client_connect(client, server);
	client_send(client, hello.data, hello.size);
	client_expect(client, 1, FROE__ENVELOPE__BODY_WELCOME);
	buf_release(&hello);
}

static void
client_heartbeat(struct client *client, uint64_t request)
{
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	client_say(client, request, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
}

/* ------------------------------------------------------------------------------ native */

static void
test_loop__handshake_byte_by_byte(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client client;
	struct buf hello;
	buf_init(&hello);
	hello_of(&hello);
	client_connect(&client, server);
	for (size_t i = 0; i < hello.size; i++)
		client_send(&client, hello.data + i, 1);
	client_expect(&client, 1, FROE__ENVELOPE__BODY_WELCOME);
	client_heartbeat(&client, 2);
	client_expect(&client, 2, FROE__ENVELOPE__BODY_DONE);
	client_close(&client);
	await(&server->closed, 1);
	buf_release(&hello);
	server_stop(server);
}

static void
test_loop__thousand_pipelined_on_four_connections(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client clients[4];
	struct buf frames;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	buf_init(&frames);
	for (uint64_t i = 0; i < 1000; i++)
		frame_push(&frames, i + 2, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
	for (int c = 0; c < 4; c++)
		client_welcome(&clients[c], server);
	for (int c = 0; c < 4; c++)
		client_send(&clients[c], frames.data, frames.size);
	for (int c = 0; c < 4; c++) {
		for (uint64_t i = 0; i < 1000; i++)
			client_expect(&clients[c], i + 2, FROE__ENVELOPE__BODY_DONE);
		client_close(&clients[c]);
	}
	await(&server->closed, 4);
	buf_release(&frames);
	server_stop(server);
}

static void
test_loop__largest_payload(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client client;
	uint8_t *json = mem_alloc(FROE_PAYLOAD_BYTES_MAX);
	memset(json, ' ', FROE_PAYLOAD_BYTES_MAX);
	json[0] = '1';
	Froe__RunStart start = FROE__RUN_START__INIT;
	start.workflow = "w";
	start.has_input = true;
	start.input = (ProtobufCBinaryData){.data = json, .len = FROE_PAYLOAD_BYTES_MAX};
	client_welcome(&client, server);
	client_say(&client, 2, FROE__ENVELOPE__BODY_RUN_START, &start);
	Froe__Envelope *envelope = client_hear(&client);
	assert_int_equal(envelope->body_case, FROE__ENVELOPE__BODY_RUN_STARTED);
	assert_int_equal(envelope->run_started->number, FROE_PAYLOAD_BYTES_MAX);
	froe__envelope__free_unpacked(envelope, NULL);
	client_close(&client);
	mem_free(json);
	server_stop(server);
}

static void
test_loop__malformed_frame_touches_nobody_else(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client good, bad;
	static const char *const FRAMES[] = {
	    "\x04\0\0\0\xff\xff\xff\xff", "\xff\xff\xff\xff\0\0\0\0", "\0\0\0\0\0\0\0\0"};
	client_welcome(&good, server);
	for (uint64_t i = 0; i < 3; i++) {
		client_welcome(&bad, server);
		client_send(&bad, FRAMES[i], 8);
		client_expect(&bad, 0, FROE__ENVELOPE__BODY_ERROR);
		assert_null(client_hear(&bad));
		client_close(&bad);
		client_heartbeat(&good, i + 2);
		client_expect(&good, i + 2, FROE__ENVELOPE__BODY_DONE);
	}
	await(&server->closed, 3);
	client_close(&good);
	server_stop(server);
}

static void
test_loop__slow_reader_is_bounded(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client slow, good;
	static uint8_t run[16] = {1};
	Froe__TaskOutputGet get = FROE__TASK_OUTPUT_GET__INIT;
	get.has_run = true;
	get.run = (ProtobufCBinaryData){.data = run, .len = 16};
	get.task = "t";
	struct buf frames;
	buf_init(&frames);
	hello_of(&frames);
	for (uint64_t i = 0; i < 60; i++)
		frame_push(&frames, i + 2, FROE__ENVELOPE__BODY_TASK_OUTPUT_GET, &get);
	client_connect_with(&slow, server, 4096);
	client_send(&slow, frames.data, frames.size);
	client_welcome(&good, server);
	for (uint64_t i = 0; i < 200; i++) { /* the others are served meanwhile */
		client_heartbeat(&good, i + 2);
		client_expect(&good, i + 2, FROE__ENVELOPE__BODY_DONE);
	}
	client_expect(&slow, 1, FROE__ENVELOPE__BODY_WELCOME);
	for (uint64_t i = 0; i < 60; i++) { /* and it gets all, intact */
		Froe__Envelope *envelope = client_hear(&slow);
		assert_non_null(envelope);
		assert_int_equal(envelope->request, i + 2);
		assert_int_equal(envelope->task_output->output.len, ANSWER_BYTES);
		froe__envelope__free_unpacked(envelope, NULL);
	}
	client_close(&slow);
	client_close(&good);
	await(&server->closed, 2);
	if (!test_on_edge) /* four answers and what doubling buffers add; 60 are 42 MB */
		assert_true(atomic_load(&server->held_peak) <= 16u << 20);
	buf_release(&frames);
	server_stop(server);
}

/* An answer to a connection that is gone does not reach the one that has its slot now. */
static void
test_loop__stale_effects_hit_nothing(void **state)
{
	(void)state;
	struct server *server = server_start(1);
	struct client first, second;
	static uint8_t run[16] = {1};
	Froe__RunCancel cancel = FROE__RUN_CANCEL__INIT;
	cancel.has_run = true;
	cancel.run = (ProtobufCBinaryData){.data = run, .len = 16};
	Froe__RunUnwatch unwatch = FROE__RUN_UNWATCH__INIT;
	unwatch.has_watch = true;
	unwatch.watch = 1;
	client_welcome(&first, server);
	client_say(&first, 7, FROE__ENVELOPE__BODY_RUN_CANCEL, &cancel); /* kept */
	client_heartbeat(&first, 8);
	client_expect(&first, 8, FROE__ENVELOPE__BODY_DONE);
	client_close(&first);
	await(&server->closed, 1);
	client_welcome(&second, server); /* the only slot of the hot loop */
	client_say(
	    &second, 9, FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch); /* releases 7, then answers */
	client_expect(&second, 9, FROE__ENVELOPE__BODY_DONE);
	client_close(&second);
	server_stop(server);
}

static void
test_loop__no_room_for_more_connections(void **state)
{
	(void)state;
	if (test_on_edge)
		return; /* the hot loop gives its slots on at once */
	struct server *server = server_start(2);
	struct client clients[3];
	client_welcome(&clients[0], server);
	client_welcome(&clients[1], server);
	client_connect(&clients[2], server);
	assert_false(client_more(&clients[2]));
	client_close(&clients[2]);
	client_close(&clients[1]);
	await(&server->closed, 1);
	client_welcome(&clients[1], server);
	client_heartbeat(&clients[0], 2);
	client_expect(&clients[0], 2, FROE__ENVELOPE__BODY_DONE);
	client_close(&clients[0]);
	client_close(&clients[1]);
	server_stop(server);
}

static void
test_loop__many_connections_come_and_go(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client clients[20];
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 20; i++)
			client_welcome(&clients[i], server);
		for (int i = 0; i < 20; i++) {
			client_heartbeat(&clients[i], 2);
			if (i % 2 == 0) /* half of them leave without hearing the answer */
				client_expect(&clients[i], 2, FROE__ENVELOPE__BODY_DONE);
			client_close(&clients[i]);
		}
	}
	await(&server->closed, 200);
	assert_int_equal(atomic_load(&server->opened), 200);
	server_stop(server);
}

static void
test_loop__drain(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client native, http, opening;
	client_welcome(&native, server);
	client_connect(&http, server);
	client_send(&http, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", 34);
	assert_true(client_more(&http));
	client_connect(&opening, server);
	client_send(&opening, "FRO", 3);
	client_heartbeat(&native, 2);
	client_expect(&native, 2, FROE__ENVELOPE__BODY_DONE);
	atomic_store(&server->host.drain, true);
	io_wake(server->host.io);
	client_expect(&native, 0, FROE__ENVELOPE__BODY_GOAWAY);
	assert_null(client_hear(&native));
	while (client_more(&http))
		;
	assert_false(client_more(&opening));
	for (int i = 0; i < 5000 && !atomic_load(&server->host.drained); i++) {
		usleep(1000);
		io_wake(server->host.io);
	}
	assert_true(atomic_load(&server->host.drained));
	await(&server->closed, 1);
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(server->host.tcp_port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int refused = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(refused, (struct sockaddr *)&to, sizeof(to)), -1);
	close(refused);
	client_close(&native);
	client_close(&http);
	client_close(&opening);
	server_stop(server);
}

/* -------------------------------------------------------------------------- first bytes */

static void
test_loop__neither_protocol_is_closed_with_nothing(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	static const char *const OPENINGS[] = {"\x16\x03\x01\x02", "SSH-2.0-x\r\n", "FROE\x01",
	    "get / HTTP/1.1\r\n\r\n", "\n"};
	for (size_t i = 0; i < sizeof(OPENINGS) / sizeof(OPENINGS[0]); i++) {
		struct client client;
		client_connect(&client, server);
		client_send(&client, OPENINGS[i], strlen(OPENINGS[i]));
		while (client_more(&client))
			;
		assert_int_equal(buf_used(&client.in), 0);
		client_close(&client);
	}
	struct conn_stats stats;
	loop_stats(server->host.loop, &stats);
	assert_int_equal(stats.closed[CONN_CLOSE_UNKNOWN], 4);
	assert_int_equal(stats.accepted, 5);
	edge_stats(&server->host.edge, &stats); /* TLS is its matter, and it has no certificate */
	assert_int_equal(stats.closed[CONN_CLOSE_UNKNOWN], 1);
	server_stop(server);
}

/* Reads until what was heard ends in `end`. */
static const char *
client_hear_until(struct client *client, const char *end)
{
	for (;;) {
		*buf_reserve(&client->in, 1) = 0;
		const char *text = (const char *)client->in.data + client->in.head;
		size_t size = buf_used(&client->in), end_size = strlen(end);
		if (size >= end_size && memcmp(text + size - end_size, end, end_size) == 0) {
			buf_reset(&client->in);
			return text;
		}
		assert_true(client_more(client));
	}
}

static void
test_loop__http_is_handed_over_with_its_bytes(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	static const char TEXT[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
	struct client client;
	for (size_t cut = 1; cut < sizeof(TEXT) - 1; cut++) {
		client_connect(&client, server);
		client_send(&client, TEXT, cut);
		if (cut % 5 == 0)
			usleep(2000); /* now and then surely in two pieces */
		client_send(&client, TEXT + cut, sizeof(TEXT) - 1 - cut);
		client_hear_until(&client, "\r\n\r\nok");
		client_close(&client);
	}
	struct conn_stats hot, edge;
	loop_stats(server->host.loop, &hot);
	edge_stats(&server->host.edge, &edge);
	assert_int_equal(hot.handed_over, sizeof(TEXT) - 2);
	assert_int_equal(edge.adopted, sizeof(TEXT) - 2);
	assert_int_equal(edge.http, sizeof(TEXT) - 2);
	server_stop(server);
}

static void
test_loop__http_over_the_bridge(void **state)
{
	(void)state;
	struct server *server = server_start(0);
	struct client client;
	client_connect(&client, server);
	struct buf pipeline;
	buf_init(&pipeline);
	for (int i = 0; i < 30; i++)
		buf_push_text(&pipeline, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n");
	buf_push_text(&pipeline, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n");
	client_send(&client, pipeline.data, pipeline.size);
	const char *text = client_hear_until(&client, "\r\n\r\nready");
	int answers = 0;
	for (; (text = strstr(text, "\r\n\r\nup 1\n")) != NULL; text++)
		answers++;
	assert_int_equal(answers, 30);
	atomic_store(&server->host.ready, false);
	client_send(&client, "GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n", 33);
	text = client_hear_until(&client, "\r\n\r\nnot ready");
	assert_memory_equal(text, "HTTP/1.1 503 ", 13);
	client_close(&client);
	buf_release(&pipeline);
	server_stop(server);
}

/* ------------------------------------------------------------------------------- groups */

static int
run_group(struct io_env *env, bool on_edge, const char *name)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_loop__handshake_byte_by_byte),
	    cmocka_unit_test(test_loop__thousand_pipelined_on_four_connections),
	    cmocka_unit_test(test_loop__largest_payload),
	    cmocka_unit_test(test_loop__malformed_frame_touches_nobody_else),
	    cmocka_unit_test(test_loop__slow_reader_is_bounded),
	    cmocka_unit_test(test_loop__stale_effects_hit_nothing),
	    cmocka_unit_test(test_loop__no_room_for_more_connections),
	    cmocka_unit_test(test_loop__many_connections_come_and_go),
	    cmocka_unit_test(test_loop__drain),
	    cmocka_unit_test(test_loop__neither_protocol_is_closed_with_nothing),
	    cmocka_unit_test(test_loop__http_is_handed_over_with_its_bytes),
	    cmocka_unit_test(test_loop__http_over_the_bridge),
	};
	test_env = env;
	test_on_edge = on_edge;
	print_message("%s, native sessions on the %s loop\n", name, on_edge ? "edge" : "hot");
	return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int
main(void)
{
	const char *only = getenv("FROE_TEST_IO");
	struct froe_fault fault;
	int failed = 0;
	alarm(120); /* a lost wake-up is a hang */
	if (only == NULL || strcmp(only, "posix") == 0) {
		failed += run_group(io_env_posix(), false, "posix");
		failed += run_group(io_env_posix(), true, "posix-edge");
	}
	if (only != NULL && strcmp(only, "posix") == 0)
		return failed;
	if (io_uring_check(&fault) != FROE_OK) {
		print_message("io_uring is not usable here: %s\n", fault.text);
		return failed;
	}
	failed += run_group(io_env_uring(), false, "io_uring");
	failed += run_group(io_env_uring(), true, "io_uring-edge");
	return failed;
}
