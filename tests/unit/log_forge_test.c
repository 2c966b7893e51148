/*
 * Bytes whose hashes are right and that say something wrong: a writer that was wrong, or a hand.
 * Whoever reads them says so, and nobody goes astray.
 */
#include "log_image.h"

#include "log/cold_int.h"
#include "log/log_int.h"
#include "log/record_int.h"
#include "log/retention.h"
#include "log/scrub.h"
#include "log/snapshot.h"
#include "log/trail.h"
#include "log/walk.h"

/* ------------------------------------------------------------------------------------ a segment */

/* Changes a frame's header; then it is sealed again, and those behind it. */
struct forgery {
	const char *name;
	void (*change)(struct log_frame_header *header);
	bool seal;    /* the segment's last frame is changed, else one of a small record */
	bool scanned; /* who does not follow the chain sees it, too */
};

static void
one_record_more(struct log_frame_header *header)
{
	header->records++;
}

static void
one_record_less(struct log_frame_header *header)
{
	header->records--;
}

static void
another_event(struct log_frame_header *header)
{
	header->event_first++;
}

/* Then its data would begin with a control block. */
static void
first_of_segment(struct log_frame_header *header)
{
	header->flags |= LOG_FRAME_FIRST_OF_SEGMENT;
}

/* And behind its end. */
static void
first_without_control(struct log_frame_header *header)
{
	header->flags |= LOG_FRAME_FIRST_OF_SEGMENT;
	header->data_bytes = 0;
}

static void
another_chain(struct log_frame_header *header)
{
	header->prev_hash ^= 1;
}

static void
durable_too_far(struct log_frame_header *header)
{
	header->durable_seq = header->seq;
}

static void
seal_with_records(struct log_frame_header *header)
{
	header->records = 1;
}

static void
seal_too_long(struct log_frame_header *header)
{
	header->data_bytes += 8;
}

static const struct forgery forgeries[] = {
    {"one record more", one_record_more, false, true},
    {"one record less", one_record_less, false, false},
    {"another event number", another_event, false, true},
    {"a first frame in the middle", first_of_segment, false, true},
    {"a first frame without a control block", first_without_control, false, true},
    {"of another chain", another_chain, false, true},
    {"more durable than there is", durable_too_far, false, false},
    {"a seal with records", seal_with_records, true, true},
    {"a seal that is too long", seal_too_long, true, false},
};

#define FORGERIES (sizeof(forgeries) / sizeof(forgeries[0]))

/* Several segments; small frames between large ones; the log is open. */
static struct world *
world_of_segments(void)
{
	struct world *world = world_sim(51);
	world_open(world);
	while (log_segment(world->log) < 4) {
		world_put(world, 100);
		world_settle(world);
		world_put(world, 100000);
		world_settle(world);
	}
	world_settle_watermark(world);
	return world;
}

static void
forge(struct world *world, uint64_t no, const struct forgery *forgery)
{
	struct image image;
	size_t at = 4;
	image_load(&image, world, no);
	while (!forgery->seal && image.frames[at].header.blocks != 1)
		at++;
	if (forgery->seal)
		at = image.count - 1;
	struct image_frame *frame = &image.frames[at];
	forgery->change(&frame->header);
	image_seal(&image, frame->offset, &frame->header);
	image_rechain(&image, at);
	image_free(&image);
}

static void
count_fault(void *context, const char *why)
{
	unsigned *count = context;
	(void)why;
	(*count)++;
}

/* How often a pass over all that is sealed tells of damage. */
static unsigned
faults_of_scrub(struct log *log)
{
	unsigned count = 0;
	struct scrub_options options = {
	    .bytes_per_s = 1u << 30, .fault = count_fault, .context = &count};
	struct scrub *scrub = scrub_open(log, &options);
	struct log_storage storage;
	uint64_t now_ns = 0;
	log_storage(log, &storage);
	uint64_t pass = storage.scrub_passes;
	while (storage.scrub_passes == pass) {
		now_ns = scrub_step(scrub, now_ns);
		log_storage(log, &storage);
	}
	scrub_close(scrub);
	return count;
}

