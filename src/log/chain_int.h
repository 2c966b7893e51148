/*
 * log/chain: what the next frame must be, from all that came before.
 *
 * Purpose     The conditions between frames: F4 (numbers, hash of the previous header, epochs,
 * time) and F5 (segments' first and last frames). The writer advances the same struct. See
 * docs/log-format.md, section 4
 */
#ifndef LOG_CHAIN_INT_H
#define LOG_CHAIN_INT_H

#include "log/frame_int.h"
#include "log/snapshot.h"

struct chain {
	bool known; /* false: the log's beginning was retired; the first frame is taken as it is */
	uint64_t seq;
	uint64_t hash;
	uint64_t epoch;
	uint64_t time_ns;
	uint64_t event_next;
	uint64_t segment_no; /* the one being read or written */
	uint64_t frames;     /* in it so far */
	uint64_t prev_segment_no;
	uint64_t prev_frames;
	bool sealed; /* the last frame closed its segment */
	bool clean;  /* the last frame was a clean stop's */
};

enum chain_verdict {
	CHAIN_NEXT,
	CHAIN_STALE, /* of an older epoch */
	CHAIN_BROKEN,
};

/* For a log that starts with segment_no. */
void chain_init(struct chain *chain, uint64_t segment_no);

/* For frames that follow a snapshot. */
void chain_at_base(struct chain *chain, const struct log_base *base);

enum chain_verdict chain_check(const struct chain *chain, const struct log_frame_header *header,
    const uint8_t *frame, uint64_t segment_bytes);

/* The frame is the last one now. */
void chain_advance(struct chain *chain, const struct log_frame_header *header);

/* The segment is sealed; frames of the next one follow. */
void chain_enter_segment(struct chain *chain);

#endif
