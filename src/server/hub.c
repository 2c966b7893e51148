/*
 * server/hub: connections and their commands; the engine's hooks; the turn.
 */
#include "server/hub_int.h"

#include "base/mem.h"
#include "engine/token.h"

#include <stdio.h>

/* Commands wait while this much is held back for its frames: a stalled disk stops the sockets. */
#define OUTBOX_BYTES_MAX ((size_t)64 << 20)
#define WINDOW_BYTES_MAX (UINT64_C(1) << 40)
#define INDEXER_ROOM_MIN 4096u
/* Nothing wakes the loop when the index's ring has room again. */
#define BACKLOG_RETRY_NS UINT64_C(10000000)

void
hub_init(struct hub *hub, const struct hub_options *options)
{
	*hub = (struct hub){.options = *options};
	wheel_init(&hub->wheel, 0);
	wheel_init(&hub->streams_wheel, 0);
	list_init(&hub->loading);
	list_init(&hub->loaded);
	list_init(&hub->woken);
	list_init(&hub->streams_waiting);
	list_init(&hub->streams_reading);
	list_init(&hub->events_reading);
	list_init(&hub->reads);
	list_init(&hub->reading);
	list_init(&hub->forgets);
	list_init(&hub->jobs);
	list_init(&hub->jobs_over);
	wheel_init(&hub->job_wheel, 0);
	list_init(&hub->backlog);
	list_init(&hub->refusals);
	hub->sources = mem_array(HUB_SOURCES, sizeof(*hub->sources));
	hub->access_due_ns = UINT64_MAX;
	arena_init(&hub->arena, 0);
	stock_init(&hub->stock);
	buf_init(&hub->outbox);
	buf_init(&hub->pushed);
	buf_init(&hub->releasing);
	buf_init(&hub->places);
	buf_init(&hub->texts);
}

/* What comes from a connection, or goes to it, mostly does several at a time. */
struct hub_conn *
hub_conn_find(struct hub *hub, uint64_t handle)
{
	if (hub->recent != NULL && hub->recent->handle == handle)
		return hub->recent;
	struct hub_conn *conn = map_get_u64(&hub->conns, handle);
	if (conn != NULL)
		hub->recent = conn;
	return conn;
}

char *
hub_text(struct hub *hub, struct bytes text)
{
	char *copy = arena_alloc(&hub->arena, text.size + 1);
	if (text.size > 0)
		memcpy(copy, text.data, text.size);
	copy[text.size] = 0;
	return copy;
}

static void
conn_free(struct hub *hub, struct hub_conn *conn)
{
	struct list *at;
	while (!list_empty(&conn->watches))
		hub_watch_remove(hub, container_of(conn->watches.next, struct hub_watch, link));
	while (!list_empty(&conn->ended))
		hub_watch_remove(hub, container_of(conn->ended.next, struct hub_watch, link));
	while ((at = list_pop(&conn->pushes)) != NULL)
		hub_push_free(hub, container_of(at, struct hub_push, link));
	hub_stream_conn_gone(hub, conn);
	hub_job_conn_gone(hub, conn);
	list_remove(&conn->woken);
	recent_release(&conn->requests);
	mem_free(conn->actor);
	mem_free((void *)(uintptr_t)conn->scope.data);
	map_remove_u64(&hub->conns, conn->handle);
	hub->recent = NULL;
	mem_free(conn);
	hub->stats.connections--;
}

bool
hub_reading(const struct hub *hub)
{
	return !list_empty(&hub->loading) || !list_empty(&hub->reading) ||
	    !list_empty(&hub->streams_reading) || !list_empty(&hub->events_reading);
}

/* --------------------------------------------------------------------------------------- hooks */

/* Of no run: rare. */
static void
hook_event_apart(
    struct hub *hub, const struct eng_event *event, const struct log_place *place, uint64_t frame)
{
	hub_note_event(hub, event);
	hub_index_event_apart(hub, event, place, frame);
	if (event->type == ENG_EV_WORKER_LEAVING)
		hub_worker_leaving(hub, event->worker);
	else if (event->type == ENG_EV_WORKER_LEFT)
		hub_worker_left(hub, event->worker);
	else if (event->type == ENG_EV_TOKEN_REVOKED)
		hub_access_revoked(hub, event->kid, frame);
	else if (event->job != 0)
		hub_job_event(hub, event, frame);
}

