/*
 * The write path: frames in order, segments, large steps, failures, housekeeping, reads.
 */
#include "log_image.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

/* --------------------------------------------------------------------------------------- sizes */

static void
reopen_whole(struct world *world)
{
	size_t appended = world->appended;
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, appended);
	assert_int_equal(world->report.cut_bytes, 0);
}

static void
test_log__rolls_over_many_segments(void **state)
{
	struct world *world = world_sim(11);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 3000; i++)
		world_put(world, world_below(world, 16000));
	world_settle(world);
	assert_true(log_durable_lsn(world->log).v >> 32 > 15);
	reopen_whole(world);
	assert_true(world->report.segments > 15);
	world_start(world);
	world_put(world, 10);
	world_stop(world);
	OK(world, world_try_open(world));
	assert_true(world->report.clean);
	world_free(world);
}

/* Steps that leave every possible remainder at a segment's end. */
static void
test_log__segment_ends(void **state)
{
	struct world *world = world_sim(12);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 250; i++) {
		size_t max = world_below(world, 8) == 0 ? MIB / 2 - 64 : 40000;
		world_put(world, world_below(world, max));
		if (world_below(world, 3) == 0)
			world_settle(world);
	}
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

static void
test_log__record_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 8, 1887, 1888, 1889, 4095, 4096, MIB - 32, MIB - 31,
	    MIB, FROE_PAYLOAD_BYTES_MAX, LOG_FRAME_BYTES_MAX - 32};
	size_t count = sizeof(sizes) / sizeof(sizes[0]);
	struct world *world = world_sim(13);
	(void)state;
	world->options.segment_bytes = 16 * MIB;
	world_open(world);
	for (size_t i = 0; i < count; i++)
		world_put(world, sizes[i]);
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

/* A step of many records sits in one frame, with zero-length bodies among them. */
static void
test_log__step_sits_in_one_frame(void **state)
{
	size_t sizes[2000];
	struct world *world = world_sim(14);
	(void)state;
	world_open(world);
	for (unsigned round = 0; round < 40; round++) {
		size_t count = 1 + (size_t)world_below(world, 2000);
		for (size_t i = 0; i < count; i++)
			sizes[i] = (size_t)world_below(world, 60);
		world_wait_for_room(world, step_bytes(count, sizes));
		world_append(world, count, sizes);
		if (round % 3 == 0)
			log_flush(world->log);
	}
	world_settle(world);
	/* The model holds the frame of each record as it was at append; replay compares it. */
	reopen_whole(world);
	world_free(world);
}

static void
test_log__small_commit_is_one_block(void **state)
{
	struct world *world = world_sim(15);
	(void)state;
	world_open(world);
	world_settle(world);
	uint64_t before = log_durable_lsn(world->log).v;
	world_put(world, 1800);
	world_settle(world);
	assert_true(log_durable_lsn(world->log).v - before == LOG_BLOCK_BYTES);
	world_free(world);
}

/* ------------------------------------------------------------------------------- group commit */

static void
test_log__flush_groups_what_queued(void **state)
{
	struct world *world = world_sim(16);
	struct log_stats stats;
	size_t size = 100;
	(void)state;
	world->options.inflight_max = 1;
	world_open(world);
	world_settle(world);
	uint64_t first = log_tail_seq(world->log);
	world_append(world, 1, &size);
	log_flush(world->log);
	for (unsigned i = 0; i < 50; i++) {
		world_append(world, 1, &size);
		log_flush(world->log); /* one is in flight: they wait and are one group */
	}
	log_stats(world->log, &stats);
	assert_int_equal(stats.inflight, 1);
	world_settle(world);
	assert_int_equal(log_tail_seq(world->log), first + 2);
	world_free(world);
}

/* What is in flight never runs more than inflight_max ahead of the durable prefix, in any order of
 * completion; the prefix only grows. */
