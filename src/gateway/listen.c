/*
 * gateway/listen: ListenV2, the stream on which a worker gets its tasks.
 *
 *   open, message   a seat says hello with the call's token
 *   opened          the worker is looked up: here, or, after a restart, in the shard
 *   registered      the shard knows that it is back, and what it holds; tasks come
 *   push            a task, or the end of one: an action is sent, or waits for room
 *   close           the seat goes: the shard gives the worker nothing until it listens again. What
 *                   did not reach it is given out again then (gateway/doubt.h), or when it is lost.
 */
#include "gateway/guest.h"

#include "api/wire.h"
#include "base/mem.h"
#include "gateway/action.h"
#include "gateway/doubt.h"
#include "gateway/durable.h"
#include "gateway/method.h"
#include "gateway/parcel.h"
#include "gateway/text.h"
#include "gateway/wait.h"

struct listener {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct guest *worker;  /* NULL: not found yet, or another listens for it */
	struct uuid id;
	struct list parcels;    /* that wait for room */
	uint64_t away_ns; /* how long its worker had none */
	bool seated;
	bool registered; /* the shard has said so */
};

static void
listener_free(struct listener *listener)
{
	parcels_free(&listener->parcels);
	mem_free(listener);
}

static void
on_gone(struct seat *seat)
{
	struct listener *listener = (struct listener *)(void *)seat;
	listener->seated = false;
	if (listener->grpc == NULL)
		listener_free(listener);
}

/* What has not left this process its worker has not got: the shard hears that when it is back. */
static void
forget_unsent(struct listener *listener, struct guest *worker)
{
	uint64_t written = listener->grpc != NULL ? grpc_written(listener->grpc) : 0;
	struct list *at, *next;
	for (at = worker->leases.next; at != &worker->leases; at = next) {
		struct lease *lease = container_of(at, struct lease, link);
		next = at->next;
		if (lease->message == LEASE_EARLIER || lease->started)
			continue;
		if (lease->message == 0 || lease->message > written)
			lease_free(listener->gateway, lease);
		else
			lease->message = LEASE_EARLIER;
	}
}

static void
listener_detach(struct listener *listener)
{
	struct guest *worker = listener->worker;
	if (worker == NULL)
		return;
	worker->listener = NULL;
	worker->gone_ns = gateway_now_ns(listener->gateway);
	doubt_end(worker);
	forget_unsent(listener, worker);
	listener->worker = NULL;
}

/* -------------------------------------------------------------------------------- actions */

static void
listener_pump(struct listener *listener)
{
	uint64_t credit = 0;
	struct lease *lease;
	while (listener->grpc != NULL && !list_empty(&listener->parcels)) {
		struct parcel *parcel =
		    container_of(listener->parcels.next, struct parcel, link);
		if (!grpc_send(listener->grpc, buf_bytes(&parcel->packed)))
			break;
		lease = parcel->lease != 0 ? lease_find(listener->gateway, parcel->task) : NULL;
		if (lease != NULL && lease->lease == parcel->lease)
			lease->message = grpc_sent(listener->grpc);
		credit += parcel->credit;
		parcel_free(parcel);
	}
	if (listener->seated)
		seat_credit(&listener->seat, credit);
}

static void
listener_send(struct listener *listener, const Hatchet__AssignedAction *action,
    const struct lease *lease, uint64_t credit)
{
	struct parcel *parcel = parcel_push(&listener->parcels, &action->base, credit);
	parcel->task = lease->task;
	parcel->lease = action->action_type == HATCHET__ACTION_TYPE__START_STEP_RUN ? lease->lease
	                                                                            : 0;
	listener_pump(listener);
}

/* It can never be sent: Hatchet's clients take no more than this. */
static void
too_large(struct listener *listener, const Froe__Dispatch *dispatch, struct arena *arena)
{
	static char text[] = "the task's input and its parents' outputs are together larger than "
	                     "the 4 MiB that a Hatchet client takes: pass references";
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskFail fail = FROE__TASK_FAIL__INIT;
	struct ask_options options = {.trusted = true};
	struct froe_fault fault;
	fail.has_task = fail.has_lease = fail.has_fatal = fail.fatal = true;
	fail.task = dispatch->task;
	fail.lease = dispatch->lease;
	fail.error = text;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_FAIL;
	envelope.task_fail = &fail;
	FROE_DROP(seat_ask(&listener->seat, &envelope, &options, arena, NULL, &fault),
	    "its text is good; else the task times out");
}