static void
hook_event(
    void *context, const struct eng_event *event, const struct log_place *place, uint64_t frame)
{
	struct hub *hub = context;
	hub->events++;
	if (event->run == 0) {
		hook_event_apart(hub, event, place, frame);
		return;
	}
	hub_index_event(hub, event, place, frame);
	if (!list_empty(&hub->streams_waiting))
		hub_stream_event(hub, event);
	if (hub->change_watches > 0)
		hub_watch_event(hub, event, frame);
}

static void
hook_dispatch(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, effect->worker);
	struct hub_push *push =
	    hub_push_new(hub, HUB_PUSH_DISPATCH, worker != NULL ? worker->conn : 0);
	push->run = effect->run;
	push->task = effect->task;
	push->lease = effect->lease;
	if (effect->queued_ns != 0) {
		uint64_t now_ns = hub->shard->clock.now_ns;
		push->decided_ns = hub->mono_ns;
		histogram_add(&hub->stats.assign, now_ns - effect->queued_ns);
	}
	struct hub_push *from = hub->providing;
	if (from != NULL && from->run == push->run && from->task == push->task &&
	    from->lease == push->lease) {
		push->load = from->load;
		push->load->push = push;
		from->load = NULL;
	}
	hub_item_object(hub, frame, HUB_ITEM_PUSH, push);
}

static void
hook_revoke(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, effect->worker);
	if (worker == NULL || worker->conn == 0)
		return; /* it learns when it comes back and says what it holds */
	struct hub_push *push = hub_push_new(hub, HUB_PUSH_REVOKE, worker->conn);
	uint32_t number;
	uuid_run_of(effect->id, &number);
	push->run = effect->run;
	push->task = number - 1;
	push->id = effect->id;
	push->lease = effect->lease;
	push->reason = (uint32_t)effect->reason;
	hub_item_object(hub, frame, HUB_ITEM_PUSH, push);
}

static void
hook_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	hub_index_closed(hub, effect, frame);
	hub_watch_closed(hub, effect, frame);
}

static void
hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	struct hub *hub = context;
	switch (effect->type) {
	case ENG_EFF_REPLY:
		hub_reply(hub, effect, frame);
		return;
	case ENG_EFF_DISPATCH:
		hook_dispatch(hub, effect, frame);
		return;
	case ENG_EFF_REVOKE:
		hook_revoke(hub, effect, frame);
		return;
	case ENG_EFF_RUN_CLOSED:
		hook_closed(hub, effect, frame);
		return;
	case ENG_EFF_NODE:
		hub_node_done(hub, effect, frame);
		return;
	}
}

static void
hook_replays(void *context, const struct log_report *report)
{
	struct hub *hub = context;
	if (hub->opened != NULL)
		hub->opened(hub->deliver_context, report->store);
}

static void
hook_replayed(void *context, const struct eng_event *event, const struct log_place *place,
    const struct eng_run_info *info, uint64_t frame)
{
	hub_index_replayed(context, event, place, info, frame);
}

const struct shard_hooks hub_hooks = {
    .event = hook_event,
    .effect = hook_effect,
    .replays = hook_replays,
    .replayed = hook_replayed,
};

/* ------------------------------------------------------------------------------------- commands */

bool
hub_has_room(const struct hub *hub)
{
	return hub_outbox_bytes(hub) < OUTBOX_BYTES_MAX &&
	       indexer_room(hub->indexer) > INDEXER_ROOM_MIN && list_empty(&hub->backlog);
}

bool
hub_engine(struct hub *hub, const struct api_command *command, struct eng_command *engine)
{
	if (!shard_has_room(hub->shard, engine))
		return false;
	hub->command = command;
	arena_reset(&hub->arena);
	FROE_DROP(shard_step(hub->shard, engine), "a refused command has no events");
	hub->command = NULL;
	return true;
}

/* The tenant that a Hello means. False: it is not for whoever asks. */
static bool
open_tenant(const struct api_command *command, const struct hub_who *who, struct bytes *ret_tenant)
{
	*ret_tenant = command->open.tenant;
	if (ret_tenant->size == 0)
		*ret_tenant = bytes_equal(who->scope, bytes_text(ENG_SCOPE_ALL))
		    ? bytes_text("default")
		    : who->scope;
	return eng_scope_covers(who->scope, *ret_tenant);
}

