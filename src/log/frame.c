/*
 * Judging, in order: is the first block zero; is the header possible and its hash good (F1); is it
 * at its own place (F3); is every block good (F2); do we understand its fields (F6). A header that
 * fails is torn if one of its blocks shows a sector that was never written; the number of header
 * blocks comes from a field that is itself unverified, so it counts only as far as it is possible.
 */
#include "log/frame_int.h"

#include "base/hash.h"
#include "base/plant.h"

#define FRAME_MAGIC 0x4d415246u /* "FRAM" */
#define FRAME_VERSION 1
#define FRAME_PADDING 0xa5
#define FRAME_HASH_BYTES 8u

enum frame_offset {
	FRAME_OFF_MAGIC = 0,
	FRAME_OFF_VERSION = 4,
	FRAME_OFF_FLAGS = 5,
	FRAME_OFF_HEADER_BYTES = 6,
	FRAME_OFF_SEQ = 8,
	FRAME_OFF_EVENT_FIRST = 16,
	FRAME_OFF_DURABLE_SEQ = 24,
	FRAME_OFF_EPOCH = 32,
	FRAME_OFF_TIME = 40,
	FRAME_OFF_PREV_HASH = 48,
	FRAME_OFF_STORED_BYTES = 56,
	FRAME_OFF_RAW_BYTES = 60,
	FRAME_OFF_RECORDS = 64,
	FRAME_OFF_BLOCKS = 68,
	FRAME_OFF_CODEC = 70,
	FRAME_OFF_RESERVED = 71,
	FRAME_OFF_SEGMENT_NO = 72,
	FRAME_OFF_BLOCK_INDEX = 80,
	FRAME_OFF_RESERVED_2 = 84,
	FRAME_OFF_HASHES = 88,
};

_Static_assert(FRAME_OFF_HASHES + FRAME_HASH_BYTES == LOG_FRAME_FIXED_BYTES, "header layout");
_Static_assert(LOG_FRAME_FIXED_BYTES + FRAME_HASH_BYTES * LOG_FRAME_BLOCKS_MAX <= UINT16_MAX,
    "header_bytes has 16 bits");

/* The bytes a header needs for so many blocks; the header's own hash is its last eight bytes. */
static size_t
frame_header_min(size_t blocks)
{
	return LOG_FRAME_FIXED_BYTES + FRAME_HASH_BYTES * blocks;
}

/*
 * The least that fits. More data needs more hashes, which need more room: it grows from what the
 * data's blocks alone need, and the header's own are one more at most.
 */
uint16_t
log_frame_header_bytes(size_t data_bytes)
{
	size_t least = frame_header_min(log_frame_blocks(0, data_bytes));
	size_t bytes = (least + LOG_FRAME_ALIGN - 1) / LOG_FRAME_ALIGN * LOG_FRAME_ALIGN;

	for (;;) {
		size_t blocks = log_frame_blocks(bytes, data_bytes);
		froe_assert(blocks <= LOG_FRAME_BLOCKS_MAX);
		if (frame_header_min(blocks) <= bytes)
			return (uint16_t)bytes;
		bytes += LOG_FRAME_ALIGN;
	}
}

/* The hash of block i's part at and above header_bytes; 0 if it has none. */
static uint64_t
frame_block_hash(const uint8_t *frame, size_t header_bytes, size_t i, uint64_t seed)
{
	size_t from = i * LOG_BLOCK_BYTES;
	size_t to = from + LOG_BLOCK_BYTES;

	if (to <= header_bytes)
		return 0;
	if (from < header_bytes)
		from = header_bytes;
	return hash64(frame + from, to - from, seed);
}

static void
frame_fields_encode(uint8_t *frame, const struct log_frame_header *header)
{
	le32_store(frame + FRAME_OFF_MAGIC, FRAME_MAGIC);
	frame[FRAME_OFF_VERSION] = FRAME_VERSION;
	frame[FRAME_OFF_FLAGS] = header->flags;
	le16_store(frame + FRAME_OFF_HEADER_BYTES, header->header_bytes);
	le64_store(frame + FRAME_OFF_SEQ, header->seq);
	le64_store(frame + FRAME_OFF_EVENT_FIRST, header->event_first);
	le64_store(frame + FRAME_OFF_DURABLE_SEQ, header->durable_seq);
	le64_store(frame + FRAME_OFF_EPOCH, header->epoch);
	le64_store(frame + FRAME_OFF_TIME, header->time_ns);
	le64_store(frame + FRAME_OFF_PREV_HASH, header->prev_hash);
	le32_store(frame + FRAME_OFF_STORED_BYTES, header->data_bytes);
	le32_store(frame + FRAME_OFF_RAW_BYTES, header->data_bytes);
	le32_store(frame + FRAME_OFF_RECORDS, header->records);
	le16_store(frame + FRAME_OFF_BLOCKS, header->blocks);
	frame[FRAME_OFF_CODEC] = 0;
	frame[FRAME_OFF_RESERVED] = 0;
	le64_store(frame + FRAME_OFF_SEGMENT_NO, header->segment_no);
	le32_store(frame + FRAME_OFF_BLOCK_INDEX, header->block_index);
	le32_store(frame + FRAME_OFF_RESERVED_2, 0);
}

