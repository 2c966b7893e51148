/*
 * The frame is an Envelope of two fields, the request's number and the body, and the body's fields
 * come in the order of their numbers, each at most once. Tags of one byte are compared as they are;
 * whatever has another one, a tag that does not ascend, or an odd value, is left to others.
 */
#include "api/straight.h"

#include "base/json.h"
#include "base/mem.h"
#include "base/message.h"
#include "froe/limits.h"

#include "proto/native.pb-c.h"

#define TAG_NUMBER(field) ((field) << 3 | PROTOBUF_C_WIRE_TYPE_VARINT)
#define TAG_BYTES(field) ((field) << 3 | PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED)

enum {
	ENVELOPE_REQUEST = TAG_NUMBER(1),
	START_WORKFLOW = TAG_BYTES(1), /* RunStart */
	START_INPUT = TAG_BYTES(2),
	START_PRIORITY = TAG_NUMBER(3),
	START_RUN_TIMEOUT_MS = TAG_NUMBER(4),
	START_WAIT = TAG_NUMBER(5),
	START_RUN = TAG_BYTES(6),
	COMPLETE_TASK = TAG_BYTES(1), /* TaskComplete */
	COMPLETE_LEASE = TAG_NUMBER(2),
	COMPLETE_OUTPUT = TAG_BYTES(3),
};

/* What is left of a message. */
struct rest {
	const uint8_t *at;
	const uint8_t *end;
};

#define NUMBER_BYTES_MAX 9u /* of 63 bits: one more says hardly anything, and may say too much */

static bool
take_long(struct rest *rest, uint64_t *ret_value)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < NUMBER_BYTES_MAX && rest->at < rest->end; i++) {
		uint64_t byte = *rest->at++;
		value |= (byte & 0x7f) << (7 * i);
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

static inline bool
take_number(struct rest *rest, uint64_t *ret_value)
{
	if (rest->at == rest->end || *rest->at >= 0x80)
		return take_long(rest, ret_value);
	*ret_value = *rest->at++;
	return true;
}

static inline bool
take_bytes(struct rest *rest, struct bytes *ret_bytes)
{
	uint64_t size;
	if (!take_number(rest, &size) || size > (size_t)(rest->end - rest->at))
		return false;
	*ret_bytes = bytes_of(rest->at, (size_t)size);
	rest->at += size;
	return true;
}

/* One that needs no closer look. */
static inline bool
take_name(struct rest *rest, struct bytes *ret_name)
{
	return take_bytes(rest, ret_name) && ret_name->size > 0 &&
	    ret_name->size <= FROE_NAME_BYTES_MAX &&
	    ascii_printable(ret_name->data, ret_name->size);
}

/* JSON text that says something. */
static inline bool
take_payload(struct rest *rest, struct bytes *ret_payload)
{
	return take_bytes(rest, ret_payload) && ret_payload->size > 0 &&
	    ret_payload->size <= FROE_PAYLOAD_BYTES_MAX &&
	    json_valid(ret_payload->data, ret_payload->size, NULL);
}

static inline bool
take_id(struct rest *rest, struct uuid *ret_id, uint32_t *ret_number)
{
	struct bytes bytes;
	if (!take_bytes(rest, &bytes) || bytes.size != sizeof(ret_id->bytes))
		return false;
	memcpy(ret_id->bytes, bytes.data, sizeof(ret_id->bytes));
	uuid_run_of(*ret_id, ret_number);
	return (le64_load(bytes.data) | le64_load(bytes.data + 8)) != 0;
}

/* The caller's own: a UUIDv7 of a run. */
static inline bool
take_run(struct rest *rest, struct uuid *ret_run)
{
	uint32_t number;
	return take_id(rest, ret_run, &number) && number == 0 && ret_run->bytes[6] >> 4 == 7 &&
	    ret_run->bytes[8] >> 6 == 2;
}

/* A command of the engine, clear as far as this type of it goes. */
#define command_begin(command, type, member)                                                       \
	command_clear(command, type,                                                               \
	    offsetof(struct api_command, engine.member) + sizeof((command)->engine.member))

static inline void
command_clear(struct api_command *command, enum eng_command_type type, size_t size)
{
	mem_zero(command, size);
	command->op = API_OP_ENGINE;
	command->engine.type = type;
}

static bool
decode_start(struct rest rest, struct api_command *command)
{
	struct eng_start *start = &command->engine.run_start;
	uint64_t number = 0;
	bool good = true;
	command_begin(command, ENG_CMD_RUN_START, run_start);
	start->input = bytes_text("{}");
	for (uint8_t tag, last = 0; good && rest.at < rest.end; last = tag) {
		tag = *rest.at++;
		if (tag <= last)
			return false;
		switch (tag) {
		case START_WORKFLOW:
			good = take_name(&rest, &start->workflow);
			break;
		case START_INPUT:
			good = take_payload(&rest, &start->input);
			break;
		case START_PRIORITY:
			good = take_number(&rest, &number) && number <= FROE_PRIORITY_MAX;
			start->priority = (uint32_t)number;
			break;
		case START_RUN_TIMEOUT_MS:
			good = take_number(&rest, &start->timeout_ms);
			break;
		case START_WAIT:
			good = take_number(&rest, &number);
			command->wait = number != 0;
			break;
		case START_RUN:
			good = take_run(&rest, &start->run);
			break;
		default:
			return false;
		}
	}
	return good && start->workflow.size > 0;
}

static bool
decode_complete(struct rest rest, struct api_command *command)
{
	struct eng_fence *fence = &command->engine.task.fence;
	uint32_t number = 0;
	bool good = true;
	command_begin(command, ENG_CMD_TASK_COMPLETE, task);
	command->engine.task.bytes = bytes_text("{}");
	for (uint8_t tag, last = 0; good && rest.at < rest.end; last = tag) {
		tag = *rest.at++;
		if (tag <= last)
			return false;
		switch (tag) {
		case COMPLETE_TASK:
			good = take_id(&rest, &fence->task, &number);
			break;
		case COMPLETE_LEASE:
			good = take_number(&rest, &fence->lease);
			break;
		case COMPLETE_OUTPUT:
			good = take_payload(&rest, &command->engine.task.bytes);
			break;
		default:
			return false;
		}
	}
	return good && number != 0 && fence->lease != 0;
}

static inline bool
take_tag(struct rest *rest, uint32_t *ret_body)
{
	uint64_t tag;
	if (!take_number(rest, &tag))
		return false;
	*ret_body = (uint32_t)(tag >> 3);
	return tag == TAG_BYTES(FROE__ENVELOPE__BODY_RUN_START) ||
	    tag == TAG_BYTES(FROE__ENVELOPE__BODY_TASK_COMPLETE);
}

bool
straight_decode(struct bytes frame, struct straight *ret_straight)
{
	struct bytes body;
	if (frame.size == 0 || frame.data[0] != ENVELOPE_REQUEST)
		return false;
	struct rest rest = {frame.data + 1, frame.data + frame.size};
	if (!take_number(&rest, &ret_straight->request) || ret_straight->request == 0 ||
	    !take_tag(&rest, &ret_straight->body) || !take_bytes(&rest, &body) ||
	    rest.at != rest.end)
		return false;
	rest.at = body.data;
	return ret_straight->body == FROE__ENVELOPE__BODY_RUN_START
		   ? decode_start(rest, &ret_straight->command)
		   : decode_complete(rest, &ret_straight->command);
}
