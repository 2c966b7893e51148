/*
 * What goes out. A message is queued with its prefix as one piece; nghttp2 asks for the next bytes
 * when the client's windows allow (call_read). So what a slow reader costs is what is queued, and
 * that is bounded where it is queued.
 *
 * When has a message left? A piece is pulled into a frame, the frame into the connection's output.
 * After the frame the call has a mark: "so many messages, once so many bytes of the connection have
 * left". One mark at a time: what is pulled meanwhile gets the next one.
 */
#include "net/grpc_int.h"

#include "base/duration.h"
#include "base/mem.h"
#include "base/message.h"

#include <stdio.h>

#define FIELD(name, text) ((struct http2_field){bytes_text(name), text})
#define STATUS_SIZE 4u

static struct bytes
status_text(enum grpc_status status, char to[STATUS_SIZE])
{
	snprintf(to, STATUS_SIZE, "%u", (unsigned)status & 31);
	return bytes_text(to);
}

/* The fields that say how it ended; how many. */
static size_t
call_trailer(const struct grpc_call *call, char text[STATUS_SIZE], struct http2_field to[3])
{
	size_t count = 0;
	to[count++] = FIELD("grpc-status", status_text(call->status, text));
	if (buf_used(&call->text) > 0)
		to[count++] = FIELD("grpc-message", buf_bytes(&call->text));
	if (buf_used(&call->details) > 0)
		to[count++] = FIELD("grpc-status-details-bin", buf_bytes(&call->details));
	return count;
}

/* What is asked for; all of it is taken. Some clients compress whatever they say, until they hear
 * that they need not. */
static struct bytes
accepted(const struct grpc_call *call)
{
	return bytes_text(call->grpc->near ? "identity" : "identity,deflate,gzip");
}

void
grpc_begin(struct grpc_call *call)
{
	if (call->responded || call->finished || call->closed)
		return;
	struct http2_field fields[4] = {
	    FIELD(":status", bytes_text("200")),
	    FIELD("content-type", bytes_text("application/grpc")),
	    FIELD("grpc-accept-encoding", accepted(call)),
	    FIELD("grpc-encoding", bytes_text("gzip")),
	};
	call->responded = true;
	http2_respond(call->grpc->http2, call->id, fields, call->zips ? 4 : 3, /* body= */ true);
	call->grpc->ready(call->grpc->owner);
}

void
call_finish_early(struct grpc_call *call, const char *http_status)
{
	char text[STATUS_SIZE];
	struct http2_field fields[6] = {
	    FIELD(":status", bytes_text(http_status)),
	    FIELD("content-type", bytes_text("application/grpc")),
	    FIELD("grpc-accept-encoding", accepted(call)),
	};
	froe_assert(!call->responded && call->finished);
	size_t count = 3 + call_trailer(call, text, fields + 3);
	call->responded = true;
	call->trailed = true;
	http2_respond(call->grpc->http2, call->id, fields, count, /* body= */ false);
}

/* ------------------------------------------------------------------------------- messages */

static bool
call_room(const struct grpc_call *call)
{
	bool own = call->queued_bytes < GRPC_CALL_QUEUED_MAX;
	if (call->method->kind == GRPC_UNARY)
		return call->grpc->queued_bytes < GRPC_QUEUED_HARD_MAX;
	return own && call->grpc->queued_bytes < GRPC_QUEUED_MAX;
}

static void
call_queue(struct grpc_call *call, struct bytes message)
{
	struct grpc *grpc = call->grpc;
	struct bytes zipped;
	bool zip = call->zips && message.size >= GRPC_GZIP_BYTES_MIN &&
	    codec_deflate(grpc->codec, message, &zipped);
	struct bytes body = zip ? zipped : message;
	struct grpc_piece *piece = mem_alloc(sizeof(*piece) + GRPC_PREFIX_BYTES + body.size);
	*piece = (struct grpc_piece){.size = GRPC_PREFIX_BYTES + body.size};
	piece->data[0] = zip;
	for (unsigned i = 0; i < 4; i++)
		piece->data[1 + i] = (uint8_t)(body.size >> (24 - 8 * i));
	if (body.size > 0)
		memcpy(piece->data + GRPC_PREFIX_BYTES, body.data, body.size);
	if (list_empty(&call->queue)) {
		call->moved_ns = grpc->now_ns;
		grpc_due(grpc, grpc->now_ns + GRPC_STALL_MS * NS_PER_MS);
	}
	list_push(&call->queue, &piece->node);
	call->queued_bytes += piece->size;
	grpc->queued_bytes += piece->size;
	call->sent++;
	grpc_count_add(&call->grpc->counts->sent, 1);
}

