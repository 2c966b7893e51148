#include "api/request_int.h"

#include "api/definition.h"
#include "base/json.h"
#include "froe/limits.h"

#include <stdio.h>

/* ------------------------------------------------------------------------------ the parts */

struct bytes
text_of(const char *text)
{
	return text != NULL ? bytes_text(text) : bytes_of(NULL, 0);
}

static struct bytes
bytes_in(protobuf_c_boolean present, ProtobufCBinaryData data)
{
	return present ? bytes_of(data.data, data.len) : bytes_of(NULL, 0);
}

/* Names are shown to people: no control characters. UTF-8 was checked on the wire. */
enum froe_err
take_name(const char *text, const char *field, bool required, struct bytes *ret_name,
    struct froe_fault *fault)
{
	struct bytes name = text_of(text);
	if (name.size == 0 && required)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is missing: give a name of 1 to %u bytes", field, FROE_NAME_BYTES_MAX);
	if (name.size > FROE_NAME_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, field,
		    "%s has %zu bytes; a name has at most %u", field, name.size,
		    FROE_NAME_BYTES_MAX);
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] < 0x20 || name.data[i] == 0x7f)
			return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
			    "%s holds a control character at byte %zu: leave it out", field, i);
	}
	*ret_name = name;
	return FROE_OK;
}

enum froe_err
take_text(const char *text, const char *field, size_t size_max, struct bytes *ret_text,
    struct froe_fault *fault)
{
	struct bytes taken = text_of(text);
	if (taken.size > size_max)
		return fault_set_field(fault, FROE_TOO_LARGE, field,
		    "%s has %zu bytes; at most %zu are kept: shorten it", field, taken.size,
		    size_max);
	*ret_text = taken;
	return FROE_OK;
}

enum froe_err
take_wire_uuid(protobuf_c_boolean present, ProtobufCBinaryData data, const char *field,
    struct uuid *ret_id, struct froe_fault *fault)
{
	if (!present || data.len != sizeof(ret_id->bytes))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s has %zu bytes: give the 16 bytes of an id", field, present ? data.len : 0);
	if (bytes_zero(data.data, data.len))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is all zero: give the id you were told", field);
	memcpy(ret_id->bytes, data.data, sizeof(ret_id->bytes));
	return FROE_OK;
}

enum froe_err
take_run(protobuf_c_boolean present, ProtobufCBinaryData data, struct uuid *ret_id,
    struct froe_fault *fault)
{
	struct uuid id = {0};
	uint32_t number;
	enum froe_err err = take_wire_uuid(present, data, "run", &id, fault);
	if (err != FROE_OK)
		return err;
	uuid_run_of(id, &number);
	if (number != 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "run",
		    "run is not a run's id: its low ten bits are %u, not 0 (is it a task's?)",
		    number);
	*ret_id = id;
	return FROE_OK;
}

enum froe_err
take_task(protobuf_c_boolean present, ProtobufCBinaryData data, const char *field,
    struct uuid *ret_id, struct froe_fault *fault)
{
	struct uuid id = {0};
	uint32_t number;
	enum froe_err err = take_wire_uuid(present, data, field, &id, fault);
	if (err != FROE_OK)
		return err;
	uuid_run_of(id, &number);
	if (number == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is not a task's id: its low ten bits are 0 (is it a run's?)", field);
	*ret_id = id;
	return FROE_OK;
}

/* JSON text; absent or empty is {}. */
enum froe_err
take_payload(protobuf_c_boolean present, ProtobufCBinaryData data, const char *field,
    struct bytes *ret_payload, struct froe_fault *fault)
{
	struct bytes payload = bytes_in(present, data);
	size_t at;
	if (payload.size == 0)
		payload = bytes_text("{}");
	if (payload.size > FROE_PAYLOAD_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, field,
		    "%s has %zu bytes; a payload has at most %u: pass a reference to it instead",
		    field, payload.size, FROE_PAYLOAD_BYTES_MAX);
	if (!json_valid(payload.data, payload.size, &at))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, field,
		    "%s is not JSON text: see its byte %zu (of %zu; nesting at most %d)", field, at,
		    payload.size, JSON_DEPTH_MAX);
	*ret_payload = payload;
	return FROE_OK;
}

