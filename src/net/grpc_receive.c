/*
 * What comes in: a request's head is judged once it is complete, messages are put together from
 * the bytes of DATA frames.
 *
 * A unary or server-streaming method gets its only message when the client has said its end, so
 * that two of them are a fault before anything was done. A bidirectional one gets each when it is
 * complete. Whoever is finished gets nothing: the rest of its request is thrown away.
 */
#include "net/grpc_int.h"

#include <stdio.h>

/* What cannot be made smaller, gzip makes larger: by 5 bytes in 16 KiB, and its own head. */
#define ZIP_BYTES_MORE ((size_t)8 << 10)

/* ---------------------------------------------------------------------------------- heads */

void
call_field(struct grpc_call *call, struct bytes name, struct bytes value)
{
	uint8_t sizes[8];
	le32_store(sizes, (uint32_t)name.size);
	le32_store(sizes + 4, (uint32_t)value.size);
	buf_push(&call->head, sizes, sizeof(sizes));
	buf_push(&call->head, name.data, name.size);
	buf_push(&call->head, value.data, value.size);
}

struct bytes
grpc_call_header(const struct grpc_call *call, const char *name)
{
	struct bytes wanted = bytes_text(name), head = buf_bytes(&call->head);
	while (head.size > 0) {
		size_t name_size = le32_load(head.data), value_size = le32_load(head.data + 4);
		size_t size = 8 + name_size + value_size;
		if (bytes_equal(bytes_of(head.data + 8, name_size), wanted))
			return bytes_of(head.data + 8 + name_size, value_size);
		head = bytes_of(head.data + size, head.size - size);
	}
	return bytes_of(NULL, 0);
}

/* "application/grpc", "application/grpc+proto", "application/grpc;..." */
static bool
type_is_grpc(struct bytes type)
{
	static const char GRPC[] = "application/grpc";
	size_t size = sizeof(GRPC) - 1;
	if (type.size < size || memcmp(type.data, GRPC, size) != 0)
		return false;
	return type.size == size || type.data[size] == '+' || type.data[size] == ';';
}

/* Says so in HTTP's words too: who asks this does not speak gRPC. */
static void
refuse_http(struct grpc_call *call, const char *http_status, const char *text)
{
	call->finished = true;
	call->end = GRPC_END_REFUSED;
	call->status = GRPC_INTERNAL;
	text_encode(&call->text, bytes_text(text));
	call_finish_early(call, http_status);
}

static const struct grpc_method *
method_find(const struct grpc *grpc, struct bytes path)
{
	for (size_t i = 0; i < grpc->methods->count; i++) {
		if (bytes_equal(path, bytes_text(grpc->methods->methods[i].path)))
			return &grpc->methods->methods[i];
	}
	return NULL;
}

static bool
head_encoding(struct grpc_call *call)
{
	struct bytes encoding = grpc_call_header(call, "grpc-encoding");
	call->zips = !call->grpc->near &&
	    text_has_word(grpc_call_header(call, "grpc-accept-encoding"), "gzip");
	if (encoding.size == 0 || bytes_equal(encoding, bytes_text("identity")))
		return true;
	call->encoding = GRPC_ZIPPED;
	if (bytes_equal(encoding, bytes_text("gzip")) ||
	    bytes_equal(encoding, bytes_text("deflate")))
		return true;
	grpc_refuse(call, GRPC_UNIMPLEMENTED, "messages in \"%.*s\": only identity, gzip and "
	    "deflate are read here", (int)(encoding.size < 64 ? encoding.size : 64), encoding.data);
	return false;
}

static bool
head_timeout(struct grpc_call *call)
{
	struct bytes text = grpc_call_header(call, "grpc-timeout");
	uint64_t timeout_ns;
	if (text.size == 0)
		return true;
	if (!text_decode_timeout(text, &timeout_ns)) {
		grpc_refuse(call, GRPC_INTERNAL, "grpc-timeout is not a number and a unit: "
		    "\"%.*s\"", (int)(text.size < 32 ? text.size : 32), text.data);
		return false;
	}
	call->deadline_ns = call->grpc->now_ns + timeout_ns;
	grpc_due(call->grpc, call->deadline_ns);
	return true;
}

void
call_head(struct grpc_call *call, bool large)
{
	struct bytes path = grpc_call_header(call, ":path");
	if (large) {
		grpc_refuse(call, GRPC_RESOURCE_EXHAUSTED, "the request's headers are larger than "
		    "%zu bytes", HTTP2_HEAD_BYTES_MAX);
		return;
	}
	if (call->grpc->draining) {
		/* The GOAWAY tells the client that this was not looked at: it must not be. */
		grpc_refuse(call, GRPC_UNAVAILABLE, "the server stops");
		return;
	}
	if (call->grpc->refusal != NULL) {
		grpc_refuse(call, GRPC_FAILED_PRECONDITION, "%s", call->grpc->refusal);
		grpc_drain(call->grpc);
		return;
	}
	if (!bytes_equal(grpc_call_header(call, ":method"), bytes_text("POST"))) {
		refuse_http(call, "405", "gRPC calls are POST requests");
		return;
	}
	if (!type_is_grpc(grpc_call_header(call, "content-type"))) {
		refuse_http(call, "415", "only application/grpc is answered over HTTP/2");
		return;
	}
	const struct grpc_method *method = method_find(call->grpc, path);
	if (method == NULL) {
		grpc_refuse(call, GRPC_UNIMPLEMENTED, "there is no method %.*s here",
		    (int)(path.size < 200 ? path.size : 200), path.data);
		return;
	}
	if (!head_encoding(call) || !head_timeout(call))
		return;
	call->method = method;
	call->opened = true;
	if (method->open != NULL)
		method->open(call);
}

