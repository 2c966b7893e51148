/*
 * A body is written field by field, straight from struct eng_event to where it will lie. The types
 * that every run has are written out, field after field in the order of their numbers, which are
 * those of proto/record.proto; the others go by the table of members and protobuf-c's descriptors.
 * A number that is zero and bytes that are empty are absent: that is also what an absent field
 * decodes to.
 */
#include "server/record_int.h"

#include "base/message.h"

static inline uint8_t *
store_number(uint8_t *to, unsigned field, uint64_t value)
{
	return value != 0 ? message_store_number(to, field, value) : to;
}

static inline uint8_t *
store_bytes(uint8_t *to, unsigned field, struct bytes bytes)
{
	return bytes.size != 0 ? message_store_bytes(to, field, bytes) : to;
}

static inline uint8_t *
store_uuid(uint8_t *to, unsigned field, const struct uuid *id)
{
	to = varint_store(to, MESSAGE_TAG(field, LENGTH_PREFIXED));
	*to++ = sizeof(*id);
	memcpy(to, id, sizeof(*id));
	return to + sizeof(*id);
}

static inline uint8_t *
store_uuid_if(uint8_t *to, unsigned field, const struct uuid *id)
{
	return uuid_is_nil(*id) ? to : store_uuid(to, field, id);
}

static inline uint8_t *
store_list(uint8_t *to, unsigned field, const struct bytes *items, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		to = message_store_bytes(to, field, items[i]);
	return to;
}

size_t
record_list_size_max(const struct bytes *items, uint32_t count)
{
	size_t size = 0;
	for (uint32_t i = 0; i < count; i++)
		size += RECORD_HEAD_BYTES_MAX + items[i].size;
	return size;
}

/* ------------------------------------------------------------------------- what every run has */

static uint8_t *
store_run_started(uint8_t *to, const struct eng_event *event)
{
	to = store_number(to, 6, event->deadline_ns);
	to = store_number(to, 7, event->priority);
	to = store_number(to, 8, event->tenant);
	to = store_number(to, 9, event->workflow);
	to = store_number(to, 10, event->version);
	to = store_uuid(to, 11, &event->id);
	to = store_bytes(to, 14, event->payload);
	to = store_list(to, 21, event->metadata, event->metadata_count);
	to = store_uuid_if(to, 22, &event->parent);
	to = store_number(to, 23, event->child_index);
	to = store_bytes(to, 24, event->child_key);
	to = store_number(to, 25, event->start_ns);
	to = store_bytes(to, 26, event->key);
	return store_number(to, 27, event->key_until_ns);
}

static uint8_t *
store_task_queued(uint8_t *to, const struct eng_event *event)
{
	to = store_number(to, 1, event->task);
	to = store_number(to, 5, event->reason);
	to = store_number(to, 6, event->deadline_ns);
	return store_number(to, 7, event->priority);
}

static uint8_t *
store_task_assigned(uint8_t *to, const struct eng_event *event)
{
	to = store_number(to, 1, event->task);
	to = store_number(to, 2, event->lease);
	to = store_number(to, 3, event->attempt);
	to = store_number(to, 4, event->worker);
	to = store_number(to, 6, event->deadline_ns);
	return store_number(to, 47, event->invocation);
}

static uint8_t *
store_task_completed(uint8_t *to, const struct eng_event *event)
{
	to = store_number(to, 1, event->task);
	to = store_number(to, 2, event->lease);
	return store_bytes(to, 14, event->payload);
}

/* --------------------------------------------------------------------------------- by the table */

struct member_list {
	const struct bytes *items;
	uint32_t count;
};

static struct member_list
list_of(const struct eng_event *event, const struct record_member *member)
{
	struct member_list list;
	memcpy(&list.items, (const uint8_t *)event + member->offset, sizeof(list.items));
	memcpy(&list.count, (const uint8_t *)event + member->count_offset, sizeof(list.count));
	return list;
}

static uint8_t *
store_field(uint8_t *to, unsigned field, const struct eng_event *event,
    const struct record_member *member)
{
	const void *from = (const uint8_t *)event + member->offset;
	struct member_list list;
	switch (member->kind) {
	case MEMBER_U32:
		return store_number(to, field, le32_load(from));
	case MEMBER_U64:
		return store_number(to, field, le64_load(from));
	case MEMBER_UUID:
		return store_uuid(to, field, from);
	case MEMBER_UUID_IF:
		return store_uuid_if(to, field, from);
	case MEMBER_BYTES:
		return store_bytes(to, field, *(const struct bytes *)from);
	case MEMBER_LIST:
		list = list_of(event, member);
		return store_list(to, field, list.items, list.count);
	}
	froe_never("a member has a kind");
}

static size_t
field_size_max(const struct eng_event *event, const struct record_member *member)
{
	const void *from = (const uint8_t *)event + member->offset;
	struct member_list list;
	switch (member->kind) {
	case MEMBER_U32:
	case MEMBER_U64:
		return RECORD_NUMBER_BYTES_MAX;
	case MEMBER_UUID:
	case MEMBER_UUID_IF:
		return RECORD_UUID_BYTES_MAX;
	case MEMBER_BYTES:
		return RECORD_HEAD_BYTES_MAX + ((const struct bytes *)from)->size;
	case MEMBER_LIST:
		list = list_of(event, member);
		return record_list_size_max(list.items, list.count);
	}
	froe_never("a member has a kind");
}

static const ProtobufCMessageDescriptor *
descriptor_of(const struct eng_event *event)
{
	const ProtobufCMessageDescriptor *descriptor = record_descriptor((uint16_t)event->type);
	froe_assert(descriptor != NULL);
	return descriptor;
}

static uint8_t *
store_by_table(uint8_t *to, const struct eng_event *event)
{
	const ProtobufCMessageDescriptor *descriptor = descriptor_of(event);
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		to = store_field(to, field->id, event, record_member(field));
	}
	return to;
}

size_t
record_size_max_by_table(const struct eng_event *event)
{
	const ProtobufCMessageDescriptor *descriptor = descriptor_of(event);
	size_t size = 0;
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		size += field_size_max(event, record_member(&descriptor->fields[i]));
	return size;
}

/* -------------------------------------------------------------------------------- both of them */

uint8_t *
record_store(const struct eng_event *event, uint8_t *to)
{
	unsigned type = event->type; /* most are of the table */
	switch (type) {
	case ENG_EV_RUN_STARTED:
		return store_run_started(to, event);
	case ENG_EV_TASK_QUEUED:
		return store_task_queued(to, event);
	case ENG_EV_TASK_ASSIGNED:
		return store_task_assigned(to, event);
	case ENG_EV_TASK_COMPLETED:
		return store_task_completed(to, event);
	case ENG_EV_RUN_CLOSED:
		return store_number(to, 15, event->status);
	default:
		return store_by_table(to, event);
	}
}

size_t
record_encode(const struct eng_event *event, struct buf *to)
{
	uint8_t *begin = buf_reserve(to, record_size_max(event));
	size_t size = (size_t)(record_store(event, begin) - begin);
	buf_commit(to, size);
	return size;
}
