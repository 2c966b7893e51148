/*
 * server/hub_reply: what the engine answers to a command, as a message of the protocol.
 *
 * An answer goes to the outbox with the frame of its step. What it means for the hub is done at
 * once: a tenant, a watch, a worker bound to its connection; so that what the same step does
 * next (a dispatch to the worker that has just registered) finds it.
 */
#include "server/hub_int.h"

#include "base/message.h"

void
hub_error_fill(Froe__Error *error, enum froe_err err, const char *field, const char *text)
{
	froe__error__init(error);
	error->has_code = true;
	error->code = (uint32_t)err;
	error->field = (char *)(uintptr_t)field;
	error->text = (char *)(uintptr_t)text;
}

static void
reply_error(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__Error error;
	size_t count = effect->fault_count; /* in the arena: hub_reply itself needs no such stack */
	Froe__Fault *faults = arena_alloc(&hub->arena, count * sizeof(*faults));
	Froe__Fault **rows = arena_alloc(&hub->arena, count * sizeof(Froe__Fault *));
	hub_error_fill(&error, effect->err, effect->fault->field, effect->fault->text);
	for (size_t i = 0; i < count; i++) {
		froe__fault__init(&faults[i]);
		faults[i].field = (char *)(uintptr_t)effect->faults[i].field;
		faults[i].text = (char *)(uintptr_t)effect->faults[i].text;
		rows[i] = &faults[i];
	}
	error.faults = rows;
	error.n_faults = count;
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_ERROR, &error.base);
	hub->stats.refused++;
}

/* A worker that has said how a task ended goes on with the next one, and a client that waits for a
 * run's end is told that; their acknowledgement need not wake them. */
static bool
reply_may_wait(const struct hub *hub)
{
	const struct api_command *command = hub->command;
	if (command == NULL || command->op != API_OP_ENGINE)
		return false;
	return command->wait || command->engine.type == ENG_CMD_TASK_COMPLETE ||
	    command->engine.type == ENG_CMD_TASK_FAIL;
}

/* Of Done, RunStarted and RunsStarted: every run's answers are written field by field. */
enum {
	DONE_POSITION = 1,
	STARTED_RUN = 1,
	STARTED_NUMBER = 2,
	STARTED_POSITION = 3,
	STARTED_CREATED = 20,
	STARTED_STATUS = 21,
	STARTED_MANY_RUNS = 1,
	STARTED_MANY_POSITION = 2,
};

static void
put_position(struct buf *to, unsigned field, uint64_t frame)
{
	uint8_t position[API_POSITION_BYTES];
	api_position_encode(frame, position);
	message_put_bytes(to, field, bytes_of(position, sizeof(position)));
}

static void
reply_done(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	size_t begun = hub_item_begin(
	    hub, frame, &effect->origin, FROE__ENVELOPE__BODY_DONE, reply_may_wait(hub));
	put_position(&hub->outbox, DONE_POSITION, frame);
	hub_item_end(hub, begun);
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
	welcome.tenant = hub_text(
	    hub, eng_tenant_name(hub->shard->eng, (struct eng_tenant_id){effect->tenant}));
	welcome.heartbeat_ms = hub->options.heartbeat_ms;
	welcome.heartbeat_lost_ms = hub->options.heartbeat_lost_ms;
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WELCOME, &welcome.base);
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
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE,
	    &done.base);
}

#define FRAME_NONE UINT64_MAX /* without a position */

#define STARTED_BYTES_MAX                                                                          \
	(5 * MESSAGE_HEAD_BYTES_MAX + sizeof(struct uuid) + API_POSITION_BYTES) /* of its fields */

static void
put_started(struct buf *to, const struct eng_started *started, uint64_t frame)
{
	uint8_t position[API_POSITION_BYTES];
	uint8_t *begin = buf_reserve(to, STARTED_BYTES_MAX), *at = begin;
	at = message_store_bytes(
	    at, STARTED_RUN, bytes_of(started->id.bytes, sizeof(started->id.bytes)));
	at = message_store_number(at, STARTED_NUMBER, started->run);
	if (frame != FRAME_NONE) {
		api_position_encode(frame, position);
		at = message_store_bytes(
		    at, STARTED_POSITION, bytes_of(position, sizeof(position)));
	}
	at = message_store_number(at, STARTED_CREATED, started->created);
	at = message_store_number(at, STARTED_STATUS, started->status);
	buf_commit(to, (size_t)(at - begin));
}

