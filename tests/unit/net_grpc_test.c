/*
 * Calls that go well, and clients that are slow, late or gone.
 */
#include "net_grpc_world.h"

/* ---------------------------------------------------------------------------------- tests */

static void
test_grpc__a_unary_call(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = echo(&w, bytes_text("hello"));
	assert_string_equal(heard->http_status, "200");
	expect_message(heard, 0, bytes_text("hello"));
	expect_status(heard, "0");
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.end, GRPC_END_DONE);
	assert_int_equal(grpc_calls(w.grpc), 0);
	expect_message(echo(&w, NONE), 0, NONE);
	world_close(&w);
}

static void
test_grpc__an_unknown_path(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Nothing", NULL);
	client_say(&w.client, heard, bytes_text("hello"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "12");
	assert_true(heard->trailers_only);
	assert_non_null(strstr(heard->message, "/t.Test/Nothing"));
	assert_int_equal(w.opened, 0);
	world_close(&w);
}

static void
test_grpc__an_error_in_full(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Fail", NULL);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "6");
	assert_true(heard->trailers_only);
	assert_string_equal(heard->message, "l%C3%A4uft schon: 100%25%0A");
	assert_string_equal(heard->details, "CAZ4eQ");
	world_close(&w);
}

/* Encoded by Google's library for Python. */
static const char DETAILS_PLAIN[] =
    "CAMSEGFbMF0uYjogZ2l2ZSBvbmUaQQopdHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucn"
    "BjLkJhZFJlcXVlc3QSFAoSCgZhWzBdLmISCGdpdmUgb25l";
static const char DETAILS_NAMED[] =
    "CAMSEGFbMF0uYjogZ2l2ZSBvbmUaSQopdHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucn"
    "BjLkJhZFJlcXVlc3QSHAoaCgZhWzBdLmISEGFbMF0uYjogZ2l2ZSBvbmU";

static void
expect_refusal(struct bytes message, const char *details)
{
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Refuse", NULL);
	client_say(&w.client, heard, message, true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "3");
	assert_string_equal(heard->message, "a[0].b: give one");
	assert_string_equal(heard->details, details);
	world_close(&w);
}

/* Once in the text, and for programs in google.rpc.BadRequest. */
static void
test_grpc__the_field_at_fault(void **state)
{
	(void)state;
	expect_refusal(NONE, DETAILS_PLAIN);
	expect_refusal(bytes_text("x"), DETAILS_NAMED);
}

static void
test_grpc__a_server_stream(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, bytes_text("worker"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_string_equal(heard->http_status, "200"); /* the head came at once */
	assert_true(grpc_send(w.stream, bytes_text("one")));
	assert_true(grpc_send(w.stream, bytes_text("two")));
	assert_int_equal(grpc_sent(w.stream), 2);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 0, bytes_text("one"));
	expect_message(heard, 1, bytes_text("two"));
	assert_int_equal(grpc_written(w.stream), 2);
	assert_ptr_equal(grpc_find(w.grpc, grpc_call_id(w.stream)), w.stream);
	grpc_finish(w.stream, GRPC_OK, NULL, NONE);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "0");
	assert_int_equal(w.end, GRPC_END_DONE);
	world_close(&w);
}

static void
test_grpc__both_ways(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Chat", NULL);
	client_say(&w.client, heard, bytes_text("a"), false);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 0, bytes_text("a"));
	client_say(&w.client, heard, bytes_text("b"), false);
	client_say(&w.client, heard, bytes_text("c"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 2, bytes_text("c"));
	expect_status(heard, "0");
	assert_int_equal(w.halves, 1);
	world_close(&w);
}

/* ------------------------------------------------------------------------------- messages */

static void
test_grpc__byte_by_byte(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Chat", NULL);
	const char *bytes = "\0\0\0\0\3abc\0\0\0\0\0\0\0\0\0\1z";
	for (size_t i = 0; i < 19; i++) {
		client_say_raw(&w.client, heard, bytes_of(bytes + i, 1), i == 18);
		assert_int_equal(world_run(&w), FROE_OK);
	}
	expect_message(heard, 0, bytes_text("abc"));
	expect_message(heard, 1, NONE);
	expect_message(heard, 2, bytes_text("z"));
	expect_status(heard, "0");
	world_close(&w);
}

