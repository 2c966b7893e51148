#include "server/record.h"

#include "api/definition.h"
#include "api/token.h"
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

#define TYPE(event, message)                                                                       \
	{                                                                                          \
		ENG_EV_##event, #event, &froe__log__##message##__descriptor                        \
	}

/* By type; a type that is not there has no name. */
static const struct type_row type_table[] = {
    [ENG_EV_ENGINE_STARTED] = TYPE(ENGINE_STARTED, engine_started),
    [ENG_EV_TENANT_CREATED] = TYPE(TENANT_CREATED, tenant_created),
    [ENG_EV_WORKFLOW_PUT] = TYPE(WORKFLOW_PUT, workflow_put),
    [ENG_EV_RUN_STARTED] = TYPE(RUN_STARTED, run_started),
    [ENG_EV_TASK_QUEUED] = TYPE(TASK_QUEUED, task_queued),
    [ENG_EV_TASK_ASSIGNED] = TYPE(TASK_ASSIGNED, task_assigned),
    [ENG_EV_TASK_COMPLETED] = TYPE(TASK_COMPLETED, task_completed),
    [ENG_EV_ATTEMPT_ENDED] = TYPE(ATTEMPT_ENDED, attempt_ended),
    [ENG_EV_TASK_DELAYED] = TYPE(TASK_DELAYED, task_delayed),
    [ENG_EV_TASK_FAILED] = TYPE(TASK_FAILED, task_failed),
    [ENG_EV_TASK_CANCELLED] = TYPE(TASK_CANCELLED, task_cancelled),
    [ENG_EV_TASK_SKIPPED] = TYPE(TASK_SKIPPED, task_skipped),
    [ENG_EV_LEASE_REFRESHED] = TYPE(LEASE_REFRESHED, lease_refreshed),
    [ENG_EV_RUN_CANCEL_REQUESTED] = TYPE(RUN_CANCEL_REQUESTED, run_cancel_requested),
    [ENG_EV_RUN_REPLAYED] = TYPE(RUN_REPLAYED, run_replayed),
    [ENG_EV_JOB_STARTED] = TYPE(JOB_STARTED, job_started),
    [ENG_EV_JOB_ADVANCED] = TYPE(JOB_ADVANCED, job_advanced),
    [ENG_EV_JOB_ENDED] = TYPE(JOB_ENDED, job_ended),
    [ENG_EV_RUN_CLOSED] = TYPE(RUN_CLOSED, run_closed),
    [ENG_EV_WORKER_REGISTERED] = TYPE(WORKER_REGISTERED, worker_registered),
    [ENG_EV_WORKER_ATTACHED] = TYPE(WORKER_ATTACHED, worker_attached),
    [ENG_EV_WORKER_DETACHED] = TYPE(WORKER_DETACHED, worker_detached),
    [ENG_EV_WORKER_DRAINING] = TYPE(WORKER_DRAINING, worker_draining),
    [ENG_EV_WORKER_LEAVING] = TYPE(WORKER_LEAVING, worker_leaving),
    [ENG_EV_WORKER_LEFT] = TYPE(WORKER_LEFT, worker_left),
    [ENG_EV_NODE_WAITED] = TYPE(NODE_WAITED, node_waited),
    [ENG_EV_MEMO_PUT] = TYPE(MEMO_PUT, memo_put),
    [ENG_EV_NODE_SATISFIED] = TYPE(NODE_SATISFIED, node_satisfied),
    [ENG_EV_TASK_EVICTED] = TYPE(TASK_EVICTED, task_evicted),
    [ENG_EV_EVENT_PUSHED] = TYPE(EVENT_PUSHED, event_pushed),
    [ENG_EV_CHILD_SPAWNED] = TYPE(CHILD_SPAWNED, child_spawned),
    [ENG_EV_APPROVAL_DECIDED] = TYPE(APPROVAL_DECIDED, approval_decided),
    [ENG_EV_RUN_DUE] = TYPE(RUN_DUE, run_due),
    [ENG_EV_TOKEN_CREATED] = TYPE(TOKEN_CREATED, token_created),
    [ENG_EV_TOKEN_REVOKED] = TYPE(TOKEN_REVOKED, token_revoked),
    [ENG_EV_WORKER_PAUSED] = TYPE(WORKER_PAUSED, worker_paused),
    [ENG_EV_WORKER_RESUMED] = TYPE(WORKER_RESUMED, worker_resumed),
    [ENG_EV_SLOTS_RELEASED] = TYPE(SLOTS_RELEASED, slots_released),
    [ENG_EV_LEASES_DROPPED] = TYPE(LEASES_DROPPED, leases_dropped),
    [ENG_EV_LEASE_ENDED] = TYPE(LEASE_ENDED, lease_ended),
};