static enum froe_err
replay_past(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context;
	(void)record;
	(void)fault;
	return FROE_OK;
}

static enum froe_err
walk_err(struct world *world)
{
	struct log_base base = {0};
	enum froe_err err = FROE_OK;
	struct walk *walk =
	    walk_open(world->env, world->dir, world->report.store, &base, &world->fault);
	while (err == FROE_OK && (!walk_base(walk, &base) || base.number < log_sealed(world->log)))
		err = walk_step(walk, replay_past, NULL, &world->fault);
	walk_close(walk);
	return err;
}

static enum froe_err
trail_err(struct world *world)
{
	enum froe_err err = FROE_OK;
	struct trail *trail =
	    trail_open(world->env, world->dir, world->report.store, &world->fault);
	assert_non_null(trail);
	while (err == FROE_OK && trail_frame(trail) < log_durable_seq(world->log))
		err = trail_step(trail, replay_past, NULL, &world->fault);
	trail_close(trail);
	return err;
}

/* Retention reads what it is about to delete; it does not follow the chain between segments. */
static bool
retention_stops(struct world *world)
{
	struct log_manifest manifest = log_manifest_read(world->log);
	struct retention_options options = {.keep_ns = 1};
	struct retention_stats stats;
	manifest.snapshots[0].number = manifest.snapshots[1].number = log_sealed(world->log);
	OK(world, log_manifest_write(world->log, &manifest, &world->fault));
	struct retention *retention = retention_open(world->log, &options);
	log_pass_time(world->log, world->now_ns);
	for (unsigned idle = 0; idle < 3;) {
		idle = retention_step(retention, UINT64_MAX - 1) ? 0 : idle + 1;
		log_tick(world->log, io_mono_ns(world->env));
	}
	retention_stats(retention, &stats);
	retention_close(retention);
	return stats.failed;
}

static void
test_forge__segment(void **state)
{
	(void)state;
	for (size_t i = 0; i < FORGERIES; i++) {
		struct world *world = world_of_segments();
		const struct forgery *forgery = &forgeries[i];
		assert_int_equal(faults_of_scrub(world->log), 0);
		OK(world, walk_err(world));
		OK(world, trail_err(world));
		forge(world, 2, forgery);
		if (faults_of_scrub(world->log) != forgery->scanned)
			fail_msg("%s: scrub", forgery->name);
		if (walk_err(world) != FROE_CORRUPT)
			fail_msg("%s: walk", forgery->name);
		if (trail_err(world) != FROE_CORRUPT)
			fail_msg("%s: trail", forgery->name);
		if (retention_stops(world) != forgery->scanned)
			fail_msg("%s: retention", forgery->name);
		world_free(world);
		world = world_of_segments();
		forge(world, 2, forgery);
		world_close(world);
		if (world_try_open(world) != FROE_CORRUPT)
			fail_msg("%s: open", forgery->name);
		world_free(world);
	}
}

/* ---------------------------------------------------------------------------------- a cold file */

#define COLD_NO 5u
#define COLD_RUNS 20u

static struct paths
paths_of(const struct world *world)
{
	struct paths paths;
	assert_int_equal(paths_init(&paths, world->dir, NULL), FROE_OK);
	return paths;
}

static void
cold_put_one(struct world *world, struct cold_writer *writer, uint64_t run, uint32_t no,
    size_t size)
{
	static uint8_t bytes[2 * MIB];
	struct log_entry entry = {
	    .run_key = run, .run_event_no = no, .body = bytes_of(world->body + run, size)};
	struct log_record record;
	uint64_t event = run * 100 + no;
	size_t span;
	rec_encode(bytes, &entry, event);
	assert_int_equal(rec_decode(bytes, sizeof(bytes), event, &record, &span), REC_GOOD);
	record.lsn.v = UINT64_C(1) << 32 | 8192;
	OK(world, cold_put(writer, &record, bytes, span, &world->fault));
}

