/*
 * Clients that mean no good, or are broken: each costs a bounded amount, hears why where it can
 * be told, and does no harm to the calls beside it.
 */
#include "net_grpc_world.h"

/* Bytes of a frame, as anyone may write them. */
static void
frame(struct buf *to, uint8_t type, uint8_t flags, uint32_t id, struct bytes payload)
{
	uint8_t head[9] = {(uint8_t)(payload.size >> 16), (uint8_t)(payload.size >> 8),
	    (uint8_t)payload.size, type, flags, (uint8_t)(id >> 24), (uint8_t)(id >> 16),
	    (uint8_t)(id >> 8), (uint8_t)id};
	buf_push(to, head, sizeof(head));
	buf_push(to, payload.data, payload.size);
}

/* A request's head that is good: static indices and literals that are not kept. */
#define HEAD "\x83\x86\x01\x01" "a\x04\x0c/t.Test/Echo\x0f\x10\x10" "application/grpc"

enum {
	DATA = 0,
	HEADERS = 1,
	RST_STREAM = 3,
	SETTINGS = 4,
	PING = 6,
	WINDOW_UPDATE = 8,
	CONTINUATION = 9,
	END_HEADERS = 4,
};

static void
greet(struct buf *to)
{
	buf_push_text(to, HTTP2_PREFACE);
	frame(to, SETTINGS, 0, 0, NONE);
}

/* The server hears these bytes instead of the client's; what it thinks of them. */
static enum froe_err
hear(struct world *w, struct buf *bytes)
{
	struct froe_fault fault = {.code = FROE_OK};
	buf_reset(&w->client.out);
	while (buf_used(bytes) > 0) {
		size_t part = buf_used(bytes) < 65536 ? buf_used(bytes) : 65536;
		buf_push(&w->in, buf_bytes(bytes).data, part);
		buf_pop(bytes, part);
		if (!server_step(w, &fault))
			break;
		buf_reset(&w->out);
		if (grpc_done(w->grpc))
			fault.code = FROE_RESOURCE_EXHAUSTED;
	}
	buf_release(bytes);
	return fault.code;
}

static void
test_hostile__what_is_no_http2(void **state)
{
	static const char *const CASES[] = {
	    "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
	    HTTP2_PREFACE "GET / HTTP/1.1\r\nHost: a\r\n\r\n                                   ",
	    HTTP2_PREFACE HTTP2_PREFACE,
	};
	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct world w;
		struct buf bytes = {0};
		world_open(&w);
		buf_push_text(&bytes, CASES[i]);
		assert_int_not_equal(hear(&w, &bytes), FROE_OK);
		world_close(&w);
	}
}

/* ---------------------------------------------------------------------------------- heads */

static struct heard *
call_with(struct world *w, const char *name, const char *value)
{
	const struct client_field fields[] = {{name, value}, {NULL, NULL}};
	struct heard *heard = client_call(&w->client, "/t.Test/Echo", fields);
	client_say(&w->client, heard, bytes_text("x"), true);
	assert_int_equal(world_run(w), FROE_OK);
	return heard;
}

static void
test_hostile__heads_that_are_refused(void **state)
{
	static const struct {
		const char *name, *value, *http_status, *status;
	} CASES[] = {
	    {":method", "PUT", "405", "13"},
	    {"content-type", "application/json", "415", "13"},
	    {"content-type", "application/grpcx", "415", "13"},
	    {"grpc-encoding", "snappy", "200", "12"},
	    {"grpc-timeout", "5", "200", "13"},
	    {"grpc-timeout", "S", "200", "13"},
	    {"grpc-timeout", "123456789S", "200", "13"},
	    {"grpc-timeout", "-1S", "200", "13"},
	    {"grpc-timeout", "1s", "200", "13"},
	};
	struct world w;
	(void)state;
	world_open(&w);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct heard *heard = call_with(&w, CASES[i].name, CASES[i].value);
		expect_status(heard, CASES[i].status);
		assert_string_equal(heard->http_status, CASES[i].http_status);
		assert_true(heard->trailers_only);
	}
	assert_int_equal(w.opened, 0);
	expect_status(call_with(&w, "grpc-timeout", "99999999H"), "0");
	expect_status(call_with(&w, "content-type", "application/grpc+proto"), "0");
	expect_status(call_with(&w, "grpc-encoding", "identity"), "0");
	world_close(&w);
}