static void
test_log__inflight_is_bounded(void **state)
{
	(void)state;
	for (unsigned max = 1; max <= LOG_INFLIGHT_MAX; max++) {
		struct sim_options options = {.seed = max, .write_latency_ns = 1000000,
		    .stuck_write_per_million = 100000, .short_write_per_million = 100000};
		struct world *world = world_sim_with(&options);
		struct log_stats stats;
		unsigned most = 0;
		uint64_t durable = 0;
		world->options.inflight_max = max;
		world_open(world);
		for (unsigned i = 0; i < 400; i++) {
			size_t size = (size_t)world_below(world, 20000);
			if (log_has_room(world->log, size + 64))
				world_append(world, 1, &size);
			log_flush(world->log);
			log_stats(world->log, &stats);
			assert_true(stats.inflight <= max);
			assert_true(log_durable_seq(world->log) >= durable);
			durable = log_durable_seq(world->log);
			most = stats.inflight > most ? (unsigned)stats.inflight : most;
			if (i % 4 == 3)
				world_turn(world);
		}
		assert_int_equal(most, max);
		world_settle(world);
		reopen_whole(world);
		world_free(world);
	}
}

/* log_has_room() is a promise: appending whenever it is kept never fails, whatever is asked. */
static void
test_log__room_is_a_promise(void **state)
{
	struct world *world = world_sim(18);
	unsigned refused = 0;
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 2500; i++) {
		size_t limit = world_below(world, 4) == 0 ? MIB / 2 - 40 : 3000;
		size_t size = (size_t)world_below(world, limit);
		if (log_has_room(world->log, step_bytes(1, &size)))
			world_append(world, 1, &size);
		else
			refused++;
		if (world_below(world, 2) == 0)
			log_flush(world->log);
		if (world_below(world, 8) == 0)
			io_step(world->io, io_mono_ns(world->env) + MS / 10);
		if (world_below(world, 16) == 0)
			FROE_DROP(log_spares_step(world->log), "whether there is more");
	}
	assert_true(refused > 100);
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

/* Spares are made with rests, but when one may be needed soon. */
static void
test_log__housekeeping_rests_unless_there_is_a_hurry(void **state)
{
	(void)state;
	for (unsigned spares = 0; spares <= 2; spares += 2) {
		struct world *world = world_sim(21);
		world->options.spares = spares;
		world_open(world);
		world_settle(world);
		assert_int_equal(log_spares_rest_ns(world->log, 0), 0);
		assert_true((log_spares_rest_ns(world->log, 1000) > 1000) == (spares > 0));
		world_free(world);
	}
}

/* ------------------------------------------------------------------------------------ failures */

static void
test_log__short_writes_are_continued(void **state)
{
	struct sim_options options = {.seed = 20, .short_write_per_million = 600000};
	struct world *world = world_sim_with(&options);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 200; i++)
		world_put(world, world_below(world, 60000));
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

/* After an error nothing becomes durable, nothing is taken, and what was durable is there. */
static void
test_log__write_error_is_the_end(void **state)
{
	(void)state;
	for (unsigned at = 0; at < 6; at++) {
		struct world *world = world_sim(30 + at);
		struct froe_fault fault = {0};
		size_t size = 5000;
		world_open(world);
		world_put(world, 100);
		world_settle_watermark(world);
		sim_fail_after(world->env, at, FROE_IO);
		for (unsigned i = 0; i < LOG_INFLIGHT_MAX; i++) {
			world_append(world, 1, &size);
			log_flush(world->log);
		}
		for (unsigned i = 0; i < 100 && !log_failed(world->log, &fault); i++) {
			io_step(world->io, io_mono_ns(world->env) + MS);
			world_note_durable(world);
			if (log_has_room(world->log, size + 64))
				world_append(world, 1, &size);
			log_flush(world->log);
			log_tick(world->log, io_mono_ns(world->env));
		}
		assert_true(log_failed(world->log, &fault));
		assert_int_equal(fault.code, FROE_IO);
		assert_non_null(strstr(fault.text, "writing"));
		assert_false(log_has_room(world->log, 0));
		assert_true(log_deadline_ns(world->log) == UINT64_MAX);
		uint64_t durable = log_durable_seq(world->log);
		size_t events = world->durable_events;
		for (unsigned i = 0; i < 20; i++) {
			log_flush(world->log);
			log_tick(world->log, io_mono_ns(world->env));
			io_step(world->io, io_mono_ns(world->env) + MS);
		}
		assert_int_equal(log_durable_seq(world->log), durable);
		world_close(world);
		OK(world, world_try_open(world));
		assert_true(world->replayed >= events);
		world_free(world);
	}
}

