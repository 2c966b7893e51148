#include "log/record_int.h"

#include "base/hash.h"

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
static uint32_t
rec_hash(const uint8_t *header, const uint8_t *body, size_t body_bytes, uint64_t event_seq)
{
	_Static_assert(REC_BODY == 32, "hash64_32");
	uint64_t seed = hash64_32(header, event_seq);
	return (uint32_t)hash64(body, body_bytes, seed);
}

/* The hash that a record should have which has one. */
static uint32_t
rec_hash_again(const uint8_t *record, size_t size, uint64_t event_seq)
{
	uint8_t header[REC_BODY];

	memcpy(header, record, REC_BODY);
	le32_store(header + REC_HASH, 0);
	return rec_hash(header, record + REC_BODY, size - REC_BODY, event_seq);
}

/* Behind `size` bytes, up to a multiple of eight. */
static void
rec_pad(uint8_t *record, size_t size)
{
	size_t left = size % 8;
	uint8_t *last = record + size - left;
	if (left != 0)
		le64_store(last, le64_load(last) & ((UINT64_C(1) << 8 * left) - 1));
}

void
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

enum rec_verdict
rec_decode(const uint8_t *from, size_t available, uint64_t event_seq,
    struct log_record *ret_record, size_t *ret_span)
{
	if (available < REC_BODY)
		return REC_BAD_SIZE;
	size_t size = le32_load(from + REC_SIZE);
	if (size < REC_BODY || size > available || rec_span(size) > available)
		return REC_BAD_SIZE;
	*ret_span = rec_span(size);
	if (le32_load(from + REC_HASH) != rec_hash_again(from, size, event_seq))
		return REC_BAD_HASH;
	if (!bytes_zero(from + size, rec_span(size) - size))
		return REC_BAD_HASH;
	*ret_record = (struct log_record){
	    .event_seq = event_seq,
	    .type = le16_load(from + REC_TYPE),
	    .flags = from[REC_FLAGS],
	    .schema = from[REC_SCHEMA],
	    .run_event_no = le32_load(from + REC_RUN_EVENT_NO),
	    .run_key = le64_load(from + REC_RUN_KEY),
	    .time_ns = le64_load(from + REC_TIME),
	    .body = bytes_of(from + REC_BODY, size - REC_BODY),
	};
	return REC_GOOD;
}
