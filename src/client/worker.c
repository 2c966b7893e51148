/*
 * A worker's registration. It belongs to a connection, so each new connection begins with a
 * WorkerRegister that lists the attempts held; results wait until it is answered. Heartbeats
 * confirm the leases: when none was confirmed for the server's lost-after time, counted from when
 * the last confirmed one was *sent*, every lease counts as lapsed here, at the latest when it does
 * at the server. Then the connection is opened anew, so that both sides agree on what is held.
 */
#include "client/worker_int.h"
#include "client/argument.h"

#include "client/definition.h"

#include "base/mem.h"

#include <stdio.h>
#include <unistd.h>

#define REGISTER_AGAIN_NS ((uint64_t)1000 * 1000000)
#define STOP_NOTICE_NS ((uint64_t)1000 * 1000000)
#define LEAVE_NS ((uint64_t)2000 * 1000000)
#define EVICT_AFTER_NS ((uint64_t)1000 * 1000000)

static const struct sm_row worker_table[] = {
    [WORKER_NEW] = {"new", SM_TO(WORKER_DOWN) | SM_TO(WORKER_LEFT)},
    [WORKER_DOWN] = {"down", SM_TO(WORKER_DOWN) | SM_TO(WORKER_REGISTERING) | SM_TO(WORKER_LEFT)},
    [WORKER_REGISTERING] = {"registering",
        SM_TO(WORKER_DOWN) | SM_TO(WORKER_SERVING) | SM_TO(WORKER_LEFT)},
    [WORKER_SERVING] = {"serving", SM_TO(WORKER_DOWN) | SM_TO(WORKER_LEFT)},
    [WORKER_LEFT] = {"left", SM_TO(WORKER_LEFT)},
};

uint64_t
worker_lapse_ns(const struct froe_worker *worker)
{
	return worker->confirmed_ns + (uint64_t)worker->client->heartbeat_lost_ms * 1000000u;
}

bool
worker_serving(const struct froe_worker *worker)
{
	return worker != NULL && worker->state == WORKER_SERVING;
}

/* ----------------------------------------------------------------------------- registration */

static struct froe_task *
task_find(const struct froe_worker *worker, ProtobufCBinaryData id, uint64_t lease)
{
	struct froe_id task;
	return wire_id_get(id, &task) ? held_find(worker, &task, lease) : NULL;
}

/* The server took the lease back. */
static void
task_revoke(struct froe_task *task, const char *reason)
{
	task->revoked = true;
	held_cancel(task, reason);
	if (task->state != TASK_QUEUED)
		return; /* the handler's end, or the answer to its result, comes */
	list_remove(&task->queue);
	task->state = TASK_REPORTING;
	result_drop(task, FROE_LEASE_LAPSED);
}

static void
drain_submit(struct froe_worker *worker, bool leave, request_answer *answer, void *context)
{
	Froe__WorkerDrain drain = FROE__WORKER_DRAIN__INIT;
	struct froe_client *client = worker->client;
	drain.has_leave = leave;
	drain.leave = leave;
	client_submit(client, request_new(&client->requests,
	    FROE__ENVELOPE__BODY_WORKER_DRAIN, &drain.base, answer, context));
}

static void
register_refused(struct froe_worker *worker, const struct froe_error *error)
{
	if (error->code == FROE_CLOSED)
		return; /* the next connection tries again */
	worker->register_ns = clock_now_ns() + REGISTER_AGAIN_NS;
	sm_move(worker_table, &worker->state, WORKER_DOWN);
	if (!worker->settled && froe_err_class(error->code) != FROE_CLASS_RETRY) {
		worker->refused = *error;
		worker->settled = true;
		client_notify(worker->client, &worker->settled);
	}
}

/* Their results may have been sent to the connection that broke. */
static void
steps_again(struct froe_worker *worker)
{
	struct list *node;
	list_for_each(node, &worker->tasks)
	{
		durable_again(container_of(node, struct froe_task, node));
	}
}