static void
on_dispatch(struct listener *listener, const struct answer *answer)
{
	const Froe__Dispatch *dispatch = (const void *)answer->message;
	struct uuid task;
	const Hatchet__AssignedAction *action =
	    action_start(dispatch, listener->seat.tenant, answer->arena);
	if (action == NULL ||
	    hatchet__assigned_action__get_packed_size(action) > GRPC_MESSAGE_BYTES_MAX) {
		too_large(listener, dispatch, answer->arena);
		seat_credit(&listener->seat, answer->size);
		return;
	}
	memcpy(task.bytes, dispatch->task.data, sizeof(task.bytes));
	struct lease *lease = lease_add(listener->gateway, listener->worker, task,
	    dispatch->lease, dispatch->attempt, dispatch->workflow, dispatch->name,
	    dispatch->action);
	lease->durable = dispatch->durable;
	listener_send(listener, action, lease, answer->size);
}

static void
send_cancel(struct listener *listener, struct uuid task, uint64_t number, struct arena *arena)
{
	struct lease *lease = lease_find(listener->gateway, task);
	if (lease == NULL || lease->lease != number || lease->worker != listener->worker)
		return;
	struct action_cancel cancel = {
	    .tenant = listener->seat.tenant,
	    .task = task,
	    .attempt = lease->attempt,
	    .invocation = lease->durable ? (uint32_t)lease->lease : 0,
	    .workflow = lease->workflow,
	    .name = lease->name,
	    .action = lease->action,
	};
	listener_send(listener, action_cancel(&cancel, arena), lease, 0);
	lease_free(listener->gateway, lease);
}

static void
on_push(struct seat *seat, const struct answer *answer)
{
	struct listener *listener = (struct listener *)(void *)seat;
	if (listener->worker == NULL)
		return; /* another listens now, and says what it holds */
	if (answer->number == FROE__ENVELOPE__BODY_DISPATCH) {
		on_dispatch(listener, answer);
	} else if (answer->number == FROE__ENVELOPE__BODY_REVOKE) {
		const Froe__Revoke *revoke = (const void *)answer->message;
		struct uuid task;
		memcpy(task.bytes, revoke->task.data, sizeof(task.bytes));
		send_cancel(listener, task, revoke->lease, answer->arena);
	} else if (answer->number == FROE__ENVELOPE__BODY_NODE_DONE) {
		wait_node_done(listener->gateway, (const void *)answer->message, answer->arena);
		outcome_node_done(listener->gateway, (const void *)answer->message, answer->arena);
		seat_credit(seat, answer->size);
	}
}

void
listener_lost(struct listener *listener)
{
	if (!listener->registered || listener->grpc == NULL)
		return;
	grpc_finish(listener->grpc, GRPC_UNAVAILABLE, "the worker was silent: listen again",
	    bytes_of(NULL, 0));
	listener_detach(listener);
}

void
listener_return(struct listener *listener, const struct lease *lease)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__TaskReturn given = FROE__TASK_RETURN__INIT;
	struct ask_options options = {.trusted = true};
	struct froe_fault fault;
	struct arena arena;
	arena_init(&arena, 0);
	given.has_task = given.has_lease = true;
	given.task = text_id_bytes(&arena, lease->task);
	given.lease = lease->lease;
	envelope.body_case = FROE__ENVELOPE__BODY_TASK_RETURN;
	envelope.task_return = &given;
	FROE_DROP(seat_ask(&listener->seat, &envelope, &options, &arena, NULL, &fault),
	    "it is a good message; else the task times out");
	arena_release(&arena);
}

/* ---------------------------------------------------------------------------- registering */

/* Results of its durable tasks that came while it did not listen. */
static void
courses_ask_again(const struct listener *listener, struct arena *arena)
{
	struct list *at;
	list_for_each(at, &listener->worker->leases) {
		const struct lease *lease = container_of(at, struct lease, link);
		struct course *course = course_find(listener->gateway, lease->task);
		if (course != NULL)
			outcome_ask_again(course, arena);
	}
}

static bool
on_registered(struct ask *ask, const struct answer *answer)
{
	struct listener *listener = ask->owner;
	struct froe_fault fault;
	if (answer_fault(answer, &fault)) {
		listener_detach(listener);
		stream_fail(listener->grpc, &fault);
		return true;
	}
	const Froe__WorkerRegistered *registered = (const void *)answer->message;
	if (listener->worker == NULL)
		return true;
	listener->worker->known = listener->registered = true;
	for (size_t i = 0; i < registered->n_lapsed; i++) {
		struct uuid task;
		memcpy(task.bytes, registered->lapsed[i]->task.data, sizeof(task.bytes));
		send_cancel(listener, task, registered->lapsed[i]->lease, answer->arena);
	}
	wait_ask_again(listener->gateway);
	courses_ask_again(listener, answer->arena);
	doubt_begin(listener->gateway, listener->worker, listener->away_ns);
	return true;
}

