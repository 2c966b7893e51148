/*
 * The log as its owner sees it: create, append, read back, on every world; two stores mixed up;
 * reads of places that cannot be; the edges of a life.
 */
#include "log_world.h"

#include "log/paths_int.h"

static void
round_trip(struct world *world)
{
	world_open(world);
	assert_true(world->report.created);
	assert_int_equal(world->report.epoch, 1);
	for (size_t i = 0; i < 300; i++)
		world_put(world, i * 7 % 9000);
	world_settle(world);
	world_close(world);
	world_open(world);
	assert_false(world->report.created);
	assert_false(world->report.clean);
	assert_int_equal(world->report.records, 300);
	assert_int_equal(world->report.epoch, 2);
	world_put(world, 0);
	world_stop(world);
	world_open(world);
	assert_true(world->report.clean);
	assert_int_equal(world->report.records, 301);
	assert_int_equal(world->report.cut_bytes, 0);
}

static void
test_log__round_trip_posix(void **state)
{
	(void)state;
	struct world *world = world_real(io_env_posix());
	round_trip(world);
	world_free(world);
}

static void
test_log__round_trip_uring(void **state)
{
	(void)state;
	if (!world_has_uring())
		skip();
	struct world *world = world_real(io_env_uring());
	round_trip(world);
	world_free(world);
}

static void
test_log__round_trip_sim(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	round_trip(world);
	world_free(world);
}

/* The largest payload of a client in the segments that a server makes by itself. */
static void
test_log__largest_payload_in_default_segments(void **state)
{
	(void)state;
	struct world *world = world_real(io_env_posix());
	world->options.segment_bytes = 0;
	world->options.spares = 0;
	world_open(world);
	assert_int_equal(log_payload_bytes_max(world->log), FROE_PAYLOAD_BYTES_MAX);
	for (size_t i = 0; i < 18; i++) { /* 72 MiB: into the second segment */
		world_put(world, FROE_PAYLOAD_BYTES_MAX - i * 8);
		world_put(world, i);
	}
	world_settle(world);
	assert_int_equal(log_durable_lsn(world->log).v >> 32, 2);
	OK(world, world_reopen(world));
	assert_int_equal(world->report.records, 36);
	world_free(world);
}

/* ------------------------------------------------------------------------- two stores, mixed up */

static struct path
segment_of(const struct world *world, const char *store, uint64_t no)
{
	struct paths paths;
	assert_int_equal(paths_init(&paths, store, NULL), FROE_OK);
	(void)world;
	return path_segment(&paths, no);
}

static void
fill(struct world *world, const char *store)
{
	snprintf(world->dir, sizeof(world->dir), "%s", store);
	world->appended = 0;
	world->durable_events = 0;
	world_open(world);
	while (log_durable_lsn(world->log).v >> 32 < 3) {
		world_put(world, 50000);
		world_settle(world);
	}
	world_close(world);
}

static void
move(struct world *world, struct path from, struct path to)
{
	OK(world, io_path_rename(world->env, from.text, to.text, &world->fault));
}

/* Segments of the same size, both whole, both with the right number: of each other's store. */
static void
test_log__segments_of_two_stores_exchanged(void **state)
{
	(void)state;
	const char *stores[2] = {"/one", "/two"};
	for (uint64_t no = 1; no <= 4; no++) { /* the fourth is empty */
		struct world *world = world_sim(no);
		fill(world, stores[0]);
		fill(world, stores[1]);
		struct path aside = path_join("/", "aside");
		move(world, segment_of(world, stores[0], no), aside);
		move(world, segment_of(world, stores[1], no), segment_of(world, stores[0], no));
		move(world, aside, segment_of(world, stores[1], no));
		for (unsigned i = 0; i < 2; i++) {
			snprintf(world->dir, sizeof(world->dir), "%s", stores[i]);
			assert_int_equal(world_try_open(world), FROE_CORRUPT);
			assert_non_null(strstr(world->fault.text, "another store"));
			assert_int_equal(world->report.bad.v >> 32, no);
		}
		world_free(world);
	}
}

/* Two segments of one store under each other's names. */
static void
test_log__segments_exchanged_within_a_store(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	fill(world, "/one");
	struct path aside = path_join("/", "aside");
	move(world, segment_of(world, "/one", 2), aside);
	move(world, segment_of(world, "/one", 3), segment_of(world, "/one", 2));
	move(world, aside, segment_of(world, "/one", 3));
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "wrong name"));
	world_free(world);
}

/* ------------------------------------------------------------------------ places that cannot be */

struct answer {
	struct log_read read;
	unsigned calls;
	enum froe_err err;
};

static void
answered(struct log_read *read, enum froe_err err, const struct log_record *record)
{
	struct answer *answer = container_of(read, struct answer, read);
	assert_true((record != NULL) == (err == FROE_OK));
	answer->calls++;
	answer->err = err;
}

static enum froe_err
read_place(struct world *world, struct log_place place)
{
	struct answer answer = {0};
	log_read_start(world->log, &answer.read, place, 0, 0, answered);
	for (unsigned i = 0; answer.calls == 0 && i < 100; i++)
		world_turn(world);
	assert_int_equal(answer.calls, 1);
	return answer.err;
}

/* A segment that was cut off while the log is open: damage, not an I/O error to be tried again. */
static void
test_log__read_behind_the_end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct world *world = world_sim(1);
		struct paths paths;
		world_open(world);
		for (unsigned j = 0; j < 4; j++)
			world_put(world, 9000);
		world_settle(world);
		struct log_place place = world->model[2].place;
		assert_int_equal(read_place(world, place), FROE_OK);
		OK(world, paths_init(&paths, world->dir, &world->fault));
		struct path path = path_segment(&paths, 1);
		uint64_t block = (place.lsn.v & UINT32_MAX) / LOG_BLOCK_BYTES * LOG_BLOCK_BYTES;
		OK(world, sim_truncate(world->env, path.text, block + (i == 0 ? 0 : 700)));
		assert_int_equal(read_place(world, place), FROE_CORRUPT);
		world_free(world);
	}
}

