#include "server/hub_int.h"

#include "base/mem.h"

#include <inttypes.h>
#include <stdio.h>

/* Commands wait while this much is held back for its frames: a stalled disk stops the sockets. */
#define OUTBOX_BYTES_MAX ((size_t)64 << 20)
#define WINDOW_BYTES_MAX (UINT64_C(1) << 40)
#define INDEXER_ROOM_MIN 4096u

void
hub_init(struct hub *hub, const struct hub_options *options)
{
	*hub = (struct hub){.options = *options};
	wheel_init(&hub->wheel, 0);
	list_init(&hub->loaded);
	list_init(&hub->reads);
	list_init(&hub->forgets);
	list_init(&hub->backlog);
	arena_init(&hub->arena, 0);
	buf_init(&hub->outbox);
	buf_init(&hub->scratch);
	failpoint_init(&hub->failpoint);
}

struct hub_conn *
hub_conn_find(const struct hub *hub, uint64_t handle)
{
	return map_get_u64(&hub->conns, handle);
}

static void
conn_free(struct hub *hub, struct hub_conn *conn)
{
	while (!list_empty(&conn->watches))
		hub_watch_remove(hub, container_of(conn->watches.next, struct hub_watch, link));
	while (!list_empty(&conn->pushes)) {
		struct list *at = list_pop(&conn->pushes);
		hub_push_free(container_of(at, struct hub_push, link));
	}
	map_remove_u64(&hub->conns, conn->handle);
	mem_free(conn);
	hub->stats.connections--;
}

/* -------------------------------------------------------------------------------------- outbox */

void
hub_item_push(struct hub *hub, const struct hub_item *item, const ProtobufCMessage *message)
{
	struct hub_item stored = *item;
	stored.size = message != NULL ? protobuf_c_message_get_packed_size(message) : 0;
	buf_push(&hub->outbox, &stored, sizeof(stored));
	if (stored.size > 0) {
		protobuf_c_message_pack(message, buf_reserve(&hub->outbox, stored.size));
		buf_commit(&hub->outbox, stored.size);
	}
}

static void
item_object(struct hub *hub, uint64_t frame, enum hub_item_kind kind, void *object)
{
	struct hub_item item = {.frame = frame, .kind = kind, .object = object};
	hub_item_push(hub, &item, NULL);
}

static void
item_reply(struct hub *hub, uint64_t frame, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message)
{
	struct hub_item item = {
	    .frame = frame,
	    .kind = HUB_ITEM_EFFECT,
	    .number = number,
	    .conn = origin->conn,
	    .request = origin->request,
	};
	hub_item_push(hub, &item, message);
}

void
hub_queue_reply(struct hub *hub, const struct eng_origin *origin, uint32_t number,
    const ProtobufCMessage *message)
{
	item_reply(hub, log_tail_seq(hub->shard->log), origin, number, message);
}

static void
error_fill(Froe__Error *error, enum froe_err err, const char *field, const char *text)
{
	froe__error__init(error);
	error->has_code = true;
	error->code = (uint32_t)err;
	error->field = (char *)(uintptr_t)field;
	error->text = (char *)(uintptr_t)text;
}