enum froe_err
take_fence(protobuf_c_boolean has_task, ProtobufCBinaryData task, uint64_t lease,
    struct eng_fence *ret_fence, struct froe_fault *fault)
{
	enum froe_err err = take_task(has_task, task, "task", &ret_fence->task, fault);
	if (err != FROE_OK)
		return err;
	if (lease == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "lease",
		    "lease is missing: give the one that came with the task");
	ret_fence->lease = lease;
	return FROE_OK;
}

enum froe_err
take_limit(uint32_t limit, uint32_t rows, uint32_t *ret_limit, struct froe_fault *fault)
{
	*ret_limit = limit != 0 ? limit : rows;
	if (limit > FROE_LIST_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "limit",
		    "limit is %u: ask for at most %u and go on from `next`", limit,
		    FROE_LIST_MAX);
	return FROE_OK;
}

struct eng_command *
engine_command(struct api_command *command, enum eng_command_type type)
{
	command->op = API_OP_ENGINE;
	command->engine = (struct eng_command){.type = type};
	return &command->engine;
}

/* ------------------------------------------------------------------------------- requests */

/* A tenant's name goes into keys, file names and metrics labels: [a-z0-9A-Z][a-zA-Z0-9._-]*.
 * Empty: whoever takes it knows which one is meant. */
enum froe_err
take_tenant(const char *text, struct bytes *ret_tenant, struct froe_fault *fault)
{
	struct bytes name = text_of(text);
	if (name.size > FROE_NAME_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "tenant",
		    "tenant has %zu bytes; a name has at most %u", name.size, FROE_NAME_BYTES_MAX);
	for (size_t i = 0; i < name.size; i++) {
		uint8_t c = name.data[i], folded = c | 0x20;
		bool alphanumeric = (folded >= 'a' && folded <= 'z') || (c >= '0' && c <= '9');
		if (!alphanumeric && (i == 0 || (c != '.' && c != '_' && c != '-')))
			return fault_set_field(fault, FROE_INVALID_ARGUMENT, "tenant",
			    "tenant may hold letters, digits, '.', '_' and '-' and starts with a "
			    "letter or digit; see its byte %zu", i);
	}
	*ret_tenant = name;
	return FROE_OK;
}

enum froe_err
request_hello(const Froe__Hello *hello, struct api_command *ret_command, struct froe_fault *fault)
{
	struct bytes client;
	if (hello->version != REQUEST_PROTOCOL_VERSION)
		return fault_set_field(fault, FROE_UNSUPPORTED, "version",
		    "version %u of the protocol is not spoken here, only %u: use a client of the "
		    "server's release", hello->version, REQUEST_PROTOCOL_VERSION);
	*ret_command = (struct api_command){.op = API_OP_OPEN};
	ret_command->open.push_window = hello->push_window;
	enum froe_err err = take_tenant(hello->tenant, &ret_command->open.tenant, fault);
	if (err == FROE_OK)
		err = take_name(hello->client, "client", /* required= */ false, &client, fault);
	if (err == FROE_OK)
		err = take_text(hello->token, "token", REQUEST_TOKEN_BYTES_MAX,
		    &ret_command->open.token, fault);
	return err;
}

static enum froe_err
decode_workflow_put(const Froe__WorkflowPut *put, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	if (put->workflow == NULL)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "workflow",
		    "workflow is missing: give the definition");
	const struct eng_definition *definition = definition_from_proto(put->workflow, arena);
	if (definition == NULL)
		return fault_set_field(fault, FROE_TOO_LARGE, "",
		    "the definition is larger than %u bytes: split the workflow",
		    FROE_DEFINITION_BYTES_MAX);
	engine_command(command, ENG_CMD_WORKFLOW_PUT)->workflow_put.definition = *definition;
	return FROE_OK;
}

