#include "gateway/guest.h"

#include "api/request.h"
#include "api/wire.h"
#include "base/duration.h"
#include "base/mem.h"
#include "froe/limits.h"
#include "gateway/course.h"
#include "gateway/method.h"
#include "gateway/text.h"

/* Of a worker that says nothing of its slots. */
#define SLOTS_DEFAULT 100

/* --------------------------------------------------------------------------------- leases */

struct lease *
lease_find(struct gateway *gateway, struct uuid task)
{
	return map_get_uuid(&gateway->leases, task);
}

void
lease_free(struct gateway *gateway, struct lease *lease)
{
	course_forget(gateway, lease->task, lease->lease);
	map_remove_uuid(&gateway->leases, lease->task);
	list_remove(&lease->link);
	mem_free(lease->action);
	mem_free(lease->workflow);
	mem_free(lease->name);
	mem_free(lease);
}

struct lease *
lease_add(struct gateway *gateway, struct guest *worker, struct uuid task, uint64_t number,
    uint32_t attempt, const char *workflow, const char *name, const char *action)
{
	struct lease *lease = lease_find(gateway, task);
	if (lease != NULL)
		lease_free(gateway, lease);
	lease = mem_zalloc(sizeof(*lease));
	lease->worker = worker;
	lease->task = task;
	lease->lease = number;
	lease->attempt = attempt;
	lease->workflow = mem_strdup(workflow != NULL ? workflow : "");
	lease->name = mem_strdup(name != NULL ? name : "");
	lease->action = mem_strdup(action != NULL ? action : "");
	list_push(&worker->leases, &lease->link);
	map_put_uuid(&gateway->leases, task, lease);
	return lease;
}

/* -------------------------------------------------------------------------------- workers */

struct guest *
guest_find(struct gateway *gateway, struct uuid tenant, struct uuid id)
{
	struct guest *worker = map_get_uuid(&gateway->workers, id);
	if (worker == NULL || !uuid_equal(worker->tenant, tenant))
		return NULL;
	worker->seen_ns = gateway_now_ns(gateway);
	return worker;
}

struct guest *
guest_add(struct gateway *gateway, struct uuid tenant, struct uuid id,
    const Froe__WorkerRegister *registration)
{
	struct guest *worker = mem_zalloc(sizeof(*worker));
	size_t size = froe__worker_register__get_packed_size(registration);
	worker->id = id;
	worker->tenant = tenant;
	worker->seen_ns = gateway_now_ns(gateway);
	list_init(&worker->leases);
	buf_init(&worker->registration);
	froe__worker_register__pack(registration, buf_reserve(&worker->registration, size + 1));
	buf_commit(&worker->registration, size);
	map_put_uuid(&gateway->workers, id, worker);
	return worker;
}

void
guest_free(struct gateway *gateway, struct guest *worker)
{
	froe_assert(worker->listener == NULL);
	while (!list_empty(&worker->leases))
		lease_free(gateway, container_of(worker->leases.next, struct lease, link));
	map_remove_uuid(&gateway->workers, worker->id);
	buf_release(&worker->registration);
	mem_free(worker);
}

void
guest_release_all(struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->workers.capacity; i++) {
		/* Removal shifts entries back into this slot. */
		while (gateway->workers.entries[i].value != NULL)
			guest_free(gateway, gateway->workers.entries[i].value);
	}
}

void
guest_sweep(struct gateway *gateway, uint64_t now_ns)
{
	for (size_t i = 0; i < gateway->workers.capacity; i++) {
		struct guest *worker = gateway->workers.entries[i].value;
		if (worker != NULL && worker->listener == NULL &&
		    now_ns - worker->seen_ns > GATEWAY_WORKER_IDLE_NS)
			guest_free(gateway, worker);
	}
}

/* The shard's own list of slots: those of the default type stand apart. */
static void
slots_put(Froe__WorkerRegister *to, char *type, uint32_t count, Froe__Slots *slots)
{
	if (count == 0)
		return;
	if (strcmp(type, FROE_SLOT_DEFAULT) == 0) {
		to->has_slots = true;
		to->slots = count;
		return;
	}
	froe__slots__init(slots);
	slots->type = type;
	slots->has_count = true;
	slots->count = count;
	to->slot_types[to->n_slot_types++] = slots;
}

static Froe__WorkerRegister *
message_new(struct uuid id, char *name, size_t types, struct arena *arena)
{
	Froe__WorkerRegister *to = arena_alloc(arena, sizeof(*to));
	froe_assert(to != NULL);
	froe__worker_register__init(to);
	to->slot_types = arena_alloc(arena, (types + 1) * sizeof(*to->slot_types));
	froe_assert(to->slot_types != NULL);
	to->has_id = to->has_incarnation = true;
	to->id = text_id_bytes(arena, id);
	to->incarnation = API_INCARNATION_ROAMING;
	to->name = name;
	return to;
}