void
hub_queue_error(struct hub *hub, const struct eng_origin *origin, enum froe_err err,
    const char *field, const char *text)
{
	Froe__Error error;
	error_fill(&error, err, field, text);
	hub_queue_reply(hub, origin, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hub->stats.refused++;
}

static void
item_free(const struct hub_item *item)
{
	switch (item->kind) {
	case HUB_ITEM_EFFECT:
		return;
	case HUB_ITEM_PUSH:
		hub_push_free(item->object);
		return;
	case HUB_ITEM_INDEX:
		indexer_job_free(item->object);
		return;
	}
}

/* A closed run's places are forgotten here once the index has them. */
struct hub_forget {
	struct list link;
	uint64_t run;
	uint64_t frame;
};

static void
forget_later(struct hub *hub, const struct indexer_job *job)
{
	if (job->row.finished_ns == 0)
		return;
	struct hub_forget *forget = mem_zalloc(sizeof(*forget));
	forget->run = job->row.number;
	forget->frame = job->frame;
	list_push(&hub->forgets, &forget->link);
}

static void
forget_applied(struct hub *hub)
{
	uint64_t applied = indexer_applied(hub->indexer);
	while (!list_empty(&hub->forgets)) {
		struct hub_forget *forget =
		    container_of(hub->forgets.next, struct hub_forget, link);
		if (forget->frame > applied)
			return;
		resolver_forget(hub->shard->resolver, forget->run);
		list_remove(&forget->link);
		mem_free(forget);
	}
}

/* Only in recovery can the ring be full: hub_command() sees to its room. */
static void
index_post(struct hub *hub, struct indexer_job *job)
{
	forget_later(hub, job);
	if (!list_empty(&hub->backlog) || !indexer_post(hub->indexer, job))
		list_push(&hub->backlog, &job->link);
}

static void
item_release(struct hub *hub, const struct hub_item *item, const uint8_t *bytes)
{
	struct api_effect effect = {
	    .conn = item->conn,
	    .request = item->request,
	    .number = item->number,
	    .packed = bytes_of(bytes, item->size),
	};
	switch (item->kind) {
	case HUB_ITEM_EFFECT:
		hub->deliver(hub->deliver_context, &effect);
		return;
	case HUB_ITEM_PUSH:
		if (((struct hub_push *)item->object)->kind == HUB_PUSH_DISPATCH)
			failpoint_pass(&hub->failpoint, "after_commit_before_send");
		hub_push_queue(hub, item->object);
		return;
	case HUB_ITEM_INDEX:
		index_post(hub, item->object);
		return;
	}
}

/* A delivery may queue more, which moves the buffer: the item is copied out first. */
void
hub_release_durable(struct hub *hub)
{
	uint64_t durable = log_durable_seq(hub->shard->log);
	while (buf_used(&hub->outbox) > 0) {
		struct hub_item item;
		struct bytes all = buf_bytes(&hub->outbox);
		memcpy(&item, all.data, sizeof(item));
		if (item.frame > durable)
			return;
		buf_reset(&hub->scratch);
		buf_push(&hub->scratch, all.data + sizeof(item), item.size);
		buf_pop(&hub->outbox, sizeof(item) + item.size);
		item_release(hub, &item, hub->scratch.data);
	}
}

bool
hub_idle(const struct hub *hub)
{
	return buf_used(&hub->outbox) == 0;
}

/* --------------------------------------------------------------------------- effects, as replies */

static void
reply_error(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__Error error;
	Froe__Fault *rows[ENG_FAULTS_MAX], faults[ENG_FAULTS_MAX];
	error_fill(&error, effect->err, effect->fault->field, effect->fault->text);
	for (size_t i = 0; i < effect->fault_count; i++) {
		froe__fault__init(&faults[i]);
		faults[i].field = (char *)(uintptr_t)effect->faults[i].field;
		faults[i].text = (char *)(uintptr_t)effect->faults[i].text;
		rows[i] = &faults[i];
	}
	error.faults = rows;
	error.n_faults = effect->fault_count;
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hub->stats.refused++;
}

static void
reply_done(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__Done done = FROE__DONE__INIT;
	uint8_t position[API_POSITION_BYTES];
	api_position_encode(frame, position);
	done.has_position = true;
	done.position = (ProtobufCBinaryData){sizeof(position), position};
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_DONE, &done.base);
}

static void
reply_welcome(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__Welcome welcome = FROE__WELCOME__INIT;
	struct hub_conn *conn = hub_conn_find(hub, effect->origin.conn);
	if (conn != NULL)
		conn->tenant.v = effect->tenant;
	welcome.has_version = welcome.has_epoch = welcome.has_message_bytes_max = true;
	welcome.has_requests_max = welcome.has_heartbeat_ms = welcome.has_heartbeat_lost_ms = true;
	welcome.version = 1;
	welcome.server = (char *)(uintptr_t)("froe/" FROE_VERSION);
	welcome.epoch = hub->shard->report.epoch;
	welcome.message_bytes_max = FROE_MESSAGE_BYTES_MAX;
	welcome.requests_max = FROE_REQUESTS_MAX;
	welcome.heartbeat_ms = hub->options.heartbeat_ms;
	welcome.heartbeat_lost_ms = hub->options.heartbeat_lost_ms;
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
}

