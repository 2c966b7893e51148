/*
 * The codecs: records, frames, segment headers, slots' blocks, names; the chain; the table.
 */
#include "log_world.h"

#include "log/block_int.h"
#include "log/chain_int.h"
#include "log/decision_int.h"
#include "log/frame_int.h"
#include "log/paths_int.h"
#include "log/record_int.h"
#include "log/segment_int.h"

/* ------------------------------------------------------------------------------------ records */

static struct log_entry
entry_of(const void *body, size_t size)
{
	return (struct log_entry){
	    .type = 0x1234,
	    .flags = 5,
	    .schema = 6,
	    .run_event_no = 7,
	    .run_key = UINT64_C(0x1122334455667788),
	    .time_ns = UINT64_C(0x99aabbccddeeff00),
	    .body = bytes_of(body, size),
	};
}

static void
test_log__record_round_trip(void **state)
{
	static const size_t sizes[] = {0, 1, 7, 8, 9, 4096, FROE_PAYLOAD_BYTES_MAX};
	uint8_t *body = mem_alloc(FROE_PAYLOAD_BYTES_MAX);
	uint8_t *to = mem_alloc(FROE_PAYLOAD_BYTES_MAX + 64);
	(void)state;
	memset(body, 0xc3, FROE_PAYLOAD_BYTES_MAX);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct log_entry entry = entry_of(body, sizes[i]);
		struct log_record record;
		size_t span = 0;
		rec_encode(to, &entry, 77);
		assert_int_equal(
		    rec_decode(to, rec_entry_span(&entry), 77, &record, &span), REC_GOOD);
		assert_int_equal(span, rec_entry_span(&entry));
		assert_int_equal(record.type, entry.type);
		assert_int_equal(record.flags, entry.flags);
		assert_int_equal(record.schema, entry.schema);
		assert_int_equal(record.run_event_no, entry.run_event_no);
		assert_true(record.run_key == entry.run_key);
		assert_true(record.time_ns == entry.time_ns);
		assert_true(record.event_seq == 77);
		assert_true(bytes_equal(record.body, entry.body));
	}
	mem_free(body);
	mem_free(to);
}

/* Every bit of header, body and padding counts, and so do the event number and the length. */
static void
test_log__record_every_bit(void **state)
{
	struct log_entry entry = entry_of("thirteen byte", 13);
	uint8_t good[48], bad[48];
	struct log_record record;
	size_t span;
	(void)state;
	assert_int_equal(rec_entry_span(&entry), sizeof(good));
	rec_encode(good, &entry, 9);
	for (size_t bit = 0; bit < 8 * sizeof(good); bit++) {
		memcpy(bad, good, sizeof(bad));
		bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_not_equal(rec_decode(bad, sizeof(bad), 9, &record, &span), REC_GOOD);
	}
	assert_int_equal(rec_decode(good, sizeof(good), 10, &record, &span), REC_BAD_HASH);
	assert_int_equal(rec_decode(good, 47, 9, &record, &span), REC_BAD_SIZE);
	assert_int_equal(rec_decode(good, 31, 9, &record, &span), REC_BAD_SIZE);
	assert_int_equal(rec_decode(good, 0, 9, &record, &span), REC_BAD_SIZE);
}

/* These bytes are the format: docs/log-format.md, section 5. */
static void
test_log__record_bytes(void **state)
{
	struct log_entry entry = entry_of("ab", 2);
	uint8_t to[40];
	static const uint8_t expected[40] = {34, 0, 0, 0, 0, 0, 0, 0, 0x34, 0x12, 5, 6, 7, 0, 0, 0,
	    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 0xff, 0xee, 0xdd, 0xcc, 0xbb, 0xaa,
	    0x99, 'a', 'b', 0, 0, 0, 0, 0, 0};
	(void)state;
	rec_encode(to, &entry, 1);
	uint32_t hash = (uint32_t)hash64("ab", 2, hash64(expected, 32, 1));
	assert_int_equal(le32_load(to + 4), hash);
	memset(to + 4, 0, 4);
	assert_memory_equal(to, expected, sizeof(expected));
}

/* ------------------------------------------------------------------------------------- frames */

#define SEED UINT64_C(0xfeedface)