static struct log_frame_header
frame_fields_decode(const uint8_t *frame)
{
	struct log_frame_header header = {
	    .flags = frame[FRAME_OFF_FLAGS],
	    .header_bytes = le16_load(frame + FRAME_OFF_HEADER_BYTES),
	    .blocks = le16_load(frame + FRAME_OFF_BLOCKS),
	    .data_bytes = le32_load(frame + FRAME_OFF_STORED_BYTES),
	    .records = le32_load(frame + FRAME_OFF_RECORDS),
	    .block_index = le32_load(frame + FRAME_OFF_BLOCK_INDEX),
	    .seq = le64_load(frame + FRAME_OFF_SEQ),
	    .event_first = le64_load(frame + FRAME_OFF_EVENT_FIRST),
	    .durable_seq = le64_load(frame + FRAME_OFF_DURABLE_SEQ),
	    .epoch = le64_load(frame + FRAME_OFF_EPOCH),
	    .time_ns = le64_load(frame + FRAME_OFF_TIME),
	    .prev_hash = le64_load(frame + FRAME_OFF_PREV_HASH),
	    .segment_no = le64_load(frame + FRAME_OFF_SEGMENT_NO),
	};
	return header;
}

void
log_frame_seal(uint8_t *frame, struct log_frame_header *header, uint64_t seed)
{
	size_t data_end = (size_t)header->header_bytes + header->data_bytes;
	size_t blocks = log_frame_blocks(header->header_bytes, header->data_bytes);

	froe_assert(blocks <= LOG_FRAME_BLOCKS_MAX);
	froe_assert(frame_header_min(blocks) <= header->header_bytes);
	header->blocks = (uint16_t)blocks;
	memset(frame + data_end, FRAME_PADDING, blocks * LOG_BLOCK_BYTES - data_end);
	frame_fields_encode(frame, header);
	for (size_t i = 0; i < blocks; i++) {
		le64_store(frame + FRAME_OFF_HASHES + FRAME_HASH_BYTES * i,
		    frame_block_hash(frame, header->header_bytes, i, seed));
	}
	size_t gap = FRAME_OFF_HASHES + FRAME_HASH_BYTES * blocks;
	size_t hash_at = header->header_bytes - FRAME_HASH_BYTES;
	memset(frame + gap, FRAME_PADDING, hash_at - gap);
	header->hash = hash64(frame, hash_at, seed);
	le64_store(frame + hash_at, header->hash);
}

/* F1 without the hash: could this be a header at all? */
static bool
frame_possible(const uint8_t *frame, const struct log_frame_site *site)
{
	if (le32_load(frame + FRAME_OFF_MAGIC) != FRAME_MAGIC)
		return false;
	if (frame[FRAME_OFF_VERSION] != FRAME_VERSION)
		return false;
	size_t header_bytes = le16_load(frame + FRAME_OFF_HEADER_BYTES);
	size_t blocks = le16_load(frame + FRAME_OFF_BLOCKS);
	size_t data_bytes = le32_load(frame + FRAME_OFF_STORED_BYTES);
	if (blocks == 0 || blocks > LOG_FRAME_BLOCKS_MAX ||
	    blocks * LOG_BLOCK_BYTES > site->available)
		return false;
	if (header_bytes % LOG_FRAME_ALIGN != 0 ||
	    frame_header_min(blocks) > header_bytes)
		return false;
	return log_frame_blocks(header_bytes, data_bytes) == blocks;
}

size_t
log_frame_extent(const uint8_t *block, const struct log_frame_site *site)
{
	if (!frame_possible(block, site))
		return LOG_BLOCK_BYTES;
	return (size_t)le16_load(block + FRAME_OFF_BLOCKS) * LOG_BLOCK_BYTES;
}

size_t
log_frame_data_guess(const uint8_t *block, const struct log_frame_site *site, size_t otherwise)
{
	return frame_possible(block, site) ? le16_load(block + FRAME_OFF_HEADER_BYTES) : otherwise;
}