static void
reply_workflow_put(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__WorkflowPutDone done = FROE__WORKFLOW_PUT_DONE__INIT;
	uint8_t position[API_POSITION_BYTES];
	api_position_encode(frame, position);
	done.has_version = done.has_created = done.has_position = true;
	done.version = effect->version;
	done.created = effect->created;
	done.position = (ProtobufCBinaryData){sizeof(position), position};
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE, &done.base);
}

static void
reply_run_started(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__RunStarted started = FROE__RUN_STARTED__INIT;
	struct hub_conn *conn = hub_conn_find(hub, effect->origin.conn);
	struct uuid id = effect->id;
	uint8_t position[API_POSITION_BYTES];
	api_position_encode(frame, position);
	started.has_run = started.has_number = started.has_position = true;
	started.run = (ProtobufCBinaryData){sizeof(id.bytes), id.bytes};
	started.number = effect->run;
	started.position = (ProtobufCBinaryData){sizeof(position), position};
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_RUN_STARTED, &started.base);
	if (hub->command != NULL && hub->command->wait && conn != NULL)
		hub_watch_add(hub, conn, effect->origin.request, effect->run, /* changes= */ false);
}

static void
reply_worker_registered(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__WorkerRegistered registered = FROE__WORKER_REGISTERED__INIT;
	struct hub_conn *conn = hub_conn_find(hub, effect->origin.conn);
	uint32_t count = effect->lapsed_count;
	Froe__HeldLease *leases = arena_alloc(&hub->arena, count * sizeof(*leases));
	Froe__HeldLease **rows = arena_alloc(&hub->arena, count * sizeof(Froe__HeldLease *));
	for (uint32_t i = 0; i < count; i++) {
		froe__held_lease__init(&leases[i]);
		leases[i].has_task = leases[i].has_lease = true;
		leases[i].task = (ProtobufCBinaryData){16,
		    (uint8_t *)(uintptr_t)effect->lapsed[i].task.bytes};
		leases[i].lease = effect->lapsed[i].lease;
		rows[i] = &leases[i];
	}
	registered.has_number = true;
	registered.number = effect->worker;
	registered.lapsed = rows;
	registered.n_lapsed = count;
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WORKER_REGISTERED,
	    &registered.base);
	if (conn != NULL)
		hub_worker_bind(hub, conn, effect->worker);
}

static void
reply_refreshed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__TaskRefreshed refreshed = FROE__TASK_REFRESHED__INIT;
	refreshed.has_timeout_ms = true;
	refreshed.timeout_ms = effect->timeout_ns / 1000000;
	item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_TASK_REFRESHED,
	    &refreshed.base);
}

static void
hub_reply(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	if (effect->origin.conn == 0)
		return; /* the hub's own command */
	if (effect->err != FROE_OK) {
		reply_error(hub, effect, frame);
		return;
	}
	switch (effect->command) {
	case ENG_CMD_TENANT_OPEN:
		reply_welcome(hub, effect, frame);
		return;
	case ENG_CMD_WORKFLOW_PUT:
		reply_workflow_put(hub, effect, frame);
		return;
	case ENG_CMD_RUN_START:
		reply_run_started(hub, effect, frame);
		return;
	case ENG_CMD_WORKER_REGISTER:
		reply_worker_registered(hub, effect, frame);
		return;
	case ENG_CMD_TASK_REFRESH:
		reply_refreshed(hub, effect, frame);
		return;
	case ENG_CMD_WORKER_LEAVE:
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_RUN_CANCEL:
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_LOG:
		reply_done(hub, effect, frame);
		return;
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_TASK_PROVIDE:
		return;
	}
}

/* --------------------------------------------------------------------------------------- hooks */