struct frame {
	uint8_t *bytes;
	size_t size;
	struct log_frame_header header;
	struct log_frame_site site;
};

static struct frame
frame_make(size_t data_bytes, size_t laid_out_for)
{
	uint16_t header_bytes = log_frame_header_bytes(laid_out_for);
	struct frame frame = {
	    .size = log_frame_blocks(header_bytes, data_bytes) * LOG_BLOCK_BYTES,
	    .header = {.header_bytes = header_bytes, .data_bytes = (uint32_t)data_bytes,
	        .block_index = 2, .seq = 10, .event_first = 11, .durable_seq = 9, .epoch = 3,
	        .time_ns = 12, .prev_hash = 13, .segment_no = 4, .records = 14, .flags = 4},
	    .site = {.segment_no = 4, .seed = SEED, .offset = 8192, .available = 32 * MIB},
	};
	frame.bytes = mem_pages(frame.size);
	for (size_t i = 0; i < data_bytes; i++)
		frame.bytes[header_bytes + i] = (uint8_t)(i * 31 | 1);
	log_frame_seal(frame.bytes, &frame.header, SEED);
	return frame;
}

static enum log_frame_verdict
frame_judge(const struct frame *frame)
{
	struct log_frame_header header;
	uint32_t block;
	size_t have = log_frame_extent(frame->bytes, &frame->site);
	return log_frame_judge(frame->bytes, have, &frame->site, &header, &block);
}

static void
frame_free(struct frame *frame)
{
	mem_pages_free(frame->bytes, frame->size);
}

static void
header_same(const struct log_frame_header *a, const struct log_frame_header *b)
{
	assert_int_equal(a->flags, b->flags);
	assert_int_equal(a->header_bytes, b->header_bytes);
	assert_int_equal(a->blocks, b->blocks);
	assert_int_equal(a->data_bytes, b->data_bytes);
	assert_int_equal(a->records, b->records);
	assert_int_equal(a->block_index, b->block_index);
	assert_true(a->seq == b->seq);
	assert_true(a->event_first == b->event_first);
	assert_true(a->durable_seq == b->durable_seq);
	assert_true(a->epoch == b->epoch);
	assert_true(a->time_ns == b->time_ns);
	assert_true(a->prev_hash == b->prev_hash);
	assert_true(a->segment_no == b->segment_no);
	assert_true(a->hash == b->hash);
}

static void
test_log__frame_round_trip(void **state)
{
	static const size_t sizes[] = {0, 8, 1888, 1920, 1928, 4096, MIB, 2 * MIB,
	    LOG_FRAME_BYTES_MAX, LOG_FRAME_BYTES_MAX + LOG_FRAME_CONTROL_BYTES};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct frame frame = frame_make(sizes[i], sizes[i] > MIB ? sizes[i] : MIB);
		struct log_frame_header header;
		uint32_t block;
		assert_int_equal(log_frame_extent(frame.bytes, &frame.site), frame.size);
		assert_int_equal(log_frame_judge(frame.bytes, frame.size, &frame.site, &header,
		    &block), LOG_FRAME_GOOD);
		header_same(&header, &frame.header);
		frame_free(&frame);
	}
}

static void
test_log__frame_header_sizes(void **state)
{
	(void)state;
	assert_int_equal(log_frame_header_bytes(32), 128);
	assert_int_equal(log_frame_header_bytes(MIB + 32), 2176);
	assert_int_equal(log_frame_header_bytes(LOG_FRAME_BYTES_MAX + 32), 16576);
	assert_int_equal(log_frame_blocks(16576, LOG_FRAME_BYTES_MAX + 32), LOG_FRAME_BLOCKS_MAX);
	for (size_t bytes = 0; bytes <= LOG_FRAME_BYTES_MAX; bytes += 4093) {
		size_t header = log_frame_header_bytes(bytes);
		size_t blocks = log_frame_blocks(header, bytes);
		assert_true(header >= 96 + 8 * blocks);
		assert_int_equal(header % 64, 0);
	}
}

