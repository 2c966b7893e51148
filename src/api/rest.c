/*
 * A call goes through these:
 *
 *   begun    route, query: what is wrong with them is answered at once
 *   session  the connection's session is the one of this token and tenant, or the old one is
 *            closed and another one opened: API_OP_CLOSE, API_OP_OPEN, Welcome
 *   judged   roles, and whose tenant it is
 *   asked    the operation asks (rest_ask) and hears (its reply function), until it has finished
 *   done     http_api sends the answer and ends the call
 *
 * Commands are posted by rest_step alone. What the port refuses stays in the list of asks.
 */
#include "api/rest_int.h"

#include "api/jwt.h"
#include "api/request.h"
#include "api/wire.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#define PREFIX "/api/"

void
rest_open(struct rest *rest, struct api_port *port, const atomic_bool *ready, uint64_t handle)
{
	*rest = (struct rest){
	    .port = port,
	    .ready = ready,
	    .handle = handle,
	    .last = REST_NUMBER_FIRST,
	};
	buf_init(&rest->credential);
	buf_init(&rest->tenant_name);
}

void
rest_release(struct rest *rest)
{
	rest_end(rest);
	buf_release(&rest->credential);
	buf_release(&rest->tenant_name);
}

bool
rest_serves(struct bytes path)
{
	size_t size = sizeof(PREFIX) - 1;
	return path.size >= size && memcmp(path.data, PREFIX, size) == 0;
}

/* ----------------------------------------------------------------------------------- memory */

void *
rest_zalloc(struct rest_call *call, size_t size)
{
	void *block = arena_alloc(&call->arena, size > 0 ? size : 1);
	return memset(block, 0, size);
}

struct bytes
rest_keep(struct rest_call *call, struct bytes text)
{
	uint8_t *copy = rest_zalloc(call, text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	return bytes_of(copy, text.size);
}

/* ---------------------------------------------------------------------------------- answers */

unsigned
rest_status(enum froe_err err)
{
	static const struct {
		enum froe_err err;
		unsigned status;
	} ROWS[] = {
	    {FROE_INVALID_ARGUMENT, 400}, {FROE_UNSUPPORTED, 400}, {FROE_PROTOCOL, 400},
	    {FROE_UNAUTHENTICATED, 403}, {FROE_FORBIDDEN, 403}, {FROE_NOT_FOUND, 404},
	    {FROE_ALREADY_EXISTS, 409}, {FROE_FAILED_PRECONDITION, 409}, {FROE_TOO_LARGE, 413},
	    {FROE_RESOURCE_EXHAUSTED, 429}, {FROE_UNAVAILABLE, 503}, {FROE_TIMEOUT, 503},
	    {FROE_INDEX_BEHIND, 503},
	};
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		if (ROWS[i].err == err)
			return ROWS[i].status;
	}
	return 500;
}

struct sheet
rest_sheet(struct rest_call *call)
{
	buf_reset(&call->out);
	return (struct sheet){.to = &call->out};
}

void
rest_write_pages(struct sheet *sheet, uint64_t current, uint64_t next, uint64_t count)
{
	sheet_open(sheet, '{');
	sheet_put_number(sheet, "current_page", current);
	if (next != 0)
		sheet_put_number(sheet, "next_page", next);
	sheet_put_number(sheet, "num_pages", count);
	sheet_close(sheet, '}');
}

void
rest_finish(struct rest_call *call, unsigned status)
{
	froe_assert(!call->done);
	call->done = true;
	call->status = status;
	if (status == 429 || status == 503)
		call->extra = "Retry-After: 1\r\n";
}

static void
fail(struct rest_call *call, unsigned status, uint32_t code, const char *field, const char *text)
{
	struct sheet sheet = rest_sheet(call);
	sheet_open(&sheet, '{');
	sheet_key(&sheet, "errors");
	sheet_open(&sheet, '[');
	sheet_open(&sheet, '{');
	if (code != 0)
		sheet_put_number(&sheet, "code", code);
	if (field != NULL && field[0] != 0)
		sheet_put(&sheet, "field", field);
	sheet_put(&sheet, "description", text);
	sheet_close(&sheet, '}');
	sheet_close(&sheet, ']');
	sheet_close(&sheet, '}');
	rest_finish(call, status);
}

void
rest_fail(struct rest_call *call, unsigned status, const char *field, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fail(call, status, 0, field, text);
}

void
rest_fail_fault(struct rest_call *call, const struct froe_fault *fault)
{
	fail(call, rest_status(fault->code), (uint32_t)fault->code, fault->field, fault->text);
}