/* Runs 1 to 20 with three records each, one of them larger than a frame; 21 is gone. */
static void
cold_make(struct world *world)
{
	static const uint64_t members[] = {2, 3};
	struct paths paths = paths_of(world);
	struct cold_writer writer;
	struct cold_file *file;
	cold_begin(&writer, world->env, &paths, world->report.store, COLD_NO);
	for (uint64_t run = 1; run <= COLD_RUNS; run++) {
		for (uint32_t no = 1; no <= 3; no++)
			cold_put_one(world, &writer, run, no,
			    run == 7 && no == 2 ? 1500000 : 20000);
	}
	cold_gone(&writer, COLD_RUNS + 1);
	OK(world, cold_finish(&writer, members, 2, &file, &world->fault));
	cold_free(file);
}

enum cold_part {
	COLD_DATA,
	COLD_MEMBERS_AT,
	COLD_EXTENTS_AT,
	COLD_SEAL,
};

struct cold_forgery {
	const char *name;
	enum cold_part part;
	uint64_t at;   /* in the frame's data: a word there is */
	uint64_t word; /* this one; COLD_HEADER: `at` is which field of the header changes */
	bool opens;    /* what is wrong is in the records: an open does not read them */
};

#define COLD_HEADER UINT64_MAX
#define ITEM(n) (8 + 40 * (uint64_t)(n))
#define LAST_ITEM (UINT64_C(1) << 32) /* the last one, and so many bytes */

enum header_field {
	HEADER_FLAGS,
	HEADER_RECORDS,
	HEADER_DATA_BYTES,
	HEADER_PREV_HASH,
	HEADER_SEQ,
};

static const struct cold_forgery cold_forgeries[] = {
    {"the seal is none", COLD_SEAL, HEADER_FLAGS, COLD_HEADER, false},
    {"the seal is too long", COLD_SEAL, HEADER_DATA_BYTES, COLD_HEADER, false},
    {"the index begins in the header", COLD_SEAL, 0, 0, false},
    {"the index begins in a block", COLD_SEAL, 0, SEG_HEADER_BYTES + 1, false},
    {"the index begins with the records", COLD_SEAL, 0, SEG_HEADER_BYTES, false},
    {"the index begins behind the end", COLD_SEAL, 0, UINT64_C(1) << 40, false},
    {"the seal counts other frames", COLD_SEAL, 8, 77, false},
    {"the seal is of another chain", COLD_SEAL, 16, 77, false},
    {"members of an unknown kind", COLD_MEMBERS_AT, 0, 9, false},
    {"a member more", COLD_MEMBERS_AT, HEADER_RECORDS, COLD_HEADER, false},
    {"the index is not one chain", COLD_EXTENTS_AT, HEADER_PREV_HASH, COLD_HEADER, false},
    {"an extent more", COLD_EXTENTS_AT, HEADER_RECORDS, COLD_HEADER, false},
    {"a run twice", COLD_EXTENTS_AT, ITEM(1), 1, false},
    {"runs in another order", COLD_EXTENTS_AT, ITEM(0), 900, false},
    {"no records in it", COLD_EXTENTS_AT, ITEM(0) + 8, 1, false},
    {"in the header", COLD_EXTENTS_AT, ITEM(0) + 16, 0, false},
    {"behind the end", COLD_EXTENTS_AT, ITEM(0) + 16, UINT64_C(1) << 40, false},
    {"longer than the file", COLD_EXTENTS_AT, ITEM(0) + 24, 0xffffffff, false},
    {"gone, with records", COLD_EXTENTS_AT, LAST_ITEM + 8, UINT64_C(1) << 32 | UINT32_MAX, false},
    {"gone, with bytes", COLD_EXTENTS_AT, LAST_ITEM + 24, UINT64_C(1) << 32 | 8, false},
    {"gone, before its records", COLD_EXTENTS_AT, LAST_ITEM + 8, 1, false},
    {"a record more", COLD_DATA, HEADER_RECORDS, COLD_HEADER, true},
    {"bytes behind the records", COLD_DATA, HEADER_DATA_BYTES, COLD_HEADER, true},
    {"a frame's number", COLD_DATA, HEADER_SEQ, COLD_HEADER, true},
};

