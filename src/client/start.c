#include "client/start_int.h"
#include "client/argument.h"

#include "client/worker_int.h"

#include "base/mem.h"
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

/* `repeated`: an earlier one of this very request may have started it, under the id it minted. */
static void
started_fill(const Froe__RunStarted *wire, const struct froe_id *minted, bool repeated,
    struct froe_started *ret_started)
{
	*ret_started = (struct froe_started){
	    .run = *minted,
	    .number = wire->number,
	    .created = !wire->has_created || wire->created,
	    .status = (enum froe_status)wire->status,
	};
	FROE_DROP(wire_id_get(wire->run, &ret_started->run), "an answer without one is of ours");
	if (repeated && memcmp(&ret_started->run, minted, sizeof(*minted)) == 0)
		ret_started->created = true;
}

static void
position_take(ProtobufCBinaryData wire, struct froe_position *ret_position)
{
	if (wire.len > sizeof(ret_position->bytes))
		return;
	ret_position->size = (uint8_t)wire.len;
	if (wire.len > 0)
		memcpy(ret_position->bytes, wire.data, wire.len);
}

void
started_view(struct request *request, const Froe__RunStarted *wire,
    struct froe_started *ret_started)
{
	started_fill(wire, &request->run.run, request->repeated, ret_started);
	if (wire->has_position)
		position_take(wire->position, &ret_started->position);
	request->run.run = ret_started->run; /* a watch goes on with this one */
}

/* ------------------------------------------------------------------------------------ encoding */

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

static void
start_parent(const struct start *from, Froe__RunStart *start)
{
	if (from->parent == NULL)
		return;
	start->has_parent = start->has_parent_lease = true;
	start->parent = wire_id(&from->parent->id);
	start->parent_lease = from->parent->lease;
	start->has_child_index = from->child_key == NULL;
	start->child_index = from->child_index;
	start->child_key = wire_text(from->child_key);
}

void
start_fill(struct arena *arena, const struct start *from, const struct froe_id *id,
    Froe__RunStart *start)
{
	const struct froe_run_options *options = from->options;
	froe__run_start__init(start);
	start->workflow = wire_text(wire_text_get(options->workflow));
	start->has_input = options->input.size > 0;
	start->input = wire_bytes(options->input.data, options->input.size);
	start->has_priority = options->priority != 0;
	start->priority = options->priority;
	start->has_run_timeout_ms = options->run_timeout_ms != 0;
	start->run_timeout_ms = options->run_timeout_ms;
	start->has_wait = start->wait = from->wait;
	start->has_run = id != NULL;
	if (id != NULL)
		start->run = wire_id(id);
	start->key = wire_text(options->key);
	start->has_key_ttl_ms = options->key_ttl_ms != 0;
	start->key_ttl_ms = options->key_ttl_ms;
	start->has_key_until_end = start->key_until_end = options->key_until_end;
	start->has_start_ns = options->start_ns != 0;
	start->start_ns = options->start_ns;
	start->has_delay_ms = options->delay_ms != 0;
	start->delay_ms = options->delay_ms;
	start_metadata(arena, options, start);
	start_parent(from, start);
}

enum froe_err
start_check(const struct froe_run_options *options, struct froe_error *error)
{
	if (argument_short(error, "input", options->input.data, options->input.size) ||
	    argument_short(error, "metadata", options->metadata, options->metadata_count))
		return FROE_INVALID_ARGUMENT;
	return FROE_OK;
}

static struct froe_id
start_id(struct froe_client *client, const struct start *start)
{
	return id_given(&start->options->id) ? start->options->id : id_mint(client);
}

enum froe_err
start_request(struct froe_client *client, const struct start *from, request_answer *answer,
    void *context, struct request **ret_request, struct froe_error *error)
{
	enum froe_err err = start_check(from->options, error);
	if (err == FROE_OK)
		err = call_room(client, from->options->input.size, error);
	if (err != FROE_OK)
		return err;
	Froe__RunStart start;
	struct arena arena;
	struct froe_id id = start_id(client, from);
	arena_init(&arena, 0);
	start_fill(&arena, from, &id, &start);
	struct request *request = request_new(client_request_id(client),
	    FROE__ENVELOPE__BODY_RUN_START, &start.base, answer, context);
	request->run.run = id;
	request->worker = from->parent != NULL;
	arena_release(&arena);
	*ret_request = request;
	return FROE_OK;
}

/* ------------------------------------------------------------------------------------- waiting */

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
start_one(struct froe_client *client, const struct start *start, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error)
{
	struct froe_started unused;
	struct call call = {.error = error, .result = ret_started != NULL ? ret_started : &unused};
	struct request *request;
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK)
		err = start_request(client, start, start_answer, &call, &request, error);
	if (err == FROE_OK)
		err = call_wait(client, &call, request, client_deadline_ns(timeout_ms));
	client_unlock(client);
	return err;
}