static void
register_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct froe_worker *worker = request->context;
	if (worker->state != WORKER_REGISTERING)
		return;
	if (error != NULL) {
		register_refused(worker, error);
		return;
	}
	const Froe__WorkerRegistered *registered = envelope->worker_registered;
	worker->heartbeat_ns = clock_now_ns() + (uint64_t)client->heartbeat_ms * 1000000u;
	worker->lapsed = false;
	worker->settled = true;
	worker->refused.code = FROE_OK;
	sm_move(worker_table, &worker->state, WORKER_SERVING);
	for (size_t i = 0; i < registered->n_lapsed; i++) {
		struct froe_task *task = task_find(worker, registered->lapsed[i]->task,
		    registered->lapsed[i]->lease);
		if (task != NULL)
			task_revoke(task, "lost");
	}
	/* Not before: those lapse when they would have without this registration; the server has
	 * waited for that since it took them back. */
	worker->confirmed_ns = request->sent_ns;
	if (worker->draining)
		drain_submit(worker, /* leave= */ false, NULL, NULL);
	steps_again(worker);
	client_notify(client, &worker->settled);
}

/* The attempts held: all that the server has not taken back, answered results included. */
static size_t
held_list(struct froe_worker *worker, Froe__HeldLease *leases, Froe__HeldLease **held)
{
	size_t count = 0;
	struct list *node;
	list_for_each(node, &worker->tasks)
	{
		struct froe_task *task = container_of(node, struct froe_task, node);
		if (task->revoked)
			continue;
		if (held != NULL) {
			froe__held_lease__init(&leases[count]);
			leases[count].has_task = true;
			leases[count].task = wire_id(&task->id);
			leases[count].has_lease = true;
			leases[count].lease = task->lease;
			held[count] = &leases[count];
		}
		count++;
	}
	return count;
}

void
worker_ready(struct froe_worker *worker)
{
	if (worker == NULL || worker->state != WORKER_DOWN)
		return;
	Froe__WorkerRegister message = FROE__WORKER_REGISTER__INIT;
	size_t held_count = held_list(worker, NULL, NULL);
	Froe__HeldLease *leases = mem_array(held_count, sizeof(*leases));
	message.held = mem_array(held_count, sizeof(*message.held));
	message.n_held = held_list(worker, leases, message.held);
	message.has_id = true;
	message.id = wire_id(&worker->id);
	message.name = worker->name;
	message.has_incarnation = true;
	message.incarnation = worker->incarnation;
	message.n_actions = worker->action_count;
	message.actions = mem_array(worker->action_count, sizeof(*message.actions));
	for (size_t i = 0; i < worker->action_count; i++)
		message.actions[i] = worker->actions[i].name;
	message.has_slots = true;
	message.slots = worker->slots;
	message.has_draining = worker->draining;
	message.draining = worker->draining;
	Froe__Slots slots[FROE_WORKER_SLOT_TYPES_MAX], *slot_rows[FROE_WORKER_SLOT_TYPES_MAX];
	message.slot_types = slot_rows;
	message.n_slot_types = worker->slot_type_count;
	for (size_t i = 0; i < worker->slot_type_count; i++) {
		froe__slots__init(&slots[i]);
		slots[i].type = worker->slot_types[i].type;
		slots[i].has_count = true;
		slots[i].count = worker->slot_types[i].count;
		slot_rows[i] = &slots[i];
	}
	struct froe_client *client = worker->client;
	struct request *request = request_new(&client->requests,
	    FROE__ENVELOPE__BODY_WORKER_REGISTER, &message.base, register_answer, worker);
	request->sent_ns = clock_now_ns();
	mem_free(leases);
	mem_free(message.held);
	mem_free(message.actions);
	sm_move(worker_table, &worker->state, WORKER_REGISTERING);
	client_submit_first(client, request);
}

void
worker_down(struct froe_worker *worker)
{
	if (worker == NULL || worker->state == WORKER_NEW || worker->state == WORKER_LEFT)
		return;
	sm_move(worker_table, &worker->state, WORKER_DOWN);
	worker->register_ns = 0;
}

/* ------------------------------------------------------------------------------- heartbeats */