/* A disk that fills up: refused in time, nothing lost; goes on when there is space again. */
static void
test_log__disk_full(void **state)
{
	struct sim_options options = {.seed = 40, .disk_bytes = 6 * MIB};
	struct world *world = world_sim_with(&options);
	struct path ballast = {.text = "/ballast"};
	enum log_space worst = LOG_SPACE_OK;
	size_t size = 20000;
	int file;
	(void)state;
	OK(world, io_file_open(world->env, ballast.text, IO_OPEN_WRITE | IO_OPEN_CREATE, &file,
	    &world->fault));
	OK(world, io_file_allocate(world->env, file, 2 * MIB, &world->fault));
	io_file_close(world->env, file);
	world_open(world);
	for (unsigned i = 0; i < 1000; i++) {
		if (log_has_room(world->log, size + 64))
			world_append(world, 1, &size);
		world_turn(world);
		enum log_space space = log_space(world->log);
		assert_true(space >= worst); /* soft, hard, read-only */
		worst = space;
		if (space == LOG_SPACE_READ_ONLY)
			break;
	}
	assert_int_equal(worst, LOG_SPACE_READ_ONLY);
	assert_true(log_short_of_space(world->log));
	assert_false(log_failed(world->log, NULL));
	assert_false(log_has_room(world->log, 0));
	world_settle(world);
	OK(world, io_path_unlink(world->env, ballast.text, &world->fault));
	OK(world, io_path_sync_dir(world->env, "/", &world->fault));
	world_wait_for_room(world, size + 64);
	assert_true(log_space(world->log) < LOG_SPACE_HARD);
	world_append(world, 1, &size);
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

/* Starting again and again on a full disk, at the very end of a segment, writes nothing it may not:
 * the seal's block stays free, and the store opens whenever there is space. */
static void
test_log__disk_full_restarts(void **state)
{
	struct sim_options options = {.seed = 41, .disk_bytes = 4 * MIB + 512 * 1024};
	struct world *world = world_sim_with(&options);
	size_t size = 3000;
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 2000; i++) {
		if (log_has_room(world->log, size + 64))
			world_append(world, 1, &size);
		world_turn(world);
	}
	assert_int_equal(log_space(world->log), LOG_SPACE_READ_ONLY);
	world_settle(world);
	size_t appended = world->appended;
	for (unsigned i = 0; i < 40; i++) {
		world_stop(world);
		world_open(world);
		assert_int_equal(world->replayed, appended);
		world_turn(world);
	}
	assert_int_equal(log_space(world->log), LOG_SPACE_READ_ONLY);
	world_free(world);
}

static void
test_log__no_space_for_a_store(void **state)
{
	struct sim_options options = {.seed = 42, .disk_bytes = MIB / 2};
	struct world *world = world_sim_with(&options);
	(void)state;
	assert_int_equal(world_try_open(world), FROE_NO_SPACE);
	world_free(world);
}

/* --------------------------------------------------------------------------------- clean stop */

/* A clean stop leaves evidence of all it acknowledged: no damage passes for a torn tail. */
static void
test_log__clean_stop_is_evidence(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 24; i++) {
		struct world *world = world_sim(50);
		struct image image;
		world_open(world);
		world_put(world, 9000);
		world_settle(world);
		world_put(world, 9000);
		world_stop(world);
		image_load(&image, world, 1);
		assert_true(image_last(&image)->header.flags & LOG_FRAME_CLEAN_STOP);
		const struct image_frame *frame = &image.frames[image.count - 1 - i % 2];
		image_zero(&image, frame->offset + i / 2 % 8 * LOG_SECTOR_BYTES, LOG_SECTOR_BYTES);
		if (i >= 16)
			image_zero(&image, frame->offset, image_frame_size(frame));
		assert_int_equal(world_try_open(world), FROE_CORRUPT);
		assert_int_equal(world->report.bad_frame_seq, frame->header.seq);
		image_free(&image);
		world_free(world);
	}
}

