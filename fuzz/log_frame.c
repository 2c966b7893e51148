/*
 * log/frame and log/record alone: a frame that was made, as it is and damaged; bytes that claim to
 * be one; records.
 *
 * Input: u8 mode, then
 *   even   a frame: u8 flags, u8 records, u16 bytes of data, u64 seed, u64 seq; then patches: u16
 *          offset, u8 size, bytes
 *   odd    bytes that claim to be a frame: u8 blocks that the segment still has, the bytes; bit 1
 *          of the mode makes the hashes good
 *
 * What was sealed is judged good and says what it was sealed with; a frame of which one bit is
 * different is not good. Bytes that are judged good may say anything, but where its records lie is
 * within the frame. The bytes lie in memory of exactly the size that is said to be there.
 */
#include "fuzz/feed.h"

#include "base/hash.h"
#include "base/mem.h"
#include "log/frame_int.h"
#include "log/record_int.h"

#define SEGMENT_NO 3u
#define OFFSET 8192u
#define BLOCKS_MAX 18u /* one more than fits a header of one block's hashes and 64 KiB */

static struct log_frame_site
site_of(uint64_t seed, size_t available)
{
	return (struct log_frame_site){
	    .segment_no = SEGMENT_NO, .seed = seed, .offset = OFFSET, .available = available};
}

static void
records_put(uint8_t *to, size_t size, unsigned count, uint64_t seed)
{
	for (size_t i = 0; i < size; i++)
		to[i] = (uint8_t)(seed >> (i % 8 * 8));
	for (unsigned i = 0; i < count && size >= LOG_RECORD_HEADER_BYTES; i++) {
		size_t body = (seed + i * 7) % 300;
		if (rec_span(LOG_RECORD_HEADER_BYTES + body) > size)
			return;
		struct log_entry entry = {.type = (uint16_t)(i + 1), .run_event_no = i,
		    .run_key = i, .time_ns = i, .body = bytes_of(to, body)};
		uint8_t copy[300];
		memcpy(copy, to, body);
		entry.body.data = copy;
		rec_encode(to, &entry, 100 + i);
		to += rec_entry_span(&entry);
		size -= rec_entry_span(&entry);
	}
}

static void
records_walk(const uint8_t *at, size_t left)
{
	for (uint64_t seq = 100; left > 0; seq++) {
		struct log_record record;
		size_t span = 0;
		enum rec_verdict verdict = rec_decode(at, left, seq, &record, &span);
		if (verdict == REC_BAD_SIZE)
			return;
		froe_assert(span >= LOG_RECORD_HEADER_BYTES && span <= left);
		if (verdict == REC_GOOD)
			froe_assert(record.body.data + record.body.size <= at + span);
		at += span;
		left -= span;
	}
}

static void
expect_same(const struct log_frame_header *a, const struct log_frame_header *b)
{
	froe_assert(a->flags == b->flags && a->header_bytes == b->header_bytes);
	froe_assert(a->blocks == b->blocks && a->data_bytes == b->data_bytes);
	froe_assert(a->records == b->records && a->block_index == b->block_index);
	froe_assert(a->seq == b->seq && a->event_first == b->event_first);
	froe_assert(a->durable_seq == b->durable_seq && a->epoch == b->epoch);
	froe_assert(a->time_ns == b->time_ns && a->prev_hash == b->prev_hash);
	froe_assert(a->segment_no == b->segment_no && a->hash == b->hash);
}

/* Overwrites; whether anything is different then. */
static bool
patch(struct feed *feed, uint8_t *frame, size_t size)
{
	uint8_t *before = mem_copy(frame, size);
	while (feed->left > 0) {
		size_t at = feed_u16(feed) % size;
		struct bytes with = feed_take(feed, feed_u8(feed));
		size_t room = size - at;
		if (with.size > 0)
			memcpy(frame + at, with.data, with.size < room ? with.size : room);
	}
	bool changed = memcmp(before, frame, size) != 0;
	mem_free(before);
	return changed;
}