enum froe_err
froe_run_start(struct froe_client *client, const struct froe_run_options *options, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "options", options, NULL))
		return FROE_INVALID_ARGUMENT;
	const struct start start = {.options = options};
	return start_one(client, &start, timeout_ms, ret_started, error);
}

/* -------------------------------------------------------------------------------- many at once */

struct many {
	struct froe_id *ids; /* minted, or given */
	struct froe_started *started;
	size_t count;
};

static void
many_answer(struct froe_client *client, struct request *request, const Froe__Envelope *envelope,
    const struct froe_error *error)
{
	struct call *call = request->context;
	const struct many *many = call->result;
	const Froe__RunsStarted *wire = envelope != NULL ? envelope->runs_started : NULL;
	struct froe_error wrong;
	if (wire != NULL && wire->n_runs != many->count) {
		error_set(&wrong, FROE_PROTOCOL, "%zu runs were started, the server says %zu",
		    many->count, wire->n_runs);
		error = &wrong;
		envelope = NULL;
	}
	for (size_t i = 0; error == NULL && i < many->count; i++) {
		started_fill(
		    wire->runs[i], &many->ids[i], request->repeated, &many->started[i]);
		position_take(wire->position, &many->started[i].position);
	}
	call_answer(client, request, envelope, error);
}

/* With the lock. */
static enum froe_err
many_request(struct froe_client *client, const struct start *starts, struct many *many,
    struct call *call, struct request **ret_request)
{
	Froe__RunStartMany message = FROE__RUN_START_MANY__INIT;
	struct arena arena;
	enum froe_err err = FROE_OK;
	arena_init(&arena, 0);
	Froe__RunStart *runs = arena_alloc(&arena, many->count * sizeof(*runs));
	message.runs = arena_alloc(&arena, many->count * sizeof(Froe__RunStart *));
	message.n_runs = many->count;
	for (size_t i = 0; i < many->count && err == FROE_OK; i++) {
		err = start_check(starts[i].options, call->error);
		if (err == FROE_OK)
			err = call_room(client, starts[i].options->input.size, call->error);
		if (err != FROE_OK)
			break;
		many->ids[i] = start_id(client, &starts[i]);
		start_fill(&arena, &starts[i], &many->ids[i], &runs[i]);
		message.runs[i] = &runs[i];
	}
	size_t size = err == FROE_OK ? froe__run_start_many__get_packed_size(&message) : 0;
	if (err == FROE_OK && size > FROE_MESSAGE_BYTES_MAX - 64)
		err = error_set(call->error, FROE_TOO_LARGE,
		    "%zu runs take %zu bytes together; a message has at most %u: start fewer at a "
		    "time", many->count, size, FROE_MESSAGE_BYTES_MAX);
	if (err == FROE_OK) {
		*ret_request = request_new(client_request_id(client),
		    FROE__ENVELOPE__BODY_RUN_START_MANY, &message.base, many_answer, call);
		(*ret_request)->worker = starts[0].parent != NULL;
	}
	arena_release(&arena);
	return err;
}

enum froe_err
start_many(struct froe_client *client, const struct start *starts, size_t count, int timeout_ms,
    struct froe_started *ret_started, struct froe_error *error)
{
	struct many many = {.count = count, .started = ret_started};
	struct call call = {.error = error, .result = &many};
	struct request *request;
	many.ids = mem_array(count, sizeof(many.ids[0]));
	if (ret_started == NULL)
		many.started = mem_array(count, sizeof(many.started[0]));
	client_lock(client);
	enum froe_err err = client_may_wait(client, error);
	if (err == FROE_OK)
		err = many_request(client, starts, &many, &call, &request);
	if (err == FROE_OK)
		err = call_wait(client, &call, request, client_deadline_ns(timeout_ms));
	client_unlock(client);
	if (ret_started == NULL)
		mem_free(many.started);
	mem_free(many.ids);
	return err;
}

enum froe_err
froe_run_start_many(struct froe_client *client, const struct froe_run_options *options,
    size_t count, int timeout_ms, struct froe_started *ret_started, struct froe_error *error)
{
	if (argument_missing(error, "client", client, "options", options, NULL))
		return FROE_INVALID_ARGUMENT;
	if (count == 0 || count > FROE_BULK_RUNS_MAX)
		return error_set_field(error, FROE_INVALID_ARGUMENT, "count",
		    "%zu runs: start 1 to %u at a time", count, FROE_BULK_RUNS_MAX);
	struct start *starts = mem_array(count, sizeof(*starts));
	for (size_t i = 0; i < count; i++)
		starts[i].options = &options[i];
	enum froe_err err = start_many(client, starts, count, timeout_ms, ret_started, error);
	mem_free(starts);
	return err;
}