static void
test_log__clean_stop_with_everything_in_flight(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct world *world = world_sim(60 + i);
		size_t size = 30000;
		world_open(world);
		while (log_has_room(world->log, size + 64)) {
			world_append(world, 1, &size);
			if (i % 2 == 0)
				log_flush(world->log);
		}
		size_t appended = world->appended;
		world_stop(world);
		OK(world, world_try_open(world));
		assert_true(world->report.clean);
		assert_int_equal(world->replayed, appended);
		world_free(world);
	}
}

/* ---------------------------------------------------------------------------------- the watermark
 */

static void
test_log__watermark_follows(void **state)
{
	struct world *world = world_sim(70);
	struct path shard = image_path(world, "shard-0000");
	struct slots slots;
	(void)state;
	world_open(world);
	world_put(world, 100);
	world_settle(world);
	uint64_t durable_ns = io_mono_ns(world->env);
	if (log_deadline_ns(world->log) != UINT64_MAX) /* else one is in flight */
		assert_true(log_deadline_ns(world->log) <= durable_ns + 5 * MS);
	world_settle_watermark(world);
	uint64_t seq = log_durable_seq(world->log);
	uint64_t lsn = log_durable_lsn(world->log).v;
	struct uuid store = world->report.store;
	world_close(world);
	OK(world, slots_open(&slots, world->env, shard.text, SLOTS_WATERMARK, store, true,
	    &world->fault));
	assert_true(slots.value.watermark.durable_seq == seq);
	assert_true(slots.value.watermark.durable_lsn == lsn);
	assert_int_equal(slots.value.epoch, 1);
	slots_close(&slots);
	world_free(world);
}

/* The watchdog sees a stuck write, also one of the watermark alone. */
static void
test_log__write_age(void **state)
{
	struct sim_options options = {.seed = 72, .stuck_write_per_million = 1000000};
	struct world *world = world_sim_with(&options);
	(void)state;
	world_open(world);
	uint64_t start_ns = io_mono_ns(world->env);
	assert_int_equal(log_write_age_ns(world->log, start_ns), 0);
	assert_int_equal(log_write_age_ns(world->log, start_ns + 7 * MS), 7 * MS);
	while (log_durable_seq(world->log) == 0)
		io_step(world->io, UINT64_MAX);
	assert_int_equal(log_write_age_ns(world->log, io_mono_ns(world->env) + MS), 0);
	uint64_t tick_ns = io_mono_ns(world->env);
	log_tick(world->log, tick_ns);
	assert_int_equal(log_write_age_ns(world->log, tick_ns + 9 * MS), 9 * MS);
	world_free(world);
}

/* One write each 5 ms at most, however much is committed. */
static void
test_log__watermark_is_rare(void **state)
{
	struct world *world = world_sim(71);
	struct path path = image_path(world, "shard-0000/WATERMARK");
	uint8_t blocks[2 * LOG_BLOCK_BYTES];
	int file;
	(void)state;
	world_open(world);
	uint64_t began_ns = io_mono_ns(world->env);
	for (unsigned i = 0; i < 500; i++) {
		world_put(world, 100);
		world_settle(world);
	}
	uint64_t took_ms = (io_mono_ns(world->env) - began_ns) / MS;
	OK(world, io_file_open(world->env, path.text, IO_OPEN_READ, &file, &world->fault));
	OK(world, io_file_read(world->env, file, blocks, sizeof(blocks), 0, &world->fault));
	io_file_close(world->env, file);
	uint64_t version = le64_load(blocks + 32);
	if (le64_load(blocks + LOG_BLOCK_BYTES + 32) > version)
		version = le64_load(blocks + LOG_BLOCK_BYTES + 32);
	assert_true(version <= 3 + took_ms / 5 + 1); /* two at creation, one at open */
	world_free(world);
}

/* -------------------------------------------------------------------------------------- opening */

static void
test_log__second_opener(void **state)
{
	struct world *world = world_real(io_env_posix());
	struct log_report report;
	struct log *second;
	(void)state;
	world_open(world);
	assert_int_equal(log_open(world->env, &world->options, NULL, NULL, &second, &report,
	    &world->fault), FROE_IN_USE);
	assert_non_null(strstr(world->fault.text, world->dir));
	/* It was not disturbed. */
	world_put(world, 100);
	world_settle(world);
	reopen_whole(world);
	world_free(world);
}