/* What the pairs add up to is the engine's to judge: a child's come on top of its parent's. */
enum froe_err
take_metadata(Froe__Pair *const *pairs, size_t count, struct arena *arena, struct eng_start *start,
    struct froe_fault *fault)
{
	if (count > FROE_METADATA_PAIRS_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "metadata",
		    "%zu pairs of metadata; there are at most %u", count, FROE_METADATA_PAIRS_MAX);
	struct bytes *texts = arena_alloc(arena, 2 * count * sizeof(*texts));
	if (texts == NULL)
		return fault_set_field(fault, FROE_TOO_LARGE, "metadata", "it is too large");
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		char field[32];
		snprintf(field, sizeof(field), "metadata[%zu].key", i);
		enum froe_err err =
		    take_name(pairs[i]->key, field, /* required= */ true, &texts[2 * i], fault);
		if (err != FROE_OK)
			return err;
		texts[2 * i + 1] = text_of(pairs[i]->value);
		size += texts[2 * i].size + texts[2 * i + 1].size;
	}
	if (size > FROE_METADATA_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "metadata",
		    "metadata has %zu bytes; at most %u: put large values into the payload", size,
		    FROE_METADATA_BYTES_MAX);
	start->metadata = texts;
	start->metadata_count = (uint32_t)(2 * count);
	return FROE_OK;
}

static enum froe_err
take_run_id(const Froe__RunStart *wire, struct eng_start *start, struct froe_fault *fault)
{
	if (!wire->has_run || wire->run.len == 0)
		return FROE_OK; /* absent: minted by the shard */
	enum froe_err err = take_run(wire->has_run, wire->run, &start->run, fault);
	if (err == FROE_OK &&
	    (start->run.bytes[6] >> 4 != 7 || start->run.bytes[8] >> 6 != 2))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "run",
		    "run is not a UUIDv7: mint one (RFC 9562, low ten bits 0) or leave it out");
	return err;
}

static enum froe_err
take_key(const Froe__RunStart *wire, struct eng_start *start, struct froe_fault *fault)
{
	start->key_ttl_ms = wire->key_ttl_ms;
	start->key_until_end = wire->key_until_end;
	enum froe_err err = take_name(wire->key, "key", /* required= */ false, &start->key, fault);
	if (err != FROE_OK)
		return err;
	if (start->key.size == 0 && (wire->key_ttl_ms != 0 || wire->key_until_end))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "key",
		    "key is missing: key_ttl_ms and key_until_end say how long one counts");
	if (wire->key_ttl_ms != 0 && wire->key_until_end)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "key_ttl_ms",
		    "a key counts for a time or until the run has ended: give one of the two");
	return FROE_OK;
}

static enum froe_err
take_parent(const Froe__RunStart *wire, struct eng_start *start, struct froe_fault *fault)
{
	start->child = wire->has_parent && wire->parent.len != 0;
	start->child_index = wire->child_index;
	enum froe_err err = take_name(
	    wire->child_key, "child_key", /* required= */ false, &start->child_key, fault);
	if (err != FROE_OK)
		return err;
	if (!start->child && (wire->child_index != 0 || start->child_key.size != 0))
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "parent",
		    "parent is missing: a child is known by its number at the task that starts it");
	if (!start->child)
		return FROE_OK;
	err = take_task(wire->has_parent, wire->parent, "parent", &start->parent.task, fault);
	if (err == FROE_OK && wire->parent_lease == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "parent_lease",
		    "parent_lease is missing: give the one that came with the task");
	start->parent.lease = wire->parent_lease;
	return err;
}

