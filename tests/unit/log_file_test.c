/*
 * The rows of recovery's decision table (docs/log-format.md, section 6) that judge whole files:
 * segments, MANIFEST, WATERMARK; and STORE.
 */
#include "log_store.h"

#include "log/backup.h"
#include "log/repair.h"
#include "log/snapshot.h"
#include "log/trail.h"
#include "log/walk.h"

/* ----------------------------------------------------------------------------------- segments */

static void
test_log__row_segment_size(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	assert_int_equal(sim_truncate(world->env, image.path.text, MIB - 4096), FROE_OK);
	must_refuse(world, "its header says", 0);
	assert_int_equal(world->report.bad.v >> 32, 1);
	assert_int_equal(sim_truncate(world->env, image.path.text, 4096), FROE_OK);
	must_refuse(world, "was cut to", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_both_bad(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image_flip(&image, 70);
	image_flip(&image, 4096 + 70);
	must_refuse(world, "both copies", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_one_bad(void **state)
{
	(void)state;
	for (unsigned copy = 0; copy < 2; copy++) {
		struct image image;
		struct world *world = store_written(&image);
		image_zero(&image, copy * LOG_BLOCK_BYTES, LOG_BLOCK_BYTES);
		must_start(world, SERIAL + BURST);
		store_free(world, &image);
	}
}

static void
test_log__row_segment_header_of_another_store(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.header.store.bytes[3] ^= 1;
	seg_header_encode(image.bytes, &image.header);
	image_store(&image, 0, SEG_HEADER_BYTES);
	must_refuse(world, "another store", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_wrong_number(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.header.no = 2;
	seg_header_encode(image.bytes, &image.header);
	image_store(&image, 0, SEG_HEADER_BYTES);
	must_refuse(world, "wrong name", 0);
	store_free(world, &image);
}

static void
test_log__row_segment_header_newer_format(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	(void)state;
	image.bytes[8] = 2; /* major */
	struct hash128 hash = hash128(image.bytes, 4080);
	le64_store(image.bytes + 4080, hash.low);
	le64_store(image.bytes + 4088, hash.high);
	image_store(&image, 0, LOG_BLOCK_BYTES);
	assert_int_equal(world_try_open(world), FROE_INCOMPATIBLE);
	store_free(world, &image);
}

/* Two full segments, a third with frames, a fourth that is ready. */
static struct world *
store_of_segments(void)
{
	struct world *world = world_sim(5);
	world_open(world);
	for (unsigned i = 0; i < 24; i++) {
		world_put(world, 100000);
		world_settle(world);
	}
	assert_int_equal(log_durable_lsn(world->log).v >> 32, 3);
	world_close(world);
	return world;
}

static void
sync_log_directory(struct world *world)
{
	struct path path = image_path(world, "shard-0000/log");
	OK(world, io_path_sync_dir(world->env, path.text, &world->fault));
}

static void
test_log__row_segment_missing(void **state)
{
	(void)state;
	for (uint64_t no = 1; no <= 3; no++) {
		struct world *world = store_of_segments();
		struct path path = image_segment_path(world, no);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		sync_log_directory(world);
		must_refuse(world, "is missing", 0);
		assert_int_equal(world->report.bad.v >> 32, no);
		world_free(world);
	}
}

static void
test_log__row_segment_missing_after_seal(void **state)
{
	struct world *world = store_of_segments();
	(void)state;
	for (uint64_t no = 3; no <= 4; no++) {
		struct path path = image_segment_path(world, no);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
	}
	sync_log_directory(world);
	must_refuse(world, "0000000000000003.seg is missing", 0);
	world_free(world);
}

/* --------------------------------------------------------------------------------- the slots */

static void
slot_damage(struct world *world, const char *name, unsigned slot)
{
	struct path path = image_path(world, name);
	assert_int_equal(sim_corrupt(world->env, path.text, slot * LOG_BLOCK_BYTES + 44, "\x99", 1),
	    FROE_OK);
}

static const char *const slot_files[] = {"shard-0000/MANIFEST", "shard-0000/WATERMARK"};

static void
test_log__row_one_slot(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct image image;
		struct world *world = store_written(&image);
		slot_damage(world, slot_files[i / 2], i % 2);
		must_start(world, SERIAL + BURST);
		assert_int_equal(world->report.epoch, 2); /* the other evidence still tells */
		world_close(world);
		/* It was rewritten: now the other one may go. */
		slot_damage(world, slot_files[i / 2], 1 - i % 2);
		must_start(world, SERIAL + BURST);
		store_free(world, &image);
	}
}

static void
test_log__row_both_slots(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct image image;
		struct world *world = store_written(&image);
		slot_damage(world, slot_files[i], 0);
		slot_damage(world, slot_files[i], 1);
		must_refuse(world, "both slots", 0);
		store_free(world, &image);
	}
}

static void
test_log__row_both_slots_missing_file(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct image image;
		struct world *world = store_written(&image);
		struct path path = image_path(world, slot_files[i]);
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		sync_log_directory(world);
		must_refuse(world, "is missing", 0);
		store_free(world, &image);
	}
}

/* ------------------------------------------------------------------------------------ STORE */

static void
test_log__store_one_copy(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct path path = image_path(world, "STORE");
	(void)state;
	assert_int_equal(sim_corrupt(world->env, path.text, 41, "\x99", 1), FROE_OK);
	must_start(world, SERIAL + BURST);
	world_close(world);
	assert_int_equal(sim_corrupt(world->env, path.text, 4096 + 41, "\x99", 1), FROE_OK);
	must_refuse(world, "STORE: both copies", 0);
	store_free(world, &image);
}

static void
test_log__store_lost_is_not_made_again(void **state)
{
	struct image image;
	struct world *world = store_written(&image);
	struct path path = image_path(world, "STORE");
	(void)state;
	OK(world, io_path_unlink(world->env, path.text, &world->fault));
	assert_int_equal(world_try_open(world), FROE_CORRUPT);
	assert_non_null(strstr(world->fault.text, "STORE is missing"));
	store_free(world, &image);
}

/* A name that is too long for what lies in the directory is refused by whoever gets it. */
static void
test_log__directory_name_too_long(void **state)
{
	struct world *world = world_sim(4);
	struct io_env *env = world->env;
	struct froe_fault *fault = &world->fault;
	static const struct log_base base = {.number = 1};
	struct backup_report backup;
	struct repair_report repair;
	struct log_report report;
	struct snapshot_writer *writer;
	struct log_base read;
	struct lsn from = {0};
	char dir[PATHS_BYTES + 1];
	(void)state;
	memset(dir, 'x', sizeof(dir));
	dir[0] = '/';
	dir[sizeof(dir) - 1] = 0;
	world_open(world);
	struct uuid store = world->report.store;
	assert_int_equal(log_scan(env, dir, from, NULL, NULL, &report, NULL),
	    FROE_INVALID_ARGUMENT);
	assert_int_equal(
	    backup_make(env, dir, "/backup", &backup, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(
	    backup_make(env, world->dir, dir, &backup, fault), FROE_INVALID_ARGUMENT);
	OK(world, backup_make(env, world->dir, "/backup", &backup, fault));
	assert_int_equal(
	    backup_restore(env, dir, "/restored", &backup, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(
	    backup_restore(env, "/backup", dir, &backup, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(repair_run(env, dir, false, &repair, NULL), FROE_INVALID_ARGUMENT);
	assert_int_equal(
	    snapshot_create(env, dir, store, &base, &writer, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(snapshot_read(env, dir, store, 1, NULL, NULL, false, &read, NULL),
	    FROE_INVALID_ARGUMENT);
	assert_int_equal(snapshot_remove(env, dir, 1, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(snapshot_quarantine(env, dir, 1, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(snapshot_list(env, dir, NULL, NULL, fault), FROE_INVALID_ARGUMENT);
	assert_int_equal(snapshot_clean(env, dir, fault), FROE_INVALID_ARGUMENT);
	assert_null(walk_open(env, dir, store, &base, fault));
	assert_null(walk_open_at(env, dir, store, 1, fault));
	assert_null(trail_open(env, dir, store, fault));
	assert_int_equal(fault->code, FROE_INVALID_ARGUMENT);
	walk_close(NULL);
	trail_close(NULL);
	world_free(world);
}

/* STORE is lost, and a file of the log cannot be looked at: it is not taken for an empty one. */
static void
test_log__store_lost_with_an_error_anywhere(void **state)
{
	bool reached = true;
	unsigned failed = 0;
	(void)state;
	for (uint64_t at = 0; reached; at++) {
		struct image image;
		struct world *world = store_written(&image);
		struct path path = image_path(world, "STORE");
		OK(world, io_path_unlink(world->env, path.text, &world->fault));
		uint64_t before = sim_operations(world->env);
		sim_fail_after(world->env, at, FROE_IO);
		enum froe_err err = world_try_open(world);
		reached = sim_operations(world->env) - before > at;
		sim_fail_after(world->env, UINT64_MAX, FROE_IO);
		assert_true(err == FROE_CORRUPT || (reached && err == FROE_IO));
		failed += err == FROE_IO;
		assert_int_equal(world_try_open(world), FROE_CORRUPT);
		store_free(world, &image);
	}
	assert_true(failed > 8);
}

/* The torn tail does not fit into quarantine/: nobody relies on it, the start goes on. What is
 * given up by leave is kept, or the start does not go on. */
static void
test_log__cut_on_a_full_disk(void **state)
{
	(void)state;
	for (unsigned accepted = 0; accepted < 2; accepted++) {
		unsigned without = 0, refused = 0;
		bool reached = true;
		for (uint64_t at = 0; reached; at++) {
			struct image image;
			struct world *world = store_written(&image);
			uint64_t last = image_last(&image)->offset;
			image_watermark(world, image.header.store, FRAME_SERIAL_LAST);
			if (accepted)
				image_flip(&image, last + 4200);
			else
				image_zero(&image, last + 4096, 512);
			world->options.accept_tail_loss = accepted;
			uint64_t before = sim_operations(world->env);
			sim_fail_after(world->env, at, FROE_NO_SPACE);
			enum froe_err err = world_try_open(world);
			reached = sim_operations(world->env) - before > at;
			sim_fail_after(world->env, UINT64_MAX, FROE_NO_SPACE);
			assert_true(err == FROE_OK || err == FROE_NO_SPACE);
			without += err == FROE_OK && reached;
			refused += err == FROE_NO_SPACE;
			OK(world, world_reopen(world));
			assert_int_equal(world->replayed, SERIAL + BURST - 1);
			store_free(world, &image);
		}
		assert_true(refused > 10);
		assert_true(without >= 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_log__row_segment_size),
	    cmocka_unit_test(test_log__row_segment_header_both_bad),
	    cmocka_unit_test(test_log__row_segment_header_one_bad),
	    cmocka_unit_test(test_log__row_segment_header_of_another_store),
	    cmocka_unit_test(test_log__row_segment_header_wrong_number),
	    cmocka_unit_test(test_log__row_segment_header_newer_format),
	    cmocka_unit_test(test_log__row_segment_missing),
	    cmocka_unit_test(test_log__row_segment_missing_after_seal),
	    cmocka_unit_test(test_log__row_one_slot),
	    cmocka_unit_test(test_log__row_both_slots),
	    cmocka_unit_test(test_log__row_both_slots_missing_file),
	    cmocka_unit_test(test_log__store_one_copy),
	    cmocka_unit_test(test_log__store_lost_is_not_made_again),
	    cmocka_unit_test(test_log__directory_name_too_long),
	    cmocka_unit_test(test_log__store_lost_with_an_error_anywhere),
	    cmocka_unit_test(test_log__cut_on_a_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