static void
test_log__segment_size_is_fixed(void **state)
{
	struct world *world = world_sim(80);
	(void)state;
	world_open(world);
	world_put(world, 100);
	world_stop(world);
	world->options.segment_bytes = 2 * MIB;
	assert_int_equal(world_try_open(world), FROE_INVALID_ARGUMENT);
	assert_string_equal(world->fault.field, "segment_bytes");
	world->options.segment_bytes = 0;
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, 1);
	world_free(world);
}

static void
test_log__segment_size_is_checked(void **state)
{
	static const uint64_t sizes[] = {1, MIB - 4096, MIB + 4096, UINT64_C(2) << 30};
	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct world *world = world_sim(81);
		world->options.segment_bytes = sizes[i];
		assert_int_equal(world_try_open(world), FROE_INVALID_ARGUMENT);
		world_free(world);
	}
}

static void
test_log__read_only(void **state)
{
	struct world *world = world_sim(82);
	(void)state;
	world->options.read_only = true;
	assert_int_equal(world_try_open(world), FROE_NOT_FOUND);
	world->options.read_only = false;
	world_open(world);
	world_put(world, 100);
	world_stop(world);
	uint64_t before = sim_digest(world->env);
	world->options.read_only = true;
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, 1);
	assert_int_equal(world->report.epoch, 1);
	assert_int_equal(log_space(world->log), LOG_SPACE_OK);
	assert_false(log_failed(world->log, NULL));
	world_start(world);
	assert_false(log_has_room(world->log, 0));
	world_close(world);
	assert_true(sim_digest(world->env) == before);
	world_free(world);
}

static enum froe_err
replay_refuses(void *context, const struct log_record *record, struct froe_fault *fault)
{
	(void)context;
	return fault_set(fault, FROE_INCOMPATIBLE, "record %llu",
	    (unsigned long long)record->event_seq);
}

static void
test_log__replay_may_refuse(void **state)
{
	struct world *world = world_sim(83);
	struct log_report report;
	struct log *log;
	(void)state;
	world_open(world);
	world_put(world, 100);
	world_stop(world);
	assert_int_equal(log_open(world->env, &world->options, replay_refuses, NULL, &log, &report,
	    &world->fault), FROE_INCOMPATIBLE);
	assert_string_equal(world->fault.text, "record 1");
	OK(world, world_try_open(world));
	world_free(world);
}

static void
test_log__scan_from_a_place(void **state)
{
	struct world *world = world_sim(84);
	struct log_report report;
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 30; i++)
		world_put(world, 90000);
	world_stop(world);
	world->replayed = 17; /* the model's checker goes on from there */
	world->replay_wrong = false;
	OK(world, log_scan(world->env, world->dir, world->model[17].place.lsn, world_replay, world,
	    &report, &world->fault));
	assert_int_equal(world->replayed, 30);
	assert_false(world->replay_wrong);
	assert_int_equal(report.records, 30);
	world_free(world);
}

/* ------------------------------------------------------------------------------------- reading */

struct read_one {
	struct log_read read;
	struct world *world;
	size_t index;
	bool done;
	enum froe_err err;
};

static void
read_one_done(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct read_one *one = container_of(read, struct read_one, read);
	one->done = true;
	one->err = err;
	if (err != FROE_OK)
		return;
	assert_int_equal(record->event_seq, one->index + 1);
	assert_true(record_hash(record->type, record->flags, record->schema,
	    record->run_event_no, record->run_key, record->time_ns, record->body) ==
	    one->world->model[one->index].hash);
}

static enum froe_err
read_record(struct world *world, size_t index)
{
	struct read_one one = {.world = world, .index = index};
	log_read_start(world->log, &one.read, world->model[index].place, 0, 0, read_one_done);
	for (unsigned i = 0; !one.done; i++) {
		assert_true(i < WORLD_TURNS_MAX);
		io_step(world->io, io_mono_ns(world->env) + MS);
	}
	return one.err;
}