enum froe_err
take_start(const Froe__RunStart *wire, struct arena *arena, struct eng_start *start,
    struct froe_fault *fault)
{
	start->priority = wire->priority;
	start->timeout_ms = wire->run_timeout_ms;
	start->start_ns = wire->start_ns;
	start->delay_ms = wire->delay_ms;
	if (wire->priority > FROE_PRIORITY_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "priority",
		    "priority is %u: give %u to %u, or 0 for the workflow's", wire->priority,
		    FROE_PRIORITY_MIN, FROE_PRIORITY_MAX);
	if (wire->start_ns != 0 && wire->delay_ms != 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "delay_ms",
		    "a run begins at start_ns or delay_ms from now: give one of the two");
	enum froe_err err = take_name(wire->workflow, "workflow", /* required= */ true,
	    &start->workflow, fault);
	if (err == FROE_OK)
		err = take_payload(wire->has_input, wire->input, "input", &start->input, fault);
	if (err == FROE_OK)
		err = take_metadata(wire->metadata, wire->n_metadata, arena, start, fault);
	if (err == FROE_OK)
		err = take_key(wire, start, fault);
	if (err == FROE_OK)
		err = take_parent(wire, start, fault);
	return err == FROE_OK ? take_run_id(wire, start, fault) : err;
}

static enum froe_err
decode_run_start(const Froe__RunStart *start, struct arena *arena, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_RUN_START);
	command->wait = start->wait;
	return take_start(start, arena, &engine->run_start, fault);
}

static enum froe_err
take_one_of_many(const Froe__RunStart *wire, struct arena *arena, struct eng_start *start,
    struct froe_fault *fault)
{
	*start = (struct eng_start){0};
	if (wire->wait)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "wait",
		    "runs that are started together are watched one by one: see RunWatch");
	return take_start(wire, arena, start, fault);
}

/* The first fault is told whole, and how many others there are. */
static enum froe_err
decode_run_start_many(const Froe__RunStartMany *many, struct arena *arena,
    struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_RUN_START_MANY);
	struct froe_fault first = {0}, other;
	size_t faults = 0;
	if (many->n_runs == 0 || many->n_runs > FROE_BULK_RUNS_MAX)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "runs",
		    "%zu runs: start 1 to %u at a time", many->n_runs, FROE_BULK_RUNS_MAX);
	struct eng_start *starts = arena_alloc(arena, many->n_runs * sizeof(*starts));
	if (starts == NULL)
		return fault_set_field(fault, FROE_TOO_LARGE, "runs", "they are too large");
	for (size_t i = 0; i < many->n_runs; i++) {
		if (take_one_of_many(many->runs[i], arena, &starts[i], &other) == FROE_OK)
			continue;
		if (faults++ > 0)
			continue;
		first = other;
		snprintf(
		    first.field, sizeof(first.field), "runs[%u].%.40s", (unsigned)i, other.field);
	}
	engine->run_start_many.starts = starts;
	engine->run_start_many.count = (uint32_t)many->n_runs;
	if (faults == 0)
		return FROE_OK;
	return fault_set_field(fault, first.code, first.field,
	    "nothing was started: %zu of %zu runs are at fault; the first: %.200s", faults,
	    many->n_runs, first.text);
}

static enum froe_err
decode_run(enum api_op op, protobuf_c_boolean has_run, ProtobufCBinaryData run,
    struct api_command *command, struct froe_fault *fault)
{
	command->op = op;
	return take_run(has_run, run, &command->run.run, fault);
}

static enum froe_err
decode_run_cancel(const Froe__RunCancel *cancel, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_RUN_CANCEL);
	struct uuid id = {0};
	enum froe_err err = take_wire_uuid(cancel->has_run, cancel->run, "run", &id, fault);
	if (err != FROE_OK)
		return err;
	engine->run_cancel.run = uuid_run_of(id, &engine->run_cancel.task);
	engine->run_cancel.children = cancel->children;
	if (engine->run_cancel.task != 0 && cancel->children)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "children",
		    "children: give the run's id: one of its tasks is cancelled alone");
	return take_text(
	    cancel->reason, "reason", FROE_REASON_BYTES_MAX, &engine->run_cancel.reason, fault);
}