static void
header_change(struct log_frame_header *header, enum header_field field)
{
	header->flags ^= field == HEADER_FLAGS ? LOG_FRAME_SEAL : 0;
	header->records += field == HEADER_RECORDS;
	header->data_bytes += field == HEADER_DATA_BYTES ? 8 : 0;
	header->prev_hash ^= field == HEADER_PREV_HASH;
	header->seq += field == HEADER_SEQ;
}

static void
cold_forge(struct world *world, const struct cold_forgery *forgery, size_t items)
{
	uint64_t last = forgery->at >= LAST_ITEM ? ITEM(items - 1) - LAST_ITEM : 0;
	struct paths paths = paths_of(world);
	struct image image;
	image_load_file(&image, world, cold_path(&paths, COLD_NO), SEG_COLD);
	assert_true(image.count > 5);
	const size_t places[] = {0, image.count - 3, image.count - 2, image.count - 1};
	size_t at = places[forgery->part];
	struct image_frame *frame = &image.frames[at];
	if (forgery->word == COLD_HEADER)
		header_change(&frame->header, (enum header_field)forgery->at);
	else
		le64_store(image.bytes + frame->offset + frame->header.header_bytes + last +
			forgery->at,
		    forgery->word);
	image_seal(&image, frame->offset, &frame->header);
	image_rechain(&image, at);
	image_free(&image);
}

static void
test_forge__cold_file(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cold_forgeries) / sizeof(cold_forgeries[0]); i++) {
		const struct cold_forgery *forgery = &cold_forgeries[i];
		struct world *world = world_sim(60);
		struct paths paths = paths_of(world);
		struct uuid store;
		struct cold_file *file = NULL;
		world_open(world);
		store = world->report.store;
		cold_make(world);
		OK(world, cold_open(world->env, &paths, store, COLD_NO, &file, &world->fault));
		assert_int_equal(file->member_count, 2);
		assert_true(file->count > COLD_RUNS);
		size_t items = file->count;
		cold_free(file);
		OK(world, cold_verify(world->env, &paths, store, COLD_NO, &world->fault));
		cold_forge(world, forgery, items);
		if (cold_verify(world->env, &paths, store, COLD_NO, &world->fault) != FROE_CORRUPT)
			fail_msg("%s: verify", forgery->name);
		assert_non_null(strstr(world->fault.text, "does not verify"));
		enum froe_err err =
		    cold_open(world->env, &paths, store, COLD_NO, &file, &world->fault);
		if (err != (forgery->opens ? FROE_OK : FROE_CORRUPT))
			fail_msg("%s: open", forgery->name);
		if (err == FROE_OK)
			cold_free(file);
		world_free(world);
	}
}

/* Of another store, under another name, of another length. */
static void
test_forge__cold_file_of_another(void **state)
{
	struct world *world = world_sim(61);
	struct paths paths = paths_of(world);
	struct uuid other = {{9}};
	struct cold_file *file = NULL;
	struct path path = cold_path(&paths, COLD_NO), elsewhere = cold_path(&paths, COLD_NO + 1);
	(void)state;
	world_open(world);
	cold_make(world);
	assert_int_equal(cold_open(world->env, &paths, other, COLD_NO, &file, &world->fault),
	    FROE_CORRUPT);
	OK(world, io_path_rename(world->env, path.text, elsewhere.text, &world->fault));
	assert_int_equal(cold_open(world->env, &paths, world->report.store, COLD_NO + 1, &file,
			     &world->fault),
	    FROE_CORRUPT);
	assert_int_equal(cold_open(world->env, &paths, world->report.store, COLD_NO, &file,
			     &world->fault),
	    FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "missing"));
	OK(world, io_path_rename(world->env, elsewhere.text, path.text, &world->fault));
	OK(world, cold_verify(world->env, &paths, world->report.store, COLD_NO, &world->fault));
	for (uint64_t size = 5 * LOG_BLOCK_BYTES; size > 0; size -= LOG_BLOCK_BYTES) {
		OK(world, sim_truncate(world->env, path.text, size));
		assert_int_equal(cold_verify(world->env, &paths, world->report.store, COLD_NO,
				     &world->fault),
		    FROE_CORRUPT);
	}
	world_free(world);
}

