/* Scripted conversations with one session. */
#include "api_native_world.h"

/* ----------------------------------------------------------------------------- handshake */

/* The bytes of docs/protocol.md, cut at every place. */
static void
test_native__worked_hello_cut_at_every_byte(void **state)
{
	(void)state;
	static const uint8_t BYTES[] = {0x46, 0x52, 0x4f, 0x45, 0x00, 0x01, 0x0d, 0x0a, 0x1a, 0, 0,
	    0, 0x08, 0x01, 0x52, 0x16, 0x08, 0x01, 0x12, 0x05, 0x64, 0x6f, 0x63, 0x2f, 0x31, 0x1a,
	    0x07, 0x64, 0x65, 0x66, 0x61, 0x75, 0x6c, 0x74, 0x28, 0x80, 0x80, 0x40};
	for (size_t cut = 1; cut < sizeof(BYTES); cut++) {
		struct world *w = world_new();
		feed(w, BYTES, cut);
		assert_int_equal(w->posted_count, 0);
		feed(w, BYTES + cut, sizeof(BYTES) - cut);
		assert_int_equal(w->posted_count, 1);
		assert_int_equal(w->posted[0]->op, API_OP_OPEN);
		assert_int_equal(w->posted[0]->origin.request, 1);
		assert_int_equal(w->posted[0]->open.push_window, 1048576);
		assert_true(bytes_equal(w->posted[0]->open.tenant, bytes_text("default")));
		world_free(w);
	}
}

