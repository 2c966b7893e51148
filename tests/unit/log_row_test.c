/*
 * The rows of recovery's decision table (docs/log-format.md, section 6) that judge frames, on
 * stores that the log wrote and a fault altered. The row's name is part of the test's.
 */
#include "log_store.h"

#include "log/record_int.h"

/* ------------------------------------------------------------------------------- acknowledged */

static void
test_log__row_acknowledged_by_watermark(void **state)
{
	(void)state;
	/* A flip in the header, in the data, a lost block, a lost frame: all in the last one. */
	for (unsigned kind = 0; kind < 4; kind++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *last = image_last(&image);
		image_watermark(world, image.header.store, FRAME_LAST);
		if (kind == 0)
			image_flip(&image, last->offset + 20);
		else if (kind == 1)
			image_flip(&image, last->offset + 5000);
		else if (kind == 2)
			image_zero(&image, last->offset + LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
		else
			image_zero(&image, last->offset, image_frame_size(last));
		must_refuse(world, "acknowledged", FRAME_LAST);
		store_free(world, &image);
	}
}

/* Without a watermark the frames after the damage are evidence. */
static void
test_log__row_acknowledged_by_later_frames(void **state)
{
	(void)state;
	for (uint64_t seq = 1; seq <= FRAME_SERIAL_LAST; seq++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *frame = image_frame(&image, seq);
		image_watermark(world, image.header.store, 0);
		image_zero(&image, frame->offset, image_frame_size(frame));
		must_refuse(world, "acknowledged", seq);
		store_free(world, &image);
	}
}

/* What a start has read back is durable from then on: the watermark is renewed. */
static void
test_log__row_acknowledged_by_an_earlier_start(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *last = image_last(&image);
	(void)state;
	image_watermark(world, image.header.store, 0);
	must_start(world, SERIAL + BURST);
	world_close(world);
	image_zero(&image, last->offset + LOG_BLOCK_BYTES, LOG_SECTOR_BYTES);
	must_refuse(world, "acknowledged", FRAME_LAST);
	store_free(world, &image);
}

/* The only evidence is a later frame that was written over the place itself. */
static void
test_log__row_acknowledged_by_a_misdirected_frame(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *frame = image_frame(&image, FRAME_SERIAL_LAST);
	const struct image_frame *last = image_last(&image);
	(void)state;
	image_watermark(world, image.header.store, 0);
	memcpy(image.bytes + frame->offset, image.bytes + last->offset, image_frame_size(frame));
	image_store(&image, frame->offset, image_frame_size(frame));
	uint64_t after = frame->offset + image_frame_size(frame);
	image_zero(&image, after, (size_t)(image.end - after));
	must_refuse(world, "acknowledged", FRAME_SERIAL_LAST);
	store_free(world, &image);
}

static void
test_log__row_acknowledged_names_runs(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *frame = image_frame(&image, 5);
	(void)state;
	/* Frame 5 holds record 4, whose own hash is still good when only the frame's header is not.
	 */
	uint64_t run = le64_load(image.bytes + frame->offset + frame->header.header_bytes + 16);
	assert_true(run != 0);
	image_flip(&image, frame->offset + 20);
	must_refuse(world, "acknowledged", 5);
	assert_int_equal(world->report.bad_run_count, 1);
	assert_true(world->report.bad_runs[0] == run);
	assert_int_equal(world->report.bad.v & UINT32_MAX, frame->offset);
	assert_non_null(strstr(world->fault.text, "log/0000000000000001.seg"));
	store_free(world, &image);
}

static void
test_log__row_acknowledged_names_neighbours_runs(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *frame = image_frame(&image, 5);
	const struct image_frame *before = image_frame(&image, 4);
	const struct image_frame *after = image_frame(&image, 6);
	(void)state;
	uint64_t run = le64_load(image.bytes + before->offset + before->header.header_bytes + 16);
	uint64_t next = le64_load(image.bytes + after->offset + after->header.header_bytes + 16);
	image_zero(&image, frame->offset, image_frame_size(frame));
	must_refuse(world, "acknowledged", 5);
	assert_int_equal(world->report.bad_run_count, 2);
	assert_true(world->report.bad_runs[0] == run);
	assert_true(world->report.bad_runs[1] == next);
	store_free(world, &image);
}

/* --------------------------------------------------------------------------- the rows of a tail */

static void
test_log__row_too_far(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image_watermark(world, image.header.store, 0);
	image_forget_durable(&image);
	const struct image_frame *frame = image_frame(&image, FRAME_LAST - LOG_INFLIGHT_MAX);
	image_zero(&image, frame->offset, image_frame_size(frame));
	must_refuse(world, "too-far", FRAME_LAST - LOG_INFLIGHT_MAX);
	store_free(world, &image);
}

static void
test_log__row_too_far_not_yet(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image_watermark(world, image.header.store, 0);
	image_forget_durable(&image);
	const struct image_frame *frame = image_frame(&image, FRAME_LAST - LOG_INFLIGHT_MAX + 1);
	image_zero(&image, frame->offset, image_frame_size(frame));
	must_cut(world, "reordered", SERIAL + BURST - LOG_INFLIGHT_MAX);
	store_free(world, &image);
}

static void
test_log__row_clean_end(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	must_start(world, SERIAL + BURST);
	assert_false(world->report.clean);
	assert_true(world->report.end.v == (UINT64_C(1) << 32 | image.end));
	store_free(world, &image);
}

static void
test_log__row_torn(void **state)
{
	(void)state;
	/* Each sector behind the header, one at a time; then all but the first block. */
	for (unsigned sector = 5; sector <= 24; sector++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *last = image_last(&image);
		image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
		if (sector < 24)
			image_zero(
			    &image, last->offset + sector * LOG_SECTOR_BYTES, LOG_SECTOR_BYTES);
		else
			image_zero(&image, last->offset + LOG_BLOCK_BYTES, 2 * LOG_BLOCK_BYTES);
		must_cut(world, "torn:", SERIAL + BURST - 1);
		store_free(world, &image);
	}
}

static void
test_log__row_torn_header(void **state)
{
	(void)state;
	for (unsigned sector = 0; sector < 2; sector++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *last = image_last(&image);
		image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
		image_zero(&image, last->offset + sector * LOG_SECTOR_BYTES, LOG_SECTOR_BYTES);
		must_cut(world, "torn-header", SERIAL + BURST - 1);
		store_free(world, &image);
	}
}

static void
test_log__row_reordered(void **state)
{
	(void)state;
	/* The first of the burst was not written at all, the others were. */
	for (uint64_t seq = FRAME_SERIAL_LAST + 1; seq < FRAME_LAST; seq++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *frame = image_frame(&image, seq);
		image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
		image_zero(&image, frame->offset, image_frame_size(frame));
		must_cut(world, "reordered", (size_t)seq - 2);
		store_free(world, &image);
	}
}

/* Only data of the next frame arrived: nothing in it verifies. */
static void
test_log__row_reordered_without_header(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	memset(image.bytes + image.end + LOG_BLOCK_BYTES, 0x77, 600);
	image_store(&image, image.end + LOG_BLOCK_BYTES, 600);
	must_cut(world, "reordered", SERIAL + BURST);
	store_free(world, &image);
}

/* A frame of another place of the same segment lies at the end: a misdirected write. */
static void
test_log__row_stale_place(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *frame = image_frame(&image, 3);
	(void)state;
	memcpy(image.bytes + image.end, image.bytes + frame->offset, image_frame_size(frame));
	image_store(&image, image.end, image_frame_size(frame));
	must_cut(world, "stale", SERIAL + BURST);
	store_free(world, &image);
}

static void
test_log__row_stale_place_acknowledged(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *frame = image_frame(&image, 3);
	const struct image_frame *last = image_last(&image);
	(void)state;
	image_watermark(world, image.header.store, FRAME_LAST);
	memcpy(image.bytes + last->offset, image.bytes + frame->offset, image_frame_size(frame));
	image_store(&image, last->offset, image_frame_size(frame));
	must_refuse(world, "acknowledged", FRAME_LAST);
	store_free(world, &image);
}

/* The frame that the log would write next, but for what `change` does to it. */
static void
put_successor(struct image *image, void (*change)(struct log_frame_header *header))
{
	struct log_frame_header last = image_last(image)->header;
	struct log_frame_header header = {
	    .header_bytes = 128,
	    .block_index = (uint32_t)(image->end / LOG_BLOCK_BYTES),
	    .seq = last.seq + 1,
	    .event_first = last.event_first + last.records,
	    .durable_seq = last.seq,
	    .epoch = last.epoch,
	    .time_ns = last.time_ns,
	    .prev_hash = last.hash,
	    .segment_no = 1,
	};
	change(&header);
	image_seal(image, image->end, &header);
}

static void
change_nothing(struct log_frame_header *header)
{
	(void)header;
}

static void
change_epoch_back(struct log_frame_header *header)
{
	header->epoch--;
}

static void
change_chain(struct log_frame_header *header)
{
	header->prev_hash++;
}

static void
change_event(struct log_frame_header *header)
{
	header->event_first++;
}

static void
change_time_back(struct log_frame_header *header)
{
	header->time_ns--;
}

static void
change_epoch_unsaid(struct log_frame_header *header)
{
	header->epoch++;
}

static void
change_epoch_said(struct log_frame_header *header)
{
	header->flags |= LOG_FRAME_FIRST_OF_EPOCH;
}

static void
change_first_said(struct log_frame_header *header)
{
	header->flags |= LOG_FRAME_FIRST_OF_SEGMENT;
}

static void
change_records(struct log_frame_header *header)
{
	header->records = 1; /* but there is no data */
}

static void
change_number(struct log_frame_header *header)
{
	header->seq++;
}

static void
test_log__successor_is_taken(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	put_successor(&image, change_nothing);
	must_start(world, SERIAL + BURST);
	assert_int_equal(world->report.last_frame_seq, FRAME_LAST + 1);
	store_free(world, &image);
}

/* A killed process left a frame in the kernel's hands. Once a start has replayed it, a power cut
 * must not take it back. */
static void
test_log__what_was_replayed_is_durable(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *last = image_last(&image);
		int file;
		image_watermark(world, image.header.store, FRAME_LAST - 1);
		uint64_t at = last->offset;
		uint8_t *copy = mem_pages(image_frame_size(last));
		memcpy(copy, image.bytes + at, image_frame_size(last));
		image_zero(&image, at, image_frame_size(last));
		OK(world, io_file_open(world->env, image.path.text, IO_OPEN_WRITE, &file,
		    &world->fault));
		OK(world, io_file_write(world->env, file, copy, image_frame_size(last), at,
		    &world->fault));
		io_file_close(world->env, file);
		mem_pages_free(copy, image_frame_size(last));
		must_start(world, SERIAL + BURST);
		world_crash(world);
		must_start(world, SERIAL + BURST);
		store_free(world, &image);
	}
}