static bool
frame_header_good(const uint8_t *frame, size_t have, const struct log_frame_site *site,
    struct log_frame_header *ret_header)
{
	if (!frame_possible(frame, site))
		return false;
	struct log_frame_header header = frame_fields_decode(frame);
	size_t hash_at = header.header_bytes - FRAME_HASH_BYTES;
	if (header.header_bytes > have)
		return false;
	header.hash = hash64(frame, hash_at, site->seed);
	if (header.hash != le64_load(frame + hash_at))
		return false;
	*ret_header = header;
	return true;
}

static bool
frame_at_home(const struct log_frame_header *header, const struct log_frame_site *site)
{
	return header->segment_no == site->segment_no &&
	    header->block_index == site->offset / LOG_BLOCK_BYTES;
}

bool
log_frame_peek(const uint8_t *frame, size_t have, const struct log_frame_site *site,
    struct log_frame_header *ret_header)
{
	struct log_frame_header header;

	if (!frame_header_good(frame, have, site, &header) || !frame_at_home(&header, site))
		return false;
	*ret_header = header;
	return true;
}

bool
log_block_has_zero_sector(const uint8_t *block)
{
	for (size_t at = 0; at < LOG_BLOCK_BYTES; at += LOG_SECTOR_BYTES) {
		if (bytes_zero(block + at, LOG_SECTOR_BYTES))
			return true;
	}
	return false;
}

static enum log_frame_verdict
frame_judge_header(const uint8_t *frame, size_t have, const struct log_frame_site *site)
{
	size_t blocks = 1;

	if (bytes_zero(frame, LOG_BLOCK_BYTES))
		return LOG_FRAME_ZERO;
	if (frame_possible(frame, site)) {
		size_t header_bytes = le16_load(frame + FRAME_OFF_HEADER_BYTES);
		blocks = (header_bytes + LOG_BLOCK_BYTES - 1) / LOG_BLOCK_BYTES;
	}
	for (size_t i = 0; i < blocks && (i + 1) * LOG_BLOCK_BYTES <= have; i++) {
		if (log_block_has_zero_sector(frame + i * LOG_BLOCK_BYTES))
			return LOG_FRAME_HEADER_TORN;
	}
	return LOG_FRAME_HEADER_BAD;
}

/* F2. */
static enum log_frame_verdict
frame_judge_blocks(const uint8_t *frame, const struct log_frame_header *header, uint64_t seed,
    uint32_t *ret_block)
{
	enum log_frame_verdict verdict = LOG_FRAME_GOOD;

	for (uint32_t i = 0; i < header->blocks; i++) {
		uint64_t expected = le64_load(frame + FRAME_OFF_HASHES + FRAME_HASH_BYTES * i);
		if (frame_block_hash(frame, header->header_bytes, i, seed) == expected ||
		    plant(FRAME_HASH))
			continue;
		if (verdict == LOG_FRAME_GOOD)
			*ret_block = i;
		if (!log_block_has_zero_sector(frame + (size_t)i * LOG_BLOCK_BYTES))
			return LOG_FRAME_BODY_BAD;
		verdict = LOG_FRAME_BODY_TORN;
	}
	return verdict;
}

enum log_frame_verdict
log_frame_judge(const uint8_t *frame, size_t have, const struct log_frame_site *site,
    struct log_frame_header *ret_header, uint32_t *ret_block)
{
	struct log_frame_header header;

	froe_assert(have >= LOG_BLOCK_BYTES);
	*ret_block = 0;
	if (!frame_header_good(frame, have, site, &header))
		return frame_judge_header(frame, have, site);
	*ret_header = header;
	if (!frame_at_home(&header, site))
		return LOG_FRAME_FOREIGN;
	froe_assert(have >= (size_t)header.blocks * LOG_BLOCK_BYTES);
	enum log_frame_verdict verdict = frame_judge_blocks(frame, &header, site->seed, ret_block);
	if (verdict != LOG_FRAME_GOOD)
		return verdict;
	if (frame[FRAME_OFF_CODEC] != 0 || frame[FRAME_OFF_RESERVED] != 0 ||
	    (header.flags & ~LOG_FRAME_FLAGS_KNOWN) != 0 ||
	    le32_load(frame + FRAME_OFF_RESERVED_2) != 0 ||
	    le32_load(frame + FRAME_OFF_RAW_BYTES) != header.data_bytes)
		return LOG_FRAME_INCOMPATIBLE;
	return LOG_FRAME_GOOD;
}

void
log_frame_control_encode(uint8_t *to, const struct log_frame_control *control)
{
	le64_store(to, control->segment_no);
	le64_store(to + 8, control->frames);
	le64_store(to + 16, control->hash);
	le64_store(to + 24, 0);
}

struct log_frame_control
log_frame_control_decode(const uint8_t *from)
{
	return (struct log_frame_control){
	    .segment_no = le64_load(from),
	    .frames = le64_load(from + 8),
	    .hash = le64_load(from + 16),
	};
}