static enum froe_err
decode_unwatch(const Froe__RunUnwatch *unwatch, struct api_command *command,
    struct froe_fault *fault)
{
	command->op = API_OP_RUN_UNWATCH;
	command->unwatch.watch = unwatch->watch;
	if (unwatch->watch == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "watch",
		    "watch is missing: give the request number of the RunWatch or RunStart");
	return FROE_OK;
}

static enum froe_err
decode_release(const Froe__TaskRelease *release, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_RELEASE);
	return take_fence(
	    release->has_task, release->task, release->lease, &engine->task.fence, fault);
}

static enum froe_err
decode_begin(const Froe__TaskBegin *begin, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_BEGIN);
	return take_fence(begin->has_task, begin->task, begin->lease, &engine->task.fence, fault);
}

static enum froe_err
decode_return(const Froe__TaskReturn *given, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_RETURN);
	return take_fence(given->has_task, given->task, given->lease, &engine->task.fence, fault);
}

static enum froe_err
decode_complete(const Froe__TaskComplete *complete, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_COMPLETE);
	enum froe_err err = take_fence(complete->has_task, complete->task, complete->lease,
	    &engine->task.fence, fault);
	if (err != FROE_OK)
		return err;
	return take_payload(complete->has_output, complete->output, "output", &engine->task.bytes,
	    fault);
}

static enum froe_err
decode_fail(const Froe__TaskFail *fail, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_FAIL);
	engine->task.fatal = fail->fatal;
	engine->task.retry_after_ms = fail->retry_after_ms;
	enum froe_err err = take_fence(fail->has_task, fail->task, fail->lease, &engine->task.fence,
	    fault);
	if (err != FROE_OK)
		return err;
	return take_text(
	    fail->error, "error", FROE_ERROR_TEXT_BYTES_MAX, &engine->task.bytes, fault);
}

static enum froe_err
decode_refresh(const Froe__TaskRefresh *refresh, struct api_command *command,
    struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_REFRESH);
	engine->task.add_ms = refresh->add_ms;
	return take_fence(
	    refresh->has_task, refresh->task, refresh->lease, &engine->task.fence, fault);
}

static enum froe_err
decode_log(const Froe__TaskLog *log, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_LOG);
	enum froe_err err = take_fence(log->has_task, log->task, log->lease, &engine->task.fence,
	    fault);
	if (err != FROE_OK)
		return err;
	return take_text(log->line, "line", FROE_LOG_LINE_BYTES_MAX, &engine->task.bytes, fault);
}

static enum froe_err
decode_stream(const Froe__TaskStream *stream, struct api_command *command, struct froe_fault *fault)
{
	struct eng_command *engine = engine_command(command, ENG_CMD_TASK_STREAM);
	enum froe_err err = take_fence(stream->has_task, stream->task, stream->lease,
	    &engine->task.fence, fault);
	if (err != FROE_OK)
		return err;
	engine->task.bytes = bytes_in(stream->has_data, stream->data);
	engine->task.sequence = stream->sequence;
	if (engine->task.bytes.size == 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "data",
		    "data is empty: a chunk has at least one byte");
	if (engine->task.bytes.size > FROE_STREAM_CHUNK_BYTES_MAX)
		return fault_set_field(fault, FROE_TOO_LARGE, "data",
		    "data has %zu bytes; a chunk has at most %u: send several",
		    engine->task.bytes.size, FROE_STREAM_CHUNK_BYTES_MAX);
	return FROE_OK;
}

static enum froe_err
decode_stream_get(const Froe__StreamGet *get, struct api_command *command,
    struct froe_fault *fault)
{
	enum froe_err err = decode_run(API_OP_STREAM_GET, get->has_run, get->run, command, fault);
	if (err != FROE_OK)
		return err;
	command->run.after = get->after;
	command->run.wait = get->wait;
	command->run.changes = get->changes;
	return take_name(get->task, "task", /* required= */ false, &command->run.task, fault);
}

