#include "server/record.h"

#include "api/definition.h"
#include "base/duration.h"
#include "base/json.h"
#include "proto/record.pb-c.h"

#include <inttypes.h>
#include <stdio.h>

struct type_row {
	enum eng_event_type type;
	const char *name;
	const ProtobufCMessageDescriptor *descriptor;
};

static const struct type_row type_table[] = {
    {ENG_EV_ENGINE_STARTED, "ENGINE_STARTED", &froe__log__engine_started__descriptor},
    {ENG_EV_TENANT_CREATED, "TENANT_CREATED", &froe__log__tenant_created__descriptor},
    {ENG_EV_WORKFLOW_PUT, "WORKFLOW_PUT", &froe__log__workflow_put__descriptor},
    {ENG_EV_RUN_STARTED, "RUN_STARTED", &froe__log__run_started__descriptor},
    {ENG_EV_TASK_QUEUED, "TASK_QUEUED", &froe__log__task_queued__descriptor},
    {ENG_EV_TASK_ASSIGNED, "TASK_ASSIGNED", &froe__log__task_assigned__descriptor},
    {ENG_EV_TASK_COMPLETED, "TASK_COMPLETED", &froe__log__task_completed__descriptor},
    {ENG_EV_ATTEMPT_ENDED, "ATTEMPT_ENDED", &froe__log__attempt_ended__descriptor},
    {ENG_EV_TASK_DELAYED, "TASK_DELAYED", &froe__log__task_delayed__descriptor},
    {ENG_EV_TASK_FAILED, "TASK_FAILED", &froe__log__task_failed__descriptor},
    {ENG_EV_TASK_CANCELLED, "TASK_CANCELLED", &froe__log__task_cancelled__descriptor},
    {ENG_EV_TASK_SKIPPED, "TASK_SKIPPED", &froe__log__task_skipped__descriptor},
    {ENG_EV_LEASE_REFRESHED, "LEASE_REFRESHED", &froe__log__lease_refreshed__descriptor},
    {ENG_EV_RUN_CANCEL_REQUESTED, "RUN_CANCEL_REQUESTED",
        &froe__log__run_cancel_requested__descriptor},
    {ENG_EV_RUN_CLOSED, "RUN_CLOSED", &froe__log__run_closed__descriptor},
    {ENG_EV_WORKER_REGISTERED, "WORKER_REGISTERED", &froe__log__worker_registered__descriptor},
    {ENG_EV_WORKER_ATTACHED, "WORKER_ATTACHED", &froe__log__worker_attached__descriptor},
    {ENG_EV_WORKER_DETACHED, "WORKER_DETACHED", &froe__log__worker_detached__descriptor},
    {ENG_EV_WORKER_DRAINING, "WORKER_DRAINING", &froe__log__worker_draining__descriptor},
    {ENG_EV_WORKER_LEAVING, "WORKER_LEAVING", &froe__log__worker_leaving__descriptor},
    {ENG_EV_WORKER_LEFT, "WORKER_LEFT", &froe__log__worker_left__descriptor},
    {ENG_EV_TASK_LOGGED, "TASK_LOGGED", &froe__log__task_logged__descriptor},
};

enum member_kind {
	MEMBER_U32,
	MEMBER_U64,
	MEMBER_BYTES,
	MEMBER_UUID,
	MEMBER_LIST,
};

struct member {
	const char *name;
	enum member_kind kind;
	size_t offset;
};

