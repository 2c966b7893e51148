#include "client/start_int.h"
#include "client/argument.h"
#include "client/worker_int.h"

#include "base/mem.h"
#include "base/message.h"
#include "base/uuid.h"

static bool
id_given(const struct froe_id *id)
{
	return !bytes_zero(id->bytes, sizeof(id->bytes));
}

#define UUID_RANDOM_BYTES 10u /* the rest of it is the time, which is of a millisecond at most */

static struct froe_id
id_mint(struct froe_client *client)
{
	uint8_t random[16] = {0};
	struct froe_id id;
	dice_roll(&client->dice, random, UUID_RANDOM_BYTES);
	struct uuid run = uuid_run(clock_wall_coarse_ns(), random);
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

/* RunStart is written field by field, since every run begins with one. */
enum {
	START_WORKFLOW = 1,
	START_INPUT = 2,
	START_PRIORITY = 3,
	START_RUN_TIMEOUT_MS = 4,
	START_WAIT = 5,
	START_RUN = 6,
	START_METADATA = 20,
	START_KEY = 21,
	START_KEY_TTL_MS = 22,
	START_KEY_UNTIL_END = 23,
	START_START_NS = 24,
	START_DELAY_MS = 25,
	START_PARENT = 26,
	START_PARENT_LEASE = 27,
	START_CHILD_INDEX = 28,
	START_CHILD_KEY = 29,
	PAIR_KEY = 1,
	PAIR_VALUE = 2,
	MANY_RUNS = 1, /* RunStartMany */
};

#define START_NUMBERS_BYTES_MAX 512u /* all that is not text: 16 fields of 12 bytes, two ids */
#define PAIR_HEADS_BYTES_MAX 36u     /* tags and lengths of a pair and its two texts */

static uint8_t *
put_if(uint8_t *to, unsigned field, uint64_t value)
{
	return value != 0 ? message_store_number(to, field, value) : to;
}

static uint8_t *
put_text(uint8_t *to, unsigned field, const char *text)
{
	return message_store_bytes(to, field, bytes_text(wire_text_get(text)));
}

static uint8_t *
put_metadata(uint8_t *to, const struct froe_run_options *options)
{
	for (size_t i = 0; i < options->metadata_count; i++) {
		struct bytes key = bytes_text(wire_text_get(options->metadata[i].key));
		struct bytes value = bytes_text(wire_text_get(options->metadata[i].value));
		size_t size = 1 + varint_size(key.size) + key.size + 1 + varint_size(value.size) +
		    value.size;
		to = varint_store(to, MESSAGE_TAG(START_METADATA, LENGTH_PREFIXED));
		to = varint_store(to, size);
		to = message_store_bytes(to, PAIR_KEY, key);
		to = message_store_bytes(to, PAIR_VALUE, value);
	}
	return to;
}

static uint8_t *
put_parent(uint8_t *to, const struct start *start)
{
	const struct froe_task *parent = start->parent;
	to = message_store_bytes(
	    to, START_PARENT, bytes_of(parent->id.bytes, sizeof(parent->id.bytes)));
	to = message_store_number(to, START_PARENT_LEASE, parent->lease);
	if (start->child_key == NULL)
		return message_store_number(to, START_CHILD_INDEX, start->child_index);
	return put_text(to, START_CHILD_KEY, start->child_key);
}

/* No less than it takes. */
static size_t
start_size_max(const struct start *start)
{
	const struct froe_run_options *options = start->options;
	size_t size = START_NUMBERS_BYTES_MAX + strlen(wire_text_get(options->workflow)) +
	    options->input.size;
	for (size_t i = 0; i < options->metadata_count; i++)
		size += PAIR_HEADS_BYTES_MAX + strlen(wire_text_get(options->metadata[i].key)) +
		    strlen(wire_text_get(options->metadata[i].value));
	size += options->key != NULL ? strlen(options->key) : 0;
	return size + (start->child_key != NULL ? strlen(start->child_key) : 0);
}

void
start_put(struct buf *to, const struct start *start, const struct froe_id *id)
{
	const struct froe_run_options *options = start->options;
	uint8_t *begin = buf_reserve(to, start_size_max(start));
	uint8_t *at = put_text(begin, START_WORKFLOW, options->workflow);
	if (options->input.size > 0)
		at = message_store_bytes(
		    at, START_INPUT, bytes_of(options->input.data, options->input.size));
	at = put_if(at, START_PRIORITY, options->priority);
	at = put_if(at, START_RUN_TIMEOUT_MS, options->run_timeout_ms);
	at = put_if(at, START_WAIT, start->wait);
	if (id != NULL)
		at = message_store_bytes(at, START_RUN, bytes_of(id->bytes, sizeof(id->bytes)));
	at = put_metadata(at, options);
	if (options->key != NULL)
		at = put_text(at, START_KEY, options->key);
	at = put_if(at, START_KEY_TTL_MS, options->key_ttl_ms);
	at = put_if(at, START_KEY_UNTIL_END, options->key_until_end);
	at = put_if(at, START_START_NS, options->start_ns);
	at = put_if(at, START_DELAY_MS, options->delay_ms);
	if (start->parent != NULL)
		at = put_parent(at, start);
	buf_commit(to, (size_t)(at - begin));
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
	struct froe_id id = start_id(client, from);
	struct buf *body = client_body(client);
	start_put(body, from, &id);
	struct request *request = request_encoded(&client->requests,
	    FROE__ENVELOPE__BODY_RUN_START, buf_bytes(body), answer, context);
	request->run.run = id;
	request->worker = from->parent != NULL;
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
	struct buf *body = client_body(client);
	enum froe_err err = FROE_OK;
	for (size_t i = 0; i < many->count && err == FROE_OK; i++) {
		err = start_check(starts[i].options, call->error);
		if (err == FROE_OK)
			err = call_room(client, starts[i].options->input.size, call->error);
		if (err != FROE_OK)
			break;
		many->ids[i] = start_id(client, &starts[i]);
		size_t begun = message_begin(body, MANY_RUNS);
		start_put(body, &starts[i], &many->ids[i]);
		message_end(body, begun);
	}
	if (err == FROE_OK && buf_used(body) > FROE_MESSAGE_BYTES_MAX - 64)
		err = error_set(call->error, FROE_TOO_LARGE,
		    "%zu runs take %zu bytes together; a message has at most %u: start fewer at a "
		    "time", many->count, buf_used(body), FROE_MESSAGE_BYTES_MAX);
	if (err == FROE_OK) {
		*ret_request = request_encoded(&client->requests,
		    FROE__ENVELOPE__BODY_RUN_START_MANY, buf_bytes(body), many_answer, call);
		(*ret_request)->worker = starts[0].parent != NULL;
	}
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
