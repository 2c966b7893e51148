/*
 * A real server under attack, while a good client triggers runs all the time and a good worker
 * executes them. After each attack the good client must have got on, /healthz must answer; at the
 * end the server stops cleanly with the attackers still attached, and starts again.
 *
 * Bounds are counts of events, not times, wherever there is something to count: the order of a
 * worker's own dispatches says what went before what.
 */
#include "system/system.h"
#include "system/wire.h"

#include "system/good.h"
#include "system/junk.h"
#include "system/slow.h"

#define WINDOW (UINT64_C(64) << 20)
#define MIB ((size_t)1 << 20)

static int
setup(void **state)
{
	(void)state;
	server_init(&server);
	server_start(&server);
	slow_begin(); /* they take their time while the others attack */
	good_begin();
	return 0;
}

/* What the server does at its end is a test of its own; this is for when one has failed before. */
static int
teardown(void **state)
{
	(void)state;
	server_release(&server);
	return 0;
}

/* -------------------------------------------------------------------------------- native frames */

#define JUNK_CONNECTIONS 300u
#define JUNK_FRAMES 16u

static void
test_frames__random_and_mutated(void **state)
{
	struct dice dice = {0x600d5eed};
	struct peer setup_peer;
	(void)state;
	peer_open(&setup_peer, &server, "junk", WINDOW);
	peer_workflow(&setup_peer, "junk", 0, 0);
	peer_release(&setup_peer);
	for (unsigned i = 0; i < JUNK_CONNECTIONS; i++) {
		struct buf stream;
		struct peer peer;
		buf_init(&stream);
		if (dice_below(&dice, 32) != 0)
			buf_push(&stream, PREFACE, PREFACE_SIZE);
		if (dice_below(&dice, 32) != 0)
			junk_hello(&dice, &stream);
		for (unsigned n = 0; n < JUNK_FRAMES; n++)
			junk_frame(&dice, &stream, 2 + n);
		peer_init(&peer, &server);
		/* What it does not want to read is its right; that it closes is its duty. */
		bool taken = peer_send(&peer, buf_bytes(&stream).data, buf_used(&stream));
		if (!peer_finish(&peer))
			fail_msg("connection %u (taken: %d) is still open", i, taken);
		peer_release(&peer);
		buf_release(&stream);
	}
	expect_good();
}

/* Bytes of an Envelope that asks for a run nobody knows, with an unknown field that fills it up. */
static void
padded_frame(struct buf *to, uint32_t size, uint64_t request)
{
	static const uint8_t run_get[] = {0x6a, 0x12, 0x0a, 0x10, 1, 2, 3, 4, 5, 6, 0x77, 8,
	    0x89, 10, 11, 12, 13, 14, 0, 0};
	uint8_t head[64];
	size_t at = 0;
	head[at++] = 0x08;
	head[at++] = (uint8_t)request;
	memcpy(head + at, run_get, sizeof(run_get));
	at += sizeof(run_get);
	head[at++] = 0xa2; /* field 2000, bytes */
	head[at++] = 0x7d;
	size_t left = size - at - 4; /* its length is a varint of four bytes */
	for (unsigned i = 0; i < 4; i++)
		head[at++] = (uint8_t)((left >> (7 * i) & 127) | (i < 3 ? 128 : 0));
	le32_store(buf_reserve(to, 4), size);
	buf_commit(to, 4);
	buf_push(to, head, at);
	memset(buf_reserve(to, left), 'x', left);
	buf_commit(to, left);
}

static void
test_frames__limits_are_exact(void **state)
{
	struct peer peer;
	struct buf frame;
	uint8_t word[4];
	(void)state;
	buf_init(&frame);
	/* Before the Hello: 4096 bytes are judged, 4097 are not even read. */
	peer_init(&peer, &server);
	memset(buf_reserve(&frame, FROE_HELLO_BYTES_MAX), 0xff, FROE_HELLO_BYTES_MAX);
	le32_store(word, FROE_HELLO_BYTES_MAX);
	peer_send(&peer, PREFACE, PREFACE_SIZE);
	peer_send(&peer, word, 4);
	buf_commit(&frame, FROE_HELLO_BYTES_MAX);
	peer_send(&peer, buf_bytes(&frame).data, buf_used(&frame));
	peer_expect_error(&peer, 0, FROE_PROTOCOL);
	peer_release(&peer);
	peer_init(&peer, &server);
	le32_store(word, FROE_HELLO_BYTES_MAX + 1);
	peer_send(&peer, PREFACE, PREFACE_SIZE);
	peer_send(&peer, word, 4);
	peer_expect_error(&peer, 0, FROE_TOO_LARGE);
	peer_release(&peer);
	/* After it: the largest frame is answered, one byte more ends the connection. */
	peer_open(&peer, &server, "junk", WINDOW);
	buf_reset(&frame);
	padded_frame(&frame, FROE_MESSAGE_BYTES_MAX, 7);
	assert_true(peer_send(&peer, buf_bytes(&frame).data, buf_used(&frame)));
	peer_expect_error(&peer, 7, FROE_NOT_FOUND);
	le32_store(word, FROE_MESSAGE_BYTES_MAX + 1);
	peer_send(&peer, word, 4);
	peer_expect_error(&peer, 0, FROE_TOO_LARGE);
	peer_release(&peer);
	buf_release(&frame);
	expect_good();
}

