/*
 * A body is read field by field, straight into struct eng_event: generated structs in between took
 * a third of the time that a record takes. The descriptors that protobuf-c generates say which
 * fields a type has.
 */
#include "server/record_int.h"

#include "api/definition.h"
#include "api/wire.h"
#include "base/varint.h"
#include "proto/record.pb-c.h"

#include <inttypes.h>

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
    [ENG_EV_RATE_LIMIT_PUT] = TYPE(RATE_LIMIT_PUT, rate_limit_put),
    [ENG_EV_TOKEN_CREATED] = TYPE(TOKEN_CREATED, token_created),
    [ENG_EV_TOKEN_REVOKED] = TYPE(TOKEN_REVOKED, token_revoked),
    [ENG_EV_WORKFLOW_PAUSED] = TYPE(WORKFLOW_PAUSED, workflow_paused),
    [ENG_EV_WORKFLOW_RESUMED] = TYPE(WORKFLOW_RESUMED, workflow_resumed),
    [ENG_EV_WORKFLOW_DELETED] = TYPE(WORKFLOW_DELETED, workflow_deleted),
    [ENG_EV_WORKER_PAUSED] = TYPE(WORKER_PAUSED, worker_paused),
    [ENG_EV_WORKER_RESUMED] = TYPE(WORKER_RESUMED, worker_resumed),
    [ENG_EV_SLOTS_RELEASED] = TYPE(SLOTS_RELEASED, slots_released),
    [ENG_EV_LEASES_DROPPED] = TYPE(LEASES_DROPPED, leases_dropped),
    [ENG_EV_TASK_BEGUN] = TYPE(TASK_BEGUN, task_begun),
    [ENG_EV_LEASE_ENDED] = TYPE(LEASE_ENDED, lease_ended),
};

/* Those that a reader may skip, from RECORD_TYPE_OPTIONAL on. */
static const struct type_row optional_table[] = {
    [ENG_EV_TASK_LOGGED - RECORD_TYPE_OPTIONAL] = TYPE(TASK_LOGGED, task_logged),
    [ENG_EV_TASK_STREAMED - RECORD_TYPE_OPTIONAL] = TYPE(TASK_STREAMED, task_streamed),
    [ENG_EV_LATE_LOGGED - RECORD_TYPE_OPTIONAL] = TYPE(LATE_LOGGED, late_logged),
};

#define FIELD_ID 11u
#define FIELD_TEXT 13u
#define FIELD_PAYLOAD 14u

/* By field number: a name has one number in all messages. */
#define MEMBER(number, name, kind) [number] = {#name, kind, offsetof(struct eng_event, name), 0}
#define LIST(number, name, count)                                                                  \
	[number] = {#name, MEMBER_LIST, offsetof(struct eng_event, name),                          \
	    offsetof(struct eng_event, count)}
static const struct record_member members[] = {
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
    MEMBER(90, limit, MEMBER_U32),
    MEMBER(91, window, MEMBER_U32),
};

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

const char *
record_type_name(uint16_t type)
{
	const struct type_row *row = type_find(type);
	return row != NULL ? row->name : NULL;
}

const ProtobufCMessageDescriptor *
record_descriptor(uint16_t type)
{
	const struct type_row *row = type_find(type);
	return row != NULL ? row->descriptor : NULL;
}

static inline const struct record_member *
member_of(const ProtobufCFieldDescriptor *field)
{
	froe_assert(field->id < sizeof(members) / sizeof(members[0]));
	const struct record_member *member = &members[field->id];
	froe_assert_slow(strcmp(member->name, field->name) == 0);
	return member;
}

const struct record_member *
record_member(const ProtobufCFieldDescriptor *field)
{
	return member_of(field);
}

/* ----------------------------------------------------------------------------------- decoding */

/* How many fields of that number there are from `field` on. */
static uint32_t
count_fields(struct bytes rest, const struct wire_field *field)
{
	struct wire_field next;
	uint32_t count = 1;
	while (rest.size > 0 && wire_field_take(&rest, &next))
		count += next.number == field->number;
	return count;
}

