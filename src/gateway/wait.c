/*
 * gateway/wait: waits of durable tasks, as SDKs have them below engine v0.80.0: registered under a
 * key, which a retried handler says again, and listened for on a stream.
 *
 * A wait is two steps of the durable task: a memo, named after the key, that holds what is waited
 * for; and the wait itself. So both are found again after a restart: the run's view has the memos'
 * names, a memo has the conditions, and the wait, asked for again, its result or none yet. The
 * result of one that is pending comes to whoever holds the task's lease: listen.c tells it here.
 */
#include "gateway/wait.h"

#include "api/wire.h"
#include "base/base64.h"
#include "base/mem.h"
#include "froe/limits.h"
#include "gateway/method.h"
#include "gateway/parcel.h"
#include "gateway/step.h"
#include "gateway/text.h"

#include <stdio.h>

#define MEMO_LABEL "memo "
#define WAITS_MAX 10000u /* of a stream */
#define IDLE_NS UINT64_C(3600000000000)

/* What is known of a durable task's steps. */
struct steps {
	struct uuid task;
	uint32_t count;
	struct list keys; /* struct step_key */
	uint64_t used_ns;
};

struct step_key {
	struct list link;
	char name[STEP_KEY_SIZE];
	uint32_t node; /* of the memo; the wait is the next */
	bool there;    /* both are known to the shard */
};

/* A stream of ListenForDurableEvent. */
struct waits {
	struct seat seat; /* first */
	struct gateway *gateway;
	struct grpc_call *grpc; /* NULL: gone */
	struct list link;       /* gateway->waits */
	struct list all;        /* struct wait */
	struct list parcels;
	uint32_t count; /* of all */
	bool seated;
};

enum wait_state {
	WAIT_NEW,     /* its steps are to be found, or to be registered */
	WAIT_ASKED,
	WAIT_PENDING, /* its result will come */
};

struct wait {
	struct list link;
	struct waits *waits;
	enum wait_state state;
	struct uuid task;
	char *task_id; /* as the client has it */
	char *signal;
	uint32_t node;
	struct buf conditions; /* DurableEventListenerConditions */
	bool came;             /* its result, before the answer that it is pending */
};

static void wait_begin(struct wait *wait);
static void waits_of(struct gateway *gateway, struct uuid task,
    void (*each)(struct wait *wait, void *context), void *context);

/* ----------------------------------------------------------------------------------- steps */

static struct steps *
steps_find(struct gateway *gateway, struct uuid task)
{
	struct steps *steps = map_get_uuid(&gateway->steps, task);
	if (steps != NULL)
		steps->used_ns = gateway_now_ns(gateway);
	return steps;
}

static void
steps_free(struct gateway *gateway, struct steps *steps)
{
	struct list *node;
	while ((node = list_pop(&steps->keys)) != NULL)
		mem_free(container_of(node, struct step_key, link));
	map_remove_uuid(&gateway->steps, steps->task);
	mem_free(steps);
}

static void
steps_forget(struct gateway *gateway, struct uuid task)
{
	struct steps *steps = map_get_uuid(&gateway->steps, task);
	if (steps != NULL)
		steps_free(gateway, steps);
}

void
wait_sweep(struct gateway *gateway, uint64_t now_ns)
{
	for (size_t i = 0; i < gateway->steps.capacity; i++) {
		struct steps *steps = gateway->steps.entries[i].value;
		if (steps != NULL && now_ns - steps->used_ns > IDLE_NS)
			steps_free(gateway, steps);
	}
}

void
wait_release_all(struct gateway *gateway)
{
	for (size_t i = 0; i < gateway->steps.capacity; i++) {
		/* Removal shifts entries back into this slot. */
		while (gateway->steps.entries[i].value != NULL)
			steps_free(gateway, gateway->steps.entries[i].value);
	}
}

static void
steps_add(struct steps *steps, const char *name, uint32_t node, bool there)
{
	struct step_key *key = mem_zalloc(sizeof(*key));
	snprintf(key->name, sizeof(key->name), "%s", name);
	key->node = node;
	key->there = there;
	list_push(&steps->keys, &key->link);
}

/* NULL: there is none. */
static struct step_key *
steps_key(const struct steps *steps, const char *name)
{
	struct list *at;
	list_for_each(at, &steps->keys) {
		struct step_key *key = container_of(at, struct step_key, link);
		if (strcmp(key->name, name) == 0)
			return key;
	}
	return NULL;
}

