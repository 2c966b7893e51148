/*
 * A gRPC connection's session, over a network and a clock that the test moves: what the conn's
 * timers do to it, when it is held, and in which order it takes leave.
 */
#include "api/grpc_api.h"

#include "base/duration.h"
#include "net_fake.h"
#include "net_grpc_client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HANDLE UINT64_C(0x0200000003000001)
#define NONE bytes_of(NULL, 0)

struct world {
	struct fake fake;
	struct conn_set set;
	struct conn conn;
	struct grpc_api session;
	struct api_gateway gateway;
	struct grpc_codec *codec;
	struct client client;
	enum api_progress progress;
	unsigned opened, closed, calls_closed, delivered;
	enum grpc_end end;
	bool full; /* the port has no room */
	bool cut;  /* the network brings nothing to the client */
	struct grpc_call *latest;
};

static struct world *
world_of(const struct grpc_call *call)
{
	return grpc_api_state(grpc_api_of(call));
}

/* -------------------------------------------------------------------------------- gateway */

static enum grpc_taken
on_message(struct grpc_call *call, struct bytes message)
{
	struct world *w = world_of(call);
	if (w->full)
		return GRPC_LATER;
	w->latest = call;
	if (grpc_call_method(call)->kind == GRPC_UNARY)
		grpc_reply(call, message);
	else
		grpc_begin(call);
	return GRPC_TAKEN;
}

static void
on_call_close(struct grpc_call *call, enum grpc_end end)
{
	struct world *w = world_of(call);
	assert_int_equal(w->closed, 0); /* calls go before their connection */
	w->calls_closed++;
	w->end = end;
	w->latest = NULL;
}

static const struct grpc_method METHODS[] = {
    {"/t/Echo", GRPC_UNARY, .message = on_message, .close = on_call_close},
    {"/t/Listen", GRPC_SERVER_STREAM, .message = on_message, .close = on_call_close},
};

static void *
on_open(struct api_gateway *gateway, struct grpc_api *session)
{
	struct world *w = container_of(gateway, struct world, gateway);
	assert_ptr_equal(session, &w->session);
	assert_true(grpc_api_handle(session) == HANDLE);
	w->opened++;
	return w;
}

static void
on_deliver(void *state, const struct api_effect *effect)
{
	struct world *w = state;
	(void)effect;
	w->delivered++;
}

static bool
on_close(void *state)
{
	struct world *w = state;
	if (w->full)
		return false;
	w->closed++;
	return true;
}

/* ---------------------------------------------------------------------------------- world */

static void
settle(struct world *w)
{
	struct list *node;
	for (int i = 0; i < 10000; i++) {
		while ((node = list_pop(&w->set.output)) != NULL)
			conn_send(container_of(node, struct conn, output));
		if ((node = list_pop(&w->set.ready)) == NULL)
			return;
		conn_step(&w->conn);
		if (conn_ending(&w->conn))
			w->progress =
			    grpc_api_close(&w->session) ? API_IDLE : API_BLOCKED;
		else
			w->progress = grpc_api_step(&w->session);
		if (conn_ending(&w->conn) && w->session.grpc != NULL)
			w->progress =
			    grpc_api_close(&w->session) ? API_IDLE : API_BLOCKED;
		conn_settle(&w->conn);
		if (w->progress == API_AGAIN)
			conn_ready(&w->conn);
		fake_turn(&w->fake);
	}
	fail_msg("it does not settle");
}

/* Bytes to and fro until there are none. */
static void
talk(struct world *w)
{
	for (int i = 0; i < 1000; i++) {
		bool moved = buf_used(&w->client.out) > 0 && w->fake.receive != NULL;
		if (moved) {
			fake_feed(&w->fake, buf_bytes(&w->client.out).data,
			    buf_used(&w->client.out));
			buf_reset(&w->client.out);
		}
		settle(w);
		while (!w->cut && fake_take(&w->fake, SIZE_MAX) > 0) {
			moved = true;
			settle(w);
		}
		assert_true(client_feed(&w->client, buf_bytes(&w->fake.wire)));
		buf_reset(&w->fake.wire);
		if (!moved)
			return;
	}
	fail_msg("they never stop talking");
}

static struct world *
world_new(const char *refusal)
{
	struct world *w = mem_zalloc(sizeof(*w));
	fake_init(&w->fake);
	w->fake.now_ns = NS_PER_S;
	conn_set_init(&w->set, &w->fake.io);
	w->codec = grpc_codec_open();
	w->gateway = (struct api_gateway){.methods = {METHODS, 2}, .open = on_open,
	    .deliver = on_deliver, .close = on_close};
	client_begin(&w->client);
	conn_open(&w->conn, &w->set, FAKE_SOCKET, NONE);
	conn_serve(&w->conn, CONN_HTTP2);
	grpc_api_open(&w->session, &(struct grpc_api_options){.conn = &w->conn,
	    .gateway = &w->gateway, .codec = w->codec, .handle = HANDLE, .refusal = refusal});
	settle(w);
	return w;
}