/* The bytes of docs/log-format.md, section 9: whoever changes them changes the format. */
static void
test_log__frame_worked_example(void **state)
{
	static const uint8_t head[96] = {0x46, 0x52, 0x41, 0x4d, 1, 0, 0x80, 8, 2, 0, 0, 0, 0, 0, 0,
	    0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0,
	    0, 0, 0, 0, 0, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 1, 0x28, 0, 0, 0, 0x28, 0, 0,
	    0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0xad, 3,
	    0xf8, 0x0c, 0xad, 0xbc, 0xb2, 0};
	static const uint8_t tail[48] = {0xcc, 0x98, 0x9b, 0x13, 0x40, 0xd2, 0x74, 0x67, 0x25, 0, 0,
	    0, 0xdc, 0x8f, 0xf4, 0x8b, 1, 1, 0, 1, 1, 0, 0, 0, 0x2a, 0, 0, 0, 0, 0, 0, 0, 0xe8, 3,
	    0, 0, 0, 0, 0, 0, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0, 0, 0};
	struct log_frame_header header = {.header_bytes = 2176, .records = 1, .block_index = 3,
	    .seq = 2, .event_first = 1, .durable_seq = 1, .epoch = 1, .time_ns = 1000,
	    .prev_hash = UINT64_C(0x0123456789abcdef), .segment_no = 1};
	struct log_entry entry = {.type = 0x0101, .schema = 1, .run_event_no = 1, .run_key = 42,
	    .time_ns = 1000, .body = bytes_text("hello")};
	uint8_t *frame = mem_pages(LOG_BLOCK_BYTES);
	(void)state;
	rec_encode(frame + 2176, &entry, 1);
	header.data_bytes = (uint32_t)rec_entry_span(&entry);
	log_frame_seal(frame, &header, UINT64_C(0x1122334455667788));
	assert_memory_equal(frame, head, sizeof(head));
	for (size_t i = sizeof(head); i < 2168; i++)
		assert_int_equal(frame[i], 0xa5);
	assert_memory_equal(frame + 2168, tail, sizeof(tail));
	for (size_t i = 2168 + sizeof(tail); i < LOG_BLOCK_BYTES; i++)
		assert_int_equal(frame[i], 0xa5);
	mem_pages_free(frame, LOG_BLOCK_BYTES);
}

/* Every byte of a two-block frame: an alteration is seen, and never taken for a tear. */
static void
test_log__frame_every_byte(void **state)
{
	struct frame frame = frame_make(5000, 8000);
	(void)state;
	assert_int_equal(frame.size, 8192);
	for (size_t at = 0; at < frame.size; at++) {
		frame.bytes[at] ^= 0x40;
		enum log_frame_verdict verdict = frame_judge(&frame);
		frame.bytes[at] ^= 0x40;
		if (at < frame.header.header_bytes)
			assert_int_equal(verdict, LOG_FRAME_HEADER_BAD);
		else
			assert_int_equal(verdict, LOG_FRAME_BODY_BAD);
	}
	frame_free(&frame);
}

/* Every set of unwritten sectors of a two-block frame is a tear, or nothing at all. */
static void
test_log__frame_every_tear(void **state)
{
	struct frame whole = frame_make(5000, 8000);
	struct frame torn = frame_make(5000, 8000);
	(void)state;
	for (unsigned set = 1; set < 1u << 16; set++) {
		memcpy(torn.bytes, whole.bytes, whole.size);
		for (unsigned sector = 0; sector < 16; sector++) {
			if (set >> sector & 1)
				memset(torn.bytes + sector * LOG_SECTOR_BYTES, 0, LOG_SECTOR_BYTES);
		}
		enum log_frame_verdict verdict = frame_judge(&torn);
		if ((set & 0xff) == 0xff)
			assert_int_equal(verdict, LOG_FRAME_ZERO);
		else if ((set & 1) != 0) /* the header lies in the first sector */
			assert_int_equal(verdict, LOG_FRAME_HEADER_TORN);
		else
			assert_int_equal(verdict, LOG_FRAME_BODY_TORN);
	}
	frame_free(&whole);
	frame_free(&torn);
}