static void
reads(struct world *world)
{
	size_t size = 70000;
	world_open(world);
	for (unsigned i = 0; i < 60; i++)
		world_put(world, world_below(world, 100000));
	for (size_t i = 0; i < world->appended; i++) /* some are not durable yet */
		assert_int_equal(read_record(world, i), FROE_OK);
	world_wait_for_room(world, step_bytes(1, &size));
	world_append(world, 1, &size);
	assert_int_equal(read_record(world, world->appended - 1), FROE_OK); /* only in memory */
	world_settle(world);
	for (size_t i = 0; i < world->appended; i++)
		assert_int_equal(read_record(world, i), FROE_OK);
	world_close(world);
	world_open(world);
	for (size_t i = 0; i < world->appended; i++)
		assert_int_equal(read_record(world, i), FROE_OK);
	struct log_place place = world->model[3].place;
	world->model[3].place.event_seq++; /* another record's number */
	assert_int_equal(read_record(world, 3), FROE_CORRUPT);
	world->model[3].place = place;
	world->model[3].place.size++;
	assert_int_equal(read_record(world, 3), FROE_CORRUPT);
	world->model[3].place = place;
	world->model[3].place.lsn.v += 8;
	assert_int_equal(read_record(world, 3), FROE_CORRUPT);
	world->model[3].place.lsn.v |= UINT64_C(77) << 32; /* no such segment */
	assert_int_equal(read_record(world, 3), FROE_CORRUPT);
}

static void
test_log__reads_sim(void **state)
{
	struct sim_options options = {.seed = 90, .short_write_per_million = 300000};
	struct world *world = world_sim_with(&options);
	(void)state;
	reads(world);
	world_free(world);
}

static void
test_log__reads_posix(void **state)
{
	struct world *world = world_real(io_env_posix());
	(void)state;
	reads(world);
	world_free(world);
}

static void
test_log__reads_uring(void **state)
{
	(void)state;
	if (!world_has_uring())
		skip();
	struct world *world = world_real(io_env_uring());
	reads(world);
	world_free(world);
}

static void
test_log__read_finds_rot(void **state)
{
	struct world *world = world_sim(91);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 5; i++)
		world_put(world, 5000);
	world_settle(world);
	struct path path = image_segment_path(world, 1);
	assert_int_equal(sim_corrupt(world->env, path.text,
	    (world->model[2].place.lsn.v & UINT32_MAX) + 1000, "\x01\x02\x03", 3), FROE_OK);
	assert_int_equal(read_record(world, 1), FROE_OK);
	assert_int_equal(read_record(world, 2), FROE_CORRUPT);
	assert_int_equal(read_record(world, 3), FROE_OK);
	world_free(world);
}

/* An error that passes is nobody's end; one that stays is told. */
static void
test_log__read_fails_once(void **state)
{
	struct world *world = world_sim(92);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 5; i++)
		world_put(world, 5000);
	world_settle(world);
	for (unsigned i = 0; i < 4; i++) { /* opening the file, reading from it */
		sim_fail_after(world->env, 0, i == 0 ? FROE_RESOURCE_EXHAUSTED : FROE_IO);
		assert_int_equal(read_record(world, i), FROE_OK);
	}
	world_free(world);
}

/* --------------------------------------------------------------------------- housekeeping's thread
 */

struct keeper {
	struct log *log;
	atomic_bool stop;
};

static void *
keeper_run(void *context)
{
	struct keeper *keeper = context;
	while (!atomic_load(&keeper->stop)) {
		if (!log_spares_step(keeper->log))
			nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
	}
	return NULL;
}

/* What any thread may ask, all the time. */
static void *
asker_run(void *context)
{
	struct keeper *keeper = context;
	uint64_t sealed = 0;
	while (!atomic_load(&keeper->stop)) {
		FROE_DROP(log_short_of_space(keeper->log), "either is right");
		uint64_t now = log_sealed(keeper->log);
		froe_assert(now >= sealed);
		sealed = now;
		nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
	}
	return NULL;
}