/* By field number: a name has one number in all messages. */
#define MEMBER(number, name, kind) [number] = {#name, kind, offsetof(struct eng_event, name)}
static const struct member members[] = {
    MEMBER(1, task, MEMBER_U32),
    MEMBER(2, lease, MEMBER_U64),
    MEMBER(3, attempt, MEMBER_U32),
    MEMBER(4, worker, MEMBER_U64),
    MEMBER(5, reason, MEMBER_U32),
    MEMBER(6, deadline_ns, MEMBER_U64),
    MEMBER(7, priority, MEMBER_U32),
    MEMBER(8, tenant, MEMBER_U32),
    MEMBER(9, workflow, MEMBER_U32),
    MEMBER(10, version, MEMBER_U32),
    MEMBER(11, id, MEMBER_UUID),
    MEMBER(12, name, MEMBER_BYTES),
    MEMBER(13, text, MEMBER_BYTES),
    MEMBER(14, payload, MEMBER_BYTES),
    MEMBER(15, status, MEMBER_U32),
    MEMBER(16, slots, MEMBER_U32),
    MEMBER(17, incarnation, MEMBER_U64),
    MEMBER(18, epoch, MEMBER_U64),
    MEMBER(19, downtime_ns, MEMBER_U64),
    MEMBER(20, actions, MEMBER_LIST),
};
#define FIELD_TEXT 13u
#define FIELD_PAYLOAD 14u

/* Larger than any generated struct of record.proto. */
#define MESSAGE_BYTES_MAX 512u

static const struct type_row *
type_find(uint16_t type)
{
	if (type == ENG_EV_TASK_LOGGED)
		return &type_table[sizeof(type_table) / sizeof(type_table[0]) - 1];
	if (type >= 1 && type < sizeof(type_table) / sizeof(type_table[0]))
		return &type_table[type - 1];
	return NULL;
}

static const struct member *
member_of(const ProtobufCFieldDescriptor *field)
{
	froe_assert(field->id < sizeof(members) / sizeof(members[0]));
	const struct member *member = &members[field->id];
	froe_assert_slow(strcmp(member->name, field->name) == 0);
	return member;
}

/* ----------------------------------------------------------------------------------- encoding */

#define ACTIONS_INLINE 16u

/* A field is absent when it is zero or empty: that is also what an absent field decodes to. */
static void
field_fill(uint8_t *message, const ProtobufCFieldDescriptor *field, const struct eng_event *event,
    ProtobufCBinaryData *actions)
{
	const struct member *member = member_of(field);
	const uint8_t *from = (const uint8_t *)event + member->offset;
	uint8_t *to = message + field->offset;
	protobuf_c_boolean *has = (void *)(message + field->quantifier_offset);
	ProtobufCBinaryData *data = (void *)to;
	const struct bytes *bytes = (const void *)from;
	switch (member->kind) {
	case MEMBER_U32:
		memcpy(to, from, sizeof(uint32_t));
		*has = !bytes_zero(from, sizeof(uint32_t));
		return;
	case MEMBER_U64:
		memcpy(to, from, sizeof(uint64_t));
		*has = !bytes_zero(from, sizeof(uint64_t));
		return;
	case MEMBER_UUID:
		*data = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)from};
		*has = true;
		return;
	case MEMBER_BYTES:
		*data = (ProtobufCBinaryData){bytes->size, (uint8_t *)(uintptr_t)bytes->data};
		*has = bytes->size != 0;
		return;
	case MEMBER_LIST:
		for (uint32_t i = 0; i < event->action_count; i++) {
			actions[i] = (ProtobufCBinaryData){event->actions[i].size,
			    (uint8_t *)(uintptr_t)event->actions[i].data};
		}
		*(size_t *)(void *)(message + field->quantifier_offset) = event->action_count;
		*(ProtobufCBinaryData **)(void *)to = actions;
		return;
	}
}

size_t
record_encode(const struct eng_event *event, struct buf *to)
{
	const struct type_row *row = type_find((uint16_t)event->type);
	_Alignas(max_align_t) uint8_t message[MESSAGE_BYTES_MAX];
	ProtobufCBinaryData few[ACTIONS_INLINE], *actions = few;
	struct arena arena;
	froe_assert(row != NULL && row->type == event->type);
	froe_assert(row->descriptor->sizeof_message <= sizeof(message));
	arena_init(&arena, 0);
	if (event->action_count > ACTIONS_INLINE)
		actions = arena_alloc(&arena, event->action_count * sizeof(*actions));
	row->descriptor->message_init((ProtobufCMessage *)(void *)message);
	for (unsigned i = 0; i < row->descriptor->n_fields; i++)
		field_fill(message, &row->descriptor->fields[i], event, actions);
	const ProtobufCMessage *packed = (const void *)message;
	size_t size = protobuf_c_message_get_packed_size(packed);
	size_t written = protobuf_c_message_pack(packed, buf_reserve(to, size));
	froe_assert(written == size);
	buf_commit(to, size);
	arena_release(&arena);
	return size;
}

