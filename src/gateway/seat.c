#include "gateway/seat.h"

#include "api/access.h"
#include "api/jwt.h"
#include "api/envelope.h"
#include "api/request.h"
#include "api/wire.h"
#include "base/mem.h"

#include <stdio.h>

/* A command that waits for room at the port. */
struct seat_later {
	struct list link;
	struct api_command *command; /* owned */
};

void
seats_init(struct seats *seats, struct api_gateway *api)
{
	seats->api = api;
	list_init(&seats->all);
	list_init(&seats->backlogged);
}

/* -------------------------------------------------------------------------------- posting */

static void
asks_drop(struct seat *seat)
{
	struct list *node;
	while ((node = list_pop(&seat->asks)) != NULL)
		mem_free(container_of(node, struct ask, link));
	map_release(&seat->by_request);
}

static void
seat_leave(struct seat *seat)
{
	seat->seats->api->seats->give(seat->seats->api->seats, seat->handle);
	list_remove(&seat->link);
	asks_drop(seat);
	seat->gone(seat);
}

/* False: what is left waits for room. */
static bool
backlog_post(struct seat *seat)
{
	struct api_port *port = seat->seats->api->port;
	while (!list_empty(&seat->backlog)) {
		struct seat_later *later =
		    container_of(seat->backlog.next, struct seat_later, link);
		if (!port->post(port, later->command))
			return false;
		list_remove(&later->link);
		mem_free(later->command);
		mem_free(later);
	}
	return true;
}

void
seats_turn(struct seats *seats)
{
	struct list *node;
	while ((node = list_pop(&seats->backlogged)) != NULL) {
		struct seat *seat = container_of(node, struct seat, backlogged);
		if (!backlog_post(seat)) {
			list_push_front(&seats->backlogged, &seat->backlogged);
			return;
		}
		if (seat->state == SEAT_CLOSING)
			seat_leave(seat);
	}
}

static void
seat_post(struct seat *seat, struct api_command *command)
{
	struct api_port *port = seat->seats->api->port;
	command->origin.conn = seat->handle;
	if (command->op == API_OP_ENGINE)
		command->engine.origin = command->origin;
	if (list_empty(&seat->backlog) && port->post(port, command))
		return;
	struct seat_later *later = mem_zalloc(sizeof(*later));
	later->command = api_command_clone(command);
	list_push(&seat->backlog, &later->link);
	if (!list_linked(&seat->backlogged))
		list_push(&seat->seats->backlogged, &seat->backlogged);
}

/* --------------------------------------------------------------------------------- answers */

static struct ask *
ask_new(struct seat *seat)
{
	struct ask *ask = mem_zalloc(sizeof(*ask));
	ask->request = ++seat->requests;
	list_push(&seat->asks, &ask->link);
	map_put_u64(&seat->by_request, ask->request, ask);
	return ask;
}

static void
ask_free(struct seat *seat, struct ask *ask)
{
	map_remove_u64(&seat->by_request, ask->request);
	list_remove(&ask->link);
	mem_free(ask);
}

void
ask_drop(struct ask *ask)
{
	if (ask != NULL)
		ask->owner = NULL;
}

bool
answer_fault(const struct answer *answer, struct froe_fault *ret_fault)
{
	if (answer->number != FROE__ENVELOPE__BODY_ERROR)
		return false;
	const Froe__Error *error = (const void *)answer->message;
	const char *text = error->text != NULL ? error->text : "";
	*ret_fault = (struct froe_fault){.code = (enum froe_err)error->code};
	snprintf(ret_fault->field, sizeof(ret_fault->field), "%s",
	    error->field != NULL ? error->field : "");
	if (error->n_faults > 0 && error->faults[0]->field != NULL)
		snprintf(ret_fault->text, sizeof(ret_fault->text), "%s: %s",
		    error->faults[0]->field,
		    error->faults[0]->text != NULL ? error->faults[0]->text : "");
	else
		snprintf(ret_fault->text, sizeof(ret_fault->text), "%s", text);
	return true;
}

static void
seat_welcome(struct seat *seat, const struct answer *answer, uint32_t roles)
{
	if (answer_fault(answer, &seat->fault)) {
		seat->state = SEAT_REFUSED;
	} else {
		const Froe__Welcome *welcome = (const void *)answer->message;
		froe_assert(answer->number == FROE__ENVELOPE__BODY_WELCOME);
		seat->state = SEAT_OPEN;
		seat->roles = roles;
		seat->tenant = jwt_tenant(
		    bytes_text(welcome->tenant != NULL ? welcome->tenant : ""));
	}
	seat->opened(seat);
}

/* Its token has ended, or the server stops. */
static void
seat_cut(struct seat *seat)
{
	if (seat->state == SEAT_CLOSING)
		return;
	seat->state = SEAT_REFUSED;
	FROE_DROP(fault_set(&seat->fault, FROE_UNAUTHENTICATED,
	              "the token is not valid any more"), "it is kept");
	seat->opened(seat);
}