static void
fail_error(struct rest_call *call, const Froe__Error *error)
{
	fail(call, rest_status((enum froe_err)error->code), error->code, error->field,
	    error->text != NULL ? error->text : "");
}

bool
rest_failed(struct rest_call *call, const struct rest_reply *reply)
{
	if (reply->error == NULL)
		return false;
	fail_error(call, reply->error);
	return true;
}

size_t
rest_held_bytes(const struct rest *rest)
{
	const struct rest_call *call = rest->call;
	return call == NULL
		   ? 0
		   : sizeof(*call) + call->arena.taken + call->batch.taken + call->out.capacity;
}

bool
rest_done(const struct rest *rest, struct rest_answer *ret_answer)
{
	const struct rest_call *call = rest->call;
	if (call == NULL || !call->done)
		return false;
	*ret_answer = (struct rest_answer){
	    .status = call->status,
	    .type = call->type != NULL ? call->type : "application/json",
	    .extra = call->extra,
	    .body = buf_bytes(&call->out),
	};
	return true;
}

/* ----------------------------------------------------------------------------------- asking */

static bool
ask_decode(struct rest_call *call, uint32_t number, const ProtobufCMessage *message,
    struct api_command *ret_command)
{
	struct froe_fault fault;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field(&froe__envelope__descriptor, number);
	envelope.body_case = (Froe__Envelope__BodyCase)number;
	memcpy((uint8_t *)&envelope + field->offset, &message, sizeof(message));
	arena_reset(&call->message);
	if (request_decode(&envelope, &call->message, ret_command, &fault) == FROE_OK)
		return true;
	rest_fail_fault(call, &fault);
	return false;
}

bool
rest_ask(struct rest_call *call, uint32_t number, const ProtobufCMessage *message,
    rest_reply_fn *reply, uint32_t tag)
{
	struct api_command command;
	froe_assert(call->ask_count < REST_ASKS_MAX);
	if (!ask_decode(call, number, message, &command))
		return false;
	struct rest_ask *ask = mem_zalloc(sizeof(*ask));
	ask->tag = tag;
	ask->reply = reply;
	ask->command = api_command_clone(&command);
	list_push(&call->asks, &ask->link);
	call->ask_count++;
	return true;
}

static void
ask_free(struct rest_call *call, struct rest_ask *ask)
{
	list_remove(&ask->link);
	call->ask_count--;
	mem_free(ask->command);
	mem_free(ask);
}

static bool
post(struct rest *rest, struct api_command *command, uint64_t request)
{
	command->origin = (struct eng_origin){.conn = rest->handle, .request = request};
	if (command->op == API_OP_ENGINE)
		command->engine.origin = command->origin;
	return rest->port->post(rest->port, command);
}

/* The answer may come while it is being posted: the ask may be gone then. */
static bool
ask_post(struct rest *rest, struct rest_ask *ask)
{
	struct api_command *command = ask->command;
	ask->command = NULL;
	ask->request = ++rest->last;
	if (post(rest, command, ask->request)) {
		mem_free(command);
		return true;
	}
	ask->request = 0;
	ask->command = command;
	return false;
}

static struct rest_ask *
ask_unposted(struct rest_call *call)
{
	struct list *at;
	list_for_each(at, &call->asks) {
		struct rest_ask *ask = container_of(at, struct rest_ask, link);
		if (ask->request == 0)
			return ask;
	}
	return NULL;
}

static struct rest_ask *
ask_find(struct rest_call *call, uint64_t request)
{
	struct list *at;
	list_for_each(at, &call->asks) {
		struct rest_ask *ask = container_of(at, struct rest_ask, link);
		if (ask->request == request)
			return ask;
	}
	return NULL;
}

/* ------------------------------------------------------------------------------------ begin */

/* The token of "Bearer TOKEN"; empty: none. */
static struct bytes
bearer(struct bytes authorization)
{
	static const char SCHEME[] = "bearer ";
	size_t size = sizeof(SCHEME) - 1;
	if (authorization.size <= size ||
	    strncasecmp((const char *)authorization.data, SCHEME, size) != 0)
		return bytes_of(NULL, 0);
	return bytes_of(authorization.data + size, authorization.size - size);
}