/* The stream it had is broken, whether or not that is known yet. */
static void
replace(struct listener *old)
{
	listener_detach(old);
	if (old->grpc != NULL)
		grpc_finish(old->grpc, GRPC_UNAVAILABLE, "the worker listens on another stream",
		    bytes_of(NULL, 0));
	if (old->seated)
		seat_close(&old->seat);
}

static void
listener_register(struct listener *listener, struct guest *worker, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct ask_options options = {.answer = on_registered, .owner = listener};
	struct froe_fault fault;
	uint64_t now_ns = gateway_now_ns(listener->gateway);
	listener->away_ns = worker->gone_ns != 0 ? now_ns - worker->gone_ns : worker->away_ns;
	if (worker->listener != NULL) {
		listener->away_ns = doubt_away_unknown_ns(listener->gateway);
		replace(worker->listener);
	}
	worker->listener = listener;
	listener->worker = worker;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKER_REGISTER;
	envelope.worker_register = guest_message(worker, arena);
	if (seat_ask(&listener->seat, &envelope, &options, arena, NULL, &fault) == FROE_OK)
		return;
	listener_detach(listener);
	stream_fail(listener->grpc, &fault);
}

static bool
on_worker(struct ask *ask, const struct answer *answer)
{
	struct listener *listener = ask->owner;
	struct froe_fault fault;
	if (listener->grpc == NULL)
		return true;
	if (answer_fault(answer, &fault)) {
		stream_fail(listener->grpc, &fault);
		return true;
	}
	struct uuid tenant = listener->seat.tenant;
	struct guest *worker = guest_find(listener->gateway, tenant, listener->id);
	if (worker == NULL)
		worker = guest_adopt(listener->gateway, tenant, (const void *)answer->message,
		    answer->arena);
	listener_register(listener, worker, answer->arena);
	return true;
}

static void
listener_ask(struct listener *listener, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__WorkerGet get = FROE__WORKER_GET__INIT;
	struct ask_options options = {.answer = on_worker, .owner = listener, .trusted = true};
	struct froe_fault fault;
	get.has_id = true;
	get.id = text_id_bytes(arena, listener->id);
	envelope.body_case = FROE__ENVELOPE__BODY_WORKER_GET;
	envelope.worker_get = &get;
	if (seat_ask(&listener->seat, &envelope, &options, arena, NULL, &fault) != FROE_OK)
		stream_fail(listener->grpc, &fault);
}

static void
on_opened(struct seat *seat)
{
	struct listener *listener = (struct listener *)(void *)seat;
	struct arena arena;
	if (seat->state == SEAT_REFUSED) {
		listener_detach(listener);
		stream_fail(listener->grpc, &seat->fault);
		seat_close(seat);
		return;
	}
	if (listener->grpc == NULL)
		return;
	grpc_api_know(grpc_api_of(listener->grpc));
	grpc_begin(listener->grpc);
	arena_init(&arena, 0);
	struct guest *worker = guest_find(listener->gateway, seat->tenant, listener->id);
	if (worker != NULL)
		listener_register(listener, worker, &arena);
	else
		listener_ask(listener, &arena);
	arena_release(&arena);
}

/* --------------------------------------------------------------------------------- stream */

void
listen_open(struct grpc_call *grpc)
{
	struct listener *listener = mem_zalloc(sizeof(*listener));
	listener->gateway = gateway_of(grpc);
	listener->grpc = grpc;
	list_init(&listener->parcels);
	listener->seat.opened = on_opened;
	listener->seat.push = on_push;
	listener->seat.gone = on_gone;
	grpc_call_set_context(grpc, listener);
}

enum grpc_taken
listen_message(struct grpc_call *grpc, struct bytes message)
{
	struct listener *listener = grpc_call_context(grpc);
	struct arena arena;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__WorkerListenRequest *request = (const void *)wire_unpack(
	    &hatchet__worker_listen_request__descriptor, message, &arena);
	bool good = request != NULL && text_id(request->worker_id, &listener->id);
	arena_release(&arena);
	if (!good) {
		grpc_finish(grpc, GRPC_INVALID_ARGUMENT, "worker_id is not a UUID",
		    bytes_of(NULL, 0));
		return GRPC_TAKEN;
	}
	listener->seated = seat_open(&listener->seat, &listener->gateway->seats,
	    session_token(grpc), grpc_api_peer(grpc_api_of(grpc)));
	if (!listener->seated)
		stream_full(grpc);
	return GRPC_TAKEN;
}

void
listen_writable(struct grpc_call *grpc)
{
	listener_pump(grpc_call_context(grpc));
}

void
listen_end(struct grpc_call *grpc, enum grpc_end end)
{
	struct listener *listener = grpc_call_context(grpc);
	(void)end;
	listener_detach(listener);
	listener->grpc = NULL;
	if (listener->seated)
		seat_close(&listener->seat);
	else
		listener_free(listener);
}