/* The row of a run as the index keeps it: put when it starts, and once more when it has closed. */
static struct indexer_job *
index_job(struct hub *hub, uint64_t run, const struct eng_run_info *info, uint64_t frame,
    enum eng_status status, uint64_t finished_ns)
{
	struct eng_version_view version;
	struct index_run row = {
	    .number = run,
	    .tenant = info->tenant,
	    .id = info->id,
	    .status = (uint8_t)status,
	    .created_ns = info->created_ns,
	    .finished_ns = finished_ns,
	};
	uint32_t count;
	froe_assert(eng_version(hub->shard->eng, info->workflow, info->version, &version));
	row.workflow = version.workflow;
	buf_reset(&hub->scratch);
	if (finished_ns != 0) {
		const struct log_place *places = resolver_run(hub->shard->resolver, run, &count);
		history_places_encode(places, count, &hub->scratch);
		row.places = buf_bytes(&hub->scratch);
	}
	return indexer_put_job(&row, frame);
}

static void
run_info_of(const struct eng_event *event, struct eng_run_info *info)
{
	*info = (struct eng_run_info){
	    .id = event->id,
	    .tenant = event->tenant,
	    .workflow = event->workflow,
	    .version = event->version,
	    .created_ns = event->time_ns,
	};
}

static void
hook_event(void *context, const struct eng_event *event, uint64_t frame)
{
	struct hub *hub = context;
	if (event->type == ENG_EV_RUN_STARTED) {
		struct eng_run_info info;
		run_info_of(event, &info);
		item_object(hub, frame, HUB_ITEM_INDEX,
		    index_job(hub, event->run, &info, frame, ENG_QUEUED, 0));
	} else if (event->type == ENG_EV_WORKER_LEAVING) {
		hub_worker_gone(hub, event->worker);
	}
	if (hub->change_watches > 0 && event->run != 0)
		hub_watch_event(hub, event, frame);
}

static void
hook_dispatch(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, effect->worker);
	struct hub_push *push =
	    hub_push_new(HUB_PUSH_DISPATCH, worker != NULL ? worker->conn : 0);
	push->run = effect->run;
	push->task = effect->task;
	push->lease = effect->lease;
	push->load = hub->providing;
	hub->providing = NULL;
	hub->stats.dispatches++;
	item_object(hub, frame, HUB_ITEM_PUSH, push);
}

static void
hook_revoke(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct hub_worker *worker = map_get_u64(&hub->workers, effect->worker);
	if (worker == NULL || worker->conn == 0)
		return; /* it learns when it comes back and says what it holds */
	struct hub_push *push = hub_push_new(HUB_PUSH_REVOKE, worker->conn);
	push->id = effect->id;
	push->lease = effect->lease;
	push->reason = (uint32_t)effect->reason;
	item_object(hub, frame, HUB_ITEM_PUSH, push);
}

static void
hook_closed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	item_object(hub, frame, HUB_ITEM_INDEX,
	    index_job(hub, effect->run, &effect->info, frame, effect->status,
	        hub->shard->clock.now_ns));
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
	}
}

/* Recovery: what the index may lack; hub_start() drops what it has. */
static void
hook_replayed(void *context, const struct eng_event *event, const struct eng_run_info *info,
    uint64_t frame)
{
	struct hub *hub = context;
	struct eng_run_info started;
	struct indexer_job *job;
	if (event->type == ENG_EV_RUN_STARTED) {
		run_info_of(event, &started);
		job = index_job(hub, event->run, &started, frame, ENG_QUEUED, 0);
	} else if (event->type == ENG_EV_RUN_CLOSED) {
		job = index_job(hub, event->run, info, frame, (enum eng_status)event->status,
		    event->time_ns);
	} else {
		return;
	}
	list_push(&hub->backlog, &job->link);
}

const struct shard_hooks hub_hooks = {
    .event = hook_event,
    .effect = hook_effect,
    .replayed = hook_replayed,
};

/* ------------------------------------------------------------------------------------- commands */