static void
heartbeat_answer(struct froe_client *client, struct request *request,
    const Froe__Envelope *envelope, const struct froe_error *error)
{
	struct froe_worker *worker = request->context;
	(void)client;
	if (worker->state != WORKER_SERVING || (error != NULL && error->code == FROE_CLOSED))
		return;
	if (envelope != NULL) {
		if (request->sent_ns > worker->confirmed_ns)
			worker->confirmed_ns = request->sent_ns;
		return;
	}
	/* The server does not know this worker any more: register again. */
	sm_move(worker_table, &worker->state, WORKER_DOWN);
	worker->register_ns = clock_now_ns() + REGISTER_AGAIN_NS;
}

static void
heartbeat_send(struct froe_worker *worker, uint64_t now_ns)
{
	struct froe_client *client = worker->client;
	Froe__Heartbeat heartbeat = FROE__HEARTBEAT__INIT;
	struct request *request = request_new(&client->requests,
	    FROE__ENVELOPE__BODY_HEARTBEAT, &heartbeat.base, heartbeat_answer, worker);
	request->sent_ns = now_ns;
	worker->heartbeat_ns = now_ns + (uint64_t)client->heartbeat_ms * 1000000u;
	client_submit_first(client, request);
}

static void
worker_lapse(struct froe_worker *worker)
{
	struct list *node;
	struct froe_fault fault;
	worker->lapsed = true;
	list_for_each(node, &worker->tasks)
	{
		held_cancel(container_of(node, struct froe_task, node), "lost");
	}
	if (worker->state == WORKER_SERVING) {
		fault_set(&fault, FROE_TIMEOUT,
		    "the server has not confirmed a heartbeat for %u ms",
		    worker->client->heartbeat_lost_ms);
		session_down(worker->client, &fault);
	}
}

void
worker_tick(struct froe_worker *worker, uint64_t now_ns)
{
	if (worker == NULL || worker->state == WORKER_NEW)
		return;
	guard_tick(worker, now_ns);
	if (worker->state == WORKER_LEFT)
		return;
	bool ready = worker->client->state == SESSION_READY;
	if (worker->state == WORKER_DOWN && ready && now_ns >= worker->register_ns)
		worker_ready(worker);
	bool due = worker->confirmed_ns != 0 && now_ns >= worker_lapse_ns(worker);
	if (worker->lapsed ? worker->state == WORKER_SERVING : due) {
		worker_lapse(worker);
		return; /* callbacks were made: the worker may be another */
	}
	if (worker->state == WORKER_SERVING && now_ns >= worker->heartbeat_ns)
		heartbeat_send(worker, now_ns);
	if (now_ns >= worker->retry_ns)
		result_retry(worker);
}

uint64_t
worker_deadline_ns(const struct froe_worker *worker)
{
	if (worker == NULL || worker->state == WORKER_NEW)
		return UINT64_MAX;
	uint64_t deadline_ns = guard_deadline_ns(worker);
	if (worker->state == WORKER_LEFT)
		return deadline_ns;
	if (worker->retry_ns < deadline_ns)
		deadline_ns = worker->retry_ns;
	bool ready = worker->client->state == SESSION_READY;
	if (worker->state == WORKER_SERVING && worker->heartbeat_ns < deadline_ns)
		deadline_ns = worker->heartbeat_ns;
	if (worker->state == WORKER_DOWN && ready && worker->register_ns < deadline_ns)
		deadline_ns = worker->register_ns;
	if (!worker->lapsed && worker->confirmed_ns != 0 && worker_lapse_ns(worker) < deadline_ns)
		deadline_ns = worker_lapse_ns(worker);
	return deadline_ns;
}

/* --------------------------------------------------------------------------------- pushes */

bool
worker_dispatch(struct froe_worker *worker, struct bytes dispatch)
{
	if (!worker_serving(worker))
		return true;
	struct froe_task *task = held_new(worker, dispatch);
	if (task == NULL)
		return false;
	bool nobodys = bytes_zero(task->id.bytes, sizeof(task->id.bytes));
	if (nobodys || held_find(worker, &task->id, task->lease) != NULL) {
		held_drop(task); /* this very lease is here already */
		return true;
	}
	held_add(task);
	worker->empty = false;
	pool_push(worker, task);
	return true;
}

void
worker_node_done(struct froe_worker *worker, const Froe__NodeDone *done)
{
	struct froe_task *task =
	    worker != NULL ? task_find(worker, done->task, done->lease) : NULL;
	if (task != NULL)
		durable_done(task, done);
}

