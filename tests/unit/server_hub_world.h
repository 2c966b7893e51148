/*
 * The hub with a real shard over the simulated world, an index in a temporary directory, and
 * connections that are only handles: what is delivered to them is recorded, and checked against
 * what the shard's hooks said must be durable first.
 */
#ifndef SERVER_HUB_WORLD_H
#define SERVER_HUB_WORLD_H

#include "server/hub_int.h"

#include "api/definition.h"
#include "api/envelope.h"
#include "base/duration.h"
#include "base/mem.h"
#include "io/file.h"
#include "io/sim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORLD_MESSAGES_MAX 60000
#define WORLD_PROMISES_MAX 60000

/* One delivered effect. */
struct message {
	uint64_t conn;
	uint64_t request;
	uint32_t number;
	bool taken;
	size_t size; /* of its frame */
	struct bytes body;
};

/* What must be durable before something is said. */
struct promise {
	uint32_t number;
	uint64_t conn, request; /* a reply */
	uint64_t run, lease;    /* a dispatch */
	uint32_t task;
	struct uuid id;         /* a run's end, a revocation */
	uint64_t frame;
};

struct world {
	struct io_env *env;
	struct io *io;
	struct shard shard;
	struct hub hub;
	struct indexer indexer;
	char index[128];
	size_t cache_bytes;
	uint64_t segment_bytes;
	uint64_t index_applied;
	bool index_stuck; /* the index thread does not run */
	bool index_eager; /* it commits while the hub lets out a frame */
	bool index_opened;
	struct message *messages;
	size_t message_count;
	struct promise *promises;
	size_t promise_count;
	struct map pushed; /* conn -> bytes of pushes, + 1 */
	uint64_t requests;
};

/* ------------------------------------------------------------------------------------ promises */

static inline void
world_promise(struct world *world, struct promise promise)
{
	assert_true(world->promise_count < WORLD_PROMISES_MAX);
	world->promises[world->promise_count++] = promise;
}

static inline void
world_hook_event(void *context, const struct eng_event *event, const struct log_place *place,
    uint64_t frame)
{
	struct world *world = container_of(context, struct world, hub);
	assert_true(frame > log_durable_seq(world->shard.log));
	hub_hooks.event(context, event, place, frame);
}

static inline void
world_hook_effect(void *context, const struct eng_effect *effect, uint64_t frame)
{
	struct world *world = container_of(context, struct world, hub);
	struct promise promise = {
	    .conn = effect->origin.conn,
	    .request = effect->origin.request,
	    .run = effect->run,
	    .task = effect->task,
	    .lease = effect->lease,
	    .id = effect->id,
	    .frame = frame,
	};
	if (effect->type == ENG_EFF_DISPATCH)
		promise.number = FROE__ENVELOPE__BODY_DISPATCH;
	else if (effect->type == ENG_EFF_REVOKE)
		promise.number = FROE__ENVELOPE__BODY_REVOKE;
	else if (effect->type == ENG_EFF_RUN_CLOSED)
		promise.number = FROE__ENVELOPE__BODY_RUN_EVENT;
	world_promise(world, promise);
	hub_hooks.effect(context, effect, frame);
}

static inline void
world_check_promise(struct world *world, const struct message *message, const void *body)
{
	uint64_t durable = log_durable_seq(world->shard.log);
	for (size_t i = 0; i < world->promise_count; i++) {
		const struct promise *promise = &world->promises[i];
		bool same = promise->number == 0 && promise->conn == message->conn &&
		    promise->request == message->request && message->request != 0 &&
		    message->number != FROE__ENVELOPE__BODY_RUN_EVENT;
		if (message->number == promise->number &&
		    message->number == FROE__ENVELOPE__BODY_DISPATCH) {
			const Froe__Dispatch *dispatch = body;
			struct uuid task;
			uint32_t number;
			memcpy(task.bytes, dispatch->task.data, 16);
			uuid_run_of(task, &number);
			same = dispatch->lease == promise->lease && number == promise->task + 1;
		} else if (message->number == promise->number &&
		    message->number == FROE__ENVELOPE__BODY_RUN_EVENT) {
			const Froe__RunEvent *event = body;
			same = event->final && memcmp(event->run.data, promise->id.bytes, 16) == 0;
		}
		if (same && promise->number != FROE__ENVELOPE__BODY_DISPATCH)
			assert_true(promise->frame <= durable);
		if (same && promise->frame <= durable)
			return;
	}
	/* A dispatch has one promise at least that has come true; other numbers need none. */
	assert_int_not_equal(message->number, FROE__ENVELOPE__BODY_DISPATCH);
}