/* ------------------------------------------------------------------------------- messages */

void
call_drop_input(struct grpc_call *call)
{
	call->grpc->held_bytes -= buf_used(&call->input);
	buf_release(&call->input);
}

static void
input_pop(struct grpc_call *call, size_t size)
{
	call->grpc->held_bytes -= size;
	buf_pop(&call->input, size);
	if (buf_used(&call->input) == 0)
		buf_release(&call->input); /* most have no other */
}

static size_t
message_size(const struct grpc_call *call)
{
	const uint8_t *at = buf_bytes(&call->input).data;
	return (size_t)at[1] << 24 | (size_t)at[2] << 16 | (size_t)at[3] << 8 | at[4];
}

/* What is wrong with what has come so far is said at once, not when all of it is there. */
static bool
prefix_good(struct grpc_call *call)
{
	uint8_t zipped = buf_bytes(&call->input).data[0];
	size_t size = message_size(call);
	if (size > GRPC_MESSAGE_BYTES_MAX + (zipped != 0 ? ZIP_BYTES_MORE : 0)) {
		grpc_refuse(call, GRPC_RESOURCE_EXHAUSTED, "a message of %zu bytes: at most %zu "
		    "are taken", size, GRPC_MESSAGE_BYTES_MAX);
		return false;
	}
	if (zipped > 1 || (zipped == 1 && call->encoding == GRPC_IDENTITY)) {
		grpc_refuse(call, GRPC_INTERNAL, zipped > 1
		        ? "a message's first byte is neither 0 nor 1"
		        : "a compressed message without grpc-encoding");
		return false;
	}
	return true;
}

/* The method gets the message at the input's front. */
static enum grpc_taken
message_give(struct grpc_call *call, size_t size)
{
	const uint8_t *at = buf_bytes(&call->input).data;
	struct bytes message = bytes_of(at + GRPC_PREFIX_BYTES, size);
	struct froe_fault fault;
	if (at[0] == 1 && codec_inflate(call->grpc->codec, message, GRPC_MESSAGE_BYTES_MAX,
	        &message, &fault) != FROE_OK) {
		grpc_refuse(call, grpc_status_of(fault.code), "%s", fault.text);
		return GRPC_TAKEN;
	}
	enum grpc_taken taken = call->method->message(call, message);
	if (taken == GRPC_TAKEN) {
		call->took = true;
		grpc_count_add(&call->grpc->counts->received, 1);
	}
	return taken;
}

/* One message alone, and its end. False: not taken. */
static bool
take_only(struct grpc_call *call, size_t size)
{
	if (buf_used(&call->input) > GRPC_PREFIX_BYTES + size) {
		grpc_refuse(call, GRPC_INTERNAL, "more than one message: this method takes one");
		return true;
	}
	if (!call->ended)
		return true;
	if (message_give(call, size) == GRPC_LATER && !call->finished)
		return false;
	if (!call->finished)
		input_pop(call, GRPC_PREFIX_BYTES + size);
	return true;
}

/* The client has said its end. */
static void
call_halve(struct grpc_call *call)
{
	bool only = call->method->kind != GRPC_BIDI;
	if (buf_used(&call->input) > 0)
		grpc_refuse(call, GRPC_INTERNAL, "the request ends within a message");
	else if (only && !call->took)
		grpc_refuse(call, GRPC_INTERNAL, "no message: this method takes one");
	else if (!only && !call->halved && call->method->half_close == NULL)
		grpc_finish(call, GRPC_OK, NULL, bytes_of(NULL, 0));
	else if (!only && !call->halved)
		call->method->half_close(call);
	call->halved = true;
}

bool
call_take(struct grpc_call *call)
{
	while (!call->finished && buf_used(&call->input) >= GRPC_PREFIX_BYTES) {
		if (!prefix_good(call))
			return true;
		size_t size = message_size(call);
		if (buf_used(&call->input) < GRPC_PREFIX_BYTES + size)
			break;
		if (call->method->kind != GRPC_BIDI) {
			if (!take_only(call, size))
				return false;
			break;
		}
		if (message_give(call, size) == GRPC_LATER && !call->finished)
			return false;
		if (!call->finished)
			input_pop(call, GRPC_PREFIX_BYTES + size);
	}
	if (call->ended && !call->finished && !call->halved)
		call_halve(call);
	return true;
}

bool
call_data(struct grpc_call *call, struct bytes data)
{
	struct grpc *grpc = call->grpc;
	if (call->finished)
		return true;
	buf_push(&call->input, data.data, data.size);
	grpc->held_bytes += data.size;
	if (grpc->held_bytes > GRPC_HELD_MAX) {
		grpc_refuse(call, GRPC_RESOURCE_EXHAUSTED, "this connection has begun more than "
		    "%zu bytes of messages at a time", GRPC_HELD_MAX);
		return true;
	}
	return list_linked(&call->stalled) || call_take(call);
}