static void
seat_hear(struct seat *seat, const struct api_effect *effect, const struct answer *answer)
{
	struct ask *ask;
	if (seat->state == SEAT_OPENING) {
		seat_welcome(seat, answer, effect->roles);
	} else if (effect->close) {
		seat_cut(seat);
	} else if (effect->request == 0) {
		if (seat->push != NULL)
			seat->push(seat, answer);
	} else if ((ask = map_get_u64(&seat->by_request, effect->request)) != NULL) {
		if (ask->owner == NULL
		        ? answer->number != FROE__ENVELOPE__BODY_RUN_EVENT ||
		            ((const Froe__RunEvent *)(const void *)answer->message)->final
		        : ask->answer(ask, answer))
			ask_free(seat, ask);
	}
}

static const ProtobufCMessage *
effect_message(const struct api_effect *effect, struct arena *arena)
{
	if (effect->message != NULL)
		return effect->message;
	const ProtobufCFieldDescriptor *field =
	    protobuf_c_message_descriptor_get_field(&froe__envelope__descriptor, effect->number);
	froe_assert(field != NULL);
	const ProtobufCMessage *message =
	    wire_unpack(field->descriptor, effect->packed, arena);
	froe_assert(message != NULL); /* the shard made it */
	return message;
}

static bool
is_push(uint32_t number)
{
	return number == FROE__ENVELOPE__BODY_DISPATCH ||
	    number == FROE__ENVELOPE__BODY_RUN_EVENT || number == FROE__ENVELOPE__BODY_NODE_DONE;
}

static void
on_deliver(struct api_seat *api, const struct api_effect *effect)
{
	struct seat *seat = (struct seat *)(void *)api;
	struct arena arena;
	if (seat->state == SEAT_CLOSING || seat->state == SEAT_REFUSED)
		return;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	struct answer answer = {
	    .number = effect->number,
	    .message = effect_message(effect, &arena),
	    .arena = &arena,
	};
	if (is_push(effect->number))
		answer.size = envelope_size(effect);
	seat->hearing = true;
	seat_hear(seat, effect, &answer);
	seat->hearing = false;
	arena_release(&arena);
	if (seat->state == SEAT_CLOSING && list_empty(&seat->backlog))
		seat_leave(seat);
}

/* ---------------------------------------------------------------------------- opening, end */

bool
seat_open(struct seat *seat, struct seats *seats, struct bytes token, const struct api_peer *peer)
{
	seat->api.deliver = on_deliver;
	seat->seats = seats;
	list_init(&seat->backlogged);
	list_init(&seat->backlog);
	list_init(&seat->asks);
	map_init(&seat->by_request);
	if (!seats->api->seats->take(seats->api->seats, &seat->api, &seat->handle))
		return false;
	list_push(&seats->all, &seat->link);
	seat->state = SEAT_OPENING;
	struct api_command command = {
	    .op = API_OP_OPEN,
	    .open = {.token = token, .push_window = SEAT_WINDOW},
	};
	if (peer != NULL)
		command.open.peer = *peer;
	command.origin.request = ++seat->requests;
	seat_post(seat, &command);
	return true;
}

void
seat_close(struct seat *seat)
{
	struct api_command command = {.op = API_OP_CLOSE};
	if (seat->state == SEAT_CLOSING)
		return;
	seat->state = SEAT_CLOSING;
	seat_post(seat, &command);
	if (list_empty(&seat->backlog) && !seat->hearing)
		seat_leave(seat);
}

void
seats_release(struct seats *seats)
{
	struct list *node;
	while ((node = seats->all.next) != &seats->all) {
		struct seat *seat = container_of(node, struct seat, link);
		while ((node = list_pop(&seat->backlog)) != NULL) {
			struct seat_later *later = container_of(node, struct seat_later, link);
			mem_free(later->command);
			mem_free(later);
		}
		list_remove(&seat->link);
		list_remove(&seat->backlogged);
		asks_drop(seat);
		seat->gone(seat);
	}
}

/* ---------------------------------------------------------------------------------- asking */

enum froe_err
seat_ask(struct seat *seat, Froe__Envelope *envelope, const struct ask_options *options,
    struct arena *arena, struct ask **ret_ask, struct froe_fault *fault)
{
	struct api_command command;
	froe_assert(seat->state == SEAT_OPEN);
	enum froe_err err = options->trusted || (seat->roles & options->role) != 0
	    ? FROE_OK
	    : access_check((uint32_t)envelope->body_case, seat->roles, fault);
	if (err == FROE_OK)
		err = request_decode(envelope, arena, &command, fault);
	if (err == FROE_OK && !options->trusted)
		err = access_starts_check(&command, seat->roles, fault);
	if (err != FROE_OK)
		return err;
	struct ask *ask = ask_new(seat);
	ask->answer = options->answer;
	ask->owner = options->owner;
	ask->then = options->then;
	command.holder = options->holder;
	command.attempt = options->attempt;
	command.worker = options->worker;
	command.origin.request = ask->request;
	if (ret_ask != NULL)
		*ret_ask = ask;
	seat_post(seat, &command);
	return FROE_OK;
}

void
seat_credit(struct seat *seat, uint64_t bytes)
{
	struct api_command command = {.op = API_OP_CREDIT, .credit.bytes = bytes};
	if (bytes > 0 && seat->state == SEAT_OPEN)
		seat_post(seat, &command);
}
