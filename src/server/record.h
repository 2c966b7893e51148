/*
 * server/record: an engine event as the body of a log record, and back.
 *
 * Purpose     One codec for all types: the fields of a message in proto/record.proto have the
 *             names of the members of struct eng_event, so a table of members and protobuf-c's
 *             descriptors do the work; a new event needs a message and a row, no code. The few
 *             types that every run has are written by code of their own.
 * Ownership   encode appends to the caller's buffer. Decoded bytes lie in the arena or in the body.
 * Threading   none of its own.
 * Failure     decode: FROE_CORRUPT (not the message of its type), FROE_INCOMPATIBLE (a type this
 *             version does not know and may not skip).
 * See         docs/log-format.md, proto/record.proto
 */
#ifndef SERVER_RECORD_H
#define SERVER_RECORD_H

#include "base/arena.h"
#include "base/varint.h"
#include "engine/engine.h"
#include "log/log.h"

#include <protobuf-c/protobuf-c.h>

/* Types from here on may be skipped by a reader that does not know them. */
#define RECORD_TYPE_OPTIONAL 0x8000u

/* Of a body: tag and value of a number; tag and length of bytes; an id. */
#define RECORD_NUMBER_BYTES_MAX ((size_t)(2 + VARINT_BYTES_MAX))
#define RECORD_HEAD_BYTES_MAX ((size_t)(2 + 5))
#define RECORD_UUID_BYTES_MAX (RECORD_HEAD_BYTES_MAX + sizeof(struct uuid))
/* The types that every run has are of so many numbers at most. */
#define RECORD_NUMBERS_MAX 8u

size_t record_size_max_by_table(const struct eng_event *event);
size_t record_list_size_max(const struct bytes *items, uint32_t count);

/* No less than the body's size. */
static inline size_t
record_size_max(const struct eng_event *event)
{
	size_t numbers = RECORD_NUMBERS_MAX * RECORD_NUMBER_BYTES_MAX;
	unsigned type = event->type; /* most are of the table */
	switch (type) {
	case ENG_EV_RUN_STARTED:
		return numbers + 2 * RECORD_UUID_BYTES_MAX + 3 * RECORD_HEAD_BYTES_MAX +
		    event->payload.size + event->child_key.size + event->key.size +
		    record_list_size_max(event->metadata, event->metadata_count);
	case ENG_EV_TASK_COMPLETED:
		return numbers + RECORD_HEAD_BYTES_MAX + event->payload.size;
	case ENG_EV_TASK_QUEUED:
	case ENG_EV_TASK_ASSIGNED:
	case ENG_EV_RUN_CLOSED:
		return numbers;
	default:
		return record_size_max_by_table(event);
	}
}

/* Writes the body, of record_size_max() bytes at most; returns its end. */
uint8_t *record_store(const struct eng_event *event, uint8_t *to);

/* Appends the body to a buffer; returns its size. */
size_t record_encode(const struct eng_event *event, struct buf *to);

/* ret_event->type 0: a type that may be skipped, and is. */
enum froe_err record_decode(const struct log_record *record, struct arena *arena,
    struct eng_event *ret_event, struct froe_fault *fault) FROE_CHECKED;

/* The payload (or text) of a body without decoding the rest: its last length-delimited field 14
 * (13). Empty if there is none. */
struct bytes record_payload(struct bytes body);
struct bytes record_text(struct bytes body);

/* The body without its payload: in the body where the payload is its last field, else a copy in the
 * arena. All of it if there is no payload. */
struct bytes record_head(struct bytes body, struct arena *arena);

const char *record_type_name(uint16_t type); /* "TASK_QUEUED"; NULL: unknown */

/* Appends the record as one JSON object on one line. */
void record_print_json(const struct log_record *record, struct buf *to);

/* Appends the record as one line of text for people. */
void record_print_text(const struct log_record *record, struct buf *to);

#endif