/* Four letters, in no order that could be foreseen. */
static uint8_t *
letters_new(size_t size)
{
	uint8_t *letters = mem_alloc(size);
	uint32_t dice = 1;
	for (size_t i = 0; i < size; i++) {
		dice = dice * 1664525u + 1013904223u;
		letters[i] = "acgt"[dice >> 30];
	}
	return letters;
}

static void
test_grpc__the_largest_message(void **state)
{
	(void)state;
	struct world w;
	uint8_t *letters = letters_new(GRPC_MESSAGE_BYTES_MAX);
	struct bytes largest = bytes_of(letters, GRPC_MESSAGE_BYTES_MAX);
	world_open(&w);
	struct heard *heard = echo(&w, largest);
	expect_message(heard, 0, largest);
	expect_status(heard, "0");
	/* One byte more is refused by its prefix, before it is sent. */
	uint8_t prefix[5];
	client_prefix(prefix, false, GRPC_MESSAGE_BYTES_MAX + 1);
	heard = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say_raw(&w.client, heard, bytes_of(prefix, 5), false);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "8");
	assert_non_null(strstr(heard->message, "4194305"));
	assert_int_equal(w.end, GRPC_END_REFUSED);
	world_close(&w);
	mem_free(letters);
}

static void
zipped_call(struct world *w, const char *encoding, int window_bits)
{
	const struct client_field fields[] = {{"grpc-encoding", encoding}, {NULL, NULL}};
	uint8_t *letters = letters_new(100000);
	struct buf zipped = client_zip(bytes_of(letters, 100000), window_bits);
	struct heard *heard = client_call(&w->client, "/t.Test/Echo", fields);
	client_say_zipped(&w->client, heard, buf_bytes(&zipped), true);
	assert_int_equal(world_run(w), FROE_OK);
	expect_message(heard, 0, bytes_of(letters, 100000)); /* who asks for no gzip gets none */
	expect_status(heard, "0");
	assert_string_equal(heard->encoding, "");
	buf_release(&zipped);
	mem_free(letters);
}