/* Those that a reader may skip, from RECORD_TYPE_OPTIONAL on. */
static const struct type_row optional_table[] = {
    [ENG_EV_TASK_LOGGED - RECORD_TYPE_OPTIONAL] = TYPE(TASK_LOGGED, task_logged),
    [ENG_EV_TASK_STREAMED - RECORD_TYPE_OPTIONAL] = TYPE(TASK_STREAMED, task_streamed),
};

enum member_kind {
	MEMBER_U32,
	MEMBER_U64,
	MEMBER_BYTES,
	MEMBER_UUID,
	MEMBER_UUID_IF, /* absent when it is nil */
	MEMBER_LIST,
};

struct member {
	const char *name;
	enum member_kind kind;
	size_t offset;
	size_t count_offset; /* LIST: of its uint32_t count */
};

#define FIELD_TEXT 13u
#define FIELD_PAYLOAD 14u

/* By field number: a name has one number in all messages. */
#define MEMBER(number, name, kind) [number] = {#name, kind, offsetof(struct eng_event, name), 0}
#define LIST(number, name, count)                                                                  \
	[number] = {#name, MEMBER_LIST, offsetof(struct eng_event, name),                          \
	    offsetof(struct eng_event, count)}
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
    LIST(20, actions, action_count),
    LIST(21, metadata, metadata_count),
    MEMBER(22, parent, MEMBER_UUID_IF),
    MEMBER(23, child_index, MEMBER_U32),
    MEMBER(24, child_key, MEMBER_BYTES),
    MEMBER(25, start_ns, MEMBER_U64),
    MEMBER(26, key, MEMBER_BYTES),
    MEMBER(27, key_until_ns, MEMBER_U64),
    MEMBER(28, actor, MEMBER_BYTES),
    MEMBER(29, late, MEMBER_U32),
    LIST(30, kept, kept_count),
    LIST(31, nodes, nodes_count),
    MEMBER(32, places, MEMBER_BYTES),
    MEMBER(33, created_ns, MEMBER_U64),
    MEMBER(34, input, MEMBER_U32),
    MEMBER(35, from, MEMBER_U32),
    MEMBER(36, chunks, MEMBER_U32),
    MEMBER(37, job, MEMBER_U64),
    MEMBER(38, cursor, MEMBER_U64),
    MEMBER(39, kind, MEMBER_U32),
    MEMBER(40, node, MEMBER_U32),
    MEMBER(41, fingerprint, MEMBER_U64),
    LIST(43, conditions, condition_count),
    LIST(44, data, data_count),
    MEMBER(45, which, MEMBER_U32),
    MEMBER(46, approval, MEMBER_U64),
    MEMBER(47, invocation, MEMBER_U32),
    MEMBER(48, number, MEMBER_U64),
    MEMBER(49, approved, MEMBER_U32),
    MEMBER(50, child, MEMBER_UUID_IF),
    MEMBER(70, kid, MEMBER_U64),
    MEMBER(71, digest, MEMBER_BYTES),
    MEMBER(72, scope, MEMBER_BYTES),
    MEMBER(73, roles, MEMBER_U32),
    LIST(60, types, type_count),
    MEMBER(61, lapse_ns, MEMBER_U64),
    MEMBER(62, retry_ns, MEMBER_U64),
    MEMBER(85, descend, MEMBER_U32),
    MEMBER(86, refusal, MEMBER_U32),
};