/* NULL: the run has no such task. */
static struct steps *
steps_load(struct gateway *gateway, struct uuid task, const Froe__RunView *view)
{
	struct steps *steps = steps_find(gateway, task);
	for (size_t i = 0; steps == NULL && i < view->n_tasks; i++) {
		const Froe__TaskView *from = view->tasks[i];
		if (memcmp(from->id.data, task.bytes, sizeof(task.bytes)) != 0)
			continue;
		steps = mem_zalloc(sizeof(*steps));
		steps->task = task;
		steps->used_ns = gateway_now_ns(gateway);
		list_init(&steps->keys);
		map_put_uuid(&gateway->steps, task, steps);
		for (size_t n = 0; n < from->n_nodes; n++) {
			const Froe__NodeView *node = from->nodes[n];
			steps->count = node->node > steps->count ? node->node : steps->count;
			if (node->kind == FROE__NODE_KIND__NODE_MEMO && node->label != NULL)
				steps_add(steps, node->label + strlen(MEMO_LABEL), node->node,
				    /* there= */ true);
		}
	}
	return steps;
}

static void
view_envelope(Froe__Envelope *envelope, Froe__RunGet *get, struct uuid task, struct arena *arena)
{
	uint32_t number;
	froe__envelope__init(envelope);
	froe__run_get__init(get);
	get->has_run = true;
	get->run = text_id_bytes(arena, uuid_run_of(task, &number));
	envelope->body_case = FROE__ENVELOPE__BODY_RUN_GET;
	envelope->run_get = get;
}

/* --------------------------------------------------------------- RegisterDurableEvent */

static bool
on_memo(struct ask *ask, const struct answer *answer)
{
	seat_credit(ask->owner, answer->size);
	return true;
}

static void
wait_registered(struct wait *wait, void *context)
{
	(void)context;
	if (wait->state == WAIT_NEW && wait->waits->seat.state == SEAT_OPEN)
		wait_begin(wait);
}

/* Clients may listen for a wait before they register it: those are looked for now. */
static void
steps_registered(struct gateway *gateway, struct uuid task, uint32_t wait_node)
{
	struct steps *steps = steps_find(gateway, task);
	struct list *at;
	if (steps == NULL)
		return; /* read anew */
	list_for_each(at, &steps->keys) {
		struct step_key *key = container_of(at, struct step_key, link);
		key->there = key->there || key->node < wait_node;
	}
	waits_of(gateway, task, wait_registered, NULL);
}

static void
on_waits(struct call *call, const struct answer *answer)
{
	Hatchet__RegisterDurableEventResponse response =
	    HATCHET__REGISTER_DURABLE_EVENT_RESPONSE__INIT;
	seat_credit(&call->session->seat, answer->size);
	if (call_failed(call, answer)) {
		steps_forget(call->gateway, call->id); /* they are read anew */
		return;
	}
	const Froe__NodeDone *done = (const void *)answer->message;
	steps_registered(call->gateway, call->id, done->node);
	call_reply(call, &response.base);
}

static char *
memo_value(const Hatchet__DurableEventListenerConditions *conditions, struct arena *arena)
{
	size_t size = hatchet__durable_event_listener_conditions__get_packed_size(conditions);
	uint8_t *packed = arena_alloc(arena, size + 1);
	char *text = arena_alloc(arena, BASE64_SIZE(size) + 3);
	froe_assert(packed != NULL && text != NULL);
	hatchet__durable_event_listener_conditions__pack(conditions, packed);
	text[0] = '"';
	base64url_encode(bytes_of(packed, size), text + 1);
	text[BASE64_SIZE(size) + 1] = '"';
	text[BASE64_SIZE(size) + 2] = 0;
	return text;
}

/* Both steps at once: nothing may come between their numbers. */
static void
register_steps(struct call *call, struct steps *steps,
    const Hatchet__RegisterDurableEventRequest *request, struct arena *arena)
{
	char name[STEP_KEY_SIZE];
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct seat *seat = &call->session->seat;
	struct ask_options memo = {.holder = true, .answer = on_memo, .owner = seat};
	struct ask_options wait = {.holder = true};
	struct froe_fault fault;
	Hatchet__RegisterDurableEventResponse response =
	    HATCHET__REGISTER_DURABLE_EVENT_RESPONSE__INIT;
	step_key(bytes_text(request->signal_key != NULL ? request->signal_key : ""), name);
	if (steps_key(steps, name) != NULL) {
		/* An earlier attempt waited, or this one asks again. */
		call_reply(call, &response.base);
		return;
	}
	step_envelope(
	    &envelope, &step, call->id, steps->count + 1, FROE__NODE_KIND__NODE_MEMO, arena);
	step.name = name;
	step.has_value = true;
	char *value = memo_value(request->conditions, arena);
	step.value = (ProtobufCBinaryData){strlen(value), (uint8_t *)value};
	if (seat_ask(seat, &envelope, &memo, arena, NULL, &fault) != FROE_OK) {
		call_fail(call, &fault);
		return;
	}
	step_envelope(
	    &envelope, &step, call->id, steps->count + 2, FROE__NODE_KIND__NODE_WAIT, arena);
	step_conditions(request->conditions, &step, arena);
	steps_add(steps, name, steps->count + 1, /* there= */ false);
	steps->count += 2;
	call_ask(call, &envelope, &wait, arena, on_waits);
}

