/*
 * log/frame: the bytes of one group commit.
 *
 * Purpose     Encodes, decodes and judges frames in memory; knows neither files nor the chain.
 * Invariants  1. what log_frame_seal() makes, log_frame_judge() finds good.
 *             2. padding is not zero: a sector of zeros inside a frame was not written.
 * See         docs/log-format.md, section 4
 */
#ifndef LOG_FRAME_INT_H
#define LOG_FRAME_INT_H

#include "log/log.h"

#define LOG_SECTOR_BYTES 512u
#define LOG_FRAME_FIXED_BYTES 96u /* header without block hashes */
#define LOG_FRAME_CONTROL_BYTES 32u
#define LOG_FRAME_ALIGN 64u /* of the data's offset */

/* The largest frame: 8 MiB of records, a control block, and the header with its hashes. */
#define LOG_FRAME_BLOCKS_MAX 2053u

enum log_frame_flags {
	LOG_FRAME_COMPRESSED = 1, /* reserved */
	LOG_FRAME_SEAL = 2,
	LOG_FRAME_CLEAN_STOP = 4,
	LOG_FRAME_FIRST_OF_EPOCH = 8,
	LOG_FRAME_FIRST_OF_SEGMENT = 16,
	LOG_FRAME_FLAGS_KNOWN = 2 | 4 | 8 | 16,
};

struct log_frame_header {
	uint8_t flags;
	uint16_t header_bytes;
	uint16_t blocks;
	uint32_t data_bytes; /* control block and records */
	uint32_t records;
	uint32_t block_index;
	uint64_t seq;
	uint64_t event_first;
	uint64_t durable_seq;
	uint64_t epoch;
	uint64_t time_ns;
	uint64_t prev_hash;
	uint64_t segment_no;
	uint64_t hash; /* of this header */
};

struct log_frame_control {
	uint64_t segment_no;
	uint64_t frames;
	uint64_t hash;
};

/* Where bytes claim to be a frame. */
struct log_frame_site {
	uint64_t segment_no;
	uint64_t seed;
	uint64_t offset;
	uint64_t available; /* bytes from there to the end of the segment */
};

enum log_frame_verdict {
	LOG_FRAME_GOOD,
	LOG_FRAME_ZERO,        /* the first block is zero */
	LOG_FRAME_HEADER_TORN, /* a header block has a sector of zeros */
	LOG_FRAME_HEADER_BAD,
	LOG_FRAME_BODY_TORN, /* each bad block has a sector of zeros */
	LOG_FRAME_BODY_BAD,
	LOG_FRAME_FOREIGN,      /* the header is good, but of another place */
	LOG_FRAME_INCOMPATIBLE, /* good, with flags or a codec we do not know */
};

/* The offset of the data in a frame that may hold up to `data_bytes` of it. */
uint16_t log_frame_header_bytes(size_t data_bytes);

static inline size_t
log_frame_blocks(size_t header_bytes, size_t data_bytes)
{
	return (header_bytes + data_bytes + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES;
}

/* Completes a frame in memory whose data is in place: pads, hashes, writes the header; sets blocks
 * and hash in *header. */
void log_frame_seal(uint8_t *frame, struct log_frame_header *header, uint64_t seed);

/* How many bytes must be in memory for log_frame_judge(): from the first block alone, unverified.
 */
size_t log_frame_extent(const uint8_t *block, const struct log_frame_site *site);

/* Where the data begins if the first block, unverified, is believed; else `otherwise`. */
size_t log_frame_data_guess(const uint8_t *block, const struct log_frame_site *site,
    size_t otherwise);

/* Is there a header that verifies (F1, F3)? `have` bytes are in memory. */
bool log_frame_peek(const uint8_t *frame, size_t have, const struct log_frame_site *site,
    struct log_frame_header *ret_header);

/* F1..F3 and F6. ret_header is filled when the header verifies; ret_block is the first bad block.
 */
enum log_frame_verdict log_frame_judge(const uint8_t *frame, size_t have,
    const struct log_frame_site *site, struct log_frame_header *ret_header, uint32_t *ret_block);

void log_frame_control_encode(uint8_t *to, const struct log_frame_control *control);
struct log_frame_control log_frame_control_decode(const uint8_t *from);

static inline size_t
log_frame_control_bytes(uint8_t flags)
{
	return (flags & (LOG_FRAME_SEAL | LOG_FRAME_FIRST_OF_SEGMENT)) != 0
		   ? LOG_FRAME_CONTROL_BYTES
		   : 0;
}

/* Does a block hold a wholly zero sector? */
bool log_block_has_zero_sector(const uint8_t *block);

#endif