static void
fail_route(struct rest_call *call, uint32_t allow)
{
	struct buf text;
	if (allow == 0) {
		rest_fail(call, 404, NULL,
		    "nothing is served at this path: see /api/v1/openapi.json");
		return;
	}
	buf_init(&text);
	buf_push_text(&text, "Allow: ");
	for (uint32_t i = 0; i <= HTTP_METHOD_OTHER; i++) {
		if ((allow & UINT32_C(1) << i) == 0)
			continue;
		buf_printf(&text, "%s%s", buf_used(&text) > 7 ? ", " : "",
		    rest_method_name((enum http_method)i));
	}
	buf_push_text(&text, "\r\n");
	rest_fail(call, 405, NULL, "this path is not for this method: see /api/v1/openapi.json");
	call->extra = (const char *)rest_keep(call, buf_bytes(&text)).data;
	buf_release(&text);
}

void
rest_begin(struct rest *rest, const struct http_request *request)
{
	uint32_t allow = 0;
	froe_assert(rest->call == NULL);
	struct rest_call *call = mem_zalloc(sizeof(*call));
	arena_init(&call->arena, 0);
	arena_init(&call->message, WIRE_ARENA_BYTES_MAX);
	arena_init(&call->batch, 0);
	list_init(&call->asks);
	buf_init(&call->out);
	rest->call = call;
	call->rest = rest;
	call->method = request->method;
	call->path = rest_keep(call, request->path);
	call->query_text = rest_keep(call, request->query);
	uint8_t *body = rest_zalloc(call, http_body_size(request) + 1);
	http_body_copy(request, body);
	call->body = bytes_of(body, http_body_size(request));
	call->token = rest_keep(call, bearer(request->authorization));
	call->route =
	    rest_route_find(call->method, call->path, call->params, &call->tenant, &allow);
	if (call->route == NULL)
		fail_route(call, allow);
	else if (call->token.size > REQUEST_TOKEN_BYTES_MAX)
		rest_fail(call, 403, NULL, "the token is longer than any that is made here");
	else
		FROE_DROP(rest_query_parse(call), "it was refused, and that is the answer");
}

void
rest_end(struct rest *rest)
{
	struct rest_call *call = rest->call;
	if (call == NULL)
		return;
	while (!list_empty(&call->asks))
		ask_free(call, container_of(call->asks.next, struct rest_ask, link));
	json_decref(call->json);
	buf_release(&call->out);
	arena_release(&call->arena);
	arena_release(&call->message);
	arena_release(&call->batch);
	mem_free(call);
	rest->call = NULL;
}

/* ---------------------------------------------------------------------------------- session */

/* A tenant that the path names by its name is asked for by it; one by its id is compared. */
static struct bytes
tenant_named(const struct rest_call *call)
{
	struct uuid id;
	if (uuid_parse((const char *)call->tenant.data, call->tenant.size, &id))
		return bytes_of(NULL, 0);
	return call->tenant;
}

static bool
credential_same(const struct rest_call *call)
{
	struct bytes have = buf_bytes(&call->rest->credential);
	struct bytes tenant = tenant_named(call);
	return have.size == call->token.size + 1 + tenant.size &&
	    bytes_equal(bytes_of(have.data, call->token.size), call->token) &&
	    bytes_equal(bytes_of(have.data + call->token.size + 1, tenant.size), tenant);
}

static void
credential_keep(struct rest_call *call)
{
	struct buf *to = &call->rest->credential;
	struct bytes tenant = tenant_named(call);
	buf_reset(to);
	buf_push(to, call->token.data, call->token.size);
	buf_push(to, "", 1);
	buf_push(to, tenant.data, tenant.size);
}

/* False: no room. */
static bool
session_open(struct rest_call *call)
{
	struct rest *rest = call->rest;
	struct api_command close = {.op = API_OP_CLOSE};
	struct api_command open = {
	    .op = API_OP_OPEN,
	    .open = {.tenant = tenant_named(call), .token = call->token, .peer = rest->peer},
	};
	rest->session = REST_NONE;
	if (rest->open_posted && !post(rest, &close, 0))
		return false;
	rest->open_posted = false;
	rest->session = REST_OPENING;
	rest->opened = ++rest->last;
	rest->open_posted = true;
	if (post(rest, &open, rest->opened))
		return true;
	rest->session = REST_NONE;
	rest->open_posted = false;
	return false;
}

static bool
role_may(const struct rest_call *call)
{
	uint32_t roles = call->route->roles | (uint32_t)ENG_ROLE_ADMIN;
	return (call->rest->roles & roles) != 0;
}