/* The owner sleeps without a deadline when there is no room: housekeeping must wake it. */
static void
write_beside_housekeeping(struct io_env *env)
{
	struct world *world = world_real(env);
	struct keeper keeper = {0};
	pthread_t thread, asker;
	size_t size = 200000;
	world->options.spares = 0;
	OK(world, world_try_open(world));
	keeper.log = world->log;
	assert_int_equal(pthread_create(&thread, NULL, keeper_run, &keeper), 0);
	assert_int_equal(pthread_create(&asker, NULL, asker_run, &keeper), 0);
	world_start(world);
	for (unsigned i = 0; i < 60; i++) {
		while (!log_has_room(world->log, size + 64)) {
			log_flush(world->log);
			io_step(world->io, UINT64_MAX);
		}
		world_append(world, 1, &size);
		log_flush(world->log);
	}
	while (log_durable_seq(world->log) < log_tail_seq(world->log)) {
		log_flush(world->log);
		io_step(world->io, UINT64_MAX);
	}
	atomic_store(&keeper.stop, true);
	pthread_join(thread, NULL);
	pthread_join(asker, NULL);
	reopen_whole(world);
	assert_true(world->report.segments > 10);
	world_free(world);
}

static void
test_log__housekeeping_wakes_the_owner_posix(void **state)
{
	(void)state;
	write_beside_housekeeping(io_env_posix());
}

static void
test_log__housekeeping_wakes_the_owner_uring(void **state)
{
	(void)state;
	if (!world_has_uring())
		skip();
	write_beside_housekeeping(io_env_uring());
}

/* A read that fails again and again is told; one that ends before its record, too. */
static void
test_log__read_of_a_file_that_was_cut(void **state)
{
	struct world *world = world_sim(98);
	(void)state;
	world_open(world);
	for (unsigned i = 0; i < 5; i++)
		world_put(world, 50000);
	world_settle(world);
	struct path path = image_segment_path(world, 1);
	OK(world, sim_truncate(world->env, path.text,
		      (world->model[3].place.lsn.v & UINT32_MAX) + 20000));
	assert_int_equal(read_record(world, 2), FROE_OK);
	assert_int_equal(read_record(world, 3), FROE_CORRUPT);
	assert_int_equal(read_record(world, 4), FROE_CORRUPT);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__rolls_over_many_segments),
	    cmocka_unit_test(test_log__segment_ends),
	    cmocka_unit_test(test_log__record_sizes),
	    cmocka_unit_test(test_log__step_sits_in_one_frame),
	    cmocka_unit_test(test_log__small_commit_is_one_block),
	    cmocka_unit_test(test_log__flush_groups_what_queued),
	    cmocka_unit_test(test_log__inflight_is_bounded),
	    cmocka_unit_test(test_log__room_is_a_promise),
	    cmocka_unit_test(test_log__housekeeping_rests_unless_there_is_a_hurry),
	    cmocka_unit_test(test_log__short_writes_are_continued),
	    cmocka_unit_test(test_log__write_error_is_the_end),
	    cmocka_unit_test(test_log__disk_full),
	    cmocka_unit_test(test_log__disk_full_restarts),
	    cmocka_unit_test(test_log__no_space_for_a_store),
	    cmocka_unit_test(test_log__clean_stop_is_evidence),
	    cmocka_unit_test(test_log__clean_stop_with_everything_in_flight),
	    cmocka_unit_test(test_log__watermark_follows),
	    cmocka_unit_test(test_log__watermark_is_rare),
	    cmocka_unit_test(test_log__write_age),
	    cmocka_unit_test(test_log__second_opener),
	    cmocka_unit_test(test_log__segment_size_is_fixed),
	    cmocka_unit_test(test_log__segment_size_is_checked),
	    cmocka_unit_test(test_log__read_only),
	    cmocka_unit_test(test_log__replay_may_refuse),
	    cmocka_unit_test(test_log__scan_from_a_place),
	    cmocka_unit_test(test_log__reads_sim),
	    cmocka_unit_test(test_log__reads_posix),
	    cmocka_unit_test(test_log__reads_uring),
	    cmocka_unit_test(test_log__read_finds_rot),
	    cmocka_unit_test(test_log__read_fails_once),
	    cmocka_unit_test(test_log__housekeeping_wakes_the_owner_posix),
	    cmocka_unit_test(test_log__housekeeping_wakes_the_owner_uring),
	    cmocka_unit_test(test_log__read_of_a_file_that_was_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
