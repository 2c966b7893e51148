/*
 * server/record_print: records as JSON, and as text for people.
 */
#include "server/record_int.h"

#include "api/token.h"
#include "base/duration.h"
#include "base/json.h"

#include <inttypes.h>

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
print_list(struct buf *to, const struct eng_event *event, const struct record_member *member)
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
print_member(struct buf *to, const struct eng_event *event, const struct record_member *member)
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
member_present(const struct eng_event *event, const struct record_member *member)
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
	const ProtobufCMessageDescriptor *type = record_descriptor(record->type);
	struct eng_event event;
	struct arena arena;
	struct froe_fault fault;
	arena_init(&arena, 0);
	enum froe_err err = record_decode(record, &arena, &event, &fault);
	if (err != FROE_OK) {
		buf_printf(to, "%s%sfault%s%s", before, name_quote, name_quote, between);
		buf_push_json_string(to, fault.text, strlen(fault.text));
	}
	for (unsigned i = 0; err == FROE_OK && type != NULL && i < type->n_fields; i++) {
		const struct record_member *member = record_member(&type->fields[i]);
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
