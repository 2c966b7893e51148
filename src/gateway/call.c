/*
 * gateway/call: unary calls.
 *
 *   open      finds the token's session
 *   message   kept until the shard has said who the token is
 *   run       decoded, and handled: answered at once, or after what the shard says
 *   close     the client has its answer, or wants none: what still comes is dropped
 */
#include "gateway/gateway_int.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/trigger.h"

#include <stdarg.h>
#include <stdio.h>

void
call_open(struct grpc_call *grpc)
{
	struct call *call = mem_zalloc(sizeof(*call));
	call->grpc = grpc;
	call->gateway = gateway_of(grpc);
	call->unary = unary_of(grpc);
	list_init(&call->link);
	list_init(&call->held);
	buf_init(&call->message);
	buf_init(&call->kept);
	grpc_call_set_context(grpc, call);
}

void
call_close(struct grpc_call *grpc, enum grpc_end end)
{
	struct call *call = grpc_call_context(grpc);
	(void)end;
	ask_drop(call->ask);
	list_remove(&call->link);
	list_remove(&call->held);
	buf_release(&call->message);
	buf_release(&call->kept);
	trigger_free(call->triggers);
	change_free(call->change);
	mem_free(call);
}

enum grpc_taken
call_message(struct grpc_call *grpc, struct bytes message)
{
	struct call *call = grpc_call_context(grpc);
	buf_push(&call->message, message.data, message.size);
	call->session = session_of(call->gateway, grpc);
	if (call->session == NULL)
		call_refuse(call, FROE_RESOURCE_EXHAUSTED, "", "too many connections are open");
	else if (call->session->seat.state == SEAT_OPENING)
		list_push(&call->session->waiting, &call->link);
	else
		call_run(call);
	return GRPC_TAKEN;
}

/* ----------------------------------------------------------------------------------- ends */

/* It is answered: what is left is its close. */
static void
call_end(struct call *call)
{
	ask_drop(call->ask);
	call->ask = NULL;
	change_stop(call->change);
	list_remove(&call->link);
	list_remove(&call->held);
}

void
call_reply(struct call *call, const ProtobufCMessage *message)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	struct buf packed;
	buf_init(&packed);
	protobuf_c_message_pack(message, buf_reserve(&packed, size + 1));
	buf_commit(&packed, size);
	grpc_reply(call->grpc, buf_bytes(&packed));
	buf_release(&packed);
	call_end(call);
}

void
call_fail(struct call *call, const struct froe_fault *fault)
{
	if (fault->code == FROE_UNAUTHENTICATED)
		grpc_finish(call->grpc, GRPC_UNAUTHENTICATED, "invalid auth token",
		    bytes_of(NULL, 0));
	else
		grpc_fail(call->grpc, fault);
	call_end(call);
}

void
call_refuse(struct call *call, enum froe_err code, const char *field, const char *format, ...)
{
	struct froe_fault fault = {.code = code};
	va_list args;
	va_start(args, format);
	vsnprintf(fault.text, sizeof(fault.text), format, args);
	va_end(args);
	snprintf(fault.field, sizeof(fault.field), "%s", field);
	call_fail(call, &fault);
}

/* -------------------------------------------------------------------------------- running */

static void
call_handle(struct call *call, struct arena *arena)
{
	char field[WIRE_FIELD_SIZE];
	struct bytes message = buf_bytes(&call->message);
	enum wire_result result = wire_check(call->unary->request, message, field);
	const char *name = strchr(field, '.') != NULL ? strchr(field, '.') + 1 : field;
	if (result == WIRE_TEXT) {
		call_refuse(call, FROE_INVALID_ARGUMENT, name,
		    "%s is not UTF-8 text without zero bytes", name);
		return;
	}
	const ProtobufCMessage *request =
	    result == WIRE_GOOD ? wire_unpack(call->unary->request, message, arena) : NULL;
	if (request == NULL)
		call_refuse(call, FROE_INVALID_ARGUMENT, "", "these %zu bytes are not a %s",
		    message.size, call->unary->request->short_name);
	else
		call->unary->handle(call, request, arena);
}

void
call_again(struct call *call)
{
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	call_handle(call, &arena);
	arena_release(&arena);
}

void
call_run(struct call *call)
{
	struct session *session = call->session;
	if (session->seat.state != SEAT_OPEN) {
		call_fail(call, &session->seat.fault);
		return;
	}
	grpc_api_know(grpc_api_of(call->grpc));
	list_push(&session->calls, &call->link);
	call_again(call);
}

/* --------------------------------------------------------------------------------- asking */

static bool
on_answer(struct ask *ask, const struct answer *answer)
{
	struct call *call = ask->owner;
	call_then *then = (call_then *)(void (*)(void))ask->then;
	call->ask = NULL;
	then(call, answer);
	return true;
}

void
call_ask(struct call *call, Froe__Envelope *envelope, const struct ask_options *options,
    struct arena *arena, call_then *then)
{
	struct froe_fault fault;
	struct ask_options asked = options != NULL ? *options : (struct ask_options){0};
	froe_assert(call->ask == NULL);
	asked.answer = on_answer;
	asked.owner = call;
	asked.then = (void (*)(void))then;
	if (seat_ask(&call->session->seat, envelope, &asked, arena, &call->ask, &fault) != FROE_OK)
		call_fail(call, &fault);
}

bool
call_failed(struct call *call, const struct answer *answer)
{
	struct froe_fault fault;
	if (!answer_fault(answer, &fault))
		return false;
	call_fail(call, &fault);
	return true;
}