static inline const ProtobufCMessageDescriptor *
message_type(uint32_t number)
{
	for (unsigned i = 0; i < froe__envelope__descriptor.n_fields; i++) {
		if (froe__envelope__descriptor.fields[i].id == number)
			return froe__envelope__descriptor.fields[i].descriptor;
	}
	return NULL;
}

/* The message's struct; protobuf_c_message_free_unpacked() frees it. */
static inline void *
message_body(const struct message *message)
{
	ProtobufCMessage *body = protobuf_c_message_unpack(message_type(message->number), NULL,
	    message->body.size, message->body.data);
	assert_non_null(body);
	return body;
}

/* Every message has the bytes that protobuf-c would give it, whoever wrote them. */
static inline void
message_check(const struct message *message, const ProtobufCMessage *body)
{
	uint8_t *packed = mem_alloc(message->body.size + 1);
	assert_int_equal(protobuf_c_message_get_packed_size(body), message->body.size);
	assert_int_equal(protobuf_c_message_pack(body, packed), message->body.size);
	if (message->body.size > 0)
		assert_memory_equal(packed, message->body.data, message->body.size);
	assert_int_equal(body->n_unknown_fields, 0);
	mem_free(packed);
}

static inline void
message_done(void *body)
{
	protobuf_c_message_free_unpacked(body, NULL);
}

static inline uint64_t
world_pushed(const struct world *world, uint64_t conn)
{
	uintptr_t pushed = (uintptr_t)map_get_u64(&world->pushed, conn);
	return pushed != 0 ? pushed - 1 : 0;
}

static inline void
world_deliver(void *context, const struct api_effect *effect)
{
	struct world *world = context;
	if (effect->number == API_METRICS_NUMBER)
		return;
	struct message message = {
	    .conn = effect->conn,
	    .request = effect->request,
	    .number = effect->number,
	    .size = envelope_size(effect),
	};
	size_t size = effect->message != NULL ? protobuf_c_message_get_packed_size(effect->message)
	                                      : effect->packed.size;
	uint8_t *copy = mem_alloc(size);
	if (effect->message != NULL)
		protobuf_c_message_pack(effect->message, copy);
	else if (size > 0)
		memcpy(copy, effect->packed.data, size);
	message.body = bytes_of(copy, size);
	assert_true(message.size <= FROE_MESSAGE_BYTES_MAX);
	void *body = message_body(&message);
	message_check(&message, body);
	world_check_promise(world, &message, body);
	message_done(body);
	if (message.number == FROE__ENVELOPE__BODY_DISPATCH ||
	    message.number == FROE__ENVELOPE__BODY_RUN_EVENT ||
	    message.number == FROE__ENVELOPE__BODY_NODE_DONE) {
		uint64_t pushed = world_pushed(world, message.conn) + message.size;
		map_put_u64(&world->pushed, message.conn, (void *)(uintptr_t)(pushed + 1));
	}
	assert_true(world->message_count < WORLD_MESSAGES_MAX);
	world->messages[world->message_count++] = message;
	if (world->index_eager) {
		indexer_step(&world->indexer);
		sim_advance(world->env, INDEXER_BATCH_NS);
		indexer_step(&world->indexer);
		world->index_eager = false;
	}
}

/* --------------------------------------------------------------------------------- the process */

static inline void
world_opened(void *context, struct uuid store)
{
	struct world *world = context;
	struct froe_fault fault = {0};
	if (indexer_open(&world->indexer, world->env, world->index, store, &world->index_applied,
	        &fault) != FROE_OK)
		fail_msg("%s", fault.text);
	world->index_opened = true;
	hub_replays(&world->hub, world->index_applied != 0 ? world->index_applied : UINT64_MAX);
}

