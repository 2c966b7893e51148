/*
 * native_step takes one whole frame after the other while it may:
 *   1. frame_next judges the length; message_decode, or else wire_check and wire_unpack, the bytes;
 *      a fault there is answered with an Error of request 0 and ends the connection. The requests
 *      of every run become commands at once (api/straight).
 *   2. Ping, Pong and Credit are dealt with here; any other body becomes a command
 *      (api/request). A refused one is answered with a typed Error under its number.
 *   3. The number goes into the table, the command to the port. If the port has no room, both are
 *      undone and the frame stays in the input: it is decoded again later, which costs less than
 *      keeping it.
 * It stops while the output is choked, while too many answer bytes are owed, and after its share.
 */
#include "api/native.h"

#include "api/access.h"
#include "api/envelope.h"
#include "api/request.h"
#include "api/straight.h"
#include "api/wire.h"
#include "base/message.h"
#include "net/frame.h"

#include <stdarg.h>
#include <stdio.h>

static const struct sm_row NATIVE_TABLE[] = {
    [NATIVE_PREFACE] = {"preface", SM_TO(NATIVE_HELLO) | SM_TO(NATIVE_CLOSED)},
    [NATIVE_HELLO] = {"hello", SM_TO(NATIVE_OPENING) | SM_TO(NATIVE_CLOSED)},
    [NATIVE_OPENING] = {"opening",
        SM_TO(NATIVE_OPEN) | SM_TO(NATIVE_HELLO) /* not posted */ | SM_TO(NATIVE_CLOSED)},
    [NATIVE_OPEN] = {"open", SM_TO(NATIVE_DRAINING) | SM_TO(NATIVE_CLOSED)},
    [NATIVE_DRAINING] = {"draining", SM_TO(NATIVE_CLOSED)},
    [NATIVE_CLOSED] = {"closed", 0},
};

/* What became of one frame. */
enum taken {
	TAKEN,
	TAKEN_NOT_ROOM, /* the port is full */
	TAKEN_NOT_OWED, /* its answer has to wait for earlier ones */
	TAKEN_LAST,     /* and nothing after it */
	TAKEN_NONE,     /* there was none */
};

void
native_open(struct native *native, struct conn *conn, struct api_port *port, struct arena *arena,
    uint64_t handle)
{
	*native = (struct native){
	    .state = NATIVE_PREFACE,
	    .conn = conn,
	    .port = port,
	    .arena = arena,
	    .handle = handle,
	};
	recent_init(&native->requests);
}

void
native_refuse(struct native *native, const char *why)
{
	native->refusal = why;
}

void
native_release(struct native *native)
{
	recent_release(&native->requests);
}

/* ------------------------------------------------------------------------------- sending */

static void
native_send(struct native *native, uint64_t request, uint32_t number,
    const ProtobufCMessage *message)
{
	struct api_effect effect = {.request = request, .number = number, .message = message};
	size_t size = envelope_encode(&effect, UINT32_MAX, conn_output(native->conn));
	froe_assert(size <= FROE_MESSAGE_BYTES_MAX);
}

static void
native_send_fault(struct native *native, uint64_t request, const struct froe_fault *fault)
{
	char field[sizeof(fault->field)], text[sizeof(fault->text)];
	memcpy(field, fault->field, sizeof(field));
	memcpy(text, fault->text, sizeof(text));
	Froe__Error error = FROE__ERROR__INIT;
	error.has_code = true;
	error.code = (uint32_t)fault->code;
	error.field = field;
	error.text = text;
	native_send(native, request, FROE__ENVELOPE__BODY_ERROR, &error.base);
}

/* No more of it: what is in the output still goes out. */
static void
native_end(struct native *native, enum conn_close reason)
{
	if (native->state != NATIVE_CLOSED)
		sm_move(NATIVE_TABLE, &native->state, NATIVE_CLOSED);
	conn_finish(native->conn, reason);
}