struct misuse {
	const char *name;
	const char *envelope;
	size_t size;
	uint64_t request; /* of the error; 0: the connection ends */
	enum froe_err code;
};
#define ENVELOPE(text) text, sizeof(text) - 1

static void
test_frames__misuse_is_answered(void **state)
{
	static const struct misuse cases[] = {
	    {"no bytes", ENVELOPE(""), 0, FROE_PROTOCOL},
	    {"no body", ENVELOPE("\x08\x05"), 0, FROE_PROTOCOL},
	    {"a second Hello", ENVELOPE("\x08\x05\x52\x02\x08\x01"), 0, FROE_PROTOCOL},
	    {"a Welcome", ENVELOPE("\x08\x05\xc2\x02\x00"), 0, FROE_PROTOCOL},
	    {"a group", ENVELOPE("\x08\x05\x6b\x6c"), 0, FROE_PROTOCOL},
	    {"a number without end",
	        ENVELOPE("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), 0, FROE_PROTOCOL},
	    {"a message longer than its frame", ENVELOPE("\x08\x05\x6a\x7f\x0a\x10"), 0,
	        FROE_PROTOCOL},
	    {"no request number", ENVELOPE("\x6a\x00"), 0, FROE_PROTOCOL},
	    {"no run", ENVELOPE("\x08\x05\x6a\x00"), 5, FROE_INVALID_ARGUMENT},
	    {"a run of three bytes", ENVELOPE("\x08\x05\x6a\x05\x0a\x03\x01\x02\x03"), 5,
	        FROE_INVALID_ARGUMENT},
	    {"a name that is not UTF-8", ENVELOPE("\x08\x05\x62\x03\x0a\x01\xff"), 5,
	        FROE_INVALID_ARGUMENT},
	    {"a name with a zero byte", ENVELOPE("\x08\x05\x62\x04\x0a\x02\x61\x00"), 5,
	        FROE_INVALID_ARGUMENT},
	    {"an input that is not JSON", ENVELOPE("\x08\x05\x62\x09\x0a\x04junk\x12\x01{"), 5,
	        FROE_INVALID_ARGUMENT},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct peer peer;
		struct buf frame;
		buf_init(&frame);
		frame_raw(&frame, cases[i].envelope, cases[i].size);
		peer_open(&peer, &server, "junk", WINDOW);
		assert_true(peer_send(&peer, buf_bytes(&frame).data, buf_used(&frame)));
		peer_expect_error(&peer, cases[i].request, cases[i].code);
		peer_release(&peer);
		buf_release(&frame);
	}
	expect_good();
}

/* Many of what a message may have some of: unknown fields, requests under way. */
static void
test_frames__too_many(void **state)
{
	struct peer peer;
	struct buf envelope, frame;
	(void)state;
	buf_init(&envelope);
	buf_init(&frame);
	buf_push(&envelope, "\x08\x05", 2);
	for (unsigned i = 0; i < 257; i++)
		buf_push(&envelope, "\xa0\x7d\x00", 3); /* field 2000: 0 */
	frame_raw(&frame, buf_bytes(&envelope).data, buf_used(&envelope));
	peer_open(&peer, &server, "junk", WINDOW);
	assert_true(peer_send(&peer, buf_bytes(&frame).data, buf_used(&frame)));
	peer_expect_error(&peer, 0, FROE_PROTOCOL);
	peer_release(&peer);
	/* The same number again, while the first waits for the disk. */
	buf_reset(&frame);
	frame_start(&frame, 9, "junk", false);
	frame_start(&frame, 9, "junk", false);
	peer_open(&peer, &server, "junk", WINDOW);
	assert_true(peer_send(&peer, buf_bytes(&frame).data, buf_used(&frame)));
	peer_expect_error(&peer, 0, FROE_PROTOCOL);
	peer_release(&peer);
	buf_release(&envelope);
	buf_release(&frame);
	expect_good();
}

/* ----------------------------------------------------------------------------------------- HTTP */

struct smuggle {
	const char *name;
	const char *status;
	const char *head;
	size_t size;
};
#define GET(text) "GET /healthz HTTP/1.1\r\nHost: froe\r\n" text
#define POST(text) "POST /api/v1/meta HTTP/1.1\r\nHost: froe\r\n" text
#define TE "Transfer-Encoding: chunked\r\n"
#define INNER "GET /metrics HTTP/1.1\r\nHost: froe\r\n\r\n"

/* Sends it, reads to the end; the answer must be one, with this status. */
static void
expect_refused(const char *name, const void *head, size_t size, const char *status)
{
	struct peer peer;
	unsigned answers = 0;
	peer_init(&peer, &server);
	peer_send(&peer, head, size);
	if (!peer_finish(&peer))
		fail_msg("%s: the connection is still open", name);
	buf_push(&peer.input, "", 1);
	const char *text = (const char *)buf_bytes(&peer.input).data;
	for (const char *at = text; (at = strstr(at, "HTTP/1.1 ")) != NULL; at++)
		answers += at[9] >= '1' && at[9] <= '5';
	if (answers != 1 || strncmp(text + 9, status, 3) != 0)
		fail_msg("%s: %u answers, not one %s: %.60s", name, answers, status, text);
	if (strstr(text, "froe_runs_started_total") != NULL)
		fail_msg("%s: the request inside was answered", name);
	peer_release(&peer);
}

static void
test_http__smuggling(void **state)
{
	static const struct smuggle cases[] = {
	    {"TE and CL", "400", ENVELOPE(GET("Content-Length: 4\r\n" TE "\r\n0\r\n\r\n") INNER)},
	    {"CL and TE", "400", ENVELOPE(GET(TE "Content-Length: 60\r\n\r\n0\r\n\r\n") INNER)},
	    {"two CL", "400",
		ENVELOPE(GET("Content-Length: 0\r\nContent-Length: 60\r\n\r\n") INNER)},
	    {"two equal CL", "400",
		ENVELOPE(GET("Content-Length: 0\r\nContent-Length: 0\r\n\r\n") INNER)},
	    {"a list in CL", "400", ENVELOPE(GET("Content-Length: 0, 60\r\n\r\n") INNER)},
	    {"a signed CL", "400", ENVELOPE(GET("Content-Length: +0\r\n\r\n") INNER)},
	    {"a huge CL", "400",
		ENVELOPE(GET("Content-Length: 99999999999999999999999\r\n\r\n") INNER)},
	    {"a body", "413", ENVELOPE(GET("Content-Length: 39\r\n\r\n") INNER)},
	    {"a chunked body", "413", ENVELOPE(GET(TE "\r\n27\r\n") INNER)},
	    {"a POST whose chunk is a request", "405",
		ENVELOPE(POST("Connection: close\r\n" TE "\r\n25\r\n") INNER "\r\n0\r\n\r\n")},
	    {"a chunk that ends elsewhere", "400", ENVELOPE(POST(TE "\r\n4\r\n") INNER)},
	    {"a chunk with an extension", "400",
		ENVELOPE(POST(TE "\r\n0;a=b\r\n\r\n") INNER)},
	    {"a chunk's size in bare LF", "400", ENVELOPE(POST(TE "\r\n0\n\r\n") INNER)},
	    {"a chunk's size with 0x", "400", ENVELOPE(POST(TE "\r\n0x0\r\n\r\n") INNER)},
	    {"a chunk's size with a space", "400", ENVELOPE(POST(TE "\r\n0 \r\n\r\n") INNER)},
	    {"a chunk's size that overflows", "400",
		ENVELOPE(POST(TE "\r\n10000000000000000\r\n") INNER)},
	    {"a trailer", "400",
		ENVELOPE(POST(TE "\r\n0\r\nContent-Length: 4\r\n\r\n") INNER)},
	    {"TE twice", "400", ENVELOPE(POST(TE TE "\r\n0\r\n\r\n") INNER)},
	    {"TE with another coding", "501",
		ENVELOPE(POST("Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n") INNER)},
	    {"TE folded", "400",
		ENVELOPE(POST("Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n") INNER)},
	    {"TE in HTTP/1.0", "400",
		ENVELOPE("POST /api/v1/meta HTTP/1.0\r\n" TE "\r\n0\r\n\r\n" INNER)},
	    {"a POST with TE and CL", "400",
		ENVELOPE(POST("Content-Length: 4\r\n" TE "\r\n0\r\n\r\n") INNER)},
	    {"a POST with two CL", "400",
		ENVELOPE(POST("Content-Length: 39\r\nContent-Length: 0\r\n\r\n") INNER)},
	    {"a POST with a list in CL", "400",
		ENVELOPE(POST("Content-Length: 39,39\r\n\r\n") INNER)},
	    {"a POST with a hidden TE", "501",
		ENVELOPE(POST("Transfer-Encoding: xchunked\r\n\r\n") INNER)},
	    {"a POST that is too large", "413",
		ENVELOPE(POST("Content-Length: 99999999\r\n\r\n") INNER)},
	    {"a POST whose body is a request", "405",
		ENVELOPE(POST("Connection: close\r\nContent-Length: 37\r\n\r\n") INNER)},
	    {"bare LF", "400", ENVELOPE("GET /healthz HTTP/1.1\nHost: froe\n\n" INNER)},
	    {"bare LF in a field", "400", ENVELOPE(GET("X: a\nContent-Length: 60\r\n\r\n") INNER)},
	    {"lone CR", "400", ENVELOPE(GET("X: a\rContent-Length: 60\r\n\r\n") INNER)},
	    {"obs-fold", "400", ENVELOPE(GET("X: a\r\n Content-Length: 60\r\n\r\n") INNER)},
	    {"folded first", "400", ENVELOPE("GET /healthz HTTP/1.1\r\n Host: froe\r\n\r\n" INNER)},
	    {"NUL in a value", "400", ENVELOPE(GET("X: a\0b\r\n\r\n") INNER)},
	    {"NUL in the target", "400",
		ENVELOPE("GET /he\0althz HTTP/1.1\r\nHost: froe\r\n\r\n" INNER)},
	    {"space before the colon", "400", ENVELOPE(GET("Content-Length : 60\r\n\r\n") INNER)},
	    {"no Host", "400", ENVELOPE("GET /healthz HTTP/1.1\r\n\r\n" INNER)},
	    {"two Hosts", "400", ENVELOPE(GET("Host: other\r\n\r\n") INNER)},
	    {"an absolute target", "400",
		ENVELOPE("GET http://froe/ HTTP/1.1\r\nHost: froe\r\n\r\n" INNER)},
	    {"HTTP/2.0", "505", ENVELOPE("GET /healthz HTTP/2.0\r\nHost: froe\r\n\r\n" INNER)},
	    {"HTTP/1.9", "505", ENVELOPE("GET /healthz HTTP/1.9\r\nHost: froe\r\n\r\n" INNER)},
	    {"no version", "400", ENVELOPE("GET /healthz\r\n\r\n" INNER)},
	    {"two spaces", "400", ENVELOPE("GET  /healthz HTTP/1.1\r\nHost: froe\r\n\r\n" INNER)},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_refused(cases[i].name, cases[i].head, cases[i].size, cases[i].status);
	expect_good();
}

static void
test_http__oversize_heads(void **state)
{
	struct buf head;
	(void)state;
	buf_init(&head);
	buf_push_text(&head, "GET /");
	memset(buf_reserve(&head, 8192), 'a', 8192);
	buf_commit(&head, 8192);
	expect_refused("a line without end", buf_bytes(&head).data, buf_used(&head), "414");
	buf_reset(&head);
	buf_push_text(&head, GET("X: "));
	memset(buf_reserve(&head, 17000), 'a', 17000);
	buf_commit(&head, 17000);
	expect_refused("a field without end", buf_bytes(&head).data, buf_used(&head), "431");
	buf_reset(&head);
	buf_push_text(&head, GET(""));
	for (unsigned i = 0; i < 64; i++)
		buf_printf(&head, "X-%u: a\r\n", i);
	buf_push_text(&head, "\r\n" INNER);
	expect_refused("65 fields", buf_bytes(&head).data, buf_used(&head), "431");
	buf_release(&head);
	expect_good();
}

/* ----------------------------------------------------------------------------- those who hoard */

#define HOARDERS 3u
#define HOARD_BYTES (2 * MIB)
#define HOARD_REQUESTS 1500u
/* docs/protocol.md: one message, answers owed, pushes, and what else may wait. */
#define CONNECTION_BYTES_MAX ((6 + 24 + 12 + 1 + 4) * MIB)

static struct peer hoarders[HOARDERS];

/* A sanitizer keeps freed memory for a while: 256 MiB of it, and shadows of all, TSan's up to nine
 * times the size. How many times the plain memory to allow; 1: no sanitizer. */
static unsigned
server_memory_factor(void)
{
	char path[64], line[512];
	unsigned factor = 1;
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)server.pid);
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		if (strstr(line, "libasan") != NULL)
			factor = 3;
		else if (strstr(line, "libtsan") != NULL)
			factor = 10;
	}
	fclose(file);
	return factor;
}