/* ----------------------------------------------------------------------------------- decoding */

static void *
arena_allocator_alloc(void *arena, size_t size)
{
	return arena_alloc(arena, size);
}

static void
arena_allocator_free(void *arena, void *block)
{
	(void)arena;
	(void)block;
}

static enum froe_err
field_take(struct eng_event *event, const uint8_t *message, const ProtobufCFieldDescriptor *field,
    struct arena *arena, struct froe_fault *fault)
{
	const struct member *member = member_of(field);
	uint8_t *to = (uint8_t *)event + member->offset;
	const uint8_t *from = message + field->offset;
	const ProtobufCBinaryData *data = (const void *)from;
	switch (member->kind) {
	case MEMBER_U32:
		memcpy(to, from, sizeof(uint32_t));
		return FROE_OK;
	case MEMBER_U64:
		memcpy(to, from, sizeof(uint64_t));
		return FROE_OK;
	case MEMBER_UUID:
		if (data->len != 16)
			return fault_set(fault, FROE_CORRUPT, "an id has %zu bytes", data->len);
		memcpy(to, data->data, 16);
		return FROE_OK;
	case MEMBER_BYTES:
		*(struct bytes *)(void *)to = bytes_of(data->data, data->len);
		return FROE_OK;
	case MEMBER_LIST: {
		size_t count = *(const size_t *)(const void *)(message + field->quantifier_offset);
		struct bytes *actions = arena_alloc(arena, count * sizeof(*actions));
		data = *(ProtobufCBinaryData *const *)(const void *)from;
		for (size_t i = 0; i < count; i++)
			actions[i] = bytes_of(data[i].data, data[i].len);
		event->actions = actions;
		event->action_count = (uint32_t)count;
		return FROE_OK;
	}
	}
	froe_never("a member has a kind");
}

static enum froe_err
record_definition(struct eng_event *event, struct arena *arena, struct froe_fault *fault)
{
	struct eng_definition *definition = arena_alloc(arena, sizeof(*definition));
	enum froe_err err = definition_decode(event->payload, arena, definition, fault);
	event->definition = definition;
	return err;
}

enum froe_err
record_decode(const struct log_record *record, struct arena *arena, struct eng_event *ret_event,
    struct froe_fault *fault)
{
	const struct type_row *row = type_find(record->type);
	ProtobufCAllocator allocator = {arena_allocator_alloc, arena_allocator_free, arena};
	*ret_event = (struct eng_event){0};
	if (row == NULL && record->type >= RECORD_TYPE_OPTIONAL)
		return FROE_OK;
	if (row == NULL) {
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "record type %u at position %" PRIx64
		    " is of a newer version of froe: use that",
		    record->type, record->lsn.v);
	}
	ProtobufCMessage *message = protobuf_c_message_unpack(row->descriptor, &allocator,
	    record->body.size, record->body.data);
	if (message == NULL) {
		return fault_set(fault, FROE_CORRUPT, "the body of the %s at position %" PRIx64
		    " is not one", row->name, record->lsn.v);
	}
	enum froe_err err = FROE_OK;
	for (unsigned i = 0; i < row->descriptor->n_fields && err == FROE_OK; i++) {
		err = field_take(ret_event, (const uint8_t *)message, &row->descriptor->fields[i],
		    arena, fault);
	}
	ret_event->type = row->type;
	ret_event->time_ns = record->time_ns;
	ret_event->run = record->run_key;
	ret_event->run_event_no = record->run_event_no;
	if (err == FROE_OK && row->type == ENG_EV_WORKFLOW_PUT)
		err = record_definition(ret_event, arena, fault);
	return err;
}