static void
test_native__hello_refused(void **state)
{
	(void)state;
	Froe__Hello hello = FROE__HELLO__INIT;
	hello.has_version = true;
	hello.version = 2;
	struct world *w = world_new();
	feed(w, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	say(w, 9, FROE__ENVELOPE__BODY_HELLO, &hello);
	hear_error(w, 9, FROE_UNSUPPORTED, "version");
	expect_ended(w, CONN_CLOSE_REFUSED);
	assert_int_equal(w->posted_count, 0); /* the shard never knew of it */
	world_free(w);

	hello.version = 1;
	hello.tenant = "no/slash";
	w = world_new();
	feed(w, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	say(w, 1, FROE__ENVELOPE__BODY_HELLO, &hello);
	hear_error(w, 1, FROE_INVALID_ARGUMENT, "tenant");
	expect_ended(w, CONN_CLOSE_REFUSED);
	world_free(w);
}

static void
test_native__hello_refused_by_the_shard(void **state)
{
	(void)state;
	struct world *w = world_new();
	Froe__Error error = FROE__ERROR__INIT;
	error.has_code = true;
	error.code = FROE_UNAVAILABLE;
	error.field = "";
	say_hello(w, 0);
	deliver(w, 1, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hear_error(w, 1, FROE_UNAVAILABLE, "");
	expect_ended(w, CONN_CLOSE_REFUSED);
	assert_int_equal(w->posted[1]->op, API_OP_CLOSE);
	world_free(w);
}

static void
test_native__first_message_is_hello(void **state)
{
	(void)state;
	struct world *w = world_new();
	feed(w, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	say_heartbeat(w, 1);
	hear_error(w, 0, FROE_PROTOCOL, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	assert_int_equal(w->posted_count, 0);
	world_free(w);

	w = world_welcome(0);
	Froe__Hello hello = FROE__HELLO__INIT;
	say(w, 2, FROE__ENVELOPE__BODY_HELLO, &hello);
	hear_error(w, 0, FROE_PROTOCOL, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	assert_int_equal(w->posted[w->posted_count - 1]->op, API_OP_CLOSE);
	world_free(w);
}

static void
test_native__requests_behind_hello_wait_for_welcome(void **state)
{
	(void)state;
	struct world *w = world_new();
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	say_hello(w, 0);
	say_heartbeat(w, 2);
	assert_int_equal(w->posted_count, 1);
	deliver(w, 1, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
	assert_int_equal(w->posted_count, 2);
	assert_int_equal(w->posted[1]->op, API_OP_HEARTBEAT);
	assert_int_equal(w->posted[1]->origin.request, 2);
	world_free(w);
}

/* -------------------------------------------------------------------------------- frames */

static void
expect_broken_by(struct world *w, const void *data, size_t size, enum froe_err code)
{
	feed(w, data, size);
	hear_error(w, 0, code, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	world_free(w);
}

static struct world *
world_after_preface(void)
{
	struct world *w = world_new();
	feed(w, FRAME_PREFACE, FRAME_PREFACE_SIZE);
	return w;
}

static void
test_native__lengths(void **state)
{
	(void)state;
	uint8_t header[4];
	static const struct {
		uint32_t max;
		bool welcome;
	} CASES[] = {{FROE_HELLO_BYTES_MAX, false}, {FROE_MESSAGE_BYTES_MAX, true}};
	for (size_t i = 0; i < 2; i++) {
		bool welcome = CASES[i].welcome;
		le32_store(header, CASES[i].max + 1);
		expect_broken_by(
		    welcome ? world_welcome(0) : world_after_preface(), header, 4, FROE_TOO_LARGE);
		le32_store(header, 0);
		expect_broken_by(
		    welcome ? world_welcome(0) : world_after_preface(), header, 4, FROE_PROTOCOL);
		le32_store(header, CASES[i].max);
		struct world *w = welcome ? world_welcome(0) : world_after_preface();
		feed(w, header, 4);
		assert_int_equal(w->conn.state, CONN_NATIVE);
		assert_true(
		    conn_held_bytes(&w->conn) < 64 << 10); /* nothing was set aside for it */
		world_free(w);
	}
}

static void
test_native__garbage(void **state)
{
	(void)state;
	expect_broken_by(world_welcome(0), "\x04\0\0\0\xff\xff\xff\xff", 8, FROE_PROTOCOL);
	expect_broken_by(world_after_preface(), "\x04\0\0\0\xff\xff\xff\xff", 8, FROE_PROTOCOL);
	expect_broken_by(world_welcome(0), "\x02\0\0\0\x08\x05", 6, FROE_PROTOCOL); /* no body */
	expect_broken_by(world_welcome(0), "\x06\0\0\0\x08\x05\xca\x02\x01x", 10, FROE_PROTOCOL);
	expect_broken_by(world_welcome(0), "\x05\0\0\0\x08\x05\xa0\x06\x01", 9, FROE_PROTOCOL);
}

static void
test_native__request_numbers(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	say(w, 0, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
	hear_error(w, 0, FROE_PROTOCOL, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	world_free(w);

	w = world_welcome(0);
	say_heartbeat(w, 5);
	deliver_done(w, 5);
	hear_number(w, 5, FROE__ENVELOPE__BODY_DONE);
	say_heartbeat(w, 5); /* answered: free again */
	assert_int_equal(w->posted_count, 3);
	say_heartbeat(w, 5);
	hear_error(w, 0, FROE_PROTOCOL, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	world_free(w);
}

static void
test_native__bad_request_is_answered_and_the_session_goes_on(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	Froe__RunStart start = FROE__RUN_START__INIT;
	say(w, 2, FROE__ENVELOPE__BODY_RUN_START, &start);
	hear_error(w, 2, FROE_INVALID_ARGUMENT, "workflow");
	start.workflow = "\xff";
	say(w, 3, FROE__ENVELOPE__BODY_RUN_START, &start);
	hear_error(w, 3, FROE_INVALID_ARGUMENT, "workflow");
	assert_int_equal(w->posted_count, 1);
	Froe__TaskDefinition task = FROE__TASK_DEFINITION__INIT;
	Froe__TaskDefinition *tasks[] = {&task};
	Froe__WorkflowDefinition workflow = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__WorkflowPut put = FROE__WORKFLOW_PUT__INIT;
	task.action = "\xff";
	workflow.tasks = tasks;
	workflow.n_tasks = 1;
	put.workflow = &workflow;
	say(w, 4, FROE__ENVELOPE__BODY_WORKFLOW_PUT, &put);
	hear_error(w, 4, FROE_INVALID_ARGUMENT, "tasks[0].action"); /* as the engine's faults */
	say_heartbeat(w, 2);
	assert_int_equal(w->posted_count, 2);
	world_free(w);
}

static void
test_native__thousand_pipelined_in_one_piece(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	struct buf frames;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	buf_init(&frames);
	for (uint64_t i = 0; i < 1000; i++)
		frame_push(&frames, i + 2, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
	feed(w, frames.data, frames.size);
	assert_int_equal(w->posted_count, 1001);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(w->posted[i + 1]->origin.request, i + 2);
	for (uint64_t i = 1000; i-- > 0;)
		deliver_done(w, i + 2);
	for (uint64_t i = 1000; i-- > 0;)
		hear_number(w, i + 2, FROE__ENVELOPE__BODY_DONE);
	assert_int_equal(w->native.requests.count, 0);
	assert_int_equal(w->native.owed_bytes, 0);
	buf_release(&frames);
	world_free(w);
}

static void
start_frame(struct buf *frames, uint64_t request)
{
	Froe__RunStart start = FROE__RUN_START__INIT;
	char input[32];
	start.workflow = "w";
	start.has_input = true;
	start.input.len = (size_t)snprintf(input, sizeof(input), "{\"n\":%u}", (unsigned)request);
	start.input.data = (uint8_t *)input;
	frame_push(frames, request, FROE__ENVELOPE__BODY_RUN_START, &start);
}

static void
expect_start(const struct api_command *command, uint64_t request)
{
	char input[32];
	size_t size = (size_t)snprintf(input, sizeof(input), "{\"n\":%u}", (unsigned)request);
	assert_int_equal(command->op, API_OP_ENGINE);
	assert_int_equal(command->engine.type, ENG_CMD_RUN_START);
	assert_int_equal(command->engine.run_start.input.size, size);
	assert_memory_equal(command->engine.run_start.input.data, input, size);
}

/* Starts are decoded several at a time; some are not taken then, and others come between them. */
static void
test_native__starts_in_one_piece(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	struct buf frames;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	buf_init(&frames);
	for (uint64_t i = 2; i < 102; i++) {
		if (i % 11 == 0)
			frame_push(&frames, i, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
		else
			start_frame(&frames, i);
	}
	w->room = 3;
	feed(w, frames.data, frames.size - 5); /* the last one is not whole */
	assert_int_equal(w->progress, API_BLOCKED);
	for (size_t room = 0; w->posted_count < 100; room = (room + 5) % 13) {
		size_t before = w->posted_count;
		w->room = room;
		conn_ready(&w->conn);
		settle(w);
		assert_int_equal(w->posted_count, before + room < 100 ? before + room : 100);
		assert_int_equal(w->native.requests.count, w->posted_count - 1);
	}
	assert_int_equal(w->progress, w->room == 0 ? API_BLOCKED : API_IDLE);
	w->room = SIZE_MAX;
	feed(w, frames.data + frames.size - 5, 5);
	assert_int_equal(w->posted_count, 101);
	for (uint64_t i = 2; i < 102; i++) {
		assert_int_equal(w->posted[i - 1]->origin.request, i);
		if (i % 11 == 0)
			assert_int_equal(w->posted[i - 1]->op, API_OP_HEARTBEAT);
		else
			expect_start(w->posted[i - 1], i);
	}
	buf_release(&frames);
	world_free(w);
}

/* What is decoded behind a fault is not taken. */
static void
test_native__starts_behind_a_fault(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	struct buf frames;
	buf_init(&frames);
	for (uint64_t i = 2; i < 10; i++)
		start_frame(&frames, i == 6 ? 3 : i);
	feed(w, frames.data, frames.size);
	assert_int_equal(w->posted_count, 1 + 4 + 1); /* Hello; 2 to 5; that it has ended */
	assert_int_equal(w->posted[5]->op, API_OP_CLOSE);
	hear_error(w, 0, FROE_PROTOCOL, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	buf_release(&frames);
	world_free(w);
}

static void
test_native__requests_at_their_limit(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	for (uint64_t i = 0; i < FROE_REQUESTS_MAX; i++)
		say_heartbeat(w, i + 2);
	assert_int_equal(w->posted_count, 1 + FROE_REQUESTS_MAX);
	assert_null(hear(w));
	say_heartbeat(w, FROE_REQUESTS_MAX + 2);
	hear_error(w, 0, FROE_RESOURCE_EXHAUSTED, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	world_free(w);
}

static void
test_native__ping(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	uint8_t data[65];
	memset(data, 7, sizeof(data));
	Froe__Ping ping = FROE__PING__INIT;
	ping.has_data = true;
	ping.data = (ProtobufCBinaryData){.data = data, .len = 64};
	for (uint64_t request = 0; request < 2; request++) {
		say(w, request, FROE__ENVELOPE__BODY_PING, &ping);
		Froe__Envelope *pong = hear(w);
		assert_int_equal(pong->request, request);
		assert_int_equal(pong->body_case, FROE__ENVELOPE__BODY_PONG);
		assert_int_equal(pong->pong->data.len, 64);
		assert_memory_equal(pong->pong->data.data, data, 64);
		froe__envelope__free_unpacked(pong, NULL);
	}
	ping.data.len = 65;
	say(w, 0, FROE__ENVELOPE__BODY_PING, &ping);
	hear_error(w, 0, FROE_TOO_LARGE, "");
	expect_ended(w, CONN_CLOSE_PROTOCOL);
	world_free(w);
}

/* --------------------------------------------------------------------------- backpressure */

static void
test_native__full_port(void **state)
{
	(void)state;
	struct world *w = world_new();
	w->room = 0;
	say_hello(w, 5);
	assert_int_equal(w->progress, API_BLOCKED);
	assert_int_equal(w->native.state, NATIVE_HELLO);
	w->room = 1;
	conn_ready(&w->conn);
	settle(w);
	assert_int_equal(w->native.state, NATIVE_OPENING);
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	deliver(w, 1, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
	say_heartbeat(w, 2);
	say_heartbeat(w, 3);
	assert_int_equal(w->progress, API_BLOCKED);
	assert_true(w->conn.held);
	assert_int_equal(w->native.requests.count, 0);
	for (size_t i = 0; i < 2; i++) {
		w->room = 1;
		conn_ready(&w->conn);
		settle(w);
		assert_int_equal(w->posted_count, 2 + i);
		assert_int_equal(w->posted[1 + i]->origin.request, 2 + i); /* once each, in order */
	}
	w->room = SIZE_MAX;
	world_free(w);
}

static void
test_native__input_is_bounded_while_the_port_is_full(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	struct buf frames;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	buf_init(&frames);
	w->room = 0;
	for (uint64_t i = 0; !w->fake.receive_cancelled; i++) {
		assert_true(i < 20000);
		buf_reset(&frames);
		frame_push(&frames, i + 2, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
		feed(w, frames.data, frames.size);
	}
	assert_true(conn_held_bytes(&w->conn) <= 4 * CONN_INPUT_HIGH);
	buf_release(&frames);
	w->room = SIZE_MAX;
	world_free(w);
}

/* It asks for large answers and does not read: what is held stays bounded, and nothing is lost. */
static void
test_native__slow_reader_is_bounded(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	static uint8_t run[16] = {1, 0};
	static uint8_t payload[4 << 20];
	run[15] = 0;
	Froe__TaskOutputGet get = FROE__TASK_OUTPUT_GET__INIT;
	get.has_run = true;
	get.run = (ProtobufCBinaryData){.data = run, .len = 16};
	get.task = "t";
	struct buf frames;
	buf_init(&frames);
	for (uint64_t i = 0; i < 100; i++)
		frame_push(&frames, i + 2, FROE__ENVELOPE__BODY_TASK_OUTPUT_GET, &get);
	feed(w, frames.data, frames.size);
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	output.has_output = true;
	output.output = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
	size_t peak = 0;
	for (size_t answered = 0; answered < 100; answered++) {
		if (w->posted_count == answered + 1) { /* all that was taken in is answered */
			assert_true(answered >= 4);
			assert_true(conn_choked(&w->conn));
			drain_wire(w); /* at last it reads */
			buf_reset(&w->fake.wire);
			settle(w);
		}
		assert_true(w->posted_count > answered + 1);
		assert_true(w->native.owed_bytes <= NATIVE_OWED_BYTES_MAX);
		deliver(w, w->posted[answered + 1]->origin.request,
		    FROE__ENVELOPE__BODY_TASK_OUTPUT, &output.base);
		if (conn_held_bytes(&w->conn) > peak)
			peak = conn_held_bytes(&w->conn);
	}
	assert_true(peak <= 2 * (NATIVE_OWED_BYTES_MAX + CONN_OUTPUT_HIGH)); /* buffers double */
	assert_int_equal(w->native.owed_bytes, 0);
	buf_release(&frames);
	world_free(w);
}

static void
test_native__answer_larger_than_a_message(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	uint8_t *payload = mem_zalloc(FROE_MESSAGE_BYTES_MAX);
	Froe__TaskOutput output = FROE__TASK_OUTPUT__INIT;
	output.has_output = true;
	for (size_t over = 0; over < 2; over++) {
		/* request, and two tags with lengths of four bytes */
		output.output = (ProtobufCBinaryData){.data = payload,
		    .len = FROE_MESSAGE_BYTES_MAX - 2 - 6 - 5 + over};
		say_heartbeat(w, 2);
		deliver(w, 2, FROE__ENVELOPE__BODY_TASK_OUTPUT, &output.base);
		if (over)
			hear_error(w, 2, FROE_TOO_LARGE, "");
		else
			hear_number(w, 2, FROE__ENVELOPE__BODY_TASK_OUTPUT);
	}
	mem_free(payload);
	world_free(w);
}

/* -------------------------------------------------------------------------------- credit */

static void
say_credit(struct world *w, uint64_t bytes)
{
	Froe__Credit credit = FROE__CREDIT__INIT;
	credit.has_bytes = true;
	credit.bytes = bytes;
	say(w, 0, FROE__ENVELOPE__BODY_CREDIT, &credit);
}

static uint64_t
posted_credit(const struct world *w)
{
	uint64_t sum = w->posted[0]->open.push_window;
	for (size_t i = 1; i < w->posted_count; i++)
		sum += w->posted[i]->op == API_OP_CREDIT ? w->posted[i]->credit.bytes : 0;
	return sum;
}

static void
test_native__credit_is_passed_on(void **state)
{
	(void)state;
	struct world *w = world_welcome(100);
	assert_int_equal(posted_credit(w), 100);
	say_credit(w, 50);
	assert_int_equal(w->posted[1]->op, API_OP_CREDIT);
	assert_int_equal(w->posted[1]->origin.request, 0);
	assert_int_equal(posted_credit(w), 150);
	say_credit(w, 0);
	assert_int_equal(w->posted_count, 2);
	w->room = 0;
	say_credit(w, 7);
	assert_int_equal(w->progress, API_BLOCKED);
	w->room = SIZE_MAX;
	conn_ready(&w->conn);
	settle(w);
	assert_int_equal(posted_credit(w), 157);
	world_free(w);
}

/* Endless credit does not make the server hold endless pushes: it flows as the client reads. */
static void
test_native__credit_is_capped_by_what_is_unread(void **state)
{
	(void)state;
	struct world *w = world_welcome(UINT64_MAX);
	static uint8_t payload[1 << 20];
	Froe__Dispatch dispatch = FROE__DISPATCH__INIT;
	dispatch.has_input = true;
	dispatch.input = (ProtobufCBinaryData){.data = payload, .len = sizeof(payload)};
	say_credit(w, UINT64_MAX);
	assert_int_equal(posted_credit(w), NATIVE_PUSH_BYTES_MAX);
	uint64_t used = 0, peak = 0;
	for (int i = 0; i < 64; i++) {
		struct api_effect effect = {.conn = HANDLE, .number = FROE__ENVELOPE__BODY_DISPATCH,
		    .message = &dispatch.base};
		uint64_t size = envelope_size(&effect);
		if (used + size > posted_credit(w)) { /* the shard holds it */
			drain_wire(w);
			buf_reset(&w->fake.wire);
			settle(w);
			assert_true(used + size <= posted_credit(w));
		}
		used += size;
		native_deliver(&w->native, &effect);
		settle(w);
		if (conn_output_used(&w->conn) > peak)
			peak = conn_output_used(&w->conn);
	}
	assert_true(peak <= NATIVE_PUSH_BYTES_MAX + 4 * 64);
	world_free(w);
}

static void
test_native__watch_answers_do_not_end_the_number(void **state)
{
	(void)state;
	struct world *w = world_welcome(1000);
	static uint8_t run[16] = {1};
	Froe__RunWatch watch = FROE__RUN_WATCH__INIT;
	watch.has_run = true;
	watch.run = (ProtobufCBinaryData){.data = run, .len = 16};
	say(w, 2, FROE__ENVELOPE__BODY_RUN_WATCH, &watch);
	assert_int_equal(w->posted[1]->op, API_OP_RUN_WATCH);
	assert_int_equal(w->native.requests.count, 0); /* counted by the shard */
	Froe__RunEvent event = FROE__RUN_EVENT__INIT;
	for (int i = 0; i < 3; i++) {
		deliver(w, 2, FROE__ENVELOPE__BODY_RUN_EVENT, &event.base);
		hear_number(w, 2, FROE__ENVELOPE__BODY_RUN_EVENT);
	}
	world_free(w);
}

/* ---------------------------------------------------------------------------------- ends */

static void
test_native__silence_is_asked_then_closed(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	w->fake.now_ns += CONN_IDLE_MS * NS_PER_MS;
	conn_set_expire(&w->set, w->fake.now_ns);
	hear_number(w, 0, FROE__ENVELOPE__BODY_PING);
	Froe__Pong pong = FROE__PONG__INIT;
	say(w, 0, FROE__ENVELOPE__BODY_PONG, &pong);
	for (int i = 0; i < 2; i++) {
		w->fake.now_ns += CONN_IDLE_MS * NS_PER_MS;
		conn_set_expire(&w->set, w->fake.now_ns);
		if (i == 0)
			hear_number(w, 0, FROE__ENVELOPE__BODY_PING);
	}
	expect_ended(w, CONN_CLOSE_IDLE);
	assert_int_equal(w->posted[w->posted_count - 1]->op, API_OP_CLOSE);
	world_free(w);
}

static void
test_native__close_is_posted_once_there_is_room(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	w->room = 0;
	fake_receive_end(&w->fake, 0);
	settle(w);
	assert_int_equal(w->conn.reason, CONN_CLOSE_PEER);
	assert_false(native_close(&w->native));
	w->room = 5;
	assert_true(native_close(&w->native));
	assert_true(native_close(&w->native));
	assert_int_equal(w->posted_count, 2);
	assert_int_equal(w->posted[1]->op, API_OP_CLOSE);
	deliver_done(w, 1); /* too late: dropped */
	assert_int_equal(conn_output_used(&w->conn), 0);
	w->room = SIZE_MAX;
	world_free(w);
}

static void
test_native__requests_before_the_end_are_taken(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	struct buf frames;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	buf_init(&frames);
	for (uint64_t i = 2; i < 5; i++)
		frame_push(&frames, i, FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat);
	fake_feed(&w->fake, frames.data, frames.size); /* bytes and end in one turn */
	fake_receive_end(&w->fake, 0);
	settle(w);
	assert_int_equal(w->posted_count, 5);
	assert_int_equal(w->posted[3]->origin.request, 4);
	assert_int_equal(w->posted[4]->op, API_OP_CLOSE);
	buf_release(&frames);
	world_free(w);
}

static void
test_native__drain(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	say_heartbeat(w, 2);
	native_drain(&w->native);
	hear_number(w, 0, FROE__ENVELOPE__BODY_GOAWAY);
	say_heartbeat(w, 3); /* not taken any more */
	assert_int_equal(w->posted_count, 2);
	assert_int_equal(w->conn.state, CONN_NATIVE);
	deliver_done(w, 2);
	hear_number(w, 2, FROE__ENVELOPE__BODY_DONE);
	expect_ended(w, CONN_CLOSE_DRAINED);
	world_free(w);

	w = world_new(); /* between Hello and Welcome */
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	say_hello(w, 0);
	native_drain(&w->native);
	deliver(w, 1, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
	hear_number(w, 1, FROE__ENVELOPE__BODY_WELCOME);
	hear_number(w, 0, FROE__ENVELOPE__BODY_GOAWAY);
	expect_ended(w, CONN_CLOSE_DRAINED);
	world_free(w);
}

static void
test_native__effect_that_closes(void **state)
{
	(void)state;
	struct world *w = world_welcome(0);
	Froe__Goaway goaway = FROE__GOAWAY__INIT;
	struct api_effect effect = {.conn = HANDLE, .number = FROE__ENVELOPE__BODY_GOAWAY,
	    .message = &goaway.base, .close = true};
	native_deliver(&w->native, &effect);
	hear_number(w, 0, FROE__ENVELOPE__BODY_GOAWAY);
	expect_ended(w, CONN_CLOSE_DRAINED);
	world_free(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_native__worked_hello_cut_at_every_byte),
	    cmocka_unit_test(test_native__hello_refused),
	    cmocka_unit_test(test_native__hello_refused_by_the_shard),
	    cmocka_unit_test(test_native__first_message_is_hello),
	    cmocka_unit_test(test_native__requests_behind_hello_wait_for_welcome),
	    cmocka_unit_test(test_native__lengths),
	    cmocka_unit_test(test_native__garbage),
	    cmocka_unit_test(test_native__request_numbers),
	    cmocka_unit_test(test_native__bad_request_is_answered_and_the_session_goes_on),
	    cmocka_unit_test(test_native__thousand_pipelined_in_one_piece),
	    cmocka_unit_test(test_native__starts_in_one_piece),
	    cmocka_unit_test(test_native__starts_behind_a_fault),
	    cmocka_unit_test(test_native__requests_at_their_limit),
	    cmocka_unit_test(test_native__ping),
	    cmocka_unit_test(test_native__full_port),
	    cmocka_unit_test(test_native__input_is_bounded_while_the_port_is_full),
	    cmocka_unit_test(test_native__slow_reader_is_bounded),
	    cmocka_unit_test(test_native__answer_larger_than_a_message),
	    cmocka_unit_test(test_native__credit_is_passed_on),
	    cmocka_unit_test(test_native__credit_is_capped_by_what_is_unread),
	    cmocka_unit_test(test_native__watch_answers_do_not_end_the_number),
	    cmocka_unit_test(test_native__silence_is_asked_then_closed),
	    cmocka_unit_test(test_native__close_is_posted_once_there_is_room),
	    cmocka_unit_test(test_native__requests_before_the_end_are_taken),
	    cmocka_unit_test(test_native__drain),
	    cmocka_unit_test(test_native__effect_that_closes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
