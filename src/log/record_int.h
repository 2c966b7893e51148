/*
 * log/record: the 32-byte header of one record, and its hash.
 *
 * Ownership   a decoded record's body points into what was decoded.
 * Units       sizes are of header and body; rec_span() adds the padding to 8.
 * See         docs/log-format.md, section 5
 */
#ifndef LOG_RECORD_INT_H
#define LOG_RECORD_INT_H

#include "base/hash.h"
#include "log/log.h"

static inline size_t
rec_span(size_t size)
{
	return (size + 7) & ~(size_t)7;
}

/* What an entry takes in a frame. */
static inline size_t
rec_entry_span(const struct log_entry *entry)
{
	return log_record_span(entry->body.size);
}

enum rec_offset {
	REC_SIZE = 0,
	REC_HASH = 4,
	REC_TYPE = 8,
	REC_FLAGS = 10,
	REC_SCHEMA = 11,
	REC_RUN_EVENT_NO = 12,
	REC_RUN_KEY = 16,
	REC_TIME = 24,
	REC_BODY = 32,
};

_Static_assert(REC_BODY == LOG_RECORD_HEADER_BYTES, "the header is as long as the contract says");

/* The header is hashed with its hash field zero, as it is here; the event number is hashed, not
 * stored. */
static inline uint32_t
rec_hash(const uint8_t *header, const uint8_t *body, size_t body_bytes, uint64_t event_seq)
{
	_Static_assert(REC_BODY == 32, "hash64_headed");
	return (uint32_t)hash64_headed(header, body, body_bytes, event_seq);
}

/* Behind `size` bytes, up to a multiple of eight. */
static inline void
rec_pad(uint8_t *record, size_t size)
{
	size_t left = size % 8;
	uint8_t *last = record + size - left;
	if (left != 0)
		le64_store(last, le64_load(last) & ((UINT64_C(1) << 8 * left) - 1));
}

/* Writes rec_entry_span() bytes. A body that is there already is not copied. Inline: it is on each
 * record's way. */
static inline void
rec_encode(uint8_t *to, const struct log_entry *entry, uint64_t event_seq)
{
	size_t size = REC_BODY + entry->body.size;

	froe_assert(entry->body.size <= LOG_FRAME_BYTES_MAX);
	le32_store(to + REC_SIZE, (uint32_t)size);
	le32_store(to + REC_HASH, 0);
	le16_store(to + REC_TYPE, entry->type);
	to[REC_FLAGS] = entry->flags;
	to[REC_SCHEMA] = entry->schema;
	le32_store(to + REC_RUN_EVENT_NO, entry->run_event_no);
	le64_store(to + REC_RUN_KEY, entry->run_key);
	le64_store(to + REC_TIME, entry->time_ns);
	if (entry->body.size > 0 && entry->body.data != to + REC_BODY)
		memcpy(to + REC_BODY, entry->body.data, entry->body.size);
	rec_pad(to, size);
	uint32_t hash = rec_hash(to, to + REC_BODY, entry->body.size, event_seq);
	le32_store(to + REC_HASH, hash);
}

enum rec_verdict {
	REC_GOOD,
	REC_BAD_SIZE, /* R1: where the next one starts is unknown */
	REC_BAD_HASH, /* R2 or R3 */
};

/* Verifies R1..R3 and fills *ret_record but for its place (lsn, frame_seq, epoch). *ret_span is
 * set unless the size is bad. */
enum rec_verdict rec_decode(const uint8_t *from, size_t available, uint64_t event_seq,
    struct log_record *ret_record, size_t *ret_span);

#endif