/* Larger than any generated struct of record.proto. */
#define MESSAGE_BYTES_MAX 512u

static const struct type_row *
type_find(uint16_t type)
{
	const struct type_row *table = type_table;
	size_t count = sizeof(type_table) / sizeof(type_table[0]), index = type;
	if (type >= RECORD_TYPE_OPTIONAL) {
		table = optional_table;
		count = sizeof(optional_table) / sizeof(optional_table[0]);
		index = type - RECORD_TYPE_OPTIONAL;
	}
	return index < count && table[index].name != NULL ? &table[index] : NULL;
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

static void
list_fill(uint8_t *message, const ProtobufCFieldDescriptor *field, const struct eng_event *event,
    struct arena *arena)
{
	const struct member *member = member_of(field);
	const struct bytes *from;
	uint32_t count;
	memcpy(&from, (const uint8_t *)event + member->offset, sizeof(from));
	memcpy(&count, (const uint8_t *)event + member->count_offset, sizeof(count));
	ProtobufCBinaryData *items = arena_alloc(arena, count * sizeof(*items));
	for (uint32_t i = 0; i < count; i++) {
		items[i] = (ProtobufCBinaryData){from[i].size, (uint8_t *)(uintptr_t)from[i].data};
	}
	*(size_t *)(void *)(message + field->quantifier_offset) = count;
	*(ProtobufCBinaryData **)(void *)(message + field->offset) = items;
}

/* A field is absent when it is zero or empty: that is also what an absent field decodes to. */
static void
field_fill(uint8_t *message, const ProtobufCFieldDescriptor *field, const struct eng_event *event,
    struct arena *arena)
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
	case MEMBER_UUID_IF:
		*data = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)from};
		*has = !bytes_zero(from, sizeof(struct uuid));
		return;
	case MEMBER_BYTES:
		*data = (ProtobufCBinaryData){bytes->size, (uint8_t *)(uintptr_t)bytes->data};
		*has = bytes->size != 0;
		return;
	case MEMBER_LIST:
		list_fill(message, field, event, arena);
		return;
	}
}