static void
world_free(struct world *w)
{
	w->full = false;
	conn_abort(&w->conn, CONN_CLOSE_DONE);
	if (w->fake.receive != NULL)
		w->fake.receive_cancelled = true;
	for (int i = 0; i < 8 && w->conn.state != CONN_CLOSED; i++) {
		settle(w);
		fake_turn(&w->fake);
	}
	assert_int_equal(w->conn.state, CONN_CLOSED);
	assert_true(grpc_api_close(&w->session));
	assert_int_equal(w->opened, 1);
	assert_int_equal(w->closed, 1);
	conn_release(&w->conn);
	grpc_codec_close(w->codec);
	client_close(&w->client);
	fake_release(&w->fake);
	mem_free(w);
}

static void
pass_time(struct world *w, uint64_t ns)
{
	w->fake.now_ns += ns;
	conn_set_now(&w->set);
	conn_set_expire(&w->set, w->fake.now_ns);
}

static struct heard *
call(struct world *w, const char *path, const struct client_field *fields)
{
	struct heard *heard = client_call(&w->client, path, fields);
	client_say(&w->client, heard, bytes_text("a"), true);
	talk(w);
	return heard;
}

/* ---------------------------------------------------------------------------------- tests */

static void
test_grpc_api__a_call(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	struct heard *heard = call(w, "/t/Echo", NULL);
	assert_string_equal(heard->status, "0");
	assert_int_equal(w->calls_closed, 1);
	assert_int_equal(w->end, GRPC_END_DONE);
	grpc_api_deliver(&w->session, &(struct api_effect){.conn = HANDLE});
	assert_int_equal(w->delivered, 1);
	world_free(w);
}