/* Asks for megabytes, thousands of times, and watches what is long over; reads nothing. */
static void
hoarder_open(struct peer *peer, struct froe_id run)
{
	struct buf stream;
	Froe__RunGet get = FROE__RUN_GET__INIT;
	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	get.has_run = watch.has_run = 1;
	get.run = watch.run = (ProtobufCBinaryData){.len = 16, .data = run.bytes};
	get.has_payloads = get.payloads = 1;
	buf_init(&stream);
	peer_open(peer, &server, "hoard", UINT64_MAX);
	for (unsigned i = 0; i < HOARD_REQUESTS; i++) {
		frame_push(&stream, 100 + 2 * i, FROE__ENVELOPE__BODY_RUN_WATCH, &watch);
		frame_push(&stream, 101 + 2 * i, FROE__ENVELOPE__BODY_RUN_GET, &get);
		frame_start(&stream, 100000 + i, "hoard", /* wait= */ true);
	}
	peer_stuff(peer, buf_bytes(&stream).data, buf_used(&stream), 100);
	buf_release(&stream);
}

static void
test_readers__never_reading_is_bounded(void **state)
{
	static struct froe_task_def task = {.name = "only", .handler = echo};
	static struct froe_workflow workflow = {.name = "hoard", .tasks = &task, .task_count = 1};
	struct worker worker;
	char *text = malloc(HOARD_BYTES + 1);
	(void)state;
	memset(text, 'x', HOARD_BYTES);
	text[0] = text[HOARD_BYTES - 1] = '"';
	text[HOARD_BYTES] = 0;
	worker_open(&worker, &server, "hoard", &workflow, 1);
	struct froe_id run = start_run(worker.client, "hoard", text);
	expect_result(worker.client, run, text);
	froe_run_view_free(get_run(worker.client, run));
	size_t before = server_resident_bytes(&server), most = before;
	for (unsigned i = 0; i < HOARDERS; i++)
		hoarder_open(&hoarders[i], run);
	for (unsigned i = 0; i < 30; i++) {
		size_t now = server_resident_bytes(&server);
		most = now > most ? now : most;
		sleep_ms(20);
	}
	/* The runs that they start are executed and kept: what those take is part of the rest. */
	size_t limit = HOARDERS * CONNECTION_BYTES_MAX + 64 * MIB;
	unsigned factor = server_memory_factor();
	if (factor > 1)
		limit = factor * limit + 256 * MIB;
	if (most - before > limit)
		fail_msg("%zu MiB for %u that do not read", (most - before) / MIB, HOARDERS);
	if (getenv("FROE_VERBOSE") != NULL)
		fprintf(stderr, "hoarders: %zu MiB of %zu\n", (most - before) / MIB, limit / MIB);
	expect_result(worker.client, start_run(worker.client, "hoard", "7"), "7");
	worker_close(&worker);
	free(text);
	expect_good();
}