static bool
hub_has_room(const struct hub *hub)
{
	return buf_used(&hub->outbox) < OUTBOX_BYTES_MAX &&
	    indexer_room(hub->indexer) > INDEXER_ROOM_MIN && list_empty(&hub->backlog);
}

/* Runs a command of the engine for a connection. */
static bool
hub_engine(struct hub *hub, const struct api_command *command, const struct eng_command *engine)
{
	if (!shard_has_room(hub->shard, engine))
		return false;
	if (engine->type == ENG_CMD_RUN_START && log_space(hub->shard->log) != LOG_SPACE_OK) {
		hub_queue_error(hub, &command->origin, FROE_RESOURCE_EXHAUSTED, "",
		    "the disk is nearly full: free space in the data directory's file system");
		return true;
	}
	hub->command = command;
	arena_reset(&hub->arena);
	FROE_DROP(shard_step(hub->shard, engine), "a refused command has no events");
	hub->command = NULL;
	return true;
}

static bool
hub_open_conn(struct hub *hub, const struct api_command *command)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TENANT_OPEN,
	    .origin = command->origin,
	    .tenant_open.name = command->open.tenant.size != 0 ? command->open.tenant
	                                                       : bytes_text("default"),
	};
	if (!shard_has_room(hub->shard, &engine))
		return false;
	froe_assert(hub_conn_find(hub, command->origin.conn) == NULL);
	struct hub_conn *conn = mem_zalloc(sizeof(*conn));
	conn->handle = command->origin.conn;
	conn->window = command->open.push_window;
	list_init(&conn->pushes);
	list_init(&conn->watches);
	map_put_u64(&hub->conns, conn->handle, conn);
	hub->stats.connections++;
	return hub_engine(hub, command, &engine);
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

/* Ids of runs that have none: minted here, where time and dice are. */
static void
mint_run(struct hub *hub, struct eng_command *engine)
{
	uint8_t random[16];
	io_random(hub->shard->env, random, sizeof(random));
	engine->run_start.run = uuid_run(hub->shard->clock.now_ns, random);
}

static bool
hub_engine_command(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	struct eng_command engine = command->engine;
	engine.origin = command->origin;
	engine.tenant = conn->tenant;
	switch (engine.type) {
	case ENG_CMD_RUN_START:
		if (uuid_is_nil(engine.run_start.run))
			mint_run(hub, &engine);
		break;
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_WORKER_LEAVE:
		engine.worker.worker.v = conn->worker;
		engine.worker.lost = false;
		break;
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_REFRESH:
	case ENG_CMD_TASK_LOG:
		engine.task.worker.v = conn->worker;
		hub_worker_seen(hub, conn->worker);
		break;
	case ENG_CMD_WORKFLOW_PUT:
	case ENG_CMD_RUN_CANCEL:
	case ENG_CMD_WORKER_REGISTER:
		break;
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_TENANT_OPEN:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_TASK_PROVIDE:
		froe_never("a session does not send this");
	}
	return hub_engine(hub, command, &engine);
}

static void
hub_heartbeat(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	Froe__Done done = FROE__DONE__INIT;
	if (conn->worker == 0) {
		hub_queue_error(hub, &command->origin, FROE_FAILED_PRECONDITION, "",
		    "no worker is registered on this connection: send WorkerRegister first");
		return;
	}
	hub_worker_seen(hub, conn->worker);
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_DONE, &done.base);
}

static void
hub_credit(struct hub *hub, struct hub_conn *conn, uint64_t bytes)
{
	conn->window = bytes < WINDOW_BYTES_MAX - conn->window ? conn->window + bytes
	                                                       : WINDOW_BYTES_MAX;
	hub_push_pump(hub, conn);
}