static enum froe_err
decode_replay(const Froe__RunReplay *from, struct api_command *command, struct froe_fault *fault)
{
	command->op = API_OP_RUN_REPLAY;
	command->replay.node = from->keep ? API_REPLAY_KEEP : from->node;
	if (from->keep && from->node != 0)
		return fault_set_field(fault, FROE_INVALID_ARGUMENT, "keep",
		    "keep: give it, or the node from which on, one of the two");
	enum froe_err err = take_run(from->has_run, from->run, &command->replay.run, fault);
	if (err == FROE_OK)
		err = take_name(from->task, "task", /* required= */ false, &command->replay.task,
		    fault);
	if (err == FROE_OK)
		err = take_text(from->reason, "reason", FROE_REASON_BYTES_MAX,
		    &command->replay.reason, fault);
	if (err != FROE_OK || !from->has_input)
		return err;
	return take_payload(true, from->input, "input", &command->replay.input, fault);
}

static enum froe_err
decode_output_get(const Froe__TaskOutputGet *get, struct api_command *command,
    struct froe_fault *fault)
{
	enum froe_err err = decode_run(API_OP_OUTPUT_GET, get->has_run, get->run, command, fault);
	if (err != FROE_OK)
		return err;
	return take_name(get->task, "task", /* required= */ true, &command->run.task, fault);
}