static bool
hub_open_conn(struct hub *hub, const struct api_command *command)
{
	struct hub_who who;
	struct eng_command engine = {
	    .type = ENG_CMD_TENANT_OPEN,
	    .origin = command->origin,
	    .tenant_open.name = command->open.tenant,
	};
	uint64_t window = command->open.push_window;
	static const uint8_t longest[FROE_NAME_BYTES_MAX];
	/* Whose tenant it is, is not known yet; but once it is, there must be room. */
	engine.tenant_open.name = bytes_of(longest, sizeof(longest));
	if (!shard_has_room(hub->shard, &engine))
		return false;
	const char *refused = hub_access_judge(hub, command, &who);
	if (refused != NULL) {
		hub_access_refuse(hub, command, &who, refused);
		return true;
	}
	if (!open_tenant(command, &who, &engine.tenant_open.name)) {
		hub_queue_error(hub, &command->origin, FROE_FORBIDDEN, "tenant",
		    "the token is for another tenant: leave the tenant out");
		return true;
	}
	froe_assert(hub_conn_find(hub, command->origin.conn) == NULL);
	struct hub_conn *conn = mem_zalloc(sizeof(*conn));
	conn->handle = command->origin.conn;
	conn->window = window < WINDOW_BYTES_MAX ? window : WINDOW_BYTES_MAX;
	list_init(&conn->pushes);
	list_init(&conn->watches);
	list_init(&conn->ended);
	list_init(&conn->job_waits);
	list_init(&conn->streams);
	hub_access_bind(hub, conn, &who);
	map_put_u64(&hub->conns, conn->handle, conn);
	hub->stats.connections++;
	froe_assert(hub_engine(hub, command, &engine));
	return true;
}

static bool
hub_close_conn(struct hub *hub, const struct api_command *command)
{
	struct hub_conn *conn = hub_conn_find(hub, command->origin.conn);
	if (conn == NULL)
		return true;
	struct eng_command engine = {
	    .type = ENG_CMD_WORKER_DETACH,
	    .tenant = conn->tenant,
	    .worker.worker.v = conn->worker,
	};
	if (conn->worker != 0) {
		if (!hub_engine(hub, command, &engine))
			return false;
		hub_worker_unbind(hub, conn);
	}
	conn_free(hub, conn);
	return true;
}

/* Ids of runs that have none: minted here, where time and dice are; a child's worker is the
 * connection's. */
static void
start_complete(struct hub *hub, const struct hub_conn *conn, struct eng_start *start)
{
	uint8_t random[16];
	start->worker.v = conn->worker;
	if (!uuid_is_nil(start->run))
		return;
	io_random(hub->shard->env, random, sizeof(random));
	start->run = uuid_run(hub->shard->clock.now_ns, random);
}

/* In an array of its own: the command's is borrowed. The caller frees it. */
static struct eng_start *
starts_complete(struct hub *hub, const struct hub_conn *conn, struct eng_command *engine)
{
	uint32_t count = engine->run_start_many.count;
	struct eng_start *starts =
	    mem_copy(engine->run_start_many.starts, count * sizeof(*starts));
	for (uint32_t i = 0; i < count; i++)
		start_complete(hub, conn, &starts[i]);
	engine->run_start_many.starts = starts;
	return starts;
}

static bool
payload_refused(struct hub *hub, const struct api_command *command, const char *field, size_t size)
{
	char text[160];
	snprintf(text, sizeof(text),
	    "%s has %zu bytes; with this store's segments at most %zu are "
	    "taken: pass a reference to it instead",
	    field, size, shard_payload_bytes_max(hub->shard));
	hub_queue_error(hub, &command->origin, FROE_TOO_LARGE, field, text);
	return false;
}

static bool
payload_fits(struct hub *hub, const struct api_command *command, const char *field, size_t size)
{
	return size <= shard_payload_bytes_max(hub->shard) ||
	       payload_refused(hub, command, field, size);
}