static void
judge_made(struct feed *feed)
{
	struct log_frame_header header = {.segment_no = SEGMENT_NO,
	    .block_index = OFFSET / LOG_BLOCK_BYTES, .epoch = 2, .event_first = 100};
	struct log_frame_header found;
	uint32_t block = 0;
	header.flags = feed_u8(feed) & LOG_FRAME_FLAGS_KNOWN;
	header.records = feed_u8(feed);
	header.data_bytes = feed_u16(feed);
	uint64_t seed = feed_u64(feed);
	header.seq = feed_u64(feed);
	header.time_ns = header.prev_hash = header.durable_seq = header.seq * 3;
	header.header_bytes = log_frame_header_bytes(header.data_bytes);
	size_t blocks = log_frame_blocks(header.header_bytes, header.data_bytes);
	size_t size = blocks * LOG_BLOCK_BYTES;
	uint8_t *frame = mem_alloc(size);
	struct log_frame_site site = site_of(seed, size);
	records_put(frame + header.header_bytes, header.data_bytes, header.records, seed);
	log_frame_seal(frame, &header, seed);
	froe_assert(log_frame_extent(frame, &site) == size);
	froe_assert(log_frame_data_guess(frame, &site, 0) == header.header_bytes);
	froe_assert(log_frame_judge(frame, size, &site, &found, &block) == LOG_FRAME_GOOD);
	expect_same(&header, &found);
	froe_assert(log_frame_peek(frame, size, &site, &found));
	records_walk(frame + header.header_bytes, header.data_bytes);
	site.offset += LOG_BLOCK_BYTES;
	froe_assert(log_frame_judge(frame, size, &site, &found, &block) == LOG_FRAME_FOREIGN);
	site.offset -= LOG_BLOCK_BYTES;
	if (patch(feed, frame, size)) {
		enum log_frame_verdict verdict =
		    log_frame_judge(frame, size, &site, &found, &block);
		froe_assert(verdict != LOG_FRAME_GOOD && verdict != LOG_FRAME_INCOMPATIBLE);
		froe_assert(block < blocks);
	}
	mem_free(frame);
}

static void
reseal(uint8_t *frame, size_t size, uint64_t seed)
{
	size_t head = le16_load(frame + 6), blocks = le16_load(frame + 68);
	if (blocks == 0 || blocks * LOG_BLOCK_BYTES > size ||
	    head < LOG_FRAME_FIXED_BYTES + 8 * blocks || head > size)
		return;
	for (size_t i = 0; i < blocks; i++) {
		size_t from = i * LOG_BLOCK_BYTES, to = from + LOG_BLOCK_BYTES;
		from = from < head ? head : from;
		le64_store(frame + 88 + 8 * i,
		    to <= head ? 0 : hash64(frame + from, to - from, seed));
	}
	le64_store(frame + head - 8, hash64(frame, head - 8, seed));
}

/* As recovery does: as much is in memory as the first block asks for. */
static void
judge_claimed(struct feed *feed, bool resealed)
{
	size_t room = (1 + feed_u8(feed) % BLOCKS_MAX) * LOG_BLOCK_BYTES;
	uint8_t *segment = mem_zalloc(room);
	struct bytes bytes = feed_take(feed, room);
	struct log_frame_site site = site_of(0, room);
	struct log_frame_header header = {0};
	uint32_t block = 0;
	if (bytes.size > 0)
		memcpy(segment, bytes.data, bytes.size);
	if (resealed)
		reseal(segment, room, 0);
	size_t have = log_frame_extent(segment, &site);
	froe_assert(have >= LOG_BLOCK_BYTES && have <= room);
	uint8_t *frame = mem_copy(segment, have);
	froe_assert(log_frame_data_guess(frame, &site, 1) >= 1);
	bool peeked = log_frame_peek(frame, have, &site, &header);
	enum log_frame_verdict verdict = log_frame_judge(frame, have, &site, &header, &block);
	froe_assert(verdict != LOG_FRAME_GOOD || peeked);
	if (verdict == LOG_FRAME_GOOD) {
		froe_assert(header.header_bytes + (size_t)header.data_bytes <= have);
		size_t control = log_frame_control_bytes(header.flags);
		if (header.data_bytes >= control)
			records_walk(frame + header.header_bytes + control,
			    header.data_bytes - control);
	}
	records_walk(frame, have);
	mem_free(frame);
	mem_free(segment);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct feed feed = {data, size};
	uint8_t mode = feed_u8(&feed);
	if ((mode & 1) == 0)
		judge_made(&feed);
	else
		judge_claimed(&feed, (mode & 2) != 0);
	return 0;
}