static bool
varint_take(struct bytes *at, uint64_t *ret_value)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64 && at->size > 0; shift += 7) {
		uint8_t byte = *at->data++;
		at->size--;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret_value = value;
			return true;
		}
	}
	return false;
}

/* Bodies hold varints and length-delimited fields only. As in decoding, the last one counts. */
static struct bytes
body_field(struct bytes body, uint32_t number)
{
	struct bytes found = bytes_of(NULL, 0);
	uint64_t tag, value;
	while (varint_take(&body, &tag) && varint_take(&body, &value)) {
		if ((tag & 7) == 0)
			continue;
		if ((tag & 7) != 2 || value > body.size)
			break;
		if (tag >> 3 == number)
			found = bytes_of(body.data, (size_t)value);
		body.data += value;
		body.size -= (size_t)value;
	}
	return found;
}

struct bytes
record_payload(struct bytes body)
{
	return body_field(body, FIELD_PAYLOAD);
}

struct bytes
record_text(struct bytes body)
{
	return body_field(body, FIELD_TEXT);
}

struct bytes
record_head(struct bytes body)
{
	struct bytes payload = record_payload(body), from = body;
	uint64_t tag, value;
	if (payload.size == 0 || payload.data + payload.size != body.data + body.size)
		return body;
	for (;;) {
		const uint8_t *at = from.data;
		if (!varint_take(&from, &tag) || !varint_take(&from, &value))
			return body;
		if (from.data == payload.data)
			return bytes_of(body.data, (size_t)(at - body.data));
		if ((tag & 7) == 2) {
			from.data += value;
			from.size -= (size_t)value;
		}
	}
}

/* ----------------------------------------------------------------------------------- printing */

const char *
record_type_name(uint16_t type)
{
	const struct type_row *row = type_find(type);
	return row != NULL ? row->name : NULL;
}

static void
print_bytes(struct buf *to, struct bytes bytes)
{
	if (utf8_valid(bytes.data, bytes.size)) {
		buf_push_json_string(to, bytes.data, bytes.size);
		return;
	}
	buf_push_text(to, "\"hex:");
	for (size_t i = 0; i < bytes.size; i++)
		buf_printf(to, "%02x", bytes.data[i]);
	buf_push_text(to, "\"");
}

static void
print_uuid(struct buf *to, struct uuid id)
{
	char text[UUID_TEXT_SIZE];
	uuid_format(id, text);
	buf_printf(to, "\"%s\"", text);
}

static const char *
status_name(uint32_t status)
{
	static const char *const names[] = {"QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED",
	    "EVICTED"};
	return status < sizeof(names) / sizeof(names[0]) ? names[status] : "UNKNOWN";
}

/* Payloads that are JSON are printed as JSON; a definition is binary. A line break can only stand
 * between JSON's tokens: a blank says the same, and the record stays on its line. */
static void
print_payload(struct buf *to, struct bytes payload)
{
	if (!json_valid(payload.data, payload.size, NULL)) {
		print_bytes(to, payload);
		return;
	}
	uint8_t *at = buf_reserve(to, payload.size);
	for (size_t i = 0; i < payload.size; i++) {
		bool breaks = payload.data[i] == '\n' || payload.data[i] == '\r';
		at[i] = breaks ? ' ' : payload.data[i];
	}
	buf_commit(to, payload.size);
}

static void
print_list(struct buf *to, const struct eng_event *event)
{
	buf_push_text(to, "[");
	for (uint32_t i = 0; i < event->action_count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		print_bytes(to, event->actions[i]);
	}
	buf_push_text(to, "]");
}