bool
grpc_send(struct grpc_call *call, struct bytes message)
{
	froe_assert(call->magic == GRPC_CALL_MAGIC);
	froe_assert(message.size <= GRPC_MESSAGE_BYTES_MAX);
	if (call->finished || call->closed)
		return false;
	if (!call_room(call)) {
		if (!list_linked(&call->refused))
			list_push(&call->grpc->refused, &call->refused);
		return false;
	}
	grpc_begin(call);
	call_queue(call, message);
	http2_resume(call->grpc->http2, call->id);
	call->grpc->ready(call->grpc->owner);
	return true;
}

static void
piece_free(struct grpc_call *call, struct grpc_piece *piece)
{
	list_remove(&piece->node);
	call->queued_bytes -= piece->size;
	call->grpc->queued_bytes -= piece->size;
	mem_free(piece);
}

void
call_drop_queue(struct grpc_call *call)
{
	while (!list_empty(&call->queue))
		piece_free(call, container_of(call->queue.next, struct grpc_piece, node));
}

/* Nothing after it: the trailers follow. */
static void
call_trail(struct grpc_call *call)
{
	char text[STATUS_SIZE];
	struct http2_field fields[3];
	size_t count = call_trailer(call, text, fields);
	call->trailed = true;
	http2_trail(call->grpc->http2, call->id, fields, count);
}

size_t
call_read(struct grpc_call *call, uint8_t *to, size_t size, bool *ret_end)
{
	size_t read = 0;
	while (read < size && !list_empty(&call->queue)) {
		struct grpc_piece *piece =
		    container_of(call->queue.next, struct grpc_piece, node);
		size_t left = piece->size - piece->at;
		size_t part = left < size - read ? left : size - read;
		memcpy(to + read, piece->data + piece->at, part);
		piece->at += part;
		read += part;
		if (piece->at < piece->size)
			break;
		call->pulled++;
		piece_free(call, piece);
	}
	if (read > 0) {
		call->moved_ns = call->grpc->now_ns;
		if (!list_linked(&call->pulling))
			list_push(&call->grpc->pulling, &call->pulling);
	}
	if (list_empty(&call->queue) && call->finished) {
		call_trail(call);
		*ret_end = true;
	}
	return read;
}

void
call_writable(struct grpc_call *call)
{
	struct grpc *grpc = call->grpc;
	bool room = call->queued_bytes <= GRPC_CALL_QUEUED_MAX / 2 &&
	    grpc->queued_bytes < GRPC_QUEUED_MAX;
	if (!call->finished && !room)
		return;
	list_remove(&call->refused);
	if (!call->finished && !call->closed && call->method->writable != NULL)
		call->method->writable(call);
}

/* ------------------------------------------------------------------------------------ ends */

void
grpc_finish(struct grpc_call *call, enum grpc_status status, const char *text, struct bytes details)
{
	froe_assert(call->magic == GRPC_CALL_MAGIC);
	if (call->finished || call->closed)
		return;
	call->finished = true;
	call->status = status;
	if (text != NULL)
		text_encode(&call->text, bytes_text(text));
	if (details.size > 0)
		text_encode_base64(&call->details, details);
	call_drop_input(call);
	if (!call->responded)
		call_finish_early(call, "200");
	else
		http2_resume(call->grpc->http2, call->id);
	call->grpc->ready(call->grpc->owner);
}