struct guest *
guest_adopt(
    struct gateway *gateway, struct uuid tenant, const Froe__WorkerView *view, struct arena *arena)
{
	struct uuid id;
	memcpy(id.bytes, view->id.data, sizeof(id.bytes));
	Froe__WorkerRegister *message = message_new(id, view->name, view->n_slots, arena);
	Froe__Slots *slots = arena_alloc(arena, (view->n_slots + 1) * sizeof(*slots));
	froe_assert(slots != NULL);
	for (size_t i = 0; i < view->n_slots; i++)
		slots_put(message, view->slots[i]->type, view->slots[i]->count, &slots[i]);
	message->actions = view->actions;
	message->n_actions = view->n_actions;
	struct guest *worker = guest_add(gateway, tenant, id, message);
	worker->known = true;
	worker->away_ns = view->away_ms * NS_PER_MS;
	for (size_t i = 0; i < view->n_held; i++) {
		const Froe__WorkerLease *held = view->held[i];
		struct uuid task;
		memcpy(task.bytes, held->task.data, sizeof(task.bytes));
		struct lease *lease = lease_add(gateway, worker, task, held->lease,
		    held->attempt, held->workflow, held->name, "");
		lease->message = LEASE_EARLIER;
		lease->started = lease->begun = held->begun;
		lease->adopted = true;
		lease->durable = held->durable;
	}
	return worker;
}

Froe__WorkerRegister *
guest_message(const struct guest *worker, struct arena *arena)
{
	Froe__WorkerRegister *message = (void *)wire_unpack(
	    &froe__worker_register__descriptor, buf_bytes(&worker->registration), arena);
	struct list *node;
	size_t count = 0;
	froe_assert(message != NULL);
	list_for_each(node, &worker->leases)
		count++;
	Froe__HeldLease *held = arena_alloc(arena, (count + 1) * sizeof(*held));
	message->held = arena_alloc(arena, (count + 1) * sizeof(*message->held));
	froe_assert(held != NULL && message->held != NULL);
	list_for_each(node, &worker->leases) {
		const struct lease *lease = container_of(node, struct lease, link);
		Froe__HeldLease *row = &held[message->n_held];
		froe__held_lease__init(row);
		row->has_task = row->has_lease = true;
		row->task = text_id_bytes(arena, lease->task);
		row->lease = lease->lease;
		message->held[message->n_held++] = row;
	}
	return message;
}

/* ------------------------------------------------------------------------------- Register */

static bool
register_slots(const Hatchet__WorkerRegisterRequest *request, struct arena *arena,
    Froe__WorkerRegister *to)
{
	Froe__Slots *slots = arena_alloc(arena, (request->n_slot_config + 1) * sizeof(*slots));
	froe_assert(slots != NULL);
	for (size_t i = 0; i < request->n_slot_config; i++) {
		if (request->slot_config[i]->value < 0)
			return false;
		slots_put(to, request->slot_config[i]->key,
		    (uint32_t)request->slot_config[i]->value, &slots[i]);
	}
	if (request->n_slot_config > 0)
		return true;
	/* SDKs of before durable slots: what they have is for both. */
	to->has_slots = true;
	to->slots = request->has_slots ? (uint32_t)request->slots : SLOTS_DEFAULT;
	slots_put(to, text_copy(arena, bytes_text(FROE_SLOT_DURABLE)), FROE_DURABLE_SLOTS, slots);
	return !request->has_slots || request->slots > 0;
}

/* The shard judges it when the worker listens; what it would refuse is said now. */
static bool
register_judged(struct call *call, Froe__WorkerRegister *message, struct arena *arena)
{
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	struct api_command command;
	struct froe_fault fault;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKER_REGISTER;
	envelope.worker_register = message;
	if (request_decode(&envelope, arena, &command, &fault) == FROE_OK)
		return true;
	call_fail(call, &fault);
	return false;
}