/* ------------------------------------------------------------------------------------- a flood */

static void
test_flood__opened_and_reset(void **state)
{
	struct dice dice = {0xf100d};
	(void)state;
	for (unsigned round = 0; round < 40; round++) {
		int sockets[50];
		for (unsigned i = 0; i < 50; i++) {
			static const char start[] = PREFACE "\x1a\0\0\0\x08\x01\x52\x16";
			sockets[i] = socket_open(&server);
			send(sockets[i], start, dice_below(&dice, sizeof(start)), MSG_NOSIGNAL);
		}
		for (unsigned i = 0; i < 50; i++)
			socket_reset(sockets[i]);
	}
	expect_good();
}

/* ------------------------------------------------------------------------------- evil workers */

static struct peer mute; /* stays, and stays silent, until the server stops */

static void
expect_end(struct peer *peer, uint64_t request, Froe__RunStatus status, const char *result)
{
	Froe__Envelope *got = peer_expect(peer, FROE__ENVELOPE__BODY_RUN_EVENT);
	assert_int_equal(got->request, request);
	assert_true(got->run_event->final);
	assert_int_equal(got->run_event->status, status);
	if (result != NULL) {
		assert_int_equal(got->run_event->result.len, strlen(result));
		assert_memory_equal(got->run_event->result.data, result, strlen(result));
	}
	heard_free(got);
}