static inline void
world_start(struct world *world)
{
	struct shard_options options = {
	    .log = {.dir = "/data", .segment_bytes = world->segment_bytes, .spares = 2},
	    .cache_bytes = world->cache_bytes,
	};
	struct hub_options hub = {
	    .heartbeat_ms = 4000,
	    .heartbeat_lost_ms = 30000,
	    .reconnect_grace_ms = 5000,
	};
	struct shard_hooks hooks = hub_hooks;
	struct froe_fault fault = {0};
	hub_init(&world->hub, &hub);
	world->hub.shard = &world->shard;
	world->hub.deliver = world_deliver;
	world->hub.opened = world_opened;
	world->hub.deliver_context = world;
	world->index_opened = false;
	hooks.event = world_hook_event;
	hooks.effect = world_hook_effect;
	hooks.context = &world->hub;
	if (shard_open(&world->shard, world->env, &options, &hooks, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
	if (!world->index_opened)
		world_opened(world, world->shard.report.store);
	assert_int_equal(io_open(world->env, &world->io, &fault), FROE_OK);
	hub_start(&world->hub, &world->shard, &world->indexer);
	indexer_source(&world->indexer, "/data", &world->shard.report);
	if (shard_start(&world->shard, world->io, &fault) != FROE_OK)
		fail_msg("%s", fault.text);
}

static inline struct world *
world_open(size_t cache_bytes)
{
	struct world *world = mem_zalloc(sizeof(*world));
	struct sim_options options = {.seed = 11, .start_wall_ns = UINT64_C(1700000000) * NS_PER_S};
	const char *tmp = getenv("TMPDIR");
	snprintf(world->index, sizeof(world->index), "%s/froe-hub-XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(world->index));
	world->env = sim_open(&options);
	world->cache_bytes = cache_bytes;
	world->segment_bytes = 4u << 20;
	world->messages = mem_array(WORLD_MESSAGES_MAX, sizeof(*world->messages));
	world->promises = mem_array(WORLD_PROMISES_MAX, sizeof(*world->promises));
	world_start(world);
	return world;
}

/* The process ends; the world stays. */
static inline void
world_stop(struct world *world)
{
	io_close(world->io);
	hub_release(&world->hub);
	indexer_close(&world->indexer);
	shard_close(&world->shard);
}

static inline void
world_forget(struct world *world)
{
	for (size_t i = 0; i < world->message_count; i++)
		mem_free((void *)(uintptr_t)world->messages[i].body.data);
	world->message_count = 0;
}

static inline void
world_close(struct world *world)
{
	struct froe_fault fault;
	world_stop(world);
	world_forget(world);
	assert_int_equal(index_delete(world->index, &fault), FROE_OK);
	FROE_DROP(rmdir(world->index), "index_delete may have removed it");
	sim_release(world->env);
	map_release(&world->pushed);
	mem_free(world->messages);
	mem_free(world->promises);
	mem_free(world);
}

static inline void
world_index(struct world *world)
{
	while (!world->index_stuck && indexer_step(&world->indexer) == 0)
		;
}

/* What a turn does, but for its wait. */
static inline void
world_turn(struct world *world)
{
	uint64_t mono_ns = io_mono_ns(world->env);
	assert_false(log_failed(world->shard.log, NULL));
	clock_read(&world->shard.clock, mono_ns);
	hub_release_durable(&world->hub);
	hub_turn(&world->hub, mono_ns);
	FROE_DROP(shard_turn(&world->shard, mono_ns), "the next turn comes");
	while (log_spares_step(world->shard.log))
		;
	log_flush(world->shard.log);
	hub_release_durable(&world->hub);
	world_index(world);
}

/* Waits `ns` at most, then one turn. */
static inline void
world_step(struct world *world, uint64_t ns)
{
	io_step(world->io, io_mono_ns(world->env) + ns);
	world_turn(world);
}

static inline bool
world_quiet(struct world *world)
{
	return hub_idle(&world->hub) && !hub_reading(&world->hub) &&
	    list_empty(&world->hub.loaded) &&
	    (world->index_stuck || list_empty(&world->hub.reads)) &&
	    log_durable_seq(world->shard.log) == log_tail_seq(world->shard.log);
}

/* Turns until nothing is under way. Takes some milliseconds of virtual time. */
static inline void
world_settle(struct world *world)
{
	world_turn(world);
	for (int i = 0; !world_quiet(world) || i < 3; i++) {
		assert_true(i < 100000);
		world_step(world, NS_PER_MS);
	}
}

/* Time passes, in small steps. */
static inline void
world_pass(struct world *world, uint64_t ms)
{
	uint64_t end_ns = io_mono_ns(world->env) + ms * NS_PER_MS;
	for (uint64_t now_ns; (now_ns = io_mono_ns(world->env)) < end_ns;) {
		uint64_t left_ns = end_ns - now_ns;
		sim_advance(world->env, left_ns < 100 * NS_PER_MS ? left_ns : 100 * NS_PER_MS);
		world_settle(world);
	}
}

/* ----------------------------------------------------------------------------- what clients say */

static inline void
world_say(struct world *world, const struct api_command *command)
{
	for (int i = 0; !hub_command(&world->hub, command); i++) {
		assert_true(i < 1000);
		world_step(world, NS_PER_MS);
	}
}

static inline struct api_command
command_of(struct world *world, uint64_t conn, enum api_op op)
{
	return (struct api_command){
	    .op = op,
	    .origin = {.conn = conn, .request = ++world->requests},
	};
}

static inline void
say_open(struct world *world, uint64_t conn, uint64_t window)
{
	struct api_command command = command_of(world, conn, API_OP_OPEN);
	command.open.push_window = window;
	world_say(world, &command);
}

static inline void
say_close(struct world *world, uint64_t conn)
{
	struct api_command command = command_of(world, conn, API_OP_CLOSE);
	world_say(world, &command);
}

static inline void
say_credit(struct world *world, uint64_t conn, uint64_t bytes)
{
	struct api_command command = command_of(world, conn, API_OP_CREDIT);
	command.credit.bytes = bytes;
	world_say(world, &command);
}

static inline uint64_t
say_engine(struct world *world, uint64_t conn, const struct eng_command *engine, bool wait)
{
	struct api_command command = command_of(world, conn, API_OP_ENGINE);
	command.engine = *engine;
	command.engine.origin = command.origin;
	command.wait = wait;
	world_say(world, &command);
	return command.origin.request;
}

struct flow_task {
	const char *name;
	const char *parents[8];
	uint32_t retries;
	bool on_failure;
	bool durable;
};

static inline uint64_t
say_flow(struct world *world, uint64_t conn, const char *name, const struct flow_task *tasks,
    size_t count)
{
	Froe__WorkflowDefinition proto = FROE__WORKFLOW_DEFINITION__INIT;
	Froe__TaskDefinition rows[16], *at[16];
	struct arena arena;
	proto.name = (char *)(uintptr_t)name;
	proto.tasks = at;
	proto.n_tasks = count;
	for (size_t i = 0; i < count; i++) {
		at[i] = &rows[i];
		froe__task_definition__init(&rows[i]);
		rows[i].name = (char *)(uintptr_t)tasks[i].name;
		rows[i].parents = (char **)(uintptr_t)tasks[i].parents;
		while (rows[i].n_parents < 8 && tasks[i].parents[rows[i].n_parents] != NULL)
			rows[i].n_parents++;
		rows[i].has_retries = true;
		rows[i].retries = tasks[i].retries;
		rows[i].has_on_failure = rows[i].on_failure = tasks[i].on_failure;
		rows[i].has_durable = rows[i].durable = tasks[i].durable;
	}
	arena_init(&arena, 0);
	struct eng_command engine = {.type = ENG_CMD_WORKFLOW_PUT};
	engine.workflow_put.definition = *definition_from_proto(&proto, &arena);
	uint64_t request = say_engine(world, conn, &engine, false);
	arena_release(&arena);
	return request;
}

static inline uint64_t
say_run(struct world *world, uint64_t conn, const char *workflow, struct bytes input, bool wait)
{
	struct eng_command engine = {
	    .type = ENG_CMD_RUN_START,
	    .run_start = {.workflow = bytes_text(workflow), .input = input},
	};
	return say_engine(world, conn, &engine, wait);
}

static const struct eng_slots durable_slots = {{(const uint8_t *)FROE_SLOT_DURABLE, 7}, 4};

static inline uint64_t
say_register(struct world *world, uint64_t conn, uint8_t worker, uint64_t incarnation,
    const char *const *actions, uint32_t slots, const struct eng_fence *held, uint32_t held_count)
{
	struct bytes names[16];
	struct eng_command engine = {
	    .type = ENG_CMD_WORKER_REGISTER,
	    .worker_register =
	        {
	            .id.bytes = {worker, 1},
	            .name = bytes_text("bee"),
	            .incarnation = incarnation,
	            .actions = names,
	            .slots = slots,
	            .types = &durable_slots, /* its tasks may be durable */
	            .type_count = 1,
	            .held = held,
	            .held_count = held_count,
	        },
	};
	while (actions[engine.worker_register.action_count] != NULL) {
		uint32_t i = engine.worker_register.action_count++;
		names[i] = bytes_text(actions[i]);
	}
	return say_engine(world, conn, &engine, false);
}

static inline uint64_t
say_complete(struct world *world, uint64_t conn, struct eng_fence fence, struct bytes output)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_COMPLETE,
	    .task = {.fence = fence, .bytes = output},
	};
	return say_engine(world, conn, &engine, false);
}

static inline uint64_t
say_fail(struct world *world, uint64_t conn, struct eng_fence fence, const char *error)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_FAIL,
	    .task = {.fence = fence, .bytes = bytes_text(error)},
	};
	return say_engine(world, conn, &engine, false);
}