static void
hub_unwatch(struct hub *hub, struct hub_conn *conn, const struct api_command *command)
{
	Froe__Done done = FROE__DONE__INIT;
	struct list *at;
	list_for_each(at, &conn->watches) {
		struct hub_watch *watch = container_of(at, struct hub_watch, link);
		if (watch->request == command->unwatch.watch) {
			hub_watch_remove(hub, watch);
			break;
		}
	}
	hub_queue_reply(hub, &command->origin, FROE__ENVELOPE__BODY_DONE, &done.base);
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
	if (conn == NULL)
		return true; /* it has closed meanwhile */
	switch (command->op) {
	case API_OP_CREDIT:
		hub_credit(hub, conn, command->credit.bytes);
		return true;
	case API_OP_ENGINE:
		return hub_engine_command(hub, conn, command);
	case API_OP_RUN_GET:
	case API_OP_RUN_LIST:
	case API_OP_RUN_WATCH:
	case API_OP_OUTPUT_GET:
		hub_read_open(hub, conn, command);
		return true;
	case API_OP_RUN_UNWATCH:
		hub_unwatch(hub, conn, command);
		return true;
	case API_OP_HEARTBEAT:
		hub_heartbeat(hub, conn, command);
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
hub_start(struct hub *hub, struct shard *shard, struct indexer *indexer, uint64_t index_applied)
{
	struct list *at, *next;
	hub->shard = shard;
	hub->indexer = indexer;
	hub->mono_ns = io_mono_ns(shard->env);
	for (at = hub->backlog.next; at != &hub->backlog; at = next) {
		struct indexer_job *job = container_of(at, struct indexer_job, link);
		next = at->next;
		if (job->frame > index_applied) {
			forget_later(hub, job);
			continue;
		}
		if (job->row.finished_ns != 0)
			resolver_forget(shard->resolver, job->row.number);
		list_remove(at);
		indexer_job_free(job);
	}
	eng_workers(shard->eng, hub_worker_recovered, hub);
}


static void
backlog_post(struct hub *hub)
{
	while (!list_empty(&hub->backlog)) {
		struct list *at = list_pop(&hub->backlog); /* once posted, it is another thread's */
		if (!indexer_post(hub->indexer, container_of(at, struct indexer_job, link))) {
			list_push_front(&hub->backlog, at);
			return;
		}
	}
}

void
hub_turn(struct hub *hub, uint64_t mono_ns)
{
	hub->mono_ns = mono_ns;
	backlog_post(hub);
	hub_read_answers(hub);
	hub_read_expire(hub);
	forget_applied(hub);
	if (hub_push_loaded(hub))
		FROE_DROP(hub_worker_turn(hub), "what has no room now comes again with the next frame");
}

uint64_t
hub_deadline_ns(const struct hub *hub)
{
	uint64_t worker_ns = wheel_next(&hub->wheel);
	uint64_t read_ns = hub_read_deadline_ns(hub);
	uint64_t due_ns = worker_ns < read_ns ? worker_ns : read_ns;
	if (!list_empty(&hub->backlog) && due_ns > hub->mono_ns + 10000000)
		due_ns = hub->mono_ns + 10000000;
	return due_ns;
}

void
hub_release(struct hub *hub)
{
	while (buf_used(&hub->outbox) > 0) {
		struct hub_item item;
		memcpy(&item, buf_bytes(&hub->outbox).data, sizeof(item));
		item_free(&item);
		buf_pop(&hub->outbox, sizeof(item) + item.size);
	}
	for (size_t i = 0; i < hub->conns.capacity; i++) {
		/* Removal shifts entries back into this slot. */
		while (hub->conns.entries[i].value != NULL)
			conn_free(hub, hub->conns.entries[i].value);
	}
	struct list *at;
	while ((at = list_pop(&hub->backlog)) != NULL)
		indexer_job_free(container_of(at, struct indexer_job, link));
	while ((at = list_pop(&hub->forgets)) != NULL)
		mem_free(container_of(at, struct hub_forget, link));
	while ((at = list_pop(&hub->loaded)) != NULL)
		hub_load_free(container_of(at, struct hub_load, link));
	hub_read_release_all(hub);
	hub_worker_release_all(hub);
	map_release(&hub->conns);
	map_release(&hub->watches);
	map_release(&hub->workers);
	buf_release(&hub->outbox);
	buf_release(&hub->scratch);
	arena_release(&hub->arena);
}