static void
on_register_view(struct call *call, const struct answer *answer)
{
	if (call_failed(call, answer))
		return;
	struct steps *steps = steps_load(call->gateway, call->id, (const void *)answer->message);
	const Hatchet__RegisterDurableEventRequest *request = (const void *)wire_unpack(
	    call->unary->request, buf_bytes(&call->message), answer->arena);
	froe_assert(request != NULL);
	if (steps == NULL)
		call_refuse(call, FROE_NOT_FOUND, "task_id", "the run has no such task");
	else
		register_steps(call, steps, request, answer->arena);
}

void
register_durable_event(struct call *call, const ProtobufCMessage *message, struct arena *arena)
{
	const Hatchet__RegisterDurableEventRequest *request = (const void *)message;
	Froe__Envelope envelope;
	Froe__RunGet get;
	struct ask_options options = {.trusted = true};
	const char *refused = step_refused(request->conditions);
	if (refused != NULL) {
		call_refuse(call, FROE_INVALID_ARGUMENT, "conditions", "%s", refused);
		return;
	}
	if (!task_take(call, request->task_id))
		return;
	struct steps *steps = steps_find(call->gateway, call->id);
	if (steps != NULL) {
		register_steps(call, steps, request, arena);
		return;
	}
	view_envelope(&envelope, &get, call->id, arena);
	call_ask(call, &envelope, &options, arena, on_register_view);
}

/* -------------------------------------------------------------- ListenForDurableEvent */

static void
wait_free(struct wait *wait)
{
	list_remove(&wait->link);
	wait->waits->count--;
	mem_free(wait->task_id);
	mem_free(wait->signal);
	buf_release(&wait->conditions);
	mem_free(wait);
}

static void
waits_free(struct waits *waits)
{
	while (!list_empty(&waits->all))
		wait_free(container_of(waits->all.next, struct wait, link));
	parcels_free(&waits->parcels);
	list_remove(&waits->link);
	mem_free(waits);
}

static void
wait_done(struct wait *wait, const Froe__NodeDone *done, struct arena *arena)
{
	struct waits *waits = wait->waits;
	const Hatchet__DurableEventListenerConditions *conditions = (const void *)wire_unpack(
	    &hatchet__durable_event_listener_conditions__descriptor,
	    buf_bytes(&wait->conditions), arena);
	Hatchet__DurableEvent event = HATCHET__DURABLE_EVENT__INIT;
	struct buf json;
	froe_assert(conditions != NULL);
	buf_init(&json);
	step_json(conditions, done, &json);
	event.task_id = wait->task_id;
	event.signal_key = wait->signal;
	event.has_data = true;
	event.data = (ProtobufCBinaryData){buf_used(&json), json.data + json.head};
	parcel_push(&waits->parcels, &event.base, 0);
	buf_release(&json);
	wait_free(wait);
	parcels_send(&waits->parcels, waits->grpc);
}

static void wait_ask_result(struct wait *wait, struct arena *arena);

/* What cannot be waited for any more is not answered: the task's attempt is over, and its worker
 * is told so by a cancel. */
static bool
on_wait(struct ask *ask, const struct answer *answer)
{
	struct wait *wait = ask->owner;
	struct froe_fault fault;
	seat_credit(&wait->waits->seat, answer->size);
	if (answer_fault(answer, &fault)) {
		wait_free(wait);
		return true;
	}
	const Froe__NodeDone *done = (const void *)answer->message;
	if (done->state == FROE__NODE_STATE__NODE_DONE)
		wait_done(wait, done, answer->arena);
	else if (!wait->came)
		wait->state = WAIT_PENDING;
	else
		wait_ask_result(wait, answer->arena);
	return true;
}

static void
wait_ask(struct wait *wait, Froe__Envelope *envelope, struct ask_options *options,
    struct arena *arena)
{
	struct froe_fault fault;
	wait->state = WAIT_ASKED;
	options->owner = wait;
	if (seat_ask(&wait->waits->seat, envelope, options, arena, NULL, &fault) != FROE_OK)
		wait_free(wait);
}