static inline uint64_t
say_log(struct world *world, uint64_t conn, struct eng_fence fence, const char *line)
{
	struct eng_command engine = {
	    .type = ENG_CMD_TASK_LOG,
	    .task = {.fence = fence, .bytes = bytes_text(line)},
	};
	return say_engine(world, conn, &engine, false);
}

static inline uint64_t
say_cancel(struct world *world, uint64_t conn, struct uuid run)
{
	struct eng_command engine = {.type = ENG_CMD_RUN_CANCEL, .run_cancel.run = run};
	return say_engine(world, conn, &engine, false);
}

static inline uint64_t
say_of_run(struct world *world, uint64_t conn, enum api_op op, struct uuid run, bool flag,
    const char *task)
{
	struct api_command command = command_of(world, conn, op);
	command.run.run = run;
	command.run.payloads = op == API_OP_RUN_GET && flag;
	command.run.changes = op == API_OP_RUN_WATCH && flag;
	command.run.task = bytes_text(task);
	world_say(world, &command);
	return command.origin.request;
}

static inline uint64_t
say_unwatch(struct world *world, uint64_t conn, uint64_t watch)
{
	struct api_command command = command_of(world, conn, API_OP_RUN_UNWATCH);
	command.unwatch.watch = watch;
	world_say(world, &command);
	return command.origin.request;
}