static void
test_worker__never_answers(void **state)
{
	struct peer client;
	(void)state;
	peer_open(&mute, &server, "evil", WINDOW);
	peer_workflow(&mute, "mute", 200, 0);
	peer_register(&mute, 1, (const char *const[]){"mute", NULL}, 2);
	peer_open(&client, &server, "evil", WINDOW);
	/* Twice its slots: those that time out make room for the others. */
	for (unsigned i = 0; i < 4; i++)
		peer_start(&client, "mute");
	for (unsigned i = 0; i < 4; i++) {
		Froe__Envelope *got = peer_expect(&client, FROE__ENVELOPE__BODY_RUN_EVENT);
		assert_int_equal(got->run_event->status, FROE__RUN_STATUS__FAILED);
		heard_free(got);
	}
	for (unsigned i = 0; i < 4; i++)
		heard_free(peer_expect(&mute, FROE__ENVELOPE__BODY_DISPATCH));
	peer_release(&client);
	expect_good();
}

static void
test_worker__answers_twice(void **state)
{
	struct peer client, worker;
	(void)state;
	peer_open(&worker, &server, "evil", WINDOW);
	peer_workflow(&worker, "twice", 0, 0);
	peer_register(&worker, 2, (const char *const[]){"twice", NULL}, 1);
	peer_open(&client, &server, "evil", WINDOW);
	uint64_t run = peer_start(&client, "twice");
	Froe__Envelope *task = peer_expect(&worker, FROE__ENVELOPE__BODY_DISPATCH);
	uint64_t lease = task->dispatch->lease;
	peer_complete(&worker, task->dispatch, lease, "1");
	uint64_t again = peer_complete(&worker, task->dispatch, lease, "2");
	heard_free(peer_expect(&worker, FROE__ENVELOPE__BODY_DONE));
	peer_expect_error(&worker, again, FROE_LEASE_LAPSED);
	again = peer_complete(&worker, task->dispatch, lease, "3");
	peer_expect_error(&worker, again, FROE_LEASE_LAPSED);
	expect_end(&client, run, FROE__RUN_STATUS__COMPLETED, "1");
	heard_free(task);
	peer_release(&client);
	peer_release(&worker);
	expect_good();
}