static void
test_log__row_stale_epoch(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	put_successor(&image, change_epoch_back);
	must_cut(world, "stale", SERIAL + BURST);
	store_free(world, &image);
}

static void
test_log__row_broken_chain(void **state)
{
	static void (*const changes[])(struct log_frame_header *header) = {change_chain,
	    change_event, change_time_back, change_epoch_unsaid, change_epoch_said,
	    change_first_said, change_records, change_number};
	(void)state;
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct image image;
		struct world *world = store_written(&image);
		put_successor(&image, changes[i]);
		must_refuse(world, "broken-chain", FRAME_LAST + 1);
		store_free(world, &image);
	}
}

static void
test_log__frame_of_a_newer_version(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *last = image_last(&image);
	struct log_frame_header header = last->header;
	(void)state;
	header.flags |= LOG_FRAME_COMPRESSED;
	image_seal(&image, last->offset, &header);
	assert_int_equal(world_try_open(world), FROE_INCOMPATIBLE);
	store_free(world, &image);
}

static void
test_log__row_rot(void **state)
{
	(void)state;
	/* In the header, in its gap, in the data, in the padding. */
	static const unsigned places[] = {9, 100, 2100, 3000, 4096, 9000, 12000};
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		struct image image;
		struct world *world = store_written(&image);
		const struct image_frame *last = image_last(&image);
		image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
		image_flip(&image, last->offset + places[i]);
		must_refuse(world, "rot", FRAME_LAST);
		assert_non_null(strstr(world->fault.text, "accept the loss"));
		world->options.accept_tail_loss = true;
		must_cut(world, "rot", SERIAL + BURST - 1);
		store_free(world, &image);
	}
}