/* Together they are one step: one that no frame takes is never made. */
static bool
many_fits(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	struct eng_command engine = command->engine;
	char text[256];
	engine.tenant = conn->tenant;
	engine.actor = bytes_text(conn->actor);
	for (uint32_t i = 0; i < engine.run_start_many.count; i++) {
		snprintf(text, sizeof(text), "runs[%u].input", i);
		if (!payload_fits(hub, command, text, engine.run_start_many.starts[i].input.size))
			return false;
	}
	size_t size = eng_step_bytes_max(hub->shard->eng, &engine);
	size_t max = log_step_bytes_max(hub->shard->log);
	if (size <= max)
		return true;
	snprintf(text, sizeof(text), "these %u runs may take %zu bytes of the log; with this "
	    "store's segments at most %zu are written at a time: start fewer at a time",
	    engine.run_start_many.count, size, max);
	hub_queue_error(hub, &command->origin, FROE_TOO_LARGE, "runs", text);
	return false;
}

/* A worker of a thousand long actions, that held ten thousand leases: too much for the smallest
 * segments. */
static bool
register_fits(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	struct eng_command engine = command->engine;
	char text[200];
	engine.tenant = conn->tenant;
	size_t size = eng_step_bytes_max(hub->shard->eng, &engine);
	size_t max = log_step_bytes_max(hub->shard->log);
	if (size <= max)
		return true;
	snprintf(text, sizeof(text), "this worker may take %zu bytes of the log; with this store's "
	    "segments at most %zu are written at a time: register fewer actions", size, max);
	hub_queue_error(hub, &command->origin, FROE_TOO_LARGE, "actions", text);
	return false;
}

/* False: it was refused. The shard cannot take it, whatever room there is; or the token is not for
 * these actions. */
static bool
command_fits(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	const struct eng_command *engine = &command->engine;
	switch ((int)engine->type) {
	case ENG_CMD_RUN_START:
		return payload_fits(hub, command, "input", engine->run_start.input.size);
	case ENG_CMD_TASK_COMPLETE:
		return payload_fits(hub, command, "output", engine->task.bytes.size);
	case ENG_CMD_RUN_START_MANY:
		return many_fits(hub, conn, command);
	case ENG_CMD_WORKER_REGISTER:
		return register_fits(hub, conn, command) && hub_access_actions(hub, conn, command);
	case ENG_CMD_DURABLE_STEP:
		return payload_fits(hub, command, "value", engine->durable.value.size) &&
		    payload_fits(hub, command, "child.input", engine->durable.child.input.size);
	case ENG_CMD_EVENT_PUSH:
		return payload_fits(hub, command, "payload", engine->event_push.payload.size);
	case ENG_CMD_WORKFLOW_PUT:
		return payload_fits(hub, command, "workflow",
			   engine->workflow_put.definition.encoded.size) &&
		       hub_access_actions(hub, conn, command);
	default:
		return true;
	}
}

static bool
space_refused(struct hub *hub, const struct api_command *command)
{
	if (log_space(hub->shard->log) == LOG_SPACE_OK)
		return false;
	hub_queue_error(hub, &command->origin, FROE_RESOURCE_EXHAUSTED, "",
	    "the disk is nearly full: free space in the data directory's file system");
	return true;
}

static bool
run_refused(struct hub *hub, const struct hub_conn *conn, const struct api_command *command)
{
	if (space_refused(hub, command))
		return true;
	const char *refused =
	    command->wait ? hub_watch_refused(conn, command->origin.request) : NULL;
	if (refused != NULL)
		hub_queue_error(hub, &command->origin, FROE_RESOURCE_EXHAUSTED, "wait", refused);
	return refused != NULL;
}