/* The answer to it is some error: it is nobody's to complete here. */
static void
expect_denied(struct peer *peer, const Froe__Dispatch *task, uint64_t lease)
{
	uint64_t request = peer_complete(peer, task, lease, "\"stolen\"");
	Froe__Envelope *got;
	while ((got = peer_hear(peer, PEER_WAIT_MS)) != NULL && got->request != request)
		heard_free(got);
	assert_non_null(got);
	assert_int_equal(got->body_case, FROE__ENVELOPE__BODY_ERROR);
	heard_free(got);
}

static void
test_worker__with_the_fences_of_others(void **state)
{
	struct peer client, worker, thief, stranger;
	const char *const steal[] = {"steal", NULL};
	(void)state;
	peer_open(&worker, &server, "evil", WINDOW);
	peer_workflow(&worker, "steal", 0, 0);
	peer_register(&worker, 3, steal, 1);
	peer_open(&client, &server, "evil", WINDOW);
	uint64_t run = peer_start(&client, "steal");
	Froe__Envelope *task = peer_expect(&worker, FROE__ENVELOPE__BODY_DISPATCH);
	uint64_t lease = task->dispatch->lease;
	peer_open(&thief, &server, "evil", WINDOW);
	expect_denied(&thief, task->dispatch, lease); /* no worker at all */
	peer_register(&thief, 4, steal, 1);
	peer_open(&stranger, &server, "elsewhere", WINDOW);
	peer_register(&stranger, 3, steal, 1); /* with the worker's own id: a tenant's own affair */
	for (uint64_t guess = lease > 2 ? lease - 2 : 0; guess < lease + 3; guess++) {
		expect_denied(&thief, task->dispatch, guess);
		expect_denied(&stranger, task->dispatch, guess);
		if (guess != lease)
			expect_denied(&worker, task->dispatch, guess);
	}
	peer_complete(&worker, task->dispatch, lease, "\"earned\"");
	heard_free(peer_expect(&worker, FROE__ENVELOPE__BODY_DONE));
	expect_end(&client, run, FROE__RUN_STATUS__COMPLETED, "\"earned\"");
	heard_free(task);
	peer_release(&client);
	peer_release(&worker);
	peer_release(&thief);
	peer_release(&stranger);
	expect_good();
}