void
worker_revoke(struct froe_worker *worker, const Froe__Revoke *revoke)
{
	if (worker == NULL)
		return;
	struct froe_task *task = task_find(worker, revoke->task, revoke->lease);
	if (task != NULL)
		task_revoke(task, revoke->reason != NULL ? revoke->reason : "cancelled");
}

/* --------------------------------------------------------------------------- open and start */

static char *
worker_name(const char *name)
{
	char host[128] = "", text[192];
	if (name != NULL && name[0] != 0)
		return mem_strdup(name);
	if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == 0)
		snprintf(host, sizeof(host), "worker");
	snprintf(text, sizeof(text), "%s/%ld", host, (long)getpid());
	return mem_strdup(text);
}

/* A hundred years are for ever, and far from overflow. */
static uint64_t
evict_after_ns(int64_t ms)
{
	const int64_t most_ms = INT64_C(100) * 366 * 86400 * 1000;
	if (ms <= 0)
		return 0;
	return (uint64_t)(ms < most_ms ? ms : most_ms) * 1000000u;
}

static void
slots_add(struct froe_worker *worker, const char *type, uint32_t count)
{
	size_t size = (worker->slot_type_count + 1) * sizeof(worker->slot_types[0]);
	worker->slot_types = mem_resize(worker->slot_types, size);
	worker->slot_types[worker->slot_type_count++] =
	    (struct worker_slots){.type = mem_strdup(type), .count = count};
	worker->slots_sum += count;
}

/* Before it registers: a worker of durable tasks has slots for them. */
static void
slots_complete(struct froe_worker *worker)
{
	uint32_t left = FROE_WORKER_SLOTS_MAX - worker->slots_sum;
	for (size_t i = 0; i < worker->slot_type_count; i++) {
		if (strcmp(worker->slot_types[i].type, FROE_SLOT_DURABLE) == 0)
			return;
	}
	if (worker->serves_durable && left > 0 &&
	    worker->slot_type_count + 1 < FROE_WORKER_SLOT_TYPES_MAX)
		slots_add(worker, FROE_SLOT_DURABLE,
		    left < FROE_DURABLE_SLOTS ? left : FROE_DURABLE_SLOTS);
}

static enum froe_err
slots_check(const struct froe_worker_options *options, struct froe_error *error)
{
	uint64_t sum = options->slots;
	for (size_t i = 0; i < options->slot_type_count; i++) {
		const struct froe_slots *slots = &options->slot_types[i];
		sum += slots->count;
		if (slots->type == NULL || slots->type[0] == 0 || slots->count == 0)
			return error_set_field(error, FROE_INVALID_ARGUMENT, "slot_types",
			    "slot_types[%zu]: a type and 1 or more slots", i);
	}
	if (options->slot_type_count > FROE_WORKER_SLOT_TYPES_MAX - 1)
		return error_set_field(error, FROE_INVALID_ARGUMENT, "slot_types",
		    "%zu types of slots besides the default: at most %u are possible",
		    options->slot_type_count, FROE_WORKER_SLOT_TYPES_MAX - 1);
	if (sum > FROE_WORKER_SLOTS_MAX)
		return error_set_field(error, FROE_INVALID_ARGUMENT, "slots",
		    "%llu slots are over the limit of %u", (unsigned long long)sum,
		    FROE_WORKER_SLOTS_MAX);
	return FROE_OK;
}

static struct froe_worker *
worker_new(struct froe_client *client, const struct froe_worker_options *options)
{
	struct froe_worker *worker = mem_zalloc(sizeof(*worker));
	worker->client = client;
	worker->name = worker_name(options->name);
	worker->id = options->id;
	if (bytes_zero(worker->id.bytes, sizeof(worker->id.bytes)))
		dice_roll(&client->dice, worker->id.bytes, sizeof(worker->id.bytes));
	worker->incarnation = dice_u64(&client->dice) | 1; /* never 0 */
	worker->slots = options->slots != 0 ? options->slots : 1;
	worker->slots_sum = worker->slots;
	for (size_t i = 0; i < options->slot_type_count; i++)
		slots_add(worker, options->slot_types[i].type, options->slot_types[i].count);
	worker->never_exit = options->never_exit;
	worker->stop_notice_ns = (uint64_t)options->stop_notice_ms * 1000000u;
	worker->inline_handlers = options->inline_handlers;
	worker->evict_after_ns = EVICT_AFTER_NS;
	if (options->evict_after_ms != 0)
		worker->evict_after_ns = evict_after_ns(options->evict_after_ms);
	worker->on_result = options->on_result;
	worker->context = options->context;
	worker->retry_ns = UINT64_MAX;
	held_init(worker);
	list_init(&worker->queue);
	list_init(&worker->idle);
	return worker;
}