/* The connection cannot go on: says why and ends it. */
static enum taken FROE_PRINTF(3, 4)
native_break(struct native *native, enum froe_err code, const char *format, ...)
{
	struct froe_fault fault = {.code = code};
	va_list args;
	va_start(args, format);
	vsnprintf(fault.text, sizeof(fault.text), format, args);
	va_end(args);
	native_send_fault(native, 0, &fault);
	native_end(native, CONN_CLOSE_PROTOCOL);
	return TAKEN_LAST;
}

static bool
native_post(struct native *native, struct api_command *command, uint64_t request)
{
	command->origin = (struct eng_origin){.conn = native->handle, .request = request};
	if (command->op == API_OP_ENGINE)
		command->engine.origin = command->origin;
	if (!native->port->post(native->port, command))
		return false;
	native->posted++;
	return true;
}

/* -------------------------------------------------------------------------------- credit */

/* Passes on what the client granted, as far as invariant 2 allows. */
static bool
native_pass_credit(struct native *native)
{
	if (native->credit_kept == 0 || native->credit_out >= NATIVE_PUSH_BYTES_MAX)
		return true; /* as mostly */
	if (native->state != NATIVE_OPEN && native->state != NATIVE_DRAINING)
		return true;
	/* What has left the output is not in it: the sum of pushes there is at most all that is. */
	if (native->pushed_bytes > conn_output_used(native->conn))
		native->pushed_bytes = conn_output_used(native->conn);
	uint64_t used = native->credit_out + native->pushed_bytes;
	uint64_t room = used < NATIVE_PUSH_BYTES_MAX ? NATIVE_PUSH_BYTES_MAX - used : 0;
	uint64_t grant = native->credit_kept < room ? native->credit_kept : room;
	if (grant == 0)
		return true;
	struct api_command command = {.op = API_OP_CREDIT, .credit.bytes = grant};
	native->credit_kept -= grant;
	native->credit_out += grant;
	if (native_post(native, &command, 0))
		return true;
	native->credit_kept += grant;
	native->credit_out -= grant;
	return false;
}

static void
native_grant(struct native *native, uint64_t bytes)
{
	native->credit_kept =
	    bytes > UINT64_MAX - native->credit_kept ? UINT64_MAX : native->credit_kept + bytes;
}

static bool
is_push(uint32_t number)
{
	return number == FROE__ENVELOPE__BODY_DISPATCH ||
	    number == FROE__ENVELOPE__BODY_RUN_EVENT || number == FROE__ENVELOPE__BODY_NODE_DONE;
}

static void
native_count_push(struct native *native, uint64_t size)
{
	native->credit_out -= size < native->credit_out ? size : native->credit_out;
	native->pushed_bytes += size;
}

/* ------------------------------------------------------------------------------ requests */

static void
requests_put(struct native *native, uint64_t request, size_t answer_bytes)
{
	froe_assert(recent_add(
	    &native->requests, request, (void *)(uintptr_t)(answer_bytes + 1)));
	native->owed_bytes += answer_bytes;
}

static void
requests_remove(struct native *native, uint64_t request)
{
	uintptr_t kept = (uintptr_t)recent_remove(&native->requests, request);
	if (kept != 0)
		native->owed_bytes -= kept - 1;
}

/* May this much more be owed? One answer always may, whatever its size. */
static bool
requests_room(const struct native *native, size_t answer_bytes)
{
	return native->owed_bytes == 0 || answer_bytes == 0 ||
	    native->owed_bytes + answer_bytes <= NATIVE_OWED_BYTES_MAX;
}

/* False: an earlier one of this number has not been answered; the connection ends. */
static bool
request_fresh(struct native *native, uint64_t request)
{
	if (recent_get(&native->requests, request) == NULL)
		return true;
	native_break(native, FROE_PROTOCOL,
	    "request %llu is still under way: give each request a number of its own",
	    (unsigned long long)request);
	return false;
}