/* A header of five blocks: each sector of it, and the first behind it. */
static void
test_log__frame_large_header_torn(void **state)
{
	struct frame frame = frame_make(LOG_FRAME_BYTES_MAX, LOG_FRAME_BYTES_MAX);
	uint8_t sector[LOG_SECTOR_BYTES];
	(void)state;
	size_t header_sectors =
	    (frame.header.header_bytes + LOG_SECTOR_BYTES - 1) / LOG_SECTOR_BYTES;
	for (size_t i = 0; i <= header_sectors; i++) {
		uint8_t *at = frame.bytes + i * LOG_SECTOR_BYTES;
		memcpy(sector, at, sizeof(sector));
		memset(at, 0, sizeof(sector));
		assert_int_equal(frame_judge(&frame),
		    i < header_sectors ? LOG_FRAME_HEADER_TORN : LOG_FRAME_BODY_TORN);
		memcpy(at, sector, sizeof(sector));
	}
	assert_int_equal(frame_judge(&frame), LOG_FRAME_GOOD);
	frame_free(&frame);
}

static void
test_log__frame_elsewhere(void **state)
{
	struct frame frame = frame_make(100, 100);
	struct log_frame_header header;
	(void)state;
	frame.site.offset += LOG_BLOCK_BYTES;
	assert_int_equal(frame_judge(&frame), LOG_FRAME_FOREIGN);
	assert_false(log_frame_peek(frame.bytes, frame.size, &frame.site, &header));
	frame.site.offset -= LOG_BLOCK_BYTES;
	frame.site.segment_no++;
	assert_int_equal(frame_judge(&frame), LOG_FRAME_FOREIGN);
	frame.site.segment_no--;
	assert_true(log_frame_peek(frame.bytes, frame.size, &frame.site, &header));
	frame.site.seed++; /* another segment's seed: nothing of it verifies */
	assert_int_equal(frame_judge(&frame), LOG_FRAME_HEADER_BAD);
	frame.site.seed--;
	frame.site.available = 0; /* it would end behind the segment */
	assert_int_not_equal(frame_judge(&frame), LOG_FRAME_GOOD);
	frame_free(&frame);
}

/* ------------------------------------------------------------------------------------ headers */

static struct seg_header
header_of(uint64_t no)
{
	return (struct seg_header){
	    .store = {.bytes = {1, 2, 3}},
	    .no = no,
	    .bytes = 64 * MIB,
	    .seed = SEED,
	    .created_wall_ns = WALL_NS,
	    .window = seg_window(64 * MIB),
	    .kind = SEG_HOT,
	};
}

static void
test_log__segment_header_round_trip(void **state)
{
	struct seg_header header = header_of(0x123456789), got;
	uint8_t *blocks = mem_pages(SEG_HEADER_BYTES);
	struct froe_fault fault;
	(void)state;
	seg_header_encode(blocks, &header);
	assert_memory_equal(blocks, "FROE\r\n\x1a\n\x01\0\0\0", 12);
	for (unsigned damage = 0; damage < 3; damage++) {
		if (damage == 1)
			blocks[4095] ^= 1;
		if (damage == 2) {
			blocks[4095] ^= 1;
			blocks[4096 + 500] ^= 1;
		}
		assert_int_equal(seg_header_decode(blocks, "x", SEG_HOT, &got, &fault), FROE_OK);
		assert_true(uuid_equal(got.store, header.store));
		assert_true(got.no == header.no && got.bytes == header.bytes);
		assert_true(got.seed == header.seed && got.window == header.window);
		assert_true(got.created_wall_ns == header.created_wall_ns);
	}
	blocks[0] ^= 1;
	assert_int_equal(seg_header_decode(blocks, "x", SEG_HOT, &got, &fault), FROE_CORRUPT);
	mem_pages_free(blocks, SEG_HEADER_BYTES);
}

static void
test_log__segment_header_refuses_what_it_does_not_know(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} changes[] = {{8, 2}, {64, 1}, {72, 1}, {96, 2}, {98, 1}, {49, 0x20}};
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct seg_header header = header_of(1), got;
		uint8_t *blocks = mem_pages(SEG_HEADER_BYTES);
		struct froe_fault fault;
		seg_header_encode(blocks, &header);
		blocks[changes[i].at] = changes[i].value;
		block_close(blocks);
		assert_int_equal(
		    seg_header_decode(blocks, "x", SEG_HOT, &got, &fault), FROE_INCOMPATIBLE);
		mem_pages_free(blocks, SEG_HEADER_BYTES);
	}
}