enum froe_err
froe_worker_open(struct froe_client *client, const struct froe_worker_options *options,
    struct froe_worker **ret_worker, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "ret_worker", ret_worker, NULL))
		return FROE_INVALID_ARGUMENT;
	static const struct froe_worker_options defaults;
	options = options != NULL ? options : &defaults;
	if (argument_short(error, "slot_types", options->slot_types, options->slot_type_count))
		return FROE_INVALID_ARGUMENT;
	enum froe_err err = slots_check(options, error);
	if (err != FROE_OK)
		return err;
	client_lock(client);
	if (client->worker != NULL) {
		err = error_set(error, FROE_FAILED_PRECONDITION,
		    "this client has a worker already: open another client");
	} else if (options->inline_handlers && client->threaded) {
		err = error_set_field(error, FROE_FAILED_PRECONDITION, "inline_handlers",
		    "handlers run inside froe_client_step only if the client has no thread");
	} else {
		*ret_worker = client->worker = worker_new(client, options);
	}
	client_unlock(client);
	return err;
}

/* With the lock. */
static enum froe_err
worker_fresh(const struct froe_worker *worker, struct froe_error *error)
{
	if (worker->state == WORKER_NEW)
		return FROE_OK;
	return error_set(error, FROE_FAILED_PRECONDITION,
	    "workflows and actions are added before froe_worker_start");
}

/* With the lock. Takes the name over. */
static enum froe_err
action_add(struct froe_worker *worker, char *name, froe_handler *handler, void *context,
    struct froe_error *error)
{
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < worker->action_count; i++) {
		if (strcmp(worker->actions[i].name, name) == 0) {
			err = error_set_field(error, FROE_ALREADY_EXISTS, "action",
			    "action %s has a handler already", name);
		}
	}
	if (worker->action_count >= FROE_WORKER_ACTIONS_MAX) {
		err = error_set_field(error, FROE_RESOURCE_EXHAUSTED, "action",
		    "a worker serves at most %u actions", FROE_WORKER_ACTIONS_MAX);
	}
	if (err != FROE_OK) {
		mem_free(name);
		return err;
	}
	size_t size = (worker->action_count + 1) * sizeof(worker->actions[0]);
	worker->actions = mem_resize(worker->actions, size);
	worker->actions[worker->action_count++] = (struct worker_action){.name = name,
	    .handler = handler, .context = context};
	return FROE_OK;
}

enum froe_err
froe_worker_serve(struct froe_worker *worker, const char *action, froe_handler *handler,
    void *context, struct froe_error *error)
{
	if (argument_missing(error, "worker", worker, "action", action, "handler",
		handler != NULL ? "" : NULL, NULL))
		return FROE_INVALID_ARGUMENT;
	client_lock(worker->client);
	enum froe_err err = worker_fresh(worker, error);
	if (err == FROE_OK)
		err = action_add(worker, mem_strdup(action), handler, context, error);
	client_unlock(worker->client);
	return err;
}

static char *
action_name(const struct froe_workflow *workflow, const struct froe_task_def *task)
{
	if (task->action != NULL && task->action[0] != 0)
		return mem_strdup(task->action);
	size_t size = strlen(workflow->name) + strlen(wire_text_get(task->name)) + 2;
	char *name = mem_alloc(size);
	snprintf(name, size, "%s:%s", workflow->name, wire_text_get(task->name));
	return name;
}