/* A fresh request has become a command, if err is FROE_OK. */
static enum taken
take_command(struct native *native, uint64_t request, struct api_command *command,
    enum froe_err err, struct froe_fault *fault)
{
	if (err == FROE_OK)
		err = access_starts_check(command, native->roles, fault);
	if (err == FROE_PROTOCOL)
		return native_break(native, FROE_PROTOCOL, "%s", fault->text);
	if (err != FROE_OK) {
		native_send_fault(native, request, fault);
		return TAKEN;
	}
	size_t answer_bytes = request_answer_bytes_max(command);
	if (!requests_room(native, answer_bytes))
		return TAKEN_NOT_OWED;
	if (answer_bytes > 0 && native->requests.count == FROE_REQUESTS_MAX)
		return native_break(native, FROE_RESOURCE_EXHAUSTED,
		    "%u requests are under way, as many "
		    "as a connection may have: wait for answers",
		    FROE_REQUESTS_MAX);
	if (answer_bytes > 0)
		requests_put(native, request, answer_bytes);
	if (native_post(native, command, request))
		return TAKEN;
	requests_remove(native, request);
	return TAKEN_NOT_ROOM;
}

static enum taken
take_request(struct native *native, const Froe__Envelope *envelope, const char *text_bad)
{
	struct api_command command;
	struct froe_fault fault;
	if (!request_fresh(native, envelope->request))
		return TAKEN_LAST;
	enum froe_err err = access_check((uint32_t)envelope->body_case, native->roles, &fault);
	if (err == FROE_OK && text_bad[0] != 0)
		err = fault_set_field(&fault, FROE_INVALID_ARGUMENT, text_bad,
		    "%s is not UTF-8 text without zero bytes", text_bad);
	if (err == FROE_OK)
		err = request_decode(envelope, native->arena, &command, &fault);
	return take_command(native, envelope->request, &command, err, &fault);
}

static enum taken
take_straight(struct native *native, struct straight *straight)
{
	struct froe_fault fault;
	if (!request_fresh(native, straight->request))
		return TAKEN_LAST;
	enum froe_err err = access_check(straight->body, native->roles, &fault);
	return take_command(native, straight->request, &straight->command, err, &fault);
}

static enum taken
take_hello(struct native *native, const Froe__Envelope *envelope, const char *text_bad)
{
	struct api_command command;
	struct froe_fault fault;
	if (envelope->body_case != FROE__ENVELOPE__BODY_HELLO)
		return native_break(native, FROE_PROTOCOL,
		    "the first message is a Hello, not message %d", (int)envelope->body_case);
	enum froe_err err = native->refusal != NULL
	    ? fault_set(&fault, FROE_FAILED_PRECONDITION, "%s", native->refusal)
	    : text_bad[0] != 0
	    ? fault_set_field(&fault, FROE_INVALID_ARGUMENT, text_bad,
	          "%s is not UTF-8 text without zero bytes", text_bad)
	    : request_hello(envelope->hello, &command, &fault);
	if (err != FROE_OK) {
		native_send_fault(native, envelope->request, &fault);
		native_end(native, CONN_CLOSE_REFUSED);
		return TAKEN_LAST;
	}
	command.open.peer = native->peer;
	uint64_t window = command.open.push_window;
	if (window > NATIVE_PUSH_BYTES_MAX)
		command.open.push_window = NATIVE_PUSH_BYTES_MAX;
	native->credit_out = command.open.push_window;
	native->credit_kept = window - command.open.push_window;
	requests_put(native, envelope->request, 0);
	native->open_posted = true;
	sm_move(NATIVE_TABLE, &native->state, NATIVE_OPENING);
	if (native_post(native, &command, envelope->request)) {
		conn_timer_stop(native->conn, CONN_TIMER_HEAD); /* it has done its part */
		return TAKEN;
	}
	sm_move(NATIVE_TABLE, &native->state, NATIVE_HELLO); /* as if it had not been read */
	native->open_posted = false;
	requests_remove(native, envelope->request);
	return TAKEN_NOT_ROOM;
}