/* Half of the preface's SETTINGS, or of a head, is waited for so long and no longer. */
static void
test_grpc_api__an_opening_has_its_time(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	fake_feed(&w->fake, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0", 26);
	settle(w);
	pass_time(w, CONN_HEAD_MS * NS_PER_MS - 1);
	settle(w);
	assert_true(conn_serving(&w->conn));
	pass_time(w, 1);
	settle(w);
	assert_int_equal(w->conn.reason, CONN_CLOSE_LATE);
	world_free(w);

	w = world_new(NULL);
	talk(w);
	pass_time(w, 2 * CONN_HEAD_MS * NS_PER_MS);
	settle(w);
	assert_true(conn_serving(&w->conn)); /* greeted: idle is no fault */
	fake_feed(&w->fake, "\0\0\1\1\0\0\0\0\1\x83", 10); /* HEADERS without END_HEADERS */
	settle(w);
	pass_time(w, CONN_HEAD_MS * NS_PER_MS);
	settle(w);
	assert_int_equal(w->conn.reason, CONN_CLOSE_LATE);
	world_free(w);
}

/* A silent client is pinged once; one that answers stays, one that does not goes. */
static void
test_grpc_api__a_silent_client(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	talk(w);
	for (unsigned i = 1; i <= 5; i++) {
		pass_time(w, CONN_IDLE_MS * NS_PER_MS);
		talk(w);
		assert_int_equal(w->client.pinged, i);
		assert_true(conn_serving(&w->conn));
	}
	w->cut = true;
	pass_time(w, CONN_IDLE_MS * NS_PER_MS);
	talk(w);
	w->cut = false;
	while (fake_take(&w->fake, SIZE_MAX) > 0) /* it is read, and not answered */
		settle(w);
	pass_time(w, CONN_IDLE_MS * NS_PER_MS);
	settle(w);
	assert_int_equal(w->conn.reason, CONN_CLOSE_IDLE);
	world_free(w);
}

/* The conn's timer is the call's own deadline, whichever connection it is on. */
static void
test_grpc_api__a_deadline(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	const struct client_field later[] = {{"grpc-timeout", "3S"}, {NULL, NULL}};
	const struct client_field sooner[] = {{"grpc-timeout", "1S"}, {NULL, NULL}};
	struct heard *first = call(w, "/t/Listen", later);
	struct heard *second = call(w, "/t/Listen", sooner);
	uint64_t start_ns = w->fake.now_ns;
	assert_true(conn_set_due_ns(&w->set) == start_ns + NS_PER_S);
	pass_time(w, NS_PER_S);
	talk(w);
	assert_string_equal(second->status, "4");
	assert_string_equal(first->status, "");
	assert_true(conn_set_due_ns(&w->set) == start_ns + 3 * NS_PER_S);
	pass_time(w, 2 * NS_PER_S);
	talk(w);
	assert_string_equal(first->status, "4");
	assert_false(conn_timer_active(&w->conn, CONN_TIMER_CALL));
	world_free(w);
}

/* While methods have no room, the connection is not read; then it goes on where it was. */
static void
test_grpc_api__no_room(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	w->full = true;
	struct heard *first = call(w, "/t/Echo", NULL);
	assert_int_equal(w->progress, API_BLOCKED);
	assert_true(w->conn.held);
	struct heard *second = call(w, "/t/Echo", NULL);
	assert_int_equal(w->progress, API_BLOCKED);
	assert_true(buf_used(&w->conn.input) > 0);
	w->full = false;
	conn_ready(&w->conn);
	talk(w);
	assert_string_equal(first->status, "0");
	assert_string_equal(second->status, "0");
	assert_false(w->conn.held);
	world_free(w);
}

/* The gateway takes leave when it can. */
static void
test_grpc_api__leave_without_room(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	call(w, "/t/Listen", NULL);
	w->full = true;
	fake_receive_end(&w->fake, 0);
	settle(w);
	assert_true(conn_ending(&w->conn));
	assert_int_equal(w->calls_closed, 1);
	assert_int_equal(w->end, GRPC_END_BROKEN);
	assert_int_equal(w->closed, 0);
	assert_int_equal(w->progress, API_BLOCKED);
	assert_false(grpc_api_close(&w->session));
	world_free(w);
}

static void
test_grpc_api__plaintext_is_refused(void **state)
{
	(void)state;
	struct world *w = world_new("this server wants TLS here");
	struct heard *heard = call(w, "/t/Echo", NULL);
	assert_string_equal(heard->status, "9");
	assert_string_equal(heard->message, "this server wants TLS here");
	assert_int_equal(w->client.goaways, 1);
	assert_true(conn_ending(&w->conn));
	world_free(w);
}

static void
test_grpc_api__a_stop(void **state)
{
	(void)state;
	struct world *w = world_new(NULL);
	struct heard *heard = call(w, "/t/Listen", NULL);
	grpc_api_drain(&w->session);
	talk(w);
	assert_string_equal(heard->status, "14");
	assert_int_equal(w->end, GRPC_END_DRAINED);
	assert_int_equal(w->conn.reason, CONN_CLOSE_DRAINED);
	world_free(w);
}

/* An answer that nobody reads stays in the call's queue, where it is bounded, not in the output. */
static void
test_grpc_api__a_reader_that_reads_nothing(void **state)
{
	(void)state;
	static const uint8_t zeroes[100000];
	struct world *w = world_new(NULL);
	nghttp2_session_set_local_window_size(w->client.session, NGHTTP2_FLAG_NONE, 0, 1 << 30);
	struct heard *listen = client_call(&w->client, "/t/Listen", NULL);
	nghttp2_session_set_local_window_size(
	    w->client.session, NGHTTP2_FLAG_NONE, listen->id, 1 << 30);
	client_say(&w->client, listen, NONE, true);
	talk(w);
	w->cut = true;
	for (int i = 0; i < 100; i++) {
		grpc_send(w->latest, bytes_of(zeroes, sizeof(zeroes)));
		settle(w);
	}
	assert_in_range(conn_output_used(&w->conn), CONN_OUTPUT_LOW, CONN_OUTPUT_HIGH + 65536);
	assert_in_range(grpc_api_held_bytes(&w->session), GRPC_CALL_QUEUED_MAX / 2,
	    GRPC_CALL_QUEUED_MAX + 300000);
	assert_int_equal(grpc_written(w->latest), 0);
	w->cut = false;
	talk(w);
	assert_true(grpc_written(w->latest) == grpc_sent(w->latest));
	assert_int_equal(conn_output_used(&w->conn), 0);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grpc_api__a_call),
	    cmocka_unit_test(test_grpc_api__an_opening_has_its_time),
	    cmocka_unit_test(test_grpc_api__a_silent_client),
	    cmocka_unit_test(test_grpc_api__a_deadline),
	    cmocka_unit_test(test_grpc_api__no_room),
	    cmocka_unit_test(test_grpc_api__leave_without_room),
	    cmocka_unit_test(test_grpc_api__plaintext_is_refused),
	    cmocka_unit_test(test_grpc_api__a_stop),
	    cmocka_unit_test(test_grpc_api__a_reader_that_reads_nothing),
	};
	return cmocka_run_group_tests_name("grpc_api", tests, NULL, NULL);
}
