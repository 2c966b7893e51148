#include "log/record_int.h"

/* The hash that a record should have which has one. */
static uint32_t
rec_hash_again(const uint8_t *record, size_t size, uint64_t event_seq)
{
	uint8_t header[REC_BODY];

	memcpy(header, record, REC_BODY);
	le32_store(header + REC_HASH, 0);
	return rec_hash(header, record + REC_BODY, size - REC_BODY, event_seq);
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