size_t
record_encode(const struct eng_event *event, struct buf *to)
{
	const struct type_row *row = type_find((uint16_t)event->type);
	_Alignas(max_align_t) uint8_t message[MESSAGE_BYTES_MAX];
	struct arena arena;
	froe_assert(row != NULL && row->type == event->type);
	froe_assert(row->descriptor->sizeof_message <= sizeof(message));
	arena_init(&arena, 0);
	row->descriptor->message_init((ProtobufCMessage *)(void *)message);
	for (unsigned i = 0; i < row->descriptor->n_fields; i++)
		field_fill(message, &row->descriptor->fields[i], event, &arena);
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
list_take(struct eng_event *event, const uint8_t *message, const ProtobufCFieldDescriptor *field,
    struct arena *arena)
{
	const struct member *member = member_of(field);
	size_t size = *(const size_t *)(const void *)(message + field->quantifier_offset);
	const ProtobufCBinaryData *data =
	    *(ProtobufCBinaryData *const *)(const void *)(message + field->offset);
	struct bytes *items = arena_alloc(arena, size * sizeof(*items));
	uint32_t count = (uint32_t)size;
	for (size_t i = 0; i < size; i++)
		items[i] = bytes_of(data[i].data, data[i].len);
	memcpy((uint8_t *)event + member->offset, &items, sizeof(items));
	memcpy((uint8_t *)event + member->count_offset, &count, sizeof(count));
	return FROE_OK;
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
	case MEMBER_UUID_IF:
		if (data->len == 0)
			return FROE_OK;
		/* fall through */
	case MEMBER_UUID:
		if (data->len != 16)
			return fault_set(fault, FROE_CORRUPT, "an id has %zu bytes", data->len);
		memcpy(to, data->data, 16);
		return FROE_OK;
	case MEMBER_BYTES:
		*(struct bytes *)(void *)to = bytes_of(data->data, data->len);
		return FROE_OK;
	case MEMBER_LIST:
		return list_take(event, message, field, arena);
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
	ProtobufCMessage *message = protobuf_c_message_unpack(
	    row->descriptor, &allocator, record->body.size, record->body.data);
	if (message == NULL) {
		return fault_set(fault, FROE_CORRUPT,
		    "the body of the %s at position %" PRIx64 " is not one", row->name,
		    record->lsn.v);
	}
	enum froe_err err = FROE_OK;
	for (unsigned i = 0; i < row->descriptor->n_fields && err == FROE_OK; i++) {
		err = field_take(
		    ret_event, (const uint8_t *)message, &row->descriptor->fields[i], arena, fault);
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

/* Where the payload's field begins, tag and all; NULL: there is none. */
static const uint8_t *
payload_begin(struct bytes body, struct bytes payload)
{
	uint64_t tag, value;
	for (;;) {
		const uint8_t *at = body.data;
		if (!varint_take(&body, &tag) || !varint_take(&body, &value))
			return NULL;
		if (body.data == payload.data)
			return at;
		if ((tag & 7) == 2) {
			body.data += value;
			body.size -= (size_t)value;
		}
	}
}

struct bytes
record_head(struct bytes body, struct arena *arena)
{
	struct bytes payload = record_payload(body);
	const uint8_t *begin = payload.size != 0 ? payload_begin(body, payload) : NULL;
	if (begin == NULL)
		return body;
	size_t before = (size_t)(begin - body.data);
	const uint8_t *end = payload.data + payload.size;
	size_t after = (size_t)(body.data + body.size - end);
	if (after == 0)
		return bytes_of(body.data, before);
	uint8_t *head = arena_alloc(arena, before + after);
	memcpy(head, body.data, before);
	memcpy(head + before, end, after);
	return bytes_of(head, before + after);
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
	static const char *const names[] = {
	    "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "EVICTED"};
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
print_list(struct buf *to, const struct eng_event *event, const struct member *member)
{
	const struct bytes *items;
	uint32_t count;
	memcpy(&items, (const uint8_t *)event + member->offset, sizeof(items));
	memcpy(&count, (const uint8_t *)event + member->count_offset, sizeof(count));
	buf_push_text(to, "[");
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			buf_push_text(to, ",");
		print_bytes(to, items[i]);
	}
	buf_push_text(to, "]");
}

/* As in the token's text. */
static void
print_kid(struct buf *to, uint64_t kid)
{
	char text[TOKEN_KID_TEXT_SIZE] = "";
	if (kid >> TOKEN_KID_BITS == 0)
		token_kid_format(kid, text);
	buf_printf(to, "\"%s\"", text);
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
	if (at == (const uint8_t *)&event->kid) {
		print_kid(to, event->kid);
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
	case MEMBER_UUID_IF:
		print_uuid(to, *(const struct uuid *)(const void *)at);
		return;
	case MEMBER_BYTES:
		if (at == (const uint8_t *)&event->payload)
			print_payload(to, event->payload);
		else
			print_bytes(to, *(const struct bytes *)(const void *)at);
		return;
	case MEMBER_LIST:
		print_list(to, event, member);
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
	case MEMBER_UUID_IF:
		return !bytes_zero(at, sizeof(struct uuid));
	case MEMBER_BYTES:
		return ((const struct bytes *)(const void *)at)->size != 0;
	case MEMBER_LIST:
		return le32_load((const uint8_t *)event + member->count_offset) != 0;
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
	buf_printf(to,
	    "{\"position\":\"%016" PRIx64 "\",\"frame\":%" PRIu64 ",\"event\":%" PRIu64
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
	buf_printf(
	    to, "%016" PRIx64 " %s frame=%" PRIu64 " ", record->lsn.v, time, record->frame_seq);
	print_type(record, to);
	if (record->run_key != 0)
		buf_printf(to, " run=%" PRIu64 ".%u", record->run_key, record->run_event_no);
	print_members(record, to, " ", "", "=");
	buf_push_text(to, "\n");
}
