#include "log/chain_int.h"

#include "log/segment_int.h"

void
chain_init(struct chain *chain, uint64_t segment_no)
{
	*chain = (struct chain){
	    .known = segment_no == 1,
	    .event_next = 1,
	    .segment_no = segment_no,
	};
}

void
chain_at_base(struct chain *chain, const struct log_base *base)
{
	if (base->number == 0) {
		chain_init(chain, 1);
		return;
	}
	*chain = (struct chain){
	    .known = true,
	    .seq = base->frame_seq,
	    .hash = base->frame_hash,
	    .epoch = base->epoch,
	    .time_ns = base->time_ns,
	    .event_next = base->event_next,
	    .segment_no = base->number + 1,
	    .prev_segment_no = base->number,
	    .prev_frames = base->segment_frames,
	};
}

static bool
chain_flag(const struct log_frame_header *header, enum log_frame_flags flag)
{
	return (header->flags & flag) != 0;
}

/* F5 for the first frame of a segment. */
static bool
chain_first_good(const struct chain *chain, const struct log_frame_header *header,
    const uint8_t *frame)
{
	bool first = header->block_index == SEG_HEADER_BYTES / LOG_BLOCK_BYTES;

	if (chain_flag(header, LOG_FRAME_FIRST_OF_SEGMENT) != first)
		return false;
	if (!first || !chain->known)
		return true;
	if (chain_flag(header, LOG_FRAME_SEAL) || header->data_bytes < LOG_FRAME_CONTROL_BYTES)
		return false;
	struct log_frame_control control = log_frame_control_decode(frame + header->header_bytes);
	return control.segment_no == chain->prev_segment_no &&
	    control.frames == chain->prev_frames && control.hash == chain->hash;
}

/* F5 for the last one: only a seal may lie in the last block. */
static bool
chain_seal_good(const struct chain *chain, const struct log_frame_header *header,
    const uint8_t *frame, uint64_t segment_bytes)
{
	uint64_t end = ((uint64_t)header->block_index + header->blocks) * LOG_BLOCK_BYTES;

	if (!chain_flag(header, LOG_FRAME_SEAL))
		return end < segment_bytes;
	if (header->data_bytes != LOG_FRAME_CONTROL_BYTES || header->records != 0)
		return false;
	struct log_frame_control control = log_frame_control_decode(frame + header->header_bytes);
	return control.segment_no == header->segment_no + 1 && control.frames == chain->frames + 1;
}

static bool
chain_follows(const struct chain *chain, const struct log_frame_header *header)
{
	bool first_of_epoch = chain_flag(header, LOG_FRAME_FIRST_OF_EPOCH);

	return header->seq == chain->seq + 1 && header->prev_hash == chain->hash &&
	    header->event_first == chain->event_next && header->time_ns >= chain->time_ns &&
	    header->durable_seq < header->seq &&
	    first_of_epoch == (header->epoch > chain->epoch);
}

enum chain_verdict
chain_check(const struct chain *chain, const struct log_frame_header *header,
    const uint8_t *frame, uint64_t segment_bytes)
{
	if (chain->known && header->epoch < chain->epoch)
		return CHAIN_STALE;
	if (chain->known && !chain_follows(chain, header))
		return CHAIN_BROKEN;
	if (!chain_first_good(chain, header, frame))
		return CHAIN_BROKEN;
	return chain_seal_good(chain, header, frame, segment_bytes) ? CHAIN_NEXT : CHAIN_BROKEN;
}

void
chain_advance(struct chain *chain, const struct log_frame_header *header)
{
	froe_assert(!chain->sealed);
	chain->known = true;
	chain->seq = header->seq;
	chain->hash = header->hash;
	chain->epoch = header->epoch;
	chain->time_ns = header->time_ns;
	chain->event_next = header->event_first + header->records;
	chain->frames++;
	chain->sealed = chain_flag(header, LOG_FRAME_SEAL);
	chain->clean = chain_flag(header, LOG_FRAME_CLEAN_STOP);
}

void
chain_enter_segment(struct chain *chain)
{
	froe_assert(chain->sealed);
	chain->prev_segment_no = chain->segment_no;
	chain->prev_frames = chain->frames;
	chain->segment_no++;
	chain->frames = 0;
	chain->sealed = false;
}