static inline uint64_t
say_heartbeat(struct world *world, uint64_t conn)
{
	struct api_command command = command_of(world, conn, API_OP_HEARTBEAT);
	world_say(world, &command);
	return command.origin.request;
}

static inline uint64_t
say_list(struct world *world, uint64_t conn, uint32_t statuses, uint32_t limit, uint64_t before,
    uint64_t position)
{
	struct api_command command = command_of(world, conn, API_OP_RUN_LIST);
	command.list.statuses = statuses;
	command.list.limit = limit;
	command.list.before = before;
	command.list.position = position;
	world_say(world, &command);
	return command.origin.request;
}

/* ------------------------------------------------------------------------------- what they hear */

/* The next message of this number for the connection, taken; NULL: none (yet). */
static inline struct message *
heard(struct world *world, uint64_t conn, uint64_t request, uint32_t number)
{
	for (size_t i = 0; i < world->message_count; i++) {
		struct message *message = &world->messages[i];
		if (message->taken || message->conn != conn || message->request != request ||
		    message->number != number)
			continue;
		message->taken = true;
		return message;
	}
	return NULL;
}

static inline struct message *
hear(struct world *world, uint64_t conn, uint64_t request, uint32_t number)
{
	struct message *message = heard(world, conn, request, number);
	for (int i = 0; message == NULL && i < 200; i++) {
		world_step(world, NS_PER_MS);
		message = heard(world, conn, request, number);
	}
	if (message == NULL)
		fail_msg("message %u of request %llu did not come", number,
		    (unsigned long long)request);
	return message;
}