/* Ping, Pong and Credit answer nothing and may have the number 0. */
static enum taken
take_ping(struct native *native, const Froe__Envelope *envelope)
{
	Froe__Pong pong = FROE__PONG__INIT;
	pong.has_data = envelope->ping->has_data;
	pong.data = envelope->ping->data;
	if (pong.data.len > REQUEST_PING_BYTES_MAX)
		return native_break(native, FROE_TOO_LARGE,
		    "a Ping has %zu bytes of data; at most %u are "
		    "sent back",
		    pong.data.len, REQUEST_PING_BYTES_MAX);
	native_send(native, envelope->request, FROE__ENVELOPE__BODY_PONG, &pong.base);
	return TAKEN;
}

static enum taken
take_open(struct native *native, const Froe__Envelope *envelope, const char *text_bad)
{
	switch ((int)envelope->body_case) {
	case FROE__ENVELOPE__BODY_PING:
		return take_ping(native, envelope);
	case FROE__ENVELOPE__BODY_PONG:
		return TAKEN; /* that bytes came is all it says */
	case FROE__ENVELOPE__BODY_CREDIT:
		native_grant(native, envelope->credit->bytes);
		return TAKEN; /* passed on by native_step */
	default:
		if (envelope->request == 0)
			return native_break(native, FROE_PROTOCOL,
			    "message %d without a request number: "
			    "number requests from 1",
			    (int)envelope->body_case);
		return take_request(native, envelope, text_bad);
	}
}

/* Where in the body a path of the whole envelope points; in the definition for a WorkflowPut. */
static const char *
field_in_body(const Froe__Envelope *envelope, const char *field)
{
	unsigned skip = envelope->body_case == FROE__ENVELOPE__BODY_WORKFLOW_PUT ? 2 : 1;
	for (const char *dot; skip > 0 && (dot = strchr(field, '.')) != NULL; skip--)
		field = dot + 1;
	return field;
}

/* What is written in the usual way is good; of all else wire_check says what is wrong with it. */
static const Froe__Envelope *
native_unpack(struct native *native, struct bytes frame, enum wire_result *ret_result,
    char field[WIRE_FIELD_SIZE])
{
	const ProtobufCMessageDescriptor *type = &froe__envelope__descriptor;
	ProtobufCMessage *message = message_decode(type, frame, native->arena);
	field[0] = 0;
	*ret_result = WIRE_GOOD;
	if (message == NULL) {
		arena_reset(native->arena);
		*ret_result = wire_check(type, frame, field);
		if (*ret_result != WIRE_BAD)
			message = wire_unpack(type, frame, native->arena);
	}
	return (const void *)message;
}

static enum taken
take_message(struct native *native, struct bytes frame)
{
	char field[WIRE_FIELD_SIZE];
	enum wire_result result;
	const Froe__Envelope *envelope = native_unpack(native, frame, &result, field);
	if (envelope == NULL)
		return native_break(native, FROE_PROTOCOL,
		    "these %zu bytes are not an Envelope%s%s", frame.size,
		    field[0] != 0 ? ": see " : "", field);
	const char *text_bad = result == WIRE_TEXT ? field_in_body(envelope, field) : "";
	if (native->state == NATIVE_HELLO)
		return take_hello(native, envelope, text_bad);
	return take_open(native, envelope, text_bad);
}

/* Frames that became commands at once, in a row. They are decoded together: a command's way through
 * engine and log takes more code than the processor keeps at hand, so that what decodes them would
 * have to be fetched again for each. */
#define AHEAD_MAX 8u

struct ahead {
	struct straight straights[AHEAD_MAX];
	size_t sizes[AHEAD_MAX]; /* of their frames, with the header */
	unsigned count;
	unsigned taken;
};

static void
look_ahead(const struct native *native, struct ahead *ahead)
{
	struct bytes rest = buf_bytes(&native->conn->input), frame;
	ahead->count = ahead->taken = 0;
	if (native->state != NATIVE_OPEN)
		return;
	while (ahead->count < AHEAD_MAX &&
	    frame_next(rest, FROE_MESSAGE_BYTES_MAX, &frame) == FRAME_WHOLE &&
	    straight_decode(frame, &ahead->straights[ahead->count])) {
		size_t size = FRAME_HEADER_SIZE + frame.size;
		ahead->sizes[ahead->count++] = size;
		rest = bytes_of(rest.data + size, rest.size - size);
	}
}

