/*
 * A store that the log wrote, whose frames are known; and what a start must make of it.
 */
#ifndef TESTS_LOG_STORE_H
#define TESTS_LOG_STORE_H

#include "log_image.h"

#define SERIAL 12u
#define BURST 3u

/* A store whose frames are known: frame 1 begins the epoch, frames 2..13 hold one record of 9000
 * bytes each, written one after the other; 14..16 were in flight together. */
#define FRAME_SERIAL_LAST (1 + SERIAL)
#define FRAME_LAST (1 + SERIAL + BURST)

static inline struct world *
store_written(struct image *image)
{
	struct world *world = world_sim(3);
	size_t size = 9000;

	world_open(world);
	for (unsigned i = 0; i < SERIAL; i++) {
		world_put(world, size);
		world_settle(world);
	}
	for (unsigned i = 0; i < BURST; i++) {
		world_append(world, 1, &size);
		log_flush(world->log);
	}
	world_settle(world);
	world_close(world);
	image_load(image, world, 1);
	assert_int_equal(image->count, FRAME_LAST);
	assert_int_equal(image_frame(image, FRAME_LAST)->header.durable_seq, FRAME_SERIAL_LAST);
	return world;
}

static inline void
store_free(struct world *world, struct image *image)
{
	image_free(image);
	world_free(world);
}

static inline void
must_refuse(struct world *world, const char *row, uint64_t frame_seq)
{
	uint64_t before = sim_digest(world->env);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(world_try_open(world), FROE_CORRUPT);
		assert_non_null(strstr(world->fault.text, row));
		if (frame_seq != 0)
			assert_int_equal(world->report.bad_frame_seq, frame_seq);
	}
	assert_true(sim_digest(world->env) == before);
}

/* Cuts, serves, and is whole ever after. */
static inline void
must_cut(struct world *world, const char *row, size_t records)
{
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, records);
	assert_non_null(strstr(world->report.cut_reason, row));
	assert_true(world->report.cut_bytes > 0);
	assert_false(world->report.clean);
	struct lsn end = world->report.end;
	for (int i = 0; i < 2; i++) {
		uint64_t epoch = world->report.epoch;
		OK(world, world_reopen(world));
		assert_int_equal(world->report.epoch, epoch + 1);
		assert_int_equal(world->replayed, records);
		assert_int_equal(world->report.cut_bytes, 0);
		assert_string_equal(world->report.cut_reason, "");
		assert_true(world->report.end.v == end.v);
	}
	world_start(world);
	world_put(world, 100);
	world_settle(world);
	OK(world, world_reopen(world));
	assert_int_equal(world->replayed, records + 1);
}

static inline void
must_start(struct world *world, size_t records)
{
	OK(world, world_try_open(world));
	assert_int_equal(world->replayed, records);
	assert_int_equal(world->report.cut_bytes, 0);
}

#endif