/* With the lock. */
static enum froe_err
worker_add(struct froe_worker *worker, const struct froe_workflow *workflow,
    const Froe__WorkflowPut *put, struct froe_error *error)
{
	enum froe_err err = worker_fresh(worker, error);
	for (size_t i = 0; i < workflow->task_count && err == FROE_OK; i++) {
		const struct froe_task_def *task = &workflow->tasks[i];
		if (task->handler == NULL)
			continue;
		worker->serves_durable = worker->serves_durable || task->durable;
		err = action_add(
		    worker, action_name(workflow, task), task->handler, task->context, error);
	}
	if (err != FROE_OK)
		return err;
	worker->puts = mem_resize(worker->puts, (worker->put_count + 1) * sizeof(worker->puts[0]));
	struct buf *packed = &worker->puts[worker->put_count++];
	buf_init(packed);
	size_t size = froe__workflow_put__get_packed_size(put);
	froe__workflow_put__pack(put, buf_reserve(packed, size));
	buf_commit(packed, size);
	return FROE_OK;
}

enum froe_err
froe_worker_workflow(struct froe_worker *worker, const struct froe_workflow *workflow,
    struct froe_error *error)
{
	if (argument_missing(error, "worker", worker, "workflow", workflow, NULL))
		return FROE_INVALID_ARGUMENT;
	struct arena arena;
	Froe__WorkflowPut put;
	arena_init(&arena, 0);
	enum froe_err err = definition_encode(&arena, workflow, &put, error);
	if (err == FROE_OK) {
		client_lock(worker->client);
		err = worker_add(worker, workflow, &put, error);
		client_unlock(worker->client);
	}
	arena_release(&arena);
	return err;
}

static enum froe_err
put_make(struct froe_worker *worker, struct bytes packed, int timeout_ms, struct froe_error *error)
{
	struct call call = {.error = error};
	Froe__WorkflowPut *put = froe__workflow_put__unpack(NULL, packed.size, packed.data);
	froe_assert(put != NULL); /* packed by worker_add */
	enum froe_err err = call_make(worker->client, &call, FROE__ENVELOPE__BODY_WORKFLOW_PUT,
	    &put->base, timeout_ms);
	froe__workflow_put__free_unpacked(put, NULL);
	return err;
}

/* With the lock. */
static enum froe_err
worker_settle(struct froe_worker *worker, uint64_t deadline_ns, struct froe_error *error)
{
	struct froe_client *client = worker->client;
	slots_complete(worker);
	sm_move(worker_table, &worker->state, WORKER_DOWN);
	worker->settled = false;
	if (client->state == SESSION_READY)
		worker_ready(worker);
	if (!client_wait(client, &worker->settled, /* stop= */ NULL, deadline_ns)) {
		return error_set(error, FROE_TIMEOUT,
		    "the worker is not registered yet; it goes on trying");
	}
	return worker->refused.code != FROE_OK ? error_copy(error, &worker->refused) : FROE_OK;
}

enum froe_err
froe_worker_start(struct froe_worker *worker, int timeout_ms, struct froe_error *error)
{
	if (argument_missing(error, "worker", worker, NULL))
		return FROE_INVALID_ARGUMENT;
	struct froe_client *client = worker->client;
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK && worker->state != WORKER_NEW)
		err = error_set(error, FROE_FAILED_PRECONDITION, "the worker was started before");
	if (err == FROE_OK && worker->action_count == 0)
		err = error_set(error, FROE_FAILED_PRECONDITION, "the worker has no handler");
	client_unlock(client);
	for (size_t i = 0; i < worker->put_count && err == FROE_OK; i++)
		err = put_make(worker, buf_bytes(&worker->puts[i]), timeout_ms, error);
	if (err != FROE_OK)
		return err;
	client_lock(client);
	err = worker_settle(worker, client_deadline_ns(timeout_ms), error);
	client_unlock(client);
	return err;
}

size_t
froe_worker_held(struct froe_worker *worker)
{
	if (worker == NULL)
		return 0;
	client_lock(worker->client);
	size_t count = 0;
	const struct list *node;
	list_for_each(node, &worker->tasks)
	{
		count++;
	}
	client_unlock(worker->client);
	return count;
}

/* --------------------------------------------------------------------------- stop and close */