static void
test_log__accepting_loss_does_not_cut_what_is_acknowledged(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image_watermark(world, image.header.store, FRAME_LAST);
	image_flip(&image, image_last(&image)->offset + 3000);
	world->options.accept_tail_loss = true;
	must_refuse(world, "acknowledged", FRAME_LAST);
	store_free(world, &image);
}

/* ---------------------------------------------------------------------------------- the cut */

struct names {
	unsigned count;
	char last[128];
};

static bool
names_add(void *context, const char *name)
{
	struct names *names = context;
	names->count++;
	snprintf(names->last, sizeof(names->last), "%s", name);
	return true;
}

static void
test_log__cut_tail_is_kept_in_quarantine(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	const struct image_frame *last = image_last(&image);
	struct path quarantine = image_path(world, "shard-0000/quarantine");
	struct names names = {0};
	uint8_t *copy = mem_pages(image_frame_size(last));
	int file;
	(void)state;
	image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
	image_zero(&image, last->offset + 4096, 512);
	OK(world, world_try_open(world));
	assert_int_equal(world->report.cut_bytes, image_frame_size(last));
	OK(world, io_path_list(world->env, quarantine.text, names_add, &names, &world->fault));
	assert_int_equal(names.count, 1);
	struct path path = path_join(quarantine.text, names.last);
	OK(world, io_file_open(world->env, path.text, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_read(world->env, file, copy, image_frame_size(last), 0, &world->fault));
	assert_memory_equal(copy, image.bytes + last->offset, image_frame_size(last));
	io_file_close(world->env, file);
	mem_pages_free(copy, image_frame_size(last));
	store_free(world, &image);
}

/* A sealed segment, and one frame in the next: the three last were in flight together. */
static struct world *
store_rolled(struct image *image, struct image *next)
{
	struct world *world = world_sim(9);
	size_t size = 200000;
	world_open(world);
	for (unsigned i = 0; i < 4; i++)
		world_put(world, size);
	world_settle(world);
	for (unsigned i = 0; i < 2; i++) { /* one that does not fit, after one that does */
		world_append(world, 1, &size);
		log_flush(world->log);
	}
	world_settle(world);
	world_close(world);
	image_load(image, world, 1);
	image_load(next, world, 2);
	assert_true(image_last(image)->header.flags & LOG_FRAME_SEAL);
	assert_int_equal(next->count, 1);
	image_watermark(world, image->header.store, image_last(image)->header.seq - 1);
	return world;
}

/* In flight over a segment's end: the seal is missing, the next segment has a frame already. */
static void
test_log__row_reordered_over_a_segments_end(void **state)
{
	struct image image, next;
	struct world *world = store_rolled(&image, &next);
	(void)state;
	image_zero(&image, image_last(&image)->offset, LOG_BLOCK_BYTES);
	must_cut(world, "reordered", 5);
	image_free(&next);
	store_free(world, &image);
}

/* F5: what a segment's first frame and its seal say must be what was seen. */
static void
test_log__row_broken_chain_between_segments(void **state)
{
	(void)state;
	for (unsigned word = 0; word < 6; word++) {
		struct image image, next;
		struct world *world = store_rolled(&image, &next);
		struct image *altered = word < 3 ? &next : &image;
		struct image_frame *last = &altered->frames[altered->count - 1];
		uint64_t data_at = last->offset + last->header.header_bytes;
		if (word == 5) /* a seal's third word is not used */
			last->header.flags &= (uint8_t)~LOG_FRAME_SEAL;
		else
			altered->bytes[data_at + 8 * (word % 3)] ^= 1;
		if (word >= 3)
			image_zero(&next, SEG_HEADER_BYTES, image_frame_size(&next.frames[0]));
		image_seal(altered, last->offset, &last->header);
		must_refuse(world, "broken-chain", last->header.seq);
		image_free(&next);
		store_free(world, &image);
	}
}

/* F5: the last block is the seal's alone. */
static void
test_log__row_broken_chain_in_the_last_block(void **state)
{
	struct image image, next;
	struct world *world = store_rolled(&image, &next);
	struct log_frame_header header = image_last(&image)->header;
	uint64_t offset = image_last(&image)->offset;
	(void)state;
	header.flags = 0;
	header.data_bytes = (uint32_t)(MIB - offset - header.header_bytes);
	header.header_bytes = log_frame_header_bytes(header.data_bytes);
	header.data_bytes = (uint32_t)(MIB - offset - header.header_bytes);
	image_zero(&next, SEG_HEADER_BYTES, image_frame_size(&next.frames[0]));
	struct log_entry entry = {.type = 1,
	    .body = bytes_of(world->body, header.data_bytes - LOG_RECORD_HEADER_BYTES)};
	rec_encode(image.bytes + offset + header.header_bytes, &entry, header.event_first);
	header.records = 1;
	image_seal(&image, offset, &header);
	must_refuse(world, "broken-chain", header.seq);
	image_free(&next);
	store_free(world, &image);
}

static void
test_log__scan_reports_as_open_does(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct lsn start = {0};
	(void)state;
	image_flip(&image, image_frame(&image, 8)->offset + 3000);
	world->replayed = 0;
	assert_int_equal(log_scan(world->env, world->dir, start, world_replay, world,
			     &world->report, &world->fault),
	    FROE_CORRUPT);
	assert_int_equal(world->replayed, 6); /* what lies before the damage is shown */
	assert_false(world->replay_wrong);
	assert_int_equal(world->report.bad_frame_seq, 8);
	must_refuse(world, "acknowledged", 8);
	store_free(world, &image);
}

static void
test_log__scan_changes_nothing(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct lsn start = {0};
	(void)state;
	image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
	image_zero(&image, image_last(&image)->offset + 4096, 512);
	uint64_t before = sim_digest(world->env);
	world->replayed = 0;
	OK(world, log_scan(world->env, world->dir, start, world_replay, world, &world->report,
	    &world->fault));
	assert_int_equal(world->replayed, SERIAL + BURST - 1);
	assert_non_null(strstr(world->report.cut_reason, "torn"));
	assert_true(sim_digest(world->env) == before);
	must_cut(world, "torn", SERIAL + BURST - 1);
	store_free(world, &image);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__row_acknowledged_by_watermark),
	    cmocka_unit_test(test_log__row_acknowledged_by_later_frames),
	    cmocka_unit_test(test_log__row_acknowledged_by_an_earlier_start),
	    cmocka_unit_test(test_log__row_acknowledged_by_a_misdirected_frame),
	    cmocka_unit_test(test_log__row_acknowledged_names_runs),
	    cmocka_unit_test(test_log__row_acknowledged_names_neighbours_runs),
	    cmocka_unit_test(test_log__row_too_far),
	    cmocka_unit_test(test_log__row_too_far_not_yet),
	    cmocka_unit_test(test_log__row_clean_end),
	    cmocka_unit_test(test_log__row_torn),
	    cmocka_unit_test(test_log__row_torn_header),
	    cmocka_unit_test(test_log__row_reordered),
	    cmocka_unit_test(test_log__row_reordered_without_header),
	    cmocka_unit_test(test_log__row_stale_place),
	    cmocka_unit_test(test_log__row_stale_place_acknowledged),
	    cmocka_unit_test(test_log__successor_is_taken),
	    cmocka_unit_test(test_log__what_was_replayed_is_durable),
	    cmocka_unit_test(test_log__row_stale_epoch),
	    cmocka_unit_test(test_log__row_broken_chain),
	    cmocka_unit_test(test_log__frame_of_a_newer_version),
	    cmocka_unit_test(test_log__row_rot),
	    cmocka_unit_test(test_log__accepting_loss_does_not_cut_what_is_acknowledged),
	    cmocka_unit_test(test_log__cut_tail_is_kept_in_quarantine),
	    cmocka_unit_test(test_log__row_reordered_over_a_segments_end),
	    cmocka_unit_test(test_log__row_broken_chain_between_segments),
	    cmocka_unit_test(test_log__row_broken_chain_in_the_last_block),
	    cmocka_unit_test(test_log__scan_reports_as_open_does),
	    cmocka_unit_test(test_log__scan_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