static void
print_member(struct buf *to, const struct eng_event *event, const struct member *member)
{
	const uint8_t *at = (const uint8_t *)event + member->offset;
	if (at == (const uint8_t *)&event->reason) {
		buf_printf(to, "\"%s\"", eng_reason_name((enum eng_reason)event->reason));
		return;
	}
	if (at == (const uint8_t *)&event->status) {
		buf_printf(to, "\"%s\"", status_name(event->status));
		return;
	}
	switch (member->kind) {
	case MEMBER_U32:
		buf_printf(to, "%u", le32_load(at));
		return;
	case MEMBER_U64:
		buf_printf(to, "%" PRIu64, le64_load(at));
		return;
	case MEMBER_UUID:
		print_uuid(to, event->id);
		return;
	case MEMBER_BYTES:
		if (at == (const uint8_t *)&event->payload)
			print_payload(to, event->payload);
		else
			print_bytes(to, *(const struct bytes *)(const void *)at);
		return;
	case MEMBER_LIST:
		print_list(to, event);
		return;
	}
}

static bool
member_present(const struct eng_event *event, const struct member *member)
{
	const uint8_t *at = (const uint8_t *)event + member->offset;
	if (at == (const uint8_t *)&event->task || at == (const uint8_t *)&event->status)
		return true;
	switch (member->kind) {
	case MEMBER_U32:
		return le32_load(at) != 0;
	case MEMBER_U64:
		return le64_load(at) != 0;
	case MEMBER_UUID:
		return true;
	case MEMBER_BYTES:
		return ((const struct bytes *)(const void *)at)->size != 0;
	case MEMBER_LIST:
		return event->action_count != 0;
	}
	return false;
}

/* The members in the order of their numbers, as `"name":value` or `name=value`. */
static void
print_members(const struct log_record *record, struct buf *to, const char *before,
    const char *name_quote, const char *between)
{
	const struct type_row *row = type_find(record->type);
	struct eng_event event;
	struct arena arena;
	struct froe_fault fault;
	arena_init(&arena, 0);
	enum froe_err err = record_decode(record, &arena, &event, &fault);
	if (err != FROE_OK) {
		buf_printf(to, "%s%sfault%s%s", before, name_quote, name_quote, between);
		buf_push_json_string(to, fault.text, strlen(fault.text));
	}
	for (unsigned i = 0; err == FROE_OK && row != NULL && i < row->descriptor->n_fields; i++) {
		const struct member *member = member_of(&row->descriptor->fields[i]);
		if (!member_present(&event, member))
			continue;
		buf_printf(to, "%s%s%s%s%s", before, name_quote, member->name, name_quote, between);
		print_member(to, &event, member);
	}
	arena_release(&arena);
}

static void
print_type(const struct log_record *record, struct buf *to)
{
	const char *name = record_type_name(record->type);
	if (name != NULL)
		buf_push_text(to, name);
	else
		buf_printf(to, "TYPE_%u", record->type);
}

void
record_print_json(const struct log_record *record, struct buf *to)
{
	char time[TIMESTAMP_TEXT_SIZE];
	timestamp_format(record->time_ns, time);
	buf_printf(to, "{\"position\":\"%016" PRIx64 "\",\"frame\":%" PRIu64 ",\"event\":%" PRIu64
	    ",\"epoch\":%" PRIu64 ",\"time\":\"%s\",\"time_ns\":%" PRIu64 ",\"type\":\"",
	    record->lsn.v, record->frame_seq, record->event_seq, record->epoch, time,
	    record->time_ns);
	print_type(record, to);
	buf_push_text(to, "\"");
	if (record->run_key != 0)
		buf_printf(to, ",\"run\":%" PRIu64 ",\"record\":%u", record->run_key,
		    record->run_event_no);
	print_members(record, to, ",", "\"", ":");
	buf_push_text(to, "}\n");
}

void
record_print_text(const struct log_record *record, struct buf *to)
{
	char time[TIMESTAMP_TEXT_SIZE];
	timestamp_format(record->time_ns, time);
	buf_printf(to, "%016" PRIx64 " %s frame=%" PRIu64 " ", record->lsn.v, time,
	    record->frame_seq);
	print_type(record, to);
	if (record->run_key != 0)
		buf_printf(to, " run=%" PRIu64 ".%u", record->run_key, record->run_event_no);
	print_members(record, to, " ", "", "=");
	buf_push_text(to, "\n");
}
