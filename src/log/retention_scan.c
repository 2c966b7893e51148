/*
 * A sealed segment is read front to back, each frame verified with the one before it: what is about
 * to be deleted is looked at once more, and damage stops the deletion.
 */
#include "log/retention_int.h"

#include "base/mem.h"
#include "log/log_int.h"
#include "log/record_int.h"

#include <inttypes.h>

enum froe_err
scan_begin(struct retention *retention, uint64_t no, struct froe_fault *fault)
{
	retention->scan_no = no;
	retention->scan_at = SEG_HEADER_BYTES;
	retention->scan_hash = 0;
	return reader_open(&retention->reader, no, /* sync= */ false, fault);
}

static struct retention_run *
scan_run(struct retention *retention, const struct log_record *record)
{
	struct retention_run *run = map_get_u64(&retention->runs, record->run_key);
	if (run != NULL)
		return run;
	const struct cold_extent *last = retention_last(retention, record->run_key);
	run = mem_zalloc(sizeof(*run));
	run->first_no = record->run_event_no;
	run->closed_ns = last != NULL ? last->closed_ns : 0;
	map_put_u64(&retention->runs, record->run_key, run);
	return run;
}

static void
scan_record(struct retention *retention, const struct log_record *record, uint64_t offset,
    size_t span)
{
	bool reopens = (record->flags & LOG_RECORD_REOPENS) != 0;
	if (reopens && retention->state == RETENTION_SURVEY)
		log_note_reopened(retention->log, record->run_key);
	if (retention->state != RETENTION_SCAN || record->run_key == 0)
		return;
	struct retention_run *run = scan_run(retention, record);
	if ((record->flags & LOG_RECORD_CLOSES) != 0)
		run->closed_ns = record->time_ns;
	if (reopens) {
		run->closed_ns = 0;
		run->reopened++;
	}
	*retention_item_add(retention) = (struct retention_item){
	    .run_key = record->run_key,
	    .no = record->run_event_no,
	    .span = (uint32_t)span,
	    .offset = offset,
	    .event_seq = record->event_seq,
	};
}

static enum froe_err
scan_bad(const struct retention *retention, struct froe_fault *fault)
{
	return fault_set(fault, FROE_CORRUPT,
	    "log/%s: the frame at byte %" PRIu64
	    " does not verify any more: the disk has damaged it; restore the data directory from a "
	    "backup while the server still runs",
	    retention->reader.name, retention->scan_at);
}

static enum froe_err
scan_load(struct retention *retention, const uint8_t **ret_frame, struct log_frame_header *header,
    struct froe_fault *fault)
{
	struct reader *reader = &retention->reader;
	struct log_frame_site site = {
	    .segment_no = reader->header.no,
	    .seed = reader->header.seed,
	    .offset = retention->scan_at,
	    .available = reader->header.bytes - retention->scan_at,
	};
	uint32_t block;
	if (site.available == 0)
		return scan_bad(retention, fault);
	enum froe_err err = reader_load(reader, site.offset, LOG_BLOCK_BYTES, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	size_t have = log_frame_extent(*ret_frame, &site);
	err = reader_load(reader, site.offset, have, ret_frame, fault);
	if (err != FROE_OK)
		return err;
	if (log_frame_judge(*ret_frame, have, &site, header, &block) != LOG_FRAME_GOOD ||
	    (retention->scan_hash != 0 && header->prev_hash != retention->scan_hash))
		return scan_bad(retention, fault);
	return FROE_OK;
}

enum froe_err
scan_frame(struct retention *retention, enum scan_result *ret_result, struct froe_fault *fault)
{
	struct log_frame_header header;
	const uint8_t *frame;
	size_t span = 0;
	enum froe_err err = scan_load(retention, &frame, &header, fault);
	if (err != FROE_OK)
		return err;
	size_t at = header.header_bytes + log_frame_control_bytes(header.flags);
	size_t end = (size_t)header.header_bytes + header.data_bytes;
	for (uint32_t i = 0; i < header.records; i++, at += span) {
		struct log_record record;
		if (at > end || rec_decode(frame + at, end - at, header.event_first + i, &record,
				    &span) != REC_GOOD)
			return scan_bad(retention, fault);
		scan_record(retention, &record, retention->scan_at + at, span);
	}
	retention->scan_at += (uint64_t)header.blocks * LOG_BLOCK_BYTES;
	retention->scan_hash = header.hash;
	*ret_result = (header.flags & LOG_FRAME_SEAL) != 0 ? SCAN_SEALED : SCAN_MORE;
	return FROE_OK;
}

enum froe_err
scan_peek(struct retention *retention, struct froe_fault *fault)
{
	struct log_frame_header header;
	const uint8_t *frame;
	enum froe_err err = scan_load(retention, &frame, &header, fault);
	if (err != FROE_OK)
		return err;
	retention->next_ns = header.time_ns;
	retention->next_seq = header.seq;
	return FROE_OK;
}
