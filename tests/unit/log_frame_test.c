/*
 * One frame's bytes: the document's layout, fields of newer versions, sizes that cannot be, and the
 * limits' arithmetic. Round trips and single faults are in log_codec_test.c.
 */
#include "log/frame_int.h"

#include "base/hash.h"
#include "base/mem.h"
#include "log/segment_int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka needs the four above */
#include <cmocka.h>

#define SEED UINT64_C(0xfeedfacecafebeef)
#define FRAME_BYTES ((size_t)LOG_FRAME_BLOCKS_MAX * LOG_BLOCK_BYTES)

static const struct log_frame_site site = {
    .segment_no = 9,
    .seed = SEED,
    .offset = 5 * LOG_BLOCK_BYTES,
    .available = FRAME_BYTES,
};

static struct log_frame_header
header_of(size_t data_bytes, size_t data_bytes_max)
{
	return (struct log_frame_header){
	    .flags = LOG_FRAME_FIRST_OF_EPOCH,
	    .header_bytes = log_frame_header_bytes(data_bytes_max),
	    .data_bytes = (uint32_t)data_bytes,
	    .records = 3,
	    .block_index = 5,
	    .seq = 1001,
	    .event_first = 5005,
	    .durable_seq = 998,
	    .epoch = 12,
	    .time_ns = UINT64_C(0x1122334455667788),
	    .prev_hash = UINT64_C(0x99aabbccddeeff00),
	    .segment_no = 9,
	};
}

/* A sealed frame whose data has no zero byte. */
static uint8_t *
frame_of(size_t data_bytes, size_t data_bytes_max, struct log_frame_header *ret_header)
{
	uint8_t *frame = mem_pages(FRAME_BYTES);
	*ret_header = header_of(data_bytes, data_bytes_max);
	for (size_t i = 0; i < data_bytes; i++)
		frame[ret_header->header_bytes + i] = (uint8_t)(i % 255 + 1);
	log_frame_seal(frame, ret_header, SEED);
	return frame;
}

static enum log_frame_verdict
judge(const uint8_t *frame, size_t have)
{
	struct log_frame_header header;
	uint32_t block;
	return log_frame_judge(frame, have, &site, &header, &block);
}

/* The numbers of the document's section 4. */
static void
test_frame__layout(void **state)
{
	(void)state;
	struct log_frame_header header;
	uint8_t *frame = frame_of(5000, LOG_FRAME_BYTES + LOG_FRAME_CONTROL_BYTES, &header);

	assert_int_equal(header.header_bytes, 2176);
	assert_memory_equal(frame, "FRAM", 4);
	assert_int_equal(frame[4], 1);
	assert_int_equal(frame[5], LOG_FRAME_FIRST_OF_EPOCH);
	assert_int_equal(le16_load(frame + 6), 2176);
	assert_int_equal(le64_load(frame + 8), header.seq);
	assert_int_equal(le64_load(frame + 16), header.event_first);
	assert_int_equal(le64_load(frame + 24), header.durable_seq);
	assert_int_equal(le64_load(frame + 32), header.epoch);
	assert_int_equal(le64_load(frame + 40), header.time_ns);
	assert_int_equal(le64_load(frame + 48), header.prev_hash);
	assert_int_equal(le32_load(frame + 56), 5000);
	assert_int_equal(le32_load(frame + 60), 5000);
	assert_int_equal(le32_load(frame + 64), 3);
	assert_int_equal(le16_load(frame + 68), 2);
	assert_int_equal(le16_load(frame + 70), 0);
	assert_int_equal(le64_load(frame + 72), 9);
	assert_int_equal(le32_load(frame + 80), 5);
	assert_int_equal(le32_load(frame + 84), 0);
	assert_int_equal(le64_load(frame + 88), hash64(frame + 2176, 4096 - 2176, SEED));
	assert_int_equal(le64_load(frame + 96), hash64(frame + 4096, 4096, SEED));
	for (size_t i = 104; i < 2168; i++)
		assert_int_equal(frame[i], 0xa5);
	assert_int_equal(le64_load(frame + 2168), hash64(frame, 2168, SEED));
	assert_int_equal(le64_load(frame + 2168), header.hash);
	for (size_t i = 2176 + 5000; i < 8192; i++)
		assert_int_equal(frame[i], 0xa5);
	mem_pages_free(frame, FRAME_BYTES);
}