static void
test_hostile__a_large_head(void **state)
{
	static char large[HTTP2_HEAD_BYTES_MAX + 1000];
	struct world w;
	(void)state;
	world_open(&w);
	memset(large, 'x', sizeof(large) - 1);
	expect_status(call_with(&w, "x-large", large), "8");
	assert_int_equal(w.opened, 0);
	large[HTTP2_HEAD_BYTES_MAX - 1000] = 0;
	expect_status(call_with(&w, "x-large", large), "0");
	world_close(&w);
}

/* One byte of HPACK stands for 4 KiB: a frame of 16 KiB for 64 MiB. */
static void
test_hostile__a_head_that_is_a_bomb(void **state)
{
	struct world w;
	struct buf bytes = {0}, head = {0};
	static uint8_t again[16000], value[4000];
	(void)state;
	world_open(&w);
	greet(&bytes);
	memset(value, 'v', sizeof(value));
	buf_push_text(&head, HEAD);
	buf_push(&head, "\x40\x01" "x" "\x7f\xa1\x1e", 6); /* kept; a value of 4000 bytes */
	buf_push(&head, value, sizeof(value));
	frame(&bytes, HEADERS, END_HEADERS, 1, buf_bytes(&head));
	memset(again, 0xbe, sizeof(again)); /* the entry that was kept last */
	frame(&bytes, HEADERS, END_HEADERS, 3, bytes_of(again, sizeof(again)));
	assert_int_equal(hear(&w, &bytes), FROE_RESOURCE_EXHAUSTED);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 1u << 20);
	buf_release(&head);
	world_close(&w);
}

static void
test_hostile__a_head_without_end(void **state)
{
	struct world w;
	struct buf bytes = {0};
	(void)state;
	world_open(&w);
	greet(&bytes);
	frame(&bytes, HEADERS, 0, 1, bytes_of(HEAD, sizeof(HEAD) - 1));
	for (int i = 0; i < 1000; i++)
		frame(&bytes, CONTINUATION, 0, 1, bytes_text("\x40\x01" "a\x01" "b"));
	assert_int_not_equal(hear(&w, &bytes), FROE_OK);
	world_close(&w);
}

/* --------------------------------------------------------------------------------- floods */

static void
test_hostile__requests_and_resets(void **state)
{
	struct world w;
	struct buf bytes = {0};
	(void)state;
	world_open(&w);
	greet(&bytes);
	for (uint32_t i = 0; i < 5000; i++) {
		frame(&bytes, HEADERS, END_HEADERS, 2 * i + 1, bytes_of(HEAD, sizeof(HEAD) - 1));
		frame(&bytes, RST_STREAM, 0, 2 * i + 1, bytes_of("\0\0\0\x8", 4));
	}
	assert_int_not_equal(hear(&w, &bytes), FROE_OK);
	assert_in_range(w.opened, 900, 1200);
	world_close(&w);
}

/* The resets are ours here: the client provokes them. */
static void
test_hostile__resets_that_are_provoked(void **state)
{
	struct world w;
	struct buf bytes = {0};
	(void)state;
	world_open(&w);
	greet(&bytes);
	for (uint32_t i = 0; i < 5000; i++) {
		frame(&bytes, HEADERS, END_HEADERS, 2 * i + 1, bytes_of(HEAD, sizeof(HEAD) - 1));
		frame(&bytes, WINDOW_UPDATE, 0, 2 * i + 1, bytes_of("\x7f\xff\xff\xff", 4));
	}
	assert_int_not_equal(hear(&w, &bytes), FROE_OK);
	/* They are counted as they go out: after what one read of the network brought. */
	assert_in_range(w.opened, 900, 3500);
	world_close(&w);
}

static void
test_hostile__pings_and_settings(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2; kind++) {
		struct world w;
		struct buf bytes = {0};
		world_open(&w);
		greet(&bytes);
		for (int i = 0; i < 20000; i++)
			frame(&bytes, kind == 0 ? PING : SETTINGS, 0, 0,
			    kind == 0 ? bytes_of("12345678", 8) : NONE);
		assert_int_not_equal(hear(&w, &bytes), FROE_OK);
		assert_in_range(grpc_held_bytes(w.grpc), 1, 1u << 20);
		world_close(&w);
	}
}

static void
test_hostile__more_streams_than_there_may_be(void **state)
{
	struct world w;
	struct buf bytes = {0};
	(void)state;
	world_open(&w);
	greet(&bytes);
	frame(&bytes, SETTINGS, 1, 0, NONE); /* it has seen our limit */
	for (uint32_t i = 0; i < HTTP2_STREAMS_MAX + 500; i++)
		frame(&bytes, HEADERS, END_HEADERS, 2 * i + 1, bytes_of(HEAD, sizeof(HEAD) - 1));
	hear(&w, &bytes);
	assert_in_range(w.opened, 1, HTTP2_STREAMS_MAX);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 16u << 20);
	world_close(&w);
}