static void
call_judge(struct rest_call *call)
{
	struct uuid id;
	bool by_id = uuid_parse((const char *)call->tenant.data, call->tenant.size, &id);
	call->begun = true;
	if (!role_may(call))
		rest_fail(call, 403, NULL, "the token's roles do not allow this");
	else if (by_id && !uuid_equal(id, call->rest->tenant))
		rest_fail(call, 403, "tenant", "the token is for another tenant");
	else
		call->route->begin(call);
}

static void
session_deliver(struct rest *rest, const struct api_effect *effect, const struct rest_reply *reply)
{
	const Froe__Welcome *welcome = (const Froe__Welcome *)reply->message;
	rest->session = REST_NONE;
	if (reply->number == FROE__ENVELOPE__BODY_WELCOME) {
		rest->session = REST_OPEN;
		rest->roles = effect->roles;
		rest->tenant = jwt_tenant(bytes_text(welcome->tenant));
		buf_reset(&rest->tenant_name);
		buf_push(&rest->tenant_name, welcome->tenant, strlen(welcome->tenant) + 1);
		credential_keep(rest->call);
	} else if (rest->call != NULL && !rest->call->done) {
		fail_error(rest->call, reply->error);
	}
}

/* ------------------------------------------------------------------------------------ steps */

static enum api_progress
call_step(struct rest_call *call)
{
	struct rest *rest = call->rest;
	struct rest_ask *ask;
	if (!call->begun && call->route->roles == REST_ANYONE) {
		call->begun = true;
		call->route->begin(call);
	}
	if (!call->begun && rest->session == REST_OPENING)
		return API_IDLE;
	if (!call->begun && (rest->session == REST_NONE || !credential_same(call)))
		return session_open(call) ? API_AGAIN : API_BLOCKED;
	if (!call->begun)
		call_judge(call);
	while (!call->done && (ask = ask_unposted(call)) != NULL) {
		if (!ask_post(rest, ask))
			return API_BLOCKED;
	}
	froe_assert(call->done || call->ask_count > 0); /* or nothing would ever end it */
	return API_IDLE;
}

enum api_progress
rest_step(struct rest *rest)
{
	enum api_progress progress = API_AGAIN;
	while (progress == API_AGAIN) {
		if (rest->call == NULL || rest->call->done)
			return API_IDLE;
		progress = call_step(rest->call);
	}
	return progress;
}

/* Every answer that a call may ask for. */
static const ProtobufCMessageDescriptor *
message_type(uint32_t number)
{
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field(&froe__envelope__descriptor, number);
	return field != NULL ? field->descriptor : NULL;
}

/* False: it is not a message that is known. */
static bool
reply_read(struct rest_call *call, const struct api_effect *effect, struct rest_reply *ret_reply)
{
	const ProtobufCMessageDescriptor *type = message_type(effect->number);
	arena_reset(&call->message);
	*ret_reply = (struct rest_reply){.number = effect->number, .message = effect->message};
	if (effect->message == NULL && type != NULL)
		ret_reply->message = wire_unpack(type, effect->packed, &call->message);
	if (effect->number == FROE__ENVELOPE__BODY_ERROR)
		ret_reply->error = (const Froe__Error *)ret_reply->message;
	return ret_reply->message != NULL;
}

void
rest_deliver(struct rest *rest, const struct api_effect *effect)
{
	struct rest_call *call = rest->call;
	struct rest_reply reply;
	if (effect->close) {
		rest->cut = true;
		rest->session = REST_NONE;
		if (call != NULL && !call->done)
			rest_fail(call, 403, NULL, "the token was revoked, or has expired");
		return;
	}
	if (call == NULL || call->done)
		return;
	bool opens = rest->session == REST_OPENING && effect->request == rest->opened;
	struct rest_ask *ask = opens ? NULL : ask_find(call, effect->request);
	if (effect->request == 0 || (!opens && ask == NULL))
		return;
	if (!reply_read(call, effect, &reply)) {
		rest_fail(call, 500, NULL, "an answer of the server could not be read");
		return;
	}
	if (opens) {
		session_deliver(rest, effect, &reply);
		return;
	}
	rest_reply_fn *heard = ask->reply;
	uint32_t tag = ask->tag;
	ask_free(call, ask);
	heard(call, tag, &reply);
}

bool
rest_close(struct rest *rest)
{
	struct api_command close = {.op = API_OP_CLOSE};
	rest_end(rest);
	rest->session = REST_NONE;
	if (rest->open_posted && !post(rest, &close, 0))
		return false;
	rest->open_posted = false;
	return true;
}