/* --------------------------------------------------------------------------------- steps */

static void
native_take_preface(struct native *native)
{
	struct buf *input = &native->conn->input;
	froe_assert(buf_used(input) >= FRAME_PREFACE_SIZE); /* sniffed */
	buf_pop(input, FRAME_PREFACE_SIZE);
	sm_move(NATIVE_TABLE, &native->state, NATIVE_HELLO);
}

/* Is the next frame wanted at all now? */
static bool
native_reads(struct native *native)
{
	return (native->state == NATIVE_HELLO || native->state == NATIVE_OPEN) &&
	    conn_serving(native->conn) && !conn_choked(native->conn);
}

static enum frame_result
native_next(const struct native *native, struct bytes *ret_frame)
{
	uint32_t max =
	    native->state == NATIVE_HELLO ? FROE_HELLO_BYTES_MAX : FROE_MESSAGE_BYTES_MAX;
	return frame_next(buf_bytes(&native->conn->input), max, ret_frame);
}

/* The next frame, which is none of those that become commands at once. TAKEN_NONE: there is none,
 * or none any more. */
static enum taken
native_take(struct native *native, size_t *ret_size)
{
	struct bytes frame = {0};
	enum frame_result result = native_next(native, &frame);
	*ret_size = FRAME_HEADER_SIZE + frame.size;
	switch (result) {
	case FRAME_MORE:
		if (native->conn->ended)
			native_end(native, CONN_CLOSE_PEER);
		return TAKEN_NONE;
	case FRAME_EMPTY:
		native_break(native, FROE_PROTOCOL, "a frame of 0 bytes");
		return TAKEN_NONE;
	case FRAME_TOO_LARGE:
		native_break(native, FROE_TOO_LARGE,
		    "a frame of %u bytes; here at most %u are taken",
		    le32_load(buf_bytes(&native->conn->input).data),
		    native->state == NATIVE_HELLO ? FROE_HELLO_BYTES_MAX : FROE_MESSAGE_BYTES_MAX);
		return TAKEN_NONE;
	case FRAME_WHOLE:
		break;
	}
	arena_reset(native->arena);
	return take_message(native, frame);
}

static enum taken
native_take_next(struct native *native, struct ahead *ahead, size_t *ret_size)
{
	if (ahead->taken == ahead->count)
		look_ahead(native, ahead);
	if (ahead->taken == ahead->count)
		return native_take(native, ret_size);
	*ret_size = ahead->sizes[ahead->taken];
	return take_straight(native, &ahead->straights[ahead->taken++]);
}

static enum api_progress
native_step_frames(struct native *native)
{
	struct ahead ahead;
	ahead.count = ahead.taken = 0;
	for (unsigned i = 0; native_reads(native); i++) {
		size_t size;
		if (i == NATIVE_FRAMES_MAX)
			return API_AGAIN;
		enum taken taken = native_take_next(native, &ahead, &size);
		if (taken == TAKEN_NONE)
			return API_IDLE;
		if (taken == TAKEN_NOT_ROOM)
			return API_BLOCKED;
		native->owes = taken == TAKEN_NOT_OWED;
		if (native->owes)
			return API_IDLE; /* each answer steps it again */
		buf_pop(&native->conn->input, size);
		conn_count(&native->conn->set->count.requests, 1);
		if (!native_pass_credit(native))
			return API_BLOCKED;
	}
	return API_IDLE;
}

/* Silence is met with a Ping once; conn closes if it goes on. */
static void
native_ask_quiet(struct native *native)
{
	if (!native->conn->quiet) {
		native->pinged = false;
	} else if (!native->pinged && native->state == NATIVE_OPEN) {
		Froe__Ping ping = FROE__PING__INIT;
		native_send(native, 0, FROE__ENVELOPE__BODY_PING, &ping.base);
		native->pinged = true;
	}
}