static void
test_log__segment_names(void **state)
{
	char name[SEG_NAME_SIZE];
	uint64_t no = 0;
	(void)state;
	seg_name(0xab, name);
	assert_string_equal(name, "00000000000000ab.seg");
	assert_true(seg_name_parse(name, &no));
	assert_int_equal(no, 0xab);
	static const char *const others[] = {"", "0", "00000000000000AB.seg", "00000000000000ab.se",
	    "00000000000000ab.segx", "00000000000000abc.seg", "spare-00.tmp", "new.tmp"};
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		assert_false(seg_name_parse(others[i], &no));
}

static void
test_log__paths(void **state)
{
	static const char *const cases[][3] = {{"a", "a", "."}, {"/a", "/a", "/"},
	    {"a/b", "a/b", "a"}, {"/x/y//", "/x/y", "/x"}, {"/", "/", "/"}};
	struct paths paths;
	struct froe_fault fault;
	char *longest = mem_zalloc(PATHS_DIR_BYTES_MAX + 2);
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(paths_init(&paths, cases[i][0], &fault), FROE_OK);
		assert_string_equal(paths.dir, cases[i][1]);
		assert_string_equal(paths.parent, cases[i][2]);
	}
	assert_int_equal(paths_init(&paths, "", &fault), FROE_INVALID_ARGUMENT);
	memset(longest, 'x', PATHS_DIR_BYTES_MAX);
	assert_int_equal(paths_init(&paths, longest, &fault), FROE_OK);
	assert_true(strlen(path_segment(&paths, UINT64_MAX).text) < PATHS_BYTES);
	longest[PATHS_DIR_BYTES_MAX] = 'x';
	assert_int_equal(paths_init(&paths, longest, &fault), FROE_INVALID_ARGUMENT);
	mem_free(longest);
}

/* ------------------------------------------------------------------------------- the decision */

static const char *
row_of(uint64_t evidence, uint64_t later_max, bool written_after, enum tail_state tail)
{
	struct situation situation = {
	    .expected = 10,
	    .evidence = evidence,
	    .later_max = later_max,
	    .written_after = written_after,
	    .state = tail,
	};
	return decision_find(&situation)->row;
}

static void
test_log__decision_order(void **state)
{
	(void)state;
	for (enum tail_state tail = TAIL_ZERO; tail <= TAIL_ROT; tail++) {
		assert_string_equal(row_of(10, 0, false, tail), "acknowledged");
		assert_string_equal(row_of(11, 14, true, tail), "acknowledged");
		assert_string_equal(row_of(9, 14, true, tail), "too-far");
	}
	assert_string_equal(row_of(9, 0, false, TAIL_ZERO), "clean-end");
	assert_string_equal(row_of(9, 0, true, TAIL_ZERO), "reordered");
	assert_string_equal(row_of(9, 13, true, TAIL_ZERO), "reordered");
	assert_string_equal(row_of(9, 13, true, TAIL_TORN), "torn");
	assert_string_equal(row_of(9, 0, false, TAIL_TORN_HEADER), "torn-header");
	assert_string_equal(row_of(9, 0, false, TAIL_STALE), "stale");
	assert_string_equal(row_of(9, 0, false, TAIL_BROKEN), "broken-chain");
	assert_string_equal(row_of(9, 0, false, TAIL_ROT), "rot");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__record_round_trip),
	    cmocka_unit_test(test_log__record_every_bit),
	    cmocka_unit_test(test_log__record_bytes),
	    cmocka_unit_test(test_log__frame_round_trip),
	    cmocka_unit_test(test_log__frame_header_sizes),
	    cmocka_unit_test(test_log__frame_worked_example),
	    cmocka_unit_test(test_log__frame_every_byte),
	    cmocka_unit_test(test_log__frame_every_tear),
	    cmocka_unit_test(test_log__frame_large_header_torn),
	    cmocka_unit_test(test_log__frame_elsewhere),
	    cmocka_unit_test(test_log__segment_header_round_trip),
	    cmocka_unit_test(test_log__segment_header_refuses_what_it_does_not_know),
	    cmocka_unit_test(test_log__segment_names),
	    cmocka_unit_test(test_log__paths),
	    cmocka_unit_test(test_log__decision_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
