/*
 * log/record: the 32-byte header of one record, and its hash.
 *
 * Ownership   a decoded record's body points into what was decoded.
 * Units       sizes are of header and body; rec_span() adds the padding to 8.
 * See         docs/log-format.md, section 5
 */
#ifndef LOG_RECORD_INT_H
#define LOG_RECORD_INT_H

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

/* Writes rec_entry_span() bytes. A body that is there already is not copied. */
void rec_encode(uint8_t *to, const struct log_entry *entry, uint64_t event_seq);

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