/* A writer whose disk fails at any operation has made nothing, or all. */
static void
test_forge__cold_writer_with_an_error_anywhere(void **state)
{
	struct world *world = world_sim(62);
	struct paths paths = paths_of(world);
	enum froe_err err;
	unsigned failed = 0;
	(void)state;
	world_open(world);
	for (uint64_t at = 0; failed < 1000; at++) {
		struct cold_writer writer;
		struct cold_file *file = NULL;
		uint64_t before = sim_operations(world->env);
		sim_fail_after(world->env, at, FROE_IO);
		cold_begin(&writer, world->env, &paths, world->report.store, COLD_NO);
		err = FROE_OK;
		for (uint32_t i = 1; i < 60 && err == FROE_OK; i++) {
			struct log_record record = {.run_key = i, .run_event_no = 1};
			size_t span = i % 20 == 0 ? 1200000 : 60000;
			err = cold_put(&writer, &record, world->body, span, &world->fault);
			if (err != FROE_OK)
				cold_discard(&writer);
		}
		if (err == FROE_OK)
			err = cold_finish(&writer, &at, 1, &file, &world->fault);
		bool reached = sim_operations(world->env) - before > at;
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		cold_free(file);
		if (err != FROE_OK) {
			assert_int_equal(err, FROE_IO);
			failed++;
		}
		if (!reached)
			break;
	}
	assert_in_range(failed, 10, 30);
	OK(world, err);
	world_free(world);
}

/* ----------------------------------------------------------------------------------- a snapshot */

#define SNAP_NO 4u

static struct path
snap_path(const struct world *world)
{
	struct paths paths = paths_of(world);
	return path_snapshot(&paths, SNAP_NO);
}

static void
snap_make(struct world *world)
{
	static const struct log_base base = {.number = SNAP_NO, .frame_seq = 9, .event_next = 10};
	struct snapshot_writer *writer;
	uint64_t bytes;
	OK(world, snapshot_create(world->env, world->dir, world->report.store, &base, &writer,
		      &world->fault));
	for (unsigned i = 0; i < 40; i++) {
		size_t size = i == 20 ? 2000000 : 90000;
		struct log_entry entry = {.type = 16390, .body = bytes_of(world->body + i, size)};
		OK(world, snapshot_put(writer, &entry, &world->fault));
	}
	OK(world, snapshot_finish(writer, 77, &bytes, &world->fault));
}

static enum froe_err
snap_read(struct world *world)
{
	struct log_base base;
	return snapshot_read(world->env, world->dir, world->report.store, SNAP_NO, NULL, NULL,
	    false, &base, &world->fault);
}

/* The header blocks say that the file ends there, and it does. */
static void
snap_end(struct image *image, uint64_t end)
{
	image->header.bytes = end;
	seg_header_encode(image->bytes, &image->header);
	image_store(image, 0, SEG_HEADER_BYTES);
	assert_int_equal(sim_truncate(image->world->env, image->path.text, end), FROE_OK);
}

/* A frame becomes a seal that counts so many records. */
static void
snap_seal(struct image *image, size_t at, uint64_t records)
{
	struct image_frame *frame = &image->frames[at];
	struct log_frame_control control = {.segment_no = records, .frames = at + 1};
	frame->header.flags = LOG_FRAME_SEAL;
	frame->header.records = 0;
	frame->header.data_bytes = LOG_FRAME_CONTROL_BYTES;
	log_frame_control_encode(
	    image->bytes + frame->offset + frame->header.header_bytes, &control);
	image_seal(image, frame->offset, &frame->header);
}