void
grpc_reply(struct grpc_call *call, struct bytes message)
{
	froe_assert(call->method->kind == GRPC_UNARY);
	char text[96];
	if (message.size > GRPC_MESSAGE_BYTES_MAX) {
		snprintf(text, sizeof(text), "the answer has %zu bytes: at most %zu are sent",
		    message.size, GRPC_MESSAGE_BYTES_MAX);
		grpc_finish(call, GRPC_RESOURCE_EXHAUSTED, text, bytes_of(NULL, 0));
	} else if (grpc_send(call, message)) {
		grpc_finish(call, GRPC_OK, NULL, bytes_of(NULL, 0));
	} else {
		grpc_finish(call, GRPC_RESOURCE_EXHAUSTED,
		    "this connection has too many answers that were not read", bytes_of(NULL, 0));
	}
}

enum grpc_status
grpc_status_of(enum froe_err err)
{
	static const enum grpc_status STATUS[] = {
	    [FROE_OK] = GRPC_OK,
	    [FROE_INVALID_ARGUMENT] = GRPC_INVALID_ARGUMENT,
	    [FROE_NOT_FOUND] = GRPC_NOT_FOUND,
	    [FROE_ALREADY_EXISTS] = GRPC_ALREADY_EXISTS,
	    [FROE_FAILED_PRECONDITION] = GRPC_FAILED_PRECONDITION,
	    [FROE_LEASE_LAPSED] = GRPC_FAILED_PRECONDITION,
	    [FROE_PROTOCOL] = GRPC_INTERNAL,
	    [FROE_UNSUPPORTED] = GRPC_UNIMPLEMENTED,
	    [FROE_TOO_LARGE] = GRPC_RESOURCE_EXHAUSTED,
	    [FROE_RESOURCE_EXHAUSTED] = GRPC_RESOURCE_EXHAUSTED,
	    [FROE_UNAVAILABLE] = GRPC_UNAVAILABLE,
	    [FROE_TIMEOUT] = GRPC_UNAVAILABLE,
	    [FROE_INDEX_BEHIND] = GRPC_UNAVAILABLE,
	    [FROE_CLOSED] = GRPC_UNAVAILABLE,
	    [FROE_CANCELLED] = GRPC_CANCELLED,
	    [FROE_NO_SPACE] = GRPC_RESOURCE_EXHAUSTED,
	    [FROE_CORRUPT] = GRPC_DATA_LOSS,
	    [FROE_NONDETERMINISM] = GRPC_FAILED_PRECONDITION,
	    [FROE_UNAUTHENTICATED] = GRPC_UNAUTHENTICATED,
	    [FROE_FORBIDDEN] = GRPC_PERMISSION_DENIED,
	};
	size_t count = sizeof(STATUS) / sizeof(STATUS[0]);
	if ((size_t)err >= count || (STATUS[err] == GRPC_OK && err != FROE_OK))
		return GRPC_INTERNAL;
	return STATUS[err];
}

/* google.rpc.Status, with a google.rpc.BadRequest that names the field, for programs that read it:
 * https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto */
static void
fault_details(const struct froe_fault *fault, const char *text, struct buf *to)
{
	struct buf violation, request, any;
	buf_init(&violation);
	buf_init(&request);
	buf_init(&any);
	message_put_bytes(&violation, 1, bytes_text(fault->field));
	message_put_bytes(&violation, 2, bytes_text(fault->text));
	message_put_bytes(&request, 1, buf_bytes(&violation));
	message_put_bytes(&any, 1, bytes_text("type.googleapis.com/google.rpc.BadRequest"));
	message_put_bytes(&any, 2, buf_bytes(&request));
	message_put_number(to, 1, grpc_status_of(fault->code));
	message_put_bytes(to, 2, bytes_text(text));
	message_put_bytes(to, 3, buf_bytes(&any));
	buf_release(&violation);
	buf_release(&request);
	buf_release(&any);
}

void
grpc_fail(struct grpc_call *call, const struct froe_fault *fault)
{
	char text[sizeof(fault->field) + sizeof(fault->text) + 2];
	bool field = fault->field[0] != 0;
	bool said = strncmp(fault->text, fault->field, strlen(fault->field)) == 0;
	struct buf details;
	buf_init(&details);
	snprintf(text, sizeof(text), "%s%s%s", said ? "" : fault->field,
	    field && !said ? ": " : "", fault->text);
	if (field)
		fault_details(fault, text, &details);
	grpc_finish(call, grpc_status_of(fault->code), text, buf_bytes(&details));
	buf_release(&details);
}