/* One block that a tear cannot explain, among others that it can. */
static void
test_frame__rot_beside_a_tear_is_rot(void **state)
{
	(void)state;
	struct log_frame_header header, found;
	uint8_t *frame = frame_of(30000, 30000, &header);
	size_t have = (size_t)header.blocks * LOG_BLOCK_BYTES;
	uint32_t block = 99;

	memset(frame + 3 * LOG_BLOCK_BYTES, 0, LOG_SECTOR_BYTES);
	frame[5 * LOG_BLOCK_BYTES + 17] ^= 1;
	assert_int_equal(log_frame_judge(frame, have, &site, &found, &block), LOG_FRAME_BODY_BAD);
	assert_int_equal(block, 3);
	frame[5 * LOG_BLOCK_BYTES + 17] ^= 1;
	assert_int_equal(log_frame_judge(frame, have, &site, &found, &block), LOG_FRAME_BODY_TORN);
	mem_pages_free(frame, FRAME_BYTES);
}

/* Writes a field into a sealed frame and hashes the header anew. */
static void
refit(uint8_t *frame, const struct log_frame_header *header, size_t at, uint8_t value)
{
	size_t hash_at = header->header_bytes - 8u;
	frame[at] = value;
	le64_store(frame + hash_at, hash64(frame, hash_at, SEED));
}

/* F6: what a newer version may write is refused by name, not called damage. */
static void
test_frame__reserved_fields_are_incompatible(void **state)
{
	(void)state;
	const struct {
		size_t at;
		uint8_t value;
	} cases[] = {
	    {5, LOG_FRAME_COMPRESSED},
	    {5, 32},
	    {5, 128},
	    {60, 99}, /* raw bytes differ from stored */
	    {70, 1},
	    {71, 1},
	    {84, 1},
	    {87, 1},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct log_frame_header header;
		uint8_t *frame = frame_of(100, 100, &header);
		refit(frame, &header, cases[i].at, cases[i].value);
		assert_int_equal(judge(frame, LOG_BLOCK_BYTES), LOG_FRAME_INCOMPATIBLE);
		mem_pages_free(frame, FRAME_BYTES);
	}
}

/* F1: sizes in an unverified header lead nowhere. */
static void
test_frame__impossible_sizes(void **state)
{
	(void)state;
	struct log_frame_header header;
	uint8_t *frame = frame_of(100, 100, &header);
	struct log_frame_site short_site = site;
	const struct {
		size_t at;
		uint16_t value;
	} cases[] = {{6, 0}, {6, 96}, {6, 65}, {6, 65472}, {68, 0}, {68, 2}, {68, 2054},
	    {68, 65535}, {56, 0xffff}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		uint16_t before = le16_load(frame + cases[i].at);
		le16_store(frame + cases[i].at, cases[i].value);
		assert_int_equal(log_frame_extent(frame, &site), LOG_BLOCK_BYTES);
		assert_int_equal(judge(frame, LOG_BLOCK_BYTES), LOG_FRAME_HEADER_BAD);
		le16_store(frame + cases[i].at, before);
	}
	assert_int_equal(judge(frame, LOG_BLOCK_BYTES), LOG_FRAME_GOOD);
	mem_pages_free(frame, FRAME_BYTES);
	frame = frame_of(LOG_BLOCK_BYTES, LOG_BLOCK_BYTES, &header);
	short_site.available = LOG_BLOCK_BYTES; /* the frame would end behind the segment */
	assert_int_equal(log_frame_extent(frame, &short_site), LOG_BLOCK_BYTES);
	assert_false(log_frame_peek(frame, LOG_BLOCK_BYTES, &short_site, &header));
	mem_pages_free(frame, FRAME_BYTES);
}

/* The limits' arithmetic: what is promised in bytes fits in blocks, for every size of segment. */
static void
test_frame__limits_fit_segments(void **state)
{
	(void)state;
	for (uint64_t mib = 1; mib <= 1024; mib *= 2) {
		uint64_t bytes = mib << 20;
		uint64_t room = bytes - SEG_HEADER_BYTES - (uint64_t)2 * LOG_BLOCK_BYTES;
		assert_true(seg_bytes_legal(bytes));
		assert_true(seg_frame_bytes(seg_step_bytes_max(bytes)) <= room);
		assert_true(seg_frame_bytes(seg_step_bytes_max(bytes)) <= FRAME_BYTES);
		assert_true(seg_window(bytes) > seg_frame_bytes(seg_step_bytes_max(bytes)));
	}
	assert_false(seg_bytes_legal(0));
	assert_false(seg_bytes_legal((1u << 20) - 1));
	assert_false(seg_bytes_legal((1u << 20) + 4096));
	assert_false(seg_bytes_legal(UINT64_C(2) << 30));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_frame__layout),
	    cmocka_unit_test(test_frame__rot_beside_a_tear_is_rot),
	    cmocka_unit_test(test_frame__reserved_fields_are_incompatible),
	    cmocka_unit_test(test_frame__impossible_sizes),
	    cmocka_unit_test(test_frame__limits_fit_segments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