/* The end of a run that was started before may have been. */
static void
started_watch(struct hub *hub, const struct eng_effect *effect)
{
	enum eng_status status;
	if (hub->command == NULL || !hub->command->wait)
		return;
	struct hub_conn *conn = hub_conn_find(hub, effect->origin.conn);
	if (conn == NULL)
		return;
	/* A run that this very step has begun is open, and its end is an effect still to come. */
	if (effect->started->created || eng_run_status(hub->shard->eng, effect->run, &status))
		hub_watch_add(hub, conn, effect->origin.request, effect->run, /* how= */ 0);
	else
		hub_watch_ended(
		    hub, conn, effect->origin.request, effect->id, /* named= */ false);
}

static void
reply_run_started(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	size_t begun = hub_item_begin(
	    hub, frame, &effect->origin, FROE__ENVELOPE__BODY_RUN_STARTED, reply_may_wait(hub));
	put_started(&hub->outbox, effect->started, frame);
	hub_item_end(hub, begun);
	started_watch(hub, effect);
}

static void
reply_runs_started(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	struct buf *to = &hub->outbox;
	size_t begun = hub_item_begin(
	    hub, frame, &effect->origin, FROE__ENVELOPE__BODY_RUNS_STARTED, /* late= */ false);
	for (uint32_t i = 0; i < effect->started_count; i++) {
		size_t run = message_begin(to, STARTED_MANY_RUNS);
		put_started(to, &effect->started[i], FRAME_NONE);
		message_end(to, run);
	}
	put_position(to, STARTED_MANY_POSITION, frame);
	hub_item_end(hub, begun);
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
	registered.has_draining = registered.draining = effect->draining;
	registered.has_paused = registered.paused = effect->paused;
	registered.number = effect->worker;
	registered.lapsed = rows;
	registered.n_lapsed = count;
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_WORKER_REGISTERED,
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
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_TASK_REFRESHED,
	    &refreshed.base);
}

static void
reply_event_pushed(struct hub *hub, const struct eng_effect *effect, uint64_t frame)
{
	Froe__EventPushed pushed = FROE__EVENT_PUSHED__INIT;
	uint8_t position[API_POSITION_BYTES];
	api_position_encode(frame, position);
	pushed.has_number = pushed.has_position = true;
	pushed.number = effect->number;
	pushed.position = (ProtobufCBinaryData){sizeof(position), position};
	hub_item_reply(hub, frame, &effect->origin, FROE__ENVELOPE__BODY_EVENT_PUSHED,
	    &pushed.base);
}

void
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
	case ENG_CMD_RUN_START_MANY:
		reply_runs_started(hub, effect, frame);
		return;
	case ENG_CMD_WORKER_REGISTER:
		reply_worker_registered(hub, effect, frame);
		return;
	case ENG_CMD_TASK_REFRESH:
		reply_refreshed(hub, effect, frame);
		return;
	case ENG_CMD_DURABLE_STEP:
		hub_node_answer(hub, effect, frame);
		return;
	case ENG_CMD_EVENT_PUSH:
		reply_event_pushed(hub, effect, frame);
		return;
	case ENG_CMD_JOB_START:
		hub_job_started(hub, effect, frame);
		return;
	case ENG_CMD_TOKEN_CREATE:
		hub_token_created(hub, effect, frame);
		return;
	case ENG_CMD_TASK_EVICT:
	case ENG_CMD_APPROVAL_DECIDE:
	case ENG_CMD_RATE_LIMIT_PUT:
	case ENG_CMD_TOKEN_REVOKE:
	case ENG_CMD_WORKER_LEAVE:
	case ENG_CMD_WORKER_DRAIN:
	case ENG_CMD_WORKER_PAUSE:
	case ENG_CMD_WORKFLOW_SET:
	case ENG_CMD_TASK_RESTORE:
	case ENG_CMD_TASK_RELEASE:
	case ENG_CMD_TASK_BEGIN:
	case ENG_CMD_TASK_RETURN:
	case ENG_CMD_RUN_CANCEL:
	case ENG_CMD_RUN_REPLAY:
	case ENG_CMD_JOB_CANCEL:
	case ENG_CMD_TASK_COMPLETE:
	case ENG_CMD_TASK_FAIL:
	case ENG_CMD_TASK_LOG:
	case ENG_CMD_TASK_STREAM:
		reply_done(hub, effect, frame);
		return;
	case ENG_CMD_ENGINE_START:
	case ENG_CMD_TIMER:
	case ENG_CMD_SCHEDULE:
	case ENG_CMD_WORKER_DETACH:
	case ENG_CMD_TASK_PROVIDE:
	case ENG_CMD_JOB_SKIP:
	case ENG_CMD_JOB_END:
		return;
	}
}