enum api_progress
native_step(struct native *native)
{
	struct conn *conn = native->conn;
	enum api_progress progress = API_IDLE;
	native->posted = 0;
	if (native->state == NATIVE_CLOSED || !conn_serving(conn))
		return API_IDLE;
	if (native->state == NATIVE_PREFACE)
		native_take_preface(native);
	if (native->drain && native->state <= NATIVE_OPEN)
		native_drain(native);
	if (!native_pass_credit(native))
		progress = API_BLOCKED;
	else
		progress = native_step_frames(native);
	native_ask_quiet(native);
	if (native->state == NATIVE_DRAINING && native->requests.count == 0)
		native_end(native, CONN_CLOSE_DRAINED);
	if (conn->ended && (native->state == NATIVE_OPENING || native->state == NATIVE_DRAINING))
		native_end(native, CONN_CLOSE_PEER);
	conn->held = progress != API_IDLE || !native_reads(native) || native->owes;
	return progress;
}

/* ------------------------------------------------------------------------------- effects */

static bool
is_error(const struct api_effect *effect)
{
	return effect->number == FROE__ENVELOPE__BODY_ERROR;
}

/* An answer that does not fit a message is replaced; a push is the shard's to keep small. */
static void
native_send_too_large(struct native *native, const struct api_effect *effect, size_t size)
{
	struct froe_fault fault;
	froe_assert(effect->request != 0);
	enum froe_err err = fault_set(&fault, FROE_TOO_LARGE,
	    "the answer has %zu bytes; a message has "
	    "at most %u: ask for less (without payloads, or with TaskOutputGet)",
	    size, FROE_MESSAGE_BYTES_MAX);
	FROE_DROP(err, "it is sent, not returned");
	native_send_fault(native, effect->request, &fault);
}

void
native_deliver(struct native *native, const struct api_effect *effect)
{
	struct conn *conn = native->conn;
	if (native->state == NATIVE_CLOSED || !conn_serving(conn))
		return;
	if (native->state == NATIVE_OPENING && effect->number == FROE__ENVELOPE__BODY_WELCOME) {
		sm_move(NATIVE_TABLE, &native->state, NATIVE_OPEN);
		native->roles = effect->roles;
	}
	size_t size = envelope_encode(effect, FROE_MESSAGE_BYTES_MAX,
	    effect->late ? conn_output_late(conn) : conn_output(conn));
	if (size > FROE_MESSAGE_BYTES_MAX)
		native_send_too_large(native, effect, size);
	if (is_push(effect->number))
		native_count_push(native, size);
	if (effect->request != 0 && effect->number != FROE__ENVELOPE__BODY_RUN_EVENT)
		requests_remove(native, effect->request);
	if (native->state == NATIVE_OPENING && is_error(effect))
		native_end(native, CONN_CLOSE_REFUSED);
	if (effect->close)
		native_end(native, CONN_CLOSE_DRAINED);
	if (conn->held || native->state == NATIVE_DRAINING)
		conn_ready(conn); /* it may go on now */
}

void
native_drain(struct native *native)
{
	if (native->state < NATIVE_OPEN) {
		native->drain = true; /* Goaway follows the Welcome, or nothing follows */
		if (native->state != NATIVE_OPENING)
			native_end(native, CONN_CLOSE_DRAINED);
		return;
	}
	native->drain = false;
	if (native->state != NATIVE_OPEN)
		return;
	char reason[] = "the server stops: connect again later";
	Froe__Goaway goaway = FROE__GOAWAY__INIT;
	goaway.reason = reason;
	native_send(native, 0, FROE__ENVELOPE__BODY_GOAWAY, &goaway.base);
	sm_move(NATIVE_TABLE, &native->state, NATIVE_DRAINING);
	conn_ready(native->conn);
}

bool
native_close(struct native *native)
{
	if (native->state != NATIVE_CLOSED)
		sm_move(NATIVE_TABLE, &native->state, NATIVE_CLOSED);
	if (!native->open_posted || native->close_posted)
		return true;
	struct api_command command = {.op = API_OP_CLOSE};
	native->close_posted = native_post(native, &command, 0);
	return native->close_posted;
}
