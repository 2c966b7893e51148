/*
 * Starting runs and waiting for their ends. The run's id is minted here, which is what makes a
 * start safe to repeat after a lost connection: see session.c, answer_repeated().
 */
#include "client/call_int.h"
#include "client/view.h"

#include "base/uuid.h"

static bool
id_given(const struct froe_id *id)
{
	return !bytes_zero(id->bytes, sizeof(id->bytes));
}

static struct froe_id
id_mint(struct froe_client *client)
{
	uint8_t random[16];
	struct froe_id id;
	dice_roll(&client->dice, random, sizeof(random));
	struct uuid run = uuid_run(clock_wall_ns(), random);
	memcpy(id.bytes, run.bytes, sizeof(id.bytes));
	return id;
}

static void
started_view(const struct request *request, const Froe__RunStarted *wire,
    struct froe_started *ret_started)
{
	*ret_started = (struct froe_started){.run = request->run.run, .number = wire->number};
	if (wire->has_position && wire->position.len <= sizeof(ret_started->position.bytes)) {
		ret_started->position.size = (uint8_t)wire->position.len;
		memcpy(ret_started->position.bytes, wire->position.data, wire->position.len);
	}
}

static void
start_metadata(struct arena *arena, const struct froe_run_options *options, Froe__RunStart *start)
{
	size_t count = options->metadata_count;
	Froe__Pair *pairs = arena_alloc(arena, count * sizeof(*pairs));
	start->metadata = arena_alloc(arena, count * sizeof(Froe__Pair *));
	start->n_metadata = count;
	for (size_t i = 0; i < count; i++) {
		froe__pair__init(&pairs[i]);
		pairs[i].key = wire_text(wire_text_get(options->metadata[i].key));
		pairs[i].value = wire_text(wire_text_get(options->metadata[i].value));
		start->metadata[i] = &pairs[i];
	}
}

/* The message borrows from options, id and arena. */
static void
start_fill(struct arena *arena, const struct froe_run_options *options, const struct froe_id *id,
    Froe__RunStart *start)
{
	froe__run_start__init(start);
	start->workflow = wire_text(wire_text_get(options->workflow));
	start->has_input = options->input.size > 0;
	start->input = wire_bytes(options->input.data, options->input.size);
	start->has_priority = options->priority != 0;
	start->priority = options->priority;
	start->has_run_timeout_ms = options->run_timeout_ms != 0;
	start->run_timeout_ms = options->run_timeout_ms;
	start->has_run = true;
	start->run = wire_id(id);
	start_metadata(arena, options, start);
}

/* With the lock. The run's id is minted here, so that the request can be repeated. */
static enum froe_err
start_request(struct froe_client *client, const struct froe_run_options *options, bool wait,
    request_answer *answer, void *context, struct request **ret_request, struct froe_error *error)
{
	enum froe_err err = call_room(client, options->input.size, error);
	if (err != FROE_OK)
		return err;
	Froe__RunStart start;
	struct arena arena;
	struct froe_id id = id_given(&options->id) ? options->id : id_mint(client);
	arena_init(&arena, 0);
	start_fill(&arena, options, &id, &start);
	start.has_wait = wait;
	start.wait = wait;
	struct request *request = request_new(client_request_id(client),
	    FROE__ENVELOPE__BODY_RUN_START, &start.base, answer, context);
	request->run.run = id;
	arena_release(&arena);
	*ret_request = request;
	return FROE_OK;
}

static void
start_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct call *call = request->context;
	if (envelope != NULL)
		started_view(request, envelope->run_started, call->result);
	call_answer(client, request, envelope, error);
}

enum froe_err
froe_run_start(struct froe_client *client, const struct froe_run_options *options, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error)
{
	struct froe_started unused;
	struct call call = {.error = error, .result = ret_started != NULL ? ret_started : &unused};
	struct request *request;
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK) {
		err = start_request(
		    client, options, /* wait= */ false, start_answer, &call, &request, error);
	}
	if (err == FROE_OK)
		err = call_wait(client, &call, request, client_deadline_ns(timeout_ms));
	client_unlock(client);
	return err;
}

/* ------------------------------------------------------------------- asynchronous start, watch */