static void
test_grpc__compressed_requests(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	zipped_call(&w, "gzip", MAX_WBITS + 16);
	zipped_call(&w, "deflate", MAX_WBITS);
	zipped_call(&w, "gzip", MAX_WBITS + 16);
	/* With an encoding, a message may still be as it is. */
	const struct client_field fields[] = {{"grpc-encoding", "gzip"}, {NULL, NULL}};
	struct heard *heard = client_call(&w.client, "/t.Test/Echo", fields);
	client_say(&w.client, heard, bytes_text("plain"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 0, bytes_text("plain"));
	world_close(&w);
}

static void
test_grpc__compressed_answers(void **state)
{
	(void)state;
	struct world w;
	const struct client_field fields[] = {
	    {"grpc-accept-encoding", "identity, deflate,gzip"}, {NULL, NULL}};
	uint8_t *letters = letters_new(100000);
	struct bytes message;
	bool zipped;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Chat", fields);
	client_say(&w.client, heard, bytes_of(letters, 100000), false);
	client_say(&w.client, heard, bytes_text("short"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_string_equal(heard->encoding, "gzip");
	assert_true(client_message(heard, 0, &message, &zipped));
	assert_true(zipped && message.size < 50000);
	uint8_t *plain = mem_alloc(100000);
	z_stream stream = {.next_in = (uint8_t *)(uintptr_t)message.data,
	    .avail_in = (unsigned)message.size, .next_out = plain, .avail_out = 100000};
	assert_int_equal(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	assert_int_equal(stream.avail_out, 0);
	assert_memory_equal(plain, letters, 100000);
	assert_true(client_message(heard, 1, &message, &zipped));
	assert_false(zipped);
	world_close(&w);
	mem_free(plain);
	mem_free(letters);
}

/* Who is on this machine is told to leave it, and understood if not. */
static void
test_grpc__nothing_compressed_for_a_neighbour(void **state)
{
	(void)state;
	const struct client_field fields[] = {{"grpc-encoding", "gzip"},
	    {"grpc-accept-encoding", "identity,deflate,gzip"}, {NULL, NULL}};
	uint8_t *letters = letters_new(100000);
	struct buf zip = client_zip(bytes_of(letters, 100000), MAX_WBITS + 16);
	for (int near = 0; near < 2; near++) {
		struct world w;
		struct bytes message;
		bool zipped;
		world_open_to(&w, 65535, near == 1);
		struct heard *heard = client_call(&w.client, "/t.Test/Chat", fields);
		client_say_zipped(&w.client, heard, buf_bytes(&zip), true);
		assert_int_equal(world_run(&w), FROE_OK);
		assert_true(client_message(heard, 0, &message, &zipped));
		assert_int_equal(zipped, near == 0);
		assert_string_equal(heard->encoding, near == 1 ? "" : "gzip");
		assert_string_equal(
		    heard->accepts, near == 1 ? "identity" : "identity,deflate,gzip");
		assert_string_equal(heard->status, "0");
		world_close(&w);
	}
	buf_release(&zip);
	mem_free(letters);
}

/* ------------------------------------------------------------------------ time and absence */

static void
test_grpc__a_deadline_passes(void **state)
{
	(void)state;
	struct world w;
	const struct client_field fields[] = {{"grpc-timeout", "250m"}, {NULL, NULL}};
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", fields);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_due_ns(w.grpc), w.now_ns + 250 * NS_PER_MS);
	w.now_ns += 250 * NS_PER_MS - 1;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.closed, 0);
	w.now_ns += 1;
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "4");
	assert_int_equal(w.end, GRPC_END_DEADLINE);
	assert_int_equal(grpc_due_ns(w.grpc), UINT64_MAX);
	world_close(&w);
}

/* Half a message cannot be followed by a status. */
static void
test_grpc__a_deadline_within_a_message(void **state)
{
	(void)state;
	struct world w;
	const struct client_field fields[] = {{"grpc-timeout", "1S"}, {NULL, NULL}};
	static const uint8_t zeroes[200000];
	world_open(&w);
	w.client.holds = true;
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", fields);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_of(zeroes, sizeof(zeroes))));
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(buf_used(&heard->body), 65535);
	w.now_ns += NS_PER_S;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(heard->closed);
	assert_int_equal(heard->code, NGHTTP2_CANCEL);
	assert_int_equal(w.end, GRPC_END_DEADLINE);
	assert_int_equal(w.written, 0);
	world_close(&w);
}

static void
test_grpc__a_client_cancels(void **state)
{
	(void)state;
	struct world w;
	static const uint8_t zeroes[60000];
	world_open(&w);
	w.client.holds = true;
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_of(zeroes, sizeof(zeroes))));
	assert_true(grpc_send(w.stream, bytes_of(zeroes, sizeof(zeroes))));
	assert_int_equal(world_run(&w), FROE_OK);
	client_reset(&w.client, heard, NGHTTP2_CANCEL);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.end, GRPC_END_CANCELLED);
	assert_int_equal(w.written, 1); /* the second did not reach it */
	assert_int_equal(grpc_calls(w.grpc), 0);
	world_close(&w);
}

/* Written is what has left, not what was queued or pulled. */
static void
test_grpc__what_is_counted(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	echo(&w, bytes_text("one"));
	struct heard *chat = client_call(&w.client, "/t.Test/Chat", NULL);
	client_say(&w.client, chat, bytes_text("a"), false);
	client_say(&w.client, chat, bytes_text("b"), false);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.count.connections, 1);
	assert_int_equal(w.count.streams, 1);
	assert_int_equal(w.count.streams_total, 2);
	assert_int_equal(w.count.received, 3);
	assert_int_equal(w.count.sent, 3);
	assert_int_equal(w.count.resets, 0);
	client_reset(&w.client, chat, NGHTTP2_CANCEL);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.count.resets, 1);
	assert_int_equal(w.count.streams, 0);
	world_close(&w);
}