static void
test_worker__grants_no_credit(void **state)
{
	struct peer client, broke, rich;
	const char *const broken[] = {"broke", NULL};
	(void)state;
	peer_open(&broke, &server, "evil", 0);
	peer_workflow(&broke, "broke", 100, 20);
	peer_register(&broke, 5, broken, 8);
	peer_open(&client, &server, "evil", WINDOW);
	uint64_t runs[4];
	for (unsigned i = 0; i < 4; i++)
		runs[i] = peer_start(&client, "broke");
	assert_null(peer_hear(&broke, 50)); /* nothing is sent that it has not paid for */
	peer_open(&rich, &server, "evil", WINDOW);
	peer_register(&rich, 6, broken, 8);
	for (unsigned i = 0; i < 4; i++) {
		Froe__Envelope *task = peer_expect(&rich, FROE__ENVELOPE__BODY_DISPATCH);
		peer_complete(&rich, task->dispatch, task->dispatch->lease, "0");
		heard_free(task);
		heard_free(peer_expect(&rich, FROE__ENVELOPE__BODY_DONE));
	}
	uint64_t ended = 0;
	for (unsigned i = 0; i < 4; i++) {
		Froe__Envelope *got = peer_expect(&client, FROE__ENVELOPE__BODY_RUN_EVENT);
		assert_int_equal(got->run_event->status, FROE__RUN_STATUS__COMPLETED);
		assert_true(got->request >= runs[0] && got->request <= runs[3]);
		ended |= UINT64_C(1) << (got->request - runs[0]);
		heard_free(got);
	}
	assert_int_equal(ended, 15);
	for (Froe__Envelope *got; (got = peer_hear(&broke, 10)) != NULL; heard_free(got))
		assert_int_not_equal(got->body_case, FROE__ENVELOPE__BODY_DISPATCH);
	peer_release(&client);
	peer_release(&broke);
	peer_release(&rich);
	expect_good();
}

/* ------------------------------------------------------------------------------------- fairness */

#define FLOOD_RUNS 10000u
#define FLOOD_WINDOW 2000u /* requests under way */
#define TRICKLES 20u
#define SHARED_SLOTS 2u

/* One thread serves the flooded worker and plays the trickling client: what it sees, in its order,
 * is what was dispatched in between. */
struct fairness {
	struct peer flooder;  /* fills the queue */
	struct peer shared;   /* the worker of the flooded tenant; both its workflows */
	unsigned flood_seen;  /* dispatches of the flooding workflow */
	unsigned trickle_seen;
};
static struct fairness fair;

static void
flood_fill(struct peer *peer)
{
	struct buf stream;
	buf_init(&stream);
	for (unsigned done = 0; done < FLOOD_RUNS; done += FLOOD_WINDOW) {
		buf_reset(&stream);
		for (unsigned i = 0; i < FLOOD_WINDOW; i++)
			frame_start(&stream, ++peer->request, "flood", /* wait= */ false);
		assert_true(peer_send(peer, buf_bytes(&stream).data, buf_used(&stream)));
		for (unsigned i = 0; i < FLOOD_WINDOW; i++)
			heard_free(peer_expect(peer, FROE__ENVELOPE__BODY_RUN_STARTED));
	}
	buf_release(&stream);
}

/* Takes one message of the shared worker, if there is one, and does what it says. */
static void
shared_step(int wait_ms)
{
	Froe__Envelope *got = peer_hear(&fair.shared, wait_ms);
	if (got == NULL)
		return;
	assert_int_not_equal(got->body_case, FROE__ENVELOPE__BODY_ERROR);
	if (got->body_case == FROE__ENVELOPE__BODY_DISPATCH) {
		bool flood = strcmp(got->dispatch->workflow, "flood") == 0;
		fair.flood_seen += flood;
		fair.trickle_seen += !flood;
		peer_complete(&fair.shared, got->dispatch, got->dispatch->lease, "{}");
		Froe__Envelope size_of = *got;
		peer_grant(&fair.shared, froe__envelope__get_packed_size(&size_of));
	}
	heard_free(got);
}

/* 10 000 runs wait for two slots; another tenant's runs pass as if nobody were there. */
static void
test_fairness__tenants(void **state)
{
	const char *const both[] = {"flood", "trickle", NULL}, *const calm[] = {"calm", NULL};
	struct peer other;
	unsigned worst = 0;
	(void)state;
	peer_open(&fair.flooder, &server, "flood", WINDOW);
	peer_workflow(&fair.flooder, "flood", 0, 0);
	peer_workflow(&fair.flooder, "trickle", 0, 0);
	flood_fill(&fair.flooder);
	peer_open(&fair.shared, &server, "flood", WINDOW);
	peer_register(&fair.shared, 7, both, SHARED_SLOTS);
	peer_open(&other, &server, "calm", WINDOW);
	peer_workflow(&other, "calm", 0, 0);
	peer_register(&other, 8, calm, 1);
	for (unsigned i = 0; i < TRICKLES; i++) {
		unsigned before = fair.flood_seen;
		bool ended = false;
		uint64_t until_ms = now_ms() + PEER_WAIT_MS;
		peer_start(&other, "calm");
		while (!ended) {
			Froe__Envelope *got = peer_hear(&other, 0);
			assert_true(now_ms() < until_ms);
			if (got == NULL) {
				shared_step(1);
				continue;
			}
			if (got->body_case == FROE__ENVELOPE__BODY_DISPATCH)
				peer_complete(&other, got->dispatch, got->dispatch->lease, "{}");
			ended = got->body_case == FROE__ENVELOPE__BODY_RUN_EVENT;
			heard_free(got);
		}
		worst = fair.flood_seen - before > worst ? fair.flood_seen - before : worst;
	}
	/* Two commits from trigger to result, with its slots' worth of the flood's tasks for each,
	 * and as many on their way; then twice that, because the disk does not take turns. */
	if (getenv("FROE_VERBOSE") != NULL)
		fprintf(stderr, "fairness of tenants: %u in between\n", worst);
	assert_in_range(worst, 0, 2 * (2 + 2) * SHARED_SLOTS);
	uint64_t until_ms = now_ms() + PEER_WAIT_MS;
	while (fair.flood_seen < 10 * TRICKLES) { /* the flood is served too */
		assert_true(now_ms() < until_ms);
		shared_step(10);
	}
	peer_release(&other);
	expect_good();
}