/* ------------------------------------------------------------------------------- messages */

static struct heard *
say_raw(struct world *w, const char *encoding, struct bytes body, bool end)
{
	const struct client_field fields[] = {{"grpc-encoding", encoding}, {NULL, NULL}};
	struct heard *heard = client_call(&w->client, "/t.Test/Echo", fields);
	client_say_raw(&w->client, heard, body, end);
	assert_int_equal(world_run(w), FROE_OK);
	return heard;
}

static void
test_hostile__messages_that_are_none(void **state)
{
	static const struct {
		const char *encoding;
		const char *bytes;
		size_t size;
	} CASES[] = {
	    {"gzip", "", 0},                               /* none */
	    {"gzip", "\0\0\0\0", 4},                       /* half a prefix */
	    {"gzip", "\0\0\0\0\5abcd", 9},                 /* half a message */
	    {"gzip", "\2\0\0\0\1a", 6},                    /* neither plain nor compressed */
	    {"identity", "\1\0\0\0\1a", 6},                /* compressed by what? */
	    {"gzip", "\1\0\0\0\1a", 6},                    /* no gzip */
	    {"gzip", "\1\0\0\0\0", 5},                     /* nor this */
	    {"gzip", "\0\0\0\0\1a\0\0\0\0\1b", 12},        /* two */
	    {"gzip", "\0\0\0\0\1a\0", 7},                  /* one and a bit */
	};
	struct world w;
	(void)state;
	world_open(&w);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct bytes body = bytes_of(CASES[i].bytes, CASES[i].size);
		expect_status(say_raw(&w, CASES[i].encoding, body, true), "13");
		assert_int_equal(w.end, GRPC_END_REFUSED);
	}
	assert_int_equal(w.taken, 0);
	world_close(&w);
}

static void
test_hostile__bombs(void **state)
{
	const size_t size = (size_t)64 << 20;
	uint8_t *zeroes = mem_zalloc(size);
	struct world w;
	(void)state;
	world_open(&w);
	const struct client_field fields[] = {{"grpc-encoding", "gzip"}, {NULL, NULL}};
	struct buf bomb = client_zip(bytes_of(zeroes, size), MAX_WBITS + 16);
	struct heard *heard = client_call(&w.client, "/t.Test/Echo", fields);
	client_say_zipped(&w.client, heard, buf_bytes(&bomb), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "8");
	buf_release(&bomb);
	/* One byte more than may be; and what just may be. */
	for (size_t more = 0; more < 2; more++) {
		bomb = client_zip(bytes_of(zeroes, GRPC_MESSAGE_BYTES_MAX + more), MAX_WBITS + 16);
		heard = client_call(&w.client, "/t.Test/Echo", fields);
		client_say_zipped(&w.client, heard, buf_bytes(&bomb), true);
		assert_int_equal(world_run(&w), FROE_OK);
		expect_status(heard, more == 0 ? "0" : "8");
		buf_release(&bomb);
	}
	/* What gzip makes larger than may be is judged by what it is inflated. */
	uint32_t dice = 1;
	for (size_t i = 0; i < GRPC_MESSAGE_BYTES_MAX; i++)
		zeroes[i] = (uint8_t)((dice = dice * 1664525u + 1013904223u) >> 24);
	bomb = client_zip(bytes_of(zeroes, GRPC_MESSAGE_BYTES_MAX), MAX_WBITS + 16);
	assert_true(buf_used(&bomb) > GRPC_MESSAGE_BYTES_MAX);
	heard = client_call(&w.client, "/t.Test/Echo", fields);
	client_say_zipped(&w.client, heard, buf_bytes(&bomb), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_message(heard, 0, bytes_of(zeroes, GRPC_MESSAGE_BYTES_MAX));
	buf_release(&bomb);
	/* Cut off, and with something behind its end. */
	bomb = client_zip(bytes_of(zeroes, 1000), MAX_WBITS + 16);
	heard = client_call(&w.client, "/t.Test/Echo", fields);
	client_say_zipped(&w.client, heard, bytes_of(bomb.data, buf_used(&bomb) - 3), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "13");
	buf_push_text(&bomb, "more");
	heard = client_call(&w.client, "/t.Test/Echo", fields);
	client_say_zipped(&w.client, heard, buf_bytes(&bomb), true);
	assert_int_equal(world_run(&w), FROE_OK);
	expect_status(heard, "13");
	buf_release(&bomb);
	world_close(&w);
	mem_free(zeroes);
}

/* Messages that are begun and go no further cost what they have sent, up to a bound; calls beside
 * them go on. */
static void
test_hostile__messages_that_do_not_end(void **state)
{
	static uint8_t part[(size_t)3 << 20];
	struct world w;
	(void)state;
	world_open(&w);
	client_prefix(part, false, GRPC_MESSAGE_BYTES_MAX);
	for (int i = 0; i < 20; i++)
		say_raw(&w, "identity", bytes_of(part, sizeof(part)), false);
	assert_in_range(grpc_held_bytes(w.grpc), GRPC_HELD_MAX / 2, GRPC_HELD_MAX + (2u << 20));
	for (int i = 0; i < 20; i++)
		assert_int_equal(w.client.heard[i].closed, i >= 10);
	assert_string_equal(w.client.heard[10].status, "8");
	expect_message(echo(&w, bytes_text("still")), 0, bytes_text("still"));
	client_reset(&w.client, &w.client.heard[0], NGHTTP2_CANCEL);
	assert_int_equal(world_run(&w), FROE_OK);
	assert_in_range(grpc_held_bytes(w.grpc), GRPC_HELD_MAX / 2, GRPC_HELD_MAX - (2u << 20));
	world_close(&w);
}

/* Who has no token has nothing of its body kept. */
static void
test_hostile__a_body_without_a_token(void **state)
{
	static uint8_t part[(size_t)1 << 20];
	struct world w;
	(void)state;
	world_open(&w);
	w.deny = true;
	client_prefix(part, false, GRPC_MESSAGE_BYTES_MAX);
	struct heard *heard = say_raw(&w, "identity", bytes_of(part, sizeof(part)), false);
	expect_status(heard, "16");
	assert_true(heard->trailers_only);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 100000);
	assert_int_equal(w.messages, 0);
	world_close(&w);
}