static void
wait_ask_result(struct wait *wait, struct arena *arena)
{
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct ask_options options = {.holder = true, .answer = on_wait};
	const Hatchet__DurableEventListenerConditions *conditions = (const void *)wire_unpack(
	    &hatchet__durable_event_listener_conditions__descriptor,
	    buf_bytes(&wait->conditions), arena);
	if (conditions == NULL) {
		wait_free(wait);
		return;
	}
	wait->came = false;
	step_envelope(&envelope, &step, wait->task, wait->node + 1, FROE__NODE_KIND__NODE_WAIT,
	    arena);
	step_conditions(conditions, &step, arena);
	wait_ask(wait, &envelope, &options, arena);
}

/* The memo: what is waited for. */
static bool
on_conditions(struct ask *ask, const struct answer *answer)
{
	struct wait *wait = ask->owner;
	const Froe__NodeDone *done = (const void *)answer->message;
	struct froe_fault fault;
	seat_credit(&wait->waits->seat, answer->size);
	if (answer_fault(answer, &fault) || done->payload.len < 2) {
		wait_free(wait);
		return true;
	}
	struct bytes text = bytes_of(done->payload.data + 1, done->payload.len - 2);
	uint8_t *packed = buf_reserve(&wait->conditions, BASE64_BYTES(text.size) + 1);
	if (!base64url_decode(text, packed)) {
		wait_free(wait);
		return true;
	}
	buf_commit(&wait->conditions, BASE64_BYTES(text.size));
	wait_ask_result(wait, answer->arena);
	return true;
}

static void
wait_find(struct wait *wait, struct steps *steps, struct arena *arena)
{
	Froe__Envelope envelope;
	Froe__DurableStep step;
	struct ask_options options = {.holder = true, .answer = on_conditions};
	char name[STEP_KEY_SIZE];
	step_key(bytes_text(wait->signal), name);
	const struct step_key *key = steps != NULL ? steps_key(steps, name) : NULL;
	if (key == NULL || !key->there) {
		wait->state = WAIT_NEW; /* until it is registered */
		return;
	}
	wait->node = key->node;
	step_envelope(&envelope, &step, wait->task, wait->node, FROE__NODE_KIND__NODE_MEMO, arena);
	step.name = name;
	wait_ask(wait, &envelope, &options, arena);
}

static bool
on_wait_view(struct ask *ask, const struct answer *answer)
{
	struct wait *wait = ask->owner;
	struct froe_fault fault;
	if (answer_fault(answer, &fault))
		wait_free(wait);
	else
		wait_find(wait, steps_load(wait->waits->gateway, wait->task,
		              (const void *)answer->message), answer->arena);
	return true;
}

static void
wait_begin(struct wait *wait)
{
	struct arena arena;
	Froe__Envelope envelope;
	Froe__RunGet get;
	struct ask_options options = {.trusted = true, .answer = on_wait_view};
	struct steps *steps = steps_find(wait->waits->gateway, wait->task);
	arena_init(&arena, 0);
	if (steps != NULL) {
		wait_find(wait, steps, &arena);
	} else {
		view_envelope(&envelope, &get, wait->task, &arena);
		wait_ask(wait, &envelope, &options, &arena);
	}
	arena_release(&arena);
}

/* ------------------------------------------------------------- results that come later */

static void
waits_of(struct gateway *gateway, struct uuid task,
    void (*each)(struct wait *wait, void *context), void *context)
{
	struct list *at, *inner, *next;
	list_for_each(at, &gateway->waits) {
		struct waits *waits = container_of(at, struct waits, link);
		for (inner = waits->all.next; inner != &waits->all; inner = next) {
			struct wait *wait = container_of(inner, struct wait, link);
			next = inner->next;
			if (uuid_equal(wait->task, task))
				each(wait, context);
		}
	}
}

struct came {
	const Froe__NodeDone *done;
	struct arena *arena;
};

static void
wait_came(struct wait *wait, void *context)
{
	const struct came *came = context;
	if (wait->state == WAIT_NEW || came->done->node != wait->node + 1)
		return;
	if (wait->state == WAIT_PENDING)
		wait_done(wait, came->done, came->arena);
	else
		wait->came = true;
}

void
wait_node_done(struct gateway *gateway, const Froe__NodeDone *done, struct arena *arena)
{
	struct came came = {.done = done, .arena = arena};
	struct uuid task;
	memcpy(task.bytes, done->task.data, sizeof(task.bytes));
	waits_of(gateway, task, wait_came, &came);
}