/* The callbacks of a run, made with the lock open. on_started is cleared once it was called. */
static void
run_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct froe_started started;
	struct froe_event event;
	bool start = request->run.on_started != NULL;
	if (envelope != NULL && start)
		started_view(request, envelope->run_started, &started);
	else if (envelope != NULL)
		event_view(envelope->run_event, &event);
	void (*on_started)(void *, const struct froe_started *, const struct froe_error *) =
	    request->run.on_started;
	request->run.on_started = NULL;
	client_unlock(client);
	if (start)
		on_started(request->context, error == NULL ? &started : NULL, error);
	else
		request->run.on_event(request->context, error == NULL ? &event : NULL, error);
	client_lock(client);
}

enum froe_err
froe_run_start_async(struct froe_client *client, const struct froe_run_options *options,
    void (*on_started)(void *context, const struct froe_started *started,
        const struct froe_error *error),
    void (*on_end)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, struct froe_error *error)
{
	struct request *request;
	froe_assert(on_started != NULL);
	client_lock(client);
	enum froe_err err = start_request(client, options, on_end != NULL, run_answer, context,
	    &request, error);
	if (err == FROE_OK) {
		request->run.on_started = on_started;
		request->run.on_event = on_end;
		client_submit(client, request);
	}
	client_unlock(client);
	return err;
}

/* With the lock. */
static struct request *
watch_request(struct froe_client *client, const struct froe_id *run, bool changes,
    request_answer *answer, void *context)
{
	Froe__RunWatch empty = FROE__RUN_WATCH__INIT;
	struct request *request = request_new(client_request_id(client),
	    FROE__ENVELOPE__BODY_RUN_WATCH, &empty.base, answer, context);
	request->run.run = *run;
	request->run.changes = changes;
	request_watch(request);
	return request;
}

enum froe_err
froe_run_watch(struct froe_client *client, struct froe_id run, bool changes,
    void (*on_event)(void *context, const struct froe_event *event, const struct froe_error *error),
    void *context, uint64_t *ret_watch, struct froe_error *error)
{
	froe_assert(on_event != NULL);
	client_lock(client);
	enum froe_err err = call_room(client, 0, error);
	if (err == FROE_OK) {
		struct request *request = watch_request(client, &run, changes, run_answer, context);
		request->run.on_event = on_event;
		if (ret_watch != NULL)
			*ret_watch = request->id;
		client_submit(client, request);
	}
	client_unlock(client);
	return err;
}

/* With the lock: forgets the watch here and at the server. */
static void
watch_end(struct froe_client *client, struct request *request)
{
	Froe__RunUnwatch unwatch = FROE__RUN_UNWATCH__INIT;
	unwatch.has_watch = true;
	unwatch.watch = request->id;
	bool watching = request->state == REQUEST_WATCHING;
	call_abandon(client, request);
	if (!watching || client->stopping)
		return;
	client_submit(client, request_new(client_request_id(client),
	    FROE__ENVELOPE__BODY_RUN_UNWATCH, &unwatch.base, NULL, NULL));
}

void
froe_run_unwatch(struct froe_client *client, uint64_t watch)
{
	client_lock(client);
	struct request *request = map_get_u64(&client->requests, watch);
	if (request != NULL && request->number == FROE__ENVELOPE__BODY_RUN_WATCH &&
	    !request->abandoned)
		watch_end(client, request);
	client_unlock(client);
}

static void
await_take(struct call *call, const Froe__Envelope *envelope)
{
	struct froe_event **ret_end = call->result;
	*ret_end = event_copy(envelope->run_event);
}

static void
await_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	if (envelope == NULL || envelope->run_event->final)
		call_answer(client, request, envelope, error);
}

enum froe_err
froe_run_await(struct froe_client *client, struct froe_id run, int timeout_ms,
    struct froe_event **ret_end, struct froe_error *error)
{
	struct froe_event *end = NULL;
	struct call call = {.error = error, .take = await_take, .result = &end};
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK)
		err = call_room(client, 0, error);
	if (err == FROE_OK) {
		struct request *request =
		    watch_request(client, &run, /* changes= */ false, await_answer, &call);
		client_submit(client, request);
		if (client_wait(client, &call.done, client_deadline_ns(timeout_ms))) {
			err = call.err;
		} else {
			watch_end(client, request);
			err = error_set(error, FROE_TIMEOUT, "the run has not ended in time");
		}
	}
	client_unlock(client);
	if (err == FROE_OK)
		*ret_end = end;
	return err;
}