/* A table in the form of a switch: one row a message. */
enum froe_err
request_decode(const Froe__Envelope *envelope, struct arena *arena, struct api_command *ret_command,
    struct froe_fault *fault)
{
	*ret_command = (struct api_command){0};
	switch ((int)envelope->body_case) {
	case FROE__ENVELOPE__BODY_WORKFLOW_PUT:
		return decode_workflow_put(envelope->workflow_put, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_START:
		return decode_run_start(envelope->run_start, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_START_MANY:
		return decode_run_start_many(
		    envelope->run_start_many, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_GET:
		ret_command->run.payloads = envelope->run_get->payloads;
		return decode_run(API_OP_RUN_GET, envelope->run_get->has_run,
		    envelope->run_get->run, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_LIST:
		return decode_run_list(envelope->run_list, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_CANCEL:
		return decode_run_cancel(envelope->run_cancel, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_WATCH:
		ret_command->run.changes = envelope->run_watch->changes;
		ret_command->run.named = envelope->run_watch->named;
		return decode_run(API_OP_RUN_WATCH, envelope->run_watch->has_run,
		    envelope->run_watch->run, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_UNWATCH:
		return decode_unwatch(envelope->run_unwatch, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKER_REGISTER:
		return decode_worker_register(envelope->worker_register, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKER_DRAIN:
		engine_command(ret_command, envelope->worker_drain->leave ? ENG_CMD_WORKER_LEAVE
		                                                          : ENG_CMD_WORKER_DRAIN);
		return FROE_OK;
	case FROE__ENVELOPE__BODY_HEARTBEAT:
		ret_command->op = API_OP_HEARTBEAT;
		return FROE_OK;
	case FROE__ENVELOPE__BODY_TASK_COMPLETE:
		return decode_complete(envelope->task_complete, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_FAIL:
		return decode_fail(envelope->task_fail, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_REFRESH:
		return decode_refresh(envelope->task_refresh, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_LOG:
		return decode_log(envelope->task_log, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_REPLAY:
		return decode_replay(envelope->run_replay, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_CANCEL_MANY:
		return decode_cancel_many(envelope->run_cancel_many, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_RUN_REPLAY_MANY:
		return decode_replay_many(envelope->run_replay_many, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_JOB_GET:
		return decode_job_get(envelope->job_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_JOB_LIST:
		return decode_job_list(envelope->job_list, ret_command, fault);
	case FROE__ENVELOPE__BODY_JOB_CANCEL:
		return decode_job_cancel(envelope->job_cancel, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_STREAM:
		return decode_stream(envelope->task_stream, ret_command, fault);
	case FROE__ENVELOPE__BODY_STREAM_GET:
		return decode_stream_get(envelope->stream_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_RELEASE:
		return decode_release(envelope->task_release, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_BEGIN:
		return decode_begin(envelope->task_begin, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_RETURN:
		return decode_return(envelope->task_return, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKER_LIST:
		return decode_worker_list(envelope->worker_list, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKER_GET:
		return decode_worker_get(envelope->worker_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKER_PAUSE:
		return decode_worker_pause(envelope->worker_pause, ret_command, fault);
	case FROE__ENVELOPE__BODY_WHY:
		return decode_run(API_OP_WHY, envelope->why->has_run, envelope->why->run,
		    ret_command, fault);
	case FROE__ENVELOPE__BODY_QUEUE_LIST:
		ret_command->op = API_OP_QUEUE_LIST;
		return FROE_OK;
	case FROE__ENVELOPE__BODY_RATE_LIMIT_PUT:
		return decode_rate_put(envelope->rate_limit_put, ret_command, fault);
	case FROE__ENVELOPE__BODY_RATE_LIMIT_LIST:
		return decode_rate_list(envelope->rate_limit_list, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_OUTPUT_GET:
		return decode_output_get(envelope->task_output_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_TOKEN_CREATE:
		return decode_token_create(envelope->token_create, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_TOKEN_LIST:
		ret_command->op = API_OP_TOKEN_LIST;
		return FROE_OK;
	case FROE__ENVELOPE__BODY_TOKEN_REVOKE:
		return decode_token_revoke(envelope->token_revoke, ret_command, fault);
	case FROE__ENVELOPE__BODY_DURABLE_STEP:
		return decode_durable_step(envelope->durable_step, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_EVICT:
		return decode_evict(envelope->task_evict, ret_command, fault);
	case FROE__ENVELOPE__BODY_EVENT_PUSH:
		return decode_event_push(envelope->event_push, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_TASK_RESTORE:
		return decode_restore(envelope->task_restore, ret_command, fault);
	case FROE__ENVELOPE__BODY_EVENT_LIST:
		return decode_event_list(envelope->event_list, arena, ret_command, fault);
	case FROE__ENVELOPE__BODY_EVENT_GET:
		return decode_event_get(envelope->event_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKFLOW_LIST:
		return decode_workflow_list(envelope->workflow_list, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKFLOW_GET:
		return decode_workflow_get(envelope->workflow_get, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKFLOW_PAUSE:
		return decode_workflow_pause(envelope->workflow_pause, ret_command, fault);
	case FROE__ENVELOPE__BODY_WORKFLOW_DELETE:
		return decode_workflow_delete(envelope->workflow_delete, ret_command, fault);
	case FROE__ENVELOPE__BODY_APPROVAL_LIST:
		return decode_approval_list(envelope->approval_list, ret_command, fault);
	case FROE__ENVELOPE__BODY_APPROVAL_DECIDE:
		return decode_approval_decide(envelope->approval_decide, ret_command, fault);
	default:
		return fault_set(fault, FROE_PROTOCOL,
		    "message %d is not one that a client sends here "
		    "(0: none that this server knows)",
		    (int)envelope->body_case);
	}
}

/* ------------------------------------------------------------------------------- answers */

#define ANSWER_BYTES_SMALL 1024u   /* Done, RunStarted, ..., an Error with one fault */
#define ANSWER_BYTES_FAULTS 32768u /* WorkflowPut: ENG_FAULTS_MAX faults of 256 bytes and framing */
#define ANSWER_BYTES_ROW 384u      /* of RunPage: an id, a name, six numbers */
#define ANSWER_BYTES_STARTED 48u   /* of RunsStarted: an id, three numbers */
#define ANSWER_BYTES_QUEUE 1024u   /* of QueuePage: two names, three numbers */
#define ANSWER_BYTES_RATE 320u     /* of RateLimitPage: a key, four numbers */
#define ANSWER_BYTES_WORKER 2560u  /* of WorkerPage: an id, a name, eight types of slots */
#define ANSWER_BYTES_GET (1u << 21) /* WorkerView: 1000 actions, 1000 leases with their names */
#define ANSWER_BYTES_JOB 4096u     /* of JobPage: a reason, two names, a task, ten numbers */
#define ANSWER_BYTES_WHY 4096u     /* of WhyView: two names, an action, two sentences of them */
#define ANSWER_BYTES_LEASE 40u     /* of WorkerRegistered.lapsed */
/* Of ApprovalPage: its data, three names, an id, numbers and framing. */
#define ANSWER_BYTES_APPROVAL (FROE_APPROVAL_DATA_BYTES_MAX + 3 * FROE_NAME_BYTES_MAX + 128u)

size_t
request_answer_bytes_max(const struct api_command *command)
{
	switch (command->op) {
	case API_OP_RUN_WATCH:
		return 0;
	case API_OP_RUN_GET:
	case API_OP_EVENT_GET:
	case API_OP_OUTPUT_GET:
	case API_OP_TOKEN_LIST:
		return FROE_MESSAGE_BYTES_MAX;
	case API_OP_STREAM_GET:
		return 2 * (size_t)FROE_STREAM_PAGE_BYTES;
	case API_OP_RUN_LIST:
	case API_OP_EVENT_LIST:
		return ANSWER_BYTES_SMALL + (size_t)command->list.limit * ANSWER_BYTES_ROW;
	case API_OP_APPROVAL_LIST:
		return ANSWER_BYTES_SMALL +
		       command->approvals.limit * (size_t)ANSWER_BYTES_APPROVAL;
	case API_OP_ENGINE:
		if (command->engine.type == ENG_CMD_WORKFLOW_PUT)
			return ANSWER_BYTES_FAULTS;
		if (command->engine.type == ENG_CMD_RUN_START_MANY)
			return ANSWER_BYTES_FAULTS +
			    command->engine.run_start_many.count * (size_t)ANSWER_BYTES_STARTED;
		if (command->engine.type == ENG_CMD_WORKER_REGISTER)
			return ANSWER_BYTES_SMALL +
			    command->engine.worker_register.held_count * (size_t)ANSWER_BYTES_LEASE;
		return ANSWER_BYTES_SMALL;
	case API_OP_WORKER_LIST:
		return ANSWER_BYTES_SMALL +
		    (size_t)command->workers.limit * ANSWER_BYTES_WORKER;
	case API_OP_WORKFLOW_LIST:
		return ANSWER_BYTES_SMALL +
		    (size_t)command->workflows.limit * ANSWER_BYTES_ROW;
	case API_OP_WORKFLOW_GET:
		return ANSWER_BYTES_SMALL + FROE_DEFINITION_BYTES_MAX;
	case API_OP_JOB_GET:
		return ANSWER_BYTES_JOB + FROE_JOB_FILTER_BYTES_MAX;
	case API_OP_JOB_LIST:
		return ANSWER_BYTES_SMALL + (size_t)command->job.limit * ANSWER_BYTES_JOB;
	case API_OP_WORKER_GET:
		return ANSWER_BYTES_GET;
	case API_OP_WHY:
		return FROE_WORKFLOW_TASKS_MAX * (size_t)ANSWER_BYTES_WHY;
	case API_OP_QUEUE_LIST:
		return 2 * FROE_LIST_MAX * (size_t)ANSWER_BYTES_QUEUE;
	case API_OP_RATE_LIST:
		return ANSWER_BYTES_SMALL + (size_t)command->rates.limit * ANSWER_BYTES_RATE;
	case API_OP_OPEN:
	case API_OP_CLOSE:
	case API_OP_CREDIT:
	case API_OP_RUN_UNWATCH:
	case API_OP_HEARTBEAT:
	case API_OP_RUN_REPLAY:
	case API_OP_METRICS:
	case API_OP_TOKEN_CREATE:
	case API_OP_TOKEN_REVOKE:
		return ANSWER_BYTES_SMALL;
	}
	froe_never("an op of enum api_op");
}