/* The first record, which says what the snapshot is of. */
static void
snap_base(struct image *image, uint16_t type, uint64_t number, size_t size)
{
	struct image_frame *frame = &image->frames[0];
	uint8_t body[56] = {0};
	struct log_entry entry = {.type = type, .body = bytes_of(body, size)};
	le64_store(body, number);
	rec_encode(image->bytes + frame->offset + frame->header.header_bytes, &entry, 1);
	if (size < sizeof(body)) { /* nothing but that */
		frame->header.records = 1;
		frame->header.data_bytes = (uint32_t)(LOG_RECORD_HEADER_BYTES + size);
	}
	image_seal(image, frame->offset, &frame->header);
	image_rechain(image, 0);
}

static void
snap_header(struct image *image, size_t at, enum header_field field)
{
	header_change(&image->frames[at].header, field);
	image_seal(image, image->frames[at].offset, &image->frames[at].header);
	image_rechain(image, at);
}

static void
snap_control(struct image *image, unsigned word)
{
	struct image_frame *seal = &image->frames[image->count - 1];
	image->bytes[seal->offset + seal->header.header_bytes + 8 * (size_t)word] ^= 1;
	image_seal(image, seal->offset, &seal->header);
}

static void
snap_forge(struct image *image, unsigned kind)
{
	size_t last = image->count - 1;
	switch (kind) {
	case 0:
		snap_header(image, 1, HEADER_SEQ);
		break;
	case 1:
		snap_header(image, 1, HEADER_PREV_HASH);
		break;
	case 2:
		snap_header(image, 1, HEADER_RECORDS);
		break;
	case 3:
		snap_header(image, 1, HEADER_DATA_BYTES);
		break;
	case 4:
		snap_header(image, last, HEADER_RECORDS);
		break;
	case 5:
		snap_header(image, last, HEADER_DATA_BYTES);
		break;
	case 6:
	case 7:
		snap_control(image, kind - 6);
		break;
	case 8:
		snap_base(image, 16390, SNAP_NO, 56);
		break;
	case 9:
		snap_base(image, SNAPSHOT_BASE_TYPE, SNAP_NO, 48);
		break;
	case 10:
		snap_base(image, SNAPSHOT_BASE_TYPE, SNAP_NO + 1, 56);
		break;
	case 11: /* a seal before the end */
		snap_seal(image, last - 1, image->frames[last - 1].header.event_first - 1);
		break;
	case 12: /* a seal, and nothing */
		snap_seal(image, 0, 0);
		snap_end(image, SEG_HEADER_BYTES + LOG_BLOCK_BYTES);
		break;
	case 13: /* no seal */
		snap_end(image, image->frames[last].offset);
		break;
	default:
		image->frames[1].header.event_first++;
		image_seal(image, image->frames[1].offset, &image->frames[1].header);
		image_rechain(image, 1);
		break;
	}
}

static void
test_forge__snapshot(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 15; kind++) {
		struct world *world = world_sim(70);
		struct image image;
		world_open(world);
		snap_make(world);
		OK(world, snap_read(world));
		image_load_file(&image, world, snap_path(world), SEG_SNAPSHOT);
		assert_true(image.count > 4);
		snap_forge(&image, kind);
		image_free(&image);
		if (snap_read(world) != FROE_CORRUPT)
			fail_msg("kind %u", kind);
		world_free(world);
	}
}

static void
test_forge__snapshot_of_a_newer_version(void **state)
{
	struct world *world = world_sim(71);
	struct image image;
	(void)state;
	world_open(world);
	snap_make(world);
	image_load_file(&image, world, snap_path(world), SEG_SNAPSHOT);
	image.frames[1].header.flags |= LOG_FRAME_COMPRESSED;
	image_seal(&image, image.frames[1].offset, &image.frames[1].header);
	assert_int_equal(snap_read(world), FROE_INCOMPATIBLE);
	assert_non_null(strstr(world->fault.text, "newer version"));
	image_free(&image);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_forge__segment),
	    cmocka_unit_test(test_forge__cold_file),
	    cmocka_unit_test(test_forge__cold_file_of_another),
	    cmocka_unit_test(test_forge__cold_writer_with_an_error_anywhere),
	    cmocka_unit_test(test_forge__snapshot),
	    cmocka_unit_test(test_forge__snapshot_of_a_newer_version),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