/* The same tenant, the same worker: the few go after what holds the slots, and one more. */
static void
test_fairness__workflows_of_one_worker(void **state)
{
	struct peer client;
	unsigned worst = 0;
	(void)state;
	peer_open(&client, &server, "flood", WINDOW);
	for (unsigned i = 0; i < TRICKLES; i++) {
		uint64_t until_ms = now_ms() + PEER_WAIT_MS;
		unsigned before = fair.flood_seen, wanted = fair.trickle_seen + 1;
		peer_start(&client, "trickle");
		heard_free(peer_expect(&client, FROE__ENVELOPE__BODY_RUN_STARTED));
		while (fair.trickle_seen < wanted) {
			assert_true(now_ms() < until_ms);
			shared_step(10);
		}
		worst = fair.flood_seen - before > worst ? fair.flood_seen - before : worst;
		heard_free(peer_expect(&client, FROE__ENVELOPE__BODY_RUN_EVENT));
	}
	if (getenv("FROE_VERBOSE") != NULL)
		fprintf(stderr, "fairness of workflows: %u in between\n", worst);
	assert_in_range(worst, 0, SHARED_SLOTS + 1);
	peer_release(&client);
	expect_good();
}

/* ------------------------------------------------------------------------------------ the end */

static void
test_slow__are_closed_in_time(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SLOW_COUNT; i++) {
		while (atomic_load(&slow.lived_ms[i]) == 0) {
			if (now_ms() - slow.opened_ms > SLOW_LIMIT_MS + 5000)
				fail_msg("slow connection %u is still open", i);
			sleep_ms(20);
		}
		/* Not early: the slow are not thrown out for being slow, but for being late. */
		assert_true(atomic_load(&slow.lived_ms[i]) + 100 >= SLOW_LIMIT_MS);
	}
	assert_int_equal(atomic_load(&slow.answered), 0);
	slow_end();
	expect_good();
}

/* SIGTERM with 10 000 runs queued, readers that do not read and a worker that never answered. */
static void
test_stop__is_clean_under_attack(void **state)
{
	unsigned before = atomic_load(&good.runs);
	(void)state;
	good_end();
	int status = server_end(&server, SIGTERM);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	for (unsigned i = 0; i < HOARDERS; i++)
		peer_release(&hoarders[i]);
	peer_release(&mute);
	peer_release(&fair.flooder);
	peer_release(&fair.shared);
	server_start(&server);
	good_begin();
	while (atomic_load(&good.runs) < before + 10 && !atomic_load(&good.failed))
		sleep_ms(2);
	good_end();
	server_release(&server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frames__random_and_mutated),
	    cmocka_unit_test(test_frames__limits_are_exact),
	    cmocka_unit_test(test_frames__misuse_is_answered),
	    cmocka_unit_test(test_frames__too_many),
	    cmocka_unit_test(test_http__smuggling),
	    cmocka_unit_test(test_http__oversize_heads),
	    cmocka_unit_test(test_readers__never_reading_is_bounded),
	    cmocka_unit_test(test_flood__opened_and_reset),
	    cmocka_unit_test(test_worker__never_answers),
	    cmocka_unit_test(test_worker__answers_twice),
	    cmocka_unit_test(test_worker__with_the_fences_of_others),
	    cmocka_unit_test(test_worker__grants_no_credit),
	    cmocka_unit_test(test_fairness__tenants),
	    cmocka_unit_test(test_fairness__workflows_of_one_worker),
	    cmocka_unit_test(test_slow__are_closed_in_time),
	    cmocka_unit_test(test_stop__is_clean_under_attack),
	};
	return cmocka_run_group_tests_name("system hostile", tests, setup, teardown);
}