static bool
hub_engine_command(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	struct eng_command engine;
	struct eng_start *starts = NULL;
	if (!command_fits(hub, conn, command))
		return true;
	mem_assign(&engine, &command->engine, sizeof(engine));
	engine.origin = command->origin;
	engine.tenant = conn->tenant;
	engine.actor = bytes_text(conn->actor);
	switch (engine.type) {
	case ENG_CMD_RUN_START:
		if (run_refused(hub, conn, command))
			return true;
		start_complete(hub, conn, &engine.run_start);
		break;
	case ENG_CMD_RUN_START_MANY:
		if (run_refused(hub, conn, command))
			return true;
		starts = starts_complete(hub, conn, &engine);
		break;
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_WORKER_LEAVE:
		engine.worker.worker.v = hub_gateway_worker(hub, conn, command);
		if (engine.worker.worker.v == 0 && !uuid_is_nil(command->worker))
			return true;
		engine.worker.lost = false;
		break;
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
		engine.task.worker.v = conn->worker;
		hub_worker_seen(hub, conn->worker);
		break;
	case ENG_CMD_DURABLE_STEP:
	case ENG_CMD_TASK_EVICT:
		engine.durable.worker.v = conn->worker;
		start_complete(hub, conn, &engine.durable.child);
		hub_worker_seen(hub, conn->worker);
		break;
	case ENG_CMD_EVENT_PUSH:
		if (space_refused(hub, command))
			return true;
		break;
	case ENG_CMD_WORKER_REGISTER: /* it may take another's place */
		engine.lapse_ns = hub_worker_lapse_ns(hub,
		    eng_worker_find(hub->shard->eng, conn->tenant, engine.worker_register.id));
		break;
	case ENG_CMD_APPROVAL_DECIDE:
	case ENG_CMD_WORKFLOW_PUT:
	case ENG_CMD_RUN_CANCEL:
	case ENG_CMD_JOB_START:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_WORKER_PAUSE:
	case ENG_CMD_WORKFLOW_SET:
	case ENG_CMD_TASK_RESTORE:
	case ENG_CMD_RATE_LIMIT_PUT:
		break;
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_TENANT_OPEN:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_TASK_PROVIDE:
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_END:
	case ENG_CMD_RUN_REPLAY:
	case ENG_CMD_TOKEN_CREATE:
	case ENG_CMD_TOKEN_REVOKE:
		froe_never("a session does not send this");
	}
	bool done = !hub_gateway_holder(hub, conn, command, &engine, starts) ||
	    hub_engine(hub, command, &engine);
	mem_free(starts);
	return done;
}

static void
hub_heartbeat(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	Froe__Done done = FROE__DONE__INIT;
	uint64_t worker = hub_gateway_worker(hub, conn, command);
	if (worker == 0 && !uuid_is_nil(command->worker))
		return;
	hub_worker_seen(hub, worker);
	if (!hub_worker_attached(hub, worker)) {
		hub_queue_error(hub, &command->origin, FROE_FAILED_PRECONDITION, "",
		    uuid_is_nil(command->worker)
		        ? "no worker is registered on this connection: send WorkerRegister first"
		        : "the worker is not connected: listen again");
		return;
	}
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_DONE, &done.base);
}

static void
hub_credit(struct hub *hub, struct hub_conn *conn, uint64_t bytes)
{
	conn->window = bytes < WINDOW_BYTES_MAX - conn->window ? conn->window + bytes
	                                                       : WINDOW_BYTES_MAX;
	hub_push_pump(hub, conn);
	hub_watch_wake(hub, conn);
}

bool
hub_command(struct hub *hub, const struct api_command *command)
{
	struct hub_conn *conn = hub_conn_find(hub, command->origin.conn);
	if (command->op == API_OP_CLOSE)
		return hub_close_conn(hub, command);
	if (command->op == API_OP_METRICS) {
		hub_metrics(hub, command);
		return true;
	}
	if (!hub_has_room(hub))
		return false;
	if (command->op == API_OP_OPEN)
		return hub_open_conn(hub, command);
	if (conn == NULL || conn->cut)
		return true; /* it has closed meanwhile, or is about to be */
	if (conn->tenant.v == 0) {
		hub_queue_error(hub, &command->origin, FROE_FAILED_PRECONDITION, "",
		    "this connection's Hello was refused: open another one");
		return true;
	}
	switch (command->op) {
	case API_OP_CREDIT:
		hub_credit(hub, conn, command->credit.bytes);
		return true;
	case API_OP_ENGINE:
		return hub_engine_command(hub, conn, command);
	case API_OP_RUN_GET:
	case API_OP_RUN_LIST:
	case API_OP_EVENT_LIST:
	case API_OP_EVENT_GET:
	case API_OP_RUN_WATCH:
	case API_OP_STREAM_GET:
	case API_OP_RUN_REPLAY:
		hub_read_open(hub, conn, command);
		return true;
	case API_OP_OUTPUT_GET:
		if (hub_access_output(hub, conn, command))
			hub_read_open(hub, conn, command);
		return true;
	case API_OP_TOKEN_CREATE:
		return hub_token_create(hub, conn, command);
	case API_OP_TOKEN_REVOKE:
		return hub_token_revoke(hub, conn, command);
	case API_OP_TOKEN_LIST:
		hub_token_list(hub, conn, command);
		return true;
	case API_OP_RUN_UNWATCH:
		hub_unwatch(hub, conn, command);
		return true;
	case API_OP_APPROVAL_LIST:
		hub_approval_list(hub, conn, command);
		return true;
	case API_OP_HEARTBEAT:
		hub_heartbeat(hub, conn, command);
		return true;
	case API_OP_WORKFLOW_LIST:
	case API_OP_WORKFLOW_GET:
		hub_workflows(hub, conn, command);
		return true;
	case API_OP_JOB_GET:
		hub_job_get(hub, conn, command);
		return true;
	case API_OP_JOB_LIST:
		hub_job_list(hub, conn, command);
		return true;
	case API_OP_WORKER_LIST:
	case API_OP_WORKER_GET:
		hub_workers(hub, conn, command);
		return true;
	case API_OP_RATE_LIST:
		hub_rates(hub, conn, command);
		return true;
	case API_OP_QUEUE_LIST:
		hub_queues(hub, conn, command);
		return true;
	case API_OP_WHY:
		if (!hub_why(hub, conn, command))
			hub_read_open(hub, conn, command);
		return true;
	case API_OP_OPEN:
	case API_OP_CLOSE:
	case API_OP_METRICS:
		break;
	}
	froe_never("every op is handled");
}