static inline void *
hear_body(struct world *world, uint64_t conn, uint64_t request, uint32_t number)
{
	return message_body(hear(world, conn, request, number));
}

static inline uint32_t
hear_error(struct world *world, uint64_t conn, uint64_t request)
{
	Froe__Error *error = hear_body(world, conn, request, FROE__ENVELOPE__BODY_ERROR);
	uint32_t code = error->code;
	message_done(error);
	return code;
}

static inline void
hear_done(struct world *world, uint64_t conn, uint64_t request)
{
	hear(world, conn, request, FROE__ENVELOPE__BODY_DONE);
}

static inline struct uuid
uuid_in(ProtobufCBinaryData data)
{
	struct uuid id;
	assert_int_equal(data.len, 16);
	memcpy(id.bytes, data.data, 16);
	return id;
}

static inline struct uuid
hear_started(struct world *world, uint64_t conn, uint64_t request)
{
	Froe__RunStarted *started =
	    hear_body(world, conn, request, FROE__ENVELOPE__BODY_RUN_STARTED);
	struct uuid run = uuid_in(started->run);
	message_done(started);
	return run;
}

static inline struct eng_fence
fence_of(const Froe__Dispatch *dispatch)
{
	return (struct eng_fence){.task = uuid_in(dispatch->task), .lease = dispatch->lease};
}

static inline struct eng_fence
hear_dispatch(struct world *world, uint64_t conn)
{
	Froe__Dispatch *dispatch = hear_body(world, conn, 0, FROE__ENVELOPE__BODY_DISPATCH);
	struct eng_fence fence = fence_of(dispatch);
	message_done(dispatch);
	return fence;
}

/* The run's end; *ret_result (may be NULL) is to be freed. */
static inline uint32_t
hear_end(struct world *world, uint64_t conn, uint64_t request, char **ret_result)
{
	for (;;) {
		Froe__RunEvent *event =
		    hear_body(world, conn, request, FROE__ENVELOPE__BODY_RUN_EVENT);
		bool final = event->final;
		uint32_t status = event->status;
		if (final && ret_result != NULL) {
			*ret_result = mem_zalloc(event->result.len + 1);
			if (event->has_result)
				memcpy(*ret_result, event->result.data, event->result.len);
		}
		message_done(event);
		if (final)
			return status;
	}
}

static inline struct bytes
text_large(size_t size, char fill)
{
	char *text = mem_alloc(size);
	memset(text, fill, size);
	text[0] = text[size - 1] = '"';
	return bytes_of(text, size);
}

#define WINDOW UINT64_C(100000000)
#define CLIENT api_conn_handle(0, 1, 1)
#define WORKER api_conn_handle(0, 1, 2)
#define OTHER api_conn_handle(1, 1, 3)

static const struct flow_task MAIL[] = {{.name = "send", .retries = 2}};
static const char *const MAIL_ACTIONS[] = {"mail:send", NULL};

/* A client, a worker of `slots`, the workflow mail. */
static inline void
world_mail(struct world *world, uint32_t slots)
{
	say_open(world, CLIENT, WINDOW);
	say_open(world, WORKER, WINDOW);
	uint64_t put = say_flow(world, CLIENT, "mail", MAIL, 1);
	hear(world, CLIENT, put, FROE__ENVELOPE__BODY_WORKFLOW_PUT_DONE);
	if (slots == 0)
		return;
	uint64_t request = say_register(world, WORKER, 1, 1, MAIL_ACTIONS, slots, NULL, 0);
	hear(world, WORKER, request, FROE__ENVELOPE__BODY_WORKER_REGISTERED);
}

#endif