static void
test_grpc__written_when_it_has_left(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.unsent = SIZE_MAX;
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_text("one")));
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_text("two")));
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_written(w.stream), 0);
	w.unsent = 5; /* within the second one's frame */
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_written(w.stream), 1);
	assert_int_equal(w.writtens, 1);
	w.unsent = 0;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_written(w.stream), 2);
	assert_int_equal(w.writtens, 2);
	/* A call that is done is told so when its last message has left. */
	w.unsent = SIZE_MAX;
	assert_true(grpc_send(w.stream, bytes_text("three")));
	grpc_finish(w.stream, GRPC_OK, NULL, NONE);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "0");
	assert_int_equal(w.closed, 0);
	w.unsent = 0;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.closed, 1);
	assert_int_equal(w.end, GRPC_END_DONE);
	assert_int_equal(w.written, 3);
	world_close(&w);
}

static void
test_grpc__a_slow_reader(void **state)
{
	(void)state;
	struct world w;
	static const uint8_t zeroes[10000];
	struct bytes message = bytes_of(zeroes, sizeof(zeroes));
	world_open(&w);
	w.client.holds = true;
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	size_t taken = 0;
	for (int i = 0; i < 1000; i++)
		taken += grpc_send(w.stream, message);
	assert_in_range(taken * message.size, GRPC_CALL_QUEUED_MAX - 2 * message.size,
	    GRPC_CALL_QUEUED_MAX + message.size);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 2 * GRPC_CALL_QUEUED_MAX);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.writables, 0);
	assert_int_equal(grpc_written(w.stream), 6);
	client_release(&w.client);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.writables, 1);
	assert_int_equal(grpc_written(w.stream), taken);
	assert_int_equal(buf_used(&heard->body), taken * (message.size + 5));
	assert_true(grpc_send(w.stream, message));
	world_close(&w);
}

static void
test_grpc__a_reader_that_has_stopped(void **state)
{
	(void)state;
	struct world w;
	static const uint8_t zeroes[100000];
	world_open(&w);
	w.client.holds = true;
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_of(zeroes, sizeof(zeroes))));
	assert_int_equal(world_run(&w), FROE_OK);
	w.now_ns += GRPC_STALL_MS * NS_PER_MS - 1;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.closed, 0);
	w.now_ns += 1;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(heard->closed);
	assert_int_equal(w.end, GRPC_END_STALLED);
	assert_int_equal(w.written, 0);
	world_close(&w);
}

static void
test_grpc__no_room_for_a_message(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.later = true;
	struct heard *chat = client_call(&w.client, "/t.Test/Chat", NULL);
	client_say(&w.client, chat, bytes_text("a"), false);
	client_say(&w.client, chat, bytes_text("b"), true);
	struct heard *heard = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say(&w.client, heard, bytes_text("c"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(w.messages > 0);
	assert_int_equal(w.taken, 0);
	assert_true(buf_used(&w.in) > 0); /* what follows is not even taken in */
	w.later = false;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.taken, 3);
	expect_message(chat, 0, bytes_text("a"));
	expect_message(chat, 1, bytes_text("b"));
	expect_message(heard, 0, bytes_text("c"));
	expect_status(chat, "0");
	expect_status(heard, "0");
	world_close(&w);
}

/* The client goes while its message waits for room. */
static void
test_grpc__cancelled_while_it_waits(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.later = true;
	struct heard *heard = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say(&w.client, heard, bytes_text("c"), true);
	client_reset(&w.client, heard, NGHTTP2_CANCEL);
	assert_int_equal(world_run(&w), FROE_OK);
	w.later = false;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.closed, 1);
	world_close(&w);
}

static void
test_grpc__the_connection_breaks(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *heard = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, heard, NONE, true);
	client_call(&w.client, "/t.Test/Chat", NULL);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.opened, 2);
	world_close(&w); /* closed as often as opened */
	assert_int_equal(w.end, GRPC_END_BROKEN);
}