void
register_worker(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__WorkerRegisterRequest *request = (const void *)message;
	Hatchet__WorkerRegisterResponse response = HATCHET__WORKER_REGISTER_RESPONSE__INIT;
	uint8_t random[16];
	io_random(call->gateway->env, random, sizeof(random));
	struct uuid id = uuid_v7(io_wall_ns(call->gateway->env), random);
	struct uuid tenant = call->session->seat.tenant;
	if (request->has_slots && request->n_slot_config > 0) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "slots", "give slots or slot_config");
		return;
	}
	if (request->n_labels > 0 || text_given(request->webhook_id)) {
		call_refuse(call, FROE_INVALID_ARGUMENT,
		    request->n_labels > 0 ? "labels" : "webhook_id",
		    "this server does not have it yet: leave it out");
		return;
	}
	Froe__WorkerRegister *to =
	    message_new(id, request->worker_name, request->n_slot_config + 1, arena);
	if (!register_slots(request, arena, to)) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "slots", "give 1 or more slots");
		return;
	}
	to->n_actions = request->n_actions;
	to->actions = arena_alloc(arena, (request->n_actions + 1) * sizeof(char *));
	froe_assert(to->actions != NULL);
	for (size_t i = 0; i < request->n_actions; i++)
		to->actions[i] = text_lower(arena, request->actions[i]);
	if (!register_judged(call, to, arena))
		return;
	if (call->gateway->workers.count >= FROE_TENANT_WORKERS_MAX) {
		call_refuse(call, FROE_RESOURCE_EXHAUSTED, "",
		    "%u workers are registered: let some unsubscribe", FROE_TENANT_WORKERS_MAX);
		return;
	}
	guest_add(call->gateway, tenant, id, to);
	response.tenant_id = text_uuid(arena, tenant);
	response.worker_id = text_uuid(arena, id);
	response.worker_name = request->worker_name;
	call_reply(call, &response.base);
}

/* ---------------------------------------------------------------------------- Unsubscribe */

static void
on_left(struct call *call, const struct answer *answer)
{
	Hatchet__WorkerUnsubscribeResponse response = HATCHET__WORKER_UNSUBSCRIBE_RESPONSE__INIT;
	struct froe_fault fault;
	if (answer_fault(answer, &fault) && fault.code != FROE_NOT_FOUND) {
		call_fail(call, &fault);
		return;
	}
	response.tenant_id = text_uuid(answer->arena, call->session->seat.tenant);
	response.worker_id = text_uuid(answer->arena, call->id);
	call_reply(call, &response.base);
}

static bool
take_worker(struct call *call, const char *text)
{
	if (text_id(text, &call->id))
		return true;
	call_refuse(call, FROE_INVALID_ARGUMENT, "worker_id", "worker_id is not a UUID");
	return false;
}

void
unsubscribe(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__WorkerUnsubscribeRequest *request = (const void *)message;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__WorkerDrain drain = FROE__WORKER_DRAIN__INIT;
	if (!take_worker(call, request->worker_id))
		return;
	struct guest *worker =
	    guest_find(call->gateway, call->session->seat.tenant, call->id);
	if (worker != NULL && worker->listener == NULL)
		guest_free(call->gateway, worker);
	struct ask_options options = {.worker = call->id};
	drain.has_leave = drain.leave = true;
	envelope.body_case = FROE__ENVELOPE__BODY_WORKER_DRAIN;
	envelope.worker_drain = &drain;
	call_ask(call, &envelope, &options, arena, on_left);
}

/* ------------------------------------------------------------------------------ Heartbeat */

static void
on_beat(struct call *call, const struct answer *answer)
{
	Hatchet__HeartbeatResponse response = HATCHET__HEARTBEAT_RESPONSE__INIT;
	struct guest *worker =
	    guest_find(call->gateway, call->session->seat.tenant, call->id);
	struct froe_fault fault;
	bool lost = answer_fault(answer, &fault) &&
	    (fault.code == FROE_FAILED_PRECONDITION || fault.code == FROE_NOT_FOUND);
	if (!call_failed(call, answer))
		call_reply(call, &response.base);
	if (lost && worker != NULL && worker->listener != NULL)
		listener_lost(worker->listener);
}

void
heartbeat(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__HeartbeatRequest *request = (const void *)message;
	Hatchet__HeartbeatResponse response = HATCHET__HEARTBEAT_RESPONSE__INIT;
	Froe__Envelope envelope = FROE__ENVELOPE__INIT;
	Froe__Heartbeat beat = FROE__HEARTBEAT__INIT;
	if (!take_worker(call, request->worker_id))
		return;
	struct guest *worker =
	    guest_find(call->gateway, call->session->seat.tenant, call->id);
	if (worker != NULL && !worker->known) {
		call_reply(call, &response.base); /* its first ListenV2 is on its way */
		return;
	}
	struct ask_options options = {.worker = call->id};
	envelope.body_case = FROE__ENVELOPE__BODY_HEARTBEAT;
	envelope.heartbeat = &beat;
	call_ask(call, &envelope, &options, arena, on_beat);
}