/* ---------------------------------------------------------------------------------- start, turn */

void
hub_replays(struct hub *hub, uint64_t index_applied)
{
	hub->index_applied = index_applied;
}

void
hub_start(struct hub *hub, struct shard *shard, struct indexer *indexer)
{
	hub->shard = shard;
	hub->indexer = indexer;
	hub->mono_ns = io_mono_ns(shard->env);
	hub_index_start(hub);
	shard->lapse_ns = hub_lapse_ns(hub);
	eng_workers(shard->eng, hub_worker_recovered, hub);
	hub_job_start(hub);
}

void
hub_turn(struct hub *hub, uint64_t mono_ns)
{
	hub->gap_ns = mono_ns - hub->mono_ns;
	hub->mono_ns = mono_ns;
	hub_index_turn(hub);
	hub_read_answers(hub);
	hub_read_expire(hub);
	hub_access_turn(hub);
	hub_stream_expire(hub);
	hub_job_turn(hub);
	if (hub_push_loaded(hub))
		FROE_DROP(hub_worker_turn(hub), "what has no room now comes again");
}

uint64_t
hub_deadline_ns(const struct hub *hub)
{
	uint64_t worker_ns = wheel_next(&hub->wheel);
	uint64_t read_ns = hub_read_deadline_ns(hub);
	uint64_t access_ns = hub_access_deadline_ns(hub);
	uint64_t stream_ns = hub_stream_deadline_ns(hub);
	uint64_t job_ns = hub_job_deadline_ns(hub);
	uint64_t due_ns = worker_ns < read_ns ? worker_ns : read_ns;
	if (access_ns < due_ns)
		due_ns = access_ns;
	due_ns = stream_ns < due_ns ? stream_ns : due_ns;
	due_ns = job_ns < due_ns ? job_ns : due_ns;
	if (!list_empty(&hub->backlog) && due_ns > hub->mono_ns + BACKLOG_RETRY_NS)
		due_ns = hub->mono_ns + BACKLOG_RETRY_NS;
	return list_empty(&hub->loaded) ? due_ns : hub->mono_ns;
}

void
hub_release(struct hub *hub)
{
	hub_outbox_release(hub);
	for (size_t i = 0; i < hub->conns.capacity; i++) {
		/* Removal shifts entries back into this slot. */
		while (hub->conns.entries[i].value != NULL)
			conn_free(hub, hub->conns.entries[i].value);
	}
	hub_job_release_all(hub);
	hub_index_release_all(hub);
	hub_push_release_all(hub);
	hub_read_release_all(hub);
	hub_stream_release_all(hub);
	hub_event_release_all(hub);
	hub_worker_release_all(hub);
	hub_access_release_all(hub);
	map_release(&hub->conns);
	stock_release(&hub->stock);
	recent_release(&hub->watches);
	map_release(&hub->workers);
	buf_release(&hub->pushed);
	buf_release(&hub->places);
	buf_release(&hub->texts);
	arena_release(&hub->arena);
}