static void
test_grpc__the_server_stops(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	struct heard *listen = client_call(&w.client, "/t.Test/Listen", NULL);
	client_say(&w.client, listen, NONE, true);
	w.later = true;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(grpc_send(w.stream, bytes_text("last")));
	struct heard *heard = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say(&w.client, heard, bytes_text("before"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	grpc_drain(w.grpc);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(listen, 0, bytes_text("last"));
	expect_status(listen, "14");
	assert_int_equal(w.end, GRPC_END_DRAINED);
	assert_int_equal(w.client.goaways, 1);
	assert_false(grpc_done(w.grpc)); /* a unary call is answered yet */
	w.later = false;
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 0, bytes_text("before"));
	assert_true(grpc_done(w.grpc));
	world_close(&w);
}

/* A request on its way while the server says its GOAWAY, which tells the client that it was not
 * looked at: so it is not. */
static void
test_grpc__a_call_that_crosses_the_goaway(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	w.later = true; /* somebody is waited for */
	struct heard *first = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say(&w.client, first, bytes_text("before"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	w.later = false;
	struct heard *second = client_call(&w.client, "/t.Test/Echo", NULL);
	client_say(&w.client, second, bytes_text("too late"), true);
	grpc_drain(w.grpc);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(first, 0, bytes_text("before"));
	assert_true(second->closed);
	assert_int_equal(w.opened, 1);
	assert_int_equal(w.taken, 1);
	world_close(&w);
}

static void
test_grpc__pings(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	for (int i = 0; i < 500; i++) {
		nghttp2_submit_ping(w.client.session, NGHTTP2_FLAG_NONE, NULL);
		client_pull(&w.client);
		assert_int_equal(world_run(&w), FROE_OK);
	}
	assert_int_equal(w.client.pings, 500);
	grpc_ping(w.grpc);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(w.client.pinged, 1);
	assert_int_equal(w.client.goaways, 0);
	world_close(&w);
}

static void
test_grpc__many_calls_at_once(void **state)
{
	(void)state;
	struct world w;
	world_open(&w);
	assert_int_equal(world_run(&w), FROE_OK);
	for (unsigned i = 0; i < 2000; i++)
		client_say(&w.client, client_call(&w.client, "/t.Test/Listen", NULL), NONE, true);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_calls(w.grpc), 2000);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 10u << 20);
	client_say(&w.client, client_call(&w.client, "/t.Test/Echo", NULL), bytes_text("x"), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(&w.client.heard[2000], 0, bytes_text("x"));
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_grpc__a_unary_call),
	    cmocka_unit_test(test_grpc__an_unknown_path),
	    cmocka_unit_test(test_grpc__an_error_in_full),
	    cmocka_unit_test(test_grpc__the_field_at_fault),
	    cmocka_unit_test(test_grpc__a_server_stream),
	    cmocka_unit_test(test_grpc__both_ways),
	    cmocka_unit_test(test_grpc__byte_by_byte),
	    cmocka_unit_test(test_grpc__the_largest_message),
	    cmocka_unit_test(test_grpc__compressed_requests),
	    cmocka_unit_test(test_grpc__compressed_answers),
	    cmocka_unit_test(test_grpc__nothing_compressed_for_a_neighbour),
	    cmocka_unit_test(test_grpc__a_deadline_passes),
	    cmocka_unit_test(test_grpc__a_deadline_within_a_message),
	    cmocka_unit_test(test_grpc__a_client_cancels),
	    cmocka_unit_test(test_grpc__what_is_counted),
	    cmocka_unit_test(test_grpc__written_when_it_has_left),
	    cmocka_unit_test(test_grpc__a_slow_reader),
	    cmocka_unit_test(test_grpc__a_reader_that_has_stopped),
	    cmocka_unit_test(test_grpc__no_room_for_a_message),
	    cmocka_unit_test(test_grpc__cancelled_while_it_waits),
	    cmocka_unit_test(test_grpc__the_connection_breaks),
	    cmocka_unit_test(test_grpc__the_server_stops),
	    cmocka_unit_test(test_grpc__a_call_that_crosses_the_goaway),
	    cmocka_unit_test(test_grpc__pings),
	    cmocka_unit_test(test_grpc__many_calls_at_once),
	};
	return cmocka_run_group_tests_name("grpc", tests, NULL, NULL);
}