static void
wait_over(struct wait *wait, void *context)
{
	(void)context;
	if (wait->state != WAIT_ASKED) /* else its answer says so */
		wait_free(wait);
}

void
wait_forget(struct gateway *gateway, struct uuid task)
{
	steps_forget(gateway, task);
	waits_of(gateway, task, wait_over, NULL);
}

/* Results that came while nobody listened for the worker are asked for again. */
void
wait_ask_again(struct gateway *gateway)
{
	struct list *at, *inner, *next;
	struct arena arena;
	arena_init(&arena, 0);
	list_for_each(at, &gateway->waits) {
		struct waits *waits = container_of(at, struct waits, link);
		for (inner = waits->all.next; inner != &waits->all; inner = next) {
			struct wait *wait = container_of(inner, struct wait, link);
			next = inner->next;
			if (wait->state == WAIT_PENDING && waits->seat.state == SEAT_OPEN)
				wait_ask_result(wait, &arena);
		}
	}
	arena_release(&arena);
}

/* --------------------------------------------------------------------------------- stream */

static void
on_opened(struct seat *seat)
{
	struct waits *waits = (struct waits *)(void *)seat;
	struct list *node, *next;
	if (seat->state == SEAT_REFUSED) {
		stream_fail(waits->grpc, &seat->fault);
		seat_close(seat);
		return;
	}
	if (waits->grpc != NULL)
		grpc_api_know(grpc_api_of(waits->grpc));
	for (node = waits->all.next; node != &waits->all; node = next) {
		next = node->next;
		wait_begin(container_of(node, struct wait, link));
	}
}

static void
on_gone(struct seat *seat)
{
	struct waits *waits = (struct waits *)(void *)seat;
	waits->seated = false;
	if (waits->grpc == NULL)
		waits_free(waits);
}

void
waits_open(struct grpc_call *grpc)
{
	struct waits *waits = mem_zalloc(sizeof(*waits));
	waits->gateway = gateway_of(grpc);
	waits->grpc = grpc;
	list_init(&waits->all);
	list_init(&waits->parcels);
	list_push(&waits->gateway->waits, &waits->link);
	waits->seat.opened = on_opened;
	waits->seat.gone = on_gone;
	grpc_call_set_context(grpc, waits);
	waits->seated = seat_open(&waits->seat, &waits->gateway->seats, session_token(grpc),
	    grpc_api_peer(grpc_api_of(grpc)));
	if (waits->seated)
		grpc_begin(grpc);
	else
		stream_full(grpc);
}

enum grpc_taken
waits_message(struct grpc_call *grpc, struct bytes message)
{
	struct waits *waits = grpc_call_context(grpc);
	struct arena arena;
	uint32_t number;
	struct uuid task;
	arena_init(&arena, WIRE_ARENA_BYTES_MAX);
	const Hatchet__ListenForDurableEventRequest *request = (const void *)wire_unpack(
	    &hatchet__listen_for_durable_event_request__descriptor, message, &arena);
	if (request == NULL || !text_id(request->task_id, &task)) {
		grpc_finish(
		    grpc, GRPC_INVALID_ARGUMENT, "task_id is not a UUID", bytes_of(NULL, 0));
	} else if (waits->count >= WAITS_MAX) {
		grpc_finish(grpc, GRPC_RESOURCE_EXHAUSTED,
		    "too many durable events are listened for on one stream", bytes_of(NULL, 0));
	} else if (waits->seated && waits->seat.state <= SEAT_OPEN) {
		struct wait *wait = mem_zalloc(sizeof(*wait));
		uuid_run_of(task, &number);
		wait->waits = waits;
		wait->task = number != 0 ? task : uuid_task(task, 0);
		wait->task_id = mem_strdup(request->task_id);
		wait->signal = mem_strdup(request->signal_key != NULL ? request->signal_key : "");
		buf_init(&wait->conditions);
		list_push(&waits->all, &wait->link);
		waits->count++;
		if (waits->seat.state == SEAT_OPEN)
			wait_begin(wait);
	}
	arena_release(&arena);
	return GRPC_TAKEN;
}

/* It says no more; what it has asked for still comes. */
void
waits_half_close(struct grpc_call *grpc)
{
	(void)grpc;
}

void
waits_writable(struct grpc_call *grpc)
{
	struct waits *waits = grpc_call_context(grpc);
	parcels_send(&waits->parcels, waits->grpc);
}

void
waits_end(struct grpc_call *grpc, enum grpc_end end)
{
	struct waits *waits = grpc_call_context(grpc);
	(void)end;
	waits->grpc = NULL;
	if (waits->seated)
		seat_close(&waits->seat);
	else
		waits_free(waits);
}