/* The list is made when its first item comes, for all of them. */
static void
list_add(struct eng_event *event, const struct record_member *member,
    const struct wire_field *field, struct bytes rest, struct arena *arena)
{
	struct bytes *items;
	uint32_t count;
	uint8_t *list_at = (uint8_t *)event + member->offset;
	uint8_t *count_at = (uint8_t *)event + member->count_offset;
	memcpy(&items, list_at, sizeof(items));
	memcpy(&count, count_at, sizeof(count));
	if (count == 0)
		items = arena_alloc(arena, count_fields(rest, field) * sizeof(*items));
	items[count++] = field->content;
	memcpy(list_at, &items, sizeof(items));
	memcpy(count_at, &count, sizeof(count));
}

/* What a field says goes into its member; of several of one number the last one counts. */
static enum froe_err
take_member(struct eng_event *event, const struct record_member *member,
    const struct wire_field *field, struct bytes rest, struct arena *arena,
    struct froe_fault *fault)
{
	uint8_t *to = (uint8_t *)event + member->offset;
	bool number = member->kind == MEMBER_U32 || member->kind == MEMBER_U64;
	unsigned type =
	    number ? PROTOBUF_C_WIRE_TYPE_VARINT : PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
	if (field->type != type)
		return fault_set(fault, FROE_CORRUPT, "%s is of another type", member->name);
	switch (member->kind) {
	case MEMBER_U32:
		le32_store(to, (uint32_t)field->value);
		return FROE_OK;
	case MEMBER_U64:
		le64_store(to, field->value);
		return FROE_OK;
	case MEMBER_UUID:
	case MEMBER_UUID_IF:
		if (field->content.size != sizeof(struct uuid))
			return fault_set(
			    fault, FROE_CORRUPT, "an id has %zu bytes", field->content.size);
		memcpy(to, field->content.data, sizeof(struct uuid));
		return FROE_OK;
	case MEMBER_BYTES:
		*(struct bytes *)(void *)to = field->content;
		return FROE_OK;
	case MEMBER_LIST:
		list_add(event, member, field, rest, arena);
		return FROE_OK;
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

/* Fields that the type's message does not have are skipped. */
static enum froe_err
body_decode(const struct type_row *row, struct bytes body, struct arena *arena,
    struct eng_event *event, struct froe_fault *fault)
{
	const ProtobufCFieldDescriptor *next = row->descriptor->fields;
	const ProtobufCFieldDescriptor *end = next + row->descriptor->n_fields;
	bool named = false;
	while (body.size > 0) {
		struct wire_field field;
		if (!wire_field_take(&body, &field))
			return fault_set(fault, FROE_CORRUPT, "it is cut off or garbled");
		while (next < end && next->id < field.number) /* they come in order, as written */
			next++;
		const ProtobufCFieldDescriptor *known = next;
		if (next == end || next->id != field.number)
			known = protobuf_c_message_descriptor_get_field(
			    row->descriptor, field.number);
		if (known == NULL)
			continue;
		enum froe_err err =
		    take_member(event, member_of(known), &field, body, arena, fault);
		if (err != FROE_OK)
			return err;
		named |= field.number == FIELD_ID;
	}
	if (!named && protobuf_c_message_descriptor_get_field(row->descriptor, FIELD_ID) != NULL)
		return fault_set(fault, FROE_CORRUPT, "its id is not there");
	return FROE_OK;
}

enum froe_err
record_decode(const struct log_record *record, struct arena *arena, struct eng_event *ret_event,
    struct froe_fault *fault)
{
	const struct type_row *row = type_find(record->type);
	*ret_event = (struct eng_event){0};
	if (row == NULL && record->type >= RECORD_TYPE_OPTIONAL)
		return FROE_OK;
	if (row == NULL) {
		return fault_set(fault, FROE_INCOMPATIBLE,
		    "record type %u at position %" PRIx64
		    " is of a newer version of froe: use that",
		    record->type, record->lsn.v);
	}
	struct froe_fault why;
	if (body_decode(row, record->body, arena, ret_event, &why) != FROE_OK) {
		return fault_set(fault, FROE_CORRUPT,
		    "the body of the %s at position %" PRIx64 " is not one: %s", row->name,
		    record->lsn.v, why.text);
	}
	ret_event->type = row->type;
	ret_event->time_ns = record->time_ns;
	ret_event->run = record->run_key;
	ret_event->run_event_no = record->run_event_no;
	if (row->type == ENG_EV_WORKFLOW_PUT)
		return record_definition(ret_event, arena, fault);
	return FROE_OK;
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