/* -------------------------------------------------------------------------------- windows */

static void
test_hostile__a_window_of_nothing(void **state)
{
	struct world w;
	(void)state;
	world_open_window(&w, 0);
	w.client.holds = true;
	struct heard *heard = echo(&w, bytes_text("hello"));
	assert_string_equal(heard->http_status, "200");
	assert_int_equal(buf_used(&heard->body), 0);
	w.now_ns += GRPC_STALL_MS * NS_PER_MS;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_true(heard->closed);
	assert_int_equal(w.end, GRPC_END_STALLED);
	assert_int_equal(grpc_calls(w.grpc), 0);
	world_close(&w);
}

/* Answers that nobody reads: so many, and the next ones are errors. */
static void
test_hostile__answers_that_nobody_reads(void **state)
{
	static uint8_t large[(size_t)4 << 20];
	struct world w;
	(void)state;
	world_open_window(&w, 0);
	w.client.holds = true;
	for (int i = 0; i < 20; i++)
		echo(&w, bytes_of(large, sizeof(large)));
	assert_in_range(grpc_held_bytes(w.grpc), GRPC_QUEUED_HARD_MAX,
	    GRPC_QUEUED_HARD_MAX + (6u << 20));
	expect_status(&w.client.heard[19], "8");
	assert_false(w.client.heard[0].closed);
	w.now_ns += GRPC_STALL_MS * NS_PER_MS;
	assert_int_equal(world_run(&w), FROE_OK);
	assert_int_equal(grpc_calls(w.grpc), 0);
	assert_in_range(grpc_held_bytes(w.grpc), 1, 1u << 20);
	world_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_hostile__what_is_no_http2),
	    cmocka_unit_test(test_hostile__heads_that_are_refused),
	    cmocka_unit_test(test_hostile__a_large_head),
	    cmocka_unit_test(test_hostile__a_head_that_is_a_bomb),
	    cmocka_unit_test(test_hostile__a_head_without_end),
	    cmocka_unit_test(test_hostile__requests_and_resets),
	    cmocka_unit_test(test_hostile__resets_that_are_provoked),
	    cmocka_unit_test(test_hostile__pings_and_settings),
	    cmocka_unit_test(test_hostile__more_streams_than_there_may_be),
	    cmocka_unit_test(test_hostile__messages_that_are_none),
	    cmocka_unit_test(test_hostile__bombs),
	    cmocka_unit_test(test_hostile__messages_that_do_not_end),
	    cmocka_unit_test(test_hostile__a_body_without_a_token),
	    cmocka_unit_test(test_hostile__a_window_of_nothing),
	    cmocka_unit_test(test_hostile__answers_that_nobody_reads),
	};
	return cmocka_run_group_tests_name("grpc_hostile", tests, NULL, NULL);
}