/* The index may be wrong: whatever it says, the answer is an error or the record. */
static void
test_log__read_of_any_place(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	world_open(world);
	for (unsigned i = 0; i < 20; i++)
		world_put(world, 100 * i);
	world_settle(world);
	world_put(world, 300);
	for (unsigned i = 0; i < 2; i++) { /* one that is durable, one that is not */
		struct log_place good = world->model[i == 0 ? 7 : 20].place, place = good;
		assert_int_equal(read_place(world, good), FROE_OK);
		const uint32_t sizes[] = {0, 1, 31, 32, good.size - 1, good.size + 1, good.size + 8,
		    MIB, LOG_FRAME_BYTES_MAX, LOG_FRAME_BYTES_MAX + 1, UINT32_MAX - 7, UINT32_MAX};
		for (size_t at = 0; at < sizeof(sizes) / sizeof(sizes[0]); at++) {
			place.size = sizes[at];
			assert_int_not_equal(read_place(world, place), FROE_OK);
		}
		place = good;
		place.event_seq++;
		assert_int_equal(read_place(world, place), FROE_CORRUPT);
		const uint64_t lsns[] = {0, good.lsn.v + 8, good.lsn.v - 8, good.lsn.v + 1,
		    UINT64_C(1) << 32, UINT64_C(1) << 32 | (MIB - 8), UINT64_C(1) << 32 | MIB,
		    UINT64_C(1) << 32 | UINT32_MAX, UINT64_C(77) << 32 | 8192, UINT64_MAX};
		for (size_t at = 0; at < sizeof(lsns) / sizeof(lsns[0]); at++) {
			place = good;
			place.lsn.v = lsns[at];
			assert_int_not_equal(read_place(world, place), FROE_OK);
		}
	}
	world_free(world);
}

/* ------------------------------------------------------------------------------ edges of a life */

/* The caller's clock may stand still or go back: frames' times do not (F4). */
static void
test_log__time_that_goes_back(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	world_open(world);
	for (unsigned i = 0; i < 10; i++) {
		world_put(world, 10);
		world_settle(world);
		world->now_ns -= world->now_ns / 3;
	}
	uint64_t first_ns = world->now_ns;
	world_close(world);
	world_open(world);
	assert_int_equal(world->report.records, 10);
	assert_true(world->report.last_time_ns > first_ns);
	world_put(world, 10);
	world->now_ns = 1;
	world_stop(world);
	OK(world, world_reopen(world));
	assert_int_equal(world->report.records, 11);
	assert_true(world->report.clean);
	world_free(world);
}

/* Wherever in a segment the log ends, there is a place for the clean stop's frame. */
static void
test_log__clean_stop_at_every_end(void **state)
{
	(void)state;
	for (uint64_t left = 1; left <= 6; left++) {
		struct world *world = world_sim(left);
		uint64_t end = UINT64_C(1) << 32 | (MIB - left * LOG_BLOCK_BYTES);
		world->options.spares = 0;
		world_open(world);
		world_settle(world);
		while (log_durable_lsn(world->log).v < end) {
			world_put(world, 0);
			world_settle(world);
		}
		world_stop(world);
		world_open(world);
		assert_true(world->report.clean);
		assert_int_equal(world->replayed, world->appended);
		world_put(world, 0);
		world_stop(world);
		OK(world, world_reopen(world));
		assert_true(world->report.clean);
		world_free(world);
	}
}

/* What a creation left behind that was cut short, and a spare in the making, are cleared away. */
static void
test_log__leftovers_are_removed(void **state)
{
	(void)state;
	struct world *world = world_sim(1);
	int file;
	OK(world, world_try_open(world)); /* segments, but no frame in them */
	world_close(world);
	struct log_report first = world->report;
	OK(world, io_path_unlink(world->env, "/store/STORE", &world->fault));
	world_open(world);
	assert_true(world->report.created);
	assert_false(uuid_equal(world->report.store, first.store));
	for (unsigned i = 0; i < 60; i++)
		world_put(world, 50000); /* through the segments that had been there */
	world_settle(world);
	world_close(world);
	OK(world, io_file_open(world->env, "/store/shard-0000/log/new.tmp",
	    IO_OPEN_WRITE | IO_OPEN_CREATE, &file, &world->fault));
	io_file_close(world->env, file);
	OK(world, world_try_open(world));
	assert_int_equal(world->report.records, 60);
	assert_int_equal(io_file_open(world->env, "/store/shard-0000/log/new.tmp", IO_OPEN_READ,
	    &file, &world->fault), FROE_NOT_FOUND);
	world_free(world);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__round_trip_sim),
	    cmocka_unit_test(test_log__round_trip_posix),
	    cmocka_unit_test(test_log__round_trip_uring),
	    cmocka_unit_test(test_log__largest_payload_in_default_segments),
	    cmocka_unit_test(test_log__segments_of_two_stores_exchanged),
	    cmocka_unit_test(test_log__segments_exchanged_within_a_store),
	    cmocka_unit_test(test_log__read_behind_the_end),
	    cmocka_unit_test(test_log__read_of_any_place),
	    cmocka_unit_test(test_log__time_that_goes_back),
	    cmocka_unit_test(test_log__clean_stop_at_every_end),
	    cmocka_unit_test(test_log__leftovers_are_removed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