/* Those that no thread has begun go back without a word. */
static void
queue_drop(struct froe_worker *worker)
{
	while (!list_empty(&worker->queue)) {
		struct froe_task *task = container_of(worker->queue.next, struct froe_task, queue);
		list_remove(&task->queue);
		task->state = TASK_REPORTING;
		result_drop(task, FROE_LEASE_LAPSED);
	}
}

static void
worker_cancel(struct froe_worker *worker)
{
	struct list *node;
	list_for_each(node, &worker->tasks)
	{
		held_cancel(container_of(node, struct froe_task, node), "stopping");
	}
	queue_drop(worker);
}

static void
worker_leave(struct froe_worker *worker)
{
	struct call call = {0};
	struct froe_client *client = worker->client;
	if (worker->state == WORKER_SERVING) {
		Froe__WorkerDrain drain = FROE__WORKER_DRAIN__INIT;
		drain.has_leave = true;
		drain.leave = true;
		struct request *request = request_new(&client->requests,
		    FROE__ENVELOPE__BODY_WORKER_DRAIN, &drain.base, call_answer, &call);
		FROE_DROP(call_wait(client, &call, request, clock_now_ns() + LEAVE_NS),
		    "a server that does not hear it sees the connection close");
	}
	sm_move(worker_table, &worker->state, WORKER_LEFT);
	result_detach(worker);
}

/* Those that wait are evicted at once, rather than hold up the drain. */
static void
steps_wake(struct froe_worker *worker)
{
	struct list *node;
	list_for_each(node, &worker->tasks)
	{
		durable_wake(container_of(node, struct froe_task, node));
	}
}

void
froe_worker_stop(struct froe_worker *worker, uint32_t limit_ms)
{
	if (worker == NULL)
		return;
	struct froe_client *client = worker->client;
	client_lock(client);
	froe_assert(!client_is_stepper(client));
	if (worker->state == WORKER_NEW || worker->state == WORKER_LEFT || worker->draining) {
		client_unlock(client);
		return;
	}
	worker->draining = true;
	worker->empty = list_empty(&worker->tasks);
	steps_wake(worker);
	if (worker->state == WORKER_SERVING)
		drain_submit(worker, /* leave= */ false, NULL, NULL);
	uint64_t deadline_ns = clock_now_ns() + (uint64_t)limit_ms * 1000000u;
	if (!client_wait(client, &worker->empty, /* stop= */ NULL, deadline_ns)) {
		worker_cancel(worker);
		client_wait(client, &worker->empty, /* stop= */ NULL,
		    clock_now_ns() + STOP_NOTICE_NS);
	}
	worker_leave(worker);
	client_unlock(client);
}

/* With the lock: what is left holds results that nobody will answer. */
static void
tasks_free(struct froe_worker *worker)
{
	while (!list_empty(&worker->tasks)) {
		struct froe_task *task = container_of(worker->tasks.next, struct froe_task, node);
		froe_assert(task->state != TASK_RUNNING);
		held_free(task);
	}
}

static void
worker_free(struct froe_worker *worker)
{
	for (size_t i = 0; i < worker->action_count; i++)
		mem_free(worker->actions[i].name);
	for (size_t i = 0; i < worker->put_count; i++)
		buf_release(&worker->puts[i]);
	held_release(worker);
	for (size_t i = 0; i < worker->slot_type_count; i++)
		mem_free(worker->slot_types[i].type);
	mem_free(worker->slot_types);
	mem_free(worker->actions);
	mem_free(worker->puts);
	mem_free(worker->threads);
	mem_free(worker->name);
	mem_free(worker);
}

void
froe_worker_close(struct froe_worker *worker)
{
	if (worker == NULL)
		return;
	struct froe_client *client = worker->client;
	froe_worker_stop(worker, 0);
	pool_stop(worker);
	client_lock(client);
	froe_assert(!client_is_stepper(client));
	while (worker->calling > 0 || worker->running > 0) {
		client_hand_over(client); /* to one that steps, if it was to be this thread */
		client_sleep(client, &worker->quiet, /* stop= */ NULL, UINT64_MAX);
	}
	result_detach(worker);
	tasks_free(worker);
	client->worker = NULL;
	client_unlock(client);
	worker_free(worker);
}
